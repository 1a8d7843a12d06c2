//! Tills without a connection: their sales come later, once, at their own times and prices. What cannot be
//! completed is refused, or waits for a member.

use chrono::{DateTime, TimeDelta, Utc};
use harness::till::{Cashier, open_shift, register, sell_units};
use harness::{Business, Client, Reply, TestApp, a_product, join_all};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::orders::made;
use crate::shifts::{refused, refused_at};

async fn stocked(business: &Business<'_>, quantity: &str) -> Value {
    let variant = business.create_product(&a_product("BOLT")).await["variants"][0]["id"].clone();
    assert_eq!(business.adjust(&variant, quantity).await.status, 201);
    variant
}

/// A sale of bolts for 10 each, paid in cash, as a till sends it.
fn sent(till: &Value, bolt: &Value, quantity: i64, reference: &str, sold_at: DateTime<Utc>) -> Value {
    json!({
        "id": Uuid::now_v7(), "registerId": till, "reference": reference, "soldAt": sold_at,
        "lines": [{"variantId": bolt, "quantity": quantity.to_string()}],
        "payments": [{"method": "cash"}], "total": (10 * quantity).to_string(),
    })
}

async fn send(client: &Client<'_>, sale: &Value) -> Reply {
    client.submit("offline-sales", sale).await
}

async fn holds(business: &Business<'_>) {
    let books = business.get("/api/v1/stock/ledger").await.body;
    assert_eq!((&books["holds"], &books["faults"]), (&json!(true), &json!([])), "{books}");
}

#[tokio::test]
async fn a_sale_comes_later_once_and_at_its_own_time_and_price() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let bolt = stocked(&acme, "100").await;
    let till = register(&acme, "R1").await;
    let ann = Cashier::sign_in(&app, &acme, "cashier").await;
    let yesterday = Utc::now() - TimeDelta::days(1);
    let schema = &acme.tenant.schema;
    let known = format!("UPDATE {schema}.price_changes SET changed_at = changed_at - interval '3 days'");
    app.database.as_owner().await.batch_execute(&known).await.unwrap();
    let sale = sent(&till, &bolt, 2, "OFF-1", yesterday);
    refused(&send(&ann, &sale).await, 409, "no_open_shift");
    let shift = open_shift(&ann, &till, "0").await;
    // The price has changed since.
    let price = json!({"price": "12"});
    let path = format!("/api/v1/variants/{}", bolt.as_str().unwrap());
    assert_eq!(acme.patch(&path, &price).await.status, 200);
    let completed = made(send(&ann, &sale).await);
    assert_eq!((&completed["status"], &completed["problem"]), (&json!("completed"), &Value::Null));
    let path = format!("/api/v1/sales/{}", sale["id"].as_str().unwrap());
    let receipt = acme.get(&path).await.body;
    let year = yesterday.format("%Y");
    assert_eq!(
        (&receipt["reference"], &receipt["offlineReference"], &receipt["total"], &receipt["shiftId"]),
        (&json!(format!("R1-F-{year}-000001")), &json!("OFF-1"), &json!("20.00"), &shift["id"]),
        "{receipt}"
    );
    let sold_at: DateTime<Utc> = serde_json::from_value(receipt["soldAt"].clone()).unwrap();
    assert_eq!(sold_at.timestamp_millis(), yesterday.timestamp_millis());
    assert_eq!(receipt["lines"][0]["listPrice"], "10.00");
    // It counts on its day, and the shelf has what is left.
    let report = acme.get("/api/v1/reports/sales").await.body;
    let day = report["data"][0]["key"].as_str().unwrap().to_owned();
    assert_eq!((report["data"].as_array().unwrap().len(), &report["data"][0]["net"]), (1, &json!("20.00")));
    assert!(day.as_str() < report["to"].as_str().unwrap(), "{report}");
    assert_eq!(acme.on_hand(&bolt).await, "98");
    // The till sends everything once more, also at the same time.
    let again = join_all((0..10).map(|_| send(&ann, &sale)).collect()).await;
    for reply in &again {
        assert_eq!((reply.status, &reply.body["id"]), (201, &sale["id"]), "{reply:?}");
    }
    assert_eq!(acme.on_hand(&bolt).await, "98");
    let mut other = sale.clone();
    other["reference"] = json!("OFF-2");
    refused(&send(&ann, &other).await, 409, "id_taken");
    let mut other = sent(&till, &bolt, 1, "OFF-1", yesterday);
    let taken = send(&ann, &other).await;
    refused(&taken, 409, "duplicate_reference");
    refused_at(&taken, "/reference", "duplicate_reference");
    // The till at another price than that of its time, at a wrong total, and with a wrong clock.
    other["reference"] = json!("OFF-3");
    other["total"] = json!("12");
    let wrong = send(&ann, &other).await;
    refused_at(&wrong, "/total", "other_total");
    assert_eq!(wrong.body["total"], "10");
    other["lines"][0]["price"] = json!("12");
    other["lines"][0]["priceReason"] = json!("price of the till");
    refused(&send(&ann, &other).await, 403, "approval_required");
    (other["lines"][0]["price"], other["total"]) = (json!("10.00"), json!("10"));
    assert_eq!(send(&ann, &other).await.status, 201);
    // A clock that was set back far does not bring back a former price.
    let late = sent(&till, &bolt, 1, "OFF-5", Utc::now() - TimeDelta::hours(60));
    refused(&send(&ann, &late).await, 403, "approval_required");
    assert_eq!(made(send(&acme, &late).await)["status"], "completed");
    for days in [-1, 40] {
        let clock = sent(&till, &bolt, 1, "OFF-4", Utc::now() - TimeDelta::days(days));
        refused_at(&send(&ann, &clock).await, "/soldAt", "out_of_range");
    }
    // A sale with a connection has the series of before, and the price of now.
    let online = made(sell_units(&ann, &till, &bolt, "1").await);
    assert_eq!(
        (&online["reference"], &online["total"]),
        (&json!(format!("R1-{}-000001", Utc::now().format("%Y"))), &json!("12.00"))
    );
    holds(&acme).await;
}

