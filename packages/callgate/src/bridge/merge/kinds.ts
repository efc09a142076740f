/** A list that is made out of those of the servers. */
export interface ListKind {
  readonly method: string;
  /** The member of the result that holds the entries. */
  readonly entries: string;
  /** The member that names an entry. */
  readonly key: 'name' | 'uri' | 'uriTemplate' | 'taskId';
  /** What a server that has such a list says that it can. */
  readonly capability: string;
  readonly changed: string | undefined;
}

export const TOOLS: ListKind = {
  method: 'tools/list',
  entries: 'tools',
  key: 'name',
  capability: 'tools',
  changed: 'notifications/tools/list_changed',
};
export const PROMPTS: ListKind = {
  method: 'prompts/list',
  entries: 'prompts',
  key: 'name',
  capability: 'prompts',
  changed: 'notifications/prompts/list_changed',
};
export const RESOURCES: ListKind = {
  method: 'resources/list',
  entries: 'resources',
  key: 'uri',
  capability: 'resources',
  changed: 'notifications/resources/list_changed',
};
export const TEMPLATES: ListKind = {
  method: 'resources/templates/list',
  entries: 'resourceTemplates',
  key: 'uriTemplate',
  capability: 'resources',
  changed: 'notifications/resources/list_changed',
};
export const TASKS: ListKind = {
  method: 'tasks/list',
  entries: 'tasks',
  key: 'taskId',
  capability: 'tasks',
  changed: undefined,
};

export const KINDS: readonly ListKind[] = [TOOLS, PROMPTS, RESOURCES, TEMPLATES, TASKS];
export const kindOf = new Map(KINDS.map((kind) => [kind.method, kind]));
