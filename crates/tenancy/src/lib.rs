//! Schema-per-tenant tenancy on PostgreSQL, free of any business domain and of HTTP.
//!
//! A tenant is a row of `shared.tenants`, a schema and a database role. The server's login owns nothing and inherits
//! nothing; it reaches a tenant's tables only inside a transaction that took the tenant's role and search_path. So a
//! query that forgets its tenant fails, and never answers with another tenant's rows. In Rust that transaction is
//! [`TenantTx`], which only [`Database::read`] and [`Database::write`] lend out: no scope, no query.
//!
//! Another product is built on it like this:
//!
//! ```no_run
//! use tenancy::{Address, BaseDomain, Database, DbError, HostName, PoolSettings, Resolver, TenantTx};
//!
//! async fn count_notes(tx: &TenantTx) -> Result<i64, DbError> {
//!     // No schema is named: the scope of `tx` decides whose table this is.
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
//! let tenancy::Destination::Business { address, .. } = resolver.destination(&host, "/") else { return Ok(()) };
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
pub use connection::connect::{self, DatabaseUrl};
pub use connection::error::{DbError, chain};
pub use connection::pool::{PoolSettings, PoolStatus};
pub use connection::transaction::{CopyIn, CopyOut, Params, Session, both};
pub use diagnosis::{health, isolation, system_catalogue};
pub use migration::{files as migrations, guard, script};
pub use names::host::{Address, BaseDomain, Destination, HostError, HostName};
pub use names::tenant_names::{
    BusinessNumber, Installation, NameError, RoleName, SchemaName, TenantId, TenantSlug,
};
pub use owner::provisioning::{NewTenant, ProvisionError, Provisioner};
pub use owner::{bootstrap, copy, fleet, lifecycle, provisioning};
pub use registry::resolver::{ResolveError, Resolver, ResolverSettings};
pub use registry::schema::Failure;
pub use registry::tenant::{Tenant, TenantStatus};
pub use registry::{domain, tenant};
pub use scope::database::{Database, ProbeError, ServerVersion, probe};
pub use scope::scope::{SharedScope, SharedTx, TenantScope, TenantTx};
