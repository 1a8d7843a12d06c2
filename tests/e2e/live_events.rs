//! Live events: each client gets the events of its own business, in their order, and loses none.

use std::time::{Duration, Instant};

use harness::live::{Message, Stream};
use harness::till::Cashier;
use harness::{Business, SecondServer, TestApp, until};
use serde_json::{Value, json};

use crate::orders::{made, stocked};

fn topics(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.data["topic"].as_str().unwrap()).collect()
}

/// The number in a position.
fn number(message: &Message) -> i64 {
    message.id.split_once('.').unwrap().1.parse().unwrap()
}

async fn read(stream: &mut Stream, count: usize) -> Vec<Message> {
    let mut messages = Vec::new();
    for _ in 0..count {
        messages.push(stream.event().await);
    }
    messages
}

async fn order(business: &Business<'_>, variant: &Value) -> Value {
    let lines = json!([{"variantId": variant, "quantity": "1"}]);
    made(business.submit("orders", &json!({"fulfil": false, "lines": lines})).await)["id"].clone()
}

#[tokio::test]
async fn a_client_gets_what_happens_in_its_business_and_nothing_else() {
    let app = TestApp::start().await;
    let (acme, zenith) = (app.tenant("acme").await, app.tenant("zenith").await);
    let bolt = stocked(&acme, "BOLT", "100").await;
    let mut here = acme.listen("?topics=order.*", "").await.unwrap();
    let mut there = zenith.listen("", "").await.unwrap();
    let asked = Instant::now();
    let first = order(&acme, &bolt).await;
    let event = here.event().await;
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    assert_eq!(
        (&event.data["topic"], &event.data["payload"]["orderId"], &event.data["version"]),
        (&json!("order.placed"), &first, &json!(1)),
        "{event:?}"
    );
    assert_eq!(event.data["position"], event.id);
    for _ in 0..3 {
        order(&acme, &bolt).await;
    }
    let more = read(&mut here, 3).await;
    assert_eq!(topics(&more), ["order.placed"; 3]);
    let numbers: Vec<i64> = more.iter().map(number).collect();
    assert_eq!(numbers, (number(&event) + 1..=number(&event) + 3).collect::<Vec<_>>());
    assert!(there.is_silent().await);
    drop(here);

    // After a broken connection, and from the history.
    order(&acme, &bolt).await;
    let mut again = acme.listen("", &more[0].id).await.unwrap();
    let missed = read(&mut again, 3).await;
    assert_eq!(missed[..2], more[1..]);
    let page = acme.get(&format!("/api/v1/events/history?after={}&limit=2", more[0].id)).await;
    assert_eq!((page.status, &page.body["more"]), (200, &json!(true)), "{page:?}");
    let shown: Vec<Value> = missed.iter().map(|message| message.data.clone()).collect();
    assert_eq!(page.body["data"], json!(shown[..2]));
    let next = page.body["next"].as_str().unwrap();
    let page = acme.get(&format!("/api/v1/events/history?after={next}")).await.body;
    assert_eq!((&page["data"], &page["more"]), (&json!(shown[2..]), &json!(false)));
    // The position of another business is of no use.
    let mut stolen = zenith.listen("", &more[0].id).await.unwrap();
    assert_eq!(stolen.next().await.unwrap().kind, "reset");
    assert!(stolen.is_silent().await);
    assert_eq!(zenith.get("/api/v1/events/history").await.body["data"], json!([]));
}

#[tokio::test]
async fn each_event_needs_the_permission_for_its_document() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let bolt = stocked(&acme, "BOLT", "100").await;
    let till = harness::till::register(&acme, "R1").await;
    let ann = Cashier::sign_in(&app, &acme, "cashier").await;
    let mut cashier = ann.listen("?topics=shift.*,sale.*,order.*", "").await.unwrap();
    let mut orders = acme.listen("?topics=order.*,stock.adjusted", "").await.unwrap();
    harness::till::open_shift(&acme, &till, "100").await;
    order(&acme, &bolt).await;
    made(harness::till::sell_units(&acme, &till, &bolt, "1").await);
    assert_eq!(topics(&read(&mut cashier, 2).await), ["shift.opened", "sale.completed"]);
    assert_eq!(topics(&read(&mut orders, 1).await), ["order.placed"]);
    assert_eq!(acme.adjust(&bolt, "1").await.status, 201);
    assert_eq!(topics(&read(&mut orders, 1).await), ["stock.adjusted"]);
    let history = ann.get("/api/v1/events/history").await.body;
    let seen: Vec<&Value> = history["data"].as_array().unwrap().iter().map(|event| &event["topic"]).collect();
    assert_eq!(seen, ["stock.adjusted", "shift.opened", "sale.completed", "stock.adjusted"], "{history}");
    for query in ["?topics=orders", "?topics=order", "?topics=ord*", "?topics=*", "?topic=order.*"] {
        assert_eq!(acme.listen(query, "").await.err(), Some(400), "{query}");
    }
    assert_eq!(app.stranger(&acme.host).listen("", "").await.err(), Some(401));
}

