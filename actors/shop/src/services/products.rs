//! Products: shown with their available units, made and changed by sellers.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use futures_util::future::join_all;
use stampede_domain::stock::{self, AdjustTo, FindOpenSale, Initialize, StockView};
use stampede_kernel::{FieldError, FlashSaleId, IdempotencyKey, ProductId, SkuId};
use stampede_platform::{engine::DatabaseError, runtime::Answered};
use uuid::Uuid;

use super::{
    Paged, Paging, Principal, Services, Unanswered,
    error::from_ask_error,
    limits::STATUS_PRODUCTS_MAX,
    product_access::{self, AccessError, owned_product},
    stock_levels,
};
use crate::records::catalog::{
    Created, InitialStock, NewProduct, Page, Product, ProductChange, ProductFilter, ProductStatus, WriteError,
};

/// A product with the available units of its SKUs; may lag by a second.
#[derive(Debug, Clone)]
pub struct StockedProduct {
    pub product: Arc<Product>,
    pub available: HashMap<SkuId, i64>,
}

/// What became of the products of a batch.
#[derive(Debug, Clone, Default)]
pub struct StatusChanges {
    pub changed: Vec<ProductId>,
    /// There are no such products.
    pub missing: Vec<ProductId>,
}

/// Why a product was not shown, made or changed.
#[derive(Debug, thiserror::Error)]
pub enum ProductError {
    #[error("there is no such product")]
    NotFound,
    #[error("the product is another seller's")]
    OtherSellers,
    #[error("some fields are not valid")]
    Invalid(Vec<FieldError>),
    #[error("the product has changed meanwhile")]
    VersionConflict,
    #[error("the idempotency key came with another body before")]
    IdempotencyMismatch,
    #[error("a SKU's code is taken")]
    SkuCodeTaken,
    #[error("there is a category of that name")]
    CategoryNameTaken,
    #[error("flash sale {0} of the product has not ended")]
    SaleNotOver(FlashSaleId),
    #[error("its stock was not changed: {0:?}")]
    Refused(stock::Refusal),
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
}

from_ask_error!(ProductError, stock::Refusal);

impl From<WriteError> for ProductError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Invalid(errors) => Self::Invalid(errors),
            WriteError::NotFound => Self::NotFound,
            WriteError::VersionConflict => Self::VersionConflict,
            WriteError::IdempotencyMismatch => Self::IdempotencyMismatch,
            WriteError::SkuCodeTaken => Self::SkuCodeTaken,
            WriteError::CategoryNameTaken => Self::CategoryNameTaken,
            WriteError::Read(error) => Self::Unanswered(error.into()),
            WriteError::Database(error) => Self::Unanswered(error.into()),
        }
    }
}

impl From<AccessError> for ProductError {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::Missing => Self::NotFound,
            AccessError::OtherSellers => Self::OtherSellers,
            AccessError::Unanswered(unanswered) => Self::Unanswered(unanswered),
        }
    }
}

/// A page of products.
pub async fn list(
    services: &Services,
    filter: &ProductFilter,
    paging: Paging,
) -> Result<Paged<StockedProduct>, Unanswered> {
    let page = Page { page: paging.page, page_size: paging.page_size };
    let (products, total) = services.catalog.page(filter, page).await?;
    let skus: Vec<SkuId> = products.iter().flat_map(|product| &product.skus).map(|sku| sku.id).collect();
    let available = services.availability.of(&skus).await?;
    let stocked = |product: Product| {
        let own = |sku: &crate::records::catalog::Sku| Some((sku.id, *available.get(&sku.id)?));
        let available = product.skus.iter().filter_map(own).collect();
        StockedProduct { product: Arc::new(product), available }
    };
    Ok(Paged { entries: products.into_iter().map(stocked).collect(), total })
}

/// One product. While it is off the shelf, it exists for its seller and administrators only.
pub async fn get(
    services: &Services,
    by: Option<Principal>,
    id: ProductId,
) -> Result<StockedProduct, ProductError> {
    let product = services.catalog.by_id(id).await.map_err(Unanswered::from)?;
    let product = product.filter(|product| product_access::is_shown(by, product));
    Ok(stocked(services, product.ok_or(ProductError::NotFound)?).await.map_err(Unanswered::from)?)
}

/// Makes a product, once for each key. Its stock is there when this answers.
pub async fn create(
    services: &Services,
    by: Principal,
    new: &NewProduct,
    key: Option<IdempotencyKey>,
) -> Result<Answered<StockedProduct>, ProductError> {
    let Created { product, initial_stock, replayed, .. } =
        services.catalog.create(Some(by.user), new, key).await?;
    let mut available = if replayed {
        stocked(services, product.clone()).await.map_err(Unanswered::from)?.available
    } else {
        initial_stock.iter().map(|new| (new.sku_id, new.units)).collect()
    };
    for (sku, stocked) in stock_new(services, &initial_stock).await {
        match stocked {
            Ok(units) => drop(available.insert(sku, units)),
            // The product exists, and the stocking saga completes its stock. After a refusal the seller
            // would make it twice.
            Err(cause) => tracing::warn!(%sku, %cause, "a new SKU is stocked later"),
        }
    }
    Ok(Answered { answer: StockedProduct { product, available }, replayed })
}

