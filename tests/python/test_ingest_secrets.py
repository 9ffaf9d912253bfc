"""No secret of an event is in a table, a dead letter or a message."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from chm.cli import app
from chm.ingest.redact import redact, redact_text
from chm.load import load
from data_sets import identifier
from raw_tables import contents

SECRET = "hunter2Q9zK"
PEM = f"-----BEGIN RSA PRIVATE KEY-----\n{SECRET}\n{SECRET}\n-----END RSA PRIVATE KEY-----"
PLACES = {
    "password": SECRET,
    "Api-Key": SECRET,
    "apikey": SECRET,
    "x-api-key": SECRET,
    "accessToken": SECRET,
    "client_secret": {"nested": [SECRET]},
    "SECRET": [SECRET],
    "headers": {"Authorization": f"Basic {SECRET}"},
    "deep": [{"deeper": [{"db_password": SECRET}]}],
    "pairs": [{"name": "PGPASSWORD", "value": SECRET}],
    "argv": ["job", "--password", SECRET, f"--token={SECRET}"],
    "command": f"job --api-key {SECRET} -v",
    "curl": f"curl -H 'Authorization: Bearer {SECRET}' https://example.com",
    "bearer": f"sent bearer {SECRET}!",
    "url": f"postgresql://user:{SECRET}@db:5432/x",
    "token_url": f"https://{SECRET}@example.com/x",
    "query": f"https://example.com/?a=1&access_token={SECRET}&b=2",
    "json_text": json.dumps({"password": SECRET, "a": 1}),
    "json_text_twice": json.dumps(json.dumps({"api_key": SECRET})),
    "key_file": PEM,
    "key_line": json.dumps(PEM),
    "assignment": f"export DB_PASSWORD='{SECRET}'",
    f"password={SECRET}": 1,
    "error_message": f"login failed: password: {SECRET}",
    "status_reason": f"secret={SECRET}",
    "external_run_id": f"https://a:{SECRET}@b/7",
    "scheme": f"Authorization: Negotiate {SECRET}",
    "parts": f'Authorization: Digest username="u", response="{SECRET}"',
    "url_slash": f"postgresql://user:ab/{SECRET}@db/x",
    "bearer_name": {"bearer": SECRET},
    "bearer_list": ["Bearer", SECRET],
    "bearer_sign": f"bearer: {SECRET}",
    "key_lines": PEM.split("\n"),
    "key_crlf": PEM.lower().replace("\n", "\r\n"),
    "key_ssh2": f"---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\n{SECRET}\n",
    "upper_pair": [{"Key": "password", "Value": SECRET}],
    "json_indented": json.dumps({"password": {"a": [1, SECRET]}}, indent=1),
    "json_pair": json.dumps([{"name": "password", "value": SECRET}]),
    "json_argv": json.dumps(["--password", SECRET]),
    "json_letters": f'{{"p\\u0061ssword": "{SECRET}"}}',
    "json_inside": f"answer: {json.dumps({'tokens': ['a', SECRET]})}",
    "python_bytes": f"{{'password': b'{SECRET}'}}",
    "python_list": str(["--password", SECRET]),
    "python_escape": f"password='a\\nb {SECRET}'",
    "glued": f"password=abc'{SECRET}'",
    "comma": f"password=abc,{SECRET}",
    "xml": f"<password>{SECRET}</password>",
    "xml_pair": f'<add key="password" value="{SECRET}"/>',
    "yaml": f"password: |-\n  {SECRET}\nhost: x",
    "markdown": f"**password**: {SECRET}",
    "colours": f"\x1b[31mpassword\x1b[0m=\x1b[32m{SECRET}\x1b[0m",
    "assigned": f"password := {SECRET}",
    "quoted": f"wrong password '{SECRET}' for user",
    "percent": f"https://x/?q=1&token%3D{SECRET}",
}


def event(**fields):
    return {"pipeline_id": identifier(2, 1), "status": f"odd token={SECRET}"} | PLACES | fields


@pytest.mark.parametrize("place", PLACES)
def test_a_secret_is_replaced(place):
    assert SECRET not in json.dumps(redact({place: PLACES[place]}))


def test_planted_secrets_are_nowhere(target, folder, tmp_path):
    load(folder, target)
    path = tmp_path / "events.jsonl"
    good = json.dumps(event())
    refused = json.dumps(event(rows_processed=f"password={SECRET}"))
    broken = good[:-1]
    parted = f'{{"key": "{PEM}"}}\n{{"tokens": [\n"{SECRET}",\n"{SECRET}"\n], "a": 1}}'
    path.write_text(f"{good}\n{refused}\n{broken}\n{parted}\n")
    letters = tmp_path / "dead.jsonl"
    arguments = ["--target", target.name, "--dead-letters", str(letters)]
    result = CliRunner().invoke(app, ["ingest", "jsonl", str(path), *arguments])
    assert result.exit_code == 3
    again = CliRunner().invoke(app, ["ingest", "retry", str(letters), "--target", target.name])
    assert again.exit_code == 3
    assert len(letters.read_text().splitlines()) == 2 + len(parted.splitlines())
    for text in (letters.read_text(), str(contents(target)), result.output, again.output):
        assert SECRET not in text
    # What is no secret is kept.
    assert "https://example.com/?a=1" in str(contents(target)["runs"])


TEXTS = st.text(max_size=12)
TREES = st.recursive(
    TEXTS | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner)
)


@given(before=TREES, after=TREES, place=st.sampled_from(list(PLACES)), wrap=st.integers(0, 3))
def test_a_secret_is_replaced_wherever_it_stands(before, after, place, wrap):
    tree = {place: PLACES[place]}
    for _ in range(wrap):
        tree = {"x": [before, tree, after]}
    cleaned = redact(tree)
    assert SECRET not in json.dumps(cleaned)
    assert redact(cleaned) == cleaned


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ('{"password": "x", "a": [1.5, null]}', '{"password": "***", "a": [1.5, null]}'),
        ("a=1&access_token=x&b=2", "a=1&access_token=***&b=2"),
        ("host=h,password=x,user=u", "host=h,password=***,user=u"),
        ("-H 'X-Api-Key: x' https://h", "-H 'X-Api-Key: ***' https://h"),
        ("https://h:8080/a@b token=x; next", "https://h:8080/a@b token=***; next"),
    ],
)
def test_what_stands_beside_a_secret_stays(text, redacted):
    assert redact_text(text) == redacted


@pytest.mark.parametrize("text", ["a", "a.b", "token", "-a", "a://", "=password=\\", "<token "])
def test_long_texts_take_time_in_proportion(text):
    begin = time.process_time()
    redact_text(text * (100_000 // len(text)) + " token")
    assert time.process_time() - begin < 5


@pytest.mark.parametrize(
    "text", ["12 rows", "https://example.com/a@b", "passed all checks", "a private message", ""]
)
def test_plain_texts_stay(text):
    assert redact_text(text) == text
