//! Records in the order of their last changes, for programs that keep a copy.

use chrono::{DateTime, Utc};
use tenancy::{DbError, FromRow, TenantTx, read_rows};
use tokio_postgres::Row;
use uuid::Uuid;
use values::PageRequest;

/// The place of a record in the order of changes: the time of its last change, and its id.
pub type Place = (DateTime<Utc>, Uuid);

/// A page of the records that changed, archived ones included.
#[derive(Debug, Clone, Copy)]
pub struct Changed {
    /// The earliest change.
    pub since: DateTime<Utc>,
    /// All changes before this moment are visible; see [`tenancy::settled_until`].
    pub until: DateTime<Utc>,
    /// The page.
    pub page: PageRequest<Place>,
}

/// The statement that reads changed records, of the text before and after the condition. `$at` and `$id` are
/// the columns.
macro_rules! by_change {
    ($before:expr, $at:literal, $id:literal, $after:expr) => {
        $crate::records::changes::ByChange(const_format::concatcp!(
            $before,
            "(",
            $at,
            ", ",
            $id,
            ") > ($1, $2) AND ",
            $at,
            " >= $3 AND ",
            $at,
            " < $4 ORDER BY ",
            $at,
            ", ",
            $id,
            " LIMIT $5",
            $after
        ))
    };
}
pub(crate) use by_change;

/// A statement of [`by_change`].
pub(crate) struct ByChange(pub(crate) &'static str);

impl ByChange {
    /// One record more than the page has, in the order of their changes.
    pub(crate) async fn query(&self, tx: &TenantTx, changed: &Changed) -> Result<Vec<Row>, DbError> {
        let ((at, id), limit) = (changed.page.above(), changed.page.limit.and_one());
        tx.query(self.0, &[&at, &id, &changed.since, &changed.until, &limit]).await
    }

    /// As [`ByChange::query`], with the rows read.
    pub(crate) async fn rows<T: FromRow>(&self, tx: &TenantTx, changed: &Changed) -> Result<Vec<T>, DbError> {
        read_rows(&self.query(tx, changed).await?)
    }
}
