"""The configuration of `chm generate`: what is refused, and how."""

import re

import pytest

from chm.errors import ChmError
from chm.generate import generate, make_config


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"range": {"end": "2025-12-31T00:00:00Z"}}, "range.end: must lie at least 2 days after"),
        ({"range": {"start": "2026-01-01T00:00:00"}}, "range.start: Input should have timezone"),
        ({"runs": {"success_share": 1.2}}, "runs.success_share: Input should be less than or"),
        ({"roles": {"flaky_failed_share": -0.1}}, "roles.flaky_failed_share: Input should be gr"),
        ({"runs": {"success_share": 0.99, "canceled_share": 0.2}}, "runs: success_share, cancel"),
        ({"runs": {"night_hours": [4, 2]}}, "runs.night_hours: the first hour must be below"),
        ({"incident": {"minutes": [120, 90]}}, "incident.minutes: the numbers must not fall"),
        ({"runs": {"speed": 1}}, "runs.speed: Extra inputs are not permitted"),
        ({"pipelines": {"mix": {"fax": {"export": 1}}}}, "pipelines.mix.fax: 'fax' is not one of"),
        ({"pipelines": {"environments": {}}}, "pipelines.environments: Dictionary should have"),
        (
            {"alert_rules": {"channels": {"email": {"weight": 1, "destination": "{team}"}}}},
            "alert_rules.channels: '{team}' does not look like email",
        ),
        (
            {"runs": {"durations_seconds": {"export": [1, 2, 3, 4, 5]}}},
            "configuration: runs.durations_seconds lacks ingestion",
        ),
    ],
)
def test_impossible_configuration_is_refused_by_key(values, message):
    with pytest.raises(ChmError, match="^" + re.escape(message)):
        make_config(values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"runs": {"total": 100}}, "runs.total: 40 pipelines run .* even at their slowest"),
        ({"runs": {"total": 10**6}}, "runs.total: 40 pipelines run .* at the fastest"),
        ({"runs": {"success_share": 0.95}}, "runs.success_share: the planted faults"),
        ({"runs": {"success_share": 0.05}}, "runs.success_share: .* are free for that"),
        ({"roles": {"flaky": 40}}, "roles: 2 slow and 45 other faults"),
        ({"roles": {"broken_days": [60]}}, "roles.broken_days: 60 days before the end"),
        ({"pipelines": {"new": 40}}, "pipelines.new: 40 asked for"),
        (
            {"pipelines": {"mix": {"cron": {"export": 1}}}},
            "incident.platform: vendor_api has no run",
        ),
        (
            {"pipelines": {"mix": {"dbt": {"transform": 1}}}, "incident": None},
            "roles: 2 slow .* \\(0 without a long tail\\)",
        ),
        ({"clients": {"active_share": 0}, "pipelines": {"new": 0}}, "roles: "),
    ],
)
def test_configuration_that_its_numbers_cannot_hold_is_refused_by_key(values, message):
    with pytest.raises(ChmError, match="^" + message):
        generate(make_config(values))
