import java.nio.ByteBuffer;
import javax.jms.Connection;
import javax.jms.JMSException;
import javax.jms.Message;
import javax.jms.MessageConsumer;
import javax.jms.MessageProducer;
import javax.jms.Session;
import javax.jms.Topic;
import javax.jms.XAConnection;
import javax.jms.XASession;
import javax.transaction.xa.XAResource;
import javax.transaction.xa.Xid;
import org.apache.activemq.ActiveMQConnectionFactory;
import org.apache.activemq.ActiveMQXAConnectionFactory;

/** Leaves messages of every kind behind in a broker's store, and says how many: for tests that count them in its files. */
public final class Backlog {
    static final String USAGE = String.join("\n",
        "usage: Backlog URL [--xa] [--size BYTES]",
        "  --xa         two prepared XA transactions too: one that sends, one that acknowledges",
        "  --size BYTES body of each message (100)",
        "prints: LEFT DESTINATION N  for each destination, DONE; ends with a transaction under way, undecided");

    private static String body;

    public static void main(String[] arguments) throws Exception {
        Options options = new Options(USAGE, arguments);
        String url = options.word(0, "URL");
        boolean xa = options.flag("xa");
        body = "x".repeat((int) options.number("size", 100));
        options.finished();
        ActiveMQConnectionFactory factory = new ActiveMQConnectionFactory(url);
        factory.setUseAsyncSend(false);

        Connection connection = factory.createConnection();
        connection.setClientID("backlog");
        connection.start();
        Session session = Bench.session(connection, Session.CLIENT_ACKNOWLEDGE);

        send(session, "BACKLOG.PART", 30);
        receive(session, "BACKLOG.PART", 12);
        send(session, "BACKLOG.WHOLE", 7);
        send(session, "BACKLOG.DRAINED", 5);
        receive(session, "BACKLOG.DRAINED", 5);
        // Non-persistent messages are not in the store.
        MessageProducer light = session.createProducer(session.createQueue("BACKLOG.LIGHT"));
        light.setDeliveryMode(javax.jms.DeliveryMode.NON_PERSISTENT);
        light.send(session.createTextMessage(body));
        light.close();

        transactions(factory);
        topics(session);
        if (xa) {
            prepared(url, session);
        }
        // Under way when the broker dies: what it sent was never there, what it acknowledged still is.
        Session open = Bench.session(connection, Session.SESSION_TRANSACTED);
        send(open, "BACKLOG.OPEN", 6);
        MessageConsumer taker = open.createConsumer(open.createQueue("BACKLOG.WHOLE"));
        for (int i = 0; i < 3; i++) {
            taken(taker);
        }

        Say.line("LEFT queue://BACKLOG.PART 18");
        Say.line("LEFT queue://BACKLOG.WHOLE 7");
        Say.line("LEFT queue://BACKLOG.COMMITTED 8");
        Say.line("LEFT topic://BACKLOG.TOPIC 10");
        if (xa) {
            Say.line("LEFT queue://BACKLOG.XA.TAKEN 3");
        }
        Say.line("DONE");
        System.exit(0);
    }

    /** Ten sent and committed, four sent and rolled back; two taken and committed, three taken and rolled back. */
    private static void transactions(ActiveMQConnectionFactory factory) throws JMSException {
        Connection connection = factory.createConnection();
        connection.start();
        Session session = Bench.session(connection, Session.SESSION_TRANSACTED);
        send(session, "BACKLOG.COMMITTED", 10);
        session.commit();
        send(session, "BACKLOG.COMMITTED", 4);
        session.rollback();
        receive(session, "BACKLOG.COMMITTED", 2);
        session.commit();
        receive(session, "BACKLOG.COMMITTED", 3);
        session.rollback();
        connection.close();
    }

    /** Two subscriptions: one has acknowledged none of the last ten, the other all but five; a third one is gone again. */
    private static void topics(Session session) throws JMSException {
        Topic topic = session.createTopic("BACKLOG.TOPIC");
        send(session, session.createProducer(topic), 3);
        MessageConsumer slow = session.createDurableSubscriber(topic, "slow");
        MessageConsumer quick = session.createDurableSubscriber(topic, "quick");
        MessageConsumer gone = session.createDurableSubscriber(topic, "gone");
        gone.close();
        send(session, session.createProducer(topic), 4);
        Message last = null;
        for (int i = 0; i < 4; i++) {
            taken(slow);
            last = taken(quick);
        }
        last.acknowledge();
        slow.close();
        send(session, session.createProducer(topic), 10);
        for (int i = 0; i < 5; i++) {
            last = taken(quick);
        }
        last.acknowledge();
        quick.close();
        session.unsubscribe("gone");
    }

    private static void prepared(String url, Session plain) throws Exception {
        send(plain, "BACKLOG.XA.TAKEN", 3);
        XAConnection connection = new ActiveMQXAConnectionFactory(url).createXAConnection();
        connection.start();
        XASession session = connection.createXASession();
        XAResource resource = session.getXAResource();
        Xid sending = new Name(1);
        resource.start(sending, XAResource.TMNOFLAGS);
        send(session, "BACKLOG.XA.SENT", 4);
        resource.end(sending, XAResource.TMSUCCESS);
        resource.prepare(sending);
        Xid taking = new Name(2);
        resource.start(taking, XAResource.TMNOFLAGS);
        MessageConsumer taker = session.createConsumer(session.createQueue("BACKLOG.XA.TAKEN"));
        taken(taker);
        taken(taker);
        resource.end(taking, XAResource.TMSUCCESS);
        resource.prepare(taking);
    }

    private static void send(Session session, String queue, int count) throws JMSException {
        send(session, session.createProducer(session.createQueue(queue)), count);
    }

    private static void send(Session session, MessageProducer producer, int count) throws JMSException {
        for (int i = 0; i < count; i++) {
            producer.send(session.createTextMessage(body));
        }
        producer.close();
    }

    private static void receive(Session session, String queue, int count) throws JMSException {
        MessageConsumer consumer = session.createConsumer(session.createQueue(queue));
        Message last = null;
        for (int i = 0; i < count; i++) {
            last = taken(consumer);
        }
        last.acknowledge();
        consumer.close();
    }

    private static Message taken(MessageConsumer consumer) throws JMSException {
        Message message = consumer.receive(30_000);
        if (message == null) {
            throw new IllegalStateException("a message does not come");
        }
        return message;
    }

    private record Name(int number) implements Xid {
        @Override
        public int getFormatId() {
            return 7;
        }

        @Override
        public byte[] getGlobalTransactionId() {
            return ByteBuffer.allocate(8).putLong(number).array();
        }

        @Override
        public byte[] getBranchQualifier() {
            return new byte[] {1};
        }
    }
}
