//! A power cut on a system at work: everything is killed at once while clients upload and a sync runs.
//!
//! `PULP_INIT_POWERCUTS` says how many there are in a row (1).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{
    Answer, Api, Boot, Folders, PASSWORD, PROMPTLY, Pulp, curl, number, podman_ok, turn, until,
};

const ARTIFACTS: &str = "/pulp/api/v3/artifacts/";
const FILES: &str = "/pulp/api/v3/content/file/files/";
const UNDONE: &str = "select count(*) from core_task where state in ('waiting', 'running', 'canceling')";
/// A repository of 300 files that Pulp does not have yet. One a second is downloaded.
const SERVER: &str = r"
import hashlib, http.server, os
os.mkdir('/tmp/files'); os.chdir('/tmp/files')
with open('PULP_MANIFEST', 'w') as manifest:
    for number in range(300):
        data = b'source %d' % number
        open(str(number), 'wb').write(data)
        manifest.write(f'{number},{hashlib.sha256(data).hexdigest()},{len(data)}\n')
http.server.ThreadingHTTPServer(('0.0.0.0', 8000), http.server.SimpleHTTPRequestHandler).serve_forever()
";

/// What Pulp has taken: the digest of an artifact (201), or the task of an upload (202) and the digest.
#[derive(Default)]
struct Accepted {
    artifacts: Vec<String>,
    tasks: BTreeMap<String, String>,
}

/// Uploads until it is told to end or nobody answers.
fn client(url: &str, number: usize, round: u64, end: &AtomicBool) -> Accepted {
    let mut accepted = Accepted::default();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("upload");
    let (user, form) = (format!("admin:{PASSWORD}"), format!("file=@{}", path.display()));
    for count in 0.. {
        let bytes = format!("{round} {number} {count}\n").repeat(1000);
        std::fs::write(&path, &bytes).unwrap();
        let digest = sha256(bytes.as_bytes());
        let name = format!("relative_path={digest}");
        let synchronous = count % 2 == 0;
        let answer = if synchronous {
            curl(&["--user", &user, "--form", &form, &format!("{url}{ARTIFACTS}")])
        } else {
            curl(&["--user", &user, "--form", &form, "--form", &name, &format!("{url}{FILES}")])
        };
        match answer.status {
            201 => accepted.artifacts.push(digest),
            202 => drop(accepted.tasks.insert(task_of(&answer), digest)),
            _ => {}
        }
        if end.load(Ordering::Relaxed) {
            break;
        }
    }
    accepted
}

fn task_of(answer: &Answer) -> String {
    answer.json()["task"].as_str().unwrap().to_owned()
}

fn sha256(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A slow remote; the path of a sync of it, and what to post there.
fn something_to_sync(api: &Api, server: &Pulp) -> (String, Value) {
    let url = format!("http://{}:8000/PULP_MANIFEST", server.inspect("{{.NetworkSettings.IPAddress}}"));
    let remote = json!({ "name": "source", "url": url, "rate_limit": 1 });
    let remote = api.post("/pulp/api/v3/remotes/file/file/", &remote);
    let copy = api.post("/pulp/api/v3/repositories/file/file/", &json!({ "name": "copy" }));
    (format!("{}sync/", copy["pulp_href"].as_str().unwrap()), json!({ "remote": remote["pulp_href"] }))
}

/// Works until something is uploaded and the sync runs, then cuts the power. What was accepted, and the sync's task.
fn cut(pulp: &Pulp, api: &Api, sync: &(String, Value), round: u64) -> (Accepted, String) {
    let end = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let url = pulp.url("");
        let clients: Vec<_> = (0..2)
            .map(|number| {
                let (url, end) = (url.clone(), &end);
                scope.spawn(move || client(&url, number, round, end))
            })
            .collect();
        let task = api.start(&sync.0, &sync.1);
        until("the sync runs", PROMPTLY, || api.get(&task).expect(200).json()["state"] == "running");
        // Not a wait for anything: some work before the cut, more each time.
        std::thread::sleep(Duration::from_millis(3000 + 700 * round));
        podman_ok(&["kill", "--signal", "KILL", &pulp.name]);
        end.store(true, Ordering::Relaxed);
        let mut all = Accepted::default();
        for client in clients {
            let one = client.join().unwrap();
            all.artifacts.extend(one.artifacts);
            all.tasks.extend(one.tasks);
        }
        (all, task)
    })
}

