//! Webhooks: an endpoint gets the events of its business, signed and in their order; one that fails gets
//! them later; requests never reach a local network.

use std::time::Duration;

use harness::receiver::{Answer, Posted, Receiver};
use harness::{Business, Reply, TestApp, until};
use serde_json::{Value, json};

use crate::orders::{made, stocked};

/// Background jobs run in the server, and receivers are on this machine.
pub(crate) const SETTINGS: &str = "
    [jobs]
    in_server = true
    [webhooks]
    any_network = true
    [log]
    filter = \"error\"
";

pub(crate) async fn order(business: &Business<'_>, variant: &Value) -> Value {
    let lines = json!([{"variantId": variant, "quantity": "1"}]);
    made(business.submit("orders", &json!({"fulfil": false, "lines": lines})).await)["id"].clone()
}

/// Makes an endpoint. Returns it with its secret.
pub(crate) async fn webhook(business: &Business<'_>, url: &str, topics: Value) -> Value {
    let reply = business.post("/api/v1/webhooks", &json!({"url": url, "topics": topics})).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    reply.body
}

fn path(webhook: &Value, rest: &str) -> String {
    format!("/api/v1/webhooks/{}{rest}", webhook["id"].as_str().unwrap())
}

async fn act(business: &Business<'_>, webhook: &Value, action: &str, body: Value) -> Reply {
    business.post(&path(webhook, action), &body).await
}

async fn shown(business: &Business<'_>, webhook: &Value) -> Value {
    business.get(&path(webhook, "")).await.body
}

/// Waits until a field of an endpoint has a value.
async fn becomes(business: &Business<'_>, webhook: &Value, field: &str, value: Value) {
    until(field, async || shown(business, webhook).await[field] == value).await;
}

/// Lets the next attempt be due now.
async fn hurry(app: &TestApp) {
    const HURRY: &str = "
        UPDATE shared.webhook_endpoints
           SET due_at = now(), replay_due_at = CASE WHEN replay_due_at IS NOT NULL THEN now() END,
               version = version + 1";
    app.database.as_owner().await.execute(HURRY, &[]).await.unwrap();
}

/// The ids of documents in messages.
pub(crate) fn orders(posted: &[Posted]) -> Vec<Value> {
    posted.iter().map(|message| message.body["data"]["orderId"].clone()).collect()
}

/// Waits for the first message about an order. One that was on its way during a change may come twice.
async fn first_about(receiver: &Receiver, order: &Value) -> Posted {
    for count in 1.. {
        let message = receiver.wait_for(count).await.swap_remove(count - 1);
        if message.body["data"]["orderId"] == *order {
            return message;
        }
    }
    unreachable!("a receiver that gets no message panics")
}

#[tokio::test]
async fn an_endpoint_gets_signed_events_of_its_business_in_their_order() {
    let app = TestApp::start_with(SETTINGS).await;
    let (acme, zenith) = (app.tenant("acme").await, app.tenant("zenith").await);
    let (bolt, nut) = (stocked(&acme, "BOLT", "100").await, stocked(&zenith, "NUT", "100").await);
    let (receiver, other) = (Receiver::start().await, Receiver::start().await);
    // An event from before is not sent.
    order(&acme, &bolt).await;
    until("the event has its position", async || {
        let history = acme.get("/api/v1/events/history?topics=order.placed").await.body;
        history["data"] != json!([])
    })
    .await;
    let hook = webhook(&acme, &receiver.url(), json!(["order.*"])).await;
    webhook(&zenith, &other.url(), json!([])).await;
    let secret = hook["secret"].as_str().unwrap();
    assert!(secret.starts_with("whsec_"), "{hook}");
    let mut placed = Vec::new();
    for _ in 0..5 {
        placed.push(order(&acme, &bolt).await);
    }
    let posted = receiver.wait_for(5).await;
    assert_eq!(orders(&posted), placed, "{posted:?}");
    for message in &posted {
        assert!(message.is_signed_with(secret) && !message.is_signed_with("whsec_b3RoZXI="), "{message:?}");
        assert_eq!(message.header("content-type"), "application/json");
        assert_eq!(message.body["type"], "order.placed");
        assert_eq!(message.body["businessId"], json!(acme.tenant.id.to_string()));
    }
    let history = acme.get("/api/v1/events/history?topics=order.placed&limit=100").await.body;
    let last = history["data"].as_array().unwrap().last().unwrap().clone();
    let message = posted.last().unwrap();
    assert_eq!(
        (message.header("webhook-id"), &message.body["timestamp"], &message.body["data"]),
        (last["id"].as_str().unwrap(), &last["occurredAt"], &last["payload"])
    );
    // Another business's endpoint has got nothing of it.
    let theirs = order(&zenith, &nut).await;
    until("their event arrives", async || orders(&other.posted()).contains(&theirs)).await;
    let is_theirs = |message: &Posted| message.body["businessId"] == json!(zenith.tenant.id.to_string());
    assert!(other.posted().iter().all(is_theirs));
    becomes(&acme, &hook, "waiting", json!(0)).await;
    let log = acme.get(&path(&hook, "/deliveries")).await.body;
    assert_eq!(log["data"].as_array().unwrap().len(), 5);
    assert!(log["data"].as_array().unwrap().iter().all(|row| row["outcome"] == "delivered"), "{log}");
    assert_eq!(zenith.get(&path(&hook, "/deliveries")).await.status, 404);
    assert_eq!(zenith.get(&path(&hook, "")).await.status, 404);
}

