//! The alerts room.
