"""Formulas from a language model behind an address that speaks as OpenAI's does."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

from lightning_lossmeta.searchers.proposers import (
    MAX_REPLY,
    ProposalRequest,
    Proposer,
    ProposerError,
)

if TYPE_CHECKING:
    from typing_extensions import Self


class ChatProposer(Proposer):
    """Asks ``URL/chat/completions``, of a server on this machine or elsewhere.

    It is sent the grammar, the task's description and the formulas with their fitness, and no data.

    Args:
        url: The address without ``/chat/completions``, e.g. ``http://localhost:8080/v1``.
        model: Name of the model.
        key_variable: Environment variable that holds the key, if one is needed; the key itself is
            written nowhere.
        timeout: Seconds until a request is given up.

    Raises:
        ValueError: If the address is none of http or https, or the timeout not positive.
    """

    def __init__(
        self, url: str, model: str, key_variable: str | None = None, timeout: float = 120.0
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise ValueError(
                f"Expected argument `url` to begin with http:// or https://, got {url!r}."
            )
        if not timeout > 0:
            raise ValueError(f"Expected argument `timeout` to be positive, got {timeout!r}.")
        self.url = url.rstrip("/")
        self.model = model
        self.key_variable = key_variable
        self.timeout = timeout

    @classmethod
    def example(cls) -> Self:
        """A server on this machine, which need not run."""
        return cls("http://localhost:8080/v1", "local")

    def propose(self, request: ProposalRequest) -> str:
        """The content of the first choice."""
        headers = {"Content-Type": "application/json"}
        if self.key_variable is not None:
            key = os.environ.get(self.key_variable)
            if not key:
                raise ProposerError(
                    f"Expected the environment variable {self.key_variable} to hold the key of "
                    f"{self.url}, got none."
                )
            headers["Authorization"] = f"Bearer {key}"
        messages = [{"role": "user", "content": request.prompt}]
        body = json.dumps({"model": self.model, "messages": messages}).encode()
        call = urllib.request.Request(f"{self.url}/chat/completions", body, headers)
        try:
            with urllib.request.urlopen(call, timeout=self.timeout) as response:
                text = response.read(MAX_REPLY + 1)
        except (urllib.error.URLError, OSError) as error:
            raise ProposerError(
                f"Expected {self.url} to reply within {self.timeout:g} seconds, got: {error}."
            ) from None
        if len(text) > MAX_REPLY:
            raise ProposerError(
                f"Expected {self.url} to reply with at most {MAX_REPLY} bytes, got more."
            )
        try:
            return str(json.loads(text)["choices"][0]["message"]["content"])
        except (ValueError, LookupError, TypeError):
            raise ProposerError(
                f"Expected {self.url} to reply with choices as OpenAI's address does, got "
                f"{text[:80]!r}."
            ) from None
