//! Steps of a transfer: goods that arrive in parts, go back to the location that sent them, or are lost.

use tenancy::{DbError, TenantTx, all};
use values::{ActorId, Quantity, Reason, StockValue};

use crate::business::settings;
use crate::ids::{LocationId, StepId, TransferId, TransferLineId};
use crate::records::audit::Action;
use crate::records::document::{self, Outcome, Part, Requested, Share};
use crate::records::event::{Event, TransferChanged};
use crate::statuses::TransferStatus;
use crate::stock::alert_review;
use crate::stock::movement::{Kind, Source};
use crate::stock::posting::{Cost, Posting, decide_among};
use crate::stock::transfer::{self, Transfer, TransferError};

/// A step of a transfer that is in transit.
#[derive(Debug, Clone)]
pub struct NewStep {
    /// The chosen or new id of the step, and the fingerprint of the request.
    pub request: Requested<StepId>,
    /// The transfer that the step belongs to.
    pub transfer_id: TransferId,
    /// Whether goods arrive, go back or are lost.
    pub kind: StepKind,
}

/// What a step does.
#[derive(Debug, Clone)]
pub enum StepKind {
    /// These quantities have arrived. If the list is empty, everything that is in transit has arrived.
    Receive(Vec<Part<TransferLineId>>),
    /// Everything that is still in transit goes back to the location that sent it.
    SendBack,
    /// Goods are lost.
    WriteOff {
        /// The lost quantities. If the list is empty, everything that is in transit is lost.
        parts: Vec<Part<TransferLineId>>,
        /// One of the reasons that adjustments may have.
        reason: Reason,
    },
}

values::words! {
    /// What a step does, as the database has it.
    enum StepWord {
        Receive = "receive",
        SendBack = "send_back",
        WriteOff = "write_off",
    }
}

/// Makes the event of a step.
type NewEvent = fn(TransferChanged) -> Event;

impl StepKind {
    fn words(&self) -> (StepWord, NewEvent, Action) {
        match self {
            Self::Receive(_) => (StepWord::Receive, Event::TransferReceived, Action::TransferReceived),
            Self::SendBack => (StepWord::SendBack, Event::TransferSentBack, Action::TransferSentBack),
            Self::WriteOff { .. } => {
                (StepWord::WriteOff, Event::TransferWrittenOff, Action::TransferWrittenOff)
            }
        }
    }

    /// The quantities that the step names; an empty list means everything that is in transit.
    fn parts(&self) -> &[Part<TransferLineId>] {
        match self {
            Self::Receive(parts) | Self::WriteOff { parts, .. } => parts,
            Self::SendBack => &[],
        }
    }

    /// The location in whose ledger the step is posted. Lost goods belong to the location that sent them.
    fn location(&self, transfer: &Transfer) -> LocationId {
        match self {
            Self::Receive(_) => transfer.to,
            Self::SendBack | Self::WriteOff { .. } => transfer.from,
        }
    }
}

/// Receives all or part of a transfer, sends back the rest, or writes off goods that were lost in transit,
/// with the transfer locked. A repeated request gets the transfer as it is now, and changes nothing.
///
/// # Errors
/// [`TransferError`]; the caller rolls back.
pub async fn step(tx: &TenantTx, new: &NewStep, actor: ActorId) -> Result<Outcome<Transfer>, TransferError> {
    document::once(tx, &new.request, find_repeated(tx, new), step_new(tx, new, actor)).await
}

async fn find_repeated(tx: &TenantTx, new: &NewStep) -> Result<Option<Transfer>, TransferError> {
    const IS_SAME: &str =
        "SELECT request_hash = $2 AND transfer_id = $3 FROM stock_transfer_steps WHERE id = $1";
    let Requested { id, fingerprint, .. } = &new.request;
    let params: tenancy::Params<'_> = &[id, fingerprint, &new.transfer_id];
    if document::is_repeated::<TransferError>(tx, *id, IS_SAME, params).await? {
        Ok(transfer::find(tx, new.transfer_id).await?)
    } else {
        Ok(None)
    }
}

