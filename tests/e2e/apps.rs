//! Apps with permissions and roles of their own, and the roles that businesses define.

use harness::{Client, PASSWORD, Program, TestApp, join_all};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};
use tokio_postgres::error::SqlState;

const APPS: &str = r#"
[accounting]
name = "Accounting"
description = "Books and invoices"
permissions = [{ key = "invoices.read" }, { key = "invoices.write", description = "Write invoices" }]
borrowedPermissions = [
    { app = "payroll", key = "payslips.read" }, { app = "inventory", key = "reports.read" },
]
roles = [
    { key = "Admin", permissions = ["invoices.read", "invoices.write", "payslips.read"] },
    { key = "User", name = "Clerk", permissions = ["invoices.read"] },
]

[payroll]
name = "Payroll"
permissions = [{ key = "payslips.read" }, { key = "payslips.write" }]
roles = [
    { key = "Admin", permissions = ["payslips.read", "payslips.write"] },
    { key = "Viewer", permissions = ["payslips.read"] },
]
"#;

struct Folder(std::path::PathBuf);

impl Folder {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("tenantry-apps-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn write(&self, text: &str) -> String {
        let file = self.0.join("apps.toml");
        std::fs::write(&file, text).unwrap();
        file.display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn sign_in(client: &Client<'_>, email: &str, app: &str) -> harness::Reply {
    let body = json!({"email": email, "password": PASSWORD, "app": app});
    client.post("/api/v1/auth/login", &body).await
}

/// What another program reads from a token with the published key.
async fn verified(app: &TestApp, token: &Value, audience: &str) -> Option<Value> {
    let keys = app.stranger("localhost").get("/.well-known/jwks.json").await.body;
    let key = serde_json::from_value(keys["keys"][0].clone()).unwrap();
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_audience(&[audience]);
    validation.set_issuer(&["http://id.test"]);
    let key = DecodingKey::from_jwk(&key).unwrap();
    Some(jsonwebtoken::decode::<Value>(token.as_str()?, &key, &validation).ok()?.claims)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_have_other_roles_in_each_app() {
    let (app, folder) = (TestApp::start().await, Folder::new());
    let acme = app.tenant("acme").await;
    let program = Program::beside(&app);
    let file = folder.write(APPS);
    let dry = program.run(&["app", "apply", &file, "--dry-run"]);
    assert!(dry.err.contains("accounting: would be registered"), "{dry:?}");
    // Accounting borrows from Payroll, which comes after it.
    let first = program.run(&["app", "apply", &file]);
    assert_eq!(first.code, Some(0), "{first:?}");
    assert!(first.err.contains("accounting: registered") && first.err.contains("payroll: registered"));
    let again = program.run(&["app", "apply", &file]);
    assert!(
        again.err.contains("accounting: unchanged") && again.err.contains("payroll: unchanged"),
        "{again:?}"
    );

    for (email, place, role) in [
        ("alice@acme.test", "accounting", "Admin"),
        ("alice@acme.test", "payroll", "Viewer"),
        ("bob@acme.test", "accounting", "User"),
    ] {
        let user = ["user", "create", "--email", email, "--tenant", "acme", "--app", place, "--role", role];
        let has_password = place == "payroll";
        let ran = match has_password {
            true => program.run(&user),
            false => program.run_with_input(&[user.as_slice(), &["--password-stdin"]].concat(), PASSWORD),
        };
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }
    let host = app.stranger("acme.localhost");
    for (email, place, roles, permissions) in [
        ("alice@acme.test", "accounting", json!(["Admin"]), "invoices.read invoices.write payslips.read"),
        ("alice@acme.test", "payroll", json!(["Viewer"]), "payslips.read"),
        ("bob@acme.test", "accounting", json!(["User"]), "invoices.read"),
    ] {
        let reply = sign_in(&host, email, place).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        let token = &reply.body["accessToken"];
        let claims = verified(&app, token, place).await.unwrap();
        assert_eq!((&claims["roles"], &claims["scope"]), (&roles, &json!(permissions)), "{email} {place}");
        assert_eq!(claims["tid"], json!(acme.tenant.id));
        // Another app's program refuses the token, and so does this API.
        let other = if place == "payroll" { "accounting" } else { "payroll" };
        assert!(verified(&app, token, other).await.is_none());
        let refused = host.with_token(token.as_str()).get("/api/v1/products").await;
        assert_eq!((refused.status, refused.code()), (401, "token_wrong_app"));
    }
    // Bob has nothing in Payroll, and nobody has inventory.
    assert_eq!(sign_in(&host, "bob@acme.test", "payroll").await.code(), "no_membership");
    assert_eq!(sign_in(&host, "bob@acme.test", "inventory").await.code(), "no_membership");
    // Suspending Alice in Payroll leaves Accounting working.
    let payroll = sign_in(&host, "alice@acme.test", "payroll").await.body;
    const SUSPEND: &str = "UPDATE shared.memberships SET status = 'suspended' WHERE app = 'payroll'";
    app.database.as_owner().await.execute(SUSPEND, &[]).await.unwrap();
    let refresh = json!({"refreshToken": payroll["refreshToken"]});
    assert_eq!(host.post("/api/v1/auth/refresh", &refresh).await.code(), "session_ended");
    assert_eq!(sign_in(&host, "alice@acme.test", "payroll").await.code(), "no_membership");
    assert_eq!(sign_in(&host, "alice@acme.test", "accounting").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_is_defined_again_and_removed() {
    let (app, folder) = (TestApp::start().await, Folder::new());
    let acme = app.tenant("acme").await;
    let program = Program::beside(&app);
    assert_eq!(program.run(&["app", "apply", &folder.write(APPS)]).code, Some(0));
    app.member_of_app("clerk@acme.test", "accounting", Some(&acme.tenant), &["User"]).await;
    // A role of the business contains a permission that the app then loses.
    let role = json!({"name": "Invoicing", "permissions": ["invoices.read", "invoices.write"]});
    assert_eq!(acme.put("/api/v1/roles/accounting/invoicing", &role).await.status, 201);
    let changed = APPS
        .replace(r#"{ key = "invoices.write", description = "Write invoices" }"#, "")
        .replace(r#"["invoices.read", "invoices.write", "payslips.read"]"#, r#"["invoices.read"]"#);
    let ran = program.run(&["app", "apply", &folder.write(&changed)]);
    assert!(ran.err.contains("accounting: changed") && ran.err.contains("payroll: unchanged"), "{ran:?}");
    let left = acme.get("/api/v1/roles/accounting/invoicing").await.body;
    assert_eq!(left["permissions"], json!(["invoices.read"]));
    for (text, problem) in [
        (
            changed.replace("{ key = \"User\", name = \"Clerk\", permissions = [\"invoices.read\"] },", ""),
            "members have it",
        ),
        (changed.replace("[\"invoices.read\"] },\n]", "[\"nothing\"] },\n]"), "neither has nor borrows"),
        (changed.replace("key = \"User\"", "key = \"invoicing\""), "members have it"),
        (changed.replace("app = \"payroll\"", "app = \"nothing\""), "has no such permission"),
        (format!("{changed}\n[platform]\nname = \"Mine\""), "comes with the program"),
        (
            changed.replace("name = \"Accounting\"", "name = \"Accounting\"\nhasBusinesses = false"),
            "has members",
        ),
        (changed.replace("[accounting]", "[A]"), "short name"),
        (changed.replace("permissions =", "permission ="), "unknown field"),
    ] {
        let ran = program.run(&["app", "apply", &folder.write(&text)]);
        assert!(ran.code != Some(0) && ran.err.contains(problem), "{problem}: {ran:?}");
    }
    assert_eq!(program.run(&["app", "apply", &folder.write(&changed)]).code, Some(0));
    assert_eq!(program.run(&["app", "remove", "accounting", "--yes"]).code, Some(4));
    assert_eq!(program.run(&["app", "remove", "payroll", "--yes"]).code, Some(0));
    assert_eq!(program.run(&["app", "show", "payroll"]).code, Some(3));
    let listed = program.run(&["app", "list", "-o", "name"]);
    assert_eq!(listed.out.lines().collect::<Vec<_>>(), ["accounting", "inventory", "platform", "pos"]);

    // The platform's staff does the same over HTTP.
    let staff = app.staff("super_admin").await;
    let definition = json!({"name": "Payroll", "permissions": [{"key": "payslips.read"}]});
    let made = staff.put("/api/v1/platform/apps/payroll", &definition).await;
    assert_eq!((made.status, made.header("etag")), (201, "\"1\""), "{made:?}");
    let same = staff.put("/api/v1/platform/apps/payroll", &definition).await;
    assert_eq!((same.status, same.header("etag")), (200, "\"1\""));
    let stale = staff.with("if-match", "\"7\"").put("/api/v1/platform/apps/payroll", &definition).await;
    assert_eq!(stale.status, 412);
    assert_eq!(staff.put("/api/v1/platform/apps/inventory", &definition).await.code(), "app_built_in");
    assert_eq!(staff.delete("/api/v1/platform/apps/payroll").await.status, 204);
    const AUDIT: &str =
        "SELECT action FROM shared.platform_audit WHERE action LIKE 'app.%' ORDER BY id DESC LIMIT 2";
    let audited = app.database.as_owner().await.query(AUDIT, &[]).await.unwrap();
    let audited: Vec<String> = audited.iter().map(|row| row.get(0)).collect();
    assert_eq!(audited, ["app.removed", "app.registered"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_without_businesses_has_members_of_its_own() {
    let (app, folder) = (TestApp::start().await, Folder::new());
    let acme = app.tenant("acme").await;
    let text = "[help]\nname = \"Help desk\"\nhasBusinesses = false\nroles = [{ key = \"agent\" }]";
    assert_eq!(Program::beside(&app).run(&["app", "apply", &folder.write(text)]).code, Some(0));
    app.member_of_app("ann@help.test", "help", None, &["agent"]).await;
    let reply = sign_in(&app.stranger("admin.localhost"), "ann@help.test", "help").await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let claims = verified(&app, &reply.body["accessToken"], "help").await.unwrap();
    assert_eq!((claims.get("tid"), &claims["roles"]), (None, &json!(["agent"])));
    let staff = app.stranger("admin.localhost").with_token(reply.body["accessToken"].as_str());
    assert_eq!(staff.get("/api/v1/platform/tenants").await.code(), "token_wrong_app");
    let at_acme = sign_in(&app.stranger("acme.localhost"), "ann@help.test", "help").await;
    assert_eq!(at_acme.code(), "no_membership");
    // A membership of the other kind is refused, by the command and by the keys.
    let program = Program::beside(&app);
    let mixed = program.run(&[
        "user", "create", "--email", "x@y.test", "--tenant", "acme", "--app", "help", "--role", "agent",
    ]);
    assert!(mixed.code == Some(1) && mixed.err.contains("without a business"), "{mixed:?}");
    const MIXED: &str = "UPDATE shared.memberships SET tenant_id = $1 WHERE app = 'help'";
    let tenant: uuid::Uuid = acme.tenant.id.into();
    let refused = app.database.as_owner().await.execute(MIXED, &[&tenant]).await.unwrap_err();
    assert_eq!(refused.code(), Some(&SqlState::FOREIGN_KEY_VIOLATION));
}

#[tokio::test]
async fn keys_refuse_roles_of_another_app_or_business() {
    let app = TestApp::start().await;
    let (acme, zenith) = (app.tenant("acme").await, app.tenant("zenith").await);
    let role = json!({"name": "Buyer", "permissions": ["catalogue.read"]});
    assert_eq!(zenith.put("/api/v1/roles/inventory/buyer", &role).await.status, 201);
    let owner = app.database.as_owner().await;
    let (acme_id, zenith_id): (uuid::Uuid, uuid::Uuid) = (acme.tenant.id.into(), zenith.tenant.id.into());
    const GIVE: &str = "
        INSERT INTO shared.membership_roles (membership_id, app, scope, role_scope, role)
        SELECT id, $2, $3, $4, $5 FROM shared.memberships WHERE tenant_id = $1";
    let nil = uuid::Uuid::nil();
    for (app_slug, scope, role_scope, role, wanted) in [
        ("pos", acme_id, nil, "cashier", SqlState::FOREIGN_KEY_VIOLATION),
        ("inventory", acme_id, nil, "cashier", SqlState::FOREIGN_KEY_VIOLATION),
        ("inventory", acme_id, zenith_id, "buyer", SqlState::CHECK_VIOLATION),
        ("inventory", zenith_id, zenith_id, "buyer", SqlState::FOREIGN_KEY_VIOLATION),
    ] {
        let refused =
            owner.execute(GIVE, &[&acme_id, &app_slug, &scope, &role_scope, &role]).await.unwrap_err();
        assert_eq!(refused.code(), Some(&wanted), "{app_slug} {role}: {refused:?}");
    }
    // A permission that the app neither has nor borrows.
    const PUT_IN: &str = "
        INSERT INTO shared.role_permissions (app, role, permission_app, permission)
        VALUES ('pos', 'cashier', 'inventory', 'stock.adjust')";
    let refused = owner.execute(PUT_IN, &[]).await.unwrap_err();
    assert_eq!(refused.code(), Some(&SqlState::FOREIGN_KEY_VIOLATION));
}

#[tokio::test]
async fn a_business_defines_roles_that_do_not_exceed_their_maker() {
    let app = TestApp::start().await;
    let (acme, zenith) = (app.tenant("acme").await, app.tenant("zenith").await);
    let role = |permissions: &[&str]| json!({"name": "Team lead", "permissions": permissions});
    let made = acme.put("/api/v1/roles/inventory/lead", &role(&["team.manage", "stock.read"])).await;
    assert_eq!((made.status, made.header("location")), (201, "/api/v1/roles/inventory/lead"), "{made:?}");
    let listed = acme.get("/api/v1/roles").await.body["data"].clone();
    let keys: Vec<&str> =
        listed.as_array().unwrap().iter().map(|role| role["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["MANAGER", "OWNER", "STAFF", "lead", "cashier", "shop_admin", "supervisor"]);
    assert_eq!(zenith.get("/api/v1/roles/inventory/lead").await.status, 404);

    app.member_with("lea@acme.test", &acme.tenant, &["lead"]).await;
    let lea = app.signed_in(acme.tenant.clone(), "lea@acme.test").await;
    assert_eq!(lea.put("/api/v1/roles/inventory/watcher", &role(&["stock.read"])).await.status, 201);
    for (path, permissions) in [
        ("inventory/watcher", &["stock.read", "stock.adjust"][..]),
        ("inventory/lead", &["team.manage", "stock.read", "settings.write"]),
        ("pos/helper", &["catalogue.read"]),
    ] {
        let refused = lea.put(&format!("/api/v1/roles/{path}"), &role(permissions)).await;
        assert_eq!((refused.status, refused.code()), (403, "above_own_permissions"), "{path}: {refused:?}");
    }
    // What somebody lacks, they cannot take away from others, either.
    assert_eq!(acme.put("/api/v1/roles/inventory/adjuster", &role(&["stock.adjust"])).await.status, 201);
    assert_eq!(lea.put("/api/v1/roles/inventory/adjuster", &role(&[])).await.code(), "above_own_permissions");
    assert_eq!(lea.delete("/api/v1/roles/inventory/adjuster").await.code(), "above_own_permissions");
    assert_eq!(acme.put("/api/v1/roles/pos/helper", &role(&["catalogue.read"])).await.status, 201);

    for (path, permissions, code) in [
        ("inventory/OWNER", &["stock.read"][..], "role_preset"),
        ("inventory/owner", &["stock.read"], "role_preset"),
        ("inventory/Lead", &["stock.read"], "role_taken"),
        ("nothing/x", &["stock.read"], "not_found"),
        ("inventory/x", &["stock.fly"], "unknown_permission"),
        ("inventory/x", &["tenants.write"], "unknown_permission"),
        ("pos/x", &["stock.adjust"], "unknown_permission"),
        ("platform/x", &["tenants.read"], "not_found"),
        ("nothing/x", &[], "not_found"),
        ("inventory/a%20b", &[], "invalid_path"),
    ] {
        let refused = acme.put(&format!("/api/v1/roles/{path}"), &role(permissions)).await;
        assert_eq!(refused.code(), code, "{path}: {refused:?}");
    }
    assert_eq!(acme.delete("/api/v1/roles/inventory/lead").await.code(), "role_in_use");
    assert_eq!(acme.delete("/api/v1/roles/inventory/STAFF").await.code(), "role_preset");
    let stale = acme.with("if-match", "\"9\"").delete("/api/v1/roles/inventory/watcher").await;
    assert_eq!(stale.status, 412);
    assert_eq!(acme.delete("/api/v1/roles/inventory/watcher").await.status, 204);
    // A request that is repeated changes nothing.
    let version = async || acme.get("/api/v1/roles/inventory/lead").await.body["version"].clone();
    let before = version().await;
    let again = acme.put("/api/v1/roles/inventory/lead", &role(&["stock.read", "team.manage"])).await;
    assert_eq!((again.status, version().await), (200, before));
    // The operator cannot take the key of a business's role for a new preset.
    const PRESET: &str = "INSERT INTO shared.roles (app, key, name) VALUES ('inventory', 'LEAD', 'Lead')";
    let refused = app.database.as_owner().await.execute(PRESET, &[]).await.unwrap_err();
    assert_eq!(refused.code(), Some(&SqlState::UNIQUE_VIOLATION));
    // A business with roles of its own, and with members who have them, can be dropped.
    let program = Program::beside(&app);
    let dropped = program.run(&["tenant", "drop", "acme", "--without-backup", "--yes"]);
    assert_eq!(dropped.code, Some(0), "{dropped:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_business_keeps_an_owner_even_if_two_owners_demote_each_other() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let tenant: uuid::Uuid = acme.tenant.id.into();
    const DEMOTE: [&str; 4] = [
        "DELETE FROM shared.membership_roles r USING shared.memberships m
          WHERE m.id = r.membership_id AND r.role = 'OWNER' AND m.user_id = $1",
        "UPDATE shared.memberships SET status = 'suspended' WHERE user_id = $1",
        "UPDATE shared.users SET status = 'disabled' WHERE id = $1",
        "DELETE FROM shared.memberships WHERE user_id = $1",
    ];
    const OWNERS: &str = "
        SELECT m.user_id FROM shared.memberships m
          JOIN shared.users u ON u.id = m.user_id AND u.status = 'active'
          JOIN shared.membership_roles r ON r.membership_id = m.id AND r.role = 'OWNER'
         WHERE m.tenant_id = $1 AND m.status = 'active'";
    let owner = app.database.as_owner().await;
    for round in 0..12 {
        app.member_of(&acme.tenant, "OWNER").await;
        let owners: Vec<uuid::Uuid> =
            owner.query(OWNERS, &[&tenant]).await.unwrap().iter().map(|row| row.get(0)).collect();
        assert_eq!(owners.len(), 2);
        let demote = async |user: uuid::Uuid, how: &'static str| {
            app.database.as_owner().await.execute(how, &[&user]).await
        };
        let how = [DEMOTE[round % 4], DEMOTE[(round / 4) % 4]];
        let demoted =
            join_all(owners.iter().zip(how).map(|(user, how)| demote(*user, how)).collect::<Vec<_>>()).await;
        assert_eq!(demoted.iter().filter(|done| done.is_ok()).count(), 1, "{demoted:?}");
        let refused = demoted.iter().find_map(|done| done.as_ref().err()).unwrap();
        let constraint = refused.as_db_error().and_then(|error| error.constraint());
        assert_eq!(constraint, Some("memberships_last_owner"), "{refused:?}");
        let left: Vec<uuid::Uuid> =
            owner.query(OWNERS, &[&tenant]).await.unwrap().iter().map(|row| row.get(0)).collect();
        assert_eq!(left.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cashier_without_an_email_signs_in_at_the_business_alone() {
    let app = TestApp::start().await;
    let (acme, zenith) = (app.tenant("acme").await, app.tenant("zenith").await);
    let program = Program::beside(&app);
    for slug in ["acme", "zenith"] {
        let arguments = [
            "user",
            "create",
            "--username",
            "Ana",
            "--tenant",
            slug,
            "--app",
            "pos",
            "--role",
            "cashier",
            "--password-stdin",
            "-o",
            "json",
        ];
        let ran = program.run_with_input(&arguments, &format!("{PASSWORD} {slug}"));
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(ran.out.contains("\"username\": \"ana\""), "{ran:?}");
    }
    let login =
        |slug: &str| json!({"username": "ANA", "password": format!("{PASSWORD} {slug}"), "app": "pos"});
    let reply = app.stranger("acme.localhost").post("/api/v1/auth/login", &login("acme")).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(
        (&reply.body["user"]["email"], &reply.body["user"]["username"]),
        (&Value::Null, &json!("ana"))
    );
    assert_eq!(
        reply.body["membership"]["permissions"],
        json!(["catalogue.read", "stock.read", "till.read", "till.sell"])
    );
    let ana = acme.with_token(reply.body["accessToken"].as_str());
    // A business's host accepts the tokens of the till.
    assert_eq!(ana.get("/api/v1/products").await.status, 200);
    assert_eq!(ana.post("/api/v1/categories", &json!({"name": "x"})).await.code(), "permission_denied");
    assert_eq!(ana.get("/api/v1/auth/me").await.body["user"]["username"], "ana");
    // Each business has its own Ana.
    let elsewhere = zenith.post("/api/v1/auth/login", &login("acme")).await;
    assert_eq!(elsewhere.code(), "invalid_credentials");
    assert_eq!(zenith.post("/api/v1/auth/login", &login("zenith")).await.status, 200);
    let platform = app.stranger("admin.localhost").post("/api/v1/auth/login", &login("acme")).await;
    assert_eq!(platform.code(), "invalid_credentials");
    let both = json!({"username": "ana", "email": "a@b.test", "password": "x"});
    assert_eq!(acme.post("/api/v1/auth/login", &both).await.status, 422);
    let twice =
        ["user", "create", "--username", "ana", "--tenant", "acme", "--app", "pos", "--role", "cashier"];
    assert_eq!(program.run(&twice).code, Some(4));
    // Another password ends her sessions.
    let reset = program
        .run_with_input(&["user", "reset-password", "ana", "--tenant", "acme", "--password-stdin"], PASSWORD);
    assert_eq!(reset.code, Some(0), "{reset:?}");
    harness::until("her session has ended", async || {
        ana.get("/api/v1/products").await.code() == "session_ended"
    })
    .await;
}
