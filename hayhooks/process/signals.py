"""The end of a process and of its workers at a second signal."""

from __future__ import annotations

import os
import signal
import socket
import threading

STOPPING = (signal.SIGINT, signal.SIGTERM)


def exit_at_once(number: int) -> None:
    """End the process, and the workers that it has started, as a signal does."""
    import multiprocessing  # only a server needs it

    for process in multiprocessing.active_children():
        process.kill()
    os._exit(128 + number)


def exit_at_second_signal() -> None:
    """End this process and its workers at a second signal, while uvicorn waits for them and hears nothing."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)

    def listen() -> None:
        heard = 0
        while received := ours.recv(1):
            heard += received[0] in STOPPING
            if heard == 2:
                exit_at_once(received[0])
        theirs.close()

    threading.Thread(target=listen, name="hayhooks-signals", daemon=True).start()
