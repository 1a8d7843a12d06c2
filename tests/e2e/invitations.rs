//! Invitations: mailed, sent again, revoked and accepted.

use harness::{Business, Client, Mailbox, PASSWORD, Program, Reply, TestApp, join_all, token_in};
use serde_json::{Value, json};

const OWN: &str = "kijani mlima nyota saba";

async fn invite(business: &Business<'_>, email: &str, roles: &[&str]) -> Reply {
    business.post("/api/v1/invitations", &json!({"email": email, "roles": roles})).await
}

async fn accept(host: &Client<'_>, token: &str, password: Option<&str>) -> Reply {
    let body = json!({"token": token, "password": password, "fullName": "Ann Smith"});
    host.post("/api/v1/auth/invitations/accept", &body).await
}

async fn status(business: &Business<'_>, invitation: &Value) -> Value {
    let path = format!("/api/v1/invitations/{}", invitation["id"].as_str().unwrap());
    business.get(&path).await.body["status"].clone()
}

/// The shape of a document: its fields without their values.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(name, value)| (name.clone(), shape(value))).collect())
        }
        Value::Array(items) => json!([items.first().map(shape)]),
        _ => Value::Null,
    }
}

#[tokio::test]
async fn an_invitation_makes_a_member_once_whether_or_not_the_person_is_known() {
    let (mailbox, app) = Mailbox::with_app().await;
    let (acme, zenith) = (app.tenant("acme").await, app.tenant("zenith").await);
    app.member_with("known@zenith.test", &zenith.tenant, &["STAFF"]).await;
    let host = app.stranger("acme.localhost");
    let unknown = invite(&acme, "New@Acme.test", &["STAFF"]).await;
    let known = invite(&acme, "known@zenith.test", &["STAFF"]).await;
    assert_eq!((unknown.status, shape(&unknown.body)), (201, shape(&known.body)), "{unknown:?}");
    assert_eq!(unknown.header("location").len(), known.header("location").len());
    let sent = mailbox.read(&app).await;
    assert!(sent[0].contains("To: new@acme.test") && sent[0].contains("acme Ltd invites you"), "{}", sent[0]);
    assert!(sent[0].contains("Inventory") && sent[0].contains("Staff") && sent[0].contains("7 days"));
    assert!(sent[0].contains("http://acme.localhost:") && sent[0].contains("/invitation#token="));
    let tokens = [token_in(&sent[0]), token_in(&sent[1])];
    // No table holds the token.
    let owner = app.database.as_owner().await;
    let rows =
        owner.query("SELECT row(i, m)::text FROM shared.invitations i, shared.mails m", &[]).await.unwrap();
    assert!(rows.iter().all(|row| !row.get::<_, String>(0).contains(&tokens[0])));

    // Nobody is a member before the link is used, and the link is of no use elsewhere.
    assert_eq!(acme.get("/api/v1/users").await.body["data"].as_array().unwrap().len(), 1);
    for stranger in [app.stranger("zenith.localhost"), app.stranger("admin.localhost")] {
        assert_eq!(accept(&stranger, &tokens[0], Some(OWN)).await.code(), "invalid_link");
    }
    assert_eq!(accept(&host, "x", Some(OWN)).await.code(), "invalid_link");
    for token in &tokens {
        assert_eq!(accept(&host, token, Some("short")).await.code(), "weak_password");
    }
    let replies = [accept(&host, &tokens[0], Some(OWN)).await, accept(&host, &tokens[1], Some(OWN)).await];
    assert_eq!((replies[0].status, replies[1].status), (200, 200), "{replies:?}");
    assert_eq!(shape(&replies[0].body), shape(&replies[1].body));
    for (reply, password) in replies.iter().zip([OWN, PASSWORD]) {
        let member = host.with_token(reply.body["accessToken"].as_str());
        assert_eq!(member.get("/api/v1/products").await.status, 200);
        // A link opens the business. The account itself is up to whoever knows the password.
        assert_eq!(member.get("/api/v1/auth/profile").await.code(), "step_up_required");
        let proof = json!({"currentPassword": password});
        assert_eq!(member.post("/api/v1/auth/step-up", &proof).await.status, 204);
        let next = json!({"refreshToken": reply.body["refreshToken"]});
        let next = host.post("/api/v1/auth/refresh", &next).await;
        let member = host.with_token(next.body["accessToken"].as_str());
        assert_eq!(member.get("/api/v1/auth/profile").await.body["emailVerified"], json!(true));
    }
    // The new person has the password, and the other one keeps theirs, and their name.
    let sign_in = async |host: &Client<'_>, email: &str, password: &str| {
        host.post("/api/v1/auth/login", &json!({"email": email, "password": password})).await
    };
    assert_eq!(sign_in(&host, "new@acme.test", OWN).await.status, 200);
    assert_eq!(sign_in(&host, "known@zenith.test", OWN).await.code(), "invalid_credentials");
    let before = sign_in(&host, "known@zenith.test", PASSWORD).await;
    assert_eq!((before.status, &before.body["user"]["fullName"]), (200, &Value::Null), "{before:?}");
    assert_eq!(sign_in(&app.stranger("zenith.localhost"), "known@zenith.test", PASSWORD).await.status, 200);
    // A link works once.
    for token in &tokens {
        assert_eq!(accept(&host, token, Some(OWN)).await.code(), "invalid_link");
    }
    assert_eq!(status(&acme, &known.body).await, "accepted");
    assert_eq!(invite(&acme, "known@zenith.test", &["STAFF"]).await.code(), "already_member");
    let path = format!("/api/v1/invitations/{}", known.body["id"].as_str().unwrap());
    assert_eq!(acme.delete(&path).await.code(), "invitation_ended");
    let actions = acme.get("/api/v1/auth-events?action=invitation.accepted").await.body["data"].clone();
    assert_eq!(actions.as_array().unwrap().len(), 2);
    let log = acme.get("/api/v1/auth-events?limit=100").await.body.to_string();
    assert!(!log.contains(&tokens[0]) && !log.contains(OWN));
}

