//! The whole URL table.
//!
//! Addresses are matched from the top, so those that a sale is about come first. Each row says which
//! rate limit it is under and who may call it. The handler's extractors enforce the latter, and so take
//! the caller before anything else; a test holds the two against each other, for every row.

pub mod admin;
pub mod auth;
pub mod cart;
pub mod categories;
mod claimed;
pub mod flash_sales;
pub mod gomall;
pub mod me;
pub mod nodes;
pub mod ops;
pub mod orders;
mod product_access;
mod product_body;
pub mod products;
mod purchase;
mod refusal;
pub mod stock;
mod wire;

use actix_web::{
    HttpRequest, HttpResponse, ResponseError as _, Route, guard,
    http::{
        Method,
        header::{ALLOW, HeaderValue},
    },
    web::{self, Data, ServiceConfig},
};
use stampede_kernel::Code;

use crate::{
    middleware::{Class, Edge},
    problem::Problem,
    state::EdgeState,
};

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Public,
    User,
    Seller,
    Admin,
}

/// One line of the table.
#[derive(Debug, Clone)]
pub struct Row {
    pub method: Method,
    pub path: &'static str,
    pub class: Class,
    pub access: Access,
    /// The canonical address that this one of GoMall's stands for.
    pub alias_of: Option<&'static str>,
    handler: fn() -> Route,
}

impl Row {
    const fn new(
        method: Method,
        path: &'static str,
        access: Access,
        class: Class,
        handler: fn() -> Route,
    ) -> Self {
        Self { method, path, class, access, alias_of: None, handler }
    }

    /// Marks the row as another address of `path`.
    const fn alias_of(mut self, path: &'static str) -> Self {
        self.alias_of = Some(path);
        self
    }
}

