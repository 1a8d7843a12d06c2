//! Sales in a span of days, by day, month, variant, tax rate and more, with taxes and cost.

use chrono::{DateTime, Utc};
use const_format::concatcp;
use inventory::{clock_of_day, movement};
use tenancy::{DbError, TenantTx};
use values::{Money, Page, PageRequest, Quantity};

use crate::reports::report::{IN_SPAN, MaxRows, Report, Span};
use crate::reports::rounding::Exact;

values::words! {
    /// The group of each row of the report.
    pub enum SalesBy {
        /// The day on which the goods left or came back, in the time zone of the business.
        Day = "day",
        /// The week (ISO 8601, from Monday to Sunday), such as 2026-W48.
        Week = "week",
        /// The month, such as 2026-11.
        Month = "month",
        /// The hour of the day in the time zone of the business, over all days together.
        Hour = "hour",
        /// The variant that was sold or returned.
        Variant = "variant",
        /// The product, with all its variants.
        Product = "product",
        /// The kind of the product: goods, service or fee.
        Kind = "kind",
        /// The supplier from whom the variant was received last, or else whose price of it was set last.
        /// Variants without a supplier share one row.
        Supplier = "supplier",
        /// The tax rate of the line, or its tax rates if it has several, such as VAT 16%. Lines without a tax
        /// share one row.
        TaxRate = "taxRate",
        /// The category of the product. Products without a category share one row.
        Category = "category",
        /// The customer of the order. Orders without a customer share one row.
        Customer = "customer",
        /// The user who placed the order or completed the receipt. Documents of the system share one row.
        Seller = "seller",
        /// The register that sold, or at which articles came back. Orders share one row.
        Register = "register",
        /// The location that the goods left or came back to.
        Location = "location",
    }
}

/// The sales and returns of one day, variant or other key, or of all.
#[derive(Debug, Clone, Default)]
pub struct Sales {
    /// The day, the week, the month, the hour (00 to 23), the kind, the tax rate or the id. `None` for the
    /// total, and for sales without a category, a customer, a seller, a supplier or a tax.
    pub key: Option<String>,
    /// The name of the product, category, supplier, customer or location. `None` for other keys, and where
    /// `key` is `None`.
    pub name: Option<String>,
    /// The SKU, if the rows are variants. `None` for other keys and for the total.
    pub sku: Option<String>,
    /// The number of orders and receipts with sold or returned articles.
    pub orders: i64,
    /// The quantity that left, in sale units.
    pub sold: Quantity,
    /// The quantity that came back, in sale units.
    pub returned: Quantity,
    /// The discounts on what was sold.
    pub discount: Money,
    /// The amount of what was sold, taxes included.
    pub total: Money,
    /// The amount refunded for what was returned, taxes included.
    pub refunded: Money,
    /// The taxes in the total, less the taxes in the refunds.
    pub tax: Money,
    /// The cost of what was sold, at the average cost when it left, less the cost of what was returned.
    /// Services and fees have the cost of the catalogue. Up to eight decimals. An unknown cost counts as
    /// nothing.
    pub cost: Money,
}

tenancy::from_row!(Sales { key, name, sku, orders, sold, returned, discount, total, refunded, tax, cost });

impl Exact for Sales {
    fn amounts(&mut self) -> Vec<&mut Money> {
        vec![&mut self.discount, &mut self.total, &mut self.refunded, &mut self.tax, &mut self.cost]
    }
}

impl Sales {
    /// The total less the refunds, taxes included.
    pub fn net(&self) -> Money {
        self.total - self.refunded
    }

    /// The net amount less taxes and cost.
    pub fn margin(&self) -> Money {
        self.net() - self.tax - self.cost
    }
}

