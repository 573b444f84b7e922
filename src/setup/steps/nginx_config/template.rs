//! A Jinja template that is filled in strictly: a name without a value is an error, not an empty text.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Value};
use minijinja::{AutoEscape, Environment, Error, UndefinedBehavior};

use crate::Problem;

/// What a template is filled in with. A text that is empty counts as false in a condition.
#[derive(Clone, Debug, Default)]
pub struct Values(Vec<(&'static str, Value)>);

impl Values {
    /// Gives a name its text.
    pub fn text(mut self, name: &'static str, value: impl Into<String>) -> Values {
        self.0.push((name, Value::from(value.into())));
        self
    }

    /// Gives a name several texts, to be gone through.
    pub fn list(mut self, name: &'static str, values: &[impl AsRef<str>]) -> Values {
        let values: Vec<String> = values.iter().map(|value| value.as_ref().to_owned()).collect();
        self.0.push((name, Value::from(values)));
        self
    }

    /// Says whether something is true.
    pub fn truth(mut self, name: &'static str, value: bool) -> Values {
        self.0.push((name, Value::from(value)));
        self
    }

    /// The template, filled in. A value is not looked into: it may hold braces of its own.
    ///
    /// # Errors
    /// The template is wrong, or uses a name that has no value: a bug, as templates are part of the program.
    pub fn fill(self, template: &str) -> Result<String, Problem> {
        self.render(template).map_err(|error| {
            Problem::new("S2106", format!("cannot fill in a template: {error}"), "report this as a bug")
        })
    }

    fn render(self, template: &str) -> Result<String, Error> {
        let mut environment = Environment::empty();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        let syntax = SyntaxConfig::builder().trim_blocks(true).keep_trailing_newline(true).build()?;
        environment.set_syntax(syntax);
        environment.render_str(template, Value::from(self.0.into_iter().collect::<Kwargs>()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_filled_in_and_values_are_not_looked_into() {
        let values = Values::default().text("a", "{{b}}<'>").text("b", "2");
        assert_eq!(values.fill("x {{a}}-{{b}}\ny\n").unwrap(), "x {{b}}<'>-2\ny\n");
    }

    #[test]
    fn lines_stay_only_where_all_that_encloses_them_is_true() {
        let values = Values::default().truth("yes", true).truth("no", false).text("empty", "");
        let template = "1\n{% if yes %}\n2\n{% if no %}\n3\n{% endif %}\n{% if not no %}\n4\n{% endif %}\n{% endif %}\n\
                        {% if empty %}\n5\n{% endif %}\n6\n";
        assert_eq!(values.fill(template).unwrap(), "1\n2\n4\n6\n");
    }

    #[test]
    fn a_name_without_a_value_is_an_error_in_a_text_and_in_a_condition() {
        for template in
            ["{{missing}}", "{% if missing %}\nx\n{% endif %}", "{% if not missing %}\nx\n{% endif %}"]
        {
            let problem = Values::default().fill(template).unwrap_err();
            assert!(problem.what().contains("undefined"), "{problem}");
        }
    }
}
