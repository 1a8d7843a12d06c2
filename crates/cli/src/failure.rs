//! Failures of commands: one printed line with the problem, its cause and the remedy, and an exit code for
//! scripts.

use std::process::ExitCode;

use identity::account::AccountError;
use identity::api_key::ApiKeyError;
use identity::app::AppError;
use identity::client::ClientError;
use identity::invitation::InvitationError;
use identity::kept_mails::MailError;
use identity::key_ring::RotationError;
use identity::membership::MembershipError;
use identity::role::RoleError;
use identity::service_account::ServiceAccountError;
use inventory::settings::CurrencyChangeError;
use platform::licence::GrantError;
use platform::plan::PlanError;
use platform::{BackupError, MemberError, OnboardingError, OperatorError};
use tenancy::ProvisionError;
use tenancy::domain::DomainError;
use tenancy::jobs::JobChangeError;
use tenancy::lifecycle::LifecycleError;

use crate::output::complain;

/// The requested item does not exist.
#[derive(Debug)]
pub struct NotFound(pub String);

impl std::fmt::Display for NotFound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotFound {}

const FAILED: u8 = 1;
const NOT_FOUND: u8 = 3;
const CONFLICT: u8 = 4;
/// Some businesses failed and the others succeeded.
pub const PARTIAL: u8 = 5;
/// A schema or a stock level differs from its expected state.
pub const DRIFT: u8 = 6;
/// Ctrl-C or SIGTERM interrupted the command.
pub const INTERRUPTED: u8 = 130;

/// Prints `error` and returns its exit code.
pub fn report(error: &anyhow::Error) -> ExitCode {
    complain!("error: {}", tenancy::chain(error.as_ref()));
    ExitCode::from(code(error))
}

fn code(error: &anyhow::Error) -> u8 {
    error.chain().find_map(code_of).unwrap_or(FAILED)
}

