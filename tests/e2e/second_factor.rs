//! The second factor: set up, given at each sign-in, required by a business, and lost. And proving once more
//! who one is.

use harness::browser::{Browser, authorize, claims_of};
use harness::{Client, Mailbox, PASSWORD, Program, Reply, TestApp, token_in};
use serde_json::{Value, json};
use totp_rs::{Builder, Secret};

/// Digits of the authenticator app with this secret, so many half minutes from now.
pub fn digits(secret: &str, steps: i64) -> String {
    let secret = Secret::try_from_base32(secret).unwrap();
    let totp = Builder::new().with_secret(secret).with_account_name("x").build().unwrap();
    let moment = chrono::Utc::now().timestamp() + steps * 30;
    totp.generate(u64::try_from(moment).unwrap()).to_string()
}

/// Sets up a second factor. Returns the secret and the recovery codes.
pub async fn enrol(member: &Client<'_>) -> (String, Vec<String>) {
    let begun = member.post("/api/v1/auth/second-factor", &json!({"currentPassword": PASSWORD})).await;
    assert_eq!(begun.status, 200, "{begun:?}");
    let secret = begun.body["secret"].as_str().unwrap().to_owned();
    let confirm = json!({"code": digits(&secret, -1)});
    let confirmed = member.post("/api/v1/auth/second-factor/confirm", &confirm).await;
    assert_eq!(confirmed.status, 200, "{confirmed:?}");
    let codes = confirmed.body["recoveryCodes"].as_array().unwrap();
    (secret, codes.iter().map(|code| code.as_str().unwrap().to_owned()).collect())
}

async fn sign_in(client: &Client<'_>, email: &str, code: Option<&str>) -> Reply {
    client.post("/api/v1/auth/login", &json!({"email": email, "password": PASSWORD, "code": code})).await
}

async fn refreshed<'a>(client: &Client<'a>, signed_in: &Reply) -> (Client<'a>, Value) {
    let token = json!({"refreshToken": signed_in.body["refreshToken"]});
    let reply = client.post("/api/v1/auth/refresh", &token).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    (client.with_token(reply.body["accessToken"].as_str()), reply.body)
}

