//! `pulp-setup exec api|content|worker|imports|postgresql|redis|nginx [ARGUMENT]…`: becomes one of the services' processes.
//!
//! What upstream's scripts of these names did: turn the container's variables into options.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use super::imports::{self, Plain};
use super::{bind, daemons, environment, sockets};
use crate::ask::python;
use crate::postgres::lock;
use crate::pulp_settings::PulpSettings;
use crate::steps::nginx_config::{self, own, uploads};
use crate::steps::variables::{Processes, Variables};
use crate::{Context, Problem};

/// Where the content app listens for nginx beside it, and for nobody else: what comes in there may be answered with the
/// name of a file that nginx is to send (`send_files.py`).
pub const CONTENT_SOCKET: &str = "/run/pulp/content/socket";

/// How the API logs a request: Pulp's own format, whose default is a Python tuple and logged as one.
const ACCESS_LOG: &str =
    r#"pulp [%({correlation-id}o)s]: %(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s""#;

/// A gunicorn of version 25.1 or later opens a control socket, the API's and the content app's at the same path, on
/// a volume. This turns it off. A pulpcore of before then does not know the option.
const NO_CONTROL_SOCKET: &str = "--no-control-socket";

/// The step. It returns only if it fails, or if another process is in its place.
pub fn run(context: &Context, args: &[String]) -> Result<(), Problem> {
    let variables = Variables::read(context)?;
    let context = &with_sockets(context, args)?;
    let words = words(context, &variables, args)?;
    let (program, rest) = words.split_first().ok_or_else(usage)?;
    if args.first().is_some_and(|what| what == "postgresql") {
        lock::keep(context)?;
    }
    if args.first().is_some_and(|what| what == "nginx") {
        uploads::beside_pulp(context); // they stay open, and nginx finds them by their numbers
        nginx_config::listens::clear(context);
    }
    if matches!(args.first().map(String::as_str), Some("api" | "content" | "worker")) {
        match imports::hand_over(context, &variables, &words) {
            Ok(()) => return Ok(()),
            Err(Plain::Unwanted) => {}
            Err(Plain::Because(why)) => context.say(&format!("it imports Pulp by itself: {why}")),
        }
    }
    let mut command = Command::new(program);
    command.args(rest.iter().map(OsString::from)).envs(environment::added(context, &variables));
    alone(context, args, &mut command);
    command.envs(sockets::variables(context));
    if let Some(sockets) =
        sockets::for_nginx(context).filter(|_| args.first().is_some_and(|what| what == "nginx"))
    {
        command.env("NGINX", sockets);
    }
    let error = command.exec();
    Err(Problem::new(
        "S2402",
        format!("cannot run `{program}`: {error}"),
        "it is missing in this image: build the image again, or install it there",
    ))
}

/// With places to listen at beside those that we were given: gunicorn listens at these alone, and nginx and our checks
/// look for it at its own. A container of one process has neither, and listens where its user says and nowhere else.
fn with_sockets(context: &Context, args: &[String]) -> Result<Context, Problem> {
    let own = match args.first().map(String::as_str) {
        Some("api") => vec![bind::API.address(context)],
        Some("content") => content_addresses(context),
        _ => return Ok(context.clone()),
    };
    if sockets::given(context).is_empty() || context.var("INIT_SERVICE").is_none() {
        return Ok(context.clone());
    }
    let variables = sockets::beside(context, &own)?;
    Ok(variables.into_iter().fold(context.clone(), |context, (name, value)| context.with(name, &value)))
}

fn content_addresses(context: &Context) -> Vec<String> {
    let beside = nginx_is_beside(context).then(|| format!("unix:{CONTENT_SOCKET}"));
    [bind::CONTENT.address(context)].into_iter().chain(beside).collect()
}

/// Where gunicorn listens: of sockets that it is given its command line is to tell, too.
fn binds(context: &Context, own: Vec<String>) -> Vec<String> {
    let given: Vec<String> =
        sockets::given(context).iter().filter_map(|socket| socket.at.as_bind()).collect();
    if given.is_empty() { own } else { given }
}

