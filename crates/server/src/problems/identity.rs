//! Problems of signing in, and of apps and roles.

use identity::app::AppError;
use identity::external_sign_in::ExternalSignInError;
use identity::identity_link::LinkError;
use identity::login::LoginError;
use identity::password_change::ChangeError;
use identity::password_reset::ResetError;
use identity::pin::PinError;
use identity::refresh::RefreshError;
use identity::role::RoleError;
use identity::role_requirement::RequirementError;
use identity::second_factor::SecondFactorError;
use identity::{IdTokenError, TokenError};

use crate::http::codes::Code;
use crate::http::problem::{Problem, sentence};

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        let (code, challenge) = match error {
            TokenError::NoKey => {
                return Self::unavailable(Code::Unavailable, sentence(&error), 1);
            }
            TokenError::Expired => (
                Code::TokenExpired,
                r#"Bearer realm="tenantry", error="invalid_token", error_description="expired""#,
            ),
            TokenError::Invalid => (Code::TokenInvalid, r#"Bearer realm="tenantry", error="invalid_token""#),
            TokenError::WrongTenant => (
                Code::TokenWrongBusiness,
                r#"Bearer realm="tenantry", error="invalid_token", error_description="wrong business""#,
            ),
            TokenError::WrongApp => (
                Code::TokenWrongApp,
                r#"Bearer realm="tenantry", error="invalid_token", error_description="wrong app""#,
            ),
            TokenError::SessionEnded | TokenError::ImpersonationEnded => (
                Code::SessionEnded,
                r#"Bearer realm="tenantry", error="invalid_token", error_description="session ended""#,
            ),
            TokenError::RolesChanged | TokenError::ProgramChanged => (
                Code::RolesChanged,
                r#"Bearer realm="tenantry", error="invalid_token", error_description="roles changed""#,
            ),
        };
        Self::unauthorized(code, sentence(&error), challenge)
    }
}

impl From<ChangeError> for Problem {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::WrongPassword => Self::invalid("/currentPassword", Code::WrongPassword, error),
            ChangeError::Unchanged | ChangeError::Weak(_) => {
                Self::invalid("/newPassword", Code::WeakPassword, error)
            }
            ChangeError::TooManyAttempts(wait) => {
                Self::because(Code::TooManyAttempts, &error).retry_after(wait)
            }
            ChangeError::TooBusy(error) => Self::because(Code::TooBusy, &error).retry_after(2),
            ChangeError::Login(error) => error.into(),
            ChangeError::Db(error) => error.into(),
        }
    }
}

