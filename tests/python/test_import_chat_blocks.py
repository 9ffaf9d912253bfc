"""What is found in a chat model's answer: fences, bare tables, headers, what is refused."""

# ruff: noqa: RUF001 (quotes that look like others are the point)

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chm.chat.fences import Block, UnclosedFence, find_blocks, split_lines
from chm.chat.tables import read_answer
from chm.contract import load_contract
from data_sets import ALERT_RULES, CLIENTS, PIPELINES, RUNS, file_text, identifier, valid_data_set

DATA = valid_data_set()
CSV = {name: file_text(rows) for name, rows in DATA.items()}
FENCES = [
    ("```", "```"),
    ("~~~", "~~~"),
    ("````", "````"),
    ("‘‘‘", "’’’"),
    ("’’’", "’’’"),
    ("´´´", "´´´"),
    ("“`", "“`"),
    ("“‘", "”’"),
    ("'''", "'''"),
    ("```", "’’’"),
]
LABELS = ["csv", "CSV", "Csv", "", "text", "csv filename=clients.csv", 'csv title="clients.csv"']
LABELS += ["clients.csv", "csv:clients.csv", "{.csv}", "plaintext"]


def read(text):
    return read_answer(load_contract(), "a.md", text)


def found(text):
    answer = read(text)
    assert answer.faults == ()
    return [(table.table.name, len(table.rows)) for table in answer.tables]


def faults(text):
    return [str(fault) for fault in read(text).faults]


@pytest.mark.parametrize(("opening", "closing"), FENCES)
@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("prefix", ["", "   ", "\t", "> "])
def test_any_usual_fence_and_label(opening, closing, label, prefix):
    lines = [opening + label, *CSV[CLIENTS].splitlines(), closing]
    answer = read("Here it is:\n\n" + "\n".join(prefix + line for line in lines) + "\n\nBye.")
    assert answer.faults == answer.passed_over == ()
    (table,) = answer.tables
    assert [row.line for row in table.rows] == [5, 6, 7]
    assert [list(row.fields) for row in table.rows] == [list(row.values()) for row in DATA[CLIENTS]]


@given(
    st.sampled_from(FENCES),
    st.sampled_from(["csv", "CSV", "text", ""]),
    st.lists(st.sampled_from(sorted(CSV)), min_size=1, max_size=4),
    st.sampled_from(["\n", "\r\n"]),
    st.lists(st.sampled_from(["", "Some prose, with commas.", "## Title", "- a", '`x`, "y"'])),
    st.booleans(),
)
def test_every_table_is_found_whatever_stands_between(fence, label, names, newline, prose, bom):
    between = "\n".join(["", *prose, ""])
    blocks = [f"{fence[0]}{label}\n{CSV[name]}{fence[1]}\n" for name in names]
    text = ("\n" + between + "\n").join(["", *blocks, ""])
    expected = [(name.split(".")[0].split("_2")[0], len(DATA[name])) for name in names]
    assert found(("\ufeff" if bom else "") + text.replace("\n", newline)) == expected


@given(st.text(alphabet="`~'‘’“ab, \n>-", max_size=80))
def test_no_line_is_lost_or_found_twice(text):
    lines = split_lines(text)
    blocks = list(find_blocks(lines))
    numbers = [line.number for item in blocks if isinstance(item, Block) for line in item.lines]
    assert len(numbers) == len(set(numbers))
    assert set(numbers) <= {line.number for line in lines}
    if not any(isinstance(item, UnclosedFence) for item in blocks):
        # Only fences are in no block.
        left = [line.text for line in lines if line.number not in numbers]
        assert all(any(mark in text for mark in "`~'‘’“") for text in left)


def test_a_fence_on_the_line_of_a_list_item():
    body = CSV[CLIENTS].replace("\n", "\n   ").rstrip()
    assert found(f"1. ```csv\n   {body}\n   ```\n2. done") == [("clients", 3)]


def test_a_whole_answer_inside_a_markdown_fence():
    inner = f"# Data\n```csv\n{CSV[CLIENTS]}```\n"
    for mark in ("```", "````"):
        assert found(f"{mark}markdown\n{inner}{mark}\nBye") == [("clients", 3)]
    assert found(f"````\n```csv\n{CSV[CLIENTS]}```\n````\n") == [("clients", 3)]


