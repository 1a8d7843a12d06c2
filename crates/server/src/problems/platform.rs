//! Problems of the operators' work: onboarding, members, backups.

use archive::ContentsError;
use identity::TokenError;
use identity::impersonation::ImpersonationError;
use inventory::settings::CurrencyChangeError;
use platform::licence::GrantError;
use platform::plan::PlanError;
use platform::sign_up::SignUpError;
use platform::{ActAsError, BackupError, MemberError, OnboardingError, OperatorError};

use crate::http::codes::Code;
use crate::http::problem::Problem;

impl From<ActAsError> for Problem {
    fn from(error: ActAsError) -> Self {
        match error {
            ActAsError::Refused(_) => Self::because(Code::ImpersonationRefused, &error),
            ActAsError::Impersonation(error) => error.into(),
            ActAsError::Lifecycle(error) => error.into(),
            ActAsError::Db(error) => error.into(),
        }
    }
}

impl From<ImpersonationError> for Problem {
    fn from(error: ImpersonationError) -> Self {
        match error {
            ImpersonationError::Unknown => Self::not_found(),
            ImpersonationError::StaffEnded => TokenError::SessionEnded.into(),
            ImpersonationError::SecondFactorNeeded => Self::because(Code::SecondFactorToEnrol, &error),
            ImpersonationError::NoOwner => Self::invalid("/app", Code::InvalidValue, error),
            ImpersonationError::NoMember => Self::invalid("/userId", Code::InvalidValue, error),
            ImpersonationError::Minutes => Self::invalid("/minutes", Code::InvalidValue, error),
            ImpersonationError::Db(error) => error.into(),
        }
    }
}

impl From<MemberError> for Problem {
    fn from(error: MemberError) -> Self {
        match error {
            MemberError::UserExists(_) => Self::invalid("/password", Code::UserExists, error),
            MemberError::UnknownUser => Self::not_found(),
            MemberError::UserChanged(_) => Self::because(Code::UserChanged, &error).retry_after(1),
            MemberError::Membership(error) => error.into(),
            MemberError::TooBusy(error) => Self::because(Code::TooBusy, &error).retry_after(2),
            MemberError::Db(error) => error.into(),
        }
    }
}

impl From<OperatorError> for Problem {
    fn from(error: OperatorError) -> Self {
        match error {
            OperatorError::Lifecycle(error) => error.into(),
            OperatorError::Domain(error) => error.into(),
            OperatorError::Grant(error) => error.into(),
            OperatorError::Plan(error) => error.into(),
            OperatorError::NoBackup(_) => {
                let detail = "The business has no verified backup with an undamaged file on this server. \
                              Create and verify a backup, or send withoutBackup with the value true.";
                Self::new(Code::NoVerifiedBackup, detail)
            }
            OperatorError::Currency(CurrencyChangeError::Db(error)) | OperatorError::Db(error) => {
                error.into()
            }
            OperatorError::Currency(error @ CurrencyChangeError::InUse) => Self::internal(error),
        }
    }
}

impl From<SignUpError> for Problem {
    fn from(error: SignUpError) -> Self {
        match error {
            SignUpError::SlugTaken(_) => Self::invalid("/slug", Code::SlugTaken, error),
            SignUpError::TooMany => Self::because(Code::TooManySignUps, &error).retry_after(3600),
            SignUpError::InvalidLink => Self::invalid("/token", Code::InvalidLink, error),
            SignUpError::Weak(error) => Self::invalid("/password", Code::WeakPassword, error),
            SignUpError::NoPassword => Self::invalid("/password", Code::MissingField, error),
            SignUpError::Onboarding(error) => error.into(),
            SignUpError::Db(error) => error.into(),
        }
    }
}

impl From<GrantError> for Problem {
    fn from(error: GrantError) -> Self {
        match error {
            GrantError::Plan(PlanError::Unknown(_)) => Self::not_found_at("/plan", error),
            GrantError::Plan(error) => error.into(),
            GrantError::Endless => Self::because(Code::WrongStatus, &error),
            GrantError::Past => Self::invalid("/validUntil", Code::OutOfRange, error),
            GrantError::Db(error) => error.into(),
        }
    }
}

impl From<PlanError> for Problem {
    fn from(error: PlanError) -> Self {
        match error {
            PlanError::Unknown(_) => Self::not_found(),
            PlanError::OutOfRange { field, .. } => {
                Self::invalid(format!("/{field}"), Code::OutOfRange, error)
            }
            PlanError::Default(_) | PlanError::InUse(_) => Self::because(Code::PlanInUse, &error),
            PlanError::Db(error) => error.into(),
        }
    }
}

/// Cloning is the only backup operation that a request runs. Jobs and commands run all others.
impl From<BackupError> for Problem {
    fn from(error: BackupError) -> Self {
        match error {
            BackupError::Provision(error) => error.into(),
            BackupError::Owner(error) => error.into(),
            BackupError::Db(error) | BackupError::Contents(ContentsError::Db(error)) => error.into(),
            BackupError::Lifecycle(error) => error.into(),
            BackupError::StillClosed(error) => Self::from(*error),
            BackupError::Gone => Self::not_found(),
            BackupError::AnotherTenant(_) => Self::because(Code::AnotherBusiness, &error),
            BackupError::Name(_)
            | BackupError::Folder(..)
            | BackupError::Contents(ContentsError::File(_) | ContentsError::Differs { .. })
            | BackupError::TooNew { .. }
            | BackupError::OfTheInstallation
            | BackupError::OfATenant
            | BackupError::NotFresh
            | BackupError::NotShown(_)
            | BackupError::NotListed(..)
            | BackupError::Shared(_) => Self::internal(error),
        }
    }
}

impl From<OnboardingError> for Problem {
    fn from(error: OnboardingError) -> Self {
        match error {
            OnboardingError::Provision(error) => error.into(),
            OnboardingError::Owner(error) => Self::from(error).below("/owner"),
            OnboardingError::Defaults(error) => error.into(),
            OnboardingError::NotShown(_) => Self::internal(error),
            OnboardingError::Db(error) => error.into(),
            OnboardingError::LinkUsed => Self::because(Code::InvalidLink, &error),
        }
    }
}
