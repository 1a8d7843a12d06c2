//! `tenantry doctor` finds problems and prints their solutions.

use harness::{Pooler, Program, TestApp, a_product, end_membership};
use serde_json::{Value, json};

fn examine(program: &Program, more: &[&str]) -> (Option<i32>, Value) {
    let ran = program.run(&[&["doctor", "-o", "json"][..], more].concat());
    (ran.code, serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{ran:?}")))
}

fn health<'a>(report: &'a Value, name: &str) -> &'a str {
    let findings = report["findings"].as_array().unwrap();
    let finding = findings.iter().find(|finding| finding["name"] == name);
    finding.unwrap_or_else(|| panic!("no {name} in {report}"))["health"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_passes_a_healthy_installation_and_leaves_nothing_behind() {
    let app = TestApp::start().await;
    app.tenant("acme").await;
    let program = Program::beside(&app);
    let (_, report) = examine(&program, &["--admin-url", &app.database.admin_url()]);
    for name in [
        "server",
        "connections",
        "locks",
        "memory",
        "log",
        "clock",
        "passwords",
        "authentication",
        "pooler",
        "roles",
        "row security",
        "isolation",
        "migrations",
        "drift",
        "catalogue",
        "backups",
        "disk",
    ] {
        assert_eq!(health(&report, name), "ok", "{name}: {report}");
    }
    // The throwaway PostgreSQL of the tests gives up durability for speed, and the doctor reports it.
    assert_eq!(health(&report, "durability"), "fail");
    let text = program.run(&["doctor"]);
    assert_eq!(text.code, Some(1), "{text:?}");
    assert!(text.out.contains("FAIL  durability"), "{text:?}");
    assert!(text.out.contains("no test row was visible"), "{text:?}");
    let left: i64 = app
        .database
        .as_admin()
        .await
        .query_one(
            "SELECT (SELECT count(*) FROM shared.schemas WHERE state = 'probe')
                  + (SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'business\\_%') - 1",
            &[],
        )
        .await
        .unwrap()
        .get(0);
    assert_eq!(left, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_finds_each_problem() {
    let app = TestApp::start().await;
    app.tenant("acme").await;
    let program = Program::beside(&app);
    let admin = app.database.as_admin().await;
    let name = &app.database.name;

    admin.batch_execute("ALTER TABLE business_1.products ADD COLUMN by_hand int").await.unwrap();
    let (code, report) = examine(&program, &[]);
    assert_eq!(code, Some(6), "{report}");
    assert_eq!(report["drift"][0]["business"], "acme");
    assert!(report["drift"][0]["unexpected"][0].as_str().unwrap().contains("by_hand"), "{report}");
    admin.batch_execute("ALTER TABLE business_1.products DROP COLUMN by_hand").await.unwrap();

    admin.batch_execute("ALTER TABLE shared.memberships DISABLE ROW LEVEL SECURITY").await.unwrap();
    assert_eq!(health(&examine(&program, &["--skip-drift"]).1, "row security"), "fail");
    admin.batch_execute("ALTER TABLE shared.memberships ENABLE ROW LEVEL SECURITY").await.unwrap();

    end_membership(&admin, &format!("{name}_business_1"), "tenantry_test_server").await;
    admin.batch_execute(&format!("GRANT TEMP ON DATABASE {name} TO PUBLIC")).await.unwrap();
    let (_, report) = examine(&program, &["--skip-drift"]);
    assert_eq!(health(&report, "roles"), "fail");
    assert!(
        report.to_string().contains("is not a member of") && report.to_string().contains("temporary tables")
    );
    admin
        .batch_execute(&format!(
            "GRANT {name}_business_1 TO tenantry_test_server; REVOKE TEMP ON DATABASE {name} FROM PUBLIC"
        ))
        .await
        .unwrap();
    assert_eq!(health(&examine(&program, &["--skip-drift"]).1, "roles"), "ok");

    admin.batch_execute("UPDATE shared.tenants SET created_at = now() - interval '3 days'").await.unwrap();
    assert_eq!(health(&examine(&program, &["--skip-drift"]).1, "backups"), "warn");
    // A backup whose file was moved away does not count, although the registry lists it.
    let folder = std::env::temp_dir().join(format!("{name}-backups"));
    let program = program.with("TENANTRY__BACKUP__FOLDER", &folder.display().to_string());
    assert_eq!(program.run(&["backup", "create", "acme", "--verify"]).code, Some(0));
    assert_eq!(health(&examine(&program, &["--skip-drift"]).1, "backups"), "ok");
    std::fs::remove_dir_all(folder).unwrap();
    let (_, report) = examine(&program, &["--skip-drift"]);
    assert_eq!((health(&report, "backups"), health(&report, "backup files")), ("warn", "warn"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_reports_broken_isolation() {
    let app = TestApp::start().await;
    let admin = app.database.as_admin().await;
    // This grant opens every new schema to every business.
    admin
        .batch_execute(
            "ALTER DEFAULT PRIVILEGES FOR ROLE tenantry_test_owner GRANT USAGE ON SCHEMAS TO tenantry_tenant",
        )
        .await
        .unwrap();
    let ran = Program::beside(&app).run(&["doctor", "--skip-drift"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.out.contains("ISOLATION IS BROKEN"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_finds_a_pooler_that_shares_backends_or_drops_settings() {
    let app = TestApp::start().await;
    let direct = app.database.url();
    let port = direct.parse::<tokio_postgres::Config>().unwrap().get_ports()[0];
    let by = |pooler: &Pooler| {
        let url = direct.replace(&format!(":{port}/"), &format!(":{}/", pooler.port));
        examine(&Program::beside(&app).with("TENANTRY__DATABASE__URL", &url), &["--skip-drift"]).1
    };
    for (mode, what) in [("transaction", "shares backends"), ("session", "drops connection settings")] {
        let report = by(&Pooler::start(&direct, mode));
        assert_eq!(health(&report, "pooler"), "fail", "{report}");
        assert!(report.to_string().contains(what), "{report}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stats_show_size_and_growth() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    app.tenant("zenith").await;
    for n in 0..20 {
        acme.create_product(&a_product(&format!("SKU-{n}"))).await;
    }
    let owner_database = app.onboarding().owner_database();
    assert_eq!(owner_database.write_shared(async |tx| platform::stats::sample(tx).await).await.unwrap(), 2);
    let admin = app.database.as_admin().await;
    let past = "UPDATE shared.tenant_sizes SET sampled_on = sampled_on - 7, size_bytes = size_bytes - 8192";
    admin.batch_execute(past).await.unwrap();
    let ran = Program::beside(&app).run(&["stats", "-o", "json"]);
    let stats: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(stats.as_array().unwrap().len(), 2);
    let acme = stats.as_array().unwrap().iter().find(|row| row["slug"] == "acme").unwrap();
    assert!(acme["sizeBytes"].as_i64().unwrap() > 100_000, "{acme}");
    assert!(acme["grownBytes"].as_i64().unwrap() >= 8192, "{acme}");
    assert_ne!(acme["since"], json!(null));
}
