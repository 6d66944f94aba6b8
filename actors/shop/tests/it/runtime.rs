//! Actors: how they fail, come back, move and stop.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use futures_util::future::BoxFuture;
use stampede_domain::stock;
use stampede_kernel::{ShardId, SkuId};
use stampede_platform::{
    journal::OwnedShards,
    runtime::{ActorState, Answer, AskError, Delivery, Place, RemoteAsk, Router, limits::RESTARTS_MAX},
};

use super::support::{Node, eventually, receive, scribe, sku, store, totals};

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_costs_a_moment_and_no_state() {
    let store = store().await;
    let node = Node::start(&store.database, "a").await;
    let (one, other) = (sku(1), sku(2));
    for id in [one, other] {
        node.actors.stock.command(id.0, id, receive(10)).await.expect("received");
    }
    for panics in 1..=RESTARTS_MAX {
        // Commands that are already committing when it panics are answered all the same.
        let before = node.actors.stock.begin(one.0, one, receive(1));
        node.actors.stock.inject_panic(one.0, one).await;
        assert!(before.await.is_ok(), "it was decided before the panic");
        eventually("the actor is back", || async {
            matches!(node.actors.stock.state(one.0), ActorState::Live { .. }).then_some(())
        })
        .await;
        assert_eq!(received(&node, one).await, 10 + i64::from(panics));
        assert_eq!(totals(&node, other).await.available, 10, "its neighbour is not concerned");
    }
    node.actors.stock.inject_panic(one.0, one).await;
    eventually("the actor is quarantined", || async {
        (node.actors.stock.state(one.0) == ActorState::Quarantined).then_some(())
    })
    .await;
    let refused = node.actors.stock.command(one.0, one, receive(1)).await;
    assert!(matches!(refused, Err(AskError::Unavailable)), "{refused:?}");
    assert!(!node.actors.stock.reset(other.0), "there is nothing to reset");
    assert!(node.actors.stock.reset(one.0));
    let expected = 10 + i64::from(RESTARTS_MAX);
    assert_eq!(totals(&node, one).await.available, expected, "an administrator brings it back");
    // And its restarts are counted anew.
    node.actors.stock.inject_panic(one.0, one).await;
    eventually("it answers again", || async {
        node.actors.stock.query(one.0, one, stock::Query::Stock).await.ok()
    })
    .await;
}

/// A node with ten units of a SKU, and five more under way that cannot be written.
async fn with_unwritable_units(node: &Node) -> (SkuId, impl Future<Output = Answer<stock::Stock>> + use<>) {
    let id = sku(1);
    node.actors.stock.command(id.0, id, receive(10)).await.expect("received");
    let reason = "a \0 in the text".to_owned();
    let five = stock::Command::Receive(stock::Receive { quantity: 5, reason, key: None });
    (id, node.actors.stock.begin(id.0, id, five))
}

/// The units received, once the actor answers.
async fn received(node: &Node, id: SkuId) -> i64 {
    let live = eventually("it answers", || async {
        node.actors.stock.query(id.0, id, stock::Query::Stock).await.ok()
    });
    let live = live.await;
    let stock::Answer::Stock(view) = live else { panic!("{live:?}") };
    view.received
}

