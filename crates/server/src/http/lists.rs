//! Lists: their pages, the parameters that choose a page, and search texts.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use values::{Cursor, Limit, Page, PageRequest, SearchText};

use crate::http::problem::Problem;

/// A page of a list.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PageView<T> {
    pub data: Vec<T>,
    /// Ask for the next page with `?cursor=`; null on the last one.
    pub next_cursor: Option<String>,
}

impl<T> PageView<T> {
    pub fn new<R, const N: usize>(page: Page<R, N>, view: impl Fn(R) -> T) -> Self {
        Self { data: page.data.into_iter().map(view).collect(), next_cursor: page.next.map(String::from) }
    }
}

/// Which page is wanted, of a list that takes no other parameters.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100)]
    pub limit: Option<Limit>,
    #[param(value_type = Option<String>)]
    pub cursor: Option<Cursor<1>>,
}

/// For what takes no parameters at all.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoParameters {}

pub fn page_request<const N: usize>(limit: Option<Limit>, cursor: Option<Cursor<N>>) -> PageRequest<N> {
    PageRequest { limit: limit.unwrap_or_default(), after: cursor }
}

/// What somebody looks for; an empty search box asks for everything.
pub fn search_text(text: Option<&str>) -> Result<Option<SearchText>, Problem> {
    match text.map(str::trim) {
        None | Some("") => Ok(None),
        Some(text) => match SearchText::parse(text) {
            Ok(text) => Ok(Some(text)),
            Err(error) => Err(Problem::malformed("invalid_query", format!("q: {error}."))),
        },
    }
}
