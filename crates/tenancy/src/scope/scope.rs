//! Who a transaction acts as: one tenant, or one part of the `shared` schema. No scope, no query.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::connection::pool::Realm;
use crate::connection::transaction::{ROLLBACK, Session};
use crate::names::tenant_names::{PLATFORM_GROUP, RoleName, SHARED_GROUP, SchemaName, TenantId};
use crate::registry::schema::search_path;
use crate::registry::tenant::Tenant;

/// Whether a transaction is to keep what it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Read,
    /// A read whose statements all see the same moment.
    Snapshot,
    Write,
}

impl Mode {
    /// Debug builds make reads READ ONLY, so that a test finds a write in a read.
    fn begin(self) -> &'static str {
        match self {
            Self::Read if cfg!(debug_assertions) => "BEGIN READ ONLY",
            Self::Snapshot if cfg!(debug_assertions) => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            Self::Snapshot => "BEGIN ISOLATION LEVEL REPEATABLE READ",
            Self::Read | Self::Write => "BEGIN",
        }
    }
}

/// How transactions of one tenant begin: made once per tenant, sent with each transaction.
#[derive(Debug, Clone)]
pub(crate) struct Openings {
    read: Arc<str>,
    snapshot: Arc<str>,
    write: Arc<str>,
    settings: String,
}

impl Openings {
    pub(crate) fn new(role: &RoleName, schema: &SchemaName, statement_timeout: Option<Duration>) -> Self {
        let mut settings = format!("SET LOCAL ROLE {}; {}", role.quoted(), search_path(schema));
        // The login's own default serves where a business has none: each setting costs every transaction.
        if let Some(timeout) = statement_timeout {
            settings.push_str(&format!("; SET LOCAL statement_timeout = {}", timeout.as_millis()));
        }
        let opening = |mode: Mode| format!("{ROLLBACK}{}; {settings}", mode.begin()).into();
        Self {
            read: opening(Mode::Read),
            snapshot: opening(Mode::Snapshot),
            write: opening(Mode::Write),
            settings,
        }
    }

    fn of(&self, mode: Mode) -> Arc<str> {
        if cfg!(feature = "unscoped") && mode != Mode::Write {
            return Arc::default();
        }
        match mode {
            Mode::Read => self.read.clone(),
            Mode::Snapshot => self.snapshot.clone(),
            Mode::Write => self.write.clone(),
        }
    }

    /// The settings alone, for inside a transaction.
    pub(crate) fn settings(&self) -> &str {
        &self.settings
    }
}

/// Leave to act as one tenant. Made only from a [`Tenant`], and those come only out of the registry.
#[derive(Debug, Clone)]
pub struct TenantScope(Arc<Tenant>);

impl TenantScope {
    pub(crate) fn of(tenant: Arc<Tenant>) -> Self {
        Self(tenant)
    }

    pub fn tenant(&self) -> &Tenant {
        &self.0
    }
}

/// A transaction that acts as one tenant's role and sees that tenant's schema alone.
///
/// Domain functions take `&TenantTx`; only [`Database::read`](crate::Database::read) and
/// [`Database::write`](crate::Database::write) and the [`Provisioner`](crate::Provisioner) make one. A query without
/// a tenant does not compile:
///
/// ```compile_fail
/// let tx = tenancy::TenantTx { session: todo!(), scope: todo!() };
/// ```
///
/// and neither does one whose text is built at run time:
///
/// ```compile_fail
/// async fn find(tx: &tenancy::TenantTx, table: &str) {
///     let sql = format!("SELECT id FROM {table}");
///     let _ = tx.query(&sql, &[]).await;
/// }
/// ```
pub struct TenantTx {
    session: Session,
    scope: TenantScope,
}

impl TenantTx {
    pub fn tenant(&self) -> &Tenant {
        self.scope.tenant()
    }
}

impl Deref for TenantTx {
    type Target = Session;
    fn deref(&self) -> &Session {
        &self.session
    }
}

/// What of the `shared` schema a transaction may see: row level security lets through nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SharedScope {
    /// Before the tenant is known: no row at all, only the look-up functions (host, credentials).
    Public,
    /// The rows of one tenant.
    Tenant(TenantId),
    /// The rows of one user.
    User(Uuid),
    /// Every row: the platform's staff and its commands.
    Platform,
}

impl SharedScope {
    /// The settings of the scope, for inside a transaction.
    fn settings(self) -> String {
        match self {
            Self::Public => format!("SET LOCAL ROLE {SHARED_GROUP}"),
            Self::Tenant(id) => format!("SET LOCAL ROLE {SHARED_GROUP}; SET LOCAL tenantry.tenant = '{id}'"),
            Self::User(id) => format!("SET LOCAL ROLE {SHARED_GROUP}; SET LOCAL tenantry.\"user\" = '{id}'"),
            Self::Platform => format!("SET LOCAL ROLE {PLATFORM_GROUP}"),
        }
    }
}

/// A transaction in the `shared` schema. It cannot see a business schema.
pub struct SharedTx {
    session: Session,
}

impl Deref for SharedTx {
    type Target = Session;
    fn deref(&self) -> &Session {
        &self.session
    }
}

/// The two kinds of transaction, to the code that opens and ends them.
pub(crate) trait ScopedTx: Deref<Target = Session> + Sized {
    type Scope;
    fn realm(scope: &Self::Scope) -> Realm;
    /// How many transactions the scope's business may have at the same time, if it has a limit of its own.
    fn limit(scope: &Self::Scope) -> Option<usize>;
    /// [`ROLLBACK`], BEGIN and the settings of the scope, for one message.
    fn opening(scope: &Self::Scope, mode: Mode) -> Arc<str>;
    fn over(session: Session, scope: &Self::Scope) -> Self;
    fn into_session(self) -> Session;
}

impl ScopedTx for TenantTx {
    type Scope = TenantScope;
    fn realm(scope: &TenantScope) -> Realm {
        // Without scopes all read the same tables, by the same statements.
        if cfg!(feature = "unscoped") { Realm::Shared } else { Realm::Business(scope.0.number) }
    }
    fn limit(scope: &TenantScope) -> Option<usize> {
        scope.0.limits.max_transactions
    }
    fn opening(scope: &TenantScope, mode: Mode) -> Arc<str> {
        scope.0.openings.of(mode)
    }
    fn over(session: Session, scope: &TenantScope) -> Self {
        Self { session, scope: scope.clone() }
    }
    fn into_session(self) -> Session {
        self.session
    }
}

impl ScopedTx for SharedTx {
    type Scope = SharedScope;
    fn realm(_: &SharedScope) -> Realm {
        Realm::Shared
    }
    fn limit(_: &SharedScope) -> Option<usize> {
        None
    }
    fn opening(scope: &SharedScope, mode: Mode) -> Arc<str> {
        format!("{ROLLBACK}{}; {}", mode.begin(), scope.settings()).into()
    }
    fn over(session: Session, _: &SharedScope) -> Self {
        Self { session }
    }
    fn into_session(self) -> Session {
        self.session
    }
}
