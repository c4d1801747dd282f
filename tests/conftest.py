# SPDX-License-Identifier: MIT
"""For all tests: processes that are sent Ctrl-C take notice of it."""

import signal


def pytest_configure():
    """Begun in the background, pytest would ignore SIGINT, and so would every process that inherits it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
