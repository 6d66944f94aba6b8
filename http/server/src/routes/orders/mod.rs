//! Orders.

pub(super) mod wire;

use actix_web::{HttpResponse, web::Data};
use stampede_domain::order::OrderView;
use stampede_kernel::{Code, OrderNo, SkuId, UserId};
use stampede_platform::runtime::Answered;
use stampede_shop::{
    projections::OrderFilter,
    services::{
        Services,
        orders::{self, OrderError},
        purchases::{self, DirectBuy, Purchased},
    },
};

pub use self::wire::{
    CancelInput, Listing, Order, OrderInput, OrderItem, OrderItemInput, OrderLogEntry, OrderStatistics,
    ShipmentInput,
};
use super::{
    flash_sales,
    wire::{EmptyBody, PageOf, located, note, replayed},
};
use crate::{
    extract::{Admin, Auth, Json, KeyedJson, Object, Path, Query, Unversioned},
    problem::Problem,
};

/// Buys directly from the regular stock.
#[utoipa::path(post, path = "/api/v1/orders", operation_id = "createOrder", tag = "orders",
    request_body = OrderInput, params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = Order), (status = 404),
        (status = 409, description = "insufficient_stock")))]
pub async fn create(
    request: KeyedJson<OrderInput>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let [Object(item)] = request.body.items.as_slice() else {
        return Err(Problem::field("items", "out_of_range", "A direct buy has exactly one line."));
    };
    let quantity = purchases::checked_quantity(item.quantity, "items[0].quantity")?;
    let (user, sku, key) = (request.caller.user_id, SkuId(item.sku_id), request.key);
    let note = note(request.body.note, "note")?;
    Ok(bought(&purchases::directly(&services, DirectBuy { user, sku, quantity, note, key }).await?))
}

/// The answer to a direct buy: its order, or its reservation while the order is on its way.
pub(super) fn bought(purchased: &Purchased) -> HttpResponse {
    let Some(order) = &purchased.order else { return flash_sales::purchased(purchased) };
    let response = HttpResponse::Created().json(Order::of(order));
    let response = located(response, &format!("/api/v1/orders/{}", order.order_no));
    replayed(response, purchased.replayed)
}

/// One's own orders, newest first. May lag by a second.
#[utoipa::path(get, path = "/api/v1/orders", operation_id = "listOrders", tag = "orders", params(Listing),
    responses((status = 200, body = PageOf<Order>), (status = 403, description = "Another user's orders")))]
pub async fn list(
    caller: Auth,
    listing: Query<Listing>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let own = caller.user_id;
    if listing.user_id.is_some_and(|user| user != own.0) {
        let detail = "Other users' orders are for administrators, at /api/v1/admin/orders.";
        return Err(Problem::new(Code::Forbidden).detail(detail));
    }
    page(&services, &OrderFilter { user: Some(own), ..listing.filter()? }, &listing).await
}

/// Everybody's orders, newest first.
#[utoipa::path(get, path = "/api/v1/admin/orders", operation_id = "listAllOrders", tag = "admin",
    params(Listing),
    responses((status = 200, body = PageOf<Order>)))]
pub async fn list_all(
    _: Admin,
    listing: Query<Listing>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let user = listing.user_id.map(UserId);
    page(&services, &OrderFilter { user, ..listing.filter()? }, &listing).await
}

async fn page(services: &Services, filter: &OrderFilter, listing: &Listing) -> Result<HttpResponse, Problem> {
    let paging = listing.paging()?;
    let page = orders::list(services, filter, paging).await?;
    Ok(HttpResponse::Ok().json(PageOf::of(page, paging, Order::of)))
}

/// Counts and sums of one's orders. May lag by a second.
#[utoipa::path(get, path = "/api/v1/orders/statistics", operation_id = "getOrderStatistics", tag = "orders",
    responses((status = 200, body = OrderStatistics)))]
pub async fn statistics(caller: Auth, services: Data<Services>) -> Result<HttpResponse, Problem> {
    let statistics = orders::statistics(&services, caller.user_id).await?;
    Ok(HttpResponse::Ok().json(OrderStatistics::of(statistics)))
}

/// One of one's own orders, as its actor has it.
#[utoipa::path(get, path = "/api/v1/orders/{order_no}", operation_id = "getOrder", tag = "orders",
    responses((status = 200, body = Order), (status = 404)))]
pub async fn get(
    caller: Auth,
    order_no: Path<String>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let order = orders::get(&services, caller.user_id, number(&order_no)?).await?;
    Ok(HttpResponse::Ok().json(Order::of(&order)))
}

/// Pays in the sandbox, which always has money.
#[utoipa::path(post, path = "/api/v1/orders/{order_no}/pay", operation_id = "payOrder", tag = "orders",
    request_body = EmptyBody, params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = Order), (status = 409, description = "order_state")))]
pub async fn pay(
    request: KeyedJson<EmptyBody>,
    order_no: Path<String>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let (user, order_no) = (request.caller.user_id, number(&order_no)?);
    changed(orders::pay(&services, user, order_no, request.key).await)
}

/// Cancels an order that is not paid; its units go back on sale.
#[utoipa::path(post, path = "/api/v1/orders/{order_no}/cancel", operation_id = "cancelOrder", tag = "orders",
    request_body = CancelInput, params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = Order), (status = 409, description = "order_state")))]
pub async fn cancel(
    request: KeyedJson<CancelInput>,
    order_no: Path<String>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let (user, reason) = (request.caller.user_id, note(request.body.reason, "reason")?);
    changed(orders::cancel(&services, user, number(&order_no)?, reason, request.key).await)
}

/// Confirms that the goods have arrived.
#[utoipa::path(post, path = "/api/v1/orders/{order_no}/confirm", operation_id = "confirmOrder",
    tag = "orders", request_body = EmptyBody,
    responses((status = 200, body = Order), (status = 409, description = "order_state")))]
pub async fn confirm(
    request: KeyedJson<EmptyBody>,
    order_no: Path<String>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    changed(orders::confirm(&services, request.caller.user_id, number(&order_no)?).await)
}

/// Marks a paid order as shipped.
#[utoipa::path(post, path = "/api/v1/admin/orders/{order_no}/ship", operation_id = "shipOrder", tag = "admin",
    request_body = ShipmentInput,
    responses((status = 200, body = Order), (status = 409, description = "order_state")))]
pub async fn ship(
    admin: Admin,
    _: Unversioned,
    order_no: Path<String>,
    body: Json<ShipmentInput>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let remark = note(body.0.remark, "remark")?;
    changed(orders::ship(&services, admin.user_id, number(&order_no)?, remark).await)
}

/// Marks a shipped order as delivered.
#[utoipa::path(post, path = "/api/v1/admin/orders/{order_no}/deliver", operation_id = "deliverOrder",
    tag = "admin", request_body = EmptyBody,
    responses((status = 200, body = Order), (status = 409, description = "order_state")))]
pub async fn deliver(
    admin: Admin,
    _: Unversioned,
    order_no: Path<String>,
    _: Json<EmptyBody>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    changed(orders::deliver(&services, admin.user_id, number(&order_no)?).await)
}

fn changed(changed: Result<Answered<Box<OrderView>>, OrderError>) -> Result<HttpResponse, Problem> {
    let Answered { answer, replayed: is_replayed } = changed?;
    Ok(replayed(HttpResponse::Ok().json(Order::of(&answer)), is_replayed))
}

/// A text that is not an order number is no order's.
fn number(text: &str) -> Result<OrderNo, Problem> {
    text.parse().map_err(|_| OrderError::NotFound.into())
}
