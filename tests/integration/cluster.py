"""A cluster for a test: starts `muster` from the build tree on free ports in a directory of its own, speaks to it over HTTP, ends it.

Waits for conditions, never for a time. Everything that was started is ended by its process id, whatever the test does."""
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

MUSTER = os.environ.get("MUSTER_TEST_BINARY", "build/muster")
DOCKER_SOCKET = os.environ.get("MUSTER_TEST_DOCKER_SOCKET")
STORY = {  # from 2014, to the letter
    "container": {"image": "docker:///libmesos/ubuntu", "options": []},
    "id": "ubuntu", "instances": "1", "cpus": ".3", "mem": "200", "uris": [],
    "cmd": "while sleep 10; do date -u +%T; done",
}


class Failed(AssertionError):
    pass


def check(condition, text, *values):
    if not condition:
        raise Failed(text + "".join(f"\n  {v!r}" for v in values))


def wait(condition, text, seconds=30, every=0.02):
    """The first true value of condition(); fails with text when it does not come."""
    end = time.monotonic() + seconds
    last = None
    while time.monotonic() < end:
        last = condition()
        if last:
            return last
        time.sleep(every)
    raise Failed(f"not within {seconds} s: {text} (last: {last!r})")


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    try:
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]
    finally:
        for s in sockets:
            s.close()


def request(port, method, path, body=None, headers=None, timeout=20, host="127.0.0.1"):
    """(status, headers, parsed JSON or text)"""
    connection = http.client.HTTPConnection(host, port, timeout=timeout)
    try:
        data = body if isinstance(body, (bytes, str, type(None))) else json.dumps(body)
        connection.request(method, path, data, {"Content-Type": "application/json", **(headers or {})})
        answer = connection.getresponse()
        raw = answer.read()
        try:
            value = json.loads(raw)
        except ValueError:
            value = raw.decode("utf-8", "replace")
        return answer.status, dict(answer.getheaders()), value
    finally:
        connection.close()


