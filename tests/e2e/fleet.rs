//! Migration of all schemas: past failures, in parallel, under traffic, from any version to the newest.

use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use harness::{Business, Program, TestApp, TestDatabase, a_product};
use platform::migrations;
use serde_json::{Value, json};
use tenancy::fleet::{Outcome, RunOptions};
use tenancy::migrations::Migrations;
use tenancy::{NewTenant, OwnerDatabase, ProvisionError, TenantSlug};

/// The migrations of an earlier release. The next file is V0011, which fails because of [`OBSTACLE`].
fn previous() -> Migrations {
    migrations::of_tenant().unwrap().up_to(10)
}

async fn make(owner_database: &OwnerDatabase, slug: &str) {
    let new = NewTenant { slug: TenantSlug::parse(slug).unwrap(), name: slug.to_owned(), id: None };
    let made: Result<_, ProvisionError> =
        owner_database.create(&new, async |_| Ok(()), async |_, _| Ok(())).await;
    made.unwrap();
}

/// Creates `count` businesses of that release, named `shop-1` and so on.
async fn make_old(database: &TestDatabase, count: usize) {
    let old = database.provisioner_with(previous());
    for n in 1..=count {
        make(&old, &format!("shop-{n}")).await;
    }
}

/// An index that makes the next migration fail.
const OBSTACLE: &str = "CREATE INDEX stock_transfers_status_number_idx ON business_2.stock_transfers (id)";

