//! Small clusters, worked by hand.
