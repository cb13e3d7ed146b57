import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * What a client sees of the policies in tests/config/policies/activemq.xml, as lines that two brokers can be compared by. Nothing is judged here.
 * It wants a broker that was just started on an empty store: its destinations are those of the file.
 */
public final class PolicyScript {
    static final String USAGE = String.join("\n",
        "usage: PolicyScript URL [options]",
        "  --only NAME,...   play these scenes; 'dead-*' names all that begin so",
        "  --list            print their names",
        "  --jobs N          play N at a time (4)",
        "prints: SAW scene: what the client saw, scene by scene in one order; BROKE scene: why, where it could not be played to its end",
        "exit code 0 when all were played, 1 when one broke");

    /** Plays something and says what it saw of it. */
    @FunctionalInterface
    interface Scene {
        void play(Bench bench, List<String> saw) throws Exception;
    }

    private final Map<String, Scene> scenes = new LinkedHashMap<>();

    private PolicyScript() {
        PrefetchScenes.add(this);
        DeadLetterScenes.add(this);
        RoomScenes.add(this);
    }

    void add(String name, Scene scene) {
        if (scenes.put(name, scene) != null) {
            throw new IllegalStateException("two scenes are called " + name);
        }
    }

    private static boolean matches(String name, List<String> patterns) {
        return patterns.isEmpty() || patterns.stream().anyMatch(pattern -> pattern.endsWith("*")
            ? name.startsWith(pattern.substring(0, pattern.length() - 1)) : name.equals(pattern));
    }

    public static void main(String[] arguments) throws Exception {
        Options options = new Options(USAGE, arguments);
        List<String> only = options.list("only");
        boolean list = options.flag("list");
        int jobs = (int) options.number("jobs", 4);
        options.finished();
        PolicyScript script = new PolicyScript();
        script.scenes.keySet().removeIf(name -> !matches(name, only));
        if (list) {
            script.scenes.keySet().forEach(Say::line);
            return;
        }
        String url = options.word(0, "URL");
        if (script.scenes.isEmpty()) {
            System.err.println("no scene matches " + only);
            System.exit(2);
        }
        ExecutorService lanes = Executors.newFixedThreadPool(jobs);
        List<Callable<List<String>>> work = new ArrayList<>();
        script.scenes.forEach((name, scene) -> work.add(() -> play(name, scene, url)));
        boolean whole = true;
        for (Future<List<String>> played : lanes.invokeAll(work)) {
            for (String line : played.get()) {
                whole &= !line.startsWith("BROKE ");
                Say.line(line);
            }
        }
        System.exit(whole ? 0 : 1);
    }

    private static List<String> play(String name, Scene scene, String url) {
        List<String> saw = new ArrayList<>();
        List<String> lines = new ArrayList<>();
        long begin = System.nanoTime();
        try (Bench bench = new Bench(name, url)) {
            scene.play(bench, saw);
        } catch (Exception problem) {
            lines.add("BROKE " + name + ": " + (problem instanceof Check.Failed ? problem.getMessage() : Say.reason(problem)));
        }
        saw.forEach(line -> lines.add("SAW " + name + ": " + line));
        lines.add("# " + name + " ms=" + (System.nanoTime() - begin) / 1_000_000);
        return lines;
    }
}
