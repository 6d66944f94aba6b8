//! From a reservation to an order and back, through the sagas, and the tables beside it.

use stampede_domain::{
    order::{self, Status},
    stock::{self, Pool},
};
use stampede_kernel::{FlashSaleId, OrderNo, SkuId, UserId};
use stampede_shop::{
    projections::{order_page, reconcile::reconcile, sale_by_id, stock_of},
    sagas::{dead_letters, retry_dead_letters},
};
use uuid::Uuid;

use super::support::{Node, eventually, open_sale, purchase, receive, sku, store, totals, user};

const SALE: FlashSaleId = FlashSaleId(Uuid::from_u128(0x5a1e));

async fn buy(node: &Node, id: SkuId, reserve: stock::Reserve) -> OrderNo {
    let order_no = reserve.order_no;
    let command = stock::Command::Reserve(Box::new(reserve));
    node.actors.stock.command(id.0, id, command).await.expect("reserved");
    order_no
}

async fn opened(node: &Node, owner: UserId, order_no: OrderNo) -> Box<order::OrderView> {
    node.actors.order.query(owner.0, order_no, order::Query::Await { owner }).await.expect("the order opens")
}

async fn becomes(node: &Node, id: SkuId, expected: Pool) {
    eventually(&format!("the units are {expected:?}"), || async {
        (totals(node, id).await == expected).then_some(())
    })
    .await;
}

fn units(available: i64, held: i64, sold: i64) -> Pool {
    Pool { allotted: available + held + sold, available, held, sold }
}

