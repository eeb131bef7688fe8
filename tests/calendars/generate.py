#!/usr/bin/env python3
"""Writes random holiday calendars and the dates that an independent library finds in them, one JSON object a line:

    python3 -m venv venv && venv/bin/pip install -r requirements.txt
    venv/bin/python generate.py --seed 1 --count 500 >generated.jsonl

`ics` is the file, `dates` are days since 2026-01-01 on which a whole-day event lies, over three years. `tests/run` makes
5,000 more with a seed of the day. What RFC 5545 leaves open is not generated (see RULES).
"""

import argparse
import datetime
import json
import random
import sys

import icalendar
import recurring_ical_events
from dateutil.rrule import rrulestr

FIRST, LAST = datetime.date(2026, 1, 1), datetime.date(2028, 12, 31)
ZONES = ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Sydney", "America/Sao_Paulo"]
DAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]


def some(rng, values, most):
    return ",".join(str(v) for v in rng.sample(values, rng.randint(1, most)))


def rule(rng):
    """A rule without its end.

    RULES: positions are not mixed with plain weekdays in one BYDAY, weeks stand beside weekdays, and BYSETPOS does not
    cut the first week: libraries differ on these.
    """
    frequency = rng.choice(["YEARLY"] * 5 + ["MONTHLY"] * 3 + ["WEEKLY"] * 2 + ["DAILY"])
    parts = [f"FREQ={frequency}"]
    if rng.random() < 0.4:
        most = {"YEARLY": 4, "MONTHLY": 14, "WEEKLY": 6, "DAILY": 20}[frequency]
        parts.append(f"INTERVAL={rng.randint(1, most)}")
    positions = [n for n in range(-5, 6) if n]
    kind = rng.random()
    plain = some(rng, DAYS, 3)
    numbered = ",".join(f"{rng.choice(positions)}{rng.choice(DAYS)}" for _ in range(rng.randint(1, 2)))
    months = f"BYMONTH={some(rng, range(1, 13), 3)}"
    month_days = f"BYMONTHDAY={some(rng, list(range(1, 32)) + list(range(-31, 0)), 3)}"
    by = []
    if frequency == "YEARLY":
        if kind < 0.15:
            by = [months]
        elif kind < 0.35:
            by = [months, month_days]
        elif kind < 0.6:
            by = [months, f"BYDAY={numbered}"]
        elif kind < 0.68:
            by = [f"BYDAY={rng.randint(1, 52)}{rng.choice(DAYS)}"]
        elif kind < 0.76:
            by = [f"BYWEEKNO={some(rng, list(range(1, 53)) + [-1], 2)}", f"BYDAY={plain}"]
        elif kind < 0.84:
            by = [f"BYYEARDAY={some(rng, list(range(1, 367)) + list(range(-366, 0)), 3)}"]
        elif kind < 0.9:
            by = [months, f"BYDAY={plain}", month_days]
    elif frequency == "MONTHLY":
        if kind < 0.3:
            by = [month_days]
        elif kind < 0.6:
            by = [f"BYDAY={numbered}"]
        elif kind < 0.75:
            by = [f"BYDAY={plain}", month_days]
        if kind < 0.75 and rng.random() < 0.3:
            by.append(months)
    elif frequency == "WEEKLY":
        if kind < 0.7:
            by = [f"BYDAY={plain}"]
        if rng.random() < 0.2:
            by.append(months)
    elif kind < 0.5:
        by = [f"BYDAY={plain}", months]
    elif kind < 0.7:
        by = [month_days]
    if by and frequency in ("YEARLY", "MONTHLY") and rng.random() < 0.25:
        by.append(f"BYSETPOS={some(rng, [1, 2, 3, -1, -2], 2)}")
    parts += by
    if rng.random() < 0.4:
        parts.append(f"WKST={rng.choice(DAYS)}")
    head, *rest = parts
    rng.shuffle(rest)
    return ";".join([head, *rest])


