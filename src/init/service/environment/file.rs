//! Files of environment variables.
//!
//! ```text
//! # a comment
//! NAME=the rest of the line, as it is
//! QUOTED="two\nlines, a \" and a \$"
//! LITERAL='nothing is special here'
//! ```
//! Nothing is expanded: `$` means itself with and without its backslash. Values may hold any bytes but NUL.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// execve(2) would refuse far less than this.
const LARGEST_FILE: u64 = 1024 * 1024;

/// The variables of a file, in its order. One that does not exist is empty if `optional`.
///
/// # Errors
/// One line that names the file, the line and the cure.
pub fn read(path: &Path, optional: bool) -> Result<Vec<(OsString, OsString)>, String> {
    match contents(path) {
        Ok(text) => parse(&text).map_err(|(line, why)| format!("{}:{line}: {why}", path.display())),
        Err(error) if optional && error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let path = path.display();
            Err(format!(
                "cannot read environment file {path}: it does not exist; create it, or write \"-{path}\" if it may be missing"
            ))
        }
        Err(error) => Err(format!("cannot read environment file {}: {error}", path.display())),
    }
}

fn contents(path: &Path) -> io::Result<Vec<u8>> {
    // Non-blocking: opening a FIFO would otherwise wait for its writer, and all services with it.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut text = Vec::new();
    file.take(LARGEST_FILE + 1).read_to_end(&mut text)?;
    if text.len() as u64 > LARGEST_FILE {
        return Err(io::Error::other("it is larger than 1 MiB"));
    }
    Ok(text)
}

/// The variables of a file's text, in its order.
///
/// # Errors
/// The number of the first wrong line, from 1, and what is wrong with it.
pub fn parse(text: &[u8]) -> Result<Vec<(OsString, OsString)>, (usize, String)> {
    let mut variables = Vec::new();
    for (index, line) in text.split(|&b| b == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let (name, value) = assignment(line).map_err(|why| (index + 1, why))?;
        variables.push((OsString::from_vec(name), OsString::from_vec(value)));
    }
    Ok(variables)
}

fn assignment(line: &[u8]) -> Result<(Vec<u8>, Vec<u8>), String> {
    if line.contains(&0) {
        return Err("remove the NUL character".to_owned());
    }
    let Some(equals) = line.iter().position(|&b| b == b'=') else {
        return Err("no `=` here: write NAME=value, or `#` before a comment".to_owned());
    };
    let (name, value) = line.split_at_checked(equals).unwrap_or_default();
    if !is_name(name) {
        let name = String::from_utf8_lossy(name);
        return Err(format!(
            "`{name}` is no name of a variable: use letters, digits and `_`, with no space round `=`"
        ));
    }
    Ok((name.to_vec(), unquote(value.get(1..).unwrap_or_default())?))
}

fn is_name(name: &[u8]) -> bool {
    let inside = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    name.first().is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_') && name.iter().all(inside)
}

fn unquote(value: &[u8]) -> Result<Vec<u8>, String> {
    let (quoted, rest) = match value.split_first() {
        Some((b'\'', inside)) => literal(inside)?,
        Some((b'"', inside)) => escaped(inside)?,
        _ => return Ok(value.to_vec()),
    };
    let rest = rest.trim_ascii();
    if rest.is_empty() || rest.starts_with(b"#") {
        return Ok(quoted);
    }
    Err("text after the closing quote: put all of the value into the quotes".to_owned())
}

fn literal(inside: &[u8]) -> Result<(Vec<u8>, &[u8]), String> {
    let end = inside.iter().position(|&b| b == b'\'').ok_or_else(unclosed)?;
    let (value, rest) = inside.split_at_checked(end).unwrap_or_default();
    Ok((value.to_vec(), rest.get(1..).unwrap_or_default()))
}

/// `\n`, `\"`, `\\` and `\$`; any other backslash means itself.
fn escaped(inside: &[u8]) -> Result<(Vec<u8>, &[u8]), String> {
    let mut value = Vec::new();
    let mut rest = inside;
    loop {
        rest = match rest {
            [b'"', after @ ..] => return Ok((value, after)),
            [b'\\', b'n', after @ ..] => {
                value.push(b'\n');
                after
            }
            [b'\\', c @ (b'"' | b'\\' | b'$'), after @ ..] | [c, after @ ..] => {
                value.push(*c);
                after
            }
            [] => return Err(unclosed()),
        };
    }
}

fn unclosed() -> String {
    "the closing quote is missing: a value ends on its line; write \\n in \"…\" for a line break".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Vec<(String, String)> {
        let variables = parse(text.as_bytes()).unwrap();
        variables.into_iter().map(|(n, v)| (n.into_string().unwrap(), v.into_string().unwrap())).collect()
    }

    #[test]
    fn values_are_taken_as_they_are_without_quotes() {
        let text = "# comment\n\n  A=x y # not a comment  \r\nB=\nC_1.x-y==$HOME\\n\nD=it's\n";
        let expected = [("A", "x y # not a comment"), ("B", ""), ("C_1.x-y", "=$HOME\\n"), ("D", "it's")];
        assert_eq!(parsed(text), expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
    }

    #[test]
    fn quotes_keep_spaces_and_double_ones_know_escapes() {
        let text = "A=' \\n\"x '  # comment\nB=\" \\n\\\"\\\\\\$\\q' \"\nC=''\nD=\"\"#c\n";
        let expected = [("A", " \\n\"x "), ("B", " \n\"\\$\\q' "), ("C", ""), ("D", "")];
        assert_eq!(parsed(text), expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
    }

    #[test]
    fn wrong_lines_are_named_by_file_and_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("env");
        for wrong in
            ["export A=1", "A = 1", "A", "=1", "1A=1", "A=\"x", "A='x", "A='x'y", "A=\0", "A=\"x\\\""]
        {
            std::fs::write(&path, format!("OK=1\n#\n{wrong}\n")).unwrap();
            let error = read(&path, true).unwrap_err();
            assert!(error.starts_with(&format!("{}:3: ", path.display())), "{error}");
        }
    }

    #[test]
    fn missing_directory_and_oversized_files_say_so() {
        let dir = tempfile::tempdir().unwrap();
        assert!(read(&dir.path().join("none"), false).unwrap_err().contains("may be missing"));
        assert_eq!(read(&dir.path().join("none"), true), Ok(Vec::new()));
        assert!(read(dir.path(), true).unwrap_err().contains("regular file"));
        std::fs::write(dir.path().join("big"), vec![b'#'; 1024 * 1024 + 1]).unwrap();
        assert!(read(&dir.path().join("big"), true).unwrap_err().contains("1 MiB"));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_parsed_without_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }

        #[test]
        fn any_text_survives_quoting(value in "[^\0]*") {
            let quoted = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let line = format!("A=\"{quoted}\"");
            proptest::prop_assert_eq!(assignment(line.as_bytes()).map(|(_, v)| v), Ok(value.into_bytes()));
        }
    }
}
