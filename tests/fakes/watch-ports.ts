import type { Ports } from '../../lambdas/ports.ts';
import type { Tunnels } from '../../lambdas/providers/cloudflare/tunnels.ts';

/** What leaves the process: providers are code in it, over ports of their own. */
export type Wires = Omit<Ports, 'ingress'> & { tunnels: Tunnels };

/** `machines.launch` and so on: every call that leaves the process. */
export type PortCall = `${Exclude<keyof Wires, 'now' | 'newId' | 'log'>}.${string}`;

/** Stands between the code and its ports: may look, wait, fail before or after the effect, or never answer. */
export type Watch = (call: PortCall, perform: () => Promise<unknown>) => Promise<unknown>;

const outside = [
  'environments',
  'records',
  'operator',
  'secrets',
  'machines',
  'bell',
  'mailbox',
  'tunnels',
  'pullRequests',
  'jobs',
] as const;

export function watchPorts(wires: Wires, watch: Watch): Wires {
  const watched: Wires = { ...wires };
  for (const name of outside) Object.assign(watched, { [name]: watchPort(name, wires[name], watch) });
  return watched;
}

function watchPort<T extends object>(name: (typeof outside)[number], port: T, watch: Watch): T {
  return new Proxy(port, {
    get(target, method, receiver) {
      const member: unknown = Reflect.get(target, method, receiver);
      if (typeof member !== 'function' || typeof method !== 'string') return member;
      return (...args: unknown[]) =>
        watch(`${name}.${method}`, () => Promise.resolve(Reflect.apply(member, target, args)));
    },
  });
}
