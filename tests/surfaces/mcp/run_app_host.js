// A host and just enough of a browser to run the page of the run's graph: node run_app_host.js PAGE
// Prints what the page sent, and the page as plain text, as JSON.
const page = require("fs").readFileSync(process.argv[2], "utf8");
const script = page.match(/<script>([\s\S]*)<\/script>/)[1];

class Element {
  constructor(name) { this.name = name; this.children = []; this.attributes = {}; this.text = ""; this.listeners = {};
    this.style = { setProperty: (key, value) => { this.style[key] = value; } }; }
  setAttribute(key, value) { this.attributes[key] = value; }
  set textContent(text) { this.text = String(text); }
  get textContent() { return this.text; }
  set innerHTML(_) { throw new Error("innerHTML is not for untrusted text"); }
  appendChild(child) { this.children.push(child); }
  replaceChildren(...children) { this.children = children; }
  addEventListener(kind, listener) { this.listeners[kind] = listener; }
  getBoundingClientRect() { return { width: 300, height: 200 }; }
  all(name) { return [...(this.name === name ? [this] : []), ...this.children.flatMap((child) => child.all(name))]; }
}

const byId = Object.fromEntries(["title", "status", "counts", "age", "graph", "detail"].map((id) => [id, new Element(id)]));
const root = new Element("html");
const sent = [];
let toPage;
const state = JSON.parse(process.argv[3]);
const parent = {
  postMessage(message) {
    sent.push(message.method);
    const answer = (result) => setImmediate(() => toPage({ source: parent, data: { jsonrpc: "2.0", id: message.id, result } }));
    if (message.method === "ui/initialize") {
      answer({ hostCapabilities: { serverResources: {} }, hostContext: { theme: "dark", styles: { variables: { "--ink": "red" } } } });
    }
    if (message.method === "resources/read") answer({ contents: [{ uri: message.params.uri, text: JSON.stringify(state) }] });
    if (message.method === "ui/notifications/initialized") {
      const result = { structuredContent: { run_id: state.runId, title: "early", status: "running", nodes: [] } };
      setImmediate(() => toPage({ source: parent, data: { jsonrpc: "2.0", method: "ui/notifications/tool-result", params: result } }));
      setImmediate(() => toPage({ source: {}, data: { jsonrpc: "2.0", method: "ui/notifications/tool-result", params: { structuredContent: { run_id: "forged", nodes: [] } } } }));
    }
  },
};
const window = { parent, addEventListener: (_, listener) => { toPage = listener; } };
const document = {
  hidden: false, documentElement: root, addEventListener() {},
  getElementById: (id) => byId[id], createElementNS: (_, name) => new Element(name),
};
class ResizeObserver { constructor(told) { this.told = told; } observe() { this.told(); } }
new Function("window", "document", "ResizeObserver", script)(window, document, ResizeObserver);
// The page ends its looking once it has shown the run that ended; turns of the loop, not time, are counted.
let turns = 0;
function tellWhenShown() {
  if (byId.status.text !== state.status && ++turns < 10000) return setImmediate(tellWhenShown);
  const boxes = byId.graph.all("g");
  if (boxes.length) boxes[boxes.length - 1].listeners.click();
  console.log(JSON.stringify({
    sent, title: byId.title.text, status: byId.status.text, counts: byId.counts.text, detail: byId.detail.text,
    theme: root.style.colorScheme, boxes: boxes.map((box) => box.all("text").map((text) => text.text)),
    at: boxes.map((box) => box.attributes.transform), edges: byId.graph.all("path").length,
  }));
  process.exit(0);
}
tellWhenShown();
