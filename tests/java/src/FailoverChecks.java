import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import javax.jms.JMSException;
import javax.jms.Message;
import javax.jms.MessageConsumer;
import javax.jms.MessageProducer;
import javax.jms.Session;
import javax.jms.TemporaryQueue;
import org.apache.activemq.ActiveMQConnection;
import org.apache.activemq.command.ActiveMQQueue;
import org.apache.activemq.transport.DefaultTransportListener;
import org.apache.activemq.transport.TransportListener;

/** Clients on failover: whose connection is lost at a bad moment. The broker itself stays up. */
final class FailoverChecks {
    private FailoverChecks() {}

    static void add(Semantics suite) {
        suite.add("failover-send-after-loss", FailoverChecks::sendAfter);
        suite.add("failover-receive-after-loss", FailoverChecks::receiveAfter);
        suite.add("failover-send-whose-answer-was-lost-stored-once", FailoverChecks::answerLost);
        suite.add("failover-transaction-continues", FailoverChecks::transaction);
        suite.add("failover-transaction-lost-twice", FailoverChecks::transactionTwice);
        suite.add("failover-commit-whose-answer-was-lost-is-whole", FailoverChecks::commitLost);
        suite.add("failover-receive-commit-whose-answer-was-lost", FailoverChecks::receiveCommitLost);
        suite.add("failover-unacknowledged-received-again", FailoverChecks::unacknowledged);
        suite.add("failover-temporary-queue-kept", FailoverChecks::temporary);
        suite.add("failover-durable-subscription-kept", FailoverChecks::durable);
        suite.add("failover-client-id-kept", FailoverChecks::clientId);
    }

    private static String failover(Bench bench, FrameTap tap) {
        return "failover:(" + bench.through(tap) + ")?initialReconnectDelay=10&maxReconnectDelay=100&timeout=20000";
    }

    /**
     * Cuts and waits until the client has a new connection: a call made before it noticed would be in doubt, and the
     * client would rightly say so.
     */
    private static void cutAndReconnect(FrameTap tap, ActiveMQConnection connection) throws Exception {
        CountDownLatch resumed = new CountDownLatch(1);
        TransportListener listener = new DefaultTransportListener() {
            @Override
            public void transportResumed() {
                resumed.countDown();
            }
        };
        connection.addTransportListener(listener);
        tap.cut();
        Bench.require(resumed.await(Bench.SOON, TimeUnit.MILLISECONDS), "the client did not reconnect");
        connection.removeTransportListener(listener);
    }

    private static void sendAfter(Bench bench) throws Exception {
        FrameTap tap = bench.tap();
        ActiveMQQueue queue = bench.queue("q");
        Session session = Bench.session(bench.connection(failover(bench, tap)), Session.AUTO_ACKNOWLEDGE);
        MessageProducer producer = session.createProducer(queue);
        for (int i = 1; i <= 20; i++) {
            producer.send(session.createTextMessage("m" + i));
            if (i % 5 == 0) {
                tap.cut();
            }
        }
        bench.holds(queue, Bench.numbered(1, 20));
    }

    private static void receiveAfter(Bench bench) throws Exception {
        FrameTap tap = bench.tap();
        ActiveMQQueue queue = bench.queue("q");
        ActiveMQConnection connection = bench.connection(failover(bench, tap));
        MessageConsumer consumer = Bench.session(connection, Session.AUTO_ACKNOWLEDGE).createConsumer(queue);
        Session sender = bench.session();
        for (int round = 0; round < 3; round++) {
            tap.cut();
            Bench.send(sender, queue, "r" + round);
            Bench.expect(consumer, "r" + round);
            // The acknowledgement travels on its own: what follows shows that it arrived.
            Bench.eventually("the queue is empty", () -> !bench.session().createBrowser(queue).getEnumeration().hasMoreElements());
        }
    }

    /** Runs an action while the broker's answers are held, loses them with the connection, and waits for the action. */
    private static void losingAnswer(FrameTap tap, long answers, Runnable action) throws Exception {
        long before = tap.toClient(FrameTap.RESPONSE);
        tap.holdToClient(true);
        CompletableFuture<Void> running = CompletableFuture.runAsync(action);
        tap.await(false, FrameTap.RESPONSE, before + answers, Bench.SOON);
        tap.cutAndRelease();
        running.get(Bench.SOON * 2, TimeUnit.MILLISECONDS);
    }

