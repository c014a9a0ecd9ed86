"""A disk of a master that is full, below the replicated log: the others go on, it says what is wrong, and it comes back by itself.

Run below with-zookeeper 3: each work_dir is a small file system of its own, in the mount namespace made for the test."""
import shutil
import subprocess

import cluster
from cluster import check, wait
from ha_cluster import HaCluster
from ha_log_kit import LOGS, REGISTRY, Writes, begin, logged, metrics, third, wait_votes

DISK_KIB = 4096
FULL = "No space left on device"


class DiskCluster(HaCluster):
    def __init__(self):
        super().__init__(masters=3, docker="", registry=REGISTRY)
        for m in self.masters:
            disk = self.dir / m.name
            disk.mkdir()
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_KIB}k", "none", str(disk)], check=True)

    def __exit__(self, kind, value, trace):
        super().__exit__(kind, value, trace)
        for m in self.masters:
            subprocess.run(["umount", str(self.dir / m.name)], check=False)
        shutil.rmtree(self.dir, ignore_errors=True)


def filler(c, node):
    return c.dir / node.name / "filler"


def fill(c, node):
    """Not a byte is left."""
    with open(filler(c, node), "wb", buffering=0) as f:
        try:
            while True:
                f.write(bytes(1024))
        except OSError as error:
            check(FULL in str(error), "the disk is full", error)


def make_room(c, node):
    filler(c, node).unlink()


def is_out_of_use(node):
    """One of its logs at least, by /metrics and by its own log."""
    return logged(node, "the log cannot be written") and logged(node, FULL) and any(metrics(node).get(log + "recovered") == 0 for log in LOGS)


def wait_out_of_use(node):
    wait(lambda: is_out_of_use(node), f"{node.name} says that its disk is full", 30)


def works_again(c, node, writes):
    """It votes by itself now that there is room, and its vote counts."""
    make_room(c, node)
    wait_votes(node)
    other = third(c, node, c.wait_leader()) if c.wait_leader() is not node else c.standbys()[0]
    other.kill()
    c.wait_write()
    writes.more()
    other.start()
    wait_votes(other)


def a_follower_whose_disk_is_full_stands_aside():
    with DiskCluster() as c:
        want, writes = begin(c), Writes(c)
        leader, node = c.wait_leader(), c.standbys()[0]
        fill(c, node)
        wait_out_of_use(node)
        writes.more(10)
        check(c.leader() is leader, "the leader leads on")
        lines = node.log.read_text().count("the log cannot be written")
        check(lines < 20, "it does not say so all the time", lines)
        works_again(c, node, writes)
        writes.ends_well(want)


def a_leader_whose_disk_is_full_makes_way():
    with DiskCluster() as c:
        want, writes = begin(c), Writes(c)
        old = c.wait_leader()
        for role in ("the leader", "a standby that has led"):
            fill(c, old)
            c.wait_leader(not_=old)
            c.wait_write()
            wait_out_of_use(old)
            writes.more(10)
            works_again(c, old, writes)
            print(f"     {old.name} as {role}: full, and back")
        writes.ends_well(want)


def when_all_disks_are_full_writes_wait_for_room():
    with DiskCluster() as c:
        want, writes = begin(c), Writes(c)
        writes.more()
        for m in c.masters:
            fill(c, m)
        wait(lambda: sum(map(is_out_of_use, c.masters)) >= 2, "two say that their disks are full", 60)
        wait(lambda: any(logged(m, "nothing can be written: 1 of 3 replicas answer, 2 are needed") for m in c.masters), "the third has nobody to write with", 40)
        check(all(m.alive() for m in c.masters), "none has ended")
        for m in c.masters:
            make_room(c, m)
        for m in c.masters:
            wait_votes(m)
        c.wait_ready()
        writes.more()
        writes.ends_well(want)


if __name__ == "__main__":
    cluster.main(a_follower_whose_disk_is_full_stands_aside, a_leader_whose_disk_is_full_makes_way, when_all_disks_are_full_writes_wait_for_room)
