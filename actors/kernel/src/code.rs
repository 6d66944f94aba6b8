//! The stable error codes of the HTTP contract.

use std::fmt;

macro_rules! codes {
    ($($variant:ident = $text:literal),+ $(,)?) => {
        /// Why a request was refused. The text of a code never changes once published; its HTTP
        /// status stands in the `http` member, in one exhaustive table.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $($variant),+
        }

        impl Code {
            /// Every code, in the order of the contract.
            pub const ALL: &'static [Code] = &[$(Code::$variant),+];

            /// The published text.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Code::$variant => $text),+
                }
            }
        }
    };
}

codes! {
    Unauthenticated = "unauthenticated",
    TokenExpired = "token_expired",
    WrongCredentials = "wrong_credentials",
    Forbidden = "forbidden",
    NotFound = "not_found",
    MethodNotAllowed = "method_not_allowed",
    RequestTimeout = "request_timeout",
    PayloadTooLarge = "payload_too_large",
    UnsupportedMediaType = "unsupported_media_type",
    InvalidRequest = "invalid_request",
    IdempotencyMismatch = "idempotency_mismatch",
    Malformed = "malformed",
    Paused = "paused",
    Conflict = "conflict",
    VersionConflict = "version_conflict",
    SoldOut = "sold_out",
    LimitReached = "limit_reached",
    NotStarted = "not_started",
    Ended = "ended",
    InsufficientStock = "insufficient_stock",
    OrderState = "order_state",
    AmountMismatch = "amount_mismatch",
    CouponInvalid = "coupon_invalid",
    ReservationExpired = "reservation_expired",
    RateLimited = "rate_limited",
    Overloaded = "overloaded",
    Unavailable = "unavailable",
    OutcomeUnknown = "outcome_unknown",
    Internal = "internal",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
