//! The clients that people use, each with an account and from the host's network. podman is the host's; the others are in
//! the image.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::{Site, galaxy, python_index, rpm_repository};
use crate::harness::{PASSWORD, Said, image, podman_ok};

/// A program of the image in the host's network, with this directory as its own.
fn client(directory: &Path, words: &[&str]) -> String {
    let volume = format!("{}:/work", directory.display());
    let own = [
        "run",
        "--rm",
        "--network",
        "host",
        "--workdir",
        "/work",
        "--env",
        "HOME=/work",
        "--volume",
        &volume,
    ];
    podman_ok(&[&own, ["--entrypoint", words[0], image()].as_slice(), &words[1..]].concat())
}

/// `podman login`, `push` and `pull` of an image, and `skopeo inspect`.
pub fn registry(site: &Site<'_>) {
    let dir = tempfile::tempdir().unwrap();
    let (auth, layer) = (dir.path().join("auth.json"), dir.path().join("layer.tar"));
    let auth = auth.to_str().unwrap();
    fs::write(dir.path().join("file"), site.origin.as_bytes()).unwrap();
    let tar = Command::new("tar").arg("-cf").arg(&layer).arg("-C").arg(dir.path()).arg("file").status();
    assert!(tar.unwrap().success());
    let reference = format!("{}/{}{}:one", site.host(), site.domain, site.name);
    let mut login = Command::new("podman");
    login.args([
        "login",
        "--tls-verify=false",
        "--authfile",
        auth,
        "--username",
        "admin",
        "--password-stdin",
        site.host(),
    ]);
    let mut login =
        login.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut login.stdin.take().unwrap(), PASSWORD.as_bytes()).unwrap();
    let said: Said = login.wait_with_output().unwrap().into();
    assert_eq!(said.code, 0, "{}", said.err);
    let id = podman_ok(&["import", "--quiet", layer.to_str().unwrap(), &reference]);
    podman_ok(&["push", "--quiet", "--tls-verify=false", "--authfile", auth, &reference]);
    podman_ok(&["rmi", &reference]);
    let pulled = podman_ok(&["pull", "--quiet", "--tls-verify=false", "--authfile", auth, &reference]);
    assert_eq!(pulled, id.trim_start_matches("sha256:"));
    podman_ok(&["rmi", &reference]);
    let said = client(
        dir.path(),
        &[
            "skopeo",
            "inspect",
            "--tls-verify=false",
            "--authfile",
            "/work/auth.json",
            &format!("docker://{reference}"),
        ],
    );
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["RepoTags"], json!(["one"]), "{said}");
}

/// Makes a wheel of this name.
const WHEEL: &str = r#"
import sys, zipfile
name, path = sys.argv[1:]
info = f"{name}-1.0.dist-info"
with zipfile.ZipFile(path, "w") as wheel:
    wheel.writestr(f"{name}.py", f"ORIGIN = {name!r}\n")
    wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    wheel.writestr(f"{info}/RECORD", "")
"#;

/// What `twine upload` sends, and `pip install`.
pub fn python(site: &Site<'_>) {
    let dir = tempfile::tempdir().unwrap();
    let name = format!("{}_package", site.name);
    let wheel = dir.path().join(format!("{name}-1.0-py3-none-any.whl"));
    let made = Command::new("python3").args(["-c", WHEEL, &name]).arg(&wheel).status();
    assert!(made.unwrap().success());
    let index = python_index(site);
    let index = index["base_url"].as_str().unwrap();
    let upload = format!("{}legacy/", site.path_of(index));
    twine(site, &upload, &wheel).expect(202);
    let simple = format!("{index}simple/");
    let there = || site.get(&format!("{}{name}/", site.path_of(&simple))).status == 200;
    crate::harness::until("the package's page", crate::harness::PROMPTLY, there);
    let words = [
        "pip3",
        "install",
        "--quiet",
        "--no-cache-dir",
        "--target",
        "/work/out",
        "--trusted-host",
        "localhost",
    ];
    client(dir.path(), &[&words, ["--index-url", &simple, &name].as_slice()].concat());
    assert!(dir.path().join(format!("out/{name}.py")).exists());
}

/// A file, uploaded as twine does it.
pub fn twine(site: &Site<'_>, path: &str, file: &Path) -> crate::harness::Answer {
    let sum = Command::new("sha256sum").arg(file).output().unwrap().stdout;
    let sum = String::from_utf8(sum).unwrap();
    let content = format!("content=@{}", file.display());
    let digest = format!("sha256_digest={}", sum.split(' ').next().unwrap());
    let user = format!("admin:{PASSWORD}");
    site.curl(
        path,
        &["--user", &user, "--form", ":action=file_upload", "--form", &digest, "--form", &content],
    )
}

