//! The profile of a business: how its customers, its suppliers and the tax office know it.

use const_format::concatcp;
use serde::Serialize;
use tenancy::{DbError, TenantTx};
use values::{ActorId, Email, IfVersion, Name, Note, ShortText};

use crate::records::audit::{self, Action, Changes, Subject};
use crate::records::edit::{Edit, Stale};

/// The profile. Every part may be unknown.
#[derive(Debug, Clone)]
pub struct Profile {
    /// The name in the register of companies.
    pub legal_name: Option<Name>,
    /// The name over the door.
    pub trading_name: Option<Name>,
    /// The person who owns the business.
    pub owner_name: Option<Name>,
    /// The email of the business.
    pub email: Option<Email>,
    /// The telephone number of the business.
    pub phone: Option<ShortText>,
    /// The postal address, with line breaks.
    pub address: Option<Note>,
    /// The number by which the tax office knows the business.
    pub tax_number: Option<ShortText>,
    /// Starts at 1 and counts the changes of the row; clients see it as the ETag.
    pub version: i32,
}

tenancy::from_row!(Profile {
    legal_name,
    trading_name,
    owner_name,
    email,
    phone,
    address,
    tax_number,
    version
});

/// A change of the profile. `None` leaves a part as it is, and `Some(None)` removes it.
#[derive(Debug, Clone, Default)]
pub struct ProfileChange {
    /// The name in the register of companies.
    pub legal_name: Option<Option<Name>>,
    /// The name over the door.
    pub trading_name: Option<Option<Name>>,
    /// The person who owns the business.
    pub owner_name: Option<Option<Name>>,
    /// The email of the business.
    pub email: Option<Option<Email>>,
    /// The telephone number of the business.
    pub phone: Option<Option<ShortText>>,
    /// The postal address, with line breaks.
    pub address: Option<Option<Note>>,
    /// The number by which the tax office knows the business.
    pub tax_number: Option<Option<ShortText>>,
    /// Change the profile only if it has this version.
    pub if_version: IfVersion,
}

/// The profile was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// The profile has another version than `if_version`.
    #[error(transparent)]
    Stale(#[from] Stale),
    /// A query failed.
    #[error("a query of the profile failed")]
    Db(#[from] DbError),
}

const SELECT: &str = "
    SELECT legal_name, trading_name, owner_name, email, phone, address, tax_number, version
      FROM profile WHERE id = 1";

/// Reads the profile.
///
/// # Errors
/// [`DbError`].
pub async fn read(tx: &TenantTx) -> Result<Profile, DbError> {
    tx.row(SELECT, &[]).await
}

/// Changes the profile, with the row locked; a change that changes nothing leaves the version as it is.
///
/// # Errors
/// [`ProfileError`].
pub async fn update(tx: &TenantTx, change: &ProfileChange, actor: ActorId) -> Result<(), ProfileError> {
    const LOCK: &str = concatcp!(SELECT, " FOR NO KEY UPDATE");
    const UPDATE: &str = "
        UPDATE profile
           SET legal_name = $1, trading_name = $2, owner_name = $3, email = $4, phone = $5, address = $6,
               tax_number = $7, version = version + 1, updated_at = $8
         WHERE id = 1";
    let stored: Profile = tx.row(LOCK, &[]).await?;
    let mut edit = Edit::begin(tx, actor, change.if_version, stored.version)?;
    let legal_name = edit.field("legalName", &stored.legal_name, change.legal_name.as_ref());
    let trading_name = edit.field("tradingName", &stored.trading_name, change.trading_name.as_ref());
    let owner_name = edit.field("ownerName", &stored.owner_name, change.owner_name.as_ref());
    let email = edit.field("email", &stored.email, change.email.as_ref());
    let phone = edit.field("phone", &stored.phone, change.phone.as_ref());
    let address = edit.field("address", &stored.address, change.address.as_ref());
    let tax_number = edit.field("taxNumber", &stored.tax_number, change.tax_number.as_ref());
    if edit.is_empty() {
        return Ok(());
    }
    let values: tenancy::Params<'_> =
        &[legal_name, trading_name, owner_name, email, phone, address, tax_number, &tx.now()];
    tx.execute(UPDATE, values).await?;
    edit.record(Action::ProfileChanged, Subject::Settings(tx.tenant().id)).await?;
    Ok(())
}

/// Notes in the audit log that the till number has changed, which is not part of the schema of the business.
///
/// # Errors
/// [`DbError`].
pub async fn record_till_number<T: PartialEq + Serialize>(
    tx: &TenantTx,
    before: Option<&T>,
    after: Option<&T>,
    actor: ActorId,
) -> Result<(), DbError> {
    let mut changes = Changes::default();
    changes.note("tillNumber", before, after);
    let subject = Subject::Settings(tx.tenant().id);
    audit::record(tx, actor, Action::ProfileChanged, subject, &changes.into_value()).await
}
