//! Steps of a transfer: goods that arrive in parts, or go back to the location that sent them.

use tenancy::{DbError, TenantTx, all};
use values::{ActorId, Quantity, StockValue};

use crate::ids::{StepId, TransferId, TransferLineId};
use crate::records::audit::Action;
use crate::records::document::{self, Outcome, Part, Requested};
use crate::records::event::Event;
use crate::statuses::TransferStatus;
use crate::stock::movement::Source;
use crate::stock::posting::{Cost, Posting, decide};
use crate::stock::transfer::{self, Transfer, TransferError};

/// A step of a transfer that is in transit.
#[derive(Debug, Clone)]
pub struct NewStep {
    /// The chosen or new id of the step, and the fingerprint of the request.
    pub request: Requested<StepId>,
    /// The transfer that the step belongs to.
    pub transfer_id: TransferId,
    /// Whether goods arrive or go back.
    pub kind: StepKind,
}

/// What a step does.
#[derive(Debug, Clone)]
pub enum StepKind {
    /// These quantities have arrived. If the list is empty, everything that is in transit has arrived.
    Receive(Vec<Part<TransferLineId>>),
    /// Everything that is still in transit goes back to the location that sent it.
    SendBack,
}

values::words! {
    /// What a step does, as the database has it.
    enum StepWord {
        Receive = "receive",
        SendBack = "send_back",
    }
}

impl StepKind {
    fn word(&self) -> StepWord {
        match self {
            Self::Receive(_) => StepWord::Receive,
            Self::SendBack => StepWord::SendBack,
        }
    }
}

/// Receives all or part of a transfer, or sends back what is still in transit, with the transfer locked. A
/// repeated request gets the transfer as it is now, and changes nothing.
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
    let mut transfer = transfer::lock(tx, new.transfer_id).await?.ok_or(TransferError::NotFound)?;
    let was = transfer.status;
    let in_transit: Vec<_> = transfer.lines.iter().map(|line| (line.id, line.in_transit())).collect();
    if in_transit.iter().all(|(_, left)| left.is_zero()) {
        return Err(TransferError::NothingInTransit(was));
    }
    let (shares, location) = match &new.kind {
        StepKind::Receive(parts) if !parts.is_empty() => {
            (document::merge(&in_transit, parts.iter().copied())?, transfer.to)
        }
        StepKind::Receive(_) => (document::all_left(&in_transit), transfer.to),
        StepKind::SendBack => (document::all_left(&in_transit), transfer.from),
    };
    let posting = |share: &document::Share| {
        let line = &transfer.lines[share.at];
        line.posting(location, share.quantity, Cost::Whole(line.value_of(share.quantity)))
    };
    let postings: Vec<Posting> = shares.iter().map(posting).collect();
    let decided = decide(tx, &postings).await?;
    for share in &shares {
        let line = &mut transfer.lines[share.at];
        let left = line.value_of(share.quantity).zip(line.transit_value).map(|(gone, value)| value - gone);
        line.transit_value = left;
        match new.kind {
            StepKind::Receive(_) => line.received += share.quantity,
            StepKind::SendBack => line.sent_back += share.quantity,
        }
    }
    transfer.status = TransferStatus::of(&transfer.lines);
    let (event, action): (fn(_) -> _, _) = match new.kind {
        StepKind::Receive(_) => (Event::TransferReceived, Action::TransferReceived),
        StepKind::SendBack => (Event::TransferSentBack, Action::TransferSentBack),
    };
    let source = Source::TransferStep(new.request.id);
    let statuses = (Some(was), transfer.status);
    all((
        decided.write(tx, source, actor),
        save(tx, &transfer),
        insert(tx, new, actor),
        transfer::tell(tx, (event, action), transfer.id, statuses, actor),
    ))
    .await?;
    transfer.version += 1;
    transfer.updated_at = tx.now();
    Ok(transfer)
}

async fn insert(tx: &TenantTx, new: &NewStep, actor: ActorId) -> Result<(), DbError> {
    const INSERT: &str = "
        INSERT INTO stock_transfer_steps (id, transfer_id, kind, request_hash, actor_id, occurred_at)
        VALUES ($1, $2, $3, $4, $5, $6)";
    let Requested { id, fingerprint, .. } = &new.request;
    tx.execute(INSERT, &[id, &new.transfer_id, &new.kind.word(), fingerprint, &actor, &tx.now()])
        .await
        .map(drop)
}

async fn save(tx: &TenantTx, transfer: &Transfer) -> Result<(), DbError> {
    const SAVE: &str = "
        UPDATE stock_transfers SET status = $2, version = version + 1, updated_at = $3 WHERE id = $1";
    const SAVE_LINES: &str = "
        UPDATE stock_transfer_lines l
           SET received = new.received, sent_back = new.sent_back, transit_value = new.value
          FROM unnest($1::uuid[], $2::numeric[], $3::numeric[], $4::numeric[])
               AS new (id, received, sent_back, value)
         WHERE l.id = new.id";
    let ids: Vec<TransferLineId> = transfer.lines.iter().map(|line| line.id).collect();
    let received: Vec<Quantity> = transfer.lines.iter().map(|line| line.received).collect();
    let sent_back: Vec<Quantity> = transfer.lines.iter().map(|line| line.sent_back).collect();
    let values: Vec<Option<StockValue>> = transfer.lines.iter().map(|line| line.transit_value).collect();
    let head = async { tx.execute(SAVE, &[&transfer.id, &transfer.status, &tx.now()]).await };
    let lines = async { tx.execute(SAVE_LINES, &[&ids, &received, &sent_back, &values]).await };
    all((head, lines)).await.map(drop)
}
