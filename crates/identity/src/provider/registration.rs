//! What the provider knows of a program that sends somebody to sign in.

use tenancy::{DbError, SharedTx};
use values::Name;

use crate::access::program_address::ProgramAddress;
use crate::names::keys::{AppSlug, ClientId};
use crate::signing_in::delegation::{ACCOUNT, Scopes};

/// A program that signs people in.
#[derive(Debug, Clone)]
pub struct Registration {
    /// The client id.
    pub id: ClientId,
    /// The name of the program.
    pub name: Name,
    /// The app whose access tokens the program gets.
    pub app: AppSlug,
    /// The name of the app.
    pub app_name: Name,
    /// Whether memberships of the app belong to businesses.
    pub has_businesses: bool,
    /// Whether the program can keep no secret.
    pub is_public: bool,
    /// Whether the program is somebody else's, so that people are asked.
    pub is_foreign: bool,
    /// Where people may go with a code.
    pub redirect_uris: Vec<ProgramAddress>,
    /// Where people may go after they have signed out.
    pub post_logout_redirect_uris: Vec<ProgramAddress>,
}

tenancy::from_row!(Registration {
    id,
    name,
    app,
    app_name,
    has_businesses,
    is_public,
    is_foreign,
    redirect_uris,
    post_logout_redirect_uris
});

/// A permission that a program asks for, in words.
#[derive(Debug, Clone)]
pub struct AskedPermission {
    /// The key.
    pub key: String,
    /// What the permission allows.
    pub description: String,
}

tenancy::from_row!(AskedPermission { key, description });

impl Registration {
    /// One program.
    ///
    /// # Errors
    /// [`DbError`]; `None` if it is unknown.
    pub async fn find(tx: &SharedTx, id: &ClientId) -> Result<Option<Self>, DbError> {
        const FIND: &str = "
            SELECT c.id, c.name, c.app, a.name AS app_name, a.has_businesses, c.is_public, c.is_foreign,
                   c.redirect_uris, c.post_logout_redirect_uris
              FROM shared.oauth_clients c JOIN shared.apps a ON a.slug = c.app
             WHERE c.id = $1";
        tx.row_opt(FIND, &[id]).await
    }

    /// The permissions among these scopes, in words. `None` if the app has no such permission, or the program
    /// may not ask for one of the scopes.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn permissions(
        &self,
        tx: &SharedTx,
        scopes: &Scopes,
    ) -> Result<Option<Vec<AskedPermission>>, DbError> {
        const FIND: &str = "
            SELECT p.key, p.description
              FROM shared.app_permissions ap
              JOIN shared.permissions p ON p.app = ap.owner_app AND p.key = ap.permission
             WHERE ap.app = $1 AND ap.permission = ANY ($2)
             ORDER BY p.key";
        if self.is_foreign && scopes.has(ACCOUNT) {
            return Ok(None);
        }
        let keys: Vec<&str> = scopes.permissions().collect();
        if keys.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let found: Vec<AskedPermission> = tx.rows(FIND, &[&self.app, &keys]).await?;
        Ok((found.len() == keys.len()).then_some(found))
    }
}
