//! Transactions: their names, and the command that begins, prepares, commits and rolls back.

use std::fmt;
use std::sync::Arc;

use crate::error::{DecodeError, EncodeError};
use crate::field::{FieldReader, FieldWriter, Structure, unexpected_type};
use crate::ids::ConnectionId;
use crate::table::structure;

structure! {
    /// Name of a transaction that one connection began.
    #[derive(Eq, Hash)]
    LocalTransactionId = 111 {
        /// Number of the transaction in its connection.
        value: long,
        /// Name of the connection.
        connection_id: cached(Arc<ConnectionId>),
    }
}

structure! {
    /// Name of a branch of a distributed (XA) transaction, given by a transaction manager.
    #[derive(Eq, Hash)]
    XaTransactionId = 112 {
        /// Format of the two names.
        format_id: int,
        /// Name of the transaction; at most 64 bytes by the X/Open specification, not checked here.
        global_transaction_id: octets,
        /// Name of the branch; at most 64 bytes by the X/Open specification, not checked here.
        branch_qualifier: octets,
    }
}

/// Name of a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TransactionId {
    /// Of one connection.
    Local(LocalTransactionId),
    /// Of a transaction manager.
    Xa(XaTransactionId),
}

impl Structure for TransactionId {
    const NAME: &'static str = "LocalTransactionId or XaTransactionId";

    fn type_id(&self) -> u8 {
        match self {
            Self::Local(id) => id.type_id(),
            Self::Xa(id) => id.type_id(),
        }
    }

    fn write<W: FieldWriter>(&self, writer: &mut W) -> Result<(), EncodeError> {
        match self {
            Self::Local(id) => id.write(writer),
            Self::Xa(id) => id.write(writer),
        }
    }

    fn read<R: FieldReader>(type_id: u8, reader: &mut R) -> Result<Self, DecodeError> {
        match type_id {
            111 => Structure::read(type_id, reader).map(Self::Local),
            112 => Structure::read(type_id, reader).map(Self::Xa),
            _ => Err(unexpected_type(type_id, Self::NAME)),
        }
    }
}

/// As ActiveMQ shows it: `TX:connection:number`, or `XID:[format,global,branch]` with both names in hexadecimal.
impl fmt::Display for TransactionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(id) => match &id.connection_id {
                Some(connection) => write!(formatter, "TX:{connection}:{}", id.value),
                None => write!(formatter, "TX::{}", id.value),
            },
            Self::Xa(id) => write!(
                formatter,
                "XID:[{},{:x},{:x}]",
                id.format_id,
                id.global_transaction_id.as_ref().map(|name| name.slice(..)).unwrap_or_default(),
                id.branch_qualifier.as_ref().map(|name| name.slice(..)).unwrap_or_default(),
            ),
        }
    }
}

structure! {
    /// Moves a transaction on; `operation` says how.
    TransactionInfo = 7, command {
        /// Connection that owns the transaction.
        connection_id: cached(Arc<ConnectionId>),
        /// The transaction; null for `RECOVER`.
        transaction_id: cached(Arc<TransactionId>),
        /// One of the constants below.
        operation: byte,
    }
}

impl TransactionInfo {
    /// Begin it.
    pub const BEGIN: u8 = 0;
    /// Prepare it, the first of two phases; the answer is an `IntegerResponse`.
    pub const PREPARE: u8 = 1;
    /// Commit it in one phase, without a prepare.
    pub const COMMIT_ONE_PHASE: u8 = 2;
    /// Commit it after a prepare.
    pub const COMMIT_TWO_PHASE: u8 = 3;
    /// Roll it back.
    pub const ROLLBACK: u8 = 4;
    /// List prepared transactions; the answer is a `DataArrayResponse`.
    pub const RECOVER: u8 = 5;
    /// Forget a transaction that was decided by hand.
    pub const FORGET: u8 = 6;
    /// End the association of a session with it.
    pub const END: u8 = 7;
}
