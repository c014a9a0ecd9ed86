"""muster log status|dump|verify on what a master has stored: the texts, the exit codes, and that nothing is changed.

Needs no root, no engine and no ZooKeeper; the log of several masters is looked at in ha_log.py."""
import contextlib
import http.client
import json
import pathlib
import random
import re
import shutil
import subprocess
import tempfile

import cluster
from cluster import check, request, wait

APP = {"cmd": "true", "cpus": 0.1, "mem": 32, "instances": 0, "labels": {"who": "Jürgen"}}


class Master:
    """A master alone, with a log on its disk; no agent."""

    def __init__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="muster-log-"))
        self.work = self.dir / "work"
        self.logs = self.work / "replicated_log"
        self.port, self.api = cluster.free_ports(2)
        self.process = cluster.Process(["master", "--ip=127.0.0.1", "--hostname=127.0.0.1", f"--port={self.port}", f"--marathon_port={self.api}",
                                        "--registry=replicated_log", f"--work_dir={self.work}"], self.dir / "master.log")

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, value, trace):
        if self.process.alive():
            self.process.kill()
        shutil.rmtree(self.dir, ignore_errors=True)

    def ready(self):
        check(self.process.alive(), "the master runs", (self.dir / "master.log").read_text()[-2000:])
        with contextlib.suppress(OSError, http.client.HTTPException):
            status, _, info = request(self.api, "GET", "/v2/info", timeout=5)
            return status == 200 and info.get("frameworkId")

    def start(self):
        self.process.start()
        wait(self.ready, "the master leads")

    def write(self, *apps):
        for app in apps:
            status, _, answer = request(self.api, "POST", "/v2/apps", {**APP, "id": app})
            check(status == 201, "the app is stored", status, answer)

    def stopped_with(self, *apps):
        self.write(*apps)
        self.process.stop()
        return self


def everything(directory):
    """Names, contents and times of change of all that is there."""
    found = {}
    for path in [directory, *sorted(directory.rglob("*"))]:
        stat = path.stat()
        found[str(path)] = (path.read_bytes() if path.is_file() else None, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)
    return found


def muster_log(*args, work=None, code=0):
    """What it prints to stdout and stderr; nothing in work has changed."""
    before = everything(work) if work else None
    done = subprocess.run([cluster.MUSTER, "log", *args, *([f"--work_dir={work}"] if work else [])], capture_output=True, text=True, timeout=60)
    check(done.returncode == code, f"muster log {args} ends with {code}", done.returncode, done.stdout[-2000:], done.stderr[-2000:])
    check(not work or everything(work) == before, f"muster log {args} changes nothing", work)
    return done.stdout, done.stderr


def rows_of(status):
    """{log: {row: text}} of the text of muster log status."""
    logs = {}
    for line in status.splitlines():
        if line.startswith("log "):
            rows = logs[line[4:]] = {}
        else:
            check(re.fullmatch(r"  \S.{11,}", line), "rows are aligned", line)
            rows[line[2:15].strip()] = line[15:]
    return logs


def records_of(dump):
    """[(offset, number, kind)] of the records of one log, in order; checked for that."""
    found = []
    for line in dump.splitlines():
        log, offset, number, kind = line.split(" ")[:4]
        if number[0] == "#" and kind not in ("put", "delete"):
            found.append((int(offset), int(number[1:]), kind))
    check([n for _, n, _ in found] == list(range(1, len(found) + 1)), "records are numbered", found)
    check([o for o, _, _ in found] == sorted({o for o, _, _ in found}), "and in order", found)
    return found


def a_stopped_master_is_told_of():
    with Master() as m:
        m.stopped_with("first", "second")
        out, err = muster_log("status", work=m.work)
        logs = rows_of(out)
        check(list(logs) == ["apps", "master"] and err == "", "both logs, by name", out, err)
        apps = logs["apps"]
        check(apps["file"] == str(m.logs / "apps.log"), "its file", apps)
        check(apps["size"].startswith(f"{(m.logs / 'apps.log').stat().st_size} bytes, "), "its size", apps)
        check(apps["status"] == "voting" and apps["quorum"] == "1 of 1", "its part in the log", apps)
        check(apps["member"] == f"{apps['replica']}  127.0.0.1:{m.port}  this replica", "the members", apps)
        check(apps["promised"].endswith("." + apps["replica"]) and apps["last writer"] == "epoch " + apps["promised"].split(".")[0], "the ballot", apps)
        check(apps["closed"] == "in order" and "torn tail" not in apps, "its end", apps)
        position = int(apps["committed"].removeprefix("position "))
        check(position >= 3, "what is committed", apps)
        check(apps["accepted"] in ("nothing behind that", f"positions {position + 1} (1: in the map with the next start)"), "a vote of which no record says yet that it is chosen", apps)
        out, err = muster_log("verify", work=m.work)
        check([line.split(": ")[:2] for line in out.splitlines()] == [["apps", "ok"], ["master", "ok"]] and err == "", "both are whole", out, err)
        objects = [[json.loads(line) for line in muster_log(action, "--format=json", work=m.work)[0].splitlines()] for action in ("status", "verify")]
        check(objects[0] == objects[1] and [o["log"] for o in objects[0]] == ["apps", "master"], "the same for programs", objects)
        got = objects[0][0]
        check(got["ok"] and got["closed"] and got["replica"] == apps["replica"] and got["committed"] == position and got["file"] == apps["file"] and
              got["members"] == [{"id": apps["replica"], "address": f"127.0.0.1:{m.port}"}] and "damage" not in got and "torn" not in got, "with the same values", got, apps)
        m.start()  # and it goes on
        check(request(m.api, "GET", "/v2/apps/first")[0] == 200, "with what it had")


