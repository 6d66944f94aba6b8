//! Ten thousand buyers at once, for one unit, a few and many: exactly what is there is sold.
//!
//! Every buyer has a connection of its own where the system lets a process open so many; elsewhere
//! the same buyers queue for [`CONNECTIONS_FALLBACK`].

use std::collections::HashSet;

use futures_util::future::join_all;
use hyper::Method;
use serde_json::json;
use stampede_tests::{
    Case, Client, Engine, FlashSale, Product, Shop, Told, buy, eventually, per_engine, raise_open_files,
};
use tokio::sync::Semaphore;

/// The tests of this module.
pub fn cases() -> Vec<Case> {
    let cases = per_engine![
        ten_thousand_buyers_for_one_unit,
        ten_thousand_buyers_for_a_hundred_units,
        ten_thousand_buyers_for_five_thousand_units,
        freed_units_are_sold_to_the_next,
    ];
    cases.into_iter().map(Case::heavy).collect()
}

const BUYERS: usize = 10_000;
/// Open connections where the system does not allow one for each buyer.
const CONNECTIONS_FALLBACK: usize = 2_000;
/// Files that a process needs beside its connections.
const OTHER_FILES: u64 = 1_000;
/// Rounds in which freed units are sold again, at most.
const ROUNDS_MAX: usize = 8;

/// A sale with a crowd before its door.
struct Stage {
    shop: Shop,
    product: Product,
    sale: String,
    crowd: Vec<Client>,
    /// Requests that may be open at once.
    open: Semaphore,
}

impl Stage {
    async fn set(engine: Engine, terms: &FlashSale) -> Self {
        // Before the server starts, which inherits the limit.
        let room = raise_open_files() >= BUYERS as u64 + OTHER_FILES;
        let connections = if room { BUYERS } else { CONNECTIONS_FALLBACK };
        let shop = Shop::start(engine).await;
        let product = shop.product("19.90", terms.quantity).await;
        let sale = shop.flash_sale(&product, terms).await;
        let crowd = shop.crowd(BUYERS).await;
        crowd[0].open(connections).await.expect("the server takes the crowd's connections");
        Self { shop, product, sale, crowd, open: Semaphore::new(connections) }
    }

    /// Tries to buy until the shop says yes or no. It must answer every time.
    async fn told(&self, client: &Client, key: &str) -> Told {
        let settled = || async {
            let _open = self.open.acquire().await.expect("the semaphore stays open");
            match buy(client, &self.sale, key).await {
                told @ (Told::Accepted { .. } | Told::Refused(_)) => Some(told),
                // A shop that says that it is busy must say so with a code that says when to return.
                Told::Later(code) if code == "overloaded" => None,
                told @ (Told::Later(_) | Told::Nothing(_)) => {
                    panic!("a buyer of the crowd was told {told:?}")
                }
            }
        };
        eventually(settled, "a purchase is accepted or refused").await
    }

