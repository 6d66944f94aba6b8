//! The tree of categories.

use actix_web::{HttpResponse, web::Data};
use serde::{Deserialize, Serialize};
use stampede_kernel::CategoryId;
use stampede_shop::{
    records::catalog::{self, NewCategory as Draft},
    services::{Services, categories},
};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    extract::{Admin, Json, Unversioned},
    problem::{Problem, ProblemShape},
};

/// A category with what is below it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(no_recursion)]
pub struct Category {
    pub id: Uuid,
    pub parent_id: Option<Uuid>,
    pub name: String,
    /// Its place among its siblings.
    pub position: i32,
    pub children: Vec<Category>,
}

impl Category {
    /// The tree has no circles, and is as deep as its few thousand rows at most.
    fn of(category: &catalog::Category) -> Self {
        Self {
            id: category.id.0,
            parent_id: category.parent_id.map(|parent| parent.0),
            name: category.name.clone(),
            position: category.position,
            children: category.children.iter().map(Self::of).collect(),
        }
    }
}

/// The roots.
#[derive(Debug, Serialize, ToSchema)]
pub struct Categories {
    pub data: Vec<Category>,
}

/// A new category.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CategoryInput {
    #[schema(max_length = 100)]
    pub name: String,
    /// A root, if missing.
    pub parent_id: Option<Uuid>,
    /// 0, if missing.
    pub position: Option<i32>,
}

/// The tree of categories.
#[utoipa::path(get, path = "/api/v1/categories", operation_id = "listCategories", tag = "catalog",
    responses((status = 200, body = Categories)))]
pub async fn list(services: Data<Services>) -> Result<HttpResponse, Problem> {
    let roots = categories::tree(&services).await?;
    Ok(HttpResponse::Ok().json(Categories { data: roots.iter().map(Category::of).collect() }))
}

/// Adds a category.
#[utoipa::path(post, path = "/api/v1/categories", operation_id = "createCategory", tag = "catalog",
    request_body = CategoryInput,
    responses((status = 201, body = Category),
        (status = 409, description = "There is a category of that name", body = ProblemShape),
        (status = 422, description = "Some fields are not valid", body = ProblemShape)))]
pub async fn create(
    _: Admin,
    _: Unversioned,
    body: Json<CategoryInput>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let CategoryInput { name, parent_id, position } = body.0;
    let draft = Draft { parent_id: parent_id.map(CategoryId), name, position: position.unwrap_or(0) };
    Ok(HttpResponse::Created().json(Category::of(&categories::create(&services, &draft).await?)))
}
