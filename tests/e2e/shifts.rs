//! Shifts: opened with a float, counted blind, and closed with a Z report that never changes.

use std::collections::BTreeSet;

use harness::till::{Cashier, open_shift, register};
use harness::{Client, EVENTS, Reply, TestApp, join_all};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use till::overdue;

fn path_of(shift: &Value, step: &str) -> String {
    format!("shifts/{}{step}", shift["id"].as_str().unwrap())
}

async fn read(client: &Client<'_>, shift: &Value, step: &str) -> Reply {
    client.get(&format!("/api/v1/{}", path_of(shift, step))).await
}

async fn move_cash(client: &Client<'_>, shift: &Value, amount: &str) -> Reply {
    let body = json!({"amount": amount, "reason": "change from the bank"});
    client.submit(&path_of(shift, "/cash-movements"), &body).await
}

/// Counts the cash of a shift.
async fn count(client: &Client<'_>, shift: &Value, cash: &str) -> Reply {
    finish(client, shift, json!({"counts": [{"method": "cash", "amount": cash}]})).await
}

async fn explain(client: &Client<'_>, shift: &Value, reason: &str) -> Reply {
    finish(client, shift, json!({"reason": reason})).await
}

async fn finish(client: &Client<'_>, shift: &Value, body: Value) -> Reply {
    client.submit(&path_of(shift, "/close"), &body).await
}

#[track_caller]
pub fn refused(reply: &Reply, status: u16, code: &str) {
    assert_eq!((reply.status, reply.code()), (status, code), "{reply:?}");
}

#[track_caller]
pub fn refused_at(reply: &Reply, pointer: &str, code: &str) {
    let error = &reply.body["errors"][0];
    assert_eq!((&error["pointer"], &error["code"]), (&json!(pointer), &json!(code)), "{reply:?}");
}

#[tokio::test]
async fn a_shift_is_closed_to_the_cent() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let till = register(&acme, "R1").await;
    let ann = Cashier::sign_in(&app, &acme, "cashier").await;
    let shift = open_shift(&ann, &till, "150").await;
    assert_eq!(
        (&shift["status"], &shift["openingFloat"], &shift["openedBy"], &shift["overdue"], &shift["needs"]),
        (&json!("open"), &json!("150.00"), &ann.user, &json!(false), &json!([])),
        "{shift}"
    );
    assert_eq!(move_cash(&ann, &shift, "20").await.body["amount"], "20.00");
    assert_eq!(move_cash(&ann, &shift, "-50.5").await.body["amount"], "-50.50");
    refused_at(&move_cash(&ann, &shift, "0").await, "/amount", "zero_amount");
    refused_at(&move_cash(&ann, &shift, "0.001").await, "/amount", "too_many_decimals");
    let x = read(&acme, &shift, "/report").await.body;
    assert_eq!(
        (&x["number"], &x["cashIn"], &x["cashOut"], &x["methods"][0]["expected"], &x["series"]),
        (&Value::Null, &json!("20.00"), &json!("50.50"), &json!("119.50"), &json!("R1")),
        "{x}"
    );
    let pieces = json!({"counts": [
        {"method": "card", "amount": "0"},
        {"method": "cash", "denominations": [{"value": "50", "count": 2}, {"value": "0.5", "count": 39}]},
    ]});
    let closed = finish(&ann, &shift, pieces).await;
    assert_eq!(
        (closed.status, &closed.body["status"], &closed.body["difference"], &closed.body["zNumber"]),
        (200, &json!("closed"), &json!("0.00"), &json!(1)),
        "{closed:?}"
    );
    let z = read(&ann, &shift, "/report").await.body;
    assert_eq!(
        (&z["reference"], &z["closedBy"], &z["methods"][0]["counted"], &z["methods"][0]["denominations"]),
        (
            &json!("R1-Z-000001"),
            &ann.user,
            &json!("119.50"),
            &json!([{"value": "50.00", "count": 2}, {"value": "0.50", "count": 39}])
        ),
        "{z}"
    );
    assert_eq!(z["methods"][1]["method"], "card");
    refused(&move_cash(&ann, &shift, "1").await, 409, "wrong_status");
    refused(&count(&ann, &shift, "1").await, 409, "wrong_status");
    // The next shift at the register has the next number; that of another register begins with 1.
    let other = register(&acme, "R2").await;
    for (till, number) in [(&till, 2), (&other, 1), (&till, 3)] {
        let shift = open_shift(&ann, till, "0").await;
        assert_eq!(count(&ann, &shift, "0").await.body["zNumber"], number);
    }
    let moved = read(&ann, &shift, "/cash-movements?limit=1").await.body;
    assert_eq!(moved["data"][0]["amount"], "20.00", "{moved}");
    let next = format!("/cash-movements?cursor={}", moved["nextCursor"].as_str().unwrap());
    assert_eq!(read(&ann, &shift, &next).await.body["data"][0]["amount"], "-50.50");
    let numbers = async |query: &str| -> Vec<Value> {
        let rows = ann.get(&format!("/api/v1/shifts{query}")).await.body["data"].clone();
        rows.as_array().unwrap().iter().map(|row| row["zNumber"].clone()).collect()
    };
    assert_eq!(numbers("").await, [3, 1, 2, 1]);
    assert_eq!(numbers(&format!("?registerId={}", other.as_str().unwrap())).await, [1]);
    assert_eq!(numbers("?status=open").await, Vec::<Value>::new());
    assert_eq!(numbers("?until=2020-01-01T00:00:00Z").await, Vec::<Value>::new());
    let log = acme.get(&format!("/api/v1/audit?subjectId={}", shift["id"].as_str().unwrap())).await.body;
    let actions: Vec<&str> =
        log["data"].as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(
        actions,
        ["shift.closed", "shift.counted", "shift.cash_moved", "shift.cash_moved", "shift.opened"]
    );
}

