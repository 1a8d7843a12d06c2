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
/// Ended by Ctrl-C.
pub const INTERRUPTED: u8 = 130;

/// `error` with its causes, in one line.
pub fn text(error: &anyhow::Error) -> String {
    // A cause that its effect has quoted already is not told twice.
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

/// Prints `error` and returns its exit code.
pub fn report(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {}", text(error));
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
