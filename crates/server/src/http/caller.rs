//! Who sends a request: a signed-in person, or a program with an API key or a service account. The signature
//! of a handler states who may call it, and with which permission.

use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use futures_util::future::{Either, LocalBoxFuture};
use identity::auth_event::Origin;
use identity::{
    Holder, KeyRefused, Permission, Principal, Program, ProgramSecret, SecondFactorState, TokenError,
};
use platform::Actor;
use tenancy::{Tenant, TenantScope};
use uuid::Uuid;
use values::ActorId;

use crate::http::bearer::presented_token;
use crate::http::codes::Code;
use crate::http::host_owner::{HostOwner, host_owner};
use crate::http::problem::Problem;
use crate::http::recent::{pin_session, step_up};
use crate::http::state::State;
use crate::http::watch::{Again, Watched};

pub mod may;

/// Who a credential belongs to.
pub enum Subject {
    /// A person who signed in.
    Person(Principal),
    /// A program with an API key of the business, or with a service account.
    Program(Arc<Program>),
}

impl From<Holder> for Subject {
    fn from(holder: Holder) -> Self {
        match holder {
            Holder::Person(principal) => Self::Person(principal),
            Holder::Program(program) => Self::Program(Arc::new(program)),
        }
    }
}

impl Subject {
    pub fn may(&self, permission: Permission) -> bool {
        match self {
            Self::Person(principal) => principal.may(permission),
            Self::Program(program) => program.may(permission),
        }
    }

    /// The id of the user, of the program, or of the impersonation. No two of them are equal.
    pub fn id(&self) -> Uuid {
        match self {
            Self::Person(principal) if principal.impersonator.is_some() => principal.session.into(),
            Self::Person(principal) => principal.user.into(),
            Self::Program(program) => program.id,
        }
    }

    fn require(&self, permission: Permission) -> Result<(), Problem> {
        if self.may(permission) {
            return Ok(());
        }
        Err(match self {
            Self::Person(principal) => withheld(principal).unwrap_or_else(|| role_lacks(permission)),
            Self::Program(_) => Problem::new(
                Code::PermissionDenied,
                format!(
                    "The program does not have the permission {permission}, or its member does not have it \
                     any more. Ask an owner of the business for an API key or a service account with it."
                ),
            ),
        })
    }

    /// The person, who acts in their own name. With `may_read`, the platform's staff may read as that person.
    fn person(self, may_read: bool) -> Result<Principal, Problem> {
        self.require_person(may_read)?;
        match self {
            Self::Person(principal) => Ok(principal),
            Self::Program(_) => Err(people_only()),
        }
    }

    fn require_person(&self, may_read: bool) -> Result<&Principal, Problem> {
        match self {
            Self::Person(principal) if principal.impersonator.is_some() && !may_read => {
                let detail = "The staff of the platform cannot do this as a member: it concerns the account \
                              of the member, gives access to others, or is up to the business itself.";
                Err(Problem::new(Code::ImpersonationRefused, detail))
            }
            Self::Person(principal) => Ok(principal),
            Self::Program(_) => Err(people_only()),
        }
    }
}

/// Why a session has no permissions, if it lacks a second factor.
fn withheld(principal: &Principal) -> Option<Problem> {
    let (code, detail) = match principal.second_factor? {
        SecondFactorState::ToEnrol if principal.is_in_charge || principal.delegated.is_none() => (
            Code::SecondFactorToEnrol,
            "Your role needs a second factor. Set one up with POST /api/v1/auth/second-factor, and refresh \
             the session.",
        ),
        SecondFactorState::ToEnrol => (
            Code::SecondFactorToEnrol,
            "Your role needs a second factor. The program must send you to sign in again, with prompt=login: \
             you set one up there.",
        ),
        SecondFactorState::Missing if principal.delegated.is_some() => (
            Code::SecondFactorMissing,
            "You did not give your second factor in this session. The program must send you to sign in \
             again, with prompt=login.",
        ),
        SecondFactorState::Missing => (
            Code::SecondFactorMissing,
            "You did not give your second factor in this session. Give it with POST \
             /api/v1/auth/step-up, and refresh the session.",
        ),
        SecondFactorState::Given | SecondFactorState::Unneeded => return None,
    };
    Some(Problem::new(code, detail))
}

