//! What is moved: every table, with the statements that read and fill it.

/// A table that is moved.
pub(super) struct Table {
    pub name: &'static str,
    /// Opens the cursor `export_rows` over its rows as JSON, in the order in which they are inserted.
    pub declare: &'static str,
    /// Reads the cursor's next batch.
    pub fetch: &'static str,
    /// Inserts the rows of a JSON array.
    pub insert: &'static str,
    /// Whether it has a row.
    pub any: &'static str,
}

macro_rules! table {
    ($name:literal, order $order:literal, batch $batch:literal) => {
        table!($name, with "", from (concat!($name, " AS exported")), order $order, batch $batch)
    };
    ($name:literal, with $with:literal, from ($from:expr), order $order:literal, batch $batch:literal) => {
        Table {
            name: $name,
            declare: concat!(
                "DECLARE export_rows NO SCROLL CURSOR FOR ", $with,
                " SELECT row_to_json(exported)::text FROM ", $from, " ORDER BY ", $order
            ),
            fetch: concat!("FETCH ", $batch, " FROM export_rows"),
            insert: concat!(
                "INSERT INTO ", $name, " OVERRIDING SYSTEM VALUE
                 SELECT * FROM json_populate_recordset(NULL::", $name, ", $1::json)"
            ),
            any: concat!("SELECT EXISTS (SELECT 1 FROM ", $name, ")"),
        }
    };
}

/// In the order in which they are filled: what is referred to comes first. Batches are small where rows
/// may be large. `node` is not moved: a lease says nothing about another database.
pub(super) static TABLES: [Table; 18] = [
    table!("shop", order "one", batch "1"),
    table!("shard", order "id", batch "500"),
    table!("journal", order "shard, seq", batch "500"),
    table!("snapshot", order "actor_kind, actor_id", batch "4"),
    table!("checkpoint", order "subscription, shard", batch "500"),
    table!("relay", order "one", batch "1"),
    table!("parked", order "saga, shard, seq, target", batch "100"),
    table!("account", order "id", batch "500"),
    table!("revocation", order "id", batch "500"),
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
    table!("claim", order "key", batch "500"),
    table!("outbox", order "id", batch "50"),
    table!("stock_ledger", order "sku_id", batch "500"),
    table!("stock_pool", order "sku_id, pool", batch "500"),
    table!("flash_sale", order "id", batch "200"),
    table!("orders", order "order_no", batch "200"),
];
