//! Completing a receipt: the stock of all its lines leaves or none of it, it is paid to the cent, and it
//! takes its number last.
//!
//! The shift stays open until the transaction ends, because the receipt holds it in a lock that its close
//! needs: a receipt is in the Z report of its shift, or is refused.

use chrono::{DateTime, NaiveDate, Utc};
use inventory::basket::{self, Articles, Basket, BasketError, MAX_LINES, NewBasket};
use inventory::customer::Buyer;
use inventory::document::{self, Outcome, Requested};
use inventory::pricing::Discount;
use inventory::settings::{self, Terms};
use inventory::stock::decide;
use inventory::{CustomerId, customer, day_of};
use rust_decimal::Decimal;
use serde_json::json;
use tenancy::{DbError, TenantTx, all};
use values::{ActorId, Money, Note, Reason};

use crate::credit::credit_posting::{self, Occasion};
use crate::ids::{RegisterId, SaleId, SaleLineId, ShiftId};
use crate::mobile_money::mobile_use;
use crate::registers::register::{self, Register};
use crate::sales::approval::{self, Approves};
use crate::sales::asked_line::{self, AskedLine};
use crate::sales::offline_sale::MadeOffline;
use crate::sales::sale::{Sale, SaleKind, SaleLine};
use crate::sales::sale_error::SaleError;
use crate::sales::sale_list::{find, lock_earlier};
use crate::sales::sale_payment::NewSalePayment;
pub use crate::sales::sale_return::Back;
use crate::sales::sale_return::TakingBack;
use crate::sales::sale_store::{self, Changes};
use crate::sales::settling::{Due, Settled};
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
    /// What the till noted if it made the sale without a connection.
    pub made_offline: Option<MadeOffline>,
}

impl NewSale {
    /// Whether money is put into a voucher or an account, or pays a debt.
    fn deposits(&self) -> bool {
        let is_deposit = |payment: &NewSalePayment| {
            payment.method.is_credit() && payment.amount.is_none_or(Money::is_negative)
        };
        self.payments.iter().any(is_deposit)
    }

    /// The time of the sale.
    fn sold_at(&self, tx: &TenantTx) -> DateTime<Utc> {
        self.made_offline.as_ref().map_or_else(|| tx.now(), |made| made.sold_at)
    }
}

