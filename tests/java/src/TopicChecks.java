import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import javax.jms.BytesMessage;
import javax.jms.DeliveryMode;
import javax.jms.InvalidDestinationException;
import javax.jms.JMSException;
import javax.jms.Message;
import javax.jms.MessageConsumer;
import javax.jms.MessageProducer;
import javax.jms.Session;
import org.apache.activemq.ActiveMQConnection;
import org.apache.activemq.command.ActiveMQTopic;

/** Topics: who is subscribed gets each message; who is durably subscribed gets it later too. */
final class TopicChecks {
    private TopicChecks() {}

    static void add(Semantics suite) {
        suite.add("topic-paused-subscriber-gets-all", TopicChecks::paused);
        suite.add("topic-every-subscriber-gets-each", TopicChecks::everyone);
        suite.add("topic-late-subscriber-gets-later-ones", TopicChecks::late);
        suite.add("topic-no-local", TopicChecks::noLocal);
        suite.add("topic-2000-in-order", TopicChecks::inOrder);
        suite.add("topic-rollback-redelivers", TopicChecks::rollback);
        suite.add("topic-non-persistent", TopicChecks::nonPersistent);
        suite.add("durable-offline-messages-kept", TopicChecks::offline);
        suite.add("durable-300-offline-in-order", TopicChecks::offlineMany);
        suite.add("durable-acknowledged-not-again", TopicChecks::acknowledged);
        suite.add("durable-unacknowledged-again", TopicChecks::unacknowledged);
        suite.add("durable-lost-connection", TopicChecks::lost);
        suite.add("durable-two-subscriptions-apart", TopicChecks::apart);
        suite.add("durable-unsubscribe-forgets", TopicChecks::unsubscribe);
        suite.add("durable-unsubscribe-while-active-refused", TopicChecks::unsubscribeActive);
        suite.add("durable-unsubscribe-unknown-refused", TopicChecks::unsubscribeUnknown);
        suite.add("durable-second-active-refused", TopicChecks::secondActive);
        suite.add("durable-other-topic-starts-anew", TopicChecks::otherTopic);
        suite.add("durable-no-local", TopicChecks::durableNoLocal);
        suite.add("durable-individual-gap", TopicChecks::gap);
        suite.add("durable-transacted", TopicChecks::transacted);
        suite.add("durable-wildcard", TopicChecks::wildcard);
        suite.add("durable-expired-offline-not-delivered", TopicChecks::expired);
    }

    private static void everyone(Bench bench) throws Exception {
        ActiveMQTopic topic = bench.topic("t");
        MessageConsumer[] subscribers = new MessageConsumer[4];
        for (int i = 0; i < 4; i++) {
            subscribers[i] = bench.session().createConsumer(topic);
        }
        Bench.send(bench.session(), topic, Bench.numbered(1, 20));
        for (MessageConsumer subscriber : subscribers) {
            Bench.expect(subscriber, Bench.numbered(1, 20));
            Bench.silent(subscriber);
        }
    }

    private static void late(Bench bench) throws Exception {
        ActiveMQTopic topic = bench.topic("t");
        Session sender = bench.session();
        MessageConsumer early = bench.session().createConsumer(topic);
        Bench.send(sender, topic, "a");
        MessageConsumer late = bench.session().createConsumer(topic);
        Bench.send(sender, topic, "b");
        Bench.expect(early, "a", "b");
        Bench.expect(late, "b");
        early.close();
        Bench.send(sender, topic, "c");
        Bench.expect(late, "c");
    }

    private static void noLocal(Bench bench) throws Exception {
        ActiveMQTopic topic = bench.topic("t");
        ActiveMQConnection own = bench.connection();
        Session session = Bench.session(own, Session.AUTO_ACKNOWLEDGE);
        MessageConsumer deaf = session.createConsumer(topic, null, true);
        MessageConsumer hearing = session.createConsumer(topic, null, false);
        Bench.send(session, topic, "from here");
        Bench.send(bench.session(), topic, "from there");
        Bench.expect(hearing, "from here", "from there");
        Bench.expect(deaf, "from there");
        Bench.silent(deaf);
    }

    private static void inOrder(Bench bench) throws Exception {
        ActiveMQTopic topic = bench.topic("t");
        MessageConsumer subscriber = bench.session().createConsumer(topic);
        Bench.send(bench.session(), topic, Bench.numbered(1, 2000));
        Bench.expect(subscriber, Bench.numbered(1, 2000));
    }

