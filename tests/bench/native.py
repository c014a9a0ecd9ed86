"""Start-up, launches, requests and memory of a cluster that runs native tasks."""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

import cluster
import meter

COMMAND = "exec sleep 1000"


def task_app(app_id, instances=1):
    return {"id": app_id, "cmd": COMMAND, "instances": instances, "cpus": 0.01, "mem": 8}


def until_accepted(c, app, seconds=20):
    """POST the app again and again, from before the port is open until it is taken."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if c.ask("POST", "/v2/apps", app, timeout=5)[0] == 201:
                return
        except OSError:
            pass
        time.sleep(0.001)
    raise cluster.Failed("no answer to the first app")


def cold_start(table, runs):
    """From the start of the process, work_dir empty, to the first task running."""
    answering, running = [], []
    for _ in range(runs):
        c = cluster.Cluster(docker="")
        try:
            begin = time.monotonic()
            c.processes[0].start()
            until_accepted(c, task_app("/first"))
            answering.append(time.monotonic() - begin)
            cluster.wait(lambda: c.running("/first"), "the first task runs", 20, every=0.001)
            running.append(time.monotonic() - begin)
            c.ask("DELETE", "/v2/apps//first")
            c.wait_gone("/first")
        finally:
            c.__exit__(None, None, None)
    table.row("cold start of muster local to first native task running", meter.middle(running), "< 150 ms",
              f"first app accepted after {meter.middle(answering)}")


class LoneAgent:
    """An agent on a work_dir of its own, whose master is a benchmark's program."""

    def __init__(self, port, where):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="muster-it-", dir=where))
        self.process = cluster.Process(
            ["agent", f"--port={cluster.free_ports(1)[0]}", f"--master=127.0.0.1:{port}", f"--work_dir={self.dir}/agent",
             "--ip=127.0.0.1", "--hostname=127.0.0.1", f"--cgroups_root={self.dir.name}", "--resources=cpus:8;mem:40960",
             "--containerizers=mesos"], self.dir / "agent.log").start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stop()
        for root in pathlib.Path("/sys/fs/cgroup").glob(f"*/{self.dir.name}"):
            try:
                root.rmdir()
            except OSError:
                pass
        shutil.rmtree(self.dir, ignore_errors=True)


def agent_launches(table, where, name, quick):
    """RUN_TASK to TASK_RUNNING, seen from the agent's link: what a task's ACCEPT waits for."""
    program = os.path.join(os.environ["MUSTER_BENCH_BUILD"], "tests/bench/bench_launch")
    arguments = ("10", "100", "1") if quick else ("40", "100", "5")
    with subprocess.Popen([program, *arguments], stdout=subprocess.PIPE, text=True) as master:
        try:
            port = master.stdout.readline().split()[1]
            with LoneAgent(port, where) as agent:
                before = meter.processor_seconds(agent.process.popen.pid)
                done = dict((line.split()[0], line.split()[1:]) for line in master.stdout)
                used = meter.processor_seconds(agent.process.popen.pid) - before
        finally:
            master.kill()
    cluster.check("rate" in done, "the launches are through", done)
    middle, best, worst = done["single"]
    table.row(f"one native task, ACCEPT to TASK_RUNNING, {name}", f"{middle} ms ({best}-{worst})", "< 10 ms",
              "as seen on the agent's link")
    best, middle = done["rate"]
    count = int(arguments[0]) + int(arguments[1]) * int(arguments[2])
    table.row(f"native launches of one agent, 100 at once, {name}", f"{best} /s", "> 300 /s",
              f"median {middle} /s; {used * 1000 / count:.2f} ms of the agent's processor time for each life")


def one_launch(table, c, events, runs):
    times = []
    for i in range(runs):
        app_id = f"/one-{i}"
        begin = time.monotonic()
        c.accepted("POST", "/v2/apps", task_app(app_id))
        times.append(events.wait_running(app_id, 1) - begin)
        c.accepted("DELETE", f"/v2/apps/{app_id}")
        c.wait_gone(app_id)
    table.row("one native task, POST to TASK_RUNNING", meter.middle(times), "", "through the app scheduler")


