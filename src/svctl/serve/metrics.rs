//! The metrics of `svctl serve`, in OpenMetrics' text format.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;

use init_core::status::{Phase, ServiceStatus, Stage, Wellness};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::boot::Boot;
use crate::processes::{Process, Usage, by_service};

const PHASES: [Phase; 12] = [
    Phase::Down,
    Phase::Waiting,
    Phase::Checking,
    Phase::Starting,
    Phase::Up,
    Phase::Stopping,
    Phase::Ending,
    Phase::Undoing,
    Phase::Backoff,
    Phase::Done,
    Phase::Skipped,
    Phase::Failed,
];

/// What is known at one moment.
#[derive(Debug)]
pub struct Snapshot {
    /// Every service.
    pub services: Vec<ServiceStatus>,
    /// What the processes of each use, in the same order.
    pub usages: Vec<Usage>,
    /// How far the boot is.
    pub stage: Stage,
    /// The boot.
    pub boot: Boot,
}

/// What has been counted since this program runs, for each service by name.
#[derive(Debug, Default)]
pub struct Totals {
    processes: BTreeMap<i32, u64>,
    cpu_ms: BTreeMap<String, u64>,
    /// Lines and bytes of output.
    pub output: BTreeMap<String, (u64, u64)>,
    /// Lines that came too fast to be counted.
    pub missed: u64,
    /// Whether output is counted.
    pub counts_output: bool,
}

impl Totals {
    /// Adds what processes have used since the last look. A counter may not go down when a process ends, so the sum of those
    /// that live is not enough.
    pub fn add_cpu(&mut self, processes: &[Process], services: &[ServiceStatus]) {
        let (of_services, _) = by_service(processes, services);
        let mut seen = BTreeMap::new();
        for (service, processes) in services.iter().zip(of_services) {
            let mut used = 0;
            for process in processes {
                let before = self.processes.get(&process.pid).copied().unwrap_or(0);
                // A number that was used again belongs to another process, which begins at nothing.
                used += process.cpu_ms.checked_sub(before).unwrap_or(process.cpu_ms);
                seen.insert(process.pid, process.cpu_ms);
            }
            *self.cpu_ms.entry(service.name.clone()).or_default() += used;
        }
        self.processes = seen;
    }

    /// Counts a line of a service's output.
    pub fn add_line(&mut self, service: &str, bytes: usize) {
        let (lines, all) = match self.output.get_mut(service) {
            Some(counted) => counted,
            None => self.output.entry(service.to_owned()).or_default(),
        };
        *lines += 1;
        *all += bytes as u64 + 1;
    }
}

