//! The headers of requests and responses that many operations share.

use serde_json::{Map, Value, json};

use crate::http::deprecations::Deprecation;
use crate::openapi::document::{object, operations};

/// Paths whose records are removed, whatever others have changed.
const UNCHECKED: [&str; 7] = [
    "/api/v1/api-keys/{id}",
    "/api/v1/business/till-number",
    "/api/v1/invitations/{id}",
    "/api/v1/service-accounts/{slug}",
    "/api/v1/stock/counts/{id}/lines/{lineId}",
    "/api/v1/users/{id}/sessions",
    "/api/v1/webhooks/{id}/replays",
];

/// Paths whose records also change by themselves, so that their ETag does not cover all of a response.
const MOVING: [&str; 1] = ["/api/v1/webhooks/{id}"];

/// Adds the headers.
pub fn complete(document: &mut Value) {
    document["components"]["headers"] = components();
    document["components"]["schemas"]["EntityTags"] = json!({
        "type": "string",
        "example": "\"3\"",
        "description": "The ETag of an earlier response, with its quotes. Several are separated by commas.",
    });
    let changed: Vec<String> = operations(document)
        .filter(|(method, ..)| *method == "patch")
        .map(|(_, template, _)| template.to_owned())
        .collect();
    for (method, template, operation) in operations(document) {
        let of_a_business = is_of_a_business(template);
        if of_a_business && method == "post" && !makes_secrets_or_members(operation) {
            add_parameter(operation, "Idempotency-Key", "IdempotencyKey", REPEAT);
        }
        if of_a_business && ["patch", "delete"].contains(&method) && !UNCHECKED.contains(&template) {
            add_parameter(operation, "If-Match", "EntityTags", CHECK);
        }
        // A resource that can be changed has an ETag.
        let is_tagged = of_a_business && method == "get" && changed.iter().any(|path| path == template);
        if is_tagged && !MOVING.contains(&template) {
            add_parameter(operation, "If-None-Match", "EntityTags", COMPARE);
            operation["responses"]["304"] = json!({"description": "The resource has not changed"});
        }
        add_files(operation);
        let deprecation = Deprecation::of(template);
        if let Some(deprecation) = deprecation {
            operation.insert("deprecated".to_owned(), json!(true));
            operation.insert("x-sunset".to_owned(), json!(deprecation.last_day()));
        }
        let can_repeat = parameter(operation, "Idempotency-Key").is_some();
        let has_tag = is_tagged || ["post", "patch"].contains(&method) && can_repeat;
        for (status, response) in object(&mut operation["responses"]) {
            let mut add = |name: &str, component: &str| {
                response["headers"][name] = json!({"$ref": format!("#/components/headers/{component}")});
            };
            add("X-Request-Id", "RequestId");
            if deprecation.is_some() {
                add("Deprecation", "Deprecation");
                add("Sunset", "Sunset");
            }
            if status.starts_with('2') && of_a_business {
                add("RateLimit-Limit", "RateLimitLimit");
                add("RateLimit-Remaining", "RateLimitRemaining");
                add("RateLimit-Reset", "RateLimitReset");
            }
            if status == "201" && of_a_business {
                add("Location", "Location");
            }
            if status.starts_with('2') && can_repeat {
                add("Idempotent-Replayed", "IdempotentReplayed");
            }
            if (status.starts_with('2') || status == "304") && has_tag {
                add("ETag", "ETag");
            }
        }
    }
}

const REPEAT: &str = "A new UUID. Send the same key when you repeat the request, so that it takes effect \
                      only once. The server keeps a key for at least 7 days.";

const CHECK: &str = "The ETag of the last response. If another request has changed the resource, the answer \
                     is 412. Without this header, the request is not checked.";

const COMPARE: &str = "The ETag of an earlier response. If the resource has not changed, the answer is 304.";

fn components() -> Value {
    let header = |text: &str, schema: Value| json!({"description": text, "schema": schema});
    let text = |example: &str| json!({"type": "string", "example": example});
    let number = json!({"type": "integer", "minimum": 0});
    json!({
        "ETag": header(
            "The version of the resource. Send it in If-Match to change this version, or in If-None-Match \
             to ask for a newer one.",
            text("\"3\""),
        ),
        "Location": header(
            "The path of the new resource.",
            text("/api/v1/orders/019a8c4e-7a10-7c3d-9f2b-6d5e4c3b2a10"),
        ),
        "IdempotentReplayed": header(
            "true if an earlier request with the same Idempotency-Key took effect, and this is its answer.",
            json!({"type": "string", "enum": ["true"]}),
        ),
        "Deprecation": header(
            "The time since which the operation is deprecated (RFC 9745).",
            text("@1795824000"),
        ),
        "Sunset": header(
            "The time from which the operation may be gone (RFC 8594).",
            text("Mon, 01 Jan 2029 00:00:00 GMT"),
        ),
        "RateLimitLimit": header("The number of requests that may come at once.", number.clone()),
        "RateLimitRemaining": header("The number of requests that are left of them.", number.clone()),
        "RateLimitReset": header("The seconds after which all of them are available again.", number.clone()),
        "RetryAfter": header("The seconds to wait before the request is repeated.", number),
        "RequestId": header(
            "The id of the request: the one that was sent in this header, or a new one.",
            text("019a8c4e-7a10-7c3d-9f2b-6d5e4c3b2a10"),
        ),
        "WwwAuthenticate": header("The way to sign in (RFC 6750).", text("Bearer")),
    })
}

/// The media types of a report or a list that is also available as a file.
fn add_files(operation: &mut Map<String, Value>) {
    let Some(format) = parameter(operation, "format") else { return };
    let schema = format["schema"]["$ref"].as_str().unwrap_or_default();
    let (is_list, is_report) = (schema.ends_with("/ListFormat"), schema.ends_with("/ReportFormat"));
    let content = &mut operation["responses"]["200"]["content"];
    if is_list || is_report {
        content["text/csv"] = json!({"schema": {"type": "string"}});
    }
    if is_report {
        content["application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"] =
            json!({"schema": {"type": "string", "format": "binary"}});
    }
}

/// Whether the path belongs to the data of a business.
pub(super) fn is_of_a_business(template: &str) -> bool {
    template.starts_with("/api/v1/")
        && !template.starts_with("/api/v1/platform/")
        && !template.starts_with("/api/v1/auth/")
}

/// Whether the operation belongs to members and programs. Their responses may contain secrets, so none is
/// kept for a repeated request.
fn makes_secrets_or_members(operation: &Map<String, Value>) -> bool {
    let tags = operation["tags"].as_array().into_iter().flatten();
    tags.filter_map(Value::as_str).any(|tag| matches!(tag, "team" | "access" | "webhooks"))
}

/// The parameter of the operation with this name.
pub(super) fn parameter<'a>(operation: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let mut parameters = operation.get("parameters").and_then(Value::as_array).into_iter().flatten();
    parameters.find(|parameter| parameter["name"] == name)
}

fn add_parameter(operation: &mut Map<String, Value>, name: &str, schema: &str, text: &str) {
    if parameter(operation, name).is_some() {
        return;
    }
    let parameters = operation.entry("parameters").or_insert_with(|| json!([]));
    if let Value::Array(parameters) = parameters {
        parameters.push(json!({
            "name": name,
            "in": "header",
            "description": text,
            "required": false,
            "schema": {"$ref": format!("#/components/schemas/{schema}")},
        }));
    }
}
