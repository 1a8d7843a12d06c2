//! Returns of earlier receipts: units, restocked or scrapped, or money without goods. Never more than was
//! sold.

use inventory::LocationId;
use inventory::document::PartError;
use inventory::order::ChargedTax;
use inventory::pricing;
use inventory::settings::Terms;
use inventory::sold_part::{SoldPart, divided};
use inventory::stock::movement::Kind;
use inventory::stock::{Cost, Posting};
use tokio_postgres::types::Json;
use values::{Money, Positive, Quantity, Reason, StockValue};

use crate::ids::{SaleId, SaleLineId, SaleReturnId};
use crate::sales::sale::{SaleLine, SaleReturn};
use crate::sales::sale_error::SaleError;
use crate::sales::sale_list::Earlier;

/// Something that comes back.
#[derive(Debug, Clone, Copy)]
pub enum Back {
    /// Units of a line.
    Units {
        /// The line of an earlier receipt.
        line_id: SaleLineId,
        /// The quantity, in sale units.
        quantity: Positive<Quantity>,
        /// Whether the goods can be sold again; `false` scraps them.
        is_restocked: bool,
    },
    /// Money for a line; the customer keeps the goods.
    Money {
        /// The line of an earlier receipt.
        line_id: SaleLineId,
        /// The amount, including taxes.
        amount: Money,
    },
    /// Money for a receipt, divided among its lines; the customer keeps the goods.
    Part {
        /// The earlier receipt.
        sale_id: SaleId,
        /// The amount, including taxes.
        amount: Money,
    },
    /// Everything that is left of a receipt.
    Rest {
        /// The earlier receipt.
        sale_id: SaleId,
        /// Whether the goods can be sold again; `false` scraps them.
        is_restocked: bool,
    },
}

/// Takes parts of earlier receipts back.
pub(super) struct TakingBack<'a> {
    pub sale_id: SaleId,
    pub location_id: LocationId,
    pub reason: Option<&'a Reason>,
    pub terms: &'a Terms,
    /// The earlier receipts, locked.
    pub earlier: Earlier,
    /// The one receipt of which something comes back; `None` allows any.
    pub refunded: Option<SaleId>,
    pub returns: Vec<SaleReturn>,
    pub postings: Vec<Posting>,
}

