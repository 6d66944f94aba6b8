//! The catalog against the embedded engine: one start, several scenarios.

use std::{error::Error, time::Instant};

use serde_json::{Value, json};
use sqlx::Row;
use stampede_kernel::{CategoryId, Money, ProductId, SkuId};
use stampede_platform::engine::{Database, Source};
use uuid::Uuid;

use super::*;

type Outcome = Result<(), Box<dyn Error>>;

#[tokio::test(flavor = "multi_thread")]
async fn catalog() -> Outcome {
    let folder = tempfile::tempdir()?;
    let db = Database::open(&Source::Embedded(folder.path().to_owned()), 1).await?;
    db.migrate().await?;
    let catalog = Catalog::new(db.clone());
    a_simple_product_has_one_sku(&catalog).await?;
    skus_have_prices_of_their_own(&catalog).await?;
    changes_hold_at_their_version_only(&catalog).await?;
    a_list_of_skus_is_the_whole_list(&catalog).await?;
    what_is_deleted_is_gone(&catalog).await?;
    what_does_not_fit_is_refused(&catalog).await?;
    every_version_has_one_event(&catalog).await?;
    seeding_happens_once(&catalog).await?;
    lists_are_filtered_sorted_and_paged(&catalog).await?;
    drop(catalog);
    db.close().await;
    Ok(())
}

fn price(text: &str) -> Money {
    text.parse().unwrap_or(Money::ZERO)
}

fn color(name: &str) -> Specs {
    Specs::from([("color".to_owned(), json!(name))])
}

async fn a_simple_product_has_one_sku(catalog: &Catalog) -> Outcome {
    let new = NewProduct {
        description: "两行\nTwo lines".into(),
        tags: vec!["a".into(), "b, with \"quotes\"".into()],
        images: vec!["/images/1.webp".into()],
        specs: Specs::from([("watts".into(), json!(65)), ("ports".into(), json!(["C", "A"]))]),
        original_price: Some(price("29.90")),
        stock: Some(500),
        ..NewProduct::new("充电器 · Charger", price("19.90"))
    };
    let Created { product, initial_stock, .. } = catalog.create(None, &new, None).await?;
    assert_eq!(product.skus.len(), 1);
    assert_eq!((product.version, product.status), (1, ProductStatus::Active));
    let sku_id = product.default_sku_id;
    assert_eq!(initial_stock, [InitialStock { product_id: product.id, sku_id, units: 500 }]);
    assert!(product.skus[0].sku_code.starts_with("SKU-"));

    let read = catalog.by_id(product.id).await?.ok_or("not found")?;
    assert_eq!(read, product, "the row says what the writer was told");
    let offer = catalog.offer(sku_id).await?.ok_or("no offer")?;
    assert_eq!((offer.price, offer.active, offer.product_id), (price("19.90"), true, product.id));
    assert_eq!(catalog.default_offer(product.id).await?, Some(offer.clone()));
    assert_eq!(catalog.sku_of(product.id).await?, Some(sku_id));
    let nobody = SkuId(Uuid::now_v7());
    assert_eq!(catalog.offer(nobody).await?, None);
    assert_eq!(catalog.offers(&[nobody, sku_id]).await?, [None, Some(offer)]);
    assert_eq!(catalog.by_id(ProductId(Uuid::now_v7())).await?, None);
    Ok(())
}

