//! Lists: their pages, the parameters that choose a page, and search texts.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use values::{Cursor, Key, Limit, Page, PageRequest, SearchText};

use crate::http::codes::Code;
use crate::http::problem::Problem;

/// A page of a list.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PageView<T> {
    pub data: Vec<T>,
    /// Request the next page with `?cursor=`; null on the last page.
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

/// The parameters of a list that has no others.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    /// How many rows the page has; defaults to 50.
    pub limit: Option<Limit>,
    /// nextCursor of the page before.
    pub cursor: Option<Cursor>,
}

/// No parameters.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoParameters {}

/// The page that the parameters choose.
///
/// # Errors
/// 400 when the cursor is of another list.
pub fn page_request<K: Key>(
    limit: Option<Limit>,
    cursor: Option<&Cursor>,
) -> Result<PageRequest<K>, Problem> {
    let after = cursor.map(Cursor::key).transpose().map_err(|error| {
        Problem::new(Code::InvalidQuery, format!("The query parameter cursor cannot be read: {error}."))
    })?;
    Ok(PageRequest { limit: limit.unwrap_or_default(), after })
}

/// The text to search for. An empty search box searches for everything.
///
/// # Errors
/// 400 when the text is not a search text.
pub fn search_text(text: Option<&str>) -> Result<Option<SearchText>, Problem> {
    match text.map(str::trim) {
        None | Some("") => Ok(None),
        Some(text) => match SearchText::parse(text) {
            Ok(text) => Ok(Some(text)),
            Err(error) => Err(Problem::new(Code::InvalidQuery, format!("q: {error}."))),
        },
    }
}
