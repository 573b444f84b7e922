use super::boot::{blame, chain};
use super::dependencies::{deps, dot, mermaid};
use super::details::details;
use super::plot::plot;
use super::samples::{boot, first_start, process, service, several};
use super::stream::{LogStyle, event_line, log_line};
use super::table::{is_of_interest, table, table_with_usage};
use super::tree::tree;
use super::why::{Outputs, why};
use crate::boot::Boot;
use crate::dependencies::Dependencies;
use crate::output::Screen;
use crate::processes::{Process, Usage, by_service};
use init_control::wire::Event;
use init_core::status::{Exit, Phase, ServiceStatus};

const PIPE: Screen = Screen { width: None, colour: false };
const TERMINAL: Screen = Screen { width: Some(70), colour: true };

fn tabled(services: &[ServiceStatus], screen: Screen) -> String {
    table(&services.iter().collect::<Vec<_>>(), screen)
}

/// Compares with a file; `UPDATE_GOLDEN=1 cargo test` writes it anew, for a person to read the difference.
fn golden(name: &str, text: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("render/golden").join(name);
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
    let top = include_str!("golden/top-80x24.txt").lines().take(4).collect::<Vec<_>>().join("\n");
    assert!(guide.contains(&top));
    assert!(guide.contains(&status_of("nginx", &["GET / 200".into()], PIPE)));
    assert!(guide.contains(&why_of(&["nginx"], PIPE)));
    assert!(guide.contains(&treed(PIPE)));
    assert!(guide.contains(&deps(&Dependencies::new(&all), &[3], false, PIPE)));
    assert!(guide.contains(&blame(&boot(), PIPE)));
    assert!(guide.contains(&chain(&boot(), &boot().critical_chain(), true, PIPE)));
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
    details(all.iter().find(|service| service.name == name).unwrap(), &all, Ok(lines), screen)
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

#[test]
fn blame_is_plain_in_a_pipe_and_only_coloured_on_a_terminal() {
    golden("blame.txt", &blame(&boot(), PIPE));
    assert_eq!(plain(&blame(&boot(), TERMINAL)), blame(&boot(), PIPE));
    assert_eq!(blame(&Boot::default(), PIPE), "");
}

fn chain_of(boot: &Boot, name: &str, screen: Screen) -> String {
    chain(boot, &boot.chain_of(&[name.to_owned()]), false, screen)
}

#[test]
fn chain_of_the_boot_says_when_each_link_started_and_how_long_it_took() {
    golden("chain.txt", &chain(&boot(), &boot().critical_chain(), true, PIPE));
    let coloured = chain(&boot(), &boot().critical_chain(), true, TERMINAL);
    assert_eq!(plain(&coloured), chain(&boot(), &boot().critical_chain(), true, PIPE));
}

#[test]
fn chain_of_a_service_says_what_came_of_it() {
    let mut boot = boot();
    boot.services.push(first_start("new", Phase::Starting, 183_000, Some(183_500), None, Some("redis")));
    boot.services.push(first_start("more", Phase::Waiting, 183_000, None, None, Some("new")));
    for (name, first, links) in [
        (
            "report",
            "report: failed after 1.74s.",
            "report (failed, never started)\n└─batch @1.34s +400ms (failed)\n  └─",
        ),
        ("tls", "tls: skipped after 2ms.", "tls @0ms +2ms (skipped)\n"),
        ("late", "late: up after 1m 00s.", "late @1m 00s +700ms\n"),
        ("new", "new: starting since 3m 03s.", "new @3m 03s +500ms (starting)\n└─redis @0ms +45ms\n"),
        ("more", "more: waiting since 3m 03s.", "more (waiting)\n└─new "),
    ] {
        let text = chain_of(&boot, name, PIPE);
        assert_eq!(text.lines().next(), Some(first));
        assert!(text.split_once("\n\n").unwrap().1.starts_with(links), "{text}");
    }
}

#[test]
fn chain_of_an_empty_boot_is_a_sentence() {
    let none = Boot { complete_ms: Some(0), ..Boot::default() };
    let text = chain(&none, &none.critical_chain(), true, PIPE);
    assert_eq!(text, "The boot was complete after 0ms.\nNothing had to be waited for.\n");
}

#[test]
fn long_chain_does_not_move_out_of_sight() {
    let names: Vec<String> = (0..1000).map(|n| format!("s{n}")).collect();
    let before = |n: usize| n.checked_sub(1).map(|n| names[n].as_str());
    let services = (0..1000)
        .map(|n| first_start(&names[n], Phase::Done, 0, Some(n as u64), Some(n as u64 + 1), before(n)));
    let boot = Boot { services: services.collect(), now_ms: 2000, complete_ms: Some(1000) };
    let text = chain(&boot, &boot.critical_chain(), true, PIPE);
    assert_eq!(text.lines().count(), 3 + 1000);
    assert!(text.lines().all(|line| line.chars().count() < 100));
    well_formed(&plot(&boot));
}

// ---- the picture ----

#[test]
fn picture_of_a_boot_is_as_a_person_found_it_good() {
    let svg = plot(&boot());
    golden("boot.svg", &svg);
    well_formed(&svg);
}

#[test]
fn picture_shows_every_service_of_the_boot_with_its_time() {
    let svg = plot(&boot());
    for service in boot().services {
        assert_eq!(svg.contains(&format!(">{}</text>", service.name)), service.name != "late");
    }
    for wanted in
        [">2.1s<", ">400ms, failed<", ">failed, never started<", ">2ms, skipped<", ">complete 3.56s<"]
    {
        assert!(svg.contains(wanted), "{wanted}");
    }
}

#[test]
fn odd_names_leave_the_picture_an_xml_document() {
    let odd = ["a.b-c_d@1", "<&>\"'", "]]>", "\x1b[2J\0\u{ffff}", &"long".repeat(32), "ä名前"];
    let services = odd.iter().map(|name| first_start(name, Phase::Up, 0, Some(1), Some(2), Some("<&>\"'")));
    let svg = plot(&Boot { services: services.collect(), now_ms: 3, complete_ms: Some(2) });
    well_formed(&svg);
    assert!(svg.contains("&lt;&amp;&gt;\"'") && !svg.contains('\x1b') && !svg.contains('\0'));
}

#[test]
fn picture_is_whole_without_services_during_the_boot_and_with_times_beyond_reason() {
    let max = u64::MAX;
    let during = Boot { complete_ms: None, now_ms: 2000, ..boot() };
    let mad = vec![
        first_start("a", Phase::Up, 0, Some(0), Some(max), None),
        first_start("b", Phase::Starting, max, None, None, Some("a")),
    ];
    for boot in [
        Boot::default(),
        Boot { complete_ms: Some(0), ..Boot::default() },
        during,
        Boot { services: mad.clone(), now_ms: max, complete_ms: None },
        Boot { services: mad, now_ms: 0, complete_ms: Some(max) },
    ] {
        let svg = plot(&boot);
        well_formed(&svg);
        assert!(!svg.contains("NaN") && !svg.contains("inf") && !svg.contains("=\"-"), "{svg}");
    }
}

/// Every element that is opened is closed, in order, and nothing stands in text or attributes that XML forbids.
fn well_formed(svg: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = svg;
    while let Some((text, tail)) = rest.split_once('<') {
        let entities = ["amp;", "lt;", "gt;"];
        assert!(text.split('&').skip(1).all(|after| entities.iter().any(|e| after.starts_with(e))), "{text}");
        assert!(!text.contains(|c: char| c.is_control() && c != '\n') && !text.contains("]]>"), "{text:?}");
        let (tag, tail) = tail.split_once('>').unwrap();
        assert!(!tag.contains('<') && tag.matches('"').count() % 2 == 0, "{tag}");
        match (tag.strip_prefix('/'), tag.ends_with('/')) {
            (Some(name), _) => assert_eq!(open.pop(), Some(name)),
            (None, true) => {}
            (None, false) => open.push(tag.split(' ').next().unwrap()),
        }
        rest = tail;
    }
    assert!(open.is_empty() && rest == "\n", "{open:?} {rest:?}");
}

#[test]
fn list_with_usage_has_three_columns_more() {
    let usage = Usage { processes: 3, cpu_ms: 61_500, rss_bytes: 84_000_000 };
    let all = several();
    let usages: Vec<Usage> =
        all.iter().map(|service| if service.pid.is_some() { usage } else { Usage::default() }).collect();
    golden("list-usage.txt", &table_with_usage(&all.iter().collect::<Vec<_>>(), &usages, PIPE));
}

/// What runs in that small container.
fn processes() -> Vec<Process> {
    vec![
        process(1, 0, 1, "/init"),
        process(100, 1, 100, "/usr/lib/postgresql/17/bin/postgres -D /var/lib/pgsql/data"),
        process(120, 100, 120, "postgres: checkpointer"),
        process(121, 100, 121, "postgres: pulp pulp [local] idle"),
        process(130, 121, 121, "sh -c archive\x1b[2J"),
        process(23456, 1, 23456, "redis-server /run/redis.sock"),
        process(23499, 0, 23499, "bash"),
    ]
}

fn treed(screen: Screen) -> String {
    let (services, processes) = (several(), processes());
    let (of_services, others) = by_service(&processes, &services);
    let shown = services.into_iter().zip(of_services).filter(|(_, own)| !own.is_empty());
    let (services, of_services): (Vec<_>, Vec<_>) = shown.unzip();
    tree(&services, &of_services, &others, screen)
}

#[test]
fn a_tree_shows_services_their_processes_and_those_of_none() {
    golden("tree.txt", &treed(PIPE));
}

#[test]
fn a_tree_on_a_terminal_fits_it_and_no_process_steers_it() {
    // The columns of numbers take 27.
    for width in [40, 60, 80] {
        let text = plain(&treed(Screen { width: Some(width), colour: true }));
        assert!(!text.contains('\u{1b}'), "{text}");
        // The name of a service is never cut.
        let mut processes = text.lines().filter(|line| line.contains('─'));
        assert!(processes.all(|line| line.chars().count() <= width), "{text}");
    }
}

#[test]
fn a_service_without_processes_says_so() {
    let text = tree(&[service("idle", Phase::Down)], &[Vec::new()], &[], PIPE);
    assert!(text.ends_with("               -        -  idle (down)\n"), "{text}");
}

#[test]
fn dependencies_are_shown_from_both_ends() {
    let mut services = several();
    services[0].requires = vec!["postgresql".into()];
    services[5].after = vec!["api".into()];
    let all = Dependencies::new(&services);
    golden("deps.txt", &deps(&all, &all.roots(false), false, PIPE));
    golden("deps-reverse.txt", &deps(&all, &all.roots(true), true, PIPE));
    let every = all.reached(&(0..services.len()).collect::<Vec<_>>(), false);
    golden("graph.dot", &dot(&all, &every));
    golden("graph.mermaid", &mermaid(&all, &every));
}

fn why_of(names: &[&str], screen: Screen) -> String {
    let services = several();
    let all = Dependencies::new(&services);
    let roots = all.numbers(&names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>());
    let lines = ["connecting to the database", "cannot connect to database"].map(str::to_owned);
    let outputs = Outputs::from([(4, lines.to_vec()), (5, vec!["\x1b[31mout of memory\x1b[0m".to_owned()])]);
    why(&all, &roots, &outputs, screen)
}

#[test]
fn why_goes_down_to_the_cause() {
    golden("why.txt", &why_of(&["nginx", "redis", "batch", "postgresql", "stopped"], PIPE));
}

#[test]
fn why_on_a_terminal_is_coloured_and_cuts_output_only() {
    golden("why-terminal.txt", &why_of(&["nginx"], Screen { width: Some(30), colour: true }));
}

#[test]
fn a_cause_of_two_is_explained_once() {
    let mut services = several();
    services.push(ServiceStatus { requires: vec!["api".into()], ..service("report", Phase::Waiting) });
    let all = Dependencies::new(&services);
    let text = why(&all, &[3, 8], &Outputs::new(), PIPE);
    assert_eq!(text.matches("svctl restart api").count(), 1, "{text}");
    assert!(text.ends_with("(see above)\n"), "{text}");
}
