//! The log of authentication events: what businesses, people and the platform read of it.

use harness::{PASSWORD, TestApp};
use serde_json::{Value, json};

fn actions(reply: &harness::Reply) -> Vec<String> {
    assert_eq!(reply.status, 200, "{reply:?}");
    let data = reply.body["data"].as_array().unwrap();
    data.iter().map(|event| event["action"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_business_reads_what_happened_to_its_accounts() {
    let app = TestApp::start().await;
    let (acme, zenith) = (app.tenant("acme").await, app.tenant("zenith").await);
    app.member_with("ann@acme.test", &acme.tenant, &["STAFF"]).await;
    let ann = app.signed_in(acme.tenant.clone(), "ann@acme.test").await;
    let id = ann.get("/api/v1/auth/me").await.body["user"]["id"].as_str().unwrap().to_owned();
    let wrong = json!({"email": "ann@acme.test", "password": "not it", "device": "=cmd|'/c calc'!A1"});
    assert_eq!(acme.with("user-agent", "@evil").post("/api/v1/auth/login", &wrong).await.status, 401);
    let nobody = json!({"email": "nobody@acme.test", "password": "secret-of-nobody"});
    assert_eq!(acme.post("/api/v1/auth/login", &nobody).await.status, 401);
    assert_eq!(ann.post("/api/v1/auth/logout", &json!({})).await.status, 204);

    let mine = acme.get("/api/v1/auth-events").await;
    assert_eq!(
        actions(&mine),
        [
            "session.ended",
            "session.started",
            "session.started",
            "session.started",
            "member.added",
            "user.created",
            "session.started",
            "member.added",
            "user.created"
        ],
    );
    let failed = acme.get(&format!("/api/v1/auth-events?userId={id}&failed=true")).await.body["data"].clone();
    assert_eq!(failed.as_array().unwrap().len(), 1);
    let failed = &failed[0];
    assert_eq!(
        (&failed["failure"], &failed["userName"]),
        (&json!("wrong_password"), &json!("ann@acme.test"))
    );
    assert_eq!((&failed["actorId"], &failed["address"]), (&Value::Null, &json!("127.0.0.1")), "{failed}");
    let ended = acme.get("/api/v1/auth-events?action=session.ended").await.body["data"][0].clone();
    assert_eq!((&ended["actorId"], &ended["details"]), (&json!(id), &json!({"reason": "signed_out"})));
    let added = acme.get("/api/v1/auth-events?action=member.added&limit=1").await.body;
    assert_eq!(added["data"][0]["details"], json!({"roles": ["STAFF"]}));
    assert!(added["nextCursor"].is_string());
    let next =
        format!("/api/v1/auth-events?action=member.added&cursor={}", added["nextCursor"].as_str().unwrap());
    assert_eq!(actions(&acme.get(&next).await), ["member.added"]);
    let at = ended["occurredAt"].as_str().unwrap();
    assert_eq!(actions(&acme.get(&format!("/api/v1/auth-events?from={at}")).await), ["session.ended"]);
    assert_eq!(actions(&acme.get(&format!("/api/v1/auth-events?until={at}")).await).len(), 8);
    assert_eq!(actions(&acme.get("/api/v1/auth-events?address=192.0.2.7").await), [""; 0]);
    for query in ["action=all", "address=x", "from=yesterday", "format=xml", "failed=maybe", "who=x"] {
        assert_eq!(
            acme.get(&format!("/api/v1/auth-events?{query}")).await.code(),
            "invalid_query",
            "{query}"
        );
    }
    // Nothing that was typed as a password, and no token, is in the log.
    let text = mine.body.to_string();
    for secret in ["secret-of-nobody", "not it", PASSWORD, "trt_", "nobody@acme.test"] {
        assert!(!text.contains(secret), "{secret}");
    }
    // Another business reads its own log, and a person reads theirs.
    assert_eq!(actions(&zenith.get("/api/v1/auth-events").await).len(), 3);
    let other = format!("/api/v1/auth-events?tenantId={}", acme.tenant.id);
    assert_eq!(actions(&zenith.get(&other).await), [""; 0]);
    let ann = app.signed_in(acme.tenant.clone(), "ann@acme.test").await;
    let own = ann.get("/api/v1/auth/events?limit=3").await;
    assert_eq!(actions(&own), ["session.started", "session.ended", "session.started"]);
    assert_eq!(ann.get("/api/v1/auth-events").await.code(), "permission_denied");
    // The platform reads all of them.
    let staff = app.staff("support").await;
    let of_acme = format!("/api/v1/platform/auth-events?tenantId={}&failed=true", acme.tenant.id);
    assert_eq!(actions(&staff.get(&of_acme).await).len(), 2);
    let all = staff.get("/api/v1/platform/auth-events?limit=100").await;
    assert!(actions(&all).len() > 12);
    assert!(all.body.to_string().contains("\"operator\":\"test\""));

    // As a table, texts that others wrote run no formula.
    let table = acme.get("/api/v1/auth-events?format=csv").await;
    let (kind, name) = (table.header("content-type"), table.header("content-disposition"));
    assert_eq!(kind, "text/csv; charset=utf-8");
    assert!(name.contains("authentication-events.csv"), "{name}");
    let text = table.body.as_str().unwrap();
    assert!(text.starts_with("\"id\",\"occurredAt\",\"action\""), "{text}");
    assert!(text.contains("'=cmd|") && text.contains("'@evil"), "{text}");
    assert_eq!(text.lines().count(), 11);
    let empty = acme.get("/api/v1/auth-events?format=csv&address=192.0.2.7").await;
    assert_eq!(empty.body.as_str().unwrap().lines().count(), 1);
}

#[tokio::test]
async fn a_long_log_is_exported_whole() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    const FILL: &str = "
        INSERT INTO shared.auth_events (id, occurred_at, tenant_id, action, details)
        SELECT gen_random_uuid(), now(), $1, 'session.started', '{}' FROM generate_series(1, 3500)";
    let tenant: uuid::Uuid = acme.tenant.id.into();
    app.database.as_owner().await.execute(FILL, &[&tenant]).await.unwrap();
    let table = acme.get("/api/v1/auth-events?format=csv").await;
    let text = table.body.as_str().unwrap();
    let mut ids: Vec<&str> = text.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect();
    let read = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((read, ids.len()), (3503, 3503));
    // Whoever serves requests can add to the log, and change nothing in it.
    let server = app.database.as_server().await;
    for sql in ["UPDATE shared.auth_events SET failure = 'x'", "DELETE FROM shared.auth_events"] {
        let refused = server.batch_execute(&format!("SET ROLE tenantry_shared; {sql}")).await.unwrap_err();
        assert_eq!(refused.code(), Some(&tokio_postgres::error::SqlState::INSUFFICIENT_PRIVILEGE), "{sql}");
    }
    let owner = app.database.as_owner().await;
    assert!(owner.execute("UPDATE shared.auth_events SET failure = 'x'", &[]).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_of_a_business_names_neither_strangers_nor_the_platform_s_staff() {
    let app = TestApp::start().await;
    let (acme, zenith) = (app.tenant("acme").await, app.tenant("zenith").await);
    let staff = app.staff("super_admin").await;
    let wrong = |email: &str| json!({"email": email, "password": "not it"});
    for email in ["owner@zenith.test", "super-admin@platform.test", "nobody@acme.test"] {
        assert_eq!(acme.post("/api/v1/auth/login", &wrong(email)).await.status, 401);
    }
    // The right password, but no membership here.
    let stranger = json!({"email": "owner@zenith.test", "password": PASSWORD});
    assert_eq!(acme.post("/api/v1/auth/login", &stranger).await.code(), "no_membership");
    let failed = acme.get("/api/v1/auth-events?failed=true").await.body["data"].clone();
    assert_eq!(failed.as_array().unwrap().len(), 4);
    assert!(failed.as_array().unwrap().iter().all(|event| event["userId"].is_null()), "{failed}");
    // The person reads it in their own log, and the platform in its own.
    let own = zenith.get("/api/v1/auth/events").await.body["data"].clone();
    assert_eq!((&own[0]["failure"], &own[0]["tenantId"]), (&json!("no_membership"), &Value::Null), "{own}");
    assert_eq!(own[1]["failure"], json!("wrong_password"));

    // The operator acts.
    app.member_with("ann@acme.test", &acme.tenant, &["STAFF"]).await;
    let ann = app.signed_in(acme.tenant.clone(), "ann@acme.test").await;
    let member = acme.get("/api/v1/users?q=ann").await.body["data"][0].clone();
    let path = format!("/api/v1/platform/memberships/{}", member["memberships"][0]["id"].as_str().unwrap());
    let from_desk = staff.with("user-agent", "StaffBrowser");
    assert_eq!(from_desk.put(&path, &json!({"roles": ["MANAGER"]})).await.status, 200);
    let of_business =
        acme.get("/api/v1/auth-events?action=member.roles_changed").await.body["data"][0].clone();
    let ann = {
        drop(ann);
        app.signed_in(acme.tenant.clone(), "ann@acme.test").await
    };
    let of_person = ann.get("/api/v1/auth/events").await.body["data"][1].clone();
    for event in [&of_business, &of_person] {
        assert_eq!(
            (&event["operator"], &event["action"]),
            (&json!("operator"), &json!("member.roles_changed"))
        );
        for field in ["actorId", "actorName", "address", "userAgent", "device"] {
            assert_eq!(event[field], Value::Null, "{field}: {event}");
        }
    }
    let id = staff.get("/api/v1/auth/me").await.body["user"]["id"].clone();
    for query in
        [format!("userId={}", id.as_str().unwrap()), "address=127.0.0.1&action=member.roles_changed".into()]
    {
        assert_eq!(actions(&acme.get(&format!("/api/v1/auth-events?{query}")).await), [""; 0], "{query}");
    }
    let all =
        staff.get("/api/v1/platform/auth-events?action=member.roles_changed").await.body["data"][0].clone();
    assert_eq!((&all["actorId"], &all["userAgent"]), (&id, &json!("StaffBrowser")), "{all}");
    // A colleague acts: the person does not learn from where.
    let path = format!("/api/v1/memberships/{}", member["memberships"][0]["id"].as_str().unwrap());
    assert_eq!(acme.put(&path, &json!({"roles": ["STAFF"]})).await.status, 200);
    let ann = app.signed_in(acme.tenant.clone(), "ann@acme.test").await;
    let of_person = ann.get("/api/v1/auth/events").await.body["data"][1].clone();
    assert_eq!((&of_person["address"], &of_person["userAgent"]), (&Value::Null, &Value::Null), "{of_person}");
    for query in ["from=-4713-01-01T00:00:00Z", "until=-200000-01-01T00:00:00Z", "from=2026-01-01"] {
        let refused = acme.get(&format!("/api/v1/auth-events?{query}")).await;
        assert_eq!(refused.code(), "invalid_query", "{query}");
        assert!(refused.body["detail"].as_str().unwrap().contains("2026-11-25T09:30:00Z"), "{refused:?}");
    }
}
