"""The configuration: overrides, and messages that name the mistake and the remedy."""

import ast
import math
import re
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from elenchus import domains, loading
from elenchus.cli import new
from elenchus.errors import UserError
from elenchus.loading import merged
from elenchus.sections import ModelConfig
from graphs.config import leaf_keys, load, validate

ROOT = Path(__file__).resolve().parents[2]
MINIMAL = {"domain": "d", "title": "a test"}


def write(folder: Path, tree: object) -> Path:
    path = folder / "domain.yaml"
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return path


def test_changes_come_after_the_profile(tmp_path: Path) -> None:
    path = write(tmp_path, MINIMAL | {"profiles": {"p": {"training": {"rank": 4, "alpha": 5}}}})
    loaded = load(path, "p", ["training.rank=7", "corpus.sources=[a, b]"])
    assert (loaded.training.rank, loaded.training.alpha) == (7, 5)
    assert [source.path for source in loaded.corpus.sources] == ["a", "b"]


@pytest.mark.parametrize(
    ("tree", "changes", "says"),
    [
        ({"training": {"rnak": 3}}, [], "did you mean 'training.rank'"),
        ({"trianing": {"rank": 3}}, [], "did you mean 'training'"),
        ({"training": {"rank": "many"}}, [], "training.rank"),
        ({"training": {"rank": 0}}, [], "training.rank"),
        ({}, ["training"], "key=value"),
        ({}, ["zzzzzz.qqqqqq=1"], "unknown key"),
        ({"domain": "no spaces please"}, [], "domain"),
        ({"student": "smollm2"}, [], "student"),
        ({"models": {"gpt-5.4": {"in_flight": 8}}}, [], "'gpt-5.4' is not provider:model"),
        ({}, ["expert.model=gpt-5.4"], "expert.model: .*'gpt-5.4' is not provider:model"),
        ({}, ["expert.model=''"], "expert.model: .*'' is not provider:model"),
        ({}, ["models.openai:gpt-5.4.in_fligt=8"], "unknown key 'models.openai:gpt-5.4.in_fligt'"),
        ({}, ["models.openai:x=8"], "models.openai:x"),
        ({}, ["budget.usd=.inf"], "not finite"),
        ({}, ["budget.usd='inf'"], "budget.usd: a number must be finite"),
        ({}, ["expert.options.top_p=.nan"], "not finite"),
        ({}, ["training.epochs='1e300'"], "training.epochs: a number must be finite"),
        ({}, [f"training.rank='{10**30}'"], "training.rank: a number must be finite"),
        ({}, [f"corpus.sources=[{'a' * 300}]"], "corpus.sources.0.path: a path has at most"),
        ({}, [f"student.model=hf:{'a/' * 3000}"], "student.model: a path has at most"),
        ({}, ["exam.hand=~nobody-of-this-name/x"], "exam.hand: .* an unknown user"),
        ({}, ["corpus.sources=['a/**b']"], "must stand alone"),
        ({}, ['retrieval.index="a\\0b"'], "retrieval.index: .*control characters"),
        ({}, ["corpus.sources=[{path: a, encoding: nope}]"], "no encoding of text"),
        ({}, ["corpus.sources=[{path: a, encoding: base64}]"], "no encoding of text"),
        ({}, ["retrieval.chroma=localhost:8000"], "retrieval.chroma: an http:// or https://"),
        ({}, ["retrieval.chroma='http://[::1'"], "retrieval.chroma: an http:// or https://"),
        ({}, ["expert.base_url=http://x:99999"], "expert.base_url: an http:// or https://"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, tree: dict, changes: list[str], says: str) -> None:
    with pytest.raises(UserError, match=says.replace("(", r"\(")):
        load(write(tmp_path, MINIMAL | tree), None, changes)


def test_not_a_number_is_no_number_in_python_either() -> None:
    for value in (math.nan, math.inf, 2**63):
        with pytest.raises(ValidationError, match="finite"):
            ModelConfig(model="openai:x", options={"extra_body": [{"top_p": value}]})


@pytest.mark.parametrize("text", ["a: [", "- 1", "", "\x00"])
def test_files_that_are_no_configuration(tmp_path: Path, text: str) -> None:
    path = tmp_path / "domain.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError):
        load(path)


@pytest.mark.parametrize("profiles", [{"quick": None}, ["quick"], {"quick": 3}])
def test_profiles_that_are_none(tmp_path: Path, profiles: object) -> None:
    with pytest.raises(UserError, match="profile"):
        load(write(tmp_path, MINIMAL | {"profiles": profiles}), "quick")


def test_an_empty_mapping_clears_what_was_there(tmp_path: Path) -> None:
    path = write(tmp_path, MINIMAL | {"expert": {"samples": 3, "options": {"num_ctx": 16384}}})
    assert load(path, None, ["expert.options.seed=1"]).expert.options["num_ctx"] == 16384
    cleared = load(path, None, ["expert.options={}"]).expert
    assert (cleared.samples, cleared.options) == (3, {})
    assert loading.merged({"a": {"b": 1}}, {}) == {"a": {"b": 1}}


@pytest.mark.parametrize("model", ["openai:gpt-5.4", "openai:Qwen/Qwen3-0.6B", "openai:mine"])
def test_names_of_models_may_hold_dots(tmp_path: Path, model: str) -> None:
    changes = [f"models.{model}.in_flight=8", f"models.{model}={{usd_in: 2, usd_out: 3}}"]
    ((name, limits),) = load(write(tmp_path, MINIMAL), None, changes).models.items()
    assert (name, limits.in_flight, limits.usd_in) == (model, 8, 2)


@pytest.mark.parametrize(
    ("tree", "says"),
    [
        (
            MINIMAL | {"method": "rewriting", "training": {"enabled": False}},
            "here: method: rewriting needs training.enabled",
        ),
        ({"domain": "d"}, "here: title: Field required"),
    ],
)
def test_a_mistake_of_the_whole_does_not_print_the_whole(tree: dict, says: str) -> None:
    with pytest.raises(UserError) as caught:
        validate(tree, "here")
    assert str(caught.value) == says


def test_a_role_keeps_its_other_defaults(tmp_path: Path) -> None:
    changes = ["expert.model=openai:gpt-5", "student.temperature=0.5"]
    loaded = load(write(tmp_path, MINIMAL), None, changes)
    assert (loaded.expert.model, loaded.expert.samples) == ("openai:gpt-5", 2)
    assert (loaded.student.model, loaded.student.samples) == ("builtin:nano", 3)


def test_unknown_profile_lists_the_known_ones(tmp_path: Path) -> None:
    path = write(tmp_path, MINIMAL | {"profiles": {"quick": {}}})
    with pytest.raises(UserError, match="it has: quick"):
        load(path, "slow")


def test_every_key_is_read_somewhere() -> None:
    """A setting that no code reads is a promise broken in silence."""
    read = set()
    for package in ("elenchus", "models", "agents", "graphs", "retrieval", "training", "offline"):
        for path in (ROOT / package).rglob("*.py"):
            tree = ast.parse(path.read_text("utf-8"))
            read |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    unread = {key for key in leaf_keys() if key.split(".")[-1] not in read}
    unread -= {"profiles", "data"}  # which change the tree before it is validated
    assert not unread


def uncommented(text: str) -> str:
    """Return a template with all of its settings set."""
    lines = []
    for line in text.splitlines():
        setting = line.startswith("# ") and re.match(r"# +[a-z_]+:( |$)", line)
        if not line.startswith("#") or setting:
            lines.append(line[2:] if setting else line)
    return "\n".join(lines)


@pytest.mark.parametrize("full", [False, True])
def test_templates_validate_and_show_the_defaults(full: bool) -> None:
    text = new.template("mine", full)
    plain = validate(yaml.safe_load(text), "template")
    assert plain.domain == "mine"
    assert validate(yaml.safe_load(uncommented(text)), "all keys set") == plain
    assert validate(merged(yaml.safe_load(text), plain.profiles["quick"]), "quick")


def test_a_template_is_short_and_a_full_one_has_every_key() -> None:
    assert new.template("mine").count("\n") < 45
    assert set(new.FIRST) <= set(leaf_keys())
    for key in leaf_keys():
        assert f"{key.split('.')[-1]}:" in new.template("mine", full=True)


def test_quick_is_the_profile_of_the_demonstration() -> None:
    shipped = yaml.safe_load((ROOT / "domains" / "harbour" / "domain.yaml").read_text("utf-8"))
    assert yaml.safe_load(new.QUICK)["profiles"]["quick"] == shipped["profiles"]["quick"]


def test_new_refuses_to_overwrite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = new.write("mine")
    assert domains.find("mine").resolve() == path.resolve()
    with pytest.raises(UserError, match="exists already"):
        new.write("mine")


def test_unknown_domain_names_the_nearest() -> None:
    with pytest.raises(UserError, match="did you mean 'harbour'"):
        domains.find("harbor")


def test_sizes_must_rise() -> None:
    with pytest.raises(UserError, match="sizes must rise"):
        validate({**MINIMAL, "adaptation": {"examples": [200, 200]}}, "here")
