//! Brackets, commas and options, as ActiveMQ's composite URIs have them.

/// What stands within the brackets that a text begins with, and the options behind them.
pub(super) fn bracketed(text: &str) -> Result<Option<(&str, &str)>, String> {
    let Some(within) = text.strip_prefix('(') else { return Ok(None) };
    let mut depth = 1_usize;
    for (place, letter) in within.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            let query = match &within[place + 1..] {
                "" => "",
                behind => {
                    behind.strip_prefix('?').ok_or_else(|| "has something behind its bracket".to_owned())?
                }
            };
            return Ok(Some((&within[..place], query)));
        }
    }
    Err("needs a closing bracket".to_owned())
}

/// What stands between the commas that are in no brackets.
pub(super) fn parts(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_usize;
    let each = text.split(move |letter| {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        letter == ',' && depth == 0
    });
    each.map(str::trim).filter(|part| !part.is_empty())
}

/// What stands before the options, and these.
pub(super) fn split_query(text: &str) -> (&str, &str) {
    text.split_once('?').unwrap_or((text, ""))
}

/// Each option and its value.
pub(super) fn options(query: &str) -> impl Iterator<Item = (&str, &str)> {
    let each = query.split('&').filter(|option| !option.is_empty());
    each.map(|option| option.split_once('=').unwrap_or((option, "")))
        .map(|(name, value)| (name.strip_prefix("amp;").unwrap_or(name), value))
}

/// A text with these options behind it.
pub(super) fn with_options(text: String, said: &[String]) -> String {
    if said.is_empty() { text } else { format!("{text}?{}", said.join("&")) }
}
