"""Wall clocks that jump by a day, on real processes: nothing waits by them, so nothing but the time stamps may show it.

Run below with-zookeeper 3. Each process has a wall clock of its own (libfaketime, which reads how far it is off from a file); the clocks that time-outs go
by are the machine's."""
import email.utils
import os
import pathlib
import sys
import time

import cluster
from cluster import check, request, wait
from ha_cluster import NATIVE, HaCluster, identities, wait_identities
from ha_story import logged, processor_ticks

DAY_S = 86400
LOOK_S = 3  # how long processes are watched for work that nobody asked for
LIBRARY = next(pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
# The app that is scaled to two and back: the first of its tasks must not be touched, whatever the agents' clocks say.
APP = "stays"
COMMAND = "exec sleep 1000000"  # one process for as long as the task lives


class ClockCluster(HaCluster):
    def __init__(self):
        super().__init__(masters=2, agents=1, docker=False)
        for node in self.nodes:
            set_clock(self, node, 0)
            node.prefix = ("env", f"LD_PRELOAD={LIBRARY}", f"FAKETIME_TIMESTAMP_FILE={clock_file(self, node)}", "FAKETIME_NO_CACHE=1",
                           "FAKETIME_DONT_FAKE_MONOTONIC=1", "NO_FAKE_STAT=1")

    def __exit__(self, kind, value, trace):
        super().__exit__(kind, value, trace)
        for n in self.nodes:
            remove_shared_memory(n)


def remove_shared_memory(node):
    """The library leaves it behind when its process is killed."""
    if node.popen:
        for left in pathlib.Path("/dev/shm").glob(f"*faketime_*_{node.popen.pid}"):
            left.unlink()


def clock_file(c, node):
    return c.dir / f"{node.name}.clock"


def set_clock(c, node, offset_s):
    new = c.dir / "clock.new"
    new.write_text(f"{offset_s:+d}")
    os.replace(new, clock_file(c, node))  # never half-written


def off_by_s(node):
    """How far its clock is off, as its answers say."""
    _, headers, _ = request(node.port, "GET", "/health")
    return email.utils.parsedate_to_datetime(headers["Date"]).timestamp() - time.time()


def jump(c, node, offset_s):
    set_clock(c, node, offset_s)
    wait(lambda: abs(off_by_s(node) - offset_s) < 60, f"{node.name} sees the other time", 10)
    print(f"     {node.name} is off by {round(off_by_s(node) / 3600)} h")


def begin(c):
    c.accepted("POST", "/v2/apps", {**NATIVE, "id": APP, "cmd": COMMAND})
    c.wait_running(APP, 1)
    c.wait_quiet()
    return what_runs(c)


def what_runs(c):
    """The first task of the app, and its processes."""
    want = identities(c, APP)
    (task,) = want[0]
    pids = cluster.processes_with(task)
    check(pids, "the task has processes", task)
    return want, sorted(pids)


def wait_what_runs(c, want):
    wait_identities(c, want[0], APP)
    check(what_runs(c)[1] == want[1], "its processes are the same", want, what_runs(c))


def version_of(c, app):
    return c.app(app)["version"]


def scales(c):
    """To two and back; each change is newer than all before it."""
    for count in (2, 1):
        before = c.get(f"/v2/apps/{APP}/versions")["versions"]
        check(version_of(c, APP) == max(before), "the newest version is the app's", before)
        c.accepted("PUT", f"/v2/apps/{APP}", {"instances": count})
        c.wait_running(APP, count)
        c.wait_quiet()
        after = c.get(f"/v2/apps/{APP}/versions")["versions"]
        check(version_of(c, APP) == max(after) > max(before), "a new version is newer than those before it", before, after)


def nobody_is_busy(c):
    before = {n.name: processor_ticks(n) for n in c.nodes if n.alive()}
    time.sleep(LOOK_S)  # measured, not waited for
    used = {n.name: processor_ticks(n) - before[n.name] for n in c.nodes if n.alive()}
    print(f"     hundredths of a second of CPU in {LOOK_S} s: {used}")
    check(max(used.values()) < 20 * LOOK_S, "no process turns in a circle", used)


def a_clock_that_jumps_is_told_of_and_disturbs_nothing():
    with ClockCluster() as c:
        want = begin(c)
        leader, standby = c.wait_leader(), c.standbys()[0]
        elected = c.state(leader)["elected_time"]
        for node in (leader, standby, c.agents[0]):
            for offset_s in (DAY_S, 0, -DAY_S, 0):
                told = node.log.read_text().count("the wall clock was set")
                jump(c, node, offset_s)
                nobody_is_busy(c)
                check(c.leader() is leader and c.state(leader)["elected_time"] == elected, "the same leadership goes on")
                wait_what_runs(c, want)
                scales(c)
                wait(lambda: node.log.read_text().count("the wall clock was set") == told + 1, "its log says so, once", 10)
        wait_what_runs(c, want)
        check(all(n.alive() for n in c.nodes), "nobody has ended")
        check(not logged(leader, "leadership lost"), "nobody has ever led but the first")


def the_leader_is_killed_while_clocks_disagree():
    """First the one that is a day ahead dies, then the one whose clock is right, and one that is a day behind takes over."""
    with ClockCluster() as c:
        want = begin(c)
        for dead_s, next_s in ((DAY_S, 0), (0, -DAY_S)):
            old = c.wait_leader()
            other = next(m for m in c.masters if m is not old)
            jump(c, old, dead_s)
            jump(c, other, next_s)
            scales(c)  # leaves versions of the dead one's time
            clock = time.monotonic()
            old.kill()
            remove_shared_memory(old)
            check(c.wait_leader(not_=old) is other, "the other takes over")
            c.wait_write()
            print(f"     a write after {time.monotonic() - clock:.2f} s")
            c.wait_ready()
            wait_what_runs(c, want)
            scales(c)
            nobody_is_busy(c)
            set_clock(c, old, 0)
            old.start()
            wait(lambda: c.named_leader(old) == other.port, f"{old.name} stands by", 40)
        wait_what_runs(c, want)


if __name__ == "__main__":
    if LIBRARY is None:
        print("ha_clock: the package faketime is not installed", file=sys.stderr)
        sys.exit(1 if "faketime" in os.environ.get("MU_REQUIRE", "").split(",") else 77)
    cluster.main(a_clock_that_jumps_is_told_of_and_disturbs_nothing, the_leader_is_killed_while_clocks_disagree)
