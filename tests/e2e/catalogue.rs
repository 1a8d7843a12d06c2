//! Categories, products, variants, barcodes.

use harness::{TestApp, a_product};
use serde_json::{Value, json};
use uuid::Uuid;

#[tokio::test]
async fn a_product_is_read_as_it_was_created() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let category = acme.post("/api/v1/categories", &json!({"name": "Shirts"})).await.body;
    let body = json!({
        "name": "  T-shirt ", "categoryId": category["id"], "description": "Cotton,\nlight",
        "options": ["Size", "Colour"],
        "variants": [
            {"sku": "TS-M-RED", "barcodes": ["4006381333931", "123"], "price": "19.9", "cost": "7.1234",
             "reorderLevel": "5.50", "options": {"Size": "M", "Colour": "Red"}},
            {"sku": "TS-L-RED", "price": "21", "options": {"Colour": "Red", "Size": "L"}}]});
    let made = acme.post("/api/v1/products", &body).await;
    assert_eq!(made.status, 201, "{made:?}");
    let product = &made.body;
    assert_eq!((&product["name"], &product["options"]), (&json!("T-shirt"), &json!(["Size", "Colour"])));
    let variant = &product["variants"][0];
    assert_eq!(
        (&variant["price"], &variant["cost"], &variant["reorderLevel"]),
        (&json!("19.90"), &json!("7.1234"), &json!("5.5"))
    );
    assert_eq!((&variant["barcodes"], &variant["onHand"]), (&json!(["123", "4006381333931"]), &json!("0")));
    assert_eq!(product["variants"][1]["cost"], Value::Null);
    let path = made.header("location").to_owned();
    let read = acme.get(&path).await;
    assert_eq!((read.status, &read.body, read.header("etag")), (200, product, made.header("etag")));
    assert_eq!(
        &acme.get(&format!("/api/v1/variants/{}", variant["id"].as_str().unwrap())).await.body,
        variant
    );
    assert_eq!(&acme.get("/api/v1/barcodes/4006381333931").await.body, variant);
    assert_eq!(acme.get("/api/v1/barcodes/999").await.status, 404);
}

#[tokio::test]
async fn search_finds_products_by_name_sku_and_barcode() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    acme.create_product(&json!({
        "name": "Whole Milk 1 l",
        "variants": [{"sku": "DAIRY-1", "price": "1", "barcodes": ["5449000000996"]}],
    }))
    .await;
    acme.create_product(&json!({"name": "Butter 100%", "variants": [{"sku": "MILKY-2", "price": "2"}]}))
        .await;
    acme.create_product(&json!({"name": "Bread", "variants": [{"sku": "BREAD_3", "price": "3"}]})).await;
    for (q, expected) in [
        ("milk", vec!["Butter 100%", "Whole Milk 1 l"]),
        ("MILK", vec!["Butter 100%", "Whole Milk 1 l"]),
        ("dairy-", vec!["Whole Milk 1 l"]),
        ("90000009", vec!["Whole Milk 1 l"]),
        ("0%", vec!["Butter 100%"]),
        ("%25", vec!["Butter 100%"]),
        ("d_3", vec!["Bread"]),
        ("_", vec!["Bread"]),
        ("e", vec!["Bread", "Butter 100%", "Whole Milk 1 l"]),
        ("nothing", vec![]),
        ("", vec!["Bread", "Butter 100%", "Whole Milk 1 l"]),
    ] {
        let q = if q == "0%" { "0%25" } else { q };
        let reply = acme.get(&format!("/api/v1/products?q={q}")).await;
        let names: Vec<&str> =
            reply.body["data"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap()).collect();
        assert_eq!(names, expected, "{q}");
    }
}

