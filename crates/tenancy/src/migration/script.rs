//! Splits SQL files into statements with a real lexer.

use squawk_lexer::{LiteralKind, TokenKind, tokenize};

/// The file cannot be split into statements.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScriptError {
    /// The version or the name of the migration cannot be read from the file name.
    #[error("the file name must have the form V0012__name.sql")]
    Name,
    /// A quote or a block comment is still open at the end of the file.
    #[error("a quoted text, name or comment in the SQL is not closed")]
    Unterminated,
    /// A function body starts with BEGIN ATOMIC, so its semicolons would split it.
    #[error("a BEGIN ATOMIC body has inner semicolons; write the function body as a dollar-quoted string")]
    AtomicBody,
}

/// Returns the statements of `sql` in order, without their semicolons. A comment belongs to the statement
/// that follows it.
///
/// # Errors
/// [`ScriptError`].
pub(crate) fn statements(sql: &str) -> Result<Vec<&str>, ScriptError> {
    let mut statements = Vec::new();
    let (mut start, mut position, mut has_content) = (0, 0, false);
    let mut after_begin = false;
    for token in tokenize(sql) {
        let end = position + token.len as usize;
        match token.kind {
            TokenKind::Semi => {
                if has_content {
                    statements.push(sql[start..position].trim());
                }
                (start, has_content, after_begin) = (end, false, false);
            }
            TokenKind::Whitespace | TokenKind::LineComment | TokenKind::BlockComment { terminated: true } => {
            }
            TokenKind::BlockComment { terminated: false }
            | TokenKind::QuotedIdent { terminated: false, .. } => {
                return Err(ScriptError::Unterminated);
            }
            TokenKind::Literal { kind, .. } if !is_terminated(kind) => return Err(ScriptError::Unterminated),
            TokenKind::Ident => {
                let word = &sql[position..end];
                if after_begin && word.eq_ignore_ascii_case("atomic") {
                    return Err(ScriptError::AtomicBody);
                }
                (has_content, after_begin) = (true, word.eq_ignore_ascii_case("begin"));
            }
            _ => (has_content, after_begin) = (true, false),
        }
        position = end;
    }
    if has_content {
        statements.push(sql[start..].trim());
    }
    Ok(statements)
}

fn is_terminated(kind: LiteralKind) -> bool {
    match kind {
        LiteralKind::Str { terminated }
        | LiteralKind::ByteStr { terminated }
        | LiteralKind::BitStr { terminated }
        | LiteralKind::DollarQuotedString { terminated }
        | LiteralKind::UnicodeEscStr { terminated }
        | LiteralKind::EscStr { terminated } => terminated,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn semicolons_in_quotes_and_comments_do_not_split() {
        let sql = "
            -- first; comment
            CREATE TABLE a (b text DEFAULT 'x;y'); /* c; /* nested; */ d */
            COMMENT ON TABLE \"a;b\" IS E'it\\'s; ok';
            DO $body$ BEGIN PERFORM 1; END $body$;;
            SELECT $$;$$";
        let statements = statements(sql).unwrap();
        assert_eq!(statements.len(), 4, "{statements:#?}");
        assert!(statements[0].ends_with("'x;y')"));
        assert!(statements[1].ends_with("E'it\\'s; ok'"));
        assert!(statements[2].ends_with("$body$"));
        assert_eq!(statements[3], "SELECT $$;$$");
    }

    #[test]
    fn comments_alone_are_not_a_statement() {
        assert_eq!(statements("-- nothing\n ; /* here */ ;"), Ok(vec![]));
    }

    #[test]
    fn a_file_that_cannot_be_split_is_refused() {
        assert_eq!(statements("SELECT 'a; SELECT 1"), Err(ScriptError::Unterminated));
        assert_eq!(statements("SELECT $x$ ; SELECT 1"), Err(ScriptError::Unterminated));
        assert_eq!(statements("SELECT 1 /* ;"), Err(ScriptError::Unterminated));
        assert_eq!(
            statements("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END"),
            Err(ScriptError::AtomicBody)
        );
    }
}
