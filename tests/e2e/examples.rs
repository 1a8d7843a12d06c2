//! The examples of the API document: each request is sent as it stands there, with the keys of what it speaks of, and each
//! answer looks as the document says.

use std::collections::BTreeMap;

use harness::{Business, Client, Reply, TestApp, join_all};
use serde_json::{Value, json};
use tenancy::jobs::{self, NewJob};

/// What cannot be replayed: it needs a name server, or a host that one has vouched for. `domains` tries it with one.
const NOT_REPLAYED: [&str; 2] = [
    "POST /api/v1/platform/tenants/{id}/domains/{host}/verify",
    "PUT /api/v1/platform/tenants/{id}/primary-domain",
];

/// A host that is removed; the example's own is added elsewhere.
const GIVEN_UP: &str = "old.acme.example";

/// What may hold anything.
const FREE: [&str; 6] = ["options", "changes", "result", "parameters", "details", "warnings"];

/// A business with one of everything, and the keys of it by the names that fields have for it.
struct Stage<'a> {
    business: Business<'a>,
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
        stage.make("customerId", "customers", json!({"name": "Ann"})).await;
        stage.make("supplierId", "suppliers", json!({"name": "Bolts"})).await;

        let variant = stage.keys["variantId"].clone();
        stage
            .make(
                "adjustment",
                "stock/adjustments",
                json!({"variantId": variant, "quantity": "1000", "reason": "found"}),
            )
            .await;
        let lines = json!([{"variantId": variant, "quantity": "10"}]);
        let reserved = stage.make("reserved", "orders", json!({"fulfil": false, "lines": lines})).await;
        let fulfilled = stage.make("fulfilled", "orders", json!({"fulfil": true, "lines": lines})).await;
        let (from, to) = (stage.keys["fromLocationId"].clone(), stage.keys["toLocationId"].clone());
        let transfer = json!({"fromLocationId": from, "toLocationId": to, "lines": lines});
        let transfer = stage.make("transfer", "stock/transfers", transfer).await;
        let count = stage.make("count", "stock/counts", json!({})).await;
        stage
            .step(
                &count,
                "stock/counts",
                "lines",
                json!({"lines": [{"variantId": variant, "counted": "979"}]}),
            )
            .await;
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

    async fn make(&mut self, name: &'static str, path: &str, body: Value) -> Value {
        let reply = self.business.submit(path, &body).await;
        assert_eq!(reply.status, 201, "{path}: {reply:?}");
        self.keys.insert(name, reply.body["id"].clone());
        reply.body
    }

    async fn step(&self, document: &Value, path: &str, step: &str, body: Value) {
        let path = format!("{path}/{}/{step}", document["id"].as_str().unwrap());
        let reply = self.business.submit(&path, &body).await;
        assert!(matches!(reply.status, 200 | 201), "{path}: {reply:?}");
    }

    /// What the key in this path is of, and what the lines in its body are of.
    fn subject(&self, method: &str, path: &str) -> (&Value, &Value) {
        let rest = path.trim_start_matches("/api/v1/");
        let (of, line) = match rest {
            rest if rest.starts_with("categories") => ("categoryId", "sent line"),
            rest if rest.starts_with("products") => ("productId", "sent line"),
            rest if rest.starts_with("variants") => ("variantId", "sent line"),
            rest if rest.starts_with("barcodes") => ("code", "sent line"),
            rest if rest.starts_with("tax-classes") => ("taxClassId", "sent line"),
            rest if rest.starts_with("locations") => ("toLocationId", "sent line"),
            rest if rest.starts_with("stock/adjustments") => ("adjustment", "sent line"),
            rest if rest.starts_with("stock/transfers") => ("transfer", "transfer line"),
            rest if rest.starts_with("stock/counts") => ("count", "sent line"),
            rest if rest.starts_with("customers") => ("customerId", "sent line"),
            "orders/{id}/returns" => ("fulfilled", "fulfilled line"),
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

    /// The example with the keys of this business.
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

/// The keys of an answer are those of the example, and the kinds of values too; null stands for whatever is not there.
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
            // A list of receipts leaves the order out, as its documentation says.
            for name in example.keys().filter(|name| !actual.contains_key(*name) && *name != "order") {
                faults.push(format!("{at}.{name} is documented and missing"));
            }
        }
        (Value::Array(example), Value::Array(actual)) => {
            for item in actual {
                compare(&format!("{at}[]"), example.first().unwrap_or(&Value::Null), item, faults);
            }
        }
        (example, actual) => {
            if std::mem::discriminant(example) != std::mem::discriminant(actual) {
                faults.push(format!("{at}: {actual} is not like {example}"));
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

/// Compares an answer with what the operation documents for its status.
fn check(at: &str, operation: &Value, reply: &Reply, faults: &mut Vec<String>) {
    let documented = &operation["responses"][reply.status.to_string()];
    if !(200..300).contains(&reply.status) || documented.is_null() {
        return faults.push(format!("{at}: {} {}", reply.status, reply.body));
    }
    if documented["description"].as_str().is_none_or(str::is_empty) {
        faults.push(format!("{at}: {} is not described", reply.status));
    }
    let example = example(documented);
    if !example.is_null() {
        compare(at, &example, &reply.body, faults);
    }
}

async fn send(client: &Client<'_>, method: &str, path: &str, body: Option<&Value>) -> Reply {
    client.with("idempotency-key", &uuid::Uuid::now_v7().to_string()).send(method, path, body).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_example_of_the_api_document_is_what_happens() {
    let app = &TestApp::start().await;
    let document = &app.stranger("localhost").get("/openapi.json").await.body;
    let staff = &app.staff("super_admin").await;
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let name = format!("{} {path}", method.to_uppercase());
            if !NOT_REPLAYED.contains(&name.as_str()) {
                operations.push((method.to_uppercase(), path.as_str(), operation));
            }
        }
    }
    assert!(operations.len() > 100);
    let looked_at = &Stage::set(app, "looked-at").await;
    let replay = async |number: usize, (method, path, operation): &(String, &str, &Value)| {
        let mut faults = Vec::new();
        let at = format!("{method} {path}");
        let own;
        let stage = match method.as_str() {
            "GET" => looked_at,
            _ => {
                own = Stage::set(app, &format!("stage-{number}")).await;
                &own
            }
        };
        let mut body = example(&operation["requestBody"]);
        let mut to = (*path).to_owned();
        let reply = if path.starts_with("/api/v1/platform") {
            to = prepare_platform(app, staff, stage, method, path, &mut body).await;
            send(staff, method, &to, Some(&body).filter(|body| !body.is_null())).await
        } else {
            let (subject, line) = stage.subject(method, path);
            stage.fill_in(&mut body, line);
            let subject = subject.as_str().unwrap_or_default();
            to = to.replace("{id}", subject).replace("{code}", subject);
            if *path == "/api/v1/jobs/{id}" {
                let job = queue(app, Some(stage.business.tenant.id)).await;
                to = path.replace("{id}", &job);
            }
            if *path == "/api/v1/auth/login" {
                body = json!({"email": format!("owner@stage-{number}.test"), "password": harness::PASSWORD,
                              "app": body["app"], "device": body["device"]});
            }
            send(&stage.business, method, &to, Some(&body).filter(|body| !body.is_null())).await
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

async fn queue(app: &TestApp, tenant_id: Option<tenancy::TenantId>) -> String {
    let new = NewJob {
        kind: "test",
        tenant_id,
        // Each is a job of its own: of two that ask for the same, the second would get the first one.
        parameters: json!({"n": fastrand::u64(..)}),
        max_attempts: 1,
        requested_by: "test".into(),
    };
    let provisioner = app.onboarding().provisioner();
    let job = provisioner.write_shared(async |tx| jobs::insert(tx, &new).await).await.unwrap();
    job.id.to_string()
}

/// Brings the business to where the deed can be done to it; returns the path.
async fn prepare_platform(
    app: &TestApp,
    staff: &Client<'_>,
    stage: &Stage<'_>,
    method: &str,
    path: &str,
    body: &mut Value,
) -> String {
    let tenant = &stage.business.tenant;
    let own = format!("/api/v1/platform/tenants/{}", tenant.id);
    let before: &[&str] = match path.rsplit('/').next().unwrap() {
        "resume" => &["suspend"],
        "unarchive" | "drop" => &["archive"],
        _ => &[],
    };
    for step in before {
        assert_eq!(staff.post(&format!("{own}/{step}"), &json!({})).await.status, 200);
    }
    match (method, path) {
        ("POST", "/api/v1/platform/tenants/{id}/drop") => {
            body["slug"] = json!(tenant.slug.as_str());
            body["withoutBackup"] = json!(true);
        }
        ("DELETE", "/api/v1/platform/tenants/{id}/domains/{host}") => {
            let host = json!({"host": GIVEN_UP});
            assert_eq!(staff.post(&format!("{own}/domains"), &host).await.status, 201);
        }
        // Whoever becomes owner of two businesses at the same moment is asked to try again.
        ("POST", "/api/v1/platform/tenants/{id}/clone") => {
            body["slug"] = json!("acme-copy");
            body["owner"]["email"] = json!("ben@acme.example");
        }
        ("POST", "/api/v1/platform/backups") => body["tenantId"] = json!(tenant.id),
        _ => {}
    }
    if path.contains("/jobs/{id}") {
        let job = queue(app, None).await;
        if path.ends_with("retry") {
            let cancelled = staff.post(&format!("/api/v1/platform/jobs/{job}/cancel"), &json!({})).await;
            assert_eq!(cancelled.status, 200, "{cancelled:?}");
        }
        return path.replace("{id}", &job);
    }
    path.replace("{id}", &tenant.id.to_string()).replace("{host}", GIVEN_UP)
}