#[tokio::test]
async fn pages_stay_correct_while_products_are_added() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for n in 0..7 {
        acme.create_product(&a_product(&format!("P{n}"))).await;
    }
    let mut seen = Vec::new();
    let mut path = "/api/v1/products?limit=3".to_owned();
    loop {
        let page = acme.get(&path).await.body;
        let data = page["data"].as_array().unwrap();
        assert!(data.len() <= 3);
        seen.extend(data.iter().map(|product| product["variants"][0]["sku"].as_str().unwrap().to_owned()));
        acme.create_product(&a_product(&format!("LATE{}", seen.len()))).await;
        match page["nextCursor"].as_str() {
            Some(cursor) => path = format!("/api/v1/products?limit=3&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen, ["P6", "P5", "P4", "P3", "P2", "P1", "P0"]);
}

#[tokio::test]
async fn a_broken_catalogue_rule_is_reported_with_its_field() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut first = a_product("TAKEN");
    first["variants"][0]["barcodes"] = json!(["111"]);
    acme.create_product(&first).await;
    let variant = |extra: Value| {
        let mut variant = json!({"sku": "S1", "price": "1"});
        variant.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        json!({"name": "P", "variants": [variant]})
    };
    for (body, status, code, pointer) in [
        (variant(json!({"sku": "TAKEN"})), 409, "duplicate_sku", "/variants/0/sku"),
        (variant(json!({"barcodes": ["111"]})), 409, "duplicate_barcode", ""),
        (variant(json!({"price": 1.5})), 400, "invalid_type", "/variants/0/price"),
        (variant(json!({"price": "1.23456"})), 422, "invalid_value", "/variants/0/price"),
        (variant(json!({"price": "-1"})), 422, "negative", "/variants/0/price"),
        (variant(json!({"cost": "-1"})), 422, "negative", "/variants/0/cost"),
        (variant(json!({"reorderLevel": "-1"})), 422, "negative", "/variants/0/reorderLevel"),
        (variant(json!({"price": "1e3"})), 422, "invalid_value", "/variants/0/price"),
        (variant(json!({"price": "10000000000"})), 422, "invalid_value", "/variants/0/price"),
        (variant(json!({"sku": ""})), 422, "invalid_value", "/variants/0/sku"),
        (variant(json!({"sku": "a\u{0}b"})), 422, "invalid_value", "/variants/0/sku"),
        (variant(json!({"colour": "red"})), 422, "unknown_field", "/variants/0/colour"),
        (json!({"name": "P", "variants": []}), 422, "variant_count", "/variants"),
        (json!({"name": "P"}), 422, "missing_field", "/variants"),
        (
            json!({"name": "P", "variants": [{"sku": "A", "price": "1"}, {"sku": "A", "price": "1"}]}),
            409,
            "duplicate_sku",
            "/variants/1/sku",
        ),
        (
            json!({"name": "P", "options": ["Size"], "variants": [{"sku": "A", "price": "1"}]}),
            422,
            "options_mismatch",
            "/variants/0/options",
        ),
        (
            json!({"name": "P", "options": ["A", "B", "C", "D"], "variants": [{"sku": "A", "price": "1"}]}),
            422,
            "invalid_options",
            "/options",
        ),
        (
            json!({"name": "P", "variants": [
                {"sku": "A", "price": "1", "options": {"Size": "M"}},
                {"sku": "B", "price": "1", "options": {"Size": "M"}},
            ]}),
            409,
            "duplicate_options",
            "",
        ),
    ] {
        let reply = acme.post("/api/v1/products", &body).await;
        let at = reply.body["errors"][0]["pointer"].as_str().unwrap_or_default();
        assert_eq!((reply.status, reply.code(), at), (status, code, pointer), "{body}: {reply:?}");
    }
    // A refused product stores nothing.
    assert_eq!(acme.get("/api/v1/products").await.body["data"].as_array().unwrap().len(), 1);
    // Two variants without options are allowed, because their SKUs differ.
    let plain =
        json!({"name": "Plain", "variants": [{"sku": "A", "price": "1"}, {"sku": "B", "price": "1"}]});
    assert_eq!(acme.post("/api/v1/products", &plain).await.status, 201);
}

#[tokio::test]
async fn two_businesses_may_use_the_same_sku_and_barcode() {
    let app = TestApp::start().await;
    let (acme, zenith) = (app.tenant("acme").await, app.tenant("zenith").await);
    let mut product = a_product("BOLT");
    product["variants"][0]["barcodes"] = json!(["4006381333931"]);
    acme.create_product(&product).await;
    zenith.create_product(&product).await;
}

#[tokio::test]
async fn a_patch_changes_only_the_named_fields() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let product = acme
        .create_product(&json!({
            "name": "Bolt", "description": "Steel",
            "variants": [{"sku": "B", "price": "1", "cost": "0.5", "barcodes": ["1"]}],
        }))
        .await;
    let path = format!("/api/v1/products/{}", product["id"].as_str().unwrap());
    let changed = acme.patch(&path, &json!({"name": "Bolt M8"})).await;
    assert_eq!((&changed.body["name"], &changed.body["description"]), (&json!("Bolt M8"), &json!("Steel")));
    let cleared = acme
        .with("content-type", "application/merge-patch+json")
        .patch(&path, &json!({"description": null}))
        .await;
    assert_eq!((cleared.status, &cleared.body["description"]), (200, &Value::Null));
    for field in ["name", "archived"] {
        let refused = acme.patch(&path, &json!({field: null})).await;
        assert_eq!((refused.status, refused.code()), (400, "invalid_type"), "{field} must not be removed");
    }
    let tag = acme.get(&path).await.header("etag").to_owned();
    for nothing in [json!({}), json!({"name": "Bolt M8"}), json!({"archived": false})] {
        assert_eq!(acme.patch(&path, &nothing).await.header("etag"), tag, "{nothing} must change nothing");
    }
    assert_eq!(acme.patch(&path, &json!({"variants": []})).await.code(), "unknown_field");

    let variant = format!("/api/v1/variants/{}", product["variants"][0]["id"].as_str().unwrap());
    let changed = acme.patch(&variant, &json!({"price": "1.5", "cost": null, "barcodes": ["2", "3"]})).await;
    assert_eq!(
        (&changed.body["price"], &changed.body["cost"], &changed.body["barcodes"]),
        (&json!("1.50"), &Value::Null, &json!(["2", "3"]))
    );
    assert_eq!(acme.get("/api/v1/barcodes/1").await.status, 404);
    assert_eq!(acme.get("/api/v1/barcodes/3").await.status, 200);
    assert_eq!(acme.patch(&variant, &json!({"price": "-1"})).await.code(), "negative");
    acme.create_product(&a_product("OTHER")).await;
    assert_eq!(acme.patch(&variant, &json!({"sku": "OTHER"})).await.code(), "duplicate_sku");
}

