//! Stock cannot be lost, invented or taken twice.

use harness::{Business, TestApp, a_product, join_all};
use serde_json::{Value, json};
use uuid::Uuid;

/// The variant of a new product, with `quantity` units on hand.
async fn stocked(business: &Business<'_>, sku: &str, quantity: &str) -> Value {
    let product = business.create_product(&a_product(sku)).await;
    let variant = product["variants"][0]["id"].clone();
    if quantity != "0" {
        assert_eq!(business.adjust(&variant, quantity).await.status, 201);
    }
    variant
}

/// Asserts that stock levels equal the sums of their movements, that the balances of the movements form a
/// chain without a gap, and that no stock level is negative.
async fn assert_ledger_holds(app: &TestApp, business: &Business<'_>) {
    let admin = app.database.as_admin().await;
    let sql = format!(
        "SELECT count(*) FROM {0}.stock_levels l
           LEFT JOIN (SELECT variant_id, location_id, sum(quantity) AS total, count(*) AS movements,
                             max(position) AS last
                        FROM {0}.stock_movements GROUP BY 1, 2) m USING (variant_id, location_id)
          WHERE l.on_hand <> COALESCE(m.total, 0) OR l.position <> COALESCE(m.last, 0)
             OR COALESCE(m.movements, 0) <> COALESCE(m.last, 0) OR l.on_hand < 0",
        business.tenant.schema
    );
    let drift: i64 = admin.query_one(&sql, &[]).await.unwrap().get(0);
    assert_eq!(drift, 0);
    let sql = format!(
        "SELECT count(*) FROM (SELECT balance_after - quantity AS before,
                lag(balance_after, 1, 0) OVER (PARTITION BY variant_id, location_id
                                               ORDER BY position) AS expected
           FROM {}.stock_movements) chain WHERE before <> expected",
        business.tenant.schema
    );
    let broken: i64 = admin.query_one(&sql, &[]).await.unwrap().get(0);
    assert_eq!(broken, 0);
}

async fn assert_no_deadlock(app: &TestApp) {
    let sql = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    let deadlocks: i64 = app.database.as_admin().await.query_one(sql, &[]).await.unwrap().get(0);
    assert_eq!(deadlocks, 0);
}

#[tokio::test]
async fn an_adjustment_changes_stock_and_records_its_actor_and_reason() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let variant = stocked(&acme, "BOLT", "0").await;
    assert_eq!(acme.on_hand(&variant).await, "0", "a new variant must have an empty stock level");
    let body = json!({"variantId": variant, "quantity": "12.500", "reason": "counted", "note": "shelf 3"});
    let made = acme.with("idempotency-key", "one").post("/api/v1/stock/adjustments", &body).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!((&made.body["quantity"], &made.body["balanceAfter"]), (&json!("12.5"), &json!("12.5")));
    assert_eq!(acme.get(made.header("location")).await.body, made.body);
    acme.adjust(&variant, "-2.5").await;
    let level =
        &acme.get(&format!("/api/v1/stock?variantId={}", variant.as_str().unwrap())).await.body["data"][0];
    assert_eq!(
        (&level["onHand"], &level["reserved"], &level["available"]),
        (&json!("10"), &json!("0"), &json!("10"))
    );
    let ledger =
        acme.get(&format!("/api/v1/stock/movements?variantId={}", variant.as_str().unwrap())).await.body;
    let me = acme.get("/api/v1/auth/me").await.body["user"]["id"].clone();
    let (newest, oldest) = (&ledger["data"][0], &ledger["data"][1]);
    assert_eq!(
        (&newest["quantity"], &newest["balanceAfter"], &newest["actor"]),
        (&json!("-2.5"), &json!("10"), &me)
    );
    assert_eq!(
        (&oldest["kind"], &oldest["reason"], &oldest["source"]),
        (&json!("adjustment"), &json!("counted"), &json!({"type": "adjustment", "id": made.body["id"]}))
    );
    assert_ledger_holds(&app, &acme).await;
}

#[tokio::test]
async fn an_adjustment_cannot_take_more_than_is_available() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let variant = stocked(&acme, "BOLT", "3").await;
    let refused = acme.adjust(&variant, "-3.001").await;
    assert_eq!((refused.status, refused.code()), (409, "insufficient_stock"));
    let shortage = &refused.body["shortages"][0];
    assert_eq!(
        (&shortage["variantId"], &shortage["requested"], &shortage["available"]),
        (&variant, &json!("3.001"), &json!("3"))
    );
    assert_eq!(acme.on_hand(&variant).await, "3");
    assert_eq!(acme.adjust(&variant, "-3").await.status, 201);
    assert_ledger_holds(&app, &acme).await;
}

