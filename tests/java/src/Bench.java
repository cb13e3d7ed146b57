import java.net.Socket;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Callable;
import javax.jms.Connection;
import javax.jms.JMSException;
import javax.jms.Message;
import javax.jms.MessageConsumer;
import javax.jms.MessageProducer;
import javax.jms.Queue;
import javax.jms.Session;
import javax.jms.TextMessage;
import org.apache.activemq.ActiveMQConnection;
import org.apache.activemq.ActiveMQConnectionFactory;
import org.apache.activemq.command.ActiveMQQueue;
import org.apache.activemq.command.ActiveMQTopic;
import org.apache.activemq.openwire.OpenWireFormat;
import org.apache.activemq.transport.tcp.TcpTransport;

/** What one check works with: connections to the broker under test that end with the check, and names nobody else uses. */
final class Bench implements AutoCloseable {
    /** How long to wait for what must come. */
    static final long SOON = 10_000;
    /** How long to watch that nothing comes: only where no event can say so. */
    static final long WHILE = 300;

    private static final String RUN = Long.toString(System.currentTimeMillis(), 36)
        + Long.toString(ProcessHandle.current().pid(), 36);

    final String url;
    private final String name;
    private final List<AutoCloseable> opened = Collections.synchronizedList(new ArrayList<>());

    Bench(String name, String url) {
        this.name = name;
        this.url = url;
    }

    /** The same broker with more options in the URL, as {@code jms.useAsyncSend=true}. */
    String with(String options) {
        return with(url, options);
    }

    static String with(String url, String options) {
        return url + (url.contains("?") ? "&" : "?") + options;
    }

    /** The broker's address, whatever the URL says around it. */
    String host() {
        return java.net.URI.create(bare()).getHost();
    }

    int port() {
        return java.net.URI.create(bare()).getPort();
    }

    private String bare() {
        String inner = url.replaceFirst("^failover:\\(?", "").replaceFirst("[),].*$", "");
        return inner.replaceFirst("\\?.*$", "");
    }

    /** The options of the URL, so that a tap can be reached with the same ones. */
    String through(FrameTap tap) {
        int query = url.indexOf('?');
        return "tcp://127.0.0.1:" + tap.port() + (query < 0 ? "" : url.substring(query));
    }

    FrameTap tap() throws Exception {
        return keep(new FrameTap(host(), port()));
    }

    <T extends AutoCloseable> T keep(T thing) {
        opened.add(thing);
        return thing;
    }

    String name(String what) {
        return "test." + name + "." + RUN + "." + what;
    }

    ActiveMQQueue queue(String what) {
        return new ActiveMQQueue(name(what));
    }

    ActiveMQTopic topic(String what) {
        return new ActiveMQTopic(name(what));
    }

    ActiveMQConnectionFactory factory(String brokerUrl) {
        ActiveMQConnectionFactory factory = new ActiveMQConnectionFactory(brokerUrl);
        factory.setTrustAllPackages(true);
        // A check says what it redelivers; waiting for the default second would only cost time.
        factory.getRedeliveryPolicy().setInitialRedeliveryDelay(0);
        factory.getRedeliveryPolicy().setRedeliveryDelay(0);
        return factory;
    }

    ActiveMQConnection connection() throws JMSException {
        return connection(url);
    }

    ActiveMQConnection connection(String brokerUrl) throws JMSException {
        ActiveMQConnection connection = unstarted(brokerUrl);
        connection.start();
        return connection;
    }

    ActiveMQConnection unstarted(String brokerUrl) throws JMSException {
        return own((ActiveMQConnection) factory(brokerUrl).createConnection());
    }

    ActiveMQConnection named(String clientId) throws JMSException {
        ActiveMQConnection connection = unstarted(url);
        connection.setClientID(clientId);
        connection.start();
        return connection;
    }

    ActiveMQConnection own(ActiveMQConnection connection) {
        opened.add(connection::close);
        return connection;
    }

    Session session() throws JMSException {
        return session(connection(), Session.AUTO_ACKNOWLEDGE);
    }

    static Session session(Connection connection, int mode) throws JMSException {
        return connection.createSession(mode == Session.SESSION_TRANSACTED, mode);
    }

    static Session transacted(Connection connection) throws JMSException {
        return session(connection, Session.SESSION_TRANSACTED);
    }

    // What most checks do.

    static void send(Session session, javax.jms.Destination to, String... texts) throws JMSException {
        MessageProducer producer = session.createProducer(to);
        for (String text : texts) {
            producer.send(session.createTextMessage(text));
        }
        producer.close();
    }

