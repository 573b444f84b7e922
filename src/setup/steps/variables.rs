//! The container's own variables, read and checked in one place.
//!
//! They are those that the documentation names; settings of Pulp (`PULP_<SETTING>`) are Pulp's to read. One that is
//! empty counts as not set. Wrong ones are told all at once, so that one more try is enough.

use std::fmt::Display;
use std::ops::RangeInclusive;

use crate::{Context, Problem};

/// What the documented variables say.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Variables {
    /// `PULP_WORKERS`: how many tasks are worked on at a time.
    pub workers: u32,
    /// `PULP_API_WORKERS…`
    pub api: Processes,
    /// `PULP_CONTENT_WORKERS…`
    pub content: Processes,
    /// `PULP_GUNICORN_RELOAD`: start the processes of the API and content app again when their code changes.
    pub reload: bool,
    /// `PULP_GUNICORN_TIMEOUT`: seconds after which a process that answers nothing is replaced.
    pub timeout: u32,
    /// `PULP_HTTPS`
    pub https: bool,
    /// `PULP_UI`: serve the web interface. The image build puts its address here, so anything but `false` means yes.
    pub ui: bool,
    /// `PULP_DATABASE_TIMEOUT`: seconds to wait for a database that does not answer.
    pub database_timeout: u32,
    /// `PULP_MIGRATIONS_TIMEOUT`: seconds to wait for migrations that another container runs.
    pub migrations_timeout: u32,
    /// `PULP_STATIC_ROOT`, with a slash at its end.
    pub static_root: String,
    /// `PULP_SHARED_IMPORTS`: import Pulp once, and fork its services from there.
    pub shared_imports: bool,
    /// `PULP_X_ACCEL_REDIRECT`: nginx sends the files that the content app names.
    pub x_accel_redirect: bool,
    /// `PULP_OTEL_ENABLED`: metrics by OpenTelemetry. Not set, it is Pulp's setting of that name that counts.
    pub otel: Option<bool>,
}

/// The processes of a gunicorn.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Processes {
    /// How many.
    pub workers: u32,
    /// After how many requests each is replaced; 0 is never.
    pub max_requests: u32,
    /// Up to how many requests later, at random, so that not all are replaced at once.
    pub max_requests_jitter: u32,
}

/// The variable that both the container and Pulp's settings know.
const OTEL: &str = "PULP_OTEL_ENABLED";

/// More would be a slip of the finger: each takes some 100 MB.
const MOST_WORKERS: u32 = 1000;

/// The step: says what is wrong, if anything is.
pub fn run(context: &Context, _: &[String]) -> Result<(), Problem> {
    Variables::read(context).map(|_| ())
}

impl Variables {
    /// Reads all of them.
    ///
    /// # Errors
    /// Names each variable that is wrong, its value, and what is allowed.
    pub fn read(context: &Context) -> Result<Variables, Problem> {
        let mut reader = Reader { context, wrong: Vec::new() };
        let variables = Variables {
            workers: reader.number("PULP_WORKERS", 0..=MOST_WORKERS, 2),
            api: reader.processes("PULP_API_WORKERS"),
            content: reader.processes("PULP_CONTENT_WORKERS"),
            reload: reader.switch("PULP_GUNICORN_RELOAD").unwrap_or(false),
            timeout: reader.number("PULP_GUNICORN_TIMEOUT", 1..=u32::MAX, 90),
            https: reader.switch("PULP_HTTPS").unwrap_or(false),
            ui: context.var("PULP_UI").is_some_and(|value| !value.trim().eq_ignore_ascii_case("false")),
            database_timeout: reader.number("PULP_DATABASE_TIMEOUT", 1..=u32::MAX, 60),
            migrations_timeout: reader.number("PULP_MIGRATIONS_TIMEOUT", 1..=u32::MAX, 7200),
            static_root: reader.directory("PULP_STATIC_ROOT", "/var/lib/operator/static/"),
            shared_imports: reader.switch("PULP_SHARED_IMPORTS").unwrap_or(true),
            x_accel_redirect: reader.switch("PULP_X_ACCEL_REDIRECT").unwrap_or(true),
            otel: reader.switch(OTEL),
        };
        if reader.wrong.is_empty() { Ok(variables) } else { Err(reader.problem()) }
    }

