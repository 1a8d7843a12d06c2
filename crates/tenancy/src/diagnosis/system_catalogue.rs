//! The objects of a schema, for comparison with the objects that its version must have.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::connection::error::DbError;
use crate::connection::transaction::Transaction;
use crate::names::database::{RoleName, SchemaName};
use crate::owner::provisioning::{AS_OWNER, OwnerDatabase, ProvisionError};
use crate::registry::schema::{self, SchemaState};

/// The objects of one schema and the grants on them, one line each. The lines contain neither the name of
/// the schema nor the name of its role, so all schemas of one version must have the same lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalogue(BTreeSet<String>);

/// The differences between a schema and its version. Without a difference, both lists are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Drift {
    /// Objects that the version has, but the schema does not.
    pub missing: Vec<String>,
    /// Objects that the schema has, but the version does not.
    pub unexpected: Vec<String>,
}

impl Drift {
    /// Whether the schema matches its version.
    pub fn is_none(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty()
    }
}

impl Catalogue {
    /// Returns the differences between `self` and the `reference`.
    pub fn drift_from(&self, reference: &Self) -> Drift {
        Drift {
            missing: reference.0.difference(&self.0).cloned().collect(),
            unexpected: self.0.difference(&reference.0).cloned().collect(),
        }
    }

    async fn read(transaction: &Transaction, schema: &SchemaName, role: &RoleName) -> Result<Self, DbError> {
        const LINES: &str = include_str!("system_catalogue/lines.sql");
        let rows = transaction.query(LINES, &[&schema.as_str(), &role.as_str()]).await?;
        rows.iter().map(|row| row.try_get("text").map_err(DbError::from)).collect::<Result<_, _>>().map(Self)
    }
}

impl OwnerDatabase {
    /// Reads the catalogue of a schema. `role` is the role of its business.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn catalogue(&self, schema: &SchemaName, role: &RoleName) -> Result<Catalogue, DbError> {
        let transaction = self.owner.begin_unscoped().await?;
        Catalogue::read(&transaction, schema, role).await
    }

    /// Returns the catalogue that a schema of this version must have. Builds such a schema in a transaction
    /// that is never committed.
    ///
    /// # Errors
    /// [`ProvisionError`].
    pub async fn reference_catalogue(&self, version: i32) -> Result<Catalogue, ProvisionError> {
        let transaction = self.owner.begin_unscoped().await?;
        let migrations = self.tenant.up_to(version);
        let made = schema::insert(&transaction, &self.installed, SchemaState::Spare, &migrations).await?;
        self.build_schema(&transaction, &made, &migrations).await?;
        transaction.batch(AS_OWNER).await?;
        schema::admit_role(&transaction, &made).await?;
        Ok(Catalogue::read(&transaction, &made.name, &made.role).await?)
    }
}
