import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import javax.jms.Connection;
import javax.jms.DeliveryMode;
import javax.jms.MessageConsumer;
import javax.jms.MessageProducer;
import javax.jms.Session;
import org.apache.activemq.ActiveMQConnectionFactory;
import org.apache.activemq.command.ActiveMQTopic;
import org.apache.activemq.command.Command;
import org.apache.activemq.command.ConnectionError;
import org.apache.activemq.command.ConnectionId;
import org.apache.activemq.command.ConnectionInfo;
import org.apache.activemq.command.ConsumerId;
import org.apache.activemq.command.ConsumerInfo;
import org.apache.activemq.command.ExceptionResponse;
import org.apache.activemq.command.MessageAck;
import org.apache.activemq.command.ProducerId;
import org.apache.activemq.command.ProducerInfo;
import org.apache.activemq.command.SessionId;
import org.apache.activemq.command.SessionInfo;
import org.apache.activemq.command.WireFormatInfo;
import org.apache.activemq.openwire.OpenWireFormat;
import org.apache.activemq.openwire.OpenWireFormatFactory;
import org.apache.activemq.util.ByteSequence;

/** What badly behaved clients do, on bare sockets; and what the broker does about it. */
public final class RawPeer {
    static final String USAGE = String.join("\n",
        "usage: RawPeer HOST:PORT [CASE...] [options]",
        "  --wait MS            how long to watch a connection (3000)",
        "  --half-open N        connections of the case half-open (500)",
        "  --expect-closed      a connection still open at the end of the wait fails its case,",
        "                       but for those that may wait or be answered: half-*, truncated-frame, stops-reading, *-of-unknown-*",
        "  --seed N             of random bytes (1)",
        "  --list               the cases",
        "prints: CASE name closed ms=N answered=WHAT | CASE name open ms=N answered=WHAT",
        "        then PASS name | FAIL name: reason: whether the broker served a good client right after",
        "exit code 0 when it did each time");

    private interface Case {
        void run(Peer peer) throws Exception;
    }

    private final String host;
    private final int port;
    private final int wait;
    private final int halfOpen;
    private final long seed;
    private final Map<String, Case> cases = new LinkedHashMap<>();
    private static final List<String> MAY_STAY =
        List.of("half-open", "half-handshake", "truncated-frame", "stops-reading", "session-of-unknown-connection",
            "producer-of-unknown-session", "acknowledge-of-unknown-consumer");

    /** A socket with OpenWire's own marshaller beside it, for the parts that are well formed. */
    private final class Peer implements AutoCloseable {
        final Socket socket = new Socket();
        final DataOutputStream out;
        final DataInputStream in;
        final OpenWireFormat format;
        final List<String> answers = new ArrayList<>();
        String outcome;

        Peer(int receiveBuffer) throws IOException {
            if (receiveBuffer > 0) {
                socket.setReceiveBufferSize(receiveBuffer);
            }
            socket.connect(new InetSocketAddress(host, port), 5000);
            socket.setSoTimeout(wait);
            out = new DataOutputStream(socket.getOutputStream());
            in = new DataInputStream(socket.getInputStream());
            format = (OpenWireFormat) new OpenWireFormatFactory().createWireFormat();
        }

        byte[] bytes(Command command) throws IOException {
            ByteSequence packet = format.marshal(command);
            return Arrays.copyOfRange(packet.data, packet.offset, packet.offset + packet.length);
        }

        void send(Command command) throws IOException {
            out.write(bytes(command));
            out.flush();
        }

        WireFormatInfo hello() throws IOException {
            return format.getPreferedWireFormatInfo();
        }

        /** Sends our WireFormatInfo, reads the broker's, and goes on as negotiated. */
        void handshake() throws IOException {
            send(hello());
            Command first = (Command) format.unmarshal(in);
            if (!(first instanceof WireFormatInfo)) {
                throw new IOException("expected WireFormatInfo, got " + first);
            }
            format.renegotiateWireFormat((WireFormatInfo) first);
        }

        ConnectionInfo connect(String clientId) throws IOException {
            handshake();
            ConnectionInfo info = new ConnectionInfo(new ConnectionId("ID:raw-" + System.nanoTime()));
            info.setClientId(clientId);
            info.setResponseRequired(true);
            info.setCommandId(1);
            send(info);
            return info;
        }