def bare_spawns(count):
    """Processes per second that a plain parent starts."""
    begin = time.monotonic()
    children = [subprocess.Popen(["/bin/sh", "-c", COMMAND], stdin=subprocess.DEVNULL) for _ in range(count)]
    took = time.monotonic() - begin
    for child in children:
        child.kill()
        child.wait()
    return count / took


def many_launches(table, c, events, count, runs):
    rates, used = [], []
    pid = c.processes[0].popen.pid
    for i in range(runs):
        app_id = f"/many-{i}"
        busy = meter.processor_seconds(pid)
        begin = time.monotonic()
        c.accepted("POST", "/v2/apps", task_app(app_id, count))
        rates.append(count / (events.wait_running(app_id, count) - begin))
        used.append((meter.processor_seconds(pid) - busy) / count)
        c.accepted("DELETE", f"/v2/apps/{app_id}")
        c.wait_gone(app_id)
    bare = max(bare_spawns(count) for _ in range(runs))
    table.row(f"native launches, {count} instances of one app, best of {runs}", f"{max(rates):.0f} /s", "",
              f"bare spawns {bare:.0f} /s, ratio {max(rates) / bare:.2f}; {min(used) * 1000:.2f} ms of muster's processor time each")


def supervisors_of(pid):
    """The processes above a task that belong to its container."""
    found = []
    while True:
        pid = int(re.search(r"^PPid:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text(), re.M)[1])
        if b"muster-container" not in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes():
            return found
        found.append(pid)


def supervisor_memory(table, c, events):
    """What one running task costs beside itself."""
    seconds = "1234567.5"  # finds the task
    c.accepted("POST", "/v2/apps", {**task_app("/pss"), "cmd": f"exec sleep {seconds}"})
    events.wait_running("/pss", 1)
    task = cluster.wait(lambda: [pid for pid in cluster.processes_with(f"sleep\0{seconds}") if supervisors_of(pid)],
                        "the task's process is there")[0]
    found = supervisors_of(task)
    table.row("memory of one native task beside the task (PSS)", f"{sum(meter.memory(pid)['Pss'] for pid in found)} kB", "< 1024 kB",
              f"{len(found)} supervising process(es)")
    c.accepted("DELETE", "/v2/apps//pss")
    c.wait_gone("/pss")


def idle_memory(table):
    with cluster.Cluster(docker="") as c:
        local = meter.memory(c.processes[0].popen.pid)
    with cluster.Cluster(docker="", two_processes=True) as c:
        master, agent = (meter.memory(p.popen.pid) for p in c.processes)
    for name, kb, goal in (("master", master, "< 12 MB"), ("agent", agent, "< 8 MB"), ("local", local, "")):
        table.row(f"RSS of an idle muster {name}", f"{kb['Rss'] / 1024:.1f} MB", goal, f"PSS {kb['Pss'] / 1024:.1f} MB")


def requests(table, c, path, what, goal, seconds):
    for connections in (1, 16):
        rate, per_core = meter.load(c.processes[0].popen.pid, c.port, path, connections, seconds)
        table.row(f"{what}, {connections} connection{'s' if connections > 1 else ''}", f"{rate:.0f} req/s", goal,
                  f"{per_core:.0f} per second of the server's processor time")


def run(table, quick):
    seconds, runs = (1, 3) if quick else (4, 10)
    cold_start(table, runs)
    idle_memory(table)
    agent_launches(table, None, "work_dir on disk", quick)
    agent_launches(table, "/dev/shm", "work_dir in memory", quick)
    with cluster.Cluster(docker="") as c, meter.Events(c.api) as events:
        one_launch(table, c, events, runs)
        supervisor_memory(table, c, events)
        many_launches(table, c, events, 100, 1 if quick else 3)
        if shutil.which("wrk") is None:
            table.skip("requests per second", "package wrk is not installed")
            return
        requests(table, c, "/health", "/health", "> 40000 req/s", seconds)
    with cluster.Cluster(docker="") as c, meter.Events(c.api) as events:  # no finished tasks beside them
        c.accepted("POST", "/v2/apps", task_app("/hundred", 100))
        events.wait_running("/hundred", 100)
        requests(table, c, "/state", "/state, 100 running tasks", "> 5000 req/s", seconds)
        c.accepted("DELETE", "/v2/apps//hundred")
        c.wait_gone("/hundred")
