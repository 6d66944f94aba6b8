//! Asking actors, wherever they live.

use std::{sync::Arc, time::Duration};

use stampede_kernel::{Entity, Message, Request, ShardId};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::{
    Answered, AskError, Body, Delivery, Place, Registry, RemoteAnswer, RemoteAsk, host::Answer,
    limits::ASK_PATIENCE_MS,
};

/// The outcome of admission to an actor's mailbox.
pub(super) enum Admitted<E: Entity> {
    /// Admitted; this receives the answer.
    In(oneshot::Receiver<Answer<E>>),
    Not(AskError<E::Refusal>),
    /// The actor's shard is moving; this is the message.
    Moved(E::Id, Body<E>),
}

impl<E: Entity> Admitted<E> {
    /// The answer, or the message again if the actor has moved.
    pub(super) async fn answer(self) -> Result<Answer<E>, (E::Id, Body<E>)> {
        match self {
            // A sender dropped without an answer: the actor ended before it decided.
            Admitted::In(answer) => Ok(answer.await.unwrap_or(Err(AskError::Unavailable))),
            Admitted::Not(error) => Ok(Err(error)),
            Admitted::Moved(id, body) => Err((id, body)),
        }
    }
}

/// An answer after an earlier try whose outcome is unknown: it must not claim that nothing was done.
fn unless_lost<E: Entity>(lost: bool, answer: Answer<E>) -> Answer<E> {
    match answer {
        Err(AskError::Unavailable | AskError::Overloaded) if lost => Err(AskError::OutcomeUnknown),
        answer => answer,
    }
}

impl<E: Entity> Registry<E> {
    /// Asks one of an actor's entities, wherever the actor lives.
    pub async fn request<R: Request<E>>(
        &self,
        actor: Uuid,
        id: E::Id,
        request: R,
    ) -> Result<Answered<R::Reply>, AskError<E::Refusal>> {
        let (body, is_query) = match request.message() {
            Message::Command(command) => (Body::Command(command), false),
            Message::Query(query) => (Body::Query(query), true),
        };
        let Answered { answer, replayed } = self.ask(actor, id, body).await?;
        match R::reply(answer) {
            Some(answer) => Ok(Answered { answer, replayed }),
            // Another version of the program: a command may have been done, a query changed nothing.
            None if is_query => Err(AskError::Unavailable),
            None => Err(AskError::OutcomeUnknown),
        }
    }

    /// Asks an actor to do something to one of its entities.
    pub async fn command(
        &self,
        actor: Uuid,
        id: E::Id,
        command: E::Command,
    ) -> Result<Answered<E::Answer>, AskError<E::Refusal>> {
        self.ask(actor, id, Body::Command(command)).await
    }

    /// Puts a command into the actor's mailbox, or into the queue to its node, before it returns; the future
    /// awaits the answer. The caller repeats it until it is answered.
    pub fn begin(
        &self,
        actor: Uuid,
        id: E::Id,
        command: E::Command,
    ) -> impl Future<Output = Answer<E>> + Send + use<E> {
        let shard = self.shard(actor);
        let admitted = match self.runtime.router.place(shard) {
            Place::Here { epoch } => self.admit(actor, (shard, epoch), id, Body::Command(command)),
            Place::There { .. } | Place::Nowhere => Admitted::Moved(id, Body::Command(command)),
        };
        let begun = match admitted {
            Admitted::Moved(id, body) => {
                let ask = RemoteAsk::new(actor, &id, &body, self.runtime.router.trace());
                Err(self.runtime.router.tell(shard, Arc::new(ask)))
            }
            here @ (Admitted::In(_) | Admitted::Not(_)) => Ok(here),
        };
        async move {
            match begun {
                Ok(admitted) => match admitted.answer().await {
                    Ok(answer) => answer,
                    // A moved shard was handled above.
                    Err(_) => Err(AskError::Unavailable),
                },
                Err(told) => match told.await {
                    Delivery::Answer(answer) => answer.read::<E>(),
                    Delivery::NotDelivered | Delivery::Lost => Err(AskError::OutcomeUnknown),
                },
            }
        }
    }

    /// Asks an actor about one of its entities.
    pub async fn query(
        &self,
        actor: Uuid,
        id: E::Id,
        query: E::Query,
    ) -> Result<E::Answer, AskError<E::Refusal>> {
        self.ask(actor, id, Body::Query(query)).await.map(|answered| answered.answer)
    }

    /// Makes an actor panic, to rehearse a failure.
    pub async fn inject_panic(&self, actor: Uuid, id: E::Id) {
        let _ = self.ask(actor, id, Body::Panic).await;
    }

    /// Asks the actor wherever it lives.
    async fn ask(&self, actor: Uuid, id: E::Id, body: Body<E>) -> Answer<E> {
        let shard = self.shard(actor);
        let moved = match self.runtime.router.place(shard) {
            Place::Here { epoch } => match self.admit(actor, (shard, epoch), id, body).answer().await {
                Ok(answer) => return answer,
                Err(moved) => moved,
            },
            Place::There { .. } | Place::Nowhere => (id, body),
        };
        self.ask_elsewhere(actor, shard, moved).await
    }

    /// Asks the actor on another node, and follows it while its shard moves: the caller waits instead of
    /// getting an error.
    async fn ask_elsewhere(&self, actor: Uuid, shard: ShardId, message: (E::Id, Body<E>)) -> Answer<E> {
        let (mut id, mut body) = message;
        let router = &self.runtime.router;
        let repeatable = body.is_repeatable();
        let ask = Arc::new(RemoteAsk::new(actor, &id, &body, router.trace()));
        let patience = tokio::time::sleep(Duration::from_millis(ASK_PATIENCE_MS));
        tokio::pin!(patience);
        // Whether an earlier try may have been executed: then no later answer may claim that nothing was.
        let mut lost = false;
        loop {
            let place = router.place(shard);
            let delivery = match place {
                Place::Here { epoch } => match self.admit(actor, (shard, epoch), id, body).answer().await {
                    Ok(answer) => return unless_lost::<E>(lost, answer),
                    Err(moved) => {
                        (id, body) = moved;
                        Delivery::NotDelivered
                    }
                },
                Place::There { epoch } => {
                    tokio::select! {
                        delivery = router.ask(shard, epoch, ask.clone()) => delivery,
                        () = &mut patience => return Err(AskError::OutcomeUnknown),
                    }
                }
                Place::Nowhere => Delivery::NotDelivered,
            };
            match delivery {
                Delivery::Answer(RemoteAnswer::Elsewhere) | Delivery::NotDelivered => {}
                // A parked query failed, because the actor moves.
                Delivery::Answer(RemoteAnswer::Unavailable) if matches!(body, Body::Query(_)) => {}
                Delivery::Answer(answer) => return unless_lost::<E>(lost, answer.read::<E>()),
                Delivery::Lost if repeatable => lost = true,
                Delivery::Lost => return Err(AskError::OutcomeUnknown),
            }
            let goes_on = tokio::select! {
                moves = router.moved(shard, place) => moves,
                () = &mut patience => false,
            };
            if !goes_on {
                return unless_lost::<E>(lost, Err(AskError::Unavailable));
            }
        }
    }
}