/// Begins a statement with everything that was sold and returned in the span, as table `traded`.
///
/// Sales count when goods leave: those of a reserved order when they are fulfilled. Returns count when goods
/// come back, and refunds without goods when they are given. Sales at the till count at once, and voided ones
/// do not count. Amounts have the currency's decimals, except in a
/// fulfilment that was stored without its amounts. Costs are exact.
pub(crate) const TRADED: &str = concatcp!(
    "WITH moved AS (
        SELECT m.occurred_at AT TIME ZONE s.time_zone AS moment, ",
    clock_of_day!("m.occurred_at", "s"),
    " AS of_day, m.variant_id, m.location_id, m.kind,
               m.source_type, m.source_line_id, -m.quantity AS quantity, -coalesce(m.value, 0) AS cost
          FROM ",
    movement::WITH_UNSTOCKED,
    " m CROSS JOIN settings s
         WHERE ",
    IN_SPAN,
    "      AND m.kind IN ('sale', 'return')
    ), traded AS (
        SELECT m.moment, m.of_day, m.variant_id, m.location_id, l.order_id, l.id AS line_id,
               NULL::uuid AS return_id, m.quantity AS sold,
               0 AS returned,
               coalesce(f.discount, l.discount * m.quantity / l.quantity) AS discount,
               coalesce(f.total, l.total * m.quantity / l.quantity) AS total, 0 AS refunded,
               coalesce(f.tax, l.tax * m.quantity / l.quantity) AS tax, m.cost
          FROM moved m
          LEFT JOIN fulfilment_lines f ON m.source_type = 'fulfilment' AND f.id = m.source_line_id
          JOIN order_lines l ON l.id = coalesce(f.order_line_id, m.source_line_id)
         WHERE m.kind = 'sale'
         UNION ALL
        SELECT m.moment, m.of_day, m.variant_id, m.location_id, l.order_id, l.id, NULL, 0, -m.quantity, 0, 0,
               r.refund,
               -coalesce(r.tax, l.tax * r.refund / nullif(l.total, 0), 0), m.cost
          FROM moved m
          JOIN order_return_lines r ON r.id = m.source_line_id
          JOIN order_lines l ON l.id = r.order_line_id
         WHERE m.kind = 'return'
         UNION ALL
        SELECT m.occurred_at AT TIME ZONE s.time_zone, ",
    clock_of_day!("m.occurred_at", "s"),
    ", l.variant_id, o.location_id, l.order_id, l.id, NULL, 0, 0,
               0, 0, r.amount, -r.tax, 0
          FROM (SELECT id, order_id, refunded_at AS occurred_at FROM order_refunds) m
          CROSS JOIN settings s
          JOIN order_refund_lines r ON r.refund_id = m.id
          JOIN order_lines l ON l.id = r.order_line_id
          JOIN orders o ON o.id = m.order_id
         WHERE ",
    IN_SPAN,
    "    UNION ALL
        SELECT m.moment, m.of_day, m.variant_id, m.location_id, l.sale_id, l.id, NULL, m.quantity, 0,
               l.discount, l.total, 0, l.tax, m.cost
          FROM moved m
          JOIN sale_lines l ON l.id = m.source_line_id
          JOIN sales s ON s.id = l.sale_id
         WHERE m.source_type = 'sale' AND m.kind = 'sale' AND s.voided_at IS NULL
         UNION ALL
        SELECT m.moment, m.of_day, m.variant_id, m.location_id, r.sale_id, r.line_id, r.id, 0, -m.quantity,
               0, 0, r.amount, -r.tax, m.cost
          FROM moved m
          JOIN sale_returns r ON r.id = m.source_line_id
         WHERE m.source_type = 'sale' AND m.kind = 'return'
         UNION ALL
        SELECT m.occurred_at AT TIME ZONE s.time_zone, ",
    clock_of_day!("m.occurred_at", "s"),
    ", l.variant_id, m.location_id, m.id, l.id, r.id, 0, 0, 0, 0, r.amount, -r.tax, 0
          FROM (SELECT id, location_id, sold_at AS occurred_at FROM sales WHERE kind <> 'sale') m
          CROSS JOIN settings s
          JOIN sale_returns r ON r.sale_id = m.id AND r.quantity = 0
          JOIN sale_lines l ON l.id = r.line_id
         WHERE ",
    IN_SPAN,
    ") "
);

