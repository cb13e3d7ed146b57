//! The arbiter as a member sees it: a question, carried to a witness, and its answer.

use std::fmt;

use crate::arbiter::{Arbiter, ArbiterError, Held, Version};
use crate::record::Record;

use super::message::{Answer, Question};
use super::name::PairName;

/// Carries questions to a witness.
pub trait Carry: Send + Sync {
    /// Brings one there and an answer back, on a line of its own and within a bounded time. What comes back is not looked at.
    ///
    /// # Errors
    /// Why there is no answer. The question may have got there all the same.
    fn carry(&self, question: &[u8]) -> Result<Vec<u8>, String>;
}

/// An arbiter that is a witness.
#[derive(Debug)]
pub struct WitnessArbiter<C> {
    carrier: C,
    name: PairName,
}

impl<C: Carry> WitnessArbiter<C> {
    /// The pair of this name, at the witness to which this carrier leads.
    pub fn new(carrier: C, name: PairName) -> Self {
        Self { carrier, name }
    }

    /// Asks once: a change whose answer is lost may have been made, and is never asked for a second time.
    fn ask(&self, question: &Question) -> Result<Answer, ArbiterError> {
        let received = self.carrier.carry(&question.encode()).map_err(ArbiterError::Unreachable)?;
        match Answer::decode(&received) {
            Ok(Some(Answer::Unreachable(why))) => Err(ArbiterError::Unreachable(of_witness(&why))),
            Ok(Some(Answer::Damaged(why))) => Err(ArbiterError::Damaged(of_witness(&why))),
            Ok(Some(Answer::Refused(why))) => {
                Err(unreachable("the witness does not take what it was asked", &why))
            }
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Err(unreachable("the witness broke its answer off", &"")),
            Err(wrong) => Err(unreachable("whoever answered is no witness, or another version", &wrong)),
        }
    }
}

fn unreachable(what: &str, why: &dyn fmt::Display) -> ArbiterError {
    ArbiterError::Unreachable(of_witness(&format!("{what}: {why}")))
}

/// What a witness says in words, for one line of the log.
fn of_witness(text: &str) -> String {
    text.replace(char::is_control, " ")
}

impl<C: Carry> Arbiter for WitnessArbiter<C> {
    fn read(&self) -> Result<Held, ArbiterError> {
        match self.ask(&Question::Read(self.name.clone()))? {
            Answer::Held(held) => Ok(held),
            _ => Err(unreachable("the witness answered something else than it was asked", &"")),
        }
    }

    fn replace(&self, version: Version, record: &Record) -> Result<bool, ArbiterError> {
        match self.ask(&Question::Replace(self.name.clone(), version, record.clone()))? {
            Answer::Replaced(is_made) => Ok(is_made),
            _ => Err(unreachable("the witness answered something else than it was asked", &"")),
        }
    }
}
