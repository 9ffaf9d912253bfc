"""`chm exec`: a job runs as if chm were not there, and is recorded."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from chm.cli import app
from chm.execute.event import Job, JobEnd, end_event
from chm.execute.send import send_spooled
from chm.execute.spool import SpooledEvent, put_event, read_event, spooled_files
from chm.execute.tail import Tail
from chm.load import load
from data_sets import identifier
from raw_tables import query

SECRET = "hunter2Q9zK"
CHM = str(Path(sys.executable).with_name("chm"))
# No target of the profile: what is spooled for it stays.
NOWHERE = "nowhere"
EVERY_BYTE = bytes(range(256)) * 64


@pytest.fixture
def exec_(tmp_path):
    """The command line of a job; its events are spooled in tmp_path/spool."""

    def command(target, *job, options=("--client", "Acme", "--register")):
        return [
            *(CHM, "exec", "--pipeline", "Nightly", *options, "--target", target),
            *("--spool", tmp_path / "spool", "--dead-letters", tmp_path / "dead.jsonl"),
            *("--", *job),
        ]

    return command


@pytest.fixture
def events(tmp_path):
    """The events in the spool, the oldest first."""

    def read():
        return [read_event(path).event for path in spooled_files(tmp_path / "spool")]

    return read


def run(command, **options):
    return subprocess.run(command, capture_output=True, timeout=60, check=False, **options)


def runs(target, columns="cast(status as varchar)"):
    return query(
        target,
        f"select {columns} from raw.runs inner join raw.pipelines on pipelines.id = pipeline_id "
        "where pipelines.name = 'Nightly' order by external_run_id",
    )


def wait_for(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_job_is_recorded_and_passed_through(target, folder, exec_, events):
    load(folder, target)
    job = f"""
