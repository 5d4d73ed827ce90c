#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The program that the demo traces: a small dynamic HTTP server, a thread a connection, on a free port of the loopback.
Prints its port, ends when standard input does. /served says how many pages it has made. Called by demo/run."""
import hashlib
import html
import http.server
import json
import sys
import threading
import zlib

PEOPLE = [{"name": f"person {i}", "age": i * 7 % 90, "tags": ["a", "b", str(i)]} for i in range(30)]
served = 0


def page(path):
    """Some work of several kinds: a template, JSON, a checksum, compression."""
    rows = "".join(f"<tr><td>{html.escape(one['name'])}</td><td>{one['age']}</td></tr>"
                   for one in sorted(PEOPLE, key=lambda one: (one["age"], one["name"])))
    data = json.dumps(PEOPLE)
    seal = hashlib.sha256(data.encode()).hexdigest()
    packed = len(zlib.compress(data.encode()))
    return f"<h1>{html.escape(path)}</h1><table>{rows}</table><p>{seal} {packed}".encode()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave together

    def do_GET(self):
        global served
        if self.path == "/served":
            body = str(served).encode()
        else:
            body = page(self.path)
            served += 1
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_address[1], flush=True)
sys.stdin.read()
