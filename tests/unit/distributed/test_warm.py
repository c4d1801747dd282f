# SPDX-License-Identifier: MIT
"""Workers that are forked from one interpreter behave as interpreters of their own."""

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import execnet
import pytest

from pytest_harehearse.distributed import warm

#: Seconds.
SOON = 30


@pytest.fixture
def server(monkeypatch):
    # No option for other runs is one for the server's own.
    monkeypatch.setenv("PYTEST_ADDOPTS", "-n3 --there-is-no-such-option")
    made = warm.Warm()
    yield made
    made.end()


@pytest.fixture
def group(server):
    """Makes gateways to forked workers."""
    made = execnet.Group(execmodel="main_thread_only")

    def worker(spec="popen"):
        spec = execnet.XSpec(f"execmodel=main_thread_only//{spec}")
        server.take([spec])
        return made.makegateway(spec)

    yield worker
    made.terminate(SOON)


def ask(gateway, source):
    return gateway.remote_exec(f"import os, sys\nchannel.send({source})").receive(SOON)


def stand_in(gateway):
    return gateway._io.popen


def gone(pid):
    return until(lambda: not Path(f"/proc/{pid}").exists())


def until(true):
    end = time.monotonic() + SOON
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)
    return True


def test_it_is_forked_with_everything_imported(group, server):
    one, two = group(), group("popen//env:HAREHEARSE_SITE=paris")
    for worker in (one, two):
        assert ask(worker, "os.getppid()") == server._server.pid
        assert set(ask(worker, "list(sys.modules)")) >= {"pytest", "xdist", "hypothesis", *warm.MODULES}
    assert ask(one, "os.getpid()") != ask(two, "os.getpid()")
    assert ask(one, "os.environ.get('HAREHEARSE_SITE')") is None
    assert ask(two, "os.environ.get('HAREHEARSE_SITE')") == "paris"


def test_it_is_as_an_interpreter_of_its_own(group, monkeypatch, tmp_path):
    """What an ordinary worker has, but for what was imported; also what changed since the server began."""
    monkeypatch.setenv("SET_LATER", "é\n" * 30_000)
    monkeypatch.chdir(tmp_path)
    asked = (
        "(sys.executable, sys.argv, sys.path, os.getcwd(), sys.flags.isolated, sys.flags.no_site, __import__('signal').getsignal(2)"
        ".__name__, int(__import__('signal').getsignal(15)), dict(os.environ), __import__('threading').active_count())"
    )
    plain = execnet.Group(execmodel="main_thread_only")
    try:
        wanted = ask(plain.makegateway("popen//execmodel=main_thread_only"), asked)
    finally:
        plain.terminate(SOON)
    found = ask(group(), asked)
    # execnet puts its own folder there for an interpreter that it was not told of.
    assert [path for path in wanted[2] if path not in found[2]] in (
        [],
        [str(Path(execnet.__file__).parents[1])],
    )
    assert (*found[:2], *found[3:]) == (*wanted[:2], *wanted[3:])


def test_no_byte_code_is_written_where_none_is_wanted(group):
    assert ask(group("popen//dont_write_bytecode"), "sys.dont_write_bytecode") is True
    assert ask(group(), "sys.dont_write_bytecode") is sys.dont_write_bytecode


def test_one_worker_does_not_keep_another_ones_files(group):
    """The end of each is seen, whoever else lives."""
    one, two = group(), group()
    assert ask(two, "len(os.listdir('/proc/self/fd'))") == ask(one, "len(os.listdir('/proc/self/fd'))")
    process = stand_in(one)
    one.exit()
    assert process.wait(SOON) == 0
    assert ask(two, "1") == 1


def test_a_worker_that_is_killed_ends_what_stands_for_it(group):
    worker = group()
    pid = ask(worker, "os.getpid()")
    os.kill(pid, signal.SIGKILL)
    assert stand_in(worker).wait(SOON) == -signal.SIGKILL & 0xFF
    with pytest.raises(OSError, match="closed"):
        until(lambda: ask(worker, "1") != 1)