fn status(program: &Program) -> (Option<i32>, Value) {
    let ran = program.run(&["migrate", "status", "-o", "json"]);
    (ran.code, serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{ran:?}")))
}

#[tokio::test]
async fn a_run_continues_after_a_failure_reports_it_and_can_be_resumed() {
    let database = TestDatabase::new().await;
    make_old(&database, 4).await;
    database.as_owner().await.batch_execute(OBSTACLE).await.unwrap();
    let program = Program::on(&database);

    let planned = program.run(&["migrate", "plan"]);
    assert!(planned.out.contains("lists_by_number") && planned.out.contains('4'), "{planned:?}");
    let ran = program.run(&["migrate", "run"]);
    assert_eq!(ran.code, Some(5), "{ran:?}");
    assert!(ran.err.contains("shop-2: FAILED") && ran.err.contains("already exists"), "{ran:?}");
    assert!(ran.err.contains("3 migrated, 0 by another run, 1 failed"), "{ran:?}");

    let (code, before) = status(&program);
    assert_eq!(code, Some(6));
    let failed = &before["failed"][0];
    assert_eq!((&failed["business"], &failed["failure"]["attempts"]), (&json!("shop-2"), &json!(1)));
    assert!(failed["failure"]["reason"].as_str().unwrap().contains("stock_transfers"), "{before}");
    let counted = |version: i32| {
        let versions = before["versions"].as_array().unwrap();
        versions.iter().find(|row| row["version"] == version).unwrap()["businesses"].clone()
    };
    let latest = migrations::of_tenant().unwrap().latest();
    assert_eq!((counted(latest), counted(previous().latest())), (json!(3), json!(1)));
    assert!(program.run(&["migrate", "status"]).out.contains("shop-2 stays at version"));

    // A second run fails again. Then the cause is removed.
    assert_eq!(program.run(&["migrate", "run", "--since-failed"]).code, Some(5));
    assert_eq!(status(&program).1["failed"][0]["failure"]["attempts"], 2);
    database
        .as_owner()
        .await
        .batch_execute("DROP INDEX business_2.stock_transfers_status_number_idx")
        .await
        .unwrap();
    let again = program.run(&["migrate", "run", "--since-failed"]);
    assert_eq!(again.code, Some(0), "{again:?}");
    let (code, after) = status(&program);
    assert_eq!((code, &after["failed"]), (Some(0), &json!([])), "{after}");
    assert!(program.run(&["migrate", "run"]).err.contains("nothing to do"));
    assert!(program.run(&["migrate", "plan"]).err.contains("nothing to do"));
}

#[tokio::test]
async fn one_business_can_be_migrated_alone_and_an_unknown_one_is_refused() {
    let database = TestDatabase::new().await;
    make_old(&database, 2).await;
    let program = Program::on(&database);
    assert_eq!(program.run(&["migrate", "run", "--tenant", "nobody"]).code, Some(3));
    assert_eq!(program.run(&["migrate", "run", "--tenant", "shop-2"]).code, Some(0));
    let plan: Value = serde_json::from_str(&program.run(&["migrate", "plan", "-o", "json"]).out).unwrap();
    assert_eq!(plan["behind"].as_array().unwrap().len(), 1);
    assert_eq!(plan["behind"][0]["business"], "shop-1");
    assert_eq!(program.run(&["migrate", "run", "--jobs", "0"]).code, Some(2));
}

#[tokio::test]
async fn a_failed_canary_stops_the_run_and_so_do_too_many_failures() {
    let database = TestDatabase::new().await;
    make_old(&database, 6).await;
    let owner = database.as_owner().await;
    let obstacle = |n: i32| OBSTACLE.replace("business_2", &format!("business_{n}"));
    owner.batch_execute(&obstacle(1)).await.unwrap();
    let program = Program::on(&database);
    let ran = program.run(&["migrate", "run", "--canary", "2"]);
    assert_eq!(ran.code, Some(5), "{ran:?}");
    assert!(ran.err.contains("1 migrated, 0 by another run, 1 failed, 4 not started"), "{ran:?}");

    owner.batch_execute(&obstacle(3)).await.unwrap();
    let ran = program.run(&["migrate", "run", "--jobs", "1", "--max-failures", "1"]);
    assert!(ran.err.contains("0 migrated, 0 by another run, 2 failed, 3 not started"), "{ran:?}");
}

#[tokio::test]
async fn a_killed_run_leaves_nothing_half_migrated() {
    let database = TestDatabase::new().await;
    make_old(&database, 3).await;
    let program = Program::on(&database);
    let killed = Program::on(&database)
        .with("TENANTRY_FAILPOINT", "before_migration_commit")
        .run(&["migrate", "run", "--jobs", "2"]);
    assert_eq!(killed.code, None, "killed by a signal: {killed:?}");
    // The connections of the killed run may stay open for a moment and hold their locks. Another run then
    // skips those businesses.
    for _ in 0..20 {
        let ran = program.run(&["migrate", "run"]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        if !ran.err.contains("1 by another run") && !ran.err.contains("2 by another run") {
            break;
        }
    }
    let (code, told) = status(&program);
    assert_eq!(code, Some(0), "{told}");
}

#[tokio::test]
async fn two_runs_at_the_same_time_share_the_work() {
    let database = TestDatabase::new().await;
    make_old(&database, 12).await;
    let options = RunOptions { jobs: NonZeroUsize::new(2).unwrap(), ..RunOptions::default() };
    let (one, other) = (database.owner_database(), database.owner_database());
    let migrated = Mutex::new(Vec::new());
    let tell = |progress: tenancy::fleet::Progress<'_>| {
        if let Outcome::Migrated { .. } = progress.outcome {
            migrated.lock().unwrap().push(progress.schema.label().to_owned());
        }
    };
    let (first, second) =
        tokio::join!(one.migrate_fleet(&options, tell), other.migrate_fleet(&options, tell));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(first.failed + second.failed, 0);
    assert_eq!(first.migrated + second.migrated, 12, "{first:?} {second:?}");
    let mut migrated = migrated.into_inner().unwrap();
    migrated.sort();
    migrated.dedup();
    assert_eq!(migrated.len(), 12, "each business must be migrated once");
    assert!(one.fleet_status().await.unwrap().is_current());
}

#[tokio::test]
async fn the_session_that_holds_a_business_is_reported() {
    let database = TestDatabase::new().await;
    make_old(&database, 1).await;
    let holder = database.as_owner().await;
    holder
        .batch_execute("SET application_name = 'somebody else'; SELECT pg_advisory_lock(1952804468, 1)")
        .await
        .unwrap();
    let owner_database = database.owner_database();
    let running = owner_database.fleet_status().await.unwrap().running;
    assert_eq!(running.len(), 1);
    assert!(running[0].by.starts_with("somebody else"), "{running:?}");
    // Nobody knows how the work of somebody else ends, so it is no success.
    let ran = Program::on(&database).run(&["migrate", "run", "--wait", "1"]);
    assert!(ran.err.contains("shop-1: not started: somebody else"), "{ran:?}");
    assert_eq!(ran.code, Some(5), "{ran:?}");
    // Once the other one has ended, this run does the work.
    let freed = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        holder.batch_execute("SELECT pg_advisory_unlock(1952804468, 1)").await.unwrap();
    };
    let options = RunOptions::default();
    let (report, ()) = tokio::join!(owner_database.migrate_fleet(&options, |_| ()), freed);
    assert_eq!(report.unwrap().migrated, 1);
}

