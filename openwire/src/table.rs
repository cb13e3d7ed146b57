//! The table's language. One `structure!` declares a data structure once: its type id, the first version that
//! has it, and its fields in wire order with the versions that have them. Struct, encodings and test generator
//! follow from it.
//!
//! ```text
//! structure! {
//!     /// What it is.
//!     Name = TYPE_ID since FIRST_VERSION, command {
//!         /// What it is.
//!         field: kind since FIRST_VERSION or VALUE_BEFORE,
//!     }
//! }
//! ```
//!
//! `command` puts `command_id` and `response_required` in front. Kinds: `bool`, `byte`, `int`, `long`, `text`
//! (may be null), `name` (a text that may not be null), `bytes` (a slice of the frame), `octets` (copied, for
//! what outlives the frame), `throwable`, and of other structures `nested(T)`, `cached(T)`, `list(T)`.

macro_rules! structure {
    (
        $(#[$meta:meta])*
        $name:ident = $type_id:literal $(since $since:literal)?, command {
            $( $(#[$field_meta:meta])* $field:ident : $kind:ident $(($of:ty))? $(since $field_since:literal $(or $field_absent:literal)?)? ),* $(,)?
        }
    ) => {
        $crate::table::fields! {
            $(#[$meta])*
            $name {
                /// Number of the command in its sender's sequence; a response's `correlation_id` refers to it.
                command_id: int,
                /// Whether the sender waits for a response.
                response_required: bool,
                $( $(#[$field_meta])* $field : $kind $(($of))? $(since $field_since $(or $field_absent)?)? ),*
            } local {}
        }
        $crate::table::simple_structure! { $name = $type_id $(since $since)? }
        impl $crate::header::Header for $name {
            fn command_id(&self) -> i32 {
                self.command_id
            }
            fn set_command_id(&mut self, command_id: i32) {
                self.command_id = command_id;
            }
            fn response_required(&self) -> bool {
                self.response_required
            }
            fn set_response_required(&mut self, response_required: bool) {
                self.response_required = response_required;
            }
        }
    };
    (
        $(#[$meta:meta])*
        $name:ident = $type_id:literal $(since $since:literal)? {
            $( $(#[$field_meta:meta])* $field:ident : $kind:ident $(($of:ty))? $(since $field_since:literal $(or $field_absent:literal)?)? ),* $(,)?
        }
    ) => {
        $crate::table::fields! {
            $(#[$meta])*
            $name {
                $( $(#[$field_meta])* $field : $kind $(($of))? $(since $field_since $(or $field_absent)?)? ),*
            } local {}
        }
        $crate::table::simple_structure! { $name = $type_id $(since $since)? }
    };
}

/// A structure that has one type id and nothing but its table's fields.
macro_rules! simple_structure {
    ($name:ident = $type_id:literal $(since $since:literal)?) => {
        impl $crate::field::Structure for $name {
            const NAME: &'static str = stringify!($name);

            fn type_id(&self) -> u8 {
                $type_id
            }

            $(
                fn since(&self) -> u8 {
                    $since
                }
            )?

            fn write<W: $crate::field::FieldWriter>(
                &self,
                writer: &mut W,
            ) -> Result<(), $crate::error::EncodeError> {
                self.write_fields(writer)
            }

            fn read<R: $crate::field::FieldReader>(
                type_id: u8,
                reader: &mut R,
            ) -> Result<Self, $crate::error::DecodeError> {
                if type_id != $type_id $(|| reader.version() < $since)? {
                    return Err($crate::field::unexpected_type(type_id, Self::NAME));
                }
                Self::read_fields(reader)
            }
        }

        #[cfg(test)]
        impl $crate::generate::Generate for $name {
            fn generate(generator: &mut $crate::generate::Generator) -> Self {
                Self::generate_fields(generator)
            }
        }
    };
}

/// The struct of a table, its fields' encoding, and `local` fields that are not in the table's encoding.
macro_rules! fields {
    (
        $(#[$meta:meta])*
        $name:ident {
            $( $(#[$field_meta:meta])* $field:ident : $kind:ident $(($of:ty))? $(since $since:literal $(or $absent:literal)?)? ),* $(,)?
        } local {
            $( $(#[$local_meta:meta])* $local:ident : $local_type:ty ),* $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct $name {
            $( $(#[$local_meta])* pub $local: $local_type, )*
            $( $(#[$field_meta])* pub $field: $crate::table::kind_type!($kind $(, $of)?), )*
        }

        impl $name {
            #[allow(unused_variables, reason = "a structure may have no fields")]
            pub(crate) fn write_fields<W: $crate::field::FieldWriter>(
                &self,
                writer: &mut W,
            ) -> Result<(), $crate::error::EncodeError> {
                $(
                    $crate::table::if_since!((writer) $($since)? => {
                        $crate::table::write_kind!($kind, writer, self.$field);
                    } else {});
                )*
                Ok(())
            }

            #[allow(unused_variables, reason = "a structure may have no fields")]
            pub(crate) fn read_fields<R: $crate::field::FieldReader>(
                reader: &mut R,
            ) -> Result<Self, $crate::error::DecodeError> {
                Ok(Self {
                    $(
                        $field: $crate::table::if_since!((reader) $($since)? => {
                            $crate::table::read_kind!($kind, reader, concat!(stringify!($name), ".", stringify!($field)))
                        } else { $($($absent)?)? }),
                    )*
                    $( $local: Default::default(), )*
                })
            }

            /// A random value with only what the generator's version has.
            #[cfg(test)]
            #[allow(unused_variables, reason = "a structure may have no fields")]
            pub(crate) fn generate_fields(generator: &mut $crate::generate::Generator) -> Self {
                Self {
                    $(
                        $field: $crate::table::if_since!((generator) $($since)? => {
                            $crate::table::generate_kind!($kind, generator $(, $of)?)
                        } else { $($($absent)?)? }),
                    )*
                    $( $local: Default::default(), )*
                }
            }
        }
    };
}

macro_rules! if_since {
    (($at:ident) => { $($then:tt)* } else { $($otherwise:tt)* }) => { $($then)* };
    (($at:ident) $since:literal => { $($then:tt)* } else {}) => {
        if $at.version() >= $since { $($then)* } else { Default::default() }
    };
    (($at:ident) $since:literal => { $($then:tt)* } else { $absent:literal }) => {
        if $at.version() >= $since { $($then)* } else { $absent }
    };
}

macro_rules! kind_type {
    (bool) => { bool };
    (byte) => { u8 };
    (int) => { i32 };
    (long) => { i64 };
    (text) => { Option<$crate::text::Text> };
    (name) => { $crate::text::Text };
    (bytes) => { Option<bytes::Bytes> };
    (octets) => { Option<bytes::Bytes> };
    (throwable) => { Option<Box<$crate::throwable::Throwable>> };
    (nested, $of:ty) => { Option<$of> };
    (cached, $of:ty) => { Option<$of> };
    (list, $of:ty) => { Option<std::sync::Arc<[$of]>> };
}

macro_rules! write_kind {
    (bool, $writer:ident, $value:expr) => {
        $writer.bool($value)
    };
    (byte, $writer:ident, $value:expr) => {
        $writer.byte($value)
    };
    (int, $writer:ident, $value:expr) => {
        $writer.int($value)
    };
    (long, $writer:ident, $value:expr) => {
        $writer.long($value)
    };
    (text, $writer:ident, $value:expr) => {
        $writer.text($value.as_ref())?
    };
    (name, $writer:ident, $value:expr) => {
        $writer.text(Some(&$value))?
    };
    (bytes, $writer:ident, $value:expr) => {
        $writer.bytes($value.as_ref())?
    };
    (octets, $writer:ident, $value:expr) => {
        $writer.bytes($value.as_ref())?
    };
    (throwable, $writer:ident, $value:expr) => {
        $writer.throwable($value.as_deref())?
    };
    (nested, $writer:ident, $value:expr) => {
        $writer.nested($value.as_ref())?
    };
    (cached, $writer:ident, $value:expr) => {
        $writer.cached($value.as_ref())?
    };
    (list, $writer:ident, $value:expr) => {
        $writer.list($value.as_deref())?
    };
}

macro_rules! read_kind {
    (name, $reader:ident, $what:expr) => {
        $reader.text()?.ok_or($crate::error::DecodeError::UnexpectedNull { expected: $what })?
    };
    (octets, $reader:ident, $what:expr) => {
        $reader.bytes()?.map(|slice| bytes::Bytes::copy_from_slice(&slice))
    };
    ($kind:ident, $reader:ident, $what:expr) => {
        $reader.$kind()?
    };
}

#[cfg(test)]
macro_rules! generate_kind {
    (nested, $generator:ident, $of:ty) => {
        $generator.nested::<$of>()
    };
    (cached, $generator:ident, $of:ty) => {
        $generator.cached::<$of>()
    };
    (list, $generator:ident, $of:ty) => {
        $generator.list::<$of>()
    };
    ($kind:ident, $generator:ident) => {
        $generator.$kind()
    };
}

#[cfg(test)]
pub(crate) use generate_kind;
pub(crate) use {fields, if_since, kind_type, read_kind, simple_structure, structure, write_kind};
