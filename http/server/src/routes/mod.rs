//! Every route of the server, declared once.
//!
//! A handler's `#[utoipa::path]` says its method, its address and what it takes and answers; its line in the
//! table says who may call it, which rate limit it is under, and at which other addresses it answers too.
//! The handler's extractors enforce the access, and so take the caller before anything else; a test holds
//! the two against each other, for every row.

pub mod admin;
pub mod auth;
pub mod cart;
pub mod categories;
pub mod flash_sales;
pub mod gomall;
pub mod me;
pub mod ops;
pub mod orders;
pub mod products;
pub mod stock;
#[macro_use]
mod table;
mod wire;

use std::sync::LazyLock;

use actix_web::web;

pub use table::{Access, Described, Row, configure};

static TABLE: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let mut rows = routes![
        [flash_sales]
            purchase(User, Flash),
            mine(User, Api),
            pause(Admin, Api),
            resume(Admin, Api),
            close(Admin, Api),
            get(Public, Api),
            amend(Admin, Api),
            list(Public, Api),
            create(Admin, Api);
        [gomall]
            init_seckill(Admin, Api),
            seckill(User, Flash),
            replace_product(Seller, Api),
            products(Public, Api),
            create_product(Seller, Api),
            order(User, Api),
            add_to_cart(User, Api),
            change_cart(User, Api),
            remove_from_cart(User, Api);
        [orders]
            statistics(User, Api),
            pay(User, Api, also "/api/order/{order_no}/pay"),
            cancel(User, Api, also "/api/order/{order_no}/cancel"),
            confirm(User, Api),
            get(User, Api, also "/api/order/{order_no}"),
            list(User, Api, also "/api/order"),
            create(User, Api),
            list_all(Admin, Api),
            ship(Admin, Api),
            deliver(Admin, Api);
        [cart]
            count(User, Api),
            select(User, Api),
            change_line(User, Api),
            remove(User, Api),
            add(User, Api),
            get(User, Api, also "/api/cart"),
            clear(User, Api, also "/api/cart/clear");
        [products]
            set_status(Seller, Api),
            get(Public, Api, also "/api/product/{id}"),
            replace(Seller, Api),
            change(Seller, Api),
            delete(Seller, Api, also "/api/product/{id}"),
            list(Public, Api),
            create(Seller, Api);
        [categories]
            list(Public, Api),
            create(Admin, Api);
        [stock]
            get(Public, Api),
            restock(Seller, Api),
            adjust(Seller, Api);
        [admin::load_users]
            load_users(Admin, Api);
        [admin::actors]
            actors(Admin, Api),
            actor(Admin, Api),
            reset(Admin, Api),
            panic(Admin, Api);
        [admin::reconciliation]
            reconciliation(Admin, Api);
        [admin::dead_letters]
            list(Admin, Api, also "/api/v1/admin/parked"),
            retry(Admin, Api, also "/api/v1/admin/parked/retry");
        [admin::nodes]
            shards(Admin, Api),
            hand_over(Admin, Api),
            empty(Admin, Api),
            resume(Admin, Api);
        [auth]
            register(Public, Login, also "/api/user/register"),
            login(Public, Login),
            logout(User, Api),
            logout_all(User, Api),
            login_gomall(Public, Login);
        [me]
            read(User, Api, also "/api/user/profile"),
            change(User, Api);
        [ops]
            live(Public, Free),
            ready(Public, Free),
            health(Public, Free),
            metrics(Public, Free),
            openapi_json(Public, Free),
            problem_page(Public, Free);
    ];
    // Pages and files; nothing that a program would ask for, and so not in the documentation.
    rows.push(Row::undocumented("/", || web::to(ops::front_door)));
    for path in ["/docs", "/swagger"] {
        rows.push(Row::undocumented(path, || web::to(ops::docs_root)));
    }
    for path in ["/docs/{file:.*}", "/swagger/{file:.*}"] {
        rows.push(Row::undocumented(path, || web::to(ops::docs)));
    }
    rows
});

/// Every route. Addresses are matched from the top.
#[must_use]
pub fn table() -> &'static [Row] {
    &TABLE
}

#[cfg(test)]
mod tests;
