# SPDX-License-Identifier: MIT
"""All benches but *phantom*, which takes an hour, and *patch_day*, which needs an LXD lab: ``python -m tests.bench [--out FOLDER] [--short]``."""

from __future__ import annotations

import argparse
from pathlib import Path

from tests.bench import accuracy, channel, isolation, results, scale


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("bench-results"))
    parser.add_argument("--short", action="store_true", help="a few minutes, to see that it works; proves nothing")
    options = parser.parse_args()
    what = results.begin("tests.bench")
    # Each is written as soon as it is done: what breaks later takes nothing with it.
    results.write(scale.run(3.0) if options.short else scale.run(), what, options.out)
    results.write(isolation.run(24, longest=3.0) if options.short else isolation.run(), what, options.out)
    results.write(accuracy.run(96, longest=5.0) if options.short else accuracy.run(), what, options.out)
    results.write(channel.run(10, slow=2, poll=100, at_once=3) if options.short else channel.run(), what, options.out)


if __name__ == "__main__":
    main()
