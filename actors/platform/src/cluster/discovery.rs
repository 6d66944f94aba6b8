//! This node among NATS micro-services (ADR-32): `nats micro ls` finds every node, with the shards that
//! it holds and the messages that wait at its actors in the statistics of its endpoint.

use std::{collections::HashMap, sync::Arc};

use async_nats::{Client, service::ServiceExt};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tracing::warn;

use super::{Directories, RoutingTable};
use crate::journal::OwnedShards;

/// The name that all nodes share.
const SERVICE: &str = "stampede";

/// Answers discovery until the process ends.
pub async fn discoverable(
    client: Client,
    routing: Arc<RoutingTable>,
    owned_shards: Arc<OwnedShards>,
    directories: Directories,
) {
    let node = routing.me().to_owned();
    let metadata = HashMap::from([("node".to_owned(), node.clone())]);
    let (told, asked) = ((owned_shards.clone(), directories.clone()), (owned_shards, directories));
    let started = client
        .service_builder()
        .description("A node of a Stampede shop")
        .metadata(metadata)
        .stats_handler(move |_, _| load(&told.0, &told.1))
        .start(SERVICE, env!("CARGO_PKG_VERSION"));
    let service = match started.await {
        Ok(service) => service,
        Err(cause) => return warn!(%cause, "this node cannot be discovered"),
    };
    let endpoint = service.endpoint_builder().name("load").add(format!("stampede.node.{node}")).await;
    let mut requests = match endpoint {
        Ok(requests) => requests,
        Err(cause) => return warn!(%cause, "this node's load cannot be asked for"),
    };
    while let Some(request) = requests.next().await {
        let answer = load(&asked.0, &asked.1).to_string();
        // Whoever asked may have gone.
        drop(request.respond(Ok(answer.into())).await);
    }
}

/// What the node has to do.
fn load(owned_shards: &OwnedShards, directories: &Directories) -> Value {
    let kinds: HashMap<&str, Value> = directories
        .iter()
        .map(|directory| {
            let (live, waiting) = directory.load();
            (directory.kind(), json!({ "live": live, "waiting": waiting }))
        })
        .collect();
    let waiting: i64 = directories.iter().map(|directory| directory.load().1).sum();
    json!({ "shards": owned_shards.held().count(), "mailbox_depth": waiting, "actors": kinds })
}
