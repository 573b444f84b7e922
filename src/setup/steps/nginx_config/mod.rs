//! The configuration of nginx, from Pulp's settings and the container's variables.
//!
//! It is written to `/run/pulp/nginx.conf` and tried (`nginx -t`) before it replaces the one that is there. All that
//! nginx writes goes below `/run/pulp` or to Pulp's volume, so the image may be read-only.

mod addresses;
pub mod listens;
pub mod own;
mod site;
pub mod snippets;
mod template;
pub mod uploads;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::sys::resource::{Resource, getrlimit};

use super::settings;
use super::variables::{self, Ui as UiWish, Variables};
use crate::ask::command::Tool;
use crate::context::ROOT;
use crate::programs::sockets;
use crate::pulp_settings::PulpSettings;
use crate::volume::files;
use crate::{Context, Problem};
use addresses::{Secure, https_suffix, told_origin};
use site::PORTS;
pub(crate) use site::{Ports, Site};
use template::Values;

/// What nginx writes, but for what may be big. The configuration that it is started with is beside it: `nginx.conf`.
const RUN: &str = "/run/pulp/nginx";

/// What is below `.well-known` here is served as it is: on a volume, for ACME clients.
const WELL_KNOWN: &str = "/var/lib/pulp/assets";

/// nginx's own directory. Below it, `pulp/*.conf` are the plugins' snippets.
const ETC: &str = "/etc/nginx";

/// Our copies of these.
const SNIPPETS: &str = "/run/pulp/nginx/snippets";

/// The user's locations.
const OWN: &str = "/etc/pulp/nginx.d";

/// The web server's key and certificate.
const CERTS: &str = "/etc/pulp/certs";

/// The configuration that the nginx beside Pulp is started with.
pub const CONFIG: &str = "/run/pulp/nginx.conf";

/// The web interface's description of Pulp, adapted.
const UI_CONFIG: &str = "/run/pulp/nginx/pulp-ui-config.json";

/// In bytes; it is a page of text.
const UI_CONFIG_LIMIT: u32 = 1 << 20;

/// Debian's user for web servers.
pub(super) const USER: &str = "www-data";

/// More files at once would be more than a container of this kind ever serves.
const MOST_FILES: u64 = 8192;

/// The step.
pub fn run(context: &Context, _: &[String]) -> Result<(), Problem> {
    let (settings, variables) = (PulpSettings::load(context)?, Variables::read(context)?);
    if !own::use_it(context)? {
        configure(context, &settings, &variables, PORTS.or(&variables))?;
    }
    context.say(&settings::told(&settings, &variables));
    Ok(())
}

fn configure(
    context: &Context,
    settings: &PulpSettings,
    variables: &Variables,
    ports: Ports,
) -> Result<(), Problem> {
    files::directory(context, &context.path(RUN), ROOT, 0o755)?;
    let site = Site::beside_pulp(context, ports, uploads::beside_pulp(context))?;
    site.listens.left_out.iter().for_each(|line| context.say(line));
    snippets::copy(context, &[context.path(ETC).join("pulp")], &context.path(SNIPPETS), |text| text)?;
    write(context, settings, variables, site)
}

/// Writes the configuration of this nginx, if nginx finds it right.
pub(crate) fn write(
    context: &Context,
    settings: &PulpSettings,
    variables: &Variables,
    site: Site,
) -> Result<(), Problem> {
    if variables.https {
        has_certificate(context)?;
    }
    let found = Found {
        site,
        ui: Ui::find(context, settings, variables)?,
        http2: if variables.https { Http2::of_this_nginx(context)? } else { Http2::Word },
    };
    replace(context, &found.site.config(), &text(context, settings, variables, &found)?)
}

/// What the configuration depends on beside settings and variables.
struct Found {
    site: Site,
    ui: Ui,
    http2: Http2,
}

/// The configuration.
fn text(
    context: &Context,
    settings: &PulpSettings,
    variables: &Variables,
    found: &Found,
) -> Result<String, Problem> {
    let site = &found.site;
    // nginx looks a name up again only where it is the value of a variable.
    let pass = |name: &str| format!("http://{}{name}", if site.names { "$" } else { "" });
    let include = |directory: &PathBuf| Ok(format!("include {}/*.conf;", shown(directory)?));
    let snippets: Result<Vec<String>, Problem> = site.snippets.iter().map(include).collect();
    let values = values(context, settings, variables)?
        .list("http_listens", &site.listens.http)
        .list("https_listens", &site.listens.https)
        .text("run", shown(&site.run)?)
        .text("body", shown(&site.temporary.body)?)
        .text("proxy", shown(&site.temporary.proxy)?)
        .text("snippets", snippets?.join(" "))
        .text("processes", site.processes.to_string())
        .text("api", site.api.as_str())
        .text("content", site.content.as_str())
        .text("pass_api", pass(if site.names { "pulp_api" } else { "pulp-api" }))
        .text("pass_content", pass(if site.names { "pulp_content" } else { "pulp-content" }))
        .text("more", if site.names { "" } else { "; in the container, `svctl list` says more" })
        .text("resolver", site.resolver.as_deref().unwrap_or_default())
        .truth("names", site.names)
        .truth("root", nix::unistd::geteuid().is_root())
        .text("http2_word", if found.http2 == Http2::Word { " http2" } else { "" })
        .truth("http2_on", found.http2 == Http2::Directive)
        .text("ui", found.ui.directory.as_deref().map(shown).transpose()?.unwrap_or_default())
        .text(
            "ui_config",
            if found.ui.has_config { shown(&context.path(UI_CONFIG))? } else { String::new() },
        );
    values.fill(include_str!("nginx.conf"))
}

