//! The tree of categories.

use std::sync::Arc;

use stampede_kernel::CategoryId;
use uuid::Uuid;

use super::{Services, Unanswered, products::ProductError};
use crate::records::catalog::{Category, NewCategory};

/// The roots, each with its children.
pub async fn tree(services: &Services) -> Result<Arc<Vec<Category>>, Unanswered> {
    Ok(services.catalog.categories().await?)
}

/// Adds a category.
pub async fn create(services: &Services, new: &NewCategory) -> Result<Category, ProductError> {
    Ok(services.catalog.create_category(new).await?)
}

/// The category of that id or name. An unknown name is an id without products.
pub async fn named(services: &Services, text: &str) -> Result<CategoryId, Unanswered> {
    fn find(categories: &[Category], name: &str) -> Option<CategoryId> {
        categories.iter().find_map(|category| {
            if category.name == name { Some(category.id) } else { find(&category.children, name) }
        })
    }
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    Ok(find(&tree(services).await?, text).unwrap_or(CategoryId(Uuid::nil())))
}
