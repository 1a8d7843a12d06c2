//! Locations: where stock is kept.

use tenancy::{DbError, TenantTx};

use crate::ids::LocationId;

/// A place where stock is kept.
#[derive(Debug, Clone)]
pub struct Location {
    pub id: LocationId,
    pub name: String,
    pub is_default: bool,
}

/// All open locations, the default one first.
///
/// # Errors
/// [`DbError`].
pub async fn list(tx: &TenantTx) -> Result<Vec<Location>, DbError> {
    const LIST: &str = "
        SELECT id, name, is_default FROM locations WHERE archived_at IS NULL ORDER BY is_default DESC, name";
    tx.query(LIST, &[])
        .await?
        .iter()
        .map(|row| {
            Ok(Location {
                id: LocationId::from_uuid(row.try_get("id")?),
                name: row.try_get("name")?,
                is_default: row.try_get("is_default")?,
            })
        })
        .collect()
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
