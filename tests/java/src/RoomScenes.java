import java.util.ArrayList;
import java.util.List;
import javax.jms.BytesMessage;
import javax.jms.DeliveryMode;
import javax.jms.Destination;
import javax.jms.JMSException;
import javax.jms.MessageConsumer;
import javax.jms.MessageProducer;
import javax.jms.Session;
import org.apache.activemq.ActiveMQConnection;
import org.apache.activemq.advisory.AdvisorySupport;
import org.apache.activemq.command.ActiveMQDestination;
import org.apache.activemq.command.ActiveMQMessage;
import org.apache.activemq.command.ActiveMQQueue;
import org.apache.activemq.command.ActiveMQTopic;
import org.apache.activemq.command.DestinationInfo;

/** What a destination may hold, what is dropped for a slow subscriber, and when a destination goes. */
final class RoomScenes {
    /** More than the destinations of the file may hold in memory. */
    private static final int MANY = 40;
    private static final int BYTES = 10_000;
    /** A send that is held back fails by the client's own clock, which a busy machine does not reach: nobody has to watch that nothing happens. */
    private static final String PATIENT = "jms.sendTimeout=3000&jms.alwaysSyncSend=true";

    private RoomScenes() {}

    static void add(PolicyScript script) {
        script.add("memory-queue", (bench, saw) -> fill(bench, saw, new ActiveMQQueue("MEMORY.QUEUE"), DeliveryMode.PERSISTENT));
        script.add("memory-queue-not-persistent",
            (bench, saw) -> fill(bench, saw, new ActiveMQQueue("MEMORY.QUEUE.FLEETING"), DeliveryMode.NON_PERSISTENT));
        script.add("memory-queue-vm-cursor",
            (bench, saw) -> fill(bench, saw, new ActiveMQQueue("MEMORY.VM.QUEUE"), DeliveryMode.PERSISTENT));
        script.add("memory-queue-send-fails",
            (bench, saw) -> fill(bench, saw, new ActiveMQQueue("MEMORY.VM.FAILS"), DeliveryMode.PERSISTENT));
        script.add("memory-temporary-queue", RoomScenes::temporary);
        script.add("memory-topic", RoomScenes::topic);
        script.add("page-size", RoomScenes::pages);
        script.add("page-size-one-transaction", RoomScenes::pagesInTransaction);
        script.add("pending-constant", (bench, saw) -> pending(bench, saw, "PENDING.TEN?consumer.prefetchSize=1", true));
        script.add("pending-none", (bench, saw) -> pending(bench, saw, "PENDING.NONE?consumer.prefetchSize=5", false));
        script.add("pending-any", (bench, saw) -> pending(bench, saw, "PENDING.ANY?consumer.prefetchSize=5", true));
        script.add("pending-prefetch-rate", (bench, saw) -> pending(bench, saw, "PENDING.RATE?consumer.prefetchSize=4", true));
        script.add("pending-subscribers-own",
            (bench, saw) -> pending(bench, saw, "PENDING.TEN.OWN?consumer.prefetchSize=1&consumer.maximumPendingMessageLimit=3", true));
        script.add("priority-by-default", (bench, saw) -> priorities(bench, saw, "PRIORITY.DEFAULT"));
        script.add("priority-asked-for", (bench, saw) -> priorities(bench, saw, "PRIORITY.ASKED"));
        script.add("inactive-goes", RoomScenes::inactive);
    }

    private static BytesMessage big(Session session, int number) throws JMSException {
        BytesMessage message = session.createBytesMessage();
        message.setIntProperty("number", number);
        message.writeBytes(new byte[BYTES]);
        return message;
    }

