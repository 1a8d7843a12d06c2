//! Storing a receipt with its lines, returns and payments, and the changes that it decided.

use const_format::concatcp;
use inventory::audit::{self, Action, Subject};
use inventory::column;
use inventory::counter::{self, Counter};
use inventory::document::{IdTaken, Requested};
use inventory::stock::{Decided, Source};
use serde_json::Value;
use tenancy::{DbError, TenantTx, all, outbox};

use crate::credit::credit_posting::DecidedCredit;
use crate::ids::SaleId;
use crate::mobile_money::mobile_use::{self, DecidedUses};
use crate::records::event::{Event, SaleChanged};
use crate::sales::receipt_chain;
use crate::sales::sale::{Sale, SaleLine, SaleReturn};
use crate::sales::sale_error::SaleError;
use crate::sales::sale_payment::SalePayment;

/// The changes that a receipt decided under locks.
pub(super) struct Changes<'a> {
    /// The lines of earlier receipts, after parts of them came back.
    pub earlier: &'a [SaleLine],
    pub stock: &'a Decided,
    pub credit: &'a DecidedCredit,
    pub mobile: &'a DecidedUses,
    /// The fiscal device that is to sign the receipt.
    pub device: Option<&'a str>,
}

/// Writes a receipt and everything that belongs to it in one flight. Returns its number, which is taken near
/// the end of the flight. `completed` is for the audit log.
///
/// # Errors
/// [`SaleError`]; the caller rolls back.
pub(super) async fn store(
    tx: &TenantTx,
    request: &Requested<SaleId>,
    sale: &Sale,
    changes: Changes<'_>,
    completed: &Value,
) -> Result<i64, SaleError> {
    let Changes { earlier, stock, credit, mobile, device } = changes;
    let event = Event::SaleCompleted(SaleChanged {
        sale_id: sale.id,
        register_id: sale.register_id,
        shift_id: sale.shift_id,
    });
    let written = all((
        stock.write(tx, Source::Sale(sale.id.into()), sale.sold_by),
        save_earlier(tx, earlier),
        audit::record(tx, sale.sold_by, Action::SaleCompleted, Subject::Sale(sale.id.into()), completed),
        outbox::write(tx, &event),
        insert(tx, request, sale),
        all((
            insert_parts(tx, sale, credit),
            mobile_use::write(tx, &mobile.uses, sale.sold_by),
            wait_for_signature(tx, sale, device),
        )),
    ));
    let ((), (), (), (), number, ((), (), ())) = written.await.map_err(|error| match error.constraint() {
        Some("sales_pkey") => IdTaken(sale.id.into()).into(),
        _ => SaleError::from(error),
    })?;
    Ok(number)
}

async fn insert(tx: &TenantTx, request: &Requested<SaleId>, sale: &Sale) -> Result<i64, DbError> {
    const INSERT: &str = concatcp!(
        "INSERT INTO sales (id, register_id, shift_id, location_id, customer_id, series, number, subtotal,
                            discount, returned, tax, total, rounding, reason, note, sold_by, sold_at,
                            request_hash, kind, approved_by, chain_hash, offline_reference)
         SELECT $3, $4, $5, $6, $7, $2, ",
        counter::TAKEN_IN_SERIES,
        ", $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, ",
        receipt_chain::NEXT,
        ", $22 RETURNING number"
    );
    let params: tenancy::Params<'_> = &[
        &Counter::TillReceipt,
        &sale.series,
        &sale.id,
        &sale.register_id,
        &sale.shift_id,
        &sale.location_id,
        &sale.customer_id,
        &sale.subtotal,
        &sale.discount,
        &sale.returned,
        &sale.tax,
        &sale.total,
        &sale.rounding,
        &sale.reason,
        &sale.note,
        &sale.sold_by,
        &sale.sold_at,
        &request.fingerprint,
        &sale.kind,
        &sale.approved_by,
        &receipt_chain::content_hash(sale),
        &sale.offline_reference,
    ];
    counter::insert_in_series(tx, Counter::TillReceipt, &sale.series, INSERT, params).await
}

async fn insert_parts(tx: &TenantTx, sale: &Sale, credit: &DecidedCredit) -> Result<(), DbError> {
    let lines = insert_lines(tx, sale.id, &sale.lines);
    let returns = insert_returns(tx, sale.id, &sale.returns);
    let payments = insert_payments(tx, sale.id, &sale.payments);
    all((lines, returns, payments, credit.write(tx, sale.id, sale.sold_by))).await.map(drop)
}

fn positions(count: usize) -> Vec<i16> {
    (1..).take(count).collect()
}

