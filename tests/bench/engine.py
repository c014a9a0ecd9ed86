"""50 containers from one app beside 50 bare Engine API launches. Runs inside `tests/integration/with-dockerd`."""
import concurrent.futures
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
    first, busy, sample = through_muster()
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as directory:
        compare(table, quick, body_like(sample, directory), first, busy)


def compare(table, quick, body, first, busy):
    bares = {parallel: bare(body, parallel) for parallel in (PARALLEL[2:4] if quick else PARALLEL)}
    best = min(bares, key=bares.get)
    mine = [first]
    others = [bares[best]]
    if not quick:  # once more, in the other order: what drifted meanwhile falls on both
        others.append(bare(body, best))
        mine.append(through_muster()[0])
    ratio = min(mine) / min(others)
    each = " ".join(f"{parallel}:{took:.1f}" for parallel, took in bares.items())
    table.row(f"{COUNT} Docker containers from one app, request to all running", f"{min(mine):.2f} s", "",
              f"muster's processor time {busy:.2f} s")
    table.row(f"{COUNT} bare Engine API launches, best parallelism", f"{min(others):.2f} s", "", f"seconds by parallelism {each}")
    table.row("  as a ratio", f"{ratio:.2f}", "< 1.2")
