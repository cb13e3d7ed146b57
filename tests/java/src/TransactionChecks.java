import javax.jms.Message;
import javax.jms.MessageConsumer;
import javax.jms.MessageProducer;
import javax.jms.Session;
import org.apache.activemq.ActiveMQConnection;
import org.apache.activemq.command.ActiveMQQueue;
import org.apache.activemq.command.ActiveMQTopic;

/** Local transactions: all of it or nothing, for what is sent and what is received. */
final class TransactionChecks {
    private TransactionChecks() {}

    static void add(Semantics suite) {
        suite.add("transaction-send-visible-after-commit", TransactionChecks::sendCommit);
        suite.add("transaction-send-rollback", TransactionChecks::sendRollback);
        suite.add("transaction-receive-commit", TransactionChecks::receiveCommit);
        suite.add("transaction-receive-beyond-prefetch", TransactionChecks::beyondPrefetch);
        suite.add("transaction-receive-and-send-together", TransactionChecks::together);
        suite.add("transaction-close-rolls-back", bench -> unfinished(bench, false));
        suite.add("transaction-lost-connection-rolls-back", bench -> unfinished(bench, true));
        suite.add("transaction-two-sessions-apart", TransactionChecks::apart);
        suite.add("transaction-over-several-destinations", TransactionChecks::several);
        suite.add("transaction-told-of-its-messages", TransactionChecks::told);
        suite.add("transaction-topic", TransactionChecks::topic);
        suite.add("transaction-2000-messages", TransactionChecks::many);
        suite.add("beyond-transaction-receive-2000", TransactionChecks::manyUncommitted);
        suite.add("transaction-empty-commit", TransactionChecks::empty);
        suite.add("transaction-one-after-another", TransactionChecks::sequence);
        suite.add("transaction-non-persistent", TransactionChecks::nonPersistent);
        suite.add("transaction-partial-consumers", TransactionChecks::twoConsumers);
    }

    private static void sendCommit(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        Session session = Bench.transacted(bench.connection());
        MessageConsumer consumer = bench.session().createConsumer(queue);
        Bench.send(session, queue, Bench.numbered(1, 10));
        Bench.silent(consumer);
        session.commit();
        Bench.expect(consumer, Bench.numbered(1, 10));
    }

    private static void sendRollback(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        Session session = Bench.transacted(bench.connection());
        Bench.send(session, queue, Bench.numbered(1, 10));
        session.rollback();
        Bench.send(session, queue, "after");
        session.commit();
        bench.holds(queue, "after");
    }

    private static void receiveCommit(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        Bench.send(bench.session(), queue, Bench.numbered(1, 10));
        ActiveMQConnection connection = bench.connection();
        Session session = Bench.transacted(connection);
        Bench.expect(session.createConsumer(queue), Bench.numbered(1, 6));
        session.commit();
        connection.close();
        bench.holds(queue, Bench.numbered(7, 10));
    }

    /** A transaction may receive more than the prefetch: what was delivered makes room, though it is not acknowledged. */
    private static void beyondPrefetch(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        Bench.send(bench.session(), queue, Bench.numbered(1, 40));
        ActiveMQConnection connection = bench.connection(bench.with("jms.prefetchPolicy.queuePrefetch=2"));
        Session session = Bench.transacted(connection);
        Bench.expect(session.createConsumer(queue), Bench.numbered(1, 40));
        session.commit();
        connection.close();
        bench.holds(queue);
    }

    private static void together(Bench bench) throws Exception {
        ActiveMQQueue in = bench.queue("in");
        ActiveMQQueue out = bench.queue("out");
        Bench.send(bench.session(), in, "a", "b");
        ActiveMQConnection connection = bench.connection();
        Session session = Bench.transacted(connection);
        MessageConsumer consumer = session.createConsumer(in);
        Bench.expect(consumer, "a");
        Bench.send(session, out, "from a");
        session.rollback();
        Bench.expect(consumer, "a");
        Bench.send(session, out, "from a again");
        session.commit();
        connection.close();
        bench.holds(in, "b");
        bench.holds(out, "from a again");
    }

    private static void unfinished(Bench bench, boolean cut) throws Exception {
        ActiveMQQueue in = bench.queue("in");
        ActiveMQQueue out = bench.queue("out");
        Bench.send(bench.session(), in, "a");
        ActiveMQConnection connection = bench.connection();
        Session session = Bench.transacted(connection);
        Bench.expect(session.createConsumer(in), "a");
        Bench.send(session, out, "never");
        if (cut) {
            Bench.cut(connection);
        } else {
            connection.close();
        }
        bench.holds(in, "a");
        bench.holds(out);
    }

