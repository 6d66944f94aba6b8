//! The cart entity: a cart as the runtime sees it. Its actor's id is the user's.

use stampede_kernel::{Code, Entity, Lane, Message, Request, Timestamp, UserId};
use uuid::Uuid;

use super::{
    decide,
    model::{Command, Event, Query, Refusal, State},
};

/// The cart of one user.
#[derive(Debug)]
pub struct Cart;

impl Entity for Cart {
    const KIND: &'static str = "cart";
    const SNAPSHOTS: bool = true;

    type Id = UserId;
    type State = State;
    type Command = Command;
    type Query = Query;
    type Event = Event;
    /// The cart as it stands.
    type Answer = State;
    type Refusal = Refusal;
    type PublishedView = ();

    fn decide(state: &State, command: &Command, now: Timestamp) -> Result<Vec<Event>, Refusal> {
        decide::decide(state, command, now)
    }

    fn apply(state: &mut State, event: &Event) {
        decide::apply(state, event);
    }

    fn answer(state: &State, _: &Command, _: Timestamp) -> Result<State, Refusal> {
        Ok(state.clone())
    }

    fn query(state: &State, query: &Query, _: Timestamp) -> Option<Result<State, Refusal>> {
        match query {
            Query::Get => Some(Ok(state.clone())),
        }
    }

    fn lane(_: &Command) -> Lane {
        Lane::Normal
    }

    fn is_repeatable(command: &Command) -> bool {
        match command {
            Command::Add { .. } => false,
            Command::Change { .. } | Command::Remove { .. } | Command::SelectAll { .. } | Command::Clear => {
                true
            }
        }
    }

    fn event_type(event: &Event) -> &'static str {
        match event {
            Event::LineSet { .. } => "line_set",
            Event::LineRemoved { .. } => "line_removed",
            Event::AllSelected { .. } => "all_selected",
            Event::Cleared { .. } => "cleared",
        }
    }

    fn code(refusal: &Refusal) -> Code {
        match refusal {
            Refusal::NoSuchLine => Code::NotFound,
            Refusal::TooManyLines { .. } => Code::Conflict,
            Refusal::Quantity { .. } => Code::InvalidRequest,
        }
    }

    fn only_entity(actor: Uuid) -> Option<UserId> {
        Some(UserId(actor))
    }
}

/// Every command's reply is the cart as it stands then.
impl Request<Cart> for Command {
    type Reply = State;

    fn message(self) -> Message<Cart> {
        Message::Command(self)
    }

    fn reply(answer: State) -> Option<State> {
        Some(answer)
    }
}

impl Request<Cart> for Query {
    type Reply = State;

    fn message(self) -> Message<Cart> {
        Message::Query(self)
    }

    fn reply(answer: State) -> Option<State> {
        Some(answer)
    }
}
