#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tidy.py BUILD FOLDER...: clang-tidy-16 on the .cc files of these folders that BUILD compiles, and on their headers.

Most of what clang-tidy does for a file it does for the headers of the library. So a batch, BUILD/tidy/*.cc, includes
many .cc files: of one folder, compiled alike, without a name in common. Who does not compile there for all that is
checked once more, apart. What a check finds in the main file of a
translation unit alone (misc-unused-using-decls) it does not find here.
"""
import collections
import concurrent.futures
import json
import os
import re
import shlex
import subprocess
import sys
import time

SIZE = 25  # files of a batch: with more, processors have no work at the end

source = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
build = os.path.realpath(sys.argv[1])
folders = sys.argv[2:]
out = os.path.join(build, "tidy")

# The analyzer as it is by default takes two minutes for a file, and by far the most memory.
CLANG_TIDY = ["clang-tidy-16", "-quiet", "-checks=-bugprone-suspicious-include",
              f"-header-filter={re.escape(source)}/({'|'.join(folders)})/[^.]*\\.(h|cc)$",
              *(f"--extra-arg={word}" for word in ("-Xclang", "-analyzer-config", "-Xclang", "mode=shallow"))]
# Names of one file of a batch are not in the way of those of another, and GCC tells of those of a file.
WARNINGS = ["-Wno-unknown-warning-option", "-Wno-shadow"]
# What includes this header of the kernel does not compile with what includes the library's.
CLASH = "#include <linux/un.h>"
FLAGS_OF_GCC = {"-fno-tree-loop-distribute-patterns"}


def names(text):
    """What a file has in unnamed namespaces, as far as lines without indentation tell: functions with what they take."""
    found = set()
    for body in re.findall(r"^namespace \{\n(.*?)^\}  // namespace\n", text, re.MULTILINE | re.DOTALL):
        for begin in re.findall(r"^[\w\[].*?[;{]", body, re.MULTILINE | re.DOTALL):
            begin = " ".join(begin.split())
            kind = re.search(r"^(?:class|struct|union|enum|enum class) (\w+)", begin)
            function = re.search(r"(?<![\w:])\w+\(.*\)", begin)
            if kind:
                found.add(kind.group(1))
            elif function and "=" not in begin[:function.start()]:
                found.add(function.group())
            else:
                # constexpr std::uint32_t kFirst =, kSecond =;
                begin = re.sub(r"= ?[^,;]*", "=", begin)
                found.update(re.findall(r"(?<![\w:])([A-Za-z_]\w*)(?:\[\])?(?= ?=| ?\{|;)", begin))
    return found - {"const"}


def commands():
    """{file: flags} of the compilation database."""
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as database:
        entries = json.load(database)
    found = {}
    for entry in entries:
        file = os.path.relpath(entry["file"], source)
        if not file.endswith(".cc") or file.split("/")[0] not in folders:
            continue
        flags = shlex.split(entry["command"])
        flags = [flag for flag in flags[1:flags.index("-o")] if flag not in FLAGS_OF_GCC]
        # The executor is built twice: with what tests want of it, it has all that it has without.
        found[file] = max(found.get(file, []), flags, key=len)
    return found


def batches():
    """[(flags, files)]"""
    alike = collections.defaultdict(list)
    for file, flags in sorted(commands().items()):
        with open(os.path.join(source, file), encoding="utf-8") as opened:
            text = opened.read()
        known = alike[(file.split("/")[0], CLASH in text, *flags)]
        own = names(text)
        place = next((one for one in known if len(one[0]) < SIZE and not own & one[1]), None)
        if place is None:
            known.append(place := ([], set()))
        place[0].append(file)
        place[1].update(own)
    return [(flags, files) for (_, _, *flags), known in alike.items() for files, _ in known]


def check(name, flags, files):
    """Returns what is found."""
    batch = os.path.join(out, name + ".cc")
    with open(batch, "w", encoding="utf-8") as file:
        file.writelines(f'#include "{os.path.join(source, one)}"\n' for one in files)
    start = time.monotonic()
    done = subprocess.run([*CLANG_TIDY, batch, "--", *flags, *WARNINGS], cwd=build, text=True, capture_output=True,
                          check=False)
    print(f"{name}: {len(files)} files, {files[0]} to {files[-1]}: {time.monotonic() - start:.0f} s", flush=True)
    if done.returncode == 0:
        return ""
    wrong = set(re.findall(r"^([^\s:]+):\d+:\d+: error: .*\[clang-diagnostic-error", done.stdout, re.MULTILINE))
    if wrong and len(files) > 1:
        apart = [one for one in files if os.path.join(source, one) in wrong]
        if not apart or len(apart) == len(files):
            apart = files[len(files) // 2:]
        return check(name + "a", flags, [one for one in files if one not in apart]) + check(name + "b", flags, apart)
    said = done.stdout or done.stderr
    print(said, flush=True)
    return said


def main():
    os.makedirs(out, exist_ok=True)
    tasks = batches()
    if not tasks:
        sys.exit(f"{build}/compile_commands.json: has no file below {source} in any of these folders")
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        results = [pool.submit(check, str(i), *task) for i, task in enumerate(tasks)]
    return 1 if any(result.result() for result in results) else 0


sys.exit(main())
