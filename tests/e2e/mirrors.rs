//! Copies of a business's records in another program, kept up to date with `updatedSince`.

use std::collections::BTreeMap;
use std::time::Duration;

use harness::{Business, TestApp, a_product};
use inventory::CustomerId;
use inventory::customer::{self, CustomerChange, CustomerError};
use serde_json::{Value, json};
use tenancy::TenantTx;
use tokio::sync::Notify;
use values::{ActorId, Note};

/// A copy of one list: the records by their ids, and the time of the latest change.
struct Copy<'a> {
    business: &'a Business<'a>,
    list: &'static str,
    records: BTreeMap<String, Value>,
    since: String,
}

impl<'a> Copy<'a> {
    fn of(business: &'a Business<'a>, list: &'static str) -> Self {
        Self { business, list, records: BTreeMap::new(), since: "2000-01-01T00:00:00Z".to_owned() }
    }

    /// Reads what changed, page by page, as the guide says.
    async fn catch_up(&mut self) {
        let mut cursor = String::new();
        loop {
            let path = format!("/api/v1/{}?limit=2&updatedSince={}{cursor}", self.list, self.since);
            let page = self.business.get(&path).await;
            assert_eq!(page.status, 200, "{page:?}");
            for record in page.body["data"].as_array().unwrap() {
                self.records.insert(record["id"].as_str().unwrap().to_owned(), record.clone());
            }
            match page.body["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        if let Some(latest) = self.records.values().map(|record| record["updatedAt"].as_str().unwrap()).max()
        {
            self.since = latest.to_owned();
        }
    }

    /// Catches up until the copy of a record has this version of a field.
    async fn until(&mut self, id: &str, field: &str, value: &Value) {
        for _ in 0..200 {
            self.catch_up().await;
            if self.records.get(id).is_some_and(|record| record[field] == *value) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the copy of {} does not get {field} = {value}: {:?}", self.list, self.records.get(id));
    }
}

#[tokio::test]
async fn a_copy_gets_new_changed_and_archived_records() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let product = acme.create_product(&a_product("BOLT")).await;
    let variant = product["variants"][0]["id"].clone();
    acme.adjust(&variant, "100").await;
    let order = json!({"lines": [{"variantId": variant, "quantity": "1"}]});
    let supplier = acme.post("/api/v1/suppliers", &json!({"name": "Supplier"})).await.body["id"].clone();
    let line = json!({"variantId": variant, "quantity": "1", "unitCost": "1"});
    let purchase = json!({"supplierId": supplier, "lines": [line]});
    let cases = [
        ("products", product.clone(), "name", json!({"name": "Other"})),
        ("products", acme.create_product(&a_product("NUT")).await, "archived", json!({"archived": true})),
        ("variants", json!({"id": variant}), "price", json!({"price": "7.00"})),
        (
            "customers",
            acme.submit("customers", &json!({"name": "Ann"})).await.body,
            "archived",
            json!({"archived": true}),
        ),
        (
            "suppliers",
            acme.submit("suppliers", &json!({"name": "Bo"})).await.body,
            "note",
            json!({"note": "new"}),
        ),
        ("orders", acme.submit("orders", &order).await.body, "note", json!({"note": "new"})),
        (
            "purchase-orders",
            acme.submit("purchase-orders", &purchase).await.body,
            "note",
            json!({"note": "new"}),
        ),
    ];
    let follow = async |(list, made, field, change): (&'static str, Value, &str, Value)| {
        let id = made["id"].as_str().unwrap();
        let mut copy = Copy::of(&acme, list);
        copy.until(id, "id", &made["id"]).await;
        let changed = acme.patch(&format!("/api/v1/{list}/{id}"), &change).await;
        assert_eq!(changed.status, 200, "{list}: {changed:?}");
        copy.until(id, field, &change[field]).await;
    };
    futures_util::future::join_all(cases.map(follow)).await;
}

/// A transaction that takes longer than the copy leaves out, and commits after later changes with its early
/// time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_commits_late_is_not_missed() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let make = async |name: &str| {
        acme.submit("customers", &json!({"name": name})).await.body["id"].as_str().unwrap().to_owned()
    };
    let (late, other) = (make("Late").await, make("Other").await);
    let database = app.database.pool(1);
    let note = CustomerChange { note: Some(Some(Note::parse("late").unwrap())), ..CustomerChange::default() };
    let id = late.parse::<CustomerId>().unwrap();
    let mut copy = Copy::of(&acme, "customers");
    let (begun, passed) = (Notify::new(), Notify::new());
    let slow = async {
        let work = async |tx: &TenantTx| {
            customer::update(tx, id, &note, ActorId::SYSTEM).await?;
            begun.notify_one();
            passed.notified().await;
            Ok::<_, CustomerError>(())
        };
        database.write(&acme.tenant.scope(), work).await.unwrap();
    };
    let others = async {
        begun.notified().await;
        let path = format!("/api/v1/customers/{other}");
        assert_eq!(acme.patch(&path, &json!({"note": "early"})).await.status, 200);
        // Three seconds: longer than the copy leaves out.
        for _ in 0..30 {
            copy.catch_up().await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        passed.notify_one();
    };
    futures_util::future::join(slow, others).await;
    copy.until(&other, "note", &json!("early")).await;
    copy.until(&late, "note", &json!("late")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_a_busy_list_misses_nothing() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut ids = Vec::new();
    for at in 0..6 {
        let made = acme.submit("customers", &json!({"name": format!("Customer {at}")})).await;
        ids.push(made.body["id"].as_str().unwrap().to_owned());
    }
    let mut copy = Copy::of(&acme, "customers");
    let writers = futures_util::future::join_all((0..4).map(|writer| {
        let (acme, ids) = (&acme, &ids);
        async move {
            for round in 0..40 {
                let path = format!("/api/v1/customers/{}", ids[(writer + round) % ids.len()]);
                let note = json!({"note": format!("{writer} {round}")});
                assert_eq!(acme.patch(&path, &note).await.status, 200);
            }
        }
    }));
    let reading = async {
        for _ in 0..60 {
            copy.catch_up().await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    futures_util::future::join(writers, reading).await;
    for id in &ids {
        let now = acme.get(&format!("/api/v1/customers/{id}")).await.body;
        copy.until(id, "note", &now["note"]).await;
    }
}

#[tokio::test]
async fn changes_come_without_filters() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for (query, parameter) in [
        ("updatedSince=yesterday", "updatedSince"),
        ("updatedSince=2026-01-01T00:00:00Z&q=bolt", "q"),
        ("updatedSince=2026-01-01T00:00:00Z&externalId=1", "updatedSince"),
        ("updatedSince=2026-01-01T00:00:00Z&cursor=abc", "cursor"),
    ] {
        let refused = acme.get(&format!("/api/v1/products?{query}")).await;
        assert_eq!((refused.status, refused.code()), (400, "invalid_query"), "{query}: {refused:?}");
        assert_eq!(refused.body["errors"][0]["parameter"], parameter, "{query}: {refused:?}");
    }
}
