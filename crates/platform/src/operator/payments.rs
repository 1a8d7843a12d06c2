//! Payments by mobile money that belong to no business, and the provider that reports them.

use serde_json::json;
use tenancy::{DbError, SharedTx, Tenant};
use till::MobilePaymentId;

use crate::operator::lifecycle::Operator;
use crate::records::platform_audit;
use crate::shops::received_payment::{self, UnclaimedPayment};

impl Operator {
    /// Gives a business a payment to a till number that no business had. Returns the payment; `None` if there
    /// is no such payment, or a business has it.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn assign_payment(
        &self,
        id: MobilePaymentId,
        tenant: &Tenant,
    ) -> Result<Option<UnclaimedPayment>, DbError> {
        self.owner_database
            .write_shared(async |tx: &SharedTx| {
                let Some(payment) = received_payment::claim(tx, id, tenant).await? else { return Ok(None) };
                let details = json!({
                    "transaction": payment.transaction_id, "tillNumber": payment.till_number,
                    "amount": payment.amount.plain(),
                });
                platform_audit::record(tx, &self.actor, "payment.assigned", Some(tenant), &details).await?;
                Ok(Some(payment))
            })
            .await
    }
}
