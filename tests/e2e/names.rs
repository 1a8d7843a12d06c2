//! Equal names are equal: names are compared without letter case and in one composition, and shown as typed.

use std::sync::Arc;

use harness::{Program, Reply, TestApp, TestDatabase, a_product};
use platform::migrations;
use serde_json::{Value, json};
use tenancy::provisioning::ProvisionError;
use tenancy::{NewTenant, Tenant, TenantSlug, TenantTx};
use values::Name;

use crate::books::OLD_DEFAULTS;

fn is_refused(reply: &Reply, status: u16, code: &str) {
    assert_eq!((reply.status, reply.code()), (status, code), "{reply:?}");
}

#[tokio::test]
async fn names_that_differ_in_letter_case_or_composition_are_equal() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let rates = json!([{"name": "VAT", "percent": "16"}]);
    for (path, more) in [
        ("locations", json!({})),
        ("suppliers", json!({})),
        ("categories", json!({})),
        ("tax-classes", json!({"inclusive": true, "rates": rates})),
    ] {
        let body = |name: &str| {
            let mut body = more.clone();
            body["name"] = json!(name);
            body
        };
        let path = format!("/api/v1/{path}");
        let first = acme.post(&path, &body("Café Straße")).await;
        assert_eq!((first.status, &first.body["name"]), (201, &json!("Café Straße")), "{first:?}");
        is_refused(&acme.post(&path, &body("CAFE\u{301}  STRASSE")).await, 409, "duplicate_name");
        let other = acme.post(&path, &body("Other")).await.body;
        let other = format!("{path}/{}", other["id"].as_str().unwrap());
        is_refused(&acme.patch(&other, &json!({"name": "café straße"})).await, 409, "duplicate_name");
        // The name itself may be written in another way, and gives its key up when it changes.
        let first = format!("{path}/{}", first.body["id"].as_str().unwrap());
        assert_eq!(acme.patch(&first, &json!({"name": "CAFÉ STRASSE"})).await.body["name"], "CAFÉ STRASSE");
        assert_eq!(acme.patch(&first, &json!({"name": "Another"})).await.status, 200);
        assert_eq!(acme.patch(&other, &json!({"name": "café straße"})).await.status, 200);
    }
    let two = json!({"name": "Two", "inclusive": true, "rates": [
        {"name": "VAT", "percent": "1"}, {"name": "vat", "percent": "2"}]});
    assert_eq!(acme.post("/api/v1/tax-classes", &two).await.status, 422);
    let reasons = json!({"adjustmentReasons": ["Lost", "LOST"]});
    is_refused(&acme.patch("/api/v1/settings", &reasons).await, 422, "invalid_reasons");
}

#[tokio::test]
async fn equal_skus_options_and_tags_are_refused_and_all_are_shown_as_typed() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let made = acme.create_product(&a_product("Bolt-é")).await;
    assert_eq!(made["variants"][0]["sku"], "Bolt-é");
    is_refused(&acme.post("/api/v1/products", &a_product("BOLT-E\u{301}")).await, 409, "duplicate_sku");
    let mut two = a_product("A");
    two["variants"] = json!([{"sku": "Nut", "price": "1"}, {"sku": "NUT", "price": "1"}]);
    is_refused(&acme.post("/api/v1/products", &two).await, 409, "duplicate_sku");
    let nut = acme.create_product(&a_product("Nut")).await["variants"][0]["id"].clone();
    let nut = format!("/api/v1/variants/{}", nut.as_str().unwrap());
    is_refused(&acme.patch(&nut, &json!({"sku": "bolt-é"})).await, 409, "duplicate_sku");
    assert_eq!(acme.patch(&nut, &json!({"sku": "NUT"})).await.body["sku"], "NUT");

    let shirt = |variants: Value| json!({"name": "Shirt", "options": ["Size"], "variants": variants});
    let variant =
        |sku: &str, name: &str, value: &str| json!({"sku": sku, "price": "1", "options": {name: value}});
    let twice = shirt(json!([variant("S1", "Size", "M"), variant("S2", "size", "m")]));
    is_refused(&acme.post("/api/v1/products", &twice).await, 409, "duplicate_options");
    let made = acme.create_product(&shirt(json!([variant("S1", "SIZE", "m")]))).await;
    assert_eq!(
        made["variants"][0]["options"],
        json!({"Size": "m"}),
        "the product's name, the value as typed"
    );
    let path = format!("/api/v1/products/{}/variants", made["id"].as_str().unwrap());
    is_refused(&acme.post(&path, &variant("S3", "size", "M")).await, 409, "duplicate_options");
    let mut axes = shirt(json!([{"sku": "S4", "price": "1", "options": {"Size": "M", "size": "L"}}]));
    axes["options"] = json!(["Size", "size"]);
    is_refused(&acme.post("/api/v1/products", &axes).await, 422, "invalid_options");

    let mut tagged = a_product("TAG");
    tagged["tags"] = json!(["Été", "ÉTÉ"]);
    is_refused(&acme.post("/api/v1/products", &tagged).await, 422, "invalid_tags");
    tagged["tags"] = json!(["Été"]);
    assert_eq!(acme.create_product(&tagged).await["tags"], json!(["Été"]));
    let found = acme.get("/api/v1/products?tag=e%CC%81T%C3%89").await.body;
    assert_eq!(found["data"].as_array().unwrap().len(), 1, "{found}");
}

