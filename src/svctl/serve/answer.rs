//! What `svctl serve` answers.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::header::{
    ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderValue, ORIGIN,
    REFERRER_POLICY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use hyper::{HeaderMap, Method, StatusCode};
use init_control::wire::{Event, FailureKind, Request, Response as Answer, Verb};
use init_core::status::ServiceStatus;
use serde::Serialize;

use super::access::{Access, Claims, Refusal, Wants};
use super::metrics::{Snapshot, Totals, render};
use crate::commands::ask::{AT_ONCE, Init, finished, json, received};
use crate::commands::watch::history_of;
use crate::exit::{Code, Trouble};
use crate::processes::{self, Usage, by_service};
use crate::render::plot::plot;

/// Who asks more often than that is told the same again.
const FRESH: Duration = Duration::from_millis(500);
/// So many lines of a service's output, and so many changes, are shown at most.
const MOST_LINES: usize = 500;
/// OpenMetrics 1.0.
const METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

/// The page, which fetches everything from here and holds nothing of this container.
const PAGE: [(&str, &str, &str); 3] = [
    ("/", "text/html; charset=utf-8", include_str!("page.html")),
    ("/console.css", "text/css; charset=utf-8", include_str!("page.css")),
    ("/console.js", "text/javascript; charset=utf-8", include_str!("page.js")),
];

/// Answers requests.
pub struct Console {
    /// The `init` of this container.
    pub init: Init,
    /// Who may ask.
    pub access: Access,
    /// What was counted.
    pub totals: Mutex<Totals>,
    /// The last look, and when that was.
    pub last: Mutex<Option<(Instant, std::sync::Arc<Snapshot>)>>,
}

/// An answer: status, kind and text.
pub type Reply = hyper::Response<String>;

/// What a path stands for.
enum Target<'a> {
    Page(usize),
    Metrics,
    Services,
    History,
    Boot,
    Logs(&'a str),
    Change(Verb, &'a str),
    Unknown,
}

impl Target<'_> {
    fn of(path: &str) -> Target<'_> {
        if let Some(index) = PAGE.iter().position(|(page, ..)| *page == path) {
            return Target::Page(index);
        }
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        match parts.as_slice() {
            ["metrics"] => Target::Metrics,
            ["api", "services"] => Target::Services,
            ["api", "history"] => Target::History,
            ["api", "boot.svg"] => Target::Boot,
            ["api", "logs", name] => Target::Logs(name),
            ["api", "services", name, "start"] => Target::Change(Verb::Start, name),
            ["api", "services", name, "stop"] => Target::Change(Verb::Stop, name),
            ["api", "services", name, "restart"] => Target::Change(Verb::Restart, name),
            _ => Target::Unknown,
        }
    }

    fn wants(&self) -> Wants {
        match self {
            Target::Page(_) | Target::Unknown => Wants::Page,
            Target::Metrics | Target::Services | Target::History | Target::Boot => Wants::Look,
            Target::Logs(_) | Target::Change(..) => Wants::Secret,
        }
    }

    fn method(&self) -> Method {
        if matches!(self, Target::Change(..)) { Method::POST } else { Method::GET }
    }
}

/// A service with what its processes use.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    service: &'a ServiceStatus,
    #[serde(flatten)]
    usage: Usage,
}

impl Console {
    /// Answers a request. It waits for `init`, so it is called where waiting holds up nobody.
    pub fn answer(&self, method: &Method, path: &str, headers: &HeaderMap, from: Option<IpAddr>) -> Reply {
        let target = Target::of(path);
        let text = |name| headers.get(name).and_then(|value| HeaderValue::to_str(value).ok());
        let claims = Claims { host: text(HOST), origin: text(ORIGIN), authorization: text(AUTHORIZATION) };
        if let Err(refusal) = self.access.check(target.wants(), claims) {
            return refused(refusal);
        }
        if matches!(target, Target::Unknown) {
            return reply(StatusCode::NOT_FOUND, TEXT, "there is nothing here\n".to_owned());
        }
        let right = target.method();
        if *method != right && !(*method == Method::HEAD && right == Method::GET) {
            let mut reply = reply(StatusCode::METHOD_NOT_ALLOWED, TEXT, format!("use {right}\n"));
            reply.headers_mut().insert(
                ALLOW,
                HeaderValue::from_static(if right == Method::POST { "POST" } else { "GET, HEAD" }),
            );
            return reply;
        }
        let answered = match target {
            Target::Page(index) => {
                Ok(PAGE.get(index).map_or_else(String::new, |(.., text)| (*text).to_owned()))
            }
            Target::Metrics => self.metrics(),
            Target::Services => self.services(),
            Target::History => self.history(),
            Target::Boot => self.init.boot().map(|boot| plot(&boot)),
            Target::Logs(name) => self.logs(name),
            Target::Change(verb, name) => self.change(verb, name, from),
            Target::Unknown => Ok(String::new()),
        };
        let kind = match Target::of(path) {
            Target::Page(index) => PAGE.get(index).map_or(TEXT, |(_, kind, _)| kind),
            Target::Metrics => METRICS,
            Target::Boot => "image/svg+xml",
            _ => JSON,
        };
        answered.map_or_else(|trouble| failed(&trouble), |text| reply(StatusCode::OK, kind, text))
    }

