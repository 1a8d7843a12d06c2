//! Returns to suppliers: goods that leave the stock and go back to where they were bought.

use chrono::{DateTime, Utc};
use const_format::concatcp;
use serde_json::json;
use tenancy::{DbError, TenantTx, all, outbox};
use values::{ActorId, Money, NonNegative, Note, Page, PageRequest, Positive, Quantity, Reason, StockValue};

use crate::column;
use crate::ids::{LocationId, SupplierId, SupplierReturnId, SupplierReturnLineId, VariantId};
use crate::purchasing::supplier;
use crate::records::audit::{self, Action, Subject};
use crate::records::counter::{self, Counter};
use crate::records::document::{self, IdTaken, Outcome, Requested};
use crate::records::event::{Event, SupplierReturned};
use crate::stock::article::{self, ArticleError, ArticleName};
use crate::stock::location;
use crate::stock::movement::{Kind, Source};
use crate::stock::posting::{Cost, Posting, StockError, decide};

/// A return to be posted.
#[derive(Debug, Clone)]
pub struct NewSupplierReturn {
    /// The chosen or new id of the return, and the fingerprint of the request.
    pub request: Requested<SupplierReturnId>,
    /// The supplier who takes the goods back, archived or not.
    pub supplier_id: SupplierId,
    /// The location that the goods leave. Defaults to the default location.
    pub location_id: Option<LocationId>,
    /// Why the goods go back.
    pub reason: Reason,
    /// Free text; `None` without a note.
    pub note: Option<Note>,
    /// 1 to [`MAX_LINES`] lines.
    pub lines: Vec<NewLine>,
}

/// A line of a return to be posted.
#[derive(Debug, Clone)]
pub struct NewLine {
    /// The variant that goes back.
    pub article: ArticleName,
    /// The quantity that goes back, in sale units.
    pub quantity: Positive<Quantity>,
    /// What the supplier credits for one unit, in the currency of the business. Defaults to the average cost.
    pub unit_cost: Option<NonNegative<Money>>,
}

/// A posted return.
#[derive(Debug, Clone)]
pub struct SupplierReturn {
    /// The id that the request chose or was given.
    pub id: SupplierReturnId,
    /// Counts up from 1 without a gap, for each business.
    pub number: i64,
    /// The supplier who takes the goods back.
    pub supplier_id: SupplierId,
    /// The location that the goods left.
    pub location_id: LocationId,
    /// Why the goods went back.
    pub reason: Reason,
    /// Free text; `None` without a note.
    pub note: Option<Note>,
    /// The user or program that posted the return, or the system.
    pub actor_id: ActorId,
    /// When the return was posted.
    pub returned_at: DateTime<Utc>,
    /// The lines, in the order of the request.
    pub lines: Vec<SupplierReturnLine>,
}

tenancy::from_row!(SupplierReturn {
    id, number, supplier_id, location_id, reason, note, actor_id, returned_at,
} with { lines: Vec::new() });

/// A line of a posted return.
#[derive(Debug, Clone)]
pub struct SupplierReturnLine {
    id: SupplierReturnLineId,
    return_id: SupplierReturnId,
    /// The variant that went back.
    pub variant_id: VariantId,
    /// The quantity that went back, in sale units.
    pub quantity: Quantity,
    /// What the supplier credits for the goods, in the currency of the business; `None` if no cost is known.
    pub value: Option<StockValue>,
}

tenancy::from_row!(SupplierReturnLine { id, return_id, variant_id, quantity, value });

