import { SERVER_KEYS, SERVER_NAME, SETTINGS } from './settings.ts';
import type { ServerKey } from './settings.ts';

type Schema = { [key: string]: unknown };

/** The JSON Schema (2020-12) of callgate.yaml, for editors. Follows the table that the loader checks with. */
export function configSchema(): Schema {
  const properties: Schema = { version: { const: 1, description: 'The version of this format.' } };
  for (const [key, setting] of Object.entries(SETTINGS)) place(properties, key.split('.'), schemaOf(setting));
  const server: Schema = {};
  for (const [key, setting] of Object.entries(SERVER_KEYS)) place(server, key.split('.'), schemaOf(setting));
  properties['servers'] = {
    description: 'MCP servers by the name that policies use.',
    type: 'object',
    propertyNames: { pattern: SERVER_NAME.source },
    additionalProperties: { ...closed(server), oneOf: [{ required: ['command'] }, { required: ['url'] }] },
  };
  properties['lock'] = {
    description: 'Home file only: settings and sections that no project file, variable or flag may weaken.',
    type: 'array',
    items: { type: 'string' },
  };
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'callgate.yaml',
    description: 'Settings of Callgate. docs/config.md explains them.',
    ...closed(properties),
  };
}

function place(properties: Schema, path: readonly string[], schema: Schema): void {
  const [first, second] = path as [string, string | undefined];
  if (second === undefined) {
    properties[first] = schema;
    return;
  }
  const section = (properties[first] ??= closed({})) as { properties: Schema };
  section.properties[second] = schema;
}

function closed(properties: Schema): Schema {
  return { type: 'object', additionalProperties: false, properties };
}

function schemaOf(setting: ServerKey): Schema {
  const description = setting.about;
  switch (setting.type) {
    case 'choice':
      return { description, enum: setting.values, default: setting.fallback };
    case 'whole':
      return { description, type: 'integer', minimum: setting.min, maximum: setting.max, default: setting.fallback };
    case 'truth':
      return { description, type: 'boolean', default: setting.fallback };
    case 'text':
      return { description, type: 'string', minLength: 1 };
    case 'texts':
      return { description, type: 'array', items: { type: 'string' } };
    case 'text-map':
      return { description, type: 'object', additionalProperties: { type: 'string' } };
  }
}
