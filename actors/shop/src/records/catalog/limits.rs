//! Limits of the catalog.

/// Characters of a product's name.
pub const PRODUCT_NAME_CHARS_MAX: usize = 200;
/// Characters of a product's description.
pub const DESCRIPTION_CHARS_MAX: usize = 20_000;
/// Characters of a brand, a tag, a category's name, a SKU's code or a specification's name.
pub const LABEL_CHARS_MAX: usize = 100;
/// Characters of a specification's value.
pub const SPEC_CHARS_MAX: usize = 500;
/// Tags of one product.
pub const TAGS_MAX: usize = 20;
/// Images of one product.
pub const IMAGES_MAX: usize = 20;
/// Characters of an image's address.
pub const IMAGE_CHARS_MAX: usize = 2_048;
/// Specifications of one product or SKU.
pub const SPECS_MAX: usize = 50;
/// SKUs of one product.
pub const SKUS_MAX: usize = 100;
/// Categories of the shop.
pub const CATEGORIES_MAX: i64 = 5_000;
/// Products on one page of a list.
pub const PAGE_SIZE_MAX: u32 = 100;
/// The last page of a list of products that may be asked for.
pub const PAGE_MAX: u32 = 100_000;
/// Characters of a keyword to search for.
pub const KEYWORD_CHARS_MAX: usize = 100;
/// Products that are cached, and as many SKUs.
pub const PRODUCTS_CACHED_MAX: u64 = 20_000;
/// How long a cached product may differ from its row when this node was not told of a change at another.
pub const CATALOG_CACHE_TTL_MS: u64 = 1_000;
