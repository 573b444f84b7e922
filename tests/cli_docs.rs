//! The man pages and completions in `docs/` are those the program writes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on is to panic")]

use std::path::{Path, PathBuf};

use clap_complete::Shell;
use svctl::docs::{SHELLS, completions, init_help, man_pages};

const CURE: &str = "run `make docs`";

fn docs(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)
}

#[test]
fn man_pages_are_current() {
    let pages = man_pages().unwrap();
    for (name, text) in &pages {
        let path = docs("man").join(name);
        assert!(
            std::fs::read(&path).ok().as_ref() == Some(text),
            "{} is out of date: {CURE}",
            path.display()
        );
    }
    let files = std::fs::read_dir(docs("man")).unwrap().count();
    assert_eq!(files, pages.len(), "docs/man holds something else as well");
}

#[test]
fn help_of_init_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/init/help.txt");
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == init_help(), "{} is out of date: {CURE}", path.display());
}

#[test]
fn completions_are_current() {
    for (shell, name) in SHELLS {
        let path = docs("completions").join(name);
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(kept == completions(shell), "{} is out of date: {CURE}", path.display());
    }
}

#[test]
fn completions_ask_for_the_names_of_services() {
    for (shell, _) in SHELLS {
        assert!(completions(shell).contains("svctl names"), "{shell}");
    }
}

#[test]
fn bash_completes_names_wherever_they_may_stand() {
    let text = completions(Shell::Bash);
    for subcommand in ["status", "wait", "critical__subcmd__chain"] {
        let part = text.split_once(&format!(" svctl__subcmd__{subcommand})\n")).unwrap().1;
        assert!(part.lines().next().unwrap().contains("svctl names"), "{subcommand}");
    }
}

#[test]
fn completions_offer_nothing_that_is_hidden() {
    for (shell, _) in SHELLS {
        assert!(!completions(shell).contains("Write the man pages"), "{shell}");
        assert!(!completions(shell).contains("subcmd__man"), "{shell}");
    }
}
