#!/usr/bin/env python3
"""The rules of the tree that a compiler does not know. Prints file:line: message; exit 1.

Usage: lint.py ROOT            all rules
       lint.py ROOT --format   clang-format only (slower, hence apart)

What is checked: who may include whom, the own header first, banned functions, sizes of files
and functions, no sleeping, no disabled asserts, nobody's unfinished notes, no paths of one
machine, files named in documents exist. A line (for sizes: the line where the function
begins) is let off by a comment `NOLINT(rule): reason` on it or on the line above.
"""
import pathlib
import re
import shutil
import subprocess
import sys

C_HEADERS = {"stdbool.h", "stddef.h", "stdint.h"}
# Headers of third-party libraries; every other <...> without muster/ is the C library's.
LIBRARIES = {"uv.h", "ltdl.h", "jansson.h", "zlib.h", "llhttp.h", "zookeeper/zookeeper.h",
             "cmocka.h"}
LIBRARY_PREFIXES = ("curl/", "zookeeper/", "openssl/")

# Folder: (folders of core it may include besides <muster/...>, libraries).
ARROWS = {
    "core/include/muster": ((), ()),
    "core/base": (("base",), ()),
    "core/domain": (("base", "domain"), ()),
    "core/master": (("base", "domain", "master"), ()),
    "core/agent": (("base", "domain", "agent"), ()),
    "core/scheduler": (("base", "domain", "scheduler"), ()),
    # The records that the machines keep are encoded here, so codec sees their headers.
    "core/codec": (("base", "domain", "codec", "master", "agent", "scheduler"), ("jansson.h",)),
    "core/runtime": (("base", "domain", "codec", "master", "agent", "scheduler", "runtime"),
                     ("uv.h", "ltdl.h", "curl/", "llhttp.h", "zlib.h", "jansson.h")),
}
# What two plugins share: the ZooKeeper session, which election and registry both stand on.
SHARED = {folder: "plugins/zk" for folder in ("plugins/election/zk", "plugins/registry/zk", "plugins/registry/replicated_log")}
# Plugins: the one library each exists for, beside jansson in codec*.c. Plugins that watch
# sockets or processes use the host's loop.
PLUGIN_LIBRARIES = {
    "plugins/zk": ("zookeeper/", "uv.h"),
    "plugins/election/zk": ("zookeeper/",),
    "plugins/registry/zk": ("zookeeper/",),
    "plugins/registry/replicated_log": ("zookeeper/",),
    "plugins/containerizer/mesos": ("uv.h",),
    "plugins/containerizer/docker": ("uv.h",),
    "plugins/registry/replicated_log": ("uv.h",),
}

BANNED = {  # function: (instead, files where it is allowed)
    **{f: ("mu_buf or snprintf", ()) for f in
       ("strcpy", "strcat", "sprintf", "vsprintf", "strncpy", "stpcpy", "gets")},
    **{f: ("core/base/parse.h", ("core/base/parse.c",)) for f in
       ("atoi", "atol", "atoll", "atof", "strtol", "strtoul", "strtoll", "strtoull")},
    "strtod": ("core/base/parse.h", ("core/base/parse.c", "core/base/decimal.c")),
    **{f: ("mu_time_format", ()) for f in
       ("localtime", "gmtime", "ctime", "asctime", "localtime_r", "ctime_r")},
    **{f: ("host->random or base/prng.h", ()) for f in ("rand", "random", "srand", "drand48")},
    **{f: ("a timer or an event", ()) for f in ("sleep", "usleep", "nanosleep", "uv_sleep")},
    **{f: ("runtime/clock.h or host->now_ms", ("core/runtime/clock.c",)) for f in
       ("time", "clock_gettime", "gettimeofday", "uv_hrtime")},
    "strtok": ("strcspn", ()), "alloca": ("mu_xalloc", ()), "system": ("uv_spawn", ()),
    "strerror": ("mu_strerror", ()), "strerror_r": ("mu_strerror", ()),
    "signal": ("sigaction or uv_signal", ("main.c",)), "exit": ("a return", ("main.c",)),
}
SLEEPS = ("sleep", "usleep", "nanosleep", "uv_sleep")
CALL = re.compile(r"(?<![\w.>])(" + "|".join(sorted(BANNED, key=len, reverse=True)) + r")\s*\(")

TEXT_RULES = [
    ("unfinished", re.compile(r"\b(TODO|FIXME|XXX|HACK)\b"),
     "unfinished: finish it, or file an issue"),
    ("machine-path", re.compile(r"(?<![\w.])/(home|root|work|Users)/\w"),
     "a path of one machine"),
    ("typedef-struct", re.compile(r"^\s*typedef\s+(struct|enum|union)\b"),
     "typedef of a struct hides what it is"),
    ("gnu-source", re.compile(r"^\s*#\s*define\s+_GNU_SOURCE"), "meson.build defines it"),
    ("disabled-code", re.compile(r"^\s*#\s*if\s+0\b"), "disabled code"),
    ("pragma-once", re.compile(r"^\s*#\s*pragma\s+once"), "use an include guard"),
]
DISABLED_ASSERT = re.compile(r"(//|/\*)\s*(assert\w*|MU_ASSERT|MU_PRE|MU_POST)\s*\(.*\)\s*;")

