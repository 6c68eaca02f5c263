//! Describes where each setting comes from, for `muster check`.

use super::given::Given;
use super::value::Value;

/// Returns a text for each setting that was given: its value and its place, and the values from
/// other places that it overrides.
pub(super) fn origins(given: &Given) -> Vec<String> {
    let origin = |value: &Value| {
        let hidden = given.hidden.iter().rev();
        let hidden = hidden.filter(|hidden| hidden.name == value.name);
        let hidden = hidden.map(|hidden| format!(", not {}", with_source(hidden)));
        format!(
            "{}={}{}",
            value.name,
            with_source(value),
            hidden.collect::<String>()
        )
    };
    given.values.values().map(origin).collect()
}

fn with_source(value: &Value) -> String {
    format!("{:?} ({})", value.shown(), value.source)
}
