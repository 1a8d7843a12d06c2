//! The platform's staff: what they read is written down, and they act as members of businesses only as far as
//! a business allows it, for a limited time, and visibly.

use std::time::{Duration, Instant};

use harness::{Business, Client, PASSWORD, Program, Reply, SecondServer, TestApp, a_product, until, uuid};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

async fn act(staff: &Client<'_>, business: &Business<'_>, how: &Value) -> Reply {
    staff.post(&format!("/api/v1/platform/tenants/{}/impersonations", business.tenant.id), how).await
}

async fn acting<'a>(staff: &Client<'a>, business: &Business<'a>, how: &Value) -> (Client<'a>, Value) {
    let reply = act(staff, business, how).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    (business.with_token(reply.body["accessToken"].as_str()), reply.body)
}

/// Waits until the client is refused, for at most a second.
async fn ended(client: &Client<'_>) {
    let started = Instant::now();
    while client.get("/api/v1/products").await.status != 401 {
        assert!(started.elapsed() < Duration::from_secs(1), "the impersonation goes on");
    }
}

async fn events(business: &Business<'_>, action: &str) -> Vec<Value> {
    let path = format!("/api/v1/auth-events?action={action}");
    business.get(&path).await.body["data"].as_array().unwrap().clone()
}

#[tokio::test]
async fn the_staff_look_at_a_business_for_a_stated_reason_and_the_business_sees_it() {
    let app = TestApp::start().await;
    let (acme, zenith) = (app.tenant("acme").await, app.tenant("zenith").await);
    acme.create_product(&a_product("BOLT")).await;
    let staff = app.staff("support").await;
    let (looking, started) = acting(&staff, &acme, &json!({"reason": "Ticket 4711", "minutes": 5})).await;
    assert_eq!((&started["isReadOnly"], &started["tokenType"]), (&json!(true), &json!("Bearer")));
    assert!((290..=300).contains(&started["expiresIn"].as_u64().unwrap()), "{started}");
    assert_eq!(looking.get("/api/v1/products").await.body["data"].as_array().unwrap().len(), 1);
    let me = looking.get("/api/v1/auth/me").await.body;
    assert_eq!(
        (&me["user"]["email"], &me["impersonation"]["id"]),
        (&json!("owner@acme.test"), &started["id"])
    );
    assert_eq!(acme.get("/api/v1/auth/me").await.body["impersonation"], Value::Null);

    // Nothing is changed, no account is read, and no other business.
    let refused = looking.post("/api/v1/products", &a_product("NUT")).await;
    assert_eq!((refused.status, refused.code()), (403, "impersonation_refused"), "{refused:?}");
    for path in ["sessions", "profile", "events", "export"] {
        let reply = looking.get(&format!("/api/v1/auth/{path}")).await;
        assert_eq!(reply.code(), "impersonation_refused", "{path}: {reply:?}");
    }
    let elsewhere = looking.on(&zenith.host).get("/api/v1/products").await;
    assert_eq!(elsewhere.code(), "token_wrong_business");
    // Support staff may look, and no more.
    let more = act(&staff, &acme, &json!({"reason": "x", "isReadOnly": false})).await;
    assert_eq!((more.status, more.code()), (403, "permission_denied"), "{more:?}");

    // The business reads why, what and when, and not who.
    let entry = acme.get("/api/v1/audit").await.body["data"][0].clone();
    assert_eq!(entry["action"], "impersonation.started", "{entry}");
    assert_eq!((&entry["changes"]["reason"]["to"], &entry["actor"]), (&json!("Ticket 4711"), &Value::Null));
    assert_eq!(entry["impersonationId"], started["id"]);
    let event = events(&acme, "impersonation.started").await[0].clone();
    assert_eq!(event["details"]["reason"], "Ticket 4711", "{event}");
    let used = events(&acme, "impersonation.used").await;
    assert!(used.iter().any(|event| event["details"]["path"] == "/api/v1/products"), "{used:?}");
    let staff_id = staff.get("/api/v1/auth/me").await.body["user"]["id"].as_str().unwrap().to_owned();
    for text in [event.to_string(), json!(used).to_string(), entry.to_string()] {
        assert!(!text.contains("support") && !text.contains(&staff_id), "{text}");
    }
    // The member sees the session, and can end it.
    let sessions = acme.get("/api/v1/auth/sessions").await.body["data"].clone();
    let session = sessions.as_array().unwrap().iter().find(|session| session["id"] == started["id"]).unwrap();
    assert_eq!(session["isImpersonation"], true, "{sessions}");
    let path = format!("/api/v1/auth/sessions/{}", started["id"].as_str().unwrap());
    assert_eq!(acme.delete(&path).await.status, 204);
    ended(&looking).await;

    // The platform reads all of it.
    let all = staff.get("/api/v1/platform/auth-events?action=impersonation.used").await.body;
    assert_eq!(all["data"][0]["actorId"], json!(staff_id), "{all}");
    let audit = staff.get("/api/v1/platform/audit").await.body["data"][0].clone();
    assert_eq!(audit["action"], "impersonation.started");
    assert_eq!(audit["details"]["reason"], "Ticket 4711", "{audit}");
    let listed = staff.get("/api/v1/platform/impersonations?isActive=false").await.body;
    assert_eq!(listed["data"][0]["id"], started["id"], "{listed}");
    let active = staff.get("/api/v1/platform/impersonations?isActive=true").await.body;
    assert_eq!(active["data"], json!([]));
}

