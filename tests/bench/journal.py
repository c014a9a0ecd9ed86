"""Journal commits per second, alone and grouped, beside bare write + fdatasync."""
import os
import subprocess
import tempfile


def run(table, quick):
    seconds = "0.5" if quick else "4"
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as directory:
        program = os.path.join(os.environ["MUSTER_BENCH_BUILD"], "tests/bench/bench_journal")
        done = subprocess.run([program, directory, seconds], capture_output=True, text=True, timeout=120, check=True).stdout
    for line in done.splitlines():
        count, journal, bare = (int(field) for field in line.split())
        table.row(f"journal commits of 256 bytes, {count} in flight", f"{journal} /s", "",
                  f"bare write + fdatasync {bare} /s, ratio {journal / bare:.2f}")
