//! What a cart is.
//!
//! Invariants: a line's quantity is from 1 to `QUANTITY_MAX`; a SKU stands in one line; there are at
//! most `CART_LINES_MAX` lines, in the order in which they came.

use serde::{Deserialize, Serialize};
use stampede_kernel::{SkuId, Timestamp};

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub lines: Vec<Line>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    pub sku: SkuId,
    pub quantity: u32,
    pub selected: bool,
    pub added_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Adds to a line, or makes it.
    Add {
        sku: SkuId,
        quantity: u32,
    },
    /// Changes a line; what is none stays.
    Change {
        sku: SkuId,
        quantity: Option<u32>,
        selected: Option<bool>,
    },
    Remove {
        sku: SkuId,
    },
    SelectAll {
        selected: bool,
    },
    Clear,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Query {
    Get,
}

/// What the journal holds. A variant's meaning never changes; a new meaning is a new variant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A line is now like this.
    LineSet {
        line: Line,
    },
    LineRemoved {
        sku: SkuId,
        at: Timestamp,
    },
    AllSelected {
        selected: bool,
        at: Timestamp,
    },
    Cleared {
        at: Timestamp,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The SKU is in no line.
    NoSuchLine,
    TooManyLines {
        limit: usize,
    },
    Quantity {
        limit: u32,
    },
}
