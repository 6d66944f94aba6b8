//! What may become a product.

use std::collections::BTreeSet;

use serde_json::Value;
use stampede_kernel::{CategoryId, FieldError, FieldErrors, Money, limits::UNITS_MAX};

use super::model::{ProductStatus, SkuStatus, Specs};
use crate::records::catalog::limits::{
    DESCRIPTION_CHARS_MAX, IMAGE_CHARS_MAX, IMAGES_MAX, LABEL_CHARS_MAX, PRODUCT_NAME_CHARS_MAX, SKUS_MAX,
    SPEC_CHARS_MAX, SPECS_MAX, TAGS_MAX,
};

/// What a seller writes to offer something.
#[derive(Debug, Clone)]
pub struct NewProduct {
    /// 1 to 200 characters in one line.
    pub name: String,
    /// More than nothing.
    pub price: Money,
    pub description: String,
    pub category_id: Option<CategoryId>,
    pub brand: Option<String>,
    pub tags: Vec<String>,
    /// Addresses: `https://...`, `http://...` or a path of this server.
    pub images: Vec<String>,
    pub specs: Specs,
    pub original_price: Option<Money>,
    /// On the shelf at once, unless said otherwise.
    pub status: ProductStatus,
    /// Units to begin with, of the default SKU.
    pub stock: Option<i64>,
    /// None: one SKU at the product's price.
    pub skus: Vec<NewSku>,
}

/// What a seller writes of one SKU.
#[derive(Debug, Clone)]
pub struct NewSku {
    /// Made up if missing.
    pub sku_code: Option<String>,
    pub specs: Specs,
    /// The product's own price if missing.
    pub price: Option<Money>,
    pub status: SkuStatus,
    /// Units to begin with.
    pub stock: Option<i64>,
}

impl Default for NewSku {
    fn default() -> Self {
        Self { sku_code: None, specs: Specs::new(), price: None, status: SkuStatus::Active, stock: None }
    }
}

impl NewProduct {
    /// A product of nothing but a name and a price.
    #[must_use]
    pub fn new(name: impl Into<String>, price: Money) -> Self {
        Self {
            name: name.into(),
            price,
            description: String::new(),
            category_id: None,
            brand: None,
            tags: Vec::new(),
            images: Vec::new(),
            specs: Specs::new(),
            original_price: None,
            status: ProductStatus::Active,
            stock: None,
            skus: Vec::new(),
        }
    }

    /// Everything that is wrong with it.
    pub fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut errors = FieldErrors::new();
        name(&mut errors, &self.name);
        price(&mut errors, self.price, "price");
        if let Some(original) = self.original_price {
            price(&mut errors, original, "original_price");
        }
        description(&mut errors, &self.description);
        if let Some(text) = &self.brand {
            label(&mut errors, text, "brand");
        }
        tags(&mut errors, &self.tags);
        images(&mut errors, &self.images);
        specs(&mut errors, &self.specs, "specs");
        status(&mut errors, self.status);
        units(&mut errors, self.stock, "stock");
        skus(&mut errors, &self.skus);
        errors.finish()
    }
}

pub(super) fn name(errors: &mut FieldErrors, text: &str) {
    errors.require(!text.trim().is_empty(), "name", "required", "must not be empty");
    let short = text.chars().count() <= PRODUCT_NAME_CHARS_MAX;
    errors.require(
        short,
        "name",
        "too_long",
        format!("must have at most {PRODUCT_NAME_CHARS_MAX} characters"),
    );
    errors.require_line(text, "name");
}

pub(super) fn price(errors: &mut FieldErrors, price: Money, field: &str) {
    errors.require(price > Money::ZERO, field, "out_of_range", "must be more than 0.00");
}

pub(super) fn description(errors: &mut FieldErrors, text: &str) {
    let short = text.chars().count() <= DESCRIPTION_CHARS_MAX;
    let detail = format!("must have at most {DESCRIPTION_CHARS_MAX} characters");
    errors.require(short, "description", "too_long", detail);
    errors.require_text(text, "description");
}

/// A short text in one line.
pub(super) fn label(errors: &mut FieldErrors, text: &str, field: &str) {
    errors.require(!text.trim().is_empty(), field, "required", "must not be empty");
    let short = text.chars().count() <= LABEL_CHARS_MAX;
    errors.require(short, field, "too_long", format!("must have at most {LABEL_CHARS_MAX} characters"));
    errors.require_line(text, field);
}

