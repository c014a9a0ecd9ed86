#!/usr/bin/env python3
"""The executable's life, seen from outside: start, answer, stop, refuse, die.

Usage: process.py MUSTER
"""
import json
import os
import pathlib
import re
import resource
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

MASTER = ["master", "--ip=127.0.0.1", "--port=0", "--marathon_port=0", "--api=skeleton",
          "--election=in_memory", "--registry=in_memory"]


class Muster:
    def __init__(self, muster, *args, env=None):
        self.process = subprocess.Popen([muster, *args], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, env=env)
        self.seen = ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()

    def wait_for(self, pattern, seconds=20):
        """Reads stderr until it matches: waits for output, not for time."""
        end = time.monotonic() + seconds
        while not re.search(pattern, self.seen):
            left = max(end - time.monotonic(), 0)
            ready = select.select([self.process.stderr], [], [], left)[0]
            piece = os.read(self.process.stderr.fileno(), 65536).decode() if ready else ""
            assert piece, f"{pattern!r} is not logged:\n{self.seen}"
            self.seen += piece
        return re.search(pattern, self.seen)

    def end(self, signal_number=None, seconds=20):
        if signal_number:
            self.process.send_signal(signal_number)
        out, err = self.process.communicate(timeout=seconds)
        self.seen += err.decode()
        return self.process.returncode, out.decode()


def get(port, path="/skeleton/hello"):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return json.load(answer)


def serves_and_stops_in_order_on_each_signal(muster):
    for number in (signal.SIGTERM, signal.SIGINT):
        with Muster(muster, *MASTER) as m:
            port = m.wait_for(r"for=master ip=127\.0\.0\.1 port=(\d+)\n").group(1)
            m.wait_for("skeleton ready")
            assert get(port)["greeting"] == "hello"
            code, _ = m.end(number)
            assert code == 0, m.seen
            assert "stopped" in m.seen and "still open" not in m.seen, m.seen


def takes_flags_from_environment_and_files(muster):
    with tempfile.NamedTemporaryFile("w") as f:
        f.write("from a file\n")
        f.flush()
        env = dict(os.environ, MUSTER_SKELETON_GREETING=f"file://{f.name}",
                   MUSTER_LOG_FORMAT="json", MUSTER_LOGGING_LEVEL="DEBUG")
        with Muster(muster, *MASTER, env=env) as m:
            port = m.wait_for(r'"for":"master","ip":"127.0.0.1","port":(\d+)}\n').group(1)
            m.wait_for("skeleton ready")
            assert get(port)["greeting"] == "from a file"
            assert m.end(signal.SIGTERM)[0] == 0
            lines = [json.loads(line) for line in m.seen.splitlines()]
            assert all({"time", "level", "message"} <= set(line) for line in lines)
            assert any(line["message"] == "flag" and line["name"] == "skeleton_greeting"
                       for line in lines), m.seen


def configuration_error_of_a_plugin_ends_it_with_a_text(muster):
    with Muster(muster, *MASTER, "--skeleton_greeting=") as m:
        code, _ = m.end()
        assert code == 1, m.seen
        assert "--skeleton_greeting is empty" in m.seen, m.seen


def taken_port_ends_it_with_a_text(muster):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        args = [a for a in MASTER if not a.startswith("--port=")]
        with Muster(muster, *args, f"--port={port}") as m:
            code, _ = m.end()
            assert code == 1, m.seen
            assert str(port) in m.seen and "in use" in m.seen, m.seen
            assert "--port: listen on" in m.seen, m.seen
        args = [a for a in MASTER if not a.startswith("--marathon_port=")]
        with Muster(muster, *args, f"--marathon_port={port}") as m:
            assert m.end()[0] == 1, m.seen
            assert "--marathon_port: listen on" in m.seen, m.seen


