"""What the nodes of a cluster need for examinations: looked for before anything is paid for."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from elenchus import templates
from elenchus.cluster import check_nodes, connect
from elenchus.errors import UserError
from elenchus.progress import Progress
from graphs.cluster.messages import Files
from graphs.config import DomainConfig, written
from graphs.methods import method_of
from graphs.preflight import check_models
from models.backend import backend


def check_cluster(config: DomainConfig, progress: Progress) -> None:
    """Look at every node that workers may run on, where Ray makes examinations.

    Raises:
        UserError: see `connect`; or a node has other versions, lacks the student's weights, reaches
            no server of a model or has no key for it; or no CPU becomes free.
    """
    if config.engine == "local" or not method_of(config.method).examined_apart:
        return
    own = backend(config.student.model)
    if own.local and own.device(config.student).startswith("cuda") and not config.ray.gpus:
        raise UserError(
            "the student runs in the workers, which see no GPU: set ray.gpus, for instance to 1"
        )
    tree = config.model_dump(mode="json", exclude={"profiles"})
    check_nodes(connect(config.ray), config.ray, look, tree, progress)


def look(tree: dict[str, Any]) -> str:
    """Look, on a node, for what its workers need: models, weights, keys and servers.

    Return what keeps examinations from it; "" where nothing does.
    """
    try:
        check_models(written(tree, "the configuration"))
    except UserError as error:
        return str(error)
    return ""


def own_prompts(folder: Path) -> Files:
    """Return the templates of a domain's own, which workers are sent."""
    own = templates.of_domain(folder)
    paths = [path for path in sorted(own.glob("*/*.md")) if path.is_file()]
    return {path.relative_to(own).as_posix(): path.read_bytes() for path in paths}


def write_files(folder: Path, files: Files) -> None:
    """Write files below a folder, all of them or none: the folder is there once they are."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder.parent) as place:
        whole = Path(place) / "whole"
        whole.mkdir()
        for name, content in files.items():
            (whole / name).parent.mkdir(parents=True, exist_ok=True)
            (whole / name).write_bytes(content)
        whole.rename(folder)
