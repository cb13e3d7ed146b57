import java.util.concurrent.atomic.AtomicReference;
import javax.jms.Connection;
import javax.jms.Destination;
import javax.jms.MessageConsumer;
import javax.jms.MessageProducer;
import javax.jms.Session;
import javax.jms.TextMessage;
import org.apache.activemq.ActiveMQConnectionFactory;

/** Asks at one broker what is answered at another, with temporary destinations to reply to. */
public final class RequestReply {
    static final String USAGE = String.join("\n",
        "usage: RequestReply ASKING_URL SERVING_URL --queue NAME [options]",
        "  --requests N    one after the other (50)",
        "  --fresh         a new temporary queue for each request",
        "  --topic         temporary topics",
        "  --seconds S     how long each may take (30)",
        "prints: ANSWERED n when all were; exit code 0, or 1 when one was not");

    private RequestReply() {}

    public static void main(String[] arguments) throws Exception {
        Options options = new Options(USAGE, arguments);
        String queue = options.required("queue");
        long requests = options.number("requests", 50);
        long seconds = options.number("seconds", 30);
        boolean fresh = options.flag("fresh");
        boolean topic = options.flag("topic");
        Connection serving = new ActiveMQConnectionFactory(options.word(1, "SERVING_URL")).createConnection();
        Connection asking = new ActiveMQConnectionFactory(options.word(0, "ASKING_URL")).createConnection();
        options.finished();
        serving.start();
        asking.start();
        Session server = serving.createSession(false, Session.AUTO_ACKNOWLEDGE);
        MessageProducer answers = server.createProducer(null);
        AtomicReference<String> trouble = new AtomicReference<>("nothing came");
        server.createConsumer(server.createQueue(queue)).setMessageListener(request -> {
            try {
                trouble.set("the answer did not come back");
                answers.send(request.getJMSReplyTo(), server.createTextMessage("answer to " + ((TextMessage) request).getText()));
            } catch (Exception problem) {
                trouble.set("the answer could not be sent: " + Say.reason(problem));
            }
        });
        Session session = asking.createSession(false, Session.AUTO_ACKNOWLEDGE);
        MessageProducer producer = session.createProducer(session.createQueue(queue));
        Destination replies = null;
        MessageConsumer consumer = null;
        for (long number = 0; number < requests; number++) {
            if (replies == null || fresh) {
                if (consumer != null) {
                    consumer.close();
                    delete(replies);
                }
                replies = topic ? session.createTemporaryTopic() : session.createTemporaryQueue();
                consumer = session.createConsumer(replies);
            }
            TextMessage request = session.createTextMessage("q" + number);
            request.setJMSReplyTo(replies);
            producer.send(request);
            TextMessage answer = (TextMessage) consumer.receive(seconds * 1000);
            if (answer == null || !answer.getText().equals("answer to q" + number)) {
                Say.line("FAIL request " + number + ": " + (answer == null ? trouble.get() : answer.getText()));
                System.exit(1);
            }
        }
        Say.line("ANSWERED " + requests);
        asking.close();
        serving.close();
        System.exit(0);
    }

    private static void delete(Destination replies) throws Exception {
        if (replies instanceof javax.jms.TemporaryTopic topic) {
            topic.delete();
        } else {
            ((javax.jms.TemporaryQueue) replies).delete();
        }
    }
}
