//! Ten thousand buyers at the doors of three nodes: exactly what is there is sold.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use futures_util::future::join_all;
use stampede_tests::{
    Case, Client, Cluster, FlashSale, Told, buy, eventually, once, raise_open_files, within,
};
use tokio::sync::Semaphore;

/// The tests of this module.
pub fn cases() -> Vec<Case> {
    let cases = once![a_crowd_before_three_doors_buys_exactly_what_is_there];
    cases.into_iter().map(Case::heavy).collect()
}

/// Three doors with a crowd before them.
struct Doors<'a> {
    doors: Vec<Client>,
    /// Requests that may be open at once, by door.
    open: Vec<Semaphore>,
    sale: &'a str,
}

impl<'a> Doors<'a> {
    const CONNECTIONS: usize = 3_300;
    /// How long the last of a crowd may have to wait.
    const PATIENCE: Duration = Duration::from_secs(120);

    async fn open(cluster: &Cluster, sale: &'a str) -> Self {
        let doors: Vec<Client> = (0..cluster.len()).map(|node| cluster.node(node).client()).collect();
        for door in &doors {
            door.open(Self::CONNECTIONS).await.expect("a node takes its part of the crowd's connections");
        }
        let open = doors.iter().map(|_| Semaphore::new(Self::CONNECTIONS)).collect();
        Self { doors, open, sale }
    }

    /// Tries to buy at a door until the shop says yes or no.
    async fn told(&self, door: usize, user: &Client, key: &str) -> Told {
        let client = self.doors[door].with_token(user.token().expect("a user has a token"));
        let settled = || async {
            let _open = self.open[door].acquire().await.expect("the semaphore stays open");
            match buy(&client, self.sale, key).await {
                told @ (Told::Accepted { .. } | Told::Refused(_)) => Some(told),
                // Behind a long queue a node may lose patience with another; the same key asks again.
                Told::Later(code) if ["overloaded", "outcome_unknown"].contains(&&*code) => None,
                told @ (Told::Later(_) | Told::Nothing(_)) => panic!("a buyer was told {told:?}"),
            }
        };
        within(Self::PATIENCE, settled, "a purchase is accepted or refused").await
    }
}

async fn a_crowd_before_three_doors_buys_exactly_what_is_there() {
    const CROWD: usize = 10_000;
    const UNITS: u64 = 500;
    // Before the servers start, which inherit the limit.
    raise_open_files();
    let cluster = Cluster::start(3).await;
    let product = cluster.product_on(1, "19.90", UNITS).await;
    let sale = cluster.shop.flash_sale(&product, &FlashSale::of(UNITS)).await;
    let crowd = cluster.shop.crowd(CROWD).await;
    let doors = Doors::open(&cluster, &sale).await;
    // Everybody tries at all doors at once: at two of them with one key, at the third with another.
    let visits = crowd.iter().enumerate().map(|(number, user)| {
        let door = move |n: usize| (number + n) % 3;
        let doors = &doors;
        async move {
            tokio::join!(
                doors.told(door(0), user, "one"),
                doors.told(door(1), user, "one"),
                doors.told(door(2), user, "another"),
            )
        }
    });
    let mut buyers: HashMap<String, usize> = HashMap::new();
    for (buyer, (first, again, other)) in join_all(visits).await.into_iter().enumerate() {
        let mut orders = HashSet::new();
        for told in [first, again, other] {
            match told {
                Told::Accepted { order_no, .. } => drop(orders.insert(order_no)),
                Told::Refused(code) => {
                    assert!(["sold_out", "limit_reached"].contains(&&*code), "{code}");
                }
                told @ (Told::Later(_) | Told::Nothing(_)) => panic!("{told:?}"),
            }
        }
        assert!(orders.len() <= 1, "nobody buys twice, by whatever doors: {orders:?}");
        for order_no in orders {
            assert_eq!(buyers.insert(order_no, buyer), None, "two buyers share an order");
        }
    }
    assert_eq!(buyers.len() as u64, UNITS, "exactly the stock is sold");
    let listed = || async {
        let listed: HashSet<String> = cluster.shop.sale_orders(&sale).await.into_iter().collect();
        (listed.len() == buyers.len() && listed.iter().all(|number| buyers.contains_key(number)))
            .then_some(())
    };
    eventually(listed, "one order for each acceptance and no other").await;
    assert_eq!(cluster.shop.pool(&product.sku_id, &sale).await, [0, 500, 0]);
    cluster.shop.agrees().await;
}
