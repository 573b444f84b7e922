//! One process a container: `pulp-minimal` and `pulp-web` before a PostgreSQL elsewhere, by the names of upstream's
//! scripts. Nobody here is root, and no image may be written.

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nix::sys::socket::{setsockopt, sockopt};
use serde_json::Value;

use crate::external::POSTGRESQL;
use crate::harness::{
    Answer, Api, Boot, PATIENCE, PROMPTLY, Pulp, Said, curl, image, minimal, network, only_pulp, podman_ok,
    product, turn, until, volume, web,
};

const DATABASE_PASSWORD: &str = "elsewhere-s3cret";
const PASSWORD: &str = "first-s3cret";
/// Such as OpenShift gives: nobody the image knows, in group 0.
const ANYBODY: &str = "1000650000:0";
/// Nothing that a process can do without: no capability, no way to gain one, and no file system of the container's own to
/// write to. podman would put a tmpfs at /tmp and /run.
const RESTRICTED: [&str; 6] =
    ["--read-only", "--read-only-tmpfs=false", "--cap-drop", "all", "--security-opt", "no-new-privileges"];
const STATUS: &str = "/pulp/api/v3/status/";

/// The folder that is mounted at /etc/pulp.
struct Settings(tempfile::TempDir);

impl Settings {
    /// For a database on this host.
    fn new(host: &str) -> Settings {
        let settings = Settings(tempfile::tempdir().unwrap());
        let text = format!(
            "SECRET_KEY = 'not-so-secret'\nANALYTICS = False\nCONTENT_ORIGIN = 'http://localhost:8080'\n\
             DATABASES = {{'default': {{'HOST': '{host}', 'NAME': 'pulp', 'USER': 'pulp', 'PASSWORD': \
             '{DATABASE_PASSWORD}', 'ENGINE': 'django.db.backends.postgresql'}}}}\n"
        );
        let certs = settings.0.path().join("certs");
        fs::create_dir(&certs).unwrap();
        fs::write(settings.0.path().join("settings.py"), text).unwrap();
        let key = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=\n";
        fs::write(certs.join("database_fields.symmetric.key"), key).unwrap();
        // Those who read it are users of the containers.
        fs::set_permissions(settings.0.path(), Permissions::from_mode(0o755)).unwrap();
        settings
    }

    /// A container with them.
    fn boot(&self, what: &str, image: &str, ports: &[u16]) -> Boot {
        let mount = format!("{}:/etc/pulp:ro", self.0.path().display());
        Boot::new(what).of(image, ports).podman(&["--network", net(), "--volume", &mount])
    }
}

fn net() -> &'static str {
    static NETWORK: OnceLock<String> = OnceLock::new();
    NETWORK.get_or_init(network)
}

/// A PostgreSQL with an empty database for Pulp, that containers find by this name.
fn postgresql(name: &str) -> Pulp {
    let boot = Boot::new(name).of(image(), &[]).env("PASSWORD", DATABASE_PASSWORD);
    let boot = boot.podman(&["--user", "postgres", "--network", net(), "--network-alias", name]);
    let pulp = boot.instead(&["bash", "-c", POSTGRESQL]).start();
    until("postgresql's answer", PROMPTLY, || {
        assert!(pulp.runs(), "{}", pulp.logs());
        pulp.exec(&["pg_isready", "-q", "-h", "127.0.0.1"]).code == 0
    });
    pulp
}

/// Brings its database to the image's schema, as the multi-process image does at its first boot.
fn migrate(postgresql: &Pulp) {
    let restore = "PGPASSWORD=$PASSWORD psql -qX -h 127.0.0.1 -U pulp -d pulp -v ON_ERROR_STOP=1 -1 \
                   -f /usr/share/pulp/database.sql >/dev/null";
    postgresql.ok(&["bash", "-c", restore]);
}

/// All of a Pulp, a process a container.
pub struct Cluster {
    settings: Settings,
    data: String,
    postgresql: Pulp,
    pub api: Pulp,
    pub content: Pulp,
    pub worker: Pulp,
    pub web: Pulp,
}

