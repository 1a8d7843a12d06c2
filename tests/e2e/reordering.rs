//! Reordering: goods in transit are incoming, each location has its own reorder level and target, and what
//! one location has too much of is suggested to another one. Goods that are lost in transit are written off.

use harness::{Business, TestApp, a_product, join_all};
use serde_json::{Value, json};

/// A business with the location Main and a shed.
async fn two_locations<'a>(app: &'a TestApp) -> (Business<'a>, Value, Value) {
    let acme = app.tenant("acme").await;
    let main = acme.get("/api/v1/locations").await.body["data"][0]["id"].clone();
    let shed = acme.post("/api/v1/locations", &json!({"name": "Shed"})).await.body["id"].clone();
    (acme, main, shed)
}

async fn watched(business: &Business<'_>, sku: &str, level: &str, target: Option<&str>) -> Value {
    let mut product = a_product(sku);
    product["variants"][0]["reorderLevel"] = json!(level);
    product["variants"][0]["targetQuantity"] = json!(target);
    business.create_product(&product).await["variants"][0]["id"].clone()
}

async fn stock(business: &Business<'_>, variant: &Value, location: &Value, quantity: &str) {
    let body = json!({"variantId": variant, "locationId": location, "quantity": quantity, "reason": "found"});
    let reply = business.submit("stock/adjustments", &body).await;
    assert_eq!(reply.status, 201, "{reply:?}");
}

async fn send(business: &Business<'_>, variant: &Value, [from, to]: [&Value; 2], quantity: &str) -> Value {
    let lines = json!([{"variantId": variant, "quantity": quantity}]);
    let body = json!({"fromLocationId": from, "toLocationId": to, "lines": lines});
    let reply = business.submit("stock/transfers", &body).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    reply.body
}

async fn step(business: &Business<'_>, transfer: &Value, step: &str, body: Value) -> Value {
    let path = format!("stock/transfers/{}/{step}", transfer["id"].as_str().unwrap());
    let reply = business.submit(&path, &body).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    reply.body
}

/// The address of how a location reorders a variant.
fn reordering(variant: &Value, location: &Value) -> String {
    format!("/api/v1/variants/{}/locations/{}", variant.as_str().unwrap(), location.as_str().unwrap())
}

/// The open alerts of a location as "state available incoming".
async fn alerts(business: &Business<'_>, location: &Value) -> Vec<String> {
    let mut told = Vec::new();
    for state in ["low", "covered", "out"] {
        let location = location.as_str().unwrap();
        let path = format!("/api/v1/alerts/low-stock?state={state}&locationId={location}");
        for alert in business.get(&path).await.body["data"].as_array().unwrap() {
            told.push(format!("{state} {} {}", alert["available"], alert["incoming"]).replace('"', ""));
        }
    }
    told
}

/// The suggested lines as "sku source quantity".
async fn suggested(business: &Business<'_>) -> Vec<String> {
    let told = business.get("/api/v1/reports/reorder").await.body;
    let groups = told["data"].as_array().unwrap().iter();
    let lines = groups.flat_map(|group| group["lines"].as_array().unwrap());
    lines
        .map(|line| format!("{} {} {}", line["sku"], line["source"], line["quantity"]).replace('"', ""))
        .collect()
}

#[tokio::test]
async fn goods_in_transit_are_incoming_until_they_arrive_go_back_or_are_lost() {
    let app = TestApp::start().await;
    let (acme, main, shed) = two_locations(&app).await;
    let bolt = watched(&acme, "BOLT", "5", None).await;
    stock(&acme, &bolt, &main, "100").await;
    stock(&acme, &bolt, &shed, "2").await;
    assert_eq!(alerts(&acme, &shed).await, ["low 2 0"]);

    let transfer = send(&acme, &bolt, [&main, &shed], "10").await;
    assert_eq!(alerts(&acme, &shed).await, ["covered 2 10"]);
    assert_eq!(suggested(&acme).await, Vec::<String>::new(), "the goods are on their way");
    let line = json!({"lineId": transfer["lines"][0]["id"], "quantity": "2"});
    step(&acme, &transfer, "receive", json!({"lines": [line]})).await;
    assert_eq!(alerts(&acme, &shed).await, ["covered 4 8"]);
    let line = json!({"lineId": transfer["lines"][0]["id"], "quantity": "7"});
    let lost = step(&acme, &transfer, "write-off", json!({"lines": [line], "reason": "lost"})).await;
    assert_eq!(lost["lines"][0]["writtenOff"], "7");
    assert_eq!(lost["status"], "partly_received");
    assert_eq!(alerts(&acme, &shed).await, ["low 4 1"]);
    let closed = step(&acme, &transfer, "send-back", json!({})).await;
    assert_eq!((&closed["status"], &closed["lines"][0]["inTransit"]), (&json!("closed"), &json!("0")));
    assert_eq!(alerts(&acme, &shed).await, ["low 4 0"]);
}

