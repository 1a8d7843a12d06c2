//! Identities elsewhere that are linked to accounts: by their person or by an email, used, and unlinked.

use harness::browser::claims_of;
use harness::{Mailbox, PASSWORD, Program, TestApp, TestIssuer, join_all, token_in};
use serde_json::json;

use crate::external_issuers::{EMAIL, link, link_with, linked, sign_in, with_issuer};

#[tokio::test]
async fn an_identity_is_linked_used_and_unlinked() {
    let issuer = TestIssuer::start().await;
    let mailbox = Mailbox::new();
    let app = TestApp::start_with(&format!("{}{}", mailbox.settings(), issuer.settings(""))).await;
    let acme = app.tenant("acme").await;
    mailbox.read(&app).await;
    let stranger = app.stranger("acme.localhost");
    let id = linked(&acme, &issuer, "ann").await;
    let mail = mailbox.read(&app).await.concat();
    assert!(mail.contains("linked to an account at Elsewhere"), "{mail}");

    let mut claims = issuer.claims("ann", "ann@new.test");
    claims["auth_time"] = json!(chrono::Utc::now().timestamp() - 3600);
    let token = issuer.sign(&issuer.header(), &claims);
    let entered = sign_in(&stranger, &token).await;
    assert_eq!(entered.status, 200, "{entered:?}");
    let member = stranger.with_token(entered.body["accessToken"].as_str());
    let access = claims_of(entered.body["accessToken"].as_str().unwrap());
    assert_eq!((&access["auth_time"], access.get("amr")), (&claims["auth_time"], None), "{access}");
    // The person proved who they are an hour ago.
    let refused = member.get("/api/v1/auth/export").await;
    assert_eq!((refused.status, refused.code()), (401, "step_up_required"), "{refused:?}");
    let step_up = json!({"currentPassword": PASSWORD});
    assert_eq!(member.post("/api/v1/auth/step-up", &step_up).await.status, 204);
    let token_of_refresh = json!({"refreshToken": entered.body["refreshToken"]});
    let refreshed = stranger.post("/api/v1/auth/refresh", &token_of_refresh).await;
    let member = stranger.with_token(refreshed.body["accessToken"].as_str());
    assert_eq!(member.get("/api/v1/auth/export").await.status, 200);
    // A session alone links nothing.
    let another = issuer.token("another", "x@y.test");
    for (proof, pointer) in
        [(json!({}), "/currentPassword"), (json!({"currentPassword": "x"}), "/currentPassword")]
    {
        let refused = link_with(&member, &another, proof).await;
        assert_eq!(
            (refused.status, &refused.body["errors"][0]["pointer"]),
            (422, &json!(pointer)),
            "{refused:?}"
        );
    }
    assert_eq!(link(&member, &another).await.status, 201);

    let listed = acme.get("/api/v1/auth/external-identities").await.body["data"].clone();
    assert_eq!(listed[0]["subject"], "another");
    assert_eq!(
        (&listed[1]["id"], &listed[1]["email"], &listed[1]["issuerLabel"]),
        (&json!(id), &json!("ann@new.test"), &json!("Elsewhere"))
    );
    assert!(listed[1]["lastUsedAt"].is_string() && listed[0]["lastUsedAt"].is_null(), "{listed}");
    let exported = acme.get("/api/v1/auth/export").await.body;
    assert_eq!(exported["externalIdentities"].as_array().unwrap().len(), 2, "{exported}");

    // Nobody else unlinks it.
    let path = format!("/api/v1/auth/external-identities/{id}");
    let other = app.member_of(&acme.tenant, "STAFF").await;
    assert_eq!(other.delete(&path).await.status, 404);
    mailbox.read(&app).await;
    assert_eq!(acme.delete(&path).await.status, 204);
    assert_eq!(acme.delete(&path).await.status, 404);
    let mail = mailbox.read(&app).await.concat();
    assert!(mail.contains("no longer linked to an account at Elsewhere"), "{mail}");
    // The sessions that began with it have ended, and no other.
    assert_eq!(member.until(401).await.code(), "session_ended");
    assert_eq!(acme.get("/api/v1/auth/me").await.status, 200);
    let refused = sign_in(&stranger, &issuer.token("ann", "ann@new.test")).await;
    assert_eq!((refused.status, refused.code()), (401, "identity_unknown"), "{refused:?}");

    // It may be linked again: to this account, or to another.
    linked(&other, &issuer, "ann").await;
    let taken = link(&acme, &issuer.token("ann", "ann@new.test")).await;
    assert_eq!((taken.status, taken.code()), (409, "identity_taken"), "{taken:?}");
    let events = acme.get("/api/v1/auth/events").await.body["data"].clone();
    let count =
        |action: &str| events.as_array().unwrap().iter().filter(|event| event["action"] == action).count();
    assert_eq!((count("identity.linked"), count("identity.unlinked")), (2, 1), "{events}");
    let ended = events.as_array().unwrap().iter().find(|event| event["action"] == "session.ended").unwrap();
    assert_eq!(ended["details"], json!({"reason": "identity_unlinked"}), "{events}");
}

