// For `node --import`: the official suite names fs.globSync, which Node has from 22 on, for a command that we do not use.
// Where the suite asks for fs, it gets one that has that name too.
import { register } from 'node:module';

const inline = (code) => `data:text/javascript,${encodeURIComponent(code)}`;
const fsWithGlob = inline(`export * from 'node:fs'; export const globSync = () => [];`);

register(
  inline(`
    export const resolve = (specifier, context, next) =>
      specifier === 'fs' && context.parentURL?.includes('/@modelcontextprotocol/conformance/')
        ? { url: ${JSON.stringify(fsWithGlob)}, shortCircuit: true }
        : next(specifier, context);
  `),
);
