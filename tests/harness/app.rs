//! A real server with its own port and its own database.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use identity::membership::MemberOf;
use identity::user::LoginName;
use identity::{PasswordPolicy, SigningKey};
use platform::{Actor, MemberError, NewMember, Onboarding, OnboardingRequest};
use reqwest::Method;
use secrecy::SecretString;
use serde_json::{Value, json};
use server::app::Running;
use settings::wiring;
use settings::{Settings, Sources};
use tenancy::{Tenant, TenantSlug};
use uuid::Uuid;
use values::Email;

use crate::business::{Business, Client};
use crate::database::TestDatabase;

/// The password of every test user.
pub const PASSWORD: &str = "correct horse battery";

/// A server for one test.
pub struct TestApp {
    pub database: TestDatabase,
    pub settings: Settings,
    running: Option<Running>,
    onboarding: Onboarding,
    http: reqwest::Client,
    key_pem: String,
    folder: PathBuf,
}

/// A response with its whole body.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl Reply {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The cookies that the response sets.
    pub fn cookies(&self) -> Vec<&str> {
        self.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap()).collect()
    }

    /// The `code` of the problem document.
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }
}

impl TestApp {
    pub async fn start() -> Self {
        Self::start_with("").await
    }

    /// Starts a server with the settings of the tests. `more`, which is TOML, overrides them.
    pub async fn start_with(more: &str) -> Self {
        let database = TestDatabase::new().await;
        let folder = std::env::temp_dir().join(&database.name);
        std::fs::create_dir_all(&folder).unwrap();
        let key_pem = SigningKey::generate_pem();
        let key_file = folder.join("key.pem");
        std::fs::write(&key_file, &key_pem).unwrap();
        let own = folder.join("test.toml");
        std::fs::write(&own, settings_text(&database, &key_file.display().to_string())).unwrap();
        let extra = folder.join("more.toml");
        std::fs::write(&extra, more).unwrap();
        let sources = Sources { environment: "test".into(), folder: "config".into(), more: vec![own, extra] };
        let settings = sources.load().unwrap();
        settings::logging::start(&settings.log).unwrap();
        let running = server::app::start(server::State::new(settings.clone()).unwrap()).unwrap();
        // A database cannot be dropped while a connection to it is still being opened.
        let state = running.state();
        while !state.resolver.is_listening() || !state.revocations.is_up_to_date() {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        Self {
            onboarding: wiring::onboarding(&settings).unwrap(),
            database,
            settings,
            running: Some(running),
            // Shorter than the idle timeout of the server. Otherwise the server could close a connection just
            // when the client sends a request on it.
            http: reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .pool_idle_timeout(std::time::Duration::from_secs(2))
                .build()
                .unwrap(),
            key_pem,
            folder,
        }
    }

    pub fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    pub fn port(&self) -> u16 {
        self.running().address.port()
    }

    /// The file with the settings of this server. A test can run the binary with it.
    pub fn settings_file(&self) -> PathBuf {
        self.folder.join("test.toml")
    }

    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }

    pub fn onboarding(&self) -> &Onboarding {
        &self.onboarding
    }

