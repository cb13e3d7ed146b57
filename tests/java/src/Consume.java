import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import javax.jms.JMSException;
import javax.jms.Message;
import javax.jms.MessageConsumer;
import javax.jms.Session;
import org.apache.activemq.ActiveMQConnection;
import org.apache.activemq.ActiveMQConnectionFactory;
import org.apache.activemq.command.ActiveMQQueue;

/** Receives numbered messages and keeps a ledger of what it was given and what it gave back, through the broker's deaths. */
public final class Consume {
    static final String USAGE = String.join("\n",
        "usage: Consume URL --queue NAME | --topic NAME --subscription S  --ledger FILE [options]",
        "  --consumers N    each with a connection of its own (1)",
        "  --mode M         auto, client or transacted (transacted)",
        "  --per-commit K   messages between two commits or acknowledgements (10)",
        "  --rollback-every R  roll back each R-th transaction on purpose (0: never)",
        "  --prefetch P     (ActiveMQ's default)",
        "  --expect COUNT   stop when so many different ids are settled (0: do not count)",
        "  --idle S         stop when nothing came for so many seconds (0: wait)",
        "  --seconds S      stop after that time at the latest (120)",
        "  --client-id ID   for a durable subscription",
        "  --progress N, --echo   as Produce",
        "stdin: the line 'stop' ends it; a transaction under way is committed",
        "prints: READY, PROGRESS n, DONE settled=N received=N indoubt=N; exit code 0, or 1 when a consumer broke,",
        "        or 3 when --expect was not reached");

    private final ActiveMQConnectionFactory factory;
    private final Ledger ledger;
    private final Stop stop;
    private final String queue;
    private final String topic;
    private final String subscription;
    private final String mode;
    private final int perCommit;
    private final long rollbackEvery;
    private final long expect;
    private final long idle;
    private final Set<String> settled = ConcurrentHashMap.newKeySet();
    private final AtomicLong received = new AtomicLong();
    private final AtomicLong doubtful = new AtomicLong();

    private Consume(Options options) throws Exception {
        factory = new ActiveMQConnectionFactory(options.word(0, "URL"));
        // The broker dies often here: no message is ever given up because of that.
        factory.getRedeliveryPolicy().setMaximumRedeliveries(-1);
        factory.getRedeliveryPolicy().setInitialRedeliveryDelay(0);
        factory.getRedeliveryPolicy().setRedeliveryDelay(0);
        long prefetch = options.number("prefetch", -1);
        if (prefetch >= 0) {
            factory.getPrefetchPolicy().setAll((int) prefetch);
        }
        queue = options.text("queue", null);
        topic = queue == null ? options.required("topic") : null;
        subscription = options.text("subscription", "s");
        mode = options.text("mode", "transacted");
        perCommit = (int) options.number("per-commit", 10);
        rollbackEvery = options.number("rollback-every", 0);
        expect = options.number("expect", 0);
        idle = options.number("idle", 0);
        stop = new Stop(options.number("seconds", 120), Map.of());
        ledger = new Ledger(options.required("ledger"), options.flag("echo"), options.number("progress", 100));
    }

    public static void main(String[] arguments) throws Exception {
        Options options = new Options(USAGE, arguments);
        int consumers = (int) options.number("consumers", 1);
        String clientId = options.text("client-id", "consume");
        Consume self = new Consume(options);
        options.finished();
        List<Thread> threads = new ArrayList<>();
        List<ActiveMQConnection> connections = new ArrayList<>();
        boolean[] broken = new boolean[1];
        for (int i = 0; i < consumers; i++) {
            ActiveMQConnection connection = (ActiveMQConnection) self.factory.createConnection();
            if (self.topic != null) {
                connection.setClientID(clientId + "-" + i);
            }
            connection.start();
            connections.add(connection);
            Session session = Bench.session(connection, self.sessionMode());
            MessageConsumer consumer = self.topic == null
                ? session.createConsumer(new ActiveMQQueue(self.queue))
                : session.createDurableSubscriber(session.createTopic(self.topic), self.subscription);
            int number = i;
            threads.add(new Thread(() -> {
                try {
                    self.consume(number, session, consumer);
                } catch (Exception problem) {
                    broken[0] = true;
                    Say.line("FAIL consumer " + number + ": " + Say.reason(problem));
                }
            }, "consumer-" + i));
        }
        Say.line("READY");
        threads.forEach(Thread::start);
        for (Thread thread : threads) {
            thread.join();
        }
        self.ledger.close();
        Say.line("DONE settled=" + self.settled.size() + " received=" + self.received + " indoubt=" + self.doubtful);
        for (ActiveMQConnection connection : connections) {
            try {
                connection.close();
            } catch (JMSException ignored) {
                // The broker may be away; the ledger is complete.
            }
        }
        System.exit(broken[0] ? 1 : self.expect > self.settled.size() ? 3 : 0);
    }

    private int sessionMode() {
        switch (mode) {
            case "auto": return Session.AUTO_ACKNOWLEDGE;
            case "client": return Session.CLIENT_ACKNOWLEDGE;
            case "transacted": return Session.SESSION_TRANSACTED;
            default: throw new IllegalArgumentException("no mode is called " + mode);
        }
    }

    private boolean enough() {
        return expect > 0 && settled.size() >= expect;
    }

    private void consume(int number, Session session, MessageConsumer consumer) throws Exception {
        List<String> ids = new ArrayList<>();
        Message last = null;
        long transaction = 1;
        long quietSince = System.nanoTime();
        while (true) {
            boolean over = stop.now() || enough()
                || idle > 0 && System.nanoTime() - quietSince > idle * 1_000_000_000L;
            Message message = over ? null : consumer.receive(200);
            if (message != null) {
                quietSince = System.nanoTime();
                String id = String.valueOf(message.getStringProperty("id"));
                received.incrementAndGet();
                ledger.line("RECEIVED " + id + " redelivered=" + message.getJMSRedelivered() + " count="
                    + message.getIntProperty("JMSXDeliveryCount") + " consumer=" + number);
                if (mode.equals("auto")) {
                    // receive() returned: the client has acknowledged.
                    settled.add(id);
                    ledger.progress(1);
                    continue;
                }
                ids.add(id);
                last = message;
            }
            if (!ids.isEmpty() && (ids.size() >= perCommit || message == null)) {
                settle("c" + number + "-" + transaction, session, last, ids,
                    rollbackEvery > 0 && transaction % rollbackEvery == 0 && !over);
                ids.clear();
                transaction++;
            }
            if (over) {
                return;
            }
        }
    }

    private void settle(String name, Session session, Message last, List<String> ids, boolean rollback)
            throws Exception {
        if (rollback && mode.equals("transacted")) {
            ledger.transaction("ROLLEDBACK", name, ids, "on purpose");
            rollback(session);
            return;
        }
        ledger.transaction("COMMITTING", name, ids, null);
        try {
            if (mode.equals("transacted")) {
                session.commit();
            } else {
                last.acknowledge();
            }
            ledger.transaction("COMMITTED", name, ids, null);
            settled.addAll(ids);
            ledger.progress(ids.size());
        } catch (JMSException problem) {
            // What was consumed may be gone or come again: Verify allows either.
            ledger.transaction("INDOUBT", name, ids, Say.reason(problem));
            doubtful.addAndGet(ids.size());
            if (mode.equals("transacted")) {
                rollback(session);
            } else {
                session.recover();
            }
        }
    }

    private static void rollback(Session session) {
        try {
            session.rollback();
        } catch (JMSException ignored) {
            // The transaction is gone with its connection; the session begins a new one.
        }
    }
}
