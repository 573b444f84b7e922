//! The container's output, from the loop's side: when to write, and when services have to wait for it.

use std::os::fd::AsFd;

use crate::event_loop::{Init, Source};
use crate::kernel::poll::Interest;
use init_plan::Id;

impl Init {
    /// Writes what can be written, and stops or resumes reading services' pipes by how much is left.
    pub(crate) fn write_output(&mut self) {
        self.logs.flush();
        let wanted = self.logs.wants_write();
        if wanted != self.output.wanted {
            self.output.wanted = wanted;
            self.watch_output(wanted);
        }
        let full = self.logs.is_full();
        if full != self.output.paused {
            self.output.paused = full;
            let interest = if full { Interest::Paused } else { Interest::Read };
            for (read, _, token) in self.service_io.iter().filter_map(|io| io.pipe.as_ref()) {
                self.poll.change(read, *token, interest);
            }
            self.finish_logs();
        }
    }

    /// There is room again for what ended runs left.
    fn finish_logs(&mut self) {
        let ids = (0..self.service_io.len()).filter_map(|index| u32::try_from(index).ok()).map(Id);
        for id in ids {
            if !self.output.paused && self.service_io.get(id.index()).is_some_and(|io| io.unfinished) {
                self.finish_log(id);
                self.forget_if_retired(id);
            }
        }
        self.finish_leaving();
    }

    /// The same for services that are forgotten.
    fn finish_leaving(&mut self) {
        let logs = &mut self.logs;
        self.leaving.retain(|io| {
            let is_empty = io.pipe.as_ref().is_none_or(|(read, ..)| logs.finish_run(io.log, read.as_fd()));
            if is_empty {
                logs.forget(io.log);
            }
            !is_empty
        });
    }

    /// Watches the output only while something waits to be written: a closed one would be ready for ever.
    fn watch_output(&mut self, wanted: bool) {
        let fd = self.logs.fd();
        if let Some(token) = self.output.token.take() {
            self.poll.remove(fd);
            self.sources.remove(&token);
        }
        let token = self.poll.token();
        if wanted && self.poll.add(fd, token, Interest::Write).is_ok() {
            self.sources.insert(token, Source::Output);
            self.output.token = Some(token);
        }
    }
}