def test_bare_tables_with_prose_around():
    text = f"csv\nCopy code\n{CSV[CLIENTS]}\nAll of it, really, is, made, up, see?\n\n{CSV[RUNS]}"
    assert found(text) == [("clients", 3), ("runs", 6)]
    assert found(CSV[PIPELINES].replace("\n", "\n\n")) == [("pipelines", 4)]


def test_several_tables_and_a_repeated_header_in_one_fence():
    header, *rows = CSV[PIPELINES].splitlines()
    again = "\n".join([header, *rows[:2], header, *rows[2:]])
    text = f"```csv\n# clients.csv\n{CSV[CLIENTS]}\n# pipelines.csv\n{again}\n```"
    assert found(text) == [("clients", 3), ("pipelines", 4)]


def test_columns_in_any_order_with_blanks_around():
    columns = list(reversed(DATA[CLIENTS][0]))
    text = file_text(DATA[CLIENTS], columns).replace("name,id", " name ,\u00a0id\u200b", 1)
    (table,) = read(f"```csv\n{text}```").tables
    assert table.rows[0].fields == tuple(DATA[CLIENTS][0].values())


def test_blanks_around_a_value_are_dropped_unless_it_is_text():
    text = CSV[CLIENTS].replace("Client 1,true", "“Client” 1 ,\u00a0true ")
    (table,) = read(f"```csv\n{text}```").tables
    assert table.rows[0].fields[1:3] == ("“Client” 1 ", "true")


def test_a_blank_behind_each_comma_is_no_part_of_a_text():
    (table,) = read(f"```csv\n{CSV[CLIENTS].replace(',', ', ')}```").tables
    assert table.rows[0].fields == tuple(DATA[CLIENTS][0].values())


def test_a_blank_behind_each_comma_of_a_row_is_no_part_of_a_text_either():
    answer = read("```csv\n" + HEADER + "\n" + ROWS.replace(",", ", ") + "```")
    assert [list(row.fields) for row in answer.tables[0].rows] == [
        list(row.values()) for row in DATA[CLIENTS]
    ]


@pytest.mark.parametrize("header", ["**{}**", "** {} **", "**{}"])
def test_a_header_in_bold_type(header):
    assert found(f"```csv\n{header.format(HEADER)}\n{ROWS}```") == [("clients", 3)]
    names = ",".join(f"**{name}**" for name in HEADER.split(","))
    assert found(f"```csv\n{names}\n{ROWS}```") == [("clients", 3)]


@pytest.mark.parametrize("between", ["", "\n", "\n  \n"])
def test_a_fence_around_a_fence_of_the_same_length(between):
    text = f"```\n{between}```csv\n{CSV[CLIENTS]}```\n{between}```\nbye"
    assert found(text) == [("clients", 3)]
    assert [fault.partition(" R01 ")[2] for fault in faults(text.removesuffix("```\nbye"))] == [
        "the fence that opens here is still open at the end: the answer is cut off, ask the chat "
        "model to continue or to repeat it"
    ]


def test_a_title_that_stands_for_rows_is_refused():
    text = f"```csv\n{CSV[CLIENTS]}# 38 more clients\n{CSV[PIPELINES]}```"
    assert "stand for rows that are left out" in (read(text).tables[0].rows[-1].problem or "")


def test_a_markdown_fence_that_is_left_open_is_refused():
    (fault,) = faults(f"```markdown\n```csv\n{CSV[CLIENTS]}```\n")
    assert fault.startswith("a.md:1 R01 the fence that opens here is still open at the end")


@pytest.mark.parametrize(
    ("label", "text"),
    [
        ("sql", "SELECT\nid, name, is_active, created_at, updated_at\nFROM clients"),
        ("sql", "id, client_id, name"),
        ("json", '{"id": 1}'),
        ("bash", "chm validate data"),
        ("", "data/\n  base/clients.csv"),
        ("", "id,name,is_active,created_at,updated_at"),
        ("text", "| id | name | is_active |\n|---|---|---|"),
        ("csv", ""),
    ],
)
def test_what_is_no_table_is_passed_over_and_named(label, text):
    answer = read(f"intro\n```{label}\n{text}\n```\n```csv\n{CSV[CLIENTS]}```")
    assert answer.faults == ()
    assert [table.table.name for table in answer.tables] == ["clients"]
    assert len(answer.passed_over) == 1
    assert answer.passed_over[0].line in (2, 3)


