#!/usr/bin/env python3
"""The public headers: each compiles alone, as C11 and as C++, without a warning; the layout
of their structs is the frozen one.

Usage: check.py INCLUDE_DIR ABI_DIR CC [CXX]
"""
import pathlib
import subprocess
import sys
import tempfile


def compile_only(what, command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        print(f"{what}:\n{done.stderr}")
        return False
    return True


def main():
    include, abi_dir, cc = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
    cxx = sys.argv[4] if len(sys.argv) > 4 else None
    strict = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", f"-I{include}"]
    good = True
    headers = sorted(str(p.relative_to(include)) for p in include.rglob("*.h"))
    with tempfile.TemporaryDirectory() as tmp:
        sources = []
        for header in headers:
            source = pathlib.Path(tmp, header.replace("/", "_")[:-2] + ".c")
            source.write_text(f"#include <{header}>\n#include <{header}>\n"
                              "extern int not_empty;\n")
            sources.append(str(source))
        good &= compile_only("public headers as C11",
                             [cc, "-std=c11", "-Wstrict-prototypes", *strict, *sources])
        if cxx:
            good &= compile_only("public headers as C++",
                                 [cxx, "-std=c++11", *strict, "-x", "c++", *sources])
    good &= compile_only("layout of public structs (see tests/abi/README.md)",
                         [cc, "-std=c11", *strict, f"-I{abi_dir}", str(abi_dir / "frozen.c")])
    print(f"{len(headers)} headers")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
