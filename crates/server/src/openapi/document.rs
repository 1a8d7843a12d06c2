//! The OpenAPI document. It is collected from the routes, and completed here.

use actix_web::App;
use actix_web::http::StatusCode;
use identity::auth_event::AuthAction;
use insight::adjustment_report::AdjustedBy;
use insight::payment_report::PaymentsBy;
use insight::sales_report::SalesBy;
use insight::stock_report::StockBy;
use inventory::alert::AlertState;
use inventory::order::Owing;
use tenancy::HostName;
use tenancy::jobs::JobState;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::Type;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    ContentBuilder, Info, ObjectBuilder, OpenApi, PathItem, Ref, RefOr, ResponseBuilder, Schema,
};
use utoipa::{PartialSchema, ToSchema};
use utoipa_actix_web::AppExt;
use values::{Barcode, Cursor, Limit, Moment, ProductTag};

use crate::http::codes::Code;
use crate::http::csv::Format;
use crate::http::problem::{FieldProblem, ProblemDocument};
use crate::openapi::{examples, webhooks};
use crate::routes;
use crate::routes::insight::reports::{Compare, ReportFormat};

/// The groups of routes, in the order in which a client needs them.
const TAGS: [(&str, &str); 17] = [
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
    (
        "sign-up",
        "People create businesses for themselves, on the host of the platform, if its operator allows it",
    ),
    ("platform", "For the staff of the platform, on its own host, such as admin.example.com"),
    ("provider", "Access tokens for programs, on the host id, such as id.example.com"),
    ("health", "Probes for load balancers, on every host"),
];

/// The document of all routes.
pub fn document() -> OpenApi {
    let (_, collected) = App::new().into_utoipa_app().configure(routes::configure).split_for_parts();
    let mut document = complete(collected);
    webhooks::complete(&mut document);
    examples::complete(&mut document);
    document
}

