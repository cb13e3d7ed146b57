import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** What ActiveMQ's client may rely on, as named checks; each uses destinations of its own and can run alone. */
public final class Semantics {
    static final String USAGE = String.join("\n",
        "usage: Semantics URL [options]",
        "  --only NAME,...   run these checks; 'redelivery-*' names all that begin so",
        "  --skip NAME,...   leave these out",
        "  --beyond          also the checks beyond-*: what a good broker does and ActiveMQ 5.17 does not",
        "  --list            print the names",
        "  --jobs N          run N at a time (4)",
        "  --timeout SECONDS for one check (60)",
        "prints: PASS name ms=N | FAIL name: reason, then TOTAL passed=N failed=N; exit code 0 when all passed");

    private final Map<String, Check> checks = new LinkedHashMap<>();

    Semantics() {
        MessageChecks.add(this);
        AcknowledgeChecks.add(this);
        TransactionChecks.add(this);
        RedeliveryChecks.add(this);
        DispatchChecks.add(this);
        SendingChecks.add(this);
        TopicChecks.add(this);
        DestinationChecks.add(this);
        TemporaryChecks.add(this);
        AdvisoryChecks.add(this);
        ConnectionChecks.add(this);
        FailoverChecks.add(this);
        WireChecks.add(this);
    }

    void add(String name, Check check) {
        if (checks.put(name, check) != null) {
            throw new IllegalStateException("two checks are called " + name);
        }
    }

    Check named(String name) {
        Check check = checks.get(name);
        if (check == null) {
            throw new IllegalArgumentException("no check is called " + name);
        }
        return check;
    }

    private static boolean matches(String name, List<String> patterns) {
        return patterns.stream().anyMatch(pattern -> pattern.endsWith("*")
            ? name.startsWith(pattern.substring(0, pattern.length() - 1)) : name.equals(pattern));
    }

    public static void main(String[] arguments) throws Exception {
        Options options = new Options(USAGE, arguments);
        List<String> only = options.list("only");
        List<String> skip = options.list("skip");
        boolean beyond = options.flag("beyond");
        boolean list = options.flag("list");
        int jobs = (int) options.number("jobs", 4);
        long seconds = options.number("timeout", 60);
        options.finished();
        Semantics semantics = new Semantics();
        List<String> names = new ArrayList<>();
        for (String name : semantics.checks.keySet()) {
            if ((only.isEmpty() ? beyond || !name.startsWith("beyond-") : matches(name, only)) && !matches(name, skip)) {
                names.add(name);
            }
        }
        if (list) {
            names.forEach(Say::line);
            return;
        }
        String url = options.word(0, "URL");
        if (names.isEmpty()) {
            System.err.println("no check matches " + only);
            System.exit(2);
        }
        ExecutorService lanes = Executors.newFixedThreadPool(jobs);
        List<Callable<Boolean>> work = new ArrayList<>();
        for (String name : names) {
            work.add(() -> semantics.run(name, url, seconds));
        }
        int passed = 0;
        for (Future<Boolean> result : lanes.invokeAll(work)) {
            passed += result.get() ? 1 : 0;
        }
        int failed = names.size() - passed;
        Say.line("TOTAL passed=" + passed + " failed=" + failed);
        // A check that timed out may have left threads behind: they do not keep the process.
        System.exit(failed == 0 ? 0 : 1);
    }

    private boolean run(String name, String url, long seconds) throws InterruptedException {
        long begin = System.nanoTime();
        Throwable[] problem = new Throwable[1];
        Thread thread;
        String where = "";
        try (Bench bench = new Bench(name, url)) {
            thread = new Thread(() -> {
                try {
                    named(name).run(bench);
                } catch (Throwable caught) {
                    problem[0] = caught;
                }
            }, name);
            thread.setDaemon(true);
            thread.start();
            thread.join(seconds * 1000);
            if (thread.isAlive()) {
                for (StackTraceElement frame : thread.getStackTrace()) {
                    if (frame.getClassName().endsWith("Checks")) {
                        where = " at " + frame;
                        break;
                    }
                }
                problem[0] = new Check.Failed("timed out after " + seconds + " s" + where);
                thread.interrupt();
            }
        }
        if (problem[0] == null) {
            Say.line("PASS " + name + " ms=" + (System.nanoTime() - begin) / 1_000_000);
            return true;
        }
        StackTraceElement at = null;
        for (StackTraceElement frame : problem[0].getStackTrace()) {
            if (frame.getClassName().endsWith("Checks")) {
                at = frame;
                break;
            }
        }
        Say.line("FAIL " + name + ": " + (problem[0] instanceof Check.Failed
            ? problem[0].getMessage() : Say.reason(problem[0])) + (at == null ? "" : " (" + at + ")"));
        return false;
    }
}
