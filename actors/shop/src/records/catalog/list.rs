//! Lists of products: filtered, sorted, by page.

use sqlx::Row;
use stampede_kernel::{CategoryId, Money, UserId};

use super::{
    Catalog,
    error::ReadError,
    model::{Product, ProductStatus},
    read::product_columns,
};
use crate::records::catalog::limits::{KEYWORD_CHARS_MAX, PAGE_MAX, PAGE_SIZE_MAX};

/// Which products a list holds, and in what order.
#[derive(Debug, Clone)]
pub struct ProductFilter {
    /// Those of this category and of all below it.
    pub category_id: Option<CategoryId>,
    /// Those whose name, brand, description or tags hold this text, in any case.
    pub keyword: Option<String>,
    /// Those of this brand, in any case.
    pub brand: Option<String>,
    pub min_price: Option<Money>,
    pub max_price: Option<Money>,
    /// `None`: every status but deleted. The public sees active ones only.
    pub status: Option<ProductStatus>,
    /// Those that this seller made.
    pub created_by: Option<UserId>,
    pub sort_by: SortBy,
    pub order: SortOrder,
}

impl Default for ProductFilter {
    /// What the public sees: everything on the shelf, newest first.
    fn default() -> Self {
        Self {
            category_id: None,
            keyword: None,
            brand: None,
            min_price: None,
            max_price: None,
            status: Some(ProductStatus::Active),
            created_by: None,
            sort_by: SortBy::CreatedAt,
            order: SortOrder::Descending,
        }
    }
}

/// What a list is sorted by. Equals stand by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortBy {
    CreatedAt,
    Price,
    Sales,
    Rating,
    Name,
}

/// Which way a list is sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortOrder {
    Ascending,
    Descending,
}

/// Which part of a list is wanted. Both are kept within their limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// From 1.
    pub page: u32,
    /// 1 to 100.
    pub page_size: u32,
}

impl Page {
    fn limit(self) -> i64 {
        i64::from(self.page_size.clamp(1, PAGE_SIZE_MAX))
    }

    fn offset(self) -> i64 {
        i64::from(self.page.clamp(1, PAGE_MAX) - 1) * self.limit()
    }
}

/// The condition of every list, on the parameters `$1` to `$7`.
macro_rules! filtered {
    () => {
        " FROM product p
          WHERE p.status <> 'deleted'
            AND ($1::text IS NULL OR p.status = $1)
            AND ($2::uuid IS NULL OR p.category_id IN (
                    WITH RECURSIVE below (id) AS (
                        SELECT $2 UNION SELECT c.id FROM category c JOIN below ON c.parent_id = below.id
                    ) SELECT id FROM below))
            AND ($3::text IS NULL OR p.name ILIKE $3 OR p.brand ILIKE $3 OR p.description ILIKE $3
                 OR EXISTS (SELECT 1 FROM unnest(p.tags) AS tag WHERE tag ILIKE $3))
            AND ($4::text IS NULL OR lower(p.brand) = lower($4))
            AND ($5::text IS NULL OR p.price >= $5::text::numeric)
            AND ($6::text IS NULL OR p.price <= $6::text::numeric)
            AND ($7::uuid IS NULL OR p.created_by = $7)"
    };
}

macro_rules! sorted {
    ($by:literal) => {
        concat!("SELECT ", product_columns!(), filtered!(), " ORDER BY ", $by, " LIMIT $8 OFFSET $9")
    };
}

impl ProductFilter {
    const fn statement(&self) -> &'static str {
        match (self.sort_by, self.order) {
            (SortBy::CreatedAt, SortOrder::Ascending) => sorted!("p.created_at, p.id"),
            (SortBy::CreatedAt, SortOrder::Descending) => sorted!("p.created_at DESC, p.id DESC"),
            (SortBy::Price, SortOrder::Ascending) => sorted!("p.price, p.id"),
            (SortBy::Price, SortOrder::Descending) => sorted!("p.price DESC, p.id DESC"),
            (SortBy::Sales, SortOrder::Ascending) => sorted!("p.sales, p.id"),
            (SortBy::Sales, SortOrder::Descending) => sorted!("p.sales DESC, p.id DESC"),
            (SortBy::Rating, SortOrder::Ascending) => sorted!("p.rating, p.id"),
            (SortBy::Rating, SortOrder::Descending) => sorted!("p.rating DESC, p.id DESC"),
            (SortBy::Name, SortOrder::Ascending) => sorted!("p.name, p.id"),
            (SortBy::Name, SortOrder::Descending) => sorted!("p.name DESC, p.id DESC"),
        }
    }

    /// The keyword as a pattern that matches it anywhere and literally.
    fn pattern(&self) -> Option<String> {
        let keyword = self.keyword.as_deref().map(str::trim).filter(|keyword| !keyword.is_empty())?;
        let mut pattern = String::from("%");
        for char in keyword.chars().filter(|&char| char != '\0').take(KEYWORD_CHARS_MAX) {
            if matches!(char, '%' | '_' | '\\') {
                pattern.push('\\');
            }
            pattern.push(char);
        }
        pattern.push('%');
        Some(pattern)
    }
}

impl Catalog {
    /// One page of a list, and how long the whole list is.
    pub async fn page(&self, filter: &ProductFilter, page: Page) -> Result<(Vec<Product>, i64), ReadError> {
        let pattern = filter.pattern();
        let brand = filter.brand.as_deref().map(|brand| brand.replace('\0', ""));
        let status = filter.status.map(ProductStatus::as_str);
        let min_price = filter.min_price.map(|price| price.to_string());
        let max_price = filter.max_price.map(|price| price.to_string());
        let category_id = filter.category_id.map(|id| id.0);
        let created_by = filter.created_by.map(|id| id.0);
        let mut connection = self.db.connection().await?;
        let total = sqlx::query(concat!("SELECT count(*) AS total", filtered!()))
            .bind(status)
            .bind(category_id)
            .bind(&pattern)
            .bind(&brand)
            .bind(&min_price)
            .bind(&max_price)
            .bind(created_by)
            .fetch_one(&mut *connection)
            .await?
            .try_get("total")?;
        let products = sqlx::query_as(filter.statement())
            .bind(status)
            .bind(category_id)
            .bind(&pattern)
            .bind(&brand)
            .bind(&min_price)
            .bind(&max_price)
            .bind(created_by)
            .bind(page.limit())
            .bind(page.offset())
            .fetch_all(&mut *connection)
            .await?;
        Ok((products, total))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_match_literally() {
        let pattern =
            |keyword: &str| ProductFilter { keyword: Some(keyword.into()), ..Default::default() }.pattern();
        assert_eq!(pattern(" 100%_a\\b "), Some("%100\\%\\_a\\\\b%".into()));
        assert_eq!(pattern("nul\0"), Some("%nul%".into()));
        assert_eq!(pattern("  "), None);
    }

    #[test]
    fn pages_stay_within_their_limits() {
        for (page, page_size, limit, offset) in [
            (1, 20, 20, 0),
            (3, 20, 20, 40),
            (0, 0, 1, 0),
            (2, 5_000, 100, 100),
            (u32::MAX, 100, 100, 9_999_900),
        ] {
            let page = Page { page, page_size };
            assert_eq!((page.limit(), page.offset()), (limit, offset));
        }
    }
}
