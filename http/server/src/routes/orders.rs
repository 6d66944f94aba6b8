//! Orders.

use actix_web::{HttpResponse, web::Data};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stampede_domain::{
    order::{Command, OrderLine, OrderView, Query as OrderQuery, Status},
    stock::Source,
};
use stampede_kernel::{Code, IdempotencyKey, OrderNo, SkuId, UserId};
use stampede_shop::projections::{self, OrderFilter};
use stampede_shop::services::{Services, line_of};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    claimed::claimed,
    flash_sales,
    purchase::{Wish, bought_before, buy},
    refusal,
    wire::{self, Nothing, PageOf, Paging},
};
use crate::{
    extract::{Admin, Auth, Json, KeyedJson, Object, Path, Query, Unversioned},
    problem::Problem,
};

/// One line of an order.
#[derive(Debug, Serialize, ToSchema)]
pub struct Item {
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

impl Item {
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
pub struct Step {
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
    pub items: Vec<Item>,
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
    pub log: Vec<Step>,
}

/// Freight and discounts come with the checkout of a cart.
const ZERO: &str = "0.00";

impl Order {
    pub(super) fn of(order: &OrderView) -> Self {
        let moment = |at: Option<stampede_kernel::Timestamp>| at.map(|at| at.to_string());
        Self {
            order_no: order.order_no.to_string(),
            status: order.status.as_str(),
            items: order.lines.iter().map(Item::of).collect(),
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
                .map(|step| Step {
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
pub struct NewItem {
    pub sku_id: Uuid,
    pub quantity: i64,
}

/// A direct buy.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewOrder {
    /// One line; several are bought by the checkout of a cart.
    #[schema(value_type = Vec<NewItem>)]
    pub items: Vec<Object<NewItem>>,
    pub note: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Cancel {
    pub reason: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Ship {
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
pub struct Statistics {
    pub total: i64,
    /// Counts by status.
    pub by_status: std::collections::BTreeMap<String, i64>,
    /// The sum of what was paid for.
    pub paid_total: String,
    pub currency: &'static str,
}

/// Buys directly from the regular stock.
#[utoipa::path(post, path = "/api/v1/orders", tag = "orders", request_body = NewOrder, security(("bearer" = [])),
    params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = Order), (status = 404), (status = 409, description = "insufficient_stock")))]
pub async fn create(request: KeyedJson<NewOrder>, shop: Data<Services>) -> Result<HttpResponse, Problem> {
    let [Object(item)] = request.body.items.as_slice() else {
        return Err(Problem::field("items", "out_of_range", "A direct buy has exactly one line."));
    };
    let quantity = wire::quantity(Some(item.quantity), "items[0].quantity")?;
    let note = wire::note(request.body.note.clone(), "note")?;
    let sku = SkuId(item.sku_id);
    direct_buy(&shop, request.caller.user_id, sku, quantity, note, request.key).await
}

/// Buys one SKU at its price of now.
pub(super) async fn direct_buy(
    shop: &Services,
    user: UserId,
    sku: SkuId,
    quantity: u32,
    note: Option<String>,
    key: Option<IdempotencyKey>,
) -> Result<HttpResponse, Problem> {
    let bought = claimed(shop, key, sku, async |sku| {
        let offer = shop.catalog.offer(sku).await.map_err(|error| Problem::unavailable(&error))?;
        let Some(offer) = offer.filter(|offer| offer.active) else {
            // It may have left the shelf since it was bought.
            let before = bought_before(shop, user, sku, key).await?;
            let gone = || Problem::new(Code::NotFound).detail("There is no such SKU for sale.");
            return before.ok_or_else(gone);
        };
        let source = Source::Regular { line: line_of(&offer), pay_within_ms: shop.settings.pay_within_ms };
        buy(shop, Wish { user, sku, source, quantity, note, key, claim: false }).await
    });
    let bought = bought.await?;
    match &bought.order {
        Some(order) => {
            let response = HttpResponse::Created().json(Order::of(order));
            let response = wire::located(response, &format!("/api/v1/orders/{}", order.order_no));
            Ok(wire::replayed(response, bought.replayed))
        }
        None => Ok(flash_sales::purchased(&bought)),
    }
}

/// One's own orders, newest first. May lag by a second.
#[utoipa::path(get, path = "/api/v1/orders", tag = "orders", params(Listing), security(("bearer" = [])),
    responses((status = 200, body = PageOf<Order>), (status = 403, description = "Another user's orders")))]
pub async fn list(
    caller: Auth,
    listing: Query<Listing>,
    shop: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let own = caller.user_id;
    if listing.user_id.is_some_and(|user| user != own.0) {
        let detail = "Other users' orders are for administrators, at /api/v1/admin/orders.";
        return Err(Problem::new(Code::Forbidden).detail(detail));
    }
    let filter = OrderFilter { user: Some(own), ..filter(&listing)? };
    page(&shop, &filter, &listing).await
}

/// Everybody's orders, newest first.
#[utoipa::path(get, path = "/api/v1/admin/orders", tag = "admin", params(Listing), security(("bearer" = [])),
    responses((status = 200, body = PageOf<Order>)))]
pub async fn list_all(
    _: Admin,
    listing: Query<Listing>,
    shop: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let filter = OrderFilter { user: listing.user_id.map(UserId), ..filter(&listing)? };
    page(&shop, &filter, &listing).await
}

fn filter(listing: &Listing) -> Result<OrderFilter, Problem> {
    const STATUSES: [Status; 6] = [
        Status::PendingPayment,
        Status::Paid,
        Status::Shipped,
        Status::Delivered,
        Status::Completed,
        Status::Cancelled,
    ];
    let status = match listing.status.as_deref().filter(|text| !text.is_empty()) {
        Some(text) => Some(STATUSES.into_iter().find(|status| status.as_str() == text).ok_or_else(|| {
            let known: Vec<&str> = STATUSES.iter().map(|status| status.as_str()).collect();
            Problem::field("status", "format", format!("Must be one of {}.", known.join(", ")))
        })?),
        None => None,
    };
    Ok(OrderFilter {
        user: None,
        status,
        flash_sale: listing.flash_sale_id,
        from: listing.from.as_deref().map(|text| wire::moment(text, "from")).transpose()?,
        to: listing.to.as_deref().map(|text| wire::moment(text, "to")).transpose()?,
    })
}

async fn page(shop: &Services, filter: &OrderFilter, listing: &Listing) -> Result<HttpResponse, Problem> {
    let (page, size) = Paging { page: listing.page, page_size: listing.page_size }.checked()?;
    let (orders, total) = projections::order_page(&shop.database, filter, i64::from(page), i64::from(size))
        .await
        .map_err(|error| Problem::unavailable(&error))?;
    let orders: Vec<Order> = orders.iter().map(Order::of).collect();
    Ok(HttpResponse::Ok().json(PageOf::new(orders, total, (page, size))))
}

/// Counts and sums of one's orders. May lag by a second.
#[utoipa::path(get, path = "/api/v1/orders/statistics", tag = "orders", security(("bearer" = [])),
    responses((status = 200, body = Statistics)))]
