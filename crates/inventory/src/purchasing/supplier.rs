//! Suppliers: who is bought from, and what they ask.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde_json::json;
use tenancy::{DbError, TenantTx};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::archived_at;
use crate::business::settings::Currency;
use crate::ids::{SupplierId, VariantId};
use crate::records::audit::{self, Changes, Subject};
use values::{Money, Quantity};
use values::{Name, Note, ShortText, Sku};
use values::{Page, PageRequest};

/// What a supplier is, to be stored or as changes: `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct SupplierChange {
    pub name: Option<Name>,
    pub email: Option<Option<ShortText>>,
    pub phone: Option<Option<ShortText>>,
    pub note: Option<Option<Note>>,
    pub lead_time_days: Option<Option<i16>>,
    pub is_archived: Option<bool>,
    /// Change only this version of the row.
    pub if_version: Option<i32>,
}

/// A stored supplier.
#[derive(Debug, Clone)]
pub struct Supplier {
    pub id: SupplierId,
    pub name: String,
    pub email: Option<String>,
    pub phone: Option<String>,
    pub note: Option<String>,
    /// Days from sending an order to its arrival, unless a price says otherwise.
    pub lead_time_days: Option<i16>,
    pub is_archived: bool,
    pub version: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// What a supplier asks for a variant.
#[derive(Debug, Clone)]
pub struct NewPrice {
    pub variant_id: VariantId,
    /// How the supplier calls it.
    pub supplier_sku: Option<Sku>,
    pub cost: Money,
    pub currency: Currency,
    pub minimum_quantity: Option<Quantity>,
    pub lead_time_days: Option<i16>,
}

/// A price as it was from a moment on.
#[derive(Debug, Clone)]
pub struct SupplierPrice {
    pub id: Uuid,
    pub variant_id: VariantId,
    pub supplier_sku: Option<String>,
    pub cost: Money,
    pub currency: String,
    pub minimum_quantity: Option<Quantity>,
    pub lead_time_days: Option<i16>,
    pub actor_id: Option<Uuid>,
    pub valid_from: DateTime<Utc>,
}

/// A supplier was not stored or changed.
#[derive(Debug, thiserror::Error)]
pub enum SupplierError {
    #[error("there is no such supplier")]
    NotFound,
    #[error("the supplier has been changed by someone else meanwhile")]
    Stale,
    #[error("there is already a supplier {0}")]
    DuplicateName(Name),
    #[error("a supplier has a name")]
    NoName,
    #[error("a lead time is 0 to 1000 days")]
    LeadTime,
    #[error("a cost cannot be negative")]
    Cost,
    #[error("a minimum quantity is more than zero")]
    Minimum,
    #[error("there is no such variant")]
    UnknownVariant,
    #[error("a supplier query failed")]
    Db(#[from] DbError),
}

fn check_lead_time(days: Option<i16>) -> Result<(), SupplierError> {
    if days.is_none_or(|days| (0..=1000).contains(&days)) { Ok(()) } else { Err(SupplierError::LeadTime) }
}

fn subject(id: SupplierId) -> Subject {
    Subject { kind: "supplier", id: id.as_uuid() }
}

fn on_write(error: DbError, name: Option<&Name>) -> SupplierError {
    match (error.constraint(), name) {
        (Some("suppliers_name_key"), Some(name)) => SupplierError::DuplicateName(name.clone()),
        _ => error.into(),
    }
}

macro_rules! suppliers_where {
    ($condition:literal) => {
        concat!(
            "SELECT id, name, email, phone, note, lead_time_days, archived_at, version, created_at, updated_at
               FROM suppliers WHERE ",
            $condition
        )
    };
}

impl Supplier {
    fn from_row(row: &Row) -> Result<Self, DbError> {
        let archived_at: Option<DateTime<Utc>> = row.try_get("archived_at")?;
        Ok(Self {
            id: SupplierId::from_uuid(row.try_get("id")?),
            name: row.try_get("name")?,
            email: row.try_get("email")?,
            phone: row.try_get("phone")?,
            note: row.try_get("note")?,
            lead_time_days: row.try_get("lead_time_days")?,
            is_archived: archived_at.is_some(),
            version: row.try_get("version")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
        })
    }
}

/// Stores a supplier.
///
/// # Errors
/// [`SupplierError`].
pub async fn insert(
    tx: &TenantTx,
    new: &SupplierChange,
    actor: Option<Uuid>,
) -> Result<SupplierId, SupplierError> {
    const INSERT: &str = "
        INSERT INTO suppliers (id, name, email, phone, note, lead_time_days, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $7)";
    let name = new.name.as_ref().ok_or(SupplierError::NoName)?;
    let lead_time = new.lead_time_days.flatten();
    check_lead_time(lead_time)?;
    let id = SupplierId::new();
    let line = |text: &Option<Option<ShortText>>| text.clone().flatten().map(String::from);
    let (email, phone) = (line(&new.email), line(&new.phone));
    let note = new.note.clone().flatten().map(String::from);
    tx.execute(INSERT, &[&id.as_uuid(), &name.as_str(), &email, &phone, &note, &lead_time, &tx.now()])
        .await
        .map_err(|error| on_write(error, Some(name)))?;
    let created = json!({"name": {"to": name.as_str()}});
    audit::record(tx, actor, "supplier.created", subject(id), &created).await?;
    Ok(id)
}

/// The supplier with this id.
///
/// # Errors
/// [`DbError`]; an unknown id is `None`.
pub async fn find(tx: &TenantTx, id: SupplierId) -> Result<Option<Supplier>, DbError> {
    const FIND: &str = suppliers_where!("id = $1");
    tx.query_opt(FIND, &[&id.as_uuid()]).await?.as_ref().map(Supplier::from_row).transpose()
}

/// A page of the suppliers in use, newest first.
///
/// # Errors
/// [`DbError`].
pub async fn list(tx: &TenantTx, page: &PageRequest<1>) -> Result<Page<Supplier, 1>, DbError> {
    const LIST: &str = suppliers_where!("archived_at IS NULL AND id < $1 ORDER BY id DESC LIMIT $2");
    let rows = tx.query(LIST, &[&page.before(0), &page.limit.and_one()]).await?;
    let rows = rows.iter().map(Supplier::from_row).collect::<Result<Vec<_>, _>>()?;
    Ok(page.page(rows, |supplier| [supplier.id.as_uuid()]))
}

/// Changes a supplier; a change that changes nothing leaves the version as it is.
///
/// # Errors
/// [`SupplierError`].
pub async fn update(
    tx: &TenantTx,
    id: SupplierId,
    change: &SupplierChange,
    actor: Option<Uuid>,
) -> Result<(), SupplierError> {
    const LOCK: &str = suppliers_where!("id = $1 FOR NO KEY UPDATE");
    const UPDATE: &str = "
        UPDATE suppliers
           SET name = $2, email = $3, phone = $4, note = $5, lead_time_days = $6, archived_at = $7,
               version = version + 1, updated_at = $8
         WHERE id = $1";
    let row = tx.query_opt(LOCK, &[&id.as_uuid()]).await?.ok_or(SupplierError::NotFound)?;
    let stored = Supplier::from_row(&row)?;
    if change.if_version.is_some_and(|wanted| wanted != stored.version) {
        return Err(SupplierError::Stale);
    }
    fn changed<T: ToString>(change: &Option<Option<T>>, stored: &Option<String>) -> Option<String> {
        change.as_ref().map_or_else(|| stored.clone(), |new| new.as_ref().map(ToString::to_string))
    }
    let name = change.name.as_ref().map_or(stored.name.as_str(), Name::as_str);
    let email = changed(&change.email, &stored.email);
    let phone = changed(&change.phone, &stored.phone);
    let note = changed(&change.note, &stored.note);
    let lead_time = change.lead_time_days.unwrap_or(stored.lead_time_days);
    check_lead_time(lead_time)?;
    let was_archived_at = row.try_get("archived_at").map_err(DbError::from)?;
    let archived_at = archived_at(was_archived_at, change.is_archived, tx.now());
    let mut changes = Changes::default();
    changes.note("name", stored.name.as_str(), name);
    changes.note("email", &stored.email, &email);
    changes.note("phone", &stored.phone, &phone);
    changes.note("note", &stored.note, &note);
    changes.note("leadTimeDays", stored.lead_time_days, lead_time);
    changes.note("archived", stored.is_archived, archived_at.is_some());
    if changes.is_empty() {
        return Ok(());
    }
    let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 8] =
        [&id.as_uuid(), &name, &email, &phone, &note, &lead_time, &archived_at, &tx.now()];
    tx.execute(UPDATE, &parameters).await.map_err(|error| on_write(error, change.name.as_ref()))?;
    audit::record(tx, actor, "supplier.changed", subject(id), &changes.into_value()).await?;
    Ok(())
}

/// Keeps what a supplier asks for a variant from now on; what was asked before is its history.
///
/// # Errors
/// [`SupplierError`].
pub async fn set_price(
    tx: &TenantTx,
    id: SupplierId,
    new: &NewPrice,
    actor: Option<Uuid>,
) -> Result<SupplierPrice, SupplierError> {
    const INSERT: &str = "
        INSERT INTO supplier_prices (id, supplier_id, variant_id, supplier_sku, cost, currency, minimum_quantity,
                                     lead_time_days, actor_id, valid_from)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    check_lead_time(new.lead_time_days)?;
    if new.cost.is_negative() {
        return Err(SupplierError::Cost);
    }
    if new.minimum_quantity.is_some_and(|least| least.is_negative() || least.is_zero()) {
        return Err(SupplierError::Minimum);
    }
    let price = SupplierPrice {
        id: Uuid::now_v7(),
        variant_id: new.variant_id,
        supplier_sku: new.supplier_sku.as_ref().map(ToString::to_string),
        cost: new.cost,
        currency: new.currency.code().to_owned(),
        minimum_quantity: new.minimum_quantity,
        lead_time_days: new.lead_time_days,
        actor_id: actor,
        valid_from: tx.now(),
    };
    let least = price.minimum_quantity.map(Quantity::as_decimal);
    let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 10] = [
        &price.id,
        &id.as_uuid(),
        &price.variant_id.as_uuid(),
        &price.supplier_sku,
        &price.cost.as_decimal(),
        &price.currency,
        &least,
        &price.lead_time_days,
        &price.actor_id,
        &price.valid_from,
    ];
    tx.execute(INSERT, &parameters).await.map_err(|error| match error.constraint() {
        Some("supplier_prices_supplier_id_fkey") => SupplierError::NotFound,
        Some("supplier_prices_variant_id_fkey") => SupplierError::UnknownVariant,
        _ => error.into(),
    })?;
    Ok(price)
}

