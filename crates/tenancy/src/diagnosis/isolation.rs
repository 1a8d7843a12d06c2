//! A test of isolation on a running installation. Each transaction of the test writes a canary row into one
//! of two schemas that the test creates. All transactions use the connection pool that serves businesses.
//! Each transaction ends with a commit, a rollback, an error or a cancellation. A canary must never be
//! visible in the other schema. An uncommitted canary must never be visible at all.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use chrono::Utc;
use futures_util::future::join_all;
use uuid::Uuid;

use crate::connection::error::DbError;
use crate::migration::files::{FileError, Migrations};
use crate::names::tenant::TenantSlug;
use crate::owner::provisioning::{AS_OWNER, OwnerDatabase, ProvisionError};
use crate::registry::locks;
use crate::registry::schema::{self, Schema, SchemaState};
use crate::registry::tenant::NewTenant;
use crate::scope::database::Database;
use crate::scope::tenant::Tenant;
use crate::scope::transactions::TenantTx;

/// Isolation is broken, or could not be tested.
#[derive(Debug, thiserror::Error)]
pub enum ProbeFailure {
    /// Isolation is broken. The text has capitals so that nobody overlooks it.
    #[error("ISOLATION IS BROKEN: {0}")]
    Crossed(String),
    /// A probe schema or its tables could not be created.
    #[error("the probe schemas could not be created")]
    Provision(#[from] ProvisionError),
    /// A query failed, so the test has no result.
    #[error("a probe query failed")]
    Db(#[from] DbError),
    /// The migration that creates the table of the test was refused.
    #[error("the probe's own table cannot be created")]
    File(#[from] FileError),
}

/// The number of transactions that were tested, for each way to end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Probed {
    /// Transactions that committed their canary.
    pub committed: usize,
    /// Transactions that were rolled back without a failed statement.
    pub rolled_back: usize,
    /// Transactions that ended because a statement failed.
    pub failed: usize,
    /// Transactions whose future was to be dropped. A fast one may have been rolled back before.
    pub cancelled: usize,
}

const ROUNDS: usize = 40;
const AT_ONCE: usize = 8;

impl OwnerDatabase {
    /// Tests isolation with the pool of `server`. Drops the schemas of an interrupted test first, and its own
    /// schemas afterwards.
    ///
    /// # Errors
    /// [`ProbeFailure::Crossed`] when isolation is broken. Any other error means that the test itself failed.
    pub async fn probe_isolation(&self, server: &Database) -> Result<Probed, ProbeFailure> {
        // Two tests at the same time would drop each other's schemas, so the second test waits.
        let turn = self.owner.begin_patient().await?;
        turn.batch("SET LOCAL lock_timeout = '60s'").await?;
        locks::lock(&turn, locks::PROBES_LOCK).await?;
        self.remove_probes().await?;
        let probes = [self.make_probe("probe-one").await?, self.make_probe("probe-two").await?];
        let outcome = try_isolation(server, &probes).await;
        self.remove_probes().await?;
        outcome
    }

    /// Creates a schema with one table. Only the registry knows this schema.
    async fn make_probe(&self, slug: &str) -> Result<Arc<Tenant>, ProbeFailure> {
        const TABLE: &str = "
            CREATE TABLE canaries (
                id uuid CONSTRAINT canaries_pkey PRIMARY KEY,
                of text NOT NULL
            )";
        let migrations = Migrations::of_tenant(Vec::new())?.and("V0001__canaries.sql", TABLE)?;
        let transaction = self.owner.begin_unscoped().await?;
        let schema = schema::insert(&transaction, &self.installed, SchemaState::Probe, &migrations).await?;
        self.build_schema(&transaction, &schema, &migrations).await?;
        transaction.batch(AS_OWNER).await?;
        schema::admit_role(&transaction, &schema).await?;
        transaction.commit().await?;
        let new = NewTenant { slug: TenantSlug::of_probe(slug), name: slug.to_owned(), id: None };
        Ok(Arc::new(new.tenant(&schema, migrations.needs_code(schema.version), Utc::now())))
    }

    async fn remove_probes(&self) -> Result<(), DbError> {
        const PROBES: &str =
            "SELECT number, name, role_name, version FROM shared.schemas WHERE state = 'probe'";
        let transaction = self.owner.begin_unscoped().await?;
        for probe in transaction.rows::<Schema>(PROBES, &[]).await? {
            schema::drop_schema(&transaction, &probe.name, probe.number).await?;
        }
        transaction.commit().await
    }
}

async fn try_isolation(server: &Database, probes: &[Arc<Tenant>; 2]) -> Result<Probed, ProbeFailure> {
    let mut probed = Probed::default();
    let mut committed: [BTreeSet<Uuid>; 2] = Default::default();
    for round in 0..ROUNDS {
        // Transactions of both schemas, with all ways to end, run at the same time on few connections.
        let work = (0..AT_ONCE).map(|worker| {
            let whose = (round + worker) % 2;
            write_canary(server, &probes[whose], whose, End::of(round * AT_ONCE + worker))
        });
        for written in join_all(work).await {
            let (whose, end, id) = written?;
            match end {
                End::Commit => {
                    probed.committed += 1;
                    committed[whose].insert(id);
                }
                End::RollBack => probed.rolled_back += 1,
                End::Fail => probed.failed += 1,
                End::Cancel(_) => probed.cancelled += 1,
            }
        }
        for (whose, probe) in probes.iter().enumerate() {
            check(server, probe, &committed[whose], &probes[1 - whose]).await?;
        }
    }
    Ok(probed)
}

/// How a transaction ends.
#[derive(Debug, Clone, Copy)]
enum End {
    Commit,
    RollBack,
    Fail,
    /// The future is dropped after this number of polls.
    Cancel(usize),
}

impl End {
    fn of(n: usize) -> Self {
        match n % 7 {
            0 | 3 => Self::Commit,
            1 => Self::RollBack,
            2 => Self::Fail,
            _ => Self::Cancel(1 + n % 5),
        }
    }
}

async fn write_canary(
    server: &Database,
    probe: &Arc<Tenant>,
    whose: usize,
    end: End,
) -> Result<(usize, End, Uuid), DbError> {
    const INSERT: &str = "INSERT INTO canaries (id, of) VALUES ($1, $2)";
    const FAIL: &str = "SELECT 1 / (SELECT count(*) FROM canaries WHERE id = $1 AND of = 'nobody')";
    let id = Uuid::now_v7();
    let scope = probe.scope();
    let work = server.write(&scope, async |tx: &TenantTx| {
        tx.execute(INSERT, &[&id, &probe.slug.as_str()]).await?;
        match end {
            End::Commit => Ok(()),
            End::RollBack | End::Cancel(_) => Err(DbError::Failed),
            End::Fail => tx.query(FAIL, &[&id]).await.map(drop),
        }
    });
    let mut work = pin!(work);
    let mut polls = 0;
    let outcome = poll_fn(|cx| {
        polls += 1;
        match work.as_mut().poll(cx) {
            Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
            Poll::Pending if matches!(end, End::Cancel(most) if polls >= most) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await;
    match (end, outcome) {
        (End::Commit, Some(Err(error))) => Err(error),
        _ => Ok((whose, end, id)),
    }
}

/// Checks that the schema contains exactly the committed canaries, and that its role cannot enter the other
/// schema.
async fn check(
    server: &Database,
    probe: &Arc<Tenant>,
    committed: &BTreeSet<Uuid>,
    other: &Tenant,
) -> Result<(), ProbeFailure> {
    const CANARIES: &str = "SELECT id, of FROM canaries";
    const MAY_ENTER: &str = "SELECT has_schema_privilege($1, 'USAGE') AS may_enter";
    let name = other.schema.as_str();
    let (rows, may_enter): (Vec<_>, bool) = server
        .read(&probe.scope(), async |tx: &TenantTx| {
            let rows = tx.query(CANARIES, &[]).await?;
            Ok::<_, DbError>((rows, tx.query_one(MAY_ENTER, &[&name]).await?.try_get("may_enter")?))
        })
        .await?;
    if may_enter {
        return Err(ProbeFailure::Crossed(format!(
            "the role {} may enter the schema {name}",
            probe.role.as_str()
        )));
    }
    let mut found = BTreeSet::new();
    for row in rows {
        let (id, of): (Uuid, String) =
            (row.try_get("id").map_err(DbError::from)?, row.try_get("of").map_err(DbError::from)?);
        if of != probe.slug.as_str() {
            return Err(ProbeFailure::Crossed(format!("a row of {of} is in the schema of {}", probe.slug)));
        }
        found.insert(id);
    }
    if let Some(ghost) = found.difference(committed).next() {
        return Err(ProbeFailure::Crossed(format!(
            "row {ghost} of {} is visible but was never committed",
            probe.slug
        )));
    }
    if let Some(lost) = committed.difference(&found).next() {
        return Err(ProbeFailure::Crossed(format!(
            "row {lost} of {} was committed but is missing",
            probe.slug
        )));
    }
    Ok(())
}
