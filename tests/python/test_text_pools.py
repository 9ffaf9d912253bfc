"""The pools of texts: what the project ships, what a new file may hold, how texts are filled."""

import hashlib
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from chm.contract import load_contract
from chm.errors import ChmError
from chm.generate.text_pool_schema import SPECIAL_CAUSES, is_like_credential
from chm.generate.text_pools import TextPool, checksums, fill, load_pools
from chm.project import project_dir

SHIPPED = project_dir() / "scripts/chm/generate/templates"
POOL: dict[str, Any] = {
    "platform": "airflow",
    "cause": "new_cause",
    "kind": "failed",
    "weight": 2,
    "templates": [
        {"error_message": "Task {task} failed with {code}", "status_reason": "task_failed"},
        {"error_message": "Task {task} is gone", "status_reason": "code_{code}"},
    ],
    "slots": {"task": ["extract", "load"], "code": {"from": 10, "to": 20, "step": 5}},
}


def write(folder: Path, pool: dict[str, Any] | str, name: str = "airflow_new_cause.yaml") -> Path:
    folder.mkdir(exist_ok=True)
    text = pool if isinstance(pool, str) else yaml.safe_dump(pool)
    (folder / name).write_text(text, "utf-8")
    return folder


def pool_of(folder: Path, cause: str = "new_cause") -> TextPool:
    return next(
        pool for pool in load_pools([folder]) if (pool.platform, pool.cause) == ("airflow", cause)
    )


@pytest.fixture(scope="module")
def pools() -> tuple[TextPool, ...]:
    return load_pools()


def test_every_platform_has_every_cause_that_is_planted(pools: tuple[TextPool, ...]) -> None:
    found = {(pool.platform, pool.cause): pool.kind for pool in pools if pool.is_special}
    assert found == {
        (platform, cause): kind
        for platform in load_contract().enums["platforms"].values
        for cause, kind in SPECIAL_CAUSES.items()
    }


def test_every_platform_has_five_causes_of_its_own_and_some_for_other_kinds(
    pools: tuple[TextPool, ...],
) -> None:
    drawn = Counter((pool.platform, pool.kind) for pool in pools if not pool.is_special)
    own = Counter(
        pool.platform
        for pool in pools
        if not pool.is_special and pool.file_name.startswith(pool.platform)
    )
    for platform in load_contract().enums["platforms"].values:
        assert own[platform] >= 5
        assert drawn[platform, "canceled"] >= 3
        assert drawn[platform, "skipped"] >= 3


def test_every_pool_shipped_is_varied(pools: tuple[TextPool, ...]) -> None:
    for pool in pools:
        assert len(set(pool.templates)) >= 4, pool.file_name
        assert len(set(fill(pool, "varied", 64))) >= 4, pool.file_name
        lists = [choices for _, choices in pool.slots if not isinstance(choices, range)]
        assert all(len(set(choices)) == len(choices) for choices in lists), pool.file_name


def test_filled_texts_are_one_clean_line_each(pools: tuple[TextPool, ...]) -> None:
    for pool in pools:
        for error_message, status_reason in fill(pool, "clean", 200):
            assert (error_message == "") is (pool.kind != "failed")
            for text in (error_message, status_reason):
                assert text.isprintable()
                assert not set(text) & set("{}")
                assert not is_like_credential(text)
            assert status_reason


def test_only_drawn_causes_have_a_weight(pools: tuple[TextPool, ...]) -> None:
    assert {pool.is_special for pool in pools if pool.weight == 0} == {True}
    assert {pool.is_special for pool in pools if pool.weight > 0} == {False}


def test_pools_come_by_platform_and_cause(pools: tuple[TextPool, ...]) -> None:
    keys = [(pool.platform, pool.cause) for pool in pools]
    assert keys == sorted(set(keys))


def test_a_file_in_another_folder_is_one_more_pool(
    tmp_path: Path, pools: tuple[TextPool, ...]
) -> None:
    folder = write(tmp_path / "more", POOL)
    found = set(load_pools([folder])) - set(pools)
    assert found == {pool_of(folder)}
    added = found.pop()
    assert (added.kind, added.weight, added.is_special) == ("failed", 2, False)
    assert dict(added.slots) == {"code": range(10, 21, 5), "task": ("extract", "load")}


