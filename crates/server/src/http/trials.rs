//! Limits the tests of webhooks that run at the same time: one for each business, and 32 for a server.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use tenancy::TenantId;

use crate::http::codes::Code;
use crate::http::problem::Problem;

/// The tests that run at this server.
#[derive(Default)]
pub struct Trials(Mutex<HashSet<TenantId>>);

/// A test, until it is dropped.
pub struct Trial {
    trials: Arc<Trials>,
    tenant: TenantId,
}

/// The tests that may run at the same time.
const MOST: usize = 32;

impl Trials {
    /// Begins a test.
    ///
    /// # Errors
    /// 429 if the business has a test running, or the server has 32.
    pub fn begin(self: &Arc<Self>, tenant: TenantId) -> Result<Trial, Problem> {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if running.len() >= MOST || !running.insert(tenant) {
            let detail = "Too many webhooks are being tested. Repeat the request in a few seconds.";
            return Err(Problem::new(Code::RateLimited, detail).retry_after(5));
        }
        Ok(Trial { trials: self.clone(), tenant })
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        self.trials.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.tenant);
    }
}
