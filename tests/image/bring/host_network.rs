//! Two Pulps in the host's network: each port can be moved, and one that is taken is named together with what moves it.

use std::net::TcpListener;

use crate::harness::{Boot, Pulp, curl, turn};

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
    let _turn = turn();
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
    answers(d);
}
