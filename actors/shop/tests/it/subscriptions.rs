//! Following the journal: from memory, from the table, and from a checkpoint.

use std::collections::{BTreeMap, HashMap};

use stampede_kernel::ShardId;
use stampede_platform::journal::{
    Entry, Position, Run, Settled, Subscription, TakeScope, advance_checkpoints, exchange_checkpoints,
    limits::FEED_BATCHES_MAX,
};

use super::support::{Scribe, Store, scribe, shard, store};

/// Commits events of one entity, each in a batch of its own.
async fn write(node: &Scribe, shard: u16, versions: std::ops::RangeInclusive<i64>) {
    let life = node.life(u128::from(shard), shard);
    for version in versions {
        let settled = node.append(&life, &format!("entity-{shard}"), version, &["{}"]).await;
        assert_eq!(settled, Ok(Settled::Committed));
    }
}

async fn read(subscription: &mut Subscription, count: usize) -> Vec<Position> {
    let mut positions: Vec<Position> = Vec::new();
    while positions.len() < count {
        let entries: Vec<Entry> = subscription.next().await.expect("the journal can be read");
        positions.extend(entries.iter().map(|entry| entry.position));
    }
    positions
}

fn without_gap(positions: &[Position]) -> HashMap<ShardId, i64> {
    let mut last: HashMap<ShardId, i64> = HashMap::new();
    for Position { shard, seq } in positions {
        let before = last.insert(*shard, *seq).unwrap_or(0);
        assert_eq!(*seq, before + 1, "shard {shard} has a gap or a duplicate");
    }
    last
}

