"""What the doctor sees without a running stack."""

from collections import namedtuple

import pytest

from cli import doctor
from maeari.settings import Settings


@pytest.fixture
def settings(tmp_path, monkeypatch) -> Settings:
    monkeypatch.setenv("MAEARI_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MAEARI_DATABASE_URL", raising=False)
    return Settings()


def test_a_machine_whose_stack_is_down_is_told_how_to_start_it(settings):
    (problem,) = doctor.check_stack(settings)
    assert "down" in problem.seen
    assert "make up" in problem.next_step


def test_a_package_that_differs_from_the_lock_is_named(settings, tmp_path):
    lock = tmp_path / "requirements.lock"
    lock.write_text(
        "pytest==0.0.1 \\\n    --hash=sha256:00\nno-such-package==1.0\nother==1 ; sys_platform == 'emscripten'\n"
    )
    (problem,) = doctor.check_packages(settings, lock)
    assert "pytest is" in problem.seen
    assert "no-such-package is missing" in problem.seen
    assert "other" not in problem.seen
    assert "make setup" in problem.next_step


def test_the_installed_packages_are_the_locked_ones(settings):
    assert list(doctor.check_packages(settings)) == []


def test_a_full_disk_is_seen(settings, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda place: usage(10, 10, 5 * 1024**2))
    (problem,) = doctor.check_disk(settings)
    assert "0.0 GB" in problem.seen


def test_a_wrong_python_is_seen(settings, monkeypatch):
    monkeypatch.setattr(doctor.sys, "version_info", (3, 13, 0))
    assert "3.11 or 3.12" in next(doctor.check_python(settings)).seen


def test_a_killed_stack_is_seen(settings):
    settings.home.mkdir()
    (settings.home / "stack.json").write_text('{"phase": "up"}')
    (problem,) = doctor.check_stack(settings)
    assert "maeari down" in problem.next_step


def test_a_server_left_alone_is_seen(settings):
    (settings.home / "postgres").mkdir(parents=True)
    (settings.home / "postgres" / "postmaster.pid").write_text("1\n")
    (problem,) = doctor.check_stack(settings)
    assert "postmaster.pid" in problem.seen


def test_an_address_without_a_server_is_seen(settings, monkeypatch):
    monkeypatch.setenv("MAEARI_DATABASE_URL", "postgresql://nobody:x@127.0.0.1:1/maeari")
    problem = next(doctor.check_database(Settings()))
    assert "warehouse database does not answer" in problem.seen
    assert "MAEARI_DATABASE_URL" in problem.next_step


def test_a_home_that_cannot_be_written_is_seen(settings, monkeypatch):
    monkeypatch.setattr(doctor.os, "access", lambda place, mode: False)
    assert "cannot be written" in next(doctor.check_home(settings)).seen
