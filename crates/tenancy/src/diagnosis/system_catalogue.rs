//! What a schema consists of, for comparison with what its version must have, and the statements that undo
//! the differences.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::connection::error::DbError;
use crate::connection::transaction::Transaction;
use crate::names::database::{PLATFORM_GROUP, RoleName, SHARED_GROUP, SchemaName};
use crate::names::quoting::quote_identifier;
use crate::owner::provisioning::{AS_OWNER, OwnerDatabase, ProvisionError};
use crate::registry::locks;
use crate::registry::schema;

/// The objects of one schema, their properties and the rights on them, one line each. The lines contain
/// neither the name of the schema nor the name of its role, so all schemas of one version must have the same
/// lines.
#[derive(Debug, Clone)]
pub struct Catalogue(BTreeMap<String, Line>);

#[derive(Debug, Clone)]
struct Line {
    text: String,
    /// The line of the object to which this line belongs; the object's own line has itself.
    of_object: String,
    /// Lines are made in this order, and removed in the opposite order.
    rank: i32,
    /// Whether the line is about grants, policies or row level security.
    is_right: bool,
    /// The statement that makes the line, with `<schema>` and `<role>`. `None` where another statement makes
    /// it, or where no statement can.
    make: Option<String>,
    /// The statement that removes the line.
    unmake: Option<String>,
}

crate::from_row!(Line { text, of_object, rank, is_right, make, unmake });

/// The line of the schema itself.
const SCHEMA: &str = "schema";

/// The differences between a schema and its version. Without a difference, both lists are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Drift {
    /// What the version has, but the schema does not. Parts of a missing object are left out.
    pub missing: Vec<String>,
    /// What the schema has, but the version does not. Parts of an unexpected object are left out.
    pub unexpected: Vec<String>,
    /// The statements that undo the differences, in their order. They cannot bring data back.
    pub repair: Vec<String>,
    /// The statements among them that change rights and nothing else.
    #[serde(skip)]
    pub rights: Vec<String>,
}

impl Drift {
    /// Whether the schema matches its version.
    pub fn is_none(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty()
    }

    /// Whether the schema itself is missing.
    pub fn lacks_schema(&self) -> bool {
        self.missing.iter().any(|line| line == SCHEMA)
    }

    /// Whether a change of rights undoes every difference.
    pub fn is_of_rights(&self) -> bool {
        !self.is_none() && self.repair.len() == self.rights.len()
    }
}

impl Catalogue {
    /// The differences between `self`, which is the catalogue of a schema with this name and role, and the
    /// `reference`. The `shared` schema has no role.
    pub(crate) fn drift_from(&self, reference: &Self, schema: &SchemaName, role: Option<&RoleName>) -> Drift {
        if !self.0.contains_key(SCHEMA) {
            return Drift { missing: vec![SCHEMA.to_owned()], ..Drift::default() };
        }
        let (missing, unexpected) = (reference.without(self), self.without(reference));
        let role = role.map(RoleName::quoted).unwrap_or_default();
        // The name of a schema needs no quotes, and a function must have it as its migration wrote it.
        let filled = |sql: &str| sql.replace("<schema>", schema.as_str()).replace("<role>", &role);
        let unmade = unexpected.iter().rev().map(|line| (line.is_right, &line.unmake));
        let made = missing.iter().map(|line| (line.is_right, &line.make));
        let repair: Vec<(bool, String)> = unmade
            .chain(made)
            .filter_map(|(is_right, sql)| Some((is_right, filled(sql.as_deref()?))))
            .collect();
        Drift {
            missing: shown(&missing),
            unexpected: shown(&unexpected),
            rights: repair.iter().filter(|(is_right, _)| *is_right).map(|(_, sql)| sql.clone()).collect(),
            repair: repair.into_iter().map(|(_, sql)| sql).collect(),
        }
    }

    /// The lines that `other` does not have, in the order in which they are made.
    fn without(&self, other: &Self) -> Vec<&Line> {
        let mut lines: Vec<&Line> =
            self.0.values().filter(|line| !other.0.contains_key(&line.text)).collect();
        lines.sort_by_key(|line| line.rank);
        lines
    }

