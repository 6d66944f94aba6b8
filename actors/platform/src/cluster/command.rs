//! What an administrator wants of a node, said at any node.
//!
//! Each node hears its own subject. What it answers is sealed too, under the subject of the answer.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_nats::{Client, Message, StatusCode};
use futures_util::StreamExt;
use prometheus::IntCounterVec;
use serde::{Deserialize, Serialize};
use stampede_kernel::ShardId;
use tokio::sync::Mutex;
use tracing::{debug, warn};
use uuid::Uuid;

use super::{Directories, HandoffError, Ownership, envelope::Seal};
use crate::{
    cluster::limits::{NODE_COMMAND_MS_MAX, NODE_REPORT_MS_MAX, ROUTE_RETRY_MS},
    runtime::{ActorState, Directory},
};

/// What a node shall do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeCommand {
    /// Hand one shard over, to that node or to any other.
    HandOver { shard: ShardId, to: Option<String> },
    /// Hand all shards over, and take none until told to.
    Empty,
    /// Take its share again.
    Resume,
    /// Say how many actors of each shard are live.
    Report,
    /// Say how an actor is.
    State { kind: String, actor: Uuid },
    /// Let a quarantined actor start again.
    Reset { kind: String, actor: Uuid },
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeReply {
    Done,
    /// Live actors by shard: the answer to `Report`.
    Actors(BTreeMap<ShardId, usize>),
    /// How the actor is: the answer to `State`.
    State(ActorState),
    NotHeld,
    NobodyThere,
    Busy,
    NotQuarantined,
    Failed,
}

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum NodeCommandError {
    #[error("the node cannot be reached; nothing was done")]
    Unreachable,
    #[error("the node did not answer; it may still do it")]
    Unanswered,
    #[error(transparent)]
    Handoff(#[from] HandoffError),
    #[error("the actor is not quarantined")]
    NotQuarantined,
    #[error("the node could not do it; its log says why")]
    Failed,
}

/// The way to other nodes.
#[derive(Clone)]
struct Line {
    client: Client,
    seal: Arc<Seal>,
    /// Held from numbering a message until it is sent: one that overtook another would be refused.
    sending: Arc<Mutex<()>>,
}

/// The nodes of the shop, as an administrator commands them.
#[derive(Clone)]
pub struct Nodes {
    ownership: Arc<Ownership>,
    directories: Directories,
    me: String,
    /// None on a node that is alone.
    others: Option<Line>,
}

fn subject(node: &str) -> String {
    format!("stampede.node.{node}.command")
}

impl Nodes {
    #[must_use]
    pub fn new(
        ownership: Arc<Ownership>,
        directories: Directories,
        me: &str,
        others: Option<(Client, Arc<Seal>)>,
    ) -> Self {
        let others = others.map(|(client, seal)| Line { client, seal, sending: Arc::default() });
        Self { ownership, directories, me: me.to_owned(), others }
    }

    /// Has a node do something, and waits until it has.
    pub async fn command(&self, node: &str, command: NodeCommand) -> Result<(), NodeCommandError> {
        match self.say(node, command, NODE_COMMAND_MS_MAX).await? {
            NodeReply::Done => Ok(()),
            NodeReply::NotHeld => Err(HandoffError::NotHeld.into()),
            NodeReply::NobodyThere => Err(HandoffError::NobodyThere.into()),
            NodeReply::Busy => Err(HandoffError::Busy.into()),
            NodeReply::NotQuarantined => Err(NodeCommandError::NotQuarantined),
            NodeReply::Failed | NodeReply::Actors(_) | NodeReply::State(_) => Err(NodeCommandError::Failed),
        }
    }

    /// How an actor of a node is.
    pub async fn state(&self, node: &str, kind: &str, actor: Uuid) -> Result<ActorState, NodeCommandError> {
        let state = NodeCommand::State { kind: kind.to_owned(), actor };
        let reply = self.say(node, state, NODE_REPORT_MS_MAX).await?;
        if let NodeReply::State(state) = reply { Ok(state) } else { Err(NodeCommandError::Failed) }
    }

    /// How many live actors a node has of each shard.
    pub async fn live_actors(&self, node: &str) -> Result<BTreeMap<ShardId, usize>, NodeCommandError> {
        let reply = self.say(node, NodeCommand::Report, NODE_REPORT_MS_MAX).await?;
        if let NodeReply::Actors(actors) = reply { Ok(actors) } else { Err(NodeCommandError::Failed) }
    }

    async fn say(
        &self,
        node: &str,
        command: NodeCommand,
        patience_ms: u64,
    ) -> Result<NodeReply, NodeCommandError> {
        if node == self.me {
            // A task of its own: whoever asked may go, but what was begun is brought to its end.
            let here = self.clone();
            let carried_out = tokio::spawn(async move { here.carry_out(command).await });
            return carried_out.await.map_err(|_| NodeCommandError::Failed);
        }
        let line = self.others.as_ref().ok_or(NodeCommandError::Unreachable)?;
        let patience = Duration::from_millis(patience_ms);
        tokio::time::timeout(patience, line.ask(node, command))
            .await
            .map_err(|_| NodeCommandError::Unanswered)?
    }

    /// Carries out what other nodes pass on, until the process ends.
    pub async fn obey(self, refused: IntCounterVec) {
        let Some(line) = self.others.clone() else { return };
        let subject = subject(&self.me);
        loop {
            match line.client.subscribe(subject.clone()).await {
                Ok(mut messages) => {
                    while let Some(message) = messages.next().await {
                        match line.seal.open::<NodeCommand>(&message) {
                            Ok(envelope) => self.clone().answer(line.clone(), &message, envelope.body),
                            Err(cause) => super::refuse(&refused, cause, message.subject.as_str()),
                        }
                    }
                }
                Err(cause) => warn!(%cause, "what an administrator wants cannot be heard from other nodes"),
            }
            tokio::time::sleep(Duration::from_millis(ROUTE_RETRY_MS)).await;
        }
    }

    /// One command must not wait for another: a node that is being emptied still reports.
    fn answer(self, line: Line, message: &Message, command: NodeCommand) {
        let Some(reply) = message.reply.clone() else { return };
        tokio::spawn(async move {
            let done = self.carry_out(command).await;
            let (headers, payload) = line.seal.close(&reply, done);
            if let Err(cause) = line.client.publish_with_headers(reply, headers, payload).await {
                warn!(%cause, "an answer to an administrator was not sent");
            }
        });
    }

    async fn carry_out(&self, command: NodeCommand) -> NodeReply {
        let handed_over = match command {
            NodeCommand::HandOver { shard, to } => self.ownership.hand_over(shard, to).await,
            NodeCommand::Empty => self.ownership.empty().await,
            NodeCommand::Resume => self.ownership.resume().await,
            NodeCommand::Report => return NodeReply::Actors(self.actors()),
            NodeCommand::State { kind, actor } => {
                let state = self.directory(&kind).map(|directory| directory.state(actor));
                return state.map_or(NodeReply::Failed, NodeReply::State);
            }
            NodeCommand::Reset { kind, actor } => {
                return match self.directory(&kind).map(|directory| directory.reset(actor)) {
                    Some(true) => NodeReply::Done,
                    Some(false) => NodeReply::NotQuarantined,
                    None => NodeReply::Failed,
                };
            }
        };
        match handed_over {
            Ok(()) => NodeReply::Done,
            Err(HandoffError::NotHeld) => NodeReply::NotHeld,
            Err(HandoffError::NobodyThere) => NodeReply::NobodyThere,
            Err(HandoffError::Busy) => NodeReply::Busy,
            Err(cause @ (HandoffError::LeaseLost | HandoffError::Database(_))) => {
                warn!(%cause, "what an administrator wants was not done");
                NodeReply::Failed
            }
        }
    }

    fn directory(&self, kind: &str) -> Option<&Arc<dyn Directory>> {
        self.directories.iter().find(|directory| directory.kind() == kind)
    }

    fn actors(&self) -> BTreeMap<ShardId, usize> {
        let mut actors = BTreeMap::new();
        for directory in self.directories.iter() {
            for (shard, live) in directory.live_by_shard() {
                *actors.entry(shard).or_insert(0) += live;
            }
        }
        actors
    }
}

impl Line {
    async fn ask(&self, node: &str, command: NodeCommand) -> Result<NodeReply, NodeCommandError> {
        let unreachable = |cause: &dyn std::fmt::Display| {
            debug!(%cause, node, "a node cannot be reached for an administrator");
            NodeCommandError::Unreachable
        };
        let inbox = self.client.new_inbox();
        let mut answers = self.client.subscribe(inbox.clone()).await.map_err(|cause| unreachable(&cause))?;
        let subject = subject(node);
        {
            let _sending = self.sending.lock().await;
            let (headers, payload) = self.seal.close(&subject, command);
            let sent = self.client.publish_with_reply_and_headers(subject, inbox, headers, payload).await;
            sent.map_err(|cause| unreachable(&cause))?;
        }
        let answer = answers.next().await.ok_or(NodeCommandError::Unanswered)?;
        if answer.status == Some(StatusCode::NO_RESPONDERS) {
            return Err(unreachable(&"it does not listen"));
        }
        // The inbox is this question's alone, and so is what is sealed for it.
        self.seal.open_again::<NodeReply>(&answer).map(|envelope| envelope.body).map_err(|cause| {
            warn!(cause = cause.as_str(), node, "a node's answer to an administrator cannot be believed");
            NodeCommandError::Unanswered
        })
    }
}
