//! The catalogue data of the articles that lines sell: names, list prices, taxes, and the components of
//! bundles.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use tenancy::{DbError, TenantTx, read_rows};
use tokio_postgres::types::Json;
use values::{Money, Name, Quantity, QuantityDecimals, Sku};

use crate::catalogue::product_kind::ProductKind;
use crate::catalogue::tax_class::{Rate, Taxation};
use crate::ids::VariantId;
use crate::orders::basket::NewLine;
use crate::orders::order_line::OrderLine;
use crate::orders::sold_bundle::SoldBundle;
use crate::stock::article::{self, ArticleError};

/// The catalogue data of the variants of lines.
#[derive(Debug)]
pub struct Articles {
    /// The variant of each line.
    variants: Vec<VariantId>,
    sold: HashMap<VariantId, Sold>,
    /// The components of the bundles among them.
    components: HashMap<VariantId, Vec<Component>>,
}

/// The catalogue data of a variant.
#[derive(Debug)]
pub(super) struct Sold {
    pub id: VariantId,
    pub kind: ProductKind,
    pub sku: Sku,
    pub name: Name,
    pub price: Money,
    pub is_archived: bool,
    pub quantity_decimals: QuantityDecimals,
    is_inclusive: Option<bool>,
    rates: Option<Json<Vec<Rate>>>,
}

tenancy::from_row!(Sold { id, kind, sku, name, price, is_archived, quantity_decimals, is_inclusive, rates });

/// A component of a bundle.
#[derive(Debug)]
pub(super) struct Component {
    /// The quantity in one bundle.
    pub quantity: Quantity,
    /// The variant; its price is the weight of the component in the price of the bundle.
    pub sold: Sold,
}

/// The columns of a [`Sold`].
macro_rules! columns {
    () => {
        "v.id, p.kind, v.sku, p.name, v.price,
         v.archived_at IS NOT NULL OR p.archived_at IS NOT NULL AS is_archived,
         p.quantity_decimals, t.is_inclusive, t.rates"
    };
}

/// The variants that lines name, in the order of the lines.
///
/// # Errors
/// [`ArticleError`] for the first unknown SKU or barcode.
pub async fn variants(tx: &TenantTx, lines: &[NewLine]) -> Result<Vec<VariantId>, ArticleError> {
    article::find(tx, lines.iter().map(|line| &line.article)).await
}

/// Reads the catalogue data of the variants of lines.
///
/// # Errors
/// [`DbError`].
pub async fn articles(tx: &TenantTx, variants: Vec<VariantId>) -> Result<Articles, DbError> {
    const SOLD: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM variants v
          JOIN products p ON p.id = v.product_id
          LEFT JOIN tax_classes t ON t.id = p.tax_class_id
         WHERE v.id = ANY ($1)"
    );
    let sold = tx.rows::<Sold>(SOLD, &[&variants]).await?;
    let bundles = sold.iter().filter(|sold| sold.kind == ProductKind::Bundle).map(|sold| sold.id);
    let components = components(tx, &bundles.collect::<Vec<_>>()).await?;
    Ok(Articles { variants, sold: sold.into_iter().map(|sold| (sold.id, sold)).collect(), components })
}

/// Reads the components of bundles. There is a query only if there are bundles.
async fn components(
    tx: &TenantTx,
    bundles: &[VariantId],
) -> Result<HashMap<VariantId, Vec<Component>>, DbError> {
    struct Part {
        bundle_id: VariantId,
        quantity: Quantity,
    }
    tenancy::from_row!(Part { bundle_id, quantity });
    const COMPONENTS: &str = concat!(
        "SELECT c.bundle_id, c.quantity, ",
        columns!(),
        " FROM bundle_components c
          JOIN variants v ON v.id = c.variant_id
          JOIN products p ON p.id = v.product_id
          LEFT JOIN tax_classes t ON t.id = p.tax_class_id
         WHERE c.bundle_id = ANY ($1)
         ORDER BY c.bundle_id, c.position"
    );
    let mut components: HashMap<VariantId, Vec<Component>> = HashMap::new();
    if bundles.is_empty() {
        return Ok(components);
    }
    let rows = tx.query(COMPONENTS, &[&bundles]).await?;
    for (Part { bundle_id, quantity }, sold) in read_rows::<Part>(&rows)?.into_iter().zip(read_rows(&rows)?) {
        components.entry(bundle_id).or_default().push(Component { quantity, sold });
    }
    Ok(components)
}

/// The list prices of an earlier time. A variant without a price in the history is missing.
///
/// # Errors
/// [`DbError`].
pub async fn prices_of(
    tx: &TenantTx,
    variants: &[VariantId],
    moment: DateTime<Utc>,
) -> Result<HashMap<VariantId, Money>, DbError> {
    const PRICES: &str = "
        SELECT DISTINCT ON (variant_id) variant_id, price FROM price_changes
         WHERE variant_id = ANY ($1) AND changed_at <= $2
         ORDER BY variant_id, changed_at DESC, id DESC";
    struct Then {
        variant_id: VariantId,
        price: Money,
    }
    tenancy::from_row!(Then { variant_id, price });
    let then: Vec<Then> = tx.rows(PRICES, &[&variants, &moment]).await?;
    Ok(then.into_iter().map(|Then { variant_id, price }| (variant_id, price)).collect())
}

