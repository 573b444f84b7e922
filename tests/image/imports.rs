//! Services that are forked from a process that imported Pulp once, and those that are not.

use std::fs;

use serde_json::json;

use crate::harness::{Api, Boot, Folders, PATIENCE, PROMPTLY, Pulp, only_pulp, turn, until};

const FORKED: [&str; 4] = ["pulp-api", "pulp-content", "pulp-worker@1", "pulp-worker@2"];
const ALONE: &str = "it imports Pulp by itself";

/// Where a process's heap begins: a random address, which only who was forked has in common with its parent.
fn heap(pulp: &Pulp, service: &str) -> String {
    heap_of(pulp, pulp.pid(service))
}

fn heap_of(pulp: &Pulp, process: u64) -> String {
    let maps = format!("/proc/{process}/maps");
    let said = pulp.exec_as("pulp", &["grep", "-F", "[heap]", &maps], b"");
    assert_eq!(said.code, 0, "{process}: {}", said.err);
    said.out.split('-').next().unwrap().to_owned()
}

fn is_forked(pulp: &Pulp, service: &str) -> bool {
    heap(pulp, service) == heap(pulp, "pulp-imports")
}

fn is_well(pulp: &Pulp) -> bool {
    pulp.get("/pulp/api/v3/status/").status == 200 && pulp.exec(&["svctl", "health"]).code == 0
}

#[test]
fn services_are_forked_and_each_is_restarted_alone() {
    let _turn = turn();
    let pulp = Boot::new("imports").ready();
    let imports = pulp.pid("pulp-imports");
    for service in FORKED {
        assert!(is_forked(&pulp, service), "{service}");
    }
    assert!(!pulp.logs().contains(ALONE), "{}", pulp.logs());
    let all = FORKED.map(|service| pulp.pid(service));
    pulp.ok(&["svctl", "restart", "pulp-worker@1"]);
    let others = |pulp: &Pulp| ["pulp-api", "pulp-content", "pulp-worker@2"].map(|service| pulp.pid(service));
    assert_eq!(others(&pulp), [all[0], all[1], all[3]]);
    assert_ne!(pulp.pid("pulp-worker@1"), all[2]);
    assert!(is_forked(&pulp, "pulp-worker@1"));
    assert_eq!(pulp.pid("pulp-imports"), imports);

    // What a process says is its service's, and `ps` shows what it is.
    let said = pulp.ok(&["svctl", "logs", "-n", "100", "pulp-worker@1"]);
    // Galaxy's pulpcore calls it a distributed type worker.
    assert!(said.contains("Starting ") && said.contains(" worker"), "{said}");
    let shown = pulp.ok(&["ps", "-ww", "-o", "comm=,args=", "-p", &pulp.pid("pulp-api").to_string()]);
    assert!(shown.starts_with("pulpcore-api") && shown.contains("--bind [::]:24817"), "{shown}");

    // gunicorn's own reload replaces its processes, and not itself.
    let api = pulp.pid("pulp-api");
    let before = pulp.children(api);
    pulp.ok(&["svctl", "reload", "pulp-api"]);
    until("its processes are new", PROMPTLY, || {
        let now = pulp.children(api);
        now.len() == 2 && now.iter().all(|pid| !before.contains(pid)) && is_well(&pulp)
    });
    assert_eq!(pulp.pid("pulp-api"), api);
    the_imports_may_end(&pulp);
    assert_eq!(pulp.stop(), 0);
}

/// Nobody needs them once they run; who starts when they are not there imports Pulp by itself.
fn the_imports_may_end(pulp: &Pulp) {
    let before = FORKED.map(|service| pulp.pid(service));
    pulp.ok(&["svctl", "stop", "pulp-imports"]);
    // Health says what a person stopped, and nothing else.
    let health = pulp.exec(&["svctl", "health"]);
    assert_eq!((health.code, health.out.lines().count()), (1, 1), "{}{}", health.out, health.err);
    assert!(health.out.contains("pulp-imports"), "{}", health.out);
    assert_eq!(FORKED.map(|service| pulp.pid(service)), before);
    pulp.ok(&["kill", "-9", &before[3].to_string()]);
    until("the worker is back", PROMPTLY, || {
        let worker = &pulp.services()["pulp-worker@2"];
        worker["pid"].as_u64().is_some_and(|pid| pid != before[3]) && worker["state"] == "up"
    });
    let said = pulp.ok(&["svctl", "logs", "-n", "100", "pulp-worker@2"]);
    assert!(said.contains("it imports Pulp by itself: pulp-imports does not run"), "{said}");
    pulp.ok(&["svctl", "start", "pulp-imports"]);
    assert!(!is_forked(pulp, "pulp-worker@2"));
    pulp.ok(&["svctl", "restart", "pulp-worker@2"]);
    assert!(is_forked(pulp, "pulp-worker@2"));
    until("all is well", PROMPTLY, || is_well(pulp));
}

