//! The doctor checks an installation. Each problem that it finds has a cure.

use std::path::PathBuf;

use chrono::{TimeDelta, Utc};
use identity::kept_mails;
use serde::Serialize;
use tenancy::drift::Drifted;
use tenancy::fleet::RunOptions;
use tenancy::health::CatalogueSize;
use tenancy::jobs::{self, JobState};
use tenancy::{Database, DatabaseUrl, DbError, OwnerDatabase};

use crate::upkeep::look_alike_check::{self, LookAlike};
use crate::upkeep::{backup_check, domain_check, drift_check, role_check, server_check};

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

    pub(super) fn fail(&mut self, name: &'static str, message: impl Into<String>, cure: impl Into<String>) {
        self.problem(name, Health::Fail, message.into(), cure.into());
    }

    /// Records that a check could not be made.
    fn attempt(&mut self, name: &'static str, outcome: Result<(), DbError>) {
        if let Err(error) = outcome {
            let told = format!("the check failed: {}", tenancy::chain(&error));
            self.fail(name, told, "solve the problem, then run `tenantry doctor` again");
        }
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
    /// The URL of the login that owns the schemas.
    pub owner_url: DatabaseUrl,
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

/// Runs all checks. A check that fails is a finding, and the others go on.
pub async fn examine(patient: &Patient) -> Report {
    let mut report = Report::default();
    make_checks(patient, &mut report).await;
    report
}

async fn make_checks(patient: &Patient, report: &mut Report) {
    backup_check::disk(patient, report);
    server_check::pooler(patient, report).await;
    server_check::sign_in(patient, report).await;
    if !role_check::logins(patient, report).await {
        return;
    }
    match patient.owner_database.catalogue_size().await {
        Ok(size) => {
            let outcome = server_check::settings(patient, &size, report).await;
            report.attempt("server", outcome);
            catalogue(&size, report);
        }
        Err(error) => report.attempt("catalogue", Err(error)),
    }
    let outcome = role_check::roles(patient, report).await;
    report.attempt("roles", outcome);
    role_check::isolation(patient, report).await;
    let outcome = migrations(patient, report).await;
    report.attempt("migrations", outcome);
    drift_check::check(patient, report).await;
    let outcome = look_alike_check::check(patient, report).await;
    report.attempt("names", outcome);
    let outcome = domain_check::check(patient, report).await;
    report.attempt("domains", outcome);
    let outcome = background(patient, report).await;
    report.attempt("jobs", outcome);
    let outcome = backup_check::backups(patient, report).await;
    report.attempt("backups", outcome);
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
    let dead = owner_database.write_shared(async |tx| kept_mails::count_dead(tx).await).await?;
    if dead > 0 {
        report.warn(
            "mails",
            format!("{dead} mails could not be sent"),
            "run `tenantry mail list --state dead` to see the reasons, and `tenantry mail retry --all-dead`",
        );
    }
    let failed = owner_database
        .write_shared(async |tx| jobs::list(tx, Some(JobState::Failed), None, None, 100).await)
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
