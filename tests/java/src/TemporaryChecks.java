import javax.jms.Destination;
import javax.jms.InvalidDestinationException;
import javax.jms.JMSException;
import javax.jms.Message;
import javax.jms.MessageConsumer;
import javax.jms.MessageProducer;
import javax.jms.Session;
import javax.jms.TemporaryQueue;
import javax.jms.TemporaryTopic;
import javax.jms.TextMessage;
import org.apache.activemq.ActiveMQConnection;
import org.apache.activemq.DestinationDoesNotExistException;
import org.apache.activemq.command.ActiveMQQueue;
import org.apache.activemq.command.ActiveMQTempQueue;

/** Temporary destinations: for answers, for one connection, as long as it lives. */
final class TemporaryChecks {
    private TemporaryChecks() {}

    static void add(Semantics suite) {
        suite.add("temporary-queue-request-reply", bench -> requestReply(bench, false));
        suite.add("temporary-topic-request-reply", bench -> requestReply(bench, true));
        suite.add("temporary-queue-many-requests", TemporaryChecks::manyRequests);
        suite.add("temporary-gone-with-connection", bench -> gone(bench, "", false));
        suite.add("temporary-gone-with-lost-connection", bench -> gone(bench, "", true));
        suite.add("temporary-gone-refused-by-broker", bench -> gone(bench, "jms.watchTopicAdvisories=false", false));
        suite.add("temporary-delete", TemporaryChecks::delete);
        suite.add("temporary-delete-with-consumer-refused", TemporaryChecks::deleteInUse);
        suite.add("temporary-consume-from-other-connection-refused", TemporaryChecks::foreignConsumer);
        suite.add("temporary-never-created-refused", TemporaryChecks::neverCreated);
    }

    private static void requestReply(Bench bench, boolean topic) throws Exception {
        ActiveMQQueue requests = bench.queue("requests");
        Session serving = bench.session();
        MessageProducer answers = serving.createProducer(null);
        serving.createConsumer(requests).setMessageListener(request -> {
            try {
                TextMessage answer = serving.createTextMessage("answer to " + Bench.text(request));
                answer.setJMSCorrelationID(request.getJMSMessageID());
                answers.send(request.getJMSReplyTo(), answer);
            } catch (Exception problem) {
                Say.line("# " + Say.reason(problem));
            }
        });
        Session asking = bench.session();
        Destination replies = topic ? asking.createTemporaryTopic() : asking.createTemporaryQueue();
        MessageConsumer consumer = asking.createConsumer(replies);
        MessageProducer producer = asking.createProducer(requests);
        for (int i = 0; i < 10; i++) {
            TextMessage request = asking.createTextMessage("q" + i);
            request.setJMSReplyTo(replies);
            producer.send(request);
            Message answer = Bench.next(consumer);
            Bench.equal("answer", Bench.text(answer), "answer to q" + i);
            Bench.equal("JMSCorrelationID", answer.getJMSCorrelationID(), request.getJMSMessageID());
        }
    }

    /** A new temporary queue for each request, as simple clients do. */
    private static void manyRequests(Bench bench) throws Exception {
        ActiveMQQueue requests = bench.queue("requests");
        Session serving = bench.session();
        MessageProducer answers = serving.createProducer(null);
        serving.createConsumer(requests).setMessageListener(request -> {
            try {
                answers.send(request.getJMSReplyTo(), serving.createTextMessage(Bench.text(request)));
            } catch (Exception problem) {
                Say.line("# " + Say.reason(problem));
            }
        });
        Session asking = bench.session();
        MessageProducer producer = asking.createProducer(requests);
        for (int i = 0; i < 50; i++) {
            TemporaryQueue replies = asking.createTemporaryQueue();
            MessageConsumer consumer = asking.createConsumer(replies);
            TextMessage request = asking.createTextMessage("q" + i);
            request.setJMSReplyTo(replies);
            producer.send(request);
            Bench.expect(consumer, "q" + i);
            consumer.close();
            replies.delete();
        }
    }

    private static void gone(Bench bench, String options, boolean cut) throws Exception {
        ActiveMQConnection owner = bench.connection();
        TemporaryQueue queue = Bench.session(owner, Session.AUTO_ACKNOWLEDGE).createTemporaryQueue();
        Session sender = Bench.session(bench.connection(bench.with(options)), Session.AUTO_ACKNOWLEDGE);
        MessageProducer producer = sender.createProducer(null);
        // A client that watches advisories knows the queue only after the advisory came.
        Bench.eventually("a send to the living queue succeeds", () -> {
            try {
                producer.send(queue, sender.createTextMessage("while it lives"));
                return true;
            } catch (InvalidDestinationException notKnownYet) {
                // Said by the client itself.
                return false;
            }
        });
        if (cut) {
            Bench.cut(owner);
        } else {
            owner.close();
        }
        Bench.eventually("a send to the removed queue fails", () -> {
            try {
                producer.send(queue, sender.createTextMessage("too late"));
                return false;
            } catch (InvalidDestinationException byClient) {
                Bench.require(options.isEmpty(), "the client knew, though it does not watch");
                return true;
            } catch (DestinationDoesNotExistException byBroker) {
                return true;
            }
        });
    }

    private static void delete(Bench bench) throws Exception {
        Session session = bench.session();
        TemporaryQueue queue = session.createTemporaryQueue();
        TemporaryTopic topic = session.createTemporaryTopic();
        Bench.send(session, queue, "a");
        queue.delete();
        topic.delete();
        // The client may know it already or hear it from the broker: two classes, neither a kind of the other.
        Bench.refused(JMSException.class, "temp-queue://", () -> {
            Bench.send(session, queue, "b");
            return null;
        });
    }

    private static void deleteInUse(Bench bench) throws Exception {
        Session session = bench.session();
        TemporaryQueue queue = session.createTemporaryQueue();
        MessageConsumer consumer = session.createConsumer(queue);
        Bench.refused(JMSException.class, "A consumer is consuming", () -> {
            queue.delete();
            return null;
        });
        Bench.send(session, queue, "a");
        Bench.expect(consumer, "a");
    }

    private static void foreignConsumer(Bench bench) throws Exception {
        TemporaryQueue queue = bench.session().createTemporaryQueue();
        Session foreign = bench.session();
        Bench.refused(InvalidDestinationException.class, "", () -> foreign.createConsumer(queue));
    }

    /** A temporary queue of a connection that never was: the broker, asked by a client that knows no better, refuses. */
    private static void neverCreated(Bench bench) throws Exception {
        ActiveMQConnection connection = bench.connection(bench.with("jms.watchTopicAdvisories=false"));
        Session session = Bench.session(connection, Session.AUTO_ACKNOWLEDGE);
        ActiveMQTempQueue phantom = new ActiveMQTempQueue("ID:nobody-1-1-1:1:1:1");
        Bench.refused(DestinationDoesNotExistException.class, "temp-queue://ID:nobody", () -> {
            session.createProducer(null).send(phantom, session.createTextMessage("lost"));
            return null;
        });
    }
}
