//! What must not be in a file that is sent to others.

use regex::Regex;

/// What stands for a secret.
const MASK: &str = "***";

/// Whether a variable or a key is likely to hold a secret, by its name.
pub fn looks_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let words = ["pass", "secret", "token", "key", "cred", "auth", "private", "cookie", "salt", "dsn", "pwd"];
    name != "pwd" && name != "oldpwd" && words.iter().any(|word| name.contains(word))
}

/// Whether a variable's value may be shown to others: numbers and truths, and the few whose values are known to be harmless.
pub fn is_harmless(name: &str, value: &str) -> bool {
    let known = ["PATH", "HOME", "LANG", "TZ", "HOSTNAME", "TERM", "container", "INIT_SERVICES", "INIT_LOG"];
    let is_number = value.len() <= 6 && value.bytes().all(|byte| byte.is_ascii_digit());
    let is_truth = ["true", "false", "yes", "no", "on", "off", ""].contains(&value);
    !looks_secret(name) && (is_number || is_truth || known.contains(&name) || name.starts_with("LC_"))
}

/// Replaces secrets in text.
#[derive(Debug)]
pub struct Mask {
    /// Values of variables, the longest first.
    values: Vec<String>,
    patterns: Vec<(Regex, &'static str)>,
}

/// Shorter values stand in other words by chance.
const SHORTEST: usize = 4;

/// What comes before a secret, and what replaces both. Only ASCII is spoken of: `svctl` has no tables of other letters.
const PATTERNS: [(&str, &str); 4] = [
    (r"(://)[^/ \t\n:@]*:[^/ \t\n@]*@", "${1}***@"),
    (r"((?i-u:authorization):?[ \t]+(?i-u:basic|bearer|token)[ \t]+)[^ \t\n]+", "${1}***"),
    (
        r#"((?i-u:pass(?:word|wd|phrase)?|secret|token|credential|api[-_]?key|private[-_]?key)[A-Za-z0-9_-]*["']?[ \t]*[=:][ \t]*)("[^"\n]*"|'[^'\n]*'|[^ \t\n,;&]+)"#,
        "${1}***",
    ),
    (r"(--?[a-z-]*(?i-u:password|secret|token|passphrase)[a-z-]*[ \t]+)[^ \t\n]+", "${1}***"),
];

impl Mask {
    /// Replaces the values of those of these variables that look secret, and what looks like a secret by what stands before it.
    ///
    /// # Errors
    /// If a pattern cannot be used, so that secrets would stay.
    pub fn new<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Mask, String> {
        let secret = |(name, value): &(&str, &str)| {
            looks_secret(name) && value.len() >= SHORTEST && !is_harmless("", value)
        };
        let found = variables.into_iter().filter(secret).map(|(_, value)| value.to_owned());
        let mut values: Vec<String> = found.collect();
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        let mut patterns = Vec::new();
        for (pattern, with) in PATTERNS {
            patterns.push((Regex::new(pattern).map_err(|error| error.to_string())?, with));
        }
        Ok(Mask { values, patterns })
    }

    /// The text without secrets.
    pub fn apply(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for value in &self.values {
            text = text.replace(value.as_str(), MASK);
        }
        for (pattern, with) in &self.patterns {
            if let std::borrow::Cow::Owned(masked) = pattern.replace_all(&text, *with) {
                text = masked;
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_replaced_wherever_they_stand() {
        let mask =
            Mask::new([("DB_PASSWORD", "hunter22"), ("PULP_SECRET_KEY", "s3cr3t/long"), ("WORKERS", "4444")])
                .unwrap();
        assert_eq!(mask.patterns.len(), PATTERNS.len());
        for (text, masked) in [
            ("login with hunter22 failed", "login with *** failed"),
            ("key s3cr3t/long4444", "key ***4444"),
            ("postgres://pulp:geheim@db/pulp", "postgres://***@db/pulp"),
            ("redis://:geheim@db", "redis://***@db"),
            ("Authorization: Basic cHVscDpnZWhlaW0=", "Authorization: Basic ***"),
            ("password=geheim user=pulp", "password=*** user=pulp"),
            ("{\"token\": \"geheim geheim\", \"a\": 1}", "{\"token\": ***, \"a\": 1}"),
            ("psql --db-password geheim -c x", "psql --db-password *** -c x"),
            ("DJANGO_SECRET_KEY: 'geheim'", "DJANGO_SECRET_KEY: ***"),
            ("the password was wrong", "the password was wrong"),
        ] {
            assert_eq!(mask.apply(text), masked);
        }
    }

    #[test]
    fn values_are_shown_only_if_they_cannot_be_secret() {
        for (name, value, shown) in [
            ("PULP_WORKERS", "4", true),
            ("PULP_HTTPS", "true", true),
            ("PATH", "/usr/bin", true),
            ("LC_ALL", "C.UTF-8", true),
            ("PIN_TOKEN", "123456", false),
            ("PULP_CONTENT_ORIGIN", "https://pulp.example.org", false),
            ("PHONE", "1234567", false),
            ("API_KEY", "", false),
        ] {
            assert_eq!(is_harmless(name, value), shown, "{name}");
        }
    }
}