/// At a sign-in, the code belongs to what proves who somebody is.
fn second_factor_at_sign_in(error: SecondFactorError) -> Problem {
    let code = match error {
        SecondFactorError::Required => Code::SecondFactorRequired,
        SecondFactorError::Wrong => Code::SecondFactorWrong,
        _ => return error.into(),
    };
    Problem::unauthorized(code, sentence(&error), r#"Bearer realm="tenantry""#)
}

impl From<SecondFactorError> for Problem {
    fn from(error: SecondFactorError) -> Self {
        match error {
            SecondFactorError::Required => Self::invalid("/code", Code::MissingField, error),
            SecondFactorError::Wrong => Self::invalid("/code", Code::InvalidValue, error),
            SecondFactorError::TooManyAttempts(wait) => {
                Self::because(Code::TooManyAttempts, &error).retry_after(wait)
            }
            SecondFactorError::AlreadyEnabled => Self::because(Code::SecondFactorEnabled, &error),
            SecondFactorError::NotEnabled => Self::because(Code::NoSecondFactor, &error),
            SecondFactorError::Password(error) => error.into(),
            SecondFactorError::Unreadable(error) => Self::internal(error),
            SecondFactorError::Db(error) => error.into(),
        }
    }
}

impl From<IdTokenError> for Problem {
    fn from(error: IdTokenError) -> Self {
        match error {
            IdTokenError::UnknownIssuer => Self::invalid("/issuer", Code::InvalidValue, error),
            IdTokenError::Unavailable => Self::unavailable(Code::Unavailable, sentence(&error), 5),
            IdTokenError::Expired
            | IdTokenError::OtherIssuer
            | IdTokenError::OtherAudience
            | IdTokenError::Invalid => {
                Self::unauthorized(Code::IdTokenInvalid, sentence(&error), r#"Bearer realm="tenantry""#)
            }
        }
    }
}

impl From<ExternalSignInError> for Problem {
    fn from(error: ExternalSignInError) -> Self {
        let code = match error {
            ExternalSignInError::Used => Code::IdTokenUsed,
            ExternalSignInError::Unknown => Code::IdentityUnknown,
            ExternalSignInError::Again => Code::SignInAgain,
            ExternalSignInError::Login(error) => return error.into(),
        };
        Self::unauthorized(code, sentence(&error), r#"Bearer realm="tenantry""#)
    }
}

impl From<LinkError> for Problem {
    fn from(error: LinkError) -> Self {
        match error {
            // The session is right, so that this is no answer about it.
            LinkError::Used => Self::invalid("/idToken", Code::InvalidValue, error),
            LinkError::Taken => Self::because(Code::IdentityTaken, &error),
            LinkError::TooMany => Self::because(Code::TooManyIdentities, &error),
            LinkError::NotProved => Self::unauthorized(
                Code::SessionEnded,
                sentence(&error),
                r#"Bearer realm="tenantry", error="invalid_token""#,
            ),
            LinkError::Refused(error) => error.into(),
            LinkError::Db(error) => error.into(),
        }
    }
}

impl From<PinError> for Problem {
    fn from(error: PinError) -> Self {
        match error {
            PinError::Form | PinError::TooEasy => Self::invalid("/pin", Code::InvalidValue, error),
            PinError::NoDevice => Self::because(Code::NoTill, &error),
            PinError::MayNot(_) => Self::because(Code::PermissionDenied, &error),
            PinError::NoMember => Self::because(Code::NoMembership, &error),
            PinError::Wrong => {
                Self::unauthorized(Code::PinWrong, sentence(&error), r#"Bearer realm="tenantry""#)
            }
            PinError::TooManyAttempts(wait) => Self::because(Code::TooManyAttempts, &error).retry_after(wait),
            PinError::Password(error) => error.into(),
            PinError::TooBusy(error) => Self::because(Code::TooBusy, &error).retry_after(2),
            PinError::Db(error) => error.into(),
        }
    }
}

impl From<RequirementError> for Problem {
    fn from(error: RequirementError) -> Self {
        match error {
            RequirementError::Unknown(..) | RequirementError::TooMany => {
                Self::invalid("/roles", Code::InvalidValue, error)
            }
            RequirementError::NotAllowed(error) => error.into(),
            RequirementError::Db(error) => error.into(),
        }
    }
}

impl From<ResetError> for Problem {
    fn from(error: ResetError) -> Self {
        match error {
            ResetError::InvalidToken => Self::invalid("/token", Code::InvalidLink, error),
            ResetError::Weak(error) => Self::invalid("/newPassword", Code::WeakPassword, error),
            ResetError::TooBusy(error) => Self::because(Code::TooBusy, &error).retry_after(2),
            ResetError::Db(error) => error.into(),
        }
    }
}

impl From<RefreshError> for Problem {
    fn from(error: RefreshError) -> Self {
        let code = match error {
            // A host of a business presents no token of a program.
            RefreshError::Invalid
            | RefreshError::MoreScopes
            | RefreshError::WrongBusiness
            | RefreshError::BusinessClosed
            | RefreshError::BusinessBusy => Code::RefreshTokenInvalid,
            RefreshError::Superseded => Code::RefreshTokenSuperseded,
            RefreshError::Ended => Code::SessionEnded,
            RefreshError::Reused => Code::TokenReuseDetected,
            RefreshError::InProgress => {
                return Self::because(Code::RefreshInProgress, &error).retry_after(1);
            }
            RefreshError::Db(error) => return error.into(),
        };
        Self::unauthorized(code, sentence(&error), r#"Bearer realm="tenantry", error="invalid_token""#)
    }
}

impl From<RoleError> for Problem {
    fn from(error: RoleError) -> Self {
        match error {
            RoleError::Preset(_) => Self::because(Code::RolePreset, &error),
            RoleError::Taken(_) => Self::because(Code::RoleTaken, &error),
            RoleError::UnknownApp(_) | RoleError::Unknown(_) => Self::not_found(),
            RoleError::NotAllowed(error) => error.into(),
            RoleError::TooMany => Self::because(Code::TooManyRoles, &error),
            RoleError::InUse(_) => Self::because(Code::RoleInUse, &error),
            RoleError::Stale => Self::because(Code::Stale, &error),
            RoleError::Db(error) => error.into(),
        }
    }
}

impl From<AppError> for Problem {
    fn from(error: AppError) -> Self {
        match error {
            AppError::BuiltIn(_) | AppError::Exists(_) => Self::because(Code::AppBuiltIn, &error),
            AppError::Unknown(_) => Self::not_found(),
            AppError::UnknownPermission { .. } => Self::invalid("/roles", Code::UnknownPermission, error),
            AppError::NotBorrowable(..) => {
                Self::invalid("/borrowedPermissions", Code::UnknownPermission, error)
            }
            AppError::Twice(_) => Self::invalid("", Code::NamedTwice, error),
            AppError::RoleInUse(_) => Self::because(Code::RoleInUse, &error),
            AppError::RoleTaken(_) => Self::because(Code::RoleTaken, &error),
            AppError::HasMembers(_) => Self::because(Code::AppHasMembers, &error),
            AppError::Stale => Self::because(Code::Stale, &error),
            AppError::Db(error) => error.into(),
        }
    }
}

impl From<LoginError> for Problem {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::InvalidCredentials => {
                Self::unauthorized(Code::InvalidCredentials, sentence(&error), r#"Bearer realm="tenantry""#)
            }
            LoginError::MustChangePassword => {
                let detail = "Somebody else chose this password. Sign in again, and send newPassword, too.";
                Self::new(Code::PasswordChangeRequired, detail)
            }
            LoginError::TooManyAttempts(wait) => {
                Self::because(Code::TooManyAttempts, &error).retry_after(wait)
            }
            LoginError::NoMembership => Self::new(
                Code::NoMembership,
                "You are not a member here. Ask an owner of the business to add you.",
            ),
            LoginError::SecondFactor(error) => second_factor_at_sign_in(*error),
            LoginError::TooBusy(error) => Self::because(Code::TooBusy, &error).retry_after(2),
            LoginError::Db(error) => error.into(),
        }
    }
}
