//! Archived products, categories, tax classes and customers: not used for anything new, and named as the
//! reason.

use harness::{Business, Reply, TestApp, a_product, join_all};
use serde_json::{Value, json};

#[tokio::test]
async fn what_is_archived_is_not_used_for_anything_new_and_says_so() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let category = acme.post("/api/v1/categories", &json!({"name": "Old"})).await.body["id"].clone();
    let rates = json!([{"name": "VAT", "percent": "16"}]);
    let class = json!({"name": "Old", "inclusive": true, "rates": rates});
    let class = acme.post("/api/v1/tax-classes", &class).await.body["id"].clone();
    let mut product = a_product("OLD");
    product["variants"][0]["barcodes"] = json!(["036000291452"]);
    product["categoryId"] = category.clone();
    product["taxClassId"] = class.clone();
    let old = acme.create_product(&product).await;
    let path = |what: &str, id: &Value| format!("/api/v1/{what}/{}", id.as_str().unwrap());
    assert_eq!(acme.delete(&path("categories", &category)).await.status, 204);
    let archived = json!({"archived": true});
    assert_eq!(acme.patch(&path("tax-classes", &class), &archived).await.status, 200);
    for (name, id, code) in
        [("categoryId", &category, "category_archived"), ("taxClassId", &class, "tax_class_archived")]
    {
        let mut product = a_product("NEW");
        product[name] = id.clone();
        let refused = acme.post("/api/v1/products", &product).await;
        assert_eq!((refused.status, refused.code()), (409, code), "{refused:?}");
        let other = acme.create_product(&a_product(&format!("OTHER-{name}"))).await;
        let refused = acme.patch(&path("products", &other["id"]), &json!({name: id})).await;
        assert_eq!((refused.status, refused.code()), (409, code), "{refused:?}");
    }
    // A product keeps them, and a change of something else is no new use.
    let renamed =
        acme.patch(&path("products", &old["id"]), &json!({"name": "Older", "categoryId": category})).await;
    assert_eq!((renamed.status, &renamed.body["categoryId"]), (200, &category), "{renamed:?}");

    // A scan of an archived product's article says so. Its SKU and barcode are in use, and the error says
    // by whom.
    assert_eq!(acme.delete(&path("products", &old["id"])).await.status, 204);
    let scanned = acme.get("/api/v1/barcodes/0036000291452").await.body;
    assert_eq!((&scanned["archived"], &scanned["productArchived"]), (&json!(false), &json!(true)));
    let message = |reply: &harness::Reply| match &reply.body["errors"][0]["message"] {
        Value::Null => reply.body["detail"].as_str().unwrap().to_lowercase(),
        message => message.as_str().unwrap().to_owned(),
    };
    let same_sku = acme.post("/api/v1/products", &a_product("OLD")).await;
    assert_eq!(
        message(&same_sku),
        "the sku OLD is already in use by an archived variant; choose another SKU".replace("sku", "SKU")
    );
    let mut same_code = a_product("NEW");
    same_code["variants"][0]["barcodes"] = json!(["00036000291452"]);
    let same_code = acme.post("/api/v1/products", &same_code).await;
    assert!(message(&same_code).contains("already in use by an archived variant"), "{same_code:?}");
    let other = acme.create_product(&a_product("NEW")).await;
    let renamed = acme.patch(&path("variants", &other["variants"][0]["id"]), &json!({"sku": "OLD"})).await;
    assert!(message(&renamed).contains("by an archived variant"), "{renamed:?}");

    let ann = acme.post("/api/v1/customers", &json!({"name": "Ann"})).await.body["id"].clone();
    assert_eq!(acme.delete(&path("customers", &ann)).await.status, 204);
    let lines = json!([{"variantId": other["variants"][0]["id"], "quantity": "1"}]);
    let refused = acme.submit("orders", &json!({"customerId": ann, "lines": lines})).await;
    assert_eq!((refused.status, refused.code()), (409, "customer_archived"), "{refused:?}");
}

async fn archive(business: &Business<'_>, what: &str, id: &Value) -> Reply {
    let path = format!("/api/v1/{what}/{}", id.as_str().unwrap());
    business.patch(&path, &json!({"archived": true})).await
}

/// The documents that an error lists, as "type reference".
fn under_way(reply: &Reply) -> Vec<String> {
    assert_eq!((reply.status, reply.code()), (409, "documents_under_way"), "{reply:?}");
    let documents = reply.body["documents"].as_array().unwrap().iter();
    documents.map(|of| format!("{} {}", of["type"], of["reference"]).replace('"', "")).collect()
}

