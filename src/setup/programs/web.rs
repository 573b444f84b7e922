//! `pulp-web`: nginx in a container of its own, before APIs and content apps in others.
//!
//! Nothing of Pulp's settings is here, so what nginx has to know of them is told by variables of the same names. The API
//! and the content app are DNS names that nginx looks up again while it runs, so that replicas may come and go. Whoever
//! mounts a configuration of their own where upstream's image has it, as Pulp's operator does, gets that instead.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::unistd::{AccessFlags, access};

use crate::check::ready;
use crate::context::ROOT;
use crate::pulp_settings::PulpSettings;
use crate::steps::certs;
use crate::steps::nginx_config::listens::Listens;
use crate::steps::nginx_config::uploads::{self, Temporary};
use crate::steps::nginx_config::{self, Ports, Site, own, snippets};
use crate::steps::variables::Variables;
use crate::volume::files;
use crate::{Context, Problem};

/// Upstream's ports, which need no capability.
const PORTS: Ports = Ports { http: 8080, https: 8443 };
/// Locations of the plugins, at upstream's path, and of the user.
const SNIPPETS: [&str; 2] = ["/opt/app-root/etc/nginx.default.d", "/etc/pulp/nginx.d"];
/// Where to write, the first that can be: the image may be read-only, and who we are unknown to it.
const RUN: [&str; 3] = ["/run/pulp", "/tmp/pulp-web", "/dev/shm/pulp-web"];
/// Uploads until they are whole: a volume, if there are big ones.
const TEMPORARY: &str = "/var/cache/nginx";
/// Where the API and the content app are.
const API: (&str, &str) = ("PULP_API_UPSTREAM", "pulp-api:24817");
const CONTENT: (&str, &str) = ("PULP_CONTENT_UPSTREAM", "pulp-content:24816");
/// How long an answer of the name server counts.
const VALID: &str = "5s";

/// `pulp-web`
pub fn run(context: &Context, _: &[String]) -> Result<(), Problem> {
    if let Some(config) = own::file(context) {
        context.say(&format!("nginx is configured by {}", own::PLACE));
        return become_nginx(&config, &own::words(context));
    }
    let run = writable(context)?;
    configure(context, &run)?;
    become_nginx(&run.join("nginx.conf"), &[])
}

/// Whether nginx accepts connections, where we know at which port.
pub fn answers(context: &Context) -> Result<(), Problem> {
    if own::file(context).is_some() {
        return Ok(());
    }
    ready::listens(PORTS.or(&Variables::read(context)?).http)
}

fn configure(context: &Context, run: &Path) -> Result<(), Problem> {
    let (settings, variables) = (settings(context)?, Variables::read(context)?);
    if variables.https {
        certs::ensure_for(context, &settings)?;
    }
    let inside = run.join("nginx");
    files::directory(context, &inside, ROOT, 0o755)?;
    let snippets = inside.join("snippets");
    let from = SNIPPETS.map(|directory| context.path(directory));
    snippets::copy(context, &from, &snippets, by_variable)?;
    let cache = context.path(TEMPORARY);
    let site = Site {
        listens: Listens::at(context, PORTS.or(&variables), variables.https),
        temporary: temporary(context, &cache, &inside),
        run: inside,
        snippets: vec![snippets],
        api: upstream(context, API)?,
        content: upstream(context, CONTENT)?,
        names: true,
        resolver: resolver(context)?,
        processes: std::thread::available_parallelism().map_or(1, usize::from),
    };
    nginx_config::write(context, &settings, &variables, site)
}

/// On the volume if that can be written. An nginx that begins as root gets open directories: see [`uploads`].
fn temporary(context: &Context, cache: &Path, inside: &Path) -> Temporary {
    if !may_write(cache) {
        return Temporary::within(inside);
    }
    if !context.accounts.may_chown {
        return Temporary::within(cache);
    }
    uploads::below(context, &cache.join("nginx")).unwrap_or_else(|_| Temporary::within(inside))
}

