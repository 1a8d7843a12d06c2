//! The staff of the platform acting as a member of a business. The business can refuse it. The start is in
//! the audit log of the business, in the log of authentication events, and in the audit log of the platform.

use identity::SessionId;
use identity::impersonation::{
    self, Impersonated, Impersonation, ImpersonationError, NewImpersonation, Staff,
};
use inventory::audit::{self, Action, Subject};
use inventory::settings::{self, OperatorAccess};
use serde_json::json;
use tenancy::lifecycle::LifecycleError;
use tenancy::{DbError, SharedTx, Tenant, TenantId, TenantTx, tenant};
use values::ActorId;

use crate::operator::lifecycle::Operator;
use crate::records::platform_audit;

/// The staff may not act as a member.
#[derive(Debug, thiserror::Error)]
pub enum ActAsError {
    /// The settings of the business do not allow it.
    #[error(
        "the business does not allow this: its setting operatorAccess is {}; ask an owner of the business",
        .0.as_str()
    )]
    Refused(OperatorAccess),
    /// There is no such member, or the time is out of range.
    #[error(transparent)]
    Impersonation(#[from] ImpersonationError),
    /// The business does not exist or is busy.
    #[error(transparent)]
    Lifecycle(#[from] LifecycleError),
    /// PostgreSQL refused a query, or the connection failed.
    #[error("an impersonation query failed")]
    Db(#[from] DbError),
}

impl Operator {
    /// Lets one of the staff act as a member of a business.
    ///
    /// # Errors
    /// [`ActAsError`].
    pub async fn act_as(
        &self,
        id: TenantId,
        new: &NewImpersonation,
        staff: Staff,
    ) -> Result<Impersonated, ActAsError> {
        let session = SessionId::new();
        let details = impersonation::details(new);
        let in_business = async |tx: &TenantTx| {
            let access = settings::operator_access(tx).await?;
            if !access.allows(new.is_read_only) {
                return Err(ActAsError::Refused(access));
            }
            let (actor, subject) = (ActorId::impersonation(session), Subject::Impersonation(session.into()));
            let changes = json!({
                "reason": {"to": new.reason}, "minutes": {"to": new.minutes},
                "isReadOnly": {"to": new.is_read_only}});
            audit::record(tx, actor, Action::ImpersonationStarted, subject, &changes).await?;
            Ok(())
        };
        let in_shared = async |tx: &SharedTx, tenant: &Tenant, (): &()| {
            let started = impersonation::start(tx, id, new, staff, session, self.actor.by()).await?;
            let mut details = details.clone();
            details["session"] = json!(session);
            details["userId"] = json!(started.member.user);
            platform_audit::record(tx, &self.actor, "impersonation.started", Some(tenant), &details).await?;
            Ok::<_, ActAsError>(started)
        };
        self.owner_database.write_both(id, in_business, in_shared).await
    }

    /// Ends an impersonation. Every server refuses its token within a second.
    ///
    /// # Errors
    /// [`ImpersonationError`].
    pub async fn end_impersonation(&self, id: SessionId) -> Result<Impersonation, ImpersonationError> {
        self.owner_database
            .write_shared(async |tx| {
                let ended = impersonation::end(tx, id, self.actor.by()).await?;
                let tenant = tenant::find_by_id(tx, ended.tenant_id).await?;
                let details = json!({"session": id, "userId": ended.user_id});
                let action = "impersonation.ended";
                platform_audit::record(tx, &self.actor, action, tenant.as_ref(), &details).await?;
                Ok::<_, ImpersonationError>(ended)
            })
            .await
    }
}
