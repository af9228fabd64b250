"""One model in this process that answers with its adapter and without it, as a person looks on."""

from collections.abc import Iterator
from pathlib import Path

from models.decoding import written
from models.local import LocalChatModel, adapted, ends_of, forget
from models.messages import Messages
from models.room import enough, tokens_of


class Pair:
    """The untouched student and the adapted one, from one set of weights in memory.

    The adapter stays beside the matrices. In an exam it is added into them, which rounds otherwise
    in the last digits: of two tokens that are equally likely, the other one may be taken.

    Args:
        chat: the untouched student.
        adapter: the folder of a LoRA trained on it.

    Raises:
        UserError: the adapter is that of another model.
    """

    def __init__(self, chat: LocalChatModel, adapter: Path) -> None:
        from peft.tuners.tuners_utils import BaseTunerLayer

        self._chat, self._loaded = chat, chat.load()
        forget()  # no other role may be given the model that is adapted here
        self._model = adapted(self._loaded.model, adapter, merged=False).eval()
        layers = self._model.modules()
        self._layers = [layer for layer in layers if isinstance(layer, BaseTunerLayer)]
        self._ends = ends_of(self._model, self._loaded.tokenizer)

    def written(self, messages: Messages, with_adapter: bool, seed: int = 0) -> Iterator[str]:
        """Yield the answer to messages as far as it is written, after each token.

        Two answers, one with the adapter and one without, may be written by turns.

        Args:
            seed: decides the draws, where the student's temperature is not 0.

        Raises:
            PromptTooLong: the messages leave no room for an answer.
            RunStopped: the GPU has no room for both.
        """
        wanted = self._chat.wanted(self._loaded, messages, seed=seed)
        tokenizer, tokens = self._loaded.tokenizer, list[int]()
        more = written(self._model, wanted, ends=self._ends, pad=tokenizer.pad_token_id)
        while True:
            self._switch(with_adapter)  # whoever was asked meanwhile may have left it otherwise
            with enough(tokens_of([wanted])):
                token = next(more, None)
            if token is None:
                return
            tokens.append(token)
            yield self._chat.shown(tokenizer.decode(tokens, skip_special_tokens=True).strip())

    def _switch(self, on: bool) -> None:
        for layer in self._layers:
            if layer.disable_adapters == on:
                layer.enable_adapters(on)
