//! From domain errors to problems: one `match` per error without a `_` arm, so that a new variant asks for its status.

use archive::TransferError;
use identity::TokenError;
use identity::login::LoginError;
use identity::membership::MembershipError;
use inventory::adjustment::AdjustmentError;
use inventory::category::CategoryError;
use inventory::count::CountError;
use inventory::customer::CustomerError;
use inventory::document::PartError;
use inventory::goods_receipt::ReceiptError;
use inventory::idempotency::IdempotencyError;
use inventory::location::LocationError;
use inventory::order::OrderError;
use inventory::pricing::PricingError;
use inventory::product::ProductError;
use inventory::purchase_order::PurchaseError;
use inventory::settings::SettingsError;
use inventory::stock::StockError;
use inventory::supplier::SupplierError;
use inventory::tax_class::TaxError;
use inventory::transfer as stock_transfer;
use inventory::variant::VariantError;
use platform::{BackupError, MemberError, OnboardingError, OperatorError};
use serde_json::json;
use tenancy::domain::DomainError;
use tenancy::jobs::JobChangeError;
use tenancy::lifecycle::LifecycleError;
use tenancy::{DbError, ProvisionError, ResolveError};

use crate::http::problem::Problem;

impl From<DbError> for Problem {
    fn from(error: DbError) -> Self {
        if let DbError::BusinessBusy = error {
            return Self::new(
                actix_web::http::StatusCode::TOO_MANY_REQUESTS,
                "business_busy",
                "This business has too many requests at work at the same time. Try again.",
            )
            .retry_after(1);
        }
        if error.is_unavailable() {
            return Self::unavailable("unavailable", "The database is busy. Try again.", 1).caused_by(error);
        }
        Self::internal(error)
    }
}

impl From<ResolveError> for Problem {
    fn from(error: ResolveError) -> Self {
        match &error {
            ResolveError::Busy => {
                Self::unavailable("unavailable", "Too much at once. Try again.", 1).caused_by(error)
            }
            ResolveError::Database(cause) if cause.is_unavailable() => {
                Self::unavailable("unavailable", "The database is busy. Try again.", 1).caused_by(error)
            }
            // Whoever is known is served from memory; nobody else can be found for now.
            ResolveError::Database(_) => {
                Self::unavailable("unavailable", "The registry cannot be read. Try again.", 5)
                    .caused_by(error)
            }
        }
    }
}

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        let (code, challenge) = match error {
            TokenError::Expired => (
                "token_expired",
                r#"Bearer realm="tenantry", error="invalid_token", error_description="expired""#,
            ),
            TokenError::Invalid => ("token_invalid", r#"Bearer realm="tenantry", error="invalid_token""#),
            TokenError::WrongBusiness => (
                "token_wrong_business",
                r#"Bearer realm="tenantry", error="invalid_token", error_description="wrong business""#,
            ),
        };
        Self::unauthorized(code, sentence(&error), challenge)
    }
}

impl From<LoginError> for Problem {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::InvalidCredentials => Self::unauthorized(
                "invalid_credentials",
                "Email or password is wrong.",
                r#"Bearer realm="tenantry""#,
            ),
            LoginError::NoMembership => {
                Self::forbidden("no_membership", "You have no access here. Ask the owner to invite you.")
            }
            LoginError::TooBusy(error) => Self::unavailable("too_busy", sentence(&error), 2),
            LoginError::Db(error) => error.into(),
        }
    }
}

impl From<CategoryError> for Problem {
    fn from(error: CategoryError) -> Self {
        match error {
            CategoryError::NotFound => Self::not_found(),
            CategoryError::Stale => Self::stale(),
            CategoryError::DuplicateName(_) => {
                Self::conflict("duplicate_name", sentence(&error)).at("/name", "duplicate_name", &error)
            }
            CategoryError::UnknownParent => Self::not_found().at("/parentId", "not_found", &error),
            CategoryError::Cycle => Self::invalid("/parentId", "category_cycle", &error),
            CategoryError::Db(error) => error.into(),
        }
    }
}

