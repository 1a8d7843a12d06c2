//! The slug that people choose for a tenant, and the tenant's key in the registry.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Slugs that are reserved for the platform. No business may take one.
pub const RESERVED_SLUGS: [&str; 9] =
    ["admin", "app", "www", "api", "auth", "mail", "static", "docs", "status"];

const SLUG_RULE: &str =
    "a slug must have 3 to 40 characters of a-z, 0-9 and '-', start with a letter and not end with '-'";

/// A name was refused. The text says which names are allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The text breaks the rule of [`TenantSlug`].
    #[error("{SLUG_RULE}")]
    Slug,
    /// The slug is one of `RESERVED_SLUGS`, or starts with `xn--`.
    #[error("the slug \"{0}\" is reserved for the platform; choose another slug")]
    ReservedSlug(String),
    /// The text breaks the rule for the name of an installation.
    #[error("an installation name must have 1 to 40 characters of a-z, 0-9 and '_' and start with a letter")]
    Installation,
}

/// A business's label in a host name: 3 to 40 characters of `a-z`, `0-9` and `-` that start with a letter and
/// do not end with `-`. Some labels are reserved and therefore refused.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TenantSlug(String);

impl utoipa::PartialSchema for TenantSlug {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        values::macros::TextForm::pattern("^[a-z][a-z0-9-]{1,38}[a-z0-9]$")
            .such_as("acme")
            .schema("The first label of the address of a business, such as acme")
    }
}

impl utoipa::ToSchema for TenantSlug {}

// A stored slug was checked when it was stored. A business keeps its slug even if that slug is reserved
// later.
values::column_as!(TenantSlug, String);

impl TenantSlug {
    /// Checks the rule of the type. Upper case is refused and not converted to lower case, because a slug is
    /// an address.
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

    /// The label of a schema that exists only during an isolation test. The label is never stored in the
    /// registry of tenants.
    pub(crate) fn of_probe(label: &str) -> Self {
        Self(label.to_owned())
    }

    /// The slug, as the registry and host names contain it.
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

values::ids! {
    /// The id of a business.
    TenantId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_slugs_are_accepted() {
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
}