async fn skus_have_prices_of_their_own(catalog: &Catalog) -> Outcome {
    let new = NewProduct {
        skus: vec![
            NewSku { specs: color("red"), price: Some(price("90.00")), stock: Some(1), ..NewSku::default() },
            NewSku { specs: color("blue"), sku_code: Some("MUG-BLUE".into()), ..NewSku::default() },
            NewSku {
                specs: color("gold"),
                price: Some(price("150")),
                status: SkuStatus::Inactive,
                ..NewSku::default()
            },
        ],
        ..NewProduct::new("Mug", price("100.00"))
    };
    let Created { product, initial_stock, .. } = catalog.create(None, &new, None).await?;
    let prices: Vec<_> = product.skus.iter().map(|sku| sku.price.to_string()).collect();
    assert_eq!(prices, ["90.00", "100.00", "150.00"]);
    assert_eq!(product.default_sku_id, product.skus[1].id, "the one that costs what the product shows");
    assert_eq!(initial_stock.len(), 1);
    let ids: Vec<_> = product.skus.iter().map(|sku| sku.id).collect();
    let active: Vec<_> =
        catalog.offers(&ids).await?.into_iter().flatten().map(|offer| offer.active).collect();
    assert_eq!(active, [true, true, false]);

    // The default follows the product's price, the others keep theirs.
    let change = ProductChange { price: Some(price("80")), ..ProductChange::default() };
    let changed = catalog.update(product.id, change, None).await?.product;
    let prices: Vec<_> = changed.skus.iter().map(|sku| sku.price.to_string()).collect();
    assert_eq!(prices, ["90.00", "80.00", "150.00"]);
    let versions: Vec<_> = changed.skus.iter().map(|sku| sku.version).collect();
    assert_eq!(versions, [1, 2, 1]);
    assert_eq!(catalog.default_offer(product.id).await?.map(|offer| offer.price), Some(price("80.00")));
    Ok(())
}

async fn changes_hold_at_their_version_only(catalog: &Catalog) -> Outcome {
    let new = NewProduct { brand: Some("Lumio".into()), ..NewProduct::new("Lamp", price("10")) };
    let made = catalog.create(None, &new, None).await?.product;
    let change = |name: &str| ProductChange { name: Some(name.into()), ..ProductChange::default() };
    let changed = catalog.update(made.id, change("Desk lamp"), Some(&[7, 1])).await?.product;
    assert_eq!(
        (changed.version, changed.name.as_str(), changed.brand.as_deref()),
        (2, "Desk lamp", Some("Lumio"))
    );
    assert_eq!(catalog.by_id(made.id).await?, Some(changed));
    let stale = catalog.update(made.id, change("Lost"), Some(&[1])).await;
    assert!(matches!(stale, Err(WriteError::VersionConflict)), "{stale:?}");

    // A whole replacement forgets what it does not name.
    let whole = ProductChange::from(NewProduct::new("Lamp", price("12")));
    let replaced = catalog.update(made.id, whole, Some(&[2])).await?.product;
    assert_eq!((replaced.brand.as_deref(), replaced.skus[0].price), (None, price("12.00")));
    assert_eq!(replaced.default_sku_id, made.default_sku_id);
    let off = ProductChange { status: Some(ProductStatus::Inactive), ..ProductChange::default() };
    catalog.update(made.id, off, None).await?;
    assert_eq!(catalog.offer(made.default_sku_id).await?.map(|offer| offer.active), Some(false));
    Ok(())
}

async fn a_list_of_skus_is_the_whole_list(catalog: &Catalog) -> Outcome {
    let sku = |name: &str, stock| NewSku { specs: color(name), stock, ..NewSku::default() };
    let new =
        NewProduct { skus: vec![sku("red", None), sku("blue", None)], ..NewProduct::new("Cap", price("30")) };
    let made = catalog.create(None, &new, None).await?.product;
    let skus = Some(vec![sku("blue", Some(9)), sku("green", Some(7))]);
    let Created { product, initial_stock, restated_stock, .. } =
        catalog.update(made.id, ProductChange { skus, ..ProductChange::default() }, None).await?;
    let shown: Vec<_> = product.skus.iter().map(|sku| (sku.specs["color"].clone(), sku.status)).collect();
    assert_eq!(
        shown,
        [
            (json!("red"), SkuStatus::Inactive),
            (json!("blue"), SkuStatus::Active),
            (json!("green"), SkuStatus::Active)
        ]
    );
    assert_eq!(product.skus[1].id, made.skus[1].id);
    assert_eq!(initial_stock, [InitialStock { product_id: made.id, sku_id: product.skus[2].id, units: 7 }]);
    assert_eq!(restated_stock, [InitialStock { product_id: made.id, sku_id: made.skus[1].id, units: 9 }]);
    assert_eq!(catalog.by_id(made.id).await?, Some(product));
    Ok(())
}

