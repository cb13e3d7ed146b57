import java.io.Serializable;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import javax.jms.BytesMessage;
import javax.jms.DeliveryMode;
import javax.jms.MapMessage;
import javax.jms.Message;
import javax.jms.MessageConsumer;
import javax.jms.MessageProducer;
import javax.jms.ObjectMessage;
import javax.jms.Session;
import javax.jms.StreamMessage;
import javax.jms.TextMessage;
import org.apache.activemq.command.ActiveMQDestination;
import org.apache.activemq.command.ActiveMQMessage;
import org.apache.activemq.command.ActiveMQQueue;
import org.apache.activemq.command.ActiveMQTopic;

/** A message arrives as it was sent: every kind of body, every type of property, every header. */
final class MessageChecks {
    private MessageChecks() {}

    interface Filling {
        Message fill(Session session) throws Exception;
    }

    static void add(Semantics suite) {
        suite.add("message-text", MessageChecks::texts);
        suite.add("message-bytes", MessageChecks::bytes);
        suite.add("message-map", MessageChecks::map);
        suite.add("message-stream", MessageChecks::stream);
        suite.add("message-object", MessageChecks::object);
        suite.add("message-without-body", bench ->
            Bench.equal("class", carry(bench, Session::createMessage).getClass(), ActiveMQMessage.class));
        suite.add("message-compressed", MessageChecks::compressed);
        suite.add("message-large-5-mib", bench -> large(bench, 5 << 20));
        suite.add("message-properties", MessageChecks::properties);
        suite.add("message-many-properties", MessageChecks::manyProperties);
        suite.add("message-headers", MessageChecks::headers);
        suite.add("message-reply-to-kinds", MessageChecks::replyTo);
        suite.add("message-id-unique-and-ordered", MessageChecks::identity);
        suite.add("message-id-disabled", MessageChecks::withoutIdOrTime);
        suite.add("message-forwarded", MessageChecks::forwarded);
        suite.add("message-broker-times", MessageChecks::brokerTimes);
        suite.add("message-group-headers", MessageChecks::groups);
    }

    /** Sends one message through a queue on two connections and hands back what arrived. */
    static Message carry(Bench bench, Filling filling) throws Exception {
        ActiveMQQueue queue = bench.queue("carry");
        Session sender = bench.session();
        MessageConsumer consumer = bench.session().createConsumer(queue);
        MessageProducer producer = sender.createProducer(queue);
        producer.send(filling.fill(sender));
        producer.close();
        Message arrived = Bench.next(consumer);
        consumer.close();
        return arrived;
    }

    private static void texts(Bench bench) throws Exception {
        String everything = "plain, Māori, 漢字, \uD83D\uDC1F, nul \0 inside, tab\t, line\n, \u007f\u0080\u07ff\u0800\uffff";
        for (String text : new String[] {"", "plain", everything, "x".repeat(70_000)}) {
            Bench.equal("text", Bench.text(carry(bench, session -> session.createTextMessage(text))), text);
        }
        Bench.equal("null text", Bench.text(carry(bench, session -> session.createTextMessage(null))), null);
    }

    private static void bytes(Bench bench) throws Exception {
        byte[] block = new byte[70_000];
        for (int i = 0; i < block.length; i++) {
            block[i] = (byte) i;
        }
        BytesMessage got = (BytesMessage) carry(bench, session -> {
            BytesMessage message = session.createBytesMessage();
            message.writeBoolean(true);
            message.writeByte((byte) -7);
            message.writeShort(Short.MIN_VALUE);
            message.writeChar('ā');
            message.writeInt(Integer.MIN_VALUE);
            message.writeLong(Long.MAX_VALUE);
            message.writeFloat(1.5f);
            message.writeDouble(-2.25);
            message.writeUTF("漢字");
            message.writeBytes(block);
            return message;
        });
        Bench.equal("boolean", got.readBoolean(), true);
        Bench.equal("byte", got.readByte(), (byte) -7);
        Bench.equal("short", got.readShort(), Short.MIN_VALUE);
        Bench.equal("char", got.readChar(), 'ā');
        Bench.equal("int", got.readInt(), Integer.MIN_VALUE);
        Bench.equal("long", got.readLong(), Long.MAX_VALUE);
        Bench.equal("float", got.readFloat(), 1.5f);
        Bench.equal("double", got.readDouble(), -2.25);
        Bench.equal("utf", got.readUTF(), "漢字");
        byte[] back = new byte[block.length];
        Bench.equal("length read", got.readBytes(back), block.length);
        Bench.equal("bytes", back, block);
        Bench.equal("empty length", ((BytesMessage) carry(bench, Session::createBytesMessage)).getBodyLength(), 0L);
    }

