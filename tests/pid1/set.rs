//! `svctl set`, and the keys that `svctl diff` names.

use init_core::status::Phase::Up;

use crate::harness::{Setup, exec};

#[test]
fn keys_hold_until_the_next_boot_and_are_shown_key_by_key() {
    let running = Setup::new()
        .longrun("web", "print-env COLOUR say runs sleep-forever", "nice = 1\n[restart]\ndelay = \"1s\"")
        .file("worker@.toml", &format!("instances = 2\n{}", exec("print-env SHAPE sleep-forever")))
        .start();
    running.booted();
    let said = running.ok(&["set", "web", "restart.delay=5s", "nice=2", "env.set.COLOUR=blue"]);
    assert!(said.contains("changed, to be applied by `svctl restart`: web"), "{said}");
    assert_eq!(running.ok(&["set", "web"]), "restart.delay = \"5s\"\nnice = 2\nenv.set.COLOUR = \"blue\"\n");
    let shown = running.ok(&["show", "web"]);
    assert!(shown.contains("set/web.d/set.toml") && shown.contains("restart.delay = \"5s\""), "{shown}");
    running.ok(&["restart", "web"]);
    running.line("COLOUR=blue");
    // What the file says now, against what is in force.
    let path = running.setup.services().join("web.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("nice = 1", "nice = 9\nstop.timeout = \"9s\"")).unwrap();
    let diff = running.ok(&["diff"]);
    assert!(diff.starts_with("web: changed\n  stop.timeout = \"5s\" -> \"9s\"  # "), "{diff}");
    assert_eq!(diff.lines().count(), 2, "nice is set, whatever the file says: {diff}");
    // What is wrong changes nothing.
    let refused = running.fails(1, &["set", "web", "restart.delay=soon"]);
    assert!(refused.contains("restart.delay") || refused.contains("soon"), "{refused}");
    assert!(running.ok(&["set", "web"]).contains("restart.delay = \"5s\""));
    running.fails(64, &["set", "web", "nice"]);
    running.fails(4, &["set", "nobody", "nice=1"]);
    // A template stands for its instances, and one instance for itself.
    running.ok(&["set", "worker", "env.set.SHAPE=round"]);
    running.ok(&["set", "worker@2", "env.set.SHAPE=flat"]);
    running.ok(&["restart", "worker"]);
    running.line("SHAPE=round");
    running.line("SHAPE=flat");
    // It lasts through another program, and is taken back.
    running.ok(&["reexec"]);
    assert!(running.ok(&["set", "web"]).contains("nice = 2"));
    running.ok(&["set", "web", "--reset"]);
    assert_eq!(running.ok(&["set", "web"]), "");
    running.ok(&["restart", "web"]);
    running.line("COLOUR unset");
    assert_eq!(running.phase("web"), Up);
}

#[test]
fn next_boot_knows_nothing_of_it() {
    let setup = Setup::new().longrun("web", "print-env COLOUR sleep-forever", "");
    let left = setup.dir.path().join("run/set/web.d");
    std::fs::create_dir_all(&left).unwrap();
    std::fs::write(left.join("set.toml"), "env.set.COLOUR = \"blue\"\n").unwrap();
    let running = setup.start();
    running.line("COLOUR unset");
    assert!(!left.exists());
}
