//! `pulp-setup ready api|content|nginx`: whether a service answers, as a readiness check of `init`.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use super::facts::Facts;
use super::{Context, Problem};

/// Longer than Pulp takes to import itself: the first question waits in the listen queue until it is answered.
const PATIENCE: Duration = Duration::from_secs(55);

/// Asks once. Says what is wrong only if somebody looks: a service that is not ready yet is no problem.
pub fn run(context: &Context, args: &[String]) -> Result<(), Problem> {
    let facts = Facts::load(context)?;
    match args.first().map(String::as_str) {
        Some("api") => {
            let path = format!("{}api/v3/status/", facts.api_root);
            answers(bind(context, "PULP_API_BIND", "127.0.0.1:24817")?, &path)
        }
        Some("content") => {
            answers(bind(context, "PULP_CONTENT_BIND", "127.0.0.1:24816")?, &facts.content_path_prefix)
        }
        Some("nginx") => connects(context),
        _ => Err(Problem::config("which service?", "pulp-setup ready api|content|nginx")),
    }
}

fn bind(context: &Context, variable: &str, default: &str) -> Result<SocketAddr, Problem> {
    let wanted = context.var(variable).unwrap_or(default);
    // Whoever listens on every address listens on this one.
    let wanted = wanted.replacen("0.0.0.0:", "127.0.0.1:", 1).replacen("[::]:", "[::1]:", 1);
    wanted.to_socket_addrs().ok().and_then(|mut found| found.next()).ok_or_else(|| {
        Problem::config(
            format!("{variable} is \"{wanted}\""),
            format!("let it be ADDRESS:PORT, such as {default}"),
        )
    })
}

/// A GET of this path is answered with 200.
fn answers(address: SocketAddr, path: &str) -> Result<(), Problem> {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = [0; 64];
        let mut read = 0;
        while read < 12 {
            match stream.read(answer.get_mut(read..).unwrap_or_default())? {
                0 => break,
                count => read += count,
            }
        }
        Ok(String::from_utf8_lossy(answer.get(..read).unwrap_or_default()).into_owned())
    };
    match ask() {
        Ok(answer) if answer.split(' ').nth(1) == Some("200") => Ok(()),
        Ok(answer) => {
            let first = answer.lines().next().unwrap_or_default().to_owned();
            Err(Problem::new(format!("GET {path} of {address}: {first}"), "see its log: `svctl logs`"))
        }
        Err(error) => {
            Err(Problem::new(format!("GET {path} of {address}: {error}"), "see its log: `svctl logs`"))
        }
    }
}

/// nginx accepts connections. It is not asked anything: what it would answer is its services' business.
fn connects(context: &Context) -> Result<(), Problem> {
    let https = context.var("PULP_HTTPS").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let port = if https { 443 } else { 80 };
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    TcpStream::connect_timeout(&address, Duration::from_secs(5))
        .map(|_| ())
        .map_err(|error| Problem::new(format!("{address}: {error}"), "see its log: `svctl logs nginx`"))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn server(answer: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(answer.as_bytes());
        });
        address
    }

    #[test]
    fn a_200_is_ready_and_nothing_else_is() {
        assert!(answers(server("HTTP/1.1 200 OK\r\n\r\n"), "/").is_ok());
        assert!(answers(server("HTTP/1.1 500 Oops\r\n\r\n"), "/").is_err());
        assert!(answers(server(""), "/").is_err());
    }

    #[test]
    fn an_address_of_all_is_asked_at_the_loopback() {
        let context = Context::for_test(std::path::Path::new("/"), [("PULP_API_BIND", "0.0.0.0:1")]);
        assert_eq!(bind(&context, "PULP_API_BIND", "x").unwrap().to_string(), "127.0.0.1:1");
    }
}
