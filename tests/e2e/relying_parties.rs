//! Two programs whose part of the protocol nobody here wrote sign a person in: Flask with Authlib, in Python,
//! and the crate openidconnect, in Rust.

use std::sync::Mutex;

use harness::browser::Browser;
use harness::{Sample, TestApp, free_port};
use identity::logout_notice::LogoutNotifier;
use openidconnect::core::{CoreAuthenticationFlow, CoreClient, CoreProviderMetadata, CoreUserInfoClaims};
use openidconnect::{
    AsyncHttpClient, AuthorizationCode, ClientId, ClientSecret, CsrfToken, HttpRequest, HttpResponse,
    IssuerUrl, Nonce, OAuth2TokenResponse as _, PkceCodeChallenge, RedirectUrl, TokenResponse as _,
};
use serde_json::{Value, json};

/// The program in Python, and the person's cookie there.
struct Flask {
    sample: Sample,
    http: reqwest::Client,
    cookie: Mutex<String>,
}

impl Flask {
    fn start(issuer: &str, client: &str, secret: &str) -> Self {
        let sample = Sample::start("relying_party.py", &[issuer, client, secret]);
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { sample, http, cookie: Mutex::default() }
    }

    /// Opens an address of the program in the person's browser. Returns where it leads, and what it shows.
    async fn open(&self, address: &str) -> (String, Value) {
        let cookie = self.cookie.lock().unwrap().clone();
        let answer = self.http.get(address).header("cookie", cookie).send().await.unwrap();
        if let Some(cookie) = answer.headers().get("set-cookie") {
            let cookie = cookie.to_str().unwrap().split(';').next().unwrap();
            cookie.clone_into(&mut self.cookie.lock().unwrap());
        }
        let location = answer.headers().get("location").map(|location| location.to_str().unwrap().to_owned());
        let text = answer.text().await.unwrap();
        (location.unwrap_or_default(), serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    async fn home(&self) -> Value {
        self.open(&self.sample.address).await.1
    }
}

/// What the crate openidconnect sends its requests with. The host id.localhost is this machine.
struct Http(reqwest::Client);

impl Http {
    fn new() -> Self {
        let here = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        Self(reqwest::Client::builder().resolve("id.localhost", here).build().unwrap())
    }
}

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = openidconnect::HttpClientError<reqwest::Error>;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<HttpResponse, Self::Error>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let sent = self.0.request(parts.method, parts.uri.to_string()).headers(parts.headers).body(body);
            let answer = sent.send().await.map_err(Box::new)?;
            let mut response = HttpResponse::new(Vec::new());
            *response.status_mut() = answer.status();
            *response.headers_mut() = answer.headers().clone();
            *response.body_mut() = answer.bytes().await.map_err(Box::new)?.to_vec();
            Ok(response)
        })
    }
}