    private static void rollback(Bench bench) throws Exception {
        ActiveMQTopic topic = bench.topic("t");
        Session session = Bench.transacted(bench.connection());
        MessageConsumer subscriber = session.createConsumer(topic);
        Bench.send(bench.session(), topic, "a", "b");
        Bench.expect(subscriber, "a", "b");
        session.rollback();
        Message again = Bench.next(subscriber);
        Bench.equal("text", Bench.text(again), "a");
        Bench.equal("JMSRedelivered", again.getJMSRedelivered(), true);
        Bench.expect(subscriber, "b");
        session.commit();
        Bench.silent(subscriber);
    }

    private static void nonPersistent(Bench bench) throws Exception {
        ActiveMQTopic topic = bench.topic("t");
        MessageConsumer subscriber = bench.session().createConsumer(topic);
        Session session = bench.session();
        MessageProducer producer = session.createProducer(topic);
        producer.setDeliveryMode(DeliveryMode.NON_PERSISTENT);
        for (String text : Bench.numbered(1, 200)) {
            producer.send(session.createTextMessage(text));
        }
        Bench.expect(subscriber, Bench.numbered(1, 200));
    }

    /** Subscribes durably under the check's own client id, or comes back to the subscription. */
    private static MessageConsumer subscribe(Bench bench, ActiveMQConnection connection, String name, int mode)
            throws Exception {
        return Bench.session(connection, mode).createDurableSubscriber(bench.topic("t"), name);
    }

    private static ActiveMQConnection client(Bench bench) throws Exception {
        return bench.named(bench.name("client"));
    }

    private static void established(Bench bench, String... names) throws Exception {
        ActiveMQConnection connection = client(bench);
        for (String name : names) {
            subscribe(bench, connection, name, Session.AUTO_ACKNOWLEDGE);
        }
        connection.close();
    }

    private static void offline(Bench bench) throws Exception {
        established(bench, "s");
        Bench.send(bench.session(), bench.topic("t"), "a", "b");
        ActiveMQConnection connection = client(bench);
        MessageConsumer subscriber = subscribe(bench, connection, "s", Session.AUTO_ACKNOWLEDGE);
        Bench.expect(subscriber, "a", "b");
        Bench.send(bench.session(), bench.topic("t"), "c");
        Bench.expect(subscriber, "c");
        Bench.silent(subscriber);
    }

    private static void offlineMany(Bench bench) throws Exception {
        established(bench, "s");
        Session sender = Bench.transacted(bench.connection());
        Bench.send(sender, bench.topic("t"), Bench.numbered(1, 300));
        sender.commit();
        Bench.expect(subscribe(bench, client(bench), "s", Session.AUTO_ACKNOWLEDGE), Bench.numbered(1, 300));
    }

    private static void acknowledged(Bench bench) throws Exception {
        established(bench, "s");
        Bench.send(bench.session(), bench.topic("t"), Bench.numbered(1, 10));
        ActiveMQConnection connection = client(bench);
        Bench.expect(subscribe(bench, connection, "s", Session.AUTO_ACKNOWLEDGE), Bench.numbered(1, 4));
        connection.close();
        Bench.expect(subscribe(bench, client(bench), "s", Session.AUTO_ACKNOWLEDGE), Bench.numbered(5, 10));
    }

    private static void unacknowledged(Bench bench) throws Exception {
        established(bench, "s");
        Bench.send(bench.session(), bench.topic("t"), "a", "b");
        ActiveMQConnection connection = client(bench);
        Bench.expect(subscribe(bench, connection, "s", Session.CLIENT_ACKNOWLEDGE), "a", "b");
        connection.close();
        MessageConsumer again = subscribe(bench, client(bench), "s", Session.AUTO_ACKNOWLEDGE);
        Message first = Bench.next(again);
        Bench.equal("text", Bench.text(first), "a");
        Bench.equal("JMSRedelivered", first.getJMSRedelivered(), true);
        Bench.expect(again, "b");
    }