        /** Reads until the broker closes or the time is over, noting what it says. */
        void watch() {
            long begin = System.nanoTime();
            try {
                while (true) {
                    long left = wait - (System.nanoTime() - begin) / 1_000_000;
                    if (left <= 0) {
                        throw new SocketTimeoutException();
                    }
                    socket.setSoTimeout((int) left);
                    Object command = format.unmarshal(in);
                    String text = command.getClass().getSimpleName();
                    if (command instanceof ConnectionError) {
                        text += "(" + Say.reason(((ConnectionError) command).getException()) + ")";
                    } else if (command instanceof ExceptionResponse) {
                        text += "(" + Say.reason(((ExceptionResponse) command).getException()) + ")";
                    }
                    if (answers.size() < 8) {
                        answers.add(text);
                    }
                }
            } catch (SocketTimeoutException open) {
                outcome = "open";
            } catch (EOFException end) {
                outcome = "closed";
            } catch (IOException reset) {
                outcome = "closed";
                answers.add("reset");
            }
            outcome += " ms=" + (System.nanoTime() - begin) / 1_000_000;
        }

        @Override
        public void close() throws IOException {
            socket.close();
        }
    }

    private RawPeer(String address, int wait, int halfOpen, long seed) {
        this.host = address.substring(0, address.lastIndexOf(':'));
        this.port = Integer.parseInt(address.substring(address.lastIndexOf(':') + 1));
        this.wait = wait;
        this.halfOpen = halfOpen;
        this.seed = seed;
        cases.put("oversized-length", peer -> raw(peer, frame(0x7fffffff, new byte[] {1, 2, 3})));
        cases.put("negative-length", peer -> raw(peer, frame(-1, new byte[] {1, 2, 3})));
        cases.put("zero-length", peer -> raw(peer, frame(0, new byte[0])));
        cases.put("wrong-magic", peer -> {
            byte[] hello = peer.bytes(peer.hello());
            hello[5] ^= 0x20;
            raw(peer, hello);
        });
        cases.put("http-request", peer -> raw(peer, "GET / HTTP/1.1\r\nHost: x\r\n\r\n".getBytes(StandardCharsets.UTF_8)));
        cases.put("random-bytes", peer -> {
            byte[] noise = new byte[4096];
            new Random(seed).nextBytes(noise);
            raw(peer, noise);
        });
        cases.put("truncated-frame", peer -> {
            peer.handshake();
            raw(peer, frame(1000, new byte[10]));
        });
        cases.put("truncated-frame-then-closed", peer -> {
            peer.handshake();
            peer.out.write(frame(1000, new byte[10]));
            peer.socket.shutdownOutput();
            peer.watch();
        });
        cases.put("half-handshake", peer -> {
            byte[] hello = peer.bytes(peer.hello());
            raw(peer, Arrays.copyOf(hello, hello.length / 2));
        });
        cases.put("oversized-after-handshake", peer -> {
            peer.handshake();
            raw(peer, frame(0x7ffffff0, new byte[100]));
        });
        cases.put("just-over-limit-after-handshake", peer -> {
            peer.handshake();
            raw(peer, frame((int) Math.min(Integer.MAX_VALUE, peer.format.getMaxFrameSize() + 1), new byte[100]));
        });
        cases.put("unknown-command-type", peer -> {
            peer.handshake();
            raw(peer, frame(20, new byte[] {(byte) 250, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0}));
        });
        cases.put("random-commands", peer -> {
            peer.handshake();
            Random random = new Random(seed);
            ByteArrayOutputStream noise = new ByteArrayOutputStream();
            for (int i = 0; i < 50; i++) {
                byte[] body = new byte[1 + random.nextInt(200)];
                random.nextBytes(body);
                body[0] = (byte) random.nextInt(130);
                noise.write(frame(body.length, body));
            }
            raw(peer, noise.toByteArray());
        });
        cases.put("inner-length-lies", peer -> {
            // A string inside a command that claims to be longer than its frame.
            peer.handshake();
            byte[] command = command(peer, "AAAAAAAAAAAAAAAA");
            int at = find(command, 'A');
            command[at - 2] = (byte) 0x7f;
            command[at - 1] = (byte) 0xff;
            raw(peer, command);
        });
        cases.put("string-not-utf-8", peer -> {
            peer.handshake();
            byte[] command = command(peer, "AAAAAAAAAAAAAAAA");
            int at = find(command, 'A');
            Arrays.fill(command, at, at + 16, (byte) 0xff);
            raw(peer, command);
        });
        cases.put("session-of-unknown-connection", peer -> {
            peer.handshake();
            SessionInfo info = new SessionInfo(new SessionId(new ConnectionId("ID:nobody"), 1));
            required(peer, info);
        });
        cases.put("producer-of-unknown-session", peer -> {
            ConnectionInfo connection = peer.connect("raw-" + System.nanoTime());
            required(peer, new ProducerInfo(new ProducerId(new SessionId(connection.getConnectionId(), 7), 1)));
        });
        cases.put("acknowledge-of-unknown-consumer", peer -> {
            ConnectionInfo connection = peer.connect("raw-" + System.nanoTime());
            MessageAck ack = new MessageAck();
            ack.setAckType(MessageAck.STANDARD_ACK_TYPE);
            ack.setConsumerId(new ConsumerId(new SessionId(connection.getConnectionId(), 7), 1));
            ack.setDestination(new org.apache.activemq.command.ActiveMQQueue("raw"));
            ack.setMessageCount(1);
            required(peer, ack);
        });
        cases.put("half-open", this::halfOpen);
        cases.put("stops-reading", this::stopsReading);
    }