    /// How things are, looked at just now.
    fn snapshot(&self) -> Result<std::sync::Arc<Snapshot>, Trouble> {
        // Whoever waits here for another's look gets that look.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, snapshot)) = &*last
            && at.elapsed() < FRESH
        {
            return Ok(std::sync::Arc::clone(snapshot));
        }
        let (services, stage) = self.init.services_with_strays(&[])?;
        let all = processes::all()?;
        let (of_services, _) = by_service(&all, &services);
        let usages = of_services.into_iter().map(Usage::of).collect();
        self.totals.lock().unwrap_or_else(PoisonError::into_inner).add_cpu(&all, &services);
        let snapshot = std::sync::Arc::new(Snapshot { services, usages, stage, boot: self.init.boot()? });
        *last = Some((Instant::now(), std::sync::Arc::clone(&snapshot)));
        Ok(snapshot)
    }

    fn metrics(&self) -> Result<String, Trouble> {
        let snapshot = self.snapshot()?;
        Ok(render(&snapshot, &self.totals.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    fn services(&self) -> Result<String, Trouble> {
        let snapshot = self.snapshot()?;
        let services = snapshot.services.iter().zip(&snapshot.usages);
        let services: Vec<Shown<'_>> = services.map(|(service, &usage)| Shown { service, usage }).collect();
        let may_act = self.access.token.is_some();
        json(&serde_json::json!({ "stage": snapshot.stage, "services": services, "has-token": may_act }))
    }

    fn history(&self) -> Result<String, Trouble> {
        let (mut events, missing) = history_of(&self.init, &[])?;
        let surplus = events.len().saturating_sub(MOST_LINES);
        let events: Vec<Event> = events.drain(surplus..).collect();
        json(&serde_json::json!({ "missing": missing + surplus as u64, "events": events }))
    }

    fn logs(&self, name: &str) -> Result<String, Trouble> {
        let mut lines = Vec::new();
        let request = Request::Logs { names: vec![name.to_owned()], lines: Some(MOST_LINES), follow: false };
        for answer in self.init.ask(&request, AT_ONCE)? {
            match received(answer)? {
                Answer::Log { service, time_ms, line } => {
                    lines.push(serde_json::json!({ "service": service, "time-ms": time_ms, "line": line }));
                }
                other => finished(other)?,
            }
        }
        json(&lines)
    }

    fn change(&self, verb: Verb, name: &str, from: Option<IpAddr>) -> Result<String, Trouble> {
        let request = Request::Change { verb, names: vec![name.to_owned()], wait: false, timeout_ms: None };
        let mut said = String::new();
        for answer in self.init.ask(&request, AT_ONCE)? {
            match received(answer)? {
                Answer::Done { message } => said = message,
                other => finished(other)?,
            }
        }
        let from = from.map_or_else(|| "the socket".to_owned(), |from| from.to_string());
        crate::commands::complain(&format!(
            "{} of {name}, asked for by the holder of the token at {from}",
            verb.as_str()
        ));
        json(&serde_json::json!({ "message": said }))
    }
}

/// An answer with what keeps a browser from doing more with it than it is told.
fn reply(status: StatusCode, kind: &'static str, text: String) -> Reply {
    let mut reply = hyper::Response::new(text);
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    let policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; \
                  frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
    // A picture brings its own style. As a document it may have that, and nothing that does or fetches something.
    let picture =
        "script-src 'none'; object-src 'none'; img-src 'none'; connect-src 'none'; frame-ancestors 'none'";
    let policy = if kind == "image/svg+xml" { picture } else { policy };
    for (name, value) in [
        (CONTENT_TYPE, kind),
        (CONTENT_SECURITY_POLICY, policy),
        (X_FRAME_OPTIONS, "DENY"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    reply
}

fn refused(refusal: Refusal) -> Reply {
    let (status, text) = match refusal {
        Refusal::Host => (
            StatusCode::MISDIRECTED_REQUEST,
            "this is not the host of that name: `svctl serve --host NAME` lets it be asked by that name\n",
        ),
        Refusal::Origin => (StatusCode::FORBIDDEN, "a page of another origin may not ask\n"),
        Refusal::Token => (StatusCode::UNAUTHORIZED, "the token is missing or wrong\n"),
        Refusal::NoToken => (
            StatusCode::FORBIDDEN,
            "only the holder of a token may, and there is none: see `svctl serve --token-file`\n",
        ),
    };
    let mut reply = reply(status, TEXT, text.to_owned());
    if status == StatusCode::UNAUTHORIZED {
        reply.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    reply
}

fn failed(trouble: &Trouble) -> Reply {
    let (code, text) = match trouble {
        Trouble::Said(code, text) => (*code, text.as_str()),
        _ => (Code::Failed, "it failed"),
    };
    let status = match code {
        code if code == Code::from(FailureKind::UnknownName) => StatusCode::NOT_FOUND,
        Code::Denied => StatusCode::FORBIDDEN,
        Code::Unreachable => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    reply(status, TEXT, format!("{text}\n"))
}