/// The exit code of one error, if it has one. A transparent error hides the error inside it from the chain,
/// so this function unwraps it.
fn code_of(error: &(dyn std::error::Error + 'static)) -> Option<u8> {
    if let Some(error) = error.downcast_ref() {
        return match error {
            OnboardingError::Provision(error) => code_of(error),
            OnboardingError::Owner(error) => code_of(error),
            OnboardingError::Defaults(_)
            | OnboardingError::NotShown(_)
            | OnboardingError::Db(_)
            | OnboardingError::LinkUsed => None,
        };
    }
    if let Some(error) = error.downcast_ref() {
        return match error {
            OperatorError::Lifecycle(error) => code_of(error),
            OperatorError::Domain(error) => code_of(error),
            OperatorError::NoBackup(_) | OperatorError::Currency(CurrencyChangeError::InUse) => {
                Some(CONFLICT)
            }
            OperatorError::Grant(GrantError::Plan(error)) | OperatorError::Plan(error) => code_of(error),
            OperatorError::Grant(GrantError::Endless) => Some(CONFLICT),
            OperatorError::Grant(GrantError::Past | GrantError::Db(_))
            | OperatorError::Currency(CurrencyChangeError::Db(_))
            | OperatorError::Db(_) => None,
        };
    }
    if let Some(error) = error.downcast_ref() {
        return match error {
            PlanError::Unknown(_) => Some(NOT_FOUND),
            PlanError::Default(_) | PlanError::InUse(_) => Some(CONFLICT),
            PlanError::OutOfRange { .. } | PlanError::Db(_) => None,
        };
    }
    if let Some(error) = error.downcast_ref() {
        return match error {
            BackupError::Provision(error) => code_of(error),
            BackupError::Owner(error) => code_of(error),
            BackupError::Lifecycle(error) => code_of(error),
            BackupError::AnotherTenant(_) | BackupError::NotFresh => Some(CONFLICT),
            BackupError::Gone => Some(NOT_FOUND),
            _ => None,
        };
    }
    if let Some(error) = error.downcast_ref() {
        return match error {
            LifecycleError::NotFound => Some(NOT_FOUND),
            LifecycleError::Db(_) | LifecycleError::NotDropped(_) | LifecycleError::StaysArchived(_) => None,
            _ => Some(CONFLICT),
        };
    }
    if let Some(error) = error.downcast_ref() {
        return match error {
            JobChangeError::NotFound => Some(NOT_FOUND),
            JobChangeError::Db(_) => None,
            JobChangeError::Ended(_) | JobChangeError::NotFailed(_) => Some(CONFLICT),
        };
    }
    match error.downcast_ref() {
        Some(DomainError::NotFound) => return Some(NOT_FOUND),
        Some(
            DomainError::Taken(_)
            | DomainError::Present(_)
            | DomainError::NotVerified(_)
            | DomainError::NoRecord { .. },
        ) => {
            return Some(CONFLICT);
        }
        _ => {}
    }
    if let Some(error) = error.downcast_ref() {
        return match error {
            AppError::Unknown(_) => Some(NOT_FOUND),
            AppError::Exists(_)
            | AppError::BuiltIn(_)
            | AppError::RoleInUse(_)
            | AppError::RoleTaken(_)
            | AppError::HasMembers(_)
            | AppError::Stale => Some(CONFLICT),
            AppError::UnknownPermission { .. }
            | AppError::NotBorrowable(..)
            | AppError::Twice(_)
            | AppError::Db(_) => None,
        };
    }
    match error.downcast_ref() {
        Some(RotationError::Unknown(_)) => return Some(NOT_FOUND),
        Some(RotationError::TooEarly(_)) => return Some(CONFLICT),
        _ => {}
    }
    if let Some(error) = error.downcast_ref() {
        return match error {
            MemberError::UnknownUser => Some(NOT_FOUND),
            MemberError::UserExists(_) => Some(CONFLICT),
            MemberError::Membership(error) => code_of(error),
            MemberError::UserChanged(_) | MemberError::TooBusy(_) | MemberError::Db(_) => None,
        };
    }
    if let Some(code) = code_of_people(error) {
        return Some(code);
    }
    let is_taken = matches!(error.downcast_ref(), Some(ProvisionError::SlugTaken(_)));
    match error.is::<NotFound>() {
        true => Some(NOT_FOUND),
        false => is_taken.then_some(CONFLICT),
    }
}

fn code_of_people(error: &(dyn std::error::Error + 'static)) -> Option<u8> {
    match error.downcast_ref() {
        Some(MembershipError::Unknown) => return Some(NOT_FOUND),
        Some(
            MembershipError::AlreadyMember(_)
            | MembershipError::PlanLimit(_)
            | MembershipError::LastOwner
            | MembershipError::Stale,
        ) => {
            return Some(CONFLICT);
        }
        _ => {}
    }
    match error.downcast_ref() {
        Some(MailError::Unknown) => return Some(NOT_FOUND),
        Some(MailError::NotDead(_)) => return Some(CONFLICT),
        _ => {}
    }
    match error.downcast_ref() {
        Some(InvitationError::Unknown) => return Some(NOT_FOUND),
        Some(InvitationError::AlreadyInvited(_) | InvitationError::Ended(_)) => return Some(CONFLICT),
        Some(InvitationError::Membership(error)) => return code_of(error),
        _ => {}
    }
    match error.downcast_ref() {
        Some(ClientError::Unknown(_)) => return Some(NOT_FOUND),
        Some(ClientError::Taken(_)) => return Some(CONFLICT),
        _ => {}
    }
    if let Some(ServiceAccountError::Unknown(_)) = error.downcast_ref() {
        return Some(NOT_FOUND);
    }
    match error.downcast_ref() {
        Some(ApiKeyError::Unknown) => return Some(NOT_FOUND),
        Some(
            ApiKeyError::NameTaken(_)
            | ApiKeyError::Stale
            | ApiKeyError::Revoked
            | ApiKeyError::Expired
            | ApiKeyError::TooMany,
        ) => {
            return Some(CONFLICT);
        }
        _ => {}
    }
    match error.downcast_ref() {
        Some(AccountError::Unknown) => return Some(NOT_FOUND),
        Some(AccountError::OnlyOwner(_)) => return Some(CONFLICT),
        _ => {}
    }
    match error.downcast_ref() {
        Some(RoleError::Unknown(_)) => Some(NOT_FOUND),
        Some(RoleError::Preset(_) | RoleError::Taken(_) | RoleError::InUse(_) | RoleError::Stale) => {
            Some(CONFLICT)
        }
        _ => None,
    }
}
