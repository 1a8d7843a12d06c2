//! Lines that name their variant by SKU or barcode, adjustments with several lines, and shortages that name
//! what is short.

use harness::{TestApp, a_product};
use serde_json::json;

use crate::orders::made;

#[tokio::test]
async fn every_line_may_name_its_variant_by_sku_or_barcode() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut product = a_product("Bolt-É");
    product["variants"][0]["barcodes"] = json!(["036000291452", "SHELF-7"]);
    let bolt = acme.create_product(&product).await["variants"][0]["id"].clone();
    let nut = acme.create_product(&a_product("NUT")).await["variants"][0]["id"].clone();
    acme.create_product(&json!({"name": "Pin", "variants": [{"sku": "PIN", "price": "1"}]})).await;
    let main = acme.get("/api/v1/locations").await.body["data"][0]["id"].clone();
    let shed = acme.post("/api/v1/locations", &json!({"name": "Shed"})).await.body["id"].clone();
    let supplier = acme.post("/api/v1/suppliers", &json!({"name": "Bolts & Co"})).await.body["id"].clone();

    let lines = json!([
        {"sku": "BOLT-é", "quantity": "50", "unitCost": "2"}, {"barcode": "SHELF-7", "quantity": "-5"},
        {"variantId": nut, "quantity": "9"},
    ]);
    let adjusted = made(acme.submit("stock/adjustments", &json!({"reason": "found", "lines": lines})).await);
    let told: Vec<_> = adjusted["lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| (line["variantId"].clone(), line["quantity"].clone(), line["balanceAfter"].clone()))
        .collect();
    assert_eq!(
        told,
        [
            (bolt.clone(), json!("50"), json!("50")),
            (bolt.clone(), json!("-5"), json!("45")),
            (nut.clone(), json!("9"), json!("9"))
        ]
    );
    let path = format!("/api/v1/stock/adjustments/{}", adjusted["id"].as_str().unwrap());
    assert_eq!(acme.get(&path).await.body, adjusted);
    let only = made(
        acme.submit("stock/adjustments", &json!({"reason": "found", "sku": "nut", "quantity": "1"})).await,
    );
    assert_eq!(
        (&only["variantId"], &only["balanceAfter"], &only["currency"]),
        (&nut, &json!("10"), &json!("EUR"))
    );

    let by_gtin = json!([{"barcode": "00036000291452", "quantity": "1"}]);
    let order = made(acme.submit("orders", &json!({"lines": by_gtin})).await);
    assert_eq!(order["lines"][0]["variantId"], bolt);
    let sent = json!({"fromLocationId": main, "toLocationId": shed, "lines": [
        {"sku": "bolt-é", "quantity": "1"}, {"variantId": bolt, "quantity": "2"}]});
    let transfer = made(acme.submit("stock/transfers", &sent).await);
    assert_eq!(transfer["lines"][0]["quantity"], "3", "lines of one variant are added up");
    let count = made(acme.submit("stock/counts", &json!({})).await);
    let path = format!("stock/counts/{}/lines", count["id"].as_str().unwrap());
    let counted = acme.submit(&path, &json!({"lines": [{"sku": "Nut", "counted": "8"}]})).await;
    assert_eq!((counted.status, &counted.body["lines"][0]["variantId"]), (200, &nut), "{counted:?}");
    let twice = json!({"lines": [{"sku": "Nut", "counted": "8"}, {"variantId": nut, "counted": "8"}]});
    assert_eq!(acme.submit(&path, &twice).await.code(), "counted_twice");
    let lines = json!([{"barcode": "036000291452", "quantity": "4", "unitCost": "2"}]);
    let bought = json!({"supplierId": supplier, "lines": lines});
    let purchase = made(acme.submit("purchase-orders", &bought).await);
    assert_eq!(purchase["lines"][0]["variantId"], bolt);

    for (line, status, code, pointer) in [
        (json!({"quantity": "1"}), 422, "article_not_named", "/lines/0/variantId"),
        (
            json!({"sku": "NUT", "variantId": nut, "quantity": "1"}),
            422,
            "article_not_named",
            "/lines/0/variantId",
        ),
        (json!({"sku": "NONE", "quantity": "1"}), 404, "not_found", "/lines/0/sku"),
        (json!({"barcode": "4006381333931", "quantity": "1"}), 404, "not_found", "/lines/0/barcode"),
    ] {
        for (path, more) in [("orders", json!({})), ("stock/adjustments", json!({"reason": "found"}))] {
            let mut body = more;
            body["lines"] = json!([line]);
            let refused = acme.submit(path, &body).await;
            assert_eq!((refused.status, refused.code()), (status, code), "{path} {line}: {refused:?}");
            assert_eq!(refused.body["errors"][0]["pointer"], pointer, "{path} {line}");
        }
    }
    for (body, pointer) in [
        (json!({"reason": "found", "sku": "NONE", "quantity": "1"}), "/sku"),
        (json!({"reason": "found", "quantity": "1"}), "/variantId"),
        (json!({"reason": "found", "sku": "NUT"}), "/quantity"),
        (json!({"reason": "found", "sku": "NUT", "quantity": "1", "lines": []}), "/lines"),
        (json!({"reason": "found", "lines": []}), "/lines"),
        (json!({"reason": "found", "lines": [{"sku": "NUT", "quantity": "0"}]}), "/lines/0/quantity"),
        (json!({"reason": "found", "lines": [{"sku": "PIN", "quantity": "0.5"}]}), "/lines/0/quantity"),
        (
            json!({"reason": "found", "lines": [{"sku": "NUT", "quantity": "-1", "unitCost": "1"}]}),
            "/lines/0/unitCost",
        ),
    ] {
        let refused = acme.submit("stock/adjustments", &body).await;
        assert!(matches!(refused.status, 404 | 422), "{body}: {refused:?}");
        assert_eq!(refused.body["errors"][0]["pointer"], pointer, "{body}");
    }
    assert_eq!(acme.get("/api/v1/stock/ledger").await.body["holds"], true);
}

