//! The doctor checks an installation. Each problem that it finds has a cure.

use std::path::PathBuf;

use chrono::{TimeDelta, Utc};
use serde::Serialize;
use tenancy::fleet::RunOptions;
use tenancy::health::{self, CatalogueSize, Drifted, Pooling};
use tenancy::jobs::{self, JobState};
use tenancy::{Database, DatabaseUrl, DbError, OwnerDatabase};

use crate::upkeep::backup_check;
use crate::upkeep::look_alike_check::{self, LookAlike};

/// The result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// The check found no problem.
    Ok,
    /// A problem or a risk. `tenantry doctor` still succeeds.
    Warn,
    /// A problem that makes `tenantry doctor` fail.
    Fail,
}

/// The outcome of one check.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// The short name of the check, such as `locks`.
    pub name: &'static str,
    /// The result of the check.
    pub health: Health,
    /// The state that the check found, as a text for the operator.
    pub message: String,
    /// The action that solves the problem. `None` when the check found no problem.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cure: Option<String>,
}

/// The outcome of all checks.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The findings of all checks, in the order in which they ran.
    pub findings: Vec<Finding>,
    /// The schemas that differ from the definition of their version.
    pub drift: Vec<Drifted>,
    /// Names that are equal to others of their kind.
    pub look_alikes: Vec<LookAlike>,
}

impl Report {
    /// The worst result of all findings; [`Health::Ok`] without findings.
    pub fn worst(&self) -> Health {
        self.findings.iter().map(|finding| finding.health).max().unwrap_or(Health::Ok)
    }

    pub(super) fn ok(&mut self, name: &'static str, message: impl Into<String>) {
        self.findings.push(Finding { name, health: Health::Ok, message: message.into(), cure: None });
    }

    pub(super) fn warn(&mut self, name: &'static str, message: impl Into<String>, cure: impl Into<String>) {
        self.problem(name, Health::Warn, message.into(), cure.into());
    }

    fn fail(&mut self, name: &'static str, message: impl Into<String>, cure: impl Into<String>) {
        self.problem(name, Health::Fail, message.into(), cure.into());
    }

    fn problem(&mut self, name: &'static str, health: Health, message: String, cure: String) {
        self.findings.push(Finding { name, health, message, cure: Some(cure) });
    }
}

/// The installation to be checked.
pub struct Patient {
    /// The database, opened with the login that owns the schemas.
    pub owner_database: OwnerDatabase,
    /// A connection pool like that of a server process.
    pub server: Database,
    /// The URL with which a server process connects to PostgreSQL.
    pub server_url: DatabaseUrl,
    /// The URL of a PostgreSQL administrator, if given. Only an administrator may read pg_hba.conf.
    pub admin_url: Option<DatabaseUrl>,
    /// The maximum number of connections of one server process.
    pub pool_connections: usize,
    /// The number of spare schemas that the settings require; 0 turns the pool off.
    pub spare_schemas: usize,
    /// The folder for backups, whose free disk space is checked.
    pub backup_folder: PathBuf,
    /// Whether to skip the checks that look into every business.
    pub skip_drift: bool,
}

/// Measured on PostgreSQL 15. Above these limits, connections cache too much of the catalogue. New roles and
/// queries of the whole catalogue then take seconds.
const MOST_SCHEMAS: i64 = 5_000;
const MOST_RELATIONS: i64 = 500_000;
const BIGGEST_CATALOGUE: i64 = 2 << 30;
/// The default of PostgreSQL: 16,384 pages of 8 KiB. With less memory, every query reads from the disk.
const LEAST_SHARED_BUFFERS: i64 = 128 << 20;

/// Runs all checks.
///
/// # Errors
/// [`DbError`] when the database cannot be queried. Every other problem is a finding.
pub async fn examine(patient: &Patient) -> Result<Report, DbError> {
    let mut report = Report::default();
    let size = patient.owner_database.catalogue_size().await?;
    server_settings(patient, &size, &mut report).await?;
    sign_in(patient, &mut report).await;
    roles(patient, &mut report).await?;
    isolation(patient, &mut report).await;
    migrations(patient, &mut report).await?;
    drift(patient, &mut report).await;
    look_alike_check::check(patient, &mut report).await?;
    catalogue(&size, &mut report);
    background(patient, &mut report).await?;
    backup_check::backups(patient, &mut report).await?;
    backup_check::disk(patient, &mut report);
    Ok(report)
}

