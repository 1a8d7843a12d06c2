//! Lists from which a request may also pick single records, by their ids or by an external id.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use inventory::named::Named;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;
use values::{AnyId, ExternalId, ExternalSource, IdList};

use crate::http::extract::read_query;
use crate::http::lists::{List, Place};
use crate::http::problem::Problem;

/// The parameters that pick single records. They come alone: other parameters choose a page of the list.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct Names {
    /// Returns the records with these ids, also archived ones: at most 100, separated by commas. Allowed only
    /// without other parameters.
    #[param(style = Form, explode = false, value_type = Option<Vec<AnyId>>, max_items = 100)]
    ids: Option<IdList<AnyId>>,
    /// Returns the records with this id in another program, also archived ones. Allowed only without other
    /// parameters than externalSource.
    external_id: Option<ExternalId>,
    /// Returns only records of this program. Allowed only with externalId. Defaults to all programs.
    external_source: Option<ExternalSource>,
}

/// The parameters of a list: those that pick records, or those that choose a page.
pub enum Listed<T> {
    Named(Named),
    Page { query: T, page: Place },
}

impl<T: DeserializeOwned> FromRequest for Listed<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;
    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let pairs = form_urlencoded::parse(request.query_string().as_bytes());
        let is_named = pairs.into_iter().any(|(name, _)| NAMES.contains(&name.as_ref()));
        if is_named {
            return ready(named(request.query_string()).map(Self::Named));
        }
        let page = List::<T>::from_request(request, payload).into_inner();
        ready(page.map(|List { query, page }| Self::Page { query, page }))
    }
}

const NAMES: [&str; 3] = ["ids", "externalId", "externalSource"];

fn named(query: &str) -> Result<Named, Problem> {
    let Names { ids, external_id, external_source } = read_query(query, &[])?;
    match (ids, external_id, external_source) {
        (Some(ids), None, None) => Ok(Named::Ids(ids.ids().to_vec())),
        (None, Some(id), source) => Ok(Named::External(id, source)),
        (None, None, _) => {
            Err(Problem::invalid_parameter("externalSource", "is allowed only with externalId"))
        }
        (Some(_), ..) => Err(Problem::invalid_parameter("ids", "is allowed only without other parameters")),
    }
}
