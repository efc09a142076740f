/** A request's path without its query. */
export function pathOf(url: string): string {
  const query = url.indexOf('?');
  return query < 0 ? url : url.slice(0, query);
}

/** What a path stands for. */
export interface Route {
  readonly kind: 'mcp' | 'sse' | 'messages';
  readonly server: string | undefined;
}

/** @param hasSse whether HTTP+SSE of 2024-11-05 is offered */
export function routeOf(path: string, hasSse: boolean): Route | undefined {
  if (path === '/mcp') return { kind: 'mcp', server: undefined };
  if (path.startsWith('/mcp/')) return named('mcp', path.slice(5));
  if (!hasSse) return undefined;
  if (path === '/messages') return { kind: 'messages', server: undefined };
  if (path === '/sse') return { kind: 'sse', server: undefined };
  return path.startsWith('/sse/') ? named('sse', path.slice(5)) : undefined;
}

function named(kind: Route['kind'], text: string): Route | undefined {
  try {
    const server = decodeURIComponent(text);
    return server === '' || server.includes('/') ? undefined : { kind, server };
  } catch {
    return undefined;
  }
}
