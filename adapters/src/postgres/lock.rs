//! The lock row in PostgreSQL.
//!
//! A session of its own renews the lease. It also holds an advisory lock, which goes with it: a slave that finds that lock free
//! knows that the holder's connection has died, sooner than by the lease. Who waits listens for the release.

use std::time::{Duration, Instant};

use kahawai_store::election::Holder;
use kahawai_store::names::Epoch;
use tokio::runtime::Runtime;

use super::connection::{Database, Session, statements, values};
use super::error::{Error, Meaning, Result};
use super::schema;
use super::state::one;
use super::value::{signed, unsigned};
use super::writer::IDLE_PART_OF_LEASE;
use crate::election::{LeaseOptions, LockRow, RowError, Sighting};

statements! {
    /// What a candidate and a holder say. 1801678197 is "kahw" in ASCII: our class of advisory locks; the other key is the table.
    Statements {
        look = "SELECT epoch, beats, released,
                GREATEST(0, extract(epoch FROM clock_timestamp() - renewed) * 1000)::bigint, lease_ms,
                pg_try_advisory_xact_lock(1801678197, '{p}lock'::regclass::oid::integer),
                name, host, process, address
            FROM {p}lock WHERE one = 1",
        claim = "UPDATE {p}lock SET epoch = epoch + 1, beats = beats + 1, renewed = clock_timestamp(),
                lease_ms = $3, released = false, name = $4, host = $5, process = $6, address = $7
            WHERE one = 1 AND epoch = $1 AND beats = $2 RETURNING epoch",
        show_life = "SELECT pg_try_advisory_lock(1801678197, '{p}lock'::regclass::oid::integer)",
        renew = "UPDATE {p}lock SET beats = beats + 1, renewed = clock_timestamp()
            WHERE one = 1 AND epoch = $1 RETURNING epoch",
        release = "UPDATE {p}lock SET beats = beats + 1, released = true
            WHERE one = 1 AND epoch = $1 RETURNING epoch",
    }
}

/// The way to the row.
pub(super) struct Row {
    database: Database,
    options: LeaseOptions,
    host: String,
    runtime: Runtime,
    session: Option<(Session, Statements)>,
    started: Instant,
    /// Whether there ever was a connection.
    was_connected: bool,
    /// Whether a connection broke and there has been none since.
    is_broken: bool,
    /// Since when there is a connection again, after one broke.
    reconnected: Option<Instant>,
    /// Whether the session has the advisory lock.
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
            was_connected: false,
            is_broken: false,
            reconnected: None,
            is_shown: false,
        })
    }

    /// Runs something in the session, which is made where there is none, and given up where it failed.
    fn with<T>(
        &mut self,
        what: impl AsyncFnOnce(&Session, &Statements, &mut bool) -> Result<T>,
    ) -> std::result::Result<T, RowError> {
        let Self { database, options, runtime, session, is_shown, .. } = self;
        let done = runtime.block_on(async {
            let (session, statements) = match session {
                Some((connected, statements)) if !connected.is_closed() => (&*connected, &*statements),
                _ => {
                    *is_shown = false;
                    let made = session.insert(connect(database, options.lease_duration).await?);
                    (&made.0, &made.1)
                }
            };
            what(session, statements, is_shown).await
        });
        self.was_connected |= done.is_ok();
        done.map_err(|error| {
            self.session = None;
            let is_first = !std::mem::replace(&mut self.is_broken, true) && !self.was_connected;
            match error.meaning() {
                _ if is_first && matches!(error, Error::Refused(_)) => RowError::Failed(error.words()),
                Meaning::Final if error.words().contains("postgres://") => RowError::Failed(error.words()),
                Meaning::Final => RowError::Failed(format!("{}: {}", self.database, error.words())),
                Meaning::Full | Meaning::Passing => RowError::Away(error.words()),
            }
        })
    }
}

async fn connect(database: &Database, lease: Duration) -> Result<(Session, Statements)> {
    let session = Session::connect(database, lease / IDLE_PART_OF_LEASE, "lease").await?;
    // A newer program's store is left alone from the start.
    schema::check(&session, database).await?;
    schema::make_lock(&session).await?;
    let limit = lease.as_millis();
    session.execute(&format!("SET lock_timeout = {limit}; LISTEN {{p}}lock")).await?;
    let statements = Statements::prepare(&session).await?;
    Ok((session, statements))
}

impl LockRow for Row {
    fn description(&self) -> String {
        self.database.to_string()
    }

    fn look(&mut self) -> std::result::Result<Sighting, RowError> {
        let begun = self.started.elapsed();
        let mut seen = self.with(async |session, statements, _| {
            let rows = session.step(&statements.look, values![]).await?;
            let row = one(&rows, "lock")?;
            let process = row.try_get::<_, i64>(8)?;
            let holder = Holder {
                epoch: Epoch(unsigned(row, 0)?),
                name: row.try_get(6)?,
                host: row.try_get(7)?,
                process: u32::try_from(process).unwrap_or(0),
                address: row.try_get(9)?,
            };
            Ok(Sighting {
                beats: unsigned(row, 1)?,
                released: row.try_get(2)?,
                silent: Duration::from_millis(unsigned(row, 3)?),
                lease: Duration::from_millis(unsigned(row, 4)?),
                session_gone: row.try_get(5)?,
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
        let clean = |text: &str| text.replace('\0', "");
        let (name, address) = (clean(&self.options.broker_name), clean(&self.options.address));
        let (host, lease) = (clean(&self.host), self.options.lease_duration.as_millis() as i64);
        let (epoch, beats) = (signed(seen.holder.epoch.0), signed(seen.beats));
        self.with(async |session, statements, is_shown| {
            let process = i64::from(std::process::id());
            let values = values![epoch, beats, lease, name, host, process, address];
            let rows = session.step(&statements.claim, values).await?;
            let Some(row) = rows.first() else { return Ok(None) };
            let epoch = Epoch(unsigned(row, 0)?);
            let rows = session.step(&statements.show_life, values![]).await?;
            *is_shown = one(&rows, "advisory lock")?.try_get(0)?;
            Ok(Some(epoch))
        })
    }

    fn renew(&mut self, epoch: Epoch) -> std::result::Result<Epoch, RowError> {
        self.with(async |session, statements, is_shown| {
            if !*is_shown {
                let rows = session.step(&statements.show_life, values![]).await?;
                *is_shown = one(&rows, "advisory lock")?.try_get(0)?;
            }
            let rows = session.step(&statements.renew, values![signed(epoch.0)]).await?;
            if rows.len() == 1 {
                return Ok(epoch);
            }
            let rows = session.rows("SELECT epoch FROM {p}lock WHERE one = 1", &[]).await?;
            Ok(Epoch(unsigned(one(&rows, "lock")?, 0)?))
        })
    }

    fn release(&mut self, epoch: Epoch) -> std::result::Result<(), RowError> {
        self.with(async |session, statements, _| {
            session.step(&statements.release, values![signed(epoch.0)]).await?;
            session.execute("NOTIFY {p}lock").await
        })
    }

    fn wait(&mut self, at_most: Duration) {
        let Some((session, _)) = &self.session else {
            std::thread::sleep(at_most);
            return;
        };
        // A notice that came while nobody waited is kept for the next to wait.
        let _ =
            self.runtime.block_on(async { tokio::time::timeout(at_most, session.notified.notified()).await });
    }
}
