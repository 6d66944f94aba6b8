//! Admission: how many messages an actor may hold, per lane.
//!
//! actix's own mailbox bound is not enough (each clone of an address brings a slot of its
//! own), so places are counted here and the mailbox is larger than all lanes together.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use stampede_kernel::Lane;

use super::limits::{LANE_ENDING_MAX, LANE_NORMAL_MAX};

/// The places of one actor.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    normal: AtomicUsize,
    ending: AtomicUsize,
}

/// A place in a lane, kept until the message is answered.
#[derive(Debug)]
pub struct Admission {
    lanes: Arc<Lanes>,
    lane: Lane,
}

impl Lanes {
    /// A mailbox of this size is never full.
    pub(super) const MAILBOX: usize = LANE_NORMAL_MAX + LANE_ENDING_MAX + 64;

    fn lane(&self, lane: Lane) -> (&AtomicUsize, usize) {
        match lane {
            Lane::Normal => (&self.normal, LANE_NORMAL_MAX),
            Lane::Ending => (&self.ending, LANE_ENDING_MAX),
        }
    }

    /// A place, or `None` when the lane is full.
    pub(super) fn admit(self: &Arc<Self>, lane: Lane) -> Option<Admission> {
        let (places, limit) = self.lane(lane);
        if places.fetch_add(1, Ordering::AcqRel) >= limit {
            places.fetch_sub(1, Ordering::AcqRel);
            return None;
        }
        Some(Admission { lanes: self.clone(), lane })
    }

    /// Messages admitted and not answered yet.
    pub(super) fn admitted(&self) -> usize {
        self.normal.load(Ordering::Acquire) + self.ending.load(Ordering::Acquire)
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.lanes.lane(self.lane).0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_lane_refuses_and_leaves_the_other_open() {
        let lanes = Arc::new(Lanes::default());
        let places: Vec<_> = (0..LANE_NORMAL_MAX).map(|_| lanes.admit(Lane::Normal)).collect();
        assert!(places.iter().all(Option::is_some));
        assert!(lanes.admit(Lane::Normal).is_none());
        assert!(lanes.admit(Lane::Ending).is_some());
        drop(places);
        assert_eq!(lanes.admitted(), 0);
        assert!(lanes.admit(Lane::Normal).is_some());
    }
}
