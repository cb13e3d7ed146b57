import java.util.ArrayList;
import java.util.Enumeration;
import java.util.List;
import java.util.Set;
import java.util.HashSet;
import javax.jms.JMSException;
import javax.jms.Message;
import javax.jms.MessageConsumer;
import javax.jms.BytesMessage;
import javax.jms.MessageProducer;
import javax.jms.QueueBrowser;
import javax.jms.Session;
import org.apache.activemq.ActiveMQConnection;
import org.apache.activemq.command.ActiveMQQueue;
import org.apache.activemq.command.ActiveMQTopic;

/** Names with wildcards, names that mean several, browsing, and removing a destination. */
final class DestinationChecks {
    private DestinationChecks() {}

    static void add(Semantics suite) {
        suite.add("wildcard-topic-one-level", bench -> topics(bench, ".*", "a", "b"));
        suite.add("wildcard-topic-all-levels", bench -> topics(bench, ".>", "a", "b", "c.d", "root"));
        suite.add("wildcard-topic-middle", bench -> topics(bench, ".*.d", "c.d"));
        suite.add("wildcard-queue-one-level", DestinationChecks::queues);
        suite.add("wildcard-queue-sees-later-queues", DestinationChecks::laterQueues);
        suite.add("composite-queues-and-topic", DestinationChecks::composite);
        suite.add("composite-consume", DestinationChecks::compositeConsume);
        suite.add("composite-in-transaction", DestinationChecks::compositeTransaction);
        suite.add("browse-sees-and-leaves", DestinationChecks::browse);
        suite.add("browse-empty", DestinationChecks::browseEmpty);
        suite.add("browse-350-in-order", DestinationChecks::browseMany);
        suite.add("browse-beside-consumer", DestinationChecks::browseBeside);
        suite.add("browse-two-at-once", DestinationChecks::browseTwo);
        suite.add("browse-nothing-acknowledged", DestinationChecks::browseAcknowledged);
        suite.add("browse-all-of-a-closed-connection", DestinationChecks::browseAfterClose);
        suite.add("destroy-queue-drops-messages", DestinationChecks::destroy);
        suite.add("destroy-with-consumers-refused", DestinationChecks::destroyInUse);
        suite.add("destination-name-characters", DestinationChecks::names);
        suite.add("queue-and-topic-of-one-name-apart", DestinationChecks::apart);
    }

    /** Of all these topics the pattern covers exactly the expected. */
    private static void topics(Bench bench, String pattern, String... expected) throws Exception {
        String root = bench.name("w");
        MessageConsumer subscriber = bench.session().createConsumer(new ActiveMQTopic(root + pattern));
        Session sender = bench.session();
        Bench.send(sender, new ActiveMQTopic(root), "root");
        for (String level : new String[] {"a", "b", "c.d"}) {
            Bench.send(sender, new ActiveMQTopic(root + "." + level), level);
        }
        Bench.send(sender, new ActiveMQTopic(root + "x.a"), "foreign");
        Set<String> got = new HashSet<>();
        for (int i = 0; i < expected.length; i++) {
            Message message = Bench.next(subscriber);
            String text = Bench.text(message);
            Bench.equal("JMSDestination", message.getJMSDestination(),
                new ActiveMQTopic(text.equals("root") ? root : root + "." + text));
            got.add(text);
        }
        Bench.equal("topics", got, Set.of(expected));
        Bench.silent(subscriber);
    }

    private static void queues(Bench bench) throws Exception {
        String root = bench.name("w");
        Session sender = bench.session();
        for (String level : new String[] {"a", "b", "c.d"}) {
            Bench.send(sender, new ActiveMQQueue(root + "." + level), level);
        }
        MessageConsumer consumer = bench.session().createConsumer(new ActiveMQQueue(root + ".*"));
        Set<String> got = new HashSet<>(List.of(Bench.nextText(consumer), Bench.nextText(consumer)));
        Bench.equal("queues", got, Set.of("a", "b"));
        Bench.silent(consumer);
        consumer.close();
        bench.holds(new ActiveMQQueue(root + ".a"));
        bench.holds(new ActiveMQQueue(root + ".c.d"), "c.d");
    }

