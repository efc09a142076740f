// A model without weights, for agents that are to run without a network: it speaks the Anthropic Messages API, the OpenAI
// Responses API and the Gemini API on loopback, and calls the tools of a script, one a turn. How far the script has come it
// reads from the conversation alone (the number of tool results in it), so that a request which is sent twice changes nothing.
import { createServer } from 'node:http';
import { anthropic } from './anthropic.mjs';
import { gemini } from './gemini.mjs';
import { openai } from './openai.mjs';

/** The longest request that is read: agents send all their tools with every turn, some hundred KB. */
const MAX_BODY = 16 << 20;
const APIS = [anthropic, openai, gemini];

/**
 * Starts the model on a free port of 127.0.0.1.
 *
 * `turns` is what it was asked so far: `api`, `tools` (the names it was offered), `results` (the text of each tool result in
 * the conversation, in order), and what it said: `called` (the name as offered), `missing` (the script's tool, which was not
 * offered) or neither when the script was done. Questions on the side, without tools, are no turns.
 * `strays` are the requests that are none of the three APIs, as `METHOD path`.
 *
 * @param {readonly { tool: string, args: object }[]} script what to call, by the tools' names on their server
 * @param {string} server what the agent's configuration calls the server
 */
export async function startModel(script, server) {
  const turns = [];
  const strays = [];
  const http = createServer((request, response) => void answer(request, response));

  async function answer(request, response) {
    const path = new URL(request.url ?? '/', 'http://model').pathname;
    try {
      const body = await bodyOf(request);
      const api = APIS.find(({ speaks }) => request.method === 'POST' && speaks(path));
      if (api === undefined) {
        strays.push(`${request.method} ${path}`);
        return send(response, 404, { error: { type: 'not_found_error', message: `${path} is not here` } });
      }
      if (api.counts?.(path)) return send(response, 200, api.count);
      const question = JSON.parse(body);
      const say = answerTo(api, question);
      if (!api.streams(path, question)) return send(response, 200, api.whole(say, question));
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
      for (const { event, data } of api.stream(say, question))
        response.write(`${event === undefined ? '' : `event: ${event}\n`}data: ${JSON.stringify(data)}\n\n`);
      response.end();
    } catch (error) {
      send(response, 400, { error: { type: 'invalid_request_error', message: error.message } });
    }
  }

  function answerTo(api, question) {
    const tools = api.tools(question);
    const results = api.results(question);
    if (tools.length === 0) return { text: 'Nothing to add.' };
    const turn = { api: api.name, tools: tools.map(fullName), results };
    turns.push(turn);
    const step = script[results.length];
    if (step === undefined) return { text: `All ${results.length} calls are made.` };
    const tool = tools.find((one) => isNamed(one, server, step.tool));
    if (tool === undefined) {
      turn.missing = step.tool;
      return { text: `There is no ${step.tool}.` };
    }
    turn.called = fullName(tool);
    return { tool, args: step.args, nth: results.length + 1 };
  }

  await new Promise((listening) => http.listen(0, '127.0.0.1', listening));
  return {
    url: `http://127.0.0.1:${http.address().port}`,
    turns,
    strays,
    async close() {
      http.closeAllConnections();
      await new Promise((closed) => http.close(closed));
    },
  };
}

const fullName = ({ name, namespace }) => (namespace === undefined ? name : `${namespace}__${name}`);

/** Agents put the server's name before that of the tool, each in its own way, and some write `_` for `-`. */
function isNamed(tool, server, wanted) {
  const plain = (name) => name.replaceAll('-', '_');
  const name = plain(fullName(tool));
  const tail = plain(wanted);
  return name.endsWith(tail) && /(^|_)$/.test(name.slice(0, -tail.length)) && name.includes(plain(server));
}

async function bodyOf(request) {
  const chunks = [];
  let length = 0;
  for await (const chunk of request) {
    length += chunk.length;
    if (length > MAX_BODY) throw new Error('The request is too long.');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function send(response, status, value) {
  if (response.headersSent) return response.destroy();
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}