#[tokio::test]
async fn nobody_counts_again_after_seeing_the_difference() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let limit = json!({"shiftDifferenceLimit": "2"});
    assert_eq!(acme.patch("/api/v1/settings", &limit).await.body["shiftDifferenceLimit"], "2.00");
    let too_fine = acme.patch("/api/v1/settings", &json!({"shiftDifferenceLimit": "0.001"})).await;
    refused_at(&too_fine, "/shiftDifferenceLimit", "too_many_decimals");
    let till = register(&acme, "R1").await;
    let ann = Cashier::sign_in(&app, &acme, "cashier").await;
    let supervisor = Cashier::sign_in(&app, &acme, "supervisor").await;
    supervisor.set_pin("4071").await;
    ann.set_pin("8802").await;

    // A small difference needs a reason.
    let shift = open_shift(&ann, &till, "100").await;
    refused(&read(&ann, &shift, "/report").await, 403, "permission_denied");
    assert_eq!(read(&supervisor, &shift, "/report").await.body["methods"][0]["expected"], "100.00");
    refused(&ann.ask(&supervisor.user, "4071", &shift).await, 409, "wrong_status");
    refused_at(&explain(&ann, &shift, "in advance").await, "/counts", "missing_field");
    // Whether an explanation would do is no answer to a count, for then the next one could be another guess.
    for cash in ["98", "100", "1"] {
        let both = json!({"counts": [{"method": "cash", "amount": cash}], "reason": "in advance"});
        refused_at(&finish(&ann, &shift, both).await, "/reason", "invalid_value");
    }
    let counted = count(&ann, &shift, "98").await;
    assert_eq!(
        (&counted.body["status"], &counted.body["needs"], &counted.body["difference"]),
        (&json!("counted"), &json!(["reason"]), &json!("-2.00")),
        "{counted:?}"
    );
    refused(&count(&ann, &shift, "100").await, 409, "counted_already");
    refused(&count(&supervisor, &shift, "100").await, 409, "counted_already");
    refused(&move_cash(&ann, &shift, "-2").await, 409, "wrong_status");
    refused(&read(&ann, &shift, "/report").await, 403, "permission_denied");
    let closed = explain(&ann, &shift, "wrong change").await;
    assert_eq!(
        (&closed.body["status"], &closed.body["differenceReason"], &closed.body["approvedBy"]),
        (&json!("closed"), &json!("wrong change"), &Value::Null),
        "{closed:?}"
    );

    // A large one needs an approval, too, of a supervisor who enters the PIN there.
    let shift = open_shift(&ann, &till, "100").await;
    let counted = count(&ann, &shift, "97.99").await;
    assert_eq!(counted.body["needs"], json!(["reason", "approval"]), "{counted:?}");
    refused(&ann.ask(&supervisor.user, "4071", &shift).await, 409, "wrong_status");
    let explained = explain(&ann, &shift, "lost").await;
    assert_eq!(
        (&explained.body["status"], &explained.body["needs"]),
        (&json!("counted"), &json!(["approval"]))
    );
    assert_eq!(explain(&ann, &shift, "another reason").await.body["differenceReason"], "lost");
    refused(&ann.ask(&supervisor.user, "9999", &shift).await, 401, "pin_wrong");
    refused(&ann.ask(&ann.user, "8802", &shift).await, 403, "permission_denied");
    let away = json!({"userId": supervisor.user, "pin": "4071"});
    let path = format!("/api/v1/{}", path_of(&shift, "/approval"));
    refused(&acme.post(&path, &away).await, 403, "no_till");
    let closed = ann.ask(&supervisor.user, "4071", &shift).await;
    assert_eq!(
        (closed.status, &closed.body["status"], &closed.body["approvedBy"], &closed.body["closedBy"]),
        (200, &json!("closed"), &supervisor.user, &ann.user),
        "{closed:?}"
    );
    refused(&ann.ask(&supervisor.user, "4071", &shift).await, 409, "wrong_status");
    let z = read(&ann, &shift, "/report").await.body;
    assert_eq!((&z["difference"], &z["approvedBy"]), (&json!("-2.01"), &supervisor.user), "{z}");

    // A surplus of one method does not make up for another. A program approves nothing.
    let shift = open_shift(&ann, &till, "100").await;
    let both = json!({
        "counts": [{"method": "cash", "amount": "96"}, {"method": "voucher", "amount": "4"}],
    });
    assert_eq!(finish(&ann, &shift, both).await.body["needs"], json!(["reason", "approval"]));
    let key = acme.api_key("Till", &["till.read", "till.sell", "till.approve"]).await;
    let program = acme.with_token(Some(&key));
    assert_eq!(explain(&program, &shift, "put in the wrong box").await.body["needs"], json!(["approval"]));
    let closed = finish(&supervisor, &shift, json!({})).await;
    assert_eq!(
        (&closed.body["status"], &closed.body["difference"], &closed.body["approvedBy"]),
        (&json!("closed"), &json!("0.00"), &supervisor.user),
        "{closed:?}"
    );
    // A cashier closes no shift of another.
    let bea = Cashier::sign_in(&app, &acme, "cashier").await;
    let shift = open_shift(&ann, &till, "100").await;
    refused(&count(&bea, &shift, "0").await, 403, "permission_denied");
    assert_eq!(count(&supervisor, &shift, "100").await.body["status"], "closed");
}

