//! Whole reports from made-up result directories.

use std::path::Path;

use super::fixture::{Fixture, write_sweep};
use super::*;

const PLAIN: Fixture = Fixture { nodes: 40, pods: 300, end_s: 7200.0, suffix: "" };

fn read(directory: &Path, name: &str) -> String {
    std::fs::read_to_string(directory.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Renders, and checks what every report must hold. With `WAVETANK_KEEP` set the directory is kept to look at.
fn rendered(name: &str, fill: impl FnOnce(&Path)) -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    fill(directory.path());
    let written = render(directory.path(), &ReportOptions::default()).expect(name);
    let page = read(directory.path(), "report.html");
    let mut charts = 0;
    for path in &written {
        let ending = path.extension().and_then(|ending| ending.to_str());
        if ending == Some("svg") {
            let svg = std::fs::read_to_string(path).expect("a chart");
            assert!(svg.starts_with("<svg width=\"960\"") || svg.starts_with("<svg width=\"720\""), "{}", &svg[..80]);
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{name}: {path:?} holds a number that is none");
            assert!(page.contains(svg.trim()), "the page holds {path:?}");
            charts += 1;
        } else if ending == Some("png") {
            let decoder = png::Decoder::new(std::io::Cursor::new(std::fs::read(path).expect("an image")));
            let width = decoder.read_info().expect("a PNG").info().width;
            assert!(width == 1920 || width == 1440, "{width} pixels");
        }
    }
    assert_eq!(written.len(), 2 * charts + 1);
    let outside = page.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
    assert!(!outside.contains("http://") && !outside.contains("https://"), "{name}: the page asks the network");
    assert!(!page.contains("secret-host") && !page.contains("0.0123"), "{name}: the page tells of the machine");
    if let Some(keep) = std::env::var_os("WAVETANK_KEEP") {
        let place = Path::new(&keep).join(name);
        std::fs::create_dir_all(place.join("charts")).expect("a place to keep");
        for path in &written {
            let inside = path.strip_prefix(directory.path()).expect("inside");
            std::fs::copy(path, place.join(inside)).expect("a copy");
        }
    }
    (directory, page)
}

#[test]
fn a_bench_becomes_charts_and_a_page() {
    let columns = "workload,policy,nodes,pods,runs,decisions_per_s,decisions_per_s_min,decisions_per_s_max,pods_per_s,\
                   latency_us_p50,latency_us_p99,latency_us_max,peak_memory_mib,unplaced\n";
    let mut cases = columns.to_owned();
    let mut ratios = "workload,policy,ratio,ratio_ci95_low,ratio_ci95_high,verdict,placements\n".to_owned();
    for (rank, workload) in ["basic", "preemption", "<b>"].into_iter().enumerate() {
        for (speed, policy) in [(1.0, "first-fit"), (0.5, "fgd")] {
            let rate = 1e5 * speed / (rank + 1) as f64;
            let (low, high, p50) = (rate * 0.9, rate * 1.1, 1e6 / rate);
            cases.push_str(&format!(
                "{workload},{policy},50,100,5,{rate},{low},{high},{rate},{p50},{},{},{},0\n",
                p50 * 2.0,
                p50 * 9.0,
                if rank == 0 { "" } else { "30.5" }
            ));
            ratios.push_str(&format!("{workload},{policy},{},{},{},ok,same\n", 0.97 * speed, 0.9 * speed, speed));
        }
    }
    let (directory, page) = rendered("bench", |directory| {
        for (name, text) in [("bench.csv", &cases), ("bench_comparisons.csv", &ratios)] {
            std::fs::write(directory.join(name), text).expect("a place to write");
        }
        let manifest = "{\"name\": \"bench\", \"host\": {\"os\": \"linux\", \"arch\": \"x86_64\", \"cpus\": 2}}";
        std::fs::write(directory.join("manifest.json"), manifest).expect("a place to write");
    });
    for part in ["How fast the policies decide", "Compared with the other program", "linux x86_64", "&lt;b&gt;"] {
        assert!(page.contains(part), "the page lacks `{part}`");
    }
    assert!(directory.path().join("charts/bench_ratios.svg").is_file());
}

#[test]
fn a_run_becomes_charts_and_a_page() {
    let (directory, page) = rendered("run", |directory| PLAIN.write_run(directory));
    let titles = [
        "GPU allocation and fragmentation as pods arrive",
        "How much of the cluster was allocated over time",
        "Pods waiting for a node over time",
        "How long pods waited for a node",
        "CPU allocated on each node over time",
        "GPU allocated on each node over time",
    ];
    for (name, title) in ["packing", "utilisation", "pending", "wait", "nodes", "nodes_gpu"].into_iter().zip(titles) {
        let svg = read(directory.path(), &format!("charts/{name}.svg"));
        assert!(svg.contains(title), "{name} says {title}");
    }
    // 241 samples; each curve of the utilisation is drawn as steps through all that differ.
    let svg = read(directory.path(), "charts/utilisation.svg");
    let longest =
        svg.split("points=\"").skip(1).map(|rest| rest.split('"').next().unwrap_or("").split(' ').count()).max();
    assert!(longest.is_some_and(|corners| (241..=500).contains(&corners)), "{longest:?} corners");
    for text in ["quickstart", "Pods arrived", "$1,234<", "93 s", "gpu_allocated_pct", "wavetank.dev/v1"] {
        assert!(page.contains(text), "the page says {text}");
    }
    let leftovers: Vec<_> = std::fs::read_dir(directory.path()).expect("a directory").flatten().collect();
    assert!(leftovers.iter().all(|entry| !entry.file_name().to_string_lossy().starts_with(".report")), "{leftovers:?}");
}

/// Three windows of one source and two services: all is well, then the answers stay away, then they come again.
fn write_traffic(directory: &Path) {
    let columns = "time_s,span_s,kind,name,requests_per_s,failures_per_s,error_per_s,timeout_per_s,refused_per_s,\
                   unavailable_per_s,lost_per_s,good_ratio,latency_s_p50,latency_s_p95,latency_s_p99,in_flight_mean,\
                   waiting_mean,backends,cpu_cores_mean,retries_per_s\n";
    let mut traffic = columns.to_owned();
    for (window, (failed, latency)) in [(0, "0.01,0.02,0.5"), (100, ",,"), (5, "0.02,0.04,1")].into_iter().enumerate() {
        for (kind, name) in [("all", ""), ("source", "users"), ("service", "web"), ("service", "<i>db")] {
            let levels = if kind == "service" { format!("3.5,1,{},1.5,0", window + 1) } else { ",,,,".to_owned() };
            traffic.push_str(&format!(
                "{},10,{kind},{name},100,{failed},0,{failed},0,0,0,1,{latency},{levels}\n",
                window * 10
            ));
        }
    }
    let services = "service,scope,outcome,count,throughput_per_s,latency_s_p50,latency_s_p99,failed_ratio,\
                    worker_utilisation_ratio,latency_s_p99_ci95_low,latency_s_p99_ci95_high\n\
                    web,service,,3000,100,0.012,0.6,0.35,0.8125,0.5,0.7\nweb,cell,ok,1950,65,0.012,0.6,,,,\n\
                    <i>db,service,,3000,100,0.012,0.6,0.0001234,,,\n";
    let summary = "metric,unit,value\nrequests_total,count,3000\nrequests_failed_ratio,ratio,0.35\n\
                   request_latency_ms_p99,ms,600\nrequests_in_objective_ratio,ratio,0.99912\n";
    for (name, text) in [("traffic.csv", &*traffic), ("services.csv", services), ("summary.csv", summary)] {
        std::fs::write(directory.join(name), text).expect("a place to write");
    }
}

#[test]
fn requests_alone_become_charts_and_a_table() {
    let (directory, page) = rendered("traffic", write_traffic);
    let charts = ["traffic", "latency", "failures", "services_latency", "services_in_flight", "services_cpu"];
    for name in charts.into_iter().chain(["services_backends", "services"]) {
        assert!(page.contains(&format!("id=\"chart-{name}\"")), "the page lacks {name}");
    }
    // Nothing is made again, and there are no pods.
    for name in ["services_retries", "packing", "pending", "utilisation", "wait"] {
        assert!(!page.contains(&format!("id=\"chart-{name}\"")), "the page has {name}");
    }
    // Three quantiles, each in two pieces: there is none while no answer comes.
    let svg = read(directory.path(), "charts/latency.svg");
    let curves = ["#0072B2", "#D55E00", "#009E73"].map(|color| svg.matches(&format!("stroke=\"{color}\"")).count());
    assert_eq!(curves, [3; 3], "a line in the legend and two pieces");
    let texts = [
        "35.0 %",
        "99.912 %",
        "600 ms",
        "81.2 %",
        "0.012 %",
        "&lt;i&gt;db",
        "In the worst windows p50 is 20 ms, p99 1 s.",
    ];
    for text in texts {
        assert!(page.contains(text), "the page says {text}");
    }
}

#[test]
fn the_same_tables_give_the_same_bytes() {
    let (first, _) = rendered("twin", |directory| PLAIN.write_run(directory));
    let (second, _) = rendered("twin", |directory| PLAIN.write_run(directory));
    for name in ["report.html", "charts/nodes.svg", "charts/nodes.png", "charts/wait.png"] {
        let bytes = |directory: &Path| std::fs::read(directory.join(name)).expect(name);
        assert!(bytes(first.path()) == bytes(second.path()), "{name} differs");
    }
}

#[test]
fn small_and_strange_runs_are_drawn() {
    let hostile = "</script><img src=x onerror=alert(1)>'\"&é漢字";
    let rows = [
        ("empty", Fixture { nodes: 0, pods: 0, end_s: 0.0, suffix: "" }),
        ("one-node", Fixture { nodes: 1, pods: 3, end_s: 60.0, suffix: "" }),
        ("no-pods", Fixture { nodes: 4, pods: 0, end_s: 60.0, suffix: "" }),
        ("no-nodes", Fixture { nodes: 0, pods: 20, end_s: 60.0, suffix: "" }),
        ("one-instant", Fixture { nodes: 12, pods: 200, end_s: 0.0, suffix: "" }),
        ("hostile", Fixture { nodes: 6, pods: 40, end_s: 5000.0, suffix: hostile }),
        ("wide", Fixture { nodes: 700, pods: 20_000, end_s: 1e6, suffix: "" }),
    ];
    for (name, fixture) in rows {
        let (_directory, page) = rendered(name, |directory| fixture.write_run(directory));
        assert!(!page.contains("<img"), "{name}: a name became markup");
        // Two scripts and the data.
        assert_eq!(page.matches("</script>").count(), 3, "{name}");
        assert_eq!(page.contains("of 700 nodes, taken at even steps"), name == "wide");
    }
}

#[test]
fn demand_and_supply_are_shaded() {
    let (directory, page) = rendered("elasticity", |directory| {
        let write = |name: &str, text: &str| std::fs::write(directory.join(name), text).expect("a file");
        write("summary.csv", "metric,unit,value\n");
        write("timeseries.csv", "time_s,pods_pending\n0,0\n200,0\n");
        write(
            "demand.csv",
            "time_s,autoscaler,service,demand,supply\n0,default/web,web,2,2\n50,default/web,web,6,2\n\
             100,default/web,web,2,6\n200,default/one-instant,db,1,1\n",
        );
    });
    // 50 s of 200 with 4 missing; 100 s with 4 too many.
    let remark = "Too few 25 % of the time, 1 missing on average; too many 50 %, 2 on average.";
    let svg = read(directory.path(), "charts/elasticity_1.svg");
    for text in ["Demand and supply of default/web", remark, "Missing", "Too many"] {
        assert!(svg.contains(text) && page.contains(text), "the chart says {text}");
    }
    // Two shades, in the legend and in the chart.
    assert_eq!(svg.matches("opacity=\"0.45\"").count(), 4);
    assert!(read(directory.path(), "charts/elasticity_2.svg").contains("Too few 0 %"));
}

#[test]
fn tables_may_lack_columns_and_node_samples_win_over_placements() {
    let (directory, page) = rendered("few-columns", |directory| {
        let write = |name: &str, text: &str| std::fs::write(directory.join(name), text).expect("a file");
        write("summary.csv", "metric,unit,value\n");
        write("nodes.csv", "node,cpu_milli\na,1000\nb,1000\n");
        write("pods.csv", "pod,node,cpu_milli,bound_s\np,a,1000,0\nq,,500,\n");
        write("timeseries.csv", "time_s,pods_pending\n0,1\n120,0\n");
        // Node b is at 50 % from half time on; nothing is known before, and nothing at all of a.
        write("node_series.csv", "time_s,node,cpu_pct\n60,b,40\n60.5,b,60\n90,gone,10\n");
    });
    let heat = read(directory.path(), "charts/nodes.svg");
    // 50 % is shade 9.5 of 19, rounded up to 10: 10 / 19 x 4 = 2.105, so a tenth of the way from the third anchor
    // (80, 180, 192) to the fourth (38, 110, 170): (76, 173, 190).
    let shade = "#4CADBE";
    assert_eq!(heat.matches(shade).count(), 2, "the legend and one block of node b");
    assert!(
        !read(directory.path(), "charts/utilisation.svg")
            .contains("polyline fill=\"none\" opacity=\"1\" stroke=\"#0072B2\"")
    );
    assert!(page.contains("\"gpus\":[\"\"]"), "the pod on node a is in the packing picture");
}

#[test]
fn the_packing_picture_keeps_its_limits_and_says_so() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    Fixture { nodes: 40, pods: 4000, end_s: 7200.0, suffix: "" }.write_run(directory.path());
    let options = ReportOptions { png: false, nodes_shown_max: 30, pods_shown_max: 100 };
    render(directory.path(), &options).expect("a report");
    let page = read(directory.path(), "report.html");
    // 100 pods a node on average: as few nodes as are worth a picture, and of the pods on them every sixteenth.
    assert!(page.contains("Shows 12 of 40 nodes, taken at even steps."), "nodes are sampled");
    assert!(page.contains("every 16th is drawn"), "pods are thinned");
    let data = page.split("id=\"packing-data\">").nth(1).and_then(|rest| rest.split("</script>").next()).expect("data");
    let data: serde_json::Value = serde_json::from_str(data).expect("JSON");
    let pods = data["pods"]["name"].as_array().map_or(0, Vec::len);
    assert!((50..=100).contains(&pods), "{pods} pods");
    assert!(!directory.path().join("charts/wait.png").exists());
}

