"""What people see while the registry replicated_log waits: three masters of which two are away, one that is elected and cannot recover its registry, one master
alone, and masters that are named in more than one way.

Run below with-zookeeper 3."""
import os
import time

import cluster
from cluster import check, request, wait
from ha_cluster import NATIVE, HaCluster
from ha_log_kit import REGISTRY, logged, metrics

EMPTY = {"cmd": "true", "instances": 0, "cpus": 0.01, "mem": 8}
WAIT_S = 10  # after which a client is answered


def health(node):
    """/health of the Mesos port: status and text; 0 as long as nobody listens."""
    try:
        status, _, text = request(node.port, "GET", "/health", timeout=5, host=node.ip)
    except OSError:
        return 0, ""
    return status, text


def registry(node):
    """Its own part in the registry, asked of any master."""
    status, _, value = request(node.port, "GET", "/registry", timeout=5, host=node.ip)
    check(status == 200, f"/registry of {node.name}", status, value)
    return value["registry"]


def says_who_is_away(text, others):
    return "nothing can be written: 1 of 3 replicas answer, 2 are needed (" in text and all(f"127.0.0.1:{m.port} has " in text for m in others)


def change(c, leader, method, path, body, others):
    """503 with the reason, after the bound and not much later; returns the message."""
    begin = time.monotonic()
    status, headers, value = c.ask(method, path, body, master=leader, timeout=3 * WAIT_S)
    took = time.monotonic() - begin
    check(status == 503 and headers.get("Retry-After"), f"{method} {path} without a quorum", status, value)
    check(says_who_is_away(value["message"], others), "it says who is away", value)
    check(WAIT_S - 1 < took < 2 * WAIT_S, "it is answered in time", took)
    return value["message"]


def health_is_seen_on_every_master():
    with HaCluster(masters=3, docker="", agents=0, registry=REGISTRY) as c:
        leader = c.wait_leader()
        c.accepted("POST", "/v2/apps", {**EMPTY, "id": "a"})
        for node in c.masters:
            role = "leading" if node is leader else "following"
            for store in ("master", "apps"):
                wait(lambda: registry(node)[store]["role"] == role, f"{node.name} is {role}", 20)
                r = registry(node)[store]
                check(r["plugin"] == "replicated_log" and r["votes"] and r["quorum"] == 2 and "waiting_for" not in r, "its log is well", r)
                check([m["up"] and m["member"] for m in r["members"]] == [True] * 3, "all members are up", r)
                check([m["address"] for m in r["members"] if m["self"]] == [f"127.0.0.1:{node.port}"], "one of them is it", r)
                check(r["fsync"]["count"] > 0 and r["fsync"]["p99_ms"] >= r["fsync"]["p50_ms"] > 0, "the disk's times", r)
        wait(lambda: len({registry(n)["apps"]["committed"] for n in c.masters}) == 1, "all have the same", 20)
        check(c.state(leader)["registry"] == registry(leader) or c.state(leader)["registry"]["apps"]["role"] == "leading", "/state of the leader has it too")
        want = {"registrar/log/role": 5, "registrar/log/members_up": 3, "registrar/log/recovered": 1, "registry/apps/log/behind": 0}
        wait(lambda: want.items() <= metrics(leader).items(), "the leader's metrics", 20)
        standby = next(m for m in c.masters if m is not leader)
        wait(lambda: metrics(standby).get("registrar/log/role") == 3 and metrics(standby).get("registry/apps/log/fsync_ms/count", 0) > 0, "a standby's metrics", 20)
        standby.kill()
        wait(lambda: metrics(leader).get("registrar/log/members_up") == 2, "its death is counted", 20)
        gone = [m for m in registry(leader)["master"]["members"] if not m["up"]]
        check([m["address"] for m in gone] == [f"127.0.0.1:{standby.port}"] and gone[0]["since"], "and shown, with the time", gone)


def without_a_quorum_everybody_is_told_why():
    with HaCluster(masters=3, docker="", registry=REGISTRY) as c:
        c.accepted("POST", "/v2/apps", {**NATIVE, "id": "steady", "instances": 1})
        c.wait_running("steady", 1)
        c.wait_quiet()
        leader = c.wait_leader()
        others = [m for m in c.masters if m is not leader]
        for m in others:
            m.kill()
        message = change(c, leader, "POST", "/v2/apps", {**EMPTY, "id": "unknown"}, others)
        check("Whether it will be is not known" in message, "its outcome is not claimed to be known", message)
        message = change(c, leader, "PUT", "/v2/apps/steady", {"instances": 2}, others)
        check("was not made" in message, "what only waited was not made", message)
        check(says_who_is_away(registry(leader)["apps"]["waiting_for"], others), "/registry says it")
        check(says_who_is_away(c.state(leader)["registry"]["apps"]["waiting_for"], others), "/state says it")
        check(logged(leader, "changes, launches, kills and acknowledgements wait") and logged(leader, "1 of 3 replicas answer"), "its log says it")
        check(len(c.running("steady")) == 1, "what runs is not touched")
        others[0].start()
        # the first one goes on though nobody waits for it any more; the second one is not there
        wait(lambda: c.try_ask("GET", "/v2/apps/unknown")[0] == 200, "the change of unknown outcome is made", 60)
        check(c.app("steady")["instances"] == 1, "the change that was said not to be made is not made")
        check(c.wait_write() < 40, "changes are stored again")
        check(len(c.running("steady")) == 1, "the same task runs")


