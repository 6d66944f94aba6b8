//! The writer: what commits, what does not, and who is told what.

use sqlx::Row;
use stampede_platform::journal::{
    HistoryRequest, Settled, Snapshot, TakeScope, read_after, read_histories, write_snapshot,
};

use super::support::{Scribe, Store, scribe, shard, store};

async fn seqs(store: &Store, number: u16) -> Vec<i64> {
    let entries =
        read_after(&store.database, shard(number), 0, 10_000).await.expect("the journal can be read");
    entries.iter().map(|entry| entry.position.seq).collect()
}

async fn ids(store: &Store, number: u16) -> Vec<String> {
    let entries =
        read_after(&store.database, shard(number), 0, 10_000).await.expect("the journal can be read");
    entries.iter().map(|entry| entry.id.to_string()).collect()
}

fn request(id: &str) -> HistoryRequest {
    HistoryRequest { kind: "test", id: id.into(), snapshots: true }
}

async fn started(store: &Store, name: &str) -> Scribe {
    let scribe = scribe(&store.database, name);
    scribe.take_all().await;
    scribe
}

#[tokio::test(flavor = "multi_thread")]
async fn appends_are_numbered_without_holes_and_read_back() {
    let store = store().await;
    let node = started(&store, "a").await;
    let (one, two) = (node.life(1, 3), node.life(2, 3));
    let settled = [
        node.append(&one, "x", 1, &["1", "2"]),
        node.append(&two, "y", 1, &["{\"a\": 1}"]),
        node.append(&one, "x", 3, &["3"]),
        node.append(&one, "x", 4, &[]),
    ];
    for settled in settled {
        assert_eq!(settled.await, Ok(Settled::Committed));
    }
    assert_eq!(seqs(&store, 3).await, [1, 2, 3, 4]);
    assert_eq!(node.journal.owned_shards().head(shard(3)), 4);
    let histories =
        read_histories(&store.database, &[request("y"), request("none"), request("x")]).await.expect("read");
    let versions = |at: usize| histories[at].events.iter().map(|(version, _)| *version).collect::<Vec<_>>();
    assert_eq!((versions(0), versions(1), versions(2)), (vec![1], vec![], vec![1, 2, 3]));
    assert_eq!(histories[2].events[1].1, "2");
    // A version that stands already is refused, and costs only its own actor.
    let again = node.append(&node.life(3, 3), "x", 3, &["9"]);
    assert_eq!(again.await, Ok(Settled::NotWritten));
    assert_eq!(node.append(&two, "y", 2, &["2"]).await, Ok(Settled::Committed));
    assert_eq!(seqs(&store, 3).await, [1, 2, 3, 4, 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_has_lost_a_shard_writes_nothing_to_it() {
    let store = store().await;
    let old = started(&store, "old").await;
    let (lost, kept) = (old.life(1, 1), old.life(2, 2));
    assert_eq!(old.append(&lost, "x", 1, &["1"]).await, Ok(Settled::Committed));
    let new = scribe(&store.database, "new");
    assert_eq!(new.journal.take(vec![shard(1)], TakeScope::Any).await.expect("taken"), [shard(1)]);
    // Both in one batch: the statement writes to the shard that is still held, and to that alone.
    let blocked = store.database.connection().await.expect("the one connection");
    let first = old.append(&old.life(9, 2), "block", 1, &["0"]);
    old.cut().await;
    let (stale, fine) = (old.append(&lost, "x", 2, &["2"]), old.append(&kept, "y", 1, &["1"]));
    let behind = old.append(&lost, "x", 3, &[]);
    drop(blocked);
    assert_eq!(first.await, Ok(Settled::Committed));
    assert_eq!((stale.await, fine.await), (Ok(Settled::NotWritten), Ok(Settled::Committed)));
    assert_eq!(behind.await, Ok(Settled::NotWritten));
    assert_eq!(old.journal.owned_shards().epoch(shard(1)), None, "it has noticed");
    assert!(old.journal.owned_shards().epoch(shard(2)).is_some());
    assert_eq!(seqs(&store, 1).await, [1]);
    assert_eq!(old.append(&lost, "x", 2, &["2"]).await, Ok(Settled::NotWritten), "and stays away");
    // The new owner goes on where the old one ended, at a higher epoch.
    assert_eq!(new.append(&new.life(1, 1), "x", 2, &["2"]).await, Ok(Settled::Committed));
    let mut connection = store.database.connection().await.expect("a connection");
    let rows = sqlx::query("SELECT seq, epoch FROM journal WHERE shard = 1 ORDER BY seq")
        .fetch_all(&mut *connection)
        .await
        .expect("read");
    let rows: Vec<(i64, i64)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(rows, [(1, 1), (2, 2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_database_cannot_hold_costs_its_actor_alone() {
    let store = store().await;
    let node = started(&store, "a").await;
    let blocked = store.database.connection().await.expect("the one connection");
    let first = node.append(&node.life(1, 0), "first", 1, &["1"]);
    node.cut().await;
    let guilty = node.life(5, 1);
    let mut innocent = Vec::new();
    for actor in 10..20 {
        let id = format!("good-{actor}");
        innocent.push(node.append(&node.life(actor, 1), &id, 1, &["1", "\"text\""]));
        innocent.push(node.append(&node.life(actor + 100, 2), &id.replace("good", "fine"), 1, &["{}"]));
    }
    let before = node.append(&guilty, "bad", 1, &["1"]);
    let bad_payload = node.append(&guilty, "bad", 2, &["\"a \\u0000\""]);
    let behind = node.append(&guilty, "other", 1, &["1"]);
    let bad_id = node.append(&node.life(6, 2), "nul \0", 1, &["1"]);
    let bad_json = node.append(&node.life(7, 3), "json", 1, &["{"]);
    drop(blocked);
    assert_eq!(first.await, Ok(Settled::Committed));
    for settled in innocent {
        assert_eq!(settled.await, Ok(Settled::Committed));
    }
    for settled in [before, bad_payload, behind, bad_id, bad_json] {
        assert_eq!(settled.await, Ok(Settled::NotWritten));
    }
    assert!(!guilty.is_current(node.journal.owned_shards()), "its memory is ahead of the journal");
    assert_eq!(seqs(&store, 1).await, (1..=20).collect::<Vec<_>>());
    assert_eq!(seqs(&store, 2).await, (1..=10).collect::<Vec<_>>());
    assert!(!ids(&store, 1).await.iter().any(|id| id == "bad" || id == "other"));
    // The shards go on without a hole.
    assert_eq!(node.append(&node.life(8, 1), "next", 1, &["1"]).await, Ok(Settled::Committed));
    assert_eq!(seqs(&store, 1).await.last(), Some(&21));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_barrier_is_settled_after_and_by_what_it_stands_behind() {
    let store = store().await;
    let node = started(&store, "a").await;
    let life = node.life(1, 0);
    let blocked = store.database.connection().await.expect("the one connection");
    let event = node.append(&life, "x", 1, &["1"]);
    node.cut().await;
    let mut barrier = node.append(&life, "x", 2, &[]);
    assert!(barrier.try_recv().is_err(), "the event is still in flight");
    assert!(life.has_pending());
    drop(blocked);
    assert_eq!(barrier.await, Ok(Settled::Committed));
    assert_eq!(event.await, Ok(Settled::Committed));
    life.settled().await;

    // The event fails in one batch, the barrier leads the next: it must not tell of the event.
    let life = node.life(2, 0);
    let blocked = store.database.connection().await.expect("the one connection");
    let event = node.append(&life, "y", 1, &["\"\\u0000\""]);
    node.cut().await;
    let barrier = node.append(&life, "y", 2, &[]);
    drop(blocked);
    assert_eq!((event.await, barrier.await), (Ok(Settled::NotWritten), Ok(Settled::NotWritten)));
    life.settled().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_gathered_commits_before_the_writer_stops() {
    let store = store().await;
    let node = started(&store, "a").await;
    let life = node.life(1, 0);
    let settled: Vec<_> = (1..=50).map(|version| node.append(&life, "x", version, &["1"])).collect();
    node.journal.stop().await;
    for settled in settled {
        assert_eq!(settled.await, Ok(Settled::Committed));
    }
    assert_eq!(node.append(&life, "x", 51, &["1"]).await, Ok(Settled::NotWritten), "and refuses afterwards");
    assert_eq!(seqs(&store, 0).await.len(), 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_are_fenced_and_replace_only_older_ones() {
    let store = store().await;
    let node = started(&store, "a").await;
    let epoch = node.journal.owned_shards().epoch(shard(4)).expect("held");
    let kept = || async {
        let histories = read_histories(&store.database, &[request("x")]).await.expect("read");
        histories
            .into_iter()
            .next()
            .and_then(|history| history.snapshot)
            .map(|found| (found.version, found.state))
    };
    let some = |version: i64, state: &str| Some((version, state.to_owned()));
    for (node, epoch, version, expected) in [
        ("a", epoch + 1, 3, None),
        ("a", epoch - 1, 3, None),
        ("b", epoch, 3, None),
        ("a", epoch, 3, some(3, "3")),
        ("a", epoch, 2, some(3, "3")),
        ("a", epoch, 3, some(3, "3")),
        ("a", epoch, 5, some(5, "5")),
        ("b", epoch, 9, some(5, "5")),
    ] {
        let snapshot = Snapshot { version, state: version.to_string() };
        write_snapshot(&store.database, (node, shard(4), epoch), "test", "x", &snapshot)
            .await
            .expect("answered");
        assert_eq!(kept().await, expected, "{node} at {epoch}, version {version}");
    }
    let life = node.life(1, 4);
    assert_eq!(node.append(&life, "x", 5, &["5", "6", "7"]).await, Ok(Settled::Committed));
    let histories = read_histories(&store.database, &[request("x")]).await.expect("read");
    assert_eq!(histories[0].events.iter().map(|(version, _)| *version).collect::<Vec<_>>(), [6, 7]);
}
