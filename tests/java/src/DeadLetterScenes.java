import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import javax.jms.DeliveryMode;
import javax.jms.Destination;
import javax.jms.Message;
import javax.jms.MessageConsumer;
import javax.jms.MessageProducer;
import javax.jms.QueueBrowser;
import javax.jms.Session;
import org.apache.activemq.ActiveMQConnection;
import org.apache.activemq.ActiveMQConnectionFactory;
import org.apache.activemq.command.ActiveMQDestination;
import org.apache.activemq.command.ActiveMQMessage;
import org.apache.activemq.command.ActiveMQQueue;
import org.apache.activemq.command.ActiveMQTopic;

/** What becomes of messages that expired or could not be consumed, and where it is. */
final class DeadLetterScenes {
    private static final int KEPT = DeliveryMode.PERSISTENT;
    private static final int FLEETING = DeliveryMode.NON_PERSISTENT;

    private DeadLetterScenes() {}

    static void add(PolicyScript script) {
        script.add("expired-found-by-period", DeadLetterScenes::expired);
        script.add("expired-not-processed", DeadLetterScenes::expiredNotProcessed);
        script.add("expired-not-persistent", DeadLetterScenes::expiredNotPersistent);
        script.add("expired-of-absent-durable", DeadLetterScenes::expiredOfDurable);
        script.add("dead-individual-queue", (bench, saw) ->
            poison(bench, saw, new ActiveMQQueue("DEAD.OWN.A"), new ActiveMQQueue("LETTERS.OF.DEAD.OWN.A.HERE"), KEPT));
        script.add("dead-individual-defaults", (bench, saw) ->
            poison(bench, saw, new ActiveMQQueue("DEAD.PLAIN"), new ActiveMQQueue("ActiveMQ.DLQ.Queue.DEAD.PLAIN"), KEPT));
        script.add("dead-individual-to-topic", (bench, saw) ->
            poison(bench, saw, new ActiveMQQueue("DEAD.TO.TOPIC"), new ActiveMQTopic("LETTERS.DEAD.TO.TOPIC"), KEPT));
        script.add("dead-individual-of-topic", (bench, saw) ->
            poison(bench, saw, new ActiveMQTopic("DEAD.OF.TOPIC"), new ActiveMQQueue("LETTERS.OF.TOPIC.DEAD.OF.TOPIC"), KEPT));
        script.add("dead-by-default", DeadLetterScenes::byDefault);
        script.add("dead-shared-queue", (bench, saw) ->
            poison(bench, saw, new ActiveMQQueue("DEAD.SHARED"), new ActiveMQQueue("LETTERS.SHARED"), KEPT));
        script.add("dead-not-persistent-processed", (bench, saw) ->
            poison(bench, saw, new ActiveMQQueue("DEAD.FLEETING"), new ActiveMQQueue("LETTERS.FLEETING"), FLEETING));
        script.add("dead-not-persistent-gone", (bench, saw) -> gone(bench, saw, new ActiveMQQueue("DEAD.FLEETING.GONE"), FLEETING));
        script.add("dead-with-a-life-time", (bench, saw) ->
            poison(bench, saw, new ActiveMQQueue("DEAD.MORTAL"), new ActiveMQQueue("LETTERS.MORTAL"), KEPT));
        script.add("dead-discarded", (bench, saw) -> gone(bench, saw, new ActiveMQQueue("DEAD.DISCARDED"), KEPT));
        script.add("dead-of-dead-individual", DeadLetterScenes::deadOfDead);
    }

    private static void send(Session session, Destination to, String text, int mode, long life) throws Exception {
        MessageProducer producer = session.createProducer(to);
        producer.send(session.createTextMessage(text), mode, 4, life);
        producer.close();
    }

