#!/usr/bin/env python3
"""Writes dates.tsv, the public holidays by ISO 3166 code, from the Python library `holidays` (MIT):

    python3 -m venv venv && venv/bin/pip install holidays && venv/bin/python generate.py >dates.tsv

Each line: code, dates, dates of the country that the region does not have. A date is the number of days since the one
before it, the first since 2020-01-01. A region holds only what differs from its country.
"""

import datetime
import re
import sys
import warnings

import holidays

FIRST_YEAR, LAST_YEAR = 2020, 2040
YEARS = range(FIRST_YEAR, LAST_YEAR + 1)


def gaps(dates):
    before = datetime.date(FIRST_YEAR, 1, 1)
    words = []
    for date in sorted(dates):
        words.append(str((date - before).days))
        before = date
    return " ".join(words)


def public(country, region=None):
    return set(holidays.country_holidays(country, subdiv=region, years=YEARS))


def main():
    warnings.simplefilter("ignore")
    print(f"# Public holidays {FIRST_YEAR} to {LAST_YEAR}; see generate.py. Source: the Python library `holidays`")
    print(f"# {holidays.__version__} (MIT, notice in NOTICE). Dates by the moon are estimates for years to come.")
    for country, regions in sorted(holidays.list_supported_countries(include_aliases=False).items()):
        national = public(country)
        print(f"{country}\t{gaps(national)}\t")
        # Some names of the library are no codes of ISO 3166-2 (cities, dioceses).
        for region in sorted(code for code in regions if re.fullmatch("[A-Z0-9]{1,3}", code)):
            dates = public(country, region)
            print(f"{country}-{region}\t{gaps(dates - national)}\t{gaps(national - dates)}")


if __name__ == "__main__":
    sys.exit(main())