impl Articles {
    /// Takes the list prices of an earlier time, as far as the price history has them. Returns whether one of
    /// them is lower than the present one.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn take_prices_of(&mut self, tx: &TenantTx, moment: DateTime<Utc>) -> Result<bool, DbError> {
        let variants: Vec<VariantId> = self.taken().collect();
        let prices = prices_of(tx, &variants, moment).await?;
        let components = self.components.values_mut().flatten().map(|component| &mut component.sold);
        let mut is_lower = false;
        for sold in self.sold.values_mut().chain(components) {
            if let Some(price) = prices.get(&sold.id) {
                is_lower |= *price < sold.price;
                sold.price = *price;
            }
        }
        Ok(is_lower)
    }

    /// The list price of the line at a position of the request; `None` if there is no such variant.
    pub fn list_price(&self, index: usize) -> Option<Money> {
        self.of_line(index).map(|sold| sold.price)
    }

    /// The variant of each line.
    pub(super) fn variants(&self) -> &[VariantId] {
        &self.variants
    }

    /// The catalogue data of the line at a position of the request; `None` if there is no such variant.
    pub(super) fn of_line(&self, index: usize) -> Option<&Sold> {
        self.sold.get(&self.variants[index])
    }

    /// The components of a bundle.
    pub(super) fn components(&self, bundle: VariantId) -> &[Component] {
        self.components.get(&bundle).map(Vec::as_slice).unwrap_or_default()
    }

    /// The variants whose stock the lines take: those of lines, and the components of bundles.
    pub(super) fn taken(&self) -> impl Iterator<Item = VariantId> {
        let components = self.components.values().flatten().map(|component| component.sold.id);
        self.variants.iter().copied().chain(components)
    }

    /// Variants that an order already has keep their names, list prices and taxes. Its bundles keep their
    /// components.
    ///
    /// The prices of a customer who pays no taxes are stored without them, and rounded. Where the catalogue
    /// still has the same price, it is computed from there, exactly.
    pub(super) fn keep(&mut self, lines: &[OrderLine], is_exempt: bool) {
        for line in lines.iter().filter(|line| line.bundle.is_none()).rev() {
            match self.sold.get_mut(&line.variant_id) {
                Some(sold) if is_exempt && line.price_reason.is_none() && sold.net() == line.list_price => {
                    sold.is_archived = false;
                }
                Some(sold) => sold.keep(line),
                None => {}
            }
        }
        for lines in lines.chunk_by(|one, other| one.bundle_number() == other.bundle_number()).rev() {
            if let Some(bundle) = &lines[0].bundle {
                self.keep_bundle(&bundle.0, lines, is_exempt);
            }
        }
    }

    /// Keeps a bundle as an order has it. The lines of a tax-exempt customer store no tax rates. For such a
    /// customer, the components therefore come from the catalogue.
    fn keep_bundle(&mut self, bundle: &SoldBundle, lines: &[OrderLine], is_exempt: bool) {
        let Some(sold) = self.sold.get_mut(&bundle.variant_id) else { return };
        (sold.sku, sold.name) = (bundle.sku.clone(), bundle.name.clone());
        (sold.price, sold.is_archived) = (Money::from_decimal(bundle.list_price), false);
        let components = self.components.entry(bundle.variant_id).or_default();
        if is_exempt {
            components.iter_mut().for_each(|component| component.sold.is_archived = false);
        } else {
            *components = lines.iter().filter_map(Component::of).collect();
        }
    }
}

impl Component {
    /// The component that an order line stores; `None` if the line belongs to no bundle.
    fn of(line: &OrderLine) -> Option<Self> {
        let bundle = &line.bundle.as_ref()?.0;
        let mut sold = Sold {
            id: line.variant_id,
            kind: line.kind,
            sku: line.sku.clone(),
            name: line.name.clone(),
            price: line.list_price,
            is_archived: false,
            quantity_decimals: QuantityDecimals::default(),
            is_inclusive: None,
            rates: None,
        };
        sold.keep(line);
        sold.price = Money::from_decimal(bundle.weight);
        let quantity = line.quantity.as_decimal() / bundle.quantity.as_decimal();
        Some(Self { quantity: Quantity::from_decimal(quantity), sold })
    }
}

impl Sold {
    /// Takes the names, the list price and the taxes from a line of an order that has the variant already.
    fn keep(&mut self, line: &OrderLine) {
        (self.sku, self.name, self.price) = (line.sku.clone(), line.name.clone(), line.list_price);
        self.is_archived = false;
        let rates: Vec<Rate> = line.taxes.0.iter().map(|charged| charged.rate.clone()).collect();
        self.is_inclusive = line.includes_tax().or(self.is_inclusive).filter(|_| !rates.is_empty());
        self.rates = (!rates.is_empty()).then_some(Json(rates));
    }

    /// The price without the taxes that it includes, as a line stores it.
    fn net(&self) -> Money {
        let net = |taxation: Taxation| Money::rounded(taxation.net(self.price.as_decimal()));
        self.taxation().filter(|taxation| taxation.is_inclusive).map_or(self.price, net)
    }

    /// An amount as a customer pays it, before discounts. It is not rounded to the currency.
    pub fn charged(&self, amount: Decimal, is_exempt: bool) -> Decimal {
        self.taxation().map_or(amount, |taxation| taxation.charged(amount, is_exempt))
    }

    /// The taxes of the tax class; `None` if there is none.
    pub fn taxation(&self) -> Option<Taxation> {
        let rates = self.rates.as_ref().map(|rates| rates.0.clone());
        self.is_inclusive.zip(rates).map(|(is_inclusive, rates)| Taxation { is_inclusive, rates })
    }
}
