//! Topics, durable subscriptions, temporary destinations.

use kahawai_client::{
    Acknowledge, ConnectOptions, Connection, ConsumerOptions, Destination, ErrorKind, Message,
};

use crate::support::broker;
use crate::support::{receive, session, soon, texts};

#[tokio::test]
async fn topics_go_to_every_consumer_that_is_there() {
    let broker = broker!();
    let session = session(&broker).await;
    let topic = Destination::topic("news");
    let producer = session.producer(topic.clone()).await.unwrap();
    soon(producer.send("before")).await.unwrap();
    let mut first = session.consumer(&topic).await.unwrap();
    let mut second = session.consumer(ConsumerOptions::topic("news").selector("grade > 1")).await.unwrap();
    soon(producer.send(Message::text("one").property("grade", 1))).await.unwrap();
    soon(producer.send(Message::text("two").property("grade", 2))).await.unwrap();
    assert_eq!(texts(&mut first, 2).await, ["one", "two"]);
    assert_eq!(texts(&mut second, 1).await, ["two"]);
}

#[tokio::test]
async fn topic_windows_move_on_in_every_mode() {
    let broker = broker!();
    let connection = soon(Connection::open(broker.url.as_str())).await.unwrap();
    let session = connection.session().await.unwrap();
    let transacted = connection.transacted_session().await.unwrap();
    let options = ConsumerOptions::topic("windows").prefetch(4);
    let mut auto = session.consumer(options.clone()).await.unwrap();
    let mut explicit = session.consumer(options.clone().acknowledge(Acknowledge::Explicit)).await.unwrap();
    let mut committed = transacted.consumer(options).await.unwrap();
    let producer = session.producer(Destination::topic("windows")).await.unwrap();
    for number in 0..40 {
        soon(producer.send(number.to_string())).await.unwrap();
    }
    for number in 0..40 {
        let text = number.to_string();
        assert_eq!(texts(&mut auto, 1).await, [text.as_str()]);
        let delivery = receive(&mut explicit).await;
        assert_eq!(delivery.text().unwrap(), text.as_str());
        if number % 10 == 9 {
            soon(delivery.acknowledge_up_to_here()).await.unwrap();
        }
        assert_eq!(texts(&mut committed, 1).await, [text.as_str()]);
        if number % 10 == 9 {
            soon(transacted.commit()).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_durable_subscription_waits_for_its_subscriber() {
    let broker = broker!();
    let connect = || ConnectOptions::new().client_id("durable").open(broker.url.as_str());
    let options = ConsumerOptions::durable("durable.news", "paper");
    let connection = soon(connect()).await.unwrap();
    drop(connection.session().await.unwrap().consumer(options.clone()).await.unwrap());
    soon(connection.close()).await.unwrap();

    let other = session(&broker).await;
    let producer = other.producer(Destination::topic("durable.news")).await.unwrap();
    for number in 0..3 {
        soon(producer.send(number.to_string())).await.unwrap();
    }

    let connection = soon(connect()).await.unwrap();
    let session = connection.session().await.unwrap();
    let mut consumer = session.consumer(options.clone()).await.unwrap();
    assert_eq!(texts(&mut consumer, 3).await, ["0", "1", "2"]);
    let in_use = connection.unsubscribe("paper").await.unwrap_err();
    assert_eq!(in_use.kind(), ErrorKind::Broker, "{in_use}");
    soon(consumer.close()).await.unwrap();
    soon(connection.unsubscribe("paper")).await.unwrap();
    let unknown = connection.unsubscribe("paper").await.unwrap_err();
    assert_eq!(unknown.broker().unwrap().class, "javax.jms.InvalidDestinationException");

    soon(producer.send("to nobody")).await.unwrap();
    let mut consumer = session.consumer(options).await.unwrap();
    soon(producer.send("to a new subscription")).await.unwrap();
    assert_eq!(texts(&mut consumer, 1).await, ["to a new subscription"]);
    soon(consumer.close()).await.unwrap();
    soon(connection.unsubscribe("paper")).await.unwrap();
}

#[tokio::test]
async fn a_durable_subscription_needs_a_client_id() {
    let broker = broker!();
    let session = session(&broker).await;
    let refused = session.consumer(ConsumerOptions::durable("durable.news", "anonymous")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Usage);
}

#[tokio::test]
async fn a_question_is_answered_over_a_temporary_queue() {
    let broker = broker!();
    let answering = session(&broker).await;
    let asking = soon(Connection::open(broker.url.as_str())).await.unwrap();
    let answers = soon(asking.temporary_queue()).await.unwrap();
    let session = asking.session().await.unwrap();
    let mut answer = session.consumer(Destination::from(&answers)).await.unwrap();

    let mut questions = answering.consumer(Destination::queue("questions")).await.unwrap();
    let server = tokio::spawn(async move {
        let question = receive(&mut questions).await;
        let reply = answering.anonymous_producer().await.unwrap();
        let text = format!("{}, indeed", question.text().unwrap());
        let message = Message::text(text).correlation_id(question.correlation_id().unwrap());
        soon(reply.send_to(question.reply_to().unwrap(), message)).await.unwrap();
        (answering, question.reply_to().unwrap().clone())
    });
    let producer = session.producer(Destination::queue("questions")).await.unwrap();
    soon(producer.send(Message::text("well").reply_to(&answers).correlation_id("1"))).await.unwrap();
    let delivery = receive(&mut answer).await;
    assert_eq!((delivery.text().unwrap().as_str(), delivery.correlation_id()), ("well, indeed", Some("1")));

    let (answering, reply_to) = server.await.unwrap();
    let in_use = answers.clone().delete(&asking).await.unwrap_err();
    assert_eq!(in_use.kind(), ErrorKind::Usage, "{in_use}");
    let stranger = answering.consumer(&reply_to).await.unwrap_err();
    assert_eq!(stranger.kind(), ErrorKind::Usage, "{stranger}");
    soon(answer.close()).await.unwrap();
    soon(answers.delete(&asking)).await.unwrap();
    let gone = answering.anonymous_producer().await.unwrap().send_to(&reply_to, "late").await.unwrap_err();
    assert_eq!(gone.broker().unwrap().class, "org.apache.activemq.DestinationDoesNotExistException");
}
