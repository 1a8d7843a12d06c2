//! The till: registers, shifts, sales, credit and mobile money.

pub mod cash_movements;
pub mod credit;
pub mod mobile_payments;
pub mod offline_sales;
pub mod parked_sales;
pub mod payment_requests;
pub mod provider_reports;
pub mod receipts;
pub mod registers;
pub mod sale_corrections;
pub mod sale_view;
pub mod sales;
pub mod shifts;

use utoipa_actix_web::service_config::ServiceConfig;

/// Registers the routes of this module.
pub fn configure(config: &mut ServiceConfig) {
    config
        .service(registers::list)
        .service(registers::create)
        .service(registers::show)
        .service(registers::edit)
        .service(shifts::list)
        .service(shifts::open)
        .service(shifts::show)
        .service(shifts::close)
        .service(shifts::approve)
        .service(shifts::report)
        .service(sales::list)
        .service(sales::create)
        .service(sales::show)
        .service(receipts::show)
        .service(receipts::print)
        .service(receipts::mail)
        .service(sale_corrections::refund)
        .service(sale_corrections::void)
        .service(sale_corrections::approve)
        .service(parked_sales::list)
        .service(parked_sales::park)
        .service(parked_sales::show)
        .service(parked_sales::recall)
        .service(credit::list_vouchers)
        .service(credit::show_voucher)
        .service(credit::list_voucher_movements)
        .service(credit::show_of_customer)
        .service(credit::list_of_customer)
        .service(offline_sales::list)
        .service(offline_sales::create)
        .service(offline_sales::show)
        .service(offline_sales::complete_held)
        .service(offline_sales::discard)
        .service(payment_requests::list)
        .service(payment_requests::create)
        .service(payment_requests::show)
        .service(mobile_payments::list)
        .service(mobile_payments::show)
        .service(mobile_payments::assign)
        .service(mobile_payments::dismiss)
        .service(mobile_payments::reopen)
        .service(mobile_payments::list_unconfirmed)
        .service(provider_reports::report_payment)
        .service(provider_reports::report_outcome)
        .service(cash_movements::create)
        .service(cash_movements::list);
}
