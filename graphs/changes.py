"""What a run reads that is not what it was when the run was launched."""

from pathlib import Path

from elenchus.domains import DOMAIN_FILE
from elenchus.errors import UserError
from elenchus.ledger import Ledger
from elenchus.progress import Progress
from elenchus.runs import RunFolder
from elenchus.sections import SourceConfig
from graphs.config import DomainConfig, load, of_run
from graphs.method import Method
from graphs.methods import method_of


def with_present_sources(run: RunFolder) -> DomainConfig:
    """Return a run's configuration, with the sources that its domain.yaml and profile name now.

    A run that was launched with sources of its own keeps to them.
    """
    config, manifest = of_run(run), run.manifest()
    if manifest.get("own_sources", False) or not (run.domain_folder() / DOMAIN_FILE).is_file():
        return config
    sources = named_sources(run.domain_folder(), manifest["profile"])
    corpus = config.corpus.model_copy(update={"sources": sources})
    return config.model_copy(update={"corpus": corpus})


def named_sources(folder: Path, profile: str | None) -> list[SourceConfig]:
    """Return the sources that a domain.yaml names, with a profile."""
    return load(folder / DOMAIN_FILE, profile).corpus.sources


def say_changes(run: RunFolder, progress: Progress) -> None:
    """Say so where what a run works with or reads is not what it was at its launch."""
    if changed := run.changed():
        progress.say(f"changed since the launch: {', '.join(changed)}")
    config = of_run(run)
    method = method_of(config.method)
    begun = _has_read(run, method)
    try:
        # A run that has not read its sources yet will read those that it was launched with.
        read = without_exam(with_present_sources(run) if begun else config)
        corpus = method.fingerprint(read, run.domain_folder(), progress, strict=False)
    except UserError as error:
        said = f"the {method.sources} cannot be read any more: {error}"
        if begun and run.domain_folder().parent == run.path:  # of a database, which has none
            said = f"the {method.sources} are not on this machine; what was read of them is kept"
        progress.say(said)
        return
    if corpus == run.manifest()["corpus"]:
        return
    then = "this run had not read them yet, and takes them as they are"
    if begun:
        then = method.changed(run)
    else:
        run.set_corpus(corpus)
    what = f"{method.sources}, or how they are read,"
    progress.say(f"the {what} have changed since the launch: {then}")


def without_exam(config: DomainConfig) -> DomainConfig:
    """Return the configuration without the exam written by hand, which a begun run has read."""
    return config.model_copy(update={"exam": config.exam.model_copy(update={"hand": None})})


def _has_read(run: RunFolder, method: Method) -> bool:
    ledger = Ledger(run.ledger)  # makes its tables where a kill came before them
    try:
        return ledger.count(method.read) > 0
    finally:
        ledger.close()