#[tokio::test]
async fn the_second_of_two_editors_gets_an_error() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let product = acme.create_product(&a_product("BOLT")).await;
    let path = format!("/api/v1/products/{}", product["id"].as_str().unwrap());
    let tag = acme.get(&path).await.header("etag").to_owned();
    assert_eq!(acme.with("if-none-match", &tag).get(&path).await.status, 304);
    // A change of stock changes the response, but it does not conflict with an edit.
    acme.adjust(&product["variants"][0]["id"], "5").await;
    assert_eq!(acme.with("if-none-match", &tag).get(&path).await.status, 200);
    assert_eq!(acme.with("if-match", &tag).patch(&path, &json!({"name": "First"})).await.status, 200);
    let second = acme.with("if-match", &tag).patch(&path, &json!({"name": "Second"})).await;
    assert_eq!((second.status, second.code()), (412, "stale"));
    assert_eq!(acme.with("if-match", &tag).delete(&path).await.status, 412);
    assert_eq!(acme.with("if-match", "*").patch(&path, &json!({"name": "Third"})).await.status, 200);
    assert_eq!(acme.with("if-match", "garbage").patch(&path, &json!({"name": "x"})).await.status, 412);
    // A change of a variant also changes its product.
    let tag = acme.get(&path).await.header("etag").to_owned();
    acme.patch(
        &format!("/api/v1/variants/{}", product["variants"][0]["id"].as_str().unwrap()),
        &json!({"price": "2"}),
    )
    .await;
    assert_eq!(acme.with("if-match", &tag).patch(&path, &json!({"name": "x"})).await.status, 412);
}

