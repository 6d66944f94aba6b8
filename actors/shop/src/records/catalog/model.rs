//! What products, SKUs and offers are.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use stampede_kernel::{CategoryId, Currency, Money, ProductId, SkuId, Timestamp, UserId};

/// Specifications by name, such as `"颜色 Color": "黑 Black"`. A value is a text, a number, a boolean
/// or a list of these.
pub type Specs = BTreeMap<String, Value>;

/// Something the shop shows, with its SKUs; without stock.
///
/// As JSON it is the payload of the catalog's events, so fields are only ever added.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Product {
    pub id: ProductId,
    pub default_sku_id: SkuId,
    pub name: String,
    pub description: String,
    /// What lists show, filter and sort by. An order line costs its SKU's price.
    pub price: Money,
    pub original_price: Option<Money>,
    pub currency: Currency,
    pub category_id: Option<CategoryId>,
    pub brand: Option<String>,
    pub images: Vec<String>,
    pub tags: Vec<String>,
    pub specs: Specs,
    pub status: ProductStatus,
    /// 0 to 5.
    pub rating: f64,
    pub review_count: i64,
    /// Units sold.
    pub sales: i64,
    /// In their order of display; never empty.
    pub skus: Vec<Sku>,
    /// Grows by one with every change; the record's `ETag`.
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub created_by: Option<UserId>,
}

/// The unit that has stock and a price.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sku {
    pub id: SkuId,
    pub sku_code: String,
    pub specs: Specs,
    pub price: Money,
    pub status: SkuStatus,
    pub is_default: bool,
    pub version: i64,
}

/// What an order line needs to know of a SKU.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Offer {
    pub sku_id: SkuId,
    pub product_id: ProductId,
    pub name: String,
    pub specs: Specs,
    pub price: Money,
    pub currency: Currency,
    /// Whether product and SKU are both on the shelf.
    pub active: bool,
}

impl Product {
    /// The offer of one of its SKUs.
    #[must_use]
    pub fn offer(&self, sku_id: SkuId) -> Option<Offer> {
        let sku = self.skus.iter().find(|sku| sku.id == sku_id)?;
        Some(Offer {
            sku_id,
            product_id: self.id,
            name: self.name.clone(),
            specs: sku.specs.clone(),
            price: sku.price,
            currency: self.currency,
            active: self.status == ProductStatus::Active && sku.status == SkuStatus::Active,
        })
    }
}

/// A text that is no word of this kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a known {0}")]
pub struct UnknownWord(&'static str);

macro_rules! statuses {
    ($(#[$doc:meta])* $name:ident, $what:literal: $($(#[$variant_doc:meta])* $variant:ident = $text:literal),+ $(,)?) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            $($(#[$variant_doc])* $variant),+
        }

        impl $name {
            /// The word in the table and in answers.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $($name::$variant => $text),+
                }
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;
            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                let all = [$($name::$variant),+];
                all.into_iter().find(|status| status.as_str() == text).ok_or(UnknownWord($what))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

statuses! {
    /// Where a product stands.
    ProductStatus, "product status":
    /// Not shown yet.
    Draft = "draft",
    /// On the shelf.
    Active = "active",
    /// Taken off the shelf.
    Inactive = "inactive",
    /// Gone for good; only orders of the past name it.
    Deleted = "deleted",
}

statuses! {
    /// Whether a SKU can be bought.
    SkuStatus, "SKU status":
    /// It can, if its product is on the shelf.
    Active = "active",
    /// It cannot.
    Inactive = "inactive",
}
