import { ExactNumber } from '../model/json.ts';
import { compileDocuments, type CompiledPolicy, type CompileOptions, type PolicySource } from './compile-documents.ts';
import type { PolicyDoc } from './document/document-types.ts';
import type { PolicyDocument } from './document/document.ts';
import { loadEngines } from './condition/engines.ts';
import { type FindInclude, type IncludedFile, spliceIncludes } from './includes.ts';
import { PolicyError } from './document/issue.ts';
import type { Pattern } from './condition/pattern.ts';

/** Keeps what a policy text was read as, so that an unchanged one is not parsed again. Never throws. */
export interface DocumentCache {
  /** The JSON that was put for this text; undefined when there is none or it is damaged. */
  get(text: string): string | undefined;
  put(text: string, json: string): void;
}

export interface LoadedPolicy {
  readonly policy: CompiledPolicy;
  /**
   * Resolves when the policy can judge: the patterns of one that was remembered are compiled meanwhile, and the shell
   * parser is loaded where a rule needs it. Until then asking either throws. Rejects when a pattern does not compile.
   */
  readonly complete: Promise<void>;
}

/**
 * Compiles policy texts as `compilePolicy` does, loading little: the YAML parser only for a text that `cache` does not
 * have, the pattern engine only for a policy with patterns, the shell parser only for one that reads command lines.
 * @throws PolicyError with every issue of every file
 */
export async function loadPolicy(
  sources: readonly PolicySource[],
  options: CompileOptions,
  cache?: DocumentCache,
): Promise<LoadedPolicy> {
  const remembered =
    cache === undefined
      ? undefined
      : spliceIncludes(sources, (file, text) => rememberedDocument(file, text, cache), options.include);
  if (remembered !== undefined) {
    try {
      const patterns = new DeferredPatterns();
      const { documents, texts } = remembered;
      const policy = compileDocuments(documents, texts, options, (source) => patterns.add(source));
      return { policy, complete: Promise.all([patterns.compile(), loadEngines(policy)]).then(() => undefined) };
    } catch (error) {
      // Only a text that was parsed says where it is wrong.
      if (!(error instanceof PolicyError)) throw error;
    }
  }
  const { readDocument } = await import('./document/document.ts');
  const { documents, texts } = spliceIncludes(sources, readDocument, options.include);
  const policy = await compileWithPatterns(documents, texts, options);
  for (const [index, document] of documents.entries()) {
    const json = plainJson(document.policy);
    if (json !== undefined) cache?.put(texts[index]!.text, json);
  }
  return { policy, complete: loadEngines(policy) };
}

/**
 * All files that a policy includes, however far, in the order of their rules, without compiling anything. What cannot be
 * found or read is left out: compiling says so.
 */
export async function includedFiles(
  source: PolicySource,
  find: FindInclude,
  cache?: DocumentCache,
): Promise<readonly IncludedFile[]> {
  const found = new Map<string, IncludedFile>();
  const noting: FindInclude = (from, name) => {
    const file = find(from, name);
    if ('file' in file) found.set(file.file, file);
    return file;
  };
  const remembered = (file: string, text: string): PolicyDocument | undefined =>
    cache === undefined ? undefined : rememberedDocument(file, text, cache);
  if (spliceIncludes([source], remembered, noting) === undefined) {
    const { readDocument } = await import('./document/document.ts');
    spliceIncludes([source], readDocument, noting);
  }
  found.delete(source.file);
  return [...found.values()];
}

/** The patterns of a text that compiled before. They are compiled while others wait for something else. */
class DeferredPatterns {
  readonly #patterns: { source: string; pattern: Pattern | undefined }[] = [];

  add(source: string): Pattern {
    const entry: { source: string; pattern: Pattern | undefined } = { source, pattern: undefined };
    this.#patterns.push(entry);
    const compiled = (): Pattern => {
      if (entry.pattern === undefined) throw new Error('the pattern engine is not loaded');
      return entry.pattern;
    };
    return { source, test: (text) => compiled().test(text), replace: (text, by) => compiled().replace(text, by) };
  }

  async compile(): Promise<void> {
    if (this.#patterns.length === 0) return;
    const { compilePattern } = await import('./condition/pattern.ts');
    for (const entry of this.#patterns) entry.pattern = compilePattern(entry.source);
  }
}

/** Words without which a text has no pattern, unless they are written with escapes. */
const PATTERN_WORDS = /regex|pattern|matches/;

async function compileWithPatterns(
  documents: readonly PolicyDocument[],
  sources: readonly PolicySource[],
  options: CompileOptions,
): Promise<CompiledPolicy> {
  if (!sources.some(({ text }) => PATTERN_WORDS.test(text))) {
    let isAsked = false;
    const notLoaded = (): Pattern => {
      isAsked = true;
      throw new SyntaxError('the pattern engine is not loaded');
    };
    try {
      const policy = compileDocuments(documents, sources, options, notLoaded);
      if (!isAsked) return policy;
    } catch (error) {
      if (!isAsked) throw error;
    }
  }
  const { compilePattern } = await import('./condition/pattern.ts');
  return compileDocuments(documents, sources, options, compilePattern);
}

/** The document of a text as the cache has it; undefined when it has none. */
function rememberedDocument(file: string, text: string, cache: DocumentCache): PolicyDocument | undefined {
  const json = cache.get(text);
  const policy: Partial<PolicyDoc> | undefined = json === undefined ? undefined : parseBare(json);
  return policy === undefined ? undefined : documentOf(file, policy);
}

function documentOf(file: string, policy: Partial<PolicyDoc>): PolicyDocument {
  const place = { file, line: 1, column: 1 };
  return {
    file,
    policy,
    issues: [],
    broken: new Set(),
    issueAt: (_path, code, message, remedy) => ({
      code,
      message,
      ...place,
      place,
      ...(remedy === undefined ? {} : { remedy }),
    }),
    release: () => undefined,
  };
}

/** As JSON; undefined when JSON would lose something. */
function plainJson(policy: Partial<PolicyDoc>): string | undefined {
  let isPlain = true;
  const json = JSON.stringify(policy, (_key, value: unknown) => {
    if (value instanceof ExactNumber || Object.is(value, -0)) isPlain = false;
    return value;
  });
  return isPlain ? json : undefined;
}

/** JSON as a reader of YAML makes it: an object or list, maps without a prototype; undefined for anything else. */
export function parseBare(json: string): object | undefined {
  try {
    const read: unknown = JSON.parse(json, (_key, value: unknown) =>
      typeof value === 'object' && value !== null && !Array.isArray(value)
        ? Object.assign(Object.create(null) as object, value)
        : value,
    );
    // Some versions of V8 give an escaped key the name of another (nodejs/node issue 63785): what does not read back as it
    // was written is no use.
    return typeof read === 'object' && read !== null && JSON.stringify(read) === json ? read : undefined;
  } catch {
    return undefined;
  }
}
