//! The guides of the API, as a newcomer follows them.

use std::path::{Path, PathBuf};

use harness::{PASSWORD, TestApp, free_port};
use serde_json::Value;
use tokio::process::Command;

fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The commands of a guide, with the account of the test in place of the placeholders.
fn commands(guide: &str, address: &str, email: &str) -> String {
    let text = std::fs::read_to_string(checkout().join("docs/guides").join(guide)).unwrap();
    let blocks = text.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let commands = blocks.collect::<String>();
    commands
        .replace("https://acme.tenantry.example", address)
        .replace("ann@acme.example", email)
        .replace("the password", PASSWORD)
}

#[tokio::test]
async fn a_newcomer_places_a_first_order() {
    let port = free_port();
    let app = TestApp::start_with(&format!("[server]\nlisten = \"127.0.0.1:{port}\"")).await;
    let acme = app.tenant("acme").await;
    let address = format!("http://acme.localhost:{port}");
    let first = commands("first-order.md", &address, "owner@acme.test");
    let others = ["pages.md", "copies.md"].map(|guide| commands(guide, &address, "")).concat();
    let script = format!("set -euo pipefail\n{first}{others}");
    let done = Command::new("bash").args(["-c", &script]).output().await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(done.status.success(), "{}\n{}", text(&done.stdout), text(&done.stderr));
    let printed = text(&done.stdout);
    let answers: Vec<Value> =
        serde_json::Deserializer::from_str(&printed).into_iter().map(Result::unwrap).collect();
    let order = answers.iter().find(|answer| answer["total"].is_string()).unwrap();
    assert_eq!((order["status"].as_str(), order["total"].as_str()), (Some("fulfilled"), Some("5.00")));
    let shortage = answers.iter().find(|answer| answer["code"] == "insufficient_stock").unwrap();
    assert_eq!(shortage["shortages"][0]["available"], "80");
    assert_eq!(acme.get("/api/v1/orders").await.body["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_signature_of_the_guide_verifies_a_message() {
    let text = std::fs::read_to_string(checkout().join("docs/guides/webhooks.md")).unwrap();
    let program = text.split("```python\n").nth(1).unwrap().split("```").next().unwrap();
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let (id, body) = ("evt_1", r#"{"type":"order.placed"}"#);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
    let signature = standardwebhooks::Webhook::new(secret).unwrap().sign(id, now, body.as_bytes()).unwrap();
    let verified = async |body: &str, at: i64| {
        let call = format!(
            "print(verify({secret:?}, {{'webhook-id': {id:?}, 'webhook-timestamp': '{at}', \
             'webhook-signature': {signature:?}}}, {body:?}.encode()))"
        );
        let done =
            Command::new("python3").args(["-c", &format!("{program}\n{call}")]).output().await.unwrap();
        String::from_utf8_lossy(&done.stdout).trim().to_owned()
    };
    assert_eq!(verified(body, now).await, "True");
    assert_eq!(verified(r#"{"type":"order.paid"}"#, now).await, "False");
    assert_eq!(verified(body, now - 600).await, "False");
}

/// Changes the document as a careless developer would, and compares it with the last released one.
#[tokio::test]
async fn a_change_that_breaks_programs_is_found() {
    let target = checkout().join("target/clients");
    let document: Value =
        serde_json::from_slice(&std::fs::read(target.join("openapi.json")).unwrap()).unwrap();
    let program = checkout().join("tests/clients/compatible.py");
    let compare = async |document: &Value| {
        let file = std::env::temp_dir().join(format!("document-{}.json", uuid::Uuid::now_v7()));
        std::fs::write(&file, document.to_string()).unwrap();
        let done = Command::new("python3").arg(&program).arg(&file).output().await.unwrap();
        std::fs::remove_file(file).unwrap();
        (done.status.success(), String::from_utf8_lossy(&done.stdout).into_owned())
    };
    let (same, printed) = compare(&document).await;
    assert!(same, "{printed}");
    for (change, told) in [
        ("/paths/~1api~1v1~1orders/post", "api-removed-without-deprecation"),
        ("/components/schemas/Order/properties/number", "response-required-property-removed"),
        ("/components/schemas/OrderStatus/enum/0", "request-parameter-enum-value-removed"),
    ] {
        let mut broken = document.clone();
        let (parent, name) = change.rsplit_once('/').unwrap();
        match broken.pointer_mut(parent).unwrap() {
            Value::Object(members) => drop(members.remove(name).expect(change)),
            Value::Array(items) => drop(items.remove(0)),
            other => panic!("{change}: {other}"),
        }
        let (same, printed) = compare(&broken).await;
        assert!(!same && printed.contains(told), "{change}: {printed}");
    }
}
