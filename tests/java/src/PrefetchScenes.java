import java.util.List;
import javax.jms.Session;
import org.apache.activemq.ActiveMQConnection;
import org.apache.activemq.ActiveMQMessageConsumer;
import org.apache.activemq.command.ActiveMQQueue;
import org.apache.activemq.command.ActiveMQTopic;

/** How many messages a consumer is sent in advance: this shows which policy counts for it. */
final class PrefetchScenes {
    private static final int ALL = 20;
    private static final String PLENTY = "?consumer.prefetchSize=100";

    private PrefetchScenes() {}

    static void add(PolicyScript script) {
        script.add("prefetch-queue", (bench, saw) -> queue(bench, saw, "PREFETCH.QUEUE", 5));
        script.add("prefetch-asked-for", (bench, saw) -> queue(bench, saw, "PREFETCH.QUEUE.OWN?consumer.prefetchSize=7", 7));
        script.add("prefetch-none", PrefetchScenes::none);
        script.add("prefetch-topic", (bench, saw) -> topic(bench, saw, "PREFETCH.TOPIC", false, 6));
        script.add("prefetch-durable", (bench, saw) -> topic(bench, saw, "PREFETCH.TOPIC.DURABLE", true, 8));
        script.add("chosen-for-all-below", (bench, saw) -> queue(bench, saw, "CHOSEN", 2));
        script.add("chosen-deep-below", (bench, saw) -> queue(bench, saw, "CHOSEN.EU.NEW.X", 2));
        script.add("chosen-narrower-pattern", (bench, saw) -> queue(bench, saw, "CHOSEN.EU.OLD", 3));
        script.add("chosen-exact-name", (bench, saw) -> queue(bench, saw, "CHOSEN.EU.NEW", 4));
        script.add("chosen-default", (bench, saw) -> queue(bench, saw, "NOBODY.NAMED.THIS", 9));
        script.add("chosen-by-kind", (bench, saw) -> topic(bench, saw, "CHOSEN.EU.NEW", false, 10));
    }

    /** The first consumer takes what it may, the second one the rest; neither acknowledges. */
    private static void queue(Bench bench, List<String> saw, String address, int enough) throws Exception {
        ActiveMQQueue queue = new ActiveMQQueue(address);
        Session session = Bench.session(bench.connection(), Session.CLIENT_ACKNOWLEDGE);
        var first = (ActiveMQMessageConsumer) session.createConsumer(queue);
        Bench.send(bench.session(), new ActiveMQQueue(queue.getPhysicalName()), Bench.numbered(1, ALL));
        Bench.eventually("the first consumer has " + enough + " messages", () -> first.getMessageSize() >= enough);
        Session other = Bench.session(bench.connection(), Session.CLIENT_ACKNOWLEDGE);
        var second = (ActiveMQMessageConsumer) other.createConsumer(new ActiveMQQueue(queue.getPhysicalName() + PLENTY));
        Bench.eventually("all messages are with the two consumers",
            () -> first.getMessageSize() + second.getMessageSize() >= ALL);
        saw.add("first " + first.getMessageSize() + ", second " + second.getMessageSize());
    }

    /** The client is told (ConsumerControl): one that was not would wait for messages that nobody sends without being asked. */
    private static void none(Bench bench, List<String> saw) throws Exception {
        ActiveMQQueue queue = new ActiveMQQueue("PREFETCH.NONE");
        Session session = Bench.session(bench.connection(), Session.CLIENT_ACKNOWLEDGE);
        var consumer = (ActiveMQMessageConsumer) session.createConsumer(queue);
        Bench.send(bench.session(), queue, Bench.numbered(1, 3));
        saw.add("got " + Bench.nextText(consumer) + ", and " + consumer.getMessageSize() + " wait with it");
        saw.add("got " + Bench.nextText(consumer) + ", and " + consumer.getMessageSize() + " wait with it");
    }

    /** Whoever was sent the last message proves that the others had their turn. */
    private static void topic(Bench bench, List<String> saw, String name, boolean durable, int enough) throws Exception {
        ActiveMQConnection connection = durable ? bench.named(bench.name("client")) : bench.connection();
        Session session = Bench.session(connection, Session.CLIENT_ACKNOWLEDGE);
        ActiveMQTopic topic = new ActiveMQTopic(name);
        var first = (ActiveMQMessageConsumer) (durable ? session.createDurableSubscriber(topic, "s") : session.createConsumer(topic));
        var second = bench.session().createConsumer(new ActiveMQTopic(name + PLENTY));
        Bench.send(bench.session(), topic, Bench.numbered(1, ALL));
        Bench.expect(second, Bench.numbered(1, ALL));
        Bench.eventually("the first subscriber has " + enough + " messages", () -> first.getMessageSize() >= enough);
        saw.add("first " + first.getMessageSize());
    }
}