MAX_FILE_LINES, MAX_FUNCTION_LINES = 800, 80


class Lint:
    def __init__(self, root):
        self.root = root
        self.count = 0

    def say(self, path, line, rule, text):
        print(f"{path}:{line}: {text} [{rule}]")
        self.count += 1


def tracked(root):
    """Files of the tree: git's list, or (in a release archive) all but build directories."""
    if (root / ".git").exists() and shutil.which("git"):
        done = subprocess.run(["git", "-C", str(root), "ls-files", "-co", "--exclude-standard"],
                              capture_output=True, text=True, check=True)
        return [p for p in done.stdout.splitlines() if (root / p).is_file()]
    return [str(p.relative_to(root)) for p in root.rglob("*")
            if p.is_file() and not p.relative_to(root).parts[0].startswith(("build", ".git"))]


def without_comments(text):
    """Comments and the contents of string and character literals become blanks."""
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)

    def blank(match):
        s = match.group(0)
        return re.sub(r"[^\n]", " ", s)
    return pattern.sub(blank, text)


def is_let_off(lines, number, rule):
    for at in (number - 1, number - 2):
        if 0 <= at < len(lines):
            match = re.search(r"NOLINT\(([\w-]+)\): \S", lines[at])
            if match and match.group(1) == rule:
                return True
    return False


def folder_of(path):
    for folder in ARROWS:
        if path.startswith(folder + "/"):
            return folder
    match = re.match(r"(plugins/zk|plugins/\w+/\w+)/", path)
    return match.group(1) if match else None


def include_error(root, path, folder, name, is_system):
    is_library = name in LIBRARIES or name.startswith(LIBRARY_PREFIXES)
    in_plugin = folder.startswith("plugins/")
    if name.startswith("muster/"):
        return None if is_system else "public headers are included with <>"
    if is_system:
        if folder == "core/include/muster" and name not in C_HEADERS:
            return f"public headers may include {', '.join(sorted(C_HEADERS))} only"
        if not is_library:
            return None
        allowed = PLUGIN_LIBRARIES.get(folder, ()) if in_plugin else ARROWS[folder][1]
        if in_plugin and name == "jansson.h":
            file_name = path.rsplit("/", 1)[1]
            return None if file_name.startswith("codec") else "jansson is for codec*.c"
        if name in allowed or any(a.endswith("/") and name.startswith(a) for a in allowed):
            return None
        return f"{folder} may not use this library"
    if in_plugin:
        here = (root / path).parent
        shared = root / SHARED.get(folder, folder)
        for base, owner in ((here, root / folder), (root / folder, root / folder), (shared.parent, shared)):
            target = (base / name).resolve()
            if target.is_file() and target.is_relative_to(owner.resolve()):
                return None
        return "a plugin includes <muster/...> and its own folder only"
    if "/" not in name:
        return None if (root / path).parent.joinpath(name).is_file() else "no such header"
    allowed = ARROWS[folder][0]
    if name.split("/", 1)[0] not in allowed:
        return f"{folder} may include {', '.join(allowed) or 'nothing of core'} only"
    return None


def check_includes(lint, path, lines):
    folder = folder_of(path)
    if folder is None:
        return
    first = None
    for number, line in enumerate(lines, 1):
        match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if not match:
            continue
        name = match.group(2)
        first = first or (number, name)
        error = include_error(lint.root, path, folder, name, match.group(1) == "<")
        if error and not is_let_off(lines, number, "include"):
            lint.say(path, number, "include", f"'{name}': {error}")
    own = path[:-2] + ".h"
    is_public = first and first[1].startswith("muster/")  # its own header may be a public one
    if path.endswith(".c") and (lint.root / own).is_file() and first and not is_public:
        if first[1].rsplit("/", 1)[-1] != own.rsplit("/", 1)[-1]:
            lint.say(path, first[0], "own-header", "the own header comes first")


def check_calls(lint, path, code, lines):
    is_test = path.startswith("tests/")
    for number, line in enumerate(code.split("\n"), 1):
        for match in CALL.finditer(line):
            name = match.group(1)
            instead, places = BANNED[name]
            if is_test and name not in SLEEPS:
                continue
            if path in places or path.rsplit("/", 1)[-1] in places:
                continue
            if re.match(r"\s*#\s*define", line) or is_let_off(lines, number, "banned"):
                continue
            lint.say(path, number, "banned", f"{name}(): use {instead}")


