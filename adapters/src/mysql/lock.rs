//! The lock row in MySQL and MariaDB.
//!
//! As in PostgreSQL, but that nobody can be told of a release: who waits looks. The holder's session has a lock by name, which goes
//! with it; a Galera cluster knows such locks on one node only, so there only the lease tells.

use std::time::{Duration, Instant};

use kahawai_store::election::Holder;
use kahawai_store::names::Epoch;
use mysql_async::Params;
use tokio::runtime::Runtime;

use super::connection::{Database, Session, column};
use super::error::Result;
use super::schema;
use super::state::{one, text};
use crate::election::{LeaseOptions, LockRow, RowError, Sighting};
use crate::fault::Fault;

/// The way to the row.
pub(super) struct Row {
    database: Database,
    options: LeaseOptions,
    host: String,
    runtime: Runtime,
    session: Option<Session>,
    started: Instant,
    /// Whether a connection broke and there has been none since.
    is_broken: bool,
    /// Since when there is a connection again, after one broke.
    reconnected: Option<Instant>,
    /// Whether the session has the lock by name.
    is_shown: bool,
}

impl Row {
    pub(super) fn new(database: Database, options: LeaseOptions) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self {
            database,
            options,
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            runtime,
            session: None,
            started: Instant::now(),
            is_broken: false,
            reconnected: None,
            is_shown: false,
        })
    }

    /// Runs something in the session, which is made where there is none, and given up where it failed.
    fn with<T>(
        &mut self,
        what: impl AsyncFnOnce(&mut Session, &mut bool) -> Result<T>,
    ) -> std::result::Result<T, RowError> {
        let Self { database, options, runtime, session, is_shown, .. } = self;
        let done = runtime.block_on(async {
            let session = match session {
                Some(connected) => connected,
                None => {
                    *is_shown = false;
                    session.insert(connect(database, options.lease_duration).await?)
                }
            };
            what(session, is_shown).await
        });
        done.map_err(|fault: Fault| {
            self.session = None;
            self.is_broken = true;
            match fault {
                Fault::Final(error) => {
                    let told = error.to_string();
                    let named = told.contains("mysql://");
                    RowError::Failed(if named { told } else { format!("{}: {told}", self.database) })
                }
                Fault::Full(why) | Fault::Passing(why) => RowError::Away(why),
            }
        })
    }
}

async fn connect(database: &Database, lease: Duration) -> Result<Session> {
    let mut session = Session::connect(database, lease / 2).await?;
    // A newer program's store is left alone from the start.
    schema::check(&mut session, database).await?;
    schema::make_lock(&mut session).await?;
    // A claim that a standing transaction holds up is tried again.
    let limit = lease.as_secs().max(1);
    session.execute(&format!("SET SESSION innodb_lock_wait_timeout = {limit}")).await?;
    // A look is of this moment, not of the session's first.
    session.execute("SET SESSION autocommit = 1").await?;
    Ok(session)
}

const NAME: &str = "CONCAT(DATABASE(), '.{p}lock')";

async fn show_life(session: &mut Session) -> Result<bool> {
    let rows = session.rows(&format!("SELECT GET_LOCK({NAME}, 0)"), Params::Empty).await?;
    Ok(column::<Option<i64>>(one(&rows, "lock")?, 0)? == Some(1))
}

impl LockRow for Row {
    fn description(&self) -> String {
        self.database.to_string()
    }

    fn look(&mut self) -> std::result::Result<Sighting, RowError> {
        let begun = self.started.elapsed();
        let mut seen = self.with(async |session, _| {
            let sql = format!(
                "SELECT epoch, beats, released,
                    GREATEST(0, TIMESTAMPDIFF(MICROSECOND, renewed, SYSDATE(6)) DIV 1000), lease_ms,
                    COALESCE(IS_FREE_LOCK({NAME}), 0), name, host, process, address
                 FROM {{p}}lock WHERE one = 1"
            );
            let rows = session.rows(&sql, Params::Empty).await?;
            let row = one(&rows, "lock")?;
            let holder = Holder {
                epoch: Epoch(column(row, 0)?),
                name: text(row, 6)?.to_string(),
                host: text(row, 7)?.to_string(),
                process: column(row, 8)?,
                address: text(row, 9)?.to_string(),
            };
            Ok(Sighting {
                beats: column(row, 1)?,
                released: column(row, 2)?,
                silent: Duration::from_millis(column(row, 3)?),
                lease: Duration::from_millis(column(row, 4)?),
                session_gone: column(row, 5)?,
                holder,
                ..Sighting::default()
            })
        })?;
        if std::mem::take(&mut self.is_broken) {
            self.reconnected = Some(Instant::now());
        }
        seen.begun = begun;
        seen.done = self.started.elapsed();
        seen.reconnected = self.reconnected.map(|since| since.elapsed());
        Ok(seen)
    }

    fn claim(&mut self, seen: &Sighting) -> std::result::Result<Option<Epoch>, RowError> {
        let cut = |text: &str| text.bytes().take(1000).collect::<Vec<u8>>();
        let (name, address) = (cut(&self.options.broker_name), cut(&self.options.address));
        let (host, lease) = (cut(&self.host), self.options.lease_duration.as_millis() as u64);
        let (epoch, beats) = (seen.holder.epoch.0, seen.beats);
        self.with(async |session, is_shown| {
            let sql =
                "UPDATE {p}lock SET epoch = epoch + 1, beats = beats + 1, renewed = SYSDATE(6), lease_ms = ?,
                released = 0, name = ?, host = ?, process = ?, address = ?
                WHERE one = 1 AND epoch = ? AND beats = ?";
            let values = (lease, name, host, std::process::id(), address, epoch, beats);
            if session.change(sql, values).await? != 1 {
                return Ok(None);
            }
            *is_shown = show_life(session).await?;
            Ok(Some(Epoch(epoch + 1)))
        })
    }

    fn renew(&mut self, epoch: Epoch) -> std::result::Result<Epoch, RowError> {
        self.with(async |session, is_shown| {
            if !*is_shown {
                *is_shown = show_life(session).await?;
            }
            let sql =
                "UPDATE {p}lock SET beats = beats + 1, renewed = SYSDATE(6) WHERE one = 1 AND epoch = ?";
            if session.change(sql, (epoch.0,)).await? == 1 {
                return Ok(epoch);
            }
            let rows = session.rows("SELECT epoch FROM {p}lock WHERE one = 1", Params::Empty).await?;
            Ok(Epoch(column(one(&rows, "lock")?, 0)?))
        })
    }

    fn release(&mut self, epoch: Epoch) -> std::result::Result<(), RowError> {
        self.with(async |session, _| {
            let sql = "UPDATE {p}lock SET beats = beats + 1, released = 1 WHERE one = 1 AND epoch = ?";
            session.change(sql, (epoch.0,)).await.map(drop)
        })
    }

    fn wait(&mut self, at_most: Duration) {
        std::thread::sleep(at_most);
    }
}
