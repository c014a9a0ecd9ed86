"""The story of several masters: whichever service stops, in whatever way, what runs is not disturbed and scaling goes on.

Run below with-zookeeper 3, and with-dockerd where containers are wanted. The first argument replicated_log: three masters that keep the registry on their log."""
import json
import socket
import subprocess
import sys
import time

import cluster
from cluster import check, wait
from ha_cluster import NATIVE, SESSION_TIMEOUT_S, HaCluster, identities, wait_identities

STORY_APP = "ubuntu"
REGISTRY = "in_memory"


def story_cluster(masters=2, **kw):
    """Of as many masters as the registry wants."""
    if REGISTRY == "replicated_log":
        return HaCluster(masters=3, registry=(REGISTRY, 2), **kw)
    return HaCluster(masters=masters, **kw)


def begin(c):
    """The app of the story, one task of it running."""
    definition = cluster.STORY if cluster.DOCKER_SOCKET else {**NATIVE, "id": STORY_APP, "instances": "1"}
    status, _, value = c.ask("POST", "/v2/apps", definition)
    check(status == 201, "the definition of 2014 is taken", status, value)
    c.wait_running(STORY_APP, 1)
    c.wait_quiet()
    return identities(c, STORY_APP)


def goes_on(c, want):
    """App and task are listed, the container is the same, scaling to 3 and back works and keeps the first."""
    app = c.app(STORY_APP)
    check(app is not None and app["instances"] == 1, "the app is listed", app)
    c.wait_ready()
    wait_identities(c, want, STORY_APP)
    for count in (3, 1):
        c.accepted("PUT", f"/v2/apps/{STORY_APP}", {"instances": count})
        now = c.wait_running(STORY_APP, count)
        if count == 3:
            check(set(want[0]) <= {t["id"] for t in now}, "the first task runs on beside the new ones", want, now)
        c.wait_quiet()
    now = identities(c, STORY_APP)
    if set(now[0]) != set(want[0]):  # scaling down ends the youngest
        check(False, "scaling down left the oldest task", want, now)


def logged(node, text):
    return text in node.log.read_text(errors="replace")


def processor_ticks(node):
    """Hundredths of a second that it has had a processor for."""
    return sum(map(int, open(f"/proc/{node.popen.pid}/stat").read().rsplit(")", 1)[1].split()[11:13]))


def the_leader_is_ended_in_every_way():
    with story_cluster() as c:
        want = begin(c)
        for way in ("stop", "kill", "freeze"):
            old = c.wait_leader()
            clock = time.monotonic()
            getattr(old, way)()
            new = c.wait_leader(not_=old)
            took = c.wait_write()
            print(f"     {way}: another master leads and takes writes after {time.monotonic() - clock:.2f} s (the write: {took:.2f} s)")
            check(logged(new, "elected as the leading master"), "its log names the election", new.name)
            goes_on(c, want)
            if way == "freeze":
                old.resume()
            else:
                old.start()
            wait(lambda: c.named_leader(old) == new.port, f"{old.name} stands by again", 40)
            check(c.leader() is new, "the new leader leads on")


def status_of(connection):
    connection.settimeout(30)
    answer = b""
    while b"\r\n\r\n" not in answer:
        data = connection.recv(65536)
        check(data, "the connection is answered", answer)
        answer += data
    return int(answer.split()[1])


