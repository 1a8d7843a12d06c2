//! Extractors: the parts that the signature of a handler can require, such as the caller, parameters and a
//! body.

use std::borrow::Cow;
use std::future::{Future, Ready, ready};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap};
use actix_web::web::{self, Bytes};
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use futures_util::future::{Either, LocalBoxFuture};
use identity::auth_event::Origin;
use identity::{Permission, Principal};
use platform::Actor;
use serde::de::DeserializeOwned;
use tenancy::{Tenant, TenantId, TenantScope};
use values::ActorId;

use crate::http::body;
use crate::http::browser;
use crate::http::client;
use crate::http::codes::Code;
use crate::http::problem::Problem;
use crate::http::state::State;

/// The owner of the host at which the request arrived.
#[derive(Debug, Clone)]
pub enum HostOwner {
    Platform,
    Tenant(Arc<Tenant>),
}

impl HostOwner {
    /// The business; `None` for the platform.
    pub fn tenant(&self) -> Option<TenantId> {
        match self {
            Self::Platform => None,
            Self::Tenant(tenant) => Some(tenant.id),
        }
    }
}

fn state(request: &HttpRequest) -> Result<&web::Data<State>, Problem> {
    request.app_data::<web::Data<State>>().ok_or_else(|| Problem::internal("the application has no state"))
}

fn host_owner(request: &HttpRequest) -> Result<HostOwner, Problem> {
    request.extensions().get::<HostOwner>().cloned().ok_or_else(Problem::not_found)
}

impl FromRequest for HostOwner {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(host_owner(request))
    }
}

/// A caller with a token that is valid on this host.
pub struct SignedIn {
    pub host_owner: HostOwner,
    pub principal: Principal,
}

/// The outcome of checking a caller: at once, or after a query if this server may have missed that a session
/// ended.
pub type Checked<T> = Either<Ready<Result<T, Problem>>, LocalBoxFuture<'static, Result<T, Problem>>>;

fn refused<T>(problem: Problem) -> Checked<T> {
    Either::Left(ready(Err(problem)))
}

impl SignedIn {
    /// Checks the token of a request and its session, and then whatever else `finish` checks.
    fn check<T: 'static>(
        request: &HttpRequest,
        finish: impl FnOnce(Self) -> Result<T, Problem> + 'static,
    ) -> Checked<T> {
        let verified = state(request).and_then(|state| Ok((state.clone(), Self::verify(request, state)?)));
        let (state, signed_in) = match verified {
            Ok(verified) => verified,
            Err(problem) => return refused(problem),
        };
        match state.revocations.check(&signed_in.principal) {
            Some(Ok(())) => Either::Left(ready(finish(signed_in))),
            Some(Err(ended)) => refused(ended.into()),
            None => Either::Right(Box::pin(async move {
                state.revocations.ask(&signed_in.principal).await??;
                finish(signed_in)
            })),
        }
    }

    fn verify(request: &HttpRequest, state: &State) -> Result<Self, Problem> {
        let host_owner = host_owner(request)?;
        let token = presented_token(request)?;
        let principal = state.tokens.verify(&token, host_owner.tenant())?;
        Ok(Self { host_owner, principal })
    }

    fn may(self, permission: Permission) -> Result<Self, Problem> {
        if self.principal.may(permission) {
            return Ok(self);
        }
        Err(Problem::new(
            Code::PermissionDenied,
            format!(
                "Your role does not include the permission {permission}. Ask an owner of the business, or \
                 the operator of the platform, for another role."
            ),
        ))
    }
}

impl FromRequest for SignedIn {
    type Error = Problem;
    type Future = Checked<Self>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        Self::check(request, Ok)
    }
}

fn token_missing() -> Problem {
    Problem::unauthorized(
        Code::TokenMissing,
        "Send the header Authorization: Bearer TOKEN. POST /api/v1/auth/login returns a token.",
        r#"Bearer realm="tenantry""#,
    )
}

/// The access token of a request: that of the header Authorization, or, without this header, that of the
/// cookie.
fn presented_token(request: &HttpRequest) -> Result<Cow<'_, str>, Problem> {
    if request.headers().contains_key(header::AUTHORIZATION) {
        return bearer_token(request.headers()).map(Cow::Borrowed);
    }
    browser::access_token(request)?.map(Cow::Owned).ok_or_else(token_missing)
}

/// The token of the Authorization header (RFC 6750).
fn bearer_token(headers: &HeaderMap) -> Result<&str, Problem> {
    let missing = token_missing;
    let mut values = headers.get_all(header::AUTHORIZATION);
    let value = values.next().ok_or_else(missing)?;
    let text = value.to_str().map_err(|_| identity::TokenError::Invalid)?;
    let (scheme, token) = text.split_once(' ').ok_or_else(missing)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(missing());
    }
    if values.next().is_some() {
        return Err(identity::TokenError::Invalid.into());
    }
    Ok(token.trim())
}

/// A permission as a type, so that a signature can name it.
pub trait Allows {
    const PERMISSION: Permission;
}

/// The permissions that handlers require.
pub mod may {
    use super::{Allows, Permission};