impl From<ProductError> for Problem {
    fn from(error: ProductError) -> Self {
        match error {
            ProductError::NotFound => Self::not_found(),
            ProductError::Stale => Self::stale(),
            ProductError::UnknownTaxClass => Self::not_found().at("/taxClassId", "not_found", &error),
            ProductError::UnknownCategory => Self::not_found().at("/categoryId", "not_found", &error),
            ProductError::Options => Self::invalid("/options", "invalid_options", &error),
            ProductError::Tags => Self::invalid("/tags", "invalid_tags", &error),
            ProductError::Variant(error) => from_variant(error, |index| format!("/variants/{index}")),
            ProductError::Db(error) => error.into(),
        }
    }
}

impl From<VariantError> for Problem {
    fn from(error: VariantError) -> Self {
        from_variant(error, |_| String::new())
    }
}

/// `place` is the pointer to the variant with this index in the request's body.
fn from_variant(error: VariantError, place: impl Fn(usize) -> String) -> Problem {
    let text = error.to_string();
    match error {
        VariantError::NotFound | VariantError::UnknownProduct => Problem::not_found(),
        VariantError::Stale => Problem::stale(),
        VariantError::DuplicateSku { index, .. } => Problem::conflict("duplicate_sku", sentence(&text)).at(
            format!("{}/sku", place(index)),
            "duplicate_sku",
            text,
        ),
        VariantError::DuplicateBarcode(_) => Problem::conflict("duplicate_barcode", sentence(&text)),
        VariantError::DuplicateOptions => Problem::conflict("duplicate_options", sentence(&text)),
        VariantError::OptionsMismatch { index } => {
            Problem::invalid(format!("{}/options", place(index)), "options_mismatch", text)
        }
        VariantError::Negative { index, field } => {
            Problem::invalid(format!("{}/{field}", place(index)), "negative", text)
        }
        VariantError::Count => Problem::invalid("/variants", "variant_count", text),
        VariantError::TooManyBarcodes { index } => {
            Problem::invalid(format!("{}/barcodes", place(index)), "too_many_barcodes", text)
        }
        VariantError::Db(error) => error.into(),
    }
}

impl From<StockError> for Problem {
    fn from(error: StockError) -> Self {
        match error {
            StockError::Insufficient(shortages) => {
                let shortages: Vec<_> = shortages
                    .iter()
                    .map(|shortage| {
                        json!({
                            "variantId": shortage.variant_id,
                            "locationId": shortage.location_id,
                            "requested": shortage.requested,
                            "available": shortage.available,
                        })
                    })
                    .collect();
                Self::conflict("insufficient_stock", "There is not enough stock; see shortages.")
                    .with("shortages", json!(shortages))
            }
            StockError::UnknownVariant => Self::not_found().at("/variantId", "not_found", &error),
            StockError::ClosedLocation => Self::conflict("location_archived", sentence(&error)),
            StockError::TooMuch => Self::invalid("/quantity", "quantity_too_large", &error),
            StockError::Db(error) => error.into(),
        }
    }
}

impl From<TaxError> for Problem {
    fn from(error: TaxError) -> Self {
        match error {
            TaxError::NotFound => Self::not_found(),
            TaxError::Stale => Self::stale(),
            TaxError::DuplicateName(_) => {
                Self::conflict("duplicate_name", sentence(&error)).at("/name", "duplicate_name", &error)
            }
            TaxError::Rates => Self::invalid("/rates", "invalid_rates", &error),
            TaxError::Db(error) => error.into(),
        }
    }
}

impl From<SettingsError> for Problem {
    fn from(error: SettingsError) -> Self {
        match error {
            SettingsError::Stale => Self::stale(),
            SettingsError::UnknownTimeZone => Self::invalid("/timeZone", "unknown_time_zone", &error),
            SettingsError::DiscountLimit => Self::invalid("/discountLimitPercent", "out_of_range", &error),
            SettingsError::Tolerance => Self::invalid("/overReceiptPercent", "out_of_range", &error),
            SettingsError::Reasons => Self::invalid("/adjustmentReasons", "invalid_reasons", &error),
            SettingsError::Db(error) => error.into(),
        }
    }
}

