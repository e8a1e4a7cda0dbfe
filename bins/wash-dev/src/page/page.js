// Shows what the server's events say. Everything in them is shown as text, never as markup.
"use strict";

const KEPT = 200;
const byId = (id) => document.getElementById(id);
const routes = new Map();
let buildBegan = 0;
let ticking = 0;

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function fill(parent, ...children) {
  parent.replaceChildren(...children);
  return parent;
}

const clock = (at) => new Date(at).toLocaleTimeString([], { hour12: false });
const seconds = (ms) => (ms < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(1)} s`);
const took = (ms) => (ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`);
const size = (bytes) => (bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`);
const statusClass = (status) => (status < 400 ? "good" : status < 500 ? "warn" : "bad");

function setState(text, className) {
  const state = byId("state");
  state.textContent = text;
  state.className = `pill ${className}`;
  document.title = `${text} · wash dev`;
}

function showEmpty(id, empty) {
  byId(id).classList.toggle("none", empty);
  document.querySelector(`[data-for=${id}]`).hidden = !empty;
}

function reset() {
  routes.clear();
  for (const id of ["routes", "requests"]) byId(id).tBodies[0].replaceChildren();
  byId("logs").replaceChildren();
  byId("output").replaceChildren();
  for (const id of ["routes", "requests", "logs"]) showEmpty(id, true);
  countOutput();
}

function countOutput() {
  const lines = byId("output").childElementCount;
  byId("output-count").textContent = lines ? `(${lines} ${lines === 1 ? "line" : "lines"})` : "";
  byId("output-details").hidden = lines === 0;
}

function stopClock() {
  clearInterval(ticking);
  ticking = 0;
}

const show = {
  building(event) {
    byId("output").replaceChildren();
    countOutput();
    byId("error").hidden = true;
    const [first, ...rest] = event.changed.map((path) => path.slice(event.project_path.length + 1));
    const why = first ? ` because ${first}${rest.length ? ` and ${rest.length} more` : ""} changed` : "";
    byId("build").textContent = `Building${why}.`;
    setState("building", "");
    stopClock();
    buildBegan = event.at;
    ticking = setInterval(() => {
      byId("since").textContent = `building for ${seconds(Date.now() - buildBegan)}`;
    }, 100);
  },

  built(event) {
    byId("build").textContent = `${event.component_path} (${size(event.size)}), built in ${seconds(event.elapsed_ms)}.`;
  },

  ready(event) {
    const url = byId("url");
    url.textContent = event.url;
    url.href = `${location.origin}/`;
    serving(`started in ${seconds(event.elapsed_ms)}`);
  },

  swapped(event) {
    serving(`swapped in ${seconds(event.elapsed_ms)} at ${clock(event.at)}`);
  },

  unchanged(event) {
    serving(`unchanged at ${clock(event.at)}`);
  },

  "build-failed"(event) {
    stopClock();
    setState(event.serving ? "failed, the last good version answers" : "failed", "bad");
    byId("since").textContent = "";
    const lines = [element("strong", "", event.message)];
    for (const cause of event.causes) lines.push(element("p", "", cause));
    for (const hint of event.hints) lines.push(element("p", "hint", `hint: ${hint}`));
    fill(byId("error"), ...lines).hidden = false;
    byId("output-details").open = byId("output").childElementCount > 0;
  },

  world(event) {
    fill(byId("world"), ...event.components.map((component) => {
      const made = element("div", "component");
      const title = element("h3", "", `${component.name} `);
      title.append(element("small", "", `${component.role}, ${size(component.size)}`));
      const list = element("dl");
      for (const kind of ["exports", "imports"]) {
        component[kind].forEach((name, index) => {
          list.append(element("dt", "", index === 0 ? kind : ""), element("dd", "", name));
        });
      }
      made.append(title, list);
      return made;
    }));
  },

  routes(event) {
    for (const route of event.routes) routes.set(`${route.method} ${route.path}`, route);
    showRoutes();
  },

  request(event, past) {
    if (!past) {
      const key = `${event.method} ${event.path}`;
      const route = routes.get(key) || { method: event.method, path: event.path, count: 0, total_ms: 0 };
      route.count += 1;
      route.total_ms += event.elapsed_ms;
      route.last_status = event.status;
      if (routes.has(key) || routes.size < KEPT) routes.set(key, route);
      showRoutes();
    }
    const row = element("tr");
    row.append(
      element("td", "time", clock(event.at)),
      element("td", "", event.method),
      element("td", "path", event.path),
      element("td", `number ${statusClass(event.status)}`, event.stale ? `${event.status} stale` : event.status),
      element("td", "number", took(event.elapsed_ms)),
    );
    const body = byId("requests").tBodies[0];
    body.prepend(row);
    while (body.rows.length > 25) body.lastChild.remove();
    showEmpty("requests", false);
  },

  "requests-not-told"(event) {
    log(event.at, "wash dev", `and ${event.count} more requests`, "");
  },

  "service-restarting"(event) {
    log(event.at, "service", `failed and is started again (${event.restarts}): ${event.message.split("\n")[0]}`, "stderr");
  },

  "service-completed"(event) {
    log(event.at, "service", "has finished", "");
  },

  "service-failed"(event) {
    log(event.at, "service", `failed and is not started again: ${event.message.split("\n")[0]}`, "stderr");
  },

  "guest-output"(event) {
    log(event.at, event.component, event.line, event.stream);
  },

  "build-output"(event) {
    const output = byId("output");
    output.append(colored(event.line));
    while (output.childElementCount > 1000) output.firstChild.remove();
    countOutput();
  },
};

function serving(note) {
  stopClock();
  setState("serving", "good");
  byId("error").hidden = true;
  byId("since").textContent = note;
}

let routesWanted = false;
function showRoutes() {
  // At most once for each picture that the browser draws.
  if (routesWanted) return;
  routesWanted = true;
  requestAnimationFrame(() => {
    routesWanted = false;
    const all = [...routes.values()].sort((a, b) => a.path.localeCompare(b.path) || a.method.localeCompare(b.method));
    fill(byId("routes").tBodies[0], ...all.map((route) => {
      const row = element("tr");
      row.append(
        element("td", "", route.method),
        element("td", "path", route.path),
        element("td", "number", route.count),
        element("td", `number ${statusClass(route.last_status)}`, route.last_status),
        element("td", "number", took(route.total_ms / route.count)),
      );
      return row;
    }));
    showEmpty("routes", all.length === 0);
  });
}

function log(at, from, text, stream) {
  const logs = byId("logs");
  const follows = logs.scrollTop + logs.clientHeight >= logs.scrollHeight - 4;
  const line = element("div", `log ${stream}`);
  const content = colored(text);
  content.className = "text";
  line.append(element("span", "time", clock(at)), element("span", "from", from), content);
  logs.append(line);
  while (logs.childElementCount > KEPT) logs.firstChild.remove();
  showEmpty("logs", false);
  if (follows) logs.scrollTop = logs.scrollHeight;
}

// A line with the colours that escape sequences ask for; other sequences are left out.
function colored(line) {
  const made = element("div");
  const classes = new Set();
  const parts = line.split(/\x1b\[([0-9;]*)([A-Za-z])/);
  for (let index = 0; index < parts.length; index += 3) {
    if (parts[index]) made.append(element("span", [...classes].join(" "), parts[index]));
    if (parts[index + 2] === "m") style(classes, parts[index + 1].split(";").map(Number));
  }
  if (!line) made.append("\n");
  return made;
}

function style(classes, codes) {
  const without = (kind) => classes.forEach((name) => name.startsWith(kind) && classes.delete(name));
  for (let index = 0; index < codes.length; index += 1) {
    const code = codes[index];
    if (code === 0) classes.clear();
    else if (code === 1 || code === 2 || code === 4) classes.add(`a${code}`);
    else if (code === 22) without("a");
    else if (code === 39) without("c");
    else if (code >= 30 && code <= 37) { without("c"); classes.add(`c${code - 30}`); }
    else if (code >= 90 && code <= 97) { without("c"); classes.add(`c${code - 82}`); }
    else if (code === 38 && codes[index + 1] === 5) { without("c"); classes.add(`c${codes[index + 2]}`); index += 2; }
    else if (code === 38 || code === 48) index += codes[index + 1] === 2 ? 4 : 2;
  }
}

function connect() {
  const events = new EventSource("events");
  const handle = (past) => (message) => {
    const event = JSON.parse(message.data);
    if (show[event.type]) show[event.type](event, past);
  };
  events.onopen = reset;
  events.addEventListener("past", handle(true));
  events.addEventListener("now", () => document.body.classList.add("live"));
  events.onmessage = handle(false);
  events.onerror = () => {
    stopClock();
    byId("since").textContent = "";
    setState("not running", "bad");
  };
}

reset();
connect();