async fn what_is_deleted_is_gone(catalog: &Catalog) -> Outcome {
    let made = catalog.create(None, &NewProduct::new("Gone", price("1")), None).await?.product;
    assert!(catalog.offer(made.default_sku_id).await?.is_some());
    let stale = catalog.delete(made.id, Some(&[7])).await;
    assert!(matches!(stale, Err(WriteError::VersionConflict)), "{stale:?}");
    catalog.delete(made.id, Some(&[1])).await?;
    assert_eq!(catalog.by_id(made.id).await?, None);
    assert_eq!(catalog.offer(made.default_sku_id).await?, None);
    let again = catalog.delete(made.id, None).await;
    assert!(matches!(again, Err(WriteError::NotFound)), "{again:?}");
    let changed = catalog.update(made.id, ProductChange::default(), None).await;
    assert!(matches!(changed, Err(WriteError::NotFound)), "{changed:?}");
    Ok(())
}

async fn what_does_not_fit_is_refused(catalog: &Catalog) -> Outcome {
    let coded = |code: &str| NewSku { sku_code: Some(code.into()), ..NewSku::default() };
    let twice = NewProduct { skus: vec![coded("MUG-BLUE")], ..NewProduct::new("Copy", price("1")) };
    let refused = catalog.create(None, &twice, None).await;
    assert!(matches!(refused, Err(WriteError::SkuCodeTaken)), "{refused:?}");
    let nowhere = Some(CategoryId(Uuid::now_v7()));
    let lost = NewProduct { category_id: nowhere, ..NewProduct::new("Lost", price("1")) };
    let refused = catalog.create(None, &lost, None).await;
    assert!(
        matches!(&refused, Err(WriteError::Invalid(fields)) if fields[0].field == "category_id"),
        "{refused:?}"
    );
    let orphan = NewCategory { parent_id: nowhere, name: "Orphan".into(), position: 0 };
    let refused = catalog.create_category(&orphan).await;
    assert!(
        matches!(&refused, Err(WriteError::Invalid(fields)) if fields[0].field == "parent_id"),
        "{refused:?}"
    );
    let root = NewCategory { parent_id: None, name: "Root".into(), position: 9 };
    let made = catalog.create_category(&root).await?;
    assert!(catalog.categories().await?.contains(&made));
    let refused = catalog.create_category(&root).await;
    assert!(matches!(refused, Err(WriteError::CategoryNameTaken)), "{refused:?}");
    Ok(())
}

async fn every_version_has_one_event(catalog: &Catalog) -> Outcome {
    let new = NewProduct { stock: Some(3), ..NewProduct::new("Told", price("1")) };
    let made = catalog.create(None, &new, None).await?.product;
    catalog.update(made.id, ProductChange::default(), None).await?;
    catalog.delete(made.id, None).await?;
    let mut connection = catalog.db.connection().await?;
    let rows = sqlx::query(
        "SELECT version, event_type, payload FROM outbox
         WHERE record_kind = 'product' AND record_id = $1 ORDER BY version",
    )
    .bind(made.id.to_string())
    .fetch_all(&mut *connection)
    .await?;
    let mut told = Vec::new();
    for row in &rows {
        told.push((row.try_get::<i64, _>("version")?, row.try_get::<String, _>("event_type")?));
    }
    assert_eq!(told, [(1, "created".to_owned()), (2, "updated".into()), (3, "deleted".into())]);
    let payload: Value = rows[0].try_get("payload")?;
    assert_eq!(payload["schema"], 1);
    assert_eq!(payload["product"]["default_sku_id"], made.default_sku_id.to_string());
    assert_eq!(payload["product"]["price"], "1.00");
    assert_eq!(payload["initial_stock"][0]["units"], 3);
    Ok(())
}