def check_sizes(lint, path, code, lines):
    if len(lines) > MAX_FILE_LINES and not is_let_off(lines, 1, "file-size"):
        lint.say(path, 1, "file-size", f"{len(lines)} lines, {MAX_FILE_LINES} are allowed")
    begin = head = 0
    in_function = False
    for number, line in enumerate(code.split("\n"), 1):
        if line.startswith("{"):
            begin = number
            head = begin
            while head > 1 and lines[head - 2].strip() and not lines[head - 2].startswith(
                    ("}", "#", " */", "/*")):
                head -= 1
            in_function = "(" in "".join(lines[head - 1:begin - 1])
        elif line.startswith("}") and in_function:
            in_function = False
            size = number - begin + 1
            if size > MAX_FUNCTION_LINES and not is_let_off(lines, head, "function-size"):
                lint.say(path, head, "function-size",
                         f"function of {size} lines, {MAX_FUNCTION_LINES} are allowed")


def check_text(lint, path, lines):
    is_c = path.endswith((".c", ".h"))
    for number, line in enumerate(lines, 1):
        for rule, pattern, text in TEXT_RULES:
            if pattern.search(line) and not is_let_off(lines, number, rule):
                lint.say(path, number, rule, text)
        if is_c and DISABLED_ASSERT.search(line):
            if not is_let_off(lines, number, "disabled-assert"):
                lint.say(path, number, "disabled-assert", "an assert in a comment")


def check_guard(lint, path, lines):
    text = "\n".join(lines[:60])
    if not re.search(r"#ifndef (\w+_H)\n#define \1\n", text):
        lint.say(path, 1, "guard", "no include guard")


NAMED = re.compile(r"`([\w.{},+/-]+/[\w.{},+*/-]*|[\w-]+\.(?:md|c|h|py|build))`")


def check_named_files(lint, path, lines):
    """In documents: a `path/like.this` or `file.c` is there, seen from the root, from the
    document's folder or (bare names) anywhere below them."""
    here = (lint.root / path).parent
    for number, line in enumerate(lines, 1):
        for match in NAMED.finditer(line):
            name = match.group(1)
            if re.search(r"[{*]|^/|^build/|\.so$|^\.\.", name) or "." not in name + "/.":
                continue
            if name.endswith("/") or re.search(r"\.\w+$", name):
                found = any((base / name).exists() for base in
                            (lint.root, here, lint.root / "core", lint.root / "core/include"))
                if not found and "/" not in name:
                    found = next(here.rglob(name), None) or name in lint.file_names
                if not found and not is_let_off(lines, number, "named-file"):
                    lint.say(path, number, "named-file", f"'{name}' does not exist")


def check_format(lint, files):
    tool = shutil.which("clang-format-14") or shutil.which("clang-format")
    if tool is None:
        print("clang-format 14 is not installed")
        return 77
    version = subprocess.run([tool, "--version"], capture_output=True, text=True).stdout
    if " 14." not in version:
        print(f"clang-format 14 is not installed: {version.strip()}")
        return 77
    half = [files[0::2], files[1::2]]
    runs = [subprocess.Popen([tool, "-n", "--Werror", *part], cwd=lint.root, text=True,
                             stderr=subprocess.PIPE) for part in half if part]
    bad = set()
    for run in runs:
        for line in run.communicate()[1].splitlines():
            match = re.match(r"(\S+?):\d+:\d+: error:", line)
            if match:
                bad.add(match.group(1))
    for path in sorted(bad):
        lint.say(path, 1, "format", "not as clang-format 14 formats it")
    return None


def main(argv):
    root = pathlib.Path(argv[1])
    lint = Lint(root)
    files = tracked(root)
    c_files = [p for p in files if p.endswith((".c", ".h"))]
    lint.file_names = {p.rsplit("/", 1)[-1] for p in files}
    if "--format" in argv:
        status = check_format(lint, c_files)
        if status is not None:
            return status
        print(f"{len(c_files)} files, {lint.count} complaints")
        return 1 if lint.count else 0
    for path in files:
        if not path.endswith((".c", ".h", ".md", ".py", ".build", ".txt", ".sh", ".in")):
            continue
        text = (root / path).read_text(encoding="utf-8")
        lines = text.split("\n")
        if not path.startswith("tests/lint/"):  # they name what is forbidden
            check_text(lint, path, lines)
        if path.endswith((".c", ".h")):
            code = without_comments(text)
            check_includes(lint, path, lines)
            check_calls(lint, path, code, lines)
            check_sizes(lint, path, code, lines)
            if path.endswith(".h") and path.startswith(("core/", "plugins/")):
                check_guard(lint, path, lines)
        elif path.endswith(".md"):
            check_named_files(lint, path, lines)
    print(f"{len(files)} files, {lint.count} complaints")
    return 1 if lint.count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
