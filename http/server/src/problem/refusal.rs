//! What entities decided against: one exhaustive match for each kind.

use stampede_domain::{cart, order, stock};
use stampede_kernel::Entity as _;

use super::{Problem, sentence};

impl From<stock::Refusal> for Problem {
    fn from(refusal: stock::Refusal) -> Self {
        let problem = Problem::new(stock::Stock::code(&refusal));
        match refusal {
            stock::Refusal::NotStarted { starts_at } => problem.with("starts_at", starts_at.to_string()),
            stock::Refusal::LimitReached { limit, have } => {
                problem.with("per_user_limit", limit).with("already", have)
            }
            stock::Refusal::InsufficientStock { available } => {
                problem.detail(format!("Only {available} are available.")).with("available", available)
            }
            stock::Refusal::Invalid { field, detail } => {
                Problem::field(field, "out_of_range", sentence(&detail))
            }
            stock::Refusal::TooManySales => {
                problem.detail("This SKU has too many flash sales that are not closed.")
            }
            stock::Refusal::SaleExists => problem.detail("There is a flash sale with this id."),
            stock::Refusal::UnknownSale => problem.detail("There is no such flash sale."),
            stock::Refusal::IdempotencyMismatch
            | stock::Refusal::ReservationExpired
            | stock::Refusal::Ended
            | stock::Refusal::Paused
            | stock::Refusal::SoldOut => problem,
        }
    }
}

impl From<order::Refusal> for Problem {
    fn from(refusal: order::Refusal) -> Self {
        let problem = Problem::new(order::Order::code(&refusal));
        match refusal {
            order::Refusal::State { status, reason } => {
                let problem = problem
                    .detail(format!("The order is {}.", status.as_str().replace('_', " ")))
                    .with("order_status", status.as_str());
                match reason {
                    Some(reason) => problem.with("reason", reason),
                    None => problem,
                }
            }
            order::Refusal::NotFound => problem.detail("There is no such order."),
            order::Refusal::IdempotencyMismatch | order::Refusal::NumberTaken => problem,
        }
    }
}

impl From<cart::Refusal> for Problem {
    fn from(refusal: cart::Refusal) -> Self {
        let problem = Problem::new(cart::Cart::code(&refusal));
        match refusal {
            cart::Refusal::NoSuchLine => problem.detail("This SKU is not in the cart."),
            cart::Refusal::TooManyLines { limit } => {
                problem.detail(format!("A cart has at most {limit} lines."))
            }
            cart::Refusal::Quantity { limit } => {
                Problem::field("quantity", "out_of_range", format!("Must be from 1 to {limit} in all."))
            }
        }
    }
}
