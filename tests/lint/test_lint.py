#!/usr/bin/env python3
"""Every rule of lint.py complains about a tree that breaks it, and only then.

Usage: test_lint.py LINT.PY
"""
import contextlib
import importlib.util
import io
import pathlib
import sys
import tempfile

LONG = "static void f(void)\n{\n" + "    g();\n" * 90 + "}\n"
# rule: (file, content that breaks it, content that does not)
CASES = {
    "include": [
        ("core/domain/a.c", '#include "master/master.h"\n', '#include "base/vec.h"\n'),
        ("core/master/a.c", "#include <uv.h>\n", "#include <string.h>\n"),
        ("core/include/muster/a.h", "#ifndef A_H\n#define A_H\n#include <stdio.h>\n#endif\n",
         "#ifndef A_H\n#define A_H\n#include <stdint.h>\n#endif\n"),
        ("plugins/api/x/a.c", '#include "base/vec.h"\n', "#include <muster/buf.h>\n"),
        ("plugins/api/x/a.c", "#include <jansson.h>\n",
         "#include <uv.h> /* NOLINT(include): the test */\n"),
    ],
    "banned": [
        ("core/base/a.c", "int x = atoi(s);\n", "int x = p->random(s); /* atoi(s) */\n"),
        ("core/base/a.c", "strcpy(a, b);\n", 'f("strcpy(a, b)");\n'),
        ("tests/unit/a.c", "sleep(1);\n", "int x = atoi(s);\n"),
        ("core/runtime/a.c", "exit(1);\n", "on_exit_cb(1);\n"),
    ],
    "own-header": [("core/base/vec.c", '#include <string.h>\n#include "base/vec.h"\n',
                    '#include "base/vec.h"\n#include <string.h>\n')],
    "file-size": [("core/base/a.c", "int x;\n" * 801, "int x;\n" * 700)],
    "function-size": [("core/base/a.c", LONG, "/* NOLINT(function-size): a table */\n" + LONG)],
    "unfinished": [("core/base/a.c", "/* TODO later */\n", "/* done */\n")],
    "machine-path": [("docs/a.md", "see /home/joe/x\n", "see /var/lib/x\n")],
    "typedef-struct": [("core/base/a.c", "typedef struct x x;\n", "struct x;\n")],
    "disabled-assert": [("tests/unit/a.c", "// assert_true(x);\n", "assert_true(x);\n")],
    "disabled-code": [("core/base/a.c", "#if 0\n#endif\n", "#if X\n#endif\n")],
    "guard": [("core/base/a.h", "int x;\n", "#ifndef A_H\n#define A_H\n#endif\n")],
    "named-file": [("docs/a.md", "see `core/base/gone.c`\n", "see `core/base/vec.c`\n")],
}


def complaints(lint, path, content):
    with tempfile.TemporaryDirectory() as tmp:
        root = pathlib.Path(tmp)
        for name, text in (("core/base/vec.h", "#ifndef V_H\n#define V_H\n#endif\n"),
                           ("core/base/vec.c", '#include "base/vec.h"\n'),
                           (path, content)):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            code = lint.main(["lint.py", tmp])
        return code, out.getvalue()


def main():
    spec = importlib.util.spec_from_file_location("lint", sys.argv[1])
    lint = importlib.util.module_from_spec(spec)
    sys.dont_write_bytecode = True
    spec.loader.exec_module(lint)
    failures = 0
    for rule, cases in CASES.items():
        for path, bad, good in cases:
            code, out = complaints(lint, path, bad)
            if code != 1 or f"[{rule}]" not in out:
                print(f"{rule}: no complaint about {path}: {bad[:60]!r}\n{out}")
                failures += 1
            code, out = complaints(lint, path, good)
            if code != 0:
                print(f"{rule}: a complaint about {path}: {good[:60]!r}\n{out}")
                failures += 1
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
