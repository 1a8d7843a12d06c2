//! End-to-end tests: a real server and a real PostgreSQL, one file per noun.

mod alerts;
mod auth;
mod backup;
mod bootstrap;
mod catalogue;
mod command_line;
mod dashboard;
mod doctor;
mod domains;
mod fairness;
mod fleet;
mod hosts;
mod isolation;
mod jobs;
mod lifecycle;
mod onboarding;
mod orders;
mod pool;
mod process;
mod purchasing;
mod routes;
mod servers;
mod stock;
mod stock_documents;
mod terms;
mod tls;
