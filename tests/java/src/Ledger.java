import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Collection;
import java.util.concurrent.atomic.AtomicLong;

/**
 * What a client did and was told, one line per fact, handed to the operating system before the client goes on: a
 * ledger outlives its client. Verify reads them.
 */
final class Ledger implements AutoCloseable {
    private final FileOutputStream file;
    private final boolean echo;
    private final long every;
    private final AtomicLong facts = new AtomicLong();

    /** @param every print {@code PROGRESS n} on stdout after so many outcomes; echo prints each line */
    Ledger(String path, boolean echo, long every) throws IOException {
        this.file = new FileOutputStream(path, true);
        this.echo = echo;
        this.every = every;
    }

    synchronized void line(String line) throws IOException {
        file.write((line.replace('\n', ' ').replace('\r', ' ') + "\n").getBytes(StandardCharsets.UTF_8));
        if (echo) {
            Say.line(line);
        }
    }

    void transaction(String what, String name, Collection<String> ids, String reason) throws IOException {
        line(what + " " + name + " " + String.join(" ", ids) + (reason == null ? "" : " ! " + reason));
    }

    /** So many more outcomes are known: what PROGRESS counts. */
    void progress(long more) {
        long now = facts.addAndGet(more);
        if (every > 0 && now / every != (now - more) / every) {
            Say.line("PROGRESS " + now);
        }
    }

    @Override
    public void close() throws IOException {
        file.close();
    }
}
