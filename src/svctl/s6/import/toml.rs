//! Definitions as text.

use std::fmt::Write;

/// A definition that is being written. Keys come out in the order in which they go in.
#[derive(Clone, Debug, Default)]
pub struct Definition {
    text: String,
}

impl Definition {
    /// One whose first line says where it comes from.
    pub fn from(source: &str, kind: &str) -> Definition {
        let source = source.replace(char::is_control, "?");
        let mut made = Definition { text: format!("# From {source}\n") };
        made.string("type", kind).string("description", &format!("s6: {source}"));
        made
    }

    /// A key with a string.
    pub fn string(&mut self, key: &str, value: &str) -> &mut Definition {
        self.raw(key, &quoted(value))
    }

    /// A key with a list of strings; an empty one is left out.
    pub fn list<S: AsRef<str>>(&mut self, key: &str, values: &[S]) -> &mut Definition {
        if values.is_empty() {
            return self;
        }
        self.raw(key, &list(values))
    }

    /// A key with a value that is TOML already.
    pub fn raw(&mut self, key: &str, value: &str) -> &mut Definition {
        let _ = writeln!(self.text, "{key} = {value}");
        self
    }

    /// The beginning of a table.
    pub fn table(&mut self, name: &str) -> &mut Definition {
        let _ = write!(self.text, "\n[{name}]\n");
        self
    }

    /// All of it.
    pub fn done(&self) -> String {
        self.text.clone()
    }
}

/// A list of strings, as TOML.
pub fn list<S: AsRef<str>>(values: &[S]) -> String {
    let values: Vec<String> = values.iter().map(|value| quoted(value.as_ref())).collect();
    format!("[{}]", values.join(", "))
}

/// A string, as TOML, in which `init` finds no variable.
fn quoted(value: &str) -> String {
    let mut text = String::from("\"");
    for c in value.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            '\n' => text.push_str("\\n"),
            '$' => text.push_str("$$"),
            c if c.is_control() => {
                let _ = write!(text, "\\u{:04X}", u32::from(c));
            }
            c => text.push(c),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_come_back_as_they_were() {
        let odd = "a\"b\\c\n\t$HOME ${X} $$ \u{7f}ü";
        let text = Definition::from("/etc/x", "oneshot").list("exec", &["true", odd]).done();
        let plan = init_plan::check_text(text.as_bytes(), &init_plan::Environment::new()).unwrap();
        assert_eq!(&*plan.services[0].exec[1], odd);
    }
}
