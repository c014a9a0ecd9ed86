"""Bad input, missing things and full disks: each gets a clear message, and the system goes on."""
import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile

import cluster
from cluster import Cluster, check, request, wait

GOOD = {"id": "good", "cmd": "sleep 1000", "cpus": 0.1, "mem": 32}


def refused(c, body, status, *texts, method="POST", path="/v2/apps", headers=None):
    got, answer_headers, answer = c.ask(method, path, body, headers=headers)
    shown = json.dumps(answer)
    check(got == status, f"{method} {path} {str(body)[:120]} is refused with {status}", got, shown[:400])
    check(isinstance(answer, dict) and isinstance(answer.get("message"), str) and answer["message"], "Marathon's error shape", shown)
    check("application/json" in answer_headers.get("Content-Type", ""), "as JSON", answer_headers)
    for text in texts:
        check(text in shown, f"the answer names {text!r}", shown)


def bad_apps_are_refused_by_name_and_change_nothing():
    with Cluster(docker="") as c:
        c.accepted("POST", "/v2/apps", GOOD)
        c.wait_running("good", 1)
        before = c.get("/v2/apps")["apps"]
        refused(c, "{", 400, "Invalid JSON")
        refused(c, "", 400)
        refused(c, "[1,2", 400)
        refused(c, '"text"', 422)
        refused(c, {"cmd": "x y"}, 422, "/id")
        refused(c, {**GOOD, "id": "UPPER"}, 422, "/id", "regular expression")
        refused(c, {**GOOD, "id": "/"}, 422, "must not be root")
        refused(c, {**GOOD, "id": "/a/tasks"}, 422, "reserved keywords")
        refused(c, {**GOOD, "id": "x" * 3000}, 422, "/id")
        refused(c, {"id": "nothing"}, 422, "AppDefinition must either contain one of 'cmd' or 'args'")
        refused(c, {**GOOD, "id": "both", "args": ["a"]}, 422, "AppDefinition must either contain one of 'cmd' or 'args'")
        for key in ("instances", "cpus", "mem", "disk"):
            refused(c, {**GOOD, "id": "neg", key: -1}, 422, "/" + key, "-1")
            refused(c, {**GOOD, "id": "text", key: "many"}, 422, "/" + key, "error.expected.jsnumber")
            refused(c, {**GOOD, "id": "list", key: []}, 422, "/" + key)
        refused(c, '{"id":"huge","cmd":"x y","cpus":1e400}', 400)
        refused(c, {**GOOD, "id": "huge", "cpus": 1e300}, 422, "/cpus")
        refused(c, {**GOOD, "id": "frac", "instances": 0.5}, 422, "/instances")
        refused(c, {**GOOD, "id": "type", "env": ["a"]}, 422, "/env", "error.expected.jsobject")
        refused(c, {**GOOD, "id": "cons", "constraints": [["hostname", "NEAR"]]}, 422, "/constraints(0)", "UNIQUE")
        refused(c, {**GOOD, "id": "up", "upgradeStrategy": {"minimumHealthCapacity": 1.2}}, 422, "/upgradeStrategy/minimumHealthCapacity", "1.2")
        refused(c, {**GOOD, "id": "dep", "dependencies": ["/dep"]}, 422)
        refused(c, GOOD, 409, "already exists")
        refused(c, {"instances": 2}, 404, "does not exist", method="PATCH", path="/v2/apps/missing")
        refused(c, None, 404, "App '/missing' does not exist", method="GET", path="/v2/apps/missing")
        refused(c, None, 404, "does not exist", method="DELETE", path="/v2/apps/missing")
        refused(c, None, 404, method="GET", path="/v2/nothing")
        refused(c, {"ids": ["nonsense"]}, 400, "nonsense", method="POST", path="/v2/tasks/delete")
        unknown = {**GOOD, "id": "unknown-fields", "instances": 0, "fromTheFuture": {"x": [1]}}
        c.accepted("POST", "/v2/apps", unknown)
        c.accepted("DELETE", "/v2/apps/unknown-fields")
        c.wait_gone("unknown-fields")
        check([a["id"] for a in c.get("/v2/apps")["apps"]] == [a["id"] for a in before], "nothing has changed", c.get("/v2/apps"))
        check(len(c.running("good")) == 1, "and the good one runs on")


def a_body_of_100_mb_is_refused_unread():
    with Cluster(docker="") as c:
        with socket.create_connection(("127.0.0.1", c.api), timeout=20) as s:
            s.sendall(b"POST /v2/apps HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 104857600\r\n\r\n")
            answer = s.recv(4096)
            check(answer.startswith(b"HTTP/1.1 413"), "413 before the body was sent", answer)
        c.accepted("POST", "/v2/apps", {**GOOD, "instances": 0})


