//! Flash sales: their opening, their terms, who may buy, and their end.

use super::*;

#[test]
fn a_purchase_is_refused_in_the_order_of_precedence() {
    let limit = || Refusal::LimitReached { limit: 2, have: 2 };
    let bought = |state| and(state, &[(110, reserve(buy(1, 2)))]);
    let sold_out = |state| and(state, &[(110, reserve(buy(2, 2))), (110, reserve(buy(3, 1)))]);
    let paused = |state| and(state, &[(120, PAUSE)]);
    let fresh = |quantity| reserve(Reserve { reservation: id(9), ..buy(1, quantity) });
    let all = || paused(sold_out(bought(on_sale())));
    for (what, state, seconds, command, expected) in [
        ("a repeat before everything", all(), 300, reserve(buy(1, 2)), Ok(vec![])),
        ("early, though paused", paused(on_sale()), 99, fresh(1), Err(starts())),
        ("over, though paused and sold out", all(), 200, fresh(1), Err(Refusal::Ended)),
        ("paused, though at the limit", all(), 150, fresh(1), Err(Refusal::Paused)),
        ("at the limit, though sold out", sold_out(bought(on_sale())), 150, fresh(1), Err(limit())),
        ("sold out", sold_out(bought(on_sale())), 150, reserve(buy(9, 1)), Err(Refusal::SoldOut)),
        (
            "some left, but not enough",
            and(on_sale(), &[(110, reserve(buy(1, 2))), (110, reserve(buy(2, 2)))]),
            150,
            reserve(buy(3, 2)),
            Err(Refusal::InsufficientStock { available: 1 }),
        ),
        ("the first moment", on_sale(), 100, fresh(2), Ok(vec!["reserved"])),
        ("the last moment", on_sale(), 199, fresh(2), Ok(vec!["reserved"])),
        ("closed early", and(on_sale(), &[(50, CLOSE)]), 60, fresh(1), Err(Refusal::Ended)),
        ("no such sale", given(&[(0, receive(9))]), 150, fresh(1), Err(Refusal::UnknownSale)),
    ] {
        assert_eq!(then(&state, seconds, &command), expected, "{what}");
    }
}

fn starts() -> Refusal {
    Refusal::NotStarted { starts_at: at(100) }
}

#[test]
fn refused_attempts_burn_nothing() {
    let state = on_sale();
    for seconds in [50, 150, 250] {
        for quantity in [0, 3, 6, u32::MAX] {
            let _ = decide(&state, &reserve(buy(1, quantity)), at(seconds));
        }
    }
    assert_eq!(state, on_sale());
}

#[test]
fn the_limit_counts_what_is_held_and_bought_and_gives_back_what_is_released() {
    let more = |number, quantity| reserve(Reserve { reservation: id(number), ..buy(1, quantity) });
    let one = || and(on_sale(), &[(110, more(1, 1))]);
    let reached = |have| Err(Refusal::LimitReached { limit: 2, have });
    for (what, state, quantity, expected) in [
        ("nothing yet", on_sale(), 2, Ok(vec!["reserved"])),
        ("too many at once", on_sale(), 3, reached(0)),
        ("one more", one(), 1, Ok(vec!["reserved"])),
        ("two more", one(), 2, reached(1)),
        ("sold ones count", and(one(), &[(115, confirm(id(1)))]), 2, reached(1)),
        ("released ones do not", and(one(), &[(115, release(id(1)))]), 2, Ok(vec!["reserved"])),
        (
            "sold ones count though forgotten",
            and(forever(), &[(110, more(1, 1)), (115, confirm(id(1))), (60 * HOUR, receive(1))]),
            2,
            reached(1),
        ),
    ] {
        let seconds = if what.contains("forgotten") { 60 * HOUR } else { 120 };
        let issued_at = at(seconds);
        let command = reserve(Reserve { reservation: id(5), issued_at, ..buy(1, quantity) });
        assert_eq!(then(&state, seconds, &command), expected, "{what}");
    }
    let anybody_else = then(&one(), 120, &reserve(buy(2, 2)));
    assert_eq!(anybody_else, Ok(vec!["reserved"]));
}

/// A sale without an end in sight.
fn forever() -> State {
    let long = Terms { ends_at: Timestamp::MAX, ..terms() };
    given(&[(0, receive(10)), (0, open_with(SALE, long, 5, false))])
}