    /// Onboards a business and signs its owner in.
    pub async fn tenant(&self, slug: &str) -> Business<'_> {
        let email = format!("owner@{slug}.test");
        let tenant = self.onboard(slug, &email).await;
        self.signed_in(tenant, &email).await
    }

    /// Onboards a business. `owner` is the owner's email.
    pub async fn onboard(&self, slug: &str, owner: &str) -> Arc<Tenant> {
        let new = OnboardingRequest {
            slug: TenantSlug::parse(slug).unwrap(),
            name: values::Name::parse(&format!("{slug} Ltd")).unwrap(),
            currency: values::Currency::parse("EUR").unwrap(),
            owner: member(owner, "OWNER"),
        };
        self.onboarding.create(&new, &Actor::named("test")).await.unwrap().tenant
    }

    /// Adds a member with this role to the business and signs the member in.
    pub async fn member_of(&self, tenant: &Arc<Tenant>, role: &str) -> Business<'_> {
        let email = format!("{}-{}@{}.test", role.to_lowercase(), Uuid::now_v7().simple(), tenant.slug);
        self.onboarding
            .add_member(&member(&email, role), &MemberOf::business(tenant.id), &Actor::named("test"))
            .await
            .unwrap();
        self.signed_in(tenant.clone(), &email).await
    }

    /// Adds a member with these roles to the business.
    pub async fn member_with(&self, email: &str, tenant: &Arc<Tenant>, roles: &[&str]) {
        self.member_of_app(email, "inventory", Some(tenant), roles).await;
    }

    /// Adds a member with these roles to an app, of a business or without one. An existing user keeps the
    /// password.
    pub async fn member_of_app(&self, email: &str, app: &str, tenant: Option<&Arc<Tenant>>, roles: &[&str]) {
        let place = MemberOf::app_of(app.parse().unwrap(), tenant.map(|tenant| tenant.id));
        let roles = roles.iter().map(ToString::to_string).collect();
        let mut new = NewMember { roles, ..member(email, "") };
        let mut added = self.onboarding.add_member(&new, &place, &Actor::named("test")).await;
        if let Err(MemberError::UserExists(_)) = added {
            new.password = None;
            added = self.onboarding.add_member(&new, &place, &Actor::named("test")).await;
        }
        added.unwrap();
    }

    /// A member of the business, signed in.
    pub async fn signed_in(&self, tenant: Arc<Tenant>, email: &str) -> Business<'_> {
        let host = format!("{}.localhost", tenant.slug);
        let token = self.login(&host, email).await;
        Business { tenant, client: Client::new(self, host, Some(token)) }
    }

    /// Adds a member with this role to the platform's staff and signs the member in.
    pub async fn staff(&self, role: &str) -> Client<'_> {
        let email = format!("{}@platform.test", role.replace('_', "-"));
        self.onboarding
            .add_member(&member(&email, role), &MemberOf::platform(), &Actor::named("test"))
            .await
            .unwrap();
        let token = self.login("admin.localhost", &email).await;
        Client::new(self, "admin.localhost".into(), Some(token))
    }

    /// The access token of a program for its service account at a business.
    pub async fn program_token(&self, client: &str, secret: &str, resource: &str) -> String {
        let form = format!("grant_type=client_credentials&resource={resource}");
        let request = self
            .http
            .post(format!("http://127.0.0.1:{}/oauth/token", self.port()))
            .header("host", "id.localhost")
            .header("content-type", "application/x-www-form-urlencoded")
            .basic_auth(client, Some(secret))
            .body(form);
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        answer["access_token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// Cuts the server off from announcements: of revocations and of changes of API keys. Closes all other
    /// connections than `admin`.
    pub async fn hears_nothing(&self, admin: &tokio_postgres::Client) {
        const CUT: &str = "
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND backend_type = 'client backend'
               AND pid <> pg_backend_pid()";
        // The listening connection cannot be opened again.
        admin.batch_execute("REVOKE SELECT ON shared.revocations FROM tenantry_shared").await.unwrap();
        admin.query(CUT, &[]).await.unwrap();
        let revocations = &self.running().state().revocations;
        crate::until("the server hears nothing", async || !revocations.is_up_to_date()).await;
    }

    /// A client without a token, on this host.
    pub fn stranger(&self, host: &str) -> Client<'_> {
        Client::new(self, host.to_owned(), None)
    }

    async fn login(&self, host: &str, email: &str) -> String {
        let body = json!({"email": email, "password": PASSWORD});
        let reply = self.stranger(host).post("/api/v1/auth/login", &body).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.body["accessToken"].as_str().unwrap().to_owned()
    }

    /// Sends one request and reads the whole response.
    pub async fn send(
        &self,
        host: &str,
        method: &str,
        path: &str,
        headers: &BTreeMap<String, String>,
        body: Option<&Value>,
    ) -> Reply {
        let mut headers = headers.clone();
        if body.is_some() {
            headers.entry("content-type".to_owned()).or_insert_with(|| "application/json".to_owned());
        }
        self.send_text(host, method, path, &headers, body.map(Value::to_string)).await
    }

    /// As [`TestApp::send`], with a body that may be anything.
    pub async fn send_text(
        &self,
        host: &str,
        method: &str,
        path: &str,
        headers: &BTreeMap<String, String>,
        body: Option<String>,
    ) -> Reply {
        let url = format!("http://127.0.0.1:{}{path}", self.port());
        let mut request =
            self.http.request(Method::from_bytes(method.as_bytes()).unwrap(), url).header("host", host);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        // A stream of events has no end.
        let is_stream = headers.get("content-type").is_some_and(|kind| kind == "text/event-stream");
        let bytes = match is_stream {
            true => Default::default(),
            false => response.bytes().await.unwrap(),
        };
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        let reply = Reply { status, headers, body };
        record_problem(method, path, &reply);
        reply
    }

    /// Stops the server and waits until its running requests have ended.
    pub async fn stop(&mut self) {
        self.running.take().unwrap().stop().await.unwrap();
    }
}

