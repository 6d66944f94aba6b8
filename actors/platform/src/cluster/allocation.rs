//! Who should own which shards: the same plan on every node that sees the same table. Pure.

use std::collections::{BTreeMap, BTreeSet};

use stampede_kernel::ShardId;

/// What the table says: the nodes that can own shards, and every shard's owner.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterView {
    /// Nodes whose lease has not lapsed and that are not about to go.
    pub nodes: BTreeSet<String>,
    /// Nodes whose lease has not lapsed and that want no shards.
    pub leaving: BTreeSet<String>,
    /// The owner of every shard, by its number.
    pub owners: Vec<Option<String>>,
}

/// Shards that one node gives to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    pub shards: Vec<ShardId>,
    pub to: String,
}

impl ClusterView {
    /// How many shards each node should own: as many as any other, or one more.
    fn shares(&self) -> BTreeMap<&str, usize> {
        let (all, nodes) = (self.owners.len(), self.nodes.len().max(1));
        let share = |rank: usize| all / nodes + usize::from(rank < all % nodes);
        self.nodes.iter().enumerate().map(|(rank, node)| (node.as_str(), share(rank))).collect()
    }

    /// How many more shards each node should own than it does; those that own too many are left out.
    fn wants(&self) -> BTreeMap<&str, usize> {
        let mut wants = self.shares();
        for owner in self.owners.iter().flatten() {
            if let Some(share) = wants.get_mut(owner.as_str()) {
                *share = share.saturating_sub(1);
            }
        }
        wants.retain(|_, want| *want > 0);
        wants
    }

    fn shards(&self, owned: impl Fn(Option<&String>) -> bool) -> Vec<ShardId> {
        ShardId::from_zero()
            .zip(&self.owners)
            .filter(|(_, owner)| owned(owner.as_ref()))
            .map(|(shard, _)| shard)
            .collect()
    }

    /// Shards that nobody owns, or only a node that is gone.
    fn free(&self) -> Vec<ShardId> {
        self.shards(|owner| owner.is_none_or(|owner| !self.nodes.contains(owner)))
    }

    /// Hands shards out to those who want some, in the order of their names.
    fn hand_out(&self, shards: Vec<ShardId>) -> BTreeMap<&str, Vec<ShardId>> {
        let mut shards = shards.into_iter();
        let hand_out = |(node, want)| (node, shards.by_ref().take(want).collect());
        self.wants().into_iter().map(hand_out).collect()
    }

    /// The free shards that `me` should take.
    #[must_use]
    pub fn to_take(&self, me: &str) -> Vec<ShardId> {
        self.hand_out(self.free()).remove(me).unwrap_or_default()
    }

    /// What `me` should give away: all, if it is about to go, else what it has too much of. Nothing
    /// while some shards are free, for then the view is about to change.
    #[must_use]
    pub fn to_give(&self, me: &str) -> Vec<Transfer> {
        let leaving = !self.nodes.contains(me);
        if !leaving && !self.free().is_empty() {
            return Vec::new();
        }
        let mut surplus = Vec::new();
        for (node, share) in self.shares() {
            surplus.extend(self.shards(|owner| owner.is_some_and(|owner| owner == node)).split_off_at(share));
        }
        if leaving {
            surplus = self.shards(|owner| owner.is_some_and(|owner| owner == me));
        }
        let mine = |shard: &ShardId| self.owners[shard.index()].as_deref() == Some(me);
        self.hand_out(surplus)
            .into_iter()
            .map(|(to, shards)| Transfer {
                shards: shards.into_iter().filter(mine).collect(),
                to: to.to_owned(),
            })
            .filter(|transfer| !transfer.shards.is_empty())
            .collect()
    }
}

trait SplitOffAt<T> {
    fn split_off_at(self, at: usize) -> Vec<T>;
}