#[tokio::test]
async fn archived_products_are_not_listed_until_they_are_restored() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let product = acme.create_product(&a_product("BOLT")).await;
    let path = format!("/api/v1/products/{}", product["id"].as_str().unwrap());
    assert_eq!(acme.delete(&path).await.status, 204);
    assert_eq!(acme.get("/api/v1/products").await.body["data"], json!([]));
    assert_eq!(acme.get("/api/v1/products?archived=true").await.body["data"][0]["id"], product["id"]);
    assert_eq!(acme.get(&path).await.body["archived"], true);
    assert_eq!(acme.get("/api/v1/dashboard").await.body["totalItems"], 0);
    assert_eq!(acme.patch(&path, &json!({"archived": false})).await.body["archived"], false);
    assert_eq!(acme.get("/api/v1/products").await.body["data"][0]["id"], product["id"]);
}

#[tokio::test]
async fn a_variant_is_added_with_the_options_of_its_product() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let product = acme
        .create_product(&json!({
            "name": "Bolt", "options": ["Size"],
            "variants": [{"sku": "M6", "price": "1", "options": {"Size": "M6"}}],
        }))
        .await;
    let path = format!("/api/v1/products/{}/variants", product["id"].as_str().unwrap());
    let made = acme.post(&path, &json!({"sku": "M8", "price": "1", "options": {"Size": "M8"}})).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(acme.get(made.header("location")).await.body["sku"], "M8");
    assert_eq!(
        acme.post(&path, &json!({"sku": "X", "price": "1", "options": {"Size": "M8"}})).await.code(),
        "duplicate_options"
    );
    assert_eq!(acme.post(&path, &json!({"sku": "X", "price": "1"})).await.code(), "options_mismatch");
    assert_eq!(
        acme.post(&path, &json!({"sku": "M6", "price": "1", "options": {"Size": "M9"}})).await.code(),
        "duplicate_sku"
    );
}

#[tokio::test]
async fn categories_form_a_tree_without_cycles() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let make = async |name: &str, parent: &Value| {
        acme.post("/api/v1/categories", &json!({"name": name, "parentId": parent})).await
    };
    let top = make("Tools", &Value::Null).await.body["id"].clone();
    let child = make("Hammers", &top).await.body["id"].clone();
    assert_eq!(make("Tools", &Value::Null).await.code(), "duplicate_name");
    assert_eq!(make("Tools", &child).await.status, 201, "the same name is allowed elsewhere in the tree");
    let path = format!("/api/v1/categories/{}", top.as_str().unwrap());
    assert_eq!(acme.patch(&path, &json!({"parentId": child})).await.code(), "category_cycle");
    assert_eq!(acme.patch(&path, &json!({"parentId": top})).await.code(), "category_cycle");
    let below = format!("/api/v1/categories/{}", child.as_str().unwrap());
    assert_eq!(acme.patch(&below, &json!({"parentId": null})).await.body["parentId"], Value::Null);
    assert_eq!(acme.delete(&below).await.status, 204);
    assert_eq!(acme.get(&below).await.body["archived"], true);
}

