//! One sample of each structure, each field set: value for value those of `../golden/Capture.java`. Both sides draw
//! values from the same counter in the same order, so a field that is confused with another shows.

use std::sync::Arc;

use bytes::Bytes;
use kahawai_openwire::command::{Command, DataArrayResponse, DataResponse, DataStructure};
use kahawai_openwire::connection::*;
use kahawai_openwire::consumer::*;
use kahawai_openwire::destination::{Destination, DestinationKind};
use kahawai_openwire::ids::*;
use kahawai_openwire::journal::*;
use kahawai_openwire::message::*;
use kahawai_openwire::producer::*;
use kahawai_openwire::reliability::*;
use kahawai_openwire::response::*;
use kahawai_openwire::text::Text;
use kahawai_openwire::throwable::{StackTraceElement, Throwable};
use kahawai_openwire::transaction::*;

/// Draws values; the same as the static functions of `Capture.java`.
struct Sampler {
    counter: i32,
    variant: u32,
}

impl Sampler {
    fn next(&mut self) -> i32 {
        self.counter += 1;
        self.counter
    }

    fn b(&mut self) -> bool {
        self.next() >> self.variant & 1 == 1
    }

    fn y(&mut self) -> u8 {
        (self.next() % 200) as u8
    }

    fn i(&mut self) -> i32 {
        1000 + self.next()
    }

    fn l(&mut self) -> i64 {
        let counter = i64::from(self.next());
        [70_000, 5_000_000_000, 300, -7, 0][(counter % 5) as usize] * counter
    }

    fn s(&mut self) -> Option<Text> {
        let counter = self.next();
        Some(if counter % 4 == 0 { format!("té€😀\0x {counter}") } else { format!("text {counter}") }.into())
    }

    fn x(&mut self) -> Option<Bytes> {
        Some(Bytes::copy_from_slice(&[1, 0xfe, self.next() as u8]))
    }

    fn session_id(&mut self) -> Arc<SessionId> {
        Arc::new(SessionId { connection_id: "ID:host-1:1".into(), value: self.l() })
    }

    fn message_id(&mut self) -> Option<MessageId> {
        Some(MessageId {
            text_view: self.s(),
            producer_id: Some(producer_id()),
            producer_sequence_id: self.l(),
            broker_sequence_id: self.l(),
        })
    }

    fn throwable(&mut self) -> Option<Box<Throwable>> {
        let cause = Throwable {
            class_name: Some("java.io.IOException".into()),
            message: self.s(),
            stack_trace: [StackTraceElement {
                class_name: Some("c.D".into()),
                method_name: Some("m".into()),
                file_name: None,
                line_number: -1,
            }]
            .into(),
            cause: None,
        };
        Some(Box::new(Throwable {
            class_name: Some("java.lang.IllegalStateException".into()),
            message: self.s(),
            stack_trace: [
                StackTraceElement {
                    class_name: Some("a.B".into()),
                    method_name: Some("run".into()),
                    file_name: Some("B.java".into()),
                    line_number: self.i(),
                },
                StackTraceElement {
                    class_name: Some("a.C".into()),
                    method_name: Some("<init>".into()),
                    file_name: Some("C.java".into()),
                    line_number: -2,
                },
            ]
            .into(),
            cause: Some(Box::new(cause)),
        }))
    }

    fn message(&mut self, kind: MessageKind) -> Message {
        Message {
            kind,
            command_id: self.i(),
            response_required: self.b(),
            producer_id: Some(producer_id()),
            destination: queue("stocks.a"),
            transaction_id: Some(local_transaction()),
            original_destination: topic("stocks.>"),
            message_id: self.message_id(),
            original_transaction_id: Some(xa_transaction()),
            group_id: self.s(),
            group_sequence: self.i(),
            correlation_id: self.s(),
            persistent: self.b(),
            expiration: self.l(),
            priority: (self.next() % 10) as u8, // Java's setter keeps to 0 to 9
            reply_to: Some(Arc::new(Destination::new(DestinationKind::TemporaryQueue, "ID:host-1:1:1"))),
            timestamp: self.l(),
            message_type: self.s(),
            content: self.x(),
            marshalled_properties: self.x(),
            data_structure: Some(BrokerId::new("advised").into()),
            target_consumer_id: Some(consumer_id()),
            compressed: self.b(),
            redelivery_counter: self.i(),
            broker_path: path(),
            arrival: self.l(),
            user_id: self.s(),
            received_by_demand_forwarding_bridge: self.b(),
            droppable: self.b(),
            cluster: path(),
            broker_in_time: self.l(),
            broker_out_time: self.l(),
            group_first_for_consumer: self.b(),
            blob: None,
        }
    }

