import { type Document, type LineCounter, parseDocument } from 'yaml';

/**
 * Parses YAML 1.2 as policies, their cases and those of other gates are read: the types of JSON, and no merge keys.
 * @param uniqueKeys whether duplicate keys are an error; it takes quadratic time, so that who reads long maps looks itself
 */
export function parseYaml(text: string, lineCounter: LineCounter, uniqueKeys = false): Document.Parsed {
  return parseDocument(text, {
    lineCounter,
    uniqueKeys,
    prettyErrors: false,
    merge: false,
    schema: 'core',
    logLevel: 'error',
  });
}

/** Whether brackets nest deeper than `most`: a recursive parser would run out of stack. */
export function nestsDeeper(text: string, most: number): boolean {
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit === 0x5b || unit === 0x7b) {
      if (++depth > most) return true;
    } else if (unit === 0x5d || unit === 0x7d) {
      if (depth > 0) depth--;
    }
  }
  return false;
}
