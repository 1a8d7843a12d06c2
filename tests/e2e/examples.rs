//! The examples of the API document: each request is sent as documented, with the ids of real records, and
//! each response must look as documented.

use std::collections::{BTreeMap, BTreeSet};

use harness::{Client, Mailbox, Reply, join_all};
use serde_json::{Value, json};

use crate::platform_examples::{self, queue, register};
use crate::stage::{Stage, slugs};

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

/// Fields that may hold any value.
const FREE: [&str; 8] =
    ["options", "changes", "result", "parameters", "details", "warnings", "payload", "request"];

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