fn people_only() -> Problem {
    let detail = "Sign in with POST /api/v1/auth/login. A program cannot do this.";
    Problem::new(Code::PeopleOnly, detail)
}

/// 403 for a caller whose role lacks a permission.
pub fn role_lacks(permission: Permission) -> Problem {
    let detail = format!(
        "Your role does not include the permission {permission}. Ask an owner of the business, or the \
         operator of the platform, for another role."
    );
    Problem::new(Code::PermissionDenied, detail)
}

/// The outcome of checking a caller: at once, or after a query if this server may have missed that a session
/// ended.
pub type Checked<T> = Either<Ready<Result<T, Problem>>, LocalBoxFuture<'static, Result<T, Problem>>>;

fn refused<T>(problem: Problem) -> Checked<T> {
    Either::Left(ready(Err(problem)))
}

/// The check of the caller, once more: access may have been taken away while a slow client sent the body.
#[derive(Clone, Copy)]
pub struct CheckAgain(fn(&HttpRequest) -> LocalBoxFuture<'static, Result<(), Problem>>);

impl CheckAgain {
    pub async fn run(self, request: &HttpRequest) -> Result<(), Problem> {
        // The logs have the request already.
        request.extensions_mut().insert(Again);
        (self.0)(request).await
    }
}

/// Notes how this caller is checked, for the reader of the body.
fn check_again_later<C: FromRequest<Error = Problem> + 'static>(request: &HttpRequest) {
    if request.method().is_safe() {
        return;
    }
    let again = |request: &HttpRequest| -> LocalBoxFuture<'static, Result<(), Problem>> {
        let checked = C::from_request(request, &mut Payload::None);
        Box::pin(async move { checked.await.map(drop) })
    };
    request.extensions_mut().insert(CheckAgain(again));
}

/// Checks the credential of a request at this host, and then whatever else `finish` checks.
fn check<T: 'static>(
    request: &HttpRequest,
    host_owner: HostOwner,
    finish: impl FnOnce(HostOwner, Subject) -> Result<T, Problem> + 'static,
) -> Checked<T> {
    let presented = State::of(request).and_then(|state| Ok((state.clone(), presented_token(request)?)));
    let (state, token) = match presented {
        Ok(presented) => presented,
        Err(problem) => return refused(problem),
    };
    // An API key is no session of a browser, so a cookie cannot hold one.
    if ProgramSecret::is_api_key(&token) && request.headers().contains_key(header::AUTHORIZATION) {
        let token = token.into_owned();
        return Either::Right(Box::pin(async move {
            let tenant = host_owner.tenant().ok_or(KeyRefused::Invalid)?;
            let hears_changes = state.revocations.is_up_to_date();
            let program = state.api_keys.find(&token, tenant, hears_changes).await?;
            finish(host_owner, Subject::Program(program))
        }));
    }
    let verified = match state.tokens.verify(&token, host_owner.tenant()) {
        Ok(verified) => verified,
        Err(error) => return refused(error.into()),
    };
    let checked = state.revocations.check(&verified);
    if let (Holder::Person(Principal { impersonator: None, .. }) | Holder::Program(_), Some(checked)) =
        (&verified.holder, &checked)
    {
        return match checked {
            Ok(()) => Either::Left(ready(finish(host_owner, verified.holder.into()))),
            Err(ended) => refused(as_told(*ended, &verified.holder).into()),
        };
    }
    let is_impersonation =
        matches!(&verified.holder, Holder::Person(person) if person.impersonator.is_some());
    let watched = is_impersonation.then(|| Watched::new(request));
    Either::Right(Box::pin(async move {
        let checked = match checked {
            Some(checked) => checked,
            None => state.revocations.ask(&verified).await?,
        };
        checked.map_err(|ended| as_told(ended, &verified.holder))?;
        if let (Holder::Person(principal), Some(watched)) = (&verified.holder, watched) {
            let HostOwner::Tenant(tenant) = &host_owner else { return Err(Problem::not_found()) };
            watched.admit(&state, tenant, principal).await?;
        }
        finish(host_owner, verified.holder.into())
    }))
}

