//! How a purchase order moves from status to status.

use serde_json::json;
use tenancy::{DbError, TenantTx, all, outbox};
use values::ActorId;

use crate::ids::PurchaseOrderId;
use crate::purchasing::purchase_order::{PurchaseError, PurchaseOrder};
use crate::purchasing::purchase_order_list::{find, lock};
use crate::records::audit::{self, Action, Subject};
use crate::records::event::{Event, PurchaseOrderChanged};
use crate::statuses::PurchaseStatus;
use crate::stock::alert_review;

impl PurchaseStatus {
    /// Whether goods may be received: the status is SENT or CONFIRMED.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Sent | Self::Confirmed)
    }

    /// The statuses to which a member may move a purchase order, given whether any goods have been received.
    /// RECEIVED is not among them: the receipt of the last goods sets it.
    pub fn moves(self, has_received: bool) -> &'static [Self] {
        match (self, has_received) {
            (Self::Draft, _) => &[Self::Sent, Self::Cancelled],
            (Self::Sent, false) => &[Self::Confirmed, Self::Cancelled],
            (Self::Confirmed, false) => &[Self::Cancelled],
            (Self::Sent, true) => &[Self::Confirmed, Self::ClosedShort],
            (Self::Confirmed, true) => &[Self::ClosedShort],
            (Self::Received | Self::Cancelled | Self::ClosedShort, _) => &[],
        }
    }
}

/// Moves a purchase order to another status, with the row locked: sent, confirmed, cancelled or closed short.
///
/// # Errors
/// [`PurchaseError::NotFound`]; [`PurchaseError::IllegalMove`] with the statuses that are allowed;
/// [`PurchaseError::Db`].
pub async fn move_to(
    tx: &TenantTx,
    id: PurchaseOrderId,
    to: PurchaseStatus,
    actor: ActorId,
) -> Result<PurchaseOrder, PurchaseError> {
    let stored = lock(tx, id).await?.ok_or(PurchaseError::NotFound)?;
    let (from, legal) = (stored.status, stored.moves());
    if !legal.contains(&to) {
        return Err(PurchaseError::IllegalMove { from, to, legal });
    }
    let step = (Action::PurchaseOrderMoved, Event::PurchaseOrderMoved as fn(_) -> _);
    set_status(tx, id, step, (from, to), actor).await?;
    if from.is_open() != to.is_open() {
        alert_review::reconsider(tx, &stored.stock_keys()).await?;
    }
    find(tx, id).await?.ok_or(PurchaseError::NotFound)
}

/// Stores a status with its audit entry and its event.
pub(crate) async fn set_status(
    tx: &TenantTx,
    id: PurchaseOrderId,
    (action, event): (Action, fn(PurchaseOrderChanged) -> Event),
    (from, to): (PurchaseStatus, PurchaseStatus),
    actor: ActorId,
) -> Result<(), DbError> {
    const SET: &str = "
        UPDATE purchase_orders SET status = $2, version = version + 1, updated_at = $3 WHERE id = $1";
    let set = async { tx.execute(SET, &[&id, &to, &tx.now()]).await };
    let changes = json!({"status": {"from": from, "to": to}});
    let event = event(PurchaseOrderChanged { purchase_order_id: id, status: to });
    let record = audit::record(tx, actor, action, Subject::PurchaseOrder(id), &changes);
    all((set, record, outbox::write(tx, &event))).await.map(drop)
}
