//! The tree of categories.

use std::collections::BTreeMap;

use serde::Serialize;
use sqlx::Row;
use stampede_kernel::{CategoryId, FieldError, FieldErrors};
use stampede_platform::engine::Database;
use uuid::Uuid;

use super::{Catalog, error::WriteError, validate};
use crate::records::catalog::limits::CATEGORIES_MAX;

/// A node of the tree with what is below it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Category {
    pub id: CategoryId,
    pub parent_id: Option<CategoryId>,
    pub name: String,
    /// Its place among its siblings; equal ones stand by name.
    pub position: i32,
    pub children: Vec<Category>,
}

/// What somebody writes to add a category.
#[derive(Debug, Clone)]
pub struct NewCategory {
    /// None: a root.
    pub parent_id: Option<CategoryId>,
    pub name: String,
    pub position: i32,
}

impl NewCategory {
    /// Everything that is wrong with it.
    pub fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut errors = FieldErrors::new();
        validate::label(&mut errors, &self.name, "name");
        errors.finish()
    }
}

impl Catalog {
    /// Adds a category. A parent must be there first, so the tree has no circles.
    pub async fn create_category(&self, new: &NewCategory) -> Result<Category, WriteError> {
        new.validate().map_err(WriteError::Invalid)?;
        let id = CategoryId(Uuid::now_v7());
        let mut connection = self.db.connection().await?;
        let made = sqlx::query(
            "INSERT INTO category (id, parent_id, name, position)
             SELECT $1, $2, $3, $4 WHERE (SELECT count(*) FROM category) < $5",
        )
        .bind(id.0)
        .bind(new.parent_id.map(|parent| parent.0))
        .bind(&new.name)
        .bind(new.position)
        .bind(CATEGORIES_MAX)
        .execute(&mut *connection)
        .await?;
        drop(connection);
        if made.rows_affected() == 0 {
            let detail = format!("the shop has at most {CATEGORIES_MAX} categories");
            return Err(WriteError::Invalid(vec![FieldError {
                field: "name".to_owned(),
                code: "too_many",
                detail,
            }]));
        }
        self.memory.forget_tree().await;
        Ok(Category {
            id,
            parent_id: new.parent_id,
            name: new.name.clone(),
            position: new.position,
            children: Vec::new(),
        })
    }
}

/// The roots, each with its children, read from the rows.
pub(super) async fn tree(db: &Database) -> Result<Vec<Category>, sqlx::Error> {
    let mut connection = db.connection().await?;
    let rows =
        sqlx::query("SELECT id, parent_id, name, position FROM category ORDER BY position, name LIMIT $1")
            .bind(CATEGORIES_MAX)
            .fetch_all(&mut *connection)
            .await?;
    drop(connection);
    let mut by_parent: BTreeMap<Option<CategoryId>, Vec<Category>> = BTreeMap::new();
    for row in &rows {
        let category = Category {
            id: CategoryId(row.try_get("id")?),
            parent_id: row.try_get::<Option<Uuid>, _>("parent_id")?.map(CategoryId),
            name: row.try_get("name")?,
            position: row.try_get("position")?,
            children: Vec::new(),
        };
        by_parent.entry(category.parent_id).or_default().push(category);
    }
    Ok(children_of(None, &mut by_parent))
}

/// Takes them out of the map, so that even a circle in the rows would end.
fn children_of(
    parent: Option<CategoryId>,
    by_parent: &mut BTreeMap<Option<CategoryId>, Vec<Category>>,
) -> Vec<Category> {
    let mut children = by_parent.remove(&parent).unwrap_or_default();
    for child in &mut children {
        child.children = children_of(Some(child.id), by_parent);
    }
    children
}