    /** The client sends it again on the new connection; the broker knows (producer, sequence) and stores it once. */
    private static void answerLost(Bench bench) throws Exception {
        FrameTap tap = bench.tap();
        ActiveMQQueue queue = bench.queue("q");
        Session session = Bench.session(bench.connection(failover(bench, tap)), Session.AUTO_ACKNOWLEDGE);
        MessageProducer producer = session.createProducer(queue);
        producer.send(session.createTextMessage("m1"));
        for (int i = 2; i <= 4; i++) {
            String text = "m" + i;
            losingAnswer(tap, 1, () -> {
                try {
                    producer.send(session.createTextMessage(text));
                } catch (JMSException problem) {
                    throw new IllegalStateException(problem);
                }
            });
        }
        producer.send(session.createTextMessage("m5"));
        bench.holds(queue, Bench.numbered(1, 5));
    }

    private static void transaction(Bench bench) throws Exception {
        FrameTap tap = bench.tap();
        ActiveMQQueue queue = bench.queue("q");
        ActiveMQConnection connection = bench.connection(failover(bench, tap));
        Session session = Bench.transacted(connection);
        MessageProducer producer = session.createProducer(queue);
        producer.send(session.createTextMessage("m1"));
        session.commit();
        producer.send(session.createTextMessage("m2"));
        cutAndReconnect(tap, connection);
        producer.send(session.createTextMessage("m3"));
        session.commit();
        bench.holds(queue, "m1", "m2", "m3");
    }

    private static void transactionTwice(Bench bench) throws Exception {
        FrameTap tap = bench.tap();
        ActiveMQQueue queue = bench.queue("q");
        ActiveMQConnection connection = bench.connection(failover(bench, tap));
        Session session = Bench.transacted(connection);
        MessageProducer producer = session.createProducer(queue);
        for (int i = 1; i <= 9; i++) {
            producer.send(session.createTextMessage("m" + i));
            if (i % 3 == 0 && i < 9) {
                cutAndReconnect(tap, connection);
            }
        }
        session.commit();
        bench.holds(queue, Bench.numbered(1, 9));
    }

    /** The client may report success or an exception; the messages are all there, or none is, and never twice. */
    private static void commitLost(Bench bench) throws Exception {
        FrameTap tap = bench.tap();
        ActiveMQQueue queue = bench.queue("q");
        Session session = Bench.transacted(bench.connection(failover(bench, tap)));
        MessageProducer producer = session.createProducer(queue);
        for (String text : Bench.numbered(1, 5)) {
            producer.send(session.createTextMessage(text));
        }
        String[] outcome = new String[1];
        losingAnswer(tap, 1, () -> {
            try {
                session.commit();
                outcome[0] = "committed";
            } catch (JMSException problem) {
                outcome[0] = Say.reason(problem);
            }
        });
        Say.line("# failover-commit: the client said: " + outcome[0]);
        MessageConsumer consumer = bench.session().createConsumer(queue);
        Message first = consumer.receive(outcome[0].equals("committed") ? Bench.SOON : 1000);
        if (first != null) {
            Bench.equal("first", Bench.text(first), "m1");
            Bench.expect(consumer, Bench.numbered(2, 5));
        } else {
            Bench.require(!outcome[0].equals("committed"), "the commit succeeded and nothing is there");
        }
        Bench.silent(consumer);
    }

