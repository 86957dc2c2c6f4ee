import { OperatorError } from '../../infra/terminal/operator-error.ts';
import type { Question, Terminal } from '../../infra/terminal/terminal.ts';

export interface ScriptedTerminal extends Terminal {
  /** All that was printed, with the questions for secrets, and never what was typed. */
  readonly lines: readonly string[];
  /** The names of the questions, in order. */
  readonly asked: readonly string[];
}

/**
 * A terminal that gives the answers by the question's name, several for one name in their order, and `true` or
 * `false` to `confirm` by its text (or the default where there is none).
 */
export function scriptedTerminal(
  answers: Record<string, string | readonly string[] | boolean> = {},
): ScriptedTerminal {
  const lines: string[] = [];
  const asked: string[] = [];
  const left = new Map(
    Object.entries(answers).map(([name, value]) => [name, typeof value === 'string' ? [value] : value]),
  );

  const next = (name: string, text: string): string => {
    const values = left.get(name);
    if (!Array.isArray(values) || values.length === 0) throw new Error(`nobody answers ${name}: ${text}`);
    const [first, ...rest] = values;
    left.set(name, rest);
    return String(first);
  };
  const answer = async (question: Question): Promise<string> => {
    asked.push(question.name);
    lines.push(`? ${question.text}`);
    for (;;) {
      const values = left.get(question.name);
      if (question.preset !== undefined && values === undefined) return question.preset;
      const given = next(question.name, question.text);
      const problem = await question.check?.(given);
      if (!problem) return given;
      lines.push(`✗ ${problem}`);
      if (!left.get(question.name)) throw new OperatorError(problem);
    }
  };
  return {
    interactive: true,
    lines,
    asked,
    print: (line = '') => void lines.push(line),
    heading: (title) => void lines.push(`# ${title}`),
    mark: (outcome, text, fix) => void lines.push(`${outcome}: ${text}`, ...(fix ? [`  → ${fix}`] : [])),
    ask: answer,
    askSecret: answer,
    confirm: async (text, assumed) => {
      lines.push(`? ${text}`);
      const given = [...left].find(([name]) => text.includes(name))?.[1];
      return typeof given === 'boolean' ? given : assumed;
    },
    async choose(text, name, choices) {
      asked.push(name);
      lines.push(`? ${text}`);
      const given = next(name, text);
      const chosen = choices.find((choice) => choice.name === given);
      if (!chosen) throw new Error(`${name} has no choice ${given}`);
      return chosen.value;
    },
    during(label, work) {
      lines.push(`… ${label}`);
      return work((detail) => void lines.push(`  ${detail}`));
    },
  };
}
