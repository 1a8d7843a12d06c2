//! Tax classes: how a product's prices are taxed.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tenancy::{DbError, TenantTx};
use tokio_postgres::Row;
use tokio_postgres::types::Json;
use uuid::Uuid;

use crate::archived_at;
use crate::ids::TaxClassId;
use crate::records::audit::{self, Changes, Subject};
use values::Name;
use values::Percent;
use values::{Page, PageRequest};

/// One tax, such as VAT at 16 percent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    pub name: String,
    pub percent: Percent,
}

/// What is charged on a price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taxation {
    /// Whether the price has the taxes in it already.
    pub is_inclusive: bool,
    pub rates: Vec<Rate>,
}

/// A tax class to be stored.
#[derive(Debug, Clone)]
pub struct NewTaxClass {
    pub name: Name,
    pub taxation: Taxation,
}

/// A stored tax class.
#[derive(Debug, Clone)]
pub struct TaxClass {
    pub id: TaxClassId,
    pub name: String,
    pub taxation: Taxation,
    pub is_archived: bool,
    pub version: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// What to change; `None` leaves a field as it is. Orders that were placed keep what they were charged.
#[derive(Debug, Clone, Default)]
pub struct TaxClassChange {
    pub name: Option<Name>,
    pub is_inclusive: Option<bool>,
    pub rates: Option<Vec<Rate>>,
    pub is_archived: Option<bool>,
    /// Change only this version of the row.
    pub if_version: Option<i32>,
}

/// A tax class was not stored or changed.
#[derive(Debug, thiserror::Error)]
pub enum TaxError {
    #[error("there is no such tax class")]
    NotFound,
    #[error("the tax class has been changed by someone else meanwhile")]
    Stale,
    #[error("there is already a tax class {0}")]
    DuplicateName(Name),
    #[error("a tax class has 1 to {MAX_RATES} rates of 0 to 100 percent, each with a name of its own")]
    Rates,
    #[error("a tax query failed")]
    Db(#[from] DbError),
}

/// A tax class has no more rates than this.
pub const MAX_RATES: usize = 5;

fn check(rates: &[Rate]) -> Result<(), TaxError> {
    let distinct = rates
        .iter()
        .enumerate()
        .all(|(index, rate)| !rates[..index].iter().any(|other| other.name == rate.name));
    let in_range = rates.iter().all(|rate| rate.percent.is_share() && Name::parse(&rate.name).is_ok());
    if (1..=MAX_RATES).contains(&rates.len()) && distinct && in_range { Ok(()) } else { Err(TaxError::Rates) }
}

impl Taxation {
    pub(crate) fn from_columns(is_inclusive: bool, rates: Json<Vec<Rate>>) -> Self {
        Self { is_inclusive, rates: rates.0 }
    }
}

impl TaxClass {
    fn from_row(row: &Row) -> Result<Self, DbError> {
        let archived_at: Option<DateTime<Utc>> = row.try_get("archived_at")?;
        Ok(Self {
            id: TaxClassId::from_uuid(row.try_get("id")?),
            name: row.try_get("name")?,
            taxation: Taxation::from_columns(row.try_get("is_inclusive")?, row.try_get("rates")?),
            is_archived: archived_at.is_some(),
            version: row.try_get("version")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
        })
    }
}

/// Stores a tax class.
///
/// # Errors
/// [`TaxError`].
pub async fn insert(tx: &TenantTx, new: &NewTaxClass, actor: Option<Uuid>) -> Result<TaxClassId, TaxError> {
    const INSERT: &str = "
        INSERT INTO tax_classes (id, name, is_inclusive, rates, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $5)";
    check(&new.taxation.rates)?;
    let id = TaxClassId::new();
    let rates = Json(&new.taxation.rates);
    tx.execute(INSERT, &[&id.as_uuid(), &new.name.as_str(), &new.taxation.is_inclusive, &rates, &tx.now()])
        .await
        .map_err(|error| on_write(error, Some(&new.name)))?;
    let created = json!({"name": {"to": new.name.as_str()}, "rates": {"to": new.taxation.rates}});
    audit::record(tx, actor, "tax_class.created", subject(id), &created).await?;
    Ok(id)
}

fn subject(id: TaxClassId) -> Subject {
    Subject { kind: "tax_class", id: id.as_uuid() }
}

fn on_write(error: DbError, name: Option<&Name>) -> TaxError {
    match (error.constraint(), name) {
        (Some("tax_classes_name_key"), Some(name)) => TaxError::DuplicateName(name.clone()),
        _ => error.into(),
    }
}

/// The tax class with this id.
///
/// # Errors
/// [`DbError`]; an unknown id is `None`.
pub async fn find(tx: &TenantTx, id: TaxClassId) -> Result<Option<TaxClass>, DbError> {
    const FIND: &str = "
        SELECT id, name, is_inclusive, rates, archived_at, version, created_at, updated_at
          FROM tax_classes WHERE id = $1";
    tx.query_opt(FIND, &[&id.as_uuid()]).await?.as_ref().map(TaxClass::from_row).transpose()
}

/// A page of the tax classes in use, the oldest first.
///
/// # Errors
/// [`DbError`].
pub async fn list(tx: &TenantTx, page: &PageRequest<1>) -> Result<Page<TaxClass, 1>, DbError> {
    const LIST: &str = "
        SELECT id, name, is_inclusive, rates, archived_at, version, created_at, updated_at
          FROM tax_classes WHERE archived_at IS NULL AND id > $1 ORDER BY id LIMIT $2";
    let rows = tx.query(LIST, &[&page.after(0), &page.limit.and_one()]).await?;
    let classes = rows.iter().map(TaxClass::from_row).collect::<Result<Vec<_>, _>>()?;
    Ok(page.page(classes, |class| [class.id.as_uuid()]))
}

/// Changes a tax class; a change that changes nothing leaves the version as it is.
///
/// # Errors
/// [`TaxError`].
pub async fn update(
    tx: &TenantTx,
    id: TaxClassId,
    change: &TaxClassChange,
    actor: Option<Uuid>,
) -> Result<(), TaxError> {
    const LOCK: &str = "
        SELECT id, name, is_inclusive, rates, archived_at, version, created_at, updated_at
          FROM tax_classes WHERE id = $1 FOR NO KEY UPDATE";
    const UPDATE: &str = "
        UPDATE tax_classes
           SET name = $2, is_inclusive = $3, rates = $4, archived_at = $5, version = version + 1, updated_at = $6
         WHERE id = $1";
    let row = tx.query_opt(LOCK, &[&id.as_uuid()]).await?.ok_or(TaxError::NotFound)?;
    let stored = TaxClass::from_row(&row)?;
    if change.if_version.is_some_and(|wanted| wanted != stored.version) {
        return Err(TaxError::Stale);
    }
    let name = change.name.as_ref().map_or(stored.name.as_str(), Name::as_str);
    let taxation = Taxation {
        is_inclusive: change.is_inclusive.unwrap_or(stored.taxation.is_inclusive),
        rates: change.rates.clone().unwrap_or_else(|| stored.taxation.rates.clone()),
    };
    check(&taxation.rates)?;
    let was_archived_at = row.try_get("archived_at").map_err(DbError::from)?;
    let archived_at = archived_at(was_archived_at, change.is_archived, tx.now());
    let mut changes = Changes::default();
    changes.note("name", stored.name.as_str(), name);
    changes.note("isInclusive", stored.taxation.is_inclusive, taxation.is_inclusive);
    changes.note("rates", &stored.taxation.rates, &taxation.rates);
    changes.note("archived", stored.is_archived, archived_at.is_some());
    if changes.is_empty() {
        return Ok(());
    }
    let rates = Json(&taxation.rates);
    tx.execute(UPDATE, &[&id.as_uuid(), &name, &taxation.is_inclusive, &rates, &archived_at, &tx.now()])
        .await
        .map_err(|error| on_write(error, change.name.as_ref()))?;
    audit::record(tx, actor, "tax_class.changed", subject(id), &changes.into_value()).await?;
    Ok(())
}
