//! The chain of receipts. The hash of a receipt covers its content, its number, and the hash of the receipt
//! before it in its series. If a receipt was changed, inserted or removed, the stored hash of it or of the
//! next receipt is wrong, and `ledger verify` reports it.

use aws_lc_rs::digest::{Context, SHA256};
use chrono::{DateTime, TimeDelta, Utc};
use const_format::concatcp;
use inventory::counter;
use inventory::order::ChargedTax;
use serde_json::{Value, json};
use tenancy::{DbError, TenantTx};
use values::{ActorId, Money, Reason};

use crate::sales::books::{BookFault, Fault};
use crate::sales::sale::{Sale, SaleLine, SaleReturn};
use crate::sales::sale_list;
use crate::sales::sale_payment::SalePayment;

/// The chain hash of a new receipt, for its INSERT: `$2` is the series, and `$21` the [`content_hash`]. The
/// receipt before it has been committed, because the number comes from a locked row.
pub(super) const NEXT: &str = concatcp!(
    "sha256(coalesce((SELECT chain_hash FROM sales WHERE series = $2 AND number = ",
    counter::TAKEN_IN_SERIES,
    " - 1), '') || $21::bytea || convert_to(",
    counter::TAKEN_IN_SERIES,
    "::text, 'UTF8'))"
);

/// The SHA-256 hash of the listed fields of a receipt, none of which ever changes. The number is not one of
/// them: [`NEXT`] adds it.
///
/// Stored hashes were computed from exactly this JSON text. A later release must therefore add a new field
/// only where its value is not null.
pub(super) fn content_hash(sale: &Sale) -> Vec<u8> {
    let money = |amount: Money| amount.plain();
    let mut content = json!({
        "id": sale.id, "register": sale.register_id, "shift": sale.shift_id, "location": sale.location_id,
        "customer": sale.customer_id, "series": sale.series, "kind": sale.kind,
        "subtotal": money(sale.subtotal), "discount": money(sale.discount), "returned": money(sale.returned),
        "tax": money(sale.tax), "total": money(sale.total), "rounding": money(sale.rounding),
        "reason": sale.reason, "note": sale.note, "approvedBy": sale.approved_by, "soldBy": sale.sold_by,
        "soldAt": sale.sold_at.timestamp_micros(),
    });
    if let Some(reference) = &sale.offline_reference {
        content["offline"] = json!(reference);
    }
    content["lines"] = sale.lines.iter().map(line).collect();
    content["returns"] = sale.returns.iter().map(back).collect();
    content["payments"] = sale.payments.iter().map(payment).collect();
    // The objects of serde_json are sorted by key.
    sha256(&[content.to_string().as_bytes()])
}

fn line(line: &SaleLine) -> Value {
    json!({
        "id": line.id, "variant": line.variant_id, "kind": line.kind, "sku": line.sku, "name": line.name,
        "quantity": line.quantity, "price": line.price.plain(), "listPrice": line.list_price.plain(),
        "priceReason": line.price_reason, "discount": line.discount.plain(), "taxes": taxes(&line.taxes.0),
        "includesTax": line.includes_tax, "tax": line.tax.plain(), "total": line.total.plain(),
        "note": line.note, "bundle": line.bundle.as_ref().map(|bundle| &bundle.0),
    })
}

fn back(back: &SaleReturn) -> Value {
    json!({
        "id": back.id, "line": back.line_id, "quantity": back.quantity, "isRestocked": back.is_restocked,
        "amount": back.amount.plain(), "tax": back.tax.plain(), "taxes": taxes(&back.taxes.0),
    })
}

fn payment(payment: &SalePayment) -> Value {
    json!({
        "method": payment.method, "amount": payment.amount.plain(),
        "tendered": payment.tendered.map(Money::plain), "reference": payment.reference,
        "credit": payment.credit_id,
    })
}

fn taxes(taxes: &[ChargedTax]) -> Vec<Value> {
    let tax = |tax: &ChargedTax| json!([tax.rate.name, tax.rate.percent, tax.amount.normalize().to_string()]);
    taxes.iter().map(tax).collect()
}

/// The chain hash of a receipt. `before` is the chain hash of the receipt before it.
fn chain_hash(before: Option<&[u8]>, content: &[u8], number: i64) -> Vec<u8> {
    sha256(&[before.unwrap_or_default(), content, number.to_string().as_bytes()])
}

