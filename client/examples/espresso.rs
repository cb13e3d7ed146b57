//! Request and reply over a temporary queue, with brokers that may take turns: the README's example.

use kahawai_client::{Acknowledge, Connection, ConsumerOptions, Destination, Message, Result};

/// Orders a drink, makes it, and tells that it is ready.
pub(crate) async fn espresso(url: &str) -> Result<()> {
    let connection = Connection::open(url).await?;
    let session = connection.session().await?;
    let ready = connection.temporary_queue().await?;

    let producer = session.producer(Destination::queue("ORDERS")).await?;
    let order = Message::text("one espresso").property("table", 7).reply_to(&ready).correlation_id("a-7");
    producer.send(order).await?; // the broker has stored it

    let orders = ConsumerOptions::queue("ORDERS").acknowledge(Acknowledge::Explicit);
    let mut barista = session.consumer(orders).await?;
    if let Some(delivery) = barista.next().await {
        let order = delivery?;
        let answer =
            Message::text(format!("{}, ready", order.text()?)).correlation_id("a-7").persistent(false);
        if let Some(reply_to) = order.reply_to() {
            session.anonymous_producer().await?.send_to(reply_to, answer).await?;
        }
        order.acknowledge().await?; // the broker will not deliver it again
    }

    let mut waiter = session.consumer(&*ready).await?;
    if let Some(answer) = waiter.next().await {
        assert_eq!(answer?.text()?, "one espresso, ready");
    }
    connection.close().await
}

#[tokio::main]
async fn main() -> Result<()> {
    espresso("failover:(tcp://localhost:61616,tcp://localhost:61617)").await
}