async fn step_new(tx: &TenantTx, new: &NewStep, actor: ActorId) -> Result<Transfer, TransferError> {
    let mut kind = new.kind.clone();
    if let StepKind::WriteOff { reason, .. } = &mut kind {
        *reason = settings::allowed_reason(tx, reason).await??;
    }
    let mut transfer = transfer::lock(tx, new.transfer_id).await?.ok_or(TransferError::NotFound)?;
    let was = transfer.status;
    let in_transit: Vec<_> = transfer.lines.iter().map(|line| (line.id, line.in_transit())).collect();
    if in_transit.iter().all(|(_, left)| left.is_zero()) {
        return Err(TransferError::NothingInTransit(was));
    }
    let shares = match kind.parts() {
        [] => document::all_left(&in_transit),
        parts => document::merge(&in_transit, parts.iter().copied())?,
    };
    let location = kind.location(&transfer);
    let mut postings = Vec::with_capacity(shares.len());
    for share in &shares {
        end(&mut transfer, share, &kind, &mut postings);
    }
    transfer.status = TransferStatus::of(&transfer.lines);
    // The lines are saved before the levels are reviewed: alerts depend on incoming stock.
    save(tx, &transfer).await?;
    let levels = transfer::lock_levels(tx, &transfer.lines, location, transfer.to).await?;
    let decided = decide_among(tx, levels, &postings).await?;
    let (_, event, action) = kind.words();
    let source = Source::TransferStep(new.request.id);
    let statuses = (Some(was), transfer.status);
    all((
        decided.write(tx, source, actor),
        insert(tx, new, actor),
        transfer::tell(tx, (event, action), transfer.id, statuses, actor),
    ))
    .await?;
    if location != transfer.to {
        alert_review::reconsider(tx, &transfer::keys(&transfer.lines, transfer.to)).await?;
    }
    transfer.version += 1;
    transfer.updated_at = tx.now();
    Ok(transfer)
}

/// Takes a share of a line out of transit, and adds its postings.
fn end(transfer: &mut Transfer, share: &Share, kind: &StepKind, postings: &mut Vec<Posting>) {
    let location = kind.location(transfer);
    let line = &mut transfer.lines[share.at];
    let (quantity, value) = (share.quantity, line.value_of(share.quantity));
    line.transit_value = value.zip(line.transit_value).map(|(gone, value)| value - gone);
    match kind {
        StepKind::Receive(_) => {
            line.received += quantity;
            postings.push(line.posting(location, quantity, Cost::Whole(value)));
        }
        StepKind::SendBack => {
            line.sent_back += quantity;
            postings.push(line.posting(location, quantity, Cost::Whole(value)));
        }
        StepKind::WriteOff { reason, .. } => {
            line.written_off += quantity;
            // The ledger tells what happened: the goods came back, and were written off.
            let came_back = line.posting(location, quantity, Cost::Passing(value));
            let reason = Some(reason.clone());
            let lost = Posting { kind: Kind::Adjustment, quantity: -quantity, reason, ..came_back.clone() };
            postings.extend([came_back, lost]);
        }
    }
}

async fn insert(tx: &TenantTx, new: &NewStep, actor: ActorId) -> Result<(), DbError> {
    const INSERT: &str = "
        INSERT INTO stock_transfer_steps (id, transfer_id, kind, request_hash, actor_id, occurred_at)
        VALUES ($1, $2, $3, $4, $5, $6)";
    let Requested { id, fingerprint, .. } = &new.request;
    let (word, ..) = new.kind.words();
    tx.execute(INSERT, &[id, &new.transfer_id, &word, fingerprint, &actor, &tx.now()]).await.map(drop)
}

async fn save(tx: &TenantTx, transfer: &Transfer) -> Result<(), DbError> {
    const SAVE: &str = "
        UPDATE stock_transfers SET status = $2, version = version + 1, updated_at = $3 WHERE id = $1";
    const SAVE_LINES: &str = "
        UPDATE stock_transfer_lines l
           SET received = new.received, sent_back = new.sent_back, written_off = new.written_off,
               transit_value = new.value
          FROM unnest($1::uuid[], $2::numeric[], $3::numeric[], $4::numeric[], $5::numeric[])
               AS new (id, received, sent_back, written_off, value)
         WHERE l.id = new.id";
    let ids: Vec<TransferLineId> = transfer.lines.iter().map(|line| line.id).collect();
    let received: Vec<Quantity> = transfer.lines.iter().map(|line| line.received).collect();
    let sent_back: Vec<Quantity> = transfer.lines.iter().map(|line| line.sent_back).collect();
    let written_off: Vec<Quantity> = transfer.lines.iter().map(|line| line.written_off).collect();
    let values: Vec<Option<StockValue>> = transfer.lines.iter().map(|line| line.transit_value).collect();
    let head = async { tx.execute(SAVE, &[&transfer.id, &transfer.status, &tx.now()]).await };
    let lines: tenancy::Params<'_> = &[&ids, &received, &sent_back, &written_off, &values];
    let lines = async { tx.execute(SAVE_LINES, lines).await };
    all((head, lines)).await.map(drop)
}
