//! The store as a whole: every verb, crashes, damage, a model.
