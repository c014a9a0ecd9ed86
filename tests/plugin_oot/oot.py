#!/usr/bin/env python3
"""Installs Muster into a temporary directory, builds a plugin of each kind against it with
plain cc (as C11 and C17) and with Meson, loads them with the installed muster and runs it
with them alone.

Usage: oot.py MESON BUILD_DIR SOURCE_DIR CC
"""
import os
import pathlib
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

KINDS = ("election", "registry", "containerizer", "api")
STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-shared", "-fPIC"]


def run(command, **more):
    done = subprocess.run(command, capture_output=True, text=True, **more)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}:\n{done.stdout}{done.stderr}")
    return done.stdout


def expect(condition, what, output):
    if not condition:
        sys.exit(f"{what}; output was:\n{output}")


def find(root, name):
    found = [p for p in root.rglob(name) if p.is_file()]
    expect(len(found) == 1, f"{name} is installed once", "\n".join(map(str, found)))
    return found[0]


def check_installed(dest):
    """The files that the package must have, and nothing of the template."""
    for name in ("muster", "muster-container", "muster.8", "muster.pc", "plugin.h"):
        find(dest, name)
    expect(not list(dest.rglob("api_skeleton*")), "the template is not installed", "")
    return find(dest, "muster")


def plain_cc(cc, source, dest, out):
    pc = find(dest, "muster.pc")
    prefix = next(p for p in pc.parents if (p / "include" / "muster").is_dir())
    env = dict(os.environ, PKG_CONFIG_PATH=str(pc.parent))
    flags = run(["pkg-config", f"--define-variable=prefix={prefix}", "--cflags", "--libs",
                 "muster"], env=env).split()
    out.mkdir()
    for kind in KINDS:
        for std in ("c17", "c11"):
            run([cc, f"-std={std}", *STRICT, "-o", str(out / f"{kind}_oot.so"),
                 str(source / f"{kind}_oot.c"), *flags])
    return out


def with_meson(meson, cc, source, dest, out):
    project = out.parent / "project"
    shutil.copytree(source / "with_meson", project)
    for name in [f"{kind}_oot.c" for kind in KINDS] + ["oot_common.h"]:
        shutil.copy(source / name, project)
    env = dict(os.environ, CC=cc, PKG_CONFIG_PATH=str(find(dest, "muster.pc").parent),
               PKG_CONFIG_SYSROOT_DIR=str(dest))
    run([*meson, "setup", str(out), str(project)], env=env)
    run([*meson, "compile", "-C", str(out)], env=env)
    return out


def check_loads(muster, plugins, env):
    listed = run([str(muster), f"--plugin_dir={plugins}", "--list_plugins"], env=env)
    for kind in KINDS:
        expect(f"{kind}_oot 1 (ABI 0.1): built outside of the tree\n    {plugins}/" in listed,
               f"{kind}_oot is listed", listed)
    text = run([str(muster), "local", "--election=oot", "--registry=oot", "--api=oot",
                "--containerizers=oot", f"--plugin_dir={plugins}", "--help"], env=env)
    for flag in ("--oot_epoch=", "--oot_resources=", "--port="):
        expect(flag in text, f"{flag} is in the help", text)


def read_until(process, pattern, seconds):
    """Lines of stderr up to the one that matches; waits for output, not for time."""
    seen, end = "", time.monotonic() + seconds
    while True:
        left = end - time.monotonic()
        ready = select.select([process.stderr], [], [], max(left, 0))[0]
        piece = os.read(process.stderr.fileno(), 65536).decode() if ready else ""
        expect(piece, f"{pattern!r} is logged", seen)
        seen += piece
        match = re.search(pattern, seen)
        if match:
            return match


def check_runs(muster, plugins, work_dir, env):
    process = subprocess.Popen(
        [str(muster), "local", "--election=oot", "--registry=oot", "--api=oot",
         "--containerizers=oot", f"--plugin_dir={plugins}", f"--work_dir={work_dir}", "--port=0",
         "--marathon_port=0", "--agent_port=0", "--oot_resources=mem:64;cpus:.5"],
        stderr=subprocess.PIPE, env=env)
    try:
        port = read_until(process, r"for=master ip=127\.0\.0\.1 port=(\d+)\n", 20).group(1)
        url = f"http://127.0.0.1:{port}/oot"
        body = urllib.request.urlopen(url, timeout=10).read().decode()
        expect("cpus:0.5" in body and "mem:64" in body, "the plugin answers", body)
        process.send_signal(signal.SIGTERM)
        output = process.communicate(timeout=20)[1].decode()
        expect(process.returncode == 0, f"exit {process.returncode} after SIGTERM", output)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def main():
    meson, build, source, cc = sys.argv[1].split(), sys.argv[2], pathlib.Path(sys.argv[3]), sys.argv[4]
    with tempfile.TemporaryDirectory(prefix="muster-oot-") as tmp:
        tmp = pathlib.Path(tmp)
        dest = tmp / "dest"
        run([*meson, "install", "--no-rebuild", "-C", build, "--destdir", str(dest)])
        muster = check_installed(dest)
        library = find(dest, "libmuster.so").parent
        env = dict(os.environ, LD_LIBRARY_PATH=str(library))
        run([str(muster), "--list_plugins"])  # those installed find libmuster by themselves
        plain = plain_cc(cc, source, dest, tmp / "plain")
        check_loads(muster, plain, env)
        check_runs(muster, plain, tmp / "work1", env)
        check_loads(muster, with_meson(meson, cc, source, dest, tmp / "meson"), env)
    return 0


if __name__ == "__main__":
    sys.exit(main())