    private static byte[] frame(int length, byte[] body) {
        return java.nio.ByteBuffer.allocate(4 + body.length).putInt(length).put(body).array();
    }

    private static byte[] command(Peer peer, String clientId) throws IOException {
        ConnectionInfo info = new ConnectionInfo(new ConnectionId("ID:raw"));
        info.setClientId(clientId);
        info.setResponseRequired(true);
        info.setCommandId(1);
        return peer.bytes(info);
    }

    private static int find(byte[] bytes, char first) {
        for (int i = 0; i + 1 < bytes.length; i++) {
            if (bytes[i] == first && bytes[i + 1] == first) {
                return i;
            }
        }
        throw new IllegalStateException("the marker is not in the command");
    }

    private static void raw(Peer peer, byte[] bytes) throws IOException {
        try {
            peer.out.write(bytes);
            peer.out.flush();
        } catch (IOException alreadyClosed) {
            // The broker may close while we still write: watch() sees it.
        }
        peer.watch();
    }

    private static void required(Peer peer, org.apache.activemq.command.BaseCommand command) throws IOException {
        command.setCommandId(9);
        command.setResponseRequired(true);
        peer.send(command);
        peer.watch();
    }

    /** Many connections that say nothing: how many are still there, and is everyone else served meanwhile? */
    private void halfOpen(Peer peer) throws Exception {
        List<Socket> sockets = new ArrayList<>();
        long begin = System.nanoTime();
        try {
            for (int i = 0; i < halfOpen; i++) {
                Socket socket = new Socket();
                try {
                    socket.connect(new InetSocketAddress(host, port), 2000);
                } catch (IOException refused) {
                    break;
                }
                sockets.add(socket);
            }
            long opened = (System.nanoTime() - begin) / 1_000_000;
            serve("while " + sockets.size() + " connections say nothing");
            peer.watch();
            int closed = 0;
            for (Socket socket : sockets) {
                socket.setSoTimeout(1);
                try {
                    // The broker's own greeting comes first; then an end, or silence.
                    byte[] greeting = new byte[4096];
                    int read;
                    do {
                        read = socket.getInputStream().read(greeting);
                    } while (read >= 0);
                    closed++;
                } catch (SocketTimeoutException open) {
                    // Still there.
                } catch (IOException reset) {
                    closed++;
                }
            }
            peer.answers.add("opened=" + sockets.size() + " in_ms=" + opened + " closed=" + closed);
        } finally {
            for (Socket socket : sockets) {
                socket.close();
            }
        }
    }