#[tokio::test]
async fn a_cashier_who_signed_in_with_a_pin_is_approved_at_the_same_device() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let till = register(&acme, "R1").await;
    let device = Cashier::sign_in(&app, &acme, "supervisor").await;
    device.set_pin("4071").await;
    let ann = Cashier::sign_in(&app, &acme, "cashier").await;
    ann.set_pin("8802").await;
    let sign_in = async || {
        let pin = json!({"userId": ann.user, "pin": "8802"});
        let taken = device.post("/api/v1/auth/pin/sign-in", &pin).await;
        Cashier { client: acme.with_token(taken.body["accessToken"].as_str()), user: ann.user.clone() }
    };
    let here = sign_in().await;
    let shift = open_shift(&here, &till, "10").await;
    assert_eq!(count(&here, &shift, "9").await.body["status"], "counted");
    assert_eq!(explain(&here, &shift, "lost").await.body["needs"], json!(["approval"]));
    for _ in 0..3 {
        refused(&here.ask(&device.user, "1357", &shift).await, 401, "pin_wrong");
    }
    let closed = here.ask(&device.user, "4071", &shift).await;
    assert_eq!((closed.status, &closed.body["approvedBy"]), (200, &device.user), "{closed:?}");
    // The cashier is still signed in. An approval does not give new tries, nor does another sign-in.
    assert_eq!(here.get("/api/v1/shifts").await.status, 200);
    let again = sign_in().await;
    for _ in 0..2 {
        refused(&again.ask(&device.user, "1357", &shift).await, 401, "pin_wrong");
    }
    refused(&again.ask(&device.user, "4071", &shift).await, 429, "too_many_attempts");
    // Five were wrong of one member, and at one device, whichever session was used there.
    let admin = app.database.as_admin().await;
    const COUNTED: &str = "SELECT count(*) FROM shared.sign_in_attempts WHERE failures > 4";
    let counted: i64 = admin.query_one(COUNTED, &[]).await.unwrap().get(0);
    assert_eq!(counted, 2);
}

