//! Extenders that bind and preempt, called over HTTP from a running simulation.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use serde_json::{Value, json};
use wavetank::engine::watch;
use wavetank::ids::PodId;
use wavetank::model::{Model, OnEviction, OnUnschedulable};
use wavetank::observe::{CheckEveryEvent, Observer};
use wavetank::units::SimTime;
use wavetank::world::pods::Reason;
use wavetank::world::{Phase, View, World};

use super::manifests::{configuration, model, starts};

/// A server that gives these answers one after the other, status and body, the last again and again; and what it is asked.
fn serve(answers: Vec<(u16, Value)>) -> (String, Receiver<(String, Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let (asked, asks) = channel();
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let Ok(mut stream) = stream else { return };
            let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
            let (mut path, mut length) = (String::new(), 0);
            for (line_number, line) in reader.by_ref().lines().map_while(Result::ok).enumerate() {
                match line.to_lowercase().strip_prefix("content-length:") {
                    _ if line_number == 0 => path = line.split(' ').nth(1).unwrap_or_default().to_owned(),
                    Some(text) => length = text.trim().parse().expect("a number"),
                    None if line.is_empty() => break,
                    None => {}
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).expect("the whole body");
            let _ = asked.send((path, serde_json::from_slice(&body).expect("JSON")));
            let (status, answer) = &answers[number.min(answers.len() - 1)];
            let answer = answer.to_string();
            let head = format!("HTTP/1.1 {status} Answer\r\nContent-Length: {}\r\nConnection: close", answer.len());
            let _ = stream.write_all(format!("{head}\r\n\r\n{answer}").as_bytes());
        }
    });
    (url, asks)
}

fn node(name: &str) -> String {
    format!(
        "
apiVersion: v1
kind: Node
metadata: {{name: {name}}}
status: {{allocatable: {{cpu: 8, memory: 8Gi, pods: 10, example.com/fpga: 8}}}}
---"
    )
}

/// A pod that requests 8 cores, and what else is given.
fn pod(name: &str, resources: &str, spec: &str) -> String {
    format!(
        "
apiVersion: v1
kind: Pod
metadata: {{name: {name}}}
spec:
  {spec}
  containers: [{{name: main, image: x, resources: {{requests: {{cpu: 8, {resources}}}, limits: {{{resources}}}}}}}]
---"
    )
}

/// What went wrong, and when.
#[derive(Debug, Default)]
struct Errors(Vec<(f64, PodId, String)>);

impl Observer for Errors {
    fn scheduling_failed(&mut self, view: &View<'_>, pod: PodId, message: &str) {
        self.0.push((view.world.time.as_seconds(), pod, message.to_owned()));
    }
}

/// The world at the end, and what went wrong, with every invariant checked after every event.
fn run(model: &Model) -> (World, Vec<(f64, PodId, String)>) {
    let finished = watch(model, (Errors::default(), CheckEveryEvent)).expect("it can begin");
    (finished.world, finished.observer.0.0)
}

/// The model of these manifests with one extender at `url`.
fn with_extender(text: &str, url: &str, extender: &str) -> Model {
    let mut model = model(text);
    model.scheduling.kube_scheduler =
        configuration(&format!("extenders: [{{urlPrefix: '{url}', httpTimeout: 5s, {extender}}}]"));
    model
}

#[test]
fn an_extender_binds_in_place_of_the_default_binder() {
    let (url, asks) = serve(vec![(200, json!({}))]);
    let text = node("n") + &pod("p", "", "");
    let (world, errors) = run(&with_extender(&text, &url, "bindVerb: bind"));
    assert_eq!((starts(&world), errors), (vec![0.0], vec![]));
    let (path, question) = asks.recv().expect("a call");
    assert_eq!(path, "/bind");
    assert_eq!(question, json!({"PodName": "p", "PodNamespace": "default", "PodUID": "pod-0", "Node": "n"}));
    assert!(asks.try_recv().is_err(), "one call binds the pod");
}

/// Errors wait 1 s, then 2 s, both to the end of the second: 0 s, 2 s, 5 s.
#[test]
fn a_binding_that_fails_is_tried_again_after_a_wait() {
    let (url, asks) = serve(vec![(500, json!({})), (200, json!({"Error": "no such rack"})), (200, json!({}))]);
    let text = node("n") + &pod("p", "", "");
    let (world, errors) = run(&with_extender(&text, &url, "bindVerb: bind"));
    assert_eq!(starts(&world), [5.0]);
    assert_eq!((world.pods.attempts[0], world.pods.reason[0]), (3, Reason::None));
    let status = format!("failed bind with extender at URL {url}/bind, code 500");
    assert_eq!(errors, [(0.0, PodId(0), status), (2.0, PodId(0), "no such rack".to_owned())]);
    assert_eq!(asks.iter().take(3).count(), 3);
}

