//! Strays: processes of a service that left its process group, by setsid(2) or by forking twice. They became children of
//! ours when they lost their parent.
//!
//! Nothing but a variable in their environment says whose they are. A process can set it to anything, but that is of no
//! use to it: it is shown with, and killed with, the service that it names, and nobody else is. What the core asked for is
//! never taken for a stray.
//!
//! Looking costs a few system calls for each child that is not the core's, so it is done only where there is one, and
//! only when a service has ended or somebody who may act asks.

use crate::event_loop::Init;
use crate::kernel::children;
use crate::kernel::sys;
use crate::service::environment::MARK;
use init_core::status::{Stage, Stray};
use init_plan::{Id, Kind, Policy};

/// So many children are looked at. The next look finds those that were left when these are gone.
const MAX_LOOKED_AT: usize = 256;
/// So many strays of a service are shown.
const MAX_SHOWN: usize = 16;

impl Init {
    /// Whether we have children that the core did not ask for.
    pub(crate) fn has_orphans(&self) -> bool {
        children::count() > self.handles.count()
    }

    /// The strays of a service.
    pub(crate) fn strays(&self, id: Id) -> Vec<i32> {
        let Some(service) = self.supervisor.plan().services.get(id.index()) else { return Vec::new() };
        let orphans = children::list().into_iter().filter(|&pid| self.supervisor.owner(pid).is_none());
        let marked = |pid: &i32| children::variable(*pid, MARK).is_some_and(|mark| mark == *service.name);
        orphans.take(MAX_LOOKED_AT).filter(marked).collect()
    }

    /// Kills the strays of a service, and their process groups, and returns them. Their own children become ours and are
    /// found at the next look.
    pub(crate) fn kill_strays(&mut self, id: Id) -> Vec<i32> {
        // A shutdown ends everything that is left at its own end.
        if self.supervisor.stage() == Stage::Stopping || !self.has_orphans() {
            return Vec::new();
        }
        let strays = self.strays(id);
        for &pid in &strays {
            // Not reaped, so the number is its own, and so is the group of that number if it leads one.
            let _ = sys::kill(-pid, libc::SIGKILL);
            let _ = sys::kill(pid, libc::SIGKILL);
        }
        strays
    }

    /// Kills strays that have come since, and returns those of all that are not reaped. One that is just dying has no
    /// environment any more, but is there.
    pub(crate) fn remaining_strays(&mut self, id: Id, killed: &[i32]) -> Vec<i32> {
        let mut strays = self.kill_strays(id);
        let there = children::list();
        let dying =
            killed.iter().filter(|&&pid| there.contains(&pid) && self.supervisor.owner(pid).is_none());
        let dying: Vec<i32> = dying.copied().filter(|pid| !strays.contains(pid)).collect();
        strays.extend(dying);
        strays
    }

    /// What a oneshot left in other sessions is a daemon that it was to start, and lives on until the oneshot is stopped or
    /// runs again. Whatever else ends leaves nobody behind.
    pub(crate) fn leaves_daemons(&self, id: Id, succeeded: bool) -> bool {
        let kind = self.supervisor.plan().services.get(id.index()).map(|service| service.kind);
        succeeded && kind == Some(Kind::Oneshot)
    }

    /// Whether a service is a daemon that is started again when it ends, unlike the command of `init CMD`.
    pub(crate) fn is_to_stay(&self, id: Id) -> bool {
        let service = self.supervisor.plan().services.get(id.index());
        service
            .is_some_and(|service| service.kind == Kind::Longrun && service.restart.policy != Policy::Never)
    }

    /// The strays of a service, for people.
    pub(crate) fn shown_strays(&self, id: Id) -> Vec<Stray> {
        let strays = self.strays(id).into_iter().take(MAX_SHOWN);
        strays.map(|pid| Stray { pid, command: children::command(pid) }).collect()
    }
}