def test_whoever_kills_what_stands_for_a_worker_kills_it(group):
    worker = group()
    pid = ask(worker, "os.getpid()")
    stand_in(worker).kill()
    assert gone(pid)


def test_it_ends_as_an_interpreter_ends(group, tmp_path):
    """What was registered for the end is done, and what is still to be written is."""
    worker = group()
    file = tmp_path / "said"
    worker.remote_exec(f"import atexit\natexit.register(lambda: open({str(file)!r}, 'w').write('done'))").waitclose(
        SOON
    )
    process = stand_in(worker)
    worker.exit()
    assert process.wait(SOON) == 0
    assert file.read_text() == "done"


@pytest.mark.parametrize(
    ("source", "status", "said"),
    [("import sys; sys.exit(7)", 7, ""), ("import sys; sys.exit('no')", 1, ""), ("1 / 0", 1, "ZeroDivisionError")],
)
def test_how_it_ended_is_passed_on(server, source, status, said):
    """As ``python -c`` would, asked by the same line."""
    spec = execnet.XSpec("popen")
    server.take([spec])
    done = subprocess.run(
        [*shlex.split(spec.python), "-u", "-c", "…"],
        input=f"{source!r}\n",
        capture_output=True,
        text=True,
        timeout=SOON,
        check=False,
    )
    assert done.returncode == status
    assert said in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_stands_for_a_worker_waits_until_it_has_undone(group, server, number):
    """A signal to all of the group reaches the worker by itself."""
    worker = group()
    for pid in (stand_in(worker).pid, server._server.pid):
        os.kill(pid, number)
    assert ask(worker, "1") == 1
    assert ask(group(), "1") == 1


def test_without_a_server_it_is_an_interpreter(group, server):
    server._server.kill()
    server._server.wait(SOON)
    assert ask(group(), "'pytest_harehearse' in sys.modules") is False


def test_a_server_that_cannot_import_is_none(monkeypatch, capfd):
    monkeypatch.setattr(warm, "MODULES", ("there_is_no_such_module",))
    server = warm.Warm()
    group, spec = execnet.Group(execmodel="main_thread_only"), execnet.XSpec("popen//execmodel=main_thread_only")
    try:
        server.take([spec])
        assert ask(group.makegateway(spec), "'_pytest' in sys.modules") is False
    finally:
        group.terminate(SOON)
        server.end()
    assert "there_is_no_such_module" in capfd.readouterr().err


def test_nothing_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr(warm.tempfile, "tempdir", str(tmp_path))
    server = warm.Warm()
    assert len(list(tmp_path.iterdir())) == 1
    server.end()
    assert list(tmp_path.iterdir()) == []
    server = warm.Warm()
    server._server.kill()
    server.end()
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_when_whoever_made_it_is_killed(tmp_path):
    code = "import time; from pytest_harehearse.distributed.warm import Warm; print(Warm()._server.pid, flush=True); time.sleep(600)"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(tmp_path)}
    ) as maker:
        pid = int(maker.stdout.readline())
        maker.kill()
    until(lambda: list(tmp_path.iterdir()) == [])
    # A zombie where nobody waits for orphans; it holds nothing.
    until(lambda: not Path(f"/proc/{pid}").exists() or f"{pid} (python" in Path(f"/proc/{pid}/stat").read_text())


def spec(text):
    return execnet.XSpec(text)


def test_which_are_worth_it(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    two = [spec("popen"), spec("popen//chdir=/x")]
    assert warm.possible(two) == []
    three = [*two, spec("popen//env:HAREHEARSE_SITE=paris")]
    others = [spec("popen//python=python3.12"), spec("ssh=paris"), spec("popen//via=paris")]
    assert warm.possible([*others, *three]) == three
    assert warm.possible([*two, *others]) == []
    monkeypatch.delattr(os, "pidfd_open")
    assert warm.possible(three) == []
