import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import javax.jms.MessageConsumer;
import javax.jms.Session;
import javax.jms.TemporaryQueue;
import org.apache.activemq.ActiveMQConnection;
import org.apache.activemq.advisory.AdvisorySupport;
import org.apache.activemq.advisory.ConsumerEvent;
import org.apache.activemq.advisory.ConsumerEventSource;
import org.apache.activemq.advisory.DestinationSource;
import org.apache.activemq.advisory.ProducerEvent;
import org.apache.activemq.advisory.ProducerEventSource;
import org.apache.activemq.command.ActiveMQDestination;
import org.apache.activemq.command.ActiveMQMessage;
import org.apache.activemq.command.ActiveMQQueue;
import org.apache.activemq.command.ActiveMQTopic;
import org.apache.activemq.command.ConnectionInfo;
import org.apache.activemq.command.ConsumerInfo;
import org.apache.activemq.command.DataStructure;
import org.apache.activemq.command.DestinationInfo;
import org.apache.activemq.command.RemoveInfo;

/** The advisory topics that ActiveMQ's client and its helper classes listen to. */
final class AdvisoryChecks {
    private AdvisoryChecks() {}

    static void add(Semantics suite) {
        suite.add("advisory-consumer-count", AdvisoryChecks::consumerCount);
        suite.add("advisory-consumer-replayed", AdvisoryChecks::consumerReplayed);
        suite.add("advisory-consumer-of-topic", AdvisoryChecks::topicConsumers);
        suite.add("advisory-producer-count", AdvisoryChecks::producerCount);
        suite.add("advisory-connection", AdvisoryChecks::connections);
        suite.add("advisory-temporary-queue", AdvisoryChecks::temporary);
        suite.add("advisory-queue-created-and-removed", AdvisoryChecks::queues);
        suite.add("advisory-destination-source", AdvisoryChecks::destinationSource);
        suite.add("advisory-message-shape", AdvisoryChecks::shape);
        suite.add("advisory-not-watched", AdvisoryChecks::notWatched);
    }

    private static ConsumerEvent next(LinkedBlockingQueue<ConsumerEvent> events) throws Exception {
        ConsumerEvent event = events.poll(Bench.SOON, TimeUnit.MILLISECONDS);
        Bench.require(event != null, "no consumer advisory came");
        return event;
    }

    private static LinkedBlockingQueue<ConsumerEvent> watch(Bench bench, ActiveMQDestination destination)
            throws Exception {
        LinkedBlockingQueue<ConsumerEvent> events = new LinkedBlockingQueue<>();
        ConsumerEventSource source = new ConsumerEventSource(bench.connection(), destination);
        source.setConsumerListener(events::add);
        source.start();
        return events;
    }

    private static void consumerCount(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        LinkedBlockingQueue<ConsumerEvent> events = watch(bench, queue);
        MessageConsumer one = bench.session().createConsumer(queue);
        ConsumerEvent event = next(events);
        Bench.require(event.isStarted(), "expected a start");
        Bench.equal("count", event.getConsumerCount(), 1);
        MessageConsumer two = bench.session().createConsumer(queue);
        Bench.equal("count", next(events).getConsumerCount(), 2);
        one.close();
        event = next(events);
        Bench.require(!event.isStarted(), "expected a stop");
        Bench.equal("count", event.getConsumerCount(), 1);
        two.close();
        Bench.equal("count", next(events).getConsumerCount(), 0);
    }

    /** Who subscribes to the advisory later is told of the consumers that are there. */
    private static void consumerReplayed(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        bench.session().createConsumer(queue);
        bench.session().createConsumer(queue);
        LinkedBlockingQueue<ConsumerEvent> events = watch(bench, queue);
        Bench.equal("count", next(events).getConsumerCount(), 2);
        Bench.equal("count", next(events).getConsumerCount(), 2);
        Bench.equal("a third advisory", events.poll(Bench.WHILE, TimeUnit.MILLISECONDS), null);
    }

    private static void topicConsumers(Bench bench) throws Exception {
        ActiveMQTopic topic = bench.topic("t");
        LinkedBlockingQueue<ConsumerEvent> events = watch(bench, topic);
        ActiveMQConnection connection = bench.connection();
        Bench.session(connection, Session.AUTO_ACKNOWLEDGE).createConsumer(topic);
        Bench.equal("count", next(events).getConsumerCount(), 1);
        Bench.cut(connection);
        ConsumerEvent event = next(events);
        Bench.require(!event.isStarted(), "expected a stop after the connection was lost");
        Bench.equal("count", event.getConsumerCount(), 0);
    }

    private static void producerCount(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        LinkedBlockingQueue<ProducerEvent> events = new LinkedBlockingQueue<>();
        ProducerEventSource source = new ProducerEventSource(bench.connection(), queue);
        source.setProducerListener(events::add);
        source.start();
        var producer = bench.session().createProducer(queue);
        ProducerEvent event = events.poll(Bench.SOON, TimeUnit.MILLISECONDS);
        Bench.require(event != null && event.isStarted(), "no advisory of a producer's start");
        Bench.equal("count", event.getProducerCount(), 1);
        producer.close();
        event = events.poll(Bench.SOON, TimeUnit.MILLISECONDS);
        Bench.require(event != null && !event.isStarted(), "no advisory of a producer's end");
        Bench.equal("count", event.getProducerCount(), 0);
    }

    private static DataStructure content(javax.jms.Message message) {
        return ((ActiveMQMessage) message).getDataStructure();
    }

