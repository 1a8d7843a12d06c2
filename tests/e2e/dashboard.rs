//! The dashboard's figures against independent SQL.

use harness::{TestApp, a_product};
use serde_json::json;

#[tokio::test]
async fn an_empty_business_has_zeros() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let body = acme.get("/api/v1/dashboard").await.body;
    assert_eq!(
        body,
        json!({"totalItems": 0, "totalStock": "0", "inventoryValue": "0.00", "inventoryCost": "0.00", "currency": "EUR"})
    );
    assert_eq!(
        acme.get("/api/dashboard").await.body.to_string(),
        r#"{"inventoryValue":0.0,"totalItems":0,"totalStock":0}"#
    );
}

#[tokio::test]
async fn figures_equal_the_books_to_the_cent() {
    let app = TestApp::start().await;
    let (acme, zenith) = (app.tenant("acme").await, app.tenant("zenith").await);
    for (n, (price, cost, quantity)) in [
        ("19.99", "7.3333", "3"),
        ("0.0001", "0", "12345.678"),
        ("9999999999.99", "1", "0.001"),
        ("5", "2.5", "0"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut product = a_product(&format!("P{n}"));
        product["variants"][0]["price"] = json!(price);
        product["variants"][0]["cost"] = json!(cost);
        let product = acme.create_product(&product).await;
        if quantity != "0" {
            assert_eq!(acme.adjust(&product["variants"][0]["id"], quantity).await.status, 201);
        }
    }
    zenith.create_product(&a_product("OTHER")).await;
    let truth = app.database.as_admin().await
        .query_one(&format!(
            "SELECT count(*)::text, trim_scale(sum(m.total))::text, round(sum(m.total * v.price), 2)::text, round(sum(m.total * v.cost), 2)::text
               FROM {0}.variants v
               LEFT JOIN (SELECT variant_id, sum(quantity) AS total FROM {0}.stock_movements GROUP BY 1) m ON m.variant_id = v.id",
            acme.tenant.schema), &[])
        .await
        .unwrap();
    let figure = |column: usize| truth.get::<_, String>(column);
    let body = acme.get("/api/v1/dashboard").await.body;
    assert_eq!(body["totalItems"].to_string(), figure(0));
    assert_eq!(body["totalStock"], figure(1));
    assert_eq!(body["inventoryValue"], figure(2));
    assert_eq!(body["inventoryCost"], figure(3));
}

#[tokio::test]
async fn the_older_contract_gets_exact_numbers() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut product = a_product("P");
    product["variants"][0]["price"] = json!("1234567.10");
    let product = acme.create_product(&product).await;
    acme.adjust(&product["variants"][0]["id"], "1000000.001").await;
    // Compared as text: a float would not hold these digits.
    let url = format!("http://127.0.0.1:{}/api/dashboard", app.port());
    let text = reqwest::Client::new()
        .get(url)
        .header("host", "acme.localhost")
        .bearer_auth(acme.token.as_deref().unwrap())
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert_eq!(text, r#"{"totalItems":1,"totalStock":1000000.001,"inventoryValue":1234567101234.57}"#);
}
