"""`plimsoll` whose imports are done: a process that forks for each command.

The pages show some sixty commands, and most of the second that each takes is imports. The child
runs `api.main.main` with the arguments, folder, environment and streams of the caller, so that a
command sees what it would see; the console script itself is run by other tests.

Run as a program it is the server; `client` writes the program that takes its place on the path.
"""

import json
import os
import signal
import socket
import sys
from importlib import import_module
from pathlib import Path

CLIENT = """#!{python} -IS
import json, os, signal, socket, sys
with socket.socket(socket.AF_UNIX) as asked:
    asked.connect({address!r})
    call = {{"arguments": sys.argv, "folder": os.getcwd(), "environment": dict(os.environ)}}
    socket.send_fds(asked, [json.dumps(call).encode() + b"\\n"], [0, 1, 2])
    answers = asked.makefile()
    child = int(answers.readline())
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, lambda number, _: os.kill(child, number))
    sys.exit(int(answers.readline() or 70))
"""


def client(program: Path, address: Path) -> None:
    """Write the program that hands its call to the server at `address`."""
    text = CLIENT.format(python=os.path.realpath(sys.executable), address=str(address))
    program.write_text(text)
    program.chmod(0o755)


def serve(address: str) -> None:
    """Fork for each call, until a signal ends it."""
    for name in ("api.main", "api.keeping", "api.serve"):
        import_module(name)

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        while True:
            asked, _ = listener.accept()
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                listener.close()
                os._exit(answer(asked))
            asked.close()


def answer(asked: socket.socket) -> int:
    """Run one call in this process; its exit status, told to the caller."""
    sent, streams, _, _ = socket.recv_fds(asked, 1 << 20, 3)
    while not sent.endswith(b"\n"):
        sent += asked.recv(1 << 20)
    call = json.loads(sent)
    status = 70
    try:
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        os.chdir(call["folder"])
        os.environ.clear()
        os.environ.update(call["environment"])
        sys.argv = call["arguments"]
        asked.sendall(f"{os.getpid()}\n".encode())
        status = called()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        asked.sendall(f"{status}\n".encode())
    return status


def called() -> int:
    """The command itself, with its status as a process would end with."""
    from api.main import main

    try:
        main()
    except SystemExit as ended:
        if isinstance(ended.code, str):
            sys.stderr.write(f"{ended.code}\n")
            return 1
        return ended.code or 0
    return 0


if __name__ == "__main__":
    serve(sys.argv[1])
