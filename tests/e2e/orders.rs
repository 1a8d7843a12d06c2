//! Orders: each is placed completely or not at all. It is fulfilled, cancelled and returned in parts, and
//! never for more units than were sold.

use std::collections::BTreeSet;

use harness::{Business, Reply, TestApp, a_product, contest, join_all, until};
use serde_json::{Value, json};
use uuid::Uuid;

/// A variant with the price 10.00, the cost 4, and `quantity` units on hand.
pub async fn stocked(business: &Business<'_>, sku: &str, quantity: &str) -> Value {
    let product = business.create_product(&a_product(sku)).await;
    let variant = product["variants"][0]["id"].clone();
    assert_eq!(business.adjust(&variant, quantity).await.status, 201);
    variant
}

#[track_caller]
pub fn made(reply: Reply) -> Value {
    assert_eq!(reply.status, 201, "{reply:?}");
    reply.body
}

/// The quantities of a variant on hand, reserved and available.
pub async fn level(business: &Business<'_>, variant: &Value) -> (String, String, String) {
    let reply = business.get(&format!("/api/v1/stock?variantId={}", variant.as_str().unwrap())).await;
    let row = &reply.body["data"][0];
    let text = |name: &str| row[name].as_str().unwrap().to_owned();
    (text("onHand"), text("reserved"), text("available"))
}

pub fn is(on_hand: &str, reserved: &str, available: &str) -> (String, String, String) {
    (on_hand.to_owned(), reserved.to_owned(), available.to_owned())
}

/// Asserts that stock levels agree with movements and open orders, that order totals agree with their lines,
/// that order numbers have no gap, and that no deadlock happened.
pub async fn assert_books_hold(app: &TestApp, business: &Business<'_>) {
    let schema = &business.tenant.schema;
    let admin = app.database.as_admin().await;
    for (what, sql) in [
        (
            "stock levels that differ from the sums of their movements",
            format!(
                "SELECT count(*) FROM {schema}.stock_levels l WHERE on_hand <> (
                   SELECT coalesce(sum(quantity), 0) FROM {schema}.stock_movements m
                    WHERE (m.variant_id, m.location_id) = (l.variant_id, l.location_id))"
            ),
        ),
        (
            "reserved quantities that differ from the open orders",
            format!(
                "SELECT count(*) FROM {schema}.stock_levels l WHERE reserved <> (
                   SELECT coalesce(sum(quantity - fulfilled - cancelled), 0) FROM {schema}.order_lines o
                     JOIN {schema}.orders d ON d.id = o.order_id
                    WHERE (o.variant_id, d.location_id) = (l.variant_id, l.location_id))"
            ),
        ),
        (
            "gaps in the order numbers",
            format!("SELECT coalesce(max(number), 0) - count(*) FROM {schema}.orders"),
        ),
        (
            "orders whose totals differ from those of their lines",
            format!(
                "SELECT count(*) FROM {schema}.orders d WHERE (total, tax, credited) <> (
                   SELECT sum(total), sum(tax), sum(credited) FROM {schema}.order_lines
                    WHERE order_id = d.id)"
            ),
        ),
        ("deadlocks", "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()".to_owned()),
    ] {
        let count: i64 = admin.query_one(&sql, &[]).await.unwrap().get(0);
        assert_eq!(count, 0, "{what}");
    }
}

