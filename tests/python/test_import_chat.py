"""`chm import-chat`: what is filed, what is refused, and that a refusal changes nothing."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from chm.chat.exchange import stage_beside
from chm.chat.importer import import_answers
from chm.errors import ChmError
from chm.exchange import put_in_place
from chm.generate.verify import verify
from chm.validate import validate
from data_sets import (
    ALERT_RULES,
    CLIENTS,
    PIPELINES,
    RUNS,
    alert_rule,
    client,
    file_text,
    identifier,
    pipeline,
    run,
    valid_data_set,
    write_data_set,
)

CHM = Path(sys.executable).with_name("chm")


def answer(*tables, name="answer.md"):
    blocks = "\n\n".join(f"Here is more:\n\n```csv\n{file_text(rows)}```" for rows in tables)
    return name, blocks.encode()


def everything():
    data = valid_data_set()
    return answer(*(data[name] for name in (CLIENTS, PIPELINES, ALERT_RULES, RUNS)))


def tree(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def registry(folder):
    with (folder / "context/id_registry.csv").open(newline="") as file:
        return [(row["entity_id"], row["entity_name"]) for row in csv.DictReader(file)]


def refused(folder, *answers):
    """Import what must be refused, see that nothing was written, return the messages."""
    before = tree(folder) if folder.exists() else None
    found = import_answers(answers, folder)
    assert not found.is_accepted
    assert found.files == ()
    assert (tree(folder) if folder.exists() else None) == before
    assert [path.name for path in folder.parent.iterdir() if path.name.endswith(".import")] == []
    return [str(item) for item in found.violations if item.level == "E"]


def test_a_first_answer_makes_a_data_set(tmp_path):
    folder = tmp_path / "new" / "data"
    found = import_answers([everything()], folder)
    assert found.is_accepted
    assert list(tree(folder)) == [
        "base/alert_rules.csv",
        "base/clients.csv",
        "base/pipelines.csv",
        "batches/runs_20260105_batch01.csv",
        "context/generation_manifest_batch01.yaml",
        "context/id_registry.csv",
    ]
    for name, rows in valid_data_set().items():
        part = "batches" if name == RUNS else "base"
        assert (folder / part / name).read_text() == file_text(rows)
    assert validate(folder).violations == ()
    assert verify(folder) == ()
    assert [name for _, name in registry(folder)] == [
        *(f"Client {n}" for n in (1, 2, 3)),
        *(f"Pipeline {n}" for n in (1, 2, 3, 4)),
    ]
    assert folder.stat().st_mode == folder.parent.stat().st_mode


def test_steps_go_on_from_each_other(tmp_path):
    folder, data = tmp_path / "data", valid_data_set()
    for step, names in enumerate([[CLIENTS], [PIPELINES], [ALERT_RULES], [RUNS], [RUNS]]):
        tables = [data[name] for name in names]
        if step == 4:
            tables = [
                [
                    run(
                        70,
                        started_at="2026-01-09T01:00:00Z",
                        finished_at="2026-01-09T01:10:00Z",
                        ingested_at="2026-01-09T01:10:00Z",
                    )
                ],
                [run(71)],
            ]
        before = tree(folder) if folder.exists() else {}
        assert import_answers([answer(*tables)], folder).is_accepted
        assert validate(folder).is_valid
        assert verify(folder) == ()
        after = tree(folder)
        assert all(after[name].startswith(content) for name, content in before.items())
    assert len(registry(folder)) == len(set(registry(folder))) == 7
    assert [name for name in after if name.startswith("batches/")] == [
        "batches/runs_20260105_batch01.csv",
        "batches/runs_20260105_batch03.csv",
        "batches/runs_20260109_batch02.csv",
    ]


def test_manifests_hold_in_the_order_of_their_names_whatever_came_when(tmp_path):
    folder = tmp_path / "data"
    import_answers([everything()], folder)
    import_answers([answer([client(8)])], folder)
    import_answers([answer([client(9)], [run(90)])], folder)
    import_answers([answer([alert_rule(9)])], folder)
    assert [path.name for path in sorted(folder.glob("context/gen*"))] == [
        "generation_manifest_batch01.yaml",
        "generation_manifest_batch01_base01.yaml",
        "generation_manifest_batch02.yaml",
        "generation_manifest_batch02_base01.yaml",
    ]
    assert verify(folder) == ()


def test_batches_go_on_behind_99(folder):
    (folder / "batches" / RUNS).rename(folder / "batches" / "runs_20260105_batch98.csv")
    for number in (90, 91, 92):
        assert import_answers([answer([run(number)])], folder).is_accepted
    assert [path.name for path in sorted(folder.glob("context/gen*"))] == [
        "generation_manifest_batch99.yaml",
        "generation_manifest_batch99_base01.yaml",
        "generation_manifest_batch99_base02.yaml",
    ]
    assert (folder / "batches/runs_20260105_batch101.csv").exists()


def test_a_data_set_without_a_registry_gets_one_of_all_it_has(folder):
    assert import_answers([answer([client(9)], [run(90)])], folder).is_accepted
    assert [name for _, name in registry(folder)] == [
        *(f"Client {n}" for n in (1, 2, 3, 9)),
        *(f"Pipeline {n}" for n in (1, 2, 3, 4)),
    ]


def test_the_bytes_that_are_there_stay_and_their_column_order_and_line_ends_are_kept(tmp_path):
    data = valid_data_set()
    folder = write_data_set(tmp_path / "data", data)
    path = folder / "base" / CLIENTS
    columns = list(reversed(data[CLIENTS][0]))
    path.write_bytes(file_text(data[CLIENTS], columns, newline="\r\n").rstrip().encode())
    before = path.read_bytes()
    linked = tmp_path / "link.csv"
    os.link(path, linked)
    assert import_answers([answer([client(9)])], folder).is_accepted
    added = path.read_bytes().removeprefix(before)
    assert added == b"\r\n" + ",".join(reversed(client(9).values())).encode() + b"\r\n"
    assert linked.read_bytes() == before


def test_texts_come_through_as_they_are(tmp_path):
    message = 'two\nlines, “curly” and "straight", 100\u00a0%\ttab'
    rows = [run(90, status="failed", error_message=message, status_reason="…")]
    folder = write_data_set(tmp_path / "data", valid_data_set())
    assert import_answers([answer(rows)], folder).is_accepted
    (path,) = folder.glob("batches/*_batch02.csv")
    with path.open(newline="") as file:
        assert list(csv.DictReader(file)) == rows


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ([run(90, status="SUCCESS")], "answer.md:5 status R06 'SUCCESS' is not one of"),
        ([run(90, started_at="2026-01-05T01:00:00")], "answer.md:5 started_at R07 "),
        ([run(90, finished_at="2026-01-04T01:00:00Z")], "answer.md:5 finished_at R08 "),
        ([run(90, duration_seconds="-1")], "answer.md:5 duration_seconds R09 '-1' is less"),
        ([run(90, payload="{'a': 1}")], "answer.md:5 payload R11 "),
        ([run(90, error_message="oops")], "answer.md:5 error_message R14 'oops' is set"),
        ([run(90, finished_at="")], "answer.md:5 finished_at R15 '' is empty"),
        (
            [client(9, name="Client 1")],
            "answer.md:5 name R04 'Client 1' is not unique: used before at clients.csv:2",
        ),
        (
            [client(9), client(9, name="Other")],
            f"answer.md:6 id R03 '{identifier(1, 9)}' is not unique: used before at answer.md:5",
        ),
        ([run(90, external_run_id="run-1")], "answer.md:5 external_run_id R10 'run-1' "),
        ([run(90, pipeline_id=identifier(2, 77))], "answer.md:5 pipeline_id R05 "),
        ([alert_rule(9, client_id="")], "answer.md:5 client_id R12 "),
        ([alert_rule(9, rule_type="failures_in_window")], "answer.md:5 threshold R13 "),
        ([alert_rule(9, destination="#alerts-1")], "answer.md:5 destination R16 "),
        ([client(9, name="")], "answer.md:5 name R02 '' is empty"),
        ([client(9, id="client-9")], "answer.md:5 id R03 'client-9' is not a UUID"),
    ],
)
def test_every_rule_refuses_with_the_line_of_the_answer(folder, table, expected):
    messages = refused(folder, answer(table))
    assert any(message.startswith(expected) for message in messages), messages


def test_a_broken_row_makes_no_orphans_and_hides_no_other_fault(tmp_path):
    data = valid_data_set()
    text = answer(data[CLIENTS], data[PIPELINES])[1].decode().replace("Client 1,", "Client, 1,")
    text = text.replace("airflow,dag-1", "Airflow,dag-1")
    messages = refused(tmp_path / "data", ("a.md", text.encode()))
    row = text.splitlines()[4]
    assert messages[0] == (
        f"a.md:5 R01 '{row}' the row has 6 fields instead of 5: a text with commas needs "
        '"quotes" around it, and its own quotes doubled'
    )
    assert [message.split("'")[0] for message in messages[1:]] == ["a.md:14 platform R06 "]


def test_the_same_table_twice_is_refused(tmp_path):
    rows = valid_data_set()[CLIENTS]
    messages = refused(tmp_path / "data", answer(rows, name="a.md"), answer(rows, name="b.md"))
    assert messages[0].endswith("is not unique: used before at a.md:5")
    assert {message.split(":")[0] for message in messages} == {"b.md"}


def test_warnings_are_told_and_do_not_stop(folder):
    found = import_answers([answer([run(90, rows_processed="1")])], folder)
    assert found.is_accepted
    assert [str(item).split("'")[0] for item in found.violations] == [
        "answer.md:5 rows_processed W02 "
    ]


def test_a_parent_must_be_in_the_registry(folder):
    import_answers([answer([client(9)])], folder)
    path = folder / "base" / PIPELINES
    path.write_text(
        path.read_text()
        + ",".join(pipeline(50).values()).replace("Loads orders, hourly", "")
        + "\n"
    )
    messages = refused(folder, answer([run(90, pipeline_id=identifier(2, 50))]))
    assert messages == [
        f"answer.md:5 pipeline_id R05 '{identifier(2, 50)}' is not an id of pipelines in "
        "context/id_registry.csv"
    ]


def test_a_frozen_id_is_not_used_again(folder):
    import_answers([answer([client(9)])], folder)
    path = folder / "base" / CLIENTS
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    messages = refused(folder, answer([client(9, id=identifier(1, 9).upper(), name="New")]))
    assert messages == [
        f"answer.md:5 id R03 '{identifier(1, 9)}' is the frozen id of another client in "
        "context/id_registry.csv"
    ]


def test_a_changed_name_of_a_known_id_is_refused(folder):
    import_answers([answer([client(9)])], folder)
    path = folder / "base" / CLIENTS
    path.write_text(path.read_text().replace("Client 2", "Renamed"))
    with pytest.raises(ChmError, match=r"is called 'Renamed', in .* 'Client 2'.*frozen"):
        import_answers([answer([client(10)])], folder)


def test_a_registry_that_is_none_is_named(folder):
    (folder / "context").mkdir()
    (folder / "context/id_registry.csv").write_text("id,name\n")
    with pytest.raises(ChmError, match=r"id_registry\.csv:1 is no id registry"):
        import_answers([answer([client(9)])], folder)


def test_a_data_set_that_is_not_valid_itself_is_told(folder):
    path = folder / "base" / CLIENTS
    path.write_text(path.read_text().replace("Client 2,true", "Client 2,maybe"))
    with pytest.raises(ChmError, match=r"clients\.csv:3 is_active R02[\s\S]*data set itself"):
        import_answers([answer([client(9)])], folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "a.md: no table found"),
        (b"I can't do that.", "a.md: no table found"),
        (b"```json\n{}\n```", r"no table found[\s\S]*passed over a.md:1 block 'json': no table"),
        (b"ok\n\xff\xfe", "a.md:2 is not text in UTF-8"),
    ],
)
def test_an_answer_without_a_table_is_an_error(tmp_path, content, message):
    with pytest.raises(ChmError, match=message):
        import_answers([("a.md", content)], tmp_path / "data")
    assert list(tmp_path.iterdir()) == []


def test_utf_16_is_read_too(tmp_path):
    name, content = everything()
    text = content.decode().encode("utf-16")
    assert import_answers([(name, text)], tmp_path / "data").is_accepted


def test_an_error_while_writing_leaves_the_data_set(folder, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    before = tree(folder)
    monkeypatch.setattr("chm.chat.importer.put_in_place", fail)
    with pytest.raises(ChmError, match="No space left on device"):
        import_answers([answer([client(9)])], folder)
    assert tree(folder) == before
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_an_import_that_is_killed_leaves_the_old_or_the_new_data_set(tmp_path):
    folder = write_data_set(tmp_path / "data", valid_data_set())
    saved = tmp_path / "a.md"
    saved.write_bytes(answer([client(9)])[1])
    before = tree(folder)
    for delay in (0.2, 0.5, 0.7, 0.9, 1.1):
        process = subprocess.Popen(
            [CHM, "import-chat", saved, "--into", folder],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
        now = tree(folder)
        assert now == before or (validate(folder).is_valid and len(now) == len(before) + 2)
        if now != before:
            break


@pytest.mark.parametrize("exchange", [True, False])
def test_folders_change_places(tmp_path, monkeypatch, exchange):
    if not exchange:
        monkeypatch.setattr("chm.exchange._exchange", lambda *_: False)
    folder = write_data_set(tmp_path / "data", {CLIENTS: [client(1)]})
    with stage_beside(folder) as stage:
        (stage / "new").write_text("")
        put_in_place(stage, folder)
        assert list(tree(stage)) == ["base/clients.csv"]
    assert list(tree(folder)) == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_two_imports_at_once_are_refused(folder):
    with stage_beside(folder), pytest.raises(ChmError, match="another import is at it"):
        import_answers([answer([client(9)])], folder)


def call(*arguments, stdin=b"", cwd=None):
    return subprocess.run(
        [CHM, "import-chat", *arguments], input=stdin, capture_output=True, cwd=cwd, check=False
    )


def test_the_command_line(tmp_path):
    saved = tmp_path / "a.md"
    saved.write_bytes(everything()[1])
    done = call(saved, "--into", tmp_path / "data")
    assert done.returncode == 0
    assert b"imported 3 clients, 4 pipelines, 5 alert_rules, 6 runs" in done.stdout
    done = call("-", "--into", tmp_path / "data", "--limit", "2", stdin=saved.read_bytes())
    assert done.returncode == 1
    assert done.stdout == b""
    lines = done.stderr.decode().splitlines()
    assert lines[0].startswith("error: refused: 37 errors (R03 18, R04 9, R10 6, R16 4)")
    assert len([line for line in lines if line.startswith("stdin:")]) == 8
    done = call(saved, saved, "--into", tmp_path / "data")
    assert (done.returncode, done.stderr.decode()) == (1, f"error: {saved} is given twice\n")
    done = call(tmp_path / "none.md", "--into", tmp_path / "data")
    assert done.returncode == 1
    assert b"none.md can't be read: No such file" in done.stderr
    done = call(saved, "--into", ".", cwd=tmp_path / "data")
    assert done.returncode == 1
    assert b"holds the working directory" in done.stderr
    assert json.loads(
        subprocess.run(
            [CHM, "validate", tmp_path / "data", "--format", "json"],
            capture_output=True,
            check=True,
        ).stdout
    )["is_valid"]
