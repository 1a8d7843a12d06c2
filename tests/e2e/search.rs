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

#[tokio::test]
async fn products_are_found_by_words_in_any_order_without_case_and_accents() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let shirt = json!({
        "name": "Crème-Brûlée Straße 100%", "tags": ["Sommer Fête"], "variants": [
            {"sku": "SHIRT-ΣΑΣ", "price": "1", "options": {"Colour": "Grün"},
             "barcodes": ["036000291452"]}],
    });
    let pudding = acme.create_product(&shirt).await;
    let latte = json!({"name": "Ｃａｆé Ｌａｔｔｅ", "variants": [{"sku": "L1", "price": "1"}]});
    let latte = acme.create_product(&latte).await;
    let names = async |q: &str| -> Vec<String> {
        let q: String = q.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let found = acme.get(&format!("/api/v1/products?q={q}")).await;
        assert_eq!(found.status, 200, "{found:?}");
        let found = found.body["data"].as_array().unwrap().clone();
        found.iter().map(|of| of["name"].as_str().unwrap().to_owned()).collect()
    };
    let (cream, coffee) = (pudding["name"].as_str().unwrap(), latte["name"].as_str().unwrap());
    for q in [
        "creme brulee",
        "BRULEE crème",
        "strasse",
        "STRASSE creme",
        "fete",
        "sommer brulee",
        "σας",
        "ΣΑΣ grun",
        "grün",
        "100%",
        "0036000291452",
        "00036000291452",
        "36000291452",
        "e b 1",
    ] {
        assert_eq!(names(q).await, [cream], "{q}");
    }
    for q in ["cafe latte", "LATTE", "ｌａｔｔｅ", "l1 café"] {
        assert_eq!(names(q).await, [coffee], "{q}");
    }
    for q in ["creme latte", "100_", "brulee\\", "x"] {
        assert_eq!(names(q).await, [""; 0], "{q}");
    }
    // A change of the product or of a variant is found at once.
    let product = format!("/api/v1/products/{}", latte["id"].as_str().unwrap());
    assert_eq!(acme.patch(&product, &json!({"name": "Espresso", "tags": ["Hot"]})).await.status, 200);
    let variant = format!("/api/v1/variants/{}", latte["variants"][0]["id"].as_str().unwrap());
    assert_eq!(acme.patch(&variant, &json!({"sku": "DOPPIO", "barcodes": ["shelf-7"]})).await.status, 200);
    let more = json!({"sku": "RISTRETTO", "price": "1"});
    assert_eq!(acme.post(&format!("{product}/variants"), &more).await.status, 201);
    for (q, found) in
        [("hot espresso", 1), ("doppio", 1), ("shelf-7", 1), ("ristretto", 1), ("latte", 0), ("l1", 0)]
    {
        assert_eq!(names(q).await.len(), found, "{q}");
    }
    // Customers, and the orders of customers, are found likewise.
    let ann = json!({"name": "Zoë Åkesson", "email": "zoe@acme.example"});
    let ann = made(acme.post("/api/v1/customers", &ann).await);
    let bolt = stocked(&acme, "BOLT", "9").await;
    let lines = json!([{"variantId": bolt, "quantity": "1"}]);
    made(acme.submit("orders", &json!({"customerId": ann["id"], "lines": lines})).await);
    for path in ["customers", "orders"] {
        for (q, found) in [("akesson%20ZOE", 1), ("ZO%C3%8B", 1), ("zoe%20smith", 0)] {
            let reply = acme.get(&format!("/api/v1/{path}?q={q}")).await;
            assert_eq!(reply.body["data"].as_array().unwrap().len(), found, "{path} {q}: {reply:?}");
        }
    }
}
