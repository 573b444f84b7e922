//! The configuration as text, and what a real nginx makes of it (skipped where there is none).

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

mod forwarded;

use super::uploads::Temporary;
use super::*;
use crate::pulp_settings::Database;
use crate::steps::route_paths::{Location, locations_at};

/// Something the size of an image, as far as nginx sees it.
struct Image {
    dir: tempfile::TempDir,
    env: Vec<(&'static str, String)>,
    settings: PulpSettings,
}

impl Image {
    fn new() -> Image {
        let dir = tempfile::tempdir().unwrap();
        // nginx's processes are another user.
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        let image = Image { dir, env: Vec::new(), settings: settings() };
        image.put("etc/nginx/mime.types", "types { text/css css; application/json json; }");
        image.put("proc/net/if_inet6", "");
        for (name, text) in [
            ("ansible", include_str!("../../../../tests/data/snippets/pulp_ansible.conf")),
            ("container", include_str!("../../../../tests/data/snippets/pulp_container.conf")),
            ("python", include_str!("../../../../tests/data/snippets/pulp_python.conf")),
        ] {
            image.put(&format!("etc/nginx/pulp/pulp_{name}.conf"), text);
        }
        fs::create_dir_all(image.dir.path().join("run/pulp")).unwrap();
        image
    }

    fn put(&self, path: &str, text: &str) {
        let path = self.dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Image {
        self.env.push((name, value.into()));
        self
    }

    fn with_certificate(self) -> (Image, String) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        self.put("etc/pulp/certs/pulp_webserver.crt", &made.cert.pem());
        self.put("etc/pulp/certs/pulp_webserver.key", &made.signing_key.serialize_pem());
        (self.with("PULP_HTTPS", "true"), made.cert.pem())
    }

    fn context(&self) -> Context {
        Context::for_test(self.dir.path(), self.env.iter().map(|(name, value)| (*name, value.as_str())))
    }

    fn configure(&self, ports: Ports) -> Result<(), Problem> {
        let context = self.context();
        configure(&context, &self.settings, &Variables::read(&context)?, ports)
    }

    /// The text alone, without nginx.
    fn text(&self) -> String {
        let context = self.context();
        let variables = Variables::read(&context).unwrap();
        let ui = Ui::find(&context, &self.settings, &variables).unwrap();
        let ports = Ports { http: 80, https: 443 };
        let site = Site::beside_pulp(&context, ports, Temporary::within(&context.path(RUN))).unwrap();
        let found = Found { site, ui, http2: Http2::Word };
        text(&context, &self.settings, &variables, &found).unwrap()
    }
}

fn settings() -> PulpSettings {
    PulpSettings {
        api_root: "/pulp/".to_owned(),
        content_path_prefix: "/pulp/content/".to_owned(),
        domain_enabled: false,
        content_origin: None,
        database: Database::default(),
        external_postgresql: None,
        secret_key: false,
        some_plugins: false,
        external_redis: None,
        redis_port: None,
        worker_type: String::new(),
        db_encryption_key: String::new(),
        token_private_key: String::new(),
        token_public_key: String::new(),
        media_root: "/var/lib/pulp/media".to_owned(),
        sent_files_location: None,
        static_root: "/var/lib/operator/static/".to_owned(),
        static_url: "/assets/".to_owned(),
        user_table: "auth_user".to_owned(),
        installed_apps: Vec::new(),
        migrated_settings: String::new(),
    }
}

/// The locations of the servers: inside `http` and `server`.
fn locations(text: &str) -> Vec<Location> {
    locations_at(2, text)
}

fn paths(text: &str) -> Vec<String> {
    locations(text).into_iter().map(|location| location.path).collect()
}

/// What a location does, as `name value` lines.
fn directives(text: &str, path: &str) -> Vec<String> {
    let found = locations(text).into_iter().find(|location| location.path == path);
    let found = found.unwrap_or_else(|| panic!("no location {path} in {text}"));
    found.directives.iter().map(|(name, value)| format!("{name} {value}")).collect()
}

fn lines<'a>(text: &'a str, directive: &str) -> Vec<&'a str> {
    text.lines().map(str::trim).filter(|line| line.starts_with(directive)).collect()
}

