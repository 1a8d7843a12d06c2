//! Barcodes: every form of a GTIN is one number, and a shop's own codes stay as they are.

use harness::{TestApp, a_product};
use serde_json::{Value, json};

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

#[tokio::test]
async fn a_label_of_a_scale_is_its_article_with_a_weight_or_an_amount() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut cheese = a_product("CHEESE");
    cheese["variants"][0]["barcodes"] = json!(["12345"]);
    let cheese = acme.create_product(&cheese).await["variants"][0].clone();
    let ham = acme.create_product(&a_product("00077")).await["variants"][0].clone();
    let scan = async |code: &str| acme.get(&format!("/api/v1/scans/{code}")).await;
    assert_eq!(scan("2112345004525").await.status, 404, "no pattern is set");
    let patterns = json!({"labelPatterns": ["21IIIIIQQ.QQQC", "02IIIIIAAA.AAC"]});
    let set = acme.patch("/api/v1/settings", &patterns).await;
    assert_eq!((set.status, &set.body["labelPatterns"]), (200, &patterns["labelPatterns"]), "{set:?}");
    for (code, variant, quantity, amount) in [
        ("12345", &cheese, Value::Null, Value::Null),
        ("2112345004525", &cheese, json!("0.452"), Value::Null),
        ("0212345003404", &cheese, Value::Null, json!("3.40")),
        // UPC-A, whose article is a SKU.
        ("200077012344", &ham, Value::Null, json!("12.34")),
    ] {
        let found = scan(code).await;
        assert_eq!(
            (found.status, &found.body["variant"]["id"], &found.body["quantity"], &found.body["amount"]),
            (200, &variant["id"], &quantity, &amount),
            "{code}: {found:?}"
        );
    }
    // A wrong check digit, an unknown article, another prefix, and a weight of zero.
    for code in ["2112345004526", "2199999004521", "2212345004522", "2112345000008"] {
        assert_eq!(scan(code).await.status, 404, "{code}");
    }
    // A variant with the code itself comes first.
    let mut packed = a_product("PACKED");
    packed["variants"][0]["barcodes"] = json!(["2112345004525"]);
    let packed = acme.create_product(&packed).await["variants"][0].clone();
    let found = scan("2112345004525").await.body;
    assert_eq!((&found["variant"]["id"], &found["quantity"]), (&packed["id"], &Value::Null), "{found}");
    let many = json!({"labelPatterns": vec!["21IIIIIQQ.QQQC"; 21]});
    let refused = acme.patch("/api/v1/settings", &many).await;
    assert_eq!(refused.body["errors"][0]["code"], "out_of_range", "{refused:?}");
    let wrong = acme.patch("/api/v1/settings", &json!({"labelPatterns": ["40IIIIIQQQQQC"]})).await;
    assert_eq!(
        (wrong.status, &wrong.body["errors"][0]["pointer"]),
        (422, &json!("/labelPatterns/0")),
        "{wrong:?}"
    );
}
