//! `kahawai bench store`: what each storage engine makes of a disk, against what the disk can do.
//!
//! A device changes by the second, so the floor is measured right before and right after each engine, with the very bytes that the
//! engine is to make durable.

mod device;
mod engine;
mod floor;
mod load;
pub(crate) mod options;
mod verdict;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum as _;
use serde::Serialize;

use crate::bench::outcome::Latency;
use crate::exit::{Exit, Failure};
use crate::figures::{bytes, grouped, microseconds};
use crate::output;
use crate::table::Table;
use device::Device;
use engine::{Engine, EngineName};
use floor::Floor;
use load::Load;
use options::StoreBenchOptions;
use verdict::{Bound, Facts};

/// How long each look at the device takes.
const FLOOR_TIME: Duration = Duration::from_millis(500);

/// What one engine made of the device with one number of writers.
#[derive(Debug, Serialize)]
struct Measurement {
    engine: &'static str,
    durability: &'static str,
    writers: u32,
    message_bytes: u64,
    messages_per_second: f64,
    latency: Option<Latency>,
    cores: f64,
    /// By the device's own count, whoever wrote.
    written_bytes_per_message: Option<f64>,
    messages_per_flush: Option<f64>,
    /// Flushes a second of one message's bytes, and of all writers' at once.
    flushes_of_one_per_second: f64,
    flushes_of_all_per_second: f64,
    bandwidth_bytes_per_second: f64,
    /// What the device would do for these writers if the engine cost nothing: messages a second.
    floor_per_second: f64,
    share_of_floor: f64,
    bound: Bound,
    verdict: String,
}

#[derive(Debug, Serialize)]
struct StoreReport {
    version: u32,
    directory: String,
    results: Vec<Measurement>,
}

/// Measures.
///
/// # Errors
/// Where the directory cannot be written, or an engine fails.
pub(crate) fn run(options: &StoreBenchOptions) -> Result<(), Failure> {
    let unwritable = |error: io::Error| {
        Failure::new(Exit::Unwritable, format!("cannot measure in {}: {error}", options.directory.display()))
    };
    let room = Room::new(&options.directory).map_err(unwritable)?;
    let engines = if options.engine.is_empty() { EngineName::value_variants() } else { &options.engine[..] };
    let mut floor = Floor::new(&room.0).map_err(unwritable)?;
    let device = Device::of(&room.0).map_err(unwritable)?;
    let mut results = Vec::new();
    if !options.json {
        output::write(&format!(
            "{}: {} B messages, each stored by a writer that waits for it and acknowledged 512 messages later; {:?} each\n\n",
            options.directory.display(),
            options.size,
            options.duration
        ))?;
    }
    for writers in &options.writers {
        let mut table = Table::new(&[
            "engine",
            ">writers",
            ">messages/s",
            ">floor/s",
            ">share",
            ">p50",
            ">p99",
            ">p99.9",
            ">cores",
            ">written each",
            ">msgs/flush",
        ]);
        let from = results.len();
        for engine in engines {
            let measured = measure(*engine, *writers, options, &room, &mut floor, &device)?;
            table.row(row(&measured));
            results.push(measured);
        }
        if !options.json {
            let mut told = table.to_string();
            for measured in &results[from..] {
                told.push_str(&format!("  {}: {}\n", measured.engine, measured.verdict));
            }
            if let Some(last) = results.last() {
                told.push_str(&format!(
                    "  the device: {} flushes/s of one message, {} of {writers} at once, {}/s in large writes\n\n",
                    grouped(last.flushes_of_one_per_second),
                    grouped(last.flushes_of_all_per_second),
                    bytes(last.bandwidth_bytes_per_second)
                ));
            }
            output::write(&told)?;
        }
    }
    if options.json {
        let directory = options.directory.display().to_string();
        output::json(&StoreReport { version: 1, directory, results })?;
    }
    Ok(())
}

