//! JSON bodies. Each body is read once. Every refusal names the field and the reason.

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use inventory::pricing::DiscountError;
use serde::de::{Deserialize, DeserializeOwned, Deserializer};
use serde_json::error::Category;
use serde_path_to_error::{Path, Segment};
use values::{DayError, SignError, TimeZoneError};

use crate::http::codes::Code;
use crate::http::duplicates::{self, escaped};
use crate::http::problem::Problem;
use crate::http::wording::{self, Fault};

/// The media types that a PATCH accepts (RFC 5789).
const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");

/// Accepts `application/json`, and `application/merge-patch+json`, which is read in the same way. Other types
/// of JSON, such as `application/json-patch+json`, mean something else.
pub fn check_content_type(request: &HttpRequest) -> Result<(), Problem> {
    let text =
        request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if matches!(essence.as_str(), "application/json" | "application/merge-patch+json") {
        return Ok(());
    }
    let detail = "Send JSON with the header Content-Type: application/json.";
    let problem = Problem::new(Code::UnsupportedMediaType, detail);
    let accepted = HeaderValue::from_static("application/merge-patch+json, application/json");
    match *request.method() {
        Method::PATCH => Err(problem.header(ACCEPT_PATCH, accepted)),
        _ => Err(problem),
    }
}

/// Reads a body as `T`.
///
/// # Errors
/// 400 when the body is not JSON, a value has the wrong type or a field is there twice; 422 when a field is
/// unknown, missing or breaks its rule. serde_json limits the depth to 128.
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    // serde also reads an array into a struct, field by field. No client means that.
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()).is_some_and(|first| *first == b'[') {
        return Err(Problem::new(Code::InvalidType, "The body must be a JSON object, not an array."));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer)
        .map_err(|error| refusal(error.inner(), error.path()))?;
    deserializer.end().map_err(|error| not_json(&error))?;
    match duplicates::find(bytes) {
        Some(pointer) => Err(twice(pointer)),
        None => Ok(value),
    }
}

fn not_json(error: &serde_json::Error) -> Problem {
    Problem::new(Code::MalformedJson, wording::of_syntax(error))
}

fn refusal(error: &serde_json::Error, path: &Path) -> Problem {
    if error.classify() != Category::Data {
        return not_json(error);
    }
    let Fault { code, field, message, .. } = wording::of_value(&error.to_string());
    let mut pointer = pointer(path);
    if let Some(field) = field {
        // The path may already end in the field.
        let step = format!("/{}", escaped(&field));
        if code == Code::MissingField || !pointer.ends_with(&step) {
            pointer.push_str(&step);
        }
    }
    match code {
        Code::InvalidType => {
            let detail = "A value has the wrong type; see errors.";
            Problem::new(code, detail).at(pointer, code, message)
        }
        Code::DuplicateField => twice(pointer),
        Code::InvalidValue => Problem::invalid(pointer, broken_rule(&message), message),
        _ => Problem::invalid(pointer, code, message),
    }
}

/// A field is there more than once.
fn twice(pointer: String) -> Problem {
    let detail = "A field is there more than once; see errors.";
    let message = "the field is there more than once; send it once";
    Problem::new(Code::DuplicateField, detail).at(pointer, Code::DuplicateField, message)
}

/// The code of the rule that a value breaks. serde passes on only the text of the error.
fn broken_rule(text: &str) -> Code {
    let is = |error: &dyn std::fmt::Display| error.to_string() == text;
    if is(&SignError::NotPositive) {
        Code::NotPositive
    } else if is(&SignError::Negative) {
        Code::Negative
    } else if is(&DiscountError) {
        Code::InvalidDiscount
    } else if is(&TimeZoneError) {
        Code::UnknownTimeZone
    } else if is(&DayError) {
        Code::InvalidDay
    } else {
        Code::InvalidValue
    }
}

/// The path as a JSON Pointer (RFC 6901).
fn pointer(path: &Path) -> String {
    let mut pointer = String::new();
    for segment in path.iter() {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } | Segment::Enum { variant: key } => {
                pointer.push('/');
                pointer.push_str(&escaped(key));
            }
            Segment::Unknown => {}
        }
    }
    pointer
}

/// Reads a field of a merge patch that cannot be removed. Refuses null, which `Option` alone would ignore.
///
/// # Errors
/// Those of `T`. null is not a value of `T`.
pub fn required<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Reads a field of a merge patch that can be removed. An absent field is `None`, and null is `Some(None)`.
///
/// # Errors
/// Those of `T`.
pub fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::Value;
    use values::{Money, Name};

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read into")]
    struct Body {
        name: Name,
        lines: Vec<Line>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read into")]
    struct Line {
        price: Money,
    }

    fn refused(body: &str) -> (u16, String, String) {
        let problem = read::<Body>(body.as_bytes()).unwrap_err();
        let response = problem.respond("", "");
        let body = actix_web::body::MessageBody::try_into_bytes(response.into_body()).unwrap();
        let document: Value = serde_json::from_slice(&body).unwrap();
        (
            problem.status().as_u16(),
            document["code"].as_str().unwrap_or_default().to_owned(),
            document["errors"][0]["pointer"].as_str().unwrap_or_default().to_owned(),
        )
    }

    #[test]
    fn a_refusal_names_the_field() {
        for (body, status, code, pointer) in [
            ("", 400, "malformed_json", ""),
            ("{", 400, "malformed_json", ""),
            ("[]", 400, "invalid_type", ""),
            ("{} {}", 422, "missing_field", "/name"),
            (r#"{"name":"a","name":"b","lines":[]}"#, 400, "duplicate_field", "/name"),
            (r#"{"name":"a","lines":[]} x"#, 400, "malformed_json", ""),
            (r#"{"name":"a"}"#, 422, "missing_field", "/lines"),
            (r#"{"name":"a","lines":[],"more":1}"#, 422, "unknown_field", "/more"),
            (r#"{"name":"a","lines":[{"price":"1","x":1}]}"#, 422, "unknown_field", "/lines/0/x"),
            (r#"{"name":"a","lines":[{}]}"#, 422, "missing_field", "/lines/0/price"),
            (r#"{"name":"a","lines":[{"price":1.5}]}"#, 400, "invalid_type", "/lines/0/price"),
            (r#"{"name":"a","lines":[{"price":"x"}]}"#, 422, "invalid_value", "/lines/0/price"),
            (r#"{"name":"","lines":[]}"#, 422, "invalid_value", "/name"),
            (r#"{"name":"a\u0000b","lines":[]}"#, 422, "invalid_value", "/name"),
            (r#"{"name":null,"lines":[]}"#, 400, "invalid_type", "/name"),
        ] {
            assert_eq!(refused(body), (status, code.to_owned(), pointer.to_owned()), "{body}");
        }
        let deep = format!("{{\"name\":\"a\",\"lines\":{}", "[".repeat(100_000));
        assert_eq!(refused(&deep).0, 400);
    }
}
