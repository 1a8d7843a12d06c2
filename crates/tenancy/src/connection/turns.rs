//! Turns: the limits for the concurrent transactions of one business, and for its waiting transactions.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::connection::error::DbError;
use crate::names::database::TenantNumber;

/// Prevents one business from taking all connections. Each business has a limit of concurrent transactions
/// and a short queue. Further transactions are refused.
pub(crate) struct Turns {
    businesses: Mutex<HashMap<TenantNumber, Arc<Turn>>>,
    most: usize,
    most_waiting: usize,
    wait_timeout: Duration,
}

struct Turn {
    /// The limit for which the semaphore was created. A business whose limit has changed gets a new
    /// semaphore.
    most: usize,
    permits: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// Number of businesses that are kept in memory. Above this number, businesses without a running transaction
/// are removed.
const REMEMBERED: usize = 4096;

impl Turns {
    pub(crate) fn new(most: usize, most_waiting: usize, wait_timeout: Duration) -> Self {
        Self { businesses: Mutex::default(), most, most_waiting, wait_timeout }
    }

    pub(crate) async fn take(
        &self,
        number: TenantNumber,
        limit: Option<usize>,
    ) -> Result<OwnedSemaphorePermit, DbError> {
        let turn = self.turn(number, limit.unwrap_or(self.most));
        if let Ok(permit) = turn.permits.clone().try_acquire_owned() {
            return Ok(permit);
        }
        let _waiting = Waiting::join(&turn.waiting, self.most_waiting).ok_or(DbError::TenantBusy)?;
        match tokio::time::timeout(self.wait_timeout, turn.permits.clone().acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(DbError::TenantBusy),
        }
    }

    fn turn(&self, number: TenantNumber, most: usize) -> Arc<Turn> {
        let mut businesses = self.businesses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = businesses.get(&number).filter(|turn| turn.most == most) {
            return turn.clone();
        }
        if businesses.len() >= REMEMBERED {
            businesses.retain(|_, turn| turn.permits.available_permits() < turn.most);
        }
        let turn =
            Arc::new(Turn { most, permits: Arc::new(Semaphore::new(most)), waiting: AtomicUsize::new(0) });
        businesses.insert(number, turn.clone());
        turn
    }
}

/// A place in a queue. Dropping it frees the place.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn join(waiting: &'a AtomicUsize, most: usize) -> Option<Self> {
        let place = Self(waiting);
        (waiting.fetch_add(1, Ordering::Relaxed) < most).then_some(place)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
