//! `svctl report`: one file for a ticket, without secrets.

use std::fmt::Write;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use init_control::time::rfc3339;
use init_core::status::ServiceStatus;
use init_plan::id;

use super::args::Report;
use super::ask::Init;
use super::show::is_ill;
use super::watch::history_of;
use crate::boot::Boot;
use crate::dependencies::Dependencies;
use crate::exit::{Code, Trouble};
use crate::output::{Out, Screen};
use crate::processes::{self, Usage};
use crate::render::boot::blame;
use crate::render::paint::one_line;
use crate::render::stream::event_line;
use crate::render::table::table_with_usage;
use crate::render::tree::tree;
use crate::render::why::{Outputs, why};
use crate::secrets::{Mask, is_harmless};
use crate::started::Started;
use crate::top::sample::Memory;
use crate::why::has_a_say;

const PLAIN: Screen = Screen { width: None, colour: false };

/// `svctl report`.
pub fn report(init: &Init, options: &Report, out: &mut Out) -> Result<(), Trouble> {
    // Who may not read how `init` was started knows none of its secrets either, and is shown no logs.
    let started = Started::of(init).ok();
    let variables = started.as_ref().map(Started::variables).unwrap_or_default();
    let mask = Mask::new(variables.iter().map(|(name, value)| (name.as_str(), value.as_str())))
        .map_err(|why| Trouble::said(Code::Failed, id!("C0211"), format!("cannot hide secrets: {why}")))?;
    let mut text = heading();
    let (services, stage) = init.services_with_strays(&[])?;
    let processes = processes::all()?;
    let (of_services, others) = processes::by_service(&processes, &services);
    let all: Vec<&ServiceStatus> = services.iter().collect();
    let usages: Vec<Usage> = of_services.iter().map(|of| Usage::of(of.iter().copied())).collect();
    section(&mut text, &format!("Services ({stage:?})"), &table_with_usage(&all, &usages, PLAIN));
    section(&mut text, "What is wrong", &what_is_wrong(init, &services, options)?);
    section(&mut text, "What happened", &what_happened(init)?);
    section(&mut text, "Processes", &tree(&services, &of_services, &others, PLAIN));
    let boot: Boot = init.boot()?;
    section(&mut text, "The boot", &blame(&boot, PLAIN));
    section(&mut text, "Environment of init", &environment(variables));
    out.write(&mask.apply(&text))
}

fn section(to: &mut String, title: &str, text: &str) {
    let _ = write!(to, "\n== {title}\n\n{}", if text.is_empty() { "nothing\n" } else { text });
}

fn heading() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let mut text = String::from("Report of svctl. Read it before you send it to others.\n\n");
    let _ = writeln!(text, "time       {}", rfc3339(u64::try_from(now).unwrap_or(u64::MAX)));
    let _ = writeln!(text, "svctl      {}", env!("CARGO_PKG_VERSION"));
    let first_line = |path: &str| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        one_line(text.lines().next().unwrap_or("unknown")).into_owned()
    };
    let _ = writeln!(text, "kernel     {}", first_line("/proc/sys/kernel/osrelease"));
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    let _ = writeln!(text, "system     {}", one_line(name.unwrap_or("unknown").trim_matches('"')));
    let Memory { used, limit } = Memory::read(Path::new("/"));
    let bytes = |bytes: Option<u64>| bytes.map_or_else(|| "unknown".to_owned(), |bytes| bytes.to_string());
    let _ = writeln!(text, "memory     {} bytes, limit {}", bytes(used), bytes(limit));
    let _ = writeln!(text, "processors {}", std::thread::available_parallelism().map_or(1, usize::from));
    let _ = writeln!(text, "load       {}", first_line("/proc/loadavg"));
    text
}

fn what_is_wrong(init: &Init, services: &[ServiceStatus], options: &Report) -> Result<String, Trouble> {
    let all = Dependencies::new(services);
    let ill: Vec<String> = services
        .iter()
        .filter(|service| is_ill(service) || has_a_say(service))
        .map(|it| it.name.clone())
        .collect();
    let roots = all.numbers(&ill);
    let mut outputs = Outputs::new();
    for &number in &roots {
        let Some(service) = all.service(number) else { continue };
        if let Ok(lines) = init.last_lines(&service.name, options.lines)? {
            outputs.insert(number, lines);
        }
    }
    Ok(if roots.is_empty() { String::new() } else { why(&all, &roots, &outputs, PLAIN) })
}

fn what_happened(init: &Init) -> Result<String, Trouble> {
    let (events, _) = history_of(init, &[])?;
    Ok(events.iter().map(|event| event_line(event, true, false)).collect())
}

/// The names of all variables, and the values of those that cannot be secret.
fn environment(variables: &[(String, String)]) -> String {
    let line = |(name, value): &(String, String)| {
        let name = one_line(name);
        if is_harmless(&name, value) {
            format!("{name}={}\n", one_line(value))
        } else {
            format!("{name} (set)\n")
        }
    };
    let mut lines: Vec<String> = variables.iter().map(line).collect();
    lines.sort();
    lines.concat()
}
