// SPDX-License-Identifier: MIT

const inSight = new Set();  // lanes
const ROW_HEIGHT = 20;
const MARK_WIDTH = 16;
const NAME_WIDTH = 46;  // of a bar, from which on its name is written on it

// Marks lie above the bars.
const marksRow = (lane) => lane.refused.length ? 1 : 0;

// An empty track for each lane that is asked for; what is on it is drawn when it comes into sight.
function makeLanes() {
  inSight.clear();
  sight.disconnect();
  const shown = timeline.lanes.filter(laneMatches);
  const children = [];
  report.recordings.forEach((recording, number) => {
    const mine = shown.filter((lane) => lane.recording === number);
    if (mine.length === 0) return;
    if (report.recordings.length > 1) children.push(hostHeading(number));
    children.push(...mine.map(makeLane));
  });
  if (children.length === 0)
    children.push(element('p', {class: 'note'}, timeline.lanes.length === 0 ?
      'No port was bound by number, and nothing was refused.' : 'No port has what is asked for.'));
  byId('lanes').replaceChildren(...children);
  for (const lane of shown) sight.observe(lane.element);
  const first = byId('lanes').querySelector('.track');
  if (first) first.tabIndex = 0;
  return shown.length;
}

const sight = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    const lane = timeline.lanes[Number(entry.target.dataset.number)];
    if (entry.isIntersecting) {
      inSight.add(lane);
      drawLane(lane);
    } else {
      inSight.delete(lane);
    }
  }
}, {rootMargin: '200px'});

function hostHeading(number) {
  const {from, to} = timeline.activity[number];
  const button = element('button', {type: 'button'}, 'Show its time');
  button.onclick = () => look(from, to);
  return element('h3', {class: 'host'}, `${hostOf(number)} `, button);
}

function makeLane(lane) {
  const bound = lane.holdings.filter((item) => !item.has('c'));
  const owner = (bound.findLast((item) => item.who?.comm) ?? bound.at(-1))?.who;
  const netns = lane.netns;
  const isElsewhere = netns.inum && netns.name !== 'host';
  const track = element('div', {class: 'track', tabindex: -1, role: 'group', 'aria-label': laneWords(lane)});
  track.style.height = `${(lane.rows + marksRow(lane)) * ROW_HEIGHT + 4}px`;
  lane.element = element('div', {class: lane.failures ? 'lane bad' : 'lane', id: lane.id,
    'data-number': timeline.lanes.indexOf(lane)},
    element('div', {class: 'name'},
      element('b', {}, `${lane.proto ?? 'port'} ${lane.port === 0 ? 'any port' : lane.port}`),
      lane.failures ? element('span', {class: 'refusals'}, `✕ ${lane.failures.toLocaleString('en')}`) : null,
      element('small', {}, [owner ? partyText(owner) : '', isElsewhere ? `netns ${netns.name ?? netns.inum}` : '']
        .filter(Boolean).join(', '))),
    track);
  return lane.element;
}

function laneWords(lane) {
  return visible(`${lane.proto ?? 'port'} ${lane.port}: ${counted(lane.held, 'holding')}, ${lane.failures} refused`);
}

function drawLanesInSight() {
  for (const lane of inSight) drawLane(lane);
}

function drawLane(lane) {
  const track = lane.element.querySelector('.track');
  const width = track.clientWidth;
  if (width === 0) return;
  const focused = track.contains(document.activeElement) ? document.activeElement.dataset.item : null;
  const isSeen = (item) => item.to >= view.from && item.from <= view.to;
  const bars = lane.holdings.filter(isSeen).map((item) => makeBar(item, width));
  const marks = clusters(lane.refused.filter(isSeen), width).map(makeMark);
  track.replaceChildren(...bars, ...marks);
  if (focused) (track.querySelector(`[data-item="${focused}"]`) ?? track).focus({preventScroll: true});
}

function makeBar(item, width) {
  const left = Math.max(shareOf(item.from), -0.01), right = Math.min(shareOf(item.to), 1.01);
  const classes = ['bar', `h${item.who.hue}`];
  if (item.has('c')) classes.push('client');
  if (item.count > 1) classes.push('several');
  if (item.has('b')) classes.push('begin-unknown');
  if (item.has('u')) classes.push('end-unknown');
  if (item.has('o')) classes.push('open');
  if (!itemMatches(item)) classes.push('dim');
  const name = (item.count > 1 ? `×${item.count.toLocaleString('en')} ` : '') + partyText(item.who, item.pid);
  const bar = element('button', {type: 'button', tabindex: -1, class: classes.join(' '), 'aria-label': holdingWords(item),
    'data-item': `h${item.lane.holdings.indexOf(item)}`}, (right - left) * width > NAME_WIDTH ? name : '');
  bar.style.left = `${left * 100}%`;
  bar.style.width = `${(right - left) * 100}%`;
  bar.style.top = `${(item.row + marksRow(item.lane)) * ROW_HEIGHT + 2}px`;
  bar.onclick = () => showHolding(item, bar);
  bar.hint = () => holdingWords(item);
  return bar;
}