    /** A subscriber that stops reading while messages are published: who else is held up? */
    private void stopsReading(Peer peer) throws Exception {
        ActiveMQTopic topic = new ActiveMQTopic("raw.stops-reading." + System.nanoTime());
        ConnectionInfo connection = peer.connect("raw-" + System.nanoTime());
        SessionInfo session = new SessionInfo(new SessionId(connection.getConnectionId(), 1));
        session.setCommandId(2);
        peer.send(session);
        ConsumerInfo consumer = new ConsumerInfo(new ConsumerId(session.getSessionId(), 1));
        consumer.setDestination(topic);
        consumer.setPrefetchSize(32766);
        consumer.setDispatchAsync(true);
        consumer.setCommandId(3);
        consumer.setResponseRequired(true);
        peer.send(consumer);
        for (Object answer = null; !(answer instanceof org.apache.activemq.command.Response)
                || ((org.apache.activemq.command.Response) answer).getCorrelationId() != 3;) {
            answer = peer.format.unmarshal(peer.in);
        }
        // From here on nothing is read.
        Connection good = new ActiveMQConnectionFactory("tcp://" + host + ":" + port).createConnection();
        try {
            good.start();
            AtomicLong got = new AtomicLong();
            MessageConsumer reading = Bench.session(good, Session.AUTO_ACKNOWLEDGE).createConsumer(topic);
            reading.setMessageListener(message -> got.incrementAndGet());
            AtomicLong published = new AtomicLong();
            AtomicBoolean over = new AtomicBoolean();
            Connection sending = new ActiveMQConnectionFactory("tcp://" + host + ":" + port).createConnection();
            Thread publisher = new Thread(() -> {
                try {
                    Session s = Bench.session(sending, Session.AUTO_ACKNOWLEDGE);
                    MessageProducer producer = s.createProducer(topic);
                    producer.setDeliveryMode(DeliveryMode.NON_PERSISTENT);
                    javax.jms.BytesMessage message = s.createBytesMessage();
                    message.writeBytes(new byte[64 * 1024]);
                    while (!over.get() && published.get() < 2000) {
                        producer.send(message);
                        published.incrementAndGet();
                    }
                } catch (Exception end) {
                    // The connection is closed at the end of the case.
                }
            });
            publisher.setDaemon(true);
            publisher.start();
            publisher.join(wait);
            boolean blocked = publisher.isAlive();
            serve("while a subscriber does not read");
            over.set(true);
            peer.answers.add("published_64k=" + published + " other_subscriber_got=" + got
                + (blocked ? " publisher=blocked" : " publisher=free"));
            sending.close();
            // What was on the way is read now: the connection is open, or the broker gave it up.
            peer.watch();
            peer.answers.removeIf(answer -> answer.equals("MessageDispatch"));
        } finally {
            good.close();
        }
    }

    /** A good client is served: sends and receives on a new connection. */
    private void serve(String when) throws Exception {
        Connection connection = new ActiveMQConnectionFactory(
            "tcp://" + host + ":" + port + "?connectionTimeout=5000&jms.sendTimeout=5000").createConnection();
        try {
            connection.start();
            Session session = Bench.session(connection, Session.AUTO_ACKNOWLEDGE);
            javax.jms.Queue queue = session.createQueue("raw.good." + System.nanoTime());
            session.createProducer(queue).send(session.createTextMessage("good"));
            Bench.require(session.createConsumer(queue).receive(5000) != null, "a good client got nothing " + when);
        } finally {
            connection.close();
        }
    }

    public static void main(String[] arguments) throws Exception {
        Options options = new Options(USAGE, arguments);
        boolean list = options.flag("list");
        RawPeer raw = new RawPeer(list ? "none:0" : options.word(0, "HOST:PORT").replace("tcp://", ""),
            (int) options.number("wait", 3000), (int) options.number("half-open", 500), options.number("seed", 1));
        boolean expectClosed = options.flag("expect-closed");
        options.finished();
        if (list) {
            raw.cases.keySet().forEach(Say::line);
            return;
        }
        List<String> chosen = options.words.subList(1, options.words.size());
        int failed = 0;
        for (Map.Entry<String, Case> entry : raw.cases.entrySet()) {
            String name = entry.getKey();
            if (!chosen.isEmpty() && !chosen.contains(name)) {
                continue;
            }
            try (Peer peer = raw.new Peer(name.equals("stops-reading") ? 4096 : 0)) {
                entry.getValue().run(peer);
                Say.line("CASE " + name + " " + peer.outcome + " answered=" + String.join(",", peer.answers));
                raw.serve("after " + name);
                Bench.require(!expectClosed || MAY_STAY.contains(name) || peer.outcome.startsWith("closed"),
                    "the connection is still open");
                Say.line("PASS " + name);
            } catch (Exception problem) {
                failed++;
                Say.line("FAIL " + name + ": "
                    + (problem instanceof Check.Failed ? problem.getMessage() : Say.reason(problem)));
            }
        }
        Say.line("TOTAL failed=" + failed);
        System.exit(failed == 0 ? 0 : 1);
    }
}
