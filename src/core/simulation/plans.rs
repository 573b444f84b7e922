//! Random plans, small but with everything a plan can hold.

use std::sync::Arc;
use std::time::Duration;

use super::choices::Choices;
use init_plan::{
    Check, Condition, Health, HealthAction, Hook, Id, Kind, Plan, Policy, Probe, Process, Ready, Reload,
    Restart, Scope, Service, Settings, Signal, Stop,
};

const NAMES: [&str; 10] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];

/// The longest stop timeout a random plan has.
pub(super) const LONGEST_STOP: Duration = Duration::from_secs(20);

/// A plan of one to eight services. Plans of one history share names, so that a later one changes an earlier.
pub(super) fn plan(choices: &mut Choices<'_>) -> Plan {
    let count = choices.one_of(&[1, 2, 3, 3, 4, 5, 6, 8]);
    let shift = choices.below(3);
    let services = (0..count).map(|at| service(choices, at, NAMES[(at + shift) % NAMES.len()])).collect();
    let shutdown_timeout = Duration::from_millis(choices.one_of(&[9000, 9000, 3000, 500, 30_000, 0]));
    Plan { services, settings: Settings { shutdown_timeout, ..Settings::default() }, ..Plan::default() }
}

/// The plainest longrun there is, for tests to alter.
pub(in super::super) fn plain(name: &str) -> Service {
    Service {
        name: name.into(),
        description: None,
        kind: Kind::Longrun,
        autostart: true,
        essential: false,
        requires: Vec::new(),
        wants: Vec::new(),
        after: Vec::new(),
        exec: vec!["run".into()],
        down: None,
        ready: Ready::Started,
        start_timeout: Some(Duration::from_secs(90)),
        health: None,
        watchdog: None,
        notify: false,
        restart: Arc::new(Restart {
            policy: Policy::Always,
            success: vec![0],
            delay: Duration::from_millis(100),
            factor_percent: 200,
            max_delay: Duration::from_secs(30),
            jitter_percent: 0,
            reset_after: Duration::from_secs(10),
            limit: None,
        }),
        stop: Arc::new(Stop {
            signal: Signal::TERM,
            scope: Scope::Leader,
            exec: None,
            repeat: None,
            timeout: Duration::from_secs(5),
        }),
        finish: None,
        reload: None,
        forward: Vec::new(),
        conditions: Vec::new(),
        process: Arc::new(Process::default()),
    }
}

fn service(choices: &mut Choices<'_>, at: usize, name: &str) -> Service {
    let mut service = plain(name);
    depend(choices, at, &mut service);
    if choices.chance(30) {
        service.kind = Kind::Oneshot;
        service.start_timeout = None;
        service.down = choices.chance(40).then(|| hook(choices));
    }
    service.autostart = !choices.chance(15);
    service.essential = choices.chance(6);
    service.ready = ready(choices);
    if choices.chance(40) {
        service.start_timeout = choices.one_of(&[None, Some(1), Some(4)]).map(Duration::from_secs);
    }
    if let Ready::Probe(probe) = &service.ready
        && service.start_timeout.is_some_and(|most| most <= probe.initial_delay)
    {
        // It would never be asked in time.
        service.start_timeout = Some(probe.initial_delay + Duration::from_secs(1));
    }
    service.health = choices.chance(20).then(|| health(choices));
    service.watchdog = choices.chance(15).then(|| Duration::from_secs(choices.one_of(&[2, 1, 7])));
    service.restart = Arc::new(restart(choices, service.kind));
    service.stop = Arc::new(stop(choices));
    service.finish = choices.chance(15).then(|| hook(choices));
    service.conditions = conditions(choices);
    if choices.chance(20) {
        service.reload = Some(match choices.below(2) {
            0 => Reload::Signal(Signal::HUP),
            _ => Reload::Exec(hook(choices)),
        });
    }
    if choices.chance(10) {
        service.forward = vec![Signal::USR1];
    }
    service
}

fn depend(choices: &mut Choices<'_>, at: usize, service: &mut Service) {
    for below in (0..at).rev().take(4) {
        let id = Id(u32::try_from(below).unwrap());
        match choices.below(10) {
            6..=8 => service.requires.push(id),
            5 => service.wants.push(id),
            9 => service.after.push(id),
            _ => {}
        }
    }
}

fn hook(choices: &mut Choices<'_>) -> Hook {
    let timeout = choices.one_of(&[Some(1), Some(5), None]).map(Duration::from_secs);
    Hook { exec: vec!["hook".into()], timeout }
}

fn probe(choices: &mut Choices<'_>) -> Probe {
    let check = match choices.below(2) {
        0 => Check::Exec(vec!["check".into()]),
        _ => Check::Tcp("127.0.0.1:80".into()),
    };
    let delay = choices.one_of(&[0, 100, 2000]);
    Probe {
        check,
        initial_delay: Duration::from_millis(delay),
        interval: Duration::from_millis(500),
        timeout: Duration::from_secs(1),
    }
}

