"""No secret reaches a screen, a file or the ledger: by any setting, by any error."""

import contextlib
import json
import os
import string
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elenchus import exporting, runs, telemetry
from elenchus.config import TelemetryConfig
from elenchus.errors import RunStopped, UserError
from elenchus.ledger import Call, Ledger
from elenchus.loading import as_change, as_source
from elenchus.records import Failure
from elenchus.redaction import REDACTED, redacted, secret_in
from graphs.config import leaf_keys, validate

LETTERS = string.ascii_letters + string.digits
SECRETS = st.text(LETTERS + "!$%+._~-", min_size=12, max_size=40).map(lambda s: f"Zq7{s}Zq")
PASSWORDS = st.text(LETTERS + ":/@!$%.", min_size=1, max_size=12).map(lambda s: f"Zq7{s}Zq")
KEYS = st.text(LETTERS, min_size=20, max_size=40).map(lambda s: f"Zq7{s}Zq")
NAMES = st.sampled_from(["api_key", "api-key", "key", "access_token", "token", "sig", "password"])
OPTIONS = st.sampled_from(
    ["api_key", "apiKey", "x-api-key", "Authorization", "extra_headers", "password", "auth_token"]
)


@st.composite
def told_by_shape(draw: st.DrawFn) -> tuple[str, str]:
    """Draw a text that holds a secret, and the secret."""
    secret, password, key, name = draw(SECRETS), draw(PASSWORDS), draw(KEYS), draw(NAMES)
    return draw(
        st.sampled_from(
            [
                (f"https://user:{password}@host.example:8000/v1", password),
                (f"http://{key}@host.example/v1", key),
                (f"postgresql://user:{password}@host/db", password),
                (f"https://host.example/v1?a=b&{name}={secret}", secret),
                (f"https://host.example/v1?{name}={secret}&version=2", secret),
                (f"Authorization: Bearer {secret}", secret),
                (f'{{"api_key": "{secret}"}}', secret),
                (f"Incorrect API key provided: sk-proj-{key}.", key),
                (f"OPENAI_API_KEY={secret}", secret),
            ]
        )
    )


@given(told_by_shape(), st.text(), st.text())
def test_what_looks_like_a_secret_is_taken_out(
    told: tuple[str, str], before: str, after: str
) -> None:
    text, secret = told
    shown = redacted(f"{before}\n{text}\n{after}")
    assert secret not in shown and REDACTED in shown


@given(st.text(st.sampled_from("abcdefgh 0123456789.,:;?!()'\n"), max_size=200))
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert redacted(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "docs/**/*.pdf",
        "google_vertexai:claude-3-5-sonnet@20240620",
        "https://medium.com/@somebody/post",
        "http://127.0.0.1:8000/v1?api-version=2024-10-21",
        "Basic requirements of bearer bonds, tokens: keys and passwords",
        "sk-2024-zakon-o-bankach-a-poistovniach.pdf",
        "mailto:somebody@example.com",
        "{explanation} So: {result}.",
        "the password must have 12 characters",
    ],
)
def test_texts_of_settings_that_are_no_secret(text: str) -> None:
    assert secret_in(text) is None and redacted(text) == text


def test_a_key_of_the_environment_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_SERVER_KEY", "correct horse battery\n")
    monkeypatch.setenv("OPENAI_API_KEY", "lm-studio")
    assert redacted("no such key: correct horse battery") == f"no such key: {REDACTED}"
    assert redacted("lm-studio and none") == "lm-studio and none"
    assert secret_in(["a", {"b": "correct horse battery"}]) == "1.b"


def wrapped(text: str) -> st.SearchStrategy[Any]:
    """Return where in a setting a text may stand: alone, in lists, in mappings, in one another."""
    return st.sampled_from(
        [
            text,
            [text],
            {"path": text},
            {"extra_body": {"urls": ["a", text]}},
            [{"a": [{"b": text}]}],
        ]
    )


def told_of(setting: str, value: Any, folder: Path) -> str:
    """Return all that loading a setting and making a run of it shows and keeps."""
    tree: Any = value
    for part in reversed(setting.split(".")):
        tree = {part: tree}
    try:
        config = validate({"domain": "d", "title": "t"} | tree, "here")
    except UserError as error:
        return str(error)
    return (runs.create(folder, config, folder, None, "c").path / "run.yaml").read_text("utf-8")


