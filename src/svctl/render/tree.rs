//! `svctl tree`: services and their processes.

use std::collections::BTreeMap;
use std::fmt::Write;

use init_core::status::ServiceStatus;

use super::branches;
use super::paint::{self, BOLD, one_line};
use crate::duration::taken;
use crate::output::Screen;
use crate::processes::{Process, Usage};

/// What a line is about.
#[derive(Clone, Copy)]
enum Node<'a> {
    /// The processes of one service, or of none.
    Group(usize),
    Process(&'a Process),
}

/// Each service with its processes below it, and last the processes of none, if there are any.
///
/// `of_services` are the processes of each service, in the order of the services. A service without any has a line, too.
pub fn tree(
    services: &[ServiceStatus],
    of_services: &[Vec<&Process>],
    others: &[&Process],
    screen: Screen,
) -> String {
    let mut groups: Vec<&[&Process]> = of_services.iter().map(Vec::as_slice).collect();
    if !others.is_empty() {
        groups.push(others);
    }
    let mut group_of = BTreeMap::new();
    for (group, processes) in groups.iter().enumerate() {
        group_of.extend(processes.iter().map(|process| (process.pid, group)));
    }
    let parent_in_group = |process: &Process| {
        group_of.get(&process.parent).filter(|group| group_of.get(&process.pid) == Some(group)).is_some()
    };
    let mut children: BTreeMap<i32, Vec<Node<'_>>> = BTreeMap::new();
    for process in groups.iter().flat_map(|group| group.iter()).filter(|process| parent_in_group(process)) {
        children.entry(process.parent).or_default().push(Node::Process(process));
    }
    let lines = branches::lines((0..groups.len()).map(Node::Group).collect(), |node| match *node {
        Node::Process(process) => children.remove(&process.pid).unwrap_or_default(),
        Node::Group(group) => {
            let all = groups.get(group).into_iter().flat_map(|all| all.iter());
            all.filter(|process| !parent_in_group(process)).map(|process| Node::Process(process)).collect()
        }
    });
    let mut text = String::with_capacity(lines.len() * 100);
    paint::add(&mut text, &format!("{:>7} {:>8} {:>8}  PROCESS", "PID", "CPU", "RSS"), BOLD, screen.colour);
    text.push('\n');
    for line in lines {
        let (pid, usage) = match line.item {
            Node::Process(process) => (process.pid.to_string(), Usage::of([process])),
            Node::Group(group) => {
                let all = groups.get(group).copied().unwrap_or_default();
                (String::new(), Usage::of(all.iter().copied()))
            }
        };
        let (cpu, rss) = if usage.processes == 0 {
            ("-".to_owned(), "-".to_owned())
        } else {
            (taken(usage.cpu_ms), size(usage.rss_bytes))
        };
        let columns = format!("{pid:>7} {cpu:>8} {rss:>8}  {}", line.before);
        text.push_str(&columns);
        let room = screen.width.map(|width| width.saturating_sub(columns.chars().count()));
        match line.item {
            Node::Process(process) => {
                let command = one_line(&process.command);
                text.push_str(&room.map_or_else(|| command.clone(), |room| paint::cut(&command, room)));
            }
            Node::Group(group) => heading(&mut text, services.get(group), screen),
        }
        text.truncate(text.trim_end_matches(' ').len());
        text.push('\n');
    }
    text
}

fn heading(to: &mut String, service: Option<&ServiceStatus>, screen: Screen) {
    let Some(service) = service else { return to.push_str("(of no service)") };
    paint::add(to, &service.name, BOLD, screen.colour);
    to.push_str(" (");
    paint::add(to, service.state.as_str(), paint::of_state(service), screen.colour);
    to.push(')');
}

/// A size in memory: `812 kB`, `3.2 MB`, `84 MB`, `1.3 GB`.
pub fn size(bytes: u64) -> String {
    let mut text = String::new();
    let tenths = |unit: u64| (bytes / (unit / 10), bytes / unit);
    let _ = match bytes {
        0..1_000_000 => write!(text, "{} kB", bytes.div_ceil(1000)),
        1_000_000..10_000_000 => {
            let (tenths, whole) = tenths(1_000_000);
            write!(text, "{whole}.{} MB", tenths % 10)
        }
        10_000_000..1_000_000_000 => write!(text, "{} MB", bytes / 1_000_000),
        _ => {
            let (tenths, whole) = tenths(1_000_000_000);
            write!(text, "{whole}.{} GB", tenths % 10)
        }
    };
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_two_digits_at_least() {
        for (bytes, text) in [
            (0, "0 kB"),
            (1, "1 kB"),
            (812_000, "812 kB"),
            (3_290_000, "3.2 MB"),
            (84_900_000, "84 MB"),
            (1_390_000_000, "1.3 GB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }
}
