//! Products: what the shop calls by one name, in one or many variants.

use chrono::{DateTime, Utc};
use serde_json::json;
use tenancy::{DbError, TenantTx, both};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::catalogue::variant::{self, NewVariant, Variant, VariantError, variant_columns, variant_stock};
use crate::ids::{CategoryId, ProductId, TaxClassId};
use crate::records::audit::{self, Changes, Subject};
use crate::stock::posting as stock;
use crate::{archived_at, are_distinct};
use values::{Name, Note, OptionText, ProductTag, SearchText};
use values::{Page, PageRequest};

/// A product to be stored.
#[derive(Debug, Clone)]
pub struct NewProduct {
    pub name: Name,
    pub category_id: Option<CategoryId>,
    /// How its prices are taxed; not at all without one.
    pub tax_class_id: Option<TaxClassId>,
    pub description: Option<Note>,
    /// The option axes, such as size and colour; none given, they are those of the first variant.
    pub option_names: Option<Vec<OptionText>>,
    pub tags: Vec<ProductTag>,
    pub variants: Vec<NewVariant>,
}

/// A stored product with its variants.
#[derive(Debug, Clone)]
pub struct Product {
    pub id: ProductId,
    pub name: String,
    pub category_id: Option<CategoryId>,
    pub tax_class_id: Option<TaxClassId>,
    pub description: Option<String>,
    pub option_names: Vec<String>,
    pub tags: Vec<String>,
    pub is_archived: bool,
    pub version: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub variants: Vec<Variant>,
}

impl Product {
    /// Counts up with every change of the stock of its variants.
    pub fn stock_position(&self) -> i64 {
        self.variants.iter().map(|variant| variant.stock_position).sum()
    }
}

/// What to change; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct ProductChange {
    pub name: Option<Name>,
    pub category_id: Option<Option<CategoryId>>,
    pub tax_class_id: Option<Option<TaxClassId>>,
    pub description: Option<Option<Note>>,
    /// All tags that the product has from now on.
    pub tags: Option<Vec<ProductTag>>,
    pub is_archived: Option<bool>,
    /// Change only this version of the row.
    pub if_version: Option<i32>,
}

/// Which products a list holds.
#[derive(Debug, Clone, Default)]
pub struct ProductFilter {
    /// Anywhere in the name, a SKU or a barcode, whatever the letter case.
    pub search: Option<SearchText>,
    pub category_id: Option<CategoryId>,
    pub tag: Option<ProductTag>,
    /// Archived products instead of those in use.
    pub archived: bool,
}