/// A return was not posted.
#[derive(Debug, thiserror::Error)]
pub enum SupplierReturnError {
    /// The request has no lines or too many lines.
    #[error("a return must have 1 to {MAX_LINES} lines")]
    LineCount,
    /// The business has no supplier with this id.
    #[error("there is no such supplier")]
    UnknownSupplier,
    /// The location does not exist or is archived.
    #[error("there is no such location")]
    UnknownLocation,
    /// A line names a SKU or a barcode that no variant has.
    #[error(transparent)]
    Article(#[from] ArticleError),
    /// A different return already has the chosen id.
    #[error(transparent)]
    IdTaken(#[from] IdTaken),
    /// The posting was refused, for example because stock is short.
    #[error(transparent)]
    Stock(#[from] StockError),
    /// A query failed.
    #[error("a query of a return to a supplier failed")]
    Db(#[from] DbError),
}

/// The largest number of lines of a return.
pub const MAX_LINES: usize = 200;

/// Posts a return: the goods leave the stock at what the supplier credits. A repeated request gets the return
/// of the first one, and changes nothing.
///
/// # Errors
/// [`SupplierReturnError`]; the caller rolls back.
pub async fn post(
    tx: &TenantTx,
    new: &NewSupplierReturn,
    actor: ActorId,
) -> Result<Outcome<SupplierReturn>, SupplierReturnError> {
    if new.lines.is_empty() || new.lines.len() > MAX_LINES {
        return Err(SupplierReturnError::LineCount);
    }
    document::once(tx, &new.request, find_repeated(tx, new), post_new(tx, new, actor)).await
}

async fn find_repeated(
    tx: &TenantTx,
    new: &NewSupplierReturn,
) -> Result<Option<SupplierReturn>, SupplierReturnError> {
    const IS_SAME: &str = "SELECT request_hash = $2 AND supplier_id = $3 FROM supplier_returns WHERE id = $1";
    let Requested { id, fingerprint, .. } = &new.request;
    let params: tenancy::Params<'_> = &[id, fingerprint, &new.supplier_id];
    if document::is_repeated::<SupplierReturnError>(tx, *id, IS_SAME, params).await? {
        Ok(find(tx, *id).await?)
    } else {
        Ok(None)
    }
}

async fn post_new(
    tx: &TenantTx,
    new: &NewSupplierReturn,
    actor: ActorId,
) -> Result<SupplierReturn, SupplierReturnError> {
    let variants = article::find(tx, new.lines.iter().map(|line| &line.article)).await?;
    let location = location::find_or_default(tx, new.location_id);
    let (location, supplier) = all((location, supplier::find(tx, new.supplier_id))).await?;
    let location_id = location.ok_or(SupplierReturnError::UnknownLocation)?;
    supplier.ok_or(SupplierReturnError::UnknownSupplier)?;
    let id = new.request.id;
    let ids: Vec<SupplierReturnLineId> = variants.iter().map(|_| SupplierReturnLineId::new()).collect();
    let posting = |((line, variant), id): ((&NewLine, &VariantId), &SupplierReturnLineId)| Posting {
        kind: Kind::Purchase,
        variant_id: *variant,
        has_stock: true,
        location_id,
        quantity: -line.quantity.get(),
        reserved: Quantity::ZERO,
        cost: line.unit_cost.map_or(Cost::Average, |cost| Cost::PerUnit(cost.get())),
        reason: Some(new.reason.clone()),
        line_id: (*id).into(),
    };
    let postings: Vec<Posting> = new.lines.iter().zip(&variants).zip(&ids).map(posting).collect();
    let decided = decide(tx, &postings).await?;
    let lines: Vec<SupplierReturnLine> = postings
        .iter()
        .zip(&decided.posted)
        .zip(ids)
        .map(|((posting, posted), line)| SupplierReturnLine {
            id: line,
            return_id: id,
            variant_id: posting.variant_id,
            quantity: -posting.quantity,
            value: posted.cost,
        })
        .collect();
    let event =
        Event::SupplierReturned(SupplierReturned { supplier_return_id: id, supplier_id: new.supplier_id });
    let changes = json!({"supplierReturnId": {"to": id}, "reason": {"to": new.reason}});
    let subject = Subject::Supplier(new.supplier_id);
    let ((), (), (), number) = all((
        decided.write(tx, Source::SupplierReturn(id), actor),
        audit::record(tx, actor, Action::SupplierReturned, subject, &changes),
        outbox::write(tx, &event),
        insert(tx, new, location_id, &lines, actor),
    ))
    .await?;
    Ok(SupplierReturn {
        id,
        number,
        supplier_id: new.supplier_id,
        location_id,
        reason: new.reason.clone(),
        note: new.note.clone(),
        actor_id: actor,
        returned_at: tx.now(),
        lines,
    })
}

async fn insert(
    tx: &TenantTx,
    new: &NewSupplierReturn,
    location_id: LocationId,
    lines: &[SupplierReturnLine],
    actor: ActorId,
) -> Result<i64, DbError> {
    const INSERT: &str = concatcp!(
        "INSERT INTO supplier_returns (id, number, supplier_id, location_id, reason, note, request_hash,
                                       actor_id, returned_at)
         SELECT $2, ",
        counter::TAKEN,
        ", $3, $4, $5, $6, $7, $8, $9 RETURNING number"
    );
    const INSERT_LINES: &str = "
        INSERT INTO supplier_return_lines (id, return_id, position, variant_id, quantity, value)
        SELECT id, $1, position, variant_id, quantity, value
          FROM unnest($2::uuid[], $3::uuid[], $4::numeric[], $5::numeric[])
               WITH ORDINALITY AS new (id, variant_id, quantity, value, position)";
    let Requested { id, fingerprint, .. } = &new.request;
    let head: tenancy::Params<'_> = &[
        &Counter::SupplierReturn,
        id,
        &new.supplier_id,
        &location_id,
        &new.reason,
        &new.note,
        fingerprint,
        &actor,
        &tx.now(),
    ];
    let columns: tenancy::Params<'_> = &[
        id,
        &column(lines, |line| line.id),
        &column(lines, |line| line.variant_id),
        &column(lines, |line| line.quantity),
        &column(lines, |line| line.value),
    ];
    let head = counter::insert_numbered(tx, Counter::SupplierReturn, INSERT, head);
    let lines = async { tx.execute(INSERT_LINES, columns).await };
    let (number, _) = all((head, lines)).await?;
    Ok(number)
}

const SELECT: &str = "
    SELECT id, number, supplier_id, location_id, reason, note, actor_id, returned_at FROM supplier_returns ";

async fn with_lines(tx: &TenantTx, mut returns: Vec<SupplierReturn>) -> Result<Vec<SupplierReturn>, DbError> {
    const LINES: &str = "
        SELECT id, return_id, variant_id, quantity, value
          FROM supplier_return_lines WHERE return_id = ANY ($1) ORDER BY return_id, position";
    let ids = column(&returns, |of| of.id);
    for line in tx.rows::<SupplierReturnLine>(LINES, &[&ids]).await? {
        if let Some(of) = returns.iter_mut().find(|of| of.id == line.return_id) {
            of.lines.push(line);
        }
    }
    Ok(returns)
}

/// The return with this id and its lines.
///
/// # Errors
/// [`DbError`]; an unknown id is `None`.
pub async fn find(tx: &TenantTx, id: SupplierReturnId) -> Result<Option<SupplierReturn>, DbError> {
    const FIND: &str = concatcp!(SELECT, "WHERE id = $1");
    let found: Vec<SupplierReturn> = tx.row_opt(FIND, &[&id]).await?.into_iter().collect();
    Ok(with_lines(tx, found).await?.pop())
}

/// A page of the returns to a supplier with their lines, newest first.
///
/// # Errors
/// [`DbError`].
pub async fn list(
    tx: &TenantTx,
    supplier: SupplierId,
    page: &PageRequest<i64>,
) -> Result<Page<SupplierReturn>, DbError> {
    const LIST: &str =
        concatcp!(SELECT, "WHERE supplier_id = $1 AND number < $2 ORDER BY number DESC LIMIT $3");
    let returns = tx.rows(LIST, &[&supplier, &page.below(), &page.limit.and_one()]).await?;
    let page = page.page(returns, |of: &SupplierReturn| of.number);
    Ok(Page { data: with_lines(tx, page.data).await?, next: page.next })
}
