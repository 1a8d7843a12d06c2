//! Every route: its allowed callers, and its response to ids of another business.

use std::collections::BTreeMap;

use harness::browser::{Browser, authorize};
use harness::till::{reported_payment, set_till_number};
use harness::{Business, Client, Mailbox, TestApp, a_product};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Validation};
use serde_json::{Value, json};

use crate::route_table::{Anyone, Member, OpenId, SignedIn, Staff, table};

#[tokio::test]
async fn every_route_of_the_api_document_is_in_the_table_and_vice_versa() {
    let app = TestApp::start().await;
    let document = app.stranger("localhost").get("/openapi.json").await.body;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut documented = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            documented.push((method.to_uppercase(), path.clone()));
            assert!(operation["summary"].is_string(), "{method} {path} has no summary");
            assert!(operation["responses"]["500"].is_object(), "{method} {path} documents no problem");
        }
    }
    let mut tabled: Vec<(String, String)> =
        table().iter().map(|(method, path, ..)| ((*method).to_owned(), (*path).to_owned())).collect();
    documented.sort();
    tabled.sort();
    assert_eq!(documented, tabled);
    // The document is correct about the routes that need a token.
    for (method, path, who, _) in table() {
        let security = &document["paths"][path][method.to_lowercase()]["security"];
        assert_eq!(security == &json!([{}]), who == Anyone, "{method} {path}: {security}");
    }
    // Every schema that is referred to exists.
    let text = document.to_string();
    for reference in text.split("\"#/components/schemas/").skip(1).map(|rest| rest.split('"').next().unwrap())
    {
        assert!(document["components"]["schemas"].get(reference).is_some(), "{reference} is missing");
    }
}

/// The same token, but expired an hour ago.
fn expired(app: &TestApp, token: &str) -> String {
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.validate_aud = false;
    let jwk = jsonwebtoken::jwk::Jwk::from_encoding_key(
        &EncodingKey::from_ed_pem(app.key_pem().as_bytes()).unwrap(),
        Algorithm::EdDSA,
    );
    let decoded =
        jsonwebtoken::decode::<Value>(token, &DecodingKey::from_jwk(&jwk.unwrap()).unwrap(), &validation)
            .unwrap();
    let mut claims = decoded.claims;
    claims["exp"] = json!(claims["exp"].as_i64().unwrap() - 3600 - 600);
    jsonwebtoken::encode(
        &decoded.header,
        &claims,
        &EncodingKey::from_ed_pem(app.key_pem().as_bytes()).unwrap(),
    )
    .unwrap()
}

/// All permissions that an API key can have.
const KEY_PERMISSIONS: [&str; 21] = [
    "catalogue.read",
    "catalogue.write",
    "stock.read",
    "stock.adjust",
    "stock.transfer",
    "stock.count",
    "orders.read",
    "orders.place",
    "orders.cancel",
    "orders.return",
    "purchasing.receive",
    "purchasing.write",
    "dashboard.read",
    "reports.read",
    "settings.write",
    "data.export",
    "audit.read",
    "till.read",
    "till.sell",
    "till.approve",
    "till.manage",
];