#[tokio::test(flavor = "multi_thread")]
async fn an_actor_whose_events_cannot_be_written_is_rebuilt_without_them() {
    let store = store().await;
    let node = Node::start(&store.database, "a").await;
    let (id, bad) = with_unwritable_units(&node).await;
    // It is asked at once, while its memory is ahead of the journal: no answer may tell of the five.
    let look = node.actors.stock.query(id.0, id, stock::Query::Stock).await;
    match look {
        Ok(stock::Answer::Stock(view)) => assert_eq!(view.received, 10),
        Err(AskError::Unavailable) => {}
        other => panic!("{other:?}"),
    }
    assert!(matches!(bad.await, Err(AskError::Unavailable)));
    assert_eq!(received(&node, id).await, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_panicked_actor_knew_is_forgotten_unless_all_of_it_was_written() {
    let store = store().await;
    let node = Node::start(&store.database, "a").await;
    let (id, bad) = with_unwritable_units(&node).await;
    node.actors.stock.inject_panic(id.0, id).await;
    assert!(matches!(bad.await, Err(AskError::Unavailable)));
    assert_eq!(received(&node, id).await, 10);
    node.actors.stock.command(id.0, id, receive(1)).await.expect("it writes on");
    assert_eq!(totals(&node, id).await.available, 11);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_actor_answers_from_its_new_node_and_no_longer_from_the_old() {
    let store = store().await;
    let old = Node::start(&store.database, "old").await;
    let id = sku(1);
    old.actors.stock.command(id.0, id, receive(10)).await.expect("received");
    let new = Node::start(&store.database, "new").await;
    assert_eq!(totals(&new, id).await.available, 10);
    new.actors.stock.command(id.0, id, receive(1)).await.expect("received");
    let stale = old.actors.stock.command(id.0, id, receive(100)).await;
    assert!(matches!(stale, Err(AskError::Unavailable)), "{stale:?}");
    let gone = old.actors.stock.query(id.0, id, stock::Query::Stock).await;
    assert!(matches!(gone, Err(AskError::Unavailable)), "{gone:?}");
    assert_eq!(totals(&new, id).await.available, 11);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_taken_over_from_oneself_rebuilds_its_actors() {
    let store = store().await;
    let node = Node::start(&store.database, "a").await;
    let id = sku(1);
    node.actors.stock.command(id.0, id, receive(10)).await.expect("received");
    node.scribe.take_all().await;
    assert_eq!(totals(&node, id).await.available, 10);
    node.actors.stock.command(id.0, id, receive(1)).await.expect("received");
    // Nowhere: another node has it, and this one has noticed.
    let thief = scribe(&store.database, "b");
    thief.take_all().await;
    let lost = node.actors.stock.command(id.0, id, receive(1)).await;
    assert!(matches!(lost, Err(AskError::Unavailable)), "{lost:?}");
    assert!(node.actors.stock.published_view(id.0).is_none(), "what it showed is gone with it");
}

/// A node that begins to hand its shards over just after it was looked where they are.
struct Overtaken {
    owned_shards: Arc<OwnedShards>,
    /// How often it may still be looked before that; negative when it is over.
    looks: Arc<AtomicI64>,
}

impl Router for Overtaken {
    fn place(&self, shard: ShardId) -> Place {
        if self.looks.fetch_sub(1, Ordering::AcqRel) > 0 {
            self.owned_shards.place(shard)
        } else {
            Place::Nowhere
        }
    }

    fn moved(&self, shard: ShardId, from: Place) -> BoxFuture<'static, bool> {
        self.owned_shards.moved(shard, from)
    }

    fn ask(&self, shard: ShardId, epoch: i64, ask: Arc<RemoteAsk>) -> BoxFuture<'static, Delivery> {
        self.owned_shards.ask(shard, epoch, ask)
    }

    fn tell(&self, shard: ShardId, ask: Arc<RemoteAsk>) -> BoxFuture<'static, Delivery> {
        self.owned_shards.tell(shard, ask)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_in_after_a_handoff_has_begun() {
    let store = store().await;
    let looks = Arc::new(AtomicI64::new(i64::MAX));
    let router =
        |owned_shards| -> Box<dyn Router> { Box::new(Overtaken { owned_shards, looks: looks.clone() }) };
    let node = Node::start_with(&store.database, "a", router).await;
    let id = sku(1);
    node.actors.stock.command(id.0, id, receive(10)).await.expect("received");
    looks.store(1, Ordering::Release);
    let late = node.actors.stock.command(id.0, id, receive(1)).await;
    assert!(matches!(late, Err(AskError::Unavailable)), "{late:?}");
    looks.store(i64::MAX, Ordering::Release);
    assert_eq!(totals(&node, id).await.available, 10, "nothing was done");
}