/// The extender is asked about pods that request its resource only. The room of the one that it does not bind goes to the
/// other at once, and then the first waits for that.
#[test]
fn the_room_of_a_pod_that_was_not_bound_helps_others() {
    let (url, _asks) = serve(vec![(200, json!({"Error": "never"}))]);
    let text = node("n") + &pod("theirs", "example.com/fpga: 1", "") + &pod("ours-10s", "", "");
    let extender = "bindVerb: bind, managedResources: [{name: example.com/fpga}]";
    let mut model = with_extender(&text, &url, extender);
    model.horizon = Some(SimTime(9_000_000_000));
    let (world, errors) = run(&model);
    assert_eq!(starts(&world), [-1.0, 0.0]);
    assert_eq!(world.pods.reason[0], Reason::Unschedulable);
    assert_eq!(errors, [(0.0, PodId(0), "never".to_owned())]);
}

#[test]
fn an_extender_that_fails_is_passed_over_or_ends_the_attempts() {
    let dead = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
    let url = format!("http://{dead}");
    let text = node("n") + &pod("p", "", "");
    // One that may fail leaves the pod to the default binder.
    let (world, errors) = run(&with_extender(&text, &url, "bindVerb: bind, ignorable: true"));
    assert_eq!((starts(&world), errors), (vec![0.0], vec![]));
    // Otherwise the pod waits 1, 2, 4, 8 and 10 s, each to the end of the second; the run ends when trying again is all that is
    // left to happen and has been in vain for five times. A pod that is not to wait is tried once.
    let at_s = [0.0, 2.0, 5.0, 10.0, 19.0, 30.0];
    for (on_unschedulable, phase, at_s) in
        [(OnUnschedulable::Wait, Phase::Pending, &at_s[..]), (OnUnschedulable::Drop, Phase::Deleted, &at_s[..1])]
    {
        let mut model = with_extender(&text, &url, "bindVerb: bind");
        model.scheduling.on_unschedulable = on_unschedulable;
        let (world, errors) = run(&model);
        assert_eq!((world.pods.phase[0], world.pods.reason[0]), (phase, Reason::SchedulerError));
        assert!(errors[0].2.starts_with(&format!("cannot call the extender {url}/bind: ")), "{errors:?}");
        assert_eq!(errors.iter().map(|(time, ..)| *time).collect::<Vec<_>>(), at_s);
    }
}

/// A filter that fails is an error of the attempt, and noted likewise.
#[test]
fn errors_of_filters_are_noted() {
    let (url, _asks) = serve(vec![(200, json!({"Error": "out of order"})), (200, json!({"NodeNames": ["n"]}))]);
    let text = node("n") + &pod("p", "", "");
    let (world, errors) = run(&with_extender(&text, &url, "filterVerb: filter, nodeCacheCapable: true"));
    assert_eq!((starts(&world), errors), (vec![2.0], vec![(0.0, PodId(0), "out of order".to_owned())]));
}

/// Either of two pods could make room, and the extender leaves one.
#[test]
fn an_extender_has_a_say_in_preemption() {
    let answer = json!({"NodeNameToMetaVictims": {"b": {"Pods": [{"UID": "pod-1"}], "NumPDBViolations": 0}}});
    let (url, asks) = serve(vec![(200, answer)]);
    let low = |name: &str, node: &str| pod(name, "", &format!("nodeName: {node}"));
    let text = node("a") + &node("b") + &low("on-a", "a") + &low("on-b", "b") + &pod("high", "", "priority: 1000");
    let mut model = with_extender(&text, &url, "preemptVerb: preempt, nodeCacheCapable: true");
    model.scheduling.on_eviction = OnEviction::End;
    let (world, errors) = run(&model);
    let (_, question) = asks.recv().expect("a call");
    assert_eq!(question["NodeNameToMetaVictims"]["a"]["Pods"], json!([{"UID": "pod-0"}]));
    assert_eq!(errors, []);
    assert_eq!(world.pods.phase, [Phase::Running, Phase::Deleted, Phase::Running]);
    assert_eq!(world.pods.node(PodId(2)).map(|node| world.nodes.name(node)), Some("b"));
}
