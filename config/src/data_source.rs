//! Data-source beans, and the JDBC URLs in them, read into where a store is kept.
//!
//! No class is ever made: the known ones are a list of names, of which the properties are read.

use std::collections::BTreeMap;

use crate::remark::{Remark, Severity};
use crate::secret::Secret;
use crate::store_address::StoreAddress;

/// A data source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// Where it leads, where this program can go there.
    pub address: Option<StoreAddress>,
    /// Its password.
    pub password: Option<Secret>,
    /// What there is to say of the rest. No remark has a value in it: it may be a secret.
    pub remarks: Vec<Remark>,
}

/// A pool that may be given its configuration as a bean.
pub(crate) const HIKARI: &str = "com.zaxxer.hikari.HikariDataSource";
/// That configuration: its properties are the pool's.
pub(crate) const HIKARI_CONFIGURATION: &str = "com.zaxxer.hikari.HikariConfig";

/// Pools whose properties are known. They hold sessions; this program has as many as it needs.
const POOLS: [&str; 10] = [
    "org.apache.commons.dbcp.BasicDataSource",
    "org.apache.commons.dbcp2.BasicDataSource",
    "org.apache.tomcat.jdbc.pool.DataSource",
    HIKARI,
    HIKARI_CONFIGURATION,
    "com.mchange.v2.c3p0.ComboPooledDataSource",
    "com.alibaba.druid.pool.DruidDataSource",
    "com.jolbox.bonecp.BoneCPDataSource",
    "org.springframework.jdbc.datasource.DriverManagerDataSource",
    "org.springframework.jdbc.datasource.SimpleDriverDataSource",
];

/// Drivers' own data sources, and what their URLs begin with.
const DRIVERS: [(&str, &str); 10] = [
    ("org.postgresql.ds.PGPoolingDataSource", "postgresql"),
    ("org.postgresql.ds.PGSimpleDataSource", "postgresql"),
    ("org.postgresql.ds.PGConnectionPoolDataSource", "postgresql"),
    ("com.mysql.jdbc.jdbc2.optional.MysqlDataSource", "mysql"),
    ("com.mysql.jdbc.jdbc2.optional.MysqlConnectionPoolDataSource", "mysql"),
    ("com.mysql.cj.jdbc.MysqlDataSource", "mysql"),
    ("com.mysql.cj.jdbc.MysqlConnectionPoolDataSource", "mysql"),
    ("org.mariadb.jdbc.MariaDbDataSource", "mariadb"),
    ("org.mariadb.jdbc.MySQLDataSource", "mariadb"),
    ("org.mariadb.jdbc.MariaDbPoolDataSource", "mariadb"),
];

/// Whether a bean of this class is a data source that can be read, or one that is known and cannot be.
pub fn is_known(class: &str) -> bool {
    POOLS.contains(&class) || DRIVERS.iter().any(|(known, _)| *known == class) || database_of(class).is_some()
}

/// Databases that this program has no store for, by what their classes or URLs say.
fn database_of(text: &str) -> Option<&'static str> {
    const DATABASES: [(&str, &str); 8] = [
        ("derby", "Derby"),
        ("oracle", "Oracle"),
        ("sqlserver", "SQL Server"),
        ("jtds", "SQL Server"),
        ("db2", "DB2"),
        ("hsqldb", "HSQLDB"),
        ("h2", "H2"),
        ("sybase", "Sybase"),
    ];
    let lower = text.to_ascii_lowercase();
    let is_part = |name: &str| lower.split(['.', ':', '/']).any(|part| part.starts_with(name));
    DATABASES.iter().find(|(part, _)| is_part(part)).map(|(_, name)| *name)
}

fn no_store(database: &str) -> String {
    format!(
        "there is no store in {database}: use a kahaDB persistenceAdapter, or a data source for MySQL, MariaDB or PostgreSQL"
    )
}

