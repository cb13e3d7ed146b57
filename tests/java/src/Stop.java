import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.Map;
import java.util.concurrent.CountDownLatch;

/** When a load program ends: told by the line 'stop' on stdin, or after a number of seconds. */
final class Stop {
    private final long end;
    private volatile boolean told;
    private final CountDownLatch toldLatch = new CountDownLatch(1);

    /** @param words other lines on stdin and what they start */
    Stop(long seconds, Map<String, Runnable> words) {
        this.end = System.nanoTime() + seconds * 1_000_000_000L;
        Thread reader = new Thread(() -> {
            try (BufferedReader in = new BufferedReader(new InputStreamReader(System.in))) {
                String line;
                while ((line = in.readLine()) != null) {
                    if (line.equals("stop")) {
                        tell();
                    } else if (words.containsKey(line)) {
                        words.get(line).run();
                    }
                }
            } catch (Exception ignored) {
                // The end of stdin says nothing.
            }
        }, "stdin");
        reader.setDaemon(true);
        reader.start();
    }

    void tell() {
        told = true;
        toldLatch.countDown();
    }

    boolean now() {
        return told || System.nanoTime() > end;
    }

    void await() throws InterruptedException {
        long left;
        while (!told && (left = end - System.nanoTime()) > 0) {
            toldLatch.await(left, java.util.concurrent.TimeUnit.NANOSECONDS);
        }
    }
}