/// Two runs with the same limits, while one schema cannot be migrated: both know it, whoever tried it.
#[tokio::test]
async fn what_fails_in_another_run_counts_as_failed() {
    for (options, left) in [
        (RunOptions { canary: 1, ..RunOptions::default() }, 3),
        (RunOptions { max_failures: Some(0), ..RunOptions::default() }, 0),
    ] {
        let database = TestDatabase::new().await;
        make_old(&database, 4).await;
        let obstacle = OBSTACLE.replace("business_2", "business_1");
        database.as_owner().await.batch_execute(&obstacle).await.unwrap();
        let (one, other) = (database.owner_database(), database.owner_database());
        let (first, second) =
            tokio::join!(one.migrate_fleet(&options, |_| ()), other.migrate_fleet(&options, |_| ()));
        for report in [first.unwrap(), second.unwrap()] {
            assert_eq!(report.failed, 1, "{report:?}");
            assert!(report.left >= left, "{report:?}");
        }
        let attempts = one.fleet_status().await.unwrap().failed[0].failure.as_ref().unwrap().attempts;
        assert_eq!(attempts, 1, "what failed in one run is not tried again by the other");
    }
}

#[tokio::test]
async fn a_migration_waits_for_a_table_that_is_in_use() {
    let database = TestDatabase::new().await;
    let extra = add("V0900__wait.sql", "ALTER TABLE products ADD COLUMN colour text");
    make(&database.owner_database(), "shop-1").await;
    let user = database.as_owner().await;
    user.batch_execute("BEGIN; LOCK TABLE business_1.products IN ACCESS SHARE MODE").await.unwrap();
    let newer = database.provisioner_with(extra);
    let release = async {
        // The first attempt waits for the table, and gives up.
        database.until_a_lock_is_awaited().await;
        database.until_no_lock_is_awaited().await;
        user.batch_execute("COMMIT").await.unwrap();
    };
    let options = RunOptions::default();
    let (report, ()) = tokio::join!(newer.migrate_fleet(&options, |_| ()), release);
    assert_eq!(report.unwrap().migrated, 1, "the migration must retry until the table is free");
}

/// The migrations of this code and one more file.
fn add(name: &str, sql: &str) -> Migrations {
    migrations::of_tenant().unwrap().and(name, sql).unwrap()
}

#[tokio::test]
async fn a_schema_upgraded_step_by_step_equals_a_fresh_one_and_a_spare_one() {
    let database = TestDatabase::new().await;
    let all = migrations::of_tenant().unwrap();
    make(&database.provisioner_with(all.up_to(1)), "upgraded").await;
    for version in 2..=all.latest() {
        let step = database.provisioner_with(all.up_to(version));
        assert_eq!(step.migrate_fleet(&RunOptions::default(), |_| ()).await.unwrap().migrated, 1);
    }
    let newest = database.owner_database();
    make(&newest, "fresh").await;
    newest.fill_spares(1).await.unwrap();
    make(&newest, "spare").await;

    let compared = newest.compare_schemas().await.unwrap();
    assert!(compared.drifted.is_empty() && compared.problems.is_empty(), "{compared:?}");
    // The comparison can fail: it reports a change that was made by hand.
    database
        .as_owner()
        .await
        .batch_execute(
            "ALTER TABLE business_1.products DROP COLUMN description;
             CREATE INDEX by_hand ON business_1.products (name)",
        )
        .await
        .unwrap();
    let compared = newest.compare_schemas().await.unwrap();
    let drift = &compared.drifted[0].drift;
    assert!(drift.missing.iter().any(|line| line.contains("description")), "{drift:?}");
    assert!(drift.unexpected.iter().any(|line| line.contains("by_hand")), "{drift:?}");
}