async fn server_settings(
    patient: &Patient,
    size: &CatalogueSize,
    report: &mut Report,
) -> Result<(), DbError> {
    let settings = patient.owner_database.server_settings().await?;
    report.ok("server", format!("PostgreSQL {}", settings.version));

    let usable = settings.max_connections - settings.reserved_connections;
    let wanted = i64::try_from(patient.pool_connections).unwrap_or(i64::MAX) + 10;
    let told = format!(
        "{} of {usable} connections are in use; one server process uses up to {}",
        settings.connections, patient.pool_connections
    );
    if wanted > usable {
        let cure = "raise max_connections of PostgreSQL, or lower database.max_connections of Tenantry";
        report.fail("connections", told, cure);
    } else if settings.connections + wanted > usable {
        report.warn(
            "connections",
            told,
            "raise max_connections of PostgreSQL, or run fewer server processes; \
             another server process may get no connections",
        );
    } else {
        report.ok("connections", told);
    }

    let slots =
        settings.max_locks_per_transaction * (settings.max_connections + settings.max_prepared_transactions);
    let per_schema = size.relations_per_schema.max(1);
    let told =
        format!("{slots} locks are available; creating or dropping a business takes about {per_schema}");
    if slots < per_schema * 12 {
        report.fail("locks", told, "set max_locks_per_transaction to 256, and restart PostgreSQL");
    } else {
        report.ok("locks", told);
    }

    let told = format!("shared_buffers is {} MiB", settings.shared_buffers_bytes >> 20);
    if settings.shared_buffers_bytes < LEAST_SHARED_BUFFERS {
        report.warn(
            "memory",
            told,
            "set shared_buffers to a quarter of the machine's memory, and restart PostgreSQL",
        );
    } else {
        report.ok("memory", told);
    }

    if settings.off.is_empty() {
        report.ok("durability", "fsync, full_page_writes and synchronous_commit are on");
    } else {
        let told =
            format!("these settings are off: {}; a crash may lose committed data", settings.off.join(", "));
        report.fail("durability", told, "turn on each of these settings, unless this data may be lost");
    }

    match settings.log_statement.as_str() {
        "all" | "mod" => report.warn(
            "log",
            format!(
                "log_statement is {}; PostgreSQL writes the data of businesses to its log",
                settings.log_statement
            ),
            "set log_statement to none or ddl; set log_min_duration_statement to log slow statements",
        ),
        quiet => report.ok("log", format!("log_statement is {quiet}")),
    }

    let ahead = settings.clock_ahead;
    let told = format!(
        "the clocks of PostgreSQL and of this machine differ by {} ms",
        ahead.num_milliseconds().abs()
    );
    if ahead.abs() > TimeDelta::seconds(30) {
        report.fail(
            "clock",
            told,
            "synchronise both machines with NTP; until then, tokens and times are wrong",
        );
    } else if ahead.abs() > TimeDelta::seconds(1) {
        report.warn("clock", told, "synchronise both machines with NTP");
    } else {
        report.ok("clock", told);
    }

    match settings.password_encryption.as_str() {
        "scram-sha-256" => report.ok("passwords", "PostgreSQL stores new passwords as SCRAM-SHA-256"),
        other => report.warn(
            "passwords",
            format!("PostgreSQL stores new passwords as {other}"),
            "set password_encryption to scram-sha-256, then set the password of each login again",
        ),
    }
    Ok(())
}

async fn sign_in(patient: &Patient, report: &mut Report) {
    match &patient.admin_url {
        None => report.ok(
            "authentication",
            "pg_hba.conf was not checked; only `tenantry doctor --admin-url URL` can check it",
        ),
        Some(admin) => match health::weak_sign_in(admin).await {
            Ok(weak) if weak.is_empty() => {
                report.ok("authentication", "no rule in pg_hba.conf is weaker than SCRAM")
            }
            Ok(weak) => report.warn(
                "authentication",
                format!("weak rules in pg_hba.conf: {}", weak.join("; ")),
                "use scram-sha-256 in pg_hba.conf (or peer for local administration), and reload PostgreSQL",
            ),
            Err(error) => report.warn(
                "authentication",
                format!("could not read pg_hba.conf: {}", tenancy::chain(&error)),
                "run `tenantry doctor --admin-url URL` with the URL of a superuser",
            ),
        },
    }
    match health::pooling(&patient.server_url).await {
        Ok(Pooling::None) => report.ok("pooler", "each connection has its own PostgreSQL backend"),
        Ok(Pooling::SharesBackends) => report.fail(
            "pooler",
            "a pooler between Tenantry and PostgreSQL shares backends among clients",
            "connect directly to PostgreSQL; Tenantry has its own connection pool",
        ),
        Ok(Pooling::DropsSettings) => report.fail(
            "pooler",
            "a pooler between Tenantry and PostgreSQL drops connection settings, such as timeouts",
            "connect directly to PostgreSQL, or let the pooler forward the startup parameter `options`",
        ),
        Err(error) => report.fail(
            "pooler",
            format!("opening two connections at the same time failed: {}", tenancy::chain(&error)),
            "check whether the login of database.url has a connection limit",
        ),
    }
}

