//! The business's audit log: who changed what, from what to what, written with the change.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value, json};
use tenancy::{DbError, TenantTx};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::ids::EntryId;
use values::{Page, PageRequest};

/// What was changed.
#[derive(Debug, Clone, Copy)]
pub struct Subject {
    /// order, product ...
    pub kind: &'static str,
    pub id: Uuid,
}

/// An entry of the log.
#[derive(Debug, Clone)]
pub struct Entry {
    pub id: EntryId,
    pub occurred_at: DateTime<Utc>,
    /// The user who did it; `None` is the platform.
    pub actor_id: Option<Uuid>,
    pub action: String,
    pub subject_type: String,
    pub subject_id: Uuid,
    /// `{"field": {"from": ..., "to": ...}}`; of something new only `to`.
    pub changes: Value,
}

impl Entry {
    fn from_row(row: &Row) -> Result<Self, DbError> {
        Ok(Self {
            id: EntryId::from_uuid(row.try_get("id")?),
            occurred_at: row.try_get("occurred_at")?,
            actor_id: row.try_get("actor_id")?,
            action: row.try_get("action")?,
            subject_type: row.try_get("subject_type")?,
            subject_id: row.try_get("subject_id")?,
            changes: row.try_get("changes")?,
        })
    }
}

/// What a change changes: fields with what they were and what they are; those that stay are left out.
#[derive(Debug, Default)]
pub struct Changes(Map<String, Value>);

impl Changes {
    /// Notes a field, unless it stays.
    pub fn note<T: PartialEq + Serialize>(&mut self, field: &str, from: T, to: T) {
        if from != to {
            self.0.insert(field.to_owned(), json!({"from": from, "to": to}));
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn into_value(self) -> Value {
        Value::Object(self.0)
    }
}

/// Writes an entry; to be called in the transaction of the change.
///
/// # Errors
/// [`DbError`].
pub async fn record(
    tx: &TenantTx,
    actor: Option<Uuid>,
    action: &str,
    subject: Subject,
    changes: &Value,
) -> Result<(), DbError> {
    const INSERT: &str = "
        INSERT INTO audit_log (id, occurred_at, actor_id, action, subject_type, subject_id, changes)
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let id = EntryId::new().as_uuid();
    tx.execute(INSERT, &[&id, &tx.now(), &actor, &action, &subject.kind, &subject.id, changes])
        .await
        .map(drop)
}

/// A page of the log, of one document or of the whole business, the newest first.
///
/// # Errors
/// [`DbError`].
pub async fn list(
    tx: &TenantTx,
    subject: Option<Uuid>,
    page: &PageRequest<1>,
) -> Result<Page<Entry, 1>, DbError> {
    const ALL: &str = "
        SELECT id, occurred_at, actor_id, action, subject_type, subject_id, changes
          FROM audit_log
         WHERE id < $1
         ORDER BY id DESC
         LIMIT $2";
    const OF_SUBJECT: &str = "
        SELECT id, occurred_at, actor_id, action, subject_type, subject_id, changes
          FROM audit_log
         WHERE id < $1 AND subject_id = $3
         ORDER BY id DESC
         LIMIT $2";
    let (before, limit) = (page.before(0), page.limit.and_one());
    let rows = match subject {
        None => tx.query(ALL, &[&before, &limit]).await?,
        Some(subject) => tx.query(OF_SUBJECT, &[&before, &limit, &subject]).await?,
    };
    let rows = rows.iter().map(Entry::from_row).collect::<Result<Vec<_>, _>>()?;
    Ok(page.page(rows, |entry| [entry.id.as_uuid()]))
}
