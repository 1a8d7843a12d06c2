//! How a command fails: one line that says what, why and what to do, and an exit code that scripts can tell apart.

use std::process::ExitCode;

use identity::membership::MembershipError;
use platform::{MemberError, OnboardingError};
use tenancy::ProvisionError;

/// What was asked for does not exist.
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
/// Some businesses failed, the others did not.
pub const PARTIAL: u8 = 5;
/// What was looked at differs from what it should be.
pub const DRIFT: u8 = 6;
/// Ended by Ctrl-C.
pub const INTERRUPTED: u8 = 130;

/// Prints `error` and returns its exit code.
pub fn report(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {}", tenancy::chain(error.as_ref()));
    ExitCode::from(code(error))
}

fn code(error: &anyhow::Error) -> u8 {
    if error.is::<NotFound>() {
        return NOT_FOUND;
    }
    let member = match error.downcast_ref::<OnboardingError>() {
        Some(OnboardingError::Provision(ProvisionError::SlugTaken(_))) => return CONFLICT,
        Some(OnboardingError::Owner(member)) => Some(member),
        _ => error.downcast_ref::<MemberError>(),
    };
    match member {
        Some(MemberError::UserExists(_) | MemberError::Membership(MembershipError::AlreadyMember)) => {
            CONFLICT
        }
        _ => FAILED,
    }
}
