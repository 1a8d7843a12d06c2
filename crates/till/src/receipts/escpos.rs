//! A receipt as bytes for an ESC/POS printer. The till sends the bytes unchanged.

use std::cell::RefCell;
use std::rc::Rc;

use encoding_rs::WINDOWS_1252;
use escpos::driver::Driver;
use escpos::errors::Result;
use escpos::printer::Printer;
use escpos::printer_options::PrinterOptions;
use escpos::utils::{
    Encoder, JustifyMode, PageCode, Protocol, QRCodeCorrectionLevel, QRCodeModel, QRCodeOption,
};
use inventory::till_settings::PrinterWidth;
use unicode_normalization::UnicodeNormalization as _;

use crate::receipts::paper::{Line, columns, lines};
use crate::receipts::rows::Row;

/// Collects the bytes for a printer.
#[derive(Clone, Default)]
struct Bytes(Rc<RefCell<Vec<u8>>>);

impl Driver for Bytes {
    fn name(&self) -> String {
        "bytes".to_owned()
    }

    fn write(&self, data: &[u8]) -> Result<()> {
        self.0.borrow_mut().extend_from_slice(data);
        Ok(())
    }

    fn read(&self, _: &mut [u8]) -> Result<usize> {
        Ok(0)
    }

    fn flush(&self) -> Result<()> {
        Ok(())
    }
}

/// A receipt cannot be written for a printer.
#[derive(Debug, thiserror::Error)]
#[error("the receipt cannot be written for an ESC/POS printer")]
pub struct EscPosError(#[from] escpos::errors::PrinterError);

/// The bytes: the text in Windows-1252, a command to draw the QR code, and a command to cut the paper. A
/// character outside Windows-1252 is printed without its accent, or else as a question mark.
///
/// # Errors
/// [`EscPosError`] if the text of the QR code is too long.
pub fn render(rows: &[Row], width: PrinterWidth) -> std::result::Result<Vec<u8>, EscPosError> {
    let bytes = Bytes::default();
    let options = PrinterOptions::new(Some(PageCode::WPC1252), None, columns(width) as u8);
    let protocol = Protocol::new(Encoder::new(WINDOWS_1252));
    let mut printer = Printer::new(bytes.clone(), protocol, Some(options));
    printer.init()?;
    for line in lines(rows, width) {
        match line {
            Line::Text { text, is_bold } => {
                printer.bold(is_bold)?.writeln(&printable(&text))?;
            }
            Line::Qr(text) => {
                let level = QRCodeCorrectionLevel::M;
                let option = QRCodeOption::new(QRCodeModel::Model2, 5, level);
                printer.justify(JustifyMode::CENTER)?.qrcode_option(&text, option)?;
                printer.justify(JustifyMode::LEFT)?;
            }
        }
    }
    printer.bold(false)?.feeds(3)?.print_cut()?;
    Ok(bytes.0.take())
}

/// The text in letters that the code page has.
fn printable(text: &str) -> String {
    let has = |letter: char| !WINDOWS_1252.encode(letter.encode_utf8(&mut [0; 4])).2;
    let plain = |letter: char| letter.nfd().find(|part| has(*part)).unwrap_or('?');
    text.nfc().map(|letter| if has(letter) { letter } else { plain(letter) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_that_a_printer_lacks_are_replaced() {
        assert_eq!(printable("Caf\u{e9} \u{20ac} 5"), "Caf\u{e9} \u{20ac} 5");
        assert_eq!(printable("e\u{301}"), "\u{e9}");
        assert_eq!(printable("\u{141}\u{f3}d\u{17a} \u{6f22}"), "?\u{f3}dz ?");
        let rows = [Row::Title("Caf\u{e9}".to_owned()), Row::Qr("R1-2026-000001".to_owned())];
        let bytes = render(&rows, PrinterWidth::Narrow).unwrap();
        let has = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
        // ESC @, the code page, bold, the text, the data of the QR code, and the cut.
        for part in [&b"\x1b@"[..], b"\x1bt\x10", b"\x1bE\x01", b"Caf\xe9", b"R1-2026-000001", b"\x1dV"] {
            assert!(has(part), "{part:?} in {bytes:?}");
        }
    }
}
