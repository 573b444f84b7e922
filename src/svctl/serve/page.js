'use strict';
// What services say of themselves is only ever shown as text.
const $ = (id) => document.getElementById(id);
let token = sessionStorage.getItem('token') || '';
let shown = null;

function cell(row, text, kind) {
  const td = row.insertCell();
  td.textContent = text;
  if (kind) td.className = kind;
  return td;
}

function duration(ms) {
  const s = Math.floor(ms / 1000);
  if (s < 60) return s + ' s';
  if (s < 3600) return Math.floor(s / 60) + ' min';
  if (s < 86400) return Math.floor(s / 3600) + ' h ' + Math.floor(s % 3600 / 60) + ' min';
  return Math.floor(s / 86400) + ' d ' + Math.floor(s % 86400 / 3600) + ' h';
}

function size(bytes) {
  if (bytes < 1e6) return Math.round(bytes / 1e3) + ' kB';
  return bytes < 1e9 ? Math.round(bytes / 1e6) + ' MB' : (bytes / 1e9).toFixed(1) + ' GB';
}

async function ask(path, options = {}) {
  const headers = token ? { Authorization: 'Bearer ' + token } : {};
  const answer = await fetch(path, { ...options, headers, cache: 'no-store' });
  if (!answer.ok) throw new Error((await answer.text()).trim() || answer.statusText);
  return answer;
}

const json = async (path) => (await ask(path)).json();

function complain(error) {
  $('trouble').textContent = error ? error.message : '';
  $('trouble').hidden = !error;
}

async function act(name, verb, button) {
  button.disabled = true;
  try {
    await ask('/api/services/' + encodeURIComponent(name) + '/' + verb, { method: 'POST' });
    await refresh();
  } catch (error) {
    complain(error);
  }
}

function row(service) {
  const tr = document.createElement('tr');
  const name = document.createElement('button');
  name.textContent = service.name;
  name.title = (service.description || service.name) + ': show its output';
  name.onclick = () => { shown = service.name; refresh(); };
  tr.insertCell().append(name);
  const ill = service.wanted && service.health === 'unhealthy';
  cell(tr, ill ? service.state + ', unhealthy' : service.state, ill ? 'failed' : service.state);
  cell(tr, duration(service['for-ms']), 'n');
  cell(tr, service.restarts || '', 'n');
  cell(tr, service.processes || '', 'n');
  cell(tr, service.processes ? (service['cpu-ms'] / 1000).toFixed(1) + ' s' : '', 'n');
  cell(tr, service.processes ? size(service['rss-bytes']) : '', 'n');
  cell(tr, service.note || '');
  const actions = tr.insertCell();
  const verbs = service.wanted ? ['restart', 'stop'] : ['start'];
  for (const verb of token ? verbs : []) {
    const button = document.createElement('button');
    button.textContent = verb;
    button.setAttribute('aria-label', verb + ' ' + service.name);
    button.onclick = () => act(service.name, verb, button);
    actions.append(button, ' ');
  }
  return tr;
}

async function output() {
  $('output').hidden = shown === null;
  if (shown === null) return;
  const place = $('output').querySelector('pre');
  const lines = await json('/api/logs/' + encodeURIComponent(shown));
  const atEnd = place.scrollTop + place.clientHeight >= place.scrollHeight - 8;
  $('output').querySelector('h2').textContent = 'Output of ' + shown;
  place.textContent = lines.map((one) => new Date(one['time-ms']).toISOString().slice(11, 23) + '  ' + one.line).join('\n');
  if (atEnd) place.scrollTop = place.scrollHeight;
}

async function history() {
  const { events } = await json('/api/history');
  const items = events.slice(-100).reverse().map((event) => {
    const item = document.createElement('li');
    const why = event.note ? ' (' + event.note + ')' : '';
    item.textContent = new Date(event.time_ms).toISOString().replace('T', ' ').slice(0, 23) +
      '  ' + event.service + ': ' + event.from + ' → ' + event.to + why;
    return item;
  });
  $('history').replaceChildren(...items);
}

async function refresh() {
  try {
    const { stage, services, 'has-token': hasToken } = await json('/api/services');
    $('stage').textContent = { booting: 'still booting', running: '', stopping: 'shutting down' }[stage] ?? stage;
    $('token').hidden = !hasToken;
    const focus = document.activeElement;
    const place = focus && focus.closest('tr') ? [focus.closest('tr').rowIndex, focus.textContent] : null;
    $('services').replaceChildren(...services.map(row));
    if (place && $('services').rows[place[0] - 1]) {
      const same = [...$('services').rows[place[0] - 1].querySelectorAll('button')];
      (same.find((button) => button.textContent === place[1]) || document.body).focus();
    }
    await history();
    await output();
    complain(null);
  } catch (error) {
    complain(error);
  }
}

async function boot() {
  try {
    const picture = await (await ask('/api/boot.svg')).blob();
    $('boot').src = URL.createObjectURL(picture);
  } catch (error) {
    complain(error);
  }
}

$('token').onsubmit = (event) => {
  event.preventDefault();
  token = event.target.querySelector('input').value.trim();
  sessionStorage.setItem('token', token);
  event.target.reset();
  refresh().then(boot);
};

refresh().then(boot);
setInterval(() => { if (!document.hidden) refresh(); }, 2000);
