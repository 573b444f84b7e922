use super::details::details;
use super::samples::{service, several};
use super::stream::{LogStyle, event_line, log_line};
use super::table::{is_of_interest, table};
use crate::cli::output::Screen;
use crate::control::wire::Event;
use crate::core::status::{Exit, Phase, ServiceStatus};

const PIPE: Screen = Screen { width: None, colour: false };
const TERMINAL: Screen = Screen { width: Some(70), colour: true };

fn tabled(services: &[ServiceStatus], screen: Screen) -> String {
    table(&services.iter().collect::<Vec<_>>(), screen)
}

/// Compares with a file; `UPDATE_GOLDEN=1 cargo test` writes it anew, for a person to read the difference.
fn golden(name: &str, text: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/render/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&path).unwrap_or_default(), "{}", path.display());
}

#[test]
fn list_in_a_pipe_is_plain_and_whole() {
    golden("list.txt", &tabled(&several(), PIPE));
}

#[test]
fn list_on_a_terminal_is_coloured_and_fits_it() {
    let text = tabled(&several(), TERMINAL);
    golden("list-terminal.txt", &text);
    for line in plain(&text).lines() {
        assert!(line.chars().count() <= 70, "{line}");
    }
}

#[test]
fn colours_change_nothing_but_colours() {
    let wide = Screen { width: Some(200), colour: true };
    assert_eq!(plain(&tabled(&several(), wide)), tabled(&several(), PIPE));
}

#[test]
fn a_terminal_too_narrow_for_notes_wraps_instead_of_cutting_everything_off() {
    let narrow = Screen { width: Some(20), colour: false };
    assert_eq!(tabled(&several(), narrow), tabled(&several(), PIPE));
}

#[test]
fn no_line_ends_in_spaces() {
    for line in tabled(&several(), PIPE).lines() {
        assert_eq!(line, line.trim_end());
    }
}

#[test]
fn the_guide_shows_what_is_shown() {
    let guide = include_str!("../../../docs/svctl.md");
    let all = several();
    let interesting: Vec<&ServiceStatus> = all.iter().filter(|service| is_of_interest(service)).collect();
    assert!(guide.contains(&table(&interesting, PIPE)));
    assert!(guide.contains(&status_of("nginx", &["GET / 200".into()], PIPE)));
}

#[test]
fn an_empty_table_still_has_its_headings() {
    assert_eq!(tabled(&[], PIPE), "NAME  STATE  SINCE  PID  RESTARTS  NOTE\n");
}

#[test]
fn services_that_did_their_work_or_were_never_asked_for_are_of_no_interest() {
    let shown: Vec<String> =
        several().into_iter().filter(is_of_interest).map(|service| service.name).collect();
    assert_eq!(shown, ["postgresql", "redis", "nginx", "api", "batch", "stopped"]);
}

#[test]
fn status_in_a_pipe_is_plain_and_whole() {
    golden("status.txt", &status_of("nginx", &["GET / 200".into(), "\x1b[31mred\x1b[0m".into()], PIPE));
}

#[test]
fn status_names_what_depends_on_a_service() {
    golden("status-api.txt", &status_of("api", &[], PIPE));
}

#[test]
fn status_on_a_terminal_is_coloured_and_cuts_output_only() {
    golden("status-terminal.txt", &status_of("nginx", &["x".repeat(100)], TERMINAL));
}

fn status_of(name: &str, lines: &[String], screen: Screen) -> String {
    let all = several();
    details(all.iter().find(|service| service.name == name).unwrap(), &all, lines, screen)
}

#[test]
fn a_note_in_several_lines_stays_in_its_row() {
    let noted = ServiceStatus { note: Some("one\ntwo\x1b[2J".into()), ..service("a", Phase::Failed) };
    let text = tabled(&[noted], PIPE);
    assert_eq!(text.lines().count(), 2);
    assert!(text.ends_with("one two\u{fffd}[2J\n"), "{text}");
}

#[test]
fn an_event_says_what_changed_and_why() {
    let event = Event {
        service: "api".into(),
        time_ms: 1_700_000_000_123,
        from: Phase::Up,
        to: Phase::Backoff,
        pid: None,
        exit: Some(Exit::Signal(9)),
        note: Some("next start in 1 s".into()),
    };
    let line = "2023-11-14T22:13:20.123Z api: up -> backoff (signal KILL; next start in 1 s)\n";
    assert_eq!(event_line(&event, true, false), line);
    let bare = Event { exit: None, note: None, pid: Some(7), ..event };
    assert_eq!(event_line(&bare, false, true), "api: up -> \x1b[33mbackoff\x1b[0m (pid 7)\n");
}

#[test]
fn log_lines_carry_the_name_unless_only_one_was_asked_for() {
    let style = LogStyle::default();
    assert_eq!(log_line("api", 0, "hello", style), "api | hello\n");
    assert_eq!(log_line("api", 0, "hello", LogStyle { only: Some("api"), ..style }), "hello\n");
    // A bundle was asked for: whose line it is has to be said.
    assert_eq!(log_line("w@1", 0, "", LogStyle { only: Some("w"), ..style }), "w@1 | \n");
    let timed = LogStyle { timestamps: true, only: Some("api"), colour: false };
    assert_eq!(log_line("api", 1, "x", timed), "1970-01-01T00:00:00.001Z x\n");
}

/// Without colours.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\x1b[") {
        plain.push_str(before);
        rest = after.split_once('m').unwrap().1;
    }
    plain + rest
}