#[tokio::test]
async fn goods_that_are_lost_in_transit_are_a_loss_of_the_location_that_sent_them() {
    let app = TestApp::start().await;
    let (acme, main, shed) = two_locations(&app).await;
    let bolt = watched(&acme, "BOLT", "0", None).await;
    let cost = json!({"variantId": bolt, "quantity": "3", "unitCost": "3.3333", "reason": "found"});
    assert_eq!(acme.submit("stock/adjustments", &cost).await.status, 201);
    let transfer = send(&acme, &bolt, [&main, &shed], "3").await;
    let change = json!({"adjustmentReasons": ["lost", "found"]});
    assert_eq!(acme.patch("/api/v1/settings", &change).await.status, 200);
    let path = format!("stock/transfers/{}/write-off", transfer["id"].as_str().unwrap());
    let refused = acme.submit(&path, &json!({"reason": "stolen"})).await;
    assert_eq!((refused.status, refused.code()), (422, "unknown_reason"), "{refused:?}");

    let body = json!({"id": uuid::Uuid::now_v7(), "reason": "lost"});
    let lost = step(&acme, &transfer, "write-off", body.clone()).await;
    assert_eq!(lost["status"], "closed");
    let again = step(&acme, &transfer, "write-off", body).await;
    assert_eq!(again, lost, "a repeated request changes nothing");
    let refused = acme.submit(&path, &json!({"reason": "lost"})).await;
    assert_eq!((refused.status, refused.code()), (409, "wrong_status"), "{refused:?}");

    let report = acme.get("/api/v1/reports/adjustments").await.body;
    let row = report["data"].as_array().unwrap().iter().find(|row| row["reason"] == "lost").unwrap();
    assert_eq!((&row["removed"], &row["value"]), (&json!("3"), &json!("-10.00")), "{row}");
    let stock = acme.get("/api/v1/reports/stock").await.body;
    assert_eq!(stock["inTransit"], json!({"quantity": "0", "cost": "0.00", "value": "0.00"}));
    let movements = acme.get("/api/v1/stock/movements").await.body;
    let kinds: Vec<_> = movements["data"].as_array().unwrap().iter().map(|moved| &moved["kind"]).collect();
    assert_eq!(kinds, ["adjustment", "transfer", "transfer", "adjustment"]);
    assert_eq!(movements["data"][0]["locationId"], main);
    assert_eq!(acme.get("/api/v1/stock/ledger").await.body["holds"], true);
}

#[tokio::test]
async fn each_location_has_its_own_reorder_level_and_target_or_those_of_the_variant() {
    let app = TestApp::start().await;
    let (acme, main, shed) = two_locations(&app).await;
    let bolt = watched(&acme, "BOLT", "5", Some("20")).await;
    let at_shed = reordering(&bolt, &shed);
    let told = acme.get(&at_shed).await;
    let never = json!({"variantId": bolt, "locationId": shed, "kept": false, "reorderLevel": null,
                       "targetQuantity": null});
    assert_eq!(told.body, never, "the variant has never been there");
    assert_eq!(acme.patch(&at_shed, &json!({})).await.status, 200);
    assert_eq!(alerts(&acme, &shed).await, Vec::<String>::new());

    for nothing in [json!({"reorderLevel": null}), json!({"kept": false})] {
        assert_eq!(acme.patch(&at_shed, &nothing).await.body, never);
    }

    let own = acme.patch(&at_shed, &json!({"reorderLevel": "2", "targetQuantity": "3"})).await;
    assert_eq!((own.status, &own.body["kept"]), (200, &json!(true)), "{own:?}");
    let stale = acme.with("if-match", told.header("etag")).patch(&at_shed, &json!({"kept": false})).await;
    assert_eq!(stale.status, 412, "{stale:?}");
    let unchanged = acme.with("if-match", own.header("etag")).patch(&at_shed, &json!({"kept": true})).await;
    assert_eq!((unchanged.status, unchanged.header("etag")), (200, own.header("etag")));

    assert_eq!(alerts(&acme, &main).await, ["out 0 0"]);
    assert_eq!(alerts(&acme, &shed).await, ["out 0 0"]);
    assert_eq!(suggested(&acme).await, ["BOLT purchase 20", "BOLT purchase 3"]);
    stock(&acme, &bolt, &shed, "3").await;
    assert_eq!(alerts(&acme, &shed).await, Vec::<String>::new());
    let levels = acme.get(&format!("/api/v1/stock?variantId={}", bolt.as_str().unwrap())).await.body;
    let levels: Vec<_> = levels["data"].as_array().unwrap().iter().collect();
    let of = |location: &Value| *levels.iter().find(|level| level["locationId"] == *location).unwrap();
    assert_eq!((&of(&main)["reorderLevel"], &of(&main)["targetQuantity"]), (&json!("5"), &json!("20")));
    assert_eq!((&of(&shed)["reorderLevel"], &of(&shed)["targetQuantity"]), (&json!("2"), &json!("3")));

    // A change of the variant's own level counts only where the location has none.
    let variant = format!("/api/v1/variants/{}", bolt.as_str().unwrap());
    assert_eq!(acme.patch(&variant, &json!({"reorderLevel": "50"})).await.status, 200);
    assert_eq!(alerts(&acme, &shed).await, Vec::<String>::new());
    assert_eq!(acme.patch(&at_shed, &json!({"reorderLevel": null})).await.status, 200);
    assert_eq!(alerts(&acme, &shed).await, ["low 3 0"]);
    assert_eq!(acme.patch(&at_shed, &json!({"kept": false})).await.status, 200);
    assert_eq!(alerts(&acme, &shed).await, Vec::<String>::new(), "the location does not keep the variant");
    stock(&acme, &bolt, &shed, "-3").await;
    assert_eq!(alerts(&acme, &shed).await, Vec::<String>::new());

    let unknown = reordering(&json!(uuid::Uuid::now_v7()), &shed);
    assert_eq!(acme.get(&unknown).await.status, 404);
    assert_eq!(acme.patch(&unknown, &json!({"kept": true})).await.status, 404);
    let refused = acme.patch(&at_shed, &json!({"reorderLevel": "-1"})).await;
    assert_eq!(refused.status, 422, "{refused:?}");

    let nut = watched(&acme, "NUT", "5", None).await;
    assert_eq!(acme.patch(&reordering(&nut, &shed), &json!({"kept": true})).await.body["kept"], true);
    assert_eq!(alerts(&acme, &shed).await, ["out 0 0"], "the location keeps it, and has nothing");
    let log = acme.get(&format!("/api/v1/audit?subjectId={}", nut.as_str().unwrap())).await.body;
    assert_eq!(log["data"][0]["changes"]["kept"], json!({"from": false, "to": true}), "{log}");
}

