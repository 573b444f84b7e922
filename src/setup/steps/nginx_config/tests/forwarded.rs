//! What Pulp is told of the address that a client used, by a real nginx.

use super::*;

/// What a client, or a proxy before us, says: `Host` and others.
fn told(nginx: &Running, path: &str, headers: &[(&str, &str)]) -> String {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    exchange_with(TcpStream::connect(("127.0.0.1", nginx.ports.http)).unwrap(), path, &headers)
}

/// A header as Pulp gets it.
fn header<'a>(said: &'a str, name: &str) -> Option<&'a str> {
    let found = said.lines().filter_map(|line| line.split_once(": ")).find(|(key, _)| *key == name);
    found.map(|(_, value)| value)
}

const HOST: (&str, &str) = ("Host", "localhost:9000");
const PROTO: &str = "X-Forwarded-Proto";
const NAME: &str = "X-Forwarded-Host";
const PORT: &str = "X-Forwarded-Port";
const FOR: &str = "X-Forwarded-For";
const CERTIFICATE: &str = "X-CLIENT-CERT";

#[test]
fn pulp_is_told_the_address_that_the_client_used() {
    if !has_nginx() {
        return;
    }
    let nginx = Running::start(image_with_applications());
    for (headers, scheme, host) in [
        (&[HOST][..], "http", "localhost:9000"),
        (&[HOST, (PROTO, "https")], "https", "localhost:9000"),
        (&[HOST, (PROTO, "HTTPS, http")], "https", "localhost:9000"),
        (&[HOST, (PROTO, "gopher")], "http", "localhost:9000"),
        (&[HOST, (PROTO, "https"), (NAME, "pulp.example.com")], "https", "pulp.example.com"),
        (&[HOST, (PROTO, "https"), (NAME, "pulp.example.com:8443")], "https", "pulp.example.com:8443"),
        (&[HOST, (NAME, "outer.example.com, inner")], "http", "outer.example.com"),
        (&[HOST, (NAME, "[fd00::7]:81")], "http", "[fd00::7]:81"),
        // No name: the client's own counts.
        (&[HOST, (NAME, "evil.example.com/\"><script>")], "http", "localhost:9000"),
        (&[HOST, (NAME, "$host")], "http", "localhost:9000"),
        (&[("Host", "pulp"), (PROTO, "https"), (PORT, "9443")], "https", "pulp:9443"),
        (&[("Host", "pulp"), (PROTO, "https"), (PORT, "443")], "https", "pulp"),
        (&[("Host", "pulp"), (PORT, "80")], "http", "pulp"),
        (&[("Host", "pulp"), (PROTO, "https"), (PORT, "443, 80")], "https", "pulp"),
        (&[("Host", "pulp"), (PROTO, "https"), (PORT, "8443, 80")], "https", "pulp:8443"),
        (&[("Host", "[::1]"), (PORT, "81")], "http", "[::1]:81"),
        (&[("Host", "pulp"), (PORT, "81/")], "http", "pulp"),
        // The port of the name is the client's; the other one may be that of a machine behind it.
        (&[HOST, (PROTO, "https"), (PORT, "443")], "https", "localhost:9000"),
    ] {
        // In a location of ours, and in one of a plugin.
        for path in ["/pulp/api/v3/", "/v2/", "/pulp/content/"] {
            let said = told(&nginx, path, headers);
            assert_eq!(
                (header(&said, PROTO), header(&said, "Host")),
                (Some(scheme), Some(host)),
                "{headers:?}: {said}"
            );
            assert_eq!((header(&said, NAME), header(&said, PORT)), (Some(host), None), "{headers:?}: {said}");
        }
    }
    let said = told(&nginx, "/pulp/content/", &[HOST, (CERTIFICATE, "a%20b")]);
    assert_eq!(header(&said, CERTIFICATE), Some("a%20b"));
    let said = told(&nginx, "/", &[HOST, (FOR, "192.0.2.1, 10.0.0.1")]);
    assert_eq!(header(&said, FOR), Some("192.0.2.1, 10.0.0.1, 127.0.0.1"));
}

#[test]
fn who_is_no_trusted_proxy_is_not_believed() {
    if !has_nginx() {
        return;
    }
    for trusted in ["none", "192.0.2.0/24,::1"] {
        let nginx = Running::start(image_with_applications().with("PULP_TRUSTED_PROXIES", trusted));
        let lies = [
            HOST,
            (PROTO, "https"),
            (NAME, "evil.example.com"),
            (PORT, "1"),
            (FOR, "192.0.2.1"),
            ("X-Forwarded-Ssl", "on"),
            ("X-Forwarded-Protocol", "ssl"),
            ("Forwarded", "host=evil.example.com"),
            (CERTIFICATE, "a"),
        ];
        for path in ["/pulp/api/v3/", "/v2/", "/pulp/content/"] {
            let said = told(&nginx, path, &lies);
            let seen = [PROTO, "Host", NAME, FOR].map(|name| header(&said, name).unwrap());
            assert_eq!(seen, ["http", "localhost:9000", "localhost:9000", "127.0.0.1"], "{said}");
            for other in [PORT, "X-Forwarded-Ssl", "X-Forwarded-Protocol", "Forwarded", CERTIFICATE] {
                assert_eq!(header(&said, other), None, "{said}");
            }
        }
    }
}

#[test]
fn http_sends_nobody_to_a_name_that_is_not_ours() {
    if !has_nginx() {
        return;
    }
    let redirected = |image: Image, host: &str| {
        let nginx = Running::start(image);
        header(&told(&nginx, "/a?b=c", &[("Host", host)]), "Location").unwrap().to_owned()
    };
    let image = || image_with_applications().with_certificate().0;
    let named = || image().with("PULP_HOSTNAME", "pulp.example.com,fd00::9");
    for (host, name) in [
        ("pulp.example.com:8080", "pulp.example.com"),
        ("localhost", "localhost"),
        ("[fd00::9]", "[fd00::9]"),
        ("evil.example.com", "pulp.example.com"),
    ] {
        assert_eq!(redirected(named(), host), format!("https://{name}/a?b=c"), "{host}");
    }
    let mut told = image();
    told.settings.content_origin = Some("https://origin.example.com:8443".to_owned());
    assert_eq!(redirected(told, "evil.example.com"), "https://origin.example.com:8443/a?b=c");
    // Nobody has said which names are ours.
    assert_eq!(redirected(image(), "any.example.com"), "https://any.example.com/a?b=c");
}

#[test]
fn only_what_takes_no_uploads_limits_them() {
    let mut image = Image::new();
    image.settings.domain_enabled = true;
    let text = image.text();
    assert_eq!(lines(&text, "client_max_body_size")[0], "client_max_body_size 0;");
    for path in ["^~ /pulp/content/", "/auth/login/"] {
        assert!(directives(&text, path).contains(&"client_max_body_size 10m".to_owned()), "{path}");
    }
    assert_eq!(lines(&text, "client_max_body_size").len(), 3);
}
