//! What each name of s6 is translated to.

use nix::unistd::Gid;

use super::users::{in_files, numbers};
use super::*;
use init_core::status::Wellness;
use init_plan::Kind;

fn split(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

/// As a call of `svctl`, or why not.
fn rc_of(line: &str) -> String {
    match parse_rc(&split(line)) {
        Ok(Rc::List { up, names }) => format!("{} {names:?}", if up { "up" } else { "down" }),
        Ok(Rc::Svctl(words)) => words.join(" "),
        Err(why) => format!("refused: {why}"),
    }
}

fn svc_of(line: &str) -> String {
    match parse_svc(&split(line)) {
        Ok(calls) => calls.iter().map(|call| call.join(" ")).collect::<Vec<_>>().join("; "),
        Err(why) => format!("refused: {why}"),
    }
}

#[test]
fn s6_rc_is_translated() {
    for (line, meaning) in [
        ("-a list", "up []"),
        ("-da list", "down []"),
        ("-d -a list", "down []"),
        ("list", "up []"),
        ("list pulpcore-api", "up [\"pulp-api\"]"),
        ("change nginx", "start nginx"),
        ("-u change pulpcore-content nginx", "start pulp-content nginx"),
        ("-d change pulpcore-worker@2", "stop pulp-worker@2"),
        ("-v2 -l /run/s6-rc -t 5000 -d change nginx", "stop --timeout=5000ms nginx"),
        ("-t0 change nginx", "start nginx"),
    ] {
        assert_eq!(rc_of(line), meaning, "{line}");
    }
}

#[test]
fn s6_rc_refuses_what_means_nothing_here() {
    for line in ["", "-a", "diff", "change", "-da change", "-x list", "-t"] {
        assert!(rc_of(line).starts_with("refused"), "{line}: {}", rc_of(line));
    }
}

#[test]
fn s6_svc_is_translated() {
    for (line, meaning) in [
        ("-r /run/service/nginx", "restart --no-wait nginx"),
        ("-u /run/service/pulpcore-api/", "start --no-wait pulp-api"),
        ("-d pulpcore-worker@1", "stop --no-wait pulp-worker@1"),
        ("-o redis", "start --no-wait redis"),
        ("-t redis", "signal TERM redis"),
        ("-h redis", "signal HUP redis"),
        ("-1 redis", "signal USR1 redis"),
        ("-2 redis", "signal USR2 redis"),
        ("-k redis", "signal KILL redis"),
        ("-td redis", "signal TERM redis; stop --no-wait redis"),
        ("-wD -d redis", "stop redis"),
        ("-wu -T 5000 -u redis", "start --timeout=5000ms redis"),
        ("-wu -T 5000 -t redis", "signal TERM redis"),
        ("redis", ""),
    ] {
        assert_eq!(svc_of(line), meaning, "{line}");
    }
    assert!(svc_of("-u").starts_with("refused"));
    assert!(svc_of("-u a b").starts_with("refused"));
    assert!(svc_of("-z a").starts_with("refused"));
}

#[test]
fn every_translation_is_one_that_svctl_understands() {
    let mut calls: Vec<Vec<String>> = vec![split("start --timeout=5000ms x"), split("stop x")];
    for (letter, _) in LETTERS {
        calls.extend(parse_svc(&split(&format!("-{letter} x"))).unwrap());
    }
    for call in calls {
        let words: Vec<OsString> = call.iter().map(OsString::from).collect();
        assert!(commands::args::parse(&words).is_ok(), "{call:?}");
    }
}

fn status(state: Phase, pid: Option<i32>, last_exit: Option<Exit>, wanted: bool) -> ServiceStatus {
    ServiceStatus {
        name: format!("a-{}", state.as_str()),
        description: None,
        kind: Kind::Longrun,
        state,
        wanted,
        essential: false,
        for_ms: 45_900,
        pid,
        restarts: 0,
        health: Wellness::Unknown,
        note: None,
        last_exit,
        ready_after_ms: None,
        changed: false,
        requires: Vec::new(),
        wants: Vec::new(),
        after: Vec::new(),
        held: false,
        strays: Vec::new(),
    }
}

#[test]
fn a_state_reads_as_s6_svstat_says_it() {
    for (state, pid, exit, wanted, line) in [
        (Phase::Up, Some(7), None, true, "up (pid 7) 45 seconds, ready\n"),
        (Phase::Stopping, Some(7), None, false, "up (pid 7) 45 seconds, want down\n"),
        (Phase::Down, None, Some(Exit::Code(0)), false, "down (exitcode 0) 45 seconds\n"),
        (Phase::Failed, None, Some(Exit::Signal(9)), true, "down (signal SIGKILL) 45 seconds, want up\n"),
    ] {
        assert_eq!(state_line(&status(state, pid, exit, wanted)), line);
    }
}

#[test]
fn what_is_done_counts_as_up() {
    let services = [Phase::Up, Phase::Done, Phase::Failed, Phase::Down].map(|s| status(s, None, None, true));
    assert_eq!(listed(&services, true), "a-up\na-done\n");
    assert_eq!(listed(&services, false), "a-failed\na-down\n");
}

#[test]
fn s6_echo_echoes() {
    assert_eq!(echoed(&split("a b")).unwrap(), "a b\n");
    assert_eq!(echoed(&split("-n -s , -- -a b")).unwrap(), "-a,b");
    assert!(echoed(&split("-x")).is_err());
}

#[test]
fn s6_setuidgid_takes_the_users_groups_from_the_files_its_own_first() {
    let passwd = b"root:x:0:0:root:/root:/bin/sh\nbroken\npulp:x:700:701::/:/bin/sh\n";
    let group = b"pulp:x:701:pulp\nssl:x:110:db,pulp\nother:x:5:db\n";
    let (uid, gid, groups) = in_files("pulp", passwd, group).unwrap();
    let groups: Vec<u32> = groups.into_iter().map(Gid::as_raw).collect();
    assert_eq!((uid.as_raw(), gid.as_raw(), groups), (700, 701, vec![701, 110]));
    assert_eq!(in_files("broken", passwd, group), None);
}

#[test]
fn s6_setuidgid_takes_numbers_but_not_the_one_that_means_no_change() {
    let pair = |text: &str| numbers(text).map(|(uid, gid)| (uid.as_raw(), gid.as_raw()));
    assert_eq!(pair("700:26"), Some((700, 26)));
    for wrong in ["700", "pulp:26", "4294967295:26", "700:4294967295", "+7:1"] {
        assert_eq!(pair(wrong), None, "{wrong}");
    }
}
