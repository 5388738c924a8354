//! The reports room.
