"""50 containers from one app beside 50 bare Engine API launches. Runs inside `tests/integration/with-dockerd`."""
import concurrent.futures
import statistics
import tempfile
import time

import cluster
import meter

COUNT = 50
PARALLEL = (1, 2, 4, 8, 16)
APP = {"id": "/fifty", "cmd": "exec sleep 1000", "instances": COUNT, "cpus": 0.05, "mem": 32,
       "container": {"type": "DOCKER", "docker": {"image": "libmesos/ubuntu", "network": "HOST"}},
       "taskKillGracePeriodSeconds": 0}


def through_muster():
    """(seconds from the request to all running, muster's processor seconds meanwhile, one container as the engine has it)"""
    with cluster.Cluster() as c, meter.Events(c.api) as events:
        pid = c.processes[0].popen.pid
        busy = meter.processor_seconds(pid)
        begin = time.monotonic()
        c.accepted("POST", "/v2/apps", APP)
        took = events.wait_running(APP["id"], COUNT) - begin
        busy = meter.processor_seconds(pid) - busy
        found = cluster.docker_containers()
        cluster.check(len(found) == COUNT, "all containers run", len(found))
        _, sample = cluster.docker("GET", f"/containers/{found[0]['Id']}/json")
        c.accepted("DELETE", f"/v2/apps/{APP['id']}")
        c.wait_gone(APP["id"])
        return took, busy, sample


def body_like(sample, directory):
    """What to POST for a container like this one, so that the engine has the same work. Mounted is directory: the sandbox is gone."""
    config, host = sample["Config"], sample["HostConfig"]
    for mount in host.get("Mounts") or ():
        mount["Source"] = directory
    host["Binds"] = [f"{directory}:{bind.split(':')[1]}" for bind in host["Binds"] or ()]
    return {**{key: config[key] for key in ("Image", "Cmd", "Entrypoint", "Env")}, "HostConfig": host}


def launch(body):
    status, made = cluster.docker("POST", "/containers/create", body)
    cluster.check(status == 201, "create", status, made)
    status, answer = cluster.docker("POST", f"/containers/{made['Id']}/start")
    cluster.check(status == 204, "start", status, answer)
    return made["Id"]


def remove(container):
    cluster.docker("DELETE", f"/containers/{container}?force=1&v=1")


def bare(body, parallel):
    """Seconds for COUNT launches, so many at a time."""
    with concurrent.futures.ThreadPoolExecutor(parallel) as pool:
        begin = time.monotonic()
        made = list(pool.map(launch, [body] * COUNT))
        took = time.monotonic() - begin
        list(pool.map(remove, made))
    return took


def run(table, quick):
    """The best parallelism first, then by turns: what drifts meanwhile falls on both alike."""
    first, busy, sample = through_muster()
    mine, others = [first], []
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as directory:
        body = body_like(sample, directory)
        bares = {parallel: bare(body, parallel) for parallel in (PARALLEL[2:4] if quick else PARALLEL)}
        best = min(bares, key=bares.get)
        for _ in range(1 if quick else 2):
            mine.append(through_muster()[0])
            others.append(bare(body, best))
    table.row(f"{COUNT} Docker containers from one app, request to all running", f"{statistics.median(mine):.2f} s", "",
              f"runs {seconds(mine)}; muster's processor time {busy:.2f} s")
    others.append(bares[best])
    table.row(f"{COUNT} bare Engine API launches, {best} at a time", f"{statistics.median(others):.2f} s", "",
              f"runs {seconds(others)}; by parallelism " + " ".join(f"{n}:{took:.1f}" for n, took in bares.items()))
    table.row("  as a ratio", f"{statistics.median(mine) / statistics.median(others):.2f}", "< 1.2")


def seconds(values):
    return " ".join(f"{value:.1f}" for value in values)
