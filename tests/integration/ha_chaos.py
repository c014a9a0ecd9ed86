"""A seeded random sequence of faults while a client creates, scales, changes and deletes apps and records what was acknowledged.

At the end: every acknowledged state is there, no task was restarted that nobody asked for, nothing is left behind, one master leads.

Usage: ha_chaos.py [SECONDS [SEED [MASTERS [AGENTS [REGISTRY]]]]]; replicated_log wants three masters"""
import random
import sys
import threading
import time

import cluster
from cluster import check, wait
from ha_cluster import NATIVE, HaCluster, identities, wait_identities

ASK_TIMEOUT_S = 15  # above what a frozen leader may still answer after it is resumed: its lease is over by then


class Client(threading.Thread):
    """Changes apps all the time, through any master, and records what was acknowledged."""

    def __init__(self, c, rng, apps):
        super().__init__(daemon=True)
        self.c, self.rng, self.apps = c, rng, apps
        self.acknowledged = {}  # app id -> (instances, command), or None when its deletion was acknowledged
        self.unsure = set()     # the last change of these has no answer: it is made again until it has one
        self.counts = {"acknowledged": 0, "refused": 0, "unanswered": 0}
        self.errors = []
        self.stopping = False

    def change(self, app_id):
        old = self.acknowledged.get(app_id)
        roll = self.rng.random()
        if roll < 0.15 and (old is not None or app_id in self.unsure):
            method, path, body, new = "DELETE", f"/v2/apps/{app_id}?force=true", None, None
        else:
            new = (self.rng.randint(1, 3), f"while sleep 1; do : {self.rng.randint(1, 3)}; done")
            method, path = "PUT", f"/v2/apps/{app_id}?force=true"
            body = {**self.apps[app_id], "id": app_id, "instances": new[0], "cmd": new[1]}
        status, _, value = self.c.try_ask(method, path, body, timeout=ASK_TIMEOUT_S)
        if status in (200, 201) or (status == 404 and method == "DELETE"):
            self.acknowledged[app_id] = new
            self.unsure.discard(app_id)
            self.counts["acknowledged"] += 1
        elif status == 0 or status >= 500:
            self.unsure.add(app_id)
            self.counts["unanswered" if status == 0 else "refused"] += 1
        else:
            self.errors.append((method, path, status, value))

    def run(self):
        while not self.stopping:
            self.change(self.rng.choice(sorted(self.apps)))
            time.sleep(self.rng.random() * 0.3)

    def settle(self):
        """What has no answer yet is asked for until it has one."""
        for app_id in sorted(self.unsure):
            def answered():
                self.change(app_id)
                return app_id not in self.unsure
            wait(answered, f"a change of {app_id} is answered", 60, every=0.2)


class Faults:
    """One fault at a time; each is healed before the next, but for the process that may stay away for a while."""

    def __init__(self, c, rng):
        self.c, self.rng = c, rng
        self.made = {}
        self.kinds = [self.master_killed, self.master_killed, self.master_stopped, self.master_frozen_short, self.master_frozen_long,
                      self.agent_killed, self.server_killed, self.server_frozen, self.leader_and_agent_killed, self.masters_killed,
                      self.servers_killed]

    def pick_master(self):
        leader = self.c.leader()
        return leader if leader is not None and self.rng.random() < 0.7 else self.rng.choice(self.c.masters)

    def pause(self, least, most):
        time.sleep(least + self.rng.random() * (most - least))

    def master_killed(self):
        m = self.pick_master()
        m.kill()
        self.pause(0, 2)
        m.start()

    def master_stopped(self):
        m = self.pick_master()
        m.stop(20)
        self.pause(0, 1)
        m.start()

    def master_frozen_short(self):
        m = self.pick_master()
        m.freeze()
        self.pause(0.1, 4)
        m.resume()

    def master_frozen_long(self):
        m = self.pick_master()
        m.freeze()
        self.pause(11, 14)
        m.resume()

    def agent_killed(self):
        a = self.rng.choice(self.c.agents)
        a.kill()
        self.pause(0, 1)
        a.start()

    def leader_and_agent_killed(self):
        m, a = self.pick_master(), self.rng.choice(self.c.agents)
        a.kill()
        m.kill()
        self.pause(0, 1)
        a.start()
        m.start()

    def masters_killed(self):
        for m in self.c.masters:
            m.kill()
        for m in self.c.masters:
            m.start()

    def server_killed(self):
        n = self.rng.choice(self.c.zk.numbers())
        self.c.zk.kill(n)
        self.pause(0, 3)
        self.c.zk.start(n)

    def server_frozen(self):
        n = self.rng.choice(self.c.zk.numbers())
        self.c.zk.freeze(n)
        self.pause(0.5, 5)
        self.c.zk.resume(n)

    def servers_killed(self):
        for n in self.c.zk.numbers():
            self.c.zk.kill(n)
        self.pause(0, 3)
        for n in self.c.zk.numbers():
            self.c.zk.start(n)

    def one(self):
        kind = self.rng.choice(self.kinds)
        self.made[kind.__name__] = self.made.get(kind.__name__, 0) + 1
        print(f"     {time.strftime('%T')} {kind.__name__}", flush=True)
        kind()
        if self.rng.random() < 0.5:
            self.c.zk.wait_serving()
            self.c.wait_ready()


