//! Counts the requests to addresses elsewhere that people wait for: one of each business, and few in all.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use tenancy::TenantId;

use crate::http::codes::Code;
use crate::http::problem::Problem;

/// The trials of this server that are under way.
#[derive(Default)]
pub struct Trials(Mutex<HashSet<TenantId>>);

/// A trial, until it is dropped.
pub struct Trial {
    trials: Arc<Trials>,
    tenant: TenantId,
}

/// The trials that may be under way at the same time.
const MOST: usize = 32;

impl Trials {
    /// Begins a trial.
    ///
    /// # Errors
    /// 429 if the business has one under way, or too many others have.
    pub fn begin(self: &Arc<Self>, tenant: TenantId) -> Result<Trial, Problem> {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if running.len() >= MOST || !running.insert(tenant) {
            let detail = "A webhook is being tried out already. Wait for the answer.";
            return Err(Problem::new(Code::RateLimited, detail));
        }
        Ok(Trial { trials: self.clone(), tenant })
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        self.trials.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.tenant);
    }
}
