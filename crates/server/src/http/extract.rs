//! What a handler's signature can ask for: who calls, on whose host, with what.

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
use identity::{Permission, Principal};
use serde::de::DeserializeOwned;
use tenancy::{Tenant, TenantScope};

use crate::http::body;
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::middleware::tenant::Site;

fn state(request: &HttpRequest) -> Result<&web::Data<State>, Problem> {
    request.app_data::<web::Data<State>>().ok_or_else(|| Problem::internal("the application has no state"))
}

fn site(request: &HttpRequest) -> Result<Site, Problem> {
    request.extensions().get::<Site>().cloned().ok_or_else(Problem::not_found)
}

impl FromRequest for Site {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(site(request))
    }
}

/// Anybody with a token that is valid on this host.
pub struct SignedIn {
    pub site: Site,
    pub principal: Principal,
}

impl SignedIn {
    fn extract(request: &HttpRequest) -> Result<Self, Problem> {
        let site = site(request)?;
        let token = bearer_token(request.headers())?;
        let tenant = match &site {
            Site::Business(tenant) => Some(tenant.id),
            Site::Platform => None,
        };
        let principal = state(request)?.tokens.verify(token, tenant)?;
        Ok(Self { site, principal })
    }

    fn may(self, permission: Permission) -> Result<Self, Problem> {
        if self.principal.may(permission) {
            return Ok(self);
        }
        Err(Problem::forbidden(
            "permission_denied",
            format!("Your role does not include the permission {permission}. Ask the owner for it."),
        ))
    }
}

impl FromRequest for SignedIn {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::extract(request))
    }
}

/// The token of the Authorization header (RFC 6750).
fn bearer_token(headers: &HeaderMap) -> Result<&str, Problem> {
    let missing = || {
        Problem::unauthorized(
            "token_missing",
            "Send an access token: Authorization: Bearer ... (POST /api/v1/auth/login gives one).",
            r#"Bearer realm="tenantry""#,
        )
    };
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

/// The permissions that handlers ask for.
pub mod may {
    use super::{Allows, Permission};

    macro_rules! markers {
        ($($name:ident),*) => {$(
            #[doc = concat!("Asks for [`Permission::", stringify!($name), "`].")]
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
        SettingsWrite,
        AuditRead,
        TenantsRead,
        TenantsWrite
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

    /// Who does it, as documents and the audit log keep it.
    pub fn actor(&self) -> Option<uuid::Uuid> {
        Some(self.principal.user.as_uuid())
    }
}

impl<P: Allows> FromRequest for Caller<P> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let extract = || {
            let Site::Business(tenant) = site(request)? else { return Err(Problem::not_found()) };
            let signed_in = SignedIn::extract(request)?.may(P::PERMISSION)?;
            Ok(Self { tenant, principal: signed_in.principal, permission: PhantomData })
        };
        ready(extract())
    }
}

/// A member of the platform's staff on the platform's host, with permission `P`.
pub struct Staff<P> {
    pub principal: Principal,
    permission: PhantomData<P>,
}

impl<P: Allows> FromRequest for Staff<P> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let extract = || {
            let Site::Platform = site(request)? else { return Err(Problem::not_found()) };
            let signed_in = SignedIn::extract(request)?.may(P::PERMISSION)?;
            Ok(Self { principal: signed_in.principal, permission: PhantomData })
        };
        ready(extract())
    }
}

/// A JSON body, read and checked.
pub struct Json<T> {
    pub value: T,
    /// As it arrived, to tell a repeated request from another.
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
                    Problem::new(
                        StatusCode::REQUEST_TIMEOUT,
                        "body_timeout",
                        "The request's body did not arrive in time.",
                    )
                })?
                .map_err(|error| match error.as_response_error().status_code() {
                    StatusCode::PAYLOAD_TOO_LARGE => Problem::too_large(),
                    _ => Problem::malformed("malformed_body", "The request's body cannot be read."),
                })?;
            Ok(Self { value: body::read(&bytes)?, bytes })
        })
    }
}

/// The query parameters; an unknown one is refused.
pub struct Query<T>(pub T);

impl<T: DeserializeOwned> FromRequest for Query<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let pairs = form_urlencoded::parse(request.query_string().as_bytes());
        let read = serde_path_to_error::deserialize(serde_urlencoded::Deserializer::new(pairs));
        ready(read.map(Self).map_err(|error| {
            let name = error.path().to_string();
            // The path is "." where no parameter is at fault but the lack of one, which the text names.
            let which = if name == "." { "".to_owned() } else { format!(" {name}") };
            let text = error.inner();
            Problem::malformed("invalid_query", format!("The query parameter{which} cannot be read: {text}."))
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
            Problem::malformed(
                "invalid_path",
                "The key in the path is malformed; a key is a UUID, a barcode up to 64 characters.",
            )
        }))
    }
}

/// The version that an If-Match header asks for; `None` without one or with `*`.
pub struct IfMatch(pub Option<i32>);

impl FromRequest for IfMatch {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(crate::http::etag::if_match(request.headers()).map(Self))
    }
}

/// The Idempotency-Key header and the request that it stands for.
pub struct Idempotency {
    pub key: Option<String>,
    /// Method and path.
    pub target: String,
}

impl FromRequest for Idempotency {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(
            idempotency_key(request.headers())
                .map(|key| Self { key, target: format!("{} {}", request.method(), request.uri().path()) }),
        )
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all("idempotency-key");
    let Some(value) = values.next() else { return Ok(None) };
    let key = value.to_str().unwrap_or_default();
    let well_formed = (1..=200).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
    if !well_formed || values.next().is_some() {
        return Err(Problem::malformed(
            "idempotency_key_invalid",
            "An Idempotency-Key is one text of 1 to 200 visible ASCII characters, such as a new UUID.",
        ));
    }
    Ok(Some(key.to_owned()))
}
