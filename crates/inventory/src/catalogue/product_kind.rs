//! Kinds of products: those with stock, and those without.

values::words! {
    /// The kind of a product, which decides whether it has stock. It never changes.
    pub enum ProductKind {
        /// Goods, which are kept in stock.
        Goods = "goods",
        /// Work that is sold, such as a repair. It has no stock.
        Service = "service",
        /// An amount that is charged beside goods, such as a delivery or a deposit. It has no stock, and a
        /// discount on the whole order leaves it out.
        Fee = "fee",
        /// Several articles that are sold together at one price, such as a gift basket. A bundle has no stock
        /// of its own: a sale takes its components from the stock.
        Bundle = "bundle",
    }
}

impl ProductKind {
    /// Whether the product is kept in stock.
    pub const fn has_stock(self) -> bool {
        matches!(self, Self::Goods)
    }
}
