# SPDX-License-Identifier: Apache-2.0
"""Tables in Markdown and plots from what run.py measured."""
import sys

BEGIN = "<!-- results: written by scripts/bench.sh --update-docs -->\n"
END = "<!-- end of results -->\n"


def seconds(value):
    if value < 0.0995:
        return f"{value * 1e3:.1f} ms"
    return f"{value * 1e3:.0f} ms" if value < 0.9995 else f"{value:.2f} s"


def wall(row):
    """Median (least – most), or why there is none."""
    if "missing" in row:
        return row["missing"]
    if row["late"]:
        return f"stopped after {row['most']:.0f} s"
    if row["runs"] == 1:
        return f"{seconds(row['wall'])} (once)"
    return f"{seconds(row['wall'])} ({seconds(row['least'])} – {seconds(row['most'])})"


def peak(row):
    return "" if "missing" in row else f"{row['peak'] / 1e6:.0f} MB"


def times(slow, fast):
    """How many times `fast` is faster; `slow` may have been stopped."""
    if "missing" in slow or "missing" in fast:
        return ""
    return f"{'> ' if slow['late'] else ''}{slow['wall'] / fast['wall']:.3g}"


def table(head, rows):
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines) + "\n"


def published(rows):
    tools = ("crgen tree", "perf record", "strace -f", "the program alone")
    return "### A process tree, traced or analyzed\n\n" + table(
        ["profile, processes", *tools, "perf / crgen", "strace / crgen"],
        [[f"{row['profile']}, {row['processes']:,}", *(wall(row[tool]) for tool in tools),
          times(row["perf record"], row["crgen tree"]),
          times(row["strace -f"], row["crgen tree"])] for row in rows])


def growth(rows):
    return "### Growth of `crgen tree`\n\n" + table(
        ["profile, processes", "wall", "each", "peak memory", "each"],
        [[f"{row['profile']}, {row['processes']:,}", wall(row["crgen tree"]),
          f"{row['crgen tree']['wall'] / row['processes'] * 1e6:.2f} µs", peak(row["crgen tree"]),
          f"{row['crgen tree']['peak'] / row['processes']:.0f} bytes"] for row in rows])


def dumps(rows):
    crits = ("crit x ps", "crit x fds", "crit x mems")
    own = ("crgen generate", "one thread", "not checked")
    text = "### `crgen generate` on whole dumps\n\n" + table(
        ["processes (files)", *own, "cat", "cat but pages", "peak memory"],
        [[f"{row['processes']:,} ({row['files']:,})", *(wall(row[name]) for name in own),
          wall(row["cat"]), wall(row["cat but pages"]), peak(row["crgen generate"])]
         for row in rows])
    return text + "\n" + table(
        ["processes", *crits, *(name + " / crgen" for name in crits), "crgen / cat",
         "crgen / cat but pages"],
        [[f"{row['processes']:,}", *(wall(row[name]) for name in crits),
          *(times(row[name], row["crgen generate"]) for name in crits),
          times(row["crgen generate"], row["cat"]),
          times(row["crgen generate"], row["cat but pages"])] for row in rows])


def views(measured):
    generate = measured["views"]["generate"]
    return f"### Looking at {measured['processes']:,} processes\n\n" + table(
        ["crgen", "wall", "/ generate", "peak memory"],
        [[name, wall(row), f"{row['wall'] / generate['wall']:.2f}", peak(row)]
         for name, row in measured["views"].items()])


def big(rows):
    return "### One large process\n\n" + table(
        ["case", "crgen generate", "not checked", "peak memory", "commands", "program"],
        [[row["case"], wall(row["crgen generate"]), wall(row["not checked"]),
          peak(row["crgen generate"]), f"{row['commands']:,}", f"{row['bytes'] / 1e6:.1f} MB"]
         for row in rows])


