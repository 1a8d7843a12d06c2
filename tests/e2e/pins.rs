//! PINs: cashiers take turns at one till.

use std::time::{Duration, Instant};

use harness::browser::claims_of;
use harness::{Business, Client, PASSWORD, Reply, TestApp};
use serde_json::{Value, json};

/// A till of the business: the session of its manager, at a device.
async fn till<'a>(acme: &Business<'a>, email: &str) -> Client<'a> {
    let login = json!({"email": email, "password": PASSWORD, "app": "pos", "device": "Till 1"});
    let reply = acme.post("/api/v1/auth/login", &login).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    acme.with_token(reply.body["accessToken"].as_str())
}

/// A cashier with this PIN. Returns the id.
async fn cashier(app: &TestApp, acme: &Business<'_>, email: &str, pin: &str) -> String {
    app.member_of_app(email, "pos", Some(&acme.tenant), &["cashier"]).await;
    let login = json!({"email": email, "password": PASSWORD, "app": "pos"});
    let reply = acme.post("/api/v1/auth/login", &login).await;
    let own = acme.with_token(reply.body["accessToken"].as_str());
    let set = own.put("/api/v1/auth/pin", &json!({"currentPassword": PASSWORD, "pin": pin})).await;
    assert_eq!(set.status, 204, "{set:?}");
    reply.body["user"]["id"].as_str().unwrap().to_owned()
}

async fn enter(till: &Client<'_>, user: &str, pin: &str) -> Reply {
    till.post("/api/v1/auth/pin/sign-in", &json!({"userId": user, "pin": pin})).await
}

#[tokio::test]
async fn cashiers_take_turns_at_a_till() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    app.member_of_app("owner@acme.test", "pos", Some(&acme.tenant), &["shop_admin"]).await;
    let (ann, bea) = (
        cashier(&app, &acme, "ann@acme.test", "4071").await,
        cashier(&app, &acme, "bea@acme.test", "8802").await,
    );
    let till = till(&acme, "owner@acme.test").await;
    let listed = till.get("/api/v1/auth/pin/members").await.body;
    let ids: Vec<&Value> =
        listed["data"].as_array().unwrap().iter().map(|holder| &holder["userId"]).collect();
    assert!(ids.contains(&&json!(ann)) && ids.contains(&&json!(bea)), "{listed}");
    let signed_in = enter(&till, &ann, "4071").await;
    assert_eq!(signed_in.status, 200, "{signed_in:?}");
    assert_eq!(signed_in.body["membership"]["roles"], json!(["cashier"]));
    let claims = claims_of(signed_in.body["accessToken"].as_str().unwrap());
    assert_eq!((&claims["sub"], &claims["amr"]), (&json!(ann), &json!(["pin"])));
    let at_till = acme.with_token(signed_in.body["accessToken"].as_str());
    assert_eq!(at_till.get("/api/v1/products").await.status, 200);
    // It is no way into the account, nor to the next till.
    let change = json!({"currentPassword": PASSWORD, "pin": "9174"});
    for reply in [
        at_till.put("/api/v1/auth/pin", &change).await,
        at_till.get("/api/v1/auth/profile").await,
        at_till.get("/api/v1/auth/export").await,
        at_till.delete("/api/v1/auth/sessions").await,
        at_till.post("/api/v1/auth/step-up", &json!({"currentPassword": PASSWORD})).await,
        enter(&at_till, &bea, "8802").await,
    ] {
        assert_eq!((reply.status, reply.code()), (403, "pin_session"), "{reply:?}");
    }
    // Whoever sets it twice at once has one of them.
    let login = json!({"email": "ann@acme.test", "password": PASSWORD, "app": "pos"});
    let own = acme.post("/api/v1/auth/login", &login).await;
    let own = &acme.with_token(own.body["accessToken"].as_str());
    let set = json!({"currentPassword": PASSWORD, "pin": "4071"});
    let all = harness::join_all((0..6).map(|_| own.put("/api/v1/auth/pin", &set)).collect()).await;
    assert!(all.iter().all(|reply| reply.status == 204), "{all:?}");
    assert_eq!(
        at_till.until(401).await.status,
        401,
        "another PIN ends the session that began with the former one"
    );
    let signed_in = enter(&till, &ann, "4071").await;
    let at_till = acme.with_token(signed_in.body["accessToken"].as_str());
    // A refresh keeps what it is.
    let refresh = json!({"refreshToken": signed_in.body["refreshToken"]});
    let refreshed = acme.post("/api/v1/auth/refresh", &refresh).await;
    let claims = claims_of(refreshed.body["accessToken"].as_str().unwrap());
    assert_eq!(claims["amr"], json!(["pin"]), "{refreshed:?}");
    assert_eq!(
        acme.with_token(refreshed.body["accessToken"].as_str()).get("/api/v1/auth/profile").await.code(),
        "pin_session"
    );
    // The next one takes over.
    let next = enter(&till, &bea, "8802").await;
    assert_eq!(next.status, 200, "{next:?}");
    let began = Instant::now();
    while at_till.get("/api/v1/products").await.status != 401 {
        assert!(began.elapsed() < Duration::from_secs(1), "whoever was there before has left");
    }
    // What ends the till ends its cashier.
    let at_till = acme.with_token(next.body["accessToken"].as_str());
    assert_eq!(at_till.get("/api/v1/products").await.status, 200);
    assert_eq!(till.post("/api/v1/auth/logout", &json!({})).await.status, 204);
    assert_eq!(at_till.until(401).await.status, 401);
    let refresh = json!({"refreshToken": next.body["refreshToken"]});
    assert_eq!(acme.post("/api/v1/auth/refresh", &refresh).await.status, 401);
    assert_eq!(enter(&till, &bea, "8802").await.status, 401);
}