import os, sys
os.write(1, sys.stdin.buffer.read())
os.write(2, {EVERY_BYTE!r})
os.write(2, b"\\nlogin with password={SECRET}\\nlast line\\n")
sys.exit(3)
"""
    found = run(exec_(target.name, sys.executable, "-c", job), input=EVERY_BYTE)
    assert found.returncode == 3
    assert found.stdout == EVERY_BYTE
    expected = EVERY_BYTE + f"\nlogin with password={SECRET}\nlast line\n".encode()
    assert found.stderr == expected
    ((status, reason, message, seconds, ends, payload),) = runs(
        target,
        "cast(status as varchar), status_reason, error_message, duration_seconds, "
        "finished_at >= runs.started_at and runs.updated_at = finished_at, "
        "cast(payload as varchar)",
    )
    assert (status, reason, ends) == ("failed", "exit code 3", True)
    assert message.endswith("\nlogin with password=***\nlast line")
    assert 0 <= seconds < 30
    assert json.loads(payload)["command"][0] == sys.executable
    assert SECRET not in message + payload
    assert events() == []


def test_a_running_job_is_recorded_as_running(target, folder, exec_):
    load(folder, target)
    command = exec_(target.name, "sh", "-c", "echo started; read line; exit 0")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"started\n"
        wait_for(lambda: runs(target) == [("running",)])
        process.communicate(b"go\n")
    assert process.returncode == 0
    assert runs(target, "cast(status as varchar), status_reason, error_message") == [
        ("success", None, None)
    ]


def test_what_a_database_missed_is_sent_by_the_next_call(target, folder, exec_, events):
    load(folder, target)
    away = {"CHM_DUCKDB_PATH": "/nowhere/w.duckdb", "CHM_PG_PORT": "1"}
    job = ("sh", "-c", f"echo password={SECRET} >&2", "--token", SECRET)
    found = run(exec_(target.name, *job), env=os.environ | away)
    assert found.returncode == 0
    assert b"kept in" in found.stderr
    assert SECRET not in json.dumps(events())
    assert [event["status"] for event in events()] == ["running", "success"]
    assert run(exec_(target.name, "false")).returncode == 1
    assert sorted(runs(target)) == [("failed",), ("success",)]
    assert events() == []


def test_calls_share_a_spool(duckdb_target, folder, exec_, events, tmp_path):
    load(folder, duckdb_target)
    put_event(tmp_path / "spool", SpooledEvent(NOWHERE, False, {"external_run_id": "stays"}))
    (tmp_path / "spool" / "0.json").write_text("{")
    processes = [
        subprocess.Popen(exec_("dev", "sh", "-c", f"exit {code}"), stderr=subprocess.PIPE)
        for code in (0, 5)
    ]
    for process in processes:
        process.communicate(timeout=60)
    assert [process.returncode for process in processes] == [0, 5]
    assert sorted(runs(duckdb_target)) == [("failed",), ("success",)]
    assert [event["external_run_id"] for event in events()] == ["stays"]
    # What is no event does not come back forever.
    assert "no spooled event" in (tmp_path / "dead.jsonl").read_text("utf-8")


@pytest.fixture
def send(tmp_path):
    """Spool the end of a job and send the spool: what is told, and the dead letters."""

    def run(target, pipeline, client=None):
        spool, letters = tmp_path / "spool", tmp_path / "dead.jsonl"
        job = Job(pipeline, client, f"run of {pipeline}", ["job"])
        end = JobEnd(4, 1, "last line")
        event = end_event(job, datetime(2026, 3, 1, tzinfo=UTC), end)
        put_event(spool, SpooledEvent(target.name, False, event))
        told = send_spooled(spool, letters)
        return told, letters.read_text("utf-8").splitlines() if letters.exists() else []

    return run


def test_refused_events_go_to_the_dead_letters(duckdb_target, folder, send, events):
    load(folder, duckdb_target)
    told, (letter,) = send(duckdb_target, "Unknown")
    assert [line.split(",")[0] for line in told] == ["events refused: 1"]
    assert "unknown pipeline" in json.loads(letter)["reason"]
    assert json.loads(letter)["event"]["status_reason"] == "exit code 4"
    assert events() == []


@pytest.mark.parametrize(
    ("name", "client"),
    [("Pipeline 1", None), ("Pipeline 1", "Client 1"), (identifier(2, 1), None)],
)
def test_a_pipeline_is_named_by_what_is_known_of_it(duckdb_target, folder, send, name, client):
    load(folder, duckdb_target)
    assert send(duckdb_target, name, client) == ([], [])
    stored = query(
        duckdb_target,
        "select pipelines.name from raw.runs inner join raw.pipelines "
        f"on pipelines.id = pipeline_id where external_run_id = 'run of {name}'",
    )
    assert stored == [("Pipeline 1",)]


def test_jobs_that_can_not_start(exec_, events, tmp_path):
    found = run(exec_(NOWHERE, "no-such-command"))
    assert found.returncode == 127
    assert found.stderr.startswith(b"chm exec: no-such-command: command not found\n")
    assert run(exec_(NOWHERE, str(tmp_path))).returncode == 126
    assert [(event["status"], event.get("exit_code")) for event in events()] == [
        *(("running", None), ("failed", 127), ("running", None), ("failed", 126)),
    ]
    assert events()[1]["error_message"] == "no-such-command: command not found"
    # Without #!, as every shell runs it.
    script = tmp_path / "script"
    script.write_text('exit "$1"\n')
    script.chmod(0o700)
    assert run(exec_(NOWHERE, str(script), "9")).returncode == 9


def test_signals_reach_the_job_and_its_death_is_passed_on(exec_, events):
    job = "trap 'echo got it; exit 7' TERM; echo ready; while :; do sleep 0.05; done"
    command = exec_(NOWHERE, "sh", "-c", job)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.read() == b"got it\n"
    assert process.returncode == 7
    with subprocess.Popen(
        exec_(NOWHERE, "sh", "-c", "echo ready; exec sleep 60"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGHUP)
    assert process.returncode == -signal.SIGHUP
    assert [event.get("signal") for event in events() if event["status"] == "failed"] == [
        None,
        "SIGHUP",
    ]
    assert events()[-1]["status_reason"] == "killed by signal 1 (SIGHUP)"


COUNTING = """
import os, signal, sys, time
count = 0
def counted(*_):
    global count
    count += 1
signal.signal(signal.SIGINT, counted)
if "alone" in sys.argv:
    os.setsid()
