# SPDX-License-Identifier: MIT
"""The ``faults`` of a test: each a context manager that undoes what it did. What there is stands in the catalogue."""

from __future__ import annotations

import difflib
import functools
import random
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, cast

from pytest_harehearse.errors import ConfigError, Unsupported
from pytest_harehearse.faults.base import Expected, Fault, Scene
from pytest_harehearse.faults.catalogue import CATALOGUE, Kind
from pytest_harehearse.managers.base import Manager
from pytest_harehearse.rehearsal.fault_plan import Planned, draw, read
from pytest_harehearse.rehearsal.playing import Play
from pytest_harehearse.rehearsal.striking import Striker
from pytest_harehearse.rehearsal.targets import Aim, meant
from pytest_harehearse.safety.arming import PRODUCTION
from pytest_harehearse.units import seconds


def expected(word: object) -> Expected:
    """Return an outcome by its name.

    Raises:
        ConfigError: there is no such outcome.
    """
    words = [one.value for one in Expected]
    if word in words:
        return Expected(word)
    close = difflib.get_close_matches(str(word), words, 1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise ConfigError(f"There is no outcome expect={word!r} of a fault.{hint} There are {', '.join(words)}.")


class Faults:
    """Faults on the cluster under rehearsal: ``with faults.net_partition("n1", direction="in"):``.

    The first argument is a node; ``dead_man="30s"`` sets how long the fault outlives a runner that was killed;
    ``expect="fenced"`` fails the rehearsal when the cluster makes something else of it (see :class:`~..faults.base.Expected`
    for the outcomes). Each raises
    :class:`~..errors.Unsupported` where it cannot be done (nothing was touched), and
    :class:`~..errors.Indeterminate` when its effect could not be proved.
    """

    def __init__(self, scene: Scene, striker: Striker) -> None:
        self._scene = scene
        self._striker = striker
        # What plans a strike has nothing struck while a word is looked up.
        self._aim = Aim(lambda: cast("Manager", scene.manager).state(), tuple if scene.planned else striker.struck_now)

    def __getattr__(self, name: str) -> Callable[..., AbstractContextManager[Fault]]:
        """Return a fault by its name."""
        kind = CATALOGUE.get(name)
        if kind is None:
            close = difflib.get_close_matches(name, CATALOGUE, 1)
            hint = f" Did you mean {close[0]!r}?" if close else f" There are {', '.join(CATALOGUE)}."
            raise AttributeError(f"There is no fault {name!r}.{hint}", name=name, obj=self)
        builder = kind.builder

        @functools.wraps(builder)
        def struck(*nodes: object, **options: Any) -> AbstractContextManager[Fault]:
            return self._struck(self.build(kind, *nodes, **options))

        return struck

    def __dir__(self) -> list[str]:
        """Every fault there is."""
        return [*super().__dir__(), *CATALOGUE]

    def build(self, kind: Kind | str, *nodes: object, **options: Any) -> Fault:
        """Return a fault that is not struck yet.

        Raises:
            Unsupported: there is no such node.
        """
        if isinstance(kind, str):
            kind = CATALOGUE[kind]
        named = {"node": self._target(options.pop("node"))} if options.get("node") is not None else {}
        asked = options.pop("expect", None)
        wanted = None if asked is None else expected(asked)
        fault = kind.builder(self._scene, *(self._target(node) for node in nodes), **named, **options)
        if wanted is not None:
            fault.expected, fault.asserted = wanted, True
        return fault

    def flap(self, fault: str, *nodes: object, times: int, on: str, off: str, **options: Any) -> None:
        """Strike and undo a fault again and again: ``faults.flap("net_partition", "n2", times=3, on="2s", off="2s")``.

        Returns after the last undo. Each time is a strike of its own, with its own undo in the journal. In the background,
        give ``times`` and ``off`` to :meth:`play`.

        Args:
            fault: its name.
            nodes: as for the fault itself.
            times: how often.
            on: how long it lasts each time, once it was seen to have its effect.
            off: how long it does not, in between.
            options: as for the fault itself.

        Raises:
            ConfigError: something of it is wrong; nothing was touched.
        """
        names = [str(node) for node in nodes]
        (planned,) = read(
            [
                {
                    "fault": fault,
                    "node": names[0],
                    "peers": names[1:],
                    "options": options,
                    "times": times,
                    "for": on,
                    "off": off,
                }
            ]
            if names
            else [{"fault": fault, "options": options, "times": times, "for": on, "off": off}],
            self._scene.nodes,
        )
        self._checked((planned,))
        lasts, apart = seconds(on), seconds(off)
        if self._scene.planned:
            self._tell(planned)
            return
        lots = random.Random(secrets.randbits(32))  # noqa: S311 - which of the nodes, no secret
        for number in range(times):
            with self._aimed(planned, lots) as targets, ExitStack() as struck:
                for one in targets:
                    struck.enter_context(self._striker.struck(self._build(one)))
                time.sleep(lasts)
            if number < times - 1:
                time.sleep(apart)

    @contextmanager
    def play(self, plan: Iterable[Mapping[str, Any]], *, seed: int | None = None) -> Iterator[None]:
        """Strike faults by a plan while the block goes on; see :mod:`~.fault_plan` for how one is written.

        A word as node ("active", "majority") means nodes of the cluster as it is when the fault is struck.

        What is still struck at the end of the block is undone there. What went wrong with a fault is raised then, and so is
        that something of the plan was not struck, for what it waited for did not happen.

        Args:
            plan: tables, as they come from Python, JSON or TOML.
            seed: of what is drawn between two durations, and of the nodes that words choose; default: the plan's own (of
                ``fault_plan``), else a new one. It is noted in the report: with it the same is drawn again.

        Raises:
            ConfigError: everything that is wrong with the plan; nothing was touched.
        """
        with self._playing(read(plan, self._scene.nodes), _seed(plan, seed)):
            yield

    def play_through(self, plan: Iterable[Mapping[str, Any]], *, seed: int | None = None) -> None:
        """Strike faults by a plan from its beginning to its end: return once each was struck, has lasted, and is undone.

        Args:
            plan: as :meth:`play` takes it; every table says ``for`` how long.
            seed: as of :meth:`play`.

        Raises:
            ConfigError: everything that is wrong with the plan; nothing was touched.
        """
        tables = read(plan, self._scene.nodes)
        if endless := [one.what for one in tables if one.lasts is None]:
            raise ConfigError(f'A plan that is played through has an end: say "for" how long of {", ".join(endless)}.')
        with self._playing(tables, _seed(plan, seed)) as play:
            if play is not None:
                play.through()

    @contextmanager
    def _playing(self, tables: tuple[Planned, ...], seed: int | None) -> Iterator[Play | None]:
        """Play tables during the block; None: they are only told."""
        self._checked(tables)
        if self._scene.planned:
            with self._told(tables):
                yield None
            return
        seed = secrets.randbits(32) if seed is None else seed
        drawn = draw(tables, seed)
        recorder = self._striker.recorder
        for one in drawn:
            recorder.note(f"fault plan, seed {seed}: {one}")
        with Play(drawn, self._build, self._striker, recorder, self._aim) as play:
            yield play

    def _checked(self, tables: Iterable[Planned]) -> None:
        """Build every fault once: what cannot be built is refused before anything is touched.

        Raises:
            Unsupported: one cannot be built, or a word would strike several nodes of a production.
        """
        cluster = self._scene.cluster
        for planned in tables:
            for one in [planned.on(node) for node in self._scene.nodes] if planned.word else [planned]:
                self._build(one)
            many = meant(planned.word, len(cluster.nodes))
            if cluster.kind == PRODUCTION and many > 1:
                raise Unsupported(
                    f"{cluster.id} (PRODUCTION): {planned.what} would strike {many} nodes at once, and the guard weighs one at "
                    "a time. Name one node, or rehearse this on a lab. Nothing was touched."
                )

    @contextmanager
    def _aimed(self, planned: Planned, lots: random.Random | None) -> Iterator[tuple[Planned, ...]]:
        """Return what is struck, node by node, where a word may stand for several."""
        if not planned.word:
            yield (planned,)
            return
        with self._aim.at(planned.word, planned.what, lots) as nodes:
            yield tuple(planned.on(node) for node in nodes)

    def _build(self, planned: Planned) -> Fault:
        return self.build(planned.fault, *planned.nodes, **planned.options)

    @contextmanager
    def _told(self, tables: Iterable[Planned]) -> Iterator[None]:
        """Tell a plan: what waits for something, after the test has told what it does itself."""
        waiting = []
        for planned in tables:
            if planned.after:
                waiting.append(planned)
            else:
                self._tell(planned)
        yield
        for planned in waiting:
            self._tell(planned)

    def _tell(self, planned: Planned) -> None:
        word = f"{planned.word}, " if planned.word else ""
        action = f"fault {planned.fault} ({word}{planned.when}, {planned.how_long})"
        with self._aimed(planned, None) as targets, ExitStack() as struck:
            for one in targets:
                struck.enter_context(self._striker.struck(self._build(one), action=action))

    @contextmanager
    def _struck(self, fault: Fault) -> Iterator[Fault]:
        with self._striker.struck(fault):
            yield fault

    def _target(self, node: object) -> str:
        nodes = self._scene.nodes
        if str(node) not in nodes:
            raise Unsupported(f"{self._scene.cluster.id} has no node {str(node)!r}; its nodes are {', '.join(nodes)}.")
        return str(node)


def _seed(plan: object, seed: int | None) -> int | None:
    """Return the seed that was said; else the plan's own, which one by chance carries."""
    return seed if seed is not None else getattr(plan, "seed", None)