    fn filter(&mut self) -> NetworkBridgeFilter {
        NetworkBridgeFilter {
            network_broker_id: Some(broker_id("far")),
            message_ttl: self.i(),
            consumer_ttl: self.i(),
        }
    }

    fn consumer_info(&mut self) -> ConsumerInfo {
        ConsumerInfo {
            command_id: self.i(),
            response_required: self.b(),
            consumer_id: Some(consumer_id()),
            browser: self.b(),
            destination: topic("stocks.>"),
            prefetch_size: self.i(),
            maximum_pending_message_limit: self.i(),
            dispatch_async: self.b(),
            selector: self.s(),
            client_id: self.s(),
            subscription_name: self.s(),
            no_local: self.b(),
            exclusive: self.b(),
            retroactive: self.b(),
            priority: self.y(),
            broker_path: path(),
            additional_predicate: Some(self.filter()),
            network_subscription: self.b(),
            optimized_acknowledge: self.b(),
            no_range_acks: self.b(),
            network_consumer_path: Some([consumer_id()].into()),
        }
    }

    fn broker_info(&mut self, with_peer: bool) -> BrokerInfo {
        BrokerInfo {
            command_id: self.i(),
            response_required: self.b(),
            broker_id: Some(broker_id("broker a")),
            broker_url: self.s(),
            peer_broker_infos: with_peer.then(|| [self.broker_info(false)].into()),
            broker_name: self.s(),
            slave_broker: self.b(),
            master_broker: self.b(),
            fault_tolerant_configuration: self.b(),
            duplex_connection: self.b(),
            network_connection: self.b(),
            connection_id: self.l(),
            broker_upload_url: self.s(),
            network_properties: self.s(),
        }
    }

    fn message_ack(&mut self) -> MessageAck {
        MessageAck {
            command_id: self.i(),
            response_required: self.b(),
            destination: queue("stocks.a"),
            transaction_id: Some(local_transaction()),
            consumer_id: Some(consumer_id()),
            ack_type: self.y(),
            first_message_id: self.message_id(),
            last_message_id: self.message_id(),
            message_count: self.i(),
            poison_cause: self.throwable(),
        }
    }
}

fn connection_id() -> Arc<ConnectionId> {
    Arc::new(ConnectionId::new("ID:host-1:1"))
}

fn consumer_id() -> Arc<ConsumerId> {
    Arc::new(ConsumerId { connection_id: "ID:host-1:1".into(), session_id: 1, value: 70_000 })
}

fn producer_id() -> Arc<ProducerId> {
    Arc::new(ProducerId { connection_id: "ID:host-1:1".into(), value: 2, session_id: 5_000_000_000 })
}

fn broker_id(name: &str) -> Arc<BrokerId> {
    Arc::new(BrokerId::new(name))
}

fn path() -> Option<Arc<[Arc<BrokerId>]>> {
    Some([broker_id("broker a"), broker_id("broker b")].into())
}

fn queue(name: &str) -> Option<Arc<Destination>> {
    Some(Arc::new(Destination::queue(name)))
}

fn topic(name: &str) -> Option<Arc<Destination>> {
    Some(Arc::new(Destination::topic(name)))
}

fn local_transaction() -> Arc<TransactionId> {
    Arc::new(TransactionId::Local(LocalTransactionId { value: 77, connection_id: Some(connection_id()) }))
}

fn xa_transaction() -> Arc<TransactionId> {
    Arc::new(TransactionId::Xa(XaTransactionId {
        format_id: 4711,
        global_transaction_id: Some(Bytes::from_static(&[1, 2, 3])),
        branch_qualifier: Some(Bytes::from_static(&[4, 5])),
    }))
}

fn command(command: impl Into<Command>) -> DataStructure {
    DataStructure::Command(command.into())
}

