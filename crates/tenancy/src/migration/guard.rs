//! The rules that every statement of a migration must follow, and what to write instead.
//!
//! There are two kinds of rules. The first kind keeps a business schema ready for copying, comparing and
//! sharding. The second kind prevents statements that block other queries while thousands of schemas are
//! migrated under traffic. A comment `-- reason: ...` above a statement exempts it from the second kind.

use std::collections::HashSet;
use std::fmt;

use squawk_lexer::{TokenKind, tokenize};

use crate::migration::files::NEEDS_CODE;
use crate::migration::script::{self, ScriptError};

/// The kind of schema that a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum For {
    /// A business schema, whose files use unqualified names.
    Tenant,
    /// The `shared` schema, whose files use qualified names.
    Shared,
}

/// A statement that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub line: usize,
    pub rule: &'static str,
    pub cure: &'static str,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}\n    fix: {}", self.line, self.rule, self.cure)
    }
}

/// Returns the rules that the statements of a file break.
///
/// # Errors
/// [`ScriptError`] when the file cannot be split into statements.
pub fn check(sql: &str, file_is_for: For) -> Result<Vec<Finding>, ScriptError> {
    let takes_away = sql.lines().any(|line| line.trim().starts_with(NEEDS_CODE));
    let mut findings = Vec::new();
    // A table that the file itself creates is empty and invisible to everybody else, so it may be locked and
    // scanned.
    let mut made_here = HashSet::new();
    for text in script::statements(sql)? {
        let statement = Statement::read(text);
        let mut broken = statement.rules_of_form(file_is_for);
        if !statement.has_reason {
            broken.extend(statement.rules_of_waiting(&made_here));
        }
        if statement.takes_away() && !takes_away && !(file_is_for == For::Shared && statement.has_reason) {
            broken.push(TAKES_AWAY);
        }
        if let Some(table) = statement.made_table() {
            made_here.insert(table.to_owned());
        }
        let line = line_of(sql, text);
        findings.extend(broken.into_iter().map(|(rule, cure)| Finding { line, rule, cure }));
    }
    Ok(findings)
}

/// The line of the statement's first word. The first line is 1.
fn line_of(sql: &str, statement: &str) -> usize {
    let start = statement.as_ptr() as usize - sql.as_ptr() as usize;
    let comments = statement
        .lines()
        .take_while(|line| line.trim().is_empty() || line.trim_start().starts_with("--"))
        .count();
    sql[..start].lines().count() + comments + usize::from(sql[..start].ends_with('\n') || start == 0)
}

/// A rule, and the fix for a statement that breaks it.
type Rule = (&'static str, &'static str);

const TRIGGER: Rule = (
    "a business schema must not have triggers or rules",
    "do this work in the statement that changes the row",
);
const VIEW: Rule = ("a business schema must not have views", "write the query where it is used");
const INHERITANCE: Rule = ("a business schema must not use inheritance", "give each table its own columns");
const MERGE: Rule = ("MERGE is not allowed", "use INSERT ... ON CONFLICT, or UPDATE and INSERT");
const TYPE: Rule = (
    "a business schema must not have types or domains: a prepared statement outlives the schema in which it \
     was prepared",
    "use text with a named CHECK",
);
const SEQUENCE: Rule = (
    "sequences, serial columns and identity columns are not allowed",
    "create uuids in the program; take numbers for people from a counter row",
);
const VOLATILE: Rule = (
    "a business schema must not use volatile values: clock, random number, new uuid or setting",
    "pass the value from the program as a parameter",
);
const NO_KEY: Rule = ("every table must have a primary key", "add CONSTRAINT <table>_pkey PRIMARY KEY");
const UNNAMED: Rule =
    ("every constraint must have a name", "write CONSTRAINT <table>_<columns>_<key|fkey|check> before it");
