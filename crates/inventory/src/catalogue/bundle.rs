//! Bundles: variants that are sold at one price and consist of other variants, such as a gift basket.
//! Documents have lines of the components alone, so that stock, taxes and reports need not know of bundles.

use std::collections::HashMap;

use rust_decimal::Decimal;
use tenancy::{DbError, TenantTx, all};
use values::{Name, Positive, Quantity, QuantityDecimals, Sku};

use crate::catalogue::product_kind::ProductKind;
use crate::catalogue::variant::{Variant, VariantError};
use crate::column;
use crate::ids::VariantId;
use crate::stock::article::{self, ArticleError, ArticleName};

/// A component of a bundle to be stored.
#[derive(Debug, Clone)]
pub struct NewComponent {
    /// The variant of goods or of a service; neither it nor its product is archived.
    pub article: ArticleName,
    /// The quantity in one bundle, in sale units.
    pub quantity: Positive<Quantity>,
}

/// A stored component of a bundle.
#[derive(Debug, Clone)]
pub struct Component {
    bundle_id: VariantId,
    /// The variant.
    pub variant_id: VariantId,
    /// The SKU.
    pub sku: Sku,
    /// The name of the product.
    pub name: Name,
    /// The quantity in one bundle, in sale units.
    pub quantity: Quantity,
    /// Whether the variant or its product is archived, so that the bundle cannot be sold.
    pub is_archived: bool,
    has_stock: bool,
    available: Quantity,
    /// Counts the changes of the variant, its product and its stock.
    revision: i64,
}

tenancy::from_row!(Component {
    bundle_id,
    variant_id,
    sku,
    name,
    quantity,
    is_archived,
    has_stock,
    available,
    revision,
});

/// A component cannot be part of a bundle.
#[derive(Debug, thiserror::Error)]
pub enum ComponentError {
    /// The business has no such variant.
    #[error("there is no such variant")]
    Unknown,
    /// No variant has the SKU or the barcode.
    #[error(transparent)]
    Article(ArticleError),
    /// The variant is a fee or a bundle.
    #[error("a component must be goods or a service, not a fee or another bundle")]
    Kind,
    /// The variant or its product is archived.
    #[error("the variant or its product is archived and cannot be sold; restore it, or remove the component")]
    Archived,
    /// The quantity has more decimals than the product.
    #[error("the quantity has too many decimals; the product is sold {0}")]
    TooFine(QuantityDecimals),
    /// Another component of the bundle is the same variant.
    #[error("the variant is in the bundle twice; send it once, with the sum of the quantities")]
    Twice,
}

/// The largest number of components of a bundle.
pub const MAX_COMPONENTS: usize = 50;
/// The largest number of components of all variants of a product, which one page of a list may hold many
/// times.
pub const MAX_PER_PRODUCT: i64 = 500;

/// Checks the number of components. A bundle must have components; other products must have none.
pub(super) fn check_count(kind: ProductKind, index: usize, count: usize) -> Result<(), VariantError> {
    match (kind, count) {
        (ProductKind::Bundle, 1..=MAX_COMPONENTS) => Ok(()),
        (ProductKind::Bundle, _) => Err(VariantError::ComponentCount { index }),
        (_, 0) => Ok(()),
        _ => Err(VariantError::NoBundle { index }),
    }
}

