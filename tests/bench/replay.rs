//! Replay by pgbench of the statements that PostgreSQL logs for a request.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use harness::TestDatabase;
use tokio_postgres::Client;
use uuid::Uuid;

use crate::http::WARM_UP_SECONDS;
use crate::process::Server;
use crate::trade::variant;

/// A statement as PostgreSQL logged it, with the values of its parameters.
pub struct Logged {
    text: String,
    values: Vec<Option<String>>,
}

/// Counts the statements that a server sends in this time, on all its connections, after a rest.
pub async fn statements_of_idle_server(
    database: &TestDatabase,
    admin: &Client,
    rest: Duration,
    time: Duration,
) -> usize {
    log_statements(admin, &[SERVER, OWNER], true).await;
    let server = Server::start(database, "tenantry");
    let log = log_file(admin).await;
    tokio::time::sleep(rest).await;
    let before = std::fs::metadata(&log).unwrap().len();
    tokio::time::sleep(time).await;
    let text = std::fs::read(&log).unwrap();
    drop(server);
    log_statements(admin, &[SERVER, OWNER], false).await;
    let text = String::from_utf8_lossy(&text[usize::try_from(before).unwrap()..]).into_owned();
    let is_statement = |line: &&str| line.contains("LOG:  statement: ") || line.contains("LOG:  execute ");
    text.lines().filter(is_statement).count()
}

const SERVER: &str = "tenantry_test_server";
const OWNER: &str = "tenantry_test_owner";

/// Lets PostgreSQL log the statements of new connections of these logins, or stops it.
async fn log_statements(admin: &Client, logins: &[&str], is_on: bool) {
    let set = if is_on { "SET log_statement = 'all'" } else { "RESET log_statement" };
    for login in logins {
        admin.batch_execute(&format!("ALTER ROLE {login} {set}")).await.unwrap();
    }
}

async fn log_file(admin: &Client) -> PathBuf {
    let data: String = admin.query_one("SHOW data_directory", &[]).await.unwrap().get(0);
    std::path::Path::new(&data).parent().unwrap().join("postgres.log")
}

/// Starts a server whose statements PostgreSQL logs, and sends a request twice. Returns the statements of the
/// second request.
pub async fn statements_of(
    database: &TestDatabase,
    admin: &Client,
    request: impl Fn(&reqwest::Client, u16, usize) -> reqwest::RequestBuilder,
) -> Vec<Logged> {
    log_statements(admin, &[SERVER], true).await;
    let server = Server::start(database, "tenantry");
    let log = log_file(admin).await;
    let mut before = 0;
    for n in 0..2 {
        before = std::fs::metadata(&log).unwrap().len();
        let answer = request(&reqwest::Client::new(), server.port, n).send().await.unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
    }
    drop(server);
    log_statements(admin, &[SERVER], false).await;
    std::thread::sleep(std::time::Duration::from_millis(200));
    let text = std::fs::read(&log).unwrap();
    read_log(&String::from_utf8_lossy(&text[usize::try_from(before).unwrap()..]))
}

/// The statements of the first transaction of a business, without the end of the transaction before it.
fn read_log(text: &str) -> Vec<Logged> {
    // An entry begins with the time, the process id in brackets, and the kind of the entry.
    let mut entries: Vec<(u32, String)> = Vec::new();
    for line in text.lines() {
        let head = line.split_once(" [").and_then(|(_, rest)| rest.split_once("] "));
        match head.and_then(|(pid, rest)| Some((pid.parse::<u32>().ok()?, rest))) {
            Some((pid, rest)) if line.starts_with("20") => entries.push((pid, rest.to_owned())),
            _ => {
                if let Some((_, entry)) = entries.last_mut() {
                    entry.push('\n');
                    entry.push_str(line);
                }
            }
        }
    }
    let pid = entries.iter().find(|(_, entry)| entry.contains("SET LOCAL search_path")).unwrap().0;
    let mut statements: Vec<Logged> = Vec::new();
    for (_, entry) in entries.iter().filter(|(of, _)| *of == pid) {
        if let Some(text) = entry.strip_prefix("LOG:  statement: ") {
            for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
                statements.push(Logged { text: part.to_owned(), values: Vec::new() });
            }
        } else if let Some(text) = entry.strip_prefix("LOG:  execute ") {
            let text = text.split_once(": ").unwrap().1.to_owned();
            statements.push(Logged { text, values: Vec::new() });
        } else if let Some(detail) = entry.strip_prefix("DETAIL:  parameters: ") {
            statements.last_mut().unwrap().values = read_values(detail);
        }
    }
    // Statements before and after belong to other transactions.
    let from = statements.iter().position(|statement| statement.text.starts_with("BEGIN")).unwrap();
    statements.drain(..from);
    let ends = |statement: &Logged| ["COMMIT", "ROLLBACK"].contains(&statement.text.as_str());
    let end = statements.iter().position(ends).map_or(statements.len(), |at| at + 1);
    statements.truncate(end);
    statements
}