def serves_more_clients_than_the_usual_limit_of_descriptors(muster):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(1500, hard - 600)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    clients = []
    try:
        with Muster(muster, *MASTER) as m:
            port = int(m.wait_for(r"for=master ip=127\.0\.0\.1 port=(\d+)\n").group(1))
            m.wait_for("skeleton ready")
            for _ in range(count):
                clients.append(socket.create_connection(("127.0.0.1", port), timeout=10))
                clients[-1].sendall(b"GET /skeleton/hello HTTP/1.1\r\nHost: x\r\n\r\n")
                answer = clients[-1].recv(4096)
                assert answer.startswith(b"HTTP/1.1 200 "), (len(clients), answer)
            assert count > 1024 or hard < 1624, (count, hard)
    finally:
        for client in clients:
            client.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def wrong_flags_are_all_named_and_nothing_starts(muster):
    with Muster(muster, *MASTER, "--prot=1", "--quorum=x", "--work_dir=/proc/none/x") as m:
        code, _ = m.end()
        assert code == 1, m.seen
        for text in ("muster: unknown flag '--prot'; did you mean '--port'?",
                     "muster: --quorum: ", "muster: --work_dir: "):
            assert text in m.seen, m.seen
        assert "starting" not in m.seen, m.seen


def unfinished_stop_ends_with_the_second_signal(muster):
    """A connection with an unfinished request keeps the server for its grace time."""
    with Muster(muster, *MASTER) as m:
        port = int(m.wait_for(r"for=master ip=127\.0\.0\.1 port=(\d+)\n").group(1))
        m.wait_for("skeleton ready")
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            client.sendall(b"POST /skeleton/hello HTTP/1.1\r\nHost: x\r\n"
                           b"Content-Length: 1000\r\n\r\nx")
            get(port)  # a whole turn of the loop later: the other request was seen
            m.process.send_signal(signal.SIGTERM)
            m.wait_for("stopping reason=SIGTERM")
            code, _ = m.end(signal.SIGTERM)
        # Either the first signal had done all, or the second one cut it short.
        assert (code == 0) == ("second signal" not in m.seen), m.seen


def fatal_signal_is_reported_with_the_plugins(muster):
    with Muster(muster, *MASTER) as m:
        m.wait_for("skeleton ready")
        code, _ = m.end(signal.SIGSEGV)
        assert code == -signal.SIGSEGV, (code, m.seen)
        assert "killed by SIGSEGV" in m.seen and "api_skeleton" in m.seen, m.seen


def work_dir_and_questions(muster):
    with tempfile.TemporaryDirectory() as tmp:
        path = pathlib.Path(tmp, "a", "b")
        with Muster(muster, *MASTER, f"--work_dir={path}") as m:
            m.wait_for("skeleton ready")
            assert path.is_dir()
            assert m.end(signal.SIGTERM)[0] == 0
    with Muster(muster, "--version") as m:
        code, out = m.end()
        assert code == 0 and out.startswith("muster "), out
    with Muster(muster, "master", "--api=skeleton", "--help") as m:
        code, out = m.end()
        assert code == 0 and "--skeleton_greeting=TEXT" in out, out


def main():
    muster = sys.argv[1]
    is_sanitized = len(sys.argv) > 2
    cases = [serves_and_stops_in_order_on_each_signal, takes_flags_from_environment_and_files,
             configuration_error_of_a_plugin_ends_it_with_a_text, taken_port_ends_it_with_a_text,
             wrong_flags_are_all_named_and_nothing_starts,
             serves_more_clients_than_the_usual_limit_of_descriptors,
             unfinished_stop_ends_with_the_second_signal, work_dir_and_questions]
    if not is_sanitized:  # the sanitizer has its own report of signals
        cases.append(fatal_signal_is_reported_with_the_plugins)
    failed = 0
    for case in cases:
        try:
            case(muster)
            print(f"ok {case.__name__}")
        except Exception as e:  # the next cases run in any case
            print(f"FAILED {case.__name__}: {type(e).__name__}: {e}")
            failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