#[test]
fn a_sale_takes_its_units_out_of_the_regular_pool() {
    let three = || given(&[(0, receive(3))]);
    let missing = |quantity| open_with(SALE, terms(), quantity, true);
    for (what, state, command, expected) in [
        ("all there is", three(), open(3), Ok(vec!["sale_opened"])),
        ("more than there is", three(), open(4), Err(Refusal::InsufficientStock { available: 3 })),
        ("what is missing is received", three(), missing(4), Ok(vec!["received", "sale_opened"])),
        ("nothing is missing", three(), missing(3), Ok(vec!["sale_opened"])),
        ("twice", on_sale(), open(1), Err(Refusal::SaleExists)),
        ("extended", on_sale(), extend(5), Ok(vec!["sale_extended"])),
        ("extended by more", on_sale(), extend(6), Ok(vec!["received", "sale_extended"])),
        ("extended when closed", and(on_sale(), &[(1, CLOSE)]), extend(1), Err(Refusal::Ended)),
        ("extended unopened", three(), extend(1), Err(Refusal::UnknownSale)),
    ] {
        assert_eq!(then(&state, 1, &command), expected, "{what}");
    }
    assert_eq!((on_sale().regular, on_sale().sales[&SALE].pool), (pool(5, 0, 0), pool(5, 0, 0)));
    let extended = and(on_sale(), &[(1, extend(6))]);
    assert_eq!((extended.regular, extended.sales[&SALE].pool), (pool(0, 0, 0), pool(11, 0, 0)));
    assert_eq!(extended.received, 11);
}

#[test]
fn open_sales_are_limited_in_number() {
    let mut state = given(&[(0, receive(100))]);
    let sale = |number: usize| FlashSaleId(Uuid::from_u128(number as u128 + 1));
    for number in 0..OPEN_SALES_MAX {
        state = and(state, &[(0, open_with(sale(number), terms(), 1, false))]);
    }
    let another = open_with(sale(OPEN_SALES_MAX), terms(), 1, false);
    assert_eq!(then(&state, 1, &another), Err(Refusal::TooManySales));
    let state = and(state, &[(1, Command::CloseSale(CloseSale { sale: sale(0) }))]);
    assert_eq!(then(&state, 1, &another), Ok(vec!["sale_opened"]));
}

#[test]
fn terms_that_make_no_sense_are_refused() {
    let state = given(&[(0, receive(10))]);
    let first = Timestamp::from_millis(i64::MIN);
    for (field, terms) in [
        ("ends_at", Terms { ends_at: at(100), ..terms() }),
        ("ends_at", Terms { starts_at: Timestamp::MAX, ends_at: Timestamp::MAX, ..terms() }),
        ("ends_at", Terms { starts_at: first, ends_at: at(0), ..terms() }),
        ("per_user_limit", Terms { per_user_limit: 0, ..terms() }),
        ("per_user_limit", Terms { per_user_limit: u32::MAX, ..terms() }),
        ("pay_within_seconds", Terms { pay_within_ms: 999, ..terms() }),
        ("pay_within_seconds", Terms { pay_within_ms: i64::MAX, ..terms() }),
        ("pay_within_seconds", Terms { pay_within_ms: i64::MIN, ..terms() }),
    ] {
        let refused = then(&state, 1, &open_with(SALE, terms.clone(), 1, false));
        assert!(invalid(field)(&refused), "{terms:?}: {refused:?}");
    }
    let whole = Terms { starts_at: first, ends_at: Timestamp::MAX, ..terms() };
    assert_eq!(then(&state, 1, &open_with(SALE, whole, 1, false)), Ok(vec!["sale_opened"]));
}

#[test]
fn terms_can_be_amended_while_the_sale_is_open() {
    let closed = || and(on_sale(), &[(1, CLOSE)]);
    let price = || Amendment { price: Some(Money::from_minor(1)), ..Amendment::default() };
    for (what, state, amendment, expected) in [
        ("a price", on_sale(), price(), Ok(vec!["sale_amended"])),
        ("nothing", on_sale(), Amendment::default(), Ok(vec![])),
        ("what it was", on_sale(), Amendment { per_user_limit: Some(2), ..Amendment::default() }, Ok(vec![])),
        ("a closed one", closed(), price(), Err(Refusal::Ended)),
        ("none", State::default(), price(), Err(Refusal::UnknownSale)),
    ] {
        assert_eq!(then(&state, 1, &amend(amendment)), expected, "{what}");
    }
    let early_end = Amendment { ends_at: Some(at(100)), ..Amendment::default() };
    assert!(invalid("ends_at")(&then(&on_sale(), 1, &amend(early_end))));
    let all = Amendment {
        price: Some(Money::from_minor(100)),
        per_user_limit: Some(5),
        starts_at: Some(at(10)),
        ends_at: Some(Timestamp::MAX),
        pay_within_ms: Some(1_000),
    };
    let state = and(on_sale(), &[(1, reserve_later()), (2, amend(all))]);
    let state = and(state, &[(20, reserve(buy(1, 5)))]);
    let made = &state.reservations[&id(1)];
    assert_eq!((made.unit_price, made.pay_before), (Money::from_minor(100), at(21)));
}

/// A command that changes nothing here, so that amending is not the first event.
fn reserve_later() -> Command {
    reserve(Reserve { reservation: id(50), ..buy_regular(50, 1) })
}

