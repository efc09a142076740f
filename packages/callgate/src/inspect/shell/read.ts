import { constantOutputOf } from './constants.ts';
import {
  changesPrograms,
  commandArguments,
  isCommandVariable,
  isInterpreter,
  isSqlClient,
  programTexts,
  shellInCode,
} from './hidden.ts';
import {
  programName,
  type ShellAssignment,
  type ShellCommand,
  ShellLimit,
  type ShellReading,
  type ShellRedirect,
} from './reading.ts';
import type { Assignment, Command, ParseShell, Redirect, Script, Statement } from './tree.ts';
import { LONGEST_TEXT } from './tree.ts';
import {
  forked,
  givenInput,
  noInput,
  range,
  remembered,
  type Scope,
  topScope,
  unknownInput,
  withInput,
} from './scope.ts';
import { evaluatesLate, holdsSubstitution } from './late.ts';
import { isPlaceOfSettings, readsSettingsElsewhere } from './settings.ts';
import { shellArguments } from './shell-arguments.ts';
import { join, skipOptions, unwrap } from './unwrap.ts';
import { constantWord, type ShellWord, UNKNOWN, unknownWord } from './variables.ts';
import { readWindows, type WindowsCommand, windowsInner } from './windows.ts';
import { expandFields, expandOne } from './words.ts';

const MOST_COMMANDS = 2_048;
const MOST_TEXT = 262_144;
const MOST_PARSES = 64;
/** Of all texts parsed for one reading, together. */
const MOST_PARSED = 98_304;
const DEEPEST_SCRIPT = 8;
const MOST_WRAPPERS = 16;
const MOST_LINES = 256;

/**
 * Reads what a command line would run.
 * @param text a command line for Bash; or an argv, judged as it is, without a shell in between.
 * @param parse the parser, handed in because it is loaded only where a policy asks for it.
 * @returns every command, also inside substitutions, wrappers and nested shells. Never throws: what is too long, too
 * deep or no shell is `unparsed`, with whatever commands were found before.
 */
export function readShell(text: string | readonly string[], parse: ParseShell): ShellReading {
  const reader = new Reader(parse);
  try {
    if (typeof text === 'string') reader.line(text);
    else reader.argv(text);
  } catch (error) {
    if (error instanceof ShellLimit) reader.refuse(error.message);
    else if (error instanceof RangeError) reader.refuse('it is nested too deeply');
    else throw error;
  }
  return reader.reading();
}

const SHELLS = new Set('sh bash zsh dash ksh ksh93 mksh ash rbash fish csh tcsh yash posh hush'.split(' '));

class Reader {
  readonly #parse: ParseShell;
  readonly #commands: ShellCommand[] = [];
  readonly #assignments: ShellAssignment[] = [];
  /** Functions and aliases of the text: a program of that name is no longer the one we know. */
  readonly #defined = new Set<string>();
  /** Files the text has written: running one runs a text nobody has judged. */
  readonly #written = new Set<string>();
  /** Texts with a substitution in them that nothing has run yet, and whether something evaluates texts once more. */
  readonly #substitutions = new Set<string>();
  #evaluates = false;
  #dynamic = false;
  #unparsed: string | undefined;
  #text = 0;
  #parses = 0;
  #parsed = 0;

  constructor(parse: ParseShell) {
    this.#parse = parse;
  }

