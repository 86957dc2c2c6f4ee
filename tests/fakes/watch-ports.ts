import type { Ports } from '../../lambdas/ports.ts';

/** `machines.launch` and so on: every call that leaves the process. */
export type PortCall =
  `${Exclude<keyof Ports, 'now' | 'newId' | 'log' | 'forge'> | 'github' | 'plain'}.${string}`;

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
  'jobs',
] as const;

/** All but the forge: what it calls is watched behind it. */
export function watchPorts<P extends Omit<Ports, 'forge'>>(ports: P, watch: Watch): P {
  const watched = { ...ports };
  for (const name of outside) Object.assign(watched, { [name]: watchPort(name, ports[name], watch) });
  return watched;
}

/** Each method of it is a call that leaves the process. */
export function watchPort<T extends object>(
  name: (typeof outside)[number] | 'github' | 'plain',
  port: T,
  watch: Watch,
): T {
  return new Proxy(port, {
    get(target, method, receiver) {
      const member: unknown = Reflect.get(target, method, receiver);
      if (typeof member !== 'function' || typeof method !== 'string') return member;
      return (...args: unknown[]) =>
        watch(`${name}.${method}`, () => Promise.resolve(Reflect.apply(member, target, args)));
    },
  });
}
