//! Against a small real HTTP server.
#![allow(clippy::disallowed_methods)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::ids::ClassId;
use crate::model::Model;
use crate::model::kube_scheduler::PluginArguments;
use crate::testkit::cluster;
use crate::world::{View, World};

/// A server that answers every call alike, and tells what it was asked: path and body.
fn serve(status: u16, answer: &str, delay: Duration) -> (String, Receiver<(String, Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}/api/", listener.local_addr().expect("bound"));
    let answer = format!(
        "HTTP/1.1 {status} Answer\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{answer}",
        answer.len()
    );
    let (asked, asks) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
            let (mut path, mut length) = (String::new(), 0);
            for (number, line) in reader.by_ref().lines().map_while(Result::ok).enumerate() {
                let lower = line.to_lowercase();
                match lower.strip_prefix("content-length:") {
                    _ if number == 0 => path = line.split(' ').nth(1).unwrap_or_default().to_owned(),
                    Some(text) => length = text.trim().parse().expect("a number"),
                    None if line.is_empty() => break,
                    None => {}
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).expect("the whole body");
            let _ = asked.send((path, serde_json::from_slice(&body).expect("JSON")));
            thread::sleep(delay);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    (url, asks)
}

fn configuration(url: &str) -> Configuration {
    Configuration {
        url_prefix: url.to_owned(),
        filter_verb: "filter".to_owned(),
        preempt_verb: "preempt".to_owned(),
        prioritize_verb: "prioritize".to_owned(),
        weight: 3,
        bind_verb: "bind".to_owned(),
        http_timeout_ms: 2000,
        is_node_cache_capable: true,
        managed_resources: Vec::new(),
        is_ignorable: false,
    }
}

/// Two nodes, `a` and `b`, and a pod on `a`.
fn small() -> (Model, World) {
    let mut model = cluster().node("a").label("disk", "ssd").node("b").taint("gpu").pod("p").cpu(500).fpga(1).model();
    let listed =
        crate::model::ListedPod { class: ClassId(0), arrival: crate::units::SimTime::ZERO, duration: None, node: None };
    let mut pods = crate::model::ListedPods { pods: vec![listed; 2], ..crate::model::ListedPods::default() };
    pods.names.push("p-0");
    pods.names.push("p-1");
    model.workload.sources.push(crate::model::ArrivalSource::Listed(pods));
    model.workload.classes[0].requests.extended = Vec::new();
    let mut world = World::new(&model);
    let placed = world.arrive((0, 0), ClassId(0), u64::MAX);
    world.place(&model.workload.classes[0], placed, NodeId(0), 0);
    world.arrive((0, 1), ClassId(0), u64::MAX);
    (model, world)
}

/// Calls `test` with a cycle for the second pod and the two nodes.
fn with_cycle(test: impl FnOnce(&Cycle<'_>, Vec<NodeInfo<'_>>)) {
    let (model, world) = small();
    let (view, arguments) = (View { model: &model, world: &world }, PluginArguments::default());
    let nodes = [NodeId(0), NodeId(1)];
    let cycle = Cycle { view, pod: Some(PodId(1)), class: ClassId(0), nodes: &nodes, arguments: &arguments };
    test(&cycle, nodes.map(|node| NodeInfo::new(view, node)).to_vec());
}

const AT_ONCE: Duration = Duration::ZERO;

#[test]
fn names_go_out_and_the_named_nodes_pass() {
    let answer = r#"{"NodeNames":["b"],"failedNodes":{"a":"too warm"},"FailedAndUnresolvableNodes":null,"Error":""}"#;
    let (url, asks) = serve(200, answer, AT_ONCE);
    with_cycle(|cycle, nodes| {
        let filtered = Extender::new(&configuration(&url)).filter(cycle, nodes).expect("an answer");
        assert_eq!(filtered.nodes.iter().map(NodeInfo::name).collect::<Vec<_>>(), ["b"]);
        let rejection = &filtered.rejections[&NodeId(0)];
        assert_eq!((rejection.code, rejection.message()), (Code::Unschedulable, "too warm".to_owned()));
    });
    let (path, body) = asks.recv().expect("one call");
    assert_eq!(path, "/api/filter");
    assert_eq!(body["NodeNames"], json!(["a", "b"]));
    assert_eq!(body["Pod"]["metadata"]["name"], "p-1");
    assert_eq!(body["Pod"]["spec"]["containers"][0]["resources"]["requests"], json!({"cpu": "500m"}));
}

#[test]
fn whole_nodes_go_out_to_extenders_without_cache() {
    let answer = r#"{"nodes":{"items":[{"metadata":{"name":"a"}}]},"failedAndUnresolvableNodes":{"b":"never"}}"#;
    let (url, asks) = serve(200, answer, AT_ONCE);
    let configuration = Configuration { is_node_cache_capable: false, ..configuration(&url) };
    with_cycle(|cycle, nodes| {
        let filtered = Extender::new(&configuration).filter(cycle, nodes).expect("an answer");
        assert_eq!(filtered.nodes.iter().map(NodeInfo::name).collect::<Vec<_>>(), ["a"]);
        assert_eq!(filtered.rejections[&NodeId(1)].code, Code::UnschedulableAndUnresolvable);
    });
    let items = &asks.recv().expect("one call").1["Nodes"]["items"];
    let labels = json!({"disk": "ssd", "kubernetes.io/hostname": "a"});
    assert_eq!(items[0]["metadata"], json!({"name": "a", "labels": labels}));
    assert_eq!(items[1]["spec"]["taints"], json!([{"key": "gpu", "value": "", "effect": "NoSchedule"}]));
}

#[test]
fn scores_are_weighted_and_brought_to_a_hundred() {
    let (url, _) = serve(200, r#"[{"Host":"b","Score":7},{"Host":"elsewhere","Score":9}]"#, AT_ONCE);
    with_cycle(|cycle, nodes| {
        // 7 x weight 3 x 100 / 10 = 210
        assert_eq!(Extender::new(&configuration(&url)).score(cycle, &nodes), Ok(vec![0, 210]));
    });
}

#[test]
fn an_extender_can_take_candidates_away_and_bind() {
    let answer = r#"{"NodeNameToMetaVictims":{"a":{"Pods":[{"UID":"pod-0"}],"NumPDBViolations":1}}}"#;
    let (url, asks) = serve(200, answer, AT_ONCE);
    let candidate = Nomination { node: NodeId(0), victims: vec![PodId(0)], pdb_violations: 1 };
    with_cycle(|cycle, _| {
        let extender = Extender::new(&configuration(&url));
        assert_eq!(extender.preempt(cycle, std::slice::from_ref(&candidate)), Ok(vec![candidate.clone()]));
        assert_eq!(extender.bind(cycle, NodeId(1)), Ok(()));
    });
    let (_, question) = asks.recv().expect("a call");
    assert_eq!(question["NodeNameToMetaVictims"]["a"]["Pods"], json!([{"UID": "pod-0"}]));
    let (path, question) = asks.recv().expect("another call");
    assert_eq!((path.as_str(), &question["Node"], &question["PodName"]), ("/api/bind", &json!("b"), &json!("p-1")));
}

#[test]
fn broken_extenders_give_clear_errors() {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
    let slow = Duration::from_millis(600);
    for (url, timeout_ms, expected) in [
        (format!("http://{free}"), 2000, "cannot call the extender"),
        (serve(200, "{}", slow).0, 50, "timeout"),
        (serve(500, "{}", AT_ONCE).0, 2000, "failed filter with extender at URL"),
        (serve(200, "<html>", AT_ONCE).0, 2000, "cannot read the answer"),
        (serve(200, r#"{"Error":"no idea"}"#, AT_ONCE).0, 2000, "no idea"),
        (serve(200, r#"{"NodeNames":["c"]}"#, AT_ONCE).0, 2000, "claims a filtered node \"c\""),
        ("https://localhost".to_owned(), 2000, "cannot call the extender"),
    ] {
        let configuration = Configuration { http_timeout_ms: timeout_ms, ..configuration(&url) };
        with_cycle(|cycle, nodes| {
            let error = Extender::new(&configuration).filter(cycle, nodes).expect_err("it is broken").to_string();
            assert!(error.contains(expected), "{error}");
        });
    }
}

#[test]
fn extenders_are_asked_about_the_resources_they_manage() {
    let mut configuration = configuration("http://localhost");
    with_cycle(|cycle, _| {
        for (managed, expected) in [(vec![], true), (vec!["example.com/fpga"], false), (vec!["cpu"], true)] {
            configuration.managed_resources = managed.iter().map(|&name| (name.to_owned(), true)).collect();
            let interested = Extender::new(&configuration).is_interested(cycle, cycle.pod_class());
            assert_eq!(interested, expected, "{managed:?}");
        }
    });
}
