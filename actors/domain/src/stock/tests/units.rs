//! Restocks, adjustments, reservations and their ends.

use super::*;

#[test]
fn units_are_received_and_adjusted_within_bounds() {
    let ten = || given(&[(0, receive(10))]);
    for (state, command, expected) in [
        (State::default(), receive(10), Ok(vec!["received"])),
        (State::default(), receive(UNITS_MAX), Ok(vec!["received"])),
        (ten(), adjust(5), Ok(vec!["adjusted"])),
        (ten(), adjust(-10), Ok(vec!["adjusted"])),
        (ten(), adjust(0), Ok(vec![])),
        (ten(), adjust(-11), Err(Refusal::InsufficientStock { available: 10 })),
        (ten(), adjust_to(10), Ok(vec![])),
        (ten(), adjust_to(0), Ok(vec!["adjusted"])),
        (ten(), adjust_to(UNITS_MAX), Ok(vec!["adjusted"])),
        // Units in a sale are not the regular pool's to take.
        (on_sale(), adjust(-6), Err(Refusal::InsufficientStock { available: 5 })),
    ] {
        assert_eq!(then(&state, 1, &command), expected, "{command:?}");
    }
}

#[test]
fn a_sku_begins_with_its_units_once() {
    let begin = |quantity| Command::Initialize(Initialize { quantity });
    let begun = || given(&[(0, begin(5))]);
    assert_eq!(begun().regular, pool(5, 0, 0));
    for (what, state, command, expected) in [
        ("new", State::default(), begin(5), Ok(vec!["initialized"])),
        ("again", begun(), begin(5), Ok(vec![])),
        ("again with another number", begun(), begin(6), Ok(vec![])),
        ("after a restock came first", given(&[(0, receive(1))]), begin(5), Ok(vec!["initialized"])),
    ] {
        assert_eq!(then(&state, 1, &command), expected, "{what}");
    }
}

#[test]
fn numbers_out_of_bounds_are_refused_and_break_nothing() {
    let ten = given(&[(0, receive(10))]);
    for quantity in [0, -1, UNITS_MAX + 1, i64::MAX, i64::MIN] {
        assert!(invalid("quantity")(&then(&ten, 1, &receive(quantity))), "receive {quantity}");
        assert!(invalid("quantity")(&then(&on_sale(), 1, &extend(quantity))), "extend {quantity}");
        let sale = open_with(SALE, terms(), quantity, true);
        assert!(invalid("quantity")(&then(&ten, 1, &sale)), "open {quantity}");
    }
    for delta in [UNITS_MAX + 1, -UNITS_MAX - 1, i64::MAX, i64::MIN, i64::MIN + 1] {
        assert!(invalid("delta")(&then(&ten, 1, &adjust(delta))), "adjust {delta}");
    }
    for available in [-1, UNITS_MAX + 1, i64::MAX, i64::MIN] {
        assert!(invalid("stock")(&then(&ten, 1, &adjust_to(available))), "adjust to {available}");
    }
    for quantity in [0, QUANTITY_MAX + 1, u32::MAX] {
        let refused = then(&on_sale(), 150, &reserve(buy(1, quantity)));
        assert!(invalid("quantity")(&refused), "reserve {quantity}");
    }
}

#[test]
fn a_ledger_that_has_received_enough_receives_no_more() {
    let mut state = given(&[(0, receive(10))]);
    let most = UNITS_MAX * 1_000;
    apply(&mut state, &Event::Received { quantity: most, reason: String::new(), at: at(0), key: None });
    for command in [receive(1), extend(1)] {
        let refused = then(&state, 1, &command);
        assert!(refused.is_err(), "{command:?}: {refused:?}");
    }
    assert!(invalid("delta")(&then(&state, 1, &adjust(1))));
    assert_eq!(then(&state, 1, &adjust(-1)), Ok(vec!["adjusted"]), "it can still be brought down");
    let regular = state.regular.available;
    let missing = open_with(SALE, terms(), UNITS_MAX, true);
    assert_eq!(then(&state, 1, &missing), Ok(vec!["sale_opened"]), "of {regular} none is missing");
}

