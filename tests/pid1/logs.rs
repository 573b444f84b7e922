//! What services write, where it goes, and that none of it is lost.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use init_core::status::Phase::{Done, Starting, Up};
use nix::sys::signal::Signal;

use crate::harness::{Running, Setup};

/// The text of a prefixed line.
fn message(line: &str) -> &str {
    line.split_once(" | ").map_or(line, |(_, text)| text)
}

/// Runs until the services are done; output goes to a file, of any bytes, which is returned.
fn output_of(setup: Setup) -> Vec<u8> {
    let path = setup.work("output");
    let running = setup.output(File::create(&path).unwrap()).command("exit 0").start();
    running.until("init is gone", || running.is_gone());
    std::fs::read(running.setup.work("output")).unwrap()
}

#[test]
fn lines_of_both_streams_carry_the_name_of_their_service() {
    let running = Setup::new()
        .oneshot("web", "say 'to output' err 'to error'", "")
        .oneshot("db", "say 'of another'", "")
        .start();
    assert!(running.line("to output").contains("web"));
    assert!(running.line("to error").contains("web"));
    assert!(running.line("of another").contains("db"));
}

#[test]
fn last_words_of_a_short_lived_process_are_kept() {
    let text = output_of(
        Setup::new()
            .oneshot("many", "spew 5000 60 say 'last of many'", "")
            .shell("bare", "oneshot", "printf 'no newline at the end'", "")
            .oneshot("dying", "say 'last of dying' kill-self KILL", "")
            .longrun("web", "on TERM say 'last of web' on TERM exit 0 say runs sleep-forever", ""),
    );
    let text = String::from_utf8(text).unwrap();
    assert_eq!(text.matches("xxxx\n").count(), 5000);
    for last in ["last of many\n", "no newline at the end\n", "last of dying\n"] {
        assert!(text.contains(last), "{last}");
    }
}

#[test]
fn what_a_service_says_while_it_stops_is_kept() {
    let running = Setup::new()
        .longrun("web", "on TERM say 'goodbye and thanks' on TERM exit 0 say runs sleep-forever", "")
        .oneshot("mount", "exit 0", &format!("down = {}", crate::harness::words("say 'unmounted it'")))
        .start();
    running.line("runs");
    running.booted();
    let (_, text) = running.stop();
    assert!(text.contains("goodbye and thanks") && text.contains("unmounted it"), "{text}");
}

#[test]
fn not_a_line_is_lost_or_mixed_up_when_many_write_at_once() {
    let mut setup = Setup::new();
    for name in ["a", "b", "c", "d"] {
        setup = setup.oneshot(name, "spew 20000 100", "");
    }
    let text = String::from_utf8(output_of(setup)).unwrap();
    for name in ["a", "b", "c", "d"] {
        let own = |line: &&str| line.split_once(" | ").is_some_and(|(prefix, _)| prefix.trim() == name);
        let lines: Vec<&str> = text.lines().filter(own).map(message).collect();
        assert_eq!(lines.len(), 20000, "{name}");
        for (number, line) in lines.iter().enumerate() {
            assert!(
                line.starts_with(&format!("{number:08} ")) && line.len() == 100,
                "{name} {number}: {line}"
            );
        }
    }
}

#[test]
fn line_written_in_pieces_is_one_line() {
    let setup = Setup::new();
    let gate = setup.path("gate");
    let running = setup
        .shell("web", "longrun", &format!("printf 'first half, '; PUPPET wait-file {gate}; echo 'second half'; exec PUPPET sleep-forever"), "")
        .oneshot("other", &format!("sleep 50 say 'in between' touch {gate}"), "")
        .start();
    running.line("in between");
    assert_eq!(message(&running.line("second half")), "first half, second half");
}

