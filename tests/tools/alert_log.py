"""Receives Alertmanager's webhooks, and prints one line for each alert: when, where, status, what.

usage: alert_log.py ADDRESS
"""

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """Takes everything."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        now = time.strftime("%H:%M:%S")
        for alert in body["alerts"]:
            labels = alert["labels"]
            what = " ".join(labels.get(name, "-") for name in ("alertname", "component", "service"))
            print(now, self.path, alert["status"], what, flush=True)
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *arguments: object) -> None:
        """Says nothing."""


address, port = sys.argv[1].rsplit(":", 1)
ThreadingHTTPServer((address, int(port)), Handler).serve_forever()
