//! A world whose every step is checked against the rules.

use super::before::Before;
use super::check::Outcome;
use super::plans;
use super::rules::Rules;
use super::world::World;
use crate::event::{Action, Event};
use crate::supervisor::Supervisor;
use init_plan::Id;

/// Changes what the supervisor says is to be done, to see that the rules find that.
pub(super) type Tamper = fn(&mut Vec<Action>);

/// A world, and the rules that it must keep.
pub(super) struct Simulation {
    pub(super) world: World,
    pub(super) rules: Rules,
    pub(super) tamper: Option<Tamper>,
    /// Everything that happened, if somebody wants to read it.
    pub(super) trace: Option<Vec<String>>,
    /// Every action, to compare two runs.
    pub(super) actions: Option<Vec<Action>>,
}

impl Simulation {
    pub(super) fn new(core: Supervisor) -> Simulation {
        let (rules, world) = (Rules::new(&core), World::new(core));
        Simulation { world, rules, tamper: None, trace: None, actions: None }
    }

    /// Hands an event to the core, does what it says, and checks every rule.
    pub(super) fn step(&mut self, event: Event) -> Outcome {
        let mut before = Before::new(&self.world, &event);
        self.trace_event(&event);
        self.rules.before_step(&self.world.core, &event);
        self.world.happens(&event);
        let mut actions = self.world.core.step(self.world.now, event);
        if let Some(tamper) = self.tamper {
            tamper(&mut actions);
        }
        self.world.rename_predecessors();
        for action in &actions {
            self.trace_action(action);
            self.rules.on_action(&self.world, &mut before, action)?;
            self.world.execute(action)?;
        }
        self.world.reap();
        self.rules.after_step(&self.world, &before)?;
        if let Some(kept) = &mut self.actions {
            kept.extend(actions);
        }
        Ok(())
    }

    fn trace_event(&mut self, event: &Event) {
        let Some(trace) = &mut self.trace else { return };
        let shown = match event {
            Event::Replan(plan) => format!("Replan:\n{}", plans::show(plan)),
            Event::Apply { plan, patience } => format!("Apply within {patience:?}:\n{}", plans::show(plan)),
            event => format!("{event:?}"),
        };
        trace.push(format!("{:9.3} s  {shown}", self.world.now.0 as f64 / 1e9));
    }

    fn trace_action(&mut self, action: &Action) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("                 {}", show(action, &self.world.core)));
        }
    }
}

fn show(action: &Action, core: &Supervisor) -> String {
    let name = |id: &Id| core.plan.services.get(id.index()).map_or("?", |s| &*s.name).to_owned();
    match action {
        Action::Spawn { id, run, role } => format!("spawn {} {role:?} as {run:?}", name(id)),
        Action::Signal { id, pid, signal, scope } => {
            format!("signal {} {signal} to {pid} ({scope:?})", name(id))
        }
        Action::Changed(change) => {
            let why = change.why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
            format!("{}: {} -> {}{why}", name(&change.id), change.from.as_str(), change.to.as_str())
        }
        Action::Warn { id, message } => format!("warn {}: {message}", name(id)),
        other => format!("{other:?}"),
    }
}