print("ready", flush=True)
time.sleep(1)
print("interrupts:", count, flush=True)
"""


@pytest.mark.parametrize(("group", "count"), [("shared", b"1"), ("alone", b"0")])
def test_an_interrupt_at_the_terminal_is_not_passed_on_again(exec_, group, count):
    process, terminal = pty.fork()
    if process == 0:
        command = [str(part) for part in exec_(NOWHERE, sys.executable, "-c", COUNTING, group)]
        os.execv(command[0], command)
    shown = b""
    while b"ready" not in shown:
        shown += os.read(terminal, 1000)
    os.write(terminal, b"\x03")
    while b"interrupts:" not in shown or not shown.endswith(b"\n"):
        shown += os.read(terminal, 1000)
    assert b"interrupts: " + count + b"\r\n" in shown
    while True:
        try:
            os.read(terminal, 1000)
        except OSError:
            break
    os.close(terminal)
    assert os.waitpid(process, 0)[1] == 0


def test_what_a_job_leaves_behind_goes_on(exec_, tmp_path):
    go = tmp_path / "go"
    job = f"(while [ ! -e {go} ]; do sleep 0.05; done; echo late >&2) & echo done"
    with subprocess.Popen(
        exec_(NOWHERE, "sh", "-c", job),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:
        # Not waited for: the job itself is done.
        assert process.wait(timeout=30) == 0
        go.touch()
        assert process.stderr.read().endswith(b"late\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--pipeline", "p"],
        ["--pipeline", "p", "--"],
        ["--", "touch", "ran"],
        ["--pipeline", "p", "--register", "--", "touch", "ran"],
    ],
)
def test_a_command_line_that_makes_no_sense_runs_nothing(arguments, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["exec", *arguments])
    assert getattr(result.exception, "exit_code", result.exit_code) == 2
    assert not (tmp_path / "ran").exists()


def test_trouble_of_its_own_does_not_stop_a_job(exec_, tmp_path):
    (tmp_path / "spool").write_text("a file")
    environment = os.environ | {"CHM_PROJECT_DIR": "/nowhere"}
    found = run(exec_(NOWHERE, "sh", "-c", "echo ran; exit 5"), env=environment)
    assert (found.returncode, found.stdout) == (5, b"ran\n")
    assert b"not recorded" in found.stderr


def test_an_end_is_never_before_its_start():
    started_at = datetime(2026, 3, 1, tzinfo=UTC)
    job = Job("Nightly", None, "r", ["job"])
    event = end_event(job, started_at, JobEnd(0, 61.5, "said"))
    assert event["finished_at"] == "2026-03-01T00:01:01.500000+00:00"
    assert (event["duration_seconds"], event["stderr"]) == (61, "said")
    assert "error_message" not in event


def tail(*parts):
    found = Tail()
    for part in parts:
        found.add(part if isinstance(part, bytes) else part.encode())
    return found.text()


KEY = f"-----BEGIN RSA PRIVATE KEY-----\n{SECRET}\n-----END RSA PRIVATE KEY-----\n"


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ([], ""),
        (["one\n", "two\n\n"], "one\ntwo"),
        ([f"{number}\n" for number in range(99)], "\n".join(map(str, range(79, 99)))),
        (["  10 %\r  50 %\r 100 %\r\ndone\r\n"], "100 %\ndone"),
        (["\x1b[1;31mred\x1b[0m \x1b]0;title\x07text"], "red text"),
        ([b"\xff bytes"], "\ufffd bytes"),
        ([f"password=\x1b[1m{SECRET}\n"], "password=***"),
        ([KEY, "after\n"], "***\nafter"),
        (["a " * 5000], ("a " * 2000).strip()),
        # Cut in the middle of a key, of a line, of a word.
        (["x\n" * 99_999, SECRET, "\n", KEY.partition("\n")[2], "after\n"], None),
        ([f"password={SECRET * 20_000}\nafter\n"], "after"),
        ([f"password={SECRET * 20_000}"], ""),
    ],
)
def test_the_end_of_what_a_job_said(parts, text):
    found = tail(*parts)
    if text is not None:
        assert found == text
    assert len(found) <= 4000


def test_a_key_without_its_beginning_is_no_secret_told():
    lines = f"{SECRET}\n" * 20_000
    assert tail(lines, "-----END RSA PRIVATE KEY-----\nafter\n") == "***\nafter"