#[test]
fn a_directory_with_a_manifest_alone_gives_a_page_without_charts() {
    let (_directory, page) = rendered("manifest-alone", |directory| {
        std::fs::write(directory.join("manifest.json"), "{\"name\": \"bare\"}").expect("a file");
    });
    assert!(page.contains("<h1>bare</h1>") && !page.contains("<figure"));
}

#[test]
fn a_sweep_becomes_a_comparison() {
    let (directory, page) = rendered("sweep", |directory| {
        write_sweep(directory, &["random", "best_fit", "worst_fit", "dot_product", "gpu_packing", "fgd"], &["0.8"]);
    });
    let svg = read(directory.path(), "charts/comparison.svg");
    // Five policies are compared and one is the baseline; a metric that is the same everywhere gets no panel.
    assert!(svg.contains(">\ngpu_allocated_pct\n<") && svg.contains(">\nfgd\n<") && !svg.contains(">\nnodes\n<"));
    assert_eq!(svg.matches("<circle").count(), 12, "a dot for each of six cells in two panels");
    for text in ["is better than", "is worse than", "higher by", "95 % interval", "Six policies", "curves.csv"] {
        assert_eq!(page.contains(text), text != "curves.csv", "{text}");
    }
    assert!(read(directory.path(), "charts/curves_allocated_pct.svg").contains("allocated_pct as pods arrive"));
}