#[tokio::test]
async fn a_second_factor_is_set_up_given_once_and_turned_off() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let email = "owner@acme.test";
    let other = app.signed_in(acme.tenant.clone(), email).await;
    let begin = async |body: Value| acme.post("/api/v1/auth/second-factor", &body).await;
    assert_eq!(begin(json!({"currentPassword": "wrong"})).await.status, 422);
    let begun = begin(json!({"currentPassword": PASSWORD})).await.body;
    let uri = begun["uri"].as_str().unwrap();
    assert!(uri.starts_with("otpauth://totp/Tenantry:owner%40acme.test?"), "{uri}");
    assert!(begun["qrCode"].as_str().unwrap().contains("<svg"), "{begun}");
    // It counts once it is confirmed.
    assert_eq!(sign_in(&acme, email, None).await.status, 200);
    let confirm = |code: &str| json!({"code": code});
    let wrong = acme.post("/api/v1/auth/second-factor/confirm", &confirm("000000")).await;
    assert_eq!((wrong.status, &wrong.body["errors"][0]["pointer"]), (422, &json!("/code")), "{wrong:?}");
    let (secret, recovery) = enrol(&acme).await;
    assert_eq!(recovery.len(), 10);
    // The answer may have been lost.
    let again = acme.post("/api/v1/auth/second-factor/confirm", &confirm(&digits(&secret, 0))).await;
    assert_eq!(again.code(), "second_factor_enabled");
    assert_eq!(begin(json!({"currentPassword": PASSWORD})).await.code(), "second_factor_enabled");
    assert_eq!(other.until(401).await.status, 401, "other sessions end");
    assert_eq!(acme.get("/api/v1/products").await.status, 200, "this one goes on");
    let shown = acme.get("/api/v1/auth/second-factor").await.body;
    assert_eq!((&shown["isEnabled"], &shown["recoveryCodesLeft"]), (&json!(true), &json!(10)));

    let refused = async |code: Option<&str>| {
        let reply = sign_in(&acme, email, code).await;
        (reply.status, reply.code().to_owned())
    };
    assert_eq!(refused(None).await, (401, "second_factor_required".to_owned()));
    for code in ["000000", "", "12345", "abcd-efgh-ijkm-npqr", "\u{660}\u{661}\u{662}\u{663}\u{664}\u{665}"] {
        assert_eq!(refused(Some(code)).await, (401, "second_factor_wrong".to_owned()), "{code}");
    }
    // Without the password, nobody learns that there is one.
    let stranger = json!({"email": email, "password": "wrong", "code": digits(&secret, 0)});
    assert_eq!(acme.post("/api/v1/auth/login", &stranger).await.code(), "invalid_credentials");
    let now = digits(&secret, 0);
    let signed_in = sign_in(&acme, email, Some(&format!("{} {}", &now[..3], &now[3..]))).await;
    assert_eq!((signed_in.status, &signed_in.body["membership"]["secondFactor"]), (200, &json!("given")));
    let claims = claims_of(signed_in.body["accessToken"].as_str().unwrap());
    assert_eq!((&claims["amr"], &claims["acr"]), (&json!(["pwd", "otp", "mfa"]), &json!("given")));
    assert_eq!(refused(Some(&now)).await.1, "second_factor_wrong", "no digits are used twice");
    assert_eq!(refused(Some(&digits(&secret, -1))).await.1, "second_factor_wrong", "nor older ones");
    let code = recovery[0].to_uppercase().replace('-', " ");
    assert_eq!(sign_in(&acme, email, Some(&code)).await.status, 200);
    assert_eq!(refused(Some(&recovery[0])).await.1, "second_factor_wrong", "a recovery code is valid once");
    // Somebody who knows the password alone does not change it, and gets no other codes.
    let change = json!({"email": email, "password": PASSWORD, "newPassword": "kijani mlima nyota saba"});
    assert_eq!(acme.post("/api/v1/auth/login", &change).await.code(), "second_factor_required");
    let both = |code: &str| json!({"currentPassword": PASSWORD, "code": code});
    let path = "/api/v1/auth/second-factor";
    assert_eq!(acme.post(&format!("{path}/recovery-codes"), &both("000000")).await.status, 422);
    let renewed = acme.post(&format!("{path}/recovery-codes"), &both(&recovery[1])).await;
    assert_eq!(renewed.status, 200, "{renewed:?}");
    assert_eq!(refused(Some(&recovery[2])).await.1, "second_factor_wrong", "former codes are worth nothing");
    let code = renewed.body["recoveryCodes"][0].as_str().unwrap();
    assert_eq!(acme.post(&format!("{path}/disable"), &both(code)).await.status, 204);
    assert_eq!(acme.post(&format!("{path}/disable"), &both("000000")).await.code(), "no_second_factor");
    assert_eq!(sign_in(&acme, email, None).await.status, 200);
    // No table holds the secret or a code.
    let (secret, _) = enrol(&acme).await;
    let owner = app.database.as_owner().await;
    let bytes = Secret::try_from_base32(&secret).unwrap();
    let row = owner.query_one("SELECT sealed_secret FROM shared.authenticators", &[]).await.unwrap();
    let sealed: Vec<u8> = row.get(0);
    assert!(!sealed.windows(8).any(|part| bytes.as_bytes().windows(8).any(|plain| plain == part)));
    let events = acme.get("/api/v1/auth/events").await.body.to_string();
    for action in ["second_factor.enabled", "second_factor.removed", "second_factor.codes_renewed"] {
        assert!(events.contains(action), "{action}: {events}");
    }
    assert!(!events.contains(&secret));
}

#[tokio::test]
async fn codes_cannot_be_guessed_by_somebody_who_knows_the_password() {
    let app = TestApp::start_with("[identity]\nfailures_per_account = 5").await;
    let acme = app.tenant("acme").await;
    let (secret, _) = enrol(&acme).await;
    let mut statuses = Vec::new();
    for number in 0..20 {
        // The right password, without a code, forgets no wrong code.
        sign_in(&acme, "owner@acme.test", None).await;
        let code = format!("{number:06}");
        statuses.push(sign_in(&acme, "owner@acme.test", Some(&code)).await.status);
    }
    assert!(statuses[..5].iter().all(|status| *status == 401), "{statuses:?}");
    assert!(statuses[7..].contains(&429), "{statuses:?}");
    let waiting = sign_in(&acme, "owner@acme.test", Some(&digits(&secret, 0))).await;
    assert_eq!((waiting.status, waiting.code()), (429, "too_many_attempts"), "{waiting:?}");
    assert!(!waiting.header("retry-after").is_empty());
}

