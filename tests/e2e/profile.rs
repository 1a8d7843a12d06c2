//! The profile of a business, its till number, and the settings of its till and its days.

use harness::{Business, TestApp, a_product, join_all};
use serde_json::{Value, json};
use uuid::Uuid;

const BUSINESS: &str = "/api/v1/business";
const TILL_NUMBER: &str = "/api/v1/business/till-number";

async fn till_number(business: &Business<'_>, number: &str) -> (u16, String) {
    let reply = business.put(TILL_NUMBER, &json!({"tillNumber": number})).await;
    (reply.status, reply.code().to_owned())
}

#[tokio::test]
async fn a_business_describes_itself() {
    let app = TestApp::start().await;
    let (acme, other) = (app.tenant("acme").await, app.tenant("other").await);
    let empty = acme.get(BUSINESS).await;
    assert_eq!(
        (empty.status, &empty.body["slug"], &empty.body["legalName"]),
        (200, &json!("acme"), &Value::Null)
    );
    let profile = json!({
        "legalName": "Acme Trading Ltd", "tradingName": "Acme", "ownerName": "Ann Smith",
        "email": "Shop@Acme.test", "phone": "+254 700 000 001", "address": "1 Moi Avenue\nNairobi",
        "taxNumber": "P051234567A",
    });
    let changed = acme.with("if-match", empty.header("etag")).patch(BUSINESS, &profile).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    for (name, value) in profile.as_object().unwrap() {
        let expected = if name == "email" { json!("shop@acme.test") } else { value.clone() };
        assert_eq!(changed.body[name], expected, "{name}");
    }
    assert_eq!(acme.with("if-match", empty.header("etag")).patch(BUSINESS, &profile).await.status, 412);
    let removed = acme.patch(BUSINESS, &json!({"phone": null})).await.body;
    assert_eq!((&removed["phone"], &removed["tradingName"]), (&Value::Null, &json!("Acme")), "{removed}");
    // A change that changes nothing is none.
    let again = acme.patch(BUSINESS, &json!({"phone": null})).await;
    assert!(again.header("etag").starts_with("\"3."), "{again:?}");
    for (body, pointer) in [
        (json!({"email": "nobody"}), "/email"),
        (json!({"legalName": ""}), "/legalName"),
        (json!({"legalName": "a".repeat(201)}), "/legalName"),
        (json!({"tillNumber": "5225"}), "/tillNumber"),
    ] {
        let refused = acme.patch(BUSINESS, &body).await;
        assert_eq!(
            (refused.status, &refused.body["errors"][0]["pointer"]),
            (422, &json!(pointer)),
            "{refused:?}"
        );
    }
    assert_eq!(other.get(BUSINESS).await.body["legalName"], Value::Null);
    let log = acme.get("/api/v1/audit").await.body;
    assert_eq!(
        log["data"][0]["changes"],
        json!({"phone": {"from": "+254 700 000 001", "to": null}}),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_two_businesses_have_one_till_number() {
    let app = TestApp::start().await;
    let (acme, other) = (app.tenant("acme").await, app.tenant("other").await);
    let before = acme.get(BUSINESS).await;
    assert_eq!(till_number(&acme, "522533").await.0, 204);
    assert_eq!(acme.get(BUSINESS).await.body["tillNumber"], "522533");
    // A copy of before is out of date.
    let now = acme.with("if-none-match", before.header("etag")).get(BUSINESS).await;
    assert_eq!(now.status, 200, "{now:?}");
    assert_eq!(till_number(&acme, "522533").await.0, 204, "once more");
    assert_eq!(till_number(&other, "522533").await, (409, "till_number_taken".to_owned()));
    for number in ["52", "52 25 33", "ke42", ""] {
        assert_eq!(till_number(&acme, number).await.0, 422, "{number}");
    }
    // A business that gives it up leaves it to others.
    assert_eq!(till_number(&acme, "KE-0042").await.0, 204);
    assert_eq!(till_number(&other, "522533").await.0, 204);
    assert_eq!(other.delete(TILL_NUMBER).await.status, 204);
    assert_eq!(other.delete(TILL_NUMBER).await.status, 204);
    assert_eq!(other.get(BUSINESS).await.body["tillNumber"], Value::Null);
    let log = acme.get("/api/v1/audit").await.body;
    let changes: Vec<&Value> =
        log["data"].as_array().unwrap().iter().map(|entry| &entry["changes"]).collect();
    assert_eq!(
        changes,
        [
            &json!({"tillNumber": {"from": "522533", "to": "KE-0042"}}),
            &json!({"tillNumber": {"from": null, "to": "522533"}})
        ]
    );
    // At once, one gets it, also when neither had a number before.
    for round in 0..20 {
        let number = format!("700{round:02}");
        for business in [&acme, &other] {
            assert_eq!(business.delete(TILL_NUMBER).await.status, 204);
        }
        let tries = (0..6).map(|n| till_number(if n % 2 == 0 { &acme } else { &other }, &number));
        let replies = join_all(tries.collect()).await;
        let ours = replies.iter().step_by(2).filter(|(status, _)| *status == 204).count();
        let theirs = replies.iter().skip(1).step_by(2).filter(|(status, _)| *status == 204).count();
        assert!([(3, 0), (0, 3)].contains(&(ours, theirs)), "{replies:?}");
        assert!(replies.iter().all(|(status, _)| [204, 409].contains(status)), "{replies:?}");
    }
    // Two requests of one business that has none wait while a third business decides.
    assert_eq!(acme.delete(TILL_NUMBER).await.status, 204);
    let mut owner = app.database.as_owner().await;
    let third = app.tenant("third").await;
    let deciding = owner.transaction().await.unwrap();
    const TAKE: &str = "INSERT INTO shared.till_numbers VALUES ('80000', $1, now())";
    deciding.execute(TAKE, &[&third.tenant.id]).await.unwrap();
    let (first, second, ()) = tokio::join!(till_number(&acme, "80000"), till_number(&acme, "80000"), async {
        app.database.until_two_locks_are_awaited().await;
        deciding.rollback().await.unwrap();
    });
    assert_eq!((first.0, second.0), (204, 204));
    // Two who want each other's number keep their own, and neither waits for the other without end.
    for _ in 0..10 {
        for (business, number) in [(&acme, "81001"), (&other, "81002")] {
            assert_eq!(business.delete(TILL_NUMBER).await.status, 204);
            assert_eq!(till_number(business, number).await.0, 204);
        }
        let swap = vec![till_number(&acme, "81002"), till_number(&other, "81001")];
        assert!(join_all(swap).await.iter().all(|(status, _)| *status == 409));
    }
    let staff = app.member_of(&acme.tenant, "STAFF").await;
    assert_eq!(till_number(&staff, "82000").await.0, 403);
}

#[tokio::test]
async fn the_till_has_settings_that_are_checked() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let settings = acme.get("/api/v1/settings").await.body;
    assert_eq!(
        (&settings["printerWidth"], &settings["cashRounding"], &settings["negativeSales"]),
        (&json!("80mm"), &json!("0.00"), &json!("refuse")),
        "{settings}"
    );
    let change = json!({
        "receiptHeader": "Acme\n1 Moi Avenue", "receiptFooter": "Asante!", "printerWidth": "58mm",
        "cashRounding": "0.05", "negativeSales": "review", "dayStartsAt": "04:00",
    });
    let changed = acme.patch("/api/v1/settings", &change).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    for (name, value) in change.as_object().unwrap() {
        assert_eq!(&changed.body[name], value, "{name}");
    }
    // The values of an answer can be sent back.
    let again = acme.patch("/api/v1/settings", &change).await;
    assert_eq!(again.header("etag"), changed.header("etag"));
    assert_eq!(
        acme.patch("/api/v1/settings", &json!({"receiptFooter": null})).await.body["receiptFooter"],
        Value::Null
    );
    for (body, status, pointer) in [
        (json!({"cashRounding": "-0.05"}), 422, "/cashRounding"),
        (json!({"cashRounding": "0.005"}), 422, "/cashRounding"),
        (json!({"cashRounding": "1000.01"}), 422, "/cashRounding"),
        (json!({"cashRounding": 5}), 400, "/cashRounding"),
        (json!({"printerWidth": "76mm"}), 422, "/printerWidth"),
        (json!({"negativeSales": "allow"}), 422, "/negativeSales"),
        (json!({"dayStartsAt": "12:00"}), 422, "/dayStartsAt"),
        (json!({"dayStartsAt": "4:00"}), 422, "/dayStartsAt"),
        (json!({"receiptHeader": ""}), 422, "/receiptHeader"),
    ] {
        let refused = acme.patch("/api/v1/settings", &body).await;
        assert_eq!(
            (refused.status, &refused.body["errors"][0]["pointer"]),
            (status, &json!(pointer)),
            "{refused:?}"
        );
    }
    let log = acme.get("/api/v1/audit").await.body;
    let first = &log["data"][1]["changes"];
    assert_eq!(first["cashRounding"], json!({"from": "0", "to": "0.05"}), "{log}");
}

#[tokio::test]
async fn a_day_begins_when_the_business_says() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let zone = json!({"timeZone": "Africa/Nairobi"});
    assert_eq!(acme.patch("/api/v1/settings", &zone).await.status, 200);
    let product = acme.create_product(&a_product("LATE")).await;
    let variant = &product["variants"][0]["id"];
    acme.adjust(variant, "10").await;
    let order = json!({"fulfil": true, "lines": [{"variantId": variant, "quantity": "1"}]});
    let client = acme.with("idempotency-key", &Uuid::now_v7().to_string());
    assert_eq!(client.post("/api/v1/orders", &order).await.status, 201);
    // 02:30 in Nairobi, on the tenth of March.
    let owner = app.database.as_owner().await;
    let schema = acme.tenant.schema.as_str();
    let at = "'2026-03-09 23:30:00+00'";
    for (table, column) in [("stock_movements", "occurred_at"), ("orders", "placed_at")] {
        let set = format!("UPDATE {schema}.{table} SET {column} = {at}");
        owner.execute(&set, &[]).await.unwrap();
    }
    let days = async |by: &str| -> Vec<String> {
        let path = format!("/api/v1/reports/sales?from=2026-03-01&to=2026-03-31&by={by}");
        let report = acme.get(&path).await;
        assert_eq!(report.status, 200, "{report:?}");
        let rows = report.body["data"].as_array().unwrap();
        rows.iter().map(|row| row["key"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(days("day").await, ["2026-03-10"]);
    for (start, day) in [("02:30", "2026-03-10"), ("02:31", "2026-03-09"), ("04:00", "2026-03-09")] {
        assert_eq!(acme.patch("/api/v1/settings", &json!({"dayStartsAt": start})).await.status, 200);
        assert_eq!(days("day").await, [day], "{start}");
    }
    // The hour is that of the clock, and a span has whole days.
    assert_eq!(days("hour").await, ["02"]);
    let of = async |day: &str| {
        let path = format!("/api/v1/reports/sales?from={day}&to={day}&by=day");
        acme.get(&path).await.body["data"].as_array().unwrap().len()
    };
    assert_eq!((of("2026-03-09").await, of("2026-03-10").await), (1, 0));
    let stock = async |day: &str| {
        let path = format!("/api/v1/reports/stock?on={day}&by=variant");
        acme.get(&path).await.body["total"]["onHand"].clone()
    };
    assert_eq!((stock("2026-03-08").await, stock("2026-03-09").await), (json!("0"), json!("9")));
}
