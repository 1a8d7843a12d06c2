//! Sign-up: people create businesses for themselves, with a mailed link and within limits.

use harness::{Client, Mailbox, PASSWORD, Program, Reply, TestApp, join_all, token_in};
use serde_json::{Value, json};

const SIGN_UPS: &str = "/api/v1/sign-ups";
const CONFIRM: &str = "/api/v1/sign-ups/confirm";

async fn with_sign_up(more: &str) -> (Mailbox, TestApp) {
    let mailbox = Mailbox::new();
    let settings = format!("{}[sign_up]\nenabled = true\n{more}", mailbox.settings());
    let app = TestApp::start_with(&settings).await;
    (mailbox, app)
}

fn asked(email: &str, slug: &str) -> Value {
    json!({"email": email, "slug": slug, "name": "Ann's <b>shop</b> at https://evil.test", "currency": "KES"})
}

async fn sign_up(platform: &Client<'_>, email: &str, slug: &str) -> Reply {
    platform.post(SIGN_UPS, &asked(email, slug)).await
}

async fn confirm(platform: &Client<'_>, token: &str, password: Option<&str>) -> Reply {
    platform.post(CONFIRM, &json!({"token": token, "fullName": "Ann Smith", "password": password})).await
}

async fn count(app: &TestApp, table: &str) -> i64 {
    let owner = app.database.as_owner().await;
    owner.query_one(&format!("SELECT count(*) FROM shared.{table}"), &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn a_person_creates_a_business_with_a_mailed_link() {
    let (mailbox, app) = with_sign_up("[licence]\nrequired = true\n").await;
    let platform = app.stranger("admin.localhost");
    assert_eq!(sign_up(&platform, "Ann@Shop.test", "ann-shop").await.status, 202);
    assert_eq!(count(&app, "tenants").await, 0, "nothing is created before the link is used");
    let mails = mailbox.read(&app).await;
    assert!(mails[0].contains("To: ann@shop.test") && mails[0].contains("ann-shop"), "{mails:?}");
    assert!(!mails[0].contains("evil.test"), "a stranger writes nothing to others: {mails:?}");
    let token = token_in(&mails[0]);
    let refused = confirm(&platform, &token, None).await;
    assert_eq!((refused.status, &refused.body["errors"][0]["pointer"]), (422, &json!("/password")));
    assert_eq!(confirm(&platform, &token, Some("ann@shop.test")).await.code(), "weak_password");
    let created = confirm(&platform, &token, Some(PASSWORD)).await;
    assert_eq!((created.status, &created.body["slug"]), (201, &json!("ann-shop")), "{created:?}");
    assert!(created.body["address"].as_str().unwrap().contains("ann-shop.localhost"), "{created:?}");
    // A person who did not get the answer asks again. The request creates nothing, with any content.
    let other = json!({"token": token, "slug": "another", "password": "a very different one"});
    let again = platform.post(CONFIRM, &other).await;
    assert_eq!((again.status, &again.body), (200, &created.body), "{again:?}");
    assert_eq!(confirm(&platform, "x", Some(PASSWORD)).await.body["errors"][0]["code"], "invalid_link");
    // The owner works at once, with a confirmed email. The business sells when the operator says so.
    let login = json!({"email": "ann@shop.test", "password": PASSWORD});
    let signed_in = app.stranger("ann-shop.localhost").post("/api/v1/auth/login", &login).await;
    assert_eq!(signed_in.status, 200, "{signed_in:?}");
    let owner = app.stranger("ann-shop.localhost").with_token(signed_in.body["accessToken"].as_str());
    assert_eq!(owner.get("/api/v1/auth/profile").await.body["emailVerified"], true);
    assert_eq!(owner.get("/api/v1/settings").await.body["currency"], "KES");
    assert_eq!(owner.get("/api/v1/licence").await.body["standing"], "inactive");
    let made = owner.post("/api/v1/products", &harness::a_product("BOLT")).await.body;
    let order = json!({"lines": [{"variantId": made["variants"][0]["id"], "quantity": "1"}]});
    let keyed = |n: u8| owner.with("idempotency-key", &format!("0198a8f0-0000-7000-8000-00000000000{n}"));
    assert_eq!(keyed(1).post("/api/v1/orders", &order).await.code(), "licence_inactive");
    let guest = json!({"email": "somebody@else.test", "roles": ["STAFF"]});
    let refused = owner.post("/api/v1/invitations", &guest).await;
    assert_eq!((refused.status, refused.code()), (402, "licence_inactive"), "no stranger mails others");
    let ran = Program::beside(&app).run(&["licence", "grant", "ann-shop"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    harness::until("the licence is active", async || {
        owner.get("/api/v1/licence").await.body["standing"] == "valid"
    })
    .await;
    assert_eq!(keyed(2).post("/api/v1/orders", &order).await.code(), "insufficient_stock");
    assert_eq!(owner.post("/api/v1/invitations", &guest).await.status, 201);
}

#[tokio::test]
async fn a_trial_begins_at_once_and_a_known_person_keeps_the_password() {
    let (mailbox, app) = with_sign_up("trial_plan = \"trial\"\n").await;
    let program = Program::beside(&app);
    let plan = ["licence", "set-plan", "trial", "--name", "Trial", "--term-days", "14"];
    assert_eq!(program.run(&plan).code, Some(0));
    let acme = app.onboard("acme", "ann@acme.test").await;
    app.member_with("bea@acme.test", &acme, &["STAFF"]).await;
    let platform = app.stranger("admin.localhost");
    let host = app.stranger("ann-shop.localhost");
    assert_eq!(sign_up(&platform, "ann@acme.test", "ann-shop").await.status, 202);
    let token = token_in(&mailbox.read(&app).await[0]);
    let created = confirm(&platform, &token, Some("another long password")).await;
    assert_eq!(created.status, 201, "{created:?}");
    let login = |password: &str| json!({"email": "ann@acme.test", "password": password});
    assert_eq!(host.post("/api/v1/auth/login", &login("another long password")).await.status, 401);
    let signed_in = host.post("/api/v1/auth/login", &login(PASSWORD)).await;
    let owner = host.with_token(signed_in.body["accessToken"].as_str());
    let licence = owner.get("/api/v1/licence").await.body;
    assert_eq!((&licence["plan"], &licence["standing"]), (&json!("trial"), &json!("valid")), "{licence}");
    assert!(licence["validUntil"].is_string(), "{licence}");
    // One trial is enough for one person.
    assert_eq!(sign_up(&platform, "ann@acme.test", "ann-shop-2").await.status, 202);
    let token = token_in(&mailbox.read(&app).await[0]);
    assert_eq!(confirm(&platform, &token, None).await.status, 201);
    let shown = program.run(&["licence", "show", "ann-shop-2"]);
    assert!(shown.out.contains("inactive"), "{shown:?}");
    // A person who was disabled creates nothing.
    assert_eq!(sign_up(&platform, "bea@acme.test", "bea-shop").await.status, 202);
    let token = token_in(&mailbox.read(&app).await[0]);
    let owner = app.database.as_owner().await;
    const DISABLE: &str = "
        UPDATE shared.users u SET status = 'disabled' FROM shared.user_logins l
         WHERE l.user_id = u.id AND l.value = 'bea@acme.test'";
    owner.batch_execute(DISABLE).await.unwrap();
    let refused = confirm(&platform, &token, None).await;
    assert_eq!(refused.body["errors"][0]["code"], "invalid_link", "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_creates_one_business_and_a_slug_goes_to_one_person() {
    let (mailbox, app) = with_sign_up("").await;
    let platform = app.stranger("admin.localhost");
    for email in ["ann@a.test", "ben@b.test"] {
        assert_eq!(sign_up(&platform, email, "corner-shop").await.status, 202);
    }
    let tokens: Vec<String> = mailbox.read(&app).await.iter().map(|mail| token_in(mail)).collect();
    let tries = (0..8).map(|n| confirm(&platform, &tokens[n % 2], Some(PASSWORD))).collect();
    let replies = join_all(tries).await;
    let created = replies.iter().filter(|reply| reply.status == 201).count();
    assert_eq!(created, 1, "{replies:?}");
    assert!(replies.iter().all(|reply| [200, 201, 409, 422].contains(&reply.status)), "{replies:?}");
    assert_eq!(count(&app, "tenants").await, 1);
    // The other person chooses another slug, with the same link.
    let body = |token: &str| json!({"token": token, "slug": "corner-shop-2", "password": PASSWORD});
    let mut statuses = Vec::new();
    for token in &tokens {
        statuses.push(platform.post(CONFIRM, &body(token)).await.status);
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 201]);
    assert_eq!(count(&app, "tenants").await, 2);
    // A link is not for trying out slugs.
    assert_eq!(sign_up(&platform, "dan@d.test", "dan-shop").await.status, 202);
    let token = token_in(&mailbox.read(&app).await[0]);
    let taken = json!({"token": token, "slug": "corner-shop", "password": PASSWORD});
    for _ in 0..10 {
        assert_eq!(platform.post(CONFIRM, &taken).await.body["errors"][0]["code"], "slug_taken");
    }
    assert_eq!(confirm(&platform, &token, Some(PASSWORD)).await.body["errors"][0]["code"], "invalid_link");
    let taken = sign_up(&platform, "cem@c.test", "corner-shop").await;
    assert_eq!(taken.body["errors"][0]["code"], "slug_taken", "{taken:?}");
    assert_eq!(sign_up(&platform, "cem@c.test", "admin").await.status, 422, "a reserved slug");
}

#[tokio::test]
async fn sign_ups_are_few_and_only_where_the_operator_wants_them() {
    let (mailbox, app) = with_sign_up("").await;
    let platform = app.stranger("admin.localhost");
    app.tenant("acme").await;
    let elsewhere = app.stranger("acme.localhost");
    assert_eq!(sign_up(&elsewhere, "ann@a.test", "ann-shop").await.status, 404);
    // One address gets few mails, and learns nothing by the answer.
    for n in 0..5 {
        assert_eq!(sign_up(&platform, "ann@a.test", &format!("ann-shop-{n}")).await.status, 202);
    }
    assert_eq!(mailbox.read(&app).await.len(), 3);
    // One network asks for few businesses, also at once.
    let people: Vec<(String, String)> =
        (0..20).map(|n| (format!("p{n}@b.test"), format!("shop-{n}"))).collect();
    let tries = people.iter().take(8).map(|(email, slug)| sign_up(&platform, email, slug)).collect();
    let mut replies = join_all(tries).await;
    for (email, slug) in &people[8..] {
        replies.push(sign_up(&platform, email, slug).await);
    }
    assert_eq!(replies.iter().filter(|reply| reply.status == 202).count(), 7, "{replies:?}");
    assert_eq!(count(&app, "sign_ups").await, 10);
    let refused = replies.last().unwrap();
    assert_eq!((refused.status, refused.code()), (429, "too_many_sign_ups"), "{refused:?}");
    assert!(!refused.header("retry-after").is_empty());
    let (_mailbox, off) = Mailbox::with_app().await;
    let refused = sign_up(&off.stranger("admin.localhost"), "ann@a.test", "ann-shop").await;
    assert_eq!((refused.status, refused.code()), (403, "sign_up_off"), "{refused:?}");
}
