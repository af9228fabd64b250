"""The methods by name: a fourth one is a folder with a `Method`, and a line here.

One of an installed package offers itself in the entry-point group `elenchus.methods` instead.
"""

from elenchus.plugins import Registry
from graphs.method import Method

METHODS: Registry[type[Method]] = Registry(
    "method",
    "elenchus.methods",
    {
        "examination": "graphs.adaptation.method:Examination",
        "rewriting": "graphs.rewriting.method:Rewriting",
        "indicators": "graphs.classification.method:Indicators",
        "passages": "graphs.pretraining.method:Passages",
    },
)


def method_of(name: str) -> Method:
    """Return the method that a configuration names; UserError where there is none."""
    return METHODS.get(name)()
