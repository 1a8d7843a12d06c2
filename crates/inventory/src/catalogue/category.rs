//! Categories: a tree into which products are sorted.

use chrono::{DateTime, Utc};
use const_format::concatcp;
use serde_json::json;
use tenancy::{DbError, TenantTx};
use values::{ActorId, IfVersion, Name, Page, PageRequest};

use crate::ids::CategoryId;
use crate::records::audit::{self, Action, Subject};
use crate::records::edit::{Edit, Stale};
use crate::records::look_alike;

/// A category to be stored.
#[derive(Debug, Clone)]
pub struct NewCategory {
    /// The name. No other category below the same parent has it, archived or not.
    pub name: Name,
    /// The category above this one; `None` at the top level.
    pub parent_id: Option<CategoryId>,
}

/// A stored category.
#[derive(Debug, Clone)]
pub struct Category {
    /// The id of the category.
    pub id: CategoryId,
    /// The name. No other category below the same parent has it, archived or not.
    pub name: Name,
    /// The category above this one; `None` at the top level.
    pub parent_id: Option<CategoryId>,
    /// When the category was archived; `None` while it is in use.
    pub archived_at: Option<DateTime<Utc>>,
    /// Counts the changes of the row; clients see it as the ETag.
    pub version: i32,
    /// When the row was stored.
    pub created_at: DateTime<Utc>,
    /// When the row last changed; at first the same as `created_at`.
    pub updated_at: DateTime<Utc>,
}

tenancy::from_row!(Category { id, name, parent_id, archived_at, version, created_at, updated_at });

/// What to change; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct CategoryChange {
    /// The new name.
    pub name: Option<Name>,
    /// The new parent, which must be neither this category nor one below it; `Some(None)` moves the category
    /// to the top level.
    pub parent_id: Option<Option<CategoryId>>,
    /// `true` archives the category, and `false` restores it.
    pub is_archived: Option<bool>,
    /// Change the row only if it has this version.
    pub if_version: IfVersion,
}

/// A category was not stored or changed.
#[derive(Debug, thiserror::Error)]
pub enum CategoryError {
    /// The business has no category with this id.
    #[error("there is no such category")]
    NotFound,
    /// The row no longer has the version that the change expects.
    #[error(transparent)]
    Stale(#[from] Stale),
    /// Another category with the same parent has the name, archived or not.
    #[error("a category named \"{0}\" already exists below the same parent; choose another name")]
    DuplicateName(Name),
    /// The business has no category with the id of the parent.
    #[error("there is no such parent category")]
    UnknownParent,
    /// The new parent is the category itself or stands below it.
    #[error("a category cannot be moved below itself; choose another parent")]
    Cycle,
    /// A query failed, for a reason that no other variant describes.
    #[error("a category query failed")]
    Db(#[from] DbError),
}

const SELECT: &str =
    "SELECT id, name, parent_id, archived_at, version, created_at, updated_at FROM categories ";

/// Stores a category.
///
/// # Errors
/// [`CategoryError::DuplicateName`], [`CategoryError::UnknownParent`], [`CategoryError::Db`].
pub async fn insert(tx: &TenantTx, new: &NewCategory, actor: ActorId) -> Result<CategoryId, CategoryError> {
    const INSERT: &str = "
        INSERT INTO categories (id, name, name_key, parent_id, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $5)";
    let id = CategoryId::new();
    tx.execute(INSERT, &[&id, &new.name, &new.name.key(), &new.parent_id, &tx.now()])
        .await
        .map_err(|error| on_write(error, &new.name))?;
    let created = json!({"name": {"to": new.name}, "parentId": {"to": new.parent_id}});
    audit::record(tx, actor, Action::CategoryCreated, Subject::Category(id), &created).await?;
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
    const FIND: &str = concatcp!(SELECT, "WHERE id = $1");
    tx.row_opt(FIND, &[&id]).await
}

/// A page of the categories that are not archived, newest first.
///
/// # Errors
/// [`DbError`].
pub async fn list(tx: &TenantTx, page: &PageRequest<CategoryId>) -> Result<Page<Category>, DbError> {
    const LIST: &str = concatcp!(SELECT, "WHERE archived_at IS NULL AND id < $1 ORDER BY id DESC LIMIT $2");
    let categories = tx.rows(LIST, &[&page.below(), &page.limit.and_one()]).await?;
    Ok(page.page(categories, |category: &Category| category.id))
}

/// Changes a category; a change that changes nothing leaves the version as it is.
///
/// # Errors
/// [`CategoryError`].
pub async fn update(
    tx: &TenantTx,
    id: CategoryId,
    change: &CategoryChange,
    actor: ActorId,
) -> Result<(), CategoryError> {
    const LOCK: &str = concatcp!(SELECT, "WHERE id = $1 FOR NO KEY UPDATE");
    const UPDATE: &str = "
        UPDATE categories
           SET name = $2, parent_id = $3, archived_at = $4, version = version + 1, updated_at = $5,
               name_key = coalesce($6, name_key)
         WHERE id = $1";
    const GIVE_KEY_ON: &str =
        look_alike::give_key_on!("categories", "name_key", "parent_id IS NOT DISTINCT FROM $2");
    if let Some(Some(_)) = change.parent_id {
        lock_tree(tx).await?;
    }
    let stored: Category = tx.row_opt(LOCK, &[&id]).await?.ok_or(CategoryError::NotFound)?;
    let mut edit = Edit::begin(tx, actor, change.if_version, stored.version)?;
    if let Some(Some(parent)) = change.parent_id
        && is_at_or_below(tx, parent, id).await?
    {
        return Err(CategoryError::Cycle);
    }
    let name = edit.field("name", &stored.name, change.name.as_ref());
    let parent = edit.field("parentId", &stored.parent_id, change.parent_id.as_ref());
    let archived_at = edit.archiving(stored.archived_at, change.is_archived);
    if edit.is_empty() {
        return Ok(());
    }
    // Below another parent, other names are its look-alikes.
    let key = match *parent == stored.parent_id {
        true => look_alike::new_key(stored.name.as_str(), name.as_str()),
        false => Some(name.key()),
    };
    tx.execute(UPDATE, &[&id, name, parent, &archived_at, &tx.now(), &key])
        .await
        .map_err(|error| on_write(error, name))?;
    if key.is_some() {
        tx.execute(GIVE_KEY_ON, &[&stored.name.key(), &stored.parent_id]).await?;
    }
    edit.record(Action::CategoryChanged, Subject::Category(id)).await?;
    Ok(())
}

/// Only one transaction moves categories at a time. Two concurrent moves could make a category its own
/// ancestor, because neither transaction sees the other's change.
async fn lock_tree(tx: &TenantTx) -> Result<(), DbError> {
    const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtext($1))";
    tx.query(LOCK, &[&format!("{}.categories", tx.tenant().schema)]).await.map(drop)
}

async fn is_at_or_below(tx: &TenantTx, category: CategoryId, other: CategoryId) -> Result<bool, DbError> {
    const IS_BELOW: &str = "
        WITH RECURSIVE up AS (
            SELECT id, parent_id FROM categories WHERE id = $1
             UNION
            SELECT c.id, c.parent_id FROM categories c JOIN up ON c.id = up.parent_id)
        SELECT EXISTS (SELECT FROM up WHERE id = $2)";
    tx.value(IS_BELOW, &[&category, &other]).await
}
