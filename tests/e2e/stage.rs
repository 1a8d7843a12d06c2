//! The businesses to which the examples of the API document are sent, each with one record of each kind.

use std::collections::BTreeMap;

use harness::till::{reported_payment, set_till_number};
use harness::{Business, Client, TestApp};
use serde_json::{Value, json};

/// Below these, an operation may change what other operations need, so it gets a business of its own.
const ALONE: [&str; 8] = [
    "/api/v1/platform",
    "/api/v1/auth",
    "/api/v1/business",
    "/api/v1/settings",
    "/api/v1/memberships",
    "/api/v1/roles",
    "/api/v1/second-factor-roles",
    "/api/v1/users",
];

/// A business with one record of each kind, and the ids of the records by the names of the fields for them.
pub struct Stage<'a> {
    pub business: Business<'a>,
    pub keys: BTreeMap<&'static str, Value>,
}

impl<'a> Stage<'a> {
    pub async fn set(app: &'a TestApp, slug: &str) -> Self {
        let business = app.tenant(slug).await;
        let mut stage = Self { business, keys: BTreeMap::new() };
        stage.make("parentId", "categories", json!({"name": "All"})).await;
        stage.make("categoryId", "categories", json!({"name": "Some"})).await;
        let rates = json!([{"name": "VAT", "percent": "16"}]);
        stage
            .make("taxClassId", "tax-classes", json!({"name": "Reduced", "inclusive": true, "rates": rates}))
            .await;
        let variants = json!([{"sku": "STAGE", "price": "1.00", "cost": "0.50", "barcodes": ["4006381333948"],
                               "reorderLevel": "5000", "options": {"Size": "S"}}]);
        let product =
            stage.make("productId", "products", json!({"name": "Thing", "variants": variants})).await;
        stage.keys.insert("variantId", product["variants"][0]["id"].clone());
        stage.keys.insert("code", json!("4006381333948"));
        stage.make("toLocationId", "locations", json!({"name": "Shed"})).await;
        let locations = stage.business.get("/api/v1/locations").await.body;
        let main =
            locations["data"].as_array().unwrap().iter().find(|place| place["name"] == "Main").unwrap();
        stage.keys.insert("locationId", main["id"].clone());
        stage.keys.insert("fromLocationId", main["id"].clone());
        stage.make("registerId", "registers", json!({"name": "Till", "series": "T1"})).await;
        let open = stage.make("open register", "registers", json!({"name": "Other", "series": "T2"})).await;
        let shift = json!({"registerId": open["id"], "openingFloat": "100"});
        stage.make("shift", "shifts", shift).await;
        stage.make("customerId", "customers", json!({"name": "Ann"})).await;
        stage.make("supplierId", "suppliers", json!({"name": "Bolts"})).await;
        stage.make("spare supplier", "suppliers", json!({"name": "Spare"})).await;
        let spare = json!({"name": "Spare", "variants": [{"sku": "SPARE", "price": "1.00"}]});
        stage.make("spare product", "products", spare).await;

        let variant = stage.keys["variantId"].clone();
        stage
            .make(
                "adjustment",
                "stock/adjustments",
                json!({"variantId": variant, "quantity": "1000", "reason": "found"}),
            )
            .await;
        let sale = json!({
            "registerId": open["id"], "lines": [{"variantId": variant, "quantity": "3"}],
            "payments": [{"method": "cash"}],
        });
        let sale = stage.make("sale", "sales", sale).await;
        stage.keys.insert("sale line", sale["lines"][0]["id"].clone());
        let parked = json!({
            "registerId": open["id"], "label": "Ann", "lines": [{"variantId": variant, "quantity": "1"}],
        });
        stage.make("parked", "parked-sales", parked).await;
        set_till_number(&stage.business, &format!("TILL-{}", slug.to_uppercase())).await;
        let request = json!({"registerId": open["id"], "phone": "+254712345600", "amount": "10"});
        stage.make("payment request", "payment-requests", request).await;
        let payment = reported_payment(app, &stage.business, "10").await;
        stage.keys.insert("mobile payment", payment);
        let offline = json!({
            "id": uuid::Uuid::now_v7(), "registerId": open["id"], "reference": "OFF-1",
            "soldAt": chrono::Utc::now(), "lines": [{"variantId": variant, "quantity": "1"}],
            "payments": [{"method": "cash"}], "total": "1.00",
        });
        stage.make("offline sale", "offline-sales", offline).await;
        stage.make("saved report", "saved-reports", json!({"name": "Stock", "report": "stock"})).await;
        let gift = json!([{"method": "cash", "amount": "5"}, {"method": "voucher", "amount": "-5"}]);
        let gift = json!({"registerId": open["id"], "payments": gift});
        let gift = stage.make("gift", "sales", gift).await;
        stage.keys.insert("voucher", gift["payments"][1]["voucherCode"].clone());
        let lines = json!([{"variantId": variant, "quantity": "10"}]);
        let corrected = json!({"variantId": variant, "unitCost": "0.55", "reason": "wrong"});
        stage.make("revaluation", "stock/revaluations", corrected).await;
        let reserved = stage.make("reserved", "orders", json!({"fulfil": false, "lines": lines})).await;
        let fulfilled = stage.make("fulfilled", "orders", json!({"fulfil": true, "lines": lines})).await;
        let (from, to) = (stage.keys["fromLocationId"].clone(), stage.keys["toLocationId"].clone());
        let transfer = json!({"fromLocationId": from, "toLocationId": to, "lines": lines});
        let transfer = stage.make("transfer", "stock/transfers", transfer).await;
        let count = stage.make("stock count", "stock/counts", json!({})).await;
        let lines = json!({"lines": [{"variantId": variant, "counted": "976"}]});
        let counted = stage.step(&count, "stock/counts", "lines", lines).await;
        stage.keys.insert("count line", counted["lines"][0]["id"].clone());
        let lines = json!([{"variantId": variant, "quantity": "100", "unitCost": "0.50"}]);
        let order =
            json!({"supplierId": stage.keys["supplierId"], "expectedOn": "2999-01-01", "lines": lines});
        stage.make("draft", "purchase-orders", order.clone()).await;
        let sent = stage.make("sent", "purchase-orders", order.clone()).await;
        stage.step(&sent, "purchase-orders", "send", json!({})).await;
        let partly = stage.make("partly", "purchase-orders", order).await;
        stage.step(&partly, "purchase-orders", "send", json!({})).await;
        let line = json!({"lineId": partly["lines"][0]["id"], "quantity": "1"});
        stage.step(&partly, "purchase-orders", "receipts", json!({"lines": [line]})).await;
        let price = json!({"variantId": variant, "cost": "0.50"});
        let supplier = json!({"id": stage.keys["supplierId"]});
        stage.step(&supplier, "suppliers", "prices", price).await;
        let back =
            json!({"reason": "x", "lines": [{"lineId": fulfilled["lines"][0]["id"], "quantity": "1"}]});
        stage.step(&fulfilled, "orders", "returns", back).await;
        for (document, name) in [
            (&reserved, "reserved line"),
            (&fulfilled, "fulfilled line"),
            (&transfer, "transfer line"),
            (&sent, "sent line"),
        ] {
            stage.keys.insert(name, document["lines"][0]["id"].clone());
        }
        stage
    }

