//! Lists from which a request may also pick single records, or the records that changed.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use chrono::{DateTime, Utc};
use inventory::changes::{Changed, Place};
use inventory::named::Named;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tenancy::{Database, DbError, TenantScope};
use utoipa::IntoParams;
use values::{AnyId, ExternalId, ExternalSource, IdList, Moment, PageRequest};

use crate::http::extract::read_query;
use crate::http::lists::{self, List};
use crate::http::problem::Problem;

/// The parameters that pick single records, or the records that changed. They come alone: other parameters
/// choose a page of the list.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct Picks {
    /// Returns the records with these ids, also archived ones: at most 100, separated by commas. Allowed only
    /// without other parameters.
    #[param(style = Form, explode = false, value_type = Option<Vec<AnyId>>, max_items = 100)]
    ids: Option<IdList<AnyId>>,
    /// Returns the records with this id in another program, also archived ones. Allowed only without other
    /// parameters than externalSource.
    external_id: Option<ExternalId>,
    /// Returns only records of this program. Allowed only with externalId. Defaults to all programs.
    external_source: Option<ExternalSource>,
    /// Returns the records that changed at this time or later, also archived ones, in the order of their
    /// changes. The latest two seconds are left out, so that no change is missed. Allowed only with limit and
    /// cursor.
    updated_since: Option<Moment>,
}

/// The parameters of a list: those that pick records, those that ask for changes, or those that choose a
/// page.
pub enum Listed<T> {
    Named(Named),
    Changes(Changes),
    Page { query: T, page: lists::Place },
}

/// The changes that a request asks for.
pub struct Changes {
    since: DateTime<Utc>,
    page: PageRequest<Place>,
}

impl Changes {
    /// The changes that can be listed now.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn settled(self, database: &Database, scope: &TenantScope) -> Result<Changed, DbError> {
        // A transaction of its own: the list is read in one that sees at least as much.
        let until = database.read(scope, async |tx| tenancy::settled_until(tx).await).await?;
        Ok(Changed { since: self.since, until, page: self.page })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Since {
    updated_since: Moment,
}

impl<T: DeserializeOwned> FromRequest for Listed<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;
    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let has = |names: &[&str]| {
            form_urlencoded::parse(request.query_string().as_bytes())
                .any(|(name, _)| names.contains(&name.as_ref()))
        };
        if has(&["ids", "externalId", "externalSource"]) {
            return ready(named(request.query_string()).map(Self::Named));
        }
        if has(&["updatedSince"]) {
            let asked = List::<Since>::from_request(request, payload).into_inner();
            return ready(asked.and_then(|List { query, page }| {
                let changes = Changes { since: query.updated_since.time(), page: page.request()? };
                Ok(Self::Changes(changes))
            }));
        }
        let page = List::<T>::from_request(request, payload).into_inner();
        ready(page.map(|List { query, page }| Self::Page { query, page }))
    }
}

fn named(query: &str) -> Result<Named, Problem> {
    let alone = |name| Err(Problem::invalid_parameter(name, "is allowed only without other parameters"));
    let Picks { ids, external_id, external_source, updated_since } = read_query(query, &[])?;
    match (ids, external_id, external_source) {
        _ if updated_since.is_some() => alone("updatedSince"),
        (Some(ids), None, None) => Ok(Named::Ids(ids.ids().to_vec())),
        (None, Some(id), source) => Ok(Named::External(id, source)),
        (None, None, _) => {
            Err(Problem::invalid_parameter("externalSource", "is allowed only with externalId"))
        }
        (Some(_), ..) => alone("ids"),
    }
}
