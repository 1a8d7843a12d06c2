//! The restore of a lost installation from a folder of backup files.

use std::path::Path;

use harness::{Program, TestApp, TestDatabase};
use serde_json::Value;

use crate::backup::{Folder, done, stock_up};

fn tenants(program: &Program) -> Vec<(String, String)> {
    let listed: Value = serde_json::from_str(&program.run(&["tenant", "list", "-o", "json"]).out).unwrap();
    let text = |tenant: &Value, member: &str| tenant[member].as_str().unwrap().to_owned();
    let mut tenants: Vec<_> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|tenant| (text(tenant, "slug"), text(tenant, "status")))
        .collect();
    tenants.sort();
    tenants
}

fn restore_all(program: &Program, folder: &Folder, more: &[&str]) -> harness::Ran {
    let folder = folder.0.display().to_string();
    program.run(&[&["backup", "restore", "--all", "--dir", &folder][..], more].concat())
}

/// The rows of stock movements of a business, straight from its schema.
async fn movements(database: &TestDatabase, slug: &str) -> i64 {
    let admin = database.as_admin().await;
    let sql = "SELECT s.name FROM shared.tenants t JOIN shared.schemas s ON s.number = t.number
                WHERE t.slug = $1";
    let schema: String = admin.query_one(sql, &[&slug]).await.unwrap().get(0);
    admin.query_one(&format!("SELECT count(*) FROM {schema}.stock_movements"), &[]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_installation_is_restored_from_a_folder_and_a_run_can_be_repeated() {
    let (app, folder) = (TestApp::start().await, Folder::new());
    for slug in ["acme", "broken", "gone", "left", "lost", "zenith"] {
        stock_up(&app.tenant(slug).await).await;
    }
    let program = folder.program(&app);
    // A business that was dropped on purpose must not come back.
    done(&program.run(&["backup", "create", "gone", "--verify"]));
    done(&program.run(&["tenant", "drop", "gone", "--yes"]));
    done(&program.run(&["tenant", "suspend", "left"]));
    done(&program.run(&["backup", "create", "--all"]));
    // A newer backup of one business, with fewer movements.
    let acme = app.onboarding().owner_database();
    let acme = acme.write_shared(async |tx| tenancy::tenant::all(tx).await).await.unwrap()[0].clone();
    assert_eq!(acme.slug.as_str(), "acme");
    let admin = app.database.as_admin().await;
    let fewer = "DELETE FROM SCHEMA.stock_movements
                  WHERE id = (SELECT min(id::text)::uuid FROM SCHEMA.stock_movements)";
    admin.batch_execute(&fewer.replace("SCHEMA", acme.schema.as_str())).await.unwrap();
    done(&program.run(&["backup", "create", "acme"]));
    done(&program.run(&["backup", "create", "--installation"]));
    // One business has no file, one has a damaged one, and one file is no backup at all.
    let file_of = |slug: &str| {
        let files = std::fs::read_dir(&folder.0).unwrap().map(|entry| entry.unwrap().path());
        files.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(slug)).last().unwrap()
    };
    std::fs::remove_file(file_of("lost")).unwrap();
    let damaged = file_of("broken");
    let whole = std::fs::read(&damaged).unwrap();
    let mut bytes = whole.clone();
    // The checksum is wrong, and the header still tells whose backup it is.
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&damaged, bytes).unwrap();
    std::fs::write(folder.0.join("notes.tenantry"), "no backup").unwrap();

    let fresh = TestDatabase::new().await;
    let elsewhere = Program::on(&fresh);
    let planned = restore_all(&elsewhere, &folder, &["--dry-run"]);
    assert_eq!(planned.code, Some(0), "{planned:?}");
    assert!(planned.err.contains("restores users, roles and the registry"), "{planned:?}");
    assert!(tenants(&elsewhere).is_empty());
    let unconfirmed = restore_all(&elsewhere, &folder, &[]);
    assert!(unconfirmed.code == Some(1) && unconfirmed.err.contains("--yes"), "{unconfirmed:?}");

    let restored = restore_all(&elsewhere, &folder, &["--yes", "--jobs", "3"]);
    assert_eq!(restored.code, Some(5), "{restored:?}");
    for words in [
        "broken: FAILED: ",
        "lost: FAILED: the folder has no backup of this business",
        "notes.tenantry is not a Tenantry backup file",
        "3 restored, 3 failed",
        "gone was dropped, and stays so",
    ] {
        assert!(restored.err.contains(words), "{words}: {restored:?}");
    }
    assert_eq!(restored.out.lines().count(), 3, "{restored:?}");
    let state = |slug: &str, status: &str| (slug.to_owned(), status.to_owned());
    let mut expected = vec![
        state("acme", "active"),
        state("broken", "restoring"),
        state("left", "suspended"),
        state("lost", "restoring"),
        state("zenith", "active"),
    ];
    assert_eq!(tenants(&elsewhere), expected);
    assert_eq!(
        (movements(&fresh, "acme").await, movements(&fresh, "zenith").await),
        (2, 3),
        "not the newest"
    );

    // The second run takes what is left, and leaves alone what is there.
    std::fs::write(&damaged, whole).unwrap();
    std::fs::remove_file(folder.0.join("notes.tenantry")).unwrap();
    let admin = fresh.as_admin().await;
    let marked = "UPDATE shared.tenants SET name = 'Worked on' WHERE slug = 'acme'";
    admin.batch_execute(marked).await.unwrap();
    let again = restore_all(&elsewhere, &folder, &["--yes"]);
    assert_eq!((again.code, again.out.lines().count()), (Some(5), 1), "{again:?}");
    assert!(again.err.contains("1 restored, 1 failed"), "{again:?}");
    expected[1].1 = "active".to_owned();
    assert_eq!(tenants(&elsewhere), expected);
    done(&elsewhere.run(&["tenant", "drop", "lost", "--without-backup", "--yes"]));
    let finished = restore_all(&elsewhere, &folder, &["--yes"]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let name: String =
        admin.query_one("SELECT name FROM shared.tenants WHERE slug = 'acme'", &[]).await.unwrap().get(0);
    assert_eq!(name, "Worked on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_shared_schema_the_businesses_come_back_with_their_members() {
    let (app, folder) = (TestApp::start().await, Folder::new());
    for slug in ["acme", "zenith"] {
        stock_up(&app.tenant(slug).await).await;
    }
    done(&folder.program(&app).run(&["backup", "create", "--all"]));
    let fresh = TestDatabase::new().await;
    let elsewhere = Program::on(&fresh);
    let restored = restore_all(&elsewhere, &folder, &["--yes"]);
    assert_eq!(restored.code, Some(0), "{restored:?}");
    assert!(restored.err.contains("members are restored by email and have no passwords"), "{restored:?}");
    let names: Vec<String> = tenants(&elsewhere).into_iter().map(|(slug, _)| slug).collect();
    assert_eq!(names, ["acme", "zenith"]);
    assert_eq!(movements(&fresh, "zenith").await, 3);
    assert_eq!(restore_all(&elsewhere, &folder, &["--yes"]).code, Some(0));
    // An installation in use does not pass over a backup of the shared schema.
    done(&folder.program(&app).run(&["backup", "create", "--installation"]));
    let used = TestDatabase::new().await;
    let there = Program::on(&used);
    done(&there.run(&["user", "create", "--email", "ops@x.test", "--platform", "--role", "super_admin"]));
    let refused = restore_all(&there, &folder, &["--yes"]);
    assert_eq!(refused.code, Some(4), "{refused:?}");
    assert!(refused.err.contains("--without-shared") && tenants(&there).is_empty(), "{refused:?}");
    assert_eq!(restore_all(&there, &folder, &["--yes", "--without-shared"]).code, Some(0));
    assert_eq!(tenants(&there).len(), 2);
    let missing = elsewhere.run(&["backup", "restore", "--all", "--dir", "/no/such/folder", "--yes"]);
    assert!(missing.code == Some(1) && missing.err.contains("/no/such/folder"), "{missing:?}");
    assert!(Path::new(&folder.0).is_dir());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupted_fleet_command_says_how_far_it_got() {
    let (app, folder) = (TestApp::start().await, Folder::new());
    for slug in ["acme", "later", "zenith"] {
        app.tenant(slug).await;
    }
    let program = folder.program(&app);
    // A lock on one business holds the command up after the first one.
    let all = app.onboarding().owner_database();
    let all = all.write_shared(async |tx| tenancy::tenant::all(tx).await).await.unwrap();
    let mut owner = app.database.as_owner().await;
    let blocker = owner.transaction().await.unwrap();
    let sql = "LOCK TABLE SCHEMA.products, SCHEMA.stock_levels".replace("SCHEMA", all[1].schema.as_str());
    blocker.batch_execute(&sql).await.unwrap();
    for command in [&["backup", "create", "--all", "--jobs", "1"][..], &["ledger", "verify", "--all"]] {
        // A statement of these commands waits for the lock for two seconds at most.
        let running = program.start(command);
        app.database.until_a_lock_is_awaited().await;
        running.signal("INT");
        let ran = running.ended();
        assert_eq!(ran.code, Some(130), "{command:?}: {ran:?}");
        assert!(ran.err.contains("interrupted: 1 of 3"), "{command:?}: {ran:?}");
        app.database.until_no_lock_is_awaited().await;
    }
    blocker.rollback().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_from_before_there_were_plans_gives_every_business_the_unlimited_one() {
    let (app, folder) = (TestApp::start().await, Folder::new());
    stock_up(&app.tenant("acme").await).await;
    let program = folder.program(&app);
    done(&program.run(&["backup", "create", "acme"]));
    // The registry as an earlier release had it.
    const BEFORE: &str = "
        DROP TABLE shared.plans CASCADE;
        ALTER TABLE shared.tenants DROP COLUMN plan, DROP COLUMN is_licensed, DROP COLUMN licensed_at,
                                   DROP COLUMN licensed_until, DROP COLUMN licence_warned_days;";
    app.database.as_admin().await.batch_execute(BEFORE).await.unwrap();
    done(&program.run(&["backup", "create", "--installation"]));
    let fresh = TestDatabase::new().await;
    let elsewhere = Program::on(&fresh);
    done(&restore_all(&elsewhere, &folder, &["--yes"]));
    assert_eq!(tenants(&elsewhere), [("acme".to_owned(), "active".to_owned())]);
    let licence = elsewhere.run(&["licence", "show", "acme", "-o", "json"]);
    let licence: Value = serde_json::from_str(&licence.out).unwrap();
    assert_eq!((&licence["plan"], &licence["standing"]), (&"unlimited".into(), &"valid".into()));
    assert!(licence["validUntil"].is_null(), "{licence}");
    let plans = elsewhere.run(&["licence", "plans", "-o", "json"]);
    let plans: Value = serde_json::from_str(&plans.out).unwrap();
    assert_eq!(plans[0]["isDefault"], true, "{plans}");
}
