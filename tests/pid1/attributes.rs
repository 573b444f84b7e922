//! Whose a service's process is, and what it may do, as the kernel sees it.

use init_core::status::Phase::{Failed, Up};

use crate::harness::Setup;

#[test]
fn process_is_of_the_user_and_groups_given_and_of_no_other() {
    if !needs::root() {
        return;
    }
    let running = Setup::new()
        .oneshot("root", "print-ids", "")
        .oneshot("name", "print-ids", "user = \"nobody\"")
        .oneshot("number", "print-ids", "user = \"4321\"")
        .oneshot("group", "print-ids", "user = \"4321\"\ngroup = \"1234\"")
        .oneshot("groups", "print-ids", "user = \"4321\"\ngroup = \"1234\"\ngroups = [\"7\", \"8\"]")
        .oneshot("none", "print-ids", "user = \"nobody\"\ngroups = []")
        .start();
    running.booted();
    let said = |name: &str| running.ok(&["logs", name]).trim().to_owned();
    assert!(said("root").starts_with("uid=0 gid=0"), "{}", said("root"));
    assert!(said("name").starts_with("uid=65534 gid=65534"), "{}", said("name"));
    assert!(said("number").starts_with("uid=4321 gid="), "{}", said("number"));
    assert!(said("group").starts_with("uid=4321 gid=1234"), "{}", said("group"));
    assert!(said("groups").starts_with("uid=4321 gid=1234"), "{}", said("groups"));
    assert!(
        said("groups").ends_with("groups=7,8") || said("groups").ends_with("groups=7,8,1234"),
        "{}",
        said("groups")
    );
    // Root's own groups stay with nobody else.
    for name in ["name", "number", "group", "none"] {
        let groups = said(name).split_once("groups=").unwrap().1.to_owned();
        assert!(!groups.split(',').any(|group| group == "0"), "{name}: {groups}");
    }
}

#[test]
fn unknown_user_fails_the_service_and_is_named() {
    let running = Setup::new()
        .longrun("web", "sleep-forever", "user = \"no-such-user\"")
        .longrun("db", "sleep-forever", "group = \"no-such-group\"")
        .start();
    running.booted();
    assert_eq!((running.phase("web"), running.phase("db")), (Failed, Failed));
    assert!(running.note("web").contains("no-such-user"), "{}", running.note("web"));
    assert!(running.note("db").contains("no-such-group"), "{}", running.note("db"));
}

#[test]
fn service_of_another_user_may_say_that_it_is_ready_and_write_to_its_log() {
    if !needs::root() {
        return;
    }
    let user = "user = \"nobody\"\n";
    let running = Setup::new()
        .longrun("fd", "ready-fd 3 say fd-says sleep-forever", &format!("{user}[ready]\nfd = 3"))
        .longrun(
            "notify",
            "notify READY=1 err notify-says sleep-forever",
            &format!("{user}[ready]\nnotify = true"),
        )
        // As a program does that opens its log by name.
        .shell("open", "longrun", "echo open-says > /dev/stderr; exec PUPPET sleep-forever", user)
        .start();
    running.booted();
    assert_eq!((running.phase("fd"), running.phase("notify")), (Up, Up));
    for line in ["fd-says", "notify-says", "open-says"] {
        running.line(line);
    }
    running.ok(&["stop", "fd", "notify", "open"]);
    assert_eq!(running.processes(), []);
}

#[test]
fn limits_umask_nice_and_oom_score_are_as_given() {
    let running = Setup::new()
        .oneshot("web", "print-limits", "[limits]\nnofile = { soft = 64, hard = 128 }\ncore = 0")
        .oneshot("self", "print-self", "umask = \"027\"\nnice = 5\noom-score-adj = 321\ncwd = \"/usr\"")
        .oneshot("plain", "print-self", "")
        .start();
    let limits = running.line("nofile=");
    assert!(limits.contains("nofile=64:128") && limits.contains("core=0:0"), "{limits}");
    let own = running.line("oom=321");
    for wanted in ["nice=5", "umask=0027", "cwd=/usr"] {
        assert!(own.contains(wanted), "{wanted} in {own}");
    }
    running.booted();
    let plain = running.ok(&["logs", "plain"]);
    assert!(plain.contains("nice=0") && plain.contains("oom=0") && plain.contains("cwd=/\n"), "{plain}");
}

#[test]
fn limit_on_open_files_of_the_container_reaches_services_unraised() {
    let running =
        Setup::new().before("ulimit -Sn 100; ulimit -Hn 200").oneshot("web", "print-limits", "").start();
    let limits = running.line("nofile=");
    assert!(limits.contains("nofile=100:200"), "{limits}");
}

#[test]
fn capabilities_and_new_privileges_can_be_taken_away() {
    if !needs::root() {
        return;
    }
    let print = "print-status CapEff print-status CapBnd print-status CapInh print-status NoNewPrivs";
    let running = Setup::new()
        .oneshot(
            "less",
            print,
            "drop-capabilities = [\"net_raw\", \"CAP_SYS_CHROOT\"]\nno-new-privileges = true",
        )
        .oneshot("all", print, "drop-capabilities = [\"all\"]")
        .oneshot("plain", print, "")
        .start();
    running.booted();
    let of = |name: &str, field: &str| {
        let text = running.ok(&["logs", name]);
        let value =
            text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix('=')).unwrap().to_owned();
        u64::from_str_radix(&value, 16).unwrap()
    };
    let gone: u64 = 1 << 13 | 1 << 18;
    for field in ["CapEff", "CapBnd"] {
        assert_eq!(of("less", field), of("plain", field) & !gone, "{field}");
        assert_eq!(of("all", field), 0, "{field}");
    }
    assert_eq!((of("less", "NoNewPrivs"), of("plain", "NoNewPrivs")), (1, 0));
}

#[test]
fn process_leads_a_session_without_input_and_has_nothing_else_open() {
    let running = Setup::new()
        .shell(
            "web",
            "oneshot",
            "PUPPET print-fds; PUPPET print-self; readlink /proc/self/fd/0; read line || echo no-input",
            "",
        )
        .oneshot("self", "print-self", "")
        .start();
    running.line("fds=0,1,2");
    running.line("/dev/null");
    running.line("no-input");
    let own = running.ok(&["logs", "self"]);
    let field =
        |name: &str| own.split_whitespace().find_map(|word| word.strip_prefix(name)).unwrap().to_owned();
    assert_eq!(field("pid="), field("sid="), "{own}");
    assert_eq!(field("pid="), field("pgid="), "{own}");
}

#[test]
fn limits_of_a_cgroup_that_cannot_be_had_are_said_and_do_not_stop_the_service() {
    let running =
        Setup::new().longrun("web", "sleep-forever", "[cgroup]\nmemory = \"64M\"\npids = 100").start();
    running.booted();
    assert_eq!(running.phase("web"), Up);
    if running.main("web").proc("cgroup").lines().any(|line| line.starts_with("0::") && line.contains("web"))
    {
        return;
    }
    running.line("cgroup");
}
