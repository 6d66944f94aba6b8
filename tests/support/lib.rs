//! What the tests stand on: private servers, a proxy that breaks things, a client, builders.
//!
//! The integration binary `it` has a runner of its own ([`run`]): its tests are async functions in
//! one process, so that one PostgreSQL is started once and every test takes a fresh database of it.
//! Tests of purchases run once per engine from the same code; heavy ones run alone. `make test`
//! runs it with `cargo test --test it` and everything else with nextest.
//!
//! Nothing here sleeps: [`eventually`] is the one place that polls.

mod certificates;
mod client;
mod cluster;
mod eventually;
mod haproxy;
mod nats;
mod postgres;
mod process;
mod proxy;
mod purchase;
mod redis;
mod run;
mod shop;
mod stampede;
mod subscriber;
mod tls;
mod traffic;

pub use certificates::Certificates;
pub use client::{Client, Lost, Reply, Request};
pub use cluster::{Cluster, ClusterSetup, node_name};
pub use eventually::{EVENTUALLY_MAX, eventually, within};
pub use haproxy::Balancer;
pub use nats::{Nats, Role};
pub use postgres::Postgres;
pub use process::{Process, Signal, bound_command, raise_open_files};
pub use proxy::Proxy;
pub use purchase::{Told, buy, retried};
pub use redis::Redis;
pub use run::{Body, Case, run};
pub use shop::{ADMIN_PASSWORD, Buyer, Engine, FlashSale, Product, SIGNING_KEY, Shop, ShopSetup, shown};
pub use stampede::{Launch, Stampede, binary, workspace};
pub use subscriber::{Heard, Subscriber};
pub use tls::TlsFront;
pub use traffic::{Bought, NO_ANSWER, Traffic, Waits, all_there};

pub use sqlx;
