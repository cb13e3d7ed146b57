//! Prints what a broker would be told.

use kahawai_config::Origin;
use kahawai_config::danger::{self, Danger};
use kahawai_config::show::{self, Row, Value};
use serde_json::{Value as Json, json};

use super::options::ShowOptions;
use crate::configure;
use crate::exit::Failure;
use crate::output;

/// Prints it, as TOML or JSON.
pub(super) fn run(options: ShowOptions) -> Result<(), Failure> {
    let effective = configure::effective(options.serve)?;
    let rows = show::rows(&effective);
    let dangers = danger::told(&effective);
    if !options.json {
        return output::write(&(warnings(&dangers) + &show::toml(&rows)));
    }
    let dangers = dangers.iter().map(|(origin, danger)| {
        let made = json!({ "name": danger.key, "what": danger.what, "advice": danger.advice });
        from(made, origin)
    });
    output::json(&json!({
        "settings": rows.iter().map(row).collect::<Vec<_>>(),
        "dangers": dangers.collect::<Vec<_>>(),
    }))
}

/// What is dangerous, as comments.
fn warnings(dangers: &[(Origin, Danger)]) -> String {
    if dangers.is_empty() {
        return String::new();
    }
    let lines = dangers.iter().map(|(origin, danger)| show::comment(&danger::line(origin, danger)));
    let lines: Vec<String> = lines.map(|line| format!("#   {line}\n")).collect();
    format!("# Dangerous:\n{}\n", lines.concat())
}

fn row(row: &Row) -> Json {
    let value = match &row.value {
        None => Json::Null,
        Some(Value::Text(text)) => json!(text),
        // What is beyond JSON's numbers is a text there.
        Some(Value::Bare(text)) => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
        Some(Value::List(texts)) => json!(texts),
    };
    from(json!({ "name": row.key, "value": value, "hidden": row.hides }), &row.origin)
}

/// With where it comes from.
fn from(mut made: Json, origin: &Origin) -> Json {
    let (from, what) = match origin {
        Origin::Default => ("default", vec![]),
        Origin::File { file, line } => ("file", vec![("file", json!(file)), ("line", json!(line))]),
        Origin::Environment(name) => ("environment", vec![("variable", json!(name))]),
        Origin::Option(name) => ("option", vec![("option", json!(name))]),
    };
    made["from"] = json!(from);
    for (name, value) in what {
        made[name] = value;
    }
    made
}
