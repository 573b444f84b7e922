//! Pages for people: the browsable API, and the web interface where the image has one.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::harness::{Boot, Pulp, curl, podman, shared, turn};
use crate::programs::init;

/// Every address on this site that a page refers to.
fn references(page: &str) -> BTreeSet<String> {
    let parts = ["href=\"", "src=\""].into_iter().flat_map(|mark| page.split(mark).skip(1));
    let all = parts.filter_map(|part| part.split('"').next()).map(|it| it.replace("&amp;", "&"));
    all.filter(|it| it.starts_with('/')).collect()
}

fn page(pulp: &Pulp, path: &str) -> String {
    curl(&["--header", "Accept: text/html", &pulp.url(path)]).expect(200).text()
}

fn nothing_is_missing(pulp: &Pulp, path: &str) {
    let all = references(&page(pulp, path));
    assert!(all.iter().filter(|it| it.starts_with("/assets/")).count() >= 3, "{all:?}");
    for reference in all {
        let answer = pulp.get(&reference);
        assert!([200, 401, 403].contains(&answer.status), "{reference}: {}", answer.status);
    }
}

#[test]
fn the_browsable_api_has_all_that_it_refers_to() {
    let _turn = turn();
    nothing_is_missing(shared(), "/pulp/api/v3/");
}

/// The smallest thing that does what the web interface does: it reads its description of Pulp, and asks Pulp.
const INTERFACE: [(&str, &str); 3] = [
    (
        "index.html",
        "<!doctype html><title>UI</title><p id=out>nothing</p><script type=module src=/static/pulp_ui/app.js></script>",
    ),
    (
        "app.js",
        "const config = await (await fetch('/pulp-ui-config.json')).json();\n\
         const status = await (await fetch(config.API_BASE_PATH + 'status/')).json();\n\
         document.getElementById('out').textContent = config.API_BASE_PATH + ' has ' + status.versions.length + ' parts';\n",
    ),
    ("pulp-ui-config.json", r#"{"API_BASE_PATH": "/pulp/api/v3/", "UI_BASE_PATH": "/ui/"}"#),
];

/// A directory with it.
fn interface() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    for (name, text) in INTERFACE {
        fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

/// Asks for the interface, with the API at `/x/`: its pages, its description of Pulp, and what it makes of it in a browser.
fn interface_works(boot: Boot) {
    let pulp = boot.env("PULP_API_ROOT", "/x/").env("PULP_WORKERS", "1").ready();
    for path in ["/ui/", "/ui/containers/one", "/static/pulp_ui/index.html"] {
        assert!(pulp.get(path).expect(200).text().contains("<title>UI</title>"), "{path}");
    }
    let config = pulp.get("/pulp-ui-config.json").expect(200).json();
    assert_eq!(config["API_BASE_PATH"], "/x/api/v3/");
    nothing_is_missing(&pulp, "/x/api/v3/");
    let Some(browser) = ["chromium", "chromium-browser"].into_iter().find(|it| is_there(it)) else {
        return needs::skip("chromium", "needs a browser, to run the web interface");
    };
    let mut browser = Command::new(browser);
    browser.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--virtual-time-budget=10000",
        "--dump-dom",
    ]);
    let said = browser.arg(pulp.url("/ui/")).output().unwrap();
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.contains("/x/api/v3/ has "), "{said}");
}

#[test]
fn the_web_interface_is_served_if_the_image_has_one_and_finds_the_api() {
    let _turn = turn();
    let dir = interface();
    interface_works(Boot::new("ui").mount(dir.path().to_str().unwrap(), "/var/lib/operator/static/pulp_ui"));
    // Without one there is nothing, and nobody expects it.
    assert_eq!(shared().get("/ui/").status, 404);
    assert!(!shared().logs().contains("PULP_UI"));
}

/// Answers each request with these bytes, as long as the tests run.
fn served(bytes: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            // curl's request is shorter, and comes at once.
            let _ = stream.read(&mut [0; 4096]);
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", bytes.len());
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&bytes));
        }
    });
    address
}

/// An image that goes with the test.
struct Built(&'static str);

impl Drop for Built {
    fn drop(&mut self) {
        let all = podman(&["images", "--quiet", "--filter", &format!("reference=localhost/{}", self.0)]).out;
        all.lines().take(1).for_each(|id| drop(podman(&["rmi", "--force", id])));
    }
}

#[test]
fn an_image_is_built_with_the_web_interface_of_an_address_or_of_a_directory() {
    let _turn = turn();
    if !needs::time() {
        return;
    }
    let dir = interface();
    let tar = Command::new("tar").args(["-cz", "-C"]).arg(dir.path()).arg(".").output().unwrap();
    let released = format!("http://{}/pulp-ui.tar.gz", served(tar.stdout));
    for from in [released.as_str(), dir.path().to_str().unwrap()] {
        let tag = Built("pulp-test-ui");
        let mut build = Command::new("scripts/image.sh");
        let build = build.arg(init()).env("TAG", tag.0).env("PULP_UI_URL", from);
        assert!(build.status().unwrap().success(), "{from}");
        interface_works(Boot::new("built-ui").of(&format!("localhost/{}", tag.0), &[80]));
    }
}

fn is_there(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}
