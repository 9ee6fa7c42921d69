// SPDX-License-Identifier: Apache-2.0
'use strict';
// The page of `crgen report`. Everything from the dump becomes text nodes, nothing becomes markup.

const STEP = 500;  // rows that are added at once

// Sections are parsed when they are first looked at.
const parsed = new Map();
function data(name) {
  if (!parsed.has(name)) {
    const block = document.getElementById('data-' + name);
    parsed.set(name, block ? JSON.parse(block.textContent) : null);
  }
  return parsed.get(name);
}
function topic(name) { return (data(name) || {})[name] || []; }

function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value !== undefined && value !== null && value !== false) made.setAttribute(name, value);
  }
  for (const child of children) if (child !== null && child !== undefined) made.append(child);
  return made;
}
const link = (kind, id, text) => element('a', {href: '#' + kind + '=' + encodeURIComponent(id)}, text === undefined ? String(id) : text);
const code = text => element('span', {class: 'code'}, String(text));
const faint = text => element('span', {class: 'faint'}, text);
const count = (number, one, many) => number + ' ' + (number === 1 ? one : many);
function size(bytes) {
  let unit = 0;
  while (bytes >= 1024 && unit < 5) { bytes /= 1024; ++unit; }
  return (Number.isInteger(bytes) ? bytes : bytes.toFixed(1)) + ' ' + ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'][unit];
}
const address = text => text.replace(/^0x/, '');
const commOf = process => process.comm || (process.comm_base64 ? atob(process.comm_base64) : '');

