//! The routes, by resource: what each answers, and to whom.

mod admin;
mod auth;
mod cart;
mod categories;
mod flash_sales;
mod gomall;
mod idempotency;
mod me;
mod ops;
mod orders;
mod products;
mod stock;

use stampede_tests::Case;

/// The tests of this folder.
pub fn cases() -> Vec<Case> {
    [
        admin::cases(),
        auth::cases(),
        cart::cases(),
        categories::cases(),
        flash_sales::cases(),
        gomall::cases(),
        idempotency::cases(),
        me::cases(),
        ops::cases(),
        orders::cases(),
        products::cases(),
        stock::cases(),
    ]
    .concat()
}
