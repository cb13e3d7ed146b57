//! What each exit code means: one table for the program, `--help` and the README.

use std::fmt;

/// Why the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// What the command was told cannot be meant: as the command line parser, for what only shows on a closer look.
    Usage,
    /// The store directory is no store, of a newer format, damaged beyond reading, or another broker's with messages in it.
    Store,
    /// The store directory cannot be written, or its disk is full.
    Unwritable,
    /// A connector's address cannot be listened on.
    Connector,
    /// The store failed while serving: a write, a flush or a read.
    StoreFailed,
    /// A broker could not be reached, refused, or went away.
    Broker,
    /// Not every message is accounted for.
    Unaccounted,
    /// Whoever read the output has gone: all is well.
    Silent,
    /// Anything else.
    Other,
}

impl Exit {
    /// The number given to the system.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Other => 1,
            Self::Usage => 2,
            Self::Store => 3,
            Self::Unwritable => 4,
            Self::Connector => 5,
            Self::StoreFailed => 6,
            Self::Broker => 7,
            Self::Unaccounted => 8,
            Self::Silent => 0,
        }
    }
}

/// The table, as `--help` shows it. Code 2 is the command line parser's too.
pub(crate) const TABLE: &str = "\
Exit codes:
  0  done; a broker: stopped in good order (SIGTERM, SIGINT)
  1  any other failure
  2  wrong usage
  3  the store cannot be read, has a newer format, or is none; or messages of ActiveMQ lie where it would begin
  4  the store directory cannot be written, or its disk is full
  5  a connector's address cannot be listened on
  6  the store failed while serving (a write or flush error); a slave takes over
  7  a broker cannot be reached, refused or went away (commands that talk to one)
  8  messages were lost, came twice or out of order (bench)";

/// A failure that ends the program.
#[derive(Debug)]
pub(crate) struct Failure {
    /// With which code.
    pub(crate) exit: Exit,
    /// What happened, to what, and what to do.
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl fmt::Display) -> Self {
        Self { exit, message: message.to_string() }
    }

    /// Ends the program without a word.
    pub(crate) fn silent() -> Self {
        Self::new(Exit::Silent, "")
    }

    /// The same, with what was being done in front.
    pub(crate) fn within(self, what: &str) -> Self {
        match self.exit {
            Exit::Silent => self,
            exit => Self::new(exit, format!("{what}: {}", self.message)),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}
