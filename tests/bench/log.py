"""The replicated log: commits beside bare fdatasync, a bare round trip, etcd and ZooKeeper, all of the same run and on the same disk; and its start when
it holds many entries.

As a program (below with-zookeeper): measures the ZooKeeper servers there."""
import os
import pathlib
import subprocess
import sys
import tempfile

INTEGRATION = pathlib.Path(__file__).resolve().parent.parent / "integration"
BUILD = os.environ["MUSTER_BENCH_BUILD"]
PLUGIN = f"{BUILD}/plugins/registry_replicated_log.so"
ALONE_GOAL = 1.5  # times (a round trip + fdatasync)
MANY, MANY_GOAL = 1000, 40000
# The servers' heap of the tests is small, and their compiler is told to save time.
JVM_FLAGS = "-Xmx1g"


def numbers(text):
    return [[float(field) for field in line.split()] for line in text.splitlines()]


def program(name, *arguments, prefix=()):
    """The numbers of its lines; fails with what it says."""
    done = subprocess.run([*prefix, f"{BUILD}/tests/bench/{name}", *map(str, arguments)], capture_output=True, text=True, timeout=240, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{name}: {done.stderr.strip()[-600:] or done.returncode}")
    return numbers(done.stdout)


def file_system(directory):
    return subprocess.run(["findmnt", "-n", "-o", "FSTYPE", "--target", directory], capture_output=True, text=True, check=True).stdout.strip()


class Runs:
    """What each of those measured has done: {name: {width: (rate, us, p99)}}"""

    def __init__(self, table, seconds):
        self.table, self.seconds = table, seconds
        self.by_name = {}

    def add(self, name, lines, goals=False, trips=1):
        """Lines as rate_run_all prints them; trips: round trips that no such log can do without."""
        disk, trip, quorum = lines[0][4:]
        bare = disk + trips * trip
        what = f"fdatasync {disk:.0f} us" + (f" + round trip {trip:.0f} us" if trips else "")
        self.by_name[name] = {int(line[0]): line[1:3] for line in lines}
        for width, rate, us, p99, *_ in lines:
            if width == 1:
                self.table.row(f"{name}, one at a time", f"{us:.0f} us (p99 {p99:.0f})", f"< {ALONE_GOAL * bare:.0f} us" if goals else "",
                               f"{us / bare:.2f} x bare ({what})" + (f", {us / quorum:.2f} x a bare write to three ({quorum:.0f} us)" if trips else ""))
            else:
                self.table.row(f"{name}, {width:.0f} in flight", f"{rate:.0f} /s", f"> {MANY_GOAL} /s" if goals and width == MANY else "",
                               f"{rate * bare / 1e6:.1f} x bare alone ({1e6 / bare:.0f} /s)")

    def compare(self, ours, other):
        if other not in self.by_name:
            return
        a, b = self.by_name[ours], self.by_name[other]
        for width in a:
            what, ratio = ("one at a time", b[width][1] / a[width][1]) if width == 1 else (f"{width} in flight", a[width][0] / b[width][0])
            self.table.row(f"3 replicas to {other.split(',')[0]}, {what}", f"{ratio:.2f} x as {'quick' if width == 1 else 'many'}", "> 1 x")


def measure_etcd(runs):
    import etcd
    if not etcd.is_there():
        runs.table.skip("etcd", "it is not installed (package etcd-server)")
        return None
    name = f"etcd {etcd.version()}, 3 members"
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as directory:
        with etcd.leader(directory) as port:
            runs.add(name, program("bench_etcd", f"127.0.0.1:{port}", runs.seconds, directory))
    return name


def measure_zookeeper(runs):
    name = "ZooKeeper, 3 servers"
    wrapper = [INTEGRATION / "with-zookeeper", "3", sys.executable, __file__, str(runs.seconds)]
    environment = {**os.environ, "MUSTER_TEST_ZK_JVMFLAGS": JVM_FLAGS}
    done = subprocess.run(wrapper, capture_output=True, text=True, timeout=240, check=False, env=environment)
    if done.returncode != 0:
        raise AssertionError(f"no figures (needs root and the package zookeeper): {done.stderr.strip()[-600:]}")
    runs.add(name, numbers(done.stdout))
    return name


def recovery(table, quick):
    count = 200_000 if quick else 1_000_000
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as directory:
        for step, what in (("write", "as written, each once"), ("overwrite", "after a rewrite")):
            written, longest = program("bench_recovery", PLUGIN, directory, step, count)[0]
            ms, kb, size = program("bench_recovery", PLUGIN, directory, "open", count)[0]
            note = f"file {size / 1e6:.0f} MB, {size / count:.0f} bytes per entry"
            if step == "overwrite":
                note += f"; was {longest / 1e6:.0f} MB, by {written:.0f} more writes, before"
            table.row(f"start with {count} entries, {what}", f"{ms / 1000:.2f} s, {kb / 1000:.0f} MB", "", note)


def run(table, quick):
    seconds = 1 if quick else 4
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as directory:
        table.row("all files of this section", file_system(directory), "", "a file system; values of 256 bytes")
        runs = Runs(table, seconds)
        runs.add("replicated log, 1 replica", program("bench_log", PLUGIN, directory, seconds, 1), goals=True, trips=0)
        ours = "replicated log, 3 replicas"
        runs.add(ours, program("bench_log", PLUGIN, directory, seconds, 3), goals=True)
        others = []
        for measure in (measure_etcd, measure_zookeeper):
            try:
                others.append(measure(runs))
            except (AssertionError, OSError, subprocess.SubprocessError) as error:
                table.skip(measure.__name__.replace("measure_", ""), error)
        for other in filter(None, others):
            runs.compare(ours, other)
    recovery(table, quick)
    load = os.getloadavg()[0]
    table.row("load average behind this section", f"{load:.1f}", "",
              "more than the processors: compare the three, not with what is bare" if load > os.cpu_count() else "")


def inside(seconds):
    import zookeepers
    servers = zookeepers.ZooKeepers()
    for line in program("bench_zookeeper", f"127.0.0.1:{zookeepers.PORT + servers.leader()}", seconds, servers.dir):
        print(*line)


if __name__ == "__main__":
    sys.path.insert(0, str(INTEGRATION))
    inside(sys.argv[1])
