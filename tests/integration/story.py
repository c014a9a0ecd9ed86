"""The story of one machine: an app is posted, runs, is scaled, healed, changed and stopped; in Docker and natively."""
import os
import signal
import socket
import tarfile
import time

import cluster
from cluster import Cluster, check, docker, docker_containers, wait

NATIVE = {"id": "clock", "cmd": "echo started; while sleep 1; do date -u +%T; done", "cpus": 0.1, "mem": 32}


def run_story(c, definition, app_id, kill_one, containers):
    begin = time.monotonic()
    status, headers, app = c.ask("POST", "/v2/apps", definition)
    check(status == 201, "POST answers 201", status, app)
    check(app["id"] == "/" + app_id and app["instances"] == 1 and app["cpus"] in (0.3, 0.1), "Marathon's body", app)
    check(app["deployments"] and headers.get("Marathon-Deployment-Id") == app["deployments"][0]["id"], "the deployment is named", headers)
    seen = c.app("/" + app_id)  # /v2/apps//ubuntu
    check(seen is not None and seen["tasksStaged"] + seen["tasksRunning"] <= 1, "read your writes", seen)
    c.wait_running(app_id, 1)
    check(len(containers()) == 1, "one container runs", containers())
    print(f"     first task after {time.monotonic() - begin:.2f} s")
    c.wait_quiet()
    check(c.app(app_id)["tasksRunning"] == 1, "the count says so too", c.app(app_id))

    c.accepted("PUT", f"/v2/apps/{app_id}", {"instances": 3})
    three = c.wait_running(app_id, 3)
    check(len(containers()) == 3, "three containers run", containers())
    c.wait_quiet()

    ids = {t["id"] for t in three}
    kill_one(c, three[0])
    wait(lambda: len(c.running(app_id)) == 3 and {t["id"] for t in c.running(app_id)} != ids, "a killed one is replaced", 30)
    kept = ids & {t["id"] for t in c.running(app_id)}
    check(len(kept) == 2, "the other two were left alone", ids, c.running(app_id))
    check(c.app(app_id)["lastTaskFailure"]["state"] == "TASK_FAILED", "the failure is kept", c.app(app_id))

    c.accepted("PUT", f"/v2/apps/{app_id}", {"cmd": "while sleep 1; do echo second; done", "upgradeStrategy": {"minimumHealthCapacity": 0.6, "maximumOverCapacity": 0.4}})
    least = [3]

    def rolled():
        now = c.running(app_id)
        least[0] = min(least[0], len(now))
        version = c.app(app_id)["version"]
        return len(now) == 3 and all(t["version"] == version for t in now) and c.get("/v2/deployments") == []
    wait(rolled, "all run the new command", 90)
    check(least[0] >= 2, "never below minimumHealthCapacity (ceil of 1.8)", least)

    c.accepted("DELETE", f"/v2/apps/{app_id}")
    c.wait_gone(app_id)
    wait(lambda: not containers(), "no container is left", 30)


def the_story_of_2014_in_docker():
    with Cluster() as c:
        def kill_one(_, task):
            one = [x for x in docker_containers() if x["Labels"].get("MESOS_TASK_ID") == task["id"]]
            check(len(one) == 1, "the task's container is found by its label", one)
            status, _ = docker("POST", f"/containers/{one[0]['Id']}/kill")
            check(status == 204, "docker kill", status)
        run_story(c, cluster.STORY, "ubuntu", kill_one, docker_containers)
        wait(lambda: docker_containers(running_only=False) == [], "not even an ended container is left", 60)


def the_same_story_natively():
    with Cluster(docker="") as c:
        def shells():
            """The tasks' shells: not what they have just forked and not yet made into something else."""
            found = {}
            for pid in cluster.processes_with("MARATHON_APP_ID=/clock"):
                try:
                    words = open(f"/proc/{pid}/cmdline", "rb").read().split(b"\0")
                    parent = int(open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[1])
                except OSError:
                    continue
                if words[0].endswith(b"sh") and b"-c" in words:
                    found[pid] = parent
            return [pid for pid, parent in found.items() if parent not in found]

        def kill_one(c, task):
            marker = "MESOS_TASK_ID=" + task["id"]
            victims = [p for p in shells() if p in cluster.processes_with(marker)]
            check(len(victims) == 1, "the task's shell is found", victims)
            os.kill(victims[0], signal.SIGKILL)
        run_story(c, NATIVE, "clock", kill_one, shells)
        wait(lambda: not cluster.processes_with("MARATHON_APP_ID=/clock"), "no process is left", 10)
        check(not cluster.mounts_below(c.dir), "no mount is left", cluster.mounts_below(c.dir))


def output_can_be_read_while_a_task_runs():
    with Cluster() as c:
        c.accepted("POST", "/v2/apps", NATIVE)
        native = c.wait_running("clock", 1)[0]
        wait(lambda: "started\n" in c.read_sandbox(native["id"], "stdout"), "native output", 15)
        if cluster.DOCKER_SOCKET:
            c.accepted("POST", "/v2/apps", {**cluster.STORY, "cmd": "echo out; echo err >&2; sleep 1000"})
            task = c.wait_running("ubuntu", 1)[0]
            wait(lambda: c.read_sandbox(task["id"], "stdout") == "out\n", "Docker output", 15)
            wait(lambda: c.read_sandbox(task["id"], "stderr") == "err\n", "Docker error output", 15)