    private static void laterQueues(Bench bench) throws Exception {
        String root = bench.name("w");
        MessageConsumer consumer = bench.session().createConsumer(new ActiveMQQueue(root + ".>"));
        for (String level : new String[] {"a", "b.c"}) {
            Bench.send(bench.session(), new ActiveMQQueue(root + "." + level), level);
            Message got = Bench.next(consumer);
            Bench.equal("text", Bench.text(got), level);
            Bench.equal("JMSDestination", got.getJMSDestination(), new ActiveMQQueue(root + "." + level));
        }
    }

    private static ActiveMQQueue several(Bench bench) {
        return new ActiveMQQueue("queue://" + bench.name("a") + ",queue://" + bench.name("b")
            + ",topic://" + bench.name("c"));
    }

    private static void composite(Bench bench) throws Exception {
        MessageConsumer subscriber = bench.session().createConsumer(bench.topic("c"));
        Bench.send(bench.session(), several(bench), "to all", "again");
        Bench.expect(subscriber, "to all", "again");
        bench.holds(bench.queue("a"), "to all", "again");
        bench.holds(bench.queue("b"), "to all", "again");
    }

    private static void compositeConsume(Bench bench) throws Exception {
        ActiveMQQueue both = new ActiveMQQueue(bench.name("a") + "," + bench.name("b"));
        MessageConsumer consumer = bench.session().createConsumer(both);
        Bench.send(bench.session(), bench.queue("a"), "from a");
        Bench.expect(consumer, "from a");
        Bench.send(bench.session(), bench.queue("b"), "from b");
        Bench.expect(consumer, "from b");
    }

    private static void compositeTransaction(Bench bench) throws Exception {
        MessageConsumer subscriber = bench.session().createConsumer(bench.topic("c"));
        Session session = Bench.transacted(bench.connection());
        Bench.send(session, several(bench), "dropped");
        session.rollback();
        Bench.send(session, several(bench), "kept");
        session.commit();
        Bench.expect(subscriber, "kept");
        bench.holds(bench.queue("a"), "kept");
        bench.holds(bench.queue("b"), "kept");
    }

    private static List<String> browse(Session session, ActiveMQQueue queue) throws Exception {
        QueueBrowser browser = session.createBrowser(queue);
        List<String> seen = new ArrayList<>();
        for (Enumeration<?> all = browser.getEnumeration(); all.hasMoreElements();) {
            seen.add(Bench.text((Message) all.nextElement()));
        }
        browser.close();
        return seen;
    }

    private static void browse(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        Bench.send(bench.session(), queue, "a", "b", "c");
        Session session = bench.session();
        Bench.equal("browsed", browse(session, queue), List.of("a", "b", "c"));
        Bench.equal("browsed again", browse(session, queue), List.of("a", "b", "c"));
        MessageConsumer consumer = bench.session().createConsumer(queue);
        for (String text : new String[] {"a", "b", "c"}) {
            Message message = Bench.next(consumer);
            Bench.equal("text", Bench.text(message), text);
            Bench.equal("JMSRedelivered", message.getJMSRedelivered(), false);
        }
    }

    private static void browseEmpty(Bench bench) throws Exception {
        Bench.equal("browsed", browse(bench.session(), bench.queue("q")), List.of());
    }

    private static void browseMany(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        Session sender = Bench.transacted(bench.connection());
        Bench.send(sender, queue, Bench.numbered(1, 350));
        sender.commit();
        Bench.equal("browsed", browse(bench.session(), queue), List.of(Bench.numbered(1, 350)));
        bench.holds(queue, Bench.numbered(1, 350));
    }

