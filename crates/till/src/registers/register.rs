//! Registers: the tills of the business.

use chrono::{DateTime, Utc};
use const_format::concatcp;
use inventory::audit::{self, Action, Subject};
use inventory::counter::Counter;
use inventory::edit::{Edit, Stale};
use inventory::plan_limits::{self, LimitError, Limited};
use inventory::{LocationId, location};
use serde_json::json;
use tenancy::{DbError, TenantTx};
use values::{ActorId, IfVersion, Name, Page, PageRequest};

use crate::ids::RegisterId;

/// The text with which the numbers of a register's documents begin, such as `R1`. It never changes, so that a
/// number names one register for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series(String);

values::checked_text!(
    Series,
    SeriesError,
    "The series of a register: 1 to 8 of A-Z and 0-9, first a letter",
    values::macros::TextForm::pattern("^[A-Z][A-Z0-9]{0,7}$").such_as("R1")
);

/// The text is no series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a series must have 1 to 8 of A-Z and 0-9, and begin with a letter")]
pub struct SeriesError;

impl Series {
    /// # Errors
    /// [`SeriesError`] when the text has another form.
    pub fn parse(text: &str) -> Result<Self, SeriesError> {
        let is_part = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit();
        let has_form = text.len() <= 8 && text.bytes().all(is_part);
        match has_form && text.starts_with(|first: char| first.is_ascii_uppercase()) {
            true => Ok(Self(text.to_owned())),
            false => Err(SeriesError),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The number of a receipt as it is printed, such as `R1-2026-000042`. Its series is a register and a fiscal
/// year.
pub fn receipt_reference(series: &str, number: i64) -> String {
    format!("{series}-{}", Counter::TillReceipt.reference(number))
}

/// A register.
#[derive(Debug, Clone)]
pub struct Register {
    /// The id; ids sort by age.
    pub id: RegisterId,
    /// The name. No other register of the business has it, archived or not.
    pub name: Name,
    /// The text with which the numbers of its documents begin. No other register has it, archived or not.
    pub series: Series,
    /// The location from whose stock the register sells.
    pub location_id: LocationId,
    /// The name of the fiscal device that signs its receipts; `None` for no device.
    pub fiscal_device: Option<String>,
    /// The moment at which the register was archived; `None` while it is in use.
    pub archived_at: Option<DateTime<Utc>>,
    /// Counts the changes of the row; clients see it as the ETag.
    pub version: i32,
}

tenancy::from_row!(Register { id, name, series, location_id, fiscal_device, archived_at, version });

/// A register to be stored.
#[derive(Debug, Clone)]
pub struct NewRegister {
    /// The name.
    pub name: Name,
    /// The text with which the numbers of its documents begin.
    pub series: Series,
    /// Defaults to the default location.
    pub location_id: Option<LocationId>,
    /// The name of the fiscal device that signs its receipts. The caller must know the device.
    pub fiscal_device: Option<String>,
}

/// A change of a register; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct RegisterChange {
    /// The new name.
    pub name: Option<Name>,
    /// The location from whose stock the register sells from now on.
    pub location_id: Option<LocationId>,
    /// The fiscal device that signs its receipts from now on, which the caller must know; `Some(None)` for no
    /// device.
    pub fiscal_device: Option<Option<String>>,
    /// `true` archives the register, and `false` restores it.
    pub is_archived: Option<bool>,
    /// Change the register only if it has this version.
    pub if_version: IfVersion,
}

/// A register was not stored or changed.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// No register has this id.
    #[error("there is no such register")]
    NotFound,
    /// The plan of the business allows no further register.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The register has another version than `if_version`.
    #[error(transparent)]
    Stale(#[from] Stale),
    /// Another register has this name.
    #[error("a register named \"{0}\" already exists; choose another name")]
    DuplicateName(Name),
    /// Another register has, or had, this series.
    #[error("another register has the series {0}; choose another series")]
    DuplicateSeries(Series),
    /// A shift of the register is not closed.
    #[error("a shift of the register is not closed; close it before you archive the register")]
    ShiftNotClosed,
    /// The location does not exist or is archived.
    #[error("there is no such location")]
    UnknownLocation,
    /// A query failed.
    #[error("a register query failed")]
    Db(#[from] DbError),
}

const SELECT: &str =
    "SELECT id, name, series, location_id, fiscal_device, archived_at, version FROM registers ";

/// A page of the registers, oldest first; without archived ones, unless `with_archived`.
///
/// # Errors
/// [`DbError`].
pub async fn list(
    tx: &TenantTx,
    with_archived: bool,
    page: &PageRequest<RegisterId>,
) -> Result<Page<Register>, DbError> {
    const LIST: &str = concatcp!(
        SELECT,
        "WHERE ($1 OR archived_at IS NULL) AND ($2::uuid IS NULL OR id > $2) ORDER BY id LIMIT $3"
    );
    let rows = tx.rows(LIST, &[&with_archived, &page.after, &page.limit.and_one()]).await?;
    Ok(page.page(rows, |register: &Register| register.id))
}

/// # Errors
/// [`DbError`]; an unknown id is `None`.
pub async fn find(tx: &TenantTx, id: RegisterId) -> Result<Option<Register>, DbError> {
    const FIND: &str = concatcp!(SELECT, "WHERE id = $1");
    tx.row_opt(FIND, &[&id]).await
}

/// As [`find`]. The register stays as it is until the transaction ends; documents of it do not wait.
pub(crate) async fn hold(tx: &TenantTx, id: RegisterId) -> Result<Option<Register>, DbError> {
    const HOLD: &str = concatcp!(SELECT, "WHERE id = $1 FOR KEY SHARE");
    tx.row_opt(HOLD, &[&id]).await
}

/// Stores a register.
///
/// # Errors
/// [`RegisterError`].
pub async fn insert(tx: &TenantTx, new: &NewRegister, actor: ActorId) -> Result<RegisterId, RegisterError> {
    const INSERT: &str = "
        INSERT INTO registers (id, name, name_key, series, location_id, created_at, updated_at, fiscal_device)
        VALUES ($1, $2, $3, $4, $5, $6, $6, $7)";
    let location = location::lock_or_default(tx, new.location_id).await?;
    let location = location.ok_or(RegisterError::UnknownLocation)?;
    let id = RegisterId::new();
    let NewRegister { name, series, fiscal_device, .. } = new;
    tx.execute(INSERT, &[&id, name, &name.key(), series, &location, &tx.now(), fiscal_device])
        .await
        .map_err(|error| on_write(error, name, series))?;
    let created = json!({"name": {"to": name}, "series": {"to": series}});
    audit::record(tx, actor, Action::RegisterCreated, Subject::Register(id.into()), &created).await?;
    plan_limits::check(tx, Limited::Registers).await?;
    Ok(id)
}

fn on_write(error: DbError, name: &Name, series: &Series) -> RegisterError {
    match error.constraint() {
        Some("registers_name_key") => RegisterError::DuplicateName(name.clone()),
        Some("registers_series_key") => RegisterError::DuplicateSeries(series.clone()),
        _ => error.into(),
    }
}

/// Changes a register, with the row locked; a change that changes nothing leaves the version as it is.
///
/// # Errors
/// [`RegisterError`].
pub async fn update(
    tx: &TenantTx,
    id: RegisterId,
    change: &RegisterChange,
    actor: ActorId,
) -> Result<(), RegisterError> {
    // FOR UPDATE: documents of the register hold FOR KEY SHARE on this row.
    const LOCK: &str = concatcp!(SELECT, "WHERE id = $1 FOR UPDATE");
    const HAS_SHIFT: &str =
        "SELECT EXISTS (SELECT FROM shifts WHERE register_id = $1 AND status <> 'closed')";
    const UPDATE: &str = "
        UPDATE registers
           SET name = $2, name_key = $3, location_id = $4, archived_at = $5, version = version + 1,
               updated_at = $6, fiscal_device = $7
         WHERE id = $1";
    let stored: Register = tx.row_opt(LOCK, &[&id]).await?.ok_or(RegisterError::NotFound)?;
    let mut edit = Edit::begin(tx, actor, change.if_version, stored.version)?;
    let name = edit.field("name", &stored.name, change.name.as_ref());
    let location_id = edit.field("locationId", &stored.location_id, change.location_id.as_ref());
    let device = edit.field("fiscalDevice", &stored.fiscal_device, change.fiscal_device.as_ref());
    let archived_at = edit.archiving(stored.archived_at, change.is_archived);
    if edit.is_empty() {
        return Ok(());
    }
    let is_archiving = archived_at.is_some() && stored.archived_at.is_none();
    if is_archiving && tx.value(HAS_SHIFT, &[&id]).await? {
        return Err(RegisterError::ShiftNotClosed);
    }
    // A register that is used again sells from a location that is used, too.
    let is_restored = archived_at.is_none() && stored.archived_at.is_some();
    if (*location_id != stored.location_id || is_restored)
        && location::lock_or_default(tx, Some(*location_id)).await?.is_none()
    {
        return Err(RegisterError::UnknownLocation);
    }
    tx.execute(UPDATE, &[&id, name, &name.key(), location_id, &archived_at, &tx.now(), device])
        .await
        .map_err(|error| on_write(error, name, &stored.series))?;
    if is_restored {
        plan_limits::check(tx, Limited::Registers).await?;
    }
    edit.record(Action::RegisterChanged, Subject::Register(id.into())).await?;
    Ok(())
}

/// Takes the fiscal devices away from all registers: a copy of a business must not report its trials to the
/// tax office.
///
/// # Errors
/// [`DbError`].
pub async fn forget_devices(tx: &TenantTx) -> Result<(), DbError> {
    const FORGET: &str = "UPDATE registers SET fiscal_device = NULL WHERE fiscal_device IS NOT NULL";
    tx.execute(FORGET, &[]).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_has_capital_letters_and_digits() {
        for text in ["R", "R1", "TILL0042"] {
            assert_eq!(Series::parse(text).unwrap().as_str(), text);
        }
        for text in ["", "1R", "r1", "R-1", "R 1", "TILL00421", "\u{10c}1"] {
            assert_eq!(Series::parse(text), Err(SeriesError), "{text}");
        }
    }
}
