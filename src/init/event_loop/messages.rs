//! What `init` itself says in the container's log: few lines, each of use to the person who reads them.

use std::time::Duration;

use init_core::status::Phase;
use init_core::{Change, Supervisor, Time};
use init_plan::Kind;

/// From here on a start is worth a word.
const SLOW: Duration = Duration::from_millis(100);

/// The line for a change of state, if it is worth one.
pub fn of_change(change: &Change, supervisor: &Supervisor, now: Time) -> Option<String> {
    let service = supervisor.plan().services.get(change.id.index())?;
    let name = &service.name;
    let note = || supervisor.note(change.id, now).map(|note| format!(": {note}")).unwrap_or_default();
    match (change.from, change.to) {
        (_, Phase::Up) => {
            let took = supervisor.status(change.id, now).ready_after_ms.unwrap_or(0);
            Some(format!("{name} is up after {}", short(Duration::from_millis(took))))
        }
        (_, Phase::Done) if service.kind == Kind::Oneshot => {
            let took = supervisor.status(change.id, now).ready_after_ms.unwrap_or(0);
            Some(format!("{name} is done after {}", short(Duration::from_millis(took))))
        }
        (_, Phase::Done) => Some(format!("{name} has ended")),
        (_, Phase::Backoff) => Some(format!("{name} is down{}", note())),
        (_, Phase::Failed) => Some(format!("{name} FAILED{}", note())),
        (_, Phase::Skipped) => Some(format!("{name} is skipped{}", note())),
        (_, Phase::Stopping) => change.why.as_ref().map(|why| format!("{name} is stopped: {why}")),
        (_, Phase::Ending) => {
            // An end on request is no news; one by itself is.
            let exit = change.exit.filter(|_| change.from != Phase::Stopping)?;
            (service.kind == Kind::Longrun).then(|| format!("{name} ended with {exit}"))
        }
        (_, Phase::Down | Phase::Waiting | Phase::Checking | Phase::Starting | Phase::Undoing) => None,
    }
}

/// The line when the boot is complete: how long it took, and what came of whom.
pub fn of_boot(supervisor: &Supervisor, took: Duration) -> String {
    let mut counts = std::collections::BTreeMap::new();
    let mut failed = Vec::new();
    for (service, id) in supervisor.plan().services.iter().zip((0..).map(init_plan::Id)) {
        let phase = supervisor.phase(id);
        *counts.entry(phase).or_insert(0u32) += 1;
        if phase == Phase::Failed {
            failed.push(service.name.to_string());
        }
    }
    let shown = [Phase::Up, Phase::Done, Phase::Skipped, Phase::Failed];
    let counts: Vec<String> =
        shown.iter().filter_map(|phase| Some(format!("{} {}", counts.get(phase)?, phase.as_str()))).collect();
    let counts = if counts.is_empty() { "nothing to run".to_owned() } else { counts.join(", ") };
    if failed.is_empty() {
        format!("ready in {}: {counts}{}", short(took), slowest(supervisor))
    } else {
        format!(
            "booted in {}, but not all is well: {counts} ({}); see `svctl status NAME`",
            short(took),
            failed.join(", ")
        )
    }
}

/// What the boot took its time over: the slowest service, and the next one if it was half as slow. Nothing, if none of
/// them was slow.
fn slowest(supervisor: &Supervisor) -> String {
    let services = supervisor.plan().services.iter().zip((0..).map(init_plan::Id));
    let mut steps: Vec<(Duration, &str)> = services
        .filter_map(|(service, id)| Some((supervisor.first_start_took(id)?, &*service.name)))
        .collect();
    steps.sort_by_key(|&(took, _)| std::cmp::Reverse(took));
    match steps.as_slice() {
        [(first, name), rest @ ..] if *first >= SLOW => {
            let next = rest.first().filter(|(took, _)| *took >= *first / 2);
            let next = next.map(|(took, name)| format!(", {name} {}", short(*took))).unwrap_or_default();
            format!(" ({name} took {}{next})", short(*first))
        }
        _ => String::new(),
    }
}

/// While the boot takes long: what is not ready yet, and why.
pub fn of_wait(supervisor: &Supervisor, now: Time) -> Option<String> {
    let waiting: Vec<String> = (0..supervisor.plan().services.len())
        .filter_map(|index| {
            let id = init_plan::Id(u32::try_from(index).ok()?);
            let phase = supervisor.phase(id);
            // Those that only wait for another say nothing that the other's line does not.
            let busy = matches!(phase, Phase::Checking | Phase::Starting | Phase::Backoff);
            let status = (busy && supervisor.is_wanted(id)).then(|| supervisor.status(id, now))?;
            let note = status.note.map(|note| format!(", {note}")).unwrap_or_default();
            Some(format!(
                "{} ({} for {}{note})",
                status.name,
                phase.as_str(),
                short(Duration::from_millis(status.for_ms))
            ))
        })
        .collect();
    (!waiting.is_empty()).then(|| format!("still waiting for {}", waiting.join("; ")))
}

/// While the shutdown takes long: who holds it up, and whom.
pub fn of_shutdown(supervisor: &Supervisor, now: Time) -> Option<String> {
    let blocking: Vec<String> = supervisor
        .blockers()
        .filter_map(|(id, since)| {
            let service = supervisor.plan().services.get(id.index())?;
            let pid = supervisor.main_pid(id).map(|pid| format!("pid {pid}, ")).unwrap_or_default();
            let note = supervisor.note(id, now).map(|note| format!(", {note}")).unwrap_or_default();
            Some(format!("{} ({pid}{} after its stop signal{note})", service.name, short(now.since(since))))
        })
        .collect();
    (!blocking.is_empty()).then(|| format!("shutdown waits for {}", blocking.join("; ")))
}

/// A duration for people: three digits are enough.
pub fn short(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 0.0995 {
        format!("{:.0} ms", seconds * 1000.0)
    } else if seconds < 60.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{} min {} s", duration.as_secs() / 60, duration.as_secs() % 60)
    }
}
