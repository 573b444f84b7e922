//! Bundles, templates, start conditions, drop-ins, layers of directories: what a plan is made from.

use init_core::status::Phase::{Done, Down, Failed, Skipped, Up};

use crate::harness::{Setup, exec};

#[test]
fn bundle_is_started_stopped_and_required_as_one() {
    let running = Setup::new()
        .longrun("a", "sleep-forever", "autostart = false")
        .longrun("b", "sleep-forever", "autostart = false")
        .longrun("web", "sleep-forever", "autostart = false\nrequires = [\"all\"]")
        .file("all.toml", "type = \"bundle\"\ncontents = [\"a\", \"b\"]\n")
        .start();
    running.booted();
    assert_eq!((running.phase("a"), running.phase("b")), (Down, Down));
    running.ok(&["start", "web"]);
    assert_eq!((running.phase("a"), running.phase("b")), (Up, Up));
    running.ok(&["stop", "all"]);
    for name in ["a", "b", "web"] {
        assert_eq!(running.phase(name), Down, "{name}");
    }
    running.ok(&["start", "all"]);
    // Their stop took it along.
    assert_eq!((running.phase("a"), running.phase("b"), running.phase("web")), (Up, Up, Up));
}

#[test]
fn template_makes_as_many_instances_as_the_environment_says() {
    let script =
        "print-env INSTANCE print-env TEMPLATE print-env SERVICE say instance-${INSTANCE} sleep-forever";
    let text = format!("{}instances = \"${{WORKERS:-2}}\"\n", exec(script));
    let running = Setup::new().env("WORKERS", "3").file("worker@.toml", &text).start();
    running.booted();
    let names: Vec<String> = running.services().into_keys().collect();
    assert_eq!(names, ["worker@1", "worker@2", "worker@3"]);
    running.line("instance-3");
    running.ok(&["stop", "worker"]);
    assert_eq!(running.phase("worker@2"), Down);

    let running = Setup::new().file("worker@.toml", &text).start();
    running.booted();
    assert_eq!(running.services().len(), 2);
}

#[test]
fn template_with_no_instances_makes_an_empty_bundle_that_may_be_required() {
    let text = format!("{}instances = \"${{WORKERS}}\"\n", exec("sleep-forever"));
    let running = Setup::new()
        .env("WORKERS", "0")
        .file("worker@.toml", &text)
        .longrun("api", "sleep-forever", "requires = [\"worker\"]")
        .start();
    running.booted();
    assert_eq!(running.phase("api"), Up);
}

#[test]
fn template_takes_names_of_instances_too() {
    let text = format!("{}instances = [\"red\", \"blue\"]\n", exec("say I-am-${INSTANCE} sleep-forever"));
    let running = Setup::new().file("colour@.toml", &text).start();
    running.line("I-am-red");
    running.line("I-am-blue");
}

#[test]
fn service_whose_condition_does_not_hold_is_skipped_and_says_why() {
    let setup = Setup::new();
    let there = setup.path("there");
    std::fs::write(&there, "").unwrap();
    let no = |condition: &str| format!("[start-if]\n{condition}");
    let running = setup
        .env("FEATURE", "on")
        .env("EMPTY", "")
        .longrun("env", "sleep-forever", &no("env = [\"MISSING\"]"))
        .longrun("empty", "sleep-forever", &no("env = [\"EMPTY\"]"))
        .longrun("value", "sleep-forever", &no("env = [\"FEATURE=off\"]"))
        .longrun("not-env", "sleep-forever", &no("env = [\"!FEATURE\"]"))
        .longrun("file", "sleep-forever", &no("file = [\"/nonexistent\"]"))
        .longrun("not-file", "sleep-forever", &no(&format!("file = [\"!{there}\"]")))
        .longrun("exec", "sleep-forever", &no("exec = [\"sh\", \"-c\", \"echo no licence; exit 1\"]"))
        .longrun(
            "yes",
            "sleep-forever",
            &no(&format!(
                "env = [\"FEATURE\", \"FEATURE=on\", \"!MISSING\"]\nfile = [\"{there}\"]\nexec = [\"true\"]"
            )),
        )
        .start();
    running.booted();
    let reasons = [
        ("env", "MISSING"),
        ("empty", "EMPTY"),
        ("value", "FEATURE=off"),
        ("not-env", "FEATURE"),
        ("file", "/nonexistent does not exist"),
        ("not-file", "exists"),
        ("exec", "no licence"),
    ];
    for (name, reason) in reasons {
        let status = running.status(name);
        assert_eq!(status.state, Skipped, "{name}");
        assert!(status.note.as_deref().unwrap_or_default().contains(reason), "{status:?}");
    }
    assert_eq!(running.phase("yes"), Up);
    assert!(running.ok(&["list", "-a"]).contains("no licence"));
}