    /// Variables as Pulp's own code has to see them: its reader of settings takes `no` for a text, which is true.
    pub fn for_pulp(&self) -> Option<(String, String)> {
        self.otel.map(|otel| (OTEL.to_owned(), otel.to_string()))
    }
}

/// Whether `PULP_HTTPS` asks for HTTPS; a wrong value does not, and is the step `variables`' to report.
pub fn https(context: &Context) -> bool {
    let mut reader = Reader { context, wrong: Vec::new() };
    reader.switch("PULP_HTTPS").unwrap_or(false)
}

/// Reads variables and collects what is wrong with them.
struct Reader<'a> {
    context: &'a Context,
    wrong: Vec<String>,
}

impl Reader<'_> {
    fn processes(&mut self, name: &str) -> Processes {
        Processes {
            workers: self.number(name, 1..=MOST_WORKERS, 2),
            max_requests: self.number(&format!("{name}_MAX_REQUESTS"), 0..=u32::MAX, 0),
            max_requests_jitter: self.number(&format!("{name}_MAX_REQUESTS_JITTER"), 0..=u32::MAX, 0),
        }
    }

    fn number(&mut self, name: &str, allowed: RangeInclusive<u32>, default: u32) -> u32 {
        let Some(value) = self.context.var(name) else { return default };
        // `parse` would take `+2`; Python's and a shell's readers of the same variable need not.
        let digits = Some(value.trim()).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        match digits.and_then(|text| text.parse().ok()).filter(|number| allowed.contains(number)) {
            Some(number) => number,
            None => self.refuse(name, value, numbers(&allowed), default),
        }
    }

    fn switch(&mut self, name: &str) -> Option<bool> {
        let value = self.context.var(name)?;
        match value.trim().to_ascii_lowercase().as_str() {
            "true" | "yes" | "1" => Some(true),
            "false" | "no" | "0" => Some(false),
            _ => self.refuse(name, value, "true or false", None),
        }
    }

    fn directory(&mut self, name: &str, default: &str) -> String {
        let value = self.context.var(name).unwrap_or(default);
        if !value.starts_with('/') {
            return self.refuse(name, value, "a path that begins with /", default.to_owned());
        }
        format!("{}/", value.trim_end_matches('/'))
    }

    /// Notes what is wrong, and returns something to go on with until all are read.
    fn refuse<T>(&mut self, name: &str, value: &str, allowed: impl Display, default: T) -> T {
        self.wrong.push(format!("{name} is {value:?}, but must be {allowed}"));
        default
    }

    fn problem(&self) -> Problem {
        let which = if self.wrong.len() == 1 { "that variable" } else { "those variables" };
        Problem::config(
            self.wrong.join("; "),
            format!("start the container with another value of {which} (`-e NAME=VALUE`), or without"),
        )
    }
}

