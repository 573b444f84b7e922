//! `init` where little is given: not PID 1, not root, nothing to write to, no /proc.

use std::os::unix::fs::PermissionsExt;

use init_core::status::Phase::Up;
use nix::sys::signal::Signal;

use crate::harness::{Running, Said, Setup, init, svctl};

/// `svctl` inside, where it must find the socket by itself.
fn inside(running: &Running, args: &[&str]) -> Said {
    let mut words = vec![svctl()];
    words.extend(args);
    running.inside(&words)
}

/// A script that leaves behind a process in a session of its own, and ends when that has begun.
fn stray_waiting_for(gate: &str) -> String {
    let stray = format!("touch {gate}.stray; PUPPET wait-file {gate}; exit 3");
    format!("setsid sh -c '{stray}' > /dev/null 2>&1 & PUPPET wait-file {gate}.stray")
}

/// Boots on what `before` leaves, and returns what `svctl` there says of the services.
fn boots(before: &str) -> (Running, String) {
    let running = Setup::new()
        .without_runtime_dir()
        .longrun("web", "say hello sleep-forever", "")
        .before(before)
        .start();
    running.line("hello");
    running.line("ready in");
    let said = inside(&running, &["list"]);
    assert_eq!(said.code, 0, "{said:?}\n{}", running.text());
    assert!(said.out.contains("web"), "{said:?}");
    (running, said.out)
}

const READ_ONLY_ROOT: &str = "mount -o remount,bind,ro / || exit 99";

#[test]
fn read_only_root_with_a_writable_run() {
    if !needs::root() {
        return;
    }
    let (running, _) = boots(&format!("mount -t tmpfs none /run; {READ_ONLY_ROOT}"));
    assert!(running.inside(&["test", "-S", "/run/pulp-init/control"]).code == 0);
    assert_eq!(running.stop().0, 0);
}

#[test]
fn read_only_root_and_run_with_a_writable_dev_shm() {
    if !needs::root() {
        return;
    }
    let (running, _) =
        boots(&format!("mount -t tmpfs -o ro none /run; mount -t tmpfs none /dev/shm; {READ_ONLY_ROOT}"));
    assert!(running.inside(&["test", "-S", "/dev/shm/pulp-init-0/control"]).code == 0);
    assert!(running.text().contains("/run/pulp-init"), "it says why not there: {}", running.text());
    assert_eq!(running.stop().0, 0);
}

#[test]
fn run_that_allows_no_programs() {
    if !needs::root() {
        return;
    }
    let (running, _) = boots("mount -t tmpfs -o noexec,nosuid,nodev none /run");
    assert_eq!(running.stop().0, 0);
}

#[test]
fn full_run_leads_to_another_place_and_is_said() {
    if !needs::root() {
        return;
    }
    // No inode left for a socket.
    let (running, _) = boots(
        "mount -t tmpfs -o size=4k,nr_inodes=2 none /run; touch /run/full; mount -t tmpfs none /dev/shm",
    );
    assert!(running.line("/run/pulp-init").contains("[I0403]"), "{}", running.text());
    assert_eq!(running.stop().0, 0);
}

#[test]
fn nowhere_to_write_at_all_costs_svctl_and_nothing_else() {
    if !needs::root() {
        return;
    }
    let nowhere = "for d in /run /dev/shm /tmp; do mkdir -p $d; done; mount --bind / /mnt && mount --bind \"$PLACE\" /mnt/mnt;
        for d in /run /dev/shm; do mount -t tmpfs -o ro none $d; done; mount -o remount,bind,ro /";
    let setup = Setup::new();
    let place = setup.dir.path().display().to_string();
    let running = setup
        .without_runtime_dir()
        .env("PLACE", &place)
        .longrun("web", "on TERM say goodbye on TERM exit 0 say hello sleep-forever", "")
        .longrun("notify", "say never-runs sleep-forever", "[ready]\nnotify = true")
        .before(nowhere)
        .start();
    running.line("hello");
    running.line("svctl will not work");
    running.line("notify FAILED");
    running.signal(Signal::SIGTERM);
    let (code, text) = running.exit();
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("goodbye"), "{text}");
}

#[test]
fn without_proc_everything_runs_and_stops() {
    if !needs::root() {
        return;
    }
    let running = Setup::new()
        .longrun("web", "fork say hello sleep-forever", "")
        .longrun("notify", "notify READY=1 sleep-forever", "[ready]\nnotify = true")
        .oneshot("orphans", "orphan 50", "")
        .before("umount -l /proc || exit 99")
        .start();
    running.line("hello");
    running.line("ready in");
    assert_eq!(running.stop().0, 0);
}

#[test]
fn without_dev_null_services_run() {
    if !needs::root() {
        return;
    }
    let running =
        Setup::new().longrun("web", "say hello sleep-forever", "").before("mount -t tmpfs none /dev").start();
    running.line("hello");
    assert_eq!(running.stop().0, 0);
}

#[test]
fn as_an_ordinary_user_everything_works_but_other_users() {
    if !needs::root() {
        return;
    }
    let running = Setup::new()
        .uid(1000)
        .longrun("web", "print-ids ready-fd 3 sleep-forever", "[ready]\nfd = 3")
        .longrun("notify", "notify READY=1 sleep-forever", "[ready]\nnotify = true")
        .longrun("same", "print-ids sleep-forever", "user = \"1000\"")
        .longrun("other", "sleep-forever", "user = \"1001\"\nrestart = \"never\"")
        .oneshot("orphans", "orphan 50", "")
        .start();
    running.booted();
    for line in running.lines("uid=", 2) {
        assert!(line.contains("uid=1000 gid=1000"), "{line}");
    }
    assert!(running.note("other").contains("no right to change users"), "{}", running.note("other"));
    assert_eq!((running.phase("notify"), running.phase("same")), (Up, Up));
    running.until("only three are left", || running.processes().len() == 3);
    assert_eq!(running.stop().0, 0);
}