#[tokio::test]
async fn one_code_at_once_signs_in_once() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (secret, recovery) = enrol(&acme).await;
    for code in [digits(&secret, 0), recovery[0].clone()] {
        let all = (0..8).map(|_| sign_in(&acme, "owner@acme.test", Some(&code))).collect();
        let replies = harness::join_all(all).await;
        let count = replies.iter().filter(|reply| reply.status == 200).count();
        assert_eq!(count, 1, "{code}: {replies:?}");
    }
}

#[tokio::test]
async fn a_business_requires_it_of_a_role() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    app.member_with("ann@acme.test", &acme.tenant, &["MANAGER"]).await;
    let signed_in = sign_in(&acme, "ann@acme.test", None).await;
    let ann = acme.with_token(signed_in.body["accessToken"].as_str());
    assert_eq!(ann.get("/api/v1/products").await.status, 200);
    let path = "/api/v1/second-factor-roles";
    let wanted = json!({"roles": [{"app": "inventory", "role": "MANAGER"}]});
    assert_eq!(ann.put(path, &wanted).await.status, 403);
    let unknown = json!({"roles": [{"app": "inventory", "role": "NOBODY"}]});
    assert_eq!(acme.put(path, &unknown).await.status, 422);
    let set = acme.put(path, &wanted).await;
    assert_eq!((set.status, &set.body), (200, &wanted), "{set:?}");
    assert_eq!(acme.get(path).await.body, wanted);
    // It takes effect at once: the session goes on, without permissions, until there is a second factor.
    assert_eq!(ann.until(401).await.code(), "roles_changed");
    let (ann, body) = refreshed(&ann, &signed_in).await;
    assert_eq!(body["membership"]["secondFactor"], "to_enrol", "{body}");
    assert_eq!(body["membership"]["permissions"], json!([]));
    assert_eq!(ann.get("/api/v1/products").await.code(), "second_factor_to_enrol");
    let (secret, _) = enrol(&ann).await;
    let (ann, body) = refreshed(&ann, &Reply { body, ..signed_in }).await;
    assert_eq!(body["membership"]["secondFactor"], "given", "{body}");
    assert_eq!(ann.get("/api/v1/products").await.status, 200);
    // Who turns it off has no permissions any more.
    let off = json!({"currentPassword": PASSWORD, "code": digits(&secret, 0)});
    assert_eq!(ann.post("/api/v1/auth/second-factor/disable", &off).await.status, 204);
    assert_eq!(ann.until(401).await.code(), "roles_changed");
    assert_eq!(sign_in(&acme, "ann@acme.test", None).await.body["membership"]["permissions"], json!([]));
    // Other roles, and other businesses, need none.
    assert_eq!(acme.get("/api/v1/products").await.status, 200);
    assert_eq!(acme.put(path, &json!({"roles": []})).await.status, 200);
    let again = sign_in(&acme, "ann@acme.test", None).await;
    assert_eq!(again.body["membership"]["secondFactor"], "unneeded", "{again:?}");
}

