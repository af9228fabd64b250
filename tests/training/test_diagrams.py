"""Drawings hold whatever messages and classes are called."""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from training import diagrams

ODD = ("US$ \\foo$", "_hidden", "bell\x07", "<b>", "بطاقة")


def test_names_of_classes_are_drawn_as_they_stand(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    groups = [(name, "real", rng.normal(size=(3, 8))) for name in ODD]
    diagrams.clusters(tmp_path / "clusters.svg", groups)
    drawn = "".join(ElementTree.parse(tmp_path / "clusters.svg").getroot().itertext())
    for name in ("US$ \\foo$", "_hidden", "bell, real", "<b>"):
        assert name in drawn


def test_bins_of_every_classifier_are_drawn(tmp_path: Path) -> None:
    one = {"low": 0.4, "high": 0.5, "count": 3, "accuracy": {"value": 0.5}}
    none = {"low": 0.5, "high": 0.6, "count": 0, "accuracy": None}
    rows = [{"mix": "real", "model": "$x", "metrics": {"bins": [one, none]}} for _ in range(5)]
    diagrams.reliability(tmp_path / "bins.svg", rows)
    drawn = "".join(ElementTree.parse(tmp_path / "bins.svg").getroot().itertext())
    assert drawn.count("share right") == 5
    diagrams.reliability(tmp_path / "again.svg", rows)
    assert (tmp_path / "again.svg").read_bytes() == (tmp_path / "bins.svg").read_bytes()
