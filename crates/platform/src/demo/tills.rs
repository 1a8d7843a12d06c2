//! The tills of the demo: two registers with weeks of shifts, each closed with a Z report, and today's
//! shifts.

use chrono::TimeDelta;
use insight::choice::{Choice, Period};
use insight::payment_report::PaymentsBy;
use insight::sales_report::SalesBy;
use insight::saved_report::{self, NewSavedReport, SavedReportId};
use inventory::payment::PaymentMethod;
use inventory::stock::StockError;
use inventory::{CustomerId, Requested, VariantId};
use serde_json::json;
use tenancy::TenantTx;
use till::asked_line::AskedLine;
use till::cash_movement::{self, NewCashMovement};
use till::mobile_payment::NewMobilePayment;
use till::offline_sale::{self, MadeOffline, SentSale};
use till::parked_sale::{self, NewParkedSale};
use till::register::{self, NewRegister, Series};
use till::sale::Sale;
use till::sale_error::SaleError;
use till::sale_method::SaleMethod;
use till::sale_payment::NewSalePayment;
use till::selling::{self, Back, NewSale};
use till::shift::{self, NewShift, ShiftStatus};
use till::shift_close::{self, Counted, NewClose, NewCount, Step};
use till::{
    CashMovementId, MobilePaymentId, ParkedSaleId, RegisterId, SaleId, ShiftId, payment_matching, sale_void,
};
use values::{ActorId, Money, Reason, ShortText};

use super::texts::{money, name, not_negative, positive};
use super::{DemoError, data};

const FLOAT: &str = "100";

/// The tills of one business.
pub struct Tills<'a> {
    tx: &'a TenantTx,
    sellers: Vec<ActorId>,
    tills: Vec<Till>,
    /// Counts the payments by mobile money.
    mobile_payments: u32,
}

/// A register, and its open shift.
struct Till {
    id: RegisterId,
    shift: Option<ShiftId>,
    /// What the shift took by each method that is counted.
    taken: [(PaymentMethod, Money); 3],
}

const METHODS: [SaleMethod; 3] = [SaleMethod::Cash, SaleMethod::Card, SaleMethod::MobileMoney];

impl<'a> Tills<'a> {
    /// Sets two registers up. The sellers take turns.
    pub async fn set_up(tx: &'a TenantTx, sellers: Vec<ActorId>) -> Result<Self, DemoError> {
        let mut tills = Vec::new();
        for (series, called) in [("R1", "Front till"), ("R2", "Yard till")] {
            let new = NewRegister {
                name: name(called)?,
                series: Series::parse(series).map_err(data)?,
                location_id: None,
                fiscal_device: None,
            };
            let id = register::insert(tx, &new, ActorId::SYSTEM).await.map_err(data)?;
            tills.push(Till { id, shift: None, taken: nothing_taken() });
        }
        for (called, choice) in [
            ("Payments of yesterday", Choice::Payments(PaymentsBy::Method, Period::Yesterday)),
            ("Sellers of last month", Choice::Sales(SalesBy::Seller, Period::LastMonth)),
        ] {
            let new = NewSavedReport { name: name(called)?, choice, schedule: None };
            saved_report::insert(tx, SavedReportId::new(), &new, ActorId::SYSTEM).await.map_err(data)?;
        }
        Ok(Self { tx, sellers, tills, mobile_payments: 0 })
    }

    fn seller(&self, at: usize) -> ActorId {
        self.sellers.get(at % self.sellers.len().max(1)).copied().unwrap_or(ActorId::SYSTEM)
    }

    /// Opens a shift at each register.
    pub async fn open(&mut self) -> Result<(), DemoError> {
        for at in 0..self.tills.len() {
            let seller = self.seller(at);
            let till = &mut self.tills[at];
            let new = NewShift {
                request: Requested::by_program(ShiftId::new()),
                register_id: till.id,
                opening_float: not_negative(FLOAT)?,
            };
            shift::open(self.tx, &new, seller).await.map_err(data)?;
            (till.shift, till.taken) = (Some(new.request.id), nothing_taken());
        }
        Ok(())
    }

