"""The replicated log on hosts of their own, and a network that fails between them: who has a majority goes on, nothing acknowledged is lost.

Run below with-zookeeper 3. Each master has a client that asks it alone; what is cut off below stays in reach of clients where nothing else is said."""
import time

import cluster
from cluster import check, wait
from ha_cluster import SESSION_TIMEOUT_S
from ha_log_kit import log_cluster, logged, third, wait_votes
from ha_network import Writers, begin, ends_well

ALONE = "nothing can be written: 1 of 3 replicas answer, 2 are needed"


def at_work(c):
    want, writers = begin(c), Writers(c)
    writers.wait_acknowledged()
    return want, writers


def cut_off_from_masters(c, node):
    """From the other masters; not from ZooKeeper, agents and clients."""
    node.host.cut_off(*[m.ip for m in c.masters if m is not node])


def healed(c, writers, want):
    ends_well(c, writers, want)
    for m in c.masters:
        wait_votes(m)


def a_leader_that_reaches_no_other_master_makes_way():
    with log_cluster(hosts_=True) as c:
        want, writers = at_work(c)
        old = c.wait_leader()
        clock = time.monotonic()
        cut_off_from_masters(c, old)
        wait(lambda: logged(old, ALONE), "it says whom it misses", 30)
        new = c.wait_leader(not_=old)
        writers.wait_acknowledged()
        print(f"     {new.name} leads, and took writes {time.monotonic() - clock:.1f} s after the cut")
        check(old.alive() and not c.state(old).get("elected_time"), "the old one stands by")
        healed(c, writers, want)


def a_follower_that_reaches_no_other_master_changes_nothing():
    with log_cluster(hosts_=True) as c:
        want, writers = at_work(c)
        leader, node = c.wait_leader(), c.standbys()[0]
        cut_off_from_masters(c, node)
        writers.wait_acknowledged(100)
        check(c.leader() is leader, "the leader leads on")
        node.host.heal()
        wait_votes(node)
        third(c, leader, node).host.cut_off()  # now it is needed
        writers.wait_acknowledged()
        healed(c, writers, want)


def a_leader_that_reaches_nobody_is_replaced():
    with log_cluster(hosts_=True) as c:
        want, writers = at_work(c)
        old = c.wait_leader()
        old.host.cut_off()
        new = wait(lambda: next((m for m in c.masters if m is not old and c.state(m).get("elected_time")), None), "another leads", 4 * SESSION_TIMEOUT_S)
        writers.wait_acknowledged(100)
        check(not [a for a in writers.acknowledged[-50:] if a[1] == old.name], "by the masters that see each other")
        healed(c, writers, want)
        check(c.leader() is new, f"{new.name} leads on")


def three_masters_that_are_alone_write_nothing():
    with log_cluster(hosts_=True) as c:
        want, writers = at_work(c)
        leader = c.wait_leader()
        for m in c.masters:
            cut_off_from_masters(c, m)
        wait(lambda: logged(leader, ALONE), "the leader says whom it misses", 30)
        before = len(writers.acknowledged)
        for m in c.masters:
            status, _, _ = c.try_ask("PUT", "/v2/apps/alone", {"cmd": "true", "instances": 0, "cpus": 0.01, "mem": 8}, master=m, timeout=2)
            check(m.alive() and status not in (200, 201), f"{m.name} takes nothing", status)
        check(len(writers.acknowledged) == before, "nothing is acknowledged meanwhile", writers.acknowledged[before:])
        healed(c, writers, want)


def a_lossy_network_is_no_failover():
    with log_cluster(hosts_=True) as c:
        want, writers = at_work(c)
        leader = c.wait_leader()
        for h in c.hosts:
            h.lose(10)
        writers.wait_acknowledged(50)
        check(c.leader() is leader, "the same master leads")
        healed(c, writers, want)


if __name__ == "__main__":
    cluster.main(a_leader_that_reaches_no_other_master_makes_way, a_follower_that_reaches_no_other_master_changes_nothing,
                 a_leader_that_reaches_nobody_is_replaced, three_masters_that_are_alone_write_nothing, a_lossy_network_is_no_failover)