    /** After a cut the client id and the subscription are free again as soon as the broker noticed. */
    private static void lost(Bench bench) throws Exception {
        ActiveMQConnection connection = client(bench);
        MessageConsumer subscriber = subscribe(bench, connection, "s", Session.CLIENT_ACKNOWLEDGE);
        Bench.send(bench.session(), bench.topic("t"), "a");
        Bench.expect(subscriber, "a");
        Bench.cut(connection);
        ActiveMQConnection[] back = new ActiveMQConnection[1];
        Bench.eventually("the client id is free", () -> {
            try {
                back[0] = client(bench);
                return true;
            } catch (javax.jms.InvalidClientIDException stillThere) {
                return false;
            }
        });
        Bench.send(bench.session(), bench.topic("t"), "b");
        Bench.expect(subscribe(bench, back[0], "s", Session.AUTO_ACKNOWLEDGE), "a", "b");
    }

    private static void apart(Bench bench) throws Exception {
        established(bench, "one", "two");
        Bench.send(bench.session(), bench.topic("t"), "a", "b");
        ActiveMQConnection connection = client(bench);
        Bench.expect(subscribe(bench, connection, "one", Session.AUTO_ACKNOWLEDGE), "a", "b");
        connection.close();
        connection = client(bench);
        MessageConsumer one = subscribe(bench, connection, "one", Session.AUTO_ACKNOWLEDGE);
        MessageConsumer two = subscribe(bench, connection, "two", Session.AUTO_ACKNOWLEDGE);
        Bench.expect(two, "a", "b");
        Bench.silent(one);
    }

    private static void unsubscribe(Bench bench) throws Exception {
        established(bench, "s");
        Bench.send(bench.session(), bench.topic("t"), "a");
        ActiveMQConnection connection = client(bench);
        Bench.session(connection, Session.AUTO_ACKNOWLEDGE).unsubscribe("s");
        Bench.send(bench.session(), bench.topic("t"), "b");
        MessageConsumer anew = subscribe(bench, connection, "s", Session.AUTO_ACKNOWLEDGE);
        Bench.send(bench.session(), bench.topic("t"), "c");
        Bench.expect(anew, "c");
    }

    private static void unsubscribeActive(Bench bench) throws Exception {
        ActiveMQConnection connection = client(bench);
        MessageConsumer active = subscribe(bench, connection, "s", Session.AUTO_ACKNOWLEDGE);
        Session other = Bench.session(connection, Session.AUTO_ACKNOWLEDGE);
        Bench.refused(JMSException.class, "in use", () -> {
            other.unsubscribe("s");
            return null;
        });
        Bench.send(bench.session(), bench.topic("t"), "a");
        Bench.expect(active, "a");
    }

    private static void unsubscribeUnknown(Bench bench) throws Exception {
        Session session = Bench.session(client(bench), Session.AUTO_ACKNOWLEDGE);
        Bench.refused(InvalidDestinationException.class, "No durable subscription exists", () -> {
            session.unsubscribe("never subscribed");
            return null;
        });
    }

    private static void secondActive(Bench bench) throws Exception {
        ActiveMQConnection connection = client(bench);
        MessageConsumer first = subscribe(bench, connection, "s", Session.AUTO_ACKNOWLEDGE);
        Bench.refused(JMSException.class, "in use", () ->
            subscribe(bench, connection, "s", Session.AUTO_ACKNOWLEDGE));
        Bench.send(bench.session(), bench.topic("t"), "a");
        Bench.expect(first, "a");
        first.close();
        MessageConsumer second = subscribe(bench, connection, "s", Session.AUTO_ACKNOWLEDGE);
        Bench.send(bench.session(), bench.topic("t"), "b");
        Bench.expect(second, "b");
    }

    /** The same name on another topic is a new subscription; the old one's messages are gone. */
    private static void otherTopic(Bench bench) throws Exception {
        established(bench, "s");
        Bench.send(bench.session(), bench.topic("t"), "old");
        ActiveMQConnection connection = client(bench);
        Session session = Bench.session(connection, Session.AUTO_ACKNOWLEDGE);
        MessageConsumer moved = session.createDurableSubscriber(bench.topic("other"), "s");
        Bench.send(bench.session(), bench.topic("t"), "still old");
        Bench.send(bench.session(), bench.topic("other"), "new");
        Bench.expect(moved, "new");
        Bench.silent(moved);
    }

    private static void durableNoLocal(Bench bench) throws Exception {
        ActiveMQConnection connection = client(bench);
        Session session = Bench.session(connection, Session.AUTO_ACKNOWLEDGE);
        MessageConsumer subscriber = session.createDurableSubscriber(bench.topic("t"), "s", null, true);
        Bench.send(session, bench.topic("t"), "from here");
        Bench.send(bench.session(), bench.topic("t"), "from there");
        Bench.expect(subscriber, "from there");
        Bench.silent(subscriber);
    }

