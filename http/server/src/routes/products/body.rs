//! What a seller writes of a product, and how it becomes a change of the catalog.

use std::fmt;

use serde::{Deserialize, Deserializer, de};
use stampede_kernel::{CategoryId, Money, limits::UNITS_MAX};
use stampede_shop::records::catalog::{self, ProductStatus, SkuStatus, Specs};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{extract::Object, problem::Problem, routes::wire};

/// How the amounts of a body may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amounts {
    /// As texts, such as `"19.90"`.
    Texts,
    /// As numbers too: GoMall's clients send them.
    TextsOrNumbers,
}

/// An amount as it was written, exact: a number is kept as its shortest text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amount {
    text: String,
    is_number: bool,
}

impl Amount {
    fn checked(&self, amounts: Amounts, field: &str) -> Result<Money, Problem> {
        if self.is_number && amounts == Amounts::Texts {
            return Err(Problem::field(field, "format", "Expected a text such as \"19.90\"."));
        }
        wire::price(&self.text, field)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Amount;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an amount such as \"19.90\"")
            }

            fn visit_str<E>(self, text: &str) -> Result<Amount, E> {
                Ok(Amount { text: text.to_owned(), is_number: false })
            }

            fn visit_i64<E>(self, number: i64) -> Result<Amount, E> {
                Ok(Amount { text: number.to_string(), is_number: true })
            }

            fn visit_u64<E>(self, number: u64) -> Result<Amount, E> {
                Ok(Amount { text: number.to_string(), is_number: true })
            }

            fn visit_f64<E>(self, number: f64) -> Result<Amount, E> {
                // The shortest text that is this number: what the client wrote, up to its zeros.
                Ok(Amount { text: number.to_string(), is_number: true })
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

/// A new product, or all that a product is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProductInput {
    #[schema(max_length = 200)]
    pub name: String,
    #[schema(value_type = String, example = "19.90")]
    pub price: Amount,
    /// Units of the default SKU that are for sale.
    pub stock: Option<i64>,
    /// `draft`, `active` or `inactive`; `active`, if missing.
    pub status: Option<String>,
    pub description: Option<String>,
    pub category_id: Option<Uuid>,
    pub brand: Option<String>,
    pub tags: Option<Vec<String>>,
    /// Addresses.
    pub images: Option<Vec<String>>,
    #[schema(value_type = Option<Object>)]
    pub specs: Option<Specs>,
    #[schema(value_type = Option<String>)]
    pub original_price: Option<Amount>,
    /// One SKU at the product's price, if missing.
    #[schema(value_type = Option<Vec<SkuInput>>)]
    pub skus: Option<Vec<Object<SkuInput>>>,
}

/// A SKU of a product.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SkuInput {
    /// Made up, if missing.
    pub sku_code: Option<String>,
    #[schema(value_type = Option<Object>)]
    pub specs: Option<Specs>,
    /// The product's, if missing.
    #[schema(value_type = Option<String>)]
    pub price: Option<Amount>,
    /// `active` or `inactive`; `active`, if missing.
    pub status: Option<String>,
    /// Units that are for sale.
    pub stock: Option<i64>,
}

/// What changes of a product; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProductPatch {
    pub name: Option<String>,
    #[schema(value_type = Option<String>, example = "19.90")]
    pub price: Option<Amount>,
    /// Units of the default SKU that are for sale.
    pub stock: Option<i64>,
    pub status: Option<String>,
    pub description: Option<String>,
    /// `null` takes it out of its category.
    #[serde(default, deserialize_with = "wire::given")]
    #[schema(value_type = Option<Uuid>)]
    pub category_id: Option<Option<Uuid>>,
    #[serde(default, deserialize_with = "wire::given")]
    #[schema(value_type = Option<String>)]
    pub brand: Option<Option<String>>,
    pub tags: Option<Vec<String>>,
    pub images: Option<Vec<String>>,
    #[schema(value_type = Option<Object>)]
    pub specs: Option<Specs>,
    #[serde(default, deserialize_with = "wire::given")]
    #[schema(value_type = Option<String>)]
    pub original_price: Option<Option<Amount>>,
    /// The whole list: a SKU that is not on it leaves the shelf.
    #[schema(value_type = Option<Vec<SkuInput>>)]
    pub skus: Option<Vec<Object<SkuInput>>>,
}

impl ProductInput {
    /// The same for the catalog.
    pub fn checked(self, amounts: Amounts) -> Result<catalog::NewProduct, Problem> {
        Ok(catalog::NewProduct {
            name: self.name,
            price: self.price.checked(amounts, "price")?,
            description: self.description.unwrap_or_default(),
            category_id: self.category_id.map(CategoryId),
            brand: self.brand,
            tags: self.tags.unwrap_or_default(),
            images: self.images.unwrap_or_default(),
            specs: self.specs.unwrap_or_default(),
            original_price: amount(self.original_price.as_ref(), amounts, "original_price")?,
            status: self.status.as_deref().map_or(Ok(ProductStatus::Active), product_status)?,
            stock: self.stock,
            skus: checked_skus(self.skus.unwrap_or_default(), amounts)?,
        })
    }
}

