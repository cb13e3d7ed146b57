//! `<systemUsage>`: how much memory and disk.

use super::document::Element;
use super::draft::Draft;
use super::reader::Reader;
use super::table::{Attribute, Child, Said, Table, fixed, harmless, id, read, told, used, warned};
use crate::remark::Severity::{Harmless, Refused, Warning};
use crate::value;

/// What both of its ways to be said set.
const MEMORY_USAGE_SETTING: &str = "memoryUsage";
const JAVA: &str = "it names a part of ActiveMQ's own machinery, which is not here";
const COUNTED: &str = "it is what ActiveMQ counts, not what is told it";
const SHARE: &str = "there is one memory budget, which nothing has a share of: write limit=\"…\"";
const DISK: &str = "the store takes no more than twice what lives in it and eight segments, whatever this says: keep senders from a \
                    full disk by the file system it is on";
const TEMPORARY: &str = "there is no temporary store: what memory has no room for goes to the store itself";
const NO_SCHEDULER: &str = "there is no store for schedules yet";
const HOLDS_BACK: &str = "senders are held back when there is no room, and get no error for it";

/// `<systemUsage>` around a `<systemUsage>`.
pub(crate) fn system_usage<'a>(reader: &mut Reader<'a>, element: Element<'a>, draft: &mut Draft) {
    let Some(found) = reader.only(element) else { return };
    if found.name() != SYSTEM_USAGE.element {
        return reader.say_of(found, Refused, "only another <systemUsage> can stand here");
    }
    reader.apply(&SYSTEM_USAGE, found, draft);
}

pub(crate) static SYSTEM_USAGE: Table<Draft> = Table {
    element: "systemUsage",
    attributes: &[&[
        id(),
        harmless("name", "names of limits are told nowhere"),
        fixed("sendFailIfNoSpace", "false", HOLDS_BACK),
        fixed("sendFailIfNoSpaceAfterTimeout", "0", HOLDS_BACK),
        harmless("sendFailIfNoSpaceExplicitySet", COUNTED),
        harmless("checkLimitsLogLevel", "the log says when senders are held back, at level info"),
        harmless("executor", JAVA),
        harmless("adapter", JAVA),
        harmless("tempStore", TEMPORARY),
        harmless("jobSchedulerStore", NO_SCHEDULER),
        warned("parent", SHARE),
        warned(
            "memoryUsage",
            "write it as an element: <memoryUsage><memoryUsage limit=\"…\"/></memoryUsage>",
        ),
        warned("storeUsage", DISK),
        harmless("tempUsage", TEMPORARY),
        harmless("jobSchedulerUsage", NO_SCHEDULER),
    ]],
    children: &[&[
        read("memoryUsage", |reader, element, draft| match reader.only(element) {
            Some(found) if found.name() == "memoryUsage" => reader.apply(&MEMORY_USAGE, found, draft),
            Some(found) => reader.say_of(found, Refused, "only another <memoryUsage> can stand here"),
            None => {}
        }),
        told("storeUsage", Warning, DISK),
        told("tempUsage", Harmless, TEMPORARY),
        told("jobSchedulerUsage", Harmless, NO_SCHEDULER),
        told("jobSchedulerStore", Harmless, NO_SCHEDULER),
        told("tempStore", Harmless, TEMPORARY),
        told("adapter", Harmless, JAVA),
        told("executor", Harmless, JAVA),
        told("parent", Warning, SHARE),
    ]],
};

pub(crate) static MEMORY_USAGE: Table<Draft> =
    Table { element: "memoryUsage", attributes: &[MEMORY], children: &[MEMORY_CHILDREN] };

const MEMORY: &[Attribute<Draft>] = &[
    id(),
    used("limit", |draft, text| Ok(draft.set_broker(MEMORY_USAGE_SETTING, text)?)),
    used("percentOfJvmHeap", |draft, text| {
        let percent = u64::try_from(value::whole(text)?).ok().filter(|percent| (1..=100).contains(percent));
        let percent = percent.ok_or_else(|| "needs a number from 1 to 100".to_owned())?;
        let whole = kahawai_broker::BrokerConfig::default().limits.memory_bytes_max as u64;
        draft.set_broker(MEMORY_USAGE_SETTING, &(whole / 100 * percent).to_string())?;
        let advice = format!(
            "there is no Java heap: taken as {percent} % of the {} MiB that a broker has by default; write limit=\"…\"",
            whole >> 20
        );
        Err(Said::new(Warning, advice))
    }),
    harmless("name", "names of limits are told nowhere"),
    harmless("executor", JAVA),
    harmless("limiter", JAVA),
    harmless("percentUsage", COUNTED),
    harmless("percentUsageMinDelta", COUNTED),
    harmless("usage", COUNTED),
    harmless("pollingTime", "the limit is looked at whenever something comes"),
    warned("parent", SHARE),
    warned("portion", SHARE),
    warned("usagePortion", SHARE),
];

const MEMORY_CHILDREN: &[Child<Draft>] =
    &[told("executor", Harmless, JAVA), told("limiter", Harmless, JAVA), told("parent", Warning, SHARE)];
