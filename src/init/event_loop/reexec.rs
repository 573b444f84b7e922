//! What PID 1 knows, as it is written down for another version of its program, and read back. The rest is in [`crate::reexec`].

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::event_loop::lingering::{self, Lingering};
use crate::event_loop::{Init, Options, OutputWatch, Source};
use crate::kernel::cgroup::Cgroups;
use crate::kernel::handles::Handles;
use crate::kernel::kept::Kept;
use crate::kernel::poll::{Poll, Token};
use crate::reexec::{self, STATE};
use crate::server::clients::{self, Mode, Server, done, failure, shutting_down};
use crate::server::history::History;
use crate::service::io::{self, ServiceIo};
use crate::service::launch::Launcher;
use crate::service::log::sink::Sink;
use crate::service::log::{self, Logs};
use crate::service::sockets::Sockets;
use crate::start;
use crate::trace;
use init_control::wire::FailureKind;
use init_core::status::Stage;
use init_core::{Pid, Supervisor, Time};
use init_plan::{Ready, Scale, Service, id};

/// Everything that PID 1 knows and has open. Descriptors are in it as numbers, which nobody owns meanwhile.
#[derive(Deserialize, Serialize)]
pub(crate) struct State {
    /// The version of the program that wrote it.
    by: String,
    /// Where our program is, as the kernel called it at the boot.
    program: PathBuf,
    supervisor: Supervisor,
    scale: Scale,
    logs: log::Packed,
    service_io: Vec<io::Packed>,
    leaving: Vec<io::Packed>,
    poll: (Kept, u64),
    sources: Vec<(Token, Source)>,
    signals: (Kept, Token),
    handles: Vec<(Pid, Option<Kept>)>,
    lingering: Vec<lingering::Packed>,
    server: Option<clients::Packed>,
    history: History,
    pub(crate) runtime: Option<PathBuf>,
    cgroups: Option<PathBuf>,
    /// The limit on open files that services get.
    pub(crate) open_files: Option<(u64, u64)>,
    paused: bool,
    booted_at: Time,
    trim_at: Option<Time>,
    remind_at: Option<Time>,
    /// Who asked for it.
    asker: Token,
    /// Why the program that wrote it reads it again.
    #[serde(skip)]
    went_back: Option<String>,
}

/// What each program finds out for itself.
pub(crate) struct Surroundings {
    pub(crate) options: Options,
    pub(crate) launcher: Launcher,
    pub(crate) sockets: Sockets,
    pub(crate) trace: Option<trace::Lines>,
}

impl State {
    /// Says whether the program that wrote it reads it again, and why.
    pub(crate) fn went_back(&mut self, why: Option<String>) {
        self.went_back = why;
    }

    /// Makes sure that each descriptor is open, and there once.
    ///
    /// # Errors
    /// The number of one that is not.
    pub(crate) fn check(&self) -> Result<(), String> {
        let services = self.service_io.iter().chain(&self.leaving).flat_map(io::Packed::descriptors);
        let handles = self.handles.iter().filter_map(|&(_, handle)| handle);
        let lingering = self.lingering.iter().filter_map(lingering::Packed::descriptor);
        let clients = self.server.iter().flat_map(clients::Packed::descriptors);
        let all =
            services.chain(handles).chain(lingering).chain(clients).chain([self.poll.0, self.signals.0]);
        let mut seen = HashSet::new();
        for kept in all {
            if !kept.is_open() || !seen.insert(kept.number()) {
                return Err(format!("descriptor {} is not what it was", kept.number()));
            }
        }
        Ok(())
    }
}

impl Init {
    /// Another version of our program is to take our place at the end of this turn, if it can read what we write. `reads` are the numbers of the
    /// states that it reads, as its client has asked it.
    pub(crate) fn handle_reexec(&mut self, token: Token, program: &str, reads: &[u32]) {
        let own = self.program.display().to_string();
        let problem = if self.supervisor.stage() == Stage::Stopping {
            shutting_down()
        } else if self.generating.is_some() {
            let message = "the definitions are just being read: try again";
            failure(FailureKind::Failed, id!("I0215"), message)
        } else if own != program {
            let message = format!("the program of this init is {own}, not {program}");
            failure(FailureKind::BadRequest, id!("I0216"), message)
        } else if !reads.contains(&STATE) {
            let message = format!(
                "{own} reads states of the kind {reads:?}, and this init has one of the kind {STATE}: restart the container instead"
            );
            failure(FailureKind::Failed, id!("I0217"), message)
        } else {
            if let Some(client) = self.client(token) {
                client.mode = Mode::Answered;
            }
            self.reexec = Some(token);
            return;
        };
        self.reply(token, &problem);
    }

