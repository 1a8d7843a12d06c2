//! Categories: a tree into which products are sorted.

use chrono::{DateTime, Utc};
use tenancy::{DbError, TenantTx};
use tokio_postgres::Row;

use crate::archived_at;
use crate::ids::CategoryId;
use values::Name;
use values::{Page, PageRequest};

/// A category to be stored.
#[derive(Debug, Clone)]
pub struct NewCategory {
    pub name: Name,
    pub parent_id: Option<CategoryId>,
}

/// A stored category.
#[derive(Debug, Clone)]
pub struct Category {
    pub id: CategoryId,
    pub name: String,
    pub parent_id: Option<CategoryId>,
    pub is_archived: bool,
    pub version: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// What to change; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct CategoryChange {
    pub name: Option<Name>,
    pub parent_id: Option<Option<CategoryId>>,
    pub is_archived: Option<bool>,
    /// Change only this version of the row.
    pub if_version: Option<i32>,
}

/// A category was not stored or changed.
#[derive(Debug, thiserror::Error)]
pub enum CategoryError {
    #[error("there is no such category")]
    NotFound,
    #[error("the category has been changed by someone else meanwhile")]
    Stale,
    #[error("there is already a category {0} there")]
    DuplicateName(Name),
    #[error("there is no such parent category")]
    UnknownParent,
    #[error("a category cannot stand below itself")]
    Cycle,
    #[error("a category query failed")]
    Db(#[from] DbError),
}

impl Category {
    fn from_row(row: &Row) -> Result<Self, DbError> {
        let archived_at: Option<DateTime<Utc>> = row.try_get("archived_at")?;
        Ok(Self {
            id: CategoryId::from_uuid(row.try_get("id")?),
            name: row.try_get("name")?,
            parent_id: row.try_get::<_, Option<_>>("parent_id")?.map(CategoryId::from_uuid),
            is_archived: archived_at.is_some(),
            version: row.try_get("version")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
        })
    }
}

/// Stores a category.
///
/// # Errors
/// [`CategoryError::DuplicateName`], [`CategoryError::UnknownParent`].
pub async fn insert(tx: &TenantTx, new: &NewCategory) -> Result<CategoryId, CategoryError> {
    const INSERT: &str = "
        INSERT INTO categories (id, name, parent_id, created_at, updated_at) VALUES ($1, $2, $3, $4, $4)";
    let id = CategoryId::new();
    let parent = new.parent_id.map(CategoryId::as_uuid);
    tx.execute(INSERT, &[&id.as_uuid(), &new.name.as_str(), &parent, &tx.now()])
        .await
        .map_err(|error| on_write(error, &new.name))?;
    Ok(id)
}

fn on_write(error: DbError, name: &Name) -> CategoryError {
    match error.constraint() {
        Some("categories_parent_id_name_key") => CategoryError::DuplicateName(name.clone()),
        Some("categories_parent_id_fkey") => CategoryError::UnknownParent,
        _ => error.into(),
    }
}

/// The category with this id.
///
/// # Errors
/// [`DbError`]; an unknown id is `None`.
pub async fn find(tx: &TenantTx, id: CategoryId) -> Result<Option<Category>, DbError> {
    const FIND: &str = "
        SELECT id, name, parent_id, archived_at, version, created_at, updated_at FROM categories WHERE id = $1";
    tx.query_opt(FIND, &[&id.as_uuid()]).await?.as_ref().map(Category::from_row).transpose()
}

/// A page of the categories in use, newest first.
///
/// # Errors
/// [`DbError`].
pub async fn list(tx: &TenantTx, page: &PageRequest<1>) -> Result<Page<Category, 1>, DbError> {
    const LIST: &str = "
        SELECT id, name, parent_id, archived_at, version, created_at, updated_at
          FROM categories
         WHERE archived_at IS NULL AND id < $1
         ORDER BY id DESC
         LIMIT $2";
    let rows = tx.query(LIST, &[&page.before(0), &page.limit.and_one()]).await?;
    let rows = rows.iter().map(Category::from_row).collect::<Result<Vec<_>, _>>()?;
    Ok(page.page(rows, |category| [category.id.as_uuid()]))
}

/// Changes a category; a change that changes nothing leaves the version as it is.
///
/// # Errors
/// [`CategoryError`].
pub async fn update(tx: &TenantTx, id: CategoryId, change: &CategoryChange) -> Result<(), CategoryError> {
    const LOCK: &str =
        "SELECT name, parent_id, archived_at, version FROM categories WHERE id = $1 FOR NO KEY UPDATE";
    // Two moves at once could close a circle that neither sees, so moves take turns.
    const LOCK_TREE: &str = "SELECT pg_advisory_xact_lock(hashtext($1))";
    const ANCESTORS: &str = "
        WITH RECURSIVE up AS (
            SELECT id, parent_id FROM categories WHERE id = $1
             UNION
            SELECT c.id, c.parent_id FROM categories c JOIN up ON c.id = up.parent_id)
        SELECT count(*) FILTER (WHERE id = $2) > 0 AS is_below FROM up";
    const UPDATE: &str = "
        UPDATE categories
           SET name = $2, parent_id = $3, archived_at = $4, version = version + 1, updated_at = $5
         WHERE id = $1";
    if let Some(Some(_)) = change.parent_id {
        tx.query(LOCK_TREE, &[&format!("{}.categories", tx.tenant().schema)]).await?;
    }
    let row = tx.query_opt(LOCK, &[&id.as_uuid()]).await?.ok_or(CategoryError::NotFound)?;
    let get = DbError::from;
    let version: i32 = row.try_get("version").map_err(get)?;
    if change.if_version.is_some_and(|wanted| wanted != version) {
        return Err(CategoryError::Stale);
    }
    let stored_name: String = row.try_get("name").map_err(get)?;
    let name = change.name.as_ref().map_or(stored_name.as_str(), Name::as_str);
    let parent = match change.parent_id {
        Some(parent) => parent.map(CategoryId::as_uuid),
        None => row.try_get("parent_id").map_err(get)?,
    };
    if let Some(Some(parent)) = change.parent_id {
        let row = tx.query_one(ANCESTORS, &[&parent.as_uuid(), &id.as_uuid()]).await?;
        if row.try_get("is_below").map_err(get)? {
            return Err(CategoryError::Cycle);
        }
    }
    let was_archived_at: Option<DateTime<Utc>> = row.try_get("archived_at").map_err(get)?;
    let archived_at = archived_at(was_archived_at, change.is_archived, tx.now());
    let unchanged = name == stored_name
        && parent == row.try_get("parent_id").map_err(get)?
        && archived_at == was_archived_at;
    if unchanged {
        return Ok(());
    }
    tx.execute(UPDATE, &[&id.as_uuid(), &name, &parent, &archived_at, &tx.now()]).await.map_err(|error| {
        match Name::parse(name) {
            Ok(name) => on_write(error, &name),
            Err(_) => error.into(),
        }
    })?;
    Ok(())
}