async fn insert_lines(tx: &TenantTx, sale: SaleId, lines: &[SaleLine]) -> Result<(), DbError> {
    const INSERT: &str = "
        INSERT INTO sale_lines (id, sale_id, position, variant_id, kind, sku, name, quantity, price,
                                list_price, price_reason, discount, taxes, includes_tax, tax, total, note,
                                cost, bundle)
        SELECT id, $1, position, variant_id, kind, sku, name, quantity, price, list_price, price_reason,
               discount, taxes, includes_tax, tax, total, note, cost, bundle
          FROM unnest($2::uuid[], $3::smallint[], $4::uuid[], $5::text[], $6::text[], $7::text[],
                      $8::numeric[], $9::numeric[], $10::numeric[], $11::text[], $12::numeric[],
                      $13::jsonb[], $14::boolean[], $15::numeric[], $16::numeric[], $17::text[],
                      $18::numeric[], $19::jsonb[])
               AS new (id, position, variant_id, kind, sku, name, quantity, price, list_price, price_reason,
                       discount, taxes, includes_tax, tax, total, note, cost, bundle)";
    if lines.is_empty() {
        return Ok(());
    }
    let params: tenancy::Params<'_> = &[
        &sale,
        &column(lines, |line| line.id),
        &positions(lines.len()),
        &column(lines, |line| line.variant_id),
        &column(lines, |line| line.kind),
        &column(lines, |line| &line.sku),
        &column(lines, |line| &line.name),
        &column(lines, |line| line.quantity),
        &column(lines, |line| line.price),
        &column(lines, |line| line.list_price),
        &column(lines, |line| line.price_reason.as_ref()),
        &column(lines, |line| line.discount),
        &column(lines, |line| &line.taxes),
        &column(lines, |line| line.includes_tax),
        &column(lines, |line| line.tax),
        &column(lines, |line| line.total),
        &column(lines, |line| line.note.as_ref()),
        &column(lines, |line| line.cost),
        &column(lines, |line| line.bundle.as_ref()),
    ];
    tx.execute(INSERT, params).await.map(drop)
}

async fn insert_returns(tx: &TenantTx, sale: SaleId, returns: &[SaleReturn]) -> Result<(), DbError> {
    const INSERT: &str = "
        INSERT INTO sale_returns (id, sale_id, position, line_id, quantity, is_restocked, amount, tax, taxes)
        SELECT id, $1, position, line_id, quantity, is_restocked, amount, tax, taxes
          FROM unnest($2::uuid[], $3::smallint[], $4::uuid[], $5::numeric[], $6::boolean[], $7::numeric[],
                      $8::numeric[], $9::jsonb[])
               AS new (id, position, line_id, quantity, is_restocked, amount, tax, taxes)";
    if returns.is_empty() {
        return Ok(());
    }
    let params: tenancy::Params<'_> = &[
        &sale,
        &column(returns, |back| back.id),
        &positions(returns.len()),
        &column(returns, |back| back.line_id),
        &column(returns, |back| back.quantity),
        &column(returns, |back| back.is_restocked),
        &column(returns, |back| back.amount),
        &column(returns, |back| back.tax),
        &column(returns, |back| &back.taxes),
    ];
    tx.execute(INSERT, params).await.map(drop)
}

async fn insert_payments(tx: &TenantTx, sale: SaleId, payments: &[SalePayment]) -> Result<(), DbError> {
    const INSERT: &str = "
        INSERT INTO sale_payments (id, sale_id, position, method, amount, tendered, reference, credit_id,
                                   credit_balance)
        SELECT id, $1, position, method, amount, tendered, reference, credit_id, credit_balance
          FROM unnest($2::uuid[], $3::smallint[], $4::text[], $5::numeric[], $6::numeric[], $7::text[],
                      $8::uuid[], $9::numeric[])
               AS new (id, position, method, amount, tendered, reference, credit_id, credit_balance)";
    if payments.is_empty() {
        return Ok(());
    }
    let params: tenancy::Params<'_> = &[
        &sale,
        &column(payments, |payment| payment.id),
        &positions(payments.len()),
        &column(payments, |payment| payment.method),
        &column(payments, |payment| payment.amount),
        &column(payments, |payment| payment.tendered),
        &column(payments, |payment| payment.reference.as_ref()),
        &column(payments, |payment| payment.credit_id),
        &column(payments, |payment| payment.credit_balance),
    ];
    tx.execute(INSERT, params).await.map(drop)
}

/// Saves what came back of earlier lines.
async fn save_earlier(tx: &TenantTx, lines: &[SaleLine]) -> Result<(), DbError> {
    const SAVE: &str = "
        UPDATE sale_lines l
           SET returned = new.returned, refunded = new.refunded, refunded_tax = new.refunded_tax,
               cost = new.cost
          FROM unnest($1::uuid[], $2::numeric[], $3::numeric[], $4::numeric[], $5::numeric[])
               AS new (id, returned, refunded, refunded_tax, cost)
         WHERE l.id = new.id";
    const TOUCH: &str = "UPDATE sales SET version = version + 1 WHERE id = ANY ($1)";
    if lines.is_empty() {
        return Ok(());
    }
    let params: tenancy::Params<'_> = &[
        &column(lines, |line| line.id),
        &column(lines, |line| line.returned),
        &column(lines, |line| line.refunded),
        &column(lines, |line| line.refunded_tax),
        &column(lines, |line| line.cost),
    ];
    let mut sales: Vec<SaleId> = lines.iter().map(|line| line.sale_id).collect();
    sales.dedup();
    let save = async { tx.execute(SAVE, params).await };
    let touch = async { tx.execute(TOUCH, &[&sales]).await };
    all((save, touch)).await.map(drop)
}

/// Stores that the receipt waits for the signature of `device`, if any.
async fn wait_for_signature(tx: &TenantTx, sale: &Sale, device: Option<&str>) -> Result<(), DbError> {
    const WAIT: &str = "INSERT INTO fiscal_signatures (sale_id, device, created_at) VALUES ($1, $2, $3)";
    match device {
        Some(device) => tx.execute(WAIT, &[&sale.id, &device, &tx.now()]).await.map(drop),
        None => Ok(()),
    }
}
