#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What crrestore waits for is what the contract's chapter 14 says: `order_test.py CRRESTORE [PLAN…]`.

Of each plan the order of commands of different processes is computed from the chapter's paragraphs
alone, and compared with what `crrestore --dry-run --json` prints, in both directions: nothing is
missing, and nothing is waited for of which no paragraph speaks. Without a PLAN: all of the suite.
"""
import glob
import json
import os
import re
import subprocess
import sys

FOLDER = os.path.dirname(os.path.abspath(__file__))
LATE_OPENS = ("OPEN_FILE", "DUP_FD", "CLOSE_FD", "FORK", "LOAD_PAGES")
OBJECTS = ("inode_id", "pipe_id", "map_id", "dead", "tty_id")


class Process:
    def __init__(self, pid, parent, birth):
        self.pid, self.parent, self.birth = pid, parent, birth
        self.pgid, self.sid = (parent.pgid, parent.sid) if parent else (0, 0)
        self.membership = {"arrival": birth, "departure": None}
        self.exit, self.subreaper = None, False
        self.children, self.threads, self.looked_at = [], [], []
        self.table = self.fs = self
        self.adopted_by = None  # the EXIT by which it has the parent that it has
        self.siblings = []  # FORKs with CLONE_PARENT that rely on this parent


class Rules:
    """The pairs of commands that keep their order. `joins`: who joins a group, and its members, one of
    whom has to be there; `adoptions`: the EXITs by which others became the parent of who exits."""

    def __init__(self, plan):
        self.plan, self.pairs, self.joins, self.adoptions = plan, set(), [], {}
        self.restorer = Process(0, None, None)
        self.restorer.subreaper = True
        self.living, self.used, self.thread_births = {0: self.restorer}, set(), {}
        self.freed, self.departures = {}, {}  # by number: what frees it; who has left that group
        self.last_of_table, self.last_of_fs, self.shared = {}, {}, set()
        self.objects, self.connections, self.memory = {}, {}, []
        self.reparents, self.late = None, None
        self.put, self.taken = {}, {}
        for self.at, command in enumerate(plan):
            self.actor = self.living[command["pid"]]
            getattr(self, command["command"], lambda _: None)(command)
            self.on_shared(command)
            if command["command"] in ("MAP_REGION", "UNMAP_REGION", "LOAD_PAGES"):
                self.memory.append(self.at)

    def before(self, earlier, later=None):
        later = self.at if later is None else later
        if earlier not in (None, later):
            self.pairs.add((earlier, later))

    def on_shared(self, command):  # 14.5
        name = command["command"]
        fs = "fs" in command.get("attributes", {})
        ring = command.get("special") == "aio" or "aio" in command
        if name in LATE_OPENS or name == "MAP_REGION" and ("fd" in command or ring):
            self.in_order(self.last_of_table, self.actor.table)
        if name == "FORK" or name == "OPEN_FILE" and "from" not in command or fs:
            self.in_order(self.last_of_fs, self.actor.fs)

    def in_order(self, last, what):
        if what in self.shared:
            self.before(last.get(what))
        last[what] = self.at

    def is_free(self, number):  # 14.2
        if number in self.used:
            for it in self.freed.get(number, []) + self.departures.get(number, []):
                self.before(it)
        self.used.add(number)

    def leave(self, process):
        process.membership["departure"] = self.at
        self.departures.setdefault(process.pgid, []).append(self.at)

    def enter(self, pgid):
        self.actor.pgid, self.actor.membership = pgid, {"arrival": self.at, "departure": None}

    def FORK(self, command):
        number, maker, flags = command["child_pid"], self.actor, command.get("flags", [])
        self.is_free(number)
        child = Process(number, maker, self.at)
        if "CLONE_PARENT" in flags:
            child.parent = maker.parent
            child.parent.siblings.append(self.at)
        child.parent.children.append(child)
        if maker.pid:
            if "CLONE_FILES" in flags:
                child.table = maker.table
                self.shared.add(child.table)
            if "CLONE_FS" in flags:
                child.fs = maker.fs
                self.shared.add(child.fs)
        if child.table is child:
            for (table, fd), put in list(self.put.items()):
                if table is maker.table and put is not None:
                    self.put[child, fd] = self.at
        self.living[number] = child
        first = next((i for i in range(self.at + 1, len(self.plan)) if self.plan[i]["pid"] == number), None)
        if first is not None:  # 14.1
            self.before(self.at, first)

    def CREATE_THREAD(self, command):
        self.is_free(command["tid"])
        self.actor.threads.append(command["tid"])
        self.thread_births[command["tid"]] = self.at

    def SET_SID(self, _):
        for it in self.departures.get(self.actor.pid, []):
            self.before(it)
        self.leave(self.actor)
        self.freed.setdefault(self.actor.sid, []).append(self.at)
        self.actor.sid = self.actor.pid
        self.enter(self.actor.pid)

    def SET_PGID(self, command):
        pgid = command["pgid"]
        if pgid == self.actor.pid == self.actor.pgid:
            return
        if pgid != self.actor.pid:  # 14.3
            members = [it for it in self.living.values() if it.pgid == pgid and it is not self.actor]
            leader = [it for it in members if it.pid == pgid]
            self.joins.append((self.at, [it.membership for it in leader or members]))
        self.leave(self.actor)
        self.enter(pgid)

    def EXIT(self, _):
        self.actor.exit = self.at
        for it in self.actor.looked_at:  # 14.7, 14.10
            self.before(it)
        for tid in self.actor.threads:
            self.freed.setdefault(tid, []).append(self.at)
        if not self.actor.children:
            return
        self.before(self.reparents)  # 14.4
        self.reparents = self.at
        for it in self.actor.siblings:
            self.before(it)
        reaper = self.actor.parent
        while reaper.pid and (reaper.exit is not None or not (reaper.subreaper or reaper.pid == 1)):
            reaper = reaper.parent
        for child in self.actor.children:
            child.parent, child.adopted_by = reaper, self.at
            self.adoptions.setdefault(child.exit, set()).add(self.at)
            reaper.children.append(child)
        self.actor.children = []

    def WAIT(self, command):
        child = self.living.pop(command["child_pid"])
        self.before(child.exit)  # 14.1
        self.before(child.adopted_by)  # 14.4
        for it in child.looked_at:
            self.before(it)
        self.leave(child)
        self.freed.setdefault(child.pid, []).append(self.at)
        self.freed.setdefault(child.sid, []).append(self.at)
        child.parent.children.remove(child)

    def SET_ATTR(self, command):
        said = command["attributes"]
        if "child_subreaper" in said:  # 14.4
            self.before(self.reparents)
            self.reparents = self.at
            self.actor.subreaper = said["child_subreaper"]
        for path in said.get("fs", {}).values():
            self.look_at_path(path)
        if "descriptors" in said:  # 14.8
            for it in range(self.at):
                self.before(it)

    def OPEN_FILE(self, command):
        if "from" in command:  # 14.10
            owner = self.living[command["from"]["pid"]]
            slot = (owner.table, command["from"]["fd"])
            self.before(owner.birth)
            self.before(self.put.get(slot))
            self.taken.setdefault(slot, []).append(self.at)
            owner.looked_at.append(self.at)
            return self.on_slot(command["fd"])
        opened = [(command["fd"], command["file"])]
        if "peer" in command:
            opened.append((command["peer"]["fd"], command["peer"]["file"]))
        for fd, file in opened:
            self.on_slot(fd)
            if file["type"] == "REG":
                self.look_at_path(file.get("path", ""))
            if "target" in file and file["type"] == "PIDFD":
                self.look_at(file["target"])
            self.on_objects(file)
            if file.get("seals"):  # 14.6
                for it in self.memory:
                    self.before(it)

    def on_objects(self, file):  # 14.6, 14.9
        keys = [(name, file[name]) for name in OBJECTS if name in file]
        keys += [("unlinked", file["unlinked"]["id"])] if "unlinked" in file else []
        keys += [("map_id", file["map"]["id"])] if "id" in file.get("map", {}) else []
        for key in keys:
            self.before(self.objects.get(key))
            self.objects.setdefault(key, self.at)
        if "socket_id" in file:
            self.objects.setdefault(("socket_id", file["socket_id"]), self.at)
        if "connect_to" in file:
            self.before(self.objects.get(("socket_id", file["connect_to"])))
            self.before(self.connections.get(file["connect_to"]))
            self.connections[file["connect_to"]] = self.at

    def DUP_FD(self, command):
        if command["old_fd"] != command["new_fd"]:
            self.on_slot(command["new_fd"])

    def CLOSE_FD(self, command):
        self.on_slot(command["fd"])

    def on_slot(self, fd):
        slot = (self.actor.table, fd)
        for it in self.taken.pop(slot, []):
            self.before(it)
        self.put[slot] = self.at

    def look_at_path(self, path):  # 14.7
        named = re.match(r"/proc/(\d+)(?:/task/(\d+))?(/|$)", path) if isinstance(path, str) else None
        if named:
            self.look_at(int(named[2] or named[1]))
            self.look_at(int(named[1]))

    def look_at(self, number):
        self.before(self.thread_births.get(number))
        if number in self.living:
            self.before(self.living[number].birth)
            self.living[number].looked_at.append(self.at)


def closure(nodes, pairs):
    """Of each node, all that precede it; nodes in an order that the pairs keep."""
    before = {node: set() for node in nodes}
    direct = {}
    for earlier, later in pairs:
        direct.setdefault(later, []).append(earlier)
    for node in nodes:
        for earlier in direct.get(node, []):
            before[node] |= before[earlier] | {earlier}
    return before


def in_order(pairs, nodes):
    """Nodes such that each pair keeps the order."""
    ahead, found, done = {}, [], set()
    for earlier, later in pairs:
        ahead.setdefault(later, []).append(earlier)
    for node in nodes:
        stack = [(node, iter(ahead.get(node, [])))]
        while stack:
            top, rest = stack[-1]
            following = next((it for it in rest if it not in done), None)
            if following is not None:
                stack.append((following, iter(ahead.get(following, []))))
                continue
            stack.pop()
            if top not in done:
                done.add(top)
                found.append(top)
    return found


def printed(result):
    """Nodes and pairs of what crrestore prints. A node is a command's number, or (command, who, whose end)."""
    def node(step):
        return (step["command"], step["pid"], step["sees_end"]) if "sees_end" in step else step["command"]
    nodes, pairs, waits = [], [], []
    for process in result["processes"]:
        steps = [node(step) for step in process["steps"]]
        nodes += steps
        pairs += list(zip(steps, steps[1:]))
        waits += [(node(it), node(step)) for step in process["steps"] for it in step.get("after", [])]
    return nodes, pairs + waits, waits


