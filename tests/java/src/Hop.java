import java.util.Arrays;
import javax.jms.Connection;
import javax.jms.DeliveryMode;
import javax.jms.Message;
import javax.jms.MessageConsumer;
import javax.jms.MessageProducer;
import javax.jms.Session;
import org.apache.activemq.ActiveMQConnectionFactory;

/** How long a persistent message takes from one broker to a consumer at another, one at a time. */
public final class Hop {
    static final String USAGE = String.join("\n",
        "usage: Hop FROM_URL TO_URL --queue NAME [options]",
        "  --messages N    measured (1000)",
        "  --warm-up N     before (1000)",
        "  --pause MS      between two (5)",
        "prints: HOP p50_us=N p90_us=N p99_us=N");

    private Hop() {}

    public static void main(String[] arguments) throws Exception {
        Options options = new Options(USAGE, arguments);
        String queue = options.required("queue");
        int messages = (int) options.number("messages", 1000);
        int warm = (int) options.number("warm-up", 1000);
        long pause = options.number("pause", 5);
        Connection from = new ActiveMQConnectionFactory(options.word(0, "FROM_URL")).createConnection();
        Connection to = new ActiveMQConnectionFactory(options.word(1, "TO_URL")).createConnection();
        options.finished();
        from.start();
        to.start();
        Session sending = from.createSession(false, Session.AUTO_ACKNOWLEDGE);
        Session receiving = to.createSession(false, Session.AUTO_ACKNOWLEDGE);
        MessageConsumer consumer = receiving.createConsumer(receiving.createQueue(queue));
        MessageProducer producer = sending.createProducer(sending.createQueue(queue));
        producer.setDeliveryMode(DeliveryMode.PERSISTENT);
        Message message = sending.createTextMessage("x".repeat(1024));
        long[] took = new long[messages];
        for (int number = -warm; number < messages; number++) {
            long began = System.nanoTime();
            producer.send(message);
            if (consumer.receive(30_000) == null) {
                Say.line("FAIL nothing came");
                System.exit(1);
            }
            if (number >= 0) {
                took[number] = (System.nanoTime() - began) / 1000;
                Thread.sleep(pause);
            }
        }
        Arrays.sort(took);
        Say.line("HOP p50_us=" + took[messages / 2] + " p90_us=" + took[messages * 9 / 10] + " p99_us=" + took[messages * 99 / 100]);
        System.exit(0);
    }
}
