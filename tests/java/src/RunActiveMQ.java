import java.io.File;
import java.lang.management.ManagementFactory;
import java.net.InetSocketAddress;
import java.net.URI;
import org.apache.activemq.broker.BrokerFactory;
import org.apache.activemq.broker.BrokerService;
import org.apache.activemq.broker.TransportConnector;
import org.apache.activemq.network.NetworkConnector;
import org.apache.activemq.store.kahadb.KahaDBPersistenceAdapter;
import org.apache.activemq.store.kahadb.disk.journal.Journal.JournalDiskSyncStrategy;

/**
 * A real ActiveMQ broker to compare with: KahaDB that syncs every write, OpenWire on loopback, no JMX, no console.
 * Two of them on one directory are master and slave, as ActiveMQ's file lock has it.
 * The heap is the JVM's: java -Xmx512m RunActiveMQ ...
 */
public final class RunActiveMQ {
    static final String USAGE = String.join("\n",
        "usage: RunActiveMQ --port PORT --directory DIR [options]",
        "       RunActiveMQ --config FILE",
        "  --config FILE           as its activemq.xml says, which finds activemq.conf beside it and activemq.base above that;",
        "                          nothing else is looked at then",
        "  --host HOST             where it listens (127.0.0.1)",
        "  --port 0                picks a free port",
        "  --discovery URI         the group that is told of it, as multicast://default",
        "  --concurrent BOOL       concurrentStoreAndDispatchQueues (true, as ActiveMQ has it)",
        "  --lock-poll MS          how often a slave tries the lock (10000, as ActiveMQ has it)",
        "  --name NAME             broker name (localhost)",
        "  --scheduler             start the delayed-delivery scheduler",
        "  --statistics            answers on ActiveMQ.Statistics.* (StatisticsBrokerPlugin)",
        "  --bridge URI            a network connector, one way, as static:(tcp://HOST:PORT) or multicast://default; of the name NC",
        "  --network-ttl N         networkTTL of NC (1, as ActiveMQ has it)",
        "  --duplex-bridge URI     another that wants to be duplex; of the name ND",
        "  --connector OPTIONS     query for the connector's URI, as wireFormat.maxFrameSize=1000000",
        "prints: LISTENING URI pid=N  when it serves (a slave: when it became master)",
        "        STOPPED              after SIGTERM or the line 'stop' on stdin");

    public static void main(String[] arguments) throws Exception {
        Options options = new Options(USAGE, arguments);
        String file = options.text("config", "");
        BrokerService broker = file.isEmpty() ? made(options) : configured(new File(file));
        options.finished();
        broker.setUseShutdownHook(false);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                broker.stop();
                broker.waitUntilStopped();
                Say.line("STOPPED");
            } catch (Exception problem) {
                Say.line("FAIL stop: " + Say.reason(problem));
            }
        }));
        broker.start(true);
        broker.waitUntilStarted();
        InetSocketAddress bound = broker.getTransportConnectors().get(0).getServer().getSocketAddress();
        String host = bound.getAddress().isAnyLocalAddress() ? "127.0.0.1" : bound.getAddress().getHostAddress();
        Say.line("LISTENING tcp://" + host + ":" + bound.getPort() + " pid=" + ProcessHandle.current().pid()
            + " after_ms=" + ManagementFactory.getRuntimeMXBean().getUptime());
        // The end of stdin is not a reason to stop: a broker may well be started without one.
        String line;
        var stdin = new java.io.BufferedReader(new java.io.InputStreamReader(System.in));
        while ((line = stdin.readLine()) != null) {
            if (line.equals("stop")) {
                System.exit(0);
            }
        }
        broker.waitUntilStopped();
    }

    private static BrokerService made(Options options) throws Exception {
        long port = options.number("port", 0);
        File directory = new File(options.required("directory"));
        boolean concurrent = Boolean.parseBoolean(options.text("concurrent", "true"));
        long poll = options.number("lock-poll", 10_000);
        String name = options.text("name", "localhost");
        String host = options.text("host", "127.0.0.1");
        String discovery = options.text("discovery", "");
        boolean scheduler = options.flag("scheduler");
        boolean statistics = options.flag("statistics");
        String connector = options.text("connector", "");
        String bridge = options.text("bridge", "");
        String duplex = options.text("duplex-bridge", "");
        long networkTtl = options.number("network-ttl", 1);

        KahaDBPersistenceAdapter store = new KahaDBPersistenceAdapter();
        store.setDirectory(new File(directory, "kahadb"));
        store.setJournalDiskSyncStrategy(JournalDiskSyncStrategy.ALWAYS.name().toLowerCase());
        store.setConcurrentStoreAndDispatchQueues(concurrent);
        store.getLocker().setLockAcquireSleepInterval(poll);

        BrokerService broker = new BrokerService();
        broker.setBrokerName(name);
        broker.setDataDirectoryFile(directory);
        broker.setPersistenceAdapter(store);
        broker.setUseJmx(false);
        broker.setSchedulerSupport(scheduler);
        if (statistics) {
            broker.setPlugins(new org.apache.activemq.broker.BrokerPlugin[] {
                new org.apache.activemq.plugin.StatisticsBrokerPlugin()});
        }
        if (!bridge.isEmpty()) {
            NetworkConnector connected = broker.addNetworkConnector(bridge);
            connected.setName("NC");
            connected.setNetworkTTL((int) networkTtl);
        }
        if (!duplex.isEmpty()) {
            NetworkConnector connected = broker.addNetworkConnector(duplex);
            connected.setName("ND");
            connected.setDuplex(true);
        }
        TransportConnector listens =
            broker.addConnector("tcp://" + host + ":" + port + (connector.isEmpty() ? "" : "?" + connector));
        if (!discovery.isEmpty()) {
            listens.setDiscoveryUri(new URI(discovery));
        }
        return broker;
    }

    /** What Debian's start script and upstream's say of the directories. */
    private static BrokerService configured(File file) throws Exception {
        File conf = file.getAbsoluteFile().getParentFile();
        File base = conf.getParentFile();
        System.setProperty("activemq.conf", conf.getPath());
        System.setProperty("activemq.base", base.getPath());
        System.setProperty("activemq.home", base.getPath());
        System.setProperty("activemq.data", new File(base, "data").getPath());
        return BrokerFactory.createBroker("xbean:" + file.getAbsoluteFile().toURI(), false);
    }
}
