"""`chm prompts`: every prompt is filled in from the contract and the registry."""

import re
from dataclasses import replace
from datetime import date

import pytest
import yaml
from typer.testing import CliRunner

from chm.chat import prompts
from chm.chat.importer import import_answers
from chm.chat.prompts import Order, make_prompt
from chm.cli import app
from chm.contract import load_contract
from chm.errors import ChmError
from chm.validate import RULES
from data_sets import CLIENTS, PIPELINES, file_text, valid_data_set

ORDER = Order(7, 23, 61, date(2026, 2, 1), date(2026, 2, 7))
NAMES = ["bootstrap", "base", "runs", "alert-rules", "templates"]
TABLES = {
    "bootstrap": ["clients", "pipelines", "runs", "alert_rules"],
    "base": ["clients", "pipelines"],
    "runs": ["runs"],
    "alert-rules": ["alert_rules"],
}


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_left_to_fill_in(name, folder):
    text = make_prompt(name, ORDER, folder)
    assert "${" not in text
    assert "doc(" not in text
    assert "None" not in text.replace("NULL, N/A, None", "")


@pytest.mark.parametrize(("name", "tables"), TABLES.items())
def test_the_tables_are_those_of_the_contract(name, tables, folder):
    text = make_prompt(name, ORDER, folder)
    for table in load_contract().tables.values():
        assert (",".join(table.column_names) + "\n" in text) == (table.name in tables)
        for column in table.columns:
            if table.name in tables and column.enum:
                values = ", ".join(load_contract().enums[column.enum].values)
                assert f"one of {values}" in text


def test_the_briefing_has_every_rule_and_every_value():
    text = make_prompt("bootstrap", ORDER)
    assert [rule for rule, words in RULES.items() if f"- {rule}: {words}\n" not in text] == []
    for enum in load_contract().enums.values():
        for value, row in enum.rows.items():
            assert f"- `{value}`: {row['description']}" in text
    assert "- `ingestion`: 50,000 to 5,000,000" in text


def test_a_value_that_is_new_in_the_contract_is_in_the_prompt(monkeypatch):
    contract = load_contract()
    platforms = contract.enums["platforms"]
    row = {"platform": "prefect", "platform_group": "other_platforms", "description": "Flows"}
    grown = replace(platforms, rows=platforms.rows | {"prefect": row})
    changed = replace(contract, enums=contract.enums | {"platforms": grown})
    monkeypatch.setattr(prompts, "load_contract", lambda: changed)
    assert "custom, prefect" in make_prompt("base", ORDER)


@pytest.mark.parametrize("with_registry", [True, False])
def test_the_known_ids_are_listed(folder, with_registry):
    data = valid_data_set()
    if with_registry:
        new = [
            row | {"id": row["id"].replace("abcdef", "fedcba"), "name": "More"}
            for row in data[CLIENTS][:1]
        ]
        import_answers([("a.csv", file_text(new).encode())], folder)
        data[CLIENTS] += new
    for name in ("base", "runs", "alert-rules"):
        text = make_prompt(name, ORDER, folder)
        for row in data[CLIENTS]:
            assert f"{row['id']},{row['name']},{row['is_active']},{row['created_at']}\n" in text
        for row in data[PIPELINES]:
            assert f"{row['id']},{row['client_id']},{row['name']},{row['platform']}," in text


def test_what_was_asked_for_is_in_the_prompt(folder):
    assert "7 new clients and 23 new pipelines" in make_prompt("base", ORDER)
    assert "There are none yet." in make_prompt("base", ORDER)
    assert "the registry holds 0 clients and 0 pipelines." in make_prompt("bootstrap", ORDER)
    data = valid_data_set()
    held = f"holds {len(data[CLIENTS])} clients and {len(data[PIPELINES])} pipelines."
    assert held in make_prompt("bootstrap", ORDER, folder)
    runs = make_prompt("runs", ORDER, folder)
    assert "# Runs, batch 02\n" in runs
    assert "61 new runs for the pipelines listed below, from 2026-02-01 to 2026-02-07" in runs
    assert "# Runs, batch 09\n" in make_prompt("runs", replace(ORDER, batch=9), folder)
    assert "61 new alert rules" in make_prompt("alert-rules", ORDER, folder)


def test_the_templates_prompt_has_the_format_and_the_pools_that_are_there():
    text = make_prompt("templates", ORDER)
    (example,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert {"platform", "cause", "templates", "slots"} <= yaml.safe_load(example).keys()
    assert "- dbt_test_failure\n" in text


@pytest.mark.parametrize("name", ["runs", "alert-rules"])
def test_prompts_that_need_parents_say_so(name, tmp_path):
    with pytest.raises(ChmError, match=f"prompt {name} needs clients and pipelines: name"):
        make_prompt(name, ORDER)
    with pytest.raises(ChmError, match="has none"):
        make_prompt(name, ORDER, tmp_path)
    with pytest.raises(ChmError, match="is not a folder"):
        make_prompt(name, ORDER, tmp_path / "nowhere")


def test_days_in_the_wrong_order_are_refused():
    with pytest.raises(ChmError, match="--from-date 2026-02-08 is after --to-date 2026-02-07"):
        make_prompt("base", replace(ORDER, first_day=date(2026, 2, 8)))


# The options that each prompt has a use for.
OPTIONS = {
    "bootstrap": {},
    "base": {"--clients": "7", "--pipelines": "23", "--from-date": "2026-02-01"},
    "runs": {"--rows": "61", "--from-date": "2026-02-01", "--to-date": "2026-02-07"},
    "alert-rules": {"--rows": "61"},
    "templates": {},
}
EVERY_OPTION = {
    **OPTIONS["base"],
    **OPTIONS["runs"],
    "--batch": "9",
    "--from": "folder",
}


def invoke(name, options):
    arguments = [word for pair in options.items() for word in pair]
    return CliRunner().invoke(app, ["prompts", name, *arguments])


@pytest.mark.parametrize("name", NAMES)
def test_the_command_prints_it(name, folder):
    needs = {} if name == "templates" else {"--from": str(folder)}
    result = invoke(name, OPTIONS[name] | needs)
    assert result.exit_code == 0
    assert result.output == make_prompt(name, ORDER, folder) + "\n"


@pytest.mark.parametrize("name", NAMES)
def test_an_option_that_changes_nothing_is_refused(name):
    has_use_for = set(OPTIONS[name])
    has_use_for |= {"--from"} if name != "templates" else set()
    has_use_for |= {"--batch"} if name == "runs" else set()
    for option in EVERY_OPTION.keys() - has_use_for:
        result = invoke(name, {option: EVERY_OPTION[option]})
        assert result.exception.exit_code == 2
        assert f"the prompt {name} has no use for {option}: it takes " in str(result.exception)


def test_numbers_that_contradict_each_other_are_refused(folder):
    with pytest.raises(ChmError, match="--pipelines 5 is less than --clients 7") as caught:
        make_prompt("base", replace(ORDER, pipelines=5))
    assert caught.value.exit_code == 2
    assert "60 new clients and 60 new pipelines" in invoke("base", {"--clients": "60"}).output
    with pytest.raises(ChmError, match="already has batch 1; 2 is free"):
        make_prompt("runs", replace(ORDER, batch=1), folder)


def test_a_day_that_is_none_is_a_wrong_command_line():
    result = CliRunner().invoke(app, ["prompts", "base", "--from-date", "soon"])
    assert result.exit_code == 2
    assert "is no day such as 2026-01-31" in result.output
