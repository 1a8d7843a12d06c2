//! Categories with subcategories, and options that are renamed.

use harness::{TestApp, a_product};
use serde_json::{Value, json};

#[tokio::test]
async fn a_category_has_the_products_of_its_subcategories() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut parent = Value::Null;
    for name in ["Tools", "Drills", "Bits"] {
        let made = acme.post("/api/v1/categories", &json!({"name": name, "parentId": parent})).await;
        parent = made.body["id"].clone();
        let mut product = a_product(&name.to_uppercase());
        product["categoryId"] = parent.clone();
        product["tags"] = json!(["sharp"]);
        acme.create_product(&product).await;
    }
    let categories = acme.get("/api/v1/categories").await.body;
    let of = |name: &str| {
        let all = categories["data"].as_array().unwrap();
        all.iter().find(|category| category["name"] == name).unwrap()["id"].as_str().unwrap().to_owned()
    };
    for (name, count) in [("Tools", 3), ("Drills", 2), ("Bits", 1)] {
        for more in ["", "&tag=sharp", "&q=product", "&q=pr", "&q=product&tag=sharp"] {
            let found = acme.get(&format!("/api/v1/products?categoryId={}{more}", of(name))).await.body;
            assert_eq!(found["data"].as_array().unwrap().len(), count, "{name}{more}");
        }
    }
}

#[tokio::test]
async fn options_are_renamed_and_a_variant_gets_other_values() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let variant =
        |sku: &str, size: &str| json!({"sku": sku, "price": "1", "options": {"Size": size, "Colour": "Red"}});
    let variants = json!([variant("A", "M"), variant("B", "L")]);
    let shirt = json!({"name": "Shirt", "options": ["Size", "Colour"], "variants": variants});
    let shirt = acme.create_product(&shirt).await;
    let path = format!("/api/v1/products/{}", shirt["id"].as_str().unwrap());
    let renamed = acme.patch(&path, &json!({"options": ["Shade", "Size"]})).await;
    assert_eq!(renamed.status, 200, "{renamed:?}");
    assert_eq!(renamed.body["options"], json!(["Shade", "Size"]));
    assert_eq!(renamed.body["variants"][0]["options"], json!({"Shade": "Red", "Size": "M"}));
    let same = acme.patch(&path, &json!({"options": ["Shade", "Size"]})).await;
    assert_eq!(same.header("etag"), renamed.header("etag"), "nothing changes");
    for options in [json!(["Size"]), json!(["Size", "size"]), json!(["Size", "A", "B"])] {
        let refused = acme.patch(&path, &json!({"options": options})).await;
        assert_eq!((refused.status, refused.code()), (422, "invalid_options"), "{options}: {refused:?}");
    }
    let first = format!("/api/v1/variants/{}", shirt["variants"][0]["id"].as_str().unwrap());
    let changed = acme.patch(&first, &json!({"options": {"size": "S", "shade": "Blue"}})).await;
    assert_eq!(changed.body["options"], json!({"Shade": "Blue", "Size": "S"}), "{changed:?}");
    let found = acme.get("/api/v1/products?q=blue").await.body;
    assert_eq!(found["data"].as_array().unwrap().len(), 1, "the new value is found");
    let refused = acme.patch(&first, &json!({"options": {"Size": "l", "Shade": "RED"}})).await;
    assert_eq!((refused.status, refused.code()), (409, "duplicate_options"), "{refused:?}");
    let refused = acme.patch(&first, &json!({"options": {"Size": "S"}})).await;
    assert_eq!((refused.status, refused.code()), (422, "options_mismatch"), "{refused:?}");
    let log = acme.get(&format!("/api/v1/audit?subjectId={}", shirt["id"].as_str().unwrap())).await;
    assert_eq!(log.body["data"][0]["changes"]["options"]["to"], json!(["Shade", "Size"]));
}
