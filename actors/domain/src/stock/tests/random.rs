//! Random commands against a naive model of the ledger. A seed that fails is printed and stays here.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

const SEEDS: &[u64] = &[1, 2, 3, 5, 8, 13, 21, 34, 55, 89];
const COMMANDS: usize = 10_000;
/// `apply` checks the ledger's equations after every event; the naive model is slower.
const COMPARED_EVERY: u64 = 50;
const USERS: u64 = 12;
const SALES: u64 = 3;

/// A linear congruential generator (Knuth's MMIX); its upper bits are good enough for tests.
struct Random(u64);

impl Random {
    /// Of 31 bits at most.
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn signed_below(&mut self, limit: u64) -> i64 {
        self.below(limit) as i64
    }

    fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }
}

/// What is known without pools: who holds how many units of what.
#[derive(Default)]
struct Naive {
    received: i64,
    /// Units of each live reservation, and whether they were sold.
    live: BTreeMap<ReservationId, (Option<FlashSaleId>, UserId, u32, bool)>,
    ended: BTreeSet<ReservationId>,
}

impl Naive {
    fn learn(&mut self, event: &Event) {
        match event {
            Event::Initialized { quantity, .. } | Event::Received { quantity, .. } => {
                self.received += quantity
            }
            Event::Adjusted { delta, .. } => self.received += delta,
            Event::Reserved(made) => {
                assert!(!self.ended.contains(&made.reservation), "an ended reservation came back");
                let units = (made.sale, made.user, made.quantity, false);
                assert!(self.live.insert(made.reservation, units).is_none(), "a reservation was made twice");
            }
            Event::Confirmed { reservation, .. } => match self.live.get_mut(reservation) {
                Some((_, _, _, sold)) => assert!(!std::mem::replace(sold, true), "sold twice"),
                None => panic!("what was not held was sold"),
            },
            Event::Released { reservation, .. } => {
                let held = self.live.remove(reservation);
                assert!(matches!(held, Some((_, _, _, false))), "what was not held was released: {held:?}");
                self.ended.insert(*reservation);
            }
            Event::Voided { reservation, .. } => {
                assert!(!self.live.contains_key(reservation), "a live reservation was voided");
                self.ended.insert(*reservation);
            }
            Event::SaleOpened { .. }
            | Event::SaleExtended { .. }
            | Event::SaleAmended { .. }
            | Event::SalePaused { .. }
            | Event::SaleResumed { .. }
            | Event::SaleClosed { .. } => {}
        }
    }

    fn compare(&self, state: &State) {
        assert_eq!(state.received, self.received);
        let pools = || std::iter::once(&state.regular).chain(state.sales.values().map(|sale| &sale.pool));
        let sum = |of: fn(&Pool) -> i64| pools().map(of).sum::<i64>();
        let units = |wanted: bool| -> i64 {
            let kept = self.live.values().filter(|(_, _, _, sold)| *sold == wanted);
            kept.map(|(_, _, quantity, _)| i64::from(*quantity)).sum()
        };
        assert_eq!((sum(|pool| pool.held), sum(|pool| pool.sold)), (units(false), units(true)));
        assert!(units(false) + units(true) <= self.received, "more was sold than was received");
        assert_eq!(sum(|pool| pool.available), self.received - units(false) - units(true));
        for (id, sale) in state.sales.iter().filter(|(_, sale)| sale.closed_at.is_none()) {
            for buyer in 0..USERS {
                let who = user(u128::from(buyer));
                let mine =
                    self.live.values().filter(|(from, buyer, _, _)| *from == Some(*id) && *buyer == who);
                let mine: u32 = mine.map(|(_, _, quantity, _)| *quantity).sum();
                assert_eq!(mine, sale.buyers.get(&who).map_or(0, |buyer| buyer.units));
            }
        }
    }
}

fn sale(number: u64) -> FlashSaleId {
    FlashSaleId(Uuid::from_u128(u128::from(number) + 1))
}

fn random_key(random: &mut Random, sequence: u64) -> Option<IdempotencyKey> {
    match random.below(4) {
        0 => None,
        1 => key(&random.below(sequence + 1).to_string(), "body"),
        2 => key(&random.below(sequence + 1).to_string(), "another"),
        _ => key(&sequence.to_string(), "body"),
    }
}

fn random_number(random: &mut Random) -> i64 {
    match random.below(30) {
        0 => i64::MAX,
        1 => i64::MIN,
        2 => 0,
        3 => UNITS_MAX,
        4..=9 => -random.signed_below(30),
        _ => random.signed_below(40),
    }
}

fn random_moment(random: &mut Random, now: i64) -> Timestamp {
    match random.below(12) {
        0 => Timestamp::from_millis(i64::MIN),
        1 => Timestamp::MAX,
        _ => at(now + random.signed_below(4 * 3_600) - HOUR),
    }
}

