#!/usr/bin/env python3
"""A scheduler extender: keeps pods labelled `carbon: low` off zones with dirty electricity, and prefers clean zones.

kube-scheduler, the real one as well as the one that wavetank simulates, sends a pod and the nodes that its own filters
have left as JSON, and expects

    POST /scheduler/filter      {"Nodes": {"items": [...]}, "FailedNodes": {name: reason}}
    POST /scheduler/prioritize  [{"Host": name, "Score": 0 to 10}, ...]

An extender should decide by what it is sent alone: then a simulated run comes out the same every time.
"""

import argparse
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

GRAMS_PER_KWH = {"zone-north": 30, "zone-west": 250, "zone-south": 600}
LIMIT_GRAMS_PER_KWH = 300
ZONE = "topology.kubernetes.io/zone"


def grams(node):
    """Carbon of the electricity of a node's zone, in g/kWh."""
    return GRAMS_PER_KWH.get(node["metadata"].get("labels", {}).get(ZONE), max(GRAMS_PER_KWH.values()))


def filter_nodes(pod, nodes):
    if pod["metadata"].get("labels", {}).get("carbon") != "low":
        return {"Nodes": {"items": nodes}, "FailedNodes": {}}
    clean = [node for node in nodes if grams(node) <= LIMIT_GRAMS_PER_KWH]
    failed = {
        node["metadata"]["name"]: f"node(s) used electricity above {LIMIT_GRAMS_PER_KWH} g/kWh"
        for node in nodes
        if node not in clean
    }
    return {"Nodes": {"items": clean}, "FailedNodes": failed}


def prioritize_nodes(pod, nodes):
    dirtiest = max(GRAMS_PER_KWH.values())
    return [{"Host": node["metadata"]["name"], "Score": 10 - 10 * grams(node) // dirtiest} for node in nodes]


VERBS = {"/scheduler/filter": filter_nodes, "/scheduler/prioritize": prioritize_nodes}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps the connection open from call to call
    wbufsize = 1 << 16  # sends headers and body together; one after the other costs 40 ms a call

    def do_POST(self):
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        verb = VERBS.get(self.path)
        if verb is None:
            self.send_error(404, f"there is no verb {self.path}")
            return
        answer = json.dumps(verb(question["Pod"], (question.get("Nodes") or {}).get("items") or [])).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        """One line a call would be thousands of lines a run."""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=18888, help="0: any free one")
    server = ThreadingHTTPServer(("127.0.0.1", parser.parse_args().port), Handler)
    print(f"listening on http://127.0.0.1:{server.server_port}/scheduler; stop with Ctrl-C", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
