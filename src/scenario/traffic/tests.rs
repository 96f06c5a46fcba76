//! Traffic from text to model.
