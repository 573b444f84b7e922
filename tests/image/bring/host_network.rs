//! Two Pulps in the host's network: each port can be moved, and one that is taken is named together with what moves it.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use crate::harness::{Boot, Pulp, alone, curl, shared};

/// Ports that nobody has now.
fn free<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| TcpListener::bind("0.0.0.0:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

/// A Pulp in the host's network, at these ports.
fn at([http, api, content]: [u16; 3]) -> Boot {
    let boot = Boot::new("host").unpublished().podman(&["--network", "host"]);
    let boot = boot.env("PULP_HTTP_PORT", &http.to_string());
    boot.env("PULP_API_BIND", &format!("127.0.0.1:{api}"))
        .env("PULP_CONTENT_BIND", &format!("127.0.0.1:{content}"))
}

fn answers(http: u16) {
    let status = curl(&[&format!("http://localhost:{http}/pulp/api/v3/status/")]).expect(200).json();
    assert_eq!(status["database_connection"]["connected"], true, "{status}");
    curl(&[&format!("http://localhost:{http}/pulp/content/")]).expect(200);
}

#[test]
fn two_pulps_share_the_hosts_network_and_a_third_at_taken_ports_is_told_which_variables_move_them() {
    let _turn = alone();
    let [a, b, c, d, e, f] = free();
    let pulps: Vec<Pulp> = [[a, b, c], [d, e, f]].into_iter().map(|ports| at(ports).ready()).collect();
    answers(a);
    answers(d);
    assert!(pulps.iter().all(|pulp| pulp.exec(&["pulp-setup", "healthy"]).code == 0));
    let third = at([a, b, f]).start();
    let line = third.fails_with(&["nginx (PULP_HTTP_PORT) cannot listen on", "that port is in use"]);
    for taken in [
        format!("0.0.0.0:{a}"),
        format!("pulp-api (PULP_API_BIND) cannot listen on 127.0.0.1:{b}"),
        format!("pulp-content (PULP_CONTENT_BIND) cannot listen on 127.0.0.1:{f}"),
    ] {
        assert!(line.contains(&taken), "{taken}: {line}");
    }
    assert!(line.contains("by a process of user 700 outside of this container"), "{line}");
    for cure in ["PULP_HTTP_PORT and PULP_HTTPS_PORT", "set PULP_API_BIND to", "set PULP_CONTENT_BIND to"] {
        assert!(third.logs().lines().any(|line| line.contains("to fix it") && line.contains(cure)), "{cure}");
    }
    answers(d);
}

/// Takes the API's port before the boot looks at it, as a user whose files root may not look at in a container.
const EARLY: &str = r#"
exec = ["python3", "-m", "http.server", "24817"]
user = "pulp"
before = ["ports"]
[ready]
tcp = "127.0.0.1:24817"
"#;

#[test]
fn a_service_of_the_users_own_that_has_a_port_of_pulps_is_named_with_its_process() {
    let _turn = alone();
    let settings = tempfile::tempdir().unwrap();
    let services = settings.path().join("services.d");
    fs::create_dir(&services).unwrap();
    fs::write(services.join("early.toml"), EARLY).unwrap();
    fs::set_permissions(settings.path(), Permissions::from_mode(0o755)).unwrap();
    let pulp = Boot::new("early").mount(&settings.path().to_string_lossy(), "/etc/pulp").start();
    let line = pulp.fails_with(&["pulp-api (PULP_API_BIND) cannot listen on ", "in use by process "]);
    assert!(line.contains(" (python3) of the service `early`"), "{line}");
}

#[test]
fn ports_that_pulps_own_services_have_are_no_problem_to_who_looks_again() {
    let _turn = alone();
    shared().ok(&["pulp-setup", "ports"]);
}
