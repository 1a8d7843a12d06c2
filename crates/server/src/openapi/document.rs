//! The OpenAPI document. It is collected from the routes, and completed in steps.

use std::sync::LazyLock;

use actix_web::App;
use actix_web::http::StatusCode;
use serde_json::{Map, Value, json};
use utoipa::openapi::OpenApi;
use utoipa_actix_web::AppExt;

use crate::http::codes::Code;
use crate::openapi::{examples, guides, headers, names, problems, schemas, webhooks};
use crate::routes;

/// The groups of routes, in the order in which a client needs them.
const TAGS: [(&str, &str); 18] = [
    ("auth", "Sign in, and read the signed-in user"),
    ("team", "The members of a business, their roles, and invitations"),
    ("access", "API keys and service accounts, with which programs work in a business"),
    ("catalogue", "Categories, products with their variants, barcodes, tax classes"),
    ("stock", "Stock levels, the ledger, adjustments, locations, transfers, stock counts"),
    ("orders", "Customers, and their orders, fulfilments and returns"),
    ("purchasing", "Suppliers, purchase orders, goods receipts"),
    ("insight", "The dashboard, low-stock alerts, reports"),
    ("business", "The settings, the audit log and the jobs of a business"),
    (
        "till",
        "Registers, shifts, sales, parked sales and offline sales, vouchers, the credit of customers, and \
         payments by mobile money",
    ),
    ("mobile-money", "Reports of the provider of mobile money, which only the provider sends"),
    ("events", "Changes in a business, live and from the last days"),
    ("webhooks", "Changes in a business, posted to the addresses of receivers"),
    ("webhook-messages", "The messages that a receiver gets"),
    (
        "sign-up",
        "People create businesses for themselves, on the host of the platform, if its operator allows it",
    ),
    ("platform", "For the staff of the platform, on its own host, such as admin.example.com"),
    ("provider", "Access tokens for programs, on the host id, such as id.example.com"),
    ("health", "Probes for load balancers, on every host"),
];

/// The methods that the API uses, in lower case, as the document has them.
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// The document of all routes.
pub fn document() -> Value {
    let (_, mut collected) = App::new().into_utoipa_app().configure(routes::configure).split_for_parts();
    webhooks::complete(&mut collected);
    let mut document = describe(&collected);
    schemas::complete(&mut document);
    names::complete(&mut document);
    headers::complete(&mut document);
    problems::complete(&mut document);
    examples::complete(&mut document);
    document
}

/// Adds what concerns the API as a whole, and the ways to sign in.
fn describe(collected: &OpenApi) -> Value {
    let mut document = json!(collected);
    document["info"] = json!({
        "title": "Tenantry",
        "version": env!("CARGO_PKG_VERSION"),
        "description": guides::text(),
        "license": {"name": "Apache License 2.0", "identifier": env!("CARGO_PKG_LICENSE")},
        "contact": {"name": "The operator of the installation"},
    });
    document["servers"] = servers();
    let tags = TAGS.iter().map(|(name, text)| json!({"name": name, "description": text}));
    document["tags"] = tags.collect();
    document["components"]["securitySchemes"] = json!({
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT, or an API key"},
        "cookie": {
            "type": "apiKey",
            "in": "cookie",
            "name": "__Host-tenantry-access",
            "description": "The session of a browser that signed in with cookies. Requests that change \
                something must come from a page of the same origin. Without https, on the own machine, the \
                name is tenantry-access",
        },
    });
    for (_, _, operation) in operations(&mut document) {
        // `security(())` marks the few that need no token.
        if operation.get("security").is_none() {
            operation.insert("security".to_owned(), json!([{"bearer": []}, {"cookie": []}]));
        }
        for (status, response) in object(&mut operation["responses"]) {
            if response["description"].as_str().is_none_or(str::is_empty) {
                response["description"] = json!(reason(status));
            }
        }
    }
    document
}

