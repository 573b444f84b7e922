//! What only a container can show. With the feature `containers`, all other tests run in containers, too.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use crate::harness::{Said, Setup, init, podman, svctl};

fn name(running: &crate::harness::Running) -> String {
    format!("pulp-init-test-{}", running.setup.dir.path().file_name().unwrap().to_string_lossy())
}

fn run(args: &[&str]) -> Said {
    podman().args(args).output().unwrap().into()
}

#[test]
fn podman_stop_is_prompt_and_clean() {
    let running = Setup::new().longrun("web", "sleep-forever", "").start();
    running.booted();
    let said = run(&["stop", &name(&running)]);
    assert_eq!(said.code, 0, "{said:?}");
    // 137 would be the KILL that podman sends after ten seconds.
    assert_eq!(running.exit().0, 0);
}

#[test]
fn podman_stop_does_not_have_to_kill_stubborn_services() {
    let running = Setup::new()
        .longrun("web", "on TERM ignore say runs sleep-forever", "[stop]\ntimeout = \"1h\"")
        .start();
    running.line("runs");
    run(&["stop", &name(&running)]);
    let (code, text) = running.exit();
    // 137 would be the runtime's KILL.
    assert_eq!(code, 0, "{text}");
}

#[test]
fn svctl_in_the_container_finds_init() {
    let running = Setup::new()
        .without_runtime_dir()
        .podman(&["--tmpfs", "/run"])
        .longrun("web", "sleep-forever", "")
        .start();
    running.line("ready in");
    let said = run(&["exec", &name(&running), svctl(), "restart", "web"]);
    assert_eq!(said.code, 0, "{said:?}");
    let said = run(&["exec", "--user", "1000", &name(&running), svctl(), "stop", "web"]);
    assert_eq!(said.code, 5, "{said:?}");
    run(&["stop", &name(&running)]);
    assert_eq!(running.exit().0, 0);
}

#[test]
fn read_only_container_without_capabilities_as_another_user() {
    let options = [
        "--read-only",
        "--read-only-tmpfs=false",
        "--cap-drop=all",
        "--user=1000",
        "--security-opt=no-new-privileges",
    ];
    let running = Setup::new()
        .without_runtime_dir()
        .podman(&options)
        .longrun("web", "say hello sleep-forever", "")
        .oneshot("orphans", "orphan 50", "")
        .start();
    running.line("ready in");
    let said = run(&["exec", &name(&running), svctl(), "list"]);
    assert_eq!(said.code, 0, "{said:?}\n{}", running.text());
    run(&["stop", &name(&running)]);
    assert_eq!(running.exit().0, 0);
}

#[test]
fn limit_on_processes_of_a_container() {
    let running = Setup::new()
        .podman(&["--pids-limit=3"])
        .longrun("a", "sleep-forever", "")
        .longrun("b", "sleep-forever", "requires = [\"a\"]")
        .longrun("c", "sleep-forever", "requires = [\"b\"]")
        .start();
    assert!(running.line("limit on processes").contains("--pids-limit"));
    assert_eq!(running.stop().0, 0);
}

#[test]
fn healthcheck_by_svctl() {
    let command = format!("{} health", svctl());
    let running = Setup::new()
        .podman(&["--health-cmd", &command, "--health-interval=disable"])
        .longrun("web", "sleep-forever", "[health]\ninterval = \"20ms\"\nfailures = 1\naction = \"none\"\nexec = [\"test\", \"!\", \"-e\", \"/tmp/bad\"]")
        .start();
    running.booted();
    assert_eq!(run(&["healthcheck", "run", &name(&running)]).code, 0);
    run(&["exec", &name(&running), "touch", "/tmp/bad"]);
    running.until("the check fails", || run(&["healthcheck", "run", &name(&running)]).code == 1);
    assert_eq!(running.stop().0, 0);
}

#[test]
fn below_another_init() {
    let helper = run(&["info", "--format", "{{.Host.OCIRuntime.Path}}"]);
    assert_eq!(helper.code, 0);
    if !["/usr/libexec/podman/catatonit", "/usr/bin/catatonit"]
        .iter()
        .any(|path| std::path::Path::new(path).exists())
    {
        return needs::skip("catatonit", "needs catatonit for podman run --init");
    }
    let running = Setup::new()
        .podman(&["--init"])
        .longrun("web", "sleep-forever", "")
        .oneshot("orphans", "orphan 50", "")
        .start();
    running.booted();
    let (code, text) = running.stop();
    assert_eq!(code, 0, "{text}");
}

#[test]
fn container_manager_that_waits_for_readiness_gets_it() {
    let setup = Setup::new();
    let path = setup.work("manager");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let gate = setup.path("gate");
    let setup =
        setup.longrun("web", &format!("wait-file {gate} ready-fd 3 sleep-forever"), "[ready]\nfd = 3");
    let dir = setup.dir.path().display().to_string();
    let container = format!("pulp-init-test-{}", setup.dir.path().file_name().unwrap().to_string_lossy());
    let image =
        std::env::var("PULP_INIT_TEST_IMAGE").unwrap_or_else(|_| "localhost/pulp-init-base".to_owned());
    let puppet = crate::harness::puppet().display().to_string();
    let mut manager = podman();
    manager.env("NOTIFY_SOCKET", &path);
    manager.args(["run", "--rm", "--name", &container, "--sdnotify=container", "--network=none"]);
    for place in [dir.as_str(), init(), svctl(), &puppet] {
        manager.args(["-v", &format!("{place}:{place}")]);
    }
    manager.args(["--entrypoint", init(), &image, "--services", &format!("{dir}/services.d")]);
    let mut child = manager.spawn().unwrap();
    std::fs::write(setup.work("gate"), "").unwrap();
    let mut said = String::new();
    while !said.contains("READY=1") {
        let mut bytes = [0; 4096];
        let count = socket.recv(&mut bytes).expect("a notification");
        said.push_str(&String::from_utf8_lossy(&bytes[..count]));
        said.push('\n');
    }
    assert_eq!(run(&["stop", &container]).code, 0);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
