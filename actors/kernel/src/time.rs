//! Moments and spans, in whole milliseconds.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// A span of time in milliseconds.
pub type Millis = i64;

/// A duration in whole milliseconds, or as many as a number holds.
#[must_use]
pub fn whole_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A moment in milliseconds since 1970-01-01T00:00:00Z. The journal holds the number; the HTTP
/// contract shows RFC 3339 (`Display`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The last moment that a caller may name: 9999-12-31T23:59:59.999Z.
    pub const MAX: Timestamp = Timestamp(253_402_300_799_999);

    /// A moment from its milliseconds since the epoch, kept within year 1970 to 9999.
    #[must_use]
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.clamp(0, Self::MAX.0))
    }

    /// The moment that is this long after the epoch, kept within year 1970 to 9999.
    #[must_use]
    pub fn after_epoch(elapsed: Duration) -> Self {
        Self::from_millis(i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX))
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// This moment moved by `span`.
    #[must_use]
    pub fn plus(self, span: Millis) -> Self {
        Self::from_millis(self.0.saturating_add(span))
    }

    /// The span from `earlier` to this moment; negative when `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Timestamp) -> Millis {
        self.0.saturating_sub(earlier.0)
    }

    /// Reads RFC 3339.
    pub fn parse(text: &str) -> Result<Self, time::error::Parse> {
        OffsetDateTime::parse(text, &Rfc3339).map(Self::from)
    }

    /// For date arithmetic and databases.
    #[must_use]
    pub fn to_offset_date_time(self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }
}

impl From<OffsetDateTime> for Timestamp {
    fn from(moment: OffsetDateTime) -> Self {
        Self::from_millis(moment.unix_timestamp() * 1_000 + i64::from(moment.millisecond()))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let t = self.to_offset_date_time();
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            t.year(),
            u8::from(t.month()),
            t.day(),
            t.hour(),
            t.minute(),
            t.second(),
            t.millisecond()
        )
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_read_back_from_their_text() {
        let moment = Timestamp::from_millis(1_795_161_600_123);
        assert_eq!(moment.to_string(), "2026-11-20T08:00:00.123Z");
        assert_eq!(Timestamp::parse(&moment.to_string()).ok(), Some(moment));
        assert_eq!(Timestamp::parse("2026-11-20T16:00:00.123+08:00").ok(), Some(moment));
    }

    #[test]
    fn moments_are_kept_within_their_years() {
        let parsed = |text: &str| Timestamp::parse(text).map(Timestamp::as_millis);
        assert_eq!(parsed("1969-12-31T23:59:59.999Z"), Ok(0));
        assert_eq!(parsed("1970-01-01T00:00:00.001999Z"), Ok(1));
        assert_eq!(parsed("9999-12-31T23:59:59.999999Z"), Ok(Timestamp::MAX.as_millis()));
        assert_eq!(Timestamp::after_epoch(Duration::from_millis(7)), Timestamp::from_millis(7));
        assert_eq!(Timestamp::after_epoch(Duration::MAX), Timestamp::MAX);
        assert_eq!((whole_millis(Duration::from_micros(1_999)), whole_millis(Duration::MAX)), (1, u64::MAX));
    }
}
