//! What the client itself costs: messages through a broker and back, with the processor time that this process took
//! for each.
//!
//! ```text
//! throughput URL [--messages N] [--size BYTES] [--persistent] [--mode auto|lazy|explicit|transacted]
//! ```
//!
//! One thread does all of it: a connection that sends and one that receives. `per core` is what one processor would
//! drive if the broker were never waited for: messages divided by processor time, sending and receiving together.

#![allow(clippy::print_stdout, reason = "this is what it is for")]

use std::time::{Duration, Instant};

use kahawai_client::{
    Acknowledge, Confirm, Connection, Consumer, ConsumerOptions, Error, Message, Producer, Result,
};

const QUEUE: &str = "THROUGHPUT";

/// Sends on their way without an answer, where answers are asked for.
const WINDOW: usize = 1000;

/// Messages in a transaction.
const TRANSACTION: u64 = 100;

struct Plan {
    url: String,
    messages: u64,
    size: usize,
    is_persistent: bool,
    mode: String,
}

fn plan() -> Option<Plan> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next()?;
    let mut plan = Plan { url, messages: 500_000, size: 1024, is_persistent: false, mode: "auto".to_owned() };
    while let Some(name) = arguments.next() {
        match name.as_str() {
            "--messages" => plan.messages = arguments.next()?.parse().ok()?,
            "--size" => plan.size = arguments.next()?.parse().ok()?,
            "--persistent" => plan.is_persistent = true,
            "--mode" => plan.mode = arguments.next()?,
            _ => return None,
        }
    }
    Some(plan)
}

/// Processor time of this process so far: user and system, from `/proc/self/stat`, in hundredths of a second.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let Some(plan) = plan() else {
        println!("usage: throughput URL [--messages N] [--size BYTES] [--persistent] [--mode MODE]");
        return Err(Error::Usage("see above"));
    };
    let sending = Connection::open(plan.url.as_str()).await?;
    let receiving = Connection::open(plan.url.as_str()).await?;
    let producer = sending.session().await?.producer(kahawai_client::Destination::queue(QUEUE)).await?;
    let options = ConsumerOptions::queue(QUEUE);
    let (begin, before) = (Instant::now(), processor_time());
    match plan.mode.as_str() {
        "transacted" => {
            let session = receiving.transacted_session().await?;
            let mut consumer = session.consumer(options).await?;
            let receive = async {
                for number in 1..=plan.messages {
                    drop(next(&mut consumer).await?);
                    if number % TRANSACTION == 0 || number == plan.messages {
                        session.commit().await?;
                    }
                }
                Ok(())
            };
            tokio::try_join!(send(&producer, &plan), receive)?;
        }
        mode => {
            let acknowledge = match mode {
                "auto" => Acknowledge::Auto,
                "lazy" => Acknowledge::Lazy,
                "explicit" => Acknowledge::Explicit,
                _ => return Err(Error::Usage("the mode is auto, lazy, explicit or transacted")),
            };
            let session = receiving.session().await?;
            let mut consumer = session.consumer(options.acknowledge(acknowledge)).await?;
            let receive = async {
                for _ in 0..plan.messages {
                    let delivery = next(&mut consumer).await?;
                    if acknowledge == Acknowledge::Explicit {
                        drop(delivery.start_acknowledge()?);
                    }
                }
                Ok(())
            };
            tokio::try_join!(send(&producer, &plan), receive)?;
        }
    }
    let (took, worked) = (begin.elapsed(), processor_time() - before);
    let messages = plan.messages as f64;
    println!(
        "{:.0} messages/s end to end, {:.0} messages/s per core ({:.2} µs of processor time each), {} of {} bytes in {took:.2?}",
        messages / took.as_secs_f64(),
        messages / worked.as_secs_f64(),
        worked.as_secs_f64() * 1e6 / messages,
        plan.messages,
        plan.size,
    );
    sending.close().await?;
    receiving.close().await
}

async fn next(consumer: &mut Consumer) -> Result<kahawai_client::Delivery> {
    consumer.next().await.unwrap_or(Err(Error::ConsumerClosed))
}

async fn send(producer: &Producer, plan: &Plan) -> Result<()> {
    let message = Message::bytes(vec![b'x'; plan.size]).persistent(plan.is_persistent);
    let mut confirms = std::collections::VecDeque::<Confirm>::new();
    for _ in 0..plan.messages {
        let confirm = producer.start_send(message.clone()).await?;
        if plan.is_persistent {
            confirms.push_back(confirm);
            if confirms.len() > WINDOW
                && let Some(oldest) = confirms.pop_front()
            {
                oldest.await?;
            }
        }
    }
    for confirm in confirms {
        confirm.await?;
    }
    Ok(())
}
