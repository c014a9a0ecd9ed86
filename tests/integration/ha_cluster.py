"""A cluster of several masters and agents beside real ZooKeeper servers (run below with-zookeeper), and the ways to hurt it.

Every process is a cluster.Process of its own; stop() is SIGTERM, kill() is kill -9, freeze() is SIGSTOP. Clients may ask any master."""
import http.client
import os
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import time

import cluster
import hosts
from cluster import check, request, wait
from zookeepers import ZooKeepers

NATIVE = {"cmd": "while sleep 1; do :; done", "cpus": 0.05, "mem": 32, "backoffSeconds": 1}
SESSION_TIMEOUT_S = 10  # the default of --zk_session_timeout


class Node(cluster.Process):
    """A master or an agent, at an address of its own."""

    def __init__(self, name, args, log, port, api=None, host=None):
        super().__init__(args, log, host.prefix if host else ())
        self.name, self.host, self.port, self.api = name, host, port, api
        self.ip = host.ip if host else "127.0.0.1"
        self.frozen = False

    def start(self):
        self.frozen = False
        return super().start()

    def freeze(self):
        self.popen.send_signal(signal.SIGSTOP)
        self.frozen = True

    def resume(self):
        self.popen.send_signal(signal.SIGCONT)
        self.frozen = False

    def kill(self):
        self.frozen = False
        super().kill()

    def usable(self):
        return self.alive() and not self.frozen