#[tokio::test]
async fn every_route_refuses_callers_without_access() {
    let app = TestApp::start().await;
    let (acme, zenith) = (app.tenant("acme").await, app.tenant("zenith").await);
    let staff = app.staff("super_admin").await;
    let support = app.staff("support").await;
    let narrow = acme.api_key("Narrow", &["dashboard.read"]).await;
    let wide = acme.api_key("Wide", &KEY_PERMISSIONS).await;
    let client = json!({"id": "erp-sync", "app": "inventory", "name": "ERP"});
    let client = staff.post("/api/v1/platform/clients", &client).await.body;
    let account = json!({"permissions": KEY_PERMISSIONS});
    assert_eq!(acme.put("/api/v1/service-accounts/erp-sync", &account).await.status, 201);
    let secret = client["secret"].as_str().unwrap();
    let program = app.program_token("erp-sync", secret, "http://acme.localhost").await;
    let foreign_key = zenith.api_key("Wide", &KEY_PERMISSIONS).await;
    let signed_on = signed_on(&app, &staff).await;
    let looking = acting_as(&staff, &acme, true).await;
    let changing = acting_as(&staff, &acme, false).await;
    let mut members = BTreeMap::new();
    for role in ["OWNER", "MANAGER", "STAFF"] {
        members.insert(role, app.member_of(&acme.tenant, role).await);
    }
    for (method, path, who, body) in table() {
        if matches!(who, Anyone | OpenId) {
            continue;
        }
        let body = body.as_ref().filter(|_| method != "GET");
        let path = path
            .replace("{id}", "00000000-0000-7000-8000-000000000000")
            .replace("{lineId}", "00000000-0000-7000-8000-000000000000")
            .replace("{locationId}", "00000000-0000-7000-8000-000000000000")
            .replace("{code}", "4006381333931")
            .replace("{host}", "shop.acme.test")
            .replace("{app}", "inventory")
            .replace("{key}", "buyer")
            .replace("{slug}", "payroll");
        let (right, wrong) =
            if matches!(who, Staff(_)) { (&staff, &acme.client) } else { (&acme.client, &zenith.client) };
        let right = right.with("idempotency-key", &uuid::Uuid::now_v7().to_string());
        let at = format!("{method} {path}");

        let missing = right.with_token(None).send(method, &path, body).await;
        assert_eq!((missing.status, missing.code()), (401, "token_missing"), "{at}");
        assert_eq!(missing.header("www-authenticate"), "Bearer realm=\"tenantry\"", "{at}");
        let old = right
            .with_token(Some(&expired(&app, right.token.as_deref().unwrap())))
            .send(method, &path, body)
            .await;
        assert_eq!((old.status, old.code()), (401, "token_expired"), "{at}");
        let foreign = right.with_token(wrong.token.as_deref()).send(method, &path, body).await;
        assert_eq!((foreign.status, foreign.code()), (401, "token_wrong_business"), "{at}");
        for token in ["", "x", "a.b.c", "ä", "tky_", "tky_x", &foreign_key] {
            let garbage = right.with_token(Some(token)).send(method, &path, body).await;
            assert_eq!(garbage.status, 401, "{at} with {token:?}");
            assert!(garbage.header("www-authenticate").starts_with("Bearer"), "{at} with {token:?}");
        }
        // A cookie that a page of another origin sends is of no use, nor is any cookie on a shared host.
        let cookie = format!("tenantry-access={}", right.token.as_deref().unwrap());
        let from_elsewhere =
            right.with_token(None).with("cookie", &cookie).with("origin", "http://evil.test");
        let is_in_path = std::env::var("TENANTRY_TEST_FORM").is_ok() && !path.contains("/platform/");
        if is_in_path || method != "GET" {
            let refused = from_elsewhere.send(method, &path, body).await;
            let wanted = if is_in_path { "token_missing" } else { "cross_origin" };
            assert_eq!(refused.code(), wanted, "{at}: {refused:?}");
        }
        let basic =
            right.with_token(None).with("authorization", "Basic YTpi").send(method, &path, body).await;
        assert_eq!(basic.code(), "token_missing", "{at}");

        let is_for_people = matches!(who, Member("team.manage" | "api_keys.manage" | "webhooks.manage"))
            || path.ends_with("/approval");
        // An API key is refused exactly if it lacks the permission, or if the route is for people.
        for (name, key) in [("narrow", &narrow), ("wide", &wide), ("program's", &program)] {
            let reply = right.with_token(Some(key)).send(method, &path, body).await;
            let refusal = match who {
                Staff(_) if name == "program's" => "token_wrong_business",
                Staff(_) => "api_key_invalid",
                Member(_) if is_for_people => "people_only",
                Member(permission) if name == "narrow" && permission != "dashboard.read" => {
                    "permission_denied"
                }
                Member(_) => "",
                SignedIn | OpenId | Anyone => "people_only",
            };
            let refusals = ["api_key_invalid", "token_wrong_business", "people_only", "permission_denied"];
            let is_refused = refusals.contains(&reply.code());
            assert_eq!(
                if is_refused { reply.code() } else { "" },
                refusal,
                "{at} with a {name} key: {reply:?}"
            );
            assert!(reply.status < 500, "{at} with a {name} key: {reply:?}");
        }

        // The staff who act as an owner change neither accounts nor access, and nothing at all if they only
        // look.
        for (token, may_change) in [(&looking, false), (&changing, true)] {
            if path.ends_with("/auth/logout") {
                continue;
            }
            let reply = right.with_token(Some(token)).send(method, &path, body).await;
            let is_open = match who {
                Staff(_) => {
                    assert_eq!(reply.code(), "token_wrong_business", "{at} while acting: {reply:?}");
                    continue;
                }
                SignedIn | OpenId | Anyone => path.ends_with("/auth/me") || path.contains("/jobs/"),
                Member(_) if is_for_people => method == "GET",
                Member(_) => method == "GET" || may_change,
            };
            assert_eq!(reply.code() != "impersonation_refused", is_open, "{at} while acting: {reply:?}");
            assert!(reply.status < 500, "{at} while acting: {reply:?}");
        }

        // A program to which the owner signed in does not change the account, unless it asked for that.
        if !path.ends_with("/auth/logout") && !matches!(who, Staff(_)) {
            let reply = right.with_token(Some(&signed_on)).send(method, &path, body).await;
            let is_account = who == SignedIn && !path.ends_with("/auth/me") && !path.contains("/jobs/");
            assert_eq!(reply.code() == "account_not_granted", is_account, "{at} by a program: {reply:?}");
            assert!(reply.status < 500, "{at} by a program: {reply:?}");
        }

        // A role is refused exactly if it does not have the permission.
        if let Member(permission) = who {
            for (role, member) in &members {
                let granted = member.get("/api/v1/auth/me").await.body["membership"]["permissions"]
                    .as_array()
                    .unwrap()
                    .contains(&json!(permission));
                let reply = member.with("idempotency-key", "k").send(method, &path, body).await;
                assert_eq!(reply.code() == "permission_denied", !granted, "{at} as {role}: {reply:?}");
                assert!(reply.status < 500, "{at} as {role}: {reply:?}");
            }
        }
        if let Staff(permission) = who {
            let reply = support.send(method, &path, body).await;
            let granted = permission.ends_with(".read") || permission == "members.impersonate";
            assert_eq!(reply.code() == "permission_denied", !granted, "{at} as support: {reply:?}");
        }
    }
}

