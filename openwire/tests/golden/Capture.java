import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apache.activemq.command.*;
import org.apache.activemq.openwire.OpenWireFormat;
import org.apache.activemq.util.ByteSequence;

/**
 * Writes what ActiveMQ's own OpenWireFormat makes of one sample of each structure. The samples are those of
 * ../golden_samples/mod.rs, value for value: both sides draw values from the same counter in the same order.
 */
public class Capture {
    /** Draws values; the same as Sampler in ../golden_samples/mod.rs. */
    static int counter;
    static int variant;

    static boolean b() {
        counter++;
        return (counter >> variant & 1) == 1;
    }

    static byte y() {
        return (byte) (++counter % 200);
    }

    static int i() {
        return 1000 + ++counter;
    }

    static long l() {
        counter++;
        return new long[] {70000L, 5000000000L, 300L, -7L, 0L}[counter % 5] * counter;
    }

    static String s() {
        counter++;
        return counter % 4 == 0 ? "t\u00e9\u20ac\uD83D\uDE00\0x " + counter : "text " + counter;
    }

    static byte[] x() {
        counter++;
        return new byte[] {1, (byte) 0xfe, (byte) counter};
    }

    // Names that occur again and again, so that the caches have something to do.

    static ConnectionId connectionId() {
        return new ConnectionId("ID:host-1:1");
    }

    static SessionId sessionId() {
        SessionId id = new SessionId();
        id.setConnectionId("ID:host-1:1");
        id.setValue(l());
        return id;
    }

    static ConsumerId consumerId() {
        ConsumerId id = new ConsumerId();
        id.setConnectionId("ID:host-1:1");
        id.setSessionId(1);
        id.setValue(70000);
        return id;
    }

    static ProducerId producerId() {
        ProducerId id = new ProducerId();
        id.setConnectionId("ID:host-1:1");
        id.setValue(2);
        id.setSessionId(5000000000L);
        return id;
    }

    static BrokerId brokerId(String name) {
        return new BrokerId(name);
    }

    static BrokerId[] path() {
        return new BrokerId[] {brokerId("broker a"), brokerId("broker b")};
    }

    static MessageId messageId() {
        MessageId id = new MessageId();
        id.setTextView(s());
        id.setProducerId(producerId());
        id.setProducerSequenceId(l());
        id.setBrokerSequenceId(l());
        return id;
    }

    static LocalTransactionId localTransaction() {
        return new LocalTransactionId(connectionId(), 77);
    }

    static XATransactionId xaTransaction() {
        XATransactionId id = new XATransactionId();
        id.setFormatId(4711);
        id.setGlobalTransactionId(new byte[] {1, 2, 3});
        id.setBranchQualifier(new byte[] {4, 5});
        return id;
    }

    static Throwable throwable() {
        Throwable cause = new java.io.IOException(s());
        cause.setStackTrace(new StackTraceElement[] {new StackTraceElement("c.D", "m", null, -1)});
        Throwable top = new IllegalStateException(s(), cause);
        top.setStackTrace(new StackTraceElement[] {
            new StackTraceElement("a.B", "run", "B.java", i()), new StackTraceElement("a.C", "<init>", "C.java", -2)});
        return top;
    }

    static <C extends BaseCommand> C header(C command) {
        command.setCommandId(i());
        command.setResponseRequired(b());
        return command;
    }

    static <R extends Response> R response(R response) {
        header(response).setCorrelationId(i());
        return response;
    }

