//! What is well with an installation and what is not, each with its cure.

use std::path::PathBuf;

use chrono::{TimeDelta, Utc};
use serde::Serialize;
use tenancy::fleet::RunOptions;
use tenancy::health::{self, CatalogueSize, Drifted, Pooling};
use tenancy::jobs::{self, JobState};
use tenancy::{Database, DatabaseUrl, DbError, Provisioner, TenantStatus, tenant};

use crate::backup::{self, Backup};

/// How it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    Ok,
    Warn,
    Fail,
}

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    pub name: &'static str,
    pub health: Health,
    pub message: String,
    /// What to do; none when all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cure: Option<String>,
}

/// All that was looked at.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub findings: Vec<Finding>,
    /// Schemas that are not what their versions should be.
    pub drift: Vec<Drifted>,
}

impl Report {
    pub fn worst(&self) -> Health {
        self.findings.iter().map(|finding| finding.health).max().unwrap_or(Health::Ok)
    }

    fn ok(&mut self, name: &'static str, message: impl Into<String>) {
        self.findings.push(Finding { name, health: Health::Ok, message: message.into(), cure: None });
    }

    fn warn(&mut self, name: &'static str, message: impl Into<String>, cure: impl Into<String>) {
        let (message, cure) = (message.into(), Some(cure.into()));
        self.findings.push(Finding { name, health: Health::Warn, message, cure });
    }

    fn fail(&mut self, name: &'static str, message: impl Into<String>, cure: impl Into<String>) {
        let (message, cure) = (message.into(), Some(cure.into()));
        self.findings.push(Finding { name, health: Health::Fail, message, cure });
    }
}

/// What is looked at.
pub struct Patient {
    pub provisioner: Provisioner,
    /// The pool as servers use it.
    pub server: Database,
    pub server_url: DatabaseUrl,
    /// An administrator's URL, where one is given: some things only he may see.
    pub admin_url: Option<DatabaseUrl>,
    pub pool_connections: usize,
    pub spare_schemas: usize,
    pub backup_folder: PathBuf,
    /// Whether to leave out the comparison of every schema with its version.
    pub skip_drift: bool,
}

/// Measured on PostgreSQL 15: beyond these, connections remember too much of the catalogue, and new roles and
/// whole-catalogue queries take seconds.
const MOST_SCHEMAS: i64 = 5_000;
const MOST_RELATIONS: i64 = 500_000;
const BIGGEST_CATALOGUE: i64 = 2 << 30;
/// PostgreSQL's default of 8 KiB pages; less than this and every query reads the disk.
const LEAST_SHARED_BUFFERS: i64 = 128 << 20;
const LEAST_DISK_BYTES: u64 = 1 << 30;
const OLDEST_BACKUP_HOURS: i64 = 26;

/// Looks at everything.
///
/// # Errors
/// [`DbError`] when the database cannot be asked at all; everything else is a finding.
pub async fn examine(patient: &Patient) -> Result<Report, DbError> {
    let mut report = Report::default();
    let size = patient.provisioner.catalogue_size().await?;
    server_settings(patient, &size, &mut report).await?;
    sign_in(patient, &mut report).await;
    roles(patient, &mut report).await?;
    isolation(patient, &mut report).await;
    migrations(patient, &mut report).await?;
    drift(patient, &mut report).await;
    catalogue(&size, &mut report);
    background(patient, &mut report).await?;
    backups(patient, &mut report).await?;
    disk(patient, &mut report);
    Ok(report)
}

