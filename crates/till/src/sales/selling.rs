//! Completing a receipt: the stock of all its lines leaves or none of it, it is paid to the cent, and it
//! takes its number last.
//!
//! The shift stays open until the transaction ends, because the receipt holds it in a lock that its close
//! needs: a receipt is in the Z report of its shift, or is refused.

use chrono::NaiveDate;
use inventory::audit::{self, Action, Subject};
use inventory::basket::{self, Articles, Basket, BasketError, MAX_LINES, NewBasket};
use inventory::counter::{self, Counter};
use inventory::customer::Buyer;
use inventory::document::{self, IdTaken, Outcome, Requested};
use inventory::pricing::Discount;
use inventory::settings::{self, Terms};
use inventory::stock::movement::Kind;
use inventory::stock::{Cost, Decided, Posting, Source, decide};
use inventory::{CustomerId, column, customer, day_of};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use tenancy::{DbError, TenantTx, all, outbox};
use values::{ActorId, Money, Note, Quantity, Reason};

use crate::credit::credit_posting::{self, Circumstances, DecidedCredit};
use crate::ids::{RegisterId, SaleId, SaleLineId, SalePaymentId};
use crate::records::event::{Event, SaleChanged};
use crate::registers::register;
use crate::sales::approval::{self, Approves};
use crate::sales::asked_line::{self, AskedLine};
use crate::sales::sale::{Sale, SaleError, SaleKind, SaleLine, SaleReturn};
use crate::sales::sale_list::{find, lock_earlier};
use crate::sales::sale_payment::{Due, NewSalePayment, SalePayment, Settled};
pub use crate::sales::sale_return::Back;
use crate::sales::sale_return::TakingBack;
use crate::shifts::shift;

/// A receipt to be completed.
#[derive(Debug, Clone)]
pub struct NewSale {
    /// The chosen or new id of the receipt, and the fingerprint of the request.
    pub request: Requested<SaleId>,
    /// The register, which must have an open shift.
    pub register_id: RegisterId,
    /// The customer; `None` names nobody.
    pub customer_id: Option<CustomerId>,
    /// The articles that are sold, at most [`MAX_LINES`]. There may be none if something comes back.
    pub lines: Vec<AskedLine>,
    /// A discount on all of them, after the discounts of the lines.
    pub discount: Option<Discount>,
    /// Whether the actor may set prices. If not, a member who may must have approved other prices.
    pub may_set_prices: bool,
    /// The one receipt of which something comes back; `None` allows any.
    pub refunded: Option<SaleId>,
    /// The returns of earlier receipts, at most [`MAX_LINES`].
    pub back: Vec<Back>,
    /// Whether the actor may take something back. If not, a member who may must have approved it.
    pub may_take_back: bool,
    /// The reason of the returns.
    pub reason: Option<Reason>,
    /// A note about the receipt.
    pub note: Option<Note>,
    /// The payments.
    pub payments: Vec<NewSalePayment>,
}

impl NewSale {
    /// Whether money is put into a voucher or an account, or pays a debt.
    fn deposits(&self) -> bool {
        let is_deposit = |payment: &NewSalePayment| {
            payment.method.is_credit() && payment.amount.is_none_or(Money::is_negative)
        };
        self.payments.iter().any(is_deposit)
    }
}

/// Completes a receipt. A repeated request gets the receipt as it is now, and changes nothing.
///
/// # Errors
/// [`SaleError`]; the caller rolls back.
pub async fn complete(tx: &TenantTx, new: &NewSale, actor: ActorId) -> Result<Outcome<Sale>, SaleError> {
    let (lines, back) = (new.lines.len(), new.back.len());
    if lines + back == 0 && !new.deposits() || lines > MAX_LINES || back > MAX_LINES {
        return Err(SaleError::LineCount);
    }
    if back > 0 && new.reason.is_none() {
        return Err(SaleError::NoReason);
    }
    // Boxed, because the future is large, and every future around it would hold it.
    let complete = Box::pin(complete_new(tx, new, actor));
    document::once(tx, &new.request, Box::pin(find_repeated(tx, &new.request)), complete).await
}

async fn find_repeated(tx: &TenantTx, request: &Requested<SaleId>) -> Result<Option<Sale>, SaleError> {
    const IS_SAME: &str = "SELECT request_hash = $2 FROM sales WHERE id = $1";
    let params: tenancy::Params<'_> = &[&request.id, &request.fingerprint];
    if document::is_repeated::<SaleError>(tx, request.id, IS_SAME, params).await? {
        Ok(find(tx, request.id).await?)
    } else {
        Ok(None)
    }
}

/// The settings that a receipt needs beside the terms.
struct TillTerms {
    cash_rounding: Money,
    today: NaiveDate,
    fiscal_year: Decimal,
}

