//! Limits of the HTTP server.

/// Characters of a note or reason.
pub const NOTE_CHARS_MAX: usize = 500;
/// The longest life of an access token.
pub const ACCESS_TOKEN_SECONDS_MAX: u32 = 86_400;
/// Bytes of an access token; a longer one is refused unread.
pub const TOKEN_BYTES_MAX: usize = 2_048;
/// Bytes that the key that signs access tokens must have.
pub const SIGNING_KEY_BYTES_MIN: usize = 32;
/// How far the clocks of two nodes may differ for the one to accept the other's access tokens.
pub const CLOCK_SKEW_SECONDS: u64 = 2;
/// Access tokens that one worker remembers as verified, about 130 bytes each; twice as many just before it
/// forgets the older half. Enough for the buyers of one sale: verifying a signature takes some forty times as
/// long as looking a token up.
pub const VERIFIED_TOKENS_MAX: usize = 32_768;
/// Bytes of a request's body where the settings say nothing.
pub const BODY_BYTES_MAX: usize = 1 << 20;
/// How long a request's body may take to arrive where the settings say nothing.
pub const BODY_MS_MAX: u64 = 10_000;
/// Bytes of a request's id that is accepted from a caller.
pub const REQUEST_ID_BYTES_MAX: usize = 64;
/// Bytes of a `tracestate` header; a longer one is dropped.
pub const TRACESTATE_BYTES_MAX: usize = 512;
/// Addresses that are read from the end of a chain of proxies.
pub const HOPS_MAX: usize = 16;
/// Callers that the rate limits of one class remember; when there are more, all of that class are forgotten
/// at once, which is lenient but bounded.
pub const CALLERS_MAX: usize = 500_000;
/// How often callers are forgotten whose rate limits are whole again.
pub const CALLERS_SWEEP_INTERVAL_MS: u64 = 5_000;
/// Bytes of an answer that is worth compressing; a smaller one is sent as it is.
pub const COMPRESS_BYTES_MIN: u64 = 1_024;
/// Fields that one problem names.
pub const FIELD_ERRORS_MAX: usize = 32;
/// Entries on one page of a list.
pub const PAGE_SIZE_MAX: u32 = 100;
/// The last page of a list that may be asked for; skipping further would be slow.
pub const PAGE_MAX: u32 = 10_000;
/// How long one part of the node may take to answer a health check.
pub const HEALTH_CHECK_MS_MAX: u64 = 2_000;
/// Connections that the system holds before a worker accepts them.
pub const BACKLOG_MAX: u32 = 4_096;
/// How long a client may take to close its connection.
pub const DISCONNECT_MS_MAX: u64 = 1_000;
