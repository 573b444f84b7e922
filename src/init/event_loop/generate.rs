//! A reload where there is a generator: it runs first, and nobody waits for it but who asked for the reload.

use std::time::Duration;

use crate::event_loop::Init;
use crate::generator::Running;
use crate::kernel::poll::Token;
use crate::kernel::sys::Zombie;
use crate::server::clients::{Mode, bad_plan, done};
use init_control::wire::Response;
use init_core::Time;
use init_plan::id;

/// Who asked for a reload, and, if what it changes is to restart at once, how long that may take.
pub(crate) type Asker = (Token, Option<Duration>);

/// The reload that waits for its generator.
pub(crate) struct Generating {
    running: Running,
    /// Who is to be told; a signal asks, too, but wants no answer.
    askers: Vec<Asker>,
    /// Who asked meanwhile, for whom it is too early; `None` if nobody did. One more run is for all of them.
    again: Option<Vec<Asker>>,
}

impl Init {
    /// Reloads the plan, and answers `asker`.
    pub(crate) fn begin_reload(&mut self, asker: Option<Asker>) {
        if let Some(client) = asker.and_then(|(token, _)| self.client(token)) {
            client.mode = Mode::Answered;
        }
        if let Some(generating) = &mut self.generating {
            return generating.again.get_or_insert_default().extend(asker);
        }
        self.generate_for(asker.into_iter().collect());
    }

    fn generate_for(&mut self, askers: Vec<Asker>) {
        let Some(generator) = self.options.generator.clone() else {
            return self.end_reload(askers, Vec::new());
        };
        match generator.start(&mut self.launcher) {
            Ok(running) => self.generating = Some(Generating { running, askers, again: None }),
            Err(why) => self.end_reload(askers, vec![generator.failed(&why)]),
        }
    }

    /// A child that is no service's has ended: perhaps the generator.
    pub(crate) fn generator_ended(&mut self, zombie: Zombie) {
        let Some(generating) = self.generating.take_if(|one| one.running.is(zombie.pid)) else { return };
        let Generating { running, askers, again } = generating;
        let generator = self.options.generator.clone();
        let lines = generator.map(|one| one.take(running, Some(zombie.exit))).unwrap_or_default();
        self.end_reload(askers, lines);
        if let Some(askers) = again {
            self.generate_for(askers);
        }
    }

    /// When the generator has taken too long.
    pub(crate) fn generator_deadline(&self) -> Option<Time> {
        self.generating.as_ref().map(|generating| generating.running.deadline)
    }

    /// Kills the generator if it has taken too long.
    pub(crate) fn limit_generator(&mut self, now: Time) {
        if let Some(generating) = self.generating.as_mut().filter(|one| one.running.deadline <= now) {
            generating.running.kill();
            // It ends as soon as the kernel lets it; there is nothing more to do about it.
            generating.running.deadline = Time(u64::MAX);
        }
    }

    fn end_reload(&mut self, askers: Vec<Asker>, lines: Vec<String>) {
        for line in &lines {
            self.log(line);
        }
        // If several ask, the one who wants most gets it, and the others have nothing left to want.
        let patience = askers.iter().filter_map(|&(_, patience)| patience).max();
        let result = self.reload_plan(patience);
        if let (Err(problems), true) = (&result, askers.is_empty()) {
            let message = format!("reload: the plan on disk is wrong, the running one stays:\n{problems}");
            self.log(&id!("I0416").after(&message));
        }
        let answer = match result {
            Ok(message) => done([lines, vec![message]].concat().join("\n")),
            Err(problems) => bad_plan(problems),
        };
        let applies = patience.is_some() && matches!(answer, Response::Done { .. });
        for (token, patience) in askers {
            if applies && patience.is_some() {
                self.wait_until_applied(token);
                continue;
            }
            self.reply(token, &answer);
            self.flush_client(token);
        }
        self.finish_waits();
    }
}
