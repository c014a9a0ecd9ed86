"""An etcd cluster of three members on loopback, for a benchmark: free ports, directories of its own, its defaults (so each put is on a majority's disks)."""
import contextlib
import os
import pathlib
import shutil
import subprocess

import cluster

MEMBERS = 3
# Members end with the benchmark, however that ends.
WITH_PARENT = ["setpriv", "--pdeathsig=KILL"]


def is_there():
    return shutil.which("etcd") is not None


def version():
    return subprocess.run(["etcd", "--version"], capture_output=True, text=True, check=True).stdout.split()[2]


def member_command(directory, n, client, peers):
    urls = ",".join(f"m{i}=http://127.0.0.1:{port}" for i, port in enumerate(peers))
    return [*WITH_PARENT, "etcd", f"--name=m{n}", f"--data-dir={directory}/m{n}", f"--listen-client-urls=http://127.0.0.1:{client}",
            f"--advertise-client-urls=http://127.0.0.1:{client}", f"--listen-peer-urls=http://127.0.0.1:{peers[n]}",
            f"--initial-advertise-peer-urls=http://127.0.0.1:{peers[n]}", f"--initial-cluster={urls}", "--initial-cluster-state=new",
            "--logger=zap", "--log-outputs=stderr"]


def leads(port):
    """Whether the member there is the leader; none leads while there is no quorum."""
    try:
        status, _, answer = cluster.request(port, "POST", "/v3/maintenance/status", "{}", timeout=5)
    except OSError:
        return False
    return status == 200 and answer.get("leader") == answer["header"]["member_id"]


def end_of_log(directory, n):
    return pathlib.Path(f"{directory}/m{n}.log").read_text(errors="replace")[-600:]


@contextlib.contextmanager
def leader(directory):
    """The client port of the leader; all end with the block."""
    ports = cluster.free_ports(2 * MEMBERS)
    clients, peers = ports[:MEMBERS], ports[MEMBERS:]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ETCD_")}
    members = []
    try:
        for n in range(MEMBERS):
            with open(f"{directory}/m{n}.log", "wb") as log:
                members.append(subprocess.Popen(member_command(directory, n, clients[n], peers), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                                env=environment))

        def find_leader():
            for n, member in enumerate(members):
                cluster.check(member.poll() is None, f"etcd member {n} has ended by itself", end_of_log(directory, n))
            return next((port for port in clients if leads(port)), None)
        yield cluster.wait(find_leader, "a leader of the etcd members", 30)
    finally:
        for member in members:
            member.kill()
            member.wait()