async fn seeding_happens_once(catalog: &Catalog) -> Outcome {
    let started = Instant::now();
    let stock = catalog.seed().await?;
    let elapsed = started.elapsed();
    assert!(stock.len() > 300 && stock.iter().all(|(_, units)| *units > 0));
    assert!(elapsed.as_secs() < 5, "{elapsed:?}");
    assert_eq!(catalog.seed().await?, []);
    let sorted = |mut stock: Vec<(SkuId, i64)>| {
        stock.sort_unstable_by_key(|(sku_id, _)| sku_id.0);
        stock
    };
    assert_eq!(
        sorted(catalog.seeded_stock().await?),
        sorted(stock.clone()),
        "what has to be stocked stays known"
    );
    let tree = catalog.categories().await?;
    assert_eq!(tree.iter().map(|root| root.children.len()).sum::<usize>(), 16);
    let some: Vec<_> = stock.iter().take(200).map(|(sku_id, _)| *sku_id).collect();
    assert!(catalog.offers(&some).await?.iter().flatten().all(|offer| offer.active));
    Ok(())
}

async fn lists_are_filtered_sorted_and_paged(catalog: &Catalog) -> Outcome {
    let page = |page, page_size| Page { page, page_size };
    let everything = ProductFilter::default();
    let (first, total) = catalog.page(&everything, page(1, 20)).await?;
    let (second, _) = catalog.page(&everything, page(2, 20)).await?;
    assert_eq!((first.len(), second.len()), (20, 20));
    assert!(total > 190);
    assert!(second.iter().all(|product| first.iter().all(|other| other.id != product.id)));
    let (beyond, same) = catalog.page(&everything, page(1_000, 20)).await?;
    assert_eq!((beyond.len(), same), (0, total));

    for sort_by in [SortBy::CreatedAt, SortBy::Price, SortBy::Sales, SortBy::Rating, SortBy::Name] {
        let up = ProductFilter { sort_by, order: SortOrder::Ascending, ..ProductFilter::default() };
        let down = ProductFilter { sort_by, order: SortOrder::Descending, ..ProductFilter::default() };
        let (rising, _) = catalog.page(&up, page(1, 100)).await?;
        let last = u32::try_from(total)?.div_ceil(100);
        let (falling, _) = catalog.page(&down, page(last, 100)).await?;
        assert_eq!(
            rising.first().map(|product| product.id),
            falling.last().map(|product| product.id),
            "{sort_by:?}"
        );
        if sort_by == SortBy::Price {
            assert!(rising.is_sorted_by_key(|product| product.price));
        }
    }

    let tree = catalog.categories().await?;
    let root = tree.iter().find(|root| root.name.contains("Electronics")).ok_or("no such root")?;
    let inside = ProductFilter {
        category_id: Some(root.id),
        keyword: Some("降噪".into()),
        brand: Some("流明 lumio".into()),
        min_price: Some(price("499.00")),
        max_price: Some(price("499.00")),
        ..ProductFilter::default()
    };
    let (found, total) = catalog.page(&inside, page(1, 10)).await?;
    assert_eq!((found.len(), total), (1, 1));
    assert_eq!(found[0].skus.len(), 2);
    for keyword in ["100%", "_", "\\", "'; DROP TABLE sku; --"] {
        let filter = ProductFilter { keyword: Some(keyword.into()), ..ProductFilter::default() };
        let (found, _) = catalog.page(&filter, page(1, 100)).await?;
        assert!(found.len() < 10, "{keyword:?} matches literally");
    }
    let off_shelf = ProductFilter { status: Some(ProductStatus::Inactive), ..ProductFilter::default() };
    assert_eq!(catalog.page(&off_shelf, page(1, 10)).await?.1, 1);
    Ok(())
}
