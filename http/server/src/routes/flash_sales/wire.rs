//! What flash sales look like in JSON.

use serde::{Deserialize, Serialize};
use stampede_domain::{
    order::Status,
    stock::{ReservationStatus, ReservationView},
};
use stampede_kernel::{FlashSaleId, IdempotencyKey, SkuId, Timestamp};
use stampede_shop::{
    projections::SaleRow,
    services::{
        purchases,
        sales::{NewSale, OwnResult, SaleChange, SaleOfSku},
    },
};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{problem::Problem, routes::wire};

/// A flash sale, as everybody sees it.
#[derive(Debug, Serialize, ToSchema)]
pub struct FlashSale {
    pub id: Uuid,
    pub sku_id: Uuid,
    pub product_id: Uuid,
    pub name: String,
    /// What a unit costs in the sale, such as `"19.90"`.
    pub price: String,
    pub original_price: String,
    pub currency: String,
    /// Units allotted to the sale.
    pub quantity: i64,
    pub available: i64,
    pub per_user_limit: u32,
    pub starts_at: String,
    pub ends_at: String,
    pub pay_within_seconds: i64,
    /// `scheduled`, `running`, `sold_out`, `ended` or `closed`.
    pub state: &'static str,
    pub paused: bool,
    /// For countdowns.
    pub server_time: String,
}

impl FlashSale {
    pub(super) fn of_row(row: &SaleRow, now: Timestamp) -> Self {
        Self {
            id: row.id.0,
            sku_id: row.sku.0,
            product_id: row.product.0,
            name: row.name.clone(),
            price: row.price.to_string(),
            original_price: row.original_price.to_string(),
            currency: row.currency.clone(),
            quantity: row.pool.allotted,
            available: row.pool.available,
            per_user_limit: row.per_user_limit,
            starts_at: row.starts_at.to_string(),
            ends_at: row.ends_at.to_string(),
            pay_within_seconds: row.pay_within_ms / 1_000,
            state: row.state(now).as_str(),
            paused: row.paused,
            server_time: now.to_string(),
        }
    }

    pub(crate) fn of(sale: &SaleOfSku, now: Timestamp) -> Self {
        let SaleOfSku { sku, view } = sale;
        let terms = &view.terms;
        Self {
            id: view.id.0,
            sku_id: sku.0,
            product_id: terms.line.product_id.0,
            name: terms.line.name.clone(),
            price: terms.line.unit_price.to_string(),
            original_price: terms.original_price.to_string(),
            currency: terms.line.currency.as_str().to_owned(),
            quantity: view.pool.allotted,
            available: view.pool.available,
            per_user_limit: terms.per_user_limit,
            starts_at: terms.starts_at.to_string(),
            ends_at: terms.ends_at.to_string(),
            pay_within_seconds: terms.pay_within_ms / 1_000,
            state: view.state.as_str(),
            paused: view.paused,
            server_time: now.to_string(),
        }
    }
}

/// A new flash sale.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FlashSaleInput {
    pub sku_id: Uuid,
    /// Such as `"19.90"`.
    pub price: String,
    /// Units moved out of the regular pool.
    pub quantity: i64,
    pub per_user_limit: Option<u32>,
    /// RFC 3339; now, if missing.
    pub starts_at: Option<String>,
    pub ends_at: String,
    pub pay_within_seconds: Option<i64>,
}

/// What may change of a flash sale.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FlashSalePatch {
    pub price: Option<String>,
    pub per_user_limit: Option<u32>,
    pub starts_at: Option<String>,
    pub ends_at: Option<String>,
    pub pay_within_seconds: Option<i64>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PurchaseInput {
    /// 1, if missing.
    pub quantity: Option<i64>,
}

/// A purchase: durable, and final.
#[derive(Debug, Serialize, ToSchema)]
pub struct PurchaseResult {
    pub order_no: String,
    pub reservation_id: Uuid,
    pub quantity: u32,
    pub unit_price: String,
    pub total: String,
    /// The order's status, or `reserved` while the order is on its way.
    pub status: &'static str,
    pub pay_before: String,
}

impl PurchaseResult {
    pub(crate) fn of(purchased: &purchases::Purchased) -> Self {
        let status = purchased.order.as_ref().map_or("reserved", |order| order.status.as_str());
        Self::of_reservation(&purchased.reservation, status)
    }

    fn of_reservation(reservation: &ReservationView, status: &'static str) -> Self {
        Self {
            order_no: reservation.order_no.to_string(),
            reservation_id: reservation.reservation.0,
            quantity: reservation.quantity,
            unit_price: reservation.unit_price.to_string(),
            total: reservation.unit_price.times(reservation.quantity).to_string(),
            status,
            pay_before: reservation.pay_before.to_string(),
        }
    }
}

/// The caller's own part in a sale.
#[derive(Debug, Serialize, ToSchema)]
pub struct FlashSaleResult {
    pub flash_sale_id: Uuid,
    /// Units held or bought.
    pub units: u32,
    pub per_user_limit: u32,
    pub purchases: Vec<PurchaseResult>,
}

impl FlashSaleResult {
    pub(super) fn of(sale: FlashSaleId, own: &OwnResult) -> Self {
        let mut units = 0;
        let mut purchases = Vec::with_capacity(own.reservations.len());
        for reservation in &own.reservations {
            let status = match reservation.status {
                ReservationStatus::Held => Status::PendingPayment.as_str(),
                ReservationStatus::Confirmed => Status::Paid.as_str(),
                ReservationStatus::Released | ReservationStatus::Void => Status::Cancelled.as_str(),
            };
            if matches!(reservation.status, ReservationStatus::Held | ReservationStatus::Confirmed) {
                units += reservation.quantity;
            }
            purchases.push(PurchaseResult::of_reservation(reservation, status));
        }
        Self { flash_sale_id: sale.0, units, per_user_limit: own.per_user_limit, purchases }
    }
}

impl FlashSaleInput {
    /// The sale that is wanted.
    pub(super) fn checked(&self, key: Option<IdempotencyKey>) -> Result<NewSale, Problem> {
        Ok(NewSale {
            sku: SkuId(self.sku_id),
            price: wire::price(&self.price, "price")?,
            quantity: self.quantity,
            per_user_limit: self.per_user_limit,
            starts_at: self.starts_at.as_deref().map(|text| wire::moment(text, "starts_at")).transpose()?,
            ends_at: wire::moment(&self.ends_at, "ends_at")?,
            pay_within_seconds: self.pay_within_seconds,
            key,
        })
    }
}

impl FlashSalePatch {
    /// The change that is wanted.
    pub(super) fn checked(&self) -> Result<SaleChange, Problem> {
        let moment = |text: Option<&str>, field| text.map(|text| wire::moment(text, field)).transpose();
        Ok(SaleChange {
            price: self.price.as_deref().map(|text| wire::price(text, "price")).transpose()?,
            per_user_limit: self.per_user_limit,
            starts_at: moment(self.starts_at.as_deref(), "starts_at")?,
            ends_at: moment(self.ends_at.as_deref(), "ends_at")?,
            pay_within_seconds: self.pay_within_seconds,
        })
    }
}
