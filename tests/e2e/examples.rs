//! The examples of the API document: each request is sent as documented, with the ids of real records, and
//! each response must look as documented.

use std::collections::{BTreeMap, BTreeSet};

use harness::till::{reported_payment, set_till_number};
use harness::{Business, Client, Mailbox, Reply, TestApp, join_all};
use serde_json::{Value, json};

use crate::platform_examples::{self, queue, register};

/// Operations that are not replayed: they need another host, a mailed link, or a DNS server. The tests in
/// `oauth`, `sign_on`, `second_factor`, `passwords`, `invitations`, `emails`, `sign_ups`, `domains`,
/// `live_events` and `webhooks` cover them.
const NOT_REPLAYED: [&str; 26] = [
    "GET /.well-known/oauth-authorization-server",
    "GET /.well-known/openid-configuration",
    "DELETE /api/v1/auth/consents/{slug}",
    "POST /api/v1/auth/second-factor/confirm",
    "POST /api/v1/auth/second-factor/disable",
    "POST /api/v1/auth/second-factor/recovery-codes",
    "POST /api/v1/platform/users/{id}/reset-second-factor",
    "POST /api/v1/auth/password/reset",
    "POST /api/v1/auth/invitations/accept",
    "POST /api/v1/auth/email/confirm",
    "GET /api/v1/events",
    "POST /api/v1/webhooks/{id}/skip",
    "POST /api/v1/webhooks/{id}/replays",
    "POST /api/v1/offline-sales",
    "POST /api/v1/offline-sales/{id}/complete",
    "POST /api/v1/offline-sales/{id}/discard",
    "POST /api/v1/mobile-payments/{id}/assign",
    "POST /api/v1/mobile-payments/{id}/dismiss",
    "POST /api/v1/mobile-payments/{id}/reopen",
    "POST /api/v1/mobile-money/payments/{token}",
    "POST /api/v1/mobile-money/requests/{business}/{id}/{token}",
    "POST /api/v1/platform/unclaimed-payments/{id}/assign",
    "POST /api/v1/sign-ups",
    "POST /api/v1/sign-ups/confirm",
    "POST /api/v1/platform/tenants/{id}/domains/{host}/verify",
    "PUT /api/v1/platform/tenants/{id}/primary-domain",
];

/// Below these, only GET is replayed. The tests in `pins`, `sales`, `shifts` and `external_issuers` cover the
/// rest.
const ONLY_READ: [&str; 5] = [
    "/api/v1/sales/{id}/approval",
    "/api/v1/shifts/{id}/approval",
    "/api/v1/auth/pin",
    "/api/v1/auth/external",
    "/api/v1/platform/users/{id}/ext",
];

/// Below these, an operation may change what other operations need, so it gets a business of its own.
const ALONE: [&str; 6] = [
    "/api/v1/platform",
    "/api/v1/auth",
    "/api/v1/business",
    "/api/v1/settings",
    "/api/v1/memberships",
    "/api/v1/users",
];

/// Fields that may hold any value.
const FREE: [&str; 8] =
    ["options", "changes", "result", "parameters", "details", "warnings", "payload", "request"];

/// A business with one record of each kind, and the ids of the records by the names of the fields for them.
pub struct Stage<'a> {
    pub business: Business<'a>,
    keys: BTreeMap<&'static str, Value>,
}

