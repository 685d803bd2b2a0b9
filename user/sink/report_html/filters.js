// SPDX-License-Identifier: MIT

// What is asked for; empty: everything.
const asked = {search: '', ports: [], unit: '', cause: '', failed: false};

function readFilters() {
  const word = (id) => byId(id).value.trim().toLowerCase();
  asked.search = word('search');
  asked.unit = word('unit');
  asked.cause = byId('cause').value;
  asked.failed = byId('failed').checked;
  asked.ports = word('port').split(/[\s,]+/).filter(Boolean).map((part) => {
    const [first, last = first] = part.split('-').map(Number);
    return {first, last};
  });
  const isBad = asked.ports.some(({first, last}) => !(first >= 0 && last >= first && last <= 65535));
  byId('port').setAttribute('aria-invalid', isBad);
  if (isBad) asked.ports = [];
}

const isIn = (text, word) => text !== null && text !== undefined && visible(text).toLowerCase().includes(word);

function partyHas(party, word) {
  return Boolean(party) && (isIn(party.unit, word) || isIn(party.container, word));
}

function partySays(party, word) {
  return Boolean(party) && (isIn(partyText(party), word) || partyHas(party, word));
}

function portMatches(port) {
  return asked.ports.length === 0 || asked.ports.some(({first, last}) => port >= first && port <= last);
}

function placeSays(place, word) {
  return isIn(placeText(place), word) || isIn(hostOf(place.recording), word);
}

// A bar or a mark of a lane.
function itemMatches(item) {
  const {search, unit, cause, failed} = asked;
  if (failed && item.kind !== 'refused') return false;
  if (cause && item.cause !== cause) return false;
  if (unit && !partyHas(item.who, unit) && !partyHas(item.holder, unit)) return false;
  if (!search) return true;
  return partySays(item.who, search) || partySays(item.holder, search) || isIn(item.addr, search) ||
    isIn(item.remote, search) || isIn(item.cause, search) || isIn(item.result, search) ||
    isIn(item.group?.conflict?.summary, search) || placeSays(item.lane, search);
}

function laneMatches(lane) {
  return portMatches(lane.port) && (lane.holdings.some(itemMatches) || lane.refused.some(itemMatches) ||
    (lane.holdings.length + lane.refused.length === 0 && !asked.cause && !asked.unit && !asked.search));
}

// A group of refusals of the report.
function groupMatches(group) {
  const {search, unit, cause} = asked;
  if (!portMatches(group.port) || (cause && group.cause !== cause)) return false;
  if (unit && !partyHas(group.who, unit) && !partyHas(group.holder, unit)) return false;
  return !search || partySays(group.who, search) || partySays(group.holder, search) || placeSays(group, search) ||
    isIn(group.cause, search) || isIn(group.result, search) || isIn(group.conflict?.summary, search);
}

function fillChoices() {
  const causes = new Set(report.conflicts.map((group) => group.cause));
  timeline.lanes.forEach((lane) => lane.refused.forEach((item) => causes.add(item.cause)));
  for (const cause of [...causes].filter(Boolean).sort()) byId('cause').append(element('option', {value: cause}, cause));
  const units = new Set(timeline.parties.flatMap((party) => [party.unit, party.container]).filter(Boolean));
  for (const unit of [...units].sort()) byId('units').append(element('option', {value: visible(unit)}));
}
