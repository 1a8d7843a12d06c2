//! Multi-tenancy on PostgreSQL with one schema per tenant. The crate depends on no business domain and not on
//! HTTP.
//!
//! A tenant is a row of `shared.tenants`, a schema and a database role. The server's login owns nothing and
//! inherits no rights. The login reaches a tenant's tables only inside a transaction that has set the
//! tenant's role and search_path. A query without a tenant therefore fails and never returns another tenant's
//! rows. In Rust, that transaction is a [`TenantTx`]. A server gets one only from [`Database::read`],
//! [`Database::read_snapshot`] and [`Database::write`]: no scope, no query.
//!
//! Example of another product that is built on this crate:
//!
//! ```no_run
//! use tenancy::{Address, BaseDomain, Database, DbError, HostName, PoolSettings, Resolver, TenantTx};
//!
//! async fn count_notes(tx: &TenantTx) -> Result<i64, DbError> {
//!     // The SQL names no schema: the scope of `tx` selects the tenant and its table.
//!     Ok(tx.query_one("SELECT count(*) FROM notes", &[]).await?.try_get(0)?)
//! }
//!
//! async fn add_note(tx: &TenantTx, text: &str) -> Result<(), DbError> {
//!     const INSERT: &str = "INSERT INTO notes (id, text, written_at) VALUES ($1, $2, $3)";
//!     tx.execute(INSERT, &[&uuid::Uuid::now_v7(), &text, &tx.now()]).await?;
//!     Ok(())
//! }
//!
//! # async fn answer() -> Result<(), Box<dyn std::error::Error>> {
//! let url = "postgres://notes_server:secret@localhost/notes".parse()?;
//! let database = Database::new(&url, &PoolSettings::default())?;
//! let base = BaseDomain::new(HostName::parse("notes.example")?);
//! let resolver = Resolver::new(database.clone(), base, &Default::default());
//!
//! let host = HostName::parse("acme.notes.example")?; // from the request
//! let tenancy::HostTarget::Tenant { address, .. } = resolver.target(&host, "/") else { return Ok(()) };
//! let Some(tenant) = resolver.tenant(&address).await? else { return Ok(()) };
//! let notes = database
//!     .write(&tenant.scope(), async |tx| {
//!         add_note(tx, "remember the milk").await?;
//!         count_notes(tx).await
//!     })
//!     .await?;
//! println!("{} has {notes} notes", tenant.name);
//! # Ok(()) }
//! ```

mod background;
mod connection;
mod diagnosis;
pub mod failpoint;
mod migration;
mod names;
mod owner;
mod registry;
mod scope;

pub use background::{jobs, outbox};
pub use connection::all::{Steps, all};
pub use connection::connect::{self, DatabaseUrl};
pub use connection::copy_stream::{CopyIn, CopyOut};
pub use connection::error::{DbError, chain};
pub use connection::pool::PoolStatus;
pub use connection::pool_settings::PoolSettings;
pub use connection::probe::{ProbeError, ServerVersion, probe};
pub use connection::row::{Cells, FromRow, read_row, read_rows};
pub use connection::server_watch::ServerState;
pub use connection::transaction::{Params, Transaction};
pub use diagnosis::{drift, health, isolation, roles, system_catalogue};
pub use migration::{files as migrations, guard, script};
pub use names::database::{Installation, Installed, RoleName, SchemaName, TenantNumber};
pub use names::host::{Address, BaseDomain, HostError, HostName, HostTarget};
pub use names::tenant::{NameError, TenantId, TenantSlug};
pub use owner::provisioning::{OwnerDatabase, ProvisionError};
pub use owner::{bootstrap, copy, dropping, fleet, lifecycle, provisioning};
pub use registry::resolver::{ResolveError, Resolver, ResolverSettings};
pub use registry::schema::Failure;
pub use registry::tenant::NewTenant;
pub use registry::{domain, tenant};
pub use scope::announcements::Listener;
pub use scope::database::Database;
pub use scope::licence::{Licence, PlanKey, PlanKeyError, PlanLimits, SellingError, Standing};
pub use scope::settled::settled_until;
pub use scope::tenant::{Tenant, TenantLimits, TenantStatus};
pub use scope::transactions::{SharedScope, SharedTx, TenantScope, TenantTx};
/// The error of a cell that could not be read.
pub use tokio_postgres::Error as RowError;
