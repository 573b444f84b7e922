//! What the container's variables change, seen in the processes that run.

use std::collections::BTreeSet;
use std::fs;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::harness::{Api, Boot, Pulp, turn};

const PASSWORD: &str = "s3cret-of-the-variable";

struct Told {
    pulp: Pulp,
    /// Command lines that the password was in while it booted.
    seen: BTreeSet<String>,
}

fn told() -> &'static Told {
    static TOLD: OnceLock<Told> = OnceLock::new();
    TOLD.get_or_init(|| {
        let boot = Boot::new("variables")
            .env("PULP_WORKERS", "3")
            .env("PULP_API_WORKERS", "1")
            .env("PULP_CONTENT_WORKERS", "1")
            .env("PULP_GUNICORN_TIMEOUT", "77")
            .env("PULP_API_WORKERS_MAX_REQUESTS", "1001")
            .env("PULP_API_WORKERS_MAX_REQUESTS_JITTER", "11")
            .env("PULP_CONTENT_WORKERS_MAX_REQUESTS", "1002")
            .env("PULP_CONTENT_WORKERS_MAX_REQUESTS_JITTER", "12")
            .env("PULP_DEFAULT_ADMIN_PASSWORD", PASSWORD);
        let booted = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let watch = scope.spawn(|| {
                let mut seen = BTreeSet::new();
                while !booted.load(Ordering::Relaxed) {
                    seen.extend(command_lines_with(PASSWORD));
                    std::thread::sleep(Duration::from_millis(10));
                }
                seen
            });
            let pulp = boot.ready();
            booted.store(true, Ordering::Relaxed);
            Told { pulp, seen: watch.join().unwrap() }
        })
    })
}

/// Of all processes of this host, those of containers among them.
fn command_lines_with(word: &str) -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    lines
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(word))
        .collect()
}

/// The command line of the main process of a service.
fn command_line(pulp: &Pulp, service: &str) -> String {
    pulp.ok(&["ps", "-ww", "-o", "args=", "-p", &pulp.pid(service).to_string()])
}

#[test]
fn numbers_of_workers_are_those_of_the_variables() {
    let _turn = turn();
    let pulp = &told().pulp;
    let workers = pulp.command_lines().iter().filter(|line| line.contains("pulpcore-worker")).count();
    assert_eq!(workers, 3);
    assert!(pulp.services().contains_key("pulp-worker@3"));
    for service in ["pulp-api", "pulp-content"] {
        assert_eq!(pulp.children(pulp.pid(service)).len(), 1, "{service}");
    }
}

#[test]
fn gunicorns_have_the_limits_of_the_variables() {
    let _turn = turn();
    for (service, limits) in [
        ("pulp-api", "--timeout 77 --workers 1 --max-requests 1001 --max-requests-jitter 11"),
        ("pulp-content", "--timeout 77 --workers 1 --max-requests 1002 --max-requests-jitter 12"),
    ] {
        let line = command_line(&told().pulp, service);
        assert!(line.contains(limits), "{line}");
    }
}

#[test]
fn password_of_the_variable_is_the_administrators_and_shows_nowhere() {
    let _turn = turn();
    let told = told();
    Api::admin(&told.pulp, PASSWORD).get("/pulp/api/v3/users/").expect(200);
    Api::admin(&told.pulp, "admin").get("/pulp/api/v3/users/").expect(401);
    assert_eq!(told.seen, BTreeSet::new(), "while it booted");
    assert!(!told.pulp.logs().contains(PASSWORD));
    assert!(!told.pulp.command_lines().iter().any(|line| line.contains(PASSWORD)));
}

#[test]
fn code_that_reloads_metrics_and_settings_of_pulp_are_variables_too() {
    let _turn = turn();
    let boot = Boot::new("others")
        .env("PULP_GUNICORN_RELOAD", "true")
        .env("PULP_OTEL_ENABLED", "true")
        .env("PULP_WORKERS", "1")
        // Settings of Pulp, which dynaconf reads.
        .env("PULP_API_ROOT", "/here/")
        .env("PULP_CONTENT_PATH_PREFIX", "/there/content/");
    let pulp = boot.ready();
    pulp.get("/here/api/v3/status/").expect(200);
    pulp.get("/there/content/").expect(200);
    pulp.get("/pulp/api/v3/status/").expect(404);
    for service in ["pulp-api", "pulp-content"] {
        let line = command_line(&pulp, service);
        assert!(line.contains("--reload") && !line.contains("--preload"), "{line}");
        let environ = format!("/proc/{}/environ", pulp.pid(service));
        let environ = pulp.exec_as("pulp", &["cat", &environ], b"").out;
        assert!(environ.contains("PULP_OTEL_ENABLED=true"), "{environ}");
    }
}