#[test]
fn skipped_service_starts_once_its_condition_holds() {
    let setup = Setup::new();
    let flag = setup.path("flag");
    let running = setup.longrun("web", "sleep-forever", &format!("[start-if]\nfile = [\"{flag}\"]")).start();
    running.booted();
    assert_eq!(running.phase("web"), Skipped);
    std::fs::write(running.setup.work("flag"), "").unwrap();
    running.ok(&["start", "web"]);
    assert_eq!(running.phase("web"), Up);
}

#[test]
fn condition_that_takes_too_long_or_crashes_is_a_failure_not_a_skip() {
    let running = Setup::new()
        .longrun(
            "slow",
            "sleep-forever",
            "[start-if]\nexec = { exec = [\"sleep\", \"60\"], timeout = \"100ms\" }",
        )
        .longrun("crash", "sleep-forever", "[start-if]\nexec = [\"sh\", \"-c\", \"kill -9 $$$$\"]")
        .longrun("missing", "sleep-forever", "[start-if]\nexec = [\"/no/such/program\"]")
        .start();
    running.booted();
    for name in ["slow", "crash", "missing"] {
        assert_eq!(running.phase(name), Failed, "{name}: {}", running.note(name));
    }
    running.until("the slow condition is killed", || running.processes().is_empty());
}

#[test]
fn drop_ins_change_a_definition_in_the_order_of_their_names() {
    let running = Setup::new()
        .longrun("web", "print-env A print-env B sleep-forever", "[env.set]\nA = \"file\"\nB = \"file\"")
        .file("web.d/10-a.toml", "[env.set]\nA = \"ten\"\nB = \"ten\"\n")
        .file("web.d/20-b.toml", "description = \"changed\"\n[env.set]\nB = \"twenty\"\n")
        .file("web.d/README", "not TOML")
        .start();
    running.line("A=ten");
    running.line("B=twenty");
    assert_eq!(running.status("web").description.as_deref(), Some("changed"));
}

#[test]
fn later_directory_replaces_files_of_an_earlier_one() {
    let setup = Setup::new();
    let (base, own) = (setup.work("base"), setup.work("own"));
    for (dir, name, script) in [
        (&base, "web", "say base-web sleep-forever"),
        (&base, "db", "say base-db sleep-forever"),
        (&own, "web", "say own-web sleep-forever"),
    ] {
        std::fs::create_dir_all(dir).unwrap();
        std::fs::write(dir.join(format!("{name}.toml")), exec(script)).unwrap();
    }
    std::fs::create_dir(own.join("db.d")).unwrap();
    std::fs::write(own.join("db.d/x.toml"), "description = \"mine\"\n").unwrap();
    let both = format!("{}:{}", base.display(), own.display());
    let running = setup.without_services_dir().env("INIT_SERVICES", &both).start();
    running.line("own-web");
    running.line("base-db");
    running.booted();
    assert_eq!(running.status("db").description.as_deref(), Some("mine"));
    assert!(!running.text().contains("base-web"));
}

#[test]
fn variables_are_expanded_once_and_never_split() {
    let script =
        "print-args ${WORDS} print-args ${MISSING:-default} print-args ${SET:+yes} print-args $${WORDS}";
    let running =
        Setup::new().env("WORDS", "a b ${SET}").env("SET", "1").oneshot("words", script, "").start();
    for line in ["\"a b ${SET}\"", "\"default\"", "\"yes\"", "\"${WORDS}\""] {
        running.line(line);
    }
}

#[test]
fn unset_variable_without_a_default_stops_the_boot_and_names_its_place() {
    let (code, text) = Setup::new().file("web.toml", "exec = [\"true\",\n  \"${NO_SUCH}\"]\n").start().exit();
    assert_eq!(code, 78, "{text}");
    assert!(text.contains("web.toml:2") && text.contains("NO_SUCH"), "{text}");
}

#[test]
fn oneshot_may_be_retried_until_it_succeeds() {
    let setup = Setup::new();
    let count = setup.path("count");
    let running = setup
        .oneshot(
            "migrate",
            &format!("fail-times {count} 2 9"),
            "[restart]\npolicy = \"on-failure\"\ndelay = \"1ms\"",
        )
        .start();
    running.booted();
    let status = running.status("migrate");
    assert_eq!((status.state, status.restarts), (Done, 2));
}