/// Adds a problem to the file that the variable names, for the comparison with the API document.
fn record_problem(method: &str, path: &str, reply: &Reply) {
    let Ok(file) = std::env::var("TENANTRY_TEST_PROBLEMS") else { return };
    let is_problem = reply.headers.get("content-type").is_some_and(|kind| kind == "application/problem+json");
    if let Some(code) = reply.body["code"].as_str().filter(|_| is_problem) {
        let path = path.split('?').next().unwrap_or_default();
        let line = format!("{method}\t{path}\t{}\t{code}\n", reply.status);
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(file).unwrap();
        file.write_all(line.as_bytes()).unwrap();
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The host and path of a request to a business, in the address form of this test run.
///
/// With `TENANTRY_TEST_FORM=path`, the path names the business, as in an installation without wildcard DNS.
/// Otherwise the host names the business.
pub(crate) fn in_form(host: &str, path: &str) -> (String, String) {
    let by_path = std::env::var("TENANTRY_TEST_FORM").is_ok_and(|form| form == "path");
    let slug = host.strip_suffix(".localhost").filter(|slug| !["app", "admin", "id"].contains(slug));
    match slug.filter(|_| by_path) {
        Some(slug) if path.starts_with("/api/") => ("app.localhost".to_owned(), format!("/{slug}{path}")),
        // An address from a response already names the business.
        Some(slug) if path.starts_with(&format!("/{slug}/api/")) => {
            ("app.localhost".to_owned(), path.to_owned())
        }
        _ => (host.to_owned(), path.to_owned()),
    }
}

fn member(email: &str, role: &str) -> NewMember {
    NewMember {
        login: LoginName::Email(Email::parse(email).unwrap()),
        full_name: None,
        password: Some(PasswordPolicy::for_demo().check(&SecretString::from(PASSWORD), &[]).unwrap()),
        roles: vec![role.to_owned()],
    }
}

fn settings_text(database: &TestDatabase, key_file: &str) -> String {
    format!(
        r#"
        [server]
        listen = "127.0.0.1:0"
        metrics_listen = "127.0.0.1:0"
        public_scheme = "http"
        workers = 2
        requests_per_second = 0
        [database]
        url = "{}"
        owner_url = "{}"
        max_connections = 8
        [identity]
        issuer = "http://id.test"
        signing_key_file = "{key_file}"
        password_key = "a password key of the tests, long enough"
        bcrypt_cost = 4
        [provisioning]
        in_server = true
        spare_schemas = 0
        [jobs]
        in_server = false
        [mobile_money]
        provider = "mpesa"
        currency = "EUR"
        url = "http://127.0.0.1:9"
        consumer_key = "key"
        consumer_secret = "secret"
        shortcode = "600000"
        passkey = "pass"
        callback_secret = "a callback secret of the tests, long enough"
        [log]
        format = "pretty"
        filter = "error"
        "#,
        database.url(),
        database.owner_url()
    )
}
