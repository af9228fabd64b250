"""A wheel holds what runs and nothing else; installed without the tree, it runs."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from elenchus import __version__

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = (
    "elenchus", "models", "agents", "evaluation", "graphs", "retrieval", "training", "publishing",
    "inspection", "offline", "benchmarks", "prompts", "domains",
)  # fmt: skip
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
TINY = (
    "exam.questions=8", "exam.general=4", "exam.hand=null", "adaptation.examples=[4]",
    "training.epochs=1",
)  # fmt: skip


def packaged() -> set[str]:
    """Return the files of the tree that belong into a wheel."""
    paths = (path for name in PACKAGES for path in (ROOT / name).rglob("*") if path.is_file())
    names = {path.relative_to(ROOT).as_posix() for path in paths if path.suffix != ".pyc"}
    return {name for name in names if not name.startswith("offline/training/")}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of a copy of the tree, so that nothing is left in the tree itself."""
    folder = tmp_path_factory.mktemp("wheel")
    unwanted = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "runs", "indexes")
    shutil.copytree(ROOT, folder / "tree", ignore=unwanted)
    command = [*PIP, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder]
    subprocess.run([*command, folder / "tree"], check=True)
    shutil.rmtree(folder / "tree")
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel, and with what this one has but the tree."""
    return installed(tmp_path_factory.mktemp("installed") / "venv", wheel)


def installed(home: Path, *wheels: Path) -> Path:
    """Make a virtual environment with wheels, and with what this one has but the tree."""
    venv.create(home, with_pip=False)
    for one in wheels:
        subprocess.run([*PIP, "--python", home, "install", "--no-deps", one], check=True)
    # A path in such a file is added as it is: the editable install of the tree is not run.
    (site,) = home.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    return home


def run(environment: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a command of the environment in a folder of its own, which knows nothing of the tree."""
    folder = environment.parent / "work"
    folder.mkdir(exist_ok=True)
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [environment / "bin" / arguments[0], *map(str, arguments[1:])]
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True)


def test_a_wheel_holds_what_runs(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name for name in names if ".dist-info/" not in name} == packaged()
    assert any(name.endswith("/licenses/LICENSE") for name in names)


def test_the_tree_is_out_of_reach(environment: Path) -> None:
    code = f"import {', '.join(PACKAGES)}, json; print(json.dumps([m.__path__[0] for m in ("
    code += f"{', '.join(PACKAGES)})]))"
    done = run(environment, "python", "-c", code)
    assert done.returncode == 0, done.stderr
    assert all(Path(place).is_relative_to(environment) for place in json.loads(done.stdout))


def test_version_doctor_and_comparisons(environment: Path) -> None:
    assert run(environment, "elenchus", "--version").stdout == f"elenchus {__version__}\n"
    doctor = run(environment, "elenchus", "doctor")
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    assert "efficiency" in run(environment, "elenchus", "bench", "--help").stdout
    comparison = run(environment, "elenchus", "bench", "efficiency", "--help")
    assert "--quick" in comparison.stdout, comparison.stderr


def test_the_demonstration_finds_its_documents_prompts_and_weights(environment: Path) -> None:
    changes = [part for change in TINY for part in ("--set", change)]
    done = run(
        environment, "elenchus", "launch", "market", "--profile", "quick", "--json", *changes
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert 6 <= result["exams"]["held-out"]["questions"] <= 8  # checks leave out one or two
    assert (environment.parent / "work" / result["path"] / result["adapter"]).is_dir()


def other_wheel(folder: Path, files: tuple[str, ...]) -> Path:
    """Write a wheel of another distribution that has a package `agents`, too."""
    path = folder / "openai_agents-1.0-py3-none-any.whl"
    about = "openai_agents-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        for name in files:
            wheel.writestr(f"agents/{name}", "'Of another.'\n")
        version = "Name: openai-agents\nVersion: 1.0\n"
        wheel.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\n{version}")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n")
        wheel.writestr(f"{about}/top_level.txt", "agents\n")
        wheel.writestr(f"{about}/RECORD", "".join(f"agents/{name},,\n" for name in files))
    return path


@pytest.mark.parametrize("first", ["ours", "theirs"])
def test_another_distribution_with_a_package_of_the_same_name(
    wheel: Path, tmp_path: Path, first: str
) -> None:
    other = other_wheel(tmp_path, ("__init__.py", "tool.py"))
    shared = installed(tmp_path / "venv", *((wheel, other) if first == "ours" else (other, wheel)))
    told = run(shared, "elenchus", "--version")
    assert told.returncode == 2
    assert "'agents'" in told.stderr and "openai-agents has one of this name" in told.stderr
    assert told.stderr.count("\n") == 1


def test_one_package_file_that_was_replaced(wheel: Path, tmp_path: Path) -> None:
    shared = installed(tmp_path / "venv", wheel, other_wheel(tmp_path, ("__init__.py",)))
    (site,) = shared.glob("lib/python*/site-packages")
    assert "not Elenchus's alone" in run(shared, "elenchus", "--version").stderr
    (site / "agents" / "__init__.py").unlink()  # so the other's removal leaves it
    assert "reinstall Elenchus" in run(shared, "elenchus", "--version").stderr
