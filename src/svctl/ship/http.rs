//! Records by HTTP, as JSON: OpenTelemetry's protocol (OTLP/HTTP), and Loki's.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::destination::Outcome;
use super::queue::Record;
use super::syslog::host;

/// So long a server may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the server understands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Api {
    /// OTLP/HTTP with JSON.
    Otlp,
    /// Loki's push.
    Loki,
}

impl Api {
    /// Its name in an address.
    pub fn name(self) -> &'static str {
        match self {
            Api::Otlp => "otlp",
            Api::Loki => "loki",
        }
    }

    fn body(self, records: &[Record], host: &str) -> String {
        let mut services: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
        for record in records {
            services.entry(&record.service).or_default().push(record);
        }
        let services = services.into_iter();
        let value = match self {
            Api::Otlp => {
                let all: Vec<Value> = services.map(|(name, records)| otlp(name, &records, host)).collect();
                json!({ "resourceLogs": all })
            }
            Api::Loki => {
                let stream = |(name, records): (&str, Vec<&Record>)| {
                    let values: Vec<Value> =
                        records.iter().map(|record| json!([nanoseconds(record), record.line])).collect();
                    json!({ "stream": { "service": name, "host": host }, "values": values })
                };
                json!({ "streams": services.map(stream).collect::<Vec<_>>() })
            }
        };
        value.to_string()
    }
}

fn otlp(service: &str, records: &[&Record], host: &str) -> Value {
    let attribute = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    let record = |record: &&Record| {
        let time = nanoseconds(record);
        json!({ "timeUnixNano": time, "observedTimeUnixNano": time, "body": { "stringValue": record.line } })
    };
    json!({
        "resource": { "attributes": [attribute("service.name", service), attribute("host.name", host)] },
        "scopeLogs": [{ "scope": { "name": "svctl" }, "logRecords": records.iter().map(record).collect::<Vec<_>>() }],
    })
}

/// As text: JSON's numbers are not exact enough.
fn nanoseconds(record: &Record) -> String {
    format!("{}000000", record.time_ms)
}

/// Sends to a server by HTTP.
pub struct Http {
    api: Api,
    address: String,
    path: String,
    authorization: Option<String>,
    host: String,
    connection: Option<SendRequest<String>>,
}

impl Http {
    /// Connects when there is something to send. `user` is `USER:PASSWORD`.
    pub fn new(api: Api, address: String, path: String, user: Option<&str>) -> Http {
        let authorization = user.map(|user| format!("Basic {}", BASE64.encode(user)));
        Http { api, address, path, authorization, host: host(), connection: None }
    }

    /// Sends records.
    pub async fn send(&mut self, records: &[Record]) -> Outcome {
        let body = self.api.body(records, &self.host);
        match tokio::time::timeout(PATIENCE, self.ask(body)).await {
            Ok(Ok(status)) if status.is_success() => Outcome::Sent,
            // Too many, or not now; all other 4xx are the same next time.
            Ok(Ok(status)) if status.is_client_error() && !matches!(status.as_u16(), 408 | 429) => {
                Outcome::Refused(format!("status {status}"))
            }
            Ok(Ok(status)) => Outcome::Later(format!("status {status}")),
            Ok(Err(why)) => {
                self.connection = None;
                Outcome::Later(why)
            }
            Err(_) => {
                self.connection = None;
                Outcome::Later(format!("it does not answer within {} s", PATIENCE.as_secs()))
            }
        }
    }

    async fn ask(&mut self, body: String) -> Result<StatusCode, String> {
        let ready = match &mut self.connection {
            // The server may have ended it since the last time.
            Some(open) => open.ready().await.is_ok(),
            None => false,
        };
        if !ready {
            self.connection = Some(connect(&self.address).await?);
        }
        let Some(connection) = &mut self.connection else { return Err("not connected".to_owned()) };
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(&self.path)
            .header(HOST, &self.address)
            .header(CONTENT_TYPE, "application/json");
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let request = request.body(body).map_err(|error| error.to_string())?;
        let response =
            connection.send_request(request).await.map_err(|error| format!("cannot send: {error}"))?;
        let status = response.status();
        // Whoever does not read an answer cannot ask again on the same connection.
        let is_short =
            response.headers().get(hyper::header::CONTENT_LENGTH).is_some_and(|length| length == "0");
        if !(is_short || status == StatusCode::NO_CONTENT) {
            self.connection = None;
        }
        Ok(status)
    }
}

async fn connect(address: &str) -> Result<SendRequest<String>, String> {
    let stream = TcpStream::connect(address).await.map_err(|error| format!("cannot connect: {error}"))?;
    let (sender, connection) =
        handshake(TokioIo::new(stream)).await.map_err(|error| format!("cannot begin: {error}"))?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "the connection has ended");
        }
    });
    Ok(sender)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records() -> Vec<Record> {
        let record = |service: &str, time_ms, line: &str| Record {
            service: service.into(),
            time_ms,
            line: line.into(),
        };
        vec![record("web", 1, "GET \"/\""), record("db", 2, "up"), record("web", 3, "\u{1b}[31m")]
    }

    #[test]
    fn bodies_are_as_the_protocols_have_them() {
        let loki: Value = serde_json::from_str(&Api::Loki.body(&records(), "host")).unwrap();
        assert_eq!(loki["streams"][1]["stream"], json!({ "service": "web", "host": "host" }));
        assert_eq!(
            loki["streams"][1]["values"],
            json!([["1000000", "GET \"/\""], ["3000000", "\u{1b}[31m"]])
        );
        let otlp: Value = serde_json::from_str(&Api::Otlp.body(&records(), "host")).unwrap();
        let web = &otlp["resourceLogs"][1];
        assert_eq!(web["resource"]["attributes"][0]["value"]["stringValue"], "web");
        assert_eq!(web["scopeLogs"][0]["logRecords"][0]["body"]["stringValue"], "GET \"/\"");
        assert_eq!(web["scopeLogs"][0]["logRecords"][0]["timeUnixNano"], "1000000");
    }
}
