"""Stands in for the Android SDK's ``emulator``: lists AVDs, and boots a fake device that adb's server is told of."""

from __future__ import annotations

import sys
from pathlib import Path

_TEXT = """#!{python}
import os, socket, sys, threading, time
sys.path[:0] = [{root!r}]
arguments = sys.argv[1:]
if arguments == ["-list-avds"]:
    print("INFO    | Storing crashdata in: /tmp/x")
    print("\\n".join({avds!r}))
    sys.exit()
if arguments == ["-accel-check"]:
    # emulator/android/emulation/CpuAccelerator.cpp (AOSP): a code, what it means, and between two lines "accel".
    if {mode!r} == "no kvm":
        print("accel:\\n11\\nThis user doesn't have permissions to use KVM (/dev/kvm).\\naccel"); sys.exit(11)
    print("accel:\\n0\\nKVM (version 12) is installed and usable.\\naccel"); sys.exit()
mode, port = {mode!r}, int(arguments[arguments.index("-port") + 1])
assert "-no-window" in arguments and "-no-audio" in arguments
if mode == "dies":
    print("INFO    | Android emulator version 35.1.4.0")
    print("ERROR   | x86_64 emulation currently requires hardware acceleration!")
    print("PANIC: Missing emulator engine program for 'x86_64' CPU.")
    print("INFO    | Bye"); sys.exit(1)
from pathlib import Path
from tests.fakes import phone
folder = Path({folder!r})
device = phone.make(folder, properties={{"sys.boot_completed": "0", "ro.product.model": "sdk_gphone64"}})
device.port = port + 1
device.start()
def tell(service):
    with socket.create_connection(("127.0.0.1", int(os.environ["ANDROID_ADB_SERVER_PORT"]))) as server:
        server.sendall(b"%04x" % len(service) + service)
tell(b"host:emulator:%d" % (port + 1))
if mode == "boots":
    threading.Timer(1.5, lambda: (folder / "props").write_text(
        (folder / "props").read_text().replace("boot_completed]: [0]", "boot_completed]: [1]"))).start()
console = socket.create_server(("127.0.0.1", port))
while True:
    peer, _ = console.accept()
    with peer:
        peer.sendall(b"Android Console: type 'help' for a list of commands\\r\\nOK\\r\\n")
        if b"kill" in peer.recv(1000):
            (folder / "killed").touch()
            os._exit(0)
"""


def sdk(folder: Path, device: Path, *, mode: str = "boots", avds: tuple[str, ...] = ("Pixel_8_API_35",)) -> Path:
    """An Android SDK with only an emulator; ``mode``: boots, never (comes up but does not boot), dies."""
    program = folder / "emulator" / "emulator"
    program.parent.mkdir(parents=True)
    root = str(Path(__file__).parents[2])
    program.write_text(
        _TEXT.format(python=sys.executable, root=root, avds=list(avds), mode=mode, folder=str(device)),
        encoding="utf-8",
    )
    program.chmod(0o755)
    return folder