def failures_of_tasks_say_why():
    with Cluster() as c:
        slow = {"cpus": 0.1, "mem": 32, "backoffSeconds": 600}
        c.accepted("POST", "/v2/apps", {**slow, "id": "no-command", "cmd": "/no/such/program"})
        failure = wait(lambda: c.app("no-command").get("lastTaskFailure"), "the shell's end is reported")
        check("127" in failure["message"], "with its status", failure)
        c.accepted("POST", "/v2/apps", {**slow, "id": "no-program", "args": ["/no/such/program"]})
        failure = wait(lambda: c.app("no-program").get("lastTaskFailure"), "a failed exec is reported")
        check("/no/such/program" in failure["message"] and "No such file" in failure["message"].replace("no such file", "No such file"), "by name", failure)
        c.accepted("POST", "/v2/apps", {**slow, "id": "bad-user", "cmd": "true", "user": "nobody-of-that-name"})
        failure = wait(lambda: c.app("bad-user").get("lastTaskFailure"), "an unknown user is reported")
        check("nobody-of-that-name" in failure["message"], "by name", failure)
        c.accepted("POST", "/v2/apps", {**slow, "id": "bad-uri", "cmd": "true", "uris": ["file:///no/such/file"]})
        failure = wait(lambda: c.app("bad-uri").get("lastTaskFailure"), "a failed fetch is reported")
        check("file:///no/such/file" in failure["message"], "by name", failure)
        if cluster.DOCKER_SOCKET:
            c.accepted("POST", "/v2/apps", {**slow, "id": "no-image", "cmd": "true", "container": {"type": "DOCKER", "docker": {"image": "no/such-image:1"}}})
            failure = wait(lambda: c.app("no-image").get("lastTaskFailure"), "a missing image is reported", 60)
            check("no/such-image:1" in failure["message"], "by name", failure)
        c.accepted("POST", "/v2/apps", {**GOOD, "id": "too-big", "cpus": 1000})
        queue = wait(lambda: [q for q in c.get("/v2/queue")["queue"] if q["app"]["id"] == "/too-big"], "what waits is listed")
        reasons = wait(lambda: [r for q in c.get("/v2/queue")["queue"] if q["app"]["id"] == "/too-big"
                                for r in q["processedOffersSummary"]["rejectSummaryLastOffers"] if r["declined"]], "with the reason", 30)
        check(reasons[0]["reason"] == "InsufficientCpus", "the right one", reasons, queue)


def a_second_process_on_the_same_work_dir_is_refused():
    with Cluster(docker="") as c:
        port, api, agent = cluster.free_ports(3)
        second = subprocess.run([cluster.MUSTER, "local", "--ip=127.0.0.1", f"--port={port}", f"--marathon_port={api}", f"--agent_port={agent}",
                                 f"--work_dir={c.dir}/work", "--containerizers=mesos"], capture_output=True, text=True, timeout=30)
        check(second.returncode != 0, "the second process ends", second.returncode)
        check("work" in second.stderr and ("another" in second.stderr or "in use" in second.stderr), "and says why", second.stderr[-800:])
        c.accepted("POST", "/v2/apps", GOOD)
        c.wait_running("good", 1)


def run_and_fail(*flags):
    done = subprocess.run([cluster.MUSTER, "local", "--containerizers=mesos", *flags], capture_output=True, text=True, timeout=30)
    check(done.returncode == 1, "exit status 1", done.returncode, done.stderr[-600:])
    return done.stderr


def what_cannot_start_says_why():
    port, api, agent = cluster.free_ports(3)
    ports = [f"--port={port}", f"--marathon_port={api}", f"--agent_port={agent}"]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        with tempfile.TemporaryDirectory() as work:
            text = run_and_fail(*ports, f"--work_dir={work}")
            check(f"127.0.0.1:{port}" in text and "in use" in text, "a port that is taken", text[-400:])
    text = run_and_fail(*ports, "--work_dir=/proc/none")
    check("/proc/none" in text, "a work_dir that cannot be made", text[-400:])
    with tempfile.NamedTemporaryFile() as file:
        text = run_and_fail(*ports, f"--work_dir={file.name}/x")
        check(file.name in text, "a work_dir below a file", text[-400:])
    text = run_and_fail("--no_such_flag=1")
    check("no_such_flag" in text, "an unknown flag", text)
    text = run_and_fail("--resource=cpus:1")
    check("resources" in text, "the nearest flag is named", text)
    text = run_and_fail(*ports, "--resources=cpus:-1")
    check("cpus" in text, "bad resources", text[-400:])
    text = run_and_fail(*ports, "--registry=nosuch")
    check("nosuch" in text, "a plugin that is not there", text[-400:])