function holdingWords(item) {
  const what = item.has('c') && item.remote ? `source port of its connection to ${item.remote}` :
    `${item.has('l') ? 'listens on' : 'bound'} ${item.addr ?? ''}${item.has('c') ? ', a port the kernel chose' : ''}`;
  const end = item.has('o') ? 'to the end of the recording' : item.has('u') ? 'until when is not known' : '';
  return visibleLines(partyText(item.who, item.pid), item.count > 1 ? counted(item.count, 'socket') : what,
    `from ${clockText(item.from)} for ${durationText(item.to - item.from)}${end ? `, ${end}` : ''}`);
}

// Marks that would cover each other are drawn as one, but not ever more of them.
function clusters(items, width) {
  const made = [];
  for (const item of items) {
    const x = shareOf(item.from) * width, last = made[made.length - 1];
    if (last && x < last.right && x < last.left + 4 * MARK_WIDTH) last.items.push(item);
    else made.push({items: [item], left: Math.max(x, 0), right: 0});
    const now = made[made.length - 1];
    now.right = Math.max(now.right, now.left + MARK_WIDTH, Math.min(shareOf(item.to) * width, width));
  }
  made.forEach((one, i) => {
    one.width = Math.max(Math.min(one.right, made[i + 1]?.left ?? width) - one.left, MARK_WIDTH);
  });
  return made;
}

function makeMark({items, left, width}) {
  const last = items[items.length - 1];
  const count = items.reduce((sum, item) => sum + item.count, 0);
  const words = visibleLines(`${count > 1 ? `×${count.toLocaleString('en')} ` : ''}${last.result}: ${partyText(last.who, last.pid)}`,
    `${last.cause}${last.holder ? `, held by ${partyText(last.holder)}` : ''}`, clockText(items[0].from) +
    (count > 1 ? ` to ${clockText(last.to)}` : ''));
  const mark = element('button', {type: 'button', tabindex: -1, class: items.some(itemMatches) ? 'mark' : 'mark dim',
    'aria-label': words, 'data-item': `r${last.lane.refused.indexOf(items[0])}`},
    count === 1 || width < 22 ? '✕' : `✕${count.toLocaleString('en')}`);
  mark.style.left = `${left}px`;
  mark.style.width = `${width}px`;
  mark.onclick = () => showRefused(items, mark);
  mark.hint = () => words;
  return mark;
}

// One stop of the tab key for all lanes; the arrows go on from there.
function listenToLanes() {
  const lanes = byId('lanes');
  lanes.addEventListener('keydown', (event) => {
    if (event.shiftKey || event.ctrlKey || event.altKey || event.metaKey) return;
    const track = event.target.closest('.track');
    if (!track) return;
    const tracks = [...lanes.querySelectorAll('.track')];
    const items = [...track.children].sort((one, other) => one.offsetLeft - other.offsetLeft);
    const at = items.indexOf(event.target);
    const steps = {
      ArrowRight: () => items[Math.min(at + 1, items.length - 1)],
      ArrowLeft: () => items[Math.max(at - 1, 0)],
      ArrowDown: () => tracks[tracks.indexOf(track) + 1],
      ArrowUp: () => tracks[tracks.indexOf(track) - 1],
    };
    if (!steps[event.key]) return;
    event.preventDefault();
    const next = steps[event.key]();
    if (!next) return;
    lanes.querySelectorAll('.track[tabindex="0"]').forEach((one) => { one.tabIndex = -1; });
    (next.closest('.track') ?? next).tabIndex = 0;
    next.focus();
  });
  const hint = byId('hint');
  const show = (event) => {
    const item = event.target.closest?.('.bar, .mark');
    hint.hidden = !item?.hint;
    if (hint.hidden) return;
    hint.textContent = item.hint();
    const box = item.getBoundingClientRect();
    const x = event.clientX ?? Math.max(box.left, 0);
    hint.style.left = `${Math.max(4, Math.min(x, window.innerWidth - hint.offsetWidth - 12))}px`;
    hint.style.top = `${box.bottom + 6 + hint.offsetHeight > window.innerHeight ? box.top - hint.offsetHeight - 6 : box.bottom + 6}px`;
  };
  lanes.addEventListener('pointerover', show);
  lanes.addEventListener('focusin', show);
  for (const end of ['pointerleave', 'focusout', 'pointerdown']) lanes.addEventListener(end, () => { hint.hidden = true; });
}