#[test]
fn a_power_cut_loses_no_accepted_upload_and_leaves_no_task_undone() {
    let _turn = turn();
    let folders = Folders::new("");
    let boot = |what: &str| folders.boot(what).env("PULP_DEFAULT_ADMIN_PASSWORD", PASSWORD).ready();
    let mut pulp = boot("powercut");
    let server = Boot::new("server").unpublished().instead(&["python3", "-c", SERVER]).start();
    let sync = something_to_sync(&Api::admin(&pulp, PASSWORD), &server);
    for round in 0..number("PULP_INIT_POWERCUTS", 1) {
        let (accepted, task) = cut(&pulp, &Api::admin(&pulp, PASSWORD), &sync, round);
        drop(pulp);
        assert!(accepted.artifacts.len() > 1 && accepted.tasks.len() > 1, "there was no load");
        pulp = boot("after");
        let begin = Instant::now();
        let took = until("each task has ended", PROMPTLY, || pulp.sql(UNDONE) == "0");
        eprintln!(
            "round {round}: {} artifacts and {} tasks accepted before the cut; {:.1} s after the boot ({:?}) no task was undone",
            accepted.artifacts.len(),
            accepted.tasks.len(),
            took.as_secs_f64(),
            begin.elapsed()
        );
        let api = Api::admin(&pulp, PASSWORD);
        look(&pulp, &api, &accepted);
        let state = api.get(&task).expect(200).json();
        assert_eq!(state["state"], "failed", "{state}");
        // Its repository is free again.
        let again = api.start(&sync.0, &json!({ "remote": sync.1["remote"], "mirror": false }));
        until("another sync runs", PROMPTLY, || api.get(&again).expect(200).json()["state"] == "running");
        api.cancel(&again);
        until("it is canceled", PROMPTLY, || pulp.sql(UNDONE) == "0");
    }
    assert_eq!(pulp.stop(), 0);
}

/// Each upload that was accepted is there: its row, and its file byte by byte.
fn look(pulp: &Pulp, api: &Api, accepted: &Accepted) {
    let rows = pulp.sql("select sha256 || ' ' || file from core_artifact");
    let rows: BTreeMap<&str, &str> = rows.lines().filter_map(|line| line.split_once(' ')).collect();
    let sums = "cd /var/lib/pulp/media && find artifact -type f -exec sha256sum {} +";
    let sums = pulp.ok(&["sh", "-c", sums]);
    let files: BTreeMap<&str, &str> =
        sums.lines().filter_map(|line| line.split_once("  ")).map(|(sum, path)| (path, sum)).collect();
    for (digest, path) in &rows {
        assert_eq!(files.get(path), Some(digest), "the file of an artifact");
    }
    for digest in &accepted.artifacts {
        assert!(rows.contains_key(digest.as_str()), "an accepted artifact is lost: {digest}");
    }
    let mut states = BTreeMap::<String, usize>::new();
    for (task, digest) in &accepted.tasks {
        let task = api.get(task).expect(200).json();
        let state = task["state"].as_str().unwrap();
        *states.entry(state.to_owned()).or_default() += 1;
        // One that ran is marked as failed; one that waited is worked on after the boot.
        assert!(["completed", "failed"].contains(&state), "{task}");
        assert!(state == "failed" || rows.contains_key(digest.as_str()), "{task}");
    }
    eprintln!("tasks of accepted uploads: {states:?}");
    assert!(
        states.get("failed").copied().unwrap_or_default() <= 2,
        "more failed than workers ran: {states:?}"
    );
}