/// The path and the query of an address.
fn path_of(address: &str) -> String {
    let url = url::Url::parse(address).unwrap();
    format!("{}?{}", url.path(), url.query().unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_opens_two_programs_with_one_password_and_signs_out_of_both() {
    let port = free_port();
    let issuer = format!("http://id.localhost:{port}");
    let settings = format!("[server]\nlisten = \"127.0.0.1:{port}\"\n[identity]\nissuer = \"{issuer}\"");
    let app = TestApp::start_with(&settings).await;
    let acme = app.tenant("acme").await;
    app.member_of_app("owner@acme.test", "pos", Some(&acme.tenant), &["cashier"]).await;
    let staff = app.staff("super_admin").await;
    let register = async |new: Value| {
        let reply = staff.post("/api/v1/platform/clients", &new).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        reply.body["secret"].as_str().unwrap_or_default().to_owned()
    };
    // The port of the Python program is known once it runs, and the port of a loopback address is not
    // compared.
    let secret = register(json!({
        "id": "shop-books", "app": "inventory", "name": "Books",
        "redirectUris": ["http://127.0.0.1/callback"], "postLogoutRedirectUris": ["http://127.0.0.1/bye"],
    }))
    .await;
    let books = Flask::start(&issuer, "shop-books", &secret);
    let told_at = json!({"backchannelLogoutUri": format!("{}/backchannel-logout", books.sample.address)});
    assert_eq!(staff.patch("/api/v1/platform/clients/shop-books", &told_at).await.status, 200);
    const TILL: &str = "https://till.example.com/callback";
    let secret =
        register(json!({"id": "shop-till", "app": "pos", "name": "Till", "redirectUris": [TILL]})).await;

    // The Python program sends the person to sign in.
    let browser = Browser::new(&app);
    assert_eq!(books.home().await, json!({"signed_in": false}));
    let (to_provider, _) = books.open(&format!("{}/login", books.sample.address)).await;
    assert!(to_provider.starts_with(&format!("{issuer}/oauth/authorize?")), "{to_provider}");
    let left = browser.enter(&path_of(&to_provider), "owner@acme.test").await;
    let (home, answer) = books.open(left.left_for.as_ref().unwrap().as_str()).await;
    assert_eq!(home, "/", "{answer}");
    let shown = books.home().await;
    assert_eq!((&shown["signed_in"], &shown["email"]), (&json!(true), &json!("owner@acme.test")), "{shown}");
    assert_eq!(shown["roles"], json!(["OWNER"]));

    // The Rust program opens without a password.
    let http = Http::new();
    let metadata = CoreProviderMetadata::discover_async(IssuerUrl::new(issuer.clone()).unwrap(), &http).await;
    let client = CoreClient::from_provider_metadata(
        metadata.unwrap(),
        ClientId::new("shop-till".into()),
        Some(ClientSecret::new(secret)),
    )
    .set_redirect_uri(RedirectUrl::new(TILL.into()).unwrap());
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let (address, state, nonce) = client
        .authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random)
        .set_pkce_challenge(challenge)
        .url();
    let left = browser.open(&path_of(address.as_str())).await;
    assert_eq!(&left.parameter("state"), state.secret());
    let code = AuthorizationCode::new(left.parameter("code"));
    let exchange = client.exchange_code(code).unwrap().set_pkce_verifier(verifier);
    let tokens = exchange.request_async(&http).await.unwrap();
    let id_token = tokens.id_token().unwrap();
    let claims = id_token.claims(&client.id_token_verifier(), &nonce).unwrap();
    assert_eq!(claims.subject().as_str(), shown["sub"].as_str().unwrap());
    let access = tokens.access_token().clone();
    let info = client.user_info(access.clone(), Some(claims.subject().clone())).unwrap();
    let info: CoreUserInfoClaims = info.request_async(&http).await.unwrap();
    assert_eq!(info.subject(), claims.subject());
    let cashier = acme.with_token(Some(access.secret()));
    let me = cashier.get("/api/v1/auth/me").await;
    assert_eq!(me.body["membership"]["roles"], json!(["cashier"]), "{me:?}");
    let refreshed = client.exchange_refresh_token(tokens.refresh_token().unwrap()).unwrap();
    let refreshed = refreshed.request_async(&http).await.unwrap();

    // The person signs out of the Python program, and so of both.
    let (to_provider, _) = books.open(&format!("{}/logout", books.sample.address)).await;
    let left = browser.open(&path_of(&to_provider)).await;
    assert_eq!(left.left_for.as_ref().unwrap().path(), "/bye", "{left:?}");
    assert_eq!(cashier.until(401).await.status, 401);
    let ended = client.exchange_refresh_token(refreshed.refresh_token().unwrap()).unwrap();
    assert!(ended.request_async(&http).await.is_err());
    // Authlib knows that its session has ended once the server has told it.
    assert_eq!(books.home().await["signed_in"], true);
    let sealer = app.settings.password_keys().unwrap().sealer();
    let notifier = LogoutNotifier { sealer, issuer };
    assert_eq!(notifier.send_due(app.onboarding().owner_database()).await.unwrap(), (1, 0));
    assert_eq!(books.home().await, json!({"signed_in": false}));
}