/// The hosts at which the API answers.
fn servers() -> Value {
    let domain = json!({"default": "tenantry.example", "description": "The base domain of the installation"});
    let business = json!({"default": "acme", "description": "The slug of the business"});
    json!([
        {"url": "/", "description": "The host that serves this document"},
        {
            "url": "https://{business}.{domain}",
            "description": "The host of a business",
            "variables": {"business": business, "domain": domain},
        },
        {
            "url": "https://app.{domain}/{business}",
            "description": "A business by its path, for requests with a token",
            "variables": {"business": business, "domain": domain},
        },
        {
            "url": "https://admin.{domain}",
            "description": "The platform, for its staff",
            "variables": {"domain": domain},
        },
        {
            "url": "https://id.{domain}",
            "description": "Sign-in for other programs",
            "variables": {"domain": domain},
        },
    ])
}

fn reason(status: &str) -> &'static str {
    let status = status.parse().ok().and_then(|status: u16| StatusCode::from_u16(status).ok());
    status.and_then(|status| status.canonical_reason()).unwrap_or_default()
}

/// Each operation with its method, in lower case, and the template of its path.
pub(super) fn operations(
    document: &mut Value,
) -> impl Iterator<Item = (&str, &str, &mut Map<String, Value>)> {
    object(&mut document["paths"]).flat_map(|(template, path)| {
        object(path)
            .filter(|(method, _)| METHODS.contains(method))
            .filter_map(move |(method, operation)| Some((method, template, operation.as_object_mut()?)))
    })
}

/// The members of an object; nothing for another value.
pub(super) fn object(value: &mut Value) -> impl Iterator<Item = (&str, &mut Value)> {
    value.as_object_mut().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

/// The document as servers send it, and the routes in it.
pub struct Published {
    /// The document as JSON.
    pub text: String,
    /// Methods and path templates of every route, such as `("GET", "/api/v1/products/{id}")`.
    pub routes: Vec<(String, String)>,
    document: Value,
}

impl Published {
    /// The operations that may answer with this code: method, path template and summary of each.
    pub fn operations_with(&self, code: Code) -> Vec<(String, &str, &str)> {
        let mut found = Vec::new();
        for (template, path) in self.document["paths"].as_object().into_iter().flatten() {
            for (method, operation) in path.as_object().into_iter().flatten() {
                let has_code =
                    operation["responses"].as_object().into_iter().flatten().any(|(_, response)| {
                        let shared = response["$ref"]
                            .as_str()
                            .and_then(|reference| self.document.pointer(reference.trim_start_matches('#')));
                        let codes = shared.unwrap_or(response)["x-codes"].as_array();
                        codes.into_iter().flatten().any(|listed| listed == code.as_str())
                    });
                if has_code {
                    let summary = operation["summary"].as_str().unwrap_or_default();
                    found.push((method.to_ascii_uppercase(), template.as_str(), summary));
                }
            }
        }
        found
    }
}

/// The document of this program. The first request for it, or for a path that does not exist, makes it.
pub static PUBLISHED: LazyLock<Published> = LazyLock::new(|| {
    let mut document = document();
    let text = document.to_string();
    let routes = operations(&mut document)
        .map(|(method, template, _)| (method.to_ascii_uppercase(), template.to_owned()))
        .collect();
    Published { text, routes, document }
});

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_operation_has_an_id_and_a_description_of_its_own() {
        let mut document = document();
        let (mut ids, mut count) = (HashSet::new(), 0);
        for (method, template, operation) in operations(&mut document) {
            let id = operation["operationId"].as_str().unwrap();
            assert!(
                id.chars().all(|c| c.is_ascii_alphabetic()) && id.starts_with(char::is_lowercase),
                "{id}"
            );
            for text in ["summary", "description"] {
                assert!(operation[text].as_str().is_some_and(|text| !text.is_empty()), "{method} {template}");
            }
            ids.insert(id.to_owned());
            count += 1;
        }
        assert_eq!(ids.len(), count);
    }

    fn collect_references(value: &Value, found: &mut HashSet<String>) {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(reference)) = fields.get("$ref") {
                    found.insert(reference.clone());
                }
                fields.values().for_each(|value| collect_references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|item| collect_references(item, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_to_a_component() {
        let document = document();
        let mut references = HashSet::new();
        collect_references(&document, &mut references);
        let dangling: Vec<_> = references
            .iter()
            .filter(|reference| document.pointer(reference.trim_start_matches('#')).is_none())
            .collect();
        assert!(references.len() > 100 && dangling.is_empty(), "{dangling:?}");
    }
}