#[test]
fn the_api_and_the_content_app_are_where_the_settings_say() {
    let mut image = Image::new();
    image.settings.api_root = "/hub/".to_owned();
    image.settings.content_path_prefix = "/files/".to_owned();
    let text = image.text();
    assert_eq!(directives(&text, "/hub/api/"), ["proxy_pass http://pulp-api"]);
    assert!(directives(&text, "^~ /files/").contains(&"proxy_pass http://pulp-content".to_owned()));
    assert!(!text.contains("/pulp/content"), "{text}");
}

/// In a container of its own, before others.
fn alone(image: &Image) -> String {
    let (context, ports) = (image.context(), Ports { http: 8080, https: 8443 });
    let mut site = Site::beside_pulp(&context, ports, Temporary::within(&context.path("/tmp"))).unwrap();
    site.names = true;
    site.resolver = Some("10.89.0.1 valid=5s".to_owned());
    site.api = "pulp-api:24817".to_owned();
    let found = Found { site, ui: Ui::default(), http2: Http2::Directive };
    text(&context, &image.settings, &Variables::read(&context).unwrap(), &found).unwrap()
}

#[test]
fn names_are_looked_up_while_nginx_runs() {
    let text = alone(&Image::new());
    assert_eq!(lines(&text, "set $pulp_api"), ["set $pulp_api pulp-api:24817;"]);
    assert_eq!(lines(&text, "resolver "), ["resolver 10.89.0.1 valid=5s;"]);
    assert!(lines(&text, "upstream").is_empty(), "a name in there is looked up once");
    let passes = lines(&text, "proxy_pass");
    assert!(passes.len() > 3 && passes.iter().all(|pass| pass.contains("http://$pulp_")), "{passes:?}");
    assert!(lines(&Image::new().text(), "resolver").is_empty());
}

#[test]
fn no_place_and_no_condition_is_left_in_the_text() {
    let (image, _) = Image::new().with_certificate();
    for text in [Image::new().text(), image.text(), alone(&image)] {
        assert!(!text.contains("{{") && !text.contains("}}") && !text.contains("# @"), "{text}");
        assert_eq!(text.matches('{').count(), text.matches('}').count());
    }
}

#[test]
fn domains_have_an_api_each_only_if_they_are_enabled() {
    let mut image = Image::new();
    let domains = "~ ^/pulp/[-a-zA-Z0-9_]+/api/";
    assert!(!paths(&image.text()).contains(&domains.to_owned()));
    image.settings.domain_enabled = true;
    assert_eq!(directives(&image.text(), domains), ["proxy_pass http://pulp-api"]);
}

#[test]
fn a_setting_that_would_be_nginx_language_is_refused() {
    for value in ["/a b/", "/a;/", "/a{/", "/$host/", "/\"/", "pulp/", "/pulp", ""] {
        let problem = url_path("API_ROOT", value).unwrap_err();
        assert_eq!(problem.code(), 78);
        assert!(problem.what().starts_with("API_ROOT is"), "{problem}");
    }
}

#[test]
fn ipv6_is_listened_on_where_the_kernel_has_it() {
    let image = Image::new();
    assert_eq!(
        lines(&image.text(), "listen "),
        ["listen 80 default_server;", "listen [::]:80 default_server;"]
    );
    fs::remove_file(image.dir.path().join("proc/net/if_inet6")).unwrap();
    assert_eq!(lines(&image.text(), "listen "), ["listen 80 default_server;"]);
}

#[test]
fn https_is_modern_and_http_only_redirects_to_it() {
    let (mut image, _) = Image::new().with_certificate();
    image.settings.content_origin = Some("https://pulp.example.com:8443".to_owned());
    let text = image.text();
    assert_eq!(lines(&text, "ssl_protocols"), ["ssl_protocols TLSv1.2 TLSv1.3;"]);
    assert_eq!(lines(&text, "ssl_session_tickets"), ["ssl_session_tickets off;"]);
    assert!(
        lines(&text, "add_header Strict-Transport-Security").len() > 1,
        "also where other headers are added"
    );
    assert!(text.contains("return 301 https://$pulp_secure:8443$request_uri;"), "{text}");
    assert!(!Image::new().text().contains("ssl"));
    let (http, https) = text.split_once("ssl_certificate").unwrap();
    assert!(http.contains("location /.well-known/") && https.contains("location /.well-known/"));
}

