"""Commits of the replicated log: one replica, and three over loopback; beside bare fdatasync and a bare round trip of the same run."""
import os
import subprocess
import tempfile


def run(table, quick):
    build = os.environ["MUSTER_BENCH_BUILD"]
    for replicas in ("1", "3"):
        with tempfile.TemporaryDirectory(prefix="muster-bench-") as directory:
            done = subprocess.run([f"{build}/tests/bench/bench_log", f"{build}/plugins/registry_replicated_log.so", directory, "1" if quick else "5", replicas],
                                  capture_output=True, text=True, timeout=180, check=True).stdout.split("\n")
        rows = [line.split() for line in done if line]
        disk, trip = (float(field) for field in rows[-1][1:])
        bare = disk if replicas == "1" else disk + trip
        what = "fdatasync" if replicas == "1" else "fdatasync + round trip"
        for width, rate, us in rows[:-1]:
            if width == "1":
                table.row(f"replicated log, {replicas} replicas, one commit at a time", f"{float(us):.0f} us", f"< {1.5 * bare:.0f} us",
                          f"bare {what} {bare:.0f} us, ratio {float(us) / bare:.2f}")
            else:
                table.row(f"replicated log, {replicas} replicas, {width} in flight", f"{rate} /s", "> 40000 /s" if width == "1000" else "",
                          f"bare {what} alone {1e6 / bare:.0f} /s, ratio {float(rate) * bare / 1e6:.1f}")
