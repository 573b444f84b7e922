//! A configuration of nginx that stands in the place of the image's: mounted, or copied into an image.
//!
//! The image's file includes the one that the boot writes, and nothing else. So `nginx -t` and `nginx -s reload`, typed by a
//! person, find what nginx runs with, and any other file there is the user's. It is used as it is. Where it listens is asked of
//! nginx itself, which knows what its includes include.
//!
//! Of sockets that it is given (`LISTEN_FDS`) nginx takes those whose very address is in a `listen`, and closes the others
//! without a word. Their clients would wait for ever, so each is told with the line that is missing.

use std::fs;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use super::listens::as_listen;
use super::{CONFIG, RUN, nginx};
use crate::context::ROOT;
use crate::programs::sockets::{self, At, Given};
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
    let (words, given) = (listen_words(&said), sockets::given(context));
    left_out(&words, &given).iter().for_each(|line| context.say(line));
    let listens = first_listener(&words, &given).unwrap_or_default();
    files::write(context, &context.path(LISTENS), listens.as_bytes(), ROOT, 0o644)?;
    Ok(true)
}

/// Where the user's nginx listens, as seen from this container: `ADDRESS:PORT` or `unix:PATH`. Nothing if it does not say.
pub fn listens(context: &Context) -> Option<String> {
    let text = fs::read_to_string(context.path(LISTENS)).ok()?;
    (!text.is_empty()).then_some(text)
}

/// The addresses of each `listen` for connections.
fn listen_words(text: &str) -> Vec<String> {
    let datagrams = |words: &[String]| words.iter().any(|word| word == "udp" || word == "quic");
    let address = |words: Vec<String>| {
        let listens = words.first().is_some_and(|word| word == "listen") && !datagrams(&words);
        words.into_iter().nth(1).filter(|_| listens)
    };
    statements(text).into_iter().filter_map(address).collect()
}

/// The first that can be asked from here: a socket that was given may be of another network.
fn first_listener(words: &[String], given: &[Given]) -> Option<String> {
    let own = words.iter().filter(|word| !given.iter().any(|socket| is_at(word, &socket.at)));
    own.map(String::as_str).find_map(from_inside)
}

/// What is to be said of given sockets that no `listen` names.
fn left_out(words: &[String], given: &[Given]) -> Vec<String> {
    let unnamed = given.iter().filter(|socket| !words.iter().any(|word| is_at(word, &socket.at)));
    let line = |Given { name, at, .. }: &Given| {
        let cure = match as_listen(at) {
            Ok(address) => format!("{PLACE} has no `listen {address};`: add it to a server there"),
            Err(why) => why,
        };
        format!("nginx leaves out the socket `{name}` of LISTEN_FDS, whose clients wait: {cure}")
    };
    unnamed.map(line).collect()
}

/// Whether an address of the directive `listen` is the one of a socket.
fn is_at(word: &str, at: &At) -> bool {
    match at {
        At::Unix(path) => word.strip_prefix("unix:").is_some_and(|text| path.as_os_str() == text),
        At::Tcp(address) => {
            addresses(word).iter().any(|it| (it.ip(), it.port()) == (address.ip(), address.port()))
        }
        At::Elsewhere => false,
    }
}

/// The addresses of TCP that one of the directive `listen` means. `first-last` is a range of ports.
fn addresses(word: &str) -> Vec<SocketAddr> {
    let (host, ports) = parts(word);
    let host = if host == "*" { "0.0.0.0" } else { host };
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let (Ok(first), Ok(last)) = (first.parse::<u16>(), last.parse::<u16>()) else { return Vec::new() };
    let of = |port| format!("{host}:{port}").to_socket_addrs().into_iter().flatten();
    (first..=last).flat_map(of).collect()
}

/// Host and port of an address of the directive `listen`.
fn parts(address: &str) -> (&str, &str) {
    match address.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ if address.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') => ("*", address),
        _ => (address, "80"),
    }
}

/// An address of the directive `listen`, as a client of this container writes it.
fn from_inside(address: &str) -> Option<String> {
    if address.starts_with("unix:") {
        return Some(address.to_owned());
    }
    let (host, port) = parts(address);
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
        let listener = |text: &str| first_listener(&listen_words(text), &[]);
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

    #[test]
    fn given_sockets_are_found_by_their_addresses_and_others_are_told() {
        let tcp = |text: &str| At::Tcp(text.parse().unwrap());
        let given = |at: At| Given { fd: 3, name: "pulp.socket".to_owned(), at };
        let words = listen_words(
            "server { listen 8080; listen [::]:8080 ssl; listen unix:/run/w; listen 127.0.0.1; listen 9000-9002; }",
        );
        for at in ["0.0.0.0:8080", "[::]:8080", "127.0.0.1:80", "0.0.0.0:9001"] {
            assert_eq!(left_out(&words, &[given(tcp(at))]), Vec::<String>::new(), "{at}");
        }
        assert!(left_out(&words, &[given(At::Unix("/run/w".into()))]).is_empty());
        for (at, line) in [
            (tcp("127.0.0.1:8080"), "no `listen 127.0.0.1:8080;`: add it"),
            (tcp("[::1]:80"), "no `listen [::1]:80;`"),
            (At::Unix("/run/x".into()), "no `listen unix:/run/x;`"),
            (At::Elsewhere, "it is no TCP socket"),
        ] {
            let told = left_out(&words, &[given(at)]);
            assert!(
                told.len() == 1 && told[0].contains("`pulp.socket`") && told[0].contains(line),
                "{told:?}"
            );
        }
    }

    #[test]
    fn a_given_socket_is_not_asked_for_readiness() {
        let given = |text: &str| Given { fd: 3, name: String::new(), at: At::Tcp(text.parse().unwrap()) };
        let words = listen_words("server { listen 8080; } server { listen 81; }");
        assert_eq!(first_listener(&words, &[given("0.0.0.0:8080")]).as_deref(), Some("127.0.0.1:81"));
        assert_eq!(first_listener(&words[..1], &[given("0.0.0.0:8080")]), None);
    }
}
