//! Entity tags: the row's version, and behind a point what else changes that is shown but not edited: the stock's position, or
//! whether an order is overdue.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap};
use serde::Serialize;

use crate::http::problem::Problem;

/// A resource's tag: `"3"`, or `"3.17"` where more is shown than the row.
#[derive(Debug, Clone, Copy)]
pub struct Tag {
    pub version: i32,
    pub shown: Option<i64>,
}

impl Tag {
    pub fn of_version(version: i32) -> Self {
        Self { version, shown: None }
    }

    pub fn with_shown(version: i32, shown: i64) -> Self {
        Self { version, shown: Some(shown) }
    }
}

impl std::fmt::Display for Tag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.shown {
            Some(position) => write!(f, "\"{}.{position}\"", self.version),
            None => write!(f, "\"{}\"", self.version),
        }
    }
}

/// The version that If-Match asks for. Stock that moved since does not stand in the way of an edit.
///
/// # Errors
/// 400 for anything but `*` or one tag as we give them.
pub fn if_match(headers: &HeaderMap) -> Result<Option<i32>, Problem> {
    let mut values = headers.get_all(header::IF_MATCH);
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let tag = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or_default();
    let (version, position) = tag.split_once('.').unwrap_or((tag, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match version.parse() {
        Ok(number) if is_number(version) && is_number(position) && values.next().is_none() => {
            Ok(Some(number))
        }
        _ => Err(Problem::malformed(
            "invalid_if_match",
            "Send the ETag that you were given in If-Match, quotes included.",
        )),
    }
}

/// Answers 200 with the tag and the new state, after a change.
pub fn changed(tag: Tag, view: &impl Serialize) -> HttpResponse {
    HttpResponse::Ok().insert_header((header::ETAG, tag.to_string())).json(view)
}

/// Answers 200 with the tag, or 304 when the client has this state already.
pub fn respond(request: &HeaderMap, tag: Tag, view: &impl Serialize) -> HttpResponse {
    let tag = tag.to_string();
    let known = request.get_all(header::IF_NONE_MATCH).filter_map(|value| value.to_str().ok()).any(|list| {
        list.split(',')
            .map(|known| known.trim().trim_start_matches("W/"))
            .any(|known| known == "*" || known == tag)
    });
    // Caches may keep it, if they ask each time.
    let revalidate = (header::CACHE_CONTROL, "private, no-cache");
    if known {
        return HttpResponse::build(StatusCode::NOT_MODIFIED)
            .insert_header((header::ETAG, tag))
            .insert_header(revalidate)
            .finish();
    }
    HttpResponse::Ok().insert_header((header::ETAG, tag)).insert_header(revalidate).json(view)
}
