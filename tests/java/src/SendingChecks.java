import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import javax.jms.BytesMessage;
import javax.jms.DeliveryMode;
import javax.jms.JMSException;
import javax.jms.Message;
import javax.jms.MessageConsumer;
import javax.jms.MessageProducer;
import javax.jms.Session;
import org.apache.activemq.ActiveMQConnection;
import org.apache.activemq.ActiveMQMessageProducer;
import org.apache.activemq.AsyncCallback;
import org.apache.activemq.command.ActiveMQQueue;

/** The ways to send: waiting, not waiting, within a window, with a deadline, unnamed, concurrently. */
final class SendingChecks {
    private SendingChecks() {}

    static void add(Semantics suite) {
        suite.add("send-sync-persistent", bench -> plain(bench, "", DeliveryMode.PERSISTENT));
        suite.add("send-async-persistent", bench -> plain(bench, "jms.useAsyncSend=true", DeliveryMode.PERSISTENT));
        suite.add("send-non-persistent", bench -> plain(bench, "", DeliveryMode.NON_PERSISTENT));
        suite.add("send-always-sync", bench -> plain(bench, "jms.alwaysSyncSend=true", DeliveryMode.NON_PERSISTENT));
        suite.add("send-dispatch-sync", bench -> plain(bench, "jms.dispatchAsync=false", DeliveryMode.PERSISTENT));
        suite.add("send-with-timeout", bench -> plain(bench, "jms.sendTimeout=20000", DeliveryMode.PERSISTENT));
        suite.add("send-producer-window", SendingChecks::window);
        suite.add("send-callback", SendingChecks::callback);
        suite.add("send-unnamed-producer", SendingChecks::unnamed);
        suite.add("send-sync-is-stored-when-answered", SendingChecks::storedWhenAnswered);
        suite.add("send-many-producers-one-connection", SendingChecks::concurrently);
        suite.add("send-priority-carried", SendingChecks::priority);
        suite.add("send-expired-not-delivered", SendingChecks::expired);
        suite.add("send-expired-while-prefetched", SendingChecks::expiredPrefetched);
        suite.add("send-not-yet-expired-delivered", SendingChecks::notYetExpired);
        suite.add("send-larger-than-frame-limit", SendingChecks::overLimit);
    }