#[tokio::test]
async fn the_staff_change_a_business_in_the_name_of_the_platform() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let staff = app.staff("super_admin").await;
    let (changing, started) =
        acting(&staff, &acme, &json!({"reason": "Ticket 1", "isReadOnly": false})).await;
    let product = changing.create_product(&a_product("BOLT")).await;
    let entry = acme.get("/api/v1/audit").await.body["data"][0].clone();
    assert_eq!((&entry["subjectId"], &entry["actor"]), (&product["id"], &Value::Null), "{entry}");
    assert_eq!(entry["impersonationId"], started["id"]);
    let stock = changing.adjust(&product["variants"][0]["id"], "5").await;
    assert_eq!((stock.status, &stock.body["actor"]), (201, &Value::Null), "{stock:?}");
    // A repeated request has the same effect once.
    let body = a_product("NUT");
    for _ in 0..2 {
        let reply = changing.with("idempotency-key", "k").post("/api/v1/products", &body).await;
        assert_eq!(reply.status, 201, "{reply:?}");
    }

    // What would outlive the impersonation is refused, and so is what concerns the account.
    let settings = |access: &str| json!({"operatorAccess": access});
    for (path, body) in [
        ("/api/v1/users", json!({"username": "ana", "roles": ["STAFF"]})),
        ("/api/v1/invitations", json!({"email": "a@b.test", "roles": ["OWNER"]})),
        ("/api/v1/api-keys", json!({"name": "x", "permissions": ["stock.read"]})),
        (
            "/api/v1/auth/password/change",
            json!({"currentPassword": PASSWORD, "newPassword": "kijani mlima nyota saba"}),
        ),
        ("/api/v1/auth/delete", json!({"currentPassword": PASSWORD})),
    ] {
        let reply = changing.post(path, &body).await;
        assert_eq!((reply.status, reply.code()), (403, "impersonation_refused"), "{path}: {reply:?}");
    }
    let own = changing.patch("/api/v1/settings", &settings("full")).await;
    assert_eq!((own.status, own.code()), (403, "impersonation_refused"), "{own:?}");
    assert_eq!(changing.get("/api/v1/users").await.status, 200);

    // The business decides, and at once.
    assert_eq!(acme.patch("/api/v1/settings", &settings("read_only")).await.status, 200);
    assert_eq!(changing.get("/api/v1/products").await.status, 200);
    assert_eq!(changing.post("/api/v1/products", &a_product("C")).await.code(), "impersonation_refused");
    let more = act(&staff, &acme, &json!({"reason": "x", "isReadOnly": false})).await;
    assert_eq!((more.status, more.code()), (403, "impersonation_refused"), "{more:?}");
    let (looking, _) = acting(&staff, &acme, &json!({"reason": "x"})).await;
    assert_eq!(acme.patch("/api/v1/settings", &settings("none")).await.status, 200);
    for client in [&looking, &changing] {
        let reply = client.get("/api/v1/products").await;
        assert_eq!((reply.status, reply.code()), (403, "impersonation_refused"), "{reply:?}");
    }
    let refused = events(&acme, "impersonation.used").await[0].clone();
    assert_eq!(
        (&refused["failure"], &refused["details"]["path"]),
        (&json!("refused"), &json!("/api/v1/products"))
    );
    assert_eq!(looking.post("/api/v1/auth/logout", &json!({})).await.status, 204, "they may always leave");
    // A program does not decide either.
    let program = acme.with_token(Some(&acme.api_key("Settings", &["settings.write"]).await));
    assert_eq!(program.patch("/api/v1/settings", &settings("full")).await.code(), "people_only");
    assert_eq!(program.patch("/api/v1/settings", &json!({"overReceiptPercent": "1"})).await.status, 200);
    assert_eq!(act(&staff, &acme, &json!({"reason": "x"})).await.code(), "impersonation_refused");
    assert_eq!(acme.patch("/api/v1/settings", &settings("everything")).await.status, 422);
}

