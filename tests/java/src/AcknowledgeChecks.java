import javax.jms.Message;
import javax.jms.MessageConsumer;
import javax.jms.Session;
import org.apache.activemq.ActiveMQConnection;
import org.apache.activemq.ActiveMQSession;
import org.apache.activemq.command.ActiveMQQueue;

/** What each acknowledgement mode takes off a queue, and what it leaves there. */
final class AcknowledgeChecks {
    private AcknowledgeChecks() {}

    static void add(Semantics suite) {
        suite.add("acknowledge-auto", bench -> drained(bench, Session.AUTO_ACKNOWLEDGE));
        suite.add("acknowledge-dups-ok", bench -> drained(bench, Session.DUPS_OK_ACKNOWLEDGE));
        suite.add("acknowledge-client-takes-all-before", AcknowledgeChecks::client);
        suite.add("acknowledge-client-without-leaves-all", AcknowledgeChecks::clientWithout);
        suite.add("acknowledge-client-session-wide", AcknowledgeChecks::clientSessionWide);
        suite.add("acknowledge-individual", AcknowledgeChecks::individual);
        suite.add("acknowledge-individual-out-of-order", AcknowledgeChecks::individualBackwards);
        suite.add("acknowledge-listener", AcknowledgeChecks::listener);
        suite.add("acknowledge-optimized", AcknowledgeChecks::optimized);
        suite.add("acknowledge-auto-prefetched-stay", AcknowledgeChecks::prefetchedStay);
        suite.add("acknowledge-sync-acks", AcknowledgeChecks::syncAcks);
    }

    /** Received on a connection that is then closed: nothing comes back. */
    private static void drained(Bench bench, int mode) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        Bench.send(bench.session(), queue, Bench.numbered(1, 20));
        ActiveMQConnection connection = bench.connection();
        MessageConsumer consumer = Bench.session(connection, mode).createConsumer(queue);
        Bench.expect(consumer, Bench.numbered(1, 20));
        connection.close();
        bench.holds(queue);
    }

    private static void client(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        Bench.send(bench.session(), queue, Bench.numbered(1, 10));
        ActiveMQConnection connection = bench.connection();
        MessageConsumer consumer = Bench.session(connection, Session.CLIENT_ACKNOWLEDGE).createConsumer(queue);
        Bench.expect(consumer, Bench.numbered(1, 3));
        Message fourth = Bench.next(consumer);
        fourth.acknowledge();
        Bench.expect(consumer, Bench.numbered(5, 6));
        connection.close();
        bench.holds(queue, Bench.numbered(5, 10));
    }

    private static void clientWithout(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        Bench.send(bench.session(), queue, Bench.numbered(1, 5));
        ActiveMQConnection connection = bench.connection();
        Bench.expect(Bench.session(connection, Session.CLIENT_ACKNOWLEDGE).createConsumer(queue), Bench.numbered(1, 5));
        connection.close();
        bench.holds(queue, Bench.numbered(1, 5));
    }

    /** acknowledge() on one message of the session covers what its other consumers received too. */
    private static void clientSessionWide(Bench bench) throws Exception {
        ActiveMQQueue one = bench.queue("one");
        ActiveMQQueue two = bench.queue("two");
        Session sender = bench.session();
        Bench.send(sender, one, "a1", "a2");
        Bench.send(sender, two, "b1", "b2");
        ActiveMQConnection connection = bench.connection();
        Session session = Bench.session(connection, Session.CLIENT_ACKNOWLEDGE);
        Bench.expect(session.createConsumer(one), "a1");
        Message message = Bench.next(session.createConsumer(two));
        message.acknowledge();
        connection.close();
        bench.holds(one, "a2");
        bench.holds(two, "b2");
    }

    private static void individual(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        Bench.send(bench.session(), queue, Bench.numbered(1, 5));
        ActiveMQConnection connection = bench.connection();
        MessageConsumer consumer =
            Bench.session(connection, ActiveMQSession.INDIVIDUAL_ACKNOWLEDGE).createConsumer(queue);
        for (int i = 1; i <= 5; i++) {
            Message message = Bench.next(consumer);
            Bench.equal("order", Bench.text(message), "m" + i);
            if (i % 2 == 0) {
                message.acknowledge();
            }
        }
        connection.close();
        bench.holds(queue, "m1", "m3", "m5");
    }

    private static void individualBackwards(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        Bench.send(bench.session(), queue, Bench.numbered(1, 6));
        ActiveMQConnection connection = bench.connection();
        MessageConsumer consumer =
            Bench.session(connection, ActiveMQSession.INDIVIDUAL_ACKNOWLEDGE).createConsumer(queue);
        Message[] got = new Message[6];
        for (int i = 0; i < 6; i++) {
            got[i] = Bench.next(consumer);
        }
        for (int i = 5; i >= 1; i--) {
            got[i].acknowledge();
        }
        connection.close();
        bench.holds(queue, "m1");
    }

    /** A listener's return acknowledges in auto mode. */
    private static void listener(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        ActiveMQConnection connection = bench.connection();
        java.util.concurrent.LinkedBlockingQueue<String> texts = new java.util.concurrent.LinkedBlockingQueue<>();
        Bench.session(connection, Session.AUTO_ACKNOWLEDGE).createConsumer(queue).setMessageListener(message -> {
            try {
                texts.add(Bench.text(message));
            } catch (Exception problem) {
                texts.add(Say.reason(problem));
            }
        });
        Bench.send(bench.session(), queue, Bench.numbered(1, 50));
        for (int i = 1; i <= 50; i++) {
            Bench.equal("order", texts.poll(Bench.SOON, java.util.concurrent.TimeUnit.MILLISECONDS), "m" + i);
        }
        connection.close();
        bench.holds(queue);
    }

    /** Acknowledgements in batches (jms.optimizeAcknowledge): all are delivered when the consumer closes. */
    private static void optimized(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        Bench.send(bench.session(), queue, Bench.numbered(1, 100));
        ActiveMQConnection connection = bench.connection(bench.with("jms.optimizeAcknowledge=true"));
        Bench.expect(Bench.session(connection, Session.AUTO_ACKNOWLEDGE).createConsumer(queue), Bench.numbered(1, 90));
        connection.close();
        bench.holds(queue, Bench.numbered(91, 100));
    }

    /** What was dispatched ahead but not received is still on the queue, in order, not marked as redelivered. */
    private static void prefetchedStay(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        Bench.send(bench.session(), queue, Bench.numbered(1, 10));
        ActiveMQConnection connection = bench.connection();
        Bench.expect(Bench.session(connection, Session.AUTO_ACKNOWLEDGE).createConsumer(queue), "m1", "m2");
        connection.close();
        MessageConsumer next = bench.session().createConsumer(queue);
        for (int i = 3; i <= 10; i++) {
            Message message = Bench.next(next);
            Bench.equal("order", Bench.text(message), "m" + i);
            Bench.equal("JMSRedelivered of m" + i, message.getJMSRedelivered(), false);
        }
    }

    /** Acknowledgements that wait for the broker's answer (jms.sendAcksAsync=false). */
    private static void syncAcks(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        Bench.send(bench.session(), queue, Bench.numbered(1, 10));
        ActiveMQConnection connection = bench.connection(bench.with("jms.sendAcksAsync=false"));
        Bench.expect(Bench.session(connection, Session.AUTO_ACKNOWLEDGE).createConsumer(queue), Bench.numbered(1, 7));
        Bench.cut(connection);
        bench.holds(queue, Bench.numbered(8, 10));
    }
}