async fn server_settings(
    patient: &Patient,
    size: &CatalogueSize,
    report: &mut Report,
) -> Result<(), DbError> {
    let settings = patient.provisioner.server_settings().await?;
    report.ok("server", format!("PostgreSQL {}", settings.version));

    let usable = settings.max_connections - settings.reserved_connections;
    let wanted = i64::try_from(patient.pool_connections).unwrap_or(i64::MAX) + 10;
    let told = format!(
        "{} of {usable} connections in use; one server process takes up to {}",
        settings.connections, patient.pool_connections
    );
    if wanted > usable {
        report.fail("connections", told, "raise max_connections, or lower database.max_connections");
    } else if settings.connections + wanted > usable {
        let cure =
            "raise max_connections, or run fewer server processes: another one might find no connection";
        report.warn("connections", told, cure);
    } else {
        report.ok("connections", told);
    }

    let slots =
        settings.max_locks_per_transaction * (settings.max_connections + settings.max_prepared_transactions);
    let per_schema = size.relations_per_schema.max(1);
    let told = format!("{slots} locks; making or dropping one business takes about {per_schema}");
    if slots < per_schema * 12 {
        report.fail("locks", told, "raise max_locks_per_transaction to 256 and restart PostgreSQL");
    } else {
        report.ok("locks", told);
    }

    let told = format!("shared_buffers {} MiB", settings.shared_buffers_bytes >> 20);
    if settings.shared_buffers_bytes < LEAST_SHARED_BUFFERS {
        report.warn("memory", told, "set shared_buffers to a quarter of the machine's memory");
    } else {
        report.ok("memory", told);
    }

    if settings.off.is_empty() {
        report.ok("durability", "fsync, full_page_writes and synchronous_commit are on");
    } else {
        let told =
            format!("{} is off: what was acknowledged may be lost in a crash", settings.off.join(" and "));
        report.fail("durability", told, "turn it on, unless this data may be lost");
    }

    match settings.log_statement.as_str() {
        "all" | "mod" => report.warn(
            "log",
            format!(
                "log_statement = {}: businesses' data goes into the server's log",
                settings.log_statement
            ),
            "set log_statement = none or ddl, and log_min_duration_statement for slow statements",
        ),
        quiet => report.ok("log", format!("log_statement = {quiet}")),
    }

    let ahead = settings.clock_ahead;
    let told = format!("PostgreSQL's clock is {} ms from ours", ahead.num_milliseconds().abs());
    if ahead.abs() > TimeDelta::seconds(30) {
        report.fail(
            "clock",
            told,
            "synchronise both machines with NTP; tokens and times are wrong meanwhile",
        );
    } else if ahead.abs() > TimeDelta::seconds(1) {
        report.warn("clock", told, "synchronise both machines with NTP");
    } else {
        report.ok("clock", told);
    }

    match settings.password_encryption.as_str() {
        "scram-sha-256" => report.ok("passwords", "new passwords are kept as SCRAM-SHA-256"),
        other => report.warn(
            "passwords",
            format!("new passwords are kept as {other}"),
            "set password_encryption = scram-sha-256 and set the passwords again",
        ),
    }
    Ok(())
}

async fn sign_in(patient: &Patient, report: &mut Report) {
    match &patient.admin_url {
        None => report.ok(
            "authentication",
            "only an administrator sees pg_hba.conf; give --admin-url to have it looked at",
        ),
        Some(admin) => match health::weak_sign_in(admin).await {
            Ok(weak) if weak.is_empty() => {
                report.ok("authentication", "no rule of pg_hba.conf is weaker than SCRAM")
            }
            Ok(weak) => report.warn(
                "authentication",
                weak.join("; "),
                "use scram-sha-256 (or peer for local administration) in pg_hba.conf, and reload",
            ),
            Err(error) => report.warn(
                "authentication",
                format!("pg_hba.conf could not be looked at: {}", tenancy::chain(&error)),
                "give the URL of a superuser",
            ),
        },
    }
    match health::pooling(&patient.server_url).await {
        Ok(Pooling::None) => report.ok("pooler", "each connection has a backend of its own"),
        Ok(Pooling::SharesBackends) => report.fail(
            "pooler",
            "a pooler between us and PostgreSQL shares backends between clients",
            "connect to PostgreSQL itself; Tenantry pools connections by itself",
        ),
        Ok(Pooling::DropsSettings) => report.fail(
            "pooler",
            "a pooler between us and PostgreSQL drops our connections' settings, timeouts among them",
            "connect to PostgreSQL itself, or let the pooler pass the startup parameter `options` on",
        ),
        Err(error) => report.fail(
            "pooler",
            format!("two connections at once failed: {}", tenancy::chain(&error)),
            "see whether the server's login has a connection limit",
        ),
    }
}