#[tokio::test]
async fn an_endpoint_that_fails_gets_everything_later_and_in_order() {
    let app = TestApp::start_with(SETTINGS).await;
    let acme = app.tenant("acme").await;
    let bolt = stocked(&acme, "BOLT", "100").await;
    let receiver = Receiver::start().await;
    let hook = webhook(&acme, &receiver.url(), json!(["order.placed"])).await;
    receiver.answer(Answer::status(500));
    let mut placed = Vec::new();
    for _ in 0..3 {
        placed.push(order(&acme, &bolt).await);
    }
    receiver.wait_for(1).await;
    becomes(&acme, &hook, "attempts", json!(1)).await;
    let view = shown(&acme, &hook).await;
    assert_eq!((&view["status"], view["waiting"].as_i64() >= Some(3)), (&json!("active"), true), "{view}");
    assert!(view["failingSince"].is_string() && view["nextAttemptAt"].is_string(), "{view}");
    // The others wait for the first one, which is the only one that was tried.
    hurry(&app).await;
    becomes(&acme, &hook, "attempts", json!(2)).await;
    assert!(orders(&receiver.posted()).iter().all(|id| *id == placed[0]));
    receiver.answer(Answer::status(200));
    hurry(&app).await;
    let posted = receiver.wait_for(5).await;
    assert_eq!(orders(&posted)[2..], placed[..]);
    let first = posted[0].header("webhook-id");
    assert!(posted[..3].iter().all(|message| message.header("webhook-id") == first));
    becomes(&acme, &hook, "waiting", json!(0)).await;
    assert_eq!(shown(&acme, &hook).await["attempts"], 0);
    let failed = acme.get(&path(&hook, "/deliveries?outcome=refused")).await.body;
    let attempts: Vec<&Value> =
        failed["data"].as_array().unwrap().iter().map(|row| &row["attempt"]).collect();
    assert_eq!(attempts, [2, 1]);
    assert_eq!(
        (&failed["data"][0]["httpStatus"], &failed["data"][0]["response"]),
        (&json!(500), &json!("OK"))
    );

    // A redirect is not followed.
    let elsewhere = Receiver::start().await;
    let location = format!("location: {}\r\n", elsewhere.url());
    receiver.answer(Answer { head: location, ..Answer::status(307) });
    let tried = act(&acme, &hook, "/test", json!({})).await;
    assert_eq!((tried.status, &tried.body["outcome"]), (200, &json!("redirected")), "{tried:?}");
    assert_eq!((&tried.body["kind"], &tried.body["topic"]), (&json!("test"), &json!("webhook.test")));
    assert!(elsewhere.posted().is_empty());
}