#[tokio::test]
async fn an_invitation_is_sent_again_revoked_and_expires() {
    let (mailbox, app) = Mailbox::with_app().await;
    let acme = app.tenant("acme").await;
    let host = app.stranger("acme.localhost");
    let made = invite(&acme, "ann@acme.test", &["STAFF", "STAFF"]).await.body;
    assert_eq!(made["roles"], json!(["STAFF"]));
    let path = format!("/api/v1/invitations/{}", made["id"].as_str().unwrap());
    assert_eq!(invite(&acme, "ANN@acme.test", &["MANAGER"]).await.code(), "already_invited");
    let first = token_in(&mailbox.read(&app).await[0]);
    let again = acme.post(&format!("{path}/resend"), &json!({})).await;
    assert_eq!(again.status, 200, "{again:?}");
    let second = token_in(&mailbox.read(&app).await[0]);
    assert_eq!(accept(&host, &first, None).await.code(), "invalid_link");
    // A mail that waits when the invitation is revoked is not sent.
    acme.post(&format!("{path}/resend"), &json!({})).await;
    assert_eq!(acme.delete(&path).await.status, 204);
    assert!(mailbox.read(&app).await.is_empty());
    assert_eq!(accept(&host, &second, None).await.code(), "invalid_link");
    assert_eq!(status(&acme, &made).await, "revoked");
    assert_eq!(acme.post(&format!("{path}/resend"), &json!({})).await.code(), "invitation_ended");

    // An expired one can be sent again, or made anew.
    let made = invite(&acme, "ann@acme.test", &["STAFF"]).await.body;
    let late = token_in(&mailbox.read(&app).await[0]);
    let owner = app.database.as_owner().await;
    const AGE: &str =
        "UPDATE shared.invitations SET expires_at = now() - interval '1 second' WHERE revoked_at IS NULL";
    owner.execute(AGE, &[]).await.unwrap();
    assert_eq!(accept(&host, &late, None).await.code(), "invalid_link");
    assert_eq!(status(&acme, &made).await, "expired");
    let listed = acme.get("/api/v1/invitations?status=expired").await.body["data"].clone();
    assert_eq!(listed.as_array().unwrap().len(), 1);
    let path = format!("/api/v1/invitations/{}", made["id"].as_str().unwrap());
    assert_eq!(acme.post(&format!("{path}/resend"), &json!({})).await.body["status"], "pending");
    let link = token_in(&mailbox.read(&app).await[0]);
    owner.execute(AGE, &[]).await.unwrap();
    assert_eq!(invite(&acme, "ann@acme.test", &["STAFF"]).await.status, 201);
    assert_eq!(accept(&host, &link, None).await.code(), "invalid_link");
    // Twenty at the same time: one is accepted. Without a password, the account gets one by a mailed link.
    let link = token_in(&mailbox.read(&app).await[0]);
    let all = join_all((0..20).map(|_| accept(&host, &link, None)).collect()).await;
    assert_eq!(all.iter().filter(|reply| reply.status == 200).count(), 1, "{all:?}");
    assert!(all.iter().all(|reply| reply.status == 200 || reply.code() == "invalid_link"), "{all:?}");
    let login = json!({"email": "ann@acme.test", "password": ""});
    assert_eq!(host.post("/api/v1/auth/login", &login).await.code(), "invalid_credentials");
    host.post("/api/v1/auth/password/forgot", &json!({"email": "ann@acme.test"})).await;
    let reset = json!({"token": token_in(&mailbox.read(&app).await[0]), "newPassword": OWN});
    assert_eq!(host.post("/api/v1/auth/password/reset", &reset).await.status, 204);
    let login = json!({"email": "ann@acme.test", "password": OWN});
    assert_eq!(host.post("/api/v1/auth/login", &login).await.status, 200);
}

