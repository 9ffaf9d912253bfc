"""Random configurations of `chm generate`: every key that matters, up to its extremes."""

from datetime import date, timedelta
from random import Random
from typing import Any

from chm.contract import load_contract
from chm.generate.config import GenerateConfig

CADENCES = GenerateConfig().schedule.cadences_minutes
# Places whose clocks change by an hour, by half of one, at midnight, or never.
ZONES = (
    "America/New_York",
    "America/Santiago",
    "America/St_Johns",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Australia/Sydney",
    "Europe/Berlin",
    "Pacific/Kiritimati",
    "UTC",
)
# Around these days clocks change somewhere, or a year has one day more.
DAYS = (date(2024, 2, 26), date(2025, 3, 5), date(2025, 4, 1), date(2026, 10, 20), date(2027, 1, 1))
CHANNELS = {
    "slack": "#{team}",
    "email": "{team}@example.com",
    "webhook": "https://example.com/{team}",
}


def random_values(number: int) -> dict[str, Any]:
    """The values of the configuration with this number."""
    rng = Random(number)
    runs = rng.choice([0, 1, 7, 60, 400, 1500, 3000])
    start = rng.choice(DAYS) + timedelta(days=rng.randint(0, 5))
    return {
        "seed": rng.randint(0, 10**12),
        "range": {
            "start": f"{start}",
            "end": f"{start + timedelta(days=rng.choice([2, 3, 10, 31, 90, 400]))}T07:13:59Z",
        },
        "clients": {
            "total": rng.choice([None, None, None, 1, 4, 30]),
            "active_share": _share(rng, 0.9),
            "tiers": rng.choice(
                [
                    GenerateConfig().clients.model_dump()["tiers"],
                    {
                        "small": {"share": 1.0, "pipelines": [1, 40]},
                        "medium": None,
                        "large": None,
                        "enterprise": None,
                    },
                ]
            ),
        },
        "pipelines": {
            "runs_per_day": rng.choice([0.5, 5.0, 20.0, 100.0]),
            "active_share": _share(rng, 0.9),
            "late_share": rng.choice([0, 0.1, 0.5, 1.0]),
            "new_share": 0.0,
            "described_share": _share(rng, 0.5),
            "external_id_share": _share(rng, 0.5),
            **({"late_share": 0.0, "new_share": _share(rng, 0.1)} if rng.random() < 0.3 else {}),
            "mix": _some(
                rng,
                {
                    platform: _some(
                        rng,
                        {
                            name: rng.randint(1, 9)
                            for name in load_contract().enums["pipeline_types"].values
                        },
                    )
                    for platform in load_contract().enums["platforms"].values
                },
            ),
            "environments": _some(rng, {"prod": 5, "staging": 2, "dev": 1}),
        },
        "schedule": {
            "cadences_minutes": sorted(rng.sample(CADENCES, rng.randint(1, len(CADENCES)))),
            "tail_exponent": rng.choice([0.2, 0.6, 0.9, 2.0, 10.0]),
            "time_zones": dict.fromkeys(GenerateConfig().schedule.time_zones)
            | {zone: rng.randint(1, 5) for zone in rng.sample(ZONES, rng.randint(1, 5))},
            "business_hours_share": _share(rng, 0.3),
            "business_hours": rng.choice([[0, 24], [7, 19], [23, 24], [0, 1]]),
            "weekdays_share": _share(rng, 0.3),
            "jitter_seconds": rng.choice([[0, 0], [0, 180], [3600, 3600]]),
        },
        "runs": {
            "total": runs,
            "batch": rng.choice([1, 1, 7, 99]),
            "manual_share": rng.choice([0.0, 0.01, 0.5]),
            **rng.choice(
                [
                    {"canceled_share": 0.02, "skipped_share": 0.02},
                    {"canceled_share": 0.0, "skipped_share": 0.0},
                    {"canceled_share": 1.0, "skipped_share": 0.0},
                    {"canceled_share": 0.0, "skipped_share": 1.0},
                    {"canceled_share": 0.3, "skipped_share": 0.7},
                ]
            ),
        },
        "durations": {
            "by_type": {
                name: {
                    "median_seconds": rng.choice([1, 60, 900, 36_000]),
                    "sigma": rng.choice([0, 0.5, 3]),
                }
                for name in load_contract().enums["pipeline_types"].values
            },
            "pipeline_percent": rng.choice([[1, 1], [50, 200], [10_000, 10_000]]),
            "cadence_percent": rng.choice([1, 40, 10_000]),
            "long_tail": rng.choice(
                [None, {"run_share": _share(rng, 0.06), "factor": rng.choice([[1, 1], [4, 900]])}]
            ),
        },
        "rows": {
            "sigma": rng.choice([0, 0.25, 3]),
            "drift_percent_per_month": rng.choice([0, 10, 100]),
            "weekday_percent": rng.choice([[100] * 7, [1, 10_000, 1, 10_000, 1, 1, 10_000]]),
        },
        "failures": {
            "transient_share": _share(rng, 0.02),
            "outages": _incident(rng),
            "platform_incidents": _incident(rng),
            "client_incidents": _incident(rng),
        },
        "upstream": {
            "share": _share(rng, 0.4),
            "lag_minutes": rng.choice([[1, 1], [10, 90], [3000, 5000]]),
            "effect_share": _share(rng, 0.9),
            "skipped_share": _share(rng, 0.5),
        },
        "retries": {
            "pipeline_share": _share(rng, 0.6),
            "attempts": rng.choice([[1, 1], [2, 4], [7, 7]]),
            "delay_seconds": rng.choice([[1, 1], [60, 900], [90_000, 90_000]]),
        },
        "roles": {
            **rng.choice(
                [
                    {},
                    {f"{role}_share": 0.0 for role in ("flaky", "broken", "silent", "slow")},
                    {f"{role}_share": 0.25 for role in ("flaky", "broken", "silent", "slow")},
                    {
                        "flaky_share": 0.0,
                        "broken_share": 1.0,
                        "silent_share": 0.0,
                        "slow_share": 0.0,
                    },
                ]
            ),
            "flaky_failed_percent": rng.choice([[1, 1], [15, 35], [100, 100]]),
            "slow_factor": rng.choice([[1, 1], [2, 5], [500, 500]]),
            "since_days": rng.choice([[1, 1], [1, 10], [200, 300]]),
        },
        "ingestion": {
            "median_seconds": rng.choice([1, 15, 100_000]),
            "sigma": rng.choice([0, 0.8, 3]),
            "late_share": _share(rng, 0.02),
            "late_minutes": rng.choice([[1, 1], [10, 480], [20_000, 30_000]]),
        },
        "texts": {"variants": rng.choice([1, 5, 48])},
        "alert_rules": {
            "enabled_share": _share(rng, 0.85),
            "rule_types": _some(rng, {"on_failure": 3, "failures_in_window": 2}),
            "channels": _some(
                rng,
                {
                    name: {"weight": rng.randint(1, 5), "destination": pattern}
                    for name, pattern in CHANNELS.items()
                },
            ),
            "windows_minutes": rng.choice([[1], [60, 1440], [100_000]]),
        },
    }


def _share(rng: Random, usual: float) -> float:
    return rng.choice([0.0, usual, usual, rng.random(), 1.0])


def _some(rng: Random, entries: dict[str, Any]) -> dict[str, Any]:
    """At least one of the entries, and null for the others."""
    kept = rng.sample(sorted(entries), rng.randint(1, len(entries)))
    return {name: value if name in kept else None for name, value in entries.items()}


def _incident(rng: Random) -> dict[str, Any]:
    per_30_days, minutes = rng.choice(
        [(0.0, [1, 1]), (1.0, [60, 240]), (1.0, [1000, 40_000]), (30.0, [1, 1]), (30.0, [60, 240])]
    )
    return {"per_30_days": per_30_days, "minutes": minutes, "failed_share": _share(rng, 0.9)}
