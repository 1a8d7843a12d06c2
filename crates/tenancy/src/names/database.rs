//! Names inside the database: business numbers, schemas, roles and the installation that owns them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::names::quoting::quote_identifier;
use crate::names::tenant::NameError;

/// The NOLOGIN role that has every tenant role as a member and that receives the table privileges in business
/// schemas.
pub const TENANT_GROUP: &str = "tenantry_tenant";
/// The NOLOGIN role with which the server reads the `shared` schema and calls its functions, subject to row
/// level security.
pub const SHARED_GROUP: &str = "tenantry_shared";
/// The NOLOGIN role of the platform's staff and commands, which sees every row of the `shared` schema.
pub const PLATFORM_GROUP: &str = "tenantry_platform";

/// The sequence number of a business's schema, starting at 1. A number is never reused, and the number of a
/// schema never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct TenantNumber(i64);

values::column_as!(TenantNumber, i64);

impl TenantNumber {
    /// The number as an integer, 1 or greater.
    pub fn get(self) -> i64 {
        self.0
    }

    /// The number in the key of an advisory lock.
    pub(crate) fn lock_key(self) -> i32 {
        // PostgreSQL cannot hold two billion schemas, so every number fits.
        i32::try_from(self.0).unwrap_or(i32::MAX)
    }
}

impl fmt::Display for TenantNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The PostgreSQL schema of one tenant: `business_<n>`. The name never changes and never contains user input.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct SchemaName(String);

values::column_as!(SchemaName, String);

impl SchemaName {
    /// Builds the name of schema number `n`. Only the creation of the schema calls this function; afterwards,
    /// the name is always read from the registry.
    pub(crate) fn numbered(n: TenantNumber) -> Self {
        Self(format!("business_{n}"))
    }

    /// The `shared` schema of the registry, which belongs to no business.
    pub(crate) fn shared() -> Self {
        Self("shared".to_owned())
    }

    /// The name without quotes. SQL text needs [`SchemaName::quoted`].
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name, quoted as an SQL identifier.
    pub fn quoted(&self) -> String {
        quote_identifier(&self.0)
    }
}

impl fmt::Display for SchemaName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The NOLOGIN role of one tenant: `<installation>_business_<n>`. No other tenant role may use the tenant's
/// schema.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct RoleName(String);

values::column_as!(RoleName, String);

impl RoleName {
    /// Builds the name of the role of business number `n`, exactly as `shared.make_tenant_role` does.
    /// Afterwards, the name is always read from the registry.
    pub(crate) fn numbered(installation: &Installation, n: TenantNumber) -> Self {
        Self(format!("{}_business_{n}", installation.0))
    }

    /// The name without quotes. SQL text needs [`RoleName::quoted`].
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name, quoted as an SQL identifier.
    pub fn quoted(&self) -> String {
        quote_identifier(&self.0)
    }
}

/// The name of an installation, and the prefix of its roles. The prefix separates two installations in one
/// PostgreSQL cluster. The name defaults to the name of the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Installation(String);

impl Installation {
    /// Checks the name of an installation.
    ///
    /// # Errors
    /// [`NameError::Installation`] unless the name has 1 to 40 characters of `a-z`, `0-9` and `_` and starts
    /// with a letter. The limit is 40 because PostgreSQL cuts role names off after 63 bytes.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let bytes = text.as_bytes();
        let well_formed = (1..=40).contains(&bytes.len())
            && bytes[0].is_ascii_lowercase()
            && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'_');
        if well_formed { Ok(Self(text.to_owned())) } else { Err(NameError::Installation) }
    }

    /// The name, such as `tenantry_dev`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The role for reporting logins. It may read the tables of every business, and may write nothing.
    pub fn reader_role(&self) -> String {
        format!("{}_reader", self.0)
    }

    /// The NOLOGIN role without members that owns the two functions that create and drop tenant roles.
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

/// An installation and the login of its server.
#[derive(Debug, Clone)]
pub struct Installed {
    /// The name of the installation, with which the names of its roles start.
    pub installation: Installation,
    /// The login of `database.url`, which becomes a member of every tenant role.
    pub server_login: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_installation_name_is_refused() {
        assert!(Installation::parse("tenantry_dev").is_ok());
        for name in ["", "1a", "a-b", "a\"b", "A", &"a".repeat(41)] {
            assert_eq!(Installation::parse(name), Err(NameError::Installation), "{name:?}");
        }
    }
}
