//! Identifiers. One type for each, so that a user's id cannot be passed as a SKU's.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Timestamp;

macro_rules! uuid_ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    )+};
}

uuid_ids! {
    /// A person with an account.
    UserId,
    /// A node of the catalog's tree.
    CategoryId,
    /// A product of the catalog; it has one or more SKUs.
    ProductId,
    /// The unit that has stock and a price.
    SkuId,
    /// One flash sale of one SKU.
    FlashSaleId,
    /// Units held for one buyer.
    ReservationId,
}

/// The characters of Crockford's base 32, in order: no I, L, O, U.
const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// An order's number: the UTC date `YYYYMMDD`, then 12 Crockford base-32 characters, of which the
/// upper 27 bits are the millisecond of that day and the lower 33 tell orders of that millisecond
/// apart. Numbers sort by time.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OrderNo([u8; 20]);

/// A text that is not an order number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an order number is 8 digits and 12 characters of 0-9 and A-Z without I, L, O and U")]
pub struct OrderNoError;

impl OrderNo {
    /// Bits below the millisecond, given by the caller; only the lower 33 are used.
    pub const DISCRIMINATOR_BITS: u32 = 33;

    /// The number of an order made at `at`, told apart from others of that millisecond by
    /// `discriminator`.
    #[must_use]
    pub fn new(at: Timestamp, discriminator: u64) -> Self {
        const DAY_MS: i64 = 86_400_000;
        let date = at.to_offset_date_time().date();
        let day_ms = at.as_millis().rem_euclid(DAY_MS).unsigned_abs();
        let low = discriminator & ((1 << Self::DISCRIMINATOR_BITS) - 1);
        let mut bits = (day_ms << Self::DISCRIMINATOR_BITS) | low;
        let mut text = [b'0'; 20];
        for place in (8..20).rev() {
            text[place] = CROCKFORD[(bits & 31) as usize];
            bits >>= 5;
        }
        // No moment lies before the year 1970.
        let mut day = date.year().unsigned_abs() * 10_000
            + u32::from(u8::from(date.month())) * 100
            + u32::from(date.day());
        for place in (0..8).rev() {
            text[place] = b'0' + (day % 10) as u8;
            day /= 10;
        }
        Self(text)
    }

    /// When the number was made, to the millisecond; none if its digits are no date.
    #[must_use]
    pub fn made_at(&self) -> Option<Timestamp> {
        let digit = |place: usize| i32::from(self.0[place] - b'0');
        let number = |places: std::ops::Range<usize>| places.fold(0, |sum, place| sum * 10 + digit(place));
        let month = time::Month::try_from(u8::try_from(number(4..6)).ok()?).ok()?;
        let date =
            time::Date::from_calendar_date(number(0..4), month, u8::try_from(number(6..8)).ok()?).ok()?;
        let mut bits: u64 = 0;
        for character in &self.0[8..] {
            let value = CROCKFORD.iter().position(|known| known == character)?;
            bits = (bits << 5) | value as u64;
        }
        let day_ms = i64::try_from(bits >> Self::DISCRIMINATOR_BITS).ok()?;
        Some(Timestamp::from(date.midnight().assume_utc()).plus(day_ms))
    }

    /// The 20 characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // The constructors admit ASCII only.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for OrderNo {
    type Err = OrderNoError;
    fn from_str(text: &str) -> Result<Self, OrderNoError> {
        let bytes: [u8; 20] = text.as_bytes().try_into().map_err(|_| OrderNoError)?;
        let day = bytes[..8].iter().all(u8::is_ascii_digit);
        let rest = bytes[8..].iter().all(|byte| CROCKFORD.contains(byte));
        if day && rest { Ok(Self(bytes)) } else { Err(OrderNoError) }
    }
}

impl fmt::Display for OrderNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for OrderNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for OrderNo {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for OrderNo {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_numbers_sort_by_time_and_read_back() {
        let at = Timestamp::from_millis(1_795_161_600_123);
        let first = OrderNo::new(at, u64::MAX);
        let second = OrderNo::new(Timestamp::from_millis(at.as_millis() + 1), 0);
        assert!(first < second, "{first} before {second}");
        assert_eq!(&first.as_str()[..8], "20261120");
        assert_eq!(first.as_str().parse::<OrderNo>(), Ok(first));
        assert_eq!((first.made_at(), second.made_at()), (Some(at), Some(at.plus(1))));
        assert_ne!(OrderNo::new(at, 1), OrderNo::new(at, 2));
    }

    #[test]
    fn what_is_no_order_number_is_refused() {
        for text in ["", "20261120", "2026112000000000000I", "X0261120000000000000", "202611200000000000000"]
        {
            assert_eq!(text.parse::<OrderNo>(), Err(OrderNoError), "{text:?}");
        }
    }
}
