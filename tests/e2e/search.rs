//! What people type into a search box.

use harness::TestApp;
use serde_json::json;

use crate::orders::{made, stocked};

#[tokio::test]
async fn orders_and_customers_are_found_by_what_people_type() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let bolt = stocked(&acme, "BOLT", "100").await;
    let mut customers = Vec::new();
    for (name, email, phone) in [
        ("Ann Smith", "ann@acme.example", "+254 700 000-001"),
        ("2 Brothers", "info@brothers.example", "(0700) 000 002"),
    ] {
        let body = json!({"name": name, "email": email, "phone": phone});
        customers.push(made(acme.post("/api/v1/customers", &body).await)["id"].clone());
    }
    for customer in [&customers[0], &customers[0], &customers[1]] {
        let lines = json!([{"variantId": bolt, "quantity": "1"}]);
        made(acme.submit("orders", &json!({"customerId": customer, "lines": lines})).await);
    }
    let numbers = async |q: &str| -> Vec<i64> {
        let found = acme.get(&format!("/api/v1/orders?q={q}")).await;
        assert_eq!(found.status, 200, "{found:?}");
        found.body["data"].as_array().unwrap().iter().map(|order| order["number"].as_i64().unwrap()).collect()
    };
    for (q, found) in [
        ("%232", vec![2]),
        ("SO-000002", vec![2]),
        ("so-2", vec![2]),
        // The number 2, and the customer whose name begins so.
        ("2", vec![3, 2]),
        ("2%20bro", vec![3]),
        ("1", vec![1]),
        ("%239", vec![]),
        ("ann", vec![2, 1]),
        ("%23ann", vec![]),
    ] {
        assert_eq!(numbers(q).await, found, "{q}");
    }
    let names = async |q: &str| -> Vec<String> {
        let found = acme.get(&format!("/api/v1/customers?q={q}")).await;
        assert_eq!(found.status, 200, "{found:?}");
        found.body["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|of| of["name"].as_str().unwrap().to_owned())
            .collect()
    };
    for (q, found) in [
        ("SMITH", "Ann Smith"),
        ("brothers.example", "2 Brothers"),
        ("0700-000-002", "2 Brothers"),
        ("%2B254700000001", "Ann Smith"),
    ] {
        assert_eq!(names(q).await, [found], "{q}");
    }
    assert_eq!(names("700000").await.len(), 2);
}
