//! The stock actor's commands and queries, each with its own reply.

use stampede_kernel::{FlashSaleId, IdempotencyKey, Message, Request, UserId};

use super::{
    entity::Stock,
    model::{
        Adjust, AdjustTo, AmendSale, CloseSale, Command, Confirm, ExtendSale, Initialize, OpenSale,
        PauseSale, Query, Receive, Release, Reserve, ResumeSale,
    },
    view::{Answer, ReservationView, SaleView, StockView},
};

/// The ledger's numbers.
#[derive(Debug, Clone, Copy)]
pub struct GetStock;

/// A flash sale as it stands.
#[derive(Debug, Clone, Copy)]
pub struct GetSale(pub FlashSaleId);

/// A sale that is not over, if there is one.
#[derive(Debug, Clone, Copy)]
pub struct FindOpenSale;

/// A user's own reservations in a sale.
#[derive(Debug, Clone, Copy)]
pub struct GetOwnReservations {
    pub sale: FlashSaleId,
    pub user: UserId,
}

/// What was reserved, opened or extended under a key, if anything was.
#[derive(Debug, Clone, Copy)]
pub struct FindMadeUnder(pub IdempotencyKey);

/// Adds the units to the sale that is on, or opens this one if none is.
#[derive(Debug, Clone)]
pub struct OfferSale(pub OpenSale);

/// What a key stands for.
#[derive(Debug, Clone, PartialEq)]
pub enum MadeUnder {
    Reservation(ReservationView),
    Sale(Box<SaleView>),
}

/// For each request: the message that it is, and the answers that reply to it.
macro_rules! requests {
    ($($request:ty => $reply:ty, |$self:ident| $message:expr, { $($answer:pat => $value:expr),+ $(,)? };)+) => {$(
        impl Request<Stock> for $request {
            type Reply = $reply;

            fn message(self) -> Message<Stock> {
                let $self = self;
                $message
            }

            fn reply(answer: Answer) -> Option<$reply> {
                match answer {
                    $($answer => Some($value),)+
                    _ => None,
                }
            }
        }
    )+};
}

requests! {
    Reserve => ReservationView, |it| Message::Command(Command::Reserve(Box::new(it))),
        { Answer::Reservation(view) => view };
    Confirm => (), |it| Message::Command(Command::Confirm(it)), { Answer::Done => () };
    Release => (), |it| Message::Command(Command::Release(it)), { Answer::Done => () };
    Initialize => StockView, |it| Message::Command(Command::Initialize(it)), { Answer::Stock(view) => view };
    Receive => StockView, |it| Message::Command(Command::Receive(it)), { Answer::Stock(view) => view };
    Adjust => StockView, |it| Message::Command(Command::Adjust(it)), { Answer::Stock(view) => view };
    AdjustTo => StockView, |it| Message::Command(Command::AdjustTo(it)), { Answer::Stock(view) => view };
    OpenSale => Box<SaleView>, |it| Message::Command(Command::OpenSale(Box::new(it))),
        { Answer::Sale(view) => view };
    OfferSale => Box<SaleView>, |it| Message::Command(Command::OfferSale(Box::new(it.0))),
        { Answer::Sale(view) => view };
    ExtendSale => Box<SaleView>, |it| Message::Command(Command::ExtendSale(it)), { Answer::Sale(view) => view };
    AmendSale => Box<SaleView>, |it| Message::Command(Command::AmendSale(it)), { Answer::Sale(view) => view };
    PauseSale => Box<SaleView>, |it| Message::Command(Command::PauseSale(it)), { Answer::Sale(view) => view };
    ResumeSale => Box<SaleView>, |it| Message::Command(Command::ResumeSale(it)), { Answer::Sale(view) => view };
    CloseSale => Box<SaleView>, |it| Message::Command(Command::CloseSale(it)), { Answer::Sale(view) => view };
    GetStock => StockView, |_it| Message::Query(Query::Stock), { Answer::Stock(view) => view };
    GetSale => Box<SaleView>, |it| Message::Query(Query::Sale(it.0)), { Answer::Sale(view) => view };
    FindOpenSale => Option<Box<SaleView>>, |_it| Message::Query(Query::OpenSale),
        { Answer::Sale(view) => Some(view), Answer::Done => None };
    GetOwnReservations => Vec<ReservationView>,
        |it| Message::Query(Query::Mine { sale: it.sale, user: it.user }), { Answer::Mine(views) => views };
    FindMadeUnder => Option<MadeUnder>, |it| Message::Query(Query::Made(it.0)), {
        Answer::Reservation(view) => Some(MadeUnder::Reservation(view)),
        Answer::Sale(view) => Some(MadeUnder::Sale(view)),
        Answer::Done => None,
    };
}