pub(super) fn tags(errors: &mut FieldErrors, tags: &[String]) {
    errors.require(tags.len() <= TAGS_MAX, "tags", "too_many", format!("must be at most {TAGS_MAX}"));
    for tag in tags.iter().take(TAGS_MAX) {
        label(errors, tag, "tags");
    }
}

pub(super) fn images(errors: &mut FieldErrors, images: &[String]) {
    errors.require(images.len() <= IMAGES_MAX, "images", "too_many", format!("must be at most {IMAGES_MAX}"));
    for image in images.iter().take(IMAGES_MAX) {
        // A path of this server, but not `//host`, which names another.
        let local = image.starts_with('/') && !image.starts_with("//");
        let address = local || image.starts_with("https://") || image.starts_with("http://");
        let clean =
            !image.chars().any(|char| char.is_whitespace() || char.is_control() || "\\<>\"".contains(char));
        errors.require(
            address && clean,
            "images",
            "format",
            "must be an address of http, https or this server",
        );
        let short = image.chars().count() <= IMAGE_CHARS_MAX;
        errors.require(
            short,
            "images",
            "too_long",
            format!("must have at most {IMAGE_CHARS_MAX} characters"),
        );
    }
}

pub(super) fn specs(errors: &mut FieldErrors, specs: &Specs, field: &str) {
    errors.require(specs.len() <= SPECS_MAX, field, "too_many", format!("must be at most {SPECS_MAX}"));
    for (name, value) in specs.iter().take(SPECS_MAX) {
        label(errors, name, field);
        spec_value(errors, value, field);
    }
}

fn spec_value(errors: &mut FieldErrors, value: &Value, field: &str) {
    let refuse = |errors: &mut FieldErrors| {
        errors.require(
            false,
            field,
            "format",
            "must have texts, numbers, booleans or lists of these as values",
        );
    };
    let text = |errors: &mut FieldErrors, text: &str| {
        let short = text.chars().count() <= SPEC_CHARS_MAX;
        errors.require(
            short,
            field,
            "too_long",
            format!("must have values of at most {SPEC_CHARS_MAX} characters"),
        );
        errors.require_text(text, field);
    };
    match value {
        Value::String(value) => text(errors, value),
        Value::Number(_) | Value::Bool(_) => {}
        Value::Array(values) => {
            let few = format!("must have lists of at most {SPECS_MAX}");
            errors.require(values.len() <= SPECS_MAX, field, "too_many", few);
            for value in values.iter().take(SPECS_MAX) {
                match value {
                    Value::String(value) => text(errors, value),
                    Value::Number(_) | Value::Bool(_) => {}
                    Value::Null | Value::Array(_) | Value::Object(_) => refuse(errors),
                }
            }
        }
        Value::Null | Value::Object(_) => refuse(errors),
    }
}

pub(super) fn status(errors: &mut FieldErrors, status: ProductStatus) {
    let settable = status != ProductStatus::Deleted;
    errors.require(settable, "status", "format", "must be one of draft, active, inactive");
}

fn units(errors: &mut FieldErrors, units: Option<i64>, field: &str) {
    let countable = units.is_none_or(|units| (0..=UNITS_MAX).contains(&units));
    errors.require(countable, field, "out_of_range", format!("must be from 0 to {UNITS_MAX}"));
}