/// Tries the configuration, then puts it in place.
fn replace(context: &Context, path: &Path, text: &str) -> Result<(), Problem> {
    // It stays if it is wrong, since nginx names lines of it.
    let candidate = path.with_extension("conf.new");
    files::write(context, &candidate, text.as_bytes(), ROOT, 0o644)?;
    try_it(context, &candidate)?;
    fs::rename(&candidate, path).map_err(|error| Problem::io("write", path, &error))
}

/// Has nginx try a configuration.
pub(crate) fn try_it(context: &Context, path: &Path) -> Result<(), Problem> {
    nginx(context).arg("-t").arg("-q").arg("-c").arg(path).run(
        "configure nginx",
        "look at the file and line it names: a plugin's snippet in /etc/nginx/pulp, one of yours in /etc/pulp/nginx.d, \
         or a setting such as API_ROOT or CONTENT_PATH_PREFIX that makes two locations the same",
    )?;
    Ok(())
}

/// nginx, which may not find the log file that Debian has built in: the image may be read-only. It takes the sockets that
/// we were given, so that it finds their addresses even where it could not listen there itself.
fn nginx(context: &Context) -> Tool {
    let nginx = Tool::new(context, "nginx").args(["-e", "stderr"]);
    match sockets::for_nginx(context) {
        Some(given) => nginx.env("NGINX", given),
        None => nginx,
    }
}

/// How to ask for HTTP/2: since nginx 1.25.1 by a directive, before by a word of `listen`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Http2 {
    Word,
    Directive,
}

impl Http2 {
    fn of_this_nginx(context: &Context) -> Result<Http2, Problem> {
        let said = nginx(context).arg("-v").output()?.err;
        Ok(Http2::of(&said))
    }

    /// From `nginx version: nginx/1.26.3 (…)`.
    fn of(said: &str) -> Http2 {
        let version = said.split_once("nginx/").map_or("", |(_, version)| version);
        let numbers: Vec<u32> = version
            .split(|c: char| !c.is_ascii_digit())
            .map_while(|number| number.parse().ok())
            .take(3)
            .collect();
        if numbers.as_slice() >= [1, 25, 1].as_slice() { Http2::Directive } else { Http2::Word }
    }
}

/// All that follows from settings and variables alone.
fn values(context: &Context, settings: &PulpSettings, variables: &Variables) -> Result<Values, Problem> {
    let path = |path: &str| shown(&context.path(path));
    let api_root = url_path("API_ROOT", &settings.api_root)?;
    let static_root = context.path(&settings.static_root);
    let secure = Secure::of(context, settings, variables);
    let files = getrlimit(Resource::RLIMIT_NOFILE).map_or(1024, |(_, most)| most.min(MOST_FILES));
    Ok(Values::default()
        .text("user", USER)
        .text("etc", path(ETC)?)
        .text("certs", path(CERTS)?)
        .text("well_known", path(WELL_KNOWN)?)
        .text("files", files.to_string())
        .text("connections", (files / 2).to_string())
        .text("content_path_prefix", url_path("CONTENT_PATH_PREFIX", &settings.content_path_prefix)?)
        .text("api_root_pattern", regex::escape(&api_root))
        .text("api_root", api_root)
        .text("https_suffix", https_suffix(&told_origin(context, settings, variables), variables))
        .text("proxies", addresses::proxies(variables))
        .list("headers", &addresses::HEADERS)
        .text("secure", secure.name)
        .text("first", secure.first)
        .text("known", secure.known)
        .text("sent_files", sent_files(settings)?)
        .text("media_root", with_slash(shown(&context.path(&settings.media_root))?))
        .text("read_timeout", variables.timeout.saturating_add(10).to_string())
        .text("static_url", url_path("STATIC_URL", &settings.static_url)?)
        .text("static_root", with_slash(shown(&static_root)?))
        .truth("static", readable_by_all(&static_root))
        .truth("domains", settings.domain_enabled)
        .truth("https", variables.https)
        .truth("client_certificates", variables.client_certificates))
}

/// Where nginx has the files that the content app names, if it names any.
fn sent_files(settings: &PulpSettings) -> Result<String, Problem> {
    settings
        .sent_files_location
        .as_deref()
        .map_or(Ok(String::new()), |path| url_path("SENT_FILES_LOCATION", path))
}

/// One is enough for most; TLS can use a second. More only take memory from Pulp.
fn processes() -> usize {
    std::thread::available_parallelism().map_or(1, |cpus| cpus.get().min(2))
}