/// `ansible-galaxy collection publish` and `install`.
pub fn ansible(site: &Site<'_>) {
    let dir = tempfile::tempdir().unwrap();
    let galaxy = galaxy(site);
    let url = galaxy["client_url"].as_str().unwrap();
    site.path_of(url);
    let config = format!(
        "[galaxy]\nserver_list = pulp\n[galaxy_server.pulp]\nurl = {url}\nusername = admin\npassword = {PASSWORD}\n\
         validate_certs = false\n"
    );
    fs::write(dir.path().join("ansible.cfg"), config).unwrap();
    let name = site.name;
    let collection = dir.path().join("collection");
    fs::create_dir_all(collection.join("meta")).unwrap();
    let about = format!(
        "namespace: test\nname: {name}\nversion: 1.0.0\nreadme: README.md\nauthors: [somebody]\nlicense: [MIT]\n\
         tags: [linux]\nrepository: https://example.com/one\n"
    );
    for (file, text) in [
        ("galaxy.yml", &*about),
        ("README.md", "# One\n"),
        ("meta/runtime.yml", "requires_ansible: '>=2.16.0'\n"),
    ] {
        fs::write(collection.join(file), text).unwrap();
    }
    let script = format!(
        "set -e\nansible-galaxy collection build collection\n\
         ansible-galaxy collection publish test-{name}-1.0.0.tar.gz\n\
         ansible-galaxy collection install test.{name} --collections-path /work/installed"
    );
    client(dir.path(), &["bash", "-c", &script]);
    let installed = dir.path().join(format!("installed/ansible_collections/test/{name}/MANIFEST.json"));
    assert!(installed.exists());
}

/// What `dnf` does with a `config.repo`.
pub fn rpm(site: &Site<'_>) {
    let repository = rpm_repository(site);
    let base = repository["base_url"].as_str().unwrap();
    let config = site.get(&format!("{}config.repo", site.path_of(base))).expect(200).text();
    let url =
        config.lines().find_map(|line| line.strip_prefix("baseurl=")).unwrap_or_else(|| panic!("{config}"));
    assert_eq!(url, base);
    let metadata = site.get(&format!("{}repodata/repomd.xml", site.path_of(url))).expect(200);
    assert!(metadata.text().contains("<repomd"), "{}", metadata.text());
}

/// A file by its distribution's `base_url`.
pub fn file(site: &Site<'_>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("upload");
    fs::write(&path, &site.origin).unwrap();
    let (repository, distribution) = site.distributed(
        ("repositories/file/file/", json!({ "autopublish": true })),
        ("distributions/file/file/", json!({})),
    );
    let file = format!("file=@{}", path.display());
    let repository = format!("repository={repository}");
    let fields = [file.as_str(), "relative_path=a/file", &repository];
    site.admin().upload(&site.api("content/file/files/"), &fields);
    let base = distribution["base_url"].as_str().unwrap();
    let answer = site.get(&format!("{}a/file", site.path_of(base))).expect(200);
    assert_eq!(answer.text(), site.origin);
}

/// A page of a list, and the one after it.
pub fn pages(site: &Site<'_>) {
    let first = site.admin().get(&site.api("roles/?limit=1")).expect(200).json();
    let next = first["next"].as_str().unwrap();
    let second = site.admin().get(site.path_of(next)).expect(200).json();
    site.path_of(second["previous"].as_str().unwrap());
    let status = site.get("/pulp/api/v3/status/").expect(200).json();
    assert_eq!(status["content_settings"]["content_origin"], json!(site.origin));
}

/// A login with a browser: a form with Django's token, which is taken from pages of this site alone.
pub fn login(site: &Site<'_>) {
    let dir = tempfile::tempdir().unwrap();
    let jar = dir.path().join("cookies").display().to_string();
    let form = site.curl("/auth/login/", &["--cookie-jar", &jar]).expect(200).text();
    let token = form.split("csrfmiddlewaretoken\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let post = |origin: &str| {
        let headers = [format!("Origin: {origin}"), format!("Referer: {origin}/auth/login/")];
        let fields = [format!("csrfmiddlewaretoken={token}"), format!("password={PASSWORD}")];
        let args = [
            "--cookie",
            &jar,
            "--cookie-jar",
            &jar,
            "--header",
            &headers[0],
            "--header",
            &headers[1],
            "--data-urlencode",
            &fields[0],
            "--data-urlencode",
            &fields[1],
            "--data",
            "username=admin&next=/pulp/api/v3/",
        ];
        site.curl("/auth/login/", &args)
    };
    post("https://evil.example.com").expect(403);
    let answer = post(&site.origin).expect(302);
    assert_eq!(answer.header("Location"), Some("/pulp/api/v3/"));
    site.curl("/pulp/api/v3/users/", &["--cookie", &jar]).expect(200);
}

/// One of them.
pub type Client = (&'static str, fn(&Site<'_>));

/// All that take a moment each.
pub const QUICK: &[Client] =
    &[("pages", pages), ("login", login), ("file", file), ("rpm", rpm), ("registry", registry)];

/// Those that take longer.
pub const SLOW: &[Client] = &[("python", python), ("ansible", ansible)];

/// Runs them one by one, and says how long each took.
pub fn run(site: &Site<'_>, clients: &[Client]) {
    for (what, client) in clients {
        let begun = std::time::Instant::now();
        client(site);
        eprintln!("{} {what}: {:.1} s", site.origin, begun.elapsed().as_secs_f64());
    }
}