/// Every route of the server.
#[must_use]
pub fn table() -> Vec<Row> {
    use Access::{Admin, Public, Seller, User};
    use Class::{Api, Flash, Free, Login};
    let get = |path, access, class, handler| Row::new(Method::GET, path, access, class, handler);
    let post = |path, access, class, handler| Row::new(Method::POST, path, access, class, handler);
    let put = |path, access, class, handler| Row::new(Method::PUT, path, access, class, handler);
    let patch = |path, access, class, handler| Row::new(Method::PATCH, path, access, class, handler);
    let delete = |path, access, class, handler| Row::new(Method::DELETE, path, access, class, handler);
    vec![
        post("/api/v1/flash-sales/{id}/purchase", User, Flash, || web::to(flash_sales::purchase)),
        get("/api/v1/flash-sales/{id}/me", User, Api, || web::to(flash_sales::mine)),
        post("/api/v1/flash-sales/{id}/pause", Admin, Api, || web::to(flash_sales::pause)),
        post("/api/v1/flash-sales/{id}/resume", Admin, Api, || web::to(flash_sales::resume)),
        post("/api/v1/flash-sales/{id}/close", Admin, Api, || web::to(flash_sales::close)),
        get("/api/v1/flash-sales/{id}", Public, Api, || web::to(flash_sales::get)),
        patch("/api/v1/flash-sales/{id}", Admin, Api, || web::to(flash_sales::amend)),
        get("/api/v1/flash-sales", Public, Api, || web::to(flash_sales::list)),
        post("/api/v1/flash-sales", Admin, Api, || web::to(flash_sales::create)),
        post("/api/seckill/init", Admin, Api, || web::to(gomall::init_seckill)),
        post("/api/seckill", User, Flash, || web::to(gomall::seckill)),
        get("/api/v1/orders/statistics", User, Api, || web::to(orders::statistics)),
        post("/api/v1/orders/{order_no}/pay", User, Api, || web::to(orders::pay)),
        post("/api/v1/orders/{order_no}/cancel", User, Api, || web::to(orders::cancel)),
        post("/api/v1/orders/{order_no}/confirm", User, Api, || web::to(orders::confirm)),
        get("/api/v1/orders/{order_no}", User, Api, || web::to(orders::get)),
        get("/api/v1/orders", User, Api, || web::to(orders::list)),
        post("/api/v1/orders", User, Api, || web::to(orders::create)),
        get("/api/v1/cart/count", User, Api, || web::to(cart::count)),
        put("/api/v1/cart/selection", User, Api, || web::to(cart::select)),
        patch("/api/v1/cart/items/{sku_id}", User, Api, || web::to(cart::change_line)),
        delete("/api/v1/cart/items/{sku_id}", User, Api, || web::to(cart::remove)),
        post("/api/v1/cart/items", User, Api, || web::to(cart::add)),
        get("/api/v1/cart", User, Api, || web::to(cart::get)),
        delete("/api/v1/cart", User, Api, || web::to(cart::clear)),
        post("/api/v1/products/status", Seller, Api, || web::to(products::set_status)),
        get("/api/v1/products/{id}", Public, Api, || web::to(products::get)),
        put("/api/v1/products/{id}", Seller, Api, || web::to(products::replace)),
        patch("/api/v1/products/{id}", Seller, Api, || web::to(products::change)),
        delete("/api/v1/products/{id}", Seller, Api, || web::to(products::delete)),
        get("/api/v1/products", Public, Api, || web::to(products::list)),
        post("/api/v1/products", Seller, Api, || web::to(products::create)),
        get("/api/v1/categories", Public, Api, || web::to(categories::list)),
        post("/api/v1/categories", Admin, Api, || web::to(categories::create)),
        get("/api/v1/skus/{id}/stock", Public, Api, || web::to(stock::get)),
        post("/api/v1/skus/{id}/stock/restock", Seller, Api, || web::to(stock::restock)),
        post("/api/v1/skus/{id}/stock/adjust", Seller, Api, || web::to(stock::adjust)),
        post("/api/v1/admin/load-users", Admin, Api, || web::to(admin::load_users)),
        get("/api/v1/admin/actors", Admin, Api, || web::to(admin::actors)),
        get("/api/v1/admin/actors/{kind}/{id}", Admin, Api, || web::to(admin::actor)),
        post("/api/v1/admin/actors/{kind}/{id}/reset", Admin, Api, || web::to(admin::reset)),
        post("/api/v1/admin/actors/{kind}/{id}/panic", Admin, Api, || web::to(admin::panic)),
        get("/api/v1/admin/reconciliation", Admin, Api, || web::to(admin::reconciliation)),
        get("/api/v1/admin/shards", Admin, Api, || web::to(nodes::shards)),
        post("/api/v1/admin/shards/{id}/handoff", Admin, Api, || web::to(nodes::hand_over)),
        post("/api/v1/admin/nodes/{name}/handoff", Admin, Api, || web::to(nodes::empty)),
        post("/api/v1/admin/nodes/{name}/resume", Admin, Api, || web::to(nodes::resume)),
        get("/api/v1/admin/parked", Admin, Api, || web::to(admin::parked)),
        post("/api/v1/admin/parked/retry", Admin, Api, || web::to(admin::retry_parked)),
        get("/api/v1/admin/orders", Admin, Api, || web::to(orders::list_all)),
        post("/api/v1/admin/orders/{order_no}/ship", Admin, Api, || web::to(orders::ship)),
        post("/api/v1/admin/orders/{order_no}/deliver", Admin, Api, || web::to(orders::deliver)),
        post("/api/v1/auth/register", Public, Login, || web::to(auth::register)),
        post("/api/v1/auth/login", Public, Login, || web::to(auth::login)),
        post("/api/v1/auth/logout", User, Api, || web::to(auth::logout)),
        post("/api/v1/auth/logout-all", User, Api, || web::to(auth::logout_all)),
        get("/api/v1/me", User, Api, || web::to(me::read)),
        put("/api/v1/me", User, Api, || web::to(me::change)),
        post("/api/user/register", Public, Login, || web::to(auth::register))
            .alias_of("/api/v1/auth/register"),
        post("/api/user/login", Public, Login, || web::to(auth::login_gomall)),
        get("/api/user/profile", User, Api, || web::to(me::read)).alias_of("/api/v1/me"),
        get("/api/product/{id}", Public, Api, || web::to(products::get)).alias_of("/api/v1/products/{id}"),
        put("/api/product/{id}", Seller, Api, || web::to(gomall::replace_product)),
        delete("/api/product/{id}", Seller, Api, || web::to(products::delete))
            .alias_of("/api/v1/products/{id}"),
        get("/api/product", Public, Api, || web::to(gomall::products)),
        post("/api/product", Seller, Api, || web::to(gomall::create_product)),
        post("/api/order/{order_no}/pay", User, Api, || web::to(orders::pay))
            .alias_of("/api/v1/orders/{order_no}/pay"),
        post("/api/order/{order_no}/cancel", User, Api, || web::to(orders::cancel))
            .alias_of("/api/v1/orders/{order_no}/cancel"),
        get("/api/order/{order_no}", User, Api, || web::to(orders::get))
            .alias_of("/api/v1/orders/{order_no}"),
        get("/api/order", User, Api, || web::to(orders::list)).alias_of("/api/v1/orders"),
        post("/api/order", User, Api, || web::to(gomall::order)),
        delete("/api/cart/clear", User, Api, || web::to(cart::clear)).alias_of("/api/v1/cart"),
        get("/api/cart", User, Api, || web::to(cart::get)).alias_of("/api/v1/cart"),
        post("/api/cart", User, Api, || web::to(gomall::add_to_cart)),
        put("/api/cart", User, Api, || web::to(gomall::change_cart)),
        delete("/api/cart", User, Api, || web::to(gomall::remove_from_cart)),
        get("/live", Public, Free, || web::to(ops::live)),
        get("/ready", Public, Free, || web::to(ops::ready)),
        get("/health", Public, Free, || web::to(ops::health)),
        get("/metrics", Public, Free, || web::to(ops::metrics)),
        get("/openapi.json", Public, Free, || web::to(ops::openapi_json)),
        get("/docs", Public, Free, || web::to(ops::docs_root)),
        get("/docs/{file:.*}", Public, Free, || web::to(ops::docs)),
        get("/swagger", Public, Free, || web::to(ops::docs_root)),
        get("/swagger/{file:.*}", Public, Free, || web::to(ops::docs)),
        get("/problems/{code}", Public, Free, || web::to(ops::problem_page)),
    ]
}