#[test]
fn the_port_of_https_comes_from_the_origin() {
    let with_port = |port: &str| {
        let context = Context::for_test(Path::new("/"), [("PULP_HTTPS_PORT", port)]);
        Variables::read(&context).unwrap()
    };
    for (origin, suffix) in [
        ("", ""),
        ("http://h:8080", ""),
        ("https://h", ""),
        ("https://h:443", ""),
        ("https://h:8443/", ":8443"),
        ("https://[::1]:8443", ":8443"),
        ("https://[::1]", ""),
    ] {
        assert_eq!(https_suffix(origin, &with_port("")), suffix, "{origin:?}");
    }
    assert_eq!(https_suffix("", &with_port("8444")), ":8444");
    assert_eq!(https_suffix("", &with_port("443")), "");
    assert_eq!(https_suffix("https://h", &with_port("8444")), "", "who names an origin publishes that port");
}

#[test]
fn https_without_a_certificate_is_a_problem_with_a_cure() {
    let image = Image::new().with("PULP_HTTPS", "true");
    let problem = image.configure(Ports { http: 1, https: 2 }).unwrap_err();
    assert!(problem.what().contains("pulp_webserver.crt"), "{problem}");
}

#[test]
fn http_2_is_asked_for_as_this_nginx_understands_it() {
    for (said, http2) in [
        ("nginx version: nginx/1.22.1\n", Http2::Word),
        ("nginx version: nginx/1.25.0", Http2::Word),
        ("nginx version: nginx/1.25.1", Http2::Directive),
        ("nginx version: nginx/1.26.3 (Debian)", Http2::Directive),
        ("nginx version: nginx/2.0", Http2::Directive),
        ("", Http2::Word),
    ] {
        assert_eq!(Http2::of(said), http2, "{said}");
    }
}

#[test]
fn where_gunicorn_listens_is_where_nginx_asks() {
    for (bind, server) in [
        ("127.0.0.1:1", "127.0.0.1:1"),
        ("0.0.0.0:2", "127.0.0.1:2"),
        ("[::]:3", "[::1]:3"),
        ("unix:/run/a.sock", "unix:/run/a.sock"),
    ] {
        let text = Image::new().with("PULP_API_BIND", bind).text();
        assert!(lines(&text, "server ").contains(&format!("server {server};").as_str()), "{text}");
    }
    assert!(address("PULP_API_BIND", "a; b").is_err());
}

