//! Records that a request names one by one, instead of a page of a list.

use tenancy::{DbError, FromRow, TenantTx, read_rows};
use tokio_postgres::Row;
use uuid::Uuid;
use values::{ExternalId, ExternalSource};

/// The names of the wanted records.
#[derive(Debug, Clone)]
pub enum Named {
    /// The records with these ids.
    Ids(Vec<Uuid>),
    /// The records with this external id: of one source, or of all of them.
    External(ExternalId, Option<ExternalSource>),
}

/// The two statements that read named records.
pub(crate) struct ByName {
    pub(crate) ids: &'static str,
    pub(crate) external: &'static str,
}

/// The statements of [`ByName`], of the text before and after the condition. `$id` and `$keys` are the
/// columns.
macro_rules! by_name {
    ($before:expr, $id:literal, $keys:literal, $after:expr) => {
        $crate::records::named::ByName {
            ids: const_format::concatcp!(
                $before,
                $id,
                " = ANY ($1) ORDER BY ",
                $id,
                " DESC LIMIT 100",
                $after
            ),
            external: const_format::concatcp!(
                $before,
                $keys,
                " ->> 'id' = $1 AND ($2::text IS NULL OR ",
                $keys,
                " ->> 'source' = $2) ORDER BY ",
                $id,
                " DESC LIMIT 100",
                $after
            ),
        }
    };
}
pub(crate) use by_name;

impl ByName {
    /// The named records, archived or not, newest first. Records that do not exist are left out.
    pub(crate) async fn query(&self, tx: &TenantTx, named: &Named) -> Result<Vec<Row>, DbError> {
        match named {
            Named::Ids(ids) => tx.query(self.ids, &[ids]).await,
            Named::External(id, source) => tx.query(self.external, &[id, source]).await,
        }
    }

    /// As [`ByName::query`], with the rows read.
    pub(crate) async fn rows<T: FromRow>(&self, tx: &TenantTx, named: &Named) -> Result<Vec<T>, DbError> {
        read_rows(&self.query(tx, named).await?)
    }
}