/// What `init` sees to for its services, for the only process of a container: Pulp's processes are not root's.
fn alone(context: &Context, args: &[String], command: &mut Command) {
    let of_pulp = args.first().is_some_and(|what| ["api", "content", "worker"].contains(&what.as_str()));
    if of_pulp && context.accounts.may_chown {
        command.gid(context.accounts.pulp.gid).uid(context.accounts.pulp.uid);
    }
    if of_pulp {
        command.env("HOME", environment::home(context));
    }
}

/// The program and its arguments.
fn words(context: &Context, variables: &Variables, args: &[String]) -> Result<Vec<String>, Problem> {
    let (what, extra) = args.split_first().ok_or_else(usage)?;
    let mut words = match what.as_str() {
        "postgresql" => {
            // Of two settings of a name PostgreSQL takes the last.
            let mut words = daemons::postgresql(context, &PulpSettings::load(context)?)?;
            words.extend(extra.iter().cloned());
            return Ok(words);
        }
        "nginx" => {
            let config = own::file(context).map_or(nginx_config::CONFIG, |_| own::PLACE);
            let words = ["nginx", "-c", config, "-e", "stderr"].into_iter().chain(own::words(context));
            return Ok(words.map(str::to_owned).chain(extra.iter().cloned()).collect());
        }
        "redis" => return Ok(daemons::redis(&PulpSettings::load(context)?)),
        "api" => {
            let binds = binds(context, vec![bind::API.address(context)]);
            let mut words = gunicorn("pulpcore-api", binds, variables, variables.api);
            words.extend(["--access-logformat".to_owned(), ACCESS_LOG.to_owned()]);
            // Imported once, before the processes are forked, most memory of the API is shared by them. Code that
            // is to be loaded anew must not be, and the thread that exports metrics would stay behind in the parent.
            if !variables.reload && variables.otel != Some(true) {
                words.push("--preload".to_owned());
            }
            words
        }
        // It imports everything before it forks anyway.
        "content" => {
            let binds = binds(context, content_addresses(context));
            gunicorn("pulpcore-content", binds, variables, variables.content)
        }
        // Without the directory of the program among those of modules.
        "imports" => return Ok(["python3", "-P", imports::PROGRAM].map(str::to_owned).to_vec()),
        "worker" => vec!["pulpcore-worker".to_owned()],
        _ => return Err(usage()),
    };
    if what != "worker" && knows_control_socket(context) {
        words.push(NO_CONTROL_SOCKET.to_owned());
    }
    words.extend(extra.iter().cloned());
    Ok(words)
}

/// Whether the step `volumes` has made the directory of the socket, which it does only where all of Pulp is in a container.
pub fn nginx_is_beside(context: &Context) -> bool {
    context.path(CONTENT_SOCKET).parent().is_some_and(Path::is_dir)
}

/// A gunicorn of Pulp with its options. After how many requests its processes are replaced is Pulp's to say, or that of a
/// `gunicorn.conf.py`, unless a variable says it: they grow with each request.
fn gunicorn(program: &str, binds: Vec<String>, variables: &Variables, processes: Processes) -> Vec<String> {
    let mut words = vec![program.to_owned()];
    let mut option = |name: &str, value: String| words.extend([name.to_owned(), value]);
    binds.into_iter().for_each(|bind| option("--bind", bind));
    option("--timeout", variables.timeout.to_string());
    option("--workers", processes.workers.to_string());
    if let Some(number) = processes.max_requests {
        option("--max-requests", number.to_string());
    }
    if let Some(number) = processes.max_requests_jitter {
        option("--max-requests-jitter", number.to_string());
    }
    option("--access-logfile", "-".to_owned());
    if variables.reload {
        words.push("--reload".to_owned());
    }
    words
}

/// Whether the pulpcore of this image has the option: it says so in the code that declares it.
fn knows_control_socket(context: &Context) -> bool {
    python::find(context, "pulpcore/app/entrypoint.py")
        .and_then(|path| std::fs::read_to_string(path).ok())
        .is_some_and(|code| code.contains(NO_CONTROL_SOCKET))
}

