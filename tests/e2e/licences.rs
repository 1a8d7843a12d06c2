//! Licences: until when a business may sell, how much it may have, and who is told.

use chrono::{DateTime, TimeDelta, Utc};
use harness::till::{open_shift, refund, register, sell_units};
use harness::{Business, Client, EVENTS, Mailbox, Program, TestApp, a_product, join_all};
use platform::licence_warning;
use serde_json::{Value, json};
use tenancy::failpoint::move_clock;

use crate::orders::{made, stocked};

const LICENCE: &str = "/api/v1/licence";
const REQUIRED: &str = "[licence]\nrequired = true\n";

async fn save_plan(staff: &Client<'_>, key: &str, plan: &Value) -> Value {
    let saved = staff.put(&format!("/api/v1/platform/plans/{key}"), plan).await;
    assert_eq!(saved.status, 200, "{saved:?}");
    saved.body
}

fn path_of(business: &Business<'_>) -> String {
    format!("/api/v1/platform/tenants/{}/licence", business.tenant.id)
}

/// Grants a licence, and waits until the business sees it.
async fn grant(staff: &Client<'_>, business: &Business<'_>, plan: &str, until: Option<DateTime<Utc>>) {
    let granted = staff.put(&path_of(business), &json!({"plan": plan, "validUntil": until})).await;
    assert_eq!(granted.status, 200, "{granted:?}");
    harness::until("the business sees its licence", async || {
        let seen = business.get(LICENCE).await.body;
        seen["plan"] == plan && seen["validUntil"] == granted.body["validUntil"]
    })
    .await;
}

fn one_of(variant: &Value) -> Value {
    json!({"lines": [{"variantId": variant, "quantity": "1"}]})
}

