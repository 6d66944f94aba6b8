//! The stock entity: the ledger as the runtime sees it.

use stampede_kernel::{Code, Entity, EntryGuard, FlashSaleId, IdempotencyKey, Lane, SkuId, Timestamp};
use uuid::Uuid;

use super::{
    apply, decide,
    model::{
        Adjust, AdjustTo, AmendSale, CloseSale, Command, Event, ExtendSale, PauseSale, Query, Receive,
        Refusal, Reserve, ResumeSale, Source, State,
    },
    published_view::PublishedView,
    view::{Answer, ReservationView, SaleView, StockView},
};

/// The stock of one SKU. Its actor's id is the SKU's.
#[derive(Debug)]
pub struct Stock;

impl Entity for Stock {
    const KIND: &'static str = "stock";
    const SNAPSHOTS: bool = true;

    type Id = SkuId;
    type State = State;
    type Command = Command;
    type Query = Query;
    type Event = Event;
    type Answer = Answer;
    type Refusal = Refusal;
    type PublishedView = PublishedView;

    fn decide(state: &State, command: &Command, now: Timestamp) -> Result<Vec<Event>, Refusal> {
        decide::decide(state, command, now)
    }

    fn apply(state: &mut State, event: &Event) {
        apply::apply(state, event);
    }

    fn answer(state: &State, command: &Command, now: Timestamp) -> Result<Answer, Refusal> {
        match command {
            Command::Reserve(reserve) => made(state, reserve),
            Command::OpenSale(open) => {
                let id = remembered(state, open.key).and_then(|known| known.sale).unwrap_or(open.sale);
                sale(state, id, now)
            }
            Command::OfferSale(open) => {
                let known = remembered(state, open.key).and_then(|known| known.sale);
                let opened = state.sales.contains_key(&open.sale).then_some(open.sale);
                let id = known.or(opened).or_else(|| decide::sale_that_is_on(state, now));
                sale(state, id.unwrap_or(open.sale), now)
            }
            Command::ExtendSale(ExtendSale { sale: id, .. })
            | Command::AmendSale(AmendSale { sale: id, .. })
            | Command::PauseSale(PauseSale { sale: id })
            | Command::ResumeSale(ResumeSale { sale: id })
            | Command::CloseSale(CloseSale { sale: id }) => sale(state, *id, now),
            Command::Receive(Receive { key, .. })
            | Command::Adjust(Adjust { key, .. })
            | Command::AdjustTo(AdjustTo { key, .. }) => {
                let then = remembered(state, *key).and_then(|known| known.stock.as_deref());
                Ok(Answer::Stock(then.cloned().unwrap_or_else(|| StockView::of(state))))
            }
            Command::Initialize(_) => Ok(Answer::Stock(StockView::of(state))),
            Command::Confirm(_) | Command::Release(_) => Ok(Answer::Done),
        }
    }

    fn query(state: &State, query: &Query, now: Timestamp) -> Option<Result<Answer, Refusal>> {
        Some(match query {
            Query::Stock => Ok(Answer::Stock(StockView::of(state))),
            Query::Sale(id) => sale(state, *id, now),
            Query::OpenSale => match decide::sale_that_is_not_over(state, now) {
                Some(id) => sale(state, id, now),
                None => Ok(Answer::Done),
            },
            Query::Mine { sale, user } => match state.sales.get(sale) {
                Some(sale) => Ok(Answer::Mine(
                    sale.buyers
                        .get(user)
                        .into_iter()
                        .flat_map(|buyer| &buyer.reservations)
                        .filter_map(|id| Some(ReservationView::of(*id, state.reservations.get(id)?)))
                        .collect(),
                )),
                None => Err(Refusal::UnknownSale),
            },
            Query::Made(key) => decide::repeats(state, Some(*key)).and_then(|_| made_under(state, *key, now)),
        })
    }

    fn lane(command: &Command) -> Lane {
        match command {
            Command::Confirm(_) | Command::Release(_) | Command::CloseSale(_) | Command::PauseSale(_) => {
                Lane::Ending
            }
            Command::Reserve(_)
            | Command::Initialize(_)
            | Command::Receive(Receive { .. })
            | Command::Adjust(Adjust { .. })
            | Command::AdjustTo(_)
            | Command::OpenSale(_)
            | Command::OfferSale(_)
            | Command::ExtendSale(ExtendSale { .. })
            | Command::AmendSale(_)
            | Command::ResumeSale(_) => Lane::Normal,
        }
    }

