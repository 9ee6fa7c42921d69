#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The page of `crgen report`: it has what `crgen show` prints, nothing from a dump becomes markup or script, and a
browser shows it without any network, to the keyboard too.

usage: report_test.py SOURCE_FOLDER CRGEN PICTURES_FOLDER [MAKE_DUMP]

MAKE_DUMP, of bench/, makes a dump of 10,000 processes.

Exit status 77: what needs no browser is good, and there is no chromium for the rest.
"""
import html.parser
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import browser  # noqa: E402

root, crgen, pictures = pathlib.Path(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3])
make_dump = sys.argv[4] if len(sys.argv) > 4 else None
failures = checked = 0


def expect(what, found, expected):
    global failures, checked
    checked += 1
    if found != expected:
        failures += 1
        print(f"{what}: found {str(found)[:300]}, expected {str(expected)[:300]}")


def run(*arguments):
    return subprocess.run([crgen, *map(str, arguments)], capture_output=True, text=True, timeout=120)


class Markup(html.parser.HTMLParser):
    """The tags of a page, and the content of its blocks of data."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.data, self.block = [], {}, None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append((tag, attributes))
        self.block = attributes.get("id") if tag == "script" else None
        if self.block:
            self.data[self.block] = ""

    def handle_endtag(self, tag):
        if tag == "script":
            self.block = None

    def handle_data(self, text):
        if self.block:
            self.data[self.block] += text


def elements_of(markup):
    """Without the data: not every dump has a plan."""
    return [tag for tag, attributes in markup.tags if attributes.get("type") != "application/json"]


# Names that would be something else than text, if anybody let them.
HOSTILE = [b"</script><script>document.title='bad'</script>", b"<img src=x onerror=document.title='bad'>",
           b"\"><svg onload=document.title='bad'>", b"<!--<script>", b"</title><b>", b"'-alert(1)-'", b"]]>&lt;&quot;${1}`",
           b"\xe2\x80\xa8\xe2\x80\xae\x1b]0;x\x07\x00\x7f", b"\xff\xfe<i>", b"javascript:alert(1)", b"__proto__"]


