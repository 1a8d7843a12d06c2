//! Keys that people and programs choose: names of apps, roles and permissions, and usernames.

/// The role that a business always has an active member for.
pub const OWNER_ROLE: &str = "OWNER";

/// The short name of an app, such as `inventory`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AppSlug(String);

values::checked_text!(
    AppSlug,
    KeyTextError,
    "The short name of an app: 3 to 40 of a-z, 0-9 and -, first a letter, last no -",
    values::macros::TextForm::pattern("^[a-z][a-z0-9-]{1,38}[a-z0-9]$").such_as("inventory")
);

/// The id of a program that gets access tokens of its own, such as `erp-sync`. For a person, it is the short
/// name of the app that signed them in.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(String);

values::checked_text!(
    ClientId,
    KeyTextError,
    "The id of a program: 3 to 40 of a-z, 0-9 and -, first a letter, last no -",
    values::macros::TextForm::pattern("^[a-z][a-z0-9-]{1,38}[a-z0-9]$").such_as("shop-books")
);

/// The key of a role, such as `OWNER`. Letter case distinguishes no two roles of one business.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoleKey(String);

values::checked_text!(
    RoleKey,
    KeyTextError,
    "The key of a role: 1 to 40 of A-Z, a-z, 0-9, _ and -, first a letter",
    values::macros::TextForm::pattern("^[A-Za-z][A-Za-z0-9_-]{0,39}$").such_as("MANAGER")
);

/// The key of a permission, such as `catalogue.read`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PermissionKey(String);

values::checked_text!(
    PermissionKey,
    KeyTextError,
    "The key of a permission: 1 to 80 of a-z, 0-9, ., _, : and -, first a letter",
    values::macros::TextForm::pattern("^[a-z][a-z0-9._:-]{0,79}$").such_as("catalogue.read")
);

/// The name with which a person signs in at one business, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Username(String);

values::checked_text!(
    Username,
    KeyTextError,
    "A username: 2 to 40 of a-z, 0-9, ., _ and -, first a letter or a digit; letter case makes no difference",
    values::macros::TextForm::pattern("^[A-Za-z0-9][A-Za-z0-9._-]{1,39}$").such_as("ann.smith")
);

/// The name of an issuer elsewhere, such as `google`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IssuerName(String);

values::checked_text!(
    IssuerName,
    KeyTextError,
    "The name of an issuer: 1 to 40 of a-z, 0-9 and _, first a letter",
    values::macros::TextForm::pattern("^[a-z][a-z0-9_]{0,39}$").such_as("google")
);

/// The text is no such key. The message says what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct KeyTextError(&'static str);

/// Whether `text` has `length` bytes, the first of which `is_first` allows and all others `is_next`.
fn has_form(
    text: &str,
    length: std::ops::RangeInclusive<usize>,
    is_first: fn(u8) -> bool,
    is_next: fn(u8) -> bool,
) -> bool {
    let mut bytes = text.bytes();
    length.contains(&text.len()) && bytes.next().is_some_and(is_first) && bytes.all(is_next)
}

