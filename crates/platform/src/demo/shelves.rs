//! The products of the demo businesses, with their suppliers and customers.

/// The suppliers: the name, the email and the lead time in days.
pub const SUPPLIERS: [(&str, &str, i16); 2] =
    [("Northern Wholesale", "orders@northern.example", 4), ("Brandt & Sons", "sales@brandt.example", 9)];

/// The names of the customers.
pub const CUSTOMERS: [&str; 6] = [
    "Amina Odhiambo",
    "Jonas Weber",
    "Riverside School",
    "Hill Street Builders",
    "Marta Silva",
    "Café Aroma",
];

/// A product of the demo, with its variants and its supplier.
pub struct Shelf {
    pub category: &'static str,
    pub name: &'static str,
    /// The index of the supplier in the list of the business's suppliers.
    pub supplier: usize,
    pub items: &'static [Item],
}

/// A variant of the demo. Amounts and quantities are decimal strings.
pub struct Item {
    /// The size of the variant. Empty when the product has only one variant.
    pub size: &'static str,
    pub sku: &'static str,
    pub barcode: &'static str,
    pub price: &'static str,
    pub cost: &'static str,
    pub reorder_level: &'static str,
    pub opening_stock: &'static str,
}

const fn item(
    size: &'static str,
    sku: &'static str,
    barcode: &'static str,
    [price, cost]: [&'static str; 2],
    [reorder_level, opening_stock]: [&'static str; 2],
) -> Item {
    Item { size, sku, barcode, price, cost, reorder_level, opening_stock }
}

pub const HARDWARE: &[Shelf] = &[
    Shelf {
        category: "Fasteners",
        name: "Hex bolt",
        supplier: 0,
        items: &[
            item("M6", "BOLT-M6", "4006381333931", ["0.35", "0.12"], ["200", "1250"]),
            item("M8", "BOLT-M8", "4006381333948", ["0.45", "0.16"], ["200", "980"]),
            item("M10", "BOLT-M10", "4006381333955", ["0.65", "0.24"], ["150", "140"]),
        ],
    },
    Shelf {
        category: "Fasteners",
        name: "Wood screw, box of 100",
        supplier: 0,
        items: &[
            item("4x40", "SCREW-4X40", "4006381333962", ["6.90", "3.10"], ["20", "64"]),
            item("5x60", "SCREW-5X60", "4006381333979", ["8.90", "4.05"], ["20", "12"]),
        ],
    },
    Shelf {
        category: "Tools",
        name: "Claw hammer",
        supplier: 1,
        items: &[item("", "HAMMER-16", "4006381333986", ["24.90", "11.80"], ["5", "18"])],
    },
    Shelf {
        category: "Tools",
        name: "Tape measure",
        supplier: 1,
        items: &[
            item("5 m", "TAPE-5", "4006381333993", ["9.50", "3.90"], ["10", "33"]),
            item("8 m", "TAPE-8", "4006381334006", ["14.50", "6.20"], ["8", "7"]),
        ],
    },
    Shelf {
        category: "Tools",
        name: "Cordless drill 18 V",
        supplier: 1,
        items: &[item("", "DRILL-18V", "4006381334013", ["129.00", "78.50"], ["3", "6"])],
    },
    Shelf {
        category: "Tools",
        name: "Utility knife",
        supplier: 1,
        items: &[item("", "KNIFE-18", "4006381334020", ["7.95", "2.70"], ["12", "41"])],
    },
    Shelf {
        category: "Paint",
        name: "Wall paint",
        supplier: 1,
        items: &[
            item("White 5 l", "PAINT-W5", "4006381334037", ["32.00", "17.40"], ["10", "26"]),
            item("White 10 l", "PAINT-W10", "4006381334044", ["55.00", "30.10"], ["6", "9"]),
            item("Grey 5 l", "PAINT-G5", "4006381334051", ["36.00", "19.20"], ["6", "4"]),
        ],
    },
    Shelf {
        category: "Paint",
        name: "Brush 50 mm",
        supplier: 1,
        items: &[item("", "BRUSH-50", "4006381334068", ["4.80", "1.60"], ["15", "52"])],
    },
    Shelf {
        category: "Garden",
        name: "Garden hose, per metre",
        supplier: 0,
        items: &[item("", "HOSE-M", "4006381334075", ["1.95", "0.80"], ["50", "187.5"])],
    },
    Shelf {
        category: "Garden",
        name: "Work gloves",
        supplier: 0,
        items: &[
            item("M", "GLOVES-M", "4006381334082", ["5.90", "2.10"], ["20", "38"]),
            item("L", "GLOVES-L", "4006381334099", ["5.90", "2.10"], ["20", "0"]),
        ],
    },
];

pub const GROCERIES: &[Shelf] = &[
    Shelf {
        category: "Dairy",
        name: "Whole milk 1 l",
        supplier: 0,
        items: &[item("", "MILK-1", "5449000000996", ["1.29", "0.84"], ["40", "96"])],
    },
    Shelf {
        category: "Dairy",
        name: "Butter 250 g",
        supplier: 0,
        items: &[item("", "BUTTER-250", "5449000001009", ["2.79", "1.95"], ["20", "35"])],
    },
    Shelf {
        category: "Fruit",
        name: "Apples, per kg",
        supplier: 1,
        items: &[item("", "APPLE-KG", "5449000001016", ["2.49", "1.20"], ["25", "61.250"])],
    },
    Shelf {
        category: "Fruit",
        name: "Bananas, per kg",
        supplier: 1,
        items: &[item("", "BANANA-KG", "5449000001023", ["1.79", "0.95"], ["30", "44.8"])],
    },
    Shelf {
        category: "Bakery",
        name: "Sourdough bread",
        supplier: 1,
        items: &[item("", "BREAD-SD", "5449000001030", ["3.90", "1.40"], ["10", "8"])],
    },
];
