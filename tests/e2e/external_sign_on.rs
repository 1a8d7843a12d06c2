//! The page for signing in offers an issuer elsewhere: a second installation, which signs the person in.

use harness::browser::{Browser, Shown, authorize, claims_of};
use harness::{Business, TestApp, free_port};
use serde_json::{Value, json};
use url::Url;

use crate::second_factor::{digits, enrol};

const BACK: &str = "https://erp.example.com/callback";
const EMAIL: &str = "owner@acme.test";

const LONG_AGO: &str = "UPDATE shared.sign_ons SET authenticated_at = authenticated_at - interval '1 hour'";

fn own_issuer(port: u16) -> String {
    format!("http://id.localhost:{port}")
}

fn settings(port: u16) -> String {
    let issuer = own_issuer(port);
    format!("[server]\nlisten = \"127.0.0.1:{port}\"\n[identity]\nissuer = \"{issuer}\"\n")
}

/// An installation that signs people in elsewhere, and one that lets it.
struct Both {
    elsewhere: TestApp,
    here: TestApp,
}

impl Both {
    /// `more` are further settings of the issuer.
    async fn start(more: &str) -> Self {
        let (there, here) = (free_port(), free_port());
        let elsewhere = TestApp::start_with(&settings(there)).await;
        elsewhere.tenant("bank").await;
        let callback = format!("{}/external/elsewhere/callback", own_issuer(here));
        let staff = elsewhere.staff("super_admin").await;
        let client =
            json!({"id": "shop-web", "app": "inventory", "name": "Shop", "redirectUris": [callback]});
        let made = staff.post("/api/v1/platform/clients", &client).await;
        assert_eq!(made.status, 201, "{made:?}");
        let settings = format!(
            "{}[identity.external_issuers.elsewhere]\nissuer = \"{}\"\nlabel = \"Bank\"\n\
             client_id = \"shop-web\"\nclient_secret = \"{}\"\n{more}",
            settings(here),
            own_issuer(there),
            made.body["secret"].as_str().unwrap(),
        );
        let here = TestApp::start_with(&settings).await;
        let staff = here.staff("super_admin").await;
        let client = json!({"id": "erp-web", "app": "inventory", "name": "ERP", "redirectUris": [BACK],
                            "isPublic": true});
        assert_eq!(staff.post("/api/v1/platform/clients", &client).await.status, 201);
        Self { elsewhere, here }
    }

    /// Everybody signed on long ago, here.
    async fn here_thinks_long_ago(&self) {
        let owner = self.here.database.as_owner().await;
        owner.execute(LONG_AGO, &[]).await.unwrap();
    }

    /// Everybody signed on long ago, there.
    async fn elsewhere_thinks_long_ago(&self) {
        let owner = self.elsewhere.database.as_owner().await;
        const NO_PASSWORD_SINCE: &str =
            "UPDATE shared.users SET password_changed_at = password_changed_at - interval '1 day'";
        owner.execute(NO_PASSWORD_SINCE, &[]).await.unwrap();
        owner.execute(LONG_AGO, &[]).await.unwrap();
    }

    /// Links the owner of the bank to a member here.
    async fn link(&self, member: &Business<'_>) -> String {
        let owner = self.here.database.as_owner().await;
        let me = member.get("/api/v1/auth/me").await.body["user"]["id"].as_str().unwrap().to_owned();
        let there = self.elsewhere.stranger("bank.localhost");
        let login = json!({"email": "owner@bank.test", "password": harness::PASSWORD});
        let subject = there.post("/api/v1/auth/login", &login).await.body["user"]["id"].clone();
        let insert = format!(
            "INSERT INTO shared.external_identities
                    (id, user_id, issuer, issuer_label, subject, linked_at, by_email)
             VALUES (gen_random_uuid(), '{me}', '{}', 'Bank', '{}', now(), false) RETURNING id::text",
            self.elsewhere.settings.identity.issuer.as_ref().unwrap(),
            subject.as_str().unwrap(),
        );
        owner.query_one(&insert, &[]).await.unwrap().get(0)
    }
}

fn open_erp(more: &[(&str, &str)]) -> String {
    authorize("erp-web", BACK, more)
}

/// The form of the button for the issuer.
#[track_caller]
fn button(page: &Shown) -> String {
    let (_, rest) =
        page.text.split_once("action=\"/external/").unwrap_or_else(|| panic!("no button: {page:?}"));
    format!("/external/{}", rest.split_once('"').unwrap().0.replace("&amp;", "&"))
}

/// The part of an address that a browser sends to its host.
#[track_caller]
fn path_of(shown: &Shown) -> String {
    let address: &Url = shown.left_for.as_ref().unwrap_or_else(|| panic!("the browser stayed: {shown:?}"));
    format!("{}?{}", address.path(), address.query().unwrap_or_default())
}

