//! Entity tags. A tag is the version of the row. If the answer also shows values that are not edited, a point
//! and a number follow, such as the position of the stock ledger, or whether a purchase order is overdue.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, EntityTag, Header as _, IfNoneMatch};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;

use crate::http::codes::Code;
use crate::http::problem::Problem;

/// The tag of a resource: `"3"`, or `"3.17"` if the resource shows more than its row.
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

    fn entity_tag(self) -> EntityTag {
        EntityTag::new_strong(match self.shown {
            Some(position) => format!("{}.{position}", self.version),
            None => self.version.to_string(),
        })
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entity_tag().fmt(f)
    }
}

/// The version in the If-Match header; `None` without the header or with `*`. The number after the point is
/// ignored, so a change of stock does not prevent an edit.
///
/// # Errors
/// 400 for anything but `*` or one tag of this API.
pub fn if_match(request: &HttpRequest) -> Result<Option<i32>, Problem> {
    if !request.headers().contains_key(header::IF_MATCH) {
        return Ok(None);
    }
    let malformed = || {
        Problem::new(Code::InvalidIfMatch, "Send the ETag of the last response in If-Match, with its quotes.")
    };
    match header::IfMatch::parse(request).map_err(|_| malformed())? {
        header::IfMatch::Any => Ok(None),
        header::IfMatch::Items(tags) => match tags.as_slice() {
            [tag] if !tag.weak => version(tag.tag()).map(Some).ok_or_else(malformed),
            _ => Err(malformed()),
        },
    }
}

fn version(tag: &str) -> Option<i32> {
    let (version, position) = tag.split_once('.').unwrap_or((tag, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if is_number(version) && is_number(position) { version.parse().ok() } else { None }
}

/// Answers 200 with the tag and the new state, after a change.
pub fn changed(tag: Tag, view: &impl Serialize) -> HttpResponse {
    HttpResponse::Ok().insert_header(header::ETag(tag.entity_tag())).json(view)
}

/// Answers 200 with the tag, or 304 when the client has this state already.
pub fn respond(request: &HttpRequest, tag: Tag, view: &impl Serialize) -> HttpResponse {
    let tag = tag.entity_tag();
    let is_known = match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|known| known.weak_eq(&tag)),
        Err(_) => false,
    };
    let status = if is_known { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
    let mut response = HttpResponse::build(status);
    // A cache may store the response, but must ask the server each time.
    response.insert_header(header::ETag(tag)).insert_header((header::CACHE_CONTROL, "private, no-cache"));
    if is_known { response.finish() } else { response.json(view) }
}
