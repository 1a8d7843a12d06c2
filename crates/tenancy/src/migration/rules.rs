//! The rules of migration files, and the fix for each.

/// A rule, and the fix for a statement that breaks it.
pub(super) type Rule = (&'static str, &'static str);

pub(super) const TRIGGER: Rule = (
    "a business schema must not have triggers or rules",
    "do this work in the statement that changes the row",
);
pub(super) const VIEW: Rule = ("a business schema must not have views", "write the query where it is used");
pub(super) const INHERITANCE: Rule =
    ("a business schema must not use inheritance", "give each table its own columns");
pub(super) const MERGE: Rule = ("MERGE is not allowed", "use INSERT ... ON CONFLICT, or UPDATE and INSERT");
pub(super) const TYPE: Rule = (
    "a business schema must not have types or domains, because a statement that was prepared in one schema \
     is used in others, too",
    "use text with a named CHECK",
);
pub(super) const SEQUENCE: Rule = (
    "sequences, serial columns and identity columns are not allowed",
    "create uuids in the program; take numbers for people from a counter row",
);
pub(super) const VOLATILE: Rule = (
    "a business schema must not use volatile values: clock, random number, new uuid or setting",
    "pass the value from the program as a parameter",
);
pub(super) const NO_KEY: Rule =
    ("every table must have a primary key", "add CONSTRAINT <table>_pkey PRIMARY KEY");
pub(super) const UNNAMED: Rule =
    ("every constraint must have a name", "write CONSTRAINT <table>_<columns>_<key|fkey|check> before it");
pub(super) const NUMBERED: Rule = (
    "a name must not end in _<digits>, because a sharding extension appends such numbers",
    "choose a name that ends in a word",
);
pub(super) const SEVERAL: Rule =
    ("an ALTER TABLE may have only one ADD CONSTRAINT", "write one ALTER TABLE for each constraint");
pub(super) const HIDDEN: Rule = (
    "a business schema must not have DO blocks or functions",
    "write the statements themselves, at top level",
);
pub(super) const QUALIFIED: Rule = (
    "a file for business schemas must not name a schema or refer to a shared table",
    "leave out the schema, because the search_path selects it; store a shared row's id in a plain column",
);
pub(super) const UNQUALIFIED: Rule =
    ("a file for the shared schema must name the schema", "write shared.<table>");
pub(super) const TRANSACTION: Rule = (
    "a migration runs inside a transaction that is already open",
    "leave out BEGIN, COMMIT, SET and CONCURRENTLY",
);
pub(super) const CONFLICT: Rule =
    ("ON CONFLICT DO UPDATE must use EXCLUDED", "take the new values from EXCLUDED");
pub(super) const EXTENSION: Rule = (
    "a migration must not create an extension, because extensions belong to the installation",
    "create the extension in the bootstrap",
);

pub(super) const TAKES_AWAY: Rule = (
    "removes or renames something that servers of the last release may still use",
    "stop using it one release earlier; then add a line `-- needs code: <version>` with the newest migration \
     of that release",
);
pub(super) const REWRITE: Rule = (
    "rewrites the table while the table is locked",
    "add a column, fill it in steps, and drop the old column one release later; or explain the exception \
     with `-- reason: ...`",
);
pub(super) const SCAN: Rule = (
    "reads the whole table while the table is locked",
    "add the constraint NOT VALID, and VALIDATE it in a later file; or explain the exception with \
     `-- reason: ...`",
);
pub(super) const NOT_NULL: Rule = (
    "SET NOT NULL reads the whole table while the table is locked",
    "add CHECK (... IS NOT NULL) NOT VALID, VALIDATE it, then SET NOT NULL; or explain the exception with \
     `-- reason: ...`",
);
pub(super) const KEY: Rule = (
    "builds an index while the table is locked",
    "create a unique index in one file, and ADD CONSTRAINT ... USING INDEX in the next; or explain the \
     exception with `-- reason: ...`",
);
pub(super) const INDEX: Rule = (
    "builds an index on a table that is in use, and blocks all writes to the table during that time",
    "create the index in the file that creates the table; or explain with `-- reason: ...` why the index is \
     built quickly",
);
pub(super) const LOCK: Rule = (
    "locks the table and blocks all other queries on it",
    "find another way; or explain the exception with `-- reason: ...`",
);
pub(super) const ROWS: Rule = (
    "changes rows of a table that is in use; each row stays locked until the migration ends",
    "change the rows in steps from the program; or explain with `-- reason: ...` why the lock is short",
);

/// Functions that return a different value each time.
pub(super) const VOLATILE_WORDS: [&str; 15] = [
    "now",
    "clock_timestamp",
    "statement_timestamp",
    "transaction_timestamp",
    "current_timestamp",
    "current_date",
    "localtimestamp",
    "localtime",
    "current_time",
    "timeofday",
    "random",
    "gen_random_uuid",
    "uuid_generate_v4",
    "nextval",
    "current_setting",
];
