import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import javax.jms.BytesMessage;
import javax.jms.DeliveryMode;
import javax.jms.Message;
import javax.jms.MessageConsumer;
import javax.jms.MessageProducer;
import javax.jms.Session;
import org.apache.activemq.ActiveMQConnection;
import org.apache.activemq.ActiveMQConnectionFactory;
import org.apache.activemq.command.ActiveMQQueue;

/**
 * The load of the side-by-side runs: ActiveMQ's own client against any broker that speaks OpenWire. One scenario per
 * queue name nobody used before; every thread has a connection of its own; a JSON line per scenario.
 */
public final class Load {
    static final String USAGE = String.join("\n",
        "usage: Load URL SCENARIO... [--seconds S] [--warm-up S] [--size BYTES]",
        "  --seconds S   measured (6), after --warm-up S (2); --size of the body (1024)",
        "  --list        the scenarios",
        "Rate: messages a second in the measured time. Latency in microseconds: of one send (sync-*, trip-*), of one",
        "commit (transacted-*), from the start of the send to the receipt (end-to-end-*, non-persistent-*).");

    /** How many messages may be under way where nothing else bounds them: keeps a broker's flow control out of it. */
    private static final int UNDER_WAY = 2_000;

    private enum Kind { SEND, TRANSACTED, END_TO_END }

    private static final class Scenario {
        final Kind kind;
        final int producers;
        final int consumers;
        final int queues;
        final int perCommit;
        final boolean persistent;

        Scenario(Kind kind, int producers, int consumers, int queues, int perCommit, boolean persistent) {
            this.kind = kind;
            this.producers = producers;
            this.consumers = consumers;
            this.queues = queues;
            this.perCommit = perCommit;
            this.persistent = persistent;
        }
    }

    private static final Map<String, Scenario> SCENARIOS = new LinkedHashMap<>();

    static {
        for (int producers : new int[] {1, 8, 32}) {
            SCENARIOS.put("sync-" + producers, new Scenario(Kind.SEND, producers, 0, 1, 0, true));
        }
        SCENARIOS.put("trip-non-persistent-1", new Scenario(Kind.SEND, 1, 1, 1, 0, false));
        for (int producers : new int[] {1, 4}) {
            SCENARIOS.put("transacted-100-" + producers, new Scenario(Kind.TRANSACTED, producers, 0, 1, 100, true));
        }
        SCENARIOS.put("end-to-end-1x1", new Scenario(Kind.END_TO_END, 1, 1, 1, 0, true));
        SCENARIOS.put("end-to-end-10x10", new Scenario(Kind.END_TO_END, 10, 10, 10, 0, true));
        SCENARIOS.put("non-persistent-1x1", new Scenario(Kind.END_TO_END, 1, 1, 1, 0, false));
    }

    /** Latencies of one thread in nanoseconds, in a buffer that grows by doubling. */
    private static final class Samples {
        long[] values = new long[1 << 14];
        int count;

        void add(long value) {
            if (count == values.length) {
                values = Arrays.copyOf(values, count * 2);
            }
            values[count++] = value;
        }
    }

    private final String url;
    private final Scenario scenario;
    private final String queueName;
    private final byte[] body;
    private final List<ActiveMQConnection> connections = new ArrayList<>();
    private final List<Samples> samples = new ArrayList<>();
    private final List<long[]> counts = new ArrayList<>();
    private final List<Throwable> problems = new ArrayList<>();
    private final Semaphore underWay = new Semaphore(UNDER_WAY);
    private final AtomicInteger running = new AtomicInteger();
    private volatile boolean measuring;
    private volatile boolean over;
    private volatile boolean closing;

    private Load(String url, String name, int size) {
        this.url = url;
        this.scenario = SCENARIOS.get(name);
        this.queueName = "load." + name + "." + Long.toString(System.nanoTime(), 36);
        this.body = new byte[size];
        new java.util.Random(1).nextBytes(body);
    }

    private ActiveMQConnection connection() throws Exception {
        ActiveMQConnectionFactory factory = new ActiveMQConnectionFactory(url);
        // A broker without advisories is no different here: nothing is temporary.
        factory.setWatchTopicAdvisories(false);
        if (scenario.kind == Kind.SEND && !scenario.persistent) {
            factory.setAlwaysSyncSend(true);
        }
        ActiveMQConnection connection = (ActiveMQConnection) factory.createConnection();
        connection.start();
        synchronized (connections) {
            connections.add(connection);
        }
        return connection;
    }

    private interface Body {
        void run(Samples latencies, long[] count) throws Exception;
    }

    private Thread thread(String name, Body work) {
        Samples latencies = new Samples();
        long[] count = new long[1];
        samples.add(latencies);
        counts.add(count);
        Thread thread = new Thread(() -> {
            try {
                work.run(latencies, count);
            } catch (Throwable problem) {
                if (!closing) {
                    synchronized (problems) {
                        problems.add(problem);
                    }
                    over = true;
                }
            } finally {
                running.decrementAndGet();
            }
        }, name);
        thread.setDaemon(true);
        running.incrementAndGet();
        return thread;
    }

    private ActiveMQQueue queue(int number) {
        return new ActiveMQQueue(queueName + "." + number % scenario.queues);
    }

