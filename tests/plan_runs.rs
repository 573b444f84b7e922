//! What the compiler of `services.d` accepts can be run: from random plans everything is built that run time builds.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::ffi::{CString, OsString};
use std::fmt::Debug;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

use init_plan::probe_command::{HEADERS_VARIABLE, ProbeCommand, probe_argv};
use init_plan::url::{Url, host_and_port};
use init_plan::{
    Check, Condition, Environment, Hook, HttpCheck, Plan, Ready, Reload, Service, Signal, Source, compile,
    pattern,
};
use init_probe::{Probe, Try};
use proptest::prelude::*;
use proptest::sample::select;
use pulp_init::kernel::users::Users;
use pulp_init::service::environment::{self, Container};

/// The longest word that execve(2) takes, with its NUL.
const LONGEST_WORD: usize = 128 * 1024;

/// A TOML string: escapes of Rust that TOML knows, too.
fn quoted(text: &str) -> String {
    let escaped = |c: char| match c {
        '"' => "\\\"".to_owned(),
        '\\' => "\\\\".to_owned(),
        // A dollar would be a variable's.
        '$' => "$$".to_owned(),
        c if c.is_control() => format!("\\u{:04X}", u32::from(c)),
        c => c.to_string(),
    };
    format!("\"{}\"", text.chars().map(escaped).collect::<String>())
}

fn list(items: &[String]) -> String {
    format!("[{}]", items.iter().map(|item| quoted(item)).collect::<Vec<_>>().join(", "))
}

/// At most ten years, which are 87600 hours.
fn duration() -> impl Strategy<Value = String> {
    let simple =
        (1..=87_600_u32, select(vec!["ms", "s", "m", "min", "h"])).prop_map(|(n, unit)| format!("{n}{unit}"));
    let odd = select(vec![
        "1.5s",
        "0.001s",
        "1h 1m  1s1ms",
        " 90s ",
        "3650d",
        "0.25d",
        "007s",
        "1.50000000000000s",
    ]);
    prop_oneof![simple, odd.prop_map(str::to_owned)]
}

fn regex() -> impl Strategy<Value = String> {
    let odd = select(vec![
        "",
        " ",
        " x ",
        "é",
        "[é]?|x",
        r"^\w+\s\d\b$",
        "(?i)status: ok",
        "(?-u:x)",
        "[(?u)]",
        r"\(\?u\)",
        "a: b",
        ":",
        r"\t",
        r"\x00\xff",
        "(?x) a # (?u)",
        "(?s-i:.*)",
        "a{2,3}",
        "(?P<u>x)",
        "'",
        "\"",
        "--body",
    ]);
    // [é] is no class of bytes; everything else is accepted.
    odd.prop_filter("not of bytes", |text| *text != "[é]?|x").prop_map(str::to_owned)
}

fn host() -> impl Strategy<Value = String> {
    let odd = select(vec![
        "localhost",
        "127.0.0.1",
        "[::1]",
        "[::ffff:1.2.3.4]",
        "a_b.example",
        "X-Y",
        "1.2.3.4",
        "a1.",
    ]);
    odd.prop_map(str::to_owned)
}

fn url() -> impl Strategy<Value = String> {
    let path = select(vec!["", "/", "?a=b", "/a/b?c=%20&d", "/[x]", "//", "/:@", "/%00"]);
    let port = prop_oneof![Just(String::new()), (1..=65535_u32).prop_map(|port| format!(":{port}"))];
    let tcp = (select(vec!["http", "https", "HTTP", "Https"]), host(), port, path.clone())
        .prop_map(|(scheme, host, port, path)| format!("{scheme}://{host}{port}{path}"));
    let unix = (select(vec!["%2Frun%2fx.sock", "%2f%ff%20", "%2F%25"]), path)
        .prop_map(|(socket, path)| format!("http+unix://{socket}{path}"));
    prop_oneof![tcp, unix]
}

fn header_name() -> impl Strategy<Value = String> {
    select(vec!["A", "host", "X-Y", "!#$%&'*+-.^_`|~", "0", "Authorization"]).prop_map(str::to_owned)
}

fn statuses() -> impl Strategy<Value = String> {
    select(vec!["200", "'200-299'", "[100, '599']", "['200 - 204', 404]", "'100-599'"])
        .prop_map(str::to_owned)
}

