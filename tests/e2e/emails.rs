//! Emails of accounts: confirmed, and changed with the consent of both addresses.

use harness::{Client, Mailbox, PASSWORD, Reply, TestApp, token_in};
use serde_json::{Value, json};

async fn confirm(client: &Client<'_>, token: &str) -> Reply {
    client.post("/api/v1/auth/email/confirm", &json!({"token": token})).await
}

async fn change(client: &Client<'_>, email: &str) -> Reply {
    let body = json!({"newEmail": email, "currentPassword": PASSWORD});
    client.post("/api/v1/auth/email/change", &body).await
}

async fn email(client: &Client<'_>) -> Value {
    client.get("/api/v1/auth/profile").await.body["email"].clone()
}

#[tokio::test]
async fn an_email_is_confirmed_by_a_mailed_link_once() {
    let (mailbox, app) = Mailbox::with_app().await;
    let acme = app.tenant("acme").await;
    assert_eq!(acme.get("/api/v1/auth/profile").await.body["emailVerified"], json!(false));
    assert_eq!(acme.post("/api/v1/auth/email/verify", &json!({})).await.status, 202);
    let sent = mailbox.read(&app).await;
    assert!(sent[0].contains("/confirm-email#token=") && sent[0].contains("24 hours"), "{}", sent[0]);
    let stranger = app.stranger("acme.localhost");
    assert_eq!(confirm(&stranger, "x").await.code(), "invalid_link");
    let token = token_in(&sent[0]);
    assert_eq!(confirm(&stranger, &token).await.body, json!({"status": "verified"}));
    assert_eq!(acme.get("/api/v1/auth/profile").await.body["emailVerified"], json!(true));
    assert_eq!(confirm(&stranger, &token).await.code(), "invalid_link");
    // The token is of use for nothing else.
    acme.post("/api/v1/auth/email/verify", &json!({})).await;
    let token = token_in(&mailbox.read(&app).await[0]);
    let reset = json!({"token": token, "newPassword": "kijani mlima nyota saba"});
    assert_eq!(acme.post("/api/v1/auth/password/reset", &reset).await.code(), "invalid_link");
    let quiet = TestApp::start().await;
    let zenith = quiet.tenant("zenith").await;
    assert_eq!(zenith.post("/api/v1/auth/email/verify", &json!({})).await.code(), "no_mail");
}

