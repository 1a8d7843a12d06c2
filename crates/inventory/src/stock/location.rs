//! Locations: where stock is kept.

use chrono::{DateTime, Utc};
use const_format::concatcp;
use serde_json::json;
use tenancy::{DbError, TenantTx};
use values::{ActorId, IfVersion, Name, Page, PageRequest};

use crate::business::plan_limits::{self, LimitError, Limited};
use crate::ids::LocationId;
use crate::records::audit::{self, Action, Subject};
use crate::records::edit::{Edit, Stale};
use crate::records::look_alike;
use crate::stock::alert_review;

/// A place where the business keeps stock.
#[derive(Debug, Clone)]
pub struct Location {
    /// The id of the location; ids sort by age.
    pub id: LocationId,
    /// The name. No other location of the business has it, archived or not.
    pub name: Name,
    /// Whether documents use this location when they name none. This never changes.
    pub is_default: bool,
    /// When the location was archived; `None` while it is in use.
    pub archived_at: Option<DateTime<Utc>>,
    /// Counts the changes of the row; clients see it as the ETag.
    pub version: i32,
}

tenancy::from_row!(Location { id, name, is_default, archived_at, version });

/// What to change; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct LocationChange {
    /// The new name. No other location may have it, archived or not.
    pub name: Option<Name>,
    /// `true` archives the location, and `false` restores it.
    pub is_archived: Option<bool>,
    /// Change the location only if it has this version.
    pub if_version: IfVersion,
}

/// A location was not stored or changed.
#[derive(Debug, thiserror::Error)]
pub enum LocationError {
    /// No location has this id.
    #[error("there is no such location")]
    NotFound,
    /// The plan of the business allows no further location.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The location has another version than `if_version`.
    #[error(transparent)]
    Stale(#[from] Stale),
    /// Another location has this name.
    #[error("a location named \"{0}\" already exists; choose another name")]
    DuplicateName(Name),
    /// The change would archive the default location, which documents use when they name none.
    #[error("the default location cannot be archived")]
    Default,
    /// A query failed.
    #[error("a location query failed")]
    Db(#[from] DbError),
}

const SELECT: &str = "SELECT id, name, is_default, archived_at, version FROM locations ";

/// A page of the locations that are not archived, oldest first. The first page starts with the default
/// location, with which a business starts.
///
/// # Errors
/// [`DbError`].
pub async fn list(tx: &TenantTx, page: &PageRequest<LocationId>) -> Result<Page<Location>, DbError> {
    const LIST: &str = concatcp!(SELECT, "WHERE archived_at IS NULL AND id > $1 ORDER BY id LIMIT $2");
    let locations = tx.rows(LIST, &[&page.above(), &page.limit.and_one()]).await?;
    Ok(page.page(locations, |location: &Location| location.id))
}

/// The location with this id, archived or not.
///
/// # Errors
/// [`DbError`]; an unknown id is `None`.
pub async fn find(tx: &TenantTx, id: LocationId) -> Result<Option<Location>, DbError> {
    const FIND: &str = concatcp!(SELECT, "WHERE id = $1");
    tx.row_opt(FIND, &[&id]).await
}

/// The id of the location to use: the given one, or that of the default location. Nothing is locked.
///
/// # Errors
/// [`DbError`]; an unknown or archived location is `None`.
pub async fn find_or_default(tx: &TenantTx, id: Option<LocationId>) -> Result<Option<LocationId>, DbError> {
    const FIND: &str = "
        SELECT id FROM locations
         WHERE archived_at IS NULL AND CASE WHEN $1::uuid IS NULL THEN is_default ELSE id = $1 END";
    tx.value_opt(FIND, &[&id]).await
}

/// As [`find_or_default`]. The location stays in use until the transaction ends.
///
/// # Errors
/// [`DbError`]; an unknown or archived location is `None`.
pub async fn lock_or_default(tx: &TenantTx, id: Option<LocationId>) -> Result<Option<LocationId>, DbError> {
    const LOCK: &str = "
        SELECT id FROM locations
         WHERE archived_at IS NULL AND CASE WHEN $1::uuid IS NULL THEN is_default ELSE id = $1 END
           FOR KEY SHARE";
    tx.value_opt(LOCK, &[&id]).await
}

/// Stores a location that is not the default location.
///
/// # Errors
/// [`LocationError::DuplicateName`], [`LocationError::Db`].
pub async fn insert(tx: &TenantTx, name: &Name, actor: ActorId) -> Result<LocationId, LocationError> {
    const INSERT: &str = "
        INSERT INTO locations (id, name, name_key, is_default, created_at, updated_at)
        VALUES ($1, $2, $3, false, $4, $4)";
    let id = LocationId::new();
    tx.execute(INSERT, &[&id, name, &name.key(), &tx.now()]).await.map_err(|error| on_write(error, name))?;
    let created = json!({"name": {"to": name}});
    audit::record(tx, actor, Action::LocationCreated, Subject::Location(id), &created).await?;
    plan_limits::check(tx, Limited::Locations).await?;
    Ok(id)
}

fn on_write(error: DbError, name: &Name) -> LocationError {
    match error.constraint() {
        Some("locations_name_key") => LocationError::DuplicateName(name.clone()),
        _ => error.into(),
    }
}

/// Changes a location, with the row locked; a change that changes nothing leaves the version as it is.
/// Archiving and restoring also review the low-stock alerts of the location. Call
/// [`under_way::refuse`](crate::under_way::refuse) before you archive.
///
/// # Errors
/// [`LocationError`].
pub async fn update(
    tx: &TenantTx,
    id: LocationId,
    change: &LocationChange,
    actor: ActorId,
) -> Result<(), LocationError> {
    // FOR UPDATE comes before the levels are locked. A document that is posted at the location takes FOR KEY
    // SHARE on this row first, and that waits for FOR UPDATE.
    const LOCK: &str = concatcp!(SELECT, "WHERE id = $1 FOR UPDATE");
    const UPDATE: &str = "
        UPDATE locations
           SET name = $2, name_key = coalesce($3, name_key), archived_at = $4, version = version + 1,
               updated_at = $5
         WHERE id = $1";
    const GIVE_KEY_ON: &str = look_alike::give_key_on!("locations", "name_key", "true");
    let stored: Location = tx.row_opt(LOCK, &[&id]).await?.ok_or(LocationError::NotFound)?;
    let mut edit = Edit::begin(tx, actor, change.if_version, stored.version)?;
    let name = edit.field("name", &stored.name, change.name.as_ref());
    let archived_at = edit.archiving(stored.archived_at, change.is_archived);
    let is_archiving = archived_at.is_some() && stored.archived_at.is_none();
    if is_archiving && stored.is_default {
        return Err(LocationError::Default);
    }
    if edit.is_empty() {
        return Ok(());
    }
    let key = look_alike::new_key(stored.name.as_str(), name.as_str());
    tx.execute(UPDATE, &[&id, name, &key, &archived_at, &tx.now()])
        .await
        .map_err(|error| on_write(error, name))?;
    if archived_at.is_none() && stored.archived_at.is_some() {
        plan_limits::check(tx, Limited::Locations).await?;
    }
    if key.is_some() {
        tx.execute(GIVE_KEY_ON, &[&stored.name.key()]).await?;
    }
    if archived_at.is_some() != stored.archived_at.is_some() {
        let levels = alert_review::lock_location(tx, id).await?;
        alert_review::reconsider(tx, &levels).await?;
    }
    edit.record(Action::LocationChanged, Subject::Location(id)).await?;
    Ok(())
}