    async fn read(transaction: &Transaction, schema: &SchemaName, role: &str) -> Result<Self, DbError> {
        const LINES: &str = include_str!("system_catalogue/lines.sql");
        let lines: Vec<Line> = transaction.rows(LINES, &[&schema.as_str(), &role]).await?;
        Ok(Self(lines.into_iter().map(|line| (line.text.clone(), line)).collect()))
    }
}

/// The texts of lines, without those of parts of an object that has a line itself.
fn shown(lines: &[&Line]) -> Vec<String> {
    let has = |text: &str| lines.iter().any(|line| line.text == text);
    let is_shown = |line: &&&Line| line.text == line.of_object || !has(&line.of_object);
    let mut texts: Vec<String> = lines.iter().filter(is_shown).map(|line| line.text.clone()).collect();
    texts.sort();
    texts
}

impl OwnerDatabase {
    /// Reads the catalogue of a schema. `role` is the role of its business.
    ///
    /// # Errors
    /// [`DbError`].
    pub(crate) async fn catalogue(&self, schema: &SchemaName, role: &RoleName) -> Result<Catalogue, DbError> {
        let transaction = self.owner.begin_unscoped().await?;
        Catalogue::read(&transaction, schema, role.as_str()).await
    }

    /// Returns the catalogue that a schema of this version must have. Builds such a schema in a transaction
    /// that is never committed.
    ///
    /// # Errors
    /// [`ProvisionError`].
    pub(crate) async fn reference_catalogue(&self, version: i32) -> Result<Catalogue, ProvisionError> {
        let transaction = self.owner.begin_unscoped().await?;
        let migrations = self.tenant.up_to(version);
        let made = schema::insert_rehearsed(&transaction, &self.installed, &migrations).await?;
        self.build_schema(&transaction, &made, &migrations).await?;
        transaction.batch(AS_OWNER).await?;
        schema::admit_role(&transaction, &made).await?;
        Ok(Catalogue::read(&transaction, &made.name, made.role.as_str()).await?)
    }

    /// Builds a schema as for a new business, in a transaction that is never committed.
    ///
    /// # Errors
    /// The [`ProvisionError`] that the creation of a business would have.
    pub async fn rehearse(&self) -> Result<(), ProvisionError> {
        self.reference_catalogue(self.latest_version()).await.map(drop)
    }

    /// The differences between the `shared` schema and its version.
    ///
    /// Its migrations name the schema, so the comparison renames it and builds another one, in a transaction
    /// that is never committed. Nobody else sees or waits for that.
    ///
    /// # Errors
    /// [`ProvisionError`].
    pub(crate) async fn drift_of_shared(&self) -> Result<(i32, Drift), ProvisionError> {
        const VERSION: &str = "SELECT coalesce(max(version), 0) FROM shared.shared_migrations";
        const ASIDE: &str = "ALTER SCHEMA shared RENAME TO shared_that_is_compared; CREATE SCHEMA shared";
        let shared = SchemaName::shared();
        let transaction = self.owner.begin_unscoped().await?;
        let version: i32 = transaction.value(VERSION, &[]).await?;
        // Two comparisons would wait for each other's name.
        locks::lock(&transaction, locks::COMPARISON_LOCK).await?;
        let found = Catalogue::read(&transaction, &shared, "").await?;
        transaction.batch(ASIDE).await?;
        let users = [SHARED_GROUP, PLATFORM_GROUP, &self.installed.installation.role_maker()];
        let users: Vec<String> = users.iter().map(|role| quote_identifier(role)).collect();
        transaction.batch(&format!("GRANT USAGE ON SCHEMA shared TO {}", users.join(", "))).await?;
        self.shared.up_to(version).run(&transaction).await?;
        let reference = Catalogue::read(&transaction, &shared, "").await?;
        Ok((version, found.drift_from(&reference, &shared, None)))
    }
}