pub fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        let (settings, data) = (Settings::new("postgres"), volume());
        let database = postgresql("postgres");
        migrate(&database);
        let set = settings.boot("password", minimal(), &[]).env("PULP_DEFAULT_ADMIN_PASSWORD", PASSWORD);
        let set = set.podman(&["--user", "pulp"]).command(&["set_init_password.sh"]).start();
        assert_eq!(set.ends_within(PATIENCE), 0, "{}", set.logs());
        let start = |what: &str, user: &str| {
            let boot = settings.boot(what, minimal(), &[]).mount(&data, "/var/lib/pulp");
            let boot = boot.podman(&RESTRICTED).podman(&["--network-alias", what, "--user", user]);
            boot.command(&[what]).start()
        };
        let (api, worker) = (start("pulp-api", ANYBODY), start("pulp-worker", ANYBODY));
        let content = start("pulp-content", "12345:0");
        let web = Boot::new("pulp-web").of(web(), &[8080]);
        let web = web.podman(&RESTRICTED).podman(&["--network", net(), "--user", ANYBODY]).start();
        let cluster = Cluster { settings, data, postgresql: database, api, content, worker, web };
        until("the API's readiness", PATIENCE, || ready(&cluster.api, STATUS).code == 0);
        until("the content app's readiness", PATIENCE, || {
            ready(&cluster.content, "/pulp/content/").code == 0
        });
        until("a worker", PATIENCE, || {
            let status = cluster.web.status();
            status["online_workers"].as_array().is_some_and(|workers| !workers.is_empty())
        });
        cluster
    })
}

impl Cluster {
    /// One more container of it, without a command so far.
    pub fn beside(&self, what: &str) -> Boot {
        let boot = self.settings.boot(what, minimal(), &[]).mount(&self.data, "/var/lib/pulp");
        boot.podman(&["--user", ANYBODY])
    }
}

/// As a compose file or Kubernetes asks.
fn ready(container: &Pulp, path: &str) -> Said {
    assert!(container.runs(), "{}", container.logs());
    container.exec(&["/usr/bin/readyz.py", &product().path(path)])
}

fn size(image: &str) -> u64 {
    podman_ok(&["image", "inspect", "--format", "{{.Size}}", image]).parse().unwrap()
}

#[test]
fn images_are_small() {
    let _turn = turn();
    let (minimal, web) = (size(minimal()), size(web()));
    eprintln!("minimal {} MB, web {} MB", minimal / 1_000_000, web / 1_000_000);
    assert!(minimal <= 800_000_000 && web <= product().web_size);
}

#[test]
fn a_file_goes_from_container_to_container_though_none_may_write_its_image_and_none_is_root() {
    let _turn = turn();
    let cluster = cluster();
    let bytes = b"through four containers".repeat(1000);
    let file = Api::admin(&cluster.web, PASSWORD).publish_file("single", &bytes);
    cluster.web.serves(&file, &bytes);
    for container in [&cluster.api, &cluster.content, &cluster.worker, &cluster.web] {
        assert_eq!(container.exec(&["pulp-setup", "healthy"]).code, 0, "{}", container.logs());
        let user = container.ok(&["sh", "-c", "grep ^Uid: /proc/1/status"]);
        assert!(!user.contains("\t0"), "{user}");
        assert!(!container.logs().contains(DATABASE_PASSWORD));
    }
}

#[test]
fn readiness_has_upstreams_exit_codes() {
    let _turn = turn();
    let cluster = cluster();
    assert_eq!(ready(&cluster.api, STATUS).code, 0);
    // Without its slash: the API redirects.
    assert_eq!(ready(&cluster.api, STATUS.trim_end_matches('/')).code, 0);
    let name = &cluster.api.name;
    let status = product().path(STATUS);
    let cache = ["exec", "--env", "REDIS_SERVICE_HOST=10.0.0.1", name, "readyz.py", &status];
    assert_eq!(crate::harness::podman(&cache).code, 4);
    assert_eq!(ready(&cluster.content, "/pulp/content/nothing-here/").code, 1);
    let nobody = ready(&cluster.worker, STATUS);
    assert!(nobody.code == 1 && nobody.err.contains("no answer at"), "{nobody:?}");
}

