//! The rules of a cart.

use stampede_kernel::{SkuId, Timestamp, limits::QUANTITY_MAX};

use super::model::{Command, Event, Line, Refusal, State};
use crate::cart::limits::CART_LINES_MAX;

/// Events that follow from a command; none if nothing changes.
pub fn decide(state: &State, command: &Command, now: Timestamp) -> Result<Vec<Event>, Refusal> {
    match command {
        Command::Add { sku, quantity } => decide_add(state, *sku, *quantity, now),
        Command::Change { sku, quantity, selected } => {
            let line = find(state, *sku).ok_or(Refusal::NoSuchLine)?;
            let changed = Line {
                quantity: within(u64::from(quantity.unwrap_or(line.quantity)))?,
                selected: selected.unwrap_or(line.selected),
                ..line.clone()
            };
            Ok(if changed == *line { Vec::new() } else { vec![Event::LineSet { line: changed }] })
        }
        Command::Remove { sku } => match find(state, *sku) {
            Some(_) => Ok(vec![Event::LineRemoved { sku: *sku, at: now }]),
            None => Err(Refusal::NoSuchLine),
        },
        Command::SelectAll { selected } => {
            let changes = state.lines.iter().any(|line| line.selected != *selected);
            Ok(if changes { vec![Event::AllSelected { selected: *selected, at: now }] } else { Vec::new() })
        }
        Command::Clear => {
            Ok(if state.lines.is_empty() { Vec::new() } else { vec![Event::Cleared { at: now }] })
        }
    }
}

fn decide_add(state: &State, sku: SkuId, quantity: u32, now: Timestamp) -> Result<Vec<Event>, Refusal> {
    within(u64::from(quantity))?;
    let line = match find(state, sku) {
        Some(line) => {
            Line { quantity: within(u64::from(line.quantity) + u64::from(quantity))?, ..line.clone() }
        }
        None if state.lines.len() >= CART_LINES_MAX => {
            return Err(Refusal::TooManyLines { limit: CART_LINES_MAX });
        }
        None => Line { sku, quantity, selected: true, added_at: now },
    };
    Ok(vec![Event::LineSet { line }])
}

fn within(quantity: u64) -> Result<u32, Refusal> {
    match u32::try_from(quantity) {
        Ok(quantity) if (1..=QUANTITY_MAX).contains(&quantity) => Ok(quantity),
        Ok(_) | Err(_) => Err(Refusal::Quantity { limit: QUANTITY_MAX }),
    }
}

fn find(state: &State, sku: SkuId) -> Option<&Line> {
    state.lines.iter().find(|line| line.sku == sku)
}

/// Changes the cart.
pub fn apply(state: &mut State, event: &Event) {
    match event {
        Event::LineSet { line } => match state.lines.iter_mut().find(|known| known.sku == line.sku) {
            Some(known) => *known = line.clone(),
            None => state.lines.push(line.clone()),
        },
        Event::LineRemoved { sku, .. } => state.lines.retain(|line| line.sku != *sku),
        Event::AllSelected { selected, .. } => {
            for line in &mut state.lines {
                line.selected = *selected;
            }
        }
        Event::Cleared { .. } => state.lines.clear(),
    }
    assert!(state.lines.len() <= CART_LINES_MAX, "a cart has too many lines");
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const NOW: Timestamp = Timestamp::MAX;

    fn cart(lines: &[(u128, u32)]) -> State {
        let line = |(sku, quantity): &(u128, u32)| Line {
            sku: SkuId(Uuid::from_u128(*sku)),
            quantity: *quantity,
            selected: true,
            added_at: NOW,
        };
        State { lines: lines.iter().map(line).collect() }
    }

    fn then(mut given: State, command: &Command) -> Result<Vec<(u128, u32, bool)>, Refusal> {
        for event in decide(&given, command, NOW)? {
            apply(&mut given, &event);
        }
        Ok(given.lines.iter().map(|line| (line.sku.0.as_u128(), line.quantity, line.selected)).collect())
    }

    #[test]
    fn commands_change_the_cart_as_said() {
        let sku = SkuId(Uuid::from_u128(1));
        let full: Vec<_> = (10..10 + CART_LINES_MAX as u128).map(|sku| (sku, 1)).collect();
        for (given, when, expected) in [
            (cart(&[]), Command::Add { sku, quantity: 2 }, Ok(vec![(1, 2, true)])),
            (cart(&[(1, 2)]), Command::Add { sku, quantity: 3 }, Ok(vec![(1, 5, true)])),
            (cart(&[]), Command::Add { sku, quantity: 0 }, Err(Refusal::Quantity { limit: QUANTITY_MAX })),
            (
                cart(&[(1, QUANTITY_MAX)]),
                Command::Add { sku, quantity: 1 },
                Err(Refusal::Quantity { limit: QUANTITY_MAX }),
            ),
            (
                cart(&full),
                Command::Add { sku, quantity: 1 },
                Err(Refusal::TooManyLines { limit: CART_LINES_MAX }),
            ),
            (
                cart(&[(1, 2)]),
                Command::Change { sku, quantity: Some(7), selected: Some(false) },
                Ok(vec![(1, 7, false)]),
            ),
            (cart(&[]), Command::Change { sku, quantity: Some(7), selected: None }, Err(Refusal::NoSuchLine)),
            (cart(&[(1, 2), (2, 1)]), Command::Remove { sku }, Ok(vec![(2, 1, true)])),
            (cart(&[]), Command::Remove { sku }, Err(Refusal::NoSuchLine)),
            (
                cart(&[(1, 2), (2, 1)]),
                Command::SelectAll { selected: false },
                Ok(vec![(1, 2, false), (2, 1, false)]),
            ),
            (cart(&[(1, 2)]), Command::Clear, Ok(vec![])),
            (cart(&[]), Command::Clear, Ok(vec![])),
        ] {
            assert_eq!(then(given, &when), expected, "{when:?}");
        }
    }
}