#[tokio::test]
async fn an_impersonation_needs_a_member_a_reason_and_an_end() {
    let app = TestApp::start().await;
    let (acme, zenith) = (app.tenant("acme").await, app.tenant("zenith").await);
    let staff = app.staff("super_admin").await;
    let stranger = zenith.get("/api/v1/auth/me").await.body["user"]["id"].clone();
    for (how, status, pointer) in [
        (json!({}), 422, "/reason"),
        (json!({"reason": "  "}), 422, "/reason"),
        (json!({"reason": "x", "minutes": 0}), 422, "/minutes"),
        (json!({"reason": "x", "minutes": 61}), 422, "/minutes"),
        (json!({"reason": "x", "userId": stranger}), 422, "/userId"),
        (json!({"reason": "x", "app": "platform"}), 422, "/userId"),
        (json!({"reason": "x", "app": "pos"}), 422, "/app"),
    ] {
        let reply = act(&staff, &acme, &how).await;
        assert_eq!(reply.status, status, "{how}: {reply:?}");
        assert!(reply.body["errors"].to_string().contains(pointer), "{how}: {reply:?}");
    }
    let nowhere = "/api/v1/platform/tenants/00000000-0000-7000-8000-000000000000/impersonations";
    assert_eq!(staff.post(nowhere, &json!({"reason": "x"})).await.status, 404);
    assert_eq!(acme.get("/api/v1/audit").await.body["data"], json!([]), "nothing happened");

    // A member with fewer permissions lends no more than these.
    let member = app.member_of(&acme.tenant, "STAFF").await;
    let user = member.get("/api/v1/auth/me").await.body["user"]["id"].clone();
    let (looking, started) = acting(&staff, &acme, &json!({"reason": "x", "userId": user})).await;
    assert_eq!(started["userId"], user);
    assert_eq!(looking.get("/api/v1/products").await.status, 200);
    assert_eq!(looking.get("/api/v1/users").await.code(), "permission_denied");
    // Signing out ends it.
    assert_eq!(looking.post("/api/v1/auth/logout", &json!({})).await.status, 204);
    ended(&looking).await;
    assert_eq!(member.get("/api/v1/products").await.status, 200);
    let path = format!("/api/v1/platform/impersonations/{}", started["id"].as_str().unwrap());
    assert_eq!(staff.delete(&path).await.status, 404, "it has ended");
}

