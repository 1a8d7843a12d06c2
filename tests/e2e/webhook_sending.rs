//! The sender of webhooks under way: no event is left behind when it comes at a bad moment, or when the
//! process is killed.

use std::time::Duration;

use harness::receiver::{Answer, Receiver};
use harness::{Program, TestApp, until};
use serde_json::{Value, json};

use crate::orders::stocked;
use crate::webhooks::{SETTINGS, order, orders, webhook};

/// While the sender looks at all lanes, it leaves out those under way. One whose turn ends meanwhile must not
/// wait for the next look, which may be a minute away.
#[tokio::test]
async fn a_lane_whose_turn_ends_during_a_look_is_served_again() {
    let app = TestApp::start_with(SETTINGS).await;
    let (acme, zenith) = (app.tenant("acme").await, app.tenant("zenith").await);
    let bolt = stocked(&acme, "BOLT", "10").await;
    let receiver = Receiver::start().await;
    webhook(&acme, &receiver.url(), json!(["order.placed"])).await;
    webhook(&zenith, &receiver.url(), json!(["order.placed"])).await;
    receiver.answer(Answer { wait: Duration::from_secs(1), ..Answer::status(500) });
    order(&acme, &bolt).await;
    receiver.wait_for(1).await;
    // A look begins, and has to wait.
    let (holder, owner) = (app.database.as_owner().await, app.database.as_owner().await);
    let lock = "BEGIN; LOCK TABLE shared.event_positions IN ACCESS EXCLUSIVE MODE";
    holder.batch_execute(lock).await.unwrap();
    const PROMPT: &str = "UPDATE shared.webhook_endpoints SET version = version + 1 WHERE tenant_id = $1";
    owner.execute(PROMPT, &[&zenith.tenant.id]).await.unwrap();
    // The relay of events waits, too.
    app.database.until_two_locks_are_awaited().await;
    // Meanwhile, the attempt fails, and the next one is due before the look goes on.
    until("the attempt fails", async || {
        const FAILED: &str = "SELECT FROM shared.webhook_endpoints WHERE attempts = 1";
        !owner.query(FAILED, &[]).await.unwrap().is_empty()
    })
    .await;
    receiver.answer(Answer::status(200));
    owner.batch_execute("UPDATE shared.webhook_endpoints SET due_at = now()").await.unwrap();
    holder.batch_execute("COMMIT").await.unwrap();
    let second = tokio::time::timeout(Duration::from_secs(5), receiver.wait_for(2)).await;
    let posted = second.expect("the lane waits for the next look");
    assert_eq!(posted[0].header("webhook-id"), posted[1].header("webhook-id"));
}

/// A process that sends is killed while it sends, again and again: nothing is lost, and what comes twice has
/// the same id.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn senders_that_are_killed_lose_nothing() {
    let app = TestApp::start_with("[webhooks]\nany_network = true\n").await;
    let acme = app.tenant("acme").await;
    let bolt = stocked(&acme, "BOLT", "1000").await;
    let receiver = Receiver::start().await;
    webhook(&acme, &receiver.url(), json!(["order.placed"])).await;
    receiver.answer(Answer { wait: Duration::from_millis(20), ..Answer::status(200) });
    let program = Program::beside(&app).with("TENANTRY__WEBHOOKS__ANY_NETWORK", "true");
    let mut placed = Vec::new();
    for _ in 0..4 {
        let worker = program.start(&["job", "run"]);
        for _ in 0..10 {
            placed.push(order(&acme, &bolt).await);
        }
        receiver.wait_for(placed.len() - 8).await;
        worker.signal("KILL");
        worker.ended();
    }
    let worker = program.start(&["job", "run"]);
    until("every event arrives", async || {
        let posted = orders(&receiver.posted());
        placed.iter().all(|order| posted.contains(order))
    })
    .await;
    worker.signal("KILL");
    worker.ended();
    let mut seen = Vec::new();
    for message in receiver.posted() {
        let sent = (message.body["data"]["orderId"].clone(), message.header("webhook-id").to_owned());
        if seen.last() != Some(&sent) {
            seen.push(sent);
        }
    }
    let first_seen: Vec<Value> = seen.into_iter().map(|(order, _)| order).collect();
    assert_eq!(first_seen, placed);
}