#[test]
fn the_web_interface_is_served_with_the_path_of_the_api_and_the_image_is_not_touched() {
    let mut image = Image::new();
    image.settings.api_root = "/hub/".to_owned();
    assert!(!paths(&image.text()).contains(&"/ui/".to_owned()), "it is not in the image");
    image.put("var/lib/operator/static/pulp_ui/index.html", "<html>");
    assert!(!paths(&image.text()).contains(&"= /pulp-ui-config.json".to_owned()), "it has no such file");
    let original = r#"{"API_BASE_PATH":"/pulp/api/v3/","UI_BASE_PATH":"/ui/"}"#;
    image.put("var/lib/operator/static/pulp_ui/pulp-ui-config.json", original);
    fs::create_dir_all(image.dir.path().join("run/pulp/nginx")).unwrap();
    let text = image.text();
    for path in ["/ui/", "/static/pulp_ui/", "= /pulp-ui-config.json"] {
        assert!(paths(&text).contains(&path.to_owned()), "{path}");
    }
    let written = fs::read_to_string(image.dir.path().join("run/pulp/nginx/pulp-ui-config.json")).unwrap();
    assert_eq!(written, r#"{"API_BASE_PATH":"/hub/api/v3/","UI_BASE_PATH":"/ui/"}"#);
    let off = image.with("PULP_UI", "false");
    assert!(!paths(&off.text()).contains(&"/ui/".to_owned()));
    let image = off;
    let path = image.dir.path().join("var/lib/operator/static/pulp_ui/pulp-ui-config.json");
    assert_eq!(fs::read_to_string(&path).unwrap(), original);
    fs::write(&path, "{").unwrap();
    let problem = Ui::adapt(&image.context(), &path, "/pulp/").unwrap_err();
    assert!(problem.what().contains("pulp-ui-config.json"), "{problem}");
}

/// Where an open directory is, by the path that the configuration has for it.
fn opened(path: &Path) -> PathBuf {
    fs::read_link(path).unwrap()
}

#[test]
fn uploads_wait_on_the_volume_even_where_nginxs_user_cannot_enter_it() {
    let image = Image::new();
    let volume = image.dir.path().join("var/lib/pulp");
    fs::create_dir_all(&volume).unwrap();
    fs::set_permissions(volume, Permissions::from_mode(0o700)).unwrap();
    let found = uploads::beside_pulp(&image.context());
    assert!(found.body.starts_with("/proc/self/fd"), "{found:?}");
    assert!(opened(&found.body).ends_with("var/lib/pulp/tmp/nginx/body"));
    assert!(opened(&found.proxy).ends_with("var/lib/pulp/tmp/nginx/proxy"));
}

#[test]
fn what_stands_in_the_place_of_nginxs_directories_is_replaced_and_never_given_away() {
    let image = Image::new();
    let (tmp, outside) = (image.dir.path().join("var/lib/pulp/tmp"), image.dir.path().join("outside"));
    fs::create_dir_all(&tmp).unwrap();
    fs::create_dir(&outside).unwrap();
    let before = fs::metadata(&outside).unwrap();
    for trap in ["nginx", "nginx/body", "nginx/proxy"] {
        let at = tmp.join(trap);
        let _ = fs::remove_dir_all(&at);
        std::os::unix::fs::symlink(&outside, &at).unwrap();
        let found = uploads::beside_pulp(&image.context());
        assert!(opened(&found.body).ends_with("tmp/nginx/body") && at.is_dir() && !at.is_symlink(), "{trap}");
    }
    // Of the directory above, which may be the administrator's own link, root makes no use.
    fs::remove_dir_all(&tmp).unwrap();
    fs::set_permissions(image.dir.path().join("var/lib/pulp"), Permissions::from_mode(0o777)).unwrap();
    std::os::unix::fs::symlink(&outside, &tmp).unwrap();
    if nix::unistd::geteuid().is_root() {
        assert!(uploads::beside_pulp(&image.context()).body.ends_with("run/pulp/nginx/body"));
    }
    let after = fs::metadata(&outside).unwrap();
    use std::os::unix::fs::MetadataExt;
    let seen = |is: &fs::Metadata| (is.uid(), is.gid(), is.mode(), is.ctime_nsec());
    assert_eq!(seen(&before), seen(&after));
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}

#[test]
fn nginx_that_reads_its_configuration_anew_follows_no_link_either() {
    if !has_nginx() || !nix::unistd::geteuid().is_root() {
        return;
    }
    let nginx = Running::start(image_with_applications());
    let inside = nginx.image.dir.path().join("var/lib/pulp/tmp/nginx");
    let outside = nginx.image.dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::rename(&inside, inside.with_extension("away")).unwrap();
    fs::create_dir(&inside).unwrap();
    std::os::unix::fs::symlink(&outside, inside.join("body")).unwrap();
    let workers = || fs::read_to_string(format!("/proc/{0}/task/{0}/children", nginx.master.id())).unwrap();
    let before = workers();
    nix::sys::signal::kill(nginx.group(), nix::sys::signal::Signal::SIGHUP).unwrap();
    until("nginx has new processes", || {
        let now = workers();
        !now.is_empty() && now.split_whitespace().all(|pid| !before.contains(pid))
    });
    use std::os::unix::fs::MetadataExt;
    assert_eq!(fs::metadata(&outside).unwrap().uid(), 0);
}

/// Whether there is an nginx to try things with.
fn has_nginx() -> bool {
    let found = nginx(&Context::for_test(Path::new("/"), [])).arg("-v").output().is_ok();
    if !found {
        needs::skip("nginx", "needs nginx (apt-get install nginx-light)");
    }
    found
}

#[test]
fn a_configuration_that_nginx_refuses_does_not_replace_one_that_works() {
    if !has_nginx() {
        return;
    }
    let image = Image::new();
    let ports = free_ports();
    image.configure(ports).unwrap();
    let path = image.dir.path().join("run/pulp/nginx.conf");
    let before = fs::read(&path).unwrap();
    image.put("etc/pulp/nginx.d/mine.conf", "location /mine/ { nonsense; }");
    let problem = image.configure(ports).unwrap_err();
    assert!(problem.what().contains("nonsense") && problem.what().contains("mine.conf:1"), "{problem}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn nginx_takes_every_variant() {
    if !has_nginx() {
        return;
    }
    for variant in 0..16 {
        let mut image = Image::new();
        if variant & 1 != 0 {
            image = image.with_certificate().0;
        }
        if variant & 2 != 0 {
            image.settings.domain_enabled = true;
        }
        if variant & 4 != 0 {
            image.put("var/lib/operator/static/pulp_ui/index.html", "<html>");
            image.put("var/lib/operator/static/pulp_ui/pulp-ui-config.json", "{}");
            image = image.with("PULP_UI", "true");
        }
        if variant & 8 != 0 {
            image.settings.api_root = "/".to_owned();
        }
        if let Err(problem) = image.configure(free_ports()) {
            panic!("variant {variant}: {problem}");
        }
    }
}

/// Ports nobody listens at for the moment.
fn free_ports() -> Ports {
    let free = || TcpListener::bind("127.0.0.1:0").unwrap();
    let (http, https) = (free(), free());
    let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
    Ports { http: port(&http), https: port(&https) }
}

/// A running nginx, and one thread for each of the two applications, which say their name and the request's head.
struct Running {
    image: Image,
    ports: Ports,
    master: Child,
}

/// What the content app says to a request of `/named`.
const NAMED: &str = "X-Accel-Redirect: /_sent/artifact/ab/c%20d\r\nETag: \"sha\"\r\nX-PULP-CACHE: HIT\r\n\
                     Content-Type: application/x-thing\r\n";

fn application(name: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count == 1) {
                head.push(byte[0]);
            }
            let head = String::from_utf8(head).unwrap();
            let status = if head.contains("/broken") { "502 Bad Gateway" } else { "200 OK" };
            let body = format!("{name}: {head}");
            let length = body.len();
            let named = if head.contains("/named") { NAMED } else { "" };
            let answer = format!(
                "HTTP/1.1 {status}\r\n{named}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    address
}

impl Running {
    fn start(image: Image) -> Running {
        let ports = free_ports();
        image.configure(ports).unwrap();
        let mut command = Command::new("nginx");
        command.args(["-e", "stderr", "-c"]).arg(image.dir.path().join("run/pulp/nginx.conf"));
        command.env("PATH", "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin").stdin(Stdio::null());
        // It inherits the directories that `configure` has opened.
        let master = command.process_group(0).spawn().unwrap();
        let running = Running { image, ports, master };
        until("nginx listens", || TcpStream::connect(("127.0.0.1", ports.http)).is_ok());
        running
    }

    fn get(&self, path: &str) -> String {
        exchange(TcpStream::connect(("127.0.0.1", self.ports.http)).unwrap(), path)
    }

    /// By HTTPS, with this certificate and no other trusted.
    fn get_securely(&self, path: &str, certificate: &str) -> String {
        use rustls::pki_types::{CertificateDer, pem::PemObject};
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = "localhost".try_into().unwrap();
        let connection = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
        let stream = TcpStream::connect(("127.0.0.1", self.ports.https)).unwrap();
        exchange(rustls::StreamOwned::new(connection, stream), path)
    }

    /// What the processes below the master have open.
    fn open_files(&self) -> Vec<PathBuf> {
        let master = self.master.id();
        let children = fs::read_to_string(format!("/proc/{master}/task/{master}/children")).unwrap();
        let files =
            children.split_whitespace().flat_map(|pid| fs::read_dir(format!("/proc/{pid}/fd")).unwrap());
        files.filter_map(|file| fs::read_link(file.unwrap().path()).ok()).collect()
    }

    fn group(&self) -> Pid {
        Pid::from_raw(self.master.id().cast_signed())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = killpg(self.group(), Signal::SIGKILL);
        let _ = self.master.wait();
    }
}

fn exchange(stream: impl Read + Write, path: &str) -> String {
    exchange_with(stream, path, "Host: localhost:8080\r\n")
}

fn exchange_with(mut stream: impl Read + Write, path: &str, headers: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(20), "not within 20 s: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn image_with_applications() -> Image {
    Image::new().with("PULP_API_BIND", application("api")).with("PULP_CONTENT_BIND", application("content"))
}

#[test]
fn requests_reach_the_application_that_answers_them() {
    if !has_nginx() {
        return;
    }
    let mut image = image_with_applications();
    image.settings.domain_enabled = true;
    image.put("etc/pulp/nginx.d/mine.conf", "location /mine/ { return 200 mine; }");
    image.put("var/lib/operator/static/a b.css", "static");
    image.put("var/lib/pulp/assets/.well-known/acme-challenge/token", "challenge");
    let nginx = Running::start(image);
    for (path, answer) in [
        ("/pulp/api/v3/status/", "api: GET /pulp/api/v3/status/ "),
        ("/pulp/default/api/v3/status/", "api: "),
        ("/pulp/content/x/api/v3/", "content: GET /pulp/content/x/api/v3/ "),
        ("/pulp/content/a%2Fb%20c?d=e", "content: GET /pulp/content/a%2Fb%20c?d=e "),
        ("/auth/login/", "api: "),
        ("/", "api: "),
        ("/v2/", "api: GET /v2/ "),
        ("/pulp/container/x", "content: "),
        ("/pulp_ansible/galaxy/", "api: "),
        ("/pypi/", "api: "),
        ("/mine/", "mine"),
        ("/assets/a%20b.css", "static"),
        ("/assets/missing.css", "api: GET /assets/missing.css "),
        ("/assets/../../../../etc/nginx/mime.types", "400"),
        ("/assets/%2e%2e/pulp/tmp", "api: GET /assets/%2e%2e/pulp/tmp "),
        ("/.well-known/acme-challenge/token", "challenge"),
        ("/.well-known/other", "api: GET /.well-known/other "),
        ("/pulp/api/v3/broken", "api: "),
    ] {
        let said = nginx.get(path);
        assert!(said.contains(answer), "{path}: {said}");
    }
    let said = nginx.get("/pulp/api/v3/status/");
    assert!(
        said.contains("Host: localhost:8080\r\n") && said.contains("X-Forwarded-Proto: http\r\n"),
        "{said}"
    );
    assert!(nginx.get("/pulp/api/v3/broken").starts_with("HTTP/1.1 502 "), "an error of the API's own stays");
}

#[test]
fn a_file_that_the_content_app_names_is_sent_with_its_headers_and_nobody_else_can_name_it() {
    if !has_nginx() {
        return;
    }
    let mut image = image_with_applications();
    image.settings.sent_files_location = Some("/_sent/".to_owned());
    image.settings.media_root = "/var/lib/pulp/media".to_owned();
    image.put("var/lib/pulp/media/artifact/ab/c d", "0123456789");
    let nginx = Running::start(image);
    for path in ["/pulp/content/named", "/pulp/container/named"] {
        let said = nginx.get(path);
        assert!(said.starts_with("HTTP/1.1 200 ") && said.ends_with("\r\n\r\n0123456789"), "{said}");
        for header in ["ETag: \"sha\"", "X-PULP-CACHE: HIT", "Content-Type: application/x-thing"] {
            assert_eq!(said.matches(header).count(), 1, "{header}: {said}");
        }
    }
    let mut part = TcpStream::connect(("127.0.0.1", nginx.ports.http)).unwrap();
    let request =
        "GET /pulp/content/named HTTP/1.1\r\nHost: h\r\nRange: bytes=2-4\r\nConnection: close\r\n\r\n";
    part.write_all(request.as_bytes()).unwrap();
    let mut said = String::new();
    part.read_to_string(&mut said).unwrap();
    assert!(said.starts_with("HTTP/1.1 206 ") && said.ends_with("\r\n\r\n234"), "{said}");
    assert!(nginx.get("/_sent/artifact/ab/c%20d").starts_with("HTTP/1.1 404 "), "it is for nginx alone");
}

#[test]
fn while_nobody_answers_a_client_is_told_to_come_again() {
    if !has_nginx() {
        return;
    }
    let dead = free_ports();
    let image = Image::new()
        .with("PULP_API_BIND", format!("127.0.0.1:{}", dead.http))
        .with("PULP_CONTENT_BIND", format!("127.0.0.1:{}", dead.https));
    let nginx = Running::start(image);
    for path in ["/pulp/api/v3/status/", "/pulp/content/", "/v2/", "/"] {
        let said = nginx.get(path);
        assert!(said.starts_with("HTTP/1.1 503 ") && said.contains("Retry-After: 5\r\n"), "{path}: {said}");
        assert!(said.contains("svctl list"), "{said}");
    }
}

#[test]
fn https_answers_with_the_certificate_and_http_sends_there() {
    if !has_nginx() {
        return;
    }
    let (image, certificate) = image_with_applications().with_certificate();
    image.put("var/lib/pulp/assets/.well-known/acme-challenge/token", "challenge");
    image.put("var/lib/operator/static/a.css", "static");
    let nginx = Running::start(image);
    let said = nginx.get("/a?b=c");
    assert!(
        said.starts_with("HTTP/1.1 301 ") && said.contains("Location: https://localhost/a?b=c\r\n"),
        "{said}"
    );
    assert!(nginx.get("/.well-known/acme-challenge/token").ends_with("challenge"));
    assert!(nginx.get("/.well-known/other").contains("Location: https://localhost/.well-known/other\r\n"));
    for (path, answer) in
        [("/pulp/api/v3/status/", "X-Forwarded-Proto: https\r\n"), ("/assets/a.css", "static")]
    {
        let said = nginx.get_securely(path, &certificate);
        assert!(said.starts_with("HTTP/1.1 200 ") && said.contains(answer), "{said}");
        assert!(said.contains("Strict-Transport-Security: max-age=15768000\r\n"), "{said}");
    }
}

#[test]
fn a_big_upload_waits_on_the_volume_until_it_is_whole() {
    if !has_nginx() {
        return;
    }
    let nginx = Running::start(image_with_applications());
    let mut stream = TcpStream::connect(("127.0.0.1", nginx.ports.http)).unwrap();
    let head = "PUT /pulp/api/v3/x HTTP/1.1\r\nHost: h\r\nContent-Length: 30000000\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&vec![b'x'; 1_000_000]).unwrap();
    let body = nginx.image.dir.path().join("var/lib/pulp/tmp/nginx/body");
    let is_open = || nginx.open_files().iter().any(|file| file.starts_with(&body));
    until("the upload is on the volume", is_open);
    until("it has no name that would outlive nginx", || fs::read_dir(&body).unwrap().count() == 0);
}

#[test]
fn processes_that_outlive_their_master_are_in_its_group() {
    if !has_nginx() {
        return;
    }
    // They would keep the port from the next nginx; the supervisor kills the group before that.
    let mut nginx = Running::start(image_with_applications());
    // The port is open before there is a process to answer.
    assert!(nginx.get("/").contains("api: "));
    kill(nginx.group(), Signal::SIGKILL).unwrap();
    nginx.master.wait().unwrap();
    assert!(nginx.get("/").contains("api: "), "a process goes on without its master");
    killpg(nginx.group(), Signal::SIGKILL).unwrap();
    let port = nginx.ports.http;
    until("the port is free", || TcpListener::bind(("0.0.0.0", port)).is_ok());
}
