use super::*;

#[test]
fn back_offs_double() {
    assert_eq!(backoff_end(0, None, SimTime::ZERO), None);
}
