import type { Terminal } from '../infra/terminal/terminal.ts';

/** A terminal without a person: its output goes to a log, and a question means that a setting is missing. */
export function quietTerminal(log: (line: string) => void): Terminal {
  const nobody = ({ name }: { name: string }) => Promise.reject(new Error(`nobody can be asked for ${name}`));
  return {
    interactive: false,
    print: (line = '') => log(line),
    heading: log,
    mark: (_, text) => log(text),
    ask: nobody,
    askSecret: nobody,
    confirm: async (_, assumed) => assumed,
    choose: (_, name) => nobody({ name }),
    during: (_, work) => work(() => undefined),
  };
}
