//! Buying in a flash sale, and what a buyer makes of the answer.

use hyper::Method;
use serde_json::json;

use crate::{
    client::{Client, Lost, Reply, Request},
    eventually::eventually,
};

/// What a buyer was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// The units are this buyer's, under this order.
    Accepted {
        /// The order's number.
        order_no: String,
        /// It is the answer to an earlier request again.
        replayed: bool,
    },
    /// Nothing was bought, for the reason with this code.
    Refused(String),
    /// To be tried again with the same key, for the reason with this code.
    Later(String),
    /// No answer came, for this reason.
    Nothing(String),
}

impl Told {
    /// Reads an answer. Panics when it is none that a buyer may get in the middle of a sale.
    #[must_use]
    pub fn of(answer: Result<Reply, Lost>) -> Self {
        let reply = match answer {
            Ok(reply) => reply,
            Err(lost) => return Self::Nothing(lost.to_string()),
        };
        match reply.status {
            201 | 202 => Self::Accepted {
                order_no: reply.str("order_no").to_owned(),
                replayed: reply.header("idempotent-replayed") == "true",
            },
            status => {
                let code = reply.str("code").to_owned();
                reply.problem(status, &code);
                match status {
                    409 => Self::Refused(code),
                    503 => Self::Later(code),
                    _ => panic!("a buyer was told {status} {code}"),
                }
            }
        }
    }

    /// The number of the order, if there is one.
    #[must_use]
    pub fn order_no(&self) -> Option<&str> {
        match self {
            Self::Accepted { order_no, .. } => Some(order_no),
            Self::Refused(_) | Self::Later(_) | Self::Nothing(_) => None,
        }
    }
}

impl Client {
    /// A purchase of so many units in a sale.
    #[must_use]
    pub fn purchase(&self, sale: &str, quantity: u64) -> Request {
        let path = format!("/api/v1/flash-sales/{sale}/purchase");
        self.request(Method::POST, &path).json(&json!({ "quantity": quantity }))
    }
}

/// Tries to buy one unit, once.
pub async fn buy(client: &Client, sale: &str, key: &str) -> Told {
    Told::of(client.purchase(sale, 1).key(key).try_send().await)
}

/// Tries to buy one unit with the same key until the answer is one to rely on.
pub async fn retried(client: &Client, sale: &str, key: &str) -> Told {
    let settled = || async {
        match buy(client, sale, key).await {
            told @ (Told::Accepted { .. } | Told::Refused(_)) => Some(told),
            Told::Later(_) | Told::Nothing(_) => None,
        }
    };
    eventually(settled, "a purchase is accepted or refused").await
}
