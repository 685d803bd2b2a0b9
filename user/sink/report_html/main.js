// SPDX-License-Identifier: MIT

function applyFilters() {
  readFilters();
  const groups = drawConflicts();
  const lanes = makeLanes();
  byId('shown').textContent = `${lanes} of ${counted(timeline.lanes.length, 'port')}` +
    (report.conflicts.length ? `, ${groups} of ${counted(report.conflicts.length, 'kind of refusal', 'kinds of refusals')}` : '');
  redraw();
}

function clearFilters() {
  for (const id of ['search', 'port', 'unit', 'cause']) byId(id).value = '';
  byId('failed').checked = false;
  applyFilters();
}

unpack();
Object.assign(whole, wholeWindow());
Object.assign(view, whole);
fillChoices();
drawHead();
drawOthers();
drawOverview();
byId('left-out').textContent = leftOutText();
listenToView();
listenToLanes();
byId('filters').addEventListener('input', applyFilters);
byId('clear').onclick = clearFilters;
byId('filters').addEventListener('submit', (event) => event.preventDefault());
byId('close').onclick = closeDetails;
document.addEventListener('keydown', (event) => {
  if (event.key === 'Escape') closeDetails();
});
applyFilters();
