//! Values of the demo, read from the texts of its shelves.

use inventory::options::Options;
use inventory::own_keys::OwnKeys;
use inventory::variant::NewVariant;
use values::{Barcode, Money, Name, NonNegative, OptionText, Percent, Positive, ProductTag, Quantity, Sku};

use super::shelves::{Item, Shelf};
use super::{DemoError, data};

/// Tags that a shop uses to search across categories.
pub fn tags_of(shelf: &Shelf) -> Result<Vec<ProductTag>, DemoError> {
    let tags: &[&str] = match shelf.category {
        "Garden" => &["outdoor", "season"],
        "Paint" => &["indoor"],
        _ => &[],
    };
    tags.iter().map(|tag| ProductTag::parse(tag).map_err(data)).collect()
}

pub fn variant(item: &Item) -> Result<NewVariant, DemoError> {
    let mut options = Options::new();
    if !item.size.is_empty() {
        options.insert(OptionText::parse("Size").map_err(data)?, OptionText::parse(item.size).map_err(data)?);
    }
    Ok(NewVariant {
        own_keys: OwnKeys::default(),
        sku: Sku::parse(item.sku).map_err(data)?,
        barcodes: vec![Barcode::parse(item.barcode).map_err(data)?],
        price: not_negative(item.price)?,
        compare_at_price: None,
        cost: Some(not_negative(item.cost)?),
        reorder_level: Some(NonNegative::new(quantity(item.reorder_level)?).map_err(data)?),
        target_quantity: None,
        options,
        components: Vec::new(),
    })
}

pub fn name(text: &str) -> Result<Name, DemoError> {
    Name::parse(text).map_err(data)
}

pub fn money(text: &str) -> Result<Money, DemoError> {
    Money::parse(text).map_err(data)
}

pub fn quantity(text: &str) -> Result<Quantity, DemoError> {
    Quantity::parse(text).map_err(data)
}

pub fn positive(text: &str) -> Result<Positive<Quantity>, DemoError> {
    Positive::new(quantity(text)?).map_err(data)
}

pub fn not_negative(text: &str) -> Result<NonNegative<Money>, DemoError> {
    NonNegative::new(money(text)?).map_err(data)
}

pub fn percent(text: &str) -> Result<Percent, DemoError> {
    Percent::parse(text).map_err(data)
}
