"""Certificates: for which hosts, and that nothing of them is left behind."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from pytest_redis_actions import RedisActions
from pytest_redis_actions.errors import MissingExtra, UsageError
from pytest_redis_actions.server import StubServer, check_host
from pytest_redis_actions.server.certificates import Authority

Make = Callable[..., RedisActions]

HOLDER = """
import sys
from pytest_redis_actions.server.certificates import Authority
authority = Authority()
print(authority.ca_file, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder for temporary files of this test alone, and of the processes that it starts."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def holders(count: int) -> list[tuple[subprocess.Popen[str], Path]]:
    """Start other sessions that have a certificate, at once; return them and their files."""
    processes = [
        subprocess.Popen([sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(count)
    ]
    return [(process, Path((process.stdout or sys.stdin).readline().strip())) for process in processes]


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "127.1.2.3", "localhost"])
def test_the_certificate_is_for_the_host_that_was_asked_for(make_redis_actions: Make, host: str) -> None:
    stub = make_redis_actions(tls=True, host=host)

    for name in (check_host(host), *(["localhost"] if host in ("127.0.0.1", "localhost") else [])):
        reply = requests.get(f"https://{name}:{stub.port}/v1/actions", auth=stub.auth, verify=str(stub.ca_file))
        assert reply.status_code == 200


def test_the_certificate_is_for_ipv6_too(make_redis_actions: Make) -> None:
    stub = make_redis_actions(tls=True, host="::1")

    assert requests.get(f"{stub.url}/v1/actions", auth=stub.auth, verify=str(stub.ca_file)).status_code == 200


@pytest.mark.parametrize("host", ["::1%lo", "::1%1", "::ffff:127.0.0.1", "127.1", "0x7f.1", "127.0.0.1 ", "fe80::1%lo"])
@pytest.mark.parametrize("tls", [False, True])
def test_other_spellings_of_a_loopback_address_are_refused(make_redis_actions: Make, host: str, tls: bool) -> None:
    with pytest.raises(UsageError) as caught:
        make_redis_actions(host=host, tls=tls)

    assert str(caught.value).splitlines() == [
        f"host={host!r} is not a loopback address",
        "  fix  use '127.0.0.1' or '::1': a stub is reachable from this machine only",
    ]


def test_a_port_that_the_system_does_not_give_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    import socket

    monkeypatch.setattr(socket.socket, "bind", denied)

    with pytest.raises(UsageError) as caught:
        StubServer(port=80).start()

    assert str(caught.value).splitlines()[0] == "host='127.0.0.1', port=80 cannot be opened: Permission denied"


def test_without_the_extra_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trustme", None)

    with pytest.raises(MissingExtra, match=r"pip install 'pytest-redis-actions\[tls\]'"):
        Authority()


def test_the_file_is_removed_with_the_authority() -> None:
    authority = Authority()
    folder = authority.ca_file.parent
    assert ssl.create_default_context(cafile=str(authority.ca_file))

    authority.close()

    assert not folder.exists()


@pytest.mark.skipif(os.name == "nt", reason="there the system itself keeps folders in use from being removed")
class TestWhatAKillLeavesBehind:
    def test_the_next_session_removes_it(self, temporary: Path) -> None:
        [(process, file)] = holders(1)
        end(process)
        assert file.is_file()

        Authority().close()

        assert list(temporary.iterdir()) == []

    def test_sessions_that_run_keep_theirs(self, temporary: Path) -> None:
        (killed, left), *running = holders(3)
        end(killed)
        mine = Authority()
        another = Authority()

        files = [file for _, file in running] + [mine.ca_file, another.ca_file]
        assert all(file.is_file() for file in files)
        assert not left.exists()

        for process, _ in running:
            end(process)
        mine.close()
        another.close()
        Authority().close()
        assert list(temporary.iterdir()) == []

    def test_what_others_have_put_there_stays(self, temporary: Path) -> None:
        target = temporary / "mine"
        target.mkdir()
        (target / "in-use").touch()
        (temporary / "redis-actions-link").symlink_to(target)
        (temporary / "redis-actions-file").touch()
        (temporary / "redis-actions-empty").mkdir()
        before = sorted(temporary.rglob("*"))

        Authority().close()

        assert sorted(temporary.rglob("*")) == before

    def test_what_belongs_to_somebody_else_stays(self, temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        [(process, file)] = holders(1)
        end(process)
        monkeypatch.setattr(os, "getuid", lambda: 4711)

        Authority().close()

        assert file.is_file()

    def test_many_sessions_at_once_leave_nothing(self, temporary: Path) -> None:
        for process, _ in holders(4):
            end(process)

        Authority().close()

        assert list(temporary.iterdir()) == []
