//! The OpenWire wire format, versions 1 to 12: bytes in, commands out, no I/O