#[test]
fn task_is_a_fork_of_its_worker_and_imports_nothing_again() {
    let _turn = turn();
    if !only_pulp() {
        return;
    }
    for kind in ["pulpcore", "redis"] {
        task_is_a_fork(kind);
    }
}

fn task_is_a_fork(kind: &str) {
    let boot = Boot::new("task").env("PULP_WORKER_TYPE", kind).env("PULP_DEFAULT_ADMIN_PASSWORD", "secret");
    let pulp = boot.ready();
    let api = Api::admin(&pulp, "secret");
    // A task that lasts: of a server that never answers.
    let silent = "import socket, time; s = socket.create_server(('127.0.0.1', 8099)); time.sleep(600)";
    pulp.ok(&["sh", "-c", &format!("python3 -c \"{silent}\" >/dev/null 2>&1 &")]);
    until("the server", PATIENCE, || pulp.exec(&["sh", "-c", "echo >/dev/tcp/127.0.0.1/8099"]).code == 0);
    let remote = json!({ "name": "silent", "url": "http://127.0.0.1:8099/PULP_MANIFEST" });
    let remote = api.post("/pulp/api/v3/remotes/file/file/", &remote)["pulp_href"].clone();
    let repository = api.post("/pulp/api/v3/repositories/file/file/", &json!({ "name": "silent" }));
    let sync = format!("{}sync/", repository["pulp_href"].as_str().unwrap());
    let task = api.start(&sync, &json!({ "remote": remote }));
    let mut processes = Vec::new();
    until("the task's process", PATIENCE, || {
        processes = ["pulp-worker@1", "pulp-worker@2"]
            .iter()
            .flat_map(|worker| pulp.children(pulp.pid(worker)))
            .collect();
        !processes.is_empty()
    });
    let imports = heap(&pulp, "pulp-imports");
    assert!(processes.iter().all(|&process| heap_of(&pulp, process) == imports), "{processes:?}");
    api.cancel(&task);
}

#[test]
fn settings_that_were_changed_are_those_of_a_restarted_service() {
    let _turn = turn();
    let folders = Folders::new("");
    let pulp = folders.boot("changed").ready();
    let imports = pulp.pid("pulp-imports");
    let settings = folders.path("settings").join("settings.py");
    fs::write(&settings, "CONTENT_ORIGIN = \"http://changed.example\"\n").unwrap();
    pulp.ok(&["svctl", "restart", "pulp-api"]);
    assert_eq!(pulp.status()["content_settings"]["content_origin"], "http://changed.example");
    assert!(is_forked(&pulp, "pulp-api"));
    // It has replaced itself; the others were left alone.
    assert_eq!(pulp.pid("pulp-imports"), imports);
    assert!(!is_forked(&pulp, "pulp-content"));
    assert!(pulp.logs().contains("settings or packages have changed: importing Pulp anew"));
    assert!(!pulp.logs().contains(ALONE), "{}", pulp.logs());
}

