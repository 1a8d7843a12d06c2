//! What documents have in common: ids that clients may choose, and lines that are done with in parts.

use tenancy::{DbError, TenantTx};
use uuid::Uuid;

use values::Quantity;

/// Lets those who post under one client-chosen id take turns until the transaction ends: the second finds the first one's
/// document, and answers with it.
pub(crate) async fn claim(tx: &TenantTx, id: Uuid) -> Result<(), DbError> {
    const CLAIM: &str = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
    tx.query(CLAIM, &[&format!("{} {id}", tx.tenant().schema)]).await.map(drop)
}

/// So much of a line of a document, by the line's id.
#[derive(Debug, Clone, Copy)]
pub struct Part<Id> {
    pub line_id: Id,
    pub quantity: Quantity,
}

/// A part of a line that cannot be taken, with its place in the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PartError {
    #[error("a quantity is more than zero")]
    Quantity { index: usize },
    #[error("the document has no such line")]
    UnknownLine { index: usize },
    #[error("only {left} of the line are left")]
    MoreThanLeft { index: usize, left: Quantity },
}

/// Sums what is asked of the same line, and checks each against what is left of it; `lines` are the document's, each with
/// what is left. Returns the lines' places and how much of each.
pub(crate) fn merge<Id: Copy + PartialEq>(
    lines: &[(Id, Quantity)],
    parts: impl Iterator<Item = Part<Id>>,
) -> Result<Vec<(usize, Quantity)>, PartError> {
    let mut merged: Vec<(usize, Quantity)> = Vec::new();
    for (index, part) in parts.enumerate() {
        if part.quantity.is_negative() || part.quantity.is_zero() {
            return Err(PartError::Quantity { index });
        }
        let of_line = lines.iter().position(|(id, _)| *id == part.line_id);
        let at = of_line.ok_or(PartError::UnknownLine { index })?;
        let sum = match merged.iter_mut().find(|(line, _)| *line == at) {
            Some((_, sum)) => {
                *sum = sum.plus(part.quantity);
                *sum
            }
            None => {
                merged.push((at, part.quantity));
                part.quantity
            }
        };
        let (_, left) = lines[at];
        if sum > left {
            return Err(PartError::MoreThanLeft { index, left });
        }
    }
    Ok(merged)
}

/// All that is left of every line.
pub(crate) fn all_that_is_left<Id>(lines: &[(Id, Quantity)]) -> Vec<(usize, Quantity)> {
    let left = lines.iter().enumerate().map(|(at, (_, left))| (at, *left));
    left.filter(|(_, left)| !left.is_zero()).collect()
}