/// The tokens for which the program exchanges its code.
async fn tokens(app: &TestApp, left: &Shown) -> Value {
    let told = app.redeem("erp-web", BACK, &left.parameter("code")).await;
    assert_eq!(told.status, 200, "{told:?}");
    told.body
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_opens_apps_here_with_an_account_elsewhere() {
    let both = Both::start("").await;
    let acme = both.here.tenant("acme").await;
    let (here, there) = (Browser::new(&both.here), Browser::new(&both.elsewhere));
    let page = here.open(&open_erp(&[])).await;
    assert!(page.text.contains("Sign in with Bank"), "{page:?}");
    let sent = here.submit(&button(&page), &[]).await;
    assert_eq!(sent.parameter("scope"), "openid email");
    assert_ne!(sent.parameter("nonce"), "the nonce");
    assert!(sent.parameter("prompt").is_empty(), "{sent:?}");
    // Nobody here belongs to the account there.
    let answered = there.enter(&path_of(&sent), "owner@bank.test").await;
    let refused = here.open(&path_of(&answered)).await;
    assert_eq!((refused.status, refused.heading()), (401, "Sign in"), "{refused:?}");
    assert!(refused.text.contains("not linked to an account here"), "{refused:?}");
    // The way was gone once.
    let again = here.open(&path_of(&answered)).await;
    assert_eq!((again.status, again.heading()), (400, "This does not work"), "{again:?}");
    // After the password, the person is asked, and says no. Then nobody asks again.
    let login = [("login", EMAIL), ("password", harness::PASSWORD)];
    let asked = here.submit(&refused.form(), &login).await;
    assert_eq!(asked.heading(), "Link Bank?", "{asked:?}");
    let left = here.submit(&asked.form(), &[("decision", "skip")]).await;
    assert!(!left.parameter("code").is_empty(), "{left:?}");
    assert!(!here.open(&open_erp(&[])).await.parameter("code").is_empty());
    // With the page that sent somebody else, nothing is linked either.
    let here = Browser::new(&both.here);
    let come = async || {
        let page = here.open(&open_erp(&[])).await;
        let sent = here.submit(&button(&page), &[]).await;
        here.open(&path_of(&there.enter(&path_of(&sent), "owner@bank.test").await)).await
    };
    let asked = here.submit(&come().await.form(), &login).await;
    let evil =
        here.submit_from(Some("https://evil.example.com"), &asked.form(), &[("decision", "link")]).await;
    assert_eq!(evil.status, 403, "{evil:?}");
    let list = "/api/v1/auth/external-identities";
    assert_eq!(acme.get(list).await.body["data"], json!([]));
    let left = here.submit(&asked.form(), &[("decision", "link")]).await;
    assert!(!left.parameter("code").is_empty(), "{left:?}");
    let linked = acme.get(list).await.body["data"].clone();
    let identity = linked[0]["id"].as_str().unwrap_or_else(|| panic!("{linked}"));
    assert_eq!(linked[0]["issuerLabel"], "Bank");

    let here = Browser::new(&both.here);
    let page = here.open(&open_erp(&[])).await;
    let sent = here.submit(&button(&page), &[]).await;
    // The person is signed on there, so that no password is asked for.
    let answered = there.open(&path_of(&sent)).await;
    let left = here.open(&path_of(&answered)).await;
    assert_eq!(left.parameter("state"), "the state");
    let told = tokens(&both.here, &left).await;
    let access = claims_of(told["access_token"].as_str().unwrap());
    assert_eq!((&access["aud"], access.get("amr")), (&json!("inventory"), None), "{access}");
    assert!(claims_of(told["id_token"].as_str().unwrap()).get("amr").is_none());
    // The next program sees no page.
    assert!(!here.open(&open_erp(&[])).await.parameter("code").is_empty());

    // A program that wants a proof of now gets one: there, the password is asked for again.
    let page = here.open(&open_erp(&[("prompt", "login")])).await;
    let sent = here.submit(&button(&page), &[]).await;
    assert_eq!((sent.parameter("prompt"), sent.parameter("max_age")), ("login".into(), "0".into()));
    let asked = there.open(&path_of(&sent)).await;
    assert_eq!(asked.heading(), "Sign in", "{asked:?}");
    let answered = there.enter(&path_of(&sent), "owner@bank.test").await;
    let left = here.open(&path_of(&answered)).await;
    assert!(!left.parameter("code").is_empty(), "{left:?}");
    let told = tokens(&both.here, &left).await;
    let member = acme.with_token(told["access_token"].as_str());
    assert_eq!(member.get("/api/v1/products").await.status, 200);

    // Unlinked, the browser is signed on no more, and the programs neither.
    let path = format!("/api/v1/auth/external-identities/{identity}");
    assert_eq!(acme.delete(&path).await.status, 204);
    assert_eq!(member.until(401).await.code(), "session_ended");
    assert_eq!(here.open(&open_erp(&[])).await.heading(), "Sign in");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_belongs_to_one_browser_and_one_request() {
    let both = Both::start("").await;
    both.link(&both.here.tenant("acme").await).await;
    let (here, there) = (Browser::new(&both.here), Browser::new(&both.elsewhere));
    let begin = async |browser: &Browser<'_>| {
        let page = browser.open(&open_erp(&[])).await;
        browser.submit(&button(&page), &[]).await
    };
    let answer = async |sent: &Shown| there.enter(&path_of(sent), "owner@bank.test").await;
    let answered = answer(&begin(&here).await).await;
    // In the browser of a victim, who began nothing, or something else.
    let victim = Browser::new(&both.here);
    let shown = victim.open(&path_of(&answered)).await;
    assert_eq!((shown.status, shown.heading()), (400, "This does not work"), "{shown:?}");
    begin(&victim).await;
    let shown = victim.open(&path_of(&answered)).await;
    assert_eq!((shown.status, shown.heading()), (400, "This does not work"), "{shown:?}");
    assert_eq!(victim.open(&open_erp(&[])).await.heading(), "Sign in");
    let replaced = |name: &str, value: &str| {
        let address = answered.left_for.clone().unwrap();
        let pairs: Vec<(String, String)> = address.query_pairs().into_owned().collect();
        let pairs = pairs.iter().map(|(key, old)| (key, if key == name { value } else { old }));
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        format!("{}?{query}", address.path())
    };
    // A changed answer, each in a browser that began the sign-in: the cookie is good once.
    let cookie = here.cookies().clone();
    for (name, value, status) in
        [("state", "x", 400), ("iss", "https://evil.example.com", 401), ("code", "x", 401), ("iss", "", 401)]
    {
        *here.cookies() = cookie.clone();
        let shown = here.open(&replaced(name, value)).await;
        assert_eq!(shown.status, status, "{name}={value}: {shown:?}");
    }
    // An error there is told, and nobody is signed on.
    let sent = begin(&here).await;
    let denied = format!(
        "/external/elsewhere/callback?error=access_denied&state={}&iss={}",
        sent.parameter("state"),
        own_issuer(both.elsewhere.port())
    );
    let shown = here.open(&denied).await;
    assert_eq!((shown.status, shown.text.contains("Bank did not sign you in")), (401, true), "{shown:?}");
    // A form of another page sends nobody away, and there is no other issuer.
    let page = here.open(&open_erp(&[])).await;
    for origin in [None, Some("https://evil.example.com")] {
        assert_eq!(here.submit_from(origin, &button(&page), &[]).await.status, 403);
    }
    let other = button(&page).replace("elsewhere", "other");
    assert_eq!(here.submit(&other, &[]).await.status, 404);
    assert_eq!(here.open("/external/other/callback?code=x").await.status, 404);
    // Who loads the page again begins again, and a request that no cookie holds says so.
    assert_eq!(here.open(&button(&page)).await.heading(), "Sign in");
    let long = here.open(&open_erp(&[("state", &"x".repeat(4000))])).await;
    let shown = here.submit(&button(&long), &[]).await;
    assert_eq!((shown.status, shown.text.contains("Use the password")), (400, true), "{}", shown.status);
    // After all that, the right way works.
    let left = here.open(&path_of(&answer(&begin(&here).await).await)).await;
    assert!(!left.parameter("code").is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_factor_and_a_new_password_count_here() {
    let both = Both::start("").await;
    let acme = both.here.tenant("acme").await;
    both.link(&acme).await;
    let (secret, _) = enrol(&acme).await;
    let (here, there) = (Browser::new(&both.here), Browser::new(&both.elsewhere));
    let sign_on = async || {
        let page = here.open(&open_erp(&[])).await;
        let sent = here.submit(&button(&page), &[]).await;
        let answered = there.enter(&path_of(&sent), "owner@bank.test").await;
        here.open(&path_of(&answered)).await
    };
    let asked = sign_on().await;
    assert_eq!(asked.heading(), "Enter your code", "{asked:?}");
    let left = here.submit(&asked.form(), &[("code", &digits(&secret, 0))]).await;
    let told = tokens(&both.here, &left).await;
    let access = claims_of(told["access_token"].as_str().unwrap());
    assert_eq!((&access["amr"], &access["acr"]), (&json!(["otp", "mfa"]), &json!("given")), "{access}");
    // Another password ends the sign-on, and the next one works at once.
    let change = json!({"currentPassword": harness::PASSWORD, "newPassword": "kijani mlima nyota saba"});
    assert_eq!(acme.post("/api/v1/auth/password/change", &change).await.status, 204);
    assert_eq!(here.open(&open_erp(&[])).await.heading(), "Sign in");
    assert_eq!(sign_on().await.heading(), "Enter your code");
    let login = json!({"email": EMAIL, "password": "kijani mlima nyota saba", "code": digits(&secret, 1)});
    let signed_in = acme.post("/api/v1/auth/login", &login).await;
    assert_eq!(signed_in.status, 200, "{signed_in:?}");
}

#[tokio::test]
async fn without_a_client_there_is_no_button() {
    let app = TestApp::start_with(
        "[identity.external_issuers.elsewhere]\nissuer = \"https://issuer.example.com\"\nlabel = \"Bank\"\n\
         audiences = [\"shop-web\"]",
    )
    .await;
    let staff = app.staff("super_admin").await;
    let client = json!({"id": "erp-web", "app": "inventory", "name": "ERP", "redirectUris": [BACK],
                        "isPublic": true});
    assert_eq!(staff.post("/api/v1/platform/clients", &client).await.status, 201);
    let browser = Browser::new(&app);
    let page = browser.open(&open_erp(&[])).await;
    assert!(page.heading() == "Sign in" && !page.text.contains("Bank"), "{page:?}");
    let query = page.form().split_once('?').unwrap().1.to_owned();
    assert_eq!(browser.submit(&format!("/external/elsewhere?{query}"), &[]).await.status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_issuer_that_does_not_ask_again_is_no_new_proof() {
    let both = Both::start("").await;
    both.link(&both.here.tenant("acme").await).await;
    let (here, there) = (Browser::new(&both.here), Browser::new(&both.elsewhere));
    let page = here.open(&open_erp(&[])).await;
    let sent = here.submit(&button(&page), &[]).await;
    here.open(&path_of(&there.enter(&path_of(&sent), "owner@bank.test").await)).await;
    both.here_thinks_long_ago().await;
    both.elsewhere_thinks_long_ago().await;
    for asked in [("prompt", "login"), ("max_age", "60")] {
        let page = here.open(&open_erp(&[asked])).await;
        let sent = here.submit(&button(&page), &[]).await;
        // The person takes the wish out of the address.
        let silent = path_of(&sent).replace("&prompt=login&max_age=0", "");
        let answered = there.open(&silent).await;
        let refused = here.open(&path_of(&answered)).await;
        assert_eq!((refused.status, refused.heading()), (401, "Sign in"), "{refused:?}");
        assert!(refused.text.contains("did not ask you to sign in again"), "{refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_links_their_identity_to_the_account_of_somebody_else() {
    let both = Both::start("").await;
    let acme = both.here.tenant("acme").await;
    let (here, there) = (Browser::new(&both.here), Browser::new(&both.elsewhere));
    let come = async |page: &Shown| {
        let sent = here.submit(&button(page), &[]).await;
        here.open(&path_of(&there.enter(&path_of(&sent), "owner@bank.test").await)).await
    };
    // The owner has just given the password here, and leaves the screen for a moment.
    assert!(!here.enter(&open_erp(&[]), EMAIL).await.parameter("code").is_empty());
    let page = here.open(&open_erp(&[("prompt", "login")])).await;
    let refused = come(&page).await;
    assert_eq!(refused.status, 401, "{refused:?}");
    assert!(!here.open(&open_erp(&[])).await.parameter("code").is_empty(), "nobody is asked");
    let query = refused.form().split_once('?').unwrap().1.to_owned();
    let shown = here.submit(&format!("/link?{query}"), &[("decision", "link")]).await;
    assert_eq!(shown.heading(), "Sign in", "{shown:?}");
    let list = "/api/v1/auth/external-identities";
    assert_eq!(acme.get(list).await.body["data"], json!([]));
    // Somebody tries, and walks away. The owner, who comes next, is not asked about their identity.
    let here = Browser::new(&both.here);
    let page = here.open(&open_erp(&[])).await;
    let sent = here.submit(&button(&page), &[]).await;
    here.open(&path_of(&there.open(&path_of(&sent)).await)).await;
    assert!(!here.enter(&open_erp(&[]), EMAIL).await.parameter("code").is_empty());
    assert!(!here.open(&open_erp(&[])).await.parameter("code").is_empty());
    assert_eq!(acme.get(list).await.body["data"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_are_wrong_must_wait() {
    let both = Both::start("").await;
    let here = Browser::new(&both.here);
    let mut statuses = Vec::new();
    for _ in 0..60 {
        let page = here.open(&open_erp(&[])).await;
        let sent = here.submit(&button(&page), &[]).await;
        let wrong = format!(
            "/external/elsewhere/callback?code=x&state={}&iss={}",
            sent.parameter("state"),
            own_issuer(both.elsewhere.port())
        );
        statuses.push(here.open(&wrong).await.status);
    }
    assert_eq!((statuses[0], statuses[59]), (401, 429), "{statuses:?}");
}
