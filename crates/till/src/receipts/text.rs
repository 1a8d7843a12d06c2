//! A receipt as plain text, for printers that print text alone.

use inventory::till_settings::PrinterWidth;

use crate::receipts::paper::{Line, lines};
use crate::receipts::rows::Row;

/// The text, with a line break after each line. A QR code is left out.
pub fn render(rows: &[Row], width: PrinterWidth) -> String {
    let mut text = String::new();
    for line in lines(rows, width) {
        if let Line::Text { text: line, .. } = line {
            text.push_str(line.trim_end());
            text.push('\n');
        }
    }
    text
}