// Many rows come in portions: the first at once, others when they are asked for. Paper, which has no
// buttons, says how many are missing.
function portions(parent, items, make, first) {
  let shown = 0;
  const more = element('button', {type: 'button'}), rest = element('p', {class: 'rest'});
  const add = number => {
    const part = document.createDocumentFragment();
    for (const end = Math.min(items.length, shown + number); shown < end; ++shown) part.append(make(items[shown], shown));
    parent.append(part);
    more.textContent = count(Math.min(STEP, items.length - shown), 'more row', 'more rows') + ' of ' + (items.length - shown);
    rest.textContent = (items.length - shown) + ' more of ' + items.length + ' are not printed: ask for them on the screen first';
    more.hidden = rest.hidden = shown === items.length;
  };
  more.addEventListener('click', () => add(STEP));
  add(first || STEP);
  return element('div', null, more, rest);
}
function table(heads, items, make) {
  const body = element('tbody');
  const more = portions(body, items, item => element('tr', null, ...make(item).map(cell =>
    cell instanceof HTMLTableCellElement ? cell : element('td', null, cell))));
  return element('div', null, element('table', null, element('thead', null, element('tr', null,
    ...heads.map(head => element('th', {scope: 'col'}, head)))), body), more);
}
const number = text => element('td', {class: 'n'}, String(text));
// What a fold holds is made when it is opened.
function fold(title, make, open) {
  const made = element('details', null, element('summary', null, title));
  const fill = () => { if (made.open && made.childElementCount === 1) made.append(make()); };
  made.addEventListener('toggle', fill);
  if (open) { made.open = true; fill(); }
  return made;
}
// What is named in a text becomes a link: processes, commands, files by number and by name.
const NAMED = /\b(?:pid|process|processes) (\d+)|\bcommands\[(\d+)\]|\bfile (\d+)\b|(?<![^\s"'(])(\/[^\s"]*|[a-z]+:\[[^\]\s]*\])/g;
function linked(it) {
  const text = String(it), line = element('span');
  let end = 0;
  for (const found of text.matchAll(NAMED)) {
    const [all, pid, command, file, name] = found;
    const called = name === undefined ? all : name.replace(/(?!^)[:,.)]+$/, '');
    const to = pid !== undefined ? processOf(Number(pid)) && ['pid', pid] : command !== undefined ? data('plan') && ['command', command]
      : file !== undefined ? fileOf(Number(file)) && ['file', file] : ['name', called];
    if (!to) continue;
    line.append(text.slice(end, found.index), link(to[0], to[1], called));
    end = found.index + called.length;
  }
  line.append(text.slice(end));
  return line;
}
// A member of JSON: names and numbers that are those of something else are links.
function single(it, member) {
  if (['pid', 'target', 'parent', 'owner'].includes(member) && processOf(Number(it))) return link('pid', it);
  if (typeof it === 'string' && /^(\/.|[a-z]+:\[)/.test(it)) return link('name', it);
  return code(it);
}
// Any value of JSON, for what has no view of its own.
function value(it, member) {
  if (Array.isArray(it)) {
    if (it.every(entry => typeof entry !== 'object')) return element('span', null, ...it.flatMap(entry => [single(entry, member), ' ']));
    const list = element('ul');
    return element('div', null, list, portions(list, it, entry => element('li', null, value(entry))));
  }
  if (it === null || typeof it !== 'object') return single(it, member);
  return element('ul', null, ...Object.entries(it).map(([name, inner]) => element('li', null, name + ': ', value(inner, name))));
}
const has = it => it && Object.keys(it).length !== 0;

// Indexes, each made once.
const made = new Map();
function index(name, make) {
  if (!made.has(name)) made.set(name, make());
  return made.get(name);
}
const processes = () => topic('processes');
const processOf = pid => index('process', () => new Map(processes().map(it => [it.pid, it]))).get(pid);
const children = () => index('children', () => {
  const lists = new Map();
  for (const it of processes()) {
    if (it.parent === undefined) continue;
    if (!lists.has(it.parent)) lists.set(it.parent, []);
    lists.get(it.parent).push(it.pid);
  }
  return lists;
});
const tableOf = number => index('table', () => new Map(topic('fds').map(it => [it.table, it]))).get(number);
const fileOf = id => index('file', () => new Map(topic('files').map(it => [it.file.id, it]))).get(id);
const socketOf = id => index('socket', () => new Map(topic('sockets').map(it => [it.file.id, it]))).get(id);
const ofPid = (name, list) => index(name + ' by pid', () => {
  const lists = new Map();
  for (const it of list) {
    if (!lists.has(it.pid)) lists.set(it.pid, []);
    lists.get(it.pid).push(it);
  }
  return lists;
});
const objects = () => index('objects', () => {
  const lists = new Map();
  for (const process of topic('memory')) {
    for (const region of process.regions) {
      if (!region.object) continue;
      if (!lists.has(region.object)) lists.set(region.object, []);
      lists.get(region.object).push({pid: process.pid, region});
    }
  }
  return lists;
});
const regionsOf = pid => (ofPid('memory', topic('memory')).get(pid) || [{regions: []}])[0].regions;
const regionAt = (pid, text) => {
  const at = /^[0-9a-f]+$/.test(text) ? BigInt('0x' + text) : -1n;
  return regionsOf(pid).find(it => BigInt(it.start) <= at && at < BigInt(it.end));
};
const regionName = (pid, region) => pid + ' ' + address(region.start);
// All that has a name of its own: which descriptions, regions and processes name it.
const names = () => index('names', () => {
  const lists = new Map();
  const add = (name, part, entry) => {
    if (typeof name !== 'string' || name === '') return;
    if (!lists.has(name)) lists.set(name, {files: new Set(), regions: [], processes: new Set()});
    const list = lists.get(name)[part];
    if (part === 'regions') list.push(entry); else list.add(entry);
  };
  for (const {file} of topic('files')) for (const name of [file.path, file.name, file.external]) add(name, 'files', file.id);
  for (const it of topic('memory')) for (const region of it.regions) add(region.what, 'regions', {pid: it.pid, region});
  for (const it of topic('settings')) {
    const attributes = it.attributes || {};
    for (const name of [attributes.exe, ...Object.values(attributes.fs || {})]) add(name, 'processes', it.pid);
  }
  return lists;
});
function fileText(entry) {
  if (!entry) return '';
  const file = entry.file;
  const name = file.path || file.name || (file.namespace ? file.namespace : '');
  return file.type + (name ? ' ' + name : '') + (file.pos ? ' at ' + file.pos : '');
}

// The tree at the side: rows, one below the other, with those below a fold left out.
const folded = new Set();
let filter = '', selected = null, visible = [];
function foldLargeTrees() {
  if (processes().length <= STEP) return;
  for (const [pid, list] of children()) if (list.length > 20 && processOf(pid).parent !== undefined) folded.add(pid);
}
function findVisible() {
  const wanted = filter.toLowerCase();
  const rows = [];
  const depths = new Map();
  const hidden = new Set();
  for (const it of processes()) {
    const depth = it.parent === undefined ? 0 : (depths.get(it.parent) || 0) + 1;
    depths.set(it.pid, depth);
    if (wanted) {
      if ((it.pid + ' ' + commOf(it)).toLowerCase().includes(wanted)) rows.push({it, depth: 0});
      continue;
    }
    if (it.parent !== undefined && (hidden.has(it.parent) || folded.has(it.parent))) { hidden.add(it.pid); continue; }
    rows.push({it, depth});
  }
  return rows;
}
function treeRow({it, depth}) {
  const below = (children().get(it.pid) || []).length;
  const row = element('div', {class: 'row', role: 'treeitem', tabindex: it.pid === selected ? 0 : -1, id: 'row-' + it.pid,
    'aria-level': depth + 1, 'aria-selected': it.pid === selected ? 'true' : 'false',
    'aria-expanded': below && !filter ? String(!folded.has(it.pid)) : undefined});
  row.style.paddingLeft = 4 + Math.min(depth, 24) * 14 + 'px';
  row.append(element('span', {class: 'fold', 'aria-hidden': 'true'}, below && !filter ? (folded.has(it.pid) ? '▸' : '▾') : ''),
    it.pid + ' ' + commOf(it) + ' ',
    faint((it.state === 'running' ? '' : it.state) + (folded.has(it.pid) ? ' ' + count(below, 'child', 'children') : '')));
  return row;
}
function drawTree(focus) {
  const tree = document.getElementById('tree');
  visible = findVisible();
  const at = visible.findIndex(row => row.it.pid === selected);
  tree.replaceChildren();
  document.getElementById('more').replaceChildren(portions(tree, visible, treeRow, Math.max(STEP, at + 1)));
  if (tree.firstChild && !tree.querySelector('[tabindex="0"]')) tree.firstChild.tabIndex = 0;
  if (focus) { const row = document.getElementById('row-' + focus); if (row) row.focus(); }
}
function toggle(pid) {
  if (!folded.delete(pid)) folded.add(pid);
  drawTree(pid);
}
function pidOfRow(event) {
  const row = event.target.closest('.row');
  return row ? Number(row.id.slice(4)) : null;
}
function onTreeKey(event) {
  const pid = pidOfRow(event);
  if (pid === null) return;
  const row = event.target.closest('.row'), below = children().has(pid) && !filter;
  const go = to => { if (to) { to.tabIndex = 0; to.focus(); } };
  const parent = processOf(pid).parent;
  if (event.key === 'ArrowDown') go(row.nextElementSibling);
  else if (event.key === 'ArrowUp') go(row.previousElementSibling);
  else if (event.key === 'Home') go(row.parentElement.firstElementChild);
  else if (event.key === 'End') go(row.parentElement.lastElementChild);
  else if (event.key === 'ArrowRight') { if (below && folded.has(pid)) toggle(pid); else if (below) go(row.nextElementSibling); }
  else if (event.key === 'ArrowLeft') { if (below && !folded.has(pid)) toggle(pid); else go(document.getElementById('row-' + parent)); }
  else if (event.key === 'Enter' || event.key === ' ') location.hash = 'pid=' + pid;
  else return;
  event.preventDefault();
}

// What a process is.
const KINDS = [['present', 'in this dump'], ['parent', 'in a parent set'], ['shared', 'shared object'], ['absent', 'not in the dump']];
function memoryMap(regions) {
  const some = regions.length > STEP ? 'the first ' + STEP + ' of ' + regions.length + ' regions' : '';
  const map = element('div', {class: 'map', role: 'img',
    'aria-label': 'what of the memory is in the dump' + (some ? ': ' + some + '; the table below has all of them' : '; the table below says the same')});
  const width = bytes => Math.max(1, Math.log2(1 + bytes / 4096));
  for (const region of regions.slice(0, STEP)) {
    const all = Number(BigInt(region.end) - BigInt(region.start));
    const inDump = Math.min(region.in_dump || 0, all), inParent = Math.min(region.in_parents || 0, inDump);
    const parts = region.object ? [['shared', inDump], ['absent', all - inDump]]
      : [['present', inDump - inParent], ['parent', inParent], ['absent', all - inDump]];
    for (const [kind, bytes] of parts) {
      if (bytes <= 0) continue;
      const part = element('span', {class: kind, title: address(region.start) + ' ' + (region.what || '') + ': ' + size(bytes)});
      part.style.flexGrow = width(bytes);
      map.append(part);
    }
  }
  return element('div', null, map, element('div', null, ...KINDS.flatMap(([kind, text]) =>
    [element('span', {class: 'key ' + kind}), faint(text)])), some ? element('p', null, 'The map shows ' + some + '; the table below has all of them.') : null);
}
function memoryOf(pid) {
  const regions = regionsOf(pid);
  return element('div', null, memoryMap(regions), table(['addresses', 'size', '', 'in dump', 'in a parent', 'what', 'shared'], regions, region => [
    link('region', regionName(pid, region), address(region.start) + '-' + address(region.end)), number(size(Number(BigInt(region.end) - BigInt(region.start)))),
    code(region.prot || ''), number(region.in_dump ? size(region.in_dump) : ''), number(region.in_parents ? size(region.in_parents) : ''),
    region.unplanned ? element('span', {class: 'bad'}, '! ' + region.unplanned) : linked(region.what || ''),
    region.object ? link('object', region.object) : '']));
}
const linksOf = (pids, most) => [...pids.slice(0, most).flatMap(pid => [link('pid', pid), ' ']), pids.length > most ? 'and ' + (pids.length - most) + ' more' : ''];
function descriptorsOf(process) {
  const fds = tableOf(process.table);
  if (!fds) return faint('none');
  const others = fds.pids.filter(pid => pid !== process.pid);
  return element('div', null, others.length ? element('p', null, 'One table with ', ...linksOf(others, 20)) : null,
    table(['fd', '', 'what', 'also held by'], fds.descriptors, slot => {
      const entry = fileOf(slot.file);
      return [number(slot.fd), slot.cloexec ? 'close-on-exec' : '',
        slot.unplanned ? element('span', {class: 'bad'}, '! ' + slot.unplanned) : link('file', slot.file, fileText(entry) || slot.type),
        holders((entry ? entry.holders : []).filter(it => it.table !== fds.table || it.fd !== slot.fd))];
    }));
}
function holders(list) {
  const text = element('span');
  for (const it of list.slice(0, 20)) {
    const user = tableOf(it.table);
    text.append('fd ' + it.fd + ' of ', user ? link('pid', user.pids[0]) : 'nobody', '  ');
  }
  if (list.length > 20) text.append('and ' + (list.length - 20) + ' more');
  return text;
}
function steps(actor) {
  if (!actor) return faint('there is no plan of it');
  return table(['command', 'does', 'with', 'what', 'why'], actor.steps, step => stepCells(actor, step));
}
function stepCells(actor, step) {
  return [element('td', {class: 'n'}, link('command', step.command)), step.does, withOf(actor, step), linked(step.what || ''), faint(linked(step.why || ''))];
}
// A process, a region that is there in the end, or a descriptor whose description is that of the end.
function withOf(actor, step) {
  const text = step.with || '', process = processOf(actor.pid);
  if (/^\d+$/.test(text) && processOf(Number(text)) && step.does !== 'thread') return link('pid', text);
  const region = /^[0-9a-f]{4,}(-[0-9a-f]+)?$/.test(text) ? regionAt(actor.pid, text.split('-')[0]) : undefined;
  if (region) return link('region', regionName(actor.pid, region), text);
  const fds = process && tableOf(process.table), fd = /^fd (\d+)/.exec(text);
  const slot = fds && fd ? fds.descriptors.find(it => it.fd === Number(fd[1])) : undefined;
  const same = slot && fileOf(slot.file) && (step.what || '').startsWith(fileText(fileOf(slot.file)).split(' at ')[0]);
  return same ? link('file', slot.file, text) : text;
}
const stepOf = number => index('step', () => new Map(((data('plan') || {}).actors || []).flatMap(actor =>
  actor.steps.map(step => [step.command, {actor, step}])))).get(number);
function showCommand(id) {
  const found = stepOf(Number(id));
  if (!found) return [element('p', null, 'There is no command ' + id + ' in the plan.')];
  const {actor, step} = found, at = actor.steps.indexOf(step);
  return [element('h2', null, 'Command ' + step.command), element('p', null, 'of ', actor.pid ? link('pid', actor.pid) : 'the restorer', ', number ' + (at + 1) + ' of its ' + actor.steps.length),
    table(['command', 'does', 'with', 'what', 'why'], [step], it => stepCells(actor, it)),
    element('p', null, at > 0 ? link('command', actor.steps[at - 1].command, 'the one before') : '', '  ',
      at + 1 < actor.steps.length ? link('command', actor.steps[at + 1].command, 'the next one') : '')];
}
function showRegion(id) {
  const [pid, start] = String(id).split(' '), region = regionAt(Number(pid), start || '');
  if (!region) return [element('p', null, 'There is no region ' + id + '.')];
  return [element('h2', null, address(region.start) + '-' + address(region.end)), element('p', null, 'of ', link('pid', pid), ': ', linked(region.what || 'anonymous'),
    region.object ? ', shared: ' : '', region.object ? link('object', region.object) : ''), value(region)];
}
function showName(name) {
  const it = names().get(name) || {files: new Set(), regions: [], processes: new Set()};
  const steps = ((data('plan') || {}).actors || []).flatMap(actor => actor.steps.filter(step => (step.what || '').includes(name)).map(step => ({actor, step})));
  const parts = [element('h2', null, name)];
  if (it.files.size) parts.push(element('h3', null, 'Open as'), table(['id', 'what', 'held by'], [...it.files], file =>
    [number(file), link('file', file, fileText(fileOf(file))), holders(fileOf(file).holders)]));
  if (it.regions.length) parts.push(element('h3', null, 'Mapped by'), table(['process', 'addresses', ''], it.regions, ({pid, region}) =>
    [link('pid', pid), link('region', regionName(pid, region), address(region.start) + '-' + address(region.end)), code(region.prot || '')]));
  if (it.processes.size) parts.push(element('h3', null, 'Executable, directory or root of'), element('p', null, ...linksOf([...it.processes], STEP)));
  if (steps.length) parts.push(element('h3', null, 'In the plan'), table(['process', 'command', 'does', 'with', 'what', 'why'], steps, ({actor, step}) =>
    [actor.pid ? link('pid', actor.pid) : number(0), ...stepCells(actor, step)]));
  if (parts.length === 1) parts.push(element('p', null, 'No descriptor, region or process of the dump has this name.'));
  return parts;
}
const actorOf = pid => index('actor', () => new Map(((data('plan') || {}).actors || []).map(it => [it.pid, it]))).get(pid);
function threads(name, list) {
  return pid => table(['thread', ''], (ofPid(name, list()).get(pid) || []).filter(it => has(it.attributes)), it => [number(it.tid), value(it.attributes)]);
}
const signalsOf = threads('signals', () => topic('signals'));
const timersOf = threads('timers', () => topic('timers').processes || []);
const credentialsOf = threads('credentials', () => topic('credentials'));
const settingsOf = threads('settings', () => topic('settings'));
function showProcess(id) {
  const pid = Number(id), it = processOf(pid);
  if (!it) {
    const invented = actorOf(pid);
    return invented ? [element('h2', null, pid + ' ' + (invented.comm || '')), element('p', null, 'No process of the dump: the plan invents it.'), steps(invented)]
      : [element('p', null, 'There is no process ' + id + '.')];
  }
  const below = children().get(pid) || [];
  const parts = [element('h2', null, pid + ' ' + commOf(it)), element('p', null, it.state + (it.stop_signal ? ' by ' + it.stop_signal : '') + (it.exit ? ': ' + it.exit : '') +
    ', group ' + it.pgid + ', session ' + it.sid + (it.subreaper ? ', child subreaper' : ''),
    it.parent === undefined ? ', the root' : ', child of ', it.parent === undefined ? null : link('pid', it.parent))];
  if (it.tids.length) parts.push(element('p', null, 'further threads: ' + it.tids.slice(0, 200).join(' ') + (it.tids.length > 200 ? ' and ' + (it.tids.length - 200) + ' more' : '')));
  if (below.length) parts.push(element('p', null, count(below.length, 'child: ', 'children: '), ...linksOf(below, 50)));
  if (it.state !== 'zombie') {
    parts.push(fold('Descriptors', () => descriptorsOf(it), true), fold('Memory: ' + size(it.mapped) + ', ' + size(it.in_dump) + ' of its own in the dump', () => memoryOf(pid), true),
      fold('Command line and environment', () => value(ofPid('env', topic('env')).get(pid)[0])),
      fold('Credentials', () => credentialsOf(pid)), fold('Limits, scheduling, directories', () => settingsOf(pid)), fold('Signals', () => signalsOf(pid)), fold('Timers', () => timersOf(pid)));
  }
  parts.push(fold('Plan', () => steps(actorOf(pid))));
  return parts;
}

// Other pages.
function showFile(id) {
  const entry = fileOf(Number(id)) || socketOf(Number(id)), socket = socketOf(Number(id));
  if (!entry) return [element('p', null, 'There is no file ' + id + '.')];
  return [element('h2', null, fileText(entry)), entry.unplanned ? element('p', {class: 'bad'}, '! ' + entry.unplanned) : null, value(entry.file),
    element('h3', null, 'Held by'), holders(entry.holders),
    socket && socket.peer !== undefined ? element('p', null, 'peer: ', link('file', socket.peer, fileText(fileOf(socket.peer)) + ' (' + socket.peer + ')')) : null,
    socket && socket.unread !== undefined ? element('p', null, size(socket.unread) + ' wait to be read') : null,
    entry.late && entry.late.length ? element('div', null, element('h3', null, 'State'), value(entry.late)) : null];
}
function searched(items, text, draw) {
  const input = element('input', {type: 'search', placeholder: 'search', 'aria-label': 'search'});
  const result = element('div');
  const show = () => {
    const wanted = input.value.toLowerCase();
    result.replaceChildren(draw(wanted ? items.filter(it => text(it).toLowerCase().includes(wanted)) : items));
  };
  input.addEventListener('input', show);
  show();
  return element('div', null, input, result);
}
const showFiles = () => [element('h2', null, 'Open file descriptions'), searched(topic('files'), fileText, list =>
  table(['id', 'what', 'held by'], list, it => [number(it.file.id), link('file', it.file.id, fileText(it)), holders(it.holders)]))];
// Where a socket is bound, or connected to: internet, netlink, packet, unix.
function socketEnd(file, end) {
  const where = end || file;
  if (where.address !== undefined) return code((where.address.includes(':') ? '[' + where.address + ']' : where.address) + ':' + where.port);
  if (where.port_id !== undefined) return code('port ' + where.port_id);
  if (!end && file.type === 'PACKETSK' && file.interface !== undefined) return code('interface ' + file.interface);
  return !end && file.name ? code(file.name.replace(/^\0/, '@')) : ''; // abstract, as ss(8) has it
}
function peerText(it) {
  const cell = element('span', null, it.file.destination ? socketEnd(it.file, it.file.destination) : '');
  if (it.peer === undefined) return cell;
  const peer = socketOf(it.peer);
  cell.append(' ', link('file', it.peer, 'file ' + it.peer), ' ', it.file.destination || !peer ? '' : socketEnd(peer.file, peer.file.source), ' ',
    peer ? holders(peer.holders) : '');
  return cell;
}
const showSockets = () => [element('h2', null, 'Sockets'), searched(topic('sockets'), it => JSON.stringify(it.file), list =>
  table(['id', 'what', 'state', 'address or name', 'peer', 'unread', 'held by'], list, it => [number(it.file.id), link('file', it.file.id, it.file.type),
    [it.file.socket_type, it.file.protocol, it.file.state].filter(part => part).join(' '), socketEnd(it.file, it.file.source),
    peerText(it), number(it.unread || ''), holders(it.holders)]))];
const showObjects = () => [element('h2', null, 'Shared memory'), table(['object', 'mapped by'], [...objects()], ([name, views]) =>
  [link('object', name), count(views.length, 'region', 'regions')])];
const showObject = name => [element('h2', null, name), table(['process', 'addresses', '', 'what'], objects().get(name) || [], ({pid, region}) =>
  [link('pid', pid), link('region', regionName(pid, region), address(region.start) + '-' + address(region.end)), code(region.prot || ''), linked(region.what || '')])];
const showPlan = () => {
  const plan = data('plan');
  if (!plan) return [element('h2', null, 'Plan'), element('p', {class: 'bad'}, 'There is none: the overview says why.')];
  return [element('h2', null, 'Plan'), element('p', null, [count(plan.processes, 'process', 'processes'), plan.invented + ' invented', count(plan.files, 'file', 'files') + ' to open',
    count(plan.pages, 'page', 'pages') + ' to load', count(plan.commands, 'command', 'commands')].join(', ')),
  searched(plan.actors, it => it.pid + ' ' + (it.comm || ''), list => table(['process', 'born of', 'name', 'commands'], list, it => [
    it.pid ? link('pid', it.pid) : number(0), it.parent ? link('pid', it.parent) : '', (it.comm || '') + (it.invented ? ' (invented)' : ''),
    fold(count(it.steps.length, 'command', 'commands'), () => steps(it))]))];
};
const showAuthority = () => [element('h2', null, 'Authority'), element('p', null, 'What the tree would be and have after a restore.'), value(data('check'))];
const showMounts = () => [element('h2', null, 'Namespaces, mounts, cgroups'), value(topic('mounts'))];
function showOverview() {
  const why = data('why') || {}, needs = data('needs'), states = {};
  for (const it of processes()) states[it.state] = (states[it.state] || 0) + 1;
  const parts = [element('h2', null, 'Can it be restored?')];
  for (const [who, verdict] of Object.entries(why)) {
    parts.push(element('h3', null, who + ': ' + verdict.answer), verdict.causes.length === 0 ? null
      : table(['where', 'what', 'what to do'], verdict.causes, it => [linked(it.where), linked(it.what), it.advice || '']));
  }
  parts.push(element('h2', null, 'What a restore needs'));
  if (needs) {
    parts.push(needs.needs.length ? table(['what', 'option'], needs.needs, it => [
      element('span', null, linked(it.what), it.optional ? ' (optional)' : ''), code(it.options.map(option => option.name + (option.value ? ' ' + option.value : '')).join(' or '))]) : element('p', null, 'nothing'),
    data('plan') ? element('p', null, code(needs.command)) : element('p', {class: 'bad'}, 'There is no plan, so there is no command for it.'));
  } else {
    parts.push(element('p', {class: 'bad'}, 'It cannot be known: the dump could not be read whole.'));
  }
  parts.push(element('h2', null, 'What is in it'), element('p', null, count(processes().length, 'process', 'processes') + ' (' +
    Object.entries(states).map(([state, times]) => times + ' ' + state).join(', ') + ')'));
  return parts;
}

const VIEWS = {overview: showOverview, pid: showProcess, files: showFiles, file: showFile, name: showName, region: showRegion, command: showCommand, sockets: showSockets, objects: showObjects,
  object: showObject, plan: showPlan, authority: showAuthority, mounts: showMounts};
function route() {
  const [kind, name] = location.hash.slice(1).split(/=(.*)/s);
  let id = name;
  try { id = decodeURIComponent(name); } catch { /* as it is */ }
  const show = Object.hasOwn(VIEWS, kind) ? VIEWS[kind] : showOverview;
  selected = kind === 'pid' ? Number(id) : null;
  const content = document.getElementById('content');
  content.replaceChildren(...show(id).filter(part => part !== null));
  for (const entry of document.querySelectorAll('nav a')) {
    if (entry.getAttribute('href') === '#' + (kind || 'overview')) entry.setAttribute('aria-current', 'page');
    else entry.removeAttribute('aria-current');
  }
  if (selected !== null) {
    for (let it = processOf(selected); it && it.parent !== undefined; it = processOf(it.parent)) folded.delete(it.parent);
  }
  const hadFocus = document.activeElement && document.activeElement.closest('#tree');
  drawTree(hadFocus && selected !== null ? selected : null);
  if (!hadFocus) content.focus({preventScroll: true});
}
// On paper, what is folded is not to be seen: open it.
addEventListener('beforeprint', () => { for (const it of document.querySelectorAll('#content details')) { it.open = true; it.dispatchEvent(new Event('toggle')); } });
addEventListener('hashchange', () => { route(); scrollTo(0, 0); });
document.getElementById('tree').addEventListener('keydown', onTreeKey);
document.getElementById('tree').addEventListener('click', event => {
  const pid = pidOfRow(event);
  if (pid === null) return;
  if (event.target.classList.contains('fold') && children().has(pid)) toggle(pid);
  else { event.target.closest('.row').focus(); location.hash = 'pid=' + pid; }
});
document.getElementById('search').addEventListener('input', event => { filter = event.target.value; drawTree(null); });
addEventListener('keydown', event => {
  if (event.key === '/' && event.target.tagName !== 'INPUT') { document.getElementById('search').focus(); event.preventDefault(); }
});
foldLargeTrees();
route();
document.documentElement.dataset.ready = 'yes';