#[test]
fn a_large_sweep_is_cut_to_a_page() {
    let loads: Vec<String> = (0..30).map(|load| format!("load-{load}")).collect();
    let loads: Vec<&str> = loads.iter().map(String::as_str).collect();
    let (directory, _) = rendered("large-sweep", |directory| {
        write_sweep(directory, &["random", "best_fit", "worst_fit", "dot_product", "gpu_packing", "fgd"], &loads);
    });
    assert!(read(directory.path(), "charts/comparison.svg").contains("The first 120 of 180 cells."));
}

#[test]
fn wrong_input_is_an_error_and_writes_nothing() {
    let rows: [(&str, &str, &str); 5] = [
        ("other.txt", "", "is no result directory"),
        ("summary.csv", "metric,unit,value\na,b\n", "cannot read the table"),
        ("manifest.json", "{", "cannot read the manifest"),
        ("pods.csv", "pod,wait_ms\na,soon\n", "pods.csv:2: column wait_ms should be a number, not \"soon\""),
        ("cells.csv", "cell,metric,mean\na,b,x\n", "cells.csv:2: column mean should be a number, not \"x\""),
    ];
    for (name, content, message) in rows {
        let directory = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(directory.path().join(name), content).expect("a file");
        if name == "pods.csv" {
            std::fs::write(directory.path().join("summary.csv"), "metric,unit,value\n").expect("a file");
        }
        let before = std::fs::read_dir(directory.path()).expect("a directory").count();
        let error = render(directory.path(), &ReportOptions::default()).expect_err(name).to_string();
        assert!(error.contains(message), "{error}");
        assert_eq!(std::fs::read_dir(directory.path()).expect("a directory").count(), before, "{name}");
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    PLAIN.write_run(directory.path());
    std::fs::write(directory.path().join("charts"), "in the way").expect("a file");
    let error = render(directory.path(), &ReportOptions::default()).expect_err("a file in the way");
    assert!(matches!(&error, ReportError::Write { path, .. } if path.ends_with("charts")), "{error}");
    assert!(!directory.path().join("report.html").exists());
}
