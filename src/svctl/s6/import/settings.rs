//! The variables of s6-overlay: those that mean something here, and a line for each that does not.

use std::time::Duration;

use init_plan::Environment;
use init_plan::values::duration_text;

/// What the variables ask for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Settings {
    /// Services get all of the container's environment.
    pub keep_env: bool,
    /// A step that fails ends the container.
    pub strict: bool,
    /// How long services of `services.d` may take to stop.
    pub services_grace: String,
    /// How long a script of `cont-finish.d` may take.
    pub finish_time: String,
}

/// Variables without a meaning here, and what to use instead.
const WITHOUT_MEANING: &[(&str, &str)] = &[
    ("S6_STAGE2_HOOK", "its command is not run; write a oneshot"),
    ("S6_LOGGING", "services write to the container's log; `svctl logs NAME` shows one alone"),
    ("S6_CMD_WAIT_FOR_SERVICES_MAXTIME", "give services a `start-timeout`"),
    ("S6_KILL_GRACETIME", "`shutdown-timeout` in init.toml bounds the whole shutdown"),
    ("S6_CMD_ARG0", "write it before the command of the container"),
    ("S6_CMD_USE_TERMINAL", "the command of the container has the terminal"),
    ("S6_CMD_RECEIVE_SIGNALS", "write `forward-signals` in the service that is to get them"),
    ("S6_WAIT_FOR_CLOSING_FD", "the boot does not wait for a descriptor"),
];

/// Reads the variables; the lines are for the log.
pub fn settings(environment: &Environment) -> (Settings, Vec<String>) {
    let number = |name: &str| environment.get(name).and_then(|value| value.trim().parse::<u64>().ok());
    let is_set = |name: &str| environment.get(name).is_some_and(|value| !matches!(value.trim(), "" | "0"));
    let settings = Settings {
        keep_env: is_set("S6_KEEP_ENV"),
        strict: number("S6_BEHAVIOUR_IF_STAGE2_FAILS").is_some_and(|value| value >= 2),
        services_grace: millis(number("S6_SERVICES_GRACETIME").unwrap_or(3000)),
        finish_time: limit(number("S6_KILL_FINISH_MAXTIME").unwrap_or(5000)),
    };
    let lines = WITHOUT_MEANING.iter().filter(|(name, _)| is_set(name));
    (settings, lines.map(|(name, instead)| format!("{name} has no effect here: {instead}")).collect())
}

/// Milliseconds as a duration of a definition, as far as that goes.
pub fn millis(number: u64) -> String {
    const TEN_YEARS: u64 = 3650 * 86_400_000;
    duration_text(Duration::from_millis(number.clamp(1, TEN_YEARS)))
}

/// The same where s6 takes 0 for "no limit".
pub fn limit(number: u64) -> String {
    if number == 0 { "none".to_owned() } else { millis(number) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> (Settings, Vec<String>) {
        settings(&pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn variables_are_mapped_or_told_of_once() {
        let (settings, lines) = of(&[
            ("S6_KEEP_ENV", "1"),
            ("S6_BEHAVIOUR_IF_STAGE2_FAILS", "2"),
            ("S6_SERVICES_GRACETIME", "700"),
            ("S6_KILL_FINISH_MAXTIME", "0"),
            ("S6_STAGE2_HOOK", "/hook"),
            ("S6_KILL_GRACETIME", "9000"),
        ]);
        let expected = Settings {
            keep_env: true,
            strict: true,
            services_grace: "700ms".into(),
            finish_time: "none".into(),
        };
        assert_eq!(settings, expected);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].contains("S6_STAGE2_HOOK") && lines[1].contains("shutdown-timeout"));
    }

    #[test]
    fn upstreams_own_values_change_nothing() {
        let (settings, lines) =
            of(&[("S6_BEHAVIOUR_IF_STAGE2_FAILS", "1"), ("S6_CMD_WAIT_FOR_SERVICES_MAXTIME", "0")]);
        assert!(!settings.strict && !settings.keep_env && lines.is_empty());
        assert_eq!((&*settings.services_grace, &*settings.finish_time), ("3000ms", "5000ms"));
    }
}