/// Goes on with the rows of each key. The columns `key`, `name` and `sku` follow, then [`FROM`] and joins,
/// and then an end.
const KEYED: &str = ", keyed AS (SELECT ";

const FROM: &str = ", t.* FROM traded t ";

/// Ends the statement with the sums of each key and of all; the order of the rows and the limit follow.
const SUMS: &str = ")
    SELECT grouping(key) = 1 AS is_sum, key, name, sku, count(DISTINCT order_id) AS orders,
           coalesce(sum(sold), 0) AS sold, coalesce(sum(returned), 0) AS returned,
           round(coalesce(sum(discount), 0), 4) AS discount, round(coalesce(sum(total), 0), 4) AS total,
           round(coalesce(sum(refunded), 0), 4) AS refunded, round(coalesce(sum(tax), 0), 4) AS tax,
           coalesce(sum(cost), 0) AS cost
      FROM keyed
     GROUP BY GROUPING SETS ((key, name, sku), ())
     ORDER BY is_sum DESC, ";

const BY_KEY: &str = concatcp!(SUMS, "key LIMIT $3");
const BY_NET: &str = concatcp!(SUMS, "sum(total - refunded) DESC, key LIMIT $3");

const NO_NAME: &str = " AS key, NULL::text AS name, NULL::text AS sku";
const PRODUCTS: &str = "JOIN variants v ON v.id = t.variant_id JOIN products p ON p.id = v.product_id ";
// Returns at a till belong to the sale of before, not to the refund.
const OF_DOCUMENTS: &str = "LEFT JOIN orders o ON o.id = t.order_id
     LEFT JOIN sale_lines sl ON sl.id = t.line_id LEFT JOIN sales s ON s.id = sl.sale_id ";
const LAST_SUPPLIER: &str = "
    LEFT JOIN (SELECT variant_id, coalesce(
                   (SELECT r.supplier_id
                      FROM purchase_order_lines l
                      JOIN goods_receipt_lines g ON g.purchase_order_line_id = l.id
                      JOIN goods_receipts r ON r.id = g.receipt_id
                     WHERE l.variant_id = sold.variant_id AND r.reverses IS NULL AND NOT r.is_reversed
                     ORDER BY r.received_at DESC, r.number DESC LIMIT 1),
                   (SELECT a.supplier_id FROM supplier_prices a WHERE a.variant_id = sold.variant_id
                     ORDER BY a.valid_from DESC, a.id DESC LIMIT 1)) AS supplier_id
                 FROM (SELECT DISTINCT variant_id FROM traded) sold) last
           ON last.variant_id = t.variant_id
    LEFT JOIN suppliers s ON s.id = last.supplier_id";