def a_frozen_leader_wakes_up_as_a_standby():
    """Requests that wait in its sockets, on old connections and new ones, are the first thing that it reads."""
    with story_cluster() as c:
        leader = c.wait_leader()
        body = json.dumps({"id": "/too-late", "cmd": "true", "instances": 0, "cpus": 0.01, "mem": 8})
        texts = [(leader.port, "GET /state HTTP/1.1\r\nHost: x\r\n\r\n"),
                 (leader.port, "POST /api/v1/agent-link HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"),
                 (leader.api, "POST /v2/apps HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                              f"Content-Length: {len(body)}\r\n\r\n{body}")]
        old = [socket.create_connection((leader.ip, port)) for port, _ in texts]
        for connection, (port, _) in zip(old, texts):
            connection.sendall(b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n" % (b"health" if port == leader.port else b"ping"))
            check(status_of(connection) == 200, "it serves")
        leader.freeze()
        new = [socket.create_connection((leader.ip, port)) for port, _ in texts]
        for connections in (old, new):
            for connection, (_, text) in zip(connections, texts):
                connection.sendall(text.encode())
        other = c.wait_leader(3 * SESSION_TIMEOUT_S, not_=leader)
        leader.resume()
        for connection, (_, text) in zip(old + new, texts + texts):
            status = status_of(connection)  # the app's definition may be passed on to the leader, which then has it
            check(status in (307, 503) or (status in (201, 409) and c.app("too-late") is not None), "nothing is answered as the leader", text, status)
            connection.close()
        check(c.leader() is other, "the other master leads on")


def three_masters_and_three_agents():
    with story_cluster(masters=3, agents=3) as c:
        c.accepted("POST", "/v2/apps", {**NATIVE, "id": "spread", "instances": 6, "constraints": [["hostname", "LIKE", ".*"]]})
        c.wait_running("spread", 6)
        want = identities(c, "spread")
        for _ in range(3):
            old = c.wait_leader()
            old.kill()
            c.wait_leader(not_=old)
            c.wait_ready()
            wait_identities(c, want, "spread")
            old.start()
        c.accepted("PUT", "/v2/apps/spread", {"instances": 9})
        c.wait_running("spread", 9)
        check(set(want[0]) <= {t["id"] for t in c.running("spread")}, "the six run on")


def a_zookeeper_server_goes():
    with story_cluster() as c:
        want = begin(c)
        leader = c.wait_leader()
        for n in c.zk.numbers():
            c.zk.kill(n)
            took = c.wait_write()
            print(f"     server {n} killed ({'leader' if c.zk.was_leader(n) else 'follower'}): a write after {took:.2f} s")
            wait_identities(c, want, STORY_APP)
            c.zk.start(n)
            c.zk.wait_serving()
        check(c.leader() is leader, "the same master leads after each")
        goes_on(c, want)


def all_zookeeper_servers_go_and_come_back():
    with story_cluster() as c:
        want = begin(c)
        for n in c.zk.numbers():
            c.zk.kill(n)
        wait(lambda: c.leader() is None, "no master leads when its lease is over", 3 * SESSION_TIMEOUT_S)
        for m in c.masters:
            status, headers, _ = c.try_ask("PUT", f"/v2/apps/{STORY_APP}", {"instances": 2}, master=m, timeout=15)
            check(status == 503, f"{m.name} refuses writes without a leader", status, headers)
            check(m.alive(), f"{m.name} did not exit")
        for n in c.zk.numbers():
            c.zk.start(n)
        c.zk.wait_serving()
        c.wait_ready()
        goes_on(c, want)


def all_masters_go():
    with story_cluster() as c:
        want = begin(c)
        for m in c.masters:
            m.kill()
        time.sleep(1)  # not a wait for anything: a second without any master
        for m in c.masters:
            m.start()
        c.wait_ready()
        goes_on(c, want)


def the_agent_goes_during_a_failover():
    with story_cluster() as c:
        want = begin(c)
        old = c.wait_leader()
        c.agents[0].kill()
        old.kill()
        c.wait_leader(not_=old)
        c.wait_write()
        c.agents[0].start()
        old.start()
        c.wait_ready()
        goes_on(c, want)


def a_deployment_goes_on_through_a_failover():
    with story_cluster() as c:
        c.accepted("POST", "/v2/apps", {**NATIVE, "id": "rolling", "instances": 4})
        c.wait_running("rolling", 4)
        c.wait_quiet()
        c.accepted("PUT", "/v2/apps/rolling", {"cmd": "while sleep 1; do echo new; done", "instances": 5,
                                               "upgradeStrategy": {"minimumHealthCapacity": 0.5, "maximumOverCapacity": 0.2}})
        old = c.wait_leader()
        old.kill()
        c.wait_leader(not_=old)
        version = c.app("rolling")["version"]
        wait(lambda: [t["version"] for t in c.running("rolling")] == [version] * 5, "all five run the new version", 90)
        c.wait_quiet()


def standbys_pass_on_and_redirect():
    with story_cluster() as c:
        begin(c)
        leader, standby = c.wait_leader(), c.standbys()[0]
        status, headers, apps = c.ask("GET", "/v2/apps", master=standby)
        check(status == 200 and [a["id"] for a in apps["apps"]] == ["/" + STORY_APP], "a standby passes reads on", status, apps)
        check("X-Marathon-Leader" in headers, "and names the leader", headers)
        status, _, value = c.ask("PUT", f"/v2/apps/{STORY_APP}", {"instances": 2}, master=standby)
        check(status == 200, "and writes", status, value)
        c.wait_running(STORY_APP, 2)
        check(c.named_leader(standby) == leader.port, "/redirect names the leader", c.named_leader(standby))
        status, headers, _ = cluster.request(standby.port, "GET", "/state?x=1")
        check(status == 307 and headers["Location"] == f"//127.0.0.1:{leader.port}/state?x=1", "/state is found there", status, headers)
        for m in c.masters:
            status, _, _ = cluster.request(m.port, "GET", "/health")
            check(status == 200, f"{m.name} is well", status)


def other_tools_find_the_znodes():
    with story_cluster() as c:
        leader = c.wait_leader()
        names = wait(lambda: (lambda found: found if len(found) == 2 else None)(
            sorted(n for n in c.zk.list(c.path) if n.startswith("json.info_"))), "two candidates", 20)
        check(len(names) == 2 and all(len(n) == len("json.info_0000000000") for n in names), "two candidates", names)
        info = c.zk.json(f"{c.path}/{names[0]}")
        check(info["port"] == leader.port and info["pid"] == f"master@127.0.0.1:{leader.port}" and info["ip"] == 16777343
              and info["address"] == {"hostname": "127.0.0.1", "ip": "127.0.0.1", "port": leader.port}, "MasterInfo as JSON", info)
        old = leader
        old.stop()
        check(c.wait_leader(not_=old) is not old, "another leads")
        wait(lambda: len([n for n in c.zk.list(c.path) if n.startswith("json.info_")]) == 1, "a clean stop takes the znode along", 10)


def an_ensemble_that_comes_up_later_is_found():
    c = HaCluster(masters=1)
    for n in c.zk.numbers():
        c.zk.kill(n)
    try:
        for node in c.nodes:
            node.start()
        status = wait(lambda: c.try_ask("GET", "/v2/apps", timeout=15)[0], "the master answers without ZooKeeper", 30)
        check(status == 503, "and says that nobody leads", status)
        before = processor_ticks(c.masters[0])
        time.sleep(3)  # measured, not waited for: the CPU time of three idle seconds
        used = processor_ticks(c.masters[0]) - before
        check(used < 60, "it does not turn in a circle (hundredths of a second of CPU in 3 s)", used)
        for n in c.zk.numbers():
            c.zk.start(n)
        c.zk.wait_serving()
        c.wait_ready()
    except BaseException as error:
        c.__exit__(type(error), error, None)
        raise
    c.__exit__(None, None, None)


def nodes_with_a_password_are_kept_from_others():
    with HaCluster(masters=2, auths=("cluster:secret", "cluster:guessed")) as c:  # agents read without one
        leader = c.wait_leader()  # who comes first owns the nodes
        other = next(m for m in c.masters if m is not leader)
        wait(lambda: logged(other, "does not permit"), "the other says why it cannot stand", 30)
        before = processor_ticks(other)
        time.sleep(3)  # measured, not waited for
        check(processor_ticks(other) - before < 60, "and does not turn in a circle")
        check(other.alive() and "secret" not in other.log.read_text() and "guessed" not in other.log.read_text(), "the password is in no log")
        c.accepted("POST", "/v2/apps", {**NATIVE, "id": "guarded"})
        c.wait_running("guarded", 1)


def wrong_urls_are_refused():
    for url, text in (("zk://", "zk"), ("zk://localhost:2181", "path"), ("zk://localhost:2181/", "path"), ("zk://:2181/x", "zk"),
                      ("zk://localhost:99999/x", "99999"), ("http://localhost/x", "zk"), ("file:///does/not/exist", "/does/not/exist")):
        done = subprocess.run([cluster.MUSTER, "master", f"--zk={url}", "--quorum=1", "--registry=in_memory", "--ip=127.0.0.1",
                               "--port=0", "--marathon_port=0"], capture_output=True, text=True, timeout=20, check=False)
        check(done.returncode != 0 and text in done.stderr, f"--zk={url} is refused with a reason", done.returncode, done.stderr)


ON_ANY_REGISTRY = (the_leader_is_ended_in_every_way, a_frozen_leader_wakes_up_as_a_standby, three_masters_and_three_agents, a_zookeeper_server_goes,
                   the_agent_goes_during_a_failover, a_deployment_goes_on_through_a_failover, standbys_pass_on_and_redirect)
# What ZooKeeper alone decides, and what ha_log.py has of its own.
ON_THE_FIRST_ONLY = (all_zookeeper_servers_go_and_come_back, all_masters_go, other_tools_find_the_znodes, an_ensemble_that_comes_up_later_is_found,
                     nodes_with_a_password_are_kept_from_others, wrong_urls_are_refused)


if __name__ == "__main__":
    if sys.argv[1:2] == ["replicated_log"]:
        REGISTRY = sys.argv.pop(1)
        ON_THE_FIRST_ONLY = ()
    cluster.main(*ON_ANY_REGISTRY, *ON_THE_FIRST_ONLY)
