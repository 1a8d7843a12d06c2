//! The addresses of programs to which browsers are sent, or which are told of the end of a session.

use std::net::Ipv4Addr;

use url::{Host, Url};

/// An address of a program, such as `https://books.example.com/callback`. A browser is sent only to an
/// address that was registered letter by letter.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProgramAddress(String);

values::checked_text!(
    ProgramAddress,
    ProgramAddressError,
    "An address of a program: https, http on the own machine alone, or a scheme of the program's own such as \
     com.example.app:/callback; without a fragment, a user name or a wildcard",
    values::macros::TextForm::format("uri")
        .matching(r"^[\x21-\x7E]+$")
        .at_most(2000)
        .such_as("https://books.example.com/callback")
);

/// The text is no such address. The message says what is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProgramAddressError {
    /// The text is too long, or no absolute address of ASCII letters.
    #[error("an address must be a URL such as https://books.example.com/callback, of at most 2000 letters")]
    Malformed,
    /// The part after `#` would not reach the program.
    #[error("an address must not contain a fragment, that is #")]
    Fragment,
    /// A user name or a password is in front of the host.
    #[error("an address must not contain a user name or a password")]
    UserInfo,
    /// The host has a wildcard.
    #[error("an address must name one host, without a wildcard")]
    Wildcard,
    /// Others could read what is sent there.
    #[error(
        "an address must begin with https, or with a scheme of the program's own that contains a dot; http \
         is allowed only for localhost, 127.0.0.1 and [::1]"
    )]
    Scheme,
}

impl ProgramAddress {
    /// # Errors
    /// [`ProgramAddressError`].
    pub fn parse(text: &str) -> Result<Self, ProgramAddressError> {
        if text.len() > 2000 || !text.bytes().all(|byte| byte.is_ascii_graphic()) || text.contains('\\') {
            return Err(ProgramAddressError::Malformed);
        }
        let url = Url::parse(text).map_err(|_| ProgramAddressError::Malformed)?;
        if url.fragment().is_some() {
            return Err(ProgramAddressError::Fragment);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(ProgramAddressError::UserInfo);
        }
        if url.host_str().is_some_and(|host| host.contains('*')) {
            return Err(ProgramAddressError::Wildcard);
        }
        match url.scheme() {
            // A browser would read "https:books" as another address than a program does.
            "https" | "http" if !text.contains("://") => Err(ProgramAddressError::Malformed),
            "https" => Ok(Self(text.to_owned())),
            "http" if is_own_machine(&url) => Ok(Self(text.to_owned())),
            // RFC 8252 section 7.1. "javascript" and "data" have no dot.
            scheme if scheme.contains('.') => Ok(Self(text.to_owned())),
            _ => Err(ProgramAddressError::Scheme),
        }
    }

    /// Whether a program can be reached there by HTTP.
    pub fn is_web(&self) -> bool {
        self.0.starts_with("https://") || self.0.starts_with("http://")
    }

    /// Whether a browser may be sent to `presented`. A program on the own machine gets another port each time
    /// it runs (RFC 8252 section 7.3); everything else must be equal, letter by letter.
    pub fn allows(&self, presented: &str) -> bool {
        if self.0 == presented {
            return true;
        }
        // A name such as localhost can be resolved to another machine.
        ["http://127.0.0.1", "http://[::1]"].iter().any(|machine| {
            let rest = |address: &str| address.strip_prefix(machine).map(without_port).map(str::to_owned);
            rest(&self.0).is_some_and(|own| rest(presented) == Some(own))
        })
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The rest of an address after its port, if there is one.
fn without_port(address: &str) -> &str {
    let Some(rest) = address.strip_prefix(':') else { return address };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    // Not a port, so it is no part of what may differ.
    if (1..=5).contains(&digits) { rest.get(digits..).unwrap_or_default() } else { address }
}

fn is_own_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address == Ipv4Addr::LOCALHOST,
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_where_others_could_read_are_refused() {
        for text in [
            "https://books.example.com/callback",
            "https://books.example.com/callback?x=1",
            "http://127.0.0.1:8080/callback",
            "http://[::1]/callback",
            "http://books.localhost:3000/",
            "com.example.app:/callback",
        ] {
            assert!(ProgramAddress::parse(text).is_ok(), "{text}");
        }
        for (text, error) in [
            ("", ProgramAddressError::Malformed),
            ("/callback", ProgramAddressError::Malformed),
            ("https:books.example.com", ProgramAddressError::Malformed),
            ("https://books.example.com/\\evil", ProgramAddressError::Malformed),
            ("https://b\u{f6}cher.example/", ProgramAddressError::Malformed),
            ("https://books.example.com/ x", ProgramAddressError::Malformed),
            ("https://books.example.com/#", ProgramAddressError::Fragment),
            ("https://books.example.com@evil.example/", ProgramAddressError::UserInfo),
            ("https://*.example.com/", ProgramAddressError::Wildcard),
            ("http://books.example.com/", ProgramAddressError::Scheme),
            ("http://127.0.0.1.example.com/", ProgramAddressError::Scheme),
            ("javascript:alert(1)", ProgramAddressError::Scheme),
            ("data:text/html,x", ProgramAddressError::Scheme),
        ] {
            assert_eq!(ProgramAddress::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn only_the_port_of_the_own_machine_may_differ() {
        let allows = |own: &str, other: &str| ProgramAddress::parse(own).unwrap().allows(other);
        assert!(allows("http://127.0.0.1/cb", "http://127.0.0.1:51234/cb"));
        assert!(allows("http://[::1]:80/cb", "http://[::1]:9/cb"));
        for (own, other) in [
            ("http://127.0.0.1/cb", "http://127.0.0.1:51234/other"),
            ("http://127.0.0.1/cb", "http://evil@127.0.0.1:51234/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:51234/cb#x"),
            ("http://127.0.0.1/cb", "http://127.1:51234/cb"),
            ("http://127.0.0.1/cb", "http://2130706433/cb"),
            ("http://127.0.0.1/cb", "hTTp://127.0.0.1/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:5/x/../cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:5@evil.example/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:/cb"),
            ("http://localhost/cb", "http://localhost:51234/cb"),
            ("https://a.example/cb", "https://a.example:8443/cb"),
            ("https://a.example/cb", "https://a.example/CB"),
            ("https://a.example/cb", "https://a.example/cb/"),
            ("https://a.example", "https://a.example/"),
            ("https://a.example/cb", "https://a.example/cb?x"),
            ("https://a.example/cb", "https://a.example/x/../cb"),
        ] {
            assert!(!allows(own, other), "{own} {other}");
        }
    }
}
