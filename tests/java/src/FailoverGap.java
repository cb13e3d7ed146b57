import java.io.IOException;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import javax.jms.BytesMessage;
import javax.jms.JMSException;
import javax.jms.Message;
import javax.jms.MessageConsumer;
import javax.jms.MessageProducer;
import javax.jms.Session;
import org.apache.activemq.ActiveMQConnection;
import org.apache.activemq.ActiveMQConnectionFactory;
import org.apache.activemq.transport.DefaultTransportListener;

/** How long a sender and a receiver on failover: stand still while a master dies and another takes over. */
public final class FailoverGap {
    static final String USAGE = String.join("\n",
        "usage: FailoverGap URL [--queue NAME] [--size BYTES] [--seconds S]",
        "  One connection sends persistent messages, each waiting for its answer; another receives them.",
        "stdin: 'mark' right before (or after) the master is killed; 'stop' to end",
        "prints: READY               messages flow",
        "        MARKED              times below count from here, in ms",
        "        INTERRUPTED ms      the receiver lost its connection",
        "        RESUMED ms          it has a new one",
        "        THROUGH ms          the first message received after that: the take-over as a user sees it",
        "        ANSWERED ms         the first send begun or waiting at the mark that was answered over a new connection",
        "        GAP sender_ms=N receiver_ms=N sent=N received=N indoubt=N   at the end: the largest pauses of the run");

    private volatile long mark;
    private volatile long receiverResumed;
    private volatile long senderResumed;
    private volatile boolean throughSaid = true;
    private volatile boolean answeredSaid = true;
    private volatile boolean interruptedSaid = true;
    private volatile boolean resumedSaid = true;
    private final AtomicLong sent = new AtomicLong();
    private final AtomicLong received = new AtomicLong();
    private final AtomicLong doubtful = new AtomicLong();
    private long senderGap;
    private long receiverGap;

    private void mark() {
        receiverResumed = 0;
        senderResumed = 0;
        mark = System.nanoTime();
        throughSaid = answeredSaid = interruptedSaid = resumedSaid = false;
        Say.line("MARKED");
    }

    private long sinceMark() {
        return (System.nanoTime() - mark) / 1_000_000;
    }

    private void send(ActiveMQConnection connection, String queue, int size, Stop stop) throws JMSException {
        Session session = Bench.session(connection, Session.AUTO_ACKNOWLEDGE);
        MessageProducer producer = session.createProducer(session.createQueue(queue));
        long last = System.nanoTime();
        while (!stop.now()) {
            try {
                BytesMessage message = session.createBytesMessage();
                message.writeBytes(new byte[size]);
                producer.send(message);
                sent.incrementAndGet();
            } catch (JMSException problem) {
                doubtful.incrementAndGet();
            }
            long now = System.nanoTime();
            senderGap = Math.max(senderGap, now - last);
            last = now;
            if (!answeredSaid && senderResumed > mark) {
                answeredSaid = true;
                Say.line("ANSWERED " + sinceMark());
            }
        }
    }

    private void receive(MessageConsumer consumer, Stop stop) throws JMSException {
        long last = System.nanoTime();
        while (!stop.now()) {
            Message message = consumer.receive(200);
            if (message == null) {
                continue;
            }
            long now = System.nanoTime();
            if (received.incrementAndGet() == 1) {
                Say.line("READY");
            }
            receiverGap = Math.max(receiverGap, now - last);
            last = now;
            // What the old master had sent ahead is in the client's buffer until it notices: it proves nothing.
            if (!throughSaid && receiverResumed > mark) {
                throughSaid = true;
                Say.line("THROUGH " + sinceMark());
            }
        }
    }

    public static void main(String[] arguments) throws Exception {
        Options options = new Options(USAGE, arguments);
        String url = options.word(0, "URL");
        String queue = options.text("queue", "failover.gap");
        int size = (int) options.number("size", 1024);
        long seconds = options.number("seconds", 120);
        options.finished();
        FailoverGap gap = new FailoverGap();
        Stop stop = new Stop(seconds, Map.of("mark", gap::mark));
        ActiveMQConnectionFactory factory = new ActiveMQConnectionFactory(url);
        ActiveMQConnection sending = (ActiveMQConnection) factory.createConnection();
        ActiveMQConnection receiving = (ActiveMQConnection) factory.createConnection();
        receiving.addTransportListener(new DefaultTransportListener() {
            @Override
            public void transportInterupted() {
                if (!gap.interruptedSaid) {
                    gap.interruptedSaid = true;
                    Say.line("INTERRUPTED " + gap.sinceMark());
                }
            }

            @Override
            public void transportResumed() {
                gap.receiverResumed = System.nanoTime();
                if (!gap.resumedSaid) {
                    gap.resumedSaid = true;
                    Say.line("RESUMED " + gap.sinceMark());
                }
            }

            @Override
            public void onException(IOException error) {
                Say.line("FAIL receiver: " + Say.reason(error));
            }
        });
        sending.addTransportListener(new DefaultTransportListener() {
            @Override
            public void transportResumed() {
                gap.senderResumed = System.nanoTime();
            }
        });
        receiving.start();
        sending.start();
        Session session = Bench.session(receiving, Session.AUTO_ACKNOWLEDGE);
        MessageConsumer consumer = session.createConsumer(session.createQueue(queue));
        boolean[] broken = new boolean[1];
        Thread sender = new Thread(() -> {
            try {
                gap.send(sending, queue, size, stop);
            } catch (Exception problem) {
                broken[0] = true;
                Say.line("FAIL sender: " + Say.reason(problem));
            }
        }, "sender");
        Thread receiver = new Thread(() -> {
            try {
                gap.receive(consumer, stop);
            } catch (Exception problem) {
                broken[0] = true;
                Say.line("FAIL receiver: " + Say.reason(problem));
            }
        }, "receiver");
        sender.setDaemon(true);
        sender.start();
        receiver.start();
        receiver.join();
        // A sender that still waits for a broker does not keep the program.
        sender.join(2000);
        Say.line("GAP sender_ms=" + gap.senderGap / 1_000_000 + " receiver_ms=" + gap.receiverGap / 1_000_000
            + " sent=" + gap.sent + " received=" + gap.received + " indoubt=" + gap.doubtful);
        System.exit(broken[0] ? 1 : 0);
    }
}
