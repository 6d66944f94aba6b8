//! Golden files of the messages between nodes; see `stampede_kernel::golden`.

use std::collections::BTreeMap;

use serde::{Serialize, de::DeserializeOwned};
use stampede_domain::{cart, order, stock};
use stampede_kernel::{
    Digest, FlashSaleId, IdempotencyKey, OrderNo, ReservationId, ShardId, SkuId, Timestamp, UserId, golden,
};
use uuid::Uuid;

use crate::{
    cluster::{Answered, Asked, Envelope, NodeCommand, NodeReply},
    runtime::{self, ActorState, AskError, Body, RemoteAnswer, RemoteAsk},
};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_795_000_000_123 + seconds * 1_000)
}

fn uuid(number: u128) -> Uuid {
    Uuid::from_u128(0x019a_9d2c_1a00_7000_8000_0000_0000_0000 + number)
}

/// A message between nodes, as every version must go on reading it: what it says stays the same when it
/// is read and written again.
fn travels_as<T: Serialize + DeserializeOwned>(name: &str, body: T) {
    let envelope = Envelope { v: 1, from: "node-1_0a1b2c3d".into(), at: at(0), number: 7, body };
    golden!().is_written_as(name, &envelope);
    let text = serde_json::to_string(&envelope).expect("it has a JSON form");
    let read: Envelope<T> = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    golden!().is_written_as(name, &read);
}

#[test]
fn messages_between_nodes() {
    let (sku, buyer) = (SkuId(uuid(5)), UserId(uuid(3)));
    let reserve = stock::Command::Reserve(Box::new(stock::Reserve {
        reservation: ReservationId(uuid(4)),
        order_no: OrderNo::new(at(150), 42),
        user: buyer,
        source: stock::Source::Sale(FlashSaleId(uuid(2))),
        quantity: 2,
        note: Some("送朋友".into()),
        issued_at: at(100),
        key: Some(IdempotencyKey { key: Digest::of(&[b"key"]), body: Digest::of(&[b"body"]) }),
    }));
    let trace = || Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned());
    let ask = |n, ask| Asked { n, ask: std::sync::Arc::new(ask) };
    let command = Body::<stock::Stock>::Command(reserve);
    let query = Body::<order::Order>::Query(order::Query::Await { owner: buyer });
    travels_as(
        "cluster/asks",
        vec![
            ask(1, RemoteAsk::new::<stock::Stock>(sku.0, &sku, &command, trace())),
            ask(2, RemoteAsk::new::<order::Order>(buyer.0, &OrderNo::new(at(150), 42), &query, None)),
            ask(3, RemoteAsk::new::<cart::Cart>(buyer.0, &buyer, &Body::Panic, None)),
        ],
    );
    let of = RemoteAnswer::of::<stock::Stock>;
    let refused = |refusal| of(Err(AskError::Refused(refusal)));
    let answers = [
        of(Ok(runtime::Answered { answer: stock::Answer::Done, replayed: true })),
        refused(stock::Refusal::SoldOut),
        refused(stock::Refusal::LimitReached { limit: 2, have: 1 }),
        of(Err(AskError::Overloaded)),
        of(Err(AskError::Unavailable)),
        of(Err(AskError::OutcomeUnknown)),
        RemoteAnswer::Elsewhere,
        RemoteAnswer::Unreadable,
    ];
    let answers = (1..).zip(answers).map(|(n, answer)| Answered { n, answer });
    travels_as("cluster/answers", answers.collect::<Vec<_>>());
    travels_as("cluster/shards", ());
    let shard = |number: u16| ShardId::try_from(number).expect("a shard");
    let to = |to: Option<&str>| NodeCommand::HandOver { shard: shard(7), to: to.map(str::to_owned) };
    let (empty, resume, report) = (NodeCommand::Empty, NodeCommand::Resume, NodeCommand::Report);
    travels_as("cluster/node_commands", vec![to(Some("node-2")), to(None), empty, resume, report]);
    let actors = NodeReply::Actors(BTreeMap::from([(shard(7), 3), (shard(12), 1)]));
    let (done, not_held, nobody) = (NodeReply::Done, NodeReply::NotHeld, NodeReply::NobodyThere);
    let replies = vec![done, actors, not_held, nobody, NodeReply::Busy, NodeReply::Failed];
    travels_as("cluster/node_replies", replies);
    let (kind, actor) = ("stock".to_owned(), Uuid::from_u128(7));
    let state = NodeCommand::State { kind: kind.clone(), actor };
    travels_as("cluster/actor_commands", vec![state, NodeCommand::Reset { kind, actor }]);
    let live = ActorState::Live { waiting: 2, idle_ms: 30 };
    let states = [live, ActorState::Restarting, ActorState::Quarantined, ActorState::Asleep];
    let replies = states.map(NodeReply::State).into_iter().chain([NodeReply::NotQuarantined]);
    travels_as("cluster/actor_replies", replies.collect::<Vec<_>>());
}
