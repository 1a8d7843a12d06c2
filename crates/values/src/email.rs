//! Email addresses.

use crate::ShortText;
use crate::folding::is_invisible;

/// An email address in lower case, with one `@` and a domain; at most 254 bytes (RFC 5321).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Email(String);

values::checked_text!(
    Email,
    EmailError,
    "An email address; letter case makes no difference",
    crate::macros::TextForm::format("email").at_most(254).such_as("ann@acme.example")
);

/// The text is not an email address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an email address must look like name@example.com")]
pub struct EmailError;

impl Email {
    /// Reads an email address. Does not check whether mail arrives there.
    ///
    /// # Errors
    /// [`EmailError`] when the text does not look like an email address.
    pub fn parse(text: &str) -> Result<Self, EmailError> {
        let text = text.trim();
        let (local, domain) = text.rsplit_once('@').ok_or(EmailError)?;
        let well_formed = text.len() <= 254
            && (1..=64).contains(&local.len())
            && local.split('.').all(|part| !part.is_empty() && part.chars().all(is_atom))
            && domain.split('.').all(is_label)
            && !text.chars().any(is_invisible);
        if well_formed { Ok(Self(text.to_lowercase())) } else { Err(EmailError) }
    }

    /// Checks an address that is stored as it was typed.
    ///
    /// # Errors
    /// As [`Email::parse`]. A missing address passes.
    pub fn check(typed: Option<&ShortText>) -> Result<(), EmailError> {
        typed.map_or(Ok(()), |typed| Self::parse(typed.as_str()).map(drop))
    }

    /// The address, in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether an address may have this letter without quotes (RFC 5322, with the letters of all languages).
fn is_atom(c: char) -> bool {
    c.is_alphanumeric() || "!#$%&'*+/=?^_`{|}~-".contains(c) || !c.is_ascii() && !c.is_whitespace()
}

/// Whether this is a part of the name of a host, in the letters of any language.
fn is_label(part: &str) -> bool {
    (1..=63).contains(&part.len())
        && part.chars().all(|c| c.is_alphanumeric() || c == '-' || !c.is_ascii() && !c.is_whitespace())
        && !part.starts_with('-')
        && !part.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letter_case_makes_no_difference() {
        assert_eq!(Email::parse(" Ann@Example.COM "), Email::parse("ann@example.com"));
    }

    #[test]
    fn a_text_that_is_not_an_address_is_refused() {
        for text in [
            "",
            "ann",
            "@x.y",
            "ann@",
            "a b@x.y",
            "a@b@c",
            "ann@.x",
            "ann@x..y",
            "ann@x.",
            "ann\0@x.y",
            "a,b@x.y",
            "<x>@x.y",
            "(c)a@x.y",
            ".a@x.y",
            "a..b@x.y",
            "a:b@x.y",
            "a@x.y>",
            "a@x;y",
            "a@x.-y",
            "a@[127.0.0.1]",
            "\"a\"@x.y",
        ] {
            assert_eq!(Email::parse(text), Err(EmailError), "{text:?}");
        }
        for text in ["o'brien+shop@x.y", "änne@exämple.test", "a@x", "a_b-c.d@x-y.z"] {
            assert!(Email::parse(text).is_ok(), "{text:?}");
        }
    }
}
