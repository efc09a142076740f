import type { Place } from '../model/error.ts';
import type { IncludedFile } from '../policy/includes.ts';
import type { TrustState } from './trust.ts';

export interface ConfigRequest {
  /** By setting (`evidence.durability`), as written; besides them `config`: a file in place of ./callgate.yaml. */
  readonly flags: Readonly<Record<string, string | undefined>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Real path, from openHome. */
  readonly home: string;
}

/** Where a value came from; lowest precedence last. `file` is the one named by --config. */
export type SourceKind = 'flag' | 'environment' | 'file' | 'project' | 'home' | 'default';

export interface Source {
  readonly from: SourceKind;
  /** The flag or variable. */
  readonly name?: string;
  readonly place?: Place;
}

/** How a server is reached: as a process of its own, or under a URL. */
export type ServerConfig = CommandServer | UrlServer;

interface AnyServer {
  readonly era: 'auto' | 'legacy' | 'modern';
  /** What its names begin with where many servers are one. */
  readonly prefix?: string;
  /** A request it has not answered by then is given up. */
  readonly timeoutMs: number;
  readonly trust: { readonly annotations: boolean };
}

export interface CommandServer extends AnyServer {
  readonly kind: 'command';
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly maxProcesses: number;
}

export interface UrlServer extends AnyServer {
  readonly kind: 'url';
  readonly url: string;
  readonly transport: 'streamable' | 'sse';
  /** Secrets stand in these: never log them. */
  readonly headers: Readonly<Record<string, string>>;
  /** Absolute paths by header. */
  readonly headerFiles: Readonly<Record<string, string>>;
  /** Private hosts, addresses and ranges that are opened. */
  readonly dial: readonly string[];
  /** PEM files. */
  readonly tls: { readonly ca?: string; readonly cert?: string; readonly key?: string };
}

/** What `callgate serve` offers, and to whom. */
export interface ServeConfig {
  readonly host: string;
  readonly port: number;
  readonly auth: 'anonymous' | 'key';
  readonly hosts: readonly string[];
  readonly origins: readonly string[];
  /** PEM files. */
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly clientCa?: string;
  readonly sse: boolean;
  readonly names: 'never' | 'collisions' | 'always';
  readonly sessions: number;
  /** Seconds. */
  readonly sessionIdle: number;
  readonly inFlight: number;
}

export interface PolicySource {
  readonly file: string;
  readonly text: string;
  /** Of a project's policy: all that it may include, read together with it. */
  readonly included?: readonly IncludedFile[];
}

/** Everything that was set, checked, and where each value came from. */
export interface Config {
  readonly home: string;
  /** Real path of the working directory. */
  readonly cwd: string;
  /** Absolute path; resolvePolicy reads it. */
  readonly policy?: string;
  readonly evidence: { readonly durability: 'batch' | 'strict'; readonly required: boolean; readonly dir?: string };
  readonly servers: Readonly<Record<string, ServerConfig>>;
  readonly refusal: 'result' | 'error';
  readonly limits: {
    readonly messageBytes: number;
    readonly depth: number;
    readonly keys: number;
    readonly inFlight: number;
    /** 0: none. */
    readonly perMinute: number;
    readonly toolPerMinute: number;
    readonly principalPerMinute: number;
  };
  readonly breaker: {
    /** Errors in a row; 0: never. */
    readonly transportErrors: number;
    readonly toolErrors: number;
    /** Seconds. */
    readonly window: number;
    readonly pause: number;
  };
  readonly log: { readonly level: 'error' | 'warn' | 'info' | 'debug'; readonly format: 'pretty' | 'json' };
  readonly fail: 'closed' | 'open';
  readonly lists: { readonly filter: boolean };
  readonly serve: ServeConfig;
  readonly organisation: {
    /** Absolute path of the policy that stands above all others. */
    readonly policy?: string;
  };
  readonly trust: TrustState;
  /** By setting, and `servers.<name>`. */
  readonly sources: Readonly<Record<string, Source>>;
  /** As the user wrote them, `${NAME}` not filled in: safe to show. */
  readonly written: Readonly<Record<string, string>>;
  /** The policy text when it was read together with the config (project files). */
  readonly policyText?: PolicySource;
  /** A project's policy that the user has not accepted: it may only tighten. */
  readonly untrustedPolicy?: PolicySource;
  /** Lines for stderr. */
  readonly notices: readonly string[];
  /** Files whose change asks for loading again; some of them may not exist yet. */
  readonly watched: readonly string[];
  /** The same, in a directory that is written all the time: look at them, do not watch there. */
  readonly polled: readonly string[];
}
