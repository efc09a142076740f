import { compileDocuments, type CompiledPolicy, type CompileOptions, type PolicySource } from './compile-documents.ts';
import { readDocument } from './document/document.ts';
import { spliceIncludes } from './includes.ts';
import { compilePattern } from './condition/pattern.ts';

export type { CompiledPolicy, CompileOptions, PolicyLayer, PolicySource } from './compile-documents.ts';

/**
 * Compiles policy texts, in order, into one policy with the built-in base layer below it. Pure; nothing is read.
 * Brings the YAML parser and the pattern engine with it; `loadPolicy` loads each only when it is needed.
 * @throws PolicyError with every issue of every file
 */
export function compilePolicy(sources: readonly PolicySource[], options: CompileOptions): CompiledPolicy {
  const { documents, texts } = spliceIncludes(sources, readDocument, options.include);
  return compileDocuments(documents, texts, options, compilePattern);
}