#[tokio::test]
async fn archiving_is_refused_while_goods_or_documents_are_under_way() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let main = acme.get("/api/v1/locations").await.body["data"][0]["id"].clone();
    let shed = acme.post("/api/v1/locations", &json!({"name": "Shed"})).await.body["id"].clone();
    let supplier = acme.post("/api/v1/suppliers", &json!({"name": "Bolts & Co"})).await.body["id"].clone();
    let customer = acme.post("/api/v1/customers", &json!({"name": "Ann"})).await.body["id"].clone();
    let product = acme.create_product(&a_product("BOLT")).await;
    let bolt = product["variants"][0]["id"].clone();
    assert_eq!(acme.adjust(&bolt, "20").await.status, 201);
    let one = json!([{"variantId": bolt, "quantity": "1"}]);

    let sent = json!({"fromLocationId": main, "toLocationId": shed, "lines": one});
    let transfer = acme.submit("stock/transfers", &sent).await.body;
    assert_eq!(under_way(&archive(&acme, "locations", &shed).await), ["transfer ST-000001"]);
    let path = format!("stock/transfers/{}/receive", transfer["id"].as_str().unwrap());
    assert_eq!(acme.submit(&path, &json!({})).await.status, 201);
    let refused = archive(&acme, "locations", &shed).await;
    assert_eq!((refused.status, refused.code()), (409, "location_not_empty"), "{refused:?}");
    assert_eq!(refused.body["stock"], json!([{"variantId": bolt, "sku": "BOLT", "onHand": "1"}]));

    let bought = json!([{"variantId": bolt, "quantity": "1", "unitCost": "1"}]);
    let body = json!({"supplierId": supplier, "locationId": shed, "lines": bought});
    let purchase = acme.submit("purchase-orders", &body).await.body;
    let body = json!({"customerId": customer, "locationId": shed, "fulfil": false, "lines": one});
    let order = acme.submit("orders", &body).await.body;
    for (what, id, documents) in [
        ("suppliers", &supplier, vec!["purchase_order PO-000001"]),
        ("customers", &customer, vec!["order SO-000001"]),
        ("variants", &bolt, vec!["order SO-000001", "purchase_order PO-000001"]),
        ("products", &product["id"], vec!["order SO-000001", "purchase_order PO-000001"]),
    ] {
        assert_eq!(under_way(&archive(&acme, what, id).await), documents, "{what}");
        if what != "variants" {
            let path = format!("/api/v1/{what}/{}", id.as_str().unwrap());
            assert_eq!(under_way(&acme.delete(&path).await), documents, "{what}");
        }
    }
    // The goods leave another location, so that nothing is left of the shed's.
    let path = format!("orders/{}", order["id"].as_str().unwrap());
    let sold = acme.submit(&format!("{path}/fulfil"), &json!({"locationId": main})).await;
    assert_eq!((sold.status, &sold.body["locationId"]), (201, &main), "{sold:?}");
    let all = json!({"variantId": bolt, "locationId": shed, "quantity": "-1", "reason": "lost"});
    assert_eq!(acme.submit("stock/adjustments", &all).await.status, 201, "the goods there are free again");
    let count = acme.submit("stock/counts", &json!({"locationId": shed})).await.body;
    assert_eq!(
        under_way(&archive(&acme, "locations", &shed).await),
        ["count SC-000001", "purchase_order PO-000001"]
    );
    let cancel = format!("stock/counts/{}/cancel", count["id"].as_str().unwrap());
    assert_eq!(acme.submit(&cancel, &json!({})).await.status, 200);
    let cancel = format!("purchase-orders/{}/cancel", purchase["id"].as_str().unwrap());
    assert_eq!(acme.submit(&cancel, &json!({})).await.status, 200);
    for (what, id) in [
        ("locations", &shed),
        ("suppliers", &supplier),
        ("customers", &customer),
        ("products", &product["id"]),
    ] {
        assert_eq!(archive(&acme, what, id).await.status, 200, "{what}");
        assert_eq!(archive(&acme, what, id).await.status, 200, "{what}: it is archived already");
    }

    // Goods of an order come back to another location, and an archived product is not ordered.
    let line = json!([{"lineId": order["lines"][0]["id"], "quantity": "1"}]);
    let back = acme.submit(&format!("{path}/returns"), &json!({"reason": "broken", "lines": line})).await;
    assert_eq!((back.status, back.code()), (409, "location_archived"), "{back:?}");
    let unknown = json!({"locationId": shed, "reason": "broken", "lines": line});
    assert_eq!(acme.submit(&format!("{path}/returns"), &unknown).await.status, 404);
    let there = json!({"locationId": main, "reason": "broken", "lines": line});
    let back = acme.submit(&format!("{path}/returns"), &there).await;
    assert_eq!((back.status, &back.body["locationId"]), (201, &main), "{back:?}");
    let other = acme.post("/api/v1/suppliers", &json!({"name": "Nuts & Co"})).await.body["id"].clone();
    let refused = acme.submit("purchase-orders", &json!({"supplierId": other, "lines": bought})).await;
    assert_eq!((refused.status, refused.code()), (409, "variant_archived"), "{refused:?}");
    assert_eq!(acme.get("/api/v1/stock/ledger").await.body["holds"], true);
}