fn usage() -> Problem {
    Problem::config(
        "S2403",
        "exec needs to know what to become",
        "say `pulp-setup exec api`, `content` or `worker`",
    )
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// The words, in an image whose pulpcore has this source text.
    fn words_with(code: &str, env: &[(&str, &str)], args: &[&str]) -> Result<String, Problem> {
        let dir = tempfile::tempdir().unwrap();
        let package = dir.path().join("usr/local/lib/python3.13/dist-packages/pulpcore/app");
        fs::create_dir_all(&package).unwrap();
        fs::write(package.join("entrypoint.py"), code).unwrap();
        let context = Context::for_test(dir.path(), env.iter().copied());
        let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
        words(&context, &Variables::read(&context)?, &args).map(|words| words.join(" "))
    }

    fn words_of(env: &[(&str, &str)], args: &[&str]) -> String {
        words_with("", env, args).unwrap()
    }

    #[test]
    fn the_api_has_the_documented_defaults_and_leaves_the_others_to_pulp() {
        assert_eq!(
            words_of(&[], &["api"]),
            "pulpcore-api --bind 0.0.0.0:24817 --timeout 90 --workers 2 --access-logfile - --access-logformat "
                .to_owned()
                + ACCESS_LOG
                + " --preload"
        );
    }

    #[test]
    fn the_content_app_has_its_own_variables() {
        let env = [
            ("PULP_CONTENT_WORKERS", "5"),
            ("PULP_CONTENT_WORKERS_MAX_REQUESTS", "100"),
            ("PULP_CONTENT_WORKERS_MAX_REQUESTS_JITTER", "10"),
            ("PULP_CONTENT_BIND", "unix:/run/pulp/content.sock"),
            ("PULP_GUNICORN_TIMEOUT", "30"),
            ("PULP_API_WORKERS", "9"),
        ];
        assert_eq!(
            words_of(&env, &["content"]),
            "pulpcore-content --bind unix:/run/pulp/content.sock --timeout 30 --workers 5 --max-requests 100 \
             --max-requests-jitter 10 --access-logfile -"
        );
    }

    #[test]
    fn processes_that_are_never_to_be_replaced_are_told_so() {
        let words = words_of(&[("PULP_API_WORKERS_MAX_REQUESTS", "0")], &["api"]);
        assert!(words.contains(" --max-requests 0 ") && !words.contains("jitter"), "{words}");
        assert!(!words_of(&[("PULP_API_WORKERS_MAX_REQUESTS", "")], &["api"]).contains("--max-requests"));
    }

    #[test]
    fn beside_nginx_the_content_app_has_a_socket_for_it_too() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("run/pulp/content")).unwrap();
        let context = Context::for_test(dir.path(), []);
        let words = words(&context, &Variables::read(&context).unwrap(), &["content".to_owned()]).unwrap();
        let binds: Vec<&String> =
            words.iter().zip(&words[1..]).filter_map(|(a, b)| (a == "--bind").then_some(b)).collect();
        assert_eq!(binds, ["0.0.0.0:24816", "unix:/run/pulp/content/socket"]);
    }

    #[test]
    fn code_that_reloads_is_not_preloaded() {
        let words = words_of(&[("PULP_GUNICORN_RELOAD", "true")], &["api"]);
        assert!(words.contains(" --reload") && !words.contains("--preload"), "{words}");
    }

    #[test]
    fn metrics_are_exported_by_each_process_so_nothing_is_preloaded() {
        assert!(!words_of(&[("PULP_OTEL_ENABLED", "true")], &["api"]).contains("--preload"));
        assert!(words_of(&[("PULP_OTEL_ENABLED", "no")], &["api"]).contains("--preload"));
    }

    #[test]
    fn more_arguments_are_passed_on_last_so_that_they_win() {
        assert!(words_of(&[], &["api", "--workers", "1"]).ends_with("--preload --workers 1"));
        assert_eq!(words_of(&[], &["worker", "--burst"]), "pulpcore-worker --burst");
    }

    #[test]
    fn the_control_socket_is_turned_off_where_pulpcore_knows_how() {
        let new = r#"@click.option("--no-control-socket", is_flag=True)"#;
        for what in ["api", "content"] {
            assert!(words_with(new, &[], &[what]).unwrap().ends_with("--no-control-socket"));
            assert!(!words_with("", &[], &[what]).unwrap().contains("control-socket"));
        }
        assert_eq!(words_with(new, &[], &["worker"]).unwrap(), "pulpcore-worker");
    }

    #[test]
    fn nothing_and_nonsense_are_refused() {
        assert!(words_with("", &[], &[]).is_err());
        assert!(words_with("", &[], &["nothing"]).is_err());
    }
}