/// The lines of a check, each with its key relative to `ready` or `health`.
fn check() -> impl Strategy<Value = Vec<String>> {
    let tcp = (host(), 1..=65535_u32)
        .prop_map(|(host, port)| vec![format!("tcp = {}", quoted(&format!("{host}:{port}")))]);
    let unix = select(vec!["/run/x.sock", "/", "/a b", "/--timeout", "/é"])
        .prop_map(|path| vec![format!("unix = {}", quoted(path))]);
    let exec = prop::collection::vec("[^\u{0}]{1,5}", 1..4)
        .prop_map(|words| vec![format!("exec = {}", list(&words))]);
    let headers = prop::collection::btree_map(header_name(), "[^\\p{Cc}]{0,8}", 0..3);
    let expected = prop::collection::btree_map(header_name(), regex(), 0..3);
    let table = |map: &std::collections::BTreeMap<String, String>| {
        let pairs: Vec<String> =
            map.iter().map(|(name, value)| format!("{} = {}", quoted_key(name), quoted(value))).collect();
        format!("{{ {} }}", pairs.join(", "))
    };
    let http = (url(), statuses(), headers, expected, prop::option::of(regex())).prop_map(
        move |(url, status, headers, expected, body)| {
            let mut lines = vec![
                format!("http = {}", quoted(&url)),
                format!("status = {status}"),
                format!("header = {}", table(&headers)),
                format!("expect-header = {}", table(&expected)),
            ];
            lines.extend(body.map(|body| format!("body = {}", quoted(&body))));
            if url.to_lowercase().starts_with("https:") {
                lines.push("ca-file = '/ca file.pem'".to_owned());
            }
            lines
        },
    );
    let check = prop_oneof![1 => tcp, 1 => unix, 1 => exec, 4 => http];
    (check, prop::option::of(duration()), prop::option::of(duration())).prop_map(
        |(mut lines, interval, timeout)| {
            lines.extend(interval.map(|time| format!("interval = {}", quoted(&time))));
            lines.extend(timeout.map(|time| format!("timeout = {}", quoted(&time))));
            lines
        },
    )
}

/// A key in quotes; nothing is expanded in one.
fn quoted_key(key: &str) -> String {
    quoted(key).replace("$$", "$")
}

fn ready() -> impl Strategy<Value = Vec<String>> {
    let log = regex().prop_map(|pattern| vec![format!("log = {}", quoted(&pattern))]);
    let fd = (3..=255).prop_map(|fd| vec![format!("fd = {fd}")]);
    prop_oneof![1 => Just(vec!["notify = true".to_owned()]), 1 => fd, 2 => log, 4 => check()]
}

fn signal() -> impl Strategy<Value = String> {
    let numbers =
        (1..=64_i32).prop_filter_map("no signal", |n| Signal::from_number(n).map(|_| n.to_string()));
    let names = select(vec!["'TERM'", "'sigquit'", "'RTMIN'", "'RTMIN+30'", "'9'", "' INT '"]);
    prop_oneof![numbers, names.prop_map(str::to_owned)]
}

/// Keys of the service itself.
fn service() -> impl Strategy<Value = Vec<String>> {
    let user = select(vec!["0", "'www'", "'4294967294'", "33"]);
    let keys = (
        user,
        signal(),
        duration(),
        prop::collection::vec(select(vec!["USR1", "sigusr2", "QUIT", "WINCH"]), 0..4),
    );
    let hook = prop::collection::vec("[^\u{0}]{1,5}", 1..4);
    let variable = ("[A-Za-z_][^=\\s\\p{Cc}]{0,4}", "[^\u{0}]{0,8}");
    (keys, hook, duration(), variable).prop_map(
        |((user, signal, stop, forward), hook, time, (name, value))| {
            let forward: Vec<String> = forward.into_iter().map(str::to_owned).collect();
            vec![
                format!("user = {user}"),
                "groups = ['www', 7]".to_owned(),
                "sockets = ['http', '*']".to_owned(),
                format!("stop = {{ signal = {signal}, timeout = {} }}", quoted(&stop)),
                format!("forward-signals = {}", list(&forward)),
                format!("finish = {{ exec = {}, timeout = {} }}", list(&hook), quoted(&time)),
                format!("start-if = {{ exec = {} }}", list(&hook)),
                format!("reload.signal = {signal}"),
                format!("start-timeout = {}", quoted("none")),
                format!(
                    "env = {{ inherit = ['PATH'], set = {{ {} = {} }} }}",
                    quoted_key(&name),
                    quoted(&value)
                ),
            ]
        },
    )
}

