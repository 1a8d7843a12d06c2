//! The comparison of all schemas with their versions, and the repair of their rights.

use serde::Serialize;

use crate::connection::error::{DbError, chain};
use crate::connection::row::read_row;
use crate::diagnosis::system_catalogue::{Catalogue, Drift};
use crate::names::database::{SchemaName, TENANT_GROUP};
use crate::names::tenant::TenantSlug;
use crate::owner::provisioning::{OwnerDatabase, ProvisionError};
use crate::registry::schema::{self, Schema};

/// A schema that does not match its version.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Drifted {
    /// The business of the schema; `None` for a spare schema and for `shared`.
    pub business: Option<TenantSlug>,
    /// The name of the schema.
    pub schema: SchemaName,
    /// The version of the schema in the registry.
    pub version: i32,
    /// The differences from a new schema of that version.
    #[serde(flatten)]
    pub drift: Drift,
}

/// The result of a comparison.
#[derive(Debug, Clone, Default)]
pub struct Compared {
    /// The schemas that do not match their versions.
    pub drifted: Vec<Drifted>,
    /// The schemas that could not be compared, each with the reason.
    pub problems: Vec<String>,
}

/// The result of a repair.
#[derive(Debug, Clone, Default)]
pub struct Repaired {
    /// The number of roles of businesses that were made, or became members of a role again.
    pub roles: usize,
    /// The number of rights that were granted or revoked.
    pub rights: usize,
    /// The repairs that failed, each with the reason.
    pub problems: Vec<String>,
}

impl OwnerDatabase {
    /// Compares `shared` and the live and spare schemas with their versions. A schema that cannot be compared
    /// does not end the comparison.
    ///
    /// # Errors
    /// [`DbError`] when the registry cannot be read.
    pub async fn compare_schemas(&self) -> Result<Compared, DbError> {
        const SCHEMAS: &str = "
            SELECT s.number, s.name, s.role_name, s.version, t.slug
              FROM shared.schemas s
              LEFT JOIN shared.tenants t ON t.number = s.number
             WHERE s.state IN ('live', 'spare')
             ORDER BY s.version, s.number";
        let mut compared = Compared::default();
        match self.drift_of_shared().await {
            Ok((version, drift)) => compared.add(None, SchemaName::shared(), version, drift),
            Err(error) => compared.problems.push(format!("shared: {}", chain(&error))),
        }
        let rows = self.owner.begin_unscoped().await?.query(SCHEMAS, &[]).await?;
        let mut reference: Option<(i32, Catalogue)> = None;
        for row in &rows {
            let schema: Schema = read_row(row)?;
            let business = row.try_get("slug").map_err(DbError::from)?;
            match self.drift_of(&schema, &mut reference).await {
                Ok(drift) => compared.add(business, schema.name, schema.version, drift),
                Err(error) => compared.problems.push(format!("{}: {}", schema.name, chain(&error))),
            }
        }
        Ok(compared)
    }

    /// `reference` holds the catalogue of the last version that was compared.
    async fn drift_of(
        &self,
        schema: &Schema,
        reference: &mut Option<(i32, Catalogue)>,
    ) -> Result<Drift, ProvisionError> {
        let known = match reference {
            Some((version, catalogue)) if *version == schema.version => catalogue,
            _ => &reference.insert((schema.version, self.reference_catalogue(schema.version).await?)).1,
        };
        let found = self.catalogue(&schema.name, &schema.role).await?;
        Ok(found.drift_from(known, &schema.name, Some(&schema.role)))
    }

    /// Gives the roles of all schemas the rights that they must have, and takes away those that nobody must
    /// have, for example after another program or an upgrade of PostgreSQL has changed them. Objects stay as
    /// they are. A spare schema that is gone is forgotten.
    ///
    /// # Errors
    /// [`DbError`] when the registry cannot be read.
    pub async fn repair_rights(&self) -> Result<Repaired, DbError> {
        let mut repaired = Repaired::default();
        self.repair_roles(&mut repaired).await?;
        let compared = self.compare_schemas().await?;
        repaired.problems.extend(compared.problems);
        for drifted in &compared.drifted {
            match self.apply_rights(drifted).await {
                Ok(rights) => repaired.rights += rights,
                Err(error) => repaired.problems.push(format!("{}: {}", drifted.schema, chain(&error))),
            }
        }
        Ok(repaired)
    }

    async fn repair_roles(&self, repaired: &mut Repaired) -> Result<(), DbError> {
        const BROKEN: &str = "
            SELECT s.number
              FROM shared.schemas s
              LEFT JOIN pg_catalog.pg_roles r ON r.rolname = s.role_name
             WHERE s.state IN ('live', 'spare')
               AND (r.oid IS NULL
                    OR NOT EXISTS (SELECT FROM pg_catalog.pg_auth_members m
                                    WHERE m.member = r.oid AND m.roleid = to_regrole($1))
                    OR (SELECT count(DISTINCT m.member)
                          FROM pg_catalog.pg_auth_members m
                          JOIN pg_catalog.pg_roles x ON x.oid = m.member
                         WHERE m.roleid = r.oid AND x.rolname IN ($2, current_user)
                           -- From PostgreSQL 16 on, a membership may lack SET ROLE.
                           AND coalesce((to_jsonb(m) ->> 'set_option')::boolean, true)) < 2)
             ORDER BY s.number";
        const MAKE: &str = "SELECT shared.make_tenant_role($1)";
        let numbers: Vec<i64> = self
            .owner
            .begin_unscoped()
            .await?
            .values(BROKEN, &[&TENANT_GROUP, &self.installed.server_login])
            .await?;
        for number in numbers {
            let transaction = self.owner.begin_unscoped().await?;
            match transaction.execute(MAKE, &[&number]).await {
                Ok(_) => {
                    transaction.commit().await?;
                    repaired.roles += 1;
                }
                Err(error) => repaired.problems.push(format!("the role of {number}: {}", chain(&error))),
            }
        }
        Ok(())
    }

    /// Changes the rights of one schema, unless it has been migrated since the comparison.
    async fn apply_rights(&self, drifted: &Drifted) -> Result<usize, DbError> {
        const FIND: &str = "
            SELECT number, name, role_name, version FROM shared.schemas
             WHERE name = $1 AND version = $2 AND state IN ('live', 'spare') FOR NO KEY UPDATE";
        const IS_SPARE: &str = "SELECT state = 'spare' FROM shared.schemas WHERE number = $1";
        let transaction = self.owner.begin_unscoped().await?;
        if drifted.schema != SchemaName::shared() {
            let name = drifted.schema.as_str();
            let found: Option<Schema> = transaction.row_opt(FIND, &[&name, &drifted.version]).await?;
            let Some(schema) = found else { return Ok(0) };
            if drifted.drift.lacks_schema() {
                if transaction.value(IS_SPARE, &[&schema.number.get()]).await? {
                    schema::drop_schema(&transaction, &schema.name, schema.number).await?;
                    transaction.commit().await?;
                }
                return Ok(0);
            }
        }
        let rights: Vec<&str> = drifted.drift.rights.iter().map(String::as_str).collect();
        transaction.pipeline(&rights).await.map_err(|(_, error)| error)?;
        transaction.commit().await?;
        Ok(rights.len())
    }
}

impl Compared {
    fn add(&mut self, business: Option<TenantSlug>, schema: SchemaName, version: i32, drift: Drift) {
        if !drift.is_none() {
            self.drifted.push(Drifted { business, schema, version, drift });
        }
    }
}
