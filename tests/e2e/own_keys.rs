//! External ids and metadata: the keys that programs elsewhere give to records, and the records they find.

use futures_util::future::join_all;
use harness::{Business, Reply, TestApp, a_product};
use serde_json::{Value, json};

/// A kind of record with external ids: its list, and the body of the n-th new record.
type Kind = (&'static str, fn(&Shop, usize) -> Value);

/// The records to which the bodies of new records refer.
struct Shop {
    variant: Value,
    supplier: Value,
}

impl Shop {
    async fn of(business: &Business<'_>) -> Self {
        let product = business.create_product(&a_product("SOLD")).await;
        let variant = product["variants"][0]["id"].clone();
        business.adjust(&variant, "100").await;
        let supplier = business.post("/api/v1/suppliers", &json!({"name": "Bolts & Co"})).await;
        Self { variant, supplier: supplier.body["id"].clone() }
    }
}

const KINDS: [Kind; 5] = [
    ("/api/v1/products", |_, at| a_product(&format!("P-{at}"))),
    ("/api/v1/customers", |_, at| json!({"name": format!("Customer {at}")})),
    ("/api/v1/suppliers", |_, at| json!({"name": format!("Supplier {at}")})),
    ("/api/v1/orders", |shop, _| json!({"lines": [{"variantId": shop.variant, "quantity": "1"}]})),
    ("/api/v1/purchase-orders", |shop, _| {
        json!({
            "supplierId": shop.supplier,
            "lines": [{"variantId": shop.variant, "quantity": "1", "unitCost": "1"}],
        })
    }),
];

/// Posts a new record, with an idempotency key.
async fn submit(business: &Business<'_>, list: &str, body: &Value) -> Reply {
    business.submit(list.trim_start_matches("/api/v1/"), body).await
}

/// `body` with more fields.
fn with(mut body: Value, fields: Value) -> Value {
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}

async fn found(business: &Business<'_>, path: &str) -> Vec<String> {
    let reply = business.get(path).await;
    assert_eq!(reply.status, 200, "{path}: {reply:?}");
    assert!(reply.body["nextCursor"].is_null());
    let rows = reply.body["data"].as_array().unwrap();
    rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn every_kind_of_record_is_found_by_its_external_id() {
    let app = TestApp::start().await;
    let (acme, zenith) = (app.tenant("acme").await, app.tenant("zenith").await);
    let shop = Shop::of(&acme).await;
    for (list, body) in KINDS {
        let make = async |at: usize, fields: Value| submit(&acme, list, &with(body(&shop, at), fields)).await;
        let plain = make(0, json!({})).await;
        assert_eq!(
            (plain.status, &plain.body["externalId"], &plain.body["metadata"]),
            (201, &Value::Null, &json!({}))
        );
        let first = make(1, json!({"externalId": "4711", "metadata": {"colour": "red"}})).await;
        assert_eq!(first.status, 201, "{list}: {first:?}");
        assert_eq!(
            (&first.body["externalId"], &first.body["externalSource"], &first.body["metadata"]),
            (&json!("4711"), &json!("default"), &json!({"colour": "red"})),
            "{list}"
        );
        let second = make(2, json!({"externalId": "4711", "externalSource": "shopify"})).await;
        assert_eq!(second.status, 201, "{list}: {second:?}");
        for fields in
            [json!({"externalId": "4711"}), json!({"externalId": "4711", "externalSource": "shopify"})]
        {
            let refused = make(3, fields).await;
            assert_eq!((refused.status, refused.code()), (409, "external_id_in_use"), "{list}: {refused:?}");
            assert_eq!(refused.body["errors"][0]["pointer"], "/externalId", "{list}");
        }
        let alone = make(4, json!({"externalSource": "shopify"})).await;
        assert_eq!((alone.status, alone.code()), (422, "external_id_missing"), "{list}");
        let (first, second) = (first.body["id"].as_str().unwrap(), second.body["id"].as_str().unwrap());
        let by = |query: &str| format!("{list}?{query}");
        assert_eq!(found(&acme, &by("externalId=4711")).await, [second, first], "{list}");
        assert_eq!(found(&acme, &by("externalId=4711&externalSource=shopify")).await, [second], "{list}");
        assert_eq!(found(&acme, &by("externalId=4711&externalSource=Shopify")).await, [""; 0], "{list}");
        assert_eq!(found(&acme, &by(&format!("ids={first},{second}"))).await, [second, first], "{list}");
        assert_eq!(found(&zenith, &by(&format!("ids={first},{second}"))).await, [""; 0], "{list}");
        assert_eq!(found(&zenith, &by("externalId=4711")).await, [""; 0], "{list}");
        for (query, parameter) in [
            (format!("ids={first}&limit=5"), "limit"),
            (format!("ids={first}&externalId=1"), "ids"),
            ("ids=x".to_owned(), "ids"),
            ("ids=".to_owned(), "ids"),
            ("externalSource=shopify".to_owned(), "externalSource"),
            ("externalId=1&q=bolt".to_owned(), "q"),
        ] {
            let refused = acme.get(&by(&query)).await;
            assert_eq!((refused.status, refused.code()), (400, "invalid_query"), "{list}?{query}");
            assert_eq!(refused.body["errors"][0]["parameter"], parameter, "{list}?{query}: {refused:?}");
        }
    }
}

#[tokio::test]
async fn an_external_id_and_metadata_can_be_changed() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let shop = Shop::of(&acme).await;
    for (list, body) in KINDS {
        let new = with(body(&shop, 1), json!({"externalId": "1", "metadata": {"a": "1", "b": "2"}}));
        let made = submit(&acme, list, &new).await.body;
        submit(&acme, list, &with(body(&shop, 2), json!({"externalId": "taken"}))).await;
        let path = format!("{list}/{}", made["id"].as_str().unwrap());
        for (change, status, id, source, metadata) in [
            (json!({"metadata": {"a": null, "c": "3"}}), 200, "1", "default", json!({"b": "2", "c": "3"})),
            (json!({"externalSource": "woo"}), 200, "1", "woo", json!({"b": "2", "c": "3"})),
            (json!({"externalId": "2"}), 200, "2", "woo", json!({"b": "2", "c": "3"})),
            (
                json!({"externalId": "taken", "externalSource": null}),
                409,
                "2",
                "woo",
                json!({"b": "2", "c": "3"}),
            ),
            (json!({"externalId": "taken"}), 200, "taken", "woo", json!({"b": "2", "c": "3"})),
            (json!({"metadata": null}), 200, "taken", "woo", json!({})),
            (json!({"externalId": null}), 200, "", "", json!({})),
            (json!({"externalSource": "woo"}), 422, "", "", json!({})),
            (json!({"metadata": {"a": 1}}), 400, "", "", json!({})),
            (json!({"externalId": ""}), 422, "", "", json!({})),
        ] {
            let reply = acme.patch(&path, &change).await;
            assert_eq!(reply.status, status, "{path} {change}: {reply:?}");
            let now = acme.get(&path).await.body;
            assert_eq!(
                (
                    now["externalId"].as_str().unwrap_or_default(),
                    now["externalSource"].as_str().unwrap_or_default()
                ),
                (id, source),
                "{path} {change}"
            );
            assert_eq!(now["metadata"], metadata, "{path} {change}");
        }
        let names: serde_json::Map<String, Value> =
            (0..51).map(|at| (format!("n{at}"), json!("x"))).collect();
        let full = acme.patch(&path, &json!({"metadata": names})).await;
        assert_eq!((full.status, full.code()), (422, "too_much_metadata"), "{path}");
        let before = acme.get(&path).await.body["updatedAt"].clone();
        assert_eq!(
            acme.patch(&path, &json!({"metadata": {}})).await.body["updatedAt"],
            before,
            "nothing changed"
        );
    }
    let audit = acme.get("/api/v1/audit?limit=100").await.body;
    let entry =
        audit["data"].as_array().unwrap().iter().find(|entry| !entry["changes"]["externalId"].is_null());
    assert!(entry.is_some(), "the audit log has the change");
}

#[tokio::test]
async fn a_variant_is_found_by_its_keys() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let variants = json!([
        {"sku": "S", "price": "1", "options": {"Size": "S"}, "externalId": "s", "metadata": {"bin": "7"}},
        {"sku": "M", "price": "1", "options": {"Size": "M"}, "externalId": "m"},
    ]);
    let shirt = acme.create_product(&json!({"name": "Shirt", "variants": variants})).await;
    let (small, medium) = (shirt["variants"][0].clone(), shirt["variants"][1].clone());
    assert_eq!((&small["externalId"], &small["metadata"]), (&json!("s"), &json!({"bin": "7"})));
    let small = small["id"].as_str().unwrap();
    assert_eq!(
        acme.patch(&format!("/api/v1/variants/{small}"), &json!({"archived": true})).await.status,
        200
    );
    for query in ["externalId=s", "sku=s", &format!("ids={small}")] {
        assert_eq!(found(&acme, &format!("/api/v1/variants?{query}")).await, [small], "{query}");
    }
    assert_eq!(found(&acme, "/api/v1/variants?sku=none").await, [""; 0]);
    assert_eq!(
        found(&acme, "/api/v1/variants").await,
        [medium["id"].as_str().unwrap()],
        "archived ones are left out"
    );
    let taken = acme.patch(&format!("/api/v1/variants/{small}"), &json!({"externalId": "m"})).await;
    assert_eq!((taken.status, taken.code()), (409, "external_id_in_use"));
    let more = json!({"sku": "L", "price": "1", "options": {"Size": "L"}, "externalSource": "woo"});
    let path = format!("/api/v1/products/{}/variants", shirt["id"].as_str().unwrap());
    let alone = acme.post(&path, &more).await;
    assert_eq!((alone.status, &alone.body["errors"][0]["pointer"]), (422, &json!("/externalSource")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_many_requests_gets_an_external_id() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let shop = Shop::of(&acme).await;
    for (list, body) in KINDS {
        let make = |at: usize| {
            let (acme, body) = (&acme, with(body(&shop, 10 + at), json!({"externalId": "once"})));
            async move { submit(acme, list, &body).await.status }
        };
        let mut statuses = join_all((0..12).map(make)).await;
        statuses.sort_unstable();
        assert_eq!((statuses[0], statuses[1], statuses[11]), (201, 409, 409), "{list}: {statuses:?}");
        assert_eq!(found(&acme, &format!("{list}?externalId=once")).await.len(), 1, "{list}");
    }
}