#[test]
fn a_total_is_an_amount_like_any_other() {
    let state = given(&[(0, receive(10))]);
    let priced = |price, quantity| {
        let source = Source::Regular { line: line(price), pay_within_ms: 60_000 };
        reserve(Reserve { source, ..buy_regular(1, quantity) })
    };
    assert_eq!(then(&state, 1, &priced(Money::MINOR_MAX, 1)), Ok(vec!["reserved"]));
    assert!(invalid("quantity")(&then(&state, 1, &priced(Money::MINOR_MAX, 2))));
}

#[test]
fn a_reservation_is_held_then_ended_once() {
    let held = || given(&[(0, receive(10)), (1, reserve(buy_regular(1, 3)))]);
    let sold = || and(held(), &[(2, confirm(id(1)))]);
    let back = || and(held(), &[(2, release(id(1)))]);
    assert_eq!(held().regular, pool(7, 3, 0));
    assert_eq!(sold().regular, pool(7, 0, 3));
    assert_eq!(back().regular, pool(10, 0, 0));
    for (state, command, expected) in [
        (held(), confirm(id(1)), vec!["confirmed"]),
        (held(), release(id(1)), vec!["released"]),
        (sold(), confirm(id(1)), vec![]),
        (sold(), release(id(1)), vec![]),
        (back(), confirm(id(1)), vec![]),
        (back(), release(id(1)), vec![]),
        // A repeat of the reservation itself is known by its id, whatever became of it.
        (held(), reserve(buy_regular(1, 3)), vec![]),
        (sold(), reserve(buy_regular(1, 3)), vec![]),
        (back(), reserve(buy_regular(1, 3)), vec![]),
        // What is not known cannot be sold.
        (held(), confirm(id(9)), vec![]),
    ] {
        assert_eq!(then(&state, 3, &command), Ok(expected), "{command:?}");
    }
    let short = then(&held(), 3, &reserve(buy_regular(2, 8)));
    assert_eq!(short, Err(Refusal::InsufficientStock { available: 7 }));
}

#[test]
fn a_release_that_overtakes_its_reservation_voids_it() {
    let state = given(&[(0, receive(10)), (1, release(id(1)))]);
    assert_eq!(state.reservations[&id(1)].status, ReservationStatus::Void);
    assert_eq!(then(&state, 2, &reserve(buy_regular(1, 1))), Err(Refusal::ReservationExpired));
    assert_eq!(then(&state, 2, &release(id(1))), Ok(vec![]), "once is enough");
    assert_eq!(state.regular, pool(10, 0, 0));
    // It is forgotten like everything that has ended; by then the reservation is too old.
    let later = FORGET_AFTER_MS / 1_000 + 2;
    let state = and(state, &[(later, receive(1))]);
    assert!(state.reservations.is_empty());
    assert_eq!(then(&state, later, &reserve(buy_regular(1, 1))), Err(Refusal::ReservationExpired));
    assert_eq!(then(&state, later, &release(id(1))), Ok(vec![]), "what is long past is not voided again");
}

#[test]
fn a_reservation_asked_for_long_ago_is_refused() {
    let state = given(&[(0, receive(10))]);
    let oldest = RESERVE_AGE_MS_MAX / 1_000;
    assert_eq!(then(&state, oldest, &reserve(buy_regular(1, 1))), Ok(vec!["reserved"]));
    assert_eq!(then(&state, oldest + 1, &reserve(buy_regular(1, 1))), Err(Refusal::ReservationExpired));
}

#[test]
fn what_has_ended_is_forgotten_by_the_time_of_events() {
    let two_days = FORGET_AFTER_MS / 1_000;
    let keyed = |buyer| Reserve { key: key("k", "b"), ..buy_regular(buyer, 1) };
    let state = given(&[(0, receive(10)), (1, reserve(keyed(1))), (1, reserve(buy_regular(2, 1)))]);
    let state = and(state, &[(2, confirm(id(1)))]);
    // At 48 hours to the second it is still known; a moment later, and with the next event, it is not.
    let on_time = and(state.clone(), &[(two_days + 2, receive(1))]);
    assert!(on_time.reservations.contains_key(&id(1)) && on_time.keys.is_empty());
    let later = and(state, &[(two_days + 3, receive(1))]);
    assert!(!later.reservations.contains_key(&id(1)));
    assert!(later.reservations.contains_key(&id(2)), "what is held is never forgotten");
    assert!(later.forgettable.is_empty());
    assert_eq!(later.regular, pool(9, 1, 1), "the units stay where they are");
    assert_eq!(then(&later, two_days + 3, &confirm(id(1))), Ok(vec![]));
    assert_eq!(then(&later, two_days + 3, &release(id(1))), Ok(vec![]));
}

