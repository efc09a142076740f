import { POLICY_SHAPE } from './schema.ts';
import type { Shape } from './schema-shape.ts';

/** The JSON Schema (draft 2020-12) of a policy file, for editors. */
export function toJsonSchema(): Record<string, unknown> {
  const definitions: Record<string, unknown> = {};
  const root = schemaOf(POLICY_SHAPE, definitions);
  const properties = root['properties'] as Record<string, Record<string, unknown>>;
  properties['version'] = { const: 1, description: POLICY_SHAPE.keys['version']?.doc };
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $id: 'https://callgate.dev/schema/policy.schema.json',
    title: 'Callgate policy, version 1',
    ...root,
    $defs: definitions,
  };
}

function schemaOf(shape: Shape, definitions: Record<string, unknown>): Record<string, unknown> {
  switch (shape.kind) {
    case 'text':
      if (shape.oneOf !== undefined) return { enum: [...shape.oneOf] };
      return {
        type: 'string',
        minLength: 1,
        ...(shape.pattern === undefined ? {} : { pattern: shape.pattern.source }),
      };
    case 'number':
      return {
        type: shape.integer === true ? 'integer' : 'number',
        ...(shape.min === undefined ? {} : { minimum: shape.min }),
      };
    case 'boolean':
      return { type: 'boolean' };
    case 'scalar':
      return { type: ['string', 'number', 'boolean', 'null'] };
    case 'list':
      return { type: 'array', minItems: 1, items: schemaOf(shape.of, definitions) };
    case 'fields':
      return { type: 'object', minProperties: 1, additionalProperties: schemaOf(shape.of, definitions) };
    case 'either':
      return { anyOf: shape.options.map((option) => schemaOf(option, definitions)) };
    case 'ref':
      if (!Object.hasOwn(definitions, shape.name)) {
        definitions[shape.name] = {};
        definitions[shape.name] = schemaOf(shape.to(), definitions);
      }
      return { $ref: `#/$defs/${shape.name}` };
    case 'map': {
      const properties: Record<string, unknown> = {};
      for (const [key, { shape: inner, doc }] of Object.entries(shape.keys)) {
        properties[key] = { description: doc, ...schemaOf(inner, definitions) };
      }
      const required = Object.keys(shape.keys).filter((key) => shape.keys[key]?.required === true);
      return {
        type: 'object',
        additionalProperties: false,
        minProperties: 1,
        ...(shape.one === true ? { maxProperties: 1 } : {}),
        ...(required.length > 0 ? { required } : {}),
        properties,
      };
    }
  }
}
