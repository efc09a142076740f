// Pieces of results and questions that the offers of the upstream share.
import { inputRequired } from '@modelcontextprotocol/server';

/** A PNG of one red pixel. */
export const PIXEL = {
  type: 'image',
  mimeType: 'image/png',
  data: 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4z8DwHwAFAAH/iZk9HQAAAABJRU5ErkJggg==',
};

/** A WAVE file without a sample: its header of 44 bytes. */
export const SILENCE = { type: 'audio', mimeType: 'audio/wav', data: emptyWave().toString('base64') };

export const text = (value, more = {}) => ({ content: [{ type: 'text', text: value }], ...more });

/** A question to the user, as a form. */
export const ask = (message, requestedSchema) => inputRequired.elicit({ message, requestedSchema });

/** What the user filled in, if he accepted. */
export function contentOf(answers, key) {
  const answer = answers?.[key];
  return answer?.action === 'accept' && typeof answer.content === 'object' ? answer.content : undefined;
}

/** What the model of the client said. */
export function sampledText(answers, key) {
  const content = [answers?.[key]?.content].flat().find((block) => block?.type === 'text');
  return content?.text;
}

function emptyWave() {
  const header = Buffer.alloc(44);
  header.write('RIFF', 0);
  header.writeUInt32LE(36, 4);
  header.write('WAVEfmt ', 8);
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(1, 22);
  header.writeUInt32LE(8000, 24);
  header.writeUInt32LE(16_000, 28);
  header.writeUInt16LE(2, 32);
  header.writeUInt16LE(16, 34);
  header.write('data', 36);
  return header;
}