    /** Sends until it is held back, refused or through; gives how many were sent, and says how it ended. */
    private static int fill(Session session, List<String> saw, Destination to, int mode) throws JMSException {
        MessageProducer producer = session.createProducer(to);
        producer.setDeliveryMode(mode);
        for (int i = 0; i < MANY; i++) {
            try {
                producer.send(big(session, i));
            } catch (JMSException problem) {
                boolean late = Say.reason(problem).contains("RequestTimedOut");
                saw.add("sender: " + (late ? "held back" : problem.getClass().getSimpleName()) + ", before all were sent");
                return i;
            }
        }
        saw.add("sender: all are sent");
        return MANY;
    }

    private static void fill(Bench bench, List<String> saw, ActiveMQDestination to, int mode) throws Exception {
        Session session = Bench.session(bench.connection(bench.with(PATIENT)), Session.AUTO_ACKNOWLEDGE);
        int sent = fill(session, saw, to, mode);
        drain(saw, bench.session().createConsumer(to), sent);
    }

    /** Receives so many, which must be there in their order. */
    private static void drain(List<String> saw, MessageConsumer consumer, int sent) throws Exception {
        for (int i = 0; i < sent; i++) {
            Bench.equal("number", Bench.next(consumer).getIntProperty("number"), i);
        }
        saw.add("receiver: whatever was sent has come, in order");
    }

    private static void temporary(Bench bench, List<String> saw) throws Exception {
        ActiveMQConnection connection = bench.connection(bench.with(PATIENT));
        Session session = Bench.session(connection, Session.AUTO_ACKNOWLEDGE);
        Destination queue = session.createTemporaryQueue();
        int sent = fill(session, saw, queue, DeliveryMode.NON_PERSISTENT);
        drain(saw, session.createConsumer(queue), sent);
    }

    /** A subscriber that takes one and then nothing for a while. */
    private static void topic(Bench bench, List<String> saw) throws Exception {
        MessageConsumer slow = bench.session().createConsumer(new ActiveMQTopic("MEMORY.TOPIC?consumer.prefetchSize=1"));
        Session session = Bench.session(bench.connection(bench.with(PATIENT)), Session.AUTO_ACKNOWLEDGE);
        int sent = fill(session, saw, new ActiveMQTopic("MEMORY.TOPIC"), DeliveryMode.NON_PERSISTENT);
        drain(saw, slow, sent);
    }

    private static void pages(Bench bench, List<String> saw) throws Exception {
        ActiveMQQueue queue = new ActiveMQQueue("PAGE.SMALL");
        Bench.send(bench.session(), queue, Bench.numbered(1, MANY));
        MessageConsumer consumer = bench.session().createConsumer(queue);
        Bench.expect(consumer, Bench.numbered(1, MANY));
        saw.add("all have come, in order");
    }

    private static void pagesInTransaction(Bench bench, List<String> saw) throws Exception {
        ActiveMQQueue queue = new ActiveMQQueue("PAGE.SMALL.TRANSACTION");
        Bench.send(bench.session(), queue, Bench.numbered(1, MANY));
        Session session = Bench.transacted(bench.connection());
        MessageConsumer consumer = session.createConsumer(queue);
        int count = 0;
        while (count < MANY && consumer.receive(count == 0 ? Bench.SOON : 1000) != null) {
            count++;
        }
        session.commit();
        saw.add("in one transaction: " + (count == MANY ? "all" : "not all"));
    }

    /** A subscriber sleeps while a hundred messages come, and wakes when all of them were looked at. */
    private static void pending(Bench bench, List<String> saw, String address, boolean newestWaits) throws Exception {
        ActiveMQTopic topic = new ActiveMQTopic(address);
        MessageConsumer slow = bench.session().createConsumer(topic);
        Session session = Bench.session(bench.connection(bench.with("jms.alwaysSyncSend=true")), Session.AUTO_ACKNOWLEDGE);
        MessageProducer producer = session.createProducer(new ActiveMQTopic(topic.getPhysicalName()));
        producer.setDeliveryMode(DeliveryMode.NON_PERSISTENT);
        for (String text : Bench.numbered(1, 100)) {
            producer.send(session.createTextMessage(text));
        }
        List<String> came = new ArrayList<>();
        if (newestWaits) {
            do {
                came.add(Bench.nextText(slow));
            } while (!came.get(came.size() - 1).equals("m100"));
            saw.add(ranges(came));
            return;
        }
        // Nothing waits for it: what is sent when it has room again says that no other comes.
        for (String text = Bench.nextText(slow); !text.equals("end");) {
            came.add(text);
            var next = slow.receive(Bench.WHILE);
            while (next == null) {
                producer.send(session.createTextMessage("end"));
                next = slow.receive(Bench.WHILE);
            }
            text = Bench.text(next);
        }
        saw.add(ranges(came));
    }

