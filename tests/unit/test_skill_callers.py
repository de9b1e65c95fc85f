"""Who may ask the book bot."""

import pytest

from maeari.errors import SettingsError
from web.skill.callers import SECRET_HEADER, Callers, networks

NAME = SECRET_HEADER.lower()


def test_the_secret_must_be_the_whole_secret():
    callers = Callers("geheim")
    assert callers.may_ask({NAME: "geheim"}, None)
    for wrong in ("", "gehei", "geheim ", "GEHEIM", "비밀\ud800"):
        assert not callers.may_ask({NAME: wrong}, "127.0.0.1")
    assert "geheim" not in repr(callers)


def test_an_address_is_known_by_its_networks():
    callers = Callers("x", networks("10.0.0.0/8, 2001:db8::1", "A"))
    assert callers.may_ask({}, "10.1.2.3")
    assert callers.may_ask({}, "2001:db8::1")
    assert not callers.may_ask({}, "2001:db8::2")
    assert not callers.may_ask({}, "testclient")
    assert not callers.may_ask({}, None)


def test_only_a_trusted_proxy_is_believed_and_only_up_to_the_first_that_is_none():
    callers = Callers("x", networks("203.0.113.0/24", "A"), networks("10.0.0.1,10.0.0.2", "B"))
    assert callers.may_ask({"x-forwarded-for": "203.0.113.9"}, "10.0.0.1")
    assert callers.may_ask({"x-forwarded-for": "198.51.100.1, 203.0.113.9, 10.0.0.2"}, "10.0.0.1")
    assert not callers.may_ask({"x-forwarded-for": "203.0.113.9, 198.51.100.1"}, "10.0.0.1")
    assert not callers.may_ask({"x-forwarded-for": "203.0.113.9"}, "198.51.100.1")
    assert not callers.may_ask({"x-forwarded-for": "10.0.0.2"}, "10.0.0.1")
    assert not callers.may_ask({}, "10.0.0.1")


def test_what_is_no_network_is_named():
    assert networks("", "MAEARI_SKILL_ALLOWED") == networks(" , ", "MAEARI_SKILL_ALLOWED") == ()
    with pytest.raises(SettingsError, match="“10.0.0.1/8” in MAEARI_SKILL_ALLOWED is no network.*Write"):
        networks("10.0.0.1/8", "MAEARI_SKILL_ALLOWED")
