//! Everything that the doctor checks is broken; the doctor finds it, and the cures that it prints, run as
//! they are printed, solve it.

use std::collections::BTreeSet;

use harness::{Cluster, Program, end_membership};
use serde_json::Value;
use tokio_postgres::Client;

/// A statement that breaks something, and words of the report about it. `END a OF b` ends a membership.
type Breakage = (&'static str, &'static str);

/// Rights and roles. Some of them are given to others, some are taken away.
const RIGHTS: &[Breakage] = &[
    ("CREATE POLICY by_hand ON shared.memberships USING (true)", "policy memberships: by_hand"),
    ("DROP POLICY domains_own ON shared.domains", "policy domains: domains_own"),
    ("ALTER POLICY users_self ON shared.users USING (true)", "policy users: users_self"),
    ("ALTER TABLE shared.user_logins DISABLE ROW LEVEL SECURITY", "row level security on user_logins"),
    ("GRANT SELECT ON shared.users TO PUBLIC", "grant of SELECT on table users to PUBLIC"),
    ("REVOKE SELECT ON shared.tenants FROM tenantry_shared", "grant of SELECT on table tenants to"),
    ("REVOKE SELECT (status) ON shared.users FROM tenantry_shared", "SELECT (status) on table users.status"),
    ("REVOKE USAGE ON SCHEMA shared FROM tenantry_platform", "grant of USAGE on schema to tenantry_platform"),
    ("GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA shared TO PUBLIC", "grant of EXECUTE on function find_"),
    ("REVOKE USAGE ON SCHEMA business_1 FROM shops_business_1", "grant of USAGE on schema to <role>"),
    ("GRANT USAGE ON SCHEMA business_2 TO shops_business_1", "grant of USAGE on schema to shops_business_1"),
    ("REVOKE INSERT ON business_1.orders FROM tenantry_tenant", "grant of INSERT on table orders"),
    (
        "GRANT UPDATE ON business_1.stock_movements TO tenantry_tenant",
        "grant of UPDATE on table stock_movements",
    ),
    ("REVOKE SELECT ON business_1.products FROM \"Shop owner\"", "rights of the owner on table products"),
    (
        "ALTER DEFAULT PRIVILEGES FOR ROLE \"Shop owner\" IN SCHEMA business_1 GRANT ALL ON TABLES TO PUBLIC",
        "default privilege of",
    ),
    (
        "ALTER DEFAULT PRIVILEGES FOR ROLE \"Shop owner\" GRANT USAGE ON SCHEMAS TO tenantry_tenant",
        "gets USAGE on all new SCHEMAS",
    ),
    ("END shops_business_1 OF \"Shop-server\"", "Shop-server is not a member of shops_business_1"),
    ("END shops_business_2 OF \"Shop owner\"", "Shop owner is not a member of shops_business_2"),
    ("END tenantry_tenant OF shops_business_1", "shops_business_1 is not in the group"),
    ("GRANT shops_business_1 TO shops_business_2", "shops_business_2 is a member of shops_business_1"),
    ("GRANT pg_read_all_data TO shops_business_1", "shops_business_1 is a member of pg_read_all_data"),
    (
        "CREATE ROLE somebody LOGIN; GRANT shops_business_2 TO somebody",
        "somebody is a member of shops_business_2",
    ),
    ("GRANT pg_monitor TO tenantry_tenant", "tenantry_tenant is a member of pg_monitor"),
    ("GRANT pg_read_all_data TO \"Shop-server\"", "Shop-server is a member of pg_read_all_data"),
    ("END tenantry_platform OF \"Shop-server\"", "Shop-server is not a member of tenantry_platform"),
    ("ALTER ROLE shops_business_1 LOGIN", "shops_business_1 may sign in"),
    ("ALTER ROLE tenantry_shared BYPASSRLS", "tenantry_shared has BYPASSRLS"),
    ("ALTER ROLE \"Shop-server\" INHERIT", "Shop-server inherits the rights"),
    ("ALTER ROLE \"Shop-server\" CREATEROLE", "Shop-server has CREATEROLE"),
    ("ALTER ROLE \"Shop-server\" CONNECTION LIMIT 5", "may open only 5 connections"),
    ("ALTER ROLE \"Shop owner\" VALID UNTIL '2100-01-01'", "the password of the login Shop owner expires"),
    ("ALTER DATABASE shops CONNECTION LIMIT 9", "accepts only 9 connections"),
    ("GRANT TEMP, CONNECT ON DATABASE shops TO PUBLIC", "every login may create temporary tables"),
    ("GRANT TEMP ON DATABASE shops TO tenantry_tenant", "tenantry_tenant may create temporary tables"),
    ("GRANT CREATE ON DATABASE shops TO \"Shop-server\"", "Shop-server may create schemas"),
    ("GRANT CREATE ON SCHEMA public TO PUBLIC", "objects in the schema public"),
    ("GRANT CREATE ON SCHEMA extensions TO PUBLIC", "objects in the schema extensions"),
    (
        "REVOKE USAGE ON SCHEMA extensions FROM tenantry_tenant",
        "tenantry_tenant may not use the schema extensions",
    ),
    ("ALTER ROLE \"Shop-server\" SET session_replication_role = 'replica'", "session_replication_role"),
    (
        "CREATE TABLE public.by_hand (); ALTER TABLE public.by_hand OWNER TO \"Shop-server\"",
        "must own nothing",
    ),
];