#[tokio::test]
async fn the_operator_sees_and_unlinks_identities() {
    let (app, issuer) = with_issuer("").await;
    let acme = app.tenant("acme").await;
    let (one, other) = (linked(&acme, &issuer, "ann").await, linked(&acme, &issuer, "ann2").await);
    let staff = app.staff("super_admin").await;
    let me = acme.get("/api/v1/auth/me").await.body["user"]["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/platform/users/{me}/external-identities");
    let listed = staff.get(&path).await.body["data"].clone();
    assert_eq!(listed.as_array().unwrap().len(), 2, "{listed}");
    assert_eq!(staff.delete(&format!("{path}/{one}")).await.status, 204);
    assert_eq!(staff.delete(&format!("{path}/{one}")).await.status, 404);
    let program = Program::beside(&app);
    let shown = program.run(&["user", "identities", EMAIL]);
    assert!(shown.code == Some(0) && shown.out.contains("ann2") && !shown.out.contains(&one), "{shown:?}");
    let unlinked = program.run(&["user", "identities", EMAIL, "--unlink", &other]);
    assert!(unlinked.code == Some(0), "{unlinked:?}");
    let again = program.run(&["user", "identities", EMAIL, "--unlink", &other]);
    assert!(again.code != Some(0) && again.err.contains("no such identity"), "{again:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_identity_belongs_to_one_account() {
    let (app, issuer) = with_issuer("").await;
    let acme = app.tenant("acme").await;
    let other = app.member_of(&acme.tenant, "STAFF").await;
    let tokens: Vec<String> = (0..8).map(|_| issuer.token("ann", EMAIL)).collect();
    let tries =
        tokens.iter().enumerate().map(|(n, token)| link(if n % 2 == 0 { &acme } else { &other }, token));
    let replies = join_all(tries.collect()).await;
    let linked =
        |first: usize| replies.iter().skip(first).step_by(2).filter(|reply| reply.status == 201).count();
    let (ours, theirs) = (linked(0), linked(1));
    assert!([(4, 0), (0, 4)].contains(&(ours, theirs)), "{replies:?}");
    assert!(replies.iter().all(|reply| [201, 409].contains(&reply.status)), "{replies:?}");
    // An account has ten at most.
    for n in 0..10 {
        link(&acme, &issuer.token(&format!("more-{n}"), EMAIL)).await;
    }
    let refused = link(&acme, &issuer.token("eleventh", EMAIL)).await;
    assert_eq!((refused.status, refused.code()), (409, "too_many_identities"), "{refused:?}");
}

#[tokio::test]
async fn a_verified_email_links_an_account_once() {
    let (app, issuer) = with_issuer("link_by_email = true").await;
    let acme = app.tenant("acme").await;
    let stranger = app.stranger("acme.localhost");
    let owner = app.database.as_owner().await;
    let verify = async |email: &str, at: &str| {
        let verify = format!("UPDATE shared.user_logins SET verified_at = {at} WHERE value = '{email}'");
        owner.execute(&verify, &[]).await.unwrap();
    };
    let refused = async |token: &str, why: &str| {
        let reply = sign_in(&stranger, token).await;
        assert_eq!((reply.status, reply.code()), (401, "identity_unknown"), "{why}: {reply:?}");
    };
    verify(EMAIL, "NULL").await;
    refused(&issuer.token("ann", EMAIL), "not verified here").await;
    verify(EMAIL, "now()").await;
    let mut unverified = issuer.claims("ann", EMAIL);
    unverified["email_verified"] = json!(false);
    refused(&issuer.sign(&issuer.header(), &unverified), "not verified there").await;
    let entered = sign_in(&stranger, &issuer.token("ann", "OWNER@acme.test")).await;
    assert_eq!(entered.status, 200, "{entered:?}");
    // The link is by the name of the person from now on: the email may get another owner there.
    assert_eq!(sign_in(&stranger, &issuer.token("ann", "new@elsewhere.test")).await.status, 200);
    refused(&issuer.token("heir", EMAIL), "another person with the email").await;
    let listed = acme.get("/api/v1/auth/external-identities").await.body["data"].clone();
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["subject"]), (1, &json!("ann")), "{listed}");
    // Unlinked is unlinked.
    let path = format!("/api/v1/auth/external-identities/{}", listed[0]["id"].as_str().unwrap());
    assert_eq!(acme.delete(&path).await.status, 204);
    refused(&issuer.token("ann", EMAIL), "unlinked").await;

    // No email links the platform's staff, a closed account, or nobody. A link from before is of no use.
    app.staff("super_admin").await;
    verify("super-admin@platform.test", "now()").await;
    let platform = app.stranger("admin.localhost");
    let reply = sign_in(&platform, &issuer.token("boss", "super-admin@platform.test")).await;
    assert_eq!((reply.status, reply.code()), (401, "identity_unknown"), "{reply:?}");
    let later = async || sign_in(&stranger, &issuer.token("later", "later@acme.test")).await;
    app.member_with("later@acme.test", &acme.tenant, &["STAFF"]).await;
    verify("later@acme.test", "now()").await;
    assert_eq!(later().await.status, 200);
    app.member_of_app("later@acme.test", "platform", None, &["support"]).await;
    assert_eq!(later().await.code(), "identity_unknown");
    let later_member = app.signed_in(acme.tenant.clone(), "later@acme.test").await;
    linked(&later_member, &issuer, "later").await;
    assert_eq!(later().await.status, 200, "linked by the person");
    refused(&issuer.token("nobody", "nobody@acme.test"), "no account").await;
    app.member_with("bob@acme.test", &acme.tenant, &["STAFF"]).await;
    verify("bob@acme.test", "now()").await;
    const CLOSE: &str = "
        UPDATE shared.users SET status = 'disabled'
         WHERE id = (SELECT user_id FROM shared.user_logins WHERE value = 'bob@acme.test')";
    owner.execute(CLOSE, &[]).await.unwrap();
    refused(&issuer.token("bob", "bob@acme.test"), "a closed account").await;
    // Somebody who is no member there learns so, as with the right password.
    app.member_with("eve@other.test", &app.onboard("other", "x@other.test").await, &["STAFF"]).await;
    verify("eve@other.test", "now()").await;
    let reply = sign_in(&stranger, &issuer.token("eve", "eve@other.test")).await;
    assert_eq!((reply.status, reply.code()), (403, "no_membership"), "{reply:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_email_links_one_identity_also_at_once() {
    let (app, issuer) = with_issuer("link_by_email = true").await;
    let acme = app.tenant("acme").await;
    let owner = app.database.as_owner().await;
    owner.execute("UPDATE shared.user_logins SET verified_at = now()", &[]).await.unwrap();
    let stranger = app.stranger("acme.localhost");
    let tokens: Vec<String> = (0..6).map(|n| issuer.token(&format!("ann-{n}"), EMAIL)).collect();
    let replies = join_all(tokens.iter().map(|token| sign_in(&stranger, token)).collect()).await;
    assert_eq!(replies.iter().filter(|reply| reply.status == 200).count(), 1, "{replies:?}");
    assert!(replies.iter().all(|reply| [200, 401].contains(&reply.status)), "{replies:?}");
    let listed = acme.get("/api/v1/auth/external-identities").await.body["data"].clone();
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
}