#[tokio::test]
async fn a_new_email_is_confirmed_at_both_addresses() {
    let (mailbox, app) = Mailbox::with_app().await;
    let (acme, _zenith) = (app.tenant("acme").await, app.tenant("zenith").await);
    let stranger = app.stranger("acme.localhost");
    let wrong = json!({"newEmail": "new@acme.test", "currentPassword": "not it at all"});
    assert_eq!(acme.post("/api/v1/auth/email/change", &wrong).await.code(), "wrong_password");
    assert_eq!(change(&acme, "Owner@acme.test").await.code(), "invalid_value");
    assert_eq!(change(&acme, "no address").await.code(), "invalid_value");
    // In either order; nothing is changed before both are used.
    assert_eq!(change(&acme, "new@acme.test").await.status, 202);
    let sent = mailbox.read(&app).await;
    assert!(sent[0].contains("To: owner@acme.test") && sent[0].contains("new@acme.test"), "{}", sent[0]);
    assert!(sent[1].contains("To: new@acme.test"), "{}", sent[1]);
    let (old, new) = (token_in(&sent[0]), token_in(&sent[1]));
    // A link for the password, which was mailed to the former address, dies with the change.
    stranger.post("/api/v1/auth/password/forgot", &json!({"email": "owner@acme.test"})).await;
    let reset = token_in(&mailbox.read(&app).await[0]);
    assert_eq!(confirm(&stranger, &new).await.body, json!({"status": "waiting"}));
    assert_eq!(email(&acme).await, "owner@acme.test");
    assert_eq!(confirm(&stranger, &new).await.code(), "invalid_link");
    assert_eq!(confirm(&stranger, &old).await.body, json!({"status": "changed"}));
    assert_eq!(email(&acme).await, "new@acme.test");
    let body = json!({"token": reset, "newPassword": "kijani mlima nyota saba"});
    assert_eq!(stranger.post("/api/v1/auth/password/reset", &body).await.code(), "invalid_link");
    let notices = mailbox.read(&app).await;
    assert_eq!(notices.len(), 2);
    assert!(notices.iter().all(|mail| mail.contains("is now new@acme.test")), "{notices:?}");
    let login = |email: &str| json!({"email": email, "password": PASSWORD});
    assert_eq!(stranger.post("/api/v1/auth/login", &login("new@acme.test")).await.status, 200);
    let former = stranger.post("/api/v1/auth/login", &login("owner@acme.test")).await;
    assert_eq!(former.code(), "invalid_credentials");

    // A second wish replaces the first one.
    assert_eq!(change(&acme, "first@acme.test").await.status, 202);
    let first = mailbox.read(&app).await;
    assert_eq!(change(&acme, "second@acme.test").await.status, 202);
    let second = mailbox.read(&app).await;
    for mail in &first {
        assert_eq!(confirm(&stranger, &token_in(mail)).await.code(), "invalid_link");
    }
    assert_eq!(confirm(&stranger, &token_in(&second[0])).await.body, json!({"status": "waiting"}));
    // Somebody else takes the address in the meantime.
    app.member_with("second@acme.test", &acme.tenant, &["STAFF"]).await;
    assert_eq!(confirm(&stranger, &token_in(&second[1])).await.code(), "email_taken");
    assert_eq!(email(&acme).await, "new@acme.test");
    // Nobody learns that an address is taken, but its user.
    let taken = change(&acme, "owner@zenith.test").await;
    let free = change(&acme, "nobody@zenith.test").await;
    assert_eq!((taken.status, &taken.body), (free.status, &free.body));
    change(&acme, "owner@zenith.test").await;
    let sent = mailbox.read(&app).await;
    let to_taken: Vec<&String> = sent.iter().filter(|mail| mail.contains("To: owner@zenith.test")).collect();
    assert!(!to_taken.is_empty() && to_taken.iter().all(|mail| !mail.contains("#token=")), "{to_taken:?}");

    // A person with a username alone gets an email with the consent of that address.
    let new = json!({"username": "ana", "password": PASSWORD, "roles": ["STAFF"]});
    let made = acme.post("/api/v1/users", &new).await;
    assert_eq!(made.status, 201, "{made:?}");
    let login = json!({"username": "ana", "password": PASSWORD});
    let signed_in = stranger.post("/api/v1/auth/login", &login).await.body;
    let ana = stranger.with_token(signed_in["accessToken"].as_str());
    assert_eq!(ana.post("/api/v1/auth/email/verify", &json!({})).await.status, 409);
    assert_eq!(change(&ana, "ana@acme.test").await.status, 202);
    let sent = mailbox.read(&app).await;
    assert_eq!(sent.len(), 1);
    assert_eq!(confirm(&stranger, &token_in(&sent[0])).await.body, json!({"status": "changed"}));
    assert_eq!(email(&ana).await, "ana@acme.test");
    // From now on, the account is her own.
    let id = made.body["id"].as_str().unwrap();
    let reset = acme.post(&format!("/api/v1/users/{id}/reset-password"), &json!({})).await;
    assert_eq!(reset.code(), "not_own_account");
    // A new password ends a change that somebody with the former one has begun.
    mailbox.read(&app).await;
    assert_eq!(change(&acme, "thief@evil.test").await.status, 202);
    let sent = mailbox.read(&app).await;
    let body = json!({"currentPassword": PASSWORD, "newPassword": "kijani mlima nyota saba"});
    assert_eq!(acme.post("/api/v1/auth/password/change", &body).await.status, 204);
    for mail in sent {
        assert_eq!(confirm(&stranger, &token_in(&mail)).await.code(), "invalid_link");
    }
    // A deleted person leaves no address behind, also not in mails to the former one.
    let body = json!({"currentPassword": PASSWORD});
    assert_eq!(ana.post("/api/v1/auth/delete", &body).await.status, 204);
    let owner = app.database.as_owner().await;
    for table in ["mails", "invitations", "email_changes", "user_logins"] {
        let sql = format!("SELECT count(*) FROM shared.{table} t WHERE to_jsonb(t)::text LIKE '%ana@acme%'");
        assert_eq!(owner.query_one(&sql, &[]).await.unwrap().get::<_, i64>(0), 0, "{table}");
    }
}
