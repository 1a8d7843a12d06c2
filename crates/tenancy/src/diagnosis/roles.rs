//! What is wrong with logins, roles and the rights on the database, each with the statement that cures it.

use crate::connection::error::DbError;
use crate::names::database::{PLATFORM_GROUP, SHARED_GROUP, TENANT_GROUP};
use crate::owner::bootstrap::role_functions;
use crate::owner::provisioning::OwnerDatabase;

/// Something that is wrong with a role or with the rights on the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// The problem, in one sentence for the operator.
    pub text: String,
    /// The statements for an administrator that solve the problem. `None` if the bootstrap solves it.
    pub cure: Option<String>,
}

crate::from_row!(Complaint { text, cure });

impl OwnerDatabase {
    /// The login that owns the schema `shared`; `None` if there is no such schema.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn owner_of_shared(&self) -> Result<Option<String>, DbError> {
        const OWNER: &str =
            "SELECT pg_get_userbyid(nspowner)::text FROM pg_catalog.pg_namespace WHERE nspname = 'shared'";
        self.owner.begin_unscoped().await?.value_opt(OWNER, &[]).await
    }

    /// Lists what is wrong with the two logins, with the groups, with the roles of live and spare schemas,
    /// and with the rights on the database. A server process opens up to `connections` connections.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn complaints(&self, connections: usize) -> Result<Vec<Complaint>, DbError> {
        const COMPLAINTS: &str = include_str!("roles/complaints.sql");
        let transaction = self.owner.begin_unscoped().await?;
        let (installation, server) = (&self.installed.installation, &self.installed.server_login);
        let groups = [TENANT_GROUP, SHARED_GROUP, PLATFORM_GROUP].as_slice();
        let (role_maker, reader) = (installation.role_maker(), installation.reader_role());
        let most = i32::try_from(connections).unwrap_or(i32::MAX);
        let mut complaints: Vec<Complaint> =
            transaction.rows(COMPLAINTS, &[server, &role_maker, &groups, &reader, &most]).await?;
        if !self.has_role_functions(&role_maker).await? {
            let text = "the functions that make and drop the roles of businesses were changed".to_owned();
            complaints.push(Complaint { text, cure: None });
        }
        Ok(complaints)
    }

    /// Whether the two functions are those of the bootstrap, with its rights.
    async fn has_role_functions(&self, role_maker: &str) -> Result<bool, DbError> {
        const FUNCTIONS: &str = "
            SELECT count(*) = 2
              FROM unnest(ARRAY['make_tenant_role', 'drop_tenant_role'], $1::text[]) AS wanted (name, body)
              JOIN pg_catalog.pg_proc p ON p.proname = wanted.name AND p.prosrc = wanted.body
                                       AND p.pronamespace = to_regnamespace('shared')
             WHERE p.prosecdef AND p.proconfig = ARRAY['search_path=pg_catalog, pg_temp']
               AND pg_get_userbyid(p.proowner) = $2
               AND NOT has_function_privilege('public', p.oid, 'EXECUTE')
               AND NOT has_function_privilege($3, p.oid, 'EXECUTE')
               AND has_function_privilege(p.oid, 'EXECUTE')";
        let transaction = self.owner.begin_unscoped().await?;
        let owner: String = transaction.value("SELECT current_user::text", &[]).await?;
        let bodies = role_functions(&self.installed, &owner);
        transaction.value(FUNCTIONS, &[&bodies, &role_maker, &self.installed.server_login]).await
    }
}