/// Reads a bean of this class with these properties.
pub fn read(class: &str, properties: &BTreeMap<String, String>) -> Read {
    let mut read = Read::default();
    let mut refuse = |what: &str, why: String| read.remarks.push(Remark::new(Severity::Refused, what, why));
    let driver = DRIVERS.iter().find(|(known, _)| *known == class).map(|(_, scheme)| *scheme);
    if driver.is_none() && !POOLS.contains(&class) {
        match database_of(class) {
            Some(database) => refuse(class, no_store(database)),
            None => refuse(
                class,
                "no data source that this program knows: commons-dbcp, HikariCP and the like are".to_owned(),
            ),
        }
        return read;
    }
    let mut said = BTreeMap::new();
    for (name, text) in properties {
        match fate(name) {
            Property::Means(meaning) => drop(said.insert(meaning, text.as_str())),
            Property::Pool => {}
            Property::Tls => refuse_tls(&mut read, name, text),
            Property::Unknown => {
                let why = "this program knows no such property of a data source, and ignores it";
                read.remarks.push(Remark::new(Severity::Warning, name, why));
            }
        }
    }
    let url = match (said.get("url"), driver) {
        (Some(url), _) => (*url).to_owned(),
        (None, Some(scheme)) => {
            let part = |name: &str| said.get(name).copied().unwrap_or_default();
            let (host, port) = (part("host"), part("port"));
            let host = if host.is_empty() { "localhost" } else { host };
            // 0 is the driver's own.
            let port = if port.is_empty() || port == "0" { String::new() } else { format!(":{port}") };
            format!("jdbc:{scheme}://{host}{port}/{}", part("database"))
        }
        (None, None) => {
            read.remarks.push(Remark::new(Severity::Refused, class, "it has no url"));
            return read;
        }
    };
    match read_url(&url, &said) {
        Ok(found) => {
            read.remarks.extend(found.remarks);
            (read.address, read.password) = (found.address, found.password);
        }
        Err(why) => read.remarks.push(Remark::new(Severity::Refused, "url", why)),
    }
    read
}

