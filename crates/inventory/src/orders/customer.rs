//! Customers: the people and businesses that buy.

use chrono::{DateTime, Utc};
use const_format::concatcp;
use serde_json::json;
use tenancy::{DbError, TenantTx};
use values::folding::search_key;
use values::{
    ActorId, Email, EmailError, IfVersion, Money, Name, NonNegative, Note, Page, PageRequest, SearchText,
    ShortText, TooFine,
};

use crate::business::settings;
use crate::ids::CustomerId;
use crate::records::audit::{self, Action, Subject};
use crate::records::changes::{ByChange, Changed, by_change};
use crate::records::edit::{Edit, Stale};
use crate::records::named::{ByName, Named, by_name};
use crate::records::own_keys::{self, OwnKeys, OwnKeysChange, OwnKeysError};

/// A customer to be stored.
#[derive(Debug, Clone)]
pub struct NewCustomer {
    /// The name of the person or business; two customers may have the same name.
    pub name: Name,
    /// The email address, as it was typed.
    pub email: Option<ShortText>,
    /// The telephone number; the server does not check its form.
    pub phone: Option<ShortText>,
    /// A note about the customer for staff.
    pub note: Option<Note>,
    /// Whether the customer pays no taxes.
    pub is_tax_exempt: bool,
    /// The largest debt of the customer; zero allows none.
    pub credit_limit: NonNegative<Money>,
    /// The key and the notes of a program elsewhere.
    pub own_keys: OwnKeys,
}

/// A stored customer.
#[derive(Debug, Clone)]
pub struct Customer {
    /// The id of the customer; never changes.
    pub id: CustomerId,
    /// The name of the person or business; two customers may have the same name.
    pub name: Name,
    /// The email address, as it was typed.
    pub email: Option<ShortText>,
    /// The telephone number; the server does not check its form.
    pub phone: Option<ShortText>,
    /// A note about the customer for staff.
    pub note: Option<Note>,
    /// Whether the customer pays no taxes.
    pub is_tax_exempt: bool,
    /// The largest debt of the customer; zero allows none.
    pub credit_limit: Money,
    /// The key and the notes of a program elsewhere.
    pub own_keys: OwnKeys,
    /// When the customer was archived; `None` if the customer is not archived.
    pub archived_at: Option<DateTime<Utc>>,
    /// Counts the changes of the row; clients see it as the ETag.
    pub version: i32,
    /// When the row was stored.
    pub created_at: DateTime<Utc>,
    /// When the row last changed; at first the same as `created_at`.
    pub updated_at: DateTime<Utc>,
}

tenancy::from_row!(Customer {
    id,
    name,
    email,
    phone,
    note,
    is_tax_exempt,
    credit_limit,
    own_keys,
    archived_at,
    version,
    created_at,
    updated_at,
});

/// What to change; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct CustomerChange {
    /// The new name.
    pub name: Option<Name>,
    /// The new email address; `Some(None)` removes it.
    pub email: Option<Option<ShortText>>,
    /// The new telephone number; `Some(None)` removes it.
    pub phone: Option<Option<ShortText>>,
    /// The new note; `Some(None)` removes it.
    pub note: Option<Option<Note>>,
    /// Whether the customer pays no taxes from now on.
    pub is_tax_exempt: Option<bool>,
    /// The largest debt of the customer from now on.
    pub credit_limit: Option<NonNegative<Money>>,
    /// Changes of the key and the notes of a program elsewhere.
    pub own_keys: OwnKeysChange,
    /// `true` archives the customer, and `false` restores the customer.
    pub is_archived: Option<bool>,
    /// Change the row only if it has this version.
    pub if_version: IfVersion,
}