const NUMBERED: Rule = (
    "a name must not end in _<digits>, because a sharding extension appends such numbers",
    "choose a name that ends in a word",
);
const SEVERAL: Rule =
    ("an ALTER TABLE may have only one ADD CONSTRAINT", "write one ALTER TABLE for each constraint");
const HIDDEN: Rule = (
    "a business schema must not have DO blocks or functions",
    "write the statements themselves, at top level",
);
const QUALIFIED: Rule = (
    "a file for business schemas must not name a schema or refer to a shared table",
    "leave out the schema, because the search_path selects it; store a shared row's id in a plain column",
);
const UNQUALIFIED: Rule = ("a file for the shared schema must name the schema", "write shared.<table>");
const TRANSACTION: Rule = (
    "a migration runs inside a transaction that is already open",
    "leave out BEGIN, COMMIT, SET and CONCURRENTLY",
);
const CONFLICT: Rule = ("ON CONFLICT DO UPDATE must use EXCLUDED", "take the new values from EXCLUDED");
const EXTENSION: Rule = (
    "a migration must not create an extension, because extensions belong to the installation",
    "create the extension in the bootstrap",
);

const TAKES_AWAY: Rule = (
    "removes or renames something that servers of the last release may still use",
    "stop using it one release earlier; then add a line `-- needs code: <version>` with the newest migration \
     of that release",
);
const REWRITE: Rule = (
    "rewrites the table while the table is locked",
    "add a column, fill it in steps, and drop the old column one release later; or explain the exception \
     with `-- reason: ...`",
);
const SCAN: Rule = (
    "reads the whole table while the table is locked",
    "add the constraint NOT VALID, and VALIDATE it in a later file; or explain the exception with \
     `-- reason: ...`",
);
const NOT_NULL: Rule = (
    "SET NOT NULL reads the whole table while the table is locked",
    "add CHECK (... IS NOT NULL) NOT VALID, VALIDATE it, then SET NOT NULL; or explain the exception with \
     `-- reason: ...`",
);
const KEY: Rule = (
    "builds an index while the table is locked",
    "create a unique index in one file, and ADD CONSTRAINT ... USING INDEX in the next; or explain the \
     exception with `-- reason: ...`",
);
const INDEX: Rule = (
    "builds an index on a table that is in use, and blocks all writes to the table during that time",
    "create the index in the file that creates the table; or explain with `-- reason: ...` why the index is \
     built quickly",
);
const LOCK: Rule = (
    "locks the table and blocks all other queries on it",
    "find another way; or explain the exception with `-- reason: ...`",
);
const ROWS: Rule = (
    "changes rows of a table that is in use; each row stays locked until the migration ends",
    "change the rows in steps from the program; or explain with `-- reason: ...` why the lock is short",
);

/// Functions that return a different value each time.
const VOLATILE_WORDS: [&str; 12] = [
    "now",
    "clock_timestamp",
    "statement_timestamp",
    "transaction_timestamp",
    "current_timestamp",
    "current_date",
    "localtimestamp",
    "random",
    "gen_random_uuid",
    "uuid_generate_v4",
    "nextval",
    "current_setting",
];

/// A statement in the form that the rules check: lower-case words and signs, without comments.
struct Statement<'a> {
    words: Vec<Word<'a>>,
    has_reason: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Word<'a> {
    /// A keyword or a name.
    Plain(String),
    Quoted(&'a str),
    /// A literal with any content.
    Literal,
    Sign(&'a str),
}

impl Word<'_> {
    fn is(&self, word: &str) -> bool {
        matches!(self, Self::Plain(text) if text == word)
    }

    fn sign(&self, sign: &str) -> bool {
        matches!(self, Self::Sign(text) if *text == sign)
    }

    fn name(&self) -> Option<&str> {
        match self {
            Self::Plain(text) => Some(text),
            Self::Quoted(text) => Some(text.trim_matches('"')),
            Self::Literal | Self::Sign(_) => None,
        }
    }
}

