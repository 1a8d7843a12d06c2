//! The sources of the configuration, and the display of its values.

use std::path::{Path, PathBuf};

use config::{Config, Environment, File, FileFormat, Value, ValueKind};
use tenancy::DatabaseUrl;

use crate::plain_words::Documentation;
use crate::settings::{Settings, SettingsError};

/// The documented defaults. The binary includes them, so it runs without the configuration folder.
const DEFAULTS: &str = include_str!("../../../config/default.toml");

const DEFAULT_FOLDER: &str = "config";

/// Keys without a default.
const WITHOUT_DEFAULT: [&str; 12] = [
    "database.url",
    "database.owner_url",
    "database.installation",
    "identity.issuer",
    "identity.signing_key_file",
    "identity.password_key",
    "mail.smtp_url",
    "mobile_money.consumer_key",
    "mobile_money.consumer_secret",
    "mobile_money.shortcode",
    "mobile_money.passkey",
    "mobile_money.callback_secret",
];

/// Whether the value of a key is secret, in whole or in part.
pub(crate) fn is_secret(key: &str) -> bool {
    const SECRETS: [&str; 8] = [
        "database.url",
        "database.owner_url",
        "identity.password_key",
        "identity.former_password_keys",
        "mail.smtp_url",
        "mobile_money.consumer_secret",
        "mobile_money.passkey",
        "mobile_money.callback_secret",
    ];
    let is_of_issuer = key.starts_with("identity.external_issuers.") && key.ends_with(".client_secret");
    SECRETS.contains(&key) || is_of_issuer
}

/// The sources of the configuration, the strongest last: the defaults, the environment's file, more files,
/// and `TENANTRY__...` variables.
#[derive(Debug, Clone)]
pub struct Sources {
    /// The environment: `development`, `production`, or the name of another file of the folder.
    pub environment: String,
    /// The folder with `default.toml` and the file of the environment. The default folder may be absent.
    pub folder: PathBuf,
    /// More files, the strongest last. A file that does not exist is ignored.
    pub more: Vec<PathBuf>,
}

/// One configured value for display.
#[derive(Debug, Clone, serde::Serialize)]
pub struct ShownValue {
    /// The key, with its section, such as `server.listen`.
    pub key: String,
    /// The value, with secrets masked, or `(not set)` for a key without a default.
    pub value: String,
    /// The file or the environment that set the value, `built-in default`, or `no default`.
    pub source: String,
}

impl Sources {
    /// Reads the environment from `TENANTRY_ENV`, which defaults to production, and the folder from
    /// `TENANTRY_CONFIG_DIR`, which defaults to `config`.
    pub fn from_environment() -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            environment: variable("TENANTRY_ENV").unwrap_or_else(|| "production".to_owned()),
            folder: variable("TENANTRY_CONFIG_DIR").unwrap_or_else(|| DEFAULT_FOLDER.to_owned()).into(),
            more: Vec::new(),
        }
    }

    fn read(&self) -> Result<Config, SettingsError> {
        // The default folder may be absent, because the binary includes the defaults.
        if self.folder != Path::new(DEFAULT_FOLDER) && !self.folder.is_dir() {
            return Err(SettingsError::Folder(self.folder.clone()));
        }
        let file = |path: &Path| File::from(path).format(FileFormat::Toml).required(false);
        let mut builder = Config::builder()
            .add_source(File::from_str(DEFAULTS, FileFormat::Toml))
            .add_source(file(&self.folder.join("default.toml")))
            .add_source(file(&self.folder.join(format!("{}.toml", self.environment))));
        for path in &self.more {
            builder = builder.add_source(file(path));
        }
        let mut environment = Environment::with_prefix("TENANTRY")
            .prefix_separator("__")
            .separator("__")
            .try_parsing(true)
            .list_separator(",")
            .with_list_parse_key("identity.former_password_keys")
            .with_list_parse_key("server.cors_origins")
            .with_list_parse_key("server.trusted_proxies");
        for (name, _) in std::env::vars_os() {
            if let Some(key) = name.to_str().and_then(audiences_key) {
                environment = environment.with_list_parse_key(&key);
            }
        }
        Ok(builder.add_source(environment).build()?)
    }

    /// Reads and checks the configuration.
    ///
    /// # Errors
    /// [`SettingsError`] with the key that is unknown, malformed or out of range.
    pub fn load(&self) -> Result<Settings, SettingsError> {
        let values = self.read()?;
        let defaults = Config::builder().add_source(File::from_str(DEFAULTS, FileFormat::Toml)).build()?;
        let documentation = Documentation::read(&defaults, DEFAULTS);
        documentation.check_types(&values)?;
        let settings: Settings = serde_path_to_error::deserialize(values)
            .map_err(|error| documentation.explain(&error.path().to_string(), &error.inner().to_string()))?;
        settings.check()?;
        Ok(settings)
    }

    /// Returns every value with its source. Secrets are masked. Works on a configuration that
    /// [`Sources::load`] would refuse.
    ///
    /// # Errors
    /// [`SettingsError::Read`].
    pub fn show(&self) -> Result<Vec<ShownValue>, SettingsError> {
        let mut shown = Vec::new();
        flatten("", &self.read()?.cache, &mut shown);
        for key in WITHOUT_DEFAULT {
            if !shown.iter().any(|value| value.key == key) {
                let (value, source) = ("(not set)".to_owned(), "no default".to_owned());
                shown.push(ShownValue { key: key.to_owned(), value, source });
            }
        }
        shown.sort_by(|one, other| one.key.cmp(&other.key));
        Ok(shown)
    }
}

