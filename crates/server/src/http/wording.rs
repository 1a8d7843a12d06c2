//! The errors of parsers as sentences about a field.
//!
//! serde and serde_json give their errors no kind, only a text. This is the one place that reads these texts.
//! Errors of our own types already are sentences, and pass unchanged.

use serde_json::error::Category;

use crate::http::codes::Code;

/// A fault of one field.
pub struct Fault {
    pub code: Code,
    /// The name of the field, if the parser did not reach it: it is unknown or missing.
    pub field: Option<String>,
    /// The sentence.
    pub message: String,
    /// The fields that are known where one is unknown.
    pub known: Vec<String>,
}

/// The sentence about a field or parameter that is unknown. `kind` is the word for several of them.
pub fn of_unknown(name: &str, kind: &str, known: &[String]) -> String {
    match known {
        [] => format!("{name} is unknown; no {kind} are allowed here"),
        known => format!("{name} is unknown; the {kind} are {}", known.join(", ")),
    }
}

/// The sentence about a text that is not JSON.
pub fn of_syntax(error: &serde_json::Error) -> String {
    let at = format!("line {}, column {}", error.line(), error.column());
    match error.classify() {
        Category::Eof if error.line() == 1 && error.column() == 0 => {
            "The body is empty. Send a JSON object.".to_owned()
        }
        Category::Eof => "The body ends before its JSON is complete.".to_owned(),
        _ if error.to_string().starts_with("recursion limit") => {
            format!("The JSON of the body is nested too deeply at {at}.")
        }
        _ => format!("The body is not valid JSON at {at}."),
    }
}

/// The fault of a value, read from the text of the error.
pub fn of_value(text: &str) -> Fault {
    // "... at line 1 column 7" does not help a client that sent one line.
    let text = text.rsplit_once(" at line ").map_or(text, |(text, _)| text);
    let fault = |code, field: Option<&str>, message| {
        let field = field.map(str::to_owned);
        Fault { code, field, message, known: Vec::new() }
    };
    if let Some(rest) = text.strip_prefix("unknown field ") {
        let (field, known) = rest.split_once(", ").unwrap_or((rest, ""));
        let known: Vec<String> = quoted(known).map(str::to_owned).collect();
        let field = unquoted(field);
        let message = of_unknown(field, "fields", &known);
        return Fault { known, ..fault(Code::UnknownField, Some(field), message) };
    }
    if let Some(field) = text.strip_prefix("missing field ") {
        let field = unquoted(field);
        return fault(Code::MissingField, Some(field), format!("{field} is required"));
    }
    if let Some(field) = text.strip_prefix("duplicate field ") {
        let field = unquoted(field);
        return fault(Code::DuplicateField, Some(field), format!("{field} is there more than once"));
    }
    if let Some(variant) = text.strip_prefix("unknown variant ") {
        let (word, known) = variant.split_once(", ").unwrap_or((variant, ""));
        let known: Vec<&str> = quoted(known).collect();
        let message = format!("\"{}\" is not allowed here; use one of: {}", unquoted(word), known.join(", "));
        return fault(Code::InvalidValue, None, message);
    }
    for start in ["invalid type: ", "invalid value: ", "invalid length "] {
        if let Some((found, expected)) =
            text.strip_prefix(start).and_then(|rest| rest.split_once(", expected "))
        {
            let is_number = start == "invalid value: " && integers(expected).is_some();
            // A fraction is a number, and so "not a number" would mislead.
            let is_fraction = integers(expected).is_some() && kind_of(found) == Some("a number");
            let message = match kind_of(found).filter(|_| !is_number && !is_fraction) {
                Some(found) => format!("the value must be {}, not {found}", in_words(expected)),
                None => format!("the value must be {}", in_words(expected)),
            };
            let code = if is_number { Code::OutOfRange } else { Code::InvalidType };
            return fault(code, None, message);
        }
    }
    let message = match text {
        "provided string was not `true` or `false`" => "the value must be true or false".to_owned(),
        text if is_integer_error(text) => "the value must be a whole number".to_owned(),
        text => text.to_owned(),
    };
    fault(Code::InvalidValue, None, message)
}

/// Whether the text is that of a `std::num::ParseIntError`.
fn is_integer_error(text: &str) -> bool {
    text == "invalid digit found in string"
        || text == "cannot parse integer from empty string"
        || text.starts_with("number too ")
}

