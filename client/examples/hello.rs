//! Sends one message and receives it: `cargo run -p kahawai-client --example hello -- tcp://localhost:61616`

use kahawai_client::{Connection, Destination, Message, Result};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "tcp://localhost:61616".to_owned());
    let connection = Connection::open(url).await?;
    let session = connection.session().await?;

    let producer = session.producer(Destination::queue("HELLO")).await?;
    producer.send(Message::text("hello, world").property("from", "Rust")).await?;

    let mut consumer = session.consumer(Destination::queue("HELLO")).await?;
    if let Some(delivery) = consumer.next().await {
        let delivery = delivery?;
        let (text, from) = (delivery.text()?, delivery.property("from")?);
        #[allow(clippy::print_stdout, reason = "an example shows what it does")]
        {
            println!("received {text:?} from {from:?}");
        }
    }
    connection.close().await
}
