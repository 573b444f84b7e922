//! A text with places to fill in, simple enough to be read as what it becomes.
//!
//! `{{name}}` becomes a value. Lines from `# @if name` (or `# @if !name`) to `# @end` stay if that is true.

/// What a template is filled in with.
#[derive(Clone, Debug, Default)]
pub struct Values {
    texts: Vec<(&'static str, String)>,
    truths: Vec<(&'static str, bool)>,
}

impl Values {
    /// Gives a place its value.
    pub fn text(mut self, name: &'static str, value: impl Into<String>) -> Values {
        self.texts.push((name, value.into()));
        self
    }

    /// Says whether something is true.
    pub fn truth(mut self, name: &'static str, value: bool) -> Values {
        self.truths.push((name, value));
        self
    }

    /// The template, filled in.
    pub fn fill(&self, template: &str) -> String {
        let mut filled = String::new();
        let mut open: Vec<bool> = Vec::new();
        for line in template.lines() {
            let words = line.strip_prefix("# @").unwrap_or_default();
            if let Some(condition) = words.strip_prefix("if ") {
                open.push(self.holds(condition));
            } else if words == "end" {
                open.pop();
            } else if open.iter().all(|&holds| holds) {
                filled.push_str(&self.line(line));
                filled.push('\n');
            }
        }
        filled
    }

    fn holds(&self, condition: &str) -> bool {
        let (name, wanted) = condition.strip_prefix('!').map_or((condition, true), |name| (name, false));
        self.truths.iter().any(|&(known, value)| known == name && value == wanted)
    }

    /// A value is not looked into again: it may hold braces of its own.
    fn line(&self, line: &str) -> String {
        let mut filled = String::new();
        let mut rest = line;
        while let Some((before, place)) = rest.split_once("{{") {
            let (name, after) = place.split_once("}}").unwrap_or((place, ""));
            filled.push_str(before);
            match self.texts.iter().find(|(known, _)| *known == name) {
                Some((_, value)) => filled.push_str(value),
                // A slip of ours, left to be seen.
                None => filled.extend(["{{", name, "}}"]),
            }
            rest = after;
        }
        filled + rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_filled_and_values_are_not_looked_into() {
        let values = Values::default().text("a", "{{b}}").text("b", "2");
        assert_eq!(values.fill("x {{a}}-{{b}}\ny"), "x {{b}}-2\ny\n");
    }

    #[test]
    fn lines_stay_only_where_all_that_encloses_them_is_true() {
        let values = Values::default().truth("yes", true).truth("no", false);
        let template =
            "1\n# @if yes\n2\n# @if no\n3\n# @end\n# @if !no\n4\n# @end\n# @end\n# @if !yes\n5\n# @end";
        assert_eq!(values.fill(template), "1\n2\n4\n");
    }
}
