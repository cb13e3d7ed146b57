//! Stores of ActiveMQ in the way: no broker begins an empty store beside messages that wait in one.
//!
//! Reads only, and takes no lock: what ActiveMQ keeps stays as it is.
//!
//! | module | what it does |
//! |---|---|
//! | [`find`] | which stores lie in a directory, by the names of their files |
//! | [`kahadb`] | how many messages a KahaDB holds |
//! | [`tables`] | ActiveMQ's rows in a database |
//! | [`census`] | how many messages, in words |

mod census;
mod find;
mod kahadb;
#[cfg(any(feature = "postgres", feature = "mysql"))]
mod tables;

use std::path::Path;

use census::Census;
use find::{Found, Kind};
use kahawai_config::StoreAddress;

use crate::exit::{Exit, Failure};

#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(crate) use tables::refuse_rows;

/// The file that makes a directory a store of ours.
const OURS: &str = "kahawai-store";

/// Refuses a store's place where it is not ours yet and ActiveMQ's messages lie in it. Blocks, for as long as it takes to read all of them.
pub(crate) fn refuse(address: &StoreAddress) -> Result<(), Failure> {
    match address {
        StoreAddress::Journal(directory) => refuse_directory(directory, directory),
        // A file is nobody else's; a server is asked by whoever is about to claim it.
        StoreAddress::Sqlite(_) | StoreAddress::Postgres(_) | StoreAddress::Mysql(_) => Ok(()),
    }
}

/// The same for a directory that a configuration of ActiveMQ names, where `store` is the directory of the store that would be begun.
pub(crate) fn refuse_directory(directory: &Path, store: &Path) -> Result<(), Failure> {
    let is_ours = store.join(OURS).exists();
    let found = match find::find(directory) {
        Ok(found) => found,
        Err(error) => {
            let told =
                format!("{}: cannot be looked at for a store of ActiveMQ: {error}", directory.display());
            if is_ours {
                tracing::warn!("{told}");
                return Ok(());
            }
            return Err(Failure::new(Exit::Store, told));
        }
    };
    let Some(first) = found.first() else { return Ok(()) };
    let what = describe(first, found.len());
    if is_ours {
        tracing::warn!("{what} lies beside the store in {}: nothing of it is served", store.display());
        return Ok(());
    }
    tracing::info!("{what}: counting the messages that lie there");
    let census = total(&found);
    let todo = if census.has_no_message() {
        "No message is lost by moving its files away and starting again: a durable subscription is made anew when its client comes, and \
         keeps what is sent from then on. Or give another place by --store"
    } else {
        "Start ActiveMQ on it once more and let the consumers drain it, then move its files away; or give another place by --store and \
         leave them here (a later version will import them)"
    };
    Err(Failure::new(
        Exit::Store,
        format!("{what} holds {}; a new store would pass them over. {todo}", census.words()),
    ))
}

/// Tells of messages that lie in the store that a file names, where another is served by this one's word. It is what somebody did on
/// purpose, so nothing waits for it: they are counted on a thread of their own.
pub(crate) fn tell_passed_over(passed_over: StoreAddress, served: &StoreAddress, by: &str) {
    if is_one_directory(&passed_over, served) {
        return;
    }
    let served = format!("the store that is served is {served} ({by})");
    let StoreAddress::Journal(directory) = passed_over else {
        tracing::warn!(
            "{passed_over}, which the file names, is not looked into for messages of ActiveMQ: {served}"
        );
        return;
    };
    let counting = move || {
        let found = match find::find(&directory) {
            Ok(found) => found,
            Err(error) => {
                let shown = directory.display();
                return tracing::warn!(
                    "{shown}, which the file names, cannot be looked at for a store of ActiveMQ ({error}): {served}"
                );
            }
        };
        let Some(first) = found.first() else { return };
        let what = describe(first, found.len());
        let census = total(&found);
        tracing::warn!(
            "{what} holds {}: the file names it, and nothing of it is served, as {served}",
            census.words()
        );
    };
    if let Err(error) = std::thread::Builder::new().name("passed over".to_owned()).spawn(counting) {
        tracing::warn!(
            "the directory that the file names is not looked into for messages of ActiveMQ: {error}"
        );
    }
}

/// Whether two that are written otherwise are the same place.
fn is_one_directory(one: &StoreAddress, other: &StoreAddress) -> bool {
    let place = |address: &StoreAddress| match address {
        StoreAddress::Journal(directory) => directory.canonicalize().ok(),
        _ => None,
    };
    place(one).is_some_and(|place_of_one| place(other).is_some_and(|other| other == place_of_one))
}

fn total(found: &[Found]) -> Census {
    let mut census = Census::nothing();
    for one in found {
        census.add(count(one));
    }
    census
}

fn describe(found: &Found, count: usize) -> String {
    let kind = match found.kind {
        Kind::KahaDb(_) => "KahaDB",
        Kind::LevelDb => "LevelDB",
        Kind::Amq => "AMQ store",
    };
    let more = match count {
        1 => String::new(),
        count => format!(", and {} more stores beside it,", count - 1),
    };
    format!("ActiveMQ's {kind} in {} ('{}'){more}", found.directory.display(), found.by)
}

fn count(found: &Found) -> Census {
    match &found.kind {
        Kind::KahaDb(files) if !files.is_empty() => kahadb::count(files),
        // An index alone, or what this program does not read.
        Kind::KahaDb(_) | Kind::LevelDb | Kind::Amq => Census::unknown(),
    }
}
