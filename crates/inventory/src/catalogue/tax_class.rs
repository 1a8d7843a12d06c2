//! Tax classes: how the prices of a product are taxed.

use chrono::{DateTime, Utc};
use const_format::concatcp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tenancy::{DbError, TenantTx};
use tokio_postgres::types::Json;
use utoipa::ToSchema;
use values::{ActorId, IfVersion, Name, Page, PageRequest, Percent};

use crate::ids::TaxClassId;
use crate::records::audit::{self, Action, Subject};
use crate::records::edit::{Edit, Stale};
use crate::records::look_alike;

/// One tax rate, such as VAT at 16 percent. It is read from the database only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = TaxRate)]
pub struct Rate {
    /// The name of the tax, such as VAT. It must be unique in the tax class.
    #[serde(deserialize_with = "Name::of_stored")]
    pub name: Name,
    /// The tax rate in percent, 0 to 100.
    pub percent: Percent,
}

/// The taxes on a price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taxation {
    /// Whether the price includes the taxes.
    pub is_inclusive: bool,
    /// The tax rates that apply together, each to the price without taxes.
    pub rates: Vec<Rate>,
}

impl Taxation {
    /// The sum of the rates.
    pub fn percent(&self) -> Decimal {
        self.rates.iter().map(|rate| rate.percent.as_decimal()).sum()
    }

    /// The amount without its included taxes, not rounded.
    pub fn net(&self, amount: Decimal) -> Decimal {
        amount * Decimal::ONE_HUNDRED / (Decimal::ONE_HUNDRED + self.percent())
    }

    /// An amount as a customer pays it, before discounts, not rounded: a customer without taxes pays
    /// the net of a price that includes them.
    pub fn charged(&self, amount: Decimal, is_exempt: bool) -> Decimal {
        if is_exempt && self.is_inclusive { self.net(amount) } else { amount }
    }
}

/// A tax class to be stored.
#[derive(Debug, Clone)]
pub struct NewTaxClass {
    /// The name. No other tax class of the business has it, archived or not.
    pub name: Name,
    /// The tax rates, 1 to [`MAX_RATES`], and whether prices include them.
    pub taxation: Taxation,
}

/// A stored tax class.
#[derive(Debug, Clone)]
pub struct TaxClass {
    /// The id of the tax class.
    pub id: TaxClassId,
    /// The name. No other tax class of the business has it, archived or not.
    pub name: Name,
    /// Whether prices of this tax class include the taxes.
    pub is_inclusive: bool,
    /// The tax rates that apply together, 1 to [`MAX_RATES`].
    pub rates: Json<Vec<Rate>>,
    /// When the tax class was archived; `None` while it is in use.
    pub archived_at: Option<DateTime<Utc>>,
    /// Counts the changes of the row; clients see it as the ETag.
    pub version: i32,
    /// When the row was stored.
    pub created_at: DateTime<Utc>,
    /// When the row last changed; at first the same as `created_at`.
    pub updated_at: DateTime<Utc>,
}

tenancy::from_row!(TaxClass { id, name, is_inclusive, rates, archived_at, version, created_at, updated_at });

/// What to change; `None` leaves a field as it is. Orders that were placed keep their taxes.
#[derive(Debug, Clone, Default)]
pub struct TaxClassChange {
    /// The new name.
    pub name: Option<Name>,
    /// Whether prices include the taxes from now on.
    pub is_inclusive: Option<bool>,
    /// All tax rates that the tax class has from now on.
    pub rates: Option<Vec<Rate>>,
    /// `true` archives the tax class, and `false` restores it.
    pub is_archived: Option<bool>,
    /// Change the row only if it has this version.
    pub if_version: IfVersion,
}

