"""profiles.yml and the environment as the targets of the commands."""

import pytest

from chm.errors import ChmError
from chm.targets import PostgresTarget, read_target


def test_settings_may_hold_any_character(monkeypatch):
    password = "a\"b\\n'c: #{}%s é"
    monkeypatch.setenv("CHM_PG_PASSWORD", password)
    target = read_target("prod")
    assert isinstance(target, PostgresTarget)
    assert target.password == password


def test_the_loader_goes_before_dbts_role(monkeypatch):
    for name, value in {"USER": "builds", "PASSWORD": "one"}.items():
        monkeypatch.setenv(f"CHM_PG_{name}", value)
    for name, value in {"USER": "loads", "PASSWORD": "two"}.items():
        monkeypatch.setenv(f"CHM_PG_LOADER_{name}", value)
    found = [read_target("prod"), read_target("prod", role="reader")]
    assert [(target.user, target.password) for target in found] == [
        ("loads", "two"),
        ("builds", "one"),
    ]


def test_an_unknown_target_and_a_port_that_is_none(monkeypatch):
    with pytest.raises(ChmError, match="unknown target 'spork'"):
        read_target("spork")
    monkeypatch.setenv("CHM_PG_PORT", "post")
    with pytest.raises(ChmError, match="CHM_PG_PORT is 'post'"):
        read_target("prod")
