//! Transfers between locations, stock counts, and verification of the stock ledger.

use harness::{Business, Program, TestApp, a_product, join_all};
use serde_json::{Value, json};
use uuid::Uuid;

/// A business with `quantity` units of one variant, its default location and a second location.
async fn two_locations<'a>(app: &'a TestApp, quantity: &str) -> (Business<'a>, Value, Value, Value) {
    let acme = app.tenant("acme").await;
    let product = acme.create_product(&a_product("BOLT")).await;
    let variant = product["variants"][0]["id"].clone();
    assert_eq!(acme.adjust(&variant, quantity).await.status, 201);
    let main = acme.get("/api/v1/locations").await.body["data"][0]["id"].clone();
    let shed = acme.post("/api/v1/locations", &json!({"name": "Shed"})).await.body["id"].clone();
    (acme, variant, main, shed)
}

async fn on_hand(business: &Business<'_>, variant: &Value, location: &Value) -> String {
    let (variant, location) = (variant.as_str().unwrap(), location.as_str().unwrap());
    let path = format!("/api/v1/stock?variantId={variant}&locationId={location}");
    business.get(&path).await.body["data"][0]["onHand"].as_str().unwrap_or("0").to_owned()
}

#[tokio::test]
async fn stock_in_transit_is_at_no_location_and_arrives_only_once() {
    let app = TestApp::start().await;
    let (acme, bolt, main, shed) = two_locations(&app, "10").await;
    let id = Uuid::now_v7();
    let body = json!({"id": id, "fromLocationId": main, "toLocationId": shed, "lines": [
        {"variantId": bolt, "quantity": "5"}, {"variantId": bolt, "quantity": "3"}]});
    let sent = acme.submit("stock/transfers", &body).await;
    assert_eq!(
        (sent.status, &sent.body["status"], &sent.body["number"]),
        (201, &json!("in_transit"), &json!(1))
    );
    assert_eq!(
        (on_hand(&acme, &bolt, &main).await, on_hand(&acme, &bolt, &shed).await),
        ("2".into(), "0".into())
    );
    let again = acme.submit("stock/transfers", &body).await;
    assert_eq!((again.header("idempotent-replayed"), &again.body), ("true", &sent.body));
    let short = json!({
        "fromLocationId": main, "toLocationId": shed, "lines": [{"variantId": bolt, "quantity": "3"}],
    });
    assert_eq!(acme.submit("stock/transfers", &short).await.code(), "insufficient_stock");
    let same = json!({
        "fromLocationId": main, "toLocationId": main, "lines": [{"variantId": bolt, "quantity": "1"}],
    });
    assert_eq!(acme.submit("stock/transfers", &same).await.code(), "same_location");

    let line = &sent.body["lines"][0]["id"];
    let part = json!({"lines": [{"lineId": line, "quantity": "3"}]});
    let received = acme.submit(&format!("stock/transfers/{id}/receive"), &part).await;
    assert_eq!(received.body["status"], "partly_received", "{received:?}");
    let more = json!({"lines": [{"lineId": line, "quantity": "6"}]});
    assert_eq!(acme.submit(&format!("stock/transfers/{id}/receive"), &more).await.code(), "more_than_left");
    // Eight requests receive the rest and two send it back, all at the same time. Only one succeeds.
    let acme = &acme;
    let racing = (0..10).map(|n| async move {
        let step = if n < 8 { "receive" } else { "send-back" };
        acme.submit(&format!("stock/transfers/{id}/{step}"), &json!({})).await.status
    });
    let done = join_all(racing.collect()).await;
    assert_eq!(done.iter().filter(|status| **status == 201).count(), 1, "{done:?}");
    assert!(done.iter().all(|status| matches!(status, 201 | 409)), "{done:?}");
    let (at_main, at_shed) = (on_hand(acme, &bolt, &main).await, on_hand(acme, &bolt, &shed).await);
    assert!([("2", "8"), ("7", "3")].contains(&(at_main.as_str(), at_shed.as_str())), "{at_main} {at_shed}");
    let ended = acme.get(&format!("/api/v1/stock/transfers/{id}")).await;
    assert!(["received", "closed"].contains(&ended.body["status"].as_str().unwrap()), "{ended:?}");
    assert_eq!(acme.get("/api/v1/stock/ledger").await.body["holds"], true);
}

