//! Shifts that are still open after their day.

use inventory::day_of;
use tenancy::{DbError, TenantTx, outbox};

use crate::ids::{RegisterId, ShiftId};
use crate::records::event::{Event, ShiftChanged};

/// Tells subscribers of each shift, once, that it was not closed on the day on which it was opened. Returns
/// the number of shifts.
///
/// # Errors
/// [`DbError`].
pub async fn tell(tx: &TenantTx) -> Result<u64, DbError> {
    struct Overdue {
        id: ShiftId,
        register_id: RegisterId,
    }
    tenancy::from_row!(Overdue { id, register_id });
    const TAKE: &str = concat!(
        "UPDATE shifts SET overdue_at = $1
           FROM settings s
          WHERE shifts.status <> 'closed' AND shifts.overdue_at IS NULL
            AND ",
        day_of!("shifts.opened_at", "s"),
        " < ",
        day_of!("$1::timestamptz", "s"),
        " RETURNING shifts.id, shifts.register_id"
    );
    let shifts: Vec<Overdue> = tx.rows(TAKE, &[&tx.now()]).await?;
    for Overdue { id: shift_id, register_id } in &shifts {
        let event = Event::ShiftOverdue(ShiftChanged { shift_id: *shift_id, register_id: *register_id });
        outbox::write(tx, &event).await?;
    }
    Ok(shifts.len() as u64)
}
