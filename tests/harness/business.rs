//! Clients: each sends requests to one host, with or without a token.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tenancy::Tenant;
use uuid::Uuid;

use crate::app::{Reply, TestApp, in_form};

/// A client that sends requests to one host.
#[derive(Clone)]
pub struct Client<'a> {
    app: &'a TestApp,
    pub host: String,
    pub token: Option<String>,
    headers: BTreeMap<String, String>,
    is_literal: bool,
}

/// A business, and a client that is signed in as one of its members.
#[derive(Clone)]
pub struct Business<'a> {
    pub tenant: Arc<Tenant>,
    pub client: Client<'a>,
}

impl<'a> Deref for Business<'a> {
    type Target = Client<'a>;
    fn deref(&self) -> &Client<'a> {
        &self.client
    }
}

impl<'a> Client<'a> {
    pub(crate) fn new(app: &'a TestApp, host: String, token: Option<String>) -> Self {
        Self { app, host, token, headers: BTreeMap::new(), is_literal: false }
    }

    /// The port of the server.
    pub fn port(&self) -> u16 {
        self.app.port()
    }

    /// The same client, which also sends this header.
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut other = self.clone();
        other.headers.insert(name.to_owned(), value.to_owned());
        other
    }

    /// The same client, which sends host and path unchanged in every address form.
    pub fn literally(&self) -> Self {
        Self { is_literal: true, ..self.clone() }
    }

    /// The same token on another host.
    pub fn on(&self, host: &str) -> Self {
        Self { host: host.to_owned(), ..self.clone() }
    }

    /// Another token, or none, on the same host.
    pub fn with_token(&self, token: Option<&str>) -> Self {
        Self { token: token.map(str::to_owned), ..self.clone() }
    }

    pub async fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        let (host, path, headers) = self.head(path);
        self.app.send(&host, method, &path, &headers, body).await
    }

    /// Posts a text that may be anything as JSON.
    pub async fn post_text(&self, path: &str, body: &str) -> Reply {
        let (host, path, mut headers) = self.head(path);
        headers.insert("content-type".into(), "application/json".into());
        self.app.send_text(&host, "POST", &path, &headers, Some(body.to_owned())).await
    }

    /// The host, the path and the headers of a request.
    fn head(&self, path: &str) -> (String, String, BTreeMap<String, String>) {
        let mut headers = self.headers.clone();
        if let Some(token) = &self.token {
            headers.insert("authorization".into(), format!("Bearer {token}"));
        }
        let (host, path) = match self.is_literal {
            true => (self.host.clone(), path.to_owned()),
            false => in_form(&self.host, path),
        };
        (host, path, headers)
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, None).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send("POST", path, Some(body)).await
    }

    pub async fn patch(&self, path: &str, body: &Value) -> Reply {
        self.send("PATCH", path, Some(body)).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Reply {
        self.send("PUT", path, Some(body)).await
    }

    pub async fn delete(&self, path: &str) -> Reply {
        self.send("DELETE", path, None).await
    }

    /// Reads the products until the response has this status. Panics if 200 requests do not get it.
    #[track_caller]
    pub fn until(&self, status: u16) -> impl Future<Output = Reply> {
        let at = std::panic::Location::caller();
        async move {
            let mut reply = self.get("/api/v1/products").await;
            for _ in 0..200 {
                if reply.status == status {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
                reply = self.get("/api/v1/products").await;
            }
            assert_eq!(reply.status, status, "at {at}: {reply:?}");
            reply
        }
    }

    /// The membership in an app of the member whom `q` finds, as a member with team.manage sees it.
    #[track_caller]
    pub fn membership(&self, q: &str, app: &str) -> impl Future<Output = Value> {
        let at = std::panic::Location::caller();
        async move {
            let found = self.get(&format!("/api/v1/users?q={q}")).await.body["data"][0].clone();
            let all = found["memberships"].as_array().unwrap_or_else(|| panic!("at {at}: {q}: {found}"));
            let one = all.iter().find(|membership| membership["app"] == app);
            one.unwrap_or_else(|| panic!("at {at}: {q}: {found}")).clone()
        }
    }

    /// Creates an API key and returns its secret.
    #[track_caller]
    pub fn api_key(&self, name: &str, permissions: &[&str]) -> impl Future<Output = String> {
        let (at, body) = (std::panic::Location::caller(), json!({"name": name, "permissions": permissions}));
        async move {
            let reply = self.post("/api/v1/api-keys", &body).await;
            assert_eq!(reply.status, 201, "at {at}: {reply:?}");
            reply.body["secret"].as_str().unwrap_or_default().to_owned()
        }
    }

    /// Creates a product and returns it.
    #[track_caller]
    pub fn create_product(&self, product: &Value) -> impl Future<Output = Value> {
        let at = std::panic::Location::caller();
        async move {
            let reply = self.post("/api/v1/products", product).await;
            assert_eq!(reply.status, 201, "at {at}: {reply:?}");
            reply.body
        }
    }

    /// Posts to a path below `/api/v1/` with a new idempotency key.
    pub async fn submit(&self, path: &str, body: &Value) -> Reply {
        let client = self.with("idempotency-key", &Uuid::now_v7().to_string());
        client.post(&format!("/api/v1/{path}"), body).await
    }

    /// Adjusts stock with a new idempotency key.
    pub async fn adjust(&self, variant: &Value, quantity: &str) -> Reply {
        let body = json!({"variantId": variant, "quantity": quantity, "reason": "test"});
        self.submit("stock/adjustments", &body).await
    }

    /// The quantity of a variant on hand at the default location.
    pub async fn on_hand(&self, variant: &Value) -> String {
        let reply = self.get(&format!("/api/v1/stock?variantId={}", variant.as_str().unwrap())).await;
        reply.body["data"][0]["onHand"].as_str().unwrap_or_default().to_owned()
    }
}

/// A product with one variant, which has this SKU, the price 10.00 and the cost 4, and is sold in parts of a
/// thousandth.
pub fn a_product(sku: &str) -> Value {
    json!({
        "name": format!("Product {sku}"), "quantityDecimals": 3,
        "variants": [{"sku": sku, "price": "10.00", "cost": "4"}],
    })
}