impl From<LocationError> for Problem {
    fn from(error: LocationError) -> Self {
        match error {
            LocationError::NotFound => Self::not_found(),
            LocationError::Stale => Self::stale(),
            LocationError::DuplicateName(_) => {
                Self::conflict("duplicate_name", sentence(&error)).at("/name", "duplicate_name", &error)
            }
            LocationError::Default => Self::conflict("default_location", sentence(&error)),
            LocationError::NotEmpty => Self::conflict("location_not_empty", sentence(&error)),
            LocationError::Db(error) => error.into(),
        }
    }
}

impl From<stock_transfer::TransferError> for Problem {
    fn from(error: stock_transfer::TransferError) -> Self {
        match error {
            stock_transfer::TransferError::NotFound => Self::not_found(),
            stock_transfer::TransferError::LineCount => Self::invalid("/lines", "invalid_line_count", &error),
            stock_transfer::TransferError::Quantity { index } => {
                Self::invalid(format!("/lines/{index}/quantity"), "quantity_not_positive", &error)
            }
            stock_transfer::TransferError::SameLocation => {
                Self::invalid("/toLocationId", "same_location", &error)
            }
            stock_transfer::TransferError::UnknownLocation { is_source } => {
                let pointer = if is_source { "/fromLocationId" } else { "/toLocationId" };
                Self::not_found().at(pointer, "not_found", &error)
            }
            stock_transfer::TransferError::NothingInTransit(status) => {
                Self::conflict("wrong_status", sentence(&error)).with("documentStatus", json!(status))
            }
            stock_transfer::TransferError::IdTaken(_) => Self::conflict("id_taken", sentence(&error)),
            stock_transfer::TransferError::Part(error) => error.into(),
            stock_transfer::TransferError::Stock(error) => error.into(),
            stock_transfer::TransferError::Db(error) => error.into(),
        }
    }
}

impl From<CountError> for Problem {
    fn from(error: CountError) -> Self {
        let at = |index: usize, field: &str| format!("/lines/{index}/{field}");
        match error {
            CountError::NotFound => Self::not_found(),
            CountError::UnknownLocation => Self::not_found().at("/locationId", "not_found", &error),
            CountError::UnknownVariant { index } => {
                Self::not_found().at(at(index, "variantId"), "not_found", &error)
            }
            CountError::Negative { index } => Self::invalid(at(index, "counted"), "negative_amount", &error),
            CountError::LineCount => Self::invalid("/lines", "invalid_line_count", &error),
            CountError::Twice { index } => Self::invalid(at(index, "variantId"), "counted_twice", &error),
            CountError::NotOpen(status) => {
                Self::conflict("wrong_status", sentence(&error)).with("documentStatus", json!(status))
            }
            CountError::Empty => Self::conflict("nothing_counted", sentence(&error)),
            CountError::IdTaken(_) => Self::conflict("id_taken", sentence(&error)),
            CountError::Stock(error) => error.into(),
            CountError::Db(error) => error.into(),
        }
    }
}

impl From<SupplierError> for Problem {
    fn from(error: SupplierError) -> Self {
        match error {
            SupplierError::NotFound => Self::not_found(),
            SupplierError::Stale => Self::stale(),
            SupplierError::DuplicateName(_) => {
                Self::conflict("duplicate_name", sentence(&error)).at("/name", "duplicate_name", &error)
            }
            SupplierError::NoName => Self::invalid("/name", "missing_field", &error),
            SupplierError::LeadTime => Self::invalid("/leadTimeDays", "out_of_range", &error),
            SupplierError::Cost => Self::invalid("/cost", "negative_amount", &error),
            SupplierError::Minimum => Self::invalid("/minimumQuantity", "quantity_not_positive", &error),
            SupplierError::UnknownVariant => Self::not_found().at("/variantId", "not_found", &error),
            SupplierError::Db(error) => error.into(),
        }
    }
}

