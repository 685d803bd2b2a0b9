// SPDX-License-Identifier: MIT

// The part of time that is seen.
const whole = {from: 0, to: 1};
const view = {from: 0, to: 1};
const LEAST = 20;  // microseconds

let isDrawing = false;

// Draws once for all that changes until then.
function redraw() {
  if (isDrawing) return;
  isDrawing = true;
  requestAnimationFrame(() => {
    isDrawing = false;
    drawAxis();
    drawOverviewWindow();
    drawLanesInSight();
    byId('window').textContent = `${dateText(view.from)} ${clockText(view.from, 1000)} UTC, ${durationText(view.to - view.from)}`;
  });
}

function look(from, to) {
  const span = Math.min(Math.max(to - from, LEAST), whole.to - whole.from);
  const middle = (from + to) / 2;
  view.from = Math.min(Math.max(middle - span / 2, whole.from), whole.to - span);
  view.to = view.from + span;
  redraw();
}

// Around a time, which stays where it is.
function zoom(factor, at = (view.from + view.to) / 2) {
  const span = Math.min(Math.max((view.to - view.from) * factor, LEAST), whole.to - whole.from);
  const share = (at - view.from) / (view.to - view.from);
  const from = Math.min(Math.max(at - share * span, whole.from), whole.to - span);
  look(from, from + span);
}

function move(share) {
  const by = (view.to - view.from) * share;
  look(view.from + by, view.to + by);
}

const shareOf = (us) => (us - view.from) / (view.to - view.from);

function timeAt(clientX) {
  const box = byId('times').getBoundingClientRect();
  return view.from + (clientX - box.left) / box.width * (view.to - view.from);
}

// Steps that people count in.
const STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6, 2e6, 5e6, 10e6, 15e6, 30e6,
  60e6, 120e6, 300e6, 600e6, 900e6, 1800e6, 3600e6, 7200e6, 14400e6, 21600e6, 43200e6, 86400e6];

function drawAxis() {
  const axis = byId('axis');
  const least = (view.to - view.from) * 110 / Math.max(axis.clientWidth, 1);
  const step = STEPS.find((one) => one >= least) ?? Math.ceil(least / 86400e6) * 86400e6;
  const ticks = [];
  for (let at = Math.ceil(view.from / step) * step; at < view.to; at += step) {
    const isCut = shareOf(at) > 0.93;
    const tick = element('span', {}, isCut ? '' : step >= 86400e6 ? dateText(at) : clockText(at, step));
    tick.style.left = `${shareOf(at) * 100}%`;
    ticks.push(tick);
  }
  axis.replaceChildren(...ticks);
}

function listenToView() {
  const scale = byId('times'), lanes = byId('lanes');
  byId('zoom-in').onclick = () => zoom(0.5);
  byId('zoom-out').onclick = () => zoom(2);
  byId('zoom-all').onclick = () => look(whole.from, whole.to);
  const onWheel = (event) => {
    const isZoom = event.ctrlKey || event.metaKey || (scale.contains(event.target) && event.deltaX === 0);
    if (isZoom) zoom(Math.exp(Math.sign(event.deltaY) * Math.min(Math.abs(event.deltaY), 100) * 0.004), timeAt(event.clientX));
    else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) move((event.deltaX || event.deltaY) / 1000);
    else return;
    event.preventDefault();
  };
  scale.addEventListener('wheel', onWheel, {passive: false});
  lanes.addEventListener('wheel', onWheel, {passive: false});
  listenToDrag(lanes);
  byId('timeline').addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches('input, select')) return;
    const keys = {'+': () => zoom(0.5), '=': () => zoom(0.5), '-': () => zoom(2), '0': () => look(whole.from, whole.to)};
    if (event.shiftKey) Object.assign(keys, {ArrowLeft: () => move(-0.2), ArrowRight: () => move(0.2)});
    const action = keys[event.key];
    if (!action) return;
    action();
    event.preventDefault();
  });
  new ResizeObserver(redraw).observe(lanes);
}

// A drag that moves is no click on the bar it began on.
function listenToDrag(lanes) {
  let last = null, moved = 0;
  lanes.addEventListener('pointerdown', (event) => {
    if (event.button !== 0) return;
    last = event.clientX;
    moved = 0;
  });
  window.addEventListener('pointermove', (event) => {
    if (last === null) return;
    moved += Math.abs(event.clientX - last);
    if (moved > 4) move(-(event.clientX - last) / byId('times').clientWidth);
    last = event.clientX;
  });
  for (const end of ['pointerup', 'pointercancel']) window.addEventListener(end, () => {
    last = null;
    setTimeout(() => { moved = 0; });  // when the click has come
  });
  lanes.addEventListener('click', (event) => {
    if (moved > 4) event.stopPropagation();
  }, {capture: true});
}