    private static void map(Bench bench) throws Exception {
        Map<String, Object> nested = new HashMap<>(Map.of("inner", 7, "list", new ArrayList<>(List.of("a", 2L))));
        MapMessage got = (MapMessage) carry(bench, session -> {
            MapMessage message = session.createMapMessage();
            message.setBoolean("boolean", true);
            message.setByte("byte", (byte) 1);
            message.setShort("short", (short) 2);
            message.setChar("char", '漢');
            message.setInt("int", 3);
            message.setLong("long", 4L);
            message.setFloat("float", 5.5f);
            message.setDouble("double", 6.5);
            message.setString("string", "Māori");
            message.setString("none", null);
            message.setBytes("bytes", new byte[] {1, 2, 3});
            message.setObject("nested", nested);
            message.setString("long string", "y".repeat(70_000));
            return message;
        });
        Bench.equal("boolean", got.getBoolean("boolean"), true);
        Bench.equal("byte", got.getByte("byte"), (byte) 1);
        Bench.equal("short", got.getShort("short"), (short) 2);
        Bench.equal("char", got.getChar("char"), '漢');
        Bench.equal("int", got.getInt("int"), 3);
        Bench.equal("long", got.getLong("long"), 4L);
        Bench.equal("float", got.getFloat("float"), 5.5f);
        Bench.equal("double", got.getDouble("double"), 6.5);
        Bench.equal("string", got.getString("string"), "Māori");
        Bench.require(got.itemExists("none") && got.getString("none") == null, "null entry");
        Bench.equal("bytes", got.getBytes("bytes"), new byte[] {1, 2, 3});
        Bench.equal("nested", got.getObject("nested"), nested);
        Bench.equal("long string", got.getString("long string").length(), 70_000);
        Bench.equal("entries", Collections.list(got.getMapNames()).size(), 13);
    }

    private static void stream(Bench bench) throws Exception {
        StreamMessage got = (StreamMessage) carry(bench, session -> {
            StreamMessage message = session.createStreamMessage();
            message.writeString("s");
            message.writeInt(1);
            message.writeBoolean(false);
            message.writeBytes(new byte[] {9, 8});
            message.writeObject(null);
            message.writeChar('c');
            message.writeDouble(0.5);
            message.writeLong(-1);
            message.writeString("z".repeat(70_000));
            return message;
        });
        Bench.equal("string", got.readString(), "s");
        Bench.equal("int", got.readInt(), 1);
        Bench.equal("boolean", got.readBoolean(), false);
        byte[] two = new byte[2];
        Bench.equal("bytes read", got.readBytes(two), 2);
        Bench.equal("bytes", two, new byte[] {9, 8});
        Bench.equal("end of bytes", got.readBytes(two), -1);
        Bench.equal("null", got.readObject(), null);
        Bench.equal("char", got.readChar(), 'c');
        Bench.equal("double", got.readDouble(), 0.5);
        Bench.equal("long", got.readLong(), -1L);
        Bench.equal("long string", got.readString().length(), 70_000);
        Bench.refused(javax.jms.MessageEOFException.class, "", got::readByte);
    }

    private static void object(Bench bench) throws Exception {
        Serializable value = new ArrayList<>(List.of("a", 1, List.of(2L)));
        Bench.equal("object",
            ((ObjectMessage) carry(bench, session -> session.createObjectMessage(value))).getObject(), value);
        Bench.equal("null object",
            ((ObjectMessage) carry(bench, session -> session.createObjectMessage(null))).getObject(), null);
    }

    private static void compressed(Bench bench) throws Exception {
        Bench squeezing = new Bench("message-compressed", bench.with("jms.useCompression=true"));
        try (squeezing) {
            String text = "again and ".repeat(10_000);
            Message got = carry(squeezing, session -> session.createTextMessage(text));
            Bench.require(((ActiveMQMessage) got).isCompressed(), "the flag 'compressed' got lost");
            Bench.equal("text", Bench.text(got), text);
            MapMessage map = (MapMessage) carry(squeezing, session -> {
                MapMessage message = session.createMapMessage();
                message.setString("text", text);
                return message;
            });
            Bench.equal("map entry", map.getString("text"), text);
        }
    }

