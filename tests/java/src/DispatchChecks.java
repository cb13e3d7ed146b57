import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import javax.jms.Message;
import javax.jms.MessageConsumer;
import javax.jms.Session;
import org.apache.activemq.ActiveMQConnection;
import org.apache.activemq.command.ActiveMQQueue;

/** Who gets which message of a queue, how many ahead, and in what order. */
final class DispatchChecks {
    private DispatchChecks() {}

    static void add(Semantics suite) {
        suite.add("dispatch-competing-consumers", DispatchChecks::competing);
        suite.add("dispatch-waits-for-consumer", DispatchChecks::waits);
        suite.add("prefetch-limits-unacknowledged", DispatchChecks::limits);
        suite.add("prefetch-one", bench -> each(bench, 1));
        suite.add("prefetch-zero-pulls", bench -> each(bench, 0));
        suite.add("prefetch-zero-timeouts", DispatchChecks::pullTimeouts);
        suite.add("prefetch-zero-leaves-rest", DispatchChecks::pullLeavesRest);
        suite.add("prefetch-from-destination-options", DispatchChecks::destinationOption);
        suite.add("receive-timeout", DispatchChecks::receiveTimeout);
        suite.add("receive-no-wait", DispatchChecks::receiveNoWait);
        suite.add("order-one-producer", DispatchChecks::orderOne);
        suite.add("order-per-producer-of-many", DispatchChecks::orderMany);
        suite.add("order-after-consumer-closed", DispatchChecks::orderReturned);
        suite.add("connection-stop-and-start", DispatchChecks::stopStart);
        suite.add("consumer-before-start", DispatchChecks::beforeStart);
        suite.add("dispatch-many-consumers-drain-once", DispatchChecks::drainOnce);
        suite.add("consumer-closed-with-prefetched", DispatchChecks::closedWithPrefetched);
    }

    private static void competing(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        ActiveMQConnection connection = bench.connection(bench.with("jms.prefetchPolicy.queuePrefetch=1"));
        MessageConsumer one = Bench.session(connection, Session.AUTO_ACKNOWLEDGE).createConsumer(queue);
        MessageConsumer two = Bench.session(connection, Session.AUTO_ACKNOWLEDGE).createConsumer(queue);
        Bench.send(bench.session(), queue, Bench.numbered(1, 20));
        Set<String> seen = new HashSet<>();
        for (int i = 0; i < 10; i++) {
            Bench.require(seen.add(Bench.nextText(one)), "a message came twice");
            Bench.require(seen.add(Bench.nextText(two)), "a message came twice");
        }
        Bench.silent(one);
        Bench.silent(two);
    }

    private static void waits(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        ActiveMQConnection sending = bench.connection();
        Bench.send(Bench.session(sending, Session.AUTO_ACKNOWLEDGE), queue, Bench.numbered(1, 5));
        sending.close();
        bench.holds(queue, Bench.numbered(1, 5));
    }

    /** With prefetch 5 a consumer that acknowledges nothing gets 5 ahead; another gets the rest. */
    private static void limits(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        Bench.send(bench.session(), queue, Bench.numbered(1, 12));
        ActiveMQConnection greedy = bench.connection(bench.with("jms.prefetchPolicy.queuePrefetch=5"));
        MessageConsumer idle = Bench.session(greedy, Session.CLIENT_ACKNOWLEDGE).createConsumer(queue);
        Bench.eventually("five dispatched ahead", () ->
            ((org.apache.activemq.ActiveMQMessageConsumer) idle).getMessageSize() == 5);
        MessageConsumer other = bench.session().createConsumer(queue);
        Bench.expect(other, Bench.numbered(6, 12));
        Bench.silent(other);
        Bench.equal("dispatched ahead", ((org.apache.activemq.ActiveMQMessageConsumer) idle).getMessageSize(), 5);
        greedy.close();
        Bench.expect(other, Bench.numbered(1, 5));
    }

