//! A test of isolation on a living installation: canaries in two schemas of their own, through the very pool that serves
//! businesses, under commit, rollback, error and cancellation. None may be seen in the other schema, and none that was
//! not committed may be seen at all.

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
use crate::names::tenant_names::TenantSlug;
use crate::owner::provisioning::{AS_OWNER, NewTenant, ProvisionError, Provisioner};
use crate::registry::schema::{self, Schema, SchemaState};
use crate::registry::tenant::Tenant;
use crate::scope::database::Database;
use crate::scope::scope::TenantTx;

/// Isolation does not hold, or could not be tried.
#[derive(Debug, thiserror::Error)]
pub enum ProbeFailure {
    /// The loud one.
    #[error("ISOLATION IS BROKEN: {0}")]
    Crossed(String),
    #[error("the probe schemas could not be made")]
    Provision(#[from] ProvisionError),
    #[error("a probe query failed")]
    Db(#[from] DbError),
    #[error("the probe's own table cannot be made")]
    File(#[from] FileError),
}

/// What was tried.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Probed {
    pub committed: usize,
    pub rolled_back: usize,
    pub failed: usize,
    pub cancelled: usize,
}

const ROUNDS: usize = 40;
const AT_ONCE: usize = 8;

impl Provisioner {
    /// Tries isolation with the pool of `server`. The schemas are gone afterwards; what a killed trial left is
    /// removed first.
    ///
    /// # Errors
    /// [`ProbeFailure::Crossed`] when a canary is where it must not be.
    pub async fn probe_isolation(&self, server: &Database) -> Result<Probed, ProbeFailure> {
        // Two trials at once would remove each other's schemas; the second waits.
        let turn = self.owner.begin_patient().await?;
        turn.batch("SET LOCAL lock_timeout = '60s'").await?;
        schema::lock(&turn, schema::PROBES_LOCK).await?;
        self.remove_probes().await?;
        let probes = [self.make_probe("probe-one").await?, self.make_probe("probe-two").await?];
        let outcome = try_isolation(server, &probes).await;
        self.remove_probes().await?;
        outcome
    }

    /// A schema with one table, known to nobody but the registry.
    async fn make_probe(&self, slug: &str) -> Result<Arc<Tenant>, ProbeFailure> {
        const TABLE: &str = "
            CREATE TABLE canaries (
                id uuid CONSTRAINT canaries_pkey PRIMARY KEY,
                of text NOT NULL
            )";
        let migrations = Migrations::of_tenant(Vec::new())?.and("V0001__canaries.sql", TABLE)?;
        let session = self.owner.begin_unscoped().await?;
        let schema = schema::insert(&session, &self.installed, SchemaState::Probe, &migrations).await?;
        self.build_schema(&session, &schema, &migrations).await?;
        session.batch(AS_OWNER).await?;
        schema::admit_role(&session, &schema).await?;
        session.commit().await?;
        let new =
            NewTenant { slug: TenantSlug::from_registry(slug.to_owned()), name: slug.to_owned(), id: None };
        Ok(Arc::new(Tenant::new(&new, &schema, migrations.needs_code(schema.version), Utc::now())))
    }

    async fn remove_probes(&self) -> Result<(), DbError> {
        const PROBES: &str =
            "SELECT number, name, role_name, version FROM shared.schemas WHERE state = 'probe'";
        let session = self.owner.begin_unscoped().await?;
        for row in session.query(PROBES, &[]).await? {
            let probe = Schema::from_row(&row)?;
            schema::drop_schema(&session, &probe.name, probe.number).await?;
        }
        session.commit().await
    }
}

async fn try_isolation(server: &Database, probes: &[Arc<Tenant>; 2]) -> Result<Probed, ProbeFailure> {
    let mut probed = Probed::default();
    let mut committed: [BTreeSet<Uuid>; 2] = Default::default();
    for round in 0..ROUNDS {
        // Both schemas and all ways to end, interleaved on few connections.
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
    /// Given up after so many polls.
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

/// Looks for what must not be there.
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
        return Err(ProbeFailure::Crossed(format!("{} may enter {name}", probe.role.as_str())));
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
        return Err(ProbeFailure::Crossed(format!("row {ghost} of {} was never committed", probe.slug)));
    }
    if let Some(lost) = committed.difference(&found).next() {
        return Err(ProbeFailure::Crossed(format!("row {lost} of {} was committed and is gone", probe.slug)));
    }
    Ok(())
}
