//! Returns: credited to the cent, restocked or scrapped.

use harness::TestApp;
use serde_json::json;

use crate::orders::{assert_books_hold, made, stocked};

#[tokio::test]
async fn returns_in_parts_are_credited_to_the_cent() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let bolt = stocked(&acme, "BOLT", "10").await;
    // Three units for 10.00 in total. A third of it is not a whole number of cents.
    let line = json!({"variantId": bolt, "quantity": "3", "discount": "20.00"});
    let order = made(acme.submit("orders", &json!({"lines": [line]})).await);
    assert_eq!(order["total"], "10.00");
    let one = json!({"reason": "rusty", "lines": [{"lineId": order["lines"][0]["id"], "quantity": "1"}]});
    let mut refunds = Vec::new();
    for _ in 0..3 {
        let returned =
            made(acme.submit(&format!("orders/{}/returns", order["id"].as_str().unwrap()), &one).await);
        refunds.push((returned["refund"].clone(), returned["order"]["amountDue"].clone()));
    }
    let told = |refund: &str, due: &str| (json!(refund), json!(due));
    assert_eq!(refunds, [told("3.33", "6.67"), told("3.34", "3.33"), told("3.33", "0.00")]);
    assert_books_hold(&app, &acme).await;
}

#[tokio::test]
async fn a_scrapped_return_leaves_the_average_cost_unchanged() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let bolt = stocked(&acme, "BOLT", "3").await;
    let order = made(acme.submit("orders", &json!({"lines": [{"variantId": bolt, "quantity": "1"}]})).await);
    let dearer =
        json!({"variantId": bolt, "quantity": "7", "unitCost": "7", "reason": "found", "note": null});
    assert_eq!(acme.submit("stock/adjustments", &dearer).await.status, 201);
    let cost_of_next = async || {
        let sold = json!({"lines": [{"variantId": bolt, "quantity": "0.001"}]});
        made(acme.submit("orders", &sold).await);
        let path = format!("/api/v1/stock/movements?variantId={}", bolt.as_str().unwrap());
        acme.get(&path).await.body["data"][0]["unitCost"].clone()
    };
    let before = cost_of_next().await;
    assert_eq!(before, "6.3333");
    let back = json!({
        "reason": "broken", "lines": [{"lineId": order["lines"][0]["id"], "quantity": "1", "restock": false}],
    });
    made(acme.submit(&format!("orders/{}/returns", order["id"].as_str().unwrap()), &back).await);
    // The unit was sold at the cost 4, and it is scrapped at the cost 4.
    assert_eq!(cost_of_next().await, before);
}
