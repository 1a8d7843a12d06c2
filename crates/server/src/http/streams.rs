//! Counts the open streams of live events, of each business and of each caller.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tenancy::TenantId;
use uuid::Uuid;

use crate::http::codes::Code;
use crate::http::problem::Problem;

/// The open streams of this server.
pub struct Streams {
    most_of_business: usize,
    most_of_caller: usize,
    open: Mutex<HashMap<(TenantId, Option<Uuid>), usize>>,
}

/// An open stream, which counts until it is dropped.
pub struct OpenStream {
    streams: Arc<Streams>,
    keys: [(TenantId, Option<Uuid>); 2],
}

impl Streams {
    /// No open streams.
    pub fn new(most_of_business: usize, most_of_caller: usize) -> Arc<Self> {
        Arc::new(Self { most_of_business, most_of_caller, open: Mutex::default() })
    }

    /// Counts a stream of a caller.
    ///
    /// # Errors
    /// 429 if the business or the caller has too many.
    pub fn open(self: &Arc<Self>, tenant: TenantId, caller: Uuid) -> Result<OpenStream, Problem> {
        let keys = [(tenant, None), (tenant, Some(caller))];
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = |key| open.get(key).copied().unwrap_or_default();
        if count(&keys[0]) >= self.most_of_business || count(&keys[1]) >= self.most_of_caller {
            let detail = format!(
                "There may be {} streams of events for each user, and {} for the business, at each server. \
                 Close a stream.",
                self.most_of_caller, self.most_of_business
            );
            return Err(Problem::new(Code::TooManyStreams, detail));
        }
        for key in keys {
            *open.entry(key).or_default() += 1;
        }
        Ok(OpenStream { streams: self.clone(), keys })
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        let mut open = self.streams.open.lock().unwrap_or_else(PoisonError::into_inner);
        for key in self.keys {
            if let Some(count) = open.get_mut(&key) {
                *count -= 1;
                if *count == 0 {
                    open.remove(&key);
                }
            }
        }
    }
}