    static void large(Bench bench, int size) throws Exception {
        byte[] body = new byte[size];
        new java.util.Random(size).nextBytes(body);
        BytesMessage got = (BytesMessage) carry(bench, session -> {
            BytesMessage message = session.createBytesMessage();
            message.writeBytes(body);
            return message;
        });
        byte[] back = new byte[size];
        Bench.equal("length", got.getBodyLength(), (long) size);
        got.readBytes(back);
        Bench.equal("body", back, body);
        String text = "0123456789abcdef".repeat(size / 16);
        Bench.equal("text", Bench.text(carry(bench, session -> session.createTextMessage(text))), text);
    }

    private static void properties(Bench bench) throws Exception {
        Message got = carry(bench, session -> {
            Message message = session.createTextMessage("with properties");
            message.setBooleanProperty("boolean", true);
            message.setByteProperty("byte", Byte.MIN_VALUE);
            message.setShortProperty("short", Short.MAX_VALUE);
            message.setIntProperty("int", Integer.MIN_VALUE);
            message.setLongProperty("long", Long.MIN_VALUE);
            message.setFloatProperty("float", Float.MIN_VALUE);
            message.setDoubleProperty("double", Double.MAX_VALUE);
            // Beyond the basic plane a string property arrives as two question marks: ActiveMQ writes and reads it differently.
            message.setStringProperty("string", "Māori 漢字");
            message.setStringProperty("empty", "");
            message.setStringProperty("long_string", "p".repeat(70_000));
            message.setObjectProperty("boxed", 12L);
            message.setObjectProperty("a_map", new HashMap<>(Map.of("k", 1)));
            message.setObjectProperty("a_list", new ArrayList<>(List.of("x", true)));
            return message;
        });
        Bench.equal("boolean", got.getBooleanProperty("boolean"), true);
        Bench.equal("byte", got.getByteProperty("byte"), Byte.MIN_VALUE);
        Bench.equal("short", got.getShortProperty("short"), Short.MAX_VALUE);
        Bench.equal("int", got.getIntProperty("int"), Integer.MIN_VALUE);
        Bench.equal("long", got.getLongProperty("long"), Long.MIN_VALUE);
        Bench.equal("float", got.getFloatProperty("float"), Float.MIN_VALUE);
        Bench.equal("double", got.getDoubleProperty("double"), Double.MAX_VALUE);
        Bench.equal("string", got.getStringProperty("string"), "Māori 漢字");
        Bench.equal("empty", got.getStringProperty("empty"), "");
        Bench.equal("long string", got.getStringProperty("long_string").length(), 70_000);
        Bench.equal("boxed", got.getObjectProperty("boxed"), 12L);
        Bench.equal("map", got.getObjectProperty("a_map"), Map.of("k", 1));
        Bench.equal("list", got.getObjectProperty("a_list"), List.of("x", true));
        Bench.equal("absent", got.getObjectProperty("absent"), null);
        Bench.require(!got.propertyExists("absent"), "a property exists that was never set");
    }

    private static void manyProperties(Bench bench) throws Exception {
        Message got = carry(bench, session -> {
            Message message = session.createMessage();
            for (int i = 0; i < 1000; i++) {
                message.setIntProperty("p" + i, i);
            }
            return message;
        });
        for (int i = 0; i < 1000; i++) {
            Bench.equal("p" + i, got.getIntProperty("p" + i), i);
        }
    }

    private static void headers(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("headers");
        ActiveMQQueue reply = bench.queue("reply");
        Session sender = bench.session();
        MessageProducer producer = sender.createProducer(queue);
        TextMessage message = sender.createTextMessage("x");
        message.setJMSCorrelationID("correlated ā");
        message.setJMSReplyTo(reply);
        message.setJMSType("the type");
        long before = System.currentTimeMillis();
        producer.send(message, DeliveryMode.PERSISTENT, 7, 600_000);
        long after = System.currentTimeMillis();
        Message got = Bench.next(bench.session().createConsumer(queue));
        Bench.equal("JMSMessageID", got.getJMSMessageID(), message.getJMSMessageID());
        Bench.require(got.getJMSMessageID().startsWith("ID:"), "JMSMessageID begins with " + got.getJMSMessageID());
        Bench.equal("JMSCorrelationID", got.getJMSCorrelationID(), "correlated ā");
        Bench.equal("JMSReplyTo", got.getJMSReplyTo(), reply);
        Bench.equal("JMSType", got.getJMSType(), "the type");
        Bench.equal("JMSPriority", got.getJMSPriority(), 7);
        Bench.equal("JMSDeliveryMode", got.getJMSDeliveryMode(), DeliveryMode.PERSISTENT);
        Bench.equal("JMSDestination", got.getJMSDestination(), queue);
        Bench.equal("JMSRedelivered", got.getJMSRedelivered(), false);
        Bench.equal("JMSXDeliveryCount", got.getIntProperty("JMSXDeliveryCount"), 1);
        long sent = got.getJMSTimestamp();
        Bench.require(sent >= before && sent <= after, "JMSTimestamp " + sent + " not in " + before + ".." + after);
        Bench.equal("JMSExpiration", got.getJMSExpiration(), sent + 600_000);
    }

