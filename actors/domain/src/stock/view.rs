//! What a stock actor answers.

use serde::{Deserialize, Serialize};
use stampede_kernel::{Digest, FlashSaleId, Money, OrderNo, ReservationId, Timestamp, UserId};

use super::model::{Pool, Reservation, ReservationStatus, Sale, State};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    Done,
    Reservation(ReservationView),
    Stock(StockView),
    Sale(Box<SaleView>),
    Mine(Vec<ReservationView>),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReservationView {
    pub reservation: ReservationId,
    pub order_no: OrderNo,
    pub user: UserId,
    pub sale: Option<FlashSaleId>,
    pub quantity: u32,
    pub unit_price: Money,
    pub status: ReservationStatus,
    pub at: Timestamp,
    pub pay_before: Timestamp,
}

impl ReservationView {
    pub(super) fn of(reservation: ReservationId, known: &Reservation) -> Self {
        Self {
            reservation,
            order_no: known.order_no,
            user: known.user,
            sale: known.sale,
            quantity: known.quantity,
            unit_price: known.unit_price,
            status: known.status,
            at: known.at,
            pay_before: known.pay_before,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PoolView {
    /// None for the regular pool.
    pub sale: Option<FlashSaleId>,
    pub pool: Pool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StockView {
    pub received: i64,
    pub pools: Vec<PoolView>,
}

impl StockView {
    /// The ledger's numbers.
    #[must_use]
    pub fn of(state: &State) -> Self {
        let regular = PoolView { sale: None, pool: state.regular };
        let sales = state.sales.iter().map(|(id, sale)| PoolView { sale: Some(*id), pool: sale.pool });
        Self { received: state.received, pools: std::iter::once(regular).chain(sales).collect() }
    }

    /// The regular pool.
    #[must_use]
    pub fn regular(&self) -> Pool {
        self.pools.iter().find(|view| view.sale.is_none()).map_or_else(Pool::default, |view| view.pool)
    }

    /// All pools together.
    #[must_use]
    pub fn total(&self) -> Pool {
        self.pools.iter().fold(Pool::default(), |sum, view| Pool {
            allotted: sum.allotted + view.pool.allotted,
            available: sum.available + view.pool.available,
            held: sum.held + view.pool.held,
            sold: sum.sold + view.pool.sold,
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SaleState {
    Scheduled,
    Running,
    SoldOut,
    Ended,
    Closed,
}

impl SaleState {
    /// The state of a sale at `now`.
    #[must_use]
    pub fn at(
        now: Timestamp,
        starts_at: Timestamp,
        ends_at: Timestamp,
        closed_at: Option<Timestamp>,
        available: i64,
    ) -> Self {
        match closed_at {
            Some(closed) if closed < ends_at => SaleState::Closed,
            Some(_) => SaleState::Ended,
            None if now >= ends_at => SaleState::Ended,
            None if now < starts_at => SaleState::Scheduled,
            None if available == 0 => SaleState::SoldOut,
            None => SaleState::Running,
        }
    }

    /// The published text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            SaleState::Scheduled => "scheduled",
            SaleState::Running => "running",
            SaleState::SoldOut => "sold_out",
            SaleState::Ended => "ended",
            SaleState::Closed => "closed",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SaleView {
    pub id: FlashSaleId,
    pub terms: super::Terms,
    pub pool: Pool,
    pub paused: bool,
    pub state: SaleState,
    /// The key of the command that opened it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened_under: Option<Digest>,
}

impl SaleView {
    /// A sale as it stands at `now`.
    #[must_use]
    pub fn of(id: FlashSaleId, sale: &Sale, now: Timestamp) -> Self {
        let terms = &sale.terms;
        let state = SaleState::at(now, terms.starts_at, terms.ends_at, sale.closed_at, sale.pool.available);
        let opened_under = sale.opened_under;
        Self { id, terms: terms.clone(), pool: sale.pool, paused: sale.paused, state, opened_under }
    }
}
