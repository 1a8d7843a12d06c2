//! The actions of the operator on plans and licences. Each action and its entry in the audit log are written
//! in one transaction.

use serde_json::json;
use tenancy::{DbError, PlanKey, SharedTx, Tenant, TenantId, lifecycle, outbox};

use crate::operator::lifecycle::{Operator, OperatorError};
use crate::records::platform_audit;
use crate::shops::licence::{self, LicenceChanged, LicenceEvent, Until};
use crate::shops::plan::{self, NewPlan, Plan};

impl Operator {
    /// Grants a business a licence of `plan`, or of its present plan with `None`. A licence that is valid is
    /// renewed. The same again changes nothing, unless it is for one more term.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn grant_licence(
        &self,
        id: TenantId,
        plan: Option<&PlanKey>,
        until: Until,
    ) -> Result<Tenant, OperatorError> {
        self.act(id, async |tx, before| {
            if licence::grant(tx, before, plan, until).await? {
                self.tell_licence(tx, before, "licence.granted").await?;
            }
            Ok(lifecycle::lock(tx, id).await?)
        })
        .await
    }

    /// Revokes the licence of a business, which may not sell from now on.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn revoke_licence(&self, id: TenantId) -> Result<Tenant, OperatorError> {
        self.act(id, async |tx, before| {
            if licence::revoke(tx, id).await? {
                self.tell_licence(tx, before, "licence.revoked").await?;
            }
            Ok(lifecycle::lock(tx, id).await?)
        })
        .await
    }

    /// Writes a change of a licence to the audit log of the platform, and tells the business.
    async fn tell_licence(&self, tx: &SharedTx, before: &Tenant, action: &str) -> Result<(), OperatorError> {
        let now = lifecycle::lock(tx, before.id).await?;
        let (from, to) = (&before.licence, &now.licence);
        let details = json!({
            "plan": {"from": from.plan, "to": to.plan},
            "validUntil": {"from": from.valid_until, "to": to.valid_until},
        });
        self.record(tx, action, &now, &details).await?;
        let changed = LicenceChanged {
            plan: to.plan.clone(),
            standing: to.standing(tx.now()),
            valid_until: to.valid_until,
        };
        Ok(outbox::write_for(tx, &now, &LicenceEvent::Changed(changed)).await?)
    }

    /// Stores a new plan, or replaces the plan with the same key.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn save_plan(&self, new: &NewPlan) -> Result<Plan, OperatorError> {
        self.owner_database
            .write_shared(async |tx| {
                if plan::save(tx, new).await? {
                    let plan = plan::find(tx, &new.key).await?;
                    self.record_plan(tx, "plan.saved", &json!(plan)).await?;
                }
                Ok::<_, OperatorError>(plan::find(tx, &new.key).await?)
            })
            .await
    }

    /// Removes a plan that no business has.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn remove_plan(&self, key: &PlanKey) -> Result<(), OperatorError> {
        self.owner_database
            .write_shared(async |tx| {
                plan::remove(tx, key).await?;
                Ok::<_, OperatorError>(self.record_plan(tx, "plan.removed", &json!({"key": key})).await?)
            })
            .await
    }

    async fn record_plan(
        &self,
        tx: &SharedTx,
        action: &str,
        details: &serde_json::Value,
    ) -> Result<(), DbError> {
        platform_audit::record(tx, &self.actor, action, None, details).await
    }
}