/// The statement that groups by `$by`. It ends with `$in_order` if the keys have an order, such as days, and
/// with `$other` if not.
macro_rules! by {
    ($by:expr, $in_order:expr, $other:expr) => {{
        const BY_DAY: &str =
            concatcp!(TRADED, KEYED, "to_char(t.of_day, 'YYYY-MM-DD')", NO_NAME, FROM, $in_order);
        const BY_WEEK: &str =
            concatcp!(TRADED, KEYED, "to_char(t.of_day, 'IYYY-\"W\"IW')", NO_NAME, FROM, $in_order);
        const BY_MONTH: &str =
            concatcp!(TRADED, KEYED, "to_char(t.of_day, 'YYYY-MM')", NO_NAME, FROM, $in_order);
        const BY_HOUR: &str = concatcp!(TRADED, KEYED, "to_char(t.moment, 'HH24')", NO_NAME, FROM, $in_order);
        const BY_VARIANT: &str = concatcp!(
            TRADED,
            KEYED,
            "t.variant_id::text AS key, p.name AS name, v.sku AS sku",
            FROM,
            PRODUCTS,
            $other
        );
        const BY_PRODUCT: &str = concatcp!(
            TRADED,
            KEYED,
            "p.id::text AS key, p.name AS name, NULL::text AS sku",
            FROM,
            PRODUCTS,
            $other
        );
        const BY_KIND: &str = concatcp!(TRADED, KEYED, "p.kind", NO_NAME, FROM, PRODUCTS, $other);
        const BY_SUPPLIER: &str = concatcp!(
            TRADED,
            KEYED,
            "s.id::text AS key, s.name AS name, NULL::text AS sku",
            FROM,
            LAST_SUPPLIER,
            $other
        );
        const BY_TAX_RATE: &str = concatcp!(
            TRADED,
            KEYED,
            "(SELECT string_agg(concat(tax ->> 'name', ' ', tax ->> 'percent', '%'), ' + ' ORDER BY place)
                FROM jsonb_array_elements(coalesce(l.taxes, s.taxes)) WITH ORDINALITY AS taxes (tax, place))",
            NO_NAME,
            FROM,
            "LEFT JOIN order_lines l ON l.id = t.line_id LEFT JOIN sale_lines s ON s.id = t.line_id",
            $other
        );
        const BY_CATEGORY: &str = concatcp!(
            TRADED,
            KEYED,
            "p.category_id::text AS key, c.name AS name, NULL::text AS sku",
            FROM,
            PRODUCTS,
            "LEFT JOIN categories c ON c.id = p.category_id",
            $other
        );
        const BY_CUSTOMER: &str = concatcp!(
            TRADED,
            KEYED,
            "c.id::text AS key, c.name AS name, NULL::text AS sku",
            FROM,
            OF_DOCUMENTS,
            "LEFT JOIN customers c ON c.id = coalesce(o.customer_id, s.customer_id)",
            $other
        );
        const BY_SELLER: &str = concatcp!(
            TRADED,
            KEYED,
            "coalesce(o.placed_by, s.sold_by)::text",
            NO_NAME,
            FROM,
            OF_DOCUMENTS,
            $other
        );
        const BY_REGISTER: &str = concatcp!(
            TRADED,
            KEYED,
            "r.id::text AS key, r.name AS name, NULL::text AS sku",
            FROM,
            "LEFT JOIN sales s ON s.id = t.order_id LEFT JOIN registers r ON r.id = s.register_id",
            $other
        );
        const BY_LOCATION: &str = concatcp!(
            TRADED,
            KEYED,
            "t.location_id::text AS key, p.name AS name, NULL::text AS sku",
            FROM,
            "JOIN locations p ON p.id = t.location_id",
            $other
        );
        match $by {
            SalesBy::Day => BY_DAY,
            SalesBy::Week => BY_WEEK,
            SalesBy::Month => BY_MONTH,
            SalesBy::Hour => BY_HOUR,
            SalesBy::Variant => BY_VARIANT,
            SalesBy::Product => BY_PRODUCT,
            SalesBy::Kind => BY_KIND,
            SalesBy::Supplier => BY_SUPPLIER,
            SalesBy::TaxRate => BY_TAX_RATE,
            SalesBy::Category => BY_CATEGORY,
            SalesBy::Customer => BY_CUSTOMER,
            SalesBy::Seller => BY_SELLER,
            SalesBy::Register => BY_REGISTER,
            SalesBy::Location => BY_LOCATION,
        }
    }};
}

/// Reads the report of a span: days, weeks, months and hours in their order, everything else with the highest
/// net first.
///
/// # Errors
/// [`DbError`].
pub async fn read(tx: &TenantTx, span: Span, by: SalesBy, max: MaxRows) -> Result<Report<Sales>, DbError> {
    let rows = tx.rows(by!(by, BY_KEY, BY_NET), &[&span.first, &span.end(), &max.and_two()]).await?;
    Ok(Report::of(rows, max))
}

