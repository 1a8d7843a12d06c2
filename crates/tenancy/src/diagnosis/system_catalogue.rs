//! What a schema consists of, to compare it with what its version should be.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::connection::error::DbError;
use crate::connection::transaction::Session;
use crate::names::tenant_names::{RoleName, SchemaName};
use crate::owner::provisioning::{AS_OWNER, ProvisionError, Provisioner};
use crate::registry::schema::{self, SchemaState};

/// Tables, columns, constraints, indexes and grants of one schema, a line each; the same for every schema of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalogue(BTreeSet<String>);

/// How a schema differs from what its version should be; nothing when both are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Drift {
    pub missing: Vec<String>,
    pub unexpected: Vec<String>,
}

impl Drift {
    pub fn is_none(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty()
    }
}

impl Catalogue {
    /// How `self` differs from the `reference`.
    pub fn drift_from(&self, reference: &Self) -> Drift {
        Drift {
            missing: reference.0.difference(&self.0).cloned().collect(),
            unexpected: self.0.difference(&reference.0).cloned().collect(),
        }
    }

    async fn read(session: &Session, schema: &SchemaName, role: &RoleName) -> Result<Self, DbError> {
        const LINES: &str = include_str!("system_catalogue/lines.sql");
        let rows = session.query(LINES, &[&schema.as_str(), &role.as_str()]).await?;
        rows.iter().map(|row| row.try_get("text").map_err(DbError::from)).collect::<Result<_, _>>().map(Self)
    }
}

impl Provisioner {
    /// The catalogue of a schema as it is.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn catalogue(&self, schema: &SchemaName, role: &RoleName) -> Result<Catalogue, DbError> {
        let session = self.owner.begin_unscoped().await?;
        Catalogue::read(&session, schema, role).await
    }

    /// The catalogue that a schema of this version should have: one is made, looked at, and never committed.
    ///
    /// # Errors
    /// [`ProvisionError`].
    pub async fn reference_catalogue(&self, version: i32) -> Result<Catalogue, ProvisionError> {
        let session = self.owner.begin_unscoped().await?;
        let migrations = self.tenant.up_to(version);
        let made = schema::insert(&session, &self.installed, SchemaState::Spare, &migrations).await?;
        self.build_schema(&session, &made, &migrations).await?;
        session.batch(AS_OWNER).await?;
        schema::admit_role(&session, &made).await?;
        Ok(Catalogue::read(&session, &made.name, &made.role).await?)
    }
}
