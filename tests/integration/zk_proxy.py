"""A way to ZooKeeper that can lose single answers: between a client and the servers, and it knows where one answer ends.

    proxy = Proxy(servers, judge=...)      judge(answer) says PASS, DROP (the client never hears it) or CUT (the connection ends instead)

An answer begins with its number (-1: a watch has fired, -2: a ping), as bytes of ZooKeeper's protocol."""
import itertools
import socket
import struct
import threading

PASS, DROP, CUT = "pass", "drop", "cut"
WATCH = struct.pack(">i", -1)


def pass_all(answer):
    return PASS


class Proxy:
    def __init__(self, servers, judge=pass_all, ip="127.0.0.1", port=0):
        """servers: ports on 127.0.0.1, taken in turn."""
        self.servers, self.judge = itertools.cycle(servers), judge
        self.connections, self.lock, self.closed = [], threading.Lock(), False
        self.listener = socket.create_server((ip, port))
        self.ip, self.port = self.listener.getsockname()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", next(self.servers)), timeout=5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            with self.lock:
                if self.closed:
                    end(client, server)
                    return
                self.connections.append((client, server))
            for pump in (self.questions, self.answers):
                threading.Thread(target=pump, args=(client, server), daemon=True).start()

    def questions(self, client, server):
        try:
            while data := client.recv(65536):
                server.sendall(data)
        except OSError:
            pass
        end(client, server)

    def answers(self, client, server):
        data = b""
        try:
            while more := server.recv(65536):
                data += more
                while len(data) >= 4 and len(data) >= 4 + struct.unpack_from(">i", data)[0]:
                    size = 4 + struct.unpack_from(">i", data)[0]
                    answer, data = data[:size], data[size:]
                    verdict = self.judge(answer[4:])
                    if verdict == CUT:
                        end(client, server)
                        return
                    if verdict == PASS:
                        client.sendall(answer)
        except OSError:
            pass
        end(client, server)

    def close(self):
        """The port is closed, and all connections end."""
        with self.lock:
            self.closed = True
            connections, self.connections = self.connections, []
        end(self.listener)
        for pair in connections:
            end(*pair)


def end(*sockets):
    for s in sockets:
        try:
            s.shutdown(socket.SHUT_RDWR)  # wakes up whoever reads from it
        except OSError:
            pass
        s.close()