    /** Nobody consumes: the broker finds it by itself. */
    private static void expired(Bench bench, List<String> saw) throws Exception {
        ActiveMQQueue queue = new ActiveMQQueue("EXPIRED.FOUND");
        send(bench.session(), queue, "old", KEPT, 1);
        send(bench.session(), queue, "lasting", KEPT, 0);
        letter(bench, saw, new ActiveMQQueue("LETTERS.EXPIRED"));
        Session session = bench.session();
        Bench.eventually("one is left", () -> browse(session, queue).equals("lasting"));
        saw.add("left: lasting");
    }

    private static void expiredNotProcessed(Bench bench, List<String> saw) throws Exception {
        ActiveMQQueue queue = new ActiveMQQueue("EXPIRED.GONE");
        Session session = bench.session();
        send(session, queue, "old", KEPT, 1);
        send(session, queue, "lasting", KEPT, 0);
        Bench.eventually("it is gone", () -> browse(session, queue).equals("lasting"));
        saw.add("left: lasting; letters: " + browse(session, new ActiveMQQueue("LETTERS.EXPIRED.GONE")));
    }

    private static void expiredNotPersistent(Bench bench, List<String> saw) throws Exception {
        send(bench.session(), new ActiveMQQueue("EXPIRED.FLEETING"), "old", FLEETING, 1);
        letter(bench, saw, new ActiveMQQueue("LETTERS.EXPIRED.FLEETING"));
    }

    private static void expiredOfDurable(Bench bench, List<String> saw) throws Exception {
        ActiveMQTopic topic = new ActiveMQTopic("EXPIRED.TOPIC");
        ActiveMQConnection connection = bench.named("expired-of-absent-durable");
        Session session = Bench.session(connection, Session.AUTO_ACKNOWLEDGE);
        session.createDurableSubscriber(topic, "s").close();
        send(bench.session(), topic, "old", KEPT, 1);
        send(bench.session(), topic, "lasting", KEPT, 0);
        letter(bench, saw, new ActiveMQQueue("LETTERS.EXPIRED.TOPIC"));
        saw.add("left: " + Bench.nextText(session.createDurableSubscriber(topic, "s")));
    }

    /** A message that its consumer rolls back as often as its client allows. */
    private static void poison(Bench bench, List<String> saw, ActiveMQDestination from, ActiveMQDestination to, int mode)
            throws Exception {
        MessageConsumer letters = bench.session().createConsumer(to);
        rollBack(bench, from, mode);
        letter(saw, letters);
    }

    private static void rollBack(Bench bench, ActiveMQDestination from, int mode) throws Exception {
        ActiveMQConnectionFactory factory = bench.factory(bench.url);
        factory.getRedeliveryPolicy().setMaximumRedeliveries(1);
        ActiveMQConnection connection = bench.own((ActiveMQConnection) factory.createConnection());
        connection.setClientID("of " + from.getPhysicalName());
        connection.start();
        Session session = Bench.transacted(connection);
        MessageConsumer consumer = from.isTopic()
            ? session.createDurableSubscriber((ActiveMQTopic) from, "s") : session.createConsumer(from);
        send(bench.session(), from, "poison", mode, 0);
        send(bench.session(), from, "wholesome", mode, 0);
        for (int i = 0; i < 2; i++) {
            Bench.equal("delivery " + i, Bench.nextText(consumer), "poison");
            session.rollback();
        }
        Bench.equal("what comes behind it", Bench.nextText(consumer), "wholesome");
        session.commit();
        consumer.close();
    }

    /** Where no policy says otherwise: others have their letters there too. */
    private static void byDefault(Bench bench, List<String> saw) throws Exception {
        ActiveMQQueue from = new ActiveMQQueue("ANY.DEAD");
        rollBack(bench, from, KEPT);
        letter(saw, sharedLetters(bench.session(), from, 1).get(0));
    }

    /** One that failed after it and has its letter proves that it has none. */
    private static void gone(Bench bench, List<String> saw, ActiveMQQueue from, int mode) throws Exception {
        rollBack(bench, from, mode);
        ActiveMQQueue later = new ActiveMQQueue("ANY.AFTER." + from.getPhysicalName());
        rollBack(bench, later, KEPT);
        Session session = bench.session();
        sharedLetters(session, later, 1);
        saw.add("letters: " + sharedLetters(session, from, 0).size());
        Bench.eventually("nothing is left", () -> browsed(session, from).isEmpty());
        saw.add("left: nothing");
    }

