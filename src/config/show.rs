//! Prints what a broker would be told.

use kahawai_config::Origin;
use kahawai_config::show::{self, Row, Value};
use serde_json::{Value as Json, json};

use super::options::ShowOptions;
use crate::configure;
use crate::exit::Failure;
use crate::output;

/// Prints it, as TOML or JSON.
pub(super) fn run(options: ShowOptions) -> Result<(), Failure> {
    let rows = show::rows(&configure::effective(options.serve)?);
    if !options.json {
        return output::write(&show::toml(&rows));
    }
    output::json(&json!({ "settings": rows.iter().map(row).collect::<Vec<_>>() }))
}

fn row(row: &Row) -> Json {
    let value = match &row.value {
        None => Json::Null,
        Some(Value::Text(text)) => json!(text),
        // What is beyond JSON's numbers is a text there.
        Some(Value::Bare(text)) => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
        Some(Value::List(texts)) => json!(texts),
    };
    let mut made = json!({ "name": row.key, "value": value, "hidden": row.hides });
    let (from, what) = match &row.origin {
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