    static <M extends Message> M message(M m) throws Exception {
        header(m);
        m.setProducerId(producerId());
        m.setDestination(new ActiveMQQueue("stocks.a"));
        m.setTransactionId(localTransaction());
        m.setOriginalDestination(new ActiveMQTopic("stocks.>"));
        m.setMessageId(messageId());
        m.setOriginalTransactionId(xaTransaction());
        m.setGroupID(s());
        m.setGroupSequence(i());
        m.setCorrelationId(s());
        m.setPersistent(b());
        m.setExpiration(l());
        m.setPriority((byte) (++counter % 10)); // the setter keeps to 0 to 9
        m.setReplyTo(new ActiveMQTempQueue("ID:host-1:1:1"));
        m.setTimestamp(l());
        m.setType(s());
        m.setContent(new ByteSequence(x()));
        m.setMarshalledProperties(new ByteSequence(x()));
        m.setDataStructure(brokerId("advised"));
        m.setTargetConsumerId(consumerId());
        m.setCompressed(b());
        m.setRedeliveryCounter(i());
        m.setBrokerPath(path());
        m.setArrival(l());
        m.setUserID(s());
        m.setRecievedByDFBridge(b());
        m.setDroppable(b());
        m.setCluster(path());
        m.setBrokerInTime(l());
        m.setBrokerOutTime(l());
        m.setJMSXGroupFirstForConsumer(b());
        return m;
    }

    static ConsumerInfo consumerInfo() {
        ConsumerInfo c = header(new ConsumerInfo());
        c.setConsumerId(consumerId());
        c.setBrowser(b());
        c.setDestination(new ActiveMQTopic("stocks.>"));
        c.setPrefetchSize(i());
        c.setMaximumPendingMessageLimit(i());
        c.setDispatchAsync(b());
        c.setSelector(s());
        c.setClientId(s());
        c.setSubscriptionName(s());
        c.setNoLocal(b());
        c.setExclusive(b());
        c.setRetroactive(b());
        c.setPriority(y());
        c.setBrokerPath(path());
        NetworkBridgeFilter filter = new NetworkBridgeFilter();
        filter.setNetworkBrokerId(brokerId("far"));
        filter.setMessageTTL(i());
        filter.setConsumerTTL(i());
        c.setAdditionalPredicate(filter);
        c.setNetworkSubscription(b());
        c.setOptimizedAcknowledge(b());
        c.setNoRangeAcks(b());
        c.setNetworkConsumerPath(new ConsumerId[] {consumerId()});
        return c;
    }

    static BrokerInfo brokerInfo(boolean withPeer) {
        BrokerInfo c = header(new BrokerInfo());
        c.setBrokerId(brokerId("broker a"));
        c.setBrokerURL(s());
        c.setPeerBrokerInfos(withPeer ? new BrokerInfo[] {brokerInfo(false)} : null);
        c.setBrokerName(s());
        c.setSlaveBroker(b());
        c.setMasterBroker(b());
        c.setFaultTolerantConfiguration(b());
        c.setDuplexConnection(b());
        c.setNetworkConnection(b());
        c.setConnectionId(l());
        c.setBrokerUploadUrl(s());
        c.setNetworkProperties(s());
        return c;
    }

    static MessageAck messageAck() {
        MessageAck c = header(new MessageAck());
        c.setDestination(new ActiveMQQueue("stocks.a"));
        c.setTransactionId(localTransaction());
        c.setConsumerId(consumerId());
        c.setAckType(y());
        c.setFirstMessageId(messageId());
        c.setLastMessageId(messageId());
        c.setMessageCount(i());
        c.setPoisonCause(throwable());
        return c;
    }

