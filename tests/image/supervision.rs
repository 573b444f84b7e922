//! What a person does to the services of a running Pulp, and what that does to the others.

use std::time::Instant;

use crate::harness::{Boot, Pulp, turn};

/// Clients get what they ask for, and every service of the boot runs.
fn is_well(pulp: &Pulp) {
    pulp.get("/pulp/api/v3/status/").expect(200);
    assert_eq!(pulp.exec(&["svctl", "health"]).out, "healthy\n");
}

#[test]
fn services_are_stopped_started_and_reloaded_by_hand() {
    let _turn = turn();
    let pulp = Boot::new("supervision")
        .env("PULP_LOGS_TO", "file:/var/log/pulp?size=1MB loki+http://user:hunter23@127.0.0.1:9")
        .podman(&["--tmpfs", "/var/log/pulp:mode=755"])
        .ready();

    // What services write is in files, too; a server that is not there slows nobody down, and its password is for nobody else.
    pulp.ok(&["svctl", "wait", "-t", "60s", "log-shipping"]);
    let told = "until grep -q 'nginx: starting -> up' /var/log/pulp/init.log; do sleep 0.1; done; test -s /var/log/pulp/postgresql.log";
    pulp.ok(&["timeout", "60", "sh", "-c", told]);
    let seen = "grep -l 'hunter2[3]' /proc/[0-9]*/cmdline; for it in $(pgrep -u pulp); do grep -q 'hunter2[3]' /proc/$it/environ && echo $it; done; true";
    assert_eq!(pulp.ok(&["sh", "-c", seen]), "");
    assert!(!pulp.logs().contains("hunter23"));

    // Another file at init's place takes over, and no service notices.
    let pids = || -> Vec<(String, serde_json::Value)> {
        pulp.services().into_iter().map(|(name, service)| (name, service["pid"].clone())).collect()
    };
    let before = pids();
    pulp.ok(&["sh", "-c", "cp /init /init.new && mv /init.new /init"]);
    for _ in 0..3 {
        pulp.ok(&["svctl", "reexec"]);
    }
    assert_eq!(pids(), before);
    is_well(&pulp);

    // A second init starts nothing.
    let second = pulp.exec(&["/init"]);
    assert_eq!(second.code, 73, "{second:?}");
    assert!(second.err.contains("svctl") && second.err.lines().count() == 1, "{second:?}");
    assert_eq!(pulp.exec(&["/init", "--help"]).code, 0);
    is_well(&pulp);

    // The database takes along what needs it, and brings it back.
    let said = pulp.ok(&["svctl", "stop", "postgresql"]);
    for name in ["database", "pulp-api", "pulp-content", "pulp-worker@1"] {
        assert!(said.contains(name), "{name} in {said}");
    }
    let health = pulp.exec(&["svctl", "health"]);
    assert!(health.code == 1 && health.out.contains("postgresql: down: stopped by hand"), "{health:?}");
    pulp.ok(&["svctl", "start", "postgresql"]);
    is_well(&pulp);

    // A configuration that nginx refuses is the failure of the reload, and the old one stays in force.
    pulp.ok(&["svctl", "reload", "nginx"]);
    pulp.ok(&[
        "bash",
        "-c",
        "mkdir -p /etc/pulp/nginx.d && echo 'no_such_directive;' > /etc/pulp/nginx.d/wrong.conf",
    ]);
    let refused = pulp.exec(&["svctl", "reload", "nginx"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(pulp.logs().contains("no_such_directive"), "{}", pulp.logs());
    is_well(&pulp);
    pulp.ok(&["rm", "/etc/pulp/nginx.d/wrong.conf"]);
    pulp.ok(&["svctl", "reload", "nginx"]);

    // Nobody else reads what services print.
    let logs = pulp.exec_as("www-data", &["svctl", "logs", "-n", "1", "pulp-api"], b"");
    assert_eq!((logs.code, &*logs.out), (5, ""), "{logs:?}");
    is_well(&pulp);

    // A stop that comes right after readiness needs no KILL: gunicorn's processes may miss a signal while they are forked.
    for _ in 0..3 {
        pulp.ok(&["svctl", "restart", "pulp-api", "pulp-content"]);
    }
    let begin = Instant::now();
    assert_eq!(pulp.stop(), 0);
    assert!(!pulp.logs().contains("killing it"), "after {:?}: {}", begin.elapsed(), pulp.logs());
}

#[test]
fn too_few_processes_end_the_boot() {
    let _turn = turn();
    let pulp = Boot::new("processes").podman(&["--pids-limit", "30"]).start();
    pulp.fails_with(&["may have 30 processes and threads"]);
}