fn is_lower_or_digit(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

impl IssuerName {
    /// # Errors
    /// [`KeyTextError`] when the text has another form.
    pub fn parse(text: &str) -> Result<Self, KeyTextError> {
        let is_next = |byte| is_lower_or_digit(byte) || byte == b'_';
        if has_form(text, 1..=40, |byte| byte.is_ascii_lowercase(), is_next) {
            return Ok(Self(text.to_owned()));
        }
        Err(KeyTextError(
            "the name of an issuer must have 1 to 40 of a-z, 0-9 and _, and begin with a letter",
        ))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AppSlug {
    /// # Errors
    /// [`KeyTextError`] when the text has another form.
    pub fn parse(text: &str) -> Result<Self, KeyTextError> {
        let is_next = |byte| is_lower_or_digit(byte) || byte == b'-';
        if has_form(text, 3..=40, |byte| byte.is_ascii_lowercase(), is_next) && !text.ends_with('-') {
            return Ok(Self(text.to_owned()));
        }
        Err(KeyTextError(
            "the short name of an app must have 3 to 40 of a-z, 0-9 and -, begin with a letter and not end \
             with -",
        ))
    }

    /// One of the constants of this crate.
    pub(crate) fn known(text: &'static str) -> Self {
        Self(text.to_owned())
    }

    /// The short name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ClientId {
    /// # Errors
    /// [`KeyTextError`] when the text has another form.
    pub fn parse(text: &str) -> Result<Self, KeyTextError> {
        let is_id = AppSlug::parse(text).is_ok();
        is_id.then(|| Self(text.to_owned())).ok_or(KeyTextError(
            "the id of a program must have 3 to 40 of a-z, 0-9 and -, begin with a letter and not end with -",
        ))
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&AppSlug> for ClientId {
    fn from(app: &AppSlug) -> Self {
        Self(app.0.clone())
    }
}

impl RoleKey {
    /// # Errors
    /// [`KeyTextError`] when the text has another form.
    pub fn parse(text: &str) -> Result<Self, KeyTextError> {
        let is_next = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if has_form(text, 1..=40, |byte| byte.is_ascii_alphabetic(), is_next) {
            return Ok(Self(text.to_owned()));
        }
        Err(KeyTextError(
            "the key of a role must have 1 to 40 of A-Z, a-z, 0-9, _ and -, and begin with a letter",
        ))
    }

    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PermissionKey {
    /// # Errors
    /// [`KeyTextError`] when the text has another form.
    pub fn parse(text: &str) -> Result<Self, KeyTextError> {
        let is_next = |byte: u8| is_lower_or_digit(byte) || matches!(byte, b'.' | b'_' | b':' | b'-');
        if has_form(text, 1..=80, |byte| byte.is_ascii_lowercase(), is_next) {
            return Ok(Self(text.to_owned()));
        }
        Err(KeyTextError(
            "the key of a permission must have 1 to 80 of a-z, 0-9, ., _, : and -, and begin with a letter",
        ))
    }

    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Username {
    /// Reads a username; letter case makes no difference.
    ///
    /// # Errors
    /// [`KeyTextError`] when the text has another form.
    pub fn parse(text: &str) -> Result<Self, KeyTextError> {
        let text = text.trim().to_ascii_lowercase();
        let is_next = |byte: u8| is_lower_or_digit(byte) || matches!(byte, b'.' | b'_' | b'-');
        // An id is no name: commands find people by either.
        if has_form(&text, 2..=40, is_lower_or_digit, is_next) && uuid::Uuid::parse_str(&text).is_err() {
            return Ok(Self(text));
        }
        Err(KeyTextError(
            "a username must have 2 to 40 of a-z, 0-9, ., _ and -, begin with a letter or a digit, and be no \
             UUID",
        ))
    }

    /// The name, in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_would_mislead_are_refused() {
        assert_eq!(Username::parse(" Ana.Souza ").unwrap().as_str(), "ana.souza");
        for text in [
            "",
            "a",
            "ana@acme.test",
            "ana souza",
            "änne",
            ".ana",
            "ana\0",
            "01a21818-2609-70fa-86f6-67695410cefe",
            "01a21818260970fa86f667695410cefe",
        ] {
            assert!(Username::parse(text).is_err(), "{text:?}");
        }
        for text in ["", "ab", "Accounting", "a b", "payroll-", "1app"] {
            assert!(AppSlug::parse(text).is_err(), "{text:?}");
        }
        // A space would end the key in the scope of a token.
        for text in ["", "a b", "Read", ".read", "a\"b"] {
            assert!(PermissionKey::parse(text).is_err(), "{text:?}");
        }
        for text in ["", "1", "a b", "a.b"] {
            assert!(RoleKey::parse(text).is_err(), "{text:?}");
        }
        assert!(RoleKey::parse("OWNER").is_ok() && PermissionKey::parse("catalogue.read").is_ok());
    }
}
