//! Locations that the plugins bring, copied with the headers of ours: theirs know of no proxy before this nginx.

use std::fs;
use std::path::{Path, PathBuf};

use super::addresses::HEADERS;
use crate::context::ROOT;
use crate::volume::files;
use crate::{Context, Problem};

/// What plugins write, all three in each location. The first of them gives way to ours, the others go.
const THEIRS: [&str; 3] = [
    "proxy_set_header Host $http_host;",
    "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
    "proxy_set_header X-Forwarded-Proto $scheme;",
];

/// Copies the locations in these directories, each changed by a function too.
pub fn copy(
    context: &Context,
    from: &[PathBuf],
    to: &Path,
    change: impl Fn(String) -> String,
) -> Result<(), Problem> {
    // What is there is of an earlier start.
    let _ = fs::remove_dir_all(to);
    files::directory(context, to, ROOT, 0o755)?;
    for (number, from) in from.iter().enumerate() {
        for path in locations(from) {
            let text = fs::read_to_string(&path).map_err(|error| Problem::io("read", &path, &error))?;
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let copy = to.join(format!("{number}-{name}"));
            let text = change(with_our_headers(&text));
            // For nginx's master alone: a file of the user's may be a link to what others must not read.
            files::write(context, &copy, text.as_bytes(), ROOT, 0o600)?;
        }
    }
    Ok(())
}

/// Files that nginx would include.
fn locations(directory: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|it| it == "conf"))
}

/// Text without the headers that plugins write, and with ours in their place. Whoever writes others is left alone.
fn with_our_headers(snippet: &str) -> String {
    let mut out = String::with_capacity(snippet.len());
    for line in snippet.split_inclusive('\n') {
        match THEIRS.iter().position(|theirs| line.trim() == *theirs) {
            None => out.push_str(line),
            Some(0) => out.extend(HEADERS.iter().map(|header| format!("    {header}\n"))),
            Some(_) => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_location_of_a_plugin_gets_our_headers_once_and_keeps_the_rest() {
        let theirs = include_str!("../../../../tests/data/snippets/pulp_container.conf");
        let ours = with_our_headers(theirs);
        let count = |text: &str, word: &str| text.matches(word).count();
        for header in HEADERS {
            assert_eq!(count(&ours, header), count(theirs, "location "), "{header}");
        }
        assert!(THEIRS.iter().all(|header| !ours.contains(header)), "{ours}");
        assert_eq!(count(&ours, "proxy_pass"), count(theirs, "proxy_pass"));
        let own = "location /x/ {\n    proxy_set_header X-CLIENT-CERT $ssl_client_cert;\n}\n";
        assert_eq!(with_our_headers(own), own);
    }

    #[test]
    fn a_copy_is_for_nobody_else_whatever_the_users_file_leads_to() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let dir = tempfile::tempdir().unwrap();
        let context = Context::for_test(dir.path(), []);
        let (from, to) = (dir.path().join("nginx.d"), dir.path().join("copies"));
        fs::create_dir(&from).unwrap();
        fs::write(dir.path().join("secret"), "secret").unwrap();
        symlink("../secret", from.join("mine.conf")).unwrap();
        copy(&context, std::slice::from_ref(&from), &to, |text| text).unwrap();
        let made = to.join("0-mine.conf");
        assert_eq!(fs::read_to_string(&made).unwrap(), "secret");
        assert_eq!(fs::metadata(&made).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