def differences(plan, result):
    rules = Rules(plan)
    nodes, pairs, waits = printed(result)
    have = closure(in_order(pairs, nodes), pairs)
    exits = {}  # what sees the end of which EXIT
    for earlier, later in waits:
        if isinstance(later, tuple) and isinstance(earlier, int) and plan[earlier]["command"] == "EXIT" \
                and plan[earlier]["pid"] == later[2]:
            exits[later] = earlier
    found = []

    def keeps(pair):
        return pair[0] in have[pair[1]] or any(seen in have[pair[1]] for seen, it in exits.items() if it == pair[0])

    def text(number):
        number = exits.get(number, number)
        return "commands[%s] %s of %s" % (number, plan[number]["command"], plan[number]["pid"])

    last = {}
    own = []
    for number, command in enumerate(plan):
        of = rules_key(plan, number)
        own += [(last[of], number)] if of in last else []
        last[of] = number
    for pair in sorted(rules.pairs):
        if not keeps(pair):
            found.append("%s must precede %s" % (text(pair[0]), text(pair[1])))
    every = set(own) | rules.pairs
    for join, members in rules.joins:
        needed = [{(it["arrival"], join), (join, it["departure"])} for it in members]
        needed = [{pair for pair in pairs if None not in pair} for pairs in needed]
        if needed and not any(all(keeps(pair) for pair in pairs) for pairs in needed):
            found.append("some member of the group must be there at %s" % text(join))
        every.update(*needed)
    wanted = closure(range(len(plan)), every)
    for earlier, later in waits:
        one, two = exits.get(earlier, earlier), exits.get(later, later)
        if one != two and one not in wanted[two] and one not in rules.adoptions.get(two, ()):
            found.append("nothing says that %s precedes %s" % (text(earlier), text(later)))
    return found


