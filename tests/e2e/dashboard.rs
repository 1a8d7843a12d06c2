//! The figures of the dashboard, compared with independent SQL.

use harness::{TestApp, a_product};
use serde_json::json;

#[tokio::test]
async fn the_dashboard_of_an_empty_business_shows_zeros() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut body = acme.get("/api/v1/dashboard").await.body;
    let days = body["movements"].take();
    assert_eq!(
        body,
        json!({
            "totalItems": 0, "totalStock": "0", "inventoryValue": "0.00", "inventoryCost": "0.00",
            "inTransit": {"quantity": "0", "cost": "0.00", "value": "0.00"}, "currency": "EUR",
            "lowStock": {"low": 0, "out": 0, "covered": 0, "items": []}, "topVariants": [], "movements": null,
        })
    );
    let days = days.as_array().unwrap();
    assert_eq!(days.len(), 7);
    assert!(days.iter().all(|day| day["sold"] == "0" && day["net"] == "0"), "{days:?}");
    assert_eq!(
        acme.get("/api/dashboard").await.body.to_string(),
        r#"{"inventoryValue":0.0,"totalItems":0,"totalStock":0}"#
    );
}

#[tokio::test]
async fn figures_equal_the_stock_ledger_to_the_cent() {
    let app = TestApp::start().await;
    let (acme, zenith) = (app.tenant("acme").await, app.tenant("zenith").await);
    for (n, (price, cost, quantity)) in [
        ("19.99", "7.3333", "3"),
        ("0.01", "0", "12345.678"),
        ("9999999999.99", "1", "0.001"),
        ("5", "2.5", "0"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut product = a_product(&format!("P{n}"));
        product["variants"][0]["price"] = json!(price);
        product["variants"][0]["cost"] = json!(cost);
        let product = acme.create_product(&product).await;
        if quantity != "0" {
            assert_eq!(acme.adjust(&product["variants"][0]["id"], quantity).await.status, 201);
        }
    }
    zenith.create_product(&a_product("OTHER")).await;
    let truth = app
        .database
        .as_admin()
        .await
        .query_one(
            &format!(
                "SELECT count(*)::text, trim_scale(sum(m.total))::text,
                        round(sum(m.total * v.price), 2)::text, round(sum(m.total * v.cost), 2)::text
                   FROM {0}.variants v
                   LEFT JOIN (SELECT variant_id, sum(quantity) AS total FROM {0}.stock_movements GROUP BY 1) m
                     ON m.variant_id = v.id",
                acme.tenant.schema
            ),
            &[],
        )
        .await
        .unwrap();
    let figure = |column: usize| truth.get::<_, String>(column);
    let body = acme.get("/api/v1/dashboard").await.body;
    assert_eq!(body["totalItems"].to_string(), figure(0));
    assert_eq!(body["totalStock"], figure(1));
    assert_eq!(body["inventoryValue"], figure(2));
    assert_eq!(body["inventoryCost"], figure(3));
}

/// SQL for the day `$1` days before today, as text, in the time zone of the business.
const DAY: &str = "((now() AT TIME ZONE 'Asia/Kolkata')::date - $1::integer)::text";

#[tokio::test]
async fn sales_and_movements_of_each_day_of_the_business_equal_independent_sql() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    assert_eq!(acme.patch("/api/v1/settings", &json!({"timeZone": "Asia/Kolkata"})).await.status, 200);
    let mut random = fastrand::Rng::with_seed(3);
    let mut variants = Vec::new();
    for n in 0..8 {
        let mut product = a_product(&format!("SKU-{n}"));
        product["variants"][0]["reorderLevel"] = json!((n * 20).to_string());
        let variant = acme.create_product(&product).await["variants"][0]["id"].clone();
        assert_eq!(acme.adjust(&variant, "100").await.status, 201);
        variants.push(variant);
    }
    for _ in 0..30 {
        let lines =
            json!([{"variantId": variants[random.usize(..8)], "quantity": random.u32(1..6).to_string()}]);
        let order = acme.submit("orders", &json!({"lines": lines, "fulfil": random.u32(..4) > 0})).await;
        assert_eq!(order.status, 201, "{order:?}");
        if order.body["status"] == "fulfilled" && random.u32(..3) == 0 {
            let line =
                json!({"lineId": order.body["lines"][0]["id"], "quantity": "1", "restock": random.bool()});
            let path = format!("orders/{}/returns", order.body["id"].as_str().unwrap());
            let returned = acme.submit(&path, &json!({"reason": "broken", "lines": [line]})).await;
            assert_eq!(returned.status, 201, "{returned:?}");
        }
    }
    // Movements in the last 40 days, some of them exactly between two days in that time zone. The opening
    // stock is much older.
    let admin = app.database.as_admin().await;
    let schema = &acme.tenant.schema;
    for sql in [
        "UPDATE {}.stock_movements
            SET occurred_at = now() - interval '1 day' * (('x' || md5(id::text))::bit(16)::integer % 40)",
        "UPDATE {}.stock_movements m
            SET occurred_at = ((now() AT TIME ZONE 'Asia/Kolkata')::date - border.ago)::timestamp
                AT TIME ZONE 'Asia/Kolkata' + border.shift
           FROM (SELECT id, row_number() OVER (ORDER BY id) AS n
                   FROM {}.stock_movements WHERE kind = 'sale') s
           JOIN (VALUES (1, 6, interval '0'), (2, 6, interval '-1 ms'),
                        (3, 29, interval '0'), (4, 29, interval '-1 ms'),
                        (5, 0, interval '0'), (6, 0, interval '-1 ms')) AS border (n, ago, shift)
             ON border.n = s.n
          WHERE m.id = s.id",
        "UPDATE {}.stock_movements SET occurred_at = '2020-01-01'
          WHERE kind = 'adjustment' AND quantity = 100",
    ] {
        admin.batch_execute(&sql.replace("{}", schema.as_str())).await.unwrap();
    }
    let body = acme.get("/api/v1/dashboard").await.body;

    let top = format!(
        "SELECT v.sku || ' ' || trim_scale(x.sold) FROM (
            SELECT l.variant_id,
                   sum(CASE WHEN m.kind = 'sale' THEN -m.quantity ELSE -abs(m.quantity) END) AS sold
              FROM {schema}.stock_levels l JOIN {schema}.stock_movements m USING (variant_id)
             WHERE m.kind IN ('sale', 'return')
               AND (m.occurred_at AT TIME ZONE 'Asia/Kolkata')::date
                   > (now() AT TIME ZONE 'Asia/Kolkata')::date - 30
             GROUP BY 1) x JOIN {schema}.variants v ON v.id = x.variant_id
          WHERE x.sold > 0 ORDER BY x.sold DESC, v.id LIMIT 5"
    );
    let truth: Vec<String> = admin.query(&top, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    let told: Vec<String> = body["topVariants"]
        .as_array()
        .unwrap()
        .iter()
        .map(|top| format!("{} {}", top["sku"].as_str().unwrap(), top["sold"].as_str().unwrap()))
        .collect();
    assert_eq!((told.len(), told), (5, truth));

    let days = body["movements"].as_array().unwrap();
    for (at, ago) in (0..7).rev().enumerate() {
        let sql = format!(
            "SELECT {DAY}, trim_scale(coalesce(sum(quantity) FILTER (WHERE kind = 'purchase'), 0))::text,
                    trim_scale(coalesce(sum(-quantity) FILTER (WHERE kind IN ('sale', 'return')), 0))::text,
                    trim_scale(coalesce(sum(quantity), 0))::text
               FROM {schema}.stock_movements
              WHERE (occurred_at AT TIME ZONE 'Asia/Kolkata')::date::text = {DAY}"
        );
        let truth = admin.query_one(&sql, &[&ago]).await.unwrap();
        for (column, name) in ["day", "purchased", "sold", "net"].into_iter().enumerate() {
            assert_eq!(days[at][name], truth.get::<_, String>(column), "{name} {ago} days ago");
        }
    }
    let levels = format!(
        "SELECT count(*) FILTER (WHERE l.on_hand - l.reserved <= v.reorder_level AND l.on_hand > l.reserved),
                count(*) FILTER (WHERE l.on_hand = l.reserved)
           FROM {schema}.stock_levels l JOIN {schema}.variants v ON v.id = l.variant_id"
    );
    let truth = admin.query_one(&levels, &[]).await.unwrap();
    let low = &body["lowStock"];
    assert_eq!((low["low"].as_i64(), low["out"].as_i64()), (truth.get(0), truth.get(1)));
    assert_eq!(low["items"].as_array().unwrap().len() as i64, truth.get::<_, i64>(0).min(5));
    assert!(truth.get::<_, i64>(0) > 2, "some stock levels must be low");
}

