//! The page of all problem codes, for people: the content of `docs/errors.md`.

use std::fmt::Write as _;

use crate::http::codes::Code;

/// The table of all codes as Markdown: the content of `docs/errors.md`.
pub fn markdown() -> String {
    let mut page = String::from(
        "# Error codes\n\n\
         Every error is a problem document (RFC 9457). Clients must match on `code`. \
         The name and the status of a code never change.\n\n\
         The server answers a few requests without a problem document and closes the connection, because it \
         cannot read them as HTTP: 400 for a malformed head, 408 for a head that does not arrive in time, \
         and 431 for a head of more than 128 KiB or with more than 96 headers.\n\n\
         | Code | Status | Meaning | What to do |\n| --- | --- | --- | --- |\n",
    );
    for code in Code::ALL {
        let (name, status) = (code.as_str(), code.status().as_u16());
        // Writing to a string cannot fail.
        let _ = writeln!(
            page,
            "| <a id=\"{name}\"></a>`{name}` | {status} | {} | {} |",
            code.title(),
            code.advice()
        );
    }
    page
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_code_stands_once_and_has_an_error_status() {
        let names: HashSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(names.len(), Code::ALL.len());
        for code in Code::ALL {
            assert!(code.status().is_client_error() || code.status().is_server_error(), "{code:?}");
            assert!(code.advice().ends_with('.') && !code.title().ends_with('.'), "{code:?}");
        }
    }

    #[test]
    fn the_page_in_the_documentation_is_this_table() {
        let written = include_str!("../../../../docs/errors.md");
        assert!(
            written == markdown(),
            "docs/errors.md differs; write it again: tenantry openapi --errors > docs/errors.md"
        );
    }
}
