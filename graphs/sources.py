"""What a run reads, as it is now: its fingerprint, and whether it changed since the launch."""

from pathlib import Path

from elenchus import runs
from elenchus.config import DomainConfig, SourceConfig
from elenchus.errors import UserError
from elenchus.ledger import Ledger
from elenchus.loading import DOMAIN_FILE, load
from elenchus.message_records import RealMessage
from elenchus.records import Passage
from graphs.context import Progress
from graphs.exams import read_hand_exam
from retrieval import messages, problems
from retrieval.index import Index


def are_own(config: DomainConfig, folder: Path, profile: str | None) -> bool:
    """Whether the sources are not those that the domain.yaml of the folder names."""
    try:
        return config.corpus.sources != _named(folder, profile)
    except UserError:  # it is another file of the folder that was given
        return True


def present(run: runs.RunFolder) -> DomainConfig:
    """The configuration of a run, with the sources that its domain.yaml and profile name now.

    A run that was launched with sources of its own keeps to them.
    """
    config, manifest = run.config(), run.manifest()
    if manifest.get("own_sources", False) or not (run.domain_folder() / DOMAIN_FILE).is_file():
        return config
    sources = _named(run.domain_folder(), manifest["profile"])
    corpus = config.corpus.model_copy(update={"sources": sources})
    return config.model_copy(update={"corpus": corpus})


def _named(folder: Path, profile: str | None) -> list[SourceConfig]:
    """The sources that the domain.yaml of a folder names."""
    return load(folder / DOMAIN_FILE, profile).corpus.sources


def tell_changes(run: runs.RunFolder, progress: Progress) -> None:
    """Say so where documents or messages are not what they were when the run was launched."""
    begun, config = _has_read(run), run.config()
    sorted_out = config.method == "indicators"
    what, how = ("messages", "") if sorted_out else ("documents", ", or how they are read,")
    try:
        if sorted_out:
            corpus = of_messages(config, run.domain_folder())
        else:
            # A run that has not read them yet will read the sources that it was launched with.
            read = present(run) if begun else config
            corpus = of_documents(_without_exam(read), run.domain_folder(), progress, False)
            corpus += of_problems(problems_of(read, run.domain_folder()))
    except UserError as error:
        progress.say(f"the {what} cannot be read any more: {error}")
        return
    if corpus == run.manifest()["corpus"]:
        return
    if not begun:
        run.set_corpus(corpus)
        then = "this run had not read them yet, and takes them as they are"
    elif sorted_out:
        then = "this run goes on with what they were"
    else:
        then = "this run goes on with what they said"
        if config.method == "examination":
            then += f"; afterwards, `{run.command('update')}` takes them up"
    progress.say(f"the {what}{how} have changed since the launch: {then}")


def _without_exam(config: DomainConfig) -> DomainConfig:
    """The configuration without the exam written by hand, which a begun run has read."""
    return config.model_copy(update={"exam": config.exam.model_copy(update={"hand": None})})


def _has_read(run: runs.RunFolder) -> bool:
    if not run.ledger.exists():
        return False
    ledger = Ledger(run.ledger, read_only=True)
    try:
        return ledger.count(Passage) > 0 or ledger.count(RealMessage) > 0
    finally:
        ledger.close()


def of_messages(config: DomainConfig, folder: Path) -> str:
    """The fingerprint of the messages of a domain; UserError where they cannot be used."""
    return messages.fingerprint(messages.collect(config.messages, folder, config.seed))


def of_documents(config: DomainConfig, folder: Path, progress: Progress, strict: bool) -> str:
    """The fingerprint of the documents of a domain; UserError where they cannot be used."""
    index = Index(config, folder)
    try:
        with progress.stage("Look through documents") as advance:
            index.read(advance)
        if config.exam.hand is not None:
            documents = list(index.catalogue.documents())
            read_hand_exam(folder / config.exam.hand, documents, strict)
        return index.fingerprint()
    finally:
        index.close()


def problems_of(config: DomainConfig, folder: Path) -> problems.Collected:
    """The problems of the tasks, none where they are not used; UserError for unusable ones."""
    used = config.tasks if config.method == "passages" else {}
    return problems.collect(used, folder, config.seed)


def of_problems(collected: problems.Collected) -> str:
    """What of a fingerprint comes from problems, "" where there are none."""
    return f" {problems.fingerprint(collected)}" if collected.test else ""