    private static void replyTo(Bench bench) throws Exception {
        for (ActiveMQDestination to : new ActiveMQDestination[] {
            bench.queue("r"), bench.topic("r"),
            (ActiveMQDestination) bench.session().createTemporaryQueue(),
            (ActiveMQDestination) bench.session().createTemporaryTopic(),
            new ActiveMQQueue(bench.name("a") + "," + bench.name("b")),
        }) {
            Message got = carry(bench, session -> {
                Message message = session.createMessage();
                message.setJMSReplyTo(to);
                return message;
            });
            Bench.equal("JMSReplyTo", got.getJMSReplyTo(), to);
            Bench.equal("class", got.getJMSReplyTo().getClass(), to.getClass());
        }
    }

    private static void identity(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("ids");
        Session session = bench.session();
        Bench.send(session, queue, Bench.numbered(1, 50));
        MessageConsumer consumer = session.createConsumer(queue);
        java.util.Set<String> ids = new java.util.HashSet<>();
        long sequence = 0;
        for (int i = 1; i <= 50; i++) {
            ActiveMQMessage message = (ActiveMQMessage) Bench.next(consumer);
            ids.add(message.getJMSMessageID());
            long now = message.getMessageId().getProducerSequenceId();
            Bench.require(now > sequence, "producer sequence " + now + " after " + sequence);
            sequence = now;
        }
        Bench.equal("different ids", ids.size(), 50);
    }

    private static void withoutIdOrTime(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("bare");
        Session session = bench.session();
        MessageProducer producer = session.createProducer(queue);
        producer.setDisableMessageTimestamp(true);
        producer.setDisableMessageID(true);
        producer.send(session.createTextMessage("bare"));
        Message got = Bench.next(bench.session().createConsumer(queue));
        Bench.equal("JMSTimestamp", got.getJMSTimestamp(), 0L);
        Bench.equal("text", Bench.text(got), "bare");
    }

    private static void forwarded(Bench bench) throws Exception {
        ActiveMQQueue first = bench.queue("first");
        ActiveMQQueue second = bench.queue("second");
        Session session = bench.session();
        MessageProducer producer = session.createProducer(first);
        TextMessage original = session.createTextMessage("on its way");
        original.setStringProperty("p", "kept");
        producer.send(original);
        Message got = Bench.next(session.createConsumer(first));
        String firstId = got.getJMSMessageID();
        session.createProducer(second).send(got);
        Message again = Bench.next(bench.session().createConsumer(second));
        Bench.equal("text", Bench.text(again), "on its way");
        Bench.equal("property", again.getStringProperty("p"), "kept");
        Bench.equal("JMSDestination", again.getJMSDestination(), second);
        Bench.require(!again.getJMSMessageID().equals(firstId), "a forwarded message keeps its id " + firstId);
        Bench.equal("JMSRedelivered", again.getJMSRedelivered(), false);
    }

    /** The broker writes when a message came in and went out; the client offers them as properties. */
    private static void brokerTimes(Bench bench) throws Exception {
        long before = System.currentTimeMillis();
        ActiveMQMessage got = (ActiveMQMessage) carry(bench, session -> session.createTextMessage("timed"));
        long after = System.currentTimeMillis();
        long in = got.getBrokerInTime();
        long out = got.getBrokerOutTime();
        Bench.require(in >= before && in <= after, "broker-in time " + in + " not in " + before + ".." + after);
        Bench.require(out >= in && out <= after, "broker-out time " + out + " not in " + in + ".." + after);
    }

    private static void groups(Bench bench) throws Exception {
        Message got = carry(bench, session -> {
            Message message = session.createTextMessage("of a group");
            message.setStringProperty("JMSXGroupID", "group ā");
            message.setIntProperty("JMSXGroupSeq", 3);
            return message;
        });
        Bench.equal("JMSXGroupID", got.getStringProperty("JMSXGroupID"), "group ā");
        Bench.equal("JMSXGroupSeq", got.getIntProperty("JMSXGroupSeq"), 3);
    }
}