#[test]
fn huge_line_and_any_bytes_pass_through_unharmed() {
    let text = output_of(Setup::new().oneshot("huge", "spew 1 3000000 say after-it", "").shell(
        "bytes",
        "oneshot",
        "printf 'a\\377\\000\\033b\\r\\n\\n'",
        "",
    ));
    let size = text.iter().filter(|&&byte| byte == b'x').count();
    assert!(size >= 3_000_000 - 9, "{size}");
    assert!(text.windows(8).any(|bytes| bytes == b"after-it"));
    assert!(text.windows(6).any(|bytes| bytes == b"a\xff\0\x1bb\r"));
}

#[test]
fn every_way_of_logging_does_what_it_says() {
    let running = Setup::new()
        .oneshot("prefix", "say of-prefix", "log = \"prefix\"")
        .oneshot("json", "say 'of-json \"quoted\"'", "log = \"json\"")
        .oneshot("inherit", "say of-inherit", "log = \"inherit\"")
        .oneshot("ring", "say of-ring", "log = \"ring\"")
        .oneshot("none", "say of-none", "log = \"none\"")
        .start();
    running.booted();
    assert!(running.line("of-prefix").starts_with("prefix "));
    let json: serde_json::Value = serde_json::from_str(&running.line("of-json")).unwrap();
    let values: Vec<&str> = json.as_object().unwrap().values().filter_map(|value| value.as_str()).collect();
    assert!(values.contains(&"json") && values.contains(&"of-json \"quoted\""), "{json}");
    assert_eq!(running.line("of-inherit"), "of-inherit");
    let kept = running.ok(&["logs"]);
    for (name, is_kept) in
        [("prefix", true), ("json", true), ("inherit", false), ("ring", true), ("none", false)]
    {
        assert_eq!(kept.contains(&format!("of-{name}")), is_kept, "{name}: {kept}");
    }
    let (_, text) = running.stop();
    assert!(!text.contains("of-ring") && !text.contains("of-none"), "{text}");
}

#[test]
fn log_option_and_settings_decide_for_those_who_do_not() {
    let running = Setup::new()
        .settings("log = \"ring\"\n")
        .oneshot("web", "say of-web", "")
        .oneshot("db", "say of-db", "log = \"prefix\"")
        .start();
    running.line("of-db");
    running.booted();
    assert!(running.ok(&["logs", "web"]).contains("of-web"));
    assert!(!running.text().contains("of-web"));

    let running = Setup::new()
        .settings("log = \"ring\"\n")
        .oneshot("web", "say of-web", "")
        .args(&["--log", "json"])
        .start();
    assert!(running.line("of-web").starts_with('{'));
}

#[test]
fn kept_lines_are_shown_oldest_first_and_as_many_as_asked_for() {
    let running = Setup::new()
        .oneshot("web", "say one say two say three", "")
        .oneshot("db", "say four", "requires = [\"web\"]")
        .start();
    running.booted();
    assert_eq!(running.ok(&["logs", "web"]).lines().collect::<Vec<_>>(), ["one", "two", "three"]);
    assert_eq!(running.ok(&["logs", "-n", "2", "web"]).lines().collect::<Vec<_>>(), ["two", "three"]);
    let all = running.ok(&["logs"]);
    let all: Vec<&str> = all.lines().map(message).collect();
    assert_eq!(all, ["one", "two", "three", "four"]);
    let json = running.ok(&["logs", "--json", "db"]);
    assert!(json.contains("\"four\"") && json.contains("\"db\""), "{json}");
    running.fails(4, &["logs", "wbe"]);
    assert!(running.ok(&["status", "web"]).contains("three"));
}

#[test]
fn lines_of_earlier_processes_of_a_service_are_kept() {
    let setup = Setup::new();
    let count = setup.path("count");
    let running = setup
        .longrun(
            "web",
            &format!("say begins fail-times {count} 2 1 sleep-forever"),
            "[restart]\ndelay = \"1ms\"\n[ready]\nlog = 'never'",
        )
        .start();
    running.lines("begins", 3);
    assert_eq!(running.ok(&["logs", "web"]).matches("begins").count(), 3);
}

