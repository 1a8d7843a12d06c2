//! Backup and restore: memory must not grow with the size of the business. The speed of a restore is compared
//! with psql's COPY.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use harness::TestDatabase;
use tenancy::Tenant;

use crate::process;
use crate::report::Report;

/// Adds this many megabytes to a business, in rows of about a kilobyte.
async fn fill(database: &TestDatabase, tenant: &Tenant, megabytes: usize) {
    let sql = format!(
        "INSERT INTO {}.idempotency_keys (principal_id, key, request_hash, status, headers, body, created_at)
         SELECT gen_random_uuid(), n::text, sha256(n::text::bytea), 201, '{{}}',
                convert_to(repeat(md5(n::text), 14) || md5(random()::text), 'UTF8'), now()
           FROM generate_series(1, {}) n",
        tenant.schema,
        megabytes * 1024
    );
    let admin = database.as_admin().await;
    admin.batch_execute(&sql).await.unwrap();
    admin.batch_execute("VACUUM ANALYZE").await.unwrap();
}

pub async fn measure_all(report: &mut Report, database: &TestDatabase, tenants: &[Arc<Tenant>]) {
    let folder = std::env::temp_dir().join(format!("{}-archive", database.name));
    let path = folder.display().to_string();
    let (small, big) = (&tenants[90], &tenants[91]);
    fill(database, small, 10).await;
    fill(database, big, 500).await;
    let back_up = |tenant: &Tenant| -> (f64, f64, String) {
        process::run(database, &["backup", "create", tenant.slug.as_str(), "--dir", &path])
    };
    let (_, memory_small, _) = back_up(small);
    let (seconds, memory_big, file) = back_up(big);
    report.below(
        "backup, memory for 500 MB minus memory for 10 MB",
        memory_big - memory_small,
        "MiB",
        Some(20.0),
    );
    report.below("backup of a 500 MB business", seconds, "s", None);
    let size = std::fs::metadata(&file).unwrap().len() as f64 / 1_048_576.0;
    report.below("size of the backup file", size, "MiB", None);

    // psql loads the same rows from a text file on disk, into a table with the same columns and indexes.
    let rows = PathBuf::from(format!("{path}/rows.copy"));
    let schema = tenants[92].schema.to_string();
    psql(database, &format!("\\copy {}.idempotency_keys TO '{}'", big.schema, rows.display()));
    let started = Instant::now();
    psql(database, &format!("\\copy {schema}.idempotency_keys FROM '{}'", rows.display()));
    let copied = started.elapsed().as_secs_f64();
    psql(database, &format!("TRUNCATE {schema}.idempotency_keys"));
    let (restored, memory, _) = process::run(database, &["backup", "restore", &file, "--yes"]);
    report.ratio(
        "speed of a restore of 500 MB / psql's COPY of the same rows",
        500.0 / restored,
        500.0 / copied,
        "MB/s",
        Some(0.5),
    );
    report.below("restore of 500 MB, memory", memory, "MiB", None);
    let _ = std::fs::remove_dir_all(folder);
}

fn psql(database: &TestDatabase, sql: &str) {
    let status = Command::new("psql")
        .args([&database.owner_url(), "-q", "-c", sql])
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "{sql}");
}
