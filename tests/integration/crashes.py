"""kill -9 at random moments of the story: no acknowledged app is lost, no running container is restarted, nothing is left behind at the end.

Usage: crashes.py [ROUNDS [SEED]]"""
import random
import sys
import threading
import time

import cluster
from cluster import Cluster, check, docker_containers, wait


class Client(threading.Thread):
    """Changes apps all the time and records what was acknowledged."""

    def __init__(self, c, rng, apps):
        super().__init__(daemon=True)
        self.c, self.rng, self.apps = c, rng, apps
        self.acknowledged = {}  # app id -> instances, or None when its deletion was acknowledged
        self.unsure = set()     # a request was made whose answer never came
        self.stopping = False

    def change(self, app_id):
        roll = self.rng.random()
        if self.acknowledged.get(app_id) is None:
            method, path, want = "POST", "/v2/apps", 1
            body = {**self.apps[app_id], "id": app_id, "instances": 1}
        elif roll < 0.15:
            method, path, body, want = "DELETE", f"/v2/apps/{app_id}", None, None
        else:
            want = self.rng.randint(1, 3)
            method, path, body = "PUT", f"/v2/apps/{app_id}?force=true", {"instances": want}
        try:
            status, _, _ = self.c.ask(method, path, body, timeout=10)
        except (OSError, cluster.http.client.HTTPException):
            self.unsure.add(app_id)
            return
        if status in (200, 201):
            self.acknowledged[app_id] = want
            self.unsure.discard(app_id)
        elif status >= 500:
            self.unsure.add(app_id)

    def run(self):
        while not self.stopping:
            app_id = self.rng.choice(sorted(self.apps))
            if app_id in self.unsure:
                try:  # find out which of the two it became
                    app = self.c.app(app_id)
                    self.acknowledged[app_id] = app["instances"] if app else None
                    self.unsure.discard(app_id)
                except (OSError, cluster.http.client.HTTPException, cluster.Failed, TypeError, KeyError):
                    time.sleep(0.05)
                continue
            self.change(app_id)
            time.sleep(self.rng.random() * 0.2)


def crash_loop(rounds, seed, two_processes):
    print(f"seed {seed} rounds {rounds} two_processes {two_processes}", flush=True)
    rng = random.Random(seed)
    native = {"cmd": "while sleep 1; do :; done", "cpus": 0.05, "mem": 32, "backoffSeconds": 1}
    with Cluster(two_processes=two_processes) as c:
        steady = {**native, "id": "steady", "instances": 2}
        c.accepted("POST", "/v2/apps", steady)
        before = {t["id"]: t["startedAt"] for t in c.wait_running("steady", 2)}
        apps = {"a": native, "b": native}
        containers = {}
        if cluster.DOCKER_SOCKET:
            c.accepted("POST", "/v2/apps", {**cluster.STORY, "id": "steady-docker"})
            before.update({t["id"]: t["startedAt"] for t in c.wait_running("steady-docker", 1)})
            containers = {x["Id"]: x["Created"] for x in docker_containers()}
            apps["c"] = {**cluster.STORY, "cpus": 0.05, "mem": 32}
        c.wait_quiet()
        client = Client(c, random.Random(seed + 1), apps)
        client.start()
        for _ in range(rounds):
            time.sleep(rng.random() * 0.6)
            victim = rng.choice(c.processes)
            victim.kill()
            if rng.random() < 0.3:
                time.sleep(rng.random() * 0.3)
            victim.start()
            if rng.random() < 0.5:
                c.wait_ready(30)
        client.stopping = True
        client.join(30)
        c.wait_ready(30)
        settle(c, client)
        now = {t["id"]: t["startedAt"] for name in ("steady", "steady-docker") for t in c.running(name)}
        check(now == before, "the steady tasks are the same, started when they were", before, now)
        still = {x["Id"]: x["Created"] for x in docker_containers()} if containers else {}
        check(set(containers) <= set(still), "the steady containers are the same", containers, still)
        clean_up(c)


def settle(c, client):
    for app_id in sorted(client.unsure):
        app = c.app(app_id)
        client.acknowledged[app_id] = app["instances"] if app else None
    for app_id, instances in sorted(client.acknowledged.items()):
        app = wait(lambda: c.app(app_id), f"{app_id} is there, as acknowledged", 30) if instances is not None else None
        if instances is not None:
            check(app["instances"] == instances, f"{app_id} has the instances acknowledged", instances, app["instances"])
            c.wait_running(app_id, instances, 90)
        else:
            wait(lambda: c.app(app_id) is None, f"{app_id} is deleted, as acknowledged", 90)
    c.wait_quiet(90)


def clean_up(c):
    for app in c.get("/v2/apps")["apps"]:
        c.accepted("DELETE", f"/v2/apps{app['id']}")
    wait(lambda: c.get("/v2/apps")["apps"] == [], "all apps are gone", 60)
    c.wait_quiet(60)
    wait(lambda: not cluster.processes_with("MARATHON_APP_ID=/"), "no process is left", 30)
    wait(lambda: not cluster.cgroups_of(c), "no cgroup is left", 30)
    check(not cluster.mounts_below(c.dir), "no mount is left", cluster.mounts_below(c.dir))
    if cluster.DOCKER_SOCKET:
        wait(lambda: docker_containers(running_only=False) == [], "no Docker container is left", 60)


if __name__ == "__main__":
    ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    SEED = int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().randrange(1 << 32)
    sys.argv = sys.argv[:1]

    def one_process_is_killed_at_random_moments():
        crash_loop(ROUNDS // 2, SEED, False)

    def master_or_agent_is_killed_at_random_moments():
        crash_loop(ROUNDS - ROUNDS // 2, SEED + 7, True)

    cluster.main(one_process_is_killed_at_random_moments, master_or_agent_is_killed_at_random_moments)