def a_dump_has_each_record_and_the_map():
    with Master() as m:
        m.stopped_with("first", "second")
        status, _ = muster_log("status", "--log=apps", work=m.work)
        out, _ = muster_log("dump", "--log=apps", work=m.work)
        lines = out.splitlines()
        check(all(line.startswith("apps ") for line in lines), "of this log only", out)
        records = records_of(out)
        check(f" {len(records)} records" in status, "as many records as status counts", status, len(records))
        check([kind for _, _, kind in records[:4]] == ["identity", "status", "promise", "accept"], "how a log begins", records)
        check(records[0][0] == 64, "the first is behind the header", records)
        [put] = [line for line in lines if " put " in line and " key=apps/first " in line]
        check(put.endswith("...") and len(put) < 250, "values are shortened", put)
        check(not any(" entry " in line for line in lines), "no map unless asked for")
        out, _ = muster_log("dump", "--log=apps", "--values", "--map", work=m.work)
        check(records_of(out) == records, "the same records")
        [entry] = [line for line in out.splitlines() if line.startswith("apps - entry key=apps/first ")]
        value = entry.split(" value=", 1)[1]
        check(f" bytes={len(value.encode())} " in entry and json.loads(value)["id"] == "/first" and "Jürgen" in value, "the whole value", entry)
        both, _ = muster_log("dump", work=m.work)
        check({line.split(" ")[0] for line in both.splitlines()} == {"apps", "master"}, "all logs without --log", both)


def a_running_master_is_named_and_left_alone():
    with Master() as m:
        m.write("first")
        for action in ("status", "dump", "verify"):
            done = subprocess.run([cluster.MUSTER, "log", action, f"--work_dir={m.work}"], capture_output=True, text=True, timeout=60)
            check(done.returncode == 1 and done.stdout == "", "refused", done)
            check(str(m.logs / "apps.log") in done.stderr and "/metrics/snapshot" in done.stderr and "stop that master" in done.stderr, "with the reason", done.stderr)
            named = re.search(r"in use by (process (\d+)|another process)\n", done.stderr)
            check(named and named.group(2) in (None, str(m.process.popen.pid)), "and who it is", done.stderr, m.process.popen.pid)
        m.write("second")  # it has noticed nothing
        m.process.kill()
        out, _ = muster_log("status", work=m.work)
        check(rows_of(out)["apps"]["closed"] == "no: its master was killed", "a killed master is not in the way", out)


def a_torn_tail_is_no_damage():
    with Master() as m:
        m.stopped_with("first")
        path = m.logs / "apps.log"
        size = path.stat().st_size
        with open(path, "ab") as f:
            f.write(b"half of a record")
        out, _ = muster_log("status", work=m.work)
        check(rows_of(out)["apps"]["torn tail"].startswith(f"16 bytes at {size}: "), "status tells of it", out)
        out, _ = muster_log("verify", work=m.work)
        check(re.match(rf"apps: ok: .*; 16 bytes at {size} are a write that was cut off", out), "it counts for nothing", out)
        out, _ = muster_log("dump", "--log=apps", work=m.work)
        check(out.splitlines()[-1] == f"apps {size} - torn bytes=16", "dump ends with it", out)
        m.start()
        check(request(m.api, "GET", "/v2/apps/first")[0] == 200, "and the master starts with the rest")


def damage_is_located_and_says_what_to_do():
    with Master() as m:
        m.stopped_with("first", "second")
        path = m.logs / "apps.log"
        offset, number, _ = records_of(muster_log("dump", "--log=apps", work=m.work)[0])[5]
        data = bytearray(path.read_bytes())
        data[offset + 40] ^= 1
        path.write_bytes(data)
        out, _ = muster_log("verify", work=m.work, code=1)
        check(out.startswith(f"apps: DAMAGED: {path}: record {number}: damaged at offset {offset}: "), "which record, and where", out)
        check("what to do: put back a copy" in out and "\nmaster: ok: " in out, "what to do, and the other log is whole", out)
        apps = rows_of(muster_log("status", "--log=apps", work=m.work, code=1)[0])["apps"]
        check(f"record {number}: damaged at offset {offset}" in apps["DAMAGED"] and apps["status"] == "voting", "status says it, and what stands before it", apps)
        out, _ = muster_log("dump", "--log=apps", work=m.work, code=1)
        check(len(records_of("\n".join(out.splitlines()[:-1]))) == number - 1 and out.splitlines()[-1].startswith("apps - damaged record "), "a dump goes so far", out)
        got = json.loads(muster_log("verify", "--log=apps", "--format=json", work=m.work, code=1)[0])
        check(not got["ok"] and (got["damage"]["record"], got["damage"]["offset"]) == (number, offset), "and programs learn it", got)
        m.process.start()
        check(m.process.popen.wait(30) != 0, "the master does not start with it")
        check(f"offset {offset}" in (m.dir / "master.log").read_text(), "and says the same")