#[test]
fn a_key_is_remembered_with_its_body() {
    let with = |command: &Command, key: Option<IdempotencyKey>| {
        let mut command = command.clone();
        match &mut command {
            Command::Reserve(reserve) => reserve.key = key,
            Command::OpenSale(open) | Command::OfferSale(open) => open.key = key,
            Command::Receive(Receive { key: place, .. })
            | Command::Adjust(Adjust { key: place, .. })
            | Command::AdjustTo(AdjustTo { key: place, .. })
            | Command::ExtendSale(ExtendSale { key: place, .. }) => *place = key,
            Command::Confirm(Confirm { .. })
            | Command::Release(Release { .. })
            | Command::AmendSale(AmendSale { .. })
            | Command::PauseSale(PauseSale { .. })
            | Command::ResumeSale(ResumeSale { .. })
            | Command::CloseSale(CloseSale { .. })
            | Command::Initialize(Initialize { .. }) => panic!("{command:?} has no key"),
        }
        command
    };
    let other = FlashSaleId(Uuid::from_u128(2));
    for (state, command) in [
        (State::default(), receive(5)),
        (on_sale(), adjust(-1)),
        (on_sale(), adjust_to(3)),
        // Changing nothing is an acceptance too: what happens meanwhile is not undone by a repeat.
        (on_sale(), adjust_to(5)),
        (on_sale(), open_with(other, terms(), 1, false)),
        (on_sale(), extend(1)),
        (on_sale(), reserve(buy(1, 1))),
        (on_sale(), reserve(buy_regular(1, 1))),
    ] {
        let first = with(&command, key("k", "body"));
        let done = and(state, &[(150, first.clone())]);
        assert_eq!(done.keys.len(), 1, "{command:?}");
        let done = and(done, &[(151, adjust(-1))]);
        assert_eq!(then(&done, 152, &first), Ok(vec![]), "{command:?} again");
        let mismatch = with(&command, key("k", "another body"));
        assert_eq!(then(&done, 152, &mismatch), Err(Refusal::IdempotencyMismatch), "{command:?}");
    }
}

#[test]
fn a_refused_key_may_be_tried_again() {
    let keyed = || reserve(Reserve { key: key("k", "b"), ..buy(1, 1) });
    let state = and(on_sale(), &[(110, PAUSE)]);
    assert_eq!(then(&state, 120, &keyed()), Err(Refusal::Paused));
    let state = and(state, &[(130, RESUME)]);
    assert_eq!(then(&state, 140, &keyed()), Ok(vec!["reserved"]));
}

#[test]
fn a_repeat_finds_its_reservation_whatever_came_after() {
    let keyed = |reservation| Reserve { reservation, key: key("k", "b"), ..buy(1, 2) };
    let bought = || and(on_sale(), &[(110, reserve(keyed(id(1))))]);
    let again = reserve(keyed(id(77)));
    for (what, state) in [
        ("while held", bought()),
        ("after it sold out", and(bought(), &[(120, reserve(buy(2, 2))), (120, reserve(buy(3, 1)))])),
        ("after a release", and(bought(), &[(120, release(id(1)))])),
        ("after payment", and(bought(), &[(120, confirm(id(1)))])),
        ("while paused", and(bought(), &[(120, PAUSE)])),
        ("after the end", and(bought(), &[(250, CLOSE)])),
    ] {
        assert_eq!(then(&state, 300, &again), Ok(vec![]), "{what}");
        use stampede_kernel::Entity;
        match super::super::Stock::answer(&state, &again, at(300)) {
            Ok(super::super::Answer::Reservation(view)) => assert_eq!(view.reservation, id(1), "{what}"),
            other => panic!("{what}: {other:?}"),
        }
    }
}
