//! Whether the extenders that a run will call are there: better said before the run than pod by pod.

use std::fmt::Write as _;
use std::net::{TcpStream, ToSocketAddrs};
use std::path::Path;
use std::time::Duration;

use super::{Failure, say};
use crate::model::Model;

/// The longest wait for a connection.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Connects to every extender of the model once. One whose failures are passed over is a warning.
pub(super) fn check(model: &Model, scenario: &Path) -> Result<(), Failure> {
    let configuration = model.scheduling.kube_scheduler.as_deref();
    for extender in configuration.iter().flat_map(|configuration| &configuration.extenders) {
        let url = &extender.url_prefix;
        match connect(url) {
            Ok(()) => {}
            Err(cause) if extender.is_ignorable => {
                say(&format!(
                    "warning: the extender {url} cannot be reached ({cause}); it is passed over (`ignorable`)"
                ));
            }
            Err(cause) => {
                let mut message = format!("error: the extender {url} cannot be reached: {cause}; nothing was run\n");
                message.push_str("hint: start it before the run, so that it listens at that address");
                let head = head_of(scenario);
                if !head.is_empty() {
                    let _ = write!(message, "; {} says:\n{head}", scenario.display());
                }
                return Err(Failure::Run(message.trim_end().to_owned()));
            }
        }
    }
    Ok(())
}

/// Connects to the host and port of an address such as `http://127.0.0.1:8888/scheduler`.
fn connect(url: &str) -> Result<(), String> {
    let rest = url.strip_prefix("http://").unwrap_or(url);
    let host = rest.split('/').next().unwrap_or(rest);
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let host = if has_port { host.to_owned() } else { format!("{host}:80") };
    let mut cause = "the name has no address".to_owned();
    for address in host.to_socket_addrs().map_err(|error| error.to_string())? {
        match TcpStream::connect_timeout(&address, TIMEOUT) {
            Ok(_) => return Ok(()),
            Err(error) => cause = error.to_string(),
        }
    }
    Err(cause)
}

/// The comment at the head of a file: that of a scenario says what it needs.
fn head_of(scenario: &Path) -> String {
    let text = std::fs::read_to_string(scenario).unwrap_or_default();
    let lines = text.lines().take_while(|line| line.starts_with('#'));
    lines.fold(String::new(), |all, line| all + "  " + line + "\n")
}