fn file(service: &[String], ready: &[String], health: &[String]) -> String {
    let mut text = "exec = ['x']\n".to_owned();
    text.extend(service.iter().map(|line| format!("{line}\n")));
    text.extend(ready.iter().map(|line| format!("ready.{line}\n")));
    text.extend(health.iter().map(|line| format!("health.{line}\n")));
    text
}

fn compiled(text: &str) -> Result<Plan, String> {
    compile(&[Source::new("a.toml", text)], &Environment::new())
        .map_err(|problems| format!("{problems}\n{text}"))
}

/// Builds all that run time builds of a service.
fn built(service: &Service) -> Result<(), String> {
    words(&service.exec)?;
    for hook in [&service.down, &service.finish].into_iter().flatten() {
        hooked(hook)?;
    }
    for condition in &service.conditions {
        if let Condition::Exec(hook) = condition {
            hooked(hook)?;
        }
    }
    if let Some(Reload::Exec(hook)) = &service.reload {
        hooked(hook)?;
    }
    match &service.ready {
        Ready::Log(text) => same("pattern", pattern::compile(text)?.as_str(), &**text)?,
        Ready::Probe(probe) => probed(&probe.check, probe.timeout, Some(probe.interval))?,
        Ready::Started | Ready::Fd(_) | Ready::Notify => (),
    }
    if let Some(health) = &service.health {
        probed(&health.probe.check, health.probe.timeout, None)?;
    }
    let stop = service.stop.signal;
    same("signal", Signal::from_number(stop.number()), Some(stop))?;
    if let Some(signal) = service.forward.iter().find(|signal| !Signal::PASSED_ON.contains(signal)) {
        return Err(format!("{signal} does not reach init"));
    }
    let container = Container::new([("PATH".into(), "/bin".into())]);
    let credentials = etc()?.resolve(&service.process)?;
    for variable in
        environment::build(&container, Some(&service.name), &service.process.env, credentials.as_ref(), &[])?
    {
        fits(&variable)?;
    }
    Ok(())
}

fn etc() -> Result<Users, String> {
    let etc = tempfile::tempdir().map_err(|error| error.to_string())?;
    let write = |file: &str, text: &str| {
        std::fs::write(etc.path().join(file), text).map_err(|error| error.to_string())
    };
    write("passwd", "www:x:33:33:www:/var/www:/bin/sh\n")?;
    write("group", "www:x:33:\n")?;
    Ok(Users::new(&etc.keep()))
}

fn hooked(hook: &Hook) -> Result<(), String> {
    words(&hook.exec)
}

fn words(words: &[Box<str>]) -> Result<(), String> {
    words.iter().try_for_each(|word| fits(&CString::new(word.as_bytes()).map_err(|error| error.to_string())?))
}

fn fits(word: &std::ffi::CStr) -> Result<(), String> {
    let length = word.to_bytes_with_nul().len();
    if length <= LONGEST_WORD { Ok(()) } else { Err(format!("a word of {length} bytes")) }
}

fn probed(check: &Check, timeout: Duration, retry: Option<Duration>) -> Result<(), String> {
    let command = probe_argv(check, timeout, retry)?;
    command.argv.iter().chain(&command.env).try_for_each(|word| fits(word))?;
    let what = match check {
        Check::Exec(words) => {
            let argv: Vec<&[u8]> = command.argv.iter().map(|word| word.as_bytes()).collect();
            return same("command", argv, words.iter().map(|word| word.as_bytes()).collect());
        }
        Check::Tcp(_) | Check::Unix(_) | Check::Http(_) => read_back(&command)?,
    };
    same("times", (what.timeout, what.retry), (timeout, retry))?;
    match (check, &what.what) {
        (Check::Tcp(address), Try::Tcp(host, port)) => {
            same("address", (host.clone(), *port), host_and_port(address)?)
        }
        (Check::Unix(path), Try::Unix(read)) => same("path", read, path),
        (Check::Http(check), Try::Http(request)) => {
            let HttpCheck { url, status, headers, expect_headers, body, ca_file } = &**check;
            same("URL", &request.url, &Url::parse(url)?)?;
            same("status", &request.status, status)?;
            same("headers", pairs(&request.headers), pairs(headers))?;
            let patterns = request.expect_headers.iter().map(|(name, pattern)| (&**name, pattern.as_str()));
            same("expected headers", patterns.collect(), pairs(expect_headers))?;
            same("body", request.body.as_ref().map(|pattern| pattern.as_str()), body.as_deref())?;
            same("CA file", &request.ca_file, ca_file)
        }
        (check, read) => Err(format!("{check:?} is read back as {read:?}")),
    }
}

