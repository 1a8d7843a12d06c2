//! Texts in tables for spreadsheets.

/// A text that a person wrote must not run as a formula, so a text that looks like a formula gets an
/// apostrophe in front (OWASP, CSV Injection).
pub fn guard_formula(text: &mut String) {
    let shown = text.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '\u{feff}' | '\u{200b}'));
    if shown.starts_with(['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}']) {
        text.insert(0, '\'');
    }
}