    /** "m1 m2 m3 m9" as "m1-m3 m9". */
    private static String ranges(List<String> texts) {
        StringBuilder made = new StringBuilder();
        for (int i = 0; i < texts.size();) {
            int first = Integer.parseInt(texts.get(i).substring(1));
            int last = first;
            for (i++; i < texts.size() && texts.get(i).equals("m" + (last + 1)); i++) {
                last++;
            }
            made.append(made.length() == 0 ? "" : " ").append("m").append(first).append(last > first ? "-m" + last : "");
        }
        return made.toString();
    }

    private static void priorities(Bench bench, List<String> saw, String name) throws Exception {
        ActiveMQQueue queue = new ActiveMQQueue(name);
        Session session = bench.session();
        MessageProducer producer = session.createProducer(queue);
        for (int priority : new int[] {1, 4, 9, 4}) {
            producer.send(session.createTextMessage("p" + priority), DeliveryMode.PERSISTENT, priority, 0);
        }
        MessageConsumer consumer = session.createConsumer(queue);
        List<String> came = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            came.add(Bench.nextText(consumer));
        }
        saw.add(String.join(" ", came));
    }

    /** Three queues nobody uses any more, and a topic: with a policy, with one and a message in it, and without one. */
    private static void inactive(Bench bench, List<String> saw) throws Exception {
        ActiveMQConnection connection = bench.connection();
        Session session = Bench.session(connection, Session.AUTO_ACKNOWLEDGE);
        MessageConsumer queues = session.createConsumer(AdvisorySupport.QUEUE_ADVISORY_TOPIC);
        MessageConsumer topics = session.createConsumer(AdvisorySupport.TOPIC_ADVISORY_TOPIC);
        ActiveMQQueue holds = new ActiveMQQueue("INACTIVE.HOLDS");
        ActiveMQQueue lasting = new ActiveMQQueue("LASTING");
        ActiveMQQueue goes = new ActiveMQQueue("INACTIVE.GOES");
        ActiveMQTopic topic = new ActiveMQTopic("INACTIVE.TOPIC");
        Session other = bench.session();
        Bench.send(other, holds, "a");
        other.createConsumer(lasting).close();
        other.createConsumer(topic).close();
        Bench.send(other, goes, "a");
        MessageConsumer consumer = other.createConsumer(goes);
        Bench.expect(consumer, "a");
        consumer.close();
        saw.add("removed: " + removed(queues, "INACTIVE."));
        saw.add("removed: " + removed(topics, "INACTIVE."));
        var source = connection.getDestinationSource();
        Bench.eventually("the queues that are there are listed", () -> source.getQueues().contains(holds));
        saw.add("there: with a message " + source.getQueues().contains(holds) + ", without a policy "
            + source.getQueues().contains(lasting) + ", removed " + source.getQueues().contains(goes));
        Bench.send(other, goes, "again");
        Bench.expect(other.createConsumer(goes), "again");
        saw.add("made again when it is used");
    }

    private static String removed(MessageConsumer advisories, String prefix) throws Exception {
        while (true) {
            Object content = ((ActiveMQMessage) Bench.next(advisories)).getDataStructure();
            if (content instanceof DestinationInfo info && info.isRemoveOperation()
                    && info.getDestination().getPhysicalName().startsWith(prefix)) {
                return info.getDestination().getQualifiedName();
            }
        }
    }
}
