//! What a witness answers: bytes in, bytes out.

use crate::arbiter::{ArbiterError, Held, Version};
use crate::record::Record;

use super::message::{Answer, Question};
use super::name::PairName;

/// Where a witness keeps the records. Calls block, and may be made from any thread.
pub trait Records: Send + Sync {
    /// As [`crate::Arbiter::read`], of the pair of this name; nothing where there is no such pair yet.
    ///
    /// # Errors
    /// [`ArbiterError`].
    fn read(&self, name: &PairName) -> Result<Held, ArbiterError>;

    /// As [`crate::Arbiter::replace`]: what was made is durable on return.
    ///
    /// # Errors
    /// [`ArbiterError`].
    fn replace(&self, name: &PairName, version: Version, record: &Record) -> Result<bool, ArbiterError>;
}

/// What is answered to what came on a line so far; `None` where more is to come. Behind the answer the line is closed.
pub fn answer(received: &[u8], records: &dyn Records) -> Option<Vec<u8>> {
    let asked = match Question::decode(received) {
        Ok(None) => return None,
        Ok(Some(Question::Read(name))) => records.read(&name).map(Answer::Held),
        Ok(Some(Question::Replace(name, version, record))) => {
            records.replace(&name, version, &record).map(Answer::Replaced)
        }
        Err(wrong) => Ok(Answer::Refused(wrong.to_string())),
    };
    let answer = asked.unwrap_or_else(|error| match error {
        ArbiterError::Unreachable(why) => Answer::Unreachable(why),
        ArbiterError::Damaged(why) => Answer::Damaged(why),
    });
    Some(answer.encode())
}