type Labels = Vec<(&'static str, String)>;
type Seconds = Family<Labels, Gauge<f64, AtomicU64>>;

/// The text.
pub fn render(snapshot: &Snapshot, totals: &Totals) -> String {
    let mut registry = Registry::with_prefix("init");
    let version = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
    registry.register("build", "The version of svctl", version);
    boot(&mut registry, snapshot);
    states(&mut registry, snapshot);
    usage(&mut registry, snapshot, totals);
    if totals.counts_output {
        output(&mut registry, totals);
    }
    let mut text = String::new();
    // It writes to memory.
    let _ = encode(&mut text, &registry);
    text
}

fn boot(registry: &mut Registry, snapshot: &Snapshot) {
    let complete = Gauge::<i64>::default();
    complete.set(i64::from(snapshot.stage == Stage::Running));
    registry.register("boot_complete", "Whether every service of the boot has settled", complete);
    if let Some(complete_ms) = snapshot.boot.complete_ms {
        let took = Gauge::<f64, AtomicU64>::default();
        took.set(seconds(complete_ms));
        registry.register_with_unit(
            "boot",
            "From the beginning of init to a complete boot",
            Unit::Seconds,
            took,
        );
    }
}

fn states(registry: &mut Registry, snapshot: &Snapshot) {
    let state = Family::<Labels, Gauge>::default();
    let wanted = Family::<Labels, Gauge>::default();
    let unhealthy = Family::<Labels, Gauge>::default();
    let restarts = Family::<Labels, Counter>::default();
    let (since, ready) = (Seconds::default(), Seconds::default());
    for service in &snapshot.services {
        for phase in PHASES {
            let mut labels = of(service);
            labels.push(("state", phase.as_str().to_owned()));
            state.get_or_create(&labels).set(i64::from(service.state == phase));
        }
        let labels = of(service);
        wanted.get_or_create(&labels).set(i64::from(service.wanted));
        unhealthy.get_or_create(&labels).set(i64::from(service.health == Wellness::Unhealthy));
        restarts.get_or_create(&labels).inc_by(u64::from(service.restarts));
        since.get_or_create(&labels).set(seconds(service.for_ms));
        if let Some(ms) = service.ready_after_ms {
            ready.get_or_create(&labels).set(seconds(ms));
        }
    }
    registry.register("service_state", "1 for the state that the service is in", state);
    registry.register("service_wanted", "Whether the service is to be up", wanted);
    registry.register("service_unhealthy", "Whether its health checks find it broken", unhealthy);
    registry.register("service_restarts", "Starts after it had ended by itself", restarts);
    registry.register_with_unit(
        "service_state_age",
        "How long it has been in its state",
        Unit::Seconds,
        since,
    );
    let help = "From its last start until it was ready or complete";
    registry.register_with_unit("service_ready", help, Unit::Seconds, ready);
}

fn usage(registry: &mut Registry, snapshot: &Snapshot, totals: &Totals) {
    let processes = Family::<Labels, Gauge>::default();
    let memory = Family::<Labels, Gauge>::default();
    let cpu = Family::<Labels, Counter<f64, AtomicU64>>::default();
    for (service, usage) in snapshot.services.iter().zip(&snapshot.usages) {
        let labels = of(service);
        processes.get_or_create(&labels).set(number(usage.processes));
        memory.get_or_create(&labels).set(number(usage.rss_bytes));
        let used = totals.cpu_ms.get(&service.name).copied().unwrap_or(0);
        cpu.get_or_create(&labels).inc_by(seconds(used));
    }
    registry.register("service_processes", "Processes of the service", processes);
    let help = "Resident memory of its processes; what they share is counted for each";
    registry.register_with_unit("service_memory", help, Unit::Bytes, memory);
    let help = "Time on a processor since svctl serve runs";
    registry.register_with_unit("service_cpu", help, Unit::Seconds, cpu);
}

fn output(registry: &mut Registry, totals: &Totals) {
    let lines = Family::<Labels, Counter>::default();
    let bytes = Family::<Labels, Counter>::default();
    for (service, &(count, size)) in &totals.output {
        let labels = vec![("service", service.clone())];
        lines.get_or_create(&labels).inc_by(count);
        bytes.get_or_create(&labels).inc_by(size);
    }
    registry.register("service_log_lines", "Lines of output since svctl serve runs", lines);
    registry.register_with_unit("service_log", "Bytes of output since svctl serve runs", Unit::Bytes, bytes);
    let missed = Counter::<u64>::default();
    missed.inc_by(totals.missed);
    registry.register("log_lines_missed", "Lines that came too fast to be counted here", missed);
}

fn of(service: &ServiceStatus) -> Labels {
    vec![("service", service.name.clone())]
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[allow(clippy::cast_precision_loss, reason = "times are rounded to what a double holds")]
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::samples::{boot, process, service};

    fn snapshot() -> Snapshot {
        let web = ServiceStatus {
            pid: Some(10),
            restarts: 3,
            ready_after_ms: Some(250),
            ..service("web", Phase::Up)
        };
        let services = vec![web, ServiceStatus { wanted: true, ..service("job\"\n", Phase::Failed) }];
        let usages = vec![Usage { processes: 2, cpu_ms: 0, rss_bytes: 4096 }, Usage::default()];
        Snapshot { services, usages, stage: Stage::Running, boot: boot() }
    }

    #[test]
    fn text_is_as_openmetrics_wants_it_whatever_a_name_is() {
        let mut totals = Totals { counts_output: true, ..Totals::default() };
        totals.add_line("web", 9);
        totals.add_line("web", 0);
        let text = render(&snapshot(), &totals);
        for line in [
            "# TYPE init_service_state gauge",
            "init_service_state{service=\"web\",state=\"up\"} 1",
            "init_service_state{service=\"web\",state=\"failed\"} 0",
            "init_service_state{service=\"job\\\"\\n\",state=\"failed\"} 1",
            "init_service_restarts_total{service=\"web\"} 3",
            "init_service_ready_seconds{service=\"web\"} 0.25",
            "init_service_memory_bytes{service=\"web\"} 4096",
            "init_service_log_lines_total{service=\"web\"} 2",
            "init_service_log_bytes_total{service=\"web\"} 11",
            "init_log_lines_missed_total 0",
            "init_boot_complete 1",
            "# UNIT init_boot_seconds seconds",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"), "{text}");
        assert!(!render(&snapshot(), &Totals::default()).contains("log_lines"), "nobody counts them");
    }

    #[test]
    fn time_on_a_processor_never_goes_down() {
        let mut totals = Totals::default();
        let services = snapshot().services;
        let used = |pid: i32, cpu_ms: u64| Process { cpu_ms, ..process(pid, 1, 10, "web") };
        let mut seen = Vec::new();
        for processes in [
            vec![used(10, 1000)],
            vec![used(10, 1500), used(11, 400)],
            vec![used(10, 1500)],
            vec![used(10, 20)],
            vec![used(10, 30), used(11, 5)],
        ] {
            totals.add_cpu(&processes, &services);
            seen.push(totals.cpu_ms["web"]);
        }
        assert_eq!(seen, [1000, 1900, 1900, 1920, 1935]);
    }
}
