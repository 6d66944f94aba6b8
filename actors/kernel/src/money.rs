//! Money: exact decimals with two places, never floating point.

use std::{fmt, str::FromStr};

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// An amount in a currency's major unit with at most two decimals, never negative.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(Decimal);

/// Why a text or number is no amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    #[error("an amount is a decimal number such as \"19.90\"")]
    NotANumber,
    #[error("an amount has at most two decimals")]
    TooManyDecimals,
    #[error("an amount is not negative")]
    Negative,
    #[error("an amount is at most 9999999999.99")]
    TooLarge,
}

impl Money {
    /// Nothing.
    pub const ZERO: Money = Money(Decimal::ZERO);
    /// The largest single price, in the smallest unit (cents, fen).
    pub const MINOR_MAX: i64 = 999_999_999_999;

    /// An amount from its smallest unit: 1990 is `19.90`.
    #[must_use]
    pub fn from_minor(minor: i64) -> Self {
        let mut amount = Decimal::new(minor.max(0), 2);
        amount.rescale(2);
        Self(amount)
    }

    /// A checked amount.
    pub fn new(mut amount: Decimal) -> Result<Self, MoneyError> {
        if amount.is_sign_negative() && !amount.is_zero() {
            return Err(MoneyError::Negative);
        }
        if amount.normalize().scale() > 2 {
            return Err(MoneyError::TooManyDecimals);
        }
        if amount > Decimal::new(Self::MINOR_MAX, 2) {
            return Err(MoneyError::TooLarge);
        }
        amount.rescale(2);
        Ok(Self(amount))
    }

    /// The price of `quantity` units.
    #[must_use]
    pub fn times(self, quantity: u32) -> Self {
        let mut amount = self.0 * Decimal::from(quantity);
        amount.rescale(2);
        Self(amount)
    }

    /// The amount as a decimal with two places.
    #[must_use]
    pub fn as_decimal(self) -> Decimal {
        self.0
    }

    /// The amount in the smallest unit.
    #[must_use]
    pub fn as_minor(self) -> i64 {
        i64::try_from(self.0.mantissa()).unwrap_or(i64::MAX)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for Money {
    type Err = MoneyError;
    fn from_str(text: &str) -> Result<Self, MoneyError> {
        // The decimal parser accepts more: a sign, underscores, a point without digits on one side.
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
        if !digits(whole) || !digits(fraction) {
            return Err(MoneyError::NotANumber);
        }
        let amount = Decimal::from_str_exact(text).map_err(|_| MoneyError::NotANumber)?;
        Self::new(amount)
    }
}

impl Serialize for Money {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// An ISO 4217 code of three capital letters.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    /// The renminbi, the shop's default.
    pub const CNY: Currency = Currency(*b"CNY");

    /// The three letters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for Currency {
    type Err = MoneyError;
    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let bytes: [u8; 3] = text.as_bytes().try_into().map_err(|_| MoneyError::NotANumber)?;
        if bytes.iter().all(u8::is_ascii_uppercase) { Ok(Self(bytes)) } else { Err(MoneyError::NotANumber) }
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Currency {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_always_show_two_decimals() {
        for (given, shown) in [("0", "0.00"), ("19.9", "19.90"), ("1234567.89", "1234567.89")] {
            assert_eq!(given.parse::<Money>().map(|money| money.to_string()), Ok(shown.to_owned()));
        }
        assert_eq!(Money::from_minor(1990).times(3).to_string(), "59.70");
        assert_eq!(Money::from_minor(1990).as_minor(), 1990);
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for (given, why) in [
            ("-1", MoneyError::Negative),
            ("1.999", MoneyError::TooManyDecimals),
            ("NaN", MoneyError::NotANumber),
            ("", MoneyError::NotANumber),
            ("1_0", MoneyError::NotANumber),
            ("+1", MoneyError::NotANumber),
            (".5", MoneyError::NotANumber),
            ("5.", MoneyError::NotANumber),
            ("1.2.3", MoneyError::NotANumber),
            ("10000000000.00", MoneyError::TooLarge),
        ] {
            assert_eq!(given.parse::<Money>(), Err(why), "{given:?}");
        }
    }
}
