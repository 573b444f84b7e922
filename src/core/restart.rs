//! Whether and when a service that ended by itself is started again.

use std::time::Duration;

use super::state::State;
use super::status::Exit;
use super::supervisor::Supervisor;
use super::time::seconds;
use init_plan::Id;

/// The shortest delay before a start that failed for want of processes or memory is tried again. Without it a policy
/// without delay would spin just when the machine has nothing to spare.
pub(super) const LEAST_RETRY: Duration = Duration::from_millis(100);

impl Supervisor {
    /// Starts a service again, or gives it up if it was restarted too often.
    pub(super) fn restart_or_give_up(&mut self, id: Id, exit: Exit, why: String) {
        if let Some((most, interval)) = self.exceeded_limit(id) {
            let why = format!("{why}; gave up after {most} restarts within {}", seconds(interval));
            return self.fail(id, why, exit.shell_code());
        }
        if self.now.since(self.unit(id).started) >= self.service(id).restart.reset_after {
            self.unit_mut(id).tries = 0;
        }
        let unit = self.unit_mut(id);
        unit.restarts += 1;
        unit.said = Some(why);
        if unit.tries == 0 {
            // The first restart is at once: most services that end do so once.
            unit.tries = 1;
            return self.transition(id, State::Waiting);
        }
        self.back_off(id, Duration::ZERO);
    }

    /// Counts a restart; the limit, if the service is beyond it.
    fn exceeded_limit(&mut self, id: Id) -> Option<(u32, Duration)> {
        let (most, interval) = self.service(id).restart.limit?;
        let now = self.now;
        let history = &mut self.unit_mut(id).history;
        history.push_back(now);
        while history.front().is_some_and(|&first| now.since(first) > interval) {
            history.pop_front();
        }
        (history.len() > most as usize).then_some((most, interval))
    }

    /// Delays the next start, each time for longer, and at least for this long.
    pub(super) fn back_off(&mut self, id: Id, least: Duration) {
        let delay = self.next_delay(id).max(least);
        self.unit_mut(id).tries += 1;
        let until = self.now.plus(delay);
        self.transition(id, State::Backoff { until });
    }

    fn next_delay(&mut self, id: Id) -> Duration {
        let policy = self.service(id).restart.clone();
        let steps = self.unit(id).tries.saturating_sub(1).min(64);
        let factor = u128::from(policy.factor_percent);
        let longest = policy.max_delay.as_nanos();
        let mut nanos = policy.delay.as_nanos();
        for _ in 0..steps {
            nanos = (nanos.saturating_mul(factor) / 100).min(longest);
        }
        let longest = u64::try_from(longest).unwrap_or(u64::MAX);
        let nanos = u64::try_from(nanos).unwrap_or(u64::MAX).min(longest);
        let spread = nanos / 100 * u64::from(policy.jitter_percent.min(100));
        // No jitter makes a delay longer than the longest, so the longest only gets shorter.
        let (least, most) = (nanos - spread, nanos.saturating_add(spread).min(longest));
        Duration::from_nanos(least + self.random_below((most - least).saturating_add(1)))
    }
}