#[test]
fn ring_keeps_the_newest_lines_and_no_more_than_it_may() {
    let running = Setup::new()
        .settings("log-ring = \"8KiB\"\n")
        .oneshot("web", "spew 5000 99 say the-end", "log = \"ring\"")
        .start();
    running.booted();
    let kept = running.ok(&["logs", "web"]);
    assert!(kept.len() <= 8192 && kept.len() > 2048, "{}", kept.len());
    assert_eq!(kept.lines().last(), Some("the-end"));
    let before = kept.lines().rev().nth(1).unwrap();
    assert!(before.starts_with("00004999"), "{before}");
}

#[test]
fn follower_gets_lines_as_they_come_and_ends_with_init() {
    let setup = Setup::new();
    let (gate, gate2) = (setup.path("gate"), setup.path("gate2"));
    let running = setup
        .longrun(
            "web",
            &format!("say early wait-file {gate} say middle wait-file {gate2} say late sleep-forever"),
            "",
        )
        .start();
    running.line("early");
    let mut follower = running.svctl_command(&["logs", "-f", "web"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "early");
    std::fs::write(running.setup.work("gate"), "").unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "middle");
    std::fs::write(running.setup.work("gate2"), "").unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "late");
    assert_eq!(running.stop().0, 0);
    assert!(lines.next().is_none());
    follower.wait().unwrap();
}

#[test]
fn slow_follower_holds_up_nobody_and_is_told_what_it_missed() {
    let setup = Setup::new();
    let (gate, done) = (setup.path("gate"), setup.path("done"));
    let running = setup
        .longrun(
            "web",
            &format!("say begins wait-file {gate} spew 200000 100 say ends touch {done} sleep-forever"),
            "log = \"ring\"",
        )
        .start();
    running.until("it began", || running.ok(&["logs", "web"]).contains("begins"));
    let mut follower =
        running.svctl_command(&["logs", "-f", "--json", "web"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().contains("begins"));
    std::fs::write(running.setup.work("gate"), "").unwrap();
    // Nobody reads meanwhile, and the service gets to its end all the same.
    running.until("all was written", || running.setup.work("done").exists());
    running.ok(&["health"]);
    let (mut got, mut missed) = (1, 0);
    for line in lines {
        let line: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
        match line.get("count") {
            Some(count) => missed += count.as_u64().unwrap(),
            None => got += 1,
        }
        if line.get("line").is_some_and(|line| line == "ends") {
            break;
        }
    }
    assert!(missed > 0);
    assert_eq!(got + missed, 200_002, "{got} got, {missed} missed");
    follower.kill().unwrap();
    follower.wait().unwrap();
}

/// `init` with its output in a pipe that is full, and the pipe's other end.
fn choked(setup: Setup) -> (Running, File) {
    let (read, write) = std::io::pipe().unwrap();
    let running = setup
        .longrun("flood", "spew 1000000 100 say the-end sleep-forever", "[stop]\ntimeout = \"500ms\"")
        .output(write)
        .start();
    let written =
        |running: &Running| running.main("flood").proc("io").lines().nth(1).unwrap_or_default().to_owned();
    let mut before = String::new();
    running.until("the service is blocked", || {
        if running.services().get("flood").and_then(|service| service.pid).is_none() {
            return false;
        }
        let now = written(&running);
        let same = now == before && running.main("flood").state == 'S' && now.len() > "wchar: 1".len();
        before = now;
        std::thread::sleep(std::time::Duration::from_millis(50));
        same
    });
    (running, std::os::fd::OwnedFd::from(read).into())
}

#[test]
fn output_nobody_reads_blocks_the_service_and_not_init() {
    let (running, mut read) = choked(Setup::new().longrun("web", "sleep-forever", ""));
    running.ok(&["health"]);
    running.ok(&["restart", "web"]);
    // Once somebody reads, all of it comes.
    let mut text = String::new();
    let mut next = 0;
    let mut reader = BufReader::new(&mut read);
    while reader.read_line(&mut text).unwrap() > 0 {
        let line = message(text.trim_end());
        if line == "the-end" {
            break;
        }
        if line.ends_with("xxx") {
            assert!(line.starts_with(&format!("{next:08} ")), "{next}: {line}");
            next += 1;
        }
        text.clear();
    }
    assert_eq!(next, 1_000_000);
    assert_eq!(running.stop().0, 0);
}

#[test]
fn last_lines_of_a_service_that_a_reload_removed_are_kept_though_the_output_was_full() {
    let setup = Setup::new();
    let flag = setup.path("flag");
    let script = format!("on TERM say 'last of web' on TERM exit 0 touch {flag} sleep-forever");
    let (running, read) = choked(setup.longrun("web", &script, ""));
    running.until("it handles the signal", || running.setup.work("flag").exists());
    std::fs::remove_file(running.setup.services().join("web.toml")).unwrap();
    running.ok(&["reload"]);
    running.until("it is gone", || !running.services().contains_key("web"));
    // The next plan knows nothing of it at all.
    running.ok(&["reload"]);
    let mut lines = BufReader::new(read).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("last of web")), "its last line is lost");
    running.ok(&["shutdown"]);
    for _ in lines {}
}

