#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Links between the project's documents lead to files, and to headings that are there.

usage: links_test.py SOURCE_FOLDER
"""
import pathlib
import re
import sys

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def text_of(path):
    """Without code, in which brackets mean something else."""
    text = re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.M | re.S)
    return re.sub(r"`[^`\n]*`", "", text)


def anchors(path):
    """The names of headings, as Markdown's viewers give them."""
    found = set()
    code = re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.M | re.S)
    for heading in re.findall(r"^#+ +(.*)$", code, flags=re.M):
        words = re.sub(r"[^\w\- ]", "", heading.lower())
        found.add(words.strip().replace(" ", "-"))
    return found


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    pages = [page for page in root.rglob("*.md")
             if not any(part.startswith(("build", ".")) for part in page.relative_to(root).parts)]
    links = failures = 0
    for page in sorted(pages):
        for link in LINK.findall(text_of(page)):
            if re.match(r"[a-z]+:", link):
                continue  # elsewhere: no test needs a network
            links += 1
            name, _, anchor = link.partition("#")
            target = (page.parent / name).resolve() if name else page
            wrong = ""
            if not target.exists() or root not in [target, *target.parents]:
                wrong = "leads nowhere"
            elif anchor and anchor not in anchors(target):
                wrong = "leads to no heading"
            if wrong:
                failures += 1
                print(f"{page.relative_to(root)}: {link} {wrong}")
    print(f"{len(pages)} documents, {links} links, {failures} failures")
    return 1 if failures or not links else 0


sys.exit(main())
