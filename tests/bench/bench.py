"""All benchmarks, as one table: scripts/bench calls this (see there)."""
import importlib
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
INTEGRATION = HERE.parent / "integration"
sys.path[:0] = [str(HERE), str(INTEGRATION)]

SECTIONS = ("journal", "log", "native", "engine", "failover")
BESIDE = {  # sections that need a server: what runs it, and what to say when it cannot
    "engine": (["with-dockerd"], "no Docker engine can be started here (needs root and docker.io)"),
    "failover": (["with-zookeeper", "3"], "no ZooKeeper servers can be started here (needs root and zookeeper)"),
}
INSIDE = "--inside="


def measure(table, name, quick):
    try:
        importlib.import_module(name).run(table, quick)
    except (AssertionError, OSError, subprocess.SubprocessError) as error:
        table.skip(f"{name}: ended early", error)


def measure_beside(table, name, arguments):
    """Beside servers of its own, in namespaces of its own."""
    (wrapper, *words), excuse = BESIDE[name]
    done = subprocess.run([INTEGRATION / wrapper, *words, sys.executable, __file__, INSIDE + name, *arguments], check=False)
    if done.returncode != 0:
        table.skip(name, excuse)


def main(arguments):
    import meter  # when the paths are set
    quick = "--quick" in arguments
    wanted = [name for name in arguments if not name.startswith("--")] or list(SECTIONS)
    unknown = set(wanted) - set(SECTIONS)
    if unknown:
        sys.exit(f"bench: '{unknown.pop()}' is none of: {', '.join(SECTIONS)}")
    inside = [word[len(INSIDE):] for word in arguments if word.startswith(INSIDE)]
    if inside:
        measure(meter.Table(is_part=True), inside[0], quick)
        return
    one, five, fifteen = os.getloadavg()
    print(f"{os.cpu_count()} processors, load average {one:.1f} {five:.1f} {fifteen:.1f}"
          + (" (the machine is not quiet: read the ratios, not the rates)" if five > 1 else ""), flush=True)
    table = meter.Table()
    for name in wanted:
        if name in BESIDE:
            measure_beside(table, name, ["--quick"] if quick else [])
        else:
            measure(table, name, quick)


if __name__ == "__main__":
    main(sys.argv[1:])
