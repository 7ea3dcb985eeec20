# ruff: noqa: E501
"""Unsound clients: the sound one with one thing broken, and the scenarios that it must fail for that, and no others."""

from __future__ import annotations

from typing import NamedTuple


class Mutant(NamedTuple):
    """A change of `sound.py`, and what comes of it: scenario -> words that its reason must hold."""

    name: str
    changes: tuple[tuple[str, str], ...]
    fails: dict[str, str]


COMPLETED = '                if status == "completed":\n                    return status\n'

MUTANTS = (
    Mutant(
        "sleeps before it returns",
        ((COMPLETED, COMPLETED.replace("return", "time.sleep(5)\n                    return")),),
        {"S01": "after it had seen the end"},
    ),
    Mutant(
        "polls once more to be sure",
        ((COMPLETED, COMPLETED.replace("return", "self._poll(uid)\n                    return")),),
        {
            **dict.fromkeys(
                ["S01", "S02", "S03", "S39", "S45", "S49", "S04", "S05", "S06", "S07", "S16", "S17", "S18", "S19", "S20", "S22", "S25", "S28", "S30", "S31", "S32", "S33", "S34", "S35", "S36", "S37", "S38", "S40", "S41", "S42", "S46", "S48", "S51", "S52"],
                "polled once more after it had seen",
            ),
        },
    ),
    Mutant(
        "insists on seeing every state",
        (
            (
                COMPLETED,
                '                if status == "completed" and "running" not in last and "active" not in last:\n'
                '                    raise ActionError("completed without running")\n' + COMPLETED,
            ),
        ),
        {"S01": "gave up", "S05": "gave up", "S12": "gave up", "S43": "gave up"},
    ),
    Mutant(
        "has a budget of ten polls",
        (
            ('        began, seen, ', '        polls = 0\n        began, seen, '),
            (
                "            pause, reply = self.every, self._poll(uid)\n",
                "            polls += 1\n            if polls > 10:\n                raise ActionError(last)\n"
                "            pause, reply = self.every, self._poll(uid)\n",
            ),
        ),
        {"S03": "gave up", "S04": "gave up", "S22": "gave up"},
    ),
    Mutant(
        "waits five minutes at most",
        (('for left in self._until(timeout):\n            pause', 'for left in self._until(min(timeout, 300)):\n            pause'),),
        {"S04": "gave up"},
    ),
    Mutant(
        "knows tasks only",
        (('"queued", "pending", "starting", "running", "active", "cancelling"', '"queued", "starting", "running", "cancelling"'),),
        {"S06": "gave up", "S16": "gave up", "S50": "gave up"},
    ),
    Mutant(
        "speaks v1 only",
        (("{self.url}/{self.api}/actions", "{self.url}/v1/actions"),),
        {"S07": "polled /v1/actions/{uid}"},
    ),
    Mutant(
        "does not say why",
        (("{': '.join(why) or 'no reason was given'}", "no longer running"),),
        {"S08": "does not say 'insufficient_resources'"},
    ),
    Mutant(
        "takes every failure to have a reason",
        (('why = [str(info[name]) for name in ("error_code", "error_message", "error") if info.get(name)]',
          'why = [str(info["error_code"]), str(info["error_message"])]'),),
        {
            "S06": "crashed with KeyError", "S09": "crashed with KeyError", "S10": "crashed with KeyError",
            "S11": "crashed with KeyError", "S13": "crashed with KeyError", "S46": "crashed with KeyError",
        },
    ),
    Mutant(
        "takes a failure of what is only queued for a slip",
        (
            (
                '    if status in TERMINAL and status != "completed":',
                '    if status == "failed" and document.get("progress") == "0":\n        return "queued"\n'
                '    if status in TERMINAL and status != "completed":',
            ),
        ),
        {"S10": "saw 'failed'"},
    ),
    Mutant(
        "takes cancelled for completed",
        (('    status = document.get("status")\n', '    status = document.get("status")\n    status = "completed" if status == "cancelled" else status\n'),),
        {"S11": "returned 'completed', although the operation is cancelled", "S46": "although the operation is cancelled"},
    ),
    Mutant(
        "believes in its own cancel",
        (
            (
                '        if not uid:\n',
                '        known = self.__class__.__dict__.get("waited", set())\n        if uid in known:\n            return "cancelled"\n'
                '        if not uid:\n',
            ),
            (COMPLETED, COMPLETED.replace("return", "type(self).waited = known | {uid}\n                    return")),
        ),
        {"S12": "returned 'cancelled'"},
    ),
    Mutant(
        "does not know aborted",
        (
            ('TERMINAL = ("completed", "failed", "cancelled", "aborted")', 'TERMINAL = ("completed", "failed", "cancelled")'),
            ('"active", "cancelling")', '"active", "cancelling", "aborted")'),
        ),
        {"S13": "and polled on"},
    ),
    Mutant(
        "takes an unknown word for running",
        (
            ('        raise ActionError(f"{uid} has the unknown status {status!r}")\n', '        return "running"\n'),
        ),
        {"S14": "does not say 'Completed'", "S15": "does not say hibernating"},
    ),
    Mutant(
        "reads the progress",
        ((COMPLETED, COMPLETED.replace("return status", 'return status if document["progress"] else ""')),),
        {"S06": "with KeyError", "S16": "with KeyError", "S38": "with KeyError", "S50": "with KeyError"},
    ),
    Mutant(
        "gives up at the first server error",
        (
            ("            elif reply.status_code in TRY_AGAIN:\n", "            elif reply.status_code == -1:\n"),
        ),
        {
            "S17": "gave up", "S18": "gave up", "S19": "gave up", "S20": "gave up", "S22": "gave up", "S31": "gave up",
            "S32": "gave up", "S33": "gave up", "S34": "gave up",
        },
    ),
    Mutant(
        "starts the operation again after a 500",
        (
            (
                "                last, pause = f\"HTTP",
                '                self.session.post(self.url + "/v1/bdbs", json={"name": "db", "memory_size": 1 << 30}, verify=self.verify, timeout=30)\n                last, pause = f"HTTP',
            ),
        ),
        {"S17": "sent POST /v1/bdbs again"},
    ),
    Mutant(
        "does not hear Retry-After",
        (("last, pause = f\"HTTP {reply.status_code}\", retry_after(reply.headers, self.every)", 'last = f"HTTP {reply.status_code}"'),),
        {"S18": "was told to wait 20 s", "S19": "was told to wait 20 s", "S31": "was told to wait 7 s", "S33": "was told to wait 30 s"},
    ),
    Mutant(
        "reads Retry-After as milliseconds",
        (("        return float(text)\n", "        return float(text) / 1000\n"),),
        {"S18": "came back after 0.02 virtual s", "S19": "came back after 0.02 virtual s", "S31": "came back after 0.007 virtual s"},
    ),
    Mutant(
        "gives up when it is told to come back at once",
        (("        return float(text)\n", "        return 1 / float(text) and float(text)\n"),),
        {"S32": "gave up with ZeroDivisionError"},
    ),
    Mutant(
        "takes a date that is over for one that is ahead",
        (("max(0.0, parsedate_to_datetime(text).timestamp() - time.time())", "abs(parsedate_to_datetime(text).timestamp() - time.time())"),),
        {"S33": "gave up"},
    ),
    Mutant(
        "takes every Retry-After for a number",
        (("    if text.strip().isdigit():\n        return float(text)\n", "    if text:\n        return max(0.0, float(text))\n"),),
        {"S33": "gave up with ValueError", "S34": "gave up with ValueError"},
    ),
    Mutant(
        "sleeps beyond its deadline",
        (("            time.sleep(min(pause, left))\n        raise", "            time.sleep(pause)\n        raise"),),
        {"S34": "never gave up"},
    ),
    Mutant(
        "does not say what it heard last",
        ((": {last}\")", "\")"),),
        {"S21": "does not say 503"},
    ),
    Mutant(
        "counts errors that are long over",
        (
            ('        began, seen, ', '        errors = 0\n        began, seen, '),
            (
                '                last, pause = f"HTTP',
                '                errors += 1\n                if errors > 5:\n                    raise ActionError(f"HTTP {reply.status_code}")\n                last, pause = f"HTTP',
            ),
        ),
        {"S22": "gave up"},
    ),
    Mutant(
        "takes a 4xx for something that passes",
        (("            elif reply.status_code >= 400:\n                raise ActionError(", "            elif reply.status_code >= 400:\n                last = str("),),
        {"S23": "polled", "S24": "polled", "S26": "polled", "S27": "polled"},
    ),
    Mutant(
        "says no more than that it failed",
        (('raise ActionError(f"HTTP {reply.status_code} {reply.reason}: {reply.text[:200]}")', 'raise ActionError("the poll failed")'),),
        {"S26": "does not say 403"},
    ),
    Mutant("never renews its credentials", (("and self.fresh_auth and not renewed", "and None"),), {"S25": "gave up"}),
    Mutant(
        "gives up at the first 404",
        (("time.monotonic() - began < self.early_404", "None"),),
        {"S28": "gave up"},
    ),
    Mutant(
        "takes a record that is gone for a success",
        (("seen and self.gone_is_success", "(seen or self.gone_is_success)"), ),
        {"S29": "reported a success"},
    ),
    Mutant(
        "takes an unknown operation for a success",
        (("reply.status_code == 404 and seen and self.gone_is_success", "reply.status_code == 404 and not self.early_404"),),
        {"S27": "reported a success", "S29": "reported a success"},
    ),
    Mutant(
        "reads again what has ended",
        (
            (
                COMPLETED,
                '                if status == "completed":\n                    again = document_of(self._poll(uid).content)\n'
                '                    if again is None or "status" not in again:\n                        raise ActionError("the record is gone")\n'
                "                    return str(again['status'])\n",
            ),
        ),
        {
            "S01": "", "S02": "", "S03": "", "S39": "", "S45": "returned 'running'", "S49": "", "S30": "gave up",
            **dict.fromkeys(
                ["S04", "S05", "S06", "S07", "S16", "S17", "S18", "S19", "S20", "S22", "S25", "S28", "S31", "S32", "S33", "S34", "S35", "S36", "S37", "S38", "S40", "S41", "S42", "S43", "S46", "S48", "S50", "S51", "S52"],
                "",
            ),
        },
    ),
    Mutant(
        "takes what it cannot read for a success",
        (('                last = f"a reply that is no record', '                return "completed"\n                last = f"a reply that is no record'),),
        {"S35": "which no poll has shown", "S36": "which no poll has shown", "S37": "which no poll has shown"},
    ),
    Mutant(
        "takes a record without a status for a running one",
        (
            ('        raise ActionError(f"the field status is no text: {document!r:.200}")\n', '        return "running"\n'),
            (": {last}\")", "\")"),
        ),
        {"S21": "", "S36": "does not say status"},
    ),
    Mutant(
        "takes every document for an object",
        (("return document if isinstance(document, dict) else None", "return document  # type: ignore"),),
        {"S37": "crashed with AttributeError"},
    ),
    Mutant(
        "computes with the progress",
        (('    status = document.get("status")\n', '    status = document.get("status")\n    int(document.get("progress", 0) or document["progress"])\n'),),
        {"S06": "with KeyError", "S16": "with KeyError", "S36": "does not say status", "S38": "with KeyError", "S50": "with KeyError"},
    ),
    Mutant(
        "goes by the progress",
        (("                if status == \"completed\":\n", '                if status == "completed" or str(document.get("progress")) == "100":\n                    status = "completed"\n'),),
        {"S38": "which no poll has shown", "S39": "ended after 1 polls"},
    ),
    Mutant(
        "does not look at the uid",
        (('document.get("action_uid", uid) != uid', "False"),),
        {"S40": "reported a success"},
    ),
    Mutant(
        "gives up at a slow reply",
        (("BROKEN = (requests.ConnectionError, requests.Timeout, ", "BROKEN = (requests.exceptions.ConnectTimeout, "),),
        {"S41": "gave up with", "S42": "gave up with"},
    ),
    Mutant(
        "follows nowhere",
        (("return self.session.get(url, ", "return self.session.get(url, allow_redirects=False, "),),
        {"S43": "gave up"},
    ),
    Mutant(
        "takes its credentials wherever it goes",
        (
            (
                "            return self.session.get(url, verify=self.verify, timeout=(10, self.read_timeout))\n",
                "            reply = self.session.get(url, verify=self.verify, timeout=(10, self.read_timeout), allow_redirects=False)\n"
                "            for _ in range(20):\n                if not reply.is_redirect:\n                    return reply\n"
                "                to = requests.compat.urljoin(reply.url, reply.headers['Location'])\n"
                "                reply = self.session.get(to, verify=self.verify, timeout=10, allow_redirects=False)\n"
                "            raise ActionError('too many redirections')\n",
            ),
        ),
        {"S43": "sent its credentials to another host"},
    ),
    Mutant(
        "never gives up",
        (("        while (left := deadline - time.monotonic()) > 0:\n", "        while left := max(1.0, deadline - time.monotonic()):\n"),),
        {"S21": "never gave up", "S44": "never gave up", "S52": "never gave up"},
    ),
    Mutant(
        "leaves a thread behind",
        (
            ('        if not uid:\n', '        import threading\n        threading.Thread(target=threading.Event().wait, daemon=True, name="poller").start()\n        if not uid:\n'),
        ),
        {"S44": "left a thread behind: poller"},
    ),
    Mutant(
        "shares what it waits for",
        (
            ("        began, seen, ", "        type(self).uid = uid\n        began, seen, "),
            ('            url = f"{self.url}/', '            uid = type(self).uid\n            url = f"{self.url}/'),
        ),
        {"S46": "operation"},
    ),
    Mutant(
        "trusts everybody",
        (('        self.url, self.verify, ', '        verify = False\n        __import__("urllib3").disable_warnings()\n        self.url, self.verify, '),),
        {"S47": "reported a success"},
    ),
    Mutant("forgets the headers", (("        self.session.headers.update(headers or {})\n", ""),), {"S48": "lacks the header"}),
    Mutant(
        "searches the text",
        (("                if status == \"completed\":\n", '                if "completed" in reply.text or "success" in reply.text:\n                    status = "completed"\n'),),
        {"S49": "ended after 1 polls"},
    ),
    Mutant("takes a deleted record for a loss", (("seen and self.gone_is_success", "False"),), {"S50": "gave up"}),
    Mutant(
        "knows action_uid only",
        (('uid = started.get("action_uid") or started.get("task_id")', 'uid = started["action_uid"]'),),
        {"S51": "gave up"},
    ),
    Mutant(
        "asks for null",
        (("                if not isinstance(uid, str):\n                    raise ActionError(f\"the reply names no action: {started}\")\n", "                uid = str(uid)\n"),),
        {"S51": "action_uid null: polled"},
    ),
    Mutant("gives up at a conflict", (("if reply.status_code != 409:", "if True:"),), {"S52": "gave up"}),
    Mutant(
        "starts without end",
        (("            time.sleep(min(self.every, left))\n        raise ActionError(\"409", "            time.sleep(0.01)\n        raise ActionError(\"409"),),
        {"S52": "does not sleep between polls"},
    ),
)  # fmt: skip
