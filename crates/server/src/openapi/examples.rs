//! Examples for the OpenAPI document. They are made from the schemas, so every body has an example. A test
//! sends the examples of the requests, and compares the answers with the examples of the responses.

use serde_json::{Map, Value, json};

use crate::http::codes::Code;
use crate::openapi::document::{object, operations};

/// Gives every JSON body of the document an example.
pub fn complete(document: &mut Value) {
    let schemas = document["components"]["schemas"].clone();
    for (_, _, operation) in operations(document) {
        if let Some(request) = operation.get_mut("requestBody") {
            add(request, &Maker { schemas: &schemas, is_request: true });
        }
        for (_, response) in object(&mut operation["responses"]) {
            add(response, &Maker { schemas: &schemas, is_request: false });
        }
    }
}

/// Gives the contents of a request or response their examples.
fn add(body: &mut Value, maker: &Maker<'_>) {
    if body.get("content").is_none() {
        return;
    }
    for (_, content) in object(&mut body["content"]) {
        if content.get("example").is_none()
            && let Some(schema) = content.get("schema")
        {
            content["example"] = maker.make("", schema);
        }
    }
}

/// Fields that a client sends instead of other fields, or only to make a repeated request safe.
const LEFT_OUT_OF_REQUESTS: [&str; 2] = ["id", "reverses"];

/// The ends of the names of schemas of decimal strings.
const DECIMALS: [&str; 5] = ["Amount", "Money", "Quantity", "Percent", "ExchangeRate"];

struct Maker<'a> {
    schemas: &'a Value,
    is_request: bool,
}

impl Maker<'_> {
    /// The example for a field with this name and this schema.
    fn make(&self, name: &str, schema: &Value) -> Value {
        let several = schema["examples"].as_array().and_then(|examples| examples.first());
        if let Some(example) = schema.get("example").or(several) {
            return example.clone();
        }
        if let Some(reference) = schema["$ref"].as_str() {
            let of = reference.rsplit('/').next().unwrap_or_default();
            if DECIMALS.iter().any(|kind| of.ends_with(kind)) {
                return known(name).unwrap_or_else(|| json!("1"));
            }
            return self.make(name, &self.schemas[of]);
        }
        if let Some(parts) = schema["allOf"].as_array() {
            let objects = parts.iter().map(|part| self.make(name, part));
            let fields = objects.filter_map(|object| match object {
                Value::Object(fields) => Some(fields),
                _ => None,
            });
            return Value::Object(fields.flatten().collect());
        }
        for several in ["oneOf", "anyOf"] {
            let choices = schema[several].as_array().map(Vec::as_slice).unwrap_or_default();
            if let Some(first) = choices.iter().find(|choice| choice["type"] != "null") {
                return self.make(name, first);
            }
        }
        if let Some(word) = schema["enum"].as_array().and_then(|words| words.first()) {
            return word.clone();
        }
        let types = match &schema["type"] {
            Value::Array(types) => types.iter().find(|kind| *kind != "null").cloned().unwrap_or_default(),
            one => one.clone(),
        };
        match types.as_str() {
            Some("object") if schema["properties"].is_object() => self.make_object(&schema["properties"]),
            Some("object") if name == "total" => sum_of_a_report(),
            Some("array") => known(name).unwrap_or_else(|| json!([self.make("", &schema["items"])])),
            Some("boolean") => json!(false),
            Some("integer") => known(name).filter(Value::is_number).unwrap_or(json!(1)),
            Some("string") => match schema["format"].as_str() {
                Some("uuid") => json!("019a8c4e-7a10-7c3d-9f2b-6d5e4c3b2a10"),
                Some("date-time") => json!("2026-11-25T09:30:00Z"),
                Some("date") => json!("2026-12-01"),
                _ => known(name).unwrap_or_else(|| json!("Example")),
            },
            _ => known(name).unwrap_or_else(|| json!({})),
        }
    }

    fn make_object(&self, properties: &Value) -> Value {
        let mut object = Map::new();
        for (name, schema) in properties.as_object().into_iter().flatten() {
            if !(self.is_request && LEFT_OUT_OF_REQUESTS.contains(&name.as_str())) {
                object.insert(name.clone(), self.make(name, schema));
            }
        }
        Value::Object(object)
    }
}

/// The sum of a saved report on stock. An object whose fields depend on the report has no example of its own.
fn sum_of_a_report() -> Value {
    json!({"key": null, "name": null, "sku": null, "onHand": "978", "cost": "537.85", "value": "978.00"})
}