/// The expected type in the words of JSON.
fn in_words(expected: &str) -> String {
    if let Some((least, most)) = integers(expected) {
        return format!("a whole number from {least} to {most}");
    }
    match expected {
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "an array".to_owned(),
        "a map" => "an object".to_owned(),
        expected if expected.starts_with("struct ") || expected.starts_with("internally tagged enum") => {
            "an object".to_owned()
        }
        expected if expected.starts_with("enum ") || expected.starts_with("variant ") => {
            "a string".to_owned()
        }
        expected if expected.starts_with("f32") || expected.starts_with("f64") => "a number".to_owned(),
        expected if expected.starts_with("a ") || expected.starts_with("an ") => expected.to_owned(),
        _ => "of another type".to_owned(),
    }
}

/// The range of an integer type of Rust.
fn integers(kind: &str) -> Option<(i128, i128)> {
    Some(match kind {
        "u8" => (0, u8::MAX.into()),
        "u16" => (0, u16::MAX.into()),
        "u32" | "a nonzero u32" => (0, u32::MAX.into()),
        "u64" | "usize" => (0, u64::MAX.into()),
        "i8" => (i8::MIN.into(), i8::MAX.into()),
        "i16" => (i16::MIN.into(), i16::MAX.into()),
        "i32" => (i32::MIN.into(), i32::MAX.into()),
        "i64" | "isize" => (i64::MIN.into(), i64::MAX.into()),
        _ => return None,
    })
}

/// The type of a value that the parser found.
fn kind_of(found: &str) -> Option<&'static str> {
    let kinds = [
        ("null", "null"),
        ("boolean", "true or false"),
        ("integer", "a number"),
        ("floating point", "a number"),
        ("number", "a number"),
        ("string", "a string"),
        ("sequence", "an array"),
        ("map", "an object"),
    ];
    kinds.iter().find(|(start, _)| found.starts_with(start)).map(|(_, kind)| *kind)
}

fn unquoted(text: &str) -> &str {
    quoted(text).next().unwrap_or(text)
}

/// The parts of a text between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fmt::Debug;

    use serde::Deserialize;
    use serde::de::DeserializeOwned;
    use serde_json::Value;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read into")]
    struct Body {
        name: String,
        #[serde(default)]
        count: u16,
        #[serde(default)]
        lines: Vec<bool>,
        #[serde(default)]
        options: BTreeMap<String, Value>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Nothing {}

    fn message<T: DeserializeOwned + Debug>(json: &str) -> String {
        of_value(&serde_json::from_str::<T>(json).unwrap_err().to_string()).message
    }

    #[test]
    fn no_word_of_a_library_is_left() {
        for (json, sentence) in [
            (r#"{}"#, "name is required"),
            (r#"{"name":"a","x":1}"#, "x is unknown; the fields are name, count, lines, options"),
            (r#"{"name":"a","name":"b"}"#, "name is there more than once"),
            (r#"{"name":5}"#, "the value must be a string, not a number"),
            (r#"{"name":null}"#, "the value must be a string, not null"),
            (r#"{"name":"a","count":1.5}"#, "the value must be a whole number from 0 to 65535"),
            (r#"{"name":"a","count":-1}"#, "the value must be a whole number from 0 to 65535"),
            (r#"{"name":"a","count":70000}"#, "the value must be a whole number from 0 to 65535"),
            (r#"{"name":"a","count":"7"}"#, "the value must be a whole number from 0 to 65535, not a string"),
            (r#"{"name":"a","lines":{}}"#, "the value must be an array, not an object"),
            (r#"{"name":"a","lines":[0]}"#, "the value must be true or false, not a number"),
            (r#"{"name":"a","options":[]}"#, "the value must be an object, not an array"),
            (r#""text""#, "the value must be an object, not a string"),
        ] {
            assert_eq!(message::<Body>(json), sentence, "{json}");
        }
        assert_eq!(message::<Nothing>(r#"{"x":1}"#), "x is unknown; no fields are allowed here");
        for (text, sentence) in
            [("x", "the value must be a whole number"), ("", "the value must be a whole number")]
        {
            let error = text.parse::<u32>().unwrap_err();
            assert_eq!(of_value(&error.to_string()).message, sentence);
        }
        let error = "x".parse::<bool>().unwrap_err();
        assert_eq!(of_value(&error.to_string()).message, "the value must be true or false");
    }

    #[test]
    fn a_text_that_is_not_json_is_refused_at_its_place() {
        for (json, sentence) in [
            ("", "The body is empty. Send a JSON object."),
            ("{", "The body ends before its JSON is complete."),
            ("{\"name\" 1}", "The body is not valid JSON at line 1, column 9."),
            ("{'name': 1}", "The body is not valid JSON at line 1, column 2."),
        ] {
            assert_eq!(of_syntax(&serde_json::from_str::<Body>(json).unwrap_err()), sentence);
        }
        let deep = "[".repeat(1000);
        let error = serde_json::from_str::<Value>(&deep).unwrap_err();
        assert!(of_syntax(&error).starts_with("The JSON of the body is nested too deeply"));
    }
}