#[test]
fn shutdown_is_bounded_though_nobody_reads_the_output() {
    let (running, read) = choked(Setup::new());
    assert_eq!(running.stop().0, 0);
    drop(read);
}

#[test]
fn output_that_is_closed_or_full_for_good_does_not_stop_anything() {
    let (read, write) = std::io::pipe().unwrap();
    drop(read);
    let full = File::options().write(true).open("/dev/full").unwrap();
    for output in [std::os::fd::OwnedFd::from(write), full.into()] {
        let running = Setup::new()
            .oneshot("job", "spew 10000 100 say the-end", "")
            .longrun("web", "say hello sleep-forever", "")
            .output(output)
            .start();
        running.booted();
        assert_eq!((running.phase("job"), running.phase("web")), (Done, Up));
        assert!(running.ok(&["logs", "job"]).contains("the-end"));
        assert_eq!(running.stop().0, 0);
    }
}

#[test]
fn init_begins_with_any_of_its_streams_closed() {
    for closed in ["exec <&-", "exec >&-", "exec 2>&-", "exec <&- >&- 2>&-"] {
        let setup = Setup::new();
        let work = setup.path("fds");
        let running = setup
            .shell(
                "web",
                "longrun",
                &format!("ls /proc/self/fd > {work}; echo hello; exec PUPPET sleep-forever"),
                "",
            )
            .before(closed)
            .start();
        running.booted();
        running.until("it said hello", || running.ok(&["logs", "web"]).contains("hello"));
        // ls's own is the fourth.
        assert_eq!(running.read("fds"), ["0", "1", "2", "3"], "{closed}");
        assert_eq!(running.stop().0, 0, "{closed}");
    }
}

#[test]
fn service_that_waits_for_room_in_the_log_can_still_be_stopped() {
    let (running, read) = choked(Setup::new());
    running.ok(&["stop", "flood"]);
    running.signal(Signal::SIGTERM);
    drop(read);
    assert_eq!(running.exit().0, 0);
}

#[test]
fn line_that_makes_a_service_ready_is_logged_like_any_other() {
    let running = Setup::new()
        .longrun("web", "say 'now listening' sleep-forever", "[ready]\nlog = 'listening$'")
        .longrun("never", "say 'not yet' sleep-forever", "[ready]\nlog = 'listening$'")
        .start();
    running.line("now listening");
    running.line("not yet");
    running.reach("web", Up);
    assert_eq!(running.phase("never"), Starting);
    let mut end = String::new();
    let _ = running
        .svctl_command(&["logs", "web"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
        .stdout
        .unwrap()
        .read_to_string(&mut end);
    assert_eq!(end, "now listening\n");
}