class Event:
    """One event in one of the forms in which programs write whole days."""

    def __init__(self, rng, uid):
        self.rng, self.uid = rng, uid
        self.form = rng.choice(["date"] * 5 + ["zone", "floating"])
        self.zone = rng.choice(ZONES)
        self.days = rng.choice([1, 1, 1, 2, 3, 7])
        self.start = datetime.date(2015, 1, 1) + datetime.timedelta(days=rng.randint(0, 5000))
        self.rule = rule(rng) if rng.random() < 0.8 else None
        self.occurrences = [self.start]
        if self.rule:
            until = datetime.datetime(2031, 1, 1)
            found = rrulestr(self.rule, dtstart=datetime.datetime.combine(self.start, datetime.time())).between(
                datetime.datetime(2015, 1, 1), until, inc=True
            )
            if found:
                # Where the start does not match the rule, RFC 5545 leaves the result open.
                self.start = found[0].date()
                found = rrulestr(self.rule, dtstart=found[0]).between(found[0], until, inc=True)
                self.occurrences = [one.date() for one in found]
            else:
                self.rule = None

    def moment(self, name, dates):
        text = [date.strftime("%Y%m%d") for date in dates]
        if self.form == "date":
            return f"{name};VALUE=DATE:{','.join(text)}"
        zone = f";TZID={self.zone}" if self.form == "zone" else ""
        return f"{name}{zone}:{','.join(one + 'T000000' for one in text)}"

    def length(self, start):
        kind = self.rng.random()
        if kind < 0.4:
            return [self.moment("DTEND", [start + datetime.timedelta(days=self.days)])]
        if kind < 0.8:
            return [f"DURATION:P{self.days}D" if self.days != 7 else "DURATION:P1W"]
        if self.form == "date":
            self.days = 1
            return []
        return [f"DURATION:PT{24 * self.days}H"]

    def lines(self):
        rng = self.rng
        name = "Tag der Prüfung, mit einem langen Namen, der umbrochen wird: Zeile um Zeile"
        lines = [f"UID:{self.uid}", f"SUMMARY:{name if rng.random() < 0.3 else 'Day'}"]
        lines.append(self.moment("DTSTART", [self.start]))
        lines += self.length(self.start)
        if self.rule:
            end = rng.random()
            if end < 0.3:
                self.rule += f";COUNT={rng.randint(1, 40)}"
            elif end < 0.6:
                until = rng.choice(self.occurrences) + datetime.timedelta(days=rng.randint(0, 3))
                text = until.strftime("%Y%m%d")
                if self.form == "zone":
                    text += "T235959Z"
                elif self.form == "floating":
                    text += "T000000"
                self.rule += f";UNTIL={text}"
            lines.append(f"RRULE:{self.rule}")
            if rng.random() < 0.4:
                chosen = rng.sample(self.occurrences, min(len(self.occurrences), rng.randint(1, 5)))
                lines.append(self.moment("EXDATE", chosen))
        if rng.random() < 0.25:
            further = [FIRST + datetime.timedelta(days=rng.randint(0, 1000)) for _ in range(rng.randint(1, 3))]
            lines.append(self.moment("RDATE", further))
        if rng.random() < 0.05:
            lines.append("STATUS:CANCELLED")
        rng.shuffle(lines)
        return lines

    def replacement(self):
        """Another date for one occurrence, or none."""
        rng = self.rng
        at = rng.choice(self.occurrences)
        to = at + datetime.timedelta(days=rng.randint(-20, 20))
        lines = [f"UID:{self.uid}", self.moment("RECURRENCE-ID", [at]), self.moment("DTSTART", [to])]
        lines += self.length(to) + ["SEQUENCE:2"]
        if rng.random() < 0.3:
            lines.append("STATUS:CANCELLED")
        return lines


def folded(rng, line):
    raw = line.encode()
    if len(raw) <= 60 or rng.random() < 0.3:
        return raw
    # Within a character, too: RFC 5545 folds octets.
    width = rng.randint(20, 70)
    return b"\r\n ".join(raw[i : i + width] for i in range(0, len(raw), width))


def calendar(rng):
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//prewarm//calendars//EN"]
    for number in range(rng.choice([1, 1, 1, 2, 3])):
        event = Event(rng, f"{number}@example.com")
        blocks = [event.lines()]
        if event.rule and rng.random() < 0.3:
            blocks.append(event.replacement())
        for block in blocks:
            alarm = ["BEGIN:VALARM", "TRIGGER:-PT15M", "ACTION:DISPLAY", "END:VALARM"] if rng.random() < 0.1 else []
            lines += ["BEGIN:VEVENT", *block, *alarm, "END:VEVENT"]
    lines.append("END:VCALENDAR")
    if rng.random() < 0.2:
        lines = [line if "@" in line or "SUMMARY" in line or "TZID" in line else line.lower() for line in lines]
    raw = b"\r\n".join(folded(rng, line) for line in lines) + b"\r\n"
    if rng.random() < 0.3:
        raw = raw.replace(b"\r\n", b"\n")
    if rng.random() < 0.2:
        raw = b"\xef\xbb\xbf" + raw
    return raw


def midnight(moment):
    return not isinstance(moment, datetime.datetime) or moment.time() == datetime.time()


def date(moment):
    return moment.date() if isinstance(moment, datetime.datetime) else moment


def dates(raw):
    # The library reads neither byte order marks nor lower-case values; both are the reader's matter, not the rules'.
    text = raw.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n ", b"").replace(b"\n ", b"").decode()
    lines = [line if "@" in line or "SUMMARY" in line.upper() or "TZID" in line else line.upper() for line in text.splitlines()]
    parsed = icalendar.Calendar.from_ical("\r\n".join(lines) + "\r\n")
    found = set()
    query = recurring_ical_events.of(parsed)
    for event in query.between(FIRST - datetime.timedelta(days=40), LAST + datetime.timedelta(days=40)):
        if str(event.get("STATUS", "")).upper() == "CANCELLED":
            continue
        start, end = event["DTSTART"].dt, event["DTEND"].dt
        assert midnight(start) and midnight(end), raw
        day, last = date(start), max(date(end), date(start) + datetime.timedelta(days=1))
        while day < last:
            if FIRST <= day <= LAST:
                found.add((day - FIRST).days)
            day += datetime.timedelta(days=1)
    return sorted(found)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=500)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    for _ in range(arguments.count):
        raw = calendar(rng)
        print(json.dumps({"ics": raw.decode("latin-1"), "dates": dates(raw)}, separators=(",", ":")))


if __name__ == "__main__":
    sys.exit(main())
