//! The doctor's checks of the PostgreSQL server: its settings, its clock, how logins sign in, and what stands
//! between it and us.

use chrono::TimeDelta;
use tenancy::DbError;
use tenancy::health::{self, CatalogueSize};

use crate::upkeep::doctor::{Patient, Report};

/// The default of PostgreSQL: 16,384 pages of 8 KiB. With less memory, every query reads from the disk.
const LEAST_SHARED_BUFFERS: i64 = 128 << 20;

pub(super) async fn settings(
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

pub(super) async fn sign_in(patient: &Patient, report: &mut Report) {
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
}

pub(super) async fn pooler(patient: &Patient, report: &mut Report) {
    match health::pooling(&patient.server_url).await {
        Ok(pooling) => match pooling.problem() {
            None => report.ok("pooler", "each connection has its own PostgreSQL backend"),
            Some((told, cure)) => report.fail("pooler", told, cure),
        },
        Err(error) => report.fail(
            "pooler",
            format!("opening three connections at the same time failed: {}", tenancy::chain(&error)),
            "check whether the login of database.url has a connection limit",
        ),
    }
}
