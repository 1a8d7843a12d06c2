//! Settling a receipt: its payments add up to its total, to the cent. Only cash has change, and only cash is
//! rounded.

use inventory::CustomerId;
use rust_decimal::Decimal;
use values::{Currency, Money, Rounding, ShortText};

use crate::credit::account::CreditKind;
use crate::credit::credit_posting::{CreditPosting, DecidedCredit, Holder};
use crate::credit::voucher_code::VoucherCode;
use crate::ids::{SaleId, SalePaymentId};
use crate::mobile_money::mobile_use::{DecidedUses, WantedUse};
use crate::records::sale_method::SaleMethod;
use crate::sales::sale_payment::{MAX_PAYMENTS, NewSalePayment, SalePayment, SalePaymentError};

/// The amount to pay.
#[derive(Debug, Clone, Copy)]
pub(super) struct Due {
    /// The total of the receipt; negative if it is to be paid back.
    pub total: Money,
    /// The amount of the returns: no more is paid back.
    pub returned: Money,
    /// Whether everything that is left of a receipt comes back, and nothing is sold.
    pub is_whole_refund: bool,
    /// Cash is rounded to a multiple of this amount; zero rounds nothing.
    pub cash_rounding: Money,
    pub rounding: Rounding,
}

/// Payments that add up to a total and its rounding.
#[derive(Debug)]
pub(super) struct Settled {
    pub payments: Vec<SalePayment>,
    /// The position of each payment in the request.
    pub positions: Vec<usize>,
    pub rounding: Money,
}

impl Due {
    /// Pays the amount: gives change, and rounds cash.
    ///
    /// # Errors
    /// [`SalePaymentError`].
    pub(super) fn settle(
        self,
        sale_id: SaleId,
        asked: &[NewSalePayment],
        currency: &Currency,
    ) -> Result<Settled, SalePaymentError> {
        check(asked, currency)?;
        let is_cash = |payment: &NewSalePayment| payment.method == SaleMethod::Cash;
        let sum = |of_cash: bool| -> Money {
            let chosen = asked.iter().filter(|payment| is_cash(payment) == of_cash);
            chosen.filter_map(|payment| payment.amount).sum()
        };
        let (cash, others) = (sum(true), sum(false));
        let rest = asked.iter().find(|payment| payment.amount.is_none());
        // Cash pays what no other payment pays.
        let in_cash = match rest {
            Some(rest) if !is_cash(rest) => cash,
            _ => self.total - others,
        };
        let due = match asked.iter().any(is_cash) {
            true => self.cash_due(asked, in_cash, rest)?,
            false => in_cash,
        };
        let amount_of_rest = match rest {
            Some(rest) if is_cash(rest) => due - cash,
            _ => self.total - others - cash,
        };
        let mut change = match rest {
            Some(rest) if is_cash(rest) => Money::ZERO,
            _ => cash - due,
        };
        match () {
            () if change.is_zero() => {}
            () if self.total.is_negative() && !asked.iter().any(is_cash) => {
                return Err(SalePaymentError::NotPaidBack(-self.total));
            }
            () if self.total.is_negative() && !due.is_positive() => {
                return Err(SalePaymentError::NotPaidBack(-due));
            }
            () if change.is_negative() => return Err(SalePaymentError::TooLittle(-change)),
            () if !in_cash.is_positive() => return Err(SalePaymentError::TooMuch(change)),
            () => {}
        }
        let (mut payments, mut positions) = (Vec::new(), Vec::new());
        // Of several amounts of cash, change comes off the last one first.
        for (index, payment) in asked.iter().enumerate().rev() {
            let given = payment.amount.unwrap_or(amount_of_rest);
            if payment.amount.is_none() && given.is_zero() {
                continue;
            }
            let back = if is_cash(payment) { change.min(given).max(Money::ZERO) } else { Money::ZERO };
            change -= back;
            payments.push(SalePayment {
                id: SalePaymentId::new(),
                sale_id,
                method: payment.method,
                amount: given - back,
                tendered: (is_cash(payment) && given.is_positive()).then_some(given),
                reference: payment.reference.clone(),
                credit_id: None,
                credit_balance: None,
                voucher_code: payment.voucher_code.clone(),
                mobile_payment_id: None,
            });
            positions.push(index);
        }
        payments.reverse();
        positions.reverse();
        self.check_paid_back(&payments)?;
        let is_too_large = |payment: &SalePayment| {
            let largest = payment.amount.max(-payment.amount).max(payment.tendered.unwrap_or_default());
            largest > Money::MAX
        };
        if payments.iter().any(is_too_large) {
            return Err(SalePaymentError::TooLarge);
        }
        Ok(Settled { payments, positions, rounding: due - in_cash })
    }