#[tokio::test]
async fn what_would_make_stock_negative_is_refused_or_waits() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let bolt = stocked(&acme, "3").await;
    let till = register(&acme, "R1").await;
    let ann = Cashier::sign_in(&app, &acme, "cashier").await;
    open_shift(&ann, &till, "0").await;
    let hour_ago = Utc::now() - TimeDelta::hours(1);
    let sale = sent(&till, &bolt, 5, "OFF-1", hour_ago);
    refused(&send(&ann, &sale).await, 409, "insufficient_stock");
    assert_eq!(acme.get("/api/v1/offline-sales").await.body["data"], json!([]));

    let review = json!({"negativeSales": "review"});
    assert_eq!(acme.patch("/api/v1/settings", &review).await.status, 200);
    let held = made(send(&ann, &sale).await);
    assert_eq!((&held["status"], &held["problem"]["code"]), (&json!("held"), &json!("insufficient_stock")));
    assert_eq!(held["request"]["reference"], "OFF-1");
    // A repetition gets the same answer, also with another key.
    assert_eq!(made(send(&ann, &sale).await), held);
    assert_eq!(acme.on_hand(&bolt).await, "3");
    let id = sale["id"].as_str().unwrap().to_owned();
    assert_eq!(acme.get(&format!("/api/v1/sales/{id}")).await.status, 404);
    // Mistakes of the till are no matter for a member.
    let mut unknown = sent(&till, &bolt, 1, "OFF-9", hour_ago);
    unknown["registerId"] = json!(Uuid::now_v7());
    refused(&send(&ann, &unknown).await, 404, "not_found");
    // An archived customer, a price nobody approved, and another total wait, too.
    let mut dear = sent(&till, &bolt, 1, "OFF-2", hour_ago);
    dear["total"] = json!("12");
    assert_eq!(made(send(&ann, &dear).await)["problem"]["code"], "other_total");
    let waiting = acme.get("/api/v1/offline-sales?status=held").await.body;
    assert_eq!(waiting["data"].as_array().unwrap().len(), 2);
    let history = acme.get("/api/v1/events/history?topics=offline_sale.*").await.body;
    assert!(history["data"].as_array().unwrap().len() <= 2);

    let act = async |client: &Client<'_>, what: &str, body: Value| {
        client.submit(&format!("offline-sales/{id}/{what}"), &body).await
    };
    refused(&act(&ann, "complete", json!({})).await, 403, "permission_denied");
    refused(&act(&acme, "complete", json!({})).await, 409, "insufficient_stock");
    // The goods were there: the count was wrong. Two members complete it at the same time.
    assert_eq!(acme.adjust(&bolt, "4").await.status, 201);
    let both = join_all((0..2).map(|_| act(&acme, "complete", json!({}))).collect()).await;
    let mut statuses: Vec<u16> = both.iter().map(|reply| reply.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409], "{both:?}");
    assert_eq!(acme.on_hand(&bolt).await, "2");
    let receipt = acme.get(&format!("/api/v1/sales/{id}")).await.body;
    assert_eq!((&receipt["soldBy"], &receipt["offlineReference"]), (&ann.user, &json!("OFF-1")), "{receipt}");
    assert_eq!(made(send(&ann, &sale).await)["status"], "completed");
    refused(&act(&acme, "discard", json!({"reason": "too late"})).await, 409, "wrong_status");
    let id = dear["id"].as_str().unwrap();
    let discard = format!("offline-sales/{id}/discard");
    let discarded = acme.submit(&discard, &json!({"reason": "entered by hand"})).await.body;
    assert_eq!(
        (&discarded["status"], &discarded["discardReason"]),
        (&json!("discarded"), &json!("entered by hand"))
    );
    assert_eq!(made(send(&ann, &dear).await)["status"], "discarded");
    // The till may send the sale again, corrected, with the number that it printed.
    let corrected = sent(&till, &bolt, 1, "OFF-2", hour_ago);
    assert_eq!(made(send(&ann, &corrected).await)["status"], "completed");
    assert_eq!(acme.get("/api/v1/offline-sales?status=held").await.body["data"], json!([]));
    holds(&acme).await;
}