fn random_command(random: &mut Random, now: i64, sequence: u64) -> Command {
    let which = sale(random.below(SALES) + SALES * (now / (100 * HOUR)).unsigned_abs());
    // Mostly the latest reservations, so that they are ended and repeated.
    let known = sequence.saturating_sub(random.below(40));
    let reservation = made_at(at(now), u128::from(known));
    let key = random_key(random, sequence);
    let reason = String::new();
    match random.below(20) {
        0..=7 => reserve(Reserve {
            reservation: made_at(at(0), u128::from(if random.one_in(6) { known } else { sequence })),
            user: user(u128::from(random.below(USERS))),
            source: if random.one_in(4) {
                Source::Regular { line: line(500), pay_within_ms: 60_000 }
            } else {
                Source::Sale(which)
            },
            issued_at: at(now - if random.one_in(20) { 25 * HOUR } else { 0 }),
            key,
            ..buy(u128::from(sequence), random.below(4) as u32)
        }),
        8..=10 => confirm(made_at(at(0), u128::from(known))),
        11..=13 => release(made_at(at(0), u128::from(known))),
        14 => release(reservation),
        15 if random.one_in(9) => Command::Initialize(Initialize { quantity: random_number(random) }),
        15 if random.one_in(2) => Command::Receive(Receive { quantity: random_number(random), reason, key }),
        15 => Command::Adjust(Adjust { delta: random_number(random), reason, key }),
        16 if random.one_in(3) => {
            Command::AdjustTo(AdjustTo { available: random_number(random), reason, key })
        }
        16 | 17 => Command::OpenSale(Box::new(OpenSale {
            sale: which,
            terms: Terms {
                starts_at: at(now - 10),
                ends_at: random_moment(random, now),
                per_user_limit: random.below(5) as u32,
                ..terms()
            },
            quantity: random_number(random),
            receive_missing: random.one_in(2),
            key,
        })),
        18 if random.one_in(2) => {
            Command::ExtendSale(ExtendSale { sale: which, quantity: random_number(random), key })
        }
        18 => Command::AmendSale(AmendSale {
            sale: which,
            amendment: Amendment {
                ends_at: Some(random_moment(random, now)),
                per_user_limit: Some(random.below(5) as u32),
                ..Amendment::default()
            },
        }),
        _ => match random.below(5) {
            0 => Command::CloseSale(CloseSale { sale: which }),
            1 | 2 => Command::PauseSale(PauseSale { sale: which }),
            _ => Command::ResumeSale(ResumeSale { sale: which }),
        },
    }
}

fn read_back<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
    let text = serde_json::to_string(value).expect("it has a JSON form");
    serde_json::from_str(&text).expect("its JSON form can be read")
}

fn run(seed: u64) {
    let mut random = Random(seed);
    let (mut state, mut naive) = (State::default(), Naive::default());
    let (mut now, mut accepted, mut refused) = (0_i64, 0, 0);
    let mut replayed = State::default();
    let mut from_snapshot = None;
    for sequence in 0..COMMANDS as u64 {
        let pause = if random.one_in(50) { 4 * 3_600 } else { 30 };
        now += random.signed_below(pause);
        let command = random_command(&mut random, now, sequence);
        match decide(&state, &command, at(now)) {
            Ok(events) => {
                accepted += 1;
                for event in events {
                    apply(&mut state, &event);
                    naive.learn(&event);
                    // The journal's way: every event through JSON, from nothing and from a snapshot.
                    let stored: Event = read_back(&event);
                    assert_eq!(stored, event);
                    apply(&mut replayed, &stored);
                    if let Some(tail) = &mut from_snapshot {
                        apply(tail, &stored);
                    }
                }
                // Asking again for the same changes nothing that was accepted.
                if let Command::Reserve(_)
                | Command::Confirm(Confirm { .. })
                | Command::Release(Release { .. }) = &command
                {
                    assert_eq!(decide(&state, &command, at(now)), Ok(Vec::new()), "{command:?}");
                }
            }
            Err(_) => refused += 1,
        }
        if sequence % COMPARED_EVERY == 0 {
            naive.compare(&state);
        }
        if sequence == COMMANDS as u64 / 2 {
            from_snapshot = Some(read_back(&state));
        }
    }
    naive.compare(&state);
    assert_eq!(replayed, state, "replayed from nothing");
    assert_eq!(from_snapshot, Some(state), "a snapshot and its tail");
    assert!(accepted > COMMANDS / 4 && refused > COMMANDS / 20, "{accepted} accepted, {refused} refused");
}

#[test]
fn a_hundred_thousand_random_commands_keep_the_ledger_true() {
    assert!(SEEDS.len() * COMMANDS >= 100_000);
    for seed in SEEDS {
        // Printed when the test fails.
        eprintln!("seed {seed}");
        run(*seed);
    }
}
