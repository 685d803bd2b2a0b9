// SPDX-License-Identifier: MIT

// How much happened when, over the whole time: to see where to look, and to choose it by dragging.
function drawOverview() {
  const overview = byId('overview');
  const canvas = element('canvas', {role: 'img', 'aria-label': overviewWords()});
  overview.replaceChildren(canvas, element('div', {class: 'window'}));
  const paint = () => paintOverview(canvas);
  new ResizeObserver(paint).observe(overview);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', paint);
  let begun = null;
  overview.addEventListener('pointerdown', (event) => {
    begun = wholeTimeAt(event.clientX);
    overview.setPointerCapture(event.pointerId);
  });
  overview.addEventListener('pointermove', (event) => {
    if (begun === null) return;
    const now = wholeTimeAt(event.clientX);
    if (Math.abs(now - begun) > (whole.to - whole.from) / 200) look(Math.min(begun, now), Math.max(begun, now));
  });
  overview.addEventListener('pointerup', (event) => {
    const now = wholeTimeAt(event.clientX), half = (view.to - view.from) / 2;
    if (begun !== null && Math.abs(now - begun) <= (whole.to - whole.from) / 200) look(now - half, now + half);
    begun = null;
  });
  overview.addEventListener('pointercancel', () => { begun = null; });
}

function overviewWords() {
  const events = report.recordings.reduce((sum, one) => sum + one.events, 0);
  const failures = report.recordings.reduce((sum, one) => sum + one.failures, 0);
  return `${counted(events, 'event')}, of which ${failures} refused, in ${durationText(whole.to - whole.from)}`;
}

function wholeTimeAt(clientX) {
  const box = byId('overview').getBoundingClientRect();
  return whole.from + (clientX - box.left) / box.width * (whole.to - whole.from);
}

// Heights are logarithmic: one refusal among a million events is what is looked for.
function paintOverview(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const width = canvas.clientWidth, height = canvas.clientHeight;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const brush = canvas.getContext('2d');
  brush.scale(ratio, ratio);
  const colours = getComputedStyle(document.documentElement);
  const most = Math.max(1, ...timeline.activity.flatMap((one) => one.steps.map(([, events]) => events)));
  const scale = (count) => count === 0 ? 0 : 3 + (height - 4) * Math.log1p(count) / Math.log1p(most);
  const x = (us) => (us - whole.from) / (whole.to - whole.from) * width;
  for (const [which, colour] of [[1, '--quiet'], [2, '--bad']]) {
    brush.fillStyle = colours.getPropertyValue(colour);
    for (const {from, step, steps} of timeline.activity) {
      for (const row of steps) {
        const tall = scale(row[which]);
        const left = x(from + row[0] * step);
        if (tall > 0) brush.fillRect(left, height - tall, Math.max(x(from + (row[0] + 1) * step) - left - 0.5, 2), tall);
      }
    }
  }
}

function drawOverviewWindow() {
  const frame = byId('overview').querySelector('.window');
  const span = whole.to - whole.from;
  frame.style.left = `${(view.from - whole.from) / span * 100}%`;
  frame.style.width = `${(view.to - view.from) / span * 100}%`;
  frame.hidden = view.to - view.from > span * 0.999;
}
