import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import javax.jms.InvalidClientIDException;
import javax.jms.MessageConsumer;
import javax.jms.Session;
import org.apache.activemq.ActiveMQConnection;
import org.apache.activemq.command.ActiveMQQueue;

/** Connections: their names, how many, and what the client hears when one ends. */
final class ConnectionChecks {
    private ConnectionChecks() {}

    static void add(Semantics suite) {
        suite.add("client-id-taken-refused", ConnectionChecks::taken);
        suite.add("client-id-free-after-close", ConnectionChecks::freeAfterClose);
        suite.add("client-id-free-after-loss", ConnectionChecks::freeAfterLoss);
        suite.add("connection-refused-id-then-another", ConnectionChecks::secondTry);
        suite.add("connection-100-at-once", ConnectionChecks::many);
        suite.add("connection-200-sessions", ConnectionChecks::sessions);
        suite.add("connection-opened-and-closed-100-times", ConnectionChecks::again);
        suite.add("connection-broker-info", ConnectionChecks::brokerInfo);
        suite.add("connection-idle-stays-alive", ConnectionChecks::idle);
        suite.add("connection-idle-while-started-and-receiving", ConnectionChecks::idleReceiver);
        suite.add("connection-user-and-password-accepted", ConnectionChecks::withUser);
        suite.add("session-closed-returns-messages", ConnectionChecks::sessionClosed);
    }

    private static void taken(Bench bench) throws Exception {
        String id = bench.name("client");
        ActiveMQConnection first = bench.named(id);
        var problem = Bench.refused(InvalidClientIDException.class, "already connected", () -> bench.named(id));
        Bench.require(problem.getMessage().contains(id), "the client id is not in: " + problem.getMessage());
        // The first is none the worse.
        Session session = Bench.session(first, Session.AUTO_ACKNOWLEDGE);
        Bench.send(session, bench.queue("q"), "a");
        Bench.expect(session.createConsumer(bench.queue("q")), "a");
    }

    private static void freeAfterClose(Bench bench) throws Exception {
        String id = bench.name("client");
        for (int i = 0; i < 10; i++) {
            bench.named(id).close();
        }
    }

    private static void freeAfterLoss(Bench bench) throws Exception {
        String id = bench.name("client");
        Bench.cut(bench.named(id));
        Bench.eventually("the id is free", () -> {
            try {
                bench.named(id);
                return true;
            } catch (InvalidClientIDException stillThere) {
                return false;
            }
        });
    }

    private static void secondTry(Bench bench) throws Exception {
        String id = bench.name("client");
        ActiveMQConnection first = bench.named(id);
        Bench.refused(InvalidClientIDException.class, "", () -> bench.named(id));
        first.close();
        bench.named(id);
    }

    private static void many(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        List<Session> sessions = new ArrayList<>();
        for (int i = 0; i < 100; i++) {
            sessions.add(bench.session());
        }
        for (int i = 0; i < 100; i++) {
            Bench.send(sessions.get(i), queue, "m" + (i + 1));
        }
        bench.holds(queue, Bench.numbered(1, 100));
    }

    private static void sessions(Bench bench) throws Exception {
        ActiveMQConnection connection = bench.connection();
        ActiveMQQueue queue = bench.queue("q");
        for (int i = 1; i <= 200; i++) {
            Session session = Bench.session(connection, Session.AUTO_ACKNOWLEDGE);
            Bench.send(session, queue, "m" + i);
            if (i % 2 == 0) {
                session.close();
            }
        }
        bench.holds(queue, Bench.numbered(1, 200));
    }

    private static void again(Bench bench) throws Exception {
        for (int i = 1; i <= 100; i++) {
            ActiveMQConnection connection = bench.connection();
            Bench.send(Bench.session(connection, Session.AUTO_ACKNOWLEDGE), bench.queue("q"), "m" + i);
            connection.close();
        }
        bench.holds(bench.queue("q"), Bench.numbered(1, 100));
    }

    private static void brokerInfo(Bench bench) throws Exception {
        ActiveMQConnection connection = bench.connection();
        Bench.eventually("the broker introduces itself", () -> connection.getBrokerInfo() != null);
        Bench.require(connection.getBrokerName() != null && !connection.getBrokerName().isEmpty(), "no broker name");
        Bench.require(connection.getBrokerInfo().getBrokerId() != null, "no broker id");
    }

    /** Both sides watch from the start: else the first look comes only after 10 seconds. (The option is spelled so.) */
    static String inactivity(long millis) {
        return "wireFormat.maxInactivityDuration=" + millis + "&wireFormat.maxInactivityDurationInitalDelay=" + millis;
    }

    /** Nothing but KeepAlives flows, both ways, for several inactivity times; then the connection still works. */
    private static void idle(Bench bench) throws Exception {
        FrameTap tap = bench.tap();
        ActiveMQConnection connection =
            bench.connection(Bench.with(bench.through(tap), inactivity(1000)));
        CountDownLatch failed = new CountDownLatch(1);
        connection.setExceptionListener(problem -> failed.countDown());
        // Either side may be the one who speaks first and spares the other its turn: together they must speak.
        long end = System.nanoTime() + 20_000_000_000L;
        while (tap.toClient(FrameTap.KEEP_ALIVE_INFO) < 2 || tap.toBroker(FrameTap.KEEP_ALIVE_INFO) < 2) {
            Bench.require(System.nanoTime() < end, "KeepAlives: " + tap.toClient(FrameTap.KEEP_ALIVE_INFO)
                + " from the broker, " + tap.toBroker(FrameTap.KEEP_ALIVE_INFO) + " from the client");
            Bench.require(!failed.await(50, TimeUnit.MILLISECONDS), "the idle connection failed");
        }
        Session session = Bench.session(connection, Session.AUTO_ACKNOWLEDGE);
        Bench.send(session, bench.queue("q"), "still here");
        Bench.expect(session.createConsumer(bench.queue("q")), "still here");
    }

    private static void idleReceiver(Bench bench) throws Exception {
        FrameTap tap = bench.tap();
        ActiveMQConnection connection =
            bench.connection(Bench.with(bench.through(tap), inactivity(1000)));
        MessageConsumer consumer =
            Bench.session(connection, Session.AUTO_ACKNOWLEDGE).createConsumer(bench.queue("q"));
        tap.await(false, FrameTap.KEEP_ALIVE_INFO, 3, 20_000);
        Bench.send(bench.session(), bench.queue("q"), "at last");
        Bench.expect(consumer, "at last");
    }

    /** Without a security plugin any user name is let in. */
    private static void withUser(Bench bench) throws Exception {
        ActiveMQConnection connection =
            bench.own((ActiveMQConnection) bench.factory(bench.url).createConnection("somebody", "secret ā"));
        connection.start();
        Session session = Bench.session(connection, Session.AUTO_ACKNOWLEDGE);
        Bench.send(session, bench.queue("q"), "a");
        Bench.expect(session.createConsumer(bench.queue("q")), "a");
    }

    private static void sessionClosed(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        ActiveMQConnection connection = bench.connection();
        Session session = Bench.session(connection, Session.CLIENT_ACKNOWLEDGE);
        Bench.send(session, queue, "a", "b");
        Bench.expect(session.createConsumer(queue), "a");
        session.close();
        bench.holds(queue, "a", "b");
    }
}