/// Like [`check`], at whatever host of the API the request arrived.
fn check_here<T: 'static>(
    request: &HttpRequest,
    finish: impl FnOnce(HostOwner, Subject) -> Result<T, Problem> + 'static,
) -> Checked<T> {
    match host_owner(request) {
        Ok(host_owner) => check(request, host_owner, finish),
        Err(problem) => refused(problem),
    }
}

/// The reason why a token is refused, with the cure for its holder: neither a program nor the platform's
/// staff can refresh it.
fn as_told(ended: TokenError, holder: &Holder) -> TokenError {
    match holder {
        Holder::Program(_) => TokenError::ProgramChanged,
        Holder::Person(principal) if principal.impersonator.is_some() => TokenError::ImpersonationEnded,
        Holder::Person(_) => ended,
    }
}

/// A person with a token that is valid on this host, in charge of their own account. A program may be in the
/// place of the person only if it was allowed to change the account.
pub struct SignedIn {
    pub principal: Principal,
}

impl FromRequest for SignedIn {
    type Error = Problem;
    type Future = Checked<Self>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        check_again_later::<Self>(request);
        check_here(request, |_, subject| {
            let principal = subject.person(false)?;
            if principal.second_factor == Some(SecondFactorState::Missing)
                && let Some(problem) = withheld(&principal)
            {
                return Err(problem);
            }
            if principal.by_pin {
                return Err(pin_session());
            }
            if principal.delegated.is_none() && principal.authenticated_at.is_none() {
                return Err(step_up(&principal));
            }
            if !principal.is_in_charge {
                let detail = "The program may not read or change the account of the user: it did not ask for \
                              the scope account.";
                return Err(Problem::new(Code::AccountNotGranted, detail));
            }
            Ok(Self { principal })
        })
    }
}

/// The holder of an access token that is valid on this host: a person, or the platform's staff in the place
/// of that person.
pub struct TokenHolder {
    pub host_owner: HostOwner,
    pub principal: Principal,
}

impl FromRequest for TokenHolder {
    type Error = Problem;
    type Future = Checked<Self>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        check_here(request, |host_owner, subject| Ok(Self { host_owner, principal: subject.person(true)? }))
    }
}

/// A permission as a type, so that a signature can name it.
pub trait Allows {
    const PERMISSION: Permission;
    /// Another permission that is enough, too.
    const OR: Option<Permission> = None;
}

/// A person or a program that works in the business on whose host the request arrived, with permission `P`.
pub struct Caller<P> {
    pub tenant: Arc<Tenant>,
    subject: Subject,
    permission: PhantomData<P>,
}

impl<P> Caller<P> {
    pub fn scope(&self) -> TenantScope {
        self.tenant.scope()
    }

    /// The caller, as documents and the audit log store it.
    pub fn actor(&self) -> ActorId {
        match &self.subject {
            Subject::Person(principal) if principal.impersonator.is_some() => {
                ActorId::impersonation(principal.session)
            }
            Subject::Person(principal) => ActorId::person(principal.user),
            Subject::Program(program) => ActorId::program(program.id),
        }
    }

    /// The id of the caller, to whom idempotency keys belong.
    pub fn id(&self) -> Uuid {
        self.subject.id()
    }

    pub fn may(&self, permission: Permission) -> bool {
        self.subject.may(permission)
    }

    /// # Errors
    /// 403 without the permission.
    pub fn require(&self, permission: Permission) -> Result<(), Problem> {
        self.subject.require(permission)
    }

    /// The person, if it is one who acts in their own name.
    pub fn person(&self) -> Option<&Principal> {
        self.subject.require_person(false).ok()
    }

    /// The member. Refuses a program, and the platform's staff in the place of a member.
    ///
    /// # Errors
    /// 403.
    pub fn require_member(&self) -> Result<&Principal, Problem> {
        self.subject.require_person(false)
    }
}

