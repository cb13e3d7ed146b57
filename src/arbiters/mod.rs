//! Opens the arbiter of a pair: the one place that knows which there are.
//!
//! | module | what it does |
//! |---|---|
//! | [`mod@line`] | carries questions to a witness |
//! | `row` | an arbiter in a row of a database |

mod line;
#[cfg(any(feature = "postgres", feature = "mysql"))]
mod row;
#[cfg(all(test, feature = "postgres", feature = "mysql"))]
mod tests;

use std::sync::Arc;
#[cfg(any(feature = "postgres", feature = "mysql"))]
use std::sync::Mutex;
use std::thread;

#[cfg(feature = "mysql")]
use kahawai_adapters::mysql;
#[cfg(feature = "postgres")]
use kahawai_adapters::postgres;
#[cfg(any(feature = "postgres", feature = "mysql"))]
use kahawai_adapters::record_row::RecordRow;
use kahawai_config::ArbiterAddress;
use kahawai_replication::Arbiter;
use kahawai_replication::directory::DirectoryArbiter;
use kahawai_replication::witness::WitnessArbiter;

use crate::exit::{Exit, Failure};
pub(crate) use line::Line;
#[cfg(any(feature = "postgres", feature = "mysql"))]
use row::RowArbiter;

/// An arbiter, and which one it is, for people: no secret is in it.
pub(crate) type Opened = (Arc<dyn Arbiter>, String);

/// Opens the arbiter at this address. It is not reached for yet.
///
/// # Errors
/// Where there can be none at this address.
pub(crate) fn open(address: &ArbiterAddress) -> Result<Opened, Failure> {
    Ok(match address {
        ArbiterAddress::Directory(path) => {
            (Arc::new(DirectoryArbiter::new(path)), format!("directory {}", path.display()))
        }
        ArbiterAddress::Witness { place, name } => {
            let arbiter = WitnessArbiter::new(Line::to(place.clone()), name.clone());
            (Arc::new(arbiter), format!("witness tcp://{place}, pair {name}"))
        }
        #[cfg(feature = "postgres")]
        ArbiterAddress::Postgres { url, name } => {
            let database = postgres::Database::parse(&url.0).map_err(wrong)?;
            (of_row(postgres::record_row(&database, name.as_str()))?, format!("{database}, pair {name}"))
        }
        #[cfg(feature = "mysql")]
        ArbiterAddress::Mysql { url, name } => {
            let database = mysql::Database::parse(&url.0).map_err(wrong)?;
            (of_row(mysql::record_row(&database, name.as_str()))?, format!("{database}, pair {name}"))
        }
        #[cfg(not(feature = "postgres"))]
        ArbiterAddress::Postgres { .. } => return Err(not_built("postgres")),
        #[cfg(not(feature = "mysql"))]
        ArbiterAddress::Mysql { .. } => return Err(not_built("mysql")),
    })
}

#[cfg(any(feature = "postgres", feature = "mysql"))]
fn of_row(row: std::io::Result<Box<dyn RecordRow>>) -> Result<Arc<dyn Arbiter>, Failure> {
    let row = row.map_err(|error| Failure::new(Exit::Other, format!("arbiter: {error}")))?;
    Ok(Arc::new(RowArbiter(Mutex::new(row))))
}

#[cfg(any(feature = "postgres", feature = "mysql"))]
fn wrong(problem: String) -> Failure {
    Failure::new(Exit::Usage, format!("arbiter: {problem}"))
}

#[cfg(not(all(feature = "postgres", feature = "mysql")))]
fn not_built(feature: &str) -> Failure {
    Failure::new(Exit::Usage, format!("arbiter: this program was built without {feature}"))
}

/// Says in the log where it cannot be reached, as early as that can be known. Does not block: a broker may serve without it, until it needs it.
pub(crate) fn look(arbiter: Arc<dyn Arbiter>) {
    let looking = thread::Builder::new().name("kahawai-look".to_owned()).spawn(move || {
        if let Err(error) = arbiter.read() {
            tracing::warn!(
                "{error}; until it answers, neither broker of this pair can take over or go on alone: start it, or see that the address is \
                 right and that it can be reached from here"
            );
        }
    });
    if let Err(error) = looking {
        tracing::warn!("the arbiter is not looked at: cannot start a thread: {error}");
    }
}