@given(st.data())
def test_no_setting_takes_a_secret(tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
    setting = data.draw(st.sampled_from([*leaf_keys(), "expert.options", "profiles"]))
    text, secret = data.draw(told_by_shape())
    value = data.draw(wrapped(text))
    assert secret not in told_of(setting, value, tmp_path_factory.mktemp("run"))


@given(st.data(), OPTIONS, SECRETS)
def test_no_option_takes_a_key_however_deep(
    tmp_path_factory: pytest.TempPathFactory, data: Any, name: str, secret: str
) -> None:
    forms = [
        {name: secret},
        {"extra_body": {name: secret}},
        {"extra_body": [{"a": 1}, {name: [secret]}]},
        {"pairs": [[name, secret]]},
        {"pairs": [{"name": name, "value": secret}]},
    ]
    section = data.draw(st.sampled_from(["expert", "student", "grader", "examiner"]))
    setting, form = f"{section}.options", data.draw(st.sampled_from(forms))
    told = told_of(setting, form, tmp_path_factory.mktemp("run"))
    assert secret not in told and "secrets are set in the environment" in told


@pytest.mark.parametrize(
    "told",
    [
        lambda: as_change("expert.options.api_key=Zq7hunter2: ["),
        lambda: as_change("expert.base_url: https://user:Zq7hunter2@host/"),
        lambda: as_source("{loader: a, options: {api_key: Zq7hunter2}}"),
        lambda: as_source("{loder: a, options: {password: Zq7hunter2}}"),
        lambda: as_source("{loader: a, options: {password: Zq7hunter2"),
    ],
)
def test_arguments_are_not_echoed(told: Any) -> None:
    with pytest.raises(UserError) as caught:
        told()
    assert "Zq7hunter2" not in str(caught.value)


def test_neither_messages_nor_the_ledger_hold_what_a_server_echoes(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "Zq7-a-key")
    said = "401: Zq7-a-key is no key of https://user:Zq7pw@host/v1?api_key=Zq7-other"
    call = Call(
        id="m-1", role="expert", task="answer", model="openai:x", prompt_sha256="",
        request=json.dumps([said]), response="You sent Zq7-a-key",
    )  # fmt: skip
    ledger.write_call(call)
    failure = Failure(role="expert", task="answer", code="refused", detail=said, raw=call.request,
                      call_id="m-1")  # fmt: skip
    ledger.write(failure)
    kept = ledger.call("m-1")
    assert kept is not None and kept.response == f"You sent {REDACTED}"
    assert "Zq7-a-key" not in kept.request
    assert ledger.all(Failure) == [failure] and "Zq7" not in failure.detail
    assert "Zq7" not in str(UserError(said)) + str(RunStopped(said))


def test_not_even_an_error_that_nobody_foresaw_shows_a_key() -> None:
    code = (
        "from elenchus.cli import main\n"
        "import logging\n"
        "def fail():\n"
        "    logging.getLogger('asyncio').error('retrying with %s', 'Zq7-a-key')\n"
        "    raise OSError('cannot reach https://user:Zq7pw@host with Zq7-a-key')\n"
        "main.check_neighbours = fail\nmain.main()"
    )
    environment = os.environ | {"SOME_API_KEY": "Zq7-a-key"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 1 and "OSError: cannot reach" in done.stderr
    assert f"retrying with {REDACTED}" in done.stderr and "Zq7" not in done.stderr


SHAPES = st.sampled_from(
    [
        "https://user:{}@host.example:8000/v1",
        "https://host.example/v1?api_key={}&a=b",
        "Authorization: Bearer {}",
        '{{"api_key": "{}"}}',
        "Incorrect API key provided: sk-proj-{}.",
        "the key of the environment is {}",
    ]
)


@given(st.data(), KEYS, st.sampled_from(["", "x" * exporting.SHORT]))
def test_no_span_holds_a_secret(
    tmp_path_factory: pytest.TempPathFactory, data: Any, secret: str, more: str
) -> None:
    """By whatever way it comes: attributes, lists, names, errors, or the resource of all."""
    folder, text = tmp_path_factory.mktemp("run"), data.draw(SHAPES).format(secret) + more
    config, own = TelemetryConfig(spans=True), {"elenchus.run.id": "r-1"}
    place = data.draw(st.sampled_from(["attribute", "list", "name", "error", "fail", "resource"]))
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith("OTEL_"):
                patch.delenv(name)
        patch.setenv("SOME_API_KEY", secret)
        if place == "resource":
            patch.setenv("OTEL_RESOURCE_ATTRIBUTES", f"where={quote(text)}")
        name = text if place == "name" else "a"
        with (
            contextlib.suppress(OSError),
            telemetry.traced(config, folder, print, "run", own),
            telemetry.span(name) as span,
        ):
            span.set({"list": [text]} if place == "list" else {"attribute": text})
            if place == "fail":
                span.fail("kind", text)
            if place == "error":
                raise OSError(text)
    told = (folder / telemetry.FILE).read_text("utf-8")
    assert secret not in told and REDACTED in told