#[test]
fn route_paths_are_told_as_json() {
    let _turn = turn();
    if !only_pulp() {
        return;
    }
    let said = cluster().api.ok(&["/usr/bin/route_paths.py", "shop"]);
    let routes: Value = serde_json::from_str(&said).unwrap();
    let routes = routes.as_array().unwrap();
    let route =
        |path: &str| routes.iter().find(|route| route["path"] == path).unwrap_or_else(|| panic!("{said}"));
    assert_eq!(route("/pypi/")["targetPort"], "api-24817");
    assert_eq!(route("/pypi/")["name"], "shop-python-pypi");
    assert_eq!(route("/pulp/container/")["serviceName"], "shop-content-svc");
}

/// Runs a name in a container of its own, and returns its exit code and output.
fn run(boot: Boot, words: &[&str]) -> (i32, String) {
    let container = boot.command(words).start();
    (container.ends_within(PATIENCE), container.logs())
}

#[test]
fn password_is_set_once_or_always_as_upstreams_script_does() {
    let _turn = turn();
    let cluster = cluster();
    let user = |password: &str| Api::admin(&cluster.web, password).get("/pulp/api/v3/users/").status;
    let set = |env: &[(&str, &str)]| {
        let boot = cluster.settings.boot("password", minimal(), &[]).podman(&["--user", ANYBODY]);
        run(env.iter().fold(boot, |boot, (name, value)| boot.env(name, value)), &["set_init_password.sh"])
    };
    let nobody = product().nobody;
    // There is one already.
    assert_eq!(set(&[("PULP_DEFAULT_ADMIN_PASSWORD", "second-s3cret")]).0, 0);
    assert_eq!((user(PASSWORD), user("second-s3cret")), (200, nobody));
    let (code, said) = set(&[("PULP_ADMIN_PASSWORD", "third-s3cret")]);
    assert!(code == 0 && !said.contains("third-s3cret"), "{said}");
    assert_eq!((user(PASSWORD), user("third-s3cret")), (nobody, 200));
    assert_eq!(set(&[("PULP_ADMIN_PASSWORD", PASSWORD)]).0, 0);
    assert_eq!(user(PASSWORD), 200);
    let (code, said) = set(&[]);
    assert!(code == 1 && said.contains("there is no password to set"), "{said}");
}

#[test]
fn signing_without_a_key_is_nothing_to_do() {
    let _turn = turn();
    let boot = cluster().settings.boot("signing", minimal(), &[]).podman(&["--user", "pulp"]);
    let (code, said) = run(boot, &["sh", "-c", "add_signing_service.sh"]);
    assert_eq!(code, 0, "{said}");
}

/// What docs/signing.md says to do, as the user pulp on the volume of the data.
const KEY: &str = r#"
gpg --batch --quiet --passphrase '' --quick-gen-key pulp@example.com rsa2048 sign never
mkdir -p /var/lib/pulp/scripts
cat >/var/lib/pulp/scripts/collection_sign.sh <<'EOF'
#!/bin/sh
set -eu
gpg --batch --yes --quiet --homedir /var/lib/pulp/.gnupg --local-user "$PULP_SIGNING_KEY_FINGERPRINT" \
    --armor --detach-sign --output "$1.asc" "$1"
