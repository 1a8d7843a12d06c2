//! Email addresses, folded so that one address is one user.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An email address in lower case, with one `@` and a dot-separated domain; at most 254 bytes (RFC 5321).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Email(String);

/// The text is no email address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an email address looks like name@example.com")]
pub struct EmailError;

impl Email {
    /// # Errors
    /// [`EmailError`]. Whether mail arrives there only a mail can tell.
    pub fn parse(text: &str) -> Result<Self, EmailError> {
        let text = text.trim();
        let (local, domain) = text.rsplit_once('@').ok_or(EmailError)?;
        let well_formed = text.len() <= 254
            && (1..=64).contains(&local.len())
            && !local.contains('@')
            && !domain.is_empty()
            && !domain.starts_with(['.', '-'])
            && !domain.ends_with(['.', '-'])
            && !domain.contains("..")
            && !text.chars().any(|c| c.is_whitespace() || c.is_control());
        if well_formed { Ok(Self(text.to_lowercase())) } else { Err(EmailError) }
    }

    /// An address that was checked when it was stored.
    pub(crate) fn from_registry(text: String) -> Self {
        Self(text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for Email {
    type Err = EmailError;
    fn from_str(text: &str) -> Result<Self, EmailError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Email {
    type Error = EmailError;
    fn try_from(text: String) -> Result<Self, EmailError> {
        Self::parse(&text)
    }
}

impl From<Email> for String {
    fn from(email: Email) -> Self {
        email.0
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letter_case_does_not_make_another_user() {
        assert_eq!(Email::parse(" Ann@Example.COM "), Email::parse("ann@example.com"));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in
            ["", "ann", "@x.y", "ann@", "a b@x.y", "a@b@c", "ann@.x", "ann@x..y", "ann@x.", "ann\0@x.y"]
        {
            assert_eq!(Email::parse(text), Err(EmailError), "{text:?}");
        }
    }
}