#[tokio::test]
async fn a_delivery_note_is_booked_once_in_any_letter_case() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let bolt = acme.create_product(&a_product("BOLT")).await["variants"][0]["id"].clone();
    let supplier = acme.post("/api/v1/suppliers", &json!({"name": "Bolts & Co"})).await.body["id"].clone();
    let lines = json!([{"variantId": bolt, "quantity": "9", "unitCost": "1"}]);
    let order = acme.submit("purchase-orders", &json!({"supplierId": supplier, "lines": lines})).await.body;
    let path = format!("purchase-orders/{}", order["id"].as_str().unwrap());
    assert_eq!(acme.submit(&format!("{path}/send"), &json!({})).await.status, 200);
    let receive = async |note: &str| {
        let lines = json!([{"lineId": order["lines"][0]["id"], "quantity": "1"}]);
        acme.submit(&format!("{path}/receipts"), &json!({"deliveryNote": note, "lines": lines})).await
    };
    let first = receive("Dn-1").await;
    assert_eq!(first.status, 201, "{first:?}");
    is_refused(&receive("DN-1").await, 409, "delivery_note_booked");
    let back = acme.submit(&format!("{path}/receipts"), &json!({"reverses": first.body["id"]})).await;
    assert_eq!(back.status, 201, "{back:?}");
    assert_eq!(receive("dn-1").await.body["deliveryNote"], "dn-1");
}

#[tokio::test]
async fn invisible_characters_and_malformed_email_addresses_are_refused() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for invisible in ["\u{200B}", "\u{200D}", "\u{202E}", "\u{2066}", "\u{FEFF}", "\u{AD}", "\u{7}", "\u{85}"]
    {
        let text = format!("A{invisible}B");
        for path in ["customers", "suppliers", "locations", "categories"] {
            let reply = acme.post(&format!("/api/v1/{path}"), &json!({"name": text})).await;
            assert_eq!(reply.status, 422, "{path} {text:?}: {reply:?}");
        }
        for (field, value) in
            [("sku", json!(text)), ("barcodes", json!([text])), ("options", json!({"Size": text}))]
        {
            let mut product = a_product("BOLT");
            product["variants"][0][field] = value;
            assert_eq!(acme.post("/api/v1/products", &product).await.status, 422, "{field} {text:?}");
        }
        let program = Program::on(&app.database);
        let owner = [
            "tenant",
            "create",
            "zenith",
            "--name",
            "Zenith",
            "--owner-email",
            "a@b.example",
            "--owner-name",
        ];
        let ran = program.run(&[owner.as_slice(), &[text.as_str()]].concat());
        assert_eq!(ran.code, Some(2), "{ran:?}");
    }
    for path in ["customers", "suppliers"] {
        let path = format!("/api/v1/{path}");
        for email in ["ann", "ann@", "@acme.example", "ann smith@acme.example", "ann@acme..example"] {
            is_refused(
                &acme.post(&path, &json!({"name": "Ann", "email": email})).await,
                422,
                "invalid_email",
            );
        }
        let made = acme.post(&path, &json!({"name": "Ann", "email": "Ann@Acme.example"})).await;
        assert_eq!((made.status, &made.body["email"]), (201, &json!("Ann@Acme.example")), "as typed");
        let of = format!("{path}/{}", made.body["id"].as_str().unwrap());
        is_refused(&acme.patch(&of, &json!({"email": "ann"})).await, 422, "invalid_email");
    }
}

