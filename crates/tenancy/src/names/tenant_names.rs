//! The names of a tenant: what people choose (the slug) and what the database uses (number, schema, role).

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The NOLOGIN role of which every tenant role is a member; table rights in business schemas go to it.
pub const TENANT_GROUP: &str = "tenantry_tenant";
/// The NOLOGIN role under which the server reads and writes the `shared` schema, within row level security.
pub const SHARED_GROUP: &str = "tenantry_shared";
/// The NOLOGIN role of the platform's own staff and commands: sees every row of the `shared` schema.
pub const PLATFORM_GROUP: &str = "tenantry_platform";

/// Labels that belong to the platform and can never be a business's.
pub const RESERVED_SLUGS: [&str; 9] =
    ["admin", "app", "www", "api", "auth", "mail", "static", "docs", "status"];

const SLUG_RULE: &str =
    "a slug has 3 to 40 characters of a-z, 0-9 and '-', starts with a letter and does not end with '-'";

/// Why a name was refused; the text says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("{SLUG_RULE}")]
    Slug,
    #[error("the slug \"{0}\" is reserved for the platform; choose another")]
    ReservedSlug(String),
    #[error("an installation's name has 1 to 40 characters of a-z, 0-9 and '_' and starts with a letter")]
    Installation,
}

/// A business's label in a host name: 3 to 40 of `a-z`, `0-9`, `-`; first a letter, last no `-`; not reserved.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TenantSlug(String);

impl TenantSlug {
    /// Checks the rule of the type; upper case is refused, not folded, because a slug is an address.
    ///
    /// # Errors
    /// [`NameError::Slug`] or [`NameError::ReservedSlug`].
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let bytes = text.as_bytes();
        let well_formed = (3..=40).contains(&bytes.len())
            && bytes[0].is_ascii_lowercase()
            && bytes[bytes.len() - 1] != b'-'
            && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-');
        if !well_formed {
            return Err(NameError::Slug);
        }
        if RESERVED_SLUGS.contains(&text) || text.starts_with("xn--") {
            return Err(NameError::ReservedSlug(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }

    /// A slug that was checked when it was stored; a label reserved since then stays its business's.
    pub(crate) fn from_registry(slug: String) -> Self {
        Self(slug)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for TenantSlug {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        Self::parse(&text)
    }
}

impl std::str::FromStr for TenantSlug {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::parse(text)
    }
}

impl From<TenantSlug> for String {
    fn from(slug: TenantSlug) -> Self {
        slug.0
    }
}

impl fmt::Display for TenantSlug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A tenant's key in the registry (UUIDv7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TenantId(Uuid);

impl TenantId {
    pub(crate) fn new() -> Self {
        Self(Uuid::now_v7())
    }

    pub fn from_uuid(id: Uuid) -> Self {
        Self(id)
    }

    pub fn as_uuid(self) -> Uuid {
        self.0
    }
}

impl std::str::FromStr for TenantId {
    type Err = uuid::Error;
    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        Uuid::try_parse(text).map(Self)
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The sequence number of a business, from 1. Never reused, never changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct BusinessNumber(i64);

impl BusinessNumber {
    pub(crate) fn from_sequence(number: i64) -> Self {
        Self(number)
    }

    pub fn get(self) -> i64 {
        self.0
    }
}

impl fmt::Display for BusinessNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The PostgreSQL schema of one tenant: `business_<n>`. Never changes, never made from user input.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct SchemaName(String);

impl SchemaName {
    /// The `n`-th business's schema. Ever after, the name is read from `shared.tenants`.
    pub(crate) fn numbered(n: BusinessNumber) -> Self {
        Self(format!("business_{n}"))
    }

    /// The schema of the registry, which belongs to no business.
    pub(crate) fn shared() -> Self {
        Self("shared".to_owned())
    }

    pub(crate) fn from_registry(name: String) -> Self {
        Self(name)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as an SQL identifier.
    pub fn quoted(&self) -> String {
        quote_identifier(&self.0)
    }
}

impl fmt::Display for SchemaName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The NOLOGIN role that alone may enter one tenant's schema: `<installation>_business_<n>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct RoleName(String);

impl RoleName {
    pub(crate) fn from_registry(name: String) -> Self {
        Self(name)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as an SQL identifier.
    pub fn quoted(&self) -> String {
        quote_identifier(&self.0)
    }
}

/// Tells two installations in one PostgreSQL cluster apart: the prefix of their roles. By default the database's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Installation(String);

impl Installation {
    /// # Errors
    /// [`NameError::Installation`] unless 1 to 40 of `a-z`, `0-9`, `_`, first a letter: role names end at 63 bytes.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let bytes = text.as_bytes();
        let well_formed = (1..=40).contains(&bytes.len())
            && bytes[0].is_ascii_lowercase()
            && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'_');
        if well_formed { Ok(Self(text.to_owned())) } else { Err(NameError::Installation) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The role for reporting logins: SELECT on every business schema, nothing else.
    pub fn reader_role(&self) -> String {
        format!("{}_reader", self.0)
    }

    /// The NOLOGIN owner of the two functions that make and drop tenant roles; nobody is a member of it.
    pub fn role_maker(&self) -> String {
        format!("{}_role_maker", self.0)
    }
}

impl TryFrom<String> for Installation {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        Self::parse(&text)
    }
}

impl From<Installation> for String {
    fn from(installation: Installation) -> Self {
        installation.0
    }
}

/// Quotes `name` as an SQL identifier: the one function through which a name reaches SQL text.
pub(crate) fn quote_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Quotes `text` as an SQL string literal, for statements that take no parameters (CREATE ROLE and its like).
pub(crate) fn quote_literal(text: &str) -> String {
    let doubled = text.replace('\'', "''");
    if doubled.contains('\\') {
        format!("E'{}'", doubled.replace('\\', "\\\\"))
    } else {
        format!("'{doubled}'")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_slugs_are_taken() {
        for slug in ["abc", "a1-b", "shop-24", &"a".repeat(40)] {
            assert_eq!(TenantSlug::parse(slug).unwrap().as_str(), slug);
        }
    }

    #[test]
    fn hostile_slugs_are_refused() {
        for slug in [
            "",
            "ab",
            &"a".repeat(41),
            "1abc",
            "-abc",
            "abc-",
            "Abc",
            "a_b",
            "a b",
            "a.b",
            "a\"b",
            "a'b;--",
            "äbc",
            "abc\0",
            "a/b",
            "../etc",
            "ABC",
        ] {
            assert_eq!(TenantSlug::parse(slug), Err(NameError::Slug), "{slug:?}");
        }
        for slug in ["admin", "app", "www", "api", "auth", "mail", "static", "docs", "status", "xn--abc"] {
            assert_eq!(TenantSlug::parse(slug), Err(NameError::ReservedSlug(slug.into())));
        }
    }

    #[test]
    fn identifiers_and_literals_cannot_be_left() {
        assert_eq!(quote_identifier(r#"a"b"#), r#""a""b""#);
        assert_eq!(quote_literal("it's"), "'it''s'");
        assert_eq!(quote_literal(r"a\'b"), r"E'a\\''b'");
    }

    #[test]
    fn an_installation_cannot_smuggle_quotes() {
        assert!(Installation::parse("tenantry_dev").is_ok());
        for name in ["", "1a", "a-b", "a\"b", "A", &"a".repeat(41)] {
            assert_eq!(Installation::parse(name), Err(NameError::Installation), "{name:?}");
        }
    }
}