#[tokio::test]
async fn what_gives_access_to_others_needs_a_recent_proof() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let signed_in = sign_in(&acme, "owner@acme.test", None).await;
    let (owner, _) = refreshed(&acme, &signed_in).await;
    let database = app.database.as_owner().await;
    // The session is twenty minutes old.
    const OLDER: &str = "UPDATE shared.sessions SET authenticated_at = created_at - interval '20 minutes'";
    database.execute(OLDER, &[]).await.unwrap();
    let signed_in = sign_in(&acme, "owner@acme.test", None).await;
    database.execute(OLDER, &[]).await.unwrap();
    drop(owner);
    let (owner, body) = refreshed(&acme, &signed_in).await;
    let key = json!({"name": "Shop", "permissions": ["stock.read"]});
    let role = json!({"name": "Buyer", "permissions": ["catalogue.read"]});
    let invitation = json!({"email": "guest@acme.test", "roles": ["STAFF"]});
    for (method, path, body) in [
        ("POST", "/api/v1/api-keys", Some(&key)),
        ("PUT", "/api/v1/roles/inventory/buyer", Some(&role)),
        ("POST", "/api/v1/invitations", Some(&invitation)),
        ("GET", "/api/v1/auth/export", None),
        ("GET", "/api/v1/auth-events?format=csv", None),
        ("PATCH", "/api/v1/settings", Some(&json!({"operatorAccess": "none"}))),
    ] {
        let refused = owner.send(method, path, body).await;
        assert_eq!((refused.status, refused.code()), (401, "step_up_required"), "{path}: {refused:?}");
        let challenge = refused.header("www-authenticate");
        assert!(
            challenge.contains("insufficient_user_authentication") && challenge.contains("max_age"),
            "{challenge}"
        );
    }
    // Everything else goes on.
    assert_eq!(owner.get("/api/v1/api-keys").await.status, 200);
    assert_eq!(owner.post("/api/v1/auth/step-up", &json!({"currentPassword": "wrong"})).await.status, 422);
    assert_eq!(owner.post("/api/v1/auth/step-up", &json!({"currentPassword": PASSWORD})).await.status, 204);
    assert_eq!(
        owner.post("/api/v1/api-keys", &key).await.code(),
        "step_up_required",
        "the token is still the old one"
    );
    let (owner, body) = refreshed(&acme, &Reply { body, ..signed_in }).await;
    assert_eq!(owner.post("/api/v1/api-keys", &key).await.status, 201);
    // Somebody with a second factor gives it, too.
    let (secret, _) = enrol(&owner).await;
    let proof = json!({"currentPassword": PASSWORD});
    assert_eq!(owner.post("/api/v1/auth/step-up", &proof).await.body["errors"][0]["pointer"], "/code");
    let proof = json!({"currentPassword": PASSWORD, "code": digits(&secret, 0)});
    assert_eq!(owner.post("/api/v1/auth/step-up", &proof).await.status, 204);
    drop(body);
}

#[tokio::test]
async fn a_browser_asks_for_it_and_apps_learn_of_it() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let staff = app.staff("super_admin").await;
    const BOOKS: &str = "https://books.example.com/callback";
    let new = json!({"id": "shop-books", "app": "inventory", "name": "Books", "redirectUris": [BOOKS],
                     "isPublic": true});
    assert_eq!(staff.post("/api/v1/platform/clients", &new).await.status, 201);
    let (secret, recovery) = enrol(&acme).await;
    let browser = Browser::new(&app);
    let open = authorize("shop-books", BOOKS, &[]);
    let page = browser.enter(&open, "owner@acme.test").await;
    assert_eq!((page.status, page.heading()), (200, "Enter your code"), "{page:?}");
    // The sign-on is worth nothing yet.
    assert_eq!(browser.open(&open).await.heading(), "Enter your code");
    let silent = authorize("shop-books", BOOKS, &[("prompt", "none")]);
    assert_eq!(browser.open(&silent).await.parameter("error"), "login_required");
    let wrong = browser.submit(&page.form(), &[("code", "000000")]).await;
    assert_eq!((wrong.status, wrong.heading()), (401, "Enter your code"), "{wrong:?}");
    let forged =
        browser.submit_from(Some("https://evil.example"), &page.form(), &[("code", &recovery[0])]).await;
    assert_eq!((forged.status, forged.left_for), (403, None));
    let left = browser.submit(&page.form(), &[("code", &digits(&secret, 0))]).await;
    let tokens = app.redeem("shop-books", BOOKS, &left.parameter("code")).await;
    let claims = claims_of(&tokens.text("id_token"));
    assert_eq!(
        (&claims["acr"], &claims["amr"]),
        (&json!("given"), &json!(["pwd", "otp", "mfa"])),
        "{claims}"
    );
    let books = acme.with_token(Some(&tokens.text("access_token")));
    assert_eq!(books.get("/api/v1/products").await.status, 200);
    // Whoever knows the password alone allows no program anything, and ends no sign-on with the factor.
    let foreign = json!({"id": "tax-filer", "app": "inventory", "name": "Tax", "redirectUris": [BOOKS],
                         "isPublic": true, "isForeign": true});
    assert_eq!(staff.post("/api/v1/platform/clients", &foreign).await.status, 201);
    let to_tax = authorize("tax-filer", BOOKS, &[("resource", "http://acme.localhost")]);
    let thief = Browser::new(&app);
    let page = thief.enter(&to_tax, "owner@acme.test").await;
    let allow = page.form().replace("/second-factor?", "/consent?");
    assert_eq!(thief.submit(&allow, &[("decision", "allow")]).await.heading(), "Enter your code");
    assert_eq!(browser.open(&to_tax).await.heading(), "Allow Tax?");
    for _ in 0..101 {
        Browser::new(&app).enter(&open, "owner@acme.test").await;
    }
    assert!(browser.open(&open).await.left_for.is_some());
    // The password again asks for the second factor again.
    let again = authorize("shop-books", BOOKS, &[("prompt", "login")]);
    assert_eq!(browser.enter(&again, "owner@acme.test").await.heading(), "Enter your code");
}

