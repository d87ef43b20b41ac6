"""The error tree: whose fault it is decides what happens next.

    SmilereelError
    ├── InputError            the lesson or its files are at fault: tell the sender, do not retry (exit 2)
    │   ├── LessonInvalid       the lesson's document cannot be accepted
    │   ├── LessonConflict      the same lesson_id came with other content
    │   ├── LessonErased        a lesson of this id was erased
    │   ├── LessonUnknown       no lesson has this id
    │   ├── WorkerUnknown       no worker has this name
    │   ├── LessonNotEnded      it is still being processed
    │   ├── ConsentMissing      nobody agreed to this processing
    │   ├── MailRefused, WordsInvalid  an e-mail cannot be written with what was handed in (`shared/mail/faults.py`)
    │   ├── RecordingUnreadable a media file cannot be decoded
    │   ├── NoCommonTime        the two cameras were never on together
    │   ├── PictureMissing      there is nothing at the path that was to be scored
    │   ├── LabelsInvalid       a label file cannot be learned from
    │   ├── WebhookInvalid      a request to a backend's webhook was not sent by us
    │   ├── TrainingRefused     a training cannot begin or go on with what it was given
    │   └── OutputRefused       the output folder cannot be used
    └── ServiceError          we are at fault: operators look at it (exit 1)
        ├── SettingsInvalid     the environment holds a setting that cannot be used
        ├── StoreError          the object store is away, full or refuses: the same may succeed later
        │   └── ObjectMissing     the store answers, and holds no such object
        ├── SourceUnavailable   the host of a recording does not answer now
        ├── LedgerAway          the database cannot be reached, is locked or full: passes by itself
        ├── SchemaMissing       the database has no tables, or those of another version
        ├── MailNotSent         the mail server is away, slow or refuses (`shared/mail/faults.py`)
        ├── ModelError          weights are missing, altered or of another architecture
        ├── DeviceFailed        a graphics card fails: what it had is done elsewhere, its worker leaves
        ├── Hopeless            trying the lesson again would end the same way
        └── WorkerLost          a process of ours ended before its work did

Each message is one sentence: what happened, to which lesson or file, what to do. Every class hands all its
arguments to Exception, so that an error survives the way through Celery.
"""

from __future__ import annotations


class SmilereelError(Exception):
    """Something went wrong in smilereel."""

    exit_code = 1

    def __init__(self, message: str) -> None:
        super().__init__(message)

    @property
    def message(self) -> str:
        return str(self.args[0])


class InputError(SmilereelError):
    """What was handed in cannot be processed."""

    exit_code = 2


class LessonInvalid(InputError):
    """The lesson's document cannot be accepted."""


class LessonConflict(InputError):
    """The same lesson_id was handed in before with other content."""


class LessonErased(InputError):
    """A lesson of this id was erased and does not come back."""


class LessonUnknown(InputError):
    """No lesson has this id."""


class WorkerUnknown(InputError):
    """No worker has this name."""


class LessonNotEnded(InputError):
    """The lesson is still being processed."""


class ConsentMissing(InputError):
    """Nobody agreed to this processing."""


class RecordingUnreadable(InputError):
    """A media file cannot be decoded."""


class NoCommonTime(InputError):
    """The student's and the teacher's cameras were never on at the same time."""


class PictureMissing(InputError):
    """There is no picture and no folder at a path."""


class LabelsInvalid(InputError):
    """A label file cannot be learned from."""


class WebhookInvalid(InputError):
    """A request to a backend's webhook is forged, too old or no event."""


class TrainingRefused(InputError):
    """A training cannot begin or go on with what it was given."""


class OutputRefused(InputError):
    """The output folder cannot be used."""


class ServiceError(SmilereelError):
    """A part of smilereel failed."""


class SettingsInvalid(ServiceError):
    """A setting cannot be used."""

    exit_code = 2


class StoreError(ServiceError):
    """The object store failed."""


class ObjectMissing(StoreError):
    """The object store holds no object under a key."""


class SourceUnavailable(ServiceError):
    """The host of a recording does not answer now."""


class LedgerAway(ServiceError):
    """The ledger's database cannot be used at the moment."""


class SchemaMissing(ServiceError):
    """The ledger's tables are not there, or are of another version."""


class Hopeless(ServiceError):
    """Trying the lesson again would end the same way."""


class ModelError(ServiceError):
    """A model's weights cannot be used."""


class DeviceFailed(ServiceError):
    """A graphics card has failed, and nothing in its process can be computed any more."""


class WorkerLost(ServiceError):
    """A worker process ended before its work did."""