#[tokio::test]
async fn an_order_takes_its_stock_at_once_and_a_repeated_request_changes_nothing() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (bolt, nut) = (stocked(&acme, "BOLT", "10").await, stocked(&acme, "NUT", "5").await);
    let customer = made(acme.post("/api/v1/customers", &json!({"name": "Ann Smith"})).await);
    let id = Uuid::now_v7();
    let body = json!({
        "id": id, "customerId": customer["id"], "discount": "10%", "note": "by noon",
        "lines": [
            {"variantId": bolt, "quantity": "3"},
            {"variantId": nut, "quantity": "0.5", "discount": "1.00"},
        ],
    });
    let keyed = acme.with("idempotency-key", "once");
    let order = made(keyed.post("/api/v1/orders", &body).await);
    assert_eq!((&order["number"], &order["reference"]), (&json!(1), &json!("SO-000001")));
    assert_eq!((&order["status"], &order["currency"]), (&json!("fulfilled"), &json!("EUR")));
    // 30.00 plus 5.00 - 1.00, less 10 percent.
    assert_eq!(
        (&order["subtotal"], &order["discount"], &order["total"], &order["amountDue"]),
        (&json!("35.00"), &json!("4.40"), &json!("30.60"), &json!("30.60"))
    );
    assert_eq!(order["lines"][1]["total"], "3.60");
    assert_eq!(level(&acme, &bolt).await, is("7", "0", "7"));
    assert_eq!(level(&acme, &nut).await, is("4.5", "0", "4.5"));
    let movements = acme.get(&format!("/api/v1/stock/movements?variantId={}", bolt.as_str().unwrap())).await;
    let sale = &movements.body["data"][0];
    assert_eq!(
        (&sale["kind"], &sale["quantity"], &sale["unitCost"], &sale["source"]["id"]),
        (&json!("sale"), &json!("-3"), &json!("4"), &json!(id))
    );

    let again = keyed.post("/api/v1/orders", &body).await;
    assert_eq!((again.status, again.header("idempotent-replayed"), &again.body), (201, "true", &order));
    // The idempotency key expires one day, but the order id does not.
    let later = acme.submit("orders", &body).await;
    assert_eq!((later.status, later.header("idempotent-replayed"), &later.body), (201, "true", &order));
    let mut other = body.clone();
    other["note"] = json!("by ten");
    assert_eq!(acme.submit("orders", &other).await.code(), "id_taken");
    assert_eq!(level(&acme, &bolt).await, is("7", "0", "7"));

    let shown = acme.get(&format!("/api/v1/orders/{id}")).await;
    assert_eq!(shown.body, order);
    for query in ["status=fulfilled", "q=ann", "q=SO-000001", "q=1", "from=2020-01-01T00:00:00Z"] {
        let listed = acme.get(&format!("/api/v1/orders?{query}")).await;
        assert_eq!(listed.body["data"][0]["id"], order["id"], "{query}: {listed:?}");
    }
    for query in ["status=reserved", "q=nobody", "q=2", "until=2020-01-01T00:00:00Z"] {
        let listed = acme.get(&format!("/api/v1/orders?{query}")).await;
        assert_eq!(listed.body["data"], json!([]), "{query}: {listed:?}");
    }
    assert_books_hold(&app, &acme).await;
}

#[tokio::test]
async fn a_shortage_lists_every_short_variant_and_takes_no_stock() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (bolt, nut, washer) = (
        stocked(&acme, "BOLT", "2").await,
        stocked(&acme, "NUT", "3").await,
        stocked(&acme, "WASHER", "9").await,
    );
    // The quantities of two lines with the same variant are added up.
    let body = json!({"lines": [
        {"variantId": bolt, "quantity": "2"}, {"variantId": nut, "quantity": "4"},
        {"variantId": bolt, "quantity": "1"}, {"variantId": washer, "quantity": "1"},
    ]});
    let refused = acme.submit("orders", &body).await;
    assert_eq!((refused.status, refused.code()), (409, "insufficient_stock"));
    let short: BTreeSet<(String, String, String)> = refused.body["shortages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let text = |name: &str| row[name].as_str().unwrap().to_owned();
            (text("variantId"), text("requested"), text("available"))
        })
        .collect();
    let of = |variant: &Value, requested: &str, available: &str| {
        (variant.as_str().unwrap().to_owned(), requested.to_owned(), available.to_owned())
    };
    assert_eq!(short, BTreeSet::from([of(&bolt, "3", "2"), of(&nut, "4", "3")]));
    assert_eq!(level(&acme, &washer).await, is("9", "0", "9"));
    // The refused order did not use up a number.
    let order = made(acme.submit("orders", &json!({"lines": [{"variantId": nut, "quantity": "3"}]})).await);
    assert_eq!(order["number"], 1);
    assert_books_hold(&app, &acme).await;
}