impl<'a> Statement<'a> {
    fn read(text: &'a str) -> Self {
        let (mut words, mut has_reason, mut position) = (Vec::new(), false, 0);
        for token in tokenize(text) {
            let end = position + token.len as usize;
            let piece = &text[position..end];
            match token.kind {
                TokenKind::Whitespace | TokenKind::BlockComment { .. } | TokenKind::Eof => {}
                TokenKind::LineComment => {
                    let said = piece.trim_start_matches('-').trim().strip_prefix("reason:");
                    has_reason |= said.is_some_and(|reason| !reason.trim().is_empty());
                }
                TokenKind::Ident => words.push(Word::Plain(piece.to_lowercase())),
                TokenKind::QuotedIdent { .. } => words.push(Word::Quoted(piece)),
                TokenKind::Literal { .. } => words.push(Word::Literal),
                _ => words.push(Word::Sign(piece)),
            }
            position = end;
        }
        Self { words, has_reason }
    }

    fn starts(&self, words: &[&str]) -> bool {
        self.at(0, words)
    }

    fn at(&self, position: usize, words: &[&str]) -> bool {
        let here = self.words.get(position..).unwrap_or_default();
        here.len() >= words.len() && here.iter().zip(words).all(|(word, wanted)| word.is(wanted))
    }

    fn has(&self, words: &[&str]) -> bool {
        (0..self.words.len()).any(|position| self.at(position, words))
    }

    fn count(&self, words: &[&str]) -> usize {
        (0..self.words.len()).filter(|position| self.at(*position, words)).count()
    }

    fn is_create_table(&self) -> bool {
        self.starts(&["create", "table"]) || self.starts(&["create", "unlogged", "table"])
    }

    fn is_alter_table(&self) -> bool {
        self.starts(&["alter", "table"])
    }

    fn is_create_index(&self) -> bool {
        self.starts(&["create", "index"]) || self.starts(&["create", "unique", "index"])
    }

    /// The name at or after position `start`, without its schema and without words such as IF NOT EXISTS.
    fn name_after(&self, start: usize) -> Option<&str> {
        let mut position = self.skip_to_name(start);
        if self.words.get(position + 1).is_some_and(|word| word.sign(".")) {
            position += 2;
        }
        self.words.get(position)?.name()
    }

    /// The position of the name after words such as IF NOT EXISTS.
    fn skip_to_name(&self, start: usize) -> usize {
        const BEFORE: [&str; 6] = ["if", "not", "exists", "only", "concurrently", "table"];
        let is_before = |word: &Word<'_>| BEFORE.iter().any(|before| word.is(before));
        start + self.words.iter().skip(start).take_while(|word| is_before(word)).count()
    }

    fn made_table(&self) -> Option<&str> {
        self.is_create_table().then(|| self.name_after(1)).flatten()
    }

    /// The table that the statement changes or locks.
    fn table(&self) -> Option<&str> {
        let after = |word: &str| self.words.iter().position(|found| found.is(word)).map(|at| at + 1);
        if self.is_create_index() {
            return self.name_after(after("on")?);
        }
        if self.starts(&["delete"]) {
            return self.name_after(after("from")?);
        }
        match self.words.first()?.name()? {
            "alter" => self.name_after(2),
            "update" | "truncate" | "cluster" | "lock" | "reindex" => self.name_after(1),
            _ => None,
        }
    }