#[test]
fn ordinary_user_without_a_runtime_directory_gets_one_of_its_own() {
    if !needs::root() {
        return;
    }
    let running = Setup::new()
        .uid(1000)
        .without_runtime_dir()
        .longrun("web", "say hello sleep-forever", "")
        .before("mount -t tmpfs -o mode=1777 none /dev/shm; mount -t tmpfs -o mode=755 none /run")
        .start();
    running.line("ready in");
    let user = ["setpriv", "--reuid", "1000", "--regid", "1000", "--clear-groups"];
    let words: Vec<&str> = user.iter().copied().chain([svctl(), "restart", "web"]).collect();
    let said = running.inside(&words);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(!running.text().contains("cannot use"), "that /run is not for it is no news: {}", running.text());
    assert_eq!(running.stop().0, 0);
}

#[test]
fn not_as_pid_1_orphans_are_adopted_and_reaped() {
    let setup = Setup::new();
    let gate = setup.path("gate");
    let script = stray_waiting_for(&gate);
    let running = setup
        .not_pid1()
        .shell("leaver", "oneshot", &script, "")
        .oneshot("orphans", "orphan 200", "")
        .longrun("web", "sleep-forever", "")
        .start();
    running.booted();
    running.until("the orphan is adopted", || running.processes().iter().any(|process| process.name == "sh"));
    std::fs::write(running.setup.work("gate"), "").unwrap();
    running.until("nothing but the service is left", || running.processes().len() == 1);
    assert_eq!(running.stop().0, 0);
}

#[test]
fn not_as_pid_1_strays_are_ended_and_processes_of_others_are_not() {
    let setup = Setup::new();
    let (foreign, stray) = (setup.path("foreign"), setup.path("stray"));
    let puppet = crate::harness::puppet();
    let before = format!(
        "{} on TERM touch {foreign}.term sleep 60000 < /dev/null > /dev/null 2>&1 & echo $! > {foreign}",
        puppet.display()
    );
    let script = format!(
        "setsid PUPPET on TERM touch {stray} on TERM exit 0 sleep-forever > /dev/null 2>&1 & exec PUPPET say runs sleep-forever"
    );
    let running = setup
        .unhurried()
        .not_pid1()
        .before(&format!("{before}\ntrap 'kill -0 $(cat {foreign}) && echo foreign-lives' EXIT"))
        .shell("web", "longrun", &script, "")
        .start();
    running.line("runs");
    running.until("the stray handles its signal", || {
        running.processes().iter().any(|process| {
            process.proc("cmdline").contains(&stray)
                && u64::from_str_radix(&process.status("SigCgt"), 16).unwrap() & (1 << 14) != 0
        })
    });
    running.signal(Signal::SIGTERM);
    running.line("foreign-lives");
    assert!(running.setup.work("stray").exists(), "a stray is asked to end first");
    assert!(!running.setup.work("foreign.term").exists());
    assert_eq!(running.exit().0, 0);
}

#[test]
fn strays_that_do_not_listen_are_killed_at_the_end() {
    let running = Setup::new()
        .unhurried()
        .shell(
            "web",
            "longrun",
            "setsid PUPPET on TERM ignore say stray-runs sleep-forever & exec PUPPET sleep-forever",
            "",
        )
        .start();
    running.line("stray-runs");
    let (code, text) = running.stop();
    assert_eq!(code, 0, "{text}");
}

#[test]
fn shell_command_line_of_one_file_and_no_settings_is_enough() {
    // Nothing is configured: an image with a directory and a binary.
    if !needs::root() {
        return;
    }
    let setup = Setup::new();
    let place = setup.dir.path().display().to_string();
    let running = setup
        .without_runtime_dir()
        .without_services_dir()
        .longrun("web", "say hello sleep-forever", "")
        .before(&format!("mount -t tmpfs none /run; mount -t tmpfs none /etc; mkdir /etc/services.d; cp {place}/services.d/* /etc/services.d"))
        .start();
    running.line("hello");
    running.line("ready in");
    let said = inside(&running, &["status", "web"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(running.stop().0, 0);
}

#[test]
fn default_directory_may_be_missing() {
    if !needs::root() {
        return;
    }
    let (code, text) = Setup::new()
        .without_services_dir()
        .before("mount -t tmpfs none /etc")
        .command("say hello exit 3")
        .start()
        .exit();
    assert_eq!(code, 3, "{text}");
}

#[test]
fn programs_work_through_links() {
    let setup = Setup::new();
    let (as_init, as_svctl) = (setup.work("init"), setup.work("svctl"));
    std::os::unix::fs::symlink(init(), &as_init).unwrap();
    std::os::unix::fs::symlink(svctl(), &as_svctl).unwrap();
    let run = |program: &std::path::Path, args: &[&str]| -> Said {
        std::process::Command::new(program).args(args).output().unwrap().into()
    };
    assert_eq!(run(&as_init, &["check", &setup.services().display().to_string()]).code, 0);
    let said = run(&as_svctl, &["--help"]);
    assert!(said.code == 0 && said.out.contains("shutdown"), "{said:?}");
    std::fs::set_permissions(setup.services(), std::fs::Permissions::from_mode(0o755)).unwrap();
    assert!(run(&as_init, &["--version"]).out.contains(env!("CARGO_PKG_VERSION")));
}
