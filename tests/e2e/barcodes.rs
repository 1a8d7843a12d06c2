//! Barcodes: every form of a GTIN is one number, and a shop's own codes stay as they are.

use harness::{TestApp, a_product};
use serde_json::json;

#[tokio::test]
async fn every_form_of_a_gtin_is_one_barcode() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let with = |sku: &str, codes: &[&str]| {
        let mut product = a_product(sku);
        product["variants"][0]["barcodes"] = json!(codes);
        product
    };
    let forms = ["036000291452", "0036000291452", "00036000291452"];
    let tissues = acme.create_product(&with("TISSUES", &[forms[0]])).await["variants"][0].clone();
    for form in forms {
        let found = acme.get(&format!("/api/v1/barcodes/{form}")).await;
        assert_eq!((found.status, &found.body["id"]), (200, &tissues["id"]), "{form}: {found:?}");
        let taken = acme.post("/api/v1/products", &with("OTHER", &[form])).await;
        assert_eq!((taken.status, taken.code()), (409, "duplicate_barcode"), "{form}: {taken:?}");
    }
    // Two forms in one request are one barcode; the first form stays as it was typed.
    let twice = acme.post("/api/v1/products", &with("TWICE", &["4006381333931", "04006381333931"])).await;
    assert_eq!(twice.code(), "duplicate_barcode", "{twice:?}");
    let path = format!("/api/v1/variants/{}", tissues["id"].as_str().unwrap());
    let changed = acme.patch(&path, &json!({"barcodes": [forms[1], forms[2]]})).await;
    assert_eq!(changed.body["barcodes"], json!([forms[1]]), "{changed:?}");
    // A shop's own codes are different even if they differ by zeros alone.
    acme.create_product(&with("SHELF-1", &["123", "036000291453"])).await;
    acme.create_product(&with("SHELF-2", &["0123", "0036000291453"])).await;
    assert_eq!(acme.get("/api/v1/barcodes/00123").await.status, 404);

    // Two variants of an earlier release have forms of one number. Each is found by its own form.
    let admin = app.database.as_admin().await;
    let other = acme.create_product(&with("LOOK-ALIKE", &[])).await["variants"][0]["id"].clone();
    let row = format!(
        "INSERT INTO business_1.barcodes (code, variant_id, created_at) VALUES ('{}', '{}', now())",
        forms[0],
        other.as_str().unwrap()
    );
    admin.batch_execute(&row).await.unwrap();
    for (form, variant) in [(forms[0], &other), (forms[1], &tissues["id"]), (forms[2], &tissues["id"])] {
        assert_eq!(acme.get(&format!("/api/v1/barcodes/{form}")).await.body["id"], *variant, "{form}");
    }
    let path = format!("/api/v1/variants/{}", other.as_str().unwrap());
    let more = acme.patch(&path, &json!({"barcodes": [forms[0], "4006381333931"]})).await;
    assert_eq!(more.body["barcodes"], json!([forms[0], "4006381333931"]), "{more:?}");
}
