//! Values as Spring takes them, made what a setting takes: `yes` is true, a number may have blanks around it, and ActiveMQ's words are in any case.

use std::borrow::Cow;

use crate::settings::{Kind, Setting};
use crate::value;

/// Sets a setting by what stands in an attribute.
pub(crate) fn set<T>(setting: &Setting<T>, target: &mut T, text: &str) -> Result<(), String> {
    (setting.set)(target, &plain(setting.kind, text)?)
}

fn plain(kind: Kind, text: &str) -> Result<Cow<'_, str>, String> {
    Ok(match kind {
        Kind::Truth => value::boolean(text)?.to_string().into(),
        Kind::Whole { .. } => value::whole(text)?.to_string().into(),
        // Spring knows no units of time: what looks like one is a slip.
        Kind::Time { .. } => {
            let number: Result<i64, _> = text.trim().parse();
            number.map_err(|_| "needs a whole number of milliseconds".to_owned())?.to_string().into()
        }
        Kind::Word(_) => text.trim().to_ascii_lowercase().into(),
        Kind::Text | Kind::List | Kind::Decimal | Kind::Size { .. } => text.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_spring_takes_is_made_plain() {
        let time = Kind::Time { least: 0, most: 10 };
        for (kind, text, expected) in [
            (Kind::Truth, " Yes", Ok("true")),
            (Kind::Truth, "0", Ok("false")),
            (Kind::Truth, "x", Err("needs true or false")),
            (Kind::Whole { least: 0, most: 10 }, " 7", Ok("7")),
            (Kind::Whole { least: 0, most: 10 }, "1k", Ok("1024")),
            (time, " 500 ", Ok("500")),
            (time, "30s", Err("needs a whole number of milliseconds")),
            (Kind::Word(&["always"]), "ALWAYS", Ok("always")),
            (Kind::Text, " a ", Ok(" a ")),
        ] {
            let found = plain(kind, text).map(Cow::into_owned);
            assert_eq!(found, expected.map(str::to_owned).map_err(str::to_owned), "{text}");
        }
    }
}
