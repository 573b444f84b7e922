//! The JSON Schema of the format, and the list of its keys.

use schemars::SchemaGenerator;
use serde_json::Value;

use super::file::{ServiceFile, SettingsFile};

/// The JSON Schema of a service's file; that of `init.toml` is its definition `SettingsFile`.
pub fn schema() -> Value {
    let mut generator = SchemaGenerator::default();
    generator.subschema_for::<SettingsFile>();
    let mut schema = generator.into_root_schema_for::<ServiceFile>().to_value();
    without_null(&mut schema);
    schema
}

/// The schema as a file, with a newline at its end.
pub fn schema_text() -> String {
    let mut text = serde_json::to_string_pretty(&schema()).unwrap_or_default();
    text.push('\n');
    text
}

/// TOML has no null: what may be left out is left out.
fn without_null(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            for key in ["type", "anyOf"] {
                if let Some(Value::Array(choices)) = object.get_mut(key) {
                    choices
                        .retain(|choice| choice != "null" && choice.get("type").is_none_or(|t| t != "null"));
                    if let ("type", [only]) = (key, choices.as_slice()) {
                        let only = only.clone();
                        object.insert(key.to_owned(), only);
                    } else if let [Value::Object(only)] = choices.as_slice() {
                        let only = only.clone();
                        object.remove(key);
                        object.extend(only);
                    }
                }
            }
            object.values_mut().for_each(without_null);
        }
        Value::Array(items) => items.iter_mut().for_each(without_null),
        _ => (),
    }
}

/// Every key of a definition (`ServiceFile`, `SettingsFile`), tables with a dot: `restart.limit.count`. The keys of
/// tables whose names are a person's own (`env.set`) are not in it.
pub fn keys(definition: &str) -> Vec<String> {
    let schema = schema();
    let mut keys = Vec::new();
    let root = if definition == "ServiceFile" {
        Some(&schema)
    } else {
        schema.pointer(&format!("/$defs/{definition}"))
    };
    root.into_iter().for_each(|root| collect(&schema, root, "", &mut keys));
    keys.sort();
    keys.dedup();
    keys
}

fn collect(root: &Value, part: &Value, prefix: &str, keys: &mut Vec<String>) {
    if let Some(target) =
        part.get("$ref").and_then(Value::as_str).and_then(|path| root.pointer(path.trim_start_matches('#')))
    {
        collect(root, target, prefix, keys);
    }
    for choice in part.get("anyOf").and_then(Value::as_array).into_iter().flatten() {
        collect(root, choice, prefix, keys);
    }
    for (key, value) in part.get("properties").and_then(Value::as_object).into_iter().flatten() {
        keys.push(format!("{prefix}{key}"));
        collect(root, value, &format!("{prefix}{key}."), keys);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::read::known::KEYS;
    use super::super::{Environment, Source, compile};
    use super::*;

    /// Has every table there is; the bundle and the template have the keys that services have not.
    const EVERY_TABLE: &str = "
        down = {}
        finish = {}
        [ready]
        [health]
        [restart.limit]
        [stop]
        [reload]
        [env]
        [limits.nofile]
        [cgroup]
        [start-if.exec]
    ";

    fn known_after(path: &str, text: &str) -> BTreeSet<String> {
        KEYS.take();
        let _ = compile(&[Source::new(path, text)], &Environment::new());
        KEYS.take()
    }

    #[test]
    fn schema_has_the_keys_that_the_compiler_reads() {
        let mut known = known_after("a.toml", &format!("type = 'oneshot'\n{EVERY_TABLE}"));
        // Of a oneshot what only longruns have is not read, and the other way round.
        known.extend(known_after("a.toml", EVERY_TABLE));
        let one_limit = |key: String| match key.strip_prefix("limits.").and_then(|rest| rest.split_once('.'))
        {
            Some((_, part)) => format!("limits.*.{part}"),
            None => key,
        };
        let schema: BTreeSet<String> = keys("ServiceFile").into_iter().map(one_limit).collect();
        assert_eq!(schema, known);
    }

    #[test]
    fn schema_has_the_settings_that_the_compiler_reads() {
        let schema: BTreeSet<String> = keys("SettingsFile").into_iter().collect();
        assert_eq!(schema, known_after("init.toml", ""));
    }

    #[test]
    fn no_key_of_the_schema_is_unknown_to_the_compiler() {
        for key in keys("ServiceFile") {
            let text = format!("{key} = false\n");
            let Err(problems) = compile(&[Source::new("a@.toml", text)], &Environment::new()) else {
                continue;
            };
            assert!(!problems.to_string().contains("unknown key"), "{key}: {problems}");
        }
    }
}
