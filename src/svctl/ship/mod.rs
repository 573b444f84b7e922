//! `svctl ship`: the output of services, and changes of their states, to files, syslog, OpenTelemetry or Loki. It is a service of its
//! own: PID 1 has no part in it, and a receiver that is slow or dead slows nobody down.
//!
//! What comes from `init` goes into a queue for each destination, which is bounded: what does not fit is dropped, the oldest first, and
//! counted; the receiver is told the number.

mod destination;
mod files;
mod http;
mod position;
mod queue;
mod syslog;

use std::sync::Arc;
use std::time::Duration;

use init_control::wire::{Request, Response};
use init_plan::id;

use crate::commands::args::Ship;
use crate::commands::ask::Init;
use crate::commands::complain;
use crate::exit::{Code, Trouble};
use crate::live::{Connection, Interrupts};
use crate::notify;
use crate::render::stream::event_line;
pub use destination::Destination;
use position::Position;
use queue::{Queue, Record};

/// The variable with destinations, for those that hold a password: a command line is for everybody to see.
pub const VARIABLE: &str = "SVCTL_SHIP_TO";
/// The variable in which `init` says which service a process belongs to.
const OWN: &str = "INIT_SERVICE";
/// After a connection to `init` has ended, the next is made so much later.
const PAUSE: Duration = Duration::from_secs(1);
/// So long a receiver may take for what it has got, when the end has come.
const LAST: Duration = Duration::from_secs(3);
/// How often what was sent is written down, and shown.
const TELL: Duration = Duration::from_secs(5);

/// `svctl ship`. It returns only when it is told to end, or cannot go on.
pub fn run(init: &Init, options: Ship) -> Result<(), Trouble> {
    let mut destinations = options.to;
    if destinations.is_empty() {
        let listed = std::env::var(VARIABLE).unwrap_or_default();
        for word in listed.split_whitespace() {
            destinations
                .push(word.parse().map_err(|why: String| Trouble::said(Code::Usage, id!("C0501"), why))?);
        }
    }
    if destinations.is_empty() {
        let message = format!("name a destination, or list some in ${VARIABLE}: see svctl ship --help");
        return Err(Trouble::said(Code::Usage, id!("C0502"), message));
    }
    let position = Position::open(options.position.as_deref())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
    runtime.map_err(|error| failed(&error))?.block_on(ship(init, destinations, position))
}

/// A destination and what waits for it.
struct Line {
    queue: Arc<Queue>,
    name: String,
}

async fn ship(init: &Init, destinations: Vec<Destination>, mut position: Position) -> Result<(), Trouble> {
    let mut interrupts = Interrupts::listen().map_err(|error| failed(&error))?;
    let (mut lines, mut senders) = (Vec::new(), Vec::new());
    for destination in destinations {
        let (queue, name) = (Arc::new(Queue::default()), destination.to_string());
        // What can never work is told before anything is taken from `init`.
        let sender = destination
            .prepare()
            .map_err(|why| Trouble::said(Code::Failed, id!("C0504"), format!("{name}: {why}")))?;
        senders.push(tokio::spawn(sender.run(Arc::clone(&queue), name.clone())));
        lines.push(Line { queue, name });
    }
    notify::tell("");
    let ended = interrupts.or(feed_for_ever(init, &lines, &mut position)).await;
    for line in &lines {
        line.queue.close();
    }
    let all = async {
        for sender in &mut senders {
            let _ = sender.await;
        }
    };
    let _ = tokio::time::timeout(LAST, all).await;
    position.write(&lines.iter().map(|line| &*line.queue).collect::<Vec<_>>());
    tell(&lines);
    match ended {
        // That is how a service is told to end.
        Err(Trouble::Interrupted(Code::Terminated, _)) => Ok(()),
        other => other?,
    }
}

/// Takes what `init` sends until that cannot be.
async fn feed_for_ever(init: &Init, lines: &[Line], position: &mut Position) -> Result<(), Trouble> {
    loop {
        match feed(init, lines, position).await {
            Err(trouble @ Trouble::Said(Code::Denied, _)) => return Err(trouble),
            Err(trouble) => tracing::debug!(?trouble, "the connection to init has ended"),
            Ok(()) => {}
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The system refused what nothing can be sent without.
fn failed(error: &std::io::Error) -> Trouble {
    Trouble::said(Code::Failed, id!("C0503"), format!("cannot start: {error}"))
}

/// Takes it until the connection ends, or there is a service that it does not have.
async fn feed(init: &Init, lines: &[Line], position: &mut Position) -> Result<(), Trouble> {
    let failed = |error: std::io::Error| Trouble::connection(&error);
    let open = async |request: &Request| {
        let mut connection = Connection::new(init.connect()?, None).map_err(failed)?;
        connection.send(request).await.map_err(failed)?;
        Ok::<Connection, Trouble>(connection)
    };
    // All that was kept comes first, and what was sent before is left out.
    let mut output = open(&Request::Logs { names: Vec::new(), lines: None, follow: true }).await?;
    let mut events = open(&Request::Events).await?;
    let known: Vec<String> = init.services(&[])?.0.into_iter().map(|service| service.name).collect();
    let own = std::env::var(OWN).unwrap_or_default();
    position.begin();
    let mut tick = tokio::time::interval(TELL);
    loop {
        let response = tokio::select! {
            response = output.next() => response,
            response = events.next() => response,
            _ = tick.tick() => {
                position.write(&lines.iter().map(|line| &*line.queue).collect::<Vec<_>>());
                tell(lines);
                continue;
            }
        };
        match response.map_err(failed)? {
            // Its own output would make more of it.
            Response::Log { service, .. } if service == own => {}
            Response::Log { service, time_ms, line } if position.is_new(&service, time_ms) => {
                push(lines, Record { service, time_ms, line });
            }
            Response::Dropped { count } => lines.iter().for_each(|line| line.queue.missed(count)),
            Response::Event(event) if !known.contains(&event.service) => return Ok(()),
            Response::Event(event) => {
                let line = event_line(&event, false, false).trim_end().to_owned();
                push(lines, Record { service: "init".to_owned(), time_ms: event.time_ms, line });
            }
            Response::Error(failure) => return Err(failure.into()),
            _ => {}
        }
    }
}

fn push(lines: &[Line], record: Record) {
    for line in lines {
        line.queue.push(record.clone());
    }
}

/// Shows what was sent and what was dropped, beside the service and, for each destination that lost something, in its log.
fn tell(lines: &[Line]) {
    let sums = lines.iter().map(|line| line.queue.sums());
    let (sent, dropped, waiting) = sums.fold((0, 0, 0), |(sent, dropped, waiting), sums| {
        (sent + sums.sent, dropped + sums.dropped, waiting + sums.waiting)
    });
    notify::tell(&format!("{sent} lines sent, {dropped} dropped, {waiting} wait"));
    for line in lines {
        if let Some(dropped) = line.queue.newly_dropped() {
            complain(&format!(
                "{}: {dropped} lines were dropped: it takes them too slowly, or not at all",
                line.name
            ));
        }
    }
}