    /// Refuses to pay back more than came back. Money that is put into a voucher or an account is not paid
    /// back.
    fn check_paid_back(self, payments: &[SalePayment]) -> Result<(), SalePaymentError> {
        let others = payments.iter().filter(|payment| !payment.method.is_credit());
        let paid_back: Money = others.map(|payment| (-payment.amount).max(Money::ZERO)).sum();
        let rounding = if self.is_whole_refund { self.cash_rounding } else { Money::ZERO };
        match paid_back > self.returned + rounding {
            true if self.returned.is_zero() => Err(SalePaymentError::TooMuch(paid_back)),
            true => Err(SalePaymentError::PaidBack(self.returned)),
            false => Ok(()),
        }
    }

    /// The amount that is paid in cash. It is rounded to the nearest step if it pays for articles alone.
    /// Where the till chooses amounts, rounding must give nothing away: beside money that is put into
    /// credit, cash is rounded up, and cash that is paid back is rounded down, unless a whole receipt comes
    /// back.
    fn cash_due(
        self,
        asked: &[NewSalePayment],
        in_cash: Money,
        rest: Option<&NewSalePayment>,
    ) -> Result<Money, SalePaymentError> {
        let step = self.cash_rounding.as_decimal();
        if step.is_zero() || (in_cash.as_decimal() % step).is_zero() {
            return Ok(in_cash);
        }
        if rest.is_some_and(|rest| rest.method != SaleMethod::Cash) {
            return Err(SalePaymentError::CashStep(self.cash_rounding));
        }
        let is_put_in = |payment: &NewSalePayment| {
            payment.method.is_credit() && payment.amount.is_some_and(Money::is_negative)
        };
        let has_others = asked.iter().any(|payment| payment.method != SaleMethod::Cash);
        // At most 10^10 steps of 10^-4, which a decimal holds.
        let steps: Decimal = in_cash.as_decimal() / step;
        let nearest = self.rounding.round(steps, 0);
        let steps = match () {
            () if in_cash.is_negative() && !self.is_whole_refund => steps.trunc(),
            () if in_cash.is_negative() => nearest,
            () if asked.iter().any(is_put_in) => steps.ceil(),
            // Other payments do not make cash vanish.
            () if has_others => nearest.max(Decimal::ONE),
            () => nearest,
        };
        Ok(Money::from_decimal(steps * step))
    }
}

fn check(asked: &[NewSalePayment], currency: &Currency) -> Result<(), SalePaymentError> {
    if asked.len() > MAX_PAYMENTS {
        return Err(SalePaymentError::Count);
    }
    let mut has_rest = false;
    for (index, payment) in asked.iter().enumerate() {
        match payment.amount {
            Some(amount) if amount.is_zero() => return Err(SalePaymentError::Zero { index }),
            Some(amount) => {
                currency.check(amount).map_err(|reason| SalePaymentError::TooFine { index, reason })?;
            }
            None if has_rest => return Err(SalePaymentError::TwoRests { index }),
            None => has_rest = true,
        }
        let is_voucher = payment.method == SaleMethod::Voucher;
        if !is_voucher && (payment.voucher_code.is_some() || payment.expires_on.is_some()) {
            return Err(SalePaymentError::VoucherCode { index });
        }
        let is_reported = payment.mobile_payment_id.is_some();
        let may_be_reported = payment.method == SaleMethod::MobileMoney
            && payment.reference.is_none()
            && !payment.amount.is_some_and(Money::is_negative);
        if is_reported && !may_be_reported {
            return Err(SalePaymentError::MobilePayment { index });
        }
    }
    Ok(())
}