    /** Reads advisories until one of this kind satisfies; others come from the checks beside. */
    private static <T extends DataStructure> T until(MessageConsumer consumer, Class<T> kind,
            java.util.function.Predicate<T> wanted) throws Exception {
        long end = System.nanoTime() + Bench.SOON * 1_000_000;
        while (true) {
            long left = (end - System.nanoTime()) / 1_000_000;
            javax.jms.Message message = left > 0 ? consumer.receive(left) : null;
            Bench.require(message != null, "no such " + kind.getSimpleName() + " advisory came");
            DataStructure content = content(message);
            if (kind.isInstance(content) && wanted.test(kind.cast(content))) {
                return kind.cast(content);
            }
        }
    }

    private static void connections(Bench bench) throws Exception {
        MessageConsumer consumer = bench.session().createConsumer(AdvisorySupport.getConnectionAdvisoryTopic());
        String id = bench.name("client");
        ActiveMQConnection connection = bench.named(id);
        ConnectionInfo info = until(consumer, ConnectionInfo.class, i -> id.equals(i.getClientId()));
        Bench.require(info.getPassword() == null || info.getPassword().isEmpty(), "a password is in the advisory");
        connection.close();
        until(consumer, RemoveInfo.class, i -> info.getConnectionId().equals(i.getObjectId()));
    }

    private static void temporary(Bench bench) throws Exception {
        MessageConsumer consumer = bench.session().createConsumer(AdvisorySupport.TEMP_QUEUE_ADVISORY_TOPIC);
        ActiveMQConnection owner = bench.connection();
        TemporaryQueue queue = Bench.session(owner, Session.AUTO_ACKNOWLEDGE).createTemporaryQueue();
        until(consumer, DestinationInfo.class, i -> i.isAddOperation() && queue.equals(i.getDestination()));
        // Who comes later is told too.
        MessageConsumer late = bench.session().createConsumer(AdvisorySupport.TEMP_QUEUE_ADVISORY_TOPIC);
        until(late, DestinationInfo.class, i -> i.isAddOperation() && queue.equals(i.getDestination()));
        owner.close();
        until(consumer, DestinationInfo.class, i -> i.isRemoveOperation() && queue.equals(i.getDestination()));
        until(late, DestinationInfo.class, i -> i.isRemoveOperation() && queue.equals(i.getDestination()));
    }

    private static void queues(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        MessageConsumer consumer = bench.session().createConsumer(AdvisorySupport.QUEUE_ADVISORY_TOPIC);
        Bench.send(bench.session(), queue, "a");
        until(consumer, DestinationInfo.class, i -> i.isAddOperation() && queue.equals(i.getDestination()));
        bench.connection().destroyDestination(queue);
        until(consumer, DestinationInfo.class, i -> i.isRemoveOperation() && queue.equals(i.getDestination()));
    }

    private static void destinationSource(Bench bench) throws Exception {
        ActiveMQQueue before = bench.queue("before");
        ActiveMQTopic topic = bench.topic("before");
        Bench.send(bench.session(), before, "a");
        Bench.send(bench.session(), topic, "a");
        DestinationSource source = bench.connection().getDestinationSource();
        Bench.eventually("the queue that was there is listed", () -> source.getQueues().contains(before));
        Bench.eventually("the topic that was there is listed", () -> source.getTopics().contains(topic));
        ActiveMQQueue later = bench.queue("later");
        bench.session().createConsumer(later);
        Bench.eventually("a later queue is listed", () -> source.getQueues().contains(later));
        ActiveMQConnection owner = bench.connection();
        TemporaryQueue temporary = Bench.session(owner, Session.AUTO_ACKNOWLEDGE).createTemporaryQueue();
        Bench.eventually("a temporary queue is listed", () -> source.getTemporaryQueues().contains(temporary));
        owner.close();
        Bench.eventually("a removed temporary queue is not", () -> !source.getTemporaryQueues().contains(temporary));
    }

    /** What an advisory message says besides its content. */
    private static void shape(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        ActiveMQTopic advisories = AdvisorySupport.getConsumerAdvisoryTopic(queue);
        MessageConsumer consumer = bench.session().createConsumer(advisories);
        bench.session().createConsumer(queue);
        ActiveMQMessage message = (ActiveMQMessage) Bench.next(consumer);
        Bench.equal("JMSType", message.getJMSType(), "Advisory");
        Bench.equal("JMSDestination", message.getJMSDestination(), advisories);
        Bench.equal("persistent", message.isPersistent(), false);
        Bench.require(content(message) instanceof ConsumerInfo, "content is " + content(message));
        Bench.equal("consumer's destination", ((ConsumerInfo) content(message)).getDestination(), queue);
        Bench.equal("consumerCount", message.getObjectProperty("consumerCount"), 1);
        for (String property : new String[] {"originBrokerName", "originBrokerId"}) {
            Bench.require(message.getStringProperty(property) != null, "no property " + property);
        }
    }

    private static void notWatched(Bench bench) throws Exception {
        ActiveMQConnection connection = bench.connection(bench.with("jms.watchTopicAdvisories=false"));
        Session session = Bench.session(connection, Session.AUTO_ACKNOWLEDGE);
        TemporaryQueue queue = session.createTemporaryQueue();
        MessageConsumer consumer = session.createConsumer(queue);
        Bench.send(session, queue, "a");
        Bench.expect(consumer, "a");
    }
}