    /// The path with the id of a member, or of the membership, whose account belongs to the business.
    pub async fn with_member(&self, path: &str) -> String {
        let member = json!({"username": "bea", "password": harness::PASSWORD, "roles": ["STAFF"]});
        let mut reply = self.business.post("/api/v1/users", &member).await;
        if reply.status == 409 {
            reply = self.business.get("/api/v1/users?q=bea").await;
            reply.body = reply.body["data"][0].clone();
        }
        let id = match path.contains("memberships/{id}") {
            true => &reply.body["memberships"][0]["id"],
            false => &reply.body["id"],
        };
        path.replace("{id}", id.as_str().unwrap_or_else(|| panic!("{path}: {reply:?}")))
    }

    /// The id of an invitation.
    pub async fn invite(&self) -> String {
        let new = json!({"email": "guest@acme.example", "roles": ["STAFF"]});
        let mut reply = self.business.post("/api/v1/invitations", &new).await;
        if reply.status == 409 {
            reply.body = self.business.get("/api/v1/invitations").await.body["data"][0].clone();
        }
        reply.body["id"].as_str().unwrap_or_else(|| panic!("{reply:?}")).to_owned()
    }

    pub async fn sign_in_member(&self) -> Client<'a> {
        self.with_member("{id}").await;
        let login = json!({"username": "bea", "password": harness::PASSWORD});
        let reply = self.business.post("/api/v1/auth/login", &login).await;
        self.business.with_token(reply.body["accessToken"].as_str())
    }

    async fn make(&mut self, name: &'static str, path: &str, body: Value) -> Value {
        let reply = self.business.submit(path, &body).await;
        assert_eq!(reply.status, 201, "{path}: {reply:?}");
        self.keys.insert(name, reply.body["id"].clone());
        reply.body
    }

    async fn step(&self, document: &Value, path: &str, step: &str, body: Value) -> Value {
        let path = format!("{path}/{}/{step}", document["id"].as_str().unwrap());
        let reply = self.business.submit(&path, &body).await;
        assert!(matches!(reply.status, 200 | 201), "{path}: {reply:?}");
        reply.body
    }

    /// The id for this path, and the line id for its body.
    pub fn subject(&self, method: &str, path: &str) -> (&Value, &Value) {
        let rest = path.trim_start_matches("/api/v1/");
        let (of, line) = match rest {
            rest if rest.starts_with("categories") => ("categoryId", "sent line"),
            // A record with documents under way cannot be archived.
            "products/{id}" if method == "DELETE" => ("spare product", "sent line"),
            "suppliers/{id}" if method == "DELETE" => ("spare supplier", "sent line"),
            rest if rest.starts_with("products") => ("productId", "sent line"),
            rest if rest.starts_with("variants") => ("variantId", "sent line"),
            rest if rest.starts_with("barcodes") || rest.starts_with("scans") => ("code", "sent line"),
            rest if rest.starts_with("tax-classes") => ("taxClassId", "sent line"),
            rest if rest.starts_with("locations") => ("toLocationId", "sent line"),
            rest if rest.starts_with("registers") => ("registerId", "sent line"),
            rest if rest.starts_with("shifts") => ("shift", "sent line"),
            rest if rest.starts_with("sales") => ("sale", "sale line"),
            rest if rest.starts_with("parked-sales") => ("parked", "sent line"),
            rest if rest.starts_with("payment-requests") => ("payment request", "sent line"),
            rest if rest.starts_with("mobile-payments") => ("mobile payment", "sent line"),
            rest if rest.starts_with("saved-reports") => ("saved report", "sent line"),
            rest if rest.starts_with("offline-sales") => ("offline sale", "sent line"),
            rest if rest.starts_with("vouchers") => ("voucher", "sent line"),
            rest if rest.starts_with("stock/adjustments") => ("adjustment", "sent line"),
            rest if rest.starts_with("stock/revaluations") => ("revaluation", "sent line"),
            rest if rest.starts_with("stock/transfers") => ("transfer", "transfer line"),
            rest if rest.starts_with("stock/counts") => ("stock count", "sent line"),
            rest if rest.starts_with("customers") => ("customerId", "sent line"),
            "orders/{id}/returns" | "orders/{id}/refunds" | "orders/{id}/exchanges" => {
                ("fulfilled", "fulfilled line")
            }
            rest if rest.starts_with("orders") => ("reserved", "reserved line"),
            rest if rest.starts_with("suppliers") => ("supplierId", "sent line"),
            "purchase-orders/{id}/close" => ("partly", "sent line"),
            "purchase-orders/{id}/receipts" if method == "GET" => ("partly", "sent line"),
            "purchase-orders/{id}/send" => ("draft", "sent line"),
            "purchase-orders/{id}" if method == "PATCH" => ("draft", "sent line"),
            _ => ("sent", "sent line"),
        };
        (&self.keys[of], &self.keys[line])
    }

    /// Replaces the ids in the example with ids of this business.
    pub fn fill_in(&self, example: &mut Value, line: &Value) {
        match example {
            Value::Object(fields) => {
                for (name, value) in fields {
                    match self.keys.get(name.as_str()) {
                        _ if name == "lineId" => *value = line.clone(),
                        Some(key) => *value = key.clone(),
                        None => self.fill_in(value, line),
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.fill_in(item, line)),
            _ => {}
        }
    }
}

/// The slug of the business that each operation is sent to. Operations on one kind of record have different
/// businesses, because one may change the record that the other needs. Those on different kinds share one.
pub fn slugs(operations: &[(String, &str, &Value)]) -> Vec<String> {
    let mut of_kind: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut slugs = Vec::new();
    for (number, (method, path, _)) in operations.iter().enumerate() {
        slugs.push(if method == "GET" {
            "looked-at".to_owned()
        } else if ALONE.iter().any(|below| path.starts_with(below)) {
            format!("stage-{number}")
        } else {
            let kind = path.trim_start_matches("/api/v1/").split('/').next().unwrap_or_default();
            // Both examples have the same SKU.
            let kind = if kind == "variants" { "products" } else { kind };
            let use_of_it = if method == "DELETE" { "deleted" } else { "changed" };
            let nth = of_kind.entry((use_of_it, kind)).or_default();
            *nth += 1;
            format!("{use_of_it}-{nth}")
        });
    }
    slugs
}
