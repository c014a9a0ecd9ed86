"""Hosts of their own on one machine: network namespaces on a bridge, and faults of the network between them.

Only below with-zookeeper (or with-dockerd): its namespaces end with the test, and these with them. The base, where the ZooKeeper servers and the test itself are,
is 10.77.0.1; host n (from 2) is 10.77.0.n."""
import os
import pathlib
import subprocess

BASE = "10.77.0.1"


def run(*words):
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()}")


class Host:
    def __init__(self, number):
        self.number, self.name, self.ip = number, f"mu{number}", f"10.77.0.{number}"
        self.prefix = ["nsenter", f"--net=/run/netns/{self.name}"]
        run("ip", "netns", "add", self.name)
        run("ip", "link", "add", f"muv{number}", "type", "veth", "peer", "name", "eth0", "netns", self.name)
        run("ip", "link", "set", f"muv{number}", "master", "mubr0", "up")
        self.run("ip", "link", "set", "lo", "up")
        self.run("ip", "addr", "add", f"{self.ip}/24", "dev", "eth0")
        self.run("ip", "link", "set", "eth0", "up")

    def run(self, *words):
        run(*self.prefix, *words)

    def cut_off(self, *others):
        """No packet to or from these addresses passes (none given: any, but its own)."""
        for ip in others or ("10.77.0.0/24",):
            self.run("iptables", "-I", "OUTPUT", "!", "-o", "lo", "-d", ip, "-j", "DROP")
            self.run("iptables", "-I", "INPUT", "!", "-i", "lo", "-s", ip, "-j", "DROP")

    def cut_off_ports(self, ip, ports):
        """No packet to or from these ports of the address passes."""
        for port in ports:
            self.run("iptables", "-I", "OUTPUT", "-p", "tcp", "-d", ip, "--dport", str(port), "-j", "DROP")
            self.run("iptables", "-I", "INPUT", "-p", "tcp", "-s", ip, "--sport", str(port), "-j", "DROP")

    def lose(self, percent):
        """So many of the packets that come in are lost."""
        self.run("iptables", "-I", "INPUT", "!", "-i", "lo", "-m", "statistic", "--mode", "random", "--probability", str(percent / 100), "-j", "DROP")

    def heal(self):
        self.run("iptables", "-F")

    def close(self):
        subprocess.run(["ip", "netns", "del", self.name], capture_output=True, check=False)
        subprocess.run(["ip", "link", "del", f"muv{self.number}"], capture_output=True, check=False)


def make(count):
    """Hosts 2 to count + 1. Refuses outside of a namespace made for the test: it would change the machine's own network."""
    if not os.environ.get("MUSTER_TEST_ZK"):
        raise RuntimeError("hosts are made below with-zookeeper only")
    if not pathlib.Path("/run/netns/.muster").exists():
        pathlib.Path("/run/netns").mkdir(exist_ok=True)
        run("mount", "-t", "tmpfs", "none", "/run/netns")
        pathlib.Path("/run/netns/.muster").touch()
        run("ip", "link", "add", "mubr0", "type", "bridge")
        run("ip", "addr", "add", f"{BASE}/24", "dev", "mubr0")
        run("ip", "link", "set", "mubr0", "up")
    return [Host(n) for n in range(2, count + 2)]