/// Sets everything of a product. A list of SKUs, if there is one, is the whole list; a stock is what is to be
/// available of the default SKU.
pub async fn replace(
    services: &Services,
    by: Principal,
    id: ProductId,
    new: NewProduct,
    expected_versions: Option<&[i64]>,
) -> Result<StockedProduct, ProductError> {
    new.validate().map_err(ProductError::Invalid)?;
    let stock = new.stock;
    change(services, by, id, new.into(), stock, expected_versions).await
}

/// Changes the record, then the stock: repeating the whole does no harm.
pub async fn change(
    services: &Services,
    by: Principal,
    id: ProductId,
    change: ProductChange,
    stock: Option<i64>,
    expected_versions: Option<&[i64]>,
) -> Result<StockedProduct, ProductError> {
    owned_product(services, by, id).await?;
    let Created { product, initial_stock, restated_stock, .. } =
        services.catalog.update(id, change, expected_versions).await?;
    for (sku, stocked) in stock_new(services, &initial_stock).await {
        if let Err(cause) = stocked {
            tracing::warn!(%sku, %cause, "a new SKU is stocked later");
        }
    }
    let mut wanted: HashMap<SkuId, i64> = HashMap::new();
    if let Some(units) = stock {
        wanted.insert(product.default_sku_id, units);
    }
    // A SKU's own line has precedence over the product's.
    wanted.extend(restated_stock.iter().map(|stated| (stated.sku_id, stated.units)));
    let reason = format!("set by {}", by.user);
    let adjusted = wanted.into_iter().map(|(sku, available)| {
        let request = AdjustTo { available, reason: reason.clone(), key: None };
        stock_levels::change::<_, ProductError>(services, sku, request)
    });
    for adjusted in join_all(adjusted).await {
        adjusted?;
    }
    Ok(stocked(services, product).await.map_err(Unanswered::from)?)
}

/// Deletes a product whose flash sales have all ended; orders of the past still name it.
pub async fn delete(
    services: &Services,
    by: Principal,
    id: ProductId,
    expected_versions: Option<&[i64]>,
) -> Result<(), ProductError> {
    let product = owned_product(services, by, id).await?;
    let open = product
        .skus
        .iter()
        .map(async |sku| services.actors.stock.request(sku.id.0, sku.id, FindOpenSale).await);
    for asked in join_all(open).await {
        if let Some(sale) = asked?.answer {
            return Err(ProductError::SaleNotOver(sale.id));
        }
    }
    Ok(services.catalog.delete(product.id, expected_versions).await?)
}

/// Puts many products on the shelf, or takes them off it. One after the other: each is a change of its own,
/// with its own version and event.
pub async fn set_status(
    services: &Services,
    by: Principal,
    ids: &[Uuid],
    status: ProductStatus,
) -> Result<StatusChanges, ProductError> {
    if !(1..=STATUS_PRODUCTS_MAX).contains(&ids.len()) {
        return Err(ProductError::Invalid(vec![FieldError {
            field: "ids".to_owned(),
            code: "out_of_range",
            detail: format!("must be 1 to {STATUS_PRODUCTS_MAX} ids"),
        }]));
    }
    let mut changes = StatusChanges::default();
    let mut own = Vec::new();
    for id in ids.iter().copied().map(ProductId).collect::<BTreeSet<_>>() {
        match owned_product(services, by, id).await {
            Ok(_) => own.push(id),
            Err(AccessError::Missing) => changes.missing.push(id),
            Err(error) => return Err(error.into()),
        }
    }
    for id in own {
        let change = ProductChange { status: Some(status), ..ProductChange::default() };
        match services.catalog.update(id, change, None).await {
            Ok(_) => changes.changed.push(id),
            Err(WriteError::NotFound) => changes.missing.push(id),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(changes)
}

async fn stocked(services: &Services, product: Arc<Product>) -> Result<StockedProduct, DatabaseError> {
    let skus: Vec<SkuId> = product.skus.iter().map(|sku| sku.id).collect();
    let available = services.availability.of(&skus).await?;
    Ok(StockedProduct { product, available })
}

/// Gives new SKUs their first stock, all at once; returns what is available of each.
async fn stock_new(services: &Services, new: &[InitialStock]) -> Vec<(SkuId, Result<i64, ProductError>)> {
    join_all(new.iter().map(async |new| {
        let request = Initialize { quantity: new.units };
        let stocked: Result<Answered<StockView>, ProductError> =
            stock_levels::change(services, new.sku_id, request).await;
        (new.sku_id, stocked.map(|answered| answered.answer.regular().available))
    }))
    .await
}
