//! The container's own variables, read and checked in one place.
//!
//! They are those that the documentation names; settings of Pulp (`PULP_<SETTING>`) are Pulp's to read. One that is
//! empty counts as not set. Wrong ones are told all at once, so that one more try is enough.

mod logs;
mod names;
mod openssl;
mod proxies;
mod reader;

pub use names::name;
use reader::Reader;

use super::{admin, signing};
use crate::check::HEALTH_PATH;
use crate::programs::bind;
use crate::{Context, Problem};

/// What the documented variables say.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Variables {
    /// `PULP_WORKERS`: how many tasks are worked on at a time.
    pub workers: u32,
    /// `PULP_API_WORKERS…`
    pub api: Processes,
    /// `PULP_CONTENT_WORKERS…`
    pub content: Processes,
    /// `PULP_GUNICORN_RELOAD`: start the processes of the API and content app again when their code changes.
    pub reload: bool,
    /// `PULP_GUNICORN_TIMEOUT`: seconds after which a process that answers nothing is replaced.
    pub timeout: u32,
    /// `PULP_HTTPS`
    pub https: bool,
    /// `PULP_CLIENT_CERTIFICATES`: nginx asks clients for certificates, for Pulp's content guards.
    pub client_certificates: bool,
    /// `PULP_HOSTNAME`, or `GALAXY_HOSTNAME`: names and addresses of this server, the first of which is its own.
    pub hostnames: Vec<String>,
    /// `PULP_PORT`, or `GALAXY_PORT`: the published port.
    pub port: Option<u16>,
    /// `PULP_HTTP_PORT`: where nginx listens in the container.
    pub http_port: Option<u16>,
    /// `PULP_HTTPS_PORT`: the same for HTTPS.
    pub https_port: Option<u16>,
    /// `PULP_TRUSTED_PROXIES`: networks of proxies whose word counts about the address that a client used.
    pub proxies: Vec<String>,
    /// `PULP_UI`: serve the web interface.
    pub ui: Ui,
    /// `PULP_EMBEDDED_POSTGRESQL`: whether ours is used. Not set, the settings say it.
    pub embedded_postgresql: Option<bool>,
    /// `PULP_DATABASE_TIMEOUT`: seconds to wait for a database that does not answer.
    pub database_timeout: u32,
    /// `PULP_MIGRATIONS_TIMEOUT`: seconds to wait for migrations that another container runs.
    pub migrations_timeout: u32,
    /// `PULP_STATIC_ROOT`, with a slash at its end.
    pub static_root: String,
    /// `PULP_SHARED_IMPORTS`: import Pulp once, and fork its services from there.
    pub shared_imports: bool,
    /// `PULP_X_ACCEL_REDIRECT`: nginx sends the files that the content app names.
    pub x_accel_redirect: bool,
    /// `PULP_OTEL_ENABLED`: metrics by OpenTelemetry. Not set, it is Pulp's setting of that name that counts.
    pub otel: Option<bool>,
    /// Switches of what the image adds to Pulp, by their variables, where they are set (docs/content.md).
    own: Vec<(&'static str, bool)>,
}

/// The processes of a gunicorn.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Processes {
    /// How many.
    pub workers: u32,
    /// After how many requests each is replaced; 0 is never. Not set, it is for Pulp to decide.
    pub max_requests: Option<u32>,
    /// Up to how many requests later, at random, so that not all are replaced at once.
    pub max_requests_jitter: Option<u32>,
}

/// Whether the web interface is served.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ui {
    /// If it is in the image.
    Auto,
    /// Somebody expects it. Upstream's images have its address in the variable, so anything but `false` means yes.
    On,
    /// Not even if it is in the image.
    Off,
}

/// Without HTTPS nobody can show a certificate.
const CLIENT_CERTIFICATES: &str = "PULP_CLIENT_CERTIFICATES";
/// The variable that both the container and Pulp's settings know.
const OTEL: &str = "PULP_OTEL_ENABLED";
const OWN: [&str; 3] = ["PULP_CACHED_ANSWERS_FIRST", "PULP_FAST_LISTINGS", "PULP_FAST_UPLOADS"];