    /// Sells some of the variants at each register. Now and then, a sale is refunded or voided. A sale
    /// without enough stock is skipped.
    pub async fn sell(
        &mut self,
        random: &mut fastrand::Rng,
        variants: &[VariantId],
        customers: &[CustomerId],
    ) -> Result<(), DemoError> {
        for at in 0..self.tills.len() {
            let mut lines = Vec::new();
            for _ in 0..random.usize(1..=3) {
                lines.push(line(variants[random.usize(..variants.len())], &random.u32(1..=3).to_string())?);
            }
            let method = METHODS[[0, 0, 0, 1, 1, 2][random.usize(..6)]];
            // The cashier enters the number that the customer shows; the provider reports the payment later.
            let reference =
                (method == SaleMethod::MobileMoney).then(|| self.next_transaction()).transpose()?;
            let customer = customers.get(random.usize(..5 * customers.len())).copied();
            let Some(sale) = self.complete(at, lines, customer, paid(method, reference.clone())).await?
            else {
                continue;
            };
            if let Some(transaction) = reference {
                self.receive(&transaction, sale.total).await?;
            }
            match random.u32(..24) {
                0 => self.refund(at, &sale).await?,
                1 => {
                    let reason = Reason::parse("scanned twice").map_err(data)?;
                    sale_void::void(self.tx, sale.id, &reason, true, self.seller(at)).await.map_err(data)?;
                    self.take(at, method, -sale.total);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The number of the next payment by mobile money.
    fn next_transaction(&mut self) -> Result<ShortText, DemoError> {
        self.mobile_payments += 1;
        ShortText::parse(&format!("DEMO{:06}", self.mobile_payments)).map_err(data)
    }

    /// Receives a payment by mobile money, as the provider reports it.
    async fn receive(&self, transaction: &ShortText, amount: Money) -> Result<(), DemoError> {
        let new = NewMobilePayment {
            id: MobilePaymentId::new(),
            provider: "mpesa".to_owned(),
            transaction_id: transaction.to_string(),
            till_number: "522533".to_owned(),
            amount,
            currency: "EUR".to_owned(),
            payer: Some("2547*****126".to_owned()),
            payer_name: Some("AMINA".to_owned()),
            account: None,
            request_id: None,
            paid_at: self.tx.now(),
            received_at: self.tx.now(),
        };
        Ok(payment_matching::receive(self.tx, &new).await?)
    }

    fn take(&mut self, at: usize, method: SaleMethod, amount: Money) {
        let counted = method.counted_as();
        let of_method = self.tills[at].taken.iter_mut().find(|(taken, _)| Some(*taken) == counted);
        of_method.into_iter().for_each(|(_, taken)| *taken += amount);
    }

    async fn complete(
        &mut self,
        at: usize,
        lines: Vec<AskedLine>,
        customer_id: Option<CustomerId>,
        payments: Vec<NewSalePayment>,
    ) -> Result<Option<Sale>, DemoError> {
        let new = NewSale { lines, customer_id, payments, ..self.nothing_sold(at) };
        match selling::complete(self.tx, &new, self.seller(at)).await {
            Ok(outcome) => {
                let sale = outcome.into_document();
                sale.payments.iter().for_each(|paid| self.take(at, paid.method, paid.amount));
                Ok(Some(sale))
            }
            Err(SaleError::Stock(StockError::Insufficient(_))) => Ok(None),
            Err(error) => Err(data(error)),
        }
    }

    async fn refund(&mut self, at: usize, sale: &Sale) -> Result<(), DemoError> {
        let new = NewSale {
            refunded: Some(sale.id),
            back: vec![Back::Rest { sale_id: sale.id, is_restocked: true }],
            reason: Some(Reason::parse("not needed").map_err(data)?),
            payments: paid(SaleMethod::Cash, None),
            ..self.nothing_sold(at)
        };
        let refund = selling::complete(self.tx, &new, self.seller(at)).await.map_err(data)?.into_document();
        refund.payments.iter().for_each(|paid| self.take(at, paid.method, paid.amount));
        Ok(())
    }

    fn nothing_sold(&self, at: usize) -> NewSale {
        NewSale {
            request: Requested::by_program(SaleId::new()),
            register_id: self.tills[at].id,
            customer_id: None,
            lines: Vec::new(),
            discount: None,
            may_set_prices: true,
            refunded: None,
            back: Vec::new(),
            may_take_back: true,
            reason: None,
            note: None,
            payments: Vec::new(),
            made_offline: None,
        }
    }

    /// Brings the cash to the bank, counts the drawers and closes the shifts. Now and then, some coins are
    /// missing.
    pub async fn close(&mut self, random: &mut fastrand::Rng) -> Result<(), DemoError> {
        for at in 0..self.tills.len() {
            let seller = self.seller(at);
            let Some(shift_id) = self.tills[at].shift.take() else { continue };
            let [(_, cash), ..] = self.tills[at].taken;
            if cash.is_positive() {
                let new = NewCashMovement {
                    request: Requested::by_program(CashMovementId::new()),
                    shift_id,
                    amount: -cash,
                    reason: Reason::parse("to the bank").map_err(data)?,
                };
                cash_movement::post(self.tx, &new, seller).await.map_err(data)?;
                self.take(at, SaleMethod::Cash, -cash);
            }
            let missing = if random.u32(..6) == 0 { money("0.50")? } else { Money::ZERO };
            let counts = self.tills[at].taken.map(|(method, taken)| {
                let counted = match method {
                    PaymentMethod::Cash => money(FLOAT).map(|float| float + taken - missing),
                    _ => Ok(taken),
                };
                counted.map(|counted| NewCount { method, counted: Counted::Amount(counted) })
            });
            let counts = counts.into_iter().collect::<Result<Vec<_>, _>>()?;
            let step = |step| NewClose { shift_id, step, may_close_others: true, may_approve: true };
            let shift =
                shift_close::close(self.tx, &step(Step::Count(counts)), seller).await.map_err(data)?;
            if shift.status != ShiftStatus::Closed {
                let reason = Reason::parse("a coin was lost").map_err(data)?;
                shift_close::close(self.tx, &step(Step::Explain(Some(reason))), seller)
                    .await
                    .map_err(data)?;
            }
        }
        Ok(())
    }

    /// Adds what waits: a voucher to be spent, a parked sale, a payment by mobile money without a sale, and a
    /// sale of a till that had no connection.
    pub async fn wait(&mut self, variant: VariantId) -> Result<(), DemoError> {
        let voucher = NewSalePayment { amount: Some(-money("25")?), ..payment(SaleMethod::Voucher, None) };
        let cash = NewSalePayment { amount: Some(money("25")?), ..payment(SaleMethod::Cash, None) };
        self.complete(0, Vec::new(), None, vec![cash, voucher]).await?;
        let parked = NewParkedSale {
            request: Requested::by_program(ParkedSaleId::new()),
            register_id: self.tills[0].id,
            customer_id: None,
            label: Some(ShortText::parse("fetches the car").map_err(data)?),
            lines: vec![line(variant, "2")?],
            discount: None,
            note: None,
        };
        parked_sale::park(self.tx, &parked, self.seller(0)).await.map_err(data)?;
        let transaction = self.next_transaction()?;
        self.receive(&transaction, money("18.50")?).await?;
        let (id, register_id) = (SaleId::new(), self.tills[1].id);
        let sold_at = self.tx.now() - TimeDelta::hours(1);
        let made = MadeOffline {
            sold_at,
            reference: ShortText::parse("R2-OFF-000001").map_err(data)?,
            total: money("1")?,
            was_held: false,
        };
        let body = json!({
            "id": id, "registerId": register_id, "reference": made.reference, "soldAt": sold_at, "total": "1",
            "lines": [{"variantId": variant, "quantity": "9000"}], "payments": [{"method": "cash"}],
        });
        let request = Requested::by_program(id);
        let sent = SentSale { request: &request, register_id, made: &made, body: &body };
        let problem = ("insufficient_stock", "Not enough stock.");
        offline_sale::hold(self.tx, &sent, problem, self.seller(1)).await.map_err(data)
    }
}

fn nothing_taken() -> [(PaymentMethod, Money); 3] {
    [PaymentMethod::Cash, PaymentMethod::Card, PaymentMethod::MobileMoney].map(|method| (method, Money::ZERO))
}

fn line(variant: VariantId, quantity: &str) -> Result<AskedLine, DemoError> {
    Ok(AskedLine {
        article: variant.into(),
        quantity: Some(positive(quantity)?),
        price: None,
        discount: None,
        note: None,
    })
}

fn payment(method: SaleMethod, reference: Option<ShortText>) -> NewSalePayment {
    NewSalePayment {
        method,
        amount: None,
        reference,
        mobile_payment_id: None,
        voucher_code: None,
        expires_on: None,
    }
}

/// One payment of the whole amount.
fn paid(method: SaleMethod, reference: Option<ShortText>) -> Vec<NewSalePayment> {
    vec![payment(method, reference)]
}