#[tokio::test]
async fn an_account_that_is_taken_back_has_no_identities() {
    let issuer = TestIssuer::start().await;
    let mailbox = Mailbox::new();
    let app = TestApp::start_with(&format!("{}{}", mailbox.settings(), issuer.settings(""))).await;
    let acme = app.tenant("acme").await;
    let stranger = app.stranger("acme.localhost");
    let enters = async |subject: &str| sign_in(&stranger, &issuer.token(subject, EMAIL)).await.status;
    // The person changes the password, and goes on.
    linked(&acme, &issuer, "ann").await;
    let change = json!({"currentPassword": PASSWORD, "newPassword": "kijani mlima nyota saba"});
    assert_eq!(acme.post("/api/v1/auth/password/change", &change).await.status, 204);
    assert_eq!(enters("ann").await, 200);
    // A mailed link takes the account back.
    mailbox.read(&app).await;
    stranger.post("/api/v1/auth/password/forgot", &json!({"email": EMAIL})).await;
    let token = token_in(&mailbox.read(&app).await.concat());
    let reset = json!({"token": token, "newPassword": PASSWORD});
    assert_eq!(stranger.post("/api/v1/auth/password/reset", &reset).await.status, 204);
    assert_eq!(enters("ann").await, 401);
    // So does the operator, and a business for an account of its own.
    let acme = app.signed_in(acme.tenant.clone(), EMAIL).await;
    linked(&acme, &issuer, "ann").await;
    let set = Program::beside(&app)
        .run_with_input(&["user", "reset-password", EMAIL, "--password-stdin"], PASSWORD);
    assert_eq!(set.code, Some(0), "{set:?}");
    assert_eq!(enters("ann").await, 401);
    let acme = app.signed_in(acme.tenant.clone(), EMAIL).await;
    let cashier = json!({"username": "bea", "password": PASSWORD, "roles": ["STAFF"]});
    let made = acme.post("/api/v1/users", &cashier).await;
    assert_eq!(made.status, 201, "{made:?}");
    let login = json!({"username": "bea", "password": PASSWORD});
    let bea = stranger.post("/api/v1/auth/login", &login).await;
    let bea = stranger.with_token(bea.body["accessToken"].as_str());
    assert_eq!(link(&bea, &issuer.token("bea", "bea@elsewhere.test")).await.status, 201);
    assert_eq!(enters("bea").await, 200);
    let path = format!("/api/v1/users/{}/reset-password", made.body["id"].as_str().unwrap());
    let set = acme.post(&path, &json!({"password": PASSWORD})).await;
    assert_eq!(set.status, 200, "{set:?}");
    assert_eq!(enters("bea").await, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_identity_is_linked_while_an_account_is_taken_back() {
    let (app, issuer) = with_issuer("").await;
    let acme = app.tenant("acme").await;
    let mut owner = app.database.as_owner().await;
    app.member_with("bob@acme.test", &acme.tenant, &["STAFF"]).await;
    for close in ["password_changed_at = now()", "status = 'disabled'"] {
        let bob = app.signed_in(acme.tenant.clone(), "bob@acme.test").await;
        // Whoever takes it back is about to commit, while a thief links.
        let taking = owner.transaction().await.unwrap();
        const BOB: &str = "(SELECT user_id FROM shared.user_logins WHERE value = 'bob@acme.test')";
        taking.execute(&format!("UPDATE shared.users SET {close} WHERE id = {BOB}"), &[]).await.unwrap();
        let token = issuer.token("bob", "bob@acme.test");
        let (reply, ()) = tokio::join!(link(&bob, &token), async {
            app.database.until_a_lock_is_awaited().await;
            let end = format!(
                "UPDATE shared.sessions SET revoked_at = now(), revoked_reason = 'taken_back'
                  WHERE user_id = {BOB} AND revoked_at IS NULL"
            );
            taking.execute(&end, &[]).await.unwrap();
            taking.commit().await.unwrap();
        });
        assert_eq!(reply.status, 401, "{reply:?}");
    }
    let linked: i64 =
        owner.query_one("SELECT count(*) FROM shared.external_identities", &[]).await.unwrap().get(0);
    assert_eq!(linked, 0);
}

#[tokio::test]
async fn a_business_that_ended_sessions_wants_a_newer_proof() {
    let (app, issuer) = with_issuer("").await;
    let acme = app.tenant("acme").await;
    let bob = app.member_of(&acme.tenant, "STAFF").await;
    linked(&bob, &issuer, "bob").await;
    let stranger = app.stranger("acme.localhost");
    let before = issuer.claims("bob", EMAIL);
    let me = bob.get("/api/v1/auth/me").await.body["user"]["id"].as_str().unwrap().to_owned();
    assert_eq!(acme.delete(&format!("/api/v1/users/{me}/sessions")).await.status, 204);
    // A lost device gets new ID tokens without asking anybody: of the old proof, or of none.
    let mut silent = before.clone();
    silent["auth_time"] = json!(before["auth_time"].as_i64().unwrap() - 5);
    let mut mute = before;
    mute.as_object_mut().unwrap().remove("auth_time");
    for claims in [silent, mute] {
        let refused = sign_in(&stranger, &issuer.sign(&issuer.header(), &claims)).await;
        assert_eq!((refused.status, refused.code()), (401, "sign_in_again"), "{refused:?}");
    }
    let mut again = issuer.claims("bob", EMAIL);
    again["auth_time"] = json!(chrono::Utc::now().timestamp() + 2);
    assert_eq!(sign_in(&stranger, &issuer.sign(&issuer.header(), &again)).await.status, 200);
}

#[tokio::test]
async fn without_leave_no_email_links_an_account() {
    let (app, issuer) = with_issuer("").await;
    app.tenant("acme").await;
    let owner = app.database.as_owner().await;
    owner.execute("UPDATE shared.user_logins SET verified_at = now()", &[]).await.unwrap();
    let reply = sign_in(&app.stranger("acme.localhost"), &issuer.token("ann", EMAIL)).await;
    assert_eq!((reply.status, reply.code()), (401, "identity_unknown"), "{reply:?}");
    // Who tries again and again must wait, wherever.
    let mut last = reply;
    for _ in 0..12 {
        last = sign_in(&app.stranger("acme.localhost"), &issuer.token("ann", EMAIL)).await;
    }
    assert_eq!((last.status, last.code()), (429, "too_many_attempts"), "{last:?}");
}

#[tokio::test]
async fn nothing_of_a_deleted_account_stays_linked() {
    let (app, issuer) = with_issuer("").await;
    let acme = app.tenant("acme").await;
    let other = app.member_of(&acme.tenant, "STAFF").await;
    linked(&other, &issuer, "ann").await;
    let deleted = other.post("/api/v1/auth/delete", &json!({"currentPassword": PASSWORD})).await;
    assert_eq!(deleted.status, 204, "{deleted:?}");
    let owner = app.database.as_owner().await;
    let left: i64 =
        owner.query_one("SELECT count(*) FROM shared.external_identities", &[]).await.unwrap().get(0);
    assert_eq!(left, 0);
    linked(&acme, &issuer, "ann").await;
}
