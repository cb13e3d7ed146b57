import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.ArrayList;
import java.util.List;

/**
 * A wire with a meter and a switch: forwards OpenWire frames between clients and a broker on loopback, counts them by
 * command type in each direction, can hold what flows one way, and can cut.
 */
final class FrameTap implements AutoCloseable {
    // Command types of the OpenWire protocol (org.apache.activemq.command.CommandTypes).
    static final int KEEP_ALIVE_INFO = 10;
    static final int RESPONSE = 30;
    static final int MESSAGE_DISPATCH = 21;

    private final ServerSocket server;
    private final String host;
    private final int port;
    private final long[] toBroker = new long[256];
    private final long[] toClient = new long[256];
    private final List<Socket> sockets = new ArrayList<>();
    private boolean holdToClient;
    private boolean holdToBroker;
    private boolean closed;

    FrameTap(String host, int port) throws IOException {
        this.host = host;
        this.port = port;
        this.server = new ServerSocket(0, 50, InetAddress.getByName("127.0.0.1"));
        start("tap-accept", this::accept);
    }

    int port() {
        return server.getLocalPort();
    }

    private void start(String name, Runnable work) {
        Thread thread = new Thread(work, name);
        thread.setDaemon(true);
        thread.start();
    }

    private void accept() {
        try {
            while (true) {
                Socket client = server.accept();
                try {
                    Socket broker = new Socket(host, port);
                    client.setTcpNoDelay(true);
                    broker.setTcpNoDelay(true);
                    synchronized (this) {
                        sockets.add(client);
                        sockets.add(broker);
                    }
                    start("tap-to-broker", () -> pump(client, broker, true));
                    start("tap-to-client", () -> pump(broker, client, false));
                } catch (IOException refused) {
                    client.close();
                }
            }
        } catch (IOException end) {
            // The tap was closed.
        }
    }

    private void pump(Socket from, Socket to, boolean towardsBroker) {
        try {
            DataInputStream in = new DataInputStream(new java.io.BufferedInputStream(from.getInputStream(), 64 * 1024));
            DataOutputStream out = new DataOutputStream(new java.io.BufferedOutputStream(to.getOutputStream(), 64 * 1024));
            while (true) {
                // A frame: its size, then the command type as the first byte.
                int size = in.readInt();
                byte[] frame = new byte[size];
                in.readFully(frame);
                synchronized (this) {
                    if (size > 0) {
                        (towardsBroker ? toBroker : toClient)[frame[0] & 0xff]++;
                    }
                    notifyAll();
                    while (!closed && (towardsBroker ? holdToBroker : holdToClient)) {
                        wait();
                    }
                }
                out.writeInt(size);
                out.write(frame);
                if (in.available() == 0) {
                    out.flush();
                }
            }
        } catch (IOException | InterruptedException end) {
            quietly(from);
            quietly(to);
        }
    }

    private static void quietly(Socket socket) {
        try {
            socket.setSoLinger(true, 0);
            socket.close();
        } catch (IOException ignored) {
            // It is closed already.
        }
    }

    synchronized void holdToClient(boolean hold) {
        holdToClient = hold;
        notifyAll();
    }

    /** Nothing arrives any more on either side, and nobody is told: a pulled cable. */
    synchronized void holdBoth(boolean hold) {
        holdToClient = hold;
        holdToBroker = hold;
        notifyAll();
    }

    synchronized long toBroker(int type) {
        return toBroker[type];
    }

    synchronized long toClient(int type) {
        return toClient[type];
    }

    /** Waits until that many frames of a type came from one side (counted even when they are held). */
    synchronized void await(boolean towardsBroker, int type, long count, long millis) throws Exception {
        long end = System.nanoTime() + millis * 1_000_000;
        while ((towardsBroker ? toBroker : toClient)[type] < count) {
            long left = (end - System.nanoTime()) / 1_000_000;
            Bench.require(left > 0, "only " + (towardsBroker ? toBroker : toClient)[type] + " of " + count
                + " frames of type " + type + (towardsBroker ? " from the client" : " from the broker"));
            wait(left);
        }
    }

    /** Cuts every connection through this tap; what was held is lost. New connections are accepted. */
    void cut() {
        List<Socket> all;
        synchronized (this) {
            all = new ArrayList<>(sockets);
            sockets.clear();
        }
        all.forEach(FrameTap::quietly);
    }

    /**
     * Cuts, loses what was held, and lets new connections flow: each held frame belongs to a socket that is gone.
     */
    void cutAndRelease() {
        cut();
        holdBoth(false);
    }

    @Override
    public void close() throws IOException {
        synchronized (this) {
            closed = true;
            notifyAll();
        }
        server.close();
        cut();
    }
}
