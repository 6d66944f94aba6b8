//! The rooms of the shop, each registered once: what an entity, or a kind of record, brings besides its own
//! decisions.
//!
//! A new entity is a room in `stampede_domain`, a line in [`Actors`](crate::actors::Actors), and an entry here.

mod export;

use stampede_platform::journal::RecordKind;

pub use self::export::ExportTable;
use self::export::table;
use crate::{
    projections::{self, ProjectionOf},
    records::catalog::PRODUCT_EVENTS,
    sagas::{self, Saga},
};

/// What a room brings.
pub struct Room {
    /// What keeps its tables up with the journal.
    pub projections: &'static [ProjectionOf],
    /// What must follow from its events at other entities.
    pub sagas: &'static [Saga],
    /// The records that leave events.
    pub records: &'static [RecordKind],
    /// Its tables, as they are moved with the shop. A table stands after those that it refers to.
    pub tables: &'static [ExportTable],
}

/// Every room. Their tables are filled in this order; batches are small where rows may be large.
pub static ROOMS: &[Room] = &[PLATFORM, ACCOUNTS, CATALOG, STOCK, ORDER, CART];

/// What stands under every entity. `node` is not moved: a lease says nothing about another database.
const PLATFORM: Room = Room {
    projections: &[],
    sagas: &[],
    records: &[],
    tables: &[
        table!("shop", order "one", batch "1"),
        table!("shard", order "id", batch "500"),
        table!("journal", order "shard, seq", batch "500"),
        table!("snapshot", order "actor_kind, actor_id", batch "4"),
        table!("checkpoint", order "subscription, shard", batch "500"),
        table!("relay", order "one", batch "1"),
        table!("parked", order "saga, shard, seq, target", batch "100"),
        table!("claim", order "key", batch "500"),
        table!("outbox", order "id", batch "50"),
    ],
};

const ACCOUNTS: Room = Room {
    projections: &[],
    sagas: &[],
    records: &[],
    tables: &[table!("account", order "id", batch "500"), table!("revocation", order "id", batch "500")],
};

const CATALOG: Room = Room {
    projections: &[],
    sagas: &[sagas::STOCKING],
    records: &[PRODUCT_EVENTS],
    tables: &[
        // Parents before their children.
        table!(
            "category",
            with "WITH RECURSIVE tree AS (
                     SELECT id AS member, 0 AS depth FROM category WHERE parent_id IS NULL
                     UNION ALL
                     SELECT category.id, tree.depth + 1 FROM category JOIN tree ON category.parent_id = tree.member
                 )",
            from ("tree JOIN category AS exported ON exported.id = tree.member"),
            order "tree.depth, exported.id",
            batch "500"
        ),
        table!("product", order "id", batch "50"),
        table!("sku", order "id", batch "200"),
    ],
};

const STOCK: Room = Room {
    projections: &[projections::STOCK],
    sagas: &[sagas::PURCHASE],
    records: &[],
    tables: &[
        table!("stock_ledger", order "sku_id", batch "500"),
        table!("stock_pool", order "sku_id, pool", batch "500"),
        table!("flash_sale", order "id", batch "200"),
    ],
};

const ORDER: Room = Room {
    projections: &[projections::ORDER],
    sagas: &[sagas::PAYMENT, sagas::EXPIRY],
    records: &[],
    tables: &[table!("orders", order "order_no", batch "200")],
};

const CART: Room = Room { projections: &[], sagas: &[], records: &[], tables: &[] };

/// The projections of all rooms.
#[must_use]
pub fn projections() -> Vec<ProjectionOf> {
    ROOMS.iter().flat_map(|room| room.projections).copied().collect()
}

/// The sagas of all rooms.
#[must_use]
pub fn sagas() -> Vec<Saga> {
    ROOMS.iter().flat_map(|room| room.sagas).copied().collect()
}

/// The kinds of records that leave events.
#[must_use]
pub fn records() -> Vec<RecordKind> {
    ROOMS.iter().flat_map(|room| room.records).copied().collect()
}

/// The tables that are moved with the shop, in the order in which they are filled.
pub fn tables() -> impl Iterator<Item = &'static ExportTable> {
    ROOMS.iter().flat_map(|room| room.tables)
}
