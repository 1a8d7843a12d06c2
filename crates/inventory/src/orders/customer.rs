//! Customers: who buys.

use chrono::{DateTime, Utc};
use serde_json::json;
use tenancy::{DbError, TenantTx};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::archived_at;
use crate::ids::CustomerId;
use crate::records::audit::{self, Changes, Subject};
use values::{Name, Note, SearchText, ShortText};
use values::{Page, PageRequest};

/// A customer to be stored.
#[derive(Debug, Clone)]
pub struct NewCustomer {
    pub name: Name,
    pub email: Option<ShortText>,
    pub phone: Option<ShortText>,
    pub note: Option<Note>,
}

/// A stored customer.
#[derive(Debug, Clone)]
pub struct Customer {
    pub id: CustomerId,
    pub name: String,
    pub email: Option<String>,
    pub phone: Option<String>,
    pub note: Option<String>,
    pub is_archived: bool,
    pub version: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// What to change; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct CustomerChange {
    pub name: Option<Name>,
    pub email: Option<Option<ShortText>>,
    pub phone: Option<Option<ShortText>>,
    pub note: Option<Option<Note>>,
    pub is_archived: Option<bool>,
    /// Change only this version of the row.
    pub if_version: Option<i32>,
}

/// A customer was not changed.
#[derive(Debug, thiserror::Error)]
pub enum CustomerError {
    #[error("there is no such customer")]
    NotFound,
    #[error("the customer has been changed by someone else meanwhile")]
    Stale,
    #[error("a customer query failed")]
    Db(#[from] DbError),
}

macro_rules! customers_where {
    ($condition:literal) => {
        concat!(
            "SELECT id, name, email, phone, note, archived_at, version, created_at, updated_at FROM customers WHERE ",
            $condition
        )
    };
}

impl Customer {
    fn from_row(row: &Row) -> Result<Self, DbError> {
        let archived_at: Option<DateTime<Utc>> = row.try_get("archived_at")?;
        Ok(Self {
            id: CustomerId::from_uuid(row.try_get("id")?),
            name: row.try_get("name")?,
            email: row.try_get("email")?,
            phone: row.try_get("phone")?,
            note: row.try_get("note")?,
            is_archived: archived_at.is_some(),
            version: row.try_get("version")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
        })
    }
}

/// Stores a customer.
///
/// # Errors
/// [`DbError`].
pub async fn insert(tx: &TenantTx, new: &NewCustomer, actor: Option<Uuid>) -> Result<CustomerId, DbError> {
    const INSERT: &str = "
        INSERT INTO customers (id, name, email, phone, note, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $6)";
    let id = CustomerId::new();
    let (email, phone) =
        (new.email.as_ref().map(ShortText::as_str), new.phone.as_ref().map(ShortText::as_str));
    let note = new.note.as_ref().map(Note::as_str);
    tx.execute(INSERT, &[&id.as_uuid(), &new.name.as_str(), &email, &phone, &note, &tx.now()]).await?;
    let created = json!({"name": {"to": new.name.as_str()}});
    audit::record(tx, actor, "customer.created", subject(id), &created).await?;
    Ok(id)
}

fn subject(id: CustomerId) -> Subject {
    Subject { kind: "customer", id: id.as_uuid() }
}

/// The customer with this id.
///
/// # Errors
/// [`DbError`]; an unknown id is `None`.
pub async fn find(tx: &TenantTx, id: CustomerId) -> Result<Option<Customer>, DbError> {
    const FIND: &str = customers_where!("id = $1");
    tx.query_opt(FIND, &[&id.as_uuid()]).await?.as_ref().map(Customer::from_row).transpose()
}

/// A page of the customers in use, newest first; with `search`, of those whose names hold it.
///
/// # Errors
/// [`DbError`].
pub async fn list(
    tx: &TenantTx,
    search: Option<&SearchText>,
    page: &PageRequest<1>,
) -> Result<Page<Customer, 1>, DbError> {
    const ALL: &str = customers_where!("archived_at IS NULL AND id < $1 ORDER BY id DESC LIMIT $2");
    const SEARCH: &str =
        customers_where!("archived_at IS NULL AND id < $1 AND name ILIKE $3 ORDER BY id DESC LIMIT $2");
    let (before, limit) = (page.before(0), page.limit.and_one());
    let rows = match search {
        None => tx.query(ALL, &[&before, &limit]).await?,
        Some(text) => tx.query(SEARCH, &[&before, &limit, &text.pattern()]).await?,
    };
    let rows = rows.iter().map(Customer::from_row).collect::<Result<Vec<_>, _>>()?;
    Ok(page.page(rows, |customer| [customer.id.as_uuid()]))
}

/// Changes a customer; a change that changes nothing leaves the version as it is.
///
/// # Errors
/// [`CustomerError`].
pub async fn update(
    tx: &TenantTx,
    id: CustomerId,
    change: &CustomerChange,
    actor: Option<Uuid>,
) -> Result<(), CustomerError> {
    const LOCK: &str = customers_where!("id = $1 FOR NO KEY UPDATE");
    const UPDATE: &str = "
        UPDATE customers
           SET name = $2, email = $3, phone = $4, note = $5, archived_at = $6, version = version + 1, updated_at = $7
         WHERE id = $1";
    let row = tx.query_opt(LOCK, &[&id.as_uuid()]).await?.ok_or(CustomerError::NotFound)?;
    let stored = Customer::from_row(&row)?;
    if change.if_version.is_some_and(|wanted| wanted != stored.version) {
        return Err(CustomerError::Stale);
    }
    fn changed<T: ToString>(change: Option<&Option<T>>, stored: &Option<String>) -> Option<String> {
        change.map_or_else(|| stored.clone(), |new| new.as_ref().map(ToString::to_string))
    }
    let name = change.name.as_ref().map_or(stored.name.as_str(), Name::as_str);
    let email = changed(change.email.as_ref(), &stored.email);
    let phone = changed(change.phone.as_ref(), &stored.phone);
    let note = changed(change.note.as_ref(), &stored.note);
    let was_archived_at = row.try_get("archived_at").map_err(DbError::from)?;
    let archived_at = archived_at(was_archived_at, change.is_archived, tx.now());
    let mut changes = Changes::default();
    changes.note("name", stored.name.as_str(), name);
    changes.note("email", &stored.email, &email);
    changes.note("phone", &stored.phone, &phone);
    changes.note("note", &stored.note, &note);
    changes.note("archived", stored.is_archived, archived_at.is_some());
    if changes.is_empty() {
        return Ok(());
    }
    tx.execute(UPDATE, &[&id.as_uuid(), &name, &email, &phone, &note, &archived_at, &tx.now()]).await?;
    audit::record(tx, actor, "customer.changed", subject(id), &changes.into_value()).await?;
    Ok(())
}
