//! The lines of a receipt on paper: rows that are broken and aligned to its width, in a monospaced font.

use inventory::till_settings::PrinterWidth;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::receipts::rows::Row;

/// A line on paper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    /// A text, at most as wide as the paper.
    Text { text: String, is_bold: bool },
    /// A QR code with this text.
    Qr(String),
}

/// The number of characters on a line.
pub(super) const fn columns(width: PrinterWidth) -> usize {
    match width {
        PrinterWidth::Narrow => 32,
        PrinterWidth::Wide => 48,
    }
}

/// Breaks and aligns rows.
pub(super) fn lines(rows: &[Row], width: PrinterWidth) -> Vec<Line> {
    let columns = columns(width);
    let mut lines = Vec::new();
    for row in rows {
        let (texts, is_bold) = match row {
            Row::Title(text) => (middle(text, columns), true),
            Row::Middle(text) => (middle(text, columns), false),
            Row::Left(text) => (broken(text, columns), false),
            Row::Sides(left, right) => (sides(left, right, columns), false),
            Row::Total(left, right) => (sides(left, right, columns), true),
            Row::Rule => (vec!["-".repeat(columns)], false),
            Row::Qr(text) => {
                lines.push(Line::Qr(text.clone()));
                continue;
            }
        };
        lines.extend(texts.into_iter().map(|text| Line::Text { text, is_bold }));
    }
    lines
}

fn middle(text: &str, columns: usize) -> Vec<String> {
    let centred = |line: String| format!("{}{line}", " ".repeat((columns - line.width().min(columns)) / 2));
    broken(text, columns).into_iter().map(centred).collect()
}

/// The right text stands on the last line of the left one, or on lines of its own if there is no room.
fn sides(left: &str, right: &str, columns: usize) -> Vec<String> {
    let on_the_right = |text: &str| format!("{}{text}", " ".repeat(columns - text.width().min(columns)));
    let room = columns.saturating_sub(right.width() + 1);
    if room < columns / 3 {
        let right = broken(right, columns);
        return broken(left, columns)
            .into_iter()
            .chain(right.iter().map(|line| on_the_right(line)))
            .collect();
    }
    let mut lines = broken(left, room);
    let last = lines.pop().unwrap_or_default();
    let gap = columns - last.width() - right.width();
    lines.push(format!("{last}{}{right}", " ".repeat(gap)));
    lines
}

/// Breaks a text between words, or in a word that is wider than a line. The spaces at the beginning are
/// kept on every line.
fn broken(text: &str, columns: usize) -> Vec<String> {
    let spaces = text.chars().take_while(|letter| letter.is_whitespace()).count();
    let indent = " ".repeat(spaces.min(columns / 2));
    let room = columns - indent.width();
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        for piece in pieces(word, room) {
            let line =
                lines.last_mut().filter(|line| line.is_empty() || line.width() + 1 + piece.width() <= room);
            match line {
                Some(line) if line.is_empty() => line.push_str(&piece),
                Some(line) => {
                    line.push(' ');
                    line.push_str(&piece);
                }
                None => lines.push(piece),
            }
        }
    }
    lines.into_iter().map(|line| format!("{indent}{line}")).collect()
}

/// A word in pieces, each at most as wide as the room.
fn pieces(word: &str, room: usize) -> Vec<String> {
    let mut pieces = vec![String::new()];
    for letter in word.chars() {
        let wide = letter.width().unwrap_or(0);
        match pieces.last_mut().filter(|piece| piece.width() + wide <= room) {
            Some(piece) => piece.push(letter),
            None => pieces.push(letter.to_string()),
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(rows: &[Row]) -> Vec<String> {
        let text = |line| match line {
            Line::Text { text, .. } => text,
            Line::Qr(text) => text,
        };
        lines(rows, PrinterWidth::Narrow).into_iter().map(text).collect()
    }

    #[test]
    fn amounts_stand_on_the_right_however_long_the_name_is() {
        let sides = |left: &str, right: &str| texts(&[Row::Sides(left.to_owned(), right.to_owned())]);
        assert_eq!(sides("  2 x 9.50", "19.00 A"), ["  2 x 9.50               19.00 A"]);
        assert_eq!(
            sides("a long name of a thing in a shop", "19.00"),
            ["a long name of a thing in", "a shop                     19.00"]
        );
        let wide = "x".repeat(30);
        assert_eq!(sides("left", &wide), ["left".to_owned(), format!("  {wide}")]);
    }

    #[test]
    fn no_line_is_wider_than_the_paper() {
        let mut random = fastrand::Rng::with_seed(3);
        let letters = [
            "a",
            "bc",
            " ",
            "\u{6f22}",
            "\u{e9}",
            "\u{301}",
            "\u{1f355}",
            "\u{3000}",
            "\u{2003}",
            "wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww",
        ];
        for _ in 0..3_000 {
            let mut text = || -> String {
                (0..random.usize(..30)).map(|_| letters[random.usize(..letters.len())]).collect()
            };
            let (one, other) = (text(), text());
            let rows = [
                Row::Sides(one.clone(), other.clone()),
                Row::Title(one.clone()),
                Row::Left(format!("  {other}")),
                Row::Rule,
            ];
            for line in texts(&rows) {
                assert!(line.width() <= 32, "{line:?} of {one:?} and {other:?}");
            }
        }
    }

    #[test]
    fn a_text_is_broken_between_words_and_keeps_its_indent() {
        assert_eq!(
            texts(&[Row::Left("  engraved for Ann and Bob, with a ribbon".to_owned())]),
            ["  engraved for Ann and Bob, with", "  a ribbon"]
        );
        assert_eq!(texts(&[Row::Middle("abcd".to_owned())]), [format!("{}abcd", " ".repeat(14))]);
    }
}
