import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import javax.jms.BytesMessage;
import javax.jms.Destination;
import javax.jms.JMSException;
import javax.jms.MessageProducer;
import javax.jms.Session;
import org.apache.activemq.ActiveMQConnection;
import org.apache.activemq.ActiveMQConnectionFactory;

/** Sends numbered messages and keeps a ledger of what the broker answered, through its deaths. */
public final class Produce {
    static final String USAGE = String.join("\n",
        "usage: Produce URL --queue NAME | --topic NAME  --ledger FILE [options]",
        "  --producers N    each with a connection of its own (1)",
        "  --messages M     per producer; 0: until told to stop (0)",
        "  --per-commit K   transactions of K messages; 0: each send waits for its answer (0)",
        "  --pause MS       rest so long behind each transaction (0)",
        "  --size BYTES     body (1024)",
        "  --prefix P       ids are P<producer>-<n>, n from 1 (p)",
        "  --seconds S      stop after that time at the latest (120)",
        "  --progress N     print 'PROGRESS n' each N outcomes (100)",
        "  --echo           print each ledger line too",
        "stdin: the line 'stop' ends it after the sends under way",
        "prints: READY, PROGRESS n, DONE acked=N indoubt=N rolledback=N; exit code 0, or 1 when a producer broke");

    private final ActiveMQConnectionFactory factory;
    private final Ledger ledger;
    private final Stop stop;
    private final String name;
    private final boolean topic;
    private final long messages;
    private final int perCommit;
    private final long pause;
    private final byte[] body;
    private final String prefix;
    private final AtomicLong acked = new AtomicLong();
    private final AtomicLong doubtful = new AtomicLong();
    private final AtomicLong rolledBack = new AtomicLong();

    private Produce(Options options) throws Exception {
        factory = new ActiveMQConnectionFactory(options.word(0, "URL"));
        String queue = options.text("queue", null);
        topic = queue == null;
        name = topic ? options.required("topic") : queue;
        messages = options.number("messages", 0);
        perCommit = (int) options.number("per-commit", 0);
        pause = options.number("pause", 0);
        body = new byte[(int) options.number("size", 1024)];
        prefix = options.text("prefix", "p");
        stop = new Stop(options.number("seconds", 120), Map.of());
        ledger = new Ledger(options.required("ledger"), options.flag("echo"), options.number("progress", 100));
    }

    public static void main(String[] arguments) throws Exception {
        Options options = new Options(USAGE, arguments);
        int producers = (int) options.number("producers", 1);
        Produce self = new Produce(options);
        options.finished();
        List<Thread> threads = new ArrayList<>();
        List<ActiveMQConnection> connections = new ArrayList<>();
        boolean[] broken = new boolean[1];
        for (int i = 0; i < producers; i++) {
            ActiveMQConnection connection = (ActiveMQConnection) self.factory.createConnection();
            connection.start();
            connections.add(connection);
            int number = i;
            threads.add(new Thread(() -> {
                try {
                    if (self.perCommit > 0) {
                        self.transacted(number, connection);
                    } else {
                        self.plain(number, connection);
                    }
                } catch (Exception problem) {
                    broken[0] = true;
                    Say.line("FAIL producer " + number + ": " + Say.reason(problem));
                }
            }, "producer-" + i));
        }
        Say.line("READY");
        threads.forEach(Thread::start);
        for (Thread thread : threads) {
            thread.join();
        }
        self.ledger.close();
        Say.line("DONE acked=" + self.acked + " indoubt=" + self.doubtful + " rolledback=" + self.rolledBack);
        for (ActiveMQConnection connection : connections) {
            try {
                connection.close();
            } catch (JMSException ignored) {
                // The broker may be away; the ledger is complete.
            }
        }
        System.exit(broken[0] ? 1 : 0);
    }

    private MessageProducer producer(Session session) throws JMSException {
        Destination to = topic ? session.createTopic(name) : session.createQueue(name);
        return session.createProducer(to);
    }

    private BytesMessage message(Session session, String id) throws JMSException {
        BytesMessage message = session.createBytesMessage();
        message.writeBytes(body);
        message.setStringProperty("id", id);
        return message;
    }

    private boolean more(long n) {
        return (messages == 0 || n <= messages) && !stop.now();
    }

    private void plain(int number, ActiveMQConnection connection) throws Exception {
        Session session = Bench.session(connection, Session.AUTO_ACKNOWLEDGE);
        MessageProducer producer = producer(session);
        for (long n = 1; more(n); n++) {
            String id = prefix + number + "-" + n;
            BytesMessage message = message(session, id);
            ledger.line("SENDING " + id);
            try {
                producer.send(message);
                ledger.line("ACKED " + id);
                acked.incrementAndGet();
            } catch (JMSException problem) {
                // It may have arrived or not: never send it again under this id.
                ledger.line("INDOUBT " + id + " ! " + Say.reason(problem));
                doubtful.incrementAndGet();
            }
            ledger.progress(1);
        }
    }

    private void transacted(int number, ActiveMQConnection connection) throws Exception {
        Session session = Bench.transacted(connection);
        MessageProducer producer = producer(session);
        long n = 1;
        for (long transaction = 1; more(n); transaction++) {
            String name = "t" + prefix + number + "-" + transaction;
            List<String> ids = new ArrayList<>();
            try {
                for (int i = 0; i < perCommit && (messages == 0 || n <= messages); i++, n++) {
                    String id = prefix + number + "-" + n;
                    ids.add(id);
                    ledger.line("SENDING " + id);
                    producer.send(message(session, id));
                }
            } catch (JMSException problem) {
                // The commit was never asked for.
                rollback(session);
                ledger.transaction("ROLLEDBACK", name, ids, Say.reason(problem));
                rolledBack.addAndGet(ids.size());
                n++;
                continue;
            }
            ledger.transaction("COMMITTING", name, ids, null);
            try {
                session.commit();
                ledger.transaction("COMMITTED", name, ids, null);
                acked.addAndGet(ids.size());
            } catch (JMSException problem) {
                // Even TransactionRolledBackException may stand for a commit whose answer was lost.
                ledger.transaction("INDOUBT", name, ids, Say.reason(problem));
                doubtful.addAndGet(ids.size());
                rollback(session);
            }
            ledger.progress(ids.size());
            Thread.sleep(pause);
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