#[tokio::test]
async fn an_endpoint_that_takes_nothing_for_days_fails_and_is_resumed_without_a_gap() {
    let app = TestApp::start_with(SETTINGS).await;
    let acme = app.tenant("acme").await;
    let bolt = stocked(&acme, "BOLT", "100").await;
    let receiver = Receiver::start().await;
    let hook = webhook(&acme, &receiver.url(), json!(["order.placed"])).await;
    receiver.answer(Answer::status(503));
    let placed = [order(&acme, &bolt).await, order(&acme, &bolt).await];
    becomes(&acme, &hook, "attempts", json!(1)).await;
    const DAYS_AGO: &str = "
        UPDATE shared.webhook_endpoints
           SET failing_since = failing_since - interval '73 hours', attempts = 12, due_at = now(),
               version = version + 1";
    app.database.as_owner().await.execute(DAYS_AGO, &[]).await.unwrap();
    becomes(&acme, &hook, "status", json!("failed")).await;
    let mails = "SELECT parameters ->> 'host' FROM shared.mails WHERE template = 'webhook_failed'";
    let mailed: String = app.database.as_owner().await.query_one(mails, &[]).await.unwrap().get(0);
    assert_eq!(format!("{mailed}/hooks"), receiver.url());
    let log = acme.get("/api/v1/auth-events?action=webhook.failed").await.body;
    assert_eq!(log["data"].as_array().unwrap().len(), 1, "{log}");
    receiver.answer(Answer::status(204));
    let before = receiver.posted().len();
    let resumed = act(&acme, &hook, "/resume", json!({})).await;
    assert_eq!((resumed.status, &resumed.body["status"]), (200, &json!("active")), "{resumed:?}");
    let posted = receiver.wait_for(before + 2).await;
    assert_eq!(orders(&posted)[before..], placed);

    // An endpoint that does not exist any more fails at once.
    receiver.answer(Answer::status(410));
    order(&acme, &bolt).await;
    becomes(&acme, &hook, "status", json!("failed")).await;
    // Nor does an endpoint that is too far behind pass over what was deleted.
    app.database.as_owner().await.execute("DELETE FROM shared.events", &[]).await.unwrap();
    let refused = act(&acme, &hook, "/resume", json!({})).await;
    assert_eq!((refused.status, refused.code()), (409, "events_deleted"), "{refused:?}");
    let resumed = act(&acme, &hook, "/resume", json!({"from": "now"})).await;
    assert_eq!((&resumed.body["status"], &resumed.body["waiting"]), (&json!("active"), &json!(0)));
}

#[tokio::test]
async fn an_event_can_be_left_out_or_sent_again() {
    let app = TestApp::start_with(SETTINGS).await;
    let acme = app.tenant("acme").await;
    let bolt = stocked(&acme, "BOLT", "100").await;
    let receiver = Receiver::start().await;
    let hook = webhook(&acme, &receiver.url(), json!(["order.placed"])).await;
    let nothing = act(&acme, &hook, "/skip", json!({})).await;
    assert_eq!((nothing.status, nothing.code()), (409, "webhook_not_ready"), "{nothing:?}");
    receiver.answer(Answer::status(400));
    let (bad, good) = (order(&acme, &bolt).await, order(&acme, &bolt).await);
    becomes(&acme, &hook, "attempts", json!(1)).await;
    receiver.answer(Answer::status(200));
    let skipped = act(&acme, &hook, "/skip", json!({})).await;
    assert_eq!((skipped.status, &skipped.body["attempts"]), (200, &json!(0)), "{skipped:?}");
    let posted = receiver.wait_for(2).await;
    assert_eq!(orders(&posted), [bad.clone(), good.clone()]);
    becomes(&acme, &hook, "waiting", json!(0)).await;

    // The one that was left out comes once more, with the id that it had.
    let id = posted[0].header("webhook-id").to_owned();
    let again = act(&acme, &hook, "/replays", json!({"eventId": id})).await;
    assert_eq!((again.status, &again.body["replaying"]), (202, &json!(1)), "{again:?}");
    let posted = receiver.wait_for(3).await;
    assert_eq!((orders(&posted)[2].clone(), posted[2].header("webhook-id")), (bad.clone(), id.as_str()));
    becomes(&acme, &hook, "replaying", json!(0)).await;
    // All of an hour, of the chosen topics alone.
    let now = chrono::Utc::now();
    let span = json!({"from": now - chrono::TimeDelta::hours(1), "to": now + chrono::TimeDelta::hours(1)});
    assert_eq!(act(&acme, &hook, "/replays", span).await.status, 202);
    let posted = receiver.wait_for(5).await;
    assert_eq!(orders(&posted)[3..], [bad, good]);
    becomes(&acme, &hook, "replaying", json!(0)).await;
    for (body, status) in [
        (json!({}), 422),
        (json!({"eventId": id, "from": now, "to": now}), 422),
        (json!({"from": now, "to": now - chrono::TimeDelta::hours(1)}), 422),
        (json!({"eventId": "00000000-0000-7000-8000-000000000000"}), 409),
    ] {
        assert_eq!(act(&acme, &hook, "/replays", body.clone()).await.status, status, "{body}");
    }
}