impl<'a> Stage<'a> {
    async fn set(app: &'a TestApp, slug: &str) -> Self {
        let business = app.tenant(slug).await;
        let mut stage = Self { business, keys: BTreeMap::new() };
        stage.make("parentId", "categories", json!({"name": "All"})).await;
        stage.make("categoryId", "categories", json!({"name": "Some"})).await;
        let rates = json!([{"name": "VAT", "percent": "16"}]);
        stage
            .make("taxClassId", "tax-classes", json!({"name": "Reduced", "inclusive": true, "rates": rates}))
            .await;
        let variants = json!([{"sku": "STAGE", "price": "1.00", "cost": "0.50", "barcodes": ["4006381333948"],
                               "reorderLevel": "5000", "options": {"Size": "S"}}]);
        let product =
            stage.make("productId", "products", json!({"name": "Thing", "variants": variants})).await;
        stage.keys.insert("variantId", product["variants"][0]["id"].clone());
        stage.keys.insert("code", json!("4006381333948"));
        stage.make("toLocationId", "locations", json!({"name": "Shed"})).await;
        let locations = stage.business.get("/api/v1/locations").await.body;
        let main =
            locations["data"].as_array().unwrap().iter().find(|place| place["name"] == "Main").unwrap();
        stage.keys.insert("locationId", main["id"].clone());
        stage.keys.insert("fromLocationId", main["id"].clone());
        stage.make("registerId", "registers", json!({"name": "Till", "series": "T1"})).await;
        let open = stage.make("open register", "registers", json!({"name": "Other", "series": "T2"})).await;
        let shift = json!({"registerId": open["id"], "openingFloat": "100"});
        stage.make("shift", "shifts", shift).await;
        stage.make("customerId", "customers", json!({"name": "Ann"})).await;
        stage.make("supplierId", "suppliers", json!({"name": "Bolts"})).await;
        stage.make("spare supplier", "suppliers", json!({"name": "Spare"})).await;
        let spare = json!({"name": "Spare", "variants": [{"sku": "SPARE", "price": "1.00"}]});
        stage.make("spare product", "products", spare).await;

        let variant = stage.keys["variantId"].clone();
        stage
            .make(
                "adjustment",
                "stock/adjustments",
                json!({"variantId": variant, "quantity": "1000", "reason": "found"}),
            )
            .await;
        let sale = json!({
            "registerId": open["id"], "lines": [{"variantId": variant, "quantity": "3"}],
            "payments": [{"method": "cash"}],
        });
        let sale = stage.make("sale", "sales", sale).await;
        stage.keys.insert("sale line", sale["lines"][0]["id"].clone());
        let parked = json!({
            "registerId": open["id"], "label": "Ann", "lines": [{"variantId": variant, "quantity": "1"}],
        });
        stage.make("parked", "parked-sales", parked).await;
        set_till_number(&stage.business, &format!("TILL-{}", slug.to_uppercase())).await;
        let request = json!({"registerId": open["id"], "phone": "+254712345600", "amount": "10"});
        stage.make("payment request", "payment-requests", request).await;
        let payment = reported_payment(app, &stage.business, "10").await;
        stage.keys.insert("mobile payment", payment);
        let offline = json!({
            "id": uuid::Uuid::now_v7(), "registerId": open["id"], "reference": "OFF-1",
            "soldAt": chrono::Utc::now(), "lines": [{"variantId": variant, "quantity": "1"}],
            "payments": [{"method": "cash"}], "total": "1.00",
        });
        stage.make("offline sale", "offline-sales", offline).await;
        stage.make("saved report", "saved-reports", json!({"name": "Stock", "report": "stock"})).await;
        let gift = json!([{"method": "cash", "amount": "5"}, {"method": "voucher", "amount": "-5"}]);
        let gift = json!({"registerId": open["id"], "payments": gift});
        let gift = stage.make("gift", "sales", gift).await;
        stage.keys.insert("voucher", gift["payments"][1]["voucherCode"].clone());
        let lines = json!([{"variantId": variant, "quantity": "10"}]);
        let corrected = json!({"variantId": variant, "unitCost": "0.55", "reason": "wrong"});
        stage.make("revaluation", "stock/revaluations", corrected).await;
        let reserved = stage.make("reserved", "orders", json!({"fulfil": false, "lines": lines})).await;
        let fulfilled = stage.make("fulfilled", "orders", json!({"fulfil": true, "lines": lines})).await;
        let (from, to) = (stage.keys["fromLocationId"].clone(), stage.keys["toLocationId"].clone());
        let transfer = json!({"fromLocationId": from, "toLocationId": to, "lines": lines});
        let transfer = stage.make("transfer", "stock/transfers", transfer).await;
        let count = stage.make("stock count", "stock/counts", json!({})).await;
        let lines = json!({"lines": [{"variantId": variant, "counted": "976"}]});
        let counted = stage.step(&count, "stock/counts", "lines", lines).await;
        stage.keys.insert("count line", counted["lines"][0]["id"].clone());
        let lines = json!([{"variantId": variant, "quantity": "100", "unitCost": "0.50"}]);
        let order =
            json!({"supplierId": stage.keys["supplierId"], "expectedOn": "2999-01-01", "lines": lines});
        stage.make("draft", "purchase-orders", order.clone()).await;
        let sent = stage.make("sent", "purchase-orders", order.clone()).await;
        stage.step(&sent, "purchase-orders", "send", json!({})).await;
        let partly = stage.make("partly", "purchase-orders", order).await;
        stage.step(&partly, "purchase-orders", "send", json!({})).await;
        let line = json!({"lineId": partly["lines"][0]["id"], "quantity": "1"});
        stage.step(&partly, "purchase-orders", "receipts", json!({"lines": [line]})).await;
        let price = json!({"variantId": variant, "cost": "0.50"});
        let supplier = json!({"id": stage.keys["supplierId"]});
        stage.step(&supplier, "suppliers", "prices", price).await;
        let back =
            json!({"reason": "x", "lines": [{"lineId": fulfilled["lines"][0]["id"], "quantity": "1"}]});
        stage.step(&fulfilled, "orders", "returns", back).await;
        for (document, name) in [
            (&reserved, "reserved line"),
            (&fulfilled, "fulfilled line"),
            (&transfer, "transfer line"),
            (&sent, "sent line"),
        ] {
            stage.keys.insert(name, document["lines"][0]["id"].clone());
        }
        stage
    }

