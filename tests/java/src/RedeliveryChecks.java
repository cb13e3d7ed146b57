import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import javax.jms.Message;
import javax.jms.MessageConsumer;
import javax.jms.MessageProducer;
import javax.jms.Session;
import org.apache.activemq.ActiveMQConnection;
import org.apache.activemq.ActiveMQSession;
import org.apache.activemq.command.ActiveMQQueue;

/** What was received and not acknowledged comes again, says so, and ends in the dead-letter queue when it never works. */
final class RedeliveryChecks {
    private RedeliveryChecks() {}

    static void add(Semantics suite) {
        suite.add("redelivery-rollback", RedeliveryChecks::rollback);
        suite.add("redelivery-recover", RedeliveryChecks::recover);
        suite.add("redelivery-order-kept", RedeliveryChecks::order);
        suite.add("redelivery-closed-connection", bench -> lost(bench, false));
        suite.add("redelivery-lost-connection", bench -> lost(bench, true));
        suite.add("redelivery-count-grows-over-connections", RedeliveryChecks::countGrows);
        suite.add("redelivery-closed-consumer", RedeliveryChecks::closedConsumer);
        suite.add("redelivery-pulled-cable", RedeliveryChecks::pulledCable);
        suite.add("redelivery-listener-throws", RedeliveryChecks::listenerThrows);
        suite.add("dead-letter-after-rollbacks", bench -> poison(bench, true));
        suite.add("dead-letter-after-recovers", bench -> poison(bench, false));
        suite.add("dead-letter-none-for-non-persistent", RedeliveryChecks::poisonNonPersistent);
        suite.add("dead-letter-for-expired", RedeliveryChecks::expired);
        suite.add("dead-letter-of-a-temporary-queue", RedeliveryChecks::poisonTemporary);
        suite.add("dead-letter-says-where-it-failed-last", RedeliveryChecks::poisonAgain);
        suite.add("dead-letter-whole-range", RedeliveryChecks::poisonRange);
    }

    /** Checks one message's text and how often it was delivered: JMSRedelivered goes with the count. */
    private static void delivered(MessageConsumer consumer, String text, int count) throws Exception {
        Message message = Bench.next(consumer);
        Bench.equal("text", Bench.text(message), text);
        Bench.equal("JMSXDeliveryCount of " + text, message.getIntProperty("JMSXDeliveryCount"), count);
        Bench.equal("JMSRedelivered of " + text, message.getJMSRedelivered(), count > 1);
    }

    private static void rollback(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        Bench.send(bench.session(), queue, "a", "b", "c");
        Session session = Bench.transacted(bench.connection());
        MessageConsumer consumer = session.createConsumer(queue);
        delivered(consumer, "a", 1);
        delivered(consumer, "b", 1);
        session.rollback();
        delivered(consumer, "a", 2);
        session.rollback();
        delivered(consumer, "a", 3);
        delivered(consumer, "b", 2);
        delivered(consumer, "c", 1);
        session.commit();
        bench.holds(queue);
    }

    private static void recover(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        Bench.send(bench.session(), queue, "a", "b", "c");
        Session session = Bench.session(bench.connection(), Session.CLIENT_ACKNOWLEDGE);
        MessageConsumer consumer = session.createConsumer(queue);
        Bench.next(consumer).acknowledge();
        delivered(consumer, "b", 1);
        session.recover();
        delivered(consumer, "b", 2);
        session.recover();
        delivered(consumer, "b", 3);
        Message last = Bench.next(consumer);
        Bench.equal("last", Bench.text(last), "c");
        last.acknowledge();
        bench.holds(queue);
    }

    private static void order(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        Bench.send(bench.session(), queue, Bench.numbered(1, 30));
        Session session = Bench.transacted(bench.connection());
        MessageConsumer consumer = session.createConsumer(queue);
        for (int round = 0; round < 3; round++) {
            Bench.expect(consumer, Bench.numbered(1, 10 * (round + 1)));
            session.rollback();
        }
        Bench.expect(consumer, Bench.numbered(1, 30));
        session.commit();
    }