impl Settled {
    /// The money that is put into vouchers and store credit.
    pub(super) fn put_in(&self) -> Money {
        let is_put_in =
            |payment: &&SalePayment| matches!(payment.method, SaleMethod::Voucher | SaleMethod::StoreCredit);
        self.payments.iter().filter(is_put_in).map(|payment| (-payment.amount).max(Money::ZERO)).sum()
    }

    /// The changes of vouchers and of the accounts of the customer. A new voucher without a code gets one.
    ///
    /// # Errors
    /// [`SalePaymentError`].
    pub(super) fn credit_postings(
        &mut self,
        asked: &[NewSalePayment],
        customer: Option<CustomerId>,
    ) -> Result<Vec<CreditPosting>, SalePaymentError> {
        let mut postings = Vec::new();
        for (payment, index) in self.payments.iter_mut().zip(&self.positions) {
            let index = *index;
            let of_customer = |kind| {
                customer.map(|id| Holder::Customer(kind, id)).ok_or(SalePaymentError::NoCustomer { index })
            };
            let holder = match payment.method {
                SaleMethod::StoreCredit => of_customer(CreditKind::StoreCredit)?,
                SaleMethod::OnAccount => of_customer(CreditKind::OnAccount)?,
                SaleMethod::Voucher => {
                    let issued = payment.amount.is_negative().then(VoucherCode::random);
                    let code = payment.voucher_code.clone().or(issued);
                    let code = code.ok_or(SalePaymentError::VoucherCode { index })?;
                    payment.voucher_code = Some(code.clone());
                    Holder::Voucher { code, expires_on: asked[index].expires_on }
                }
                _ => continue,
            };
            postings.push(CreditPosting { holder, amount: payment.credit_change(), index });
        }
        Ok(postings)
    }

    /// The payments by mobile money that reported payments confirm, now or later.
    pub(super) fn wanted_uses(&self, asked: &[NewSalePayment]) -> Vec<WantedUse> {
        let is_wanted =
            |payment: &SalePayment| payment.method == SaleMethod::MobileMoney && payment.amount.is_positive();
        let payments = self.payments.iter().zip(&self.positions);
        payments
            .filter(|(payment, _)| is_wanted(payment))
            .map(|(payment, index)| WantedUse {
                sale_payment_id: payment.id,
                amount: payment.amount,
                named: asked[*index].mobile_payment_id,
                reference: payment.reference.as_ref().map(|text| text.as_str().to_uppercase()),
                index: *index,
            })
            .collect()
    }

    /// Notes the reported payments, and the numbers of their transactions.
    pub(super) fn note_uses(&mut self, uses: &DecidedUses) {
        for payment in &mut self.payments {
            let Some((id, transaction)) = uses.of(payment.id) else { continue };
            payment.mobile_payment_id = Some(id);
            payment.reference = payment.reference.take().or_else(|| ShortText::parse(transaction).ok());
        }
    }