def an_elected_master_that_cannot_recover_says_why():
    with HaCluster(masters=3, docker="", registry=REGISTRY) as c:
        c.accepted("POST", "/v2/apps", {**EMPTY, "id": "a"})
        leader = c.wait_leader()
        others = [m for m in c.masters if m is not leader]
        for m in c.masters:
            m.kill()
        leader.start()
        wait(lambda: "elected" in health(leader)[1], "it is elected, and not well", 60)
        check(health(leader)[0] == 503, "/health is 503")
        text = health(leader)[1]
        check(text.startswith("this master is elected, and waits for the registry to be recovered: ") and says_who_is_away(text, others), "/health says why", text)
        check(says_who_is_away(c.state(leader)["waiting_for"], others), "/state says why")
        for method, path, body in (("GET", "/v2/apps", None), ("POST", "/v2/apps", {**EMPTY, "id": "b"})):
            status, headers, value = c.ask(method, path, body, master=leader, timeout=30)
            check(status == 503 and headers.get("Retry-After") and says_who_is_away(value["message"], others), f"{method} {path} says why", status, value)
        wait(lambda: logged(c.agents[0], "the master answered 503: this master is elected, and waits for"), "the agent's log says why", 40)
        others[0].start()
        c.wait_ready()
        check(health(c.wait_leader())[0] == 200, "/health is 200")
        check(c.app("a") is not None, "what was acknowledged is there")


def one_master_alone_keeps_its_log_beside_zookeeper():
    with HaCluster(masters=1, docker="", agents=0, registry=("replicated_log", 1)) as c:
        node = c.masters[0]
        c.accepted("POST", "/v2/apps", {**EMPTY, "id": "a"})
        node.kill()
        node.start()
        c.wait_ready()
        check(c.app("a") is not None, "what was acknowledged is there")
        r = registry(node)["apps"]
        check(r["role"] == "leading" and len(r["members"]) == 1, "it is alone", r)
        node.kill()
        node.args = [a.replace("--quorum=1", "--quorum=2") for a in node.args]
        node.start()
        wait(lambda: logged(node, "the log was made for --quorum=1 (1 masters), and this master has --quorum=2"), "another quorum is named", 60)


def a_second_master_with_a_log_of_its_own_is_told_of():
    with HaCluster(masters=2, docker="", agents=0, registry=("replicated_log", 1)) as c:
        for node in c.masters:
            wait(lambda: logged(node, "several masters have --quorum=1: each keeps a log of its own"), f"{node.name} says so", 20)


def names_of_one_master_make_one_connection():
    ports = cluster.free_ports(6)
    names = [f"{host}:{port}" for port in ports[::2] for host in ("127.0.0.1", "localhost")]
    with HaCluster(masters=3, docker="", agents=0, registry=REGISTRY, ports=ports, flags=(f"--log_peers={','.join(names)}",)) as c:
        leader = c.wait_leader()
        c.accepted("POST", "/v2/apps", {**EMPTY, "id": "a"})
        for node in c.masters:
            wait(lambda: node.log.read_text().count("two addresses are of one replica") >= 4, f"{node.name} tells of the second names", 40)
            wait(lambda: logged(node, "an address is of this master itself"), f"{node.name} tells of its own", 40)
        for node in c.masters:
            wait(lambda: all(m["up"] for m in registry(node)["apps"]["members"]), "all are up", 20)
        before = {n.name: [m["since"] for m in registry(n)["apps"]["members"]] for n in c.masters}
        told = {n.name: n.log.read_text().count("two addresses") for n in c.masters}
        begin = time.monotonic()
        while time.monotonic() - begin < 5:  # so long none of them ends another one
            c.accepted("PUT", "/v2/apps/a", {**EMPTY, "mem": 8 + int(time.monotonic() * 10) % 50})
        for n in c.masters:
            now = registry(n)["apps"]["members"]
            check(all(m["up"] for m in now) and all(abs(stamp(m["since"]) - stamp(s)) < 1 for m, s in zip(now, before[n.name])), "the connections stand", before, now)
            check(n.log.read_text().count("two addresses") == told[n.name], "told once")
        check(c.wait_leader() is leader, "the same master leads")


def stamp(text):
    """Seconds of the day; "since" is reckoned anew at each look, to a few milliseconds."""
    hours, minutes, seconds = text[11:-1].split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def a_log_that_cannot_be_opened_is_told_of_once():
    with HaCluster(masters=3, docker="", agents=0, registry=REGISTRY) as c:
        node = c.standbys()[0]
        node.kill()
        path = c.dir / node.name / "replicated_log" / "apps.log"
        saved = path.read_bytes()
        path.write_bytes(b"this is no log\n" * 100)
        before = node.log.read_text().count("out of use")
        node.start()
        wait(lambda: logged(node, "is out of use"), "it is told of", 30)
        begin = time.monotonic()
        wait(lambda: time.monotonic() - begin > 12, "it was tried twice more", 20)  # each 5 s
        check(node.log.read_text().count("out of use") == before + 1, "but not told of again")
        whole = path.with_suffix(".whole")
        whole.write_bytes(saved)
        os.replace(whole, path)
        wait(lambda: logged(node, "is in use again"), "its return is told of", 30)
        wait(lambda: registry(node)["apps"]["votes"], "it votes", 30)


if __name__ == "__main__":
    cluster.main(health_is_seen_on_every_master, without_a_quorum_everybody_is_told_why, an_elected_master_that_cannot_recover_says_why,
                 one_master_alone_keeps_its_log_beside_zookeeper, a_second_master_with_a_log_of_its_own_is_told_of,
                 names_of_one_master_make_one_connection, a_log_that_cannot_be_opened_is_told_of_once)