/// Adds the parts that all operations share: the bearer token, the headers, and problems as the answer to
/// every error.
fn complete(mut document: OpenApi) -> OpenApi {
    let mut info = Info::new("Tenantry", env!("CARGO_PKG_VERSION"));
    info.description = Some(
        "A backend for shops: catalogue, stock, orders, purchasing and reports. Each business has its own \
         host. Sign in on that host with POST /api/v1/auth/login, and send the token in the header \
         `Authorization: Bearer TOKEN`. A program sends an API key of the business in the same way. \
         Amounts and quantities are decimal strings, such as \"12.50\". \
         Amounts are in the currency of the business, and quantities in sale units. Times are in UTC. A list \
         is read page by page: send nextCursor as the parameter cursor. Errors are problem documents (RFC \
         9457). /docs/errors lists the error codes."
            .to_owned(),
    );
    document.info = info;
    let tag = |(name, text): &(&str, &str)| TagBuilder::new().name(*name).description(Some(*text)).build();
    document.tags = Some(TAGS.iter().map(tag).collect());
    let components = document.components.get_or_insert_default();
    components.schemas.insert("Problem".to_owned(), ProblemDocument::schema());
    components.schemas.insert(FieldProblem::name().into_owned(), FieldProblem::schema());
    components.schemas.extend(schemas_beyond_bodies());
    let bearer =
        HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT, or an API key").build();
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    let text = "The session of a browser that signed in with cookies. Requests that change something must \
                come from a page of the same origin. Without https, on the own machine, the name is \
                tenantry-access";
    let cookie = ApiKeyValue::with_description("__Host-tenantry-access", text);
    components.add_security_scheme("cookie", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    for (template, path) in &mut document.paths.paths {
        describe_headers(template, path);
        for operation in operations(path) {
            let problem = ResponseBuilder::new()
                .description("An error. /docs/errors lists the codes")
                .content(
                    "application/problem+json",
                    ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build(),
                )
                .build();
            for (status, response) in &mut operation.responses.responses {
                if let RefOr::T(response) = response
                    && response.description.is_empty()
                {
                    let status: u16 = status.parse().unwrap_or_default();
                    response.description = match StatusCode::from_u16(status) {
                        Ok(status) => status.canonical_reason().unwrap_or_default().to_owned(),
                        Err(_) => String::new(),
                    };
                }
            }
            operation.responses.responses.insert("default".to_owned(), problem.into());
            // `security(())` marks the few that need no token.
            if operation.security.is_none() {
                let scheme = |name| SecurityRequirement::new(name, Vec::<String>::new());
                operation.security = Some(vec![scheme("bearer"), scheme("cookie")]);
            }
        }
    }
    document
}

/// The schemas that only parameters and problems refer to. utoipa collects those of bodies itself.
fn schemas_beyond_bodies() -> Vec<(String, RefOr<Schema>)> {
    fn of<T: ToSchema>() -> (String, RefOr<Schema>) {
        (T::name().into_owned(), T::schema())
    }
    vec![
        of::<AlertState>(),
        of::<AuthAction>(),
        of::<Barcode>(),
        of::<Code>(),
        of::<Cursor>(),
        of::<Format>(),
        of::<HostName>(),
        of::<JobState>(),
        of::<Limit>(),
        of::<Moment>(),
        of::<ProductTag>(),
        of::<Owing>(),
        of::<AdjustedBy>(),
        of::<Compare>(),
        of::<PaymentsBy>(),
        of::<ReportFormat>(),
        of::<SalesBy>(),
        of::<StockBy>(),
    ]
}

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

/// Whether the operation belongs to members and programs. Their responses may contain secrets, so none is
/// kept for a repeated request.
fn makes_secrets_or_members(operation: &Operation) -> bool {
    operation.tags.iter().flatten().any(|tag| matches!(tag.as_str(), "team" | "access" | "webhooks"))
}

/// The headers that make repeated requests safe and detect changes by others.
fn describe_headers(template: &str, path: &mut PathItem) {
    let header = |name: &str, text: &str| -> RefOr<Parameter> {
        ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Header)
            .description(Some(text))
            .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
            .build()
            .into()
    };
    let is_of_a_business = template.starts_with("/api/v1/")
        && !template.starts_with("/api/v1/platform/")
        && !template.starts_with("/api/v1/auth/");
    if !is_of_a_business {
        return;
    }
    if let Some(post) = path.post.as_mut().filter(|post| !makes_secrets_or_members(post)) {
        let parameters = post.parameters.get_or_insert_default();
        if !parameters.iter().any(|known| matches!(known, RefOr::T(known) if known.name == "Idempotency-Key"))
        {
            let text = "A new UUID. Send the same key when you repeat the request, so that it takes effect \
                        only once. The server keeps a key for at least 7 days.";
            parameters.push(header("Idempotency-Key", text));
        }
    }
    let is_checked = !UNCHECKED.contains(&template);
    for change in [&mut path.patch, &mut path.delete].into_iter().flatten().filter(|_| is_checked) {
        let text = "The ETag of the last response. If another request has changed the resource, the answer \
                    is 412. Without this header, the request is not checked.";
        change.parameters.get_or_insert_default().push(header("If-Match", text));
    }
    // A resource that can be changed has an ETag.
    if let (Some(get), Some(_)) = (&mut path.get, &path.patch)
        && !MOVING.contains(&template)
    {
        let text = "The ETag of an earlier response. If the resource has not changed, the answer is 304.";
        get.parameters.get_or_insert_default().push(header("If-None-Match", text));
        let unchanged = ResponseBuilder::new().description("The resource has not changed").build();
        get.responses.responses.insert("304".to_owned(), unchanged.into());
    }
}

pub(crate) fn operations(path: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut path.get, &mut path.post, &mut path.put, &mut path.patch, &mut path.delete].into_iter().flatten()
}

/// Methods and path templates of every route, such as `("GET", "/api/v1/products/{id}")`.
pub fn routes(document: &OpenApi) -> Vec<(&'static str, String)> {
    let mut routes = Vec::new();
    for (template, path) in &document.paths.paths {
        let methods = [
            ("GET", &path.get),
            ("POST", &path.post),
            ("PUT", &path.put),
            ("PATCH", &path.patch),
            ("DELETE", &path.delete),
        ];
        let known = methods.into_iter().filter(|(_, operation)| operation.is_some());
        routes.extend(known.map(|(method, _)| (method, template.clone())));
    }
    routes
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn each_operation_has_an_id_of_its_own() {
        let mut document = document();
        let operations: Vec<_> = document.paths.paths.values_mut().flat_map(operations).collect();
        let ids: HashSet<_> = operations
            .iter()
            .map(|operation| operation.operation_id.clone().unwrap_or_default())
            .filter(|id| id.chars().all(|c| c.is_ascii_alphabetic()) && id.starts_with(char::is_lowercase))
            .collect();
        assert_eq!(ids.len(), operations.len());
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
    fn every_reference_leads_to_a_schema() {
        let document = json!(document());
        let mut references = HashSet::new();
        collect_references(&document, &mut references);
        let schemas = &document["components"]["schemas"];
        let dangling: Vec<_> = references
            .iter()
            .filter(|reference| schemas[reference.trim_start_matches("#/components/schemas/")].is_null())
            .collect();
        assert!(references.len() > 100 && dangling.is_empty(), "{dangling:?}");
    }
}