def what_is_cut_or_scribbled_on_never_confuses_it():
    with Master() as m:
        m.stopped_with("first", "second")
        path = m.logs / "apps.log"
        whole = path.read_bytes()
        offsets = [offset for offset, _, _ in records_of(muster_log("dump", "--log=apps", work=m.work)[0])]
        path.write_bytes(whole[:offsets[6]])
        out, _ = muster_log("verify", "--log=apps", work=m.work)
        check(out.startswith("apps: ok: 6 records,") and "cut off" not in out, "cut between two records", out)
        path.write_bytes(whole[:offsets[6] + 1])
        out, _ = muster_log("verify", "--log=apps", work=m.work)
        check(f"; 1 bytes at {offsets[6]} are a write that was cut off" in out, "cut inside of one", out)
        for size in (0, 1, 63):
            path.write_bytes(whole[:size])
            out, _ = muster_log("verify", "--log=apps", work=m.work, code=1)
            check(f"damaged at offset 0: {size} bytes are less than a journal's header" in out, "cut in the header", out)
            check("--quorum" in out and "put back a copy" in out, "what to do when nothing is known of it", out)
        rng = random.Random(20)
        for _ in range(40):
            data = bytearray(whole)
            at = rng.randrange(len(data))
            data[at] ^= 1 << rng.randrange(8)
            path.write_bytes(data)
            done = subprocess.run([cluster.MUSTER, "log", "verify", "--log=apps", f"--work_dir={m.work}"], capture_output=True, text=True, timeout=60)
            bad = 1 if at < len(whole) - 32 else 0  # a damaged seal, the last 32 bytes, is a write that was cut off
            check(done.returncode == bad, f"a bit of byte {at} of {len(whole)}", done)
            record = max((i + 1 for i, offset in enumerate(offsets) if offset <= at), default=0)
            check(not bad or record == 0 or f": record {record}: damaged at offset {offsets[record - 1]}: " in done.stdout, "is found", at, done.stdout)
        path.write_bytes(whole)
        muster_log("verify", work=m.work)


def wrong_usage_says_what_is_right():
    with tempfile.TemporaryDirectory() as name:
        work = pathlib.Path(name)
        for words, text in (
                ((), "status, dump or verify"),
                (("stats", f"--work_dir={work}"), "did you mean 'status'?"),
                (("verify",), "--work_dir is needed"),
                (("verify", f"--work_dir={work}/none"), f"'{work}/none': No such file or directory"),
                (("verify", f"--work_dir={work}"), f"no directory 'replicated_log' in '{work}'"),
                (("verify", f"--work_dir={work}", "--registry=in_memory"), "registry in_memory keeps no log"),
                (("verify", f"--work_dir={work}", "--registry=none"), "registry_none.so"),
                (("status", f"--work_dir={work}", "--map"), "for muster log dump only")):
            done = subprocess.run([cluster.MUSTER, "log", *words], capture_output=True, text=True, timeout=60)
            check(done.returncode == 1 and text in done.stderr and done.stdout == "", f"muster log {words}", done)
        check(list(work.iterdir()) == [], "nothing was made", list(work.iterdir()))
        (work / "replicated_log").mkdir()
        _, err = muster_log("status", work=work, code=1)
        check(f"no log in '{work}/replicated_log'" in err, "an empty directory", err)
    with Master() as m:
        m.stopped_with("first")
        _, err = muster_log("status", "--log=app", work=m.work, code=1)
        check("no log 'app'; there are: apps, master" in err, "the logs that there are", err)
        with open("/dev/full", "w", encoding="ascii") as full:
            done = subprocess.run([cluster.MUSTER, "log", "dump", f"--work_dir={m.work}"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
        check(done.returncode == 1 and "the answer is not whole: No space left" in done.stderr, "an answer that cannot be written", done)
        out, _ = muster_log("verify", "--log", "apps", "--registry=log_storage", work=m.work)
        check(out.startswith("apps: ok: ") and out.count("\n") == 1, "one of them, by Mesos' name of the plugin", out)


if __name__ == "__main__":
    cluster.main(a_stopped_master_is_told_of, a_dump_has_each_record_and_the_map, a_running_master_is_named_and_left_alone, a_torn_tail_is_no_damage,
                 damage_is_located_and_says_what_to_do, what_is_cut_or_scribbled_on_never_confuses_it, wrong_usage_says_what_is_right)