    /** One sample of each structure, each field set. */
    static List<DataStructure> samples(int variant) throws Exception {
        Capture.counter = 0;
        Capture.variant = variant;
        List<DataStructure> all = new ArrayList<>();

        WireFormatInfo wireFormat = new WireFormatInfo();
        wireFormat.setVersion(i());
        wireFormat.setMarshalledProperties(new ByteSequence(x()));
        all.add(wireFormat);
        all.add(brokerInfo(true));

        ConnectionInfo connection = header(new ConnectionInfo());
        connection.setConnectionId(connectionId());
        connection.setClientId(s());
        connection.setPassword(s());
        connection.setUserName(s());
        connection.setBrokerPath(path());
        connection.setBrokerMasterConnector(b());
        connection.setManageable(b());
        connection.setClientMaster(b());
        connection.setFaultTolerant(b());
        connection.setFailoverReconnect(b());
        connection.setClientIp(s());
        all.add(connection);

        SessionInfo session = header(new SessionInfo());
        session.setSessionId(sessionId());
        all.add(session);
        all.add(consumerInfo());

        ProducerInfo producer = header(new ProducerInfo());
        producer.setProducerId(producerId());
        producer.setDestination(new ActiveMQQueue("stocks.a"));
        producer.setBrokerPath(path());
        producer.setDispatchAsync(b());
        producer.setWindowSize(i());
        all.add(producer);

        for (TransactionId id : new TransactionId[] {localTransaction(), xaTransaction()}) {
            TransactionInfo transaction = header(new TransactionInfo());
            transaction.setConnectionId(connectionId());
            transaction.setTransactionId(id);
            transaction.setType(y());
            all.add(transaction);
        }

        for (ActiveMQDestination destination : new ActiveMQDestination[] {new ActiveMQQueue("q"),
            new ActiveMQTopic("q"), new ActiveMQTempQueue("q"), new ActiveMQTempTopic("q")}) {
            DestinationInfo info = header(new DestinationInfo());
            info.setConnectionId(connectionId());
            info.setDestination(destination);
            info.setOperationType(y());
            info.setTimeout(l());
            info.setBrokerPath(path());
            all.add(info);
        }

        RemoveSubscriptionInfo removeSubscription = header(new RemoveSubscriptionInfo());
        removeSubscription.setConnectionId(connectionId());
        removeSubscription.setSubscriptionName(s());
        removeSubscription.setClientId(s());
        all.add(removeSubscription);

        KeepAliveInfo keepAlive = new KeepAliveInfo();
        keepAlive.setCommandId(i());
        keepAlive.setResponseRequired(b());
        all.add(keepAlive);
        all.add(header(new ShutdownInfo()));

        for (int kind = 0; kind < 4; kind++) {
            RemoveInfo remove = header(new RemoveInfo());
            remove.setObjectId(kind == 0 ? connectionId() : kind == 1 ? sessionId()
                : kind == 2 ? consumerId() : producerId());
            remove.setLastDeliveredSequenceId(l());
            all.add(remove);
        }

        ControlCommand control = header(new ControlCommand());
        control.setCommand(s());
        all.add(control);
        all.add(header(new FlushCommand()));

        ConnectionError error = header(new ConnectionError());
        error.setException(throwable());
        error.setConnectionId(connectionId());
        all.add(error);

        ConsumerControl consumerControl = header(new ConsumerControl());
        consumerControl.setDestination(new ActiveMQQueue("stocks.a"));
        consumerControl.setClose(b());
        consumerControl.setConsumerId(consumerId());
        consumerControl.setPrefetch(i());
        consumerControl.setFlush(b());
        consumerControl.setStart(b());
        consumerControl.setStop(b());
        all.add(consumerControl);

        ConnectionControl connectionControl = header(new ConnectionControl());
        connectionControl.setClose(b());
        connectionControl.setExit(b());
        connectionControl.setFaultTolerant(b());
        connectionControl.setResume(b());
        connectionControl.setSuspend(b());
        connectionControl.setConnectedBrokers(s());
        connectionControl.setReconnectTo(s());
        connectionControl.setRebalanceConnection(b());
        connectionControl.setToken(x());
        all.add(connectionControl);

        ProducerAck producerAck = header(new ProducerAck());
        producerAck.setProducerId(producerId());
        producerAck.setSize(i());
        all.add(producerAck);

        MessagePull pull = header(new MessagePull());
        pull.setConsumerId(consumerId());
        pull.setDestination(new ActiveMQQueue("stocks.a"));
        pull.setTimeout(l());
        pull.setCorrelationId(s());
        pull.setMessageId(messageId());
        all.add(pull);

        MessageDispatch dispatch = header(new MessageDispatch());
        dispatch.setConsumerId(consumerId());
        dispatch.setDestination(new ActiveMQQueue("stocks.a"));
        dispatch.setMessage(message(new ActiveMQMessage()));
        dispatch.setRedeliveryCounter(i());
        all.add(dispatch);
        all.add(messageAck());

        all.add(message(new ActiveMQMessage()));
        all.add(message(new ActiveMQBytesMessage()));
        all.add(message(new ActiveMQMapMessage()));
        all.add(message(new ActiveMQObjectMessage()));
        all.add(message(new ActiveMQStreamMessage()));
        all.add(message(new ActiveMQTextMessage()));
        ActiveMQBlobMessage blob = message(new ActiveMQBlobMessage());
        blob.setRemoteBlobUrl("http://blobs/" + i());
        blob.setMimeType(s());
        blob.setDeletedByBroker(b());
        all.add(blob);

        all.add(response(new Response()));
        ExceptionResponse exception = response(new ExceptionResponse());
        exception.setException(throwable());
        all.add(exception);
        DataResponse data = response(new DataResponse());
        data.setData(consumerId());
        all.add(data);
        DataArrayResponse array = response(new DataArrayResponse());
        array.setData(new DataStructure[] {xaTransaction(), new ActiveMQTopic("stocks.>"), header(new FlushCommand())});
        all.add(array);
        IntegerResponse integer = response(new IntegerResponse());
        integer.setResult(i());
        all.add(integer);

        DiscoveryEvent discovery = new DiscoveryEvent();
        discovery.setServiceName(s());
        discovery.setBrokerName(s());
        all.add(discovery);

        JournalTopicAck topicAck = new JournalTopicAck();
        topicAck.setDestination(new ActiveMQTopic("stocks.>"));
        topicAck.setMessageId(messageId());
        topicAck.setMessageSequenceId(l());
        topicAck.setSubscritionName(s());
        topicAck.setClientId(s());
        topicAck.setTransactionId(localTransaction());
        all.add(topicAck);
        JournalQueueAck queueAck = new JournalQueueAck();
        queueAck.setDestination(new ActiveMQQueue("stocks.a"));
        queueAck.setMessageAck(messageAck());
        all.add(queueAck);
        all.add(new JournalTrace(s()));
        all.add(new JournalTransaction(y(), xaTransaction(), b()));

        SubscriptionInfo subscription = new SubscriptionInfo();
        subscription.setClientId(s());
        subscription.setDestination(new ActiveMQTopic("stocks.>"));
        subscription.setSelector(s());
        subscription.setSubscriptionName(s());
        subscription.setSubscribedDestination(new ActiveMQTopic("stocks.*"));
        subscription.setNoLocal(b());
        all.add(subscription);

        PartialCommand partial = new PartialCommand();
        partial.setCommandId(i());
        partial.setData(x());
        all.add(partial);
        LastPartialCommand last = new LastPartialCommand();
        last.setCommandId(i());
        last.setData(x());
        all.add(last);
        ReplayCommand replay = header(new ReplayCommand());
        replay.setFirstNakNumber(i());
        replay.setLastNakNumber(i());
        all.add(replay);

        MessageDispatchNotification notification = header(new MessageDispatchNotification());
        notification.setConsumerId(consumerId());
        notification.setDestination(new ActiveMQQueue("stocks.a"));
        notification.setDeliverySequenceId(l());
        notification.setMessageId(messageId());
        all.add(notification);

        NetworkBridgeFilter filter = new NetworkBridgeFilter();
        filter.setNetworkBrokerId(brokerId("far"));
        filter.setMessageTTL(i());
        filter.setConsumerTTL(i());
        all.add(filter);

        BrokerSubscriptionInfo subscriptions = header(new BrokerSubscriptionInfo());
        subscriptions.setBrokerId(brokerId("broker a"));
        subscriptions.setBrokerName(s());
        subscriptions.setSubscriptionInfos(new ConsumerInfo[] {consumerInfo()});
        all.add(subscriptions);

        all.addAll(Arrays.asList(connectionId(), sessionId(), consumerId(), producerId(), brokerId("alone"),
            messageId(), localTransaction(), xaTransaction()));
        return all;
    }

