//! `svctl show`.

use std::fmt::Write;

use super::paint::{self, BOLD, DIM, one_line};
use crate::commands::definition::{Difference, Key, Shown};
use crate::output::Screen;

/// Each service with the keys of its definition, and the file and line that each comes from.
pub fn show(services: &[Shown], screen: Screen) -> String {
    let mut text = String::new();
    for (index, service) in services.iter().enumerate() {
        text.push_str(if index == 0 { "" } else { "\n" });
        paint::add(&mut text, &service.name, BOLD, screen.colour);
        text.push_str(if service.changed { ": changed on disk; a restart applies it\n" } else { "\n" });
        let mut file = "";
        for key in &service.keys {
            if key.file != file {
                file = &key.file;
                paint::add(&mut text, &format!("  # {file}\n"), DIM, screen.colour);
            }
            let _ = write!(text, "  {:>4}  {} = {}", key.line, key.key, one_line(&key.value));
            if !key.variables.is_empty() {
                paint::add(&mut text, &format!("  # {}", key.variables.join(", ")), DIM, screen.colour);
            }
            text.push('\n');
        }
    }
    text
}

/// A service that a reload changes, and which keys of it, with the file and line that say it now.
pub fn diff(one: &Difference, screen: Screen) -> String {
    let mut text = String::new();
    paint::add(&mut text, &one.name, BOLD, screen.colour);
    let _ = writeln!(text, ": {}", one.what);
    for Key { changed, file, line } in &one.keys {
        let value = |value: &Option<String>| {
            value.as_deref().map_or("(default)".to_owned(), |value| one_line(value).into_owned())
        };
        let _ = write!(text, "  {} = {} -> {}", changed.key, value(&changed.from), value(&changed.to));
        if let (Some(file), Some(line)) = (file, line) {
            paint::add(&mut text, &format!("  # {file}:{line}"), DIM, screen.colour);
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Changed;
    use init_plan::Origin;

    #[test]
    fn keys_stand_below_their_files_with_their_variables() {
        let key = |key: &str, value: &str, file: &str, line, variables: &[&str]| Origin {
            key: key.into(),
            value: value.into(),
            file: file.into(),
            line,
            variables: variables.iter().map(|&name| name.into()).collect(),
        };
        let keys = vec![
            key("exec", "[\"web\"]", "/etc/services.d/web.toml", 1, &[]),
            key("restart.delay", "\"1\u{1b}s\"", "/etc/services.d/web.toml", 12, &["DELAY"]),
            key("nice", "5", "/etc/services.d/web.d/x.toml", 1, &[]),
        ];
        let shown = [Shown { name: "web".into(), changed: true, keys }];
        let expected = "\
web: changed on disk; a restart applies it
  # /etc/services.d/web.toml
     1  exec = [\"web\"]
    12  restart.delay = \"1\u{fffd}s\"  # DELAY
  # /etc/services.d/web.d/x.toml
     1  nice = 5
";
        assert_eq!(show(&shown, Screen::default()), expected);
    }

    #[test]
    fn keys_that_change_stand_below_their_service() {
        let key = |key: &str, from: Option<&str>, to: Option<&str>, line: Option<usize>| Key {
            changed: Changed { key: key.into(), from: from.map(str::to_owned), to: to.map(str::to_owned) },
            file: line.map(|_| "/etc/services.d/web.toml".into()),
            line,
        };
        let keys = vec![
            key("nice", Some("1"), None, None),
            key("restart.delay", Some("\"1s\""), Some("\"\u{1b}2s\""), Some(4)),
        ];
        let one = Difference { name: "web".into(), what: "changed", keys };
        let expected = "\
web: changed
  nice = 1 -> (default)
  restart.delay = \"1s\" -> \"\u{fffd}2s\"  # /etc/services.d/web.toml:4
";
        assert_eq!(diff(&one, Screen::default()), expected);
    }
}
