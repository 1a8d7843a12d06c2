//! The errors of each operation: its statuses, with the codes that it can answer.
//!
//! Codes that follow from the form of an operation, such as from a body or a required permission, are added
//! here. [`own_problems`] has the others. The tests record each error that a server answers, and
//! `scripts/test` fails if the document lacks one.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::http::codes::Code;
use crate::openapi::document::operations;
use crate::openapi::headers::{is_of_a_business, parameter};
use crate::openapi::own_problems;

/// Adds the errors.
pub fn complete(document: &mut Value) {
    document["components"]["responses"] = components();
    let schemas = document["components"]["schemas"].clone();
    for (method, template, operation) in operations(document) {
        let own = own_problems::of(operation["operationId"].as_str().unwrap_or_default());
        let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
        // Codes of its own come first: they say most about the operation.
        let of_the_body = operation.get("requestBody").map(|body| of_the_values(body, &schemas));
        let of_the_form = of_the_form(method, template, operation);
        for code in own.iter().copied().chain(of_the_form).chain(of_the_body.unwrap_or_default()) {
            let codes = by_status.entry(code.status().as_u16()).or_default();
            if !codes.contains(&code) {
                codes.push(code);
            }
        }
        for (status, codes) in by_status {
            let shared = SHARED.iter().find(|shared| shared.codes == codes);
            operation["responses"][status.to_string()] = match shared {
                Some(shared) => json!({"$ref": format!("#/components/responses/{}", shared.name)}),
                None => response(&codes, template),
            };
        }
    }
}

/// An error that many operations answer in the same way.
struct Shared {
    name: &'static str,
    codes: &'static [Code],
}

/// The codes of a caller without a valid token.
const NO_TOKEN: &[Code] = &[
    Code::TokenMissing,
    Code::TokenInvalid,
    Code::TokenExpired,
    Code::TokenWrongBusiness,
    Code::TokenWrongApp,
    Code::ApiKeyInvalid,
    Code::SessionEnded,
    Code::RolesChanged,
    Code::StepUpRequired,
];

/// The codes of a caller whose token does not allow the operation.
const NO_ACCESS: &[Code] = &[
    Code::PermissionDenied,
    Code::AccountNotGranted,
    Code::PeopleOnly,
    Code::ImpersonationRefused,
    Code::PinSession,
    Code::SecondFactorToEnrol,
    Code::SecondFactorMissing,
];

/// The codes of a server or a business that cannot answer now.
const UNAVAILABLE: &[Code] = &[
    Code::Unavailable,
    Code::DeadlineExceeded,
    Code::BusinessInMaintenance,
    Code::BusinessBeingUpgraded,
    Code::BusinessChanged,
    Code::NewerRelease,
    Code::DatabaseUnavailable,
    Code::ShuttingDown,
];

const SHARED: [Shared; 8] = [
    Shared { name: "Unauthorized", codes: NO_TOKEN },
    Shared { name: "BodyTimeout", codes: &[Code::BodyTimeout] },
    Shared { name: "BusinessArchived", codes: &[Code::BusinessArchived] },
    Shared { name: "BodyTooLarge", codes: &[Code::BodyTooLarge] },
    Shared { name: "UnsupportedMediaType", codes: &[Code::UnsupportedMediaType] },
    Shared { name: "TooManyRequests", codes: &[Code::RateLimited, Code::BusinessBusy] },
    Shared { name: "InternalError", codes: &[Code::Internal] },
    Shared { name: "Unavailable", codes: UNAVAILABLE },
];

fn components() -> Value {
    let named = |shared: &Shared| (shared.name.to_owned(), response(shared.codes, "/api/v1/orders"));
    Value::Object(SHARED.iter().map(named).collect())
}

/// The codes that follow from what an operation reads, and from who may call it.
fn of_the_form(method: &str, template: &str, operation: &Map<String, Value>) -> Vec<Code> {
    let mut codes = vec![Code::Internal, Code::RateLimited, Code::BusinessBusy];
    codes.extend(UNAVAILABLE);
    codes.extend([Code::Malformed, Code::UriTooLong, Code::HeadersTooLarge]);
    if template.starts_with("/api/") {
        // A path of the platform is not found on the host of a business, and the other way round.
        codes.extend([Code::InvalidHost, Code::InvalidQuery, Code::UnknownHost, Code::NotFound]);
    }
    if is_of_a_business(template) {
        codes.extend([Code::BusinessSuspended, Code::BusinessArchived]);
    }
    let parameters = operation.get("parameters").and_then(Value::as_array);
    if parameters.into_iter().flatten().any(|parameter| parameter["in"] == "path") {
        codes.push(Code::InvalidPath);
    }
    let is_open =
        operation["security"].as_array().is_some_and(|ways| ways.iter().all(|way| way == &json!({})));
    if !is_open {
        codes.extend(NO_TOKEN);
        codes.extend(NO_ACCESS);
    }
    if method != "get" {
        codes.extend([Code::OriginNotAllowed, Code::CrossOrigin]);
    }
    if let Some(body) = operation.get("requestBody") {
        codes.extend([Code::MalformedBody, Code::BodyTimeout, Code::BodyTooLarge]);
        if body["content"].get("application/json").is_some() {
            codes.extend([Code::UnsupportedMediaType, Code::MalformedJson]);
            codes.extend([Code::InvalidType, Code::DuplicateField]);
            codes.extend([Code::InvalidValue, Code::MissingField, Code::UnknownField]);
        }
    }
    if parameter(operation, "If-Match").is_some() {
        codes.push(Code::Stale);
    }
    if let Some(key) = parameter(operation, "Idempotency-Key") {
        codes.extend([Code::IdempotencyKeyInvalid, Code::IdempotencyKeyReused, Code::RequestInProgress]);
        if key["required"] == true {
            codes.push(Code::IdempotencyKeyRequired);
        }
    }
    codes
}

