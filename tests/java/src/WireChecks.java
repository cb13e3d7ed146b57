import org.apache.activemq.ActiveMQConnection;
import org.apache.activemq.openwire.OpenWireFormat;

/** The same behaviour over every wire format a client may ask for. */
final class WireChecks {
    private WireChecks() {}

    /** A cross-section: bodies, properties, transactions, redelivery, topics, temporary queues, browsing, pulling. */
    private static final String[] CROSS_SECTION = {
        "message-text", "message-bytes", "message-map", "message-properties", "message-headers",
        "message-reply-to-kinds", "acknowledge-individual", "transaction-receive-and-send-together",
        "redelivery-rollback", "dead-letter-after-rollbacks", "durable-offline-messages-kept",
        "durable-unsubscribe-unknown-refused", "topic-no-local", "temporary-queue-request-reply",
        "browse-sees-and-leaves", "prefetch-zero-pulls", "composite-queues-and-topic", "advisory-destination-source",
        "send-producer-window",
    };

    private interface Negotiated {
        void check(OpenWireFormat format) throws Exception;
    }

    static void add(Semantics suite) {
        variant(suite, "wire-loose", "wireFormat.tightEncodingEnabled=false", format ->
            Bench.equal("tight encoding", format.isTightEncodingEnabled(), false));
        variant(suite, "wire-no-cache", "wireFormat.cacheEnabled=false", format ->
            Bench.equal("cache", format.isCacheEnabled(), false));
        variant(suite, "wire-loose-no-cache", "wireFormat.tightEncodingEnabled=false&wireFormat.cacheEnabled=false",
            format -> Bench.require(!format.isTightEncodingEnabled() && !format.isCacheEnabled(), "negotiated: " + format));
        // ActiveMQ's client spins for ever below 100; here it evicts all the time.
        variant(suite, "wire-small-cache", "wireFormat.cacheSize=120", format ->
            Bench.equal("cache", format.isCacheEnabled(), true));
        variant(suite, "wire-no-stack-traces", "wireFormat.stackTraceEnabled=false", format ->
            Bench.equal("stack traces", format.isStackTraceEnabled(), false));
        variant(suite, "wire-no-inactivity-monitor", "wireFormat.maxInactivityDuration=0", format -> { });
        for (int version = 1; version <= 12; version++) {
            int wanted = version;
            variant(suite, "wire-version-" + version, "wireFormat.version=" + version, format ->
                Bench.equal("version", format.getVersion(), wanted));
        }
        suite.add("wire-version-3-loose", bench -> crossSection(suite, bench,
            "wireFormat.version=3&wireFormat.tightEncodingEnabled=false", format ->
                Bench.equal("version", format.getVersion(), 3)));
        suite.add("wire-defaults", bench -> {
            OpenWireFormat format = Bench.wire(bench.connection());
            Bench.equal("version", format.getVersion(), 12);
            Bench.equal("tight encoding", format.isTightEncodingEnabled(), true);
            Bench.equal("cache", format.isCacheEnabled(), true);
        });
    }

    private static void variant(Semantics suite, String name, String options, Negotiated negotiated) {
        suite.add(name, bench -> crossSection(suite, bench, options, negotiated));
    }

    private static void crossSection(Semantics suite, Bench bench, String options, Negotiated negotiated)
            throws Exception {
        String url = bench.with(options);
        ActiveMQConnection connection = bench.connection(url);
        negotiated.check(Bench.wire(connection));
        connection.close();
        for (String part : CROSS_SECTION) {
            // Version 1 has no command to pull with.
            if (part.equals("prefetch-zero-pulls") && options.endsWith("version=1")) {
                continue;
            }
            try (Bench inner = new Bench(part + "." + options.replaceAll("[^A-Za-z0-9]", ""), url)) {
                suite.named(part).run(inner);
            } catch (Exception problem) {
                Check.Failed failed = new Check.Failed(part + ": "
                    + (problem instanceof Check.Failed ? problem.getMessage() : Say.reason(problem)));
                failed.setStackTrace(problem.getStackTrace());
                throw failed;
            }
        }
    }
}