def checking(rows):
    def line(row):
        generate, plain, validate = (
            row[name] for name in ("crgen generate", "not checked", "crgen validate"))
        name = row.get("case") or f"{row['processes']:,} processes"
        if any(cell["late"] for cell in (generate, plain, validate)):
            return [name, "", "", wall(validate), ""]
        return [name, f"{(generate['wall'] / plain['wall'] - 1) * 100:.0f} %",
                f"{(generate['cpu'] / plain['cpu'] - 1) * 100:.0f} %", wall(validate),
                f"{row['commands'] / validate['wall']:,.0f}"]
    return "### Checking\n\n" + table(
        ["dump", "self-check adds (wall)", "(processor)", "crgen validate", "commands per second"],
        [line(row) for row in rows])


def restores(rows):
    def making(row):
        if "making" not in row or "missing" in row["crrestore"]:
            return ["", ""]
        return [seconds(row["making"]), f"{row['crrestore']['wall'] / row['making']:.3g}"]
    return "### Restoring\n\n" + table(
        ["tree", "crrestore", "criu restore", "criu / crrestore", "crgen generate",
         "making its descriptors", "crrestore / making"],
        [[row["case"], wall(row["crrestore"]), wall(row["criu restore"]),
          times(row["criu restore"], row["crrestore"]), wall(row["crgen generate"]),
          *making(row)] for row in rows])


def micro(rows):
    return "### Parts\n\n" + table(
        ["part", "processor time", "each"],
        [[row["name"], seconds(row["cpu"]) if row["cpu"] >= 1e-4 else f"{row['cpu'] * 1e6:.1f} µs",
          f"{1e9 / row['items_per_second']:,.0f} ns"] for row in rows])


def tables(measured):
    machine = measured["machine"]
    head = (f"{machine['date']}, crgen {machine['crgen']}: {machine['processor']}, "
            f"{machine['cores']} cores, {machine['memory'] / 2**30:.0f} GiB, Linux "
            f"{machine['kernel']}; {machine['strace']}; {machine['perf']}; criu "
            f"{machine['crit'].removeprefix('Version: ')}. Median (least – most).\n")
    if measured["quick"]:
        head += "\nA trial run with small sizes: these are no results.\n"
    return "\n".join([head, published(measured["published"]), growth(measured["growth"]),
                      dumps(measured["dumps"]), views(measured["views"]), big(measured["big"]),
                      checking(measured["dumps"] + measured["big"]),
                      restores(measured["restores"]), micro(measured["micro"])])


def update_page(path, text):
    page = path.read_text()
    before, rest = page.split(BEGIN)
    path.write_text(before + BEGIN + "\n" + text + "\n" + END + rest.split(END)[1])


def plots(measured, folder):
    """One plot a table over the number of processes, both axes logarithmic."""
    try:
        import matplotlib
    except ImportError:
        print("no plots: python3-matplotlib is not installed", file=sys.stderr)
        return
    matplotlib.use("svg")
    # The same bytes for the same figures.
    matplotlib.rcParams["svg.hashsalt"] = "crgen"
    from matplotlib import pyplot

    def plot(name, title, lines):
        figure, axes = pyplot.subplots(figsize=(7, 4.5), layout="constrained")
        for label, points in lines.items():
            points = [(row["processes"], cell["wall"]) for row, cell in points
                      if "missing" not in cell and not cell["late"]]
            if points:
                axes.plot(*zip(*points), marker="o", label=label)
        axes.set(xscale="log", yscale="log", xlabel="processes", ylabel="seconds", title=title)
        axes.grid(True, which="major", alpha=0.4)
        axes.legend()
        figure.savefig(folder / name, metadata={"Date": None})
        pyplot.close(figure)

    def lines(rows, tools):
        return {tool: [(row, row[tool]) for row in rows] for tool in tools}

    for profile in ("simple", "heuristic"):
        plot(f"published-{profile}.svg", f"A process tree, profile {profile}",
             lines([row for row in measured["published"] if row["profile"] == profile],
                   ("strace -f", "perf record", "crgen tree")))
    plot("growth.svg", "crgen tree",
         {profile: [(row, row["crgen tree"]) for row in measured["growth"]
                    if row["profile"] == profile] for profile in ("simple", "heuristic")})
    plot("dumps.svg", "Whole dumps",
         lines(measured["dumps"], ("crit x ps", "crit x fds", "crit x mems", "cat",
                                   "cat but pages", "crgen generate")))