#[tokio::test]
async fn a_paused_endpoint_gets_nothing_until_it_is_resumed() {
    let app = TestApp::start_with(SETTINGS).await;
    let acme = app.tenant("acme").await;
    let bolt = stocked(&acme, "BOLT", "100").await;
    let (paused, active) = (Receiver::start().await, Receiver::start().await);
    let hook = webhook(&acme, &paused.url(), json!(["order.placed"])).await;
    webhook(&acme, &active.url(), json!(["order.placed"])).await;
    assert_eq!(act(&acme, &hook, "/pause", json!({})).await.body["status"], "paused");
    let missed = order(&acme, &bolt).await;
    active.wait_for(1).await;
    assert!(paused.posted().is_empty());
    assert_eq!(act(&acme, &hook, "/test", json!({})).await.body["outcome"], "delivered");
    assert_eq!(act(&acme, &hook, "/resume", json!({})).await.body["status"], "active");
    assert_eq!(orders(&paused.wait_for(2).await)[1], missed);

    // Both secrets sign for a while after a rotation.
    let rotated = act(&acme, &hook, "/rotate", json!({"overlapHours": 1})).await.body;
    let (old, new) = (hook["secret"].as_str().unwrap(), rotated["secret"].as_str().unwrap());
    let message = first_about(&paused, &order(&acme, &bolt).await).await;
    assert!(message.is_signed_with(old) && message.is_signed_with(new));
    // Without an overlap, the next event has the next secret, however shortly before one was sent.
    let mut former = new.to_owned();
    for _ in 0..15 {
        let rotated = act(&acme, &hook, "/rotate", json!({"overlapHours": 0})).await.body;
        let message = first_about(&paused, &order(&acme, &bolt).await).await;
        assert!(!message.is_signed_with(old) && !message.is_signed_with(&former));
        rotated["secret"].as_str().unwrap().clone_into(&mut former);
        assert!(message.is_signed_with(&former));
    }
    assert_eq!(acme.delete(&path(&hook, "")).await.status, 204);
    let log = acme.get("/api/v1/auth-events?limit=20").await.body;
    let actions: Vec<&str> =
        log["data"].as_array().unwrap().iter().map(|row| row["action"].as_str().unwrap()).collect();
    for action in
        ["webhook.created", "webhook.paused", "webhook.resumed", "webhook.rotated", "webhook.deleted"]
    {
        assert!(actions.contains(&action), "{actions:?}");
    }
}

#[tokio::test]
async fn a_slow_or_busy_endpoint_delays_no_other() {
    let app = TestApp::start_with(SETTINGS).await;
    let (acme, zenith) = (app.tenant("acme").await, app.tenant("zenith").await);
    let (bolt, nut) = (stocked(&acme, "BOLT", "100").await, stocked(&zenith, "NUT", "100").await);
    let mut slow = Vec::new();
    for _ in 0..6 {
        let receiver = Receiver::start().await;
        receiver.answer(Answer { wait: Duration::from_secs(60), ..Answer::status(200) });
        webhook(&acme, &receiver.url(), json!(["order.placed"])).await;
        slow.push(receiver);
    }
    let quick = Receiver::start().await;
    webhook(&zenith, &quick.url(), json!(["order.placed"])).await;
    order(&acme, &bolt).await;
    slow[0].wait_for(1).await;
    let asked = std::time::Instant::now();
    let theirs = order(&zenith, &nut).await;
    assert_eq!(orders(&quick.wait_for(1).await), [theirs]);
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
}

