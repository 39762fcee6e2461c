"""A small web app: the sales of a shop as a page and as JSON."""

import csv
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def totals():
    found = {}
    with Path("sales.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            found[row["city"]] = found.get(row["city"], 0) + int(row["sold"])
    return found


class Shop(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/api/totals":
            kind, body = "application/json", json.dumps(totals())
        else:
            rows = "".join(f"<li>{city}: {sold}</li>" for city, sold in totals().items())
            kind, body = "text/html", f"<h1>Sales</h1><ul>{rows}</ul>"
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, form, *values):
        print(self.command, self.path)


ThreadingHTTPServer(("", 8000), Shop).serve_forever()
