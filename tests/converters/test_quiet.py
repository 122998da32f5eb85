"""Keeping native libraries quiet leaves the process's own streams as they were."""

from __future__ import annotations

import os
import threading

from converters.quiet import native_stderr


def test_two_threads_leave_stderr_where_it_was():
    """The second begins while the first is at it, and ends after it: it must not keep the first one's silence."""
    before = os.fstat(2)
    first_is_done, begun = threading.Event(), threading.Event()

    def second():
        begun.set()
        with native_stderr():
            first_is_done.wait(5)

    thread = threading.Thread(target=second)
    with native_stderr():
        thread.start()
        begun.wait(5)
        thread.join(0.05)
    first_is_done.set()
    thread.join(5)
    assert (os.fstat(2).st_dev, os.fstat(2).st_ino) == (before.st_dev, before.st_ino)


def test_it_may_be_asked_for_within_itself():
    with native_stderr(), native_stderr(stdout=True):
        os.write(2, b"not seen")