    /** As many booleans as the boolean stream's three length forms need. */
    static List<DataStructure> long_samples() {
        List<DataStructure> all = new ArrayList<>();
        for (int count : new int[] {300, 1200}) {
            DataArrayResponse array = new DataArrayResponse();
            DataStructure[] data = new DataStructure[count];
            for (int n = 0; n < count; n++) {
                FlushCommand flush = new FlushCommand();
                flush.setResponseRequired(n % 3 == 0);
                data[n] = flush;
            }
            array.setData(data);
            all.add(array);
        }
        return all;
    }

    /** More producers than a small cache holds. */
    static List<DataStructure> evicting_samples() {
        List<DataStructure> all = new ArrayList<>();
        for (int n = 0; n < 300; n++) {
            ProducerId id = new ProducerId();
            id.setConnectionId("c");
            id.setSessionId(n / 7);
            id.setValue(n % 50);
            ProducerInfo producer = new ProducerInfo();
            producer.setProducerId(id);
            producer.setDestination(n % 3 == 0 ? null : new ActiveMQQueue("q" + n % 5));
            all.add(producer);
        }
        return all;
    }

    static OpenWireFormat format(int version, boolean tight, int cacheSize, boolean stackTrace) throws IOException {
        WireFormatInfo info = new WireFormatInfo();
        info.setVersion(version);
        info.setTightEncodingEnabled(tight);
        info.setCacheEnabled(cacheSize > 0);
        info.setCacheSize(cacheSize);
        info.setStackTraceEnabled(stackTrace);
        info.setMaxFrameSize(Long.MAX_VALUE);
        OpenWireFormat format = new OpenWireFormat(version);
        format.setPreferedWireFormatInfo(info);
        format.renegotiateWireFormat(info);
        return format;
    }