def a_full_disk_stops_new_work_and_leaves_what_runs():
    if os.geteuid() != 0:
        raise cluster.Failed("needs root, to mount a small file system")
    directory = pathlib.Path(tempfile.mkdtemp(prefix="muster-full-"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", directory], check=True)
    try:
        with Cluster(docker="", work_dir=directory / "work") as c:
            c.accepted("POST", "/v2/apps", GOOD)
            task = c.wait_running("good", 1)[0]
            with open(directory / "filler", "wb") as filler:
                try:
                    while True:
                        filler.write(b"x" * 65536)
                        filler.flush()
                except OSError:
                    pass
            statuses = set()
            for i in range(200):
                status, _, answer = c.ask("POST", "/v2/apps", {**GOOD, "id": f"more-{i}", "instances": 0, "labels": {"x": "y" * 4000}})
                statuses.add(status)
                if status not in (200, 201):
                    check(status >= 500 and isinstance(answer, dict) and answer.get("message"), "a full disk is told", status, answer)
                    break
            check(statuses - {200, 201}, "the disk is full at last", statuses)
            check(cluster.processes_with("MESOS_TASK_ID=" + task["id"]), "the running task is left alone")
            (directory / "filler").unlink()
            wait(lambda: c.ask("POST", "/v2/apps", {**GOOD, "id": "room-again", "instances": 0})[0] in (201, 409), "it goes on when there is room", 30)
            c.processes[0].kill()
            c.processes[0].start()
            c.wait_ready()
            check(c.app("room-again") is not None, "what was acknowledged then is kept")
            check([t["id"] for t in c.wait_running("good", 1)] == [task["id"]], "and is taken over when there is room again")
            c.accepted("POST", "/v2/apps", {**GOOD, "id": "after"})
            c.wait_running("after", 1)
            c.accepted("DELETE", "/v2/apps/room-again")
            for app in ("good", "after"):
                c.accepted("DELETE", f"/v2/apps/{app}")
                c.wait_gone(app)
    finally:
        subprocess.run(["umount", "-l", directory], check=False)
        shutil.rmtree(directory, ignore_errors=True)


def fill(path):
    with open(path, "wb", buffering=0) as filler:
        for size in (65536, 1):  # to the last byte
            try:
                while True:
                    filler.write(b"x" * size)
            except OSError:
                pass


def an_agent_with_a_full_disk_fails_new_tasks_by_name():
    if os.geteuid() != 0:
        raise cluster.Failed("needs root, to mount a small file system")
    c = Cluster(docker="", two_processes=True)
    directory = c.dir / "agent"
    directory.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", directory], check=True)
    try:
        with c:
            c.accepted("POST", "/v2/apps", GOOD)
            task = c.wait_running("good", 1)[0]
            fill(directory / "filler")
            for app in ("first", "second"):  # one finds out, one is told
                c.accepted("POST", "/v2/apps", {**GOOD, "id": app, "backoffSeconds": 1})
                failure = wait(lambda: c.app(app).get("lastTaskFailure"), "a task that cannot be journalled ends")
                check("journal cannot be written" in failure["message"], "and says why", failure)
            check(cluster.processes_with("MESOS_TASK_ID=" + task["id"]), "the running task is left alone")
            status, _, text = request(c.agent_port, "GET", "/health")
            check(status == 503 and "journal cannot be written (No space left" in str(text), "the agent says that it is unwell", status, text)
            metric = request(c.agent_port, "GET", "/metrics/snapshot")[2]["slave/journal_failed"]
            check(metric == 1, "and a metric says so", metric)
            (directory / "filler").unlink()
            for app in ("first", "second"):  # by itself
                c.wait_running(app, 1)
            check(request(c.agent_port, "GET", "/health")[0] == 200, "it is well again")
            c.processes[1].kill()
            c.processes[1].start()
            for app in ("first", "second"):
                c.wait_running(app, 1)
            check([t["id"] for t in c.wait_running("good", 1)] == [task["id"]], "and is taken over when there is room again")
            for app in ("good", "first", "second"):
                c.accepted("DELETE", f"/v2/apps/{app}")
                c.wait_gone(app)
    finally:
        subprocess.run(["umount", "-l", directory], check=False)
        shutil.rmtree(c.dir, ignore_errors=True)


if __name__ == "__main__":
    cluster.main(bad_apps_are_refused_by_name_and_change_nothing, a_body_of_100_mb_is_refused_unread, failures_of_tasks_say_why,
                 a_second_process_on_the_same_work_dir_is_refused, what_cannot_start_says_why, a_full_disk_stops_new_work_and_leaves_what_runs,
                 an_agent_with_a_full_disk_fails_new_tasks_by_name)
