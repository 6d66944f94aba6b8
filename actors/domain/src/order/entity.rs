//! The order entity: an order as the runtime sees it. Its actor's id is the user's.

use stampede_kernel::{Code, Entity, Lane, Message, OrderNo, Request, Timestamp};

use super::{
    decide,
    model::{Command, Event, OrderView, Query, Refusal, State, Status},
};

/// One order of one user.
#[derive(Debug)]
pub struct Order;

impl Entity for Order {
    const KIND: &'static str = "order";
    /// An order's life has a handful of events.
    const SNAPSHOTS: bool = false;

    type Id = OrderNo;
    type State = State;
    type Command = Command;
    type Query = Query;
    type Event = Event;
    type Answer = Box<OrderView>;
    type Refusal = Refusal;
    type PublishedView = ();

    fn decide(state: &State, command: &Command, now: Timestamp) -> Result<Vec<Event>, Refusal> {
        decide::decide(state, command, now)
    }

    fn apply(state: &mut State, event: &Event) {
        decide::apply(state, event);
    }

    fn answer(state: &State, command: &Command, _: Timestamp) -> Result<Box<OrderView>, Refusal> {
        let order = state.order.as_ref().ok_or(Refusal::NotFound)?;
        let paid_too_late = matches!(command, Command::Pay { .. }) && order.status == Status::Cancelled;
        if paid_too_late { Err(decide::wrong_state(order)) } else { Ok(Box::new(order.clone())) }
    }

    fn query(state: &State, query: &Query, _: Timestamp) -> Option<Result<Box<OrderView>, Refusal>> {
        let (owner, wait) = match query {
            Query::Get { owner } => (owner, false),
            Query::Await { owner } => (owner, true),
        };
        match &state.order {
            Some(order) if order.user == *owner => Some(Ok(Box::new(order.clone()))),
            None if wait => None,
            Some(_) | None => Some(Err(Refusal::NotFound)),
        }
    }

    fn made_at(order_no: &OrderNo) -> Option<Timestamp> {
        order_no.made_at()
    }

    fn lane(command: &Command) -> Lane {
        match command {
            // An order that must be opened, paid or ended is not turned away for new business.
            Command::Open(_)
            | Command::Pay { .. }
            | Command::Cancel { .. }
            | Command::Expire
            | Command::Ship { .. }
            | Command::Deliver { .. }
            | Command::Complete { .. } => Lane::Ending,
        }
    }

    fn is_repeatable(command: &Command) -> bool {
        match command {
            Command::Pay { key, .. } | Command::Cancel { key, .. } => key.is_some(),
            Command::Open(_)
            | Command::Expire
            | Command::Ship { .. }
            | Command::Deliver { .. }
            | Command::Complete { .. } => true,
        }
    }

    fn event_type(event: &Event) -> &'static str {
        match event {
            Event::Opened(_) => "opened",
            Event::Paid { .. } => "paid",
            Event::Cancelled { .. } => "cancelled",
            Event::Shipped { .. } => "shipped",
            Event::Delivered { .. } => "delivered",
            Event::Completed { .. } => "completed",
        }
    }

    fn code(refusal: &Refusal) -> Code {
        match refusal {
            Refusal::IdempotencyMismatch => Code::IdempotencyMismatch,
            Refusal::NotFound => Code::NotFound,
            Refusal::State { .. } => Code::OrderState,
            Refusal::NumberTaken => Code::Conflict,
        }
    }
}

/// Every command's reply is the order as it stands then.
impl Request<Order> for Command {
    type Reply = Box<OrderView>;

    fn message(self) -> Message<Order> {
        Message::Command(self)
    }

    fn reply(answer: Box<OrderView>) -> Option<Box<OrderView>> {
        Some(answer)
    }
}

impl Request<Order> for Query {
    type Reply = Box<OrderView>;

    fn message(self) -> Message<Order> {
        Message::Query(self)
    }

    fn reply(answer: Box<OrderView>) -> Option<Box<OrderView>> {
        Some(answer)
    }
}
