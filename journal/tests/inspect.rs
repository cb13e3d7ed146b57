//! What the tools say of stores: sound ones, and ones damaged in every field and file.
//!
//! | module | what it tests |
//! |---|---|
//! | `sound` | the tools' own reading agrees with the engine's, whatever was done; salvage brings all of it over |
//! | `damage` | a campaign: flip, zero, truncate, duplicate, swap; verify reports exactly the damage done |
//! | `support` | stores on a disk in memory, and what stands in them |

#[path = "inspect/damage.rs"]
mod damage;
#[path = "inspect/sound.rs"]
mod sound;
#[path = "inspect/support.rs"]
mod support;
