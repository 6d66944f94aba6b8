//! What orders look like in JSON.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stampede_domain::order::{OrderLine, OrderView, Status};
use stampede_kernel::Timestamp;
use stampede_shop::{
    projections::{OrderFilter, OrderStatistics as Sums},
    services,
};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    extract::Object,
    problem::Problem,
    routes::wire::{self, Paging},
};

/// One line of an order.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrderItem {
    pub sku_id: Uuid,
    pub product_id: Uuid,
    pub name: String,
    #[schema(value_type = Object)]
    pub specs: Value,
    pub quantity: u32,
    pub unit_price: String,
    pub subtotal: String,
    pub discount: String,
}

impl OrderItem {
    fn of(line: &OrderLine) -> Self {
        Self {
            sku_id: line.sku_id.0,
            product_id: line.product_id.0,
            name: line.name.clone(),
            specs: json!(line.specs),
            quantity: line.quantity,
            unit_price: line.unit_price.to_string(),
            subtotal: line.subtotal().to_string(),
            discount: ZERO.to_owned(),
        }
    }
}

/// One step of an order's life.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrderLogEntry {
    pub at: String,
    pub action: &'static str,
    /// The user who did it; none for the shop itself.
    pub by: Option<Uuid>,
    pub remark: Option<String>,
}

/// An order.
#[derive(Debug, Serialize, ToSchema)]
pub struct Order {
    pub order_no: String,
    pub status: &'static str,
    pub items: Vec<OrderItem>,
    pub total: String,
    pub freight: String,
    pub discount: String,
    pub pay_amount: String,
    pub currency: String,
    #[schema(value_type = Option<Object>)]
    pub address: Option<Value>,
    pub note: Option<String>,
    pub flash_sale_id: Option<Uuid>,
    pub created_at: String,
    pub pay_before: String,
    pub paid_at: Option<String>,
    pub shipped_at: Option<String>,
    pub delivered_at: Option<String>,
    pub completed_at: Option<String>,
    pub cancelled_at: Option<String>,
    pub cancel_reason: Option<String>,
    pub log: Vec<OrderLogEntry>,
}

/// Freight and discounts come with the checkout of a cart.
const ZERO: &str = "0.00";

impl Order {
    pub(crate) fn of(order: &OrderView) -> Self {
        let moment = |at: Option<Timestamp>| at.map(|at| at.to_string());
        Self {
            order_no: order.order_no.to_string(),
            status: order.status.as_str(),
            items: order.lines.iter().map(OrderItem::of).collect(),
            total: order.total.to_string(),
            freight: ZERO.to_owned(),
            discount: ZERO.to_owned(),
            pay_amount: order.total.to_string(),
            currency: order.currency.as_str().to_owned(),
            address: None,
            note: order.note.clone(),
            flash_sale_id: order.flash_sale.map(|sale| sale.0),
            created_at: order.created_at.to_string(),
            pay_before: order.pay_before.to_string(),
            paid_at: moment(order.paid_at),
            shipped_at: moment(order.shipped_at),
            delivered_at: moment(order.delivered_at),
            completed_at: moment(order.completed_at),
            cancelled_at: moment(order.cancelled_at),
            cancel_reason: order.cancel_reason.clone(),
            log: order
                .log
                .iter()
                .map(|step| OrderLogEntry {
                    at: step.at.to_string(),
                    action: step.action.as_str(),
                    by: step.by.map(|user| user.0),
                    remark: step.remark.clone(),
                })
                .collect(),
        }
    }
}

/// One wished line.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrderItemInput {
    pub sku_id: Uuid,
    pub quantity: i64,
}

/// A direct buy.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrderInput {
    /// One line; several are bought by the checkout of a cart.
    #[schema(value_type = Vec<OrderItemInput>)]
    pub items: Vec<Object<OrderItemInput>>,
    pub note: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelInput {
    pub reason: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShipmentInput {
    pub remark: Option<String>,
}

/// Which of one's orders to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Listing {
    pub page: Option<u32>,
    pub page_size: Option<u32>,
    pub status: Option<String>,
    /// RFC 3339, inclusive.
    pub from: Option<String>,
    /// RFC 3339, exclusive.
    pub to: Option<String>,
    /// The orders of one flash sale.
    pub flash_sale_id: Option<Uuid>,
    /// The orders of one user: of anybody at the administrators' address, else one's own.
    pub user_id: Option<Uuid>,
}

/// Counts and sums of one's orders.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrderStatistics {
    pub total: i64,
    /// Counts by status.
    pub by_status: std::collections::BTreeMap<String, i64>,
    /// The sum of what was paid for.
    pub paid_total: String,
    pub currency: &'static str,
}

impl OrderStatistics {
    pub(super) fn of(statistics: Sums) -> Self {
        let mut paid_total = statistics.paid_total;
        paid_total.rescale(2);
        Self {
            total: statistics.by_status.values().sum(),
            by_status: statistics.by_status,
            paid_total: paid_total.to_string(),
            currency: "CNY",
        }
    }
}

impl Listing {
    /// The orders that are wanted, of whatever user.
    pub(super) fn filter(&self) -> Result<OrderFilter, Problem> {
        const STATUSES: [Status; 6] = [
            Status::PendingPayment,
            Status::Paid,
            Status::Shipped,
            Status::Delivered,
            Status::Completed,
            Status::Cancelled,
        ];
        let status = match self.status.as_deref().filter(|text| !text.is_empty()) {
            Some(text) => {
                Some(STATUSES.into_iter().find(|status| status.as_str() == text).ok_or_else(|| {
                    let known: Vec<&str> = STATUSES.iter().map(|status| status.as_str()).collect();
                    Problem::field("status", "format", format!("Must be one of {}.", known.join(", ")))
                })?)
            }
            None => None,
        };
        Ok(OrderFilter {
            user: None,
            status,
            flash_sale: self.flash_sale_id,
            from: self.from.as_deref().map(|text| wire::moment(text, "from")).transpose()?,
            to: self.to.as_deref().map(|text| wire::moment(text, "to")).transpose()?,
        })
    }
}

impl Listing {
    pub(super) fn paging(&self) -> Result<services::Paging, Problem> {
        Paging { page: self.page, page_size: self.page_size }.checked()
    }
}