/// Pulp's settings, as far as they concern nginx: variables, as Pulp itself reads them.
fn settings(context: &Context) -> Result<PulpSettings, Problem> {
    let text = |name: &str, default: &str| context.var(name).unwrap_or(default).to_owned();
    Ok(PulpSettings {
        api_root: text("PULP_API_ROOT", "/pulp/"),
        content_path_prefix: text("PULP_CONTENT_PATH_PREFIX", "/pulp/content/"),
        domain_enabled: text("PULP_DOMAIN_ENABLED", "").eq_ignore_ascii_case("true"),
        content_origin: context.var("PULP_CONTENT_ORIGIN").map(str::to_owned),
        static_root: Variables::read(context)?.static_root,
        static_url: text("PULP_STATIC_URL", "/assets/"),
        ..PulpSettings::default()
    })
}

fn may_write(directory: &Path) -> bool {
    directory.is_dir() && access(directory, AccessFlags::W_OK).is_ok()
}

fn writable(context: &Context) -> Result<PathBuf, Problem> {
    for path in RUN.map(|path| context.path(path)) {
        if files::directory(context, &path, ROOT, 0o755).is_ok() && may_write(&path) {
            return Ok(path);
        }
    }
    Err(Problem::config(
        "S2412",
        format!("there is nowhere to write nginx's configuration: none of {} can be written", RUN.join(", ")),
        "give the container a writable /tmp (`--tmpfs /tmp`, or an emptyDir)",
    ))
}

/// Changed so that nginx looks the names in it up while it runs.
fn by_variable(snippet: String) -> String {
    let named = [("pulp-api", "$pulp_api"), ("pulp-content", "$pulp_content")];
    named.into_iter().fold(snippet, |text, (name, variable)| {
        // What follows the name: the end, or a path of galaxy_ng's.
        ["/", ";"].iter().fold(text, |text, next| {
            text.replace(&format!("http://{name}{next}"), &format!("http://{variable}{next}"))
        })
    })
}

/// An address of the user's, or the default, as nginx looks it up.
fn upstream(context: &Context, (variable, default): (&str, &str)) -> Result<String, Problem> {
    let value = nginx_config::address(variable, context.var(variable).unwrap_or(default))?;
    if value.starts_with("unix:") {
        return Ok(value);
    }
    let default_port = default.rsplit(':').next().unwrap_or_default();
    let (name, port) = value.rsplit_once(':').unwrap_or((&value, default_port));
    let name = in_hosts(context, name).unwrap_or_else(|| with_domain(context, name));
    Ok(format!("{name}:{port}"))
}

fn etc(context: &Context, file: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(context.path("/etc").join(file)).unwrap_or_default();
    let lines = text.lines().map(|line| line.split(['#', ';']).next().unwrap_or_default());
    lines.map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
}

/// nginx asks name servers alone, so what is in `/etc/hosts` (a pod of podman has its names there) is looked up here.
fn in_hosts(context: &Context, name: &str) -> Option<String> {
    let line = etc(context, "hosts").into_iter().find(|line| line.iter().skip(1).any(|word| word == name))?;
    let address = line.first()?;
    Some(if address.contains(':') { format!("[{address}]") } else { address.clone() })
}

/// Kubernetes' names of services are relative to the namespace's domain, which nginx does not know of.
fn with_domain(context: &Context, name: &str) -> String {
    let search =
        etc(context, "resolv.conf").into_iter().rfind(|line| line.first().is_some_and(|it| it == "search"));
    let domain = search.and_then(|line| line.into_iter().skip(1).find(|domain| domain.contains(".svc.")));
    match domain.filter(|_| !name.contains('.')) {
        Some(domain) => format!("{name}.{}", domain.trim_end_matches('.')),
        None => name.to_owned(),
    }
}

/// The name server, as nginx's directive wants it. The first alone, as everybody else asks it first: nginx would ask all
/// of them in turn, and podman lists some that do not know the names of its networks.
fn resolver(context: &Context) -> Result<Option<String>, Problem> {
    let lines = etc(context, "resolv.conf");
    let Some(server) = lines.iter().find(|line| line.first().is_some_and(|word| word == "nameserver")) else {
        return Ok(None);
    };
    let server = server.get(1).map(String::as_str).unwrap_or_default();
    // A zone belongs to an interface; nginx has no words for it.
    let server = server.split('%').next().unwrap_or_default();
    let server = nginx_config::address("nameserver in /etc/resolv.conf", server)?;
    let server = if server.contains(':') { format!("[{server}]") } else { server };
    let v6 = if context.path("/proc/net/if_inet6").exists() { "" } else { " ipv6=off" };
    Ok(Some(format!("{server} valid={VALID}{v6}")))
}