    /// Notes the accounts of the payments, and their balances.
    pub(super) fn note(&mut self, credit: &DecidedCredit) {
        let by_credit = self.payments.iter_mut().filter(|payment| payment.method.is_credit());
        for (payment, (id, balance)) in by_credit.zip(credit.balances()) {
            (payment.credit_id, payment.credit_balance) = (Some(id), Some(balance));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(text: &str) -> Money {
        Money::parse(text).unwrap()
    }

    fn by(method: SaleMethod, amount: &str) -> NewSalePayment {
        let amount = (!amount.is_empty()).then(|| money(amount));
        NewSalePayment {
            method,
            amount,
            reference: None,
            mobile_payment_id: None,
            voucher_code: None,
            expires_on: None,
        }
    }

    /// The amounts of the payments, and the rounding.
    fn settle(
        total: &str,
        returned: &str,
        step: &str,
        asked: &[NewSalePayment],
    ) -> Result<String, SalePaymentError> {
        let due = Due {
            total: money(total),
            returned: money(returned),
            is_whole_refund: false,
            cash_rounding: money(step),
            rounding: Rounding::HalfAwayFromZero,
        };
        let settled = due.settle(SaleId::new(), asked, &Currency::stored("EUR".to_owned(), 2))?;
        let sum: Money = settled.payments.iter().map(|payment| payment.amount).sum();
        assert_eq!(sum, due.total + settled.rounding, "payments add up to the total and its rounding");
        let amounts: Vec<String> =
            settled.payments.iter().map(|payment| payment.amount.plain().into()).collect();
        Ok(format!("{} | {}", amounts.join(" "), settled.rounding.plain()))
    }

    use SaleMethod::{Card, Cash, MobileMoney, StoreCredit, Voucher};

    #[test]
    fn payments_add_up_to_the_total_and_only_cash_has_change() {
        for (total, returned, step, asked, settled) in [
            ("17.35", "0", "0", vec![by(Cash, "20")], "17.35 | 0"),
            ("17.35", "0", "0", vec![by(Cash, "")], "17.35 | 0"),
            ("17.35", "0", "0", vec![by(Card, "")], "17.35 | 0"),
            ("17.35", "0", "0", vec![by(Card, "10"), by(Cash, "10")], "10 7.35 | 0"),
            ("17.35", "0", "0", vec![by(Cash, "5"), by(Card, ""), by(MobileMoney, "2.35")], "5 10 2.35 | 0"),
            ("17.35", "0", "0", vec![by(Cash, "10"), by(Cash, "10")], "10 7.35 | 0"),
            ("17.35", "0", "0", vec![by(Cash, "20"), by(Cash, "10")], "17.35 0 | 0"),
            // Cash alone is rounded.
            ("17.32", "0", "0.05", vec![by(Cash, "20")], "17.3 | -0.02"),
            ("17.33", "0", "0.05", vec![by(Cash, "")], "17.35 | 0.02"),
            ("17.33", "0", "0.05", vec![by(Card, "")], "17.33 | 0"),
            ("17.33", "0", "0.05", vec![by(Card, "10"), by(Cash, "")], "10 7.35 | 0.02"),
            ("0.02", "0", "0.05", vec![by(Cash, "")], " | -0.02"),
            ("0", "0", "0.05", vec![], " | 0"),
            // Money is paid back.
            ("-17.33", "17.33", "0.05", vec![by(Cash, "")], "-17.3 | 0.03"),
            ("-17.33", "17.33", "0.05", vec![by(Cash, "-17.3")], "-17.3 | 0.03"),
            ("-17.33", "17.33", "0.05", vec![by(Card, "-10"), by(Cash, "")], "-10 -7.3 | 0.03"),
            ("17.31", "0", "0.05", vec![by(Voucher, "-50"), by(Cash, "100")], "-50 67.35 | 0.04"),
            ("17.33", "0", "0.05", vec![by(Cash, "5"), by(Card, "")], "5 12.33 | 0"),
            ("-5", "20", "0", vec![by(Card, "10"), by(Cash, "-15")], "10 -15 | 0"),
            // Money is put into a voucher or an account.
            ("0", "0", "0", vec![by(Voucher, "-50"), by(Cash, "100")], "-50 50 | 0"),
            ("-10", "10", "0", vec![by(StoreCredit, "")], "-10 | 0"),
            ("5", "0", "0", vec![by(Cash, "20"), by(StoreCredit, "")], "20 -15 | 0"),
        ] {
            assert_eq!(settle(total, returned, step, &asked).as_deref(), Ok(settled), "{total} {asked:?}");
        }
    }

    #[test]
    fn rounding_gives_nothing_away() {
        use SalePaymentError::{CashStep, NotPaidBack};
        for (total, returned, asked, settled) in [
            ("0", "0", vec![by(StoreCredit, "-0.49"), by(Cash, "")], "-0.49 1 | 0.51"),
            ("17", "0", vec![by(Card, "16.51"), by(Cash, "")], "16.51 1 | 0.51"),
            ("17.01", "0", vec![by(Voucher, "-50"), by(Card, "60"), by(Cash, "")], "-50 60 8 | 0.99"),
            ("-17.33", "17.33", vec![by(StoreCredit, "-10.33"), by(Cash, "")], "-10.33 -7 | 0"),
            ("7.33", "10.33", vec![by(Voucher, "-10.67"), by(Cash, "")], "-10.67 18 | 0"),
            ("-0.5", "0.5", vec![by(Cash, "")], " | 0.5"),
        ] {
            assert_eq!(settle(total, returned, "1", &asked).as_deref(), Ok(settled), "{total} {asked:?}");
        }
        for (total, returned, asked, error) in [
            ("17", "0", vec![by(Cash, "0.49"), by(Card, "")], CashStep(money("1"))),
            ("-0.5", "0.5", vec![by(Cash, "-1")], NotPaidBack(Money::ZERO)),
            (
                "0",
                "0",
                vec![by(Voucher, "-9999999999"), by(Voucher, "-9999999999"), by(Cash, "")],
                SalePaymentError::TooLarge,
            ),
        ] {
            assert_eq!(settle(total, returned, "1", &asked), Err(error), "{total} {asked:?}");
        }
    }

    #[test]
    fn payments_that_do_not_fit_say_what_is_missing() {
        use SalePaymentError::{NotPaidBack, PaidBack, TooLittle, TooMuch, TwoRests, Zero};
        for (total, returned, asked, error) in [
            ("17.35", "0", vec![], TooLittle(money("17.35"))),
            ("17.35", "0", vec![by(Cash, "17.34")], TooLittle(money("0.01"))),
            ("17.35", "0", vec![by(Card, "10"), by(Cash, "5")], TooLittle(money("2.35"))),
            ("17.35", "0", vec![by(Card, "20")], TooMuch(money("2.65"))),
            ("17.35", "0", vec![by(Card, "20"), by(Cash, "1")], TooMuch(money("3.65"))),
            ("17.35", "0", vec![by(Card, "20"), by(Cash, "")], TooMuch(money("2.65"))),
            ("17.35", "0", vec![by(Cash, "20"), by(Card, "")], TooMuch(money("2.65"))),
            ("0", "0", vec![by(Cash, "1")], TooMuch(money("1"))),
            ("0", "0", vec![by(StoreCredit, "50"), by(Cash, "")], TooMuch(money("50"))),
            ("-10", "10", vec![], NotPaidBack(money("10"))),
            ("-1", "1", vec![by(Card, "-2")], NotPaidBack(money("1"))),
            ("-10", "10", vec![by(Card, "-4")], NotPaidBack(money("10"))),
            ("-10", "10", vec![by(Cash, "-9")], NotPaidBack(money("10"))),
            ("-10", "10", vec![by(Cash, "-11")], NotPaidBack(money("10"))),
            ("-10", "10", vec![by(Cash, "5")], NotPaidBack(money("10"))),
            ("-10", "10", vec![by(Card, "50"), by(Cash, "-60")], PaidBack(money("10"))),
            ("17.35", "0", vec![by(Cash, ""), by(Card, "")], TwoRests { index: 1 }),
            ("17.35", "0", vec![by(Cash, "0")], Zero { index: 0 }),
        ] {
            assert_eq!(settle(total, returned, "0", &asked), Err(error), "{total} {asked:?}");
        }
    }
}
