//! Problems of the tenancy: the database, the registry, and the status, custom domains and jobs of a
//! business.

use std::sync::Arc;

use serde_json::json;
use tenancy::domain::DomainError;
use tenancy::jobs::JobChangeError;
use tenancy::lifecycle::LifecycleError;
use tenancy::{DbError, ProvisionError, ResolveError, SellingError};

use crate::http::codes::Code;
use crate::http::problem::Problem;

impl From<DbError> for Problem {
    fn from(error: DbError) -> Self {
        match refused(&error).or_else(|| unavailable(&error)) {
            Some(problem) => problem.caused_by(error),
            None => Self::internal(error),
        }
    }
}

impl From<Arc<DbError>> for Problem {
    fn from(error: Arc<DbError>) -> Self {
        match refused(&error).or_else(|| unavailable(&error)) {
            Some(problem) => problem.caused_by(error),
            None => Self::internal(error),
        }
    }
}

impl From<SellingError> for Problem {
    fn from(error: SellingError) -> Self {
        match error {
            SellingError::Inactive => Self::because(Code::LicenceInactive, &error),
            SellingError::Ended(until) => {
                Self::because(Code::LicenceEnded, &error).with("validUntil", json!(until))
            }
        }
    }
}

/// The problem of an error for which the client or the release is the reason.
fn refused(error: &DbError) -> Option<Problem> {
    match error {
        DbError::TenantBusy => {
            let detail = "This business sends too many requests at the same time. Repeat the request later.";
            Some(Problem::new(Code::BusinessBusy, detail).retry_after(1))
        }
        DbError::NewerData(_) => {
            let detail = "This server is older than the data. Repeat the request.";
            Some(Problem::unavailable(Code::NewerRelease, detail, 5))
        }
        _ => None,
    }
}

/// The problem of an error that may be gone a little later.
fn unavailable(error: &DbError) -> Option<Problem> {
    if error.is_without_server() {
        let detail = match error.is_read_only() {
            true => "The database is read-only at the moment.",
            false => "The database cannot be reached at the moment.",
        };
        let detail = format!("{detail} Repeat the request.");
        return Some(Problem::unavailable(Code::DatabaseUnavailable, detail, 1));
    }
    let busy = || Problem::unavailable(Code::Unavailable, "The database is busy. Repeat the request.", 1);
    error.is_unavailable().then(busy)
}

impl From<ResolveError> for Problem {
    fn from(error: ResolveError) -> Self {
        let problem = match &error {
            ResolveError::Busy => {
                Self::unavailable(Code::Unavailable, "The server is busy. Repeat the request.", 1)
            }
            // Cached businesses are still served. Other businesses cannot be found until the database answers
            // again.
            ResolveError::Database(cause) => unavailable(cause).unwrap_or_else(|| {
                let detail = "The host cannot be looked up. Repeat the request.";
                Problem::unavailable(Code::Unavailable, detail, 5)
            }),
        };
        problem.caused_by(error)
    }
}

impl From<ProvisionError> for Problem {
    fn from(error: ProvisionError) -> Self {
        match error {
            ProvisionError::SlugTaken(_) => Self::invalid("/slug", Code::SlugTaken, error),
            ProvisionError::Db(error) => error.into(),
            ProvisionError::Migration(error) => Self::internal(error),
        }
    }
}

impl From<LifecycleError> for Problem {
    fn from(error: LifecycleError) -> Self {
        match error {
            LifecycleError::NotFound => Self::not_found(),
            LifecycleError::WrongStatus { .. } => Self::because(Code::WrongStatus, &error),
            LifecycleError::SlugTaken(_) => Self::invalid("/slug", Code::SlugTaken, error),
            LifecycleError::NothingSetAside => Self::because(Code::NothingSetAside, &error),
            LifecycleError::Busy => Self::because(Code::OperationInProgress, &error).retry_after(10),
            LifecycleError::NotDropped(error) | LifecycleError::StaysArchived(error) => Self::from(*error),
            LifecycleError::Db(error) => error.into(),
        }
    }
}

impl From<DomainError> for Problem {
    fn from(error: DomainError) -> Self {
        match error {
            DomainError::Taken(_) | DomainError::Present(_) => {
                Self::invalid("/host", Code::DomainTaken, error)
            }
            DomainError::OfThePlatform(_) => Self::invalid("/host", Code::DomainOfThePlatform, error),
            DomainError::AnAddress | DomainError::PublicSuffix(_) => {
                Self::invalid("/host", Code::NotAName, error)
            }
            DomainError::NotFound => Self::not_found(),
            DomainError::NotVerified(_) | DomainError::NoRecord { .. } => {
                Self::because(Code::DomainNotVerified, &error)
            }
            DomainError::Lookup { .. } => {
                Self::unavailable(Code::DnsUnavailable, "The DNS lookup failed. Repeat the request.", 5)
                    .caused_by(error)
            }
            DomainError::Db(error) => error.into(),
        }
    }
}

impl From<JobChangeError> for Problem {
    fn from(error: JobChangeError) -> Self {
        match error {
            JobChangeError::NotFound => Self::not_found(),
            JobChangeError::Ended(_) | JobChangeError::NotFailed(_) => {
                Self::because(Code::WrongJobState, &error)
            }
            JobChangeError::Db(error) => error.into(),
        }
    }
}
