#!/usr/bin/env python3
"""Prewarm beside the forecasters that people use, on any history, at the same origins and leads.

    pip install numpy pandas lightgbm statsforecast prophet
    prewarm forecast --input demand.csv --origins origins.txt --lead 5m,60m --output csv > ours.csv
    python forecaster/benches/peers.py demand.csv ours.csv [--peers lightgbm,theta,ets,mstl,prophet] [--days 28]

demand.csv: timestamp,value, evenly spaced. ours.csv names the origins, leads and quantiles; quantiles must be .5 or higher.
Every peer is fitted anew at each origin, on the rows up to it alone, the last --days of them. Printed is the table of
`prewarm forecast --evaluate`, and the mean time of a fit with its forecasts at all leads.
"""
import argparse
import collections
import csv
import datetime as dt
import logging
import time
import warnings

import numpy as np
import pandas as pd


def when(text):
    return int(dt.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp())


def read(path):
    with open(path) as f:
        rows = [(when(r["timestamp"]), float(r["value"])) for r in csv.DictReader(f)]
    step = rows[1][0] - rows[0][0]
    values = np.full((rows[-1][0] - rows[0][0]) // step + 1, np.nan)
    for at, value in rows:
        values[(at - rows[0][0]) // step] = value
    return rows[0][0], step, values


def lightgbm(start, step, y, leads, quantiles):
    """Gradient boosting of each quantile at each lead, on lags, levels, yesterday, last week and the calendar."""
    import lightgbm as lgb

    day = 86400 // step
    t = np.arange(min(7 * day, len(y) // 3) + 1, len(y))
    sums = np.concatenate([[0], np.cumsum(y)])
    level = lambda n: (sums[t + 1] - sums[np.maximum(t + 1 - n, 0)]) / n
    lags = [y[t - k] for k in range(6)] + [level(max(3, 3600 // step)), level(max(6, 10800 // step)), level(day)]
    answers = []
    for h in leads:
        g = t + h
        back = [y[np.clip(g - n * (-(-h // n)), 0, len(y) - 1)] for n in (day, 7 * day)]
        at = start + g * step
        calendar = [at % 86400, at // 86400 % 7, at % 3600]
        x = np.column_stack(lags + back + calendar)
        known = g < len(y)
        data = lgb.Dataset(x[known], y[g[known]], free_raw_data=False)
        answers.append([])
        for q in quantiles:
            settings = {"objective": "quantile", "alpha": q, "learning_rate": 0.05, "num_leaves": 31, "verbose": -1,
                        "num_threads": 1, "seed": 0, "deterministic": True}
            answers[-1].append(lgb.train(settings, data, 150).predict(x[-1:])[0])
    return answers


def classical(make):
    """A model of statsforecast; its quantiles are the upper ends of its intervals."""
    def forecast(start, step, y, leads, quantiles):
        levels = sorted({round(100 * (2 * q - 1), 6) for q in quantiles if q > 0.5})
        out = make(86400 // step).forecast(y=y, h=max(leads), level=levels)
        row = lambda q, h: out["mean"][h - 1] if q == 0.5 else out[name(out, 100 * (2 * q - 1))][h - 1]
        return [[row(q, h) for q in quantiles] for h in leads]

    def name(out, level):
        return min((key for key in out if key.startswith("hi-")), key=lambda key: abs(float(key[3:]) - level))

    return forecast


def theta(day):
    from statsforecast.models import DynamicOptimizedTheta
    return DynamicOptimizedTheta(season_length=day)


def ets(day):
    from statsforecast.models import AutoETS
    return AutoETS(season_length=day if day <= 24 else 1)


def mstl(day):
    from statsforecast.models import MSTL, AutoETS
    return MSTL(season_length=[day, 7 * day], trend_forecaster=AutoETS(model="ZZN"))


def prophet(start, step, y, leads, quantiles):
    from prophet import Prophet

    times = pd.to_datetime(start + step * np.arange(len(y)), unit="s")
    model = Prophet().fit(pd.DataFrame({"ds": times, "y": y}))
    ahead = pd.DataFrame({"ds": [times[-1] + pd.Timedelta(seconds=step * h) for h in leads]})
    np.random.seed(0)
    return np.quantile(model.predictive_samples(ahead)["yhat"], quantiles, axis=1).T.tolist()


PEERS = {"lightgbm": lightgbm, "theta": classical(theta), "ets": classical(ets), "mstl": classical(mstl), "prophet": prophet}


def measures(rows, quantiles, naive):
    """rows: (what came, forecasts by quantile); the formulas of `prewarm forecast --evaluate`."""
    came, said = np.array([y for y, _ in rows]), np.array([f for _, f in rows])
    miss = came[:, None] - said
    q = np.array(quantiles)
    wql = 2 * np.maximum(q * miss, (q - 1) * miss).mean(axis=1).sum() / max(np.abs(came).sum(), 1e-12)
    median = said[:, int(np.argmin(np.abs(q - 0.5)))]
    return wql, np.abs(came - median).mean() / naive, (came[:, None] <= said + 1e-9).mean(axis=0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("history")
    parser.add_argument("ours", help="what `prewarm forecast --output csv` wrote")
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--days", type=int, default=28, help="days of history behind each fit")
    a = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    start, step, values = read(a.history)
    day = 86400 // step
    ours = collections.defaultdict(dict)
    with open(a.ours) as f:
        for r in csv.DictReader(f):
            ours[((when(r["origin"]) - start) // step, int(r["lead_seconds"]) // step)][float(r["quantile"])] = float(r["value"])
    origins, leads = sorted({k[0] for k in ours}), sorted({k[1] for k in ours})
    quantiles = sorted(next(iter(ours.values())))
    if quantiles[0] < 0.5:
        parser.error(f"quantile {quantiles[0]}: peers are read at .5 and above")
    said, spent = {"prewarm": {k: [row[q] for q in quantiles] for k, row in ours.items()}}, {}
    for peer in a.peers.split(","):
        begun, said[peer] = time.process_time(), {}
        for origin in origins:
            first = max(0, origin + 1 - a.days * day)
            y = pd.Series(values[first:origin + 1]).ffill().fillna(0).to_numpy()
            rows = PEERS[peer](start + first * step, step, y, leads, quantiles)
            said[peer].update({(origin, h): sorted(max(0.0, float(f)) for f in row) for h, row in zip(leads, rows)})
        spent[peer] = (time.process_time() - begun) / len(origins)
    past = values[: len(values) * 2 // 3]
    naive = np.nanmean(np.abs(past[day:] - past[:-day]))
    print(f"{'lead':>8}  {'forecaster':12}{'rows':>6}{'WQL':>9}{'to prewarm':>12}{'MASE':>8}"
          + "".join(f"{'≤p%g' % (100 * q):>8}" for q in quantiles) + f"{'CPU':>10}")
    for h in leads:
        known = [k for k in said["prewarm"] if k[1] == h and k[0] + h < len(values) and np.isfinite(values[k[0] + h])]
        best = None
        for who, rows in said.items():
            wql, mase, cover = measures([(values[k[0] + h], rows[k]) for k in known], quantiles, naive)
            times = "" if best is None else f"{wql / best:.2f} ×"
            best = wql if best is None else best
            cpu = f"{1000 * spent[who]:.0f} ms" if who in spent else ""
            lead = f"{h * step // 60}m" if who == "prewarm" else ""
            print(f"{lead:>8}  {who:12}{len(known):6}{wql:9.4f}{times:>12}{mase:8.3f}"
                  + "".join(f"{share:8.3f}" for share in cover) + f"{cpu:>10}")


if __name__ == "__main__":
    main()