pub(super) fn skus(errors: &mut FieldErrors, skus: &[NewSku]) {
    errors.require(skus.len() <= SKUS_MAX, "skus", "too_many", format!("must be at most {SKUS_MAX}"));
    let mut codes = BTreeSet::new();
    for (index, sku) in skus.iter().take(SKUS_MAX).enumerate() {
        let field = |name: &str| format!("skus[{index}].{name}");
        if let Some(code) = &sku.sku_code {
            label(errors, code, &field("sku_code"));
            errors.require(codes.insert(code), &field("sku_code"), "repeated", "is given twice");
        }
        specs(errors, &sku.specs, &field("specs"));
        if let Some(own) = sku.price {
            price(errors, own, &field("price"));
        }
        units(errors, sku.stock, &field("stock"));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sample() -> NewProduct {
        NewProduct::new("无线耳机 · Wireless Earbuds", Money::from_minor(19_900))
    }

    fn faults(product: &NewProduct) -> Vec<(String, &'static str)> {
        let errors = product.validate().err().unwrap_or_default();
        errors.into_iter().map(|error| (error.field, error.code)).collect()
    }

    fn specs_of(value: Value) -> Specs {
        Specs::from([("size".to_owned(), value)])
    }

    #[test]
    fn ordinary_products_are_taken() {
        assert_eq!(faults(&sample()), []);
        let full = NewProduct {
            description: "第一行\nSecond line\twith a tab".into(),
            brand: Some("Lumio 流明".into()),
            tags: vec!["audio".into(); TAGS_MAX],
            images: vec!["https://img.example.com/a.webp".into(), "/images/a.webp".into()],
            specs: specs_of(json!(["S", 2, true])),
            original_price: Some(Money::from_minor(29_900)),
            status: ProductStatus::Draft,
            stock: Some(0),
            skus: vec![
                NewSku { sku_code: Some("A-1".into()), stock: Some(UNITS_MAX), ..NewSku::default() },
                NewSku { price: Some(Money::from_minor(1)), ..NewSku::default() },
            ],
            name: "n".repeat(PRODUCT_NAME_CHARS_MAX),
            ..sample()
        };
        assert_eq!(faults(&full), []);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let sku = |sku: NewSku| NewProduct { skus: vec![sku], ..sample() };
        let coded = |code: &str| NewSku { sku_code: Some(code.into()), ..NewSku::default() };
        let table = [
            (NewProduct { name: " ".into(), ..sample() }, ("name", "required")),
            (NewProduct { name: "n".repeat(201), ..sample() }, ("name", "too_long")),
            (NewProduct { name: "a\0b".into(), ..sample() }, ("name", "characters")),
            (NewProduct { price: Money::ZERO, ..sample() }, ("price", "out_of_range")),
            (
                NewProduct { original_price: Some(Money::ZERO), ..sample() },
                ("original_price", "out_of_range"),
            ),
            (NewProduct { description: "x".repeat(20_001), ..sample() }, ("description", "too_long")),
            (NewProduct { description: "\u{0}".into(), ..sample() }, ("description", "characters")),
            (NewProduct { brand: Some(String::new()), ..sample() }, ("brand", "required")),
            (NewProduct { tags: vec!["t".into(); 21], ..sample() }, ("tags", "too_many")),
            (NewProduct { images: vec!["javascript:alert(1)".into()], ..sample() }, ("images", "format")),
            (NewProduct { images: vec!["//elsewhere/a.png".into()], ..sample() }, ("images", "format")),
            (NewProduct { specs: specs_of(json!("a\0b")), ..sample() }, ("specs", "characters")),
            (NewProduct { specs: specs_of(json!(["a\0b"])), ..sample() }, ("specs", "characters")),
            (NewProduct { specs: specs_of(json!({"deep": 1})), ..sample() }, ("specs", "format")),
            (NewProduct { specs: specs_of(json!(null)), ..sample() }, ("specs", "format")),
            (NewProduct { specs: specs_of(json!([[1]])), ..sample() }, ("specs", "format")),
            (
                NewProduct { specs: Specs::from([("\0".into(), json!(1))]), ..sample() },
                ("specs", "characters"),
            ),
            (NewProduct { status: ProductStatus::Deleted, ..sample() }, ("status", "format")),
            (NewProduct { stock: Some(-1), ..sample() }, ("stock", "out_of_range")),
            (NewProduct { skus: vec![NewSku::default(); 101], ..sample() }, ("skus", "too_many")),
            (NewProduct { skus: vec![coded("A"), coded("A")], ..sample() }, ("skus[1].sku_code", "repeated")),
            (sku(coded("")), ("skus[0].sku_code", "required")),
            (
                sku(NewSku { price: Some(Money::ZERO), ..NewSku::default() }),
                ("skus[0].price", "out_of_range"),
            ),
            (sku(NewSku { stock: Some(-5), ..NewSku::default() }), ("skus[0].stock", "out_of_range")),
            (sku(NewSku { specs: specs_of(json!({})), ..NewSku::default() }), ("skus[0].specs", "format")),
        ];
        for (product, fault) in table {
            let (field, code) = fault;
            assert_eq!(faults(&product), [(field.to_owned(), code)], "{product:?}");
        }
        let many = (0..51).map(|n| (n.to_string(), json!(n))).collect();
        let many = NewProduct { specs: many, ..sample() };
        assert_eq!(faults(&many), [("specs".to_owned(), "too_many")]);
    }
}
