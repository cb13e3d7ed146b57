//! Where a store is kept, as one text.

use std::fmt;
use std::path::PathBuf;

use crate::secret::Secret;
use crate::value;

/// Where a store is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreAddress {
    /// A journal in this directory.
    Journal(PathBuf),
    /// An SQLite database in this file.
    Sqlite(PathBuf),
    /// A PostgreSQL database at this URL.
    Postgres(Secret),
    /// A MySQL or MariaDB database at this URL.
    Mysql(Secret),
}

/// As it is written, but that a password in it is left out.
impl fmt::Display for StoreAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Journal(path) => write!(formatter, "journal:{}", path.display()),
            Self::Sqlite(path) => write!(formatter, "sqlite:{}", path.display()),
            Self::Postgres(url) | Self::Mysql(url) => formatter.write_str(&without_password(&url.0)),
        }
    }
}

/// A database's URL without the password that is in it.
pub(crate) fn without_password(url: &str) -> String {
    let (url, query) = url.split_once('?').unwrap_or((url, ""));
    let options: Vec<_> =
        query.split('&').filter(|option| !option.is_empty() && !option.starts_with("password=")).collect();
    let options = if options.is_empty() { String::new() } else { format!("?{}", options.join("&")) };
    without_user_password(url) + &options
}

fn without_user_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    // A password may hold anything but what ends the part it is in.
    let end = rest.find('/').unwrap_or(rest.len());
    let Some(at) = rest[..end].rfind('@') else { return url.to_owned() };
    let user = rest[..at].split(':').next().unwrap_or_default();
    format!("{scheme}://{user}{}", &rest[at..])
}

impl StoreAddress {
    /// Reads what a person or a file says: `DIR`, `journal:DIR`, `sqlite:FILE`, `postgres://…` or `mysql://…`.
    ///
    /// # Errors
    /// What is wrong with it, without the text, which may hold a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("journal:") {
            return value::directory(path).map(Self::Journal);
        }
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() {
                return Err("sqlite: needs a file".into());
            }
            return value::directory(path).map(Self::Sqlite);
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Postgres(Secret(text.to_owned())));
        }
        if text.starts_with("mysql://") || text.starts_with("mariadb://") {
            return Ok(Self::Mysql(Secret(text.replacen("mariadb://", "mysql://", 1))));
        }
        if let Some((scheme, _)) = text.split_once("://") {
            return Err(format!(
                "this program knows no '{scheme}' stores; there are DIR, sqlite:FILE, postgres://… and mysql://…"
            ));
        }
        value::directory(text).map(Self::Journal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stores_have_addresses() {
        let parse = |text: &str| StoreAddress::parse(text);
        assert_eq!(parse("./data"), Ok(StoreAddress::Journal("./data".into())));
        assert_eq!(parse("journal:/a/b"), Ok(StoreAddress::Journal("/a/b".into())));
        assert_eq!(parse("sqlite:a.db"), Ok(StoreAddress::Sqlite("a.db".into())));
        assert_eq!(parse("sqlite:///a.db"), Ok(StoreAddress::Sqlite("/a.db".into())));
        let url = "postgres://me:secret@one:5432/mine";
        assert_eq!(parse(url), Ok(StoreAddress::Postgres(Secret(url.to_owned()))));
        assert!(!format!("{:?}", parse(url)).contains("secret"));
        assert_eq!(
            parse(url).map(|address| address.to_string()),
            Ok("postgres://me@one:5432/mine".to_owned())
        );
        assert_eq!(parse("./data").map(|address| address.to_string()), Ok("journal:./data".to_owned()));
        // A strange relative directory would be made of it.
        for windows in ["E:/data", "journal:E:/data", "sqlite:c:\\a.db", "\\\\host\\share"] {
            assert!(parse(windows).is_err_and(|problem| problem.contains("Windows")), "{windows}");
        }
        assert!(parse("").is_err() && parse("journal:").is_err());
        let unknown = parse("oracle://me:secret@one/mine").expect_err("is not known");
        assert!(unknown.contains("oracle") && !unknown.contains("secret"), "{unknown}");
    }
}
