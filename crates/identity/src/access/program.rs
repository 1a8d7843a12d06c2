//! Programs that present an API key, and what they may do: held in memory for a minute, so that a request
//! costs no query.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use moka::future::Cache;
use tenancy::{Database, DbError, SharedScope, TenantId};
use uuid::Uuid;

use crate::access::api_key::ApiKeyId;
use crate::access::secret::ProgramSecret;
use crate::names::digest::sha256;
use crate::people::permission::Permission;

/// A program that presents a valid API key, or an access token of a service account.
#[derive(Debug)]
pub struct Program {
    /// The id of the API key or of the service account.
    pub id: Uuid,
    pub(crate) permissions: Vec<Permission>,
}

impl Program {
    /// The permissions of the program, as far as its member has them.
    pub fn permissions(&self) -> impl Iterator<Item = Permission> + '_ {
        self.permissions.iter().copied()
    }

    /// Whether the program has `permission`.
    pub fn may(&self, permission: Permission) -> bool {
        self.permissions.contains(&permission)
    }
}

/// An API key was refused.
#[derive(Debug, thiserror::Error)]
pub enum KeyRefused {
    /// The key is not valid at this business.
    #[error(
        "the API key is not valid at this address: it is unknown, revoked or expired, or its member may not \
         sign in here any more"
    )]
    Invalid,
    /// PostgreSQL refused a query, or the connection failed.
    #[error("an API key query failed")]
    Db(#[from] DbError),
}

/// The API keys that were used last.
pub struct ApiKeys {
    database: Database,
    known: Cache<(TenantId, Vec<u8>), Known>,
    /// Counts the announcements of changes. An entry from before the last one is of no use.
    changes: AtomicU64,
}

#[derive(Clone)]
struct Known {
    /// The number of changes before this was read.
    changes: u64,
    valid_until: DateTime<Utc>,
    /// `None` if the secret is not valid.
    program: Option<Arc<Program>>,
}

/// The most secrets that are kept.
const CAPACITY: u64 = 10_000;
/// The longest time for which a secret is kept. Its use is noted in the database as often.
const KEPT_FOR: Duration = Duration::from_secs(60);

impl ApiKeys {
    /// Nothing is known yet.
    pub fn new(database: Database) -> Self {
        let known = Cache::builder().max_capacity(CAPACITY).time_to_live(KEPT_FOR).build();
        Self { database, known, changes: AtomicU64::new(0) }
    }

    /// Forgets everything, because a key or the permissions of a member were changed.
    pub fn forget(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
    }

    /// Finds the program that presents a secret at a business. Without `hears_changes`, asks the database:
    /// this server may have missed a change.
    ///
    /// # Errors
    /// [`KeyRefused`].
    pub async fn find(
        &self,
        secret: &str,
        tenant: TenantId,
        hears_changes: bool,
    ) -> Result<Arc<Program>, KeyRefused> {
        if !ProgramSecret::has_form_of_key(secret) {
            return Err(KeyRefused::Invalid);
        }
        let changes = self.changes.load(Ordering::SeqCst);
        let at = (tenant, sha256(secret));
        let known = self.known.get(&at).await.filter(|known| hears_changes && known.changes == changes);
        let known = match known {
            Some(known) => known,
            None => {
                let read = self.read(tenant, &at.1, changes).await?;
                self.known.insert(at, read.clone()).await;
                read
            }
        };
        known.program.filter(|_| known.valid_until > Utc::now()).ok_or(KeyRefused::Invalid)
    }

    async fn read(&self, tenant: TenantId, hash: &[u8], changes: u64) -> Result<Known, DbError> {
        const USE: &str = "SELECT id, permissions, valid_until FROM shared.use_api_key($1, $2, $3)";
        struct Row {
            id: ApiKeyId,
            permissions: Vec<String>,
            valid_until: DateTime<Utc>,
        }
        tenancy::from_row!(Row { id, permissions, valid_until });
        let row: Option<Row> = self
            .database
            .write_shared(SharedScope::Public, async |tx| tx.row_opt(USE, &[&hash, &tenant, &tx.now()]).await)
            .await?;
        let valid_until = row.as_ref().map_or(DateTime::<Utc>::MAX_UTC, |row| row.valid_until);
        let program = row.map(|row| {
            let permissions = row.permissions.iter().filter_map(|key| key.parse().ok()).collect();
            Arc::new(Program { id: row.id.into(), permissions })
        });
        Ok(Known { changes, valid_until, program })
    }
}
