//! The answer to a request that no handler takes: another method of a known path, OPTIONS, a trailing slash,
//! or an unknown path.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use actix_web::dev::ResourceDef;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};

use crate::docs;
use crate::http::codes::Code;
use crate::http::problem::Problem;
use crate::openapi::document::PUBLISHED;

/// The methods of each path, as in the header Allow.
static METHODS: LazyLock<Vec<(ResourceDef, String)>> = LazyLock::new(|| {
    let mut by_path: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (method, path) in &PUBLISHED.routes {
        by_path.entry(path).or_default().push(method);
    }
    for path in docs::PATHS {
        by_path.entry(path).or_default().push("GET");
    }
    by_path.into_iter().map(|(path, methods)| (ResourceDef::new(path), allowed(methods))).collect()
});

/// HEAD is answered wherever GET is, and OPTIONS everywhere.
fn allowed(mut methods: Vec<&str>) -> String {
    if let Some(at) = methods.iter().position(|method| *method == "GET") {
        methods.insert(at + 1, "HEAD");
    }
    methods.push("OPTIONS");
    methods.join(", ")
}

fn methods_of(path: &str) -> Option<&'static str> {
    METHODS.iter().find(|(known, _)| known.is_match(path)).map(|(_, methods)| methods.as_str())
}

/// Answers the request.
///
/// # Errors
/// [`Problem`] 404 for an unknown path, 405 for a method that the path does not have.
pub async fn answer(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let path = request.path();
    let Some(methods) = methods_of(path) else {
        let shorter = path.strip_suffix('/').filter(|shorter| methods_of(shorter).is_some());
        return match shorter {
            Some(shorter) => Ok(moved(shorter, request.query_string())),
            None => {
                let detail = "The API has no such path. /docs lists all paths.";
                Err(Problem::new(Code::RouteNotFound, detail))
            }
        };
    };
    let allow = (header::ALLOW, HeaderValue::from_static(methods));
    if request.method() == Method::OPTIONS {
        return Ok(HttpResponse::NoContent().insert_header(allow).finish());
    }
    let detail = format!("This path supports only {methods}.");
    Err(Problem::new(Code::MethodNotAllowed, detail).header(allow.0, allow.1))
}

/// Leads to the path without its trailing slash. The client repeats the same method and body there.
fn moved(path: &str, query: &str) -> HttpResponse {
    let address = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
    HttpResponse::PermanentRedirect().insert_header((header::LOCATION, address)).finish()
}