impl From<PurchaseError> for Problem {
    fn from(error: PurchaseError) -> Self {
        let at = |index: usize, field: &str| format!("/lines/{index}/{field}");
        match error {
            PurchaseError::NotFound => Self::not_found(),
            PurchaseError::Stale => Self::stale(),
            PurchaseError::LineCount => Self::invalid("/lines", "invalid_line_count", &error),
            PurchaseError::Quantity { index } => {
                Self::invalid(at(index, "quantity"), "quantity_not_positive", &error)
            }
            PurchaseError::Cost { index } => Self::invalid(at(index, "unitCost"), "negative_amount", &error),
            PurchaseError::Day => Self::invalid("/expectedOn", "invalid_day", &error),
            PurchaseError::Tax { index } => Self::invalid(at(index, "taxPercent"), "invalid_tax", &error),
            PurchaseError::Twice { index } => Self::invalid(at(index, "variantId"), "ordered_twice", &error),
            PurchaseError::UnknownVariant { index } => {
                Self::not_found().at(at(index, "variantId"), "not_found", &error)
            }
            PurchaseError::UnknownSupplier => Self::not_found().at("/supplierId", "not_found", &error),
            PurchaseError::UnknownLocation => Self::not_found().at("/locationId", "not_found", &error),
            PurchaseError::TooMuch => Self::invalid("/lines", "amount_too_large", &error),
            PurchaseError::IllegalMove { from, legal, .. } => {
                Self::conflict("illegal_move", sentence(&error))
                    .with("documentStatus", json!(from))
                    .with("allowed", json!(legal))
            }
            PurchaseError::Frozen(status) => {
                Self::conflict("lines_frozen", sentence(&error)).with("documentStatus", json!(status))
            }
            PurchaseError::IdTaken(_) => Self::conflict("id_taken", sentence(&error)),
            PurchaseError::Db(error) => error.into(),
        }
    }
}

impl From<ReceiptError> for Problem {
    fn from(error: ReceiptError) -> Self {
        match error {
            ReceiptError::NotFound => Self::not_found(),
            ReceiptError::UnknownReceipt => Self::not_found().at("/reverses", "not_found", &error),
            ReceiptError::Reversed => Self::conflict("receipt_reversed", sentence(&error)),
            ReceiptError::NotOpen(status) => {
                Self::conflict("wrong_status", sentence(&error)).with("documentStatus", json!(status))
            }
            ReceiptError::NothingOpen => Self::conflict("nothing_open", sentence(&error)),
            ReceiptError::DeliveryNote(_) => Self::conflict("delivery_note_booked", sentence(&error)).at(
                "/deliveryNote",
                "delivery_note_booked",
                &error,
            ),
            ReceiptError::IdTaken(_) => Self::conflict("id_taken", sentence(&error)),
            ReceiptError::Part(error) => error.into(),
            ReceiptError::Stock(error) => error.into(),
            ReceiptError::Db(error) => error.into(),
        }
    }
}

impl From<CustomerError> for Problem {
    fn from(error: CustomerError) -> Self {
        match error {
            CustomerError::NotFound => Self::not_found(),
            CustomerError::Stale => Self::stale(),
            CustomerError::Db(error) => error.into(),
        }
    }
}

impl From<PartError> for Problem {
    fn from(error: PartError) -> Self {
        match error {
            PartError::Quantity { index } => {
                Self::invalid(format!("/lines/{index}/quantity"), "quantity_not_positive", error)
            }
            PartError::UnknownLine { index } => {
                Self::not_found().at(format!("/lines/{index}/lineId"), "not_found", error)
            }
            PartError::MoreThanLeft { index, .. } => Self::conflict("more_than_left", sentence(&error)).at(
                format!("/lines/{index}/quantity"),
                "more_than_left",
                error,
            ),
        }
    }
}