class HaCluster:
    def __init__(self, masters=2, agents=1, docker=None, flags=(), agent_flags=(), ports=None, hosts_=False, auths=(), servers=None, registry=("in_memory", 1)):
        """auths: each master's "user:password" for ZooKeeper. hosts_: each in a network namespace of its own, so that the network between them can be hurt.
        servers: where the nodes look for ZooKeeper ("host:port,..."). registry: its name, and the quorum."""
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="muster-ha-"))
        self.zk = ZooKeepers()
        self.path = "/muster-" + self.dir.name  # one path for each cluster: servers are shared by the tests of a run
        self.url = f"zk://{servers}{self.path}" if servers else self.zk.url(self.path, hosts.BASE if hosts_ else "127.0.0.1")
        self.auths, self.registry = auths, registry
        self.docker = cluster.DOCKER_SOCKET if docker is None else docker
        self.hosts = hosts.make(masters + agents) if hosts_ else [None] * (masters + agents)
        ports = ports or cluster.free_ports(2 * masters + agents)
        self.masters = [self._master(i, ports[2 * i], ports[2 * i + 1], flags) for i in range(masters)]
        self.agents = [self._agent(i, ports[2 * masters + i], self.hosts[masters + i], agent_flags) for i in range(agents)]

    def _master(self, i, port, api, flags):
        host = self.hosts[i]
        ip = host.ip if host else "127.0.0.1"
        url = self.url.replace("zk://", f"zk://{self.auths[i]}@") if self.auths else self.url
        words = ["master", f"--ip={ip}", f"--hostname={ip}", f"--port={port}", f"--marathon_port={api}", f"--zk={url}", f"--quorum={self.registry[1]}",
                 f"--registry={self.registry[0]}", f"--work_dir={self.dir}/master{i}", *flags]
        return Node(f"master{i}", words, self.dir / f"master{i}.log", port, api, host)

    def _agent(self, i, port, host, flags):
        ip = host.ip if host else "127.0.0.1"
        low = 31000 + 1000 * i
        words = ["agent", f"--ip={ip}", f"--hostname={ip}", f"--port={port}", f"--master={self.url}", f"--work_dir={self.dir}/agent{i}",
                 f"--cgroups_root={self.dir.name}-{i}", f"--resources=cpus:8;mem:4096;disk:10000;ports:[{low}-{low + 999}]",
                 "--containerizers=" + ("docker,mesos" if self.docker else "mesos"), *flags]
        if self.docker:
            words.append(f"--docker_socket={self.docker}")
        return Node(f"agent{i}", words, self.dir / f"agent{i}.log", port, host=host)

    @property
    def nodes(self):
        return self.masters + self.agents

    def __enter__(self):
        try:
            for n in self.nodes:
                n.start()
            self.wait_ready()
        except BaseException as error:  # the with block never begins: clean up here
            self.__exit__(type(error), error, None)
            raise
        return self

    def __exit__(self, kind, value, trace):
        self.zk.heal()
        for n in self.nodes:
            if n.frozen:
                n.resume()
            if n.host:
                n.host.heal()
        for n in self.agents + self.masters:
            if n.alive():
                try:
                    n.stop()
                except Exception:  # whatever it is, the process must go
                    n.kill()
        if kind is not None:
            print(f"--- {kind.__name__}: {value}", file=sys.stderr)
            for log in sorted(self.dir.glob("*.log")):
                print(f"--- the end of {log.name}", file=sys.stderr)
                print("\n".join(log.read_text(errors="replace").splitlines()[-60:]), file=sys.stderr)
        for pid in cluster.processes_with(str(self.dir)):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        for host in self.hosts:
            if host:
                host.close()
        for root in pathlib.Path("/sys/fs/cgroup").glob(f"*/{self.dir.name}-*"):
            try:
                root.rmdir()
            except OSError:
                pass
        shutil.rmtree(self.dir, ignore_errors=True)

    # ---- asking ----

    def ask(self, method, path, body=None, master=None, timeout=20):
        """Marathon's port of the given master, or of any. One that has just been started may not listen yet: then of the next."""
        usable = [m for m in self.masters if m.usable()]
        nodes = [master] if master else random.sample(usable, len(usable))
        for node in nodes[:-1]:
            try:
                return request(node.api, method, path, body, timeout=timeout, host=node.ip)
            except ConnectionRefusedError:
                continue
        return request(nodes[-1].api, method, path, body, timeout=timeout, host=nodes[-1].ip)

    def try_ask(self, method, path, body=None, **kw):
        """As ask, but (0, {}, None) when no answer came."""
        try:
            return self.ask(method, path, body, **kw)
        except (OSError, http.client.HTTPException, IndexError):
            return 0, {}, None

    def get(self, path, master=None):
        """The value, asked until a leader answers (bounded)."""
        def ok():
            status, _, value = self.try_ask("GET", path, master=master)
            return (value,) if status == 200 else None
        return wait(ok, f"GET {path} answers 200", 40)[0]

    def accepted(self, method, path, body=None, want=(200, 201)):
        status, _, value = self.ask(method, path, body)
        check(status in want, f"{method} {path}", status, value)
        return value

    def state(self, node):
        try:
            status, _, value = request(node.port, "GET", "/state", timeout=5, host=node.ip)
        except (OSError, http.client.HTTPException):
            return {}
        return value if status == 200 and isinstance(value, dict) else {}

    def named_leader(self, node):
        """The port of the master that this one takes for the leader, or None."""
        try:
            status, headers, _ = request(node.port, "GET", "/redirect", timeout=5, host=node.ip)
        except (OSError, http.client.HTTPException):
            return None
        return int(headers["Location"].rsplit(":", 1)[1].strip("/")) if status == 307 else None

    def leader(self):
        """The one master that says it leads, or None; two are a failure."""
        found = [m for m in self.masters if m.usable() and self.state(m).get("elected_time")]
        check(len(found) <= 1, "at most one master leads", [m.name for m in found])
        return found[0] if found else None

    def standbys(self):
        leader = self.leader()
        return [m for m in self.masters if m.usable() and m is not leader]

    def wait_leader(self, seconds=40, not_=None):
        def one():
            leader = self.leader()
            return leader if leader is not None and leader is not not_ else None
        return wait(one, "a master leads" + (f", not {not_.name}" if not_ else ""), seconds)

    def wait_ready(self, seconds=60):
        """A leader, all living agents with it, and the app scheduler subscribed."""
        def ready():
            leader = self.leader()
            if leader is None or self.state(leader).get("activated_slaves") != sum(a.usable() for a in self.agents):
                return None
            status, _, info = self.try_ask("GET", "/v2/info", master=leader, timeout=5)
            return leader if status == 200 and isinstance(info, dict) and info.get("frameworkId") else None
        return wait(ready, "the cluster is up", seconds, every=0.05)

    # ---- apps ----

    def app(self, app_id):
        """Its definition, or None when a leader says that it is not there."""
        def known():
            status, _, value = self.try_ask("GET", f"/v2/apps/{app_id}")
            return (value["app"],) if status == 200 else (None,) if status == 404 else None
        return wait(known, f"GET /v2/apps/{app_id} is answered", 40)[0]

    def tasks(self, app_id):
        status, _, value = self.try_ask("GET", f"/v2/apps/{app_id}/tasks")
        return value["tasks"] if status == 200 else []

    def running(self, app_id):
        return [t for t in self.tasks(app_id) if t["state"] == "TASK_RUNNING"]

    def wait_running(self, app_id, count, seconds=60):
        return wait(lambda: (lambda r: r if len(r) == count else None)(self.running(app_id)),
                    f"{app_id} has {count} running tasks", seconds)

    def wait_quiet(self, seconds=90):
        wait(lambda: self.get("/v2/deployments") == [], "all deployments are done", seconds)

    def wait_write(self, seconds=40):
        """Seconds until a write is accepted again, asked of every usable master in turn."""
        begin = time.monotonic()
        name = f"/write-{random.randrange(1 << 48):x}"
        body = {"id": name, "cmd": "true", "instances": 0, "cpus": 0.01, "mem": 8}

        def write():
            for m in self.masters:
                if m.usable() and self.try_ask("POST", "/v2/apps", body, master=m, timeout=5)[0] in (201, 409):
                    return True
            return False
        wait(write, "a write is accepted", seconds, every=0.005)
        took = time.monotonic() - begin
        wait(lambda: self.try_ask("DELETE", f"/v2/apps{name}?force=true")[0] in (200, 404), "the written app is deleted", 40)
        return took

    def clean_up(self):
        """Delete every app and see that nothing is left of any."""
        for app in self.get("/v2/apps")["apps"]:
            wait(lambda: self.try_ask("DELETE", f"/v2/apps{app['id']}?force=true")[0] in (200, 404), f"{app['id']} is deleted", 40)
        wait(lambda: self.get("/v2/apps")["apps"] == [], "all apps are gone", 90)
        self.wait_quiet()
        wait(lambda: not cluster.processes_with("MARATHON_APP_ID=/"), "no process is left", 30)
        check(not cluster.mounts_below(self.dir), "no mount is left", cluster.mounts_below(self.dir))
        if cluster.DOCKER_SOCKET:
            wait(lambda: cluster.docker_containers(running_only=False) == [], "no Docker container is left", 60)


def identities(c, *app_ids):
    """What a failover must not change: task ids with their start times, and the Docker containers with theirs."""
    tasks = {t["id"]: t["startedAt"] for a in app_ids for t in c.running(a)}
    containers = {}
    if cluster.DOCKER_SOCKET:
        for x in cluster.docker_containers():
            status, full = cluster.docker("GET", f"/containers/{x['Id']}/json")
            if status == 200:
                containers[x["Id"]] = full["State"]["StartedAt"]
    return tasks, containers


def wait_identities(c, want, *app_ids, seconds=40):
    """The same tasks and containers are seen (again): views may need the agents to come back first."""
    def same():
        tasks, containers = identities(c, *app_ids)
        return tasks == want[0] and all(containers.get(k) == v for k, v in want[1].items())
    try:
        wait(same, "the same tasks and containers run on", seconds, every=0.1)
    except cluster.Failed:
        check(False, "the same tasks and containers run on", want, identities(c, *app_ids))