#[tokio::test]
async fn an_archived_variant_is_restored_or_replaced() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let variant = |sku: &str| json!({"sku": sku, "price": "1", "options": {"Size": "M"}});
    let product =
        acme.create_product(&json!({"name": "Shirt", "options": ["Size"], "variants": [variant("A")]})).await;
    let old = product["variants"][0]["id"].clone();
    assert_eq!(archive(&acme, "variants", &old).await.status, 200);
    let path = format!("/api/v1/products/{}/variants", product["id"].as_str().unwrap());
    let new = acme.post(&path, &variant("B")).await;
    assert_eq!(new.status, 201, "{new:?}");
    let old = format!("/api/v1/variants/{}", old.as_str().unwrap());
    let refused = acme.patch(&old, &json!({"archived": false})).await;
    assert_eq!((refused.status, refused.code()), (409, "duplicate_options"), "{refused:?}");
    assert_eq!(archive(&acme, "variants", &new.body["id"]).await.status, 200);
    assert_eq!(acme.patch(&old, &json!({"archived": false})).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_archived_under_a_document_that_is_being_stored() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for round in 0..8 {
        let product = acme.create_product(&a_product(&format!("BOLT-{round}"))).await;
        let bolt = product["variants"][0]["id"].clone();
        assert_eq!(acme.adjust(&bolt, "20").await.status, 201);
        let name = |kind: &str| json!({"name": format!("{kind} {round}")});
        let supplier = acme.post("/api/v1/suppliers", &name("Supplier")).await.body["id"].clone();
        let customer = acme.post("/api/v1/customers", &name("Customer")).await.body["id"].clone();
        let shed = acme.post("/api/v1/locations", &name("Shed")).await.body["id"].clone();
        let (acme, bolt, supplier, customer, shed) = (&acme, &bolt, &supplier, &customer, &shed);
        let stored = async |path: &str, body: Value| acme.submit(path, &body).await;
        let order =
            json!({"customerId": customer, "fulfil": false, "lines": [{"variantId": bolt, "quantity": "1"}]});
        let bought = json!([{"variantId": bolt, "quantity": "1", "unitCost": "1"}]);
        let purchase = json!({"supplierId": supplier, "locationId": shed, "lines": bought});
        let count = json!({"locationId": shed});
        let (order, purchase, count, archived) = tokio::join!(
            stored("orders", order),
            stored("purchase-orders", purchase),
            stored("stock/counts", count),
            join_all(
                [
                    ("products", &product["id"]),
                    ("suppliers", supplier),
                    ("customers", customer),
                    ("locations", shed)
                ]
                .map(|(what, id)| async move { archive(acme, what, id).await.status })
                .into_iter()
                .collect()
            )
        );
        for reply in [&order, &purchase, &count] {
            assert!(matches!(reply.status, 201 | 404 | 409), "{reply:?}");
        }
        let [of_product, of_supplier, of_customer, of_location] = archived[..] else {
            panic!("{archived:?}")
        };
        let is_stored = |reply: &Reply| reply.status == 201;
        assert!(of_product == 409 || !is_stored(&order) && !is_stored(&purchase), "{round}: product");
        assert!(of_supplier == 409 || !is_stored(&purchase), "{round}: supplier");
        assert!(of_customer == 409 || !is_stored(&order), "{round}: customer");
        assert!(of_location == 409 || !is_stored(&purchase) && !is_stored(&count), "{round}: location");
    }
    let admin = app.database.as_admin().await;
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    assert_eq!(admin.query_one(deadlocks, &[]).await.unwrap().get::<_, i64>(0), 0);
}
