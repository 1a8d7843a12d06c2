//! Revaluations: corrections of what the stock of a variant at a location is worth, with a reason. No goods
//! move.

use chrono::{DateTime, Utc};
use serde_json::json;
use tenancy::{DbError, TenantTx, all};
use values::{ActorId, Money, NonNegative, Note, Quantity, Reason, StockValue};

use crate::business::settings::{self, UnknownReason};
use crate::ids::{LocationId, RevaluationId, VariantId};
use crate::records::audit::{self, Action, Subject};
use crate::records::document::{self, IdTaken, Outcome, Requested};
use crate::stock::article::{self, ArticleError, ArticleName};
use crate::stock::movement::{Kind, Source};
use crate::stock::posting::{Cost, Posting, StockError, decide_among};
use crate::stock::{location, locked_level, unstocked};

/// A revaluation to be posted.
#[derive(Debug, Clone)]
pub struct NewRevaluation {
    /// The chosen or new id of the revaluation, and the fingerprint of the request.
    pub request: Requested<RevaluationId>,
    /// The variant whose stock is revalued.
    pub article: ArticleName,
    /// Defaults to the default location.
    pub location_id: Option<LocationId>,
    /// The right cost of one unit of the stock on hand, in the currency of the business.
    pub unit_cost: NonNegative<Money>,
    /// One of the reasons in the settings. If the settings have none, any reason is allowed.
    pub reason: Reason,
    /// Free text; `None` without a note.
    pub note: Option<Note>,
}

/// A posted revaluation.
#[derive(Debug, Clone)]
pub struct Revaluation {
    /// The id that the request chose or was given.
    pub id: RevaluationId,
    /// The variant whose stock was revalued.
    pub variant_id: VariantId,
    /// The location of the stock.
    pub location_id: LocationId,
    /// The stock on hand, in sale units.
    pub on_hand: Quantity,
    /// The cost of the stock before; `None` if it was not known.
    pub value_before: Option<StockValue>,
    /// The cost of the stock after.
    pub value_after: StockValue,
    /// Why the cost was wrong.
    pub reason: Reason,
    /// Free text; `None` without a note.
    pub note: Option<Note>,
    /// The user or program that made the revaluation, or the system.
    pub actor_id: ActorId,
    /// When the row was stored.
    pub created_at: DateTime<Utc>,
}

tenancy::from_row!(Revaluation {
    id,
    variant_id,
    location_id,
    on_hand,
    value_before,
    value_after,
    reason,
    note,
    actor_id,
    created_at,
});

