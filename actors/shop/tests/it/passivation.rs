//! Putting actors to sleep, and getting them ready to move.

use std::{collections::BTreeSet, time::Duration};

use super::support::{Node, eventually, now, receive, sku, store, totals, user};
use futures_util::future::join_all;
use stampede_domain::order;
use stampede_kernel::{OrderNo, SkuId};
use stampede_platform::{
    journal::{HistoryRequest, read_histories},
    runtime::{
        ActorState, Directory as _,
        limits::{FOLDED_EVENTS_MAX, PARKED_MAX},
    },
};
use tokio::sync::mpsc;

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
    assert!(stock.is_empty() && stock.published_view(id.0).is_none());
    eventually("its memory is given back", || async { (stock.load().0 == 0).then_some(()) }).await;
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
        eventually("the query is parked", || async { (orders.load().1 == 0).then_some(()) }).await;
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
    eventually("the mailbox is empty", || async { (orders.load().1 == 0).then_some(()) }).await;
    assert!(futures_util::poll!(last.as_mut()).is_pending(), "it is parked, not turned away");
}

/// The version of an entity's snapshot, and how many events follow it.
async fn folded(node: &Node, id: SkuId) -> (Option<i64>, usize) {
    let request = HistoryRequest { kind: "stock", id: id.to_string().into(), snapshots: true };
    let histories = read_histories(&node.database, &[request]).await.expect("the history is read");
    (histories[0].snapshot.as_ref().map(|snapshot| snapshot.version), histories[0].events.len())
}

async fn receive_often(node: &Node, id: SkuId, times: usize) {
    let received = join_all((0..times).map(|_| node.actors.stock.command(id.0, id, receive(1)))).await;
    assert!(received.iter().all(Result::is_ok));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_history_is_compacted_before_its_actor_moves_or_sleeps() {
    let store = store().await;
    let node = Node::start(&store.database, "a").await;
    let stock = &node.actors.stock;
    let (long, short) = (sku(1), sku(2));
    receive_often(&node, long, FOLDED_EVENTS_MAX + 1).await;
    receive_often(&node, short, 1).await;
    let (under_way, mut taken) = mpsc::channel(1);
    stock.compact(&BTreeSet::from([stock.shard(long.0), stock.shard(short.0)]), &under_way);
    drop(under_way);
    assert!(taken.recv().await.is_none());
    let events = i64::try_from(FOLDED_EVENTS_MAX + 1).expect("a small number");
    assert_eq!(folded(&node, long).await, (Some(events), 0));
    assert_eq!(folded(&node, short).await, (None, 1), "it is read faster than it is compacted");

    receive_often(&node, long, FOLDED_EVENTS_MAX + 1).await;
    assert_eq!(folded(&node, long).await, (Some(events), FOLDED_EVENTS_MAX + 1));
    eventually("it sleeps", || async {
        stock.passivate(AT_ONCE);
        (stock.state(long.0) == ActorState::Asleep).then_some(())
    })
    .await;
    eventually("its history is compacted", || async {
        (folded(&node, long).await == (Some(2 * events), 0)).then_some(())
    })
    .await;
    assert_eq!(totals(&node, long).await.available, 2 * events);
}