impl ProductPatch {
    /// The same for the catalog, and the units that the default SKU is to have.
    pub fn checked(self, amounts: Amounts) -> Result<(catalog::ProductChange, Option<i64>), Problem> {
        if self.stock.is_some_and(|units| !(0..=UNITS_MAX).contains(&units)) {
            return Err(Problem::field("stock", "out_of_range", format!("Must be from 0 to {UNITS_MAX}.")));
        }
        let original_price = match &self.original_price {
            Some(original) => Some(amount(original.as_ref(), amounts, "original_price")?),
            None => None,
        };
        let change = catalog::ProductChange {
            name: self.name,
            price: amount(self.price.as_ref(), amounts, "price")?,
            description: self.description,
            category_id: self.category_id.map(|category| category.map(CategoryId)),
            brand: self.brand,
            tags: self.tags,
            images: self.images,
            specs: self.specs,
            original_price,
            status: self.status.as_deref().map(product_status).transpose()?,
            skus: self.skus.map(|skus| checked_skus(skus, amounts)).transpose()?,
        };
        Ok((change, self.stock))
    }
}

fn amount(given: Option<&Amount>, amounts: Amounts, field: &str) -> Result<Option<Money>, Problem> {
    given.map(|amount| amount.checked(amounts, field)).transpose()
}

fn checked_skus(skus: Vec<Object<SkuInput>>, amounts: Amounts) -> Result<Vec<catalog::NewSku>, Problem> {
    skus.into_iter()
        .enumerate()
        .map(|(index, Object(sku))| {
            Ok(catalog::NewSku {
                sku_code: sku.sku_code,
                specs: sku.specs.unwrap_or_default(),
                price: amount(sku.price.as_ref(), amounts, &format!("skus[{index}].price"))?,
                status: match sku.status.as_deref() {
                    Some(text) => sku_status(text, index)?,
                    None => SkuStatus::Active,
                },
                stock: sku.stock,
            })
        })
        .collect()
}

/// A status that a product may be given.
pub fn product_status(text: &str) -> Result<ProductStatus, Problem> {
    match text.parse() {
        Ok(ProductStatus::Deleted) | Err(_) => {
            Err(Problem::field("status", "format", "Must be one of draft, active, inactive."))
        }
        Ok(status) => Ok(status),
    }
}

fn sku_status(text: &str, index: usize) -> Result<SkuStatus, Problem> {
    let field = format!("skus[{index}].status");
    text.parse().map_err(|_| Problem::field(field, "format", "Must be active or inactive."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(body: &str, amounts: Amounts) -> Result<String, String> {
        let new: ProductInput = serde_json::from_str(body).map_err(|error| error.to_string())?;
        let checked = new.checked(amounts).map_err(|problem| problem.errors()[0].field.clone())?;
        Ok(checked.price.to_string())
    }

    #[test]
    fn amounts_are_exact_texts_and_numbers_only_where_allowed() {
        let body = |price: &str| format!(r#"{{"name":"Cup","price":{price}}}"#);
        for (written, read) in
            [("\"19.90\"", "19.90"), ("19.9", "19.90"), ("19.90", "19.90"), ("20", "20.00"), ("0.1", "0.10")]
        {
            assert_eq!(price(&body(written), Amounts::TextsOrNumbers), Ok(read.to_owned()), "{written}");
            let strict = price(&body(written), Amounts::Texts);
            assert_eq!(strict.is_ok(), written.starts_with('"'), "{written}");
        }
        for bad in
            ["19.999", "0", "-1", "-0.5", "1e300", "1e-9", "99999999999.5", "\"1e3\"", "\" 1\"", "\"\""]
        {
            assert_eq!(price(&body(bad), Amounts::TextsOrNumbers), Err("price".to_owned()), "{bad}");
        }
        for kind in ["null", "true", "[1]", "{}"] {
            let error = price(&body(kind), Amounts::TextsOrNumbers).unwrap_err();
            assert!(error.contains("expected an amount"), "{kind}: {error}");
        }
    }

    #[test]
    fn a_fault_of_a_sku_says_of_which() {
        for (fault, field) in
            [(r#""price":"1.999""#, "skus[1].price"), (r#""status":"gone""#, "skus[1].status")]
        {
            let body = format!(r#"{{"name":"Cup","price":"1.00","skus":[{{}},{{{fault}}}]}}"#);
            assert_eq!(price(&body, Amounts::Texts), Err(field.to_owned()));
        }
    }

    #[test]
    fn null_forgets_and_nothing_stays() {
        let change = |body: &str| {
            let change: ProductPatch = serde_json::from_str(body).unwrap();
            change.checked(Amounts::Texts).unwrap().0
        };
        assert_eq!(change("{}").brand, None);
        assert_eq!(change(r#"{"brand":null}"#).brand, Some(None));
        assert_eq!(change(r#"{"original_price":null}"#).original_price, Some(None));
        assert_eq!(change(r#"{"category_id":null}"#).category_id, Some(None));
    }

    #[test]
    fn nobody_deletes_by_a_status() {
        for (text, known) in
            [("draft", true), ("active", true), ("inactive", true), ("deleted", false), ("", false)]
        {
            assert_eq!(product_status(text).is_ok(), known, "{text}");
        }
    }
}