def chaos(seconds, seed, masters, agents, registry):
    print(f"seed {seed} seconds {seconds} masters {masters} agents {agents} registry {registry}", flush=True)
    rng = random.Random(seed)
    quorum = masters // 2 + 1 if registry == "replicated_log" else 1
    with HaCluster(masters=masters, agents=agents, registry=(registry, quorum)) as c:
        c.accepted("POST", "/v2/apps", {**NATIVE, "id": "steady", "instances": 2})
        c.wait_running("steady", 2)
        apps = {"a": NATIVE, "b": NATIVE}
        steady = ["steady"]
        if cluster.DOCKER_SOCKET:
            c.accepted("POST", "/v2/apps", {**cluster.STORY, "id": "steady-docker"})
            c.wait_running("steady-docker", 1)
            steady.append("steady-docker")
            apps["c"] = {**cluster.STORY, "cpus": 0.05, "mem": 32}
        c.wait_quiet()
        want = identities(c, *steady)
        client = Client(c, random.Random(seed + 1), apps)
        client.start()
        faults = Faults(c, rng)
        end = time.monotonic() + seconds
        while time.monotonic() < end and not client.errors:
            faults.pause(0, 3)
            faults.one()
        client.stopping = True
        client.join(2 * ASK_TIMEOUT_S)
        check(not client.errors, "no request was refused as wrong", client.errors)
        c.zk.wait_serving()
        c.wait_ready()
        client.settle()
        settle(c, client)
        wait_identities(c, want, *steady)
        check(c.leader() is not None, "one master leads")
        print(f"     faults {faults.made} requests {client.counts}", flush=True)
        check(client.counts["acknowledged"] > 0, "something was acknowledged at all")
        c.clean_up()


def settle(c, client):
    for app_id, state in sorted(client.acknowledged.items()):
        app = c.app(app_id)
        if state is None:
            wait(lambda: c.app(app_id) is None, f"{app_id} is deleted, as acknowledged", 60)
            continue
        check(app is not None and (app["instances"], app["cmd"]) == state, f"{app_id} is as acknowledged", state, app)
        changed = app["versionInfo"]["lastConfigChangeAt"]  # a change of instances alone leaves the tasks as they are

        def runs():
            running = c.running(app_id)
            return len(running) == state[0] and all(t["version"] >= changed for t in running)
        wait(runs, f"{app_id} runs as acknowledged", 120)
    c.wait_quiet(120)


if __name__ == "__main__":
    words = sys.argv[1:]
    SECONDS = int(words[0]) if words else 60
    SEED = int(words[1]) if len(words) > 1 else random.SystemRandom().randrange(1 << 32)
    MASTERS = int(words[2]) if len(words) > 2 else 2
    AGENTS = int(words[3]) if len(words) > 3 else 1
    REGISTRY = words[4] if len(words) > 4 else "in_memory"
    sys.argv = sys.argv[:1]

    def nothing_acknowledged_is_lost_in_a_storm_of_faults():
        chaos(SECONDS, SEED, MASTERS, AGENTS, REGISTRY)

    cluster.main(nothing_acknowledged_is_lost_in_a_storm_of_faults)