/// What the container is called outside, and its published port: the first that is set counts. The second of each is what
/// Galaxy's image calls it.
const HOSTNAMES: [&str; 2] = ["PULP_HOSTNAME", "GALAXY_HOSTNAME"];
const PORTS: [&str; 2] = ["PULP_PORT", "GALAXY_PORT"];

/// More would be a slip of the finger: each takes some 100 MB.
const MOST_WORKERS: u32 = 1000;

/// The step: says what is wrong, if anything is.
pub fn run(context: &Context, _: &[String]) -> Result<(), Problem> {
    Variables::read(context)?;
    admin::check(context)?;
    openssl::check(context)
}

impl Variables {
    /// Reads all of them.
    ///
    /// # Errors
    /// Names each variable that is wrong, its value, and what is allowed.
    pub fn read(context: &Context) -> Result<Variables, Problem> {
        let mut reader = Reader::new(context);
        let variables = Variables {
            workers: reader.number("PULP_WORKERS", 0..=MOST_WORKERS).unwrap_or(2),
            api: processes(&mut reader, "PULP_API_WORKERS"),
            content: processes(&mut reader, "PULP_CONTENT_WORKERS"),
            reload: reader.switch("PULP_GUNICORN_RELOAD").unwrap_or(false),
            timeout: reader.number("PULP_GUNICORN_TIMEOUT", 1..=u32::MAX).unwrap_or(90),
            https: reader.switch("PULP_HTTPS").unwrap_or(false),
            client_certificates: reader.switch(CLIENT_CERTIFICATES).unwrap_or(false),
            hostnames: hostnames(&mut reader),
            port: PORTS.iter().find_map(|name| port(&mut reader, name)),
            http_port: port(&mut reader, "PULP_HTTP_PORT"),
            https_port: port(&mut reader, "PULP_HTTPS_PORT"),
            proxies: reader
                .parsed("PULP_TRUSTED_PROXIES", proxies::ALLOWED, proxies::parse)
                .unwrap_or_else(proxies::default),
            ui: ui(context),
            embedded_postgresql: embedded_postgresql(&mut reader),
            database_timeout: reader.number("PULP_DATABASE_TIMEOUT", 1..=u32::MAX).unwrap_or(60),
            migrations_timeout: reader.number("PULP_MIGRATIONS_TIMEOUT", 1..=u32::MAX).unwrap_or(7200),
            static_root: reader.directory("PULP_STATIC_ROOT", "/var/lib/operator/static/"),
            shared_imports: reader.switch("PULP_SHARED_IMPORTS").unwrap_or(true),
            x_accel_redirect: reader.switch("PULP_X_ACCEL_REDIRECT").unwrap_or(true),
            otel: reader.switch(OTEL),
            own: OWN.into_iter().filter_map(|name| Some((name, reader.switch(name)?))).collect(),
        };
        reader.address("PULP_LOGS_TO", logs::ALLOWED, logs::parse);
        if variables.client_certificates && !variables.https {
            reader.parsed(CLIENT_CERTIFICATES, "false without PULP_HTTPS=true", |_| None::<()>);
        }
        check_the_others(&mut reader);
        reader.end(variables)
    }

    /// The same proxies for gunicorn. Where it listens to both kinds of addresses, those of IPv4 are mapped (RFC 4291).
    pub fn forwarded_allow_ips(&self) -> String {
        let both = self.proxies.iter().flat_map(|network| [Some(network.clone()), proxies::mapped(network)]);
        let all: Vec<String> = both.flatten().collect();
        if all.is_empty() { "127.0.0.1,::1".to_owned() } else { all.join(",") }
    }

    /// Variables as Pulp's own code has to see them: its reader of settings takes `no` for a text, which is true.
    pub fn for_pulp(&self) -> Vec<(String, String)> {
        let switches = self.own.iter().copied().chain(self.otel.map(|otel| (OTEL, otel)));
        switches.map(|(name, on)| (name.to_owned(), on.to_string())).collect()
    }
}

