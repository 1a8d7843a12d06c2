//! Accounts that belong to a business: of people without an email, such as cashiers.

use harness::{Client, PASSWORD, TestApp};
use serde_json::{Value, json};

async fn sign_in(client: &Client<'_>, login: Value) -> harness::Reply {
    client.post("/api/v1/auth/login", &login).await
}

fn path(membership: &Value) -> String {
    format!("/api/v1/memberships/{}", membership["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_business_makes_accounts_for_people_without_an_email() {
    let app = TestApp::start().await;
    let (acme, zenith) = (app.tenant("acme").await, app.tenant("zenith").await);
    let new = json!({"username": "Ana", "fullName": "Ana Souza", "app": "pos", "roles": ["cashier"]});
    let made = acme.post("/api/v1/users", &new).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(made.header("location"), format!("/api/v1/users/{}", made.body["id"].as_str().unwrap()));
    assert_eq!((&made.body["usernames"], made.header("cache-control")), (&json!(["ana"]), "no-store"));
    let first = made.body["password"].as_str().unwrap();
    // The generated password is only good for choosing another one.
    let login = json!({"username": "ana", "password": first, "app": "pos"});
    assert_eq!(sign_in(&acme, login.clone()).await.code(), "password_change_required");
    let own = "kijani mlima nyota saba";
    let mut with_own = login.clone();
    with_own["newPassword"] = json!(own);
    let signed_in = sign_in(&acme, with_own).await;
    assert_eq!(signed_in.status, 200, "{signed_in:?}");
    let till = acme.with_token(signed_in.body["accessToken"].as_str());
    // The name is of use at this business alone, and another business may use it, too.
    let elsewhere = json!({"username": "ana", "password": own, "app": "pos"});
    assert_eq!(sign_in(&zenith, elsewhere.clone()).await.code(), "invalid_credentials");
    assert_eq!(zenith.post("/api/v1/users", &new).await.status, 201);
    assert_eq!(acme.post("/api/v1/users", &new).await.code(), "username_taken");
    for (change, code) in [
        (json!({"username": "a b"}), "invalid_value"),
        (json!({"username": "bea", "roles": []}), "missing_field"),
        (json!({"username": "bea", "roles": ["OWNER"]}), "unknown_role"),
        (json!({"username": "bea", "app": "platform"}), "unknown_app"),
        (json!({"username": "bea", "password": "short"}), "weak_password"),
        (json!({"username": "bea", "email": "b@e.test"}), "unknown_field"),
    ] {
        let mut body = new.clone();
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        assert_eq!(acme.post("/api/v1/users", &body).await.code(), code, "{change}");
    }

    // The business sets the password of its own account, which ends the sessions.
    let reset = format!("/api/v1/users/{}/reset-password", made.body["id"].as_str().unwrap());
    assert_eq!(zenith.post(&reset, &json!({})).await.status, 404);
    let chosen = acme.post(&reset, &json!({"password": "nyota saba mlima kijani"})).await;
    assert_eq!((chosen.status, &chosen.body["password"]), (200, &Value::Null));
    harness::until("session_ended", async || till.get("/api/v1/auth/me").await.code() == "session_ended")
        .await;
    let login = json!({"username": "ana", "password": "nyota saba mlima kijani", "app": "pos"});
    assert_eq!(sign_in(&acme, login.clone()).await.status, 200);
    // It sets no password of people who have an account of their own.
    app.member_with("bo@acme.test", &acme.tenant, &["STAFF"]).await;
    let bo = acme.membership("bo@", "inventory").await;
    let of_bo = format!("/api/v1/users/{}/reset-password", bo["userId"].as_str().unwrap());
    let refused = acme.post(&of_bo, &json!({})).await;
    assert_eq!((refused.status, refused.code()), (403, "not_own_account"));
    // Their own password, people change with the present one.
    let boss = json!({"username": "boss", "password": PASSWORD, "roles": ["OWNER"]});
    let boss_id = acme.post("/api/v1/users", &boss).await.body["id"].clone();
    let session = sign_in(&acme, json!({"username": "boss", "password": PASSWORD})).await.body;
    let boss = acme.with_token(session["accessToken"].as_str());
    let own = format!("/api/v1/users/{}/reset-password", boss_id.as_str().unwrap());
    assert_eq!(boss.post(&own, &json!({"password": "stolen token words here"})).await.code(), "own_password");
    // A password is not made of the names of the person.
    for password in ["Ana Souza Ana Souza", "ana ana ana ana ana"] {
        assert_eq!(
            acme.post(&reset, &json!({"password": password})).await.code(),
            "weak_password",
            "{password}"
        );
    }
    // An id is no username: commands find people by either.
    let id = json!({"username": uuid::Uuid::now_v7(), "app": "pos", "roles": ["cashier"]});
    assert_eq!(acme.post("/api/v1/users", &id).await.code(), "invalid_value");
    // Roles that are named often are stored, and logged, once.
    let many = json!({"username": "cleo", "app": "pos", "roles": vec!["cashier"; 5000]});
    assert_eq!(acme.post("/api/v1/users", &many).await.body["memberships"][0]["roles"], json!(["cashier"]));
    let log = acme.get("/api/v1/auth-events?action=member.added&limit=1").await.body["data"][0].clone();
    assert_eq!(log["details"], json!({"roles": ["cashier"]}));
    let cleo = acme.membership("cleo", "pos").await;
    const DISABLE: &str = "UPDATE shared.users SET status = 'disabled' WHERE id = $1";
    let owner = app.database.as_owner().await;
    owner.execute(DISABLE, &[&harness::uuid(&cleo["userId"])]).await.unwrap();
    let of_cleo = format!("/api/v1/users/{}/reset-password", cleo["userId"].as_str().unwrap());
    assert_eq!(acme.post(&of_cleo, &json!({})).await.code(), "user_disabled");
    // An account that somebody with less made an owner is out of reach, too.
    let lead = json!({"name": "Lead", "permissions": ["team.manage"]});
    assert_eq!(acme.put("/api/v1/roles/inventory/lead", &lead).await.status, 201);
    app.member_with("lea@acme.test", &acme.tenant, &["lead"]).await;
    let lea = app.signed_in(acme.tenant.clone(), "lea@acme.test").await;
    assert_eq!(lea.post(&reset, &json!({})).await.code(), "above_own_permissions");

    // Another membership is added and taken away; the last one frees the name.
    let id = made.body["id"].as_str().unwrap();
    let more = json!({"app": "inventory", "roles": ["STAFF"]});
    let added = acme.post(&format!("/api/v1/users/{id}/memberships"), &more).await;
    assert_eq!(added.status, 201, "{added:?}");
    assert_eq!(acme.delete(added.header("location")).await.status, 204);
    assert_eq!(sign_in(&acme, login.clone()).await.status, 200);
    let till = acme.membership("ana", "pos").await;
    assert_eq!(acme.delete(&path(&till)).await.status, 204);
    assert_eq!(sign_in(&acme, login).await.code(), "invalid_credentials");
    assert_eq!(acme.post("/api/v1/users", &new).await.status, 201);
}
