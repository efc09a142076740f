/** What every host (Node and browsers) gives; declared narrowly so that this room needs no host types. */
declare const URL: new (text: string) => {
  readonly hostname: string;
  readonly port: string;
  readonly pathname: string;
};

/** How a WHATWG reader takes a URL. */
export interface WhatwgReading {
  /** Without brackets; empty where the URL has none. */
  readonly hostname: string;
  /** Empty where it is absent or the default of the scheme. */
  readonly port: string;
  readonly pathname: string;
}

/** The WHATWG reading of an absolute URL, or undefined when such a reader refuses it. */
export function parseWhatwg(text: string): WhatwgReading | undefined {
  try {
    const { hostname, port, pathname } = new URL(text);
    return { hostname: hostname.startsWith('[') ? hostname.slice(1, -1) : hostname, port, pathname };
  } catch {
    return undefined;
  }
}

/** The canonical host of `http://HOST/`: lower case, punycode, IPv4 in dotted decimal. Undefined when it is no host. */
export function hostOfHttp(host: string): string | undefined {
  if (/[\\/?#@:]/.test(host)) return undefined;
  const read = parseWhatwg(`http://${host}/`);
  return read === undefined || read.hostname === '' ? undefined : read.hostname;
}
