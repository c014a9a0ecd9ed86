"""Masters and agents on hosts of their own, and a network that fails between them: at no moment do two masters both accept a write.

Run below with-zookeeper 3. Containers are native here: one Docker engine cannot be in several hosts."""
import threading
import time

import cluster
import hosts
from cluster import check, wait
from ha_cluster import NATIVE, SESSION_TIMEOUT_S, HaCluster, identities, wait_identities


class Writers:
    """One client per master, each asking that one only; all that was acknowledged is recorded with its time and master."""

    def __init__(self, c):
        self.c, self.acknowledged, self.stopping = c, [], False
        self.threads = [threading.Thread(target=self.run, args=(m,), daemon=True) for m in c.masters]
        for t in self.threads:
            t.start()

    def run(self, master):
        count = 0
        while not self.stopping:
            name = f"/writes/{master.name}/n{count}"
            count += 1
            status, _, _ = self.c.try_ask("PUT", f"/v2/apps/{name}", {"cmd": "true", "instances": 0, "cpus": 0.01, "mem": 8},
                                          master=master, timeout=8)
            if status in (200, 201):
                self.acknowledged.append((time.monotonic(), master.name, name))
            time.sleep(0.02)

    def wait_acknowledged(self, more=20):
        want = len(self.acknowledged) + more
        wait(lambda: len(self.acknowledged) >= want, f"{more} more writes are acknowledged", 30)

    def finish(self):
        self.wait_acknowledged()
        self.stopping = True
        for t in self.threads:
            t.join(30)
        there = {a["id"] for a in self.c.get("/v2/apps")["apps"]}
        lost = [a for a in self.acknowledged if a[2] not in there]
        check(not lost, "every acknowledged write is there", lost[:5], len(self.acknowledged))
        print(f"     {len(self.acknowledged)} writes acknowledged, none lost")


def begin(c):
    c.accepted("POST", "/v2/apps", {**NATIVE, "id": "steady", "instances": 2})
    c.wait_running("steady", 2)
    c.wait_quiet()
    return identities(c, "steady")


def ends_well(c, writers, want):
    for h in c.hosts:
        h.heal()
    c.wait_ready()
    writers.finish()
    wait_identities(c, want, "steady")
    check(c.leader() is not None, "one master leads")


def the_leader_is_cut_off_from_zookeeper():
    with HaCluster(masters=2, agents=1, docker="", hosts_=True) as c:
        want = begin(c)
        writers = Writers(c)
        writers.wait_acknowledged()
        old = c.wait_leader()
        begin_s = time.monotonic()
        old.host.cut_off_ports(hosts.BASE, c.zk.ports())
        wait(lambda: not c.state(old).get("elected_time"), "it steps down by itself", 2 * SESSION_TIMEOUT_S)
        check(time.monotonic() - begin_s < SESSION_TIMEOUT_S + 1, "before its session can have expired", time.monotonic() - begin_s)
        check(old.alive(), "in place")
        c.wait_leader(not_=old)
        c.wait_write()
        ends_well(c, writers, want)


def the_leader_is_cut_off_from_everybody():
    with HaCluster(masters=3, agents=2, docker="", hosts_=True) as c:
        want = begin(c)
        writers = Writers(c)
        writers.wait_acknowledged()
        old = c.wait_leader()
        begin_s = time.monotonic()
        old.host.cut_off()
        new = wait(lambda: next((m for m in c.masters if m is not old and c.state(m).get("elected_time")), None), "another leads", 40)
        print(f"     {new.name} leads after {time.monotonic() - begin_s:.1f} s")
        wait(lambda: c.state(new).get("activated_slaves") == 2, "the agents are with it", 40)
        writers.wait_acknowledged()
        ends_well(c, writers, want)
        check(not c.state(old).get("elected_time"), "the old one stands by")


def an_agent_is_cut_off_and_comes_back():
    with HaCluster(masters=2, agents=2, docker="", hosts_=True) as c:
        want = begin(c)
        for a in c.agents:
            a.host.cut_off()
        old = c.wait_leader()
        old.kill()
        c.wait_leader(not_=old)
        c.wait_write()
        time.sleep(3)  # a while during which the new leader knows no agent: it must not act on that
        for a in c.agents:
            a.host.heal()
        old.start()
        c.wait_ready(90)
        wait_identities(c, want, "steady")


def masters_cannot_see_each_other():
    with HaCluster(masters=3, agents=1, docker="", hosts_=True) as c:
        want = begin(c)
        writers = Writers(c)
        leader = c.wait_leader()
        for m in c.masters:
            m.host.cut_off(*[o.ip for o in c.masters if o is not m])
        time.sleep(3)  # a time-out is no proof: nobody may be deposed meanwhile
        check(c.leader() is leader, "the leader leads on: that it cannot be reached proves nothing")
        ends_well(c, writers, want)


def a_lossy_network_is_no_failover():
    with HaCluster(masters=2, agents=1, docker="", hosts_=True) as c:
        want = begin(c)
        leader = c.wait_leader()
        for h in c.hosts:
            h.lose(10)
        writers = Writers(c)
        time.sleep(8)  # under load, not a wait
        check(c.leader() is leader, "the same master leads")
        ends_well(c, writers, want)


if __name__ == "__main__":
    cluster.main(the_leader_is_cut_off_from_zookeeper, the_leader_is_cut_off_from_everybody, an_agent_is_cut_off_and_comes_back,
                 masters_cannot_see_each_other, a_lossy_network_is_no_failover)
