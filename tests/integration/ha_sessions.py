"""What ZooKeeper does with sessions, znodes, answers and names of its servers, and what masters and agents make of it; with real servers.

Run below with-zookeeper 3. Which trap is covered where: tests/unit/zk/README.md."""
import pathlib
import re
import subprocess
import time

import cluster
from cluster import check, wait
from ha_cluster import NATIVE, SESSION_TIMEOUT_S, HaCluster, identities, wait_identities
from ha_story import logged, processor_ticks
from zk_proxy import CUT, DROP, PASS, WATCH, Proxy
from zookeepers import PORT

APP = "steady"
SERVERS = [PORT + n for n in (1, 2, 3)]


def begin(c):
    c.accepted("POST", "/v2/apps", {**NATIVE, "id": APP})
    c.wait_running(APP, 1)
    c.wait_quiet()
    return identities(c, APP)


def goes_on(c, want):
    c.wait_ready()
    c.wait_write()
    wait_identities(c, want, APP)
    check(all(n.alive() for n in c.nodes), "nobody has ended", [n.name for n in c.nodes if not n.alive()])


def session_of(node):
    """The last session of its election, as its log names it."""
    return int(re.findall(r"connected to ZooKeeper plugin=election_zk session=([0-9a-f]+)", node.log.read_text())[-1], 16)


def znode_of(node):
    return re.findall(r'what="standing for election" path=\S+ znode=(\S+)', node.log.read_text())[-1]


def candidates(c):
    return sorted(n for n in c.zk.list(c.path) if n.startswith("json.info_"))


def wait_candidates(c, count=2):
    return wait(lambda: (lambda found: found if len(found) == count else None)(candidates(c)), f"{count} candidates stand", 3 * SESSION_TIMEOUT_S)


def expire(c, node):
    """Servers end its session while it is in touch with them."""
    old = session_of(node)

    def ended():
        for n in c.zk.numbers():
            if session_of(node) == old:
                c.zk.take_over(n, old, to_end=True)
        return session_of(node) != old
    wait(ended, f"{node.name} has another session", 30)


def wait_handed_over(c, old, new, seconds):
    """Asked one after another, both may say that they lead without ever having led together: so each is asked alone."""
    wait(lambda: c.state(new).get("elected_time"), f"{new.name} leads", seconds)
    wait(lambda: c.named_leader(old) == new.port, f"{old.name} stands by, in place", 40)
    wait_candidates(c)
    check(c.leader() is new, "one leads")


def leads_on(c, leader, elected):
    check(c.leader() is leader and c.state(leader).get("elected_time") == elected, "the same leadership goes on", leader.name)


def sessions_that_servers_end():
    with HaCluster(masters=2, agents=1, docker="") as c:
        want = begin(c)
        wait_candidates(c)
        leader, standby = c.wait_leader(), c.standbys()[0]
        elected = c.state(leader)["elected_time"]
        before = znode_of(standby)
        expire(c, standby)
        wait(lambda: znode_of(standby) > before and znode_of(standby) in candidates(c), "the standby stands again, behind all others", 20)
        check(len(wait_candidates(c)) == 2, "its old znode has gone")
        leads_on(c, leader, elected)
        disconnects = leader.log.read_text().count("agent disconnected")
        expire(c, c.agents[0])
        wait(lambda: c.named_leader(standby) == leader.port, "the standby names the leader", 20)
        leads_on(c, leader, elected)
        goes_on(c, want)
        check(leader.log.read_text().count("agent disconnected") == disconnects, "the agent did not leave its master")
        expire(c, leader)
        wait_handed_over(c, leader, standby, 40)
        goes_on(c, want)


def a_session_that_moves_between_servers_is_no_failover():
    """As after a partition that only the client's server has felt: it comes back at another one, and the old one lets it go."""
    with HaCluster(masters=2, agents=1, docker="") as c:
        want = begin(c)
        leader, standby = c.wait_leader(), c.standbys()[0]
        elected = c.state(leader)["elected_time"]
        sessions = {n.name: session_of(n) for n in c.nodes}
        for node in (leader, standby, c.agents[0]):
            for n in c.zk.numbers():
                check(c.zk.take_over(n, sessions[node.name]), "the session lives on", node.name)
        wait(lambda: all(logged(n, "ZooKeeper session resumed") for n in c.nodes), "all have come back to it", SESSION_TIMEOUT_S)
        end = time.monotonic() + SESSION_TIMEOUT_S  # as long as a lease could last that nobody renews
        while time.monotonic() < end:
            leads_on(c, leader, elected)
            time.sleep(0.1)
        check(sessions == {n.name: session_of(n) for n in c.nodes}, "all have kept their sessions", sessions)
        goes_on(c, want)