fn ready(choices: &mut Choices<'_>) -> Ready {
    match choices.below(7) {
        0..=2 => Ready::Started,
        3 => Ready::Notify,
        4 => Ready::Fd(3),
        5 => Ready::Log("up".into()),
        _ => Ready::Probe(Box::new(probe(choices))),
    }
}

fn health(choices: &mut Choices<'_>) -> Box<Health> {
    use HealthAction::{Exit, None, Restart, Stop};
    let (probe, threshold) = (probe(choices), 1 + u32::try_from(choices.below(3)).unwrap());
    let action = choices.one_of(&[Restart, Restart, Restart, Stop, None, Exit]);
    Box::new(Health { probe, threshold, action })
}

fn restart(choices: &mut Choices<'_>, kind: Kind) -> Restart {
    let policy = match (kind, choices.below(4)) {
        (Kind::Longrun, 0 | 1) => Policy::Always,
        (_, 2) => Policy::OnFailure,
        _ => Policy::Never,
    };
    Restart {
        policy,
        success: choices.one_of(&[&[0][..], &[0, 3], &[0, 143]]).to_vec(),
        delay: Duration::from_millis(choices.one_of(&[100, 1000, 0])),
        factor_percent: choices.one_of(&[200, 150, 100]),
        max_delay: Duration::from_millis(choices.one_of(&[30_000, 3000, 500])),
        jitter_percent: choices.one_of(&[0, 10, 100]),
        reset_after: Duration::from_secs(choices.one_of(&[10, 1, 0])),
        limit: choices
            .chance(40)
            .then(|| (u32::try_from(choices.below(4)).unwrap(), Duration::from_secs(10))),
    }
}

fn stop(choices: &mut Choices<'_>) -> Stop {
    let longest = LONGEST_STOP.as_secs();
    Stop {
        signal: choices.one_of(&[Signal::TERM, Signal::TERM, Signal::INT, Signal::KILL]),
        scope: choices.one_of(&[Scope::Leader, Scope::Group]),
        exec: choices.chance(12).then(|| vec!["stop".into()]),
        repeat: choices.chance(15).then(|| Duration::from_secs(choices.one_of(&[1, 3]))),
        timeout: Duration::from_secs(choices.one_of(&[5, 1, longest, 0])),
    }
}

fn conditions(choices: &mut Choices<'_>) -> Vec<Condition> {
    let count = choices.one_of(&[0, 0, 0, 0, 0, 1, 1, 2]);
    (0..count)
        .map(|_| match choices.below(3) {
            0 => Condition::Exec(hook(choices)),
            1 => Condition::Env { name: "X".into(), value: None, negate: false },
            _ => Condition::File { path: "/x".into(), negate: true },
        })
        .collect()
}

/// A plan on one line a service, without what is the default.
pub(super) fn show(plan: &Plan) -> String {
    let names = |ids: &[Id]| {
        ids.iter().map(|id| plan.services[id.index()].name.to_string()).collect::<Vec<_>>().join(" ")
    };
    let mut lines = vec![format!("shutdown-timeout {:?}", plan.settings.shutdown_timeout)];
    for service in &plan.services {
        let dull = plain(&service.name);
        let mut line = format!("{}: {:?}", service.name, service.kind).to_lowercase();
        let mut add = |shown: bool, text: String| {
            if shown {
                line.push_str(", ");
                line.push_str(&text);
            }
        };
        add(!service.requires.is_empty(), format!("requires {}", names(&service.requires)));
        add(!service.wants.is_empty(), format!("wants {}", names(&service.wants)));
        add(!service.after.is_empty(), format!("after {}", names(&service.after)));
        add(!service.autostart, "autostart false".into());
        add(service.essential, "essential".into());
        add(service.ready != dull.ready, format!("ready {:?}", service.ready));
        let standard = if service.kind == Kind::Oneshot { None } else { dull.start_timeout };
        add(service.start_timeout != standard, format!("start-timeout {:?}", service.start_timeout));
        add(service.down.is_some(), format!("down {:?}", service.down));
        add(service.finish.is_some(), format!("finish {:?}", service.finish));
        add(service.health.is_some(), format!("health {:?}", service.health));
        add(service.watchdog.is_some(), format!("watchdog {:?}", service.watchdog));
        add(service.restart != dull.restart, format!("{:?}", service.restart));
        add(service.stop != dull.stop, format!("{:?}", service.stop));
        add(service.reload.is_some(), format!("reload {:?}", service.reload));
        add(!service.forward.is_empty(), format!("forward {:?}", service.forward));
        add(!service.conditions.is_empty(), format!("conditions {:?}", service.conditions));
        lines.push(line);
    }
    lines.join("\n")
}
