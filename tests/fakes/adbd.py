"""A device for the real ``adb``: speaks adbd's protocol on a loopback port, with a folder as its file system.

From the protocol's description in AOSP (packages/modules/adb: protocol.txt, SYNC.TXT, shell_protocol.h). Commands run
in the host's own /bin/sh, with stand-ins for Android's programs before the host's: what is quoted badly breaks as on a
phone.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import stat
import struct
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from queue import Queue
from typing import IO

_CNXN, _AUTH, _OPEN, _OKAY, _WRTE, _CLSE = (
    int.from_bytes(word, "little") for word in (b"CNXN", b"AUTH", b"OPEN", b"OKAY", b"WRTE", b"CLSE")
)
_VERSION, _LARGEST = 0x01000001, 1 << 18
_STDOUT, _STDERR, _EXIT = 1, 2, 3
MAPPED = ("/data/local/tmp", "/sys/", "/sdcard")


@dataclass
class Fault:
    """Something that goes wrong with the first ``times`` commands or requests that match, after ``skip`` others."""

    pattern: str
    action: str
    """``disconnect``, ``hang``, ``cut`` (half of the output), ``full``, ``exit:N``, ``swallow`` (prints nothing)."""
    times: int = 1
    skip: int = 0
    after: float = 0.0
    """For ``disconnect``: seconds after the command began."""


@dataclass
class Device:
    """One scripted device. ``folder`` holds its files, ``bin`` its programs, ``commands`` all that was asked of it."""

    folder: Path
    state: str = "device"
    """Or ``offline``, ``unauthorized``."""
    faults: list[Fault] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    pushed: list[str] = field(default_factory=list)
    port: int = 0
    watch: Callable[[str], None] | None = None
    """Told of every command before it runs."""

    def __post_init__(self) -> None:
        self._connections: list[_Connection] = []
        self._listener: socket.socket | None = None

    @property
    def serial(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> Device:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()
        return self

    def _accept(self, listener: socket.socket) -> None:
        while listener.fileno() != -1:
            with suppress(OSError):  # a host that is gone again is no reason to hear no other
                peer, _ = listener.accept()
                peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection = _Connection(self, peer)
                self._connections.append(connection)
                threading.Thread(target=connection.serve, daemon=True).start()

    def disconnect(self) -> None:
        """As when the cable is pulled: what runs on the device goes on."""
        for connection in self._connections:
            connection.drop()
        self._connections.clear()

    def stop(self) -> None:
        if self._listener is not None:
            self._listener.close()
        for connection in self._connections:
            connection.end_all()
        self.disconnect()

    def path(self, remote: str) -> Path:
        for prefix in MAPPED:
            if remote.startswith(prefix):
                return Path(f"{self.folder}{remote}")
        return self.folder / "elsewhere" / remote.strip("/").replace("/", "_")

    def translated(self, command: str) -> str:
        for prefix in MAPPED:
            command = command.replace(prefix, f"{self.folder}{prefix}")
        return command

    def fault(self, command: str) -> Fault | None:
        for item in self.faults:
            if re.search(item.pattern, command) and item.times > 0:
                if item.skip:
                    item.skip -= 1
                    continue
                item.times -= 1
                return item
        return None


class _Stream:
    def __init__(self, connection: _Connection, own: int, remote: int) -> None:
        self.connection, self.own, self.remote = connection, own, remote
        self.received: Queue[bytes | None] = Queue()
        self._ready = threading.Semaphore(0)
        self._rest = b""
        self.closed = False

    def acknowledge(self) -> None:
        self._ready.release()

    def write(self, data: bytes) -> None:
        for start in range(0, len(data), _LARGEST):
            if self.closed or self.connection.dropped:
                raise ConnectionError
            self.connection.send(_WRTE, self.own, self.remote, data[start : start + _LARGEST])
            if not self._ready.acquire(timeout=30) or self.closed:
                raise ConnectionError

    def read(self, count: int) -> bytes:
        while len(self._rest) < count:
            more = self.received.get()
            if more is None:
                raise ConnectionError
            self._rest += more
        data, self._rest = self._rest[:count], self._rest[count:]
        return data

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.connection.send(_CLSE, self.own, self.remote)
        self.ended()

    def ended(self) -> None:
        self.closed = True
        self.received.put(None)
        self._ready.release()


class _Connection:
    def __init__(self, device: Device, peer: socket.socket) -> None:
        self.device, self._peer = device, peer
        self._lock = threading.Lock()
        self._streams: dict[int, _Stream] = {}
        self._next = 1
        self._processes: list[subprocess.Popen[bytes]] = []
        self.dropped = False

    def send(self, command: int, first: int, second: int, data: bytes = b"") -> None:
        head = struct.pack("<6I", command, first, second, len(data), 0, command ^ 0xFFFFFFFF)
        try:
            with self._lock:
                self._peer.sendall(head + data)
        except OSError as error:
            raise ConnectionError from error

    def drop(self) -> None:
        self.dropped = True
        with suppress(OSError):
            self._peer.shutdown(socket.SHUT_RDWR)
        self._peer.close()
        for stream in list(self._streams.values()):
            stream.ended()

    def end_all(self) -> None:
        for process in self._processes:
            if process.poll() is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def _read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = self._peer.recv(count - len(data))
            if not more:
                raise ConnectionError
            data += more
        return data

    def serve(self) -> None:
        with suppress(OSError):
            while True:
                command, first, second, length, _, _ = struct.unpack("<6I", self._read(24))
                data = self._read(length)
                if command in (_CNXN, _AUTH):
                    self._greet()
                elif command == _OPEN:
                    self._open(first, data.rstrip(b"\0").decode(errors="replace"))
                elif command == _WRTE and second in self._streams:
                    self._streams[second].received.put(data)
                    self.send(_OKAY, second, first)
                elif command == _OKAY and second in self._streams:
                    self._streams[second].acknowledge()
                elif command == _CLSE and second in self._streams:
                    self._streams.pop(second).ended()

    def _greet(self) -> None:
        if self.device.state == "unauthorized":
            self.send(_AUTH, 1, 0, os.urandom(20))
        elif self.device.state == "device":
            banner = b"device::ro.product.name=fake;ro.product.model=Fake;ro.product.device=fake;features=shell_v2,cmd"
            self.send(_CNXN, _VERSION, _LARGEST, banner)

    def _open(self, remote: int, service: str) -> None:
        stream = _Stream(self, self._next, remote)
        self._streams[stream.own] = stream
        self._next += 1
        self.send(_OKAY, stream.own, remote)
        kind, _, rest = service.partition(":")
        framed = "v2" in kind.split(",")
        if kind == "sync":
            work = partial(self._sync, stream)
        elif kind == "reverse":
            work = partial(self._reverse, stream, service)
        else:
            work = partial(self._shell, stream, rest, framed)
        threading.Thread(target=self._guarded, args=(work, stream), daemon=True).start()

    def _guarded(self, work: Callable[[], None], stream: _Stream) -> None:
        with suppress(ConnectionError, OSError):
            work()
            stream.close()

    def _shell(self, stream: _Stream, command: str, framed: bool) -> None:
        device = self.device
        device.commands.append(command)
        if device.watch is not None:
            device.watch(command)
        fault = device.fault(command)
        action = fault.action if fault else ""
        if action == "hang":
            while not self.dropped and not stream.closed:
                time.sleep(0.05)
            return
        if fault and action == "disconnect" and not fault.after:
            device.disconnect()
            return
        environment = {
            "PATH": f"{device.folder / 'bin'}:{os.environ['PATH']}",
            "FAKE_DEVICE": str(device.folder),
            "HOME": str(device.folder),
        }
        process = subprocess.Popen(
            ["/bin/sh", "-c", device.translated(command)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            cwd=device.folder,
            start_new_session=True,
        )
        self._processes.append(process)
        if fault and action == "disconnect":
            threading.Timer(fault.after, device.disconnect).start()
        # As adbd: what a program prints goes out at once, both streams as they come.
        lock = threading.Lock()

        def send(number: int, pipe: IO[bytes]) -> None:
            data = pipe.read() if action == "cut" else b""
            lines = [data[: len(data) // 2]] if action == "cut" else pipe
            for line in lines:
                if action == "swallow" or (action == "cut" and number == _STDERR):
                    continue
                # What the device's programs name are its own paths.
                part = line.replace(str(device.folder).encode(), b"")
                with lock, suppress(ConnectionError):
                    stream.write(struct.pack("<BI", number, len(part)) + part if framed else part)

        assert process.stdout is not None
        assert process.stderr is not None
        pipes = ((_STDOUT, process.stdout), (_STDERR, process.stderr))
        readers = [threading.Thread(target=send, args=pair) for pair in pipes]
        with process:  # closes its pipes: a test's fixtures may live until the run ends
            for reader in readers:
                reader.start()
            for reader in readers:
                reader.join()
        code = process.returncode if process.returncode >= 0 else 128 - process.returncode
        if action.startswith("exit:"):
            code = int(action.split(":")[1])
        if framed:
            stream.write(struct.pack("<BIB", _EXIT, 1, code & 255))

    def _reverse(self, stream: _Stream, service: str) -> None:
        """``reverse:forward:PORTS`` or ``reverse:killforward:PORT``: a port of the device leads to its computer."""
        self.device.commands.append(service)
        refused = self.device.fault(service)
        stream.write(b"FAIL000ccannot bind." if refused else b"OKAY")

    def _sync(self, stream: _Stream) -> None:
        device = self.device
        while True:
            name, length = struct.unpack("<4sI", stream.read(8))
            if name == b"QUIT":
                return
            path = stream.read(length).decode()
            if name in (b"STAT", b"LSTA"):
                try:
                    found = device.path(path).stat()
                    stream.write(struct.pack("<4sIII", b"STAT", found.st_mode, found.st_size, int(found.st_mtime)))
                except OSError:
                    stream.write(struct.pack("<4sIII", b"STAT", 0, 0, 0))
            elif name == b"SEND":
                self._receive(stream, *path.rsplit(",", 1))
            elif name == b"RECV":
                self._give(stream, path)

    def _receive(self, stream: _Stream, path: str, mode: str) -> None:
        device = self.device
        device.pushed.append(path)
        fault = device.fault(f"push {path}")
        local = device.path(path)
        failed = b"" if local.parent.is_dir() else b"couldn't create file: No such file or directory"
        chunks: list[bytes] = []
        while True:
            name, length = struct.unpack("<4sI", stream.read(8))
            if name == b"DONE":
                break
            chunks.append(stream.read(length))
            if fault and fault.action == "disconnect":
                local.write_bytes(b"".join(chunks))
                device.disconnect()
                raise ConnectionError
            if fault and fault.action == "full":
                local.write_bytes(b"".join(chunks))
                failed = b"couldn't write file: No space left on device"
        if failed:
            stream.write(struct.pack("<4sI", b"FAIL", len(failed)) + failed)
            return
        data = b"".join(chunks)
        local.write_bytes(data[: len(data) // 2] if fault and fault.action == "cut" else data)
        local.chmod(stat.S_IMODE(int(mode)))
        stream.write(struct.pack("<4sI", b"OKAY", 0))

    def _give(self, stream: _Stream, path: str) -> None:
        device = self.device
        fault = device.fault(f"pull {path}")
        try:
            data = device.path(path).read_bytes()
        except OSError as error:
            text = str(error.strerror).encode()
            stream.write(struct.pack("<4sI", b"FAIL", len(text)) + text)
            return
        for start in range(0, len(data), 65536):
            part = data[start : start + 65536]
            stream.write(struct.pack("<4sI", b"DATA", len(part)) + part)
            if fault and fault.action == "disconnect":
                device.disconnect()
                raise ConnectionError
        stream.write(struct.pack("<4sI", b"DONE", 0))