    /// Lets every buyer of the crowd do the same at once.
    async fn everybody<'a, T, Fut>(&'a self, what: impl Fn(&'a Client) -> Fut) -> Vec<T>
    where
        Fut: Future<Output = T>,
    {
        join_all(self.crowd.iter().map(what)).await
    }

    async fn pool(&self) -> [i64; 3] {
        self.shop.pool(&self.product.sku_id, &self.sale).await
    }

    /// The shop has exactly these orders of the sale.
    async fn has_orders(&self, numbers: &HashSet<String>) {
        let listed = || async {
            let listed = self.shop.sale_orders(&self.sale).await;
            let distinct: HashSet<_> = listed.iter().cloned().collect();
            (listed.len() == numbers.len() && distinct == *numbers).then_some(())
        };
        eventually(listed, "the shop has an order for each acceptance and no other").await;
    }
}

/// What one buyer was told by the first try, its repeat, and a new try.
type Visit = [Told; 3];

async fn ten_thousand_buyers_for_one_unit(engine: Engine) {
    exactly_the_stock_is_sold(engine, 1).await;
}

async fn ten_thousand_buyers_for_a_hundred_units(engine: Engine) {
    exactly_the_stock_is_sold(engine, 100).await;
}

async fn ten_thousand_buyers_for_five_thousand_units(engine: Engine) {
    exactly_the_stock_is_sold(engine, 5_000).await;
}

async fn exactly_the_stock_is_sold(engine: Engine, units: usize) {
    let stage = &Stage::set(engine, &FlashSale::of(units as u64)).await;
    let visits: Vec<Visit> = stage
        .everybody(|me| async {
            let first = stage.told(me, "first").await;
            let again = stage.told(me, "first").await;
            [first, again, stage.told(me, "second").await]
        })
        .await;

    let mut numbers = HashSet::new();
    for visit in &visits {
        match visit {
            [Told::Accepted { order_no, replayed: false }, again, third] => {
                let repeat = Told::Accepted { order_no: order_no.clone(), replayed: true };
                assert_eq!(*again, repeat, "the same key is the same purchase");
                assert_eq!(*third, Told::Refused("limit_reached".into()), "nobody buys twice");
                assert!(numbers.insert(order_no.clone()), "two buyers share an order");
            }
            // Units never come back here, so whoever was too late stays too late.
            refused => assert!(
                refused.iter().all(|told| *told == Told::Refused("sold_out".into())),
                "a buyer was told {refused:?}"
            ),
        }
    }
    assert_eq!(numbers.len(), units, "exactly the stock is sold");
    let sold = i64::try_from(units).expect("a count");
    assert_eq!(stage.pool().await, [0, sold, 0], "refused and repeated tries burn nothing");
    stage.has_orders(&numbers).await;

    let buyers = stage.crowd.iter().zip(&visits);
    let bought = buyers.filter_map(|(me, visit)| Some((me, visit[0].order_no()?)));
    let shown = bought.map(|(me, number)| async move {
        let _open = stage.open.acquire().await.expect("the semaphore stays open");
        let order = me.get(&format!("/api/v1/orders/{number}")).await.ok(200);
        assert_eq!(
            (&order["status"], &order["flash_sale_id"]),
            (&json!("pending_payment"), &json!(stage.sale))
        );
        assert_eq!(order["items"][0]["quantity"], 1);
    });
    assert_eq!(join_all(shown).await.len(), units, "every buyer sees the own order");
    stage.shop.agrees().await;
}

/// Buys with this key and, when asked to, pays at once; whether a paid order came of it.
async fn visit(stage: &Stage, me: &Client, key: &str, pays: bool) -> Option<(String, bool)> {
    let told = stage.told(me, key).await;
    let number = told.order_no()?.to_owned();
    if !pays {
        return Some((number, false));
    }
    let path = format!("/api/v1/orders/{number}/pay");
    let paid = || async {
        let _open = stage.open.acquire().await.expect("the semaphore stays open");
        let reply = me.request(Method::POST, &path).json(&json!({})).send().await;
        // The order may follow its purchase (202).
        (reply.status != 404).then_some(reply)
    };
    let reply = eventually(paid, "the order can be paid or is lost").await;
    if reply.status == 200 {
        return Some((number, true));
    }
    // Too late by the order's own clock: then it is cancelled, and its unit goes to somebody else.
    assert_eq!(reply.problem(409, "order_state")["status"], 409);
    Some((number, false))
}

async fn freed_units_are_sold_to_the_next(engine: Engine) {
    let units = 500;
    let terms = FlashSale { pay_within: 5, ..FlashSale::of(units as u64) };
    let stage = Stage::set(engine, &terms).await;
    let mut numbers = HashSet::new();
    let mut paid = vec![false; BUYERS];
    let sold = |paid: &[bool]| paid.iter().filter(|paid| **paid).count();
    let all = i64::try_from(units).expect("a count");
    for round in 0..ROUNDS_MAX {
        // At first every second buyer does not pay; later everybody does.
        let key = format!("round {round}");
        let visits =
            join_all(
                stage.crowd.iter().enumerate().map(|(place, me)| {
                    let (stage, key, bought) = (&stage, &key, paid[place]);
                    async move {
                        if bought { None } else { visit(stage, me, key, round > 0 || place % 2 == 0).await }
                    }
                }),
            )
            .await;
        for (place, (number, now)) in
            visits.into_iter().enumerate().filter_map(|(place, visit)| Some((place, visit?)))
        {
            assert!(numbers.insert(number), "two purchases share an order");
            paid[place] |= now;
        }
        let count = i64::try_from(sold(&paid)).expect("a count");
        assert!(round > 0 || count < all, "some did not pay");
        let freed = || async { (stage.pool().await == [all - count, 0, count]).then_some(()) };
        eventually(freed, "what was not paid for is on sale again, what was paid for is sold").await;
        if count == all {
            break;
        }
    }
    assert_eq!(sold(&paid), units, "in the end everything is sold");
    assert_eq!(stage.pool().await, [0, 0, all]);
    stage.has_orders(&numbers).await;
    for (me, _) in stage.crowd.iter().zip(&paid).filter(|(_, paid)| **paid).take(3) {
        assert_eq!(stage.told(me, "once more").await, Told::Refused("limit_reached".into()));
    }
    stage.shop.agrees().await;
}
