//! What clients ask for and nothing here does yet: it is taken, as the client would not go on otherwise, and the operator is told what
//! does not happen. To be removed line by line as it is built.

use kahawai_openwire::consumer::ConsumerInfo;
use kahawai_openwire::destination::{Destination, DestinationKind};
use kahawai_openwire::message::Message;

use crate::core::Core;
use crate::core::spec::NotYet;

/// How much of a name is shown.
const NAME_BYTES_MAX: usize = 256;

/// Tells what a consumer that was just opened will wait for in vain.
pub(super) fn tell_of_consumer(core: &mut Core, info: &ConsumerInfo) {
    let Some(destination) = info.destination.as_deref() else { return };
    if let Some(topic) = virtual_topic(destination) {
        core.say_not_yet(NotYet::VirtualTopics, || {
            let (queue, topic) = (shown(destination), clipped(topic));
            format!(
                "virtual topics are not built yet: a consumer of {queue} gets nothing that is sent to topic://{topic}; subscribe \
                 to the topic durably instead"
            )
        });
    }
    let advisory = destination.physical_name.starts_with("ActiveMQ.Advisory.");
    if info.retroactive && destination.kind.is_topic() && !advisory {
        core.say_not_yet(NotYet::Retroactive, || {
            let topic = shown(destination);
            format!(
                "retroactive consumers are not built yet: one of {topic} gets only what is sent from now on"
            )
        });
    }
}

/// Tells what a message is sent for in vain.
pub(super) fn tell_of_message(core: &mut Core, message: &Message) {
    let Some(destination) = message.destination.as_deref().filter(|_| message.group_id.is_some()) else {
        return;
    };
    core.say_not_yet(NotYet::MessageGroups, || {
        format!(
            "message groups are not built yet: messages of one group (JMSXGroupID) may go to different consumers of {}, and not in \
             order; let one exclusive consumer take them",
            shown(destination)
        )
    });
}

/// The topic that a queue stands for by ActiveMQ's default rule: `Consumer.*.` before a name in `VirtualTopic.>`.
fn virtual_topic(destination: &Destination) -> Option<&str> {
    if destination.kind != DestinationKind::Queue {
        return None;
    }
    let (_, topic) = destination.physical_name.strip_prefix("Consumer.")?.split_once('.')?;
    topic.starts_with("VirtualTopic.").then_some(topic)
}

fn shown(destination: &Destination) -> String {
    format!("{}{}", destination.kind.scheme(), clipped(&destination.physical_name))
}

/// As much of a client's word as fits in a line, and on it.
fn clipped(name: &str) -> String {
    name[..name.floor_char_boundary(NAME_BYTES_MAX)].escape_debug().to_string()
}