#[tokio::test]
async fn tills_send_what_they_sold_at_the_same_time_and_numbers_have_no_gap() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let bolt = stocked(&acme, "60").await;
    let review = json!({"negativeSales": "review"});
    assert_eq!(acme.patch("/api/v1/settings", &review).await.status, 200);
    let mut tills = Vec::new();
    for number in 1..=4 {
        let till = register(&acme, &format!("R{number}")).await;
        open_shift(&acme, &till, "0").await;
        tills.push(till);
    }
    let start = Utc::now() - TimeDelta::hours(2);
    // Each till sends 20 sales, each twice; all tills have sold 80, and 60 were there.
    let work = async |till: &Value| {
        for number in 0..20_i32 {
            let sale =
                sent(till, &bolt, 1, &format!("OFF-{number}"), start + TimeDelta::minutes(number.into()));
            for reply in join_all(vec![send(&acme, &sale), send(&acme, &sale)]).await {
                assert_eq!(reply.status, 201, "{reply:?}");
            }
        }
    };
    join_all(tills.iter().map(work).collect()).await;
    let of = async |status: &str| {
        let page = acme.get(&format!("/api/v1/offline-sales?limit=100&status={status}")).await.body;
        page["data"].as_array().unwrap().len()
    };
    assert_eq!((of("completed").await, of("held").await), (60, 20));
    assert_eq!(acme.on_hand(&bolt).await, "0");
    holds(&acme).await;
}