    static boolean exists(DataStructure structure, int version) {
        int since = structure instanceof BrokerSubscriptionInfo ? 12
            : structure instanceof ProducerAck || structure instanceof ActiveMQBlobMessage ? 3
            : structure instanceof MessagePull ? 2 : 1;
        return version >= since;
    }

    static void write(Path file, OpenWireFormat format, List<DataStructure> structures) throws Exception {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        for (DataStructure structure : structures) {
            if (exists(structure, format.getVersion())) {
                ByteSequence frame = format.marshal(structure);
                out.write(frame.data, frame.offset, frame.length);
            }
        }
        Files.write(file, out.toByteArray());
    }

    public static void main(String[] arguments) throws Exception {
        Path folder = Path.of(arguments[0]);
        Files.createDirectories(folder);
        for (int version = 1; version <= 12; version++) {
            for (boolean tight : new boolean[] {false, true}) {
                for (boolean cached : new boolean[] {false, true}) {
                    OpenWireFormat format = format(version, tight, cached ? 1024 : 0, cached);
                    String name = "v" + version + (tight ? "-tight" : "-loose") + (cached ? "-cached" : "-whole");
                    write(folder.resolve(name + ".bin"), format, samples(0));
                }
            }
        }
        for (int variant = 1; variant < 4; variant++) {
            write(folder.resolve("v12-variant" + variant + ".bin"), format(12, true, 0, true), samples(variant));
        }
        write(folder.resolve("v12-long.bin"), format(12, true, 0, false), long_samples());
        for (boolean tight : new boolean[] {false, true}) {
            write(folder.resolve("v12-evicting" + (tight ? "-tight" : "-loose") + ".bin"),
                format(12, tight, 130, false), evicting_samples());
        }
    }
}