    /// Executes our program again. Returns only if that fails; everything goes on as it was.
    pub(crate) fn reexecute(mut self, asker: Token) -> Init {
        // Without a place to write to there would be no way back.
        let sink = match Sink::stdout() {
            Ok(sink) => sink,
            Err(error) => {
                let message = format!("cannot keep the output: {error}");
                self.reply(asker, &failure(FailureKind::Failed, id!("I0218"), message));
                return self;
            }
        };
        let program = self.program.clone();
        self.sockets.keep();
        let (state, surroundings) = self.pack(asker);
        let (mut state, why) = reexec::execute(&program, state);
        state.went_back = Some(why);
        Init::unpack(state, surroundings, sink)
    }

    fn pack(mut self, asker: Token) -> (State, Surroundings) {
        if let Some(token) = self.output.token.take() {
            // The next program opens the output anew.
            self.poll.remove(self.logs.fd());
            self.sources.remove(&token);
        }
        let Init { launcher, options, sockets, trace, .. } = self;
        let state = State {
            by: env!("CARGO_PKG_VERSION").to_owned(),
            program: self.program,
            scale: options.scale.clone(),
            logs: self.logs.pack(),
            service_io: self.service_io.into_iter().map(ServiceIo::pack).collect(),
            leaving: self.leaving.into_iter().map(ServiceIo::pack).collect(),
            poll: self.poll.pack(),
            sources: self.sources.into_iter().collect(),
            signals: (Kept::new(self.signals), self.signals_token),
            handles: self.handles.pack(),
            lingering: self.lingering.into_iter().map(Lingering::pack).collect(),
            server: self.server.map(Server::pack),
            history: self.history,
            runtime: self.runtime,
            cgroups: self.cgroups.map(|cgroups| cgroups.directory().to_owned()),
            open_files: launcher.open_files(),
            paused: self.output.paused,
            booted_at: self.booted_at,
            trim_at: self.trim_at,
            remind_at: self.remind_at,
            supervisor: self.supervisor,
            asker,
            went_back: None,
        };
        (state, Surroundings { options, launcher, sockets, trace })
    }

    /// Goes on with it, and tells who asked.
    pub(crate) fn unpack(state: State, surroundings: Surroundings, sink: Sink) -> Init {
        let Surroundings { mut options, launcher, sockets, trace } = surroundings;
        options.scale = state.scale;
        let plan = state.supervisor.plan();
        let mut logs = start::logs(sink, &plan.settings, &launcher).unpack(state.logs);
        let service_io: Vec<ServiceIo> = state.service_io.into_iter().map(ServiceIo::unpack).collect();
        for (service, io) in plan.services.iter().zip(&service_io) {
            watch(&mut logs, service, io);
        }
        let (signals, signals_token) = state.signals;
        let mut init = Init {
            supervisor: state.supervisor,
            launcher,
            logs,
            poll: Poll::unpack(state.poll),
            server: state.server.map(Server::unpack),
            service_io,
            leaving: state.leaving.into_iter().map(ServiceIo::unpack).collect(),
            sources: state.sources.into_iter().collect(),
            signals: signals.own(),
            signals_token,
            runtime: state.runtime,
            cgroups: state.cgroups.map(Cgroups::at),
            handles: Handles::unpack(state.handles),
            sockets,
            lingering: state.lingering.into_iter().map(Lingering::unpack).collect(),
            // Children may have ended meanwhile.
            reap_again: true,
            options,
            program: state.program,
            reexec: None,
            booted_at: state.booted_at,
            stepped: false,
            bulk_turns: 0,
            others_spoke: false,
            crowded_turns: 0,
            trace,
            waits: HashMap::new(),
            trim_at: state.trim_at,
            remind_at: state.remind_at,
            queue: VecDeque::new(),
            deferred: None,
            halted: None,
            changed: true,
            output: OutputWatch { token: None, wanted: false, paused: state.paused },
            generating: None,
            history: state.history.unpack(),
        };
        init.tell_reexec(state.asker, &state.by, state.went_back);
        init
    }

    fn tell_reexec(&mut self, asker: Token, before: &str, went_back: Option<String>) {
        let answer = match went_back {
            None => {
                let version = env!("CARGO_PKG_VERSION");
                let message = format!("init {version} goes on in the place of {before}");
                self.log(&format!("reexec: {message}"));
                done(message)
            }
            Some(why) => {
                let (id, message) = (id!("I0219"), format!("{why}; the running init goes on"));
                self.log(&id.after(&format!("reexec: {message}")));
                failure(FailureKind::Failed, id, message)
            }
        };
        self.reply(asker, &answer);
        self.flush_client(asker);
    }
}