tenancy::from_row!(TillTerms { cash_rounding, today, fiscal_year });

async fn till_terms(tx: &TenantTx) -> Result<TillTerms, DbError> {
    const TERMS: &str = concat!(
        "SELECT cash_rounding, today,
                extract(year FROM today - make_interval(months => fiscal_year_starts_in - 1)) AS fiscal_year
           FROM (SELECT s.*, ",
        day_of!("$1::timestamptz", "s"),
        " AS today FROM settings s) s"
    );
    tx.row(TERMS, &[&tx.now()]).await
}

async fn complete_new(tx: &TenantTx, new: &NewSale, actor: ActorId) -> Result<Sale, SaleError> {
    if !new.lines.is_empty() {
        tx.tenant().licence.check_selling(tx.now())?;
    }
    let id = new.request.id;
    let basket = NewBasket {
        lines: asked_line::read(tx, &new.lines).await?,
        discount: new.discount,
        may_set_prices: new.may_set_prices,
    };
    let variants = basket::variants(tx, &basket.lines).await?;
    let (terms, till, register, shift, articles, buyer) = all((
        settings::terms(tx),
        till_terms(tx),
        register::hold(tx, new.register_id),
        shift::hold_open(tx, new.register_id),
        basket::articles(tx, variants),
        customer::buyer(tx, new.customer_id),
    ))
    .await?;
    let register = register.filter(|register| register.archived_at.is_none());
    let register = register.ok_or(SaleError::UnknownRegister)?;
    let shift_id = shift.ok_or(SaleError::NoShift)?;
    let buyer = buyer.ok_or(SaleError::UnknownCustomer)?;
    if buyer.is_archived {
        return Err(SaleError::ArchivedCustomer);
    }
    let (basket, discount_approved_by) = price(tx, id, basket, (&articles, &terms, buyer), actor).await?;
    let earlier = lock_earlier(tx, new.refunded.as_slice(), &lines_of(&new.back)).await?;
    earlier.check(new.refunded)?;
    let mut taking_back = TakingBack {
        sale_id: id,
        location_id: register.location_id,
        reason: new.reason.as_ref(),
        terms: &terms,
        earlier,
        refunded: new.refunded,
        returns: Vec::new(),
        postings: Vec::new(),
    };
    for (index, back) in new.back.iter().enumerate() {
        taking_back.take(index, back)?;
    }
    let TakingBack { earlier, returns, mut postings, .. } = taking_back;

    let Basket { subtotal, discount, tax, total, lines } = basket;
    let returned: Money = returns.iter().map(|back| back.amount).sum();
    let returned_tax: Money = returns.iter().map(|back| back.tax).sum();
    let total = total - returned;
    if returned > Money::MAX {
        return Err(SaleError::TooLarge);
    }
    let needs_approval = !new.back.is_empty() && !new.may_take_back;
    let refund_approved_by = match needs_approval {
        true => Some(approval::require(tx, id, Approves::Refund, Some(returned), actor).await?),
        false => None,
    };
    let is_rest = |back: &Back| matches!(back, Back::Rest { .. });
    let due = Due {
        total,
        returned,
        is_whole_refund: new.lines.is_empty() && new.back.iter().all(is_rest),
        cash_rounding: till.cash_rounding,
        rounding: terms.rounding,
    };
    let mut settled = due.settle(id, &new.payments, &terms.currency)?;
    if new.lines.is_empty() && new.back.is_empty() && settled.payments.is_empty() {
        return Err(SaleError::LineCount);
    }
    // To sell a voucher is to sell; to refund into one is not.
    if settled.put_in() > returned {
        tx.tenant().licence.check_selling(tx.now())?;
    }
    let credit = settled.credit_postings(&new.payments, new.customer_id)?;

    let mut lines: Vec<SaleLine> = lines.into_iter().map(|line| SaleLine::new(id, line)).collect();
    let first_sold = postings.len();
    postings.extend(lines.iter().map(|line| Posting {
        kind: Kind::Sale,
        variant_id: line.variant_id,
        has_stock: line.kind.has_stock(),
        location_id: register.location_id,
        quantity: -line.quantity,
        reserved: Quantity::ZERO,
        cost: Cost::Average,
        reason: None,
        line_id: line.id.into(),
    }));
    let decided = decide(tx, &postings).await?;
    for (line, posted) in lines.iter_mut().zip(&decided.posted[first_sold..]) {
        line.cost = posted.cost;
    }
    let circumstances = Circumstances { today: till.today, credit_limit: buyer.credit_limit, is_void: false };
    let credit = credit_posting::decide(tx, &credit, circumstances).await?;
    settled.note(&credit);
    let Settled { payments, rounding, .. } = settled;
    let kind = match (lines.is_empty(), returns.is_empty()) {
        (false, false) => SaleKind::Exchange,
        (true, false) => SaleKind::Refund,
        (false, true) => SaleKind::Sale,
        (true, true) => SaleKind::Deposit,
    };
    let sale = Sale {
        id,
        register_id: register.id,
        shift_id,
        location_id: register.location_id,
        customer_id: new.customer_id,
        series: format!("{}-{}", register.series, till.fiscal_year),
        number: 0,
        kind,
        subtotal,
        discount,
        returned,
        tax: tax - returned_tax,
        total,
        rounding,
        reason: new.reason.clone(),
        note: new.note.clone(),
        approved_by: refund_approved_by.or(discount_approved_by),
        sold_by: actor,
        sold_at: tx.now(),
        voided_by: None,
        voided_at: None,
        void_reason: None,
        version: 1,
        lines,
        returns,
        payments,
    };
    let completed = json!({
        "kind": {"to": sale.kind}, "total": {"to": sale.total.plain()}, "reason": {"to": sale.reason},
        "discountApprovedBy": {"to": discount_approved_by}, "refundApprovedBy": {"to": refund_approved_by},
    });
    let number = store(tx, new, &sale, &earlier.lines, (&decided, &credit), &completed).await?;
    Ok(Sale { number, ..sale })
}

/// Prices the basket. A discount above the limit, and another price than the list price, must have been
/// approved if the actor may not set prices. Returns the member who approved.
async fn price(
    tx: &TenantTx,
    id: SaleId,
    basket: NewBasket,
    (articles, terms, buyer): (&Articles, &Terms, Buyer),
    actor: ActorId,
) -> Result<(Basket, Option<ActorId>), SaleError> {
    let has_price = basket.lines.iter().any(|line| line.price.is_some());
    match basket.price(articles, terms, buyer) {
        Err(BasketError::DiscountLimit(_)) => {}
        priced if has_price && !basket.may_set_prices => drop(priced?),
        priced => return Ok((priced?, None)),
    }
    let basket = NewBasket { may_set_prices: true, ..basket }.price(articles, terms, buyer)?;
    let reduction = Some(basket.reduction(terms));
    let approver = approval::require(tx, id, Approves::Discount, reduction, actor).await?;
    Ok((basket, Some(approver)))
}

/// The lines of which something comes back.
fn lines_of(back: &[Back]) -> Vec<SaleLineId> {
    let line = |back: &Back| match *back {
        Back::Units { line_id, .. } | Back::Money { line_id, .. } => Some(line_id),
        Back::Part { .. } | Back::Rest { .. } => None,
    };
    back.iter().filter_map(line).collect()
}

/// Writes the receipt and everything that belongs to it in one flight. Returns its number, which is taken
/// near the end of the flight.
async fn store(
    tx: &TenantTx,
    new: &NewSale,
    sale: &Sale,
    earlier: &[SaleLine],
    (stock, credit): (&Decided, &DecidedCredit),
    completed: &Value,
) -> Result<i64, SaleError> {
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
        insert(tx, new, sale),
        insert_parts(tx, sale, credit),
    ));
    let ((), (), (), (), number, ()) = written.await.map_err(|error| match error.constraint() {
        Some("sales_customer_id_fkey") => SaleError::UnknownCustomer,
        Some("sales_pkey") => IdTaken(sale.id.into()).into(),
        _ => error.into(),
    })?;
    Ok(number)
}