fn pairs<T: AsRef<str>>(pairs: &[(T, T)]) -> Vec<(&str, &str)> {
    pairs.iter().map(|(name, value)| (name.as_ref(), value.as_ref())).collect()
}

/// As the program is called.
fn read_back(command: &ProbeCommand) -> Result<Probe, String> {
    let args = command.argv.iter().skip(1).map(|word| OsString::from_vec(word.clone().into_bytes()));
    let env = command.env.as_ref().map(|env| {
        let value = env.as_bytes().strip_prefix(format!("{HEADERS_VARIABLE}=").as_bytes()).unwrap();
        OsString::from_vec(value.to_vec())
    });
    Probe::parse(args, env)
}

fn same<T: Debug + PartialEq>(what: &str, built: T, planned: T) -> Result<(), String> {
    if built == planned { Ok(()) } else { Err(format!("{what}: {built:?} instead of {planned:?}")) }
}

/// Values that are right, wrong, or nearly right, for keys that have a grammar.
fn any_value() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        2 => "\\PC{0,12}",
        2 => "[-+(){}?iu:.\\[\\]a\\\\w^$*|é ]{0,8}",
        1 => ".{0,6}",
        1 => "(http|https|http\\+unix)://[a0.:%2F\\[\\]@#/é -]{0,8}",
        1 => "[a0.:\\[\\]-]{0,6}:[0-9]{0,6}",
        1 => "[0-9.]{0,6}(ms|s|m|h|d)",
        1 => "[0-9]{1,4}-[0-9 ]{0,4}",
        1 => Just("/x".repeat(60)),
    ];
    word.prop_map(|text| quoted(&text))
}

fn any_key() -> impl Strategy<Value = &'static str> {
    select(vec![
        "ready.log",
        "ready.tcp",
        "ready.unix",
        "ready.http",
        "health.tcp",
        "health.http",
        "ready.timeout",
        "ready.interval",
        "ready.status",
        "ready.body",
        "ready.header.A",
        "ready.expect-header.A",
        "stop.signal",
        "forward-signals",
        "user",
        "group",
        "env.set.A",
        "start-timeout",
        "log",
        "finish",
        "health.ca-file",
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn valid_plans_are_accepted_and_built(service in service(), ready in ready(), health in check()) {
        let plan = compiled(&file(&service, &ready, &health)).map_err(TestCaseError::fail)?;
        built(&plan.services[0]).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn whatever_is_accepted_is_built(keys in prop::collection::btree_map(any_key(), any_value(), 1..4), with_http: bool) {
        let mut text = "exec = ['x']\n".to_owned();
        if with_http {
            text += "ready.http = 'https://localhost/'\n";
        }
        for (key, value) in &keys {
            let value = if matches!(*key, "forward-signals" | "finish") { format!("[{value}]") } else { value.clone() };
            text += &format!("{key} = {value}\n");
        }
        if let Ok(plan) = compiled(&text) {
            let mut service = plan.services[0].clone();
            // Whether a user exists is not the compiler's to know.
            let process = std::sync::Arc::make_mut(&mut service.process);
            (process.user, process.group) = (None, None);
            built(&service).map_err(TestCaseError::fail)?;
        }
    }
}

#[test]
fn times_of_the_plan_are_those_of_the_probe() {
    let plan =
        compiled("exec = ['x']\nready.tcp = 'localhost:1'\nready.timeout = '3649d23h59m59s999ms'").unwrap();
    built(&plan.services[0]).unwrap();
}
