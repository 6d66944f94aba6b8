//! What a stock actor shows to readers outside its mailbox.
//!
//! Per sale: the window, the availability, and the users who have, or may be about to have, a
//! reservation. A user outside that set who cannot succeed is refused from here, and a sold-out sale
//! costs its actor nothing. Users inside it enter, so that a repeat of an accepted purchase always
//! finds its order; so do the buyers of the SKU's other sales, since a request that names the SKU is
//! repeated to the sale that is open now. A refusal may be stale for a moment after units come back; an
//! acceptance is never given here. The view belongs to one incarnation of the actor.

use std::{
    collections::HashMap,
    sync::{
        Arc, RwLock,
        atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering},
    },
};

use dashmap::{DashMap, DashSet};
use stampede_kernel::{FlashSaleId, Timestamp, UserId};

use super::model::{Event, Refusal, Sale, State};

#[derive(Debug, Default)]
pub struct PublishedView {
    sales: RwLock<HashMap<FlashSaleId, Arc<PublishedSale>>>,
    /// Users of whom a reservation in any of the sales, or its key, is known.
    buyers: DashSet<UserId>,
    /// Users with requests in the mailbox, and how many; bounded by the mailbox.
    entering: Arc<DashMap<(FlashSaleId, UserId), usize>>,
}

#[derive(Debug, Default)]
struct PublishedSale {
    available: AtomicI64,
    paused: AtomicBool,
    closed: AtomicBool,
    starts_at: AtomicI64,
    ends_at: AtomicI64,
    per_user_limit: AtomicU32,
}

/// Marks a request that has entered and is not decided yet; dropped with the message.
#[derive(Debug)]
pub struct Entering {
    entering: Arc<DashMap<(FlashSaleId, UserId), usize>>,
    who: (FlashSaleId, UserId),
}

impl Drop for Entering {
    fn drop(&mut self) {
        if let Some(mut count) = self.entering.get_mut(&self.who) {
            *count -= 1;
        }
        self.entering.remove_if(&self.who, |_, count| *count == 0);
    }
}

impl PublishedView {
    /// Refuses a purchase that cannot succeed, or marks its entry.
    pub fn enter(
        &self,
        sale: FlashSaleId,
        user: UserId,
        quantity: u32,
        now: Timestamp,
    ) -> Result<Entering, Refusal> {
        let who = (sale, user);
        // The actor adds a buyer, then updates the availability, then drops the entry. Reading in the
        // opposite order misses nobody between the two sets.
        if let Some(published_view) = self.sale(sale)
            && let Some(refusal) = published_view.refusal(quantity, now)
            && !self.entering.contains_key(&who)
            && !self.buyers.contains(&user)
        {
            return Err(refusal);
        }
        *self.entering.entry(who).or_insert(0) += 1;
        Ok(Entering { entering: self.entering.clone(), who })
    }

    /// Units of a sale that are for sale, if it is shown.
    pub fn available(&self, sale: FlashSaleId) -> Option<i64> {
        Some(self.sale(sale)?.available.load(Ordering::Acquire))
    }

    pub(super) fn publish(&self, state: &State, events: &[Event]) {
        if events.is_empty() {
            for (id, sale) in &state.sales {
                self.show(*id, sale);
            }
            return;
        }
        for event in events {
            match event {
                Event::Reserved(reserved) => {
                    if let Some((id, sale)) = reserved.sale.and_then(|id| state.sales.get_key_value(&id)) {
                        self.buyers.insert(reserved.user);
                        self.show(*id, sale);
                    }
                }
                Event::Confirmed { reservation, .. } | Event::Released { reservation, .. } => {
                    let sale = state.reservations.get(reservation).and_then(|known| known.sale);
                    if let Some((id, sale)) = sale.and_then(|id| state.sales.get_key_value(&id)) {
                        self.show(*id, sale);
                    }
                }
                Event::SaleOpened { sale, .. }
                | Event::SaleExtended { sale, .. }
                | Event::SaleAmended { sale, .. }
                | Event::SalePaused { sale, .. }
                | Event::SaleResumed { sale, .. }
                | Event::SaleClosed { sale, .. } => {
                    if let Some((id, sale)) = state.sales.get_key_value(sale) {
                        self.show(*id, sale);
                    }
                }
                Event::Initialized { .. }
                | Event::Received { .. }
                | Event::Adjusted { .. }
                | Event::Voided { .. } => {}
            }
        }
    }

    fn sale(&self, id: FlashSaleId) -> Option<Arc<PublishedSale>> {
        self.sales.read().ok()?.get(&id).cloned()
    }

    /// Shows a sale as it is; a new one appears whole.
    fn show(&self, id: FlashSaleId, sale: &Sale) {
        if let Some(published_view) = self.sale(id) {
            return published_view.set(sale);
        }
        let published_view = PublishedSale::default();
        for user in sale.buyers.keys() {
            self.buyers.insert(*user);
        }
        published_view.set(sale);
        if let Ok(mut sales) = self.sales.write() {
            sales.insert(id, Arc::new(published_view));
        }
    }
}

impl PublishedSale {
    fn set(&self, sale: &Sale) {
        self.starts_at.store(sale.terms.starts_at.as_millis(), Ordering::Release);
        self.ends_at.store(sale.terms.ends_at.as_millis(), Ordering::Release);
        self.per_user_limit.store(sale.terms.per_user_limit, Ordering::Release);
        self.paused.store(sale.paused, Ordering::Release);
        self.closed.store(sale.closed_at.is_some(), Ordering::Release);
        self.available.store(sale.pool.available, Ordering::Release);
    }

    /// What the actor would answer to a user without any reservation.
    fn refusal(&self, quantity: u32, now: Timestamp) -> Option<Refusal> {
        let starts_at = Timestamp::from_millis(self.starts_at.load(Ordering::Acquire));
        let closed = self.closed.load(Ordering::Acquire);
        if now < starts_at && !closed {
            return Some(Refusal::NotStarted { starts_at });
        }
        if closed || now.as_millis() >= self.ends_at.load(Ordering::Acquire) {
            return Some(Refusal::Ended);
        }
        if self.paused.load(Ordering::Acquire) {
            return Some(Refusal::Paused);
        }
        let limit = self.per_user_limit.load(Ordering::Acquire);
        if quantity > limit {
            return Some(Refusal::LimitReached { limit, have: 0 });
        }
        (self.available.load(Ordering::Acquire) == 0).then_some(Refusal::SoldOut)
    }
}
