//! Clients that generators made from the API document, in three languages. Each signs in, lists products,
//! places an order, and reads what is missing for another one.

use std::path::{Path, PathBuf};

use harness::{PASSWORD, TestApp, a_product, free_port};
use serde_json::{Value, json};
use tokio::process::Command;

fn clients() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients")
}

fn target() -> PathBuf {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    assert!(
        target.join("clients/made.sha256").exists(),
        "run scripts/clients once: it generates the clients"
    );
    target
}

/// Runs a program to its end. Returns what it printed.
async fn run(command: &mut Command) -> String {
    let done = command.output().await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(done.status.success(), "{command:?}\n{}{}", text(&done.stdout), text(&done.stderr));
    text(&done.stdout)
}

/// Type-checks and builds the program in TypeScript.
async fn typescript() -> Command {
    let shop = clients().join("shop");
    run(Command::new("node").arg(clients().join("node_modules/.bin/tsc")).arg("-p").arg(&shop)).await;
    let built = clients().join("node_modules/.shop");
    std::fs::copy(shop.join("package.json"), built.join("package.json")).unwrap();
    let mut program = Command::new("node");
    program.arg("--require").arg(clients().join("local/names.cjs")).arg(built.join("shop.js"));
    program
}

async fn python() -> Command {
    let path = std::env::join_paths([target().join("clients/python"), clients().join("local")]).unwrap();
    let mut program = Command::new(target().join("python/bin/python"));
    program.env("PYTHONPATH", path).arg(clients().join("shop/shop.py"));
    program
}

/// Builds the program in Go, whose compiler checks all types of the client.
async fn go() -> Command {
    let built = target().join("clients/go-shop");
    run(Command::new(target().join("python/bin/go"))
        .args(["build", "-o"])
        .arg(&built)
        .arg(".")
        .current_dir(clients().join("shop"))
        .env("GOCACHE", target().join("clients/go-cache"))
        .env("GOPROXY", "off"))
    .await;
    Command::new(built)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_generated_client_places_an_order_in_three_languages() {
    let port = free_port();
    let app = TestApp::start_with(&format!("[server]\nlisten = \"127.0.0.1:{port}\"")).await;
    let acme = app.tenant("acme").await;
    let bolt = acme.create_product(&a_product("BOLT")).await["variants"][0]["id"].clone();
    acme.adjust(&bolt, "10").await;
    let address = format!("http://acme.localhost:{port}");
    let mut left = 10;
    for mut program in [typescript().await, python().await, go().await] {
        program.args([&address, "owner@acme.test", PASSWORD]);
        let printed = run(&mut program).await;
        left -= 1;
        let told: Value = serde_json::from_str(&printed).unwrap();
        assert_eq!(
            told,
            json!({
                "products": 1, "order": "fulfilled", "total": told["total"],
                "requested": "1000", "available": left.to_string(),
            }),
            "{program:?}"
        );
        assert_ne!(told["total"], "0.00", "{program:?}");
    }
}
