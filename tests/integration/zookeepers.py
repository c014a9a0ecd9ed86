"""Real ZooKeeper servers for a test, and the ways to hurt them. As a program it does one of these from outside (C tests use it so):

    zookeepers.py start|kill|stop|freeze|resume|wait|leader [NUMBER ...]     all servers without a number

with-zookeeper starts them and sets MUSTER_TEST_ZK_DIR (one folder per server, with its pid file) and MUSTER_TEST_ZK ("127.0.0.1:2181,...")."""
import json
import os
import pathlib
import signal
import socket
import struct
import subprocess
import sys
import time

PORT, PEER_PORT, ELECTION_PORT = 2180, 2880, 3880  # plus the server's number
SERVER = "/usr/share/zookeeper/bin/zkServer.sh"
CONNECT_MS = 5000
JVM_FLAGS = "-Xmx192m -XX:+UseSerialGC -XX:TieredStopAtLevel=1"  # small and soon there; who wants speed says so
OP_DELETE, OP_GET_DATA, OP_GET_CHILDREN, OP_CLOSE = 2, 4, 8, -11


class ZooKeepers:
    def __init__(self, directory=None):
        self.dir = pathlib.Path(directory or os.environ["MUSTER_TEST_ZK_DIR"])
        self.leaders = {}  # number -> whether it led when it was killed

    def numbers(self):
        return sorted(int(p.name) for p in self.dir.iterdir() if p.name.isdigit())

    def ports(self):
        return [PORT + n for n in self.numbers()]

    def url(self, path, host="127.0.0.1"):
        return "zk://" + ",".join(f"{host}:{p}" for p in self.ports()) + path

    # ---- life ----

    def configure(self, count):
        for n in range(1, count + 1):
            home = self.dir / str(n)
            (home / "data").mkdir(parents=True)
            (home / "data" / "myid").write_text(f"{n}\n")
            lines = [f"dataDir={home}/data", f"clientPort={PORT + n}", "tickTime=500", "maxSessionTimeout=40000", "initLimit=20", "syncLimit=10", "admin.enableServer=false",
                     "4lw.commands.whitelist=*", "maxClientCnxns=0"]
            if count > 1:
                lines += [f"server.{k}=127.0.0.1:{PEER_PORT + k}:{ELECTION_PORT + k}" for k in range(1, count + 1)]
            (home / "zoo.cfg").write_text("\n".join(lines) + "\n")

    def pid(self, n):
        """Its process id, or None when it does not run."""
        try:
            pid = int((self.dir / str(n) / "pid").read_text())
            return pid if "zoo.cfg" in pathlib.Path(f"/proc/{pid}/cmdline").read_text() else None
        except (OSError, ValueError):
            return None

    def start(self, n):
        if self.pid(n) is not None:
            return
        home = self.dir / str(n)
        environment = {**os.environ, "ZOO_LOG_DIR": str(home), "JVMFLAGS": os.environ.get("MUSTER_TEST_ZK_JVMFLAGS", JVM_FLAGS)}
        with open(home / "log", "ab") as log:
            popen = subprocess.Popen([SERVER, "start-foreground", home / "zoo.cfg"], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                     env=environment, start_new_session=True)
        (home / "pid").write_text(f"{popen.pid}\n")

    def signal(self, n, number):
        pid = self.pid(n)
        if pid is not None:
            os.kill(pid, number)
        return pid

    def end(self, n, number):
        self.leaders[n] = self.leader() == n
        pid = self.signal(n, number)
        end = time.monotonic() + 20
        while pid is not None and is_running(pid):
            reap()
            if time.monotonic() > end:
                raise RuntimeError(f"ZooKeeper server {n} (process {pid}) does not end")
            time.sleep(0.01)

    def kill(self, n):
        self.end(n, signal.SIGKILL)

    def stop(self, n):
        self.end(n, signal.SIGTERM)

    def freeze(self, n):
        self.signal(n, signal.SIGSTOP)

    def resume(self, n):
        self.signal(n, signal.SIGCONT)

    def heal(self):
        """All run, whatever was done to them."""
        for n in self.numbers():
            self.resume(n)
            self.start(n)
        self.wait_serving()

    # ---- what they say ----

    def mode(self, n):
        """leader, follower, standalone, or None while it does not serve."""
        for line in word(PORT + n, b"srvr").splitlines():
            if line.startswith("Mode: "):
                return line[6:]
        return None

    def leader(self):
        return next((n for n in self.numbers() if self.mode(n) in ("leader", "standalone")), None)

    def was_leader(self, n):
        return self.leaders.get(n, False)

    def wait_serving(self, seconds=60):
        """All of them serve and one leads."""
        end = time.monotonic() + seconds
        while True:
            modes = [self.mode(n) for n in self.numbers()]
            if None not in modes and ("leader" in modes or "standalone" in modes):
                return
            if time.monotonic() > end:
                raise RuntimeError(f"the ZooKeeper servers do not serve: {modes}")
            time.sleep(0.1)

    def list(self, path):
        """Names of the children; none when the node is not there."""
        body = self.ask(OP_GET_CHILDREN, path)
        if body is None:
            return []
        count, at, names = struct.unpack_from(">i", body)[0], 4, []
        for _ in range(count):
            size = struct.unpack_from(">i", body, at)[0]
            names.append(body[at + 4:at + 4 + size].decode())
            at += 4 + size
        return names

    def data(self, path):
        """The node's data, or None when it is not there."""
        body = self.ask(OP_GET_DATA, path)
        return None if body is None else body[4:4 + max(0, struct.unpack_from(">i", body)[0])]

    def json(self, path):
        return json.loads(self.data(path))

    def delete(self, path):
        """Whoever made it. False: it is not there."""
        return self.ask(OP_DELETE, path, struct.pack(">i", -1)) is not None

    # ---- sessions of others ----

    def take_over(self, n, session, to_end=False):
        """Go on with that session at server n, as its client does that comes back there: it moves. to_end: and end it.
        The client may be quicker in taking it back. False: it has ended before."""
        try:
            with socket.create_connection(("127.0.0.1", PORT + n), timeout=CONNECT_MS / 1000) as connection:
                if not greet(connection, session):
                    return False
                if to_end:
                    connection.sendall(frame(struct.pack(">ii", 1, OP_CLOSE)))
                    read_frame(connection)
        except ConnectionError:  # it was taken back
            pass
        return True

    def ask(self, op, path, more=b"\0"):
        """One question in a session of its own, to the first server that answers."""
        error = None
        for port in self.ports():
            try:
                return ask_server(port, op, path, more)
            except OSError as problem:
                error = problem
        raise error


