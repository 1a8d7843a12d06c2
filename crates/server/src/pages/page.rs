//! A page from a template, with the headers that keep it safe.

use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, ContentType};
use minijinja::Environment;
use serde::Serialize;

/// The templates, by the names by which they include each other.
const TEMPLATES: [(&str, &str); 14] = [
    ("layout.html", include_str!("templates/layout.html")),
    ("sign_in.html", include_str!("templates/sign_in.html")),
    ("new_password.html", include_str!("templates/new_password.html")),
    ("second_factor.html", include_str!("templates/second_factor.html")),
    ("enrolment.html", include_str!("templates/enrolment.html")),
    ("recovery_codes.html", include_str!("templates/recovery_codes.html")),
    ("account.html", include_str!("templates/account.html")),
    ("business.html", include_str!("templates/business.html")),
    ("confirmation.html", include_str!("templates/confirmation.html")),
    ("consent.html", include_str!("templates/consent.html")),
    ("linking.html", include_str!("templates/linking.html")),
    ("sign_out.html", include_str!("templates/sign_out.html")),
    ("signed_out.html", include_str!("templates/signed_out.html")),
    ("error.html", include_str!("templates/error.html")),
];

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    for (name, text) in TEMPLATES {
        #[expect(clippy::expect_used, reason = "a test renders each template")]
        environment.add_template(name, text).expect("a template of this program is well-formed");
    }
    environment
});

/// The styles of all pages.
pub const STYLES: &str = include_str!("templates/style.css");

/// No script runs, nothing is loaded from elsewhere, and no other page may contain this one. Forms are not
/// limited to this host: a browser would apply that also to the redirect that follows the form.
const CONTENT_SECURITY_POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Writes a page. What the values contain is escaped.
pub fn render(status: StatusCode, template: &str, values: &impl Serialize) -> HttpResponse {
    let values = minijinja::Value::from(minijinja::value::Serde(values));
    let text = ENVIRONMENT.get_template(template).and_then(|template| template.render(values));
    let text = text.unwrap_or_else(|error| {
        tracing::error!(%error, template, "a page cannot be written");
        "The page cannot be shown.".to_owned()
    });
    let mut response = HttpResponse::build(status);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.insert_header((header::RETRY_AFTER, 1));
    }
    response
        .content_type(ContentType::html())
        .insert_header((header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY))
        // With no-referrer, a browser would not say from which page a form comes.
        .insert_header((header::REFERRER_POLICY, "same-origin"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(text)
}

/// Says how many seconds a client must wait before it sends the form again.
pub fn retry_after(mut page: HttpResponse, seconds: Option<u32>) -> HttpResponse {
    if let Some(seconds) = seconds {
        page.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    page
}

#[cfg(test)]
mod tests {
    use actix_web::body::MessageBody as _;
    use serde_json::json;

    use super::*;

    #[test]
    fn every_page_is_whole_and_escapes_what_it_shows() {
        let values = json!({
            "title": "<b>", "text": "<b>", "app": "<b>", "program": "<b>", "business": "<b>",
            "person": "<b>", "login": "\"><b>", "error": "<b>", "query": "a=1&b=\"<b>",
            "issuer": "<b>", "identity": "<b>", "issuers": [{"name": "<b>", "label": "<b>"}],
            "places": [{"name": "<b>", "query": "<b>"}], "continue_query": "<b>", "back": "\"<b>",
            "other_query": "<b>",
            "learns": ["<b>"], "does": ["<b>"],
        });
        for (name, _) in TEMPLATES {
            let page = render(StatusCode::OK, name, &values);
            let body = page.into_body().try_into_bytes().unwrap();
            let text = String::from_utf8(body.to_vec()).unwrap();
            assert!(text.starts_with("<!doctype html>") && text.ends_with("</html>"), "{name}: {text}");
            assert!(!text.contains("<b>") && !text.contains("<script"), "{name}: {text}");
            assert_eq!(text.matches("<h1").count(), usize::from(name != "layout.html"), "{name}");
        }
    }
}