/// A setting that is part of URLs, checked: it becomes part of nginx's language.
fn url_path(setting: &str, value: &str) -> Result<String, Problem> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~+@:,=".contains(&byte);
    if value.starts_with('/') && value.ends_with('/') && value.bytes().all(plain) {
        return Ok(value.to_owned());
    }
    Err(Problem::config(
        "S2101",
        format!("{setting} is {value:?}, which nginx cannot serve"),
        format!(
            "in settings.py let {setting} begin and end with / and have only letters, digits and -._~+@:,= between"
        ),
    ))
}

/// An address, checked: it becomes part of nginx's language.
pub(crate) fn address(variable: &str, bind: &str) -> Result<String, Problem> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._:[]".contains(&byte);
    if bind.is_empty() || !bind.bytes().all(plain) {
        return Err(Problem::config(
            "S2102",
            format!("{variable} is {bind:?}, which is no address"),
            "give it as ADDRESS:PORT or unix:/PATH, or leave it out",
        ));
    }
    Ok(bind.to_owned())
}

/// A path as nginx reads it, also between quotes. Nothing in it may mean something to nginx.
fn shown(path: &Path) -> Result<String, Problem> {
    let text = path.to_str().filter(|text| !text.contains(['"', '\'', '$', '\\', ';', '{', '}', '\n', '\r']));
    text.map(str::to_owned).ok_or_else(|| {
        Problem::config(
            "S2103",
            format!("nginx cannot use the path {}", path.display()),
            "give it a name without quotes, $, ;, \\ and braces",
        )
    })
}

fn with_slash(path: String) -> String {
    if path.ends_with('/') { path } else { path + "/" }
}

/// Whether nginx's processes, who are nobody special, may list this directory and reach what is in it.
fn readable_by_all(directory: &Path) -> bool {
    let mode = |path: &Path| {
        fs::metadata(path).map_or(0, |is| if is.is_dir() { is.permissions().mode() } else { 0 })
    };
    mode(directory) & 0o005 == 0o005 && directory.ancestors().skip(1).all(|above| mode(above) & 0o001 != 0)
}

fn has_certificate(context: &Context) -> Result<(), Problem> {
    for name in ["pulp_webserver.crt", "pulp_webserver.key"] {
        let path = context.path(CERTS).join(name);
        if !path.is_file() {
            return Err(Problem::config(
                "S2104",
                format!("PULP_HTTPS is true, but there is no {}", path.display()),
                "put it there, or remove its other half too and let `pulp-setup certs` make both",
            ));
        }
    }
    Ok(())
}

/// The web interface, as far as it is in this image.
#[derive(Debug, Default)]
struct Ui {
    directory: Option<PathBuf>,
    has_config: bool,
}

impl Ui {
    fn find(context: &Context, settings: &PulpSettings, variables: &Variables) -> Result<Ui, Problem> {
        let directory = context.path(&variables.static_root).join("pulp_ui");
        let there = directory.join("index.html").is_file();
        if !there && variables.ui == UiWish::On {
            context.say(&format!(
                "PULP_UI is on, but there is no web interface in {}: build the image with one (PULP_UI_URL)",
                directory.display()
            ));
        }
        if !there || variables.ui == UiWish::Off {
            return Ok(Ui::default());
        }
        let has_config = Ui::adapt(context, &directory.join("pulp-ui-config.json"), &settings.api_root)?;
        // With its slash, since it takes the place of a path that has one.
        Ok(Ui { directory: Some(directory.join("")), has_config })
    }

    /// Writes the interface's description of Pulp with the path that the API has here. The image's stays as it is.
    fn adapt(context: &Context, path: &Path, api_root: &str) -> Result<bool, Problem> {
        let Some(text) = read_as_pulp(context, path)? else { return Ok(false) };
        let read = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&text);
        let mut config = read.map_err(|error| {
            Problem::config(
                "S2105",
                format!("{}: {error}", path.display()),
                "put the file of the web interface's release there, or set PULP_UI=false",
            )
        })?;
        config.insert("API_BASE_PATH".to_owned(), format!("{api_root}api/v3/").into());
        let text = serde_json::Value::Object(config).to_string();
        files::write(context, &context.path(UI_CONFIG), text.as_bytes(), ROOT, 0o644)?;
        Ok(true)
    }
}

/// What Pulp's user, who may write there, could show everybody anyway. Root itself might be led to a secret by a link.
fn read_as_pulp(context: &Context, path: &Path) -> Result<Option<Vec<u8>>, Problem> {
    if !path.exists() {
        return Ok(None);
    }
    let head = Tool::new(context, "head").arg("--bytes").arg(UI_CONFIG_LIMIT.to_string()).arg("--").arg(path);
    let text = head
        .user(context, context.accounts.pulp)
        .run(&format!("read {}", path.display()), "let the user pulp read that file, or set PULP_UI=false")?;
    Ok(Some(text.into_bytes()))
}

#[cfg(test)]
mod tests;