impl<P: Allows + 'static> Caller<P> {
    /// The caller of a request.
    ///
    /// # Errors
    /// 401 without a valid credential, 403 without the permission, 404 on the platform's host.
    pub(crate) fn extract(request: &HttpRequest) -> Checked<Self> {
        check_again_later::<Self>(request);
        at_business(request, |tenant, subject| {
            if P::OR.is_none_or(|other| !subject.may(other)) {
                subject.require(P::PERMISSION)?;
            }
            Ok(Self { tenant, subject, permission: PhantomData })
        })
    }
}

impl<P: Allows + 'static> Caller<P> {
    /// The caller of a request that lasts, once more: the session may have ended since.
    ///
    /// # Errors
    /// As [`Caller::extract`].
    pub(crate) fn extract_again(request: &HttpRequest) -> Checked<Self> {
        // The logs have the request already.
        request.extensions_mut().insert(Again);
        Self::extract(request)
    }
}

impl<P: Allows + 'static> FromRequest for Caller<P> {
    type Error = Problem;
    type Future = Checked<Self>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        Self::extract(request)
    }
}

/// A member of the business on whose host the request arrived, with permission `P`: a person, as what gives
/// access to others requires. The platform's staff may only read in the place of the member.
pub struct Member<P> {
    pub tenant: Arc<Tenant>,
    pub principal: Principal,
    permission: PhantomData<P>,
}

impl<P: Allows + 'static> FromRequest for Member<P> {
    type Error = Problem;
    type Future = Checked<Self>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        check_again_later::<Self>(request);
        let is_safe = request.method().is_safe();
        at_business(request, move |tenant, subject| {
            subject.require_person(is_safe)?;
            subject.require(P::PERMISSION)?;
            let principal = subject.person(is_safe)?;
            Ok(Self { tenant, principal, permission: PhantomData })
        })
    }
}

/// Checks the credential of a request at a business.
fn at_business<T: 'static>(
    request: &HttpRequest,
    finish: impl FnOnce(Arc<Tenant>, Subject) -> Result<T, Problem> + 'static,
) -> Checked<T> {
    match host_owner(request) {
        Ok(HostOwner::Tenant(tenant)) => {
            check(request, HostOwner::Tenant(tenant.clone()), |_, subject| finish(tenant, subject))
        }
        Ok(HostOwner::Platform | HostOwner::Identity) => refused(Problem::not_found()),
        Err(problem) => refused(problem),
    }
}

/// A member of the platform's staff on the platform's host, with permission `P`.
pub struct Staff<P> {
    pub principal: Principal,
    origin: Origin,
    permission: PhantomData<P>,
}

impl<P: Allows + 'static> FromRequest for Staff<P> {
    type Error = Problem;
    type Future = Checked<Self>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        match host_owner(request) {
            Ok(HostOwner::Platform) => {}
            Ok(HostOwner::Tenant(_) | HostOwner::Identity) => return refused(Problem::not_found()),
            Err(problem) => return refused(problem),
        }
        check_again_later::<Self>(request);
        let state = match State::of(request) {
            Ok(state) => state.clone(),
            Err(problem) => return refused(problem),
        };
        let watched = Watched::new(request);
        let is_allowed = |_, subject: Subject| {
            subject.require(P::PERMISSION)?;
            subject.person(false)
        };
        let checked = check(request, HostOwner::Platform, is_allowed);
        Either::Right(Box::pin(async move {
            let principal = checked.await?;
            watched.record_read(&state, &principal).await?;
            Ok(Self { principal, origin: watched.origin, permission: PhantomData })
        }))
    }
}

impl<P> Staff<P> {
    /// The caller, as both audit logs have it.
    pub fn actor(&self) -> Actor {
        Actor::User(self.principal.user, Some(self.origin.clone()))
    }

    /// Refuses a request that requires a further permission.
    ///
    /// # Errors
    /// 403 without the permission.
    pub fn require(&self, permission: Permission) -> Result<(), Problem> {
        if self.principal.may(permission) { Ok(()) } else { Err(role_lacks(permission)) }
    }
}
