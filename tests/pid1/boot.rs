//! Where the time of the boot went: `svctl blame`, `critical-chain` and `plot`.

use init_core::status::{FirstStartStatus, Phase};

use crate::harness::{Running, Setup};

fn first_starts(running: &Running, args: &[&str]) -> Vec<FirstStartStatus> {
    serde_json::from_str(&running.ok(args)).unwrap()
}

fn names(first_starts: &[FirstStartStatus]) -> Vec<&str> {
    first_starts.iter().map(|first_start| first_start.name.as_str()).collect()
}

fn find<'a>(first_starts: &'a [FirstStartStatus], name: &str) -> &'a FirstStartStatus {
    first_starts
        .iter()
        .find(|first_start| first_start.name == name)
        .unwrap_or_else(|| panic!("{name} in {first_starts:?}"))
}

/// The first ends the boot, whichever way; `gate` lets it.
fn chained(setup: Setup) -> Setup {
    let gate = setup.path("gate");
    setup
        .oneshot("prepare", "sleep 30", "")
        .longrun("db_1.x", "sleep 120 ready-fd 3 sleep-forever", "requires = [\"prepare\"]\n[ready]\nfd = 3")
        .oneshot("migrate@all", &format!("wait-file {gate} exit 0"), "wants = [\"db_1.x\"]")
        .longrun("web", "sleep 20 ready-fd 3 sleep-forever", "after = [\"migrate@all\"]\n[ready]\nfd = 3")
        .oneshot("broken", "exit 3", "requires = [\"prepare\"]")
        .longrun("victim", "sleep-forever", "requires = [\"broken\"]")
        .oneshot("skipped", "exit 0", "[start-if]\nenv = [\"NOBODY_SETS_THIS\"]")
        .longrun("idle", "sleep-forever", "autostart = false")
        .file("site.toml", "type = \"bundle\"\ncontents = [\"web\", \"prepare\"]\n")
}

const CHAIN: [&str; 4] = ["web", "migrate@all", "db_1.x", "prepare"];

#[test]
fn boot_is_told_the_way_the_plan_orders_it() {
    let setup = Setup::new();
    let gate = setup.work("gate");
    let running = chained(setup).start();
    running.reach("migrate@all", Phase::Starting);
    // On the way: what is known is shown, and what cannot be known is not made up.
    assert!(running.fails(1, &["critical-chain"]).contains("not complete"));
    assert_eq!(names(&first_starts(&running, &["critical-chain", "--json", "web"])), CHAIN);
    assert!(running.ok(&["plot"]).contains("Booting for"));
    assert!(running.ok(&["blame"]).contains("migrate@all (starting)"));
    std::fs::write(gate, "").unwrap();
    running.booted();

    let blame = first_starts(&running, &["blame", "--json"]);
    assert!(
        blame.is_sorted_by_key(|first_start| std::cmp::Reverse(first_start.took_ms.unwrap())),
        "{blame:?}"
    );
    let mut sorted = names(&blame);
    sorted.sort_unstable();
    assert_eq!(sorted, ["broken", "db_1.x", "migrate@all", "prepare", "skipped", "web"]);
    for (name, outcome) in [
        ("prepare", Phase::Done),
        ("db_1.x", Phase::Up),
        ("broken", Phase::Failed),
        ("skipped", Phase::Skipped),
    ] {
        assert_eq!(find(&blame, name).state, outcome);
    }
    let text = running.ok(&["blame"]);
    assert_eq!(text.lines().count(), blame.len());
    assert!(text.contains("broken (failed)") && text.contains("skipped (skipped)"), "{text}");

    let chain = first_starts(&running, &["critical-chain", "--json"]);
    assert_eq!(names(&chain), CHAIN);
    for pair in chain.windows(2) {
        let [next, before] = pair else { unreachable!() };
        assert_eq!(next.waited_for.as_deref(), Some(before.name.as_str()));
        assert!(before.settled_ms.unwrap() <= next.started_ms.unwrap(), "{pair:?}");
        assert!(next.wanted_ms <= next.started_ms.unwrap(), "{pair:?}");
    }
    let text = running.ok(&["critical-chain"]);
    assert!(text.starts_with("The boot was complete after "), "{text}");
    let depth = |name: &str| text.lines().position(|line| line.contains(&format!("{name} @"))).unwrap();
    assert!(CHAIN.map(depth).is_sorted(), "{text}");

    let svg = running.ok(&["plot"]);
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    let row = |name: &str| svg.find(&format!(">{name}</text>"));
    let rows = ["prepare", "db_1.x", "migrate@all", "web"].map(|name| row(name).unwrap());
    assert!(rows.is_sorted(), "in the order of the starts: {rows:?}");
    assert!(row("broken").is_some() && row("victim").is_some() && row("idle").is_none());
}

#[test]
fn chain_of_a_service_or_bundle_is_that_of_whichever_was_ready_last() {
    let setup = Setup::new();
    std::fs::write(setup.work("gate"), "").unwrap();
    let running = chained(setup).start();
    running.booted();
    let chain = |name: &str| {
        let found = first_starts(&running, &["critical-chain", "--json", name]);
        found.into_iter().map(|first_start| first_start.name).collect::<Vec<_>>()
    };
    assert_eq!(chain("site"), CHAIN);
    assert_eq!(chain("db_1.x"), ["db_1.x", "prepare"]);
    assert_eq!(chain("victim"), ["victim", "broken", "prepare"]);
    assert!(running.ok(&["critical-chain", "victim"]).contains("victim (failed, never started)"));
    assert!(running.fails(1, &["critical-chain", "idle"]).contains("idle has not been started"));
    assert!(running.fails(4, &["critical-chain", "wbe"]).contains("`web`"));
    // What is started later is no part of the boot.
    running.ok(&["start", "idle"]);
    assert_eq!(chain("idle"), ["idle"]);
    assert!(!running.ok(&["blame"]).contains("idle") && !running.ok(&["plot"]).contains("idle"));
}

#[test]
fn restart_and_reload_leave_the_story_of_the_boot_as_it_is() {
    let setup = Setup::new();
    std::fs::write(setup.work("gate"), "").unwrap();
    let running = chained(setup).start();
    running.booted();
    let before = first_starts(&running, &["critical-chain", "--json"]);
    running.ok(&["restart", "db_1.x", "web"]);
    let text = "type = \"oneshot\"\nexec = [\"true\"]\nbefore = [\"prepare\"]\n";
    std::fs::write(running.setup.services().join("a.toml"), text).unwrap();
    std::fs::remove_file(running.setup.services().join("skipped.toml")).unwrap();
    running.ok(&["reload"]);
    running.reach("a", Phase::Done);
    assert_eq!(first_starts(&running, &["critical-chain", "--json"]), before);
    assert!(!running.ok(&["blame"]).contains("skipped"));
    assert_eq!(names(&first_starts(&running, &["critical-chain", "--json", "a"])), ["a"]);
}

#[test]
fn line_at_the_end_of_the_boot_names_who_was_slow() {
    let running = Setup::new().oneshot("slow", "sleep 150", "").longrun("web", "sleep-forever", "").start();
    let line = running.line("ready in");
    assert!(line.contains(": 1 up, 1 done (slow took "), "{line}");
}

#[test]
fn boot_without_services_is_told_too() {
    let running = Setup::new().start();
    running.booted();
    assert_eq!(running.ok(&["blame"]), "");
    assert_eq!(running.ok(&["blame", "--json"]), "[]\n");
    assert!(running.ok(&["critical-chain"]).contains("Nothing had to be waited for."));
    assert!(running.ok(&["plot"]).contains("nothing was started"));
}