#[tokio::test]
async fn an_adjustment_needs_an_idempotency_key_and_valid_fields() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let variant = stocked(&acme, "BOLT", "1").await;
    let good = json!({"variantId": variant, "quantity": "1", "reason": "found"});
    let refused = acme.post("/api/v1/stock/adjustments", &good).await;
    assert_eq!((refused.status, refused.code()), (400, "idempotency_key_required"));
    assert!(refused.body["detail"].as_str().unwrap().contains("Idempotency-Key"));
    assert_eq!(
        acme.with("idempotency-key", &"k".repeat(201)).post("/api/v1/stock/adjustments", &good).await.code(),
        "idempotency_key_invalid"
    );
    let with = |name: &str, value: Value| {
        let mut body = good.clone();
        body[name] = value;
        body
    };
    for (body, status, pointer) in [
        (with("quantity", json!("0")), 422, "/quantity"),
        (with("quantity", json!("0.0001")), 422, "/quantity"),
        (with("quantity", json!(1)), 400, "/quantity"),
        (with("quantity", json!("99999999999.999")), 422, "/quantity"),
        (with("reason", json!("")), 422, "/reason"),
        (with("variantId", json!("x")), 422, "/variantId"),
        (with("variantId", json!(Uuid::now_v7())), 404, "/variantId"),
        (with("locationId", json!(Uuid::now_v7())), 404, "/locationId"),
    ] {
        let reply = acme
            .with("idempotency-key", &Uuid::now_v7().to_string())
            .post("/api/v1/stock/adjustments", &body)
            .await;
        assert_eq!(
            (reply.status, reply.body["errors"][0]["pointer"].as_str()),
            (status, Some(pointer)),
            "{body}: {reply:?}"
        );
    }
    assert_eq!(acme.on_hand(&variant).await, "1");
}

#[tokio::test]
async fn one_key_used_fifty_times_at_once_has_one_effect() {
    let app = TestApp::start().await;
    let (acme, zenith) = (app.tenant("acme").await, app.tenant("zenith").await);
    let variant = stocked(&acme, "BOLT", "100").await;
    let body = json!({"variantId": variant, "quantity": "-7", "reason": "damaged"});
    let client = acme.with("idempotency-key", "the-key");
    let mut answers = Vec::new();
    let calls: Vec<_> = (0..50).map(|_| client.post("/api/v1/stock/adjustments", &body)).collect();
    for answer in join_all(calls).await {
        assert!(answer.status == 201 || answer.code() == "request_in_progress", "{answer:?}");
        if answer.status == 201 {
            answers.push(answer);
        }
    }
    assert!(answers.len() > 1);
    assert!(answers.iter().all(|answer| answer.body == answers[0].body));
    assert_eq!(answers.iter().filter(|answer| answer.header("idempotent-replayed").is_empty()).count(), 1);
    assert_eq!(acme.on_hand(&variant).await, "93");
    // White space and the order of fields do not make a different request, but a different quantity does.
    let same = json!({"reason": "damaged", "quantity": "-7", "variantId": variant});
    assert_eq!(client.post("/api/v1/stock/adjustments", &same).await.body, answers[0].body);
    let other = json!({"variantId": variant, "quantity": "-8", "reason": "damaged"});
    assert_eq!(client.post("/api/v1/stock/adjustments", &other).await.status, 422);
    // The same key at another business, or from another user, is a different key.
    let theirs = stocked(&zenith, "BOLT", "100").await;
    let reply = zenith
        .with("idempotency-key", "the-key")
        .post("/api/v1/stock/adjustments", &json!({"variantId": theirs, "quantity": "-7", "reason": "x"}))
        .await;
    assert_eq!(reply.status, 201);
    let manager = app.member_of(&acme.tenant, "MANAGER").await;
    assert_eq!(
        manager.with("idempotency-key", "the-key").post("/api/v1/stock/adjustments", &body).await.status,
        201
    );
    assert_eq!(acme.on_hand(&variant).await, "86");
    assert_ledger_holds(&app, &acme).await;
}

#[tokio::test]
async fn a_refused_request_does_not_use_up_its_key() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let variant = stocked(&acme, "BOLT", "1").await;
    let client = acme.with("idempotency-key", "k");
    let body = json!({"variantId": variant, "quantity": "-5", "reason": "x"});
    assert_eq!(client.post("/api/v1/stock/adjustments", &body).await.status, 409);
    acme.adjust(&variant, "9").await;
    assert_eq!(client.post("/api/v1/stock/adjustments", &body).await.status, 201);
}

#[tokio::test]
async fn a_client_s_own_id_is_recognised_with_another_key() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let variant = stocked(&acme, "BOLT", "5").await;
    let id = Uuid::now_v7();
    let body = json!({"id": id, "variantId": variant, "quantity": "2", "reason": "found"});
    let first = acme.with("idempotency-key", "a").post("/api/v1/stock/adjustments", &body).await;
    let again = acme.with("idempotency-key", "b").post("/api/v1/stock/adjustments", &body).await;
    assert_eq!((first.status, again.status, &first.body), (201, 201, &again.body));
    assert_eq!(again.header("idempotent-replayed"), "true");
    let other = json!({"id": id, "variantId": variant, "quantity": "3", "reason": "found"});
    assert_eq!(
        acme.with("idempotency-key", "c").post("/api/v1/stock/adjustments", &other).await.code(),
        "id_taken"
    );
    assert_eq!(acme.on_hand(&variant).await, "7");
}