    /** What a commit in doubt had consumed comes again entirely or not at all. */
    private static void receiveCommitLost(Bench bench) throws Exception {
        FrameTap tap = bench.tap();
        ActiveMQQueue queue = bench.queue("q");
        Bench.send(bench.session(), queue, Bench.numbered(1, 10));
        ActiveMQConnection connection = bench.connection(failover(bench, tap));
        connection.getRedeliveryPolicy().setMaximumRedeliveries(-1);
        Session session = Bench.transacted(connection);
        MessageConsumer consumer = session.createConsumer(queue);
        Bench.expect(consumer, Bench.numbered(1, 5));
        String[] outcome = new String[1];
        losingAnswer(tap, 1, () -> {
            try {
                session.commit();
                outcome[0] = "committed";
            } catch (JMSException problem) {
                outcome[0] = Say.reason(problem);
            }
        });
        Say.line("# failover-receive-commit: the client said: " + outcome[0]);
        Message first = Bench.next(consumer);
        if (Bench.text(first).equals("m1")) {
            Bench.require(!outcome[0].equals("committed"), "the commit succeeded and m1 came again");
            Bench.expect(consumer, Bench.numbered(2, 10));
        } else {
            Bench.equal("first after the loss", Bench.text(first), "m6");
            Bench.expect(consumer, Bench.numbered(7, 10));
        }
        session.commit();
        connection.close();
        bench.holds(queue);
    }

    private static void unacknowledged(Bench bench) throws Exception {
        FrameTap tap = bench.tap();
        ActiveMQQueue queue = bench.queue("q");
        Bench.send(bench.session(), queue, "a", "b", "c");
        ActiveMQConnection connection = bench.connection(failover(bench, tap));
        connection.getRedeliveryPolicy().setMaximumRedeliveries(-1);
        Session session = Bench.transacted(connection);
        MessageConsumer consumer = session.createConsumer(queue);
        Bench.expect(consumer, "a", "b");
        CountDownLatch resumed = new CountDownLatch(1);
        connection.addTransportListener(new DefaultTransportListener() {
            @Override
            public void transportResumed() {
                resumed.countDown();
            }
        });
        tap.cut();
        // A client that notices the cut while it receives again gets what it has received once more.
        Bench.require(resumed.await(Bench.SOON, TimeUnit.MILLISECONDS), "the client did not connect again");
        session.rollback();
        Bench.expect(consumer, "a", "b", "c");
        session.commit();
        connection.close();
        bench.holds(queue);
    }

    private static void temporary(Bench bench) throws Exception {
        FrameTap tap = bench.tap();
        ActiveMQConnection connection = bench.connection(failover(bench, tap));
        Session session = Bench.session(connection, Session.AUTO_ACKNOWLEDGE);
        TemporaryQueue replies = session.createTemporaryQueue();
        MessageConsumer consumer = session.createConsumer(replies);
        tap.cut();
        // A call that waits for an answer returns when the new connection has its old state.
        session.createProducer(bench.queue("barrier")).send(session.createTextMessage("barrier"));
        ActiveMQConnection other = bench.connection(bench.with("jms.watchTopicAdvisories=false"));
        Bench.send(Bench.session(other, Session.AUTO_ACKNOWLEDGE), replies, "answer");
        Bench.expect(consumer, "answer");
    }

    private static void durable(Bench bench) throws Exception {
        FrameTap tap = bench.tap();
        ActiveMQConnection connection = bench.unstarted(failover(bench, tap));
        connection.setClientID(bench.name("client"));
        connection.start();
        Session session = Bench.session(connection, Session.AUTO_ACKNOWLEDGE);
        MessageConsumer subscriber = session.createDurableSubscriber(bench.topic("t"), "s");
        Session sender = bench.session();
        Bench.send(sender, bench.topic("t"), "a");
        Bench.expect(subscriber, "a");
        tap.cut();
        Bench.send(sender, bench.topic("t"), "b", "c");
        Bench.expect(subscriber, "b", "c");
        Bench.silent(subscriber);
    }

    /** The client comes back under its id before the broker may have seen the old connection end. */
    private static void clientId(Bench bench) throws Exception {
        FrameTap tap = bench.tap();
        ActiveMQConnection connection = bench.unstarted(failover(bench, tap));
        connection.setClientID(bench.name("client"));
        connection.start();
        Session session = Bench.session(connection, Session.AUTO_ACKNOWLEDGE);
        for (int i = 1; i <= 10; i++) {
            Bench.send(session, bench.queue("q"), "m" + i);
            tap.cut();
        }
        Bench.send(session, bench.queue("q"), "m11");
        bench.holds(bench.queue("q"), Bench.numbered(1, 11));
    }
}