/// What the creation of a business needs. Without it, no schema can be compared.
const CREATION: &[Breakage] = &[
    ("ALTER ROLE shops_role_maker NOCREATEROLE", "shops_role_maker lacks CREATEROLE"),
    ("END tenantry_tenant OF shops_role_maker", "may not add roles to tenantry_tenant"),
    ("ALTER FUNCTION shared.make_tenant_role(bigint) SECURITY INVOKER", "roles of businesses were changed"),
    ("ALTER EXTENSION pg_trgm SET SCHEMA public", "pg_trgm is missing from the schema extensions"),
];

/// What schemas consist of.
const OBJECTS: &[Breakage] = &[
    ("ALTER TABLE shared.tenants ADD COLUMN by_hand integer", "column tenants.by_hand"),
    ("DROP INDEX shared.memberships_tenant_id_idx", "index memberships"),
    ("ALTER FUNCTION shared.find_tenant(text, text) SECURITY INVOKER", "function find_tenant"),
    ("DROP FUNCTION shared.find_credentials(text, text, uuid)", "function find_credentials"),
    ("ALTER TABLE shared.platform_audit DISABLE TRIGGER ALL", "trigger platform_audit"),
    ("CREATE TABLE shared.by_hand (id integer PRIMARY KEY)", "table by_hand"),
    ("CREATE VIEW shared.everything AS SELECT * FROM shared.tenants", "view everything"),
    ("ALTER TABLE shared.user_logins OWNER TO postgres", "owner of table user_logins"),
    ("ALTER TABLE business_1.products DROP CONSTRAINT products_kind_check", "constraint products"),
    (
        "ALTER TABLE business_1.products ADD CONSTRAINT by_hand CHECK (name <> '')",
        "constraint products by_hand",
    ),
    ("ALTER TABLE business_1.orders ALTER COLUMN note SET NOT NULL", "not null: orders.note"),
    ("ALTER TABLE business_1.orders ALTER COLUMN status DROP NOT NULL", "not null: orders.status"),
    ("ALTER TABLE business_1.settings ALTER COLUMN time_zone TYPE varchar(50)", "type of settings.time_zone"),
    ("ALTER TABLE business_1.products ALTER COLUMN kind DROP DEFAULT", "default of products.kind"),
    ("CREATE INDEX by_hand ON business_1.orders (note)", "by_hand ON orders"),
    ("ALTER TABLE business_1.orders SET (fillfactor = 50)", "option orders fillfactor=50"),
    ("DROP TABLE business_1.sale_approvals", "table sale_approvals"),
    ("CREATE RULE by_hand AS ON DELETE TO business_1.orders DO INSTEAD NOTHING", "rule orders by_hand"),
    ("CREATE TYPE business_1.by_hand AS ENUM ('a')", "type by_hand"),
    ("CREATE FUNCTION business_1.by_hand() RETURNS integer LANGUAGE sql AS 'SELECT 1'", "function by_hand()"),
];

struct Patient {
    cluster: Cluster,
    program: Program,
    admin: Client,
    /// Problems of a test server, which are none of the installation.
    usual: BTreeSet<String>,
}

