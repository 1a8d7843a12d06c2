//! Voiding a receipt: in its shift, it is undone, and keeps its number.

use inventory::audit::{self, Action, Subject};
use inventory::stock::movement::Kind;
use inventory::stock::{Cost, Posting, Source, decide};
use inventory::{column, customer};
use serde_json::json;
use tenancy::{DbError, TenantTx, all, outbox};
use values::{ActorId, Quantity, Reason};

use crate::credit::credit_posting::{self, CreditError, CreditPosting, DecidedCredit, Holder, Occasion};
use crate::ids::{RegisterId, SaleId};
use crate::mobile_money::mobile_use;
use crate::records::event::{Event, SaleChanged};
use crate::records::sale_method::SaleMethod;
use crate::sales::approval::{self, Approves};
use crate::sales::receipt_chain;
use crate::sales::sale::{Sale, SaleLine};
use crate::sales::sale_error::SaleError;
use crate::sales::sale_list::lock;
use crate::sales::sale_payment::SalePayment;
use crate::shifts::shift;

/// Voids a receipt, with its shift held open and the receipt locked. The goods are on hand again at the cost
/// at which they left, and the payments count no more: pay them back to the customer. An actor who may not
/// void needs the approval of a member who may.
///
/// # Errors
/// [`SaleError`]; the caller rolls back.
pub async fn void(
    tx: &TenantTx,
    id: SaleId,
    reason: &Reason,
    may_void: bool,
    actor: ActorId,
) -> Result<Sale, SaleError> {
    const REGISTER: &str = "SELECT register_id FROM sales WHERE id = $1";
    const VOID: &str = "
        UPDATE sales
           SET voided_by = $2, voided_at = $3, void_reason = $4, void_hash = $5, version = version + 1
         WHERE id = $1";
    const IS_FISCAL: &str = "SELECT EXISTS (SELECT FROM fiscal_signatures WHERE sale_id = $1)";
    // The shift comes before the receipt in the order of locks, and a receipt never changes its shift.
    let register = tx.value_opt::<RegisterId>(REGISTER, &[&id]).await?.ok_or(SaleError::NotFound)?;
    let open = shift::hold_open(tx, register).await?;
    let mut sale = lock(tx, id).await?.ok_or(SaleError::NotFound)?;
    if sale.voided_at.is_some() {
        return Err(SaleError::Voided);
    }
    if tx.value(IS_FISCAL, &[&id]).await? {
        return Err(SaleError::Fiscal);
    }
    if open != Some(sale.shift_id) {
        return Err(SaleError::ShiftOver);
    }
    let has_come_back =
        sale.lines.iter().any(|line| line.returned.is_positive() || line.refunded.is_positive());
    if has_come_back || !sale.returns.is_empty() {
        return Err(SaleError::HasReturns);
    }
    let approved_by = match may_void {
        true => None,
        false => Some(approval::require(tx, id, Approves::Void, None, actor).await?),
    };
    if sale.payments.iter().any(|payment| payment.method.is_credit())
        && customer::buyer(tx, sale.customer_id).await?.is_some_and(|buyer| buyer.is_archived)
    {
        return Err(SaleError::ArchivedCustomer);
    }
    let posting = |line: &SaleLine| Posting {
        kind: Kind::Return,
        variant_id: line.variant_id,
        has_stock: line.kind.has_stock(),
        location_id: sale.location_id,
        quantity: line.quantity,
        reserved: Quantity::ZERO,
        cost: Cost::Whole(line.cost),
        reason: Some(reason.clone()),
        line_id: line.id.into(),
    };
    let postings: Vec<Posting> = sale.lines.iter().map(posting).collect();
    let decided = decide(tx, &postings).await?;
    let credit = undo_credit(tx, &sale).await?;
    release_mobile_payments(tx, &sale).await?;
    let voided = json!({
        "reason": {"to": reason}, "approvedBy": {"to": approved_by}, "total": {"from": sale.total.plain()},
    });
    let void_hash = receipt_chain::void_hash(sale.chain_hash.as_deref(), actor, tx.now(), Some(reason));
    let event = Event::SaleVoided(SaleChanged {
        sale_id: id,
        register_id: sale.register_id,
        shift_id: sale.shift_id,
    });
    all((
        decided.write(tx, Source::SaleVoid(id.into()), actor),
        credit.write(tx, id, actor),
        async { tx.execute(VOID, &[&id, &actor, &tx.now(), reason, &void_hash]).await },
        audit::record(tx, actor, Action::SaleVoided, Subject::Sale(id.into()), &voided),
        outbox::write(tx, &event),
    ))
    .await?;
    sale.voided_by = Some(actor);
    sale.voided_at = Some(tx.now());
    sale.void_reason = Some(reason.clone());
    sale.version += 1;
    Ok(sale)
}

/// Releases the reported payments. A payment with a number of the receipt that is reported at this moment
/// waits until the receipt is voided.
async fn release_mobile_payments(tx: &TenantTx, sale: &Sale) -> Result<(), DbError> {
    let is_mobile = |payment: &&SalePayment| payment.method == SaleMethod::MobileMoney;
    let payments: Vec<&SalePayment> = sale.payments.iter().filter(is_mobile).collect();
    if payments.is_empty() {
        return Ok(());
    }
    let reference =
        |payment: &&SalePayment| payment.reference.as_ref().map(|text| text.as_str().to_uppercase());
    let references: Vec<String> = payments.iter().filter_map(reference).collect();
    mobile_use::lock_references(tx, &references).await?;
    mobile_use::release(tx, &column(&payments, |payment| payment.id)).await
}

/// Gives vouchers and accounts back what they paid, and takes out of them what was put in.
async fn undo_credit(tx: &TenantTx, sale: &Sale) -> Result<DecidedCredit, SaleError> {
    let posting = |(index, payment): (usize, &SalePayment)| {
        let holder = Holder::Known(payment.credit_id?);
        Some(CreditPosting { holder, amount: -payment.credit_change(), index })
    };
    // The last change first, so that no balance is negative on the way.
    let postings: Vec<CreditPosting> = sale.payments.iter().enumerate().rev().filter_map(posting).collect();
    credit_posting::decide(tx, &postings, Occasion::Void).await.map_err(|error| match error {
        CreditError::Insufficient { available, .. } => SaleError::CreditSpent(available),
        error => error.into(),
    })
}