#[tokio::test]
async fn nobody_invites_to_more_than_they_have_also_later() {
    let (mailbox, app) = Mailbox::with_app().await;
    let acme = app.tenant("acme").await;
    let host = app.stranger("acme.localhost");
    let lead = json!({"name": "Lead", "permissions": ["team.manage", "catalogue.read"]});
    assert_eq!(acme.put("/api/v1/roles/inventory/lead", &lead).await.status, 201);
    app.member_with("lea@acme.test", &acme.tenant, &["lead"]).await;
    let lea = app.signed_in(acme.tenant.clone(), "lea@acme.test").await;
    assert_eq!(invite(&lea, "pal@acme.test", &["OWNER"]).await.code(), "above_own_permissions");
    assert_eq!(invite(&lea, "pal@acme.test", &["STAFF"]).await.code(), "above_own_permissions");
    assert_eq!(invite(&lea, "pal@acme.test", &["CHIEF"]).await.code(), "unknown_role");
    assert_eq!(invite(&lea, "pal@acme.test", &[]).await.code(), "missing_field");
    assert_eq!(invite(&lea, "pal@acme.test", &["lead"]).await.status, 201);
    assert_eq!(acme.delete("/api/v1/roles/inventory/lead").await.code(), "role_in_use");
    let link = token_in(&mailbox.read(&app).await[0]);
    // Lea is suspended before her friend accepts.
    let lead = acme.get("/api/v1/users?q=lea").await.body["data"][0]["memberships"][0]["id"].clone();
    let path = format!("/api/v1/memberships/{}", lead.as_str().unwrap());
    assert_eq!(acme.post(&format!("{path}/suspend"), &json!({})).await.status, 200);
    assert_eq!(accept(&host, &link, Some(OWN)).await.code(), "invalid_link");
    assert_eq!(acme.post(&format!("{path}/resume"), &json!({})).await.status, 200);
    assert_eq!(accept(&host, &link, Some(OWN)).await.status, 200);
    // Lea may not manage the team any more, whatever the roles contain.
    let nothing = json!({"name": "Nothing", "permissions": []});
    assert_eq!(acme.put("/api/v1/roles/inventory/nothing", &nothing).await.status, 201);
    let lea = app.signed_in(acme.tenant.clone(), "lea@acme.test").await;
    let made = invite(&lea, "empty@acme.test", &["nothing"]).await;
    assert_eq!(made.status, 201, "{made:?}");
    let link = token_in(&mailbox.read(&app).await[0]);
    assert_eq!(acme.put(&path, &json!({"roles": ["STAFF"]})).await.status, 200);
    assert_eq!(accept(&host, &link, Some(OWN)).await.code(), "invalid_link");
    assert_eq!(acme.delete(&path).await.status, 204);
    assert_eq!(accept(&host, &link, Some(OWN)).await.code(), "invalid_link");
    // An owner sends it again: from now on, it counts what the owner may give.
    let again = format!("/api/v1/invitations/{}/resend", made.body["id"].as_str().unwrap());
    assert_eq!(acme.post(&again, &json!({})).await.status, 200);
    let link = token_in(&mailbox.read(&app).await[0]);
    assert_eq!(accept(&host, &link, Some(OWN)).await.status, 200);
    for (body, code) in [
        (json!({"email": "x", "roles": ["STAFF"]}), "invalid_value"),
        (json!({"email": "x@y.test", "roles": ["STAFF"], "token": "x"}), "unknown_field"),
        (json!({"email": "x@y.test", "app": "platform", "roles": ["super_admin"]}), "unknown_app"),
        (json!({"roles": ["STAFF"]}), "missing_field"),
    ] {
        assert_eq!(acme.post("/api/v1/invitations", &body).await.code(), code, "{body}");
    }
    // A mailbox is not filled by sending again and again.
    let made = invite(&acme, "full@acme.test", &["STAFF"]).await.body;
    let path = format!("/api/v1/invitations/{}/resend", made["id"].as_str().unwrap());
    let mut last = acme.post(&path, &json!({})).await;
    for _ in 0..9 {
        last = acme.post(&path, &json!({})).await;
    }
    assert_eq!((last.status, last.code()), (429, "too_many_attempts"), "{last:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operator_invites_to_businesses_and_to_the_platform() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    // Without a mail server, a business cannot invite; the operator gets the link.
    let refused = invite(&acme, "ann@acme.test", &["STAFF"]).await;
    assert_eq!((refused.status, refused.code()), (409, "no_mail"));
    let program = Program::beside(&app);
    let run = |words: &str| program.run(&words.split(' ').collect::<Vec<_>>());
    let made = run("user invite ann@acme.test --tenant acme --role MANAGER");
    assert!(made.out.contains("://acme.localhost"), "{made:?}");
    let first = token_in(&made.out);
    let id = run("invitation list --tenant acme -o name").out.trim().to_owned();
    let again = token_in(&run(&format!("invitation resend {id}")).out);
    let host = app.stranger("acme.localhost");
    assert_eq!(accept(&host, &first, Some(OWN)).await.code(), "invalid_link");
    let accepted = accept(&host, &again, Some(OWN)).await;
    assert_eq!(accepted.body["membership"]["roles"], json!(["MANAGER"]), "{accepted:?}");
    assert_eq!(run("user invite ann@acme.test --tenant acme --role STAFF").code, Some(4));
    let staff = run("user invite ops@platform.test --platform --role support");
    let admin = app.stranger("admin.localhost");
    let accepted = accept(&admin, &token_in(&staff.out), Some(OWN)).await;
    let ops = admin.with_token(accepted.body["accessToken"].as_str());
    assert_eq!(ops.get("/api/v1/platform/tenants").await.status, 200, "{accepted:?}");
    assert_eq!(run("user invite bob@acme.test --tenant acme --role STAFF").code, Some(0));
    let id = run("invitation list --status pending -o name").out.trim().to_owned();
    assert_eq!(run(&format!("invitation revoke {id} --yes")).code, Some(0));
    assert_eq!(run(&format!("invitation revoke {id} --yes")).code, Some(4));
    assert_eq!(run(&format!("invitation revoke {} --yes", uuid::Uuid::now_v7())).code, Some(3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happens_to_people_before_they_accept_counts() {
    let (mailbox, app) = Mailbox::with_app().await;
    let (acme, zenith) = (app.tenant("acme").await, app.tenant("zenith").await);
    let host = app.stranger("acme.localhost");
    // One of the platform's staff invites friends, and is dismissed.
    let staff = app.staff("super_admin").await;
    let second = json!({"email": "second@platform.test", "roles": ["super_admin"]});
    assert_eq!(staff.post("/api/v1/platform/invitations", &second).await.status, 201);
    let admin = app.stranger("admin.localhost");
    accept(&admin, &token_in(&mailbox.read(&app).await[0]), Some(OWN)).await;
    let login = json!({"email": "second@platform.test", "password": OWN});
    let signed_in = admin.post("/api/v1/auth/login", &login).await;
    let second = admin.with_token(signed_in.body["accessToken"].as_str());
    for body in [
        json!({"email": "third@platform.test", "roles": ["super_admin"]}),
        json!({"email": "owner2@acme.test", "roles": ["OWNER"], "tenantId": acme.tenant.id}),
    ] {
        let sent = second.post("/api/v1/platform/invitations", &body).await;
        assert_eq!((sent.status, &sent.body["inviterId"]), (201, &Value::Null), "{sent:?}");
    }
    let links: Vec<String> = mailbox.read(&app).await.iter().map(|mail| token_in(mail)).collect();
    let found = staff.get("/api/v1/platform/users?q=second@platform").await.body["data"][0].clone();
    let path = format!("/api/v1/platform/users/{}/disable", found["id"].as_str().unwrap());
    assert_eq!(staff.post(&path, &json!({})).await.status, 200);
    assert_eq!(accept(&admin, &links[0], Some(OWN)).await.code(), "invalid_link");
    assert_eq!(accept(&host, &links[1], Some(OWN)).await.code(), "invalid_link");

    // A password that the operator made, and that was never used, is replaced by that of the person.
    let program = Program::beside(&app);
    let made = program.run(&[
        "user",
        "create",
        "--email",
        "mc@acme.test",
        "--tenant",
        "zenith",
        "--role",
        "STAFF",
        "-o",
        "json",
    ]);
    let made: Value = serde_json::from_str(&made.out).unwrap();
    assert_eq!(invite(&acme, "mc@acme.test", &["STAFF"]).await.status, 201);
    let link = token_in(&mailbox.read(&app).await[0]);
    assert_eq!(accept(&host, &link, None).await.status, 200);
    let first = json!({"email": "mc@acme.test", "password": made["password"]});
    assert_eq!(host.post("/api/v1/auth/login", &first).await.code(), "invalid_credentials");

    // The business does not learn who had an account.
    let log = acme.get("/api/v1/auth-events?limit=100").await.body["data"].clone();
    let created: Vec<&Value> =
        log.as_array().unwrap().iter().filter(|event| event["action"] == "user.created").collect();
    assert_eq!(created.len(), 1, "the owner alone: {log}");
    // Accounts that are made at the same moment with one address become one.
    for round in 0..6 {
        let email = format!("both-{round}@acme.test");
        assert_eq!(invite(&acme, &email, &["STAFF"]).await.status, 201);
        let link = token_in(&mailbox.read(&app).await[0]);
        let member =
            json!({"email": email, "roles": ["STAFF"], "tenantId": zenith.tenant.id, "password": OWN});
        let (accepted, added) =
            tokio::join!(accept(&host, &link, Some(OWN)), staff.post("/api/v1/platform/users", &member));
        assert_eq!(accepted.status, 200, "{accepted:?}");
        assert!(added.status == 201 || added.status == 409, "{added:?}");
    }
    // The former address of an account gets no session of it.
    app.member_with("old@acme.test", &zenith.tenant, &["STAFF"]).await;
    assert_eq!(invite(&acme, "old@acme.test", &["STAFF"]).await.status, 201);
    let link = token_in(&mailbox.read(&app).await[0]);
    let mut owner = app.database.as_owner().await;
    let change = owner.transaction().await.unwrap();
    const LOCK: &str = "
        SELECT u.id FROM shared.users u JOIN shared.user_logins l ON l.user_id = u.id
         WHERE l.value = 'old@acme.test' FOR UPDATE OF u";
    change.execute(LOCK, &[]).await.unwrap();
    const CHANGE: &str =
        "UPDATE shared.user_logins SET value = 'new@acme.test' WHERE value = 'old@acme.test'";
    change.execute(CHANGE, &[]).await.unwrap();
    let (reply, ()) = tokio::join!(accept(&host, &link, Some(OWN)), async {
        app.database.until_a_lock_is_awaited().await;
        change.commit().await.unwrap();
    });
    assert_eq!(reply.code(), "invalid_link", "{reply:?}");
}
