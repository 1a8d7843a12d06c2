//! The examples for operators: proxies and units of systemd.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use harness::{Program, TestApp, free_port, until};

fn file(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).unwrap()
}

/// Replaces a part of an example, which must be there.
fn with(text: &str, old: &str, new: &str) -> String {
    assert!(text.contains(old), "{old}");
    text.replace(old, new)
}

/// A running proxy, which is ended when it is dropped.
struct Proxy {
    child: Child,
    folder: PathBuf,
}

impl Proxy {
    fn start(name: &str, arguments: &[&str], folder: PathBuf) -> Self {
        // Debian installs nginx in /usr/sbin, which may be missing from PATH.
        let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
        let mut command = Command::new(name);
        command.args(arguments).env("PATH", path).env("HOME", &folder).env("XDG_DATA_HOME", &folder);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap_or_else(|_| panic!("{name} is missing; scripts/test installs it"));
        Self { child, folder }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

async fn app() -> (TestApp, PathBuf) {
    let app = TestApp::start_with("[server]\ntrusted_proxies = [\"127.0.0.1/32\"]").await;
    app.tenant("acme").await;
    let folder = std::env::temp_dir().join(format!("tenantry-proxy-{}", uuid::Uuid::now_v7().simple()));
    std::fs::create_dir_all(&folder).unwrap();
    (app, folder)
}

/// The status and the location of the answer to a request for this host at the proxy. The status is 000 if
/// there was no answer, as when the TLS handshake fails.
fn ask(scheme: &str, host: &str, port: u16, path: &str) -> String {
    let place = format!("{host}:{port}:127.0.0.1");
    let url = format!("{scheme}://{host}:{port}{path}");
    let format = "%{http_code} %header{location}";
    let mut curl = Command::new("curl");
    // A client may not choose another host than that of the request.
    curl.args(["--header", "X-Forwarded-Host: nobody.localhost"]);
    curl.args(["--silent", "--insecure", "--max-time", "5", "--output", "/dev/null", "--write-out", format]);
    let ran =
        curl.args(["--resolve", &place, &url]).output().expect("curl is missing; scripts/test installs it");
    String::from_utf8(ran.stdout).unwrap().trim().to_owned()
}

const PRODUCTS: &str = "/api/v1/products";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_example_for_caddy_serves_businesses_and_nobody_else() {
    let (app, folder) = app().await;
    let (port, plain) = (free_port(), free_port());
    let metrics = app.running().metrics_address.unwrap().port();
    let mut text = file("docs/examples/Caddyfile");
    text = with(&text, "127.0.0.1:8080", &format!("127.0.0.1:{}", app.port()));
    text = with(&text, "http://127.0.0.1:9090", &format!("http://127.0.0.1:{metrics}"));
    text = with(&text, "https:// {", &format!("https://:{port} {{"));
    // The test has no certificate authority, and ports of its own.
    let own = format!(
        "{{\n\tadmin off\n\tlocal_certs\n\tskip_install_trust\n\thttp_port {plain}\n\thttps_port {port}\n\t\
         on_demand_tls"
    );
    text = with(&text, "{\n\ton_demand_tls", &own);
    let path = folder.join("Caddyfile");
    std::fs::write(&path, text).unwrap();
    let path = path.display().to_string();
    let _caddy = Proxy::start("caddy", &["run", "--config", &path, "--adapter", "caddyfile"], folder);
    let answers = async || ask("https", "acme.localhost", port, PRODUCTS) == "401";
    until("Caddy answers for the business", answers).await;
    assert_eq!(ask("https", "stranger.test", port, PRODUCTS), "000", "no certificate for a stranger");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_example_for_nginx_serves_businesses() {
    let (app, folder) = app().await;
    let (port, plain) = (free_port(), free_port());
    let certificate = rcgen::generate_simple_self_signed(vec!["*.localhost".to_owned()]).unwrap();
    std::fs::write(folder.join("fullchain.pem"), certificate.cert.pem()).unwrap();
    std::fs::write(folder.join("privkey.pem"), certificate.signing_key.serialize_pem()).unwrap();
    let place = folder.display().to_string();
    let mut text = file("docs/examples/nginx.conf");
    text = with(&text, "127.0.0.1:8080", &format!("127.0.0.1:{}", app.port()));
    text = with(&text, "listen 443 ssl", &format!("listen 127.0.0.1:{port} ssl"));
    text = with(&text, "listen 80", &format!("listen 127.0.0.1:{plain}"));
    text = with(&text, "*.example.com", "*.localhost");
    text = with(&text, "/etc/ssl/example.com", &place);
    let whole = format!(
        "pid {place}/pid; error_log {place}/error.log; daemon off; events {{ }}
         http {{
             access_log off;
             client_body_temp_path {place}/body; proxy_temp_path {place}/proxy;
             fastcgi_temp_path {place}/fastcgi; uwsgi_temp_path {place}/uwsgi; scgi_temp_path {place}/scgi;
             {text}
         }}"
    );
    let path = folder.join("nginx.conf");
    std::fs::write(&path, whole).unwrap();
    let path = path.display().to_string();
    let _nginx = Proxy::start("nginx", &["-c", &path], folder);
    let answers = async || ask("https", "acme.localhost", port, PRODUCTS) == "401";
    until("nginx answers for the business", answers).await;
    assert_eq!(ask("https", "nobody.localhost", port, PRODUCTS), "404");
    assert_eq!(ask("http", "acme.localhost", plain, "/x?y=1"), "308 https://acme.localhost/x?y=1");
}

#[test]
fn the_units_of_systemd_start_commands_that_exist() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/systemd");
    let mut started = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        for line in text.lines().filter_map(|line| line.strip_prefix("ExecStart=")) {
            let (program, arguments) = line.split_once(' ').unwrap();
            if program == "/usr/local/bin/tenantry" {
                let arguments: Vec<&str> = arguments.split(' ').chain(["--help"]).collect();
                let ran = Program::bare().run(&arguments);
                assert_eq!(ran.code, Some(0), "{}: {ran:?}", path.display());
            } else {
                let script = program.strip_prefix("/opt/tenantry/").unwrap();
                assert!(!file(script).is_empty());
            }
            started += 1;
        }
    }
    assert_eq!(started, 3);
}
