//! A configuration of nginx that stands in the place of the image's: mounted, or copied into an image.
//!
//! The image's file includes the one that the boot writes, and nothing else. So `nginx -t` and `nginx -s reload`, typed by a
//! person, find what nginx runs with, and any other file there is the user's. It is used as it is. Where it listens is asked of
//! nginx itself, which knows what its includes include.

use std::fs;
use std::path::PathBuf;

use super::{CONFIG, RUN, nginx};
use crate::context::ROOT;
use crate::steps::route_paths::{Token, tokens};
use crate::volume::files;
use crate::{Context, Problem};

/// Where nginx has its configuration by default.
pub const PLACE: &str = "/etc/nginx/nginx.conf";

/// Where it listens, for the readiness check.
const LISTENS: &str = "/run/pulp/nginx/listens";

/// The file, if it is not the image's.
pub fn file(context: &Context) -> Option<PathBuf> {
    let path = context.path(PLACE);
    let text = fs::read_to_string(&path);
    let ours = text.as_ref().is_ok_and(|text| statements(text) == [["include", CONFIG]]);
    (path.exists() && !ours).then_some(path)
}

/// What nginx runs with.
pub fn or_ours(context: &Context) -> PathBuf {
    file(context).unwrap_or_else(|| context.path(CONFIG))
}

/// What to tell nginx beside that, so that it stays in the foreground: a directive must not be given twice.
pub fn words(context: &Context) -> Vec<&'static str> {
    let text = file(context).and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
    let said = statements(&text).iter().any(|words| words.first().is_some_and(|word| word == "daemon"));
    if file(context).is_none() || said { Vec::new() } else { vec!["-g", "daemon off;"] }
}

/// Tries the user's file, says that it is used, and remembers where it listens.
pub fn use_it(context: &Context) -> Result<bool, Problem> {
    let Some(path) = file(context) else { return Ok(false) };
    let said = nginx(context).arg("-T").arg("-c").arg(&path).run(
        "use your configuration of nginx",
        "correct the file and line it names, or take your /etc/nginx/nginx.conf away to have the image's own",
    )?;
    context.say(&format!(
        "nginx is configured by {PLACE}, which is yours: variables such as PULP_HTTPS, and /etc/pulp/nginx.d, count for nothing in it"
    ));
    files::directory(context, &context.path(RUN), ROOT, 0o755)?;
    let listens = first_listener(&said).unwrap_or_default();
    files::write(context, &context.path(LISTENS), listens.as_bytes(), ROOT, 0o644)?;
    Ok(true)
}

/// Where the user's nginx listens, as seen from this container: `ADDRESS:PORT` or `unix:PATH`. Nothing if it does not say.
pub fn listens(context: &Context) -> Option<String> {
    let text = fs::read_to_string(context.path(LISTENS)).ok()?;
    (!text.is_empty()).then_some(text)
}

fn first_listener(text: &str) -> Option<String> {
    let statements = statements(text);
    let listen = statements.iter().filter(|words| words.first().is_some_and(|word| word == "listen"));
    let datagrams = |words: &&Vec<String>| words.iter().any(|word| word == "udp" || word == "quic");
    listen.filter(|words| !datagrams(words)).find_map(|words| from_inside(words.get(1)?))
}

/// An address of the directive `listen`, as a client of this container writes it.
fn from_inside(address: &str) -> Option<String> {
    if address.starts_with("unix:") {
        return Some(address.to_owned());
    }
    let (host, port) = match address.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ if address.bytes().all(|byte| byte.is_ascii_digit()) => ("*", address),
        _ => (address, "80"),
    };
    let host = match host {
        "*" | "0.0.0.0" => "127.0.0.1",
        "[::]" => "[::1]",
        other => other,
    };
    port.parse::<u16>().ok().map(|port| format!("{host}:{port}"))
}

/// The words of each directive, wherever it stands.
fn statements(text: &str) -> Vec<Vec<String>> {
    let (mut all, mut words) = (Vec::new(), Vec::new());
    for token in tokens(text) {
        match token {
            Token::Word(word) => words.push(word),
            Token::Open | Token::Close => words.clear(),
            Token::End => all.push(std::mem::take(&mut words)),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: Option<&str>) -> (tempfile::TempDir, Context) {
        let dir = tempfile::tempdir().unwrap();
        let context = Context::for_test(dir.path(), []);
        fs::create_dir_all(context.path("/etc/nginx")).unwrap();
        if let Some(text) = text {
            fs::write(context.path(PLACE), text).unwrap();
        }
        (dir, context)
    }

    #[test]
    fn the_images_file_is_not_the_users_and_any_other_is() {
        let image = include_str!("../../../../images/pulp/files/nginx.conf");
        let own = |text: Option<&str>| file(&with(text).1).is_some();
        assert!(!own(None) && !own(Some(image)));
        assert!(own(Some("")) && own(Some("events {}")) && own(Some(&format!("{image}\nuser nginx;"))));
    }

    #[test]
    fn nginx_is_told_to_stay_in_the_foreground_unless_the_file_says_it() {
        let words_for = |text| words(&with(text).1);
        assert_eq!(words_for(Some("user nginx nginx; events {}")), ["-g", "daemon off;"]);
        assert_eq!(words_for(Some("# daemon on;\nevents {}")), ["-g", "daemon off;"]);
        assert!(words_for(Some("daemon off;\nevents {}")).is_empty());
        assert!(words_for(None).is_empty());
    }

    #[test]
    fn the_first_listener_is_found_wherever_it_stands() {
        let listener = |text: &str| first_listener(text);
        let server = |listen: &str| format!("http {{ server {{ listen {listen}; }} }}");
        for (listen, place) in [
            ("2225 ssl default_server", "127.0.0.1:2225"),
            ("*:81", "127.0.0.1:81"),
            ("[::]:8080 ipv6only=off", "[::1]:8080"),
            ("10.0.0.1", "10.0.0.1:80"),
            ("localhost:8000", "localhost:8000"),
            ("unix:/run/nginx.sock", "unix:/run/nginx.sock"),
        ] {
            assert_eq!(listener(&server(listen)).as_deref(), Some(place));
        }
        assert_eq!(listener("server { listen 443 quic; listen 444 ssl; }").as_deref(), Some("127.0.0.1:444"));
        assert_eq!(listener("events {}"), None);
    }
}