/// The hash of a void and of the chain hash of the voided receipt.
pub(super) fn void_hash(
    chain_hash: Option<&[u8]>,
    actor: ActorId,
    at: DateTime<Utc>,
    reason: Option<&Reason>,
) -> Vec<u8> {
    let void = json!({"by": actor, "at": at.timestamp_micros(), "reason": reason});
    sha256(&[chain_hash.unwrap_or_default(), void.to_string().as_bytes()])
}

fn sha256(parts: &[&[u8]]) -> Vec<u8> {
    let mut context = Context::new(&SHA256);
    parts.iter().for_each(|part| context.update(part));
    context.finish().as_ref().to_vec()
}

/// The largest number of receipts that one query reads.
const AT_ONCE: i64 = 500;

/// The receipts whose hashes are computed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChainSpan {
    /// All receipts.
    Whole,
    /// The receipts of the last 31 days.
    LastMonth,
}

/// Computes the hashes of receipts again, in every series. Returns at most `limit` receipts with a wrong
/// hash. A missing receipt makes the hash of the next one wrong.
///
/// # Errors
/// [`DbError`].
pub(super) async fn verify(tx: &TenantTx, span: ChainSpan, limit: usize) -> Result<Vec<BookFault>, DbError> {
    // Receipts from before the chain have no hash. All of them are older than the first one that has a
    // hash, and than the first release.
    const CHAINED_SINCE: &str = "
        SELECT least(min(sold_at), '2027-01-01T00:00:00Z') FROM sales WHERE chain_hash IS NOT NULL";
    const BEFORE: &str = "SELECT chain_hash FROM sales WHERE series = $1 AND number = $2::bigint - 1";
    let chained_since: DateTime<Utc> = tx.value(CHAINED_SINCE, &[]).await?;
    let since = match span {
        ChainSpan::Whole => DateTime::UNIX_EPOCH,
        ChainSpan::LastMonth => tx.now() - TimeDelta::days(31),
    };
    let mut faults = Vec::new();
    // The last receipt: its series, its number and its hash.
    let mut last: Option<(String, i64, Option<Vec<u8>>)> = None;
    loop {
        let after = last.as_ref().map_or(("", 0), |(series, number, _)| (series.as_str(), *number));
        let sales = sale_list::in_series(tx, after, since, AT_ONCE).await?;
        let is_last = (sales.len() as i64) < AT_ONCE;
        for sale in sales {
            let before = match last.take() {
                Some((series, number, hash)) if series == sale.series && number == sale.number - 1 => hash,
                _ => tx.value_opt::<Option<Vec<u8>>>(BEFORE, &[&sale.series, &sale.number]).await?.flatten(),
            };
            let is_older = sale.chain_hash.is_none() && before.is_none() && sale.sold_at < chained_since;
            let difference = if is_older { None } else { difference(&sale, before.as_deref()) };
            if let Some((stored, computed)) = difference
                && faults.len() < limit
            {
                let subject = sale.reference();
                faults.push(BookFault { fault: Fault::Chain, subject, stored, computed });
            }
            last = Some((sale.series, sale.number, sale.chain_hash));
        }
        if is_last || faults.len() == limit {
            return Ok(faults);
        }
    }
}

/// The stored and the computed hash of a receipt that follows one with the hash `before`, if they differ.
fn difference(sale: &Sale, before: Option<&[u8]>) -> Option<(String, String)> {
    let stored = sale.chain_hash.as_deref();
    let computed = chain_hash(before, &content_hash(sale), sale.number);
    if stored != Some(&*computed) {
        return Some((short(stored), short(Some(&computed))));
    }
    let computed = sale.voided_at.map(|at| {
        // The platform and its staff are NULL.
        let actor = sale.voided_by.unwrap_or(ActorId::SYSTEM);
        void_hash(stored, actor, at, sale.void_reason.as_ref())
    });
    let stored = sale.void_hash.as_deref();
    (stored != computed.as_deref()).then(|| (short(stored), short(computed.as_deref())))
}

/// The beginning of a hash, as receipts show it.
pub(crate) fn short(hash: Option<&[u8]>) -> String {
    let hex = |hash: &[u8]| hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    hash.map_or_else(|| "none".to_owned(), hex)
}
