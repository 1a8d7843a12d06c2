//! The actions of the operator on apps. Each action and its entry in the audit log are written in one
//! transaction.

use identity::AppSlug;
use identity::app::{self, AppDefinition, AppError, Applied};
use serde_json::json;
use values::IfVersion;

use crate::operator::lifecycle::Operator;
use crate::records::platform_audit;

impl Operator {
    /// Registers an app, or gives a registered app this definition. The same definition twice changes
    /// nothing.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn apply_app(
        &self,
        slug: &AppSlug,
        wanted: &AppDefinition,
        if_version: IfVersion,
    ) -> Result<Applied, AppError> {
        self.owner_database
            .write_shared(async |tx| {
                let applied = app::apply(tx, slug, wanted, if_version).await?;
                let action = match applied {
                    Applied::Registered => "app.registered",
                    Applied::Changed => "app.changed",
                    Applied::Unchanged => return Ok(applied),
                };
                let details = json!({"app": slug, "definition": wanted});
                platform_audit::record(tx, &self.actor, action, None, &details).await?;
                Ok::<_, AppError>(applied)
            })
            .await
    }

    /// Removes an app that has no members.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn remove_app(&self, slug: &AppSlug) -> Result<(), AppError> {
        self.owner_database
            .write_shared(async |tx| {
                app::remove(tx, slug).await?;
                let details = json!({"app": slug});
                platform_audit::record(tx, &self.actor, "app.removed", None, &details).await?;
                Ok::<_, AppError>(())
            })
            .await
    }
}