    /** Acknowledged out of order: only the gaps come again. */
    private static void gap(Bench bench) throws Exception {
        established(bench, "s");
        Bench.send(bench.session(), bench.topic("t"), Bench.numbered(1, 6));
        ActiveMQConnection connection = client(bench);
        MessageConsumer subscriber =
            subscribe(bench, connection, "s", org.apache.activemq.ActiveMQSession.INDIVIDUAL_ACKNOWLEDGE);
        for (int i = 1; i <= 6; i++) {
            Message message = Bench.next(subscriber);
            if (i % 2 == 0) {
                message.acknowledge();
            }
        }
        connection.close();
        MessageConsumer again = subscribe(bench, client(bench), "s", Session.AUTO_ACKNOWLEDGE);
        Bench.expect(again, "m1", "m3", "m5");
        Bench.silent(again);
    }

    private static void transacted(Bench bench) throws Exception {
        established(bench, "s");
        Bench.send(bench.session(), bench.topic("t"), Bench.numbered(1, 6));
        ActiveMQConnection connection = client(bench);
        Session session = Bench.transacted(connection);
        MessageConsumer subscriber = session.createDurableSubscriber(bench.topic("t"), "s");
        Bench.expect(subscriber, "m1", "m2");
        session.commit();
        Bench.expect(subscriber, "m3", "m4");
        session.rollback();
        Bench.expect(subscriber, "m3", "m4");
        connection.close();
        Bench.expect(subscribe(bench, client(bench), "s", Session.AUTO_ACKNOWLEDGE), Bench.numbered(3, 6));
    }

    private static void wildcard(Bench bench) throws Exception {
        ActiveMQConnection connection = client(bench);
        ActiveMQTopic any = new ActiveMQTopic(bench.name("w") + ".>");
        Bench.session(connection, Session.AUTO_ACKNOWLEDGE).createDurableSubscriber(any, "s");
        connection.close();
        Bench.send(bench.session(), bench.topic("w.a"), "a");
        Bench.send(bench.session(), bench.topic("w.b.c"), "b");
        MessageConsumer back = Bench.session(client(bench), Session.AUTO_ACKNOWLEDGE).createDurableSubscriber(any, "s");
        java.util.Set<String> got = new java.util.HashSet<>();
        got.add(Bench.nextText(back));
        got.add(Bench.nextText(back));
        Bench.equal("texts", got, java.util.Set.of("a", "b"));
        Bench.silent(back);
    }

    private static void expired(Bench bench) throws Exception {
        established(bench, "s");
        Session session = bench.session();
        MessageProducer producer = session.createProducer(bench.topic("t"));
        Message shortLived = session.createTextMessage("short-lived");
        producer.send(shortLived, DeliveryMode.PERSISTENT, 4, 100);
        producer.send(session.createTextMessage("lasting"));
        SendingChecks.passed(shortLived.getJMSExpiration());
        MessageConsumer subscriber = subscribe(bench, client(bench), "s", Session.AUTO_ACKNOWLEDGE);
        Bench.expect(subscriber, "lasting");
        Bench.silent(subscriber);
    }

    /** A subscriber that is busy with its first message while much more is published than fits in anybody's memory for it. */
    private static void paused(Bench bench) throws Exception {
        int count = 640;
        ActiveMQTopic topic = bench.topic("t");
        ActiveMQConnection listening = bench.connection(bench.with("jms.prefetchPolicy.topicPrefetch=10"));
        CountDownLatch published = new CountDownLatch(1);
        LinkedBlockingQueue<Integer> got = new LinkedBlockingQueue<>();
        MessageConsumer consumer = Bench.session(listening, Session.AUTO_ACKNOWLEDGE).createConsumer(topic);
        consumer.setMessageListener(message -> {
            try {
                published.await();
                got.add(message.getIntProperty("n"));
            } catch (Exception problem) {
                got.add(-1);
            }
        });
        Session session = bench.session();
        MessageProducer producer = session.createProducer(topic);
        for (int n = 0; n < count; n++) {
            BytesMessage message = session.createBytesMessage();
            message.writeBytes(new byte[65536]);
            message.setIntProperty("n", n);
            producer.send(message);
        }
        published.countDown();
        for (int n = 0; n < count; n++) {
            Integer next = got.poll(Bench.SOON, TimeUnit.MILLISECONDS);
            Bench.equal("message", next, n);
        }
    }
}
