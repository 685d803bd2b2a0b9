// SPDX-License-Identifier: MIT

const SHOWN = 3;  // of a list, until more is asked for

function timeText(text) {
  const us = microseconds(text);
  return isOneDay() ? clockText(us) : `${dateText(us)} ${clockText(us)}`;
}

function isOneDay() {
  return dateText(whole.from) === dateText(whole.to);
}

function spanText(entry) {
  return entry.count === 1 ? `at ${timeText(entry.last)}` : `${timeText(entry.first)} to ${timeText(entry.last)}`;
}

function drawHead() {
  const hosts = [...new Set(report.recordings.map((one) => one.host ?? 'unknown host'))];
  byId('title').textContent = visible(`Ports on ${hosts.join(', ')}`);
  document.title = visible(`bindtrace report: ${hosts.join(', ')}`);
  byId('verdict').textContent = visible(verdictText());
  byId('recordings').replaceChildren(...report.recordings.map(recordingLine));
  byId('notices').replaceChildren(...notices().map((text) => element('li', {}, `⚠ ${text}`)));
  const events = report.recordings.reduce((sum, one) => sum + one.events, 0);
  const failures = report.recordings.reduce((sum, one) => sum + one.failures, 0);
  const lost = report.loss.reduce((sum, one) => sum + one.count, 0);
  byId('numbers').replaceChildren(...[
    ['Events', events, ''],
    ['Refused', failures, failures ? 'bad' : ''],
    ['Races', report.races.length + report.not_kept.races.entries, ''],
    ['Restart loops', report.restart_loops.length, '', report.not_kept.conflicts.entries],
    ['Changed hands', report.changed_hands.length + report.not_kept.changed_hands.entries, ''],
    ['Warnings', report.warnings.reduce((sum, one) => sum + one.count, 0), '', report.not_kept.warnings.entries],
    ['Lost', lost, lost ? 'bad' : ''],
  ].map(([name, value, kind, isCut]) => element('div', {class: kind}, element('dt', {}, name),
    element('dd', {}, isCut && !value ? 'not known' : value.toLocaleString('en') + (isCut ? ' or more' : '')))));
  const versions = [...new Set(report.recordings.map((one) => one.version).filter(Boolean))];
  byId('made-by').textContent = visible(`Recorded by bindtrace ${versions.join(', ')}. All times are UTC.`);
}

function verdictText() {
  const failures = report.recordings.reduce((sum, one) => sum + one.failures, 0);
  if (failures === 0) return 'Nothing was refused.';
  const worst = report.conflicts[0];
  const never = report.conflicts.filter((group) => !group.resolved).length;
  const most = worst ? ` ${partyText(worst.who)} ${worst.resolved ? 'failed' : 'never got'} ${placeText(worst)}` +
    `${worst.count > 1 ? `, ${counted(worst.count, 'time')}` : ''}: ${worst.conflict?.summary ?? worst.cause}.` : '';
  const others = never - (worst?.resolved ? 0 : 1), atLeast = report.not_kept.conflicts.entries ? 'At least ' : '';
  const rest = others > 0 ? ` ${atLeast}${others} more never got what they asked for.` : '';
  return `${counted(failures, 'claim was', 'claims were')} refused.${most}${rest}`;
}

function recordingLine(recording) {
  if (!recording.begun)
    return element('li', {}, `A recording whose beginning is missing, until ${recording.last ?? 'an unknown time'}`);
  const from = microseconds(recording.start), to = microseconds(recording.last);
  const filters = recording.filters.length ? `filters ${recording.filters.join(' ')}` : 'no filters';
  return element('li', {}, element('b', {}, recording.host ?? 'unknown host'),
    `, kernel ${recording.kernel ?? 'not known'}: ${whenText(from, to)} (${durationText(to - from)}), ` +
    `strategy ${recording.strategy ?? 'not known'}, ${filters}, ${counted(recording.events, 'event')}` +
    (recording.begun >= recording.start ? '' : `; it was recorded since ${recording.begun}: what came first is not in there`) +
    (recording.ended ? '' : '; it has no end: the recorder was killed, or is still running'));
}

function notices() {
  const lines = report.loss.map((one) => `${counted(one.count, 'event')} lost (${one.reason}), ${timeText(one.first)} to ` +
    `${timeText(one.last)}: what is told here may miss something.`);
  for (const file of report.files) {
    if (file.complete) continue;
    lines.push(`${file.path} is incomplete: ` + (file.damages === 0 ? 'it has no end.' :
      `damaged in ${counted(file.damages, 'place')}, ${counted(file.lost_bytes, 'byte')} could not be read.`));
  }
  if (report.not_kept.claims) lines.push(`${counted(report.not_kept.claims, 'claim')} of further ports could not be followed.`);
  return lines;
}

// The first of a list, and a button for all.
function drawList(list, button, items) {
  list.replaceChildren(...items.slice(0, SHOWN));
  button.hidden = items.length <= SHOWN;
  button.textContent = `Show all ${items.length}`;
  button.onclick = () => {
    list.replaceChildren(...items);
    button.hidden = true;
    items[SHOWN].querySelector('button')?.focus();
  };
}