    private static void each(Bench bench, int prefetch) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        ActiveMQConnection connection = bench.connection(bench.with("jms.prefetchPolicy.queuePrefetch=" + prefetch));
        MessageConsumer consumer = Bench.session(connection, Session.AUTO_ACKNOWLEDGE).createConsumer(queue);
        Bench.send(bench.session(), queue, Bench.numbered(1, 20));
        Bench.expect(consumer, Bench.numbered(1, 20));
        Bench.silent(consumer);
        connection.close();
        bench.holds(queue);
    }

    private static void pullTimeouts(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        ActiveMQConnection connection = bench.connection(bench.with("jms.prefetchPolicy.queuePrefetch=0"));
        MessageConsumer consumer = Bench.session(connection, Session.AUTO_ACKNOWLEDGE).createConsumer(queue);
        Bench.equal("receiveNoWait on an empty queue", consumer.receiveNoWait(), null);
        timed(consumer, 400);
        Session sender = bench.session();
        Bench.send(sender, queue, "a");
        Bench.equal("receiveNoWait", Bench.text(consumer.receiveNoWait()), "a");
        // A pull that waits is answered as soon as something is sent.
        CountDownLatch pulling = new CountDownLatch(1);
        Thread later = new Thread(() -> {
            try {
                pulling.await();
                Bench.send(sender, queue, "b");
            } catch (Exception problem) {
                Say.line("# " + Say.reason(problem));
            }
        });
        later.start();
        pulling.countDown();
        Bench.expect(consumer, "b");
        later.join();
        Bench.equal("receiveNoWait at the end", consumer.receiveNoWait(), null);
    }

    private static void timed(MessageConsumer consumer, long millis) throws Exception {
        long begin = System.nanoTime();
        Bench.equal("message", consumer.receive(millis), null);
        long took = (System.nanoTime() - begin) / 1_000_000;
        Bench.require(took >= millis - 20 && took < millis + 3000, "receive(" + millis + ") took " + took + " ms");
    }

    private static void pullLeavesRest(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        Bench.send(bench.session(), queue, Bench.numbered(1, 4));
        ActiveMQConnection connection = bench.connection(bench.with("jms.prefetchPolicy.queuePrefetch=0"));
        MessageConsumer pulling = Bench.session(connection, Session.AUTO_ACKNOWLEDGE).createConsumer(queue);
        Bench.expect(pulling, "m1");
        MessageConsumer other = bench.session().createConsumer(queue);
        Bench.expect(other, "m2", "m3", "m4");
    }

    private static void destinationOption(Bench bench) throws Exception {
        String name = bench.name("q");
        ActiveMQQueue queue = new ActiveMQQueue(name);
        Bench.send(bench.session(), queue, Bench.numbered(1, 6));
        MessageConsumer two = bench.session().createConsumer(new ActiveMQQueue(name + "?consumer.prefetchSize=2"));
        Bench.eventually("two dispatched ahead", () ->
            ((org.apache.activemq.ActiveMQMessageConsumer) two).getMessageSize() == 2);
        Bench.expect(bench.session().createConsumer(queue), Bench.numbered(3, 6));
    }

    private static void receiveTimeout(Bench bench) throws Exception {
        timed(bench.session().createConsumer(bench.queue("q")), 300);
    }

    private static void receiveNoWait(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        MessageConsumer consumer = bench.session().createConsumer(queue);
        Bench.equal("on an empty queue", consumer.receiveNoWait(), null);
        Bench.send(bench.session(), queue, "a");
        Message[] got = new Message[1];
        Bench.eventually("receiveNoWait gets what was sent", () -> (got[0] = consumer.receiveNoWait()) != null);
        Bench.equal("text", Bench.text(got[0]), "a");
    }

    private static void orderOne(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        MessageConsumer consumer = bench.session().createConsumer(queue);
        Bench.send(bench.session(), queue, Bench.numbered(1, 1500));
        Bench.expect(consumer, Bench.numbered(1, 1500));
    }

    private static void orderMany(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        int producers = 5;
        int each = 100;
        List<Thread> threads = new ArrayList<>();
        LinkedBlockingQueue<String> problems = new LinkedBlockingQueue<>();
        for (int p = 0; p < producers; p++) {
            int producer = p;
            Session session = bench.session();
            threads.add(new Thread(() -> {
                try {
                    String[] texts = new String[each];
                    for (int i = 0; i < each; i++) {
                        texts[i] = producer + "-" + i;
                    }
                    Bench.send(session, queue, texts);
                } catch (Exception problem) {
                    problems.add(Say.reason(problem));
                }
            }));
        }
        threads.forEach(Thread::start);
        MessageConsumer consumer = bench.session().createConsumer(queue);
        int[] next = new int[producers];
        for (int i = 0; i < producers * each; i++) {
            String[] parts = Bench.nextText(consumer).split("-");
            int producer = Integer.parseInt(parts[0]);
            Bench.equal("order of producer " + producer, Integer.parseInt(parts[1]), next[producer]++);
        }
        for (Thread thread : threads) {
            thread.join();
        }
        Bench.equal("problems", problems.poll(), null);
    }

    /** What a closed consumer had prefetched goes back to its old places, before what was sent later. */
    private static void orderReturned(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        Session sender = bench.session();
        Bench.send(sender, queue, Bench.numbered(1, 10));
        ActiveMQConnection connection = bench.connection();
        MessageConsumer first = Bench.session(connection, Session.AUTO_ACKNOWLEDGE).createConsumer(queue);
        Bench.expect(first, Bench.numbered(1, 3));
        Bench.send(sender, queue, Bench.numbered(11, 15));
        connection.close();
        Bench.expect(bench.session().createConsumer(queue), Bench.numbered(4, 15));
    }

    private static void stopStart(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        ActiveMQConnection connection = bench.connection();
        MessageConsumer consumer = Bench.session(connection, Session.AUTO_ACKNOWLEDGE).createConsumer(queue);
        Bench.send(bench.session(), queue, "a");
        Bench.expect(consumer, "a");
        connection.stop();
        Bench.send(bench.session(), queue, "b");
        Bench.equal("while stopped", consumer.receive(Bench.WHILE), null);
        connection.start();
        Bench.expect(consumer, "b");
    }

    private static void beforeStart(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        Bench.send(bench.session(), queue, "a");
        ActiveMQConnection connection = bench.unstarted(bench.url);
        MessageConsumer consumer = Bench.session(connection, Session.AUTO_ACKNOWLEDGE).createConsumer(queue);
        Bench.equal("before start", consumer.receive(Bench.WHILE), null);
        connection.start();
        Bench.expect(consumer, "a");
    }

    private static void drainOnce(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        LinkedBlockingQueue<String> got = new LinkedBlockingQueue<>();
        for (int i = 0; i < 8; i++) {
            bench.session().createConsumer(queue).setMessageListener(message -> {
                try {
                    got.add(Bench.text(message));
                } catch (Exception problem) {
                    got.add(Say.reason(problem));
                }
            });
        }
        Bench.send(bench.session(), queue, Bench.numbered(1, 400));
        Set<String> seen = new HashSet<>();
        for (int i = 0; i < 400; i++) {
            String text = got.poll(Bench.SOON, TimeUnit.MILLISECONDS);
            Bench.require(text != null, "only " + i + " of 400 came");
            Bench.require(seen.add(text), text + " came twice");
        }
        Bench.equal("after all", got.poll(Bench.WHILE, TimeUnit.MILLISECONDS), null);
    }

    /** Closing one of two consumers hands its prefetched messages to the other while both connections stay. */
    private static void closedWithPrefetched(Bench bench) throws Exception {
        ActiveMQQueue queue = bench.queue("q");
        MessageConsumer holder = bench.session().createConsumer(queue);
        Bench.send(bench.session(), queue, Bench.numbered(1, 10));
        Bench.expect(holder, "m1");
        MessageConsumer waiting = bench.session().createConsumer(queue);
        Bench.silent(waiting);
        holder.close();
        Bench.expect(waiting, Bench.numbered(2, 10));
    }
}
