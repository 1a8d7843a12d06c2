//! Locations: where stock is kept.

use chrono::{DateTime, Utc};
use serde_json::json;
use tenancy::{DbError, TenantTx};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::archived_at;
use crate::ids::LocationId;
use crate::records::audit::{self, Changes, Subject};
use crate::stock::posting as stock;
use values::Name;
use values::{Page, PageRequest};

/// A place where stock is kept.
#[derive(Debug, Clone)]
pub struct Location {
    pub id: LocationId,
    pub name: String,
    pub is_default: bool,
    pub is_archived: bool,
    pub version: i32,
}

/// What to change; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct LocationChange {
    pub name: Option<Name>,
    pub is_archived: Option<bool>,
    /// Change only this version of the row.
    pub if_version: Option<i32>,
}

/// A location was not stored or changed.
#[derive(Debug, thiserror::Error)]
pub enum LocationError {
    #[error("there is no such location")]
    NotFound,
    #[error("the location has been changed by someone else meanwhile")]
    Stale,
    #[error("there is already a location {0}")]
    DuplicateName(Name),
    #[error("the default location stays open")]
    Default,
    #[error("there is stock at the location; move it before the location is archived")]
    NotEmpty,
    #[error("a location query failed")]
    Db(#[from] DbError),
}

impl Location {
    fn from_row(row: &Row) -> Result<Self, DbError> {
        let archived_at: Option<DateTime<Utc>> = row.try_get("archived_at")?;
        Ok(Self {
            id: LocationId::from_uuid(row.try_get("id")?),
            name: row.try_get("name")?,
            is_default: row.try_get("is_default")?,
            is_archived: archived_at.is_some(),
            version: row.try_get("version")?,
        })
    }
}

/// A page of the open locations, the oldest first: that is the default one, with which a business is born.
///
/// # Errors
/// [`DbError`].
pub async fn list(tx: &TenantTx, page: &PageRequest<1>) -> Result<Page<Location, 1>, DbError> {
    const LIST: &str = "
        SELECT id, name, is_default, archived_at, version
          FROM locations WHERE archived_at IS NULL AND id > $1 ORDER BY id LIMIT $2";
    let rows = tx.query(LIST, &[&page.after(0), &page.limit.and_one()]).await?;
    let locations = rows.iter().map(Location::from_row).collect::<Result<Vec<_>, _>>()?;
    Ok(page.page(locations, |location| [location.id.as_uuid()]))
}

/// The location with this id, open or not.
///
/// # Errors
/// [`DbError`]; an unknown id is `None`.
pub async fn find(tx: &TenantTx, id: LocationId) -> Result<Option<Location>, DbError> {
    const FIND: &str = "SELECT id, name, is_default, archived_at, version FROM locations WHERE id = $1";
    tx.query_opt(FIND, &[&id.as_uuid()]).await?.as_ref().map(Location::from_row).transpose()
}

/// Stores a location.
///
/// # Errors
/// [`LocationError::DuplicateName`].
pub async fn insert(tx: &TenantTx, name: &Name, actor: Option<Uuid>) -> Result<LocationId, LocationError> {
    const INSERT: &str = "
        INSERT INTO locations (id, name, is_default, created_at, updated_at) VALUES ($1, $2, false, $3, $3)";
    let id = LocationId::new();
    tx.execute(INSERT, &[&id.as_uuid(), &name.as_str(), &tx.now()])
        .await
        .map_err(|error| on_write(error, name))?;
    audit::record(tx, actor, "location.created", subject(id), &json!({"name": {"to": name.as_str()}}))
        .await?;
    Ok(id)
}

fn subject(id: LocationId) -> Subject {
    Subject { kind: "location", id: id.as_uuid() }
}

fn on_write(error: DbError, name: &Name) -> LocationError {
    match error.constraint() {
        Some("locations_name_key") => LocationError::DuplicateName(name.clone()),
        _ => error.into(),
    }
}

/// Changes a location; a change that changes nothing leaves the version as it is.
///
/// # Errors
/// [`LocationError`].
pub async fn update(
    tx: &TenantTx,
    id: LocationId,
    change: &LocationChange,
    actor: Option<Uuid>,
) -> Result<(), LocationError> {
    // The strongest lock on the row, and before the levels: whoever posts a document at the location does the same under one
    // that waits.
    const LOCK: &str =
        "SELECT id, name, is_default, archived_at, version FROM locations WHERE id = $1 FOR UPDATE";
    const HAS_STOCK: &str = "
        SELECT EXISTS (SELECT FROM stock_levels WHERE location_id = $1 AND on_hand > 0) AS has_stock";
    const UPDATE: &str = "
        UPDATE locations SET name = $2, archived_at = $3, version = version + 1, updated_at = $4 WHERE id = $1";
    let row = tx.query_opt(LOCK, &[&id.as_uuid()]).await?.ok_or(LocationError::NotFound)?;
    let stored = Location::from_row(&row)?;
    if change.if_version.is_some_and(|wanted| wanted != stored.version) {
        return Err(LocationError::Stale);
    }
    let name = change.name.as_ref().map_or(stored.name.as_str(), Name::as_str);
    let was_archived_at = row.try_get("archived_at").map_err(DbError::from)?;
    let archived_at = archived_at(was_archived_at, change.is_archived, tx.now());
    if archived_at.is_some() && !stored.is_archived {
        if stored.is_default {
            return Err(LocationError::Default);
        }
        let row = tx.query_one(HAS_STOCK, &[&id.as_uuid()]).await?;
        if row.try_get("has_stock").map_err(DbError::from)? {
            return Err(LocationError::NotEmpty);
        }
    }
    let mut changes = Changes::default();
    changes.note("name", stored.name.as_str(), name);
    changes.note("archived", stored.is_archived, archived_at.is_some());
    if changes.is_empty() {
        return Ok(());
    }
    tx.execute(UPDATE, &[&id.as_uuid(), &name, &archived_at, &tx.now()]).await.map_err(
        |error| match &change.name {
            Some(name) => on_write(error, name),
            None => error.into(),
        },
    )?;
    if archived_at.is_some() != stored.is_archived {
        let levels = stock::lock_of_location(tx, id).await?;
        stock::reconsider(tx, &levels).await?;
    }
    audit::record(tx, actor, "location.changed", subject(id), &changes.into_value()).await?;
    Ok(())
}

/// The location with this id, or the default one when none is named.
///
/// # Errors
/// [`DbError`]; an unknown or archived location is `None`.
pub async fn find_or_default(tx: &TenantTx, id: Option<LocationId>) -> Result<Option<LocationId>, DbError> {
    const FIND: &str = "
        SELECT id FROM locations
         WHERE archived_at IS NULL AND CASE WHEN $1::uuid IS NULL THEN is_default ELSE id = $1 END";
    let row = tx.query_opt(FIND, &[&id.map(LocationId::as_uuid)]).await?;
    Ok(row.map(|row| row.try_get("id").map(LocationId::from_uuid)).transpose()?)
}
