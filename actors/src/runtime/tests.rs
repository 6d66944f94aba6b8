//! Putting actors to sleep, which only the shepherd may do.

use std::time::Duration;

use support::{Node, eventually, now, receive, sku, store, totals, user};

use super::ActorState;
use crate::{
    kernel::{OrderNo, limits::PARKED_MAX},
    order,
};

#[expect(dead_code, reason = "the integration tests need more of it")]
#[path = "../../tests/it/support.rs"]
mod support;

/// Everything that is not in use at this moment.
const AT_ONCE: Duration = Duration::ZERO;

#[tokio::test(flavor = "multi_thread")]
async fn idle_actors_sleep_and_wake_as_they_were() {
    let store = store().await;
    let node = Node::start(&store.database, "a").await;
    let stock = &node.actors.stock;
    let id = sku(1);
    stock.command(id.0, id, receive(10)).await.expect("received");
    stock.passivate(Duration::from_secs(3_600));
    assert!(matches!(stock.state(id.0), ActorState::Live { .. }), "it is not idle for long enough");
    eventually("it sleeps", || async {
        stock.passivate(AT_ONCE);
        (stock.state(id.0) == ActorState::Asleep).then_some(())
    })
    .await;
    assert!(stock.is_empty() && stock.board(id.0).is_none());
    eventually("its memory is given back", || async { (stock.metrics.live.get() == 0).then_some(()) }).await;
    assert_eq!(totals(&node, id).await.available, 10);
    // One that waits for its commit stays awake until it is answered.
    let blocked = store.database.connection().await.expect("the one connection");
    let under_way = stock.begin(id.0, id, receive(1));
    for _ in 0..3 {
        stock.passivate(AT_ONCE);
        assert!(matches!(stock.state(id.0), ActorState::Live { .. }), "somebody waits for its answer");
    }
    drop(blocked);
    assert!(under_way.await.is_ok());
    assert_eq!(totals(&node, id).await.available, 11);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_waits_for_keeps_no_actor_awake() {
    let store = store().await;
    let node = Node::start(&store.database, "a").await;
    let orders = &node.actors.order;
    let owner = user(1);
    let number = OrderNo::new(now(), 1);
    let waits = || orders.query(owner.0, number, order::Query::Await { owner });
    {
        let asked = waits();
        tokio::pin!(asked);
        assert!(futures_util::poll!(asked.as_mut()).is_pending(), "the order may still come");
        // Parked: the mailbox is empty and the answer is still owed.
        eventually("the query is parked", || async { (orders.metrics.depth.get() == 0).then_some(()) }).await;
        let waiting = matches!(orders.state(owner.0), ActorState::Live { waiting: 1, .. });
        assert!(waiting, "{:?}", orders.state(owner.0));
    }
    eventually("the actor sleeps", || async {
        orders.passivate(AT_ONCE);
        (orders.state(owner.0) == ActorState::Asleep).then_some(())
    })
    .await;
    // Those who gave up make room for those who have not.
    for _ in 0..2 * PARKED_MAX {
        let asked = waits();
        tokio::pin!(asked);
        assert!(futures_util::poll!(asked.as_mut()).is_pending());
    }
    let last = waits();
    tokio::pin!(last);
    assert!(futures_util::poll!(last.as_mut()).is_pending());
    eventually("the mailbox is empty", || async { (orders.metrics.depth.get() == 0).then_some(()) }).await;
    assert!(futures_util::poll!(last.as_mut()).is_pending(), "it is parked, not turned away");
}
