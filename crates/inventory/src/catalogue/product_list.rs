//! Reading products: one with its variants, or a page of a list that may be searched.

use const_format::concatcp;
use tenancy::{DbError, TenantTx, read_rows};
use tokio_postgres::Row;
use values::{Page, PageRequest, ProductTag, SearchText};

use crate::catalogue::bundle;
use crate::catalogue::product::{self, Product};
use crate::catalogue::product_kind::ProductKind;
use crate::catalogue::variant::{self, Variant};
use crate::ids::{CategoryId, ProductId};
use crate::records::changes::{ByChange, Changed, by_change};
use crate::records::named::{ByName, Named, by_name};

/// Which products a list holds.
#[derive(Debug, Clone, Default)]
pub struct ProductFilter {
    /// Words of the name, the tags, the SKUs, the options or the barcodes, or parts of them, in any order.
    /// Letter case and accents make no difference. `None` for all products.
    pub search: Option<SearchText>,
    /// Only products in this category or a category below it; `None` for products of all categories.
    pub category_id: Option<CategoryId>,
    /// Only products of this kind; `None` for products of all kinds.
    pub kind: Option<ProductKind>,
    /// Only products with this tag; `None` for products with any tags or none.
    pub tag: Option<ProductTag>,
    /// `true` for archived products only, and `false` for products in use only.
    pub archived: bool,
}

/// Begins a statement that reads the products of `page`; a condition follows, and then [`VARIANTS`].
const PAGE: &str = concatcp!("WITH page AS (SELECT ", product::COLUMNS, " FROM products WHERE ");

/// The variants of the products, one row for each.
const OF_PAGE: &str = concatcp!(
    ")
    SELECT p.id, p.name, p.description, p.category_id, p.tax_class_id, p.option_names, p.tags,
           p.quantity_decimals, p.own_keys, p.archived_at, p.version, p.created_at, p.updated_at, ",
    variant::COLUMNS,
    " FROM page p JOIN variants v ON v.product_id = p.id",
    variant::STOCK,
);

/// Ends the statement: one row for each variant of the products, newest product first.
const VARIANTS: &str = concatcp!(OF_PAGE, "ORDER BY p.id DESC, v.id");

/// As [`VARIANTS`], in the order of the changes of the products.
const VARIANTS_OF_CHANGED: &str = concatcp!(OF_PAGE, "ORDER BY p.updated_at, p.id, v.id");

/// Puts the rows of each product together, and reads the components of the bundles.
async fn from_rows(tx: &TenantTx, rows: &[Row]) -> Result<Vec<Product>, DbError> {
    let mut variants: Vec<Variant> = read_rows(rows)?;
    bundle::with_components(tx, variants.iter_mut()).await?;
    let mut products: Vec<Product> = Vec::new();
    for (product, variant) in read_rows::<Product>(rows)?.into_iter().zip(variants) {
        match products.last_mut() {
            Some(last) if last.id == product.id => last.variants.push(variant),
            _ => products.push(Product { variants: vec![variant], ..product }),
        }
    }
    Ok(products)
}

/// The product with this id and its variants, archived or not.
///
/// # Errors
/// [`DbError`]; an unknown id is `None`.
pub async fn find(tx: &TenantTx, id: ProductId) -> Result<Option<Product>, DbError> {
    const FIND: &str = concatcp!(PAGE, "id = $1", VARIANTS);
    Ok(from_rows(tx, &tx.query(FIND, &[&id]).await?).await?.pop())
}

/// The named products with their variants, archived or not, newest first.
///
/// # Errors
/// [`DbError`].
pub async fn named(tx: &TenantTx, named: &Named) -> Result<Vec<Product>, DbError> {
    const NAMED: ByName = by_name!(PAGE, "id", "own_keys", VARIANTS);
    from_rows(tx, &NAMED.query(tx, named).await?).await
}

/// A page of the products with their variants that changed, archived or not, in the order of their changes.
///
/// # Errors
/// [`DbError`].
pub async fn changed(tx: &TenantTx, changed: &Changed) -> Result<Page<Product>, DbError> {
    const CHANGED: ByChange = by_change!(PAGE, "updated_at", "id", VARIANTS_OF_CHANGED);
    let found = from_rows(tx, &CHANGED.query(tx, changed).await?).await?;
    Ok(changed.page.page(found, |record: &Product| (record.updated_at, record.id.into())))
}

