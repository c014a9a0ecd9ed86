"""Three masters that keep the registry on their own log: --registry=replicated_log --quorum=2, found through ZooKeeper or by --log_peers.

Run below with-zookeeper 3. A client writes all the while; at the end each change that was acknowledged is there."""
import os
import shutil
import time

import cluster
from cluster import check, wait
from ha_cluster import HaCluster
from ha_log_kit import REGISTRY, Writes, begin, log_cluster, logged, third, votes, wait_votes
from log_tool import muster_log


def log_dir(c, master):
    return c.dir / master.name / "replicated_log"


def each_master_dies_in_every_way():
    with log_cluster() as c:
        want, writes = begin(c), Writes(c)
        for way in ("kill", "stop", "freeze"):
            for node in [c.wait_leader(), c.standbys()[0]]:
                clock = time.monotonic()
                getattr(node, way)()
                c.wait_write()
                print(f"     {way} of {node.name}: a write after {time.monotonic() - clock:.2f} s")
                writes.more()
                if way == "freeze":
                    node.resume()
                else:
                    node.start()
                wait(lambda: c.named_leader(node), f"{node.name} is back", 40)
                writes.more()
        writes.ends_well(want)


def a_rolling_restart_loses_nothing():
    with log_cluster() as c:
        want, writes = begin(c), Writes(c)
        for node in c.masters:
            check(node.stop() == 0, f"{node.name} ends well")
            writes.more()
            node.start()
            wait_votes(node)
            writes.more()
        writes.ends_well(want)


def all_masters_die_at_once():
    with log_cluster() as c:
        want, writes = begin(c), Writes(c)
        for _ in range(2):
            writes.more()
            for m in c.masters:
                m.kill()
            for m in c.masters:
                m.start()
            c.wait_ready()
            writes.more()
        writes.ends_well(want)


def a_lost_disk_comes_back_as_a_new_replica():
    with log_cluster() as c:
        want, writes = begin(c), Writes(c)
        for node in (c.standbys()[0], c.wait_leader()):
            writes.more()
            node.kill()
            shutil.rmtree(log_dir(c, node))
            node.start()
            wait(lambda: votes(node, 2), f"{node.name} has read the logs and votes", 60)
            writes.more()
        other = third(c, node, c.wait_leader())
        other.kill()  # now the two that lost their disks may be needed
        c.wait_write()
        writes.more()
        other.start()
        c.wait_ready()
        writes.ends_well(want)


def a_damaged_log_is_named_and_replaced():
    with log_cluster() as c:
        want, writes = begin(c), Writes(c)
        node = c.standbys()[0]
        writes.more()
        node.kill()
        path = log_dir(c, node) / "apps.log"
        with open(path, "r+b") as f:
            f.seek(os.path.getsize(path) // 2)
            f.write(b"damaged!")
        node.start()
        wait(lambda: logged(node, "is out of use") and logged(node, "apps.log"), "its log names the file", 30)
        writes.more()
        node.kill()
        status, _ = muster_log("status", "--log=master", work=log_dir(c, node).parent)
        check("  quorum       2 of 3\n" in status and all(f":{m.port}" in status for m in c.masters), "the tool knows the members", status)
        verdict, _ = muster_log("verify", work=log_dir(c, node).parent, code=1)
        check(f"apps: DAMAGED: {path}: record " in verdict and f"move {path} away" in verdict and "if 2 of them have theirs" in verdict, "and says what to do", verdict)
        path.rename(str(path) + ".damaged")
        node.start()
        wait(lambda: votes(node, 1), f"{node.name} has read the log and votes", 60)
        writes.ends_well(want)


def a_machine_is_replaced():
    with log_cluster() as c:
        want, writes = begin(c), Writes(c)
        old = c.standbys()[0]
        old.kill()
        writes.more()
        port, api = cluster.free_ports(2)
        new = make_master(c, port, api)
        new.start()
        try:
            wait(lambda: votes(new, 2), "the new machine votes", 90)
            c.masters[c.masters.index(old)] = new
            writes.more()
            c.wait_leader().kill()  # one of the two that were there before: the new one is needed
            c.wait_write()
            writes.more()
            for m in c.masters:
                if not m.alive():
                    m.start()
            c.wait_ready()
            writes.ends_well(want)
        finally:
            if new.alive():
                new.stop()


def make_master(c, port, api):
    c.hosts.append(None)
    return c._master(len(c.hosts) - 1, port, api, ())


def two_masters_are_told_why_they_wait():
    with TwoOfThree() as c:
        node = c.masters[0]
        waits = "2 of 3 masters are there: a new log begins when all 3 that --quorum=2 expects have been there at once"
        wait(lambda: logged(node, waits), "its log says whom it waits for", 40)
        c.masters[2].start()
        c.wait_ready()
        for m in c.masters[1:]:
            m.kill()
        wait(lambda: logged(node, "1 of 3 replicas answer, 2 are needed"), "it says who is away", 60)
        c.masters[1].start()
        c.wait_write(60)


class TwoOfThree(HaCluster):
    def __init__(self):
        super().__init__(masters=3, docker="", registry=REGISTRY, agents=0)

    def __enter__(self):
        for m in self.masters[:2]:
            m.start()
        return self


if __name__ == "__main__":
    cluster.main(each_master_dies_in_every_way, a_rolling_restart_loses_nothing, all_masters_die_at_once, a_lost_disk_comes_back_as_a_new_replica, a_damaged_log_is_named_and_replaced,
                 a_machine_is_replaced, two_masters_are_told_why_they_wait)
