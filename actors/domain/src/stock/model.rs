//! One SKU's units, pool by pool.
//!
//! Invariants, checked at the end of every `apply`:
//! - per pool, `allotted = available + held + sold`, none of them negative;
//! - `received` is the sum of all pools' `allotted`: initial stock, restocks and adjustments;
//! - a reservation is `held`, then `confirmed` or `released`, and never changes again;
//! - per flash sale, a buyer's units are those of the buyer's reservations that are not released,
//!   until the sale closes.

use std::collections::{BTreeMap, HashMap, VecDeque};

use serde::{Deserialize, Serialize};
use stampede_kernel::{
    Currency, Digest, FlashSaleId, IdempotencyKey, Millis, Money, OrderNo, ProductId, ReservationId,
    Timestamp, UserId,
};

use super::view::StockView;

/// The ledger of one SKU.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Units that ever came in, less those adjusted away.
    pub received: i64,
    /// Whether the initial stock has come in; it comes once.
    #[serde(default)]
    pub initialized: bool,
    pub regular: Pool,
    pub sales: BTreeMap<FlashSaleId, Sale>,
    pub reservations: HashMap<ReservationId, Reservation>,
    /// Idempotency keys of what was accepted.
    pub keys: HashMap<Digest, Remembered>,
    /// Reservations and keys in the order in which they may be forgotten.
    pub forgettable: VecDeque<(Timestamp, Forgettable)>,
}

/// Units under one set of rules.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    pub allotted: i64,
    pub available: i64,
    pub held: i64,
    pub sold: i64,
}

/// A flash sale: a pool with terms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sale {
    pub terms: Terms,
    pub pool: Pool,
    pub paused: bool,
    /// When the unsold rest went back to the regular pool.
    pub closed_at: Option<Timestamp>,
    pub buyers: HashMap<UserId, Buyer>,
    /// The key of the command that opened it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened_under: Option<Digest>,
}

/// One user's part in a sale.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Buyer {
    /// Units held or bought; what the limit counts.
    pub units: u32,
    /// In the order in which they were made, released ones too until they are forgotten.
    pub reservations: Vec<ReservationId>,
}

/// The terms of a flash sale.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    pub line: Line,
    /// The price before the sale.
    pub original_price: Money,
    pub per_user_limit: u32,
    pub starts_at: Timestamp,
    pub ends_at: Timestamp,
    pub pay_within_ms: Millis,
}

/// What an order line keeps of the product at the time of the purchase.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    pub product_id: ProductId,
    pub name: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub specs: BTreeMap<String, String>,
    pub unit_price: Money,
    pub currency: Currency,
}

/// Units held for one buyer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reservation {
    pub user: UserId,
    /// The sale whose pool the units came from; none for the regular pool.
    pub sale: Option<FlashSaleId>,
    pub quantity: u32,
    pub unit_price: Money,
    pub order_no: OrderNo,
    pub status: ReservationStatus,
    pub at: Timestamp,
    pub pay_before: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReservationStatus {
    Held,
    Confirmed,
    Released,
    /// Released before it was made: the `Reserve` that is still on its way will be refused.
    Void,
}

/// An accepted command, by its caller's key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Remembered {
    pub body: Digest,
    /// The reservation that was made, if it was a reservation.
    pub reservation: Option<ReservationId>,
    /// The sale that was opened, if it was that.
    pub sale: Option<FlashSaleId>,
    /// What was answered, if units came in or were corrected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stock: Option<Box<StockView>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Forgettable {
    Reservation(ReservationId),
    Key(Digest),
}

/// The pool that a reservation is taken from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The regular pool, at the price and with the deadline given.
    Regular { line: Line, pay_within_ms: Millis },
    /// A flash sale, on its own terms.
    Sale(FlashSaleId),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reserve {
    pub reservation: ReservationId,
    pub order_no: OrderNo,
    pub user: UserId,
    pub source: Source,
    pub quantity: u32,
    pub note: Option<String>,
    pub issued_at: Timestamp,
    pub key: Option<IdempotencyKey>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OpenSale {
    pub sale: FlashSaleId,
    pub terms: Terms,
    pub quantity: i64,
    /// Whether units that the regular pool lacks are received, rather than the command refused.
    pub receive_missing: bool,
    pub key: Option<IdempotencyKey>,
}

/// New terms of a sale; what is none stays.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Amendment {
    pub price: Option<Money>,
    pub per_user_limit: Option<u32>,
    pub starts_at: Option<Timestamp>,
    pub ends_at: Option<Timestamp>,
    pub pay_within_ms: Option<Millis>,
}

/// The units of a reservation are sold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Confirm {
    pub reservation: ReservationId,
}