#[tokio::test]
async fn a_pin_is_useless_without_a_till_and_cannot_be_guessed() {
    let app = TestApp::start().await;
    let (acme, zenith) = (app.tenant("acme").await, app.tenant("zenith").await);
    for business in [&acme, &zenith] {
        let owner = format!("owner@{}.test", business.tenant.slug);
        app.member_of_app(&owner, "pos", Some(&business.tenant), &["shop_admin"]).await;
    }
    let ann = cashier(&app, &acme, "ann@acme.test", "4071").await;
    for (pin, code) in [("0000", 422), ("1234", 422), ("40", 422), ("40712a", 422)] {
        let set = acme.put("/api/v1/auth/pin", &json!({"currentPassword": PASSWORD, "pin": pin})).await;
        assert_eq!((set.status, &set.body["errors"][0]["pointer"]), (code, &json!("/pin")), "{pin}: {set:?}");
    }
    let wrong = acme.put("/api/v1/auth/pin", &json!({"currentPassword": "x", "pin": "9174"})).await;
    assert_eq!((wrong.status, wrong.code()), (422, "wrong_password"));
    // Neither as a password, nor from a session that is no till, nor from a till of another business.
    let login = json!({"email": "ann@acme.test", "password": "4071", "app": "pos"});
    assert_eq!(acme.post("/api/v1/auth/login", &login).await.status, 401);
    assert_eq!(enter(&acme, &ann, "4071").await.code(), "no_till");
    let nameless = json!({"email": "owner@acme.test", "password": PASSWORD, "app": "pos"});
    let nameless = acme.post("/api/v1/auth/login", &nameless).await;
    let nameless = acme.with_token(nameless.body["accessToken"].as_str());
    assert_eq!(enter(&nameless, &ann, "4071").await.code(), "no_till");
    let other = till(&zenith, "owner@zenith.test").await;
    assert_eq!(enter(&other, &ann, "4071").await.code(), "pin_wrong");
    // Somebody who has a till guesses a few times an hour.
    let till = till(&acme, "owner@acme.test").await;
    let stranger = "01990000-0000-7000-8000-000000000000";
    assert_eq!(enter(&till, stranger, "4071").await.code(), "pin_wrong");
    let mut statuses = Vec::new();
    for guess in 0..12 {
        statuses.push(enter(&till, &ann, &format!("{:04}", 5000 + guess)).await.status);
    }
    assert!(statuses[..4].iter().all(|status| *status == 401), "{statuses:?}");
    assert!(statuses[6..].contains(&429), "{statuses:?}");
    let waiting = enter(&till, &ann, "4071").await;
    assert_eq!((waiting.status, waiting.code()), (429, "too_many_attempts"), "the right one waits, too");
    // The password is not affected, and no table holds the PIN.
    let login = json!({"email": "ann@acme.test", "password": PASSWORD, "app": "pos"});
    let own = acme.post("/api/v1/auth/login", &login).await;
    assert_eq!(own.status, 200, "{own:?}");
    let owner = app.database.as_owner().await;
    let row = owner.query_one("SELECT hash FROM shared.pins", &[]).await.unwrap();
    assert!(row.get::<_, String>(0).starts_with("$2b$"));
    // A member who removes it, or leaves, has none.
    let own = acme.with_token(own.body["accessToken"].as_str());
    assert_eq!(own.delete("/api/v1/auth/pin").await.status, 204);
    assert_eq!(own.delete("/api/v1/auth/pin").await.status, 404);
    owner.execute("DELETE FROM shared.sign_in_attempts", &[]).await.unwrap();
    assert_eq!(enter(&till, &ann, "4071").await.code(), "pin_wrong");
}