/// The key of a variable with the audiences of an issuer, whose name the operator chooses.
fn audiences_key(variable: &str) -> Option<String> {
    let key = variable.strip_prefix("TENANTRY__")?.to_lowercase().replace("__", ".");
    (key.starts_with("identity.external_issuers.") && key.ends_with(".audiences")).then_some(key)
}

fn flatten(prefix: &str, value: &Value, shown: &mut Vec<ShownValue>) {
    match &value.kind {
        ValueKind::Table(table) => {
            for (name, value) in table {
                let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                flatten(&key, value, shown);
            }
        }
        _ => shown.push(ShownValue {
            key: prefix.to_owned(),
            value: masked(prefix, &value.to_string()),
            source: value.origin().unwrap_or("built-in default").to_owned(),
        }),
    }
}

/// Masks a secret. A URL keeps everything except its password and its parameters.
fn masked(key: &str, value: &str) -> String {
    match key {
        "mail.smtp_url" => mask_password(value),
        "identity.former_password_keys" if value == "[]" => value.to_owned(),
        "database.url" | "database.owner_url" => match value.parse::<DatabaseUrl>() {
            Ok(_) => mask_password(value),
            Err(_) => "********".to_owned(),
        },
        _ if is_secret(key) => "********".to_owned(),
        _ => value.to_owned(),
    }
}

fn mask_password(url: &str) -> String {
    let (Some((scheme, rest)), true) = (url.split_once("://"), url.contains('@')) else {
        return "********".to_owned();
    };
    let (authority, path) = rest.rsplit_once('@').unwrap_or(("", rest));
    let user = authority.split(':').next().unwrap_or_default();
    // The parameters may contain a password too, so they are left out.
    let path = path.split('?').next().unwrap_or_default();
    format!("{scheme}://{user}:********@{path}")
}

#[cfg(test)]
mod tests {
    use tenancy::TenantSlug;

    use super::*;

    fn sources(toml: &str) -> (Sources, PathBuf) {
        let path = std::env::temp_dir().join(format!("tenantry-settings-{}.toml", uuid::Uuid::now_v7()));
        std::fs::write(&path, toml).unwrap();
        let sources =
            Sources { environment: "none".into(), folder: DEFAULT_FOLDER.into(), more: vec![path.clone()] };
        (sources, path)
    }

    fn load(toml: &str) -> Result<Settings, String> {
        let (sources, path) = sources(toml);
        let loaded = sources.load().map_err(|error| error.to_string());
        std::fs::remove_file(path).unwrap();
        loaded
    }

    #[test]
    fn the_defaults_are_valid_and_contain_no_secret() {
        let settings = load("").unwrap();
        assert!(settings.database.url.is_none() && settings.identity.password_key.is_none());
        assert!(settings.database_url().unwrap_err().to_string().contains("TENANTRY__DATABASE__URL"));
    }

