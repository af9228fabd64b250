"""Takes tests of the user's own after a run is finished: by its student, and by other models."""

from collections.abc import Mapping, Sequence
from typing import Any

from elenchus import runs
from elenchus.errors import UserError
from elenchus.ledger import Ledger
from elenchus.outcomes import Update
from elenchus.own_tests import TestConfig
from elenchus.progress import Progress
from elenchus.results import TestResult
from elenchus.runs import RunFolder
from elenchus.sections import ModelConfig
from evaluation.reading import Read, read
from evaluation.records import BASE, TestItem
from graphs import own_tests, test_files
from graphs.concurrency import run_to_end
from graphs.config import DomainConfig, of_run
from graphs.integrity import check_finished
from graphs.methods import method_of
from graphs.own_tests import AFTER, BEFORE, Sitter
from graphs.runner import read_result
from graphs.services import Services
from models.backend import backend, make_model, weights
from models.weights import weights_hash
from retrieval import tables

HASH = 16  # digits of the hash of weights that tell a local model


def evaluate(
    run: RunFolder,
    tests: Mapping[str, TestConfig],
    models: Sequence[ModelConfig],
    progress: Progress,
    budget: dict[str, Any] | None = None,
) -> dict[str, TestResult]:
    """Have tests taken by a run's student, before and after, and by other models.

    Figures are written into the run folder, answers into its ledger. Items that were seen in
    training count in no figure.

    Args:
        tests: by name; those that the run's configuration has of the same name must be the same.
        models: which also take the tests.
        budget: caps in place of the run's own.

    Raises:
        UserError: the run is not finished, or a test or a model cannot be used; then nothing was
            asked.
        RunStopped: the budget is used up, or a server is gone; all answers are kept.
    """
    with runs.explained(run.path), run.locked():
        check_finished(run)
        config = of_run(run, budget)
        method = method_of(config.method)
        if not method.takes_tests:
            raise UserError(f"runs of method {method.name} take no tests of your own")
        for name, test in tests.items():
            _check_name(run, config, name, test)
            for settings in (config.student, *models):
                own_tests.check_choice(name, test, settings)
        adapter = getattr(read_result(run), "adapter", "")
        others = [Sitter(_named(settings), _told(settings), settings) for settings in models]
        services = Services(run, config, run.domain_folder(), Ledger(run.ledger), progress)
        try:
            found = {name: _read(services, name, test) for name, test in tests.items()}
            sitters = [*_students(services, adapter), *others]
            seen = run_to_end(lambda: _sit(services, found, sitters))
            taken = {
                name: own_tests.result(services, one.items, sitters, seen[name])
                for name, one in found.items()
            }
            for name, result in taken.items():
                test_files.write(run, name, tests[name], result)
            return taken
        finally:
            services.close()


def _check_name(run: RunFolder, config: DomainConfig, name: str, test: TestConfig) -> None:
    """Refuse a second test of one name.

    Raises:
        UserError: the run has one that is not this one.
    """
    kept = test_files.kept(run.path, name)
    there = config.tests.get(name) or (kept and kept.settings)
    if there and there != test:
        raise UserError(f"run {run.id} has another test of the name {name!r}: give another --name")


def _named(settings: ModelConfig) -> str:
    return settings.model + (f" at {settings.base_url}" if settings.base_url else "")


def _told(settings: ModelConfig) -> str:
    """Return what tells a model's scores from others', once it is known to be there.

    Raises:
        UserError: it cannot be made, or its server does not have it.
    """
    make_model(settings)
    provider = backend(settings.model)
    if not provider.local:
        provider.look(settings)
        return _named(settings)
    try:
        folder = weights(settings)
    except UserError:  # a program, and no model with weights
        return settings.model
    return f"{settings.model}+{weights_hash(folder)[:HASH]}"


def _read(services: Services, name: str, test: TestConfig) -> Read:
    """Return a test's items: those that the run took, where it is one of its own.

    Raises:
        UserError: the test was taken, and its table has other rows since.
    """
    if name in services.config.tests:
        own_tests.prepare(services)
        return Read(services.ledger.all(TestItem, test=name), [])
    folder = services.domain_folder
    found = read(name, test, folder, services.subject, services.config.seed)
    taken = {item.id for item in services.ledger.all(TestItem, test=name)}
    if test_files.kept(services.folder.path, name) and taken != {item.id for item in found.items}:
        raise UserError(
            f"{tables.named(test.rows)} is not what it was when the test {name!r} was taken: give "
            "another --name"
        )
    own_tests.keep(services, found)
    return found


def _students(services: Services, adapter: str) -> list[Sitter]:
    """Return the student that the run began with, and the trained one where there is one."""
    updates = services.ledger.all(Update)
    before = Sitter(BEFORE, updates[0].adapter if updates else BASE)
    return [before, Sitter(AFTER, adapter)] if adapter else [before]


async def _sit(
    services: Services, found: Mapping[str, Read], sitters: Sequence[Sitter]
) -> dict[str, frozenset[str]]:
    """Have all tests taken; return the items of each that were seen in training."""
    try:
        with services.registered():
            seen = await own_tests.leaked(services, found)
            for one in found.values():
                for sitter in sitters:
                    await own_tests.sit(services, one.items, sitter)
            return seen
    finally:
        await services.disconnect()