impl From<OrderError> for Problem {
    fn from(error: OrderError) -> Self {
        let at = |index: &usize, field: &str| format!("/lines/{index}/{field}");
        match &error {
            OrderError::NotFound => Self::not_found(),
            OrderError::LineCount => Self::invalid("/lines", "invalid_line_count", &error),
            OrderError::Quantity { index } => {
                Self::invalid(at(index, "quantity"), "quantity_not_positive", &error)
            }
            OrderError::UnknownVariant { index } => {
                Self::not_found().at(at(index, "variantId"), "not_found", &error)
            }
            OrderError::Archived { index } => Self::conflict("variant_archived", sentence(&error)).at(
                at(index, "variantId"),
                "variant_archived",
                &error,
            ),
            OrderError::NegativePrice { index } => {
                Self::invalid(at(index, "price"), "negative_amount", &error)
            }
            OrderError::Discount { index } => {
                let pointer = index.map_or_else(|| "/discount".to_owned(), |index| at(&index, "discount"));
                Self::invalid(pointer, "invalid_discount", &error)
            }
            OrderError::DiscountLimit(_) => Self::forbidden("discount_over_limit", sentence(&error)),
            OrderError::UnknownCustomer => Self::not_found().at("/customerId", "not_found", &error),
            OrderError::UnknownLocation => Self::not_found().at("/locationId", "not_found", &error),
            OrderError::Part(error) => (*error).into(),
            OrderError::NothingOpen(status) => {
                Self::conflict("wrong_status", sentence(&error)).with("documentStatus", json!(status))
            }
            OrderError::IdTaken(_) => Self::conflict("id_taken", sentence(&error)),
            OrderError::Pricing(PricingError::LineDiscount { index }) => {
                Self::invalid(at(index, "discount"), "discount_too_large", &error)
            }
            OrderError::Pricing(PricingError::OrderDiscount) => {
                Self::invalid("/discount", "discount_too_large", &error)
            }
            OrderError::Pricing(PricingError::TooMuch) => Self::invalid("/lines", "amount_too_large", &error),
            OrderError::Stock(_) | OrderError::Db(_) => match error {
                OrderError::Stock(error) => error.into(),
                OrderError::Db(error) => error.into(),
                other => Self::internal(other),
            },
        }
    }
}

impl From<AdjustmentError> for Problem {
    fn from(error: AdjustmentError) -> Self {
        match error {
            AdjustmentError::Cost => Self::invalid("/unitCost", "invalid_cost", &error),
            AdjustmentError::Zero => Self::invalid("/quantity", "zero_quantity", &error),
            AdjustmentError::UnknownReason(_) => Self::invalid("/reason", "unknown_reason", &error),
            AdjustmentError::UnknownLocation => Self::not_found().at("/locationId", "not_found", &error),
            AdjustmentError::IdTaken(_) => Self::conflict("id_taken", sentence(&error)),
            AdjustmentError::Stock(error) => error.into(),
            AdjustmentError::Db(error) => error.into(),
        }
    }
}

impl From<IdempotencyError> for Problem {
    fn from(error: IdempotencyError) -> Self {
        match error {
            IdempotencyError::OtherRequest => Self::new(
                actix_web::http::StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency_key_reused",
                "This Idempotency-Key was used for another request. Make a new one for each new request.",
            ),
            IdempotencyError::InProgress => Self::conflict(
                "request_in_progress",
                "The first request with this Idempotency-Key is still running.",
            )
            .retry_after(1),
            IdempotencyError::Db(error) => error.into(),
        }
    }
}

impl From<MemberError> for Problem {
    fn from(error: MemberError) -> Self {
        match error {
            MemberError::UserExists(_) => {
                Self::conflict("user_exists", sentence(&error)).at("/owner/password", "user_exists", &error)
            }
            MemberError::UnknownUser(_) => Self::not_found(),
            MemberError::UserChanged(_) => Self::conflict("user_changed", sentence(&error)).retry_after(1),
            MemberError::Membership(error) => match error {
                MembershipError::AlreadyMember => Self::conflict("already_member", sentence(&error)),
                MembershipError::UnknownRole { .. } => Self::invalid("/role", "unknown_role", &error),
                MembershipError::Db(error) => error.into(),
            },
            MemberError::TooBusy(error) => Self::unavailable("too_busy", sentence(&error), 2),
            MemberError::Db(error) => error.into(),
        }
    }
}

