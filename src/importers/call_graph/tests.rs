//! Spans by hand, with the arithmetic beside them.