function drawConflicts() {
  const shown = report.conflicts.filter(groupMatches);
  drawList(byId('conflicts').querySelector('ol'), byId('conflicts').querySelector('.more'), shown.map(conflictCard));
  byId('conflicts').hidden = report.conflicts.length === 0;
  byId('conflicts').querySelectorAll('.note').forEach((note) => note.remove());
  const rest = report.not_kept.conflicts;
  if (rest.entries) byId('conflicts').append(element('p', {class: 'note'}, `${counted(rest.count, 'refusal')} of ` +
    `${counted(rest.entries, 'further kind')} are not in this page.`));
  return shown.length;
}

function conflictCard(group) {
  const button = element('button', {type: 'button'}, 'Details');
  button.onclick = () => showGroup(group, button);
  const fix = group.conflict?.advice?.[0];
  return element('li', {class: group.resolved ? 'card resolved' : 'card'},
    element('h3', {}, element('span', {class: 'chip bad'}, group.result ?? 'refused'), ` ${placeText(group)} `,
      element('span', {class: 'chip'}, group.cause), group.count > 1 ? ` ×${group.count.toLocaleString('en')}` : ''),
    element('p', {}, element('b', {}, partyText(group.who)), `, ${spanText(group)}, `,
      element('b', {class: group.resolved ? 'good' : 'bad'}, group.resolved ? `✓ got it at ${timeText(group.resolved)}` :
        '✕ never got it'), report.recordings.length > 1 ? ` on ${hostOf(group.recording)}` : ''),
    element('p', {}, group.conflict?.summary ?? ''),
    fix ? element('p', {class: 'fix'}, element('b', {}, 'Fix: '), fix) : null,
    element('p', {class: 'actions'}, button, ' ', onTimeline(group)));
}

// Goes to its lane, and to its time.
function onTimeline(entry) {
  const lane = timeline.lanes.find((one) => one.recording === entry.recording && one.port === entry.port &&
    one.netns.inum === entry.netns.inum && one.proto === entry.proto);
  if (!lane) return null;
  const button = element('button', {type: 'button'}, 'On the timeline');
  button.onclick = () => {
    if (!lane.element.isConnected) clearFilters();
    const from = microseconds(entry.claimed ?? entry.first), to = microseconds(entry.last);
    const room = Math.max((to - from) * 0.25, 20e3);
    look(from - room, to + room);
    lane.element.scrollIntoView({block: 'center'});
    lane.element.querySelector('.track').focus({preventScroll: true});
  };
  return button;
}

function section(title, entries, rest, line) {
  if (entries.length === 0) return null;
  const list = element('ul', {class: 'lines'});
  const button = element('button', {class: 'more', type: 'button'});
  drawList(list, button, entries.map((entry) => element('li', {}, line(entry), ' ', onTimeline(entry))));
  return element('div', {}, element('h2', {}, title), list, button,
    rest?.entries ? element('p', {class: 'note'}, `and ${counted(rest.count, 'more', 'more')} of ` +
      `${counted(rest.entries, 'further kind')}`) : null);
}

function drawOthers() {
  const race = (one) => {
    const as = one.remote_addr ? `a source port (to ${one.remote_addr} port ${one.remote_port})` : 'a port the kernel chose';
    return one.failed ? `${placeText(one)}: ${partyText(one.client)} had it as ${as}` +
      `${one.claimed ? ` at ${timeText(one.claimed)}` : ''}; ${partyText(one.server)} failed to bind it ` +
      `${counted(one.count, 'time')}, ${spanText(one)}.` : `${placeText(one)}: ${partyText(one.server)} had given it back, ` +
      `and ${partyText(one.client)} got it as ${as}, ${counted(one.count, 'time')}: reserve it.`;
  };
  const loop = (one) => `${partyText(one.who)}: ${counted(one.starts, 'start')} failed on ${placeText(one)}, ${spanText(one)}.`;
  const change = (one) => `${placeText(one)}: from ${partyText(one.from)} to ${partyText(one.to)}, ` +
    `${counted(one.count, 'time')}, ${spanText(one)}` +
    (one.gap_ns === null ? '.' : `, ${durationText(one.gap_ns / 1000)} after it was free.`);
  const warning = (one) => [`${placeText(one)}: ${partyText(one.who)}, ${one.reason}, ${counted(one.count, 'time')}, ` +
    `${spanText(one)}: ${one.summary} `, one.advice.length ? element('span', {class: 'fix'}, element('b', {}, 'Fix: '),
    one.advice[0]) : null];
  byId('others').replaceChildren(...[
    section('Warnings: ports of the registry that others took, services without their port', report.warnings, report.not_kept.warnings, warning),
    section('Races with clients for a source port', report.races, report.not_kept.races, race),
    section('Restart loops', report.restart_loops, null, loop),
    section('Ports that changed hands', report.changed_hands, report.not_kept.changed_hands, change),
  ].filter(Boolean));
}

function leftOutText() {
  const {lanes, clients} = timeline.not_drawn;
  const crowded = timeline.lanes.reduce((sum, lane) => sum + lane.not_drawn, 0);
  const several = timeline.lanes.some((lane) => [...lane.holdings, ...lane.refused].some((item) => item.count > 1));
  return [
    several && 'Where much happened on a port in a short time, what is alike is drawn as one bar or mark, with its number (×).',
    clients && `${counted(clients, 'claim of a source port', 'claims of source ports')} by clients only counted: a port has a lane where somebody asked for it by number.`,
    lanes && `${counted(lanes, 'port')} of lesser interest have no lane: report on a port (--port) to see it.`,
    crowded && `${counted(crowded, 'holding')} beyond those open at once on a port are not drawn.`,
  ].filter(Boolean).join(' ');
}
