//! Entity tags. A tag is the version of the row. If the answer also shows values that are not edited, a point
//! and a number follow, such as the position of the stock ledger, or whether a purchase order is overdue.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, EntityTag, Header as _, IfNoneMatch};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use values::IfVersion;

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

/// The versions in the If-Match header. Without the header and with `*`, any version. The number after the
/// point is ignored, so a change of stock does not prevent an edit. A proxy that compresses answers makes
/// tags weak or adds a suffix, so both make no difference. A text that is no tag of this API is no version:
/// the change is refused with 412.
pub fn if_match(request: &HttpRequest) -> IfVersion {
    let headers = || request.headers().get_all(header::IF_MATCH);
    if headers().next().is_none() {
        return IfVersion::ANY;
    }
    let tags = headers().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    let tags: Vec<&str> = tags.map(str::trim).collect();
    match tags.contains(&"*") {
        true => IfVersion::ANY,
        false => IfVersion::one_of(tags.into_iter().filter_map(version)),
    }
}

/// The version in an entity tag, such as `"3.17"` or `W/"3-gzip"`.
fn version(tag: &str) -> Option<i32> {
    let tag = tag.strip_prefix("W/").unwrap_or(tag).strip_prefix('"')?.strip_suffix('"')?;
    let end = tag.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(tag.len());
    let is_suffix = matches!(tag.as_bytes().get(end), None | Some(b'.' | b'-' | b';' | b':'));
    tag[..end].parse().ok().filter(|_| is_suffix)
}

/// Answers 200 with the tag and the new state, after a change.
pub fn changed(tag: Tag, view: &impl Serialize) -> HttpResponse {
    HttpResponse::Ok().insert_header(header::ETag(tag.entity_tag())).json(view)
}

/// Whether the client has the state with this tag already, according to If-None-Match.
pub fn is_known(request: &HttpRequest, tag: &EntityTag) -> bool {
    match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|known| known.weak_eq(tag)),
        Err(_) => false,
    }
}

/// Answers 200 with the tag, or 304 when the client has this state already.
pub fn respond(request: &HttpRequest, tag: Tag, view: &impl Serialize) -> HttpResponse {
    let tag = tag.entity_tag();
    let is_known = is_known(request, &tag);
    let status = if is_known { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
    let mut response = HttpResponse::build(status);
    // A cache may store the response, but must ask the server each time.
    response.insert_header(header::ETag(tag)).insert_header((header::CACHE_CONTROL, "private, no-cache"));
    if is_known { response.finish() } else { response.json(view) }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn a_tag_survives_a_proxy_and_a_list() {
        let read = |text: &str| {
            if_match(&TestRequest::default().insert_header(("if-match", text)).to_http_request())
        };
        for text in
            [r#""3""#, r#""3.17""#, r#"W/"3""#, r#""3-gzip""#, r#"W/"3.17;br""#, r#""1", "3""#, r#"x, "3""#]
        {
            assert!(read(text).allows(3) && !read(text).allows(4), "{text}");
        }
        for text in ["", "3", r#""3"#, r#""""#, r#""3x""#, r#""99999999999""#, "{}"] {
            assert!(!read(text).allows(3), "{text}");
        }
        assert_eq!(read("*"), IfVersion::ANY);
        assert_eq!(if_match(&TestRequest::default().to_http_request()), IfVersion::ANY);
    }
}
