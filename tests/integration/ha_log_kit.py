"""What the tests of the replicated log share: a cluster of three masters on it, a client that writes all the while, what a master says of its log."""
import http.client
import random

import cluster
from cluster import check, wait
from ha_chaos import Client, settle
from ha_cluster import NATIVE, HaCluster, identities, wait_identities

REGISTRY = ("replicated_log", 2)
LOGS = ("registrar/log/", "registry/apps/log/")  # as /metrics/snapshot calls the two


def log_cluster(**kw):
    return HaCluster(masters=3, docker="", registry=REGISTRY, **kw)


class Writes:
    """The chaos client at work; ends_well() stops it and looks at everything that it was told."""

    def __init__(self, c):
        self.c = c
        self.client = Client(c, random.Random(7), {"a": NATIVE, "b": NATIVE})
        self.client.start()

    def more(self, count=3):
        """So many more changes are acknowledged."""
        have = self.client.counts["acknowledged"]
        wait(lambda: self.client.errors or self.client.counts["acknowledged"] >= have + count, "changes are acknowledged", 60)

    def ends_well(self, want):
        self.client.stopping = True
        self.client.join(60)
        check(not self.client.errors, "no request was refused as wrong", self.client.errors)
        self.c.wait_ready()
        self.client.settle()
        settle(self.c, self.client)
        wait_identities(self.c, want, "steady")
        print(f"     {self.client.counts}")


def begin(c):
    c.accepted("POST", "/v2/apps", {**NATIVE, "id": "steady", "instances": 2})
    c.wait_running("steady", 2)
    c.wait_quiet()
    return identities(c, "steady")


def logged(node, text):
    return text in node.log.read_text(errors="replace")


def votes(node, count):
    """So often has its log said that it votes (each of the two logs says it once)."""
    return node.log.read_text(errors="replace").count("this replica votes now") >= count


def metrics(node):
    """Its /metrics/snapshot; nothing when it does not answer."""
    try:
        status, _, values = cluster.request(node.port, "GET", "/metrics/snapshot", timeout=5, host=node.ip)
    except (OSError, http.client.HTTPException):
        return {}
    return values if status == 200 else {}


def wait_votes(node, seconds=60):
    """Both of its logs vote, and reach all the others."""
    def both():
        values = metrics(node)
        return all(values.get(log + "recovered") == 1 and values.get(log + "ensemble_size") == 3 for log in LOGS)
    wait(both, f"{node.name} votes, and reaches the others", seconds)


def third(c, *two):
    """The master that is none of these."""
    return next(m for m in c.masters if m not in two)