fn numbers(allowed: &RangeInclusive<u32>) -> String {
    match *allowed.end() {
        u32::MAX => format!("a whole number from {} on", allowed.start()),
        end => format!("a whole number from {} to {end}", allowed.start()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(env: &[(&str, &str)]) -> Result<Variables, Problem> {
        Variables::read(&Context::for_test(std::path::Path::new("/"), env.iter().copied()))
    }

    #[test]
    fn without_variables_or_with_empty_ones_the_documented_defaults_hold() {
        let two = Processes { workers: 2, max_requests: 0, max_requests_jitter: 0 };
        let defaults = Variables {
            workers: 2,
            api: two,
            content: two,
            reload: false,
            timeout: 90,
            https: false,
            ui: false,
            database_timeout: 60,
            migrations_timeout: 7200,
            static_root: "/var/lib/operator/static/".to_owned(),
            shared_imports: true,
            x_accel_redirect: true,
            otel: None,
        };
        assert_eq!(read(&[]).unwrap(), defaults);
        let empty = [("PULP_WORKERS", ""), ("PULP_HTTPS", ""), ("PULP_UI", ""), ("PULP_OTEL_ENABLED", "")];
        assert_eq!(read(&empty).unwrap(), defaults);
    }

    #[test]
    fn each_variable_is_read() {
        let found = read(&[
            ("PULP_WORKERS", "0"),
            ("PULP_API_WORKERS", " 3 "),
            ("PULP_API_WORKERS_MAX_REQUESTS", "4"),
            ("PULP_API_WORKERS_MAX_REQUESTS_JITTER", "5"),
            ("PULP_CONTENT_WORKERS", "6"),
            ("PULP_CONTENT_WORKERS_MAX_REQUESTS", "7"),
            ("PULP_CONTENT_WORKERS_MAX_REQUESTS_JITTER", "8"),
            ("PULP_GUNICORN_TIMEOUT", "9"),
            ("PULP_GUNICORN_RELOAD", "true"),
            ("PULP_HTTPS", "True"),
            ("PULP_UI", "https://example.org/ui.tar.gz"),
            ("PULP_STATIC_ROOT", "/srv/static"),
            ("PULP_OTEL_ENABLED", "1"),
            ("PULP_SHARED_IMPORTS", "no"),
        ]);
        let expected = Variables {
            workers: 0,
            api: Processes { workers: 3, max_requests: 4, max_requests_jitter: 5 },
            content: Processes { workers: 6, max_requests: 7, max_requests_jitter: 8 },
            reload: true,
            timeout: 9,
            https: true,
            ui: true,
            database_timeout: 60,
            migrations_timeout: 7200,
            static_root: "/srv/static/".to_owned(),
            shared_imports: false,
            x_accel_redirect: true,
            otel: Some(true),
        };
        assert_eq!(found.unwrap(), expected);
    }

    #[test]
    fn a_switch_is_understood_in_any_case_and_spelling() {
        for (value, on) in [("TRUE", true), ("Yes", true), ("1", true), ("No", false), ("0", false)] {
            assert_eq!(read(&[("PULP_HTTPS", value)]).unwrap().https, on, "{value}");
        }
        assert!(!read(&[("PULP_UI", "False")]).unwrap().ui);
    }

    #[test]
    fn values_that_are_out_of_range_are_refused() {
        for (name, value) in [
            ("PULP_WORKERS", "1001"),
            ("PULP_WORKERS", "-1"),
            ("PULP_WORKERS", "+1"),
            ("PULP_WORKERS", "2.0"),
            ("PULP_API_WORKERS", "0"),
            ("PULP_CONTENT_WORKERS", "two"),
            ("PULP_GUNICORN_TIMEOUT", "0"),
            ("PULP_API_WORKERS_MAX_REQUESTS", "99999999999"),
            ("PULP_GUNICORN_RELOAD", "maybe"),
            ("PULP_OTEL_ENABLED", "on fire"),
            ("PULP_STATIC_ROOT", "static"),
        ] {
            let problem = read(&[(name, value)]).unwrap_err();
            assert!(problem.what().contains(&format!("{name} is {value:?}")), "{problem}");
            assert_eq!(problem.code(), 78);
        }
    }

    #[test]
    fn all_wrong_variables_are_told_at_once_in_one_line() {
        let problem = read(&[("PULP_WORKERS", "many"), ("PULP_HTTPS", "tls\n")]).unwrap_err();
        assert_eq!(
            problem.what(),
            "PULP_WORKERS is \"many\", but must be a whole number from 0 to 1000; \
             PULP_HTTPS is \"tls\\n\", but must be true or false"
        );
    }
}
