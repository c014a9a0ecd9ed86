"""What the benchmarks measure with: event stream, load generator, memory and processor time from /proc, and the table."""
import http.client
import json
import os
import pathlib
import re
import socket
import statistics
import subprocess
import threading
import time

import cluster

TICKS = os.sysconf("SC_CLK_TCK")


class Table:
    """Rows of (what, figure, goal, note), printed as they come."""
    WIDTHS = (58, 24, 18)

    def __init__(self, is_part=False):
        if not is_part:
            self.line("what", "measured", "goal", "beside it")
            self.line("-" * 57, "-" * 23, "-" * 17, "-" * 30)

    def line(self, *cells):
        padded = [cell.ljust(width) for cell, width in zip(cells, self.WIDTHS)]
        print("".join(padded + list(cells[len(self.WIDTHS):])).rstrip(), flush=True)

    def row(self, what, figure, goal="", note=""):
        self.line(what, figure, goal, note)

    def skip(self, what, why):
        self.line(what, "not measured", "", str(why))


def middle(values):
    """'median unit (best-worst)' of times in seconds, in milliseconds"""
    ms = sorted(v * 1000 for v in values)
    return f"{statistics.median(ms):.1f} ms ({ms[0]:.1f}-{ms[-1]:.1f})"


class Events:
    """Marathon's event stream, read by a thread of its own: notes when which task was first seen running."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self.connection.request("GET", "/v2/events", headers={"Accept": "text/event-stream"})
        self.socket = self.connection.sock
        self.answer = self.connection.getresponse()
        cluster.check(self.answer.status == 200, "GET /v2/events", self.answer.status)
        self.running = {}  # app id -> {task id: time}
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        try:
            for line in self.answer:
                if line.startswith(b"data:"):
                    self.note(json.loads(line[5:]), time.monotonic())
        except (OSError, ValueError, AttributeError, http.client.HTTPException):
            pass  # closed

    def note(self, event, now):
        if event.get("eventType") == "status_update_event" and event.get("taskStatus") == "TASK_RUNNING":
            with self.changed:
                self.running.setdefault(event["appId"], {}).setdefault(event["taskId"], now)
                self.changed.notify_all()

    def wait_running(self, app_id, count, seconds=120):
        """When the last of count tasks was running."""
        with self.changed:
            in_time = self.changed.wait_for(lambda: len(self.running.get(app_id, ())) >= count, seconds)
            cluster.check(in_time, f"{count} tasks of {app_id} run", len(self.running.get(app_id, ())))
            return sorted(self.running[app_id].values())[count - 1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the server was quicker
        self.thread.join(10)
        self.connection.close()


def processor_seconds(pid):
    """User and system time of a process so far."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory(pid):
    """{"Rss": kB, "Pss": kB} of a process"""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return {name: int(kb) for name, kb in re.findall(r"^(Rss|Pss):\s+(\d+) kB", text, re.M)}


def load(pid, port, path, connections, seconds):
    """Ask for path as fast as it goes: (requests/s, requests per second of the server's processor time)."""
    before = processor_seconds(pid)
    done = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", f"http://127.0.0.1:{port}{path}"],
                          capture_output=True, text=True, timeout=seconds + 30, check=True).stdout
    used = processor_seconds(pid) - before
    cluster.check("Non-2xx" not in done and "Socket errors" not in done, f"the load on {path}", done)
    count = int(re.search(r"(\d+) requests in", done)[1])
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", done)[1])
    return rate, count / used if used > 0 else 0.0
