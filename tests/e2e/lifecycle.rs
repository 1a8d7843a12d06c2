//! The lifecycle of a business after onboarding.

use harness::{PASSWORD, Program, TestApp, a_product};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_business_is_suspended_archived_and_opened_again_with_all_its_data() {
    let app = TestApp::start().await;
    let (acme, zenith) = (app.tenant("acme").await, app.tenant("zenith").await);
    acme.create_product(&a_product("BOLT")).await;
    let staff = app.staff("super_admin").await;
    let deed = async |deed: &str| {
        staff.post(&format!("/api/v1/platform/tenants/{}/{deed}", acme.tenant.id), &json!({})).await
    };
    assert_eq!(deed("resume").await.status, 200, "an active business needs no change");
    assert_eq!(deed("suspend").await.body["status"], "suspended");
    assert_eq!(acme.until(403).await.code(), "business_suspended");
    assert_eq!(zenith.get("/api/v1/products").await.status, 200);
    assert_eq!(deed("suspend").await.status, 200, "a second suspension must change nothing");
    assert_eq!(deed("unarchive").await.code(), "wrong_status");
    assert_eq!(deed("resume").await.status, 200);
    acme.until(200).await;
    assert_eq!(deed("archive").await.body["status"], "archived");
    assert_eq!(acme.until(410).await.code(), "business_archived");
    assert_eq!(deed("suspend").await.code(), "wrong_status");
    assert_eq!(deed("unarchive").await.status, 200);
    assert_eq!(acme.until(200).await.body["data"].as_array().unwrap().len(), 1);

    let audit = staff.get(&format!("/api/v1/platform/audit?tenantId={}", acme.tenant.id)).await.body;
    let actions: Vec<&str> =
        audit["data"].as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(
        actions,
        ["tenant.unarchived", "tenant.archived", "tenant.resumed", "tenant.suspended", "tenant.created"]
    );
    assert_eq!(audit["data"][0]["actor"], "super-admin@platform.test");
    // The audit log cannot be edited, not even by the owner of the table.
    let owner = app.database.as_owner().await;
    for change in [
        "UPDATE shared.platform_audit SET action = 'x'",
        "DELETE FROM shared.platform_audit",
        "TRUNCATE shared.platform_audit",
    ] {
        let error = owner.batch_execute(change).await.unwrap_err();
        assert_eq!(error.code().unwrap().code(), "42501", "{change}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renamed_business_is_found_at_both_slugs_and_its_members_stay_signed_in() {
    let app = TestApp::start().await;
    let business = app.tenant("acme").await;
    let (acme, id) = (business.literally(), business.tenant.id);
    acme.create_product(&a_product("BOLT")).await;
    app.tenant("zenith").await;
    let staff = app.staff("super_admin").await;
    let path = format!("/api/v1/platform/tenants/{id}/rename");
    assert_eq!(staff.post(&path, &json!({"slug": "zenith"})).await.code(), "slug_taken");
    assert_eq!(staff.post(&path, &json!({"slug": "admin"})).await.status, 422);
    let renamed = staff.post(&path, &json!({"slug": "bolts"})).await;
    assert_eq!((renamed.status, &renamed.body["slug"]), (200, &json!("bolts")), "{renamed:?}");

    let moved = acme.until(308).await;
    assert_eq!(moved.header("location"), "http://bolts.localhost:443/api/v1/products");
    let there = acme.on("bolts.localhost");
    assert_eq!(there.get("/api/v1/products").await.body["data"].as_array().unwrap().len(), 1);
    // The redirect also works by path, and keeps the rest of the path and the query.
    let by_path = acme.on("app.localhost").get("/acme/api/v1/products?limit=1").await;
    assert_eq!(by_path.status, 308);
    assert_eq!(by_path.header("location"), "http://app.localhost:443/bolts/api/v1/products?limit=1");

    // The former slug is reserved for a while, and only the business itself can take it back.
    let body = json!({"slug": "acme", "name": "Other", "owner": {"email": "o@other.test"}});
    assert_eq!(staff.post("/api/v1/platform/tenants", &body).await.code(), "slug_taken");
    let admin = app.database.as_admin().await;
    assert_eq!(staff.post(&path, &json!({"slug": "acme"})).await.status, 200);
    acme.until(200).await;
    assert_eq!(staff.post(&path, &json!({"slug": "bolts"})).await.status, 200);
    admin.batch_execute("UPDATE shared.former_slugs SET reserved_until = now()").await.unwrap();
    assert_eq!(staff.post("/api/v1/platform/tenants", &body).await.status, 201, "the reservation has ended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clone_of_a_business_has_its_data_and_another_owner() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let product = acme.create_product(&a_product("BOLT")).await;
    acme.adjust(&product["variants"][0]["id"], "5").await;
    let staff = app.staff("super_admin").await;
    let body =
        json!({"slug": "copy", "name": "Copy", "owner": {"email": "c@copy.test", "password": PASSWORD}});
    let made = staff.post(&format!("/api/v1/platform/tenants/{}/clone", acme.tenant.id), &body).await;
    assert_eq!(made.status, 201, "{made:?}");
    let login = json!({"email": "c@copy.test", "password": PASSWORD});
    let login = app.stranger("copy.localhost").post("/api/v1/auth/login", &login).await;
    let copy = acme.on("copy.localhost").with_token(login.body["accessToken"].as_str());
    assert_eq!(copy.get("/api/v1/dashboard").await.body["totalStock"], "5");
    copy.create_product(&a_product("NUT")).await;
    assert_eq!(acme.get("/api/v1/products").await.body["data"].as_array().unwrap().len(), 1);
    assert_eq!(copy.get("/api/v1/products").await.body["data"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_requires_the_slug_and_removes_only_one_business() {
    let app = TestApp::start().await;
    let (acme, zenith) = (app.tenant("acme").await, app.tenant("zenith").await);
    let staff = app.staff("super_admin").await;
    let path = format!("/api/v1/platform/tenants/{}/drop", acme.tenant.id);
    let refused = staff.post(&path, &json!({"slug": "zenith", "withoutBackup": true})).await;
    assert_eq!((refused.status, refused.code()), (422, "not_confirmed"));
    assert_eq!(staff.post(&path, &json!({"slug": "acme"})).await.code(), "no_verified_backup");
    acme.until(200).await;
    let removed = staff.post(&path, &json!({"slug": "acme", "withoutBackup": true})).await;
    assert_eq!(removed.status, 200, "{removed:?}");
    assert_eq!(removed.body["schemas"], json!([acme.tenant.schema.as_str()]));
    assert_eq!((&removed.body["tables"], &removed.body["members"]), (&json!(64), &json!(1)));
    assert_eq!(acme.until(404).await.code(), "unknown_host");
    assert_eq!(zenith.get("/api/v1/products").await.status, 200);
    assert_eq!(staff.post(&path, &json!({"slug": "acme", "withoutBackup": true})).await.status, 404);
    // Its members still exist as users.
    let body = json!({"slug": "acme", "name": "Again", "owner": {"email": "owner@acme.test"}});
    let again = staff.post("/api/v1/platform/tenants", &body).await;
    assert_eq!((again.status, &again.body["owner"]["password"]), (201, &Value::Null), "{again:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_changes_the_lifecycle_too() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let program = Program::beside(&app);
    assert!(program.run(&["tenant", "suspend", "acme"]).err.contains("acme is suspended"));
    acme.until(403).await;
    assert_eq!(program.run(&["tenant", "unarchive", "acme"]).code, Some(4));
    assert_eq!(program.run(&["tenant", "suspend", "nobody"]).code, Some(3));
    program.run(&["tenant", "resume", "acme"]);
    acme.until(200).await;
    let renamed = program.run(&["tenant", "rename", "acme", "bolts"]);
    assert_eq!(renamed.code, Some(0), "{renamed:?}");
    // A command with the former slug prints the new slug.
    let asked = program.run(&["tenant", "show", "acme"]);
    assert!(asked.code == Some(3) && asked.err.contains("acme was renamed to bolts"), "{asked:?}");
    let asked = program.run(&["backup", "restore", "--newest", "acme", "--dry-run"]);
    assert!(asked.code == Some(3) && asked.err.contains("acme was renamed to bolts"), "{asked:?}");
    // Setting one limit keeps the other limit, and showing the limits changes nothing.
    program.run(&["tenant", "limit", "bolts", "--statement-timeout-ms", "500"]);
    program.run(&["tenant", "limit", "bolts", "--max-transactions", "3"]);
    let limits = program.run(&["tenant", "limit", "bolts"]).out;
    assert_eq!(limits.trim(), "bolts: statement timeout = 500 ms, concurrent transactions = 3");
    let limits = program.run(&["tenant", "limit", "bolts", "--reset", "--max-transactions", "4"]).out;
    assert!(limits.contains("timeout = installation default") && limits.trim().ends_with('4'), "{limits}");
    let timeout = acme.on("bolts.localhost");
    assert_eq!(timeout.get("/api/v1/products").await.status, 200);
    let copied = program.run(&["tenant", "clone", "bolts", "copy", "--owner-email", "c@copy.test"]);
    assert!(copied.out.contains("copy.localhost"), "{copied:?}");
    let refused = program.run(&["tenant", "drop", "copy", "--without-backup"]);
    assert_eq!(refused.code, Some(1), "a drop must be confirmed: {refused:?}");
    assert_eq!(program.run(&["tenant", "drop", "copy", "--without-backup", "--yes"]).code, Some(0));
    let listed: Value = serde_json::from_str(&program.run(&["tenant", "list", "-o", "json"]).out).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 1);

    // The former slug stays reserved after the business is dropped, until its time is over.
    assert_eq!(program.run(&["tenant", "drop", "bolts", "--without-backup", "--yes"]).code, Some(0));
    let create =
        |slug: &str| program.run(&["tenant", "create", slug, "--name", "x", "--owner-email", "x@x.test"]);
    let taken = create("acme");
    assert!(taken.code == Some(4) && taken.err.contains("\"acme\" is taken"), "{taken:?}");
    assert_eq!(create("bolts").code, Some(0));
    let admin = app.database.as_admin().await;
    admin.batch_execute("UPDATE shared.former_slugs SET reserved_until = now()").await.unwrap();
    assert_eq!(create("acme").code, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_drop_leaves_the_business_as_it_was_and_says_so() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let program = Program::beside(&app);
    let admin = app.database.as_admin().await;
    admin
        .batch_execute(
            "CREATE FUNCTION public.refuse() RETURNS event_trigger LANGUAGE plpgsql AS
             $$ BEGIN RAISE EXCEPTION 'no schema is dropped today'; END $$;
             CREATE EVENT TRIGGER refuse ON sql_drop EXECUTE FUNCTION public.refuse()",
        )
        .await
        .unwrap();
    let ran = program.run(&["tenant", "drop", "acme", "--without-backup", "--yes"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.contains("is as it was") && ran.err.contains("no schema is dropped today"), "{ran:?}");
    assert_eq!(acme.until(200).await.status, 200);
    let history = program.run(&["tenant", "history", "acme"]);
    assert!(history.out.contains("tenant.drop_failed") && history.out.contains("today"), "{history:?}");

    admin.batch_execute("DROP EVENT TRIGGER refuse").await.unwrap();
    assert_eq!(program.run(&["tenant", "drop", "acme", "--without-backup", "--yes"]).code, Some(0));
    acme.until(404).await;
}