/// Watches the output of a service that says there when it is ready, if it has not yet.
fn watch(logs: &mut Logs, service: &Service, io: &ServiceIo) {
    if let (Ready::Log(pattern), Some(_)) = (&service.ready, io.watched)
        && let Ok(pattern) = init_plan::pattern::compile(pattern)
    {
        logs.watch(io.log, pattern);
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::OwnedFd;

    use super::*;
    use crate::kernel::sys;
    use crate::service::environment::Container;
    use init_core::status::Phase;
    use init_core::{Change, Event};
    use init_plan::{Environment, Log, Source as Text, compile};

    /// A state of this kind as a program wrote it that was the first to have one. It is written anew, by `PULP_INIT_WRITE=1`, only together
    /// with a new kind.
    const WRITTEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/event_loop/state-1.json");

    /// One of each kind of thing.
    fn init() -> Init {
        let texts = [
            Text::new("job.toml", "type = \"oneshot\"\nexec = [\"job\"]\ndown = [\"undo\"]"),
            Text::new(
                "web.toml",
                "exec = [\"web\"]\nuser = \"www\"\nrequires = [\"job\"]\nwatchdog = \"5s\"\n[ready]\nlog = \"up\"\n[health]\nexec = [\"ok\"]\n\
                 [restart]\nlimit = { count = 3 }\n[env.set]\nA = \"b\"\n[reload]\nsignal = \"HUP\"\n[start-if]\nfile = \"/x\"",
            ),
            Text::new(
                "db.toml",
                "exec = [\"db\"]\n[ready]\nhttp = \"http://127.0.0.1/\"\n[limits]\nnofile = 5\n[cgroup]\nmemory = \"1MiB\"",
            ),
            Text::new("all.toml", "type = \"bundle\"\ncontents = [\"web\", \"db\"]"),
        ];
        let plan = compile(&texts, &Environment::new()).unwrap();
        let launcher = Launcher::new(Container::default(), Vec::new(), Some(sys::limit((10, 20)))).unwrap();
        let logs = Logs::new(Sink::new(null()), Log::Prefix, false, 4096);
        let signals = sys::signal_fd(&[]).unwrap();
        let supervisor = Supervisor::new(plan, 7);
        let runtime = Some(PathBuf::from("/nowhere"));
        let mut init = Init::new(
            supervisor,
            launcher,
            logs,
            Poll::new().unwrap(),
            signals,
            runtime,
            None,
            Options::default(),
        )
        .unwrap();
        init.program = "/init".into();
        init.options.scale = vec![("worker".into(), 3)];
        // Asked for, and none of them started: there is no such program.
        init.deferred = Some(Vec::new());
        init.feed(Event::Boot);
        init.deferred = None;
        let change = Change {
            id: init_plan::Id(0),
            from: Phase::Down,
            to: Phase::Waiting,
            pid: None,
            exit: None,
            why: None,
        };
        init.history.push(sys::now(), change);
        init
    }

    fn null() -> OwnedFd {
        File::options().read(true).write(true).open("/dev/null").unwrap().into()
    }

    fn written() -> String {
        let mut init = init();
        let asker = init.poll.token();
        serde_json::to_string(&init.pack(asker).0).unwrap()
    }

    #[test]
    fn state_is_read_back_as_it_was_written() {
        let text = written();
        let state: State = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&state).unwrap(), text);
        state.check().unwrap();
        // Something that a later version may add.
        let more = text.replacen('{', "{\"another\": 1, ", 1);
        assert!(serde_json::from_str::<State>(&more).is_ok());
    }

    #[test]
    fn state_of_an_earlier_version_of_the_same_kind_is_read() {
        if std::env::var_os("PULP_INIT_WRITE").is_some() {
            std::fs::write(WRITTEN, written() + "\n").unwrap();
        }
        let text = std::fs::read_to_string(WRITTEN).unwrap();
        let state: State = serde_json::from_str(&text).unwrap_or_else(|error| {
            panic!("{WRITTEN}: {error}; let what is new have a default, or raise STATE in src/init/reexec.rs and write a file of that kind")
        });
        assert!(state.supervisor.plan().services.len() == 3 && STATE == 1);
    }

    #[test]
    fn descriptor_that_is_closed_or_there_twice_is_found() {
        let text = written();
        let mut state: State = serde_json::from_str(&text).unwrap();
        state.signals.0 = state.poll.0;
        assert!(state.check().is_err());
        state.signals.0 = Kept::numbered(12345);
        assert!(state.check().unwrap_err().contains("12345"));
    }
}
