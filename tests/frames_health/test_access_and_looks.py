"""Who may ask a server, and how a checkup looks: no key, no tag, a frame for each line."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from hostile_strings import HOSTILE_STRINGS
from story_records import story
from story_server import EVENT_KEY, SIGNING_KEY, StoryServer
from story_troubles import TroubledServer

import inngest_nb as inb
from inngest_nb import InngestAPI
from inngest_nb.errors import InngestAuthError
from inngest_nb.findings import Checkup, Finding, Level
from inngest_nb.notebook.page import output

# A moment after the story: `checkup` itself is as of now, whenever that is.
SOON = datetime(2026, 11, 22, 19, 24, tzinfo=UTC)
LATER = SOON + timedelta(days=40)
SUBJECTS = [
    "server", "access", "workers", "functions", "zombies", "limits", "queue", "failures", "history",
]  # fmt: skip
UNFINISHED = ["limited0", "limited1", "limited2", "long_stays", "wait_pending"]


def line(found: Checkup, subject: str) -> Finding:
    (line,) = [each for each in found.findings if each.subject == subject]
    return line


def to_do(found: Checkup) -> list[str]:
    return [each.subject for each in found.findings if each.level is Level.TO_DO]


# Who may ask


def test_a_self_hosted_server_whose_graphql_answers_everyone_is_told() -> None:
    with (
        TroubledServer("cloud") as open_,
        TroubledServer("cloud", ui=False) as closed,
        InngestAPI(open_.url, SIGNING_KEY) as first,
        InngestAPI(closed.url, SIGNING_KEY) as second,
    ):
        told, fine = inb.checkup(first), inb.checkup(second)
    assert to_do(told) == ["access"]
    assert "anyone who can reach this port can read, cancel" in line(told, "access").words
    assert "--no-ui" in line(told, "access").cure
    assert list(told["access"]["answers_without_key"]) == [True]
    assert line(fine, "access").level is Level.OK
    asked = [seen for seen in open_.seen + closed.seen if seen.target in ("/v0/gql", "/metrics")]
    assert {seen.target for seen in asked} == {"/v0/gql", "/metrics"}
    assert not [seen for seen in asked if "authorization" in seen.headers]


def test_a_graphql_that_refuses_the_question_is_not_called_closed() -> None:
    with StoryServer("cloud") as server, InngestAPI(server.url, SIGNING_KEY) as api:
        del server.graphql._fields["apps"]  # as a later server may have renamed it
        found = inb.checkup(api)
    assert line(found, "access").level is Level.NOTE
    assert "cannot tell whether GraphQL" in line(found, "access").words
    assert found["access"]["answers_without_key"].isna().all()


def test_a_key_that_is_missing_is_asked_for() -> None:
    with TroubledServer("cloud") as server, InngestAPI(server.url) as api:
        with pytest.raises(InngestAuthError, match="requires a signing key, but none is set"):
            inb.checkup(api)


def test_no_key_is_in_what_it_says() -> None:
    with TroubledServer("cloud") as server:
        server.lose_jobs(UNFINISHED)
        with InngestAPI(server.url, SIGNING_KEY, EVENT_KEY) as api:
            found = inb.checkup(api)
    shown = str(found) + repr(found.findings) + str(output("findings", checkup=found))
    shown += "".join(f"{found[name]}{found[name].attrs}" for name in found)
    assert SIGNING_KEY not in shown
    assert SIGNING_KEY.rpartition("-")[2] not in shown
    assert EVENT_KEY not in shown
    assert "InngestAPI(" not in "".join(line(found, "zombies").code)  # the reader's own has the key


# How it looks


def test_each_line_has_a_frame(api: InngestAPI) -> None:
    found = inb.checkup(api)
    assert list(found) == SUBJECTS
    assert {each.subject for each in found.findings} == {*SUBJECTS}
    assert {found[name].attrs["source"] for name in found} == {repr(api)}
    with pytest.raises(KeyError, match=r"no frame 'zombie'; this checkup has 'server', 'access'"):
        found["zombie"]


def test_empty_frames_have_the_same_columns_and_types(
    server: TroubledServer, api: InngestAPI
) -> None:
    healthy = inb.checkup(api)
    server.lose_jobs(UNFINISHED)
    server.forget_answers()
    ill = inb.checkup(api)
    assert len(ill["zombies"]) == 5
    for name in SUBJECTS:
        assert dict(healthy[name].dtypes) == dict(ill[name].dtypes), name


@pytest.mark.parametrize("text", HOSTILE_STRINGS)
def test_hostile_text_is_escaped_and_its_code_is_only_a_text(text: str) -> None:
    with TroubledServer() as server, InngestAPI(server.url) as api:
        row = server.state.runs.rows[story().names["long_stays"]]
        item = row.record.item | {"function": {"id": text}, "app": {"id": text}}
        record = type(row.record)(item, row.record.detail, {}, row.record.v1, [], ())
        server.state.runs.put(row._replace(record=record))
        found = inb.checkup(api)
        assert list(found["zombies"]["function"]) == [text]
        html = str(output("findings", checkup=found))
    assert set(re.findall(r"<\s*(\w+)", html)) <= {"style", "div", "span", "b", "pre", "p"}
    assert all(each.isprintable() for each in str(found).splitlines())
