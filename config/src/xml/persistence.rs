//! Where messages are kept: `<persistenceAdapter>`.

use super::document::Element;
use super::draft::Draft;
use super::reader::Reader;
use crate::remark::Severity;
use crate::store_address::StoreAddress;

/// `<persistenceAdapter>` and `<persistenceFactory>`.
pub(crate) fn adapter<'a>(reader: &mut Reader<'a>, element: Element<'a>, draft: &mut Draft) {
    draft.has_store = true;
    reader.say_of(element, Severity::Refused, "it is not read yet: say where messages are kept by --store");
}

/// Where a broker keeps messages that does not say: as ActiveMQ in `KahaDB`, in a directory of its name, in its `dataDirectory`.
pub(crate) fn without_one(draft: &mut Draft) {
    let allowed = |one: char| one.is_ascii_alphanumeric() || ".-_".contains(one);
    let name = draft.configuration.broker.broker_name.chars();
    let name: String = name.map(|one| if allowed(one) { one } else { '_' }).collect();
    draft.configuration.store.address = StoreAddress::Journal(draft.data_directory.join(name).join("KahaDB"));
}