/// Stores the components of new variants. A variant without components is skipped.
///
/// # Errors
/// [`VariantError::Component`], with the position of the bundle.
pub(super) async fn insert_all<'a>(
    tx: &TenantTx,
    bundles: impl Iterator<Item = (VariantId, &'a [NewComponent])>,
) -> Result<(), VariantError> {
    const INSERT: &str = "
        INSERT INTO bundle_components (bundle_id, position, variant_id, quantity)
        SELECT * FROM unnest($1::uuid[], $2::smallint[], $3::uuid[], $4::numeric[])";
    // All of them belong to one product.
    const COUNT: &str = "
        SELECT count(*)
          FROM variants v JOIN bundle_components c ON c.bundle_id = v.id
         WHERE v.product_id = (SELECT product_id FROM variants WHERE id = ANY ($1) LIMIT 1)";
    let mut placed = Vec::new();
    for (index, (bundle, components)) in bundles.enumerate() {
        let of_bundle = components.iter().enumerate();
        placed.extend(of_bundle.map(|(component, new)| Placed { index, bundle, component, new }));
    }
    if placed.is_empty() {
        return Ok(());
    }
    let variants = variants(tx, &placed).await?;
    let found = hold(tx, &variants).await?;
    for (at, (variant, placed)) in variants.iter().zip(&placed).enumerate() {
        let article = found.get(variant).ok_or_else(|| placed.refused(ComponentError::Unknown))?;
        article.check(placed.new.quantity.get()).map_err(|reason| placed.refused(reason))?;
        if variants[at - placed.component..at].contains(variant) {
            return Err(placed.refused(ComponentError::Twice));
        }
    }
    let bundles = column(&placed, |placed| placed.bundle);
    let params: tenancy::Params<'_> = &[
        &bundles,
        &column(&placed, |placed| placed.component as i16),
        &variants,
        &column(&placed, |placed| placed.new.quantity.get()),
    ];
    let insert = async { tx.execute(INSERT, params).await };
    let count = async { tx.value::<i64>(COUNT, &[&bundles]).await };
    let (_, count) = all((insert, count)).await?;
    if count > MAX_PER_PRODUCT {
        return Err(VariantError::TooManyComponents { index: placed[0].index });
    }
    Ok(())
}

/// A component, its position in the bundle, and the position of the bundle in the request.
struct Placed<'a> {
    index: usize,
    bundle: VariantId,
    component: usize,
    new: &'a NewComponent,
}

impl Placed<'_> {
    fn refused(&self, reason: ComponentError) -> VariantError {
        VariantError::Component { index: self.index, component: self.component, reason }
    }
}