def frame(data):
    return struct.pack(">i", len(data)) + data


def read_frame(connection):
    data = b""
    while len(data) < 4 or len(data) < 4 + struct.unpack_from(">i", data)[0]:
        more = connection.recv(65536)
        if not more:
            raise ConnectionError("the ZooKeeper server closed the connection")
        data += more
    return data[4:]


def password(session):
    """Servers make a session's password from its number alone: 16 bytes of Java's generator."""
    seed = (session ^ 0xB3415C00 ^ 0x5DEECE66D) & (1 << 48) - 1
    words = []
    for _ in range(4):
        seed = (seed * 0x5DEECE66D + 0xB) & (1 << 48) - 1
        words.append(seed >> 16)
    return struct.pack("<4I", *words)


def greet(connection, session=0):
    """A new session, or that one. False: it has ended."""
    secret = password(session) if session else bytes(16)
    connection.sendall(frame(struct.pack(">iqiqi", 0, 0, CONNECT_MS, session, len(secret)) + secret))
    timeout_ms, granted = struct.unpack_from(">iq", read_frame(connection), 4)
    return timeout_ms > 0 and session in (0, granted)


def ask_server(port, op, path, more):
    with socket.create_connection(("127.0.0.1", port), timeout=CONNECT_MS / 1000) as connection:
        greet(connection)
        name = path.encode()
        connection.sendall(frame(struct.pack(">iii", 1, op, len(name)) + name + more))
        answer = read_frame(connection)
        connection.sendall(frame(struct.pack(">ii", 2, OP_CLOSE)))
        code = struct.unpack_from(">i", answer, 12)[0]
        if code == -101:
            return None
        if code != 0:
            raise ConnectionError(f"ZooKeeper answers {code} for {path}")
        return answer[16:]


def word(port, command):
    """The answer to a four letter word, empty when there is none."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(command)
            answer = b""
            while data := connection.recv(65536):
                answer += data
            return answer.decode("utf-8", "replace")
    except OSError:
        return ""


def is_running(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (OSError, IndexError):
        return False


def reap():
    """Collect ended children, so that none stays behind as a zombie."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def main(verb, *numbers):
    servers = ZooKeepers()
    if verb == "wait":
        servers.wait_serving()
    elif verb == "leader":
        print(servers.leader())
    elif verb in ("start", "kill", "stop", "freeze", "resume"):
        for n in map(int, numbers) if numbers else servers.numbers():
            getattr(servers, verb)(n)
    else:
        sys.exit(f"zookeepers.py: '{verb}' is none of: start, kill, stop, freeze, resume, wait, leader")


if __name__ == "__main__":
    main(*sys.argv[1:])