    /** The dead letters of a queue in the place for all, which come to be so many at least. */
    private static List<ActiveMQMessage> sharedLetters(Session session, ActiveMQQueue of, int least) throws Exception {
        List<ActiveMQMessage> found = new ArrayList<>();
        Bench.eventually("there are " + least + " letters of " + of, () -> {
            found.clear();
            for (Object message : browsed(session, new ActiveMQQueue("ActiveMQ.DLQ"))) {
                if (of.equals(((ActiveMQMessage) message).getOriginalDestination())) {
                    found.add((ActiveMQMessage) message);
                }
            }
            return found.size() >= least;
        });
        return found;
    }

    /** What cannot be consumed where dead letters are either. */
    private static void deadOfDead(Bench bench, List<String> saw) throws Exception {
        ActiveMQQueue letters = new ActiveMQQueue("LETTERS.OF.DEAD.OWN.B.HERE");
        rollBack(bench, new ActiveMQQueue("DEAD.OWN.B"), KEPT);
        ActiveMQConnectionFactory factory = bench.factory(bench.url);
        factory.getRedeliveryPolicy().setMaximumRedeliveries(0);
        ActiveMQConnection connection = bench.own((ActiveMQConnection) factory.createConnection());
        connection.start();
        Session session = Bench.transacted(connection);
        MessageConsumer consumer = session.createConsumer(letters);
        saw.add("rolled back: " + Bench.nextText(consumer));
        session.rollback();
        // Nobody is left to consume from it: the letter must come all the same.
        consumer.close();
        letter(bench, saw, new ActiveMQQueue("LETTERS.OF.LETTERS.OF.DEAD.OWN.B.HERE.HERE"));
        Session plain = bench.session();
        Bench.eventually("nothing is left", () -> browsed(plain, letters).isEmpty());
        saw.add("left: nothing");
    }

    private static void letter(Bench bench, List<String> saw, Destination place) throws Exception {
        letter(saw, bench.session().createConsumer(place));
    }

    private static void letter(List<String> saw, MessageConsumer letters) throws Exception {
        letter(saw, (ActiveMQMessage) Bench.next(letters));
    }

    private static void letter(List<String> saw, ActiveMQMessage message) throws Exception {
        saw.add("letter '" + Bench.text(message) + "' in " + message.getDestination().getQualifiedName() + ", was in "
            + (message.getOriginalDestination() == null ? "none" : message.getOriginalDestination().getQualifiedName()));
        saw.add("persistent " + message.isPersistent() + ", originalDeliveryMode " + message.getProperty("originalDeliveryMode")
            + ", originalExpiration " + (message.getProperty("originalExpiration") != null) + ", mortal "
            + (message.getExpiration() != 0) + ", priority " + message.getPriority());
        // Moments differ from run to run, and the client's own policy is not what is looked at.
        saw.add("because: " + String.valueOf(message.getProperty("dlqDeliveryFailureCause"))
            .replaceAll("RedeliveryPolicy \\{[^}]*\\}", "POLICY").replaceAll("[0-9]{10,}", "MOMENT"));
    }

    private static List<?> browsed(Session session, ActiveMQQueue queue) throws Exception {
        QueueBrowser browser = session.createBrowser(queue);
        try {
            return Collections.list(browser.getEnumeration());
        } finally {
            browser.close();
        }
    }

    /** The texts of what waits in a queue. */
    private static String browse(Session session, ActiveMQQueue queue) throws Exception {
        StringBuilder texts = new StringBuilder();
        for (Object message : browsed(session, queue)) {
            texts.append(texts.length() == 0 ? "" : " ").append(Bench.text((Message) message));
        }
        return texts.length() == 0 ? "nothing" : texts.toString();
    }
}