/// Those that other steps read where they need them. Here they are only looked at, before anything is made.
fn check_the_others(reader: &mut Reader) {
    for listener in [bind::API, bind::CONTENT] {
        reader.parsed(listener.variable, bind::ALLOWED, bind::parse);
    }
    for switch in ["PULP_ALLOW_LOST_KEY", "PULP_ALLOW_DOWNGRADE"] {
        reader.switch(switch);
    }
    reader.directory("PULP_POSTGRES_BIN", "/");
    reader.parsed(HEALTH_PATH, "a path that begins with / and has no spaces", |text| {
        (text.starts_with('/') && text.chars().all(|letter| letter.is_ascii_graphic())).then_some(())
    });
    reader.parsed("PULP_SETTINGS", "paths that begin with /, with commas between them", |text| {
        let mut files = text.split([',', ';']).map(str::trim).filter(|file| !file.is_empty());
        files.all(|file| file.starts_with('/')).then_some(())
    });
    reader.parsed(signing::FINGERPRINT, "letters and digits, as `gpg --list-keys` shows them", |text| {
        signing::fingerprint(text).map(drop)
    });
    reader.parsed(admin::FILE_VARIABLE, "a path that begins with /", |text| {
        text.starts_with('/').then_some(())
    });
    for service in signing::variables() {
        reader.parsed(service, "a name without spaces", |text| {
            text.chars().all(|letter| !letter.is_whitespace() && !letter.is_control()).then_some(())
        });
    }
}

/// Whether a switch that is off by default is on; a wrong value is not, and is the step `variables`' to report.
pub fn is_on(context: &Context, name: &str) -> bool {
    Reader::new(context).switch(name).unwrap_or(false)
}

/// Whether `PULP_HTTPS` asks for HTTPS.
pub fn https(context: &Context) -> bool {
    is_on(context, "PULP_HTTPS")
}

fn processes(reader: &mut Reader, name: &str) -> Processes {
    Processes {
        workers: reader.number(name, 1..=MOST_WORKERS).unwrap_or(2),
        max_requests: reader.number(&format!("{name}_MAX_REQUESTS"), 0..=u32::MAX),
        max_requests_jitter: reader.number(&format!("{name}_MAX_REQUESTS_JITTER"), 0..=u32::MAX),
    }
}

fn hostnames(reader: &mut Reader) -> Vec<String> {
    let allowed = "names such as pulp.example.com or addresses, with commas between them; without scheme, port or `*`, \
                   and international names in their ASCII form (xn--…)";
    let read = |text: &str| {
        let given = text.split(',').map(str::trim).filter(|text| !text.is_empty());
        given.map(name).collect::<Option<Vec<String>>>()
    };
    HOSTNAMES.iter().find_map(|name| reader.parsed(name, allowed, read)).unwrap_or_default()
}

/// Kubernetes sets `PULP_PORT=tcp://…` in every container beside a service named `pulp`, and `PULP_HTTP_PORT` beside one
/// named `pulp-http`. That is nobody's wish.
fn port(reader: &mut Reader, name: &str) -> Option<u16> {
    if reader.value(name).is_some_and(|value| value.starts_with("tcp://")) {
        return None;
    }
    reader.number(name, 1..=u32::from(u16::MAX)).and_then(|port| u16::try_from(port).ok())
}

fn embedded_postgresql(reader: &mut Reader) -> Option<bool> {
    let read = |text: &str| match text.to_ascii_lowercase().as_str() {
        "auto" => Some(None),
        "true" => Some(Some(true)),
        "false" => Some(Some(false)),
        _ => None,
    };
    let allowed = "true, false, or auto (the default: as DATABASES says)";
    reader.parsed("PULP_EMBEDDED_POSTGRESQL", allowed, read).flatten()
}

fn ui(context: &Context) -> Ui {
    match context.var("PULP_UI").map(|value| value.trim().to_ascii_lowercase()).as_deref() {
        None | Some("auto") => Ui::Auto,
        Some("false" | "no" | "0") => Ui::Off,
        Some(_) => Ui::On,
    }
}

#[cfg(test)]
mod tests;