    private static void plain(Bench bench, String options, int mode) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        ActiveMQConnection connection = bench.connection(bench.with(options));
        Session session = Bench.session(connection, Session.AUTO_ACKNOWLEDGE);
        MessageProducer producer = session.createProducer(queue);
        producer.setDeliveryMode(mode);
        for (String text : Bench.numbered(1, 100)) {
            producer.send(session.createTextMessage(text));
        }
        producer.close();
        MessageConsumer consumer = bench.session().createConsumer(queue);
        for (int i = 1; i <= 100; i++) {
            Message message = Bench.next(consumer);
            Bench.equal("order", Bench.text(message), "m" + i);
            Bench.equal("JMSDeliveryMode", message.getJMSDeliveryMode(), mode);
        }
    }

    /** The broker answers each message with a ProducerAck that reopens the window: more than the window passes. */
    private static void window(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        ActiveMQConnection connection =
            bench.connection(bench.with("jms.useAsyncSend=true&jms.producerWindowSize=20000"));
        Session session = Bench.session(connection, Session.AUTO_ACKNOWLEDGE);
        MessageProducer producer = session.createProducer(queue);
        for (int i = 0; i < 100; i++) {
            BytesMessage message = session.createBytesMessage();
            message.writeBytes(new byte[5000]);
            message.setIntProperty("n", i);
            producer.send(message);
        }
        MessageConsumer consumer = bench.session().createConsumer(queue);
        for (int i = 0; i < 100; i++) {
            Bench.equal("n", Bench.next(consumer).getIntProperty("n"), i);
        }
    }

    private static void callback(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        Session session = bench.session();
        ActiveMQMessageProducer producer = (ActiveMQMessageProducer) session.createProducer(queue);
        CountDownLatch answered = new CountDownLatch(50);
        LinkedBlockingQueue<String> problems = new LinkedBlockingQueue<>();
        for (String text : Bench.numbered(1, 50)) {
            producer.send(session.createTextMessage(text), new AsyncCallback() {
                @Override
                public void onSuccess() {
                    answered.countDown();
                }

                @Override
                public void onException(JMSException problem) {
                    problems.add(Say.reason(problem));
                    answered.countDown();
                }
            });
        }
        Bench.require(answered.await(Bench.SOON, TimeUnit.MILLISECONDS), answered.getCount() + " sends were not answered");
        Bench.equal("problems", problems.poll(), null);
        bench.holds(queue, Bench.numbered(1, 50));
    }

    private static void unnamed(Bench bench) throws Exception {
        Session session = bench.session();
        MessageProducer producer = session.createProducer(null);
        for (String where : new String[] {"a", "b"}) {
            producer.send(bench.queue(where), session.createTextMessage("to " + where));
        }
        bench.holds(bench.queue("a"), "to a");
        bench.holds(bench.queue("b"), "to b");
    }

    /** The connection is cut right after the answer: the message is there. */
    private static void storedWhenAnswered(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        for (int i = 1; i <= 10; i++) {
            ActiveMQConnection connection = bench.connection();
            Session session = Bench.session(connection, Session.AUTO_ACKNOWLEDGE);
            session.createProducer(queue).send(session.createTextMessage("m" + i));
            Bench.cut(connection);
        }
        bench.holds(queue, Bench.numbered(1, 10));
    }

    private static void concurrently(Bench bench) throws Exception {
        ActiveMQConnection connection = bench.connection();
        ActiveMQQueue queue = bench.queue("q");
        List<Thread> threads = new ArrayList<>();
        LinkedBlockingQueue<String> problems = new LinkedBlockingQueue<>();
        for (int p = 0; p < 20; p++) {
            threads.add(new Thread(() -> {
                try {
                    Bench.send(Bench.session(connection, Session.AUTO_ACKNOWLEDGE), queue, Bench.numbered(1, 25));
                } catch (Exception problem) {
                    problems.add(Say.reason(problem));
                }
            }));
        }
        threads.forEach(Thread::start);
        for (Thread thread : threads) {
            thread.join();
        }
        Bench.equal("problems", problems.poll(), null);
        MessageConsumer consumer = bench.session().createConsumer(queue);
        for (int i = 0; i < 500; i++) {
            Bench.next(consumer);
        }
        Bench.silent(consumer);
    }

    private static void priority(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        Session session = bench.session();
        MessageProducer producer = session.createProducer(queue);
        for (int priority = 0; priority <= 9; priority++) {
            producer.send(session.createMessage(), DeliveryMode.PERSISTENT, priority, 0);
        }
        MessageConsumer consumer = bench.session().createConsumer(queue);
        java.util.Set<Integer> seen = new java.util.HashSet<>();
        for (int i = 0; i <= 9; i++) {
            seen.add(Bench.next(consumer).getJMSPriority());
        }
        Bench.equal("priorities", seen.size(), 10);
    }

    /** Waits until the clock is past a moment. */
    static void passed(long moment) throws InterruptedException {
        long left;
        while ((left = moment - System.currentTimeMillis()) >= 0) {
            Thread.sleep(left + 1);
        }
    }

    private static void expired(Bench bench) throws Exception {
        for (int mode : new int[] {DeliveryMode.PERSISTENT, DeliveryMode.NON_PERSISTENT}) {
            ActiveMQQueue queue = bench.queue("q" + mode);
            Session session = bench.session();
            MessageProducer producer = session.createProducer(queue);
            producer.setDeliveryMode(mode);
            Message last = null;
            for (int i = 0; i < 5; i++) {
                last = session.createTextMessage("short-lived");
                producer.send(last, mode, 4, 100);
                producer.send(session.createTextMessage("lasting " + i));
            }
            passed(last.getJMSExpiration());
            bench.holds(queue, "lasting 0", "lasting 1", "lasting 2", "lasting 3", "lasting 4");
        }
    }

    /** Expired in the client's own buffer: the client throws it away and says so, the broker forgets it. */
    private static void expiredPrefetched(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        ActiveMQConnection connection = bench.connection();
        MessageConsumer consumer = Bench.session(connection, Session.AUTO_ACKNOWLEDGE).createConsumer(queue);
        Session session = bench.session();
        MessageProducer producer = session.createProducer(queue);
        Message message = session.createTextMessage("short-lived");
        producer.send(message, DeliveryMode.PERSISTENT, 4, 300);
        producer.send(session.createTextMessage("lasting"));
        Bench.eventually("both dispatched", () ->
            ((org.apache.activemq.ActiveMQMessageConsumer) consumer).getMessageSize() == 2);
        passed(message.getJMSExpiration());
        Bench.expect(consumer, "lasting");
        connection.close();
        bench.holds(queue);
    }

    private static void notYetExpired(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        Session session = bench.session();
        MessageProducer producer = session.createProducer(queue);
        producer.setTimeToLive(120_000);
        producer.send(session.createTextMessage("in time"));
        Message got = Bench.next(bench.session().createConsumer(queue));
        Bench.equal("text", Bench.text(got), "in time");
        Bench.equal("JMSExpiration", got.getJMSExpiration(), got.getJMSTimestamp() + 120_000);
    }

    /** A client refuses by itself to send more than the limit that the broker told it (wireFormat.maxFrameSize). */
    private static void overLimit(Bench bench) throws Exception {
        ActiveMQConnection connection = bench.connection();
        long limit = Bench.wire(connection).getMaxFrameSize();
        Bench.require(limit >= 5 << 20, "the negotiated frame limit is " + limit);
        ActiveMQConnection small = bench.connection(bench.with("wireFormat.maxFrameSize=100000"));
        Session session = Bench.session(small, Session.AUTO_ACKNOWLEDGE);
        ActiveMQQueue queue = bench.queue("q");
        BytesMessage message = session.createBytesMessage();
        message.writeBytes(new byte[200_000]);
        Bench.refused(JMSException.class, "", () -> {
            session.createProducer(queue).send(message);
            return null;
        });
        bench.holds(queue);
    }
}
