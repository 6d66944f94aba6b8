//! What is shown outside the mailbox.

use super::{super::published_view::PublishedView, *};

/// A published_view as it is after the commands, each published as the actor does.
fn shown(state: &State) -> PublishedView {
    let published_view = PublishedView::default();
    published_view.publish(state, &[]);
    published_view
}

fn does(published_view: &PublishedView, state: State, seconds: i64, command: &Command) -> State {
    let mut after = state;
    let Ok(events) = decide(&after, command, at(seconds)) else { panic!("{command:?} was refused") };
    events.iter().for_each(|event| apply(&mut after, event));
    published_view.publish(&after, &events);
    after
}

#[test]
fn outsiders_who_cannot_succeed_are_refused_and_nobody_else() {
    let sold_out =
        || and(on_sale(), &[(110, reserve(buy(1, 2))), (110, reserve(buy(2, 2))), (110, reserve(buy(3, 1)))]);
    let paused = || and(on_sale(), &[(110, PAUSE)]);
    let closed = || and(on_sale(), &[(110, CLOSE)]);
    for (what, state, seconds, quantity, expected) in [
        ("open", on_sale(), 150, 1, None),
        ("early", on_sale(), 99, 1, Some(Refusal::NotStarted { starts_at: at(100) })),
        ("over", on_sale(), 200, 1, Some(Refusal::Ended)),
        ("closed before its start", closed(), 50, 1, Some(Refusal::Ended)),
        ("paused", paused(), 150, 3, Some(Refusal::Paused)),
        ("too many", sold_out(), 150, 3, Some(Refusal::LimitReached { limit: 2, have: 0 })),
        ("sold out", sold_out(), 150, 1, Some(Refusal::SoldOut)),
        (
            "some left, but not enough: the actor says it",
            and(on_sale(), &[(110, reserve(buy(1, 2))), (110, reserve(buy(2, 2)))]),
            150,
            2,
            None,
        ),
    ] {
        let published_view = shown(&state);
        let outsider = published_view.enter(SALE, user(9), quantity, at(seconds));
        assert_eq!(outsider.as_ref().err(), expected.as_ref(), "{what}");
        // Whatever an outsider is told, the actor would have told the same.
        if let Some(refusal) = expected {
            let says = then(&state, seconds, &reserve(buy(9, quantity)));
            assert_eq!(says, Err(refusal), "{what}");
        }
    }
    let published_view = shown(&sold_out());
    for buyer in 1..=3 {
        assert!(
            published_view.enter(SALE, user(buyer), 1, at(300)).is_ok(),
            "buyer {buyer} may hold an answer"
        );
    }
}

#[test]
fn buyers_of_the_skus_other_sales_are_let_in() {
    let next = FlashSaleId(Uuid::from_u128(0x5a1f));
    let sold_out = Reserve { source: Source::Sale(next), ..buy(2, 1) };
    let next_is_sold_out = [
        (110, reserve(buy(1, 1))),
        (120, CLOSE),
        (120, open_with(next, terms(), 1, false)),
        (121, reserve(sold_out)),
    ];
    let published_view = shown(&and(on_sale(), &next_is_sold_out));
    assert_eq!(published_view.enter(next, user(9), 1, at(150)).err(), Some(Refusal::SoldOut));
    assert!(
        published_view.enter(next, user(1), 1, at(150)).is_ok(),
        "it may repeat a purchase in the other sale"
    );
}

#[test]
fn what_is_not_shown_is_let_in_and_marked() {
    let published_view = PublishedView::default();
    assert!(published_view.available(SALE).is_none());
    let early = published_view.enter(SALE, user(1), 1, at(150)).expect("nothing is shown to refuse by");
    let state = does(&published_view, on_sale(), 110, &reserve(buy(2, 2)));
    let state = does(&published_view, state, 110, &reserve(buy(3, 2)));
    does(&published_view, state, 110, &reserve(buy(4, 1)));
    assert_eq!(published_view.available(SALE), Some(0));
    assert!(published_view.enter(SALE, user(1), 1, at(150)).is_ok(), "the first is still in the mailbox");
    drop(early);
    assert_eq!(published_view.enter(SALE, user(1), 1, at(150)).err(), Some(Refusal::SoldOut));
}

#[test]
fn a_companion_lets_repeats_in_until_all_of_them_are_decided() {
    let published_view = shown(&on_sale());
    let first = published_view.enter(SALE, user(1), 1, at(150)).expect("units are there");
    let second = published_view.enter(SALE, user(1), 1, at(150)).expect("units are there");
    let state = does(&published_view, on_sale(), 150, &PAUSE);
    drop(first);
    let third = published_view.enter(SALE, user(1), 1, at(150));
    assert!(third.is_ok(), "one is still in the mailbox");
    drop((second, third));
    assert_eq!(published_view.enter(SALE, user(1), 1, at(150)).err(), Some(Refusal::Paused));
    let state = does(&published_view, state, 151, &RESUME);
    let accepted = published_view.enter(SALE, user(1), 1, at(152)).expect("it goes on");
    let state = does(&published_view, state, 152, &reserve(buy(1, 1)));
    drop(accepted);
    let state = does(&published_view, state, 153, &PAUSE);
    assert!(published_view.enter(SALE, user(1), 1, at(154)).is_ok(), "the purchase is known");
    does(&published_view, state, 155, &release(id(1)));
    assert!(published_view.enter(SALE, user(1), 1, at(156)).is_ok(), "also after its release");
}

#[test]
fn every_change_of_a_sale_is_shown() {
    let published_view = shown(&on_sale());
    let state = does(&published_view, on_sale(), 110, &reserve(buy(1, 2)));
    assert_eq!(published_view.available(SALE), Some(3));
    let state = does(&published_view, state, 111, &extend(2));
    assert_eq!(published_view.available(SALE), Some(5));
    let state = does(&published_view, state, 112, &release(id(1)));
    assert_eq!(published_view.available(SALE), Some(7));
    let later = Amendment { starts_at: Some(at(190)), ..Amendment::default() };
    let state = does(&published_view, state, 113, &amend(later));
    let early = published_view.enter(SALE, user(9), 1, at(150)).err();
    assert_eq!(early, Some(Refusal::NotStarted { starts_at: at(190) }));
    does(&published_view, state, 195, &CLOSE);
    assert_eq!(published_view.available(SALE), Some(0));
    assert_eq!(published_view.enter(SALE, user(9), 1, at(195)).err(), Some(Refusal::Ended));
}
