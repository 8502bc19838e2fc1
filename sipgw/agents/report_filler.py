"""Fills in the reports on calls: a worker asks the agent's language model, checks its reply, and tries again later.

The model gets the record of the call without private words, and its reply is redacted again. The row of a report is
written with the end of its call, so a restart loses none.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Self

import structlog
from sqlalchemy import ColumnElement, and_, or_
from sqlalchemy.exc import SQLAlchemyError

from agent.errors import ProviderError, internal
from agent.limits import whole
from agent.llm import Message, ReplyForm
from agent.meter import CHARACTERS_PER_TOKEN, ChargedLlm
from agent.providers.reasoning import ROOM
from agent.records import Used
from sipgw.agents.agents import AgentDefinition, Agents
from sipgw.agents.products import product
from sipgw.agents.providers import Providers
from sipgw.agents.report import form_of, messages_of, proven
from sipgw.agents.report_judge import Claim, claims_of, judge_form, judge_messages, upheld, without
from sipgw.policy.cost.cost import Bill, Cost, Expenses, increased
from sipgw.policy.inbound.limits import Declined
from sipgw.records.artifacts import hosts
from sipgw.records.cdr.encoder import ABOUT, kept_json, text
from sipgw.records.store.engine import refused
from sipgw.records.store.reports import ReportState, claim, due, settle
from sipgw.records.store.store import Store
from sipgw.records.store.tables import CAUSE, CallRecord, ReportRecord
from sipgw.records.webhooks.deliveries import Deliveries
from sipgw.sip.boundaries import lasting

log = structlog.get_logger()

PAUSE = 5.0
"""Seconds between two checks for due reports."""
AWAY = 60.0
"""Like `PAUSE`, while the database does not answer."""
AT_ONCE = 4
"""Reports that are filled in at the same time; few, because running calls use the same language model."""
LIMIT = 60.0
"""Seconds that the model has for a report."""
BACK_OFF = (60.0, 300.0, 1800.0, 3600.0)
"""Seconds until the next try, by the number of failures; the last value repeats."""
GIVE_UP = timedelta(days=3)
"""Time after a call in which its report is tried again."""
MOST_USELESS = 2
"""Unreadable replies of the model to one report, after which the report is given up, because each is paid for."""
LEASE = timedelta(seconds=(MOST_USELESS + 2) * LIMIT)
"""Time after which another process takes over a report whose process is gone: longer than all requests of a try."""
MOST_PAID = 8
"""Tries after which a report is given up if the last try had paid replies of the model, but no result."""
ORPHANED = timedelta(hours=1)
"""Time after which another gateway takes over a due report, because its own gateway is gone or overloaded."""


class _NotMadeError(Exception):
    """The report must not be made; the message says why."""


class _Result(NamedTuple):
    """The result of one try."""

    state: ReportState
    problem: str
    content: dict[str, Any] | None
    cost: Cost | None


@dataclass(frozen=True)
class ReportFiller:
    """Fills in reports while it is entered. An async context manager, inside of all that it uses."""

    store: Store
    agents: Agents
    providers: Mapping[str, Providers]
    """The providers of each agent, by the agent's name."""
    expenses: Expenses
    budget: Callable[[str], Declined | None]
    """Returns why calls of a tenant may not cost more today: see `sipgw.calls.services.CallServices.budget`."""
    engage: Callable[[asyncio.Task[Any]], None]
    """Keeps the providers open while a task runs."""
    deliveries: Deliveries
    _stack: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)

    async def __aenter__(self) -> Self:
        group = await self._stack.enter_async_context(asyncio.TaskGroup())
        self._stack.callback(group.create_task(lasting(self._keep_up, "reports failed")).cancel)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _keep_up(self) -> None:
        while True:
            pause = PAUSE
            try:
                while await self.work(datetime.now(UTC)):
                    pass
            except* SQLAlchemyError as errors:
                log.warning("reports wait for the database", cause=str(errors.exceptions[0]).splitlines()[0][:200])
                pause = AWAY
            except* Exception:  # the observer boundary: calls go on without their reports
                log.exception("reports failed")
                pause = AWAY
            await asyncio.sleep(pause)

    async def work(self, now: datetime) -> bool:
        """Try some of the due reports; returns whether there were any. Raises the errors of the database, except those
        of a single report."""
        async with self.store.read() as session:
            calls = await due(session, now, AT_ONCE, self._ours(now))
        if not calls:
            return False
        async with self.store.write() as session:
            claimed = await claim(session, calls, now, LEASE)
        async with asyncio.TaskGroup() as group:
            for one in claimed:
                self.engage(group.create_task(self._try(one, now)))
        return True

    def _ours(self, now: datetime) -> ColumnElement[bool]:
        """The condition of reports for this gateway: those of this machine's calls, and orphaned ones whose agent
        exists here, too."""
        agents = [name for name in self.agents.all if self.agents.reports(name)]
        orphaned = and_(ReportRecord.next_try < now - ORPHANED, CallRecord.agent.in_(agents))
        return or_(hosts.ours(self.store, now, CallRecord.gateway), orphaned)

    async def _try(self, row: ReportRecord, now: datetime) -> None:
        """Fill in one report, or note the reason of a failure; no error reaches the other reports."""
        try:
            await self._fill_in(row, now)
        except SQLAlchemyError as error:  # the report is due again when its lease is over
            log.warning("report not written", call=row.call, cause=str(error).splitlines()[0][:200])
            if refused(error):  # the next try would be refused, too, and each try is paid for
                problem = f"the database does not take it: {type(error).__name__}"
                with contextlib.suppress(SQLAlchemyError):
                    async with self.store.write() as session:
                        await settle(session, row.call, ReportState.GIVEN_UP, at=now, next_try=None, problem=problem)

    async def _fill_in(self, row: ReportRecord, now: datetime) -> None:
        call = await self.store.call(row.call)
        if call is None:
            return
        expenses, key = self.expenses, ("report", row.call)
        whose = Bill(expenses.prices, call["direction"], call["caller"], now, tenant=call["tenant"], of_call=False)
        bill = expenses.open(key, whose)
        state, problem, content = ReportState.WAITING, "", None
        try:
            (content, problem), state = await self._filled(call, bill), ReportState.FILLED
        except _NotMadeError as reason:
            state, problem = ReportState.NOT_MADE, str(reason)
        except ProviderError as error:
            problem = str(error)
        except ValueError as error:
            state, problem = ReportState.GIVEN_UP, str(error)
        except Exception as error:  # the boundary of one report
            log.exception("report failed", call=row.call)
            problem = internal(error)
        finally:
            cost = expenses.close(key)
        paid = cost is not None and bool(cost.used)
        given_up = now - call["ended"] > GIVE_UP or (paid and row.attempts >= MOST_PAID)
        if state is ReportState.WAITING and given_up:
            state = ReportState.GIVEN_UP
        if problem and (state is not ReportState.WAITING or row.attempts == 1):
            told = "values of a report not judged" if state is ReportState.FILLED else "report not filled in"
            log.warning(told, call=row.call, state=state.value, cause=problem, tries=row.attempts)
        await self._settle(row, call, _Result(state, problem, content, cost), now)

    async def _filled(self, call: dict[str, Any], bill: Bill) -> tuple[dict[str, Any], str]:
        """The report on `call`, and why values could not be judged. Raises `_NotMadeError`, `ProviderError`, or
        `ValueError` for useless replies."""
        agents = self.agents
        agent, part = agents.all.get(call["agent"]), self.providers.get(call["agent"])
        if agent is None or part is None or not agent.config.report.wanted:
            raise _NotMadeError("its agent makes no reports any more ([report] goal)")
        if not any(turn["caller"] or turn["heard"] or turn["tools"] for turn in call["turns"]):
            raise _NotMadeError("nothing was said")
        options, content = agent.config.report, dict[str, Any]()

        async def replied(messages: list[Message], form: ReplyForm) -> str:
            self._check_caps(agent, call, bill, self._most(agent, messages, form))
            return await whole(ChargedLlm(part.llm, bill.used), messages, LIMIT, form)

        for left in reversed(range(MOST_USELESS)):
            reply = await replied(messages_of(options, call, agent.config.codes[0]), form_of(options))
            try:
                content = proven(options, call["turns"], reply, call["began"])
                break
            except ValueError:
                if not left:
                    raise
        content, problem = await _judged(claims_of(options, call["turns"], content), content, replied)
        for name in dict.fromkeys([agent.name, *(turn["agent"] for turn in call["turns"])]):
            content = dict(kept_json(content, agents.redact("records")(name)))
        return content, problem

    def _check_caps(self, agent: AgentDefinition, call: dict[str, Any], bill: Bill, more: float) -> None:
        """Raises `_NotMadeError` if a request that costs `more` would exceed the caps of the call. `bill` has the costs
        of earlier requests."""
        if call["ending"] == "over_budget":
            raise _NotMadeError(call["cause"])
        if over := self.budget(call["tenant"]):
            raise _NotMadeError(over.reason)
        cap = agent.config.cost.per_call
        if cap and call["costs"] is None:  # the gateway was killed in the call
            raise _NotMadeError("it is not known what the call has cost, and there is a cap ([cost] per_call)")
        spent = float((call["costs"] or {}).get("most", 0.0)) + bill.cost(datetime.now(UTC)).most
        if cap and spent + more > cap:
            raise _NotMadeError(
                f"the call has cost {spent:.4f} of {cap:.2f} ([cost] per_call), and the report may cost {more:.4f}"
            )

    def _most(self, agent: AgentDefinition, messages: list[Message], form: ReplyForm) -> float:
        """An upper estimate of the cost of a report: letters of some scripts are several bytes, and several tokens."""
        asked = "".join([*(one["content"] for one in messages), str(form)])
        tokens = len(asked.encode("utf-8", "replace")) / (CHARACTERS_PER_TOKEN / 2)
        costs, now = [], datetime.now(UTC)
        for name in agent.choice.llm:
            bill = Bill(self.expenses.prices, "", "", now)
            for unit, amount in (("tokens_in", tokens), ("tokens_out", ReplyForm.TOKENS + ROOM)):
                bill.used(Used("llm", product(agent.config, "llm", name), unit, amount))  # type: ignore[arg-type]
            costs.append(bill.cost(now).most)
        return max(costs)

    async def _settle(self, row: ReportRecord, call: dict[str, Any], result: "_Result", now: datetime) -> None:
        """Write the report, its cost and its webhook in one transaction; write nothing if the call was forgotten
        meanwhile."""
        wait = timedelta(seconds=BACK_OFF[min(row.attempts, len(BACK_OFF)) - 1])
        over, cost = result.state is not ReportState.WAITING, result.cost
        problem = text(result.problem, CAUSE)  # the problem may have words of a server
        changed: dict[str, Any] = {"problem": problem}
        changed |= {"at": now, "next_try": None, "content": result.content} if over else {"next_try": now + wait}
        async with self.store.write() as session:
            record = await session.get(CallRecord, row.call)
            if record is None or not await settle(session, row.call, result.state, **changed):
                return
            if cost is not None and cost.used:
                record.cost, record.costs = (record.cost or 0.0) + cost.total, increased(record.costs, cost)
            if over:
                told = {"at": now.isoformat(), "state": result.state.value, "problem": problem}
                entry = {"call": row.call, "told": "report", "about": {name: call[name] for name in ABOUT}}
                await self.deliveries.add(session, [entry | {"report": told | (result.content or {})}])
        self.deliveries.added()


async def _judged(
    claims: Mapping[str, Claim],
    content: dict[str, Any],
    replied: Callable[[list[Message], ReplyForm], Awaitable[str]],
) -> tuple[dict[str, Any], str]:
    """`content` without the claims that the judge (a second request) does not uphold, and the reason if this request
    failed; then no claim is upheld."""
    found, problem = dict[str, Claim](), ""
    try:
        if claims:
            found = upheld(claims, await replied(judge_messages(claims), judge_form(claims)))
    except (ProviderError, _NotMadeError, ValueError) as error:
        problem = f"not judged, so null: {', '.join(claims)}: {error}"
    return without(content, {name: one for name, one in claims.items() if name not in found}), problem
