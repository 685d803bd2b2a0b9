// SPDX-License-Identifier: MIT

let askedFrom = null;  // where the focus goes back to

function pairs(list) {
  const made = element('dl');
  for (const [name, value] of list) {
    if (value === null || value === undefined || value === '') continue;
    made.append(element('dt', {}, name), element('dd', {}, value));
  }
  return made;
}

// To the microsecond only where it is about that.
function whenText(from, to) {
  const step = to - from < 10e3 ? 1 : 1000;
  const day = `${dateText(from)} `;
  if (to - from < 1) return `${day}${clockText(from, step)} UTC`;
  const later = dateText(to) === dateText(from) ? '' : `${dateText(to)} `;
  return `${day}${clockText(from, step)} to ${later}${clockText(to, step)} UTC`;
}

function showDetails(title, children, origin) {
  askedFrom = origin;
  byId('details-title').textContent = visible(title);
  byId('details-text').replaceChildren(...children);
  byId('details').hidden = false;
  byId('details-title').focus({preventScroll: true});
}

function closeDetails() {
  if (byId('details').hidden) return;
  byId('details').hidden = true;
  if (askedFrom?.isConnected) askedFrom.focus({preventScroll: true});
}

function placePairs(place) {
  const netns = place.netns;
  return [
    ['Port', placeText(place)],
    ['Host', report.recordings.length > 1 ? hostOf(place.recording) : null],
    ['Network namespace', netns?.inum ? `${netns.name ?? 'name not known'} (${netns.inum})` : null],
  ];
}

function partyPairs(label, party, pid) {
  if (!party) return [];
  return [
    [label, party.comm ? partyText({comm: party.comm}, pid ?? party.pid) : 'no process, or not known'],
    ['Unit', party.unit],
    ['Container', party.container],
  ];
}

function showHolding(item, origin) {
  const notes = [
    item.has('b') && 'Since when it was held is not known: this is when it was first seen, or when the recording began.',
    item.has('o') && 'It was still held when the recording ended.',
    item.has('u') && 'When it ended is not known: this is when it was last seen.',
    item.has('m') && 'Others among them are not that party: the last one is named.',
    item.count > 1 && `${item.count.toLocaleString('en')} sockets, one after the other or at once, are drawn as one bar.`,
  ].filter(Boolean);
  showDetails(`${placeText(item.lane)}: ${partyText(item.who, item.pid)}`, [
    pairs([
      ...placePairs(item.lane),
      ['Address', item.addr],
      ['Connected to', item.remote],
      ['How', item.has('c') ? 'a port that the kernel chose' : item.has('l') ? 'bound by number, listened' :
        'bound by number'],
      ...partyPairs('Held by', item.who, item.pid),
      ['When', whenText(item.from, item.to)],
      ['Held for', item.count > 1 ? `${durationText(item.held)} altogether` : durationText(item.held)],
    ]),
    ...notes.map((note) => element('p', {class: 'note'}, note)),
  ], origin);
}

function verdict(group) {
  const conflict = group.conflict;
  if (!conflict) return [];
  const holder = conflict.holders?.[0];
  return [
    element('p', {class: 'summary'}, conflict.summary),
    pairs([
      ['Why', conflict.rule],
      ['In the way', conflict.in_the_way > 1 ? counted(conflict.in_the_way, 'socket') : null],
      ['Command line of the holder', holder?.process?.cmdline?.join(' ')],
      ['What made it so', conflict.factors?.join(', ')],
    ]),
    conflict.advice?.length ? element('h3', {}, 'What to do') : null,
    conflict.advice?.length ? element('ul', {class: 'advice'}, conflict.advice.map((one) => element('li', {}, one))) : null,
  ].filter(Boolean);
}

function showGroup(group, origin, more = []) {
  showDetails(`${group.result ?? 'refused'} ${placeText(group)}`, [
    ...more,
    ...verdict(group),
    pairs([
      ['Cause', group.cause],
      ['Asked for', `${group.event} ${placeText(group)}`],
      ['Host', report.recordings.length > 1 ? hostOf(group.recording) : null],
      ...partyPairs('Who', group.who),
      ...partyPairs('Holder', group.holder),
      ['How often', `${counted(group.count, 'time')}, by ${counted(group.starts, 'process', 'processes')}`],
      ['When', whenText(microseconds(group.first), microseconds(group.last))],
      ['In the end', group.resolved ? `got it at ${clockText(microseconds(group.resolved))}` : 'never got it'],
    ]),
  ], origin);
}

// Of the marks that are drawn as one: what the last one says, and how many there are.
function showRefused(items, origin) {
  const count = items.reduce((sum, item) => sum + item.count, 0);
  const last = items[items.length - 1];
  const [from, to] = [items[0].from, Math.max(...items.map((item) => item.to))];
  const kinds = new Set(items.map((item) => item.conflict));
  const more = [];
  if (count > 1)
    more.push(element('p', {class: 'note'}, `${counted(count, 'refusal')} ${whenText(from, to)} are drawn as one mark.` +
      (kinds.size > 1 || items.some((item) => item.has('m')) ? ' They are of several kinds: this is the last one.' : '')));
  if (last.group) return showGroup(last.group, origin, more);
  showDetails(`${last.result} ${placeText(last.lane)}`, [
    ...more,
    pairs([
      ...placePairs(last.lane),
      ['Cause', last.cause],
      ...partyPairs('Who', last.who, last.pid),
      ...partyPairs('Holder', last.holder),
      ['When', whenText(last.from, last.to)],
    ]),
    element('p', {class: 'note'}, 'Its verdict is not in this page, which has those of what was refused most. Report on ' +
      'this port alone (--port) to have it.'),
  ], origin);
}