#[tokio::test]
async fn sales_during_a_stock_count_are_not_lost() {
    let app = TestApp::start().await;
    let (acme, bolt, main, _) = two_locations(&app, "10").await;
    let opened = acme.submit("stock/counts", &json!({"note": "yearly"})).await;
    assert_eq!((opened.status, &opened.body["reference"]), (201, &json!("SC-000001")), "{opened:?}");
    let id = opened.body["id"].as_str().unwrap();
    let again = acme.submit("stock/counts", &json!({"id": id, "note": "yearly"})).await;
    assert_eq!((again.header("idempotent-replayed"), &again.body), ("true", &opened.body), "{again:?}");
    assert_eq!(acme.submit("stock/counts", &json!({"id": id, "note": "other"})).await.code(), "id_taken");
    assert_eq!(acme.submit(&format!("stock/counts/{id}/post"), &json!({})).await.code(), "nothing_counted");
    let counted = |counted: &str| json!({"lines": [{"variantId": bolt, "counted": counted}]});
    acme.submit(&format!("stock/counts/{id}/lines"), &counted("1")).await;
    let again = acme.submit(&format!("stock/counts/{id}/lines"), &counted("8")).await;
    let line = &again.body["lines"][0];
    assert_eq!((&line["expected"], &line["difference"]), (&json!("10"), &json!("-2")), "{again:?}");
    // Three units are sold between the counting and the posting.
    let order = json!({"lines": [{"variantId": bolt, "quantity": "3"}]});
    assert_eq!(acme.submit("orders", &order).await.status, 201);
    let acme = &acme;
    let racing = (0..6)
        .map(|_| async move { acme.submit(&format!("stock/counts/{id}/post"), &json!({})).await.status });
    let posted = join_all(racing.collect()).await;
    assert_eq!(posted.iter().filter(|status| **status == 200).count(), 1, "{posted:?}");
    assert_eq!(on_hand(acme, &bolt, &main).await, "5");
    let movements = acme.get(&format!("/api/v1/stock/movements?variantId={}", bolt.as_str().unwrap())).await;
    assert_eq!(
        (&movements.body["data"][0]["kind"], &movements.body["data"][0]["quantity"]),
        (&json!("count"), &json!("-2"))
    );
    for step in ["lines", "post", "cancel"] {
        let body = if step == "lines" { counted("1") } else { json!({}) };
        assert_eq!(acme.submit(&format!("stock/counts/{id}/{step}"), &body).await.code(), "wrong_status");
    }
    let other = acme.submit("stock/counts", &json!({})).await.body["id"].clone();
    let other = other.as_str().unwrap();
    acme.submit(&format!("stock/counts/{other}/lines"), &counted("0")).await;
    assert_eq!(
        acme.submit(&format!("stock/counts/{other}/cancel"), &json!({})).await.body["status"],
        "cancelled"
    );
    assert_eq!(on_hand(acme, &bolt, &main).await, "5");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stock_level_that_differs_from_its_ledger_is_found() {
    let app = TestApp::start().await;
    let (acme, ..) = two_locations(&app, "10").await;
    let zenith = app.tenant("zenith").await;
    let staff = app.staff("support").await;
    let verdict = async |business: &Business<'_>| {
        staff.get(&format!("/api/v1/platform/tenants/{}/ledger", business.tenant.id)).await.body["holds"]
            .clone()
    };
    assert_eq!((verdict(&acme).await, verdict(&zenith).await), (json!(true), json!(true)));
    let program = Program::beside(&app);
    assert_eq!(program.run(&["ledger", "verify", "--all"]).code, Some(0));
    let admin = app.database.as_admin().await;
    admin.batch_execute("UPDATE business_1.stock_levels SET on_hand = 11").await.unwrap();
    let ran = program.run(&["ledger", "verify", "--all"]);
    assert_eq!(ran.code, Some(6), "{ran:?}");
    assert!(ran.err.contains("on hand 11 (ledger 10)"), "{ran:?}");
    let told = acme.get("/api/v1/stock/ledger").await.body;
    assert_eq!((&told["holds"], &told["drifts"][0]["ledger"]), (&json!(false), &json!("10")));
    assert_eq!((verdict(&acme).await, verdict(&zenith).await), (json!(false), json!(true)));
    admin.batch_execute("UPDATE business_1.stock_levels SET on_hand = 10, reserved = 1").await.unwrap();
    assert_eq!(program.run(&["ledger", "verify", "acme"]).code, Some(6));
    assert_eq!(program.run(&["ledger", "verify", "zenith"]).code, Some(0));
    assert_eq!(program.run(&["ledger", "verify"]).code, Some(2));
}