def test_a_pool_of_its_own_takes_the_place_of_the_one_for_any_platform(tmp_path: Path) -> None:
    own = POOL | {"cause": "connection_lost"}
    folder = write(tmp_path / "more", own, "airflow_connection_lost.yaml")
    files = {
        pool.platform: pool.file_name
        for pool in load_pools([folder])
        if pool.cause == "connection_lost"
    }
    others = set(load_contract().enums["platforms"].values) - {"airflow"}
    assert files == {"airflow": "airflow_connection_lost.yaml"} | dict.fromkeys(
        others, "any_connection_lost.yaml"
    )


def test_a_new_platform_has_the_pools_for_any_platform(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("dbt_project.yml", "models/staging/_monitoring__sources.yml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(project_dir() / name, tmp_path / name)
    shutil.copytree(project_dir() / "seeds", tmp_path / "seeds")
    shutil.copytree(SHIPPED, tmp_path / SHIPPED.relative_to(project_dir()))
    with (tmp_path / "seeds/platforms.csv").open("a") as file:
        file.write("spark,other_platforms,Spark jobs\n")
    monkeypatch.setenv("CHM_PROJECT_DIR", str(tmp_path))
    spark = [pool for pool in load_pools() if pool.platform == "spark"]
    assert {pool.file_name for pool in spark} == {path.name for path in SHIPPED.glob("any_*")}
    assert {pool.cause for pool in spark} >= set(SPECIAL_CAUSES)
    assert {pool.kind for pool in spark if not pool.is_special} == {"failed", "canceled", "skipped"}


def test_filling_is_pinned(tmp_path: Path) -> None:
    # Other pairs would change the bytes of every data set.
    assert fill(pool_of(write(tmp_path / "more", POOL)), "42/texts", 4) == (
        ("Task load is gone", "code_20"),
        ("Task extract failed with 10", "task_failed"),
        ("Task load is gone", "code_15"),
        ("Task extract failed with 15", "task_failed"),
    )


def test_keys_and_slots_in_another_order_fill_alike(tmp_path: Path) -> None:
    # The other file has its keys in alphabetical order.
    text = yaml.safe_dump(dict(reversed(POOL.items())), sort_keys=False)
    assert list(yaml.safe_load(text)["slots"]) == ["task", "code"]
    other = pool_of(write(tmp_path / "b", text))
    assert fill(other, "x", 50) == fill(pool_of(write(tmp_path / "a", POOL)), "x", 50)


def test_another_seed_fills_otherwise(tmp_path: Path) -> None:
    pool = pool_of(write(tmp_path / "more", POOL))
    assert fill(pool, "a", 20) != fill(pool, "b", 20)


@pytest.mark.parametrize("variants", [0, 1, 5, 64])
def test_each_template_is_used_about_equally(pools: tuple[TextPool, ...], variants: int) -> None:
    for pool in pools:
        marked = [
            template.__class__(template.error_message, f"reason {number}")
            for number, template in enumerate(pool.templates)
        ]
        numbered = TextPool(**(vars(pool) | {"templates": tuple(marked)}))
        used = Counter(reason for _, reason in fill(numbered, "equal", variants))
        counts = [used[template.status_reason] for template in marked]
        assert sum(counts) == variants
        assert max(counts) - min(counts) <= 1


def test_the_first_text_differs_from_seed_to_seed(tmp_path: Path) -> None:
    pool = pool_of(write(tmp_path / "more", POOL))
    firsts = {fill(pool, str(seed), 1)[0][0].split()[-1] == "gone" for seed in range(20)}
    assert firsts == {True, False}


def test_braces_are_written_twice(tmp_path: Path) -> None:
    pair = {"error_message": "Answer {{}} for {task}", "status_reason": "empty"}
    pool = POOL | {"templates": [pair], "slots": {"task": ["load"]}}
    assert fill(pool_of(write(tmp_path / "m", pool)), "x", 1) == (("Answer {} for load", "empty"),)


def test_checksums_are_those_of_the_files_used(tmp_path: Path, pools: tuple[TextPool, ...]) -> None:
    folder = write(tmp_path / "more", POOL)
    found = checksums(load_pools([folder]))
    used = {pool.file_name for pool in pools}
    assert found == {
        name: hashlib.sha256((SHIPPED / name).read_bytes()).hexdigest() for name in used
    } | {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    assert list(found) == sorted(found)


def changed(**keys: object) -> dict[str, Any]:
    return {key: value for key, value in (POOL | keys).items() if value is not None}


def templates(*messages: str) -> list[dict[str, str]]:
    return [{"error_message": message, "status_reason": "{task} {code}"} for message in messages]


FAULTS: list[tuple[str, dict[str, Any] | str, str]] = [
    ("unknown key", changed(wait=1), "wait: Extra inputs are not permitted"),
    ("missing key", changed(kind=None), "kind: Field required"),
    ("unknown platform", changed(platform="spark"), "platform: 'spark' is not one of airflow, dbt"),
    ("unknown kind", changed(kind="success"), "kind: 'success' is not one of skipped, canceled, "),
    ("cause no slug", changed(cause="New cause"), "cause: expected a name of lower-case letters"),
    ("no weight", changed(weight=None), "weight: expected a whole number of 1 or more"),
    ("weight zero", changed(weight=0), "weight: Input should be greater than or equal to 1"),
    ("weight text", changed(weight="2"), "weight: Input should be a valid integer"),
    ("no templates", changed(templates=[]), "templates: Tuple should have at least 1 item"),
    (
        "no slot values",
        changed(slots=POOL["slots"] | {"task": []}),
        "slots.task: Tuple should have",
    ),
    (
        "slot not defined",
        changed(slots={"code": [1]}),
        "templates.0.error_message: expected the slot task under slots",
    ),
    (
        "slot not used",
        changed(slots=POOL["slots"] | {"host": ["a"]}),
        "slots.host: expected a template that uses it",
    ),
    (
        "slot with a boolean",
        "slots: {task: [no]}\n",
        "slots.task.0: expected a whole number or a text (put it in quotes)",
    ),
    (
        "slot with a blank text",
        changed(slots=POOL["slots"] | {"task": ["load "]}),
        "slots.task.0: expected a text without blanks",
    ),
    (
        "slot with a control character",
        changed(slots=POOL["slots"] | {"task": ["lo\x1bad"]}),
        "slots.task.0: expected one line without control characters",
    ),
    (
        "range that falls",
        changed(slots=POOL["slots"] | {"code": {"from": 3, "to": 2}}),
        "slots.code.to: expected 3 or more",
    ),
    (
        "range without end",
        changed(slots=POOL["slots"] | {"code": {"from": 3}}),
        "slots.code.to: Field required",
    ),
    (
        "range with fractions",
        changed(slots=POOL["slots"] | {"code": {"from": 0, "to": 1, "step": 0.5}}),
        "slots.code.step: Input should be a valid integer",
    ),
    (
        "line break",
        changed(templates=templates("two\nlines")),
        "templates.0.error_message: expected one line without control characters",
    ),
    ("blank text", changed(templates=templates(" ")), "templates.0.error_message: expected a text"),
    (
        "stray brace",
        changed(templates=templates("{task")),
        "templates.0.error_message: expected '}' before end of string: expected {slot}",
    ),
    (
        "format",
        changed(templates=templates("{code:,}")),
        "templates.0.error_message: expected nothing but a name",
    ),
    (
        "attribute",
        changed(templates=templates("{task.__class__}")),
        "templates.0.error_message: expected nothing but a name",
    ),
    (
        "no error message",
        changed(templates=[{"status_reason": "{task} {code}"}]),
        "templates.0.error_message: expected a text, since the runs are failed",
    ),
    (
        "error message of a skipped run",
        changed(kind="skipped"),
        "templates.0.error_message: expected none, since the runs are skipped",
    ),
    (
        "credential in a template",
        changed(templates=templates("Bad password={task}")),
        "templates.0.error_message: looks like a credential (rule W05)",
    ),
    (
        "credential in a value",
        changed(
            templates=templates("No {word}"),
            slots=POOL["slots"] | {"word": ["luck", "passwd: x"]},
        ),
        "templates.0.error_message: with slots.word it looks like a credential (rule W05)",
    ),
    ("list", "- a\n", "file: expected the keys platform, cause, kind, weight, templates, slots"),
    ("no YAML", "platform: [\n", "file: expected YAML, but "),
    ("no date", "platform: 2026-13-01\n", "file: expected YAML, but month must be"),
    ("key twice", "weight: 1\nweight: 2\n", "the key weight is given twice in the mapping at line"),
]


@pytest.mark.parametrize(
    ("pool", "message"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS]
)
def test_a_fault_is_told_with_file_and_key(
    tmp_path: Path, pool: dict[str, Any] | str, message: str
) -> None:
    folder = write(tmp_path / "more", pool)
    with pytest.raises(ChmError) as caught:
        load_pools([folder])
    path = folder / "airflow_new_cause.yaml"
    assert message in str(caught.value)
    assert {line.split(": ")[0] for line in str(caught.value).splitlines()} == {str(path)}


def test_a_credential_is_not_repeated(tmp_path: Path) -> None:
    folder = write(tmp_path / "more", changed(templates=templates("{task} password=hunter2")))
    with pytest.raises(ChmError) as caught:
        load_pools([folder])
    assert "hunter2" not in str(caught.value)


def test_a_credential_made_of_two_values_is_found_when_it_is_filled(tmp_path: Path) -> None:
    pair = {"error_message": "No {first}{second}", "status_reason": "odd"}
    slots = {"first": ["a", "pass"], "second": ["b", "word=x"]}
    found = pool_of(write(tmp_path / "more", changed(templates=[pair], slots=slots)))
    with pytest.raises(ChmError, match=r"airflow_new_cause\.yaml: templates: .*W05"):
        fill(found, "x", 50)


def test_the_faults_of_all_files_are_told(tmp_path: Path) -> None:
    folder = write(tmp_path / "more", changed(weight=0, wait=1))
    write(folder, changed(cause="other", slots=POOL["slots"] | {"x": [1]}), "airflow_other.yaml")
    with pytest.raises(ChmError) as caught:
        load_pools([folder])
    assert len(str(caught.value).splitlines()) == 3


def test_a_planted_cause_has_no_weight_and_its_own_kind(tmp_path: Path) -> None:
    skipped = {"kind": "skipped", "templates": [{"status_reason": "x"}], "slots": {}}
    pool = changed(cause="timeout", **skipped)
    with pytest.raises(ChmError) as caught:
        load_pools([write(tmp_path / "more", pool, "airflow_timeout.yaml")])
    assert "weight: expected none, since timeout is planted" in str(caught.value)


def test_a_planted_cause_has_its_own_kind(tmp_path: Path) -> None:
    pair = {"status_reason": "x"}
    pool = changed(cause="broken", kind="skipped", weight=None, templates=[pair], slots={})
    with pytest.raises(ChmError, match="kind: expected failed for the cause broken"):
        load_pools([write(tmp_path / "more", pool, "airflow_broken.yaml")])


def test_two_pools_for_one_cause_are_refused(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a", POOL), write(tmp_path / "b", POOL)
    name = "airflow_new_cause.yaml"
    with pytest.raises(ChmError) as caught:
        load_pools([first, second])
    assert str(caught.value) == (
        f"{second / name}: platform, cause: expected another pair than that of {first / name}"
    )


def test_the_file_name_says_platform_and_cause(tmp_path: Path) -> None:
    with pytest.raises(ChmError, match=r"expected the file name airflow_new_cause\.yaml"):
        load_pools([write(tmp_path / "more", POOL, "airflow_mine.yaml")])


def test_no_file_is_passed_over_in_silence(tmp_path: Path) -> None:
    with pytest.raises(ChmError, match=r"mine\.yml: expected a name that ends in \.yaml"):
        load_pools([write(tmp_path / "more", POOL, "mine.yml")])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ChmError, match="empty holds no pool"):
        load_pools([tmp_path / "empty"])
    with pytest.raises(ChmError, match=r"can't read the folder .*nowhere"):
        load_pools([tmp_path / "nowhere"])
    (tmp_path / "folder" / "airflow_x.yaml").mkdir(parents=True)
    with pytest.raises(ChmError, match=r"airflow_x\.yaml: can't be read: Is a directory"):
        load_pools([tmp_path / "folder"])