/// The sales of a past span until the present time of the day.
///
/// # Errors
/// [`DbError`].
pub(crate) async fn until_now(tx: &TenantTx, span: Span) -> Result<Sales, DbError> {
    // The clock of a day of the business begins at the start of its day, and not at midnight.
    const UNTIL_NOW: &str = concatcp!(
        TRADED,
        KEYED,
        "'' AS key, NULL::text AS name, NULL::text AS sku",
        FROM,
        "CROSS JOIN settings z
         WHERE (t.moment - z.day_starts_at)::time
               <= (($4::timestamptz AT TIME ZONE z.time_zone) - z.day_starts_at)::time",
        BY_KEY
    );
    let rows = tx.rows(UNTIL_NOW, &[&span.first, &span.end(), &MaxRows::PAGE.and_two(), &tx.now()]).await?;
    Ok(Report::of(rows, MaxRows::PAGE).total)
}

values::words! {
    /// The kind of a document in a report.
    pub enum DocumentKind {
        /// An order, with its fulfilments, returns and refunds.
        Order = "order",
        /// A receipt of a till.
        Sale = "sale",
    }
}

values::ids! {
    /// The id of an order or a receipt.
    DocumentId,
}

/// A document that a figure of the report is made of.
#[derive(Debug, Clone)]
pub struct SalesDocument {
    /// The id of the order or the receipt.
    pub id: DocumentId,
    /// The kind of the document.
    pub kind: DocumentKind,
    /// The number of the order, or the number of the receipt in its series.
    pub number: i64,
    /// The series of the receipt; `None` for an order.
    pub series: Option<String>,
    /// The last time at which something of it was sold or came back in the span.
    pub moved_at: DateTime<Utc>,
    /// The part of the figure: what was sold less what was refunded, taxes included.
    pub net: Money,
    /// The taxes in the net amount.
    pub tax: Money,
    /// The cost, with up to eight decimals.
    pub cost: Money,
}

tenancy::from_row!(SalesDocument { id, kind, number, series, moved_at, net, tax, cost });

/// Ends the statement with the documents behind the rows with key `$3`; null is a key, too. `$4` and `$5` are
/// the end of the page before and the limit.
const DOCUMENTS: &str = ")
    SELECT d.id, CASE WHEN o.id IS NULL THEN 'sale' ELSE 'order' END AS kind,
           coalesce(o.number, s.number) AS number, s.series, d.moved_at, d.net, d.tax, d.cost
      FROM (SELECT k.order_id AS id, max(k.moment AT TIME ZONE z.time_zone) AS moved_at,
                   round(sum(k.total - k.refunded), 4) AS net, round(sum(k.tax), 4) AS tax,
                   sum(k.cost) AS cost
              FROM keyed k CROSS JOIN settings z
             WHERE k.key IS NOT DISTINCT FROM $3 AND k.order_id < $4
             GROUP BY k.order_id ORDER BY k.order_id DESC LIMIT $5) d
      LEFT JOIN orders o ON o.id = d.id
      LEFT JOIN sales s ON s.id = d.id
     ORDER BY d.id DESC";

/// A page of the documents behind one figure of the report: the rows with this key, `None` for the row
/// without a key. The newest documents come first.
///
/// # Errors
/// [`DbError`].
pub async fn documents(
    tx: &TenantTx,
    span: Span,
    by: SalesBy,
    key: Option<&str>,
    page: &PageRequest<DocumentId>,
) -> Result<Page<SalesDocument>, DbError> {
    let params: tenancy::Params<'_> = &[&span.first, &span.end(), &key, &page.below(), &page.limit.and_one()];
    let rows = tx.rows(by!(by, DOCUMENTS, DOCUMENTS), params).await?;
    Ok(page.page(rows, |document: &SalesDocument| document.id))
}