def what_is_fetched_belongs_to_the_tasks_user():
    if os.geteuid() != 0:
        raise cluster.Failed("needs root, to give files away")
    with Cluster(docker="") as c:
        c.dir.chmod(0o755)
        archive = c.dir / "sub.tar"
        with tarfile.open(archive, "w") as tar:
            directory = tarfile.TarInfo("sub")
            directory.type, directory.mode, directory.uid, directory.gid = tarfile.DIRTYPE, 0o755, 12345, 12345
            tar.addfile(directory)
        app = {"id": "guest", "user": "nobody", "cmd": "echo x > sub/x && echo x > deep/er/x && ls deep/er && sleep 1000", "cpus": 0.1, "mem": 32,
               "fetch": [{"uri": f"file://{archive}"}, {"uri": f"file://{archive}", "extract": False, "destPath": "deep/er/sub.tar"}]}
        c.accepted("POST", "/v2/apps", app)
        task = c.wait_running("guest", 1)[0]
        wait(lambda: c.read_sandbox(task["id"], "stdout") == "sub.tar\nx\n", "the task may write there", 15)


def a_download_that_is_broken_off_leaves_nothing_open():
    with Cluster(docker="") as c:
        c.accepted("POST", "/v2/apps", {"id": "large", "cmd": "head -c 50000000 /dev/zero > large && echo done; sleep 1000", "cpus": 0.1, "mem": 128})
        task = c.wait_running("large", 1)[0]
        wait(lambda: c.read_sandbox(task["id"], "stdout") == "done\n", "the file is there", 15)
        path = c.executor_of(task["id"])["directory"] + "/large"

        own = f"/proc/{c.processes[0].popen.pid}"
        places = [None]

        def open_files():
            return [n for n in os.listdir(f"{own}/fd") if os.path.realpath(f"{own}/fd/{n}") == path]

        def stands_still():
            """The reader takes nothing: the server has read as far as it may, and waits."""
            places.append([open(f"{own}/fdinfo/{n}").readline() for n in open_files()])
            return places[-1] and places[-1] == places[-2]
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", c.agent_port), timeout=10) as s:
                s.sendall(f"GET /files/download?path={path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                check(s.recv(4096).startswith(b"HTTP/1.1 200 "), "it begins")
                wait(stands_still, "the file is open while the reader takes its time", 10, every=0.2)
        wait(lambda: not open_files(), "the file is closed", 10)


def two_processes_do_the_same():
    with Cluster(two_processes=True) as c:
        c.accepted("POST", "/v2/apps", NATIVE)
        first = c.wait_running("clock", 1)[0]
        master, agent = c.processes
        master.kill()
        master.start()
        c.wait_ready()
        check([t["id"] for t in c.wait_running("clock", 1)] == [first["id"]], "the task survived the master")
        agent.kill()
        agent.start()
        c.wait_ready()
        check([t["id"] for t in c.wait_running("clock", 1)] == [first["id"]], "the task survived the agent")
        c.accepted("PUT", "/v2/apps/clock", {"instances": 2})
        c.wait_running("clock", 2)
        c.accepted("DELETE", "/v2/apps/clock")
        c.wait_gone("clock")
        wait(lambda: not cluster.processes_with("MARATHON_APP_ID=/clock"), "no process is left", 10)


def fifty_containers_from_one_app():
    with Cluster() as c:
        c.accepted("POST", "/v2/apps", {"id": "many", "cmd": "sleep 1000", "cpus": 0.01, "mem": 32, "instances": 50})
        c.wait_running("many", 50, 60)
        c.accepted("DELETE", "/v2/apps/many")
        c.wait_gone("many")


def an_end_meanwhile_is_reported_with_its_status():
    with Cluster(docker="") as c:
        c.accepted("POST", "/v2/apps", {"id": "short", "cmd": "sleep 3; exit 7", "cpus": 0.1, "mem": 32, "backoffSeconds": 100})
        task = c.wait_running("short", 1)[0]
        local = c.processes[0]
        local.kill()
        wait(lambda: not [p for p in cluster.processes_with("MESOS_TASK_ID=" + task["id"]) if "muster" not in open(f"/proc/{p}/comm").read()],
             "the task has ended", 15)
        local.start()
        c.wait_ready()
        failure = wait(lambda: c.app("short").get("lastTaskFailure"), "the end is reported", 20)
        check(failure["taskId"] == task["id"] and "7" in failure["message"], "with its exit status", failure)


if __name__ == "__main__":
    tests = [the_same_story_natively, output_can_be_read_while_a_task_runs, two_processes_do_the_same, fifty_containers_from_one_app,
             an_end_meanwhile_is_reported_with_its_status, a_download_that_is_broken_off_leaves_nothing_open,
             what_is_fetched_belongs_to_the_tasks_user]
    if cluster.DOCKER_SOCKET:
        tests.insert(0, the_story_of_2014_in_docker)
    cluster.main(*tests)
