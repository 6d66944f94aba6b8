//! Which entries are under way, and up to where everything is done.

use std::collections::{BTreeSet, HashMap};

use stampede_kernel::ShardId;
use stampede_platform::journal::Position;

/// The low-water mark of each shard.
#[derive(Debug, Default)]
pub(super) struct Window {
    shards: HashMap<ShardId, Shard>,
    moved: bool,
}

#[derive(Debug, Default)]
struct Shard {
    seen: i64,
    under_way: BTreeSet<i64>,
}

impl Window {
    /// An entry was handed out; entries of a shard come in order.
    pub(super) fn began(&mut self, position: Position) {
        let shard = self.shards.entry(position.shard).or_default();
        shard.seen = shard.seen.max(position.seq);
        shard.under_way.insert(position.seq);
    }

    /// Everything that follows from an entry is done.
    pub(super) fn done(&mut self, position: Position) {
        if let Some(shard) = self.shards.get_mut(&position.shard) {
            self.moved |= shard.under_way.first() == Some(&position.seq);
            shard.under_way.remove(&position.seq);
        }
    }

    /// Entries under way.
    pub(super) fn len(&self) -> usize {
        self.shards.values().map(|shard| shard.under_way.len()).sum()
    }

    /// The low-water marks, if any has moved since the last call.
    pub(super) fn moved(&mut self) -> Option<HashMap<ShardId, i64>> {
        std::mem::take(&mut self.moved).then(|| {
            self.shards
                .iter()
                .map(|(id, shard)| (*id, shard.under_way.first().map_or(shard.seen, |first| first - 1)))
                .collect()
        })
    }

    /// The next call of [`Window::moved`] answers again: the last answer could not be kept.
    pub(super) fn not_kept(&mut self) {
        self.moved = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_stays_below_what_is_under_way() {
        let shard = ShardId::try_from(3_u16).expect("a shard");
        let at = |seq| Position { shard, seq };
        let mut window = Window::default();
        for seq in 1..=4 {
            window.began(at(seq));
        }
        window.done(at(2));
        window.done(at(3));
        assert_eq!(window.moved(), None, "the first is still under way");
        window.done(at(1));
        assert_eq!(window.moved(), Some(HashMap::from([(shard, 3)])));
        assert_eq!(window.moved(), None);
        window.done(at(4));
        assert_eq!(window.moved(), Some(HashMap::from([(shard, 4)])));
        assert_eq!(window.len(), 0);
    }
}
