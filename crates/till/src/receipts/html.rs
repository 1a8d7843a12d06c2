//! A receipt as an HTML page that needs no other file: for a browser to print, and for mails.

use inventory::till_settings::PrinterWidth;
use minijinja::value::Serde;
use minijinja::{Environment, Value};
use qrcode::QrCode;
use qrcode::render::svg;
use serde::Serialize;

use crate::receipts::rows::Row;

/// A receipt cannot be written as HTML.
#[derive(Debug, thiserror::Error)]
pub enum HtmlError {
    /// The template is wrong.
    #[error("the template of receipts is wrong")]
    Template(#[from] minijinja::Error),
    /// The text of the QR code is too long.
    #[error("the QR code cannot be drawn")]
    Qr(#[from] qrcode::types::QrError),
}

/// The values of the template.
#[derive(Serialize)]
struct Page<'a> {
    title: &'a str,
    width: PrinterWidth,
    rows: Vec<Shown<'a>>,
}

/// A row as the template shows it.
#[derive(Serialize)]
struct Shown<'a> {
    class: &'static str,
    left: &'a str,
    right: Option<&'a str>,
    svg: Option<String>,
}

/// The page, with a title.
///
/// # Errors
/// [`HtmlError`].
pub fn render(rows: &[Row], width: PrinterWidth, title: &str) -> Result<String, HtmlError> {
    let page = Page { title, width, rows: rows.iter().map(shown).collect::<Result<_, _>>()? };
    let values = Value::from(Serde(&page));
    // minijinja escapes all values, because the name ends in .html.
    Ok(Environment::new().render_named_str("receipt.html", include_str!("receipt.html"), values)?)
}

fn shown(row: &Row) -> Result<Shown<'_>, HtmlError> {
    let of = |class, left, right| Shown { class, left, right, svg: None };
    Ok(match row {
        Row::Title(text) => of("title", text, None),
        Row::Middle(text) => of("middle", text, None),
        Row::Left(text) => of(if text.starts_with(' ') { "left more" } else { "left" }, text.trim(), None),
        Row::Sides(left, right) => of("sides", left, Some(right)),
        Row::Total(left, right) => of("sides total", left, Some(right)),
        Row::Rule => of("rule", "", None),
        Row::Qr(text) => {
            let drawn = QrCode::new(text)?.render::<svg::Color<'_>>().min_dimensions(120, 120).build();
            // An HTML page must not contain the XML declaration of the SVG.
            let svg = drawn.split_once("?>").map_or(drawn.clone(), |(_, svg)| svg.to_owned());
            Shown { svg: Some(svg), ..of("qr", text, None) }
        }
    })
}