async fn started() -> (Store, Scribe) {
    let store = store().await;
    let node = scribe(&store.database, "a");
    node.take_all().await;
    (store, node)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_falls_behind_catches_up_without_gap_or_duplicate() {
    let (store, node) = started().await;
    write(&node, 1, 1..=3).await;
    let mut subscription = Subscription::open("s", &store.database, &node.journal).await.expect("open");
    assert_eq!(without_gap(&read(&mut subscription, 3).await), HashMap::from([(shard(1), 3)]));
    let more = i64::try_from(FEED_BATCHES_MAX).expect("a small number") + 40;
    write(&node, 1, 4..=more).await;
    write(&node, 2, 1..=5).await;
    assert_eq!(subscription.lag(), more - 3 + 5);
    let rest = read(&mut subscription, usize::try_from(more).expect("small") - 3 + 5).await;
    let all: Vec<Position> = (1..=3).map(|seq| Position { shard: shard(1), seq }).chain(rest).collect();
    assert_eq!(without_gap(&all), HashMap::from([(shard(1), more), (shard(2), 5)]));
    assert_eq!(subscription.lag(), 0);
    write(&node, 2, 6..=6).await;
    assert_eq!(read(&mut subscription, 1).await, [Position { shard: shard(2), seq: 6 }]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_missed_in_passing_is_read_before_the_rest() {
    let (store, node) = started().await;
    let mut subscription = Subscription::open("s", &store.database, &node.journal).await.expect("open");
    write(&node, 1, 1..=1).await;
    assert_eq!(read(&mut subscription, 1).await, [Position { shard: shard(1), seq: 1 }]);
    // It follows from memory: it waits before this is written.
    let (positions, ()) = tokio::join!(read(&mut subscription, 1), write(&node, 1, 2..=2));
    assert_eq!(positions, [Position { shard: shard(1), seq: 2 }]);
    // Shard 1 falls quiet with what is missed; shard 2 alone fills the memory.
    write(&node, 1, 3..=5).await;
    write(&node, 2, 1..=i64::try_from(FEED_BATCHES_MAX).expect("a small number")).await;
    assert!(subscription.ready().is_empty(), "nothing is handed out over a gap");
    let next = subscription.next().await.expect("read");
    assert_eq!(next.first().map(|entry| entry.position), Some(Position { shard: shard(1), seq: 3 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_that_never_rests_keeps_no_other_waiting() {
    let (store, node) = started().await;
    for shard in 1..=3 {
        write(&node, shard, 1..=2).await;
    }
    let mut subscription = Subscription::open("s", &store.database, &node.journal).await.expect("open");
    let mut positions = Vec::new();
    // Shard 2 gets another event whenever the subscription has handed something out.
    for version in 3..=9 {
        let entries = subscription.next().await.expect("the journal can be read");
        positions.extend(entries.iter().map(|entry| entry.position));
        write(&node, 2, version..=version).await;
    }
    let last = without_gap(&positions);
    assert_eq!((last.get(&shard(1)), last.get(&shard(3))), (Some(&2), Some(&2)), "{positions:?}");
    read(&mut subscription, 13 - positions.len()).await;
    assert_eq!(subscription.lag(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_node_wrote_is_read_when_its_shard_is_taken() {
    let (store, node) = started().await;
    let mut subscription = Subscription::open("s", &store.database, &node.journal).await.expect("open");
    write(&node, 1, 1..=2).await;
    read(&mut subscription, 2).await;
    let other = scribe(&store.database, "b");
    other.journal.take(vec![shard(1)], TakeScope::Any).await.expect("taken");
    write(&other, 1, 3..=5).await;
    node.journal.take(vec![shard(1)], TakeScope::Any).await.expect("taken back");
    let positions = read(&mut subscription, 3).await;
    assert_eq!(positions, [3, 4, 5].map(|seq| Position { shard: shard(1), seq }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_goes_on_from_its_checkpoint() {
    let (store, node) = started().await;
    write(&node, 1, 1..=6).await;
    let mut connection = store.database.connection().await.expect("a connection");
    let advance = [(4, 4), (2, 4), (5, 5), (0, 5)];
    for (to, expected) in advance {
        advance_checkpoints(&mut connection, "s", &HashMap::from([(shard(1), to)])).await.expect("kept");
        let kept: i64 =
            sqlx::query_scalar("SELECT seq FROM checkpoint WHERE subscription = 's' AND shard = 1")
                .fetch_one(&mut *connection)
                .await
                .expect("read");
        assert_eq!(kept, expected, "a checkpoint never goes back");
    }
    drop(connection);
    let mut subscription = Subscription::open("s", &store.database, &node.journal).await.expect("open");
    assert_eq!(read(&mut subscription, 1).await, [Position { shard: shard(1), seq: 6 }]);
    subscription.rewind().await.expect("back to the checkpoint");
    assert_eq!(read(&mut subscription, 1).await, [Position { shard: shard(1), seq: 6 }]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_counts_once() {
    let (store, _node) = started().await;
    let mut connection = store.database.connection().await.expect("a connection");
    let run = |from, to| Run { from, to };
    for (runs, expected) in [
        (vec![(1, run(0, 5)), (2, run(0, 1))], true),
        // Again, overlapping, and over a gap.
        (vec![(1, run(0, 5))], false),
        (vec![(1, run(4, 6))], false),
        (vec![(1, run(6, 8))], false),
        (vec![(1, run(5, 6)), (2, run(0, 1))], false),
        // A shard without a checkpoint begins at its beginning.
        (vec![(3, run(2, 4))], false),
        (vec![(3, run(0, 4)), (1, run(5, 9)), (2, run(1, 2))], true),
    ] {
        let runs: BTreeMap<ShardId, Run> =
            runs.into_iter().map(|(number, run)| (shard(number), run)).collect();
        let mut transaction = sqlx::Connection::begin(&mut *connection).await.expect("begun");
        let moved = exchange_checkpoints(&mut transaction, "p", &runs).await.expect("answered");
        assert_eq!(moved, expected, "{runs:?}");
        if moved {
            transaction.commit().await.expect("committed");
        } else {
            transaction.rollback().await.expect("rolled back");
        }
    }
    let kept: Vec<(i16, i64)> =
        sqlx::query_as("SELECT shard, seq FROM checkpoint WHERE subscription = 'p' ORDER BY shard")
            .fetch_all(&mut *connection)
            .await
            .expect("read");
    assert_eq!(kept, [(1, 9), (2, 2), (3, 4)]);
}