#[tokio::test]
async fn a_reserved_order_is_fulfilled_cancelled_and_returned_in_parts() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let bolt = stocked(&acme, "BOLT", "10").await;
    let order = made(
        acme.submit("orders", &json!({"fulfil": false, "lines": [{"variantId": bolt, "quantity": "8"}]}))
            .await,
    );
    let (id, line) = (order["id"].as_str().unwrap(), &order["lines"][0]["id"]);
    assert_eq!(order["status"], "reserved");
    assert_eq!(level(&acme, &bolt).await, is("10", "8", "2"));
    // Reserved stock is not available to other orders or to adjustments.
    let other = acme.submit("orders", &json!({"lines": [{"variantId": bolt, "quantity": "3"}]})).await;
    assert_eq!(other.body["shortages"][0]["available"], "2");
    assert_eq!(acme.adjust(&bolt, "-3").await.status, 409);

    let part = json!({"lines": [{"lineId": line, "quantity": "2"}, {"lineId": line, "quantity": "3"}]});
    let fulfilment = made(acme.submit(&format!("orders/{id}/fulfil"), &part).await);
    assert_eq!(fulfilment["order"]["status"], "partly_fulfilled");
    assert_eq!(fulfilment["lines"], json!([{"lineId": line, "quantity": "5"}]));
    assert_eq!(level(&acme, &bolt).await, is("5", "3", "2"));
    let more = json!({"lines": [{"lineId": line, "quantity": "4"}]});
    let refused = acme.submit(&format!("orders/{id}/fulfil"), &more).await;
    assert_eq!((refused.status, refused.code()), (409, "more_than_left"), "{refused:?}");

    // Three units are still open, so 30.00 of 80.00 is credited.
    let cancelled = acme.submit(&format!("orders/{id}/cancel"), &json!({"reason": "late"})).await;
    assert_eq!((cancelled.status, &cancelled.body["status"]), (200, &json!("fulfilled")));
    assert_eq!(
        (&cancelled.body["credited"], &cancelled.body["amountDue"]),
        (&json!("30.00"), &json!("50.00"))
    );
    assert_eq!(level(&acme, &bolt).await, is("5", "0", "5"));
    assert_eq!(acme.submit(&format!("orders/{id}/cancel"), &json!({})).await.code(), "wrong_status");
    assert_eq!(acme.submit(&format!("orders/{id}/fulfil"), &json!({})).await.code(), "wrong_status");

    let back = json!({"reason": "rusty", "lines": [
        {"lineId": line, "quantity": "1"}, {"lineId": line, "quantity": "2", "restock": false}]});
    let returned = made(acme.submit(&format!("orders/{id}/returns"), &back).await);
    assert_eq!((&returned["refund"], &returned["number"]), (&json!("30.00"), &json!(1)));
    assert_eq!(level(&acme, &bolt).await, is("6", "0", "6"));
    let kinds = acme.get(&format!("/api/v1/stock/movements?variantId={}", bolt.as_str().unwrap())).await;
    let kinds: Vec<_> = kinds.body["data"].as_array().unwrap().iter().take(3).collect();
    assert_eq!(
        kinds.iter().map(|row| format!("{} {}", row["kind"], row["quantity"])).collect::<Vec<_>>(),
        [r#""adjustment" "-2""#, r#""return" "2""#, r#""return" "1""#]
    );
    let too_much = json!({"reason": "rusty", "lines": [{"lineId": line, "quantity": "3"}]});
    assert_eq!(acme.submit(&format!("orders/{id}/returns"), &too_much).await.code(), "more_than_left");
    let rest = json!({"reason": "rusty", "lines": [{"lineId": line, "quantity": "2"}]});
    let last = made(acme.submit(&format!("orders/{id}/returns"), &rest).await);
    assert_eq!(last["order"]["amountDue"], "0.00");
    let returns = acme.get(&format!("/api/v1/orders/{id}/returns")).await;
    assert_eq!(returns.body["data"].as_array().unwrap().len(), 2);
    assert_books_hold(&app, &acme).await;
}