    private static void apart(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        ActiveMQConnection connection = bench.connection();
        Session one = Bench.transacted(connection);
        Session two = Bench.transacted(connection);
        Bench.send(one, queue, "one");
        Bench.send(two, queue, "two");
        one.rollback();
        two.commit();
        bench.holds(queue, "two");
    }

    private static void several(Bench bench) throws Exception {
        Session session = Bench.transacted(bench.connection());
        ActiveMQQueue[] queues = new ActiveMQQueue[5];
        for (int i = 0; i < 5; i++) {
            queues[i] = bench.queue("q" + i);
            Bench.send(session, queues[i], "to " + i);
        }
        session.commit();
        for (int i = 0; i < 5; i++) {
            bench.holds(queues[i], "to " + i);
        }
    }

    private static void told(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        Session session = Bench.transacted(bench.connection());
        Bench.send(session, queue, "a");
        session.commit();
        Bench.send(bench.session(), queue, "b");
        MessageConsumer consumer = bench.session().createConsumer(queue);
        String told = Bench.next(consumer).getStringProperty("JMSXProducerTXID");
        Bench.require(told != null && told.startsWith("TX:ID:"), "JMSXProducerTXID: " + told);
        told = Bench.next(consumer).getStringProperty("JMSXProducerTXID");
        Bench.require(told == null, "JMSXProducerTXID outside of a transaction: " + told);
    }

    private static void topic(Bench bench) throws Exception {
        ActiveMQTopic topic = bench.topic("t");
        MessageConsumer subscriber = bench.session().createConsumer(topic);
        Session session = Bench.transacted(bench.connection());
        Bench.send(session, topic, "dropped");
        session.rollback();
        Bench.send(session, topic, "kept");
        Bench.silent(subscriber);
        session.commit();
        Bench.expect(subscriber, "kept");
    }

    private static void many(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        Session session = Bench.transacted(bench.connection());
        Bench.send(session, queue, Bench.numbered(1, 2000));
        session.commit();
        Session receiving = Bench.transacted(bench.connection());
        MessageConsumer consumer = receiving.createConsumer(queue);
        for (int i = 0; i < 20; i++) {
            Bench.expect(consumer, Bench.numbered(100 * i + 1, 100 * i + 100));
            receiving.commit();
        }
        bench.holds(queue);
    }

    /** ActiveMQ pages in 200 messages of a backlog and then waits for a commit: more in one transaction never come. */
    private static void manyUncommitted(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        Session session = Bench.transacted(bench.connection());
        Bench.send(session, queue, Bench.numbered(1, 2000));
        session.commit();
        Session receiving = Bench.transacted(bench.connection());
        Bench.expect(receiving.createConsumer(queue), Bench.numbered(1, 2000));
        receiving.commit();
        bench.holds(queue);
    }

    private static void empty(Bench bench) throws Exception {
        Session session = Bench.transacted(bench.connection());
        session.commit();
        session.rollback();
        session.commit();
    }

    private static void sequence(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        Session session = Bench.transacted(bench.connection());
        MessageProducer producer = session.createProducer(queue);
        MessageConsumer consumer = bench.session().createConsumer(queue);
        for (int i = 1; i <= 20; i++) {
            producer.send(session.createTextMessage("m" + i));
            if (i % 4 == 0) {
                session.rollback();
            } else {
                session.commit();
                Bench.expect(consumer, "m" + i);
            }
        }
        Bench.silent(consumer);
    }

    private static void nonPersistent(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        Session session = Bench.transacted(bench.connection());
        MessageProducer producer = session.createProducer(queue);
        producer.setDeliveryMode(javax.jms.DeliveryMode.NON_PERSISTENT);
        producer.send(session.createTextMessage("dropped"));
        session.rollback();
        producer.send(session.createTextMessage("kept"));
        session.commit();
        bench.holds(queue, "kept");
    }

    /** One commit covers what both consumers of the session received, and only that. */
    private static void twoConsumers(Bench bench) throws Exception {
        ActiveMQQueue one = bench.queue("one");
        ActiveMQQueue two = bench.queue("two");
        Session sender = bench.session();
        Bench.send(sender, one, "a1", "a2");
        Bench.send(sender, two, "b1", "b2");
        ActiveMQConnection connection = bench.connection();
        Session session = Bench.transacted(connection);
        MessageConsumer first = session.createConsumer(one);
        MessageConsumer second = session.createConsumer(two);
        Bench.expect(first, "a1");
        Bench.expect(second, "b1");
        session.commit();
        Message uncommitted = Bench.next(first);
        Bench.equal("next", Bench.text(uncommitted), "a2");
        connection.close();
        bench.holds(one, "a2");
        bench.holds(two, "b2");
    }
}