/// A page of products with their variants, newest first: one query, whatever their number.
///
/// # Errors
/// [`DbError`].
pub async fn list(
    tx: &TenantTx,
    filter: &ProductFilter,
    page: &PageRequest<ProductId>,
) -> Result<Page<Product>, DbError> {
    const ORDER: &str = " ORDER BY id DESC LIMIT $2";
    // One text for each filter, because a prepared statement has one plan: `$4 IS NULL OR ..` would use no
    // index.
    const IN_USE_OR_NOT: &str =
        "id < $1 AND (archived_at IS NOT NULL) = $3 AND ($4::text IS NULL OR kind = $4)";
    // An array, as for the found products below.
    const IN_CATEGORY: &str = "category_id = ANY (ARRAY(
             WITH RECURSIVE below AS (
                 SELECT $5::uuid AS id
                  UNION
                 SELECT c.id FROM categories c JOIN below ON c.parent_id = below.id)
             SELECT id FROM below))";
    const OPTIONAL_CATEGORY: &str = concatcp!(" AND ($5::uuid IS NULL OR ", IN_CATEGORY, ")");
    const LIST: &str = concatcp!(PAGE, IN_USE_OR_NOT, ORDER, VARIANTS);
    const OF_CATEGORY: &str = concatcp!(PAGE, IN_USE_OR_NOT, " AND ", IN_CATEGORY, ORDER, VARIANTS);
    const TAGGED: &str = concatcp!(
        PAGE,
        IN_USE_OR_NOT,
        OPTIONAL_CATEGORY,
        " AND tag_keys @> ARRAY[$6::text]",
        ORDER,
        VARIANTS
    );
    // An array, because the ids are few: for a subquery, a plan that knows no values would read the whole
    // table. The longest word uses the index.
    const FOUND: &str = concatcp!(
        "id = ANY (ARRAY(SELECT id FROM products WHERE search_text LIKE $6 AND search_text LIKE ALL ($7)))
         AND ",
        IN_USE_OR_NOT,
        OPTIONAL_CATEGORY
    );
    // A word of fewer than three characters has no trigram, and reading a whole trigram index costs more than
    // reading the table. The appended empty string prevents the use of the index.
    const FOUND_SHORT: &str = concatcp!(
        "search_text || '' LIKE $6 AND search_text LIKE ALL ($7) AND ",
        IN_USE_OR_NOT,
        OPTIONAL_CATEGORY
    );
    const AND_TAGGED: &str = " AND tag_keys @> ARRAY[$8::text]";
    const SEARCH: &str = concatcp!(PAGE, FOUND, ORDER, VARIANTS);
    const SEARCH_TAGGED: &str = concatcp!(PAGE, FOUND, AND_TAGGED, ORDER, VARIANTS);
    const SEARCH_SHORT: &str = concatcp!(PAGE, FOUND_SHORT, ORDER, VARIANTS);
    const SEARCH_SHORT_TAGGED: &str = concatcp!(PAGE, FOUND_SHORT, AND_TAGGED, ORDER, VARIANTS);
    let (below, limit) = (page.below(), page.limit.and_one());
    let ProductFilter { search, category_id, kind, tag, archived } = filter;
    let tag = tag.as_ref().map(ProductTag::key);
    let words = search.as_ref().map(SearchText::words);
    let rows = match (&words, tag, category_id) {
        (None, None, None) => tx.query(LIST, &[&below, &limit, archived, kind]).await?,
        (None, None, Some(category)) => {
            tx.query(OF_CATEGORY, &[&below, &limit, archived, kind, category]).await?
        }
        (None, Some(tag), category) => {
            tx.query(TAGGED, &[&below, &limit, archived, kind, category, &tag]).await?
        }
        (Some(words), None, category) => {
            let search = if words.has_trigram() { SEARCH } else { SEARCH_SHORT };
            let (longest, others) = words.patterns();
            tx.query(search, &[&below, &limit, archived, kind, category, longest, &others]).await?
        }
        (Some(words), Some(tag), category) => {
            let search = if words.has_trigram() { SEARCH_TAGGED } else { SEARCH_SHORT_TAGGED };
            let (longest, others) = words.patterns();
            tx.query(search, &[&below, &limit, archived, kind, category, longest, &others, &tag]).await?
        }
    };
    Ok(page.page(from_rows(tx, &rows).await?, |product| product.id))
}
