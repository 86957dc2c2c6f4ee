import type { Terminal } from '../infra/terminal/terminal.ts';

/** Nobody sits here: what is said goes to a log, what is asked was forgotten to be set. */
export function quietTerminal(log: (line: string) => void): Terminal {
  const nobody = ({ name }: { name: string }) => Promise.reject(new Error(`nobody can be asked for ${name}`));
  return {
    interactive: false,
    say: (line = '') => log(line),
    heading: log,
    mark: (_, text) => log(text),
    ask: nobody,
    askSecret: nobody,
    confirm: async (_, assumed) => assumed,
    choose: (_, name) => nobody({ name }),
    during: (_, work) => work(() => undefined),
  };
}