def hostile_dump(folder):
    """A dump whose names are these: of the same length, so that the images stay what they are."""
    dump = folder / "<img src=x onerror=alert(1)>&amp;\"'"
    shutil.copytree(root / "tests/fixtures/dumps/pipeline", dump)
    used = 0
    for image in sorted(dump.iterdir()):
        content = image.read_bytes()
        for prefix in (b"/tmp/crgen-fixture/pipeline/", b"PATH=", b"PWD=", b"program"):
            at = content.find(prefix)
            while at >= 0:
                end = at + 1
                while end < len(content) and 32 <= content[end] < 127:
                    end += 1
                keep = 1 if content[at:at + 1] == b"/" else 0  # paths begin so
                room, name = end - at - keep, HOSTILE[used % len(HOSTILE)]
                name = (name * (room // len(name) + 1))[:room] if image.name.startswith("pages") else name[:room].ljust(room, b"<")
                content = content[:at + keep] + name + content[end:]
                used += 1
                at = content.find(prefix, end)
        image.write_bytes(content)
    expect("hostile names were planted", used > 10, True)
    return dump


def check_markup(name, page, elements):
    """Returns the data. `elements`: all elements that a page has, in their order."""
    markup = Markup(page)
    if elements:
        expect(f"{name}: elements", elements_of(markup), elements)
    policy = next(attributes["content"] for tag, attributes in markup.tags
                  if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy")
    expect(f"{name}: nothing is allowed but its own", policy.startswith("default-src 'none';"), True)
    expect(f"{name}: nor unsafe-inline", "unsafe" in policy, False)
    for tag, attributes in markup.tags:
        wrong = [key for key in attributes if key.startswith("on") or key in ("src", "style", "srcdoc")]
        expect(f"{name}: attributes of {tag}", wrong, [])
    for block in markup.data.values():
        expect(f"{name}: data without markup", "<" in block or "&" in block, False)
    return {block.removeprefix("data-"): json.loads(content) for block, content in markup.data.items()}


def check_dump(dump, folder, elements=None, codes=(0,)):
    path = folder / "report.html"
    path.unlink(missing_ok=True)
    done = run("report", dump, "-o", path)
    expect(f"{dump.name}: exit code ({done.stderr[:200]})", done.returncode in codes, True)
    page = path.read_text()
    data = check_markup(dump.name, page, elements)
    for topic in ("processes", "fds", "files", "memory", "sockets", "env", "credentials", "settings"):
        expect(f"{dump.name}: {topic}", data[topic], json.loads(run("show", topic, "--json", dump).stdout))
    return page


def text_of(page):
    return page.run("document.getElementById('content').innerText")


def show(page, fragment):
    page.run(f"location.hash = {json.dumps(fragment)}; new Promise(done => setTimeout(done, 50))")


def check_hostile(page, path):
    page.open(path)
    for view in ("overview", "files", "sockets", "objects", "mounts", "authority", "plan", "pid=31900", "pid=31901", "pid=<b>",
                 "file=1", "file=16", "object=<i>", "__proto__", "constructor=1", "%E0%A4%A", "pid=%"):
        show(page, view)
        page.run("for (const fold of document.querySelectorAll('details')) fold.open = true; 0")
        expect(f"hostile, {view}: elements", page.run(
            "[...document.querySelectorAll('img,svg,iframe,object,embed,b,i,form,link,base')].length"), 0)
        expect(f"hostile, {view}: scripts", page.run("document.querySelectorAll('script:not([type])').length"), 1)
        expect(f"hostile, {view}: handlers", page.run(
            "[...document.querySelectorAll('*')].filter(it => [...it.attributes].some(a => a.name.startsWith('on'))).length"), 0)
        expect(f"hostile, {view}: links", page.run(
            "[...document.links].filter(it => !it.getAttribute('href').startsWith('#')).length"), 0)
    expect("hostile: title", "bad" == page.run("document.title"), False)
    show(page, "pid=31900")
    expect("hostile: shown as text", "<img src=x onerror" in page.run("document.body.innerText"), True)


def check_pages(page, path):
    """What each page shows of the dump `shared_fds`, and where its links lead."""
    page.open(path)
    expect("overview", "Can it be restored?" in text_of(page), True)
    expect("rows", page.run("document.querySelectorAll('#tree .row').length"), 6)
    show(page, "pid=31101")
    text = text_of(page)
    for part in ("child of 31100", "/tmp/crgen-fixture/shared_fds/log", "Descriptors", "Memory", "[stack]"):
        expect(f"process: has {part}", part in text, True)
    page.run("[...document.querySelectorAll('#content a')].find(it => it.textContent.includes('/log')).click()")
    page.run("new Promise(done => setTimeout(done, 50))")
    expect("link to a file", page.run("location.hash").startswith("#file="), True)
    expect("its holders", "fd 6 of 31100" in text_of(page), True)
    show(page, "plan")
    expect("plan", "92 commands" in text_of(page), True)
    show(page, "authority")
    expect("authority", len(text_of(page)) > 200, True)
    check_links(page)
    show(page, "overview")
    expect("needs: the command", "crrestore plan.json" in text_of(page), True)


def follow(page, fragment, text):
    """From a page, by the link with this text: where it leads, and what is there."""
    show(page, fragment)
    page.run("for (const fold of document.querySelectorAll('#content details')) { fold.open = true; fold.dispatchEvent(new Event('toggle')); } 0")
    found = page.run(f"(() => {{ const it = [...document.querySelectorAll('#content a')].find(it => it.textContent === {json.dumps(text)});"
                     "if (it) it.click(); return !!it; })()")
    page.run("new Promise(done => setTimeout(done, 50))")
    expect(f"#{fragment} links {text}", found, True)
    return page.run("decodeURIComponent(location.hash)"), text_of(page)


def check_links(page):
    """What authority, refusals, needs and the plan name is a link: files, processes, commands, regions."""
    log = "/tmp/crgen-fixture/shared_fds/log"
    for fragment in ("authority", "overview", "plan"):
        where, text = follow(page, fragment, log)
        expect(f"{fragment}: link of a file", where, "#name=" + log)
        for part in ("Open as", "fd 6 of 31100", "In the plan"):
            expect(f"{fragment}: page of a file: {part}", part in text, True)
    where, text = follow(page, "overview", "pid 31100")
    expect("refusals: link of a process", where, "#pid=31100")
    where, text = follow(page, "overview", "commands[7]")
    expect("refusals: link of a command", where, "#command=7")
    expect("page of a command", log in text and "31100" in text, True)
    where, text = follow(page, "plan", "fd 6")
    expect("plan: link of a descriptor", where.startswith("#file="), True)
    where, text = follow(page, "plan", "7ffeae02a000")
    expect("plan: link of a region", where.startswith("#region=31"), True)
    expect("page of a region", "[stack]" in text, True)
    where, text = follow(page, "pid=31101", "400000-401000")
    expect("memory: link of a region", where, "#region=31101 400000")


def check_damaged(page, path):
    """What is not there may need something, too."""
    page.open(path)
    text = text_of(page)
    expect("damaged: needs", "It cannot be known" in text, True)
    expect("damaged: a command", "crrestore plan.json" in text, False)


def check_large(page, folder, make_dump):
    """A dump of 10,000 processes opens, and has all of them."""
    if not make_dump:
        return
    dump, path = folder / "large", folder / "large.html"
    subprocess.run([make_dump, dump, "--pattern", root / "tests/fixtures/dumps/threads", "--processes", "10000"], check=True)
    expect("large: exit code", run("report", dump, "-o", path).returncode in (0, 3), True)
    page.open(path)
    expect("large: processes", page.run("processes().length"), 10000)
    expect("large: rows", page.run("document.querySelectorAll('#tree .row').length") > 0, True)
    last = page.run("processes()[9999].pid")
    show(page, f"pid={last}")
    expect("large: the last one", str(last) in text_of(page), True)


def check_keyboard(page, path):
    page.open(path)
    page.run("document.querySelector('#tree .row').focus(); 0")
    page.key("ArrowDown")
    expect("arrow down", page.run("document.activeElement.id"), "row-31101")
    page.key("ArrowLeft")
    expect("arrow left folds", page.run("document.getElementById('row-31101').getAttribute('aria-expanded')"), "false")
    rows = page.run("document.querySelectorAll('#tree .row').length")
    page.key("ArrowRight")
    expect("arrow right unfolds", page.run("document.querySelectorAll('#tree .row').length") > rows, True)
    page.key("Enter", "\r")
    page.run("new Promise(done => setTimeout(done, 50))")
    expect("enter opens", page.run("location.hash"), "#pid=31101")
    expect("focus stays in the tree", page.run("document.activeElement.id"), "row-31101")
    page.key("/", "/")
    expect("slash searches", page.run("document.activeElement.id"), "search")
    for digit in "31112":
        page.key(digit, digit)
    expect("search", page.run("document.querySelectorAll('#tree .row').length"), 1)
    order = page.run("[...document.querySelectorAll('a,button,input,summary,[tabindex]')].every(it => it.tabIndex >= -1)")
    expect("all can be reached", order, True)


def check_print(page, path):
    """What is not on the paper is counted there, also of the map."""
    page.open(path)
    page.run("(() => { const list = topic('memory').find(it => it.pid === 31101).regions;"
             "while (list.length < 1234) list.push({...list[0]}); })(); 0")
    show(page, "pid=31101")
    said = "734 more of 1234 are not printed"
    expect("screen: nothing about paper", said in text_of(page), False)
    expect("screen: a button", "500 more rows of 734" in text_of(page), True)
    page.media(media="print")
    text = text_of(page)
    expect("print: rows that are missing", said in text, True)
    expect("print: no button", "500 more rows" in text, False)
    expect("print: regions of the map", "The map shows the first 500 of 1234 regions" in text, True)
    label = page.run("document.querySelector('.map').getAttribute('aria-label')")
    expect("print: label of the map", "the first 500 of 1234 regions" in label, True)
    page.media()
    for _ in range(2):
        page.run("[...document.querySelectorAll('#content button')].find(it => !it.hidden && it.textContent.includes('more row')).click(); 0")
    page.media(media="print")
    expect("print: all of them", "are not printed" in text_of(page), False)
    page.media()
    show(page, "pid=31102")
    expect("a map of all regions", "The map shows" in text_of(page), False)


def check_sockets(page, path):
    """Addresses, names and peers are in the table; `path` is of the dump `pipeline`."""
    page.open(path)
    page.run("""topic('sockets').push(
        {file: {type: 'INETSK', id: 901, protocol: 'IPPROTO_TCP', state: 'TCP_ESTABLISHED', source: {address: '::1', port: 7000},
                destination: {address: '::1', port: 40000}}, holders: []},
        {file: {type: 'INETSK', id: 902, protocol: 'IPPROTO_UDP', state: 'TCP_CLOSE', source: {address: '127.0.0.1', port: 53}}, holders: []},
        {file: {type: 'UNIXSK', id: 903, socket_type: 'SOCK_DGRAM', name: '\\0abstract'}, holders: []},
        {file: {type: 'NETLINKSK', id: 904, protocol: 'NETLINK_ROUTE', port_id: 77}, holders: []}); 0""")
    show(page, "sockets")
    rows = page.run("[...document.querySelectorAll('#content tbody tr')].map(row => [...row.cells].map(cell => cell.innerText.trim()))")
    rows = {row[0]: row for row in rows}
    expect("tcp", rows["901"][2:5], ["IPPROTO_TCP TCP_ESTABLISHED", "[::1]:7000", "[::1]:40000"])
    expect("udp", rows["902"][3:5], ["127.0.0.1:53", ""])
    expect("abstract", rows["903"][3], "@abstract")
    expect("netlink", rows["904"][3], "port 77")
    expect("peer", rows["16"][4].split(), "file 4 fd 4 of 31900".split())


def keep_pictures(page, path, name):
    for kind, scheme, fragment in (("overview", "light", ""), ("process", "light", "#pid=31101"), ("dark", "dark", "#pid=31101")):
        page.media(scheme=scheme)
        page.open(path, fragment)
        page.picture(pictures / f"{name}-{kind}.png")
    colour = page.run("getComputedStyle(document.body).backgroundColor")
    page.media(scheme="light")
    expect("dark and light differ", colour == page.run("getComputedStyle(document.body).backgroundColor"), False)
    page.media(media="print")
    expect("print hides what cannot be pressed", page.run("getComputedStyle(document.querySelector('nav')).display"), "none")
    page.picture(pictures / f"{name}-print.png")
    page.media()


def check_browser(normal, sockets, hostile, damaged, folder):
    pictures.mkdir(parents=True, exist_ok=True)
    page = browser.Browser()
    try:
        check_pages(page, normal)
        check_keyboard(page, normal)
        check_print(page, normal)
        check_sockets(page, sockets)
        keep_pictures(page, normal, "report")
        check_hostile(page, hostile)
        page.picture(pictures / "report-hostile.png")
        check_damaged(page, damaged)
        check_large(page, folder, make_dump)
        expect("errors of the page", page.messages, [])
        foreign = [address for address in page.requests if not address.startswith(("file:", "about:"))]
        expect("requests", foreign, [])
    finally:
        page.close()


with tempfile.TemporaryDirectory() as temporary:
    folder = pathlib.Path(temporary)
    dumps = root / "tests/fixtures/dumps"
    elements = elements_of(Markup(check_dump(dumps / "shared_fds", folder)))
    normal = folder / "normal.html"
    (folder / "report.html").rename(normal)
    for dump in sorted(dumps.iterdir()):
        check_dump(dump, folder, elements)
        if dump.name == "pipeline":
            (folder / "report.html").rename(sockets := folder / "sockets.html")
    check_dump(hostile_dump(folder), folder, elements, codes=(0, 3))
    (folder / "report.html").rename(hostile := folder / "hostile.html")
    broken = folder / "broken"
    shutil.copytree(dumps / "shared_fds", broken)
    (broken / "files.img").write_bytes((broken / "files.img").read_bytes()[:100])
    run("report", broken, "-o", folder / "report.html")
    damaged = folder / "report.html"
    data = check_markup("damaged", damaged.read_text(), elements)
    expect("damaged: needs are said", "needs" in data, False)
    if browser.BINARY:
        check_browser(normal, sockets, hostile, damaged, folder)
print(f"{checked} checks, {failures} failures")
if not failures and not browser.BINARY:
    print("skipped: there is no chromium")
    sys.exit(77)
sys.exit(1 if failures else 0)
