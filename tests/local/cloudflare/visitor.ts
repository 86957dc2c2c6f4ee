import { type IncomingHttpHeaders, request } from 'node:http';

export interface Visit {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
  location: URL;
}

export interface Visitor {
  /** One request to the edge; the name in the URL goes into Host, since `*.localhost` need not resolve. */
  open(url: string, options?: VisitOptions): Promise<Visit>;
  /** Behaves like a browser: follows redirects, keeps cookies per hostname. */
  browse(url: string): Promise<Visit>;
  cookies(hostname: string): Map<string, string>;
}

interface VisitOptions {
  method?: string;
  headers?: Record<string, string | string[]>;
  body?: string;
}

export const asBrowser = { accept: 'text/html,application/xhtml+xml' };

export function createVisitor(edgePort: number): Visitor {
  const jars = new Map<string, Map<string, string>>();
  const cookies = (hostname: string): Map<string, string> => {
    const jar = jars.get(hostname) ?? new Map<string, string>();
    jars.set(hostname, jar);
    return jar;
  };

  const open = async (address: string, options: VisitOptions = {}): Promise<Visit> => {
    const url = new URL(address);
    const jar = cookies(url.hostname);
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
    const visit = await send(edgePort, url, {
      ...options,
      headers: { ...(cookie ? { cookie } : {}), ...options.headers },
    });
    for (const text of visit.headers['set-cookie'] ?? []) keep(jar, text);
    return visit;
  };

  return {
    open,
    cookies,
    async browse(address) {
      let visit = await open(address, { headers: asBrowser });
      let at = address;
      for (let hops = 0; visit.status === 302 && hops < 10; hops++) {
        at = new URL(visit.headers.location ?? '', at).href;
        visit = await open(at, { headers: asBrowser });
      }
      return { ...visit, location: new URL(at) };
    },
  };
}

function send(port: number, url: URL, options: VisitOptions): Promise<Visit> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        host: '127.0.0.1',
        port,
        method: options.method ?? 'GET',
        path: `${url.pathname}${url.search}`,
        headers: { host: url.host, ...options.headers },
        agent: false,
      },
      async (incoming) => {
        try {
          let body = '';
          for await (const chunk of incoming.setEncoding('utf8')) body += chunk;
          resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body, location: url });
        } catch (error) {
          reject(error);
        }
      },
    );
    outgoing.on('error', reject);
    outgoing.end(options.body);
  });
}

function keep(jar: Map<string, string>, text: string): void {
  const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(text) ?? [];
  if (/max-age=0\b/i.test(text)) jar.delete(name);
  else jar.set(name, value);
}