printf '{"file": "%s", "signature": "%s.asc"}\n' "$1" "$1"
EOF
cat >/var/lib/pulp/scripts/sign_deb_release.sh <<'EOF'
#!/bin/sh
set -eu
cd "$(dirname "$1")"
gpg="gpg --batch --yes --quiet --homedir /var/lib/pulp/.gnupg --local-user $PULP_SIGNING_KEY_FINGERPRINT"
$gpg --detach-sign --armor --output Release.gpg Release
$gpg --clearsign --output InRelease Release
printf '{"signatures": {"inline": "%s/InRelease", "detached": "%s/Release.gpg"}}\n' "$PWD" "$PWD"
EOF
cat >/var/lib/pulp/scripts/sign_rpm_package.sh <<'EOF'
#!/bin/sh
set -eu
rpmsign --define "_gpg_path /var/lib/pulp/.gnupg" --define "_gpg_name $PULP_SIGNING_KEY_FINGERPRINT" --addsign "$1" >&2
printf '{"rpm_package": "%s"}\n' "$1"
EOF
chmod +x /var/lib/pulp/scripts/*.sh
gpg --armor --export pulp@example.com >/tmp/key
rpm --import /tmp/key
gpg --list-keys --with-colons pulp@example.com | sed -n 's/^fpr:*\([0-9A-F]*\):$/\1/p'
"#;

#[test]
fn signing_services_are_registered_once_with_a_real_key() {
    let _turn = turn();
    if !only_pulp() {
        return;
    }
    let cluster = cluster();
    let own = || {
        let boot = cluster.settings.boot("signing", minimal(), &[]).mount(&cluster.data, "/var/lib/pulp");
        boot.podman(&["--user", "pulp"])
    };
    let (code, said) = run(own(), &["sh", "-euc", KEY]);
    let fingerprint = said.lines().find(|line| line.len() == 40).unwrap_or_default();
    assert!(code == 0 && !fingerprint.is_empty(), "{said}");
    let register =
        || run(own().env("PULP_SIGNING_KEY_FINGERPRINT", fingerprint), &["add_signing_service.sh"]);
    let (code, said) = register();
    for (name, what) in [("ansible", "collections"), ("deb", "releases of apt"), ("rpm", "rpm packages")] {
        assert!(code == 0 && said.contains(&format!("{name}-default signs {what}")), "{said}");
    }
    let (code, said) = register();
    assert!(code == 0 && !said.contains("-default signs"), "{said}");
    let services =
        Api::admin(&cluster.web, PASSWORD).get("/pulp/api/v3/signing-services/").expect(200).json();
    assert_eq!(services["count"], 3, "{services}");
    assert_eq!(services["results"][0]["pubkey_fingerprint"], fingerprint);
}

#[test]
fn migrations_of_plugins_that_are_not_enabled_are_not_waited_for() {
    let _turn = turn();
    if !only_pulp() {
        return;
    }
    let wait = || {
        let boot = cluster().settings.boot("plugins", minimal(), &[]).podman(&["--user", "pulp"]);
        boot.env("PULP_ENABLED_PLUGINS", "[\"pulp_file\", \"pulp_rpm\"]").env("PULP_MIGRATIONS_TIMEOUT", "60")
    };
    // As a database is that never had others.
    let psql = |sql: &str| {
        let ask = "PGPASSWORD=$PASSWORD psql -qX -h 127.0.0.1 -U pulp -d pulp -c \"$0\"";
        cluster().postgresql.ok(&["bash", "-c", ask, sql])
    };
    psql(
        "create table set_aside as select * from django_migrations; \
          delete from django_migrations where app = 'deb'",
    );
    let (code, said) = run(wait(), &["wait_on_database_migrations.sh"]);
    psql("delete from django_migrations where app = 'file'");
    let (missing, why) = run(wait().env("PULP_MIGRATIONS_TIMEOUT", "1"), &["wait_on_database_migrations.sh"]);
    psql(
        "truncate django_migrations; insert into django_migrations select * from set_aside; drop table set_aside",
    );
    assert!(code == 0 && said.ends_with("Database migrated!\n"), "{said}");
    assert!(missing == 1 && why.contains("Django says"), "{why}");
}

#[test]
fn waits_end_when_the_database_comes_and_when_it_is_migrated() {
    let _turn = turn();
    let settings = Settings::new("late");
    let waits = "wait_on_postgres.py && wait_on_database_migrations.sh";
    let boot = settings.boot("waits", minimal(), &[]).podman(&["--user", ANYBODY, "--read-only"]);
    let waiting = boot.command(&["sh", "-c", waits]).start();
    until("the wait for a database", PATIENCE, || {
        waiting.logs().contains("waiting for the database at late")
    });
    let postgresql = postgresql("late");
    until("the wait for its migrations", PATIENCE, || waiting.logs().contains("waiting for the migrations"));
    assert!(waiting.runs());
    migrate(&postgresql);
    assert_eq!(waiting.ends_within(PATIENCE), 0, "{}", waiting.logs());
    let logs = waiting.logs();
    assert!(logs.contains("Postgres started.") && logs.ends_with("Database migrated!\n"), "{logs}");
}

#[test]
fn waits_for_what_never_comes_end_in_one_message() {
    let _turn = turn();
    let boot = Settings::new("never");
    let boot = boot.boot("never", minimal(), &[]).podman(&["--user", "pulp"]);
    let (code, said) = run(boot.env("PULP_DATABASE_TIMEOUT", "2"), &["wait_on_postgres.py"]);
    assert!(code == 1 && said.contains("no database at never, port 5432 after 2 s"), "{code}: {said}");
    assert!(!said.contains(DATABASE_PASSWORD), "{said}");
}

#[test]
fn missing_migrations_end_the_start_of_a_service_and_a_job_that_runs_them_can_be_stopped() {
    let _turn = turn();
    let settings = Settings::new("empty");
    let _postgresql = postgresql("empty");
    let boot = settings.boot("empty", minimal(), &[]).podman(&["--user", "pulp"]);
    let (code, said) = run(boot.env("PULP_MIGRATIONS_TIMEOUT", "2"), &["pulp-worker"]);
    assert!(code == 1 && said.contains("the database is not migrated after 2 s"), "{code}: {said}");
    // The first one begins with nothing, which ours would fill with the prepared database in a second.
    for words in [["pulpcore-manager", "migrate"], ["pulp-setup", "migrations"]] {
        let boot = settings.boot("job", minimal(), &[]).podman(&["--user", ANYBODY, "--read-only"]);
        let job = boot.command(&words).start();
        until("a migration", PATIENCE, || job.logs().contains("Applying "));
        assert_eq!(job.stop(), 143, "{words:?}");
    }
}

#[test]
fn a_wait_is_stopped_at_once() {
    let _turn = turn();
    let settings = Settings::new("never");
    let waiting = settings.boot("stopped", minimal(), &[]).command(&["pulp-api"]).start();
    until("the wait", PATIENCE, || waiting.logs().contains("waiting for the database"));
    assert_eq!(waiting.stop(), 143);
}

#[test]
fn a_service_that_still_imports_is_stopped_at_once() {
    let _turn = turn();
    let boot = cluster().settings.boot("importing", minimal(), &[]);
    let api = boot.command(&["pulp-api"]).start();
    until("its start", PATIENCE, || api.ok(&["cat", "/proc/1/cmdline"]).contains("pulpcore-api"));
    // By now the interpreter may not have set it, or the API may be up: all of these are stops that nobody forced.
    let code = api.stop();
    assert!(code == 143 || code == 0, "{code}: {}", api.logs());
}

#[test]
fn a_download_is_finished_before_the_content_app_stops() {
    let _turn = turn();
    // Galaxy's content app sends nothing to whoever has not been at the API before.
    if !only_pulp() {
        return;
    }
    let cluster = cluster();
    let bytes = b"0123456789abcdef".repeat(1 << 19); // 8 MB
    let file = Api::admin(&cluster.web, PASSWORD).publish_file("slow", &bytes);
    let boot = cluster.settings.boot("leaving", minimal(), &[24816]).mount(&cluster.data, "/var/lib/pulp");
    let content = boot.podman(&["--user", "pulp"]).command(&["pulp-content"]).start();
    until("its readiness", PATIENCE, || ready(&content, "/pulp/content/").code == 0);
    // A client that takes little at a time: what it has not read is more than the kernel keeps for it.
    let mut slow = TcpStream::connect(("127.0.0.1", content.port(24816))).unwrap();
    setsockopt(&slow, sockopt::RcvBuf, &(64 << 10)).unwrap();
    write!(slow, "GET {file} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut copy = vec![0; 1 << 16];
    slow.read_exact(&mut copy).unwrap();
    let code = std::thread::scope(|scope| {
        let stop = scope.spawn(|| content.stop());
        until("the stop's begin", PROMPTLY, || content.logs().contains("Handling signal"));
        slow.read_to_end(&mut copy).unwrap();
        stop.join().unwrap()
    });
    assert_eq!((code, copy.ends_with(&bytes)), (0, true), "{}", content.logs());
}

#[test]
fn an_upload_is_finished_before_the_api_stops() {
    let _turn = turn();
    let cluster = cluster();
    let boot = cluster.settings.boot("leaving", minimal(), &[24817]).mount(&cluster.data, "/var/lib/pulp");
    let boot = boot.env("PULP_API_WORKERS", "1").podman(&["--user", ANYBODY]);
    let api = boot.command(&["pulp-api"]).start();
    until("its readiness", PATIENCE, || ready(&api, STATUS).code == 0);
    // A client that takes its time between the two halves of a file.
    let bytes = "0123456789abcdef".repeat(1 << 16);
    let body = format!(
        "--mark\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n{bytes}\r\n--mark--\r\n"
    );
    let (begin, end) = body.split_at(body.len() / 2);
    let mut slow = TcpStream::connect(("127.0.0.1", api.port(24817))).unwrap();
    let login = STANDARD.encode(format!("admin:{PASSWORD}"));
    write!(
        slow,
        "POST {} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {login}\r\n\
         Connection: close\r\nContent-Type: multipart/form-data; boundary=mark\r\nContent-Length: {}\r\n\r\n{begin}",
        product().path("/pulp/api/v3/artifacts/"),
        body.len()
    )
    .unwrap();
    let (code, answer) = std::thread::scope(|scope| {
        let stop = scope.spawn(|| api.stop());
        until("the stop's begin", PROMPTLY, || api.logs().contains("Handling signal"));
        slow.write_all(end.as_bytes()).unwrap();
        let mut answer = String::new();
        slow.read_to_string(&mut answer).unwrap();
        (stop.join().unwrap(), answer)
    });
    assert!(code == 0 && answer.starts_with("HTTP/1.1 201"), "{code}: {answer}\n{}", api.logs());
}

#[test]
fn a_task_is_finished_before_its_worker_stops() {
    let _turn = turn();
    let cluster = cluster();
    let dispatch = format!(
        "from django_guid import set_guid; set_guid('test'); from pulpcore.plugin.tasking import dispatch; \
         print(dispatch('{}', args=(4,)).pk)",
        product().sleeping_task
    );
    let said = cluster.api.ok(&["pulpcore-manager", "shell", "-v", "0", "-c", &dispatch]);
    let task = format!("/pulp/api/v3/tasks/{}/", said.lines().last().unwrap());
    let api = Api::admin(&cluster.web, PASSWORD);
    let state = || api.get(&task).expect(200).json()["state"].clone();
    until("the task's begin", PATIENCE, || state() == "running");
    let code = cluster.worker.stop();
    let after = state();
    podman_ok(&["start", &cluster.worker.name]);
    assert_eq!((code, after), (0, "completed".into()), "{}", cluster.worker.logs());
}

#[test]
fn static_files_are_nginxs_own_and_all_else_is_passed_on() {
    let _turn = turn();
    let web = &cluster().web;
    let file = "/assets/rest_framework/css/default.css";
    let answer = web.get(file).expect(200);
    assert_eq!(answer.header("Content-Type"), Some("text/css"));
    // The API puts this into each of its answers.
    assert!(answer.header("Correlation-ID").is_none() && web.get(STATUS).header("Correlation-ID").is_some());
    let challenge = web.get("/v2/");
    assert!(challenge.header("Correlation-ID").is_some(), "{}", challenge.headers);
    web.get("/pulp/content/").expect(200);
}

#[test]
fn nginx_finds_a_content_app_that_took_anothers_place() {
    let _turn = turn();
    let cluster = cluster();
    let start = || {
        let boot = cluster.settings.boot("moving", minimal(), &[]).mount(&cluster.data, "/var/lib/pulp");
        let boot = boot.podman(&["--user", "pulp", "--network-alias", "moving"]);
        boot.command(&["pulp-content"]).start()
    };
    let boot = Boot::new("web-moving").of(web(), &[8080]).env("PULP_CONTENT_UPSTREAM", "moving");
    let web = boot.podman(&["--network", net()]).start();
    let answers = || web.get("/pulp/content/").status == 200;
    let first = start();
    until("the first one's answer", PATIENCE, answers);
    let second = start();
    drop(first);
    until("the second one's answer", PATIENCE, answers);
    assert!(second.runs());
}

#[test]
fn web_server_has_tls_and_http_2() {
    let _turn = turn();
    let boot = Boot::new("web-tls")
        .of(web(), &[8443, 8080])
        .env("PULP_HTTPS", "true")
        .env("PULP_HOSTNAME", "pulp.example.org");
    let container = boot.podman(&["--network", net()]).start();
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca.crt").to_string_lossy().into_owned();
    let certificate = format!("{}:/etc/pulp/certs/pulp_webserver.crt", container.name);
    until("its certificate", PROMPTLY, || crate::harness::podman(&["cp", &certificate, &ca]).code == 0);
    let (port, plain) = (container.port(8443), container.port(8080));
    let get = |path: &str| -> Answer {
        let resolve = format!("pulp.example.org:{port}:127.0.0.1");
        let url = format!("https://pulp.example.org:{port}{path}");
        curl(&["--http2", "--cacert", &ca, "--resolve", &resolve, &url])
    };
    let css = product().path("/assets/rest_framework/css/default.css");
    until("its answer", PROMPTLY, || get(&css).status == 200);
    let answer = get(&css);
    assert!(answer.headers.starts_with("HTTP/2 200"), "{}", answer.headers);
    let status = get(&product().path(STATUS));
    assert!(status.status == 200 && status.headers.starts_with("HTTP/2"), "{}", status.headers);
    let redirect = curl(&[&format!("http://127.0.0.1:{plain}{STATUS}")]).expect(301);
    assert!(redirect.header("Location").unwrap().starts_with("https://"), "{}", redirect.headers);
    assert_eq!(container.stop(), 0);
}

/// As Pulp's operator mounts it.
const OPERATORS: &str = "error_log /dev/stdout info;
events { worker_connections 1024; }
http {
    include mime.types;
    upstream pulp-content { server pulp-content:24816; }
    upstream pulp-api { server pulp-api:24817; }
    server {
        listen 8080 default_server deferred;
        root \"/opt/app-root/src\";
        include /opt/app-root/etc/nginx.default.d/*.conf;
        include /etc/nginx/pulp/*.conf;
        location / { proxy_set_header Host $http_host; proxy_pass http://pulp-api; }
    }
}
";

#[test]
fn configuration_of_the_operator_is_used_as_it_is() {
    let _turn = turn();
    cluster();
    let config = tempfile::NamedTempFile::new().unwrap();
    fs::write(config.path(), OPERATORS).unwrap();
    fs::set_permissions(config.path(), Permissions::from_mode(0o644)).unwrap();
    let mount = format!("{}:/etc/nginx/nginx.conf:ro", config.path().display());
    let boot = Boot::new("web-operator").of(web(), &[8080]).podman(&["--volume", &mount, "--network", net()]);
    let container = boot.podman(&["--user", "700", "--cap-drop", "ALL"]).start();
    until("its answer", PROMPTLY, || container.get(STATUS).status == 200);
    assert!(container.logs().contains("using the \"epoll\" event method"), "{}", container.logs());
}

#[test]
fn image_of_all_processes_is_one_process_too_and_roots_becomes_pulps() {
    let _turn = turn();
    let cluster = cluster();
    let content = cluster.settings.boot("all", image(), &[]).command(&["pulp-content"]).start();
    until("its readiness", PATIENCE, || ready(&content, "/pulp/content/").code == 0);
    let processes = content.ok(&["ps", "-e", "-ww", "-o", "user=,args="]);
    let ours: Vec<&str> = processes.lines().filter(|line| line.contains("pulpcore-content")).collect();
    assert!(!ours.is_empty() && ours.iter().all(|line| line.starts_with("pulp ")), "{processes}");
    assert_eq!(content.exec(&["pulp-setup", "healthy"]).code, 0);
    assert_eq!(content.stop(), 0);
}

#[test]
fn a_shell_script_for_upstreams_image_finds_the_shell_that_it_was_written_for() {
    let _turn = turn();
    // From Pulp's operator, which says `sh` and means bash.
    let script = "names=(\"pulpcore-api\"); if which \"${names[0]}\"; then [[ -f /usr/bin/pulp-api ]] && echo {a,b}; fi";
    for image in [minimal(), image()] {
        let boot = Boot::new("shell").of(image, &[]).podman(&["--network=none"]);
        assert_eq!(
            run(boot, &["/bin/sh", "-c", script]),
            (0, "/usr/local/bin/pulpcore-api\na b\n".to_owned())
        );
    }
}
