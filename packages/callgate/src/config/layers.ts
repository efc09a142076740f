import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Place } from '../model/error.ts';
import type { ConfigRequest, Source, SourceKind } from './config.ts';
import type { ConfigDocument, Written } from './document.ts';
import type { Issue } from './issues.ts';
import { didYouMean } from '../policy/document/nearest.ts';
import type { FileSet } from './project.ts';
import { environmentName, OTHER_VARIABLES, SETTINGS } from './settings.ts';
import type { Value } from './settings.ts';
import type { TrustRecord, TrustState } from './trust.ts';
import { checkText } from './values.ts';

interface LayerValue {
  readonly value: Value;
  readonly source: Source;
  readonly written: string;
}

/** The settings of one source. */
export interface Layer {
  readonly from: SourceKind;
  readonly values: ReadonlyMap<string, LayerValue>;
  /** Only what tightens counts; the rest is passed over without an error. */
  readonly tightenOnly?: true;
}

/** A callgate.yaml that was read and checked. */
export interface ConfigFile {
  readonly path: string;
  readonly document: ConfigDocument;
}

/** Fills in `${NAME}`; what has no value becomes an issue at the place. */
export type Fill = (written: { readonly place: Place }, text: string) => string;

/** The settings of a callgate.yaml. */
export function fileLayer(from: SourceKind, file: ConfigFile | undefined, fill: Fill): Layer {
  const values = new Map<string, LayerValue>();
  for (const [key, written] of file?.document.settings ?? []) {
    const source: Source = { from, place: written.place };
    values.set(key, {
      value: fillSetting(key, written, dirname(file!.path), fill),
      source,
      written: String(written.value),
    });
  }
  return { from, values };
}

/** Adds the policy.yaml in `directory` when the layer names no policy: losing the line that names it must not loosen. */
export function withPolicyBeside(layer: Layer, directory: string): Layer {
  const path = join(directory, 'policy.yaml');
  if (layer.values.has('policy') || !existsSync(path)) return layer;
  const source: Source = { from: layer.from, place: { file: path, line: 1, column: 1 } };
  return { ...layer, values: new Map([...layer.values, ['policy', { value: path, source, written: path }]]) };
}

function fillSetting(key: string, written: Written<Value>, base: string, fill: Fill): Value {
  if (typeof written.value !== 'string') return written.value;
  const setting = SETTINGS[key]!;
  if (setting.type !== 'text') return written.value;
  const text = fill(written, written.value);
  return setting.path ? resolve(base, text) : text;
}

const TIGHTENS_UNASKED = (key: string) => key === 'fail' || key.startsWith('limits.');

/** Of files that nobody accepted only limits and `fail` count, and only where they tighten (design rule 12). */
export function tightening(file: ConfigFile | undefined): Layer {
  const values = new Map<string, LayerValue>();
  for (const [key, { value, place }] of file?.document.settings ?? []) {
    if (TIGHTENS_UNASKED(key)) values.set(key, { value, source: { from: 'project', place }, written: String(value) });
  }
  return { from: 'project', values, tightenOnly: true };
}

/** The settings of a trusted project, and its policy, which may be there without being named. */
export function projectLayer(
  set: FileSet | undefined,
  accepted: TrustRecord | undefined,
  trust: TrustState,
  file: ConfigFile | undefined,
  fill: Fill,
): Layer {
  const layer = fileLayer('project', file, fill);
  const name = trust === 'trusted' ? set?.policy?.name : trust === 'changed' ? accepted?.policy : undefined;
  if (name === undefined || set === undefined) return layer;
  const path = resolve(set.root, name);
  const place = { file: path, line: 1, column: 1 };
  const policy = layer.values.get('policy') ?? { source: { from: 'project', place }, written: name };
  return { from: 'project', values: new Map([...layer.values, ['policy', { ...policy, value: path }]]) };
}

/** `CALLGATE_SECTION__KEY` variables; any other CALLGATE_ variable is an issue. */
export function environmentLayer(env: ConfigRequest['env'], cwd: string, issues: Issue[]): Layer {
  const values = new Map<string, LayerValue>();
  const keyOf = new Map(Object.keys(SETTINGS).map((key) => [environmentName(key), key]));
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith('CALLGATE_') || text === undefined || Object.hasOwn(OTHER_VARIABLES, name)) continue;
    const key = keyOf.get(name) ?? [...keyOf].find(([known]) => squeezed(known) === squeezed(name))?.[1];
    if (key === undefined) {
      const guess = didYouMean(name, [...keyOf.keys(), ...Object.keys(OTHER_VARIABLES)]);
      const message = `The variable ${name} is no setting.${guess}`;
      issues.push({
        code: 'CG_CONFIG_UNKNOWN_VARIABLE',
        message,
        remedy: `Unset ${name}, or spell it as docs/config.md does.`,
      });
      continue;
    }
    const value = settingFromText(key, name, text, cwd, issues);
    if (value !== undefined) values.set(key, { value, source: { from: 'environment', name }, written: text });
  }
  return { from: 'environment', values };
}

/** `CALLGATE_LIMITS__MESSAGEBYTES` is the same as `..__MESSAGE_BYTES`. */
function squeezed(name: string): string {
  return name
    .split('__')
    .map((part) => part.replaceAll('_', ''))
    .join('__');
}

/** What stands on the command line. */
export function flagLayer(flags: ConfigRequest['flags'], cwd: string, issues: Issue[]): Layer {
  const values = new Map<string, LayerValue>();
  for (const [key, text] of Object.entries(flags)) {
    if (text === undefined || key === 'config') continue;
    if (!Object.hasOwn(SETTINGS, key)) {
      const message = `${key} is no setting.${didYouMean(key, Object.keys(SETTINGS))}`;
      issues.push({ code: 'CG_CONFIG_UNKNOWN_KEY', message, remedy: 'Spell it as docs/config.md does.' });
      continue;
    }
    const value = settingFromText(key, key, text, cwd, issues);
    if (value !== undefined) values.set(key, { value, source: { from: 'flag', name: key }, written: text });
  }
  return { from: 'flag', values };
}

function settingFromText(key: string, name: string, text: string, cwd: string, issues: Issue[]): Value | undefined {
  const setting = SETTINGS[key]!;
  const checked = checkText(setting, name, text);
  if ('issue' in checked) {
    issues.push(checked.issue);
    return undefined;
  }
  return setting.type === 'text' && setting.path ? resolve(cwd, String(checked.value)) : checked.value;
}