/// The variants that components name.
async fn variants(tx: &TenantTx, placed: &[Placed<'_>]) -> Result<Vec<VariantId>, VariantError> {
    let found = article::find(tx, placed.iter().map(|placed| &placed.new.article)).await;
    found.map_err(|error| match error {
        ArticleError::Db(error) => error.into(),
        ArticleError::UnknownSku { index, .. } | ArticleError::UnknownBarcode { index, .. } => {
            placed[index].refused(ComponentError::Article(error))
        }
    })
}

/// The components of a bundle before and after a change: variants with quantities.
pub(super) struct Difference {
    pub stored: Vec<(VariantId, Quantity)>,
    pub wanted: Vec<(VariantId, Quantity)>,
}

/// Compares the stored components of a bundle with the wanted ones.
///
/// # Errors
/// [`VariantError::Component`] for an unknown SKU or barcode.
pub(super) async fn difference(
    tx: &TenantTx,
    bundle: VariantId,
    wanted: &[NewComponent],
) -> Result<Difference, VariantError> {
    let placed = |(component, new)| Placed { index: 0, bundle, component, new };
    let placed: Vec<Placed<'_>> = wanted.iter().enumerate().map(placed).collect();
    let stored = components(tx, &[bundle]).await?;
    let stored = stored.iter().map(|component| (component.variant_id, component.quantity)).collect();
    let quantities = wanted.iter().map(|new| new.quantity.get());
    Ok(Difference { stored, wanted: variants(tx, &placed).await?.into_iter().zip(quantities).collect() })
}

/// Gives a bundle these components and no others.
///
/// # Errors
/// [`VariantError::Component`].
pub(super) async fn replace(
    tx: &TenantTx,
    bundle: VariantId,
    components: &[NewComponent],
) -> Result<(), VariantError> {
    const DELETE: &str = "DELETE FROM bundle_components WHERE bundle_id = $1";
    tx.execute(DELETE, &[&bundle]).await?;
    insert_all(tx, std::iter::once((bundle, components))).await
}

/// A variant that is to be part of a bundle.
struct Article {
    id: VariantId,
    kind: ProductKind,
    is_archived: bool,
    quantity_decimals: QuantityDecimals,
}

tenancy::from_row!(Article { id, kind, is_archived, quantity_decimals });

impl Article {
    fn check(&self, quantity: Quantity) -> Result<(), ComponentError> {
        if !matches!(self.kind, ProductKind::Goods | ProductKind::Service) {
            return Err(ComponentError::Kind);
        }
        if self.is_archived {
            return Err(ComponentError::Archived);
        }
        match self.quantity_decimals.allows(quantity) {
            true => Ok(()),
            false => Err(ComponentError::TooFine(self.quantity_decimals)),
        }
    }
}

/// Reads variants, and locks their products: other transactions cannot change either until this one ends.
async fn hold(tx: &TenantTx, variants: &[VariantId]) -> Result<HashMap<VariantId, Article>, DbError> {
    // Writers of variants lock the product first.
    const HOLD: &str = "
        SELECT FROM products p
         WHERE p.id IN (SELECT product_id FROM variants WHERE id = ANY ($1))
         ORDER BY p.id FOR SHARE";
    const FIND: &str = "
        SELECT v.id, p.kind, v.archived_at IS NOT NULL OR p.archived_at IS NOT NULL AS is_archived,
               p.quantity_decimals
          FROM variants v JOIN products p ON p.id = v.product_id
         WHERE v.id = ANY ($1)";
    let hold = async { tx.execute(HOLD, &[&variants]).await };
    let find = async { tx.rows::<Article>(FIND, &[&variants]).await };
    let (_, found) = all((hold, find)).await?;
    Ok(found.into_iter().map(|article| (article.id, article)).collect())
}

/// The components of bundles, in their order.
///
/// # Errors
/// [`DbError`].
pub(super) async fn components(tx: &TenantTx, bundles: &[VariantId]) -> Result<Vec<Component>, DbError> {
    const COMPONENTS: &str = "
        SELECT c.bundle_id, c.variant_id, v.sku, p.name, c.quantity,
               v.archived_at IS NOT NULL OR p.archived_at IS NOT NULL AS is_archived,
               p.kind = 'goods' AS has_stock, s.available, s.position + v.version + p.version AS revision
          FROM bundle_components c
          JOIN variants v ON v.id = c.variant_id
          JOIN products p ON p.id = v.product_id
         CROSS JOIN LATERAL (
                SELECT coalesce(sum(l.on_hand - l.reserved), 0) AS available,
                       coalesce(sum(l.position + l.reservations), 0)::bigint AS position
                  FROM stock_levels l WHERE l.variant_id = c.variant_id) s
         WHERE c.bundle_id = ANY ($1)
         ORDER BY c.bundle_id, c.position";
    tx.rows(COMPONENTS, &[&bundles]).await
}

/// Adds the components to those variants that are bundles. Runs a query only if there is a bundle.
///
/// # Errors
/// [`DbError`].
pub(super) async fn with_components<'a>(
    tx: &TenantTx,
    variants: impl Iterator<Item = &'a mut Variant>,
) -> Result<(), DbError> {
    let mut bundles: HashMap<VariantId, &mut Variant> = variants
        .filter(|variant| variant.kind == ProductKind::Bundle)
        .map(|variant| (variant.id, variant))
        .collect();
    if bundles.is_empty() {
        return Ok(());
    }
    let ids: Vec<VariantId> = bundles.keys().copied().collect();
    for component in components(tx, &ids).await? {
        if let Some(bundle) = bundles.get_mut(&component.bundle_id) {
            bundle.stock_position += component.revision;
            bundle.components.push(component);
        }
    }
    Ok(())
}

/// The number of bundles for which all components are available, at all locations together. Services are
/// always available; a bundle of services alone, like a service, counts as 0.
pub(super) fn available(components: &[Component]) -> Quantity {
    let whole = |component: &Component| {
        let bundles = component.available.as_decimal() / component.quantity.as_decimal();
        bundles.floor().max(Decimal::ZERO)
    };
    let of_goods = components.iter().filter(|component| component.has_stock).map(whole);
    Quantity::from_decimal(of_goods.min().unwrap_or_default())
}