/// A product was not stored or changed.
#[derive(Debug, thiserror::Error)]
pub enum ProductError {
    #[error("there is no such product")]
    NotFound,
    #[error("the product has been changed by someone else meanwhile")]
    Stale,
    #[error("there is no such category")]
    UnknownCategory,
    #[error("there is no such tax class")]
    UnknownTaxClass,
    #[error("a product has at most {MAX_OPTIONS} options, each with a name of its own")]
    Options,
    #[error("a product has at most {MAX_TAGS} tags, each once")]
    Tags,
    #[error(transparent)]
    Variant(#[from] VariantError),
    #[error("a product query failed")]
    Db(#[from] DbError),
}

/// A product has no more option axes than this.
pub const MAX_OPTIONS: usize = 3;

/// A product has no more tags than this.
pub const MAX_TAGS: usize = 20;

fn check_tags(tags: &[ProductTag]) -> Result<(), ProductError> {
    if tags.len() <= MAX_TAGS && are_distinct(tags) { Ok(()) } else { Err(ProductError::Tags) }
}

/// Stores a product with its variants.
///
/// # Errors
/// [`ProductError`].
pub async fn insert(tx: &TenantTx, new: &NewProduct, actor: Option<Uuid>) -> Result<ProductId, ProductError> {
    const INSERT: &str = "
        INSERT INTO products (id, name, description, category_id, tax_class_id, option_names, tags, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)";
    let option_names = match &new.option_names {
        Some(names) => names.clone(),
        None => new.variants.first().map(|first| first.options.keys().cloned().collect()).unwrap_or_default(),
    };
    if option_names.len() > MAX_OPTIONS || !are_distinct(&option_names) {
        return Err(ProductError::Options);
    }
    check_tags(&new.tags)?;
    variant::check(&new.variants, &option_names)?;
    let id = ProductId::new();
    let names: Vec<&str> = option_names.iter().map(OptionText::as_str).collect();
    let tags: Vec<&str> = new.tags.iter().map(ProductTag::as_str).collect();
    let description = new.description.as_ref().map(Note::as_str);
    let category = new.category_id.map(CategoryId::as_uuid);
    let tax_class = new.tax_class_id.map(TaxClassId::as_uuid);
    let product = async {
        let name = new.name.as_str();
        let parameters: [&(dyn ToSql + Sync); 8] =
            [&id.as_uuid(), &name, &description, &category, &tax_class, &names, &tags, &tx.now()];
        tx.execute(INSERT, &parameters).await.map_err(on_write)
    };
    let created = json!({"name": {"to": new.name.as_str()}});
    let record = async { Ok(audit::record(tx, actor, "product.created", subject(id), &created).await?) };
    let variants = async { Ok(variant::insert_all(tx, id, &new.variants, actor).await?) };
    both(both(product, record), variants).await?;
    Ok(id)
}

fn on_write(error: DbError) -> ProductError {
    match error.constraint() {
        Some("products_category_id_fkey") => ProductError::UnknownCategory,
        Some("products_tax_class_id_fkey") => ProductError::UnknownTaxClass,
        _ => error.into(),
    }
}

/// Products chosen by `$page`, one row per variant, to be put together by [`from_rows`].
macro_rules! select_products {
    ($($page:tt)*) => {
        concat!(
            "WITH page AS (SELECT id, name, description, category_id, tax_class_id, option_names, tags, archived_at,
                                  version, created_at, updated_at
                             FROM products WHERE ",
            $($page)*,
            ")
            SELECT p.id, p.name, p.description, p.category_id, p.tax_class_id, p.option_names, p.tags, p.archived_at,
                   p.version, p.created_at, p.updated_at, ",
            variant_columns!(),
            " FROM page p JOIN variants v ON v.product_id = p.id",
            variant_stock!(),
            "ORDER BY p.id DESC, v.id"
        )
    };
}

/// Puts the rows of one product after another together.
fn from_rows(rows: &[Row]) -> Result<Vec<Product>, DbError> {
    let mut products: Vec<Product> = Vec::new();
    for row in rows {
        let variant = Variant::from_row(row)?;
        match products.last_mut() {
            Some(product) if product.id == variant.product_id => product.variants.push(variant),
            _ => products.push(Product::from_row(row, variant)?),
        }
    }
    Ok(products)
}

impl Product {
    fn from_row(row: &Row, first: Variant) -> Result<Self, DbError> {
        let archived_at: Option<DateTime<Utc>> = row.try_get("archived_at")?;
        Ok(Self {
            id: ProductId::from_uuid(row.try_get("id")?),
            name: row.try_get("name")?,
            category_id: row.try_get::<_, Option<_>>("category_id")?.map(CategoryId::from_uuid),
            tax_class_id: row.try_get::<_, Option<_>>("tax_class_id")?.map(TaxClassId::from_uuid),
            description: row.try_get("description")?,
            option_names: row.try_get("option_names")?,
            tags: row.try_get("tags")?,
            is_archived: archived_at.is_some(),
            version: row.try_get("version")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
            variants: vec![first],
        })
    }
}

/// The product with this id, its variants in the order in which they were made.
///
/// # Errors
/// [`DbError`]; an unknown id is `None`.
pub async fn find(tx: &TenantTx, id: ProductId) -> Result<Option<Product>, DbError> {
    const FIND: &str = select_products!("id = $1");
    let rows = tx.query(FIND, &[&id.as_uuid()]).await?;
    Ok(from_rows(&rows)?.into_iter().next())
}

/// A page of products with their variants, newest first: one query, whatever their number.
///
/// # Errors
/// [`DbError`].
pub async fn list(
    tx: &TenantTx,
    filter: &ProductFilter,
    page: &PageRequest<1>,
) -> Result<Page<Product, 1>, DbError> {
    // A text for each way in, because a statement has one plan: `$4 IS NULL OR ..` would use no index.
    const LIST: &str = select_products!(
        "id < $1
         AND (archived_at IS NOT NULL) = $3
       ORDER BY id DESC
       LIMIT $2"
    );
    const OF_CATEGORY: &str = select_products!(
        "id < $1
         AND (archived_at IS NOT NULL) = $3
         AND category_id = $4
       ORDER BY id DESC
       LIMIT $2"
    );
    const TAGGED: &str = select_products!(
        "id < $1
         AND (archived_at IS NOT NULL) = $3
         AND ($4::uuid IS NULL OR category_id = $4)
         AND tags @> ARRAY[$5::text]
       ORDER BY id DESC
       LIMIT $2"
    );
    // An array, for the ids are few: of a subquery a plan that knows no values would look for them in the whole table.
    macro_rules! search {
        ($unindexed:literal, $tagged:literal) => {
            select_products!(concat!(
                "id = ANY (ARRAY(
                         SELECT p.id FROM products p WHERE p.name",
                $unindexed,
                " ILIKE $5
                         UNION SELECT v.product_id FROM variants v WHERE v.sku",
                $unindexed,
                " ILIKE $5
                         UNION SELECT v.product_id FROM barcodes b JOIN variants v ON v.id = b.variant_id WHERE b.code",
                $unindexed,
                " ILIKE $5))
                 AND id < $1
                 AND (archived_at IS NOT NULL) = $3
                 AND ($4::uuid IS NULL OR category_id = $4)",
                $tagged,
                "
               ORDER BY id DESC
               LIMIT $2"
            ))
        };
    }
    const SEARCH: &str = search!("", "");
    const SEARCH_TAGGED: &str = search!("", " AND tags @> ARRAY[$6::text]");
    // Less than three characters have no trigram, and reading a whole such index is dearer than reading the table.
    const SEARCH_SHORT: &str = search!(" || ''", "");
    const SEARCH_SHORT_TAGGED: &str = search!(" || ''", " AND tags @> ARRAY[$6::text]");
    let before = page.before(0);
    let limit = page.limit.and_one();
    let category = filter.category_id.map(CategoryId::as_uuid);
    let archived = filter.archived;
    let tag = filter.tag.as_ref().map(ProductTag::as_str);
    let rows = match (&filter.search, tag, category) {
        (None, None, None) => tx.query(LIST, &[&before, &limit, &archived]).await?,
        (None, None, Some(category)) => {
            tx.query(OF_CATEGORY, &[&before, &limit, &archived, &category]).await?
        }
        (None, Some(tag), category) => {
            tx.query(TAGGED, &[&before, &limit, &archived, &category, &tag]).await?
        }
        (Some(text), None, category) => {
            let search = if text.has_trigram() { SEARCH } else { SEARCH_SHORT };
            tx.query(search, &[&before, &limit, &archived, &category, &text.pattern()]).await?
        }
        (Some(text), Some(tag), category) => {
            let search = if text.has_trigram() { SEARCH_TAGGED } else { SEARCH_SHORT_TAGGED };
            tx.query(search, &[&before, &limit, &archived, &category, &text.pattern(), &tag]).await?
        }
    };
    Ok(page.page(from_rows(&rows)?, |product| [product.id.as_uuid()]))
}

/// A product whose row is locked until the transaction ends.
pub(crate) struct LockedProduct {
    pub(crate) option_names: Vec<OptionText>,
    row: Row,
}

/// Locks a product against other writers of it and its variants.
pub(crate) async fn lock(tx: &TenantTx, id: ProductId) -> Result<Option<LockedProduct>, DbError> {
    const LOCK: &str = "
        SELECT name, description, category_id, tax_class_id, option_names, tags, archived_at, version
          FROM products WHERE id = $1 FOR NO KEY UPDATE";
    let Some(row) = tx.query_opt(LOCK, &[&id.as_uuid()]).await? else { return Ok(None) };
    let names: Vec<String> = row.try_get("option_names")?;
    // They were checked when they were stored.
    let option_names = names.iter().filter_map(|name| OptionText::parse(name).ok()).collect();
    Ok(Some(LockedProduct { option_names, row }))
}

/// Counts the product's version up after a change of its variants, which are part of what clients see of it.
pub(crate) async fn touch(tx: &TenantTx, id: ProductId) -> Result<(), DbError> {
    const TOUCH: &str = "UPDATE products SET version = version + 1, updated_at = $2 WHERE id = $1";
    tx.execute(TOUCH, &[&id.as_uuid(), &tx.now()]).await.map(drop)
}

fn subject(id: ProductId) -> Subject {
    Subject { kind: "product", id: id.as_uuid() }
}

/// Changes a product; a change that changes nothing leaves the version as it is.
///
/// # Errors
/// [`ProductError`].
pub async fn update(
    tx: &TenantTx,
    id: ProductId,
    change: &ProductChange,
    actor: Option<Uuid>,
) -> Result<(), ProductError> {
    const UPDATE: &str = "
        UPDATE products
           SET name = $2, description = $3, category_id = $4, tax_class_id = $5, archived_at = $6, tags = $7,
               version = version + 1, updated_at = $8
         WHERE id = $1";
    const VARIANTS: &str = "SELECT id FROM variants WHERE product_id = $1";
    let stored = lock(tx, id).await?.ok_or(ProductError::NotFound)?.row;
    let get = DbError::from;
    let version: i32 = stored.try_get("version").map_err(get)?;
    if change.if_version.is_some_and(|wanted| wanted != version) {
        return Err(ProductError::Stale);
    }
    let mut changes = Changes::default();
    let stored_name: String = stored.try_get("name").map_err(get)?;
    let name = change.name.as_ref().map_or(stored_name.as_str(), Name::as_str);
    changes.note("name", stored_name.as_str(), name);
    let stored_description: Option<String> = stored.try_get("description").map_err(get)?;
    let description: Option<String> = match &change.description {
        Some(description) => description.as_ref().map(ToString::to_string),
        None => stored_description.clone(),
    };
    changes.note("description", &stored_description, &description);
    let key = |column: &str| stored.try_get::<_, Option<Uuid>>(column).map_err(get);
    let category = match change.category_id {
        Some(category) => category.map(CategoryId::as_uuid),
        None => key("category_id")?,
    };
    changes.note("categoryId", key("category_id")?, category);
    let tax_class = match change.tax_class_id {
        Some(tax_class) => tax_class.map(TaxClassId::as_uuid),
        None => key("tax_class_id")?,
    };
    changes.note("taxClassId", key("tax_class_id")?, tax_class);
    let stored_tags: Vec<String> = stored.try_get("tags").map_err(get)?;
    let tags: Vec<String> = match &change.tags {
        Some(tags) => {
            check_tags(tags)?;
            tags.iter().map(ToString::to_string).collect()
        }
        None => stored_tags.clone(),
    };
    changes.note("tags", &stored_tags, &tags);
    let was_archived_at: Option<DateTime<Utc>> = stored.try_get("archived_at").map_err(get)?;
    let archived_at = archived_at(was_archived_at, change.is_archived, tx.now());
    changes.note("archived", was_archived_at.is_some(), archived_at.is_some());
    if changes.is_empty() {
        return Ok(());
    }
    let parameters: [&(dyn ToSql + Sync); 8] =
        [&id.as_uuid(), &name, &description, &category, &tax_class, &archived_at, &tags, &tx.now()];
    tx.execute(UPDATE, &parameters).await.map_err(on_write)?;
    if archived_at != was_archived_at {
        let variants = tx.query(VARIANTS, &[&id.as_uuid()]).await?;
        let variants: Vec<Uuid> =
            variants.iter().map(|row| row.try_get("id")).collect::<Result<_, _>>().map_err(get)?;
        stock::reconsider(tx, &stock::lock_of_variants(tx, &variants).await?).await?;
    }
    audit::record(tx, actor, "product.changed", subject(id), &changes.into_value()).await?;
    Ok(())
}
