//! An issuer of ID tokens for one test, like Firebase: its discovery document names nothing but its keys.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// The client id to which the ID tokens are issued.
pub const AUDIENCE: &str = "shop-web";

/// A running issuer.
pub struct TestIssuer {
    pub issuer: String,
    keys: Arc<Mutex<Vec<Value>>>,
    asked: Arc<AtomicUsize>,
    key: EncodingKey,
    serving: tokio::task::JoinHandle<()>,
}

impl TestIssuer {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://127.0.0.1:{}/project", listener.local_addr().unwrap().port());
        let (key, public) = rsa_key("one");
        let keys = Arc::new(Mutex::new(vec![public]));
        let asked = Arc::new(AtomicUsize::new(0));
        let (served, counted, name) = (keys.clone(), asked.clone(), issuer.clone());
        let serving = tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                let mut request = vec![0; 4096];
                let length = connection.read(&mut request).await.unwrap_or_default();
                let request = String::from_utf8_lossy(&request[..length]).into_owned();
                let body = match request.split(' ').nth(1).unwrap_or_default() {
                    "/project/.well-known/openid-configuration" => {
                        json!({"issuer": name, "jwks_uri": format!("{name}/keys")})
                    }
                    "/project/keys" => {
                        counted.fetch_add(1, Ordering::Relaxed);
                        json!({"keys": *served.lock().unwrap()})
                    }
                    path => panic!("the server asked for {path}"),
                };
                let body = body.to_string();
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
                     Connection: close\r\n\r\n",
                    body.len()
                );
                let _ = connection.write_all(format!("{head}{body}").as_bytes()).await;
            }
        });
        Self { issuer, keys, asked, key, serving }
    }

    /// The settings of a server that accepts its ID tokens, which requests call `elsewhere`.
    pub fn settings(&self, more: &str) -> String {
        format!(
            "[identity.external_issuers.elsewhere]\nissuer = \"{}\"\nlabel = \"Elsewhere\"\n\
             audiences = [\"{AUDIENCE}\"]\n{more}",
            self.issuer
        )
    }

    /// How often the keys were read.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// Signs with another key from now on, which has this name.
    pub fn rotate(&mut self, id: &str) {
        let (key, public) = rsa_key(id);
        *self.keys.lock().unwrap() = vec![public];
        self.key = key;
    }

    /// The claims of an ID token for a person, with an email.
    pub fn claims(&self, subject: &str, email: &str) -> Value {
        let now = chrono::Utc::now().timestamp();
        json!({
            "iss": self.issuer, "sub": subject, "aud": AUDIENCE, "iat": now, "exp": now + 3600,
            "auth_time": now, "email": email, "email_verified": true, "jti": uuid::Uuid::now_v7(),
            "firebase": {"identities": {"google.com": [subject]}, "sign_in_provider": "google.com"},
        })
    }

    /// The modulus of the public key, as everybody can read it.
    pub fn public_key(&self) -> String {
        self.keys.lock().unwrap()[0]["n"].as_str().unwrap().to_owned()
    }

    /// A new ID token of a person.
    pub fn token(&self, subject: &str, email: &str) -> String {
        self.sign(&self.header(), &self.claims(subject, email))
    }

    /// The header of its ID tokens.
    pub fn header(&self) -> Header {
        let id = self.keys.lock().unwrap()[0]["kid"].as_str().unwrap().to_owned();
        Header { kid: Some(id), ..Header::new(Algorithm::RS256) }
    }

    /// Signs claims with the key of the issuer.
    pub fn sign(&self, header: &Header, claims: &Value) -> String {
        jsonwebtoken::encode(header, claims, &self.key).unwrap()
    }
}

impl Drop for TestIssuer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn rsa_key(id: &str) -> (EncodingKey, Value) {
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let der = der.as_ref();
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der));
    let key = EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap();
    let mut public = Jwk::from_encoding_key(&key, Algorithm::RS256).unwrap();
    public.common.key_id = Some(id.to_owned());
    (key, serde_json::to_value(public).unwrap())
}