    /** Texts {@code from..to}, both included, as "m1", "m2" ... */
    static String[] numbered(int from, int to) {
        String[] texts = new String[to - from + 1];
        Arrays.setAll(texts, i -> "m" + (from + i));
        return texts;
    }

    static Message next(MessageConsumer consumer) throws Exception {
        Message message = consumer.receive(SOON);
        require(message != null, "no message within " + SOON + " ms");
        return message;
    }

    static String text(Message message) throws Exception {
        require(message instanceof TextMessage, "expected a text message, got " + message);
        return ((TextMessage) message).getText();
    }

    static String nextText(MessageConsumer consumer) throws Exception {
        return text(next(consumer));
    }

    /** Receives exactly these texts in this order. */
    static void expect(MessageConsumer consumer, String... texts) throws Exception {
        for (int i = 0; i < texts.length; i++) {
            Message message = consumer.receive(SOON);
            require(message != null, "message " + (i + 1) + " of " + texts.length + " (" + texts[i] + ") did not come");
            equal("message " + (i + 1) + " of " + texts.length, text(message), texts[i]);
        }
    }

    /** Nothing comes: watched for a short while. */
    static void silent(MessageConsumer consumer) throws Exception {
        Message message = consumer.receive(WHILE);
        require(message == null, "expected nothing, got "
            + (message instanceof TextMessage ? "'" + ((TextMessage) message).getText() + "'" : message));
    }

    /** The queue holds exactly these texts, in this order: asked with a consumer of its own that takes them. */
    void holds(Queue queue, String... texts) throws Exception {
        ActiveMQConnection connection = connection();
        try {
            MessageConsumer consumer = session(connection, Session.AUTO_ACKNOWLEDGE).createConsumer(queue);
            expect(consumer, texts);
            silent(consumer);
        } finally {
            connection.close();
        }
    }

    /** The network fails under a connection: its socket is reset, nothing is said to the broker. */
    static void cut(ActiveMQConnection connection) throws Exception {
        Socket socket = connection.getTransport().narrow(TcpTransport.class).narrow(Socket.class);
        socket.setSoLinger(true, 0);
        socket.close();
    }

    /** What was negotiated with the broker. */
    static OpenWireFormat wire(ActiveMQConnection connection) {
        return (OpenWireFormat) connection.getTransport().narrow(TcpTransport.class).getWireFormat();
    }

    // Expectations.

    static void require(boolean holds, String otherwise) throws Check.Failed {
        if (!holds) {
            throw new Check.Failed(otherwise);
        }
    }

    static void equal(String what, Object found, Object expected) throws Check.Failed {
        boolean same = found instanceof byte[] && expected instanceof byte[]
            ? Arrays.equals((byte[]) found, (byte[]) expected) : Objects.equals(found, expected);
        require(same, what + ": found " + shown(found) + ", expected " + shown(expected));
    }

    private static String shown(Object value) {
        String text = value instanceof byte[] ? Arrays.toString((byte[]) value) : String.valueOf(value);
        return text.length() > 200 ? text.substring(0, 200) + "... (" + text.length() + ")" : "'" + text + "'";
    }

    /** The action fails with this kind of exception (itself or a cause) whose text has these words. */
    static JMSException refused(Class<? extends Exception> kind, String words, Callable<?> action) throws Exception {
        try {
            action.call();
        } catch (JMSException problem) {
            for (Throwable cause = problem; cause != null; cause = cause.getCause()) {
                if (kind.isInstance(cause)) {
                    require(String.valueOf(problem.getMessage()).toLowerCase().contains(words.toLowerCase()),
                        "expected '" + words + "' in: " + Say.reason(problem));
                    return problem;
                }
            }
            throw new Check.Failed("expected " + kind.getSimpleName() + ", got " + Say.reason(problem));
        }
        throw new Check.Failed("expected " + kind.getSimpleName() + ", but it succeeded");
    }

    /** Asks again until it holds: for what a broker does in its own time and does not announce. */
    static void eventually(String what, Callable<Boolean> holds) throws Exception {
        long end = System.nanoTime() + SOON * 1_000_000;
        while (!holds.call()) {
            require(System.nanoTime() < end, "did not happen within " + SOON + " ms: " + what);
            Thread.sleep(10);
        }
    }

    @Override
    public void close() {
        for (int i = opened.size() - 1; i >= 0; i--) {
            try {
                opened.get(i).close();
            } catch (Exception ignored) {
                // The check has its result; a connection it broke on purpose may well complain.
            }
        }
    }
}
