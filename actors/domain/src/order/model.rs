//! What an order is.
//!
//! Invariants:
//! - an order is opened once, and its user, lines and amounts never change;
//! - the status only moves along `pending_payment -> paid -> shipped -> delivered -> completed` or
//!   `pending_payment -> cancelled`, and every move has an entry in the log.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use stampede_kernel::{
    Currency, Digest, FlashSaleId, IdempotencyKey, Money, OrderNo, ProductId, ReservationId, SkuId,
    Timestamp, UserId,
};

/// An order, once opened.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub order: Option<OrderView>,
    /// Idempotency keys of what was accepted, with the body's digest.
    pub keys: HashMap<Digest, Digest>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    PendingPayment,
    Paid,
    Shipped,
    Delivered,
    Completed,
    Cancelled,
}

impl Status {
    /// The published text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Status::PendingPayment => "pending_payment",
            Status::Paid => "paid",
            Status::Shipped => "shipped",
            Status::Delivered => "delivered",
            Status::Completed => "completed",
            Status::Cancelled => "cancelled",
        }
    }
}

/// One line of an order, as it was when it was bought.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OrderLine {
    pub sku_id: SkuId,
    pub product_id: ProductId,
    pub name: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub specs: BTreeMap<String, String>,
    pub quantity: u32,
    pub unit_price: Money,
    pub currency: Currency,
    pub reservation: ReservationId,
}

impl OrderLine {
    /// The price of all its units.
    #[must_use]
    pub fn subtotal(&self) -> Money {
        self.unit_price.times(self.quantity)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    Opened,
    Paid,
    Shipped,
    Delivered,
    Completed,
    Cancelled,
}

impl Action {
    /// The published text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Action::Opened => "opened",
            Action::Paid => "paid",
            Action::Shipped => "shipped",
            Action::Delivered => "delivered",
            Action::Completed => "completed",
            Action::Cancelled => "cancelled",
        }
    }
}

/// One step of an order's life.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogEntry {
    pub at: Timestamp,
    pub action: Action,
    /// The user who did it; none for the shop itself.
    pub by: Option<UserId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remark: Option<String>,
}

/// An order as it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OrderView {
    pub order_no: OrderNo,
    pub user: UserId,
    pub status: Status,
    pub lines: Vec<OrderLine>,
    pub total: Money,
    pub currency: Currency,
    pub flash_sale: Option<FlashSaleId>,
    pub note: Option<String>,
    pub created_at: Timestamp,
    pub pay_before: Timestamp,
    pub paid_at: Option<Timestamp>,
    pub shipped_at: Option<Timestamp>,
    pub delivered_at: Option<Timestamp>,
    pub completed_at: Option<Timestamp>,
    pub cancelled_at: Option<Timestamp>,
    pub cancel_reason: Option<String>,
    pub log: Vec<LogEntry>,
}

/// What a new order is made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Open {
    pub order_no: OrderNo,
    pub user: UserId,
    pub lines: Vec<OrderLine>,
    pub total: Money,
    pub currency: Currency,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flash_sale: Option<FlashSaleId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    pub created_at: Timestamp,
    pub pay_before: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Cannot be refused: the units are already reserved.
    Open(Box<Open>),
    Pay {
        user: UserId,
        key: Option<IdempotencyKey>,
    },
    /// `by` is the owner, or an administrator whose role the edge has checked.
    Cancel {
        owner: UserId,
        by: UserId,
        reason: Option<String>,
        key: Option<IdempotencyKey>,
    },
    /// The payment deadline has passed.
    Expire,
    Ship {
        by: UserId,
        remark: Option<String>,
    },
    Deliver {
        by: UserId,
    },
    /// The buyer confirms the receipt.
    Complete {
        user: UserId,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Query {
    /// The order, now.
    Get { owner: UserId },
    /// The order, once it is opened.
    Await { owner: UserId },
}

/// What the journal holds. A variant's meaning never changes; a new meaning is a new variant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    Opened(Box<Open>),
    Paid {
        at: Timestamp,
        by: UserId,
        reservations: Vec<ReservedLine>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<IdempotencyKey>,
    },
    Cancelled {
        at: Timestamp,
        by: Option<UserId>,
        reason: String,
        reservations: Vec<ReservedLine>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<IdempotencyKey>,
    },
    Shipped {
        at: Timestamp,
        by: UserId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        remark: Option<String>,
    },
    Delivered {
        at: Timestamp,
        by: UserId,
    },
    Completed {
        at: Timestamp,
        by: UserId,
    },
}

/// The units that an order holds, for the sagas that confirm or release them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReservedLine {
    pub sku: SkuId,
    pub reservation: ReservationId,
}

/// Why a command was refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    IdempotencyMismatch,
    /// No such order of this user.
    NotFound,
    /// The order is in a state that does not allow it.
    State {
        status: Status,
        reason: Option<String>,
    },
    /// The number is another order's.
    NumberTaken,
}
