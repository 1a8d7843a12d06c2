//! The till: registers, shifts, sales and credit.

pub mod cash_movements;
pub mod credit;
pub mod parked_sales;
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
        .service(cash_movements::create)
        .service(cash_movements::list);
}