/// The units of a reservation go back on sale.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Release {
    pub reservation: ReservationId,
}

/// A new SKU's first stock; a repeat does nothing, however late.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Initialize {
    pub quantity: i64,
}

/// Units have come in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Receive {
    pub quantity: i64,
    pub reason: String,
    pub key: Option<IdempotencyKey>,
}

/// Adds units to the regular pool, or takes them away.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Adjust {
    pub delta: i64,
    pub reason: String,
    pub key: Option<IdempotencyKey>,
}

/// Brings the regular pool's available units to a number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AdjustTo {
    pub available: i64,
    pub reason: String,
    pub key: Option<IdempotencyKey>,
}

/// Adds to a sale's allotment, receiving what the regular pool lacks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExtendSale {
    pub sale: FlashSaleId,
    pub quantity: i64,
    pub key: Option<IdempotencyKey>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AmendSale {
    pub sale: FlashSaleId,
    pub amendment: Amendment,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PauseSale {
    pub sale: FlashSaleId,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResumeSale {
    pub sale: FlashSaleId,
}

/// Ends a sale; the unsold rest goes back to the regular pool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CloseSale {
    pub sale: FlashSaleId,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    Reserve(Box<Reserve>),
    Confirm(Confirm),
    Release(Release),
    Initialize(Initialize),
    Receive(Receive),
    Adjust(Adjust),
    AdjustTo(AdjustTo),
    OpenSale(Box<OpenSale>),
    /// Adds the units to the sale that is on, or opens this one if none is.
    OfferSale(Box<OpenSale>),
    ExtendSale(ExtendSale),
    AmendSale(AmendSale),
    PauseSale(PauseSale),
    ResumeSale(ResumeSale),
    CloseSale(CloseSale),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Query {
    Stock,
    Sale(FlashSaleId),
    /// A sale that is not over, if there is one.
    OpenSale,
    /// A user's own reservations in a sale.
    Mine {
        sale: FlashSaleId,
        user: UserId,
    },
    /// What was reserved, opened or extended under a key.
    Made(IdempotencyKey),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reserved {
    pub reservation: ReservationId,
    pub order_no: OrderNo,
    pub user: UserId,
    pub sale: Option<FlashSaleId>,
    pub quantity: u32,
    pub line: Line,
    pub at: Timestamp,
    pub pay_before: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<IdempotencyKey>,
}

/// What the journal holds. A variant's meaning never changes; a new meaning is a new variant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    Initialized {
        quantity: i64,
        at: Timestamp,
    },
    Received {
        quantity: i64,
        reason: String,
        at: Timestamp,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<IdempotencyKey>,
    },
    Adjusted {
        delta: i64,
        reason: String,
        at: Timestamp,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<IdempotencyKey>,
    },
    Reserved(Box<Reserved>),
    Confirmed {
        reservation: ReservationId,
        order_no: OrderNo,
        sale: Option<FlashSaleId>,
        quantity: u32,
        at: Timestamp,
    },
    Released {
        reservation: ReservationId,
        order_no: OrderNo,
        /// The sale that the units came from.
        sale: Option<FlashSaleId>,
        quantity: u32,
        /// Whether that sale had closed, so that they went to the regular pool.
        to_regular: bool,
        at: Timestamp,
    },
    Voided {
        reservation: ReservationId,
        at: Timestamp,
    },
    SaleOpened {
        sale: FlashSaleId,
        terms: Box<Terms>,
        /// Units moved out of the regular pool.
        quantity: i64,
        at: Timestamp,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<IdempotencyKey>,
    },
    SaleExtended {
        sale: FlashSaleId,
        quantity: i64,
        at: Timestamp,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<IdempotencyKey>,
    },
    SaleAmended {
        sale: FlashSaleId,
        terms: Box<Terms>,
        at: Timestamp,
    },
    SalePaused {
        sale: FlashSaleId,
        at: Timestamp,
    },
    SaleResumed {
        sale: FlashSaleId,
        at: Timestamp,
    },
    SaleClosed {
        sale: FlashSaleId,
        /// Units moved back to the regular pool.
        returned: i64,
        at: Timestamp,
    },
}

/// Why a command was refused, in order of precedence for a reservation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    IdempotencyMismatch,
    /// Issued too long ago, or released before it arrived.
    ReservationExpired,
    UnknownSale,
    NotStarted {
        starts_at: Timestamp,
    },
    Ended,
    Paused,
    LimitReached {
        limit: u32,
        have: u32,
    },
    SoldOut,
    InsufficientStock {
        available: i64,
    },
    /// A number out of its bounds.
    Invalid {
        field: String,
        detail: String,
    },
    TooManySales,
    SaleExists,
}