    fn is_repeatable(command: &Command) -> bool {
        match command {
            Command::Receive(Receive { key, .. })
            | Command::Adjust(Adjust { key, .. })
            | Command::ExtendSale(ExtendSale { key, .. }) => key.is_some(),
            Command::OpenSale(open) | Command::OfferSale(open) => open.key.is_some(),
            // They name what they are about, or say how it shall be.
            Command::Reserve(_)
            | Command::Confirm(_)
            | Command::Release(_)
            | Command::Initialize(_)
            | Command::AdjustTo(_)
            | Command::AmendSale(_)
            | Command::PauseSale(_)
            | Command::ResumeSale(_)
            | Command::CloseSale(_) => true,
        }
    }

    fn enter(
        published_view: &PublishedView,
        command: &Command,
        now: Timestamp,
    ) -> Result<Option<EntryGuard>, Refusal> {
        let Command::Reserve(reserve) = command else { return Ok(None) };
        let Source::Sale(sale) = reserve.source else { return Ok(None) };
        Ok(Some(Box::new(published_view.enter(sale, reserve.user, reserve.quantity, now)?)))
    }

    fn event_type(event: &Event) -> &'static str {
        match event {
            Event::Initialized { .. } => "initialized",
            Event::Received { .. } => "received",
            Event::Adjusted { .. } => "adjusted",
            Event::Reserved(_) => "reserved",
            Event::Confirmed { .. } => "confirmed",
            Event::Released { .. } => "released",
            Event::Voided { .. } => "voided",
            Event::SaleOpened { .. } => "sale_opened",
            Event::SaleExtended { .. } => "sale_extended",
            Event::SaleAmended { .. } => "sale_amended",
            Event::SalePaused { .. } => "sale_paused",
            Event::SaleResumed { .. } => "sale_resumed",
            Event::SaleClosed { .. } => "sale_closed",
        }
    }

    fn code(refusal: &Refusal) -> Code {
        match refusal {
            Refusal::IdempotencyMismatch => Code::IdempotencyMismatch,
            Refusal::ReservationExpired => Code::ReservationExpired,
            Refusal::UnknownSale => Code::NotFound,
            Refusal::NotStarted { .. } => Code::NotStarted,
            Refusal::Ended => Code::Ended,
            Refusal::Paused => Code::Paused,
            Refusal::LimitReached { .. } => Code::LimitReached,
            Refusal::SoldOut => Code::SoldOut,
            Refusal::InsufficientStock { .. } => Code::InsufficientStock,
            Refusal::Invalid { .. } => Code::InvalidRequest,
            Refusal::TooManySales | Refusal::SaleExists => Code::Conflict,
        }
    }

    fn only_entity(actor: Uuid) -> Option<SkuId> {
        Some(SkuId(actor))
    }

    fn weight(state: &State) -> u64 {
        (state.reservations.len() + state.keys.len()) as u64
    }

    fn publish(state: &State, events: &[Event], published_view: &PublishedView) {
        published_view.publish(state, events);
    }
}

fn remembered(state: &State, key: Option<IdempotencyKey>) -> Option<&super::model::Remembered> {
    state.keys.get(&key?.key)
}

/// The reservation that a command made, now or when it came first. One that has been forgotten has ended
/// long ago, even while its key is still known.
fn made(state: &State, reserve: &Reserve) -> Result<Answer, Refusal> {
    let id =
        remembered(state, reserve.key).and_then(|known| known.reservation).unwrap_or(reserve.reservation);
    let known = state.reservations.get(&id).ok_or(Refusal::ReservationExpired)?;
    Ok(Answer::Reservation(ReservationView::of(id, known)))
}

/// What an accepted command led to, by its key; nothing, if that is forgotten or the key is not known.
fn made_under(state: &State, key: IdempotencyKey, now: Timestamp) -> Result<Answer, Refusal> {
    match remembered(state, Some(key)).map(|known| (known.reservation, known.sale)) {
        Some((Some(id), _)) => Ok(match state.reservations.get(&id) {
            Some(known) => Answer::Reservation(ReservationView::of(id, known)),
            None => Answer::Done,
        }),
        Some((None, Some(id))) => sale(state, id, now),
        Some((None, None)) | None => Ok(Answer::Done),
    }
}

fn sale(state: &State, id: FlashSaleId, now: Timestamp) -> Result<Answer, Refusal> {
    let sale = state.sales.get(&id).ok_or(Refusal::UnknownSale)?;
    Ok(Answer::Sale(Box::new(SaleView::of(id, sale, now))))
}