    /// The rules of the first kind that the statement breaks. A reason does not exempt it.
    fn rules_of_form(&self, file_is_for: For) -> Vec<Rule> {
        let mut broken = Vec::new();
        let mut when = |is_broken: bool, rule: Rule| {
            if is_broken {
                broken.push(rule);
            }
        };
        let creates =
            |what: &str| self.starts(&["create", what]) || self.starts(&["create", "or", "replace", what]);
        if file_is_for == For::Tenant {
            when(
                creates("trigger") || creates("rule") || self.starts(&["create", "constraint", "trigger"]),
                TRIGGER,
            );
            when(creates("view") || self.starts(&["create", "materialized", "view"]), VIEW);
            when(self.has(&["inherits"]), INHERITANCE);
            when(self.starts(&["merge"]), MERGE);
            when(creates("type") || creates("domain"), TYPE);
            when(creates("sequence") || self.has(&["as", "identity"]) || self.is_serial(), SEQUENCE);
            when(self.has_volatile_value(), VOLATILE);
            when(self.starts(&["do"]) || creates("function") || creates("procedure"), HIDDEN);
            when(self.names_a_schema(), QUALIFIED);
            when(creates("extension"), EXTENSION);
            when(self.has(&["do", "update"]) && !self.has(&["excluded"]), CONFLICT);
        } else {
            when(self.is_unqualified(), UNQUALIFIED);
        }
        when(
            ["begin", "commit", "rollback", "savepoint", "set", "reset"]
                .iter()
                .any(|word| self.starts(&[word]))
                || self.has(&["concurrently"]),
            TRANSACTION,
        );
        when(self.is_create_table() && !self.has(&["primary", "key"]), NO_KEY);
        when((self.is_create_table() || self.is_alter_table()) && self.has_unnamed_constraint(), UNNAMED);
        when(self.is_alter_table() && self.count(&["add", "constraint"]) > 1, SEVERAL);
        when(self.made_names().any(ends_in_number), NUMBERED);
        broken
    }

    /// The rules of the second kind that the statement breaks. These rules apply only to tables that this
    /// file did not create.
    fn rules_of_waiting(&self, made_here: &HashSet<String>) -> Vec<Rule> {
        let mut broken = Vec::new();
        if self.starts(&["vacuum"]) {
            broken.push(LOCK);
        }
        let Some(table) = self.table() else { return broken };
        if made_here.contains(table) {
            return broken;
        }
        let mut when = |is_broken: bool, rule: Rule| {
            if is_broken {
                broken.push(rule);
            }
        };
        when(self.is_create_index(), INDEX);
        let rows = ["update", "delete"].iter().any(|word| self.starts(&[word]));
        when(rows, ROWS);
        let locks = ["truncate", "cluster", "lock", "reindex"].iter().any(|word| self.starts(&[word]));
        when(locks || self.has(&["set", "tablespace"]), LOCK);
        if self.is_alter_table() {
            let is_lazy = self.has(&["not", "valid"]);
            let from_index = self.has(&["using", "index"]);
            when(
                self.changes_a_type()
                    || self.has(&["set", "logged"])
                    || self.has(&["set", "unlogged"])
                    || self.has(&["stored"])
                    || self.adds_a_column_of_many_values(),
                REWRITE,
            );
            when(self.has(&["set", "not", "null"]), NOT_NULL);
            let adds = |words: &[&str]| self.has(&["add"]) && self.has(words);
            when((adds(&["check"]) || adds(&["foreign", "key"]) || adds(&["references"])) && !is_lazy, SCAN);
            when((adds(&["unique"]) || adds(&["primary", "key"]) || adds(&["exclude"])) && !from_index, KEY);
        }
        broken
    }

    /// Whether the statement breaks code that does not know this migration.
    fn takes_away(&self) -> bool {
        self.starts(&["drop", "table"])
            || self.is_alter_table()
                && (self.has(&["rename"]) || self.has(&["drop", "column"]) || self.drops_a_bare_column())
    }

    /// Whether the statement has `DROP name` without the word COLUMN.
    fn drops_a_bare_column(&self) -> bool {
        let kept = ["column", "constraint", "not", "default", "identity", "expression"];
        (0..self.words.len()).any(|at| {
            self.at(at, &["drop"])
                && self.words.get(at + 1).is_some_and(|word| !kept.iter().any(|kept| word.is(kept)))
        })
    }