impl From<ProvisionError> for Problem {
    fn from(error: ProvisionError) -> Self {
        match error {
            ProvisionError::SlugTaken(_) => {
                Self::conflict("slug_taken", sentence(&error)).at("/slug", "slug_taken", &error)
            }
            ProvisionError::Db(error) => error.into(),
            ProvisionError::Migration(error) => Self::internal(error),
        }
    }
}

impl From<LifecycleError> for Problem {
    fn from(error: LifecycleError) -> Self {
        match error {
            LifecycleError::NotFound => Self::not_found(),
            LifecycleError::WrongStatus { .. } => Self::conflict("wrong_status", sentence(&error)),
            LifecycleError::SlugTaken(_) => {
                Self::conflict("slug_taken", sentence(&error)).at("/slug", "slug_taken", &error)
            }
            LifecycleError::NothingSetAside => Self::conflict("nothing_set_aside", sentence(&error)),
            LifecycleError::Busy => {
                Self::conflict("business_in_maintenance", sentence(&error)).retry_after(10)
            }
            LifecycleError::Db(error) => error.into(),
        }
    }
}

impl From<DomainError> for Problem {
    fn from(error: DomainError) -> Self {
        match error {
            DomainError::Taken(_) => {
                Self::conflict("domain_taken", sentence(&error)).at("/host", "domain_taken", &error)
            }
            DomainError::OfThePlatform(_) => Self::invalid("/host", "domain_of_the_platform", &error),
            DomainError::AnAddress => Self::invalid("/host", "not_a_name", &error),
            DomainError::NotFound => Self::not_found(),
            DomainError::NotVerified(_) | DomainError::NoRecord { .. } => {
                Self::conflict("domain_not_verified", sentence(&error))
            }
            DomainError::Lookup { .. } => {
                Self::unavailable("dns_unavailable", "DNS does not answer. Try again.", 5).caused_by(error)
            }
            DomainError::Db(error) => error.into(),
        }
    }
}

impl From<OperatorError> for Problem {
    fn from(error: OperatorError) -> Self {
        match error {
            OperatorError::Lifecycle(error) => error.into(),
            OperatorError::Domain(error) => error.into(),
            OperatorError::NoBackup(_) => Self::conflict(
                "no_verified_backup",
                "The business has no verified backup whose file is here. Take one, or say withoutBackup.",
            ),
            OperatorError::Db(error) => error.into(),
        }
    }
}

impl From<JobChangeError> for Problem {
    fn from(error: JobChangeError) -> Self {
        match error {
            JobChangeError::NotFound => Self::not_found(),
            JobChangeError::Ended(_) | JobChangeError::NotFailed(_) => {
                Self::conflict("wrong_job_state", sentence(&error))
            }
            JobChangeError::Db(error) => error.into(),
        }
    }
}

/// What reaches people here is cloning; backups themselves are jobs and commands.
impl From<BackupError> for Problem {
    fn from(error: BackupError) -> Self {
        match error {
            BackupError::Provision(error) => error.into(),
            BackupError::Owner(error) => error.into(),
            BackupError::Db(error) | BackupError::Transfer(TransferError::Db(error)) => error.into(),
            BackupError::Lifecycle(error) => error.into(),
            BackupError::Gone => Self::not_found(),
            BackupError::AnotherBusiness(_) => Self::conflict("another_business", sentence(&error)),
            BackupError::Name(_)
            | BackupError::Folder(..)
            | BackupError::Transfer(TransferError::File(_) | TransferError::Differs { .. })
            | BackupError::TooNew { .. }
            | BackupError::OfTheInstallation
            | BackupError::OfABusiness
            | BackupError::NotFresh
            | BackupError::Shared(_) => Self::internal(error),
        }
    }
}

impl From<OnboardingError> for Problem {
    fn from(error: OnboardingError) -> Self {
        match error {
            OnboardingError::Provision(error) => error.into(),
            OnboardingError::Owner(error) => error.into(),
            OnboardingError::Defaults(error) => error.into(),
        }
    }
}

/// An error's text as a sentence for people.
fn sentence(error: &impl std::fmt::Display) -> String {
    let text = error.to_string();
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => format!("{}{}.", first.to_uppercase(), letters.as_str()),
        None => text,
    }
}