/// Reads parameter values such as `$1 = 'a', $2 = NULL`.
fn read_values(detail: &str) -> Vec<Option<String>> {
    let mut values = Vec::new();
    let mut rest = detail;
    while let Some((_, value)) = rest.split_once(" = ") {
        if let Some(quoted) = value.strip_prefix('\'') {
            let mut text = String::new();
            let mut letters = quoted.char_indices().peekable();
            let mut end = quoted.len();
            while let Some((at, letter)) = letters.next() {
                if letter != '\'' {
                    text.push(letter);
                } else if letters.peek().is_some_and(|(_, next)| *next == '\'') {
                    text.push('\'');
                    letters.next();
                } else {
                    end = at + 1;
                    break;
                }
            }
            values.push(Some(text));
            rest = &quoted[end..];
        } else {
            values.push(None);
            rest = value.split_once(", ").map_or("", |(_, rest)| rest);
        }
    }
    values
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn in_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A pgbench script of the queries alone, without the transaction around them. The values are variables,
/// because PostgreSQL makes a different plan if it knows the values.
pub fn queries(logged: &[Logged]) -> Script {
    let mut script = Script::default();
    for statement in logged {
        let mut text = in_one_line(&statement.text);
        if ["BEGIN", "SET LOCAL", "COMMIT", "ROLLBACK"].iter().any(|word| text.starts_with(word)) {
            continue;
        }
        for (index, value) in statement.values.iter().enumerate().rev() {
            let expression = match value {
                Some(value) => {
                    script.variables.push(value.clone());
                    format!(":p{}", script.variables.len())
                }
                None => "NULL".to_owned(),
            };
            text = text.replace(&format!("${}", index + 1), &expression);
        }
        script.text.push_str(&text);
        script.text.push_str(";\n");
    }
    script
}

/// The queries alone, with their values as literals.
pub fn literal_queries(logged: &[Logged]) -> Vec<&'static str> {
    let is_query =
        |text: &str| !["BEGIN", "SET LOCAL", "COMMIT", "ROLLBACK"].iter().any(|word| text.starts_with(word));
    let texts = logged.iter().map(|statement| (in_one_line(&statement.text), &statement.values));
    let literal = |(mut text, values): (String, &Vec<Option<String>>)| -> &'static str {
        for (index, value) in values.iter().enumerate().rev() {
            let literal = value.as_deref().map_or("NULL".to_owned(), quoted);
            text = text.replace(&format!("${}", index + 1), &literal);
        }
        // The statements of a scope live as long as the program; this one ends soon.
        text.leak()
    };
    texts.filter(|(text, _)| is_query(text)).map(literal).collect()
}

/// A pgbench script: its text, and the values of its variables `:p1`, `:p2` and so on.
#[derive(Default)]
pub struct Script {
    text: String,
    variables: Vec<String>,
}

impl From<String> for Script {
    fn from(text: String) -> Self {
        Self { text, variables: Vec::new() }
    }
}

