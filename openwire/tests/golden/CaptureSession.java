import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Enumeration;
import javax.jms.*;
import org.apache.activemq.ActiveMQConnectionFactory;
import org.apache.activemq.broker.BrokerService;

/** Records, byte by byte and in both directions, a JMS client's session with ActiveMQ's own broker. */
public class CaptureSession {
    /** Passes bytes on and keeps a copy. */
    static Thread pump(Socket from, Socket to, ByteArrayOutputStream copy) {
        Thread thread = new Thread(() -> {
            byte[] buffer = new byte[65536];
            try {
                InputStream in = from.getInputStream();
                OutputStream out = to.getOutputStream();
                for (int length; (length = in.read(buffer)) >= 0;) {
                    copy.write(buffer, 0, length);
                    out.write(buffer, 0, length);
                }
                to.shutdownOutput();
            } catch (IOException closed) {
                // The other side closed first.
            }
        });
        thread.start();
        return thread;
    }

    static void session(String uri) throws Exception {
        ActiveMQConnectionFactory factory = new ActiveMQConnectionFactory("user", "password", uri);
        factory.setUseAsyncSend(false);
        Connection connection = factory.createConnection();
        connection.setClientID("golden");
        connection.start();
        Session session = connection.createSession(false, Session.CLIENT_ACKNOWLEDGE);
        Queue queue = session.createQueue("golden.queue");
        MessageProducer producer = session.createProducer(queue);
        TextMessage text = session.createTextMessage("text \u00e9\u20ac\uD83D\uDE00\0 end");
        text.setStringProperty("string", "value");
        text.setBooleanProperty("boolean", true);
        text.setByteProperty("byte", (byte) -8);
        text.setShortProperty("short", (short) -300);
        text.setIntProperty("int", 70000);
        text.setLongProperty("long", 1L << 40);
        text.setFloatProperty("float", 1.5f);
        text.setDoubleProperty("double", -2.25);
        text.setJMSCorrelationID("correlation");
        text.setJMSType("type");
        text.setJMSReplyTo(session.createTemporaryQueue());
        producer.send(text, DeliveryMode.PERSISTENT, 7, 3600000);
        BytesMessage bytes = session.createBytesMessage();
        bytes.writeBytes(new byte[] {1, 2, 3});
        producer.send(bytes);
        MapMessage map = session.createMapMessage();
        map.setString("string", "value");
        map.setChar("char", '\u20ac');
        map.setBytes("bytes", new byte[] {4, 5});
        map.setDouble("double", 0.5);
        map.setString("big", "x".repeat(9000));
        producer.send(map, DeliveryMode.NON_PERSISTENT, 4, 0);
        StreamMessage stream = session.createStreamMessage();
        stream.writeString("value");
        stream.writeInt(5);
        stream.writeBoolean(false);
        producer.send(stream);
        producer.send(session.createObjectMessage("object"));
        producer.send(session.createMessage());

        QueueBrowser browser = session.createBrowser(queue);
        Enumeration<?> seen = browser.getEnumeration();
        while (seen.hasMoreElements()) {
            seen.nextElement();
        }
        browser.close();
        MessageConsumer consumer = session.createConsumer(queue);
        for (int count = 0; count < 3; count++) {
            consumer.receive(5000);
        }
        session.recover();
        for (int count = 0; count < 6; count++) {
            consumer.receive(5000).acknowledge();
        }
        consumer.close();

        Topic topic = session.createTopic("golden.topic");
        MessageConsumer durable = session.createDurableSubscriber(topic, "name", "color = 'red'", true);
        durable.close();
        session.unsubscribe("name");

        Session transacted = connection.createSession(true, Session.SESSION_TRANSACTED);
        MessageProducer anonymous = transacted.createProducer(null);
        MessageConsumer listener = transacted.createConsumer(topic);
        anonymous.send(topic, transacted.createTextMessage("one"));
        transacted.commit();
        listener.receive(5000);
        transacted.rollback();
        listener.receive(5000);
        transacted.commit();
        try {
            session.unsubscribe("no such name");
        } catch (JMSException expected) {
            // The broker's exception is what we want to record.
        }
        connection.close();
    }

    public static void main(String[] arguments) throws Exception {
        BrokerService broker = new BrokerService();
        broker.setPersistent(false);
        broker.setUseJmx(false);
        String address = broker.addConnector("tcp://127.0.0.1:0").getPublishableConnectString();
        broker.start();
        broker.waitUntilStarted();
        int brokerPort = java.net.URI.create(address).getPort();
        Path folder = Path.of(arguments[0]);
        String[][] options = {
            {"v12-tight-cached", ""},
            {"v12-loose-whole", "?wireFormat.tightEncodingEnabled=false&wireFormat.cacheEnabled=false"},
            {"v6-tight-cached", "?wireFormat.version=6&wireFormat.cacheSize=128&wireFormat.stackTraceEnabled=false"},
        };
        for (String[] option : options) {
            try (ServerSocket server = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
                ByteArrayOutputStream fromClient = new ByteArrayOutputStream();
                ByteArrayOutputStream fromBroker = new ByteArrayOutputStream();
                Thread[] pumps = new Thread[2];
                Thread acceptor = new Thread(() -> {
                    try {
                        Socket client = server.accept();
                        Socket upstream = new Socket(InetAddress.getLoopbackAddress(), brokerPort);
                        pumps[0] = pump(client, upstream, fromClient);
                        pumps[1] = pump(upstream, client, fromBroker);
                    } catch (IOException error) {
                        throw new java.io.UncheckedIOException(error);
                    }
                });
                acceptor.start();
                session("tcp://127.0.0.1:" + server.getLocalPort() + option[1]);
                acceptor.join();
                pumps[0].join();
                pumps[1].join();
                Files.write(folder.resolve("session-" + option[0] + "-client.bin"), fromClient.toByteArray());
                Files.write(folder.resolve("session-" + option[0] + "-broker.bin"), fromBroker.toByteArray());
            }
        }
        broker.stop();
        System.exit(0);
    }
}