#[test]
fn pausing_resuming_and_closing_happen_once() {
    let paused = || and(on_sale(), &[(1, PAUSE)]);
    let closed = || and(on_sale(), &[(1, CLOSE)]);
    for (what, state, command, expected) in [
        ("pause", on_sale(), PAUSE, Ok(vec!["sale_paused"])),
        ("pause again", paused(), PAUSE, Ok(vec![])),
        ("resume", paused(), RESUME, Ok(vec!["sale_resumed"])),
        ("resume again", on_sale(), RESUME, Ok(vec![])),
        ("close", on_sale(), CLOSE, Ok(vec!["sale_closed"])),
        ("close a paused one", paused(), CLOSE, Ok(vec!["sale_closed"])),
        ("close again", closed(), CLOSE, Ok(vec![])),
        ("pause a closed one", closed(), PAUSE, Err(Refusal::Ended)),
        ("resume a closed one", closed(), RESUME, Err(Refusal::Ended)),
        ("pause none", State::default(), PAUSE, Err(Refusal::UnknownSale)),
        ("resume none", State::default(), RESUME, Err(Refusal::UnknownSale)),
        ("close none", State::default(), CLOSE, Err(Refusal::UnknownSale)),
    ] {
        assert_eq!(then(&state, 2, &command), expected, "{what}");
    }
}

#[test]
fn closing_moves_the_rest_back_and_later_releases_follow() {
    let bought = [(110, reserve(buy(1, 2))), (110, reserve(buy(2, 1))), (120, confirm(id(2)))];
    let state = and(on_sale(), &bought);
    assert_eq!(state.sales[&SALE].pool, pool(2, 2, 1));
    let closed = and(state, &[(200, CLOSE)]);
    assert_eq!((closed.regular, closed.sales[&SALE].pool), (pool(7, 0, 0), pool(0, 2, 1)));
    let released = and(closed.clone(), &[(210, release(id(1)))]);
    assert_eq!((released.regular, released.sales[&SALE].pool), (pool(9, 0, 0), pool(0, 0, 1)));
    let paid = and(closed, &[(210, confirm(id(1)))]);
    assert_eq!((paid.regular, paid.sales[&SALE].pool), (pool(7, 0, 0), pool(0, 0, 3)));
    assert_eq!(released.received, 10);
    // The units that came back are for sale again.
    assert_eq!(then(&released, 220, &reserve(buy_regular(9, 9))), Ok(vec!["reserved"]));
}

#[test]
fn buyers_of_a_closed_sale_are_forgotten_with_their_reservations() {
    let bought = [(110, reserve(buy(1, 1))), (111, confirm(id(1))), (112, reserve(buy(2, 1)))];
    let open = and(on_sale(), &bought);
    let later = and(open.clone(), &[(60 * HOUR, receive(1))]);
    assert_eq!(later.sales[&SALE].buyers.len(), 2, "the limit of an open sale needs its buyers");
    let closed = and(later, &[(60 * HOUR, CLOSE)]);
    assert_eq!(closed.sales[&SALE].buyers.keys().collect::<Vec<_>>(), [&user(2)], "it is still held");
    let ended = and(closed, &[(60 * HOUR, release(id(2))), (120 * HOUR, receive(1))]);
    assert!(ended.sales[&SALE].buyers.is_empty() && ended.reservations.is_empty());
    let closed_first = and(open, &[(200, CLOSE), (60 * HOUR, release(id(2))), (120 * HOUR, receive(1))]);
    assert!(closed_first.sales[&SALE].buyers.is_empty());
}

#[test]
fn the_ledger_refuses_events_about_what_it_does_not_know() {
    let (other, order_no) = (FlashSaleId(Uuid::from_u128(0x07e7)), OrderNo::new(at(110), 1));
    let (sale, quantity, at) = (Some(SALE), 1, at(120));
    let held = and(on_sale(), &[(110, reserve(buy(1, 1)))]);
    let ended = and(held.clone(), &[(111, confirm(id(1)))]);
    let release =
        |reservation, sale| Event::Released { reservation, order_no, sale, quantity, to_regular: false, at };
    for (state, event) in [
        (&held, Event::SaleExtended { sale: other, quantity: 1, at, key: None }),
        (&held, Event::SaleAmended { sale: other, terms: Box::new(terms()), at }),
        (&held, Event::SalePaused { sale: other, at }),
        (&held, Event::SaleResumed { sale: other, at }),
        (&held, Event::SaleClosed { sale: other, returned: 0, at }),
        (&held, release(id(1), Some(other))),
        (&held, release(id(7), sale)),
        (&held, Event::Confirmed { reservation: id(7), order_no, sale, quantity, at }),
        (&ended, Event::Confirmed { reservation: id(1), order_no, sale, quantity, at }),
    ] {
        let applied = std::panic::catch_unwind(|| apply(&mut state.clone(), &event));
        assert!(applied.is_err(), "the ledger took {event:?}");
    }
}