#[tokio::test]
async fn the_older_dashboard_returns_exact_numbers() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut product = a_product("P");
    product["variants"][0]["price"] = json!("1234567.10");
    let product = acme.create_product(&product).await;
    acme.adjust(&product["variants"][0]["id"], "1000000.001").await;
    // Compared as text, because a float cannot hold these digits.
    let url = format!("http://127.0.0.1:{}/api/dashboard", app.port());
    let text = reqwest::Client::new()
        .get(url)
        .header("host", "acme.localhost")
        .bearer_auth(acme.token.as_deref().unwrap())
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert_eq!(text, r#"{"totalItems":1,"totalStock":1000000.001,"inventoryValue":1234567101234.57}"#);
}

#[tokio::test]
async fn a_day_of_25_hours_and_a_day_of_23_are_days_like_others() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let bolt = crate::orders::stocked(&acme, "BOLT", "100").await;
    let sold = json!({"lines": [{"variantId": bolt, "quantity": "1"}]});
    for _ in 0..4 {
        assert_eq!(acme.submit("orders", &sold).await.status, 201);
    }
    acme.patch("/api/v1/settings", &json!({"timeZone": "America/Havana"})).await;
    let admin = app.database.as_admin().await;
    let pool = app.database.pool(1);
    // The clocks go back from 01:00 to 00:00, and forward from 00:00 to 01:00. Each list has the last moment
    // of the day before, two moments of the day, and the first of the day after.
    for (day, moments) in [
        (
            "2026-11-01",
            ["2026-11-01T03:59:59Z", "2026-11-01T04:00:00Z", "2026-11-02T04:59:59Z", "2026-11-02T05:00:00Z"],
        ),
        (
            "2026-03-08",
            ["2026-03-08T04:59:59Z", "2026-03-08T05:00:00Z", "2026-03-09T03:59:59Z", "2026-03-09T04:00:00Z"],
        ),
    ] {
        let sales = "SELECT id FROM business_1.stock_movements WHERE kind = 'sale' ORDER BY id";
        for (row, moment) in admin.query(sales, &[]).await.unwrap().iter().zip(moments) {
            let id: uuid::Uuid = row.get(0);
            let set =
                format!("UPDATE business_1.stock_movements SET occurred_at = '{moment}' WHERE id = '{id}'");
            admin.batch_execute(&set).await.unwrap();
        }
        let day: chrono::NaiveDate = day.parse().unwrap();
        for later in 0..7 {
            let now = (day + chrono::Days::new(later)).and_hms_opt(17, 0, 0).unwrap().and_utc();
            let read = async |tx: &tenancy::TenantTx| {
                tx.set_now(now);
                insight::dashboard::read(tx).await
            };
            let dashboard = pool.read(&acme.tenant.scope(), read).await.unwrap();
            let of_day = dashboard.movements.iter().find(|of| of.day == day).unwrap();
            assert_eq!(of_day.sold.to_string(), "2", "{day}, {later} days later");
        }
    }
}