#[tokio::test]
async fn wrong_counts_are_refused_and_nothing_is_stored() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let till = register(&acme, "R1").await;
    let shift = open_shift(&acme, &till, "10").await;
    let cash = json!({"method": "cash", "amount": "10"});
    for (counts, pointer, code) in [
        (json!(null), "/counts", "missing_field"),
        (json!([{"method": "card", "amount": "10"}]), "/counts", "missing_field"),
        (json!([cash, cash]), "/counts/1/method", "invalid_value"),
        (json!([{"method": "cash"}]), "/counts/0/amount", "missing_field"),
        (json!([{"method": "cash", "denominations": []}]), "/counts/0/amount", "missing_field"),
        (json!([{"method": "cash", "amount": "10.001"}]), "/counts/0/amount", "too_many_decimals"),
        (json!([{"method": "cash", "amount": "-1"}]), "/counts/0/amount", "out_of_range"),
        (
            json!([cash, {"method": "card", "denominations": [{"value": "1", "count": 1}]}]),
            "/counts/1/denominations",
            "out_of_range",
        ),
        (
            json!([{"method": "cash", "denominations": [{"value": "1", "count": 1_000_001}]}]),
            "/counts/0/denominations",
            "out_of_range",
        ),
        (
            json!([{"method": "cash", "denominations": [{"value": "9999999999", "count": 2}]}]),
            "/counts/0/denominations",
            "out_of_range",
        ),
    ] {
        refused_at(&finish(&acme, &shift, json!({"counts": counts})).await, pointer, code);
    }
    // Sums may be larger than any one amount.
    for _ in 0..2 {
        assert_eq!(move_cash(&acme, &shift, "9999999999").await.status, 201);
    }
    for counts in [json!([{"method": "cash", "amount": "-1"}]), json!([{"method": "gold", "amount": "1"}])] {
        assert_eq!(finish(&acme, &shift, json!({"counts": counts})).await.status, 422);
    }
    assert_eq!(read(&acme, &shift, "").await.body["status"], "open");
    // A register with a shift stays in use, and is found in the answer.
    let again = acme.submit("shifts", &json!({"registerId": till, "openingFloat": "1"})).await;
    refused(&again, 409, "shift_not_closed");
    assert_eq!(again.body["shiftId"], shift["id"]);
    let path = format!("/api/v1/registers/{}", till.as_str().unwrap());
    refused(&acme.patch(&path, &json!({"archived": true})).await, 409, "shift_not_closed");
    assert_eq!(count(&acme, &shift, "10").await.body["difference"], "-19999999998.00");
    assert_eq!(explain(&acme, &shift, "a slip").await.body["status"], "closed");
    assert_eq!(acme.patch(&path, &json!({"archived": true})).await.status, 200);
    let new = json!({"registerId": till, "openingFloat": "1"});
    refused_at(&acme.submit("shifts", &new).await, "/registerId", "not_found");
    let unkeyed = acme.post("/api/v1/shifts", &new).await;
    refused(&unkeyed, 400, "idempotency_key_required");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_register_has_one_shift_and_each_movement_is_in_its_report_or_refused() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let till = register(&acme, "R1").await;
    let mut numbers = BTreeSet::new();
    for _ in 0..6 {
        let new = json!({"registerId": till, "openingFloat": "100"});
        let opened = join_all((0..8).map(|_| acme.submit("shifts", &new)).collect()).await;
        let ours: Vec<&Reply> = opened.iter().filter(|reply| reply.status == 201).collect();
        assert_eq!(ours.len(), 1, "{opened:?}");
        assert!(opened.iter().all(|reply| reply.status == 201 || reply.code() == "shift_not_closed"));
        let shift = &ours[0].body;
        // Both closers may approve, so that the first one closes.
        let closing = async || {
            let why = "counted while others worked";
            vec![count(&acme, shift, "100").await, explain(&acme, shift, why).await]
        };
        let moving = async |amount: &'static str| {
            let mut replies = Vec::new();
            for _ in 0..3 {
                replies.push(move_cash(&acme, shift, amount).await);
            }
            replies
        };
        let (a, b, c, one, other) =
            tokio::join!(moving("7"), moving("-3"), moving("0.5"), closing(), closing());
        let mut moved = Decimal::ZERO;
        for reply in a.iter().chain(&b).chain(&c) {
            match reply.status {
                201 => moved += reply.body["amount"].as_str().unwrap().parse::<Decimal>().unwrap(),
                _ => refused(reply, 409, "wrong_status"),
            }
        }
        let counted = [&one[0], &other[0]].iter().filter(|reply| reply.status == 200).count();
        let closed = one.iter().chain(&other).filter(|reply| reply.body["status"] == "closed").count();
        assert_eq!((counted, closed), (1, 1), "{one:?} {other:?}");
        let z = read(&acme, shift, "/report").await.body;
        let expected: Decimal = z["methods"][0]["expected"].as_str().unwrap().parse().unwrap();
        assert_eq!(expected, Decimal::ONE_HUNDRED + moved, "{z}");
        numbers.insert(z["number"].as_i64().unwrap());
    }
    assert_eq!(numbers, (1..=6).collect());
}