  reading(): ShellReading {
    const unparsed = this.#unparsed === undefined ? undefined : { unparsed: this.#unparsed };
    const dynamic = this.#dynamic || (this.#evaluates && this.#substitutions.size > 0);
    return { commands: this.#commands, assignments: this.#assignments, dynamic, ...unparsed };
  }

  refuse(reason: string): void {
    this.#unparsed ??= reason;
  }

  line(text: string): void {
    if (text.includes(UNKNOWN)) throw new ShellLimit('it holds a NUL character');
    const scope = topScope();
    const before = this.#commands.length;
    this.#script(constantWord(text), scope);
    const windows = readWindows(text, this.#commands.slice(before));
    // What Bash cannot read stays unread: nobody knows which shell will get it.
    if (windows !== undefined) this.#windows(windows, scope);
  }

  argv(words: readonly string[]): void {
    const length = words.reduce((sum, word) => sum + word.length + 1, 0);
    if (length > LONGEST_TEXT) throw new ShellLimit(`it is longer than ${LONGEST_TEXT} characters`);
    if (words.some((word) => word.includes(UNKNOWN))) throw new ShellLimit('it holds a NUL character');
    if (words.length > 0) this.#run(words.map(constantWord), [], topScope());
  }

  /** Parses and walks a text; unknown parts of it stand as a variable nobody knows. */
  #script(word: ShellWord, scope: Scope): void {
    if (word.dynamic && !scope.quiet) this.#dynamic = true;
    if (scope.depth >= DEEPEST_SCRIPT || ++this.#parses > MOST_PARSES)
      throw new ShellLimit('too many shells inside shells');
    this.#parsed += word.text.length;
    if (this.#parsed > MOST_PARSED) throw new ShellLimit('too much text in shells inside shells');
    const parsed = this.#parse(word.text.replaceAll(UNKNOWN, '${_}'));
    // A script is read here; its substitutions are no text that somebody may evaluate later.
    this.#substitutions.delete(word.text);
    this.#substitutions.delete(word.text.replace(/\n$/, ''));
    if ('unparsed' in parsed) {
      this.refuse(parsed.unparsed);
      return;
    }
    if (parsed.late?.evaluates === true) this.#evaluates = true;
    if (parsed.late?.runs === true && !scope.quiet) this.#dynamic = true;
    this.#statements(parsed.script, { ...scope, depth: scope.depth + 1 });
  }

  #statements(script: Script, scope: Scope): void {
    for (const statement of script) this.#statement(statement, scope);
  }

  /** Walks a script and returns the positions of the commands in it. */
  #span(script: Script, scope: Scope): readonly number[] {
    const start = this.#commands.length;
    this.#statements(script, scope);
    return range(start, this.#commands.length);
  }

  #statement(statement: Statement, outer: Scope): void {
    const { redirects, scope } = this.#redirects(statement.redirects, outer);
    const { command } = statement;
    if (command?.kind === 'simple') {
      this.#simple(command, redirects, statement.background ? forked(scope) : scope);
      return;
    }
    if (redirects.length > 0) this.#emit('', [], redirects, scope);
    if (command !== undefined) this.#compound(command, statement.background ? forked(scope) : scope);
  }

  #redirects(list: readonly Redirect[], outer: Scope): { redirects: ShellRedirect[]; scope: Scope } {
    let scope = outer;
    const redirects = list.map(({ op, word, body }) => {
      const target = expandOne(word, this.#expander(scope));
      if (op === '<<' || op === '<<-') {
        const text = body === undefined ? constantWord('') : expandOne(body, this.#expander(scope));
        const clean = op === '<<-' ? { ...text, text: text.text.replace(/^\t+/gm, '') } : text;
        scope = withInput(scope, clean);
        return { op, word: clean };
      }
      if (op === '<<<') scope = withInput(scope, { ...target, text: `${target.text}\n` });
      if (op === '<') {
        const input = target.content === undefined ? unknownInput : givenInput(target.content);
        scope = { ...scope, pipedFrom: target.from.length > 0 ? target.from : undefined, input };
      }
      return target.dynamic ? { op, word: target } : { op, word: target, target: target.text };
    });
    return { redirects, scope };
  }

  #compound(command: Exclude<Command, { kind: 'simple' }>, scope: Scope): void {
    switch (command.kind) {
      case 'declare':
        this.#declare(command, scope);
        return;
      case 'pipeline':
        this.#pipeline(command.stages, scope);
        return;
      case 'chain':
        this.#chain(command.links, scope);
        return;
      case 'group':
        this.#statements(command.script, command.subshell ? forked(scope) : scope);
        return;
      case 'branches':
        for (const word of command.words) expandOne(word, this.#expander(scope));
        this.#branches(command.scripts, scope);
        return;
      case 'loop':
        this.#loop(command, scope);
        return;
      case 'function':
        this.#function(command.name, command.script, scope);
        return;
      case 'values':
        this.#statements(command.script, { ...forked(scope), inSubstitution: true });
        for (const name of command.sets) scope.variables.forget(name);
    }
  }

  #pipeline(stages: readonly Statement[], scope: Scope): void {
    let { pipedFrom, input } = scope;
    for (const stage of stages) {
      const here: Scope = { ...forked(scope), pipedFrom, input };
      const start = this.#commands.length;
      this.#statement(stage, here);
      pipedFrom = range(start, this.#commands.length);
      input = remembered(() => this.#constantOutput([stage], forked(here)));
    }
  }

  /** `a && b` shares variables as long as nothing was skipped; behind `||` and after the chain they are in doubt. */
  #chain(links: readonly { readonly join: '&&' | '||'; readonly statement: Statement }[], scope: Scope): void {
    const [first, ...rest] = links;
    if (first !== undefined) this.#statement(first.statement, scope);
    let branch = forked(scope);
    for (const { join: joint, statement } of rest) {
      if (joint === '||') {
        scope.variables.join(branch.variables);
        branch = forked(scope);
      }
      this.#statement(statement, branch);
      if (joint === '||') {
        scope.variables.join(branch.variables);
        branch = forked(scope);
      }
    }
    scope.variables.join(branch.variables);
  }

  #branches(scripts: readonly Script[], scope: Scope): void {
    for (const script of scripts) {
      const branch = forked(scope);
      this.#statements(script, branch);
      scope.variables.join(branch.variables);
    }
  }

  #loop(command: Command & { kind: 'loop' }, scope: Scope): void {
    const items = command.items.flatMap((word) => expandFields(word, this.#expander(scope)));
    // What a pattern or another command lists: to `rm` it is as good as the pattern.
    const listed = items.some(({ glob, dynamic, from }) => glob || (dynamic && from.length > 0));
    const many = { ...unknownWord(items.flatMap(({ from }) => from)), glob: listed };
    const only = items.length === 1 && !listed ? items[0]! : many;
    const body = forked(scope);
    body.variables.set(command.name, only);
    if (changesPrograms(command.name, only.text)) this.#dynamic = true;
    this.#statements(command.script, body);
    scope.variables.join(body.variables);
  }

  #function(name: string, script: Script, scope: Scope): void {
    this.#defined.add(programName(name));
    const body = forked(scope);
    body.variables.positional = 'unknown';
    const via = [...scope.via, `${programName(name)}()`];
    this.#statements(script, { ...body, via, pipedFrom: undefined, input: unknownInput });
    // It runs wherever it is called, and may be called between any two assignments.
    scope.variables.join(body.variables);
  }

  #declare(command: Command & { kind: 'declare' }, scope: Scope): void {
    const flags = command.flags.map((word) => expandOne(word, this.#expander(scope)));
    this.#assign(command.assignments, scope);
    const late = evaluatesLate(command.variant, [constantWord(command.variant), ...flags]);
    if (late === 'known' && !scope.quiet) this.#dynamic = true;
    if (late === 'names') this.#evaluates = true;
    const locks =
      command.variant === 'readonly' || flags.some((flag) => flag.dynamic || /^[-+].*[rilun]/.test(flag.text));
    if (locks) {
      for (const { name, value } of command.assignments) {
        if (flags.some((flag) => /^-.*[ilun]/.test(flag.text)) && value !== undefined) scope.variables.forget(name);
        scope.variables.lock(name);
      }
    }
    const names = command.assignments.map(({ name }) => constantWord(name));
    this.#emit(command.variant, [constantWord(command.variant), ...flags, ...names], [], scope);
  }

  #assign(assignments: readonly Assignment[], scope: Scope, seenBy: Scope = scope): void {
    for (const { name, append, value, array } of assignments) {
      if (array !== undefined) {
        for (const word of array) expandFields(word, this.#expander(seenBy));
        scope.variables.forget(name);
        continue;
      }
      if (value === undefined) continue;
      const plain = expandOne(value, this.#expander(seenBy));
      const old = append ? (scope.variables.get(name) ?? unknownWord()) : undefined;
      const next = old === undefined ? plain : appended(old, plain);
      this.#spend(next.text.length);
      scope.variables.set(name, next);
      if (scope.quiet) continue;
      this.#assignments.push({ name, value: next });
      this.#environment(name, next, scope);
    }
  }

  /** A variable that other programs run, or that changes what they are. */
  #environment(name: string, value: ShellWord, scope: Scope): void {
    if (changesPrograms(name, value.text)) this.#dynamic = true;
    if (isCommandVariable(name)) this.#script(value, { ...forked(scope), via: [...scope.via, name] });
  }

  /** `env NAME=value program`, `sudo NAME=value program`. */
  #assigned(words: readonly ShellWord[], scope: Scope): void {
    for (const word of words.slice(1)) {
      const match = /^([A-Za-z_][\w.%]*)(?:\(\))?=([\s\S]*)$/.exec(word.text);
      if (match === null) continue;
      const value = { ...word, text: match[2]! };
      if (isPlaceOfSettings(match[1]!)) scope.variables.set(match[1]!, value);
      this.#environment(match[1]!, value, scope);
    }
  }

  #simple(command: Command & { kind: 'simple' }, redirects: readonly ShellRedirect[], scope: Scope): void {
    const fields = command.words.flatMap((word) => expandFields(word, this.#expander(scope)));
    if (fields.length === 0) {
      this.#assign(command.assignments, scope);
      if (redirects.length > 0) this.#emit('', [], redirects, scope);
      return;
    }
    const own = command.assignments.length > 0 ? forked(scope) : scope;
    this.#assign(command.assignments, own, scope);
    this.#run(fields, redirects, own, scope);
  }

  /** Runs words: takes wrappers off until the program that does something is bare. */
  #run(given: readonly ShellWord[], redirects: readonly ShellRedirect[], outer: Scope, shell: Scope = outer): void {
    let words = given;
    let scope = outer;
    for (let round = 0; ; round++) {
      if (round > MOST_WRAPPERS) throw new ShellLimit('too many wrappers around a command');
      if (scope.quiet) return;
      const program = this.#program(words);
      if (program === undefined) return this.#unknownProgram(words, redirects, scope);
      if (this.#special(program, words, redirects, scope, shell)) return;
      const inner = unwrap(program, words);
      if (inner === undefined) {
        this.#emit(program, words, redirects, scope);
        if (READS_COMMANDS.has(program)) this.#standardInput({ ...scope, via: [...scope.via, program] });
        return;
      }
      if (inner.keeps) this.#emit(program, words, redirects, scope);
      if (ASSIGNS.has(program)) {
        scope = forked(scope);
        this.#assigned(words.slice(0, words.length - (inner.words?.length ?? 0)), scope);
      }
      scope = { ...scope, via: [...scope.via, program] };
      for (const script of inner.scripts ?? []) {
        if (!inner.keeps) this.#carry(redirects, scope);
        this.#script(script, forked(scope));
      }
      if (inner.words === undefined) return;
      words = program === 'xargs' ? this.#withArguments(inner.words, words, scope) : inner.words;
      if (inner.keeps) redirects = [];
    }
  }

  /** The name of the program; undefined when it is unknown. A guess counts, and makes the reading dynamic. */
  #program(words: readonly ShellWord[]): string | undefined {
    const first = words[0]!;
    if (first.text.includes(UNKNOWN) || (first.glob && first.text !== '[' && first.text !== '[[')) return undefined;
    const name = programName(first.text);
    if (first.dynamic || name === '' || /\s/.test(name) || this.#wasWritten(first.text)) this.#dynamic = true;
    return name;
  }

  #unknownProgram(words: readonly ShellWord[], redirects: readonly ShellRedirect[], scope: Scope): void {
    this.#dynamic = true;
    this.#emit(undefined, words, redirects, scope);
    // `$SUDO rm -rf /`: an empty variable leaves the next word as the program.
    const [first, ...rest] = words;
    if (first?.text === UNKNOWN && rest.length > 0 && RISKY.has(programName(rest[0]!.text))) {
      this.#run(rest, [], { ...scope, via: [...scope.via, '?'] });
    }
  }

  /** Programs that run a text, change the shell itself, or are an interpreter. Returns whether nothing is left to do. */
  #special(
    program: string,
    words: readonly ShellWord[],
    redirects: readonly ShellRedirect[],
    scope: Scope,
    shell: Scope,
  ): boolean {
    if (SHELLS.has(program)) {
      this.#shell(program, words, redirects, scope);
      return true;
    }
    const inside = { ...scope, via: [...scope.via, program] };
    switch (program) {
      case 'eval':
        this.#emit(program, words, redirects, scope);
        this.#script(join(words.slice(1)), inside);
        return true;
      case '.':
      case 'source':
        this.#emit(program, words, redirects, scope);
        this.#file(words[1], inside);
        shell.variables.forgetAll();
        return true;
      case 'trap':
        this.#emit(program, words, redirects, scope);
        if (words.length > 2 && !words[1]!.text.startsWith('-')) this.#script(words[1]!, inside);
        return true;
      case 'alias':
        this.#emit(program, words, redirects, scope);
        for (const word of words.slice(1)) this.#alias(word, inside);
        return true;
      case 'at':
      case 'batch':
        this.#emit(program, words, redirects, scope);
        this.#standardInput(inside);
        return true;
      default:
        break;
    }
    const late = evaluatesLate(program, words);
    if (late === 'known' || readsSettingsElsewhere(program, words, scope.variables)) this.#dynamic = true;
    if (late === 'names') this.#evaluates = true;
    if (SETTERS.has(program)) this.#setter(program, words, shell);
    const told = [...words, ...this.#clientLines(program, scope)];
    if (told.length > 1) {
      for (const script of commandArguments(program, told)) this.#script(script, forked(inside));
    }
    if (isInterpreter(program)) this.#interpreter(program, words, inside);
    const windows = windowsInner(program, words);
    if (windows !== undefined) {
      this.#emit(program, words, redirects, scope);
      if (windows === 'unknown') this.#dynamic = true;
      else this.#windows(windows, inside);
      return true;
    }
    return false;
  }

  /** What a database client is given to read, line by line: it knows commands too. */
  #clientLines(program: string, scope: Scope): ShellWord[] {
    if (!isSqlClient(program)) return [];
    const input = scope.input();
    return typeof input === 'string' ? [] : input.text.split('\n').slice(0, MOST_LINES).map(constantWord);
  }

