//! The OpenAPI document: collected from the routes themselves, completed here.

use actix_web::App;
use actix_web::http::StatusCode;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::Type;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{ContentBuilder, Info, ObjectBuilder, OpenApi, PathItem, Ref, RefOr, ResponseBuilder};
use utoipa::{PartialSchema, ToSchema};
use utoipa_actix_web::AppExt;

use crate::http::problem::{FieldProblem, ProblemDocument};
use crate::openapi::examples;
use crate::routes;

/// The groups of routes, in the order in which one meets them.
const TAGS: [(&str, &str); 9] = [
    ("auth", "Sign in, and ask who one is"),
    ("catalogue", "Categories, products with their variants, barcodes"),
    ("stock", "Levels, the ledger of movements, adjustments"),
    ("orders", "Customers and their orders: placed, fulfilled, cancelled, returned"),
    ("purchasing", "Suppliers, orders to them, and the receipts of their goods"),
    ("insight", "Figures at a glance"),
    ("business", "What a business keeps about itself"),
    ("platform", "For the platform's own staff, on the host admin.<base domain>"),
    ("health", "For probes; on any host"),
];

/// The document of all routes.
pub fn document() -> OpenApi {
    let (_, collected) = App::new().into_utoipa_app().configure(routes::configure).split_for_parts();
    let mut document = complete(collected);
    examples::complete(&mut document);
    document
}

/// Adds what every operation shares: the bearer token, and problems as the answer to whatever goes wrong.
fn complete(mut document: OpenApi) -> OpenApi {
    let mut info = Info::new("Tenantry", env!("CARGO_PKG_VERSION"));
    info.description = Some(
        "Inventory and stock for shops. Each business answers at its own host; sign in there with POST \
         /api/v1/auth/login and send the token as `Authorization: Bearer ...`. Amounts are decimal strings, times are \
         UTC, errors are problem documents (RFC 9457)."
            .to_owned(),
    );
    document.info = info;
    let tag = |(name, text): &(&str, &str)| TagBuilder::new().name(*name).description(Some(*text)).build();
    document.tags = Some(TAGS.iter().map(tag).collect());
    let components = document.components.get_or_insert_default();
    components.schemas.insert("Problem".to_owned(), ProblemDocument::schema());
    components.schemas.insert(FieldProblem::name().into_owned(), FieldProblem::schema());
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    for (template, path) in &mut document.paths.paths {
        describe_headers(template, path);
        for operation in operations(path) {
            let problem = ResponseBuilder::new()
                .description("A problem")
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
                operation.security = Some(vec![SecurityRequirement::new("bearer", Vec::<String>::new())]);
            }
        }
    }
    document
}

/// The headers by which repetitions and other editors are told apart.
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
    if let Some(post) = &mut path.post {
        let parameters = post.parameters.get_or_insert_default();
        if !parameters.iter().any(|known| matches!(known, RefOr::T(known) if known.name == "Idempotency-Key"))
        {
            parameters.push(header("Idempotency-Key", "A new UUID, and the same one for a repetition"));
        }
    }
    for change in [&mut path.patch, &mut path.delete].into_iter().flatten() {
        let text = "The ETag that you were given; 412 when someone else has changed the row since";
        change.parameters.get_or_insert_default().push(header("If-Match", text));
    }
    // What can be changed has an ETag.
    if let (Some(get), Some(_)) = (&mut path.get, &path.patch) {
        let text = "An ETag that you have; 304 when nothing has changed";
        get.parameters.get_or_insert_default().push(header("If-None-Match", text));
        let unchanged = ResponseBuilder::new().description("Nothing has changed since").build();
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