/// Takes metrics in, and writes down whose they are: `service.name` is in the bytes as it is.
const COLLECTOR: &str = r#"
import gzip, http.server, re
class Collector(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        body = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
        open("/tmp/metrics", "a").write("".join(f"{name.decode()}\n" for name in re.findall(b"pulp-(?:api|content|worker)", body)))
        self.send_response(200)
        self.end_headers()
http.server.ThreadingHTTPServer(("127.0.0.1", 4318), Collector).serve_forever()
"#;

#[test]
fn services_that_export_metrics_are_forked_too_and_each_exports_its_own() {
    let _turn = turn();
    if !only_pulp() {
        return;
    }
    let boot =
        Boot::new("metrics").env("PULP_OTEL_ENABLED", "true").env("OTEL_METRIC_EXPORT_INTERVAL", "300");
    let pulp = boot.ready();
    pulp.ok(&["sh", "-c", &format!("cat >/tmp/collector.py <<'EOF'{COLLECTOR}EOF")]);
    pulp.ok(&["sh", "-c", "python3 /tmp/collector.py >/dev/null 2>&1 &"]);
    for service in FORKED {
        assert!(is_forked(&pulp, service), "{service}");
    }
    assert!(!pulp.logs().contains(ALONE), "{}", pulp.logs());
    // What imports has no thread that a fork would lose.
    let threads = pulp.ok(&["ls", &format!("/proc/{}/task", pulp.pid("pulp-imports"))]);
    assert_eq!(threads.lines().count(), 1);
    until("metrics of the API and the content app", PATIENCE, || {
        pulp.get("/pulp/content/");
        assert!(is_well(&pulp));
        let seen = pulp.exec(&["cat", "/tmp/metrics"]).out;
        seen.contains("pulp-api") && seen.contains("pulp-content")
    });
}

#[test]
fn where_an_import_leaves_a_thread_nothing_is_forked_and_all_is_well() {
    let _turn = turn();
    let thread = "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n";
    let folders = Folders::new(thread);
    let pulp = folders.boot("unsafe").ready();
    assert!(is_well(&pulp), "{}", pulp.ok(&["svctl", "list"]));
    assert!(pulp.ok(&["svctl", "logs", "-n", "100", "pulp-api"]).contains("threads running"));
    assert_eq!(pulp.services()["pulp-imports"]["restarts"], 0);
}

/// A task that does nothing, queued by a process that ends.
const QUEUE: &str = "
from django_guid import set_guid
from pulpcore.tasking.tasks import dispatch
set_guid('queued')
dispatch('pulpcore.app.tasks.test.dummy_task')
";

#[test]
fn task_that_was_queued_while_no_worker_ran_begins_with_the_first_one() {
    let _turn = turn();
    if !only_pulp() {
        return;
    }
    let pulp = Boot::new("queued").env("PULP_DEFAULT_ADMIN_PASSWORD", "secret").ready();
    let api = Api::admin(&pulp, "secret");
    pulp.ok(&["svctl", "stop", "pulp-worker"]);
    pulp.ok(&["pulpcore-manager", "shell", "--no-imports", "-c", QUEUE]);
    pulp.ok(&["svctl", "start", "pulp-worker"]);
    until("the task", PROMPTLY, || {
        let path = "/pulp/api/v3/tasks/?name=pulpcore.app.tasks.test.dummy_task&fields=state";
        api.get(path).expect(200).json()["results"][0]["state"] == "completed"
    });
}

#[test]
fn variable_turns_it_off_and_a_service_with_variables_of_its_own_is_not_forked() {
    let _turn = turn();
    let dir = tempfile::tempdir().unwrap();
    let drop_ins = dir.path().join("services.d");
    fs::create_dir_all(drop_ins.join("pulp-content.d")).unwrap();
    fs::write(drop_ins.join("pulp-content.d/mine.toml"), "[env]\nset = { MY_OWN = \"1\" }\n").unwrap();
    let from = drop_ins.display().to_string();
    let pulp = Boot::new("own").mount(&from, "/etc/pulp/services.d").ready();
    assert!(is_forked(&pulp, "pulp-api"));
    assert!(!is_forked(&pulp, "pulp-content"));
    let said = pulp.ok(&["svctl", "logs", "-n", "100", "pulp-content"]);
    assert!(said.contains("it imports Pulp by itself: its variables are others: MY_OWN"), "{said}");
    drop(pulp);

    let pulp = Boot::new("plain").env("PULP_SHARED_IMPORTS", "false").ready();
    assert_eq!(pulp.services()["pulp-imports"]["state"], "skipped");
    assert!(!pulp.logs().contains(ALONE), "{}", pulp.logs());
    assert!(is_well(&pulp));
}
