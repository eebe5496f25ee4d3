"""What an assistant reads beside the tools: resources and prompts, with a client in memory."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, TypeVar

import anyio
import pytest
import server_kit as kit
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import (
    PromptReference,
    ResourceTemplateReference,
    TextContent,
    TextResourceContents,
)

from spotify_hist.analytics import catalogue
from spotify_hist.analytics.sql import promised
from spotify_hist.faces.server import mcp, prompts, tools
from spotify_hist.faces.server.tool import input_schema

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from mcp_types import Prompt

T = TypeVar("T")
_CALL = re.compile(r'(\{"[^{}]*\})')
GIVEN: dict[str, dict[str, str]] = {
    "artist_story": {"artist": "Björk"},
    "find_forgotten_favourites": {"silent_days": "100"},
    "listening_habits": {"days": "90"},
    "what_changed": {"days": "60"},
    "year_in_review": {"year": "2024"},
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A history of sixty plays; nobody writes to it."""
    home = tmp_path_factory.mktemp("reading") / "home"
    kit.make_history(home)
    return home


def with_client(home: Path, use: Callable[[Client], Awaitable[T]]) -> T:
    """What `use` gives with a connected client."""

    async def session() -> T:
        async with Client(mcp.build(kit.make_tools(home))) as client:
            return await use(client)

    return anyio.run(session)


def read(home: Path, uri: str) -> str:
    """The text of a resource."""

    async def use(client: Client) -> str:
        (contents,) = (await client.read_resource(uri)).contents
        assert isinstance(contents, TextResourceContents)
        assert contents.uri == uri
        return contents.text

    return with_client(home, use)


def prompt(home: Path, name: str, arguments: Mapping[str, str]) -> str:
    """The one message of a prompt."""

    async def use(client: Client) -> str:
        (message,) = (await client.get_prompt(name, dict(arguments))).messages
        assert message.role == "user"
        assert isinstance(message.content, TextContent)
        return message.content.text

    return with_client(home, use)


def refused(home: Path, ask: Callable[[Client], Awaitable[object]], said: str) -> None:
    """That what is asked is a protocol error which says this."""

    async def use(client: Client) -> None:
        with pytest.raises(MCPError, match=said):
            await ask(client)

    with_client(home, use)


def listed_prompts(home: Path) -> list[Prompt]:
    async def use(client: Client) -> list[Prompt]:
        return (await client.list_prompts()).prompts

    return with_client(home, use)


def test_every_listed_resource_can_be_read(home: Path) -> None:
    """Titled, described, and of the type it says."""

    async def use(client: Client) -> list[str]:
        found = (await client.list_resources()).resources
        assert all(each.title and each.description for each in found)
        for each in found:
            (contents,) = (await client.read_resource(each.uri)).contents
            assert contents.mime_type == each.mime_type
        return [each.uri for each in found]

    names = ("schema", "questions", "glossary", "listeners")
    assert with_client(home, use) == [f"spotify-hist://{name}" for name in names]


def test_the_schema_tells_every_promised_view_and_column(home: Path) -> None:
    """What query_sql may use, and what it means."""
    text = read(home, "spotify-hist://schema")
    for name in promised.NAMES:
        assert f"## {name}" in text
        for column, meaning in promised.load(name).columns.items():
            assert f"- `{column}`: {meaning}" in text


def test_the_questions_name_every_tool_of_the_catalogue(home: Path) -> None:
    """Also those that are not among the core tools."""
    text = read(home, "spotify-hist://questions")
    for query in catalogue.all_queries():
        assert f"- `{query.name.replace('-', '_')}`" in text


@pytest.mark.parametrize("name", ["top_artists", "top-artists"])
def test_one_question_tells_its_arguments_and_columns(name: str, home: Path) -> None:
    """The template of a question, by either form of its name."""
    text = read(home, f"spotify-hist://questions/{name}")
    query = catalogue.load("top-artists")
    assert all(f"`{param.name}`" in text for param in query.params)
    assert all(f"`{column}`" in text for column in query.columns)
    assert "one of plays, time" in text


def test_the_glossary_tells_the_words_without_the_builders_notes(home: Path) -> None:
    """References to documents nobody has are left out."""
    text = read(home, "spotify-hist://glossary")
    assert "the instant a play ENDED" in text
    assert "FACTS" not in text


def test_the_listeners_are_told_with_how_much_there_is_of_each(home: Path) -> None:
    """Names, plays, first and last."""
    (listener,) = json.loads(read(home, "spotify-hist://listeners"))["listeners"]
    assert listener["name"] == "me"
    assert listener["plays"] == 60
    assert listener["first_played_at"] < listener["last_played_at"]


@pytest.mark.parametrize(
    "uri", ["spotify-hist://nothing", "spotify-hist://questions/nothing", "file:///etc/passwd"]
)
def test_another_resource_is_a_protocol_error(uri: str, home: Path) -> None:
    """Files are none of them."""
    refused(home, lambda client: client.read_resource(uri), "There is no resource")


