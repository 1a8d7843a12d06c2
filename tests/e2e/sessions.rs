//! Sessions: how they start, go on and end, at one server and at several.

use std::time::{Duration, Instant};

use harness::{Business, Client, PASSWORD, Reply, SecondServer, TestApp, join_all, until, uuid};
use serde_json::{Value, json};

async fn sign_in(client: &Client<'_>, email: &str, device: &str) -> Value {
    let body = json!({"email": email, "password": PASSWORD, "device": device});
    let reply = client.post("/api/v1/auth/login", &body).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.body
}

async fn refresh(client: &Client<'_>, token: &Value) -> Reply {
    client.post("/api/v1/auth/refresh", &json!({"refreshToken": token})).await
}

/// Moves the use of all used tokens so many seconds into the past.
async fn age(app: &TestApp, seconds: i32) {
    const AGE: &str =
        "UPDATE shared.refresh_tokens SET consumed_at = consumed_at - make_interval(secs => $1::integer)";
    app.database.as_owner().await.execute(AGE, &[&seconds]).await.unwrap();
}

async fn events(app: &TestApp, action: &str) -> i64 {
    const COUNT: &str = "SELECT count(*) FROM shared.auth_events WHERE action = $1 AND failure IS NOT NULL";
    app.database.as_owner().await.query_one(COUNT, &[&action]).await.unwrap().get(0)
}

async fn is_signed_in(client: &Client<'_>, token: &Value) -> bool {
    client.with_token(token.as_str()).get("/api/v1/auth/me").await.status == 200
}

#[tokio::test]
async fn a_refresh_token_is_exchanged_once_for_the_next_one() {
    let app = TestApp::start().await;
    app.onboard("acme", "ann@acme.test").await;
    let acme = app.stranger("acme.localhost");
    let first = sign_in(&acme, "ann@acme.test", "Till 1").await;
    let second = refresh(&acme, &first["refreshToken"]).await;
    assert_eq!(second.status, 200, "{second:?}");
    assert_eq!(second.header("cache-control"), "no-store");
    assert_ne!(second.body["refreshToken"], first["refreshToken"]);
    assert_eq!(second.body["membership"], first["membership"]);
    assert!(is_signed_in(&acme, &second.body["accessToken"]).await);
    let stored = app.database.as_owner().await;
    let stored = stored.query("SELECT encode(hash, 'escape') FROM shared.refresh_tokens", &[]).await.unwrap();
    let token = second.body["refreshToken"].as_str().unwrap();
    assert!(stored.iter().all(|row| !row.get::<_, String>(0).contains(token)));

    // The token before the last one, long after its use: somebody else has it.
    let third = refresh(&acme, &second.body["refreshToken"]).await.body;
    let stolen = refresh(&acme, &first["refreshToken"]).await;
    assert_eq!((stolen.status, stolen.code()), (401, "token_reuse_detected"), "{stolen:?}");
    assert_eq!(refresh(&acme, &third["refreshToken"]).await.code(), "session_ended");
    until("the access token is refused", async || !is_signed_in(&acme, &third["accessToken"]).await).await;
    assert_eq!(events(&app, "session.refresh_reused").await, 1);
    for token in ["", "trt_x", "ä", &"x".repeat(10_000)] {
        let reply = refresh(&acme, &json!(token)).await;
        assert_eq!((reply.status, reply.code()), (401, "refresh_token_invalid"), "{token}");
    }
}

#[tokio::test]
async fn a_token_that_was_just_used_gets_siblings_and_the_first_that_is_used_ends_the_others() {
    let app = TestApp::start().await;
    app.onboard("acme", "ann@acme.test").await;
    let acme = app.stranger("acme.localhost");
    let first = sign_in(&acme, "ann@acme.test", "Till 1").await["refreshToken"].clone();
    let mut siblings = Vec::new();
    for _ in 0..6 {
        let reply = refresh(&acme, &first).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        siblings.push(reply.body["refreshToken"].clone());
    }
    let further = refresh(&acme, &first).await;
    assert_eq!((further.status, further.code()), (409, "refresh_in_progress"));
    assert!(!further.header("retry-after").is_empty());
    let next = refresh(&acme, &siblings[3]).await;
    assert_eq!(next.status, 200);
    for other in siblings.iter().enumerate().filter(|(at, _)| *at != 3).map(|(_, token)| token) {
        assert_eq!(refresh(&acme, other).await.code(), "refresh_token_superseded");
    }
    // Nobody was signed out.
    assert_eq!(refresh(&acme, &next.body["refreshToken"]).await.status, 200);
    assert_eq!(events(&app, "session.refresh_reused").await, 0);
}