/// Puts the table into an app whose data holds `shell`.
pub fn configure(shell: Data<EdgeState>) -> impl FnOnce(&mut ServiceConfig) {
    move |app| {
        mount(app, &shell, table());
        app.service(web::resource("/{tail:.*}").default_service(web::to(not_found)).wrap(Edge::new(
            shell.clone(),
            "unmatched",
            Class::Api,
            "",
        )));
        // What is no path at all, such as that of "OPTIONS *".
        app.default_service(web::to(not_found));
        app.app_data(shell);
    }
}

/// Registers rows, those of one address as one resource, in the order of their first lines.
fn mount(app: &mut ServiceConfig, shell: &Data<EdgeState>, mut rows: Vec<Row>) {
    while !rows.is_empty() {
        let path = rows[0].path;
        let (here, rest): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|row| row.path == path);
        rows = rest;
        let methods = allowed(&here);
        let mut resource = web::resource(path);
        for row in &here {
            resource = resource.route(with_method((row.handler)(), &row.method));
        }
        let class = here.first().map_or(Class::Api, |row| row.class);
        app.service(
            resource
                .default_service(web::to(move || async move { method_not_allowed(methods) }))
                .wrap(Edge::new(shell.clone(), path, class, methods)),
        );
    }
}

/// A GET's handler answers HEAD too; the body is left out below.
fn with_method(route: Route, method: &Method) -> Route {
    if *method == Method::GET {
        route.guard(guard::Any(guard::Get()).or(guard::Head()))
    } else {
        let method = method.clone();
        route.guard(guard::fn_guard(move |context| context.head().method == method))
    }
}

/// The `Allow` header of an address; the table is built once for each worker, from a few texts.
fn allowed(rows: &[Row]) -> &'static str {
    use std::{
        collections::BTreeSet,
        sync::{Mutex, PoisonError},
    };
    static TEXTS: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut methods: Vec<&str> = rows.iter().map(|row| row.method.as_str()).collect();
    if methods.contains(&"GET") {
        methods.push("HEAD");
    }
    let text = methods.join(", ");
    let mut texts = TEXTS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = texts.get(text.as_str()) {
        return known;
    }
    // There are as many of these as there are different sets of methods.
    let text: &'static str = Box::leak(text.into_boxed_str());
    texts.insert(text);
    text
}

async fn not_found(_: HttpRequest) -> HttpResponse {
    Problem::new(Code::NotFound).error_response()
}

fn method_not_allowed(methods: &'static str) -> HttpResponse {
    let allow = HeaderValue::from_static(methods);
    Problem::new(Code::MethodNotAllowed).header(ALLOW, allow).error_response()
}

#[cfg(test)]
mod tests;
