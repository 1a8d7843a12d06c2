//! Lists: pages are correct with any ids that clients choose, and invalid parameters are refused.

use harness::{Business, TestApp, a_product};
use serde_json::{Value, json};
use uuid::Uuid;

/// Reads a list in pages of one row. Returns the field `member` of each row.
async fn walk(business: &Business<'_>, path: &str, member: &str) -> Vec<Value> {
    let (mut told, mut cursor) = (Vec::new(), String::new());
    loop {
        let mark = if path.contains('?') { '&' } else { '?' };
        let page = business.get(&format!("/api/v1/{path}{mark}limit=1{cursor}")).await;
        assert_eq!(page.status, 200, "{path}: {page:?}");
        assert!(page.body["data"].as_array().unwrap().len() <= 1);
        told.extend(page.body["data"].as_array().unwrap().iter().map(|row| row[member].clone()));
        match page.body["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return told,
        }
    }
}

#[tokio::test]
async fn documents_are_listed_by_number_and_not_by_id() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let bolt = acme.create_product(&a_product("BOLT")).await["variants"][0]["id"].clone();
    acme.adjust(&bolt, "100").await;
    let supplier = acme.post("/api/v1/suppliers", &json!({"name": "Bolts & Co"})).await.body["id"].clone();
    let shed = acme.post("/api/v1/locations", &json!({"name": "Shed"})).await.body["id"].clone();
    let main = acme.get("/api/v1/locations").await.body["data"][0]["id"].clone();
    let lines = json!([{"variantId": bolt, "quantity": "1", "unitCost": "1"}]);
    let sold = json!([{"variantId": bolt, "quantity": "1"}]);
    for (path, body) in [
        ("purchase-orders", json!({"supplierId": supplier, "lines": lines})),
        ("stock/transfers", json!({"fromLocationId": main, "toLocationId": shed, "lines": sold})),
        ("stock/counts", json!({})),
        ("orders", json!({"lines": sold})),
    ] {
        // The order of the ids differs from the order of creation.
        for id in [Uuid::max(), Uuid::from_u128(1), Uuid::now_v7(), Uuid::from_u128(2)] {
            let mut body = body.clone();
            body["id"] = json!(id);
            let made = acme.submit(path, &body).await;
            assert_eq!(made.status, 201, "{path}: {made:?}");
        }
        assert_eq!(walk(&acme, path, "number").await, [4, 3, 2, 1], "{path}");
    }
    let drafts = "purchase-orders?status=DRAFT";
    assert_eq!(walk(&acme, drafts, "number").await, [4, 3, 2, 1]);
    let of_supplier = format!("purchase-orders?supplierId={}", supplier.as_str().unwrap());
    assert_eq!(walk(&acme, &of_supplier, "number").await, [4, 3, 2, 1]);
    assert_eq!(walk(&acme, "stock/transfers?status=in_transit", "number").await, [4, 3, 2, 1]);
}

#[tokio::test]
async fn locations_and_tax_classes_are_listed_in_pages_oldest_first() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for name in ["Shed", "Barn", "Attic"] {
        assert_eq!(acme.post("/api/v1/locations", &json!({"name": name})).await.status, 201);
        let rates = json!([{"name": "VAT", "percent": "16"}]);
        let class = json!({"name": name, "inclusive": true, "rates": rates});
        assert_eq!(acme.post("/api/v1/tax-classes", &class).await.status, 201);
    }
    assert_eq!(walk(&acme, "locations", "name").await, ["Main", "Shed", "Barn", "Attic"]);
    assert_eq!(walk(&acme, "tax-classes", "name").await, ["Shed", "Barn", "Attic"]);
}

#[tokio::test]
async fn an_invalid_parameter_is_named() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let order = Uuid::now_v7();
    for (query, parameter, told) in [
        ("products?limit=0", "limit", "limit must be a number from 1 to 100"),
        ("products?limit=many", "limit", "the value must be a whole number"),
        ("products?limit=", "limit", "the value must be a whole number"),
        ("products?limit=1&limit=2", "limit", "limit is there more than once"),
        ("products?archived=yes", "archived", "the value must be true or false"),
        ("orders?customerId=ann", "customerId", "an id must be a UUID such as "),
        (&format!("orders?customerId={}", order.simple()), "customerId", "an id must be a UUID such as "),
        ("orders?from=yesterday", "from", "a time must look like "),
        ("orders?from=-4713-11-24T00:00:00Z", "from", "a time must look like "),
        ("orders?until=%2B262142-12-31T00:00:00Z", "until", "a time must look like "),
        ("reports/sales?from=2026-2-1", "from", "a day must be a date from "),
        ("auth-events?address=here", "address", "an address must be an IP address such as "),
        ("stock/transfers?status=lost", "status", "\"lost\" is not allowed here; use one of: "),
        ("suppliers?cursor=abc", "cursor", "the cursor does not belong to this list"),
        ("events?topics=order.lost", "topics", "there is no topic order.lost"),
        ("locations?name=Main", "name", "name is unknown; the parameters are limit, cursor"),
        ("dashboard?days=7", "days", "days is unknown; no parameters are allowed here"),
        (&format!("orders/{order}/returns?limit=1"), "limit", "limit is unknown"),
    ] {
        let refused = acme.get(&format!("/api/v1/{query}")).await;
        assert_eq!((refused.status, refused.code()), (400, "invalid_query"), "{query}: {refused:?}");
        let error = &refused.body["errors"][0];
        assert_eq!(error["parameter"], parameter, "{query}: {refused:?}");
        assert!(error["message"].as_str().unwrap().starts_with(told), "{query}: {error}");
        assert!(error.get("pointer").is_none(), "{query}: {error}");
    }
}

#[tokio::test]
async fn a_cursor_leads_on_in_its_own_list_with_its_own_filters_alone() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for sku in ["BOLT", "NUT", "PIN"] {
        acme.create_product(&a_product(sku)).await;
    }
    let page = acme.get("/api/v1/products?kind=goods&archived=false&limit=1").await;
    let cursor = page.body["nextCursor"].as_str().unwrap();
    for query in ["kind=goods&archived=false&limit=2", "archived=false&kind=goods"] {
        let next = acme.get(&format!("/api/v1/products?{query}&cursor={cursor}")).await;
        assert_eq!(next.status, 200, "{query}: {next:?}");
    }
    for list in ["products?kind=goods", "products?kind=goods&archived=true", "products?q=bolt", "categories?"]
    {
        let refused = acme.get(&format!("/api/v1/{list}&cursor={cursor}")).await;
        assert_eq!((refused.status, refused.code()), (400, "invalid_query"), "{list}: {refused:?}");
        assert_eq!(refused.body["errors"][0]["parameter"], "cursor");
    }
}