    fn changes_a_type(&self) -> bool {
        self.has(&["set", "data", "type"])
            || (0..self.words.len()).any(|at| {
                self.at(at, &["alter"])
                    && (self.words.get(at + 2).is_some_and(|word| word.is("type"))
                        || (self.at(at, &["alter", "column"])
                            && self.words.get(at + 3).is_some_and(|word| word.is("type"))))
            })
    }

    /// A default that differs for each row makes PostgreSQL rewrite the table row by row.
    fn adds_a_column_of_many_values(&self) -> bool {
        self.has(&["add"]) && self.has(&["default"]) && self.has_volatile_value()
    }

    fn has_volatile_value(&self) -> bool {
        self.words.iter().any(|word| VOLATILE_WORDS.iter().any(|name| word.is(name)))
    }

    fn is_serial(&self) -> bool {
        ["serial", "bigserial", "smallserial", "serial4", "serial8"].iter().any(|word| self.has(&[word]))
    }

    fn names_a_schema(&self) -> bool {
        self.words.windows(2).any(|pair| {
            pair[1].sign(".")
                && pair[0].name().is_some_and(|name| {
                    ["shared", "public", "extensions", "pg_temp", "pg_catalog"].contains(&name)
                        || name.starts_with("business_")
                })
        })
    }

    fn is_unqualified(&self) -> bool {
        let at = if self.is_create_table() {
            1
        } else if self.is_alter_table() || self.starts(&["create", "sequence"]) {
            2
        } else {
            return false;
        };
        let position = self.skip_to_name(at);
        !(self.at(position, &["shared"]) && self.words.get(position + 1).is_some_and(|word| word.sign(".")))
    }

    fn has_unnamed_constraint(&self) -> bool {
        (0..self.words.len()).any(|at| {
            let begins = self.at(at, &["primary", "key"])
                || self.at(at, &["foreign", "key"])
                || self.at(at, &["unique"])
                || self.at(at, &["check"])
                || self.at(at, &["exclude"])
                || (self.at(at, &["references"]) && !self.is_in_foreign_key(at));
            begins && !(at >= 2 && self.words[at - 2].is("constraint"))
        })
    }

    /// Whether the REFERENCES at this position belongs to a FOREIGN KEY (...) before it.
    fn is_in_foreign_key(&self, references: usize) -> bool {
        let closed = references.checked_sub(1).filter(|at| self.words[*at].sign(")"));
        let Some(closed) = closed else { return false };
        let opened = (0..closed).rev().find(|at| self.words[*at].sign("("));
        opened.is_some_and(|opened| opened >= 2 && self.at(opened - 2, &["foreign", "key"]))
    }

    /// The names that the statement creates: tables, indexes and constraints.
    fn made_names(&self) -> impl Iterator<Item = &str> {
        let table = self.made_table();
        let index = self
            .is_create_index()
            .then(|| self.words.iter().position(|word| word.is("index")))
            .flatten()
            .and_then(|at| self.name_after(at + 1));
        let named = self.words.windows(2).filter(|pair| pair[0].is("constraint"));
        table.into_iter().chain(index).chain(named.filter_map(|pair| pair[1].name()))
    }
}

