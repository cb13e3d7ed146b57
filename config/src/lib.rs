//! What a broker is told: one closed, typed model, and the ways to make it.
//!
//! Every default is where the thing is that it is for (`BrokerConfig`, `JournalOptions`, `ElectionOptions`, `Policy`), and nowhere else: a
//! [`Configuration`] begins with those, and the command line or a file changes what it names.
//!
//! | module | what it holds |
//! |---|---|
//! | [`model`] | the model |
//! | [`arbiter_address`] | where the arbiter of a pair is, as one text |
//! | [`check`] | what there is to say of a file before a broker is started with it |
//! | [`convert`] | `activemq.xml` as TOML |
//! | [`danger`] | combinations that do more than was meant |
//! | [`connector`] | URIs of connectors |
//! | [`data_source`] | data-source beans and JDBC URLs, as places of stores |
//! | [`destinations`] | destinations that are there from the start on |
//! | [`difference`] | what one configuration says otherwise than another |
//! | [`environment`] | settings in the environment |
//! | [`origin`] | where each value comes from |
//! | [`show`] | a configuration as rows, and as TOML, with where each value comes from |
//! | [`multicast_uri`] | URIs of groups in which brokers are found |
//! | [`network_uri`] | URIs of network connectors |
//! | [`mod@reference`] | the reference of all settings |
//! | [`remark`] | what there is to say of what is not done just so |
//! | [`placeholder`], [`properties`] | what `${…}` stands for; Java's properties files |
//! | [`report`] | what became of each thing that a file says |
//! | [`settings`] | every setting by its name: set by a text, and shown as one |
//! | [`store_address`] | where a store is kept, as one text |
//! | [`secret`] | texts that are shown nowhere |
//! | [`toml_file`] | TOML files |
//! | [`value`] | what a single value may be, whoever says it |
//! | [`xml`] | `activemq.xml` |

pub mod arbiter_address;
pub mod check;
pub mod connector;
pub mod convert;
pub mod danger;
pub mod data_source;
pub mod destinations;
pub mod difference;
pub mod environment;
pub mod model;
pub mod multicast_uri;
mod nearest;
pub mod network_uri;
pub mod origin;
pub mod placeholder;
pub mod reference;
pub mod remark;
pub mod report;
pub mod secret;
pub mod settings;
pub mod show;
pub mod store_address;
pub mod toml_file;
pub mod value;
pub mod xml;

pub use arbiter_address::ArbiterAddress;
pub use kahawai_openwire::properties;
pub use model::{Configuration, StoreConfig};
pub use origin::{Effective, Origin};
pub use report::Report;
pub use secret::Secret;
pub use store_address::StoreAddress;
