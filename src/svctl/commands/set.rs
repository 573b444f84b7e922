//! `svctl set`: other keys of a service's definition until the next boot.
//!
//! They are a drop-in below `init`'s runtime directory, which `init` reads after all other definitions and removes at its boot.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use super::args::Set;
use super::ask::{AT_ONCE, Init, finished, finished_aloud, received};
use crate::exit::{Code, Trouble};
use crate::output::Out;
use crate::replace::{Lasting, replace};
use crate::started::Started;
use init_control::path;
use init_control::wire::Request;
use init_plan::id;

/// The drop-in's name in the directory of its service.
const FILE: &str = "set.toml";

/// `svctl set`.
pub fn set(init: &Init, options: &Set, out: &mut Out) -> Result<(), Trouble> {
    let name = definition_of(init, &options.name)?;
    let directory = path::set_directory(&Started::of(init)?.runtime);
    let file = directory.join(format!("{name}.d")).join(FILE);
    let before = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(failed("read", &file, &error)),
    };
    if options.keys.is_empty() && !options.reset {
        return out.write(&before);
    }
    let base = if options.reset { "" } else { &before };
    let after = with_keys(base, &options.keys);
    if after == before {
        return out.write("nothing changes\n");
    }
    write(&file, &after).map_err(|error| failed("write", &file, &error))?;
    if let Err(trouble) = try_it(init) {
        // What was so before is so again.
        write(&file, &before).map_err(|error| failed("write", &file, &error))?;
        return Err(trouble);
    }
    for answer in init.ask(&Request::Reload { names: Vec::new() }, None)? {
        finished_aloud(received(answer)?, out)?;
    }
    Ok(())
}

/// The name of the file that a service's keys are in: an instance has one of its own, and so has its template.
fn definition_of(init: &Init, name: &str) -> Result<String, Trouble> {
    let (services, _) = init.services(std::slice::from_ref(&name.trim_end_matches('@').to_owned()))?;
    let template = format!("{}@", name.trim_end_matches('@'));
    if services.iter().any(|service| service.name == name) {
        return Ok(name.to_owned());
    }
    if !services.is_empty() && services.iter().all(|service| service.name.starts_with(&template)) {
        return Ok(template);
    }
    let message = format!("{name} is a bundle: name one service or template of it");
    Err(Trouble::said(Code::Usage, id!("C0301"), message))
}

/// Whether `init` takes the definitions as they are now.
fn try_it(init: &Init) -> Result<(), Trouble> {
    for answer in init.ask(&Request::Diff, AT_ONCE)? {
        finished(received(answer)?)?;
    }
    Ok(())
}

/// The text of a drop-in, a key a line, with these keys in place of what it says of them.
fn with_keys(text: &str, keys: &[(String, Option<String>)]) -> String {
    let mut lines: Vec<(&str, &str)> = text.lines().filter_map(|line| line.split_once(" = ")).collect();
    for (key, value) in keys {
        let is_below =
            |other: &str| other.strip_prefix(key.as_str()).is_some_and(|rest| rest.starts_with('.'));
        let is_above = |other: &str| key.strip_prefix(other).is_some_and(|rest| rest.starts_with('.'));
        lines.retain(|(other, _)| *other != key.as_str() && !is_below(other) && !is_above(other));
        lines.extend(value.as_ref().map(|value| (key.as_str(), value.as_str())));
    }
    lines.iter().map(|(key, value)| format!("{key} = {value}\n")).collect()
}

/// Reads `KEY=VALUE`. A value that is TOML is taken as it is, any other as a string; none takes the key back.
///
/// # Errors
/// One line that says what would do.
pub fn assignment(text: &str) -> Result<(String, Option<String>), String> {
    let (key, value) = text
        .split_once('=')
        .ok_or_else(|| format!("write KEY=VALUE, such as restart.delay=5s, not `{text}`"))?;
    let is_plain = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
    };
    if !key.split('.').all(is_plain) {
        return Err(format!(
            "`{key}` is no key: write it with the tables that it is in, such as restart.delay"
        ));
    }
    if value.is_empty() {
        return Ok((key.to_owned(), None));
    }
    if value.chars().any(char::is_control) {
        return Err(format!("the value of {key} has a control character"));
    }
    let is_toml = format!("x = {value}").parse::<toml::Table>().is_ok_and(|table| table.len() == 1);
    let value = if is_toml { value.to_owned() } else { serde_json::Value::from(value).to_string() };
    Ok((key.to_owned(), Some(value)))
}

/// Replaces the file as a whole; without text it goes away. Values may be secrets, so it is for its owner alone.
fn write(file: &Path, text: &str) -> io::Result<()> {
    if text.is_empty() {
        return match fs::remove_file(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
    }
    if let Some(directory) = file.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    replace(file, text, 0o600, Lasting::No)
}

fn failed(what: &str, file: &Path, error: &io::Error) -> Trouble {
    let code = if error.kind() == io::ErrorKind::PermissionDenied { Code::Denied } else { Code::Failed };
    Trouble::said(code, id!("C0302"), format!("cannot {what} {}: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_is_toml_or_else_a_string() {
        for (text, key, value) in [
            ("restart.delay=5s", "restart.delay", Some("\"5s\"")),
            ("nice=5", "nice", Some("5")),
            ("essential=true", "essential", Some("true")),
            ("exec=[\"a\", \"b=c\"]", "exec", Some("[\"a\", \"b=c\"]")),
            ("env.set.A=x = \"y\"", "env.set.A", Some("\"x = \\\"y\\\"\"")),
            ("description=\"5\"", "description", Some("\"5\"")),
            ("nice=", "nice", None),
        ] {
            assert_eq!(assignment(text), Ok((key.to_owned(), value.map(str::to_owned))), "{text}");
        }
        for wrong in ["nice", "=5", "a..b=1", "a b=1", "nice=5\nexec=1", "[x]=1"] {
            assert!(assignment(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn key_takes_the_place_of_what_was_said_of_it() {
        let set = |text: &str, words: &[&str]| {
            let keys: Vec<_> = words.iter().map(|word| assignment(word).unwrap()).collect();
            with_keys(text, &keys)
        };
        let text = set("", &["restart.delay=5s", "nice=5"]);
        assert_eq!(text, "restart.delay = \"5s\"\nnice = 5\n");
        assert_eq!(set(&text, &["nice=6"]), "restart.delay = \"5s\"\nnice = 6\n");
        assert_eq!(set(&text, &["restart=never"]), "nice = 5\nrestart = \"never\"\n");
        assert_eq!(set("restart = \"never\"\n", &["restart.delay=5s"]), "restart.delay = \"5s\"\n");
        assert_eq!(set(&text, &["nice=", "restart.delay="]), "");
    }

    #[test]
    fn file_is_for_its_owner_alone_and_goes_away_with_its_last_key() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("set/web.d/set.toml");
        write(&file, "nice = 5\n").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "nice = 5\n");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(file.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
        write(&file, "").unwrap();
        write(&file, "").unwrap();
        assert!(!file.exists());
    }
}