#[tokio::test]
async fn no_request_reaches_a_local_network() {
    let app = TestApp::start_with("[jobs]\nin_server = true\n").await;
    let acme = app.tenant("acme").await;
    let receiver = Receiver::start().await;
    for url in [
        receiver.url(),
        receiver.url().replace("http", "https"),
        format!("https://localhost:{}/", receiver.port),
        format!("https://[::ffff:127.0.0.1]:{}/", receiver.port),
        "https://169.254.169.254/latest/meta-data".to_owned(),
        "https://user:secret@example.com/".to_owned(),
        "ftp://example.com/".to_owned(),
        "nonsense".to_owned(),
    ] {
        let refused = acme.post("/api/v1/webhooks", &json!({"url": url})).await;
        let pointer = &refused.body["errors"][0]["pointer"];
        assert_eq!((refused.status, pointer), (422, &json!("/url")), "{url}: {refused:?}");
    }
    // A name that leads to this machine, and an address from a time when it was allowed.
    let hook = webhook(&acme, "https://hooks.example.com/", json!([])).await;
    for url in [receiver.url(), format!("https://localtest.localhost:{}/", receiver.port)] {
        let stored = "UPDATE shared.webhook_endpoints SET url = $1";
        app.database.as_owner().await.execute(stored, &[&url]).await.unwrap();
        let tried = act(&acme, &hook, "/test", json!({})).await;
        assert_eq!((tried.status, &tried.body["outcome"]), (200, &json!("local_address")), "{tried:?}");
    }
    assert!(receiver.posted().is_empty());
}

#[tokio::test]
async fn endpoints_are_checked_and_limited() {
    let app = TestApp::start_with(SETTINGS).await;
    let acme = app.tenant("acme").await;
    let hook = webhook(&acme, "https://example.com/0", json!([])).await;
    let again = acme.post("/api/v1/webhooks", &json!({"url": "https://example.com/0"})).await;
    assert_eq!((again.status, again.code()), (409, "webhook_exists"), "{again:?}");
    for topics in [json!(["order"]), json!(["*"]), json!(["orders.*"]), json!([""])] {
        let refused =
            acme.post("/api/v1/webhooks", &json!({"url": "https://example.com/1", "topics": topics})).await;
        assert_eq!(
            (refused.status, &refused.body["errors"][0]["pointer"]),
            (422, &json!("/topics")),
            "{refused:?}"
        );
    }
    let tag = acme.get(&path(&hook, "")).await.header("etag").to_owned();
    let changed = acme.patch(&path(&hook, ""), &json!({"description": "Books", "topics": ["sale.*"]})).await;
    assert_eq!(
        (&changed.body["description"], &changed.body["topics"]),
        (&json!("Books"), &json!(["sale.*"]))
    );
    let stale = acme.with("if-match", &tag).patch(&path(&hook, ""), &json!({"description": null})).await;
    assert_eq!(stale.status, 412, "{stale:?}");
    for n in 1..20 {
        webhook(&acme, &format!("https://example.com/{n}"), json!([])).await;
    }
    let many = acme.post("/api/v1/webhooks", &json!({"url": "https://example.com/20"})).await;
    assert_eq!((many.status, many.code()), (409, "too_many_webhooks"), "{many:?}");
    // Nobody sends events elsewhere that they may not see, also if somebody else has chosen them.
    let role = json!({"name": "Integrator", "permissions": ["webhooks.manage", "orders.read"]});
    assert_eq!(acme.put("/api/v1/roles/inventory/integrator", &role).await.status, 201);
    let manager = app.member_of(&acme.tenant, "integrator").await;
    let refused = manager
        .post("/api/v1/webhooks", &json!({"url": "https://example.com/x", "topics": ["sale.*"]}))
        .await;
    assert_eq!((refused.status, refused.code()), (403, "permission_denied"), "{refused:?}");
    let refused = manager.patch(&path(&hook, ""), &json!({"url": "https://example.com/x"})).await;
    assert_eq!((refused.status, refused.code()), (403, "permission_denied"), "{refused:?}");
    let moved = json!({"url": "https://example.com/x", "topics": ["order.*"]});
    assert_eq!(manager.patch(&path(&hook, ""), &moved).await.status, 200);
}

