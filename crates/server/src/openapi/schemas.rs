//! Schemas that utoipa does not collect: those of problems, and those that only parameters refer to.

use identity::auth_event::AuthAction;
use insight::adjustment_report::AdjustedBy;
use insight::payment_report::PaymentsBy;
use insight::sales_report::SalesBy;
use insight::stock_report::StockBy;
use inventory::alert::AlertState;
use inventory::counter::Counter;
use inventory::order::Owing;
use serde_json::{Value, json};
use tenancy::HostName;
use tenancy::jobs::JobState;
use utoipa::{PartialSchema as _, ToSchema};
use values::{AnyId, Barcode, Cursor, Day, Limit, Moment, ProductTag, SearchQuery};

use crate::http::client::ClientAddress;
use crate::http::codes::Code;
use crate::http::csv::Format;
use crate::http::own_keys::OwnKeysView;
use crate::http::problem::{FieldProblem, ProblemDocument};
use crate::http::problem_members::{DocumentUnderWay, Members, NeededApproval, Shortage, StockLeft};
use crate::http::submission::IdempotencyKey;
use crate::openapi::document::object;
use crate::routes::insight::reports::{Compare, ReportFormat};

/// Adds the schemas.
pub fn complete(document: &mut Value) {
    let schemas = &mut document["components"]["schemas"];
    let mut add = |(name, schema): (String, Value)| schemas[name] = schema;
    fn of<T: ToSchema>() -> (String, Value) {
        (T::name().into_owned(), json!(T::schema()))
    }
    add(of::<ProblemDocument>());
    add(of::<FieldProblem>());
    add(of::<Code>());
    add(of::<IdempotencyKey>());
    add(of::<AlertState>());
    add(of::<AuthAction>());
    add(of::<AnyId>());
    add(of::<Barcode>());
    add(of::<ClientAddress>());
    add(of::<Cursor>());
    add(of::<Day>());
    add(of::<Format>());
    add(of::<HostName>());
    add(of::<JobState>());
    add(of::<Limit>());
    add(of::<Moment>());
    add(of::<ProductTag>());
    add(of::<SearchQuery>());
    add(of::<Owing>());
    add(of::<AdjustedBy>());
    add(of::<Compare>());
    add(of::<PaymentsBy>());
    add(of::<ReportFormat>());
    add(of::<SalesBy>());
    add(of::<StockBy>());
    add(of::<Shortage>());
    add(of::<StockLeft>());
    add(of::<DocumentUnderWay>());
    add(of::<Counter>());
    add(of::<NeededApproval>());
    // A problem has the members of its code beside its own.
    let mut members = json!(Members::schema());
    for (name, member) in object(&mut members["properties"]) {
        schemas["Problem"]["properties"][name] = member.take();
    }
    flatten(schemas);
}

/// Joins the parts of each object of several parts. A part that allows no other fields would forbid those of
/// the other parts, and generators make clearer classes of one part.
fn flatten(schemas: &mut Value) {
    let all = schemas.clone();
    join_parts(schemas, &all);
    // The fields of this part stand in each record now, and nothing else refers to it.
    if let Some(schemas) = schemas.as_object_mut() {
        schemas.remove(&*OwnKeysView::name());
    }
}

fn join_parts(schema: &mut Value, all: &Value) {
    match schema {
        Value::Object(fields) => fields.values_mut().for_each(|value| join_parts(value, all)),
        Value::Array(items) => items.iter_mut().for_each(|item| join_parts(item, all)),
        _ => {}
    }
    let Some(mut whole) = schema.as_object().cloned() else { return };
    let Some(Value::Array(parts)) = whole.remove("allOf") else { return };
    let mut whole = Value::Object(whole);
    whole["type"] = json!("object");
    let mut required = Vec::new();
    for mut part in parts.into_iter().map(|part| resolved(part, all)) {
        join_parts(&mut part, all);
        // A part that may be absent: none of its fields is required.
        let (options, is_optional) = match part["oneOf"].take() {
            Value::Array(options) => {
                (options.into_iter().map(|option| resolved(option, all)).collect(), true)
            }
            _ => (vec![part], false),
        };
        for mut option in options {
            for (field, property) in object(&mut option["properties"]) {
                whole["properties"][field] = property.take();
            }
            if let Value::Array(names) = option["required"].take()
                && !is_optional
            {
                required.extend(names);
            }
        }
    }
    if !required.is_empty() {
        whole["required"] = json!(required);
    }
    *schema = whole;
}

/// The schema to which a reference leads; another schema itself.
fn resolved(schema: Value, all: &Value) -> Value {
    match schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
        Some(name) => all[name].clone(),
        None => schema,
    }
}