#[tokio::test]
async fn an_adjustment_changes_all_its_lines_or_none_and_shortages_say_what_is_short() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let bolt =
        acme.create_product(&json!({"name": "Hex bolt", "variants": [{"sku": "BOLT", "price": "1"}]})).await;
    let bolt = bolt["variants"][0]["id"].clone();
    let nut = acme.create_product(&a_product("NUT")).await["variants"][0]["id"].clone();
    let lines = json!([{"variantId": nut, "quantity": "5"}, {"variantId": bolt, "quantity": "-1"}]);
    let id = uuid::Uuid::now_v7();
    let body = json!({"id": id, "reason": "lost", "lines": lines});
    let refused = acme.submit("stock/adjustments", &body).await;
    assert_eq!((refused.status, refused.code()), (409, "insufficient_stock"), "{refused:?}");
    let short = &refused.body["shortages"][0];
    assert_eq!((&short["sku"], &short["name"]), (&json!("BOLT"), &json!("Hex bolt")));
    assert_eq!(acme.on_hand(&nut).await, "0");
    made(acme.submit("stock/adjustments", &json!({"reason": "found", "sku": "BOLT", "quantity": "1"})).await);
    let first = made(acme.submit("stock/adjustments", &body).await);
    let again = acme.submit("stock/adjustments", &body).await;
    assert_eq!((again.status, &again.body), (201, &first), "a repeated request changes nothing");
    let other = json!({"id": id, "reason": "lost", "lines": [{"variantId": nut, "quantity": "6"}]});
    assert_eq!(acme.submit("stock/adjustments", &other).await.code(), "id_taken");
    let refused = acme.submit("orders", &json!({"lines": [{"variantId": bolt, "quantity": "7"}]})).await;
    assert_eq!(refused.body["shortages"][0]["sku"], "BOLT");
}
