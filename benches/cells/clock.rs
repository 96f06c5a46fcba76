//! What benches that print tables measure time with.

/// Time that this thread had a processor, in s.
#[cfg(target_os = "linux")]
pub fn cpu_s() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// Time in s since it was first asked.
#[cfg(not(target_os = "linux"))]
pub fn cpu_s() -> f64 {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed().as_secs_f64()
}
