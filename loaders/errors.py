"""Every error raised on purpose.

MdashError
├── ConfigurationError      settings, keys or home are wrong; exit code 2
│   └── UnknownMetric       a name or dimension nobody defined; exit code 2
├── RefusedInput            a file or request is refused whole; exit code 4
│   ├── BadSignature        a message's signature does not verify
│   ├── Forbidden           who asks may not do this
│   └── UnknownMessage      a message is genuine, but not one that is read
├── NoAnswer                a channel did not answer, or was not asked; exit code 3
├── StoreBusy               another job holds the store for too long; exit code 1
└── DeliveryFailed          a message could not be sent; exit code 1

A message is an English template with its values apart, so that what is shown to a person
can be translated where it is shown: `template` is the key of the translation.
"""

from __future__ import annotations

from typing import ClassVar


class MdashError(Exception):
    """Base of all errors that carry a sentence for people. `template` has `{name}` places."""

    exit_code: ClassVar[int] = 1

    def __init__(self, template: str, **values: object) -> None:
        self.template = template
        self.values = values
        super().__init__(template, values)

    def __str__(self) -> str:
        return self.template.format(**self.values)

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.template, self.values))


def _rebuild(kind: type[MdashError], template: str, values: dict[str, object]) -> MdashError:
    return kind(template, **values)


class ConfigurationError(MdashError):
    """Settings, keys or the home folder are wrong."""

    exit_code = 2


class UnknownMetric(ConfigurationError):
    """A metric, dimension or filter that does not exist was asked for."""


class RefusedInput(MdashError):
    """A file, message or request is refused; the sentence says why and what to do."""

    exit_code = 4


class BadSignature(RefusedInput):
    """A message's signature does not verify with the configured key."""


class Forbidden(RefusedInput):
    """Who asks is unknown, disabled, or has not the right."""


class NoAnswer(MdashError):
    """A channel did not answer in time, or could not be asked."""

    exit_code = 3


class UnknownMessage(RefusedInput):
    """A message is the channel's own, but not a payment notification in a known shape."""


class StoreBusy(MdashError):
    """Another job holds the store, and did not let go in time."""


class DeliveryFailed(MdashError):
    """A message could not be sent to a webhook or a mail server; the sentence holds no secret."""