/// A tax class was not stored or changed.
#[derive(Debug, thiserror::Error)]
pub enum TaxError {
    /// The business has no tax class with this id.
    #[error("there is no such tax class")]
    NotFound,
    /// The row no longer has the version that the change expects.
    #[error(transparent)]
    Stale(#[from] Stale),
    /// Another tax class of the business has the name, archived or not.
    #[error("a tax class named \"{0}\" already exists; choose another name")]
    DuplicateName(Name),
    /// There are no rates or too many, a rate is out of range, or two have the same name.
    #[error("a tax class must have 1 to {MAX_RATES} rates of 0 to 100 percent, and all names must differ")]
    Rates,
    /// A query failed, for a reason that no other variant describes.
    #[error("a tax class query failed")]
    Db(#[from] DbError),
}

/// The largest number of rates of a tax class.
pub const MAX_RATES: usize = 5;

const SELECT: &str =
    "SELECT id, name, is_inclusive, rates, archived_at, version, created_at, updated_at FROM tax_classes ";

fn check(rates: &[Rate]) -> Result<(), TaxError> {
    let is_repeated =
        |index: usize, rate: &Rate| rates[..index].iter().any(|other| other.name.key() == rate.name.key());
    let are_allowed =
        rates.iter().enumerate().all(|(index, rate)| rate.percent.is_share() && !is_repeated(index, rate));
    if (1..=MAX_RATES).contains(&rates.len()) && are_allowed { Ok(()) } else { Err(TaxError::Rates) }
}

/// Stores a tax class.
///
/// # Errors
/// [`TaxError`].
pub async fn insert(tx: &TenantTx, new: &NewTaxClass, actor: ActorId) -> Result<TaxClassId, TaxError> {
    const INSERT: &str = "
        INSERT INTO tax_classes (id, name, name_key, is_inclusive, rates, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $6)";
    check(&new.taxation.rates)?;
    let id = TaxClassId::new();
    let rates = Json(&new.taxation.rates);
    tx.execute(INSERT, &[&id, &new.name, &new.name.key(), &new.taxation.is_inclusive, &rates, &tx.now()])
        .await
        .map_err(|error| on_write(error, &new.name))?;
    let created = json!({"name": {"to": new.name}, "rates": {"to": new.taxation.rates}});
    audit::record(tx, actor, Action::TaxClassCreated, Subject::TaxClass(id), &created).await?;
    Ok(id)
}

fn on_write(error: DbError, name: &Name) -> TaxError {
    match error.constraint() {
        Some("tax_classes_name_key") => TaxError::DuplicateName(name.clone()),
        _ => error.into(),
    }
}

/// The tax class with this id.
///
/// # Errors
/// [`DbError`]; an unknown id is `None`.
pub async fn find(tx: &TenantTx, id: TaxClassId) -> Result<Option<TaxClass>, DbError> {
    const FIND: &str = concatcp!(SELECT, "WHERE id = $1");
    tx.row_opt(FIND, &[&id]).await
}

/// A page of the tax classes that are not archived, oldest first.
///
/// # Errors
/// [`DbError`].
pub async fn list(tx: &TenantTx, page: &PageRequest<TaxClassId>) -> Result<Page<TaxClass>, DbError> {
    const LIST: &str = concatcp!(SELECT, "WHERE archived_at IS NULL AND id > $1 ORDER BY id LIMIT $2");
    let classes = tx.rows(LIST, &[&page.above(), &page.limit.and_one()]).await?;
    Ok(page.page(classes, |class: &TaxClass| class.id))
}

/// Changes a tax class; a change that changes nothing leaves the version as it is.
///
/// # Errors
/// [`TaxError`].
pub async fn update(
    tx: &TenantTx,
    id: TaxClassId,
    change: &TaxClassChange,
    actor: ActorId,
) -> Result<(), TaxError> {
    const LOCK: &str = concatcp!(SELECT, "WHERE id = $1 FOR NO KEY UPDATE");
    const UPDATE: &str = "
        UPDATE tax_classes
           SET name = $2, name_key = coalesce($3, name_key), is_inclusive = $4, rates = $5, archived_at = $6,
               version = version + 1, updated_at = $7
         WHERE id = $1";
    const GIVE_KEY_ON: &str = look_alike::give_key_on!("tax_classes", "name_key", "true");
    let stored: TaxClass = tx.row_opt(LOCK, &[&id]).await?.ok_or(TaxError::NotFound)?;
    let mut edit = Edit::begin(tx, actor, change.if_version, stored.version)?;
    if let Some(rates) = &change.rates {
        check(rates)?;
    }
    let name = edit.field("name", &stored.name, change.name.as_ref());
    let is_inclusive = edit.field("isInclusive", &stored.is_inclusive, change.is_inclusive.as_ref());
    let rates = edit.field("rates", &stored.rates.0, change.rates.as_ref());
    let archived_at = edit.archiving(stored.archived_at, change.is_archived);
    if edit.is_empty() {
        return Ok(());
    }
    let key = look_alike::new_key(stored.name.as_str(), name.as_str());
    tx.execute(UPDATE, &[&id, name, &key, is_inclusive, &Json(rates), &archived_at, &tx.now()])
        .await
        .map_err(|error| on_write(error, name))?;
    if key.is_some() {
        tx.execute(GIVE_KEY_ON, &[&stored.name.key()]).await?;
    }
    edit.record(Action::TaxClassChanged, Subject::TaxClass(id)).await?;
    Ok(())
}