/// A business of the release before names had keys.
async fn older_business(database: &TestDatabase) -> Arc<Tenant> {
    let old = database.provisioner_with(migrations::of_tenant().unwrap().up_to(25));
    let new = NewTenant { slug: TenantSlug::parse("shop").unwrap(), name: "Shop".to_owned(), id: None };
    let seed = async |tx: &TenantTx| {
        for sql in OLD_DEFAULTS {
            tx.execute(sql, &[]).await?;
        }
        Ok(())
    };
    let made: Result<_, ProvisionError> = old.create(&new, seed, async |_, _| Ok(())).await;
    made.unwrap().0
}

#[tokio::test]
async fn the_migration_makes_the_keys_that_the_program_makes() {
    let database = TestDatabase::new().await;
    older_business(&database).await;
    let admin = database.as_admin().await;
    // Not letters that are newer than the Unicode of PostgreSQL 15.
    const NEWER: [char; 7] =
        ['\u{558}', '\u{58B}', '\u{58C}', '\u{209D}', '\u{209E}', '\u{209F}', '\u{A7F1}'];
    let letters = ('\u{21}'..='\u{104FF}')
        .chain('\u{11800}'..='\u{11900}')
        .chain('\u{16E40}'..='\u{16E80}')
        .chain('\u{1D400}'..='\u{1D6A5}')
        .chain('\u{1E900}'..='\u{1E960}');
    let letters: Vec<char> =
        letters.filter(|c| Name::parse(&format!("a{c}b")).is_ok() && !NEWER.contains(c)).collect();
    // Ten characters to a name, kept apart, so that there are not too many names.
    let names: Vec<String> = letters
        .chunks(10)
        .enumerate()
        .map(|(n, some)| format!("{n}.{}.", some.iter().map(|c| format!("{c}.")).collect::<String>()))
        .collect();
    let insert = "
        INSERT INTO business_1.locations (id, name, is_default, created_at, updated_at)
        SELECT gen_random_uuid(), name, false, now(), now() FROM unnest($1::text[]) name";
    admin.execute(insert, &[&names]).await.unwrap();
    let insert = "
        INSERT INTO business_1.customers (id, name, created_at, updated_at)
        SELECT gen_random_uuid(), name, now(), now() FROM unnest($1::text[]) name";
    admin.execute(insert, &[&names]).await.unwrap();
    let ran = Program::on(&database).run(&["migrate", "run"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");

    let mut wrong = Vec::new();
    for row in admin.query("SELECT name, name_key FROM business_1.locations", &[]).await.unwrap() {
        let (name, key): (String, String) = (row.get(0), row.get(1));
        wrong.extend((values::folding::equal_key(&name) != key).then_some((name, key)));
    }
    for row in admin.query("SELECT name, search_text FROM business_1.customers", &[]).await.unwrap() {
        let (name, key): (String, String) = (row.get(0), row.get(1));
        wrong.extend((values::folding::search_key(&name) + "\n" != key).then_some((name, key)));
    }
    assert_eq!(wrong, []);
}

#[tokio::test]
async fn look_alikes_of_an_older_business_stay_are_listed_and_no_new_ones_come() {
    let app = TestApp::start().await;
    let tenant = older_business(&app.database).await;
    let admin = app.database.as_admin().await;
    admin.batch_execute(include_str!("look_alikes.sql")).await.unwrap();
    let program = Program::beside(&app);
    let ran = program.run(&["migrate", "run"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let examined = program.run(&["doctor", "-o", "json"]);
    let report: Value = serde_json::from_str(&examined.out).unwrap();
    let told: Vec<String> = report["lookAlikes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|found| format!("{} {} {}", found["business"], found["kind"], found["text"]).replace('"', ""))
        .collect();
    assert_eq!(
        told,
        [
            "shop SKU BOLT",
            "shop barcode 4006381333931",
            "shop category TOOLS",
            "shop delivery note DN-1",
            "shop location SHED",
            "shop options of SKU SHIRT-2",
            "shop supplier ACME",
            "shop supplier acme",
            "shop tax class vat"
        ]
    );

    let shop = app.member_of(&tenant, "OWNER").await;
    for path in ["suppliers", "categories", "locations"] {
        let name = match path {
            "suppliers" => "aCME",
            "categories" => "tools",
            _ => "sHed",
        };
        let path = format!("/api/v1/{path}");
        is_refused(&shop.post(&path, &json!({"name": name})).await, 409, "duplicate_name");
        // When the first one gives its name up, the next look-alike takes its place.
        let all = shop.get(&path).await.body;
        let same =
            |of: &&Value| of["parentId"].is_null() && of["name"].as_str().unwrap().eq_ignore_ascii_case(name);
        let mut same: Vec<Value> = all["data"].as_array().unwrap().iter().filter(same).cloned().collect();
        same.sort_by_key(|of| of["id"].to_string());
        for (n, of) in same.iter().enumerate() {
            is_refused(&shop.post(&path, &json!({"name": name})).await, 409, "duplicate_name");
            let of = format!("{path}/{}", of["id"].as_str().unwrap());
            let renamed = shop.patch(&of, &json!({"name": format!("Other {n}")})).await;
            assert_eq!(renamed.status, 200, "{renamed:?}");
        }
        assert_eq!(shop.post(&path, &json!({"name": name})).await.status, 201);
    }
    is_refused(&shop.post("/api/v1/products", &a_product("bolt")).await, 409, "duplicate_sku");
    let found = async |q: &str| shop.get(&format!("/api/v1/products?q={q}")).await.body["data"].clone();
    assert_eq!(found("creme%20SHIRT-2").await.as_array().unwrap().len(), 1);
    assert_eq!(found("04006381333931").await.as_array().unwrap().len(), 1);
    let code = "/api/v1/barcodes/04006381333931";
    let holder = shop.get(code).await.body;
    let path = format!("/api/v1/variants/{}", holder["id"].as_str().unwrap());
    assert_eq!(shop.patch(&path, &json!({"barcodes": []})).await.status, 200);
    let next = shop.get(code).await.body;
    assert_ne!(next["id"], holder["id"], "the other form has the number now");
}

#[tokio::test]
async fn texts_that_an_earlier_release_accepted_are_still_read() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let rates = json!([{"name": "VAT", "percent": "16"}]);
    let class = json!({"name": "Standard", "inclusive": true, "rates": rates});
    let class = acme.post("/api/v1/tax-classes", &class).await.body["id"].clone();
    let mut product = a_product("BOLT");
    product["taxClassId"] = class.clone();
    product["variants"][0]["options"] = json!({"Size": "M"});
    let product = acme.create_product(&product).await;
    let bolt = product["variants"][0]["id"].clone();
    assert_eq!(acme.adjust(&bolt, "5").await.status, 201);
    let lines = json!([{"variantId": bolt, "quantity": "1"}]);
    let order = acme.submit("orders", &json!({"lines": lines})).await.body;
    let admin = app.database.as_admin().await;
    admin
        .batch_execute(
            "UPDATE business_1.tax_classes SET rates = replace(rates::text, 'VAT', E'V\\u200BAT')::jsonb;
             UPDATE business_1.order_lines SET taxes = replace(taxes::text, 'VAT', E'V\\u200BAT')::jsonb;
             UPDATE business_1.variants SET options = E'{\"Size\": \"M\\u200B\"}';
             UPDATE business_1.products SET name = E'Bo\\u202Elt', tags = ARRAY[E'a\\u200B'];",
        )
        .await
        .unwrap();
    for path in [
        format!("orders/{}", order["id"].as_str().unwrap()),
        format!("tax-classes/{}", class.as_str().unwrap()),
        format!("products/{}", product["id"].as_str().unwrap()),
        "products".to_owned(),
        "orders".to_owned(),
        "reports/sales?by=taxRate".to_owned(),
    ] {
        let read = acme.get(&format!("/api/v1/{path}")).await;
        assert_eq!(read.status, 200, "{path}: {read:?}");
    }
    let again = acme.submit("orders", &json!({"lines": lines})).await;
    assert_eq!(again.status, 201, "{again:?}");
    let variant = format!("/api/v1/variants/{}", bolt.as_str().unwrap());
    assert_eq!(acme.patch(&variant, &json!({"price": "2"})).await.status, 200);
    let product = format!("/api/v1/products/{}", product["id"].as_str().unwrap());
    let renamed = acme.patch(&product, &json!({"options": ["Format"]})).await;
    assert_eq!(renamed.status, 200, "{renamed:?}");
}