fn row(measured: &Measurement) -> Vec<String> {
    let latency = |of: fn(&Latency) -> f64| {
        measured.latency.as_ref().map_or("-".to_owned(), |all| microseconds(of(all)))
    };
    vec![
        measured.engine.to_owned(),
        measured.writers.to_string(),
        grouped(measured.messages_per_second),
        grouped(measured.floor_per_second),
        format!("{:.0} %", measured.share_of_floor * 100.0),
        latency(|all| all.p50_us),
        latency(|all| all.p99_us),
        latency(|all| all.p99_9_us),
        format!("{:.2}", measured.cores),
        measured.written_bytes_per_message.map_or("-".to_owned(), bytes),
        measured.messages_per_flush.map_or("-".to_owned(), |count| format!("{count:.1}")),
    ]
}

fn measure(
    engine: EngineName,
    writers: u32,
    options: &StoreBenchOptions,
    room: &Room,
    floor: &mut Floor,
    device: &Device,
) -> Result<Measurement, Failure> {
    let failed = |error: io::Error| Failure::new(Exit::Unwritable, format!("measuring the device: {error}"));
    let directory = room.fresh(engine, writers).map_err(failed)?;
    let load = Load::new(options.size as usize, writers);
    let one = load.batch_bytes();
    let all = one * writers as usize;
    let before =
        (floor.flushes(one, FLOOR_TIME).map_err(failed)?, floor.flushes(all, FLOOR_TIME).map_err(failed)?);
    let bandwidth = floor.bandwidth(FLOOR_TIME).map_err(failed)?;
    let opened = Engine::open(engine, &directory)?;
    let loaded = load.run(opened.store(), options.duration, device);
    opened.close();
    let loaded = loaded.map_err(|failure| failure.within(engine.name()))?;
    let after =
        (floor.flushes(one, FLOOR_TIME).map_err(failed)?, floor.flushes(all, FLOOR_TIME).map_err(failed)?);
    // It is gone before the next begins: a small disk must hold one at a time.
    fs::remove_dir_all(&directory).map_err(failed)?;
    let rate = loaded.messages as f64 / loaded.seconds;
    let each = |of: u64| of as f64 / loaded.messages.max(1) as f64;
    let written = loaded.device.map(|work| each(work.bytes));
    let per_flush = loaded
        .device
        .filter(|work| work.flushes > 0)
        .map(|work| loaded.messages as f64 / work.flushes as f64);
    let facts = Facts {
        writers,
        rate,
        flushes_of_one: f64::midpoint(before.0, after.0),
        flushes_of_all: f64::midpoint(before.1, after.1),
        bandwidth,
        written,
        per_flush,
        changed: changed(before, after),
        cores: loaded.cores,
    };
    Ok(Measurement {
        engine: engine.name(),
        durability: engine.durability(),
        writers,
        message_bytes: options.size,
        messages_per_second: rate,
        latency: Latency::of("commit to the engine's answer", &loaded.latencies),
        cores: loaded.cores,
        written_bytes_per_message: written,
        messages_per_flush: per_flush,
        flushes_of_one_per_second: facts.flushes_of_one,
        flushes_of_all_per_second: facts.flushes_of_all,
        bandwidth_bytes_per_second: bandwidth,
        floor_per_second: facts.floor(),
        share_of_floor: facts.share(),
        bound: facts.bound(),
        verdict: facts.verdict(),
    })
}

/// By how much the device was faster at one time than at the other.
fn changed(before: (f64, f64), after: (f64, f64)) -> f64 {
    let by = |one: f64, other: f64| one.max(other) / one.min(other).max(f64::MIN_POSITIVE);
    by(before.0, after.0).max(by(before.1, after.1))
}

/// A folder of our own in the user's directory; removed when dropped.
#[derive(Debug)]
struct Room(PathBuf);

impl Room {
    fn new(directory: &Path) -> io::Result<Self> {
        let path = directory.join(format!("kahawai-bench-{}", std::process::id()));
        // The user's as well, as a store is made where there is none; it is the user's from then on.
        fs::create_dir_all(directory)?;
        fs::create_dir(&path)?;
        Ok(Self(path))
    }

    fn fresh(&self, engine: EngineName, writers: u32) -> io::Result<PathBuf> {
        let path = self.0.join(format!("{}-{writers}", engine.name()));
        fs::create_dir(&path)?;
        Ok(path)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!("cannot remove {}: {error}; it may be deleted", self.0.display());
        }
    }
}
