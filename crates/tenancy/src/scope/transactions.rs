//! Scopes of transactions: one tenant, or one part of the `shared` schema. No scope, no query.

use std::ops::Deref;
use std::sync::Arc;

use uuid::Uuid;

use crate::connection::error::DbError;
use crate::connection::pool::SchemaKey;
use crate::connection::transaction::{ROLLBACK, Transaction};
use crate::names::database::{PLATFORM_GROUP, SHARED_GROUP};
use crate::names::tenant::TenantId;
use crate::scope::opening::Mode;
use crate::scope::tenant::Tenant;

/// Permission to act as one tenant. A scope is made only from a [`Tenant`], and only the registry returns a
/// [`Tenant`].
#[derive(Debug, Clone)]
pub struct TenantScope(Arc<Tenant>);

impl TenantScope {
    pub(crate) fn of(tenant: Arc<Tenant>) -> Self {
        Self(tenant)
    }

    /// The tenant as it was when the registry read it.
    pub fn tenant(&self) -> &Tenant {
        &self.0
    }
}

/// A transaction that has one tenant's role and sees only that tenant's schema.
///
/// Domain functions take `&TenantTx`. Only [`Database::read`](crate::Database::read),
/// [`Database::read_snapshot`](crate::Database::read_snapshot), [`Database::write`](crate::Database::write)
/// and the [`OwnerDatabase`](crate::OwnerDatabase) create one. A query without a tenant does not compile:
///
/// ```compile_fail
/// let tx = tenancy::TenantTx { transaction: todo!(), scope: todo!() };
/// ```
///
/// A query whose text is built at run time does not compile either:
///
/// ```compile_fail
/// async fn find(tx: &tenancy::TenantTx, table: &str) {
///     let sql = format!("SELECT id FROM {table}");
///     let _ = tx.query(&sql, &[]).await;
/// }
/// ```
pub struct TenantTx {
    transaction: Transaction,
    scope: TenantScope,
}

impl TenantTx {
    /// The tenant of the scope, without a query.
    pub fn tenant(&self) -> &Tenant {
        self.scope.tenant()
    }

    /// Makes all servers read the tenant from the registry again when this transaction commits, so that they
    /// drop what they keep in memory about it.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn announce_change(&self) -> Result<(), DbError> {
        const ANNOUNCE: &str = "SELECT pg_notify('tenantry_registry', $1)";
        self.transaction.execute(ANNOUNCE, &[&self.tenant().number.to_string()]).await.map(drop)
    }
}

impl Deref for TenantTx {
    type Target = Transaction;
    fn deref(&self) -> &Transaction {
        &self.transaction
    }
}

/// The rows of the `shared` schema that a transaction may see. Row level security hides all other rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SharedScope {
    /// No rows of businesses or users, only the lookup functions for hosts and credentials. Used before the
    /// tenant is known.
    Public,
    /// The rows of one tenant.
    Tenant(TenantId),
    /// The rows of one user.
    User(Uuid),
    /// Every row. Used by the platform's staff and commands.
    Platform,
}

impl SharedScope {
    /// The SQL settings of the scope, for use inside a transaction.
    fn settings(self) -> String {
        match self {
            Self::Public => format!("SET LOCAL ROLE {SHARED_GROUP}"),
            Self::Tenant(id) => format!("SET LOCAL ROLE {SHARED_GROUP}; SET LOCAL tenantry.tenant = '{id}'"),
            Self::User(id) => format!("SET LOCAL ROLE {SHARED_GROUP}; SET LOCAL tenantry.\"user\" = '{id}'"),
            Self::Platform => format!("SET LOCAL ROLE {PLATFORM_GROUP}"),
        }
    }
}

/// A transaction in the `shared` schema. With the server's login, it cannot see a business schema.
pub struct SharedTx {
    transaction: Transaction,
}

impl Deref for SharedTx {
    type Target = Transaction;
    fn deref(&self) -> &Transaction {
        &self.transaction
    }
}

/// The common interface of the two kinds of transaction, for the code that opens and ends them.
pub(crate) trait ScopedTx: Deref<Target = Transaction> + Sized {
    type Scope;
    fn schema_key(scope: &Self::Scope) -> SchemaKey;
    /// The limit of concurrent transactions of the scope's business, if the business has its own limit.
    fn limit(scope: &Self::Scope) -> Option<usize>;
    /// [`ROLLBACK`], BEGIN and the settings of the scope, as one message.
    fn opening(scope: &Self::Scope, mode: Mode) -> Arc<str>;
    fn over(transaction: Transaction, scope: &Self::Scope) -> Self;
    fn into_transaction(self) -> Transaction;
}

impl ScopedTx for TenantTx {
    type Scope = TenantScope;
    fn schema_key(scope: &TenantScope) -> SchemaKey {
        SchemaKey::Tenant(scope.0.number)
    }
    fn limit(scope: &TenantScope) -> Option<usize> {
        scope.0.limits.max_transactions
    }
    fn opening(scope: &TenantScope, mode: Mode) -> Arc<str> {
        scope.0.openings.of(mode)
    }
    fn over(transaction: Transaction, scope: &TenantScope) -> Self {
        Self { transaction, scope: scope.clone() }
    }
    fn into_transaction(self) -> Transaction {
        self.transaction
    }
}

impl ScopedTx for SharedTx {
    type Scope = SharedScope;
    fn schema_key(_: &SharedScope) -> SchemaKey {
        SchemaKey::Shared
    }
    fn limit(_: &SharedScope) -> Option<usize> {
        None
    }
    fn opening(scope: &SharedScope, mode: Mode) -> Arc<str> {
        format!("{ROLLBACK}{}; {}", mode.begin(), scope.settings()).into()
    }
    fn over(transaction: Transaction, _: &SharedScope) -> Self {
        Self { transaction }
    }
    fn into_transaction(self) -> Transaction {
        self.transaction
    }
}