#[tokio::test]
async fn the_server_enforces_the_rules_for_prices_and_discounts() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let bolt = stocked(&acme, "BOLT", "10").await;
    let staff = app.member_of(&acme.tenant, "STAFF").await;
    let manager = app.member_of(&acme.tenant, "MANAGER").await;
    let at = |price: Value, reason: Value| {
        json!({
            "lines": [{"variantId": bolt, "quantity": "1", "price": price, "priceReason": reason}],
        })
    };
    let refused = staff.submit("orders", &at(json!("8.00"), json!("friend"))).await;
    assert_eq!((refused.status, refused.code()), (403, "permission_denied"));
    let refused = manager.submit("orders", &at(json!("8.00"), json!(null))).await;
    assert_eq!((refused.status, refused.code()), (422, "price_reason_missing"));
    let order = made(manager.submit("orders", &at(json!("8.00"), json!("scratched"))).await);
    let line = &order["lines"][0];
    assert_eq!(
        (&line["price"], &line["listPrice"], &line["priceReason"], &order["total"]),
        (&json!("8.00"), &json!("10.00"), &json!("scratched"), &json!("8.00"))
    );
    let line = |more: Value| {
        let mut line = json!({"variantId": bolt, "quantity": "1"});
        line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"lines": [line]})
    };
    for (body, status, code) in [
        (json!({"lines": []}), 422, "invalid_line_count"),
        (line(json!({"quantity": "0"})), 422, "not_positive"),
        (line(json!({"quantity": "-1"})), 422, "not_positive"),
        (line(json!({"discount": "10.01"})), 422, "discount_too_large"),
        (line(json!({"discount": "101%"})), 422, "invalid_discount"),
        (line(json!({"discount": "-1"})), 422, "invalid_discount"),
        (line(json!({"discount": "many"})), 422, "invalid_value"),
        (line(json!({"variantId": Uuid::now_v7()})), 404, "not_found"),
        (line(json!({"quantity": "99999999999"})), 422, "amount_too_large"),
    ] {
        let refused = manager.submit("orders", &body).await;
        assert_eq!((refused.status, refused.code()), (status, code), "{body}: {refused:?}");
    }
    // A discount lowers the price too. A discount limit applies to staff, but not to a manager. At first it
    // is 10 %.
    let free = line(json!({"discount": "100%"}));
    assert_eq!(staff.submit("orders", &free).await.code(), "discount_over_limit");
    acme.patch("/api/v1/settings", &json!({"discountLimitPercent": "100"})).await;
    made(staff.submit("orders", &free).await);
    let limit = json!({"discountLimitPercent": "10.5"});
    assert_eq!(acme.patch("/api/v1/settings", &limit).await.body["discountLimitPercent"], "10.5");
    let refused = staff.submit("orders", &free).await;
    assert_eq!((refused.status, refused.code()), (403, "discount_over_limit"), "{refused:?}");
    let mut of_both = line(json!({"discount": "0.50"}));
    of_both["discount"] = json!("0.56");
    assert_eq!(staff.submit("orders", &of_both).await.code(), "discount_over_limit");
    of_both["discount"] = json!("0.55");
    assert_eq!(made(staff.submit("orders", &of_both).await)["discount"], "1.05");
    made(manager.submit("orders", &free).await);
    // The limit is rounded like the discount: 10 percent of 9.95 is 1.00, for each of three lines.
    acme.patch("/api/v1/settings", &json!({"discountLimitPercent": "10"})).await;
    let mut lines = Vec::new();
    for sku in ["A", "B", "C"] {
        let variant = stocked(&acme, sku, "10").await;
        let path = format!("/api/v1/variants/{}", variant.as_str().unwrap());
        assert_eq!(acme.patch(&path, &json!({"price": "9.95"})).await.status, 200);
        lines.push(json!({"variantId": variant, "quantity": "1", "discount": "10%"}));
    }
    let tenth = json!({"lines": lines});
    assert_eq!(made(staff.submit("orders", &tenth).await)["discount"], "3.00");
    let mut more = tenth.clone();
    more["discount"] = json!("0.01");
    assert_eq!(staff.submit("orders", &more).await.code(), "discount_over_limit");
    for limit in ["-1", "100.01", "10.555"] {
        let refused = acme.patch("/api/v1/settings", &json!({"discountLimitPercent": limit})).await;
        assert_eq!(refused.body["errors"][0]["pointer"], "/discountLimitPercent", "{limit}: {refused:?}");
    }
    let mut unknown = line(json!({}));
    unknown["customerId"] = json!(Uuid::now_v7());
    assert_eq!(manager.submit("orders", &unknown).await.status, 404);
    assert_eq!(manager.post("/api/v1/orders", &line(json!({}))).await.code(), "idempotency_key_required");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stock_is_sold_exactly_once_and_order_numbers_have_no_gap() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut variants = Vec::new();
    for n in 0..6 {
        variants.push(stocked(&acme, &format!("SKU-{n}"), "10").await);
    }
    let (acme, variants) = (&acme, &variants);
    let mut random = fastrand::Rng::with_seed(11);
    let orders: Vec<Value> = (0..60)
        .map(|_| {
            let lines: Vec<Value> = (0..random.usize(1..4))
                .map(|_| {
                    json!({
                        "variantId": variants[random.usize(0..6)],
                        "quantity": random.u32(1..3).to_string(),
                    })
                })
                .collect();
            json!({"lines": lines, "fulfil": random.bool()})
        })
        .collect();
    let work = orders.iter().map(|body| async move {
        let reply = acme.submit("orders", body).await;
        match reply.status {
            201 => {
                // Some orders get two cancellations at the same time. Only one of the two succeeds.
                if reply.body["status"] == "reserved" && reply.body["number"].as_i64().unwrap() % 2 == 0 {
                    let path = format!("orders/{}/cancel", reply.body["id"].as_str().unwrap());
                    let body = json!({});
                    let (one, other) = tokio::join!(acme.submit(&path, &body), acme.submit(&path, &body));
                    assert_eq!(BTreeSet::from([one.status, other.status]), BTreeSet::from([200, 409]));
                }
                true
            }
            409 => {
                assert!(!reply.body["shortages"].as_array().unwrap().is_empty(), "{reply:?}");
                false
            }
            _ => panic!("{reply:?}"),
        }
    });
    let placed = join_all(work.collect()).await.into_iter().filter(|placed| *placed).count();
    assert!(placed > 10 && placed < 60, "{placed} placed: some orders must be short, but not all");
    assert_books_hold(&app, acme).await;

    // Many clients order the last unit.
    let last = stocked(acme, "LAST", "1").await;
    let buyers = (0..16).map(|_| {
        let body = json!({"lines": [{"variantId": last, "quantity": "1"}]});
        async move { acme.submit("orders", &body).await.status }
    });
    let sold = join_all(buyers.collect()).await.into_iter().filter(|status| *status == 201).count();
    assert_eq!(sold, 1);
    // Many requests with one idempotency key.
    let (keyed, body) = (
        acme.with("idempotency-key", "same"),
        json!({"lines": [{"variantId": variants[0], "quantity": "0.001"}]}),
    );
    assert_eq!(acme.adjust(&variants[0], "1").await.status, 201);
    let (keyed, body) = (&keyed, &body);
    let replies: Vec<Reply> =
        join_all((0..50).map(|_| async move { keyed.post("/api/v1/orders", body).await }).collect()).await;
    let numbers: BTreeSet<String> = replies.iter().map(|reply| reply.body["number"].to_string()).collect();
    assert!(replies.iter().all(|reply| reply.status == 201), "{replies:?}");
    assert_eq!(numbers.len(), 1);
    let other = keyed.post("/api/v1/orders", &json!({"lines": [{"variantId": last, "quantity": "1"}]})).await;
    assert_eq!((other.status, other.code()), (422, "idempotency_key_reused"));
    let zenith = app.tenant("zenith").await;
    let theirs = stocked(&zenith, "BOLT", "5").await;
    let body = json!({"lines": [{"variantId": theirs, "quantity": "1"}]});
    let order = zenith.with("idempotency-key", "same").post("/api/v1/orders", &body).await;
    assert_eq!((order.status, order.header("idempotent-replayed")), (201, ""), "key of another business");
    assert_books_hold(&app, acme).await;
}

