//! Suppliers: the businesses from which this business buys.

use chrono::{DateTime, Utc};
use const_format::concatcp;
use serde_json::json;
use tenancy::{DbError, TenantTx};
use values::{ActorId, Email, EmailError, IfVersion, Name, Note, Page, PageRequest, ShortText};

use crate::ids::SupplierId;
use crate::records::audit::{self, Action, Subject};
use crate::records::changes::{ByChange, Changed, by_change};
use crate::records::edit::{Edit, Stale};
use crate::records::look_alike;
use crate::records::named::{ByName, Named, by_name};
use crate::records::own_keys::{self, OwnKeys, OwnKeysChange, OwnKeysError};

/// A supplier to be stored.
#[derive(Debug, Clone)]
pub struct NewSupplier {
    /// The name. No other supplier of the business has it, archived or not.
    pub name: Name,
    /// The email address; the server does not check its form.
    pub email: Option<ShortText>,
    /// The telephone number; the server does not check its form.
    pub phone: Option<ShortText>,
    /// A note on the supplier; `None` for no note.
    pub note: Option<Note>,
    /// The days from sending a purchase order to its arrival, 0 to 1000, unless a price has another lead
    /// time. `None` if unknown.
    pub lead_time_days: Option<i16>,
    /// The key and the notes of a program elsewhere.
    pub own_keys: OwnKeys,
}

/// A stored supplier.
#[derive(Debug, Clone)]
pub struct Supplier {
    /// The id of the supplier.
    pub id: SupplierId,
    /// The name. No other supplier of the business has it, archived or not.
    pub name: Name,
    /// The email address; the server does not check its form.
    pub email: Option<ShortText>,
    /// The telephone number; the server does not check its form.
    pub phone: Option<ShortText>,
    /// A note on the supplier; `None` for no note.
    pub note: Option<Note>,
    /// The days from sending a purchase order to its arrival, unless a price has another lead time. `None` if
    /// unknown.
    pub lead_time_days: Option<i16>,
    /// The key and the notes of a program elsewhere.
    pub own_keys: OwnKeys,
    /// When the supplier was archived; `None` while it is in use.
    pub archived_at: Option<DateTime<Utc>>,
    /// Counts the changes of the row; clients see it as the ETag.
    pub version: i32,
    /// When the row was stored.
    pub created_at: DateTime<Utc>,
    /// When the row last changed; at first the same as `created_at`.
    pub updated_at: DateTime<Utc>,
}

tenancy::from_row!(Supplier {
    id,
    name,
    email,
    phone,
    note,
    lead_time_days,
    own_keys,
    archived_at,
    version,
    created_at,
    updated_at,
});

/// What to change; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct SupplierChange {
    /// The new name.
    pub name: Option<Name>,
    /// The new email address; `Some(None)` removes it.
    pub email: Option<Option<ShortText>>,
    /// The new telephone number; `Some(None)` removes it.
    pub phone: Option<Option<ShortText>>,
    /// The new note; `Some(None)` removes it.
    pub note: Option<Option<Note>>,
    /// The new lead time in days, 0 to 1000; `Some(None)` removes it.
    pub lead_time_days: Option<Option<i16>>,
    /// Changes of the key and the notes of a program elsewhere.
    pub own_keys: OwnKeysChange,
    /// `true` archives the supplier, and `false` restores it.
    pub is_archived: Option<bool>,
    /// Change the row only if it has this version.
    pub if_version: IfVersion,
}