def rules_key(plan, number):
    """The process of a command: a number, and its how manieth bearer."""
    pid = plan[number]["pid"]
    return pid, sum(it.get("child_pid") == pid and it["command"] == "FORK" for it in plan[:number])


def main():
    crrestore = sys.argv[1]
    plans = sys.argv[2:] or sorted(glob.glob(os.path.join(FOLDER, "cases", "*", "plan.json")))
    compared = failed = edges = 0
    for path in plans:
        with open(path, encoding="utf-8") as file:
            text = re.sub(r'"@handle of [^"]*"', '{"device": 1, "inode": 1, "type": 1, "bytes": "AAAA"}', file.read())
        text = re.sub("@v[a-z]*_(end|size)@", "0x10000000", text)
        line = [crrestore, "-", "--images", os.path.join(FOLDER, "images"), "--dry-run", "--json", "--partial",
                "--file-locks", "--tcp-established", "--shell-job"]
        run = subprocess.run(line, input=text, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
        result = json.loads(run.stdout or "{}")
        if "processes" not in result:
            continue
        compared += 1
        found = differences(json.loads(text), result)
        edges += sum(len(step.get("after", [])) for it in result["processes"] for step in it["steps"])
        failed += bool(found)
        for problem in found:
            print("%s: %s" % (os.path.relpath(path, FOLDER), problem))
    print("%d plans, of which %d print %d edges; %d differ" % (len(plans), compared, edges, failed))
    return 1 if failed or not edges else 0


if __name__ == "__main__":
    sys.exit(main())
