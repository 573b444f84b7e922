//! How a script of s6 is run: as it is, through its interpreter, or, for the lines of oneshots, without any.
//!
//! s6-rc makes `run` executable and finds execline where it installed it. Here a script stays where it is, the file
//! system may be read-only, and an interpreter may be in another place than its `#!` says.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::places::{Places, is_program};

/// Programs of execline: a line with one of them as a word has to be read by execline.
const EXECLINE: &[&str] = &[
    "background",
    "backtick",
    "case",
    "define",
    "dollarat",
    "elgetopt",
    "elgetpositionals",
    "elglob",
    "eltest",
    "emptyenv",
    "envfile",
    "execline-cd",
    "execline-umask",
    "export",
    "fdblock",
    "fdclose",
    "fdmove",
    "fdreserve",
    "fdswap",
    "forbacktickx",
    "foreground",
    "forstdin",
    "forx",
    "getcwd",
    "getpid",
    "heredoc",
    "homeof",
    "if",
    "ifelse",
    "ifte",
    "ifthenelse",
    "importas",
    "loopwhilex",
    "multidefine",
    "multisubstitute",
    "pipeline",
    "piperw",
    "redirfd",
    "runblock",
    "shift",
    "trap",
    "tryexec",
    "unexport",
    "wait",
    "withstdinas",
];

/// A command line, and whether it may ask for the container's environment by itself.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Script {
    /// Program and arguments.
    pub exec: Vec<String>,
    /// It calls `with-contenv`.
    pub contenv: bool,
}

/// How to run a script (`run`, `finish`, one of `cont-init.d`). `shown` is the path to call it by.
///
/// # Errors
/// What is missing, as the end of the sentence "cannot run …: ".
pub fn command(places: &Places, file: &Path, shown: &str) -> Result<Script, String> {
    let bytes = head(file)?;
    let contenv = holds(&bytes, b"with-contenv");
    let exec = |exec: Vec<String>| Script { exec, contenv };
    let executable = is_program(file);
    let Some(line) = bytes.strip_prefix(b"#!") else {
        return match (bytes.starts_with(b"\x7fELF"), executable) {
            (true, true) => Ok(exec(vec![shown.to_owned()])),
            (true, false) => Err("it is not executable: chmod +x".to_owned()),
            (false, _) => Err("its first line is not `#!` and an interpreter".to_owned()),
        };
    };
    let line = line.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line).trim().to_owned();
    let (interpreter, argument) = line.split_once([' ', '\t']).unwrap_or((&line, ""));
    let argument = argument.trim();
    let found = interpreter_of(places, interpreter)?;
    if matches!(base(interpreter), "with-contenv" | "env")
        && !argument.starts_with('-')
        && !argument.is_empty()
    {
        places
            .program(argument)
            .ok_or_else(|| format!("it needs `{argument}`, which is not in this image"))?;
    }
    if found == interpreter && executable {
        return Ok(exec(vec![shown.to_owned()]));
    }
    let argument = Some(argument).filter(|argument| !argument.is_empty()).map(str::to_owned);
    Ok(exec([found].into_iter().chain(argument).chain([shown.to_owned()]).collect()))
}

/// Where the interpreter of a `#!` line is: there, or in `PATH` under the same name.
fn interpreter_of(places: &Places, interpreter: &str) -> Result<String, String> {
    if interpreter.starts_with('/') && places.program(interpreter).is_some() {
        return Ok(interpreter.to_owned());
    }
    places.program(base(interpreter)).ok_or_else(|| match base(interpreter) {
        "execlineb" => format!("it needs {interpreter}: install the package execline in the image"),
        _ => format!("it needs {interpreter}, which is not in this image"),
    })
}

/// How to run `up` or `down` of a oneshot, which is one command line in execline's syntax; `None`: nothing to do.
///
/// # Errors
/// As [`command`].
pub fn line(places: &Places, file: &Path, shown: &str) -> Result<Option<Script>, String> {
    let bytes = head(file)?;
    let contenv = holds(&bytes, b"with-contenv");
    let text = String::from_utf8_lossy(&bytes);
    let words = plain(&text);
    if words.as_ref().is_some_and(Vec::is_empty) {
        return Ok(None);
    }
    if let Some(exec) = words.filter(|words| !needs_execline(places, words)) {
        let program = exec.first().map(String::as_str).unwrap_or_default();
        return match places.program(program) {
            Some(_) => Ok(Some(Script { exec, contenv })),
            None if program.contains('/') && places.outside(program).is_file() => {
                Err(format!("{program} is not executable: chmod +x"))
            }
            None => Err(format!("it needs `{program}`, which is not in this image")),
        };
    }
    let Some(execlineb) = places.program("execlineb") else {
        return Err("it is written in execline: install the package execline in the image".to_owned());
    };
    Ok(Some(Script { exec: vec![execlineb, "-P".to_owned(), shown.to_owned()], contenv }))
}

fn needs_execline(places: &Places, words: &[String]) -> bool {
    words.iter().any(|word| EXECLINE.contains(&word.as_str()) && places.program(word).is_none())
}

/// The words of a line in which execline would change nothing; `None` if there is more to it: blocks or escapes.
fn plain(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    for line in text.lines() {
        let mut rest = line.trim_start();
        while !rest.is_empty() && !rest.starts_with('#') {
            if let Some(quoted) = rest.strip_prefix('"') {
                let (word, after) = quoted.split_once('"')?;
                words.push(word.to_owned());
                if word.contains('\\') || !after.is_empty() && !after.starts_with(char::is_whitespace) {
                    return None;
                }
                rest = after.trim_start();
            } else {
                let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
                let (word, after) = rest.split_at_checked(end)?;
                if word.contains(['{', '}', '"', '\\']) {
                    return None;
                }
                words.push(word.to_owned());
                rest = after.trim_start();
            }
        }
    }
    Some(words)
}

/// The beginning of a script; far more than any that is not a binary.
fn head(file: &Path) -> Result<Vec<u8>, String> {
    let cannot = |error: std::io::Error| format!("cannot read {}: {error}", file.display());
    let meta = std::fs::metadata(file).map_err(cannot)?;
    if !meta.is_file() || meta.permissions().mode() & 0o444 == 0 {
        return Err(format!("{} is no file that can be read", file.display()));
    }
    let mut bytes = Vec::new();
    File::open(file).and_then(|file| file.take(256 * 1024).read_to_end(&mut bytes)).map_err(cannot)?;
    Ok(bytes)
}

fn holds(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|window| window == word)
}

fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_without_blocks_are_words() {
        let words = |text: &str| plain(text).map(|words| words.join("|"));
        for (text, expected) in [
            ("/etc/init/x\n", "/etc/init/x"),
            (
                "#!/usr/bin/execlineb -S0\n\nwith-contenv\n  /etc/init/x  a # why\n",
                "with-contenv|/etc/init/x|a",
            ),
            ("echo \"two words\" $HOME x#y", "echo|two words|$HOME|x#y"),
            ("# nothing\n", ""),
        ] {
            assert_eq!(words(text).as_deref(), Some(expected), "{text}");
        }
        for text in
            ["foreground { echo } x", "echo \"a\\nb\"", "echo a\\ b", "echo \"open", "echo \"a\"b", "if{ x}"]
        {
            assert_eq!(words(text), None, "{text}");
        }
    }
}
