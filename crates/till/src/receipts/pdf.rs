//! A receipt as a PDF document: one long page as wide as the paper.

use std::sync::LazyLock;

use inventory::till_settings::PrinterWidth;
use krilla::Document;
use krilla::geom::{Path, PathBuilder, Point, Rect};
use krilla::metadata::Metadata;
use krilla::page::PageSettings;
use krilla::surface::Surface;
use krilla::text::{Font, TextDirection};
use qrcode::{Color, QrCode};

use crate::receipts::paper::{Line, columns, lines};
use crate::receipts::rows::Row;

static REGULAR: LazyLock<Option<Font>> = LazyLock::new(|| Font::new(dejavu::sans_mono::regular().into(), 0));
static BOLD: LazyLock<Option<Font>> = LazyLock::new(|| Font::new(dejavu::sans_mono::bold().into(), 0));

/// The width of a character, as a multiple of the font size.
const ADVANCE: f32 = 0.602;
/// The line height, as a multiple of the font size.
const LEADING: f32 = 1.25;
const MARGIN: f32 = 8.0;
/// The length of the longest page, in points: readers of PDF refuse pages of more than 14,400.
const LONGEST: f32 = 14_000.0;

/// A receipt cannot be written as a PDF document.
#[derive(Debug, thiserror::Error)]
pub enum PdfError {
    /// The PDF document cannot be written. The text names the reason.
    #[error("the PDF document cannot be written: {0}")]
    Document(String),
    /// The text of the QR code is too long.
    #[error("the QR code cannot be drawn")]
    Qr(#[from] qrcode::types::QrError),
}

/// A line of text or a QR code on a page.
enum Piece {
    Text { text: String, is_bold: bool },
    Qr(QrCode),
}

/// Writes the document. The font has Latin, Greek and Cyrillic letters; others may print as boxes.
///
/// # Errors
/// [`PdfError`].
pub fn render(rows: &[Row], width: PrinterWidth, title: String) -> Result<Vec<u8>, PdfError> {
    let unfit = |what: &str| PdfError::Document(what.to_owned());
    let page_width = match width {
        PrinterWidth::Narrow => 164.4,
        PrinterWidth::Wide => 226.8,
    };
    let room = page_width - 2.0 * MARGIN;
    let size = room / (columns(width) as f32 * ADVANCE);
    let pieces: Vec<Piece> = lines(rows, width).into_iter().map(Piece::of).collect::<Result<_, _>>()?;
    let mut document = Document::new();
    document.set_metadata(Metadata::new().title(title));
    let (regular, bold) = REGULAR.as_ref().zip(BOLD.as_ref()).ok_or_else(|| unfit("no font"))?;
    for pieces in pages(&pieces, size, room) {
        let height: f32 = pieces.iter().map(|piece| piece.height(size, room)).sum();
        let settings =
            PageSettings::from_wh(page_width, height + 2.0 * MARGIN).ok_or_else(|| unfit("no size"))?;
        let mut page = document.start_page_with(settings);
        let mut surface = page.surface();
        let mut top = MARGIN;
        for piece in pieces {
            match piece {
                Piece::Text { text, is_bold } => {
                    let font = if *is_bold { bold } else { regular };
                    let start = Point::from_xy(MARGIN, top + size);
                    surface.draw_text(start, font.clone(), size, text, false, TextDirection::Auto);
                }
                Piece::Qr(code) => {
                    let corner = (MARGIN + room / 4.0, top + size * LEADING / 2.0);
                    draw_qr(&mut surface, code, corner, room / 2.0);
                }
            }
            top += piece.height(size, room);
        }
        surface.finish();
        page.finish();
    }
    document.finish().map_err(|error| PdfError::Document(format!("{error:?}")))
}

impl Piece {
    fn of(line: Line) -> Result<Self, PdfError> {
        Ok(match line {
            Line::Text { text, is_bold } => Self::Text { text, is_bold },
            Line::Qr(text) => Self::Qr(QrCode::new(text)?),
        })
    }

    fn height(&self, size: f32, room: f32) -> f32 {
        match self {
            Self::Text { .. } => size * LEADING,
            Self::Qr(_) => room / 2.0 + size * LEADING,
        }
    }
}

/// Divides pieces among pages; nearly every receipt fits one.
fn pages(pieces: &[Piece], size: f32, room: f32) -> Vec<&[Piece]> {
    let (mut pages, mut from, mut height) = (Vec::new(), 0, 0.0);
    for (at, piece) in pieces.iter().enumerate() {
        height += piece.height(size, room);
        if height > LONGEST {
            pages.push(&pieces[from..at]);
            (from, height) = (at, piece.height(size, room));
        }
    }
    pages.push(&pieces[from..]);
    pages
}

/// Draws a QR code in a square.
fn draw_qr(surface: &mut Surface<'_>, code: &QrCode, (left, top): (f32, f32), side: f32) {
    let module = side / code.width() as f32;
    let mut squares = PathBuilder::new();
    for (at, _) in code.to_colors().iter().enumerate().filter(|(_, color)| **color == Color::Dark) {
        let (x, y) = ((at % code.width()) as f32, (at / code.width()) as f32);
        let square = Rect::from_xywh(left + x * module, top + y * module, module, module);
        square.into_iter().for_each(|square| squares.push_rect(square));
    }
    let path: Option<Path> = squares.finish();
    path.iter().for_each(|path| surface.draw_path(path));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_receipt_is_divided_among_pages() {
        let rows = |count| vec![Row::Left("a line".to_owned()); count];
        let pdf = |count| render(&rows(count), PrinterWidth::Wide, "Receipt".to_owned()).unwrap();
        let pages = |pdf: &[u8]| pdf.windows(9).filter(|part| part == b"/MediaBox").count();
        assert!(pdf(1).starts_with(b"%PDF-"));
        assert_eq!((pages(&pdf(1)), pages(&pdf(5_000))), (1, 4));
        // The same receipt is the same document.
        assert_eq!(pdf(30), pdf(30));
    }
}
