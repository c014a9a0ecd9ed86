#!/usr/bin/env python3
"""Print the layout of every public struct as _Static_asserts: the frozen copy of an ABI minor.

Usage: freeze.py INCLUDE_DIR > frozen_X_Y.h      (needs clang, for the list of structs)

To be run once per released minor; the file is then never edited. While 0.x is being made, an
intended change of a layout is made by running this again, in the commit that changes the
header and raises MU_ABI_MINOR with a line in the changelog of muster/abi.h.
"""
import json
import pathlib
import re
import subprocess
import sys
import tempfile


def structs(node, out):
    if node.get("kind") == "RecordDecl" and node.get("completeDefinition"):
        name = node.get("name", "")
        if name.startswith("mu_"):
            out.append((name, [f["name"] for f in node.get("inner", [])
                               if f.get("kind") == "FieldDecl" and "name" in f]))
    if node.get("kind") in ("TranslationUnitDecl", "LinkageSpecDecl"):
        for child in node.get("inner", []):
            structs(child, out)


def main():
    include = pathlib.Path(sys.argv[1])
    headers = sorted(str(p.relative_to(include)) for p in include.rglob("*.h"))
    includes = "".join(f"#include <{h}>\n" for h in headers)
    with tempfile.TemporaryDirectory() as tmp:
        source = pathlib.Path(tmp, "all.c")
        source.write_text(includes)
        dump = subprocess.run(["clang", "-std=c11", "-fsyntax-only", "-I", str(include),
                               "-Xclang", "-ast-dump=json", str(source)],
                              check=True, capture_output=True, text=True).stdout
        found = []
        structs(json.loads(dump), found)
        lines = []
        for name, fields in found:
            lines.append(f'printf("SIZE(struct {name}, %zu);\\n", sizeof(struct {name}));')
            for field in fields:
                lines.append(f'printf("AT(struct {name}, {field}, %zu);\\n", '
                             f'offsetof(struct {name}, {field}));')
        source.write_text("#include <stdio.h>\n" + includes + "int main(void){\n"
                          + "\n".join(lines) + "\nreturn 0;}\n")
        program = pathlib.Path(tmp, "all")
        subprocess.run(["cc", "-std=c11", "-I", str(include), "-o", str(program), str(source)],
                       check=True)
        layout = subprocess.run([str(program)], check=True, capture_output=True, text=True).stdout
    abi = (include / "muster/abi.h").read_text()
    major = re.search(r"#define MU_ABI_MAJOR (\d+)", abi).group(1)
    minor = re.search(r"#define MU_ABI_MINOR (\d+)", abi).group(1)
    print(f"/* Made by freeze.py: the layout of ABI {major}.{minor} where pointers have 8 bytes."
          f" Do not edit. */")
    print("/* clang-format off */")
    print(layout, end="")


if __name__ == "__main__":
    main()