def znodes_that_somebody_else_deletes():
    with HaCluster(masters=2, agents=1, docker="") as c:
        want = begin(c)
        wait_candidates(c)
        leader, standby = c.wait_leader(), c.standbys()[0]
        elected = c.state(leader)["elected_time"]
        before = znode_of(standby)
        check(c.zk.delete(f"{c.path}/{before}"), "it was there")
        wait(lambda: znode_of(standby) > before, "the standby stands again", 20)
        wait_candidates(c)
        leads_on(c, leader, elected)
        check(c.zk.delete(f"{c.path}/{znode_of(leader)}"), "it was there")
        wait_handed_over(c, leader, standby, SESSION_TIMEOUT_S / 2)
        goes_on(c, want)


def a_create_whose_answer_is_lost_leaves_one_znode():
    lost = []

    def lose_first_create(answer):
        if b"/json.info_" in answer and not lost:  # a whole path: of no other answer
            lost.append(answer)
            return CUT
        return PASS

    proxy = Proxy(SERVERS, lose_first_create)
    with HaCluster(masters=1, agents=1, docker="", servers=f"127.0.0.1:{proxy.port}") as c:
        want = begin(c)
        check(lost and logged(c.masters[0], "ZooKeeper session resumed"), "an answer was lost, and its connection")
        check(candidates(c) == ["json.info_0000000000"], "there is one znode, the first that was made", candidates(c))
        check(znode_of(c.masters[0]) == candidates(c)[0], "which the master knows", candidates(c))
        goes_on(c, want)
    proxy.close()


def watches_that_never_fire_delay_a_failover_only():
    """MESOS-9426: nobody may wait for ever for a change that he was not told of."""
    silent = []

    def lose_watches(answer):
        if silent and answer.startswith(WATCH):
            silent.append(answer)
            return DROP
        return PASS

    proxy = Proxy(SERVERS, lose_watches)
    with HaCluster(masters=2, agents=1, docker="", servers=f"127.0.0.1:{proxy.port}") as c:
        want = begin(c)
        wait_candidates(c)
        old = c.wait_leader()
        silent.append(b"")
        clock = time.monotonic()
        old.stop()
        c.wait_leader(not_=old, seconds=SESSION_TIMEOUT_S)
        print(f"     another leads after {time.monotonic() - clock:.1f} s; {len(silent) - 1} watches were lost")
        check(len(silent) > 1, "a watch was lost")
        c.wait_ready(SESSION_TIMEOUT_S)
        old.start()
        goes_on(c, want)
    proxy.close()


class Names:
    """The host's names, for this test's namespace alone."""

    def __init__(self, directory):
        self.file = pathlib.Path(directory) / "hosts"
        self.own = pathlib.Path("/etc/hosts").read_text()
        self.file.write_text(self.own)
        subprocess.run(["mount", "--bind", self.file, "/etc/hosts"], check=True)

    def set(self, name, ip):
        self.file.write_text(f"{self.own}\n{ip} {name}\n")

    def close(self):
        subprocess.run(["umount", "/etc/hosts"], check=True)


def servers_are_found_by_name_when_it_comes_and_when_it_moves():
    first = Proxy(SERVERS, ip="127.0.0.2")
    c = HaCluster(masters=2, agents=1, docker="", servers=f"zk.muster.test:{first.port}")
    names = Names(c.dir)
    second = None
    try:
        for node in c.nodes:
            node.start()
        for node in c.nodes:
            wait(lambda: logged(node, "no ZooKeeper server can be looked for"), f"{node.name} says what it waits for", 20)
        names.set("zk.muster.test", "127.0.0.2")
        c.wait_ready()
        want = begin(c)
        leader = c.wait_leader()
        elected = c.state(leader)["elected_time"]
        before = {n.name: processor_ticks(n) for n in c.nodes}
        second = Proxy(SERVERS, ip="127.0.0.3", port=first.port)
        names.set("zk.muster.test", "127.0.0.3")
        first.close()
        took = c.wait_write()
        print(f"     a write after {took:.2f} s")
        goes_on(c, want)
        leads_on(c, leader, elected)
        used = {n.name: processor_ticks(n) - before[n.name] for n in c.nodes}
        check(max(used.values()) < 200, "nobody turned in a circle meanwhile (hundredths of a second of CPU)", used)
    except BaseException as error:
        c.__exit__(type(error), error, None)
        raise
    finally:
        names.close()
        for proxy in filter(None, (first, second)):
            proxy.close()
    c.__exit__(None, None, None)


if __name__ == "__main__":
    cluster.main(sessions_that_servers_end, a_session_that_moves_between_servers_is_no_failover, znodes_that_somebody_else_deletes,
                 a_create_whose_answer_is_lost_leaves_one_znode, watches_that_never_fire_delay_a_failover_only,
                 servers_are_found_by_name_when_it_comes_and_when_it_moves)