#[tokio::test]
async fn a_member_corrects_what_cannot_be_completed() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let bolt = stocked(&acme, "10").await;
    let till = register(&acme, "R1").await;
    let ann = Cashier::sign_in(&app, &acme, "cashier").await;
    open_shift(&ann, &till, "0").await;
    let review = json!({"negativeSales": "review"});
    assert_eq!(acme.patch("/api/v1/settings", &review).await.status, 200);
    let hour_ago = Utc::now() - TimeDelta::hours(1);
    let complete = async |sale: &Value, body: Value| {
        acme.submit(&format!("offline-sales/{}/complete", sale["id"].as_str().unwrap()), &body).await
    };

    // An article that nobody knows, at a price of the till.
    let mut unknown = sent(&till, &bolt, 1, "OFF-1", hour_ago);
    (unknown["lines"], unknown["total"]) = (json!([{"sku": "NUT", "quantity": "2"}]), json!("7"));
    assert_eq!(made(send(&ann, &unknown).await)["problem"]["code"], "not_found");
    refused(&complete(&unknown, json!({})).await, 404, "not_found");
    let bolts =
        |price: &str| json!([{"variantId": bolt, "quantity": "2", "price": price, "priceReason": "old"}]);
    let dear = complete(&unknown, json!({"lines": bolts("4")})).await;
    refused_at(&dear, "/total", "other_total");
    let fits = complete(&unknown, json!({"lines": bolts("3.5")})).await;
    assert_eq!((fits.status, &fits.body["status"]), (200, &json!("completed")), "{fits:?}");
    assert_eq!(acme.on_hand(&bolt).await, "8");

    // A customer and a voucher that nobody knows. Only those who may list vouchers see its code.
    let mut voucher = sent(&till, &bolt, 1, "OFF-2", hour_ago);
    voucher["customerId"] = json!(Uuid::now_v7());
    voucher["payments"] = json!([{"method": "voucher", "voucherCode": "ABCD-EFGH-JKLM"}]);
    let held = made(send(&ann, &voucher).await);
    assert_eq!(held["problem"]["code"], "not_found", "{held}");
    assert!(!held.to_string().contains("ABCD"), "{held}");
    let path = format!("/api/v1/offline-sales/{}", voucher["id"].as_str().unwrap());
    assert!(!ann.get(&path).await.body.to_string().contains("ABCD"));
    assert!(acme.get(&path).await.body.to_string().contains("ABCD"));
    let again = complete(&voucher, json!({"customerId": null})).await;
    refused(&again, 404, "not_found");
    let cash = json!({"customerId": null, "payments": [{"method": "cash"}]});
    assert_eq!(complete(&voucher, cash).await.status, 200);

    // A sale that was received in time can be completed at any time.
    let old = sent(&till, &bolt, 1, "OFF-3", hour_ago);
    let mut old = old;
    old["total"] = json!("9");
    assert_eq!(made(send(&ann, &old).await)["problem"]["code"], "other_total");
    let schema = &acme.tenant.schema;
    let sql = format!(
        "UPDATE {schema}.offline_sales
            SET request = jsonb_set(request, '{{soldAt}}', to_jsonb(sold_at - interval '90 days'))
          WHERE status = 'held'"
    );
    app.database.as_owner().await.batch_execute(&sql).await.unwrap();
    let discount = complete(&old, json!({"discount": "1"})).await;
    assert_eq!(discount.status, 200, "{discount:?}");

    // Mistakes of the till, and failures, do not wait.
    let mut wrong = sent(&till, &bolt, 1, "OFF-4", hour_ago);
    wrong["payments"] = json!([{"method": "cash", "amount": "3"}]);
    assert_eq!(send(&ann, &wrong).await.status, 422);
    assert_eq!(acme.get("/api/v1/offline-sales?status=held").await.body["data"], json!([]));
    holds(&acme).await;
}
