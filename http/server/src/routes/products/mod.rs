//! Products: shown with their stock, and changed by sellers.

pub(super) mod body;
pub(super) mod wire;

use actix_web::{HttpResponse, HttpResponseBuilder, web::Data};
use stampede_kernel::ProductId;
use stampede_platform::runtime::Answered;
use stampede_shop::services::{
    Services,
    products::{self, ProductError, StockedProduct},
};
use uuid::Uuid;

use self::body::{Amounts, product_status};
pub use self::{
    body::{ProductInput, ProductPatch},
    wire::{Product, ProductListing, ProductStatusInput, ProductStatusResult},
};
use super::wire::{PageOf, located, replayed};
use crate::{
    extract::{IfMatch, Json, KeyedJson, MaybeCaller, Path, Query, Seller, Unversioned, etag},
    problem::{Problem, ProblemShape},
};

/// The products on the shelf.
#[utoipa::path(get, path = "/api/v1/products", operation_id = "listProducts", tag = "catalog",
    params(ProductListing),
    responses((status = 200, body = PageOf<Product>),
        (status = 422, description = "A parameter is not valid", body = ProblemShape)))]
pub async fn list(listing: Query<ProductListing>, services: Data<Services>) -> Result<HttpResponse, Problem> {
    let (filter, paging) = (listing.filter()?, listing.paging()?);
    let page = products::list(&services, &filter, paging).await?;
    Ok(HttpResponse::Ok().json(PageOf::of(page, paging, Product::of)))
}

/// One product. Its seller and administrators see it too while it is not on the shelf.
#[utoipa::path(get, path = "/api/v1/products/{id}", operation_id = "getProduct", tag = "catalog",
    responses( (status = 200, body = Product), (status = 404, body = ProblemShape)))]
pub async fn get(
    caller: MaybeCaller,
    id: Path<Uuid>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    match products::get(&services, caller.principal(), ProductId(id.0)).await {
        Ok(product) => Ok(shown(HttpResponse::Ok(), &product)),
        Err(error @ ProductError::NotFound) => Err(caller.missing(error.into())),
        Err(error) => Err(error.into()),
    }
}

/// Makes a product. Its stock is there when this answers.
#[utoipa::path(post, path = "/api/v1/products", operation_id = "createProduct", tag = "catalog",
    request_body = ProductInput, params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = Product),
        (status = 409, description = "A SKU's code is taken", body = ProblemShape),
        (status = 422, description = "Some fields are not valid", body = ProblemShape)))]
pub async fn create(
    seller: Seller,
    _: Unversioned,
    request: KeyedJson<ProductInput>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let new = request.body.checked(Amounts::Texts)?;
    Ok(created(&products::create(&services, seller.principal(), &new, request.key).await?))
}

pub(super) fn created(created: &Answered<StockedProduct>) -> HttpResponse {
    let response = shown(HttpResponse::Created(), &created.answer);
    let address = format!("/api/v1/products/{}", created.answer.product.id);
    replayed(located(response, &address), created.replayed)
}

/// Sets everything of a product; a list of SKUs, if there is one, is the whole list. A stock is what
/// is to be for sale of the default SKU.
#[utoipa::path(put, path = "/api/v1/products/{id}", operation_id = "replaceProduct", tag = "catalog",
    request_body = ProductInput, params(("If-Match" = Option<String>, Header)),
    responses((status = 200, body = Product), (status = 404, body = ProblemShape),
        (status = 412, description = "The product has changed meanwhile", body = ProblemShape),
        (status = 422, description = "Some fields are not valid", body = ProblemShape)))]
pub async fn replace(
    seller: Seller,
    version: IfMatch,
    id: Path<Uuid>,
    body: Json<ProductInput>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let (new, by) = (body.0.checked(Amounts::Texts)?, seller.principal());
    let product = products::replace(&services, by, ProductId(id.0), new, version.0.as_deref()).await?;
    Ok(shown(HttpResponse::Ok(), &product))
}

/// Changes a product.
#[utoipa::path(patch, path = "/api/v1/products/{id}", operation_id = "updateProduct", tag = "catalog",
    request_body = ProductPatch, params(("If-Match" = Option<String>, Header)),
    responses((status = 200, body = Product), (status = 404, body = ProblemShape),
        (status = 412, description = "The product has changed meanwhile", body = ProblemShape),
        (status = 422, description = "Some fields are not valid", body = ProblemShape)))]
pub async fn change(
    seller: Seller,
    version: IfMatch,
    id: Path<Uuid>,
    body: Json<ProductPatch>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let (change, stock) = body.0.checked(Amounts::Texts)?;
    let (by, id, versions) = (seller.principal(), ProductId(id.0), version.0.as_deref());
    let product = products::change(&services, by, id, change, stock, versions).await?;
    Ok(shown(HttpResponse::Ok(), &product))
}

/// Deletes a product that has no flash sale any more; orders of the past still name it.
#[utoipa::path(delete, path = "/api/v1/products/{id}", operation_id = "deleteProduct", tag = "catalog",
    params(("If-Match" = Option<String>, Header)),
    responses((status = 204), (status = 404, body = ProblemShape),
        (status = 409, description = "A flash sale of it is not over", body = ProblemShape),
        (status = 412, description = "The product has changed meanwhile", body = ProblemShape)))]
pub async fn delete(
    seller: Seller,
    version: IfMatch,
    id: Path<Uuid>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    products::delete(&services, seller.principal(), ProductId(id.0), version.0.as_deref()).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Puts many products on the shelf, or takes them off it.
#[utoipa::path(post, path = "/api/v1/products/status", operation_id = "setProductStatus", tag = "catalog",
    request_body = ProductStatusInput,
    responses((status = 200, body = ProductStatusResult),
        (status = 422, description = "Some fields are not valid", body = ProblemShape)))]
pub async fn set_status(
    seller: Seller,
    _: Unversioned,
    body: Json<ProductStatusInput>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let status = product_status(&body.status)?;
    let changes = products::set_status(&services, seller.principal(), &body.ids, status).await?;
    Ok(HttpResponse::Ok().json(ProductStatusResult::of(changes)))
}

pub(super) fn shown(mut response: HttpResponseBuilder, product: &StockedProduct) -> HttpResponse {
    response.insert_header(etag(product.product.version)).json(Product::of(product))
}
