//! The errors of an operation that do not follow from its form: those of its own rules.

use crate::http::codes::Code::{self, *};

/// The codes that the operation with this id adds to those of its form. Most of them come from the errors of
/// the domain function that the handler calls.
#[rustfmt::skip] // It would write one code on each line.
pub fn of(operation: &str) -> &'static [Code] {
    match operation {
        "describeAuthorizationServer" | "authorize" | "signOutOfBrowser" => &[NotFound],
        "createApiKey" => &[AboveOwnPermissions, DuplicateName, TooManyApiKeys, UnknownPermission],
        "rotateApiKey" => &[AboveOwnPermissions, ApiKeyEnded],
        "deleteOwnAccount" => &[LastOwner, WrongPassword],
        "requestEmailChange" | "setPin" | "stepUp" => &[WrongPassword],
        "confirmEmail" => &[EmailTaken, InvalidLink],
        "requestEmailVerification" => &[NoMail],
        "signInWithIdToken" => &[
            IdTokenInvalid, IdTokenUsed, IdentityUnknown, NoMembership, SecondFactorRequired,
            SecondFactorWrong, SignInAgain, TooManyAttempts,
        ],
        "linkExternalIdentity" => &[IdentityTaken, TooManyIdentities, WrongPassword],
        "acceptInvitation" | "resetPassword" => &[InvalidLink, WeakPassword],
        "signIn" => &[
            InvalidCredentials, NoCookiesHere, NoMembership, PasswordChangeRequired, SecondFactorRequired,
            SecondFactorWrong, TooBusy, TooManyAttempts, WeakPassword,
        ],
        "changePassword" => &[TooManyAttempts, WeakPassword, WrongPassword],
        "signInWithPin" => &[NoTill, PinWrong, TooManyAttempts],
        "changeProfile" => &[Stale],
        "refreshSession" => &[
            RefreshInProgress, RefreshTokenInvalid, RefreshTokenSuperseded, SessionEnded,
            TokenReuseDetected,
        ],
        "beginSecondFactor" => &[SecondFactorEnabled, WrongPassword],
        "confirmSecondFactor" => &[SecondFactorEnabled],
        "disableSecondFactor" | "resetSecondFactor" => &[NoSecondFactor],
        "setTillNumber" => &[TillNumberTaken],
        "createCategory" | "archiveCategory" | "changeCategory" => &[CategoryCycle, DuplicateName],
        "createCustomer" => &[InvalidEmail, TooManyDecimals],
        "archiveCustomer" | "changeCustomer" => &[
            DocumentsUnderWay, HasCredit, InvalidEmail, TooManyDecimals,
        ],
        "listEvents" => &[EventsGone],
        "createInvitation" => &[
            AboveOwnPermissions, AlreadyInvited, AlreadyMember, LicenceInactive, NoMail, PlanLimitReached,
            UnknownApp, UnknownRole,
        ],
        "revokeInvitation" => &[InvitationEnded],
        "resendInvitation" => &[InvitationEnded, NoMail, TooManyAttempts],
        "createLocation" => &[DefaultLocation, DuplicateName, PlanLimitReached],
        "changeLocation" => &[
            DefaultLocation, DocumentsUnderWay, DuplicateName, HasRegisters, LocationNotEmpty,
            PlanLimitReached,
        ],
        "removeMembership" | "suspendMembership" => &[AboveOwnPermissions, LastOwner],
        "changeMembership" => &[AboveOwnPermissions, LastOwner, Stale, UnknownRole],
        "receivePayment" => &[InvalidReport],
        "assignMobilePayment" => &[
            IdTaken, NothingToConfirm, OtherCurrency, PaymentTooLarge, PaymentTooSmall, TooManyDecimals,
            WrongStatus, ZeroAmount,
        ],
        "dismissMobilePayment" | "reopenMobilePayment" | "resumeBusiness" => &[WrongStatus],
        "sendOfflineSale" | "completeOfflineSale" => &[
            AmountTooLarge, ApprovalRequired, CashNotRounded, CreditOverLimit, CustomerArchived,
            DiscountOverLimit, DiscountTooLarge, DuplicateReference, FiscalReceipt, HasReturns, IdTaken,
            InsufficientCredit, InsufficientStock, InvalidLineCount, LicenceEnded, LicenceInactive,
            LocationArchived, MoreThanLeft, NoOpenShift, NotPaidBack, NotStocked, OtherCurrency, OtherTotal,
            OutOfRange, Overpaid, PaymentNotReported, PaymentTooSmall, QuantityTooLarge, RefundTooLarge,
            TooManyDecimals, Underpaid, UnknownTimeZone, VariantArchived, VoucherExpired, WrongStatus,
            ZeroAmount,
        ],
        "discardOfflineSale" => &[DuplicateReference, IdTaken, WrongStatus],
        "placeOrder" => &[
            AmountTooLarge, ArticleNotNamed, CustomerArchived, DiscountOverLimit, DiscountTooLarge, IdTaken,
            InsufficientStock, InvalidLineCount, LicenceEnded, LicenceInactive, LocationArchived,
            MoreThanLeft, NotStocked, PriceMissing, PriceReasonMissing, QuantityTooLarge, TooManyDecimals,
            VariantArchived, WrongStatus,
        ],
        "changeOrder" => &[
            AmountTooLarge, ArticleNotNamed, CustomerArchived, DiscountOverLimit, DiscountTooLarge,
            InsufficientStock, InvalidLineCount, LicenceEnded, LicenceInactive, LocationArchived,
            MoreThanLeft, NotStocked, PriceMissing, PriceReasonMissing, QuantityTooLarge, TooManyDecimals,
            VariantArchived, WrongStatus,
        ],
        "cancelOrder" => &[IdempotencyKeyRequired, MoreThanLeft, TooManyDecimals, WrongStatus],
        "exchangeGoods" | "fulfilOrder" | "returnGoods" => &[
            AmountTooLarge, CustomerArchived, DiscountOverLimit, DiscountTooLarge, IdTaken,
            InsufficientStock, InvalidLineCount, LicenceEnded, LicenceInactive, LocationArchived,
            MoreThanLeft, NotStocked, QuantityTooLarge, TooManyDecimals, VariantArchived, WrongStatus,
        ],
        "payOrder" => &[IdTaken, PaymentTooLarge, TooManyDecimals, ZeroAmount],
        "refundOrder" => &[
            AmountTooLarge, CustomerArchived, DiscountOverLimit, DiscountTooLarge, IdTaken,
            InsufficientStock, InvalidLineCount, LicenceEnded, LicenceInactive, LocationArchived,
            MoreThanLeft, NotPositive, NotStocked, QuantityTooLarge, RefundTooLarge, TooManyDecimals,
            VariantArchived, WrongStatus,
        ],
        "parkSale" | "recallSale" => &[IdTaken, InvalidLineCount, WrongStatus],
        "requestPayment" => &[
            IdTaken, MobileMoneyOff, NoTillNumber, NotPositive, OtherCurrency, PaymentRequestPending,
            TooManyDecimals,
        ],
        "putApp" => &[AppBuiltIn, Stale],
        "registerClient" => &[UnknownApp],
        "rotateClient" => &[NoSecret],
        "cancelJob" => &[WrongJobState],
        "retryMail" => &[MailNotDead],
        "createBusiness" => &[ProvisioningElsewhere, SlugTaken, UserExists, WeakPassword],
        "archiveBusiness" | "suspendBusiness" | "unarchiveBusiness" => &[OperationInProgress, WrongStatus],
        "cloneBusiness" | "renameBusiness" => &[OperationInProgress, SlugTaken, WrongStatus],
        "addDomain" => &[DomainOfThePlatform, DomainTaken, NotAName],
        "verifyDomain" => &[DomainNotVerified],
        "dropBusiness" => &[NoVerifiedBackup, NotConfirmed, OperationInProgress, WrongStatus],
        "addMember" => &[UnknownApp, UnknownRole, UserChanged, UserExists],
        "createProduct" => &[
            ArticleNotNamed, CategoryArchived, DuplicateBarcode, DuplicateOptions, DuplicateSku,
            InvalidComponents, InvalidOptions, InvalidTags, NotForBundles, NotStocked, OptionsMismatch,
            PlanLimitReached, TaxClassArchived, TooManyBarcodes, TooManyDecimals, VariantArchived,
            VariantCount,
        ],
        "archiveProduct" => &[
            CategoryArchived, DocumentsUnderWay, InvalidOptions, InvalidTags, NotForBundles,
            PlanLimitReached, TaxClassArchived,
        ],
        "changeProduct" => &[
            CategoryArchived, DocumentsUnderWay, InvalidOptions, InvalidTags, NotForBundles,
            PlanLimitReached, QuantitiesInUse, TaxClassArchived,
        ],
        "addVariant" => &[
            DuplicateBarcode, DuplicateOptions, DuplicateSku, InvalidComponents, NotForBundles, NotStocked,
            OptionsMismatch, PlanLimitReached, TooManyBarcodes, TooManyDecimals, VariantCount,
        ],
        "draftPurchaseOrder" | "cancelPurchaseOrder" | "closePurchaseOrder" | "confirmPurchaseOrder"
        | "sendPurchaseOrder" => &[
            AmountTooLarge, IdTaken, IllegalMove, InvalidExchangeRate, InvalidLineCount, InvalidTax,
            LinesFrozen, NotStocked, OrderedTwice, TooManyDecimals, VariantArchived, WrongStatus,
        ],
        "draftSuggestedPurchaseOrder" => &[
            AmountTooLarge, IdTaken, IllegalMove, InvalidExchangeRate, InvalidLineCount, InvalidTax,
            LinesFrozen, NotStocked, NothingSuggested, OrderedTwice, TooManyDecimals, VariantArchived,
            WrongStatus,
        ],
        "changePurchaseOrder" => &[
            AmountTooLarge, IllegalMove, InvalidExchangeRate, InvalidLineCount, InvalidTax, LinesFrozen,
            NotStocked, OrderedTwice, TooManyDecimals, VariantArchived, WrongStatus,
        ],
        "receiveGoods" => &[
            AmountTooLarge, ArticleNotNamed, DeliveryNoteBooked, IdTaken, InsufficientStock,
            InvalidLineCount, LocationArchived, MoreThanLeft, NotStocked, NothingOpen, QuantityTooLarge,
            ReceiptReversed, TooManyDecimals, VariantArchived, WrongStatus,
        ],
        "createRegister" | "changeRegister" => &[
            DuplicateName, DuplicateSeries, PlanLimitReached, ShiftNotClosed, UnknownFiscalDevice,
        ],
        "removeRole" => &[AboveOwnPermissions, RoleInUse, RolePreset],
        "putRole" => &[AboveOwnPermissions, RolePreset, RoleTaken, TooManyRoles, UnknownPermission],
        "sell" => &[
            AmountTooLarge, ApprovalRequired, ArticleNotNamed, CashNotRounded, CreditOverLimit,
            CustomerArchived, DiscountOverLimit, DiscountTooLarge, FiscalReceipt, HasReturns, IdTaken,
            InsufficientCredit, InsufficientStock, InvalidLineCount, LicenceEnded, LicenceInactive,
            LocationArchived, MoreThanLeft, NoOpenShift, NotPaidBack, NotStocked, OtherCurrency, OtherTotal,
            OutOfRange, Overpaid, PaymentNotReported, PaymentTooSmall, PriceMissing, PriceReasonMissing,
            QuantityTooLarge, RefundTooLarge, TooManyDecimals, Underpaid, VariantArchived, VoucherExpired,
            WrongStatus, ZeroAmount,
        ],
        "approveSaleByPin" => &[NoTill, PinWrong],
        "mailReceipt" => &[NoMail, TooManyMails],
        "refundSale" => &[
            ApprovalRequired, InsufficientCredit, LicenceEnded, MoreThanLeft, NotPaidBack, RefundTooLarge,
            WrongStatus,
        ],
        "voidSale" => &[
            AmountTooLarge, ApprovalRequired, CashNotRounded, CreditOverLimit, CustomerArchived,
            DiscountOverLimit, DiscountTooLarge, FiscalReceipt, HasReturns, IdTaken, InsufficientCredit,
            InsufficientStock, InvalidLineCount, LicenceEnded, LicenceInactive, LocationArchived,
            MoreThanLeft, NoOpenShift, NotPaidBack, NotPositive, NotStocked, OtherCurrency, OtherTotal,
            OutOfRange, Overpaid, PaymentNotReported, PaymentTooSmall, QuantityTooLarge, RefundTooLarge,
            TooManyDecimals, Underpaid, VariantArchived, VoucherExpired, WrongStatus, ZeroAmount,
        ],
        "saveReport" | "replaceSavedReport" => &[DuplicateName, TooManySavedReports],
        "deleteSavedReport" => &[DuplicateName, OutOfRange, TooManySavedReports],
        "setSecondFactorRoles" | "endSessionsOfUser" => &[AboveOwnPermissions],
        "putServiceAccount" => &[AboveOwnPermissions, UnknownPermission],
        "changeSettings" => &[InvalidReasons, TooManyDecimals, TooManyOrigins],
        "openShift" => &[IdTaken, ShiftNotClosed, TooManyDecimals],
        "approveShiftByPin" => &[
            CountedAlready, NoTill, OutOfRange, PinWrong, TooManyAttempts, TooManyDecimals, WrongStatus,
        ],
        "moveCash" => &[IdTaken, TooManyDecimals, WrongStatus, ZeroAmount],
        "closeShift" => &[CountedAlready, TooManyDecimals, WrongStatus],
        "signUp" => &[SignUpOff, SlugTaken, TooManySignUps],
        "confirmSignUp" => &[InvalidLink, SlugTaken, WeakPassword],
        "adjustStock" => &[
            AmountTooLarge, ArticleNotNamed, IdTaken, InsufficientStock, InvalidCost, InvalidLineCount,
            LocationArchived, NotStocked, QuantityTooLarge, TooManyDecimals, UnknownReason, VariantArchived,
            ZeroQuantity,
        ],
        "openCount" | "cancelCount" | "enterCountedLines" => &[
            AmountTooLarge, CountedTwice, IdTaken, InsufficientStock, InvalidLineCount, LocationArchived,
            NotStocked, NothingCounted, QuantityTooLarge, TooManyDecimals, VariantArchived, WrongStatus,
        ],
        "removeCountedLine" => &[
            AmountTooLarge, CountedTwice, InsufficientStock, InvalidLineCount, LocationArchived, NotStocked,
            NothingCounted, QuantityTooLarge, TooManyDecimals, VariantArchived, WrongStatus,
        ],
        "postCount" => &[NothingCounted, WrongStatus],
        "revalueStock" => &[
            AmountTooLarge, IdTaken, InsufficientStock, LocationArchived, NotStocked, NothingOnHand,
            QuantityTooLarge, TooManyDecimals, UnknownReason, VariantArchived,
        ],
        "sendTransfer" | "receiveTransfer" | "sendTransferBack" | "writeOffTransfer" => &[
            AmountTooLarge, IdTaken, InsufficientStock, InvalidLineCount, LocationArchived, MoreThanLeft,
            NotStocked, QuantityTooLarge, SameLocation, TooManyDecimals, UnknownReason, VariantArchived,
            WrongStatus,
        ],
        "createSupplier" => &[DuplicateName, InvalidEmail, NotStocked],
        "archiveSupplier" => &[DocumentsUnderWay, DuplicateName, InvalidEmail, NotStocked, OutOfRange],
        "changeSupplier" => &[DocumentsUnderWay, DuplicateName, InvalidEmail, NotStocked],
        "setSupplierPrice" => &[DuplicateName, InvalidEmail, NotStocked, TooManyDecimals],
        "returnToSupplier" => &[
            AmountTooLarge, IdTaken, InsufficientStock, InvalidLineCount, LocationArchived, NotStocked,
            QuantityTooLarge, TooManyDecimals, VariantArchived,
        ],
        "createTaxClass" | "changeTaxClass" => &[DuplicateName, InvalidRates],
        "createStaffAccount" => &[
            AboveOwnPermissions, PlanLimitReached, UnknownApp, UnknownRole, UsernameTaken, WeakPassword,
        ],
        "createMembership" => &[AboveOwnPermissions, AlreadyMember, UnknownApp],
        "setStaffPassword" => &[AboveOwnPermissions, NotOwnAccount, OwnPassword, UserDisabled, WeakPassword],
        "changeVariant" => &[
            DocumentsUnderWay, DuplicateBarcode, DuplicateOptions, DuplicateSku, InvalidComponents,
            NotForBundles, NotStocked, OptionsMismatch, PlanLimitReached, TooManyBarcodes, TooManyDecimals,
        ],
        "changeReordering" => &[NotStocked],
        "createWebhook" => &[TooManyWebhooks, WebhookExists],
        "replayWebhookEvents" | "skipWebhookEvent" => &[WebhookNotReady],
        "resumeWebhook" => &[EventsDeleted],
        "readUserInfo" => &[ScopeMissing],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openapi::document::{document, operations};

    #[test]
    fn every_operation_of_the_table_exists() {
        let mut document = document();
        let ids: Vec<String> = operations(&mut document)
            .filter_map(|(_, _, operation)| operation["operationId"].as_str().map(str::to_owned))
            .collect();
        let with_own = ids.iter().filter(|id| !of(id).is_empty()).count();
        let named = include_str!("own_problems.rs").split("mod tests").next().unwrap();
        assert_eq!(named.matches('"').count() / 2, with_own);
    }
}