    #[test]
    fn an_error_names_the_invalid_key() {
        for (toml, key) in [
            ("[server]\nlisten = 5", "server.listen"),
            ("[server]\nbase_domain = \"a b\"", "server.base_domain"),
            ("[database]\nmax_connections = 0", "database.max_connections"),
            ("[database]\nmax_connections = 501", "database.max_connections"),
            ("[database]\nmax_conections = 5", "max_conections"),
            ("[identity]\nbcrypt_cost = 3", "identity.bcrypt_cost"),
            ("[log]\nformat = \"xml\"", "log.format"),
            ("[nonsense]\na = 1", "nonsense"),
            ("[server]\ncors_origins = [\"*\"]", "server.cors_origins[0]: an origin must be a scheme"),
            ("[server]\ncors_origins = 5", "server.cors_origins: \"5\" is refused: it must be a list"),
            ("[server]\ntrusted_proxies = [\"x\"]", "server.trusted_proxies[0]: must be a network"),
            ("[server]\nlisten = \"x\"", "server.listen: must be an address with a port"),
            ("[server]\nlistn = \"x\"", "there is no such key"),
            (
                "[server]\nworkers = true",
                "must be a whole number. Range: 1 to 64, or 0 for one thread per core",
            ),
            ("[server]\nworkers = 1.5", "must be a whole number"),
            ("[server]\nworkers = -1", "must be a whole number. Range: 1 to 64"),
            ("[server]\npublic_port = 99999999999", "must be a whole number. Range: 1 to 65535"),
            ("[jobs]\nin_server = \"maybe\"", "\"maybe\" is refused: it must be true or false"),
            ("[log]\nformat = \"xml\"", "log.format: the value is unknown. Values: json, pretty"),
            ("[database]\nurl = \"mysql://x\"", "database.url: a database URL must have the form"),
            ("[database]\nowner_url = \"x\"", "database.owner_url: a database URL must have the form"),
            ("[identity]\nissuer = \"x y\"", "identity.issuer: must be a URL"),
            ("[identity]\npassword_key = \"short\"", "identity.password_key: the key is too short"),
            ("[backup]\nfolder = \"\"", "backup.folder: must be the path of a folder"),
            (
                "[server]\nlisten = \"127.0.0.1:9090\"",
                "server.metrics_listen: must differ from server.listen",
            ),
        ] {
            let error = load(toml).unwrap_err();
            assert!(error.contains(key), "{toml:?}: {error}");
            for word in ["invalid type", "enum", "expected", "unsigned", "for key"] {
                assert!(!error.contains(word), "{toml:?}: a library speaks: {error}");
            }
        }
    }

    /// The keys of the default file whose comment states a range: section, key, lowest and highest value.
    fn documented_ranges() -> Vec<(String, String, i64, i64)> {
        let (mut section, mut comment, mut found) = (String::new(), String::new(), Vec::new());
        for line in DEFAULTS.lines() {
            if let Some(text) = line.strip_prefix("# ") {
                comment = format!("{comment} {text}");
                continue;
            }
            if let Some(name) = line.strip_prefix('[') {
                section = name.trim_end_matches(']').to_owned();
            }
            if let Some((_, range)) = comment.split_once("Range: ") {
                let (low, rest) = range.split_once(" to ").unwrap();
                let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
                let low = if range.contains("or 0 ") { 0 } else { low.parse().unwrap() };
                let key = line.split(' ').next().unwrap().to_owned();
                found.push((section.clone(), key, low, digits.parse().unwrap()));
            }
            comment.clear();
        }
        found
    }

    #[test]
    fn the_ranges_in_the_default_file_are_those_that_the_code_checks() {
        let ranges = documented_ranges();
        let checks = include_str!("checks.rs").matches("range(").count();
        assert_eq!(ranges.len(), checks, "state the range of every checked key in config/default.toml");
        for (section, key, low, high) in ranges {
            let with = |value: i64| load(&format!("[{section}]\n{key} = {value}"));
            for value in [low, high] {
                assert!(with(value).is_ok(), "{section}.{key} = {value}: {:?}", with(value).err());
            }
            for value in [low - 1, high + 1] {
                assert!(with(value).is_err(), "{section}.{key} = {value}");
            }
        }
    }

