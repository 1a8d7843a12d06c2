//! TLS to PostgreSQL: every sslmode behaves as in libpq.

use harness::{TestDatabase, until};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tenancy::probe;

/// Connects with these URL parameters. Returns the error text, or an empty text if the connection works.
async fn tried(database: &TestDatabase, host: &str, parameters: &str) -> String {
    let url = database.url().replace("127.0.0.1", host).replace("sslmode=disable", parameters);
    probe(&url.parse().unwrap()).await.err().map(|error| error.to_string()).unwrap_or_default()
}

#[tokio::test]
async fn every_sslmode_behaves_as_in_libpq() {
    let database = TestDatabase::new().await;
    let admin = database.as_admin().await;
    for mode in ["disable", "allow", "prefer"] {
        assert_eq!(tried(&database, "127.0.0.1", &format!("sslmode={mode}")).await, "", "{mode} without TLS");
    }
    for mode in ["require", "verify-ca", "verify-full"] {
        let refused = tried(&database, "127.0.0.1", &format!("sslmode={mode}")).await;
        assert!(
            refused.contains("the server does not offer TLS") && refused.contains("ssl on"),
            "{mode}: {refused}"
        );
    }

    // A certificate for `localhost` only, from the test's own authority. PostgreSQL writes the files itself.
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    for (file, text) in [("server.crt", certificate.pem()), ("server.key", key.serialize_pem())] {
        let lines =
            format!("SELECT unnest(string_to_array('{}', E'\\n'))", text.trim().replace("\r\n", "\n"));
        admin.batch_execute(&format!("COPY ({lines}) TO PROGRAM 'umask 077; cat > {file}'")).await.unwrap();
    }
    admin.batch_execute("ALTER SYSTEM SET ssl = on").await.unwrap();
    admin.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    let is_on = async || admin.query_one("SHOW ssl", &[]).await.unwrap().get::<_, String>(0) == "on";
    until("TLS is on", is_on).await;
    let root = std::env::temp_dir().join(format!("{}-root.crt", database.name));
    std::fs::write(&root, authority.pem()).unwrap();
    let root = root.display().to_string();

    for mode in ["disable", "allow", "prefer", "require"] {
        assert_eq!(
            tried(&database, "127.0.0.1", &format!("sslmode={mode}")).await,
            "",
            "{mode} accepts any certificate"
        );
    }
    // Without the root certificate, the authority is unknown. With it, verify-ca accepts a wrong name and
    // verify-full does not.
    for mode in ["verify-ca", "verify-full"] {
        let refused = tried(&database, "localhost", &format!("sslmode={mode}")).await;
        assert!(refused.contains("certificate"), "{mode}: {refused}");
        let trusted = format!("sslmode={mode}&sslrootcert={root}");
        assert_eq!(tried(&database, "localhost", &trusted).await, "", "{mode} with the right root and name");
    }
    assert_eq!(tried(&database, "127.0.0.1", &format!("sslmode=verify-ca&sslrootcert={root}")).await, "");
    let wrong_name = tried(&database, "127.0.0.1", &format!("sslmode=verify-full&sslrootcert={root}")).await;
    assert!(wrong_name.contains("certificate") && wrong_name.contains("sslrootcert"), "{wrong_name}");
    // As in libpq, require verifies the chain if a root certificate is given.
    assert_eq!(tried(&database, "127.0.0.1", &format!("sslmode=require&sslrootcert={root}")).await, "");
    let other = CertifiedIssuer::self_signed(
        CertificateParams::new(Vec::new()).unwrap(),
        KeyPair::generate().unwrap(),
    )
    .unwrap();
    std::fs::write(&root, other.pem()).unwrap();
    let foreign = tried(&database, "127.0.0.1", &format!("sslmode=require&sslrootcert={root}")).await;
    assert!(foreign.contains("certificate"), "{foreign}");
    std::fs::remove_file(&root).unwrap();
    let missing = tried(&database, "127.0.0.1", &format!("sslmode=verify-ca&sslrootcert={root}")).await;
    assert!(missing.contains("cannot read the root certificate"), "{missing}");

    admin.batch_execute("ALTER SYSTEM RESET ssl").await.unwrap();
    admin.batch_execute("SELECT pg_reload_conf()").await.unwrap();
}