def test_a_markdown_table_is_passed_over_and_named():
    answer = read(f"| id | name |\n|---|---|\n| x | y |\n\n```csv\n{CSV[CLIENTS]}```")
    assert [(item.line, item.reason) for item in answer.passed_over] == [
        (1, "a Markdown table: only CSV is imported")
    ]
    (left,) = read("```\n| id | name | is_active |\n|---|---|---|\n| x | y | z |\n```").passed_over
    assert left.reason == "block without a label: a Markdown table: only CSV is imported"


HEADER = "id,name,is_active,created_at,updated_at"
ROWS = CSV[CLIENTS].split("\n", 1)[1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            f"```csv\n{CSV[CLIENTS]}",
            "a.md:1 R01 the fence that opens here is still open at the end",
        ),
        (
            f"x\n```csv\n{CSV[CLIENTS]}\n```csv\n{CSV[RUNS]}```",
            "a.md:2 R01 the fence that opens here is still open when another one opens at line 8",
        ),
        (
            "```csv\nid,name,is_active,created_at,owner\n1,2,3,4,5\n```",
            "a.md:2 R01 'id,name,is_active,created_at,owner' is the header of no table: "
            "against clients it lacks updated_at, it has the unknown owner",
        ),
        (
            f"```csv\n{HEADER},name\n```",
            f"a.md:2 R01 '{HEADER},name' is the header of no table: "
            "against clients it repeats name",
        ),
        ("```csv\nstatus;count\n```", "a.md:2 R01 'status;count' is no header"),
        ("```csv\na,b\n1,2\n```", "a.md:2 R01 'a,b' is no header: no column of clients, "),
        (
            f"```csv\n{HEADER.replace(',', ';')}\n```",
            "a.md:2 R01 the fields are separated by semicolons",
        ),
        (f"```\n{HEADER.replace(',', chr(9))}\n```", "a.md:2 R01 the fields are separated by tabs"),
        (
            "```\n" + ROWS + "```",
            f"a.md:2 R01 '{ROWS.splitlines()[0]}' the row has no header over it",
        ),
        (
            f"```csv\n{CSV[CLIENTS]}```\n(continued)\n```csv\n" + ROWS + "```",
            f"a.md:9 R01 '{ROWS.splitlines()[0]}' the row has no header over it",
        ),
        (
            f"```tsv\n{CSV[CLIENTS].replace(',', chr(9))}```",
            "a.md:2 R01 the fields are separated by tabs",
        ),
        (
            f"```csv\n{HEADER.upper()}\n{ROWS}```",
            f"a.md:2 R01 '{HEADER.upper()}' is the header of clients in capitals",
        ),
        (
            f"{identifier(1, 9)},Left over,true,2026-01-01T00:00:00Z,2026-01-01T00:00:00Z",
            "a.md:1 R01 the row stands outside any table",
        ),
    ],
)
def test_what_bars_an_import_is_named(text, expected):
    (fault,) = faults(text)
    assert fault.startswith(expected)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("...", "has 1 field instead of 5: it seems to stand for rows that are left out"),
        ("…", "has 1 field instead of 5: it seems to stand for rows that are left out"),
        ("# 38 more clients", "has 1 field instead of 5: it seems to stand for rows"),
        ("# a comment", "has 1 field instead of 5: it seems to be a comment"),
        ("a,b,c,d,e,f", 'has 6 fields instead of 5: a text with commas needs "quotes"'),
        ('a,"{\\"x\\": 1}",c,d,e', "has text after a closing quote: inside a quoted field each"),
        ("a,b,c,d,e,", "has 6 fields instead of 5: it ends in a comma too many"),
        ('a, "b, c",d,e,', "has 6 fields instead of 5: it ends in a comma too many"),
        ('a, "b, c", d, e, f', "has 6 fields instead of 5: a quote opens a text only right"),
        ('a,"b,c,d,e', "has a quoted field that is never closed: inside a quoted field each"),
    ],
)
def test_a_row_that_can_not_be_read_says_why(row, expected):
    (table,) = read(f"```csv\n{CSV[ALERT_RULES][:0]}{CSV[CLIENTS]}{row}\n```").tables
    assert [row.line for row in table.rows] == [3, 4, 5, 6]
    assert table.rows[3].problem.startswith(f"the row {expected}")