def test_without_a_history_the_listeners_cannot_be_read(tmp_path: Path) -> None:
    """The error tells how to begin."""
    uri = "spotify-hist://listeners"
    refused(tmp_path, lambda client: client.read_resource(uri), "spotify-hist import")
    assert "v_plays" in read(tmp_path, "spotify-hist://schema")


def test_every_prompt_is_listed_with_its_arguments(home: Path) -> None:
    """In alphabetical order, each argument explained."""
    found = listed_prompts(home)
    assert [each.name for each in found] == sorted(GIVEN)
    for each in found:
        assert each.title
        assert each.description
        assert [argument.name for argument in each.arguments or []] == list(GIVEN[each.name])
        assert all(argument.description for argument in each.arguments or [])


@pytest.mark.parametrize("name", GIVEN)
def test_a_prompt_asks_only_what_the_tools_take(name: str, home: Path) -> None:
    """Every tool it names is a core one, and every argument written out is one of a tool's."""
    text = prompt(home, name, GIVEN[name])
    named = {tool for tool in tools.all_tools() if re.search(rf"\b{tool.name}\b", text)}
    assert named
    assert all(tool.is_core for tool in named)
    known: set[str] = set()
    for tool in named:
        properties = input_schema(tool)["properties"]
        assert isinstance(properties, dict)
        known |= set(properties)
    for written in _CALL.findall(text):
        assert set(json.loads(written)) <= known
    (value,) = GIVEN[name].values()
    assert value in text


def test_a_prompt_without_arguments_takes_what_is_usual(home: Path) -> None:
    """This year, the last 30 days; an empty field of a form counts as none."""
    assert '"year": 2024' in prompt(home, "year_in_review", {})
    assert '"days": 30' in prompt(home, "what_changed", {"days": ""})


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("year_in_review", {"year": "last"}, "year must be a whole number"),
        ("year_in_review", {"year": "9" * 5000}, "year must be a whole number"),
        ("year_in_review", {"yaer": "2024"}, "no parameter called 'yaer'"),
        ("artist_story", {}, "artist is missing"),
        ("nothing", {}, "There is no prompt 'nothing'"),
    ],
)
def test_a_prompt_that_cannot_be_written_says_why(
    name: str, arguments: dict[str, str], said: str, home: Path
) -> None:
    """A protocol error with what would be right."""
    refused(home, lambda client: client.get_prompt(name, arguments), said)


def test_the_prompts_are_in_the_order_in_which_they_are_listed() -> None:
    """Alphabetical, as clients show them."""
    names = [each.name for each in prompts.PROMPTS]
    assert names == sorted(names)


def completed(
    home: Path, ref: PromptReference | ResourceTemplateReference, **typed: str
) -> list[str]:
    """What is offered for one argument."""
    [(name, value)] = typed.items()

    async def use(client: Client) -> list[str]:
        return (await client.complete(ref, {"name": name, "value": value})).completion.values

    return with_client(home, use)


STORY = PromptReference(type="ref/prompt", name="artist_story")
REVIEW = PromptReference(type="ref/prompt", name="year_in_review")


def test_artists_are_offered_by_a_part_of_their_name(home: Path) -> None:
    """In any case and without accents; all of them, most played first, where nothing is typed."""
    assert completed(home, STORY, artist="bjo") == ["Björk"]
    assert completed(home, STORY, artist="canada") == ["Boards of Canada"]
    assert completed(home, STORY, artist="nobody") == []
    assert completed(home, STORY, artist="")[0] == "Björk"


def test_only_years_with_plays_are_offered(home: Path) -> None:
    """There is one in this history."""
    assert completed(home, REVIEW, year="") == ["2024"]
    assert completed(home, REVIEW, year="20") == ["2024"]
    assert completed(home, REVIEW, year="19") == []


def test_numbers_that_could_be_any_are_not_offered(home: Path) -> None:
    """Nor is an argument that the prompt does not have."""
    habits = PromptReference(type="ref/prompt", name="listening_habits")
    assert completed(home, habits, days="3") == []
    assert completed(home, STORY, year="") == []


def test_the_names_of_questions_are_offered(home: Path) -> None:
    """With hyphens or underscores."""
    question = ResourceTemplateReference(type="ref/resource", uri="spotify-hist://questions/{name}")
    assert completed(home, question, name="top-a") == [
        "top_albums",
        "top_artists",
        "top_audiobooks",
    ]
    assert len(completed(home, question, name="")) == len(catalogue.names())


@pytest.mark.parametrize(
    ("ref", "said"),
    [
        (PromptReference(type="ref/prompt", name="nothing"), "There is no prompt 'nothing'"),
        (ResourceTemplateReference(type="ref/resource", uri="file:///{name}"), "nothing to comp"),
    ],
)
def test_what_does_not_exist_has_no_completions(
    home: Path, ref: PromptReference | ResourceTemplateReference, said: str
) -> None:
    """It is an error of the caller."""
    refused(home, lambda client: client.complete(ref, {"name": "name", "value": ""}), said)