async fn insert(tx: &TenantTx, new: &NewSale, sale: &Sale) -> Result<i64, DbError> {
    const INSERT: &str = const_format::concatcp!(
        "INSERT INTO sales (id, register_id, shift_id, location_id, customer_id, series, number, subtotal,
                            discount, returned, tax, total, rounding, reason, note, sold_by, sold_at,
                            request_hash, kind, approved_by)
         SELECT $3, $4, $5, $6, $7, $2, ",
        counter::TAKEN_IN_SERIES,
        ", $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20 RETURNING number"
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
        &new.request.fingerprint,
        &sale.kind,
        &sale.approved_by,
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
                                cost)
        SELECT id, $1, position, variant_id, kind, sku, name, quantity, price, list_price, price_reason,
               discount, taxes, includes_tax, tax, total, note, cost
          FROM unnest($2::uuid[], $3::smallint[], $4::uuid[], $5::text[], $6::text[], $7::text[],
                      $8::numeric[], $9::numeric[], $10::numeric[], $11::text[], $12::numeric[],
                      $13::jsonb[], $14::boolean[], $15::numeric[], $16::numeric[], $17::text[],
                      $18::numeric[])
               AS new (id, position, variant_id, kind, sku, name, quantity, price, list_price, price_reason,
                       discount, taxes, includes_tax, tax, total, note, cost)";
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
        &column(payments, |_| SalePaymentId::new()),
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