#[tokio::test]
async fn a_client_that_cannot_go_on_is_told_so() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let bolt = stocked(&acme, "BOLT", "100").await;
    let mut stream = acme.listen("?topics=order.*", "").await.unwrap();
    order(&acme, &bolt).await;
    let first = stream.event().await;
    order(&acme, &bolt).await;
    let second = stream.event().await;
    let admin = app.database.as_admin().await;
    admin.execute("DELETE FROM shared.events WHERE position <= $1", &[&number(&second)]).await.unwrap();
    order(&acme, &bolt).await;
    let third = stream.event().await;
    for (after, reason) in [
        (first.id.as_str(), "too_old"),
        ("1234abcd.1", "other_database"),
        ("x", "no_position"),
        (&format!("{}9", third.id), "other_database"),
    ] {
        let reset = acme.listen("", after).await.unwrap().next().await.unwrap();
        assert_eq!((reset.kind.as_str(), &reset.data["reason"]), ("reset", &json!(reason)), "{after}");
        assert_eq!(reset.id, third.id);
    }
    let mut fine = acme.listen("", &second.id).await.unwrap();
    assert_eq!(fine.event().await, third);
    let gone = acme.get(&format!("/api/v1/events/history?after={}", first.id)).await;
    assert_eq!((gone.status, gone.code(), &gone.body["next"]), (410, "events_gone", &json!(third.id)));
    assert_eq!(acme.get("/api/v1/events/history?after=x").await.status, 400);
}

#[tokio::test]
async fn a_stream_ends_with_its_session_and_with_the_business() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let ann = Cashier::sign_in(&app, &acme, "cashier").await;
    let mut hers = ann.listen("", "").await.unwrap();
    assert_eq!(ann.post("/api/v1/auth/logout", &json!({})).await.status, 204);
    let end = hers.next().await.unwrap();
    assert_eq!((end.kind.as_str(), &end.data["reason"]), ("end", &json!("session")));
    assert_eq!(hers.next().await, None);

    let mut streams = Vec::new();
    while let Ok(stream) = acme.listen("", "").await {
        streams.push(stream);
    }
    assert_eq!(streams.len(), 20, "the limit of one user");
    assert_eq!(acme.listen("", "").await.err(), Some(429));
    drop(streams.pop());
    app.database
        .as_admin()
        .await
        .execute("UPDATE shared.tenants SET status = 'suspended' WHERE id = $1", &[&acme.tenant.id])
        .await
        .unwrap();
    let end = streams[0].next().await.unwrap();
    assert_eq!((end.kind.as_str(), &end.data["reason"]), ("end", &json!("business")));
}

#[tokio::test]
async fn a_late_commit_is_not_skipped_and_a_slow_client_loses_nothing() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut stream = acme.listen("?topics=order.*", "").await.unwrap();
    let (role, id) = (acme.tenant.role.as_str(), acme.tenant.id);
    let insert = |count: usize, name: &str| {
        format!(
            "INSERT INTO shared.outbox (id, tenant_role, tenant_id, topic, payload, created_at)
             SELECT gen_random_uuid(), '{role}', '{id}', 'order.changed',
                    jsonb_build_object('orderId', '{name}' || n), now()
               FROM generate_series(1, {count}) n"
        )
    };
    // The late transaction writes first and commits last.
    let (late, early) = (app.database.as_admin().await, app.database.as_admin().await);
    late.batch_execute("BEGIN").await.unwrap();
    late.batch_execute(&insert(1, "late")).await.unwrap();
    early.batch_execute(&insert(1, "early")).await.unwrap();
    assert_eq!(stream.event().await.data["payload"]["orderId"], "early1");
    late.batch_execute("COMMIT").await.unwrap();
    assert_eq!(stream.event().await.data["payload"]["orderId"], "late1");

    // More than the hub keeps for anybody.
    early.batch_execute(&insert(5_000, "many")).await.unwrap();
    let outbox = "SELECT count(*) FROM shared.outbox";
    until("all are relayed", async || early.query_one(outbox, &[]).await.unwrap().get::<_, i64>(0) == 0)
        .await;
    let many = read(&mut stream, 5_000).await;
    let first = number(&many[0]);
    assert!(many.iter().zip(first..).all(|(message, expected)| number(message) == expected));
    assert_eq!(many[4_999].data["payload"]["orderId"], "many5000");
}

#[tokio::test]
async fn a_client_of_one_server_hears_of_changes_at_another() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let bolt = stocked(&acme, "BOLT", "100").await;
    let second = SecondServer::start(&app);
    let mut stream = Stream::open_at(second.port, &acme, "?topics=order.*", "").await.unwrap();
    let placed = order(&acme, &bolt).await;
    assert_eq!(stream.event().await.data["payload"]["orderId"], placed);
    // The connection on which announcements come breaks.
    let admin = app.database.as_admin().await;
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE datname = current_database() AND query LIKE 'LISTEN tenantry_events%'";
    assert!(!admin.query(cut, &[]).await.unwrap().is_empty());
    let placed = order(&acme, &bolt).await;
    assert_eq!(stream.event().await.data["payload"]["orderId"], placed);
}