enum Property {
    Means(&'static str),
    Tls,
    Pool,
    Unknown,
}

fn fate(name: &str) -> Property {
    match name {
        "url" | "jdbcUrl" | "jdbcURL" | "URL" => Property::Means("url"),
        "username" | "user" | "userName" => Property::Means("user"),
        "password" => Property::Means("password"),
        "serverName" | "serverNames" => Property::Means("host"),
        "portNumber" | "port" | "portNumbers" => Property::Means("port"),
        "databaseName" => Property::Means("database"),
        "connectionProperties" => Property::Means("parameters"),
        _ if TLS.contains(&name) => Property::Tls,
        "driverClassName" | "driverClass" | "driver" | "dataSourceName" | "poolName" | "description" => {
            Property::Pool
        }
        _ if is_of_a_pool(name) => Property::Pool,
        _ => Property::Unknown,
    }
}

/// How many sessions there are, how long they live and how they are looked at: all of that is the pool's.
fn is_of_a_pool(name: &str) -> bool {
    const BEGINNINGS: [&str; 24] = [
        "max",
        "min",
        "initial",
        "pool",
        "test",
        "validation",
        "timeBetween",
        "numTests",
        "removeAbandoned",
        "logAbandoned",
        "idle",
        "connection",
        "default",
        "acquire",
        "checkout",
        "preferredTestQuery",
        "auto",
        "statement",
        "leak",
        "keepalive",
        "lifo",
        "jmx",
        "softMin",
        "abandon",
    ];
    BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
}

/// How drivers are told to speak TLS, in a URL or besides.
const TLS: [&str; 5] = ["useSSL", "ssl", "requireSSL", "sslMode", "sslmode"];

fn refuse_tls(read: &mut Read, name: &str, text: &str) {
    if asks_for_tls(text) {
        let why = "no TLS is spoken to databases yet: where the network to it can be trusted, leave this out";
        read.remarks.push(Remark::new(Severity::Refused, name, why));
    }
}

/// Reads a JDBC URL, with what is said besides it.
fn read_url(url: &str, said: &BTreeMap<&str, &str>) -> Result<Read, String> {
    let Some(rest) = url.trim().strip_prefix("jdbc:") else {
        return Err("no JDBC URL: jdbc:mysql://HOST:PORT/DATABASE".to_owned());
    };
    let (scheme, rest) = rest.split_once(':').unwrap_or((rest, ""));
    let scheme = match scheme {
        "mysql" | "mariadb" => "mysql",
        "postgresql" => "postgres",
        other => {
            return Err(match database_of(other) {
                Some(database) => no_store(database),
                None => "no database that this program has a store for: MySQL, MariaDB and PostgreSQL are"
                    .to_owned(),
            });
        }
    };
    // PostgreSQL's driver takes a name alone for a database on this host.
    let rest = match rest.strip_prefix("//") {
        Some(rest) => rest.to_owned(),
        None if scheme == "postgres" => format!("localhost/{}", rest.trim_start_matches('/')),
        None if ["replication", "loadbalance", "failover", "sequential"]
            .iter()
            .any(|mode| rest.starts_with(mode)) =>
        {
            return Err(
                "several servers of MySQL are not supported: name the one that takes writes".to_owned()
            );
        }
        None => return Err("no JDBC URL: jdbc:mysql://HOST:PORT/DATABASE".to_owned()),
    };
    let (place, query) = rest.split_once('?').unwrap_or((&rest, ""));
    let Some((hosts, database)) = place.split_once('/').filter(|(_, database)| !database.is_empty()) else {
        return Err("it names no database: HOST:PORT/DATABASE".to_owned());
    };
    let hosts = if hosts.is_empty() { "localhost" } else { hosts };
    if scheme == "mysql" && hosts.contains(',') {
        return Err("several servers of MySQL are not supported: name the one that takes writes".to_owned());
    }
    let mut read = Read::default();
    let parameters = said.get("parameters").copied().unwrap_or_default();
    let in_url: Vec<_> = query.split('&').map(pair).collect();
    let besides: Vec<_> = parameters.split([';', '\n']).map(pair).collect();
    // Others are the driver's own: how it speaks, remembers and shows values.
    for (name, text) in in_url.iter().chain(&besides).filter(|(name, _)| TLS.contains(name)) {
        refuse_tls(&mut read, name, text);
    }
    let last = |pairs: &[(&str, &str)], wanted: &str| {
        pairs.iter().rfind(|(name, _)| *name == wanted).map(|(_, text)| (*text).to_owned())
    };
    // As drivers have it: the URL counts more than a property, and that more than the parameters.
    let of = |name: &str| {
        let property = || said.get(name).map(|text| (*text).to_owned());
        last(&in_url, name).or_else(property).or_else(|| last(&besides, name))
    };
    let (user, password) = (of("user"), of("password"));
    let user = user.filter(|user| !user.is_empty());
    let user = user.map_or(String::new(), |user| format!("{}@", encode(&user)));
    read.address = Some(StoreAddress::parse(&format!("{scheme}://{user}{hosts}/{database}"))?);
    read.password = password.filter(|password| !password.is_empty()).map(Secret);
    Ok(read)
}

fn pair(text: &str) -> (&str, &str) {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    (name.trim(), value)
}

fn asks_for_tls(text: &str) -> bool {
    !matches!(
        text.to_ascii_lowercase().as_str(),
        "false" | "disable" | "disabled" | "allow" | "prefer" | "preferred" | "0"
    )
}

/// What may stand in a URL's user part as it is, and the rest by percent.
fn encode(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bean(class: &str, properties: &[(&str, &str)]) -> Read {
        read(class, &properties.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect())
    }

    fn url_of(read: &Read) -> &str {
        match &read.address {
            Some(StoreAddress::Mysql(url) | StoreAddress::Postgres(url)) => &url.0,
            other => panic!("{other:?}, {:?}", read.remarks),
        }
    }

    const DBCP2: &str = "org.apache.commons.dbcp2.BasicDataSource";

    #[test]
    fn the_pool_of_the_articles_leads_to_mysql() {
        let read = bean(
            DBCP2,
            &[
                ("driverClassName", "com.mysql.jdbc.Driver"),
                ("url", "jdbc:mysql://localhost:3306/db?relaxAutoCommit=true"),
                ("username", "root"),
                ("password", "ro:ot"),
                ("maxActive", "200"),
                ("poolPreparedStatements", "true"),
            ],
        );
        assert_eq!(url_of(&read), "mysql://root@localhost:3306/db");
        assert_eq!((read.password, read.remarks), (Some(Secret("ro:ot".into())), vec![]));
    }

    #[test]
    fn drivers_own_beans_and_urls_of_all_shapes_are_read() {
        let postgres = bean(
            "org.postgresql.ds.PGPoolingDataSource",
            &[
                ("serverName", "db"),
                ("databaseName", "mq"),
                ("portNumber", "0"),
                ("user", "m@q"),
                ("initialConnections", "1"),
            ],
        );
        assert_eq!(url_of(&postgres), "postgres://m%40q@db/mq");
        for (url, expected) in [
            ("jdbc:postgresql:mq", "postgres://u@localhost/mq"),
            ("jdbc:postgresql://a:5432,b:5433/mq?ssl=false", "postgres://u@a:5432,b:5433/mq"),
            ("jdbc:mariadb://a/mq?useSSL=false&autoReconnect=true", "mysql://u@a/mq"),
            ("jdbc:mysql:///mq?user=other", "mysql://other@localhost/mq"),
        ] {
            assert_eq!(url_of(&bean(DBCP2, &[("url", url), ("username", "u")])), expected);
        }
        let hikari = bean(
            "com.zaxxer.hikari.HikariDataSource",
            &[("jdbcUrl", "jdbc:mysql://a/mq"), ("maximumPoolSize", "5")],
        );
        assert_eq!((url_of(&hikari), &hikari.remarks), ("mysql://a/mq", &vec![]));
    }

    #[test]
    fn what_is_said_besides_a_url_is_read_too() {
        let read = bean(
            DBCP2,
            &[
                ("url", "jdbc:mysql://a/mq"),
                ("connectionProperties", "useUnicode=true; user=other;password=p;useSSL=false"),
                ("username", "u"),
            ],
        );
        assert_eq!((url_of(&read), &read.password), ("mysql://u@a/mq", &Some(Secret("p".into()))));
        assert_eq!(read.remarks, vec![]);
        for tls in [("connectionProperties", "useSSL=true;requireSSL=true"), ("sslMode", "VERIFY_CA")] {
            let read = bean(DBCP2, &[("url", "jdbc:mysql://a/mq"), tls]);
            let refused =
                |remark: &Remark| remark.severity == Severity::Refused && remark.why.contains("TLS");
            assert!(!read.remarks.is_empty() && read.remarks.iter().all(refused), "{:?}", read.remarks);
        }
        assert_eq!(bean(DBCP2, &[("url", "jdbc:mysql://a/mq"), ("useSSL", "false")]).remarks, vec![]);
    }

    #[test]
    fn what_leads_nowhere_is_refused_and_no_remark_tells_a_secret() {
        for (class, url, word) in [
            (DBCP2, "jdbc:oracle:thin:@localhost:1521:AMQDB", "Oracle"),
            (DBCP2, "jdbc:mysql://a,b/mq", "several"),
            (DBCP2, "jdbc:mysql:replication://a,b/mq", "several"),
            (DBCP2, "jdbc:mysql://a", "no database"),
            (DBCP2, "mysql://a/mq", "JDBC"),
            (DBCP2, "jdbc:postgresql://a/mq?ssl=true&password=hidden", "TLS"),
            ("com.mysql.cj.jdbc.MysqlDataSource", "jdbc:mysql://a/mq?sslMode=REQUIRED", "TLS"),
            ("org.apache.derby.jdbc.EmbeddedDataSource", "", "Derby"),
            ("com.example.Evil", "jdbc:mysql://a/mq", "no data source"),
        ] {
            let read = bean(class, &[("url", url), ("password", "hidden"), ("username", "u")]);
            let refused: Vec<_> =
                read.remarks.iter().filter(|remark| remark.severity == Severity::Refused).collect();
            assert_eq!(refused.len(), 1, "{url}: {:?}", read.remarks);
            assert!(refused[0].why.contains(word), "{refused:?}");
            assert!(!format!("{:?}", read.remarks).contains("hidden"));
        }
        assert!(
            !format!("{:?}", bean(DBCP2, &[("url", "jdbc:mysql://a/mq?password=hidden")])).contains("hidden")
        );
    }
}