    macro_rules! markers {
        ($($name:ident),*) => {$(
            #[doc = concat!("Requires [`Permission::", stringify!($name), "`].")]
            pub struct $name;
            impl Allows for $name {
                const PERMISSION: Permission = Permission::$name;
            }
        )*};
    }

    markers!(
        CatalogueRead,
        CatalogueWrite,
        StockRead,
        StockAdjust,
        StockTransfer,
        StockCount,
        OrdersRead,
        OrdersPlace,
        OrdersCancel,
        OrdersReturn,
        PurchasingReceive,
        PurchasingWrite,
        DashboardRead,
        ReportsRead,
        TeamManage,
        SettingsWrite,
        AuditRead,
        TenantsRead,
        TenantsWrite,
        AppsWrite,
        UsersRead,
        UsersWrite
    );
}

/// A member of the business on whose host the request arrived, with permission `P`.
pub struct Caller<P> {
    pub tenant: Arc<Tenant>,
    pub principal: Principal,
    permission: PhantomData<P>,
}

impl<P> Caller<P> {
    pub fn scope(&self) -> TenantScope {
        self.tenant.scope()
    }

    /// The caller, as documents and the audit log store it.
    pub fn actor(&self) -> ActorId {
        ActorId::person(self.principal.user)
    }
}

impl<P: Allows + 'static> Caller<P> {
    /// The caller of a request.
    ///
    /// # Errors
    /// 401 without a valid token, 403 without the permission, 404 on the platform's host.
    pub(crate) fn extract(request: &HttpRequest) -> Checked<Self> {
        let tenant = match host_owner(request) {
            Ok(HostOwner::Tenant(tenant)) => tenant,
            Ok(HostOwner::Platform) => return refused(Problem::not_found()),
            Err(problem) => return refused(problem),
        };
        SignedIn::check(request, |signed_in| {
            let principal = signed_in.may(P::PERMISSION)?.principal;
            Ok(Self { tenant, principal, permission: PhantomData })
        })
    }
}

impl<P: Allows + 'static> FromRequest for Caller<P> {
    type Error = Problem;
    type Future = Checked<Self>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        Self::extract(request)
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
            Ok(HostOwner::Tenant(_)) => return refused(Problem::not_found()),
            Err(problem) => return refused(problem),
        }
        let origin = client::origin(request);
        SignedIn::check(request, |signed_in| {
            let principal = signed_in.may(P::PERMISSION)?.principal;
            Ok(Self { principal, origin, permission: PhantomData })
        })
    }
}

impl<P> Staff<P> {
    /// The caller, as both audit logs have it.
    pub fn actor(&self) -> Actor {
        Actor::User(self.principal.user, Some(self.origin.clone()))
    }
}

/// A JSON body, read and checked.
pub struct Json<T> {
    pub value: T,
    /// The body as it arrived, to distinguish a repeated request from another one.
    pub bytes: Bytes,
}

impl<T: DeserializeOwned + 'static> FromRequest for Json<T> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let content_type = body::check_content_type(request.headers());
        let patience = state(request).map(|state| state.settings.server.client_timeout_ms);
        let bytes = Bytes::from_request(request, payload);
        Box::pin(async move {
            content_type?;
            let bytes = tokio::time::timeout(Duration::from_millis(patience?), bytes)
                .await
                .map_err(|_| {
                    Problem::new(Code::BodyTimeout, "The body of the request did not arrive in time.")
                })?
                .map_err(|error| match error.as_response_error().status_code() {
                    StatusCode::PAYLOAD_TOO_LARGE => Problem::too_large(),
                    _ => Problem::new(Code::MalformedBody, "The body of the request cannot be read."),
                })?;
            Ok(Self { value: body::read(&bytes)?, bytes })
        })
    }
}

/// The query parameters. An unknown parameter is refused.
pub struct Query<T>(pub T);

impl<T: DeserializeOwned> FromRequest for Query<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let pairs = form_urlencoded::parse(request.query_string().as_bytes());
        let read = serde_path_to_error::deserialize(serde_urlencoded::Deserializer::new(pairs));
        ready(read.map(Self).map_err(|error| {
            let name = error.path().to_string();
            // The path is "." if a parameter is missing. The text then names the parameter.
            let which = if name == "." { String::new() } else { format!(" {name}") };
            let text = error.inner();
            Problem::new(Code::InvalidQuery, format!("The query parameter{which} cannot be read: {text}."))
        }))
    }
}

/// The parameter in the path.
pub struct PathId<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for PathId<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;
    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let read = web::Path::<T>::from_request(request, payload).into_inner();
        ready(read.map(|path| Self(path.into_inner())).map_err(|_| {
            let detail =
                "A part of the path is malformed. Use an id, a key or a barcode that the API returned.";
            Problem::new(Code::InvalidPath, detail)
        }))
    }
}

/// The version that an If-Match header requires; `None` without the header or with `*`.
pub struct IfMatch(pub Option<i32>);

impl FromRequest for IfMatch {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(crate::http::etag::if_match(request).map(Self))
    }
}
