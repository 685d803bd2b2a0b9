// SPDX-License-Identifier: MIT
// perfetto_queries.mjs FOLDER TRACE QUERY...: opens the trace with Perfetto's own importer, and prints as JSON the rows
// of each query. FOLDER: what tools/trace-processor has fetched.
//
// That is the WebAssembly of ui.perfetto.dev, which runs in a browser's worker: here it is given what it looks for.
import {readFileSync} from 'node:fs';
import {runInThisContext} from 'node:vm';
import {pathToFileURL} from 'node:url';

const [folder, trace, ...queries] = process.argv.slice(2);
const file = (name) => readFileSync(`${folder}/${name}`);

globalThis.self = globalThis;
globalThis.WorkerGlobalScope = class {};
Object.defineProperty(globalThis, 'location', {value: {href: 'file:///'}, configurable: true});
globalThis.XMLHttpRequest = class {
  open() {}
  send() {
    this.response = file('trace_processor.wasm');
  }
};
// A node that has 64-bit memories is asked for them by the try of a module of a memory and nothing else, and the package has the other build.
const {Module} = WebAssembly;
WebAssembly.Module = class extends Module {
  constructor(bytes) {
    if (bytes[8] === 5) throw new Error('no 64-bit memory');
    super(bytes);
  }
};
console.warn = () => {};  // its progress

const {EngineBase} = await import(pathToFileURL(`${folder}/engine.mjs`).href);

class Engine extends EngineBase {
  mode = 'WASM';
  id = 'here';
  constructor(port) {
    super();
    this.port = port;
    port.onmessage = (message) => this.onRpcResponseBytes(message.data);
  }
  rpcSendRequestBytes(bytes) {
    this.port.postMessage(bytes);
  }
}

runInThisContext(file('engine_bundle.node.js').toString());
await new Promise(setImmediate);  // for what it does as soon as it can
const channel = new MessageChannel();
self.onmessage({data: channel.port1});
const engine = new Engine(channel.port2);
await engine.parse(new Uint8Array(readFileSync(trace)));
await engine.notifyEof();

const plain = (value) => (typeof value === 'bigint' ? Number(value) : value);
const answers = [];
for (const query of queries) {
  const result = await engine.query(query);
  const rows = [];
  for (const row = result.iter({}); row.valid(); row.next())
    rows.push(Object.fromEntries(result.columns().map((name) => [name, plain(row.get(name))])));
  answers.push(rows);
}
process.stdout.write(JSON.stringify(answers) + '\n', () => process.exit(0));
