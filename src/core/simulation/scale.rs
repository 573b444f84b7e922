//! Thousands of services: the work grows with their number, not its square, and long chains need no deep stack.
//!
//! Work is counted in looks at services, not in time, so that the machine does not matter.

use std::collections::{BTreeMap, VecDeque};

use super::plans::plain;
use crate::event::{Action, Event, Pid, Role, Run};
use crate::status::{Exit, Phase};
use crate::supervisor::Supervisor;
use crate::time::Time;
use init_plan::{Id, Plan, Service, Signal};

/// In which order processes answer.
#[derive(Clone, Copy, Debug)]
enum Order {
    Forward,
    Backward,
    Mixed,
}

/// A world in which all goes well, and fast.
struct Fast {
    core: Supervisor,
    order: Order,
    queue: VecDeque<Event>,
    pids: BTreeMap<Pid, Run>,
    next_pid: Pid,
    halted: bool,
}

impl Fast {
    fn new(plan: Plan, order: Order) -> Fast {
        let core = Supervisor::new(plan, 0);
        Fast { core, order, queue: VecDeque::new(), pids: BTreeMap::new(), next_pid: 1, halted: false }
    }

    /// Lets something happen and everything that follows from it.
    fn happen(&mut self, event: Event) {
        self.queue.push_back(event);
        let mut turn = 0_usize;
        while let Some(event) = self.next(turn) {
            turn += 1;
            for action in self.core.step(Time(0), event) {
                self.act(&action);
            }
        }
    }

    fn next(&mut self, turn: usize) -> Option<Event> {
        match self.order {
            Order::Forward => self.queue.pop_front(),
            Order::Backward => self.queue.pop_back(),
            Order::Mixed => {
                let at = turn.wrapping_mul(7919) % self.queue.len().max(1);
                self.queue.swap_remove_back(at)
            }
        }
    }

    fn act(&mut self, action: &Action) {
        match *action {
            Action::Spawn { run, role: Role::Main, .. } => {
                self.next_pid += 1;
                self.pids.insert(self.next_pid, run);
                self.queue.push_back(Event::Spawned { run, pid: self.next_pid });
            }
            Action::Signal { pid, signal: Signal::TERM, .. } => {
                self.queue.push_back(Event::Exited { pid, exit: Exit::Code(0) });
            }
            Action::Changed(ref change) if change.to == Phase::Ending => {
                // The event that ended it has told which run it was.
                let run = match self.core.unit(change.id).state {
                    crate::state::State::Ending { run, .. } => run,
                    _ => return,
                };
                self.queue.push_back(Event::Gone { run });
            }
            Action::Halt { .. } => self.halted = true,
            _ => {}
        }
    }

    fn all(&self, phase: Phase) -> bool {
        self.core.ids().all(|id| self.core.phase(id) == phase)
    }
}

/// The whole life of a plan; how often services were looked at.
fn looks(plan: Plan, order: Order) -> u64 {
    let mut world = Fast::new(plan, order);
    let last = world.core.ids().last().unwrap();
    world.happen(Event::Boot);
    assert!(world.all(Phase::Up), "{order:?}");
    world.happen(Event::Restart(Id(0)));
    world.happen(Event::Stop(Id(0)));
    world.happen(Event::Start(last));
    world.happen(Event::Start(Id(0)));
    let copy = world.core.plan().clone();
    world.happen(Event::Replan(Box::new(copy)));
    world.happen(Event::Shutdown(None));
    assert!(world.halted && world.all(Phase::Down), "{order:?}");
    world.core.looks.get()
}

fn id(at: usize) -> Id {
    Id(u32::try_from(at).unwrap())
}

fn plan(count: usize, shape: impl Fn(usize, &mut Service)) -> Plan {
    let services = (0..count).map(|at| {
        let mut service = plain(&format!("s{at}"));
        shape(at, &mut service);
        service
    });
    Plan { services: services.collect(), ..Plan::default() }
}

/// Independent, and one that starts after them all, as `init CMD` makes it.
fn flat(count: usize) -> Plan {
    plan(count, |at, service| {
        if at + 1 == count {
            service.after = (0..at).map(id).collect();
        }
    })
}

/// All require the first.
fn star(count: usize) -> Plan {
    plan(count, |at, service| service.requires = (0..at.min(1)).map(id).collect())
}

/// Each requires the one before.
fn chain(count: usize) -> Plan {
    plan(count, |at, service| service.requires = at.checked_sub(1).map(id).into_iter().collect())
}

/// Ten tiers; each service requires three of the tier below.
fn tiers(count: usize) -> Plan {
    let width = count / 10;
    plan(count, |at, service| {
        if at >= width {
            service.requires = (0..3).map(|nth| id((at / width - 1) * width + (at + nth) % width)).collect();
        }
    })
}

#[test]
fn work_grows_with_the_number_of_services_not_with_its_square() {
    type Shape = fn(usize) -> Plan;
    let shapes: [(&str, Shape); 4] = [("flat", flat), ("star", star), ("chain", chain), ("tiers", tiers)];
    let mut wrong = Vec::new();
    for (name, shape) in shapes {
        for order in [Order::Forward, Order::Backward, Order::Mixed] {
            let (few, many) = (looks(shape(300), order), looks(shape(3000), order));
            println!("{name} {order:?}: {} a service of 300, {} of 3000", few / 300, many / 3000);
            if many > few * 15 {
                wrong.push(format!("{name} {order:?}: {few} looks at 300, {many} at 3000"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn chain_of_10_000_services_starts_fails_recovers_and_stops_on_a_small_stack() {
    let work = || {
        let mut plan = chain(10_000);
        std::sync::Arc::make_mut(&mut plan.services[0].restart).policy = init_plan::Policy::Never;
        let mut world = Fast::new(plan, Order::Forward);
        world.happen(Event::Boot);
        assert!(world.all(Phase::Up));
        let pid = world.core.main_pid(Id(0)).unwrap();
        world.happen(Event::Exited { pid, exit: Exit::Code(1) });
        assert!(world.all(Phase::Failed));
        world.happen(Event::Start(Id(0)));
        assert!(world.all(Phase::Up));
        world.happen(Event::Stop(Id(0)));
        assert!(world.all(Phase::Down));
        world.happen(Event::Start(Id(9999)));
        world.happen(Event::Shutdown(None));
        assert!(world.halted);
    };
    std::thread::Builder::new().stack_size(256 * 1024).spawn(work).unwrap().join().unwrap();
}
