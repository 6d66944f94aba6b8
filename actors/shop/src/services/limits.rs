//! Limits of the use cases.

/// How long the answer to a purchase waits for its order before it is answered without it (202).
pub const ORDER_WAIT_MS: u64 = 250;
/// Flash sales whose SKU is cached; a sale never changes its SKU.
pub const SALES_CACHED_MAX: u64 = 100_000;
/// How long it is cached that a flash sale does not exist.
pub const UNKNOWN_SALE_TTL_MS: u64 = 500;
/// How long the open sale of a SKU is cached, for addresses that name a product.
pub const OPEN_SALE_TTL_MS: u64 = 500;
/// How long the answer to a new flash sale waits until the tables show the sale.
pub const SALE_SHOWN_MS_MAX: u64 = 2_000;
/// How often the tables are read while an answer waits for them.
pub const TABLES_POLL_MS: u64 = 10;
/// How long the available units of a SKU are cached, for a crowd that looks at one product.
pub const AVAILABLE_TTL_MS: u64 = 500;
/// SKUs whose available units are cached.
pub const AVAILABLE_CACHED_MAX: u64 = 100_000;
/// Products whose status one request may change.
pub const STATUS_PRODUCTS_MAX: usize = 100;
/// Users for load tests that one request may make.
pub const LOAD_USERS_PER_REQUEST_MAX: u32 = 5_000;
/// Dead letters that one request lists or retries.
pub const DEAD_LETTERS_LISTED_MAX: i64 = 100;
/// SKUs that are stocked at once while a catalog is seeded.
pub const SEED_STOCKING_MAX: usize = 64;