#[tokio::test]
async fn the_operator_removes_one_that_was_lost() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    enrol(&acme).await;
    let staff = app.staff("super_admin").await;
    let id = acme.get("/api/v1/auth/me").await.body["user"]["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/platform/users/{id}/reset-second-factor");
    assert_eq!(staff.post(&path, &json!({})).await.status, 204);
    assert_eq!(staff.post(&path, &json!({})).await.code(), "no_second_factor");
    assert_eq!(acme.until(401).await.status, 401, "all sessions end");
    let acme = app.signed_in(acme.tenant.clone(), "owner@acme.test").await;
    enrol(&acme).await;
    let ran = Program::beside(&app).run(&["user", "reset-second-factor", "owner@acme.test"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(sign_in(&acme, "owner@acme.test", None).await.status, 200);
    let logged = staff.get("/api/v1/platform/audit").await.body.to_string();
    assert_eq!(logged.matches("user.second_factor_reset").count(), 2, "{logged}");
}

#[tokio::test]
async fn a_mailed_link_stands_for_no_second_factor_and_changes_are_told_by_mail() {
    let (mailbox, app) = Mailbox::with_app().await;
    let (acme, zenith) = (app.tenant("acme").await, app.tenant("zenith").await);
    let email = "owner@acme.test";
    let (_, recovery) = enrol(&acme).await;
    let told = mailbox.read(&app).await;
    assert!(told.len() == 1 && told[0].contains("To: owner@acme.test"), "{told:?}");
    assert!(told[0].contains("You turned on a second factor"), "{}", told[0]);
    let invitation = json!({"email": email, "roles": ["STAFF"]});
    assert_eq!(zenith.post("/api/v1/invitations", &invitation).await.status, 201);
    let token = token_in(&mailbox.read(&app).await[0]);
    let host = app.stranger("zenith.localhost");
    let accepted = host.post("/api/v1/auth/invitations/accept", &json!({"token": token})).await;
    // Nobody learns from the answer that there is a second factor, nor uses the account without it.
    assert_eq!(accepted.body["membership"]["secondFactor"], "unneeded", "{accepted:?}");
    let claims = claims_of(accepted.body["accessToken"].as_str().unwrap());
    assert_eq!((&claims["amr"], &claims["auth_time"]), (&Value::Null, &Value::Null), "{claims}");
    let (member, _) = refreshed(&host, &accepted).await;
    assert_eq!(member.get("/api/v1/products").await.status, 200);
    for path in ["/api/v1/auth/profile", "/api/v1/auth/sessions", "/api/v1/auth/second-factor"] {
        assert_eq!(member.get(path).await.code(), "step_up_required", "{path}");
    }
    let step_up = async |code: Option<&str>| {
        member.post("/api/v1/auth/step-up", &json!({"currentPassword": PASSWORD, "code": code})).await
    };
    assert_eq!(step_up(None).await.body["errors"][0]["pointer"], "/code");
    // It does not grow with the roles of the member, who is more than the invitation said.
    let second = json!({"email": "bob@acme.test", "roles": ["STAFF"]});
    assert_eq!(zenith.post("/api/v1/invitations", &second).await.status, 201);
    let link =
        json!({"token": token_in(&mailbox.read(&app).await[0]), "password": "kijani mlima nyota saba"});
    let bob = host.post("/api/v1/auth/invitations/accept", &link).await;
    let session = host.with_token(bob.body["accessToken"].as_str());
    assert_eq!(session.get("/api/v1/products").await.status, 200);
    let found = zenith.get("/api/v1/users?q=bob").await.body["data"][0]["memberships"][0]["id"].clone();
    let path = format!("/api/v1/memberships/{}", found.as_str().unwrap());
    assert_eq!(zenith.put(&path, &json!({"roles": ["OWNER"]})).await.status, 200);
    session.until(401).await;
    let next = json!({"refreshToken": bob.body["refreshToken"]});
    assert_eq!(host.post("/api/v1/auth/refresh", &next).await.status, 401);
    // It ends with the factor that it never gave.
    let off = json!({"currentPassword": PASSWORD, "code": recovery[0]});
    assert_eq!(acme.post("/api/v1/auth/second-factor/disable", &off).await.status, 204);
    assert_eq!(member.until(401).await.status, 401);
    let told = mailbox.read(&app).await.join("\n");
    assert!(told.contains("A recovery code was used") && told.contains("was turned off"), "{told}");
}

#[tokio::test]
async fn a_refused_password_uses_no_code_up() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (_, recovery) = enrol(&acme).await;
    let change = |new: &str| {
        let email = "owner@acme.test";
        json!({"email": email, "password": PASSWORD, "newPassword": new, "code": recovery[0]})
    };
    assert_eq!(acme.post("/api/v1/auth/login", &change("short")).await.code(), "weak_password");
    let changed = acme.post("/api/v1/auth/login", &change("kijani mlima nyota saba")).await;
    assert_eq!(changed.status, 200, "{changed:?}");
}

