// SPDX-License-Identifier: MIT

const {report, timeline} = JSON.parse(byId('data').textContent);

// Rows become objects by the keys beside them, times those since the epoch, numbers of parties the parties.
function unpack() {
  const begin = timeline.begin_us;
  const row = (keys, values, lane, kind) => {
    const item = {kind, lane};
    keys.forEach((key, i) => { item[key] = values[i]; });
    item.from += begin;
    item.to += begin;
    item.who = timeline.parties[item.who];
    item.has = (letter) => item.is.includes(letter);
    return item;
  };
  timeline.lanes.forEach((lane, number) => {
    lane.id = `lane-${number}`;
    lane.holdings = lane.holdings.map((values) => row(timeline.holding_keys, values, lane, 'holding'));
    lane.refused = lane.refused.map((values) => {
      const item = row(timeline.refused_keys, values, lane, 'refused');
      item.holder = item.holder === null ? null : timeline.parties[item.holder];
      item.group = item.conflict === null ? null : report.conflicts[item.conflict];
      return item;
    });
    lane.holdings.sort((one, other) => one.from - other.from);
    lane.refused.sort((one, other) => one.from - other.from);
    stack(lane);
  });
  timeline.parties.forEach((party) => { party.hue = hueOf(party); });
  timeline.activity.forEach((activity) => {
    activity.from += begin;
    activity.to += begin;
  });
}

// What is held at once lies below one another; beyond this many it overlaps.
const ROWS = 4;

function stack(lane) {
  const free = [];
  for (const item of lane.holdings) {
    let at = free.findIndex((from) => from <= item.from);
    if (at < 0) at = free.length < ROWS ? free.length : free.indexOf(Math.min(...free));
    free[at] = Math.max(free[at] ?? 0, item.to);
    item.row = at;
  }
  lane.rows = Math.max(free.length, 1);
}

// The same colour for the same party; the name says the same to those who do not see it.
const HUES = 8;

function hueOf(party) {
  let hash = 7;
  for (const c of party.container || party.unit || party.comm || '') hash = (hash * 31 + c.codePointAt(0)) % 9973;
  return hash % HUES;
}

function hostOf(recording) {
  return report.recordings[recording]?.host ?? 'unknown host';
}

// From the first to the last that was seen, with some room.
function wholeWindow() {
  const from = Math.min(...timeline.activity.map((one) => one.from));
  const to = Math.max(...timeline.activity.map((one) => one.to));
  if (!Number.isFinite(from)) return {from: timeline.begin_us, to: timeline.begin_us + 1000};
  const room = Math.max((to - from) * 0.02, 500);
  return {from: from - room, to: to + room};
}
