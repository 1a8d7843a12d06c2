//! The doctor's checks of logins, roles, and what they may see.

use tenancy::DbError;

use crate::upkeep::doctor::{Patient, Report};

/// The bootstrap, which cures what is wrong with roles and rights.
pub(super) const BOOTSTRAP: &str = "run `tenantry db init --admin-url URL`, with the URL of an administrator";

/// How many names are told in one message.
const NAMED: usize = 10;

/// Whether the owner's login can be used for the other checks.
pub(super) async fn logins(patient: &Patient, report: &mut Report) -> bool {
    let mut works = true;
    for (setting, url) in [("database.url", &patient.server_url), ("database.owner_url", &patient.owner_url)]
    {
        if let Err(error) = tenancy::probe(url).await {
            let told = format!("{setting}: {}", tenancy::chain(&error));
            let cure = format!("correct {setting}; if the database was never prepared, {BOOTSTRAP}");
            report.fail("logins", told, cure);
            works &= setting != "database.owner_url";
        }
    }
    if !works {
        return false;
    }
    let login = patient.owner_url.user();
    match patient.owner_database.owner_of_shared().await {
        Ok(Some(owner)) if owner == login => true,
        Ok(Some(owner)) if owner == patient.server_url.user() => {
            let told = format!("database.url and database.owner_url are swapped: {owner} owns the schemas");
            report.fail("logins", told, "exchange the values of database.url and database.owner_url");
            false
        }
        Ok(Some(owner)) => {
            let told = format!("database.owner_url names the login {login}, but {owner} owns the schemas");
            report.fail("logins", told, format!("name the login {owner} in database.owner_url"));
            false
        }
        Ok(None) => {
            report.fail("logins", "the database is not prepared: the schema shared is missing", BOOTSTRAP);
            false
        }
        Err(error) => {
            let told = format!("the owner of the schemas cannot be read: {}", tenancy::chain(&error));
            report.fail("logins", told, "solve the problem, then run `tenantry doctor` again");
            false
        }
    }
}

pub(super) async fn roles(patient: &Patient, report: &mut Report) -> Result<(), DbError> {
    let complaints = patient.owner_database.complaints(patient.pool_connections).await?;
    if complaints.is_empty() {
        report.ok("roles", "the server's login owns nothing and inherits nothing; each business has a role");
    }
    let (by_bootstrap, by_hand): (Vec<_>, Vec<_>) =
        complaints.into_iter().partition(|complaint| complaint.cure.is_none());
    let texts: Vec<&str> = by_bootstrap.iter().map(|complaint| complaint.text.as_str()).collect();
    if !texts.is_empty() {
        report.fail("roles", few(&texts), BOOTSTRAP);
    }
    for complaint in by_hand.iter().take(100) {
        let cure = complaint.cure.as_deref().unwrap_or_default();
        report.fail("roles", &complaint.text, format!("run `{cure}` with psql, as an administrator"));
    }
    let open = patient.owner_database.tables_without_row_security().await?;
    if open.is_empty() {
        report.ok("row security", "on for every shared table with rows of businesses or users");
    } else {
        let told = format!("off for shared.{}", open.join(", shared."));
        report.fail("row security", told, BOOTSTRAP);
    }
    Ok(())
}

pub(super) async fn isolation(patient: &Patient, report: &mut Report) {
    match patient.owner_database.probe_isolation(&patient.server).await {
        Ok(probed) => report.ok(
            "isolation",
            format!(
                "no test row was visible in another schema: \
                 {} transactions committed, {} rolled back, {} failed, {} cancelled",
                probed.committed, probed.rolled_back, probed.failed, probed.cancelled
            ),
        ),
        Err(error) => report.fail(
            "isolation",
            tenancy::chain(&error),
            "if the message says BROKEN, stop all servers and inform the developers; \
             otherwise fix the cause and run `tenantry doctor` again",
        ),
    }
}

/// The first texts, and how many more there are.
pub(super) fn few(texts: &[&str]) -> String {
    let named = texts.iter().take(NAMED).copied().collect::<Vec<_>>().join("; ");
    match texts.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named}; and {more} more"),
    }
}
