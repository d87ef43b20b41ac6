"""Pages that stand in for Flower's own, where those do not fit, and their looks. `gate.py` routes to them, `serve.py` takes the rest."""

from __future__ import annotations

from typing import Any, Final

import redis.asyncio
from flower.api.tasks import GetQueueLengths, TaskResult
from flower.utils.broker import RedisBase
from flower.views import BaseHandler
from flower.views.broker import BrokerView
from tornado.web import HTTPError, TemplateModule

# The link to a task first: on a narrow screen the last columns are out of sight.
COLUMNS: Final = "uuid,name,args,kwargs,state,received,runtime,worker"
LABELS: Final = {"args": "Lesson", "kwargs": "Sending", "uuid": "Task"}
# Whole ids push the table off the screen; the link keeps them. Lines between tasks are black otherwise.
_STYLE = """
.task-uuid-full { display: none; }
.task-uuid-short { display: inline; }
.tasks-table > tbody > tr > td { border-color: var(--bs-border-color); }
"""


class Queues(RedisBase):  # type: ignore[misc]
    """Flower's look at the queues by redis-py's own reading of the address: users on sockets and TLS options hold here too."""

    def __init__(self, address: str, **options: Any) -> None:
        super().__init__(address, **options)
        timeouts = {"socket_timeout": self.socket_timeout, "socket_connect_timeout": self.socket_connect_timeout}
        self.redis = redis.asyncio.from_url(address.replace("redis+socket://", "unix://", 1), **timeouts)


class _LooksAtQueues(BaseHandler):  # type: ignore[misc]
    def get_broker(self) -> Queues:
        """In place of Flower's choice among brokers; what it needs of each."""
        return Queues(self.application.broker_uri_with_password, broker_options=self.capp.conf.broker_transport_options)

    def get_active_queue_names(self) -> list[str]:
        """All queues of the app, also those that nobody takes from at the moment."""
        return sorted({queue.name for queue in self.capp.conf.task_queues} | set(super().get_active_queue_names()))


class BrokerPage(_LooksAtQueues, BrokerView):  # type: ignore[misc]
    """/broker."""


class QueueLengths(_LooksAtQueues, GetQueueLengths):  # type: ignore[misc]
    """/api/queues/length."""


class Styled(TemplateModule):
    """What each page includes, with a few rules more for how it looks."""

    def embedded_css(self) -> str:
        """Goes into the page's head."""
        return f"{super().embedded_css() or ''}{_STYLE}"


class NoResult(BaseHandler):  # type: ignore[misc]
    """Results are messages between stages and gone after an hour; what a lesson came to is in the ledger."""

    def get(self, *_: str) -> None:
        """Refuse."""
        raise HTTPError(403, "Results are not shown here; `smilereel status LESSON` tells what a lesson came to.")


INSTEAD: Final[dict[type, type]] = {BrokerView: BrokerPage, GetQueueLengths: QueueLengths, TaskResult: NoResult}
