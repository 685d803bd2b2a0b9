// SPDX-License-Identifier: MIT
'use strict';

// What processes chose to be called is shown as it is, but for what hides or moves other text: that is spelled out.
function visible(text) {
  return String(text).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cn}]/gu,
    (c) => `\\u{${c.codePointAt(0).toString(16)}}`);
}

const visibleLines = (...lines) => lines.map(visible).join('\n');

// An element with these attributes; children are elements, or text, which is never markup.
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(name, '');
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  for (const child of children.flat()) {
    if (child === null || child === undefined || child === '') continue;
    made.append(child instanceof Node ? child : document.createTextNode(visible(child)));
  }
  return made;
}

const byId = (id) => document.getElementById(id);

function counted(count, what, more = `${what}s`) {
  return `${count.toLocaleString('en')} ${count === 1 ? what : more}`;
}

function durationText(us) {
  if (us < 1000) return `${Math.round(us)} µs`;
  if (us < 1e6) return `${us < 1e4 ? (us / 1000).toFixed(1) : Math.floor(us / 1000)} ms`;
  const seconds = us / 1e6;
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.floor(seconds)} s`;
  const two = (value) => String(Math.floor(value)).padStart(2, '0');
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m${two(seconds % 60)}s`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)}h${two(seconds % 3600 / 60)}m`;
  return `${Math.floor(seconds / 86400)}d${two(seconds % 86400 / 3600)}h`;
}

// Times are microseconds since the epoch, and shown in UTC.
function microseconds(text) {
  return Date.parse(`${text.slice(0, 23)}Z`) * 1000 + Number(text.slice(23, 26));
}

function dateText(us) {
  return new Date(Math.floor(us / 1000)).toISOString().slice(0, 10);
}

// With as many digits as the step between two times asks for.
function clockText(us, step = 1000) {
  const whole = new Date(Math.floor(us / 1000)).toISOString();
  if (step >= 60e6) return whole.slice(11, 16);
  if (step >= 1e6) return whole.slice(11, 19);
  if (step >= 1000) return whole.slice(11, 23);
  return whole.slice(11, 23) + String(Math.floor(us % 1000)).padStart(3, '0');
}

// Of a place as the report has it.
function placeText(place) {
  const addr = place.addr;
  let text = `${place.proto ?? 'port'} `;
  if (addr) text += addr.includes(':') ? `[${addr}]:` : `${addr}:`;
  text += place.port === 0 && !addr ? 'any port' : place.port;
  const netns = place.netns;
  if (netns && netns.inum && netns.name !== 'host') text += ` netns ${netns.name ?? netns.inum}`;
  return text;
}

function partyText(party, pid = party?.pid) {
  if (!party || !party.comm) return 'no process';
  const name = pid ? `${party.comm}[${pid}]` : party.comm;
  if (party.container) return `${name} in ${party.container}`;
  return party.unit ? `${name} ${party.unit}` : name;
}
