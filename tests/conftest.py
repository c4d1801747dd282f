# SPDX-License-Identifier: MIT
"""For all tests: processes that are sent Ctrl-C take notice of it, and no property is timed."""

import signal

from hypothesis import settings


def pytest_configure():
    """Set both."""
    # Begun in the background, pytest would ignore SIGINT, and so would every process that inherits it.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # What a busy machine makes of a property's time says nothing about the property.
    settings.register_profile("untimed", settings.get_profile(settings.get_current_profile_name()), deadline=None)
    settings.load_profile("untimed")
