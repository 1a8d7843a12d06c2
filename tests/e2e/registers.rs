//! Registers: the tills of a business.

use harness::till::Cashier;
use harness::{Business, TestApp, join_all};
use serde_json::{Value, json};

const REGISTERS: &str = "/api/v1/registers";

async fn create(business: &Business<'_>, name: &str, series: &str) -> Value {
    let created = business.post(REGISTERS, &json!({"name": name, "series": series})).await;
    assert_eq!(created.status, 201, "{created:?}");
    created.body
}

fn path_of(register: &Value) -> String {
    format!("{REGISTERS}/{}", register["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_register_sells_from_a_location_and_keeps_its_series() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let front = create(&acme, "Front till", "R1").await;
    let main = acme.get("/api/v1/locations").await.body["data"][0]["id"].clone();
    assert_eq!(
        (&front["series"], &front["locationId"], &front["archived"]),
        (&json!("R1"), &main, &json!(false)),
        "{front}"
    );
    let shop = acme.post("/api/v1/locations", &json!({"name": "Second shop"})).await.body["id"].clone();
    let back = json!({"name": "Back till", "series": "R2", "locationId": shop});
    let back = acme.post(REGISTERS, &back).await.body;
    for (body, pointer, code) in [
        (json!({"name": "FRONT  TILL", "series": "R3"}), "/name", "duplicate_name"),
        (json!({"name": "Third", "series": "R1"}), "/series", "duplicate_series"),
        (json!({"name": "Third", "series": "r3"}), "/series", "invalid_value"),
        (json!({"name": "Third", "series": "R3", "locationId": front["id"]}), "/locationId", "not_found"),
    ] {
        let refused = acme.post(REGISTERS, &body).await;
        let error = &refused.body["errors"][0];
        assert_eq!((&error["pointer"], &error["code"]), (&json!(pointer), &json!(code)), "{refused:?}");
    }
    // The series stays: a number names one register for good.
    assert_eq!(acme.patch(&path_of(&front), &json!({"series": "R9"})).await.status, 422);
    let renamed = acme.patch(&path_of(&front), &json!({"name": "Counter", "locationId": shop})).await;
    assert_eq!((renamed.status, &renamed.body["locationId"]), (200, &shop), "{renamed:?}");
    let stale = acme.with("if-match", "\"1\"").patch(&path_of(&front), &json!({"name": "Old"})).await;
    assert_eq!(stale.status, 412, "{stale:?}");
    // A location from which a register sells stays open.
    let close = json!({"archived": true});
    let location = format!("/api/v1/locations/{}", shop.as_str().unwrap());
    let refused = acme.patch(&location, &close).await;
    assert_eq!((refused.status, refused.code()), (409, "has_registers"), "{refused:?}");
    assert!(refused.body["detail"].as_str().unwrap().contains("Back till, Counter"), "{refused:?}");
    for register in [&front, &back] {
        assert_eq!(acme.patch(&path_of(register), &close).await.body["archived"], true);
    }
    assert_eq!(acme.patch(&location, &close).await.status, 200);
    // Neither its name nor its series is free after that, and it does not sell from a closed location.
    let again = acme.post(REGISTERS, &json!({"name": "New", "series": "R1"})).await;
    assert_eq!(again.body["errors"][0]["code"], "duplicate_series", "{again:?}");
    let restored = acme.patch(&path_of(&front), &json!({"archived": false})).await;
    assert_eq!(restored.body["errors"][0]["pointer"], "/locationId", "{restored:?}");
    let moved = acme.patch(&path_of(&front), &json!({"archived": false, "locationId": main})).await;
    assert_eq!(moved.status, 200, "{moved:?}");
    let names = async |query: &str| -> Vec<Value> {
        let rows = acme.get(&format!("{REGISTERS}{query}")).await.body["data"].clone();
        rows.as_array().unwrap().iter().map(|row| row["name"].clone()).collect()
    };
    assert_eq!(names("").await, ["Counter"]);
    assert_eq!(names("?archived=true").await, ["Counter", "Back till"]);
    let log = acme.get("/api/v1/audit").await.body;
    assert_eq!(log["data"][0]["action"], "register.changed", "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_series_goes_to_one_register_and_a_location_closes_or_gets_a_register() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let bodies: Vec<Value> = (0..6).map(|n| json!({"name": format!("Till {n}"), "series": "R1"})).collect();
    let replies = join_all(bodies.iter().map(|body| acme.post(REGISTERS, body)).collect()).await;
    assert_eq!(replies.iter().filter(|reply| reply.status == 201).count(), 1, "{replies:?}");
    for round in 0..10 {
        let shop = acme.post("/api/v1/locations", &json!({"name": format!("Shop {round}")})).await;
        let shop = shop.body["id"].clone();
        let location = format!("/api/v1/locations/{}", shop.as_str().unwrap());
        let register =
            json!({"name": format!("At {round}"), "series": format!("S{round}"), "locationId": shop});
        let archived = json!({"archived": true});
        let (opened, closed) =
            tokio::join!(acme.post(REGISTERS, &register), acme.patch(&location, &archived));
        let outcome = (opened.status, closed.status);
        assert!([(201, 409), (404, 200)].contains(&outcome), "{opened:?} {closed:?}");
    }
}

#[tokio::test]
async fn each_role_of_the_till_does_its_part() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let front = create(&acme, "Front till", "R1").await;
    for (role, may_read, may_manage) in
        [("cashier", true, false), ("supervisor", true, false), ("shop_admin", true, true)]
    {
        let member = Cashier::sign_in(&app, &acme, role).await;
        assert_eq!(member.get(REGISTERS).await.status == 200, may_read, "{role}");
        let new = json!({"name": format!("Till of {role}"), "series": "T1"});
        assert_eq!(member.post(REGISTERS, &new).await.status == 201, may_manage, "{role}");
        assert_eq!(member.get("/api/v1/orders").await.status, 403, "{role}");
    }
    for (role, may_read, may_manage) in [("MANAGER", true, false), ("STAFF", false, false)] {
        let member = app.member_of(&acme.tenant, role).await;
        assert_eq!(member.get(REGISTERS).await.status == 200, may_read, "{role}");
        let changed = member.patch(&path_of(&front), &json!({"name": role})).await;
        assert_eq!(changed.status == 200, may_manage, "{role}");
    }
}
