//! The figures of a shift: the cash that moved, the payments by method, the sums of its receipts, and their
//! taxes by rate. Voided receipts are in no sum; only their number is counted.

use chrono::{DateTime, Utc};
use tenancy::{DbError, TenantTx, all};
use values::{Money, Name, Percent};

use crate::ids::ShiftId;
use crate::records::sale_method::SaleMethod;
use crate::registers::register::receipt_reference;
use crate::shifts::shift::Shift;

/// The figures of a shift.
#[derive(Debug)]
pub(super) struct Figures {
    pub cash_in: Money,
    pub cash_out: Money,
    /// The time at which cash moved last, or the last receipt was completed.
    pub last_moved_at: Option<DateTime<Utc>>,
    pub takings: Vec<Takings>,
    pub receipts: Receipts,
    pub numbers: Vec<Numbers>,
    pub taxes: Vec<TaxFigure>,
}

/// The payments by one method.
#[derive(Debug)]
pub(super) struct Takings {
    pub method: SaleMethod,
    pub received: Money,
    pub paid_back: Money,
}

tenancy::from_row!(Takings { method, received, paid_back });

/// The sums of the receipts.
#[derive(Debug)]
pub(super) struct Receipts {
    pub sales: i64,
    pub refunds: i64,
    pub deposits: i64,
    pub voids: i64,
    pub subtotal: Money,
    pub discount: Money,
    pub returned: Money,
    pub tax: Money,
    pub total: Money,
    pub rounding: Money,
    last_at: Option<DateTime<Utc>>,
}

tenancy::from_row!(Receipts {
    sales,
    refunds,
    deposits,
    voids,
    subtotal,
    discount,
    returned,
    tax,
    total,
    rounding,
    last_at,
});

/// The numbers of the receipts in one series.
#[derive(Debug)]
pub(super) struct Numbers {
    series: String,
    first: i64,
    last: i64,
    /// Whether the till made the receipts without a connection.
    pub is_offline: bool,
}

tenancy::from_row!(Numbers { series, first, last, is_offline });

impl Numbers {
    /// The first and the last number, as they are printed.
    pub(super) fn printed(&self) -> (String, String) {
        (receipt_reference(&self.series, self.first), receipt_reference(&self.series, self.last))
    }
}

/// The tax of one rate.
#[derive(Debug)]
pub(super) struct TaxFigure {
    pub name: Name,
    pub percent: Percent,
    /// The amount that was taxed, without the taxes.
    pub net: Money,
    pub tax: Money,
}

tenancy::from_row!(TaxFigure { name, percent, net, tax });

struct Cash {
    cash_in: Money,
    cash_out: Money,
    last_moved_at: Option<DateTime<Utc>>,
}

tenancy::from_row!(Cash { cash_in, cash_out, last_moved_at });

impl Figures {
    /// Reads the figures of a shift.
    ///
    /// # Errors
    /// [`DbError`].
    pub(super) async fn read(tx: &TenantTx, id: ShiftId) -> Result<Self, DbError> {
        const CASH: &str = "
            SELECT coalesce(sum(amount) FILTER (WHERE amount > 0), 0) AS cash_in,
                   coalesce(-sum(amount) FILTER (WHERE amount < 0), 0) AS cash_out,
                   max(moved_at) AS last_moved_at
              FROM cash_movements WHERE shift_id = $1";
        const TAKINGS: &str = "
            SELECT p.method, coalesce(sum(p.amount) FILTER (WHERE p.amount > 0), 0) AS received,
                   coalesce(-sum(p.amount) FILTER (WHERE p.amount < 0), 0) AS paid_back
              FROM sales s JOIN sale_payments p ON p.sale_id = s.id
             WHERE s.shift_id = $1 AND s.voided_at IS NULL
             GROUP BY p.method ORDER BY p.method";
        const RECEIPTS: &str = "
            SELECT count(*) FILTER (WHERE voided_at IS NULL AND kind IN ('sale', 'exchange')) AS sales,
                   count(*) FILTER (WHERE voided_at IS NULL AND kind = 'refund') AS refunds,
                   count(*) FILTER (WHERE voided_at IS NULL AND kind = 'deposit') AS deposits,
                   count(voided_at) AS voids,
                   coalesce(sum(subtotal) FILTER (WHERE voided_at IS NULL), 0) AS subtotal,
                   coalesce(sum(discount) FILTER (WHERE voided_at IS NULL), 0) AS discount,
                   coalesce(sum(returned) FILTER (WHERE voided_at IS NULL), 0) AS returned,
                   coalesce(sum(tax) FILTER (WHERE voided_at IS NULL), 0) AS tax,
                   coalesce(sum(total) FILTER (WHERE voided_at IS NULL), 0) AS total,
                   coalesce(sum(rounding) FILTER (WHERE voided_at IS NULL), 0) AS rounding,
                   max(sold_at) AS last_at
              FROM sales WHERE shift_id = $1";
        const NUMBERS: &str = "
            SELECT series, min(number) AS first, max(number) AS last,
                   bool_and(offline_reference IS NOT NULL) AS is_offline
              FROM sales WHERE shift_id = $1
             GROUP BY series ORDER BY is_offline, series";
        const TAXES: &str = "
            SELECT tax ->> 'name' AS name, (tax ->> 'percent')::numeric AS percent, sum(net) AS net,
                   sum(sign * (tax ->> 'amount')::numeric) AS tax
              FROM (SELECT 1 AS sign, l.total - l.tax AS net, l.taxes
                      FROM sales s JOIN sale_lines l ON l.sale_id = s.id
                     WHERE s.shift_id = $1 AND s.voided_at IS NULL
                     UNION ALL
                    SELECT -1, r.tax - r.amount, r.taxes
                      FROM sales s JOIN sale_returns r ON r.sale_id = s.id
                     WHERE s.shift_id = $1 AND s.voided_at IS NULL) taxed,
                   jsonb_array_elements(taxes) AS tax
             GROUP BY 1, 2 ORDER BY 2 DESC, 1";
        let cash = async { tx.row::<Cash>(CASH, &[&id]).await };
        let takings = async { tx.rows::<Takings>(TAKINGS, &[&id]).await };
        let receipts = async { tx.row::<Receipts>(RECEIPTS, &[&id]).await };
        let taxes = async { tx.rows::<TaxFigure>(TAXES, &[&id]).await };
        let numbers = async { tx.rows::<Numbers>(NUMBERS, &[&id]).await };
        let (cash, takings, receipts, taxes, numbers) =
            all((cash, takings, receipts, taxes, numbers)).await?;
        Ok(Self {
            cash_in: cash.cash_in,
            cash_out: cash.cash_out,
            last_moved_at: cash.last_moved_at.max(receipts.last_at),
            takings,
            receipts,
            numbers,
            taxes,
        })
    }

    /// The payments by a method, and the amount that was paid back by it.
    pub(super) fn of(&self, method: SaleMethod) -> (Money, Money) {
        let takings = self.takings.iter().find(|takings| takings.method == method);
        takings.map_or((Money::ZERO, Money::ZERO), |takings| (takings.received, takings.paid_back))
    }

    /// The expected amount of a method of payment. Of vouchers, those that were handed in can be counted.
    pub(super) fn expected(&self, shift: &Shift, method: SaleMethod) -> Money {
        let (received, paid_back) = self.of(method);
        match method {
            SaleMethod::Cash => shift.opening_float + self.cash_in - self.cash_out + received - paid_back,
            SaleMethod::Voucher => received,
            _ => received - paid_back,
        }
    }
}
