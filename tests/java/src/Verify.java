import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Judges a run by its ledgers, after the queue was drained.
 *
 * <p>An id is <em>sure</em> when its send was answered or its transaction committed, <em>in doubt</em> when the
 * producer got an exception or died before the answer, <em>never</em> when its transaction was not asked to commit.
 * Receipts count as <em>settled</em> when a consumer's commit was answered, as <em>doubtful</em> when it was not.
 *
 * <p>lost: sure, and received in no settled and no doubtful transaction. duplicated: settled more than once
 * (transacted only; a doubtful one and then a settled one is what the client was told to expect). torn: a
 * producer's in-doubt transaction of which some messages came and some did not. phantom: received though never
 * sent or rolled back. disordered (with --order): a producer's messages settled against their order.
 */
public final class Verify {
    static final String USAGE = String.join("\n",
        "usage: Verify --sent FILE,... --received FILE,... [--mode transacted|auto|client] [--order]",
        "  --mode        auto and client promise at least once: duplicates are counted, not judged (transacted)",
        "  --order       a single consumer: per-producer order is judged too",
        "  --dead FILE,...  ledgers of a consumer that drained the dead-letter queue: counted, not judged, because",
        "                ActiveMQ's client itself sends there what comes again after a failover and was consumed before",
        "prints: VIOLATION kind id (the first 20), then",
        "        sent=N sure=N indoubt=N never=N settled=N lost=N duplicated=N torn=N phantom=N disordered=N dead=N",
        "exit code 0 when there is no violation");

    private final Set<String> sending = new HashSet<>();
    private final Set<String> sure = new HashSet<>();
    private final Set<String> never = new HashSet<>();
    private final Map<String, List<String>> openSends = new LinkedHashMap<>();
    private final Map<String, Integer> settled = new HashMap<>();
    private final Map<String, Integer> doubtful = new HashMap<>();
    private final List<String> order = new ArrayList<>();
    private final Map<String, Long> violations = new LinkedHashMap<>();
    private long printed;

    public static void main(String[] arguments) throws Exception {
        Options options = new Options(USAGE, arguments);
        List<String> sent = options.list("sent");
        List<String> received = options.list("received");
        List<String> dead = options.list("dead");
        String mode = options.text("mode", "transacted");
        boolean ordered = options.flag("order");
        options.finished();
        Verify self = new Verify();
        for (String kind : new String[] {"lost", "duplicated", "torn", "phantom", "disordered"}) {
            self.violations.put(kind, 0L);
        }
        for (String file : sent) {
            self.readSent(file);
        }
        for (String file : received) {
            self.readReceived(file, mode);
        }
        System.exit(self.judge(mode, ordered, dead) ? 0 : 1);
    }

    /** A ledger's line: the fact, a name or id, and more words up to the reason. A last line without its end is void. */
    private static List<String[]> facts(String file) throws IOException {
        String text = Files.readString(Path.of(file), StandardCharsets.UTF_8);
        List<String[]> facts = new ArrayList<>();
        for (String line : text.substring(0, text.lastIndexOf('\n') + 1).split("\n")) {
            String fact = line.split(" ! ", 2)[0].trim();
            if (!fact.isEmpty()) {
                facts.add(fact.split(" "));
            }
        }
        return facts;
    }

    private static List<String> ids(String[] fact) {
        return Arrays.asList(fact).subList(2, fact.length);
    }

    private void readSent(String file) throws IOException {
        for (String[] fact : facts(file)) {
            switch (fact[0]) {
                case "SENDING": sending.add(fact[1]); break;
                case "ACKED": sure.add(fact[1]); break;
                case "COMMITTING": openSends.put(file + " " + fact[1], ids(fact)); break;
                case "COMMITTED":
                    sure.addAll(ids(fact));
                    openSends.remove(file + " " + fact[1]);
                    break;
                case "ROLLEDBACK":
                    never.addAll(ids(fact));
                    openSends.remove(file + " " + fact[1]);
                    break;
                case "INDOUBT": break; // What is sending and not sure stays in doubt; its transaction stays open.
                default: throw new IOException(file + ": unknown fact " + fact[0]);
            }
        }
    }