#[tokio::test]
async fn a_repeated_request_opens_moves_and_closes_once() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let till = register(&acme, "R1").await;
    let id = json!("0198a8f0-0000-7000-8000-00000000000a");
    let open = json!({"id": id, "registerId": till, "openingFloat": "5"});
    let first = acme.submit("shifts", &open).await;
    let second = acme.submit("shifts", &open).await;
    assert_eq!((first.status, second.status, &second.body["id"]), (201, 201, &id), "{second:?}");
    assert_eq!(second.header("idempotent-replayed"), "true");
    let other = json!({"id": id, "registerId": till, "openingFloat": "6"});
    refused(&acme.submit("shifts", &other).await, 409, "id_taken");
    let shift = first.body;
    let movement = json!({"id": id, "amount": "5", "reason": "change"});
    let path = path_of(&shift, "/cash-movements");
    for _ in 0..3 {
        assert_eq!(acme.submit(&path, &movement).await.status, 201);
    }
    let key = acme.with("idempotency-key", "0198a8f0-0000-7000-8000-00000000000b");
    let body = json!({"counts": [{"method": "cash", "amount": "10"}]});
    let to = format!("/api/v1/{}", path_of(&shift, "/close"));
    let (first, second) = (key.post(&to, &body).await, key.post(&to, &body).await);
    assert_eq!((first.status, &first.body["status"]), (200, &json!("closed")), "{first:?}");
    assert_eq!((second.status, &second.body), (200, &first.body));
}

#[tokio::test]
async fn what_is_written_at_the_close_never_changes() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let till = register(&acme, "R1").await;
    let shift = open_shift(&acme, &till, "5").await;
    assert_eq!(move_cash(&acme, &shift, "1").await.status, 201);
    assert_eq!(count(&acme, &shift, "6").await.status, 200);
    let before = read(&acme, &shift, "/report").await.body;
    let path = format!("/api/v1/registers/{}", till.as_str().unwrap());
    assert_eq!(acme.patch(&path, &json!({"name": "Renamed"})).await.status, 200);
    assert_eq!(read(&acme, &shift, "/report").await.body, before);
    let database = app.database.pool(1);
    let scope = acme.tenant.scope();
    for sql in [
        "UPDATE z_reports SET number = 2",
        "DELETE FROM z_reports",
        "UPDATE shift_counts SET counted = 1",
        "DELETE FROM shift_counts",
        "UPDATE cash_movements SET amount = 2",
        "DELETE FROM cash_movements",
    ] {
        let refused = database.write(&scope, async |tx| tx.execute(sql, &[]).await).await;
        let state = refused.as_ref().err().and_then(tenancy::DbError::sqlstate);
        assert_eq!(state.map(|state| state.code()), Some("42501"), "{sql}: {refused:?}");
    }
}

#[tokio::test]
async fn a_shift_that_is_left_open_overnight_is_told_once() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (one, two) = (register(&acme, "R1").await, register(&acme, "R2").await);
    let (old, new) = (open_shift(&acme, &one, "5").await, open_shift(&acme, &two, "5").await);
    let admin = app.database.as_admin().await;
    let schema = acme.tenant.schema.as_str();
    let age = format!(
        "UPDATE {schema}.shifts SET opened_at = opened_at - interval '1 day' WHERE id = '{}'",
        old["id"].as_str().unwrap()
    );
    admin.batch_execute(&age).await.unwrap();
    let owner_database = app.database.owner_database();
    let tell = async || owner_database.write_tenant(&acme.tenant, async |tx| overdue::tell(tx).await).await;
    assert_eq!(tell().await.unwrap(), 1);
    assert_eq!(tell().await.unwrap(), 0);
    let told = admin
        .query(&format!("SELECT payload FROM {EVENTS} WHERE topic = 'shift.overdue'"), &[])
        .await
        .unwrap();
    let payload: Value = told[0].get(0);
    assert_eq!((told.len(), &payload["shiftId"], &payload["registerId"]), (1, &old["id"], &one));
    for (shift, is_overdue) in [(&old, true), (&new, false)] {
        assert_eq!(read(&acme, shift, "").await.body["overdue"], is_overdue);
    }
    // It still closes, and counts for the day on which it was opened.
    assert_eq!(count(&acme, &old, "5").await.body["status"], "closed");
    assert_eq!(read(&acme, &old, "").await.body["overdue"], false);
}
