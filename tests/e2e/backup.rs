//! Backup and restore of one business. Other businesses are not affected.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use harness::till::{open_shift, register};
use harness::{Business, Program, Ran, TestApp, TestDatabase, a_product};
use platform::migrations;
use serde_json::{Value, json};
use tenancy::{DbError, NewTenant, ProvisionError, TenantSlug, TenantTx, tenant};
use tokio_postgres::error::SqlState;

/// A folder for the backups of one test. It is removed when it is dropped.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        Self(std::env::temp_dir().join(format!("tenantry-backups-{}", uuid::Uuid::now_v7())))
    }

    pub fn program(&self, app: &TestApp) -> Program {
        Program::beside(app).with("TENANTRY__BACKUP__FOLDER", &self.0.display().to_string())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[track_caller]
pub fn done(ran: &Ran) -> String {
    assert_eq!(ran.code, Some(0), "{ran:?}");
    ran.out.trim().to_owned()
}

/// The data that a business shows: products, stock, categories, dashboard, stock movements, shifts and their
/// reports.
pub async fn picture(business: &Business<'_>) -> Vec<Value> {
    let mut shown = Vec::new();
    for path in ["products?limit=100", "stock?limit=100", "categories?limit=100", "dashboard"] {
        shown.push(business.get(&format!("/api/v1/{path}")).await.body);
    }
    let shifts = business.get("/api/v1/shifts").await.body;
    for shift in shifts["data"].as_array().unwrap_or(&Vec::new()) {
        let path = format!("/api/v1/shifts/{}/report", shift["id"].as_str().unwrap());
        shown.push(business.get(&path).await.body);
    }
    shown.push(shifts);
    let products = shown[0]["data"].as_array().cloned().unwrap_or_default();
    for product in products {
        let id = product["variants"][0]["id"].as_str().unwrap().to_owned();
        shown.push(business.get(&format!("/api/v1/stock/movements?variantId={id}")).await.body);
    }
    shown
}

pub async fn stock_up(business: &Business<'_>) {
    for n in 0..3 {
        let mut product = a_product(&format!("SKU-{n}"));
        // Characters that a text format must escape.
        product["description"] = json!("tab\there, newline\nthere, back\\slash, \\N, ünïcode, \u{1F600}");
        product["variants"][0]["barcodes"] = json!([format!("400638133393{n}")]);
        let product = business.create_product(&product).await;
        assert_eq!(business.adjust(&product["variants"][0]["id"], "7.5").await.status, 201);
    }
    business.post("/api/v1/categories", &json!({"name": "Tools"})).await;
    let shift = open_shift(business, &register(business, "R1").await, "10").await;
    let close = json!({"counts": [{"method": "cash", "amount": "10"}]});
    let close = business.submit(&format!("shifts/{}/close", shift["id"].as_str().unwrap()), &close).await;
    assert_eq!(close.body["status"], "closed", "{close:?}");
}

/// Adds this number of categories to the first business.
pub async fn fill(app: &TestApp, categories: u32) {
    let fill = format!(
        "INSERT INTO business_1.categories (id, name, name_key, created_at, updated_at)
         SELECT gen_random_uuid(), md5(n::text), md5(n::text), now(), now()
           FROM generate_series(1, {categories}) n"
    );
    app.database.as_admin().await.batch_execute(&fill).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_business_has_its_old_data_and_can_be_swapped_back() {
    let (app, folder) = (TestApp::start().await, Folder::new());
    let acme = app.tenant("acme").await;
    stock_up(&acme).await;
    let before = picture(&acme).await;
    let program = folder.program(&app);
    let file = done(&program.run(&["backup", "create", "acme"]));
    assert!(file.ends_with(".tenantry"), "{file}");

    acme.create_product(&a_product("LATER")).await;
    let later = picture(&acme).await;
    assert_ne!(before, later);

    let refused = program.run(&["backup", "restore", &file]);
    assert_eq!(refused.code, Some(1), "a restore must be confirmed: {refused:?}");
    assert!(refused.err.contains("--yes"), "{refused:?}");
    assert!(program.run(&["backup", "restore", &file, "--dry-run"]).err.contains("nothing was changed"));
    assert_eq!(picture(&acme).await, later);

    done(&program.run(&["backup", "restore", &file, "--yes"]));
    assert_eq!(again(&acme, &before).await, before, "only the data of the backup");
    // A Z report stays what it is there, too.
    let forge = async |tx: &TenantTx| tx.execute("UPDATE z_reports SET number = 2", &[]).await;
    let owner_database = app.onboarding().owner_database();
    let restored = owner_database.write_shared(async |tx| tenant::find_by_id(tx, acme.tenant.id).await);
    let restored = restored.await.unwrap().unwrap();
    let forged = app.database.pool(1).write(&Arc::new(restored).scope(), forge).await;
    let state = forged.as_ref().err().and_then(DbError::sqlstate);
    assert_eq!(state, Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{forged:?}");
    // The restored business can be changed.
    acme.create_product(&a_product("AFTER")).await;
    let after = picture(&acme).await;

    done(&program.run(&["backup", "swap", "acme", "--yes"]));
    assert_eq!(again(&acme, &later).await, later);
    done(&program.run(&["backup", "swap", "acme", "--yes"]));
    assert_eq!(again(&acme, &after).await, after);

    assert!(done(&program.run(&["backup", "discard", "acme", "--yes"])).contains("business_1"));
    let nothing = program.run(&["backup", "swap", "acme", "--yes"]);
    assert_eq!(nothing.code, Some(4), "{nothing:?}");
    assert!(program.run(&["backup", "discard", "acme", "--yes"]).err.contains("nothing to do"));
    let history = done(&program.run(&["tenant", "history", "acme"]));
    for action in ["tenant.created", "tenant.restored", "tenant.swapped", "tenant.discarded"] {
        assert!(history.contains(action), "{history}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_business_is_read_again_under_its_lock() {
    let (app, folder) = (TestApp::start().await, Folder::new());
    let acme = app.tenant("acme").await;
    let program = folder.program(&app);
    acme.create_product(&a_product("ONE")).await;
    let file = done(&program.run(&["backup", "create", "acme"]));
    done(&program.run(&["backup", "restore", &file, "--yes"]));
    let (owner_database, stale) = (app.onboarding().owner_database(), &acme.tenant);
    let shop = "INSERT INTO business_2.categories (id, name, name_key, created_at, updated_at)
                VALUES (gen_random_uuid(), 'Now', 'now', now(), now())";
    let admin = app.database.as_admin().await;
    admin.batch_execute(shop).await.unwrap();

    // This backup starts with a row of the business that was read before the restore.
    let taken = platform::backup::create(owner_database, stale, &folder.0).await.unwrap();
    let checked = platform::backup::inspect(owner_database, &taken.file).await.unwrap();
    let rows = |name: &str| checked.manifest.tables.iter().find(|table| table.name == name).unwrap().rows;
    assert_eq!(rows("categories"), 1, "the backup must come from the current schema");

    // A restore may also start with a row that was read before the operator confirmed.
    let target = platform::backup::Target::Over(stale.clone());
    let actor = platform::Actor::named("test");
    platform::backup::restore(app.onboarding(), &checked, &target, &actor, &|_, _| Ok(())).await.unwrap();
    let states = "SELECT string_agg(state, ' ' ORDER BY number) FROM shared.schemas";
    let state: String = admin.query_one(states, &[]).await.unwrap().get(0);
    assert_eq!(state, "set_aside set_aside live");

    // While another command holds the lock of the business, a drop is refused before anything is removed.
    admin.batch_execute("SELECT pg_advisory_lock(1952804468, 3)").await.unwrap();
    let drop = ["tenant", "drop", "acme", "--without-backup", "--yes"];
    assert_eq!(program.run(&drop).code, Some(4));
    let state: String = admin.query_one(states, &[]).await.unwrap().get(0);
    assert_eq!(state, "set_aside set_aside live");
    let shown: Value =
        serde_json::from_str(&program.run(&["tenant", "show", "acme", "-o", "json"]).out).unwrap();
    assert_eq!(shown["status"], "active");
    admin.batch_execute("SELECT pg_advisory_unlock_all()").await.unwrap();

    // Grants that are repeated get another order. That is not drift.
    done(&program.run(&["backup", "swap", "acme", "--yes"]));
    done(&program.run(&["backup", "swap", "acme", "--yes"]));
    let report: Value = serde_json::from_str(&program.run(&["doctor", "-o", "json"]).out).unwrap();
    assert_eq!(report["drift"], json!([]), "{report}");

    // A slug that now belongs to another business does not find the backups of its former business.
    done(&program.run(&["backup", "verify", &file]));
    done(&program.run(&["tenant", "rename", "acme", "bolts"]));
    admin.batch_execute("DELETE FROM shared.former_slugs").await.unwrap();
    assert_eq!(program.run(&["backup", "restore", "--newest", "acme", "--dry-run"]).code, Some(3));
    app.onboard("acme", "somebody@else.test").await;
    assert_eq!(program.run(&["backup", "restore", "--newest", "acme", "--dry-run"]).code, Some(3));
    let found = program.run(&["backup", "restore", "--newest", "bolts", "--dry-run"]);
    assert!(found.err.contains("replaces the data of bolts"), "{found:?}");
    done(&program.run(&["tenant", "drop", "bolts", "--without-backup", "--yes"]));
    let left: String = admin.query_one(states, &[]).await.unwrap().get(0);
    assert_eq!(left, "live", "the schema of the other business");
}

/// Reads the picture until it is as wanted, because the server needs a moment to notice the change.
pub async fn again(business: &Business<'_>, wanted: &[Value]) -> Vec<Value> {
    for _ in 0..100 {
        let now = picture(business).await;
        if now == wanted {
            return now;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    picture(business).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_restored_business_is_in_maintenance() {
    let (app, folder) = (TestApp::start_with("[tenancy]\ncache_known_ms = 100").await, Folder::new());
    let (acme, zenith) = (app.tenant("acme").await, app.tenant("zenith").await);
    // Enough rows for a restore that takes a moment.
    fill(&app, 60_000).await;
    let program = folder.program(&app);
    let file = done(&program.run(&["backup", "create", "acme"]));

    let over = AtomicBool::new(false);
    let (mut refused, mut written) = (0, 0);
    let restore = async {
        let (program, file) = (folder.program(&app), file.clone());
        let run = move || program.run(&["backup", "restore", &file, "--yes"]);
        let ran = tokio::task::spawn_blocking(run).await.unwrap();
        over.store(true, Ordering::Relaxed);
        ran
    };
    let watch = async {
        while !over.load(Ordering::Relaxed) {
            let reply = acme.get("/api/v1/locations").await;
            match reply.status {
                200 => {}
                503 => {
                    assert_eq!(reply.code(), "business_in_maintenance");
                    assert!(!reply.header("retry-after").is_empty());
                    refused += 1;
                }
                _ => panic!("{reply:?}"),
            }
        }
    };
    let write = async {
        while !over.load(Ordering::Relaxed) {
            zenith.create_product(&a_product(&format!("SKU-{written}"))).await;
            written += 1;
        }
    };
    let (ran, (), ()) = tokio::join!(restore, watch, write);
    done(&ran);
    assert!(refused > 0, "no request met the maintenance, so the test proves nothing");
    assert!(written > 5, "{written}");
    let mut reply = acme.get("/api/v1/locations").await;
    for _ in 0..50 {
        if reply.status == 200 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        reply = acme.get("/api/v1/locations").await;
    }
    assert_eq!(reply.status, 200, "{reply:?}");
    let count: i64 = app
        .database
        .as_admin()
        .await
        .query_one("SELECT count(*) FROM business_3.categories", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(count, 60_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_backup_is_refused_before_any_change() {
    let (app, folder) = (TestApp::start().await, Folder::new());
    let acme = app.tenant("acme").await;
    stock_up(&acme).await;
    fill(&app, 20_000).await;
    let program = folder.program(&app);
    let file = done(&program.run(&["backup", "create", "acme"]));
    let before = picture(&acme).await;
    let whole = std::fs::read(&file).unwrap();
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0x40;
    std::fs::write(&file, &damaged).unwrap();
    for arguments in [
        vec!["backup", "restore", &file, "--yes"],
        vec!["backup", "restore", &file, "--as", "copy", "--owner-email", "a@b.test"],
        vec!["backup", "verify", &file],
    ] {
        let ran = program.run(&arguments);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.err.contains("table categories"), "{ran:?}");
    }
    assert_eq!(picture(&acme).await, before);
    let listed: Value = serde_json::from_str(&program.run(&["backup", "list", "-o", "json"]).out).unwrap();
    assert!(listed[0]["failure"].as_str().unwrap().contains("categories"), "{listed}");
    assert!(program.run(&["backup", "list"]).out.contains("DAMAGED"));

    std::fs::write(&file, &whole[..whole.len() - 7]).unwrap();
    assert_eq!(program.run(&["backup", "restore", &file, "--yes"]).code, Some(1));
    std::fs::write(&file, "no backup at all").unwrap();
    let ran = program.run(&["backup", "restore", &file, "--yes"]);
    assert!(ran.err.contains("is not a Tenantry backup"), "{ran:?}");
    let schemas: i64 = app
        .database
        .as_admin()
        .await
        .query_one("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'business\\_%'", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(schemas, 1, "no schema may be left behind");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_backup_is_migrated_and_a_newer_backup_is_refused() {
    let (app, folder) = (TestApp::start().await, Folder::new());
    let all = migrations::of_tenant().unwrap();
    let old = app.database.provisioner_with(all.up_to(2));
    let new = NewTenant { slug: TenantSlug::parse("old-shop").unwrap(), name: "Old".into(), id: None };
    let made: Result<_, ProvisionError> = old.create(&new, async |_| Ok(()), async |_, _| Ok(())).await;
    let tenant = made.unwrap().0;
    let taken = platform::backup::create(&old, &tenant, &folder.0).await.unwrap();
    assert_eq!(taken.schema_version, 2);
    let file = taken.file.display().to_string();
    let program = folder.program(&app);
    done(&program.run(&["backup", "restore", &file, "--yes"]));
    let shown: Value =
        serde_json::from_str(&program.run(&["tenant", "show", "old-shop", "-o", "json"]).out).unwrap();
    assert_eq!((&shown["schemaVersion"], &shown["schema"]), (&json!(all.latest()), &json!("business_2")));
    // A swap also migrates the schema that was set aside.
    done(&program.run(&["backup", "swap", "old-shop", "--yes"]));
    let shown: Value =
        serde_json::from_str(&program.run(&["tenant", "show", "old-shop", "-o", "json"]).out).unwrap();
    assert_eq!((&shown["schemaVersion"], &shown["schema"]), (&json!(all.latest()), &json!("business_1")));

    let newer = all.and("V0900__more.sql", "ALTER TABLE products ADD COLUMN colour text").unwrap();
    let newer = app.database.provisioner_with(newer);
    newer.migrate_fleet(&tenancy::fleet::RunOptions::default(), |_| ()).await.unwrap();
    let taken = platform::backup::create(&newer, &tenant, &folder.0).await.unwrap();
    let ran = program.run(&["backup", "restore", &taken.file.display().to_string(), "--yes"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("schema version 900") && ran.err.contains("newer release"), "{ran:?}");
    // The backup keeps its verified state, although this program is too old for it.
    platform::backup::verify(&newer, &taken.file).await.unwrap();
    assert_eq!(program.run(&["backup", "verify", &taken.file.display().to_string()]).code, Some(1));
    assert!(program.run(&["backup", "list"]).out.contains("verified"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_run_continues_after_a_failure_and_old_backups_are_pruned() {
    let (app, folder) = (TestApp::start().await, Folder::new());
    for slug in ["acme", "broken", "zenith"] {
        app.tenant(slug).await;
    }
    let admin = app.database.as_admin().await;
    admin.batch_execute("DROP SCHEMA business_2 CASCADE").await.unwrap();
    let program = folder.program(&app);
    let ran = program.run(&["backup", "create", "--all", "--jobs", "3", "--verify"]);
    assert_eq!(ran.code, Some(5), "{ran:?}");
    assert_eq!(ran.out.lines().count(), 2, "{ran:?}");
    assert!(ran.err.contains("broken: FAILED") && ran.err.contains("2 backed up, 1 failed"), "{ran:?}");
    let listed: Value = serde_json::from_str(&program.run(&["backup", "list", "-o", "json"]).out).unwrap();
    assert!(listed.as_array().unwrap().iter().all(|row| !row["verifiedAt"].is_null()), "{listed}");

    // Forty days later acme gets a new backup, which is verified only after the first pruning.
    admin.batch_execute("UPDATE shared.backups SET taken_at = taken_at - interval '40 days'").await.unwrap();
    let newer = done(&program.run(&["backup", "create", "acme"]));
    let prune = ["backup", "prune", "--keep-days", "30", "--keep-last", "1"];
    let kept = program.run(&prune);
    assert!(kept.err.contains("0 removed, 3 kept"), "no newer backup is verified: {kept:?}");
    done(&program.run(&["backup", "verify", &newer]));
    let planned = program.run(&[&prune[..], &["--dry-run"]].concat());
    assert!(planned.out.contains("acme-") && planned.err.contains("1 would be removed"), "{planned:?}");
    let unconfirmed = program.run(&prune);
    assert!(unconfirmed.code == Some(1) && unconfirmed.err.contains("--yes"), "{unconfirmed:?}");
    let pruned = done(&program.run(&[&prune[..], &["--yes"]].concat()));
    assert!(!std::path::Path::new(&pruned).exists(), "{pruned}");
    assert!(std::path::Path::new(&newer).exists());
    let left: Value = serde_json::from_str(&program.run(&["backup", "list", "-o", "json"]).out).unwrap();
    assert_eq!(left.as_array().unwrap().len(), 2);
    assert_eq!(program.run(&["backup", "prune"]).code, Some(2), "prune must get a rule");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shared_schema_is_restored_into_a_fresh_installation_before_the_businesses() {
    let (app, folder) = (TestApp::start().await, Folder::new());
    let acme = app.tenant("acme").await;
    stock_up(&acme).await;
    app.tenant("lost").await;
    app.staff("super_admin").await;
    let program = folder.program(&app);
    let of_acme = done(&program.run(&["backup", "create", "acme"]));
    let of_shared = done(&program.run(&["backup", "create", "--installation"]));
    let not_fresh = program.run(&["backup", "restore", &of_shared, "--installation", "--yes"]);
    assert_eq!(not_fresh.code, Some(4));
    assert!(not_fresh.err.contains("already contains businesses or users"), "{not_fresh:?}");
    assert!(program.run(&["backup", "restore", &of_shared, "--yes"]).err.contains("--installation"));

    // The new server has already created spare schemas with the numbers of the businesses.
    let fresh = TestDatabase::new().await;
    assert_eq!(fresh.owner_database().fill_spares(3).await.unwrap(), 3);
    let elsewhere = Program::on(&fresh);
    let restored = elsewhere.run(&["backup", "restore", &of_shared, "--installation", "--yes"]);
    done(&restored);
    assert!(restored.err.contains("2 businesses are in maintenance"), "{restored:?}");
    assert_eq!(
        fresh.owner_database().end_abandoned_maintenance().await.unwrap(),
        0,
        "no business may open without its data"
    );
    let shown: Value =
        serde_json::from_str(&elsewhere.run(&["tenant", "show", "acme", "-o", "json"]).out).unwrap();
    assert_eq!(shown["status"], "restoring");
    done(&elsewhere.run(&["backup", "restore", &of_acme, "--yes"]));
    let shown: Value =
        serde_json::from_str(&elsewhere.run(&["tenant", "show", "acme", "-o", "json"]).out).unwrap();
    assert_eq!((&shown["status"], &shown["id"]), (&json!("active"), &json!(acme.tenant.id.to_string())));
    // A business whose backup is lost can be dropped.
    done(&elsewhere.run(&["tenant", "drop", "lost", "--without-backup", "--yes"]));
    // The users have their password hashes, and the business has its data.
    let owner = fresh.as_admin().await;
    let hashes: i64 = owner
        .query_one("SELECT count(*) FROM shared.users WHERE password_hash IS NOT NULL", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(hashes, 3);
    let schema = shown["schema"].as_str().unwrap();
    let sql = format!("SELECT count(*) FROM {schema}.stock_movements");
    assert_eq!(owner.query_one(&sql, &[]).await.unwrap().get::<_, i64>(0), 3);
    // The next new business gets an unused number.
    done(&elsewhere.run(&["tenant", "create", "next", "--name", "N", "--owner-email", "n@next.test"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_scripts_back_up_all_businesses_and_restore_one() {
    let (app, folder) = (TestApp::start().await, Folder::new());
    let acme = app.tenant("acme").await;
    app.tenant("zenith").await;
    stock_up(&acme).await;
    let before = picture(&acme).await;
    let program = folder.program(&app);
    let backed_up = program.run_script("backup", &["--jobs", "2"]);
    assert_eq!(backed_up.code, Some(0), "{backed_up:?}");
    let lines: Vec<&str> = backed_up.out.lines().collect();
    assert_eq!(lines.len(), 3, "two businesses and the shared schema: {backed_up:?}");
    assert!(lines.iter().all(|line| std::path::Path::new(line).exists()), "{backed_up:?}");

    acme.create_product(&a_product("LATER")).await;
    let restored = program.run_script("restore", &["acme", "--yes"]);
    assert_eq!(restored.code, Some(0), "{restored:?}");
    assert_eq!(again(&acme, &before).await, before);
    assert_eq!(program.run_script("restore", &["nobody", "--yes"]).code, Some(3));
    assert_eq!(program.run_script("restore", &[]).code, Some(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_was_damaged_after_its_verification_does_not_count() {
    let (app, folder) = (TestApp::start().await, Folder::new());
    app.tenant("acme").await;
    let program = folder.program(&app);
    let good = done(&program.run(&["backup", "create", "acme", "--verify"]));
    let bad = done(&program.run(&["backup", "create", "acme", "--verify"]));
    let mut bytes = std::fs::read(&bad).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&bad, &bytes).unwrap();
    let pruned = program.run(&["backup", "prune", "--keep-last", "1"]);
    assert!(pruned.err.contains("0 removed"), "{pruned:?}");
    std::fs::write(&good, "").unwrap();
    assert!(program.run(&["backup", "list"]).out.contains("DAMAGED"));
    for dry in [&["--dry-run"][..], &["--yes"][..]] {
        let refused = program.run(&[&["tenant", "drop", "acme"][..], dry].concat());
        assert_eq!(refused.code, Some(4), "{refused:?}");
    }
}