    private void readReceived(String file, String mode) throws IOException {
        Map<String, List<String>> open = new LinkedHashMap<>();
        for (String[] fact : facts(file)) {
            switch (fact[0]) {
                case "RECEIVED":
                    if (mode.equals("auto")) {
                        settle(List.of(fact[1]));
                    }
                    break;
                case "COMMITTING": open.put(fact[1], ids(fact)); break;
                case "COMMITTED":
                    open.remove(fact[1]);
                    settle(ids(fact));
                    break;
                case "ROLLEDBACK": open.remove(fact[1]); break;
                case "INDOUBT": break; // It stays open: what it holds may be gone or come again.
                default: throw new IOException(file + ": unknown fact " + fact[0]);
            }
        }
        for (Collection<String> ids : open.values()) {
            ids.forEach(id -> doubtful.merge(id, 1, Integer::sum));
        }
    }

    private void settle(List<String> ids) {
        for (String id : ids) {
            settled.merge(id, 1, Integer::sum);
            order.add(id);
        }
    }

    private void violation(String kind, String what) {
        violations.merge(kind, 1L, Long::sum);
        if (printed++ < 20) {
            Say.line("VIOLATION " + kind + " " + what);
        }
    }

    private boolean came(String id) {
        return settled.containsKey(id) || doubtful.containsKey(id);
    }

    private boolean judge(String mode, boolean ordered, List<String> dead) throws IOException {
        for (String id : sure) {
            if (!came(id)) {
                violation("lost", id);
            }
        }
        long duplicates = 0;
        for (Map.Entry<String, Integer> entry : settled.entrySet()) {
            if (entry.getValue() > 1) {
                duplicates++;
                if (mode.equals("transacted")) {
                    violation("duplicated", entry.getKey() + " settled " + entry.getValue() + " times");
                }
            }
        }
        violations.put("duplicated", duplicates);
        Set<String> all = new HashSet<>(settled.keySet());
        all.addAll(doubtful.keySet());
        for (String id : all) {
            if (!sending.contains(id) || never.contains(id)) {
                violation("phantom", id + (never.contains(id) ? " was rolled back" : " was never sent"));
            }
        }
        for (Map.Entry<String, List<String>> transaction : openSends.entrySet()) {
            long here = transaction.getValue().stream().filter(this::came).count();
            if (here != 0 && here != transaction.getValue().size()) {
                violation("torn", transaction.getKey() + ": " + here + " of " + transaction.getValue().size());
            }
        }
        if (ordered) {
            Map<String, Long> last = new HashMap<>();
            for (String id : order) {
                int dash = id.lastIndexOf('-');
                long n = Long.parseLong(id.substring(dash + 1));
                Long before = last.put(id.substring(0, dash), n);
                if (before != null && before >= n && mode.equals("transacted")) {
                    violation("disordered", id + " after " + before);
                }
            }
        }
        long buried = 0;
        for (String file : dead) {
            for (String[] fact : facts(file)) {
                buried += fact[0].equals("RECEIVED") && sending.contains(fact[1]) ? 1 : 0;
            }
        }
        long doubt = sending.stream().filter(id -> !sure.contains(id) && !never.contains(id)).count();
        StringBuilder summary = new StringBuilder("sent=" + sending.size() + " sure=" + sure.size() + " indoubt="
            + doubt + " never=" + never.size() + " settled=" + settled.size() + " receipts_indoubt=" + doubtful.size());
        boolean clean = true;
        for (Map.Entry<String, Long> kind : violations.entrySet()) {
            summary.append(' ').append(kind.getKey()).append('=').append(kind.getValue());
            clean &= kind.getValue() == 0 || kind.getKey().equals("duplicated") && !mode.equals("transacted");
        }
        Say.line(summary + " dead=" + buried);
        return clean;
    }
}