impl Patient {
    async fn start() -> Self {
        let cluster = Cluster::start();
        let folder = std::env::temp_dir().join(format!("cures-{}", std::process::id()));
        // Names that need quoting.
        let program = cluster
            .program("Shop-server", "Shop%20owner", "shops")
            .with("TENANTRY__BACKUP__FOLDER", &folder.display().to_string());
        let ran = program.run(&["db", "init", "--admin-url", &cluster.admin_url]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        for slug in ["acme", "zenith"] {
            let ran = program.run(&["tenant", "create", slug, "--name", slug, "--owner-email", "a@b.test"]);
            assert_eq!(ran.code, Some(0), "{ran:?}");
        }
        let admin = cluster.as_admin("shops").await;
        let mut patient = Self { cluster, program, admin, usual: BTreeSet::new() };
        patient.usual = patient.problems().0.into_iter().map(|(name, _)| name).collect();
        patient
    }

    /// The problems that the doctor names, as check and cure, and the whole report.
    fn problems(&self) -> (Vec<(String, String)>, String) {
        let ran = self.program.run(&["doctor", "-o", "json"]);
        let report: Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{ran:?}"));
        let text = |finding: &Value, member: &str| finding[member].as_str().unwrap_or_default().to_owned();
        let findings = report["findings"].as_array().unwrap().iter();
        let problems = findings
            .filter(|finding| finding["health"] != "ok")
            .map(|finding| (text(finding, "name"), text(finding, "cure")))
            .filter(|(name, _)| !self.usual.contains(name));
        (problems.collect(), ran.out)
    }

    async fn breaks(&self, breakages: &[Breakage]) {
        for (sql, _) in breakages {
            if let Some((role, member)) = sql.strip_prefix("END ").and_then(|of| of.split_once(" OF ")) {
                end_membership(&self.admin, role, member).await;
                continue;
            }
            self.admin.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        }
    }

    /// Runs the commands and the statements between backticks in each cure.
    async fn cure(&self, problems: &[(String, String)]) {
        let cures: BTreeSet<&str> = problems.iter().map(|(_, cure)| cure.as_str()).collect();
        let mut commands: Vec<&str> = cures.iter().filter_map(|cure| cure.split('`').nth(1)).collect();
        // Statements for logins first: the bootstrap refuses logins with too many rights.
        commands.sort_by_key(|command| command.starts_with("tenantry "));
        assert!(!commands.is_empty(), "no cure: {problems:?}");
        for command in commands.into_iter().filter(|command| *command != "tenantry doctor") {
            let Some(command) = command.strip_prefix("tenantry ") else {
                self.admin
                    .batch_execute(command)
                    .await
                    .unwrap_or_else(|error| panic!("{command}: {error:?}"));
                continue;
            };
            let arguments: Vec<&str> = command
                .split(' ')
                .map(|word| if word == "URL" { self.cluster.admin_url.as_str() } else { word })
                .collect();
            let ran = self.program.run(&arguments);
            assert_eq!(ran.code, Some(0), "{command}: {ran:?}");
            if command == "doctor --repair-sql" {
                self.admin.batch_execute(&ran.out).await.unwrap_or_else(|error| {
                    panic!("{error:?}\n{}", ran.out);
                });
            }
        }
    }

    /// Breaks everything, reads the cures, runs them, and asks again.
    async fn is_cured_of(&self, breakages: &[Breakage]) {
        self.breaks(breakages).await;
        let (mut problems, report) = self.problems();
        for (sql, words) in breakages {
            let words = words.replace('"', "\\\"");
            assert!(report.contains(&words), "{sql}: not found: {words}\n{report}");
        }
        // A cure may bring a problem to light that another one has hidden.
        for _ in 0..3 {
            if problems.is_empty() {
                break;
            }
            self.cure(&problems).await;
            problems = self.problems().0;
        }
        let (left, report) = self.problems();
        assert!(left.is_empty(), "{report}");
        let slug = format!("after-{}", breakages.len());
        let made =
            self.program.run(&["tenant", "create", &slug, "--name", "Later", "--owner-email", "a@b.test"]);
        assert_eq!(made.code, Some(0), "{made:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_cure_works() {
    let patient = Patient::start().await;
    patient.is_cured_of(RIGHTS).await;
    patient.is_cured_of(CREATION).await;
    patient.is_cured_of(OBJECTS).await;

    // A schema that is gone is one line.
    assert_eq!(patient.program.run(&["backup", "create", "acme", "--verify"]).code, Some(0));
    patient.admin.batch_execute("DROP SCHEMA business_1 CASCADE").await.unwrap();
    let (problems, report) = patient.problems();
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["drift"][0]["missing"], serde_json::json!(["schema"]), "{report}");
    patient.cure(&problems).await;
    assert_eq!(patient.problems().0, []);
}
