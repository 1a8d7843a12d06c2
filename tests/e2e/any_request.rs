//! Requests that schemathesis makes from the API document, valid and invalid ones. The server must answer
//! each as the document says, and never with an error of its own.

use std::path::Path;

use harness::{TestApp, free_port};
use tokio::process::Command;

use crate::stage::Stage;

/// The groups of operations that can be called in any order. Others end the session of the caller.
const TAGS: [&str; 7] = ["catalogue", "stock", "orders", "purchasing", "insight", "business", "events"];

/// Rules of the business, such as that a line names one article, refuse requests that are valid by their
/// schema. The other checks need records that stay as they are.
const WITHOUT: &str = "positive_data_acceptance,ignored_auth,use_after_free,ensure_resource_availability";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_is_one_of_the_api_document() {
    let port = free_port();
    let app = TestApp::start_with(&format!("[server]\nlisten = \"127.0.0.1:{port}\"")).await;
    let stage = Stage::set(&app, "acme").await;
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    let document = target.join("clients/openapi.json");
    assert!(document.exists(), "run scripts/clients once: it writes {}", document.display());
    let token = stage.business.token.clone().unwrap();
    let examples = std::env::var("TENANTRY_TEST_REQUESTS").unwrap_or_else(|_| "3".to_owned());
    // The test makes the same requests each time. A soak makes others.
    let seed = std::env::var("TENANTRY_TEST_SEED").unwrap_or_else(|_| "1".to_owned());
    let mut schemathesis = Command::new(target.join("python/bin/schemathesis"));
    schemathesis
        .args([
            "--no-color",
            "run",
            "--phases",
            "examples,fuzzing",
            "--continue-on-failure",
            "--workers",
            "2",
        ])
        .args([
            "--seed",
            &seed,
            "--max-examples",
            &examples,
            "--checks",
            "all",
            "--exclude-checks",
            WITHOUT,
            "--warnings",
            "off",
        ])
        .args(["--url", &format!("http://127.0.0.1:{port}")])
        .args(["--header", "Host: acme.localhost", "--header", &format!("Authorization: Bearer {token}")])
        // A stream of events has no end.
        .args(["--exclude-operation-id", "listenToEvents"])
        .args(TAGS.iter().flat_map(|tag| ["--include-tag", tag]))
        .arg(&document)
        .current_dir(std::env::temp_dir());
    let done = schemathesis.output().await.unwrap();
    let printed = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{printed}\n{}", String::from_utf8_lossy(&done.stderr));
}