/// A till without a connection sends all its prices. Those that were the list prices are no agreed prices.
fn leave_list_prices(basket: &mut NewBasket, articles: &Articles) {
    for (index, line) in basket.lines.iter_mut().enumerate() {
        let list_price = articles.list_price(index);
        if line.price.as_ref().is_some_and(|(price, _)| Some(price.get()) == list_price) {
            line.price = None;
        }
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

/// The settings at the time of the sale.
async fn till_terms(tx: &TenantTx, sold_at: DateTime<Utc>) -> Result<TillTerms, DbError> {
    const TERMS: &str = concat!(
        "SELECT cash_rounding, today,
                extract(year FROM today - make_interval(months => fiscal_year_starts_in - 1)) AS fiscal_year
           FROM (SELECT s.*, ",
        day_of!("$1::timestamptz", "s"),
        " AS today FROM settings s) s"
    );
    tx.row(TERMS, &[&sold_at]).await
}

/// The rows behind a receipt: read in one flight, and held until the transaction ends.
struct Ground {
    terms: Terms,
    till: TillTerms,
    register: Register,
    shift_id: ShiftId,
    articles: Articles,
    buyer: Buyer,
    /// Whether a sale that a till made without a connection needs an approval, because it comes late.
    is_late: bool,
}

async fn read_ground(tx: &TenantTx, new: &NewSale, basket: &NewBasket) -> Result<Ground, SaleError> {
    let variants = basket::variants(tx, &basket.lines).await?;
    let (terms, till, register, shift, mut articles, buyer) = all((
        settings::terms(tx),
        till_terms(tx, new.sold_at(tx)),
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
    let is_late = match &new.made_offline {
        Some(made) => {
            let is_lower = articles.take_prices_of(tx, made.sold_at).await?;
            let may_sell = tx.tenant().licence.check_selling(tx.now()).is_ok();
            !may_sell || is_lower && made.is_late(tx.now())
        }
        None => false,
    };
    Ok(Ground { terms, till, register, shift_id, articles, buyer, is_late })
}

async fn complete_new(tx: &TenantTx, new: &NewSale, actor: ActorId) -> Result<Sale, SaleError> {
    let sold_at = new.sold_at(tx);
    if let Some(made) = &new.made_offline {
        made.check(tx.now())?;
    }
    if !new.lines.is_empty() {
        tx.tenant().licence.check_selling(sold_at)?;
    }
    let id = new.request.id;
    let mut basket = NewBasket {
        lines: asked_line::read(tx, &new.lines, new.made_offline.as_ref().map(|made| made.sold_at)).await?,
        discount: new.discount,
        may_set_prices: new.may_set_prices,
    };
    let ground = read_ground(tx, new, &basket).await?;
    if new.made_offline.is_some() {
        leave_list_prices(&mut basket, &ground.articles);
    }
    let (basket, discount_approved_by) = price(tx, id, basket, &ground, actor).await?;
    let TakingBack { earlier, returns, mut postings, .. } = take_back(tx, new, &ground).await?;
    let Basket { subtotal, discount, tax, total, lines } = basket;
    let returned: Money = returns.iter().map(|back| back.amount).sum();
    let returned_tax: Money = returns.iter().map(|back| back.tax).sum();
    if returned > Money::MAX {
        return Err(SaleError::TooLarge);
    }
    let refund_approved_by = match new.may_take_back || new.back.is_empty() {
        true => None,
        false => Some(approval::require(tx, id, Approves::Refund, Some(returned), actor).await?),
    };
    let total = total - returned;
    if new.made_offline.as_ref().is_some_and(|made| made.total != total) {
        return Err(SaleError::OfflineTotal(total));
    }
    let mut settled = settle(tx, new, &ground, total, returned)?;
    let to_credit = settled.credit_postings(&new.payments, new.customer_id)?;

    let mut lines: Vec<SaleLine> = lines.into_iter().map(|line| SaleLine::new(id, line)).collect();
    let first_sold = postings.len();
    postings.extend(lines.iter().map(|line| line.leaves(ground.register.location_id)));
    let stock = decide(tx, &postings).await?.moved_at(new.made_offline.as_ref().map(|made| made.sold_at));
    for (line, posted) in lines.iter_mut().zip(&stock.posted[first_sold..]) {
        line.cost = posted.cost;
    }
    let Ground { terms, till, register, shift_id, buyer, .. } = ground;
    let occasion = Occasion::Sale { today: till.today, credit_limit: buyer.credit_limit };
    let credit = credit_posting::decide(tx, &to_credit, occasion).await?;
    settled.note(&credit);
    let wanted = settled.wanted_uses(&new.payments);
    let mobile = mobile_use::decide(tx, &wanted, &terms.currency).await?;
    settled.note_uses(&mobile);
    let sale = Sale {
        id,
        register_id: register.id,
        shift_id,
        location_id: register.location_id,
        customer_id: new.customer_id,
        // Receipts that a till made without a connection have a series of their own.
        series: match new.made_offline {
            Some(_) => format!("{}-F-{}", register.series, till.fiscal_year),
            None => format!("{}-{}", register.series, till.fiscal_year),
        },
        number: 0,
        kind: SaleKind::of(&lines, &returns),
        subtotal,
        discount,
        returned,
        tax: tax - returned_tax,
        total,
        rounding: settled.rounding,
        reason: new.reason.clone(),
        note: new.note.clone(),
        offline_reference: new.made_offline.as_ref().map(|made| made.reference.clone()),
        approved_by: refund_approved_by.or(discount_approved_by),
        sold_by: actor,
        sold_at,
        voided_by: None,
        voided_at: None,
        void_reason: None,
        version: 1,
        chain_hash: None,
        void_hash: None,
        lines,
        returns,
        payments: settled.payments,
    };
    let completed = json!({
        "kind": {"to": sale.kind}, "total": {"to": sale.total.plain()}, "reason": {"to": sale.reason},
        "discountApprovedBy": {"to": discount_approved_by}, "refundApprovedBy": {"to": refund_approved_by},
    });
    let device = register.fiscal_device.as_deref();
    let decided =
        Changes { earlier: &earlier.lines, stock: &stock, credit: &credit, mobile: &mobile, device };
    let number = sale_store::store(tx, &new.request, &sale, decided, &completed).await?;
    Ok(Sale { number, ..sale })
}

/// Locks the earlier receipts, and takes parts of them back.
async fn take_back<'a>(
    tx: &TenantTx,
    new: &'a NewSale,
    ground: &'a Ground,
) -> Result<TakingBack<'a>, SaleError> {
    let earlier = lock_earlier(tx, new.refunded.as_slice(), &lines_of(&new.back)).await?;
    earlier.check(new.refunded)?;
    let mut taking_back = TakingBack {
        sale_id: new.request.id,
        location_id: ground.register.location_id,
        reason: new.reason.as_ref(),
        terms: &ground.terms,
        earlier,
        refunded: new.refunded,
        returns: Vec::new(),
        postings: Vec::new(),
    };
    for (index, back) in new.back.iter().enumerate() {
        taking_back.take(index, back)?;
    }
    Ok(taking_back)
}

/// Pays the receipt. To put money into a voucher or store credit is to sell; to refund into them is not.
fn settle(
    tx: &TenantTx,
    new: &NewSale,
    ground: &Ground,
    total: Money,
    returned: Money,
) -> Result<Settled, SaleError> {
    let is_rest = |back: &Back| matches!(back, Back::Rest { .. });
    let due = Due {
        total,
        returned,
        is_whole_refund: new.lines.is_empty() && !new.back.is_empty() && new.back.iter().all(is_rest),
        cash_rounding: ground.till.cash_rounding,
        rounding: ground.terms.rounding,
    };
    let settled = due.settle(new.request.id, &new.payments, &ground.terms.currency)?;
    if new.lines.is_empty() && new.back.is_empty() && settled.payments.is_empty() {
        return Err(SaleError::LineCount);
    }
    if settled.put_in() > returned {
        tx.tenant().licence.check_selling(tx.now())?;
    }
    Ok(settled)
}

/// Prices the basket. A discount above the limit, another price than the list price, and a sale that comes
/// late must have been approved if the actor may not set prices. Returns the member who approved.
async fn price(
    tx: &TenantTx,
    id: SaleId,
    basket: NewBasket,
    ground: &Ground,
    actor: ActorId,
) -> Result<(Basket, Option<ActorId>), SaleError> {
    let Ground { articles, terms, buyer, is_late, .. } = ground;
    let has_price = *is_late || basket.lines.iter().any(|line| line.price.is_some());
    match basket.price(articles, terms, *buyer) {
        Err(BasketError::DiscountLimit(_)) => {}
        priced if has_price && !basket.may_set_prices => drop(priced?),
        priced => return Ok((priced?, None)),
    }
    let basket = NewBasket { may_set_prices: true, ..basket }.price(articles, terms, *buyer)?;
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