pub async fn statistics(caller: Auth, shop: Data<Services>) -> Result<HttpResponse, Problem> {
    let statistics = projections::order_statistics(&shop.database, caller.user_id)
        .await
        .map_err(|error| Problem::unavailable(&error))?;
    let mut paid_total = statistics.paid_total;
    paid_total.rescale(2);
    Ok(HttpResponse::Ok().json(Statistics {
        total: statistics.by_status.values().sum(),
        by_status: statistics.by_status,
        paid_total: paid_total.to_string(),
        currency: "CNY",
    }))
}

/// One of one's own orders, as its actor has it.
#[utoipa::path(get, path = "/api/v1/orders/{order_no}", tag = "orders", security(("bearer" = [])),
    responses((status = 200, body = Order), (status = 404)))]
pub async fn get(
    caller: Auth,
    order_no: Path<String>,
    shop: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let order_no = number(&order_no.0)?;
    let owner = caller.user_id;
    let order = shop.actors.order.query(owner.0, order_no, OrderQuery::Get { owner }).await;
    Ok(HttpResponse::Ok().json(Order::of(&*order.map_err(refusal::order)?)))
}

/// Pays in the sandbox, which always has money.
#[utoipa::path(post, path = "/api/v1/orders/{order_no}/pay", tag = "orders", request_body = Nothing,
    security(("bearer" = [])), params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = Order), (status = 409, description = "order_state")))]