/// The example for a field with this name, if the schema has no example.
fn known(name: &str) -> Option<Value> {
    Some(match name {
        "accessToken" => json!("eyJhbGciOiJFZERTQSJ9..."),
        "actor" => json!("019a8c4e-7a10-7c3d-9f2b-6d5e4c3b2a10"),
        "device" => json!("Till 1"),
        "app" | "ownerApp" => json!("inventory"),
        "issuer" => json!("google"),
        "tenantSlug" | "slug" => json!("acme"),
        "name" => json!("Hex bolt"),
        "description" => json!("Zinc plated, DIN 933"),
        "sku" => json!("BOLT-M8"),
        "supplierSku" => json!("HB-M8-100"),
        "barcodes" => json!(["4006381333931"]),
        "options" => json!({"Size": "M8"}),
        "email" | "newEmail" => json!("ann@acme.example"),
        "address" => json!("1 Moi Avenue\nNairobi"),
        "legalName" => json!("Acme Trading Ltd"),
        "tradingName" => json!("Acme"),
        "ownerName" => json!("Ann Smith"),
        "taxNumber" => json!("P051234567A"),
        "tillNumber" => json!("522533"),
        "dayStartsAt" => json!("04:00"),
        "receiptHeader" => json!("Acme\n1 Moi Avenue"),
        "receiptFooter" => json!("Thank you!"),
        "cashRounding" => json!("0.05"),
        "phone" => json!("+254 700 000000"),
        "fullName" => json!("Ann Smith"),
        "locale" => json!("sw-KE"),
        "password" => json!("correct horse battery"),
        "note" => json!("Deliver before noon"),
        "reason" => json!("damaged"),
        "priceReason" => json!("scratched"),
        "deliveryNote" => json!("D-1001"),
        "reference" => json!("T-4711"),
        "price" | "listPrice" => json!("0.45"),
        "compareAtPrice" => json!("0.55"),
        "cost" | "unitCost" => json!("0.16"),
        "reorderLevel" | "minimumQuantity" => json!("200"),
        "quantity" | "counted" | "returned" | "cancelled" | "sentBack" => json!("1"),
        "onHand" | "ledger" | "balanceAfter" | "expected" => json!("980"),
        "reserved" | "promised" | "inTransit" => json!("20"),
        "available" => json!("960"),
        "received" | "fulfilled" | "open" => json!("5"),
        "difference" => json!("-1"),
        "subtotal" | "total" | "amountDue" => json!("11.60"),
        "discount" | "credited" | "refund" => json!("0.00"),
        "tax" | "amount" => json!("1.60"),
        "taxPercent" => json!("16"),
        "overReceiptPercent" => json!("5"),
        "discountLimitPercent" => json!("10"),
        "leadTimeDays" => json!(7),
        "maxTransactions" => json!(5),
        "statementTimeoutMs" => json!(5000),
        "warnings" => json!(["the check digit of 4006381333930 should be 1; check the barcode"]),
        "changes" => json!({"price": {"from": "0.45", "to": "0.49"}}),
        "file" => json!("backups/acme-20261125T093000Z.tenantry"),
        "sha256" => json!("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"),
        "failure" => json!("stock_movements: 1 row differs"),
        "message" => json!("only 3 units of the line are left"),
        "pointer" => json!("/lines/0/quantity"),
        "code" => json!(Code::InsufficientStock),
        "detail" => json!("There is not enough stock; see shortages."),
        "instance" => json!("/api/v1/orders"),
        "requestId" => json!("019a8c4e-7a10-7c3d-9f2b-6d5e4c3b2a10"),
        "title" => json!(Code::InsufficientStock.title()),
        "type" => json!(Code::InsufficientStock.address()),
        "status" => json!(409),
        "nextCursor" => json!("AZqMTnoQfD2fK21eTDsqEA"),
        "permissions" => json!(["catalogue.read", "orders.place"]),
        "roles" => json!(["OWNER"]),
        "adjustmentReasons" => json!(["damaged", "lost", "found"]),
        "labelPatterns" => json!(["21IIIIIQQ.QQQC", "22IIIIIAAA.AAC"]),
        "corsOrigins" => json!(["https://shop.example.com"]),
        "currencyDecimals" => json!(2),
        "fiscalYearStartsIn" => json!(1),
        "result" => json!({"verified": 12}),
        "details" => json!({"slug": "acme"}),
        "schemas" => json!(["business_7"]),
        "primaryHost" => json!("shop.acme.example"),
        "value" => json!("978.00"),
        "currency" => json!("EUR"),
        "timeZone" => json!("Africa/Nairobi"),
        "host" => json!("shop.acme.example"),
        "tags" => json!(["new", "outdoor"]),
        "percent" => json!("16"),
        "parentId" => json!("019a8c4e-7a10-7c3d-9f2b-6d5e4c3b2a10"),
        _ => return None,
    })
}