impl<T> SplitOffAt<T> for Vec<T> {
    /// What stands from `at` on.
    fn split_off_at(mut self, at: usize) -> Vec<T> {
        self.split_off(at.min(self.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(nodes: &[&str], owners: &[&str]) -> ClusterView {
        let owner = |owner: &&str| (!owner.is_empty()).then(|| (*owner).to_owned());
        ClusterView {
            nodes: nodes.iter().map(|node| (*node).to_owned()).collect(),
            leaving: BTreeSet::new(),
            owners: owners.iter().map(owner).collect(),
        }
    }

    fn shards(numbers: &[u16]) -> Vec<ShardId> {
        numbers.iter().map(|number| ShardId::try_from(*number).unwrap()).collect()
    }

    /// Lets every node do what the plan says until nobody has anything to do.
    fn settle(mut view: ClusterView) -> ClusterView {
        for _ in 0..10 {
            let before = view.clone();
            let everybody: BTreeSet<String> =
                view.nodes.iter().cloned().chain(view.owners.iter().flatten().cloned()).collect();
            for me in everybody {
                for shard in if view.nodes.contains(&me) { view.to_take(&me) } else { Vec::new() } {
                    view.owners[shard.index()] = Some(me.clone());
                }
                for transfer in view.to_give(&me) {
                    for shard in transfer.shards {
                        view.owners[shard.index()] = Some(transfer.to.clone());
                    }
                }
            }
            if view == before {
                return view;
            }
        }
        panic!("the plan never rests: {view:?}");
    }

    fn counts(view: &ClusterView) -> Vec<usize> {
        let owned = |node: &String| view.owners.iter().flatten().filter(|owner| *owner == node).count();
        view.nodes.iter().map(owned).collect()
    }

    #[test]
    fn a_node_on_its_own_takes_everything() {
        assert_eq!(view(&["a"], &["", "", "gone"]).to_take("a"), shards(&[0, 1, 2]));
        assert_eq!(view(&["a"], &["a", "a", "a"]).to_give("a"), []);
    }

    #[test]
    fn nobody_takes_what_another_should() {
        let view = view(&["a", "b"], &["", "", "", ""]);
        assert_eq!((view.to_take("a"), view.to_take("b")), (shards(&[0, 1]), shards(&[2, 3])));
        assert_eq!(view.to_give("a"), []);
    }

    #[test]
    fn a_newcomer_gets_its_share_and_no_more_is_moved_than_must_be() {
        let before = view(&["a", "b", "c"], &["a", "a", "a", "b", "b", "b", "b"]);
        assert_eq!(before.to_give("b"), [Transfer { shards: shards(&[5, 6]), to: "c".to_owned() }]);
        let after = settle(before.clone());
        assert_eq!(counts(&after), [3, 2, 2]);
        let moved = before.owners.iter().zip(&after.owners).filter(|(before, after)| before != after);
        assert_eq!(moved.count(), 2);
    }

    #[test]
    fn the_shards_of_a_dead_node_are_shared_out() {
        let after = settle(view(&["a", "b"], &["a", "a", "b", "b", "dead", "dead"]));
        assert_eq!(counts(&after), [3, 3]);
    }

    #[test]
    fn a_node_that_goes_gives_everything() {
        let before = view(&["a", "b"], &["a", "b", "c", "c", "c", "c"]);
        let transfers = before.to_give("c");
        assert_eq!(transfers.iter().map(|transfer| transfer.shards.len()).sum::<usize>(), 4);
        assert_eq!(counts(&settle(before)), [3, 3]);
        assert_eq!(view(&[], &["c"]).to_give("c"), [], "there is nobody to give to");
    }

    #[test]
    fn every_spread_comes_to_rest_evenly() {
        for nodes in 1..=5 {
            for shards in [1, 7, 64] {
                let names: Vec<String> = (0..nodes).map(|n| format!("n{n}")).collect();
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                let owners = vec!["n0"; shards];
                let counts = counts(&settle(view(&names, &owners)));
                let (least, most) = (counts.iter().min(), counts.iter().max());
                assert!(most.zip(least).is_some_and(|(most, least)| most - least <= 1), "{counts:?}");
                assert_eq!(counts.iter().sum::<usize>(), shards);
            }
        }
    }
}