    /// The path with the id of a member, or of the membership, whose account belongs to the business.
    pub async fn with_member(&self, path: &str) -> String {
        let member = json!({"username": "bea", "password": harness::PASSWORD, "roles": ["STAFF"]});
        let mut reply = self.business.post("/api/v1/users", &member).await;
        if reply.status == 409 {
            reply = self.business.get("/api/v1/users?q=bea").await;
            reply.body = reply.body["data"][0].clone();
        }
        let id = match path.contains("memberships/{id}") {
            true => &reply.body["memberships"][0]["id"],
            false => &reply.body["id"],
        };
        path.replace("{id}", id.as_str().unwrap_or_else(|| panic!("{path}: {reply:?}")))
    }

    /// The id of an invitation.
    pub async fn invite(&self) -> String {
        let new = json!({"email": "guest@acme.example", "roles": ["STAFF"]});
        let mut reply = self.business.post("/api/v1/invitations", &new).await;
        if reply.status == 409 {
            reply.body = self.business.get("/api/v1/invitations").await.body["data"][0].clone();
        }
        reply.body["id"].as_str().unwrap_or_else(|| panic!("{reply:?}")).to_owned()
    }

    async fn sign_in_member(&self) -> Client<'a> {
        self.with_member("{id}").await;
        let login = json!({"username": "bea", "password": harness::PASSWORD});
        let reply = self.business.post("/api/v1/auth/login", &login).await;
        self.business.with_token(reply.body["accessToken"].as_str())
    }

    async fn make(&mut self, name: &'static str, path: &str, body: Value) -> Value {
        let reply = self.business.submit(path, &body).await;
        assert_eq!(reply.status, 201, "{path}: {reply:?}");
        self.keys.insert(name, reply.body["id"].clone());
        reply.body
    }

    async fn step(&self, document: &Value, path: &str, step: &str, body: Value) -> Value {
        let path = format!("{path}/{}/{step}", document["id"].as_str().unwrap());
        let reply = self.business.submit(&path, &body).await;
        assert!(matches!(reply.status, 200 | 201), "{path}: {reply:?}");
        reply.body
    }

    /// The id for this path, and the line id for its body.
    fn subject(&self, method: &str, path: &str) -> (&Value, &Value) {
        let rest = path.trim_start_matches("/api/v1/");
        let (of, line) = match rest {
            rest if rest.starts_with("categories") => ("categoryId", "sent line"),
            // What is archived must have no documents under way.
            "products/{id}" if method == "DELETE" => ("spare product", "sent line"),
            "suppliers/{id}" if method == "DELETE" => ("spare supplier", "sent line"),
            rest if rest.starts_with("products") => ("productId", "sent line"),
            rest if rest.starts_with("variants") => ("variantId", "sent line"),
            rest if rest.starts_with("barcodes") || rest.starts_with("scans") => ("code", "sent line"),
            rest if rest.starts_with("tax-classes") => ("taxClassId", "sent line"),
            rest if rest.starts_with("locations") => ("toLocationId", "sent line"),
            rest if rest.starts_with("registers") => ("registerId", "sent line"),
            rest if rest.starts_with("shifts") => ("shift", "sent line"),
            rest if rest.starts_with("sales") => ("sale", "sale line"),
            rest if rest.starts_with("parked-sales") => ("parked", "sent line"),
            rest if rest.starts_with("payment-requests") => ("payment request", "sent line"),
            rest if rest.starts_with("mobile-payments") => ("mobile payment", "sent line"),
            rest if rest.starts_with("saved-reports") => ("saved report", "sent line"),
            rest if rest.starts_with("offline-sales") => ("offline sale", "sent line"),
            rest if rest.starts_with("vouchers") => ("voucher", "sent line"),
            rest if rest.starts_with("stock/adjustments") => ("adjustment", "sent line"),
            rest if rest.starts_with("stock/revaluations") => ("revaluation", "sent line"),
            rest if rest.starts_with("stock/transfers") => ("transfer", "transfer line"),
            rest if rest.starts_with("stock/counts") => ("stock count", "sent line"),
            rest if rest.starts_with("customers") => ("customerId", "sent line"),
            "orders/{id}/returns" | "orders/{id}/refunds" | "orders/{id}/exchanges" => {
                ("fulfilled", "fulfilled line")
            }
            rest if rest.starts_with("orders") => ("reserved", "reserved line"),
            rest if rest.starts_with("suppliers") => ("supplierId", "sent line"),
            "purchase-orders/{id}/close" => ("partly", "sent line"),
            "purchase-orders/{id}/receipts" if method == "GET" => ("partly", "sent line"),
            "purchase-orders/{id}/send" => ("draft", "sent line"),
            "purchase-orders/{id}" if method == "PATCH" => ("draft", "sent line"),
            _ => ("sent", "sent line"),
        };
        (&self.keys[of], &self.keys[line])
    }

    /// Replaces the ids in the example with ids of this business.
    fn fill_in(&self, example: &mut Value, line: &Value) {
        match example {
            Value::Object(fields) => {
                for (name, value) in fields {
                    match self.keys.get(name.as_str()) {
                        _ if name == "lineId" => *value = line.clone(),
                        Some(key) => *value = key.clone(),
                        None => self.fill_in(value, line),
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.fill_in(item, line)),
            _ => {}
        }
    }
}

/// Compares a response with its example: the fields and the types of their values must be the same. Null is
/// allowed for any value that does not exist.
fn compare(at: &str, example: &Value, actual: &Value, faults: &mut Vec<String>) {
    match (example, actual) {
        (_, Value::Null) => {}
        (Value::Object(example), Value::Object(actual)) => {
            for (name, value) in actual {
                match example.get(name) {
                    _ if FREE.contains(&name.as_str()) => {}
                    Some(example) => compare(&format!("{at}.{name}"), example, value, faults),
                    None => faults.push(format!("{at}.{name} is not documented")),
                }
            }
            // A list of receipts leaves out the order, as documented.
            for name in example.keys().filter(|name| !actual.contains_key(*name) && *name != "order") {
                faults.push(format!("{at}.{name} is documented but missing"));
            }
        }
        (Value::Array(example), Value::Array(actual)) => {
            for item in actual {
                compare(&format!("{at}[]"), example.first().unwrap_or(&Value::Null), item, faults);
            }
        }
        (example, actual) => {
            if std::mem::discriminant(example) != std::mem::discriminant(actual) {
                faults.push(format!("{at}: {actual} has another type than {example}"));
            }
        }
    }
}

fn example(content: &Value) -> Value {
    content["content"]
        .as_object()
        .and_then(|kinds| kinds.values().next())
        .map_or(Value::Null, |kind| kind["example"].clone())
}

/// Compares a response with the documentation of the operation for its status.
fn check(at: &str, operation: &Value, reply: &Reply, faults: &mut Vec<String>) {
    let documented = &operation["responses"][reply.status.to_string()];
    if !(200..300).contains(&reply.status) || documented.is_null() {
        return faults.push(format!("{at}: {} {}", reply.status, reply.body));
    }
    if documented["description"].as_str().is_none_or(str::is_empty) {
        faults.push(format!("{at}: status {} has no description", reply.status));
    }
    let example = example(documented);
    if !example.is_null() {
        compare(at, &example, &reply.body, faults);
    }
}

/// The slug of the business that each operation is sent to. Operations on one kind of record have different
/// businesses, because one may change the record that the other needs. Those on different kinds share one.
fn slugs(operations: &[(String, &str, &Value)]) -> Vec<String> {
    let mut of_kind: BTreeMap<&str, usize> = BTreeMap::new();
    let slug = |(number, (method, path, _)): (usize, &(String, &str, &Value))| {
        if method == "GET" {
            return "looked-at".to_owned();
        }
        if method == "DELETE" || ALONE.iter().any(|below| path.starts_with(below)) {
            return format!("stage-{number}");
        }
        let kind = path.trim_start_matches("/api/v1/").split('/').next().unwrap_or_default();
        let nth = of_kind.entry(kind).or_default();
        *nth += 1;
        format!("shared-{nth}")
    };
    operations.iter().enumerate().map(slug).collect()
}

async fn send(client: &Client<'_>, method: &str, path: &str, body: Option<&Value>) -> Reply {
    client.with("idempotency-key", &uuid::Uuid::now_v7().to_string()).send(method, path, body).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_example_of_the_api_document_matches_a_real_response() {
    let (_mailbox, app) = &Mailbox::with_app().await;
    let document = &app.stranger("localhost").get("/openapi.json").await.body;
    let staff = &app.staff("super_admin").await;
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let name = format!("{} {path}", method.to_uppercase());
            let is_left_out = method != "get" && ONLY_READ.iter().any(|below| path.starts_with(below));
            if !NOT_REPLAYED.contains(&name.as_str()) && !path.starts_with("/oauth/") && !is_left_out {
                operations.push((method.to_uppercase(), path.as_str(), operation));
            }
        }
    }
    assert!(operations.len() > 100);
    let slugs = slugs(&operations);
    let mut stages: BTreeMap<&str, Stage<'_>> = BTreeMap::new();
    let wanted: Vec<&str> = BTreeSet::from_iter(slugs.iter().map(String::as_str)).into_iter().collect();
    for some in wanted.chunks(8) {
        let set = join_all(some.iter().map(|slug| Stage::set(app, slug)).collect()).await;
        stages.extend(some.iter().copied().zip(set));
    }
    let replay = async |number: usize, (method, path, operation): &(String, &str, &Value)| {
        let mut faults = Vec::new();
        let at = format!("{method} {path}");
        let stage = &stages[slugs[number].as_str()];
        let mut body = example(&operation["requestBody"]);
        let mut to = (*path).to_owned();
        let reply = if path.starts_with("/api/v1/platform") {
            to = platform_examples::prepare(app, staff, stage, method, path, &mut body).await;
            send(staff, method, &to, Some(&body).filter(|body| !body.is_null())).await
        } else {
            let (subject, line) = stage.subject(method, path);
            stage.fill_in(&mut body, line);
            if path.starts_with("/api/v1/sales") && body["registerId"].is_string() {
                body["registerId"] = stage.keys["open register"].clone();
            }
            let subject = subject.as_str().unwrap_or_default();
            to = to.replace("{id}", subject).replace("{code}", subject);
            to = to.replace("{lineId}", stage.keys["count line"].as_str().unwrap_or_default());
            to = to.replace("{locationId}", stage.keys["toLocationId"].as_str().unwrap_or_default());
            if *path == "/api/v1/jobs/{id}" {
                let job = queue(app, Some(stage.business.tenant.id)).await;
                to = path.replace("{id}", &job);
            }
            to = to.replace("{app}", "inventory").replace("{key}", "buyer");
            if path.starts_with("/api/v1/roles/") && method != "PUT" {
                let role = json!({"name": "Buyer", "permissions": ["purchasing.write"]});
                stage.business.put(&to, &role).await;
            }
            if path.starts_with("/api/v1/users/{id}") || path.starts_with("/api/v1/memberships/{id}") {
                to = stage.with_member(path).await;
            }
            if path.starts_with("/api/v1/api-keys/{id}") {
                let key = json!({"name": format!("Key {number}"), "permissions": ["stock.read"]});
                let key = stage.business.post("/api/v1/api-keys", &key).await.body;
                to = path.replace("{id}", key["id"].as_str().unwrap());
            }
            if path.starts_with("/api/v1/webhooks/{id}") {
                let hook = json!({"url": format!("https://hooks.invalid/{number}")});
                let hook = stage.business.post("/api/v1/webhooks", &hook).await.body;
                to = path.replace("{id}", hook["id"].as_str().unwrap());
            }
            if path.starts_with("/api/v1/service-accounts") {
                register(staff, &format!("erp-{number}")).await;
                let new = json!({"permissions": ["stock.read"]});
                to = path.replace("{slug}", &format!("erp-{number}"));
                if method == "DELETE" {
                    stage.business.put(&to, &new).await;
                }
            }
            if path.starts_with("/api/v1/invitations/{id}") {
                to = path.replace("{id}", &stage.invite().await);
            }
            if body.get("currentPassword").is_some() {
                body["currentPassword"] = json!(harness::PASSWORD);
            }
            if *path == "/api/v1/auth/delete" {
                // The only owner of a business cannot be deleted.
                let member = stage.sign_in_member().await;
                let body = json!({"currentPassword": harness::PASSWORD});
                check(&at, operation, &member.post(path, &body).await, &mut faults);
                return faults;
            }
            if *path == "/api/v1/auth/sessions/{id}" {
                let sessions = stage.business.get("/api/v1/auth/sessions").await.body;
                to = path.replace("{id}", sessions["data"][0]["id"].as_str().unwrap());
            }
            if *path == "/api/v1/auth/refresh" {
                let login =
                    json!({"email": format!("owner@stage-{number}.test"), "password": harness::PASSWORD});
                let signed_in = stage.business.post("/api/v1/auth/login", &login).await.body;
                body["refreshToken"] = signed_in["refreshToken"].clone();
            }
            if *path == "/api/v1/auth/logout" {
                body = json!({});
            }
            if *path == "/api/v1/auth/login" {
                body = json!({"email": format!("owner@stage-{number}.test"), "password": harness::PASSWORD,
                              "app": body["app"], "device": body["device"]});
            }
            let body = Some(&body).filter(|body| !body.is_null());
            if has_header(operation, "If-Match") {
                let stale = stage.business.with("if-match", "\"999999\"");
                let refused = send(&stale, method, &to, body).await;
                if refused.status != 412 {
                    faults.push(format!("{at}: If-Match is documented and not checked: {}", refused.status));
                }
            }
            let first = send(&stage.business, method, &to, body).await;
            if has_header(operation, "Idempotency-Key") {
                let once = stage.business.with("idempotency-key", "the same");
                let (one, other) = (once.send(method, &to, body).await, once.send(method, &to, body).await);
                if (one.status, &one.body) != (other.status, &other.body) && one.status < 300 {
                    faults.push(format!("{at}: Idempotency-Key is documented and has no effect"));
                }
            }
            first
        };
        check(&at, operation, &reply, &mut faults);
        faults
    };
    let mut faults = Vec::new();
    let numbered: Vec<_> = operations.iter().enumerate().collect();
    for some in numbered.chunks(8) {
        let replayed =
            join_all(some.iter().map(|(number, operation)| replay(*number, operation)).collect()).await;
        faults.extend(replayed.into_iter().flatten());
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn has_header(operation: &Value, name: &str) -> bool {
    let parameters = operation["parameters"].as_array();
    parameters.into_iter().flatten().any(|parameter| parameter["name"] == name)
}