pub async fn pay(
    request: KeyedJson<Nothing>,
    order_no: Path<String>,
    shop: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let user = request.caller.user_id;
    command(&shop, user, &order_no.0, Command::Pay { user, key: request.key }).await
}

/// Cancels an order that is not paid; its units go back on sale.
#[utoipa::path(post, path = "/api/v1/orders/{order_no}/cancel", tag = "orders", request_body = Cancel,
    security(("bearer" = [])), params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = Order), (status = 409, description = "order_state")))]
pub async fn cancel(
    request: KeyedJson<Cancel>,
    order_no: Path<String>,
    shop: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let user = request.caller.user_id;
    let reason = wire::note(request.body.reason, "reason")?;
    command(&shop, user, &order_no.0, Command::Cancel { owner: user, by: user, reason, key: request.key })
        .await
}

/// Confirms that the goods have arrived.
#[utoipa::path(post, path = "/api/v1/orders/{order_no}/confirm", tag = "orders", request_body = Nothing,
    security(("bearer" = [])), responses((status = 200, body = Order), (status = 409, description = "order_state")))]
pub async fn confirm(
    request: KeyedJson<Nothing>,
    order_no: Path<String>,
    shop: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let user = request.caller.user_id;
    command(&shop, user, &order_no.0, Command::Complete { user }).await
}

/// Marks a paid order as shipped.
#[utoipa::path(post, path = "/api/v1/admin/orders/{order_no}/ship", tag = "admin", request_body = Ship,
    security(("bearer" = [])), responses((status = 200, body = Order), (status = 409, description = "order_state")))]
pub async fn ship(
    admin: Admin,
    _: Unversioned,
    order_no: Path<String>,
    body: Json<Ship>,
    shop: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let remark = wire::note(body.0.remark, "remark")?;
    let owner = owner(&shop, &order_no.0).await?;
    command(&shop, owner, &order_no.0, Command::Ship { by: admin.user_id, remark }).await
}

/// Marks a shipped order as delivered.
#[utoipa::path(post, path = "/api/v1/admin/orders/{order_no}/deliver", tag = "admin", request_body = Nothing,
    security(("bearer" = [])), responses((status = 200, body = Order), (status = 409, description = "order_state")))]
pub async fn deliver(
    admin: Admin,
    _: Unversioned,
    order_no: Path<String>,
    _: Json<Nothing>,
    shop: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let owner = owner(&shop, &order_no.0).await?;
    command(&shop, owner, &order_no.0, Command::Deliver { by: admin.user_id }).await
}

async fn owner(shop: &Services, order_no: &str) -> Result<UserId, Problem> {
    let owner = projections::order_owner(&shop.database, number(order_no)?)
        .await
        .map_err(|error| Problem::unavailable(&error))?;
    owner.ok_or_else(|| Problem::new(Code::NotFound).detail("There is no such order."))
}

async fn command(
    shop: &Services,
    owner: UserId,
    order_no: &str,
    command: Command,
) -> Result<HttpResponse, Problem> {
    let answered =
        shop.actors.order.command(owner.0, number(order_no)?, command).await.map_err(refusal::order)?;
    let response = HttpResponse::Ok().json(Order::of(&answered.answer));
    Ok(wire::replayed(response, answered.replayed))
}

/// A text that is no order number is no order's.
fn number(text: &str) -> Result<OrderNo, Problem> {
    text.parse().map_err(|_| Problem::new(Code::NotFound).detail("There is no such order."))
}
