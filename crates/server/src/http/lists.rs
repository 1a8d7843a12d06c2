//! Lists: their pages, the parameters that choose a page, and search texts.

use std::borrow::Cow;
use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use aws_lc_rs::digest;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use values::{Cursor, Key, Limit, ListTag, Page, PageRequest};

use crate::http::extract::read_query;
use crate::http::problem::Problem;

/// A page of a list.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PageView<T> {
    /// The rows of this page.
    pub data: Vec<T>,
    /// Send this value as the query parameter cursor to read the next page. null on the last page.
    pub next_cursor: Option<Cursor>,
}

impl<T> PageView<T> {
    pub fn new<R>(page: Page<R>, view: impl Fn(R) -> T) -> Self {
        Self { data: page.data.into_iter().map(view).collect(), next_cursor: page.next }
    }

    /// A list that fits one page.
    pub fn whole<R>(rows: Vec<R>, view: impl Fn(R) -> T) -> Self {
        Self { data: rows.into_iter().map(view).collect(), next_cursor: None }
    }
}

/// The parameters that choose a page. Every list has them, beside its own.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    /// The number of rows on a page, 1 to 100. Defaults to 50.
    limit: Option<Limit>,
    /// The nextCursor of the previous page, with the same other parameters. Defaults to the first page.
    cursor: Option<Cursor>,
}

/// No parameters.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoParameters {}

/// The parameters of a list: its own, and those that choose a page.
pub struct List<T> {
    pub query: T,
    pub page: Place,
}

/// The requested page of a list with its filters.
pub struct Place {
    paging: Paging,
    list: ListTag,
}

impl Place {
    /// The requested page of a list that is ordered by `K`.
    ///
    /// # Errors
    /// 400 when the cursor belongs to another list, or to other filters.
    pub fn request<K: Key>(&self) -> Result<PageRequest<K>, Problem> {
        let after = self.paging.cursor.as_ref().map(|cursor| cursor.key(self.list)).transpose();
        let after = after.map_err(|error| Problem::invalid_parameter("cursor", error))?;
        Ok(PageRequest { limit: self.paging.limit.unwrap_or_default(), after, list: self.list })
    }
}

impl<T: DeserializeOwned> FromRequest for List<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let pairs = form_urlencoded::parse(request.query_string().as_bytes());
        let (paging, mut own): (Vec<_>, Vec<_>) =
            pairs.partition(|(name, _)| PAGING.contains(&name.as_ref()));
        own.sort_unstable();
        let (paging, own) = (encoded(&paging), encoded(&own));
        let digest = digest::digest(&digest::SHA256, format!("{}?{own}", request.path()).as_bytes());
        let read = || {
            let place =
                Place { paging: read_query(&paging, &[])?, list: ListTag::of_digest(digest.as_ref()) };
            Ok(Self { query: read_query(&own, &PAGING)?, page: place })
        };
        ready(read())
    }
}

/// The names of the parameters that choose a page.
const PAGING: [&str; 2] = ["limit", "cursor"];

fn encoded(pairs: &[(Cow<'_, str>, Cow<'_, str>)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}