    private void produce(int number, ActiveMQConnection connection, Samples latencies, long[] count) throws Exception {
        boolean transacted = scenario.kind == Kind.TRANSACTED;
        Session session = connection.createSession(transacted, transacted ? 0 : Session.AUTO_ACKNOWLEDGE);
        MessageProducer producer = session.createProducer(queue(number));
        producer.setDeliveryMode(scenario.persistent ? DeliveryMode.PERSISTENT : DeliveryMode.NON_PERSISTENT);
        boolean bounded = scenario.kind == Kind.END_TO_END;
        while (!over) {
            long begin = System.nanoTime();
            for (int i = 0; i < Math.max(1, scenario.perCommit); i++) {
                if (bounded && !underWay.tryAcquire(100, TimeUnit.MILLISECONDS)) {
                    if (over) {
                        return;
                    }
                    i--;
                    continue;
                }
                BytesMessage message = session.createBytesMessage();
                message.writeBytes(body);
                message.setLongProperty("sent", System.nanoTime());
                producer.send(message);
            }
            if (transacted) {
                begin = System.nanoTime();
                session.commit();
            }
            if (measuring && scenario.kind != Kind.END_TO_END) {
                latencies.add(System.nanoTime() - begin);
                count[0] += Math.max(1, scenario.perCommit);
            }
        }
    }

    private void consume(int number, ActiveMQConnection connection, Samples latencies, long[] count) throws Exception {
        Session session = connection.createSession(false, Session.AUTO_ACKNOWLEDGE);
        MessageConsumer consumer = session.createConsumer(queue(number));
        while (!over) {
            Message message = consumer.receive(100);
            if (message == null) {
                continue;
            }
            if (scenario.kind == Kind.END_TO_END) {
                underWay.release();
                if (measuring) {
                    latencies.add(System.nanoTime() - message.getLongProperty("sent"));
                    count[0]++;
                }
            }
        }
    }

    private String run(String name, double warmUp, double seconds) throws Exception {
        List<Thread> threads = new ArrayList<>();
        for (int i = 0; i < scenario.consumers; i++) {
            int number = i;
            ActiveMQConnection connection = connection();
            threads.add(thread("consumer-" + i, (l, c) -> consume(number, connection, l, c)));
        }
        for (int i = 0; i < scenario.producers; i++) {
            int number = i;
            ActiveMQConnection connection = connection();
            threads.add(thread("producer-" + i, (l, c) -> produce(number, connection, l, c)));
        }
        threads.forEach(Thread::start);
        CountDownLatch clock = new CountDownLatch(1);
        waitFor(clock, warmUp);
        long begin = System.nanoTime();
        measuring = true;
        waitFor(clock, seconds);
        measuring = false;
        long took = System.nanoTime() - begin;
        over = true;
        for (Thread thread : threads) {
            thread.join(5_000);
        }
        closing = true;
        String left = clean();
        if (!problems.isEmpty()) {
            return "{\"scenario\":\"" + name + "\",\"error\":\""
                + problems.get(0).toString().replace('"', '\'').replace('\n', ' ') + "\"}";
        }
        return result(name, took, left);
    }

    private void waitFor(CountDownLatch clock, double seconds) throws InterruptedException {
        long end = System.nanoTime() + (long) (seconds * 1e9);
        while (!over && System.nanoTime() < end) {
            clock.await(10, TimeUnit.MILLISECONDS);
        }
    }

    /** Removes what the scenario left, so that the next one finds a broker with nothing pending. */
    private String clean() {
        String left = "no";
        for (ActiveMQConnection connection : connections) {
            try {
                connection.close();
            } catch (Exception ignored) {
                // Only the broker under test can be to blame, and the result says more.
            }
        }
        try {
            ActiveMQConnection last = connection();
            last.setSendTimeout(60_000);
            for (int i = 0; i < scenario.queues; i++) {
                try {
                    last.destroyDestination(queue(i));
                } catch (Exception notSupported) {
                    left = "yes";
                }
            }
            last.close();
        } catch (Exception problem) {
            left = "yes";
        }
        return left;
    }

    private String result(String name, long took, String left) {
        int total = samples.stream().mapToInt(s -> s.count).sum();
        long[] all = new long[total];
        int at = 0;
        for (Samples one : samples) {
            System.arraycopy(one.values, 0, all, at, one.count);
            at += one.count;
        }
        Arrays.sort(all);
        long messages = counts.stream().mapToLong(c -> c[0]).sum();
        return String.format(Locale.ROOT, "{\"scenario\":\"%s\",\"rate\":%.1f,\"messages\":%d,\"seconds\":%.3f,"
                + "\"p50_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f,\"left_behind\":\"%s\"}",
            name, messages / (took / 1e9), messages, took / 1e9, at(all, 0.50), at(all, 0.99), at(all, 1.0), left);
    }

    private static double at(long[] sorted, double share) {
        return sorted.length == 0 ? 0 : sorted[(int) Math.min(sorted.length - 1, share * sorted.length)] / 1e3;
    }

    public static void main(String[] arguments) throws Exception {
        Options options = new Options(USAGE, arguments);
        boolean list = options.flag("list");
        double seconds = Double.parseDouble(options.text("seconds", "6"));
        double warmUp = Double.parseDouble(options.text("warm-up", "2"));
        int size = (int) options.number("size", 1024);
        options.finished();
        if (list) {
            SCENARIOS.keySet().forEach(Say::line);
            return;
        }
        String url = options.word(0, "URL");
        for (String name : options.words.subList(1, options.words.size())) {
            if (!SCENARIOS.containsKey(name)) {
                System.err.println("no scenario is called " + name + "\n" + USAGE);
                System.exit(2);
            }
        }
        for (String name : options.words.subList(1, options.words.size())) {
            Say.line(new Load(url, name, size).run(name, warmUp, seconds));
        }
        System.exit(0);
    }
}