    /** What was acknowledged before the browser came is gone, though the client waited for no answer. */
    private static void browseAcknowledged(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        Session session = bench.session();
        for (int round = 0; round < 20; round++) {
            Bench.send(session, queue, "a", "b");
            MessageConsumer consumer = session.createConsumer(queue);
            Bench.expect(consumer, "a", "b");
            Bench.require(!session.createBrowser(queue).getEnumeration().hasMoreElements(), "it shows what was acknowledged");
            consumer.close();
        }
    }

    /** What a connection sent without waiting is there once its close() has returned. */
    private static void browseAfterClose(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        ActiveMQConnection sending = bench.connection(bench.with("jms.useAsyncSend=true"));
        Session session = Bench.session(sending, Session.AUTO_ACKNOWLEDGE);
        MessageProducer producer = session.createProducer(queue);
        for (int i = 0; i < 200; i++) {
            BytesMessage message = session.createBytesMessage();
            message.writeBytes(new byte[8192]);
            producer.send(message);
        }
        sending.close();
        int count = 0;
        Enumeration<?> all = bench.session().createBrowser(queue).getEnumeration();
        for (; all.hasMoreElements(); all.nextElement()) {
            count++;
        }
        Bench.equal("messages seen", count, 200);
    }

    /** A browser also sees what is dispatched to a consumer and not acknowledged yet. */
    private static void browseBeside(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        Bench.send(bench.session(), queue, "a", "b");
        MessageConsumer consumer =
            Bench.session(bench.connection(), Session.CLIENT_ACKNOWLEDGE).createConsumer(queue);
        Bench.expect(consumer, "a", "b");
        Bench.equal("browsed", browse(bench.session(), queue), List.of("a", "b"));
    }

    private static void browseTwo(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        Bench.send(bench.session(), queue, "a", "b");
        Enumeration<?> one = bench.session().createBrowser(queue).getEnumeration();
        Enumeration<?> two = bench.session().createBrowser(queue).getEnumeration();
        for (String text : new String[] {"a", "b"}) {
            for (Enumeration<?> browsing : List.of(one, two)) {
                Bench.require(browsing.hasMoreElements(), "the browser ends before " + text);
                Bench.equal("text", Bench.text((Message) browsing.nextElement()), text);
            }
        }
        Bench.require(!one.hasMoreElements() && !two.hasMoreElements(), "more than was sent");
    }

    private static void destroy(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        ActiveMQConnection connection = bench.connection();
        Bench.send(Bench.session(connection, Session.AUTO_ACKNOWLEDGE), queue, "a", "b");
        connection.destroyDestination(queue);
        bench.holds(queue);
        Bench.send(bench.session(), queue, "c");
        bench.holds(queue, "c");
    }

    private static void destroyInUse(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        MessageConsumer consumer = bench.session().createConsumer(queue);
        ActiveMQConnection connection = bench.connection();
        Bench.refused(JMSException.class, "active subscription", () -> {
            connection.destroyDestination(queue);
            return null;
        });
        Bench.send(bench.session(), queue, "a");
        Bench.expect(consumer, "a");
    }

    private static void names(Bench bench) throws Exception {
        for (String odd : new String[] {"with space", "māori", "slash/and:colon", "UPPER", "..dots..", "漢字", "100%25", "a/../b"}) {
            ActiveMQQueue queue = bench.queue(odd);
            Bench.send(bench.session(), queue, odd);
            MessageConsumer consumer = bench.session().createConsumer(queue);
            Message got = Bench.next(consumer);
            Bench.equal("text", Bench.text(got), odd);
            Bench.equal("JMSDestination", got.getJMSDestination(), queue);
        }
    }

    private static void apart(Bench bench) throws Exception {
        MessageConsumer subscriber = bench.session().createConsumer(bench.topic("same"));
        Bench.send(bench.session(), bench.queue("same"), "for the queue");
        Bench.silent(subscriber);
        Bench.send(bench.session(), bench.topic("same"), "for the topic");
        Bench.expect(subscriber, "for the topic");
        bench.holds(bench.queue("same"), "for the queue");
    }
}