impl TakingBack<'_> {
    /// Takes something back; `index` is its position in the request.
    ///
    /// # Errors
    /// [`SaleError`] for an unknown line, or for more than the line or the receipt has left.
    pub(super) fn take(&mut self, index: usize, back: &Back) -> Result<(), SaleError> {
        match *back {
            Back::Units { line_id, quantity, is_restocked } => {
                let at = self.line(index, line_id)?;
                let left = self.earlier.lines[at].sold_part().quantity;
                if quantity.get() > left {
                    return Err(PartError::MoreThanLeft { index, left }.into());
                }
                self.take_units(at, quantity.get(), is_restocked);
            }
            Back::Money { line_id, amount } => {
                let at = self.line(index, line_id)?;
                self.check(Some(index), amount, self.earlier.lines[at].sold_part().total)?;
                self.give_back(at, amount);
            }
            Back::Part { sale_id, amount } => {
                let lines = self.lines_of(sale_id);
                let left = |at: &usize| self.earlier.lines[*at].sold_part().total;
                let totals: Vec<Money> = lines.iter().map(left).collect();
                self.check(None, amount, totals.iter().copied().sum())?;
                for (position, share) in divided(&totals, amount, self.terms) {
                    self.give_back(lines[position], share);
                }
            }
            Back::Rest { sale_id, is_restocked } => {
                let is_left = |at: &usize| self.earlier.lines[*at].sold_part().quantity.is_positive();
                let lines: Vec<usize> = self.lines_of(sale_id).into_iter().filter(is_left).collect();
                if lines.is_empty() {
                    return Err(SaleError::NothingLeft);
                }
                for at in lines {
                    let left = self.earlier.lines[at].sold_part().quantity;
                    self.take_units(at, left, is_restocked);
                }
            }
        }
        Ok(())
    }

    fn line(&self, index: usize, id: SaleLineId) -> Result<usize, PartError> {
        let is_wanted =
            |line: &SaleLine| line.id == id && self.refunded.is_none_or(|refunded| line.sale_id == refunded);
        let at = self.earlier.lines.iter().position(is_wanted);
        at.ok_or(PartError::UnknownLine { index })
    }

    fn lines_of(&self, sale: SaleId) -> Vec<usize> {
        let lines = self.earlier.lines.iter().enumerate();
        lines.filter(|(_, line)| line.sale_id == sale).map(|(at, _)| at).collect()
    }

    fn check(&self, index: Option<usize>, amount: Money, left: Money) -> Result<(), SaleError> {
        if !amount.is_positive() {
            return Err(SaleError::NotPositive { index });
        }
        let is_fine = self.terms.currency.check(amount);
        is_fine.map_err(|reason| SaleError::TooFine { index, reason })?;
        if amount > left { Err(SaleError::TooMuch { index, left }) } else { Ok(()) }
    }

    fn take_units(&mut self, at: usize, quantity: Quantity, is_restocked: bool) {
        let mut part = self.earlier.lines[at].sold_part();
        let taken = part.take_back(quantity, self.terms);
        let is_restocked = is_restocked && self.earlier.lines[at].kind.has_stock();
        let id = self.push(at, part, quantity, is_restocked, (taken.refund, taken.tax));
        self.post(at, id, quantity, is_restocked, taken.cost);
    }

    fn give_back(&mut self, at: usize, amount: Money) {
        let mut part = self.earlier.lines[at].sold_part();
        let tax = part.refund(amount, self.terms);
        self.push(at, part, Quantity::ZERO, false, (amount, tax));
    }

    fn push(
        &mut self,
        at: usize,
        left: SoldPart,
        quantity: Quantity,
        is_restocked: bool,
        (amount, tax): (Money, Money),
    ) -> SaleReturnId {
        let id = SaleReturnId::new();
        let taxes_left = self.taxes_left(&self.earlier.lines[at]);
        let line = &mut self.earlier.lines[at];
        line.leave(left);
        self.returns.push(SaleReturn {
            id,
            sale_id: self.sale_id,
            line_id: line.id,
            of_sale_id: line.sale_id,
            variant_id: line.variant_id,
            sku: line.sku.clone(),
            name: line.name.clone(),
            quantity,
            is_restocked,
            amount,
            tax,
            taxes: Json(pricing::tax_by_rate(&taxes_left, tax, self.terms.currency.decimals())),
        });
        id
    }

    /// The taxes of a line that were not given back.
    fn taxes_left(&self, line: &SaleLine) -> Vec<ChargedTax> {
        let mut left = line.taxes.0.clone();
        let returns = self.earlier.returns.iter().chain(&self.returns);
        for back in returns.filter(|back| back.line_id == line.id) {
            for (left, given_back) in left.iter_mut().zip(&back.taxes.0) {
                left.amount -= given_back.amount;
            }
        }
        left
    }

    /// Goods come in at the cost at which they left. Scrapped goods arrive and leave in one step, so that the
    /// ledger shows both.
    fn post(
        &mut self,
        at: usize,
        id: SaleReturnId,
        quantity: Quantity,
        is_restocked: bool,
        cost: Option<StockValue>,
    ) {
        let line = &self.earlier.lines[at];
        let has_stock = line.kind.has_stock();
        let came_back = Posting {
            kind: Kind::Return,
            variant_id: line.variant_id,
            has_stock,
            location_id: self.location_id,
            quantity,
            reserved: Quantity::ZERO,
            cost: if is_restocked || !has_stock { Cost::Whole(cost) } else { Cost::Passing(cost) },
            reason: self.reason.cloned(),
            line_id: id.into(),
        };
        if !is_restocked && has_stock {
            let scrapped = Posting { kind: Kind::Adjustment, quantity: -quantity, ..came_back.clone() };
            self.postings.extend([came_back, scrapped]);
        } else {
            self.postings.push(came_back);
        }
    }
}