#[tokio::test]
async fn a_surplus_of_another_location_is_suggested_before_a_purchase() {
    let app = TestApp::start().await;
    let (acme, main, shed) = two_locations(&app).await;
    let bolt = watched(&acme, "BOLT", "5", Some("20")).await;
    stock(&acme, &bolt, &shed, "12").await;
    assert_eq!(suggested(&acme).await, ["BOLT purchase 20"], "the shed needs 20 itself");
    let own = json!({"reorderLevel": "1", "targetQuantity": "4"});
    assert_eq!(acme.patch(&reordering(&bolt, &shed), &own).await.status, 200);
    assert_eq!(suggested(&acme).await, ["BOLT transfer 8", "BOLT purchase 12"]);
    let told = acme.get("/api/v1/reports/reorder").await.body["data"][0].clone();
    assert_eq!(told["lines"][0]["fromLocationId"], shed);
    assert_eq!((&told["locationId"], &told["lines"][1]["fromLocationId"]), (&main, &Value::Null));
    send(&acme, &bolt, [&shed, &main], "8").await;
    assert_eq!(alerts(&acme, &main).await, ["out 0 8"]);
    stock(&acme, &bolt, &shed, "30").await;
    // The goods on their way cover the reorder level of 5, so nothing is suggested.
    assert_eq!(suggested(&acme).await, Vec::<String>::new());
    let nut = watched(&acme, "NUT", "5", Some("10")).await;
    stock(&acme, &nut, &shed, "100").await;
    assert_eq!(acme.patch(&reordering(&nut, &shed), &json!({"kept": false})).await.status, 200);
    assert_eq!(suggested(&acme).await, ["NUT transfer 10"], "the shed does not keep it");
}

#[tokio::test]
async fn alerts_agree_with_transfers_under_load() {
    let app = TestApp::start().await;
    let (acme, main, shed) = two_locations(&app).await;
    let bolt = watched(&acme, "BOLT", "5", None).await;
    stock(&acme, &bolt, &main, "20").await;
    stock(&acme, &bolt, &shed, "20").await;
    let (acme, bolt, main, shed) = (&acme, &bolt, &main, &shed);
    let work = (0..24).map(|turn| async move {
        let ends = if turn % 2 == 0 { [main, shed] } else { [shed, main] };
        let lines = json!([{"variantId": bolt, "quantity": fastrand::u32(1..9).to_string()}]);
        let body = json!({"fromLocationId": ends[0], "toLocationId": ends[1], "lines": lines});
        let sent = acme.submit("stock/transfers", &body).await;
        assert!(matches!(sent.status, 201 | 409), "{sent:?}");
        if sent.status == 201 {
            let (name, body) = match turn % 4 {
                0 => ("send-back", json!({})),
                1 => ("write-off", json!({"reason": "lost"})),
                _ => ("receive", json!({})),
            };
            step(acme, &sent.body, name, body).await;
        }
        let own = json!({"reorderLevel": fastrand::u32(1..15).to_string()});
        assert_eq!(acme.patch(&reordering(bolt, ends[1]), &own).await.status, 200);
    });
    join_all(work.collect()).await;
    let review = async |tx: &tenancy::TenantTx| inventory::alert::review_overdue(tx).await;
    let database = &app.running().state().database;
    let wrong: Result<u64, tenancy::DbError> = database.write(&acme.tenant.scope(), review).await;
    assert_eq!(wrong.unwrap(), 0, "no alert is wrong");
    let admin = app.database.as_admin().await;
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    assert_eq!(admin.query_one(deadlocks, &[]).await.unwrap().get::<_, i64>(0), 0);
}
