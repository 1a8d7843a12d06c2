//! The parameters of a request of OAuth or OpenID Connect: in the query, or in the form that it sends.

use actix_web::http::header::{self, HeaderMap};
use actix_web::web::Bytes;

use crate::http::oauth_error::{Kind, OAuthError};
use crate::http::problem::Problem;

/// Parameters in the order in which they were sent. None of them is repeated (RFC 6749 section 3.1).
#[derive(Debug, Clone, Default)]
pub struct Parameters(Vec<(String, String)>);

/// The most parameters of a request. No protocol here has half as many.
const MOST: usize = 50;
/// The most bytes of a form, as of an address.
const LONGEST_FORM: usize = 16 << 10;

impl Parameters {
    /// Reads a query, or a form.
    ///
    /// # Errors
    /// The sentence says what is wrong.
    pub fn read(text: &[u8]) -> Result<Self, &'static str> {
        match Self::read_all(text) {
            (parameters, None) => Ok(parameters),
            (_, Some(fault)) => Err(fault),
        }
    }

    /// Reads a query, and what is wrong with it. Of a repeated parameter, the first one counts.
    pub fn read_all(text: &[u8]) -> (Self, Option<&'static str>) {
        let (mut parameters, mut fault) = (Self::default(), None);
        // A parameter without a value counts as left out (RFC 6749 section 3.1).
        for (name, value) in form_urlencoded::parse(text).filter(|(_, value)| !value.is_empty()) {
            if parameters.0.len() == MOST {
                return (parameters, Some("There are too many parameters."));
            }
            if value.contains(char::is_control) {
                fault = Some("A parameter contains a control character.");
            } else if parameters.get(&name).is_some() {
                fault = Some("A parameter is repeated.");
            } else {
                parameters.0.push((name.into_owned(), value.into_owned()));
            }
        }
        (parameters, fault)
    }

    /// Reads the form of a request.
    ///
    /// # Errors
    /// `invalid_request`.
    pub fn of_form(
        headers: &HeaderMap,
        body: Result<crate::http::extract::Body, Problem>,
    ) -> Result<Self, OAuthError> {
        let invalid = |text: &str| OAuthError::new(Kind::InvalidRequest, text);
        let body = body.map_err(|problem| invalid(problem.detail()))?;
        of_page(headers, &body.0).map_err(invalid)
    }

    /// One of them.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// One that must be there.
    ///
    /// # Errors
    /// `invalid_request`.
    pub fn require(&self, name: &str) -> Result<&str, OAuthError> {
        let missing = || OAuthError::new(Kind::InvalidRequest, format!("The parameter {name} is missing."));
        self.get(name).ok_or_else(missing)
    }

    /// All of them but one, to which another value is given, or none.
    pub fn with(&self, name: &str, value: Option<&str>) -> Self {
        let mut others: Vec<_> = self.0.iter().filter(|(known, _)| known != name).cloned().collect();
        others.extend(value.map(|value| (name.to_owned(), value.to_owned())));
        Self(others)
    }

    /// All of them as a query.
    pub fn to_query(&self) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.0).finish()
    }
}

/// Whether a request says that its body is a form.
pub fn is_form(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = content_type.and_then(|value| value.split(';').next()).map(str::trim);
    media_type.is_some_and(|media_type| media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded"))
}

/// The parameters of a form.
///
/// # Errors
/// The sentence says what is wrong.
pub fn of_page(headers: &HeaderMap, body: &Bytes) -> Result<Parameters, &'static str> {
    if !is_form(headers) {
        return Err("Send the parameters in the body, as application/x-www-form-urlencoded.");
    }
    if body.len() > LONGEST_FORM {
        return Err("The form has more than 16 kilobytes.");
    }
    Parameters::read(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_parameter_is_refused_and_an_empty_one_left_out() {
        let read = |text: &str| Parameters::read(text.as_bytes());
        let parameters = read("b=1&a=x%20y&c=&c=&d").unwrap();
        assert_eq!((parameters.get("a"), parameters.get("c")), (Some("x y"), None));
        assert_eq!(parameters.to_query(), "b=1&a=x+y");
        assert_eq!(parameters.with("b", None).with("a", Some("&")).to_query(), "a=%26");
        for text in ["a=1&a=1", "a=1&b=2&a=", "a=%00", "a=x%0Ay"] {
            assert_eq!(read(text).is_err(), text != "a=1&b=2&a=", "{text}");
        }
        let many: Vec<String> = (0..=MOST).map(|number| format!("p{number}=1")).collect();
        assert!(read(&many.join("&")).is_err() && read(&many[1..].join("&")).is_ok());
        let (parameters, fault) = Parameters::read_all(b"state=one&state=two");
        assert_eq!((parameters.get("state"), fault.is_some()), (Some("one"), true));
    }
}
