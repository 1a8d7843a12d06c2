//! Archived products, categories, tax classes and customers: not used for anything new, and named as the
//! reason.

use harness::{TestApp, a_product};
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
