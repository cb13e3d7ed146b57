import javax.jms.Message;
import javax.jms.MessageConsumer;
import javax.jms.MessageProducer;
import javax.jms.Session;
import javax.jms.Topic;
import org.apache.activemq.ActiveMQConnection;
import org.apache.activemq.ActiveMQConnectionFactory;

/** A durable subscription lives through a restart of the broker, which the harness does between the phases. */
public final class DurableRestart {
    static final String USAGE = String.join("\n",
        "usage: DurableRestart URL PHASE [--client-id ID] [--topic NAME] [--messages N]",
        "  prepare   subscribes (two subscriptions), acknowledges some messages, goes offline, publishes N more",
        "  verify    subscribes again: receives exactly what was not acknowledged, in order, then what is new",
        "  forget    unsubscribes both; after another restart 'forgotten' must find nothing",
        "  forgotten subscribes under the old names: nothing old comes",
        "prints: SUBSCRIBED name | SENT from..to | RECEIVED name n, then PASS phase | FAIL phase: reason");

    private final ActiveMQConnectionFactory factory;
    private final String clientId;
    private final String topicName;
    private final int messages;

    private DurableRestart(String url, String clientId, String topicName, int messages) {
        this.factory = new ActiveMQConnectionFactory(url);
        this.clientId = clientId;
        this.topicName = topicName;
        this.messages = messages;
    }

    public static void main(String[] arguments) throws Exception {
        Options options = new Options(USAGE, arguments);
        String url = options.word(0, "URL");
        String phase = options.word(1, "PHASE");
        DurableRestart self = new DurableRestart(url, options.text("client-id", "durable-restart"),
            options.text("topic", "durable.restart"), (int) options.number("messages", 200));
        options.finished();
        try {
            switch (phase) {
                case "prepare": self.prepare(); break;
                case "verify": self.verify(); break;
                case "forget": self.forget(); break;
                case "forgotten": self.forgotten(); break;
                default: throw new IllegalArgumentException("no phase is called " + phase);
            }
            Say.line("PASS " + phase);
            System.exit(0);
        } catch (Exception problem) {
            Say.line("FAIL " + phase + ": "
                + (problem instanceof Check.Failed ? problem.getMessage() : Say.reason(problem)));
            System.exit(1);
        }
    }

    private ActiveMQConnection client() throws Exception {
        ActiveMQConnection connection = (ActiveMQConnection) factory.createConnection();
        connection.setClientID(clientId);
        connection.start();
        return connection;
    }

    private void publish(int from, int to) throws Exception {
        ActiveMQConnection connection = (ActiveMQConnection) factory.createConnection();
        Session session = Bench.session(connection, Session.AUTO_ACKNOWLEDGE);
        MessageProducer producer = session.createProducer(session.createTopic(topicName));
        for (int i = from; i <= to; i++) {
            Message message = session.createTextMessage("m" + i);
            message.setIntProperty("n", i);
            producer.send(message);
        }
        connection.close();
        Say.line("SENT " + from + ".." + to);
    }

    private MessageConsumer subscribe(Session session, String name) throws Exception {
        Topic topic = session.createTopic(topicName);
        MessageConsumer subscriber = session.createDurableSubscriber(topic, name);
        Say.line("SUBSCRIBED " + name);
        return subscriber;
    }

    private void receive(MessageConsumer subscriber, String name, int from, int to) throws Exception {
        for (int i = from; i <= to; i++) {
            Message message = subscriber.receive(20_000);
            Bench.require(message != null, name + ": message " + i + " did not come");
            Bench.equal(name + ": message", message.getIntProperty("n"), i);
            Say.line("RECEIVED " + name + " " + i);
        }
    }

    /** Messages 1..10 come while both are there; "early" acknowledges all of them, "late" only the first four. */
    private void prepare() throws Exception {
        ActiveMQConnection connection = client();
        MessageConsumer early = subscribe(Bench.session(connection, Session.AUTO_ACKNOWLEDGE), "early");
        MessageConsumer late = subscribe(Bench.session(connection, Session.AUTO_ACKNOWLEDGE), "late");
        publish(1, 10);
        receive(early, "early", 1, 10);
        receive(late, "late", 1, 4);
        connection.close();
        publish(11, 10 + messages);
    }

    private void verify() throws Exception {
        ActiveMQConnection connection = client();
        MessageConsumer early = subscribe(Bench.session(connection, Session.AUTO_ACKNOWLEDGE), "early");
        MessageConsumer late = subscribe(Bench.session(connection, Session.AUTO_ACKNOWLEDGE), "late");
        receive(early, "early", 11, 10 + messages);
        receive(late, "late", 5, 10 + messages);
        publish(11 + messages, 15 + messages);
        receive(early, "early", 11 + messages, 15 + messages);
        receive(late, "late", 11 + messages, 15 + messages);
        Bench.silent(early);
        Bench.silent(late);
        connection.close();
    }

    private void forget() throws Exception {
        publish(1, 5);
        ActiveMQConnection connection = client();
        Session session = Bench.session(connection, Session.AUTO_ACKNOWLEDGE);
        session.unsubscribe("early");
        session.unsubscribe("late");
        connection.close();
    }

    private void forgotten() throws Exception {
        ActiveMQConnection connection = client();
        MessageConsumer early = subscribe(Bench.session(connection, Session.AUTO_ACKNOWLEDGE), "early");
        publish(1000, 1000);
        receive(early, "early", 1000, 1000);
        connection.close();
    }
}