    /** Delivered but not acknowledged: redelivered. Only prefetched: not. Both in their old places. */
    private static void lost(Bench bench, boolean cut) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        Bench.send(bench.session(), queue, Bench.numbered(1, 6));
        ActiveMQConnection connection = bench.connection();
        MessageConsumer consumer = Bench.session(connection, Session.CLIENT_ACKNOWLEDGE).createConsumer(queue);
        Bench.expect(consumer, Bench.numbered(1, 3));
        if (cut) {
            Bench.cut(connection);
        } else {
            connection.close();
        }
        MessageConsumer next = bench.session().createConsumer(queue);
        for (int i = 1; i <= 6; i++) {
            Message message = Bench.next(next);
            Bench.equal("order", Bench.text(message), "m" + i);
            // After a cut the broker cannot know which of the dispatched ones the client looked at.
            if (!cut) {
                Bench.equal("JMSRedelivered of m" + i, message.getJMSRedelivered(), i <= 3);
            } else if (i <= 3) {
                Bench.equal("JMSRedelivered of m" + i, message.getJMSRedelivered(), true);
            }
        }
    }

    private static void countGrows(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        Bench.send(bench.session(), queue, "a");
        for (int count = 1; count <= 4; count++) {
            ActiveMQConnection connection = bench.connection();
            delivered(Bench.session(connection, Session.CLIENT_ACKNOWLEDGE).createConsumer(queue), "a", count);
            connection.close();
        }
    }

    /** A closed consumer of a transacted session: what it received stays with the transaction. */
    private static void closedConsumer(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        Bench.send(bench.session(), queue, "a", "b");
        Session session = Bench.transacted(bench.connection());
        MessageConsumer consumer = session.createConsumer(queue);
        delivered(consumer, "a", 1);
        consumer.close();
        session.commit();
        bench.holds(queue, "b");
    }

    /** A client that falls silent (no end of connection arrives) loses its messages to another after the inactivity time. */
    private static void pulledCable(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        FrameTap tap = bench.tap();
        ActiveMQConnection silent = bench.connection(
            Bench.with(bench.through(tap), ConnectionChecks.inactivity(1500)));
        MessageConsumer stuck = Bench.session(silent, Session.CLIENT_ACKNOWLEDGE).createConsumer(queue);
        Bench.send(bench.session(), queue, "a", "b");
        Bench.expect(stuck, "a");
        MessageConsumer next = bench.session().createConsumer(queue);
        Bench.silent(next);
        tap.holdBoth(true);
        Bench.expect(next, "a", "b");
    }

    private static void listenerThrows(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        LinkedBlockingQueue<Integer> counts = new LinkedBlockingQueue<>();
        bench.session().createConsumer(queue).setMessageListener(message -> {
            try {
                counts.add(message.getIntProperty("JMSXDeliveryCount"));
            } catch (Exception problem) {
                counts.add(-1);
            }
            if (counts.size() < 3) {
                throw new IllegalStateException("not yet");
            }
        });
        Bench.send(bench.session(), queue, "a");
        Bench.eventually("three deliveries", () -> counts.size() == 3);
        for (int count = 1; count <= 3; count++) {
            Bench.equal("JMSXDeliveryCount", counts.poll(0, TimeUnit.MILLISECONDS), count);
        }
        bench.holds(queue);
    }

    /**
     * Takes this check's message out of the shared dead-letter queue and leaves the others there. One check at a time: two
     * consumers of that queue could each be given the message that the other waits for, and hold it.
     */
    static synchronized Message deadLetter(Bench bench, String text) throws Exception {
        ActiveMQConnection connection = bench.connection();
        try {
            MessageConsumer consumer = Bench.session(connection, ActiveMQSession.INDIVIDUAL_ACKNOWLEDGE)
                .createConsumer(new ActiveMQQueue("ActiveMQ.DLQ?consumer.prefetchSize=32766"));
            long end = System.nanoTime() + Bench.SOON * 1_000_000;
            Message message;
            while ((message = consumer.receive(Math.max(1, (end - System.nanoTime()) / 1_000_000))) != null) {
                if (message instanceof javax.jms.TextMessage && text.equals(Bench.text(message))) {
                    message.acknowledge();
                    return message;
                }
            }
            throw new Check.Failed("'" + text + "' is not in ActiveMQ.DLQ");
        } finally {
            connection.close();
        }
    }

    private static void poison(Bench bench, boolean transacted) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        String text = bench.name("poison");
        Bench.send(bench.session(), queue, text, "good");
        ActiveMQConnection connection = bench.connection();
        connection.getRedeliveryPolicy().setMaximumRedeliveries(2);
        Session session = Bench.session(connection, transacted ? Session.SESSION_TRANSACTED : Session.CLIENT_ACKNOWLEDGE);
        MessageConsumer consumer = session.createConsumer(queue);
        for (int count = 1; count <= 3; count++) {
            delivered(consumer, text, count);
            if (transacted) {
                session.rollback();
            } else {
                session.recover();
            }
        }
        Message good = Bench.next(consumer);
        Bench.equal("next", Bench.text(good), "good");
        if (transacted) {
            session.commit();
        } else {
            good.acknowledge();
        }
        Message dead = deadLetter(bench, text);
        String cause = dead.getStringProperty("dlqDeliveryFailureCause");
        // An acknowledgement carries the reason since version 7 of the wire format.
        Bench.require(Bench.wire(connection).getVersion() >= 7 ? cause != null && cause.contains("redeliver")
            : cause == null, "dlqDeliveryFailureCause: " + cause);
        Bench.equal("original destination",
            ((org.apache.activemq.command.ActiveMQMessage) dead).getOriginalDestination(), queue);
        Bench.equal("JMSDestination", dead.getJMSDestination(), new ActiveMQQueue("ActiveMQ.DLQ"));
        connection.close();
        bench.holds(queue);
    }

    private static void poisonNonPersistent(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        String text = bench.name("poison");
        Session sender = bench.session();
        MessageProducer producer = sender.createProducer(queue);
        producer.setDeliveryMode(javax.jms.DeliveryMode.NON_PERSISTENT);
        producer.send(sender.createTextMessage(text));
        ActiveMQConnection connection = bench.connection();
        connection.getRedeliveryPolicy().setMaximumRedeliveries(0);
        Session session = Bench.transacted(connection);
        MessageConsumer consumer = session.createConsumer(queue);
        delivered(consumer, text, 1);
        session.rollback();
        Bench.silent(consumer);
        connection.close();
        // A marker that does go there shows that the earlier one would have been seen.
        poison(bench, true);
        try {
            ActiveMQConnection looking = bench.connection();
            var browser = Bench.session(looking, Session.AUTO_ACKNOWLEDGE)
                .createBrowser(new ActiveMQQueue("ActiveMQ.DLQ")).getEnumeration();
            while (browser.hasMoreElements()) {
                Message message = (Message) browser.nextElement();
                Bench.require(!(message instanceof javax.jms.TextMessage) || !Bench.text(message).equals(text),
                    "a non-persistent message is in ActiveMQ.DLQ");
            }
        } finally {
            bench.holds(queue);
        }
    }

    /** An expired persistent message goes to the dead-letter queue without its expiry, and is not delivered. */
    /** Takes it and rolls back once too often. */
    private static void fail(ActiveMQConnection connection, javax.jms.Queue queue) throws Exception {
        connection.getRedeliveryPolicy().setMaximumRedeliveries(1);
        Session session = Bench.transacted(connection);
        MessageConsumer consumer = session.createConsumer(queue);
        for (int count = 1; count <= 2; count++) {
            Bench.next(consumer);
            session.rollback();
        }
        Bench.silent(consumer);
        session.close();
    }

    private static void poisonTemporary(Bench bench) throws Exception {
        ActiveMQConnection connection = bench.connection();
        Session session = Bench.session(connection, Session.AUTO_ACKNOWLEDGE);
        var queue = session.createTemporaryQueue();
        String text = bench.name("poison");
        Bench.send(session, queue, text);
        fail(connection, queue);
        Message dead = deadLetter(bench, text);
        Bench.equal("original destination",
            ((org.apache.activemq.command.ActiveMQMessage) dead).getOriginalDestination(), queue);
    }

    /** A dead letter that is sent on to another queue with all that it says of itself, and fails there. */
    private static void poisonAgain(Bench bench) throws Exception {
        String text = bench.name("poison");
        ActiveMQConnection connection = bench.connection();
        Session session = Bench.session(connection, Session.AUTO_ACKNOWLEDGE);
        Bench.send(session, bench.queue("a"), text);
        fail(connection, bench.queue("a"));
        Message dead = deadLetter(bench, text);
        session.createProducer(bench.queue("b")).send(dead);
        fail(connection, bench.queue("b"));
        dead = deadLetter(bench, text);
        Bench.equal("original destination",
            ((org.apache.activemq.command.ActiveMQMessage) dead).getOriginalDestination(), bench.queue("b"));
    }

    private static void expired(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        String text = bench.name("expired");
        Session sender = bench.session();
        MessageProducer producer = sender.createProducer(queue);
        producer.setTimeToLive(50);
        Message message = sender.createTextMessage(text);
        producer.send(message);
        SendingChecks.passed(message.getJMSExpiration());
        bench.holds(queue);
        Message dead = deadLetter(bench, text);
        Bench.equal("JMSExpiration", dead.getJMSExpiration(), 0L);
        Bench.equal("originalExpiration", dead.getLongProperty("originalExpiration"), message.getJMSExpiration());
    }

    /** The client gives up on all that the transaction received, with one poison acknowledgement over the range. */
    private static void poisonRange(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        String text = bench.name("poison");
        Bench.send(bench.session(), queue, text + 1, text + 2, text + 3, "good");
        ActiveMQConnection connection = bench.connection();
        connection.getRedeliveryPolicy().setMaximumRedeliveries(1);
        Session session = Bench.transacted(connection);
        MessageConsumer consumer = session.createConsumer(queue);
        for (int count = 1; count <= 2; count++) {
            for (int i = 1; i <= 3; i++) {
                delivered(consumer, text + i, count);
            }
            session.rollback();
        }
        delivered(consumer, "good", 1);
        session.commit();
        for (int i = 1; i <= 3; i++) {
            deadLetter(bench, text + i);
        }
        connection.close();
        bench.holds(queue);
    }
}