#[tokio::test]
async fn an_account_is_deleted_with_its_second_factor() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    app.member_with("ann@acme.test", &acme.tenant, &["STAFF"]).await;
    let ann = app.signed_in(acme.tenant.clone(), "ann@acme.test").await;
    let (_, recovery) = enrol(&ann).await;
    let delete = |code: Option<&str>| json!({"currentPassword": PASSWORD, "code": code});
    for code in [None, Some("000000")] {
        let refused = ann.post("/api/v1/auth/delete", &delete(code)).await;
        assert_eq!((refused.status, &refused.body["errors"][0]["pointer"]), (422, &json!("/code")));
    }
    assert_eq!(ann.post("/api/v1/auth/delete", &delete(Some(&recovery[0]))).await.status, 204);
    const LEFT: &str = "
        SELECT (SELECT count(*) FROM shared.authenticators) + (SELECT count(*) FROM shared.recovery_codes)";
    let owner = app.database.as_owner().await;
    assert_eq!(owner.query_one(LEFT, &[]).await.unwrap().get::<_, i64>(0), 0);
}

#[tokio::test]
async fn what_is_required_binds_whoever_acts_in_a_role() {
    let app = TestApp::start_with("[identity]\nstaff_need_second_factor = true").await;
    let acme = app.tenant("acme").await;
    let path = "/api/v1/second-factor-roles";
    let (_, recovery) = enrol(&acme).await;
    let wanted = json!({"roles": [{"app": "inventory", "role": "OWNER"}]});
    let signed_in = sign_in(&acme, "owner@acme.test", Some(&recovery[0])).await;
    let acme_owner = acme.with_token(signed_in.body["accessToken"].as_str());
    assert_eq!(acme_owner.put(path, &wanted).await.status, 200);
    let signed_in = sign_in(&acme, "owner@acme.test", Some(&recovery[1])).await;
    let acme_owner = acme.with_token(signed_in.body["accessToken"].as_str());
    // Somebody with fewer permissions does not weaken how the owners sign in.
    let role = json!({"name": "HR", "permissions": ["team.manage"]});
    assert_eq!(acme_owner.put("/api/v1/roles/inventory/hr", &role).await.status, 201);
    app.member_with("hr@acme.test", &acme.tenant, &["hr"]).await;
    let hr = app.signed_in(acme.tenant.clone(), "hr@acme.test").await;
    let refused = hr.put(path, &json!({"roles": []})).await;
    assert_eq!((refused.status, refused.code()), (403, "above_own_permissions"), "{refused:?}");
    let twice = json!({"roles": [{"app": "inventory", "role": "HR"}, {"app": "inventory", "role": "HR"},
                                 {"app": "inventory", "role": "OWNER"}]});
    assert_eq!(hr.put(path, &twice).await.body["roles"].as_array().unwrap().len(), 2);
    // The operator requires it of the staff, and a business of whoever acts as its owner.
    let staff = app.staff("super_admin").await;
    assert_eq!(staff.get("/api/v1/platform/tenants").await.code(), "second_factor_to_enrol");
    let (_, recovery) = enrol(&staff).await;
    let email = "super-admin@platform.test";
    let signed_in = sign_in(&staff, email, Some(&recovery[0])).await;
    let staff = staff.with_token(signed_in.body["accessToken"].as_str());
    let start = format!("/api/v1/platform/tenants/{}/impersonations", acme.tenant.id);
    let how = json!({"reason": "Ticket 7"});
    let started = staff.post(&start, &how).await;
    assert_eq!(started.status, 201, "{started:?}");
    let claims = claims_of(started.body["accessToken"].as_str().unwrap());
    assert_eq!(
        (&claims["amr"], &claims["acr"], &claims["auth_time"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    let database = app.database.as_owner().await;
    database.execute("UPDATE shared.sessions SET second_factor_at = NULL", &[]).await.unwrap();
    assert_eq!(staff.post(&start, &how).await.code(), "second_factor_to_enrol");
}

#[tokio::test]
async fn a_program_gets_the_scope_that_the_person_has() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let staff = app.staff("super_admin").await;
    const BOOKS: &str = "https://books.example.com/callback";
    let new = json!({"id": "shop-books", "app": "inventory", "name": "Books", "redirectUris": [BOOKS],
                     "isPublic": true});
    assert_eq!(staff.post("/api/v1/platform/clients", &new).await.status, 201);
    app.member_with("ann@acme.test", &acme.tenant, &["MANAGER"]).await;
    let browser = Browser::new(&app);
    let open = authorize("shop-books", BOOKS, &[("scope", "openid account stock.read")]);
    let left = browser.enter(&open, "ann@acme.test").await;
    let first = app.redeem("shop-books", BOOKS, &left.parameter("code")).await;
    assert!(first.text("scope").contains("stock.read"), "{first:?}");
    let wanted = json!({"roles": [{"app": "inventory", "role": "MANAGER"}]});
    assert_eq!(acme.put("/api/v1/second-factor-roles", &wanted).await.status, 200);
    let refresh = async |token: String| {
        let form =
            [("grant_type", "refresh_token"), ("refresh_token", token.as_str()), ("client_id", "shop-books")];
        app.ask_provider("/oauth/token", None, &form).await
    };
    let tokens = refresh(first.text("refresh_token")).await;
    let claims = claims_of(&tokens.text("access_token"));
    assert_eq!((&claims["acr"], &claims["scope"]), (&json!("to_enrol"), &tokens.body["scope"]), "{claims}");
    assert!(!tokens.text("scope").contains("stock.read"), "{tokens:?}");
    // A program of the operator can set it up with the person.
    let program = acme.with_token(Some(&tokens.text("access_token")));
    assert_eq!(program.get("/api/v1/stock").await.code(), "second_factor_to_enrol");
    enrol(&program).await;
    // Later, the program learns what it can do: it never gets the password.
    const OLDER: &str = "UPDATE shared.sessions SET authenticated_at = created_at - interval '20 minutes'";
    app.database.as_owner().await.execute(OLDER, &[]).await.unwrap();
    let next = refresh(tokens.text("refresh_token")).await;
    let program = acme.with_token(Some(&next.text("access_token")));
    assert_eq!(program.get("/api/v1/stock").await.status, 200, "it has the factor now");
    let refused = program.get("/api/v1/auth/export").await;
    assert_eq!(refused.code(), "step_up_required");
    assert!(refused.body["detail"].as_str().unwrap().ends_with("with max_age=900."), "{refused:?}");
}
