"""All benchmarks, as one table: scripts/bench calls this (see there)."""
import importlib
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
INTEGRATION = HERE.parent / "integration"
sys.path[:0] = [str(HERE), str(INTEGRATION)]

SECTIONS = ("journal", "native", "engine")
INSIDE = "--inside-dockerd"


def measure(table, name, quick):
    try:
        importlib.import_module(name).run(table, quick)
    except (AssertionError, OSError, subprocess.SubprocessError) as error:
        table.skip(f"{name}: ended early", error)


def measure_engine(table, arguments):
    """Beside an engine of its own, in namespaces of its own."""
    done = subprocess.run([INTEGRATION / "with-dockerd", sys.executable, __file__, INSIDE, *arguments], check=False)
    if done.returncode != 0:
        table.skip("50 Docker containers from one app", "no Docker engine can be started here (needs root and docker.io)")


def main(arguments):
    import meter  # when the paths are set
    quick = "--quick" in arguments
    wanted = [name for name in arguments if not name.startswith("--")] or list(SECTIONS)
    unknown = set(wanted) - set(SECTIONS)
    if unknown:
        sys.exit(f"bench: '{unknown.pop()}' is none of: {', '.join(SECTIONS)}")
    if INSIDE in arguments:
        measure(meter.Table(is_part=True), "engine", quick)
        return
    one, five, fifteen = os.getloadavg()
    print(f"{os.cpu_count()} processors, load average {one:.1f} {five:.1f} {fifteen:.1f}"
          + (" (the machine is not quiet: read the ratios, not the rates)" if five > 1 else ""), flush=True)
    table = meter.Table()
    for name in wanted:
        if name == "engine":
            measure_engine(table, ["--quick"] if quick else [])
        else:
            measure(table, name, quick)


if __name__ == "__main__":
    main(sys.argv[1:])