#[tokio::test]
async fn a_repeated_request_creates_one_product() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let client = acme.with("idempotency-key", &Uuid::now_v7().to_string());
    let first = client.post("/api/v1/products", &a_product("BOLT")).await;
    let again = client.post("/api/v1/products", &a_product("BOLT")).await;
    assert_eq!((first.status, again.status), (201, 201));
    assert_eq!(
        (&first.body, first.header("location"), first.header("etag")),
        (&again.body, again.header("location"), again.header("etag"))
    );
    assert_eq!((first.header("idempotent-replayed"), again.header("idempotent-replayed")), ("", "true"));
    assert_eq!(client.post("/api/v1/products", &a_product("NUT")).await.code(), "idempotency_key_reused");
}

#[tokio::test]
async fn search_and_barcode_scan_use_their_indexes() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let admin = app.database.as_admin().await;
    admin.batch_execute(&format!("SET search_path = {}, extensions", acme.tenant.schema)).await.unwrap();
    admin
        .batch_execute(
            "INSERT INTO products (id, name, option_names, search_text, created_at, updated_at)
             SELECT gen_random_uuid(), 'Product ' || md5(n::text), '{}', 'product ' || md5(n::text), now(),
                    now()
               FROM generate_series(1, 10000) n;
             INSERT INTO variants (id, product_id, sku, sku_key, price, options, created_at, updated_at)
             SELECT gen_random_uuid(), id, md5(name), md5(name), 1, '{}', now(), now() FROM products;
             INSERT INTO barcodes (code, variant_id, created_at) SELECT md5(sku), id, now() FROM variants;
             ANALYZE products; ANALYZE variants; ANALYZE barcodes;",
        )
        .await
        .unwrap();
    for (sql, index) in [
        ("SELECT id FROM products WHERE search_text LIKE '%abc12%'", "products_search_text_idx"),
        ("SELECT id FROM products WHERE tag_keys @> ARRAY['x']", "products_tag_keys_idx"),
        ("SELECT variant_id FROM barcodes WHERE code = 'x'", "barcodes_pkey"),
        ("SELECT id FROM variants WHERE sku_key = 'x'", "variants_sku_key"),
        ("SELECT id FROM products ORDER BY id DESC LIMIT 51", "products_pkey"),
    ] {
        let rows = admin.query(&format!("EXPLAIN {sql}"), &[]).await.unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        assert!(plan.iter().any(|line| line.contains(index)), "{sql}: {plan:#?}");
    }
    let found = acme.get("/api/v1/products?q=e4da3b7fbbce2345d7772b0674a318d5").await;
    assert_eq!(found.body["data"].as_array().unwrap().len(), 1, "the search text is the MD5 hash of 5");
}

#[tokio::test]
async fn products_are_found_by_their_tags() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let category = acme.post("/api/v1/categories", &json!({"name": "Garden"})).await.body["id"].clone();
    let tagged = async |sku: &str, tags: Value, category: Value| {
        let mut product = a_product(sku);
        product["tags"] = tags;
        product["categoryId"] = category;
        acme.create_product(&product).await
    };
    let hose = tagged("HOSE", json!(["outdoor", "new"]), category.clone()).await;
    tagged("CHAIR", json!(["outdoor"]), Value::Null).await;
    tagged("LAMP", json!([]), category.clone()).await;
    assert_eq!(hose["tags"], json!(["outdoor", "new"]));
    let found = async |query: &str| -> Vec<String> {
        let reply = acme.get(&format!("/api/v1/products?{query}")).await;
        assert_eq!(reply.status, 200, "{query}: {reply:?}");
        let name = |product: &Value| product["variants"][0]["sku"].as_str().unwrap().to_owned();
        reply.body["data"].as_array().unwrap().iter().map(name).collect()
    };
    let category = category.as_str().unwrap();
    assert_eq!(found("tag=outdoor").await, ["CHAIR", "HOSE"]);
    assert_eq!(found("tag=new").await, ["HOSE"]);
    assert_eq!(found(&format!("tag=outdoor&categoryId={category}")).await, ["HOSE"]);
    assert_eq!(found("tag=outdoor&q=chair").await, ["CHAIR"]);
    assert_eq!(found("tag=outdoor&q=ai").await, ["CHAIR"]);
    assert_eq!(found("tag=new&q=chair").await, [""; 0]);
    assert_eq!(found("tag=Outdoor").await, ["CHAIR", "HOSE"], "letter case makes no difference");
    let path = format!("/api/v1/products/{}", hose["id"].as_str().unwrap());
    let changed = acme.patch(&path, &json!({"tags": ["garden"]})).await;
    assert_eq!(changed.body["tags"], json!(["garden"]), "{changed:?}");
    assert_eq!(found("tag=outdoor").await, ["CHAIR"]);
    let log = acme.get(&format!("/api/v1/audit?subjectId={}", hose["id"].as_str().unwrap())).await;
    assert_eq!(log.body["data"][0]["changes"]["tags"], json!({"from": ["outdoor", "new"], "to": ["garden"]}));
    let many: Vec<String> = (0..21).map(|n| n.to_string()).collect();
    for tags in [json!(["a", "a"]), json!(many), json!([""]), json!(["x".repeat(51)])] {
        let refused = acme.patch(&path, &json!({"tags": tags})).await;
        let pointer = refused.body["errors"][0]["pointer"].as_str().unwrap_or_default();
        assert!(refused.status == 422 && pointer.starts_with("/tags"), "{tags}: {refused:?}");
    }
}