#[tokio::test]
async fn an_endpoint_that_is_too_far_behind_says_so() {
    let app = TestApp::start_with(SETTINGS).await;
    let acme = app.tenant("acme").await;
    let bolt = stocked(&acme, "BOLT", "100").await;
    // Events before the endpoint are kept longer than those after it.
    until("the stock has an event", async || {
        !acme.get("/api/v1/events/history").await.body["data"].as_array().unwrap().is_empty()
    })
    .await;
    let receiver = Receiver::start().await;
    let hook = webhook(&acme, &receiver.url(), json!(["order.placed"])).await;
    assert_eq!(act(&acme, &hook, "/pause", json!({})).await.status, 200);
    let placed = [order(&acme, &bolt).await, order(&acme, &bolt).await];
    until("both events have their positions", async || {
        let history = acme.get("/api/v1/events/history?topics=order.placed").await.body;
        history["data"].as_array().unwrap().len() == 2
    })
    .await;
    const PRUNE: &str = "
        DELETE FROM shared.events WHERE position = (SELECT last_position + 1 FROM shared.webhook_endpoints)";
    let owner = app.database.as_owner().await;
    assert_eq!(owner.execute(PRUNE, &[]).await.unwrap(), 1);
    // As if it had been active all the time.
    owner
        .execute("UPDATE shared.webhook_endpoints SET status = 'active', version = version + 1", &[])
        .await
        .unwrap();
    becomes(&acme, &hook, "status", json!("failed")).await;
    assert!(receiver.posted().is_empty());
    let resumed = act(&acme, &hook, "/resume", json!({"from": "oldest"})).await;
    assert_eq!(resumed.body["status"], "active", "{resumed:?}");
    let posted = orders(&receiver.wait_for(1).await);
    assert!(placed.contains(posted.last().unwrap()), "{posted:?}");
}

#[tokio::test]
async fn events_that_are_sent_again_hold_nothing_up_and_are_given_up() {
    let app = TestApp::start_with(SETTINGS).await;
    let acme = app.tenant("acme").await;
    let bolt = stocked(&acme, "BOLT", "100").await;
    let receiver = Receiver::start().await;
    let hook = webhook(&acme, &receiver.url(), json!(["order.placed"])).await;
    let first = order(&acme, &bolt).await;
    let id = receiver.wait_for(1).await[0].header("webhook-id").to_owned();
    becomes(&acme, &hook, "waiting", json!(0)).await;
    receiver.answer(Answer::status(400));
    assert_eq!(act(&acme, &hook, "/replays", json!({"eventId": id})).await.status, 202);
    receiver.wait_for(2).await;
    let refused = |count: usize| {
        let deliveries = path(&hook, "/deliveries?outcome=refused");
        let acme = &acme;
        async move { acme.get(&deliveries).await.body["data"].as_array().unwrap().len() == count }
    };
    until("one attempt", || refused(1)).await;
    // A new event does not wait for it.
    receiver.answer(Answer::status(200));
    let second = order(&acme, &bolt).await;
    assert_eq!(orders(&receiver.wait_for(3).await)[2], second);
    receiver.answer(Answer::status(400));
    for attempt in 2..=5 {
        hurry(&app).await;
        until("another attempt", || refused(attempt)).await;
    }
    becomes(&acme, &hook, "replaying", json!(0)).await;
    let view = shown(&acme, &hook).await;
    assert_eq!((&view["status"], &view["attempts"]), (&json!("active"), &json!(0)), "{view}");
    receiver.answer(Answer { wait: Duration::from_secs(30), ..Answer::status(200) });
    assert_eq!(act(&acme, &hook, "/replays", json!({"eventId": id})).await.status, 202);
    let stopped = acme.delete(&path(&hook, "/replays")).await;
    assert_eq!((stopped.status, &stopped.body["replaying"]), (200, &json!(0)), "{stopped:?}");
    assert!(orders(&receiver.posted()).contains(&first));
}