/// A customer was not changed.
#[derive(Debug, thiserror::Error)]
pub enum CustomerError {
    /// The business has no customer with this id.
    #[error("there is no such customer")]
    NotFound,
    /// The email address is malformed.
    #[error(transparent)]
    Email(#[from] EmailError),
    /// The credit limit is finer than the currency.
    #[error(transparent)]
    CreditLimit(#[from] TooFine),
    /// The stored version differs from `if_version`.
    #[error(transparent)]
    Stale(#[from] Stale),
    /// The key or the notes of a program elsewhere are refused.
    #[error(transparent)]
    OwnKeys(#[from] OwnKeysError),
    /// A query failed, or the database could not be reached.
    #[error("a customer query failed")]
    Db(#[from] DbError),
}

const SELECT: &str = "
    SELECT id, name, email, phone, note, is_tax_exempt, credit_limit, own_keys, archived_at, version,
           created_at, updated_at
      FROM customers ";

/// The text by which a customer is found: a line with the name, by which orders are found too, and a line
/// with the email address and the telephone number, as it is written and as its digits.
fn search_text(name: &Name, email: Option<&ShortText>, phone: Option<&ShortText>) -> String {
    let digits: String =
        phone.iter().flat_map(|phone| phone.as_str().chars()).filter(char::is_ascii_digit).collect();
    let contact: Vec<&str> =
        email.into_iter().chain(phone).map(ShortText::as_str).chain([digits.as_str()]).collect();
    format!("{}\n{}", search_key(name.as_str()), search_key(&contact.join(" ")))
}

/// Stores a customer.
///
/// # Errors
/// [`CustomerError::Email`], [`CustomerError::Db`].
pub async fn insert(tx: &TenantTx, new: &NewCustomer, actor: ActorId) -> Result<CustomerId, CustomerError> {
    const INSERT: &str = "
        INSERT INTO customers (id, name, email, phone, note, created_at, updated_at, search_text,
                               is_tax_exempt, credit_limit, own_keys)
        VALUES ($1, $2, $3, $4, $5, $6, $6, $7, $8, $9, $10)";
    Email::check(new.email.as_ref())?;
    let limit = new.credit_limit.get();
    settings::currency(tx).await?.check(limit)?;
    let id = CustomerId::new();
    let found_by = search_text(&new.name, new.email.as_ref(), new.phone.as_ref());
    let NewCustomer { name, email, phone, note, is_tax_exempt, own_keys, .. } = new;
    let row: tenancy::Params<'_> =
        &[&id, name, email, phone, note, &tx.now(), &found_by, is_tax_exempt, &limit, own_keys];
    tx.execute(INSERT, row).await.map_err(own_keys::on_write::<CustomerError>)?;
    let created = json!({
        "name": {"to": name}, "taxExempt": {"to": is_tax_exempt}, "creditLimit": {"to": limit.plain()},
    });
    audit::record(tx, actor, Action::CustomerCreated, Subject::Customer(id), &created).await?;
    Ok(id)
}

/// The customer with this id.
///
/// # Errors
/// [`DbError`]; an unknown id is `None`.
pub async fn find(tx: &TenantTx, id: CustomerId) -> Result<Option<Customer>, DbError> {
    const FIND: &str = concatcp!(SELECT, "WHERE id = $1");
    tx.row_opt(FIND, &[&id]).await
}

/// The terms of a customer for an order or a sale.
#[derive(Debug, Clone, Copy, Default)]
pub struct Buyer {
    /// Whether the customer is archived.
    pub is_archived: bool,
    /// Whether the customer pays no taxes.
    pub is_tax_exempt: bool,
    /// The largest debt of the customer; zero allows none.
    pub credit_limit: Money,
}

tenancy::from_row!(Buyer { is_archived, is_tax_exempt, credit_limit });

/// Reads the customer of an order or a sale. A customer in use stays so until the transaction ends, by the
/// lock that the document needs anyway.
///
/// # Errors
/// [`DbError`]; an unknown customer is `None`, and nobody is [`Buyer::default`].
pub async fn buyer(tx: &TenantTx, customer: Option<CustomerId>) -> Result<Option<Buyer>, DbError> {
    const BUYER: &str = "
        SELECT archived_at IS NOT NULL AS is_archived, is_tax_exempt, credit_limit
          FROM customers WHERE id = $1 FOR KEY SHARE";
    match customer {
        Some(customer) => tx.row_opt(BUYER, &[&customer]).await,
        None => Ok(Some(Buyer::default())),
    }
}

/// A page of the customers that are not archived, newest first: all of them, or those whose name and email
/// contain the words of `search`, or whose telephone number contains its digits. Letter case and accents make
/// no difference.
///
/// # Errors
/// [`DbError`].
pub async fn list(
    tx: &TenantTx,
    search: Option<&SearchText>,
    page: &PageRequest<CustomerId>,
) -> Result<Page<Customer>, DbError> {
    const ALL: &str = concatcp!(SELECT, "WHERE archived_at IS NULL AND id < $1 ORDER BY id DESC LIMIT $2");
    const SEARCH: &str = concatcp!(
        SELECT,
        "WHERE archived_at IS NULL AND id < $1
           AND (search_text LIKE $3 AND search_text LIKE ALL ($4) OR search_text LIKE $5)
         ORDER BY id DESC LIMIT $2"
    );
    let (below, limit) = (page.below(), page.limit.and_one());
    let customers = match search {
        None => tx.rows(ALL, &[&below, &limit]).await?,
        Some(text) => {
            let words = text.words();
            let (longest, others) = words.patterns();
            tx.rows(SEARCH, &[&below, &limit, longest, &others, &text.pattern_of_digits()]).await?
        }
    };
    Ok(page.page(customers, |customer: &Customer| customer.id))
}

/// The named customers, archived or not, newest first.
///
/// # Errors
/// [`DbError`].
pub async fn named(tx: &TenantTx, named: &Named) -> Result<Vec<Customer>, DbError> {
    const NAMED: ByName = by_name!(concatcp!(SELECT, "WHERE "), "id", "own_keys", "");
    NAMED.rows(tx, named).await
}

/// A page of the customers that changed, archived or not, in the order of their changes.
///
/// # Errors
/// [`DbError`].
pub async fn changed(tx: &TenantTx, changed: &Changed) -> Result<Page<Customer>, DbError> {
    const CHANGED: ByChange = by_change!(concatcp!(SELECT, "WHERE "), "updated_at", "id", "");
    let found = CHANGED.rows(tx, changed).await?;
    Ok(changed.page.page(found, |record: &Customer| (record.updated_at, record.id.into())))
}

/// Changes a customer; a change that changes nothing leaves the version as it is.
///
/// # Errors
/// [`CustomerError`].
pub async fn update(
    tx: &TenantTx,
    id: CustomerId,
    change: &CustomerChange,
    actor: ActorId,
) -> Result<(), CustomerError> {
    const LOCK: &str = concatcp!(SELECT, "WHERE id = $1 FOR NO KEY UPDATE");
    const UPDATE: &str = "
        UPDATE customers
           SET name = $2, email = $3, phone = $4, note = $5, archived_at = $6,
               version = version + 1, updated_at = $7, search_text = $8, is_tax_exempt = $9,
               credit_limit = $10, own_keys = $11
         WHERE id = $1";
    let stored: Customer = tx.row_opt(LOCK, &[&id]).await?.ok_or(CustomerError::NotFound)?;
    let mut edit = Edit::begin(tx, actor, change.if_version, stored.version)?;
    let name = edit.field("name", &stored.name, change.name.as_ref());
    let email = edit.field("email", &stored.email, change.email.as_ref());
    let phone = edit.field("phone", &stored.phone, change.phone.as_ref());
    let note = edit.field("note", &stored.note, change.note.as_ref());
    let is_exempt = edit.field("taxExempt", &stored.is_tax_exempt, change.is_tax_exempt.as_ref());
    let limit = change.credit_limit.map(NonNegative::get);
    if let Some(limit) = limit {
        settings::currency(tx).await?.check(limit)?;
    }
    let limit = edit.amount("creditLimit", Some(stored.credit_limit), limit.map(Some));
    let own_keys = stored.own_keys.edited(&mut edit, &change.own_keys)?;
    let archived_at = edit.archiving(stored.archived_at, change.is_archived);
    if edit.is_empty() {
        return Ok(());
    }
    // An address of an earlier release may stay, and be sent back unchanged.
    Email::check(email.as_ref().filter(|_| *email != stored.email))?;
    let found_by = search_text(name, email.as_ref(), phone.as_ref());
    let row: tenancy::Params<'_> =
        &[&id, name, email, phone, note, &archived_at, &tx.now(), &found_by, is_exempt, &limit, &own_keys];
    tx.execute(UPDATE, row).await.map_err(own_keys::on_write::<CustomerError>)?;
    edit.record(Action::CustomerChanged, Subject::Customer(id)).await?;
    Ok(())
}