/// A revaluation was not posted.
#[derive(Debug, thiserror::Error)]
pub enum RevaluationError {
    /// No variant has the SKU or the barcode.
    #[error(transparent)]
    Article(#[from] ArticleError),
    /// The location does not exist or is archived.
    #[error("there is no such location")]
    UnknownLocation,
    /// The location has no stock of the variant.
    #[error(
        "the location has no stock of the variant, so nothing can be revalued; change the cost of the variant"
    )]
    NothingOnHand,
    /// The settings do not allow the reason.
    #[error(transparent)]
    UnknownReason(#[from] UnknownReason),
    /// A different revaluation already has the chosen id.
    #[error(transparent)]
    IdTaken(#[from] IdTaken),
    /// The posting was refused.
    #[error(transparent)]
    Stock(#[from] StockError),
    /// A query failed.
    #[error("a revaluation query failed")]
    Db(#[from] DbError),
}

/// Posts a revaluation. A repeated request gets the first revaluation, and changes nothing.
///
/// # Errors
/// [`RevaluationError`]; the caller rolls back.
pub async fn post(
    tx: &TenantTx,
    new: &NewRevaluation,
    actor: ActorId,
) -> Result<Outcome<Revaluation>, RevaluationError> {
    document::once(tx, &new.request, find_repeated(tx, &new.request), post_new(tx, new, actor)).await
}

async fn find_repeated(
    tx: &TenantTx,
    request: &Requested<RevaluationId>,
) -> Result<Option<Revaluation>, RevaluationError> {
    const IS_SAME: &str = "SELECT request_hash = $2 FROM stock_revaluations WHERE id = $1";
    let params: tenancy::Params<'_> = &[&request.id, &request.fingerprint];
    if document::is_repeated::<RevaluationError>(tx, request.id, IS_SAME, params).await? {
        Ok(find(tx, request.id).await?)
    } else {
        Ok(None)
    }
}

async fn post_new(
    tx: &TenantTx,
    new: &NewRevaluation,
    actor: ActorId,
) -> Result<Revaluation, RevaluationError> {
    let variants = article::find(tx, [&new.article]).await?;
    let location = location::find_or_default(tx, new.location_id);
    let (location, reason) = all((location, settings::allowed_reason(tx, &new.reason))).await?;
    let location_id = location.ok_or(RevaluationError::UnknownLocation)?;
    let reason = reason?;
    let variant_id = *variants.first().ok_or(StockError::UnknownVariant)?;
    let key = (variant_id, location_id);
    let levels = locked_level::lock(tx, &[key]).await?;
    let goods = levels.get(&key).map(|level| level.goods).filter(|goods| goods.on_hand.is_positive());
    let Some(goods) = goods else {
        return Err(match unstocked::has_stock(tx, variant_id).await? {
            Some(true) => RevaluationError::NothingOnHand,
            Some(false) => StockError::NotStocked { variant_id }.into(),
            None => StockError::UnknownVariant.into(),
        });
    };
    let posting = Posting {
        kind: Kind::Revaluation,
        variant_id,
        has_stock: true,
        location_id,
        quantity: Quantity::ZERO,
        reserved: Quantity::ZERO,
        cost: Cost::Revalued(new.unit_cost.get()),
        reason: Some(reason.clone()),
        line_id: new.request.id.into(),
    };
    let decided = decide_among(tx, levels, &[posting]).await?;
    let revaluation = Revaluation {
        id: new.request.id,
        variant_id,
        location_id,
        on_hand: goods.on_hand,
        value_before: goods.value,
        value_after: StockValue::of(goods.on_hand, new.unit_cost.get()),
        reason,
        note: new.note.clone(),
        actor_id: actor,
        created_at: tx.now(),
    };
    let value = |value: StockValue| value.plain();
    let changes = json!({
        "value": {"from": revaluation.value_before.map(value), "to": value(revaluation.value_after)},
        "locationId": {"to": location_id}, "reason": {"to": revaluation.reason},
    });
    let subject = Subject::Variant(variant_id);
    all((
        decided.write(tx, Source::Revaluation(revaluation.id), actor),
        insert(tx, &revaluation, &new.request),
        audit::record(tx, actor, Action::StockRevalued, subject, &changes),
    ))
    .await?;
    Ok(revaluation)
}

async fn insert(tx: &TenantTx, new: &Revaluation, request: &Requested<RevaluationId>) -> Result<(), DbError> {
    const INSERT: &str = "
        INSERT INTO stock_revaluations (id, variant_id, location_id, on_hand, value_before, value_after,
                                        reason, note, request_hash, actor_id, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    let params: tenancy::Params<'_> = &[
        &new.id,
        &new.variant_id,
        &new.location_id,
        &new.on_hand,
        &new.value_before,
        &new.value_after,
        &new.reason,
        &new.note,
        &request.fingerprint,
        &new.actor_id,
        &new.created_at,
    ];
    tx.execute(INSERT, params).await.map(drop)
}

/// The revaluation with this id.
///
/// # Errors
/// [`DbError`]; an unknown id is `None`.
pub async fn find(tx: &TenantTx, id: RevaluationId) -> Result<Option<Revaluation>, DbError> {
    const FIND: &str = "
        SELECT id, variant_id, location_id, on_hand, value_before, value_after, reason, note, actor_id,
               created_at
          FROM stock_revaluations WHERE id = $1";
    tx.row_opt(FIND, &[&id]).await
}
