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

/// The parameters of a list that has no other parameters.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    /// The number of rows on a page, 1 to 100. Defaults to 50.
    pub limit: Option<Limit>,
    /// The nextCursor of the previous page. Defaults to the first page.
    pub cursor: Option<Cursor>,
}

/// No parameters.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoParameters {}

/// The requested page.
///
/// # Errors
/// 400 when the cursor belongs to another list.
pub fn page_request<K: Key>(
    limit: Option<Limit>,
    cursor: Option<&Cursor>,
) -> Result<PageRequest<K>, Problem> {
    let after = cursor.map(Cursor::key).transpose().map_err(|error| {
        Problem::new(Code::InvalidQuery, format!("The query parameter cursor cannot be read: {error}."))
    })?;
    Ok(PageRequest { limit: limit.unwrap_or_default(), after })
}

/// The text to search for. An empty text finds all rows.
///
/// # Errors
/// 400 when the text is not a search text.
pub fn search_text(text: Option<&str>) -> Result<Option<SearchText>, Problem> {
    match text.map(str::trim) {
        None | Some("") => Ok(None),
        Some(text) => match SearchText::parse(text) {
            Ok(text) => Ok(Some(text)),
            Err(error) => Err(Problem::new(Code::InvalidQuery, format!("The query parameter q: {error}."))),
        },
    }
}
