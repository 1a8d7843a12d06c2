//! Restores as another business, of a dropped business, and interrupted restores.

use std::time::Duration;

use harness::{Business, PASSWORD, TestApp, a_product};
use serde_json::{Value, json};

use crate::backup::{Folder, again, done, picture, stock_up};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_can_be_restored_as_another_business_with_another_owner() {
    let (app, folder) = (TestApp::start().await, Folder::new());
    let acme = app.tenant("acme").await;
    stock_up(&acme).await;
    let before = picture(&acme).await;
    let program = folder.program(&app);
    let file = done(&program.run(&["backup", "create", "acme"]));
    let made =
        done(&program.run(&["backup", "restore", &file, "--as", "copy", "--owner-email", "new@copy.test"]));
    let password = made.lines().find_map(|line| line.split("password ").nth(1)).unwrap();
    let password = password.split(' ').next().unwrap();
    let login = app
        .stranger("copy.localhost")
        .post(
            "/api/v1/auth/login",
            &json!({"email": "new@copy.test", "password": password, "newPassword": PASSWORD}),
        )
        .await;
    assert_eq!(login.status, 200, "{login:?}");
    let token = login.body["accessToken"].as_str().unwrap();
    let copy =
        Business { tenant: acme.tenant.clone(), client: acme.on("copy.localhost").with_token(Some(token)) };
    assert_eq!(picture(&copy).await, before);
    // The owner of the original business is not a member of the copy.
    let stranger = app
        .stranger("copy.localhost")
        .post("/api/v1/auth/login", &json!({"email": "owner@acme.test", "password": PASSWORD}))
        .await;
    assert_eq!(stranger.code(), "no_membership");
    let taken = program.run(&["backup", "restore", &file, "--as", "copy", "--owner-email", "x@copy.test"]);
    assert_eq!(taken.code, Some(4), "{taken:?}");
    // The two businesses are independent: a change of the copy does not change the original.
    copy.create_product(&a_product("ONLY-COPY")).await;
    assert_eq!(picture(&acme).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_business_comes_back_without_passwords_from_the_file() {
    let (app, folder) = (TestApp::start().await, Folder::new());
    let acme = app.tenant("acme").await;
    let other = app.tenant("other").await;
    let manager = app.member_of(&acme.tenant, "MANAGER").await;
    let email = manager.get("/api/v1/auth/me").await.body["user"]["email"].as_str().unwrap().to_owned();
    stock_up(&acme).await;
    let lead = json!({"name": "Team lead", "permissions": ["stock.read", "team.manage"]});
    assert_eq!(acme.put("/api/v1/roles/inventory/lead", &lead).await.status, 201);
    let role = acme.get("/api/v1/roles/inventory/lead").await.body;
    app.member_with("lea@acme.test", &acme.tenant, &["lead"]).await;
    let before = picture(&acme).await;
    let program = folder.program(&app);
    let file = done(&program.run(&["backup", "create", "acme"]));

    let refused = program.run(&["tenant", "drop", "acme", "--yes"]);
    assert_eq!(refused.code, Some(4), "an unverified backup must not count: {refused:?}");
    assert!(refused.err.contains("--without-backup"), "{refused:?}");
    assert_eq!(acme.get("/api/v1/products").await.status, 200);
    done(&program.run(&["backup", "verify", &file]));
    assert!(program.run(&["tenant", "drop", "acme", "--dry-run"]).err.contains("nothing was changed"));
    let dropped = done(&program.run(&["tenant", "drop", "acme", "--yes"]));
    assert!(dropped.contains("business_1") && dropped.contains("members  3"), "{dropped}");
    let admin = app.database.as_admin().await;
    let left: i64 = admin
        .query_one(
            "SELECT (SELECT count(*) FROM pg_namespace WHERE nspname = 'business_1')
                  + (SELECT count(*) FROM pg_roles WHERE rolname = current_database() || '_business_1')
                  + (SELECT count(*) FROM shared.tenants WHERE slug = 'acme')
                  + (SELECT count(*) FROM shared.schemas WHERE number = 1)",
            &[],
        )
        .await
        .unwrap()
        .get(0);
    assert_eq!(left, 0);
    // The user of one member is deleted. The user of the other member still exists.
    admin
        .batch_execute(
            "DELETE FROM shared.users
              WHERE id IN (SELECT user_id FROM shared.user_logins WHERE value = 'owner@acme.test')",
        )
        .await
        .unwrap();

    let ran = program.run(&["backup", "restore", &file]);
    done(&ran);
    assert!(ran.err.contains("new users without a password: 1."), "{ran:?}");
    let login = json!({"email": "owner@acme.test", "password": PASSWORD});
    let host = app.stranger("acme.localhost");
    let mut refused = host.post("/api/v1/auth/login", &login).await;
    for _ in 0..50 {
        if refused.status != 404 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        refused = host.post("/api/v1/auth/login", &login).await;
    }
    assert_eq!(refused.code(), "invalid_credentials", "{refused:?}");
    // The remaining user keeps the password. The session ended with the business.
    assert_eq!(manager.get("/api/v1/auth/me").await.code(), "session_ended");
    let manager = app.signed_in(manager.tenant.clone(), &email).await;
    assert_eq!(picture(&manager).await, before);
    assert_eq!(other.get("/api/v1/products").await.status, 200);
    // The business's own role is back, and so are those who have it.
    let lea = app.signed_in(manager.tenant.clone(), "lea@acme.test").await;
    let back = lea.get("/api/v1/roles/inventory/lead").await.body;
    assert_eq!((&back["name"], &back["permissions"]), (&role["name"], &role["permissions"]), "{back}");
    assert_eq!(lea.get("/api/v1/auth/me").await.body["membership"]["roles"], json!(["lead"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_restore_leaves_the_business_unchanged() {
    let (app, folder) = (TestApp::start_with("[tenancy]\ncache_known_ms = 100").await, Folder::new());
    let acme = app.tenant("acme").await;
    stock_up(&acme).await;
    let before = picture(&acme).await;
    let program = folder.program(&app);
    let file = done(&program.run(&["backup", "create", "acme"]));
    let killed = folder
        .program(&app)
        .with("TENANTRY_FAILPOINT", "before_replacing")
        .run(&["backup", "restore", &file, "--yes"]);
    assert_eq!(killed.code, None, "killed by a signal: {killed:?}");
    // Nobody must repair anything: the process that runs background jobs opens the business again.
    let owner_database = app.onboarding().owner_database();
    for _ in 0..100 {
        if owner_database.end_abandoned_maintenance().await.unwrap() > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(again(&acme, &before).await, before);
    done(&program.run(&["backup", "restore", &file, "--yes"]));
    assert_eq!(again(&acme, &before).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_business_does_not_get_the_data_of_the_former_owner_of_its_slug() {
    let (app, folder) = (TestApp::start().await, Folder::new());
    let acme = app.tenant("acme").await;
    stock_up(&acme).await;
    let program = folder.program(&app);
    let file = done(&program.run(&["backup", "create", "acme", "--verify"]));
    done(&program.run(&["tenant", "drop", "acme", "--yes"]));
    let other = app.onboard("acme", "somebody@else.test").await;
    let refused = program.run(&["backup", "restore", &file, "--yes"]);
    assert_eq!(refused.code, Some(4), "{refused:?}");
    assert!(refused.err.contains("--as"), "{refused:?}");
    let theirs = app.member_of(&other, "OWNER").await;
    assert_eq!(theirs.get("/api/v1/products").await.body["data"], json!([]));
    done(&program.run(&["backup", "restore", &file, "--as", "acme-again"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_business_keeps_its_status_and_its_members_get_new_passwords() {
    let (app, folder) = (TestApp::start().await, Folder::new());
    app.tenant("acme").await;
    let program = folder.program(&app);
    done(&program.run(&["tenant", "suspend", "acme"]));
    done(&program.run(&["backup", "create", "acme", "--verify"]));
    done(&program.run(&["tenant", "drop", "acme", "--yes"]));
    let admin = app.database.as_admin().await;
    admin.batch_execute("DELETE FROM shared.users").await.unwrap();
    assert!(done(&program.run(&["tenant", "history", "acme"])).contains("tenant.dropped"));
    assert!(done(&program.run(&["backup", "list", "acme"])).contains("verified"));
    done(&program.run(&["backup", "restore", "--newest", "acme"]));
    let status = || {
        let shown = program.run(&["tenant", "show", "acme", "-o", "json"]);
        serde_json::from_str::<Value>(&shown.out).unwrap()["status"].clone()
    };
    assert_eq!(status(), "suspended");
    done(&program.run(&["tenant", "archive", "acme"]));
    done(&program.run(&["tenant", "unarchive", "acme"]));
    assert_eq!(status(), "suspended", "unarchiving must not end the suspension");
    done(&program.run(&["tenant", "resume", "acme"]));

    let made = done(&program.run(&["user", "reset-password", "owner@acme.test"]));
    let password = made.split(' ').next().unwrap();
    let login =
        json!({"email": "owner@acme.test", "password": password, "newPassword": "kijani mlima nyota saba"});
    let host = app.stranger("acme.localhost");
    let mut reply = host.post("/api/v1/auth/login", &login).await;
    for _ in 0..50 {
        if reply.status == 200 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        reply = host.post("/api/v1/auth/login", &login).await;
    }
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(program.run(&["user", "reset-password", "nobody@acme.test"]).code, Some(3));
}
