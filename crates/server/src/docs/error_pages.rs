//! The pages of error codes: a list, and a page for each code, to which `type` of a problem document leads.

use actix_web::http::header;
use actix_web::{HttpResponse, web};

use crate::docs::CONTENT_SECURITY_POLICY;
use crate::http::codes::Code;
use crate::http::problem::Problem;
use crate::openapi::document::PUBLISHED;

/// The list of all codes.
pub fn list() -> HttpResponse {
    let row = |code: &Code| {
        let (name, status, title, advice) =
            (code.as_str(), code.status().as_u16(), code.title(), code.advice());
        format!(
            "<tr><td><a href=\"/docs/errors/{name}\"><code>{name}</code></a></td><td>{status}</td>\
             <td>{title}</td><td>{advice}</td></tr>\n"
        )
    };
    let rows: String = Code::ALL.iter().map(row).collect();
    let content = format!(
        "<p>Every error is a problem document (RFC 9457). Match on <code>code</code>: a code keeps its name \
         and its status.</p>\n<table>\n\
         <tr><th>Code</th><th>Status</th><th>Meaning</th><th>What to do</th></tr>\n\
         {rows}</table>"
    );
    page("Error codes", &content)
}

/// The page of one code.
pub async fn one(code: web::Path<String>) -> Result<HttpResponse, Problem> {
    let code = Code::named(&code).ok_or_else(Problem::not_found)?;
    let (name, status) = (code.as_str(), code.status());
    let reason = status.canonical_reason().unwrap_or_default();
    let mut content = format!(
        "<p>{}</p>\n<p>Code <code>{name}</code>, status {} {reason}.</p>\n",
        code.advice(),
        status.as_u16()
    );
    let operations = PUBLISHED.operations_with(code);
    if operations.len() == PUBLISHED.routes.len() {
        content.push_str("<p>Every request may get this error.</p>\n");
    } else if !operations.is_empty() {
        content.push_str("<p>These requests may get this error:</p>\n<ul>\n");
        for (method, path, summary) in operations {
            content.push_str(&format!("<li><code>{method} {path}</code>: {summary}</li>\n"));
        }
        content.push_str("</ul>\n");
    }
    content.push_str("<p><a href=\"/docs/errors\">All error codes</a></p>");
    Ok(page(code.title(), &content))
}

/// A page without values from requests.
fn page(title: &str, content: &str) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY))
        .insert_header((header::CACHE_CONTROL, "public, max-age=300"))
        .body(include_str!("errors.html").replace("TITLE", title).replace("CONTENT", content))
}