#[tokio::test]
async fn a_business_sells_until_its_licence_and_the_days_of_grace_have_ended() {
    let app = TestApp::start_with(REQUIRED).await;
    let (acme, other) = (app.tenant("acme").await, app.tenant("other").await);
    let staff = app.staff("super_admin").await;
    save_plan(&staff, "basic", &json!({"name": "Basic", "termDays": 30, "graceDays": 3})).await;
    let endless = acme.get(LICENCE).await.body;
    assert_eq!(
        (&endless["plan"], &endless["standing"], &endless["validUntil"], &endless["isRequired"]),
        (&json!("unlimited"), &json!("valid"), &Value::Null, &json!(true)),
        "{endless}"
    );
    let bolt = stocked(&acme, "BOLT", "20").await;
    let till = register(&acme, "R1").await;
    let shift = open_shift(&acme, &till, "0").await;
    let at_till = made(sell_units(&acme, &till, &bolt, "2").await);
    let sold = made(acme.submit("orders", &one_of(&bolt)).await);
    let reserve = json!({"fulfil": false, "lines": [{"variantId": bolt, "quantity": "3"}]});
    let open = made(acme.submit("orders", &reserve).await);
    let key = acme.with("idempotency-key", "0198a8f0-0000-7000-8000-000000000001");
    assert_eq!(key.post("/api/v1/orders", &one_of(&bolt)).await.status, 201);
    grant(&staff, &acme, "basic", Some(Utc::now() + TimeDelta::days(10))).await;

    move_clock(TimeDelta::days(11));
    assert_eq!(acme.get(LICENCE).await.body["standing"], "grace");
    made(acme.submit("orders", &one_of(&bolt)).await);

    move_clock(TimeDelta::days(3));
    assert_eq!(acme.get(LICENCE).await.body["standing"], "ended");
    let refused = acme.submit("orders", &one_of(&bolt)).await;
    assert_eq!((refused.status, refused.code()), (402, "licence_ended"), "{refused:?}");
    assert!(refused.body["validUntil"].is_string(), "{refused:?}");
    let (sold, open) = (sold["id"].as_str().unwrap(), open["id"].as_str().unwrap());
    let lines = |quantity: &str| json!({"lines": [{"variantId": bolt, "quantity": quantity}]});
    let order = format!("/api/v1/orders/{open}");
    assert_eq!(acme.patch(&order, &lines("4")).await.code(), "licence_ended");
    let dearer = json!({"lines": [{
        "variantId": bolt, "quantity": "3", "price": "5000.00", "priceReason": "more"}]});
    assert_eq!(acme.patch(&order, &dearer).await.code(), "licence_ended");
    let line = acme.get(&format!("/api/v1/orders/{sold}")).await.body["lines"][0]["id"].clone();
    let back = json!({"reason": "broken", "lines": [{"lineId": line, "quantity": "1"}]});
    let exchange = json!({"return": back, "order": one_of(&bolt)});
    assert_eq!(acme.submit(&format!("orders/{sold}/exchanges"), &exchange).await.code(), "licence_ended");
    // The till sells no article and no voucher. It refunds, and closes its shift.
    let gift = json!({"registerId": till, "payments": [
        {"method": "cash", "amount": "5"}, {"method": "voucher", "amount": "-5"},
    ]});
    for refused in [sell_units(&acme, &till, &bolt, "1").await, acme.submit("sales", &gift).await] {
        assert_eq!((refused.status, refused.code()), (402, "licence_ended"), "{refused:?}");
    }
    let into_voucher = json!({"payments": [{"method": "voucher"}], "amount": "1"});
    made(refund(&acme, &till, &at_till, into_voucher).await);
    let much =
        json!({"payments": [{"method": "voucher", "amount": "-5"}, {"method": "cash"}], "amount": "1"});
    assert_eq!(refund(&acme, &till, &at_till, much).await.code(), "licence_ended");
    made(refund(&acme, &till, &at_till, json!({})).await);
    let close = format!("shifts/{}/close", shift["id"].as_str().unwrap());
    let counts = json!({"counts": [{"method": "cash", "amount": "1"}]});
    assert_eq!(acme.submit(&close, &counts).await.body["status"], "closed");
    // Everything else goes on.
    assert_eq!(key.post("/api/v1/orders", &one_of(&bolt)).await.status, 201, "a repeated request");
    assert_eq!(acme.patch(&order, &lines("2")).await.status, 200);
    made(acme.submit(&format!("orders/{open}/fulfil"), &json!({})).await);
    made(acme.submit(&format!("orders/{sold}/returns"), &back).await);
    assert_eq!(acme.adjust(&bolt, "5").await.status, 201);
    acme.create_product(&a_product("NUT")).await;
    for path in ["products", "dashboard", "reports/sales?from=2026-01-01&to=2026-01-31"] {
        assert_eq!(acme.get(&format!("/api/v1/{path}")).await.status, 200, "{path}");
    }
    // Another business sells.
    let its = stocked(&other, "BOLT", "1").await;
    made(other.submit("orders", &one_of(&its)).await);

    // A renewal needs no reload.
    grant(&staff, &acme, "basic", Some(Utc::now() + TimeDelta::days(100))).await;
    made(acme.submit("orders", &one_of(&bolt)).await);
    let revoked = staff.delete(&path_of(&acme)).await;
    assert_eq!((revoked.status, &revoked.body["standing"]), (200, &json!("inactive")), "{revoked:?}");
    harness::until("the licence is revoked", async || acme.get(LICENCE).await.body["standing"] == "inactive")
        .await;
    let refused = acme.submit("orders", &one_of(&bolt)).await;
    assert_eq!((refused.status, refused.code()), (402, "licence_inactive"), "{refused:?}");
}