/// A page of a supplier's prices, the latest first: the first one of each variant counts, the others are its history.
///
/// # Errors
/// [`DbError`].
pub async fn prices(
    tx: &TenantTx,
    id: SupplierId,
    variant: Option<VariantId>,
    page: &PageRequest<1>,
) -> Result<Page<SupplierPrice, 1>, DbError> {
    const ALL: &str = "
        SELECT id, variant_id, supplier_sku, cost, currency, minimum_quantity, lead_time_days, actor_id, valid_from
          FROM supplier_prices
         WHERE supplier_id = $1 AND id < $2
         ORDER BY id DESC
         LIMIT $3";
    const OF_VARIANT: &str = "
        SELECT id, variant_id, supplier_sku, cost, currency, minimum_quantity, lead_time_days, actor_id, valid_from
          FROM supplier_prices
         WHERE supplier_id = $1 AND variant_id = $4 AND id < $2
         ORDER BY id DESC
         LIMIT $3";
    let (before, limit) = (page.before(0), page.limit.and_one());
    let rows = match variant {
        None => tx.query(ALL, &[&id.as_uuid(), &before, &limit]).await?,
        Some(variant) => tx.query(OF_VARIANT, &[&id.as_uuid(), &before, &limit, &variant.as_uuid()]).await?,
    };
    let read = |row: &Row| -> Result<SupplierPrice, DbError> {
        Ok(SupplierPrice {
            id: row.try_get("id")?,
            variant_id: VariantId::from_uuid(row.try_get("variant_id")?),
            supplier_sku: row.try_get("supplier_sku")?,
            cost: Money::from_decimal(row.try_get("cost")?),
            currency: row.try_get("currency")?,
            minimum_quantity: row
                .try_get::<_, Option<Decimal>>("minimum_quantity")?
                .map(Quantity::from_decimal),
            lead_time_days: row.try_get("lead_time_days")?,
            actor_id: row.try_get("actor_id")?,
            valid_from: row.try_get("valid_from")?,
        })
    };
    Ok(page.page(rows.iter().map(read).collect::<Result<_, _>>()?, |price| [price.id]))
}
