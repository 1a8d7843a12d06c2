//! A browser without scripts, on the host `id`: it keeps cookies, sends forms, and follows redirects on that
//! host.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::app::{PASSWORD, TestApp};

/// The host on which people sign in.
const HOST: &str = "id.localhost";
/// A verifier of PKCE, and its challenge (RFC 7636 appendix B).
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A browser of one person.
pub struct Browser<'a> {
    app: &'a TestApp,
    http: reqwest::Client,
    cookies: Mutex<BTreeMap<String, String>>,
}

/// What a browser shows after it has followed redirects, or where another program would go on.
#[derive(Debug)]
pub struct Shown {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
    /// The address outside of the host to which the browser was sent.
    pub left_for: Option<url::Url>,
}

impl Shown {
    /// A parameter of the address for which the browser has left.
    #[track_caller]
    pub fn parameter(&self, name: &str) -> String {
        let address = self.left_for.as_ref().unwrap_or_else(|| panic!("the browser stayed: {self:?}"));
        let found = address.query_pairs().find(|(key, _)| key == name);
        found.map(|(_, value)| value.into_owned()).unwrap_or_default()
    }

    /// The heading of the page.
    pub fn heading(&self) -> &str {
        between(&self.text, "<h1>", "</h1>")
    }

    /// Where the form of the page goes.
    #[track_caller]
    pub fn form(&self) -> String {
        let action = between(&self.text, "action=\"", "\"");
        assert!(!action.is_empty(), "no form: {self:?}");
        action.replace("&amp;", "&")
    }

    /// Where the link with this text leads.
    #[track_caller]
    pub fn link(&self, text: &str) -> String {
        let (before, _) =
            self.text.split_once(&format!("\">{text}</a>")).unwrap_or_else(|| panic!("{self:?}"));
        before.rsplit_once("href=\"").unwrap().1.replace("&amp;", "&")
    }
}

fn between<'t>(text: &'t str, start: &str, end: &str) -> &'t str {
    text.split_once(start).and_then(|(_, rest)| rest.split_once(end)).map_or("", |(inner, _)| inner)
}

/// The address of the authorization endpoint for a program, with more parameters, or others.
pub fn authorize(client: &str, redirect_uri: &str, more: &[(&str, &str)]) -> String {
    let mut parameters = vec![
        ("client_id", client),
        ("redirect_uri", redirect_uri),
        ("response_type", "code"),
        ("scope", "openid"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("state", "the state"),
        ("nonce", "the nonce"),
    ];
    parameters.retain(|(name, _)| more.iter().all(|(other, _)| other != name));
    let query =
        form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).extend_pairs(more).finish();
    format!("/oauth/authorize?{query}")
}

impl<'a> Browser<'a> {
    pub fn new(app: &'a TestApp) -> Self {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { app, http, cookies: Mutex::default() }
    }

    pub fn cookies(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.cookies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub async fn open(&self, path: &str) -> Shown {
        self.go(path, None, Some(&format!("http://{HOST}"))).await
    }

    pub async fn submit(&self, path: &str, form: &[(&str, &str)]) -> Shown {
        self.go(path, Some(form), Some(&format!("http://{HOST}"))).await
    }

    /// Sends a form from a page of this origin; `None` is a client that does not say.
    pub async fn submit_from(&self, origin: Option<&str>, path: &str, form: &[(&str, &str)]) -> Shown {
        self.go(path, Some(form), origin).await
    }

    /// Opens a program, and signs in if the page for it is shown.
    pub async fn enter(&self, path: &str, login: &str) -> Shown {
        let shown = self.open(path).await;
        if shown.left_for.is_some() || shown.heading() != "Sign in" {
            return shown;
        }
        self.submit(&shown.form(), &[("login", login), ("password", PASSWORD)]).await
    }

    async fn go(&self, path: &str, form: Option<&[(&str, &str)]>, origin: Option<&str>) -> Shown {
        let (mut path, mut form) = (path.to_owned(), form);
        for _ in 0..10 {
            let url = format!("http://127.0.0.1:{}{path}", self.app.port());
            let mut request = match form {
                Some(_) => self.http.post(url),
                None => self.http.get(url),
            };
            request = request.header("host", HOST);
            if let Some(form) = form {
                request = request.form(form);
                if let Some(origin) = origin {
                    request = request.header("origin", origin);
                }
            }
            let cookies: Vec<String> =
                self.cookies().iter().map(|(name, value)| format!("{name}={value}")).collect();
            if !cookies.is_empty() {
                request = request.header("cookie", cookies.join("; "));
            }
            let answer = request.send().await.unwrap();
            let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
            for cookie in headers.get_all("set-cookie") {
                let (name, value) =
                    cookie.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
                match value {
                    "" => self.cookies().remove(name),
                    value => self.cookies().insert(name.to_owned(), value.to_owned()),
                };
            }
            let text = answer.text().await.unwrap();
            match headers.get("location").map(|location| location.to_str().unwrap().to_owned()) {
                Some(location) if location.starts_with('/') => (path, form) = (location, None),
                Some(location) => {
                    let left_for = Some(url::Url::parse(&location).unwrap());
                    return Shown { status, headers, text, left_for };
                }
                None => return Shown { status, headers, text, left_for: None },
            }
        }
        panic!("the browser was redirected in circles: {path}")
    }
}

/// An answer of an endpoint for programs.
#[derive(Debug)]
pub struct Told {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl Told {
    #[track_caller]
    pub fn text(&self, field: &str) -> String {
        self.body[field].as_str().unwrap_or_else(|| panic!("no {field}: {self:?}")).to_owned()
    }
}

impl TestApp {
    /// Sends a form to an endpoint for programs. `basic` is `id:secret`.
    pub async fn ask_provider(&self, path: &str, basic: Option<&str>, form: &[(&str, &str)]) -> Told {
        let url = format!("http://127.0.0.1:{}{path}", self.port());
        let mut request = reqwest::Client::new().post(url).header("host", HOST).form(form);
        if let Some((id, secret)) = basic.and_then(|basic| basic.split_once(':')) {
            request = request.basic_auth(id, Some(secret));
        }
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let bytes = answer.bytes().await.unwrap();
        Told { status, headers, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null) }
    }

    /// Exchanges the code with which a browser has left for tokens. `client` is `id` or `id:secret`.
    pub async fn redeem(&self, client: &str, redirect_uri: &str, code: &str) -> Told {
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri),
            ("code_verifier", VERIFIER),
        ];
        let basic = Some(client).filter(|client| client.contains(':'));
        if basic.is_none() {
            form.push(("client_id", client));
        }
        self.ask_provider("/oauth/token", basic, &form).await
    }
}

/// The claims of a token, unverified.
#[track_caller]
pub fn claims_of(token: &str) -> Value {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&claims).unwrap()
}