fn ends_in_number(name: &str) -> bool {
    name.rsplit_once('_')
        .is_some_and(|(_, end)| !end.is_empty() && end.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn breaks(sql: &str, rule: Rule) {
        let found = check(sql, For::Tenant).unwrap();
        assert!(found.iter().any(|finding| finding.rule == rule.0), "{sql}: {found:?}");
    }

    #[track_caller]
    fn passes(sql: &str) {
        let found = check(sql, For::Tenant).unwrap();
        assert!(found.is_empty(), "{sql}: {found:?}");
    }

    #[test]
    fn a_statement_that_hinders_copying_comparing_or_sharding_is_refused() {
        for (sql, rule) in [
            ("CREATE TRIGGER t AFTER INSERT ON a FOR EACH ROW EXECUTE FUNCTION f()", TRIGGER),
            ("CREATE OR REPLACE RULE r AS ON INSERT TO a DO NOTHING", TRIGGER),
            ("CREATE VIEW v AS SELECT 1", VIEW),
            ("CREATE TABLE b (CONSTRAINT b_pkey PRIMARY KEY (id)) INHERITS (a)", INHERITANCE),
            ("MERGE INTO a USING b ON true WHEN MATCHED THEN DELETE", MERGE),
            ("CREATE TYPE mood AS ENUM ('sad')", TYPE),
            ("CREATE DOMAIN positive AS int", TYPE),
            ("CREATE SEQUENCE numbers", SEQUENCE),
            ("CREATE TABLE a (id bigserial CONSTRAINT a_pkey PRIMARY KEY)", SEQUENCE),
            (
                "CREATE TABLE a (id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT a_pkey PRIMARY KEY)",
                SEQUENCE,
            ),
            ("CREATE TABLE a (id uuid DEFAULT gen_random_uuid() CONSTRAINT a_pkey PRIMARY KEY)", VOLATILE),
            ("INSERT INTO a VALUES (now())", VOLATILE),
            ("INSERT INTO a VALUES (current_setting('x'))", VOLATILE),
            ("CREATE TABLE a (id uuid NOT NULL)", NO_KEY),
            ("CREATE TABLE a (id uuid PRIMARY KEY)", UNNAMED),
            ("CREATE TABLE a (id uuid CONSTRAINT a_pkey PRIMARY KEY, b int CHECK (b > 0))", UNNAMED),
            ("CREATE TABLE a (id uuid CONSTRAINT a_pkey PRIMARY KEY, b uuid REFERENCES c (id))", UNNAMED),
            ("CREATE TABLE a (id uuid, CONSTRAINT a_pkey PRIMARY KEY (id), UNIQUE (id))", UNNAMED),
            (
                "CREATE TABLE a (id uuid, CONSTRAINT a_pkey PRIMARY KEY (id), FOREIGN KEY (id) REFERENCES c (id))",
                UNNAMED,
            ),
            ("CREATE TABLE a_2 (id uuid CONSTRAINT a_pkey PRIMARY KEY)", NUMBERED),
            ("CREATE TABLE a (id uuid CONSTRAINT a_pkey_1 PRIMARY KEY)", NUMBERED),
            ("CREATE INDEX a_idx_3 ON a (id)", NUMBERED),
            (
                "ALTER TABLE a ADD CONSTRAINT x CHECK (true) NOT VALID, ADD CONSTRAINT y CHECK (true) NOT VALID",
                SEVERAL,
            ),
            ("DO $$ BEGIN CREATE TABLE a (id int); END $$", HIDDEN),
            ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", HIDDEN),
            ("ALTER TABLE shared.users ADD COLUMN a int", QUALIFIED),
            (
                "CREATE TABLE a (id uuid CONSTRAINT a_pkey PRIMARY KEY CONSTRAINT a_id_fkey REFERENCES shared.users (id))",
                QUALIFIED,
            ),
            ("SELECT 1 FROM business_7.products", QUALIFIED),
            ("BEGIN", TRANSACTION),
            ("SET search_path = public", TRANSACTION),
            ("CREATE INDEX CONCURRENTLY a_idx ON a (id)", TRANSACTION),
            ("INSERT INTO a VALUES (1) ON CONFLICT (id) DO UPDATE SET b = 2", CONFLICT),
            ("CREATE EXTENSION pg_trgm", EXTENSION),
        ] {
            breaks(sql, rule);
            // A reason does not exempt these statements.
            breaks(&format!("-- reason: because\n{sql}"), rule);
        }
        let unqualified =
            check("CREATE TABLE a (id uuid CONSTRAINT a_pkey PRIMARY KEY)", For::Shared).unwrap();
        assert_eq!(unqualified[0].rule, UNQUALIFIED.0);
    }

    #[test]
    fn a_statement_that_blocks_other_queries_needs_a_reason() {
        for (sql, rule) in [
            ("ALTER TABLE a ALTER COLUMN b TYPE bigint", REWRITE),
            ("ALTER TABLE a ALTER b SET DATA TYPE bigint", REWRITE),
            ("ALTER TABLE a SET UNLOGGED", REWRITE),
            ("ALTER TABLE a ADD COLUMN c int GENERATED ALWAYS AS (b + 1) STORED", REWRITE),
            ("ALTER TABLE a ALTER COLUMN b SET NOT NULL", NOT_NULL),
            ("ALTER TABLE a ADD CONSTRAINT a_b_check CHECK (b > 0)", SCAN),
            ("ALTER TABLE a ADD CONSTRAINT a_b_fkey FOREIGN KEY (b) REFERENCES c (id)", SCAN),
            ("ALTER TABLE a ADD COLUMN b uuid CONSTRAINT a_b_fkey REFERENCES c (id)", SCAN),
            ("ALTER TABLE a ADD CONSTRAINT a_b_key UNIQUE (b)", KEY),
            ("CREATE INDEX a_b_idx ON a (b)", INDEX),
            ("CREATE UNIQUE INDEX a_b_idx ON a (b)", INDEX),
            ("UPDATE a SET b = 1", ROWS),
            ("DELETE FROM a", ROWS),
            ("TRUNCATE a", LOCK),
            ("LOCK TABLE a", LOCK),
            ("CLUSTER a", LOCK),
            ("VACUUM FULL a", LOCK),
            ("ALTER TABLE a SET TABLESPACE fast", LOCK),
        ] {
            breaks(sql, rule);
            let empty = format!("-- reason:\n{sql}");
            breaks(&empty, rule);
            passes(&format!("-- reason: the table has one row\n{sql}"));
        }
        for fine in [
            "ALTER TABLE a ADD COLUMN b integer NOT NULL DEFAULT 0",
            "ALTER TABLE a ADD CONSTRAINT a_b_check CHECK (b > 0) NOT VALID",
            "ALTER TABLE a VALIDATE CONSTRAINT a_b_check",
            "ALTER TABLE a ADD CONSTRAINT a_b_key UNIQUE USING INDEX a_b_idx",
            "REVOKE UPDATE ON a FROM tenantry_tenant",
            "INSERT INTO a (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET id = EXCLUDED.id",
            // A table that the file itself creates may get any index and constraint.
            "CREATE TABLE a (id uuid CONSTRAINT a_pkey PRIMARY KEY); CREATE INDEX a_idx ON a (id);
             ALTER TABLE a ADD CONSTRAINT a_id_key UNIQUE (id); UPDATE a SET id = NULL",
        ] {
            passes(fine);
        }
    }

    #[test]
    fn a_removal_must_name_the_code_that_it_needs() {
        for sql in [
            "DROP TABLE a",
            "ALTER TABLE a DROP COLUMN b",
            "ALTER TABLE a DROP b",
            "ALTER TABLE a RENAME COLUMN b TO c",
            "ALTER TABLE a RENAME TO b",
        ] {
            breaks(sql, TAKES_AWAY);
            breaks(&format!("-- reason: because\n{sql}"), TAKES_AWAY);
            passes(&format!("-- needs code: 12\n{sql}"));
        }
        passes("ALTER TABLE a DROP CONSTRAINT a_b_check");
    }

    #[test]
    fn a_finding_names_the_line() {
        let sql = "-- A comment.\nCREATE TABLE a (id uuid CONSTRAINT a_pkey PRIMARY KEY);\n\n-- Why.\nCREATE VIEW v AS SELECT 1;\n";
        assert_eq!(check(sql, For::Tenant).unwrap()[0].line, 5);
    }
}