#[tokio::test]
async fn an_installation_that_requires_no_licence_lets_everybody_sell() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let staff = app.staff("super_admin").await;
    assert_eq!(staff.delete(&path_of(&acme)).await.status, 200);
    harness::until("the licence is revoked", async || acme.get(LICENCE).await.body["standing"] == "inactive")
        .await;
    assert_eq!(acme.get(LICENCE).await.body["isRequired"], false);
    let bolt = stocked(&acme, "BOLT", "2").await;
    made(acme.submit("orders", &one_of(&bolt)).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_limits_how_much_a_business_has_also_when_all_ask_at_once() {
    let (mailbox, app) = Mailbox::with_app().await;
    let acme = app.tenant("acme").await;
    let staff = app.staff("super_admin").await;
    let plan = json!({"name": "Small", "maxProducts": 3, "maxLocations": 2, "maxMembers": 2});
    save_plan(&staff, "small", &plan).await;
    grant(&staff, &acme, "small", None).await;
    let codes = async |tries: Vec<_>| -> Vec<String> {
        join_all(tries).await.iter().map(|reply: &harness::Reply| reply.code().to_owned()).collect()
    };
    let made_of = |codes: &[String]| codes.iter().filter(|code| code.is_empty()).count();
    let all_reached =
        |codes: &[String]| codes.iter().all(|code| ["", "plan_limit_reached"].contains(&&**code));
    let bodies: Vec<Value> = (0..8).map(|n| a_product(&format!("P{n}"))).collect();
    let told = codes(bodies.iter().map(|body| acme.post("/api/v1/products", body)).collect()).await;
    assert!(made_of(&told) == 3 && all_reached(&told), "{told:?}");
    let bodies: Vec<Value> = (0..8).map(|n| json!({"name": format!("Shop {n}")})).collect();
    let told = codes(bodies.iter().map(|body| acme.post("/api/v1/locations", body)).collect()).await;
    assert!(made_of(&told) == 1 && all_reached(&told), "the default location counts: {told:?}");
    let bodies: Vec<Value> =
        (0..8).map(|n| json!({"email": format!("m{n}@acme.test"), "roles": ["STAFF"]})).collect();
    let told = codes(bodies.iter().map(|body| acme.post("/api/v1/invitations", body)).collect()).await;
    assert!(made_of(&told) == 1 && all_reached(&told), "the owner counts: {told:?}");
    let invited = acme.get("/api/v1/invitations").await.body["data"][0].clone();
    let account = json!({"username": "bea", "password": harness::PASSWORD, "roles": ["STAFF"]});
    let refused = acme.post("/api/v1/users", &account).await;
    assert_eq!(refused.code(), "plan_limit_reached", "who is invited counts: {refused:?}");
    // A member may get another app. A person who accepts takes the place of the invitation.
    let token = harness::token_in(mailbox.read(&app).await.last().unwrap());
    let accept = json!({"token": token, "fullName": "Mo", "password": harness::PASSWORD});
    let accepted = app.stranger("acme.localhost").post("/api/v1/auth/invitations/accept", &accept).await;
    assert_eq!(accepted.status, 200, "{accepted:?}");
    let again = json!({"email": invited["email"], "app": "pos", "roles": ["cashier"]});
    assert_eq!(acme.post("/api/v1/invitations", &again).await.status, 201);
    // An archived one makes room, and does not come back into a full house.
    let products = acme.get("/api/v1/products").await.body;
    let of = |n: usize| format!("/api/v1/products/{}", products["data"][n]["id"].as_str().unwrap());
    assert_eq!(acme.patch(&of(0), &json!({"archived": true})).await.status, 200);
    acme.create_product(&a_product("NEW")).await;
    let back = acme.patch(&of(0), &json!({"archived": false})).await;
    assert_eq!((back.status, back.code(), &back.body["planLimit"]), (409, "plan_limit_reached", &json!(3)));
    // A larger plan helps at once, in every business that has it.
    save_plan(&staff, "small", &json!({"name": "Small", "maxProducts": 4})).await;
    harness::until("the limit is larger", async || {
        acme.get(LICENCE).await.body["limits"]["maxProducts"] == json!(4)
    })
    .await;
    assert_eq!(acme.patch(&of(0), &json!({"archived": false})).await.status, 200);
}

#[tokio::test]
async fn owners_are_warned_before_the_end_and_programs_are_told() {
    let mailbox = Mailbox::new();
    let app = TestApp::start_with(&format!("{}{REQUIRED}", mailbox.settings())).await;
    let acme = app.tenant("acme").await;
    app.member_of(&acme.tenant, "STAFF").await;
    let staff = app.staff("super_admin").await;
    save_plan(&staff, "basic", &json!({"name": "Basic", "termDays": 30, "graceDays": 3})).await;
    let warn = async || {
        licence_warning::warn(app.onboarding().owner_database()).await.unwrap();
        mailbox.read(&app).await
    };
    mailbox.read(&app).await;
    assert_eq!(warn().await, Vec::<String>::new(), "no end");
    grant(&staff, &acme, "basic", Some(Utc::now() + TimeDelta::days(40))).await;
    let mut days_left = Vec::new();
    for days in [0, 10, 1, 22, 0, 6, 1, 5] {
        move_clock(TimeDelta::days(days));
        let mails = warn().await;
        assert!(
            mails.len() < 2 && mails.iter().all(|mail| mail.contains("To: owner@acme.test")),
            "{mails:?}"
        );
        let sentence = |mail: &String| {
            let line = mail.lines().find(|line| line.starts_with("The licence of acme Ltd")).unwrap();
            line.split(", on").next().unwrap().split(" on ").next().unwrap().to_owned()
        };
        days_left.push(mails.iter().map(sentence).collect::<String>());
    }
    let ends = |days: &str| format!("The licence of acme Ltd ends in {days}");
    assert_eq!(
        days_left,
        ["", &ends("30 days"), "", &ends("7 days"), "", &ends("1 day"), "The licence of acme Ltd ended", ""]
    );
    // A licence that is shorter than a warning does not begin with it. A new end has its own warnings.
    grant(&staff, &acme, "basic", Some(Utc::now() + TimeDelta::days(45 + 14))).await;
    assert_eq!(warn().await.len(), 0);
    move_clock(TimeDelta::days(10));
    assert!(warn().await[0].contains("ends in 4 days"), "a late warning says what is left");
    let owner = app.database.as_owner().await;
    let told = format!(
        "SELECT topic || coalesce(' ' || (payload ->> 'daysLeft'), '') FROM {EVENTS}
          WHERE tenant_id = $1 AND topic LIKE 'licence.%' ORDER BY id"
    );
    let told = owner.query(&told, &[&acme.tenant.id]).await.unwrap();
    let told: Vec<String> = told.iter().map(|row| row.get(0)).collect();
    let expected = [
        "licence.changed",
        "licence.ending 30",
        "licence.ending 7",
        "licence.ending 1",
        "licence.ending 0",
        "licence.changed",
        "licence.ending 4",
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn operators_manage_plans_and_licences_with_the_command_line() {
    let app = TestApp::start().await;
    app.tenant("old").await;
    let program = Program::beside(&app);
    let run = |line: &str| {
        let arguments: Vec<&str> = line.split(' ').collect();
        let ran = program.run(&arguments);
        assert_eq!(ran.code, Some(0), "{line}: {ran:?}");
        ran.out
    };
    let code = |line: &str| program.run(&line.split(' ').collect::<Vec<_>>()).code;
    let json_of = |line: &str| serde_json::from_str::<Value>(&run(&format!("{line} -o json"))).unwrap();
    run("licence set-plan basic --name Basic --term-days 365 --grace-days 14 --max-members 5 --default");
    let plans = json_of("licence plans");
    assert_eq!(
        [&plans[0]["key"], &plans[0]["isDefault"], &plans[1]["key"], &plans[1]["isDefault"]],
        [&json!("basic"), &json!(true), &json!("unlimited"), &json!(false)]
    );
    // A new business gets the default plan, and a former one keeps what it has.
    run("tenant create fresh --name Fresh --owner-email ann@fresh.test");
    let fresh = json_of("licence show fresh");
    let days = |licence: &Value| {
        let end: DateTime<Utc> = licence["validUntil"].as_str().unwrap().parse().unwrap();
        (end - Utc::now() + TimeDelta::hours(1)).num_days()
    };
    assert_eq!((&fresh["plan"], days(&fresh), &fresh["maxMembers"]), (&json!("basic"), 365, &json!(5)));
    assert_eq!(json_of("licence show old")["validUntil"], Value::Null);
    // One more term begins at the end of the present one.
    assert_eq!(days(&json_of("licence grant fresh")), 730);
    let day = json_of("licence grant fresh --until 2090-01-31");
    assert_eq!(day["validUntil"], "2090-02-01T00:00:00Z");
    assert_eq!(json_of("licence grant old --plan basic")["plan"], "basic");
    assert_eq!(json_of("licence list --ending-within 400")[0]["slug"], "old");
    assert!(run("licence revoke old").contains("inactive"));
    assert_eq!(days(&json_of("licence grant old")), 365, "after a revocation, a term begins today");
    run("licence set-plan better --name Better --term-days 30");
    assert_eq!(days(&json_of("licence grant old --plan better")), 30, "another plan begins today");
    assert_eq!(json_of("licence grant old --plan unlimited --no-end")["validUntil"], Value::Null);
    let history = json_of("tenant history old --action licence.revoked");
    assert_eq!(history.as_array().unwrap().len(), 1, "{history}");
    // Every refusal says why.
    for (line, expected) in [
        ("licence grant fresh --until 2020-01-31", 1),
        ("licence grant fresh --plan none", 3),
        ("licence grant fresh --no-end", 0),
        ("licence grant fresh", 4),
        ("licence show nobody", 3),
        ("licence remove-plan none", 3),
        ("licence remove-plan basic", 4),
        ("licence set-plan basic --name Basic", 4),
        ("licence set-plan odd --name Odd --term-days 0", 2),
    ] {
        assert_eq!(code(line), Some(expected), "{line}");
    }
    run("licence set-plan unlimited --name Unlimited --default");
    assert_eq!(code("licence remove-plan basic"), Some(4), "fresh has it");
    run("licence grant fresh --plan unlimited --no-end");
    run("licence remove-plan basic");
}
