//! Where the arbiter of a pair is, as one text.

use std::fmt;
use std::path::PathBuf;

use kahawai_replication::witness::PairName;

use crate::secret::Secret;
use crate::store_address::without_password;
use crate::value;

/// What there is, for whoever wrote something else.
const THERE_ARE: &str = "there are DIR, which both brokers reach, tcp://HOST:PORT or tcp://HOST:PORT/NAME of a kahawai \
                         witness, postgres://… and mysql://…";

/// Where the arbiter of a pair is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArbiterAddress {
    /// In this directory, which both members reach.
    Directory(PathBuf),
    /// A witness.
    Witness {
        /// `HOST:PORT`.
        place: String,
        /// What the pair is called there.
        name: PairName,
    },
    /// A row in a PostgreSQL database.
    Postgres {
        /// The database.
        url: Secret,
        /// What the pair is called there.
        name: PairName,
    },
    /// A row in a MySQL or MariaDB database.
    Mysql {
        /// The database.
        url: Secret,
        /// What the pair is called there.
        name: PairName,
    },
}

/// As it is written, but that a password in it is left out.
impl fmt::Display for ArbiterAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) => write!(formatter, "{}", path.display()),
            Self::Witness { place, name } if *name == PairName::default() => {
                write!(formatter, "tcp://{place}")
            }
            Self::Witness { place, name } => write!(formatter, "tcp://{place}/{name}"),
            Self::Postgres { url, name } | Self::Mysql { url, name } => {
                let shown = without_password(&url.0);
                let before = if shown.contains('?') { '&' } else { '?' };
                match *name == PairName::default() {
                    true => formatter.write_str(&shown),
                    false => write!(formatter, "{shown}{before}pair={name}"),
                }
            }
        }
    }
}

impl ArbiterAddress {
    /// Whether this text, which it was read from, has a password that is not shown.
    pub fn hides(&self, text: &str) -> bool {
        match self {
            Self::Directory(_) | Self::Witness { .. } => false,
            Self::Postgres { .. } | Self::Mysql { .. } => text != without_password(text),
        }
    }

    /// Reads what a person or a file says: `DIR`, `tcp://HOST:PORT`, `tcp://HOST:PORT/NAME`, or a database's URL as for a store, with `pair=NAME` among its
    /// options.
    ///
    /// # Errors
    /// What is wrong with it, without the text, which may hold a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(rest) = text.strip_prefix("tcp://") {
            let (place, name) = rest.split_once('/').unwrap_or((rest, ""));
            if place.rsplit_once(':').is_none_or(|(host, port)| host.is_empty() || port == "0") {
                return Err(
                    "needs tcp://HOST:PORT of a kahawai witness, as in tcp://witness:61690".to_owned()
                );
            }
            kahawai_broker::listen::check(place)?;
            let name = if name.is_empty() { PairName::default() } else { PairName::parse(name)? };
            return Ok(Self::Witness { place: place.to_owned(), name });
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            let (url, name) = named(text)?;
            return Ok(Self::Postgres { url, name });
        }
        if text.starts_with("mysql://") || text.starts_with("mariadb://") {
            let (url, name) = named(&text.replacen("mariadb://", "mysql://", 1))?;
            return Ok(Self::Mysql { url, name });
        }
        if text.starts_with("ssl://") {
            return Err(
                "there is no TLS yet: write tcp:, and keep the line to the witness to yourselves".to_owned()
            );
        }
        // As a directory each of these would be a strange relative one, and each broker's own.
        let scheme = text.split_once("://").map(|(scheme, _)| scheme).or_else(|| {
            ["journal", "sqlite"]
                .into_iter()
                .find(|scheme| text.strip_prefix(scheme).is_some_and(|rest| rest.starts_with(':')))
        });
        match scheme {
            Some(scheme) if scheme != "file" => {
                Err(format!("this program knows no '{scheme}' arbiters; {THERE_ARE}"))
            }
            _ => value::directory(text).map(Self::Directory),
        }
    }
}

/// Takes the pair's name out of a URL's options.
fn named(text: &str) -> Result<(Secret, PairName), String> {
    let (base, query) = text.split_once('?').unwrap_or((text, ""));
    let mut name = PairName::default();
    let mut kept = Vec::new();
    for option in query.split('&').filter(|option| !option.is_empty()) {
        match option.strip_prefix("pair=") {
            Some(text) => name = PairName::parse(text)?,
            None => kept.push(option),
        }
    }
    let url = if kept.is_empty() { base.to_owned() } else { format!("{base}?{}", kept.join("&")) };
    Ok((Secret(url), name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arbiters_have_addresses() {
        let shown = |text: &str| ArbiterAddress::parse(text).map(|address| address.to_string());
        for (text, expected) in [
            ("/mnt/a", "/mnt/a"),
            ("file:///mnt/a", "/mnt/a"),
            ("tcp://witness:61690", "tcp://witness:61690"),
            ("tcp://witness:61690/", "tcp://witness:61690"),
            ("tcp://witness:61690/pair", "tcp://witness:61690"),
            ("tcp://[::1]:61690/orders-1", "tcp://[::1]:61690/orders-1"),
            (
                "postgresql://me:se:cret@a,b/mq?tablePrefix=x_&pair=o",
                "postgresql://me@a,b/mq?tablePrefix=x_&pair=o",
            ),
            ("postgres://me@a/mq?pair=pair", "postgres://me@a/mq"),
            ("postgres://me@a/mq?password=secret&pair=o", "postgres://me@a/mq?pair=o"),
            ("mariadb://me:secret@a/mq?pair=o", "mysql://me@a/mq?pair=o"),
        ] {
            assert_eq!(shown(text), Ok(expected.to_owned()), "{text}");
            assert_eq!(shown(expected), Ok(expected.to_owned()), "what is shown says the same");
        }
        for (text, expected) in [
            ("", "needs a directory"),
            ("tcp://", "tcp://HOST:PORT"),
            ("tcp://witness", "tcp://HOST:PORT"),
            ("tcp://:61690", "tcp://HOST:PORT"),
            ("tcp://witness:0", "tcp://HOST:PORT"),
            ("tcp://witness:x", ""),
            ("tcp://witness:61690/a/b", "a pair's name"),
            ("tcp://witness:61690/../x", "a pair's name"),
            ("mysql://a/mq?pair=../x", "a pair's name"),
            ("ssl://witness:61690", "no TLS"),
            ("sqlite:a.db", "no 'sqlite' arbiters; there are DIR"),
            ("journal:/a", "no 'journal' arbiters"),
            ("zk://a:2181", "no 'zk' arbiters"),
            ("E:/a", "Windows"),
        ] {
            let refused = shown(text).expect_err(text);
            assert!(refused.contains(expected), "{text}: {refused}");
        }
        let unknown = shown("oracle://me:secret@one/mine").expect_err("is not known");
        assert!(!unknown.contains("secret"), "{unknown}");
    }
}