    #[test]
    fn an_issuer_elsewhere_is_checked() {
        let section = |name: &str, values: &str| {
            load(&format!(
                "[identity]\nissuer = \"https://id.example.com\"\n[identity.external_issuers.{name}]\n\
                 issuer = \"https://accounts.google.com\"\nlabel = \"Google\"\naudiences = [\"a\"]\n{values}"
            ))
        };
        let issuers = section("google", "link_by_email = true").unwrap().external_issuers().unwrap();
        assert_eq!(
            (issuers[0].name.as_str(), &*issuers[0].label, issuers[0].links_by_email),
            ("google", "Google", true)
        );
        assert!(section("Google", "").unwrap_err().contains("the name of an issuer must have"));
        assert!(
            section("google", "x = 1").unwrap_err().contains("external_issuers.google.x: there is no such")
        );
        for (values, problem) in [
            (
                "issuer = \"http://a.test\"\nlabel = \"A\"\naudiences = [\"a\"]",
                "a.issuer: must be an https URL",
            ),
            (
                "issuer = \"https://id.example.com\"\nlabel = \"A\"\naudiences = [\"a\"]",
                "must not be identity",
            ),
            (
                "issuer = \"https://accounts.google.com\"\nlabel = \"A\"\naudiences = [\"a\"]",
                "another section",
            ),
            ("issuer = \"https://a.test\"\nlabel = \" \"\naudiences = [\"a\"]", "a.label: must be a name"),
            ("issuer = \"https://a.test\"\nlabel = \"A\"\naudiences = []", "a.audiences: must list"),
            ("issuer = \"https://a.test\"\nlabel = \"A\"", "a.audiences: must list"),
            (
                "issuer = \"https://a.test\"\nlabel = \"A\"\naudiences = [\"a\"]\nclient_secret = \"s3cret\"",
                "a.client_secret: needs client_id",
            ),
            ("label = \"A\"\naudiences = [\"a\"]", "issuer"),
        ] {
            // The names are sorted, so this section comes after the other one.
            let both = section("aa", &format!("[identity.external_issuers.b]\n{values}"));
            let error = both.unwrap_err();
            assert!(
                error.contains(&problem.replace("a.", "b.").replace("b.b.", "b.")),
                "{values:?}: {error}"
            );
        }
        let key = audiences_key("TENANTRY__IDENTITY__EXTERNAL_ISSUERS__GOOGLE__AUDIENCES");
        assert_eq!(key.as_deref(), Some("identity.external_issuers.google.audiences"));
        assert_eq!(audiences_key("TENANTRY__IDENTITY__EXTERNAL_ISSUERS__GOOGLE__LABEL"), None);
    }

    #[test]
    fn shown_values_have_a_source_and_hide_secrets() {
        let (sources, path) = sources(
            "[database]\nurl = \"postgres://app:s3cret@db:5432/shop?sslmode=require\"\n\
             [identity]\npassword_key = \"s3cret\"\nformer_password_keys = [\"s3cret1\", \"s3cret2\"]\n\
             [identity.external_issuers.a]\nclient_secret = \"s3cret\"\n\
             [mail]\nsmtp_url = \"smtps://shop:s3cret@mail.example.com:465?x=s3cret\"",
        );
        let shown = sources.show().unwrap();
        std::fs::remove_file(&path).unwrap();
        let value = |key: &str| shown.iter().find(|value| value.key == key).unwrap().clone();
        assert_eq!(value("database.url").value, "postgres://app:********@db:5432/shop");
        assert_eq!(value("identity.password_key").value, "********");
        assert_eq!(value("identity.former_password_keys").value, "********");
        assert_eq!(value("mail.smtp_url").value, "smtps://shop:********@mail.example.com:465");
        assert!(value("database.url").source.contains(path.file_name().unwrap().to_str().unwrap()));
        assert_eq!(value("server.listen").source, "built-in default");
        assert!(!format!("{shown:?}").contains("s3cret"));
    }

    #[test]
    fn an_error_does_not_print_a_secret() {
        for toml in [
            "[identity]\nformer_password_keys = \"s3cret\"",
            "[identity]\nformer_password_keys = [[\"s3cret\"]]",
            "[identity]\npassword_key = [\"s3cret\"]",
            "[mail]\nsmtp_url = [\"s3cret\"]",
            "[database]\nurl = [\"s3cret\"]",
            "[database]\nowner_url = \"postgres://app:s3cret@db:x/shop\"",
        ] {
            let error = load(toml).unwrap_err();
            assert!(!error.contains("s3cret"), "{toml:?}: {error}");
        }
    }

    #[test]
    fn addresses_omit_a_standard_port() {
        let settings = load("[server]\nbase_domain = \"example.com\"").unwrap();
        let slug = TenantSlug::parse("acme").unwrap();
        assert_eq!(settings.address_of(&slug), "https://acme.example.com");
        let settings = load("[server]\npublic_scheme = \"http\"\npublic_port = 8080").unwrap();
        assert_eq!(settings.address_of(&slug), "http://acme.localhost:8080");
    }
}
