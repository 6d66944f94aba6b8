//! Shards: the unit in which nodes own actors.

use std::{fmt, hash::Hasher};

use fnv::FnvHasher;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The number of a shard, from zero. It always fits a `smallint` column.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct ShardId(u16);

/// A number that is no shard's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not the number of a shard: they are from 0 to {max}", max = ShardId::MAX.get())]
pub struct ShardIdError(pub i32);

impl ShardId {
    /// The highest number.
    pub const MAX: ShardId = ShardId(i16::MAX.unsigned_abs());

    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The number as an index.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// The number as its column holds it.
    #[must_use]
    pub const fn as_smallint(self) -> i16 {
        // At most `i16::MAX`, by construction.
        self.0.cast_signed()
    }

    /// Every number, in order: to count along a list of shards.
    pub fn from_zero() -> impl Iterator<Item = ShardId> + Clone {
        (0..=Self::MAX.0).map(ShardId)
    }

    /// The shards of a shop that has `count` of them.
    pub fn all(count: u16) -> impl Iterator<Item = ShardId> + Clone {
        Self::from_zero().take(usize::from(count))
    }
}

impl TryFrom<u16> for ShardId {
    type Error = ShardIdError;
    fn try_from(number: u16) -> Result<Self, ShardIdError> {
        if number <= Self::MAX.0 { Ok(Self(number)) } else { Err(ShardIdError(i32::from(number))) }
    }
}

impl TryFrom<i16> for ShardId {
    type Error = ShardIdError;
    fn try_from(number: i16) -> Result<Self, ShardIdError> {
        u16::try_from(number).map(Self).map_err(|_| ShardIdError(i32::from(number)))
    }
}

impl From<ShardId> for u16 {
    fn from(shard: ShardId) -> Self {
        shard.0
    }
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The name of [`shard_of`]'s hash, kept in the database so that another one refuses to start.
pub const SHARD_HASH: &str = "fnv1a-64";

/// The shard of an actor: FNV-1a over its kind and id.
#[must_use]
pub fn shard_of(kind: &str, actor: Uuid, shards: u16) -> ShardId {
    let mut hasher = FnvHasher::default();
    hasher.write(kind.as_bytes());
    hasher.write(actor.as_bytes());
    let shards = u64::from(shards.clamp(1, ShardId::MAX.0));
    // The remainder is smaller than a `u16`.
    ShardId((hasher.finish() % shards) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_fit_their_column() {
        assert_eq!(ShardId::try_from(63_u16).map(ShardId::as_smallint), Ok(63));
        assert_eq!(ShardId::try_from(ShardId::MAX.as_smallint()), Ok(ShardId::MAX));
        assert_eq!(ShardId::try_from(32_768_u16), Err(ShardIdError(32_768)));
        assert_eq!(ShardId::try_from(-1_i16), Err(ShardIdError(-1)));
        assert_eq!(ShardId::all(3).map(ShardId::get).collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn an_actor_stays_in_its_shard() {
        let actor = Uuid::from_u128(0x019a_9d2c_1a00_7000_8000_0000_0000_0005);
        assert_eq!(shard_of("stock", actor, 1).get(), 0);
        assert!(shard_of("stock", actor, 64).get() < 64);
    }
}