async fn roles(patient: &Patient, report: &mut Report) -> Result<(), DbError> {
    let complaints = patient.provisioner.role_complaints().await?;
    if complaints.is_empty() {
        report.ok("roles", "the server's login owns and inherits nothing; every business has its role");
    } else {
        let more =
            if complaints.len() > 5 { format!(" and {} more", complaints.len() - 5) } else { String::new() };
        let told = complaints.iter().take(5).cloned().collect::<Vec<_>>().join("; ") + &more;
        report.fail("roles", told, "run `tenantry db init --admin-url ...` again");
    }
    let open = patient.provisioner.tables_without_row_security().await?;
    if open.is_empty() {
        report.ok("row security", "on for every shared table with rows of businesses or users");
    } else {
        let told = format!("off for shared.{}", open.join(", shared."));
        report.fail(
            "row security",
            told,
            "ALTER TABLE ... ENABLE ROW LEVEL SECURITY on each, and find out who turned it off",
        );
    }
    Ok(())
}

async fn isolation(patient: &Patient, report: &mut Report) {
    match patient.provisioner.probe_isolation(&patient.server).await {
        Ok(probed) => report.ok(
            "isolation",
            format!(
                "no canary crossed: {} committed, {} rolled back, {} failed, {} cancelled in two schemas",
                probed.committed, probed.rolled_back, probed.failed, probed.cancelled
            ),
        ),
        Err(error) => report.fail(
            "isolation",
            tenancy::chain(&error),
            "if it says BROKEN, stop the servers and tell the developers; otherwise mend the cause and try again",
        ),
    }
}

async fn migrations(patient: &Patient, report: &mut Report) -> Result<(), DbError> {
    let plan = patient.provisioner.plan(&RunOptions::default()).await?;
    let failed = plan.behind.iter().filter(|schema| schema.failure.is_some()).count();
    if plan.is_empty() {
        report.ok("migrations", "every schema has the newest version");
    } else if failed > 0 {
        let told = format!("{} schemas are behind, and {failed} of them failed", plan.behind.len());
        report.fail("migrations", told, "`tenantry migrate status` shows why; then `tenantry migrate run`");
    } else {
        let shared = if plan.shared { "the shared schema and " } else { "" };
        report.warn(
            "migrations",
            format!("{shared}{} schemas are behind", plan.behind.len()),
            "`tenantry migrate run`",
        );
    }
    Ok(())
}

async fn drift(patient: &Patient, report: &mut Report) {
    if patient.skip_drift {
        return;
    }
    match patient.provisioner.drifted().await {
        Ok(drifted) if drifted.is_empty() => report.ok("drift", "every schema is what its version should be"),
        Ok(drifted) => {
            let names: Vec<&str> = drifted.iter().take(5).map(|schema| schema.schema.as_str()).collect();
            let told = format!(
                "schemas that are not what their versions should be: {}, {} in all",
                names.join(", "),
                drifted.len()
            );
            report.fail(
                "drift",
                told,
                "undo what was changed by hand: `tenantry doctor` lists what is missing and what is unexpected",
            );
            report.drift = drifted;
        }
        Err(error) => {
            report.fail("drift", tenancy::chain(&error), "mend the cause and try again");
        }
    }
}

fn catalogue(size: &CatalogueSize, report: &mut Report) {
    let told = format!(
        "{} schemas (measured up to {MOST_SCHEMAS}), {} relations ({MOST_RELATIONS}), {} MiB",
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
            "put new businesses into another database; drop what is archived and backed up",
        );
    } else {
        report.ok("catalogue", told);
    }
}