/// A pgbench script that writes an order or a sale at one business, with the logged statements. Values in
/// `same` are replaced by others. All other ids were new with the logged document, and are new in each run.
/// The first `variants` variants are divided into one part for each line, and each line takes a random
/// variant of its part.
pub fn documents(
    logged: &[Logged],
    lines: usize,
    variants: usize,
    same: &HashMap<String, String>,
    in_one_flight: bool,
) -> String {
    let part = variants / lines;
    let mut script = "\\set r random(1, 9000000000000000)\n".to_owned();
    for line in 0..lines {
        script.push_str(&format!("\\set v{line} random({}, {})\n", line * part + 1, (line + 1) * part));
    }
    let mut new: HashMap<String, usize> = HashMap::new();
    let mut uuid = |text: &str| {
        if let Some(line) = (0..lines).find(|line| variant(line + 1).to_string() == text) {
            return format!("('00000000-0000-7000-8000-' || lpad((:v{line})::text, 12, '0'))::uuid");
        }
        if let Some(same) = same.get(text) {
            return format!("'{same}'::uuid");
        }
        let count = new.len();
        let number = *new.entry(text.to_owned()).or_insert(count);
        format!("md5('{number}-' || (:r)::text)::uuid")
    };
    for (number, statement) in logged.iter().enumerate() {
        // pgbench prepares the statements of a pipeline when the pipeline begins, so the scope must be set
        // before.
        if in_one_flight && number == 3 {
            script.push_str("\\startpipeline\n");
        }
        let mut text = in_one_line(&statement.text);
        for (from, to) in same {
            text = text.replace(from, to);
        }
        for (index, value) in statement.values.iter().enumerate().rev() {
            let expression = match value {
                None => "NULL".to_owned(),
                Some(value) if value.starts_with("logged-") => "'key-' || (:r)::text".to_owned(),
                // An array of one id could be read as an id, too.
                Some(value) if !value.starts_with('{') && Uuid::parse_str(value).is_ok() => uuid(value),
                Some(value) if same.contains_key(value) => quoted(&same[value]),
                Some(value)
                    if value.starts_with('{')
                        && value.contains('-')
                        && value.get(1..37).is_some_and(|key| Uuid::parse_str(key).is_ok()) =>
                {
                    let keys: Vec<String> =
                        value.trim_matches(['{', '}']).split(',').map(&mut uuid).collect();
                    format!("ARRAY[{}]::uuid[]", keys.join(", "))
                }
                // A position in the ledger can be used once only, and the stock level holds the last
                // position.
                Some(_)
                    if (text.starts_with("INSERT INTO stock_movements") && index == 3)
                        || (text.starts_with("UPDATE stock_levels") && index == 4) =>
                {
                    format!("array_fill((:r)::bigint, ARRAY[{lines}])")
                }
                Some(value) => quoted(value),
            };
            text = text.replace(&format!("${}", index + 1), &expression);
        }
        script.push_str(&text);
        script.push_str(";\n");
    }
    if in_one_flight {
        script.push_str("\\endpipeline\n");
    }
    script
}

/// Runs these scripts with pgbench, in random order and with prepared statements. Returns the transactions
/// per second after the warm-up, in which the statements are prepared.
pub fn pgbench(url: &str, search_path: &str, scripts: &[Script], clients: usize, seconds: usize) -> f64 {
    let folder = std::env::temp_dir().join(format!("tenantry-bench-{}-scripts", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let mut command = Command::new("pgbench");
    let until = seconds + WARM_UP_SECONDS;
    command.args(["-n", "-M", "prepared", "-j2", "-P1", &format!("-c{clients}"), &format!("-T{until}")]);
    for (number, script) in scripts.iter().enumerate() {
        let file = folder.join(format!("{number}.sql"));
        std::fs::write(&file, &script.text).unwrap();
        command.arg("-f").arg(file);
        for (index, value) in script.variables.iter().enumerate() {
            command.arg("-D").arg(format!("p{}={value}", index + 1));
        }
    }
    let output = command
        .arg(url)
        // The same settings as on the server's connections.
        .env(
            "PGOPTIONS",
            format!(
                "-c plan_cache_mode=force_generic_plan -c random_page_cost=1.1 -c search_path={search_path}"
            ),
        )
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let _ = std::fs::remove_dir_all(folder);
    let told = String::from_utf8_lossy(&output.stderr);
    let start: String = told.chars().take(600).collect();
    assert!(output.status.success(), "pgbench: {start}");
    // progress: 5.0 s, 1234.5 tps, ...
    let of_second =
        |line: &str| line.strip_prefix("progress: ")?.split(", ").nth(1)?.strip_suffix(" tps")?.parse().ok();
    let rates: Vec<f64> = told.lines().filter_map(of_second).collect();
    let last = &rates[rates.len().saturating_sub(seconds)..];
    last.iter().sum::<f64>() / last.len() as f64
}