  #wasWritten(path: string): boolean {
    return path.includes('/') && this.#written.has(programName(path));
  }

  #alias(word: ShellWord, scope: Scope): void {
    const equals = word.text.indexOf('=');
    if (equals < 1) return;
    this.#defined.add(programName(word.text.slice(0, equals)));
    this.#script({ ...word, text: word.text.slice(equals + 1) }, forked(scope));
  }

  #interpreter(program: string, words: readonly ShellWord[], scope: Scope): void {
    const texts = programTexts(program, words);
    if (texts.length === 0 && words.slice(1).every(({ text }) => text.startsWith('-'))) {
      const input = scope.input();
      if (input === 'unknown') this.#dynamic = true;
      else if (input !== 'none') texts.push(constantWord(input.text));
    }
    for (const text of texts) {
      for (const script of shellInCode(text.text))
        this.#script({ ...text, dynamic: script.includes(UNKNOWN), text: script }, forked(scope));
    }
  }

  /** `sh -c TEXT`, `sh FILE`, `… | sh`. */
  #shell(program: string, words: readonly ShellWord[], redirects: readonly ShellRedirect[], scope: Scope): void {
    const inside = { ...forked(scope), via: [...scope.via, program] };
    const { script, operands } = shellArguments(words);
    if (script !== undefined) {
      this.#emit(program, words, redirects, scope);
      inside.variables.positional = operands.slice(1);
      if (operands[0] !== undefined) inside.variables.set('0', operands[0]);
      this.#script(script, inside);
      return;
    }
    this.#emit(program, words, redirects, scope);
    inside.variables.positional = operands.slice(1);
    if (operands[0] === undefined) this.#standardInput(inside);
    else this.#file(operands[0], inside);
  }

  /** A file run as a script: known only when the text itself says what is in it. */
  #file(word: ShellWord | undefined, scope: Scope): void {
    if (word === undefined) return;
    if (/^(?:-|\/dev\/stdin|\/dev\/fd\/0|\/proc\/self\/fd\/0)$/.test(word.text)) this.#standardInput(scope);
    else if (word.content !== undefined) this.#script(constantWord(word.content), scope);
    else if (word.dynamic || word.from.length > 0 || this.#written.has(programName(word.text))) this.#dynamic = true;
  }

  #standardInput(scope: Scope): void {
    const input = scope.input();
    if (input === 'none') return;
    if (input === 'unknown') this.#dynamic = true;
    else this.#script(constantWord(input.text), { ...scope, input: noInput, pipedFrom: undefined });
  }

  /** What xargs adds to the words it was given. */
  #withArguments(words: readonly ShellWord[], outer: readonly ShellWord[], scope: Scope): readonly ShellWord[] {
    const marker = outer.findIndex(({ text }) => /^(?:-[IJ]|--replace)/.test(text));
    const from = scope.pipedFrom ?? [];
    if (marker > 0 || outer.some(({ text }) => text === '-i')) {
      const glued = /^(?:-[IJ]|--replace=)([\s\S]+)$/.exec(outer[marker]?.text ?? '')?.[1];
      const name = glued ?? (/^-[IJ]$/.test(outer[marker]?.text ?? '') ? outer[marker + 1]?.text : '{}') ?? '{}';
      return words.map((word) =>
        name !== '' && word.text.includes(name)
          ? { ...word, text: word.text.replaceAll(name, UNKNOWN), dynamic: true, from: [...word.from, ...from] }
          : word,
      );
    }
    const input = scope.input();
    const known = typeof input === 'string' ? undefined : input.text.split(/\s+/).filter((item) => item !== '');
    if (known === undefined || known.length > 64) return [...words, unknownWord(from)];
    return [...words, ...known.map((text) => ({ ...constantWord(text), from }))];
  }

  #setter(program: string, words: readonly ShellWord[], scope: Scope): void {
    if (program === 'set') {
      const rest = skipOptions(words, { values: 'o' });
      if (rest.length > 0 || words.some(({ text }) => text === '--')) scope.variables.positional = rest;
      return;
    }
    if (program === 'printf') {
      if (words[1]?.text === '-v') scope.variables.forget(words[2]?.text ?? '_');
      if (words[1]?.text === '-v' && changesPrograms(words[2]?.text ?? '', words[3]?.text ?? '')) this.#dynamic = true;
      return;
    }
    if (program === 'shift') scope.variables.positional = 'unknown';
    for (const { text, dynamic } of words.slice(1)) {
      if (dynamic) scope.variables.forgetAll();
      else scope.variables.forget(/^[A-Za-z_]\w*/.exec(text)?.[0] ?? '_');
    }
    if (program === 'read') scope.variables.forget('REPLY');
  }

  #windows(commands: readonly WindowsCommand[], scope: Scope): void {
    for (const { words, via, dynamic, redirects } of commands) {
      if (dynamic) this.#dynamic = true;
      const named = words[0] === undefined || words[0].includes(UNKNOWN) ? undefined : programName(words[0]);
      const shellWords = words.map((text) => ({ ...constantWord(text), dynamic: text.includes(UNKNOWN) }));
      const targets = redirects.map((target) => ({ op: '>', target, word: constantWord(target) }));
      this.#emit(named, shellWords, targets, { ...scope, via: [...scope.via, via] });
    }
  }

  /** Redirections of a wrapper that leaves no command of its own. */
  #carry(redirects: readonly ShellRedirect[], scope: Scope): void {
    if (redirects.length > 0) this.#emit('', [], redirects, scope);
  }

  #emit(
    program: string | undefined,
    words: readonly ShellWord[],
    redirects: readonly ShellRedirect[],
    scope: Scope,
  ): void {
    if (scope.quiet) return;
    if (this.#commands.length >= MOST_COMMANDS) throw new ShellLimit(`it runs more than ${MOST_COMMANDS} commands`);
    const input = program !== undefined && isSqlClient(program) ? scope.input() : 'none';
    // SQL that is piped into a client is read like a here-document.
    if (typeof input !== 'string' && !redirects.some(({ op }) => op.startsWith('<<')))
      redirects = [...redirects, { op: '<<', word: constantWord(input.text) }];
    for (const file of filesWritten(program, words, redirects)) this.#written.add(programName(file));
    const piped = scope.pipedFrom === undefined ? undefined : { pipedFrom: scope.pipedFrom };
    const argv = words.map(({ text, dynamic }) => (dynamic ? undefined : text));
    const { via, inSubstitution } = scope;
    this.#commands.push({ program, argv, words, redirects, via, ...piped, inSubstitution });
  }

  #spend(characters: number): void {
    this.#text += characters + 1;
    if (this.#text > MOST_TEXT) throw new ShellLimit('it expands to too much text');
  }

  #expander(scope: Scope) {
    return {
      variables: scope.variables,
      output: (script: Script, fed = false) => {
        // What `>(…)` reads is what the command prints.
        const input = fed ? unknownInput : scope.input;
        const inside: Scope = { ...forked(scope), inSubstitution: true, input };
        const from = scope.quiet ? [] : this.#span(script, inside);
        return { text: this.#constantOutput(script, forked(scope)), from };
      },
      spend: (characters: number) => this.#spend(characters),
      made: (text: string, isValue: boolean) => {
        if (holdsSubstitution(text, isValue)) this.#substitutions.add(text);
      },
    };
  }

  /** What a script prints, when it consists of nothing but programs whose output is known. */
  #constantOutput(script: Script, scope: Scope): string | undefined {
    const quiet: Scope = { ...scope, quiet: true };
    let output = '';
    for (const statement of script) {
      const text = this.#statementOutput(statement, quiet);
      if (text === undefined) return undefined;
      output += text.replaceAll(UNKNOWN, ''); // shells drop NUL characters
      this.#spend(text.length);
    }
    return output;
  }

  #statementOutput(statement: Statement, outer: Scope): string | undefined {
    if (statement.background) return undefined;
    if (statement.redirects.some(({ op }) => !op.startsWith('<'))) return undefined;
    const { command } = statement;
    if (command === undefined) return undefined;
    const { scope } = this.#redirects(statement.redirects, outer);
    switch (command.kind) {
      case 'simple':
        return this.#simpleOutput(command, scope);
      case 'pipeline': {
        let { input } = scope;
        let output: string | undefined;
        for (const stage of command.stages) {
          output = this.#statementOutput(stage, { ...forked(scope), input });
          if (output === undefined) return undefined;
          input = givenInput(output);
        }
        return output;
      }
      case 'group':
        return this.#constantOutput(command.script, command.subshell ? forked(scope) : scope);
      case 'chain':
        return command.links.every(({ join: joint }) => joint === '&&')
          ? this.#constantOutput(
              command.links.map(({ statement: link }) => link),
              scope,
            )
          : undefined;
      default:
        return undefined;
    }
  }

  #simpleOutput(command: Command & { kind: 'simple' }, scope: Scope): string | undefined {
    const fields = command.words.flatMap((word) => expandFields(word, this.#expander(scope)));
    if (fields.length === 0) {
      this.#assign(command.assignments, scope);
      return '';
    }
    if (fields.some(({ dynamic, glob }) => dynamic || glob)) return undefined;
    const argv = fields.map(({ text }) => text);
    if (this.#defined.has(programName(argv[0]!))) return undefined;
    const input = scope.input();
    return constantOutputOf(argv, typeof input === 'string' ? undefined : input.text);
  }
}

const ASSIGNS = new Set(['env', 'sudo', 'doas']);
const RISKY = new Set(
  'rm rmdir dd mkfs shred wipefs find sh bash zsh dash eval curl wget nc ncat sudo doas chmod chown mv cp git docker kubectl python python3 perl node'.split(
    ' ',
  ),
);
/** Builtins that give variables values nobody can foresee. */
const SETTERS = new Set('read unset mapfile readarray getopts let printf set shift'.split(' '));
/** Without a command these run what they read. */
const READS_COMMANDS = new Set(
  'sudo doas su runuser ssh slogin chroot unshare nsenter fakeroot nix-shell proot'.split(' '),
);

/** Targets of redirections, and the last operand of what copies: `cp /bin/rm x; ./x`. */
function filesWritten(
  program: string | undefined,
  words: readonly ShellWord[],
  redirects: readonly ShellRedirect[],
): string[] {
  const files = redirects.filter(({ op }) => op.includes('>')).map(({ word }) => word.text);
  if (program === 'tee') files.push(...words.slice(1).map(({ text }) => text));
  if (/^(?:cp|mv|ln|install|dd)$/.test(program ?? '') && words.length > 2)
    files.push(words.at(-1)!.text.replace(/^of=/, ''));
  return files;
}

function appended(old: ShellWord, more: ShellWord): ShellWord {
  return {
    text: old.text + more.text,
    dynamic: old.dynamic || more.dynamic,
    glob: old.glob || more.glob,
    from: [...old.from, ...more.from],
  };
}
