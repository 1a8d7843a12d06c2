//! The doctor's comparison of every schema with its version.

use tenancy::drift::Drifted;

use crate::upkeep::doctor::{Patient, Report};
use crate::upkeep::role_check::{BOOTSTRAP, few};

pub(super) async fn check(patient: &Patient, report: &mut Report) {
    if patient.skip_drift {
        return;
    }
    let compared = match patient.owner_database.compare_schemas().await {
        Ok(compared) => compared,
        Err(error) => {
            let told = format!("the schemas cannot be compared: {}", tenancy::chain(&error));
            return report.fail("drift", told, "solve the problem, then run `tenantry doctor` again");
        }
    };
    if compared.drifted.is_empty() && compared.problems.is_empty() {
        report.ok("drift", "every schema matches its version");
    }
    if !compared.problems.is_empty() {
        let problems: Vec<&str> = compared.problems.iter().map(String::as_str).collect();
        let told = format!("schemas that cannot be compared: {}", few(&problems));
        report.fail("drift", told, "solve the problem, then run `tenantry doctor` again");
    }
    let of = |is: fn(&Drifted) -> bool| -> Vec<&str> {
        compared.drifted.iter().filter(|drifted| is(drifted)).map(|drifted| drifted.schema.as_str()).collect()
    };
    for gone in compared.drifted.iter().filter(|drifted| drifted.drift.lacks_schema()) {
        if let Some(business) = &gone.business {
            let told = format!("the schema {} of the business {business} is missing", gone.schema);
            let cure = format!("run `tenantry backup restore --newest {business} --yes`");
            report.fail("drift", told, cure);
        }
    }
    let rights = of(|drifted| drifted.drift.is_of_rights() || is_missing_spare(drifted));
    if !rights.is_empty() {
        let told = format!("schemas whose rights do not match their version: {}", few(&rights));
        report.fail("drift", told, BOOTSTRAP);
    }
    let others = of(|drifted| !drifted.drift.is_of_rights() && !drifted.drift.lacks_schema());
    if !others.is_empty() {
        report.fail(
            "drift",
            format!("schemas that do not match their version: {}", few(&others)),
            "read what `tenantry doctor --repair-sql` prints, and run it with psql as an administrator; \
             restore a business that has lost data from a backup",
        );
    }
    report.drift = compared.drifted;
}

fn is_missing_spare(drifted: &Drifted) -> bool {
    drifted.drift.lacks_schema() && drifted.business.is_none()
}
