//! Where clients connect: `<transportConnectors>`.

use super::document::Element;
use super::draft::Draft;
use super::reader::Reader;
use crate::remark::Severity;

/// `<transportConnectors>`.
pub(crate) fn connectors<'a>(reader: &mut Reader<'a>, element: Element<'a>, _: &mut Draft) {
    reader.say_of(element, Severity::Refused, "they are not read yet: say where to listen by --bind");
}