/// The samples, in the order of the golden files.
pub(crate) fn samples(variant: u32) -> Vec<DataStructure> {
    let g = &mut Sampler { counter: 0, variant };
    let mut all = vec![command(WireFormatInfo { version: g.i(), marshalled_properties: g.x() })];
    all.push(command(g.broker_info(true)));
    all.push(command(ConnectionInfo {
        command_id: g.i(),
        response_required: g.b(),
        connection_id: Some(connection_id()),
        client_id: g.s(),
        password: g.s(),
        user_name: g.s(),
        broker_path: path(),
        broker_master_connector: g.b(),
        manageable: g.b(),
        client_master: g.b(),
        fault_tolerant: g.b(),
        failover_reconnect: g.b(),
        client_ip: g.s(),
    }));
    all.push(command(SessionInfo {
        command_id: g.i(),
        response_required: g.b(),
        session_id: Some(g.session_id()),
    }));
    all.push(command(g.consumer_info()));
    all.push(command(ProducerInfo {
        command_id: g.i(),
        response_required: g.b(),
        producer_id: Some(producer_id()),
        destination: queue("stocks.a"),
        broker_path: path(),
        dispatch_async: g.b(),
        window_size: g.i(),
    }));
    for transaction_id in [local_transaction(), xa_transaction()] {
        all.push(command(TransactionInfo {
            command_id: g.i(),
            response_required: g.b(),
            connection_id: Some(connection_id()),
            transaction_id: Some(transaction_id),
            operation: g.y(),
        }));
    }
    for kind in DestinationKind::ALL {
        all.push(command(DestinationInfo {
            command_id: g.i(),
            response_required: g.b(),
            connection_id: Some(connection_id()),
            destination: Some(Arc::new(Destination::new(kind, "q"))),
            operation: g.y(),
            timeout: g.l(),
            broker_path: path(),
        }));
    }
    all.push(command(RemoveSubscriptionInfo {
        command_id: g.i(),
        response_required: g.b(),
        connection_id: Some(connection_id()),
        subscription_name: g.s(),
        client_id: g.s(),
    }));
    all.push(command(KeepAliveInfo { command_id: g.i(), response_required: g.b() }));
    all.push(command(ShutdownInfo { command_id: g.i(), response_required: g.b() }));
    for kind in 0..4 {
        all.push(command(RemoveInfo {
            command_id: g.i(),
            response_required: g.b(),
            object_id: Some(match kind {
                0 => RemovedId::Connection(connection_id()),
                1 => RemovedId::Session(g.session_id()),
                2 => RemovedId::Consumer(consumer_id()),
                _ => RemovedId::Producer(producer_id()),
            }),
            last_delivered_sequence_id: g.l(),
        }));
    }
    all.push(command(ControlCommand { command_id: g.i(), response_required: g.b(), command: g.s() }));
    all.push(command(FlushCommand { command_id: g.i(), response_required: g.b() }));
    all.push(command(ConnectionError {
        command_id: g.i(),
        response_required: g.b(),
        exception: g.throwable(),
        connection_id: Some(ConnectionId::new("ID:host-1:1")),
    }));
    all.push(command(ConsumerControl {
        command_id: g.i(),
        response_required: g.b(),
        destination: Some(Destination::queue("stocks.a")),
        close: g.b(),
        consumer_id: Some(consumer_id()),
        prefetch: g.i(),
        flush: g.b(),
        start: g.b(),
        stop: g.b(),
    }));
    all.push(command(ConnectionControl {
        command_id: g.i(),
        response_required: g.b(),
        close: g.b(),
        exit: g.b(),
        fault_tolerant: g.b(),
        resume: g.b(),
        suspend: g.b(),
        connected_brokers: g.s(),
        reconnect_to: g.s(),
        rebalance_connection: g.b(),
        token: g.x(),
    }));
    all.push(command(ProducerAck {
        command_id: g.i(),
        response_required: g.b(),
        producer_id: Some(producer_id()),
        size: g.i(),
    }));
    all.push(command(MessagePull {
        command_id: g.i(),
        response_required: g.b(),
        consumer_id: Some(consumer_id()),
        destination: queue("stocks.a"),
        timeout: g.l(),
        correlation_id: g.s(),
        message_id: g.message_id(),
    }));
    all.push(command(MessageDispatch {
        command_id: g.i(),
        response_required: g.b(),
        consumer_id: Some(consumer_id()),
        destination: queue("stocks.a"),
        message: Some(Arc::new(g.message(MessageKind::Plain))),
        redelivery_counter: g.i(),
    }));
    all.push(command(g.message_ack()));
    for kind in [
        MessageKind::Plain,
        MessageKind::Bytes,
        MessageKind::Map,
        MessageKind::Object,
        MessageKind::Stream,
        MessageKind::Text,
    ] {
        all.push(command(g.message(kind)));
    }
    let mut message = g.message(MessageKind::Blob);
    message.blob = Some(Box::new(BlobReference {
        remote_blob_url: Some(format!("http://blobs/{}", g.i()).into()),
        mime_type: g.s(),
        deleted_by_broker: g.b(),
    }));
    all.push(command(message));
    all.push(command(Response { command_id: g.i(), response_required: g.b(), correlation_id: g.i() }));
    all.push(command(ExceptionResponse {
        command_id: g.i(),
        response_required: g.b(),
        correlation_id: g.i(),
        exception: g.throwable(),
    }));
    all.push(command(DataResponse {
        command_id: g.i(),
        response_required: g.b(),
        correlation_id: g.i(),
        data: Some(DataStructure::ConsumerId(consumer_id())),
    }));
    all.push(command(DataArrayResponse {
        command_id: g.i(),
        response_required: g.b(),
        correlation_id: g.i(),
        data: Some(
            [
                DataStructure::TransactionId(xa_transaction()),
                Destination::topic("stocks.>").into(),
                command(FlushCommand { command_id: g.i(), response_required: g.b() }),
            ]
            .into(),
        ),
    }));
    all.push(command(IntegerResponse {
        command_id: g.i(),
        response_required: g.b(),
        correlation_id: g.i(),
        result: g.i(),
    }));
    all.push(DiscoveryEvent { service_name: g.s(), broker_name: g.s() }.into());
    all.push(
        JournalTopicAck {
            destination: Some(Destination::topic("stocks.>")),
            message_id: g.message_id(),
            message_sequence_id: g.l(),
            subscription_name: g.s(),
            client_id: g.s(),
            transaction_id: Some(Arc::unwrap_or_clone(local_transaction())),
        }
        .into(),
    );
    all.push(
        JournalQueueAck {
            destination: Some(Destination::queue("stocks.a")),
            message_ack: Some(g.message_ack()),
        }
        .into(),
    );
    all.push(JournalTrace { message: g.s() }.into());
    all.push(
        JournalTransaction {
            operation: g.y(),
            transaction_id: Some(Arc::unwrap_or_clone(xa_transaction())),
            was_prepared: g.b(),
        }
        .into(),
    );
    all.push(
        SubscriptionInfo {
            client_id: g.s(),
            destination: topic("stocks.>"),
            selector: g.s(),
            subscription_name: g.s(),
            subscribed_destination: Some(Destination::topic("stocks.*")),
            no_local: g.b(),
        }
        .into(),
    );
    all.push(command(PartialCommand { command_id: g.i(), data: g.x() }));
    all.push(command(LastPartialCommand { command_id: g.i(), data: g.x() }));
    all.push(command(ReplayCommand {
        command_id: g.i(),
        response_required: g.b(),
        first_nak_number: g.i(),
        last_nak_number: g.i(),
    }));
    all.push(command(MessageDispatchNotification {
        command_id: g.i(),
        response_required: g.b(),
        consumer_id: Some(consumer_id()),
        destination: queue("stocks.a"),
        delivery_sequence_id: g.l(),
        message_id: g.message_id(),
    }));
    all.push(g.filter().into());
    all.push(command(BrokerSubscriptionInfo {
        command_id: g.i(),
        response_required: g.b(),
        broker_id: Some(broker_id("broker a")),
        broker_name: g.s(),
        subscription_infos: Some([g.consumer_info()].into()),
    }));
    all.push(DataStructure::ConnectionId(connection_id()));
    all.push(DataStructure::SessionId(g.session_id()));
    all.push(DataStructure::ConsumerId(consumer_id()));
    all.push(DataStructure::ProducerId(producer_id()));
    all.push(BrokerId::new("alone").into());
    all.extend(g.message_id().map(DataStructure::from));
    all.push(DataStructure::TransactionId(local_transaction()));
    all.push(DataStructure::TransactionId(xa_transaction()));
    all
}
