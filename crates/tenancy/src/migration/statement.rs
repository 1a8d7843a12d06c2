//! One statement of a migration file, and the rules that it breaks.

use std::collections::HashSet;

use squawk_lexer::{TokenKind, tokenize};

use crate::migration::guard::For;
use crate::migration::rules::*;

/// A statement in the form that the rules check: lower-case words and signs, without comments.
pub(super) struct Statement<'a> {
    words: Vec<Word<'a>>,
    pub has_reason: bool,
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
    pub(super) fn read(text: &'a str) -> Self {
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

    pub(super) fn made_table(&self) -> Option<&str> {
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
    pub(super) fn rules_of_form(&self, file_is_for: For) -> Vec<Rule> {
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
    pub(super) fn rules_of_waiting(&self, made_here: &HashSet<String>) -> Vec<Rule> {
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
    pub(super) fn takes_away(&self) -> bool {
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