fn become_nginx(config: &Path, words: &[&str]) -> Result<(), Problem> {
    let error = Command::new("nginx").args(["-e", "stderr", "-c"]).arg(config).args(words).exec();
    Err(Problem::new("S2413", format!("cannot run `nginx`: {error}"), "this name is for the image pulp-web"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(files: &[(&str, &str)], env: &[(&str, &str)]) -> (tempfile::TempDir, Context) {
        let dir = tempfile::tempdir().unwrap();
        let context = Context::for_test(dir.path(), env.iter().copied());
        for (path, text) in files {
            let path = context.path(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        (dir, context)
    }

    #[test]
    fn names_of_kubernetes_get_their_domain_and_others_do_not() {
        let kubernetes =
            "search shop.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\n";
        let named = |resolv: &str, value: &str| {
            let (_dir, context) = context(&[("/etc/resolv.conf", resolv)], &[(API.0, value)]);
            upstream(&context, API).unwrap()
        };
        assert_eq!(named(kubernetes, "pulp-api-svc"), "pulp-api-svc.shop.svc.cluster.local:24817");
        assert_eq!(named(kubernetes, "api.example.org:80"), "api.example.org:80");
        assert_eq!(named("search dns.podman\n", ""), "pulp-api:24817");
        assert_eq!(named("", "pulp_api"), "pulp_api:24817");
        assert_eq!(named("", "unix:/run/api.sock"), "unix:/run/api.sock");
    }

    #[test]
    fn a_name_of_the_hosts_file_is_its_address() {
        let (_dir, context) =
            context(&[("/etc/hosts", "127.0.0.1 localhost\n10.0.0.7 a pulp-api # b\n")], &[]);
        assert_eq!(upstream(&context, API).unwrap(), "10.0.0.7:24817");
        assert_eq!(upstream(&context, CONTENT).unwrap(), "pulp-content:24816");
    }

    #[test]
    fn an_upstream_that_is_no_address_is_refused() {
        let (_dir, context) = context(&[], &[(API.0, "a;b")]);
        assert!(upstream(&context, API).unwrap_err().what().contains(API.0));
    }

    #[test]
    fn the_first_name_server_is_asked() {
        let asked = |resolv: &str| resolver(&context(&[("/etc/resolv.conf", resolv)], &[]).1).unwrap();
        assert_eq!(
            asked("nameserver 10.89.0.1\nnameserver 8.8.8.8\n").unwrap(),
            "10.89.0.1 valid=5s ipv6=off"
        );
        assert_eq!(asked("nameserver fe80::1%eth0\n").unwrap(), "[fe80::1] valid=5s ipv6=off");
        assert_eq!(asked("search x\n"), None);
    }

    #[test]
    fn snippets_are_copied_with_names_that_are_looked_up_again() {
        let snippet = include_str!("../../../tests/data/snippets/pulp_container.conf");
        let (_dir, context) = context(
            &[
                ("/opt/app-root/etc/nginx.default.d/pulp_container.conf", snippet),
                ("/etc/pulp/nginx.d/x", "no"),
            ],
            &[],
        );
        let to = context.path("/run/snippets");
        snippets::copy(&context, &SNIPPETS.map(|it| context.path(it)), &to, by_variable).unwrap();
        let copy = fs::read_to_string(to.join("0-pulp_container.conf")).unwrap();
        assert!(
            copy.contains("proxy_pass http://$pulp_api;")
                && copy.contains("proxy_pass http://$pulp_content;")
        );
        assert_eq!(fs::read_dir(to).unwrap().count(), 1);
        let galaxys = "proxy_pass http://pulp-api/static/galaxy_ng/index.html;\n";
        assert_eq!(
            by_variable(galaxys.to_owned()),
            "proxy_pass http://$pulp_api/static/galaxy_ng/index.html;\n"
        );
    }
}
