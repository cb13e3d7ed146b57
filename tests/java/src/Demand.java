import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import javax.jms.Connection;
import javax.jms.Session;
import org.apache.activemq.ActiveMQConnectionFactory;
import org.apache.activemq.command.ActiveMQMessage;
import org.apache.activemq.command.ConsumerInfo;

/** How soon a broker consumes for another, where that one gets consumers of many destinations. */
public final class Demand {
    static final String USAGE = String.join("\n",
        "usage: Demand FROM_URL TO_URL [options]",
        "  --destinations N   consumed at TO_URL (10000)",
        "  --seconds S        how long it may take (120)",
        "prints: DEMAND opened_ms=N heard_ms=N   from the first consumer to the last, and until the bridge at FROM_URL consumes from all");

    private Demand() {}

    public static void main(String[] arguments) throws Exception {
        Options options = new Options(USAGE, arguments);
        int destinations = (int) options.number("destinations", 10_000);
        long seconds = options.number("seconds", 120);
        Connection from = new ActiveMQConnectionFactory(options.word(0, "FROM_URL") + "?jms.watchTopicAdvisories=false").createConnection();
        Connection to = new ActiveMQConnectionFactory(options.word(1, "TO_URL") + "?jms.watchTopicAdvisories=false").createConnection();
        options.finished();
        from.start();
        to.start();
        Set<String> found = ConcurrentHashMap.newKeySet();
        CountDownLatch left = new CountDownLatch(destinations);
        Session listening = from.createSession(false, Session.AUTO_ACKNOWLEDGE);
        listening.createConsumer(listening.createTopic("ActiveMQ.Advisory.Consumer.Queue.demand.>")).setMessageListener(message -> {
            if (((ActiveMQMessage) message).getDataStructure() instanceof ConsumerInfo info && info.isNetworkSubscription()
                && found.add(info.getDestination().getPhysicalName())) {
                left.countDown();
            }
        });
        Session consuming = to.createSession(false, Session.AUTO_ACKNOWLEDGE);
        long began = System.nanoTime();
        for (int number = 0; number < destinations; number++) {
            consuming.createConsumer(consuming.createQueue("demand." + number));
        }
        long opened = (System.nanoTime() - began) / 1_000_000;
        if (!left.await(seconds, TimeUnit.SECONDS)) {
            Say.line("FAIL of " + destinations + " only " + found.size());
            System.exit(1);
        }
        Say.line("DEMAND opened_ms=" + opened + " heard_ms=" + (System.nanoTime() - began) / 1_000_000);
        System.exit(0);
    }
}