class Process:
    """One muster process. stop() is SIGTERM, kill() is kill -9."""

    def __init__(self, args, log, prefix=()):
        self.args, self.log, self.prefix = args, log, prefix
        self.popen = None

    def start(self):
        with open(self.log, "ab") as out:
            self.popen = subprocess.Popen([*self.prefix, MUSTER, *self.args], stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        return self

    def alive(self):
        return self.popen is not None and self.popen.poll() is None

    def kill(self):
        if self.alive():
            self.popen.kill()
        self.popen.wait()

    def stop(self, seconds=15):
        if self.alive():
            self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(seconds)


class Cluster:
    def __init__(self, flags=(), docker=None, two_processes=False, work_dir=None):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="muster-it-"))
        work_dir = work_dir or self.dir / "work"
        self.port, self.api, self.agent_port = free_ports(3)
        docker = DOCKER_SOCKET if docker is None else docker
        common = ["--ip=127.0.0.1", "--hostname=127.0.0.1"]
        agent = [f"--cgroups_root={self.dir.name}", "--resources=cpus:8;mem:4096;disk:10000;ports:[31000-31999]",
                 "--containerizers=" + ("docker,mesos" if docker else "mesos")]
        if docker:
            agent.append(f"--docker_socket={docker}")
        if two_processes:
            master = Process(["master", f"--port={self.port}", f"--marathon_port={self.api}", f"--work_dir={self.dir}/master",
                              *common, *flags], self.dir / "master.log")
            worker = Process(["agent", f"--port={self.agent_port}", f"--master=127.0.0.1:{self.port}",
                              f"--work_dir={self.dir}/agent", *common, *agent], self.dir / "agent.log")
            self.processes = [master, worker]
        else:
            self.processes = [Process(["local", f"--port={self.port}", f"--marathon_port={self.api}",
                                       f"--agent_port={self.agent_port}", f"--work_dir={work_dir}",
                                       *common, *agent, *flags], self.dir / "local.log")]

    def __enter__(self):
        for p in self.processes:
            p.start()
        try:
            self.wait_ready()
        except BaseException as error:  # the with block never begins: clean up here
            self.__exit__(type(error), error, None)
            raise
        return self

    def __exit__(self, kind, value, trace):
        for p in reversed(self.processes):
            if p.alive():
                try:
                    p.stop()
                except subprocess.TimeoutExpired:
                    p.kill()
        if kind is not None:
            print(f"--- {kind.__name__}: {value}", file=sys.stderr)
            for log in sorted(self.dir.glob("*.log")):
                print(f"--- the end of {log.name}", file=sys.stderr)
                print("\n".join(log.read_text(errors="replace").splitlines()[-60:]), file=sys.stderr)
        for pid in processes_with(str(self.dir)):  # tasks of a test that failed half-way: nobody else ends them
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        for root in pathlib.Path("/sys/fs/cgroup").glob(f"*/{self.dir.name}"):
            try:
                root.rmdir()
            except OSError:
                pass
        shutil.rmtree(self.dir, ignore_errors=True)

    # ---- HTTP ----

    def ask(self, method, path, body=None, **kw):
        return request(self.api, method, path, body, **kw)

    def get(self, path):
        status, _, value = self.ask("GET", path)
        check(status == 200, f"GET {path}", status, value)
        return value

    def accepted(self, method, path, body=None, want=(200, 201)):
        status, _, value = self.ask(method, path, body)
        check(status in want, f"{method} {path}", status, value)
        return value

    def is_ready(self):
        try:
            status, _, info = self.ask("GET", "/v2/info", timeout=5)
            state_status, _, state = request(self.port, "GET", "/state", timeout=5)
        except (OSError, http.client.HTTPException):
            return False
        return status == 200 and state_status == 200 and isinstance(info, dict) and info.get("frameworkId") and \
            state.get("activated_slaves") == 1

    def wait_ready(self, seconds=20):
        def ready_or_dead():
            dead = [p for p in self.processes if not p.alive()]
            check(not dead, "a process has ended", [p.args for p in dead])
            return self.is_ready()
        wait(ready_or_dead, "the cluster is up", seconds)

    # ---- apps ----

    def app(self, app_id):
        status, _, value = self.ask("GET", f"/v2/apps/{app_id}")
        return value["app"] if status == 200 else None

    def tasks(self, app_id):
        status, _, value = self.ask("GET", f"/v2/apps/{app_id}/tasks")
        return value["tasks"] if status == 200 else []

    def running(self, app_id):
        return [t for t in self.tasks(app_id) if t["state"] == "TASK_RUNNING"]

    def wait_running(self, app_id, count, seconds=30):
        return wait(lambda: (lambda r: r if len(r) == count else None)(self.running(app_id)),
                    f"{app_id} has {count} running tasks", seconds)

    def wait_quiet(self, seconds=60):
        """No deployment is open."""
        wait(lambda: self.get("/v2/deployments") == [], "all deployments are done", seconds)

    def wait_gone(self, app_id, seconds=60):
        wait(lambda: self.app(app_id) is None, f"{app_id} is gone", seconds)
        self.wait_quiet(seconds)

    def executor_of(self, task_id):
        """The agent's view of a task: its sandbox is ["directory"]."""
        _, _, state = request(self.agent_port, "GET", "/state")
        for framework in state["frameworks"]:
            for executor in framework["executors"] + framework["completed_executors"]:
                if executor["id"] == task_id:
                    return executor
        return None

    def read_sandbox(self, task_id, name):
        executor = self.executor_of(task_id)
        if executor is None:
            return ""
        status, _, value = request(self.agent_port, "GET", f"/files/read?path={executor['directory']}/{name}&offset=0")
        return value["data"] if status == 200 else ""


# ---- what a host would show when something was left behind ----

def processes_with(text):
    """Process ids whose command line or environment has text (a marker that a test puts into its app)."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            if text.encode() in (entry / "cmdline").read_bytes() or text.encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except OSError:
            pass
    return found


def cgroups_of(c):
    """The containers' cgroups below the root that this cluster alone uses."""
    root = pathlib.Path("/sys/fs/cgroup")
    return sorted(str(p) for pattern in (f"*/{c.dir.name}/*/", f"{c.dir.name}/*/") for p in root.glob(pattern))


def mounts_below(directory):
    return [line for line in pathlib.Path("/proc/mounts").read_text().splitlines() if str(directory) in line]


def docker(method, path, body=None):
    class Unix(http.client.HTTPConnection):
        def connect(self):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(30)
            self.sock.connect(DOCKER_SOCKET)
    connection = Unix("localhost")
    try:
        connection.request(method, path, json.dumps(body) if body is not None else None, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        raw = answer.read()
        return answer.status, json.loads(raw) if raw.strip().startswith((b"{", b"[")) else raw
    finally:
        connection.close()


def docker_containers(running_only=True):
    status, found = docker("GET", "/containers/json" + ("" if running_only else "?all=1"))
    check(status == 200, "the engine lists its containers", status, found)
    return found


def main(*tests):
    """Run the tests (functions) one after another; the name says the behaviour."""
    wanted = sys.argv[1:]
    failed = 0
    for test in tests:
        if wanted and test.__name__ not in wanted:
            continue
        begin = time.monotonic()
        try:
            test()
            print(f"ok   {test.__name__} ({time.monotonic() - begin:.1f} s)", flush=True)
        except Exception as error:  # each test is told apart; the rest still runs
            failed += 1
            print(f"FAIL {test.__name__}: {error}", flush=True)
    sys.exit(1 if failed else 0)