async fn roles(patient: &Patient, report: &mut Report) -> Result<(), DbError> {
    let complaints = patient.owner_database.role_complaints().await?;
    if complaints.is_empty() {
        report.ok("roles", "the server's login owns nothing and inherits nothing; each business has a role");
    } else {
        let more =
            if complaints.len() > 5 { format!(" and {} more", complaints.len() - 5) } else { String::new() };
        let told = complaints.iter().take(5).cloned().collect::<Vec<_>>().join("; ") + &more;
        report.fail("roles", told, "run `tenantry db init --admin-url URL` again");
    }
    let open = patient.owner_database.tables_without_row_security().await?;
    if open.is_empty() {
        report.ok("row security", "on for every shared table with rows of businesses or users");
    } else {
        let told = format!("off for shared.{}", open.join(", shared."));
        report.fail(
            "row security",
            told,
            "run `ALTER TABLE NAME ENABLE ROW LEVEL SECURITY` for each table, and find out why it was off",
        );
    }
    Ok(())
}

async fn isolation(patient: &Patient, report: &mut Report) {
    match patient.owner_database.probe_isolation(&patient.server).await {
        Ok(probed) => report.ok(
            "isolation",
            format!(
                "no test row was visible in another schema: \
                 {} transactions committed, {} rolled back, {} failed, {} cancelled",
                probed.committed, probed.rolled_back, probed.failed, probed.cancelled
            ),
        ),
        Err(error) => report.fail(
            "isolation",
            tenancy::chain(&error),
            "if the message says BROKEN, stop all servers and inform the developers; \
             otherwise fix the cause and run `tenantry doctor` again",
        ),
    }
}

async fn migrations(patient: &Patient, report: &mut Report) -> Result<(), DbError> {
    let plan = patient.owner_database.plan(&RunOptions::default()).await?;
    let failed = plan.behind.iter().filter(|schema| schema.failure.is_some()).count();
    if plan.is_empty() {
        report.ok("migrations", "every schema has the newest version");
    } else if failed > 0 {
        let told =
            format!("{} schemas have an old version; {failed} of them failed to migrate", plan.behind.len());
        report.fail(
            "migrations",
            told,
            "run `tenantry migrate status` to see the reasons, fix them, then run `tenantry migrate run`",
        );
    } else {
        let shared = if plan.shared { "the shared schema and " } else { "" };
        report.warn(
            "migrations",
            format!("{shared}{} schemas have an old version", plan.behind.len()),
            "run `tenantry migrate run`",
        );
    }
    Ok(())
}

async fn drift(patient: &Patient, report: &mut Report) {
    if patient.skip_drift {
        return;
    }
    match patient.owner_database.drifted().await {
        Ok(drifted) if drifted.is_empty() => report.ok("drift", "every schema matches its version"),
        Ok(drifted) => {
            let names: Vec<&str> = drifted.iter().take(5).map(|schema| schema.schema.as_str()).collect();
            let told = format!(
                "schemas that do not match their version: {} ({} in total)",
                names.join(", "),
                drifted.len()
            );
            report.fail(
                "drift",
                told,
                "undo the manual changes; `tenantry doctor` lists the missing and the unexpected objects",
            );
            report.drift = drifted;
        }
        Err(error) => {
            report.fail("drift", tenancy::chain(&error), "fix the cause, then run `tenantry doctor` again");
        }
    }
}

fn catalogue(size: &CatalogueSize, report: &mut Report) {
    let told = format!(
        "{} schemas (tested up to {MOST_SCHEMAS}), {} relations (tested up to {MOST_RELATIONS}), {} MiB",
        size.schemas,
        size.relations,
        size.size_bytes >> 20
    );
    let is_big =
        size.schemas > MOST_SCHEMAS || size.relations > MOST_RELATIONS || size.size_bytes > BIGGEST_CATALOGUE;
    if is_big {
        report.warn(
            "catalogue",
            told,
            "create new businesses in another database; \
             run `tenantry tenant drop SLUG` for archived businesses that have a backup",
        );
    } else {
        report.ok("catalogue", told);
    }
}

async fn background(patient: &Patient, report: &mut Report) -> Result<(), DbError> {
    let owner_database = &patient.owner_database;
    let ready = owner_database.spares_ready().await?;
    let told = format!("{ready} of {} spare schemas are ready", patient.spare_schemas);
    if patient.spare_schemas > 0 && ready == 0 {
        report.warn(
            "spare schemas",
            told,
            "run `tenantry job run` if no process runs background jobs; until then, onboarding is slower",
        );
    } else {
        report.ok("spare schemas", told);
    }
    if owner_database.has_job_runner().await? {
        report.ok("jobs", "a process runs background jobs");
    } else {
        report.warn(
            "jobs",
            "no process runs background jobs",
            "run `tenantry job run`, or set provisioning.in_server and jobs.in_server to true for a server",
        );
    }
    let failed = owner_database
        .write_shared(async |tx| jobs::list(tx, Some(JobState::Failed), None, 100).await)
        .await?;
    let recent = failed.iter().filter(|job| job.created_at > Utc::now() - TimeDelta::days(7)).count();
    if recent > 0 {
        report.warn(
            "failed jobs",
            format!("{recent} jobs failed in the last 7 days"),
            "run `tenantry job list --state failed` to see the jobs and their errors",
        );
    }
    Ok(())
}
