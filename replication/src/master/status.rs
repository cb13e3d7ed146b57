//! How things stand with a pair, for people.

use kahawai_store::names::{BatchName, Term};

use super::link::Stage;
use super::state::State;
use crate::record::Member;

/// How things stand with a pair.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The term, if this is a pair.
    pub term: Option<Term>,
    /// The last batch that was taken.
    pub last: BatchName,
    /// The slave, if one is connected or was: name and state.
    pub slave: Option<SlaveStatus>,
}

/// How a slave is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlaveStatus {
    /// Its broker's name.
    pub name: String,
    /// `joining`, `copying`, `catching up`, `in sync`, `in doubt` or `cut off`.
    pub state: &'static str,
    /// How many messages of a copy it is still to get.
    pub messages_left: u64,
    /// How many bytes it is behind, of batches; what is left of a copy is not among them.
    pub bytes_behind: u64,
    /// How many bytes it has taken in a second, since it dialled.
    pub bytes_per_second: u64,
    /// What it has.
    pub confirmed: BatchName,
}

/// How they stand with the master that this one is.
pub(super) fn status(state: &State, me: Member) -> Status {
    let record = state.standing.record.as_ref();
    let slave = match (&state.link, state.doubt) {
        (Some(link), _) => Some(SlaveStatus {
            name: link.hello.name.clone(),
            state: match link.stage {
                Stage::Joining => "joining",
                Stage::Copying { .. } => "copying",
                Stage::Following | Stage::Closing(_) | Stage::Admitting => "catching up",
                Stage::InSync => "in sync",
            },
            messages_left: link.messages_left(),
            bytes_behind: link.bytes_behind(),
            bytes_per_second: link.bytes_per_second(state.now),
            confirmed: link.confirmed,
        }),
        (None, doubt) => {
            let others = state.standing.members.iter().find(|(member, _)| **member != me);
            others.map(|(_, known)| SlaveStatus {
                name: known.name.clone(),
                state: if doubt.is_some() { "in doubt" } else { "cut off" },
                messages_left: 0,
                bytes_behind: 0,
                bytes_per_second: 0,
                confirmed: BatchName::default(),
            })
        }
    };
    Status { term: record.map(|record| record.term), last: state.last_taken, slave }
}