#[tokio::test]
async fn only_a_business_with_an_unsupported_schema_version_is_refused() {
    let app = TestApp::start_with("[tenancy]\ncache_known_ms = 100").await;
    let (acme, zenith) = (app.tenant("acme").await, app.tenant("zenith").await);
    // A newer release removed something from acme that this server still uses.
    let contracted =
        app.database.provisioner_with(add("V0900__drop.sql", "-- needs code: 900\nSELECT 1 AS nothing"));
    let only_acme = RunOptions { tenants: vec![acme.tenant.slug.clone()], ..RunOptions::default() };
    assert_eq!(contracted.migrate_fleet(&only_acme, |_| ()).await.unwrap().migrated, 1);
    let refused = acme.until(503).await;
    assert_eq!(refused.code(), "business_being_upgraded");
    assert!(!refused.header("retry-after").is_empty());
    assert_eq!(zenith.get("/api/v1/products").await.status, 200);
    // The schema of zenith is too old for this code.
    let admin = app.database.as_admin().await;
    admin.batch_execute("UPDATE shared.schemas SET version = 1 WHERE number = 2").await.unwrap();
    assert_eq!(zenith.until(503).await.code(), "business_being_upgraded");
}

#[tokio::test]
async fn businesses_are_served_while_their_schemas_are_migrated() {
    let app = TestApp::start().await;
    let businesses = [app.tenant("acme").await, app.tenant("zenith").await, app.tenant("shop-3").await];
    for business in &businesses {
        business.create_product(&a_product(&format!("OF-{}", business.tenant.slug))).await;
    }
    let done = AtomicBool::new(false);
    let traffic = async |business: &Business<'_>, worker: usize| {
        let mut count = 0;
        while !done.load(Ordering::Relaxed) {
            let listed = business.get("/api/v1/products?limit=100").await;
            assert_eq!(listed.status, 200, "{listed:?}");
            for product in listed.body["data"].as_array().unwrap() {
                let sku = product["variants"][0]["sku"].as_str().unwrap();
                assert!(sku.ends_with(business.tenant.slug.as_str()), "{sku} at {}", business.tenant.slug);
            }
            let sku = format!("W{worker}-{count}-{}", business.tenant.slug);
            business.create_product(&a_product(&sku)).await;
            count += 1;
        }
        count
    };
    let migrate = async {
        // Each step changes the columns that running statements return, and rewrites no table.
        let mut files = migrations::of_tenant().unwrap();
        for step in 0..4 {
            let sql = format!(
                "ALTER TABLE variants ADD COLUMN extra_{step}x text;
                 ALTER TABLE products ADD COLUMN more_{step}x integer NOT NULL DEFAULT 0"
            );
            files = files.and(&format!("V090{step}__more.sql"), &sql).unwrap();
            let newer = app.database.provisioner_with(files.clone());
            let report = newer.migrate_fleet(&RunOptions::default(), |_| ()).await.unwrap();
            assert_eq!((report.migrated, report.failed), (3, 0));
            tokio::time::sleep(std::time::Duration::from_millis(150)).await;
        }
        done.store(true, Ordering::Relaxed);
    };
    let [a, b, c] = &businesses;
    let (one, two, three, four, ()) =
        tokio::join!(traffic(a, 1), traffic(a, 2), traffic(b, 3), traffic(c, 4), migrate);
    assert!(one + two + three + four > 0);
    let listed = a.get("/api/v1/products?limit=100").await.body["data"].as_array().unwrap().len();
    assert_eq!(listed, (one + two + 1).min(100));
}