#[tokio::test]
async fn many_requests_for_few_units_take_exactly_those_units() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let variant = stocked(&acme, "LAST", "20").await;
    let calls: Vec<_> = (0..60).map(|_| acme.adjust(&variant, "-1")).collect();
    let answers = join_all(calls).await;
    let taken = answers.iter().filter(|answer| answer.status == 201).count();
    assert!(
        answers.iter().all(|answer| answer.status == 201 || answer.code() == "insufficient_stock"),
        "{answers:?}"
    );
    assert_eq!(taken, 20);
    assert_eq!(acme.on_hand(&variant).await, "0");
    assert_no_deadlock(&app).await;
    assert_ledger_holds(&app, &acme).await;
}

#[tokio::test]
async fn documents_with_lines_in_any_order_neither_deadlock_nor_oversell() {
    use inventory::movement::Kind;
    use inventory::stock::{self, Cost, Posting, Source, StockError};
    use inventory::{AdjustmentId, LocationId, VariantId};
    use values::{ActorId, Quantity};

    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut variants = Vec::new();
    for n in 0..6 {
        let variant = stocked(&acme, &format!("V{n}"), "50").await;
        variants.push(variant.as_str().unwrap().parse::<VariantId>().unwrap());
    }
    let location = acme.get("/api/v1/locations").await.body["data"][0]["id"]
        .as_str()
        .unwrap()
        .parse::<LocationId>()
        .unwrap();
    let database = app.database.pool(8);
    let documents: Vec<_> = (0..200_usize)
        .map(|n| {
            let (database, acme, variants) = (&database, &acme, &variants);
            async move {
                // Each document takes three variants, from any start and in either direction.
                let mut lines: Vec<VariantId> =
                    (0..3).map(|k| variants[(n + k * (1 + n % 2)) % variants.len()]).collect();
                if n % 3 == 0 {
                    lines.reverse();
                }
                let id = AdjustmentId::new();
                let postings: Vec<Posting> = lines
                    .iter()
                    .map(|variant_id| Posting {
                        kind: Kind::Adjustment,
                        reserved: Quantity::ZERO,
                        cost: Cost::Average,
                        variant_id: *variant_id,
                        has_stock: true,
                        location_id: location,
                        quantity: Quantity::parse("-1").unwrap(),
                        reason: None,
                        line_id: Uuid::now_v7(),
                    })
                    .collect();
                let source = Source::Adjustment(id);
                let posted = database
                    .write(&acme.tenant.scope(), async |tx| {
                        let decided = stock::decide(tx, &postings).await?;
                        decided.write(tx, source, ActorId::SYSTEM).await?;
                        Ok(decided.posted.len())
                    })
                    .await;
                match posted {
                    Ok(posted) => assert_eq!(posted, 3),
                    Err(StockError::Insufficient(short)) => assert!(!short.is_empty()),
                    Err(error) => panic!("{error:?}"),
                }
            }
        })
        .collect();
    join_all(documents).await;
    assert_no_deadlock(&app).await;
    assert_ledger_holds(&app, &acme).await;
}

#[tokio::test]
async fn only_an_increase_has_a_unit_cost_and_another_unit_cost_is_another_adjustment() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let bolt = stocked(&acme, "BOLT", "5").await;
    let costing = |id: Uuid, quantity: &str, cost: &str| {
        json!({
            "id": id, "variantId": bolt, "quantity": quantity, "unitCost": cost, "reason": "found",
        })
    };
    for (quantity, cost) in [("1", "-0.01"), ("-1", "4.00")] {
        let refused = acme.submit("stock/adjustments", &costing(Uuid::now_v7(), quantity, cost)).await;
        assert_eq!((refused.status, refused.code()), (422, "invalid_cost"), "{refused:?}");
    }
    let id = Uuid::now_v7();
    let first = acme.submit("stock/adjustments", &costing(id, "1", "4.50")).await;
    assert_eq!((first.status, &first.body["unitCost"]), (201, &json!("4.5")), "{first:?}");
    let again = acme.submit("stock/adjustments", &costing(id, "1", "4.50")).await;
    assert_eq!((again.status, &again.body), (201, &first.body));
    assert_eq!(acme.submit("stock/adjustments", &costing(id, "1", "4.51")).await.code(), "id_taken");
    let unknown = json!({"id": id, "variantId": Uuid::now_v7(), "quantity": "1", "reason": "found"});
    assert_eq!(acme.submit("stock/adjustments", &unknown).await.code(), "id_taken");
    assert_eq!(acme.on_hand(&bolt).await, "6");
}