/// The codes of values in a body that have the right type and break a rule.
fn of_the_values(body: &Value, schemas: &Value) -> Vec<Code> {
    let (mut names, mut has_integers) = (BTreeSet::new(), false);
    collect(body, schemas, &mut names, &mut has_integers);
    let has = |start: &str| names.iter().any(|name| name.starts_with(start));
    let rules = [
        (has("Positive"), Code::NotPositive),
        (has("NonNegative"), Code::Negative),
        (names.contains("Day"), Code::InvalidDay),
        (names.contains("DiscountText"), Code::InvalidDiscount),
        (names.contains("TimeZone"), Code::UnknownTimeZone),
        (names.contains("ExternalId"), Code::ExternalIdInUse),
        (names.contains("ExternalId"), Code::ExternalIdMissing),
        (names.contains("MetadataPatch"), Code::TooMuchMetadata),
        (has_integers, Code::OutOfRange),
    ];
    rules.into_iter().filter(|(applies, _)| *applies).map(|(_, code)| code).collect()
}

/// The names of all schemas to which `value` leads, and whether one of them is an integer.
fn collect(value: &Value, schemas: &Value, names: &mut BTreeSet<String>, has_integers: &mut bool) {
    match value {
        Value::Object(fields) => {
            *has_integers |= fields.get("type").is_some_and(|kind| kind.to_string().contains("integer"));
            let name = fields.get("$ref").and_then(Value::as_str).and_then(|name| name.rsplit('/').next());
            if let Some(name) = name
                && names.insert(name.to_owned())
            {
                collect(&schemas[name], schemas, names, has_integers);
            }
            fields.values().for_each(|value| collect(value, schemas, names, has_integers));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, schemas, names, has_integers)),
        _ => {}
    }
}

/// The description of a problem with one of the codes, all of which have the same status.
fn response(codes: &[Code], template: &str) -> Value {
    let Some(first) = codes.first() else { return Value::Null };
    let status = first.status();
    let names: Vec<String> = codes.iter().map(|code| format!("`{}`", code.as_str())).collect();
    let reason = status.canonical_reason().unwrap_or_default();
    let description = format!("{reason}: {}", names.join(", "));
    let mut headers = json!({"X-Request-Id": {"$ref": "#/components/headers/RequestId"}});
    match status.as_u16() {
        401 => headers["WWW-Authenticate"] = json!({"$ref": "#/components/headers/WwwAuthenticate"}),
        429 | 503 => headers["Retry-After"] = json!({"$ref": "#/components/headers/RetryAfter"}),
        _ => {}
    }
    json!({
        "description": description,
        "headers": headers,
        "content": {
            "application/problem+json": {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "example": example(*first, template),
            },
        },
        "x-codes": codes,
    })
}

const ID: &str = "019a8c4e-7a10-7c3d-9f2b-6d5e4c3b2a10";

/// A problem with this code, as the operation at this path answers it.
fn example(code: Code, template: &str) -> Value {
    let mut parts: Vec<&str> = Vec::new();
    for part in template.split('/') {
        parts.push(if part.starts_with('{') { ID } else { part });
    }
    let mut example = json!({
        "type": code.address(),
        "title": code.title(),
        "status": code.status().as_u16(),
        "code": code,
        "detail": code.advice(),
        "instance": parts.join("/"),
        "requestId": ID,
    });
    if code == Code::InsufficientStock {
        example["shortages"] =
            json!([{"variantId": ID, "locationId": ID, "requested": "5", "available": "3"}]);
    }
    example
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openapi::document::{document, object};

    #[test]
    fn each_operation_has_its_errors() {
        let mut document = document();
        let mut count = 0;
        for (method, template, operation) in operations(&mut document) {
            assert!(operation["responses"].get("500").is_some(), "{method} {template}");
            assert!(operation["responses"].get("default").is_none(), "{method} {template}");
            for (status, response) in object(&mut operation["responses"]) {
                for code in response["x-codes"].as_array().into_iter().flatten() {
                    let code = Code::named(code.as_str().unwrap()).unwrap();
                    assert_eq!(code.status().as_str(), status, "{method} {template}");
                    count += 1;
                }
            }
        }
        assert!(count > 1000);
    }
}
