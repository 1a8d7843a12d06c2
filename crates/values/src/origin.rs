//! Origins of web pages.

use url::Url;

/// The origin of web pages, as browsers send it in the header `Origin`: scheme, host and, if it is not the
/// scheme's own, the port. In lower case and without a path, such as `https://shop.example.com`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(String);

values::checked_text!(
    Origin,
    OriginError,
    "The origin of web pages: scheme, host and perhaps port, such as https://shop.example.com",
    crate::macros::TextForm::pattern("^[Hh][Tt][Tt][Pp][Ss]?://[^/?#]+/?$")
        .at_most(MAX_LENGTH)
        .such_as("https://shop.example.com")
);

/// The text is not an origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "an origin must be a scheme (http or https), a host and perhaps a port, without a path, such as \
     https://shop.example.com"
)]
pub struct OriginError;

impl Origin {
    /// Reads an origin. The scheme and the host may have capital letters, and one slash may follow.
    ///
    /// # Errors
    /// [`OriginError`] for anything else, such as `*`, `null` or an address with a path.
    pub fn parse(text: &str) -> Result<Self, OriginError> {
        let url = Url::parse(text).map_err(|_| OriginError)?;
        let is_bare = url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        let is_web = matches!(url.scheme(), "http" | "https");
        // The parser leaves some characters in a host that no host has, such as the star of a pattern.
        let is_host = |host: &str| {
            let host = host.trim_start_matches('[').trim_end_matches(']');
            host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.:".contains(&byte))
        };
        // The parser also reads texts that no browser sends, such as `https:shop.example.com`, and passes
        // over white space.
        let is_written_out = text.get(url.scheme().len()..).is_some_and(|rest| rest.starts_with("://"))
            && !text.contains(|letter: char| letter.is_whitespace() || letter.is_control());
        let is_origin = is_bare && is_web && is_written_out && url.host_str().is_some_and(is_host);
        if !is_origin || text.len() > MAX_LENGTH {
            return Err(OriginError);
        }
        Ok(Self(url.origin().ascii_serialization()))
    }

    /// The text that browsers send.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The longest name of a host has 253 characters.
const MAX_LENGTH: usize = 280;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_kept_as_browsers_send_it() {
        for (text, sent) in [
            ("https://shop.example.com", "https://shop.example.com"),
            ("HTTPS://Shop.Example.com/", "https://shop.example.com"),
            ("https://shop.example.com:443", "https://shop.example.com"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("https://bücher.example", "https://xn--bcher-kva.example"),
            ("http://[::1]:8080", "http://[::1]:8080"),
        ] {
            assert_eq!(Origin::parse(text).unwrap().as_str(), sent);
        }
        for text in [
            "",
            "*",
            "null",
            "shop.example.com",
            "https:shop.example.com",
            "https://shop.example.com/path",
            "https://shop.example.com?",
            "https://shop.example.com#",
            "https://user@shop.example.com",
            "https://*.example.com",
            "ftp://shop.example.com",
            "file:///tmp",
            "https://",
            "https://shop.example.com\n",
            " https://shop.example.com",
            "https://shop.exa\nmple.com",
        ] {
            assert!(Origin::parse(text).is_err(), "{text}");
        }
    }
}