#[tokio::test]
async fn an_event_is_written_with_its_order_and_no_business_can_read_it() {
    let app = TestApp::start().await;
    let (acme, zenith) = (app.tenant("acme").await, app.tenant("zenith").await);
    let bolt = stocked(&acme, "BOLT", "2").await;
    let order = json!({"lines": [{"variantId": bolt, "quantity": "2"}]});
    let placed = made(acme.submit("orders", &order).await);
    assert_eq!(acme.submit("orders", &order).await.status, 409);
    let admin = app.database.as_admin().await;
    let relayed =
        async || -> i64 { admin.query_one("SELECT count(*) FROM shared.events", &[]).await.unwrap().get(0) };
    until("two events are relayed", async || relayed().await >= 2).await;
    let events = "SELECT topic, payload, tenant_id FROM shared.events ORDER BY position";
    let rows = admin.query(events, &[]).await.unwrap();
    assert_eq!(rows.len(), 2, "a refused order must write no event");
    assert_eq!([0, 1].map(|row: usize| rows[row].get::<_, String>(0)), ["stock.adjusted", "order.placed"]);
    assert_eq!(rows[1].get::<_, Value>(1)["orderId"], placed["id"]);
    assert_eq!(rows[1].get::<_, Uuid>(2), Uuid::from(acme.tenant.id));
    let role = acme.tenant.role.as_str();

    // Zenith can neither read events nor write an event in the name of another business.
    let server = app.database.as_server().await;
    server.batch_execute(&format!("BEGIN; SET LOCAL ROLE {}", zenith.tenant.role.quoted())).await.unwrap();
    for table in ["outbox", "events"] {
        server.batch_execute("SAVEPOINT before").await.unwrap();
        let read = server.query(&format!("SELECT FROM shared.{table}"), &[]).await.unwrap_err();
        assert_eq!(read.code().unwrap().code(), "42501", "{table}");
        server.batch_execute("ROLLBACK TO before").await.unwrap();
    }
    server.batch_execute("ROLLBACK; BEGIN").await.unwrap();
    server.batch_execute(&format!("SET LOCAL ROLE {}", zenith.tenant.role.quoted())).await.unwrap();
    let forged = format!(
        "INSERT INTO shared.outbox (id, tenant_role, tenant_id, topic, payload, created_at)
         VALUES (gen_random_uuid(), '{role}', gen_random_uuid(), 'order.placed', '{{}}', now())"
    );
    assert_eq!(server.batch_execute(&forged).await.unwrap_err().code().unwrap().code(), "42501");

    // Old events and old idempotency keys are deleted, and new ones are kept.
    made(acme.submit("customers", &json!({"name": "Ann"})).await);
    admin.batch_execute("UPDATE shared.events SET created_at = now() - interval '8 days'").await.unwrap();
    admin
        .batch_execute("UPDATE business_1.idempotency_keys SET created_at = now() - interval '8 days'")
        .await
        .unwrap();
    acme.adjust(&bolt, "5").await;
    made(acme.submit("orders", &order).await);
    let owner_database = app.onboarding().owner_database();
    until("four events are relayed", async || relayed().await >= 4).await;
    let prune = async |tx: &tenancy::SharedTx| events::stored::prune(tx, 7).await;
    assert_eq!(owner_database.write_shared(prune).await.unwrap(), 2);
    let forget = async |tx: &tenancy::TenantTx| inventory::idempotency::forget(tx, 7).await;
    assert!(owner_database.write_tenant(&acme.tenant, forget).await.unwrap() >= 2);
    let left = "SELECT count(*) FROM business_1.idempotency_keys";
    let left: i64 = admin.query_one(left, &[]).await.unwrap().get(0);
    assert_eq!(left, 2, "the keys of the new adjustment and the new order");
    assert_eq!(relayed().await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_unit_goes_to_exactly_one_of_two_documents() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    contest::last_unit(&acme, 3).await;
    assert_books_hold(&app, &acme).await;
    assert_eq!(acme.get("/api/v1/stock/ledger").await.body["holds"], true);
}

#[tokio::test]
async fn orders_are_found_by_customer_and_text_together() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let bolt = stocked(&acme, "BOLT", "10").await;
    let mut customers = Vec::new();
    for name in ["Ann Smith", "Ann Jones"] {
        let customer = made(acme.post("/api/v1/customers", &json!({"name": name})).await)["id"].clone();
        let body =
            json!({"customerId": customer, "lines": [{"variantId": bolt, "quantity": "1"}], "fulfil": false});
        made(acme.submit("orders", &body).await);
        customers.push(customer.as_str().unwrap().to_owned());
    }
    let found = async |query: &str| {
        let reply = acme.get(&format!("/api/v1/orders?{query}")).await;
        assert_eq!(reply.status, 200, "{query}: {reply:?}");
        reply.body["data"].as_array().unwrap().iter().map(|order| order["number"].clone()).collect::<Vec<_>>()
    };
    let (smith, jones) = (&customers[0], &customers[1]);
    assert_eq!(found("q=ann").await, [2, 1]);
    assert_eq!(found(&format!("q=ann&customerId={smith}")).await, [1]);
    assert_eq!(found(&format!("q=jones&customerId={jones}&status=reserved")).await, [2]);
    assert_eq!(found(&format!("q=jones&customerId={smith}")).await, [0; 0]);
    assert_eq!(found(&format!("q=1&customerId={jones}")).await, [0; 0]);
    assert_eq!(found("from=1970-01-01T00:00:00Z&until=9999-12-31T00:00:00Z").await, [2, 1]);
    assert_eq!(found("until=1970-01-01T00:00:00Z").await, [0; 0]);
}

#[tokio::test]
async fn equal_lines_become_one_line_before_rounding() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let bolt = stocked(&acme, "BOLT", "100").await;
    let third = json!({"variantId": bolt, "quantity": "0.333"});
    let off = |discount: &str| json!({"variantId": bolt, "quantity": "1", "discount": discount});
    let lines = json!([third, off("10%"), third, off("0.50"), third, off("10%"), off("0.25")]);
    let order = made(acme.submit("orders", &json!({"lines": lines})).await);
    let told: Vec<String> = order["lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| {
            let text = |name: &str| line[name].as_str().unwrap().to_owned();
            format!("{} {} {}", text("quantity"), text("discount"), text("total"))
        })
        .collect();
    assert_eq!(told, ["0.999 0.00 9.99", "2 2.00 18.00", "2 0.75 19.25"]);
}