#[tokio::test]
async fn no_amount_is_rounded_silently_and_what_is_shown_can_be_sent_back() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let with = |name: &str, amount: &str| {
        let mut product = a_product(&format!("SKU-{}", Uuid::now_v7()));
        product["variants"][0][name] = json!(amount);
        product
    };
    for name in ["price", "compareAtPrice"] {
        let refused = acme.post("/api/v1/products", &with(name, "0.335")).await;
        assert_eq!((refused.status, refused.code()), (422, "too_many_decimals"), "{refused:?}");
        assert_eq!(refused.body["errors"][0]["pointer"], format!("/variants/0/{name}"));
    }
    // A unit cost may be finer than the currency, and is shown as it is.
    let product = acme.create_product(&with("cost", "0.3355")).await;
    let variant = &product["variants"][0];
    assert_eq!(variant["cost"], "0.3355");
    let path = format!("/api/v1/variants/{}", variant["id"].as_str().unwrap());
    assert_eq!(acme.patch(&path, &json!({"price": "0.001"})).await.code(), "too_many_decimals");

    // A price of an earlier release is finer. It is shown, may stay, and is sold at.
    let admin = app.database.as_admin().await;
    admin.batch_execute("UPDATE business_1.variants SET price = 0.335").await.unwrap();
    let shown = acme.get(&path).await;
    assert_eq!(shown.body["price"], "0.335");
    let same = json!({"price": shown.body["price"], "cost": shown.body["cost"]});
    let again = acme.patch(&path, &same).await;
    assert_eq!((again.status, again.header("etag")), (200, shown.header("etag")), "{again:?}");
    assert_eq!(acme.adjust(&variant["id"], "10").await.status, 201);
    let line = |more: Value| {
        let mut line = json!({"variantId": variant["id"], "quantity": "3"});
        line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"lines": [line]})
    };
    let sold = acme.submit("orders", &line(json!({}))).await.body;
    assert_eq!((&sold["lines"][0]["price"], &sold["lines"][0]["total"]), (&json!("0.335"), &json!("1.01")));

    let fine_price = line(json!({"price": "0.015", "priceReason": "scratched"}));
    let fine_discount = line(json!({"discount": "0.005"}));
    let mut of_order = line(json!({}));
    of_order["discount"] = json!("0.001");
    for (body, pointer) in
        [(fine_price, "/lines/0/price"), (fine_discount, "/lines/0/discount"), (of_order, "/discount")]
    {
        let refused = acme.submit("orders", &body).await;
        assert_eq!(refused.code(), "too_many_decimals", "{refused:?}");
        assert_eq!(refused.body["errors"][0]["pointer"], pointer);
    }
}
