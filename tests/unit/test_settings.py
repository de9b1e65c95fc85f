"""Secrets of an installation: generated once, completed by a later Maeari, never changed."""

import json
import stat

from maeari.settings import load_secrets


def test_secrets_of_an_earlier_installation_are_kept_and_completed(tmp_path):
    load_secrets.__wrapped__(tmp_path)
    file = tmp_path / "secrets.json"
    whole = json.loads(file.read_text())
    earlier = {name: value for name, value in whole.items() if name != "skill"}
    earlier["roles"] = {role: word for role, word in whole["roles"].items() if role != "skill"}
    file.write_text(json.dumps(earlier))

    completed = load_secrets.__wrapped__(tmp_path)

    kept = json.loads(file.read_text())
    assert {name: kept[name] for name in earlier if name != "roles"} == {
        name: value for name, value in earlier.items() if name != "roles"
    }
    assert {role: kept["roles"][role] for role in earlier["roles"]} == earlier["roles"]
    assert completed.roles["skill"].get_secret_value() == kept["roles"]["skill"]
    assert completed.skill.get_secret_value() == kept["skill"] != whole["skill"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_secrets_that_are_whole_are_not_written_again(tmp_path):
    load_secrets.__wrapped__(tmp_path)
    written = (tmp_path / "secrets.json").stat().st_ino
    load_secrets.__wrapped__(tmp_path)
    assert (tmp_path / "secrets.json").stat().st_ino == written
    assert sorted(file.name for file in tmp_path.iterdir()) == ["secrets.json"]