async fn background(patient: &Patient, report: &mut Report) -> Result<(), DbError> {
    let provisioner = &patient.provisioner;
    let ready = provisioner.spares_ready().await?;
    let told = format!("{ready} of {} spare schemas are ready", patient.spare_schemas);
    if patient.spare_schemas > 0 && ready == 0 {
        report.warn(
            "spare schemas",
            told,
            "onboarding builds each schema meanwhile; see whether background jobs run",
        );
    } else {
        report.ok("spare schemas", told);
    }
    if provisioner.has_job_runner().await? {
        report.ok("jobs", "a process runs background jobs");
    } else {
        let cure = "run `tenantry job run`, or a server with provisioning.in_server and jobs.in_server";
        report.warn("jobs", "no process runs background jobs", cure);
    }
    let failed =
        provisioner.write_shared(async |tx| jobs::list(tx, Some(JobState::Failed), None, 100).await).await?;
    let recent = failed.iter().filter(|job| job.created_at > Utc::now() - TimeDelta::days(7)).count();
    if recent > 0 {
        report.warn(
            "failed jobs",
            format!("{recent} in the last seven days"),
            "`tenantry job list --state failed`",
        );
    }
    Ok(())
}

async fn backups(patient: &Patient, report: &mut Report) -> Result<(), DbError> {
    let (tenants, backups) = patient
        .provisioner
        .write_shared(async |tx| Ok::<_, DbError>((tenant::all(tx).await?, backup::list(tx, None).await?)))
        .await?;
    // A file that is gone brings nothing back, whatever the registry says.
    let (backups, missing): (Vec<_>, Vec<_>) = backups.into_iter().partition(Backup::has_its_size);
    if !missing.is_empty() {
        let named = missing.iter().take(3).map(|backup| backup.file.display().to_string());
        let told = format!(
            "{} of {} files are not here, or not as long as they were: {}",
            missing.len(),
            missing.len() + backups.len(),
            named.collect::<Vec<_>>().join(", ")
        );
        report.warn(
            "backup files",
            told,
            "look where backups lie for the files; `tenantry backup list` names them",
        );
    }
    let recent = Utc::now() - TimeDelta::hours(OLDEST_BACKUP_HOURS);
    let open: Vec<_> = tenants.iter().filter(|tenant| tenant.status != TenantStatus::Archived).collect();
    let without: Vec<&str> = open
        .iter()
        .filter(|tenant| {
            tenant.created_at < recent
                && !backups.iter().any(|backup| {
                    backup.tenant_id == Some(tenant.id) && backup.is_verified() && backup.taken_at > recent
                })
        })
        .map(|tenant| tenant.slug.as_str())
        .collect();
    let cure = "run scripts/backup every night: see scripts/systemd";
    if without.is_empty() {
        report.ok(
            "backups",
            format!(
                "every business has a verified one of the last {OLDEST_BACKUP_HOURS} hours, or is younger"
            ),
        );
    } else {
        let named = without.iter().take(5).copied().collect::<Vec<_>>().join(", ");
        let told = format!(
            "{} of {} businesses have no verified one of the last {OLDEST_BACKUP_HOURS} hours: {named}",
            without.len(),
            open.len()
        );
        report.warn("backups", told, cure);
    }
    if !backups.iter().any(|backup| backup.tenant_id.is_none() && backup.taken_at > recent)
        && !without.is_empty()
    {
        report.warn(
            "installation backup",
            "the shared schema has no recent one",
            "`tenantry backup create --installation`",
        );
    }
    Ok(())
}

fn disk(patient: &Patient, report: &mut Report) {
    // The folder is made with the first backup; until then its parent tells.
    let folder = patient.backup_folder.ancestors().find(|folder| folder.exists());
    let folder = folder.filter(|folder| !folder.as_os_str().is_empty()).map_or(".".into(), PathBuf::from);
    match rustix::fs::statvfs(&folder) {
        Ok(space) => {
            let free = space.f_bavail.saturating_mul(space.f_frsize);
            let told = format!("{} MiB free for backups in {}", free >> 20, folder.display());
            if free < LEAST_DISK_BYTES {
                report.warn("disk", told, "make room, prune backups, or set backup.folder to another disk");
            } else {
                report.ok("disk", told);
            }
        }
        Err(error) => report.warn(
            "disk",
            format!("{}: {error}", folder.display()),
            "see whether the folder can be read",
        ),
    }
}
