//! From an actor's refusal to what the caller is told: one exhaustive match for each kind of actor.

use stampede_domain::{cart, order, stock};
use stampede_kernel::{Code, Entity};
use stampede_platform::runtime::AskError;

use crate::problem::{Problem, sentence};

/// What is told when an actor gave no answer, or decided against it.
pub fn problem<R: std::fmt::Debug>(error: AskError<R>, refused: impl FnOnce(R) -> Problem) -> Problem {
    match error {
        AskError::Refused(refusal) => refused(refusal),
        AskError::Overloaded => Problem::new(Code::Overloaded),
        AskError::Unavailable => Problem::new(Code::Unavailable),
        AskError::OutcomeUnknown => Problem::new(Code::OutcomeUnknown),
    }
}

/// What the stock actor decided against.
pub fn stock(error: AskError<stock::Refusal>) -> Problem {
    problem(error, |refusal| {
        let told = Problem::new(stock::Stock::code(&refusal));
        match refusal {
            stock::Refusal::NotStarted { starts_at } => told.with("starts_at", starts_at.to_string()),
            stock::Refusal::LimitReached { limit, have } => {
                told.with("per_user_limit", limit).with("already", have)
            }
            stock::Refusal::InsufficientStock { available } => {
                told.detail(format!("Only {available} are available.")).with("available", available)
            }
            stock::Refusal::Invalid { field, detail } => {
                Problem::field(field, "out_of_range", sentence(&detail))
            }
            stock::Refusal::TooManySales => {
                told.detail("This SKU has too many flash sales that are not closed.")
            }
            stock::Refusal::SaleExists => told.detail("There is a flash sale with this id."),
            stock::Refusal::UnknownSale => told.detail("There is no such flash sale."),
            stock::Refusal::IdempotencyMismatch
            | stock::Refusal::ReservationExpired
            | stock::Refusal::Ended
            | stock::Refusal::Paused
            | stock::Refusal::SoldOut => told,
        }
    })
}

/// What the order actor decided against.
pub fn order(error: AskError<order::Refusal>) -> Problem {
    problem(error, |refusal| {
        let told = Problem::new(order::Order::code(&refusal));
        match refusal {
            order::Refusal::State { status, reason } => {
                let told = told
                    .detail(format!("The order is {}.", status.as_str().replace('_', " ")))
                    .with("order_status", status.as_str());
                match reason {
                    Some(reason) => told.with("reason", reason),
                    None => told,
                }
            }
            order::Refusal::NotFound => told.detail("There is no such order."),
            order::Refusal::IdempotencyMismatch | order::Refusal::NumberTaken => told,
        }
    })
}

/// What the cart actor decided against.
pub fn cart(error: AskError<cart::Refusal>) -> Problem {
    problem(error, |refusal| {
        let told = Problem::new(cart::Cart::code(&refusal));
        match refusal {
            cart::Refusal::NoSuchLine => told.detail("This SKU is not in the cart."),
            cart::Refusal::TooManyLines { limit } => {
                told.detail(format!("A cart has at most {limit} lines."))
            }
            cart::Refusal::Quantity { limit } => {
                Problem::field("quantity", "out_of_range", format!("Must be from 1 to {limit} in all."))
            }
        }
    })
}
