"""How others load what a run trained: the code that a card shows."""

from models.bases import Base
from models.vllm_server import RANKS

ADAPTER = """With peft:

```python
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

base = {base}
tokenizer = AutoTokenizer.from_pretrained(base{revision})
model = AutoModelForCausalLM.from_pretrained(base{revision}, dtype="auto")
model = PeftModel.from_pretrained(model, FOLDER_OR_REPO)
```
{hub}
With vLLM, as a model of its own name:

```sh
vllm serve {served} --enable-lora --max-lora-rank {room} --lora-modules adapted=FOLDER_OR_REPO
```
"""
HUB = """
With transformers, which fetches the base itself:

```python
model = AutoModelForCausalLM.from_pretrained(FOLDER_OR_REPO)
```
"""
MODEL = """With transformers:

```python
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(FOLDER_OR_REPO)
model = AutoModelForCausalLM.from_pretrained(FOLDER_OR_REPO, dtype="auto")
```

With vLLM:

```sh
vllm serve FOLDER_OR_REPO
```
"""
GGUF = """With llama.cpp:

```sh
llama-cli -m {file}
llama-server -m {file}
```

With transformers:

```python
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(FOLDER_OR_REPO, gguf_file="{file}")
model = AutoModelForCausalLM.from_pretrained(FOLDER_OR_REPO, gguf_file="{file}")
```
"""
CLASSIFIER = """With peft:

```python
from peft import PeftModel
from transformers import AutoModelForSequenceClassification, AutoTokenizer

base = {base}
tokenizer = AutoTokenizer.from_pretrained(base{revision})
model = AutoModelForSequenceClassification.from_pretrained(base{revision}, num_labels={labels})
model = PeftModel.from_pretrained(model, FOLDER_OR_REPO)
```

In Elenchus, calibrated and with what stands around a message:

```python
from pathlib import Path
from training import classifier

tuned = classifier.load(Path(FOLDER), Path(FOLDER_OF_THE_BASE))
tuned.probabilities(["a message"])
```
"""


FORMS = {"adapter": ADAPTER, "model": MODEL, "classifier": CLASSIFIER, "gguf": GGUF}


def how_to_load(kind: str, base: Base, rank: int, labels: int = 2, file: str = "") -> str:
    """Return, in Markdown, how a LoRA, a whole model or a classifier is loaded.

    Args:
        rank: of the LoRA.
        labels: how many classes a classifier has.
        file: of GGUF.
    """
    values = {
        "base": f'"{base.name}"' if base.on_hub else f'"FOLDER"  # of {base.name}',
        "revision": f', revision="{base.revision}"' if base.revision else "",
        "served": base.name if base.on_hub else "FOLDER_OF_THE_BASE",
        "room": next((room for room in RANKS if room >= rank), rank),
        "hub": HUB if base.on_hub else "",
        "labels": labels,
        "file": file,
    }
    return FORMS[kind].format(**values)
