//! The rules that every statement of a migration must follow, and what to write instead.
//!
//! There are three kinds of rules. The first kind keeps a business schema ready for copying, comparing and
//! sharding. The second kind prevents statements that block other queries while thousands of schemas are
//! migrated under traffic. A comment `-- reason: ...` above a statement exempts it from the second kind. The
//! third kind is about statements that remove something: the file must have a line `-- needs code: 12`, with
//! the newest migration that code must know. In a file for the `shared` schema, a reason above the statement
//! is enough.

use std::collections::HashSet;
use std::fmt;

use crate::migration::files::NEEDS_CODE;
use crate::migration::rules::TAKES_AWAY;
use crate::migration::script::{self, ScriptError};
use crate::migration::statement::Statement;

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
    /// The line of the statement's first word. The first line of the file is 1.
    pub line: usize,
    /// The rule that the statement breaks.
    pub rule: &'static str,
    /// The change to the file that follows the rule.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migration::rules::*;

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
                "CREATE TABLE a (id uuid, CONSTRAINT a_pkey PRIMARY KEY (id), \
                 FOREIGN KEY (id) REFERENCES c (id))",
                UNNAMED,
            ),
            ("CREATE TABLE a_2 (id uuid CONSTRAINT a_pkey PRIMARY KEY)", NUMBERED),
            ("CREATE TABLE a (id uuid CONSTRAINT a_pkey_1 PRIMARY KEY)", NUMBERED),
            ("CREATE INDEX a_idx_3 ON a (id)", NUMBERED),
            (
                "ALTER TABLE a ADD CONSTRAINT x CHECK (true) NOT VALID, \
                 ADD CONSTRAINT y CHECK (true) NOT VALID",
                SEVERAL,
            ),
            ("DO $$ BEGIN CREATE TABLE a (id int); END $$", HIDDEN),
            ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", HIDDEN),
            ("ALTER TABLE shared.users ADD COLUMN a int", QUALIFIED),
            (
                "CREATE TABLE a (id uuid CONSTRAINT a_pkey PRIMARY KEY \
                 CONSTRAINT a_id_fkey REFERENCES shared.users (id))",
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
        let sql = "-- A comment.\nCREATE TABLE a (id uuid CONSTRAINT a_pkey PRIMARY KEY);\n\n\
                   -- Why.\nCREATE VIEW v AS SELECT 1;\n";
        assert_eq!(check(sql, For::Tenant).unwrap()[0].line, 5);
    }
}
