"""How long nobody takes writes after a fault, and how long until all agents are back. Runs inside `tests/integration/with-zookeeper 3`.

Ten rounds of each fault; the write is asked of every master that still lives, again and again, until one acknowledges it."""
import os
import statistics
import subprocess
import time

import cluster
import ha_cluster
import meter

ROUNDS = 10
WRITE = {"id": "/probe", "cmd": "true", "instances": 0, "cpus": 0.01, "mem": 8}


def figure(values):
    ms = sorted(v * 1000 for v in values)
    return f"{ms[0]:.0f} / {statistics.median(ms):.0f} / {ms[-1]:.0f} ms"


def first_write(c, victims=()):
    """When the first write is acknowledged by a master that is none of the victims."""
    while True:
        for m in c.masters:
            if m not in victims and m.usable() and c.try_ask("PUT", "/v2/apps/probe", WRITE, master=m, timeout=5)[0] in (200, 201):
                return time.monotonic()


def agents_back(c, count, victims=()):
    """When a master other than the victims has all agents."""
    while True:
        for m in c.masters:
            if m not in victims and m.usable() and c.state(m).get("activated_slaves") == count:
                return time.monotonic()


def one(c, fault, count):
    """(seconds to the first write, seconds to all agents back) of one round; all is well again afterwards."""
    c.wait_leader()
    victims, heal = fault(c)
    begin = one.began
    write = first_write(c, victims) - begin
    back = agents_back(c, count, victims) - begin
    heal()
    c.zk.wait_serving()
    cluster.wait(lambda: all(m.usable() for m in c.masters) and c.leader() is not None, "all masters are well", 60)
    cluster.wait(lambda: c.state(c.leader() or c.masters[0]).get("activated_slaves") == count, "all agents are back", 60)
    cluster.wait(lambda: len([n for n in c.zk.list(c.path) if n.startswith("json.info_")]) == len(c.masters), "all stand again", 60)
    return write, back


def begins():
    one.began = time.monotonic()


def kill(c):
    old = c.wait_leader()
    begins()
    old.kill()
    return [old], old.start


def terminate(c):
    old = c.wait_leader()
    begins()
    old.popen.terminate()

    def heal():
        old.popen.wait(20)
        old.start()
    return [old], heal


def server_leader(c):
    n = c.zk.leader()
    begins()
    c.zk.kill(n)
    return [], lambda: c.zk.start(n)


def partition(c):
    old = c.wait_leader()
    begins()
    old.host.cut_off()
    return [old], old.host.heal


def rows(table, c, faults, count, rounds, text):
    for fault, name, goal in faults:
        measured = [one(c, fault, count) for _ in range(rounds)]
        table.row(f"{name}{text}: first write", figure([w for w, _ in measured]), goal, "minimum / median / maximum")
        table.row(f"{name}{text}: all agents back", figure([b for _, b in measured]))


def run(table, quick):
    rounds = 3 if quick else ROUNDS
    quick_faults = [(kill, "failover, kill -9", "< 500 ms"), (terminate, "failover, SIGTERM", "< 200 ms"),
                    (server_leader, "ZooKeeper's leader killed", "")]
    with ha_cluster.HaCluster(masters=3, agents=1, docker="") as c:
        rows(table, c, quick_faults, 1, rounds, ", 1 agent")
    simulated(table, quick_faults[:2], rounds)
    with ha_cluster.HaCluster(masters=3, agents=1, docker="", hosts_=True) as c:
        rows(table, c, [(partition, "leader cut off", "session 10 s")], 1, min(rounds, 5), ", 1 agent")


def simulated(table, faults, rounds, count=200):
    """The same with many agents that only speak: tests/bench/agents."""
    tool = os.path.join(os.environ["MUSTER_BENCH_BUILD"], "tests/bench/agents")
    if not os.path.exists(tool):
        table.skip(f"failover with {count} simulated agents", f"{tool} is not built")
        return
    with ha_cluster.HaCluster(masters=3, agents=0, docker="") as c:
        addresses = ",".join(f"127.0.0.1:{m.port}" for m in c.masters)
        with subprocess.Popen([tool, f"--count={count}", f"--master={addresses}"], stdout=subprocess.DEVNULL) as agents:
            try:
                cluster.wait(lambda: c.state(c.wait_leader()).get("activated_slaves") == count, "all register", 60)
                rows(table, c, faults, count, rounds, f", {count} agents")
            finally:
                agents.terminate()
