//! Posting a stock count: the books change to what the counting found.
//!
//! Counts may overlap. What a count found holds until a later counting of the same shelf, and goods that
//! moved since the counting keep their effect. So a line changes stock by what it found more or less than
//! expected, without what other counts have corrected since. A line that was counted before a line that is
//! already posted changes nothing.

use serde_json::json;
use tenancy::{TenantTx, all, outbox};
use values::{ActorId, Quantity};

use crate::column;
use crate::ids::{CountId, CountLineId};
use crate::records::audit::{self, Action, Subject};
use crate::records::event::{CountPosted, Event};
use crate::stock::count::{self, Count, CountError, CountLine, CountRefusal, CountStatus};
use crate::stock::level::Key;
use crate::stock::locked_level::{self, LockedLevel};
use crate::stock::movement::{Kind, Source};
use crate::stock::posting::{Cost, Posting, decide_among};

/// What happened to a line since it was counted.
struct Since {
    line_id: CountLineId,
    /// Whether the variant was counted again, and that counting is posted.
    is_counted_again: bool,
    /// What other counts have corrected, in sale units.
    corrected: Quantity,
}

tenancy::from_row!(Since { line_id, is_counted_again, corrected });

/// Posts a stock count. A line that cannot be posted does not hold up the others; it keeps its
/// [`CountRefusal`]. Fewer goods may be found than orders have reserved.
///
/// # Errors
/// [`CountError`].
pub async fn post(tx: &TenantTx, id: CountId, actor: ActorId) -> Result<Count, CountError> {
    let mut stored = count::lock_open(tx, id).await?;
    if stored.lines.is_empty() {
        return Err(CountError::Empty);
    }
    let keys: Vec<Key> = stored.lines.iter().map(|line| (line.variant_id, stored.location_id)).collect();
    let levels = locked_level::make_and_lock(tx, &keys).await?;
    // Read under the locks: whoever posts another count of these levels has finished.
    for since in since(tx, &stored).await? {
        let lines = stored.lines.iter_mut().zip(&keys);
        for (line, key) in lines.filter(|(line, _)| line.id == since.line_id) {
            settle(line, &since, levels.get(key));
        }
    }
    let posting = |line: &CountLine| Posting {
        kind: Kind::Count,
        variant_id: line.variant_id,
        has_stock: true,
        location_id: stored.location_id,
        quantity: line.posted.unwrap_or_default(),
        reserved: Quantity::ZERO,
        cost: Cost::Average,
        reason: None,
        line_id: line.id.into(),
    };
    let postings: Vec<Posting> =
        stored.lines.iter().map(posting).filter(|posting| !posting.quantity.is_zero()).collect();
    let decided = decide_among(tx, levels, &postings).await?;
    let refused = stored.lines.iter().filter(|line| line.refusal.is_some()).count();
    let changes = json!({
        "status": {"from": CountStatus::Open, "to": CountStatus::Posted}, "lines": {"to": stored.lines.len()},
        "differences": {"to": postings.len()}, "refused": {"to": refused},
    });
    let event = Event::CountPosted(CountPosted { count_id: id, differences: postings.len() });
    all((
        decided.write(tx, Source::Count(id), actor),
        save(tx, &stored.lines),
        count::set_status(tx, id, CountStatus::Posted),
        audit::record(tx, actor, Action::CountPosted, Subject::Count(id), &changes),
        outbox::write(tx, &event),
    ))
    .await?;
    count::find(tx, id).await?.ok_or(CountError::NotFound)
}

/// What happened to each line since it was counted. The position in the ledger decides which of two lines was
/// counted later; the time decides if nothing moved between them.
async fn since(tx: &TenantTx, count: &Count) -> Result<Vec<Since>, CountError> {
    const SINCE: &str = "
        SELECT mine.id AS line_id,
               EXISTS (SELECT FROM stock_count_lines other JOIN stock_counts c ON c.id = other.count_id
                        WHERE other.variant_id = mine.variant_id AND c.location_id = $2
                          AND other.posted IS NOT NULL
                          AND (other.position, other.counted_at, other.id)
                              > (mine.position, mine.counted_at, mine.id)) AS is_counted_again,
               (SELECT coalesce(sum(m.quantity), 0) FROM stock_movements m
                 WHERE m.variant_id = mine.variant_id AND m.location_id = $2 AND m.position > mine.position
                   AND m.kind = 'count') AS corrected
          FROM stock_count_lines mine
         WHERE mine.count_id = $1";
    Ok(tx.rows(SINCE, &[&count.id, &count.location_id]).await?)
}

/// Decides what posting the line changes, or why it cannot be posted.
fn settle(line: &mut CountLine, since: &Since, level: Option<&LockedLevel>) {
    let change = match since.is_counted_again {
        true => Quantity::ZERO,
        false => line.difference() - since.corrected,
    };
    let on_hand = level.map(|level| level.goods.on_hand).unwrap_or_default();
    line.refusal = match () {
        () if (on_hand + change).is_negative() => Some(CountRefusal::MovedSince),
        () if change.is_positive() && level.is_some_and(|level| level.is_closed) => {
            Some(CountRefusal::LocationArchived)
        }
        () => None,
    };
    line.posted = Some(change).filter(|_| line.refusal.is_none());
}

async fn save(tx: &TenantTx, lines: &[CountLine]) -> Result<(), tenancy::DbError> {
    const SAVE: &str = "
        UPDATE stock_count_lines l SET posted = new.posted, refusal = new.refusal
          FROM unnest($1::uuid[], $2::numeric[], $3::text[]) AS new (id, posted, refusal)
         WHERE l.id = new.id";
    let params: tenancy::Params<'_> = &[
        &column(lines, |line| line.id),
        &column(lines, |line| line.posted),
        &column(lines, |line| line.refusal),
    ];
    tx.execute(SAVE, params).await.map(drop)
}