#[tokio::test]
async fn a_token_that_is_used_again_after_the_grace_period_ends_the_session() {
    let app = TestApp::start().await;
    app.onboard("acme", "ann@acme.test").await;
    let acme = app.stranger("acme.localhost");
    let first = sign_in(&acme, "ann@acme.test", "Till 1").await["refreshToken"].clone();
    let next = refresh(&acme, &first).await.body["refreshToken"].clone();
    age(&app, 29).await;
    assert_eq!(refresh(&acme, &first).await.status, 200);
    age(&app, 2).await;
    assert_eq!(refresh(&acme, &first).await.code(), "token_reuse_detected");
    assert_eq!(refresh(&acme, &next).await.code(), "session_ended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_parallel_refreshes_leave_one_live_chain() {
    let app = TestApp::start().await;
    app.onboard("acme", "ann@acme.test").await;
    let acme = app.stranger("acme.localhost");
    let mut token = sign_in(&acme, "ann@acme.test", "Till 1").await["refreshToken"].clone();
    for _ in 0..3 {
        let replies = join_all((0..20).map(|_| refresh(&acme, &token)).collect()).await;
        let got: Vec<&Value> = replies
            .iter()
            .filter(|reply| reply.status == 200)
            .map(|reply| &reply.body["refreshToken"])
            .collect();
        assert_eq!(got.len(), 6, "the successor and five siblings");
        assert!(replies.iter().all(|reply| reply.status == 200 || reply.code() == "refresh_in_progress"));
        // Used at the same time, one of them wins.
        let used = join_all(got.iter().map(|token| refresh(&acme, token)).collect()).await;
        let won: Vec<&Reply> = used.iter().filter(|reply| reply.status == 200).collect();
        assert_eq!(won.len(), 1, "{used:?}");
        assert!(used.iter().all(|reply| reply.status == 200 || reply.code() == "refresh_token_superseded"));
        assert!(is_signed_in(&acme, &won[0].body["accessToken"]).await);
        token = won[0].body["refreshToken"].clone();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_lives_on_when_all_sessions_are_ended_during_refreshes() {
    let app = TestApp::start().await;
    app.onboard("acme", "ann@acme.test").await;
    let acme = app.stranger("acme.localhost");
    for _ in 0..5 {
        let sessions = join_all((0..4).map(|_| sign_in(&acme, "ann@acme.test", "Till")).collect()).await;
        let other = sign_in(&acme, "ann@acme.test", "Office").await;
        let office = acme.with_token(other["accessToken"].as_str());
        let ((), replies) = futures_util::future::join(
            async {
                assert_eq!(office.delete("/api/v1/auth/sessions").await.status, 204);
            },
            join_all(sessions.iter().map(|session| refresh(&acme, &session["refreshToken"])).collect()),
        )
        .await;
        for reply in &replies {
            assert!(reply.status == 200 || reply.code() == "session_ended", "{reply:?}");
            if reply.status == 200 {
                assert_eq!(refresh(&acme, &reply.body["refreshToken"]).await.code(), "session_ended");
                let token = &reply.body["accessToken"];
                until("the access token is refused", async || !is_signed_in(&acme, token).await).await;
            }
        }
        const LIVE: &str = "SELECT count(*) FROM shared.sessions WHERE revoked_at IS NULL";
        let live: i64 = app.database.as_owner().await.query_one(LIVE, &[]).await.unwrap().get(0);
        assert_eq!(live, 0);
    }
}

#[tokio::test]
async fn a_user_sees_and_ends_their_sessions() {
    let app = TestApp::start().await;
    app.onboard("acme", "ann@acme.test").await;
    let acme = app.stranger("acme.localhost").with("user-agent", "Till/1.0");
    let till = sign_in(&acme, "ann@acme.test", "Till 1").await;
    let office = sign_in(&acme, "ann@acme.test", "Office").await;
    let phone = sign_in(&acme, "ann@acme.test", "Phone").await;
    let me = acme.with_token(office["accessToken"].as_str());
    let listed = me.get("/api/v1/auth/sessions").await.body["data"].clone();
    let devices: Vec<_> = listed.as_array().unwrap().iter().map(|session| &session["device"]).collect();
    assert_eq!(devices, ["Phone", "Office", "Till 1"]);
    let current: Vec<_> = listed.as_array().unwrap().iter().map(|session| &session["isCurrent"]).collect();
    assert_eq!(current, [false, true, false]);
    assert_eq!(listed[0]["address"], "127.0.0.1");
    assert_eq!((&listed[0]["userAgent"], &listed[0]["business"]), (&json!("Till/1.0"), &json!("acme Ltd")));

    // Another user's sessions do not exist for them.
    let zenith = app.tenant("zenith").await;
    let of_others = zenith.get("/api/v1/auth/sessions").await.body["data"][0]["id"].clone();
    let path = format!("/api/v1/auth/sessions/{}", of_others.as_str().unwrap());
    assert_eq!(me.delete(&path).await.status, 404);
    assert_eq!(zenith.get("/api/v1/auth/me").await.status, 200);

    let path = format!("/api/v1/auth/sessions/{}", listed[0]["id"].as_str().unwrap());
    assert_eq!((me.delete(&path).await.status, me.delete(&path).await.status), (204, 404));
    until("the phone is signed out", async || !is_signed_in(&acme, &phone["accessToken"]).await).await;
    assert_eq!(me.delete("/api/v1/auth/sessions?keepCurrent=true").await.status, 204);
    until("the till is signed out", async || !is_signed_in(&acme, &till["accessToken"]).await).await;
    assert_eq!(me.get("/api/v1/auth/sessions").await.body["data"].as_array().unwrap().len(), 1);
    assert_eq!(me.post("/api/v1/auth/logout", &json!({})).await.status, 204);
    until("the office is signed out", async || !is_signed_in(&acme, &office["accessToken"]).await).await;
    assert_eq!(me.get("/api/v1/products").await.code(), "session_ended");

    // A client whose access token has expired signs out with the refresh token.
    let late = sign_in(&acme, "ann@acme.test", "Late").await;
    let body = json!({"refreshToken": late["refreshToken"]});
    assert_eq!(acme.post("/api/v1/auth/logout", &body).await.status, 204);
    assert_eq!(acme.post("/api/v1/auth/logout", &body).await.status, 204);
    assert_eq!(refresh(&acme, &late["refreshToken"]).await.code(), "session_ended");
}

#[tokio::test]
async fn the_tokens_of_a_session_are_of_use_on_its_own_host_alone() {
    let app = TestApp::start().await;
    app.onboard("acme", "ann@acme.test").await;
    app.onboard("zenith", "zoe@zenith.test").await;
    let acme = app.stranger("acme.localhost");
    let session = sign_in(&acme, "ann@acme.test", "Till").await;
    for host in ["zenith.localhost", "admin.localhost"] {
        let elsewhere = app.stranger(host);
        assert_eq!(refresh(&elsewhere, &session["refreshToken"]).await.code(), "refresh_token_invalid");
        let body = json!({"refreshToken": session["refreshToken"]});
        assert_eq!(elsewhere.post("/api/v1/auth/logout", &body).await.status, 204);
    }
    // Nothing was used up, and nothing has ended.
    assert_eq!(refresh(&acme, &session["refreshToken"]).await.status, 200);
}

/// What takes access away, as SQL with the id of the user.
const WITHDRAWALS: [(&str, &str); 5] = [
    ("session_ended", "UPDATE shared.memberships SET status = 'suspended' WHERE user_id = $1"),
    ("session_ended", "DELETE FROM shared.memberships WHERE user_id = $1"),
    ("session_ended", "UPDATE shared.users SET status = 'disabled' WHERE id = $1"),
    (
        "session_ended",
        "UPDATE shared.sessions SET revoked_at = now(), revoked_reason = 'x' WHERE user_id = $1",
    ),
    (
        "roles_changed",
        "DELETE FROM shared.membership_roles r USING shared.memberships m
          WHERE m.id = r.membership_id AND m.user_id = $1",
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn access_that_is_taken_away_ends_within_a_second_at_every_server() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let second = SecondServer::start(&app);
    let owner = app.database.as_owner().await;
    let mut longest = Duration::ZERO;
    for (code, sql) in WITHDRAWALS {
        let member = app.member_of(&acme.tenant, "MANAGER").await;
        let token = member.token.clone().unwrap();
        assert_eq!(second.status("acme.localhost", &token).await, 200);
        let user = uuid(&member.get("/api/v1/auth/me").await.body["user"]["id"]);
        owner.execute(sql, &[&user]).await.unwrap();
        let changed = Instant::now();
        loop {
            let read = member.get("/api/v1/products").await;
            let written = member.post("/api/v1/categories", &json!({"name": "x"})).await;
            let there = second.status("acme.localhost", &token).await;
            if (read.status, written.status, there) == (401, 401, 401) {
                assert_eq!(read.code(), code, "{sql}");
                break;
            }
            assert!(changed.elapsed() < Duration::from_secs(1), "after a second, {sql}: {read:?}, {there}");
        }
        longest = longest.max(changed.elapsed());
    }
    println!("taken away after at most {longest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_roles_asks_for_a_refresh_and_a_new_token_has_the_new_roles() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let role = json!({"name": "Buyer", "permissions": ["catalogue.read"]});
    assert_eq!(acme.put("/api/v1/roles/inventory/buyer", &role).await.status, 201);
    app.member_with("bea@acme.test", &acme.tenant, &["buyer"]).await;
    let stranger = app.stranger("acme.localhost");
    let session = sign_in(&stranger, "bea@acme.test", "Till").await;
    let bea = stranger.with_token(session["accessToken"].as_str());
    assert_eq!(bea.get("/api/v1/products").await.status, 200);
    assert_eq!(bea.get("/api/v1/stock").await.code(), "permission_denied");
    // A change of the role itself reaches those who have it.
    let role = json!({"name": "Buyer", "permissions": ["stock.read"]});
    assert_eq!(acme.put("/api/v1/roles/inventory/buyer", &role).await.status, 200);
    until("the old token is refused", async || bea.get("/api/v1/products").await.code() == "roles_changed")
        .await;
    let session = refresh(&stranger, &session["refreshToken"]).await.body;
    assert_eq!(session["membership"]["permissions"], json!(["stock.read"]));
    let bea = stranger.with_token(session["accessToken"].as_str());
    assert_eq!(bea.get("/api/v1/stock").await.status, 200);
    assert_eq!(bea.get("/api/v1/products").await.code(), "permission_denied");
    assert_eq!(acme.get("/api/v1/products").await.status, 200, "others keep their tokens");
}

/// How often the server has asked the database about a session.
async fn questions(app: &TestApp) -> i64 {
    const CALLS: &str = "
        SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_user_functions
         WHERE schemaname = 'shared' AND funcname = 'find_session'";
    let admin = app.database.as_admin().await;
    // Statistics of other connections are visible a moment later.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    admin.query_one(CALLS, &[]).await.unwrap().get(0)
}

async fn read_often(member: &Business<'_>) {
    for _ in 0..20 {
        assert_eq!(member.get("/api/v1/products").await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hears_nothing_asks_the_database_and_misses_no_revocation() {
    let app = TestApp::start().await;
    let admin = app.database.as_admin().await;
    let database = &app.database.name;
    admin.batch_execute(&format!("ALTER DATABASE {database} SET track_functions = 'all'")).await.unwrap();
    let acme = app.tenant("acme").await;
    let member = app.member_of(&acme.tenant, "MANAGER").await;
    let revocations = &app.running().state().revocations;
    until("the server hears", async || revocations.is_up_to_date()).await;
    read_often(&member).await;
    assert_eq!(questions(&app).await, 0, "a server that hears asks nothing");

    app.hears_nothing(&admin).await;
    read_often(&member).await;
    let user = uuid(&member.get("/api/v1/auth/me").await.body["user"]["id"]);
    admin.execute(WITHDRAWALS[0].1, &[&user]).await.unwrap();
    assert_eq!(member.get("/api/v1/products").await.code(), "session_ended", "the database knows at once");
    assert!(questions(&app).await >= 20, "each request asked");

    // It reads what it has missed, and asks nothing any more.
    let other = app.member_of(&acme.tenant, "STAFF").await;
    let user = uuid(&other.get("/api/v1/auth/me").await.body["user"]["id"]);
    admin.execute(WITHDRAWALS[1].1, &[&user]).await.unwrap();
    admin.batch_execute("GRANT SELECT ON shared.revocations TO tenantry_shared").await.unwrap();
    until("the server hears again", async || revocations.is_up_to_date()).await;
    let before = questions(&app).await;
    assert_eq!(other.get("/api/v1/products").await.code(), "session_ended");
    read_often(&acme).await;
    assert_eq!(questions(&app).await, before);
}

#[tokio::test]
async fn a_password_that_was_changed_during_the_sign_in_lets_nobody_in() {
    let app = TestApp::start().await;
    let acme = app.onboard("acme", "ann@acme.test").await;
    let database = app.database.pool(2);
    const FIND: &str = "
        SELECT m.user_id, m.id, m.version, u.password_changed_at
          FROM shared.memberships m JOIN shared.users u ON u.id = m.user_id WHERE m.tenant_id = $1";
    const START: &str = "
        SELECT shared.start_session($1, $2, $3, $4, $5, NULL, NULL, NULL, now(), now(), now(), $6,
                                    uuid_send($6))";
    let owner = app.database.as_owner().await;
    let tenant: uuid::Uuid = acme.id.into();
    let read = owner.query_one(FIND, &[&tenant]).await.unwrap();
    let start = async || {
        let (user, membership): (uuid::Uuid, uuid::Uuid) = (read.get(0), read.get(1));
        let (version, changed): (i32, chrono::DateTime<chrono::Utc>) = (read.get(2), read.get(3));
        let ids = [uuid::Uuid::now_v7(), uuid::Uuid::now_v7()];
        let work = async |tx: &tenancy::SharedTx| {
            let row =
                tx.query_one(START, &[&ids[0], &user, &membership, &version, &changed, &ids[1]]).await?;
            Ok::<bool, tenancy::DbError>(row.get(0))
        };
        database.write_shared(tenancy::SharedScope::Public, work).await
    };
    assert!(start().await.unwrap());
    owner.execute("UPDATE shared.users SET password_changed_at = now()", &[]).await.unwrap();
    assert!(!start().await.unwrap());
}
