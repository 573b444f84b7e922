//! `start`, `stop`, `restart`, `hold`, `scale`, `signal`, `reload`, `wait` and `shutdown`: changes, and waiting for them.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use super::args::{Apply, Change, Reload, Restart, Scale, SendSignal, Shutdown, Start, Wait, Waiting};
use super::ask::{AT_ONCE, Init, finished_aloud, patience};
use super::definition;
use crate::exit::Trouble;
use crate::live::follow;
use crate::output::Out;
use crate::render::stream::event_line;
use init_control::wire::{Event, Request, Response, Until, Verb};

/// `svctl start`.
pub fn start(init: &Init, options: Start, out: &mut Out) -> Result<(), Trouble> {
    // No names: everything that starts at boot.
    change(init, Verb::Start, options.change(), out)
}

/// `svctl restart`.
pub fn restart(init: &Init, options: Restart, out: &mut Out) -> Result<(), Trouble> {
    let change_of = |names| Change { waiting: options.waiting, names };
    if options.changed {
        let (services, _) = init.services(&options.names)?;
        let changed = services.into_iter().filter(|service| service.changed).map(|service| service.name);
        let names: Vec<String> = changed.collect();
        if names.is_empty() {
            return out.write("no service runs with another definition than the one on disk\n");
        }
        return change(init, Verb::Restart, change_of(names), out);
    }
    if !options.with_dependents {
        return change(init, Verb::Restart, change_of(options.names), out);
    }
    // A stop takes along what requires them, and the start brings that back.
    let waiting = Waiting { no_wait: false, ..options.waiting };
    change(init, Verb::Stop, Change { waiting, names: options.names.clone() }, out)?;
    change(init, Verb::Start, change_of(options.names.clone()), out)
}

/// `svctl hold` and `release`.
pub fn hold(init: &Init, names: Vec<String>, held: bool, out: &mut Out) -> Result<(), Trouble> {
    let verb = if held { Verb::Hold } else { Verb::Release };
    settle(init, &Request::Change { verb, names, wait: false, timeout_ms: None }, AT_ONCE, out)
}

/// `svctl scale`.
pub fn scale(init: &Init, options: Scale, out: &mut Out) -> Result<(), Trouble> {
    for (name, count) in options.counts {
        settle(init, &Request::Scale { template: name.clone(), instances: count }, AT_ONCE, out)?;
        if count != 0 && !options.waiting.no_wait {
            let until = Until::Ready;
            let timeout_ms = options.waiting.timeout.map(millis);
            let request = Request::Wait { names: vec![name], until, timeout_ms };
            settle(init, &request, patience(options.waiting.timeout), out)?;
        }
    }
    Ok(())
}

/// `svctl start`, `stop` and `restart`.
pub fn change(init: &Init, verb: Verb, options: Change, out: &mut Out) -> Result<(), Trouble> {
    let wait = !options.waiting.no_wait;
    let timeout_ms = options.waiting.timeout.map(millis);
    let request = Request::Change { verb, names: options.names, wait, timeout_ms };
    let settled = settle(init, &request, if wait { patience(options.waiting.timeout) } else { AT_ONCE }, out);
    settled.map_err(|trouble| match trouble {
        Trouble::Interrupted(code, _) => {
            Trouble::Interrupted(code, "interrupted; init still carries out the request")
        }
        other => other,
    })
}

/// `svctl signal`.
pub fn signal(init: &Init, options: SendSignal, out: &mut Out) -> Result<(), Trouble> {
    settle(init, &Request::Signal { names: options.names, signal: options.signal }, AT_ONCE, out)
}

/// `svctl reload`. There is no timeout, because the reload command of a service has its own.
pub fn reload(init: &Init, options: Reload, out: &mut Out) -> Result<(), Trouble> {
    settle(init, &Request::Reload { names: options.names }, None, out)
}

/// `svctl wait`.
pub fn wait(init: &Init, options: Wait, out: &mut Out) -> Result<(), Trouble> {
    let until = if options.down { Until::Down } else { Until::Ready };
    let timeout_ms = options.timeout.map(millis);
    settle(init, &Request::Wait { names: options.names, until, timeout_ms }, patience(options.timeout), out)
}

/// `svctl shutdown`.
pub fn shutdown(init: &Init, options: &Shutdown, out: &mut Out) -> Result<(), Trouble> {
    settle(init, &Request::Shutdown { code: options.code.map(i32::from) }, AT_ONCE, out)
}

/// `svctl apply`.
pub fn apply(init: &Init, options: &Apply, out: &mut Out) -> Result<(), Trouble> {
    let changes = definition::changes(init)?;
    for change in &changes {
        out.write(&format!("{}: {}\n", change.name, change.what))?;
    }
    const NOTHING: &str = "nothing to apply: the plan on disk is in force\n";
    if options.dry_run {
        return out.write(if changes.is_empty() { NOTHING } else { "" });
    }
    out.flush()?;
    let timeout_ms = Some(millis(options.timeout));
    let request = Request::Change { verb: Verb::Apply, names: Vec::new(), wait: true, timeout_ms };
    // If it fails, going back may take as long.
    let settled = settle(init, &request, patience(Some(options.timeout.saturating_mul(2))), out);
    settled.map_err(|trouble| match trouble {
        Trouble::Interrupted(code, _) => Trouble::Interrupted(
            code,
            "interrupted; init goes on, and takes the plan of before back if the new one does not come up",
        ),
        other => other,
    })?;
    out.write(if changes.is_empty() { NOTHING } else { "all that changed is ready\n" })
}

/// Sends the request, and reports what happens until it is done.
fn settle(init: &Init, request: &Request, patience: Option<Duration>, out: &mut Out) -> Result<(), Trouble> {
    let narrate = std::io::stderr().is_terminal();
    follow(
        || init.connect(),
        request,
        patience,
        out,
        |response, out| match response {
            Response::Event(event) => {
                if narrate {
                    tell(&event, out);
                }
                Ok(())
            }
            other => finished_aloud(other, out),
        },
    )
}

/// Reports an event on standard error. Only a terminal gets it: scripts want the outcome alone.
fn tell(event: &Event, out: &Out) {
    let _ = std::io::stderr().write_all(event_line(event, false, out.screen.colour).as_bytes());
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