/// A supplier was not stored or changed.
#[derive(Debug, thiserror::Error)]
pub enum SupplierError {
    /// The business has no supplier with this id.
    #[error("there is no such supplier")]
    NotFound,
    /// The row no longer has the version that the change expects.
    #[error(transparent)]
    Stale(#[from] Stale),
    /// Another supplier of the business has the name, archived or not.
    #[error("a supplier named \"{0}\" already exists; choose another name")]
    DuplicateName(Name),
    /// The email address is malformed.
    #[error(transparent)]
    Email(#[from] EmailError),
    /// The lead time of a supplier or of a supplier's price is out of range.
    #[error("the lead time must be 0 to 1000 days")]
    LeadTime,
    /// The business has no variant with the id in a price.
    #[error("there is no such variant")]
    UnknownVariant,
    /// The variant in a price is a service, a fee or a bundle.
    #[error("services, fees and bundles have no stock and cannot be purchased; choose another variant")]
    NotStocked,
    /// The key or the notes of a program elsewhere are refused.
    #[error(transparent)]
    OwnKeys(#[from] OwnKeysError),
    /// A query failed, for a reason that no other variant describes.
    #[error("a supplier query failed")]
    Db(#[from] DbError),
}

pub(crate) fn check_lead_time(days: Option<i16>) -> Result<(), SupplierError> {
    if days.is_none_or(|days| (0..=1000).contains(&days)) { Ok(()) } else { Err(SupplierError::LeadTime) }
}

fn on_write(error: DbError, name: &Name) -> SupplierError {
    match error.constraint() {
        Some("suppliers_name_key") => SupplierError::DuplicateName(name.clone()),
        _ => own_keys::on_write(error),
    }
}

const SELECT: &str = "
    SELECT id, name, email, phone, note, lead_time_days, own_keys, archived_at, version, created_at,
           updated_at
      FROM suppliers ";

/// Stores a supplier.
///
/// # Errors
/// [`SupplierError`].
pub async fn insert(tx: &TenantTx, new: &NewSupplier, actor: ActorId) -> Result<SupplierId, SupplierError> {
    const INSERT: &str = "
        INSERT INTO suppliers (id, name, name_key, email, phone, note, lead_time_days, created_at, updated_at,
                               own_keys)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9)";
    check_lead_time(new.lead_time_days)?;
    let id = SupplierId::new();
    Email::check(new.email.as_ref())?;
    let key = new.name.key();
    let NewSupplier { name, email, phone, note, lead_time_days, own_keys } = new;
    let params: tenancy::Params<'_> =
        &[&id, name, &key, email, phone, note, lead_time_days, &tx.now(), own_keys];
    tx.execute(INSERT, params).await.map_err(|error| on_write(error, &new.name))?;
    let created = json!({"name": {"to": new.name}});
    audit::record(tx, actor, Action::SupplierCreated, Subject::Supplier(id), &created).await?;
    Ok(id)
}

/// The supplier with this id.
///
/// # Errors
/// [`DbError`]; an unknown id is `None`.
pub async fn find(tx: &TenantTx, id: SupplierId) -> Result<Option<Supplier>, DbError> {
    const FIND: &str = concatcp!(SELECT, "WHERE id = $1");
    tx.row_opt(FIND, &[&id]).await
}

/// Whether the supplier exists and is not archived. If so, it stays so until the transaction ends.
///
/// # Errors
/// [`DbError`].
pub(crate) async fn lock_in_use(tx: &TenantTx, id: SupplierId) -> Result<bool, DbError> {
    const LOCK: &str = "SELECT archived_at IS NULL FROM suppliers WHERE id = $1 FOR KEY SHARE";
    Ok(tx.value_opt(LOCK, &[&id]).await? == Some(true))
}

/// A page of the suppliers that are not archived, newest first.
///
/// # Errors
/// [`DbError`].
pub async fn list(tx: &TenantTx, page: &PageRequest<SupplierId>) -> Result<Page<Supplier>, DbError> {
    const LIST: &str = concatcp!(SELECT, "WHERE archived_at IS NULL AND id < $1 ORDER BY id DESC LIMIT $2");
    let suppliers = tx.rows(LIST, &[&page.below(), &page.limit.and_one()]).await?;
    Ok(page.page(suppliers, |supplier: &Supplier| supplier.id))
}

/// The named suppliers, archived or not, newest first.
///
/// # Errors
/// [`DbError`].
pub async fn named(tx: &TenantTx, named: &Named) -> Result<Vec<Supplier>, DbError> {
    const NAMED: ByName = by_name!(concatcp!(SELECT, "WHERE "), "id", "own_keys", "");
    NAMED.rows(tx, named).await
}

/// A page of the suppliers that changed, archived or not, in the order of their changes.
///
/// # Errors
/// [`DbError`].
pub async fn changed(tx: &TenantTx, changed: &Changed) -> Result<Page<Supplier>, DbError> {
    const CHANGED: ByChange = by_change!(concatcp!(SELECT, "WHERE "), "updated_at", "id", "");
    let found = CHANGED.rows(tx, changed).await?;
    Ok(changed.page.page(found, |record: &Supplier| (record.updated_at, record.id.into())))
}

/// Changes a supplier; a change that changes nothing leaves the version as it is.
///
/// # Errors
/// [`SupplierError`].
pub async fn update(
    tx: &TenantTx,
    id: SupplierId,
    change: &SupplierChange,
    actor: ActorId,
) -> Result<(), SupplierError> {
    const LOCK: &str = concatcp!(SELECT, "WHERE id = $1 FOR NO KEY UPDATE");
    const UPDATE: &str = "
        UPDATE suppliers
           SET name = $2, email = $3, phone = $4, note = $5, lead_time_days = $6, archived_at = $7,
               version = version + 1, updated_at = $8, name_key = coalesce($9, name_key),
               own_keys = $10
         WHERE id = $1";
    const GIVE_KEY_ON: &str = look_alike::give_key_on!("suppliers", "name_key", "true");
    let stored: Supplier = tx.row_opt(LOCK, &[&id]).await?.ok_or(SupplierError::NotFound)?;
    let mut edit = Edit::begin(tx, actor, change.if_version, stored.version)?;
    let name = edit.field("name", &stored.name, change.name.as_ref());
    let email = edit.field("email", &stored.email, change.email.as_ref());
    let phone = edit.field("phone", &stored.phone, change.phone.as_ref());
    let note = edit.field("note", &stored.note, change.note.as_ref());
    let lead_time = edit.field("leadTimeDays", &stored.lead_time_days, change.lead_time_days.as_ref());
    check_lead_time(*lead_time)?;
    let own_keys = stored.own_keys.edited(&mut edit, &change.own_keys)?;
    let archived_at = edit.archiving(stored.archived_at, change.is_archived);
    if edit.is_empty() {
        return Ok(());
    }
    // An address of an earlier release may stay, and be sent back unchanged.
    Email::check(email.as_ref().filter(|_| *email != stored.email))?;
    let key = look_alike::new_key(stored.name.as_str(), name.as_str());
    let params: tenancy::Params<'_> =
        &[&id, name, email, phone, note, lead_time, &archived_at, &tx.now(), &key, &own_keys];
    tx.execute(UPDATE, params).await.map_err(|error| on_write(error, name))?;
    if key.is_some() {
        tx.execute(GIVE_KEY_ON, &[&stored.name.key()]).await?;
    }
    edit.record(Action::SupplierChanged, Subject::Supplier(id)).await?;
    Ok(())
}