/// What ends an impersonation: `$1` is the member of the staff, `$2` the member of the business.
const WITHDRAWALS: [&str; 7] = [
    "UPDATE shared.users SET status = 'disabled' WHERE id = $1 AND $2::uuid IS NOT NULL",
    "UPDATE shared.memberships SET status = 'suspended' WHERE user_id = $1 AND $2::uuid IS NOT NULL",
    "DELETE FROM shared.membership_roles r USING shared.memberships m
      WHERE m.id = r.membership_id AND m.user_id = $1 AND $2::uuid IS NOT NULL",
    "DELETE FROM shared.memberships WHERE user_id = $1 AND $2::uuid IS NOT NULL",
    "UPDATE shared.sessions SET revoked_at = now(), revoked_reason = 'signed_out'
      WHERE user_id = $1 AND $2::uuid IS NOT NULL",
    "UPDATE shared.memberships SET status = 'suspended' WHERE user_id = $2 AND $1::uuid IS NOT NULL",
    "UPDATE shared.users SET status = 'disabled' WHERE id = $2 AND $1::uuid IS NOT NULL",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_impersonation_ends_with_its_staff_and_its_member_at_every_server() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let second = SecondServer::start(&app);
    let owner = app.database.as_owner().await;
    for sql in WITHDRAWALS {
        owner.execute("DELETE FROM shared.memberships WHERE app = 'platform'", &[]).await.unwrap();
        const AGAIN: &str = "DELETE FROM shared.user_logins WHERE value = 'super-admin@platform.test'";
        owner.execute(AGAIN, &[]).await.unwrap();
        let staff = app.staff("super_admin").await;
        let member = app.member_of(&acme.tenant, "MANAGER").await;
        let id = async |client: &Client<'_>| uuid(&client.get("/api/v1/auth/me").await.body["user"]["id"]);
        let (of_staff, user) = (id(&staff).await, id(&member).await);
        let (looking, started) = acting(&staff, &acme, &json!({"reason": "x", "userId": user})).await;
        let token = started["accessToken"].as_str().unwrap();
        assert_eq!(looking.get("/api/v1/products").await.status, 200);
        assert_eq!(second.status("acme.localhost", token).await, 200);
        owner.execute(sql, &[&of_staff, &user]).await.unwrap();
        let changed = Instant::now();
        ended(&looking).await;
        while second.status("acme.localhost", token).await != 401 {
            assert!(changed.elapsed() < Duration::from_secs(1), "after a second, {sql}");
        }
    }
    // The staff end it themselves.
    owner.execute("DELETE FROM shared.memberships WHERE app = 'platform'", &[]).await.unwrap();
    let staff = app.staff("support").await;
    let (looking, started) = acting(&staff, &acme, &json!({"reason": "x"})).await;
    let path = format!("/api/v1/platform/impersonations/{}", started["id"].as_str().unwrap());
    assert_eq!(staff.delete(&path).await.status, 204);
    ended(&looking).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_operator_reads_is_in_the_audit_log() {
    let app = TestApp::start().await;
    let (acme, zenith) = (app.tenant("acme").await, app.tenant("zenith").await);
    let staff = app.staff("super_admin").await;
    let id = acme.tenant.id;
    let paths = [
        "/api/v1/platform/users?q=owner".to_owned(),
        format!("/api/v1/platform/users?tenantId={id}"),
        format!("/api/v1/platform/auth-events?tenantId={id}&limit=1"),
        format!("/api/v1/platform/tenants/{id}"),
        format!("/api/v1/platform/tenants/{id}/domains"),
        format!("/api/v1/platform/backups?tenantId={id}"),
        "/api/v1/platform/impersonations".to_owned(),
        "/api/v1/platform/mails".to_owned(),
        "/api/v1/platform/invitations".to_owned(),
    ];
    for path in &paths {
        let reply = staff.get(path).await;
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
    }
    let reads = async |query: &str| -> Vec<String> {
        let path = format!("/api/v1/platform/audit?withReads=true&limit=100{query}");
        let entries = staff.get(&path).await.body["data"].as_array().unwrap().clone();
        let reads = entries.iter().filter(|entry| entry["action"] == "data.read");
        let details = |entry: &Value| entry["details"].clone();
        reads.map(details).map(|it| format!("{}?{}", it["path"].as_str().unwrap(), it["query"])).collect()
    };
    let all = reads("").await;
    for path in &paths {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        // A person may be named in what is searched.
        let query = query.replace("q=owner", "q=...");
        assert!(all.contains(&format!("{path}?\"{query}\"")), "{path} {query}: {all:?}");
    }
    let of_acme = reads(&format!("&tenantId={id}")).await;
    assert!(of_acme.len() >= 5 && of_acme.iter().all(|read| read.contains(&id.to_string())), "{of_acme:?}");
    let of_zenith = reads(&format!("&tenantId={}", zenith.tenant.id)).await;
    assert_eq!(of_zenith.len(), 1, "the request itself: {of_zenith:?}");
    // The list of changes leaves them out.
    let changes = staff.get("/api/v1/platform/audit?limit=100").await.body.to_string();
    assert!(!changes.contains("data.read"), "{changes}");
    // A request that changes nothing shows data all the same.
    let user = staff.get("/api/v1/platform/users?q=owner").await.body["data"][0]["id"].clone();
    let enable = format!("/api/v1/platform/users/{}/enable", user.as_str().unwrap());
    assert_eq!(staff.post(&enable, &json!({})).await.status, 200);
    assert!(reads("").await.contains(&format!("{enable}?\"\"")));
    // The entry names the business of the path, however it is written, and not one in a parameter of no use.
    let odd = format!("/api/v1/platform/%74enants/{id}");
    assert_eq!(staff.get(&odd).await.status, 200);
    assert!(reads(&format!("&tenantId={id}")).await.contains(&format!("{odd}?\"\"")));
    let user = format!("/api/v1/platform/users/{}", user.as_str().unwrap());
    staff.get(&format!("{user}?tenantId={}", zenith.tenant.id)).await;
    assert!(!reads(&format!("&tenantId={}", zenith.tenant.id)).await.iter().any(|read| read.contains(&user)));
    // What is refused is not read, and jobs show nothing of businesses.
    let before = reads("").await.len();
    assert_eq!(staff.get("/api/v1/platform/jobs").await.status, 200);
    assert_eq!(acme.on("admin.localhost").get("/api/v1/platform/users").await.status, 401);
    assert_eq!(reads("").await.len(), before + 1);

    let listed = Program::beside(&app).run(&["user", "list", "--tenant", "acme"]);
    assert_eq!(listed.code, Some(0), "{listed:?}");
    until("the command is in the log", async || {
        let path = format!("/api/v1/platform/audit?withReads=true&tenantId={id}");
        staff.get(&path).await.body.to_string().contains("user list")
    })
    .await;
}

/// Sends the head and a part of the body, waits for what happens meanwhile, and sends the rest. Returns the
/// status.
async fn slowly(
    app: &TestApp,
    client: &Client<'_>,
    request: &str,
    body: &Value,
    meanwhile: impl AsyncFnOnce(),
) -> u16 {
    let body = body.to_string();
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", app.port())).await.unwrap();
    let (host, token) = (&client.host, client.token.as_deref().unwrap());
    let head = format!(
        "{request} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{}",
        body.len(),
        &body[..2]
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    meanwhile().await;
    tokio::time::sleep(Duration::from_millis(1200)).await;
    stream.write_all(&body.as_bytes()[2..]).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn access_that_is_taken_away_while_the_body_arrives_is_of_no_use() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let staff = app.staff("super_admin").await;
    let owner = app.database.as_owner().await;
    let setting = json!({"overReceiptPercent": "7"});

    // The business closes itself to the staff.
    let (changing, _) = acting(&staff, &acme, &json!({"reason": "x", "isReadOnly": false})).await;
    let close = async || {
        let access = json!({"operatorAccess": "none"});
        assert_eq!(acme.patch("/api/v1/settings", &access).await.status, 200);
    };
    assert_eq!(slowly(&app, &changing, "PATCH /api/v1/settings", &setting, close).await, 403);
    assert_eq!(acme.patch("/api/v1/settings", &json!({"operatorAccess": "full"})).await.status, 200);

    let used = events(&acme, "impersonation.used").await;
    assert_eq!(used.len(), 2, "the request, and its refusal at the end: {used:?}");
    let (changing, _) = acting(&staff, &acme, &json!({"reason": "x", "isReadOnly": false})).await;
    assert_eq!(acme.patch("/api/v1/settings", &json!({"operatorAccess": "full"})).await.status, 200);
    let nothing = json!({"overReceiptPercent": "0"});
    assert_eq!(slowly(&app, &changing, "PATCH /api/v1/settings", &nothing, async || {}).await, 200);
    assert_eq!(events(&acme, "impersonation.used").await.len(), 3, "a slow request is written down once");

    // A key is revoked, and a role is taken away.
    let program = acme.with_token(Some(&acme.api_key("Key", &["settings.write"]).await));
    let revoke = async || {
        owner.execute("UPDATE shared.api_keys SET revoked_at = now()", &[]).await.unwrap();
    };
    assert_eq!(slowly(&app, &program, "PATCH /api/v1/settings", &setting, revoke).await, 401);
    let member = app.member_of(&acme.tenant, "OWNER").await;
    let user = uuid(&member.get("/api/v1/auth/me").await.body["user"]["id"]);
    let demote = async || {
        const DEMOTE: &str = "
            DELETE FROM shared.membership_roles r USING shared.memberships m
             WHERE m.id = r.membership_id AND m.user_id = $1";
        owner.execute(DEMOTE, &[&user]).await.unwrap();
    };
    let key = json!({"name": "x", "permissions": ["stock.read"]});
    assert_eq!(slowly(&app, &member, "POST /api/v1/api-keys", &key, demote).await, 401);
    assert_eq!(acme.get("/api/v1/settings").await.body["overReceiptPercent"], "0");

    // An impersonation does not outlive the session of the staff, which ends by itself.
    const SOON: &str = "
        UPDATE shared.sessions SET idle_expires_at = now() + interval '90 seconds' WHERE tenant_id IS NULL";
    owner.execute(SOON, &[]).await.unwrap();
    let (_, short) = acting(&staff, &acme, &json!({"reason": "x", "minutes": 60})).await;
    assert!(short["expiresIn"].as_u64().unwrap() <= 90, "{short}");

    // The staff sign out.
    let start = format!("POST /api/v1/platform/tenants/{}/impersonations", acme.tenant.id);
    let sign_out = async || {
        assert_eq!(staff.post("/api/v1/auth/logout", &json!({})).await.status, 204);
    };
    assert_eq!(slowly(&app, &staff, &start, &json!({"reason": "x"}), sign_out).await, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_impersonation_does_not_begin_while_the_staff_are_leaving() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let staff = app.staff("super_admin").await;
    let mut owner = app.database.as_owner().await;
    let user = uuid(&staff.get("/api/v1/auth/me").await.body["user"]["id"]);
    // The sign-out is under way, and not committed yet.
    let leaving = owner.transaction().await.unwrap();
    const END: &str =
        "UPDATE shared.sessions SET revoked_at = now(), revoked_reason = 'signed_out' WHERE user_id = $1";
    leaving.execute(END, &[&user]).await.unwrap();
    let commit = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        leaving.commit().await.unwrap();
    };
    let how = json!({"reason": "x"});
    let (reply, ()) = tokio::join!(act(&staff, &acme, &how), commit);
    assert_eq!((reply.status, reply.code()), (401, "session_ended"), "{reply:?}");
    let left: i64 = app
        .database
        .as_owner()
        .await
        .query_one("SELECT count(*) FROM shared.sessions WHERE staff_id IS NOT NULL", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(left, 0);
}