/// Waits until the tables have taken everything in, then compares memory, tables and journal.
async fn agrees(node: &Node) {
    let report = eventually("the tables have caught up", || async {
        let report = reconcile(&node.database, Some(&node.actors.stock)).await.expect("answered");
        (report.lag == 0).then_some(report)
    })
    .await;
    assert!(report.differences.is_empty(), "{:?}", report.differences);
    assert!(report.skus > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_is_opened_and_paid_or_cancelled_and_everything_agrees() {
    let store = store().await;
    let mut node = Node::start(&store.database, "a").await;
    node.follow().await;
    let id = sku(1);
    for command in [receive(20), open_sale(SALE, 10)] {
        node.actors.stock.command(id.0, id, command).await.expect("accepted");
    }
    let (kept, paid, regular) = (
        buy(&node, id, purchase(1, Some(SALE), 2)).await,
        buy(&node, id, purchase(2, Some(SALE), 1)).await,
        buy(&node, id, purchase(3, None, 4)).await,
    );
    for (buyer, order_no, quantity) in [(1, kept, 2), (2, paid, 1), (3, regular, 4)] {
        let order = opened(&node, user(buyer), order_no).await;
        assert_eq!((order.status, order.lines[0].quantity), (Status::PendingPayment, quantity));
    }
    let pay = order::Command::Pay { user: user(2), key: None };
    node.actors.order.command(user(2).0, paid, pay).await.expect("paid");
    for (buyer, order_no) in [(1, kept), (3, regular)] {
        let owner = user(buyer);
        let cancel = order::Command::Cancel { owner, by: owner, reason: None, key: None };
        node.actors.order.command(owner.0, order_no, cancel).await.expect("cancelled");
    }
    becomes(&node, id, units(19, 0, 1)).await;
    // Closing, taking away and bringing to a number: every kind of change reaches the tables.
    let reason = String::from("count");
    for command in [
        stock::Command::PauseSale(stock::PauseSale { sale: SALE }),
        stock::Command::ResumeSale(stock::ResumeSale { sale: SALE }),
        stock::Command::CloseSale(stock::CloseSale { sale: SALE }),
        stock::Command::Adjust(stock::Adjust { delta: -5, reason: reason.clone(), key: None }),
        stock::Command::AdjustTo(stock::AdjustTo { available: 3, reason, key: None }),
    ] {
        node.actors.stock.command(id.0, id, command).await.expect("accepted");
    }
    agrees(&node).await;
    let tables = stock_of(&node.database, id).await.expect("read");
    assert_eq!((tables.received, tables.total()), (4, units(3, 0, 1)));
    let sale = sale_by_id(&node.database, SALE).await.expect("read").expect("it is there");
    assert_eq!((sale.pool, sale.closed_at.is_some(), sale.paused), (units(0, 0, 1), true, false));
    let (orders, total) = order_page(&node.database, &Default::default(), 1, 10).await.expect("read");
    assert_eq!(total, 3);
    let status = |no| orders.iter().find(|order| order.order_no == no).map(|order| order.status);
    let expected = [Some(Status::Cancelled), Some(Status::Paid), Some(Status::Cancelled)];
    assert_eq!([status(kept), status(paid), status(regular)], expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_crash_interrupted_is_finished_by_the_next_node() {
    let store = store().await;
    let id = sku(1);
    // Nobody follows the journal yet: the orders wait in it.
    let first = Node::start(&store.database, "a").await;
    first.actors.stock.command(id.0, id, receive(10)).await.expect("received");
    let mut numbers = Vec::new();
    for buyer in 1..=5 {
        numbers.push((user(buyer), buy(&first, id, purchase(buyer, None, 1)).await));
    }
    first.kill().await;
    let mut second = Node::start(&store.database, "a").await;
    second.follow().await;
    for (owner, order_no) in &numbers {
        assert_eq!(opened(&second, *owner, *order_no).await.status, Status::PendingPayment);
    }
    agrees(&second).await;
    second.kill().await;
    // What is delivered again is recognised.
    let mut third = Node::start(&store.database, "b").await;
    third.follow().await;
    let (owner, order_no) = numbers[0];
    let cancel = order::Command::Cancel { owner, by: owner, reason: None, key: None };
    third.actors.order.command(owner.0, order_no, cancel).await.expect("cancelled");
    becomes(&third, id, units(6, 4, 0)).await;
    agrees(&third).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_is_refused_is_parked_and_blocks_nobody() {
    let store = store().await;
    let mut node = Node::start(&store.database, "a").await;
    node.follow().await;
    let id = sku(1);
    node.actors.stock.command(id.0, id, receive(10)).await.expect("received");
    let first = purchase(1, None, 1);
    let order_no = buy(&node, id, first.clone()).await;
    opened(&node, user(1), order_no).await;
    // The number is taken by other units, so that this order cannot be opened.
    buy(&node, id, stock::Reserve { order_no, ..purchase(1, None, 2) }).await;
    let next = buy(&node, id, purchase(2, None, 1)).await;
    opened(&node, user(2), next).await;
    let kept = eventually("it is parked", || async {
        let kept = dead_letters(&node.database, 10).await.expect("read");
        (!kept.is_empty()).then_some(kept)
    })
    .await;
    assert_eq!(kept.len(), 1);
    assert_eq!((kept[0].saga.as_str(), kept[0].target.clone()), ("purchase", format!("order {order_no}")));
    assert_eq!(retry_dead_letters(&node.database, &node.actors, 10).await.expect("tried"), 0);
    assert_eq!(dead_letters(&node.database, 10).await.expect("read").len(), 1, "it stays until it is done");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_projectors_count_every_event_once() {
    let store = store().await;
    let mut node = Node::start(&store.database, "a").await;
    node.follow().await;
    node.project().await;
    for number in 1..=4 {
        let id = sku(number);
        node.actors.stock.command(id.0, id, receive(100)).await.expect("received");
        for buyer in 1..=20 {
            buy(&node, id, purchase(buyer, None, 1)).await;
        }
    }
    eventually("every order is in the table", || async {
        let (_, total) = order_page(&node.database, &Default::default(), 1, 1).await.expect("read");
        (total == 80).then_some(())
    })
    .await;
    agrees(&node).await;
}