/// The token of a program to which the owner of acme signed in.
async fn signed_on(app: &TestApp, staff: &Client<'_>) -> String {
    const CALLBACK: &str = "https://books.example.com/callback";
    let new = json!({"id": "shop-books", "app": "inventory", "name": "Books", "redirectUris": [CALLBACK],
                     "isPublic": true});
    assert_eq!(staff.post("/api/v1/platform/clients", &new).await.status, 201);
    let browser = Browser::new(app);
    let left = browser.enter(&authorize("shop-books", CALLBACK, &[]), "owner@acme.test").await;
    app.redeem("shop-books", CALLBACK, &left.parameter("code")).await.text("access_token")
}

/// The token with which somebody of the staff acts as the owner of a business.
async fn acting_as(staff: &Client<'_>, business: &Business<'_>, is_read_only: bool) -> String {
    let path = format!("/api/v1/platform/tenants/{}/impersonations", business.tenant.id);
    let reply = staff.post(&path, &json!({"reason": "A ticket", "isReadOnly": is_read_only})).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    reply.body["accessToken"].as_str().unwrap().to_owned()
}

/// Adds one record of each kind to a business. Returns the ids.
async fn fill(app: &TestApp, business: &Business<'_>) -> BTreeMap<&'static str, Value> {
    let role = json!({"name": "Buyer", "permissions": ["purchasing.write"]});
    assert_eq!(business.put("/api/v1/roles/inventory/buyer", &role).await.status, 201);
    let member = json!({"username": "bea", "roles": ["STAFF"]});
    let member = business.post("/api/v1/users", &member).await.body;
    let invitation = json!({"email": "guest@zenith.test", "roles": ["STAFF"]});
    let invitation = business.post("/api/v1/invitations", &invitation).await.body;
    let key = json!({"name": "Shop", "permissions": ["stock.read"]});
    let key = business.post("/api/v1/api-keys", &key).await.body;
    let category = business.post("/api/v1/categories", &json!({"name": "Tools"})).await.body;
    let mut product = a_product("HAMMER");
    product["categoryId"] = category["id"].clone();
    product["variants"][0]["barcodes"] = json!(["4006381333931"]);
    let product = business.create_product(&product).await;
    let variant = product["variants"][0]["id"].clone();
    let adjustment = business.adjust(&variant, "5").await.body;
    let revaluation = json!({"variantId": variant, "unitCost": "1", "reason": "wrong"});
    let revaluation = business.submit("stock/revaluations", &revaluation).await.body;
    let location = business.get("/api/v1/locations").await.body["data"][0]["id"].clone();
    let customer = business.post("/api/v1/customers", &json!({"name": "Ann Smith"})).await.body;
    let supplier = business.post("/api/v1/suppliers", &json!({"name": "Bolts & Co"})).await.body;
    let bought = json!({
        "supplierId": supplier["id"], "lines": [{"variantId": variant, "quantity": "1", "unitCost": "1"}]});
    let bought = business.post("/api/v1/purchase-orders", &bought).await.body;
    let shed = business.post("/api/v1/locations", &json!({"name": "Shed"})).await.body;
    let transfer = json!({
        "fromLocationId": location, "toLocationId": shed["id"],
        "lines": [{"variantId": variant, "quantity": "1"}]});
    let transfer =
        business.with("idempotency-key", "t").post("/api/v1/stock/transfers", &transfer).await.body;
    let count = business.with("idempotency-key", "c").post("/api/v1/stock/counts", &json!({})).await.body;
    let register = business.post("/api/v1/registers", &json!({"name": "Till", "series": "T1"})).await.body;
    let shift = json!({"registerId": register["id"], "openingFloat": "100"});
    let shift = business.submit("shifts", &shift).await.body;
    let sale = harness::till::sell_units(business, &register["id"], &variant, "1").await.body;
    let parked = json!({
        "registerId": register["id"], "lines": [{"variantId": variant, "quantity": "1"}]});
    let parked = business.submit("parked-sales", &parked).await.body;
    set_till_number(business, "522533").await;
    let payment = reported_payment(app, business, "10").await;
    let offline = json!({
        "id": uuid::Uuid::now_v7(), "registerId": register["id"], "reference": "OFF-1",
        "soldAt": chrono::Utc::now(), "lines": [{"variantId": variant, "quantity": "1000000"}],
        "payments": [{"method": "cash"}], "total": "1",
    });
    assert_eq!(business.patch("/api/v1/settings", &json!({"negativeSales": "review"})).await.status, 200);
    let offline = business.submit("offline-sales", &offline).await.body;
    let saved =
        business.post("/api/v1/saved-reports", &json!({"name": "Stock", "report": "stock"})).await.body;
    let request = json!({"registerId": register["id"], "phone": "+254712345678", "amount": "10"});
    let request = business.submit("payment-requests", &request).await.body;
    let tax_class = json!({"name": "VAT", "inclusive": true, "rates": [{"name": "VAT", "percent": "16"}]});
    let tax_class = business.post("/api/v1/tax-classes", &tax_class).await.body;
    let order = json!({
        "fulfil": false, "customerId": customer["id"], "lines": [{"variantId": variant, "quantity": "1"}]});
    let order = business.with("idempotency-key", "order").post("/api/v1/orders", &order).await.body;
    let webhook = business.post("/api/v1/webhooks", &json!({"url": "https://hooks.invalid/"})).await.body;
    BTreeMap::from([
        ("category", category["id"].clone()),
        ("product", product["id"].clone()),
        ("variant", variant),
        ("adjustment", adjustment["id"].clone()),
        ("revaluation", revaluation["id"].clone()),
        ("register", register["id"].clone()),
        ("shift", shift["id"].clone()),
        ("sale", sale["id"].clone()),
        ("parkedSale", parked["id"].clone()),
        ("paymentRequest", request["id"].clone()),
        ("mobilePayment", payment),
        ("savedReport", saved["id"].clone()),
        ("offlineSale", offline["id"].clone()),
        ("location", location),
        ("customer", customer["id"].clone()),
        ("order", order["id"].clone()),
        ("taxClass", tax_class["id"].clone()),
        ("supplier", supplier["id"].clone()),
        ("purchaseOrder", bought["id"].clone()),
        ("transfer", transfer["id"].clone()),
        ("count", count["id"].clone()),
        ("apiKey", key["id"].clone()),
        ("webhook", webhook["id"].clone()),
        ("member", member["id"].clone()),
        ("invitation", invitation["id"].clone()),
        ("membership", member["memberships"][0]["id"].clone()),
    ])
}

#[tokio::test]
async fn keys_of_another_business_find_nothing_on_any_route() {
    let (_mailbox, app) = Mailbox::with_app().await;
    let (acme, zenith) = (app.tenant("acme").await, app.tenant("zenith").await);
    let theirs = fill(&app, &zenith).await;
    let before = snapshot(&zenith, &theirs).await;
    // The business has its own catalogue, without the records that the requests name.
    acme.create_product(&a_product("BOLT")).await;
    set_till_number(&acme, "600700").await;
    let absent = json!("00000000-0000-7000-8000-000000000000");
    for (method, template, who, body) in table() {
        // A business gives its own roles any keys.
        if matches!(who, Anyone | SignedIn | Staff(_)) || (method == "PUT" && template.ends_with("/{key}")) {
            continue;
        }
        let kind = template.split('/').nth(3).unwrap_or_default();
        let own_key = match (kind, template.contains("adjustments")) {
            ("stock", _) if template.contains("transfers") => "transfer",
            ("stock", _) if template.contains("counts") => "count",
            ("stock", _) if template.contains("revaluations") => "revaluation",
            ("categories", _) => "category",
            ("products", _) => "product",
            ("variants", _) => "variant",
            ("suppliers", _) => "supplier",
            ("purchase-orders", _) => "purchaseOrder",
            ("customers", _) => "customer",
            ("locations", _) => "location",
            ("registers", _) => "register",
            ("shifts", _) => "shift",
            ("sales", _) => "sale",
            ("parked-sales", _) => "parkedSale",
            ("payment-requests", _) => "paymentRequest",
            ("mobile-payments", _) => "mobilePayment",
            ("saved-reports", _) => "savedReport",
            ("offline-sales", _) => "offlineSale",
            ("tax-classes", _) => "taxClass",
            ("orders", _) => "order",
            ("users", _) => "member",
            ("memberships", _) => "membership",
            ("invitations", _) => "invitation",
            ("api-keys", _) => "apiKey",
            ("webhooks", _) => "webhook",
            ("stock", true) => "adjustment",
            _ => "",
        };
        let names_key = template.contains('{')
            || body
                .as_ref()
                .is_some_and(|body| body.to_string().contains('{') && body.to_string().contains("\"{"));
        if !names_key {
            continue;
        }
        let ask = async |key: &dyn Fn(&str) -> Value| {
            let path = template
                .replace("{id}", key(own_key).as_str().unwrap_or_default())
                .replace("{lineId}", absent.as_str().unwrap_or_default())
                .replace("{locationId}", key("location").as_str().unwrap_or_default())
                .replace("{code}", "4006381333931")
                .replace("{host}", "shop.acme.test")
                .replace("{app}", "inventory")
                .replace("{slug}", if key("apiKey") == absent { "unknown" } else { "theirs" })
                .replace("{key}", "buyer");
            let body = body.as_ref().map(|body| {
                let text = body
                    .to_string()
                    .replace("\"{category}\"", &key("category").to_string())
                    .replace("\"{supplier}\"", &key("supplier").to_string())
                    .replace("\"{register}\"", &key("register").to_string())
                    .replace("\"{location}\"", &key("location").to_string())
                    .replace("\"{sale}\"", &key("sale").to_string())
                    .replace("\"{variant}\"", &key("variant").to_string());
                serde_json::from_str::<Value>(&text).unwrap()
            });
            let client =
                acme.with("idempotency-key", &uuid::Uuid::now_v7().to_string()).with("x-request-id", "same");
            client.send(method, &path, body.as_ref().filter(|_| method != "GET")).await
        };
        let foreign = ask(&|name| theirs.get(name).cloned().unwrap_or_default()).await;
        let missing = ask(&|_| absent.clone()).await;
        assert_eq!(foreign.status, 404, "{method} {template}: {foreign:?}");
        let (mut foreign, mut missing) = (foreign.body, missing.body);
        // The two responses are equal byte for byte, except for the path of the request.
        foreign["instance"] = Value::Null;
        missing["instance"] = Value::Null;
        assert_eq!(foreign, missing, "{method} {template}");
    }
    // As filters, the ids match nothing.
    let variant = theirs["variant"].as_str().unwrap();
    for path in [
        format!("/api/v1/stock?variantId={variant}"),
        format!("/api/v1/stock/movements?variantId={variant}"),
        format!("/api/v1/stock?locationId={}", theirs["location"].as_str().unwrap()),
        format!("/api/v1/products?categoryId={}", theirs["category"].as_str().unwrap()),
        "/api/v1/products?q=hammer".to_owned(),
        "/api/v1/customers?q=ann".to_owned(),
        "/api/v1/orders?q=ann".to_owned(),
        "/api/v1/orders?q=1".to_owned(),
        format!("/api/v1/orders?customerId={}", theirs["customer"].as_str().unwrap()),
        format!("/api/v1/auth-events?userId={}", theirs["member"].as_str().unwrap()),
        format!("/api/v1/auth-events?tenantId={}", zenith.tenant.id),
        "/api/v1/users?q=bea".to_owned(),
    ] {
        assert_eq!(acme.get(&path).await.body["data"], json!([]), "{path}");
    }
    let at_theirs = json!({
        "variantId": theirs["variant"], "locationId": theirs["location"], "quantity": "1", "reason": "x",
    });
    assert_eq!(
        acme.with("idempotency-key", "k").post("/api/v1/stock/adjustments", &at_theirs).await.status,
        404
    );
    assert_eq!(snapshot(&zenith, &theirs).await, before, "the other business must not change");
}

async fn snapshot(business: &Business<'_>, keys: &BTreeMap<&'static str, Value>) -> Vec<Value> {
    let product = keys["product"].as_str().unwrap();
    let mut all = Vec::new();
    for path in [
        format!("/api/v1/products/{product}"),
        "/api/v1/categories".into(),
        "/api/v1/stock".into(),
        "/api/v1/stock/movements".into(),
        "/api/v1/dashboard".into(),
        "/api/v1/users".into(),
    ] {
        all.push(business.get(&path).await.body);
    }
    all
}
