//! The table of all codes: the name, the status, the title and the advice of each.

use actix_web::http::StatusCode;

use crate::http::codes::definition::codes;

codes! {
    // The request cannot be read.
    Malformed = "malformed", BAD_REQUEST, "Malformed request", "Send a valid HTTP request.";
    MalformedBody = "malformed_body", BAD_REQUEST,
        "Unreadable body", "Send the complete body. Its length must match the Content-Length header.";
    MalformedJson = "malformed_json", BAD_REQUEST,
        "Invalid JSON", "Correct the JSON at the position that detail names.";
    InvalidType = "invalid_type", BAD_REQUEST, "Wrong JSON type",
        "Send each field with the type that the API document states. Amounts and quantities are strings.";
    DuplicateField = "duplicate_field", BAD_REQUEST, "Field more than once", "Send each field once.";
    InvalidPath = "invalid_path", BAD_REQUEST,
        "Invalid path", "Use an id, a key or a barcode that the API returned.";
    InvalidQuery = "invalid_query", BAD_REQUEST,
        "Invalid query parameter", "Correct or remove the parameter that detail names.";
    InvalidHost = "invalid_host", BAD_REQUEST,
        "Invalid host", "Send one Host header with the address of the business.";
    IdempotencyKeyRequired = "idempotency_key_required", BAD_REQUEST, "Idempotency-Key missing",
        "Send an Idempotency-Key header with a new UUID. Send the same key when you repeat the request.";
    IdempotencyKeyInvalid = "idempotency_key_invalid", BAD_REQUEST,
        "Invalid Idempotency-Key", "Send one key of 1 to 200 visible ASCII characters, such as a new UUID.";
    InvalidReport = "invalid_report", BAD_REQUEST, "Unreadable report of the provider",
        "Send the report in the form of the provider. detail names the problem.";
    BodyTimeout = "body_timeout", REQUEST_TIMEOUT,
        "Body too slow", "Repeat the request on a faster connection.";
    UriTooLong = "uri_too_long", URI_TOO_LONG,
        "Address too long", "Shorten the query parameters.";
    HeadersTooLarge = "headers_too_large", REQUEST_HEADER_FIELDS_TOO_LARGE,
        "Headers too large", "Send fewer and shorter headers.";
    BodyTooLarge = "body_too_large", PAYLOAD_TOO_LARGE,
        "Body too large", "Split the request into several smaller requests.";
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE,
        "Unsupported media type",
        "Send JSON with the header Content-Type: application/json, and without a Content-Encoding header.";

    // The caller may not do this.
    SecondFactorRequired = "second_factor_required", UNAUTHORIZED, "Second factor required",
        "Sign in again, with the six digits of the authenticator app, or a recovery code, in code.";
    SecondFactorWrong = "second_factor_wrong", UNAUTHORIZED, "Wrong code",
        "Use the digits that the app shows now, or another recovery code. Each is valid once.";
    PinWrong = "pin_wrong", UNAUTHORIZED, "Wrong PIN", "Enter the PIN again, or sign in with the password.";
    StepUpRequired = "step_up_required", UNAUTHORIZED, "Recent sign-in needed",
        "Send the password and the code to POST /api/v1/auth/step-up, refresh the session, and try again.";
    TokenMissing = "token_missing", UNAUTHORIZED, "Access token missing",
        "Sign in with POST /api/v1/auth/login and send the token as Authorization: Bearer TOKEN.";
    TokenInvalid = "token_invalid", UNAUTHORIZED, "Invalid access token", "Sign in again.";
    TokenExpired = "token_expired", UNAUTHORIZED, "Access token expired",
        "Refresh the session with POST /api/v1/auth/refresh, or sign in again.";
    TokenWrongBusiness = "token_wrong_business", UNAUTHORIZED,
        "Access token of another business", "Sign in at the address of this business.";
    TokenWrongApp = "token_wrong_app", UNAUTHORIZED,
        "Access token of another app", "Sign in to the app of this API, which is inventory or pos.";
    ApiKeyInvalid = "api_key_invalid", UNAUTHORIZED, "Invalid API key",
        "Use an API key that this business has created, and that was neither revoked nor has expired.";
    SessionEnded = "session_ended", UNAUTHORIZED, "Session ended", "Sign in again.";
    RolesChanged = "roles_changed", UNAUTHORIZED, "Roles changed",
        "Refresh the session with POST /api/v1/auth/refresh. The new token has the new roles.";
    RefreshTokenInvalid = "refresh_token_invalid", UNAUTHORIZED, "Invalid refresh token", "Sign in again.";
    RefreshTokenSuperseded = "refresh_token_superseded", UNAUTHORIZED, "Refresh token superseded",
        "Use the refresh token that another request of the same client got, or sign in again.";
    TokenReuseDetected = "token_reuse_detected", UNAUTHORIZED, "Refresh token used twice",
        "Sign in again. If you did not use the token twice, somebody else has it: change the password.";
    RefreshInProgress = "refresh_in_progress", CONFLICT, "Session is being refreshed",
        "Use the tokens that the other requests got. Let one request at a time refresh a session.";
    InvalidCredentials = "invalid_credentials", UNAUTHORIZED,
        "Wrong login or password", "Check the email or username, and the password.";
    IdTokenInvalid = "id_token_invalid", UNAUTHORIZED, "Invalid ID token",
        "Get another ID token from the issuer, for a program that this installation accepts.";
    IdTokenUsed = "id_token_used", UNAUTHORIZED, "ID token used before",
        "Get another ID token from the issuer. Each is valid here once.";
    IdentityUnknown = "identity_unknown", UNAUTHORIZED, "Identity not linked",
        "Sign in with the password, and link the identity with POST /api/v1/auth/external-identities.";
    SignInAgain = "sign_in_again", UNAUTHORIZED, "Sign in again",
        "Sign in at the issuer once more, so that its ID token has a new auth_time, or use the password.";
    PasswordChangeRequired = "password_change_required", FORBIDDEN, "Password must be changed",
        "Send newPassword with the sign-in. It becomes the password of the user.";
    NoMembership = "no_membership", FORBIDDEN,
        "Not a member", "Ask an owner of the business to add you as a member.";
    PermissionDenied = "permission_denied", FORBIDDEN,
        "Permission missing",
        "Ask an owner of the business for a role with the permission that detail names.";
    ImpersonationRefused = "impersonation_refused", FORBIDDEN, "Not for the staff of the platform",
        "Ask the business, or start an impersonation that allows the request. detail names the reason.";
    SecondFactorToEnrol = "second_factor_to_enrol", FORBIDDEN, "Second factor needed",
        "Set up a second factor with POST /api/v1/auth/second-factor, and refresh the session.";
    SecondFactorMissing = "second_factor_missing", FORBIDDEN, "Second factor missing",
        "Give the second factor with POST /api/v1/auth/step-up, and refresh the session.";
    PinSession = "pin_session", FORBIDDEN, "Signed in with a PIN",
        "Sign in with the password. A session that began with a PIN cannot do this.";
    NoTill = "no_till", FORBIDDEN, "No till",
        "Sign in to the app pos with the name of the device, and use that session.";
    AccountNotGranted = "account_not_granted", FORBIDDEN, "Account not granted",
        "Sign the person in with the scope account, if the program belongs to the operator.";
    ScopeMissing = "scope_missing", FORBIDDEN, "Scope missing", "Sign the person in with the scope openid.";
    PeopleOnly = "people_only", FORBIDDEN, "For people alone",
        "Sign in as a person. A program cannot change accounts, members, roles or the access of programs.";
    AboveOwnPermissions = "above_own_permissions", FORBIDDEN, "Above your own permissions",
        "Ask an owner of the business. Nobody can give or take away what they do not have.";
    NotOwnAccount = "not_own_account", FORBIDDEN, "Account of a person",
        "Ask the person to set the password with POST /api/v1/auth/password/forgot.";
    ApprovalRequired = "approval_required", FORBIDDEN, "Approval required",
        "Ask a member with the permission till.approve to approve it with POST \
         /api/v1/sales/{id}/approval and the fields of approval; id is the id of the new receipt or of the \
         sale to void. Repeat the request with the same id.";
    DiscountOverLimit = "discount_over_limit", FORBIDDEN, "Discount over the limit",
        "Reduce the discount, or ask a member with the permission catalogue.write to place the order.";
    OriginNotAllowed = "origin_not_allowed", FORBIDDEN, "Origin not allowed",
        "Add the origin of the page to corsOrigins in the settings of the business.";
    CrossOrigin = "cross_origin", FORBIDDEN, "Request of another page",
        "Send the request from a page of this host, or send a token in the header Authorization.";
    LicenceInactive = "licence_inactive", PAYMENT_REQUIRED, "No active licence",
        "Ask the operator of the platform to activate the licence. Until then, the business cannot sell.";
    LicenceEnded = "licence_ended", PAYMENT_REQUIRED, "Licence has ended",
        "Renew the licence, and send the request again. Until then, the business cannot sell.";
    PlanLimitReached = "plan_limit_reached", CONFLICT, "Limit of the plan reached",
        "Archive or remove one of those that detail names, or ask the operator for another plan.";
    SignUpOff = "sign_up_off", FORBIDDEN, "No sign-up",
        "Ask the operator of the platform to create the business.";
    PlanInUse = "plan_in_use", CONFLICT, "Plan in use",
        "Give another plan to the businesses that have it, or make another plan the default.";
    NoCookiesHere = "no_cookies_here", CONFLICT, "No cookies here",
        "Leave cookies out of the request, and keep the tokens of the response.";
    BusinessSuspended = "business_suspended", FORBIDDEN, "Business suspended",
        "Ask the owner of the business. The operator of the platform can resume the business.";

    // Nothing is found.
    NotFound = "not_found", NOT_FOUND,
        "Not found", "Check the id. The resource does not exist, or it belongs to another business.";
    RouteNotFound = "route_not_found", NOT_FOUND, "Unknown path", "Look the path up in /docs.";
    UnknownHost = "unknown_host", NOT_FOUND,
        "Unknown host", "Use the address of the business, such as acme.example.com.";
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED,
        "Method not allowed", "Use one of the methods in the Allow header.";
    BusinessArchived = "business_archived", GONE, "Business closed",
        "Ask the operator of the platform to reopen the business, or to hand over its data.";

    // A field breaks a rule.
    InvalidValue = "invalid_value", UNPROCESSABLE_ENTITY,
        "Invalid value", "Correct the field that errors names.";
    InvalidExchangeRate = "invalid_exchange_rate", UNPROCESSABLE_ENTITY, "Invalid exchange rate",
        "Send the price of one unit of the purchase order's currency in the currency of the business.";
    TooManyDecimals = "too_many_decimals", UNPROCESSABLE_ENTITY,
        "Too many decimals", "Send the value with fewer decimals; detail names the number.";
    QuantitiesInUse = "quantities_in_use", CONFLICT, "Quantities with decimals in use",
        "Fulfil, receive, cancel or adjust the quantities with decimals first.";
    MissingField = "missing_field", UNPROCESSABLE_ENTITY, "Field missing", "Add the field that errors names.";
    UnknownField = "unknown_field", UNPROCESSABLE_ENTITY,
        "Unknown field", "Remove the field that errors names, or correct its spelling.";
    OutOfRange = "out_of_range", UNPROCESSABLE_ENTITY,
        "Value out of range", "Send a value in the range that errors states.";
    Negative = "negative", UNPROCESSABLE_ENTITY, "Negative value", "Send a value of zero or more.";
    AmountTooLarge = "amount_too_large", UNPROCESSABLE_ENTITY,
        "Amount too large", "Split the document into several smaller documents.";
    ExternalIdMissing = "external_id_missing", UNPROCESSABLE_ENTITY,
        "External id missing", "Send externalId with externalSource, or leave both out.";
    TooMuchMetadata = "too_much_metadata", UNPROCESSABLE_ENTITY,
        "Too much metadata", "Remove names from metadata: at most 50 are allowed.";
    NotPositive = "not_positive", UNPROCESSABLE_ENTITY, "Not positive", "Send a value greater than zero.";
    QuantityTooLarge = "quantity_too_large", UNPROCESSABLE_ENTITY,
        "Quantity too large", "Send a smaller quantity.";
    ZeroQuantity = "zero_quantity", UNPROCESSABLE_ENTITY,
        "Quantity is zero", "Send a positive quantity to add stock, or a negative quantity to remove stock.";
    InvalidCost = "invalid_cost", UNPROCESSABLE_ENTITY,
        "Invalid unit cost", "Send a unit cost only if stock is added. The unit cost must not be negative.";
    InvalidDay = "invalid_day", UNPROCESSABLE_ENTITY,
        "Invalid day", "Send a day from 2000-01-01 to 9999-12-31.";
    InvalidDiscount = "invalid_discount", UNPROCESSABLE_ENTITY,
        "Invalid discount", "Send an amount such as \"1.50\" or a percentage such as \"10%\".";
    DiscountTooLarge = "discount_too_large", UNPROCESSABLE_ENTITY,
        "Discount too large", "Send a discount that does not exceed the amount.";
    InvalidTax = "invalid_tax", UNPROCESSABLE_ENTITY, "Invalid tax", "Send a tax of 0 to 100 percent.";
    InvalidRates = "invalid_rates", UNPROCESSABLE_ENTITY,
        "Invalid tax rates", "Send 1 to 5 rates of 0 to 100 percent, each with a different name.";
    ZeroAmount = "zero_amount", UNPROCESSABLE_ENTITY, "Amount zero", "Send an amount other than zero.";
    ArticleNotNamed = "article_not_named", UNPROCESSABLE_ENTITY,
        "Variant not named", "Send exactly one of variantId, sku and barcode.";
    InvalidLineCount = "invalid_line_count", UNPROCESSABLE_ENTITY,
        "Wrong number of lines", "Send a number of lines in the range that errors states.";
    OrderedTwice = "ordered_twice", UNPROCESSABLE_ENTITY,
        "Variant on two lines", "Send one line for the variant, with the sum of the quantities.";
    CountedTwice = "counted_twice", UNPROCESSABLE_ENTITY, "Variant counted twice", "Send each variant once.";
    PriceMissing = "price_missing", UNPROCESSABLE_ENTITY,
        "Price missing", "Send a price with the price reason, or leave both out.";
    PriceReasonMissing = "price_reason_missing", UNPROCESSABLE_ENTITY,
        "Price reason missing", "Send the reason for the changed price.";
    SameLocation = "same_location", UNPROCESSABLE_ENTITY, "Same location", "Choose two different locations.";
    UnknownReason = "unknown_reason", UNPROCESSABLE_ENTITY,
        "Unknown reason", "Use one of the adjustment reasons in the settings of the business.";
    InvalidReasons = "invalid_reasons", UNPROCESSABLE_ENTITY,
        "Invalid adjustment reasons", "Send different reasons, and no more reasons than errors allows.";
    TooManyOrigins = "too_many_origins", UNPROCESSABLE_ENTITY,
        "Too many origins", "Send no more origins than errors allows.";
    InvalidEmail = "invalid_email", UNPROCESSABLE_ENTITY,
        "Invalid email address", "Send an address such as name@example.com.";
    UnknownTimeZone = "unknown_time_zone", UNPROCESSABLE_ENTITY,
        "Unknown time zone", "Use a name of the IANA time zone database, such as Africa/Nairobi.";
    InvalidOptions = "invalid_options", UNPROCESSABLE_ENTITY,
        "Invalid options", "Send at most three option names. All names must differ.";
    OptionsMismatch = "options_mismatch", UNPROCESSABLE_ENTITY,
        "Options do not match", "Send one value for each option of the product.";
    InvalidTags = "invalid_tags", UNPROCESSABLE_ENTITY,
        "Invalid tags", "Send at most twenty tags. All tags must differ.";
    VariantCount = "variant_count", UNPROCESSABLE_ENTITY,
        "Wrong number of variants", "Send a number of variants in the range that errors states.";
    InvalidComponents = "invalid_components", UNPROCESSABLE_ENTITY, "Invalid components",
        "Send 1 to 50 different variants of goods or services for a bundle, and none for other products.";
    NotForBundles = "not_for_bundles", UNPROCESSABLE_ENTITY,
        "Field not allowed for bundles",
        "Remove the field. A bundle has no tax class, no decimals and no cost; its components have them.";
    TooManyBarcodes = "too_many_barcodes", UNPROCESSABLE_ENTITY,
        "Too many barcodes", "Send fewer barcodes for the variant.";
    CategoryCycle = "category_cycle", UNPROCESSABLE_ENTITY,
        "Category below itself", "Choose a parent that is not below this category.";
    WeakPassword = "weak_password", UNPROCESSABLE_ENTITY,
        "Weak password", "Choose a password that meets the rule in errors.";
    UnknownFiscalDevice = "unknown_fiscal_device", UNPROCESSABLE_ENTITY, "Unknown fiscal device",
        "Use one of the fiscal devices that errors lists, or send null.";
    UnknownApp = "unknown_app", UNPROCESSABLE_ENTITY,
        "Unknown app", "Use an app of this host, or leave app out.";
    UnknownPermission = "unknown_permission", UNPROCESSABLE_ENTITY,
        "Unknown permission", "Use permissions that the app has or borrows.";
    InvalidLink = "invalid_link", UNPROCESSABLE_ENTITY,
        "Link not valid", "Ask for a new link. A link expires, and can be used once.";
    WrongPassword = "wrong_password", UNPROCESSABLE_ENTITY,
        "Wrong password", "Send the present password of the user.";
    NamedTwice = "named_twice", UNPROCESSABLE_ENTITY, "Named twice", "Name each role and permission once.";
    UnknownRole = "unknown_role", UNPROCESSABLE_ENTITY,
        "Unknown role", "Use one of the roles that errors names.";
    NotAName = "not_a_name", UNPROCESSABLE_ENTITY, "Not a host name of one owner",
        "Send a host name that one owner can have, no IP address and no name such as com.";
    DomainOfThePlatform = "domain_of_the_platform", UNPROCESSABLE_ENTITY,
        "Domain of the platform", "Send a host name outside the platform's own domain.";
    NotConfirmed = "not_confirmed", UNPROCESSABLE_ENTITY,
        "Not confirmed", "Send the slug of the business as the confirmation.";
    Underpaid = "underpaid", UNPROCESSABLE_ENTITY,
        "Not paid in full", "Add payments for the amount in the field missing.";
    Overpaid = "overpaid", UNPROCESSABLE_ENTITY, "Paid too much",
        "Reduce the payments, or the amount that is paid back. surplus is the difference, if present.";
    CashNotRounded = "cash_not_rounded", UNPROCESSABLE_ENTITY, "Cash not rounded",
        "Send amounts of cash, and amounts into credit beside cash, that are multiples of the field step.";
    NotPaidBack = "not_paid_back", UNPROCESSABLE_ENTITY,
        "Wrong amount paid back", "Pay back exactly the amount in the field payBack, with negative payments.";
    IdempotencyKeyReused = "idempotency_key_reused", UNPROCESSABLE_ENTITY,
        "Idempotency-Key reused", "Make a new key for each new request.";

    // The request conflicts with the stored data.
    Stale = "stale", PRECONDITION_FAILED,
        "Changed by another request", "Read the resource again, and repeat the change with its new ETag.";
    InsufficientStock = "insufficient_stock", CONFLICT,
        "Not enough stock", "Reduce the quantities that shortages names, or add stock first.";
    IdTaken = "id_taken", CONFLICT, "Id in use", "Choose a new id.";
    RequestInProgress = "request_in_progress", CONFLICT,
        "Request in progress", "Repeat the request after the time in Retry-After.";
    WrongStatus = "wrong_status", CONFLICT, "Wrong status",
        "Read the resource again. Its status does not allow this operation. If the document has a status, \
         documentStatus names it.";
    IllegalMove = "illegal_move", CONFLICT,
        "Status change not allowed", "Change the status to one of the statuses in allowed.";
    LinesFrozen = "lines_frozen", CONFLICT,
        "Lines cannot be changed", "Cancel the purchase order, and draft a new purchase order.";
    NothingOpen = "nothing_open", CONFLICT,
        "Nothing open", "Read the purchase order again. All its goods have been received.";
    RefundTooLarge = "refund_too_large", CONFLICT,
        "Refund too large", "Refund at most what was sold and has not been refunded.";
    PaymentTooLarge = "payment_too_large", CONFLICT,
        "Payment too large", "Pay at most the balance of the order, or pay back at most what was paid.";
    NotStocked = "not_stocked", UNPROCESSABLE_ENTITY, "Article without stock",
        "Remove the variant or the field. Services, fees and bundles have no stock.";
    NothingOnHand = "nothing_on_hand", CONFLICT,
        "Nothing on hand", "Change the cost of the variant, or choose a location that has stock.";
    NothingSuggested = "nothing_suggested", CONFLICT,
        "Nothing suggested", "Read the reorder suggestions again.";
    NothingCounted = "nothing_counted", CONFLICT,
        "Nothing counted", "Enter at least one line before you post the count.";
    MoreThanLeft = "more_than_left", CONFLICT,
        "Quantity larger than the rest of the line", "Reduce the quantity to the rest that errors names.";
    ReceiptReversed = "receipt_reversed", CONFLICT,
        "Receipt already reversed", "Read the receipts of the purchase order again.";
    DeliveryNoteBooked = "delivery_note_booked", CONFLICT,
        "Delivery note already booked", "Check whether this delivery has already been received.";
    ExternalIdInUse = "external_id_in_use", CONFLICT, "External id in use",
        "Find the record that has this externalId, and change that record instead.";
    DuplicateName = "duplicate_name", CONFLICT, "Name in use", "Choose another name.";
    DuplicateSeries = "duplicate_series", CONFLICT, "Series in use", "Choose another series.";
    InsufficientCredit = "insufficient_credit", CONFLICT,
        "Not enough credit", "Send at most the amount in the field available, or pay by another method.";
    CreditOverLimit = "credit_over_limit", CONFLICT, "Credit limit exceeded",
        "Reduce the payment to the amount in the field available, or raise the credit limit of the customer.";
    VoucherExpired = "voucher_expired", CONFLICT, "Voucher expired", "Pay by another method.";
    HasCredit = "has_credit", CONFLICT, "Customer with credit",
        "Let the customer spend the store credit and pay the debt before you archive the customer.";
    NoOpenShift = "no_open_shift", CONFLICT,
        "No open shift", "Open a shift at the register. To undo a sale of an earlier shift, refund it.";
    EventsGone = "events_gone", GONE, "Events are gone",
        "Read again what you show, and go on after the position in next.";
    TooManyStreams = "too_many_streams", TOO_MANY_REQUESTS,
        "Too many streams", "Close a stream of events, or wait until another client closes one.";
    FiscalReceipt = "fiscal_receipt", CONFLICT, "Receipt of a fiscal device",
        "Correct it with a new sale or refund. Receipts that a fiscal device signs cannot be voided.";
    HasReturns = "has_returns", CONFLICT,
        "Sale with returns", "Undo a refund, an exchange or a sale with returns by a new sale or refund.";
    ShiftNotClosed = "shift_not_closed", CONFLICT, "Shift not closed",
        "Close the shift of the register first. If another one is to be opened, shiftId names it.";
    CountedAlready = "counted_already", CONFLICT, "Drawer counted already",
        "Leave counts out, and send the fields that needs lists.";
    TooManyMails = "too_many_mails", TOO_MANY_REQUESTS, "Too many mails",
        "Print the receipt, or mail it after 24 hours.";
    HasRegisters = "has_registers", CONFLICT, "Registers sell from the location",
        "Archive the registers that detail names, or give them another location.";
    DuplicateSku = "duplicate_sku", CONFLICT, "SKU in use", "Choose another SKU.";
    DuplicateBarcode = "duplicate_barcode", CONFLICT,
        "Barcode in use", "Remove the barcode from the other variant first.";
    DuplicateOptions = "duplicate_options", CONFLICT,
        "Option values in use", "Choose other option values for the variant.";
    VariantArchived = "variant_archived", CONFLICT,
        "Variant archived", "Restore the variant, or leave it out.";
    CategoryArchived = "category_archived", CONFLICT,
        "Category archived", "Restore the category, or choose another one.";
    TaxClassArchived = "tax_class_archived", CONFLICT,
        "Tax class archived", "Restore the tax class, or choose another one.";
    CustomerArchived = "customer_archived", CONFLICT,
        "Customer archived", "Restore the customer, or choose another one.";
    LocationArchived = "location_archived", CONFLICT,
        "Location archived", "Restore the location, or choose another one.";
    DefaultLocation = "default_location", CONFLICT,
        "Default location", "Archive another location. The default location cannot be archived.";
    LocationNotEmpty = "location_not_empty", CONFLICT,
        "Location has stock", "Move the stock that `stock` lists before you archive the location.";
    DocumentsUnderWay = "documents_under_way", CONFLICT,
        "Documents under way", "Finish or cancel the documents that `documents` lists, then archive again.";
    SlugTaken = "slug_taken", CONFLICT, "Slug in use", "Choose another slug.";
    TillNumberTaken = "till_number_taken", CONFLICT, "Till number in use",
        "Check the number. If it is yours, ask the operator of the platform.";
    OtherTotal = "other_total", CONFLICT, "Totals differ",
        "Compare the prices of the till with the list prices at soldAt. total is the total of the server.";
    DuplicateReference = "duplicate_reference", CONFLICT, "Reference in use",
        "Send each sale of a till with the number that the till printed.";
    NoTillNumber = "no_till_number", CONFLICT, "No till number",
        "Set the till number with PUT /api/v1/business/till-number first.";
    MobileMoneyOff = "mobile_money_off", CONFLICT, "No mobile money",
        "Ask the operator of the platform to set up mobile money.";
    PaymentRequestPending = "payment_request_pending", CONFLICT, "Request still shown",
        "Wait until the telephone has answered the other request, at most three minutes.";
    PaymentNotReported = "payment_not_reported", CONFLICT, "Payment not reported",
        "Wait for the payment, correct its number, or choose another method of payment.";
    PaymentTooSmall = "payment_too_small", CONFLICT, "Payment too small",
        "Use at most the amount in available, and pay the rest in another way.";
    OtherCurrency = "other_currency", CONFLICT, "Other currency",
        "Use a payment in the currency of the business, or choose another method of payment.";
    NothingToConfirm = "nothing_to_confirm", CONFLICT, "Nothing to confirm",
        "Assign the payment to another sale or order, or dismiss it.";
    UserExists = "user_exists", CONFLICT,
        "User exists", "Leave the password out. Existing users keep their password.";
    UserChanged = "user_changed", CONFLICT, "User changed", "Repeat the request.";
    LastOwner = "last_owner", CONFLICT, "Last owner", "Make another member an owner first.";
    AlreadyInvited = "already_invited", CONFLICT,
        "Already invited", "Send the invitation again, or revoke it.";
    InvitationEnded = "invitation_ended", CONFLICT, "Invitation ended", "Invite the person again.";
    MailNotDead = "mail_not_dead", CONFLICT,
        "Mail not dead", "Wait until it is sent, or let the person ask for another mail.";
    EmailTaken = "email_taken", CONFLICT, "Email taken", "Use another email, or sign in with this one.";
    NoMail = "no_mail", CONFLICT, "No mail", "Ask the operator of the platform.";
    OwnPassword = "own_password", CONFLICT,
        "Your own password", "Change it with POST /api/v1/auth/password/change.";
    UserDisabled = "user_disabled", CONFLICT,
        "Account disabled", "Ask the operator of the platform to enable the account.";
    ApiKeyEnded = "api_key_ended", CONFLICT, "API key ended",
        "Create another API key, or rotate an expired one with a later expiresAt.";
    SecondFactorEnabled = "second_factor_enabled", CONFLICT,
        "Second factor on", "Turn it off before you set up another one.";
    NoSecondFactor = "no_second_factor", CONFLICT, "No second factor", "Set up a second factor first.";
    NoSecret = "no_secret", CONFLICT, "Public program", "Register another program, which has a secret.";
    WebhookExists = "webhook_exists", CONFLICT, "Webhook exists", "Change the webhook that has this url.";
    WebhookNotReady = "webhook_not_ready", CONFLICT, "Webhook not ready", "Do what detail says.";
    EventsDeleted = "events_deleted", CONFLICT, "Events were deleted",
        "Resume the webhook with from: oldest or from: now.";
    TooManyWebhooks = "too_many_webhooks", CONFLICT, "Too many webhooks", "Delete webhooks that nobody uses.";
    TooManySavedReports = "too_many_saved_reports", CONFLICT, "Too many saved reports",
        "Delete saved reports that nobody needs.";
    TooManyApiKeys = "too_many_api_keys", CONFLICT, "Too many API keys", "Revoke API keys that nobody uses.";
    IdentityTaken = "identity_taken", CONFLICT, "Identity linked already",
        "Unlink the identity from the account that has it.";
    TooManyIdentities = "too_many_identities", CONFLICT, "Too many identities", "Unlink an identity first.";
    TooManyRoles = "too_many_roles", CONFLICT, "Too many roles", "Remove roles that nobody needs.";
    UsernameTaken = "username_taken", CONFLICT, "Username taken", "Choose another username.";
    AlreadyMember = "already_member", CONFLICT, "Already a member", "Change the roles of the member instead.";
    RolePreset = "role_preset", CONFLICT, "Role of the app", "Choose another key for a role of your own.";
    RoleInUse = "role_in_use", CONFLICT, "Role in use",
        "Give the members who have the role other roles first.";
    RoleTaken = "role_taken", CONFLICT, "Role key taken", "Choose another key.";
    AppBuiltIn = "app_built_in", CONFLICT, "Built-in app", "Register an app of your own.";
    AppHasMembers = "app_has_members", CONFLICT, "App has members", "Remove the members of the app first.";
    DomainTaken = "domain_taken", CONFLICT,
        "Custom domain in use", "Remove the custom domain from the business that has it.";
    DomainNotVerified = "domain_not_verified", CONFLICT, "Custom domain not verified",
        "Publish the TXT record of the custom domain, and verify the custom domain again.";
    NoVerifiedBackup = "no_verified_backup", CONFLICT,
        "No verified backup", "Create and verify a backup, or send withoutBackup with the value true.";
    NothingSetAside = "nothing_set_aside", CONFLICT,
        "No schema set aside", "No action is possible. The business has no earlier schema to return to.";
    AnotherBusiness = "another_business", CONFLICT,
        "Slug of another business", "Restore the backup under another slug.";
    OperationInProgress = "operation_in_progress", CONFLICT, "Another operation is running",
        "Repeat the request when the other operation on this business has ended.";
    WrongJobState = "wrong_job_state", CONFLICT,
        "Wrong job state", "Read the job again. Its state does not allow this operation.";
    ProvisioningElsewhere = "provisioning_elsewhere", CONFLICT, "Not possible on this server",
        "Use the command line on the machine that has the owner's login, or set provisioning.in_server to \
         true.";

    // The same request may succeed later.
    TooManyAttempts = "too_many_attempts", TOO_MANY_REQUESTS, "Too many failed attempts",
        "Wait for the time in Retry-After. Set a new password if the old one is forgotten.";
    TooManySignUps = "too_many_sign_ups", TOO_MANY_REQUESTS, "Too many sign-ups",
        "Wait until tomorrow, or ask the operator of the platform to create the business.";
    RateLimited = "rate_limited", TOO_MANY_REQUESTS, "Too many requests", "Wait for the time in Retry-After.";
    BusinessBusy = "business_busy", TOO_MANY_REQUESTS, "Business busy",
        "Repeat the request after the time in Retry-After. Send fewer requests at the same time.";
    Unavailable = "unavailable", SERVICE_UNAVAILABLE,
        "Temporarily unavailable", "Repeat the request after the time in Retry-After.";
    TooBusy = "too_busy", SERVICE_UNAVAILABLE,
        "Too many sign-ins", "Repeat the request after the time in Retry-After.";
    DeadlineExceeded = "deadline_exceeded", SERVICE_UNAVAILABLE,
        "Request took too long", "Repeat the request. Send the same Idempotency-Key, if the request had one.";
    BusinessInMaintenance = "business_in_maintenance", SERVICE_UNAVAILABLE,
        "Business in maintenance", "Repeat the request after the time in Retry-After.";
    BusinessBeingUpgraded = "business_being_upgraded", SERVICE_UNAVAILABLE,
        "Business being upgraded", "Repeat the request after the time in Retry-After.";
    BusinessChanged = "business_changed", SERVICE_UNAVAILABLE,
        "Business changed", "Repeat the request after the time in Retry-After.";
    NewerRelease = "newer_release", SERVICE_UNAVAILABLE,
        "Data of a newer release", "Repeat the request. A server of the newer release can read the data.";
    DnsUnavailable = "dns_unavailable", SERVICE_UNAVAILABLE,
        "DNS not reachable", "Repeat the request after the time in Retry-After.";
    DatabaseUnavailable = "database_unavailable", SERVICE_UNAVAILABLE, "Database not reachable",
        "Repeat the request after the time in Retry-After. If the problem lasts, check the database server.";
    ShuttingDown = "shutting_down", SERVICE_UNAVAILABLE,
        "Server shutting down", "Send requests to another server.";
    Internal = "internal", INTERNAL_SERVER_ERROR, "Internal error", "Send the request id to support.";
}
